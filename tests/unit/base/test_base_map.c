/* tests/unit/base/test_base_map.c — unit tests of base/map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/env_fault.h"
#include "base/map.h"
#include "base/mem.h"

static void agrees_with_a_naive_model(void **state)
{
	enum { KEYS = 500 };
	struct map *map = map_new();
	bool there[KEYS] = { false };
	static int values[KEYS];
	size_t count = 0;
	uint32_t seed = 12345;

	(void)state;
	for (int step = 0; step < 50000; step++) {
		unsigned k;
		char key[16];
		struct str s;
		void *old;

		seed = seed * 1664525 + 1013904223;
		k = (seed >> 8) % KEYS;
		s = str_view(key, (size_t)snprintf(key, sizeof key, "%u", k));
		if (seed >> 31) {
			assert_int_equal(map_put(map, s, &values[k], &old), 0);
			assert_ptr_equal(old, there[k] ? &values[k] : NULL);
			count += !there[k];
			there[k] = true;
		} else {
			assert_ptr_equal(map_get(map, s), there[k] ? &values[k] : NULL);
			assert_ptr_equal(map_remove(map, s), there[k] ? &values[k] : NULL);
			count -= there[k];
			there[k] = false;
		}
		assert_int_equal(map_count(map), count);
	}
	map_free(map, NULL);
}

static void iterates_in_order_of_insertion(void **state)
{
	struct map *map = map_new();
	struct str key;
	void *value;
	size_t i = 0, n = 0;
	char text[16];

	(void)state;
	for (int k = 0; k < 1000; k++) {
		snprintf(text, sizeof text, "k%d", k);
		assert_int_equal(map_put(map, str_of(text), mem_strdup(text), NULL), 0);
	}
	for (; map_next(map, &i, &key, &value); n++) {
		snprintf(text, sizeof text, "k%zu", n);
		assert_true(str_eqz(key, text));
		assert_string_equal(value, text);
	}
	assert_int_equal(n, 1000);
	assert_int_equal(map_put(map, STR_LIT(""), mem_strdup("empty"), NULL), 0);
	assert_string_equal(map_get(map, STR_LIT("")), "empty");
	assert_int_equal(map_put(map, str_view("a\0b", 3), mem_strdup("zero"), NULL), 0);
	assert_null(map_get(map, STR_LIT("a")));
	map_free(map, mem_free);
}

static void no_memory_leaves_it_whole(void **state)
{
	(void)state;
	for (uint64_t n = 1;; n++) {
		struct map *map;
		int put = 0;
		bool fired;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		map = map_new();
		for (int k = 0; map && k < 40; k++) {
			char text[8];

			put += map_put(map, str_view(text, (size_t)snprintf(text, sizeof text, "%d", k)), &put, NULL) ==
			       0;
		}
		fired = env_fault_fired(ENV_ALLOC);
		env_fault_remove();
		if (map)
			assert_int_equal(map_count(map), put);
		map_free(map, NULL);
		if (!fired)
			break;
		assert_true(put < 40);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_naive_model),
		cmocka_unit_test(iterates_in_order_of_insertion),
		cmocka_unit_test(no_memory_leaves_it_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
