/* tests/unit/pg/test_pg_copy_parse.c — binary COPY bytes recorded from psql (PostgreSQL 15.20), whole, cut and spoiled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "pg/pg_copy_int.h"
#include "pg/pg_types.h"

/* COPY (SELECT id, name, price::text, ok FROM rec) TO STDOUT (FORMAT binary), rows (1, 'Zoë', 12.50, true) and (-2, null, null, false) */
static const uint8_t recorded[] = {
	0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x04, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x04, 0x5a, 0x6f, 0xc3, 0xab,
	0x00, 0x00, 0x00, 0x05, 0x31, 0x32, 0x2e, 0x35, 0x30, 0x00, 0x00, 0x00, 0x01, 0x01,
	0x00, 0x04, 0x00, 0x00, 0x00, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00,
	0xff, 0xff,
};
#define HEADER 19
#define FIRST_ROW 36
#define SECOND_ROW 27
#define TRAILER (HEADER + FIRST_ROW + SECOND_ROW)

struct fixture { struct relation *rel; struct batch *batch; struct copy_parser parser; struct err err; };
static const uint8_t as_text[] = { 0, 0, 1, 0 };

static int setup(void **state)
{
	struct type types[4] = { { .kind = TYPE_INT64 }, { .kind = TYPE_STRING }, { .kind = TYPE_STRING }, { .kind = TYPE_BOOL } };
	struct fixture *f = mem_zero(sizeof *f);

	assert_non_null(f);
	f->rel = relation_new(77, STR_LIT("public"), STR_LIT("rec"), 4);
	assert_int_equal(relation_set_column(f->rel, 0, STR_LIT("id"), types[0], 20, -1, STR_LIT("bigint"), true, true), 0);
	assert_int_equal(relation_set_column(f->rel, 1, STR_LIT("name"), types[1], 25, -1, STR_LIT("text"), false, false), 0);
	assert_int_equal(relation_set_column(f->rel, 2, STR_LIT("price"), types[2], 1700, -1, STR_LIT("numeric"), false, false), 0);
	assert_int_equal(relation_set_column(f->rel, 3, STR_LIT("ok"), types[3], 16, -1, STR_LIT("boolean"), false, false), 0);
	assert_int_equal(relation_seal(f->rel), 0);
	assert_int_equal(pg_types_bind(f->rel, &f->err), ERR_OK);
	f->batch = batch_new(types, 4, 16);
	assert_non_null(f->batch);
	f->parser = (struct copy_parser){ .rel = f->rel, .as_text = as_text };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	batch_free(f->batch);
	relation_unref(f->rel);
	mem_free(f);
	return 0;
}

static void expect_rows(struct fixture *f)
{
	struct column *c = f->batch->columns;

	assert_int_equal(f->batch->n, 2);
	assert_true(COLUMN_AT(&c[0], int64_t, 0) == 1);
	assert_true(COLUMN_AT(&c[0], int64_t, 1) == -2);
	assert_true(column_valid(&c[1], 0) && str_eqz(COLUMN_AT(&c[1], struct str, 0), "Zo\xc3\xab"));
	assert_false(column_valid(&c[1], 1));
	assert_true(column_valid(&c[2], 0) && str_eqz(COLUMN_AT(&c[2], struct str, 0), "12.50"));
	assert_false(column_valid(&c[2], 1));
	assert_true(COLUMN_AT(&c[3], uint8_t, 0) == 1);
	assert_true(column_valid(&c[3], 1) && COLUMN_AT(&c[3], uint8_t, 1) == 0);
}

static void test_one_message(void **state)
{
	struct fixture *f = *state;
	size_t at = 0;

	assert_int_equal(copy_parse(&f->parser, recorded, sizeof recorded, &at, f->batch, &f->err), ERR_OK);
	assert_int_equal(at, sizeof recorded);
	assert_true(f->parser.trailer_seen);
	expect_rows(f);
}

/* As the server sends it: header with the first row, then a message a row, then the trailer. */
static void test_server_messages(void **state)
{
	static const size_t ends[] = { HEADER + FIRST_ROW, TRAILER, sizeof recorded };
	struct fixture *f = *state;
	size_t from = 0;

	for (size_t i = 0; i < 3; i++) {
		size_t at = 0;

		assert_int_equal(copy_parse(&f->parser, recorded + from, ends[i] - from, &at, f->batch, &f->err), ERR_OK);
		assert_int_equal(at, ends[i] - from);
		assert_int_equal(f->parser.trailer_seen, i == 2);
		from = ends[i];
	}
	expect_rows(f);
}

