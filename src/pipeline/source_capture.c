/* src/pipeline/source_capture.c — the capture thread: stream -> journal, group sync, confirmation.
 *
 * A session is one connection. Its relation cache starts empty; the server sends whole transactions again from the
 * position asked for, and those the journal already has are skipped by their commit LSN. The journal is synced when
 * the stream has nothing more at hand, or past SYNC_BYTES, so that one fdatasync carries many transactions. */
#include <stdio.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/pg_types.h"
#include "pipeline/repeat.h"
#include "pipeline/source_int.h"

#define SYNC_BYTES (16u << 20)
#define SYNC_US 200000
#define RETRY_US_MIN 500000
#define RETRY_US_MAX 30000000
#define HEALTHY_US 10000000 /* a session that lasted this long was a good one */

struct session {
	struct source *s;
	struct pg_stream *stream;
	struct pg_describer *describer;
	struct pgoutput *decoder;
	bool in_tx;                     /* between BEGIN and COMMIT */
	bool empty;                     /* no change came in it yet */
	bool skipping;                  /* the journal has this transaction */
	uint64_t last_commit_lsn;       /* newest in the journal, synced or not */
	uint64_t known_lsn;             /* all that ends at or before this was taken in earlier sessions */
	bool repeats_last;              /* the server has to begin with the newest transaction in the journal */
	uint64_t transactions, changes; /* since the last publication of counters */
	int64_t unsynced_since_us;      /* 0: nothing */
	int64_t unsynced_oldest_us;     /* commit time of the oldest transaction not synced, whole or not; 0: none */
	int64_t last_commit_ts_us;
	struct tx_head head;
	struct repeat *waits; /* of the source: lives longer than a session */
};

static int bind_relation(struct relation *rel, struct err *err)
{
	return rel->unsupported ? ERR_OK : pg_types_bind(rel, err);
}

/* Full journal or full disk: what is committed is made durable, then the source waits: TCP holds the server back,
 * keepalives go on. */
static bool wait_for_space(struct session *x, int rc, struct err *err)
{
	struct err sync_err;

	if ((rc != ERR_LIMIT && rc != ERR_DISK_FULL) || source_stopping(x->s))
		return false;
	source_set_state(x->s, SOURCE_WAITING_SPACE, err);
	repeat_log(x->waits, LOG_WARN, x->s->conf->name, err->text);
	if (journal_unsynced_bytes(x->s->journal) > 0 && !journal_sync(x->s->journal, &sync_err)) {
		x->unsynced_oldest_us = x->head.commit_ts_us; /* what waits is part of this transaction */
		position_journaled(x->s->position, journal_durable(x->s->journal), x->unsynced_oldest_us);
		pg_stream_confirm(x->stream, position_confirmable(x->s->position));
	}
	while (!source_stopping(x->s) && !journal_wait_space(x->s->journal, 500000))
		pg_stream_confirm(x->stream, position_confirmable(x->s->position));
	source_set_state(x->s, SOURCE_STREAMING, NULL);
	return !source_stopping(x->s);
}

#define REPEAT_WHILE_FULL(x, rc, call, err)                                                                            \
	do {                                                                                                           \
		rc = (call);                                                                                           \
	} while (rc && wait_for_space((x), rc, (err)))

static int on_begin(struct session *x, const struct pgoutput_msg *msg, struct err *err)
{
	int rc = ERR_OK;

	if (x->in_tx)
		return err_set(err, ERR_PROTOCOL, "the server began a transaction inside a transaction");
	x->in_tx = x->empty = true;
	x->head = msg->head;
	x->skipping = msg->head.commit_lsn <= x->last_commit_lsn;
	if (msg->head.commit_lsn == x->last_commit_lsn)
		x->repeats_last = false;
	if (x->skipping)
		return ERR_OK;
	if (!x->unsynced_oldest_us)
		x->unsynced_oldest_us = msg->head.commit_ts_us;
	REPEAT_WHILE_FULL(x, rc, journal_begin(x->s->journal, &msg->head, err), err);
	return rc;
}

