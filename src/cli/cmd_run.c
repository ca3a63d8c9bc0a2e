/* src/cli/cmd_run.c — `tarn run`: one process with capture, apply, catalog server and operations API, until SIGINT or
 * SIGTERM.
 *
 * Order of start: state folder and its lock, warehouse, catalog, servers, supervisor. Order of stop: the reverse;
 * sources first inside the supervisor. A stop that takes longer than STOP_MS_MAX is ended hard: recovery at the next
 * start takes care of the rest. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/env.h"
#include "base/log.h"
#include "base/thread.h"
#include "catalog/catalog.h"
#include "catalog/rest_server.h"
#include "cli/command.h"
#include "iceberg/ice_table.h"
#include "io/http.h"
#include "io/loop.h"
#include "pipeline/run_metrics.h"
#include "pipeline/supervisor.h"
#include "serve/ops_api.h"

#define STOP_MS_MAX 10000
#define WATCH_US 500000

struct run {
	struct config *config;
	int lock_fd;
	struct store *store;
	struct catalog *catalog;
	struct lake lake;
	struct supervisor *supervisor;
	struct loop *loop;
	struct loop_timer *timer;
	struct http_server *http, *rest;
	struct ops_api ops;
	struct rest_server rest_api;
	struct err fatal;
	int signals;
};

#define LOCK_WAIT_US 2000000 /* a process that was killed a moment ago still holds it */
#define LOCK_STEP_US 50000

static bool take_lock(int fd)
{
	int64_t end = env_mono_us() + LOCK_WAIT_US;
	bool taken = flock(fd, LOCK_EX | LOCK_NB) == 0;

	while (!taken && env_mono_us() < end) {
		env_sleep_us(LOCK_STEP_US);
		taken = flock(fd, LOCK_EX | LOCK_NB) == 0;
	}
	return taken;
}

static int lock_state(struct run *r, struct err *err)
{
	char path[4096];
	int rc = env_mkdir_parents(r->config->state, 0755);

	if (rc < 0)
		return err_set_errno(err, ERR_IO, -rc, "state folder '%s' cannot be made", r->config->state);
	snprintf(path, sizeof path, "%.4000s/LOCK", r->config->state);
	r->lock_fd = env_open(path, O_RDWR | O_CREAT, 0644);
	if (r->lock_fd < 0)
		return err_set_errno(err, ERR_IO, -r->lock_fd, "cannot open '%s'", path);
	if (!take_lock(r->lock_fd)) {
		env_close(r->lock_fd);
		r->lock_fd = -1; /* what is in the folder is the other's: run.json stays */
		return err_set(
			err, ERR_LOCKED,
			"state folder '%s' is used by another tarn process; stop it first, or give this one its own state: folder",
			r->config->state);
	}
	return ERR_OK;
}

static int open_lake(struct run *r, struct err *err)
{
	const struct config *c = r->config;
	char db[4096];
	int rc = store_open(c->warehouse, &r->store, err);

	if (rc)
		return rc;
	snprintf(db, sizeof db, "%.4000s/catalog.db", c->state);
	rc = catalog_open_sqlite(db, r->store, false, &r->catalog, err);
	if (rc)
		return rc;
	r->lake = (struct lake){
		.catalog = r->catalog,
		.store = r->store,
		.format = &ice_format_ops,
		.state = c->state,
		.data_file_bytes = (uint64_t)c->data_file_bytes,
		.index_memory_bytes = (uint64_t)c->memory_bytes / 4,
		.keep = { .versions_min = c->keep_versions,
		          .age_us_max = c->keep_age_us,
		          .manifests_max = 50,
		          .metadata_versions = 20 },
	};
	return supervisor_open(c, &r->lake, &r->supervisor, err);
}

static int status(void *ctx, json_t *out, struct err *err)
{
	struct run *r = ctx;
	json_t *found = supervisor_status(r->supervisor);
	char now[TIME_TEXT_MAX];
	int rc = !found || json_object_update(out, found) ||
	         json_set_str(out, "time", str_of(time_text_ms(env_wall_us(), now)));

	json_decref(found);
	return rc ? err_nomem(err) : ERR_OK;
}

static int ready(void *ctx, json_t *checks, struct err *err)
{
	struct run *r = ctx;
	json_t *found = supervisor_status(r->supervisor), *source;
	size_t i;
	int rc = found ? 0 : -1;

	json_array_foreach(json_object_get(found, "sources"), i, source) rc |= ops_check(
		checks, json_get_str(source, "source", "?"), strcmp(json_get_str(source, "state", ""), "stopped") != 0,
		json_get_str(source, "reason", ""));
	json_decref(found);
	return rc ? err_nomem(err) : ERR_OK;
}

static int open_servers(struct run *r, struct err *err)
{
	int rc = loop_open(&r->loop, err);

	r->ops = (struct ops_api){ .ctx = r, .ready = ready, .status = status };
	if (!rc && r->config->http[0])
		rc = http_server_open(r->loop, r->config->http, &http_limits_default, ops_api_handle, &r->ops, &r->http,
		                      err);
	r->rest_api = (struct rest_server){ .catalog = r->catalog };
	if (!rc && r->config->catalog[0])
		rc = http_server_open(r->loop, r->config->catalog, &http_limits_default, rest_handle, &r->rest_api,
		                      &r->rest, err);
	return rc;
}

