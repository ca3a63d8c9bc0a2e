/* tests/unit/pg/test_pg_live.c — connection, catalog, slot, copy and describer against a real server.
 *
 * Skipped unless TARN_TEST_PG holds a superuser's connection string (user=, password= and dbname= in it are replaced where a test needs it). Everything is made in schema tarn_live
 * and dropped at the end. The oracle is the server's own text of each value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/env.h"
#include "base/mem.h"
#include "pg/pg_catalog.h"
#include "pg/pg_copy.h"
#include "pg/pg_describe.h"
#include "pg/pg_types.h"

static const char *server;
static struct pg_conn *conn;

static void ok(int rc, const struct err *err)
{
	if (rc)
		fail_msg("%s: %s", err_name(rc), err->text);
}

static void run(const char *sql)
{
	struct err err;

	err_clear(&err);
	ok(pg_exec(conn, sql, &err), &err);
}

static struct pg_conn *open_as(const char *extra, bool replication)
{
	char conninfo[512];
	struct pg_conn_opts opts = { .conninfo = conninfo, .replication = replication };
	struct pg_conn *c = NULL;
	struct err err;

	snprintf(conninfo, sizeof conninfo, "%s %s", server, extra);
	err_clear(&err);
	ok(pg_conn_open(&c, &opts, &err), &err);
	return c;
}

static void refused(const char *extra, const char *password, bool replication, int code, const char *part)
{
	char conninfo[512];
	struct pg_conn_opts opts = { .conninfo = conninfo, .password = password, .replication = replication };
	struct pg_conn *c = NULL;
	struct err err;
	int rc;

	snprintf(conninfo, sizeof conninfo, "%s %s", server, extra);
	err_clear(&err);
	rc = pg_conn_open(&c, &opts, &err);
	print_message("    %s\n", err.text);
	if (rc != code || !strstr(err.text, part))
		fail_msg("%s: %s; expected %s with \"%s\"", err_name(rc), err.text, err_name(code), part);
	assert_null(c);
	assert_null(strstr(err.text, "sesame"));
	assert_null(strchr(err.text, '\n'));
}

static void test_refusals(void **state)
{
	(void)state;
	run("DROP ROLE IF EXISTS tarn_live_plain; CREATE ROLE tarn_live_plain LOGIN PASSWORD 'sesame1'");
	refused("", "sesame-wrong", false, ERR_AUTH, "check user and password");
	refused("dbname=tarn_no_such", NULL, false, ERR_NOT_FOUND, "tarn_no_such");
	refused("user=tarn_live_plain", "sesame1", true, ERR_PRIVILEGE, "ALTER ROLE \"tarn_live_plain\" REPLICATION");
	refused("host=no-such-host.invalid", NULL, false, ERR_CONNECT, "no-such-host.invalid");
	run("DROP ROLE tarn_live_plain");
}

static void expect_setting(struct pg_conn *c, const char *name, const char *value)
{
	struct pg_result *r = NULL;
	char sql[128];
	struct err err;

	snprintf(sql, sizeof sql, "SELECT pg_catalog.current_setting('%s')", name);
	ok(pg_query(c, sql, NULL, 0, &r, &err), &err);
	assert_string_equal(pg_result_text(r, 0, 0), value);
	pg_result_free(r);
}

/* Role settings lose, the connection string's own options that do not change bytes stay. */
static void test_settings(void **state)
{
	static const char *const extra = "options='-c DateStyle=SQL,DMY -c work_mem=7MB -c statement_timeout=90s'";

	(void)state;
	run("ALTER ROLE CURRENT_USER SET bytea_output = escape; ALTER ROLE CURRENT_USER SET extra_float_digits = 0; ALTER ROLE CURRENT_USER SET idle_in_transaction_session_timeout = '5s'; "
	    "ALTER ROLE CURRENT_USER SET IntervalStyle = iso_8601; ALTER ROLE CURRENT_USER SET TimeZone = 'Asia/Tokyo'");
	for (int replication = 0; replication < 2; replication++) {
		struct pg_conn *c = open_as(extra, replication);

		expect_setting(c, "DateStyle", "ISO, DMY");
		expect_setting(c, "IntervalStyle", "postgres");
		expect_setting(c, "bytea_output", "hex");
		expect_setting(c, "extra_float_digits", "3");
		expect_setting(c, "TimeZone", "UTC");
		expect_setting(c, "search_path", "");
		expect_setting(c, "client_encoding", "UTF8");
		expect_setting(c, "application_name", "tarn");
		expect_setting(c, "row_security", "off");
		expect_setting(c, "idle_in_transaction_session_timeout", "0");
		expect_setting(c, "work_mem", "7MB");
		expect_setting(c, "statement_timeout", "90s");
		pg_conn_close(c);
	}
	run("ALTER ROLE CURRENT_USER RESET ALL");
}

