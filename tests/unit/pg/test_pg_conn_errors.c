/* tests/unit/pg/test_pg_conn_errors.c — SQLSTATE classes, and one clean line out of anything a peer sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pg/pg_conn_int.h"

static void test_classes(void **state)
{
	static const struct {
		const char *state;
		int code;
	} rows[] = {
		{ "42704", ERR_NOT_FOUND },    { "42P01", ERR_NOT_FOUND }, { "55006", ERR_SLOT },
		{ "55000", ERR_SOURCE_SETUP }, { "57P01", ERR_LOST },      { "57P03", ERR_LOST },
		{ "57014", ERR_CANCELLED },    { "53400", ERR_SLOT },      { "55P03", ERR_CANCELLED },
		{ "40P01", ERR_CONFLICT },     { "53300", ERR_CONNECT },   { "28P01", ERR_AUTH },
		{ "28000", ERR_AUTH },         { "42501", ERR_PRIVILEGE }, { "58P01", ERR_SLOT },
		{ "0A000", ERR_UNSUPPORTED },  { "40001", ERR_CONFLICT },  { "42710", ERR_EXISTS },
		{ "42601", ERR_QUERY },        { "XX000", ERR_QUERY },     { "08006", ERR_LOST },
		{ "08P01", ERR_PROTOCOL },     { "3D000", ERR_NOT_FOUND }, { "", ERR_QUERY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (pg_class_of(rows[i].state) != rows[i].code)
			fail_msg("%s is %s, not %s", rows[i].state, err_name(pg_class_of(rows[i].state)),
			         err_name(rows[i].code));
}

static void test_clean_line(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "FATAL:  one\ntwo\r\n", "FATAL: one two" },
		{ "\033[31mred\a", "[31mred" },
		{ "na\xc3\xafve", "na\xc3\xafve" },
		{ "latin1 \xe9t\xe9", "latin1 ?t?" },
		{ "over\xc0\xaflong", "over??long" },
		{ "cut \xe2\x82", "cut ??" },
		{ " \t ", "" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		pg_clean_line(out, sizeof out, rows[i].in);
		assert_string_equal(out, rows[i].out);
	}
	pg_clean_line(out, 6, "abc\xc3\xa9\xc3\xa9"); /* never half a character */
	assert_string_equal(out, "abc\xc3\xa9");
}

/* What libpq would quote from a spoiled connection string must not come out. */
static void test_conninfo_refused(void **state)
{
	static const char *const rows[] = {
		"postgresql://u:pa@ssword@host/db", "postgresql://u:sec%zzret@host/db",
		"host=h password='secret",          "user secret=",
		"postgres://u:secret@[::1/db",      "user:secret@host/db",
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pg_conn_opts opts = { .conninfo = rows[i], .connect_timeout_s = 1 };
		struct pg_conn *conn = NULL;
		struct err err;

		err_clear(&err);
		if (pg_conn_open(&conn, &opts, &err) != ERR_CONFIG)
			fail_msg("%s: %s", rows[i], err.text);
		assert_null(conn);
		assert_null(strstr(err.text, "secret"));
		assert_null(strstr(err.text, "ssword@"));
	}
}

static void test_nobody_listens(void **state)
{
	struct pg_conn_opts opts = { .conninfo = "host=127.0.0.1 port=1 user=u dbname=d password=secret",
		                     .connect_timeout_s = 2 };
	struct pg_conn *conn = NULL;
	struct err err;

	(void)state;
	err_clear(&err);
	assert_int_equal(pg_conn_open(&conn, &opts, &err), ERR_CONNECT);
	assert_non_null(strstr(err.text, "u@127.0.0.1:1/d"));
	assert_null(strstr(err.text, "secret"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_clean_line),
		cmocka_unit_test(test_conninfo_refused),
		cmocka_unit_test(test_nobody_listens),
	};

	return cmocka_run_group_tests_name("pg_conn_errors", tests, NULL, NULL);
}
