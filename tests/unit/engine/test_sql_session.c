/* tests/unit/engine/test_sql_session.c — user SQL in a worker process: answers, limits, death, and what it must not reach. Run with the word "worker" this program is the worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/env.h"
#include "base/thread.h"
#include "engine/duck.h"
#include "engine/duck_api.h"
#include "engine/sql.h"
#include "engine/sql_protocol.h"

static char dir[64];
static struct err err;
#define OK(call) do { err_clear(&err); if ((call)) fail_msg("%s: %s", #call, err.text); } while (0)
#define T(k) ((struct type){ TYPE_##k, 0, 0, TYPE_NONE })

static const char *path_of(const char *name)
{
	static char path[4][256];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, 256, "%s/%s", dir, name);
	return p;
}

/* --- files, made by DuckDB's own SQL --- */
static int set_up(void **state)
{
	const char *settings[] = { "threads", "1", NULL };
	static const char *const files[] = {
		"SELECT i::INTEGER AS id, 'name ' || i AS name, i * 1.5 AS v FROM range(0, 1000) t(i)",
		"SELECT i::INTEGER AS id, 'name ' || i AS name, i * 1.5 AS v FROM range(1000, 2000) t(i)",
		"SELECT i::INTEGER AS id, 'name ' || i AS name, i * 1.5 AS v FROM range(2000, 3000) t(i)",
	};
	duckdb_database db;
	duckdb_connection conn;

	(void)state;
	snprintf(dir, sizeof dir, "/tmp/tarn-test-sql-%d", (int)getpid());
	env_mkdir(dir, 0700);
	if (duck_load(&err) || duck_instance_open(&db, settings, &err) || duck_api.connect(db, &conn) != DuckDBSuccess) {
		print_error("%s\n", err.text);
		return -1;
	}
	for (int i = 0; i < 3; i++) {
		char sql[1024];
		snprintf(sql, sizeof sql, "COPY (%s) TO '%s/t=%d it''s.parquet' (FIELD_IDS {id: 1, name: 2, v: 3})", files[i], dir, i);
		if (duck_exec(conn, sql, "set up", &err)) {
			print_error("%s\n", err.text);
			return -1;
		}
	}
	duck_api.disconnect(&conn);
	duck_api.close(&db);
	env_write_file_atomic(path_of("secret.txt"), "secret", 6, 0644);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	env_remove_tree(dir);
	return 0;
}

/* BitMap64([1, 5, 900]) */
static const uint8_t dv[] = { 0xd1, 0xd3, 0x39, 0x64, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0x10, 0, 0, 0, 1, 0, 5, 0, 0x84, 3 };
static const struct sql_column columns[] = { { "ID", T(INT64), 1, 0 }, { "the \"name\"", T(STRING), 2, 0 }, { "later", T(DATE), 9, 0 }, { "id", T(FLOAT64), 3, 0 } };

static struct sql_session *open_with(struct sql_limits limits)
{
	struct sql_session *session;
	struct sql_file files[3];

	for (int i = 0; i < 3; i++) {
		char name[32];
		snprintf(name, sizeof name, "t=%d it's.parquet", i);
		files[i] = (struct sql_file){ path_of(name), NULL, 0, 1000, -1 };
	}
	files[1].dv = dv;
	files[1].dv_bytes = sizeof dv;
	OK(sql_open(&limits, &session, &err));
	OK(sql_add_table(session, &(struct sql_table){ "my ns", "t", columns, 4, files, 3 }, &err));
	OK(sql_add_table(session, &(struct sql_table){ "my ns", "plain", columns, 4, files, 1 }, &err));
	OK(sql_add_table(session, &(struct sql_table){ "my ns", "deleted", columns, 4, files + 1, 1 }, &err));
	OK(sql_add_table(session, &(struct sql_table){ "my ns", "empty", columns, 4, NULL, 0 }, &err));
	OK(sql_lock(session, &err));
	return session;
}

/* --- answers as text: columns, then rows; cells by |, NULL as ~ --- */
struct answer { char text[16384]; size_t n; uint64_t rows; uint64_t stop_at; };

