/* tests/unit/journal/test_journal_fault.c — torn tails, flipped bits, full disks, failed syncs, lost pages, no memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "journal_support.h"

static void truncate_file(const char *path, uint64_t size)
{
	int fd = env_open(path, O_RDWR, 0);

	assert_true(fd >= 0);
	assert_int_equal(env_ftruncate(fd, size), 0);
	env_close(fd);
}

/* Opens a copy, reads, writes one more transaction, reads again. Answers the last LSN found at first. */
static uint64_t reopen_and_go_on(struct relation *rel)
{
	struct journal *journal = test_open();
	struct test_result result;
	struct err err = { 0 };
	uint64_t last;

	if (test_read_all(journal, 0, 10, &result, &err))
		fail_msg("%s", err.text);
	last = result.last;
	assert_int_equal(journal_durable(journal).commit_lsn, last);
	test_write_ok(journal, rel, last + 10, 2, 30);
	if (test_read_all(journal, 0, 10, &result, &err))
		fail_msg("%s", err.text);
	assert_int_equal(result.last, last + 10);
	journal_close(journal);
	return last;
}

static void torn_tail_at_every_byte(void **state)
{
	struct journal *journal = test_open();
	struct relation *rel = test_relation(1, 2), *late = test_relation(1, 1);
	char original[128], work[140], *path;
	uint64_t size, before = 0, after = 0;

	(void)state;
	strcpy(original, test_dir);
	for (uint64_t lsn = 10; lsn <= 50; lsn += 10) {
		if (lsn == 50)
			before = journal_bytes(journal);
		/* The last one brings another shape of the table: its relation record goes with it. */
		test_write_ok(journal, lsn == 50 ? late : rel, lsn, 3, 40);
	}
	after = journal_bytes(journal);
	snprintf(work, sizeof work, "%s-copy", original);
	for (uint64_t cut = before; cut <= after; cut++) {
		test_copy_dir(original, work);
		strcpy(test_dir, work);
		path = test_last_segment(work, &size);
		truncate_file(path, cut);
		mem_free(path);
		assert_int_equal(reopen_and_go_on(late), cut == after ? 50 : 40);
		strcpy(test_dir, original);
	}
	/* Garbage instead of the rest: zeros and old bytes. */
	for (uint64_t cut = before; cut < after; cut += 3) {
		int fd;
		char junk[64];

		memset(junk, cut % 2 ? 0 : (int)cut, sizeof junk);
		test_copy_dir(original, work);
		strcpy(test_dir, work);
		path = test_last_segment(work, &size);
		fd = env_open(path, O_RDWR, 0);
		assert_int_equal(env_pwrite(fd, junk, sizeof junk, cut), 0);
		env_close(fd);
		mem_free(path);
		assert_int_equal(reopen_and_go_on(late), 40);
		strcpy(test_dir, original);
	}
	journal_close(journal);
	env_remove_tree(work);
	relation_unref(rel);
	relation_unref(late);
}

/* A relation that came in the middle of an unfinished transaction goes with it, and the shape before is current again. */
static void unfinished_transaction_takes_its_relations(void **state)
{
	struct journal *journal = test_open(), *next;
	struct relation *rel = test_relation(1, 2), *wider = test_relation(1, 3), *again = test_relation(1, 2);
	static uint8_t bytes[200000];
	struct datum row[4] = { { (const uint8_t *)"1", 1, DATUM_TEXT },
		                { bytes, sizeof bytes, DATUM_BINARY },
		                { NULL, 0, DATUM_NULL },
		                { NULL, 0, DATUM_NULL } };
	struct change change = { .op = OP_INSERT, .rel = rel, .row = row };
	struct test_result result;
	char original[128], work[140];
	struct err err;

	(void)state;
	strcpy(original, test_dir);
	snprintf(work, sizeof work, "%s-copy", original);
	test_write_ok(journal, rel, 10, 3, 40);
	assert_int_equal(journal_begin(journal, &(struct tx_head){ .commit_lsn = 20 }, &err), 0);
	assert_int_equal(journal_put_change(journal, &change, &err), 0);
	assert_int_equal(journal_put_relation(journal, wider, &err), 0);
	change.rel = wider;
	for (int i = 0; i < 4; i++)
		assert_int_equal(journal_put_change(journal, &change, &err), 0);
	test_copy_dir(original, work); /* as a killed process leaves it */
	journal_close(journal);
	strcpy(test_dir, work);
	next = test_open();
	strcpy(test_dir, original);
	assert_int_equal(journal_put_relation(next, again, &err), 0);
	assert_int_equal(again->version, rel->version);
	test_write_ok(next, wider, 20, 3, 40);
	assert_int_equal(test_read_all(next, 0, 10, &result, &err), 0);
	assert_int_equal(result.transactions, 2);
	journal_close(next);
	assert_int_equal(env_remove_tree(work), 0);
	relation_unref(rel);
	relation_unref(wider);
	relation_unref(again);
}

