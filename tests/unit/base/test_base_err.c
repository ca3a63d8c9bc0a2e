/* tests/unit/base/test_base_err.c — unit tests of base/err. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "base/err.h"

static void codes_have_rows(void **state)
{
	(void)state;
	assert_string_equal(err_name(ERR_OK), "OK");
	assert_string_equal(err_name(ERR_DISK_FULL), "DISK_FULL");
	assert_int_equal(err_class_of(ERR_DISK_FULL), ERR_CLASS_TRANSIENT);
	assert_string_equal(err_sqlstate(ERR_NOT_FOUND), "42P01");
	assert_int_equal(err_http_status(ERR_NOT_FOUND), 404);
	assert_int_equal(err_exit_status(ERR_BUG), 70);
	assert_string_equal(err_class_name(ERR_CLASS_CORRUPT), "corrupt");
	assert_string_equal(err_name(9999), "BUG");
	for (int code = 0; code < ERR_COUNT; code++) {
		assert_int_equal(strlen(err_sqlstate(code)), 5);
		assert_true(strlen(err_meaning(code)) > 0);
	}
}

static void text_is_formatted_and_prefixed(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_IO, "file \"%s\"", "a"), ERR_IO);
	assert_int_equal(err_prefix(&err, "source %s", "bank"), ERR_IO);
	assert_string_equal(err.text, "source bank: file \"a\"");
	err_set(&err, ERR_LIMIT, "again: %s", err.text);
	assert_string_equal(err.text, "again: source bank: file \"a\"");
	assert_int_equal(err_set(NULL, ERR_LIMIT, "nobody listens"), ERR_LIMIT);
	err_clear(&err);
	assert_int_equal(err.code, ERR_OK);
	assert_string_equal(err.text, "");
}

static void errno_turns_the_code(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set_errno(&err, ERR_IO, -ENOSPC, "cannot write"), ERR_DISK_FULL);
	assert_int_equal(err.os_errno, ENOSPC);
	assert_string_equal(err.text, "cannot write: No space left on device");
	assert_int_equal(err_set_errno(&err, ERR_IO, EDQUOT, "x"), ERR_DISK_FULL);
	assert_int_equal(err_set_errno(&err, ERR_IO, ENOMEM, "x"), ERR_NOMEM);
	assert_int_equal(err_set_errno(&err, ERR_IO, EIO, "x"), ERR_IO);
	assert_int_equal(err_set_errno(&err, ERR_CONNECT, ENOSPC, "x"), ERR_CONNECT);
}

static void cut_text_stays_utf8(void **state)
{
	struct err err;
	char text[ERR_TEXT_MAX * 2];

	(void)state;
	for (size_t shift = 0; shift < 3; shift++) {
		size_t n = shift;

		memset(text, 'x', shift);
		while (n + 3 < sizeof text) {
			memcpy(text + n, "\xE2\x82\xAC", 3);
			n += 3;
		}
		text[n] = '\0';
		err_set(&err, ERR_VALUE, "%s", text);
		assert_int_equal((strlen(err.text) - shift) % 3, 0);
		assert_true(strlen(err.text) > ERR_TEXT_MAX - 5);
		err_prefix(&err, "%s", "yy");
		assert_int_equal((strlen(err.text) - shift - 4) % 3, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_have_rows),
		cmocka_unit_test(text_is_formatted_and_prefixed),
		cmocka_unit_test(errno_turns_the_code),
		cmocka_unit_test(cut_text_stays_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
