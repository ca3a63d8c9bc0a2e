/* src/lake/parquet_footer.c — bounded reader of Parquet's footer.
 *
 * The file ends with: Thrift FileMetaData, u32 LE its length, "PAR1" ("PARE": encrypted). Thrift compact protocol: a
 * struct is fields until a zero byte; a field is a byte (id delta << 4 | type), the id as a zigzag varint behind it
 * when the delta is 0; integers are zigzag varints; a list is a byte (size << 4 | element type), the size as a varint
 * behind it when it is 15; binary is a varint length and bytes. Fields read (parquet.thrift):
 *   FileMetaData   2 schema, 3 num_rows, 4 row_groups
 *   SchemaElement  5 num_children, 9 field_id
 *   RowGroup       1 columns, 3 num_rows
 *   ColumnChunk    3 meta_data
 *   ColumnMetaData 7 total_compressed_size, 9 data_page_offset, 11 dictionary_page_offset
 * Memory is bounded by the footer: nothing is allocated for a count before its elements were read, and each takes a
 * byte at least. */
#include "lake/parquet_footer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/rbuf.h"

enum thrift_type {
	T_STOP = 0,
	T_TRUE = 1,
	T_FALSE = 2,
	T_BYTE = 3,
	T_I16 = 4,
	T_I32 = 5,
	T_I64 = 6,
	T_DOUBLE = 7,
	T_BINARY = 8,
	T_LIST = 9,
	T_SET = 10,
	T_MAP = 11,
	T_STRUCT = 12
};

enum { DEPTH_MAX = 32, TAIL_BYTES = 8 };

struct reader {
	struct rbuf in;
	struct parquet_footer *footer;
	size_t cap_splits, cap_leaves;
	bool nomem;
	bool have_schema, have_groups;
};

struct field {
	int16_t id;
	uint8_t type;
};

/* The next field of a struct; false at its end. last: id of the field before, 0 at first. */
static bool next_field(struct rbuf *in, struct field *field)
{
	uint8_t head = rbuf_u8(in);

	if (in->failed || head == T_STOP)
		return false;
	field->type = head & 15;
	field->id = (int16_t)(head >> 4 ? field->id + (head >> 4) : rbuf_zigzag(in));
	return !in->failed;
}

static uint32_t read_list(struct rbuf *in, uint8_t *type)
{
	uint8_t head = rbuf_u8(in);
	uint64_t n = head >> 4 == 15 ? rbuf_varint(in) : head >> 4;

	*type = head & 15;
	if (n > rbuf_left(in)) /* an element takes a byte at least */
		in->failed = true;
	return in->failed ? 0 : (uint32_t)n;
}

static void skip(struct rbuf *in, uint8_t type, int depth);

static void skip_elements(struct rbuf *in, uint64_t n, uint8_t type, int depth)
{
	for (uint64_t i = 0; i < n && !in->failed; i++) {
		if (type == T_TRUE || type == T_FALSE)
			rbuf_u8(in); /* a byte each in lists; in fields the type says the value */
		else
			skip(in, type, depth);
	}
}

static void skip(struct rbuf *in, uint8_t type, int depth)
{
	struct field field = { 0, 0 };
	uint8_t element;
	uint64_t n;

	if (depth > DEPTH_MAX || in->failed) {
		in->failed = true;
		return;
	}
	switch ((enum thrift_type)type) {
	case T_TRUE:
	case T_FALSE: return;
	case T_BYTE: rbuf_u8(in); return;
	case T_I16:
	case T_I32:
	case T_I64: rbuf_varint(in); return;
	case T_DOUBLE: rbuf_take(in, 8); return;
	case T_BINARY:
		n = rbuf_varint(in);
		if (n > rbuf_left(in))
			in->failed = true;
		else
			rbuf_take(in, (size_t)n);
		return;
	case T_LIST:
	case T_SET:
		n = read_list(in, &element);
		skip_elements(in, n, element, depth + 1);
		return;
	case T_MAP:
		n = rbuf_varint(in);
		if (n == 0)
			return;
		element = rbuf_u8(in);
		if (n > rbuf_left(in))
			in->failed = true;
		for (uint64_t i = 0; i < n && !in->failed; i++) {
			skip_elements(in, 1, element >> 4, depth + 1);
			skip_elements(in, 1, element & 15, depth + 1);
		}
		return;
	case T_STRUCT:
		while (next_field(in, &field))
			skip(in, field.type, depth + 1);
		return;
	default: in->failed = true;
	}
}

/* --- the parts read --- */

