/* src/event/relation.c — making, comparing and storing relation versions. */
#include "event/relation.h"

#include "base/mem.h"

/* Limits of what a durable or foreign description may claim: PostgreSQL's own are 1600 columns and 63-byte names. */
#define COLUMNS_MAX 4096
#define NAME_BYTES_MAX 1024

struct relation *relation_new(uint32_t id, struct str schema, struct str name, uint16_t n_columns)
{
	struct relation *rel = mem_zero(sizeof *rel);

	if (!rel)
		return NULL;
	rel->refs = 1;
	rel->id = id;
	rel->n_columns = n_columns;
	rel->schema = mem_strndup(schema.p, schema.n);
	rel->name = mem_strndup(name.p, name.n);
	rel->columns = mem_array(n_columns ? n_columns : 1, sizeof *rel->columns);
	if (!rel->schema || !rel->name || !rel->columns) {
		relation_unref(rel);
		return NULL;
	}
	return rel;
}

int relation_set_column(struct relation *rel, uint16_t i, struct str name, struct type type, uint32_t source_type,
                        int32_t typmod, struct str source_type_name, bool key, bool not_null)
{
	struct rel_column *col = &rel->columns[i];

	CHECK(i < rel->n_columns);
	mem_free((char *)col->name);
	mem_free((char *)col->source_type_name);
	*col = (struct rel_column){ .type = type,
		                    .source_type = source_type,
		                    .typmod = typmod,
		                    .key = key,
		                    .not_null = not_null };
	col->name = mem_strndup(name.p, name.n);
	col->source_type_name = mem_strndup(source_type_name.p, source_type_name.n);
	return col->name && col->source_type_name ? 0 : -1;
}

int relation_set_unsupported(struct relation *rel, const char *why)
{
	char *copy = mem_strdup(why);

	if (!copy)
		return -1;
	mem_free((char *)rel->unsupported);
	rel->unsupported = copy;
	return 0;
}

int relation_seal(struct relation *rel)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < rel->n_columns; i++)
		n += rel->columns[i].key;
	mem_free(rel->key_columns);
	rel->n_keys = 0;
	rel->key_columns = mem_array(n ? n : 1, sizeof *rel->key_columns);
	if (!rel->key_columns)
		return -1;
	for (uint16_t i = 0; i < rel->n_columns; i++)
		if (rel->columns[i].key)
			rel->key_columns[rel->n_keys++] = i;
	return 0;
}

int relation_set_keys(struct relation *rel, const uint16_t *columns, uint16_t n)
{
	uint16_t *keys = mem_array(n ? n : 1, sizeof *keys);

	if (!keys)
		return -1;
	for (uint16_t i = 0; i < rel->n_columns; i++)
		rel->columns[i].key = false;
	for (uint16_t i = 0; i < n; i++) {
		CHECK(columns[i] < rel->n_columns);
		keys[i] = columns[i];
		rel->columns[columns[i]].key = true;
	}
	mem_free(rel->key_columns);
	rel->key_columns = keys;
	rel->n_keys = n;
	return 0;
}

struct relation *relation_ref(struct relation *rel)
{
	__atomic_add_fetch(&rel->refs, 1, __ATOMIC_RELAXED);
	return rel;
}

