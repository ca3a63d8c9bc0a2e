/* tests/unit/engine/test_parquet.c — batches to Parquet and back. What is written is judged by DuckDB's own rendering, what is read comes from files DuckDB's SQL made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "engine/duck_int.h"
#include "engine/duck_vector.h"

static struct duck *duck;
static char dir[64];
static struct err err;

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static int set_up(void **state)
{

	(void)state;
	snprintf(dir, sizeof dir, "/tmp/tarn-test-parquet-%d", (int)getpid());
	env_mkdir(dir, 0700);
	if (duck_open(&duck, NULL, &err)) {
		print_error("%s\n", err.text);
		return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	duck_close(duck);
	env_remove_tree(dir);
	return 0;
}

#define OK(call) do { err_clear(&err); if ((call)) fail_msg("%s: %s", #call, err.text); } while (0)

/* One value as text by DuckDB. */
static void sql_text(const char *sql, char *out, size_t out_size)
{
	duckdb_connection conn;
	duckdb_result result;

	assert_int_equal(duck_api.connect(duck->db, &conn), DuckDBSuccess);
	if (duck_api.query(conn, sql, &result) != DuckDBSuccess)
		fail_msg("%s: %s", sql, duck_api.result_error(&result));
	duckdb_data_chunk chunk = duck_api.fetch_chunk(result);
	out[0] = 0;
	if (chunk) {
		duckdb_vector v = duck_api.data_chunk_get_vector(chunk, 0);
		uint64_t *mask = duck_api.vector_get_validity(v);
		duckdb_string_t *s = duck_api.vector_get_data(v);
		uint32_t n = s->value.inlined.length;
		if (mask && !(mask[0] & 1))
			snprintf(out, out_size, "NULL");
		else
			snprintf(out, out_size, "%.*s", (int)n, n <= 12 ? s->value.inlined.inlined : s->value.pointer.ptr);
		duck_api.destroy_data_chunk(&chunk);
	}
	duck_api.destroy_result(&result);
	duck_api.disconnect(&conn);
}

static void expect_sql(const char *want, const char *fmt, ...)
{
	char sql[2048], got[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sql, sizeof sql, fmt, ap);
	va_end(ap);
	sql_text(sql, got, sizeof got);
	assert_string_equal(got, want);
}

static void run_sql(const char *fmt, ...)
{
	char sql[4096];
	va_list ap;
	duckdb_connection conn;

	va_start(ap, fmt);
	vsnprintf(sql, sizeof sql, fmt, ap);
	va_end(ap);
	assert_int_equal(duck_api.connect(duck->db, &conn), DuckDBSuccess);
	OK(duck_exec(conn, sql, "test", &err));
	duck_api.disconnect(&conn);
}

#define T(k) ((struct type){ TYPE_##k, 0, 0, TYPE_NONE })
#define DEC(p, s) ((struct type){ TYPE_DECIMAL, p, s, TYPE_NONE })
#define LIST(k) ((struct type){ TYPE_LIST, 0, 0, TYPE_##k })

static const struct parquet_field all_fields[] = {
	{ "b", T(BOOL), 1, 0 }, { "i", T(INT32), 2, 0 }, { "l", T(INT64), 3, 0 }, { "f", T(FLOAT32), 4, 0 }, { "d", T(FLOAT64), 5, 0 },
	{ "n4", DEC(4, 2), 6, 0 }, { "n9", DEC(9, 3), 7, 0 }, { "n18", DEC(18, 2), 8, 0 }, { "n38", DEC(38, 10), 9, 0 },
	{ "s", T(STRING), 10, 0 }, { "x", T(BINARY), 11, 0 }, { "u", T(UUID), 12, 0 }, { "dt", T(DATE), 13, 0 }, { "t", T(TIME), 14, 0 },
	{ "ts", T(TIMESTAMP), 15, 0 }, { "tz", T(TIMESTAMPTZ), 16, 0 }, { "li", LIST(INT32), 17, 18 }, { "ls", LIST(STRING), 19, 20 },
	{ "quote\"d 'name'", T(INT32), 21, 0 }, { "B", T(INT32), 22, 0 }, { "ld", { TYPE_LIST, 20, 1, TYPE_DECIMAL }, 23, 24 },
};
#define N_ALL (sizeof all_fields / sizeof *all_fields)

