/* tests/unit/event/test_event_codec.c — relations and changes as journal records: bytes written by hand, round trips, and every cut and many mutations of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/env_fault.h"
#include "base/mem.h"
#include "base/rbuf.h"
#include "base/wbuf.h"
#include "event/change.h"

static struct relation *users(void)
{
	struct relation *rel = relation_new(16390, STR_LIT("public"), STR_LIT("users"), 4);

	assert_non_null(rel);
	rel->version = 7;
	assert_int_equal(relation_set_column(rel, 0, STR_LIT("id"), (struct type){ .kind = TYPE_INT64 }, 20, -1,
	                                     STR_LIT("bigint"), true, true),
	                 0);
	assert_int_equal(relation_set_column(rel, 1, STR_LIT("né\"me"), (struct type){ .kind = TYPE_STRING }, 25, -1,
	                                     STR_LIT("text"), false, true),
	                 0);
	assert_int_equal(relation_set_column(rel, 2, STR_LIT("amount"),
	                                     (struct type){ .kind = TYPE_DECIMAL, .precision = 12, .scale = 2 }, 1700,
	                                     786438, STR_LIT("numeric(12,2)"), true, false),
	                 0);
	assert_int_equal(relation_set_column(rel, 3, STR_LIT("tags"),
	                                     (struct type){ .kind = TYPE_LIST, .elem = TYPE_STRING }, 1009, -1,
	                                     STR_LIT("text[]"), false, false),
	                 0);
	assert_int_equal(relation_set_keys(rel, (const uint16_t[]){ 2, 0 }, 2),
	                 0); /* an order other than the columns' */
	return rel;
}

static const struct relation *find(void *ctx, uint32_t version)
{
	struct relation *rel = ctx;

	return rel && rel->version == version ? rel : NULL;
}

/* --- bytes from the layouts in change.h and relation.c, written by hand --- */

static void a_change_by_hand(void **state)
{
	static const uint8_t expected[] = {
		'U', 3,   7,   0, 0,   0, /* UPDATE with old key and row, relation version 7 */
		4,   0,   'b', 8, 0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 'n', 't', 4,   0,   0, 0, '1', '.', '5',
		'0', 'n', 4,   0, 'b', 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,   0,   'u', 't', 0, 0, 0,   0,   'n',
	};
	static const uint8_t nine[8] = { 0, 0, 0, 0, 0, 0, 0, 9 }, two56[8] = { 0, 0, 0, 0, 0, 0, 1, 0 };
	struct datum key[4] = { { nine, 8, DATUM_BINARY },
		                { NULL, 0, DATUM_NULL },
		                { (const uint8_t *)"1.50", 4, DATUM_TEXT },
		                { NULL, 0, DATUM_NULL } };
	struct datum row[4] = { { two56, 8, DATUM_BINARY },
		                { NULL, 0, DATUM_UNCHANGED },
		                { (const uint8_t *)"", 0, DATUM_TEXT },
		                { NULL, 0, DATUM_NULL } };
	struct relation *rel = users();
	struct change change = { .op = OP_UPDATE, .rel = rel, .old_key = key, .row = row }, back = { .ordinal = 42 };
	struct change_scratch scratch = { 0 };
	struct wbuf out;
	struct rbuf in;
	struct err err = { 0 };

	(void)state;
	wbuf_init(&out, 0);
	change_encode(&change, &out);
	assert_int_equal(out.n, sizeof expected);
	assert_memory_equal(out.p, expected, sizeof expected);
	in = rbuf_of(expected, sizeof expected);
	assert_int_equal(change_decode(&in, &scratch, find, rel, &back, &err), 0);
	assert_true(rbuf_done(&in));
	assert_int_equal(back.op, OP_UPDATE);
	assert_int_equal(back.ordinal, 42);
	assert_ptr_equal(back.rel, rel);
	assert_memory_equal(back.old_key[0].p, nine, 8);
	assert_int_equal(back.old_key[2].n, 4);
	assert_int_equal(back.row[1].kind, DATUM_UNCHANGED);
	assert_int_equal(back.row[2].kind, DATUM_TEXT);
	assert_int_equal(back.row[2].n, 0);
	assert_int_equal(back.row[3].kind, DATUM_NULL);
	change_scratch_free(&scratch);
	wbuf_free(&out);
	relation_unref(rel);
}

