/* src/pg/pg_copy_read.c — rows of a copy's connections, in turns, into batches. */
#include "base/env.h"
#include "base/mem.h"
#include "pg/pg_copy_lane.h"

#define NAP_US 500       /* some 100 KB at full speed: less than any socket's buffer */
#define QUIET_MS 1000    /* without a row */
#define WIDE (256 << 10) /* bytes of one read above which libpq's buffer is large enough */

/* The server has sent all rows of a range or failed: its last words. */
static int end_range(struct pg_copy *copy, struct pg_copy_lane *lane, struct err *err)
{
	const struct relation *rel = copy->rel;
	PGconn *raw = lane->conn->raw;
	PGresult *result;
	int rc = ERR_OK;

	lane->running = false;
	copy->n_running--;
	while ((result = PQgetResult(raw)) != NULL) {
		if (!rc && PQresultStatus(result) != PGRES_COMMAND_OK)
			rc = pg_copy_fail(copy, lane->conn, result, err);
		PQclear(result);
		if (PQstatus(raw) != CONNECTION_OK)
			break;
	}
	if (!rc && PQstatus(raw) != CONNECTION_OK)
		rc = pg_copy_fail(copy, lane->conn, NULL, err);
	if (!rc && !lane->parser.trailer_seen)
		rc = err_set(err, ERR_PROTOCOL, "table %s.%s: COPY ended without its trailer", rel->schema, rel->name);
	return rc;
}

static void next_lane(struct pg_copy *copy)
{
	for (size_t i = 0; i < copy->n; i++) {
		copy->at = (copy->at + 1) % copy->n;
		if (copy->lanes[copy->at].running)
			return;
	}
}

/* No lane has a row. The server sends by 8 KB, and waking this thread for each costs both sides as much as the rows
 * themselves: so the sockets are left to fill for a moment first, and only then waited for. False: nothing came. A
 * TLS layer may hold bytes that no socket shows; then this only waits too long. */
static bool wait_for_rows(struct pg_copy *copy, bool nap)
{
	struct pollfd fds[PG_COPY_CONNECTIONS_MAX];
	nfds_t n = 0;

	if (nap) {
		env_sleep_us(NAP_US);
		return true;
	}
	for (size_t i = 0; i < copy->n; i++)
		if (copy->lanes[i].running)
			fds[n++] = (struct pollfd){ .fd = PQsocket(copy->lanes[i].conn->raw), .events = POLLIN };
	return env_poll(fds, n, QUIET_MS) != 0;
}

/* More bytes into libpq. It begins with a buffer of 16 KB, and a read brings no more than fits; a second read finds it
 * full and doubles it. */
static bool read_socket(struct pg_copy_lane *lane)
{
	PGconn *raw = lane->conn->raw;

	lane->wide = lane->wide || lane->taken >= WIDE;
	lane->taken = 0;
	return PQconsumeInput(raw) == 1 && (lane->wide || PQconsumeInput(raw) == 1);
}

/* A lane's range is read: the next one. */
static int turn_lane(struct pg_copy *copy, struct pg_copy_lane *lane, struct err *err)
{
	int rc = end_range(copy, lane, err);

	if (!rc)
		rc = pg_copy_begin(copy, lane, err);
	copy->ended = copy->n_running == 0;
	if (!lane->running)
		next_lane(copy);
	return rc;
}

/* The next CopyData into the lane whose turn it is; none when the copy has ended or *quiet. */
static int next_message(struct pg_copy *copy, bool *quiet, struct err *err)
{
	size_t dry = 0; /* reads without a row */
	int rc = ERR_OK;

	while (!rc && !*quiet && !copy->ended) {
		struct pg_copy_lane *lane = &copy->lanes[copy->at];
		int n = PQgetCopyData(lane->conn->raw, &lane->message, 1);

		if (n > 0) {
			lane->n = (size_t)n;
			lane->at = 0;
			lane->taken += lane->n;
			return ERR_OK;
		}
		lane->message = NULL;
		if (n < 0) {
			rc = turn_lane(copy, lane, err);
			dry = 0;
		} else if (dry && dry % copy->n_running == 0 && !wait_for_rows(copy, dry == copy->n_running)) {
			*quiet = true;
		} else {
			next_lane(copy);
			dry++;
			if (!read_socket(&copy->lanes[copy->at]))
				rc = turn_lane(copy, &copy->lanes[copy->at], err);
		}
	}
	return rc;
}

int pg_copy_read(struct pg_copy *copy, struct batch *batch, bool *done, struct err *err)
{
	bool quiet = false;
	int rc = ERR_OK;

	*done = false;
	if (copy->failed)
		return err_set(err, ERR_LOST, "%s: the copy of %s.%s has failed before",
		               pg_conn_label(copy->lanes[0].conn), copy->rel->schema, copy->rel->name);
	while (!rc && !quiet && !copy->ended && batch->n < batch->cap) {
		struct pg_copy_lane *lane = &copy->lanes[copy->at];

		if (!lane->message) {
			rc = next_message(copy, &quiet, err);
			continue;
		}
		rc = copy_parse(&lane->parser, (const uint8_t *)lane->message, lane->n, &lane->at, batch, err);
		if (!rc && lane->at == lane->n) {
			PQfreemem(lane->message);
			lane->message = NULL;
		}
	}
	copy->failed = rc != ERR_OK;
	*done = !rc && copy->ended;
	return rc;
}

void pg_copy_close(struct pg_copy *copy)
{
	if (!copy)
		return;
	/* all are told before any is waited for; one that cannot be told (it may be done already) is read to its end */
	for (size_t i = 0; i < copy->n; i++)
		if (copy->lanes[i].running)
			(void)pg_conn_cancel(copy->lanes[i].conn, NULL);
	for (size_t i = 0; i < copy->n; i++) {
		struct pg_copy_lane *lane = &copy->lanes[i];
		char *rest;

		PQfreemem(lane->message);
		if (!lane->running)
			continue;
		while (PQgetCopyData(lane->conn->raw, &rest, 0) > 0)
			PQfreemem(rest);
		(void)end_range(copy, lane, NULL);
	}
	mem_free(copy->as_text);
	mem_free(copy);
}