static struct batch *batch_for(const struct parquet_field *fields, uint16_t n, uint32_t cap)
{
	struct type types[64];

	for (uint16_t i = 0; i < n; i++)
		types[i] = fields[i].type;
	struct batch *batch = batch_new(types, n, cap);
	assert_non_null(batch);
	return batch;
}

#define SET(i, ctype, row, v) do { COLUMN_AT(&batch->columns[i], ctype, row) = (v); column_set_valid(&batch->columns[i], row); } while (0)

static void fill_row(struct batch *batch, uint32_t r)
{
	static const uint8_t uuid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
	int64_t first;

	SET(0, uint8_t, r, 1);
	SET(1, int32_t, r, INT32_MIN);
	SET(2, int64_t, r, INT64_MAX);
	SET(3, float, r, 1.5f);
	SET(4, double, r, -0.1);
	SET(5, int64_t, r, -1234);
	SET(6, int64_t, r, 123456789);
	SET(7, int64_t, r, -123456789012345678);
	SET(8, __int128, r, -((__int128)1234567890123456789 * 10000000000 + 42));
	assert_int_equal(column_set_bytes(batch, &batch->columns[9], r, STR_LIT("gr\xc3\xbc\xc3\x9f dich, a longer text")), 0);
	assert_int_equal(column_set_bytes(batch, &batch->columns[10], r, str_view("\x00\xff\x41", 3)), 0);
	memcpy((uint8_t *)batch->columns[11].data + 16 * r, uuid, 16);
	column_set_valid(&batch->columns[11], r);
	SET(12, int32_t, r, -1);
	SET(13, int64_t, r, 86399999999);
	SET(14, int64_t, r, 1700000000123456);
	SET(15, int64_t, r, -1);
	first = column_set_list(batch, &batch->columns[16], r, 3);
	COLUMN_AT(batch->columns[16].child, int32_t, first) = 7;
	column_set_valid(batch->columns[16].child, (uint32_t)first);
	COLUMN_AT(batch->columns[16].child, int32_t, first + 2) = -7;
	column_set_valid(batch->columns[16].child, (uint32_t)first + 2);
	first = column_set_list(batch, &batch->columns[17], r, 2);
	assert_int_equal(column_set_bytes(batch, batch->columns[17].child, (uint32_t)first, STR_LIT("short")), 0);
	assert_int_equal(column_set_bytes(batch, batch->columns[17].child, (uint32_t)first + 1, STR_LIT("longer than twelve bytes")), 0);
	SET(18, int32_t, r, 18);
	SET(19, int32_t, r, 19);
	first = column_set_list(batch, &batch->columns[20], r, 1);
	COLUMN_AT(batch->columns[20].child, __int128, first) = 15;
	column_set_valid(batch->columns[20].child, (uint32_t)first);
}

static void every_type_is_written(void **state)
{
	struct parquet_writer *writer;
	uint64_t rows = 0;
	char path[256];

	(void)state;
	snprintf(path, sizeof path, "%s", path_of("it's all.parquet"));
	OK(parquet_writer_open(duck, path, all_fields, N_ALL, NULL, &writer, &err));
	struct batch *batch = batch_for(all_fields, N_ALL, 4);
	fill_row(batch, 0);
	batch->n = 2; /* the second row is all null */
	OK(parquet_writer_append(writer, batch, &err));
	OK(parquet_writer_finish(writer, &rows, &err));
	assert_int_equal(rows, 2);

#define FROM "FROM '%s/it''s all.parquet' WHERE file_row_number = %d"
	expect_sql("true|-2147483648|9223372036854775807|1.5|-0.1|-12.34|123456.789|-1234567890123456.78|-1234567890123456789.0000000042",
	           "SELECT concat_ws('|', b, i, l, f, d, n4, n9, n18, n38) " FROM, dir, 0);
	expect_sql("gr\xc3\xbc\xc3\x9f dich, a longer text|\\x00\\xFFA|00112233-4455-6677-8899-aabbccddeeff|1969-12-31|23:59:59.999999|2023-11-14 22:13:20.123456",
	           "SELECT concat_ws('|', s, x::VARCHAR, u, dt, t, ts) " FROM, dir, 0);
	expect_sql("-1", "SELECT epoch_us(tz)::VARCHAR " FROM, dir, 0);
	expect_sql("[7, NULL, -7]|[short, longer than twelve bytes]|[1.5]", "SELECT concat_ws('|', li, ls, ld) " FROM, dir, 0);
	expect_sql("18|19", "SELECT concat_ws('|', \"quote\"\"d 'name'\", \"B_22\") " FROM, dir, 0);
	expect_sql("", "SELECT concat_ws('|', b, i, l, f, d, n4, n9, n18, n38, s, x, u, dt, t, ts, tz, li, ls, ld) " FROM, dir, 1);
	expect_sql("b=1 i=2 l=3 f=4 d=5 n4=6 n9=7 n18=8 n38=9 s=10 x=11 u=12 dt=13 t=14 ts=15 tz=16 li=17 element=18 ls=19 element=20 quote\"d 'name'=21 B_22=22 ld=23 element=24",
	           "SELECT string_agg(name || '=' || field_id, ' ') FROM parquet_schema('%s/it''s all.parquet') WHERE field_id IS NOT NULL", dir);
	expect_sql("ZSTD", "SELECT string_agg(DISTINCT compression) FROM parquet_metadata('%s/it''s all.parquet')", dir);
}

