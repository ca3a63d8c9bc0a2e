/* src/cli/grid.h — rows of cells in aligned columns, for listings. Two blanks between columns, no lines, nothing
 * after the last cell of a row.
 *
 * Open value: grid_init, cells row by row, grid_put, grid_free. Out of memory is kept until grid_put, which then
 * makes the output buffer fail. */
#ifndef TARN_CLI_GRID_H
#define TARN_CLI_GRID_H

#include "base/wbuf.h"

#define GRID_COLUMNS_MAX 16

struct grid {
	size_t n_columns;
	bool right[GRID_COLUMNS_MAX]; /* numbers */
	char **cells;
	size_t n, cap; /* owned; headings first */
	const char *indent;
	bool failed;
};

/* headings: "TABLE,ROWS>,NOTE": names with commas between, '>' after one that is aligned to the right. indent: before
 * every row, borrowed. */
void grid_init(struct grid *grid, const char *headings, const char *indent);
void grid_cell(struct grid *grid, const char *text); /* copied; NULL or "": a dash; control characters become blanks */
void grid_cellf(struct grid *grid, const char *fmt, ...) TARN_PRINTF(2, 3);
/* takes the content: the buffer is freed; a failed one fails the grid */
void grid_cell_of(struct grid *grid, struct wbuf *text);
void grid_put(const struct grid *grid, struct wbuf *out);
void grid_free(struct grid *grid);

/* The text of a paragraph, words wrapped at width columns (0: not at all), each line after `indent`. */
void grid_paragraph(struct wbuf *out, const char *indent, struct str text, unsigned width);
/* Control characters but newlines become blanks: what foreign writers put into names and properties must not steer
 * the terminal. */
void grid_clean(struct wbuf *out);

#endif
