/* tests/unit/serve/test_result_format.c — results as text: table, CSV (RFC 4180), JSON (RFC 8259). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "serve/result_format.h"

static char got[1 << 20];
static size_t n_got;
static struct err err;

static int write_text(void *arg, struct str text, struct err *why)
{
	(void)arg;
	(void)why;
	assert_true(n_got + text.n < sizeof got);
	memcpy(got + n_got, text.p, text.n);
	n_got += text.n;
	got[n_got] = 0;
	return 0;
}

static const struct sql_result_column columns[] = { { "id", "BIGINT", SQL_KIND_NUMBER }, { "na\"me", "VARCHAR", SQL_KIND_TEXT }, { "ok", "BOOLEAN", SQL_KIND_BOOL }, { "l", "INTEGER[]", SQL_KIND_JSON } };
#define S(text) STR_LIT(text)
#define NUL ((struct str){ NULL, 0 })
static const struct str rows[][4] = {
	{ S("1"), S("plain"), S("true"), S("[1,null]") },
	{ S("-12.5"), S("a,b \"q\"\nline"), S("false"), NUL },
	{ NUL, NUL, NUL, NUL },
	{ S("nan"), S(""), S("true"), S("[]") },
};

static void format(enum result_format f, unsigned width, size_t n_columns, size_t n_rows)
{
	struct result_opts opts = { f, width, write_text, NULL };
	struct result_writer *w = result_writer_new(&opts);
	const struct sql_sink *sink = result_writer_sink(w);

	n_got = 0;
	got[0] = 0;
	assert_int_equal(sink->columns(sink->arg, columns, n_columns, &err), 0);
	for (size_t i = 0; i < n_rows; i++)
		assert_int_equal(sink->row(sink->arg, rows[i], n_columns, &err), 0);
	assert_int_equal(result_writer_finish(w, &err), 0);
	assert_int_equal(result_writer_rows(w), n_rows);
	result_writer_free(w);
}

static void csv(void **state)
{
	(void)state;
	format(RESULT_CSV, 0, 4, 4);
	assert_string_equal(got, "id,\"na\"\"me\",ok,l\r\n1,plain,true,\"[1,null]\"\r\n-12.5,\"a,b \"\"q\"\"\nline\",false,\r\n,,,\r\nnan,\"\",true,[]\r\n");
}

static void json(void **state)
{
	(void)state;
	format(RESULT_JSON, 0, 4, 4);
	assert_string_equal(got, "[{\"id\":1,\"na\\\"me\":\"plain\",\"ok\":true,\"l\":[1,null]},\n {\"id\":-12.5,\"na\\\"me\":\"a,b \\\"q\\\"\\nline\",\"ok\":false,\"l\":null},\n "
	                    "{\"id\":null,\"na\\\"me\":null,\"ok\":null,\"l\":null},\n {\"id\":\"nan\",\"na\\\"me\":\"\",\"ok\":true,\"l\":[]}]\n");
	format(RESULT_JSON, 0, 4, 0);
	assert_string_equal(got, "[]\n");
	format(RESULT_NDJSON, 0, 2, 2);
	assert_string_equal(got, "{\"id\":1,\"na\\\"me\":\"plain\"}\n{\"id\":-12.5,\"na\\\"me\":\"a,b \\\"q\\\"\\nline\"}\n");
	format(RESULT_NDJSON, 0, 2, 0);
	assert_string_equal(got, "");
}

static void table(void **state)
{
	(void)state;
	format(RESULT_TABLE, 0, 3, 4);
	assert_string_equal(got,
		"    id | na\"me         | ok\n"
		"-------+---------------+-------\n"
		"     1 | plain         | true\n"
		" -12.5 | a,b \"q\"\\nline | false\n"
		"  NULL | NULL          | NULL\n"
		"   nan |               | true\n"
		"(4 rows)\n");
	format(RESULT_TABLE, 0, 1, 1);
	assert_string_equal(got, " id\n----\n  1\n(1 row)\n");
	format(RESULT_TABLE, 0, 0, 0); /* a statement without rows */
	assert_string_equal(got, "");
	format(RESULT_TABLE, 22, 2, 2);
	assert_string_equal(got, "    id | na\"me\n-------+--------------\n     1 | plain\n -12.5 | a,b \"q\"\\nli\xe2\x80\xa6\n(2 rows)\n");
}

static void wide_and_hostile_text(void **state)
{
	struct result_opts opts = { RESULT_TABLE, 0, write_text, NULL };
	struct result_writer *w = result_writer_new(&opts);
	const struct sql_sink *sink = result_writer_sink(w);
	struct sql_result_column c[] = { { "t", "VARCHAR", SQL_KIND_TEXT }, { "u", "VARCHAR", SQL_KIND_TEXT } };

	(void)state;
	n_got = 0;
	assert_int_equal(sink->columns(sink->arg, c, 2, &err), 0);
	assert_int_equal(sink->row(sink->arg, (struct str[]){ S("\xe6\x97\xa5\xe6\x9c\xac"), S("x") }, 2, &err), 0);
	assert_int_equal(sink->row(sink->arg, (struct str[]){ S("\x1b[31m"), S("x") }, 2, &err), 0);
	assert_int_equal(sink->row(sink->arg, (struct str[]){ S("gr\xc3\xbc\xc3\x9f"), S("x") }, 2, &err), 0);
	assert_int_equal(result_writer_finish(w, &err), 0);
	assert_string_equal(got, " t        | u\n----------+---\n \xe6\x97\xa5\xe6\x9c\xac     | x\n \\x1b[31m | x\n gr\xc3\xbc\xc3\x9f     | x\n(3 rows)\n");
	result_writer_free(w);
}

static void many_rows_stream(void **state)
{
	struct result_opts opts = { RESULT_TABLE, 0, write_text, NULL };
	struct result_writer *w = result_writer_new(&opts);
	const struct sql_sink *sink = result_writer_sink(w);

	(void)state;
	n_got = 0;
	assert_int_equal(sink->columns(sink->arg, columns, 1, &err), 0);
	for (int i = 0; i < 25000; i++)
		assert_int_equal(sink->row(sink->arg, rows[0], 1, &err), 0);
	assert_int_equal(result_writer_finish(w, &err), 0);
	assert_non_null(strstr(got, "(25,000 rows)\n"));
	assert_int_equal(n_got, strlen(" id\n----\n") + 25000 * strlen("  1\n") + strlen("(25,000 rows)\n"));
	result_writer_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(csv), cmocka_unit_test(json), cmocka_unit_test(table), cmocka_unit_test(wide_and_hostile_text), cmocka_unit_test(many_rows_stream) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
