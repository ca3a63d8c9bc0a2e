/* tests/unit/lake/test_lake_key.c — keys of rows. Hashes were computed with Python's xxhash.xxh3_128 over struct-packed encodings (key.c). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <math.h>
#include <cmocka.h>

#include "lake/key.h"

static struct err err;
static const uint16_t order[] = { 0, 1, 2 };

#define T(k) ((struct type){ (k), 0, 0, 0 })

/* A batch of one column of this type, n rows, all null. */
static struct batch *batch_of(const struct type *types, uint16_t n, uint32_t rows)
{
	struct batch *b = batch_new(types, n, rows);

	assert_non_null(b);
	b->n = rows;
	return b;
}

static struct lake_key key_at(const struct type *types, uint16_t n, const struct batch *b, uint32_t row)
{
	struct key_def *def;
	struct lake_key key, same;

	assert_int_equal(key_def_new(types, n, &def, &err), 0);
	key = key_of_row(def, b, order, row);
	key_of_rows(def, b, order, row, row + 1, &same);
	assert_true(lake_key_eq(key, same));
	key_def_free(def);
	return key;
}

static void expect(struct lake_key key, uint64_t hi, uint64_t lo)
{
	assert_int_equal(key.hi, hi);
	assert_int_equal(key.lo, lo);
}

static void test_integers(void **state)
{
	static const uint8_t kinds[] = { TYPE_INT64, TYPE_TIME, TYPE_TIMESTAMP, TYPE_TIMESTAMPTZ };
	static const int64_t values[] = { INT64_MIN, -1, 0, 1, INT64_MAX };
	static const uint64_t keys[] = { 0, UINT64_C(0x7fffffffffffffff), UINT64_C(0x8000000000000000), UINT64_C(0x8000000000000001), UINT64_MAX };

	(void)state;
	for (size_t k = 0; k < 4; k++) {
		struct type type = T(kinds[k]);
		struct batch *b = batch_of(&type, 1, 5);

		for (uint32_t i = 0; i < 5; i++) {
			COLUMN_AT(&b->columns[0], int64_t, i) = values[i];
			column_set_valid(&b->columns[0], i);
			expect(key_at(&type, 1, b, i), 0, keys[i]);
		}
		batch_free(b);
	}
	for (size_t k = 0; k < 2; k++) { /* int and date: as long */
		struct type type = T(k ? TYPE_DATE : TYPE_INT32);
		struct batch *b = batch_of(&type, 1, 3);

		for (uint32_t i = 0; i < 3; i++) {
			COLUMN_AT(&b->columns[0], int32_t, i) = (int32_t)values[i + 1];
			column_set_valid(&b->columns[0], i);
			expect(key_at(&type, 1, b, i), 0, keys[i + 1]);
		}
		batch_free(b);
	}
}

static void test_uuid(void **state)
{
	static const uint8_t uuid[16] = { 0xf7, 0x9c, 0x3e, 0x09, 0x67, 0x7c, 0x4b, 0xbd, 0xa4, 0x79, 0x3f, 0x34, 0x9c, 0xb7, 0x85, 0xe7 };
	struct type types[3] = { T(TYPE_UUID), T(TYPE_BOOL), T(TYPE_DATE) };
	struct batch *b = batch_of(types, 3, 1);

	(void)state;
	memcpy(b->columns[0].data, uuid, 16);
	COLUMN_AT(&b->columns[1], uint8_t, 0) = 1;
	COLUMN_AT(&b->columns[2], int32_t, 0) = -1;
	for (int i = 0; i < 3; i++)
		column_set_valid(&b->columns[i], 0);
	expect(key_at(types, 1, b, 0), UINT64_C(0xf79c3e09677c4bbd), UINT64_C(0xa4793f349cb785e7));
	expect(key_at(types, 3, b, 0), UINT64_C(0x7669a18b4cdc87f1), UINT64_C(0x1fcbab8825795034));
	batch_free(b);
}

static void test_hashes(void **state)
{
	struct type text = T(TYPE_STRING), pair[2] = { T(TYPE_INT32), T(TYPE_STRING) }, wide_pair[2] = { T(TYPE_INT64), T(TYPE_STRING) };
	struct batch *b = batch_of(&text, 1, 1);

	(void)state;
	assert_int_equal(column_set_bytes(b, &b->columns[0], 0, STR_LIT("abc")), 0);
	expect(key_at(&text, 1, b, 0), UINT64_C(0xe07846f93109d7cd), UINT64_C(0x2e1fc0f94cebca75));
	batch_free(b);
	/* (int, text) and (long, text) are one key. */
	b = batch_of(pair, 2, 1);
	COLUMN_AT(&b->columns[0], int32_t, 0) = -7;
	column_set_valid(&b->columns[0], 0);
	assert_int_equal(column_set_bytes(b, &b->columns[1], 0, STR_LIT("")), 0);
	expect(key_at(pair, 2, b, 0), UINT64_C(0xa6bf56d12b81ca3a), UINT64_C(0xd3dbae635e169049));
	batch_free(b);
	b = batch_of(wide_pair, 2, 1);
	COLUMN_AT(&b->columns[0], int64_t, 0) = -7;
	column_set_valid(&b->columns[0], 0);
	assert_int_equal(column_set_bytes(b, &b->columns[1], 0, STR_LIT("")), 0);
	expect(key_at(wide_pair, 2, b, 0), UINT64_C(0xa6bf56d12b81ca3a), UINT64_C(0xd3dbae635e169049));
	batch_free(b);
}

