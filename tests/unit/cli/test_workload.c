/* tests/unit/cli/test_workload.c — random numbers that are the same everywhere, and the set of living keys against a plain table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/workload.h"

/* First outputs of splitmix64 for seed 1234567, as its author's reference program prints them. */
static void test_rng(void **state)
{
	static const uint64_t want[] = { 6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u, 16408922859458223821u };
	struct rng rng = { 1234567 };

	(void)state;
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		assert_true(rng_next(&rng) == want[i]);
}

static void test_ids(void **state)
{
	enum { KEYS = 1000, STEPS = 20000 };
	bool lives[KEYS * 30] = { false };
	struct id_set set = { NULL, 0, 0 };
	struct rng rng = { 42 };
	int64_t next = 0;
	size_t n = 0, index;
	struct err err;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		if (rng_below(&rng, 2) || n == 0) {
			assert_int_equal(id_set_add(&set, next, &err), ERR_OK);
			lives[next++] = true;
			n++;
		} else {
			int64_t gone = id_set_remove(&set, (size_t)rng_below(&rng, set.n));

			assert_true(lives[gone]);
			lives[gone] = false;
			n--;
		}
		assert_int_equal(set.n, n);
	}
	for (size_t i = 0; i < set.n; i++) { /* each living key once */
		assert_true(lives[set.ids[i].id]);
		lives[set.ids[i].id] = false;
	}
	for (uint32_t tx = 1; tx < 50; tx++) { /* no key twice under one stamp */
		bool used[KEYS * 30] = { false };

		for (int i = 0; i < 20; i++) {
			if (!id_set_pick(&set, &rng, tx, &index))
				continue;
			assert_false(used[set.ids[index].id]);
			used[set.ids[index].id] = true;
		}
	}
	id_set_free(&set);
	assert_false(id_set_pick(&set, &rng, 1, &index));
}

static void test_names(void **state)
{
	struct err err;

	(void)state;
	assert_ptr_equal(workload_find("bank", &err), &workload_bank);
	assert_null(workload_find("bonk", &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.text, "did you mean 'bank'?"));
}

static void test_time(void **state)
{
	char text[48];

	(void)state;
	assert_string_equal(workload_time(0, text, sizeof text), "2026-01-01T00:00:00.000000Z");
	assert_string_equal(workload_time(86400, text, sizeof text), "2026-01-02T00:00:03.196800Z"); /* 86400 * 37 us */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rng), cmocka_unit_test(test_ids), cmocka_unit_test(test_names), cmocka_unit_test(test_time) };

	return cmocka_run_group_tests_name("workload", tests, NULL, NULL);
}
