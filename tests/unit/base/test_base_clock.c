/* tests/unit/base/test_base_clock.c — unit tests of base/clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static void text_and_back(void **state)
{
	/* seconds by `date -u -d ... +%s` */
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000Z" },
		{ INT64_C(1795456180123456), "2026-11-23T17:49:40.123456Z" },
		{ -1, "1969-12-31T23:59:59.999999Z" },
		{ INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z" },
		{ INT64_C(253402300799000000), "9999-12-31T23:59:59.000000Z" },
		{ INT64_C(-62135596800000000), "0001-01-01T00:00:00.000000Z" },
	};
	char buf[TIME_TEXT_MAX];
	int64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_string_equal(time_text(cases[i].us, buf), cases[i].text);
		assert_true(time_parse(str_of(cases[i].text), &us));
		assert_int_equal(us, cases[i].us);
	}
	assert_string_equal(time_text_ms(INT64_C(1795456180123956), buf), "2026-11-23T17:49:40.123Z");
}

static void forms_of_time(void **state)
{
	static const char *const bad[] = { "",
		                           "2026",
		                           "2026-1-1",
		                           "2026-13-01",
		                           "2026-02-29",
		                           "1900-02-29",
		                           "2026-01-01T",
		                           "2026-01-01T24:00",
		                           "2026-01-01T10:60",
		                           "2026-01-01T10:00:00.",
		                           "2026-01-01T10:00:00.1234567",
		                           "2026-01-01T10:00Zx",
		                           "2026-01-01T10:00+1",
		                           "2026-01-01T10:00+16:00",
		                           "2026-01-01x" };
	int64_t us;

	(void)state;
	assert_true(time_parse(STR_LIT("2026-11-23"), &us) && us == INT64_C(1795392000000000));
	assert_true(time_parse(STR_LIT("2026-11-23 17:49"), &us) && us == INT64_C(1795456140000000));
	assert_true(time_parse(STR_LIT("2026-11-23T17:49:40.5+02"), &us) && us == INT64_C(1795448980500000));
	assert_true(time_parse(STR_LIT("2026-11-23T17:49:40-05:30"), &us) && us == INT64_C(1795475980000000));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(time_parse(str_of(bad[i]), &us));
}

static void calendar_agrees_with_itself_and_known_days(void **state)
{
	int64_t year, n = days_from_civil(-400, 3, 1);
	unsigned month, day;

	(void)state;
	assert_int_equal(days_from_civil(1970, 1, 1), 0);
	assert_int_equal(days_from_civil(2000, 1, 1), 10957); /* PostgreSQL's epoch */
	for (int i = 0; i < 300000; i++) {
		civil_from_days(n + i * 7, &year, &month, &day);
		assert_int_equal(days_from_civil(year, month, day), n + i * 7);
	}
}

static void amounts(void **state)
{
	char buf[SIZE_TEXT_MAX];

	(void)state;
	assert_string_equal(size_text(512, buf), "512 B");
	assert_string_equal(size_text(12345678, buf), "12.3 MB");
	assert_string_equal(size_text(999960, buf), "1.0 MB");
	assert_string_equal(size_text(UINT64_MAX, buf), "18.4 EB");
	assert_string_equal(duration_text(850, buf), "850 us");
	assert_string_equal(duration_text(850000, buf), "850 ms");
	assert_string_equal(duration_text(1250000, buf), "1.25 s");
	assert_string_equal(duration_text(200000000, buf), "3m 20s");
	assert_string_equal(duration_text(INT64_C(7500000000), buf), "2h 05m");
	assert_string_equal(duration_text(INT64_C(270000000000), buf), "3d 03h");
	assert_string_equal(count_text(1234567, buf), "1,234,567");
	assert_string_equal(count_text(999, buf), "999");
	assert_string_equal(count_text(UINT64_MAX, buf), "18,446,744,073,709,551,615");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(forms_of_time),
		cmocka_unit_test(calendar_agrees_with_itself_and_known_days),
		cmocka_unit_test(amounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
