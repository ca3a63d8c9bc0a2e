/* src/pg/pg_types_numeric.c — numeric in its two forms: to unscaled decimals exactly or not at all, and binary to
 * text as numeric_out writes it.
 *
 * Binary (numeric_send), big endian:
 *   0  i16 n        base-10000 digits that follow
 *   2  i16 weight   power of 10000 of the first digit
 *   4  u16 sign     0 plus, 0x4000 minus, 0xC000 NaN, 0xD000 Infinity, 0xF000 -Infinity
 *   6  u16 dscale   digits shown behind the point, at most 16383
 *   8  u16 digit[n] each 0..9999
 * The value is the sum of digit[i] * 10000^(weight - i). */
#include "pg/pg_types_int.h"

#include "base/bytes.h"

#define SIGN_MINUS 0x4000
#define SIGN_NAN 0xc000
#define SIGN_INFINITY 0xd000
#define SIGN_MINUS_INFINITY 0xf000
#define DSCALE_MAX 16383

static const uint64_t pow10_64[] = {
	1,
	10,
	100,
	1000,
	10000,
	100000,
	1000000,
	10000000,
	100000000,
	1000000000,
	10000000000,
	100000000000,
	1000000000000,
	10000000000000,
	100000000000000,
	1000000000000000,
	10000000000000000,
	100000000000000000,
	1000000000000000000,
};

static inline unsigned __int128 pow10_128(unsigned n) /* n <= 38 */
{
	if (n <= 18)
		return pow10_64[n];
	if (n <= 36)
		return (unsigned __int128)pow10_64[18] * pow10_64[n - 18];
	return (unsigned __int128)pow10_64[18] * pow10_64[18] * pow10_64[n - 36];
}

static inline uint64_t pow10_u64(unsigned n) { return pow10_64[n]; } /* n <= 18 */

struct digits {
	uint16_t n;
	int16_t weight;
	uint16_t sign, dscale;
	const uint8_t *p;
};

static inline bool digits_read(struct str s, struct digits *d)
{
	const uint8_t *p = (const uint8_t *)s.p;

	if (s.n < 8)
		return false;
	d->n = bytes_u16_be(p);
	d->weight = (int16_t)bytes_u16_be(p + 2);
	d->sign = bytes_u16_be(p + 4);
	d->dscale = bytes_u16_be(p + 6);
	d->p = p + 8;
	return s.n == 8 + 2 * (size_t)d->n;
}

static __attribute__((cold, noinline)) const char *special_why(const struct digits *d)
{
	switch (d->sign) {
	case SIGN_NAN: return PG_WHY_NAN;
	case SIGN_INFINITY:
	case SIGN_MINUS_INFINITY: return PG_WHY_INFINITE;
	default: return PG_WHY_MALFORMED;
	}
}

/* Both decimal readers exist twice, for 64 and for 128 bits. LIMIT is the number of decimal digits that fit; digit
 * groups are disjoint, so terms that are each below 10^LIMIT have a sum below 10^LIMIT. */
#define NUMERIC_BINARY(bits, itype, utype, power, LIMIT)                                                               \
	const char *pg_numeric_binary_to_##bits(struct str s, unsigned precision, unsigned scale, itype *out)          \
	{                                                                                                              \
		struct digits d;                                                                                       \
		utype sum = 0;                                                                                         \
		if (!digits_read(s, &d))                                                                               \
			return PG_WHY_MALFORMED;                                                                       \
		if (__builtin_expect((d.sign & ~SIGN_MINUS) != 0, 0))                                                  \
			return special_why(&d);                                                                        \
		for (unsigned i = 0; i < d.n; i++) {                                                                   \
			unsigned digit = bytes_u16_be(d.p + 2 * i);                                                    \
			int exponent = 4 * (d.weight - (int)i) + (int)scale;                                           \
			if (digit > 9999)                                                                              \
				return PG_WHY_MALFORMED;                                                               \
			if (digit == 0)                                                                                \
				continue;                                                                              \
			if (exponent < 0) { /* only zeros may stand behind the last place */                           \
				if (exponent <= -4 || digit % pow10_64[-exponent] != 0)                                \
					return PG_WHY_DIGITS;                                                          \
				sum += digit / pow10_64[-exponent];                                                    \
				continue;                                                                              \
			}                                                                                              \
			if (exponent >= LIMIT || (exponent > LIMIT - 4 && digit >= pow10_64[LIMIT - exponent]))        \
				return PG_WHY_DIGITS;                                                                  \
			sum += (utype)digit * power((unsigned)exponent);                                               \
		}                                                                                                      \
		if (sum >= power(precision))                                                                           \
			return PG_WHY_DIGITS;                                                                          \
		*out = d.sign ? -(itype)sum : (itype)sum;                                                              \
		return NULL;                                                                                           \
	}

NUMERIC_BINARY(64, int64_t, uint64_t, pow10_u64, 18)
NUMERIC_BINARY(128, __int128, unsigned __int128, pow10_128, 38)

