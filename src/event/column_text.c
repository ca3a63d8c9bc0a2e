/* src/event/column_text.c — one value as text, for messages, `tarn journal cat` and tests. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/env.h"
#include "event/batch.h"

static void put_decimal(struct wbuf *out, __int128 v, unsigned scale)
{
	char digits[48];
	unsigned __int128 u = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
	int n = 0;

	do {
		digits[n++] = (char)('0' + (int)(u % 10));
		u /= 10;
	} while (u > 0 || n <= (int)scale);
	if (v < 0)
		wbuf_put_u8(out, '-');
	while (n > 0) {
		if (n == (int)scale)
			wbuf_put_u8(out, '.');
		wbuf_put_u8(out, (uint8_t)digits[--n]);
	}
}

static void put_date(struct wbuf *out, int64_t days)
{
	int64_t year;
	unsigned month, day;

	civil_from_days(days, &year, &month, &day);
	/* the sign is not one of the four digits of a year before 1 */
	wbuf_putf(out, "%s%04" PRId64 "-%02u-%02u", year < 0 ? "-" : "", year < 0 ? -year : year, month, day);
}

static void put_time(struct wbuf *out, int64_t us)
{
	wbuf_putf(out, "%02d:%02d:%02d.%06d", (int)(us / 3600000000), (int)(us / 60000000 % 60),
	          (int)(us / 1000000 % 60), (int)(us % 1000000));
}

static void put_timestamp(struct wbuf *out, int64_t us, bool zone)
{
	int64_t day_us = 86400000000, days = us / day_us, rest = us % day_us;

	if (rest < 0) {
		rest += day_us;
		days--;
	}
	put_date(out, days);
	wbuf_put_u8(out, 'T');
	put_time(out, rest);
	if (zone)
		wbuf_put_u8(out, 'Z');
}

static void put_double(struct wbuf *out, double v, int digits)
{
	if (isnan(v))
		wbuf_putz(out, "NaN");
	else if (isinf(v))
		wbuf_putz(out, v < 0 ? "-Infinity" : "Infinity");
	else
		wbuf_putf(out, "%.*g", digits, v);
}

static void put_hex(struct wbuf *out, const uint8_t *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		wbuf_put_u8(out, (uint8_t)hex[p[i] >> 4]);
		wbuf_put_u8(out, (uint8_t)hex[p[i] & 15]);
	}
}

static void put_list(struct wbuf *out, const struct column *c, struct list_ref ref)
{
	wbuf_put_u8(out, '[');
	for (uint32_t i = 0; i < ref.n; i++) {
		if (i > 0)
			wbuf_putz(out, ", ");
		column_text(c->child, ref.offset + i, out);
	}
	wbuf_put_u8(out, ']');
}

void column_text(const struct column *c, uint32_t row, struct wbuf *out)
{
	char uuid[37];

	if (!column_valid(c, row)) {
		wbuf_putz(out, "null");
		return;
	}
	switch ((enum type_kind)c->type.kind) {
	case TYPE_NONE: break;
	case TYPE_BOOL: wbuf_putz(out, COLUMN_AT(c, uint8_t, row) ? "true" : "false"); break;
	case TYPE_INT32: wbuf_putf(out, "%" PRId32, COLUMN_AT(c, int32_t, row)); break;
	case TYPE_INT64: wbuf_putf(out, "%" PRId64, COLUMN_AT(c, int64_t, row)); break;
	case TYPE_FLOAT32: put_double(out, COLUMN_AT(c, float, row), 9); break;
	case TYPE_FLOAT64: put_double(out, COLUMN_AT(c, double, row), 17); break;
	case TYPE_DECIMAL:
		put_decimal(out, c->type.precision <= 18 ? COLUMN_AT(c, int64_t, row) : COLUMN_AT(c, __int128, row),
		            c->type.scale);
		break;
	case TYPE_STRING: wbuf_put_str(out, COLUMN_AT(c, struct str, row)); break;
	case TYPE_BINARY:
		put_hex(out, (const uint8_t *)COLUMN_AT(c, struct str, row).p, COLUMN_AT(c, struct str, row).n);
		break;
	case TYPE_UUID: wbuf_putz(out, uuid_text((const uint8_t *)c->data + 16 * (size_t)row, uuid)); break;
	case TYPE_DATE: put_date(out, COLUMN_AT(c, int32_t, row)); break;
	case TYPE_TIME: put_time(out, COLUMN_AT(c, int64_t, row)); break;
	case TYPE_TIMESTAMP: put_timestamp(out, COLUMN_AT(c, int64_t, row), false); break;
	case TYPE_TIMESTAMPTZ: put_timestamp(out, COLUMN_AT(c, int64_t, row), true); break;
	case TYPE_LIST: put_list(out, c, COLUMN_AT(c, struct list_ref, row)); break;
	}
}