/* --- order, many batches, nulls at odd places --- */
static const struct parquet_field two[] = { { "k", T(INT64), 1, 0 }, { "v", T(STRING), 2, 0 }, { "l", LIST(INT64), 3, 4 } };

static struct batch *numbered(int64_t first, uint32_t n)
{
	struct batch *batch = batch_for(two, 3, n);

	for (uint32_t r = 0; r < n; r++) {
		int64_t k = first + r;
		SET(0, int64_t, r, k);
		if (k % 3) {
			char text[64];
			int len = snprintf(text, sizeof text, "value number %lld", (long long)k);
			assert_int_equal(column_set_bytes(batch, &batch->columns[1], r, str_view(text, (size_t)len)), 0);
		}
		if (k % 7) {
			int64_t at = column_set_list(batch, &batch->columns[2], r, (uint32_t)(k % 7));
			assert_true(at >= 0);
			for (int64_t i = 0; i < k % 7; i++) {
				if (i == 2)
					continue;
				COLUMN_AT(batch->columns[2].child, int64_t, at + i) = k * 10 + i;
				column_set_valid(batch->columns[2].child, (uint32_t)(at + i));
			}
		}
	}
	batch->n = n;
	return batch;
}

static uint64_t write_numbered(const char *path, int64_t total, const struct parquet_opts *opts)
{
	struct parquet_writer *writer;
	uint64_t rows = 0;
	static const uint32_t sizes[] = { 1, 8192, 2047, 2049, 63, 5000 };

	OK(parquet_writer_open(duck, path, two, 3, opts, &writer, &err));
	size_t i = 0;
	for (int64_t at = 0; at < total; i++) {
		uint32_t n = sizes[i % 6];
		if (at + n > total)
			n = (uint32_t)(total - at);
		OK(parquet_writer_append(writer, numbered(at, n), &err));
		at += n;
	}
	OK(parquet_writer_finish(writer, &rows, &err));
	return rows;
}

static void rows_keep_their_order(void **state)
{
	const char *path = path_of("order.parquet");

	(void)state;
	assert_int_equal(write_numbered(path, 300000, &(struct parquet_opts){ .row_group_rows = 50000 }), 300000);
	expect_sql("300000", "SELECT count(*)::VARCHAR FROM '%s' WHERE k = file_row_number", path);
	expect_sql("300000", "SELECT count(*)::VARCHAR FROM '%s' WHERE v IS NOT DISTINCT FROM CASE WHEN k %% 3 != 0 THEN 'value number ' || k END", path);
	expect_sql("300000", "SELECT count(*)::VARCHAR FROM '%s' WHERE l IS NOT DISTINCT FROM CASE WHEN k %% 7 != 0 THEN list_transform(range(k %% 7), lambda i: CASE WHEN i != 2 THEN k * 10 + i END) END", path);
	expect_sql("6", "SELECT count(DISTINCT row_group_id)::VARCHAR FROM parquet_metadata('%s')", path);
}

static void a_file_may_be_empty(void **state)
{
	const char *path = path_of("empty.parquet");

	(void)state;
	assert_int_equal(write_numbered(path, 0, NULL), 0);
	expect_sql("0", "SELECT count(*)::VARCHAR FROM '%s'", path);
}

