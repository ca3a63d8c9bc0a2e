/* tests/unit/base/test_base_json.c — unit tests of base/json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "base/env_fault.h"
#include "base/json.h"
#include "base/mem.h"

static void parses_strictly(void **state)
{
	static const char *const bad[] = { "",     "{",        "{\"a\":1,\"a\":2}",   "[1,]",
		                           "{} x", "\"\xFF\"", "99999999999999999999" };
	struct err err;
	json_t *v;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_null(json_parse(str_of(bad[i]), "file x.json", &err));
		assert_int_equal(err.code, ERR_CORRUPT);
		assert_memory_equal(err.text, "file x.json: line ", 18);
	}
	v = json_parse(STR_LIT("{\"b\":9223372036854775807,\"a\":\"x\",\"n\":null}"), "x", &err);
	assert_true(json_get_int(v, "b", 0) == INT64_MAX);
	assert_int_equal(json_get_int(v, "a", 5), 5);
	assert_string_equal(json_get_str(v, "a", "?"), "x");
	assert_string_equal(json_get_str(v, "zz", "?"), "?");
	assert_true(json_has(v, "n") && !json_has(v, "m"));
	json_decref(v);
}

static void writes_in_order(void **state)
{
	json_t *v = json_object();
	char *text;

	(void)state;
	assert_int_equal(json_set_str(v, "z", str_view("a\0b", 3)), 0);
	assert_int_equal(json_set_int(v, "a", INT64_MIN), 0);
	assert_int_equal(json_set_bool(v, "m", true), 0);
	assert_int_equal(json_set_str(v, "bad", STR_LIT("a\xFF")), 0); /* not UTF-8: replaced, never lost */
	text = json_text(v);
	assert_string_equal(text, "{\"z\":\"a\\u0000b\",\"a\":-9223372036854775808,\"m\":true,\"bad\":\"a?\"}");
	mem_free(text);
	json_decref(v);
}

static void no_memory_is_said(void **state)
{
	struct err err;
	bool fired;

	(void)state;
	for (uint64_t n = 1;; n++) {
		json_t *v;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		v = json_parse(STR_LIT("{\"a\":[1,2,{\"b\":\"c\"}]}"), "x", &err);
		fired = env_fault_fired(ENV_ALLOC);
		json_decref(v);
		env_fault_remove();
		if (!fired)
			break;
		assert_null(v);
		assert_int_equal(err.code, ERR_NOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_strictly),
		cmocka_unit_test(writes_in_order),
		cmocka_unit_test(no_memory_is_said),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
