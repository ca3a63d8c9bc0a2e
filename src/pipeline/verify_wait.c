/* src/pipeline/verify_wait.c — waiting until the running tarn says that the lake has reached the cut. */
#include <stdio.h>

#include "base/env.h"
#include "base/mem.h"
#include "io/http.h"
#include "pipeline/run_info.h"
#include "pipeline/verify_int.h"

#define POLL_US 100000

static const json_t *find_source(const json_t *status, const char *name)
{
	const json_t *source;
	size_t i;

	json_array_foreach(json_object_get(status, "sources"), i,
	                   source) if (strcmp(json_get_str(source, "source", ""), name) == 0) return source;
	return NULL;
}

static int lake_lsn(struct verify_run *run, uint64_t *lsn, struct err *err)
{
	json_t *status;
	const json_t *source;
	int rc = run_info_status(run->config, &status, err);

	if (rc)
		return rc;
	source = find_source(status, run->source->name);
	if (!source)
		rc = err_set(err, ERR_NOT_FOUND,
		             "the running tarn has no source %s; restart it with this configuration",
		             run->source->name);
	else if (strcmp(json_get_str(source, "state", ""), "stopped") == 0)
		rc = err_set(err, ERR_SOURCE_SETUP, "source %s is stopped: %s", run->source->name,
		             json_get_str(source, "reason", ""));
	else if (!str_to_lsn(str_of(json_get_str(json_object_get(source, "lsn"), "lake", "0/0")), lsn))
		*lsn = 0;
	json_decref(status);
	return rc;
}

int verify_wait_lake(struct verify_run *run, struct err *err)
{
	int64_t until = env_mono_us() + run->opts->wait_us;
	char want[LSN_TEXT_MAX], have[LSN_TEXT_MAX];
	uint64_t lsn = 0;

	for (;;) {
		int rc = lake_lsn(run, &lsn, err);

		if (rc || lsn >= run->cut.consistent_lsn)
			return rc;
		if (env_mono_us() > until)
			return err_set(
				err, ERR_TIMEOUT,
				"the lake stands at %s and did not reach %s in time; look at tarn status, or give --wait more time",
				lsn_text(lsn, have), lsn_text(run->cut.consistent_lsn, want));
		if (run->opts->stage)
			run->opts->stage(run->opts->arg, "waiting for the lake", lsn, run->cut.consistent_lsn);
		env_sleep_us(POLL_US);
	}
}

int verify_table_running(struct verify_run *run, const char *label, char *why, size_t n, struct err *err)
{
	json_t *status;
	const json_t *table, *source;
	size_t i;
	int rc = run_info_status(run->config, &status, err);

	if (rc)
		return rc;
	snprintf(why, n,
	         "the running tarn does not capture it: it is newer than that; restart tarn run, which copies it");
	source = find_source(status, run->source->name);
	json_array_foreach(json_object_get(source, "tables"), i, table)
	{
		const char *state = json_get_str(table, "state", "");

		if (strcmp(json_get_str(table, "table", ""), label) != 0)
			continue;
		if (strcmp(state, "running") == 0)
			why[0] = '\0';
		else
			snprintf(why, n, "it is %s%s%s", state, json_has(table, "reason") ? ": " : "",
			         json_get_str(table, "reason", ""));
	}
	json_decref(status);
	return ERR_OK;
}
