/* tests/unit/lake/test_compact.c — which files are picked, and what a year of publishes leaves and costs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lake/compact.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define FILES_MAX 4000

static struct compact_file files[FILES_MAX];
static size_t n_files, picked[COMPACT_FILES_MAX];
static struct compact_limits limits;

static int setup(void **state)
{
	(void)state;
	n_files = 0;
	limits = compact_limits(128 * MIB);
	return 0;
}

static void add(size_t n, uint64_t bytes, uint64_t rows, uint64_t deleted)
{
	for (size_t i = 0; i < n; i++)
		files[n_files++] = (struct compact_file){ bytes, rows, deleted };
}

static size_t pick(void) { return compact_pick(files, n_files, &limits, picked); }

static void test_nothing(void **state)
{
	(void)state;
	assert_int_equal(pick(), 0);
	add(7, 4 * KIB, 10, 0);        /* one too few in each level */
	add(7, 512 * KIB, 1000, 0);
	add(7, 2 * MIB, 1000, 0);
	add(7, 10 * MIB, 1000, 0);
	add(100, 32 * MIB, 1000, 0);   /* full */
	add(100, 5 * MIB, 500000, 0);  /* full of rows */
	assert_int_equal(pick(), 0);
}

static void test_lowest_level_first_oldest_first(void **state)
{
	(void)state;
	add(9, 2 * MIB, 1000, 0);
	add(3, 4 * KIB, 10, 0);
	add(1, 500 * MIB, 10, 0);
	add(6, 5 * KIB, 10, 0);
	assert_int_equal(pick(), 9);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(picked[i], i < 3 ? 9 + i : 10 + i);
	n_files = 9;
	assert_int_equal(pick(), 9);
	assert_int_equal(picked[0], 0);
}

static void test_bounds_of_one_merge(void **state)
{
	(void)state;
	add(1000, 1 * KIB, 1, 0);
	assert_int_equal(pick(), COMPACT_FILES_MAX);
	n_files = 0;
	add(20, 30 * MIB, 1000, 0); /* 4 * 30 fit below 128 */
	assert_int_equal(pick(), 4);
	n_files = 0;
	add(20, 10 * MIB, 450000, 0); /* 4 * 450000 fit below two million rows */
	assert_int_equal(pick(), 4);
}

/* A file counts by what lives in it; a large one is written anew alone. */
static void test_deleted_rows(void **state)
{
	(void)state;
	add(8, 100 * MIB, 1000, 995);
	assert_int_equal(pick(), 8);
	n_files = 0;
	add(1, 100 * MIB, 100000, 30000);
	assert_int_equal(pick(), 0);
	add(1, 100 * MIB, 100000, 30001);
	assert_int_equal(pick(), 1);
	assert_int_equal(picked[0], 1);
	n_files = 0;
	add(1, 100 * KIB, 100, 99); /* small: waits for company */
	assert_int_equal(pick(), 0);
	add(1, 1000 * MIB, 100000000, 50000000); /* too many rows to remember */
	assert_int_equal(pick(), 0);
}

/* One file a second, of 2 KiB and of 300 KiB: live files stay few, and each byte is written a few times only. */
static void simulate(uint64_t bytes, size_t publishes, size_t live_max, double writes_max)
{
	uint64_t arrived = 0, written = 0;
	size_t most = 0;

	n_files = 0;
	for (size_t i = 0; i < publishes; i++) {
		size_t n, full = 0, left = 0, next = 0;
		struct compact_file sum = { 0, 0, 0 };

		add(1, bytes, 10, 0);
		arrived += bytes;
		n = pick();
		for (size_t k = 0; k < n_files; k++) {
			if (next < n && picked[next] == k) {
				sum.bytes += files[k].bytes;
				sum.rows += files[k].rows;
				next++;
			} else {
				files[left++] = files[k];
			}
		}
		n_files = left;
		if (n)
			files[n_files++] = sum;
		written += sum.bytes;
		for (size_t k = 0; k < n_files; k++)
			full += files[k].bytes >= 32 * MIB;
		assert_true(sum.bytes <= 128 * MIB);
		most = n_files - full > most ? n_files - full : most;
	}
	assert_in_range(most, 7, live_max);
	assert_true((double)written / (double)arrived < writes_max);
}

static void test_a_day_of_publishes(void **state)
{
	(void)state;
	simulate(2 * KIB, 86400, 30, 15);
	simulate(300 * KIB, 20000, 24, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing, setup),
		cmocka_unit_test_setup(test_lowest_level_first_oldest_first, setup),
		cmocka_unit_test_setup(test_bounds_of_one_merge, setup),
		cmocka_unit_test_setup(test_deleted_rows, setup),
		cmocka_unit_test_setup(test_a_day_of_publishes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
