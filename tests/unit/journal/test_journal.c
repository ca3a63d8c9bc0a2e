/* tests/unit/journal/test_journal.c — writing and reading: round trip, segments, order, lock, identity. */
#include <fcntl.h>
#include <stdio.h>

#include "base/crc.h"
#include "base/mem.h"
#include "journal/segment.h"
#include "journal/segment_scan.h"
#include "journal_support.h"

static void empty_journal(void **state)
{
	struct journal *journal = test_open();
	struct test_result result;
	struct err err;

	(void)state;
	assert_int_equal(journal_durable(journal).commit_lsn, 0);
	assert_int_equal(journal_first_commit_lsn(journal), 0);
	assert_int_equal(test_read_all(journal, 0, 1, &result, &err), 0);
	assert_int_equal(result.transactions, 0);
	assert_int_equal(journal_sync(journal, &err), 0);
	journal_close(journal);
	journal_close(test_open());
	journal_close(NULL);
}

static void all_operations_come_back(void **state)
{
	struct journal *journal = test_open();
	struct relation *rel = test_relation(100, 2), *other = test_relation(101, 1);
	struct datum row[3] = { { (const uint8_t *)"1", 1, DATUM_TEXT },
		                { (const uint8_t *)"\0\xFF", 2, DATUM_BINARY },
		                { NULL, 0, DATUM_UNCHANGED } };
	struct datum key[3] = { { (const uint8_t *)"0", 1, DATUM_TEXT },
		                { NULL, 0, DATUM_NULL },
		                { NULL, 0, DATUM_NULL } };
	const struct change in[] = {
		{ .op = OP_INSERT, .rel = rel, .row = row },
		{ .op = OP_UPDATE, .rel = rel, .row = row },
		{ .op = OP_UPDATE, .rel = rel, .row = row, .old_key = key },
		{ .op = OP_DELETE, .rel = rel, .old_key = key },
		{ .op = OP_TRUNCATE, .rel = other },
		{ .op = OP_TRUNCATE, .rel = rel },
	};
	const size_t n = sizeof in / sizeof in[0];
	struct tx_head head = { .commit_lsn = 10, .commit_ts_us = -5, .xid = 77 };
	struct journal_reader *reader;
	enum journal_event event;
	struct change out;
	struct err err;

	(void)state;
	assert_int_equal(journal_put_relation(journal, rel, &err), 0);
	assert_int_equal(rel->version, 1);
	assert_int_equal(journal_begin(journal, &head, &err), 0);
	for (size_t i = 0; i < n; i++) {
		if (i == 4)
			assert_int_equal(journal_put_relation(journal, other, &err), 0); /* inside the transaction */
		assert_int_equal(journal_put_change(journal, &in[i], &err), 0);
	}
	head.end_lsn = 20;
	assert_int_equal(journal_commit(journal, &head, &err), 0);
	assert_true(journal_unsynced_bytes(journal) > 0);
	assert_int_equal(journal_durable(journal).commit_lsn, 0);
	assert_int_equal(journal_reader_open(journal, 0, NULL, &reader, &err), 0);
	assert_int_equal(journal_read(reader, 0, &event, &head, &out, &err), 0);
	assert_int_equal(event, JOURNAL_TIMEOUT); /* not synced: not seen */
	assert_int_equal(journal_sync(journal, &err), 0);
	assert_int_equal(journal_unsynced_bytes(journal), 0);
	assert_int_equal(journal_durable(journal).end_lsn, 20);

	assert_int_equal(journal_read(reader, 0, &event, &head, &out, &err), 0);
	assert_int_equal(event, JOURNAL_BEGIN);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(journal_read(reader, 0, &event, &head, &out, &err), 0);
		assert_int_equal(event, JOURNAL_CHANGE);
		assert_int_equal(out.op, in[i].op);
		assert_int_equal(out.ordinal, i);
		assert_int_equal(out.rel->id, in[i].rel->id);
		assert_int_equal(out.rel->version, in[i].rel->version);
		assert_true(relation_same_shape(out.rel, in[i].rel));
		assert_int_equal(!out.row, !in[i].row);
		assert_int_equal(!out.old_key, !in[i].old_key);
		for (int c = 0; c < 3 && out.row; c++) {
			assert_int_equal(out.row[c].kind, row[c].kind);
			assert_int_equal(out.row[c].n, row[c].n);
			if (row[c].n)
				assert_memory_equal(out.row[c].p, row[c].p, row[c].n);
		}
		if (out.old_key)
			assert_memory_equal(out.old_key[0].p, "0", 1);
	}
	assert_int_equal(journal_read(reader, 0, &event, &head, &out, &err), 0);
	assert_int_equal(event, JOURNAL_COMMIT);
	assert_int_equal(head.commit_lsn, 10);
	assert_int_equal(head.end_lsn, 20);
	assert_int_equal(head.commit_ts_us, -5);
	assert_int_equal(head.xid, 77);
	assert_int_equal(head.n_changes, n);
	assert_int_equal(journal_read(reader, 0, &event, &head, &out, &err), 0);
	assert_int_equal(event, JOURNAL_TIMEOUT);
	journal_reader_close(reader);
	journal_close(journal);
	relation_unref(rel);
	relation_unref(other);
}