static void a_relation_by_hand(void **state)
{
	static const uint8_t bytes[] = {
		6,   64, 0,   0,   7,          0,   0,   0,   6,   0,   'p', 'u', 'b', 'l', 'i',
		'c', 1,  0,   't', 0,          1,   0, /* oid 16390, version 7, public.t, captured, one column */
		2,   0,  'i', 'd', TYPE_INT32, 0,   0,   0,   23,  0,   0,   0,   255, 255, 255,
		255, 7,  0,   'i', 'n',        't', 'e', 'g', 'e', 'r', 3,   1,   0,   0,   0,
	};
	struct rbuf in = rbuf_of(bytes, sizeof bytes);
	struct relation *rel = NULL;
	struct wbuf out;
	struct err err = { 0 };

	(void)state;
	if (relation_decode(&in, &rel, &err))
		fail_msg("%s", err.text);
	assert_true(rbuf_done(&in));
	assert_int_equal(rel->id, 16390);
	assert_int_equal(rel->version, 7);
	assert_string_equal(rel->schema, "public");
	assert_string_equal(rel->name, "t");
	assert_null(rel->unsupported);
	assert_int_equal(rel->n_columns, 1);
	assert_string_equal(rel->columns[0].name, "id");
	assert_int_equal(rel->columns[0].typmod, -1);
	assert_string_equal(rel->columns[0].source_type_name, "integer");
	assert_true(rel->columns[0].key && rel->columns[0].not_null);
	assert_null(rel->columns[0].put);
	assert_int_equal(rel->n_keys, 1);
	wbuf_init(&out, 0);
	relation_encode(rel, &out);
	assert_int_equal(out.n, sizeof bytes);
	assert_memory_equal(out.p, bytes, sizeof bytes);
	wbuf_free(&out);
	relation_unref(rel);
}

/* --- round trips --- */

static void relations_round_trip(void **state)
{
	struct relation *rel = users(), *back;
	struct wbuf out;
	struct err err = { 0 };

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct rbuf in;

		wbuf_init(&out, 0);
		relation_encode(rel, &out);
		in = rbuf_of(out.p, out.n);
		assert_int_equal(relation_decode(&in, &back, &err), 0);
		assert_true(rbuf_done(&in));
		assert_true(relation_same_shape(rel, back));
		assert_int_equal(back->key_columns[0], 2);
		assert_int_equal(back->key_columns[1], 0);
		assert_int_equal(back->columns[2].type.scale, 2);
		assert_int_equal(back->columns[3].type.elem, TYPE_STRING);
		if (round == 1)
			assert_string_equal(back->unsupported, "it has no primary key");
		relation_unref(back);
		wbuf_free(&out);
		assert_int_equal(relation_set_unsupported(rel, "it has no primary key"), 0);
	}
	relation_unref(rel);
}

/* --- cuts and mutations --- */

/* The input ends where the block ends, so that a sanitizer sees a byte read too many. */
static int decode_relation(const uint8_t *bytes, size_t n, struct err *err)
{
	uint8_t *block = mem_alloc(n ? n : 1);
	struct relation *rel = NULL;
	struct rbuf in;
	char text[TYPE_TEXT_MAX];
	int rc;

	memcpy(block, bytes, n);
	in = rbuf_of(block, n);
	rc = relation_decode(&in, &rel, err);
	for (uint16_t i = 0; rel && i < rel->n_columns; i++) {
		/* whatever was accepted can be used */
		assert_true(strlen(type_text(rel->columns[i].type, text)) > 0);
		assert_true(rel->columns[i].type.kind == TYPE_NONE || type_width(rel->columns[i].type) > 0);
		if (rel->columns[i].type.kind == TYPE_LIST)
			assert_true(type_width(type_elem(rel->columns[i].type)) > 0);
	}
	for (uint16_t i = 0; rel && i < rel->n_keys; i++)
		assert_true(rel->key_columns[i] < rel->n_columns);
	relation_unref(rel);
	mem_free(block);
	return rc;
}

