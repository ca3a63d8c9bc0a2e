/* tests/unit/pg/test_pg_stream.c — the replication stream against a real server: every row once, a consumer that pauses, positions, and each way it can end.
 *
 * Skipped unless TARN_TEST_PG holds a superuser's connection string (wal_level=logical). TARN_TEST_PG_CRASH, when set, is a shell command that stops the
 * server at once and starts it again. Everything is made in schema tarn_stream and dropped at the end. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/env.h"
#include "base/rbuf.h"
#include "pg/pg_conn.h"
#include "pg/pg_stream.h"
#include "pg/pg_types.h"
#include "pg/pgoutput.h"

#define SECOND INT64_C(1000000)

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

static uint64_t ask_lsn(const char *sql)
{
	struct pg_result *result = NULL;
	struct err err;
	uint64_t lsn = 0;

	err_clear(&err);
	ok(pg_query(conn, sql, NULL, 0, &result, &err), &err);
	assert_int_equal(pg_result_rows(result), 1);
	assert_true(str_to_lsn(str_of(pg_result_text(result, 0, 0)), &lsn));
	pg_result_free(result);
	return lsn;
}

static int ask_int(const char *sql)
{
	struct pg_result *result = NULL;
	struct err err;
	int v;

	err_clear(&err);
	ok(pg_query(conn, sql, NULL, 0, &result, &err), &err);
	v = pg_result_rows(result) == 1 ? atoi(pg_result_text(result, 0, 0)) : -1;
	pg_result_free(result);
	return v;
}

static int describe(void *ctx, uint32_t oid, char replica_identity, const struct pgoutput_relcol *cols, uint16_t n_cols,
                    struct str schema, struct str name, struct relation **out, struct err *err)
{
	(void)ctx;
	(void)replica_identity;
	*out = relation_new(oid, schema, name, n_cols);
	for (uint16_t i = 0; *out && i < n_cols; i++) {
		struct pg_type_info info = { .oid = cols[i].type_oid, .typmod = cols[i].typmod };

		if (relation_set_column(*out, i, cols[i].name, pg_type_map(&info), info.oid, info.typmod, STR_LIT("?"),
		                        cols[i].identity, false))
			return err_nomem(err);
	}
	return *out && relation_seal(*out) == 0 ? 0 : err_nomem(err);
}

/* What the consumer saw so far. */
struct seen {
	struct pgoutput *decoder;
	uint64_t rows, id_sum, commits, end_lsn, wal_end;
	uint8_t kind; /* of the last row's first datum */
	struct err err;
	int rc; /* how the stream ended */
};

static void seen_init(struct seen *seen)
{
	*seen = (struct seen){ .decoder = pgoutput_new(describe, NULL) };
	assert_non_null(seen->decoder);
}

static void see_row(struct seen *seen, const struct datum *id)
{
	uint64_t v = 0;

	if (id->kind == DATUM_BINARY) {
		struct rbuf r = rbuf_of(id->p, id->n);

		v = rbuf_u64_be(&r);
		assert_true(rbuf_done(&r));
	} else {
		assert_true(str_to_u64(str_view(id->p, id->n), &v));
	}
	seen->kind = id->kind;
	seen->rows++;
	seen->id_sum += v;
}

static void see_chunk(struct seen *seen, const struct pg_chunk *chunk)
{
	struct rbuf r = rbuf_of(chunk->p, chunk->n);

	assert_true(chunk->wal_end >= seen->wal_end);
	while (rbuf_left(&r) > 0) {
		struct str body = rbuf_bytes(&r, rbuf_u32_le(&r));
		struct pgoutput_msg msg;

		assert_true(rbuf_ok(&r));
		ok(pgoutput_decode(seen->decoder, body, &msg, &seen->err), &seen->err);
		if (msg.kind == PGOUTPUT_CHANGE)
			see_row(seen, msg.change.row);
		if (msg.kind == PGOUTPUT_COMMIT) {
			seen->commits++;
			seen->end_lsn = msg.head.end_lsn;
		}
	}
	seen->wal_end = chunk->wal_end;
}

