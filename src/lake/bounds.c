/* src/lake/bounds.c — single values as bytes: encoding, truncation, order. */
#include "lake/bounds.h"

#include <math.h>

#include "base/mem.h"

/* Decimals hold an int64_t up to this precision, an __int128 above (event/type.h). */
enum { DECIMAL64_DIGITS = 18 };

size_t bound_encode_decimal(__int128 unscaled, uint8_t out[16])
{
	unsigned __int128 bits = (unsigned __int128)unscaled;
	size_t n = 1;

	/* Shortest: as long as the rest is only copies of the sign bit. */
	while (n < 16 && (unscaled >> (8 * n - 1)) != 0 && (unscaled >> (8 * n - 1)) != -1)
		n++;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(bits >> (8 * (n - 1 - i)));
	return n;
}

__int128 bound_decode_decimal(const uint8_t *p, size_t n)
{
	unsigned __int128 bits = p[0] & 0x80 ? ~(unsigned __int128)0 : 0;

	for (size_t i = 0; i < n; i++)
		bits = bits << 8 | p[i];
	return (__int128)bits;
}

static __int128 decimal_value(struct type type, const void *value)
{
	__int128 wide;
	int64_t narrow;

	if (type.precision > DECIMAL64_DIGITS) {
		memcpy(&wide, value, sizeof wide);
		return wide;
	}
	memcpy(&narrow, value, sizeof narrow);
	return narrow;
}

void bound_encode(struct type type, const void *value, struct wbuf *out)
{
	uint8_t decimal[16];
	uint64_t u64;
	uint32_t u32;

	switch ((enum type_kind)type.kind) {
	case TYPE_BOOL: wbuf_put_u8(out, *(const uint8_t *)value ? 1 : 0); break;
	case TYPE_INT32:
	case TYPE_DATE:
	case TYPE_FLOAT32:
		memcpy(&u32, value, 4);
		wbuf_put_u32_le(out, u32);
		break;
	case TYPE_INT64:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ:
	case TYPE_FLOAT64:
		memcpy(&u64, value, 8);
		wbuf_put_u64_le(out, u64);
		break;
	case TYPE_DECIMAL: wbuf_put(out, decimal, bound_encode_decimal(decimal_value(type, value), decimal)); break;
	case TYPE_STRING:
	case TYPE_BINARY: wbuf_put_str(out, *(const struct str *)value); break;
	case TYPE_UUID: wbuf_put(out, value, 16); break;
	case TYPE_LIST:
	case TYPE_NONE: break;
	}
}

bool bound_decode(struct type type, struct str bytes, void *value)
{
	int32_t i32;
	int64_t i64;
	float f32;
	double f64;
	__int128 wide;

	switch ((enum type_kind)type.kind) {
	case TYPE_BOOL:
		if (bytes.n != 1)
			return false;
		*(uint8_t *)value = bytes.p[0] != 0;
		return true;
	case TYPE_INT32:
	case TYPE_DATE:
	case TYPE_FLOAT32:
		if (bytes.n != 4)
			return false;
		memcpy(value, bytes.p, 4);
		return true;
	case TYPE_INT64:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ:
		if (bytes.n == 4 && type.kind == TYPE_INT64) {
			memcpy(&i32, bytes.p, 4);
			i64 = i32;
		} else if (bytes.n == 8) {
			memcpy(&i64, bytes.p, 8);
		} else {
			return false;
		}
		memcpy(value, &i64, 8);
		return true;
	case TYPE_FLOAT64:
		if (bytes.n == 4) {
			memcpy(&f32, bytes.p, 4);
			f64 = (double)f32;
		} else if (bytes.n == 8) {
			memcpy(&f64, bytes.p, 8);
		} else {
			return false;
		}
		memcpy(value, &f64, 8);
		return true;
	case TYPE_DECIMAL:
		if (bytes.n < 1 || bytes.n > 16)
			return false;
		wide = bound_decode_decimal((const uint8_t *)bytes.p, bytes.n);
		i64 = (int64_t)wide;
		if (type.precision > DECIMAL64_DIGITS)
			memcpy(value, &wide, sizeof wide);
		else if (i64 == wide)
			memcpy(value, &i64, sizeof i64);
		else
			return false;
		return true;
	case TYPE_STRING:
	case TYPE_BINARY: memcpy(value, &bytes, sizeof bytes); return true;
	case TYPE_UUID:
		if (bytes.n != 16)
			return false;
		memcpy(value, bytes.p, 16);
		return true;
	case TYPE_LIST:
	case TYPE_NONE: break;
	}
	return false;
}

/* Length of the code point that begins with this byte; continuation and invalid bytes count alone, so that any bytes
 * can be cut. */
static size_t point_bytes(uint8_t first)
{
	return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 1;
}

struct str bound_truncate(bool text, struct str value, size_t units)
{
	size_t n = 0;

	if (!text)
		return (struct str){ value.p, value.n < units ? value.n : units };
	for (size_t i = 0; i < units && n < value.n; i++) {
		n += point_bytes((uint8_t)value.p[n]);
		if (n > value.n)
			n = value.n;
	}
	return (struct str){ value.p, n };
}

/* The code point of exactly n bytes at p; -1: not UTF-8. */
static int32_t point_read(const uint8_t *p, size_t n)
{
	static const int32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	int32_t point;

	if (n == 1)
		return p[0] < 0x80 ? p[0] : -1;
	if (n > 4 || point_bytes(p[0]) != n)
		return -1;
	point = p[0] & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		point = point << 6 | (p[i] & 0x3f);
	}
	return point < least[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? -1 : point;
}

