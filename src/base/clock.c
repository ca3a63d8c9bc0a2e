/* src/base/clock.c — times as text: the proleptic Gregorian calendar, UTC. */
#include "base/clock.h"

#include <stdio.h>

#define DAY_US INT64_C(86400000000)

/* Days are counted in eras of 400 years (146097 days) that start on 1 March, so that the leap day is the last of its
 * year. */
int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	unsigned yoe = (unsigned)(y - era * 400);
	unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + (int64_t)doe - 719468; /* 719468: 0000-03-01 to 1970-01-01 */
}

void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (int64_t)yoe + era * 400 + (*month <= 2);
}

static void text_of(int64_t us, char *buf, int digits)
{
	int64_t days = us / DAY_US, rest = us % DAY_US, year;
	unsigned month, day, second;
	char text[96]; /* as wide as the compiler thinks the fields could be */

	if (rest < 0) {
		rest += DAY_US;
		days--;
	}
	civil_from_days(days, &year, &month, &day);
	second = (unsigned)(rest / 1000000);
	rest %= 1000000;
	snprintf(text, sizeof text, "%s%04lld-%02u-%02uT%02u:%02u:%02u.%0*lldZ", year < 0 ? "-" : "",
	         (long long)(year < 0 ? -year : year), month, day, second / 3600, second / 60 % 60, second % 60, digits,
	         (long long)(digits == 3 ? rest / 1000 : rest));
	str_copy(buf, TIME_TEXT_MAX, str_of(text));
}

const char *time_text(int64_t us, char buf[TIME_TEXT_MAX])
{
	text_of(us, buf, 6);
	return buf;
}

const char *time_text_ms(int64_t us, char buf[TIME_TEXT_MAX])
{
	text_of(us, buf, 3);
	return buf;
}

/* Exactly n digits at the front of *s. */
static bool take_digits(struct str *s, size_t n, unsigned *out)
{
	*out = 0;
	if (s->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		*out = *out * 10 + (unsigned)(s->p[i] - '0');
	}
	s->p += n;
	s->n -= n;
	return true;
}

static bool take_char(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	s->p++;
	s->n--;
	return true;
}

static bool is_leap(unsigned year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

static bool take_date(struct str *s, int64_t *us)
{
	static const unsigned char days_in[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year, month, day;

	if (!take_digits(s, 4, &year) || !take_char(s, '-') || !take_digits(s, 2, &month) || !take_char(s, '-') ||
	    !take_digits(s, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_in[month - 1] + (unsigned)(month == 2 && is_leap(year)))
		return false;
	*us = days_from_civil(year, month, day) * DAY_US;
	return true;
}

static bool take_clock(struct str *s, int64_t *us)
{
	unsigned hour, minute, second = 0, digit, scale = 100000;

	if (!take_digits(s, 2, &hour) || !take_char(s, ':') || !take_digits(s, 2, &minute) || hour > 23 || minute > 59)
		return false;
	if (take_char(s, ':') && (!take_digits(s, 2, &second) || second > 59))
		return false;
	*us += ((int64_t)hour * 3600 + minute * 60 + second) * 1000000;
	if (!take_char(s, '.'))
		return true;
	if (!take_digits(s, 1, &digit))
		return false;
	do {
		if (scale == 0)
			return false; /* more than six digits cannot be kept */
		*us += (int64_t)digit * scale;
		scale /= 10;
	} while (take_digits(s, 1, &digit));
	return true;
}

static bool take_zone(struct str *s, int64_t *us)
{
	unsigned hour, minute = 0;
	int64_t sign;

	if (s->n == 0 || take_char(s, 'Z') || take_char(s, 'z'))
		return true;
	sign = take_char(s, '+') ? 1 : take_char(s, '-') ? -1 : 0;
	if (sign == 0 || !take_digits(s, 2, &hour))
		return false;
	if (s->n) {
		take_char(s, ':');
		if (!take_digits(s, 2, &minute))
			return false;
	}
	if (hour > 15 || minute > 59)
		return false;
	*us -= sign * ((int64_t)hour * 3600 + minute * 60) * 1000000;
	return true;
}

bool time_parse(struct str s, int64_t *us)
{
	int64_t t;

	if (!take_date(&s, &t))
		return false;
	if (s.n) {
		if (!take_char(&s, 'T') && !take_char(&s, ' ') && !take_char(&s, 't'))
			return false;
		if (!take_clock(&s, &t) || !take_zone(&s, &t) || s.n)
			return false;
	}
	*us = t;
	return true;
}

const char *size_text(uint64_t bytes, char buf[SIZE_TEXT_MAX])
{
	static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes / 1000;
	size_t unit = 0;

	if (bytes < 1000) {
		snprintf(buf, SIZE_TEXT_MAX, "%u B", (unsigned)bytes);
		return buf;
	}
	while (v >= 999.95 && unit + 1 < sizeof units / sizeof units[0]) {
		v /= 1000;
		unit++;
	}
	snprintf(buf, SIZE_TEXT_MAX, "%.1f %s", v, units[unit]);
	return buf;
}

const char *duration_text(int64_t us, char buf[SIZE_TEXT_MAX])
{
	const char *sign = us < 0 ? "-" : "";
	uint64_t v = us < 0 ? 0 - (uint64_t)us : (uint64_t)us, s = v / 1000000;

	if (v < 1000)
		snprintf(buf, SIZE_TEXT_MAX, "%s%u us", sign, (unsigned)v);
	else if (v < 1000000)
		snprintf(buf, SIZE_TEXT_MAX, "%s%u ms", sign, (unsigned)(v / 1000));
	else if (s < 60)
		snprintf(buf, SIZE_TEXT_MAX, "%s%u.%02u s", sign, (unsigned)s, (unsigned)(v % 1000000 / 10000));
	else if (s < 3600)
		snprintf(buf, SIZE_TEXT_MAX, "%s%um %02us", sign, (unsigned)(s / 60), (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(buf, SIZE_TEXT_MAX, "%s%uh %02um", sign, (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
	else
		snprintf(buf, SIZE_TEXT_MAX, "%s%llud %02uh", sign, (unsigned long long)(s / 86400),
		         (unsigned)(s / 3600 % 24));
	return buf;
}

const char *count_text(uint64_t n, char buf[SIZE_TEXT_MAX])
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
	char *p = buf;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*p++ = ',';
		*p++ = digits[i];
	}
	*p = '\0';
	return buf;
}