/* Reads until that many rows and commits were seen, the stream ended, or the time is over. */
static void read_until(struct pg_stream *stream, struct seen *seen, uint64_t rows, uint64_t commits, int64_t wait_us)
{
	int64_t until = env_mono_us() + wait_us;

	while ((seen->rows < rows || seen->commits < commits) && env_mono_us() < until) {
		struct pg_chunk *chunk = NULL;

		err_clear(&seen->err);
		seen->rc = pg_stream_read(stream, &chunk, SECOND / 10, &seen->err);
		if (seen->rc)
			return;
		if (chunk)
			see_chunk(seen, chunk);
		pg_chunk_free(chunk);
	}
}

static struct pg_stream *start(const char *conninfo_more, bool binary, size_t queue_bytes)
{
	char conninfo[512];
	struct pg_stream_opts opts = { .conn = { .conninfo = conninfo },
		                       .slot = "tarn_stream",
		                       .publication = "tarn \"stream\"",
		                       .binary = binary,
		                       .queue_bytes = queue_bytes };
	struct pg_stream *stream = NULL;
	struct err err;

	snprintf(conninfo, sizeof conninfo, "%s %s", server, conninfo_more);
	err_clear(&err);
	ok(pg_stream_start(&stream, &opts, &err), &err);
	return stream;
}

static int set_up(void **state)
{
	(void)state;
	run("DROP SCHEMA IF EXISTS tarn_stream CASCADE; DROP PUBLICATION IF EXISTS \"tarn \"\"stream\"\"\"; CREATE SCHEMA tarn_stream");
	run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'tarn_stream'");
	run("CREATE TABLE tarn_stream.t (id int8 PRIMARY KEY, filler text)");
	run("CREATE PUBLICATION \"tarn \"\"stream\"\"\" FOR TABLE tarn_stream.t");
	run("SELECT pg_create_logical_replication_slot('tarn_stream', 'pgoutput')");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	/* after an error the server reports first and frees the slot then */
	for (int i = 0;
	     i < 100 &&
	     ask_int("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'tarn_stream' AND active") > 0;
	     i++)
		env_sleep_us(SECOND / 20);
	run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'tarn_stream'");
	run("DROP SCHEMA IF EXISTS tarn_stream CASCADE; DROP PUBLICATION IF EXISTS \"tarn \"\"stream\"\"\"");
	return 0;
}

static void insert(int first, int last, int filler)
{
	char sql[256];

	snprintf(sql, sizeof sql, "INSERT INTO tarn_stream.t SELECT i, repeat('x', %d) FROM generate_series(%d, %d) i",
	         filler, first, last);
	run(sql);
}

/* Until the server has sent all WAL up to lsn: what it says afterwards comes behind it. */
static void wait_sent(uint64_t lsn)
{
	char sql[256], text[LSN_TEXT_MAX];

	snprintf(
		sql, sizeof sql,
		"SELECT count(*) FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE s.slot_name = 'tarn_stream' AND r.sent_lsn >= '%s'",
		lsn_text(lsn, text));
	for (int i = 0; i < 400 && ask_int(sql) == 0; i++)
		env_sleep_us(SECOND / 20);
	assert_int_equal(ask_int(sql), 1);
}

