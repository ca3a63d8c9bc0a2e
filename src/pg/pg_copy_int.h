/* src/pg/pg_copy_int.h — PostgreSQL's binary COPY format, taken apart without a connection (unit tests feed it bytes).
 *
 *   header   11 bytes "PGCOPY\n\377\r\n\0"
 *            4  flags: bits 16-31 critical (16: oids, which no server since 12 sends), 0-15 free to ignore
 *            4  length of the header extension, which is skipped
 *   tuple    2  number of fields, then per field 4 length (-1: null) and that many bytes
 *   trailer  2  -1 instead of a number of fields
 *
 * The server sends each tuple whole in one CopyData message, the header in front of the first (or alone) and the
 * trailer in one of its own; several tuples in a message are read too. A tuple cut by the end of a message, another
 * number of fields or bytes behind the trailer are ERR_PROTOCOL. */
#ifndef TARN_PG_PG_COPY_INT_H
#define TARN_PG_PG_COPY_INT_H

#include "event/batch.h"
#include "event/change.h"

struct copy_parser {
	const struct relation *rel; /* borrowed, put functions bound */
	const uint8_t *as_text;     /* per column: the SELECT casts it, its bytes are text */
	bool header_seen, trailer_seen;
};

/* Reads tuples of message [*at, n) into rows batch->n.. until the batch is full or the message ends; *at moves on. */
int copy_parse(struct copy_parser *parser, const uint8_t *message, size_t n, size_t *at, struct batch *batch,
               struct err *err) TARN_MUST_CHECK;

#endif
