/* src/event/batch.c — rows in columns: memory of a batch. */
#include "event/batch.h"

#include "base/mem.h"

#define CHILD_ROWS_MIN 64

static size_t valid_words(uint32_t rows) { return ((size_t)rows + 63) / 64; }

static int column_init(struct column *c, struct type type, uint32_t cap)
{
	c->type = type;
	c->cap = cap;
	c->valid = mem_array(valid_words(cap), sizeof *c->valid);
	c->data = mem_array(cap, type_width(type) ? type_width(type) : 1);
	if (type.kind == TYPE_LIST) {
		c->child = mem_zero(sizeof *c->child);
		if (!c->child || column_init(c->child, type_elem(type), CHILD_ROWS_MIN))
			return -1;
	}
	return c->valid && c->data ? 0 : -1;
}

static void column_free(struct column *c)
{
	if (c->child)
		column_free(c->child);
	mem_free(c->child);
	mem_free(c->valid);
	mem_free(c->data);
}

struct batch *batch_new(const struct type *types, uint16_t n_columns, uint32_t cap)
{
	struct batch *batch = mem_zero(sizeof *batch);

	if (!batch)
		return NULL;
	batch->cap = cap;
	batch->arena = arena_new(0);
	batch->columns = mem_array(n_columns ? n_columns : 1, sizeof *batch->columns);
	if (!batch->arena || !batch->columns) {
		batch_free(batch);
		return NULL;
	}
	batch->n_columns = n_columns;
	for (uint16_t i = 0; i < n_columns; i++)
		if (column_init(&batch->columns[i], types[i], cap)) {
			batch_free(batch);
			return NULL;
		}
	return batch;
}

void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	for (uint16_t i = 0; batch->columns && i < batch->n_columns; i++)
		column_free(&batch->columns[i]);
	mem_free(batch->columns);
	arena_free(batch->arena);
	mem_free(batch);
}

void batch_reset(struct batch *batch)
{
	for (uint16_t i = 0; i < batch->n_columns; i++) {
		struct column *c = &batch->columns[i];

		/* one row more: a row that failed half-way is not counted in n */
		uint32_t dirty = batch->n < batch->cap ? batch->n + 1 : batch->cap;

		memset(c->valid, 0, valid_words(dirty) * sizeof *c->valid);
		memset(c->data, 0, dirty * type_width(c->type));
		if (c->child) {
			memset(c->child->valid, 0, valid_words(c->child->cap) * sizeof *c->child->valid);
			memset(c->child->data, 0, c->n_child * type_width(c->child->type));
			c->n_child = 0;
		}
	}
	batch->n = 0;
	arena_reset(batch->arena);
}

static size_t column_bytes(const struct column *c)
{
	size_t n = valid_words(c->cap) * sizeof *c->valid + c->cap * type_width(c->type);

	return c->child ? n + column_bytes(c->child) : n;
}

size_t batch_bytes(const struct batch *batch)
{
	size_t n = arena_bytes(batch->arena);

	for (uint16_t i = 0; i < batch->n_columns; i++)
		n += column_bytes(&batch->columns[i]);
	return n;
}

int column_set_bytes(struct batch *batch, struct column *c, uint32_t row, struct str s)
{
	char *p = arena_alloc(batch->arena, s.n ? s.n : 1);

	if (!p)
		return -1;
	if (s.n)
		memcpy(p, s.p, s.n);
	COLUMN_AT(c, struct str, row) = str_view(p, s.n);
	column_set_valid(c, row);
	return 0;
}

static int child_grow(struct column *child, uint32_t need)
{
	size_t width = type_width(child->type);
	uint32_t cap = child->cap;
	uint64_t *valid;
	void *data;

	if (need <= cap)
		return 0;
	while (cap < need) {
		if (cap > UINT32_MAX / 2)
			return -1;
		cap *= 2;
	}
	valid = mem_realloc(child->valid, valid_words(cap) * sizeof *valid);
	if (!valid)
		return -1;
	memset(valid + valid_words(child->cap), 0, (valid_words(cap) - valid_words(child->cap)) * sizeof *valid);
	child->valid = valid;
	data = mem_realloc(child->data, cap * width);
	if (!data)
		return -1;
	memset((char *)data + child->cap * width, 0, (cap - child->cap) * width);
	child->data = data;
	child->cap = cap;
	return 0;
}

int64_t column_set_list(struct batch *batch, struct column *c, uint32_t row, uint32_t n)
{
	uint32_t first = c->n_child;

	(void)batch; /* elements live in the column, their bytes in the batch's arena */
	if (n > UINT32_MAX - first || child_grow(c->child, first + n))
		return -1;
	c->n_child += n;
	COLUMN_AT(c, struct list_ref, row) = (struct list_ref){ first, n };
	column_set_valid(c, row);
	return first;
}

static int copy_list(struct batch *dst_batch, struct column *dst, uint32_t dst_row, const struct column *src,
                     uint32_t src_row)
{
	struct list_ref ref = COLUMN_AT(src, struct list_ref, src_row);
	int64_t first = column_set_list(dst_batch, dst, dst_row, ref.n);

	if (first < 0)
		return -1;
	for (uint32_t i = 0; i < ref.n; i++)
		if (column_copy(dst_batch, dst->child, (uint32_t)first + i, src->child, ref.offset + i))
			return -1;
	return 0;
}

int column_copy(struct batch *dst_batch, struct column *dst, uint32_t dst_row, const struct column *src,
                uint32_t src_row)
{
	size_t width = type_width(src->type);

	if (!column_valid(src, src_row)) {
		memset((char *)dst->data + dst_row * width, 0, width);
		column_set_null(dst, dst_row);
		return 0;
	}
	if (src->type.kind == TYPE_LIST)
		return copy_list(dst_batch, dst, dst_row, src, src_row);
	if (src->type.kind == TYPE_STRING || src->type.kind == TYPE_BINARY)
		return column_set_bytes(dst_batch, dst, dst_row, COLUMN_AT(src, struct str, src_row));
	memcpy((char *)dst->data + dst_row * width, (const char *)src->data + src_row * width, width);
	column_set_valid(dst, dst_row);
	return 0;
}