/* Rows arrive once; the slot keeps what was confirmed and is free when stop returns; what was confirmed does not come again. */
static void test_rows_and_positions(void **state)
{
	struct pg_stream *stream = start("", false, 0);
	struct seen seen;
	uint64_t end_lsn;

	(void)state;
	seen_init(&seen);
	insert(1, 1000, 10);
	insert(1001, 1500, 10);
	read_until(stream, &seen, 1500, 2, 20 * SECOND);
	assert_int_equal(seen.rows, 1500);
	assert_int_equal(seen.id_sum, 1500 * 1501 / 2);
	assert_int_equal(seen.kind, DATUM_TEXT);
	assert_true(pg_stream_received(stream) >= seen.end_lsn);
	end_lsn = seen.end_lsn;
	pg_stream_confirm(stream, end_lsn);
	pg_stream_confirm(stream, end_lsn - 100); /* never back */
	pg_stream_stop(stream);
	assert_int_equal(
		ask_lsn("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'tarn_stream'"),
		end_lsn);
	assert_int_equal(
		ask_int("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'tarn_stream' AND active"), 0);
	pgoutput_free(seen.decoder);

	stream = start("", true, 0);
	seen_init(&seen);
	insert(5000, 5000, 10);
	read_until(stream, &seen, 1, 1, 20 * SECOND);
	assert_int_equal(seen.rows, 1);
	assert_int_equal(seen.id_sum, 5000);
	assert_int_equal(seen.kind, DATUM_BINARY);
	/* while it runs, a confirmation reaches the server soon */
	pg_stream_confirm(stream, seen.end_lsn);
	for (int i = 0; i < 50 && pg_stream_confirmed(stream) < seen.end_lsn; i++)
		env_sleep_us(SECOND / 20);
	assert_int_equal(pg_stream_confirmed(stream), seen.end_lsn);
	pg_stream_stop(stream);
	pgoutput_free(seen.decoder);
}

/* A consumer that reads nothing for several times wal_sender_timeout keeps its session and then gets every row. */
static void test_paused_consumer(void **state)
{
	struct pg_stream *stream = start("options='-c wal_sender_timeout=3s'", false, 1 << 20);
	struct seen seen;

	(void)state;
	seen_init(&seen);
	insert(1, 100000, 500); /* 60 MB: more than the queue and the socket's buffers hold */
	env_sleep_us((getenv("TARN_TEST_PG_PAUSE_S") ? atoi(getenv("TARN_TEST_PG_PAUSE_S")) : 10) * SECOND);
	read_until(stream, &seen, 100000, 1, 60 * SECOND);
	ok(seen.rc, &seen.err);
	assert_int_equal(seen.rows, 100000);
	assert_int_equal(seen.id_sum, UINT64_C(100000) * 100001 / 2);
	pg_stream_stop(stream);
	pgoutput_free(seen.decoder);
}

static void test_stop_with_a_full_queue(void **state)
{
	struct pg_stream *stream = start("", false, 1 << 16);
	int64_t before;

	(void)state;
	insert(1, 100000, 500);
	env_sleep_us(2 * SECOND);
	before = env_mono_us();
	pg_stream_stop(stream);
	assert_true(env_mono_us() - before < 5 * SECOND);
}

static void refused(const char *slot, const char *publication, int code, const char *sqlstate)
{
	struct pg_stream_opts opts = { .conn = { .conninfo = server }, .slot = slot, .publication = publication };
	struct pg_stream *stream = NULL;
	struct err err;

	err_clear(&err);
	assert_int_equal(pg_stream_start(&stream, &opts, &err), code);
	print_message("    %s\n", err.text);
	assert_string_equal(err.sqlstate, sqlstate);
	assert_null(stream);
}

static void test_refusals(void **state)
{
	struct pg_stream *stream = start("", false, 0);

	(void)state;
	refused("tarn_stream", "p", ERR_SLOT, "55006");
	refused("tarn_no_such", "p", ERR_SLOT, "42704");
	refused("Bad\"", "p", ERR_CONFIG, "");
	refused("", "p", ERR_CONFIG, "");
	refused("ok", "", ERR_CONFIG, "");
	pg_stream_stop(stream);
}

static void test_publication_missing(void **state)
{
	struct pg_stream_opts opts = { .conn = { .conninfo = server },
		                       .slot = "tarn_stream",
		                       .publication = "tarn_no_such" };
	struct pg_stream *stream = NULL;
	struct seen seen;
	struct err err;

	(void)state;
	err_clear(&err);
	seen_init(&seen);
	ok(pg_stream_start(&stream, &opts, &err), &err);
	insert(1, 1, 1);
	read_until(stream, &seen, 1, 1, 20 * SECOND);
	print_message("    %s\n", seen.err.text);
	assert_int_equal(seen.rc, ERR_SOURCE_SETUP);
	assert_string_equal(seen.err.sqlstate, "42704");
	assert_non_null(strstr(seen.err.text, "tarn_no_such"));
	pg_stream_stop(stream);
	pgoutput_free(seen.decoder);
}

