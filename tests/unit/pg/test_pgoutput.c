/* tests/unit/pg/test_pgoutput.c — recorded streams (tests/data/pgoutput/, made by record.py from a real server) line by line, every truncation of every
 * message, and messages no server sends. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/crc.h"
#include "base/env.h"
#include "base/env_fault.h"
#include "base/mem.h"
#include "event/batch.h"
#include "pg/pg_types.h"
#include "pg/pgoutput.h"

/* The description capture would make, without a catalog. */
static int describe(void *ctx, uint32_t oid, char replica_identity, const struct pgoutput_relcol *cols, uint16_t n_cols,
                    struct str schema, struct str name, struct relation **out, struct err *err)
{
	struct relation *rel = relation_new(oid, schema, name, n_cols);

	*(char *)ctx = replica_identity;
	for (uint16_t i = 0; rel && i < n_cols; i++) {
		struct pg_type_info info = { .oid = cols[i].type_oid, .typmod = cols[i].typmod };

		if (relation_set_column(rel, i, cols[i].name, pg_type_map(&info), info.oid, info.typmod, STR_LIT("?"),
		                        cols[i].identity, false)) {
			relation_unref(rel);
			return err_nomem(err);
		}
	}
	if (!rel || relation_seal(rel) ||
	    (replica_identity != 'd' && relation_set_unsupported(rel, "its replica identity is not DEFAULT"))) {
		relation_unref(rel);
		return err_nomem(err);
	}
	*out = rel;
	return pg_types_bind(rel, err);
}

static void put_tuple(const struct datum *datums, uint16_t n, struct wbuf *out)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct datum *d = &datums[i];

		wbuf_put_u8(out, ' ');
		if (d->kind == DATUM_NULL)
			wbuf_putz(out, "null");
		else if (d->kind == DATUM_UNCHANGED)
			wbuf_putz(out, "unchanged");
		else if (d->n > 40)
			wbuf_putf(out, "%c(%u,%08x)", d->kind, d->n, crc32_ieee(0, d->p, d->n));
		else if (d->kind == DATUM_TEXT)
			wbuf_putf(out, "t'%.*s'", (int)d->n, (const char *)d->p);
		else {
			wbuf_putz(out, "b'");
			for (uint32_t k = 0; k < d->n; k++)
				wbuf_putf(out, "%02x", d->p[k]);
			wbuf_put_u8(out, '\'');
		}
	}
}

static void put_relation(const struct relation *rel, char identity, struct wbuf *out)
{
	wbuf_putf(out, "relation %s.%s %c", rel->schema, rel->name, identity);
	for (uint16_t i = 0; i < rel->n_columns; i++) {
		const struct rel_column *col = &rel->columns[i];

		wbuf_putf(out, " %s%s:", col->name, col->key ? "*" : "");
		if (col->source_type < 16384)
			wbuf_putf(out, "%u:%d", col->source_type, col->typmod);
		else
			wbuf_putf(out, "user:%d", col->typmod);
	}
}

static void put_change(const struct change *change, struct wbuf *out)
{
	const struct relation *rel = change->rel;

	wbuf_putf(out, "%s %s.%s",
	          change->op == OP_INSERT   ? "insert"
	          : change->op == OP_UPDATE ? "update"
	                                    : "delete",
	          rel->schema, rel->name);
	if (change->old_key) {
		wbuf_putz(out, " old");
		put_tuple(change->old_key, rel->n_columns, out);
	}
	if (change->row && change->op == OP_UPDATE)
		wbuf_putz(out, " new");
	if (change->row)
		put_tuple(change->row, rel->n_columns, out);
}