static const struct pg_table *find(const struct pg_tables *tables, const char *name)
{
	for (size_t i = 0; i < tables->n; i++)
		if (strcmp(tables->tables[i].rel->name, name) == 0)
			return &tables->tables[i];
	fail_msg("no table %s", name);
	return NULL;
}

static void expect_why(const struct pg_tables *tables, const char *name, const char *part)
{
	const char *why = find(tables, name)->rel->unsupported;

	if (!part ? why != NULL : !why || !strstr(why, part))
		fail_msg("%s: \"%s\", expected \"%s\"", name, why ? why : "(supported)", part ? part : "(supported)");
}

static void make_tables(void)
{
	run("DROP SCHEMA IF EXISTS tarn_live CASCADE; CREATE SCHEMA tarn_live; SET search_path = tarn_live;"
	    "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text);"
	    "CREATE TABLE plain (b text NOT NULL, a int, note text, PRIMARY KEY (a, b));"
	    "CREATE TABLE nokey (a int); CREATE TABLE ident_full (a int PRIMARY KEY); ALTER TABLE ident_full REPLICA IDENTITY FULL;"
	    "CREATE TABLE ident_none (a int PRIMARY KEY); ALTER TABLE ident_none REPLICA IDENTITY NOTHING;"
	    "CREATE TABLE ident_index (a int PRIMARY KEY, b int NOT NULL UNIQUE); ALTER TABLE ident_index REPLICA IDENTITY USING INDEX ident_index_b_key;"
	    "CREATE TABLE deferred (a int PRIMARY KEY DEFERRABLE); CREATE UNLOGGED TABLE unlogged (a int PRIMARY KEY);"
	    "CREATE TABLE gen (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED);"
	    "CREATE TABLE parted (a int PRIMARY KEY) PARTITION BY RANGE (a); CREATE TABLE leaf PARTITION OF parted FOR VALUES FROM (0) TO (10);"
	    "CREATE VIEW looking AS SELECT 1 AS one; CREATE TABLE \"Odd \"\"name.x\" (\"Id\"\"\" int PRIMARY KEY, p pair, m mood, ms mood[]); RESET search_path");
}

