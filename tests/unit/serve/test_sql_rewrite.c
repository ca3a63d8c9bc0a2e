/* tests/unit/serve/test_sql_rewrite.c — references and AT clauses found in SQL text, statements cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "serve/sql_rewrite.h"

static const struct sql_name names[] = { { "bank", "users" }, { "bank", "Accounts" }, { "a.b", "t" }, { "my ns", "o\"dd" } };
static struct err err;

/* text -> rewritten text and the views found, as "ns.view ns.view" */
static void expect(const char *text, const char *want_text, const char *want_refs)
{
	struct sql_rewrite r;
	char refs[512] = "";
	size_t n = 0;

	err_clear(&err);
	if (sql_rewrite(text, names, 4, &r, &err))
		fail_msg("%s: %s", text, err.text);
	for (size_t i = 0; i < r.n_refs; i++)
		n += (size_t)snprintf(refs + n, sizeof refs - n, "%s%s.%s", i ? " " : "", names[r.refs[i].name].ns, r.refs[i].view);
	if (r.lists_tables)
		snprintf(refs + n, sizeof refs - n, "%sall", n ? " " : "");
	assert_string_equal(r.text, want_text ? want_text : text);
	assert_string_equal(refs, want_refs);
	sql_rewrite_free(&r);
}

static void names_are_found(void **state)
{
	(void)state;
	expect("SELECT * FROM bank.users", NULL, "bank.users");
	expect("select * from BANK . Users u join bank.accounts a on true", NULL, "bank.users bank.Accounts");
	expect("SELECT bank.users.id FROM \"bank\".\"users\"", NULL, "bank.users");
	expect("SELECT * FROM \"a.b\".t, \"my ns\".\"o\"\"dd\"", NULL, "a.b.t my ns.o\"dd");
	expect("SELECT * FROM bank.nothing, users, x.bank.users, bank", NULL, "");
	expect("SELECT 1", NULL, "");
	expect("", NULL, "");
}

static void what_is_not_a_name(void **state)
{
	(void)state;
	expect("SELECT 'bank.users', E'\\'bank.users', $$ bank.users $$, $x$ bank.users $$ $x$ -- bank.users\n/* bank.users /* */ bank.users */", NULL, "");
	expect("SELECT 'it''s bank.users' || bank.users", NULL, "bank.users");
	expect("SELECT \"bank.users\"", NULL, "");
	expect("SELECT 1.bank.users", NULL, "");
	expect("SELECT 'unclosed bank.users", NULL, "");
	expect("SELECT $1, bank.users", NULL, "bank.users");
}

static void versions(void **state)
{
	(void)state;
	expect("SELECT * FROM bank.users AT (VERSION => 42)", "SELECT * FROM \"bank\".\"users@version-42\" AS \"users\"", "bank.users@version-42");
	expect("SELECT * FROM bank.users at(version=>42) u WHERE true", "SELECT * FROM \"bank\".\"users@version-42\" u WHERE true", "bank.users@version-42");
	expect("FROM bank.users AT (VERSION => 1) AS a, bank.users AT (VERSION => 2) WHERE 1", "FROM \"bank\".\"users@version-1\" AS a, \"bank\".\"users@version-2\" AS \"users\" WHERE 1",
	       "bank.users@version-1 bank.users@version-2");
	expect("FROM bank.users AT (TIMESTAMP => '1970-01-01 00:00:01') JOIN bank.users USING (id)", "FROM \"bank\".\"users@timestamp-1000000\" AS \"users\" JOIN bank.users USING (id)",
	       "bank.users@timestamp-1000000 bank.users");
	expect("FROM bank.users AT (TIMESTAMP => TIMESTAMPTZ '1970-01-01 02:00:00+02') \"x\"", "FROM \"bank\".\"users@timestamp-0\" \"x\"", "bank.users@timestamp-0");
	expect("FROM bank.accounts AT (LSN => '0/16B3740')", "FROM \"bank\".\"Accounts@lsn-0/16B3740\" AS \"Accounts\"", "bank.Accounts@lsn-0/16B3740");
	expect("FROM bank.users at", NULL, "bank.users"); /* an alias */
	expect("SELECT * FROM (SELECT * FROM bank.users AT (VERSION => 7)) q", "SELECT * FROM (SELECT * FROM \"bank\".\"users@version-7\" AS \"users\") q", "bank.users@version-7");
}

static void malformed_at(void **state)
{
	static const char *const cases[] = {
		"FROM bank.users AT (VERSION 42)", "FROM bank.users AT (VERSION => 'x')", "FROM bank.users AT (VERSION => 99999999999999999999)", "FROM bank.users AT (VERSION => 1", "FROM bank.users AT (LSN => 5)",
		"FROM bank.users AT (LSN => 'zzz')", "FROM bank.users AT (TIMESTAMP => 5)", "FROM bank.users AT (TIMESTAMP => 'yesterday')", "FROM bank.users AT (BRANCH => 'x')", "FROM bank.users AT ()",
		"FROM bank.users AT (VERSION => 1 + 1)", "FROM bank.users AT (",
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sql_rewrite r;
		err_clear(&err);
		assert_int_equal(sql_rewrite(cases[i], names, 4, &r, &err), ERR_QUERY);
		assert_non_null(strstr(err.text, "bank.users"));
		assert_non_null(strstr(err.text, "AT (VERSION => 123)"));
	}
}

static void statements_that_list(void **state)
{
	(void)state;
	expect("show tables;", "SELECT table_schema AS namespace, table_name AS \"table\" FROM information_schema.tables ORDER BY ALL", "all");
	expect("SHOW TABLES FROM x", NULL, "all");
	expect("DESCRIBE bank.users", NULL, "bank.users");
	expect("select * from information_schema.tables", NULL, "all");
	expect("SELECT * FROM bank.users ORDER BY id DESC", NULL, "bank.users");
	expect("SELECT 'show'", NULL, "");
}

static void statements_are_cut(void **state)
{
	(void)state;
	assert_int_equal(sql_statement_end("SELECT 1; SELECT 2"), 9);
	assert_int_equal(sql_statement_end("SELECT 1"), 0);
	assert_int_equal(sql_statement_end("SELECT ';' || \";\" /* ; */ -- ;\n, $$;$$;x"), 39);
	assert_int_equal(sql_statement_end("SELECT ';"), 0);
	assert_true(sql_is_blank(" ; -- x\n /* y */ ;"));
	assert_true(sql_is_blank(""));
	assert_false(sql_is_blank("SELECT"));
	assert_false(sql_is_blank("/* open"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_found), cmocka_unit_test(what_is_not_a_name), cmocka_unit_test(versions), cmocka_unit_test(malformed_at), cmocka_unit_test(statements_that_list),
		cmocka_unit_test(statements_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
