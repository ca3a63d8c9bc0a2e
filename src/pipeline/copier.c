/* src/pipeline/copier.c — copies of whole tables under an exported snapshot, handed over at its LSN.
 *
 * A transaction is in the snapshot exactly if its commit record starts before the slot's consistent point: the
 * copied table's position is consistent point - 1, and the apply thread goes on with what the journal has behind it.
 * All tables that wait are copied one after the other in one transaction. The copy is one commit; a copy that fails
 * leaves no trace but unreferenced files and is begun again. */
#include <stdio.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/pg_copy.h"
#include "pg/pg_types.h"
#include "pipeline/apply_int.h"

#define RETRY_US 3000000

struct copy_run {
	struct apply *a;
	struct source_export export_;
	struct pg_conn *conn;
};

/* The connections that read one table: the run's own, and for a large table further ones of its own. */
struct copy_readers {
	struct pg_conn *conns[PG_COPY_CONNECTIONS_MAX];
	size_t n;
	uint32_t blocks;
};

static bool stopping(struct apply *a)
{
	bool stop;

	monitor_lock(&a->lock);
	stop = a->stop_copier;
	monitor_unlock(&a->lock);
	return stop;
}

static struct pipe_table *next_table(struct apply *a)
{
	struct pipe_table *found = NULL;

	monitor_lock(&a->lock);
	for (size_t i = 0; !found && i < a->n_tables; i++)
		if (a->tables[i]->state == TABLE_NEW)
			found = a->tables[i];
	if (found) {
		found->state = TABLE_COPYING;
		found->copy_started_us = env_wall_us();
		found->counts.copied = 0;
	}
	monitor_unlock(&a->lock);
	return found;
}

static void set_state(struct apply *a, struct pipe_table *t, enum table_state state)
{
	monitor_lock(&a->lock);
	t->state = state;
	if (state == TABLE_RUNNING)
		a->attach = t->attaching = true;
	monitor_wake(&a->lock);
	monitor_unlock(&a->lock);
}

/* A table that was made after the start is not in the publication: its later changes would not come. Added now, it
 * can be copied under the next snapshot. */
static int add_to_publication(struct copy_run *run, const struct pipe_table *t, const struct pg_tables *found,
                              struct err *err)
{
	const struct config_source *conf = config_find_source(run->a->config, run->a->conf->from);
	struct pg_conn *conn = NULL;
	int rc = source_connect(run->a->source, &conn, err);

	if (!rc)
		rc = pg_publication_ensure(conn, conf->publication, found, true, err);
	pg_conn_close(conn);
	return rc ? rc
	          : err_set(err, ERR_CONFLICT,
	                    "table %s was added to publication \"%s\"; its copy begins again behind that", t->label,
	                    conf->publication);
}

/* The table's shape as the snapshot's transaction sees it. */
static int describe(struct copy_run *run, struct pipe_table *t, struct relation **rel, struct err *err)
{
	const char *pattern = t->label;
	struct pg_tables found = { 0 };
	int rc = pg_tables_find(run->conn, &pattern, 1,
	                        config_find_source(run->a->config, run->a->conf->from)->publication, &found, err);

	if (rc == ERR_NOT_FOUND || (!rc && found.n != 1))
		rc = err_set(
			err, ERR_NOT_FOUND,
			"there is no table %s at the source (dropped or renamed); the lake keeps its rows as they were; drop the lake's tables in the catalog to forget it, or leave it out of tables: of source %s",
			t->label, run->a->conf->from);
	if (!rc && found.tables[0].rel->unsupported)
		rc = err_set(err, ERR_UNSUPPORTED, "%s", found.tables[0].rel->unsupported);
	if (!rc && !found.tables[0].published)
		rc = add_to_publication(run, t, &found, err);
	if (!rc)
		rc = pg_types_bind(found.tables[0].rel, err);
	if (!rc) {
		*rel = relation_ref(found.tables[0].rel);
		monitor_lock(&run->a->lock);
		t->copy_rows_expected = found.tables[0].rows_estimate > 0 ? (uint64_t)found.tables[0].rows_estimate : 0;
		monitor_unlock(&run->a->lock);
	}
	pg_tables_free(&found);
	return rc;
}

