/* src/pipeline/verify.c — the cut, then table by table. */
#include "pipeline/verify.h"

#include <stdio.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/thread.h"
#include "pg/pg_copy.h"
#include "pipeline/pipe_table.h"
#include "pipeline/table_schema.h"
#include "pipeline/verify_int.h"

/* Creating the slot waits for running transactions, without a limit of its own. */
struct watchdog {
	struct monitor lock;
	struct pg_conn *conn;
	int64_t wait_us;
	bool done;
};

static void watch(void *arg)
{
	struct watchdog *w = arg;
	struct err ignored;

	monitor_lock(&w->lock);
	if (!w->done && !monitor_wait(&w->lock, w->wait_us) && !w->done)
		(void)!pg_conn_cancel(w->conn, &ignored);
	monitor_unlock(&w->lock);
}

static int create_slot(struct verify_run *run, struct err *err)
{
	struct watchdog w = { .conn = run->repl, .wait_us = run->opts->wait_us };
	struct thread *thread;
	char slot[64];
	uint32_t id;
	int rc;

	env_random(&id, sizeof id);
	snprintf(slot, sizeof slot, "tarn_verify_%08x", id);
	monitor_init(&w.lock);
	rc = thread_start(&thread, "watchdog", watch, &w, err);
	if (!rc) {
		rc = pg_slot_create(run->repl, slot, true, &run->cut, err);
		monitor_lock(&w.lock);
		w.done = true;
		monitor_wake(&w.lock);
		monitor_unlock(&w.lock);
		thread_join(thread);
	}
	monitor_free(&w.lock);
	return rc;
}

static int take_cut(struct verify_run *run, struct err *err)
{
	struct pg_conn_opts opts = { .conninfo = run->source->conninfo,
		                     .password = run->source->password,
		                     .replication = true };
	int rc = pg_conn_open(&run->repl, &opts, err);

	opts.replication = false;
	if (!rc)
		rc = pg_conn_open(&run->conn, &opts, err);
	if (!rc)
		rc = create_slot(run, err);
	return rc ? rc : pg_snapshot_import(run->conn, run->cut.snapshot, err);
}

static int open_run(struct verify_run *run, struct err *err)
{
	char db[4096], uuid[37];
	struct env_stat st;
	int rc;

	snprintf(db, sizeof db, "%.4000s/catalog.db", run->config->state);
	if (env_stat(db, &st) < 0)
		return err_set(err, ERR_NOT_FOUND, "there is no lake yet: %s does not exist; start it with: tarn run",
		               db);
	env_uuid_text(uuid);
	snprintf(run->folder, sizeof run->folder, "%.4000s/verify-%s", run->config->state, uuid);
	rc = env_mkdir_parents(run->folder, 0700);
	if (rc < 0)
		return err_set_errno(err, ERR_IO, -rc, "cannot make folder '%s'", run->folder);
	if ((rc = store_open(run->config->warehouse, &run->store, err)) ||
	    (rc = catalog_open_sqlite(db, run->store, true, &run->catalog, err)))
		return rc;
	return duck_open(&run->duck, &(struct duck_opts){ .threads = 1 }, err);
}

static void close_run(struct verify_run *run)
{
	pg_conn_close(run->conn);
	pg_conn_close(run->repl);
	if (run->duck)
		duck_close(run->duck);
	if (run->catalog)
		catalog_close(run->catalog);
	store_close(run->store);
	if (run->folder[0])
		env_remove_tree(run->folder);
}

static bool wanted(const struct verify_run *run, const struct verify_table *t)
{
	if (run->opts->n_tables == 0)
		return true;
	for (size_t i = 0; i < run->opts->n_tables; i++)
		if (strcmp(run->opts->tables[i], t->label) == 0 || strcmp(run->opts->tables[i], t->lake_name) == 0)
			return true;
	return false;
}

static int compare(struct verify_run *run, struct verify_table *t, struct verify_result *result, struct err *err)
{
	char changes[200];
	int rc = verify_copy_source(t, err);

	if (!rc)
		rc = run->catalog->ops->table_load(run->catalog, run->source->name, t->lake_name, &t->mirror, err);
	snprintf(changes, sizeof changes, "%s" PIPE_CHANGES_SUFFIX, t->lake_name);
	if (!rc && run->changelog)
		rc = run->catalog->ops->table_load(run->catalog, run->source->name, changes, &t->changes, err);
	if (!rc)
		rc = verify_compare(t, result, err);
	catalog_table_clear(&t->mirror);
	catalog_table_clear(&t->changes);
	env_unlink(t->path);
	return rc;
}

static int verify_one(struct verify_run *run, struct relation *rel, size_t number, struct err *err)
{
	struct verify_table t = { .run = run, .rel = rel };
	struct verify_result result = { .table = t.label, .lsn = run->cut.consistent_lsn };
	int rc;

	table_schema_lake_name(rel, t.lake_name, sizeof t.lake_name);
	snprintf(t.label, sizeof t.label, "%s.%s", run->source->name, t.lake_name);
	snprintf(t.path, sizeof t.path, "%.4080s/%zu.parquet", run->folder, number);
	if (!wanted(run, &t))
		return ERR_OK;
	rc = verify_table_running(run, t.label, result.text, sizeof result.text, err);
	if (rc)
		return rc;
	result.outcome = VERIFY_SKIPPED;
	if (!result.text[0])
		rc = compare(run, &t, &result, err);
	if (rc == ERR_CONFLICT) {
		result.outcome = VERIFY_SKIPPED;
		snprintf(result.text, sizeof result.text, "%.1000s", err->text);
		rc = ERR_OK;
	}
	if (!rc)
		run->opts->result(run->opts->arg, &result);
	run->n_different += result.outcome == VERIFY_DIFFERENT;
	mem_free(result.keys);
	return rc ? err_prefix(err, "table %s", t.label) : ERR_OK;
}

static int verify_all(struct verify_run *run, struct err *err)
{
	struct pg_tables tables = { 0 };
	int rc = take_cut(run, err);

	if (!rc)
		rc = pg_tables_find(run->conn, run->source->tables, run->source->n_tables, NULL, &tables, err);
	if (!rc)
		rc = verify_wait_lake(run, err);
	for (size_t i = 0; !rc && i < tables.n; i++)
		rc = verify_one(run, tables.tables[i].rel, i, err);
	pg_tables_free(&tables);
	if (!rc && run->n_different)
		rc = err_set(err, ERR_DIFFERENT,
		             "%zu table%s of source %s differ%s from the lake; copy %s again: tarn table recopy NAME",
		             run->n_different, run->n_different == 1 ? "" : "s", run->source->name,
		             run->n_different == 1 ? "s" : "", run->n_different == 1 ? "it" : "them");
	return rc;
}

int verify_source(const struct config *config, const struct config_source *source, const struct verify_opts *opts,
                  struct err *err)
{
	struct verify_run run = { .config = config, .source = source, .opts = opts };
	int rc = ERR_OK;

	for (size_t i = 0; i < config->n_pipelines; i++)
		if (strcmp(config->pipelines[i].from, source->name) == 0) {
			run.mirror = config->pipelines[i].mirror;
			run.changelog = config->pipelines[i].changelog;
		}
	if (!run.mirror)
		return err_set(err, ERR_UNSUPPORTED,
		               "source %s has no mirror to compare; use mode: [mirror, changelog]", source->name);
	rc = open_run(&run, err);
	if (!rc)
		rc = verify_all(&run, err);
	close_run(&run);
	return rc;
}
