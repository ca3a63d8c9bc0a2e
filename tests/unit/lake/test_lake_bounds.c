/* tests/unit/lake/test_lake_bounds.c — single values as bytes. Expected bytes: the specification's appendix D and pyiceberg's conversions.to_bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <math.h>
#include <cmocka.h>

#include "lake/bounds.h"

static const struct type t_text = { TYPE_STRING, 0, 0, 0 }, t_binary = { TYPE_BINARY, 0, 0, 0 }, t_double = { TYPE_FLOAT64, 0, 0, 0 },
	t_long = { TYPE_INT64, 0, 0, 0 }, t_int = { TYPE_INT32, 0, 0, 0 }, t_float = { TYPE_FLOAT32, 0, 0, 0 };

static void expect(struct type type, const void *value, const char *hex)
{
	static const char digits[] = "0123456789abcdef";
	char text[128];
	struct wbuf w;

	wbuf_init(&w, 0);
	bound_encode(type, value, &w);
	for (size_t i = 0; i < w.n; i++) {
		text[2 * i] = digits[w.p[i] >> 4];
		text[2 * i + 1] = digits[w.p[i] & 15];
	}
	text[2 * w.n] = 0;
	assert_string_equal(text, hex);
	wbuf_free(&w);
}

static void test_encode(void **state)
{
	static const uint8_t uuid[16] = { 0xf7, 0x9c, 0x3e, 0x09, 0x67, 0x7c, 0x4b, 0xbd, 0xa4, 0x79, 0x3f, 0x34, 0x9c, 0xb7, 0x85, 0xe7 };
	struct type dec9 = { TYPE_DECIMAL, 9, 2, 0 }, dec38 = { TYPE_DECIMAL, 38, 0, 0 };
	int32_t i32 = 1234;
	int64_t i64 = -2;
	float f32 = -4.5f;
	double f64 = -0.0;
	uint8_t yes = 1;
	struct str s = STR_LIT("h\xc3\xa9");
	__int128 wide = 0;

	(void)state;
	expect(t_int, &i32, "d2040000");
	expect((struct type){ TYPE_DATE, 0, 0, 0 }, &i32, "d2040000");
	expect(t_long, &i64, "feffffffffffffff");
	expect((struct type){ TYPE_TIMESTAMPTZ, 0, 0, 0 }, &i64, "feffffffffffffff");
	expect(t_float, &f32, "000090c0");
	expect(t_double, &f64, "0000000000000080");
	expect((struct type){ TYPE_BOOL, 0, 0, 0 }, &yes, "01");
	expect((struct type){ TYPE_UUID, 0, 0, 0 }, uuid, "f79c3e09677c4bbda4793f349cb785e7");
	expect(t_text, &s, "68c3a9");
	expect(t_binary, &s, "68c3a9");
	i64 = 1420;
	expect(dec9, &i64, "058c");
	i64 = -128;
	expect(dec9, &i64, "80");
	i64 = 128;
	expect(dec9, &i64, "0080");
	i64 = 0;
	expect(dec9, &i64, "00");
	for (int i = 0; i < 28; i++)
		wide = wide * 10 - 9;
	expect(dec38, &wide, "dfb031a1c1dafd9ef0000001");
	wide = (__int128)1 << 126;
	expect(dec38, &wide, "40000000000000000000000000000000");
	wide = -((__int128)1 << 126) * 2;
	expect(dec38, &wide, "80000000000000000000000000000000");
}

static void test_decode(void **state)
{
	struct type dec38 = { TYPE_DECIMAL, 38, 0, 0 }, dec9 = { TYPE_DECIMAL, 9, 2, 0 };
	int64_t i64;
	double f64;
	__int128 wide;

	(void)state;
	/* Bounds from before a promotion int -> long, float -> double. */
	assert_true(bound_decode(t_long, str_view("\xfe\xff\xff\xff", 4), &i64));
	assert_int_equal(i64, -2);
	assert_true(bound_decode(t_double, str_view("\0\0\x90\xc0", 4), &f64));
	assert_true(f64 == -4.5);
	assert_true(bound_decode(dec38, str_view("\x80", 1), &wide));
	assert_true(wide == -128);
	assert_true(bound_decode(dec9, str_view("\x05\x8c", 2), &i64));
	assert_int_equal(i64, 1420);
	assert_false(bound_decode(dec9, str_view("\x05\x8c\x05\x8c\x05\x8c\x05\x8c\x05", 9), &i64));
	assert_false(bound_decode(t_long, str_view("\x05\x8c", 2), &i64));
	assert_false(bound_decode(dec9, str_view("", 0), &i64));
	assert_false(bound_decode((struct type){ TYPE_TIMESTAMP, 0, 0, 0 }, str_view("\x05\x8c\0\0", 4), &i64));
}

static void expect_up(bool text, struct str value, struct str want, bool none)
{
	uint8_t out[BOUND_BYTES_MAX];
	int n = bound_round_up(text, value, BOUND_UNITS, out);

	if (none) {
		assert_int_equal(n, -1);
		return;
	}
	assert_int_equal(n, want.n);
	assert_memory_equal(out, want.p, want.n);
}