static void *kill_late(void *arg)
{
	(void)arg;
	env_sleep_us(STOP_MS_MAX * 1000);
	log_warn("cli", "the stop took longer than %d s and was ended hard; nothing is lost, the next start recovers",
	         STOP_MS_MAX / 1000);
	_exit(0);
}

static void on_signal(void *arg, int signo)
{
	struct run *r = arg;

	(void)signo;
	if (r->signals++ > 0) {
		log_warn("cli", "second signal: stopping at once; nothing is lost, the next start recovers");
		_exit(1);
	}
	loop_stop(r->loop);
}

static void on_timer(void *arg)
{
	struct run *r = arg;

	if (supervisor_fatal(r->supervisor, &r->fatal))
		loop_stop(r->loop);
}

static void announce(const struct run *r)
{
	char address[300] = "";

	/* ports may have been 0: what they became is found in this file */
	snprintf(address, sizeof address, "{\"http\":\"%s\",\"catalog\":\"%s\",\"pid\":%d}\n",
	         r->http ? http_server_address(r->http) : "", r->rest ? http_server_address(r->rest) : "",
	         (int)getpid());
	char path[4096];
	snprintf(path, sizeof path, "%.4000s/run.json", r->config->state);
	env_write_file_atomic(path, address, strlen(address), 0644);
	log_info("cli", "tarn runs: http %s, catalog %s, warehouse %s", r->http ? http_server_address(r->http) : "off",
	         r->rest ? http_server_address(r->rest) : "off", r->store->root_uri);
}

static void stop_all(struct run *r)
{
	char path[4096];
	pthread_t late;

	if (r->supervisor && pthread_create(&late, NULL, kill_late, NULL) == 0)
		pthread_detach(late);
	if (r->supervisor)
		supervisor_stop(r->supervisor);
	loop_timer_stop(r->timer);
	http_server_close(r->http);
	http_server_close(r->rest);
	run_metrics_stop();
	loop_free(r->loop);
	supervisor_close(r->supervisor);
	if (r->lake.duck)
		duck_close(r->lake.duck);
	if (r->catalog)
		catalog_close(r->catalog);
	store_close(r->store);
	if (r->lock_fd >= 0) {
		snprintf(path, sizeof path, "%.4000s/run.json", r->config->state);
		env_unlink(path);
		env_close(r->lock_fd);
	}
}

static int serve(struct run *r, struct err *err)
{
	int rc;

	if ((rc = lock_state(r, err)) || (rc = open_lake(r, err)) || (rc = open_servers(r, err)) ||
	    (rc = loop_on_signals(r->loop, (const int[]){ SIGINT, SIGTERM, 0 }, on_signal, r, err)) ||
	    (rc = loop_timer_start(r->loop, WATCH_US, on_timer, r, &r->timer, err)) ||
	    (rc = run_metrics_start(r->supervisor, err)) || (rc = supervisor_start(r->supervisor, err)))
		return rc;
	announce(r);
	rc = loop_run(r->loop, err);
	if (!rc && r->fatal.code) {
		*err = r->fatal;
		rc = err->code;
	}
	log_info("cli", "stopping");
	return rc;
}

/* Without pipelines it is an Iceberg catalog and nothing else, which is a use, but rarely the one that was meant. */
static void warn_of_no_pipelines(const struct config *config)
{
	if (config->n_pipelines)
		return;
	if (config->path)
		log_warn(
			"cli",
			"no pipelines: only the catalog is served, nothing is captured; %s names no %s: 'tarn init' writes a configuration",
			config->path, config->n_sources ? "pipeline for its sources" : "source");
	else
		log_warn(
			"cli",
			"no pipelines: only the catalog is served, nothing is captured; there is no tarn.yaml in this folder: 'tarn init' writes one, --config FILE names another");
}

static int run(const struct command_args *args, struct err *err)
{
	struct run r = { .lock_fd = -1 };
	int rc = args->n_words ? err_set(err, ERR_USAGE, "run takes no words, but '%s' was given", args->words[0])
	                       : ERR_OK;

	if (!rc)
		rc = config_load(&args->config_opts, &r.config, err);
	if (rc)
		return rc;
	rc = log_open(&(struct log_opts){ .level = (enum log_level)r.config->log_level,
	                                  .json = r.config->log_json,
	                                  .path = r.config->log_path,
	                                  .rotate_bytes = (uint64_t)r.config->log_rotate_bytes,
	                                  .keep = (int)r.config->log_keep },
	              err);
	if (!rc) {
		signal(SIGPIPE, SIG_IGN);
		warn_of_no_pipelines(r.config);
		rc = serve(&r, err);
		stop_all(&r);
		if (!rc)
			log_info("cli", "stopped");
		log_close();
	}
	config_free(r.config);
	return rc;
}

const struct command cmd_run = {
	.name = "run",
	.words = "",
	.summary = "capture, apply and serve until stopped",
	.help = "Runs everything the configuration names: captures each source into its journal, keeps the lake's tables up to date, serves the Iceberg REST\n"
		"catalog and the operations API. SIGINT or SIGTERM stop it cleanly within ten seconds; a kill loses nothing either.\n"
		"\n"
		"Examples:\n"
		"  tarn run\n"
		"  tarn -c /etc/tarn/tarn.yaml run\n"
		"  tarn run --set lake.publish_interval=5s\n",
	.options = NULL,
	.run = run,
};