static int on_columns(void *arg, const struct sql_result_column *c, size_t n, struct err *why)
{
	struct answer *a = arg;

	(void)why;
	for (size_t i = 0; i < n; i++)
		a->n += (size_t)snprintf(a->text + a->n, sizeof a->text - a->n, "%s%s %s %d", i ? "|" : "", c[i].name, c[i].type_name, c[i].kind);
	a->n += (size_t)snprintf(a->text + a->n, sizeof a->text - a->n, "\n");
	return 0;
}

static int on_row(void *arg, const struct str *cells, size_t n, struct err *why)
{
	struct answer *a = arg;

	a->rows++;
	for (size_t i = 0; i < n && a->n + 1000 < sizeof a->text; i++)
		a->n += (size_t)snprintf(a->text + a->n, sizeof a->text - a->n, "%s%.*s", i ? "|" : "", cells[i].p ? (int)cells[i].n : 1, cells[i].p ? cells[i].p : "~");
	if (a->n + 1000 < sizeof a->text)
		a->n += (size_t)snprintf(a->text + a->n, sizeof a->text - a->n, "\n");
	return a->stop_at && a->rows >= a->stop_at ? err_set(why, ERR_LIMIT, "enough rows") : 0;
}

static int ask(struct sql_session *session, const char *sql, struct answer *a)
{
	struct sql_sink sink = { on_columns, on_row, a };

	memset(a, 0, offsetof(struct answer, stop_at));
	a->text[0] = 0;
	err_clear(&err);
	return sql_run(session, sql, &sink, &err);
}

static struct answer a;

static void expect(struct sql_session *session, const char *sql, const char *want)
{
	if (ask(session, sql, &a))
		fail_msg("%s: %s", sql, err.text);
	assert_string_equal(a.text, want);
}

static void views_show_live_rows(void **state)
{
	struct sql_session *s = open_with((struct sql_limits){ .threads = 2 });

	(void)state;
	expect(s, "SELECT count(*) AS n, sum(\"ID\") AS s FROM \"my ns\".t", "n BIGINT 1|s HUGEINT 1\n2997|4494594\n"); /* 4498500 - 1001 - 1005 - 1900 */
	expect(s, "SELECT * FROM \"my ns\".t WHERE \"ID\" BETWEEN 999 AND 1002 ORDER BY 1",
	       "ID BIGINT 1|the \"name\" VARCHAR 0|later DATE 0|id_3 DOUBLE 1\n999|name 999|~|1498.5\n1000|name 1000|~|1500.0\n1002|name 1002|~|1503.0\n");
	expect(s, "SELECT count(*) AS n FROM \"my ns\".deleted", "n BIGINT 1\n997\n");
	expect(s, "SELECT count(*) AS n FROM \"my ns\".plain", "n BIGINT 1\n1000\n");
	expect(s, "SELECT * FROM \"my ns\".empty", "ID BIGINT 1|the \"name\" VARCHAR 0|later DATE 0|id_3 DOUBLE 1\n");
	expect(s, "SELECT \"ID\" FROM \"my ns\".t ORDER BY \"ID\" DESC LIMIT 2", "ID BIGINT 1\n2999\n2998\n");
	expect(s, "SELECT table_schema, table_name FROM information_schema.tables ORDER BY 2", "table_schema VARCHAR 0|table_name VARCHAR 0\nmy ns|deleted\nmy ns|empty\nmy ns|plain\nmy ns|t\n");
	sql_close(s);
}