static void test_floats(void **state)
{
	static const uint8_t kinds[2] = { TYPE_FLOAT32, TYPE_FLOAT64 };

	(void)state;
	for (int wide = 0; wide < 2; wide++) { /* null, -0.0, a NaN with a sign: as null, 0.0, NaN; float as double */
		struct type types[3] = { T(TYPE_STRING), T(kinds[wide]), T(kinds[wide]) };
		struct batch *b = batch_of(types, 3, 1);

		if (wide) {
			COLUMN_AT(&b->columns[1], double, 0) = -0.0;
			COLUMN_AT(&b->columns[2], double, 0) = -(double)NAN;
		} else {
			COLUMN_AT(&b->columns[1], float, 0) = -0.0f;
			COLUMN_AT(&b->columns[2], float, 0) = -NAN;
		}
		column_set_valid(&b->columns[1], 0);
		column_set_valid(&b->columns[2], 0);
		expect(key_at(types, 3, b, 0), UINT64_C(0x38dbda8aeeec5c98), UINT64_C(0x7a943838255131d9));
		batch_free(b);
	}
}

static void test_decimals(void **state)
{
	static const struct { uint8_t precision, scale; int64_t unscaled; } same[] = { { 5, 1, 15 }, { 9, 2, 150 }, { 18, 4, 15000 }, { 38, 10, 15000000000 } };
	struct type wide = { TYPE_DECIMAL, 38, 2, 0 };
	struct batch *b;
	__int128 v = -3;

	(void)state;
	for (size_t i = 0; i < 4; i++) { /* 1.5 however it is kept */
		struct type type = { TYPE_DECIMAL, same[i].precision, same[i].scale, 0 };

		b = batch_of(&type, 1, 1);
		if (type.precision > 18)
			COLUMN_AT(&b->columns[0], __int128, 0) = same[i].unscaled;
		else
			COLUMN_AT(&b->columns[0], int64_t, 0) = same[i].unscaled;
		column_set_valid(&b->columns[0], 0);
		expect(key_at(&type, 1, b, 0), UINT64_C(0x684c9de2ba2dec38), UINT64_C(0x9f2daf4bbb1a7316));
		batch_free(b);
	}
	for (int i = 0; i < 32; i++)
		v *= 10;
	b = batch_of(&wide, 1, 1);
	COLUMN_AT(&b->columns[0], __int128, 0) = v; /* -3e32 unscaled: -3e30 */
	column_set_valid(&b->columns[0], 0);
	expect(key_at(&wide, 1, b, 0), UINT64_C(0x5a30444bc11a9c2b), UINT64_C(0x1401aae3cff03f52));
	batch_free(b);
}

static void test_lists_and_long_keys(void **state)
{
	struct type list = { TYPE_LIST, 0, 0, TYPE_INT32 }, long_key[3] = { T(TYPE_STRING), T(TYPE_STRING), T(TYPE_TIMESTAMPTZ) };
	struct batch *b = batch_of(&list, 1, 1);
	char xs[700];
	int64_t at;

	(void)state;
	at = column_set_list(b, &b->columns[0], 0, 3);
	assert_true(at >= 0);
	for (int i = 0; i < 3; i += 2) { /* [1, null, 2] */
		COLUMN_AT(b->columns[0].child, int32_t, at + i) = i / 2 + 1;
		column_set_valid(b->columns[0].child, (uint32_t)(at + i));
	}
	expect(key_at(&list, 1, b, 0), UINT64_C(0xd95821a67c29c922), UINT64_C(0x104314416d1e3a0a));
	batch_free(b);
	b = batch_of(long_key, 3, 1); /* longer than the encoder's buffer */
	memset(xs, 'x', sizeof xs);
	assert_int_equal(column_set_bytes(b, &b->columns[0], 0, str_view(xs, 300)), 0);
	memset(xs, 'y', sizeof xs);
	assert_int_equal(column_set_bytes(b, &b->columns[1], 0, str_view(xs, 700)), 0);
	COLUMN_AT(&b->columns[2], int64_t, 0) = 5;
	column_set_valid(&b->columns[2], 0);
	expect(key_at(long_key, 3, b, 0), UINT64_C(0xb044fa94d372bf84), UINT64_C(0xef1d57d10176278c));
	batch_free(b);
}

static void test_kinds(void **state)
{
	struct type types[2] = { T(TYPE_INT32), T(TYPE_INT32) }, text = T(TYPE_STRING), none = T(TYPE_NONE);
	struct key_def *def;

	(void)state;
	assert_int_equal(key_def_new(types, 1, &def, &err), 0);
	assert_int_equal(key_def_kind(def), KEY_INT);
	key_def_free(def);
	assert_int_equal(key_def_new(types, 2, &def, &err), 0);
	assert_int_equal(key_def_kind(def), KEY_HASH);
	key_def_free(def);
	assert_int_equal(key_def_new(&text, 1, &def, &err), 0);
	assert_int_equal(key_def_kind(def), KEY_HASH);
	key_def_free(def);
	assert_int_equal(key_def_new(&none, 1, &def, &err), ERR_UNSUPPORTED);
	assert_int_equal(key_def_new(types, 0, &def, &err), ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers), cmocka_unit_test(test_uuid), cmocka_unit_test(test_hashes), cmocka_unit_test(test_floats),
		cmocka_unit_test(test_decimals), cmocka_unit_test(test_lists_and_long_keys), cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
