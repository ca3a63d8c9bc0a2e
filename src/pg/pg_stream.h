/* src/pg/pg_stream.h — the replication stream: a receiver thread that owns the walsender connection and never waits
 * for anybody.
 *
 * pg_stream_start sends START_REPLICATION and starts the thread. It reads CopyData messages into chunks and queues
 * them (bounded in bytes; when the queue is full it stops reading, TCP holds the server back) and sends standby
 * status at least every third of wal_sender_timeout (at most 10 s), at once when asked, once more when stopping: the
 * position last given to pg_stream_confirm, which never goes back. The consumer pops chunks and decodes them
 * (pg/pgoutput.h). */
#ifndef TARN_PG_PG_STREAM_H
#define TARN_PG_PG_STREAM_H

#include "pg/pg_conn.h"

struct pg_stream;

struct pg_stream_opts {
	struct pg_conn_opts conn; /* replication is set by start */
	const char *slot;
	const char *publication;
	uint64_t start_lsn; /* 0: the slot's own */
	bool binary;        /* ask for binary tuples */
	size_t queue_bytes; /* 0: 8 MiB */
};

/* Frames: u32 little-endian length, then the CopyData body ('w' or 'k' first). Zero or more whole frames. */
struct pg_chunk {
	size_t n;
	size_t cap;
	uint64_t wal_end;
	uint8_t *p;
};
void pg_chunk_free(struct pg_chunk *chunk);

int pg_stream_start(struct pg_stream **out, const struct pg_stream_opts *opts, struct err *err) TARN_MUST_CHECK;
/* Next chunk (owned by the caller); *out NULL after timeout. When the stream ended: its error (ERR_LOST, or the
 * server's words classed by SQLSTATE). */
int pg_stream_read(struct pg_stream *stream, struct pg_chunk **out, int64_t timeout_us,
                   struct err *err) TARN_MUST_CHECK;
void pg_stream_confirm(struct pg_stream *stream, uint64_t flushed_lsn); /* any thread; smaller values are ignored */
uint64_t pg_stream_received(const struct pg_stream *stream);            /* walEnd last seen */
uint64_t pg_stream_confirmed(const struct pg_stream *stream);           /* last sent */
/* Sends the last status, ends COPY, joins the thread, frees. */
void pg_stream_stop(struct pg_stream *stream);

#endif
