/* tests/unit/journal/test_journal_reader.c — readers beside a writer: waiting, trimming, stopping, the read-only view of another process. */
#include <fcntl.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/thread.h"
#include "journal_support.h"

#define LAST_LSN 4000

static struct journal *journal;
static uint64_t applied; /* atomic */

static void read_until_last(void *arg)
{
	struct journal_reader *reader;
	enum journal_event event;
	struct tx_head head;
	struct change change;
	struct err err = { 0 };
	uint64_t last = 0;

	(void)arg;
	assert_int_equal(journal_reader_open(journal, 0, NULL, &reader, &err), 0);
	while (last < LAST_LSN) {
		if (journal_read(reader, 10000000, &event, &head, &change, &err))
			fail_msg("%s", err.text);
		assert_int_not_equal(event, JOURNAL_TIMEOUT);
		if (event == JOURNAL_BEGIN)
			assert_int_equal(head.commit_lsn, last + 10);
		if (event == JOURNAL_COMMIT) {
			last = head.commit_lsn;
			__atomic_store_n(&applied, last, __ATOMIC_RELEASE);
			if (last % 100 == 0)
				assert_int_equal(journal_trim(journal, last, &err), 0);
		}
	}
	journal_reader_close(reader);
}

/* Writer, reader and trimming at the same time, with a limit that makes the writer wait for the reader. */
static void reader_follows_writer(void **state)
{
	struct journal_opts opts = test_opts();
	struct relation *rel = test_relation(1, 2);
	struct thread *thread;
	struct err err = { 0 };

	(void)state;
	opts.segment_bytes = 8000;
	opts.max_bytes = 40000;
	applied = 0;
	journal = test_open_with(&opts);
	assert_int_equal(thread_start(&thread, "reader", read_until_last, NULL, &err), 0);
	for (uint64_t lsn = 10; lsn <= LAST_LSN;) {
		int rc = test_write(journal, rel, lsn, 4, 300, &err);

		if (rc == 0) {
			rc = journal_sync(journal, &err);
			lsn += 10;
		} else if (rc == ERR_LIMIT) {
			assert_true(journal_wait_space(journal, 10000000));
			rc = 0;
		}
		if (rc)
			fail_msg("%s", err.text);
	}
	thread_join(thread);
	assert_int_equal(applied, LAST_LSN);
	assert_true(journal_bytes(journal) < 40000);
	journal_close(journal);
	relation_unref(rel);
}

static void read_until_closed(void *arg)
{
	struct journal_reader *reader = arg;
	enum journal_event event;
	struct tx_head head;
	struct change change;
	struct err err;

	do
		assert_int_equal(journal_read(reader, -1, &event, &head, &change, &err), 0);
	while (event != JOURNAL_CLOSED);
}

static void stopping_wakes_readers(void **state)
{
	struct journal_reader *reader;
	struct thread *thread;
	struct err err;

	(void)state;
	journal = test_open();
	assert_int_equal(journal_reader_open(journal, 0, NULL, &reader, &err), 0);
	assert_int_equal(thread_start(&thread, "reader", read_until_closed, reader, &err), 0);
	env_sleep_us(20000);
	journal_stop_readers(journal);
	thread_join(thread);
	journal_reader_close(reader);
	journal_close(journal);
}

static void trimmed_is_a_gap(void **state)
{
	struct journal_opts opts = test_opts();
	struct relation *rel = test_relation(1, 1);
	struct journal_reader *slow, *reader;
	struct test_result result;
	enum journal_event event;
	struct tx_head head;
	struct change change;
	struct err err;
	uint64_t first;
	int rc;

	(void)state;
	opts.segment_bytes = 2000;
	journal = test_open_with(&opts);
	for (uint64_t lsn = 10; lsn <= 500; lsn += 10)
		test_write_ok(journal, rel, lsn, 2, 300);
	assert_int_equal(journal_reader_open(journal, 0, NULL, &slow, &err), 0);
	assert_int_equal(journal_trim(journal, 255, &err), 0);
	first = journal_first_commit_lsn(journal);
	assert_in_range(first, 200, 250);
	assert_int_equal(test_read_all(journal, first, 10, &result, &err), 0);
	assert_int_equal(result.first, first + 10);
	assert_int_equal(result.last, 500);
	assert_int_equal(journal_reader_open(journal, first - 1, NULL, &reader, &err), ERR_GAP);
	assert_non_null(strstr(err.text, test_dir));
	while ((rc = journal_read(slow, 0, &event, &head, &change, &err)) == 0)
		assert_int_not_equal(event, JOURNAL_TIMEOUT);
	assert_int_equal(rc, ERR_GAP);
	journal_reader_close(slow);
	assert_int_equal(journal_trim(journal, UINT64_MAX, &err), 0);
	assert_int_equal(test_read_all(journal, 490, 10, &result, &err), 0); /* the last segment stays */
	assert_int_equal(result.last, 500);
	journal_close(journal);
	journal = test_open_with(&opts);
	test_write_ok(journal, rel, 510, 1, 1);
	assert_int_equal(rel->version, 1); /* the relation outlived the segment it came in */
	assert_int_equal(test_read_all(journal, 490, 10, &result, &err), 0);
	assert_int_equal(result.last, 510);
	journal_close(journal);
	relation_unref(rel);
}