static int put_change(struct session *x, const struct change *change, struct err *err)
{
	int rc = ERR_OK;

	if (change->rel->version == 0)
		REPEAT_WHILE_FULL(x, rc, journal_put_relation(x->s->journal, (struct relation *)change->rel, err), err);
	if (!rc)
		REPEAT_WHILE_FULL(x, rc, journal_put_change(x->s->journal, change, err), err);
	x->changes += rc == ERR_OK;
	x->empty = false;
	return rc;
}

/* A server that was set back to before what was taken from it, and has grown past that since, looks like itself: same
 * cluster, same timeline, a slot that stands lower, as after a crash. So streaming begins at the newest transaction in
 * the journal. A slot that was not told of it sends it again; and none sends a new one at a place that was passed. */
static int check_history(struct session *x, struct err *err)
{
	if (!x->repeats_last && x->head.commit_lsn >= x->known_lsn)
		return ERR_OK;
	return source_other_history(x->s, x->head.commit_lsn, x->repeats_last ? x->last_commit_lsn : x->known_lsn, err);
}

static int on_change(struct session *x, const struct pgoutput_msg *msg, struct err *err)
{
	int rc;

	if (!x->in_tx)
		return err_set(err, ERR_PROTOCOL, "the server sent a change outside a transaction");
	if (x->skipping)
		return ERR_OK;
	if (x->empty && (rc = check_history(x, err)))
		return rc;
	return put_change(x, &msg->change, err);
}

static int on_truncate(struct session *x, const struct pgoutput_msg *msg, struct err *err)
{
	int rc = ERR_OK;

	if (!x->in_tx)
		return err_set(err, ERR_PROTOCOL, "the server sent a truncate outside a transaction");
	if (!x->skipping && x->empty)
		rc = check_history(x, err);
	for (size_t i = 0; !rc && !x->skipping && i < msg->n_truncated; i++)
		rc = put_change(x, &(struct change){ .op = OP_TRUNCATE, .rel = msg->truncated[i] }, err);
	return rc;
}

/* Everything that ends at or before wal_end was delivered and is durable. */
static int delivered(struct session *x, uint64_t wal_end, struct err *err)
{
	int rc = position_idle(x->s->position, wal_end, false, err);

	if (rc != ERR_DISK_FULL)
		return rc;
	/* It is not confirmed then: that can wait for space. The session need not end. */
	repeat_log(x->waits, LOG_WARN, x->s->conf->name, err->text);
	return ERR_OK;
}

static int on_commit(struct session *x, const struct pgoutput_msg *msg, struct err *err)
{
	int rc = ERR_OK;

	if (!x->in_tx || msg->head.commit_lsn != x->head.commit_lsn)
		return err_set(err, ERR_PROTOCOL, "the server committed a transaction that it had not begun");
	x->in_tx = false;
	if (x->skipping)
		return ERR_OK;
	FAILPOINT("capture.commit.before_append");
	x->head.end_lsn = msg->head.end_lsn;
	REPEAT_WHILE_FULL(x, rc, journal_commit(x->s->journal, &x->head, err), err);
	if (rc)
		return rc;
	x->last_commit_lsn = x->head.commit_lsn;
	x->last_commit_ts_us = x->head.commit_ts_us;
	x->transactions++;
	if (x->empty) { /* servers before version 15 send those, of every table; the journal keeps none */
		if (x->unsynced_since_us)
			return ERR_OK;
		x->unsynced_oldest_us = 0;
		return delivered(x, x->head.end_lsn, err);
	}
	if (!x->unsynced_since_us)
		x->unsynced_since_us = env_mono_us();
	return ERR_OK;
}

static void publish_counts(struct session *x)
{
	struct source *s = x->s;

	monitor_lock(&s->lock);
	s->view.transactions += x->transactions;
	s->view.changes += x->changes;
	if (x->last_commit_ts_us)
		s->view.last_commit_ts_us = x->last_commit_ts_us;
	monitor_unlock(&s->lock);
	x->transactions = x->changes = 0;
}