void relation_unref(struct relation *rel)
{
	if (!rel || __atomic_sub_fetch(&rel->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (uint16_t i = 0; rel->columns && i < rel->n_columns; i++) {
		mem_free((char *)rel->columns[i].name);
		mem_free((char *)rel->columns[i].source_type_name);
	}
	mem_free(rel->columns);
	mem_free(rel->key_columns);
	mem_free((char *)rel->schema);
	mem_free((char *)rel->name);
	mem_free((char *)rel->unsupported);
	mem_free(rel);
}

static bool same_text(const char *a, const char *b) { return (!a && !b) || (a && b && strcmp(a, b) == 0); }

bool relation_same_shape(const struct relation *a, const struct relation *b)
{
	if (a->id != b->id || a->n_columns != b->n_columns || a->n_keys != b->n_keys ||
	    strcmp(a->schema, b->schema) != 0 || strcmp(a->name, b->name) != 0 ||
	    !same_text(a->unsupported, b->unsupported))
		return false;
	if (memcmp(a->key_columns, b->key_columns, a->n_keys * sizeof *a->key_columns) != 0)
		return false;
	for (uint16_t i = 0; i < a->n_columns; i++) {
		const struct rel_column *x = &a->columns[i], *y = &b->columns[i];

		if (strcmp(x->name, y->name) != 0 || !type_eq(x->type, y->type) || x->source_type != y->source_type ||
		    x->typmod != y->typmod || x->key != y->key || x->not_null != y->not_null)
			return false;
	}
	return true;
}

int relation_find_column(const struct relation *rel, struct str name)
{
	for (uint16_t i = 0; i < rel->n_columns; i++)
		if (str_eqz(name, rel->columns[i].name))
			return i;
	return -1;
}

/* Durable form, little endian: u32 id, u32 version, str schema, str name, u8 has_unsupported [str], u16 n_columns,
 * columns, u16 n_keys, u16 key column... column: str name, u8 kind, u8 precision, u8 scale, u8 elem, u32 source type,
 * u32 typmod, str source type name, u8 flags (1 key, 2 not null). str: u16 length and bytes. */
static void put_str(struct wbuf *out, const char *z)
{
	size_t n = strlen(z);

	CHECK(n <= UINT16_MAX);
	wbuf_put_u16_le(out, (uint16_t)n);
	wbuf_put(out, z, n);
}

void relation_encode(const struct relation *rel, struct wbuf *out)
{
	wbuf_put_u32_le(out, rel->id);
	wbuf_put_u32_le(out, rel->version);
	put_str(out, rel->schema);
	put_str(out, rel->name);
	wbuf_put_u8(out, rel->unsupported != NULL);
	if (rel->unsupported)
		put_str(out, rel->unsupported);
	wbuf_put_u16_le(out, rel->n_columns);
	for (uint16_t i = 0; i < rel->n_columns; i++) {
		const struct rel_column *col = &rel->columns[i];

		put_str(out, col->name);
		wbuf_put_u8(out, col->type.kind);
		wbuf_put_u8(out, col->type.precision);
		wbuf_put_u8(out, col->type.scale);
		wbuf_put_u8(out, col->type.elem);
		wbuf_put_u32_le(out, col->source_type);
		wbuf_put_u32_le(out, (uint32_t)col->typmod);
		put_str(out, col->source_type_name);
		wbuf_put_u8(out, (uint8_t)(col->key | col->not_null << 1));
	}
	wbuf_put_u16_le(out, rel->n_keys);
	for (uint16_t i = 0; i < rel->n_keys; i++)
		wbuf_put_u16_le(out, rel->key_columns[i]);
}

static struct str get_str(struct rbuf *in, size_t max)
{
	uint16_t n = rbuf_u16_le(in);

	if (n > max)
		in->failed = true;
	return rbuf_bytes(in, n);
}

static bool type_ok(struct type type)
{
	enum type_kind kind = type.kind == TYPE_LIST ? type.elem : type.kind;

	if (type.kind > TYPE_LIST || kind > TYPE_LIST ||
	    (type.kind == TYPE_LIST && (kind == TYPE_LIST || kind == TYPE_NONE)))
		return false;
	return kind != TYPE_DECIMAL || (type.precision >= 1 && type.precision <= 38 && type.scale <= type.precision);
}

static int decode_column(struct rbuf *in, struct relation *rel, uint16_t i, struct err *err)
{
	struct str name = get_str(in, NAME_BYTES_MAX);
	const uint8_t *t = rbuf_take(in, 4);
	struct type type = { t[0], t[1], t[2], t[3] };
	uint32_t source_type = rbuf_u32_le(in);
	int32_t typmod = (int32_t)rbuf_u32_le(in);
	struct str type_name = get_str(in, NAME_BYTES_MAX);
	uint8_t flags = rbuf_u8(in);

	if (!rbuf_ok(in) || !type_ok(type) || flags > 3)
		return err_set(err, ERR_CORRUPT, "relation record: column %u is malformed", i);
	if (relation_set_column(rel, i, name, type, source_type, typmod, type_name, flags & 1, flags >> 1))
		return err_nomem(err);
	return ERR_OK;
}

static int decode_keys(struct rbuf *in, struct relation *rel, struct err *err)
{
	uint16_t n = rbuf_u16_le(in);

	if (!rbuf_ok(in) || n > rel->n_columns)
		return err_set(err, ERR_CORRUPT, "relation record: %u key columns of %u columns", n, rel->n_columns);
	rel->key_columns = mem_array(n ? n : 1, sizeof *rel->key_columns);
	if (!rel->key_columns)
		return err_nomem(err);
	rel->n_keys = n;
	for (uint16_t i = 0; i < n; i++) {
		rel->key_columns[i] = rbuf_u16_le(in);
		if (!rbuf_ok(in) || rel->key_columns[i] >= rel->n_columns)
			return err_set(err, ERR_CORRUPT, "relation record: key column %u does not exist", i);
	}
	return ERR_OK;
}

static int decode_body(struct rbuf *in, struct relation *rel, struct str why, struct err *err)
{
	for (uint16_t i = 0; i < rel->n_columns; i++) {
		int rc = decode_column(in, rel, i, err);

		if (rc)
			return rc;
	}
	if (why.n > 0) {
		rel->unsupported = mem_strndup(why.p, why.n);
		if (!rel->unsupported)
			return err_nomem(err);
	}
	return decode_keys(in, rel, err);
}

int relation_decode(struct rbuf *in, struct relation **out, struct err *err)
{
	uint32_t id = rbuf_u32_le(in), version = rbuf_u32_le(in);
	struct str schema = get_str(in, NAME_BYTES_MAX), name = get_str(in, NAME_BYTES_MAX);
	struct str why = rbuf_u8(in) ? get_str(in, UINT16_MAX) : (struct str){ NULL, 0 };
	uint16_t n_columns = rbuf_u16_le(in);
	struct relation *rel;
	int rc;

	if (!rbuf_ok(in) || n_columns > COLUMNS_MAX)
		return err_set(err, ERR_CORRUPT, "relation record is malformed");
	rel = relation_new(id, schema, name, n_columns);
	if (!rel)
		return err_nomem(err);
	rel->version = version;
	rc = decode_body(in, rel, why, err);
	if (rc) {
		relation_unref(rel);
		return rc;
	}
	*out = rel;
	return ERR_OK;
}
