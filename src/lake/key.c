/* src/lake/key.c — rows to keys.
 *
 * Encoding under KEY_HASH, a column after the other (frozen: see key.h). Each begins with a tag of its family, so
 * that null, "" and 0 differ and columns cannot run into each other; all numbers little endian:
 *   0 null | 1 bool u8 | 2 int i64 | 3 float f64 (-0.0 as 0.0, one NaN) | 4 decimal u8 scale, i128, trailing zeros of
 *     the fraction stripped | 5 text u64 length, bytes |
 *   6 binary u64 length, bytes | 7 uuid 16 bytes | 8 date i64 | 9 time i64 | 10 timestamp i64 | 11 timestamptz i64 |
 *     12 list u64 count, elements as columns */
#include "lake/key.h"

#include <math.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/mem.h"

#define KEY_SEED UINT64_C(0x7461726e6b657931) /* "tarnkey1" */
#define SIGN_BIT ((uint64_t)1 << 63)

enum {
	TAG_NULL,
	TAG_BOOL,
	TAG_INT,
	TAG_FLOAT,
	TAG_DECIMAL,
	TAG_TEXT,
	TAG_BINARY,
	TAG_UUID,
	TAG_DATE,
	TAG_TIME,
	TAG_STAMP,
	TAG_STAMPTZ,
	TAG_LIST
};

struct key_def {
	enum key_kind kind;
	uint16_t n;
	struct type types[];
};

static enum key_kind kind_of(const struct type *types, uint16_t n)
{
	if (n != 1)
		return KEY_HASH;
	switch ((enum type_kind)types[0].kind) {
	case TYPE_INT32:
	case TYPE_INT64:
	case TYPE_DATE:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ: return KEY_INT;
	case TYPE_UUID: return KEY_UUID;
	default: return KEY_HASH;
	}
}

int key_def_new(const struct type *types, uint16_t n, struct key_def **out, struct err *err)
{
	struct key_def *def;

	if (n == 0)
		return err_set(err, ERR_UNSUPPORTED, "a key needs at least one column");
	for (uint16_t i = 0; i < n; i++)
		if (types[i].kind == TYPE_NONE)
			return err_set(err, ERR_UNSUPPORTED, "key column %d has a type that cannot be a key", i + 1);
	def = mem_zero(sizeof *def + n * sizeof *types);
	if (!def)
		return err_nomem(err);
	def->kind = kind_of(types, n);
	def->n = n;
	memcpy(def->types, types, n * sizeof *types);
	*out = def;
	return 0;
}

void key_def_free(struct key_def *def) { mem_free(def); }

enum key_kind key_def_kind(const struct key_def *def) { return def->kind; }

/* --- hashing --- */

/* Small keys are hashed in one go from the buffer; when it is full the streaming form goes on (both give the same
 * hash). */
struct encoder {
	size_t n;
	bool streaming;
	uint8_t buf[512];
	XXH3_state_t state;
};

static void flush(struct encoder *e)
{
	if (!e->streaming) {
		XXH3_128bits_reset_withSeed(&e->state, KEY_SEED);
		e->streaming = true;
	}
	XXH3_128bits_update(&e->state, e->buf, e->n);
	e->n = 0;
}

static inline void put(struct encoder *e, const void *p, size_t n)
{
	if (__builtin_expect(n > sizeof e->buf - e->n, 0)) {
		flush(e);
		if (n > sizeof e->buf) {
			XXH3_128bits_update(&e->state, p, n);
			return;
		}
	}
	memcpy(e->buf + e->n, p, n);
	e->n += n;
}

static inline void put_tagged(struct encoder *e, uint8_t tag, const void *p, size_t n)
{
	put(e, &tag, 1);
	put(e, p, n);
}

static void put_i64(struct encoder *e, uint8_t tag, int64_t v) { put_tagged(e, tag, &v, sizeof v); }

static void put_f64(struct encoder *e, double v)
{
	uint64_t bits;

	if (v == 0)
		v = 0.0;
	memcpy(&bits, &v, sizeof bits);
	if (isnan(v))
		bits = UINT64_C(0x7ff8000000000000);
	put_tagged(e, TAG_FLOAT, &bits, sizeof bits);
}

static void put_bytes(struct encoder *e, uint8_t tag, struct str s)
{
	uint64_t n = s.n;

	put_tagged(e, tag, &n, sizeof n);
	put(e, s.n ? s.p : "", s.n);
}

static void put_decimal(struct encoder *e, struct type type, const void *data, uint32_t row)
{
	uint8_t scale = type.scale;
	__int128 wide;

	if (type_width(type) == 8)
		wide = ((const int64_t *)data)[row];
	else
		memcpy(&wide, (const char *)data + (size_t)row * sizeof wide, sizeof wide);
	for (; scale > 0 && wide % 10 == 0; scale--)
		wide /= 10;
	put_tagged(e, TAG_DECIMAL, &scale, 1);
	put(e, &wide, sizeof wide);
}

static void put_value(struct encoder *e, const struct column *c, uint32_t row);

