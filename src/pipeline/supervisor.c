/* src/pipeline/supervisor.c — one thread a source: open, run, and try again. */
#include "pipeline/supervisor.h"

#include <stdio.h>

#include "base/env.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "pipeline/apply.h"
#include "pipeline/repeat.h"
#include "pipeline/source_status.h"

#define RETRY_US_MIN 1000000
#define RETRY_US_MAX 30000000

struct unit { /* a source and its pipeline */
	struct supervisor *supervisor;
	const struct config_source *conf;
	const struct config_pipeline *pipeline; /* NULL: none reads it */
	struct thread *thread;
	struct source *source; /* under lock: NULL while it cannot be opened */
	struct apply *apply;
	struct err last;     /* why it is not open */
	int64_t next_try_us; /* when it is tried again, wall time */
};

struct supervisor {
	const struct config *config;
	struct lake *lake;
	struct monitor lock;
	bool stopping;
	bool fatal;
	struct err fatal_err;
	struct unit *units;
	size_t n_units;
};

static const struct config_pipeline *pipeline_of(const struct config *config, const char *source)
{
	for (size_t i = 0; i < config->n_pipelines; i++)
		if (strcmp(config->pipelines[i].from, source) == 0)
			return &config->pipelines[i];
	return NULL;
}

int supervisor_open(const struct config *config, struct lake *lake, struct supervisor **out, struct err *err)
{
	struct supervisor *s = mem_zero(sizeof *s);

	if (!s)
		return err_nomem(err);
	s->config = config;
	s->lake = lake;
	monitor_init(&s->lock);
	s->units = mem_array(config->n_sources ? config->n_sources : 1, sizeof *s->units);
	if (!s->units) {
		supervisor_close(s);
		return err_nomem(err);
	}
	s->n_units = config->n_sources;
	for (size_t i = 0; i < s->n_units; i++)
		s->units[i] = (struct unit){ .supervisor = s,
			                     .conf = &config->sources[i],
			                     .pipeline = pipeline_of(config, config->sources[i].name) };
	*out = s;
	return ERR_OK;
}

void supervisor_close(struct supervisor *s)
{
	if (!s)
		return;
	mem_free(s->units);
	monitor_free(&s->lock);
	mem_free(s);
}

static int unit_open(struct unit *u, struct source **source, struct apply **apply, struct err *err)
{
	const struct config *config = u->supervisor->config;
	int rc = source_open(config, u->conf, source, err);

	if (!rc && u->pipeline)
		rc = apply_open(config, u->pipeline, *source, u->supervisor->lake, apply, err);
	if (!rc)
		rc = source_start(*source, err);
	if (!rc && *apply)
		rc = apply_start(*apply, err);
	return rc;
}

static void unit_close(struct source *source, struct apply *apply)
{
	if (source)
		source_stop(source);
	if (apply)
		apply_stop(apply);
	apply_close(apply);
	source_close(source);
}

static void set_fatal(struct supervisor *s, const struct err *why)
{
	monitor_lock(&s->lock);
	if (!s->fatal) {
		s->fatal = true;
		s->fatal_err = *why;
	}
	monitor_unlock(&s->lock);
}

/* Waits for the stop, looking for what must end the process. True: the source has to be opened again. */
static bool watch(struct unit *u)
{
	struct supervisor *s = u->supervisor;
	bool stop = false;

	while (!stop) {
		struct err why;

		if ((u->apply && apply_fatal(u->apply, &why)) || source_fatal(u->source, &why)) {
			set_fatal(s, &why);
			return false;
		}
		if (source_must_reopen(u->source))
			return true;
		monitor_lock(&s->lock);
		if (!s->stopping)
			monitor_wait(&s->lock, 500000);
		stop = s->stopping;
		monitor_unlock(&s->lock);
	}
	return false;
}

static bool wait_retry(struct unit *u, int64_t us)
{
	struct supervisor *s = u->supervisor;
	bool stopping;

	monitor_lock(&s->lock);
	u->next_try_us = env_wall_us() + us;
	if (!s->stopping)
		monitor_wait(&s->lock, us);
	stopping = s->stopping;
	monitor_unlock(&s->lock);
	return !stopping;
}

static void publish_unit(struct unit *u, struct source *source, struct apply *apply, const struct err *why)
{
	monitor_lock(&u->supervisor->lock);
	u->source = source;
	u->apply = apply;
	u->last = why ? *why : (struct err){ 0 };
	monitor_unlock(&u->supervisor->lock);
}