static void abort_removes_the_file(void **state)
{
	struct parquet_writer *writer;
	struct env_stat st;
	const char *path = path_of("aborted.parquet");

	(void)state;
	OK(parquet_writer_open(duck, path, two, 3, NULL, &writer, &err));
	for (int i = 0; i < 40; i++)
		OK(parquet_writer_append(writer, numbered(i * 8192, 8192), &err));
	parquet_writer_abort(writer);
	assert_int_not_equal(env_stat(path, &st), 0);
}

static void bad_text_is_an_error(void **state)
{
	struct parquet_writer *writer;
	struct env_stat st;
	const char *path = path_of("bad.parquet");

	(void)state;
	OK(parquet_writer_open(duck, path, two, 3, NULL, &writer, &err));
	struct batch *batch = numbered(0, 10);
	assert_int_equal(column_set_bytes(batch, &batch->columns[1], 4, STR_LIT("over\xc0\xaflong")), 0);
	int rc = parquet_writer_append(writer, batch, &err);
	for (int i = 0; i < 100 && !rc; i++)
		rc = parquet_writer_append(writer, numbered(0, 8192), &err); /* must not wait for ever */
	assert_int_equal(rc, ERR_VALUE);
	assert_non_null(strstr(err.text, "column \"v\""));
	parquet_writer_abort(writer);
	assert_int_not_equal(env_stat(path, &st), 0);
}

static void a_folder_that_is_not_there(void **state)
{
	struct parquet_writer *writer;

	(void)state;
	OK(parquet_writer_open(duck, path_of("no/such/x.parquet"), two, 3, NULL, &writer, &err));
	int rc = parquet_writer_finish(writer, NULL, &err);
	assert_int_not_equal(rc, 0);
	assert_non_null(strstr(err.text, "no/such/x.parquet"));
}

/* --- reading --- */
struct seen { uint64_t rows; struct wbuf text; uint64_t stop_at; };

static int see(void *arg, const struct batch *batch, uint64_t first_row, struct err *why)
{
	struct seen *seen = arg;

	assert_int_equal(first_row, seen->rows);
	for (uint32_t r = 0; r < batch->n; r++) {
		if (seen->rows + r >= 20)
			break;
		for (uint16_t i = 0; i < batch->n_columns; i++) {
			wbuf_putz(&seen->text, i ? "|" : "");
			column_text(&batch->columns[i], r, &seen->text);
		}
		wbuf_putz(&seen->text, "\n");
	}
	seen->rows += batch->n;
	if (seen->stop_at && seen->rows >= seen->stop_at)
		return err_set(why, ERR_CANCELLED, "enough");
	return 0;
}

static void files_are_read_by_field_id(void **state)
{
	char path[256];
	struct seen seen = { 0 };
	/* names differ from the file's, int read as long, field 99 is not there, order differs */
	static const struct parquet_field want[] = {
		{ "renamed", T(INT64), 2, 0 }, { "none", T(STRING), 99, 0 }, { "b", T(BOOL), 1, 0 }, { "n", DEC(38, 10), 3, 0 }, { "u", T(UUID), 4, 0 },
		{ "li", LIST(STRING), 5, 6 }, { "x", T(BINARY), 7, 0 }, { "tz", T(TIMESTAMPTZ), 8, 0 }, { "n4", DEC(4, 1), 9, 0 }, { "nolist", LIST(INT32), 98, 97 },
	};

	(void)state;
	snprintf(path, sizeof path, "%s", path_of("made by sql.parquet"));
	run_sql("COPY (SELECT * FROM (VALUES (true, 7::INTEGER, 1.5::DECIMAL(38,10), '00112233-4455-6677-8899-aabbccddeeff'::UUID, ['a', NULL, 'bcdefghijklmnop'], '\\x01\\x02'::BLOB, '2024-02-29 12:00:00+00'::TIMESTAMPTZ, -1.5::DECIMAL(4,1)), "
	        "(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (false, -7, -99999999999999999999999999.5::DECIMAL(38,10), 'ffffffff-ffff-ffff-ffff-ffffffffffff', [], ''::BLOB, '1969-12-31 23:59:59.999999+00', 999.9)) t(b, i, n, u, li, x, tz, n4)) "
	        "TO '%s' (FORMAT parquet, FIELD_IDS {b: 1, i: 2, n: 3, u: 4, li: {__duckdb_field_id: 5, element: 6}, x: 7, tz: 8, n4: 9})", path);
	wbuf_init(&seen.text, 0);
	OK(parquet_read(duck, path, want, 10, see, &seen, &err));
	assert_string_equal(wbuf_cstr(&seen.text),
		"7|null|true|1.5000000000|00112233-4455-6677-8899-aabbccddeeff|[a, null, bcdefghijklmnop]|0102|2024-02-29T12:00:00.000000Z|-1.5|null\n"
		"null|null|null|null|null|null|null|null|null|null\n"
		"-7|null|false|-99999999999999999999999999.5000000000|ffffffff-ffff-ffff-ffff-ffffffffffff|[]||1969-12-31T23:59:59.999999Z|999.9|null\n");
	assert_int_equal(seen.rows, 3);
	wbuf_free(&seen.text);
}

