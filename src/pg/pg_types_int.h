/* src/pg/pg_types_int.h — what the pg_types*.c files share; nobody else includes it.
 *
 * Parsers answer NULL when the datum has a value and else the reason why it has none: static text that goes on after
 * `column "x" (type): `. The put functions (pg_types_put.c) choose the parser by datum kind, store into the column
 * and turn a reason into ERR_VALUE. */
#ifndef TARN_PG_PG_TYPES_INT_H
#define TARN_PG_PG_TYPES_INT_H

#include "base/err.h"
#include "event/batch.h"
#include "event/change.h"
#include "event/relation.h"

#define PG_FIRST_USER_OID 16384
#define PG_EPOCH_DAYS 10957 /* 1970-01-01 to 2000-01-01, PostgreSQL's day 0 */
#define PG_EPOCH_US INT64_C(946684800000000)
#define PG_DAY_US INT64_C(86400000000)

#define PG_WHY_MALFORMED "the server sent a datum that is not of this type"
#define PG_WHY_INFINITE "the value is infinity, which the lake's type does not have"
#define PG_WHY_RANGE "the value is outside the range of the lake's type"
#define PG_WHY_MIDNIGHT "24:00:00 is a time of day that the lake does not have"
#define PG_WHY_NAN "the value is NaN, which a decimal does not have"
#define PG_WHY_DIGITS "the value has more digits than the column's decimal type"
#define PG_WHY_UTF8 "the text is not valid UTF-8"

#define PG_PUT_ARGS                                                                                                    \
	const struct rel_column *col, const struct datum *datum, struct batch *batch, struct column *out,              \
		uint32_t row, struct err *err

/* pg_types_put.c: scalars. They read the target type from `out`, so they serve list elements too. */
int pg_put_bool(PG_PUT_ARGS);
int pg_put_int2(PG_PUT_ARGS);
int pg_put_int4(PG_PUT_ARGS);
int pg_put_int8(PG_PUT_ARGS);
int pg_put_float4(PG_PUT_ARGS);
int pg_put_float8(PG_PUT_ARGS);
int pg_put_decimal64(PG_PUT_ARGS); /* precision <= 18 */
int pg_put_decimal128(PG_PUT_ARGS);
int pg_put_numeric_text(PG_PUT_ARGS); /* numeric without a fixed scale: numeric_out's text */
int pg_put_string(PG_PUT_ARGS);       /* types whose binary form is their text */
int pg_put_char1(PG_PUT_ARGS);        /* "char" */
int pg_put_jsonb(PG_PUT_ARGS);
int pg_put_label(PG_PUT_ARGS);     /* enums; text of user-defined types */
int pg_put_text_only(PG_PUT_ARGS); /* types without an exact binary reader here */
int pg_put_bytea(PG_PUT_ARGS);
int pg_put_uuid(PG_PUT_ARGS);
int pg_put_date(PG_PUT_ARGS);
int pg_put_time(PG_PUT_ARGS);
int pg_put_timestamp(PG_PUT_ARGS); /* timestamptz too */
int pg_put_timestamptz(PG_PUT_ARGS);

/* NULL and UNCHANGED datums, and kinds nobody knows. */
int pg_put_other(const struct rel_column *col, const struct datum *datum, struct column *out, uint32_t row,
                 struct err *err);
int pg_value_error(const struct rel_column *col, const char *why, struct err *err); /* ERR_VALUE */

/* pg_types_array.c: one-dimensional arrays. elem_oid 0: not known here, not compared. */
int pg_put_array(PG_PUT_ARGS, datum_put_fn put_elem, uint32_t elem_oid);

/* pg_types_text.c */
bool pg_utf8_ok(struct str s); /* valid UTF-8 without zero bytes */
const char *pg_text_int(struct str s, int64_t min, int64_t max, int64_t *out);
const char *pg_text_float4(struct str s, float *out);
const char *pg_text_float8(struct str s, double *out);
const char *pg_text_date(struct str s, int32_t *days);
const char *pg_text_time(struct str s, int64_t *us);
const char *pg_text_timestamp(struct str s, bool zone, int64_t *us);
const char *pg_text_uuid(struct str s, uint8_t out[16]);
const char *pg_text_bytea(struct str s, uint8_t *out); /* writes (s.n - 2) / 2 bytes; s.n >= 2 */

/* pg_types_numeric.c */
const char *pg_numeric_text_to_64(struct str s, unsigned precision, unsigned scale, int64_t *out);
const char *pg_numeric_text_to_128(struct str s, unsigned precision, unsigned scale, __int128 *out);
const char *pg_numeric_binary_to_64(struct str s, unsigned precision, unsigned scale, int64_t *out);
const char *pg_numeric_binary_to_128(struct str s, unsigned precision, unsigned scale, __int128 *out);
/* numeric_send's bytes as numeric_out's text. size: an upper bound, 0 when malformed; out then needs that many bytes;
 * returns the length. */
size_t pg_numeric_text_bound(struct str s);
size_t pg_numeric_text_write(struct str s, char *out);

#endif
