/* tests/unit/lake/test_lake_parquet_footer.c — footers of files written by pyarrow 26 and DuckDB 2.0 (tests/data/parquet); expected values are pyarrow's read_metadata. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/env_fault.h"
#include "base/mem.h"
#include "lake/parquet_footer.h"

#define DATA "tests/data/parquet/"

static struct err err;

static void expect(const char *path, uint64_t bytes, uint64_t rows, const uint64_t *splits, size_t n_splits, const int32_t *ids, const uint64_t *sizes, size_t n)
{
	struct parquet_footer *f;

	if (parquet_footer_read(path, &f, &err))
		fail_msg("%s", err.text);
	assert_int_equal(f->file_bytes, bytes);
	assert_int_equal(f->rows, rows);
	assert_int_equal(f->n_splits, n_splits);
	for (size_t i = 0; i < n_splits; i++)
		assert_int_equal(f->splits[i], splits[i]);
	assert_int_equal(f->n_leaves, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(f->leaves[i].field_id, ids[i]);
		assert_int_equal(f->leaves[i].column_bytes, sizes[i]);
	}
	parquet_footer_free(f);
}

static void test_files(void **state)
{
	(void)state;
	expect(DATA "pyarrow.parquet", 5165, 300, (uint64_t[]){ 4, 1129, 2236 }, 3, (int32_t[]){ 1, 2, 4, 5 }, (uint64_t[]){ 1054, 443, 441, 1039 }, 4);
	expect(DATA "pyarrow-empty.parquet", 1273, 0, NULL, 0, (int32_t[]){ 1, 2, 4, 5 }, (uint64_t[]){ 15, 15, 15, 15 }, 4);
	expect(DATA "no-ids.parquet", 466, 3, (uint64_t[]){ 4 }, 1, (int32_t[]){ PARQUET_NO_FIELD_ID }, (uint64_t[]){ 90 }, 1);
	expect(DATA "duckdb.parquet", 17139, 2500, (uint64_t[]){ 4, 13109 }, 2, (int32_t[]){ 1, 2, 4, 2147483540 }, (uint64_t[]){ 4073, 254, 5427, 6334 }, 4);
}

static void test_describe(void **state)
{
	struct data_file *file = data_file_new("file:///w/x.parquet");

	(void)state;
	file->metrics = mem_array(3, sizeof *file->metrics);
	file->n_metrics = 3;
	file->metrics[0].field_id = 4;
	file->metrics[1].field_id = 99;
	file->metrics[2].field_id = 1;
	assert_int_equal(parquet_footer_describe(DATA "pyarrow.parquet", file, &err), 0);
	assert_int_equal(file->record_count, 300);
	assert_int_equal(file->file_bytes, 5165);
	assert_int_equal(file->n_splits, 3);
	assert_int_equal(file->split_offsets[2], 2236);
	assert_int_equal(file->metrics[0].column_bytes, 441);
	assert_int_equal(file->metrics[1].column_bytes, 0);
	assert_int_equal(file->metrics[2].column_bytes, 1054);
	data_file_free(file);
}

static void test_bad_files(void **state)
{
	struct parquet_footer *f;
	char path[64];
	static const char *const bad[] = { "", "PAR1", "PAR1\1\0\0\0PAR1xxxx", ("PAR1\xff\xff\xff\x7f" "PAR1"), "PAR1\0\0\0\0\x05\0\0\0PAR1" };
	static const size_t sizes[] = { 0, 4, 16, 12, 16 };

	(void)state;
	snprintf(path, sizeof path, "/tmp/tarn-parquet-footer-%lld", (long long)env_wall_us());
	assert_int_equal(parquet_footer_read("/tmp/no/such/file.parquet", &f, &err), ERR_NOT_FOUND);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(env_write_file_atomic(path, bad[i], sizes[i], 0600), 0);
		assert_int_equal(parquet_footer_read(path, &f, &err), ERR_CORRUPT);
		assert_non_null(strstr(err.text, path));
	}
	assert_int_equal(env_write_file_atomic(path, "PAR1\0\0\0\0PARE", 12, 0600), 0);
	assert_int_equal(parquet_footer_read(path, &f, &err), ERR_UNSUPPORTED);
	env_unlink(path);
}

/* Every cut and many changed bytes: an error or an answer, never a crash or an endless loop (run under the sanitizers). */
static void test_mutations(void **state)
{
	static const char *const paths[] = { DATA "pyarrow.parquet", DATA "duckdb.parquet" };
	unsigned seed = 99;

	(void)state;
	for (size_t p = 0; p < 2; p++) {
		char *bytes, *copy;
		size_t size, n;
		uint32_t footer;
		struct parquet_footer *f;

		assert_int_equal(env_read_file(paths[p], 1 << 20, &bytes, &size), 0);
		memcpy(&footer, bytes + size - 8, 4);
		n = footer;
		copy = mem_alloc(n);
		assert_non_null(copy);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(parquet_footer_parse(str_view(bytes + size - 8 - n, cut), size, "x", &f, &err), ERR_CORRUPT);
		for (int i = 0; i < 30000; i++) {
			memcpy(copy, bytes + size - 8 - n, n);
			for (int k = 0; k < 3; k++)
				copy[(size_t)rand_r(&seed) % n] = (char)rand_r(&seed);
			if (parquet_footer_parse(str_view(copy, n), size, "x", &f, &err) == 0) {
				for (size_t s = 0; s < f->n_splits; s++)
					assert_true(f->splits[s] < size && (s == 0 || f->splits[s] > f->splits[s - 1]));
				parquet_footer_free(f);
			}
		}
		mem_free(copy);
		mem_free(bytes);
	}
}

static void test_failures(void **state)
{
	static const struct { enum env_call call; int error, want; } kinds[] = { { ENV_ALLOC, ENOMEM, ERR_NOMEM }, { ENV_PREAD, EIO, ERR_IO }, { ENV_OPEN, EACCES, ERR_IO }, { ENV_STAT, EACCES, ERR_IO } };

	(void)state;
	for (size_t k = 0; k < 4; k++) {
		bool done = false;

		for (uint64_t n = 1; !done; n++) {
			struct parquet_footer *f;
			int rc;

			env_fault_install();
			env_fault_fail(kinds[k].call, n, kinds[k].error);
			rc = parquet_footer_read(DATA "duckdb.parquet", &f, &err);
			done = !env_fault_fired(kinds[k].call);
			env_fault_remove();
			assert_int_equal(rc, done ? 0 : kinds[k].want);
			if (!rc)
				parquet_footer_free(f);
			assert_true(n < 100);
			assert_true(!done || n > 1); /* each kind is called at least once */
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_files), cmocka_unit_test(test_describe), cmocka_unit_test(test_bad_files), cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_failures) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
