/* tests/unit/journal/journal_support.c — what the tests of the journal share. */
#include "journal_support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

char test_dir[128];

int test_setup(void **state)
{
	(void)state;
	strcpy(test_dir, "/tmp/tarn-test-journal-XXXXXX");
	if (!mkdtemp(test_dir))
		return -1;
	strcat(test_dir, "/j");
	return 0;
}

int test_teardown(void **state)
{
	(void)state;
	env_install(NULL);
	*strrchr(test_dir, '/') = '\0';
	return env_remove_tree(test_dir);
}

struct journal_opts test_opts(void)
{
	return (struct journal_opts){ .dir = test_dir,
		                      .segment_bytes = 64 << 20,
		                      .max_bytes = (uint64_t)1 << 40,
		                      .identity = { .source = "bank",
		                                    .system_id = UINT64_C(7000000000000000001),
		                                    .timeline = 1,
		                                    .database_oid = 16384 } };
}

struct journal *test_open_with(const struct journal_opts *opts)
{
	struct journal *journal;
	struct err err = { 0 };

	if (journal_open(&journal, opts, &err))
		fail_msg("%s", err.text);
	return journal;
}

struct journal *test_open(void)
{
	struct journal_opts opts = test_opts();

	return test_open_with(&opts);
}

struct relation *test_relation(uint32_t id, int n_text_columns)
{
	char name[32];
	struct relation *rel;

	snprintf(name, sizeof name, "table_%u", id);
	rel = relation_new(id, STR_LIT("public"), str_of(name), (uint16_t)(1 + n_text_columns));
	if (!rel)
		return NULL;
	for (int i = 0; i <= n_text_columns; i++) {
		struct type type = { .kind = i ? TYPE_STRING : TYPE_INT64 };

		snprintf(name, sizeof name, "c%d", i);
		if (relation_set_column(rel, (uint16_t)i, str_of(name), type, i ? 25 : 20, -1,
		                        str_of(i ? "text" : "bigint"), i == 0, i == 0)) {
			relation_unref(rel);
			return NULL;
		}
	}
	if (relation_seal(rel)) {
		relation_unref(rel);
		return NULL;
	}
	return rel;
}

/* Column 0: the number; column 1: bytes made from both; others: null, unchanged, empty, one byte in turn. */
static void make_row(const struct relation *rel, uint64_t lsn, uint64_t ordinal, size_t row_bytes, struct datum *row,
                     char number[24], uint8_t *bytes)
{
	size_t n = (size_t)((lsn * 31 + ordinal * 7) % (row_bytes + 1));

	row[0] = (struct datum){ (uint8_t *)number, (uint32_t)snprintf(number, 24, "%llu", (unsigned long long)ordinal),
		                 DATUM_TEXT };
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(lsn + ordinal * 3 + i);
	for (uint16_t i = 1; i < rel->n_columns; i++) {
		switch ((i + ordinal) % 4) {
		case 0: row[i] = (struct datum){ NULL, 0, DATUM_NULL }; break;
		case 1: row[i] = (struct datum){ NULL, 0, DATUM_UNCHANGED }; break;
		case 2: row[i] = (struct datum){ (const uint8_t *)"x", 1, DATUM_TEXT }; break;
		default: row[i] = (struct datum){ (const uint8_t *)"", 0, DATUM_BINARY }; break;
		}
		if (i == 1)
			row[i] = (struct datum){ bytes, (uint32_t)n, DATUM_BINARY };
	}
}

int test_write(struct journal *journal, struct relation *rel, uint64_t lsn, uint32_t n, size_t row_bytes,
               struct err *err)
{
	struct tx_head head = { .commit_lsn = lsn, .commit_ts_us = (int64_t)lsn * 1000, .xid = (uint32_t)lsn + 5 };
	static uint8_t bytes[4 << 20];
	struct datum row[16];
	char number[24];
	int rc;

	rc = journal_put_relation(journal, rel, err);
	if (rc == 0)
		rc = journal_begin(journal, &head, err);
	/* The row size goes into the data itself: the reader knows it from the LSN's low byte only in test_read_all, so it is the first row. */
	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		struct change change = { .op = OP_INSERT, .rel = rel, .row = row };

		make_row(rel, lsn, i, row_bytes, row, number, bytes);
		if (i == 0)
			row[0].n = (uint32_t)snprintf(number, sizeof number, "%zu", row_bytes);
		rc = journal_put_change(journal, &change, err);
	}
	head.end_lsn = lsn + 1;
	if (rc == 0)
		rc = journal_commit(journal, &head, err);
	if (rc)
		journal_rollback(journal);
	return rc;
}

