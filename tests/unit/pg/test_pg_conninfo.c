/* tests/unit/pg/test_pg_conninfo.c — connection strings lose their passwords and nothing else (PostgreSQL manual, "Connection Strings"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "pg/pg_conninfo.h"

static const struct {
	const char *in, *out;
	bool had;
} rows[] = {
	{ "postgresql://u@h/d", "postgresql://u@h/d", false },
	{ "postgresql://u:sesame@h:5433/d", "postgresql://u@h:5433/d", true },
	{ "postgres://u:se%40same@h/d?sslmode=require&connect_timeout=5",
	  "postgresql://u@h/d?connect_timeout=5&sslmode=require", true },
	{ "postgresql://h/d?user=u&password=sesame", "postgresql://u@h/d", true },
	{ "postgresql://u:sesame@h1:1,h2:2/d?target_session_attrs=any",
	  "postgresql://u@/d?host=h1,h2&port=1,2&target_session_attrs=any", true },
	{ "postgresql://u:sesame@%2Fvar%2Frun/d", "postgresql://u@/d?host=/var/run", true },
	{ "postgresql://u:sesame@[::1]:5432/d", "postgresql://u@/d?host=::1&port=5432", true },
	{ "postgresql://a%20b:sesame@h/d%2Fe", "postgresql://a%20b@h/d%2Fe", true },
	{ "host=h user=u dbname=d", "host=h user=u dbname=d", false },
	{ "host=h user=u password=sesame dbname=d", "user=u dbname=d host=h", true },
	{ "user='a b' password='se\\'same' options='-c x=1'", "user='a b' options='-c x=1'", true },
	{ "host=h sslpassword=sesame sslkey=k", "host=h sslkey=k", true },
	{ "bank", "bank", false },
	{ "", "", false },
};

static void same_but_password(const char *before, const char *after)
{
	PQconninfoOption *a = PQconninfoParse(before, NULL), *b = PQconninfoParse(after, NULL);

	assert_non_null(a);
	assert_non_null(b);
	for (size_t i = 0; a[i].keyword; i++) {
		if (strstr(a[i].keyword, "password")) {
			assert_null(b[i].val);
		} else if (!a[i].val || !b[i].val) {
			assert_ptr_equal(a[i].val, b[i].val);
		} else {
			assert_string_equal(a[i].val, b[i].val);
		}
	}
	PQconninfoFree(a);
	PQconninfoFree(b);
}

static void test_public(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct wbuf out;
		struct err err;
		bool had;
		int rc;

		err_clear(&err);
		wbuf_init(&out, 0);
		rc = pg_conninfo_public(rows[i].in, &out, &had, &err);
		if (rc)
			fail_msg("%s: %s", rows[i].in, err.text);
		assert_int_equal(had, rows[i].had);
		assert_null(strstr(wbuf_cstr(&out), "sesame"));
		if (!rows[i].had)
			assert_string_equal(wbuf_cstr(&out), rows[i].in);
		else
			same_but_password(rows[i].in, wbuf_cstr(&out)); /* libpq reads the same from both */
		if (rows[i].had && strncmp(rows[i].in, "postgres", 8) == 0)
			assert_int_equal(strncmp(wbuf_cstr(&out), "postgresql://", 13), 0);
		wbuf_free(&out);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = { "postgresql://u:pa@ss@h/d", "postgresql://u:sesame%zz@h/d",
		                           "host=h password='sesame", "u:sesame@h/d" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct wbuf out;
		struct err err;
		bool had;

		err_clear(&err);
		wbuf_init(&out, 0);
		assert_int_equal(pg_conninfo_public(bad[i], &out, &had, &err), ERR_CONFIG);
		assert_null(strstr(err.text, "sesame"));
		assert_int_equal(out.n, 0);
		wbuf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_public), cmocka_unit_test(test_refused) };

	return cmocka_run_group_tests_name("pg_conninfo", tests, NULL, NULL);
}