static void reading_stops_when_told(void **state)
{
	struct seen seen = { .stop_at = 10000 };
	const char *path = path_of("order.parquet");

	(void)state;
	write_numbered(path, 60000, NULL);
	assert_int_equal(parquet_read(duck, path, two, 3, see, &seen, &err), ERR_CANCELLED);
	assert_true(seen.rows >= 10000 && seen.rows < 60000);
	assert_string_equal(err.text, "enough");
	wbuf_free(&seen.text);
	seen = (struct seen){ 0 };
	OK(parquet_read(duck, path, two, 3, see, &seen, &err));
	assert_int_equal(seen.rows, 60000);
	wbuf_free(&seen.text);
}

static void rows_by_position(void **state)
{
	enum { N = 9001 };
	static uint64_t positions[N];
	struct batch *batch;
	const char *path = path_of("order.parquet");

	(void)state;
	write_numbered(path, 60000, &(struct parquet_opts){ .row_group_rows = 5000 });
	for (uint64_t i = 0; i < N; i++)
		positions[i] = i * 6 + (i & 1);
	OK(parquet_read_rows(duck, path, two, 3, positions, N, &batch, &err));
	assert_int_equal(batch->n, N);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(COLUMN_AT(&batch->columns[0], int64_t, i), positions[i]);
	batch_free(batch);
	OK(parquet_read_rows(duck, path, two, 3, positions, 0, &batch, &err));
	assert_int_equal(batch->n, 0);
	batch_free(batch);
	positions[0] = 59999;
	positions[1] = 60000; /* behind the end */
	assert_int_equal(parquet_read_rows(duck, path, two, 3, positions, 2, &batch, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.text, "60000"));
	assert_int_not_equal(parquet_read_rows(duck, path_of("nowhere.parquet"), two, 3, positions, 1, &batch, &err), 0);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* --- several writers at once --- */
static void two_writers_at_once(void **state)
{
	struct parquet_writer *a, *b;
	char path_a[256], path_b[256];

	(void)state;
	snprintf(path_a, sizeof path_a, "%s", path_of("a.parquet"));
	snprintf(path_b, sizeof path_b, "%s", path_of("b.parquet"));
	OK(parquet_writer_open(duck, path_a, two, 3, NULL, &a, &err));
	OK(parquet_writer_open(duck, path_b, two, 3, NULL, &b, &err));
	for (int i = 0; i < 20; i++) {
		OK(parquet_writer_append(a, numbered(i * 3000, 3000), &err));
		OK(parquet_writer_append(b, numbered(i * 1000, 1000), &err));
	}
	OK(parquet_writer_finish(a, NULL, &err));
	OK(parquet_writer_finish(b, NULL, &err));
	expect_sql("60000|20000", "SELECT (SELECT count(*) FROM '%s' WHERE k = file_row_number) || '|' || (SELECT count(*) FROM '%s' WHERE k = file_row_number)", path_a, path_b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_written), cmocka_unit_test(rows_keep_their_order), cmocka_unit_test(a_file_may_be_empty),
		cmocka_unit_test(abort_removes_the_file), cmocka_unit_test(bad_text_is_an_error), cmocka_unit_test(a_folder_that_is_not_there),
		cmocka_unit_test(files_are_read_by_field_id), cmocka_unit_test(reading_stops_when_told), cmocka_unit_test(rows_by_position),
		cmocka_unit_test(two_writers_at_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