/* Never a wrong record: the transactions before the place are read, then the tail is cut or the file is named. */
static void flipped_bits(void **state)
{
	struct journal_opts opts = test_opts();
	struct journal *journal, *writer;
	struct relation *rel = test_relation(1, 2);
	char original[128], work[140], path[256], **names;
	struct test_result result;
	struct journal_check check;
	struct err err;
	size_t n;
	unsigned seed = 42;
	int corrupt = 0, cut = 0;

	(void)state;
	strcpy(original, test_dir);
	opts.segment_bytes = 3000;
	writer = test_open_with(&opts);
	for (uint64_t lsn = 10; lsn <= 300; lsn += 10)
		test_write_ok(writer, rel, lsn, 3, 100);
	snprintf(work, sizeof work, "%s-copy", original);
	assert_int_equal(env_list_dir(original, &names, &n), 0);
	for (int round = 0; round < 600; round++) {
		struct env_stat st;
		uint64_t offset;
		uint8_t byte;
		int fd, rc;

		test_copy_dir(original, work);
		do
			snprintf(path, sizeof path, "%s/%s", work, names[(size_t)rand_r(&seed) % n]);
		while (!str_ends(str_of(path), ".seg"));
		assert_int_equal(env_stat(path, &st), 0);
		offset = (uint64_t)rand_r(&seed) % st.size;
		fd = env_open(path, O_RDWR, 0);
		assert_int_equal(env_pread(fd, &byte, 1, offset), 1);
		byte ^= (uint8_t)(1 << rand_r(&seed) % 8);
		assert_int_equal(env_pwrite(fd, &byte, 1, offset), 0);
		env_close(fd);

		rc = journal_check(work, &check, &err);
		if (rc)
			assert_non_null(strstr(err.text, path));
		opts.dir = work;
		opts.read_only = round % 2;
		rc = journal_open(&journal, &opts, &err);
		if (rc == 0) {
			rc = test_read_all(journal, 0, 10, &result, &err);
			journal_close(journal);
		}
		if (rc) {
			assert_true(rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED);
			assert_non_null(strstr(err.text, path));
			assert_true(rc == ERR_UNSUPPORTED || strstr(err.text, "offset"));
			corrupt++;
		} else {
			assert_true(result.last < 300); /* only the unproven tail may go */
			cut++;
		}
	}
	assert_true(corrupt > 400 && cut > 0);
	journal_close(writer);
	env_free_names(names, n);
	env_remove_tree(work);
	relation_unref(rel);
}

/* What was synced before a later transaction began is damage, not a torn tail. After a clean close that is all. */
static void damage_is_told_from_a_torn_tail(void **state)
{
	struct journal_opts opts = test_opts();
	struct journal *journal = test_open();
	struct relation *rel = test_relation(1, 1);
	struct err err;
	uint64_t size, place;
	char *path;
	int fd;

	(void)state;
	test_write_ok(journal, rel, 10, 3, 100);
	place = journal_bytes(journal);
	test_write_ok(journal, rel, 20, 3, 100);
	journal_close(journal);
	path = test_last_segment(test_dir, &size);
	fd = env_open(path, O_RDWR, 0);
	assert_int_equal(env_pwrite(fd, "\xAA\xAA", 2, place + 30),
	                 0); /* in the last transaction; a MARK is behind it */
	env_close(fd);
	assert_int_equal(journal_open(&journal, &opts, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.text, path));
	mem_free(path);
	relation_unref(rel);
}