static __attribute__((cold, noinline)) const char *special_text_why(struct str s)
{
	if (str_eq(s, STR_LIT("NaN")))
		return PG_WHY_NAN;
	if (str_eq(s, STR_LIT("Infinity")) || str_eq(s, STR_LIT("-Infinity")))
		return PG_WHY_INFINITE;
	return PG_WHY_MALFORMED;
}

/* numeric_out: [-]digits[.digits], never an exponent. */
#define NUMERIC_TEXT(bits, itype, utype, power)                                                                        \
	const char *pg_numeric_text_to_##bits(struct str s, unsigned precision, unsigned scale, itype *out)            \
	{                                                                                                              \
		const char *p = s.p, *end = s.p + s.n;                                                                 \
		bool negative = s.n > 0 && *p == '-', point = false;                                                   \
		unsigned significant = 0, places = 0, seen = 0;                                                        \
		utype v = 0;                                                                                           \
		for (p += negative; p < end; p++) {                                                                    \
			unsigned digit = (unsigned)(uint8_t)*p - '0';                                                  \
			if (digit > 9) {                                                                               \
				if (*p != '.' || point || seen == 0 || p + 1 == end)                                   \
					return special_text_why(s);                                                    \
				point = true;                                                                          \
				continue;                                                                              \
			}                                                                                              \
			seen++;                                                                                        \
			if (point && places == scale) {                                                                \
				if (digit != 0)                                                                        \
					return PG_WHY_DIGITS;                                                          \
				continue;                                                                              \
			}                                                                                              \
			places += point;                                                                               \
			if ((v != 0 || digit != 0) && ++significant > precision)                                       \
				return PG_WHY_DIGITS;                                                                  \
			v = v * 10 + digit;                                                                            \
		}                                                                                                      \
		if (seen == 0)                                                                                         \
			return special_text_why(s);                                                                    \
		if (v != 0 && significant + (scale - places) > precision)                                              \
			return PG_WHY_DIGITS;                                                                          \
		if (v != 0)                                                                                            \
			v *= power(scale - places);                                                                    \
		*out = negative ? -(itype)v : (itype)v;                                                                \
		return NULL;                                                                                           \
	}

NUMERIC_TEXT(64, int64_t, uint64_t, pow10_u64)
NUMERIC_TEXT(128, __int128, unsigned __int128, pow10_128)

/* -- binary to numeric_out's text */

size_t pg_numeric_text_bound(struct str s)
{
	struct digits d;

	if (!digits_read(s, &d))
		return 0;
	if (d.sign == SIGN_NAN || d.sign == SIGN_INFINITY || d.sign == SIGN_MINUS_INFINITY)
		return sizeof "-Infinity";
	if ((d.sign & ~SIGN_MINUS) != 0 || d.dscale > DSCALE_MAX)
		return 0;
	for (unsigned i = 0; i < d.n; i++)
		if (bytes_u16_be(d.p + 2 * i) > 9999)
			return 0;
	/* sign, whole part, point, places, a group written whole */
	return 1 + (d.weight < 0 ? 1 : 4 * ((size_t)d.weight + 1)) + 1 + d.dscale + 4;
}

static char *put_group(char *to, unsigned digit)
{
	to[0] = (char)('0' + digit / 1000);
	to[1] = (char)('0' + digit / 100 % 10);
	to[2] = (char)('0' + digit / 10 % 10);
	to[3] = (char)('0' + digit % 10);
	return to + 4;
}

static inline unsigned digit_at(const struct digits *d, int i)
{
	return i >= 0 && i < d->n ? bytes_u16_be(d->p + 2 * i) : 0;
}

static char *put_whole(char *to, const struct digits *d)
{
	char group[4];
	int skip = 0;

	if (d->weight < 0) {
		*to++ = '0';
		return to;
	}
	put_group(group, digit_at(d, 0)); /* the first group without leading zeros */
	while (skip < 3 && group[skip] == '0')
		skip++;
	memcpy(to, group + skip, (size_t)(4 - skip));
	to += 4 - skip;
	for (int i = 1; i <= d->weight; i++)
		to = put_group(to, digit_at(d, i));
	return to;
}

static size_t put_special(char *out, struct str word)
{
	memcpy(out, word.p, word.n);
	return word.n;
}

size_t pg_numeric_text_write(struct str s, char *out)
{
	struct digits d;
	char *to = out;

	if (!digits_read(s, &d))
		return 0;
	if (d.sign == SIGN_NAN)
		return put_special(out, STR_LIT("NaN"));
	if (d.sign == SIGN_INFINITY)
		return put_special(out, STR_LIT("Infinity"));
	if (d.sign == SIGN_MINUS_INFINITY)
		return put_special(out, STR_LIT("-Infinity"));
	if (d.sign == SIGN_MINUS)
		*to++ = '-';
	to = put_whole(to, &d);
	if (d.dscale > 0) {
		char *first = ++to;

		to[-1] = '.';
		for (int i = d.weight + 1; to - first < d.dscale; i++)
			to = put_group(to, digit_at(&d, i));
		to = first + d.dscale;
	}
	return (size_t)(to - out);
}
