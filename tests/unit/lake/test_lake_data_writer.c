/* tests/unit/lake/test_lake_data_writer.c — rows in, a file and its description out: counts, bounds, positions over many batches; abort and failures leave nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "base/env.h"
#include "base/env_fault.h"
#include "base/json.h"
#include "lake/data_writer.h"
#include "support/lake_fixture.h"

static const struct lake_field fields[] = {
	{ .name = (char *)"id", .type = { .kind = TYPE_INT64 }, .id = 1, .required = true },
	{ .name = (char *)"text", .type = { .kind = TYPE_STRING }, .id = 2 },
	{ .name = (char *)"list", .type = { .kind = TYPE_LIST, .elem = TYPE_INT32 }, .id = 3, .elem_id = 4 },
	{ .name = (char *)"x", .type = { .kind = TYPE_FLOAT64 }, .id = 7 },
};

static struct lake_fixture f;
static char location[400];
static struct err err;

static void must(int rc)
{
	if (rc)
		fail_msg("%s: %s", err_name(rc), err.text);
}

static int setup(void **state)
{
	(void)state;
	lake_fixture_init(&f);
	store_uri(f.store, "bank/t", location, sizeof location);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lake_fixture_free(&f);
	return 0;
}

/* Row i: id i - 10; text "t<i % 10>", null when i is divisible by 3; list of i % 3 elements; x i / 2, NaN for row 5. */
static int put_row(struct data_writer *w, int64_t i)
{
	struct batch *batch;
	struct column *c;
	char text[24];
	int64_t first;
	uint32_t r;
	int rc = data_writer_row(w, &batch, &err);

	if (rc)
		return rc;
	c = batch->columns;
	r = batch->n;
	COLUMN_AT(&c[0], int64_t, r) = i - 10;
	column_set_valid(&c[0], r);
	snprintf(text, sizeof text, "t%d", (int)(i % 10));
	if (i % 3 && column_set_bytes(batch, &c[1], r, str_of(text)))
		return err_nomem(&err);
	first = column_set_list(batch, &c[2], r, (uint32_t)(i % 3));
	if (first < 0)
		return err_nomem(&err);
	for (uint32_t e = 0; e < (uint32_t)(i % 3); e++) {
		COLUMN_AT(c[2].child, int32_t, (uint32_t)first + e) = (int32_t)(i * 10 + e);
		column_set_valid(c[2].child, (uint32_t)first + e);
	}
	COLUMN_AT(&c[3], double, r) = i == 5 ? __builtin_nan("") : (double)i / 2;
	column_set_valid(&c[3], r);
	data_writer_next(batch);
	return 0;
}

static int check_batch(void *arg, const struct batch *batch, uint64_t first_row, struct err *e)
{
	uint64_t *n = arg;

	(void)e;
	assert_int_equal(first_row, *n);
	for (uint32_t r = 0; r < batch->n; r++) {
		int64_t i = (int64_t)(first_row + r);

		assert_int_equal(COLUMN_AT(&batch->columns[0], int64_t, r), i - 10);
		assert_int_equal(column_valid(&batch->columns[1], r), i % 3 != 0);
		assert_int_equal(COLUMN_AT(&batch->columns[2], struct list_ref, r).n, i % 3);
	}
	*n += batch->n;
	return 0;
}

static const struct column_metrics *metrics_of(const struct data_file *file, int32_t id)
{
	for (size_t i = 0; i < file->n_metrics; i++)
		if (file->metrics[i].field_id == id)
			return &file->metrics[i];
	fail_msg("no metrics of field %d", (int)id);
	return NULL;
}

static void check_bound(const struct bound *b, const void *want, uint32_t n)
{
	assert_true(b->set);
	assert_int_equal(b->n, n);
	assert_memory_equal(b->p, want, n);
}