static void read_schema_element(struct reader *r, bool root)
{
	struct parquet_leaf leaf = { PARQUET_NO_FIELD_ID, 0 };
	struct field field = { 0, 0 };
	int64_t children = 0;

	while (next_field(&r->in, &field)) {
		if (field.id == 5 && field.type == T_I32)
			children = rbuf_zigzag(&r->in);
		else if (field.id == 9 && field.type == T_I32)
			leaf.field_id = (int32_t)rbuf_zigzag(&r->in);
		else
			skip(&r->in, field.type, 1);
	}
	if (r->in.failed || root || children > 0)
		return;
	if (vec_grow(&r->footer->leaves, &r->cap_leaves, r->footer->n_leaves + 1, sizeof leaf))
		r->nomem = r->in.failed = true;
	else
		r->footer->leaves[r->footer->n_leaves++] = leaf;
}

struct chunk {
	int64_t bytes, data_at, dictionary_at;
	bool found;
};

static void read_column_meta(struct reader *r, struct chunk *chunk)
{
	struct field field = { 0, 0 };

	chunk->found = true;
	while (next_field(&r->in, &field)) {
		if (field.id == 7 && field.type == T_I64)
			chunk->bytes = rbuf_zigzag(&r->in);
		else if (field.id == 9 && field.type == T_I64)
			chunk->data_at = rbuf_zigzag(&r->in);
		else if (field.id == 11 && field.type == T_I64)
			chunk->dictionary_at = rbuf_zigzag(&r->in);
		else
			skip(&r->in, field.type, 3);
	}
}

static struct chunk read_column_chunk(struct reader *r)
{
	struct chunk chunk = { -1, -1, -1, false };
	struct field field = { 0, 0 };

	while (next_field(&r->in, &field)) {
		if (field.id == 3 && field.type == T_STRUCT)
			read_column_meta(r, &chunk);
		else
			skip(&r->in, field.type, 2);
	}
	return chunk;
}

static void add_split(struct reader *r, const struct chunk *chunk)
{
	struct parquet_footer *f = r->footer;
	/* Writers put 0 for "no dictionary", and some a dictionary offset behind the data: the smaller real one counts. */
	int64_t at = chunk->dictionary_at > 0 && chunk->dictionary_at < chunk->data_at ? chunk->dictionary_at
	                                                                               : chunk->data_at;

	if (at < 4 || (uint64_t)at >= f->file_bytes || (f->n_splits && f->splits[f->n_splits - 1] >= (uint64_t)at)) {
		r->in.failed = true;
		return;
	}
	if (vec_grow(&f->splits, &r->cap_splits, f->n_splits + 1, sizeof *f->splits))
		r->nomem = r->in.failed = true;
	else
		f->splits[f->n_splits++] = (uint64_t)at;
}

static int64_t read_row_group(struct reader *r)
{
	struct parquet_footer *f = r->footer;
	struct chunk first = { -1, -1, -1, false };
	struct field field = { 0, 0 };
	int64_t rows = -1;
	uint8_t type;

	while (next_field(&r->in, &field)) {
		if (field.id == 1 && field.type == T_LIST) {
			uint32_t n = read_list(&r->in, &type);

			if (type != T_STRUCT || n != f->n_leaves)
				r->in.failed = true;
			for (uint32_t i = 0; i < n && !r->in.failed; i++) {
				struct chunk chunk = read_column_chunk(r);

				if (!chunk.found || chunk.bytes < 0 || (uint64_t)chunk.bytes > f->file_bytes) {
					r->in.failed = true;
					break;
				}
				f->leaves[i].column_bytes += (uint64_t)chunk.bytes;
				if (i == 0)
					first = chunk;
			}
		} else if (field.id == 3 && field.type == T_I64) {
			rows = rbuf_zigzag(&r->in);
		} else {
			skip(&r->in, field.type, 1);
		}
	}
	if (!r->in.failed && rows > 0) /* an empty group has no pages */
		add_split(r, &first);
	return rows;
}

static void read_file(struct reader *r)
{
	struct field field = { 0, 0 };
	int64_t rows = -1, sum = 0;
	uint8_t type;

	while (next_field(&r->in, &field)) {
		if (field.id == 2 && field.type == T_LIST && !r->have_schema) {
			uint32_t n = read_list(&r->in, &type);

			r->have_schema = type == T_STRUCT && n > 0;
			for (uint32_t i = 0; i < n && !r->in.failed && r->have_schema; i++)
				read_schema_element(r, i == 0);
		} else if (field.id == 3 && field.type == T_I64) {
			rows = rbuf_zigzag(&r->in);
		} else if (field.id == 4 && field.type == T_LIST && r->have_schema && !r->have_groups) {
			uint32_t n = read_list(&r->in, &type);

			r->have_groups = type == T_STRUCT || n == 0;
			for (uint32_t i = 0; i < n && !r->in.failed && r->have_groups; i++) {
				int64_t group_rows = read_row_group(r);

				if (group_rows < 0 || __builtin_add_overflow(sum, group_rows, &sum))
					r->in.failed = true;
			}
		} else {
			skip(&r->in, field.type, 0);
		}
	}
	if (!r->have_schema || !r->have_groups || rows < 0 || rows != sum)
		r->in.failed = true;
	r->footer->rows = (uint64_t)rows;
}

