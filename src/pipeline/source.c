/* src/pipeline/source.c — opening a source: identity card first, publication, then slot; then threads. */
#include <stdio.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/pg_types.h"
#include "pipeline/source_tables.h"

const char *source_state_name(enum source_state state)
{
	static const char *const names[] = { "connecting", "streaming", "waiting for space", "stopped" };

	return names[state];
}

bool source_stopping(struct source *s)
{
	bool stopping;

	monitor_lock(&s->lock);
	stopping = s->stopping;
	monitor_unlock(&s->lock);
	return stopping;
}

void source_set_state(struct source *s, enum source_state state, const struct err *why)
{
	monitor_lock(&s->lock);
	s->view.state = state;
	s->view.next_try_us = 0;
	snprintf(s->view.reason, sizeof s->view.reason, "%s", why ? why->text : "");
	monitor_unlock(&s->lock);
}

void source_retry_later(struct source *s, enum source_state state, const struct err *why, int64_t us)
{
	source_set_state(s, state, why);
	monitor_lock(&s->lock);
	s->view.next_try_us = env_wall_us() + us;
	monitor_unlock(&s->lock);
	source_pause(s, us);
}

void source_pause(struct source *s, int64_t us)
{
	int64_t until = env_mono_us() + us, left;

	monitor_lock(&s->lock);
	while (!s->stopping && (left = until - env_mono_us()) > 0)
		monitor_wait(&s->lock, left);
	monitor_unlock(&s->lock);
}

int source_connect(struct source *s, struct pg_conn **out, struct err *err)
{
	return pg_conn_open(out, &s->conn_opts, err);
}

int source_connect_within(struct source *s, int seconds, struct pg_conn **out, struct err *err)
{
	struct pg_conn_opts opts = s->conn_opts;

	opts.connect_timeout_s = seconds;
	return pg_conn_open(out, &opts, err);
}

int source_connect_replication(struct source *s, struct pg_conn **out, struct err *err)
{
	struct pg_conn_opts opts = s->conn_opts;

	opts.replication = true;
	return pg_conn_open(out, &opts, err);
}

static int find_tables(struct source *s, struct pg_conn *conn, struct err *err)
{
	int rc = pg_tables_find(conn, s->conf->tables, s->conf->n_tables, s->conf->publication, &s->tables, err);

	s->binary = pg_conn_server_version(conn) >= 140000;
	for (size_t i = 0; !rc && i < s->tables.n; i++) {
		if (s->tables.tables[i].rel->unsupported)
			continue;
		s->binary = s->binary && s->tables.tables[i].binary_ok;
		rc = pg_types_bind(s->tables.tables[i].rel, err);
	}
	return rc;
}

static int open_journal(struct source *s, struct pg_conn *repl, struct err *err)
{
	struct pg_identity id;
	char dir[4096];
	int rc = pg_identify(repl, &id, err);

	if (rc)
		return rc;
	s->identity = (struct journal_identity){ .system_id = id.system_id,
		                                 .timeline = id.timeline,
		                                 .database_oid = id.database_oid };
	snprintf(s->identity.source, sizeof s->identity.source, "%s", s->conf->name);
	snprintf(dir, sizeof dir, "%.3900s/journal/%s", s->config->state, s->conf->name);
	rc = journal_open(&s->journal,
	                  &(struct journal_opts){ .dir = dir,
	                                          .identity = s->identity,
	                                          .segment_bytes = (uint64_t)s->config->journal_segment_bytes,
	                                          .max_bytes = (uint64_t)s->config->journal_max_bytes },
	                  err);
	if (!rc)
		rc = position_open(dir, s->config->ack_publish, journal_durable(s->journal), &s->position, err);
	s->wal_lsn = s->view.current_wal_lsn = id.wal_lsn;
	return rc ? rc : source_check_wal(s, id.wal_lsn, err);
}

