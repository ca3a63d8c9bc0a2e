/* tests/unit/pg/test_pg_types.c — every recorded value (tests/data/pg_types/, made by record.py from a real server), in text and in binary form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/env.h"
#include "base/mem.h"
#include "event/batch.h"
#include "event/change.h"
#include "pg/pg_types.h"

struct recorded {
	struct str name, lake, want;
	struct pg_type_info info;
	struct wbuf text, binary, expected;
	bool has_binary;
};

static void unhex(struct str s, struct wbuf *out)
{
	wbuf_reset(out);
	assert_int_equal(s.n % 2, 0);
	for (size_t i = 0; i < s.n; i += 2) {
		char two[3] = { s.p[i], s.p[i + 1], 0 };

		wbuf_put_u8(out, (uint8_t)strtoul(two, NULL, 16));
	}
}

static int64_t number(struct str s)
{
	int64_t v = 0;

	assert_true(str_to_i64(s, &v));
	return v;
}

static void parse_line(struct str line, struct recorded *r)
{
	struct str binary;

	r->name = str_cut(&line, '|');
	r->info.oid = (uint32_t)number(str_cut(&line, '|'));
	r->info.typmod = (int32_t)number(str_cut(&line, '|'));
	r->info.typtype = (char)number(str_cut(&line, '|'));
	r->info.elem_oid = (uint32_t)number(str_cut(&line, '|'));
	r->info.elem_typtype = (char)number(str_cut(&line, '|'));
	r->lake = str_cut(&line, '|');
	unhex(str_cut(&line, '|'), &r->text);
	binary = str_cut(&line, '|');
	r->has_binary = !str_eqz(binary, "-");
	if (r->has_binary)
		unhex(binary, &r->binary);
	r->want = line;
	if (line.p[0] == 'x') {
		unhex(str_view(line.p + 1, line.n - 1), &r->expected);
	} else {
		wbuf_reset(&r->expected);
		wbuf_put(&r->expected, line.p + 1, line.n - 1);
	}
}

static struct relation *one_column(const struct recorded *r, struct type type)
{
	struct relation *rel = relation_new(1, STR_LIT("public"), STR_LIT("t"), 1);
	struct err err;

	assert_non_null(rel);
	assert_int_equal(
		relation_set_column(rel, 0, STR_LIT("c"), type, r->info.oid, r->info.typmod, r->name, false, false), 0);
	assert_int_equal(relation_seal(rel), 0);
	if (pg_types_bind(rel, &err))
		fail_msg("%s", err.text);
	return rel;
}

static void check_put(const struct recorded *r, const struct relation *rel, struct batch *batch,
                      const struct wbuf *bytes, uint8_t kind)
{
	/* an exact copy, so that the address sanitizer sees one byte too far */
	uint8_t *copy = mem_alloc(bytes->n ? bytes->n : 1);
	struct datum datum = { copy, (uint32_t)bytes->n, kind };
	struct wbuf got;
	struct err err;
	int rc;

	if (bytes->n)
		memcpy(copy, bytes->p, bytes->n);
	batch_reset(batch);
	rc = rel->columns[0].put(&rel->columns[0], &datum, batch, &batch->columns[0], 0, &err);
	mem_free(copy);
	if (r->want.p[0] == '!') {
		assert_int_equal(rc, ERR_VALUE);
		if (!memmem(err.text, strlen(err.text), r->expected.p, r->expected.n))
			fail_msg("%.*s %c: error \"%s\" lacks \"%.*s\"", STR_FMT(r->name), kind, err.text,
			         (int)r->expected.n, r->expected.p);
		assert_non_null(strstr(err.text, "column \"c\""));
		return;
	}
	if (rc)
		fail_msg("%.*s %c: %s (wanted %.*s)", STR_FMT(r->name), kind, err.text, (int)r->expected.n,
		         r->expected.p);
	wbuf_init(&got, 0);
	column_text(&batch->columns[0], 0, &got);
	if (!str_eq(wbuf_str(&got), wbuf_str(&r->expected)))
		fail_msg("%.*s %c: got %.*s, wanted %.*s", STR_FMT(r->name), kind, (int)got.n, got.p,
		         (int)r->expected.n, r->expected.p);
	wbuf_free(&got);
}

static void check_line(struct recorded *r)
{
	struct type type = pg_type_map(&r->info);
	char text[TYPE_TEXT_MAX];
	struct relation *rel;
	struct batch *batch;

	if (!str_eqz(r->lake, type_text(type, text)))
		fail_msg("%.*s maps to %s, wanted %.*s", STR_FMT(r->name), text, STR_FMT(r->lake));
	assert_int_equal(pg_type_binary_ok(&r->info), r->has_binary);
	rel = one_column(r, type);
	batch = batch_new(&type, 1, 1);
	check_put(r, rel, batch, &r->text, DATUM_TEXT);
	if (r->has_binary)
		check_put(r, rel, batch, &r->binary, DATUM_BINARY);
	batch_free(batch);
	relation_unref(rel);
}

static void check_file(const char *name, int lines_min)
{
	struct recorded r = { 0 };
	char path[256], *data = NULL;
	struct str all, line;
	size_t n = 0;
	int lines = 0;

	snprintf(path, sizeof path, "tests/data/pg_types/%s.txt", name);
	assert_int_equal(env_read_file(path, 16 << 20, &data, &n), 0);
	wbuf_init(&r.text, 0);
	wbuf_init(&r.binary, 0);
	wbuf_init(&r.expected, 0);
	for (all = str_view(data, n); all.n > 0; lines++) {
		line = str_cut(&all, '\n');
		parse_line(line, &r);
		check_line(&r);
	}
	assert_true(lines >= lines_min);
	wbuf_free(&r.text);
	wbuf_free(&r.binary);
	wbuf_free(&r.expected);
	mem_free(data);
}

#define RECORDED(name, lines_min)                                                                                      \
	static void recorded_##name(void **state)                                                                      \
	{                                                                                                              \
		(void)state;                                                                                           \
		check_file(#name, lines_min);                                                                          \
	}
RECORDED(bool, 2)
RECORDED(ints, 600)
RECORDED(floats, 600)
RECORDED(decimal, 1000)
RECORDED(numeric_text, 200)
RECORDED(text, 250)
RECORDED(bytea, 60)
RECORDED(uuid, 100)
RECORDED(date, 250)
RECORDED(time, 150)
RECORDED(timestamp, 200)
RECORDED(timestamptz, 200)
RECORDED(arrays, 400)
RECORDED(arrays_refused, 9)
RECORDED(others, 17)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_bool),         cmocka_unit_test(recorded_ints),
		cmocka_unit_test(recorded_floats),       cmocka_unit_test(recorded_decimal),
		cmocka_unit_test(recorded_numeric_text), cmocka_unit_test(recorded_text),
		cmocka_unit_test(recorded_bytea),        cmocka_unit_test(recorded_uuid),
		cmocka_unit_test(recorded_date),         cmocka_unit_test(recorded_time),
		cmocka_unit_test(recorded_timestamp),    cmocka_unit_test(recorded_timestamptz),
		cmocka_unit_test(recorded_arrays),       cmocka_unit_test(recorded_arrays_refused),
		cmocka_unit_test(recorded_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