static int sync_now(struct session *x, struct err *err)
{
	struct source *s = x->s;
	int rc;

	if (!x->unsynced_since_us)
		return ERR_OK;
	rc = journal_sync(s->journal, err);
	if (rc)
		return rc;
	x->unsynced_since_us = 0;
	x->unsynced_oldest_us = x->in_tx && !x->skipping ? x->head.commit_ts_us : 0;
	position_journaled(s->position, journal_durable(s->journal), x->unsynced_oldest_us);
	FAILPOINT("capture.synced.before_confirm");
	pg_stream_confirm(x->stream, position_confirmable(s->position));
	publish_counts(x);
	return ERR_OK;
}

/* A keepalive's walEnd covers everything the server has sent before it; it counts once all of that is durable. */
static int on_keepalive(struct session *x, const struct pgoutput_msg *msg, struct err *err)
{
	int rc;

	position_received(x->s->position, msg->wal_end, x->unsynced_oldest_us);
	if (x->in_tx)
		return ERR_OK;
	rc = sync_now(x, err);
	if (rc == ERR_DISK_FULL) {
		repeat_log(x->waits, LOG_WARN, x->s->conf->name, err->text);
		return ERR_OK;
	}
	if (!rc)
		rc = delivered(x, msg->wal_end, err);
	if (rc)
		return rc;
	publish_counts(x);
	pg_stream_confirm(x->stream, position_confirmable(x->s->position));
	return ERR_OK;
}

static int handle(struct session *x, struct str body, struct err *err)
{
	struct pgoutput_msg msg;
	int rc = pgoutput_decode(x->decoder, body, &msg, err);

	if (rc)
		return rc;
	switch (msg.kind) {
	case PGOUTPUT_BEGIN: return on_begin(x, &msg, err);
	case PGOUTPUT_COMMIT: return on_commit(x, &msg, err);
	case PGOUTPUT_CHANGE: return on_change(x, &msg, err);
	case PGOUTPUT_TRUNCATE: return on_truncate(x, &msg, err);
	case PGOUTPUT_RELATION: return bind_relation(msg.rel, err);
	case PGOUTPUT_KEEPALIVE: return on_keepalive(x, &msg, err);
	case PGOUTPUT_IGNORED: return ERR_OK;
	}
	return ERR_OK;
}

static int handle_chunk(struct session *x, const struct pg_chunk *chunk, struct err *err)
{
	struct rbuf in = rbuf_of(chunk->p, chunk->n);

	while (rbuf_left(&in) > 0) {
		uint32_t n = rbuf_u32_le(&in);
		struct str body = rbuf_bytes(&in, n);
		int rc = rbuf_ok(&in) ? handle(x, body, err) : err_set(err, ERR_BUG, "a stream chunk is malformed");

		if (rc)
			return rc;
	}
	position_received(x->s->position, chunk->wal_end, x->unsynced_oldest_us);
	return ERR_OK;
}

static bool sync_due(const struct session *x)
{
	return x->unsynced_since_us &&
	       (journal_unsynced_bytes(x->s->journal) >= SYNC_BYTES || env_mono_us() - x->unsynced_since_us >= SYNC_US);
}

static int run_session(struct session *x, struct err *err)
{
	while (!source_stopping(x->s)) {
		struct pg_chunk *chunk = NULL;
		int rc = pg_stream_read(x->stream, &chunk, x->unsynced_since_us ? 0 : 500000, err);

		if (!rc && chunk)
			rc = handle_chunk(x, chunk, err);
		if (!rc && (!chunk || sync_due(x)))
			rc = sync_now(x, err);
		pg_chunk_free(chunk);
		if (rc)
			return rc;
		if (!chunk)
			pg_stream_confirm(x->stream, position_confirmable(x->s->position));
	}
	return ERR_OK;
}

