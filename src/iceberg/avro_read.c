/* src/iceberg/avro_read.c — reads Avro object container files into generic values, record by record. */
#include "iceberg/avro.h"

#include <zlib.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/rbuf.h"
#include "iceberg/avro_schema.h"

#define META_MAX 256                  /* key/value pairs in the header */
#define BLOCK_MAX ((size_t)256 << 20) /* bytes of one block, unpacked */
#define RECORD_ARENA_MAX ((size_t)512 << 20)
#define DEPTH_MAX 64

struct avro_reader {
	const char *what; /* borrowed name for messages */
	struct rbuf in;
	struct arena *schema_arena, *arena;
	const struct avro_schema *schema;
	struct avro_pair {
		struct str key, value;
	} * meta;
	size_t n_meta;
	bool deflated;
	uint8_t sync[16];
	uint8_t *unpacked; /* owned */
	size_t unpacked_cap;
	struct rbuf block;
	uint64_t n_left; /* records left in block */
	struct avro_value record;
};

static int corrupt(struct avro_reader *r, struct err *err, const char *why)
{
	return err_set(err, ERR_CORRUPT, "%s: not a sound Avro file: %s (near byte %zu)", r->what, why, r->in.at);
}

static struct str take_bytes(struct rbuf *in)
{
	int64_t n = rbuf_zigzag(in);

	if (n < 0 || (uint64_t)n > rbuf_left(in)) {
		in->failed = true;
		return (struct str){ "", 0 };
	}
	return rbuf_bytes(in, (size_t)n);
}

/* The header's map comes in blocks: count, or minus count and the bytes of the block; zero ends it. */
static int read_meta(struct avro_reader *r, struct err *err)
{
	for (;;) {
		int64_t n = rbuf_zigzag(&r->in);

		if (!rbuf_ok(&r->in))
			return corrupt(r, err, "its header is cut");
		if (n == 0)
			return 0;
		if (n < 0) {
			(void)rbuf_zigzag(&r->in);
			n = n == INT64_MIN ? INT64_MAX : -n;
		}
		if (n > META_MAX || (uint64_t)n + r->n_meta > META_MAX)
			return err_set(err, ERR_LIMIT, "%s: its Avro header has more than %d entries", r->what,
			               META_MAX);
		for (int64_t i = 0; i < n; i++) {
			struct avro_pair *pair = &r->meta[r->n_meta++];

			pair->key = take_bytes(&r->in);
			pair->value = take_bytes(&r->in);
		}
		if (!rbuf_ok(&r->in))
			return corrupt(r, err, "its header is cut");
	}
}

struct str avro_reader_meta(const struct avro_reader *reader, const char *key)
{
	for (size_t i = 0; i < reader->n_meta; i++)
		if (str_eqz(reader->meta[i].key, key))
			return reader->meta[i].value;
	return (struct str){ NULL, 0 };
}

static int read_header(struct avro_reader *r, struct err *err)
{
	struct str schema, codec;
	const uint8_t *p;
	int rc;

	p = rbuf_take(&r->in, 4);
	if (!rbuf_ok(&r->in) || memcmp(p, "Obj\x01", 4))
		return corrupt(r, err, "it does not begin with Obj1");
	rc = read_meta(r, err);
	if (rc)
		return rc;
	p = rbuf_take(&r->in, sizeof r->sync);
	if (!rbuf_ok(&r->in))
		return corrupt(r, err, "its header is cut");
	memcpy(r->sync, p, sizeof r->sync);
	codec = avro_reader_meta(r, "avro.codec");
	r->deflated = codec.p && str_eqz(codec, "deflate");
	if (codec.p && codec.n && !r->deflated && !str_eqz(codec, "null"))
		return err_set(
			err, ERR_UNSUPPORTED,
			"%s: Avro codec \"%.*s\" is not read; rewrite the table's manifests with the deflate (gzip) codec",
			r->what, (int)(codec.n > 32 ? 32 : codec.n), codec.p);
	schema = avro_reader_meta(r, "avro.schema");
	if (!schema.p)
		return corrupt(r, err, "its header has no schema");
	rc = avro_schema_parse(r->schema_arena, schema, r->what, &r->schema, err);
	if (rc)
		return rc;
	return r->schema->kind == AVRO_RECORD ? 0 : corrupt(r, err, "its schema is not a record");
}