static void put_list(struct encoder *e, const struct column *c, uint32_t row)
{
	struct list_ref ref = COLUMN_AT(c, const struct list_ref, row);
	uint64_t n = ref.n;

	put_tagged(e, TAG_LIST, &n, sizeof n);
	for (uint32_t i = 0; i < ref.n; i++)
		put_value(e, c->child, ref.offset + i);
}

static void put_value(struct encoder *e, const struct column *c, uint32_t row)
{
	static const uint8_t null_tag = TAG_NULL;

	if (!column_valid(c, row)) {
		put(e, &null_tag, 1);
		return;
	}
	switch ((enum type_kind)c->type.kind) {
	case TYPE_BOOL: put_tagged(e, TAG_BOOL, (const uint8_t *)c->data + row, 1); break;
	case TYPE_INT32: put_i64(e, TAG_INT, COLUMN_AT(c, const int32_t, row)); break;
	case TYPE_INT64: put_i64(e, TAG_INT, COLUMN_AT(c, const int64_t, row)); break;
	case TYPE_FLOAT32: put_f64(e, (double)COLUMN_AT(c, const float, row)); break;
	case TYPE_FLOAT64: put_f64(e, COLUMN_AT(c, const double, row)); break;
	case TYPE_DECIMAL: put_decimal(e, c->type, c->data, row); break;
	case TYPE_STRING: put_bytes(e, TAG_TEXT, COLUMN_AT(c, const struct str, row)); break;
	case TYPE_BINARY: put_bytes(e, TAG_BINARY, COLUMN_AT(c, const struct str, row)); break;
	case TYPE_UUID: put_tagged(e, TAG_UUID, (const uint8_t *)c->data + (size_t)row * 16, 16); break;
	case TYPE_DATE: put_i64(e, TAG_DATE, COLUMN_AT(c, const int32_t, row)); break;
	case TYPE_TIME: put_i64(e, TAG_TIME, COLUMN_AT(c, const int64_t, row)); break;
	case TYPE_TIMESTAMP: put_i64(e, TAG_STAMP, COLUMN_AT(c, const int64_t, row)); break;
	case TYPE_TIMESTAMPTZ: put_i64(e, TAG_STAMPTZ, COLUMN_AT(c, const int64_t, row)); break;
	case TYPE_LIST: put_list(e, c, row); break;
	case TYPE_NONE: break;
	}
}

static struct lake_key hash_row(const struct key_def *def, const struct batch *batch, const uint16_t *columns,
                                uint32_t row)
{
	/* Not cleared by the compiler's hardening: 1 KB a row would cost more than the hash; only what was put is
	 * ever read. */
	__attribute__((uninitialized)) struct encoder e;
	XXH128_hash_t hash;

	e.n = 0;
	e.streaming = false;
	for (uint16_t i = 0; i < def->n; i++)
		put_value(&e, &batch->columns[columns[i]], row);
	if (e.streaming) {
		flush(&e);
		hash = XXH3_128bits_digest(&e.state);
	} else {
		hash = XXH3_128bits_withSeed(e.buf, e.n, KEY_SEED);
	}
	return (struct lake_key){ hash.high64, hash.low64 };
}

/* --- exact keys --- */

static inline struct lake_key int_key(const struct column *c, uint32_t row)
{
	int64_t v = c->type.kind == TYPE_INT32 || c->type.kind == TYPE_DATE ? COLUMN_AT(c, const int32_t, row)
	                                                                    : COLUMN_AT(c, const int64_t, row);

	return (struct lake_key){ 0, (uint64_t)v ^ SIGN_BIT };
}

static inline struct lake_key uuid_key(const struct column *c, uint32_t row)
{
	struct lake_key key;

	memcpy(&key, (const uint8_t *)c->data + (size_t)row * 16, 16);
	key.hi = __builtin_bswap64(key.hi);
	key.lo = __builtin_bswap64(key.lo);
	return key;
}

struct lake_key key_of_row(const struct key_def *def, const struct batch *batch, const uint16_t *columns, uint32_t row)
{
	switch (def->kind) {
	case KEY_INT: return int_key(&batch->columns[columns[0]], row);
	case KEY_UUID: return uuid_key(&batch->columns[columns[0]], row);
	case KEY_HASH: break;
	}
	return hash_row(def, batch, columns, row);
}

void key_of_rows(const struct key_def *def, const struct batch *batch, const uint16_t *columns, uint32_t from,
                 uint32_t to, struct lake_key *out)
{
	const struct column *c = &batch->columns[columns[0]];

	switch (def->kind) {
	case KEY_INT:
		for (uint32_t r = from; r < to; r++)
			*out++ = int_key(c, r);
		return;
	case KEY_UUID:
		for (uint32_t r = from; r < to; r++)
			*out++ = uuid_key(c, r);
		return;
	case KEY_HASH:
		for (uint32_t r = from; r < to; r++)
			*out++ = hash_row(def, batch, columns, r);
		return;
	}
}