static void test_tables(void **state)
{
	const char *all = "tarn_live.*", *one = "tarn_live.leaf", *typo = "tarn_live.plane", *view = "tarn_live.looking", *bare = "plain";
	struct pg_tables tables;
	const struct relation *rel;
	struct err err;

	(void)state;
	ok(pg_tables_find(conn, &all, 1, NULL, &tables, &err), &err);
	assert_int_equal(tables.n, 10);
	assert_string_equal(tables.tables[0].rel->name, "Odd \"name.x"); /* byte order */
	expect_why(&tables, "plain", NULL);
	expect_why(&tables, "nokey", "ALTER TABLE \"tarn_live\".\"nokey\" ADD PRIMARY KEY (...), or leave it out of tables:");
	expect_why(&tables, "ident_full", "FULL");
	expect_why(&tables, "ident_none", "NOTHING");
	expect_why(&tables, "ident_index", "an index");
	expect_why(&tables, "deferred", "primary key");
	expect_why(&tables, "unlogged", "SET LOGGED");
	expect_why(&tables, "gen", "generated column \"b\"");
	expect_why(&tables, "parted", "partitioned");
	assert_true(find(&tables, "plain")->binary_ok);
	assert_false(find(&tables, "Odd \"name.x")->binary_ok);
	rel = find(&tables, "plain")->rel;
	assert_int_equal(rel->n_columns, 3);
	assert_int_equal(rel->n_keys, 2);
	assert_int_equal(rel->key_columns[0], 1); /* a, then b: the key's order, not the table's */
	assert_int_equal(rel->key_columns[1], 0);
	assert_true(rel->columns[0].not_null && !rel->columns[2].not_null);
	assert_int_equal(rel->columns[1].type.kind, TYPE_INT32);
	pg_tables_free(&tables);
	ok(pg_tables_find(conn, &one, 1, NULL, &tables, &err), &err);
	expect_why(&tables, "leaf", "partition");
	pg_tables_free(&tables);
	assert_int_equal(pg_tables_find(conn, &typo, 1, NULL, &tables, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "did you mean \"tarn_live.plain\""));
	assert_int_equal(pg_tables_find(conn, &view, 1, NULL, &tables, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "a view"));
	assert_int_equal(pg_tables_find(conn, &bare, 1, NULL, &tables, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "has no schema"));
}

static void test_publication(void **state)
{
	const char *patterns[] = { "tarn_live.*" };
	struct pg_tables tables;
	struct pg_result *r = NULL;
	struct err err;

	(void)state;
	run("DROP PUBLICATION IF EXISTS tarn_live");
	ok(pg_tables_find(conn, patterns, 1, "tarn_live", &tables, &err), &err);
	assert_int_equal(pg_publication_ensure(conn, "tarn_live", &tables, false, &err), ERR_SOURCE_SETUP);
	assert_non_null(strstr(err.text, "CREATE PUBLICATION \"tarn_live\" FOR TABLE ONLY \"tarn_live\".\"Odd \"\"name.x\", ONLY \"tarn_live\".\"plain\""));
	ok(pg_publication_ensure(conn, "tarn_live", &tables, true, &err), &err);
	ok(pg_publication_ensure(conn, "tarn_live", &tables, false, &err), &err);
	assert_true(find(&tables, "plain")->published);
	assert_false(find(&tables, "nokey")->published);
	pg_tables_free(&tables);

	run("CREATE TABLE tarn_live.later (a int PRIMARY KEY)");
	ok(pg_tables_find(conn, patterns, 1, "tarn_live", &tables, &err), &err);
	assert_true(find(&tables, "plain")->published);
	assert_false(find(&tables, "later")->published);
	ok(pg_publication_ensure(conn, "tarn_live", &tables, true, &err), &err);
	ok(pg_query(conn, "SELECT string_agg(tablename, ',' ORDER BY tablename COLLATE \"C\") FROM pg_publication_tables WHERE pubname = 'tarn_live'", NULL, 0, &r, &err), &err);
	assert_string_equal(pg_result_text(r, 0, 0), "Odd \"name.x,later,plain");
	pg_result_free(r);

	run("ALTER PUBLICATION tarn_live SET (publish = 'insert, delete')");
	assert_int_equal(pg_publication_ensure(conn, "tarn_live", &tables, true, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "does not publish updates truncates"));
	run("DROP PUBLICATION tarn_live; CREATE PUBLICATION tarn_live FOR TABLE tarn_live.plain WHERE (a > 3)");
	assert_int_equal(pg_publication_ensure(conn, "tarn_live", &tables, true, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "row filter on tarn_live.plain"));
	run("DROP PUBLICATION tarn_live; CREATE PUBLICATION tarn_live FOR TABLE tarn_live.plain (a, b)");
	assert_int_equal(pg_publication_ensure(conn, "tarn_live", &tables, true, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "column list on tarn_live.plain"));
	run("DROP PUBLICATION tarn_live; DROP TABLE tarn_live.later");
	pg_tables_free(&tables);
}

