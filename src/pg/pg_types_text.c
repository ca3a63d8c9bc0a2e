/* src/pg/pg_types_text.c — PostgreSQL's text output of single values (session settings pinned by pg_conn: ISO dates,
 * UTC, hex bytea, shortest floats).
 *
 * The readers accept what the output functions write and nothing more: a text of another shape means that the
 * settings or the type are not what we think. */
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "pg/pg_types_int.h"

struct cursor {
	const char *p, *end;
};

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static inline bool is_tail(uint8_t c) { return (c & 0xc0) == 0x80; }

/* Length of the character at p (n bytes left), 0 when it is not valid: no overlong forms, no surrogates, nothing
 * above U+10FFFF, no zero byte. */
static size_t utf8_char(const uint8_t *p, size_t n)
{
	if (p[0] < 0x80)
		return p[0] != 0;
	if (p[0] < 0xc2)
		return 0;
	if (p[0] < 0xe0)
		return n >= 2 && is_tail(p[1]) ? 2 : 0;
	if (p[0] < 0xf0) {
		if (n < 3 || !is_tail(p[1]) || !is_tail(p[2]) || (p[0] == 0xe0 && p[1] < 0xa0) ||
		    (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (p[0] > 0xf4 || n < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3]))
		return 0;
	return (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f) ? 0 : 4;
}

bool pg_utf8_ok(struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p, *end = p + s.n;

	while (p < end) {
		uint64_t word;
		size_t n;

		if (end - p >= 8) {
			memcpy(&word, p, 8);
			if (((word | (word - ONES)) & HIGHS) == 0) { /* eight bytes 0x01..0x7f */
				p += 8;
				continue;
			}
		}
		n = utf8_char(p, (size_t)(end - p));
		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

const char *pg_text_int(struct str s, int64_t min, int64_t max, int64_t *out)
{
	const char *p = s.p, *end = s.p + s.n;
	bool negative = s.n > 0 && *p == '-';
	uint64_t limit = negative ? -(uint64_t)min : (uint64_t)max, v = 0;

	p += negative;
	if (p == end || end - p > 19)
		return PG_WHY_MALFORMED;
	for (; p < end; p++) {
		unsigned digit = (unsigned)(uint8_t)*p - '0';

		if (digit > 9)
			return PG_WHY_MALFORMED;
		v = v * 10 + digit; /* 19 digits fit 64 bits */
	}
	if (v > limit)
		return PG_WHY_RANGE;
	*out = (int64_t)(negative ? -v : v);
	return NULL;
}

/* -- floats */

/* mantissa * 10^exponent, when the text is short enough to say so exactly: at most 19 digits. */
static bool float_parts(struct str s, bool *negative, uint64_t *mantissa, int *exponent)
{
	const char *p = s.p, *end = s.p + s.n;
	int digits = 0, e = 0, e_digits = 0;
	bool e_negative = false, point = false;

	*mantissa = 0;
	*exponent = 0;
	*negative = p < end && *p == '-';
	p += *negative;
	for (; p < end && *p != 'e'; p++) {
		if (*p == '.' && !point && digits > 0) {
			point = true;
			continue;
		}
		if (*p < '0' || *p > '9' || ++digits > 19)
			return false;
		*mantissa = *mantissa * 10 + (uint64_t)(*p - '0');
		*exponent -= point;
	}
	if (digits == 0 || p[-1] == '.')
		return false;
	if (p == end)
		return true;
	p++; /* e */
	if (p < end && (*p == '-' || *p == '+'))
		e_negative = *p++ == '-';
	for (; p < end; p++, e_digits++) {
		if (*p < '0' || *p > '9' || e_digits > 3)
			return false;
		e = e * 10 + (*p - '0');
	}
	*exponent += e_negative ? -e : e;
	return e_digits > 0;
}

/* strtod reads the process's locale; this one never does. */
static locale_t c_locale(void)
{
	static locale_t made;
	locale_t mine = __atomic_load_n(&made, __ATOMIC_ACQUIRE);

	if (!mine) {
		locale_t none = (locale_t)0;

		mine = newlocale(LC_ALL_MASK, "C", (locale_t)0);
		if (mine &&
		    !__atomic_compare_exchange_n(&made, &none, mine, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			freelocale(mine);
			mine = none;
		}
	}
	return mine;
}

#define FLOAT_TEXT_MAX 63 /* the longest output of float8out is 24 bytes */

static const char *float_copy(struct str s, char buf[FLOAT_TEXT_MAX + 1])
{
	if (s.n > FLOAT_TEXT_MAX || !c_locale())
		return PG_WHY_MALFORMED;
	memcpy(buf, s.p, s.n);
	buf[s.n] = 0;
	return NULL;
}

static bool float_special(struct str s, double *out)
{
	if (str_eq(s, STR_LIT("NaN")))
		*out = (double)NAN;
	else if (str_eq(s, STR_LIT("Infinity")))
		*out = (double)INFINITY;
	else if (str_eq(s, STR_LIT("-Infinity")))
		*out = -(double)INFINITY;
	else
		return false;
	return true;
}

/* A mantissa below 2^53 and a power of ten up to 10^22 are doubles themselves, so one operation rounds once and right
 * (Clinger's fast path). */
const char *pg_text_float8(struct str s, double *out)
{
	static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
		                         1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	char buf[FLOAT_TEXT_MAX + 1];
	uint64_t mantissa;
	const char *why;
	bool negative;
	int exponent;

	if (!float_parts(s, &negative, &mantissa, &exponent))
		return float_special(s, out) ? NULL : PG_WHY_MALFORMED;
	if (mantissa <= UINT64_C(1) << 53 && exponent >= -22 && exponent <= 22) {
		double v = exponent < 0 ? (double)mantissa / powers[-exponent] : (double)mantissa * powers[exponent];

		*out = negative ? -v : v;
		return NULL;
	}
	why = float_copy(s, buf);
	if (why)
		return why;
	*out = strtod_l(buf, NULL, c_locale());
	return isfinite(*out) ? NULL : PG_WHY_RANGE;
}

/* The same with float's limits; a detour over double would round twice. */
const char *pg_text_float4(struct str s, float *out)
{
	static const float powers[] = { 1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f };
	char buf[FLOAT_TEXT_MAX + 1];
	uint64_t mantissa;
	double special;
	const char *why;
	bool negative;
	int exponent;

	if (!float_parts(s, &negative, &mantissa, &exponent)) {
		if (!float_special(s, &special))
			return PG_WHY_MALFORMED;
		*out = (float)special;
		return NULL;
	}
	if (mantissa <= UINT64_C(1) << 24 && exponent >= -10 && exponent <= 10) {
		float v = exponent < 0 ? (float)mantissa / powers[-exponent] : (float)mantissa * powers[exponent];

		*out = negative ? -v : v;
		return NULL;
	}
	why = float_copy(s, buf);
	if (why)
		return why;
	*out = strtof_l(buf, NULL, c_locale());
	return isfinite(*out) ? NULL : PG_WHY_RANGE;
}

/* -- dates and times */

static inline bool take(struct cursor *c, char want)
{
	if (c->p < c->end && *c->p == want) {
		c->p++;
		return true;
	}
	return false;
}

static inline bool two_digits(struct cursor *c, unsigned max, unsigned *out)
{
	unsigned tens, ones;

	if (c->end - c->p < 2)
		return false;
	tens = (unsigned)(uint8_t)c->p[0] - '0';
	ones = (unsigned)(uint8_t)c->p[1] - '0';
	*out = tens * 10 + ones;
	c->p += 2;
	return tens <= 9 && ones <= 9 && *out <= max;
}

struct civil {
	int64_t year;
	unsigned month, day;
};

static bool is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

/* YYYY-MM-DD with four to seven digits of year; the era stands at the end of the text and is added by civil_days. */
static inline bool civil_read(struct cursor *c, struct civil *out)
{
	const char *first = c->p;

	out->year = 0;
	while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && c->p - first < 7)
		out->year = out->year * 10 + (*c->p++ - '0');
	return c->p - first >= 4 && take(c, '-') && two_digits(c, 12, &out->month) && take(c, '-') &&
	       two_digits(c, 31, &out->day);
}

static bool civil_days(struct cursor *c, struct civil *v, int64_t *days)
{
	static const uint8_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (v->year < 1 || v->month < 1 || v->day < 1)
		return false;
	if (c->p < c->end) {
		if (c->end - c->p != 3 || memcmp(c->p, " BC", 3))
			return false;
		v->year = 1 - v->year; /* there is no year 0: 1 BC is year 0 of the calendar's arithmetic */
	}
	if (v->day > lengths[v->month - 1] && !(v->month == 2 && v->day == 29 && is_leap(v->year)))
		return false;
	*days = days_from_civil(v->year, v->month, v->day);
	return true;
}

/* HH:MM:SS[.f to .ffffff] */
static inline bool clock_read(struct cursor *c, unsigned hour_max, int64_t *us)
{
	unsigned hour, minute, second;
	int64_t fraction = 0;
	int digits = 0;

	if (!two_digits(c, hour_max, &hour) || !take(c, ':') || !two_digits(c, 59, &minute) || !take(c, ':') ||
	    !two_digits(c, 59, &second))
		return false;
	if (take(c, '.')) {
		for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++, digits++)
			fraction = digits < 6 ? fraction * 10 + (*c->p - '0') : 0;
		if (digits < 1 || digits > 6)
			return false;
		for (; digits < 6; digits++)
			fraction *= 10;
	}
	*us = ((int64_t)hour * 3600 + minute * 60 + second) * 1000000 + fraction;
	return true;
}

/* +HH, +HH:MM or +HH:MM:SS, as microseconds east of UTC */
static bool offset_read(struct cursor *c, int64_t *us)
{
	unsigned hour, minute = 0, second = 0;
	bool west;

	if (c->p >= c->end || (*c->p != '+' && *c->p != '-'))
		return false;
	west = *c->p++ == '-';
	if (!two_digits(c, 15, &hour) ||
	    (take(c, ':') && (!two_digits(c, 59, &minute) || (take(c, ':') && !two_digits(c, 59, &second)))))
		return false;
	*us = ((int64_t)hour * 3600 + minute * 60 + second) * 1000000;
	if (west)
		*us = -*us;
	return true;
}

static bool is_infinity(struct str s) { return str_eq(s, STR_LIT("infinity")) || str_eq(s, STR_LIT("-infinity")); }

const char *pg_text_date(struct str s, int32_t *out)
{
	struct cursor c = { s.p, s.p + s.n };
	struct civil v;
	int64_t days;

	if (!civil_read(&c, &v) || !civil_days(&c, &v, &days))
		return is_infinity(s) ? PG_WHY_INFINITE : PG_WHY_MALFORMED;
	if (days < INT32_MIN || days > INT32_MAX)
		return PG_WHY_RANGE;
	*out = (int32_t)days;
	return NULL;
}

const char *pg_text_time(struct str s, int64_t *out)
{
	struct cursor c = { s.p, s.p + s.n };

	if (!clock_read(&c, 24, out) || c.p != c.end || *out > PG_DAY_US)
		return PG_WHY_MALFORMED;
	return *out == PG_DAY_US ? PG_WHY_MIDNIGHT : NULL;
}

const char *pg_text_timestamp(struct str s, bool zone, int64_t *out)
{
	struct cursor c = { s.p, s.p + s.n };
	struct civil v;
	int64_t days, us, east = 0;

	if (!civil_read(&c, &v) || !take(&c, ' ') || !clock_read(&c, 23, &us) || (zone && !offset_read(&c, &east)) ||
	    !civil_days(&c, &v, &days))
		return is_infinity(s) ? PG_WHY_INFINITE : PG_WHY_MALFORMED;
	if (__builtin_mul_overflow(days, PG_DAY_US, out) || __builtin_add_overflow(*out, us - east, out))
		return PG_WHY_RANGE;
	return NULL;
}

/* -- hexadecimal */

static inline int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1; /* the output functions write lower case */
}

const char *pg_text_uuid(struct str s, uint8_t out[16])
{
	size_t at = 0;

	if (s.n != 36)
		return PG_WHY_MALFORMED;
	for (size_t i = 0; i < 36;) {
		int high, low;

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s.p[i++] != '-')
				return PG_WHY_MALFORMED;
			continue;
		}
		high = hex_value(s.p[i]);
		low = hex_value(s.p[i + 1]);
		if (high < 0 || low < 0)
			return PG_WHY_MALFORMED;
		out[at++] = (uint8_t)(high << 4 | low);
		i += 2;
	}
	return NULL;
}

const char *pg_text_bytea(struct str s, uint8_t *out)
{
	if (s.n < 2 || s.n % 2 || s.p[0] != '\\' || s.p[1] != 'x')
		return PG_WHY_MALFORMED;
	for (size_t i = 2; i < s.n; i += 2) {
		int high = hex_value(s.p[i]), low = hex_value(s.p[i + 1]);

		if (high < 0 || low < 0)
			return PG_WHY_MALFORMED;
		*out++ = (uint8_t)(high << 4 | low);
	}
	return NULL;
}