static void put_msg(const struct pgoutput_msg *msg, char identity, struct wbuf *out)
{
	wbuf_reset(out);
	switch (msg->kind) {
	case PGOUTPUT_BEGIN:
		wbuf_putf(out, "begin %" PRIu64 " %" PRId64 " %u", msg->head.commit_lsn, msg->head.commit_ts_us,
		          msg->head.xid);
		break;
	case PGOUTPUT_COMMIT:
		wbuf_putf(out, "commit %" PRIu64 " %" PRIu64 " %" PRId64, msg->head.commit_lsn, msg->head.end_lsn,
		          msg->head.commit_ts_us);
		break;
	case PGOUTPUT_RELATION: put_relation(msg->rel, identity, out); break;
	case PGOUTPUT_CHANGE: put_change(&msg->change, out); break;
	case PGOUTPUT_TRUNCATE:
		wbuf_putz(out, "truncate");
		for (size_t i = 0; i < msg->n_truncated; i++)
			wbuf_putf(out, " %s.%s", msg->truncated[i]->schema, msg->truncated[i]->name);
		break;
	case PGOUTPUT_KEEPALIVE: wbuf_putf(out, "keepalive %" PRIu64 " %d", msg->wal_end, msg->reply); break;
	case PGOUTPUT_IGNORED: wbuf_putz(out, "ignored"); break;
	}
}

/* Every shorter form of a message has to fail; the copy ends where the bytes end, so that a sanitizer sees a read too far. The state a failed BEGIN or
 * COMMIT leaves behind must be that of before. */
static void check_truncations(struct pgoutput *p, struct str body)
{
	struct pgoutput_msg msg;
	struct err err;

	for (size_t n = 0; n < body.n; n++) {
		char *copy = mem_alloc(n ? n : 1);

		if (n)
			memcpy(copy, body.p, n);
		if (pgoutput_decode(p, str_view(copy, n), &msg, &err) != ERR_PROTOCOL)
			fail_msg("a '%c%c' message of %zu bytes was taken at %zu", body.p[0],
			         body.n > 25 ? body.p[25] : ' ', body.n, n);
		mem_free(copy);
	}
}

static void check_recorded(const char *name, bool truncate, int frames_min)
{
	char path[256], *bin = NULL, *text = NULL, identity = 0;
	struct pgoutput *p = pgoutput_new(describe, &identity);
	struct str lines;
	struct wbuf got;
	size_t n_bin, n_text, frames = 0;
	struct rbuf r;

	snprintf(path, sizeof path, "tests/data/pgoutput/%s.bin", name);
	assert_int_equal(env_read_file(path, 16 << 20, &bin, &n_bin), 0);
	snprintf(path, sizeof path, "tests/data/pgoutput/%s.txt", name);
	assert_int_equal(env_read_file(path, 16 << 20, &text, &n_text), 0);
	lines = str_view(text, n_text);
	wbuf_init(&got, 0);
	for (r = rbuf_of(bin, n_bin); rbuf_left(&r) > 0; frames++) {
		struct str body = rbuf_bytes(&r, rbuf_u32_le(&r)), want = str_cut(&lines, '\n');
		struct pgoutput_msg msg;
		struct err err;

		assert_true(rbuf_ok(&r));
		if (truncate)
			check_truncations(p, body);
		if (pgoutput_decode(p, body, &msg, &err))
			fail_msg("frame %zu (%.*s): %s", frames, STR_FMT(want), err.text);
		put_msg(&msg, identity, &got);
		if (!str_eq(wbuf_str(&got), want))
			fail_msg("frame %zu: got %.*s, wanted %.*s", frames, (int)got.n, got.p, STR_FMT(want));
	}
	assert_true(frames >= (size_t)frames_min && lines.n == 0);
	wbuf_free(&got);
	pgoutput_free(p);
	mem_free(bin);
	mem_free(text);
}

static void recorded_text(void **state)
{
	(void)state;
	check_recorded("text", false, 380);
}
static void recorded_partitions(void **state)
{
	(void)state;
	check_recorded("partitions", false, 10);
}
static void recorded_binary(void **state)
{
	(void)state;
	check_recorded("binary", false, 10);
}
static void truncated_text(void **state)
{
	(void)state;
	check_recorded("text", true, 380);
}
static void truncated_partitions(void **state)
{
	(void)state;
	check_recorded("partitions", true, 10);
}
static void truncated_binary(void **state)
{
	(void)state;
	check_recorded("binary", true, 10);
}

/* -- each allocation fails once */

