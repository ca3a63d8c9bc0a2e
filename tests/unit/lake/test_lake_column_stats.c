/* tests/unit/lake/test_lake_column_stats.c — metrics of batches: hand-made cases with bytes from the specification, and random values against a plain loop. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/env_fault.h"
#include "base/mem.h"
#include "lake/bounds.h"
#include "lake/column_stats.h"

static struct err err;

#define T(k) ((struct type){ (k), 0, 0, 0 })

static void free_metrics(struct column_metrics *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bound_clear(&m[i].lower);
		bound_clear(&m[i].upper);
	}
	mem_free(m);
}

static void expect_counts(const struct column_metrics *m, uint64_t values, uint64_t nulls, int64_t nans)
{
	assert_int_equal(m->value_count, values);
	assert_int_equal(m->null_count, nulls);
	assert_int_equal(m->nan_count, nans);
}

static void expect_bound(const struct bound *b, const void *bytes, size_t n)
{
	assert_true(b->set);
	assert_int_equal(b->n, n);
	assert_memory_equal(b->p, bytes, n);
}

static struct column_metrics *gather(struct type type, const struct batch *b)
{
	struct lake_field field = { .name = (char *)"c", .type = type, .id = 7, .elem_id = 8 };
	struct column_stats *stats = column_stats_new(&field, 1);
	struct column_metrics *m;
	size_t n;

	assert_non_null(stats);
	/* In two parts: the same as at once. */
	assert_int_equal(column_stats_add(stats, b, 0, b->n / 2), 0);
	assert_int_equal(column_stats_add(stats, b, b->n / 2, b->n), 0);
	assert_int_equal(column_stats_finish(stats, &m, &n, &err), 0);
	assert_int_equal(n, 1);
	column_stats_free(stats);
	return m;
}

static void test_floats(void **state)
{
	static const double values[] = { NAN, 0.0, 2.5, -0.0, NAN, 1 };
	struct type type = T(TYPE_FLOAT64);
	struct batch *b = batch_new(&type, 1, 64);
	struct column_metrics *m;

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		COLUMN_AT(&b->columns[0], double, i) = values[i];
		column_set_valid(&b->columns[0], i);
	}
	b->n = 8; /* and two nulls */
	m = gather(type, b);
	assert_int_equal(m->field_id, 7);
	expect_counts(m, 8, 2, 2);
	expect_bound(&m->lower, "\0\0\0\0\0\0\0\x80", 8); /* -0.0 */
	expect_bound(&m->upper, "\0\0\0\0\0\0\x04\x40", 8); /* 2.5 */
	free_metrics(m, 1);
	/* Only NaN and null: counts without bounds. */
	for (uint32_t i = 0; i < 6; i++)
		COLUMN_AT(&b->columns[0], double, i) = (double)NAN;
	m = gather(type, b);
	expect_counts(m, 8, 2, 6);
	assert_false(m->lower.set);
	assert_false(m->upper.set);
	free_metrics(m, 1);
	batch_free(b);
}

