/* src/pg/pg_stream_receive.c — the receiver thread: CopyData into chunks, chunks into the queue, status to the
 * server, whatever the consumer does.
 *
 * Rules (PostgreSQL manual, "Streaming Replication Protocol", Standby status update): a status goes out every
 * status_interval, at once when the server asks, soon after the consumer confirmed more, and once more at the end. It
 * carries written = received and flushed = applied = confirmed. A full queue stops the reading, never the status: the
 * server keeps a session that is heard of, and TCP holds back what it would send.
 *
 * How it ends: the server's error or end of COPY; a closed socket (PQconsumeInput answers 0: after wal_sender_timeout
 * the server closes without a word, and PQgetCopyData would go on answering 0 for ever); silence for silence_max
 * (before, a status asks the server for a sign of life); or pg_stream_stop. */
#include "pg/pg_stream_int.h"

#include <stdio.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/rbuf.h"

#define CHUNK_BYTES ((size_t)256 << 10) /* a chunk is pushed when it has this much or nothing more is at hand */
#define CHUNK_CAP_MIN ((size_t)8 << 10)
#define CONFIRM_DELAY_US INT64_C(100000) /* at most ten confirmations a second */
#define ROUNDS_MAX 64
#define NAP_TURNS 16 /* that many turns, each this soon after the one before, are a load */
#define NAP_CLOSE_US 3000
#define NAP_MS 1
#define CLOSE_WAIT_US INT64_C(2000000)
#define PG_EPOCH_US INT64_C(946684800000000)

enum turn { TURN_GO_ON, TURN_END };

/* -- errors */

int pg_stream_fail(struct pg_stream *stream, const PGresult *result, bool starting, struct err *err)
{
	char what[160];

	snprintf(what, sizeof what, "%s replication from slot \"%s\"", starting ? "starting" : "streaming",
	         stream->slot);
	pg_fail(stream->conn, result, what, err);
	if (!strcmp(err->sqlstate, "42704")) {
		/* START_REPLICATION looks the slot up, the first decoded change the publication, as it was at that
		 * point of the WAL */
		if (starting)
			err->code = ERR_SLOT;
		else {
			err->code = ERR_SOURCE_SETUP;
			err_prefix(
				err,
				"publication \"%s\" did not exist at the position being decoded; create it before the slot, then drop the slot and copy the tables again",
				stream->publication);
		}
	} else if (!strcmp(err->sqlstate, "55000")) {
		err->code = ERR_SLOT;
	} else if (!strcmp(err->sqlstate, "58P01")) {
		err->code = ERR_GAP;
	} else if (err->code == ERR_CANCELLED) {
		err->code = ERR_LOST; /* somebody cancelled the walsender, not us: connecting again goes on */
	} else if (err->code == ERR_QUERY) {
		err->code = ERR_SOURCE_SETUP;
	}
	return err->code;
}

static enum turn lost(struct pg_stream *stream, const char *why)
{
	err_set(&stream->end_err, ERR_LOST, "%s: the replication stream of slot \"%s\" broke: %s",
	        pg_conn_label(stream->conn), stream->slot, why);
	return TURN_END;
}

static enum turn lost_link(struct pg_stream *stream)
{
	pg_stream_fail(stream, NULL, false, &stream->end_err);
	stream->end_err.code = ERR_LOST;
	return TURN_END;
}

/* -- status */

static void put_u64_be(uint8_t *to, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(to, &v, sizeof v);
}

static enum turn flush_out(struct pg_stream *stream)
{
	int left = PQflush(stream->conn->raw);

	stream->unflushed = left == 1;
	return left < 0 ? lost_link(stream) : TURN_GO_ON;
}

static enum turn send_status(struct pg_stream *stream, int64_t now)
{
	uint64_t confirmed = atomic_load(&stream->confirmed), written = atomic_load(&stream->received);
	uint8_t body[34];
	int taken;