static int put_row(const struct pgoutput_msg *msg, struct err *err)
{
	const struct relation *rel = msg->change.rel;
	struct type types[16];
	struct batch *batch;
	int rc = 0;

	if (msg->kind != PGOUTPUT_CHANGE || !msg->change.row || rel->n_columns > 16)
		return 0;
	for (uint16_t i = 0; i < rel->n_columns; i++)
		types[i] = rel->columns[i].type;
	batch = batch_new(types, rel->n_columns, 1);
	if (!batch)
		return err_nomem(err);
	for (uint16_t i = 0; i < rel->n_columns && !rc; i++)
		if (msg->change.row[i].kind != DATUM_UNCHANGED)
			rc = rel->columns[i].put(&rel->columns[i], &msg->change.row[i], batch, &batch->columns[i], 0,
			                         err);
	batch_free(batch);
	return rc;
}

static int decode_all(const char *bin, size_t n, struct err *err)
{
	char identity;
	struct pgoutput *p = pgoutput_new(describe, &identity);
	int rc = p ? 0 : err_nomem(err);

	for (struct rbuf r = rbuf_of(bin, n); !rc && rbuf_left(&r) > 0;) {
		struct pgoutput_msg msg;

		rc = pgoutput_decode(p, rbuf_bytes(&r, rbuf_u32_le(&r)), &msg, err);
		if (!rc)
			rc = put_row(&msg, err);
	}
	pgoutput_free(p);
	return rc;
}

static void allocations_fail(void **state)
{
	char *bin = NULL;
	size_t n_bin;
	bool done = false;

	(void)state;
	assert_int_equal(env_read_file("tests/data/pgoutput/binary.bin", 16 << 20, &bin, &n_bin), 0);
	for (uint64_t n = 1; !done; n++) {
		struct err err;
		int rc;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		rc = decode_all(bin, n_bin, &err);
		done = !env_fault_fired(ENV_ALLOC);
		env_fault_remove();
		assert_int_equal(rc, done ? 0 : ERR_NOMEM);
		assert_true(!done || n > 40);
	}
	mem_free(bin);
}

/* -- messages typed by hand */

#define HEAD                                                                                                           \
	"w"                                                                                                            \
	"\0\0\0\0\0\0\0\1"                                                                                             \
	"\0\0\0\0\0\0\0\2"                                                                                             \
	"\0\0\0\0\0\0\0\3"
#define FRAME(s)                                                                                                       \
	{                                                                                                              \
		HEAD s, sizeof(HEAD s) - 1                                                                             \
	}
#define BEGIN                                                                                                          \
	HEAD "B"                                                                                                       \
	     "\0\0\0\0\0\0\0\x64"                                                                                      \
	     "\0\0\0\0\0\0\0\0"                                                                                        \
	     "\0\0\0\7"
#define COMMIT_AT(lsn, end)                                                                                            \
	HEAD "C"                                                                                                       \
	     "\0"                                                                                                      \
	     "\0\0\0\0\0\0\0" lsn "\0\0\0\0\0\0\0" end "\0\0\0\0\0\0\0\0"
#define RELATION                                                                                                       \
	HEAD "R"                                                                                                       \
	     "\0\0\0\5"                                                                                                \
	     "\0"                                                                                                      \
	     "t\0"                                                                                                     \
	     "d"                                                                                                       \
	     "\0\1"                                                                                                    \
	     "\1"                                                                                                      \
	     "id\0"                                                                                                    \
	     "\0\0\0\x17"                                                                                              \
	     "\xff\xff\xff\xff"
#define VIEW(s) str_view(s, sizeof(s) - 1)

static struct pgoutput *opened(char *identity)
{
	struct pgoutput *p = pgoutput_new(describe, identity);
	struct pgoutput_msg msg;
	struct err err;

	assert_int_equal(pgoutput_decode(p, VIEW(BEGIN), &msg, &err), 0);
	assert_int_equal(msg.kind, PGOUTPUT_BEGIN);
	assert_int_equal(msg.head.commit_ts_us, INT64_C(946684800000000));
	assert_int_equal(pgoutput_decode(p, VIEW(RELATION), &msg, &err), 0);
	assert_string_equal(msg.rel->schema, "pg_catalog"); /* the empty schema */
	return p;
}

static void refuse(struct pgoutput *p, struct str body, const char *words)
{
	struct pgoutput_msg msg;
	struct err err;

	assert_int_equal(pgoutput_decode(p, body, &msg, &err), ERR_PROTOCOL);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" lacks \"%s\"", err.text, words);
}