static void relation_versions(void **state)
{
	struct journal *journal = test_open();
	struct relation *a = test_relation(1, 1), *same = test_relation(1, 1), *wider = test_relation(1, 2), *again;
	struct err err;

	(void)state;
	assert_int_equal(journal_put_relation(journal, a, &err), 0);
	assert_int_equal(journal_put_relation(journal, same, &err), 0);
	assert_int_equal(same->version, a->version);
	assert_int_equal(journal_put_relation(journal, wider, &err), 0);
	assert_int_equal(wider->version, a->version + 1);
	assert_int_equal(journal_put_relation(journal, same, &err), 0);
	assert_int_equal(same->version, a->version + 2); /* back to the old shape: a new version */
	assert_int_equal(journal_sync(journal, &err), 0);
	journal_close(journal);
	journal = test_open();
	again = test_relation(1, 1);
	assert_int_equal(journal_put_relation(journal, again, &err), 0);
	assert_int_equal(again->version, same->version); /* remembered over a restart */
	assert_int_equal(journal_put_relation(journal, wider, &err), 0);
	assert_int_equal(wider->version, same->version + 1); /* never used before */
	journal_close(journal);
	relation_unref(a);
	relation_unref(same);
	relation_unref(wider);
	relation_unref(again);
}

static void many_transactions_over_segments(void **state)
{
	struct journal_opts opts = test_opts();
	struct journal *journal;
	struct relation *rel = test_relation(1, 3);
	struct journal_segment *segments;
	struct test_result result;
	struct err err;
	uint64_t sum = 0;
	size_t n;

	(void)state;
	opts.segment_bytes = 20000;
	journal = test_open_with(&opts);
	for (uint64_t lsn = 10; lsn <= 3000; lsn += 10) {
		assert_int_equal(test_write(journal, rel, lsn, 1 + lsn % 7, 300, &err), 0);
		if (lsn % 50 == 0)
			assert_int_equal(journal_sync(journal, &err), 0);
	}
	assert_int_equal(rel->version, 1); /* unchanged by the segments that repeat it */
	assert_int_equal(journal_sync(journal, &err), 0);
	assert_int_equal(test_read_all(journal, 0, 10, &result, &err), 0);
	assert_int_equal(result.transactions, 300);
	assert_int_equal(journal_segments(journal, &segments, &n, &err), 0);
	assert_true(n > 5);
	for (size_t i = 0; i < n; i++) {
		sum += segments[i].bytes;
		if (i)
			assert_int_equal(segments[i].after_lsn, segments[i - 1].last_lsn);
	}
	assert_int_equal(segments[n - 1].last_lsn, 3000);
	assert_int_equal(sum, journal_bytes(journal));
	mem_free(segments);
	journal_close(journal);
	journal = test_open_with(&opts);
	for (uint64_t after = 0; after <= 3000; after += 5) {
		assert_int_equal(test_read_all(journal, after, 10, &result, &err), 0);
		assert_int_equal(result.transactions, 300 - after / 10);
		if (result.transactions)
			assert_int_equal(result.first, after / 10 * 10 + 10);
	}
	assert_int_equal(journal_durable(journal).commit_lsn, 3000);
	journal_close(journal);
	relation_unref(rel);
}

static void one_transaction_over_many_blocks(void **state)
{
	struct journal *journal = test_open();
	struct relation *rel = test_relation(1, 1);
	struct test_result result;
	struct err err;

	(void)state;
	test_write_ok(journal, rel, 100, 3, 10);
	test_write_ok(journal, rel, 200, 20000, 200);
	test_write_ok(journal, rel, 300, 9, 3 << 20); /* rows larger than a block */
	assert_int_equal(test_read_all(journal, 0, 100, &result, &err), 0);
	assert_int_equal(result.changes, 20012);
	assert_int_equal(test_read_all(journal, 200, 100, &result, &err), 0);
	assert_int_equal(result.changes, 9);
	journal_close(journal);
	journal = test_open();
	assert_int_equal(test_read_all(journal, 0, 100, &result, &err), 0);
	assert_int_equal(result.changes, 20012);
	journal_close(journal);
	relation_unref(rel);
}

