/* src/pg/pg_copy_lane.h — a copy under way: one connection or several, each with a COPY of a part of the table. Only
 * src/pg/pg_copy*.c include this.
 *
 * A large table is cut in ranges of blocks, begun in order: whichever connection is done with one takes the next, so
 * that all end at about the same time. Each row version lies in one block and stays there, and the last range has no
 * upper end: together they are the table, however it grows meanwhile. */
#ifndef TARN_PG_PG_COPY_LANE_H
#define TARN_PG_PG_COPY_LANE_H

#include "pg/pg_conn_int.h"
#include "pg/pg_copy.h"
#include "pg/pg_copy_int.h"

struct pg_copy_lane {
	struct pg_conn *conn; /* borrowed */
	struct copy_parser parser;
	char *message; /* libpq's, the rest of the last CopyData; NULL: none */
	size_t n, at;
	bool running; /* the server is in COPY */
	size_t taken; /* bytes of rows since the socket was read */
	bool wide;    /* libpq's buffer is as large as we want it */
};

struct pg_copy {
	const struct relation *rel; /* borrowed */
	uint8_t *as_text;           /* owned, the parsers' as_text */
	struct pg_copy_lane lanes[PG_COPY_CONNECTIONS_MAX];
	size_t n, n_running;
	size_t at; /* the lane whose turn it is */
	uint32_t blocks, step;
	uint64_t next; /* first block of the next range */
	bool all_begun;
	bool failed, ended;
};

/* Begins the next range on a lane; does nothing when all are begun. */
int pg_copy_begin(struct pg_copy *copy, struct pg_copy_lane *lane, struct err *err) TARN_MUST_CHECK;
/* What the server says of a COPY that failed (result NULL: the connection). Returns the code. */
int pg_copy_fail(const struct pg_copy *copy, struct pg_conn *conn, const PGresult *result, struct err *err);

#endif