static void test_stops_at_full_batch(void **state)
{
	struct fixture *f = *state;
	size_t at = 0;

	f->batch->cap = 1;
	assert_int_equal(copy_parse(&f->parser, recorded, sizeof recorded, &at, f->batch, &f->err), ERR_OK);
	assert_int_equal(f->batch->n, 1);
	assert_int_equal(at, HEADER + FIRST_ROW);
	f->batch->cap = 16;
	assert_int_equal(copy_parse(&f->parser, recorded, sizeof recorded, &at, f->batch, &f->err), ERR_OK);
	expect_rows(f);
}

/* Every cut that is not between rows is refused, and never read over (the copy ends where the bytes do, for the sanitizer). */
static void test_every_cut(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 0; n < sizeof recorded; n++) {
		uint8_t *bytes = mem_alloc(n ? n : 1);
		size_t at = 0;
		int rc, want = n == HEADER || n == HEADER + FIRST_ROW || n == TRAILER ? ERR_OK : ERR_PROTOCOL;

		assert_non_null(bytes);
		memcpy(bytes, recorded, n);
		batch_reset(f->batch);
		f->parser = (struct copy_parser){ .rel = f->rel, .as_text = as_text };
		rc = copy_parse(&f->parser, bytes, n, &at, f->batch, &f->err);
		if (rc != want)
			fail_msg("cut at %zu: %s, not %s", n, err_name(rc), err_name(want));
		assert_false(f->parser.trailer_seen);
		mem_free(bytes);
	}
}

static void expect_refused(struct fixture *f, size_t offset, uint8_t value, int code, const char *part)
{
	uint8_t bytes[sizeof recorded];
	size_t at = 0;

	memcpy(bytes, recorded, sizeof bytes);
	bytes[offset] = value;
	batch_reset(f->batch);
	f->parser = (struct copy_parser){ .rel = f->rel, .as_text = as_text };
	assert_int_equal(copy_parse(&f->parser, bytes, sizeof bytes, &at, f->batch, &f->err), code);
	if (!strstr(f->err.text, part))
		fail_msg("\"%s\" has no \"%s\"", f->err.text, part);
}

static void test_spoiled(void **state)
{
	struct fixture *f = *state;
	uint8_t behind[sizeof recorded + 1];
	size_t at = 0;

	expect_refused(f, 0, 'Q', ERR_PROTOCOL, "no header");
	expect_refused(f, 10, 1, ERR_PROTOCOL, "no header");                        /* the signature's zero byte */
	expect_refused(f, 12, 1, ERR_PROTOCOL, "critical");                         /* bit 16: oids */
	expect_refused(f, 15, 0x7f, ERR_PROTOCOL, "no header");                     /* extension of 2 GB */
	expect_refused(f, HEADER + 1, 5, ERR_PROTOCOL, "number of fields");
	expect_refused(f, HEADER + 2, 0x80, ERR_PROTOCOL, "longer");                /* length -2147483640 */
	expect_refused(f, HEADER + 2 + 12 + 3, 0xff, ERR_PROTOCOL, "longer");
	memcpy(behind, recorded, sizeof recorded);
	behind[sizeof recorded] = 0;
	batch_reset(f->batch);
	f->parser = (struct copy_parser){ .rel = f->rel, .as_text = as_text };
	assert_int_equal(copy_parse(&f->parser, behind, sizeof behind, &at, f->batch, &f->err), ERR_PROTOCOL);
}

/* A value that cannot be put names table, key and column. */
static void test_value_names_row(void **state)
{
	struct fixture *f = *state;

	expect_refused(f, HEADER + FIRST_ROW - 1, 2, ERR_VALUE, "table public.rec, row with key (id=1)"); /* a boolean of 2 */
	assert_non_null(strstr(f->err.text, "ok"));
	assert_int_equal(f->batch->n, 0);
	expect_refused(f, TRAILER - 1, 9, ERR_VALUE, "(id=-2)");
	assert_int_equal(f->batch->n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stops_at_full_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spoiled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_value_names_row, setup, teardown),
	};

	return cmocka_run_group_tests_name("pg_copy_parse", tests, NULL, NULL);
}