static int add_reader(struct copy_run *run, const struct pipe_table *t, struct copy_readers *readers, struct err *err)
{
	struct pg_conn *conn = NULL;
	int rc = source_connect(run->a->source, &conn, err);

	if (!rc)
		rc = pg_copy_join(conn, run->export_.export_.snapshot, t->rel, err);
	if (rc)
		pg_conn_close(conn);
	else
		readers->conns[readers->n++] = conn;
	return rc;
}

static void close_readers(struct copy_readers *readers)
{
	while (readers->n > 1)
		pg_conn_close(readers->conns[--readers->n]);
}

/* A connection that cannot be had is done without: the copy takes longer. */
static int open_copy(struct copy_run *run, const struct pipe_table *t, struct copy_readers *readers,
                     struct pg_copy **copy, struct err *err)
{
	size_t wanted = (size_t)config_find_source(run->a->config, run->a->conf->from)->copy_connections;
	struct err why = { 0 };
	int rc = ERR_OK;

	FAILPOINT("copier.begin");
	readers->conns[0] = run->conn;
	readers->n = 1;
	if (wanted > 1)
		rc = pg_copy_blocks(run->conn, t->rel, &readers->blocks, err);
	while (!rc && readers->blocks && readers->n < wanted && !add_reader(run, t, readers, &why))
		;
	if (why.code)
		log_warn("pipeline", "table %s is copied over %zu of %zu connections: %s", t->label, readers->n, wanted,
		         why.text);
	return rc ? rc : pg_copy_open_split(readers->conns, readers->n, t->rel, readers->blocks, copy, err);
}

static int copy_rows(struct copy_run *run, struct pipe_table *t, struct err *err)
{
	struct copy_readers readers = { 0 };
	struct pg_copy *copy;
	bool done = false;
	int rc = open_copy(run, t, &readers, &copy, err);

	if (rc) {
		close_readers(&readers);
		return rc;
	}
	while (!rc && !done) {
		struct batch *batch;
		uint32_t before;

		if (stopping(run->a)) {
			rc = err_set(err, ERR_CANCELLED, "the copy of %s was interrupted", t->label);
			break;
		}
		rc = mirror_copy_batch(t->mirror, &batch, err);
		if (rc)
			break;
		before = batch->n;
		rc = pg_copy_read(copy, batch, &done, err);
		mirror_copied(t->mirror, batch->n - before);
		__atomic_add_fetch(&t->counts.copied, batch->n - before, __ATOMIC_RELAXED);
		FAILPOINT("copier.batch");
	}
	pg_copy_close(copy);
	close_readers(&readers);
	return rc;
}

static int publish(struct copy_run *run, struct pipe_table *t, struct err *err)
{
	struct publish_part parts[2];
	struct pipe_texts texts;
	enum commit_result result;
	uint64_t position = run->export_.export_.consistent_lsn - 1;
	size_t n;
	int rc = pipe_table_flush(t, position, &texts, parts, &n, err);

	if (rc)
		return rc;
	FAILPOINT("copier.before_publish");
	/* From its commit on the table stands where the copy does, whatever was said of it before. */
	rc = apply_hold_copied(run->a, t, err);
	if (rc)
		return rc;
	rc = lake_publish(run->a->lake, parts, n, NULL, &result, err);
	pipe_table_taken(t, parts, n);
	FAILPOINT("copier.published");
	if (rc)
		return rc;
	t->position = t->applied = position;
	return ERR_OK;
}