static void test_file(void **state)
{
	enum { ROWS = 2 * BATCH_ROWS + 17 };
	struct parquet_field read[4];
	struct data_writer *w;
	struct data_file *file;
	struct store_object object;
	const struct column_metrics *m;
	const char *key;
	char path[4096], uri[1200];
	uint64_t n = 0, elements = 0, last_bytes = 0;
	int64_t low = -10, high = ROWS - 11;

	(void)state;
	must(data_writer_open(&f.lake, location, fields, 4, &w, &err));
	assert_int_equal(data_writer_rows(w), 0);
	for (int64_t i = 0; i < ROWS; i++) {
		must(put_row(w, i));
		elements += (uint64_t)(i % 3);
		assert_int_equal(data_writer_rows(w), i + 1);
		assert_true(data_writer_flushed(w) % BATCH_ROWS == 0 && data_writer_flushed(w) <= (uint64_t)i &&
		            (uint64_t)i - data_writer_flushed(w) < BATCH_ROWS);
		assert_true(data_writer_bytes(w) + 8192 >= last_bytes); /* an estimate, but it grows */
		last_bytes = data_writer_bytes(w);
	}
	assert_true(last_bytes > ROWS * 8);
	snprintf(uri, sizeof uri, "%s", data_writer_path(w));
	key = store_key(f.store, uri);
	assert_true(str_starts(str_of(key), "bank/t/data/") && str_ends(str_of(key), ".parquet"));
	assert_int_equal(store_head(f.store, key, &object, &err), ERR_NOT_FOUND); /* not half-way there */
	must(data_writer_finish(w, &file, &err));
	assert_string_equal(file->path, uri);
	assert_int_equal(store_head(f.store, key, &object, &err), 0);
	assert_int_equal(file->file_bytes, object.size);
	assert_int_equal(file->record_count, ROWS);
	assert_int_equal(file->first_row_id, -1);
	assert_int_equal(file->sequence, -1);
	assert_null(file->dv.path);
	assert_true(file->n_splits >= 1);
	assert_int_equal(file->split_offsets[0], 4); /* behind the magic "PAR1" */

	m = metrics_of(file, 1);
	assert_int_equal(m->value_count, ROWS);
	assert_int_equal(m->null_count, 0);
	assert_int_equal(m->nan_count, -1);
	assert_true(m->column_bytes > 0 && m->column_bytes < object.size);
	check_bound(&m->lower, &low,
	            8); /* Iceberg specification, "Binary single-value serialization": long, little endian */
	check_bound(&m->upper, &high, 8);
	m = metrics_of(file, 2);
	assert_int_equal(m->value_count, ROWS);
	assert_int_equal(m->null_count, (ROWS + 2) / 3);
	check_bound(&m->lower, "t0", 2);
	check_bound(&m->upper, "t9", 2);
	m = metrics_of(file, 4); /* elements, not the list */
	assert_true(m->value_count >= elements);
	m = metrics_of(file, 7);
	assert_int_equal(m->nan_count, 1);
	{
		double zero = -0.0, /* Parquet: the zero of a lower bound is the negative one */
			most = (ROWS - 1) / 2.0;

		check_bound(&m->lower, &zero, 8);
		check_bound(&m->upper, &most, 8);
	}
	for (size_t i = 0; i < 4; i++)
		read[i] = (struct parquet_field){ fields[i].name, fields[i].type, fields[i].id, fields[i].elem_id };
	must(f.store->ops->local_path(f.store, key, path, sizeof path, &err));
	must(parquet_read(f.lake.duck, path, read, 4, check_batch, &n, &err));
	assert_int_equal(n, ROWS);
	data_file_free(file);
}

static void check_empty(void)
{
	char *files = fixture_files(&f), **names, path[600];
	size_t n = 0;

	assert_string_equal(files, "");
	free(files);
	snprintf(path, sizeof path, "%s/warehouse/bank/t/data",
	         f.dir); /* temporary files too, which a list leaves out */
	if (env_list_dir(path, &names, &n) == 0)
		env_free_names(names, n);
	assert_int_equal(n, 0);
}

static void test_abort(void **state)
{
	struct data_writer *w;

	(void)state;
	must(data_writer_open(&f.lake, location, fields, 4, &w, &err));
	data_writer_abort(w);
	check_empty();
	for (int rows = 1; rows < 3 * BATCH_ROWS; rows += BATCH_ROWS) {
		must(data_writer_open(&f.lake, location, fields, 4, &w, &err));
		for (int i = 0; i < rows; i++)
			must(put_row(w, i));
		data_writer_abort(w);
		check_empty();
	}
	data_writer_abort(NULL);
}

static void test_location(void **state)
{
	struct data_writer *w = NULL;
	char far[2000];

	(void)state;
	assert_int_equal(data_writer_open(&f.lake, "file:///elsewhere/t", fields, 4, &w, &err), ERR_IDENTITY);
	assert_non_null(strstr(err.text, "/elsewhere/t"));
	memset(far, 'x', sizeof far);
	far[sizeof far - 1] = 0;
	assert_int_equal(data_writer_open(&f.lake, far, fields, 4, &w, &err), ERR_LIMIT);
	assert_null(w);
	check_empty();
}

static int write_file(void)
{
	struct data_writer *w;
	struct data_file *file;
	int rc = data_writer_open(&f.lake, location, fields, 4, &w, &err);

	if (rc)
		return rc;
	for (int64_t i = 0; i < BATCH_ROWS + 5; i++)
		if ((rc = put_row(w, i))) {
			data_writer_abort(w);
			return rc;
		}
	rc = data_writer_finish(w, &file, &err);
	if (!rc) {
		lake_remove(&f.lake, file->path);
		data_file_free(file);
	}
	return rc;
}

static void torture(enum env_call call, int error, int code)
{
	bool fired = true;

	for (uint64_t n = 1; fired; n += 1 + n / 60) {
		int rc;

		err = (struct err){ 0 };
		env_fault_install();
		env_fault_fail(call, n, error);
		rc = write_file();
		fired = env_fault_fired(call);
		env_fault_remove();
		if (rc && (!fired || err.code != rc || !err.text[0] || (code && rc != code)))
			fail_msg("call %llu: %s \"%s\"", (unsigned long long)n, err_name(rc), err.text);
		check_empty();
		lake_fixture_reopen(&f);
	}
}

static void test_failures(void **state)
{
	(void)state;
	must(write_file()); /* the folder and the engine are there */
	torture(ENV_ALLOC, ENOMEM, 0);
	torture(ENV_OPEN, EIO, ERR_IO);
	torture(ENV_PREAD, EIO, ERR_IO);
	torture(ENV_STAT, EIO, ERR_IO);
	torture(ENV_LINK, EIO, ERR_IO);
	torture(ENV_LINK, ENOSPC, ERR_DISK_FULL);
	torture(ENV_RENAME, EIO, ERR_IO);
	torture(ENV_SYNC, EIO, ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_abort, setup, teardown),
		cmocka_unit_test_setup_teardown(test_location, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