int parquet_footer_parse(struct str thrift, uint64_t file_bytes, const char *what, struct parquet_footer **out,
                         struct err *err)
{
	struct reader r = { .in = rbuf_of(thrift.p, thrift.n) };

	*out = NULL;
	r.footer = mem_zero(sizeof *r.footer);
	if (!r.footer)
		return err_nomem(err);
	r.footer->file_bytes = file_bytes;
	read_file(&r);
	if (r.nomem || r.in.failed) {
		parquet_footer_free(r.footer);
		return r.nomem ? err_nomem(err)
		               : err_set(err, ERR_CORRUPT,
		                         "%s: malformed Parquet footer near its byte %zu of %zu; the file is damaged",
		                         what, r.in.at, thrift.n);
	}
	*out = r.footer;
	return 0;
}

void parquet_footer_free(struct parquet_footer *footer)
{
	if (!footer)
		return;
	mem_free(footer->splits);
	mem_free(footer->leaves);
	mem_free(footer);
}

/* --- the file --- */

static int read_tail(int fd, const char *path, uint64_t file_bytes, struct parquet_footer **out, struct err *err)
{
	uint8_t tail[TAIL_BYTES];
	uint32_t n;
	ssize_t got = file_bytes < 4 + TAIL_BYTES ? 0 : env_pread(fd, tail, sizeof tail, file_bytes - TAIL_BYTES);
	uint8_t *bytes;
	int rc;

	if (got < 0)
		return err_set_errno(err, ERR_IO, (int)-got, "reading the footer of %s", path);
	if (got != TAIL_BYTES || (memcmp(tail + 4, "PAR1", 4) != 0 && memcmp(tail + 4, "PARE", 4) != 0))
		return err_set(err, ERR_CORRUPT, "%s is not a Parquet file (%" PRIu64 " bytes, no PAR1 at its end)",
		               path, file_bytes);
	if (memcmp(tail + 4, "PARE", 4) == 0)
		return err_set(err, ERR_UNSUPPORTED, "%s: the Parquet footer is encrypted", path);
	memcpy(&n, tail, 4);
	if (n > file_bytes - TAIL_BYTES - 4)
		return err_set(err, ERR_CORRUPT,
		               "%s: the Parquet footer says it has %" PRIu32 " bytes, the file has %" PRIu64, path, n,
		               file_bytes);
	if (n > PARQUET_FOOTER_MAX)
		return err_set(err, ERR_LIMIT, "%s: a Parquet footer of %" PRIu32 " bytes is above the limit", path, n);
	bytes = mem_alloc(n ? n : 1);
	if (!bytes)
		return err_nomem(err);
	got = env_pread(fd, bytes, n, file_bytes - TAIL_BYTES - n);
	if (got != (ssize_t)n)
		rc = err_set_errno(err, ERR_IO, got < 0 ? (int)-got : 0, "reading the footer of %s", path);
	else
		rc = parquet_footer_parse(str_view(bytes, n), file_bytes, path, out, err);
	mem_free(bytes);
	return rc;
}

int parquet_footer_read(const char *path, struct parquet_footer **out, struct err *err)
{
	struct env_stat st;
	int fd, rc;

	*out = NULL;
	rc = env_stat(path, &st);
	if (rc < 0)
		return err_set_errno(err, rc == -ENOENT ? ERR_NOT_FOUND : ERR_IO, -rc, "%s", path);
	fd = env_open(path, O_RDONLY, 0);
	if (fd < 0)
		return err_set_errno(err, ERR_IO, -fd, "opening %s", path);
	rc = read_tail(fd, path, st.size, out, err);
	env_close(fd);
	return rc;
}

int parquet_footer_describe(const char *path, struct data_file *file, struct err *err)
{
	struct parquet_footer *footer;
	int rc = parquet_footer_read(path, &footer, err);

	if (rc)
		return rc;
	file->record_count = footer->rows;
	file->file_bytes = footer->file_bytes;
	for (size_t i = 0; i < file->n_metrics; i++)
		for (size_t k = 0; k < footer->n_leaves; k++)
			if (footer->leaves[k].field_id == file->metrics[i].field_id)
				file->metrics[i].column_bytes = footer->leaves[k].column_bytes;
	mem_free(file->split_offsets);
	file->split_offsets = footer->splits; /* taken */
	file->n_splits = footer->n_splits;
	footer->splits = NULL;
	parquet_footer_free(footer);
	return 0;
}
