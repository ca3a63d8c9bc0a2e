/* tests/unit/lake/test_lake_row_ids.c — row ids by file and position; and the life cycle of data files. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/env.h"
#include "base/mem.h"
#include "lake/data_file.h"
#include "lake/row_ids.h"

static void test_row_ids(void **state)
{
	struct row_ids *ids = row_ids_new();

	(void)state;
	assert_int_equal(row_ids_get(ids, 0, 0), -1);
	assert_int_equal(row_ids_set(ids, 3, 1000, 77), 0);
	assert_int_equal(row_ids_set(ids, 3, 0, 0), 0);
	assert_int_equal(row_ids_set(ids, 1, 5, INT64_MAX), 0);
	assert_int_equal(row_ids_get(ids, 3, 1000), 77);
	assert_int_equal(row_ids_get(ids, 3, 0), 0);
	assert_int_equal(row_ids_get(ids, 3, 999), -1);
	assert_int_equal(row_ids_get(ids, 3, 1001), -1);
	assert_int_equal(row_ids_get(ids, 2, 0), -1);
	assert_int_equal(row_ids_get(ids, 4, 0), -1);
	assert_int_equal(row_ids_get(ids, 1, 5), INT64_MAX);
	assert_true(row_ids_bytes(ids) >= 1001 * 8);
	row_ids_drop_file(ids, 3);
	row_ids_drop_file(ids, 99);
	assert_int_equal(row_ids_get(ids, 3, 1000), -1);
	assert_int_equal(row_ids_get(ids, 1, 5), INT64_MAX);
	assert_true(row_ids_bytes(ids) < 1001 * 8);
	assert_int_equal(row_ids_set(ids, 1, (uint64_t)1 << 33, 1), -1);
	row_ids_clear(ids);
	assert_int_equal(row_ids_get(ids, 1, 5), -1);
	assert_int_equal(row_ids_set(ids, 0, 2, 9), 0);
	assert_int_equal(row_ids_get(ids, 0, 2), 9);
	assert_int_equal(row_ids_get(ids, 0, 1), -1);
	row_ids_free(ids);
}

/* A million rows of a merged file take a few runs; what comes in any order is kept all the same. */
static void test_runs(void **state)
{
	struct row_ids *ids = row_ids_new();

	(void)state;
	for (uint32_t pos = 0; pos < 1000000; pos++)
		assert_int_equal(row_ids_set(ids, 0, pos, pos / 1000 * 5000 + pos % 1000), 0);
	assert_true(row_ids_bytes(ids) < 100000);
	for (uint32_t pos = 0; pos < 1000000; pos++)
		assert_int_equal(row_ids_get(ids, 0, pos), pos / 1000 * 5000 + pos % 1000);
	assert_int_equal(row_ids_get(ids, 0, 1000000), -1);
	assert_int_equal(row_ids_set(ids, 0, 500, 42), 0); /* set again */
	assert_int_equal(row_ids_get(ids, 0, 499), 499);
	assert_int_equal(row_ids_get(ids, 0, 500), 42);
	assert_int_equal(row_ids_get(ids, 0, 501), 501);
	row_ids_drop_file(ids, 0);
	assert_true(row_ids_bytes(ids) < 1000);
	row_ids_free(ids);
}

enum { FILES = 40, POSITIONS = 300 };

static void test_against_arrays(void **state)
{
	static int64_t want[FILES][POSITIONS];
	struct row_ids *ids = row_ids_new();
	unsigned seed = 5;

	(void)state;
	for (int f = 0; f < FILES; f++) {
		int64_t id = 1000;
		int jump = 1 + f % 7; /* how long runs are */

		for (int p = 0; p < POSITIONS; p++) {
			id += rand_r(&seed) % jump ? 1 : 1 + rand_r(&seed) % 50;
			want[f][p] = rand_r(&seed) % 9 ? id : -1;
			if (want[f][p] >= 0)
				assert_int_equal(row_ids_set(ids, f, p, id), 0);
		}
		for (int n = 0; n < f; n++) { /* later ones out of order */
			int p = rand_r(&seed) % POSITIONS;

			want[f][p] = rand_r(&seed);
			assert_int_equal(row_ids_set(ids, f, p, want[f][p]), 0);
		}
	}
	for (int f = 0; f < FILES; f++)
		for (int p = 0; p < POSITIONS; p++)
			assert_int_equal(row_ids_get(ids, f, p), want[f][p]);
	row_ids_free(ids);
}

static long calls;
static void *second_fails(size_t n) { return ++calls == 2 ? NULL : env_os.alloc(n); }

static void test_data_file(void **state)
{
	struct env_ops ops = env_os;
	struct data_file *file = data_file_new("file:///w/a.parquet");

	(void)state;
	assert_string_equal(file->path, "file:///w/a.parquet");
	assert_int_equal(file->first_row_id, -1);
	assert_int_equal(file->sequence, -1);
	assert_int_equal(file->file_sequence, -1);
	assert_int_equal(file->snapshot_id, -1);
	assert_int_equal(file->record_count, 0);
	assert_null(file->dv.path);
	file->metrics = mem_array(1, sizeof *file->metrics);
	file->n_metrics = 1;
	file->metrics[0].lower.p = mem_alloc(4);
	file->split_offsets = mem_array(2, 8);
	file->dv.path = mem_strdup("x");
	data_file_free(file);
	data_file_free(NULL);
	ops.alloc = second_fails;
	env_install(&ops);
	file = data_file_new("x");
	env_install(NULL);
	assert_null(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_row_ids), cmocka_unit_test(test_runs), cmocka_unit_test(test_against_arrays), cmocka_unit_test(test_data_file) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