static void every_type_has_a_text(void **state)
{
	struct sql_session *s = open_with((struct sql_limits){ 0 });

	(void)state;
	expect(s, "SELECT true AS b, (-128)::TINYINT AS t, 18446744073709551615::UBIGINT AS u, (-170141183460469231731687303715884105728)::HUGEINT AS h, 0.1::DOUBLE AS d, 0.1::FLOAT AS f, 'nan'::DOUBLE AS nan, 1e300 AS e, (-0.05)::DECIMAL(10,2) AS n",
	       "b BOOLEAN 2|t TINYINT 1|u UBIGINT 1|h HUGEINT 1|d DOUBLE 1|f FLOAT 1|nan DOUBLE 1|e DOUBLE 1|n DECIMAL(10,2) 1\n"
	       "true|-128|18446744073709551615|-170141183460469231731687303715884105728|0.1|0.1|nan|1e+300|-0.05\n");
	expect(s, "SELECT DATE '1969-12-31' AS d, TIME '23:59:59.5' AS t, TIMESTAMP '2024-02-29 01:02:03.000001' AS ts, TIMESTAMPTZ '2024-02-29 01:02:03+02' AS tz, '1969-12-31 23:59:59.9'::TIMESTAMP AS neg, INTERVAL '1 year 2 days 3 seconds' AS i, 'infinity'::DATE AS inf",
	       "d DATE 0|t TIME 0|ts TIMESTAMP 0|tz TIMESTAMP WITH TIME ZONE 0|neg TIMESTAMP 0|i INTERVAL 0|inf DATE 0\n"
	       "1969-12-31|23:59:59.5|2024-02-29 01:02:03.000001|2024-02-28 23:02:03+00|1969-12-31 23:59:59.9|1 year 2 days 00:00:03|infinity\n");
	expect(s, "SELECT '\\x00\\xFF'::BLOB AS x, '00112233-4455-6677-8899-aabbccddeeff'::UUID AS u, 'b'::ENUM('a', 'b') AS e, NULL AS n, '' AS empty, 'gr\xc3\xbc\xc3\x9f' AS t",
	       "x BLOB 0|u UUID 0|e ENUM 0|n INTEGER 1|empty VARCHAR 0|t VARCHAR 0\n\\x00ff|00112233-4455-6677-8899-aabbccddeeff|b|~||gr\xc3\xbc\xc3\x9f\n");
	expect(s, "SELECT [1, NULL, 3] AS l, {'a': 'x\"y', 'b': [1.5::DOUBLE]} AS s, MAP {'k': TRUE} AS m, [DATE '2024-01-01'] AS ld, [1, 2]::INTEGER[2] AS a, union_value(k := 'v') AS un, ['nan'::DOUBLE] AS ln",
	       "l INTEGER[] 3|s STRUCT(\"a\" VARCHAR, \"b\" DOUBLE[]) 3|m MAP(VARCHAR, BOOLEAN) 3|ld DATE[] 3|a INTEGER[2] 3|un UNION(\"k\" VARCHAR) 3|ln DOUBLE[] 3\n"
	       "[1,null,3]|{\"a\":\"x\\\"y\",\"b\":[1.5]}|{\"k\":true}|[\"2024-01-01\"]|[1,2]|\"v\"|[\"nan\"]\n");
	assert_int_equal(ask(s, "SELECT '101'::BIT", &a), ERR_UNSUPPORTED);
	expect(s, "SELECT 1 AS one", "one INTEGER 1\n1\n"); /* and the session lives */
	sql_close(s);
}

static void statements_in_a_row(void **state)
{
	struct sql_session *s = open_with((struct sql_limits){ 0 });

	(void)state;
	expect(s, "CREATE TEMP TABLE x AS SELECT 1 AS a; INSERT INTO x VALUES (2); SELECT sum(a)::INT AS s FROM x;", "s INTEGER 1\n3\n");
	expect(s, "CREATE VIEW v AS SELECT 1", "\n");
	assert_int_equal(ask(s, "", &a), ERR_QUERY);
	assert_int_equal(ask(s, "SELECT no_such_column", &a), ERR_QUERY);
	assert_non_null(strstr(err.text, "no_such_column"));
	assert_int_equal(ask(s, "SELEC 1", &a), ERR_QUERY);
	assert_int_equal(ask(s, "SELECT * FROM nope.nothing", &a), ERR_QUERY);
	assert_int_equal(ask(s, "SELECT 'a'::INTEGER", &a), ERR_QUERY);
	assert_int_equal(ask(s, "EXPLAIN SELECT 1", &a), 0);
	assert_int_equal(ask(s, "/* c */ explain analyze SELECT count(*) FROM \"my ns\".t", &a), 0);
	assert_int_equal(ask(s, "EXPLAIN (FORMAT json) SELECT 1", &a), 0);
	assert_int_equal(ask(s, "DESCRIBE \"my ns\".t", &a), 0);
	assert_int_equal(a.rows, 4);
	assert_int_equal(ask(s, "SHOW ALL TABLES", &a), 0);
	assert_int_equal(ask(s, "SUMMARIZE \"my ns\".t", &a), 0);
	/* many rows, in order */
	assert_int_equal(ask(s, "SELECT i, repeat('x', 100) FROM range(100000) t(i)", &a), 0);
	assert_int_equal(a.rows, 100000);
	a.stop_at = 10;
	assert_int_equal(ask(s, "SELECT i FROM range(100000000) t(i)", &a), ERR_LIMIT);
	assert_string_equal(err.text, "enough rows");
	assert_int_equal(a.rows, 10);
	a.stop_at = 0;
	expect(s, "SELECT 1 AS one", "one INTEGER 1\n1\n");
	sql_close(s);
}