static void rollback_leaves_nothing(void **state)
{
	struct journal *journal = test_open();
	struct relation *rel = test_relation(1, 1), *late = test_relation(2, 1);
	static uint8_t bytes[1000];
	struct datum row[2] = { { (const uint8_t *)"1", 1, DATUM_TEXT }, { bytes, sizeof bytes, DATUM_BINARY } };
	struct change change = { .op = OP_INSERT, .row = row };
	struct test_result result;
	struct tx_head head = { .commit_lsn = 200 };
	struct err err;

	(void)state;
	test_write_ok(journal, rel, 100, 3, 10);
	for (int round = 0; round < 2; round++) { /* in the buffer only; and with blocks in the file */
		uint64_t before = journal_bytes(journal);

		assert_int_equal(journal_begin(journal, &head, &err), 0);
		change.rel = rel;
		assert_int_equal(journal_put_change(journal, &change, &err), 0);
		assert_int_equal(journal_put_relation(journal, late, &err),
		                 0); /* its record goes with the transaction */
		change.rel = late;
		for (int i = 0; i < (round ? 1000 : 3); i++)
			assert_int_equal(journal_put_change(journal, &change, &err), 0);
		assert_int_equal(journal_sync(journal, &err),
		                 0); /* in the middle: durable stays before the transaction */
		assert_int_equal(journal_durable(journal).commit_lsn, 100);
		assert_true(!round || journal_bytes(journal) > before + 500000);
		journal_rollback(journal);
		/* The second round stores the relation again, in front of the transaction. */
		assert_in_range(journal_bytes(journal), before, before + (round ? 200 : 0));
	}
	test_write_ok(journal, late, 200, 2, 10);
	assert_int_equal(test_read_all(journal, 0, 100, &result, &err), 0);
	assert_int_equal(result.transactions, 2);
	assert_int_equal(journal_begin(journal, &(struct tx_head){ .commit_lsn = 300 }, &err), 0);
	change.rel = late;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(journal_put_change(journal, &change, &err), 0);
	journal_close(journal); /* an open transaction is forgotten */
	journal = test_open();
	assert_int_equal(test_read_all(journal, 0, 100, &result, &err), 0);
	assert_int_equal(result.transactions, 2);
	assert_int_equal(journal_durable(journal).end_lsn, 201);
	journal_close(journal);
	relation_unref(rel);
	relation_unref(late);
}

static void empty_transactions_leave_no_trace(void **state)
{
	struct journal *journal = test_open();
	struct relation *rel = test_relation(1, 1);
	struct tx_head head = { .commit_lsn = 50, .end_lsn = 60 };
	struct test_result result;
	struct err err;
	uint64_t bytes = journal_bytes(journal);

	(void)state;
	assert_int_equal(journal_begin(journal, &head, &err), 0);
	assert_int_equal(journal_commit(journal, &head, &err), 0);
	assert_int_equal(journal_unsynced_bytes(journal), 0);
	assert_int_equal(journal_sync(journal, &err), 0);
	/* the durable end is what a start will find: 60 would be confirmed and then be missing */
	assert_int_equal(journal_durable(journal).end_lsn, 0);
	assert_int_equal(journal_bytes(journal), bytes);
	assert_int_equal(journal_begin(journal, &head, &err), 0); /* sent again after a reconnect */
	assert_int_equal(journal_commit(journal, &head, &err), 0);
	test_write_ok(journal, rel, 51, 1, 1);
	assert_int_equal(test_read_all(journal, 0, 1, &result, &err), 0);
	assert_int_equal(result.transactions, 1);
	journal_close(journal);
	relation_unref(rel);
}

static void wrong_order_of_calls_is_refused(void **state)
{
	struct journal *journal = test_open();
	struct relation *rel = test_relation(1, 1);
	struct change change = { .op = OP_TRUNCATE, .rel = rel };
	struct tx_head head = { .commit_lsn = 50 };
	struct err err;

	(void)state;
	assert_int_equal(journal_put_relation(journal, rel, &err), 0);
	assert_int_equal(journal_put_change(journal, &change, &err), ERR_BUG);
	assert_int_equal(journal_commit(journal, &head, &err), ERR_BUG);
	assert_int_equal(journal_begin(journal, &head, &err), 0);
	assert_int_equal(journal_begin(journal, &head, &err), ERR_BUG);
	assert_int_equal(journal_commit(journal, &(struct tx_head){ .commit_lsn = 51 }, &err), ERR_BUG);
	journal_close(journal);
	relation_unref(rel);
}

