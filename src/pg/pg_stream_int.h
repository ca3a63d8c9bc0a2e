/* src/pg/pg_stream_int.h — what pg_stream.c (life cycle, consumer's side) and pg_stream_receive.c (the receiver
 * thread) share; nobody else includes it.
 *
 * Who touches what: the connection, `chunk` and the times belong to the receiver thread from start to join. The
 * atomics are one writer each, many readers. end_err is written by the thread before it closes the queue and read
 * after a pop answered QUEUE_CLOSED: the queue's mutex orders the two. */
#ifndef TARN_PG_PG_STREAM_INT_H
#define TARN_PG_PG_STREAM_INT_H

#include <stdatomic.h>

#include "base/queue.h"
#include "base/thread.h"
#include "pg/pg_conn_int.h"
#include "pg/pg_stream.h"

struct pg_stream {
	struct pg_conn *conn;
	char slot[64];
	char publication[256];
	struct queue *queue; /* of struct pg_chunk */
	struct thread *thread;
	int wake_fd; /* eventfd: a confirm or a stop ends the thread's sleep */
	struct err end_err;

	_Atomic uint64_t confirmed; /* given by the consumer */
	_Atomic uint64_t sent;      /* of confirmed, last sent to the server */
	_Atomic uint64_t received;  /* walEnd last seen */
	atomic_bool stopping;
	atomic_bool sleeping; /* the thread waits in poll: a confirm writes wake_fd */

	/* the receiver thread's own */
	struct pg_chunk *chunk;     /* being filled, NULL: none */
	size_t chunk_cap_next;      /* what the next one starts with */
	uint64_t n_frames;          /* taken so far */
	uint64_t wal_end;           /* newest seen, not yet in `received` */
	int64_t status_interval_us; /* min(10 s, wal_sender_timeout / 3) */
	int64_t silence_max_us;     /* max(60 s, 2 * wal_sender_timeout) without a byte: the link is dead */
	int64_t status_at_us;       /* when the last status went out */
	int64_t heard_at_us;        /* when the socket last had something, or reading went on after a full queue */
	int64_t turn_at_us;         /* when the last turn had read what was at hand */
	unsigned close_turns;       /* turns that followed closely, see nap_under_load */
	bool reply_wanted;          /* the server asked for a status */
	bool unflushed;             /* libpq holds bytes the socket did not take */
};

void pg_stream_receive(void *stream); /* the thread's function */
/* The server's error, classed for a stream. starting: START_REPLICATION itself failed. */
int pg_stream_fail(struct pg_stream *stream, const PGresult *result, bool starting, struct err *err);

#endif