static void note_gap(struct source *s, const struct pg_slot *slot)
{
	char known[LSN_TEXT_MAX], flushed[LSN_TEXT_MAX];

	lsn_text(position_known(s->position), known);
	if (!slot->exists)
		snprintf(
			s->gap, sizeof s->gap,
			"replication slot \"%s\" of source %s is gone although changes up to %s were taken from it; what changed since is lost; copy the tables again: tarn table recopy %s",
			s->conf->slot, s->conf->name, known, s->conf->name);
	else
		snprintf(
			s->gap, sizeof s->gap,
			"replication slot \"%s\" of source %s stands at %s, beyond %s where this journal ends: somebody else moved or recreated it, or the state folder is an older copy; the changes "
			"between are lost; copy the tables again: tarn table recopy %s",
			s->conf->slot, s->conf->name, lsn_text(slot->confirmed_flush_lsn, flushed), known,
			s->conf->name);
	log_error("pipeline", "%s", s->gap);
}

/* The slot after the publication: a slot that is older than its publication cannot be decoded. */
static int make_slot(struct source *s, struct pg_conn **repl, struct err *err)
{
	int rc = pg_slot_create(*repl, s->conf->slot, false, &s->fresh.export_, err);

	if (rc)
		return rc;
	FAILPOINT("source.slot.created");
	log_info("pipeline", "source %s: replication slot \"%s\" created", s->conf->name, s->conf->slot);
	s->fresh.conn = *repl; /* the exported snapshot lives as long as this connection is not used */
	*repl = NULL;
	return position_set_floor(s->position, s->fresh.export_.consistent_lsn, err);
}

static int check_slot(struct source *s, struct pg_conn *conn, struct pg_conn **repl, struct err *err)
{
	struct pg_slot slot;
	uint64_t known = position_known(s->position), floor = position_floor(s->position);
	int rc = pg_source_check(conn, s->conf->slot, err);

	if (!rc)
		rc = pg_slot_inspect(conn, s->conf->slot, &slot, err);
	if (rc)
		return rc;
	/* up to the floor the gap was noted by an earlier start */
	if (known > 0 && (!slot.exists || slot.confirmed_flush_lsn > (known > floor ? known : floor)))
		note_gap(s, &slot);
	if (!slot.exists)
		return make_slot(s, repl, err);
	if (known == 0 && slot.active)
		return err_set(
			err, ERR_SLOT,
			"replication slot \"%s\" is in use by server process %d, and this journal is new: another tarn or subscriber reads it; give this source a slot of its own (slot:), or stop the other",
			s->conf->slot, slot.active_pid);
	if (known == 0) {
		char at[LSN_TEXT_MAX];

		/* A new state folder or journal beside an old slot: what the slot let go is only at the source.
		 * Tables that stand lower stop; without a catalog they are copied. */
		if (floor != slot.confirmed_flush_lsn)
			log_warn(
				"pipeline",
				"source %s: replication slot \"%s\" was used before (confirmed %s), but '%s/journal/%s' is new; tables that do not reach that far are copied or have to be: tarn table recopy",
				s->conf->name, s->conf->slot, lsn_text(slot.confirmed_flush_lsn, at), s->config->state,
				s->conf->name);
		return position_set_floor(s->position, slot.confirmed_flush_lsn, err);
	}
	/* The new beginning is where the slot stands: tables copied again from now on are whole. */
	return s->gap[0] ? position_set_floor(s->position, slot.confirmed_flush_lsn, err) : ERR_OK;
}

static int open_parts(struct source *s, struct pg_conn **conn, struct pg_conn **repl, struct err *err)
{
	int rc;

	if ((rc = source_connect(s, conn, err)) || (rc = source_connect_replication(s, repl, err)))
		return rc;
	snprintf(s->view.label, sizeof s->view.label, "%s", pg_conn_label(*conn));
	if ((rc = open_journal(s, *repl, err)) || (rc = find_tables(s, *conn, err)) ||
	    (rc = source_tables_open(s, *conn, err)) ||
	    (rc = pg_publication_ensure(*conn, s->conf->publication, &s->tables, true, err)))
		return rc;
	return check_slot(s, *conn, repl, err);
}

