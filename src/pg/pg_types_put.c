/* src/pg/pg_types_put.c — datums to column values, one function per type: choose the reader by datum kind, store, set
 * the validity bit.
 *
 * These run once per column and row: the good path has one branch on the kind, one on the reason, and no call for
 * fixed-width binary. */
#include "pg/pg_types_int.h"

#include "base/bytes.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)

__attribute__((cold, noinline)) int pg_value_error(const struct rel_column *col, const char *why, struct err *err)
{
	return err_set(
		err, ERR_VALUE,
		"column \"%s\" (%s): %s. Change the value or the column's type at the source, then copy the table again",
		col->name, col->source_type_name && *col->source_type_name ? col->source_type_name : "type unknown",
		why);
}

static __attribute__((cold, noinline)) int nomem(struct err *err) { return err_nomem(err); }

int pg_put_other(const struct rel_column *col, const struct datum *datum, struct column *out, uint32_t row,
                 struct err *err)
{
	size_t width;

	switch (datum->kind) {
	case DATUM_NULL:
		width = type_width(out->type);
		memset((char *)out->data + row * width, 0, width);
		column_set_null(out, row);
		return 0;
	case DATUM_UNCHANGED:
		return err_set(
			err, ERR_BUG,
			"column \"%s\": an unchanged value that the source did not send has to be filled from the old row before it is stored",
			col->name);
	default:
		return err_set(err, ERR_CORRUPT, "column \"%s\": datum kind 0x%02x is unknown", col->name, datum->kind);
	}
}

static inline struct str bytes_of(const struct datum *datum) { return str_view(datum->p, datum->n); }

/* -- binary readers: the length is the type's own check */

static inline const char *binary_u8(const struct datum *d, uint8_t *out)
{
	if (!LIKELY(d->n == 1))
		return PG_WHY_MALFORMED;
	*out = d->p[0];
	return NULL;
}

#define BINARY_UINT(bits)                                                                                              \
	static inline const char *binary_u##bits(const struct datum *d, uint##bits##_t *out)                           \
	{                                                                                                              \
		if (!LIKELY(d->n == sizeof *out))                                                                      \
			return PG_WHY_MALFORMED;                                                                       \
		*out = bytes_u##bits##_be(d->p);                                                                       \
		return NULL;                                                                                           \
	}

BINARY_UINT(16)
BINARY_UINT(32)
BINARY_UINT(64)

static inline const char *binary_bool(const struct datum *d, uint8_t *out)
{
	const char *why = binary_u8(d, out);

	return why ? why : *out > 1 ? PG_WHY_MALFORMED : NULL;
}

static inline const char *binary_int2(const struct datum *d, int32_t *out)
{
	uint16_t v;
	const char *why = binary_u16(d, &v);

	*out = why ? 0 : (int16_t)v;
	return why;
}

static inline const char *binary_int4(const struct datum *d, int32_t *out)
{
	uint32_t v;
	const char *why = binary_u32(d, &v);

	*out = why ? 0 : (int32_t)v;
	return why;
}

static inline const char *binary_int8(const struct datum *d, int64_t *out)
{
	uint64_t v;
	const char *why = binary_u64(d, &v);

	*out = why ? 0 : (int64_t)v;
	return why;
}

static inline const char *binary_float4(const struct datum *d, float *out)
{
	uint32_t v = 0;
	const char *why = binary_u32(d, &v);

	memcpy(out, &v, 4);
	return why;
}

static inline const char *binary_float8(const struct datum *d, double *out)
{
	uint64_t v = 0;
	const char *why = binary_u64(d, &v);

	memcpy(out, &v, 8);
	return why;
}

/* The smallest and the largest number of a date or timestamp are -infinity and infinity. */
static inline const char *binary_date(const struct datum *d, int32_t *out)
{
	const char *why = binary_int4(d, out);

	if (why)
		return why;
	if (*out == INT32_MAX || *out == INT32_MIN)
		return PG_WHY_INFINITE;
	return __builtin_add_overflow(*out, PG_EPOCH_DAYS, out) ? PG_WHY_RANGE : NULL;
}

static inline const char *binary_time(const struct datum *d, int64_t *out)
{
	const char *why = binary_int8(d, out);

	if (why || LIKELY((uint64_t)*out < (uint64_t)PG_DAY_US))
		return why;
	return *out == PG_DAY_US ? PG_WHY_MIDNIGHT : PG_WHY_MALFORMED;
}

static inline const char *binary_timestamp(const struct datum *d, int64_t *out)
{
	const char *why = binary_int8(d, out);

	if (why)
		return why;
	if (*out == INT64_MAX || *out == INT64_MIN)
		return PG_WHY_INFINITE;
	return __builtin_add_overflow(*out, PG_EPOCH_US, out) ? PG_WHY_RANGE : NULL;
}

/* -- text readers of the shapes above */