static void result_as_parquet(void **state)
{
	struct sql_session *s = open_with((struct sql_limits){ 0 });
	struct env_stat st;
	const char *out = path_of("out.parquet");

	(void)state;
	OK(sql_run_to_parquet(s, "SELECT * FROM \"my ns\".t -- all", out, &err));
	assert_int_equal(env_stat(out, &st), 0);
	assert_true(st.size > 1000);
	assert_int_not_equal(sql_run_to_parquet(s, "SELECT 1) TO '/tmp/tarn-evil.parquet' --", path_of("no.parquet"), &err), 0);
	assert_int_not_equal(sql_run_to_parquet(s, "SELECT 1; SELECT 2", path_of("no.parquet"), &err), 0);
	assert_int_not_equal(sql_run_to_parquet(s, "CREATE TABLE q (a INT)", path_of("no.parquet"), &err), 0);
	assert_int_not_equal(env_stat(path_of("no.parquet"), &st), 0);
	assert_int_not_equal(env_stat("/tmp/tarn-evil.parquet", &st), 0);
	sql_close(s);
}

/* --- what it must not do --- */
static void escapes_fail(void **state)
{
	struct sql_session *s = open_with((struct sql_limits){ 0 });
	char own[512], link[300];
	static const char *const attacks[] = {
		"SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM read_blob('/etc/passwd')", "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd.csv'",
		"SELECT * FROM read_text('/proc/self/environ')", "SELECT * FROM read_text('/proc/self/cmdline')", "SELECT * FROM read_blob('/proc/1/environ')", "SELECT * FROM read_text('/dev/fd/3')",
		"SELECT * FROM read_text('file:///etc/passwd')", "SELECT * FROM read_text('../../../../etc/passwd')", "SELECT * FROM read_json('/etc/os-release')",
		"SELECT * FROM read_text('%d/secret.txt')", "SELECT * FROM read_text('%d/x/../secret.txt')", "SELECT * FROM '%d/link.parquet'", "SELECT * FROM read_text('%d/link.txt')",
		"SELECT * FROM parquet_metadata('%d/foreign.parquet')", "SELECT * FROM parquet_schema('/tmp/x.parquet')", "SELECT * FROM read_parquet('%d/foreign.parquet')", "SELECT * FROM parquet_kv_metadata('%d/foreign.parquet')",
		"SELECT * FROM sniff_csv('/etc/passwd')", "SELECT * FROM 'http://127.0.0.1:1/x.csv'", "SELECT * FROM read_parquet('s3://bucket/x.parquet')", "SELECT * FROM read_csv('https://example.com/x.csv')",
		"COPY (SELECT 1) TO '%d/evil.csv'", "COPY (SELECT 1) TO '%d/t=0 it''s.parquet' (FORMAT parquet)", "COPY \"my ns\".t TO '/tmp/tarn-evil.csv'", "COPY (SELECT 1) TO '/dev/stdout'",
		"EXPLAIN ANALYZE COPY (SELECT 1) TO '%d/t=0 it''s.parquet' (FORMAT parquet)", "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '%d/t=0 it''s.parquet' (FORMAT parquet)", "SELECT 1; EXPLAIN ANALYZE COPY (SELECT 1) TO '%d/t=0 it''s.parquet'",
		"EXPLAIN /* ) */ ANALYZE COPY (SELECT 1) TO '%d/t=0 it''s.parquet'",
		"PREPARE p AS COPY (SELECT 1) TO '%d/t=0 it''s.parquet'; EXECUTE p", "CREATE MACRO m() AS TABLE SELECT * FROM read_text('/etc/passwd'); SELECT * FROM m()",
		"CREATE VIEW w AS SELECT * FROM read_text('/etc/passwd'); SELECT * FROM w", "CREATE TABLE z AS SELECT * FROM read_csv('/etc/passwd')", "INSERT INTO z1 SELECT content FROM read_text('/etc/passwd')",
		"EXPORT DATABASE '%d/export'", "IMPORT DATABASE '%d'", "ATTACH '%d/evil.db'", "ATTACH '%d/evil.db' AS e; CREATE TABLE e.x AS SELECT 1", "ATTACH 'postgres:dbname=x' AS pg (TYPE postgres)", "DETACH memory",
		"INSTALL httpfs", "LOAD httpfs", "FORCE INSTALL json", "LOAD '%d/evil.duckdb_extension'", "UPDATE EXTENSIONS",
		"SET enable_external_access = true", "SET allowed_paths = ['/etc/passwd']", "SET allowed_directories = ['/']", "SET lock_configuration = false", "SET memory_limit = '100GB'", "SET threads = 64", "SET temp_directory = '/'",
		"RESET memory_limit", "SET GLOBAL allow_unsigned_extensions = true", "SET home_directory = '/'", "PRAGMA memory_limit = '100GB'", "PRAGMA enable_profiling", "SET profiling_output = '%d/evil.json'",
		"SET secret_directory = '/tmp'", "CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')", "CALL force_checkpoint()", "CHECKPOINT", "SELECT getenv('PATH')", "SELECT * FROM glob('/etc/*')", "SELECT * FROM glob('%d/*')",
		"SET log_query_path = '%d/evil.log'", "CALL enable_logging(storage := 'file', storage_path := '%d/logs')", "SELECT tarn_live(0, 999999::UBIGINT, 0)", "SELECT tarn_live(-1, 0::UBIGINT, 0)", "SELECT * FROM query('COPY (SELECT 1) TO ''%d/evil.csv''')",
		"SELECT * FROM query_table('/etc/passwd')", "SELECT json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''/etc/passwd'')'))", "FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''/etc/passwd'')'))",
	};

	(void)state;
	snprintf(link, sizeof link, "%s", path_of("link.txt"));
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(symlink(path_of("foreign.parquet"), path_of("link.parquet")), 0);
	OK(sql_run_to_parquet(s, "SELECT 1 AS a", path_of("foreign.parquet"), &err)); /* a good file that is no table's */
	struct env_stat before, after;
	assert_int_equal(env_stat(path_of("t=0 it's.parquet"), &before), 0);
	unsigned n = 0;
	for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
		const char *hole = strstr(attacks[i], "%d");
		if (hole)
			snprintf(own, sizeof own, "%.*s%s%s", (int)(hole - attacks[i]), attacks[i], dir, hole + 2);
		else
			snprintf(own, sizeof own, "%s", attacks[i]);
		if (ask(s, own, &a) == 0 && a.rows > 0) /* an empty answer tells nothing: glob */
			fail_msg("succeeded: %s\n%s", own, a.text);
		n++;
	}
	assert_true(n >= 40);
	assert_int_equal(env_stat(path_of("t=0 it's.parquet"), &after), 0);
	assert_int_equal(after.size, before.size);
	assert_int_equal(after.mtime_us, before.mtime_us);
	static const char *const made[] = { "evil.csv", "evil.db", "evil.json", "evil.log", "export", "logs" };
	for (size_t i = 0; i < sizeof made / sizeof *made; i++)
		assert_int_not_equal(env_stat(path_of(made[i]), &after), 0);
	expect(s, "SELECT count(*) AS n FROM \"my ns\".t", "n BIGINT 1\n2997\n"); /* still in order */
	sql_close(s);
}

