/* src/serve/result_format.h — a result's rows as a table for people, CSV, JSON or JSON lines. A sink for sql_run that
 * writes text.
 *
 *   table   aligned columns, numbers to the right, a count of rows below; control characters shown as \n, \x1b, so
 *           that data cannot steer a terminal
 *   csv     RFC 4180: header, CRLF, quotes where needed; NULL is empty, the empty text is ""
 *   json    one array of objects; ndjson: an object a line. Numbers and booleans bare, nan and inf as strings, nested
 *           values as JSON */
#ifndef TARN_SERVE_RESULT_FORMAT_H
#define TARN_SERVE_RESULT_FORMAT_H

#include "engine/sql.h"

enum result_format { RESULT_TABLE, RESULT_CSV, RESULT_JSON, RESULT_NDJSON };

bool result_format_parse(const char *text, enum result_format *out);

struct result_opts {
	enum result_format format;
	/* table: cells are cut so that a line fits; 0: never cut */
	unsigned width;
	int (*write)(void *arg, struct str text, struct err *err); /* non-zero stops the query */
	void *arg;
};

struct result_writer;

/* One writer a result. The table keeps up to some thousand rows to find the widths; the other formats stream. */
struct result_writer *result_writer_new(const struct result_opts *opts); /* NULL: no memory */
const struct sql_sink *result_writer_sink(struct result_writer *writer);
/* after a successful sql_run: what is left, closing brackets */
int result_writer_finish(struct result_writer *writer, struct err *err) TARN_MUST_CHECK;
uint64_t result_writer_rows(const struct result_writer *writer);
void result_writer_free(struct result_writer *writer);

#endif