	body[0] = 'r';
	put_u64_be(body + 1, written > confirmed ? written : confirmed);
	put_u64_be(body + 9, confirmed);
	put_u64_be(body + 17, confirmed);
	put_u64_be(body + 25, (uint64_t)(env_wall_us() - PG_EPOCH_US));
	body[33] = now - stream->heard_at_us > stream->status_interval_us; /* ask for a sign of life */
	taken = PQputCopyData(stream->conn->raw, (const char *)body, sizeof body);
	if (taken < 0)
		return lost_link(stream);
	stream->status_at_us = now;
	if (taken > 0) {
		stream->reply_wanted = false;
		atomic_store(&stream->sent, confirmed);
	}
	return flush_out(stream);
}

/* When the next status is due, in microseconds of the monotonic clock. */
static int64_t status_due(const struct pg_stream *stream)
{
	int64_t due = stream->status_at_us + stream->status_interval_us;
	bool more = atomic_load(&stream->confirmed) > atomic_load(&stream->sent);

	if (stream->reply_wanted)
		return 0;
	if (more && stream->status_at_us + CONFIRM_DELAY_US < due)
		due = stream->status_at_us + CONFIRM_DELAY_US;
	return due;
}

static enum turn status_if_due(struct pg_stream *stream)
{
	int64_t now = env_mono_us();

	return now >= status_due(stream) ? send_status(stream, now) : TURN_GO_ON;
}

/* -- chunks */

static struct pg_chunk *chunk_new(size_t cap)
{
	struct pg_chunk *chunk = mem_zero(sizeof *chunk);

	if (!chunk)
		return NULL;
	chunk->p = mem_alloc(cap);
	chunk->cap = cap;
	if (!chunk->p) {
		mem_free(chunk);
		return NULL;
	}
	return chunk;
}

/* Room for a frame of n bytes at the end of the chunk, or NULL. */
static uint8_t *chunk_room(struct pg_stream *stream, size_t n)
{
	struct pg_chunk *chunk = stream->chunk;
	size_t need, cap;
	uint8_t *p;

	if (!chunk && !(chunk = stream->chunk = chunk_new(stream->chunk_cap_next)))
		return NULL;
	need = chunk->n + n;
	if (__builtin_expect(need > chunk->cap, 0)) {
		for (cap = chunk->cap; cap < need;)
			cap *= 2;
		p = mem_realloc(chunk->p, cap);
		if (!p)
			return NULL;
		chunk->p = p;
		chunk->cap = cap;
	}
	return chunk->p + chunk->n;
}

/* Hands the chunk to the consumer; while the queue is full only the status goes on. */
static enum turn push_chunk(struct pg_stream *stream)
{
	struct pg_chunk *chunk = stream->chunk;
	enum queue_result result;
	bool waited = false;

	if (!chunk)
		return TURN_GO_ON;
	stream->chunk = NULL;
	stream->chunk_cap_next = chunk->n > CHUNK_BYTES / 2 ? CHUNK_BYTES + CHUNK_BYTES / 4 : CHUNK_CAP_MIN;
	chunk->wal_end = stream->wal_end;
	atomic_store(&stream->received, stream->wal_end);
	while ((result = queue_push(stream->queue, chunk, chunk->cap + sizeof *chunk, waited ? CONFIRM_DELAY_US : 0)) ==
	       QUEUE_TIMEOUT) {
		waited = true;
		if (status_if_due(stream) == TURN_END)
			break;
	}
	if (waited)
		stream->heard_at_us = env_mono_us(); /* it was us who did not listen */
	if (result != QUEUE_DONE) {
		pg_chunk_free(chunk);
		return TURN_END;
	}
	return TURN_GO_ON;
}

static enum turn take_frame(struct pg_stream *stream, const char *data, uint32_t n)
{
	struct rbuf r = rbuf_of(data, n);
	uint8_t *to = chunk_room(stream, (size_t)n + sizeof n);
	uint8_t tag = rbuf_u8(&r);
	uint64_t wal_end;