static inline const char *text_bool(const struct datum *d, uint8_t *out)
{
	if (!LIKELY(d->n == 1 && (d->p[0] == 't' || d->p[0] == 'f')))
		return PG_WHY_MALFORMED;
	*out = d->p[0] == 't';
	return NULL;
}

static inline const char *text_int2(const struct datum *d, int32_t *out)
{
	int64_t v = 0;
	const char *why = pg_text_int(bytes_of(d), INT16_MIN, INT16_MAX, &v);

	*out = (int32_t)v;
	return why;
}

static inline const char *text_int4(const struct datum *d, int32_t *out)
{
	int64_t v = 0;
	const char *why = pg_text_int(bytes_of(d), INT32_MIN, INT32_MAX, &v);

	*out = (int32_t)v;
	return why;
}

static inline const char *text_int8(const struct datum *d, int64_t *out)
{
	return pg_text_int(bytes_of(d), INT64_MIN, INT64_MAX, out);
}
static inline const char *text_float4(const struct datum *d, float *out) { return pg_text_float4(bytes_of(d), out); }
static inline const char *text_float8(const struct datum *d, double *out) { return pg_text_float8(bytes_of(d), out); }
static inline const char *text_date(const struct datum *d, int32_t *out) { return pg_text_date(bytes_of(d), out); }
static inline const char *text_time(const struct datum *d, int64_t *out) { return pg_text_time(bytes_of(d), out); }
static inline const char *text_timestamp(const struct datum *d, int64_t *out)
{
	return pg_text_timestamp(bytes_of(d), false, out);
}
static inline const char *text_timestamptz(const struct datum *d, int64_t *out)
{
	return pg_text_timestamp(bytes_of(d), true, out);
}

#define PUT_FIXED(name, ctype, from_binary, from_text)                                                                 \
	int pg_put_##name(PG_PUT_ARGS)                                                                                 \
	{                                                                                                              \
		const char *why;                                                                                       \
		ctype v;                                                                                               \
		(void)batch;                                                                                           \
		if (datum->kind == DATUM_BINARY)                                                                       \
			why = from_binary(datum, &v);                                                                  \
		else if (datum->kind == DATUM_TEXT)                                                                    \
			why = from_text(datum, &v);                                                                    \
		else                                                                                                   \
			return pg_put_other(col, datum, out, row, err);                                                \
		if (!LIKELY(!why))                                                                                     \
			return pg_value_error(col, why, err);                                                          \
		COLUMN_AT(out, ctype, row) = v;                                                                        \
		column_set_valid(out, row);                                                                            \
		return 0;                                                                                              \
	}

PUT_FIXED(bool, uint8_t, binary_bool, text_bool)
PUT_FIXED(int2, int32_t, binary_int2, text_int2)
PUT_FIXED(int4, int32_t, binary_int4, text_int4)
PUT_FIXED(int8, int64_t, binary_int8, text_int8)
PUT_FIXED(float4, float, binary_float4, text_float4)
PUT_FIXED(float8, double, binary_float8, text_float8)
PUT_FIXED(date, int32_t, binary_date, text_date)
PUT_FIXED(time, int64_t, binary_time, text_time)
PUT_FIXED(timestamp, int64_t, binary_timestamp, text_timestamp)
PUT_FIXED(timestamptz, int64_t, binary_timestamp, text_timestamptz)

/* -- numeric */

#define PUT_DECIMAL(bits, ctype)                                                                                       \
	int pg_put_decimal##bits(PG_PUT_ARGS)                                                                          \
	{                                                                                                              \
		struct type type = out->type;                                                                          \
		const char *why;                                                                                       \
		ctype v;                                                                                               \
		(void)batch;                                                                                           \
		if (datum->kind == DATUM_BINARY)                                                                       \
			why = pg_numeric_binary_to_##bits(bytes_of(datum), type.precision, type.scale, &v);            \
		else if (datum->kind == DATUM_TEXT)                                                                    \
			why = pg_numeric_text_to_##bits(bytes_of(datum), type.precision, type.scale, &v);              \
		else                                                                                                   \
			return pg_put_other(col, datum, out, row, err);                                                \
		if (!LIKELY(!why))                                                                                     \
			return pg_value_error(col, why, err);                                                          \
		COLUMN_AT(out, ctype, row) = v;                                                                        \
		column_set_valid(out, row);                                                                            \
		return 0;                                                                                              \
	}

PUT_DECIMAL(64, int64_t)
PUT_DECIMAL(128, __int128)

static inline int set_text(const struct rel_column *col, struct str s, struct batch *batch, struct column *out,
                           uint32_t row, struct err *err)
{
	if (!LIKELY(pg_utf8_ok(s)))
		return pg_value_error(col, PG_WHY_UTF8, err);
	return LIKELY(!column_set_bytes(batch, out, row, s)) ? 0 : nomem(err);
}

