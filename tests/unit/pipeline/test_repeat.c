/* tests/unit/pipeline/test_repeat.c — a failure that comes again and again is said once, then every ten minutes with its number; the clock is ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/env.h"
#include "base/mem.h"
#include "pipeline/repeat.h"

static int64_t now_us = 1000000;
static char path[64];

static int64_t our_clock(void)
{
	return now_us;
}

static int setup(void **state)
{
	static struct env_ops ops;
	struct err err = { 0 };
	int fd;

	(void)state;
	strcpy(path, "/tmp/tarn-test-repeat-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	env_close(fd);
	ops = *env_current();
	ops.mono_us = our_clock;
	env_install(&ops);
	return log_open(&(struct log_opts){ .level = LOG_INFO, .path = path }, &err);
}

static int teardown(void **state)
{
	(void)state;
	log_close();
	env_install(NULL);
	return env_unlink(path);
}

static int lines_with(const char *what)
{
	char *text, *at;
	size_t n;
	int found = 0;

	assert_int_equal(env_read_file(path, 1 << 20, &text, &n), 0);
	for (at = text; (at = strstr(at, what)); at++)
		found++;
	mem_free(text);
	return found;
}

static void said_once_in_ten_minutes(void **state)
{
	struct repeat repeat = { 0 };
	char text[100];

	(void)state;
	/* every 30 s for nine minutes, with another process id each time */
	for (int i = 0; i < 18; i++, now_us += 30000000) {
		snprintf(text, sizeof text, "slot is active for PID %d", 1000 + i * 700);
		repeat_log(&repeat, LOG_WARN, "bank", text);
	}
	assert_int_equal(lines_with("slot is active"), 1);
	assert_int_equal(lines_with("bank: slot is active for PID 1000"), 1);
	now_us += 90000000;
	repeat_log(&repeat, LOG_WARN, "bank", "slot is active for PID 5");
	assert_int_equal(lines_with("slot is active"), 2);
	assert_int_equal(lines_with("PID 5 (17 times more since it was last said)"), 1);
}

static void another_text_is_news(void **state)
{
	struct repeat repeat = { 0 };

	(void)state;
	repeat_log(&repeat, LOG_WARN, NULL, "port 5432 refused");
	repeat_log(&repeat, LOG_WARN, NULL, "port 5433 refused");
	repeat_log(&repeat, LOG_WARN, NULL, "port 5432 refused it");
	repeat_log(&repeat, LOG_WARN, NULL, "port x refused it");
	assert_int_equal(lines_with("refused"), 3);
	repeat_clear(&repeat);
	now_us += 20000000; /* the log itself counts what comes twice within ten seconds */
	repeat_log(&repeat, LOG_WARN, NULL, "port x refused it");
	assert_int_equal(lines_with("refused"), 4);
}

static void retries_say_when(void **state)
{
	struct repeat repeat = { 0 };

	(void)state;
	now_us += 20000000;
	for (int64_t delay = 500000; delay < 30000000; delay *= 2)
		repeat_log_retry(&repeat, LOG_WARN, "src", "no route to host; look at the firewall", delay, 30000000);
	assert_int_equal(lines_with("src: no route to host; look at the firewall; trying again in 1 s, later every 30 s\n"), 1);
	assert_int_equal(lines_with("no route"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(said_once_in_ten_minutes, setup, teardown),
		cmocka_unit_test_setup_teardown(another_text_is_news, setup, teardown),
		cmocka_unit_test_setup_teardown(retries_say_when, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