static void malformed_inside_a_transaction(void **state)
{
	static const struct {
		struct str body;
		const char *words;
	} cases[] = {
		{ FRAME("I"
		        "\0\0\0\6"
		        "N"
		        "\0\1"
		        "n"),
		  "never announced" },
		{ FRAME("I"
		        "\0\0\0\5"
		        "K"
		        "\0\1"
		        "n"),
		  "new tuple" },
		{ FRAME("I"
		        "\0\0\0\5"
		        "N"
		        "\0\2"
		        "nn"),
		  "2 values" },
		{ FRAME("I"
		        "\0\0\0\5"
		        "N"
		        "\0\0"),
		  "0 values" },
		{ FRAME("I"
		        "\0\0\0\5"
		        "N"
		        "\0\1"
		        "x"),
		  "unknown kind" },
		{ FRAME("I"
		        "\0\0\0\5"
		        "N"
		        "\0\1"
		        "n"
		        "n"),
		  "left over" },
		{ FRAME("I"
		        "\0\0\0\5"
		        "N"
		        "\0\1"
		        "t"
		        "\xff\xff\xff\xff"
		        "1"),
		  "cut short" },
		{ FRAME("U"
		        "\0\0\0\5"
		        "O"
		        "\0\1"
		        "n"),
		  "cut short" },
		{ FRAME("U"
		        "\0\0\0\5"
		        "K"
		        "\0\1"
		        "n"
		        "K"
		        "\0\1"
		        "n"),
		  "new tuple" },
		{ FRAME("D"
		        "\0\0\0\5"
		        "N"
		        "\0\1"
		        "n"),
		  "old tuple" },
		{ FRAME("D"
		        "\0\0\0\5"
		        "K"
		        "\0\1"
		        "n"
		        "N"
		        "\0\1"
		        "n"),
		  "left over" },
		{ FRAME("T"
		        "\xff\xff\xff\xff"
		        "\0"),
		  "cut short" },
		{ FRAME("T"
		        "\0\0\0\1"
		        "\4"
		        "\0\0\0\5"),
		  "unknown options" },
		{ FRAME("T"
		        "\0\0\0\1"
		        "\0"
		        "\0\0\0\5"
		        "\0"),
		  "left over" },
		{ { BEGIN, sizeof(BEGIN) - 1 }, "did not end" },
		{ { COMMIT_AT("\x65", "\x70"), sizeof(COMMIT_AT("\x65", "\x70")) - 1 }, "positions" },
		{ { COMMIT_AT("\x64", "\x64"), sizeof(COMMIT_AT("\x64", "\x64")) - 1 }, "positions" },
		{ FRAME("C"
		        "\1"
		        "\0\0\0\0\0\0\0\x64"
		        "\0\0\0\0\0\0\0\x70"
		        "\0\0\0\0\0\0\0\0"),
		  "unknown flags" },
		{ FRAME("R"
		        "\0\0\0\5"
		        "s\0"
		        "t\0"
		        "x"
		        "\0\0"),
		  "replica identity" },
		{ FRAME("R"
		        "\0\0\0\5"
		        "s\0"
		        "t\0"
		        "d"
		        "\0\1"
		        "\2"
		        "id\0"
		        "\0\0\0\x17"
		        "\0\0\0\0"),
		  "unknown flags" },
		{ FRAME("R"
		        "\0\0\0\5"
		        "s\0"
		        "t\0"
		        "d"
		        "\xff\xff"),
		  "more columns" },
		{ FRAME("S"
		        "\0\0\0\1"
		        "\1"),
		  "in progress" },
		{ FRAME("A"
		        "\0\0\0\1"
		        "\0\0\0\1"),
		  "in progress" },
		{ FRAME("b"), "two-phase" },
		{ FRAME("P"), "two-phase" },
		{ FRAME("Z"), "0x5a" },
		{ FRAME(""), "no message" },
		{ FRAME("M"
		        "\0"
		        "\0\0\0\0\0\0\0\1"
		        "p\0"
		        "\0\0\0\5"
		        "abc"),
		  "cut short" },
		{ { "k"
		    "\0\0\0\0\0\0\0\1"
		    "\0\0\0\0\0\0\0\1"
		    "\2",
		    18 },
		  "unknown flags" },
		{ { "x", 1 }, "0x78" },
		{ { "", 0 }, "empty frame" },
	};
	char identity;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pgoutput *p = opened(&identity);

		refuse(p, cases[i].body, cases[i].words);
		pgoutput_free(p);
	}
}

