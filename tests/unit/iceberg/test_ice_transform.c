/* tests/unit/iceberg/test_ice_transform.c — partition transforms. Expected values: the specification's appendix B and "Partition Transforms", and pyiceberg. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "iceberg/transform.h"

#define T(k) ((struct type){ (k), 0, 0, 0 })

static void test_hash(void **state)
{
	static const uint8_t uuid[16] = { 0xf7, 0x9c, 0x3e, 0x09, 0x67, 0x7c, 0x4b, 0xbd, 0xa4, 0x79, 0x3f, 0x34, 0x9c, 0xb7, 0x85, 0xe7 };
	struct type dec9 = { TYPE_DECIMAL, 9, 2, 0 }, dec38 = { TYPE_DECIMAL, 38, 2, 0 };
	struct str iceberg = STR_LIT("iceberg"), bytes = STR_LIT("\0\1\2\3");
	int32_t i32 = 34, date = 17486;
	int64_t i64 = 34, time = 81068000000, stamp = 1510871468000000, dec = 1420;
	__int128 wide = 1420;

	(void)state;
	assert_int_equal(transform_hash(T(TYPE_INT32), &i32), 2017239379);
	assert_int_equal(transform_hash(T(TYPE_INT64), &i64), 2017239379);
	assert_int_equal(transform_hash(dec9, &dec), -500754589);
	assert_int_equal(transform_hash(dec38, &wide), -500754589);
	assert_int_equal(transform_hash(T(TYPE_DATE), &date), -653330422);
	assert_int_equal(transform_hash(T(TYPE_TIME), &time), -662762989);
	assert_int_equal(transform_hash(T(TYPE_TIMESTAMP), &stamp), -2047944441);
	assert_int_equal(transform_hash(T(TYPE_TIMESTAMPTZ), &stamp), -2047944441);
	assert_int_equal(transform_hash(T(TYPE_STRING), &iceberg), 1210000089);
	assert_int_equal(transform_hash(T(TYPE_UUID), uuid), 1488055340);
	assert_int_equal(transform_hash(T(TYPE_BINARY), &bytes), -188683207);
}

static void test_bucket(void **state)
{
	struct transform b16 = { TRANSFORM_BUCKET, 16 }, b1000 = { TRANSFORM_BUCKET, 1000 };
	struct str iceberg = STR_LIT("iceberg");
	int64_t minus34 = -34, dec = -1420;
	int32_t date = -1;
	union transform_value v;

	(void)state;
	assert_true(transform_apply(b16, T(TYPE_STRING), &iceberg, &v) && v.i32 == 9);
	assert_true(transform_apply(b1000, T(TYPE_STRING), &iceberg, &v) && v.i32 == 89);
	assert_true(transform_apply(b16, T(TYPE_INT64), &minus34, &v) && v.i32 == 13);
	assert_true(transform_apply(b1000, T(TYPE_INT64), &minus34, &v) && v.i32 == 797);
	assert_true(transform_apply(b16, T(TYPE_DATE), &date, &v) && v.i32 == 8);
	assert_true(transform_apply(b1000, T(TYPE_DATE), &date, &v) && v.i32 == 712);
	assert_true(transform_apply(b16, (struct type){ TYPE_DECIMAL, 9, 2, 0 }, &dec, &v) && v.i32 == 7);
	assert_true(transform_apply(b1000, (struct type){ TYPE_DECIMAL, 9, 2, 0 }, &dec, &v) && v.i32 == 751);
	assert_int_equal(transform_type(b16, T(TYPE_FLOAT64)).kind, TYPE_NONE);
	assert_int_equal(transform_type(b16, T(TYPE_STRING)).kind, TYPE_INT32);
}

static void test_truncate(void **state)
{
	struct transform t10 = { TRANSFORM_TRUNCATE, 10 }, t3 = { TRANSFORM_TRUNCATE, 3 };
	static const int64_t in[] = { 1, -1, -10, -11 }, out[] = { 0, -10, -10, -20 };
	struct type dec = { TYPE_DECIMAL, 9, 2, 0 };
	struct str text = STR_LIT("h\xc3\xa9llo w\xc3\xb6rld! x"), bytes = STR_LIT("\1\2\3\4\5");
	union transform_value v;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		int32_t narrow = (int32_t)in[i];

		assert_true(transform_apply(t10, T(TYPE_INT64), &in[i], &v) && v.i64 == out[i]);
		assert_true(transform_apply(t10, T(TYPE_INT32), &narrow, &v) && v.i32 == out[i]);
	}
	assert_true(transform_apply(t10, dec, &(int64_t){ 1065 }, &v) && v.i64 == 1060);
	assert_true(transform_apply(t10, dec, &(int64_t){ -5 }, &v) && v.i64 == -10);
	assert_true(transform_apply(t10, T(TYPE_STRING), &text, &v));
	assert_true(str_eqz(v.s, "h\xc3\xa9llo w\xc3\xb6rl"));
	assert_true(transform_apply(t3, T(TYPE_BINARY), &bytes, &v));
	assert_true(str_eqz(v.s, "\1\2\3"));
	assert_false(transform_apply(t3, T(TYPE_DATE), &(int32_t){ 5 }, &v));
}

static void test_time(void **state)
{
	static const struct { int64_t us; int32_t year, month, day, hour; } stamps[] = {
		{ -1, -1, -1, -1, -1 },
		{ 0, 0, 0, 0, 0 },
		{ 1510871468000000, 47, 574, 17486, 419686 },
		{ -3600000001, -1, -1, -1, -2 },
		{ -62135596800000000, -1969, -23628, -719162, -17259888 },
	};
	union transform_value v;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		int32_t day = stamps[i].day;

		for (int zone = 0; zone < 2; zone++) {
			struct type type = T(zone ? TYPE_TIMESTAMPTZ : TYPE_TIMESTAMP);

			assert_true(transform_apply((struct transform){ TRANSFORM_YEAR, 0 }, type, &stamps[i].us, &v) && v.i32 == stamps[i].year);
			assert_true(transform_apply((struct transform){ TRANSFORM_MONTH, 0 }, type, &stamps[i].us, &v) && v.i32 == stamps[i].month);
			assert_true(transform_apply((struct transform){ TRANSFORM_DAY, 0 }, type, &stamps[i].us, &v) && v.i32 == stamps[i].day);
			assert_true(transform_apply((struct transform){ TRANSFORM_HOUR, 0 }, type, &stamps[i].us, &v) && v.i32 == stamps[i].hour);
		}
		assert_true(transform_apply((struct transform){ TRANSFORM_YEAR, 0 }, T(TYPE_DATE), &day, &v) && v.i32 == stamps[i].year);
		assert_true(transform_apply((struct transform){ TRANSFORM_MONTH, 0 }, T(TYPE_DATE), &day, &v) && v.i32 == stamps[i].month);
		assert_true(transform_apply((struct transform){ TRANSFORM_DAY, 0 }, T(TYPE_DATE), &day, &v) && v.i32 == day);
		assert_false(transform_apply((struct transform){ TRANSFORM_HOUR, 0 }, T(TYPE_DATE), &day, &v));
	}
	assert_int_equal(transform_type((struct transform){ TRANSFORM_DAY, 0 }, T(TYPE_TIMESTAMP)).kind, TYPE_DATE);
}

static void test_names(void **state)
{
	static const char *const good[] = { "identity", "bucket[16]", "truncate[2147483647]", "year", "month", "day", "hour", "void" };
	static const char *const bad[] = { "bucket", "bucket[]", "bucket[0]", "bucket[-1]", "truncate[2147483648]", "bucket[16", "bucket[16]x" };
	static const char *const unknown[] = { "zorder[2]", "", "identity[3]", "years", "Day" };
	char buf[TRANSFORM_TEXT_MAX];
	struct transform t;
	struct err err;
	union transform_value v;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(transform_parse(str_of(good[i]), &t, &err), 0);
		assert_string_equal(transform_text(t, buf), good[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(transform_parse(str_of(bad[i]), &t, &err), ERR_VALUE);
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
		assert_int_equal(transform_parse(str_of(unknown[i]), &t, &err), 0);
		assert_int_equal(t.kind, TRANSFORM_UNKNOWN);
	}
	assert_false(transform_apply((struct transform){ TRANSFORM_VOID, 0 }, T(TYPE_INT32), &(int32_t){ 5 }, &v));
	assert_true(transform_apply((struct transform){ TRANSFORM_IDENTITY, 0 }, T(TYPE_INT32), &(int32_t){ 5 }, &v) && v.i32 == 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash), cmocka_unit_test(test_bucket), cmocka_unit_test(test_truncate), cmocka_unit_test(test_time), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
