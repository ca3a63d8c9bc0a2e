/* tests/unit/event/test_event_batch.c — batches: setting, copying, resetting values, failing allocations; values as text.
 *
 * Expected texts of times come from Python's datetime, of decimals from decimal, of floats from the shortest digits that read back (float32: 9, float64: 17 significant ones). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/env_fault.h"
#include "event/batch.h"

#define T(k) ((struct type){ .kind = TYPE_##k })
#define DEC(p, s) ((struct type){ .kind = TYPE_DECIMAL, .precision = (p), .scale = (s) })

static struct batch *batch_of(struct type type, uint32_t cap)
{
	struct batch *batch = batch_new(&type, 1, cap);

	assert_non_null(batch);
	return batch;
}

static void check_text(const struct column *c, uint32_t row, const char *want)
{
	struct wbuf out;

	wbuf_init(&out, 0);
	column_text(c, row, &out);
	assert_string_equal(wbuf_cstr(&out), want);
	wbuf_free(&out);
}

#define CHECK_VALUE(type, ctype, value, want)                                                                          \
	do {                                                                                                           \
		struct batch *b_ = batch_of((type), 1);                                                                \
		check_text(&b_->columns[0], 0, "null");                                                                \
		COLUMN_AT(&b_->columns[0], ctype, 0) = (value);                                                        \
		column_set_valid(&b_->columns[0], 0);                                                                  \
		check_text(&b_->columns[0], 0, (want));                                                                \
		batch_free(b_);                                                                                        \
	} while (0)

static __int128 wide(const char *digits)
{
	__int128 v = 0;

	for (; *digits; digits++)
		v = v * 10 + (*digits - '0');
	return v;
}

static void test_text_numbers(void **state)
{
	(void)state;
	CHECK_VALUE(T(BOOL), uint8_t, 1, "true");
	CHECK_VALUE(T(BOOL), uint8_t, 0, "false");
	CHECK_VALUE(T(INT32), int32_t, INT32_MIN, "-2147483648");
	CHECK_VALUE(T(INT64), int64_t, INT64_MIN, "-9223372036854775808");
	CHECK_VALUE(T(INT64), int64_t, INT64_MAX, "9223372036854775807");
	CHECK_VALUE(T(FLOAT32), float, 1.5f, "1.5");
	CHECK_VALUE(T(FLOAT32), float, 0.1f, "0.100000001");
	CHECK_VALUE(T(FLOAT64), double, 0.1, "0.10000000000000001");
	CHECK_VALUE(T(FLOAT64), double, -0.0, "-0");
	CHECK_VALUE(T(FLOAT64), double, NAN, "NaN");
	CHECK_VALUE(T(FLOAT64), double, -INFINITY, "-Infinity");
	CHECK_VALUE(T(FLOAT32), float, INFINITY, "Infinity");
	CHECK_VALUE(DEC(10, 2), int64_t, 12345, "123.45");
	CHECK_VALUE(DEC(10, 2), int64_t, -5, "-0.05");
	CHECK_VALUE(DEC(10, 2), int64_t, 0, "0.00");
	CHECK_VALUE(DEC(18, 0), int64_t, -999999999999999999, "-999999999999999999");
	CHECK_VALUE(DEC(18, 18), int64_t, 1, "0.000000000000000001");
	CHECK_VALUE(DEC(38, 0), __int128, wide("99999999999999999999999999999999999999"),
	            "99999999999999999999999999999999999999");
	CHECK_VALUE(DEC(38, 38), __int128, -wide("99999999999999999999999999999999999999"),
	            "-0.99999999999999999999999999999999999999");
	CHECK_VALUE(DEC(19, 4), __int128, wide("1234567890123456789"), "123456789012345.6789");
}

static void test_text_times(void **state)
{
	(void)state;
	CHECK_VALUE(T(DATE), int32_t, 0, "1970-01-01");
	CHECK_VALUE(T(DATE), int32_t, -1, "1969-12-31");
	CHECK_VALUE(T(DATE), int32_t, 11016, "2000-02-29");
	CHECK_VALUE(T(DATE), int32_t, -719162, "0001-01-01");
	CHECK_VALUE(T(DATE), int32_t, 2932896, "9999-12-31");
	CHECK_VALUE(T(DATE), int32_t, -735160, "-0043-03-15"); /* 44 BC: 400 years, 146097 days, before 357-03-15 */
	CHECK_VALUE(T(TIMESTAMP), int64_t, INT64_C(-735160) * 86400000000, "-0043-03-15T00:00:00.000000");
	CHECK_VALUE(T(TIME), int64_t, 0, "00:00:00.000000");
	CHECK_VALUE(T(TIME), int64_t, INT64_C(86399999999), "23:59:59.999999");
	CHECK_VALUE(T(TIMESTAMP), int64_t, 0, "1970-01-01T00:00:00.000000");
	CHECK_VALUE(T(TIMESTAMP), int64_t, -1, "1969-12-31T23:59:59.999999");
	CHECK_VALUE(T(TIMESTAMP), int64_t, INT64_C(-86400000000), "1969-12-31T00:00:00.000000");
	CHECK_VALUE(T(TIMESTAMPTZ), int64_t, INT64_C(1704067199123456), "2023-12-31T23:59:59.123456Z");
	CHECK_VALUE(T(TIMESTAMPTZ), int64_t, INT64_C(-62135596800000000), "0001-01-01T00:00:00.000000Z");
}