/* One obstacle is met at a time; whoever mends it wants to know of the others. */
static void log_failure(struct repeat *failures, const struct err *err, int64_t delay)
{
	char text[ERR_TEXT_MAX + 80];
	bool setup = err->code == ERR_PRIVILEGE || err->code == ERR_SOURCE_SETUP;

	snprintf(text, sizeof text, "%s%s", err->text,
	         setup ? " ('tarn doctor' shows everything that is missing)" : "");
	repeat_log_retry(failures, LOG_ERROR, NULL, text, delay, RETRY_US_MAX);
}

static void unit_main(void *arg)
{
	struct unit *u = arg;
	struct repeat failures = { 0 };
	int64_t delay = RETRY_US_MIN, wait_us;
	bool again;

	do {
		struct source *source = NULL;
		struct apply *apply = NULL;
		struct err err = { 0 };
		int rc = unit_open(u, &source, &apply, &err);

		if (!rc) {
			publish_unit(u, source, apply, NULL);
			again = watch(u);
			publish_unit(u, NULL, NULL, NULL);
			unit_close(source, apply);
			if (!again)
				return;
			delay = wait_us = RETRY_US_MIN;
			repeat_clear(&failures);
			continue;
		}
		unit_close(source, apply);
		publish_unit(u, NULL, NULL, &err);
		/* a configuration that cannot work is mended in the file, and that needs a start anyway; other
		 * sources are not stopped for it */
		if (rc == ERR_LOCKED || (rc == ERR_CONFIG && u->supervisor->n_units == 1)) {
			repeat_log(&failures, LOG_ERROR, NULL, err.text);
			set_fatal(u->supervisor, &err);
			return;
		}
		log_failure(&failures, &err, delay);
		wait_us = delay;
		delay = delay * 2 > RETRY_US_MAX ? RETRY_US_MAX : delay * 2;
	} while (wait_retry(u, wait_us));
}

int supervisor_start(struct supervisor *s, struct err *err)
{
	for (size_t i = 0; i < s->n_units; i++) {
		int rc = thread_start(&s->units[i].thread, "source", unit_main, &s->units[i], err);

		if (rc)
			return rc;
	}
	return ERR_OK;
}

void supervisor_stop(struct supervisor *s)
{
	monitor_lock(&s->lock);
	s->stopping = true;
	monitor_wake(&s->lock);
	monitor_unlock(&s->lock);
	for (size_t i = 0; i < s->n_units; i++) {
		thread_join(s->units[i].thread);
		s->units[i].thread = NULL;
	}
}

bool supervisor_fatal(struct supervisor *s, struct err *why)
{
	bool fatal;

	monitor_lock(&s->lock);
	fatal = s->fatal;
	*why = s->fatal_err;
	monitor_unlock(&s->lock);
	return fatal;
}

static int unit_json(struct unit *u, json_t *o)
{
	/* what only time mends is connecting; what somebody has to mend is stopped, and tried again all the same */
	bool stopped = u->last.code && err_class_of(u->last.code) != ERR_CLASS_TRANSIENT;
	int rc = json_set_str(o, "source", str_of(u->conf->name));

	if (!u->source)
		return rc |
		       json_set_str(o, "state",
		                    str_of(source_state_name(stopped ? SOURCE_STOPPED : SOURCE_CONNECTING))) |
		       json_set_str(o, "reason", str_of(u->last.text)) | source_set_next_try(o, u->next_try_us) |
		       json_object_set_new(o, "tables", json_array());
	rc |= source_status(u->source, u->apply != NULL, o);
	return u->apply ? rc | apply_status(u->apply, o) : rc;
}

json_t *supervisor_status(struct supervisor *s)
{
	json_t *root = json_object(), *sources = json_array();
	int rc = root && sources ? json_object_set(root, "sources", sources) : -1;

	monitor_lock(&s->lock);
	for (size_t i = 0; !rc && i < s->n_units; i++) {
		json_t *o = json_object();

		rc = o ? unit_json(&s->units[i], o) : -1;
		rc |= json_array_append_new(sources, o);
	}
	monitor_unlock(&s->lock);
	json_decref(sources);
	if (rc) {
		json_decref(root);
		return NULL;
	}
	return root;
}
