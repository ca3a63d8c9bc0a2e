/* tests/unit/journal/test_journal_kill.c — the process dies at each failpoint of the journal; nothing that was durable is lost.
 *
 * Needs a build with -Dfailpoints=true; without it there is nothing to kill. Each life is a child process, because the armed failpoints
 * are read once a process. A child tells through a pipe what was durable when. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "journal_support.h"

#ifdef TARN_FAILPOINTS

static void live(int tell)
{
	struct journal_opts opts = test_opts();
	struct relation *rel = test_relation(1, 1);
	struct journal *journal;
	struct err err;

	opts.segment_bytes = 900;
	if (journal_open(&journal, &opts, &err))
		_exit(3);
	for (uint64_t lsn = 10; lsn <= 200; lsn += 10) {
		uint64_t durable;

		if (test_write(journal, rel, lsn, lsn == 100 ? 2500 : 3, 250, &err) || journal_sync(journal, &err))
			_exit(4);
		durable = journal_durable(journal).commit_lsn;
		if (write(tell, &durable, sizeof durable) != sizeof durable || journal_trim(journal, lsn / 2, &err))
			_exit(5);
	}
	journal_close(journal);
	_exit(0);
}

static void verify(uint64_t durable)
{
	struct journal *journal = test_open();
	struct relation *rel = test_relation(1, 1);
	struct test_result result;
	struct journal_check check;
	struct err err;
	uint64_t first = journal_first_commit_lsn(journal);

	assert_true(first <= durable / 2); /* never trimmed further than allowed */
	assert_int_equal(test_read_all(journal, first, 10, &result, &err), 0);
	assert_true(result.last >= durable);
	if (result.transactions)
		assert_int_equal(result.first, first + 10);
	test_write_ok(journal, rel, result.last + 10, 1, 1);
	journal_close(journal);
	assert_int_equal(journal_check(test_dir, &check, &err), 0);
}

static int in_child(const char *arm, uint64_t *durable)
{
	int pipes[2], status;
	uint64_t value;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (!arm) {
			verify(*durable);
			_exit(0);
		}
		setenv("TARN_FAILPOINTS", arm, 1);
		live(pipes[1]);
	}
	close(pipes[1]);
	while (read(pipes[0], &value, sizeof value) == sizeof value)
		*durable = value;
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void killed_at_each_failpoint(void **state)
{
	static const char *const names[] = { "journal.append.before",   "journal.append.after_write",
		                             "journal.sync.before",     "journal.sync.after",
		                             "journal.segment.created", "journal.trim.before_unlink" };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int kills = 0;

		for (int hit = 1;; hit++) {
			uint64_t durable = 0;
			char arm[80];
			int status;

			snprintf(arm, sizeof arm, "%s=kill@%d", names[i], hit);
			assert_int_equal(env_remove_tree(test_dir), 0);
			status = in_child(arm, &durable);
			if (WIFEXITED(status)) {
				assert_int_equal(WEXITSTATUS(status), 0);
				assert_int_equal(durable, 200);
				break;
			}
			assert_int_equal(WTERMSIG(status), SIGKILL);
			kills++;
			assert_int_equal(in_child(NULL, &durable), 0);
		}
		assert_true(kills >= 3);
	}
}

#else

static void killed_at_each_failpoint(void **state)
{
	(void)state;
	print_message("    skipped: this build has no failpoints (-Dfailpoints=true)\n");
	skip();
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(killed_at_each_failpoint, test_setup, test_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
