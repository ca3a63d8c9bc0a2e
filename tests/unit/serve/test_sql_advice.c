/* tests/unit/serve/test_sql_advice.c — what a person is told about a missing table and about a statement that would change the lake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "serve/sql_advice.h"

static const struct sql_name names[] = { { "bank", "users" }, { "bank", "accounts" }, { "a.b", "t" } };
#define N_NAMES 3

static void checked(const char *statement, const char *want)
{
	struct err err;

	err_clear(&err);
	int rc = sql_advice_check(statement, names, N_NAMES, &err);
	if (rc != (want ? ERR_QUERY : ERR_OK) || (want && !strstr(err.text, want)))
		fail_msg("%s: %d %s", statement, rc, err.text);
}

static void changes_of_the_lake(void **state)
{
	(void)state;
	checked("INSERT INTO bank.users VALUES (1)", "bank.users cannot be changed: tarn sql only reads");
	checked("/* x */ update BANK.Users SET a = 1", "BANK.Users cannot be changed");
	checked("DELETE FROM \"bank\".\"users\"", "bank.users cannot be changed");
	checked("TRUNCATE bank.users", "bank.users cannot be changed");
	checked("ALTER TABLE IF EXISTS bank.users ADD COLUMN x INT", "bank.users cannot be changed");
	checked("DROP VIEW bank.users", "bank.users cannot be changed");
	checked("MERGE INTO bank.users USING x ON true", "bank.users cannot be changed");
	checked("CREATE OR REPLACE TABLE bank.x (a INT)", "bank.x cannot be made");
	checked("CREATE UNIQUE INDEX i ON bank.users(id)", "bank.users cannot be made");
	checked("DELETE FROM \"a.b\".t", "a.b.t cannot be changed");
	checked("WITH gone AS (SELECT id FROM x) DELETE FROM bank.users", "bank.users cannot be changed");
	checked("CREATE TABLE mine AS SELECT 1", "mine would not be kept: tarn sql only reads the lake; CREATE TEMP");
	checked("CREATE VIEW mine AS SELECT 1", "CREATE TEMP");
	checked("COPY bank.users TO '/tmp/x'", "--output");
}

static void what_passes(void **state)
{
	(void)state;
	checked("SELECT * FROM bank.users", NULL);
	checked("WITH a AS (SELECT 1) SELECT * FROM a, bank.users", NULL);
	checked("WITH a AS (SELECT 'DELETE FROM bank.users') SELECT * FROM a", NULL);
	checked("CREATE TEMP TABLE mine AS SELECT * FROM bank.users", NULL);
	checked("CREATE OR REPLACE TEMPORARY VIEW mine AS SELECT 1", NULL);
	checked("CREATE MACRO f(a) AS a + 1", NULL);
	checked("INSERT INTO mine SELECT * FROM bank.users", NULL);
	checked("DROP TABLE mine", NULL);
	checked("BEGIN", NULL);
	checked("", NULL);
	checked("INSERT INTO", NULL);
	checked("WITH a AS (SELECT 1", NULL);
	checked("CREATE INDEX i", NULL);
	checked("DELETE FROM 'unclosed", NULL);
}

/* DuckDB's words (1.5) to ours. */
static void missing(const char *statement, const char *theirs, const char *want)
{
	struct err err;

	err_clear(&err);
	(void)err_set(&err, ERR_QUERY, "%s", theirs);
	assert_int_equal(sql_advice_missing(statement, names, N_NAMES, &err), ERR_QUERY);
	assert_string_equal(err.text, want ? want : theirs);
}

static void tables_that_are_missing(void **state)
{
	static const char line[] = "\n\nLINE 1: SELECT * FROM users\n                      ^";
	char theirs[300], want[300];
	struct err err;

	(void)state;
	snprintf(theirs, sizeof theirs, "Catalog Error: Table with name users does not exist!\nDid you mean \"sqlite_master\"?%s", line);
	snprintf(want, sizeof want, "there is no table users; tables are named namespace.table, did you mean bank.users? 'tarn table ls' lists them%s", line);
	missing("SELECT * FROM users", theirs, want);
	missing("SELECT * FROM nope", "Catalog Error: Table with name nope does not exist!", "there is no table nope; tables are named namespace.table; 'tarn table ls' lists them");
	missing("SELECT * FROM bank.nope", "Catalog Error: Table with name \"bank.nope\" does not exist because schema \"bank\" does not exist.", "there is no table bank.nope; 'tarn table ls' lists them");
	missing("SELECT * FROM bnk.users", "Catalog Error: Table with name \"bnk.users\" does not exist because schema \"bnk\" does not exist.", "there is no table bnk.users, did you mean bank.users? 'tarn table ls' lists them");
	missing("SELECT * FROM bank.acounts", "Catalog Error: Table with name acounts does not exist!", "there is no table bank.acounts, did you mean bank.accounts? 'tarn table ls' lists them");
	missing("SELECT * FROM \"bank.users\"", "Catalog Error: Table with name bank.users does not exist!", "quotes make \"bank.users\" one name; write bank.users, or quote its parts: \"bank\".\"users\"");
	missing("SELECT * FROM bank.nope AT (VERSION => 1)", "Binder Error: Catalog type does not support time travel", "there is no table bank.nope; 'tarn table ls' lists them");
	missing("INSERT INTO users VALUES (1)", "Catalog Error: Table with name users does not exist!", "bank.users cannot be changed: tarn sql only reads the lake; change the source database, or a copy of your own: CREATE TEMP TABLE mine AS SELECT ...");
	missing("SELECT nme FROM bank.users", "Binder Error: Referenced column \"nme\" not found in FROM clause!", NULL);
	missing("SELECT 1 AT (VERSION => 1)", "Binder Error: Catalog type does not support time travel", NULL);
	err_clear(&err);
	(void)err_set(&err, ERR_QUERY, "Catalog Error: Table with name users does not exist!");
	assert_int_equal(sql_advice_missing("SELECT * FROM users", NULL, 0, &err), ERR_QUERY);
	assert_non_null(strstr(err.text, "has none yet; 'tarn status'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(changes_of_the_lake), cmocka_unit_test(what_passes), cmocka_unit_test(tables_that_are_missing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