static void a_missing_file_is_seen(void **state)
{
	struct journal_opts opts = test_opts();
	struct journal *journal;
	struct relation *rel = test_relation(1, 1);
	struct journal_segment *segments;
	struct err err;
	char path[256];
	size_t n;

	(void)state;
	opts.segment_bytes = 1000;
	journal = test_open_with(&opts);
	for (uint64_t lsn = 10; lsn <= 100; lsn += 10)
		test_write_ok(journal, rel, lsn, 3, 300);
	assert_int_equal(journal_segments(journal, &segments, &n, &err), 0);
	assert_true(n > 3);
	journal_close(journal);
	snprintf(path, sizeof path, "%s/%020llu.seg", test_dir, (unsigned long long)segments[1].position);
	assert_int_equal(env_unlink(path), 0);
	assert_int_equal(journal_open(&journal, &opts, &err), ERR_CORRUPT);
	assert_int_equal(journal_check(test_dir, &(struct journal_check){ 0 }, &err), ERR_CORRUPT);
	mem_free(segments);
	relation_unref(rel);
}

/* An empty folder, a relation no journal knows, and faults to be set: one round of a test that tries each call. */
static void start_anew(struct relation *rel)
{
	assert_int_equal(env_remove_tree(test_dir), 0);
	rel->version = 0;
	env_fault_install();
}

static struct tx_head head_of(uint64_t lsn) { return (struct tx_head){ .commit_lsn = lsn, .end_lsn = lsn + 1 }; }

static void limit_pushes_back_until_trimmed(void **state)
{
	struct journal_opts opts = test_opts();
	struct journal *journal;
	struct relation *rel = test_relation(1, 1);
	struct test_result result;
	struct tx_head head;
	struct err err;
	uint64_t lsn;
	int rc = 0;

	(void)state;
	opts.segment_bytes = 10000;
	opts.max_bytes = 50000;
	journal = test_open_with(&opts);
	for (lsn = 10; lsn < 10000; lsn += 10) {
		rc = test_write(journal, rel, lsn, 5, 300, &err);
		if (rc)
			break;
	}
	assert_int_equal(rc, ERR_LIMIT);
	assert_int_equal(journal_sync(journal, &err), 0);
	assert_in_range(journal_bytes(journal), 48000, 54000);
	head = head_of(lsn);
	assert_int_equal(journal_begin(journal, &head, &err), ERR_LIMIT);
	assert_false(journal_wait_space(journal, 1000));
	assert_int_equal(journal_trim(journal, 0, &err), 0); /* nothing applied: nothing goes */
	assert_int_equal(journal_begin(journal, &head, &err), ERR_LIMIT);
	assert_int_equal(test_read_all(journal, 0, 10, &result, &err), 0);
	assert_int_equal(result.last, lsn - 10);
	assert_int_equal(journal_trim(journal, lsn / 2, &err), 0);
	assert_true(journal_wait_space(journal, 1000));
	for (uint64_t end = lsn + 50; lsn < end; lsn += 10)
		test_write_ok(journal, rel, lsn, 5, 300);
	assert_int_equal(test_read_all(journal, journal_first_commit_lsn(journal), 10, &result, &err), 0);
	assert_int_equal(result.last, lsn - 10);
	journal_close(journal);
	relation_unref(rel);
}