int pg_put_numeric_text(PG_PUT_ARGS)
{
	size_t bound;
	char *p;

	if (datum->kind == DATUM_TEXT)
		return set_text(col, bytes_of(datum), batch, out, row, err);
	if (datum->kind != DATUM_BINARY)
		return pg_put_other(col, datum, out, row, err);
	bound = pg_numeric_text_bound(bytes_of(datum));
	if (bound == 0)
		return pg_value_error(col, PG_WHY_MALFORMED, err);
	p = arena_alloc(batch->arena, bound);
	if (!p)
		return nomem(err);
	COLUMN_AT(out, struct str, row) = str_view(p, pg_numeric_text_write(bytes_of(datum), p));
	column_set_valid(out, row);
	return 0;
}

/* -- strings */

int pg_put_string(PG_PUT_ARGS)
{
	if (!LIKELY(datum->kind == DATUM_TEXT || datum->kind == DATUM_BINARY))
		return pg_put_other(col, datum, out, row, err);
	return set_text(col, bytes_of(datum), batch, out, row, err);
}

/* charsend sends the byte as it is, charout an empty text for byte 0. Bytes above 127 are no UTF-8: refused in both
 * forms. */
int pg_put_char1(PG_PUT_ARGS)
{
	struct str s = bytes_of(datum);

	if (datum->kind == DATUM_BINARY) {
		if (s.n != 1)
			return pg_value_error(col, PG_WHY_MALFORMED, err);
		if (s.p[0] == 0)
			s.n = 0;
	} else if (datum->kind != DATUM_TEXT) {
		return pg_put_other(col, datum, out, row, err);
	}
	return set_text(col, s, batch, out, row, err);
}

/* jsonb_send: a version byte, always 1, and then the text that jsonb_out gives. */
int pg_put_jsonb(PG_PUT_ARGS)
{
	struct str s = bytes_of(datum);

	if (datum->kind == DATUM_BINARY) {
		if (s.n < 1 || s.p[0] != 1)
			return pg_value_error(col, PG_WHY_MALFORMED, err);
		s = str_view(s.p + 1, s.n - 1);
	} else if (datum->kind != DATUM_TEXT) {
		return pg_put_other(col, datum, out, row, err);
	}
	return set_text(col, s, batch, out, row, err);
}

/* A user-defined type without more knowledge is an enum when it comes in binary form (its label): pg_type_binary_ok
 * lets nothing else be asked for. Should another type come nevertheless (a column added while a binary stream runs),
 * its lengths and version bytes are control characters. */
int pg_put_label(PG_PUT_ARGS)
{
	if (datum->kind == DATUM_BINARY)
		for (uint32_t i = 0; i < datum->n; i++)
			if (datum->p[i] < 0x20)
				return pg_value_error(
					col,
					"this type's binary form cannot be read; the stream has to be asked for text",
					err);
	return pg_put_string(col, datum, batch, out, row, err);
}

int pg_put_text_only(PG_PUT_ARGS)
{
	if (datum->kind == DATUM_BINARY)
		return pg_value_error(
			col, "this type's binary form cannot be read; the stream has to be asked for text", err);
	return pg_put_string(col, datum, batch, out, row, err);
}

/* -- bytes */

int pg_put_bytea(PG_PUT_ARGS)
{
	const char *why;
	char *p;
	size_t n;

	if (datum->kind == DATUM_BINARY)
		return column_set_bytes(batch, out, row, bytes_of(datum)) ? nomem(err) : 0;
	if (datum->kind != DATUM_TEXT)
		return pg_put_other(col, datum, out, row, err);
	if (datum->n < 2)
		return pg_value_error(col, PG_WHY_MALFORMED, err);
	n = (datum->n - 2) / 2;
	p = arena_alloc(batch->arena, n ? n : 1);
	if (!p)
		return nomem(err);
	why = pg_text_bytea(bytes_of(datum), (uint8_t *)p);
	if (why)
		return pg_value_error(col, why, err);
	COLUMN_AT(out, struct str, row) = str_view(p, n);
	column_set_valid(out, row);
	return 0;
}

int pg_put_uuid(PG_PUT_ARGS)
{
	uint8_t *to = (uint8_t *)out->data + 16 * (size_t)row;
	uint8_t uuid[16];
	const char *why = NULL;

	(void)batch;
	if (datum->kind == DATUM_BINARY) {
		if (datum->n != 16)
			why = PG_WHY_MALFORMED;
		else
			memcpy(uuid, datum->p, 16);
	} else if (datum->kind == DATUM_TEXT) {
		why = pg_text_uuid(bytes_of(datum), uuid);
	} else {
		return pg_put_other(col, datum, out, row, err);
	}
	if (!LIKELY(!why))
		return pg_value_error(col, why, err);
	memcpy(to, uuid, 16);
	column_set_valid(out, row);
	return 0;
}
