/* src/serve/result_format_int.h — shared by result_format.c and result_table.c. */
#ifndef TARN_SERVE_RESULT_FORMAT_INT_H
#define TARN_SERVE_RESULT_FORMAT_INT_H

#include "base/wbuf.h"
#include "serve/result_format.h"

struct result_writer {
	struct result_opts opts;
	struct sql_sink sink;
	struct wbuf out; /* text not yet written */
	char **names;    /* owned */
	enum sql_kind *kinds;
	size_t n_columns;
	uint64_t rows;
	/* table only: cells of the rows kept, as u32 length + bytes; widths once they are fixed */
	struct wbuf kept;
	uint64_t n_kept;
	unsigned *widths;
	bool fixed;
};

/* writes out when it holds more than `above` bytes */
int result_flush(struct result_writer *writer, size_t above, struct err *err);

/* result_table.c */
int result_table_row(struct result_writer *writer, const struct str *cells, struct err *err);
int result_table_finish(struct result_writer *writer, struct err *err);

#endif