/* A transaction larger than everything must neither stop for ever nor be split. */
static void transaction_larger_than_the_limit(void **state)
{
	struct journal_opts opts = test_opts();
	struct journal *journal;
	struct relation *rel = test_relation(1, 1);
	struct test_result result;
	static uint8_t bytes[50000];
	struct datum row[2] = { { (const uint8_t *)"1", 1, DATUM_TEXT }, { bytes, sizeof bytes, DATUM_BINARY } };
	struct change change = { .op = OP_INSERT, .rel = rel, .row = row };
	struct tx_head head = head_of(100);
	struct err err;
	int refused = 0;

	(void)state;
	opts.segment_bytes = 100000;
	opts.max_bytes = 600000;
	journal = test_open_with(&opts);
	for (uint64_t lsn = 10; lsn <= 30; lsn += 10)
		test_write_ok(journal, rel, lsn, 900, 300); /* more than a segment */
	assert_int_equal(journal_begin(journal, &head, &err), 0);
	for (int i = 0; i < 100; i++) {
		int rc = journal_put_change(journal, &change, &err);

		if (rc == ERR_LIMIT) {
			refused++;
			assert_int_equal(journal_trim(journal, 30, &err), 0); /* the apply side catches up */
			assert_true(journal_wait_space(journal, 1000));
			rc = journal_put_change(journal, &change, &err); /* the same call again */
		}
		assert_int_equal(rc, 0);
	}
	assert_int_equal(refused, 1);
	assert_int_equal(journal_commit(journal, &head, &err), 0);
	assert_int_equal(journal_sync(journal, &err), 0);
	assert_int_equal(test_read_all(journal, 100, 10, &result, &err), 0);
	head = head_of(110);
	assert_int_equal(journal_begin(journal, &head, &err),
	                 ERR_LIMIT); /* a new segment was made, so that the large one can go */
	assert_int_equal(journal_trim(journal, 100, &err), 0);
	assert_int_equal(journal_begin(journal, &head, &err), 0);
	journal_close(journal);
	relation_unref(rel);
}

static uint64_t bytes_in_files(void)
{
	char **names, path[256];
	struct env_stat st;
	uint64_t sum = 0;
	size_t n;

	assert_int_equal(env_list_dir(test_dir, &names, &n), 0);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], "LOCK") == 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", test_dir, names[i]);
		assert_int_equal(env_stat(path, &st), 0);
		sum += st.size;
	}
	env_free_names(names, n);
	return sum;
}

/* Writes transactions of many blocks; on a full disk waits and repeats the very same call. */
static void write_patiently(struct journal *journal, struct relation *rel, uint64_t lsn, int n_rows, int *waits)
{
	static uint8_t bytes[30000];
	struct datum row[2] = { { NULL, 0, DATUM_NULL }, { bytes, sizeof bytes, DATUM_BINARY } };
	struct change change = { .op = OP_INSERT, .rel = rel, .row = row };
	struct tx_head head = head_of(lsn);
	struct err err;
	int step = -1, rc;

	while (step <= n_rows + 1) {
		if (step == -1) {
			rc = journal_begin(journal, &head, &err);
		} else if (step < n_rows) {
			memset(bytes, step, sizeof bytes);
			rc = journal_put_change(journal, &change, &err);
		} else {
			rc = step == n_rows ? journal_commit(journal, &head, &err) : journal_sync(journal, &err);
		}
		if (rc == 0) {
			step++;
			continue;
		}
		assert_int_equal(rc, ERR_DISK_FULL);
		assert_non_null(strstr(err.text, test_dir));
		assert_int_equal(bytes_in_files(), journal_bytes(journal)); /* no half-written block stays */
		(*waits)++;
		journal_wait_space(journal, 1000);
	}
}

static void expect_rows(struct journal *journal, uint64_t after, int n_transactions, int n_rows)
{
	struct journal_reader *reader;
	enum journal_event event;
	struct tx_head head;
	struct change change;
	struct err err = { 0 };
	int found = 0;

	assert_int_equal(journal_reader_open(journal, after, NULL, &reader, &err), 0);
	for (;;) {
		if (journal_read(reader, 0, &event, &head, &change, &err))
			fail_msg("%s", err.text);
		if (event == JOURNAL_TIMEOUT)
			break;
		if (event == JOURNAL_CHANGE) {
			assert_int_equal(change.row[1].n, 30000);
			assert_int_equal(change.row[1].p[29999], change.ordinal & 255);
		}
		if (event == JOURNAL_COMMIT) {
			assert_int_equal(head.n_changes, n_rows);
			found++;
		}
	}
	assert_int_equal(found, n_transactions);
	journal_reader_close(reader);
}

