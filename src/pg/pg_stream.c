/* src/pg/pg_stream.c — the replication stream: START_REPLICATION, the consumer's side of the queue, stopping. */
#include "pg/pg_stream_int.h"

#include <stdio.h>
#include <sys/eventfd.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/wbuf.h"

#define QUEUE_BYTES_DEFAULT ((size_t)8 << 20)
#define QUEUE_ITEMS_MAX 4096
#define STATUS_INTERVAL_MAX_US INT64_C(10000000)
#define SILENCE_MIN_US INT64_C(60000000)
#define BINARY_SINCE_VERSION 140000

void pg_chunk_free(struct pg_chunk *chunk)
{
	if (!chunk)
		return;
	mem_free(chunk->p);
	mem_free(chunk);
}

static void free_item(void *chunk) { pg_chunk_free(chunk); }

static void stream_free(struct pg_stream *stream)
{
	if (!stream)
		return;
	pg_conn_close(stream->conn);
	queue_free(stream->queue, free_item);
	pg_chunk_free(stream->chunk);
	if (stream->wake_fd >= 0)
		env_close(stream->wake_fd);
	mem_free(stream);
}

/* A slot's name is lower case letters, digits and '_' (PostgreSQL's own rule), so it needs no quoting. */
static int check_names(const struct pg_stream_opts *opts, struct err *err)
{
	size_t n = opts->slot ? strspn(opts->slot, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;

	if (n == 0 || n > 63 || opts->slot[n])
		return err_set(
			err, ERR_CONFIG,
			"replication slot name \"%s\": one to 63 lower case letters, digits and underscores are allowed",
			opts->slot ? opts->slot : "");
	if (!opts->publication || !*opts->publication || strlen(opts->publication) > 63)
		return err_set(err, ERR_CONFIG, "publication name \"%s\": one to 63 bytes are allowed",
		               opts->publication ? opts->publication : "");
	return 0;
}

static int stream_new(struct pg_stream **out, const struct pg_stream_opts *opts, struct err *err)
{
	struct pg_stream *stream = mem_zero(sizeof *stream);

	if (!stream)
		return err_nomem(err);
	snprintf(stream->slot, sizeof stream->slot, "%s", opts->slot);
	snprintf(stream->publication, sizeof stream->publication, "%s", opts->publication);
	stream->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	stream->queue = queue_new(QUEUE_ITEMS_MAX, opts->queue_bytes ? opts->queue_bytes : QUEUE_BYTES_DEFAULT);
	if (stream->wake_fd < 0 || !stream->queue) {
		stream_free(stream);
		return err_nomem(err);
	}
	*out = stream;
	return 0;
}

/* The server cuts a session that says nothing for wal_sender_timeout (0: never). The extended query protocol does not
 * exist on a walsender. */
static int read_timeouts(struct pg_stream *stream, struct err *err)
{
	PGresult *result = PQexec(stream->conn->raw,
	                          "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'");
	int64_t timeout_ms = -1;

	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 ||
	    !str_to_i64(str_of(PQgetvalue(result, 0, 0)), &timeout_ms) || timeout_ms < 0) {
		pg_fail(stream->conn, result, "reading wal_sender_timeout", err);
		PQclear(result);
		return err->code;
	}
	PQclear(result);
	stream->status_interval_us = STATUS_INTERVAL_MAX_US;
	if (timeout_ms > 0 && timeout_ms * 1000 / 3 < STATUS_INTERVAL_MAX_US)
		stream->status_interval_us = timeout_ms * 1000 / 3;
	stream->silence_max_us = 2 * timeout_ms * 1000 > SILENCE_MIN_US ? 2 * timeout_ms * 1000 : SILENCE_MIN_US;
	return 0;
}