/* Functions that change DuckDB itself can be called from a SELECT. They may spoil the session of the one who asks, and nothing else. */
static void functions_with_effects(void **state)
{
	static const char *const attacks[] = {
		"SELECT * FROM enable_logging(storage := 'file', storage_path := '%d/logs')", "FROM enable_logging('FileSystem', storage := 'file', storage_config := {'path': '%d/logs'})", "FROM set_logging_storage('file')",
		"FROM enable_profiling(save_location := '%d/evil.json')", "FROM enable_profiling('json', save_location := '%d/evil.json'); SELECT 42", "FROM force_checkpoint()", "FROM checkpoint('memory')",
		"SELECT * FROM duckdb_secrets()", "SELECT write_log('x')", "FROM enable_object_cache()", "SELECT nextval('x')", "FROM test_all_types()", "SELECT current_setting('allowed_paths')",
	};
	char own[512];
	struct env_stat st;

	(void)state;
	for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
		struct sql_session *s = open_with((struct sql_limits){ .time_us = 5000000 });
		const char *hole = strstr(attacks[i], "%d");
		snprintf(own, sizeof own, "%.*s%s%s", hole ? (int)(hole - attacks[i]) : (int)strlen(attacks[i]), attacks[i], hole ? dir : "", hole ? hole + 2 : "");
		int rc = ask(s, own, &a);
		assert_true(rc != ERR_WORKER && rc != ERR_TIMEOUT);
		rc = ask(s, "SELECT 1", &a);
		assert_int_not_equal(rc, ERR_WORKER);
		rc = ask(s, "SELECT * FROM read_text('/etc/passwd')", &a);
		assert_int_equal(rc, ERR_QUERY);
		sql_close(s);
	}
	assert_int_not_equal(env_stat(path_of("logs"), &st), 0);
	assert_int_not_equal(env_stat(path_of("evil.json"), &st), 0);
}