static void full_disk_is_waited_for(void **state)
{
	struct relation *rel = test_relation(1, 1);
	struct journal_opts opts = test_opts();

	(void)state;
	opts.segment_bytes = 400000;
	for (uint64_t nth = 1; nth <= 6; nth++) {
		static const enum env_call calls[] = { ENV_PWRITE, ENV_RENAME };
		struct journal *journal;
		struct err err;
		int waits = 0;

		start_anew(rel);
		journal = test_open_with(&opts);
		assert_int_equal(journal_put_relation(journal, rel, &err), 0);
		env_fault_tear(nth % 3 ? 1000 : 0); /* some bytes of the block get in */
		env_fault_fail(calls[nth % 2], nth / 2 + 1, nth % 4 < 2 ? ENOSPC : EDQUOT);
		for (uint64_t lsn = 10; lsn <= 50; lsn += 10)
			write_patiently(journal, rel, lsn, 30, &waits);
		assert_true(env_fault_fired(calls[nth % 2]));
		assert_true(waits > 0);
		expect_rows(journal, 0, 5, 30);
		journal_close(journal);
		env_fault_remove();
		journal = test_open_with(&opts);
		expect_rows(journal, 0, 5, 30);
		journal_close(journal);
	}
	relation_unref(rel);
}

static void failed_sync_is_final(void **state)
{
	struct journal_opts opts = test_opts();
	struct journal *journal;
	struct relation *rel = test_relation(1, 1);
	struct test_result result;
	struct err err;

	(void)state;
	env_fault_install();
	journal = test_open_with(&opts);
	test_write_ok(journal, rel, 10, 3, 30);
	assert_int_equal(test_write(journal, rel, 20, 3, 30, &err), 0);
	env_fault_fail(ENV_SYNC, 1, EIO); /* the kernel forgets: the next call would succeed */
	assert_int_equal(journal_sync(journal, &err), ERR_IO);
	assert_int_equal(err.os_errno, EIO);
	assert_int_equal(journal_durable(journal).commit_lsn, 10);
	assert_int_equal(journal_sync(journal, &err), ERR_IO);
	assert_int_equal(test_write(journal, rel, 30, 3, 30, &err), ERR_IO);
	assert_int_equal(test_read_all(journal, 0, 10, &result, &err), 0); /* what was durable can still be read */
	assert_int_equal(result.last, 10);
	journal_close(journal);
	journal = test_open_with(&opts);
	assert_int_equal(journal_durable(journal).commit_lsn, 10); /* never what was not synced */
	test_write_ok(journal, rel, 20, 3, 30);
	assert_int_equal(test_write(journal, rel, 30, 3, 30, &err), 0);
	env_fault_fail(ENV_SYNC, 1, ENOSPC); /* final too: the pages are gone */
	assert_int_equal(journal_sync(journal, &err), ERR_IO);
	journal_close(journal);
	env_fault_remove();
	relation_unref(rel);
}

static void failed_write_is_final(void **state)
{
	struct journal *journal;
	struct journal_opts opts = test_opts();
	struct relation *rel = test_relation(1, 1);
	struct err err;

	(void)state;
	env_fault_install();
	journal = test_open_with(&opts);
	test_write_ok(journal, rel, 10, 3, 30);
	assert_int_equal(test_write(journal, rel, 20, 3, 30, &err), 0);
	env_fault_fail(ENV_PWRITE, 1, EIO);
	assert_int_equal(journal_sync(journal, &err), ERR_IO);
	assert_int_equal(journal_sync(journal, &err), ERR_IO);
	journal_close(journal);
	env_fault_remove();
	journal = test_open();
	assert_int_equal(journal_durable(journal).commit_lsn, 10);
	journal_close(journal);
	relation_unref(rel);
}