static int decode_change(const uint8_t *bytes, size_t n, struct relation *rel, struct err *err)
{
	uint8_t *block = mem_alloc(n ? n : 1);
	struct change_scratch scratch = { 0 };
	struct change change = { 0 };
	struct rbuf in;
	uint32_t sum = 0;
	int rc;

	memcpy(block, bytes, n);
	in = rbuf_of(block, n);
	rc = change_decode(&in, &scratch, find, rel, &change, err);
	for (int side = 0; !rc && side < 2; side++) {
		const struct datum *d = side ? change.row : change.old_key;

		for (uint16_t i = 0; d && i < rel->n_columns; i++)
			for (uint32_t b = 0; b < d[i].n; b++)
				sum += d[i].p[b]; /* every byte that was promised is there */
	}
	assert_true(sum < UINT32_MAX);
	change_scratch_free(&scratch);
	mem_free(block);
	return rc;
}

static void encode_both(struct relation *rel, struct wbuf *relation, struct wbuf *change)
{
	static const uint8_t nine[8] = { 0, 0, 0, 0, 0, 0, 0, 9 };
	struct datum row[4] = { { nine, 8, DATUM_BINARY },
		                { (const uint8_t *)"name", 4, DATUM_TEXT },
		                { NULL, 0, DATUM_UNCHANGED },
		                { NULL, 0, DATUM_NULL } };

	wbuf_init(relation, 0);
	wbuf_init(change, 0);
	relation_encode(rel, relation);
	change_encode(&(struct change){ .op = OP_UPDATE, .rel = rel, .old_key = row, .row = row }, change);
	assert_false(wbuf_failed(relation) || wbuf_failed(change));
}

static void every_cut_is_corrupt(void **state)
{
	struct relation *rel = users();
	struct wbuf relation, change;
	struct err err = { 0 };

	(void)state;
	encode_both(rel, &relation, &change);
	assert_int_equal(decode_relation(relation.p, relation.n, &err), 0);
	assert_int_equal(decode_change(change.p, change.n, rel, &err), 0);
	for (size_t n = 0; n < relation.n; n++) {
		assert_int_equal(decode_relation(relation.p, n, &err), ERR_CORRUPT);
		assert_true(err.text[0]);
	}
	for (size_t n = 0; n < change.n; n++)
		assert_int_equal(decode_change(change.p, n, rel, &err), ERR_CORRUPT);
	wbuf_free(&relation);
	wbuf_free(&change);
	relation_unref(rel);
}

static void mutations_never_crash(void **state)
{
	struct relation *rel = users();
	struct wbuf relation, change;
	struct err err = { 0 };
	unsigned seed = 20260;
	int refused = 0;

	(void)state;
	encode_both(rel, &relation, &change);
	/* every byte with every value */
	for (size_t at = 0; at < relation.n; at++) {
		uint8_t keep = relation.p[at];

		for (int v = 0; v < 256; v++) {
			relation.p[at] = (uint8_t)v;
			refused += decode_relation(relation.p, relation.n, &err) == ERR_CORRUPT;
		}
		relation.p[at] = keep;
	}
	for (size_t at = 0; at < change.n; at++) {
		uint8_t keep = change.p[at];

		for (int v = 0; v < 256; v++) {
			change.p[at] = (uint8_t)v;
			refused += decode_change(change.p, change.n, rel, &err) == ERR_CORRUPT;
		}
		change.p[at] = keep;
	}
	assert_true(refused > 1000);
	/* several at once */
	for (int round = 0; round < 20000; round++) {
		struct wbuf *w = round % 2 ? &relation : &change;
		uint8_t keep[512];

		assert_true(w->n <= sizeof keep);
		memcpy(keep, w->p, w->n);
		for (int i = 0; i < 3; i++) {
			seed = seed * 1103515245u + 12345u;
			w->p[(seed >> 8) % w->n] = (uint8_t)(seed >> 24);
		}
		(void)!(round % 2 ? decode_relation(w->p, w->n, &err) : decode_change(w->p, w->n, rel, &err));
		memcpy(w->p, keep, w->n);
	}
	wbuf_free(&relation);
	wbuf_free(&change);
	relation_unref(rel);
}