/* --- limits and death --- */
static void memory_is_limited(void **state)
{
	struct sql_session *s = open_with((struct sql_limits){ .memory_bytes = 64 << 20, .temp_bytes = 16 << 20 });

	(void)state;
	assert_int_equal(ask(s, "SELECT list(i ORDER BY hash(i)) FROM range(30000000) t(i)", &a), ERR_LIMIT);
	expect(s, "SELECT 1 AS one", "one INTEGER 1\n1\n");
	sql_close(s);
}

#define ENDLESS "SELECT count(*) FROM range(10000000) a(i), range(10000000) b(j) WHERE hash(i + j) = 1"

static void time_is_limited(void **state)
{
	struct sql_session *s = open_with((struct sql_limits){ .time_us = 500000 });
	int64_t start = env_mono_us();

	(void)state;
	assert_int_equal(ask(s, ENDLESS, &a), ERR_TIMEOUT);
	assert_true(env_mono_us() - start < 4000000);
	expect(s, "SELECT 1 AS one", "one INTEGER 1\n1\n");
	sql_close(s);
}

static void cancel_soon(void *arg)
{
	env_sleep_us(300000);
	sql_cancel(arg);
}

static void a_query_can_be_cancelled(void **state)
{
	struct sql_session *s = open_with((struct sql_limits){ .threads = 2 });
	struct thread *thread;
	int64_t start = env_mono_us();

	(void)state;
	sql_cancel(s); /* nothing runs: no effect on what follows */
	expect(s, "SELECT 1 AS one", "one INTEGER 1\n1\n");
	OK(thread_start(&thread, "cancel", cancel_soon, s, &err));
	assert_int_equal(ask(s, ENDLESS, &a), ERR_CANCELLED);
	assert_true(env_mono_us() - start < 4000000);
	thread_join(thread);
	expect(s, "SELECT 1 AS one", "one INTEGER 1\n1\n");
	sql_close(s);
}

/* Our only child. */
static pid_t worker_pid(void)
{
	char path[64], line[256] = "";

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	FILE *f = fopen(path, "r");
	if (f && fgets(line, sizeof line, f) == NULL)
		line[0] = 0;
	if (f)
		fclose(f);
	return (pid_t)atoi(line);
}

static void kill_soon(void *arg)
{
	env_sleep_us(300000);
	kill(*(pid_t *)arg, SIGKILL);
}