static void rows_outside_of_a_transaction(void **state)
{
	char identity;
	struct pgoutput *p = opened(&identity);
	struct pgoutput_msg msg;
	struct err err;

	(void)state;
	assert_int_equal(pgoutput_decode(p,
	                                 VIEW(HEAD "T"
	                                           "\0\0\0\2"
	                                           "\3"
	                                           "\0\0\0\5"
	                                           "\0\0\0\x63"),
	                                 &msg, &err),
	                 0);
	assert_int_equal(msg.n_truncated, 1); /* 99 was never announced */
	assert_int_equal(pgoutput_decode(p, VIEW(COMMIT_AT("\x64", "\x70")), &msg, &err), 0);
	assert_int_equal(msg.head.xid, 7);
	refuse(p, VIEW(COMMIT_AT("\x64", "\x70")), "no transaction is open");
	refuse(p,
	       VIEW(HEAD "I"
	                 "\0\0\0\5"
	                 "N"
	                 "\0\1"
	                 "n"),
	       "outside of a transaction");
	refuse(p,
	       VIEW(HEAD "T"
	                 "\0\0\0\1"
	                 "\0"
	                 "\0\0\0\5"),
	       "outside of a transaction");
	pgoutput_free(p);
}

/* TYPE and logical messages, a relation again with another shape, and the row after it. */
static void a_relation_replaces_the_one_before(void **state)
{
	char identity;
	struct pgoutput *p = opened(&identity);
	struct pgoutput_msg msg;
	struct err err;

	(void)state;
	assert_int_equal(pgoutput_decode(p,
	                                 VIEW(HEAD "I"
	                                           "\0\0\0\5"
	                                           "N"
	                                           "\0\1"
	                                           "t"
	                                           "\0\0\0\2"
	                                           "42"),
	                                 &msg, &err),
	                 0);
	assert_int_equal(msg.change.rel->n_columns, 1);
	assert_memory_equal(msg.change.row[0].p, "42", 2);
	assert_null(msg.change.old_key);
	assert_int_equal(pgoutput_decode(p,
	                                 VIEW(HEAD "R"
	                                           "\0\0\0\5"
	                                           "s\0"
	                                           "t2\0"
	                                           "f"
	                                           "\0\2"
	                                           "\1"
	                                           "id\0"
	                                           "\0\0\0\x17"
	                                           "\xff\xff\xff\xff"
	                                           "\1"
	                                           "b\0"
	                                           "\0\0\0\x19"
	                                           "\xff\xff\xff\xff"),
	                                 &msg, &err),
	                 0);
	assert_non_null(msg.rel->unsupported);
	refuse(p,
	       VIEW(HEAD "I"
	                 "\0\0\0\5"
	                 "N"
	                 "\0\1"
	                 "n"),
	       "1 values");
	assert_int_equal(pgoutput_decode(p,
	                                 VIEW(HEAD "D"
	                                           "\0\0\0\5"
	                                           "O"
	                                           "\0\2"
	                                           "nu"),
	                                 &msg, &err),
	                 0);
	assert_string_equal(msg.change.rel->name, "t2");
	assert_int_equal(msg.change.old_key[1].kind, DATUM_UNCHANGED);
	assert_null(msg.change.row);
	assert_int_equal(pgoutput_decode(p,
	                                 VIEW(HEAD "O"
	                                           "\0\0\0\0\0\0\0\1"
	                                           "origin\0"),
	                                 &msg, &err),
	                 0);
	assert_int_equal(msg.kind, PGOUTPUT_IGNORED);
	pgoutput_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_text),
		cmocka_unit_test(recorded_partitions),
		cmocka_unit_test(recorded_binary),
		cmocka_unit_test(truncated_text),
		cmocka_unit_test(truncated_partitions),
		cmocka_unit_test(truncated_binary),
		cmocka_unit_test(allocations_fail),
		cmocka_unit_test(malformed_inside_a_transaction),
		cmocka_unit_test(rows_outside_of_a_transaction),
		cmocka_unit_test(a_relation_replaces_the_one_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
