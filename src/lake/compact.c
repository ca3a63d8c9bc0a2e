/* src/lake/compact.c — picking files by level and by deleted rows. */
#include "lake/compact.h"

#include <stdbool.h>

enum { LEVELS = 4 };

#define ROWS_MAX 2000000          /* a merge holds about 32 bytes for each */
#define ALONE_ROWS_FACTOR 4       /* a single file, written anew for its deleted rows, may have so many times more */
#define ALONE_BYTES_MIN (1 << 20) /* smaller ones are soon merged anyway */

struct compact_limits compact_limits(uint64_t data_file_bytes)
{
	return (struct compact_limits){ .bytes_max = data_file_bytes,
		                        .rows_max = ROWS_MAX,
		                        .files_min = 8,
		                        .deleted_percent = 30 };
}

static uint64_t live_rows(const struct compact_file *f) { return f->deleted < f->rows ? f->rows - f->deleted : 0; }

static uint64_t live_bytes(const struct compact_file *f)
{
	return f->rows ? (uint64_t)((double)f->bytes * (double)live_rows(f) / (double)f->rows) : f->bytes;
}

/* LEVELS: full. */
static int level_of(const struct compact_file *f, const struct compact_limits *limits)
{
	static const uint64_t below[LEVELS - 1] = { 128 << 10, 1 << 20, 8 << 20 };
	uint64_t bytes = live_bytes(f), full = limits->bytes_max / 4;

	if (bytes >= full || live_rows(f) >= limits->rows_max / 4)
		return LEVELS;
	for (int level = 0; level < LEVELS - 1; level++)
		if (bytes < below[level])
			return level;
	return LEVELS - 1;
}

/* Four files that are not full always fit. */
static size_t pick_level(const struct compact_file *files, size_t n, const struct compact_limits *limits, int level,
                         size_t *picked)
{
	uint64_t bytes = 0, rows = 0;
	size_t n_picked = 0;

	for (size_t i = 0; i < n && n_picked < COMPACT_FILES_MAX; i++) {
		if (level_of(&files[i], limits) != level)
			continue;
		bytes += live_bytes(&files[i]);
		rows += live_rows(&files[i]);
		if (n_picked && (bytes > limits->bytes_max || rows > limits->rows_max))
			break;
		picked[n_picked++] = i;
	}
	return n_picked;
}

static bool is_worn(const struct compact_file *f, const struct compact_limits *limits)
{
	return f->bytes >= ALONE_BYTES_MIN && (double)f->deleted * 100 > (double)f->rows * limits->deleted_percent &&
	       live_rows(f) <= limits->rows_max * ALONE_ROWS_FACTOR;
}

size_t compact_pick(const struct compact_file *files, size_t n, const struct compact_limits *limits, size_t *picked)
{
	size_t in_level[LEVELS + 1] = { 0 };

	for (size_t i = 0; i < n; i++)
		in_level[level_of(&files[i], limits)]++;
	for (int level = 0; level < LEVELS; level++) /* the lowest first: the most files for the least work */
		if (in_level[level] >= limits->files_min)
			return pick_level(files, n, limits, level, picked);
	for (size_t i = 0; i < n; i++) {
		if (is_worn(&files[i], limits)) {
			picked[0] = i;
			return 1;
		}
	}
	return 0;
}
