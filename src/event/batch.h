/* src/event/batch.h — rows in columns: what conversion fills and the Parquet writer empties.
 *
 * A batch has a fixed capacity in rows. Bytes of strings live in its arena, list elements in the column's child. One
 * thread at a time; ownership moves with the pointer. Reader contract of a column: for row r < batch->n: column_valid(c, r), then the C type of
 * event/type.h at index r of data. The data of an invalid row is zeroed. */
#ifndef TARN_EVENT_BATCH_H
#define TARN_EVENT_BATCH_H

#include "base/arena.h"
#include "base/wbuf.h"
#include "event/type.h"

#define BATCH_ROWS 8192 /* default capacity: four DuckDB vectors */

struct list_ref {
	uint32_t offset;
	uint32_t n;
}; /* elements offset .. offset+n-1 of column.child */

struct column {
	struct type type;
	uint64_t *valid;      /* bit r set: not null */
	void *data;           /* cap elements of type_width(type) */
	struct column *child; /* LIST: elements; child->cap grows */
	uint32_t cap;         /* rows */
	uint32_t n_child;     /* LIST: elements used in child */
};

struct batch {
	struct arena *arena; /* bytes of strings; reset with the batch */
	uint32_t n;          /* rows filled */
	uint32_t cap;
	uint16_t n_columns;
	struct column *columns;
};

struct batch *batch_new(const struct type *types, uint16_t n_columns, uint32_t cap); /* NULL: no memory */
void batch_free(struct batch *batch);
void batch_reset(struct batch *batch);         /* n = 0, all rows invalid, arena emptied */
size_t batch_bytes(const struct batch *batch); /* memory held */

static inline bool column_valid(const struct column *c, uint32_t row) { return c->valid[row >> 6] >> (row & 63) & 1; }
static inline void column_set_valid(struct column *c, uint32_t row) { c->valid[row >> 6] |= (uint64_t)1 << (row & 63); }
static inline void column_set_null(struct column *c, uint32_t row)
{
	c->valid[row >> 6] &= ~((uint64_t)1 << (row & 63));
}
#define COLUMN_AT(c, ctype, row) (((ctype *)(c)->data)[row])
/* Copies bytes into the batch and sets the value. 0 or -1: no memory. */
int column_set_bytes(struct batch *batch, struct column *c, uint32_t row, struct str s);
/* Starts a list value of n elements in row; returns the index of the first child element (set them with the child
 * column), or -1: no memory. */
int64_t column_set_list(struct batch *batch, struct column *c, uint32_t row, uint32_t n);
/* Copies one value (null included) between columns of the same type; bytes into dst_batch's arena. 0 or -1. */
int column_copy(struct batch *dst_batch, struct column *dst, uint32_t dst_row, const struct column *src,
                uint32_t src_row);
/* One value as text, for messages, `tarn journal cat` and tests (ISO 8601, decimal point, hex for binary); appended
 * to out. NULL writes "null". */
void column_text(const struct column *c, uint32_t row, struct wbuf *out);

#endif
