/* tests/unit/base/test_base_arena.c — unit tests of base/arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void gives_aligned_separate_memory(void **state)
{
	struct arena *arena = arena_new(0);
	uint8_t *p[500];

	(void)state;
	for (size_t i = 0; i < 500; i++) {
		p[i] = arena_alloc(arena, i * 7 % 300 + 1);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		memset(p[i], (int)i, i * 7 % 300 + 1);
	}
	p[0] = arena_alloc(arena, 5000000);
	memset(p[0], 0, 5000000);
	for (size_t i = 1; i < 500; i++)
		for (size_t k = 0; k < i * 7 % 300 + 1; k++)
			assert_int_equal(p[i][k], i & 255);
	assert_true(arena_bytes(arena) >= 5000000);
	arena_reset(arena);
	assert_true(arena_bytes(arena) < 2000000);
	assert_string_equal(arena_strdup(arena, STR_LIT("abc")), "abc");
	assert_string_equal(arena_printf(arena, "%d-%s", 7, "x"), "7-x");
	assert_non_null(arena_str(arena, STR_LIT("")).p);
	assert_int_equal(*(char *)arena_zero(arena, 100), 0);
	arena_free(arena);
	arena_free(NULL);
}

static void maximum_holds(void **state)
{
	struct arena *arena = arena_new(10000);
	size_t got = 0;

	(void)state;
	assert_null(arena_alloc(arena, 10001));
	while (arena_alloc(arena, 100))
		got += 100;
	assert_true(got > 8000);
	assert_true(arena_bytes(arena) <= 10000);
	assert_null(arena_str(arena, str_view("x", 5000)).p);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_aligned_separate_memory),
		cmocka_unit_test(maximum_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