int source_open(const struct config *config, const struct config_source *conf, struct source **out, struct err *err)
{
	struct source *s = mem_zero(sizeof *s);
	struct pg_conn *conn = NULL, *repl = NULL;
	int rc;

	if (!s)
		return err_nomem(err);
	s->config = config;
	s->conf = conf;
	s->conn_opts = (struct pg_conn_opts){ .conninfo = conf->conninfo, .password = conf->password };
	monitor_init(&s->marks_lock);
	monitor_init(&s->lock);
	rc = open_parts(s, &conn, &repl, err);
	pg_conn_close(conn);
	pg_conn_close(repl);
	if (rc) {
		source_close(s);
		return rc == ERR_LOCKED ? rc : err_prefix(err, "source %s", conf->name);
	}
	*out = s;
	return ERR_OK;
}

int source_start(struct source *s, struct err *err)
{
	int rc = thread_start(&s->capture, "capture", source_capture_main, s, err);

	return rc ? rc : thread_start(&s->monitor, "monitor", source_monitor_main, s, err);
}

void source_stop(struct source *s)
{
	struct err ignored;

	monitor_lock(&s->lock);
	s->stopping = true;
	monitor_wake(&s->lock);
	if (s->export_busy)
		(void)!pg_conn_cancel(s->export_busy, &ignored);
	monitor_unlock(&s->lock);
	thread_join(s->capture);
	thread_join(s->monitor);
	s->capture = s->monitor = NULL;
}

void source_close(struct source *s)
{
	if (!s)
		return;
	pg_conn_close(s->fresh.conn);
	pg_tables_free(&s->tables);
	mem_free(s->watched);
	wbuf_free(&s->other_marks);
	position_close(s->position);
	if (s->journal)
		journal_close(s->journal);
	monitor_free(&s->lock);
	monitor_free(&s->marks_lock);
	mem_free(s);
}

/* --- exports --- */

static bool take_fresh(struct source *s, struct source_export *out)
{
	bool taken;

	monitor_lock(&s->lock);
	taken = s->fresh.conn != NULL;
	*out = s->fresh;
	s->fresh.conn = NULL;
	monitor_unlock(&s->lock);
	return taken;
}

int source_export_begin(struct source *s, struct source_export *out, struct err *err)
{
	char slot[64];
	int rc;

	if (take_fresh(s, out))
		return ERR_OK;
	rc = source_connect_replication(s, &out->conn, err);
	if (rc)
		return rc;
	monitor_lock(&s->lock);
	s->export_busy = out->conn;
	snprintf(slot, sizeof slot, "%.40s_copy_%u", s->conf->slot, ++s->export_count);
	monitor_unlock(&s->lock);
	rc = pg_slot_create(out->conn, slot, true, &out->export_, err);
	monitor_lock(&s->lock);
	s->export_busy = NULL;
	monitor_unlock(&s->lock);
	if (rc) {
		pg_conn_close(out->conn);
		out->conn = NULL;
	}
	return rc;
}

void source_export_end(struct source *s, struct source_export *out)
{
	(void)s;
	pg_conn_close(out->conn); /* a temporary slot goes with its connection */
	out->conn = NULL;
}

/* --- looking --- */

bool source_fatal(struct source *s, struct err *why)
{
	bool fatal;

	monitor_lock(&s->lock);
	fatal = s->fatal;
	*why = s->fatal_err;
	monitor_unlock(&s->lock);
	return fatal;
}

bool source_must_reopen(struct source *s)
{
	bool reopen;

	monitor_lock(&s->lock);
	reopen = s->reopen;
	monitor_unlock(&s->lock);
	return reopen;
}

const char *source_name(const struct source *s) { return s->conf->name; }
struct journal *source_journal(struct source *s) { return s->journal; }
struct position *source_position(struct source *s) { return s->position; }
struct journal_identity source_identity(const struct source *s) { return s->identity; }
const struct pg_tables *source_tables(const struct source *s) { return &s->tables; }
uint64_t source_wal_at_open(const struct source *s) { return s->wal_lsn; }

const char *source_gap(const struct source *s) { return s->gap[0] ? s->gap : NULL; }

void source_view(struct source *s, struct source_view *out)
{
	monitor_lock(&s->lock);
	*out = s->view;
	monitor_unlock(&s->lock);
	position_view(s->position, &out->position);
	out->journal_bytes = journal_bytes(s->journal);
}