static size_t point_write(int32_t point, uint8_t *out)
{
	if (point < 0x80) {
		out[0] = (uint8_t)point;
		return 1;
	}
	if (point < 0x800) {
		out[0] = (uint8_t)(0xc0 | point >> 6);
		out[1] = (uint8_t)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		out[0] = (uint8_t)(0xe0 | point >> 12);
		out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (point & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | point >> 18);
	out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (point & 0x3f));
	return 4;
}

int bound_round_up(bool text, struct str value, size_t units, uint8_t *out)
{
	struct str cut = bound_truncate(text, value, units);
	size_t n = cut.n;

	memcpy(out, cut.p ? cut.p : "", n);
	if (n == value.n)
		return (int)n;
	while (n > 0) {
		size_t at = n - 1;
		int32_t point;

		if (!text) {
			if (out[at] != 0xff) {
				out[at]++;
				return (int)n;
			}
			n = at;
			continue;
		}
		while (at > 0 && (out[at] & 0xc0) == 0x80 && n - at < 4)
			at--;
		point = point_read(out + at, n - at);
		if (point < 0)
			return -1;
		if (point < 0x10ffff)
			return (int)(at + point_write(point == 0xd7ff ? 0xe000 : point + 1, out + at));
		n = at;
	}
	return -1;
}

void bound_clear(struct bound *bound)
{
	mem_free(bound->p);
	*bound = (struct bound){ NULL, 0, false };
}

static int bound_take(struct bound *bound, const void *p, size_t n, struct err *err)
{
	uint8_t *copy = mem_alloc(n ? n : 1);

	if (!copy)
		return err_nomem(err);
	memcpy(copy, n ? p : "", n);
	mem_free(bound->p);
	*bound = (struct bound){ copy, (uint32_t)n, true };
	return 0;
}

int bound_set(struct bound *bound, struct type type, const void *value, bool upper, struct err *err)
{
	uint8_t bytes[BOUND_BYTES_MAX];
	struct wbuf w;
	float f32;
	double f64;
	int rc;

	if (type.kind == TYPE_FLOAT32) {
		memcpy(&f32, value, sizeof f32);
		if (isnan(f32))
			return 0;
		if (f32 == 0)
			f32 = upper ? 0.0f : -0.0f;
		return bound_take(bound, &f32, sizeof f32, err);
	}
	if (type.kind == TYPE_FLOAT64) {
		memcpy(&f64, value, sizeof f64);
		if (isnan(f64))
			return 0;
		if (f64 == 0)
			f64 = upper ? 0.0 : -0.0;
		return bound_take(bound, &f64, sizeof f64, err);
	}
	if (type.kind == TYPE_STRING || type.kind == TYPE_BINARY) {
		bool text = type.kind == TYPE_STRING;
		struct str s = *(const struct str *)value;
		struct str cut = bound_truncate(text, s, BOUND_UNITS);
		int n;

		if (!upper)
			return bound_take(bound, cut.p, cut.n, err);
		n = bound_round_up(text, s, BOUND_UNITS, bytes);
		return n < 0 ? 0 : bound_take(bound, bytes, (size_t)n, err);
	}
	if (type.kind == TYPE_LIST || type.kind == TYPE_NONE)
		return 0;
	wbuf_init(&w, 0);
	bound_encode(type, value, &w);
	rc = wbuf_check(&w, err, "bound");
	if (!rc)
		rc = bound_take(bound, w.p, w.n, err);
	wbuf_free(&w);
	return rc;
}

static int compare_double(double a, double b)
{
	if (a != b)
		return a < b ? -1 : a > b ? 1 : isnan(a) ? (isnan(b) ? 0 : 1) : -1; /* NaN last */
	return (int)!!signbit(b) - (int)!!signbit(a);
}

int bound_compare(struct type type, struct str a, struct str b)
{
	union {
		uint8_t u8;
		int32_t i32;
		int64_t i64;
		float f32;
		double f64;
		__int128 wide;
		struct str s;
		uint8_t uuid[16];
	} x, y;
	bool a_ok = bound_decode(type, a, &x), b_ok = bound_decode(type, b, &y);

	if (!a_ok || !b_ok)
		return (int)a_ok - (int)b_ok;
	switch ((enum type_kind)type.kind) {
	case TYPE_BOOL: return (int)x.u8 - (int)y.u8;
	case TYPE_INT32:
	case TYPE_DATE: return (x.i32 > y.i32) - (x.i32 < y.i32);
	case TYPE_INT64:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ: return (x.i64 > y.i64) - (x.i64 < y.i64);
	case TYPE_FLOAT32: return compare_double((double)x.f32, (double)y.f32);
	case TYPE_FLOAT64: return compare_double(x.f64, y.f64);
	case TYPE_DECIMAL:
		if (type.precision > DECIMAL64_DIGITS)
			return (x.wide > y.wide) - (x.wide < y.wide);
		return (x.i64 > y.i64) - (x.i64 < y.i64);
	case TYPE_STRING:
	case TYPE_BINARY: return str_cmp(a, b);
	case TYPE_UUID: return memcmp(x.uuid, y.uuid, 16);
	case TYPE_LIST:
	case TYPE_NONE: break;
	}
	return 0;
}