void test_write_ok(struct journal *journal, struct relation *rel, uint64_t lsn, uint32_t n, size_t row_bytes)
{
	struct err err = { 0 };

	if (test_write(journal, rel, lsn, n, row_bytes, &err) || journal_sync(journal, &err))
		fail_msg("%s", err.text);
}

static void same_datum(const struct datum *a, const struct datum *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->n, b->n);
	if (a->n)
		assert_memory_equal(a->p, b->p, a->n);
}

static void check_change(const struct change *change, uint64_t lsn, uint64_t ordinal, size_t *row_bytes)
{
	static uint8_t bytes[4 << 20];
	struct datum row[16];
	char number[24], text[24];

	assert_int_equal(change->op, OP_INSERT);
	assert_int_equal(change->ordinal, ordinal);
	assert_null(change->old_key);
	if (ordinal == 0) {
		str_copy(text, sizeof text, str_view(change->row[0].p, change->row[0].n));
		*row_bytes = strtoul(text, NULL, 10);
	}
	make_row(change->rel, lsn, ordinal, *row_bytes, row, number, bytes);
	for (uint16_t i = ordinal == 0; i < change->rel->n_columns; i++)
		same_datum(&change->row[i], &row[i]);
}

int test_read_all(struct journal *journal, uint64_t after_lsn, uint64_t step, struct test_result *out, struct err *err)
{
	struct journal_reader *reader;
	enum journal_event event;
	struct tx_head head = { 0 };
	struct change change;
	uint64_t ordinal = 0, begun = 0;
	size_t row_bytes = 0;
	int rc = journal_reader_open(journal, after_lsn, NULL, &reader, err);

	*out = (struct test_result){ 0 };
	while (rc == 0) {
		rc = journal_read(reader, 0, &event, &head, &change, err);
		if (rc || event == JOURNAL_TIMEOUT)
			break;
		switch (event) {
		case JOURNAL_BEGIN:
			assert_int_equal(begun, 0);
			begun = head.commit_lsn;
			assert_int_equal(head.end_lsn, 0);
			assert_true(begun > after_lsn);
			if (out->last)
				assert_int_equal(begun, out->last + step);
			ordinal = 0;
			break;
		case JOURNAL_CHANGE:
			assert_int_not_equal(begun, 0);
			check_change(&change, begun, ordinal++, &row_bytes);
			out->changes++;
			break;
		case JOURNAL_COMMIT:
			assert_int_equal(head.commit_lsn, begun);
			assert_int_equal(head.end_lsn, begun + 1);
			assert_int_equal(head.commit_ts_us, begun * 1000);
			assert_int_equal(head.xid, (uint32_t)begun + 5);
			assert_int_equal(head.n_changes, ordinal);
			out->last = begun;
			if (!out->first)
				out->first = begun;
			out->transactions++;
			begun = 0;
			break;
		default: fail();
		}
	}
	if (rc == 0)
		assert_int_equal(begun, 0); /* never half a transaction */
	journal_reader_close(reader);
	return rc;
}

void test_copy_dir(const char *from, const char *to)
{
	char **names, path[512], *text;
	size_t n, size;

	assert_int_equal(env_remove_tree(to), 0);
	assert_int_equal(env_mkdir(to, 0700), 0);
	assert_int_equal(env_list_dir(from, &names, &n), 0);
	for (size_t i = 0; i < n; i++) {
		int fd;

		snprintf(path, sizeof path, "%s/%s", from, names[i]);
		assert_int_equal(env_read_file(path, 1 << 30, &text, &size), 0);
		snprintf(path, sizeof path, "%s/%s", to, names[i]);
		fd = env_open(path, O_WRONLY | O_CREAT, 0600);
		assert_true(fd >= 0);
		assert_int_equal(env_pwrite(fd, text, size, 0), 0);
		env_close(fd);
		mem_free(text);
	}
	env_free_names(names, n);
}

char *test_last_segment(const char *dir, uint64_t *size)
{
	char **names, *path;
	struct env_stat st;
	size_t n, len = strlen(dir) + 64;

	assert_int_equal(env_list_dir(dir, &names, &n), 0);
	while (n && !str_ends(str_of(names[n - 1]), ".seg"))
		mem_free(names[--n]);
	assert_true(n > 0);
	path = mem_alloc(len);
	snprintf(path, len, "%s/%s", dir, names[n - 1]);
	env_free_names(names, n);
	assert_int_equal(env_stat(path, &st), 0);
	*size = st.size;
	return path;
}