static void a_killed_worker_is_an_error(void **state)
{
	struct sql_session *s = open_with((struct sql_limits){ 0 });
	struct thread *thread;
	pid_t pid = worker_pid();

	(void)state;
	if (pid <= 0) {
		sql_close(s);
		skip();
	}
	OK(thread_start(&thread, "kill", kill_soon, &pid, &err));
	assert_int_equal(ask(s, ENDLESS, &a), ERR_WORKER);
	assert_non_null(strstr(err.text, "signal 9 (out of memory?)"));
	thread_join(thread);
	assert_int_equal(ask(s, "SELECT 1", &a), ERR_WORKER);
	sql_close(s);
}

static void broken_tables_are_refused(void **state)
{
	struct sql_session *s;
	struct sql_file file = { path_of("nowhere.parquet"), NULL, 0, 10, -1 };
	struct sql_limits limits = { 0 };

	(void)state;
	OK(sql_open(&limits, &s, &err));
	OK(sql_add_table(s, &(struct sql_table){ "n", "t", columns, 4, &file, 1 }, &err));
	assert_int_not_equal(sql_lock(s, &err), 0);
	assert_non_null(strstr(err.text, "nowhere.parquet"));
	sql_close(s);

	file = (struct sql_file){ path_of("t=0 it's.parquet"), dv, sizeof dv, 900, -1 }; /* row 900 of 900 rows */
	OK(sql_open(&limits, &s, &err));
	assert_int_equal(sql_add_table(s, &(struct sql_table){ "n", "t", columns, 4, &file, 1 }, &err), ERR_CORRUPT);
	sql_close(s);
}

static int worker_folders(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += strncmp(e->d_name, "tarn-sql-", 9) == 0;
	if (d)
		closedir(d);
	return n;
}

static void nothing_is_left_behind(void **state)
{
	(void)state;
	char old[300], young[300], other[300];
	struct env_stat st;
	setenv("TMPDIR", dir, 1);
	/* of a process that was killed an hour ago, of one that just begins, and something else */
	snprintf(old, sizeof old, "%s", path_of("tarn-sql-old"));
	snprintf(young, sizeof young, "%s", path_of("tarn-sql-young"));
	snprintf(other, sizeof other, "%s", path_of("tarn-other"));
	const struct timespec hour_ago[2] = { { time(NULL) - 3600, 0 }, { time(NULL) - 3600, 0 } };
	assert_int_equal(env_mkdir(old, 0700) | env_mkdir(young, 0700) | env_mkdir(other, 0700), 0);
	assert_int_equal(utimensat(AT_FDCWD, old, hour_ago, 0) | utimensat(AT_FDCWD, other, hour_ago, 0), 0);
	struct sql_session *s = open_with((struct sql_limits){ 0 });
	assert_int_not_equal(env_stat(old, &st), 0);
	assert_int_equal(env_stat(young, &st) | env_stat(other, &st), 0);
	assert_int_equal(worker_folders(), 2);
	assert_int_equal(utimensat(AT_FDCWD, young, hour_ago, 0), 0);
	struct sql_session *t = open_with((struct sql_limits){ 0 }); /* does not take the first one's */
	assert_int_equal(worker_folders(), 2);
	sql_close(s);
	sql_close(t);
	assert_int_equal(worker_folders(), 0);
	assert_int_equal(worker_pid(), 0);
	unsetenv("TMPDIR");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(views_show_live_rows), cmocka_unit_test(every_type_has_a_text), cmocka_unit_test(statements_in_a_row), cmocka_unit_test(result_as_parquet),
		cmocka_unit_test(escapes_fail), cmocka_unit_test(functions_with_effects), cmocka_unit_test(memory_is_limited), cmocka_unit_test(time_is_limited), cmocka_unit_test(a_query_can_be_cancelled),
		cmocka_unit_test(a_killed_worker_is_an_error), cmocka_unit_test(broken_tables_are_refused), cmocka_unit_test(nothing_is_left_behind),
	};

	if (argc > 1 && strcmp(argv[1], "worker") == 0)
		return sql_worker_main(SQL_WORKER_FD);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
