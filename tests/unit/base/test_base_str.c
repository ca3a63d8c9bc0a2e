/* tests/unit/base/test_base_str.c — unit tests of base/str. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void cuts_and_trims(void **state)
{
	struct str s = STR_LIT("a,,bc");

	(void)state;
	assert_true(str_eqz(str_cut(&s, ','), "a"));
	assert_true(str_eqz(str_cut(&s, ','), ""));
	assert_true(str_eqz(str_cut(&s, ','), "bc"));
	assert_int_equal(s.n, 0);
	assert_true(str_eqz(str_trim(STR_LIT(" \t x y\n")), "x y"));
	assert_int_equal(str_trim(STR_LIT("  ")).n, 0);
	assert_true(str_starts(STR_LIT("abc"), "ab") && !str_starts(STR_LIT("a"), "ab") &&
	            str_ends(STR_LIT("abc"), "bc") && !str_ends(STR_LIT("c"), "bc"));
	assert_true(str_eq_nocase(STR_LIT("AbC"), STR_LIT("aBc")) && !str_eq_nocase(STR_LIT("a"), STR_LIT("b")));
	assert_int_equal(str_cmp(STR_LIT("a"), STR_LIT("ab")), -1);
	assert_int_equal(str_cmp(STR_LIT("\xFF"), STR_LIT("a")), 1);
	assert_int_equal(str_cmp(STR_LIT(""), STR_LIT("")), 0);
}

static void numbers_are_whole_or_refused(void **state)
{
	static const char *const bad[] = {
		"", "-", "+", "1 ", " 1", "1x", "0x1", "18446744073709551616", "99999999999999999999", "-1"
	};
	uint64_t u = 7;
	int64_t i = 7;

	(void)state;
	assert_true(str_to_u64(STR_LIT("18446744073709551615"), &u) && u == UINT64_MAX);
	for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++)
		assert_false(str_to_u64(str_of(bad[k]), &u));
	assert_true(str_to_i64(STR_LIT("-9223372036854775808"), &i) && i == INT64_MIN);
	assert_true(str_to_i64(STR_LIT("+9223372036854775807"), &i) && i == INT64_MAX);
	assert_false(str_to_i64(STR_LIT("9223372036854775808"), &i));
	assert_false(str_to_i64(STR_LIT("-9223372036854775809"), &i));
	assert_false(str_to_i64(STR_LIT("--1"), &i));
}

static void lsn_as_postgres_writes_it(void **state)
{
	char buf[LSN_TEXT_MAX];
	uint64_t lsn;

	(void)state;
	/* select '16/B374D848'::pg_lsn - '0/0' = 97500059720 */
	assert_true(str_to_lsn(STR_LIT("16/B374D848"), &lsn));
	assert_true(lsn == UINT64_C(97500059720));
	assert_string_equal(lsn_text(lsn, buf), "16/B374D848");
	assert_string_equal(lsn_text(UINT64_MAX, buf), "FFFFFFFF/FFFFFFFF");
	assert_string_equal(lsn_text(0, buf), "0/0");
	assert_false(str_to_lsn(STR_LIT("16B374D848"), &lsn));
	assert_false(str_to_lsn(STR_LIT("/1"), &lsn));
	assert_false(str_to_lsn(STR_LIT("1/"), &lsn));
	assert_false(str_to_lsn(STR_LIT("123456789/0"), &lsn));
	assert_false(str_to_lsn(STR_LIT("1/g"), &lsn));
}

static void globs(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool match;
	} cases[] = {
		{ "public.*", "public.users", true },
		{ "public.*", "audit.users", false },
		{ "*", "", true },
		{ "", "", true },
		{ "", "a", false },
		{ "a?c", "abc", true },
		{ "a?c", "ac", false },
		{ "*.log_*", "s.log_1", true },
		{ "*a*b*c", "xxaxxbxxc", true },
		{ "*a*b*c", "xxaxxbxx", false },
		{ "a**b", "ab", true },
		{ "ab*", "a", false },
		{ "*aab", "aaaab", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(str_glob(str_of(cases[i].pattern), str_of(cases[i].text)), cases[i].match);
}

static void nearest_name(void **state)
{
	static const char *const names[] = { "warehouse", "format", "publish_interval", NULL };

	(void)state;
	assert_string_equal(str_nearest(STR_LIT("warehose"), names), "warehouse");
	assert_string_equal(str_nearest(STR_LIT("fromat"), names), "format");
	assert_null(str_nearest(STR_LIT("xyz"), names));
	assert_null(str_nearest(STR_LIT(""), names));
}

static void copies_with_an_end(void **state)
{
	char buf[4];

	(void)state;
	assert_true(str_copy(buf, sizeof buf, STR_LIT("abc")));
	assert_string_equal(buf, "abc");
	assert_false(str_copy(buf, sizeof buf, STR_LIT("abcd")));
	assert_string_equal(buf, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_and_trims),
		cmocka_unit_test(numbers_are_whole_or_refused),
		cmocka_unit_test(lsn_as_postgres_writes_it),
		cmocka_unit_test(globs),
		cmocka_unit_test(nearest_name),
		cmocka_unit_test(copies_with_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