/* A machine that stops keeps what was synced; the process died without closing (the copy is taken while it is open). */
static void lost_pages(void **state)
{
	struct journal_opts opts = test_opts();
	struct journal *journal;
	struct relation *rel = test_relation(1, 1);
	struct test_result result;
	struct err err;

	(void)state;
	opts.segment_bytes = 2000;
	for (int sync_every = 1; sync_every <= 5; sync_every++) {
		uint64_t durable;

		start_anew(rel);
		env_fault_track(true);
		journal = test_open_with(&opts);
		for (int i = 1; i <= 23; i++) {
			assert_int_equal(test_write(journal, rel, (uint64_t)i * 10, 3, 200, &err), 0);
			if (i % sync_every == 0)
				assert_int_equal(journal_sync(journal, &err), 0);
		}
		durable = journal_durable(journal).commit_lsn;
		/* From here on nothing reaches the disk any more. */
		env_fault_fail_from(ENV_SYNC, 1, EIO);
		env_fault_fail_from(ENV_FTRUNCATE, 1, EIO);
		journal_close(journal);
		env_fault_lose();
		env_fault_remove();
		journal = test_open_with(&opts);
		assert_int_equal(test_read_all(journal, 0, 10, &result, &err), 0);
		assert_int_equal(result.last, durable);
		journal_close(journal);
	}
	relation_unref(rel);
}

/* The process dies after its write and before its sync: what the next one finds and reports must be durable by then. */
static void found_is_made_durable(void **state)
{
	struct journal_opts opts = test_opts();
	struct journal *journal;
	struct relation *rel = test_relation(1, 1);
	struct err err;
	int waits = 0;

	(void)state;
	env_fault_install();
	env_fault_track(true);
	journal = test_open_with(&opts);
	assert_int_equal(journal_put_relation(journal, rel, &err), 0);
	write_patiently(journal, rel, 10, 3, &waits);
	assert_int_equal(test_write(journal, rel, 20, 2000, 300, &err), 0);
	env_fault_fail_from(ENV_SYNC, 1, EIO);
	env_fault_fail_from(ENV_FTRUNCATE, 1, EIO);
	journal_close(journal);
	env_fault_fail_from(ENV_SYNC, 0, 0);
	env_fault_fail_from(ENV_FTRUNCATE, 0, 0);
	journal = test_open_with(&opts);
	assert_int_equal(journal_durable(journal).commit_lsn, 20);
	env_fault_fail_from(ENV_SYNC, 1, EIO);
	journal_close(journal);
	env_fault_lose();
	env_fault_remove();
	journal = test_open();
	assert_int_equal(journal_durable(journal).commit_lsn, 20);
	journal_close(journal);
	relation_unref(rel);
}

/* A rollback after a failed sync must not make the file longer again: what was cut is given up. */
static void rollback_after_a_failed_sync_leaves_the_cut(void **state)
{
	static uint8_t bytes[30000];
	struct datum row[2] = { { NULL, 0, DATUM_NULL }, { bytes, sizeof bytes, DATUM_BINARY } };
	struct relation *rel = test_relation(1, 1);
	struct change change = { .op = OP_INSERT, .rel = rel, .row = row };
	struct tx_head head = head_of(30);
	struct journal *journal;
	struct err err;
	uint64_t durable;

	(void)state;
	env_fault_install();
	journal = test_open();
	test_write_ok(journal, rel, 10, 3, 30);
	durable = bytes_in_files();
	assert_int_equal(test_write(journal, rel, 20, 3, 30, &err), 0);
	assert_int_equal(journal_begin(journal, &head, &err), 0);
	for (int i = 0; i < 30; i++) /* more than a block: it has reached the file */
		assert_int_equal(journal_put_change(journal, &change, &err), 0);
	assert_true(bytes_in_files() > durable + 300000);
	env_fault_fail(ENV_SYNC, 1, EIO);
	assert_int_equal(journal_sync(journal, &err), ERR_IO);
	assert_int_equal(bytes_in_files(), durable);
	journal_rollback(journal);
	assert_int_equal(bytes_in_files(), durable);
	journal_close(journal);
	env_fault_remove();
	journal = test_open();
	assert_int_equal(journal_durable(journal).commit_lsn, 10);
	journal_close(journal);
	relation_unref(rel);
}

