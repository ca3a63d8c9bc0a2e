/* tests/unit/base/test_base_failpoint.c — unit tests of base/failpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/failpoint.h"

#ifdef TARN_FAILPOINTS
static int two_places(struct err *err)
{
	FAILPOINT_ERR("test.first", err);
	FAILPOINT("test.second");
	return ERR_OK;
}

static void seen(const char *name, void *arg)
{
	*(int *)arg += !strcmp(name, "test.first") || !strcmp(name, "test.second");
}

static void fires_at_its_hit(void **state)
{
	struct err err;
	int n = 0;

	(void)state;
	setenv("TARN_FAILPOINTS", "test.first=error@2; test.second=kill@2", 1);
	assert_int_equal(two_places(&err), ERR_OK);
	assert_int_equal(two_places(&err), ERR_IO);
	assert_string_equal(err.text, "failpoint test.first");
	failpoint_list(seen, &n);
	assert_int_equal(n, 2);
	if (fork() == 0) {
		two_places(&err);
		_exit(0);
	}
	assert_true(wait(&n) > 0 && WIFSIGNALED(n) && WTERMSIG(n) == SIGKILL);
}
#else /* release: the list is empty */
static void seen(const char *name, void *arg)
{
	(void)name;
	*(int *)arg += 1;
}

static void fires_at_its_hit(void **state)
{
	int n = 0;

	(void)state;
	failpoint_list(seen, &n);
	assert_int_equal(n, 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_at_its_hit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
