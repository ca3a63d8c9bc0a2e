/* src/iceberg/transform.c — partition transforms. */
#include "iceberg/transform.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "lake/bounds.h"

#define HOUR_US ((int64_t)3600 * 1000000)
#define DAY_US (24 * HOUR_US)

static const struct {
	const char *name;
	uint8_t kind;
	bool width;
} names[] = {
	{ "identity", TRANSFORM_IDENTITY, false }, { "bucket", TRANSFORM_BUCKET, true },
	{ "truncate", TRANSFORM_TRUNCATE, true },  { "year", TRANSFORM_YEAR, false },
	{ "month", TRANSFORM_MONTH, false },       { "day", TRANSFORM_DAY, false },
	{ "hour", TRANSFORM_HOUR, false },         { "void", TRANSFORM_VOID, false },
};

int transform_parse(struct str text, struct transform *out, struct err *err)
{
	struct str rest = text, name = str_cut(&rest, '[');
	int64_t width;

	*out = (struct transform){ TRANSFORM_UNKNOWN, 0 };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (!str_eqz(name, names[i].name))
			continue;
		if (!names[i].width) {
			if (name.n == text.n)
				*out = (struct transform){ names[i].kind, 0 };
			return 0;
		}
		if (rest.n < 2 || rest.p[rest.n - 1] != ']' || !str_to_i64(str_view(rest.p, rest.n - 1), &width) ||
		    width < 1 || width > INT32_MAX)
			return err_set(
				err, ERR_VALUE,
				"partition transform \"%.*s\": a width from 1 to 2147483647 in brackets is needed, e.g. %s[16]",
				STR_FMT(text), names[i].name);
		*out = (struct transform){ names[i].kind, (int32_t)width };
		return 0;
	}
	return 0;
}

const char *transform_text(struct transform transform, char buf[TRANSFORM_TEXT_MAX])
{
	buf[0] = 0;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (names[i].kind != transform.kind)
			continue;
		if (names[i].width)
			snprintf(buf, TRANSFORM_TEXT_MAX, "%s[%" PRId32 "]", names[i].name, transform.width);
		else
			snprintf(buf, TRANSFORM_TEXT_MAX, "%s", names[i].name);
	}
	return buf;
}

struct type transform_type(struct transform transform, struct type source)
{
	static const struct type none = { TYPE_NONE, 0, 0, 0 }, int32 = { TYPE_INT32, 0, 0, 0 },
				 date = { TYPE_DATE, 0, 0, 0 };
	bool stamp = source.kind == TYPE_TIMESTAMP || source.kind == TYPE_TIMESTAMPTZ;

	if (source.kind == TYPE_NONE || (source.kind == TYPE_LIST && transform.kind != TRANSFORM_VOID))
		return none;
	switch ((enum transform_kind)transform.kind) {
	case TRANSFORM_IDENTITY:
	case TRANSFORM_VOID: return source;
	case TRANSFORM_BUCKET:
		return source.kind == TYPE_BOOL || source.kind == TYPE_FLOAT32 || source.kind == TYPE_FLOAT64 ? none
		                                                                                              : int32;
	case TRANSFORM_TRUNCATE:
		return source.kind == TYPE_INT32 || source.kind == TYPE_INT64 || source.kind == TYPE_DECIMAL ||
		                       source.kind == TYPE_STRING || source.kind == TYPE_BINARY
		               ? source
		               : none;
	case TRANSFORM_YEAR:
	case TRANSFORM_MONTH: return stamp || source.kind == TYPE_DATE ? int32 : none;
	case TRANSFORM_DAY: return stamp || source.kind == TYPE_DATE ? date : none;
	case TRANSFORM_HOUR: return stamp ? int32 : none;
	case TRANSFORM_UNKNOWN: break;
	}
	return none;
}

static uint32_t rotate(uint32_t v, int n) { return v << n | v >> (32 - n); }

uint32_t murmur3_32(const void *p, size_t n)
{
	const uint8_t *bytes = p;
	uint32_t h = 0, k, tail = 0;
	size_t whole = n / 4;

	for (size_t i = 0; i < whole; i++) {
		memcpy(&k, bytes + i * 4, 4);
		h ^= rotate(k * 0xcc9e2d51u, 15) * 0x1b873593u;
		h = rotate(h, 13) * 5 + 0xe6546b64u;
	}
	for (size_t i = n & 3; i > 0; i--)
		tail = tail << 8 | bytes[whole * 4 + i - 1];
	h ^= rotate(tail * 0xcc9e2d51u, 15) * 0x1b873593u; /* nothing for an empty tail */
	h ^= (uint32_t)n;
	h = (h ^ h >> 16) * 0x85ebca6bu;
	h = (h ^ h >> 13) * 0xc2b2ae35u;
	return h ^ h >> 16;
}