static int copy_table(struct copy_run *run, struct pipe_table *t, struct err *err)
{
	struct relation *rel = NULL;
	int64_t started = env_mono_us();
	int rc = describe(run, t, &rel, err);

	if (!rc)
		rc = pipe_table_open_copy(t, rel, err);
	relation_unref(rel);
	if (!rc && t->mirror)
		rc = copy_rows(run, t, err);
	if (!rc)
		rc = publish(run, t, err);
	if (rc)
		return err_prefix(err, "copy of %s", t->label);
	log_info("pipeline", "table %s copied: %llu rows in %lld ms", t->mirror_name,
	         (unsigned long long)t->counts.copied, (long long)(env_mono_us() - started) / 1000);
	apply_recopy_done(run->a, t);
	return ERR_OK;
}

static int begin_run(struct copy_run *run, struct err *err)
{
	int rc = source_export_begin(run->a->source, &run->export_, err);

	if (!rc)
		rc = source_connect(run->a->source, &run->conn, err);
	if (!rc)
		rc = pg_snapshot_import(run->conn, run->export_.export_.snapshot, err);
	return rc;
}

static void end_run(struct copy_run *run)
{
	pg_conn_close(run->conn);
	if (run->export_.conn)
		source_export_end(run->a->source, &run->export_);
}

static bool worth_retry(int rc)
{
	enum err_class class = err_class_of(rc);

	return class == ERR_CLASS_TRANSIENT || class == ERR_CLASS_CONFLICT || class == ERR_CLASS_LIMIT ||
	       rc == ERR_CANCELLED || rc == ERR_SLOT;
}

/* One exported snapshot for every table that waits. Returns an error when the run as a whole has to be begun again. */
static int copy_waiting(struct apply *a, struct pipe_table *t, struct err *err)
{
	struct copy_run run = { .a = a };
	int rc = begin_run(&run, err);

	if (rc)
		set_state(a, t, TABLE_NEW);
	while (!rc && t) {
		rc = copy_table(&run, t, err);
		if (rc && !worth_retry(rc)) {
			/* a request is answered: asked for again, once the cause is mended */
			if (t->recopy)
				apply_recopy_done(a, t);
			/* its mark was written when it became NEW (apply_held.c) */
			monitor_lock(&a->lock);
			pipe_table_stop(t, err);
			monitor_unlock(&a->lock);
			rc = pg_conn_alive(run.conn) ? ERR_OK : ERR_LOST;
		} else {
			pipe_table_close(t);
			set_state(a, t, rc ? TABLE_NEW : TABLE_RUNNING);
		}
		/* after an SQL error the transaction and its snapshot are of no use */
		if (!rc && t->state == TABLE_STOPPED)
			break;
		t = rc ? NULL : next_table(a);
	}
	end_run(&run);
	return rc;
}

static void wait_for_work(struct apply *a, int64_t us)
{
	monitor_lock(&a->lock);
	if (!a->stop_copier)
		monitor_wait(&a->lock, us);
	monitor_unlock(&a->lock);
}

static void set_copying(struct apply *a, bool copying)
{
	monitor_lock(&a->lock);
	a->copying = copying;
	monitor_unlock(&a->lock);
}

void copier_main(void *arg)
{
	struct apply *a = arg;
	struct repeat failures = { 0 };

	while (!stopping(a)) {
		struct err err = { 0 };
		struct pipe_table *t;

		set_copying(a, true); /* before looking: what is found must not lose its journal */
		t = next_table(a);
		if (!t) {
			set_copying(a, false);
			apply_collect_orphans(a);
			wait_for_work(a, 500000);
			continue;
		}
		if (copy_waiting(a, t, &err) && !stopping(a)) {
			repeat_log(&failures, LOG_WARN, a->conf->from, err.text);
			monitor_lock(&a->lock);
			snprintf(a->reason, sizeof a->reason, "%s", err.text);
			monitor_unlock(&a->lock);
			wait_for_work(a, RETRY_US);
		}
	}
}