#define A15 "aaaaaaaaaaaaaaa"
#define MAX4 "\xf4\x8f\xbf\xbf"
#define MAX16 MAX4 MAX4 MAX4 MAX4 MAX4 MAX4 MAX4 MAX4 MAX4 MAX4 MAX4 MAX4 MAX4 MAX4 MAX4 MAX4

static void test_truncate(void **state)
{
	(void)state;
	assert_int_equal(bound_truncate(true, STR_LIT("abcdefghijklmnopq"), 16).n, 16);
	assert_int_equal(bound_truncate(true, STR_LIT("abc"), 16).n, 3);
	assert_int_equal(bound_truncate(true, STR_LIT(MAX16 "x"), 16).n, 64);
	assert_int_equal(bound_truncate(false, STR_LIT(MAX16), 16).n, 16);
	assert_int_equal(bound_truncate(true, STR_LIT("\xc3"), 16).n, 1);
	expect_up(true, STR_LIT("abcdefghijklmnop"), STR_LIT("abcdefghijklmnop"), false);
	expect_up(true, STR_LIT("abcdefghijklmnopq"), STR_LIT("abcdefghijklmnoq"), false);
	expect_up(true, STR_LIT(A15 "\x7f" "x"), STR_LIT(A15 "\xc2\x80"), false);
	expect_up(true, STR_LIT(A15 "\xdf\xbf" "x"), STR_LIT(A15 "\xe0\xa0\x80"), false);
	expect_up(true, STR_LIT(A15 "\xed\x9f\xbf" "x"), STR_LIT(A15 "\xee\x80\x80"), false); /* U+D7FF: over the surrogates to U+E000 */
	expect_up(true, STR_LIT(A15 "\xef\xbf\xbf" "x"), STR_LIT(A15 "\xf0\x90\x80\x80"), false);
	expect_up(true, STR_LIT(A15 MAX4 "x"), STR_LIT("aaaaaaaaaaaaaab"), false);
	expect_up(true, STR_LIT(MAX16 "x"), STR_LIT(""), true);
	expect_up(true, STR_LIT(A15 "\xff\xff\xff"), STR_LIT(""), true); /* not UTF-8 */
	expect_up(true, STR_LIT(""), STR_LIT(""), false);
	expect_up(false, STR_LIT(A15 "\xff\x01"), STR_LIT("aaaaaaaaaaaaaab"), false);
	expect_up(false, STR_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), STR_LIT(""), true);
	expect_up(false, STR_LIT("\xff\xff"), STR_LIT("\xff\xff"), false);
}

static void test_set(void **state)
{
	struct bound b = { NULL, 0, false };
	struct err err;
	double nan_value = NAN, zero = 0.0, minus = -0.0;
	struct str empty = { NULL, 0 }, top = STR_LIT(MAX16 "x");

	(void)state;
	assert_int_equal(bound_set(&b, t_double, &nan_value, false, &err), 0);
	assert_false(b.set);
	assert_int_equal(bound_set(&b, t_double, &zero, false, &err), 0);
	assert_memory_equal(b.p, "\0\0\0\0\0\0\0\x80", 8);
	assert_int_equal(bound_set(&b, t_double, &minus, true, &err), 0);
	assert_memory_equal(b.p, "\0\0\0\0\0\0\0\0", 8);
	bound_clear(&b);
	assert_int_equal(bound_set(&b, t_text, &empty, true, &err), 0);
	assert_true(b.set);
	assert_int_equal(b.n, 0);
	bound_clear(&b);
	assert_int_equal(bound_set(&b, t_text, &top, true, &err), 0);
	assert_false(b.set);
	assert_int_equal(bound_set(&b, t_text, &top, false, &err), 0);
	assert_int_equal(b.n, 64);
	bound_clear(&b);
}

static void test_compare(void **state)
{
	struct type dec9 = { TYPE_DECIMAL, 9, 2, 0 };

	(void)state;
	assert_true(bound_compare(t_long, str_view("\xfe\xff\xff\xff", 4), str_view("\1\0\0\0\0\0\0\0", 8)) < 0);
	assert_true(bound_compare(t_int, str_view("\xfe\xff\xff\xff", 4), str_view("\1\0\0\0", 4)) < 0);
	assert_true(bound_compare(t_double, str_view("\0\0\0\0\0\0\0\x80", 8), str_view("\0\0\0\0\0\0\0\0", 8)) < 0);
	assert_true(bound_compare(t_double, str_view("\0\0\x90\xc0", 4), str_view("\0\0\0\0\0\0\0\0", 8)) < 0);
	assert_true(bound_compare(dec9, str_view("\x80", 1), str_view("\0\x80", 2)) < 0);
	assert_true(bound_compare(t_text, STR_LIT("\xc3\xa9"), STR_LIT("z")) > 0);
	assert_true(bound_compare(t_text, STR_LIT("a"), STR_LIT("ab")) < 0);
	assert_int_equal(bound_compare(t_text, STR_LIT("ab"), STR_LIT("ab")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode), cmocka_unit_test(test_decode), cmocka_unit_test(test_truncate), cmocka_unit_test(test_set), cmocka_unit_test(test_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