	if (!to) {
		err_nomem(&stream->end_err);
		return TURN_END;
	}
	memcpy(to, &n, sizeof n); /* little endian, as the machine */
	memcpy(to + sizeof n, data, n);
	stream->chunk->n += n + sizeof n;
	stream->n_frames++;
	if (tag == 'w')
		(void)rbuf_take(&r, 8); /* start */
	wal_end = rbuf_u64_be(&r);
	if (tag == 'k') {
		(void)rbuf_take(&r, 8);
		stream->reply_wanted |= rbuf_u8(&r) == 1;
	}
	if (wal_end > stream->wal_end) /* 0 for RELATION, TYPE, ORIGIN and for a frame cut short: the decoder judges */
		stream->wal_end = wal_end;
	if (stream->reply_wanted && send_status(stream, env_mono_us()) == TURN_END)
		return TURN_END;
	if (stream->chunk->n < CHUNK_BYTES)
		return TURN_GO_ON;
	return push_chunk(stream) == TURN_END ? TURN_END : status_if_due(stream);
}

/* -- the socket */

/* COPY is over, and not by us: what did the server say? */
static enum turn server_ended(struct pg_stream *stream)
{
	PGresult *result = PQgetResult(stream->conn->raw); /* read already: does not block */

	if (result && PQresultStatus(result) == PGRES_FATAL_ERROR)
		pg_stream_fail(stream, result, false, &stream->end_err);
	else
		lost(stream, "the server ended it, as it does when it shuts down");
	PQclear(result);
	return TURN_END;
}

/* All frames that libpq holds. */
static enum turn take_frames(struct pg_stream *stream)
{
	char *data = NULL;
	enum turn turn;
	int n;

	while ((n = PQgetCopyData(stream->conn->raw, &data, 1)) > 0) {
		turn = take_frame(stream, data, (uint32_t)n);
		PQfreemem(data);
		if (turn == TURN_END)
			return TURN_END;
	}
	if (n == -1)
		return server_ended(stream);
	return n < 0 ? lost_link(stream) : TURN_GO_ON;
}

/* Reads until the socket has no more, so that a chunk holds much. TLS keeps decrypted bytes that poll does not know
 * of: a record (16 KiB) is surely read when three calls brought no frame. ROUNDS_MAX bounds how long a trickle may
 * keep the consumer waiting. */
static enum turn read_at_hand(struct pg_stream *stream)
{
	int idle_max = PQsslInUse(stream->conn->raw) ? 3 : 1;

	for (int round = 0, idle = 0; round < ROUNDS_MAX && idle < idle_max; round++) {
		uint64_t before = stream->n_frames;

		if (PQconsumeInput(stream->conn->raw) == 0) {
			/* last words, such as an administrator's shutdown, may stand before the end */
			if (take_frames(stream) == TURN_GO_ON)
				lost_link(stream);
			return TURN_END;
		}
		if (take_frames(stream) == TURN_END)
			return TURN_END;
		idle = stream->n_frames == before ? idle + 1 : 0;
	}
	return TURN_GO_ON;
}

static enum turn sleep_until_needed(struct pg_stream *stream)
{
	struct pollfd fds[2] = {
		{ .fd = PQsocket(stream->conn->raw), .events = (short)(POLLIN | (stream->unflushed ? POLLOUT : 0)) },
		{ .fd = stream->wake_fd, .events = POLLIN },
	};
	int64_t now, wait_us;
	uint64_t count;