static void test_slot(void **state)
{
	struct pg_conn *repl = open_as("", true), *other = open_as("", true);
	struct pg_export export, again;
	struct pg_identity id;
	struct pg_slot slot;
	struct err err;

	(void)state;
	ok(pg_identify(repl, &id, &err), &err);
	assert_true(id.system_id > 0 && id.timeline > 0 && id.database_oid > 0 && id.wal_lsn > 0);
	ok(pg_slot_inspect(conn, "tarn_live", &slot, &err), &err);
	assert_false(slot.exists);
	ok(pg_source_check(conn, "tarn_live", &err), &err);
	ok(pg_slot_create(repl, "tarn_live", false, &export, &err), &err);
	assert_true(export.snapshot[0] && export.consistent_lsn >= id.wal_lsn);
	assert_int_equal(pg_slot_create(other, "tarn_live", false, &again, &err), ERR_SLOT);
	assert_non_null(strstr(err.text, "pg_drop_replication_slot('tarn_live')"));
	assert_int_equal(pg_slot_create(other, "Bad-Name", false, &again, &err), ERR_CONFIG);
	ok(pg_slot_inspect(conn, "tarn_live", &slot, &err), &err);
	assert_true(slot.exists && !slot.active && !slot.temporary && !slot.two_phase);
	assert_string_equal(slot.plugin, "pgoutput");
	assert_string_equal(slot.wal_status, "reserved");
	assert_true(slot.confirmed_flush_lsn == export.consistent_lsn);
	ok(pg_source_check(conn, "tarn_live", &err), &err);
	ok(pg_slot_drop(conn, "tarn_live", &err), &err);
	assert_int_equal(pg_slot_drop(conn, "tarn_live", &err), ERR_NOT_FOUND);
	run("SELECT pg_catalog.pg_create_logical_replication_slot('tarn_live', 'pgoutput', false, true)");
	assert_int_equal(pg_source_check(conn, "tarn_live", &err), ERR_SLOT);
	assert_non_null(strstr(err.text, "two_phase"));
	ok(pg_slot_drop(conn, "tarn_live", &err), &err);
	run("SELECT pg_catalog.pg_create_logical_replication_slot('tarn_live', 'test_decoding')");
	assert_int_equal(pg_source_check(conn, "tarn_live", &err), ERR_SLOT);
	assert_non_null(strstr(err.text, "test_decoding"));
	ok(pg_slot_drop(conn, "tarn_live", &err), &err);
	pg_conn_close(other);
	pg_conn_close(repl);
}

/* Every exact type once, nulls and limits; "want" is the server's own text in the spelling of column_text. */
static const char make_values[] =
	"CREATE TABLE tarn_live.vals (id int8 PRIMARY KEY, b bool, i2 int2, i4 int4, n numeric(12,2), w numeric(30,4), free numeric, t text, c char(4), by bytea, u uuid, d date, "
	"tm time, ts timestamp, tz timestamptz, js json, jb jsonb, m tarn_live.mood, ai int4[], am tarn_live.mood[], pr tarn_live.pair, iv interval, net inet);"
	"INSERT INTO tarn_live.vals SELECT g, g % 2 = 0, (g % 30000)::int2, -g, g * 1.01, g * 12345678901234.5678, g / 7.0, 'text ' || g || ' \xc3\xa9', 'x' || g % 10, "
	"decode(md5(g::text), 'hex'), md5(g::text)::uuid, '2000-01-01'::date + g::int, '00:00'::time + g * interval '1 second 7 microseconds', '1999-12-31 23:59:59.5'::timestamp + g * interval '1 hour', "
	"'1970-01-01 00:00Z'::timestamptz - g * interval '13 minutes', json_build_object('g', g), jsonb_build_object('g', g, 'a', array[1, 2]), (array['sad', 'ok'])[g % 2 + 1]::tarn_live.mood, "
	"array[g, null, -g]::int4[], array['ok', 'sad']::tarn_live.mood[], row(g, 'x,\"y')::tarn_live.pair, g * interval '1 day 2 hours', '10.0.0.1/8'::inet + g "
	"FROM generate_series(1, 20000) g; INSERT INTO tarn_live.vals (id) VALUES (-9223372036854775808);"
	"INSERT INTO tarn_live.vals (id, n, w, t, d, ts, ai) VALUES (9223372036854775807, -9999999999.99, 99999999999999999999999999.9999, '', '0001-01-01', '1582-10-04 12:00', '{}')";
