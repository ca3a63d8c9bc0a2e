/* src/base/clock.h — times as text: UTC, ISO 8601. Values are microseconds since 1970-01-01 unless the name says
 * otherwise. */
#ifndef TARN_BASE_CLOCK_H
#define TARN_BASE_CLOCK_H

#include <stdint.h>

#include "base/str.h"

#define TIME_TEXT_MAX 40

const char *time_text(int64_t us, char buf[TIME_TEXT_MAX]);    /* 2026-11-23T17:49:40.123456Z */
const char *time_text_ms(int64_t us, char buf[TIME_TEXT_MAX]); /* 2026-11-23T17:49:40.123Z */
/* Accepts YYYY-MM-DD, and with [T ]HH:MM[:SS[.ffffff]] and an optional Z or +HH[:MM]; no zone means UTC. */
bool time_parse(struct str s, int64_t *us);
int64_t days_from_civil(int64_t year, unsigned month, unsigned day); /* days since 1970-01-01, proleptic Gregorian */
void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

#define SIZE_TEXT_MAX 32
const char *size_text(uint64_t bytes, char buf[SIZE_TEXT_MAX]); /* "12.3 MB" (powers of 1000), "512 B" */
const char *duration_text(int64_t us, char buf[SIZE_TEXT_MAX]); /* "850 ms", "1.25 s", "3m 20s", "2h 05m" */
const char *count_text(uint64_t n, char buf[SIZE_TEXT_MAX]);    /* "1,234,567" */

#endif