static void others_see_whole_transactions_only(void **state)
{
	struct journal_opts opts = test_opts();
	struct relation *rel = test_relation(1, 1);
	static uint8_t bytes[100000];
	struct datum row[2] = { { (const uint8_t *)"1", 1, DATUM_TEXT }, { bytes, sizeof bytes, DATUM_BINARY } };
	struct change change = { .op = OP_INSERT, .rel = rel, .row = row };
	struct journal *other;
	struct journal_check check;
	struct test_result result;
	struct err err;

	(void)state;
	journal = test_open();
	test_write_ok(journal, rel, 10, 2, 30);
	test_write_ok(journal, rel, 20, 2, 30);
	assert_int_equal(journal_begin(journal, &(struct tx_head){ .commit_lsn = 30 }, &err), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(journal_put_change(journal, &change, &err), 0);
	opts.read_only = true;
	other = test_open_with(&opts);
	assert_int_equal(test_read_all(other, 0, 10, &result, &err), 0);
	assert_int_equal(result.last, 20);
	journal_close(other);
	assert_int_equal(journal_check(test_dir, &check, &err), 0);
	assert_int_equal(check.transactions, 2);
	journal_rollback(journal);
	test_write_ok(journal, rel, 30, 2, 30); /* nothing was cut by the look */
	assert_int_equal(test_read_all(journal, 0, 10, &result, &err), 0);
	assert_int_equal(result.last, 30);
	journal_close(journal);
	relation_unref(rel);
}

static int refuse(struct relation *rel, struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED, "table %s is not for us", rel->name);
}

static void bind_may_refuse(void **state)
{
	struct relation *rel = test_relation(7, 1);
	struct journal_reader *reader;
	enum journal_event event;
	struct tx_head head;
	struct change change;
	struct err err;

	(void)state;
	journal = test_open();
	test_write_ok(journal, rel, 10, 2, 30);
	assert_int_equal(journal_reader_open(journal, 0, refuse, &reader, &err), 0);
	assert_int_equal(journal_read(reader, 0, &event, &head, &change, &err), ERR_UNSUPPORTED);
	assert_string_equal(err.text, "table table_7 is not for us");
	journal_reader_close(reader);
	journal_close(journal);
	relation_unref(rel);
}

static void read_one(struct journal_reader *reader, uint64_t lsn)
{
	enum journal_event event = JOURNAL_TIMEOUT;
	struct tx_head head = { 0 };
	struct change change;
	struct err err = { 0 };

	while (event != JOURNAL_COMMIT) {
		if (journal_read(reader, 0, &event, &head, &change, &err))
			fail_msg("%s", err.text);
		assert_int_not_equal(event, JOURNAL_TIMEOUT);
	}
	assert_int_equal(head.commit_lsn, lsn);
}

/* A reader that has given out all that was trimmed goes on behind it, over a segment without transactions as well. */
static void trimmed_behind_the_reader(void **state)
{
	struct relation *rel = test_relation(1, 1);
	struct tx_head head = { .commit_lsn = 15 };
	struct journal_segment *segments;
	struct journal_reader *reader;
	struct err err;
	size_t n;

	(void)state;
	journal = test_open();
	assert_int_equal(journal_set_timeline(journal, 1, &err), 0); /* as it is: no reason for a segment */
	test_write_ok(journal, rel, 10, 3, 30);
	assert_int_equal(journal_reader_open(journal, 0, NULL, &reader, &err), 0);
	read_one(reader, 10);
	assert_int_equal(journal_set_timeline(journal, 2, &err), 0);
	assert_int_equal(journal_begin(journal, &head, &err), 0);
	assert_int_equal(journal_commit(journal, &head, &err), 0); /* empty */
	assert_int_equal(journal_set_timeline(journal, 3, &err), 0);
	test_write_ok(journal, rel, 20, 3, 30);
	assert_int_equal(journal_segments(journal, &segments, &n, &err), 0);
	assert_int_equal(n, 3);
	mem_free(segments);
	assert_int_equal(journal_trim(journal, 10, &err), 0);
	assert_int_equal(journal_first_commit_lsn(journal), 10);
	read_one(reader, 20);
	journal_reader_close(reader);
	journal_close(journal);
	relation_unref(rel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reader_follows_writer, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(stopping_wakes_readers, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(trimmed_is_a_gap, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(others_see_whole_transactions_only, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(trimmed_behind_the_reader, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(bind_may_refuse, test_setup, test_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