static ino_t journal_folder;
static int n_folder_syncs;

static int count_folder_syncs(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_ino == journal_folder)
		n_folder_syncs++;
	return env_os.fdatasync(fd);
}

/* A process may die between making a segment's file and syncing the folder: the next one, which promises what it finds, syncs its name too. */
static void names_found_are_made_durable(void **state)
{
	struct relation *rel = test_relation(1, 1);
	struct journal *journal = test_open();
	struct env_ops counting = env_os;
	struct stat st;

	(void)state;
	test_write_ok(journal, rel, 10, 3, 30);
	journal_close(journal);
	assert_int_equal(stat(test_dir, &st), 0);
	journal_folder = st.st_ino;
	n_folder_syncs = 0;
	counting.fdatasync = count_folder_syncs;
	env_install(&counting);
	journal = test_open();
	assert_int_equal(n_folder_syncs, 1);
	journal_close(journal);
	env_install(NULL);
	relation_unref(rel);
}

static int whole_life(struct relation *rel, struct err *err, uint64_t *durable)
{
	struct journal_opts opts = test_opts();
	struct test_result result;
	struct journal *journal;
	int rc;

	*durable = 0;
	opts.segment_bytes = 1500;
	rc = journal_open(&journal, &opts, err);
	if (rc)
		return rc;
	for (uint64_t lsn = 10; rc == 0 && lsn <= 100; lsn += 10) {
		rc = test_write(journal, rel, lsn, 3, 200, err);
		if (rc == 0)
			rc = journal_sync(journal, err);
	}
	*durable = journal_durable(journal).commit_lsn;
	if (rc == 0)
		rc = test_read_all(journal, 0, 10, &result, err);
	if (rc == 0)
		rc = journal_trim(journal, 0, err);
	journal_close(journal);
	return rc;
}

static void each_allocation_fails_once(void **state)
{
	struct relation *rel = test_relation(1, 2);
	struct err err;
	bool fired;

	(void)state;
	for (uint64_t n = 1;; n++) {
		uint64_t durable;
		int rc;

		start_anew(rel);
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		rc = whole_life(rel, &err, &durable);
		fired = env_fault_fired(ENV_ALLOC);
		env_fault_remove();
		if (rc)
			assert_int_equal(rc, ERR_NOMEM);
		if (durable)
			assert_true(reopen_and_go_on(rel) >= durable);
		if (!fired)
			break;
	}
	relation_unref(rel);
}

static void each_call_fails_once(void **state)
{
	static const enum env_call calls[] = { ENV_OPEN,   ENV_PREAD, ENV_PWRITE, ENV_SYNC,
		                               ENV_RENAME, ENV_STAT,  ENV_MKDIR,  ENV_FTRUNCATE };
	struct relation *rel = test_relation(1, 2);
	struct err err;
	bool fired;

	(void)state;
	for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
		for (uint64_t n = 1;; n++) {
			uint64_t durable;
			int rc;

			start_anew(rel);
			env_fault_tear(n * 7 % 100);
			env_fault_fail(calls[c], n, EIO);
			rc = whole_life(rel, &err, &durable);
			fired = env_fault_fired(calls[c]);
			env_fault_remove();
			if (rc)
				assert_int_equal(rc, ERR_IO);
			if (durable)
				assert_true(reopen_and_go_on(rel) >= durable);
			if (!fired)
				break;
		}
	}
	relation_unref(rel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(torn_tail_at_every_byte, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(flipped_bits, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(unfinished_transaction_takes_its_relations, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(damage_is_told_from_a_torn_tail, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(a_missing_file_is_seen, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(limit_pushes_back_until_trimmed, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(transaction_larger_than_the_limit, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(full_disk_is_waited_for, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(failed_sync_is_final, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(failed_write_is_final, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(lost_pages, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(found_is_made_durable, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(rollback_after_a_failed_sync_leaves_the_cut, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(names_found_are_made_durable, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(each_allocation_fails_once, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(each_call_fails_once, test_setup, test_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
