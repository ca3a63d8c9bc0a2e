/* src/cli/checks_local.c — checks of this machine: folders can be written, the disk has room, DuckDB loads, ports are
 * free. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/env.h"
#include "cli/checks.h"
#include "engine/duck.h"
#include "io/http.h"
#include "io/loop.h"
#include "store/store.h"

#define DISK_FAIL_BYTES 200000000u
#define DISK_WARN_BYTES 5000000000u

/* The folder itself, or the nearest one above it that exists: that is where it would be made. */
static void existing_folder(const char *path, char *out, size_t size)
{
	struct env_stat st;

	str_copy(out, size, str_of(path));
	while (env_stat(out, &st) != 0) {
		char *slash = strrchr(out, '/');

		if (!slash || slash == out) {
			str_copy(out, size, STR_LIT("/"));
			return;
		}
		*slash = 0;
	}
}

static bool is_running(const char *state)
{
	char path[4200];
	bool running;
	int fd;

	snprintf(path, sizeof path, "%.4000s/LOCK", state);
	fd = env_open(path, O_RDWR, 0);
	if (fd < 0)
		return false;
	running = flock(fd, LOCK_SH | LOCK_NB) != 0;
	env_close(fd);
	return running;
}

static void check_state(struct checks *c, const char *state, bool running)
{
	char folder[4096], probe[4200], found[512], uuid[37];
	int fd;

	existing_folder(state, folder, sizeof folder);
	env_uuid_text(uuid);
	snprintf(probe, sizeof probe, "%s/.tarn-probe-%s", folder, uuid);
	fd = env_open(probe, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0) {
		snprintf(found, sizeof found, "%.400s: %s", folder, strerror(-fd));
		checks_tell(c, "state folder", CHECK_FAILING, found,
		            "make it writable for this user, or choose another: state:");
		return;
	}
	env_close(fd);
	env_unlink(probe);
	snprintf(found, sizeof found, "%.400s%s", state,
	         running                      ? ", in use by a running tarn"
	         : strcmp(folder, state) != 0 ? ", made by the first run"
	                                      : "");
	checks_tell(c, "state folder", CHECK_FINE, found, "");
}

static void check_disk(struct checks *c, const char *name, const char *path)
{
	char folder[4096], found[512], size[SIZE_TEXT_MAX];
	struct statvfs fs;
	uint64_t left;

	existing_folder(path, folder, sizeof folder);
	if (statvfs(folder, &fs) != 0) {
		snprintf(found, sizeof found, "%.400s: %s", folder, strerror(errno));
		checks_tell(c, name, CHECK_WARNING, found, "the room on this disk cannot be read; watch it yourself");
		return;
	}
	left = (uint64_t)fs.f_bavail * fs.f_frsize;
	snprintf(found, sizeof found, "%s free at %.400s", size_text(left, size), folder);
	checks_tell(c, name,
	            left < DISK_FAIL_BYTES   ? CHECK_FAILING
	            : left < DISK_WARN_BYTES ? CHECK_WARNING
	                                     : CHECK_FINE,
	            found, "make room, or choose a folder on another disk");
}

static void check_warehouse(struct checks *c, const char *uri)
{
	struct store *store = NULL;
	struct err err;

	err_clear(&err);
	if (store_open(uri, &store, &err))
		checks_tell_err(c, "warehouse", &err,
		                "make it writable for this user, or choose another: lake: warehouse:");
	else
		checks_tell(c, "warehouse", CHECK_FINE, uri, "");
	store_close(store);
	if (str_starts(str_of(uri), "file://"))
		check_disk(c, "warehouse disk", uri + 7);
}

static void check_duck(struct checks *c)
{
	struct duck *duck = NULL;
	struct err err;

	err_clear(&err);
	if (duck_open(&duck, &(struct duck_opts){ 0 }, &err))
		checks_tell_err(c, "DuckDB", &err, "put libduckdb.so where the message says, or set DUCKDB_ROOT");
	else
		checks_tell(c, "DuckDB", CHECK_FINE, duck_version(duck), "");
	duck_close(duck);
}

static void no_handler(void *ctx, const struct http_request *request, struct http_response *response)
{
	(void)ctx, (void)request, (void)response;
}

static void check_port(struct checks *c, const char *key, const char *address, bool running)
{
	struct http_server *server = NULL;
	struct loop *loop = NULL;
	char name[64], mend[256];
	struct err err;

	if (!*address)
		return;
	snprintf(name, sizeof name, "address serve.%s", key);
	snprintf(mend, sizeof mend, "stop the program that has it, or choose another: --set serve.%s=127.0.0.1:PORT",
	         key);
	if (running) {
		checks_tell(c, name, CHECK_FINE, "not tried: tarn is running", "");
		return;
	}
	err_clear(&err);
	if (loop_open(&loop, &err) ||
	    http_server_open(loop, address, &http_limits_default, no_handler, NULL, &server, &err))
		checks_tell_err(c, name, &err, mend);
	else
		checks_tell(c, name, CHECK_FINE, address, "");
	if (server)
		http_server_close(server);
	if (loop)
		loop_free(loop);
}

void checks_local(struct checks *c, const struct config *config)
{
	bool running = is_running(config->state);

	check_state(c, config->state, running);
	check_disk(c, "state disk", config->state);
	check_warehouse(c, config->warehouse);
	check_duck(c);
	check_port(c, "http", config->http, running);
	check_port(c, "catalog", config->catalog, running);
}
