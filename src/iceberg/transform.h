/* src/iceberg/transform.h — Iceberg's partition transforms.
 *
 * Specification, "Partition Transforms" and appendix B (32-bit hash). Every transform of null is null; the caller
 * handles null. Transforms we do not know are kept by name (TRANSFORM_UNKNOWN): a partition field with one may be
 * read over and never written. */
#ifndef TARN_ICEBERG_TRANSFORM_H
#define TARN_ICEBERG_TRANSFORM_H

#include "base/err.h"
#include "base/str.h"
#include "base/wbuf.h"
#include "event/type.h"

enum transform_kind {
	TRANSFORM_UNKNOWN,
	TRANSFORM_IDENTITY,
	TRANSFORM_BUCKET,   /* [N] */
	TRANSFORM_TRUNCATE, /* [W] */
	TRANSFORM_YEAR,
	TRANSFORM_MONTH,
	TRANSFORM_DAY,
	TRANSFORM_HOUR,
	TRANSFORM_VOID,
};

struct transform {
	uint8_t kind;
	int32_t width;
};

/* "identity", "bucket[16]", "truncate[4]", "year", ... Widths are 1 .. 2^31-1. Anything else is TRANSFORM_UNKNOWN,
 * except a known name with a bad or missing width: ERR_VALUE. */
int transform_parse(struct str text, struct transform *out, struct err *err) TARN_MUST_CHECK;
#define TRANSFORM_TEXT_MAX 24
const char *transform_text(struct transform transform, char buf[TRANSFORM_TEXT_MAX]); /* "" for unknown */

/* The type of the result, TYPE_NONE: this source type cannot be transformed so (void: the source's own type). year,
 * month, hour and bucket give int; day gives date. */
struct type transform_type(struct transform transform, struct type source);

/* Room for any result. Views of STRING and BINARY point into the source value. */
union transform_value {
	uint8_t u8;
	int32_t i32;
	int64_t i64;
	float f32;
	double f64;
	__int128 i128;
	struct str s;
	uint8_t uuid[16];
};
/* value: the C type of `source`. Returns false when the result is null (void) or the pair is impossible
 * (transform_type says NONE). */
bool transform_apply(struct transform transform, struct type source, const void *value, union transform_value *out);

/* The 32-bit hash under bucket[N] of a value; not for floats and booleans (no bucket transform). */
int32_t transform_hash(struct type source, const void *value);
uint32_t murmur3_32(const void *p, size_t n); /* x86 32-bit variant, seed 0 */

#endif