static const char want_values[] =
	"SELECT id, b::text, i2, i4, n, w, free, t, c::text || repeat(' ', 4 - length(c)), encode(by, 'hex'), u, to_char(d, 'YYYY-MM-DD'), to_char(tm, 'HH24:MI:SS.US'), "
	"to_char(ts, 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), to_char(tz, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), js, jb, m, replace(replace(replace(replace(ai::text, '{', '['), '}', ']'), ',', ', '), 'NULL', 'null'), "
	"replace(replace(replace(am::text, '{', '['), '}', ']'), ',', ', '), pr, iv, net FROM tarn_live.vals ORDER BY id";

static int by_id(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

struct text_row { int64_t id; char *text; };

static size_t copy_rows(struct pg_conn *c, struct relation *rel, struct text_row *rows)
{
	struct type types[32];
	struct batch *batch;
	struct pg_copy *copy = NULL;
	size_t n = 0;
	bool done = false;
	struct err err;

	ok(pg_types_bind(rel, &err), &err);
	for (uint16_t i = 0; i < rel->n_columns; i++)
		types[i] = rel->columns[i].type;
	batch = batch_new(types, rel->n_columns, 1000);
	ok(pg_copy_open(c, rel, &copy, &err), &err);
	while (!done) {
		batch_reset(batch);
		ok(pg_copy_read(copy, batch, &done, &err), &err);
		for (uint32_t r = 0; r < batch->n; r++) {
			struct wbuf w;

			wbuf_init(&w, 0);
			for (uint16_t i = 0; i < rel->n_columns; i++) {
				column_text(&batch->columns[i], r, &w);
				wbuf_putz(&w, "|");
			}
			rows[n].id = COLUMN_AT(&batch->columns[0], int64_t, r);
			wbuf_put_u8(&w, 0);
			rows[n++].text = wbuf_take(&w);
		}
	}
	pg_copy_close(copy);
	batch_free(batch);
	return n;
}

static void test_copy(void **state)
{
	const char *pattern = "tarn_live.vals";
	struct pg_conn *repl = open_as("", true), *reader = open_as("", false);
	struct text_row *rows = mem_array(20010, sizeof *rows);
	struct pg_result *want = NULL;
	struct pg_export export;
	struct pg_tables tables;
	struct err err;
	size_t n;

	(void)state;
	run(make_values);
	ok(pg_query(conn, want_values, NULL, 0, &want, &err), &err);
	ok(pg_tables_find(conn, &pattern, 1, NULL, &tables, &err), &err);
	expect_why(&tables, "vals", NULL);
	ok(pg_slot_create(repl, "tarn_live", true, &export, &err), &err);
	run("UPDATE tarn_live.vals SET t = 'after the snapshot'; DELETE FROM tarn_live.vals WHERE id < 100");
	ok(pg_snapshot_import(reader, export.snapshot, &err), &err);
	n = copy_rows(reader, tables.tables[0].rel, rows);
	ok(pg_snapshot_end(reader, &err), &err);
	assert_int_equal(n, 20002);
	assert_int_equal(pg_result_rows(want), 20002);
	qsort(rows, n, sizeof *rows, by_id);
	for (size_t r = 0; r < n; r++) {
		struct wbuf w;

		wbuf_init(&w, 0);
		for (int i = 0; i < tables.tables[0].rel->n_columns; i++)
			wbuf_putf(&w, "%s|", pg_result_null(want, (int)r, i) ? "null" : pg_result_text(want, (int)r, i));
		assert_string_equal(rows[r].text, wbuf_cstr(&w));
		wbuf_free(&w);
		mem_free(rows[r].text);
	}
	mem_free(rows);
	pg_result_free(want);
	pg_tables_free(&tables);
	pg_conn_close(reader);
	pg_conn_close(repl);
}

/* Left in the middle, the connection is as usable as before; a changed table is not copied; a dead snapshot is refused. */
static void test_copy_stops(void **state)
{
	const char *pattern = "tarn_live.vals";
	struct pg_conn *reader = open_as("", false);
	struct pg_tables tables;
	struct pg_copy *copy = NULL;
	struct batch *batch;
	struct type types[32];
	bool done = true;
	struct err err;

	(void)state;
	ok(pg_tables_find(conn, &pattern, 1, NULL, &tables, &err), &err);
	ok(pg_types_bind(tables.tables[0].rel, &err), &err);
	for (uint16_t i = 0; i < tables.tables[0].rel->n_columns; i++)
		types[i] = tables.tables[0].rel->columns[i].type;
	batch = batch_new(types, tables.tables[0].rel->n_columns, 10);
	ok(pg_copy_open(reader, tables.tables[0].rel, &copy, &err), &err);
	ok(pg_copy_read(copy, batch, &done, &err), &err);
	assert_false(done);
	assert_int_equal(batch->n, 10);
	pg_copy_close(copy);
	ok(pg_exec(reader, "SELECT 1", &err), &err);
	run("ALTER TABLE tarn_live.vals DROP COLUMN net");
	assert_int_equal(pg_copy_open(reader, tables.tables[0].rel, &copy, &err), ERR_CONFLICT);
	assert_non_null(strstr(err.text, "\"net\""));
	assert_int_equal(pg_snapshot_import(reader, "00000003-0000001B-9", &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "00000003-0000001B-9"));
	ok(pg_exec(reader, "SELECT 1", &err), &err);
	batch_free(batch);
	pg_tables_free(&tables);
	pg_conn_close(reader);
}

/* A table of more than 1024 blocks over three connections: each row once, and the empty ranges at the end too. */
static void test_copy_split(void **state)
{
	const char *pattern = "tarn_live.large";
	struct pg_conn *repl = open_as("", true), *conns[3] = { open_as("", false), open_as("", false), open_as("", false) };
	struct pg_export export;
	struct pg_tables tables;
	struct pg_copy *copy = NULL;
	struct relation *rel;
	struct batch *batch;
	struct type types[2];
	bool done = false, *seen = mem_zero(40001);
	uint32_t blocks, n = 0;
	int64_t started;
	struct err err;

	(void)state;
	run("CREATE TABLE tarn_live.large (id bigint PRIMARY KEY, filler text) WITH (autovacuum_enabled = false);"
	    "INSERT INTO tarn_live.large SELECT g, repeat(md5(g::text), 12) FROM generate_series(1, 40000) g; DELETE FROM tarn_live.large WHERE id > 25000");
	ok(pg_tables_find(conn, &pattern, 1, NULL, &tables, &err), &err);
	rel = tables.tables[0].rel;
	ok(pg_types_bind(rel, &err), &err);
	for (uint16_t i = 0; i < rel->n_columns; i++)
		types[i] = rel->columns[i].type;
	ok(pg_slot_create(repl, "tarn_live", true, &export, &err), &err);
	run("UPDATE tarn_live.large SET filler = 'moved' WHERE id % 3 = 0; DELETE FROM tarn_live.large WHERE id % 3 = 1; INSERT INTO tarn_live.large VALUES (50000, '')");
	ok(pg_snapshot_import(conns[0], export.snapshot, &err), &err);
	ok(pg_copy_blocks(conns[0], rel, &blocks, &err), &err);
	assert_true(pg_conn_server_version(conn) < 140000 || blocks > 1024);
	for (int i = 1; i < 3; i++)
		ok(pg_copy_join(conns[i], export.snapshot, rel, &err), &err);
	batch = batch_new(types, rel->n_columns, 1000);
	ok(pg_copy_open_split(conns, 3, rel, blocks, &copy, &err), &err);
	while (!done) {
		batch_reset(batch);
		ok(pg_copy_read(copy, batch, &done, &err), &err);
		for (uint32_t r = 0; r < batch->n; r++, n++) {
			int64_t id = COLUMN_AT(&batch->columns[0], int64_t, r);

			assert_in_range(id, 1, 25000);
			assert_false(seen[id]);
			seen[id] = true;
			assert_int_equal(COLUMN_AT(&batch->columns[1], struct str, r).n, 384);
		}
	}
	assert_int_equal(n, 25000);
	pg_copy_close(copy);

	/* left in the middle, each connection is as usable as before */
	ok(pg_copy_open_split(conns, 3, rel, blocks, &copy, &err), &err);
	batch_reset(batch);
	ok(pg_copy_read(copy, batch, &done, &err), &err);
	assert_false(done);
	pg_copy_close(copy);
	for (int i = 0; i < 3; i++)
		ok(pg_snapshot_end(conns[i], &err), &err);

	/* a table that somebody locks is not waited for */
	ok(pg_exec(conns[0], "BEGIN; LOCK TABLE tarn_live.large IN ACCESS EXCLUSIVE MODE", &err), &err);
	started = env_mono_us();
	assert_true(pg_copy_join(conns[1], export.snapshot, rel, &err) != ERR_OK);
	assert_non_null(strstr(err.text, "lock timeout"));
	assert_true(env_mono_us() - started < 10000000);
	batch_free(batch);
	mem_free(seen);
	pg_tables_free(&tables);
	for (int i = 0; i < 3; i++)
		pg_conn_close(conns[i]);
	pg_conn_close(repl);
	run("DROP TABLE tarn_live.large");
}

static struct pgoutput_relcol relcol(const struct rel_column *c)
{
	return (struct pgoutput_relcol){ .name = str_of(c->name), .identity = c->key, .type_oid = c->source_type, .typmod = c->typmod };
}

static void test_describe(void **state)
{
	const char *patterns[] = { "tarn_live.plain", "tarn_live.vals", "tarn_live.nokey" };
	struct pg_conn_opts opts = { .conninfo = server };
	struct pg_describer *d;
	struct pgoutput_relcol cols[32];
	struct pg_tables tables;
	struct relation *rel = NULL;
	struct err err;

	(void)state;
	ok(pg_tables_find(conn, patterns, 3, NULL, &tables, &err), &err);
	d = pg_describer_open(&opts, &err);
	assert_non_null(d);
	for (size_t t = 0; t < tables.n; t++) { /* the message of an unchanged table gives what the catalog gives */
		const struct relation *is = tables.tables[t].rel;

		for (uint16_t i = 0; i < is->n_columns; i++)
			cols[i] = relcol(&is->columns[i]);
		ok(pg_describe(d, is->id, 'd', cols, is->n_columns, str_of(is->schema), str_of(is->name), &rel, &err), &err);
		assert_true(relation_same_shape(is, rel));
		assert_int_equal(is->unsupported != NULL, rel->unsupported != NULL);
		for (uint16_t i = 0; i < is->n_columns; i++) {
			assert_string_equal(rel->columns[i].source_type_name, is->columns[i].source_type_name);
			assert_int_equal(rel->columns[i].not_null, is->columns[i].not_null);
		}
		relation_unref(rel);
		if (!is->unsupported) {
			ok(pg_describe(d, is->id, 'f', cols, is->n_columns, str_of(is->schema), str_of(is->name), &rel, &err), &err);
			assert_non_null(strstr(rel->unsupported, "FULL"));
			relation_unref(rel);
		}
	}
	/* an older shape than the catalog's: a column that is gone, a table that is gone */
	cols[0] = (struct pgoutput_relcol){ STR_LIT("gone"), true, 20, -1 };
	cols[1] = (struct pgoutput_relcol){ STR_LIT("label"), false, 1043, 44 };
	cols[2] = (struct pgoutput_relcol){ STR_LIT("old"), false, 999999, -1 };
	ok(pg_describe(d, 4242424, 'd', cols, 3, STR_LIT("tarn_live"), STR_LIT("dropped"), &rel, &err), &err);
	assert_null(rel->unsupported);
	assert_int_equal(rel->n_keys, 1);
	assert_int_equal(rel->columns[0].type.kind, TYPE_INT64);
	assert_string_equal(rel->columns[1].source_type_name, "character varying(40)");
	assert_int_equal(rel->columns[2].type.kind, TYPE_STRING);
	relation_unref(rel);
	pg_describer_set_binary(d, true);
	ok(pg_describe(d, 4242424, 'd', cols, 3, STR_LIT("tarn_live"), STR_LIT("dropped"), &rel, &err), &err);
	assert_non_null(strstr(rel->unsupported, "\"old\""));
	relation_unref(rel);
	cols[2] = (struct pgoutput_relcol){ STR_LIT("iv"), false, 1186, -1 };
	assert_int_equal(pg_describe(d, 4242424, 'd', cols, 3, STR_LIT("tarn_live"), STR_LIT("dropped"), &rel, &err), ERR_CONFLICT);
	assert_non_null(strstr(err.text, "\"iv\" of type interval"));
	/* its connection may die in between */
	run("SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE application_name = 'tarn' AND pid <> pg_catalog.pg_backend_pid() AND backend_type = 'client backend'");
	ok(pg_describe(d, 4242424, 'd', cols, 2, STR_LIT("tarn_live"), STR_LIT("dropped"), &rel, &err), &err);
	relation_unref(rel);
	pg_describer_close(d);
	pg_tables_free(&tables);
}

static void count_finding(void *arg, const struct pg_finding *f)
{
	int *fails = arg;

	print_message("    %-5s %-28s %s%s%s\n", !f->ok ? "FAIL" : f->warning ? "warn" : "ok", f->name, f->found, *f->mend ? " -> " : "", f->mend);
	*fails += !f->ok;
	assert_true(f->ok || *f->mend);
}

static void test_doctor(void **state)
{
	const char *all = "tarn_live.*", *one = "tarn_live.plain", *none = "tarn_live.zzzzzzzzz";
	struct err err;
	int fails = 0;

	(void)state;
	ok(pg_doctor(conn, "tarn_live", "tarn_live", &one, 1, count_finding, &fails, &err), &err);
	assert_int_equal(fails, 0);
	ok(pg_doctor(conn, "tarn_live", "tarn_live", &all, 1, count_finding, &fails, &err), &err);
	assert_int_equal(fails, 8);
	fails = 0;
	ok(pg_doctor(conn, "tarn_live", "tarn_live", &none, 1, count_finding, &fails, &err), &err);
	assert_int_equal(fails, 1);
}

static int start_live(void **state)
{
	(void)state;
	conn = open_as("", false);
	make_tables();
	return 0;
}

static int end_live(void **state)
{
	(void)state;
	run("DROP SCHEMA tarn_live CASCADE");
	pg_conn_close(conn);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_settings), cmocka_unit_test(test_tables), cmocka_unit_test(test_publication), cmocka_unit_test(test_slot),
		cmocka_unit_test(test_copy), cmocka_unit_test(test_copy_stops), cmocka_unit_test(test_copy_split), cmocka_unit_test(test_describe), cmocka_unit_test(test_doctor),
	};

	server = getenv("TARN_TEST_PG");
	if (!server || !*server) {
		printf("pg_live: skipped: set TARN_TEST_PG to a superuser's connection string (key=value form) of a scratch server\n");
		return 77; /* meson's code for a skipped test */
	}
	return cmocka_run_group_tests_name("pg_live", tests, start_live, end_live);
}