static void test_text_bytes(void **state)
{
	static const uint8_t uuid[16] = { 0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3,
		                          0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0xff };
	struct batch *batch = batch_of(T(UUID), 2);

	(void)state;
	memcpy((char *)batch->columns[0].data + 16, uuid, 16);
	column_set_valid(&batch->columns[0], 1);
	check_text(&batch->columns[0], 0, "null");
	check_text(&batch->columns[0], 1, "123e4567-e89b-12d3-a456-4266141740ff");
	batch_free(batch);
	batch = batch_of(T(BINARY), 2);
	assert_int_equal(column_set_bytes(batch, &batch->columns[0], 0, str_view("\0\x7f\xff", 3)), 0);
	assert_int_equal(column_set_bytes(batch, &batch->columns[0], 1, str_view(NULL, 0)), 0);
	check_text(&batch->columns[0], 0, "007fff");
	check_text(&batch->columns[0], 1, ""); /* empty is not null */
	batch_free(batch);
}

static void test_text_list(void **state)
{
	struct type type = { .kind = TYPE_LIST, .elem = TYPE_DECIMAL, .precision = 10, .scale = 1 };
	struct batch *batch = batch_of(type, 3);
	struct column *c = &batch->columns[0];
	int64_t first;

	(void)state;
	assert_int_equal(column_set_list(batch, c, 1, 0), 0);
	first = column_set_list(batch, c, 2, 3);
	assert_int_equal(first, 0);
	for (uint32_t i = 0; i < 3; i++) {
		if (i == 1)
			continue;
		COLUMN_AT(c->child, int64_t, (uint32_t)first + i) = i + 10;
		column_set_valid(c->child, (uint32_t)first + i);
	}
	check_text(c, 0, "null");
	check_text(c, 1, "[]");
	check_text(c, 2, "[1.0, null, 1.2]");
	batch_free(batch);
}

/* --- bits --- */

static void test_valid_bits(void **state)
{
	struct batch *batch = batch_of(T(BOOL), 130);
	struct column *c = &batch->columns[0];

	(void)state;
	for (uint32_t i = 0; i < 130; i += 3)
		column_set_valid(c, i);
	column_set_null(c, 63 * 2 + 3); /* 129: the last, in the third word */
	for (uint32_t i = 0; i < 130; i++)
		assert_int_equal(column_valid(c, i), i % 3 == 0 && i != 129);
	batch_free(batch);
}

/* --- copying and resetting --- */

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

static int fill(struct batch *batch, uint32_t row, uint32_t *seed)
{
	struct column *s = &batch->columns[0], *l = &batch->columns[1], *n = &batch->columns[2];
	uint32_t elements = next(seed) % 40;
	char text[32];
	int64_t first;

	memset(text, 'a' + (int)(next(seed) % 26), sizeof text);
	if (next(seed) % 4 && column_set_bytes(batch, s, row, str_view(text, next(seed) % sizeof text)))
		return -1;
	if (next(seed) % 4) {
		first = column_set_list(batch, l, row, elements);
		if (first < 0)
			return -1;
		for (uint32_t i = 0; i < elements; i++)
			if (next(seed) % 5 &&
			    column_set_bytes(batch, l->child, (uint32_t)first + i, str_view(text, next(seed) % 4)))
				return -1;
	}
	if (next(seed) % 4) {
		COLUMN_AT(n, __int128, row) = (__int128)next(seed) << 70;
		column_set_valid(n, row);
	}
	return 0;
}

static const struct type kinds[] = { { .kind = TYPE_STRING },
	                             { .kind = TYPE_LIST, .elem = TYPE_STRING },
	                             { .kind = TYPE_DECIMAL, .precision = 38 } };

static void same(const struct batch *a, uint32_t row_a, const struct batch *b, uint32_t row_b)
{
	for (int c = 0; c < 3; c++) {
		struct wbuf x;

		wbuf_init(&x, 0);
		column_text(&a->columns[c], row_a, &x);
		check_text(&b->columns[c], row_b, wbuf_cstr(&x));
		wbuf_free(&x);
	}
}