static void one_owner(void **state)
{
	struct journal *journal = test_open(), *second;
	struct journal_opts opts = test_opts();
	struct err err;
	char path[200];

	(void)state;
	assert_int_equal(journal_open(&second, &opts, &err), ERR_LOCKED);
	assert_null(second);
	assert_non_null(strstr(err.text, "pid "));
	opts.read_only = true;
	second = test_open_with(&opts);
	assert_string_equal(journal_identity(second).source, "bank");
	assert_int_equal(journal_sync(second, &err), ERR_BUG);
	journal_close(second);
	journal_close(journal);
	snprintf(path, sizeof path, "%s/LOCK", test_dir); /* a lock file of a dead process holds nobody up */
	assert_int_equal(env_write_file_atomic(path, "pid 1\n", 6, 0600), 0);
	journal_close(test_open());
	opts.dir = "/tmp/tarn-no-such-journal";
	assert_int_equal(journal_open(&second, &opts, &err), ERR_NOT_FOUND);
}

static void identity_is_compared(void **state)
{
	struct journal_opts opts = test_opts();
	struct journal *journal = test_open();
	struct relation *rel = test_relation(1, 1);
	struct test_result result;
	struct err err;

	(void)state;
	test_write_ok(journal, rel, 100, 1, 1);
	journal_close(journal);
	opts.identity.system_id++;
	assert_int_equal(journal_open(&journal, &opts, &err), ERR_IDENTITY);
	assert_non_null(strstr(err.text, "7000000000000000001"));
	assert_non_null(strstr(err.text, "7000000000000000002"));
	opts = test_opts();
	opts.identity.database_oid = 5;
	assert_int_equal(journal_open(&journal, &opts, &err), ERR_IDENTITY);
	opts = test_opts();
	strcpy(opts.identity.source, "shop");
	assert_int_equal(journal_open(&journal, &opts, &err), ERR_IDENTITY);
	opts = test_opts();
	opts.identity.timeline = 3; /* promoted */
	journal = test_open_with(&opts);
	test_write_ok(journal, rel, 200, 1, 1);
	assert_int_equal(journal_set_timeline(journal, 4, &err), 0);
	assert_int_equal(journal_set_timeline(journal, 2, &err), ERR_IDENTITY);
	test_write_ok(journal, rel, 300, 1, 1);
	assert_int_equal(test_read_all(journal, 0, 100, &result, &err), 0);
	assert_int_equal(result.transactions, 3);
	journal_close(journal);
	opts.identity.timeline = 3; /* the old primary came back */
	assert_int_equal(journal_open(&journal, &opts, &err), ERR_IDENTITY);
	assert_int_equal(journal_check(test_dir, &(struct journal_check){ 0 }, &err), 0);
	relation_unref(rel);
}

static void check_counts(void **state)
{
	struct journal *journal = test_open();
	struct relation *rel = test_relation(1, 1);
	struct journal_check check;
	struct err err;

	(void)state;
	for (uint64_t lsn = 10; lsn <= 100; lsn += 10)
		test_write_ok(journal, rel, lsn, 5, 20);
	assert_int_equal(journal_begin(journal, &(struct tx_head){ .commit_lsn = 200 }, &err), 0);
	assert_int_equal(journal_check(test_dir, &check, &err), 0); /* while it is open */
	assert_int_equal(check.segments, 1);
	assert_int_equal(check.transactions, 10);
	assert_int_equal(check.changes, 50);
	assert_int_equal(check.records, 31); /* a relation, ten times BEGIN CHANGES COMMIT */
	assert_int_equal(check.first_commit_lsn, 10);
	assert_int_equal(check.last_commit_lsn, 100);
	assert_int_equal(check.bytes, journal_bytes(journal));
	journal_close(journal);
	relation_unref(rel);
}