static void test_text(void **state)
{
	static const char *const values[] = { "m", "abcdefgh", "abcdefg", "abcdefghi", "zz" "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz" "y", "z" };
	struct type type = T(TYPE_STRING);
	struct batch *b = batch_new(&type, 1, 8);
	struct column_metrics *m;

	(void)state;
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(column_set_bytes(b, &b->columns[0], i, str_of(values[i])), 0);
	b->n = 6;
	m = gather(type, b);
	expect_counts(m, 6, 0, -1);
	expect_bound(&m->lower, "abcdefg", 7);
	expect_bound(&m->upper, "zzzzzzzzzzzzzzz{", 16);
	free_metrics(m, 1);
	assert_int_equal(column_set_bytes(b, &b->columns[0], 3, STR_LIT("")), 0);
	m = gather(type, b);
	expect_bound(&m->lower, "", 0);
	free_metrics(m, 1);
	batch_free(b);
	type = T(TYPE_BINARY);
	b = batch_new(&type, 1, 8);
	assert_int_equal(column_set_bytes(b, &b->columns[0], 0, STR_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")), 0);
	assert_int_equal(column_set_bytes(b, &b->columns[0], 1, STR_LIT("\x00\x01")), 0);
	b->n = 2;
	m = gather(type, b);
	expect_bound(&m->lower, "\x00\x01", 2);
	assert_false(m->upper.set); /* cannot be rounded up */
	free_metrics(m, 1);
	batch_free(b);
}

static void test_other_types(void **state)
{
	struct type types[] = { T(TYPE_BOOL), { TYPE_DECIMAL, 30, 2, 0 }, T(TYPE_UUID), { TYPE_LIST, 0, 0, TYPE_FLOAT32 }, T(TYPE_INT32) };
	struct lake_field fields[5];
	struct batch *b = batch_new(types, 5, 64);
	struct column_stats *stats;
	struct column_metrics *m;
	int64_t at;
	size_t n;

	(void)state;
	for (int i = 0; i < 5; i++)
		fields[i] = (struct lake_field){ .name = (char *)"c", .type = types[i], .id = i + 1, .elem_id = types[i].kind == TYPE_LIST ? 20 : 0 };
	b->n = 3;
	for (uint32_t r = 0; r < 3; r++) {
		COLUMN_AT(&b->columns[0], uint8_t, r) = r == 1;
		COLUMN_AT(&b->columns[1], __int128, r) = (__int128)r * 100 - 128;
		memset((uint8_t *)b->columns[2].data + 16 * r, r == 0 ? 0x80 : (int)r, 16);
		for (int c = 0; c < 3; c++)
			column_set_valid(&b->columns[c], r);
	}
	at = column_set_list(b, &b->columns[3], 0, 3);
	COLUMN_AT(b->columns[3].child, float, at) = NAN;
	column_set_valid(b->columns[3].child, (uint32_t)at);
	COLUMN_AT(b->columns[3].child, float, at + 1) = 1;
	column_set_valid(b->columns[3].child, (uint32_t)at + 1);
	assert_true(column_set_list(b, &b->columns[3], 1, 0) >= 0);
	stats = column_stats_new(fields, 5);
	assert_int_equal(column_stats_add(stats, b, 0, 3), 0);
	assert_int_equal(column_stats_finish(stats, &m, &n, &err), 0);
	assert_int_equal(n, 5);
	expect_bound(&m[0].lower, "\0", 1);
	expect_bound(&m[0].upper, "\1", 1);
	expect_bound(&m[1].lower, "\x80", 1);    /* -1.28 */
	expect_bound(&m[1].upper, "\x48", 1);    /* 0.72 */
	expect_bound(&m[2].lower, "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 16);
	expect_bound(&m[2].upper, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 16); /* unsigned */
	assert_int_equal(m[3].field_id, 20);
	expect_counts(&m[3], 3, 1, 1);
	assert_false(m[3].lower.set);
	expect_counts(&m[4], 3, 3, -1);
	assert_false(m[4].lower.set);
	free_metrics(m, n);
	column_stats_reset(stats);
	assert_int_equal(column_stats_finish(stats, &m, &n, &err), 0);
	expect_counts(&m[0], 0, 0, -1);
	assert_false(m[0].lower.set);
	free_metrics(m, n);
	column_stats_free(stats);
	batch_free(b);
}

static int text_order(const char *a, const char *b) { return strcmp(a, b); }

static void test_random(void **state)
{
	struct type types[3] = { T(TYPE_INT32), T(TYPE_TIMESTAMP), T(TYPE_STRING) };
	struct lake_field fields[3];
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < 3; i++)
		fields[i] = (struct lake_field){ .name = (char *)"c", .type = types[i], .id = i + 1 };
	for (int round = 0; round < 200; round++) {
		struct column_stats *stats = column_stats_new(fields, 3);
		int32_t low32 = INT32_MAX, high32 = INT32_MIN;
		int64_t low64 = INT64_MAX, high64 = INT64_MIN;
		char low[24] = "\x7f", high[24] = "", text[24];
		uint64_t nulls = 0, rows = 0;
		struct column_metrics *m;
		size_t n;

		for (int batches = 0; batches < 3; batches++) {
			struct batch *b = batch_new(types, 3, 300);
			uint32_t from = (uint32_t)rand_r(&seed) % 100, to = from + (uint32_t)rand_r(&seed) % 200;
			bool dense = rand_r(&seed) & 1;

			for (uint32_t r = 0; r < 300; r++) {
				int32_t v = rand_r(&seed) - RAND_MAX / 2;
				bool valid = dense || rand_r(&seed) % 3;

				snprintf(text, sizeof text, "%.*s%d", rand_r(&seed) % 13, "pppppppppppp", v % 1000); /* up to 16 bytes: not truncated */
				if (!valid) {
					nulls += r >= from && r < to;
					continue;
				}
				COLUMN_AT(&b->columns[0], int32_t, r) = v;
				COLUMN_AT(&b->columns[1], int64_t, r) = (int64_t)v * 1000003;
				for (int c = 0; c < 2; c++)
					column_set_valid(&b->columns[c], r);
				assert_int_equal(column_set_bytes(b, &b->columns[2], r, str_of(text)), 0);
				if (r < from || r >= to)
					continue;
				low32 = v < low32 ? v : low32;
				high32 = v > high32 ? v : high32;
				low64 = (int64_t)v * 1000003 < low64 ? (int64_t)v * 1000003 : low64;
				high64 = (int64_t)v * 1000003 > high64 ? (int64_t)v * 1000003 : high64;
				if (text_order(text, low) < 0)
					memcpy(low, text, sizeof low);
				if (text_order(text, high) > 0)
					memcpy(high, text, sizeof high);
			}
			b->n = 300;
			rows += to - from;
			assert_int_equal(column_stats_add(stats, b, from, to), 0);
			batch_free(b);
		}
		assert_int_equal(column_stats_finish(stats, &m, &n, &err), 0);
		for (int c = 0; c < 3; c++)
			expect_counts(&m[c], rows, nulls, -1);
		if (rows > nulls) {
			expect_bound(&m[0].lower, &low32, 4);
			expect_bound(&m[0].upper, &high32, 4);
			expect_bound(&m[1].lower, &low64, 8);
			expect_bound(&m[1].upper, &high64, 8);
			expect_bound(&m[2].lower, low, strlen(low));
			expect_bound(&m[2].upper, high, strlen(high));
		}
		free_metrics(m, n);
		column_stats_free(stats);
	}
}

static void test_no_memory(void **state)
{
	struct type types[2] = { T(TYPE_INT32), T(TYPE_STRING) };
	struct lake_field fields[2];
	struct batch *b = batch_new(types, 2, 8);
	bool done = false;

	(void)state;
	for (int i = 0; i < 2; i++)
		fields[i] = (struct lake_field){ .name = (char *)"c", .type = types[i], .id = i + 1 };
	column_set_valid(&b->columns[0], 0);
	assert_int_equal(column_set_bytes(b, &b->columns[1], 0, STR_LIT("x")), 0);
	b->n = 1;
	for (uint64_t n = 1; !done; n++) {
		struct column_metrics *m = NULL;
		struct column_stats *stats;
		size_t n_metrics = 0;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		stats = column_stats_new(fields, 2);
		if (stats) {
			int rc;

			assert_int_equal(column_stats_add(stats, b, 0, 1), 0);
			rc = column_stats_finish(stats, &m, &n_metrics, &err);
			assert_int_equal(rc, env_fault_fired(ENV_ALLOC) ? ERR_NOMEM : 0);
			if (!rc)
				free_metrics(m, n_metrics);
			column_stats_free(stats);
		}
		done = !env_fault_fired(ENV_ALLOC);
		env_fault_remove();
	}
	batch_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_floats), cmocka_unit_test(test_text), cmocka_unit_test(test_other_types), cmocka_unit_test(test_random),
		cmocka_unit_test(test_no_memory) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
