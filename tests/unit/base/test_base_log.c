/* tests/unit/base/test_base_log.c — unit tests of base/log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/env.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

static char path[64];

static int setup(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/tarn-test-log-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	char old[80];

	(void)state;
	log_close();
	unlink(path);
	for (int i = 1; i < 4; i++) {
		snprintf(old, sizeof old, "%s.%d", path, i);
		unlink(old);
	}
	env_install(NULL);
	return 0;
}

static char *content(void)
{
	char *text;
	size_t n;

	assert_int_equal(env_read_file(path, 1 << 20, &text, &n), 0);
	return text;
}

static void json_lines(void **state)
{
	struct log_opts opts = { .level = LOG_INFO, .json = true, .path = path };
	struct err err;
	char *text;
	json_t *line;

	(void)state;
	assert_int_equal(log_open(&opts, &err), 0);
	log_debug("pg", "not shown");
	log_msg(LOG_WARN, "pg", (const char *[]){ "source", "ba\"nk", NULL }, "lost %s\nline", "it");
	text = content();
	line = json_parse(str_of(text), "log", &err);
	assert_non_null(line);
	assert_string_equal(json_get_str(line, "level", ""), "warn");
	assert_string_equal(json_get_str(line, "component", ""), "pg");
	assert_string_equal(json_get_str(line, "message", ""), "lost it\nline");
	assert_string_equal(json_get_str(line, "source", ""), "ba\"nk");
	json_decref(line);
	mem_free(text);
}

static int64_t now_us;
static int64_t mono(void) { return now_us; }

static void repetitions_are_counted(void **state)
{
	struct log_opts opts = { .level = LOG_INFO, .path = path };
	static struct env_ops ops; /* outlives the test: teardown closes the log through it */
	struct err err;
	char *text;

	(void)state;
	ops = env_os;
	ops.mono_us = mono;
	env_install(&ops);
	assert_int_equal(log_open(&opts, &err), 0);
	for (int i = 0; i < 5; i++)
		log_warn("pg", "again");
	log_warn("pg", "other\ntext");
	now_us += 11000000;
	log_warn("pg", "again");
	text = content();
	assert_non_null(strstr(text, "warn  pg: again\n"));
	assert_non_null(strstr(text, "pg: other text\n"));
	assert_non_null(strstr(text, "again (repeated 4 times)\n"));
	assert_int_equal(text[strlen(text) - 1], '\n');
	mem_free(text);
}

static void file_rotates(void **state)
{
	struct log_opts opts = { .level = LOG_INFO, .path = path, .rotate_bytes = 300, .keep = 2 };
	struct env_stat st;
	struct err err;
	char old[80];

	(void)state;
	assert_int_equal(log_open(&opts, &err), 0);
	for (int i = 0; i < 40; i++)
		log_info("test", "message number %d", i);
	for (int i = 1; i < 3; i++) {
		snprintf(old, sizeof old, "%s.%d", path, i);
		assert_int_equal(env_stat(old, &st), 0);
		assert_true(st.size > 300 && st.size < 500);
	}
	snprintf(old, sizeof old, "%s.3", path);
	assert_int_equal(env_stat(old, &st), -ENOENT);
}

static void levels(void **state)
{
	(void)state;
	assert_true(log_enabled(LOG_INFO) && !log_enabled(LOG_DEBUG));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(json_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(repetitions_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(file_rotates, setup, teardown),
		cmocka_unit_test_setup_teardown(levels, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