static void what_no_writer_writes(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[16];
		size_t n;
	} cases[] = {
		{ "an insert without a row", { 'I', 0, 7, 0, 0, 0 }, 6 },
		{ "a delete with a row", { 'D', 2, 7, 0, 0, 0, 4, 0, 'n', 'n', 'n', 'n' }, 12 },
		{ "a truncate with a key", { 'T', 1, 7, 0, 0, 0, 4, 0, 'n', 'n', 'n', 'n' }, 12 },
		{ "an unknown operation", { 'X', 2, 7, 0, 0, 0, 4, 0, 'n', 'n', 'n', 'n' }, 12 },
		{ "unknown flags", { 'I', 6, 7, 0, 0, 0, 4, 0, 'n', 'n', 'n', 'n' }, 12 },
		{ "a version never announced", { 'I', 2, 8, 0, 0, 0, 4, 0, 'n', 'n', 'n', 'n' }, 12 },
		{ "three values for four columns", { 'I', 2, 7, 0, 0, 0, 3, 0, 'n', 'n', 'n' }, 11 },
		{ "an unknown kind of value", { 'I', 2, 7, 0, 0, 0, 4, 0, 'x', 'n', 'n', 'n' }, 12 },
		{ "a length past the end", { 'I', 2, 7, 0, 0, 0, 4, 0, 't', 255, 255, 255, 255, 'n' }, 14 },
	};
	static const uint8_t fine[] = { 'I', 2, 7, 0, 0, 0, 4, 0, 'n', 'n', 'n', 'n' };
	struct relation *rel = users();
	struct err err = { 0 };

	(void)state;
	assert_int_equal(decode_change(fine, sizeof fine, rel, &err), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (decode_change(cases[i].bytes, cases[i].n, rel, &err) != ERR_CORRUPT)
			fail_msg("accepted: %s", cases[i].what);
	relation_unref(rel);
}

/* A list of an unknown element type: accepted once, it would index past the table of type names. */
static void a_list_of_nothing_known(void **state)
{
	struct relation *rel = users();
	struct wbuf relation, change;
	struct err err = { 0 };

	(void)state;
	rel->columns[3].type.elem = 200;
	encode_both(rel, &relation, &change);
	assert_int_equal(decode_relation(relation.p, relation.n, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.text, "column 3"));
	wbuf_free(&relation);
	wbuf_free(&change);
	relation_unref(rel);
}

static void each_allocation_failing(void **state)
{
	struct relation *rel = users();
	struct wbuf relation, change;
	bool done = false;

	(void)state;
	encode_both(rel, &relation, &change);
	for (uint64_t n = 1; !done; n++) {
		struct relation *back = NULL;
		struct rbuf in = rbuf_of(relation.p, relation.n);
		struct err err = { 0 };
		int rc;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		rc = relation_decode(&in, &back, &err);
		done = !env_fault_fired(ENV_ALLOC);
		env_fault_remove();
		assert_int_equal(rc, done ? ERR_OK : ERR_NOMEM);
		relation_unref(rc ? NULL : back);
		assert_true(n < 100);
	}
	wbuf_free(&relation);
	wbuf_free(&change);
	relation_unref(rel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_by_hand),        cmocka_unit_test(a_relation_by_hand),
		cmocka_unit_test(relations_round_trip),    cmocka_unit_test(every_cut_is_corrupt),
		cmocka_unit_test(mutations_never_crash),   cmocka_unit_test(what_no_writer_writes),
		cmocka_unit_test(a_list_of_nothing_known), cmocka_unit_test(each_allocation_failing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