static int open_session(struct session *x, struct err *err)
{
	struct source *s = x->s;
	struct pg_stream_opts opts = {
		.conn = s->conn_opts,
		.slot = s->conf->slot,
		.publication = s->conf->publication,
		.binary = s->binary,
	};
	uint64_t confirmed_lsn = 0;
	int rc = source_check_identity(s, &confirmed_lsn, err);

	if (rc)
		return rc;
	x->known_lsn = position_known(s->position);
	x->last_commit_lsn = journal_durable(s->journal).commit_lsn;
	x->repeats_last = x->last_commit_lsn > 0 && confirmed_lsn > 0 && confirmed_lsn <= x->last_commit_lsn;
	opts.start_lsn = x->last_commit_lsn ? x->last_commit_lsn : x->known_lsn;
	x->describer = pg_describer_open(&s->conn_opts, err);
	if (!x->describer)
		return err->code;
	pg_describer_set_binary(x->describer, s->binary);
	x->decoder = pgoutput_new(pg_describe, x->describer);
	if (!x->decoder)
		return err_nomem(err);
	return pg_stream_start(&x->stream, &opts, err);
}

static void close_session(struct session *x)
{
	struct err ignored;

	/* A committed transaction that was not synced yet is made durable, or will be sent again: both are right. */
	journal_rollback(x->s->journal); /* also one whose commit was refused */
	if (x->stream) {
		(void)!sync_now(x, &ignored);
		pg_stream_stop(x->stream);
	}
	pgoutput_free(x->decoder);
	pg_describer_close(x->describer);
}

/* One connection's life. */
static int session(struct source *s, struct repeat *waits, struct err *err)
{
	struct session x = { .s = s, .waits = waits };
	int rc = open_session(&x, err);

	if (!rc) {
		source_set_state(s, SOURCE_STREAMING, NULL);
		log_info("pipeline", "source %s: streaming from %s (%s values)", s->conf->name, s->view.label,
		         s->binary ? "binary" : "text");
		rc = run_session(&x, err);
	}
	close_session(&x);
	return rc;
}

void source_capture_main(void *arg)
{
	struct source *s = arg;
	struct repeat failures = { 0 }, waits = { 0 };
	int64_t delay = RETRY_US_MIN;

	while (!source_stopping(s)) {
		int64_t started = env_mono_us();
		struct err err = { 0 };
		int rc = session(s, &waits, &err);

		if (!rc || source_stopping(s))
			continue;
		if (rc == ERR_IO || rc == ERR_CORRUPT || rc == ERR_BUG) {
			/* The journal cannot be trusted any more in this process; recovery at the next start can. */
			monitor_lock(&s->lock);
			s->fatal = true;
			s->fatal_err = err;
			monitor_unlock(&s->lock);
			source_set_state(s, SOURCE_STOPPED, &err);
			return;
		}
		if (rc == ERR_IDENTITY || rc == ERR_GAP) {
			monitor_lock(&s->lock);
			s->reopen = true;
			monitor_unlock(&s->lock);
			source_set_state(s, SOURCE_STOPPED, &err);
			log_warn("pipeline", "source %s: %s", s->conf->name, err.text);
			return;
		}
		if (rc == ERR_CONFLICT && s->binary) {
			log_info("pipeline", "source %s: %s; asking for text values from now on", s->conf->name,
			         err.text);
			s->binary = false;
			continue;
		}
		if (env_mono_us() - started > HEALTHY_US) {
			delay = RETRY_US_MIN;
			repeat_clear(&failures);
		}
		repeat_log_retry(&failures, LOG_WARN, s->conf->name, err.text, delay, RETRY_US_MAX);
		source_retry_later(s, err_class_of(rc) == ERR_CLASS_TRANSIENT ? SOURCE_CONNECTING : SOURCE_STOPPED,
		                   &err, delay);
		delay = delay * 2 > RETRY_US_MAX ? RETRY_US_MAX : delay * 2;
	}
}