/* publication_names is a list of identifiers inside a literal: quoted twice. */
static void write_command(const struct pg_stream *stream, const struct pg_stream_opts *opts, struct wbuf *out)
{
	char lsn[LSN_TEXT_MAX];
	struct wbuf names;

	wbuf_init(&names, 1024);
	wbuf_put_sql_ident(&names, str_of(opts->publication));
	wbuf_putf(out, "START_REPLICATION SLOT \"%s\" LOGICAL %s (proto_version '1', publication_names ", opts->slot,
	          lsn_text(opts->start_lsn, lsn));
	wbuf_put_sql_literal(out, wbuf_str(&names));
	if (opts->binary && pg_conn_server_version(stream->conn) >= BINARY_SINCE_VERSION)
		wbuf_putz(out, ", binary 'true'");
	wbuf_putz(out, ")");
	wbuf_free(&names);
}

static int start_replication(struct pg_stream *stream, const struct pg_stream_opts *opts, struct err *err)
{
	struct wbuf command;
	PGresult *result;
	int rc;

	wbuf_init(&command, 4096);
	write_command(stream, opts, &command);
	rc = wbuf_check(&command, err, "the START_REPLICATION command");
	if (rc == 0) {
		result = PQexec(stream->conn->raw, wbuf_cstr(&command));
		if (PQresultStatus(result) != PGRES_COPY_BOTH)
			rc = pg_stream_fail(stream, result, true, err);
		PQclear(result);
	}
	wbuf_free(&command);
	if (rc == 0 && PQsetnonblocking(stream->conn->raw, 1))
		rc = pg_fail(stream->conn, NULL, "making the connection non-blocking", err);
	return rc;
}

int pg_stream_start(struct pg_stream **out, const struct pg_stream_opts *opts, struct err *err)
{
	struct pg_conn_opts conn_opts = opts->conn;
	struct pg_stream *stream = NULL;
	int rc;

	*out = NULL;
	if ((rc = check_names(opts, err)) || (rc = stream_new(&stream, opts, err)))
		return rc;
	conn_opts.replication = true;
	rc = pg_conn_open(&stream->conn, &conn_opts, err);
	if (rc == 0)
		rc = read_timeouts(stream, err);
	if (rc == 0)
		rc = start_replication(stream, opts, err);
	if (rc == 0)
		rc = thread_start(&stream->thread, "pg_stream", pg_stream_receive, stream, err);
	if (rc) {
		stream_free(stream);
		return rc;
	}
	*out = stream;
	return 0;
}

int pg_stream_read(struct pg_stream *stream, struct pg_chunk **out, int64_t timeout_us, struct err *err)
{
	void *item = NULL;
	enum queue_result result = queue_pop(stream->queue, &item, timeout_us);

	*out = item;
	if (result != QUEUE_CLOSED)
		return 0;
	if (stream->end_err.code == 0)
		return err_set(err, ERR_LOST, "%s: the replication stream of slot \"%s\" was stopped",
		               pg_conn_label(stream->conn), stream->slot);
	if (err)
		*err = stream->end_err;
	return stream->end_err.code;
}

static void wake(struct pg_stream *stream)
{
	uint64_t one = 1;

	(void)!env_write(stream->wake_fd, &one, sizeof one); /* a full counter wakes as well */
}

void pg_stream_confirm(struct pg_stream *stream, uint64_t flushed_lsn)
{
	uint64_t old = atomic_load(&stream->confirmed);

	while (old < flushed_lsn)
		if (atomic_compare_exchange_weak(&stream->confirmed, &old, flushed_lsn)) {
			if (atomic_load(&stream->sleeping))
				wake(stream);
			return;
		}
}

uint64_t pg_stream_received(const struct pg_stream *stream) { return atomic_load(&stream->received); }
uint64_t pg_stream_confirmed(const struct pg_stream *stream) { return atomic_load(&stream->sent); }

void pg_stream_stop(struct pg_stream *stream)
{
	if (!stream)
		return;
	atomic_store(&stream->stopping, true);
	wake(stream);
	queue_close(stream->queue); /* a push that waits for room ends */
	thread_join(stream->thread);
	stream_free(stream);
}