int avro_reader_open(struct str bytes, const char *what, struct avro_reader **out, struct err *err)
{
	struct avro_reader *r = mem_zero(sizeof *r);
	int rc;

	*out = NULL;
	if (!r)
		return err_nomem(err);
	r->what = what;
	r->in = rbuf_of(bytes.p, bytes.n);
	r->schema_arena = arena_new((size_t)64 << 20);
	r->arena = arena_new(RECORD_ARENA_MAX);
	r->meta = mem_array(META_MAX, sizeof *r->meta);
	rc = r->schema_arena && r->arena && r->meta ? read_header(r, err) : err_nomem(err);
	if (rc) {
		avro_reader_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void avro_reader_free(struct avro_reader *reader)
{
	if (!reader)
		return;
	arena_free(reader->schema_arena);
	arena_free(reader->arena);
	mem_free(reader->meta);
	mem_free(reader->unpacked);
	mem_free(reader);
}

static int unpack(struct avro_reader *r, struct str packed, struct err *err)
{
	z_stream z = { 0 };
	size_t n = 0;
	int zrc = Z_OK;

	if (packed.n > BLOCK_MAX)
		return err_set(err, ERR_LIMIT, "%s: an Avro block is larger than %zu bytes", r->what, BLOCK_MAX);
	if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return err_nomem(err);
	z.next_in = (Bytef *)(uintptr_t)packed.p;
	z.avail_in = (uInt)packed.n;
	while (zrc == Z_OK) {
		size_t want = n + (packed.n < 8192 ? 65536 : packed.n * 4);

		want = want > BLOCK_MAX ? BLOCK_MAX : want;
		if (n == want || vec_grow(&r->unpacked, &r->unpacked_cap, want, 1)) {
			inflateEnd(&z);
			return n == want ? err_set(err, ERR_LIMIT, "%s: an Avro block unpacks to more than %zu bytes",
			                           r->what, BLOCK_MAX)
			                 : err_nomem(err);
		}
		z.next_out = r->unpacked + n;
		z.avail_out = (uInt)(want - n);
		zrc = inflate(&z, Z_NO_FLUSH);
		n = want - z.avail_out;
		if (zrc == Z_BUF_ERROR && z.avail_out == 0)
			zrc = Z_OK;
	}
	inflateEnd(&z);
	if (zrc != Z_STREAM_END)
		return corrupt(r, err, "a block does not inflate");
	r->block = rbuf_of(r->unpacked, n);
	return 0;
}

static int next_block(struct avro_reader *r, struct err *err)
{
	int64_t n = rbuf_zigzag(&r->in);
	struct str data = take_bytes(&r->in);
	const uint8_t *sync = rbuf_take(&r->in, sizeof r->sync);
	int rc = 0;

	if (!rbuf_ok(&r->in))
		return corrupt(r, err, "a block is cut");
	if (memcmp(sync, r->sync, sizeof r->sync))
		return corrupt(r, err, "a block does not end with the sync marker");
	if (r->deflated)
		rc = unpack(r, data, err);
	else
		r->block = rbuf_of(data.p, data.n);
	if (rc)
		return rc;
	/* Each record of a manifest or list takes bytes: a larger count is a lie that would make us loop. */
	if (n < 0 || (uint64_t)n > rbuf_left(&r->block))
		return corrupt(r, err, "a block's record count is impossible");
	r->n_left = (uint64_t)n;
	return 0;
}

static bool decode(struct avro_reader *r, const struct avro_schema *schema, int depth, struct avro_value *out);

static bool decode_list(struct avro_reader *r, const struct avro_schema *schema, int depth, struct avro_value *out)
{
	size_t per = schema->kind == AVRO_MAP ? 2 : 1;
	static const struct avro_schema string = { .kind = AVRO_STRING };

	for (;;) {
		int64_t count = rbuf_zigzag(&r->block);
		struct avro_value *grown;

		if (!rbuf_ok(&r->block))
			return false;
		if (count == 0)
			return true;
		if (count < 0) {
			(void)rbuf_zigzag(&r->block);
			count = count == INT64_MIN ? INT64_MAX : -count;
		}
		if (!rbuf_ok(&r->block) || (uint64_t)count > rbuf_left(&r->block))
			return false;
		grown = arena_alloc(r->arena, (out->list.n + (size_t)count * per) * sizeof *grown);
		if (!grown)
			return false;
		if (out->list.n)
			memcpy(grown, out->list.v, out->list.n * sizeof *grown);
		out->list.v = grown;
		for (int64_t i = 0; i < count; i++) {
			if (per == 2 && !decode(r, &string, depth + 1, &out->list.v[out->list.n++]))
				return false;
			if (!decode(r, schema->items, depth + 1, &out->list.v[out->list.n++]))
				return false;
		}
	}
}

static bool decode_record(struct avro_reader *r, const struct avro_schema *schema, int depth, struct avro_value *out)
{
	out->list.n = schema->n_fields;
	out->list.v = arena_alloc(r->arena, (schema->n_fields + 1) * sizeof *out->list.v);
	if (!out->list.v)
		return false;
	for (size_t i = 0; i < schema->n_fields; i++)
		if (!decode(r, schema->fields[i].type, depth + 1, &out->list.v[i]))
			return false;
	return true;
}

static double take_float(struct rbuf *in, enum avro_kind kind)
{
	uint64_t bits;
	uint32_t half;
	double d;
	float f;

	if (kind == AVRO_DOUBLE) {
		bits = rbuf_u64_le(in);
		memcpy(&d, &bits, sizeof d);
		return d;
	}
	half = rbuf_u32_le(in);
	memcpy(&f, &half, sizeof f);
	return (double)f;
}

static bool decode(struct avro_reader *r, const struct avro_schema *schema, int depth, struct avro_value *out)
{
	struct rbuf *in = &r->block;
	int64_t branch;

	if (depth > DEPTH_MAX)
		return false;
	if (schema->kind == AVRO_UNION) {
		branch = rbuf_zigzag(in);
		if (branch < 0 || (uint64_t)branch >= schema->n_fields)
			return false;
		schema = schema->fields[branch].type;
	}
	memset(out, 0, sizeof *out);
	out->schema = schema;
	switch (schema->kind) {
	case AVRO_NULL: break;
	case AVRO_BOOLEAN: out->i = rbuf_u8(in) != 0; break;
	case AVRO_INT:
	case AVRO_ENUM:
		out->i = rbuf_zigzag(in);
		if (out->i < INT32_MIN || out->i > INT32_MAX)
			return false;
		break;
	case AVRO_LONG: out->i = rbuf_zigzag(in); break;
	case AVRO_FLOAT:
	case AVRO_DOUBLE: out->f = take_float(in, schema->kind); break;
	case AVRO_BYTES:
	case AVRO_STRING: out->bytes = take_bytes(in); break;
	case AVRO_FIXED: out->bytes = rbuf_bytes(in, schema->size); break;
	case AVRO_ARRAY:
	case AVRO_MAP: return decode_list(r, schema, depth, out);
	case AVRO_RECORD: return decode_record(r, schema, depth, out);
	case AVRO_UNION: return false; /* refused by the schema parser */
	}
	return rbuf_ok(in);
}

int avro_reader_next(struct avro_reader *reader, const struct avro_value **record, struct err *err)
{
	int rc;

	*record = NULL;
	while (reader->n_left == 0) {
		if (rbuf_left(&reader->block))
			return corrupt(reader, err, "a block holds more than its records");
		if (rbuf_left(&reader->in) == 0)
			return 0;
		rc = next_block(reader, err);
		if (rc)
			return rc;
	}
	arena_reset(reader->arena);
	if (!decode(reader, reader->schema, 0, &reader->record))
		return corrupt(reader, err, "a record cannot be decoded within its limits");
	reader->n_left--;
	*record = &reader->record;
	return 0;
}

const struct avro_value *avro_get(const struct avro_value *record, int32_t id, const char *name)
{
	const struct avro_value *by_name = NULL;

	if (!record || record->schema->kind != AVRO_RECORD)
		return NULL;
	for (size_t i = 0; i < record->list.n; i++) {
		const struct avro_field *field = &record->schema->fields[i];

		if (field->id == id)
			return record->list.v[i].schema->kind == AVRO_NULL ? NULL : &record->list.v[i];
		if (field->id < 0 && name && !strcmp(field->name, name))
			by_name = &record->list.v[i];
	}
	return by_name && by_name->schema->kind != AVRO_NULL ? by_name : NULL;
}

bool avro_is_int(const struct avro_value *v)
{
	return v && (v->schema->kind == AVRO_INT || v->schema->kind == AVRO_LONG);
}
bool avro_is_bytes(const struct avro_value *v)
{
	return v && (v->schema->kind == AVRO_BYTES || v->schema->kind == AVRO_STRING || v->schema->kind == AVRO_FIXED);
}
