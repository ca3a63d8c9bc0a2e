/* tests/unit/journal/journal_support.h — what the tests of the journal share: a folder, a table, transactions that can be recomputed.
 *
 * Row `ordinal` of transaction `lsn` always has the same content, so that a reader's result is compared with what must have been written. */
#ifndef TARN_TESTS_JOURNAL_SUPPORT_H
#define TARN_TESTS_JOURNAL_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/env_fault.h"
#include "journal/journal.h"

extern char test_dir[128]; /* the journal's folder */
int test_setup(void **state);
int test_teardown(void **state);

struct journal_opts test_opts(void); /* identity bank / 7000000000000000001 / 1 / 16384, large limits */
struct journal *test_open_with(const struct journal_opts *opts); /* fails the test on error */
struct journal *test_open(void);                                 /* with test_opts */
struct relation *test_relation(uint32_t id, int n_text_columns);

/* Writes one transaction of n inserts with rows of about row_bytes; the whole sequence may be repeated by the caller on error. */
int test_write(struct journal *journal, struct relation *rel, uint64_t lsn, uint32_t n, size_t row_bytes,
               struct err *err);
void test_write_ok(struct journal *journal, struct relation *rel, uint64_t lsn, uint32_t n,
                   size_t row_bytes); /* and sync */

/* Reads everything behind after_lsn that is there now and compares every byte of every row. Answers the code; *last: of the last whole
 * transaction; lsns must follow by `step`. */
struct test_result {
	uint64_t first, last, transactions, changes;
};
int test_read_all(struct journal *journal, uint64_t after_lsn, uint64_t step, struct test_result *out, struct err *err);

void test_copy_dir(const char *from, const char *to);
char *test_last_segment(const char *dir, uint64_t *size); /* path of the newest file; owned */

#endif
