/* tests/unit/lake/test_lake_row_ids.c — row ids by file and position; and the life cycle of data files. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_row_ids), cmocka_unit_test(test_data_file) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