/* A checksum over nonsense: bytes behind a relation are no relation. */
static void relation_record_with_bytes_left_over(void **state)
{
	struct journal_opts opts = test_opts();
	struct relation *rel = test_relation(1, 1);
	struct journal *journal = test_open();
	struct journal_check check;
	struct wbuf record;
	struct err err;
	uint64_t size;
	char *path;
	size_t at;
	int fd;

	(void)state;
	journal_close(journal);
	path = test_last_segment(test_dir, &size);
	wbuf_init(&record, 0);
	at = journal_record_start(&record, RECORD_RELATION);
	wbuf_put_u32_le(&record, 1);
	relation_encode(rel, &record);
	wbuf_put_u8(&record, 0);
	journal_record_finish(&record, at, size);
	fd = env_open(path, O_WRONLY, 0);
	assert_int_equal(env_pwrite(fd, record.p, record.n, size), 0);
	env_close(fd);
	assert_int_equal(journal_check(test_dir, &check, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(journal_open(&journal, &opts, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.text, "left over"));
	wbuf_free(&record);
	mem_free(path);
	relation_unref(rel);
}

/* The end of a transaction belongs to its beginning and to the very records between: each of the three says so alone. */
static void end_of_another_transaction(void **state)
{
	uint8_t begin[BEGIN_BYTES] = { 0 }, end[COMMIT_BYTES] = { 0 };
	struct record first = { .kind = RECORD_BEGIN, .crc = 0x12345678, .n = BEGIN_BYTES, .payload = begin };
	struct record last = { .kind = RECORD_COMMIT, .n = COMMIT_BYTES, .payload = end };
	static const size_t fields[] = { 0, 24, 36 }; /* commit_lsn, xid, chain (journal/segment.h) */
	uint32_t chain = crc32c(0, &first.crc, 4);
	struct tx_state tx;

	(void)state;
	begin[0] = end[0] = 1;
	begin[16] = end[24] = 7;
	memcpy(end + 36, &chain, 4);
	tx = (struct tx_state){ 0 };
	assert_null(journal_tx_follow(&tx, &first));
	assert_null(journal_tx_follow(&tx, &last));
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		end[fields[i]] ^= 1;
		tx = (struct tx_state){ 0 };
		assert_null(journal_tx_follow(&tx, &first));
		assert_non_null(journal_tx_follow(&tx, &last));
		end[fields[i]] ^= 1;
	}
}

/* tests/data/journal was made by make_segment.py from the table in journal/segment.h alone. */
static void file_made_from_the_description(void **state)
{
	struct journal_opts opts = { .dir = "tests/data/journal", .read_only = true };
	struct journal *journal;
	struct journal_reader *reader;
	enum journal_event event;
	struct tx_head head;
	struct change change;
	struct err err;

	(void)state;
	if (journal_open(&journal, &opts, &err))
		fail_msg("%s", err.text);
	assert_string_equal(journal_identity(journal).source, "shop");
	assert_true(journal_identity(journal).system_id == UINT64_C(7312345678901234567));
	assert_int_equal(journal_identity(journal).timeline, 2);
	assert_int_equal(journal_first_commit_lsn(journal), 0x1000);
	assert_int_equal(journal_durable(journal).commit_lsn, 0x2000);
	assert_int_equal(journal_durable(journal).end_lsn, 0x2030);
	assert_int_equal(journal_reader_open(journal, 0xFFF, NULL, &reader, &err), ERR_GAP);
	assert_int_equal(journal_reader_open(journal, 0x1000, NULL, &reader, &err), 0);
	assert_int_equal(journal_read(reader, 0, &event, &head, &change, &err), 0);
	assert_int_equal(event, JOURNAL_BEGIN);
	assert_int_equal(head.xid, 731);
	assert_int_equal(journal_read(reader, 0, &event, &head, &change, &err), 0);
	assert_int_equal(event, JOURNAL_CHANGE);
	assert_int_equal(change.op, OP_INSERT);
	assert_string_equal(change.rel->name, "users");
	assert_int_equal(change.rel->version, 4);
	assert_int_equal(change.row[0].n, 2);
	assert_memory_equal(change.row[0].p, "42", 2);
	assert_int_equal(change.row[1].kind, DATUM_NULL);
	assert_int_equal(journal_read(reader, 0, &event, &head, &change, &err), 0);
	assert_int_equal(change.op, OP_DELETE);
	assert_memory_equal(change.old_key[0].p, "41", 2);
	assert_int_equal(journal_read(reader, 0, &event, &head, &change, &err), 0);
	assert_int_equal(event, JOURNAL_COMMIT);
	assert_int_equal(head.n_changes, 2);
	assert_int_equal(journal_read(reader, 0, &event, &head, &change, &err), 0);
	assert_int_equal(event, JOURNAL_TIMEOUT);
	journal_reader_close(reader);
	journal_close(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(empty_journal, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(all_operations_come_back, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(relation_versions, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(many_transactions_over_segments, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(one_transaction_over_many_blocks, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(rollback_leaves_nothing, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(empty_transactions_leave_no_trace, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(wrong_order_of_calls_is_refused, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(one_owner, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(identity_is_compared, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(check_counts, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(relation_record_with_bytes_left_over, test_setup, test_teardown),
		cmocka_unit_test(end_of_another_transaction),
		cmocka_unit_test(file_made_from_the_description),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