	atomic_store(&stream->sleeping, true);
	/* After sleeping was set: a confirm before this look is seen by it, one behind it wakes us. With one seen no other
	 * has to: it changes nothing about the time to wake, which is asked behind this look and so knows of it too. */
	if (atomic_load(&stream->confirmed) > atomic_load(&stream->sent))
		atomic_store(&stream->sleeping, false);
	now = env_mono_us();
	wait_us = status_due(stream) - now;
	if (atomic_load(&stream->stopping) || wait_us < 0)
		wait_us = 0;
	if (env_poll(fds, 2, (int)((wait_us + 999) / 1000)) < 0) {
		atomic_store(&stream->sleeping, false);
		return lost(stream, "waiting for its socket failed");
	}
	atomic_store(&stream->sleeping, false);
	if (fds[1].revents)
		(void)!env_read(stream->wake_fd, &count, sizeof count);
	now = env_mono_us();
	if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
		stream->heard_at_us = now;
	if (now - stream->heard_at_us > stream->silence_max_us) {
		char why[80];

		snprintf(why, sizeof why, "nothing was heard of the server for %d seconds",
		         (int)(stream->silence_max_us / 1000000));
		return lost(stream, why);
	}
	if (stream->unflushed && flush_out(stream) == TURN_END)
		return TURN_END;
	return status_if_due(stream);
}

/* The server sends every message by itself, so under load the socket would wake us for each few rows, and each
 * wake-up costs as much as tens of rows. When turns follow one another closely for a while (a short transaction never
 * does that), the socket's buffer is left to fill for a millisecond. */
static enum turn nap_under_load(struct pg_stream *stream)
{
	struct pollfd fd = { .fd = stream->wake_fd, .events = POLLIN };
	int64_t now = env_mono_us();

	stream->close_turns = now - stream->turn_at_us < NAP_CLOSE_US ? stream->close_turns + 1 : 0;
	stream->turn_at_us = now;
	if (stream->close_turns < NAP_TURNS)
		return TURN_GO_ON;
	if (env_poll(&fd, 1, NAP_MS) < 0)
		return lost(stream, "waiting for its socket failed");
	return TURN_GO_ON;
}

/* One turn: what is at hand into chunks, those to the consumer, then sleep. */
static enum turn turn_once(struct pg_stream *stream)
{
	if (read_at_hand(stream) == TURN_END || push_chunk(stream) == TURN_END || nap_under_load(stream) == TURN_END)
		return TURN_END;
	return sleep_until_needed(stream);
}

/* -- the end */

static void wait_socket(struct pg_stream *stream, short events, int64_t until)
{
	struct pollfd fd = { .fd = PQsocket(stream->conn->raw), .events = events };
	int64_t left = until - env_mono_us();

	(void)env_poll(&fd, 1, left > 0 ? (int)(left / 1000) + 1 : 0);
}

/* Last status and end of COPY; then what the server still sends is thrown away until it has ended too, so that the
 * slot is free when we return. */
static void say_goodbye(struct pg_stream *stream)
{
	PGconn *raw = stream->conn->raw;
	int64_t until = env_mono_us() + CLOSE_WAIT_US;
	char *data;
	int n = 0;

	if (send_status(stream, env_mono_us()) == TURN_END || PQputCopyEnd(raw, NULL) < 0)
		return;
	while (env_mono_us() < until && PQflush(raw) == 1)
		wait_socket(stream, POLLOUT, until);
	while (env_mono_us() < until) {
		while ((n = PQgetCopyData(raw, &data, 1)) > 0)
			PQfreemem(data);
		if (n < 0)
			break;
		wait_socket(stream, POLLIN, until);
		if (!PQconsumeInput(raw))
			break;
	}
}

void pg_stream_receive(void *arg)
{
	struct pg_stream *stream = arg;
	enum turn turn;

	stream->chunk_cap_next = CHUNK_CAP_MIN;
	stream->heard_at_us = env_mono_us();
	turn = send_status(stream, stream->heard_at_us);
	while (turn == TURN_GO_ON && !atomic_load(&stream->stopping))
		turn = turn_once(stream);
	if (atomic_load(&stream->stopping)) {
		if (PQstatus(stream->conn->raw) == CONNECTION_OK)
			say_goodbye(stream);
	} else if (turn == TURN_END) {
		(void)push_chunk(stream); /* whole frames that came before the end */
	}
	queue_close(stream->queue);
}