static int64_t read_i64(struct type type, const void *value)
{
	int32_t i32;
	int64_t i64;

	if (type.kind == TYPE_INT32 || type.kind == TYPE_DATE) {
		memcpy(&i32, value, 4);
		return i32;
	}
	memcpy(&i64, value, 8);
	return i64;
}

static __int128 read_decimal(struct type type, const void *value)
{
	__int128 wide;

	if (type_width(type) == 8)
		return read_i64(type, value);
	memcpy(&wide, value, sizeof wide);
	return wide;
}

int32_t transform_hash(struct type source, const void *value)
{
	uint8_t decimal[16];
	int64_t i64;
	struct str s;

	switch ((enum type_kind)source.kind) {
	case TYPE_STRING:
	case TYPE_BINARY: memcpy(&s, value, sizeof s); return (int32_t)murmur3_32(s.n ? s.p : "", s.n);
	case TYPE_UUID: return (int32_t)murmur3_32(value, 16);
	case TYPE_DECIMAL:
		return (int32_t)murmur3_32(decimal, bound_encode_decimal(read_decimal(source, value), decimal));
	case TYPE_INT32:
	case TYPE_INT64:
	case TYPE_DATE:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ:
		i64 = read_i64(source, value); /* int and date hash as long, so that a promotion keeps buckets */
		return (int32_t)murmur3_32(&i64, 8);
	default: return 0;
	}
}

static int64_t floor_div(int64_t a, int64_t b)
{
	int64_t q = a / b;

	return a % b < 0 ? q - 1 : q;
}

/* v - floorMod(v, width): towards minus infinity. Near the minimum the result wraps as Java's does. */
static bool truncate_value(struct transform transform, struct type source, const void *value,
                           union transform_value *out)
{
	int64_t width = transform.width, i64;
	__int128 wide, rest;

	switch ((enum type_kind)source.kind) {
	case TYPE_INT32:
		i64 = read_i64(source, value);
		out->i32 = (int32_t)(uint32_t)(i64 - ((i64 % width) + width) % width);
		return true;
	case TYPE_INT64:
		i64 = read_i64(source, value);
		out->i64 = (int64_t)((uint64_t)i64 - (uint64_t)(((i64 % width) + width) % width));
		return true;
	case TYPE_DECIMAL:
		wide = read_decimal(source, value);
		rest = ((wide % width) + width) % width;
		if (type_width(source) == 8)
			out->i64 = (int64_t)(wide - rest);
		else
			out->i128 = wide - rest;
		return true;
	case TYPE_STRING:
	case TYPE_BINARY:
		memcpy(&out->s, value, sizeof out->s);
		out->s = bound_truncate(source.kind == TYPE_STRING, out->s, (size_t)transform.width);
		return true;
	default: return false;
	}
}

static bool time_value(struct transform transform, struct type source, const void *value, union transform_value *out)
{
	int64_t v = read_i64(source, value), days = source.kind == TYPE_DATE ? v : floor_div(v, DAY_US), year;
	unsigned month, day;

	switch ((enum transform_kind)transform.kind) {
	case TRANSFORM_HOUR: out->i32 = (int32_t)floor_div(v, HOUR_US); return true;
	case TRANSFORM_DAY: out->i32 = (int32_t)days; return true;
	default:
		civil_from_days(days, &year, &month, &day);
		out->i32 = (int32_t)(transform.kind == TRANSFORM_YEAR ? year - 1970
		                                                      : (year - 1970) * 12 + (int64_t)month - 1);
		return true;
	}
}

bool transform_apply(struct transform transform, struct type source, const void *value, union transform_value *out)
{
	if (transform_type(transform, source).kind == TYPE_NONE)
		return false;
	switch ((enum transform_kind)transform.kind) {
	case TRANSFORM_IDENTITY: memcpy(out, value, type_width(source)); return true;
	case TRANSFORM_BUCKET: out->i32 = (transform_hash(source, value) & 0x7fffffff) % transform.width; return true;
	case TRANSFORM_TRUNCATE: return truncate_value(transform, source, value, out);
	case TRANSFORM_YEAR:
	case TRANSFORM_MONTH:
	case TRANSFORM_DAY:
	case TRANSFORM_HOUR: return time_value(transform, source, value, out);
	case TRANSFORM_VOID:
	case TRANSFORM_UNKNOWN: break;
	}
	return false;
}