/* The end of the session: the rows before it are delivered, then the error, again and again. */
static void test_terminated(void **state)
{
	struct pg_stream *stream = start("", false, 0);
	struct pg_chunk *chunk;
	struct seen seen;

	(void)state;
	seen_init(&seen);
	insert(1, 10, 1);
	wait_sent(ask_lsn("SELECT pg_current_wal_lsn()"));
	assert_int_equal(
		ask_int("SELECT pg_terminate_backend(active_pid)::int FROM pg_replication_slots WHERE slot_name = 'tarn_stream'"),
		1);
	read_until(stream, &seen, 1000, 1000, 20 * SECOND);
	assert_int_equal(seen.rows, 10);
	assert_int_equal(seen.rc, ERR_LOST);
	print_message("    %s\n", seen.err.text);
	assert_int_equal(pg_stream_read(stream, &chunk, 0, &seen.err), ERR_LOST);
	assert_null(chunk);
	pg_stream_stop(stream);
	pgoutput_free(seen.decoder);
}

/* An idle publication: keepalives carry walEnd on, and confirming it moves the slot. */
static void test_idle_keepalives(void **state)
{
	struct pg_stream *stream = start("options='-c wal_sender_timeout=2s'", false, 0);
	struct seen seen;
	uint64_t wal;

	(void)state;
	seen_init(&seen);
	run("CREATE TABLE tarn_stream.other (id int); INSERT INTO tarn_stream.other SELECT generate_series(1, 1000)");
	wal = ask_lsn("SELECT pg_current_wal_lsn()");
	for (int i = 0; i < 100 && seen.wal_end < wal; i++)
		read_until(stream, &seen, 1, 0, SECOND / 10);
	assert_int_equal(seen.rows, 0);
	assert_true(seen.wal_end >= wal);
	pg_stream_confirm(stream, seen.wal_end);
	read_until(stream, &seen, 1, 0, 5 * SECOND); /* several times the time-out */
	ok(seen.rc, &seen.err);
	assert_true(ask_lsn("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'tarn_stream'") >=
	            wal);
	pg_stream_stop(stream);
	pgoutput_free(seen.decoder);
}

static void open_conn(void)
{
	struct pg_conn_opts opts = { .conninfo = server };
	struct err err;

	err_clear(&err);
	for (int i = 0; i < 30 && pg_conn_open(&conn, &opts, &err); i++)
		env_sleep_us(SECOND);
	assert_non_null(conn);
}

static void test_server_crash(void **state)
{
	const char *crash = getenv("TARN_TEST_PG_CRASH");
	struct pg_stream *stream;
	struct seen seen;

	(void)state;
	if (!crash) {
		print_message(
			"    skipped: TARN_TEST_PG_CRASH names no command that crashes the server (tools/scratch-postgres sets it)\n");
		skip();
	}
	stream = start("", false, 0);
	seen_init(&seen);
	pg_conn_close(conn);
	conn = NULL;
	assert_int_equal(system(crash), 0);
	read_until(stream, &seen, 1, 1, 20 * SECOND);
	print_message("    %s\n", seen.err.text);
	assert_int_equal(seen.rc, ERR_LOST);
	pg_stream_stop(stream);
	pgoutput_free(seen.decoder);
	open_conn();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows_and_positions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_publication_missing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_terminated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_idle_keepalives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stop_with_a_full_queue, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_paused_consumer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_server_crash, set_up, tear_down),
	};
	int failed;

	server = getenv("TARN_TEST_PG");
	if (!server) {
		puts("skipped: TARN_TEST_PG is not set");
		return 77;
	}
	open_conn();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pg_conn_close(conn);
	return failed;
}