static void test_copy(void **state)
{
	enum { ROWS = 200 };
	struct batch *from = batch_new(kinds, 3, ROWS), *to = batch_new(kinds, 3, ROWS);
	uint32_t seed = 1;

	(void)state;
	assert_true(from && to);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t r = 0; r < ROWS; r++, from->n++)
			assert_int_equal(fill(from, r, &seed), 0);
		/* twice: what was there is replaced, null too */
		for (uint32_t turn = 0; turn < 2; turn++)
			for (uint32_t r = 0; r < ROWS; r++)
				for (int c = 0; c < 3; c++)
					assert_int_equal(column_copy(to, &to->columns[c], r, &from->columns[c],
					                             (r + turn * 7) % ROWS),
					                 0);
		to->n = ROWS;
		for (uint32_t r = 0; r < ROWS; r++)
			same(from, (r + 7) % ROWS, to, r);
		/* within one batch, as a mirror does: the list's elements move while they are read */
		for (uint32_t r = 0; r + 1 < ROWS; r++) {
			for (int c = 0; c < 3; c++)
				assert_int_equal(column_copy(to, &to->columns[c], r + 1, &to->columns[c], r), 0);
			same(from, 7, to, r + 1);
		}
		batch_reset(from);
		batch_reset(to);
		assert_int_equal(from->n, 0);
		assert_int_equal(to->columns[1].n_child, 0);
		for (uint32_t r = 0; r < ROWS; r++)
			for (int c = 0; c < 3; c++) {
				static const char zeros[16];

				assert_false(column_valid(&to->columns[c], r));
				assert_memory_equal((char *)to->columns[c].data + r * type_width(kinds[c]), zeros,
				                    type_width(kinds[c]));
			}
	}
	batch_free(from);
	batch_free(to);
	batch_free(NULL);
}

/* A row that failed half-way is not counted, and a reset clears it all the same. */
static void test_reset_half_row(void **state)
{
	struct batch *batch = batch_new(kinds, 3, 10);

	(void)state;
	assert_int_equal(column_set_bytes(batch, &batch->columns[0], 0, STR_LIT("x")), 0);
	batch_reset(batch);
	assert_false(column_valid(&batch->columns[0], 0));
	assert_null(COLUMN_AT(&batch->columns[0], struct str, 0).p);
	batch_free(batch);
}

static void test_bytes(void **state)
{
	struct batch *batch = batch_of(T(STRING), 100);
	size_t empty = batch_bytes(batch);
	char big[10000];

	(void)state;
	assert_true(empty >= 100 * sizeof(struct str));
	memset(big, 'x', sizeof big);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(column_set_bytes(batch, &batch->columns[0], i, str_view(big, sizeof big)), 0);
	assert_true(batch_bytes(batch) >= empty + 100 * sizeof big);
	batch_free(batch);
	batch = batch_of((struct type){ .kind = TYPE_LIST, .elem = TYPE_INT64 }, 1);
	empty = batch_bytes(batch);
	assert_int_equal(column_set_list(batch, &batch->columns[0], 0, 100000), 0);
	assert_true(batch_bytes(batch) >= empty + 90000 * sizeof(int64_t));
	assert_int_equal(column_set_list(batch, &batch->columns[0], 0, UINT32_MAX), -1); /* more than 32 bits count */
	batch_free(batch);
}

static void test_allocations(void **state)
{
	bool fired = true;

	(void)state;
	for (uint64_t n = 1; fired; n++) {
		struct batch *from, *to = NULL;
		uint32_t seed = 3;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		from = batch_new(kinds, 3, 20);
		if (from)
			to = batch_new(kinds, 3, 20);
		for (uint32_t r = 0; to && r < 20; r++) {
			if (fill(from, r, &seed))
				break;
			from->n++;
			if (column_copy(to, &to->columns[0], r, &from->columns[0], r) ||
			    column_copy(to, &to->columns[1], r, &from->columns[1], r) ||
			    column_copy(to, &to->columns[2], r, &from->columns[2], r))
				break;
			to->n++;
		}
		fired = env_fault_fired(ENV_ALLOC);
		env_fault_fail(ENV_ALLOC, 0, 0);
		assert_int_equal(!fired, to && to->n == 20);
		for (uint32_t r = 0; to && r < to->n; r++)
			same(from, r, to, r);
		batch_free(from);
		batch_free(to);
		env_fault_remove();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_numbers),   cmocka_unit_test(test_text_times),
		cmocka_unit_test(test_text_bytes),     cmocka_unit_test(test_text_list),
		cmocka_unit_test(test_valid_bits),     cmocka_unit_test(test_copy),
		cmocka_unit_test(test_reset_half_row), cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
