/* tests/unit/base/test_base_mem.c — unit tests of base/mem. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/env_fault.h"
#include "base/mem.h"

static void grows_by_doubling(void **state)
{
	int *v = NULL;
	size_t cap = 0;

	(void)state;
	for (size_t n = 0; n < 1000; n++) {
		assert_int_equal(vec_grow(&v, &cap, n + 1, sizeof *v), 0);
		v[n] = (int)n;
	}
	assert_int_equal(cap, 1024);
	for (int n = 0; n < 1000; n++)
		assert_int_equal(v[n], n);
	assert_int_equal(vec_grow(&v, &cap, SIZE_MAX / 2, sizeof *v), -1);
	assert_int_equal(cap, 1024);
	mem_free(v);
}

static void overflow_is_no_memory(void **state)
{
	(void)state;
	assert_null(mem_array(SIZE_MAX / 4, 8));
	mem_free(NULL);
}

static void failures_come_from_env(void **state)
{
	int *v = NULL;
	size_t cap = 0;

	(void)state;
	env_fault_install();
	env_fault_fail(ENV_ALLOC, 2, ENOMEM);
	char *a = mem_strdup("abc");
	assert_string_equal(a, "abc");
	assert_int_equal(vec_grow(&v, &cap, 3, sizeof *v), -1);
	assert_null(v);
	assert_true(env_fault_fired(ENV_ALLOC));
	assert_int_equal(vec_grow(&v, &cap, 3, sizeof *v), 0);
	mem_free(a);
	mem_free(v);
	env_fault_remove();
}

/* Resident bytes of this process, as the kernel counts them. */
static size_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long total, pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &total, &pages), 2);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Blocks too small to be mapped alone, one in sixteen still in use between them. */
static void trim_gives_back_what_was_freed(void **state)
{
	enum { BLOCKS = 1024, BYTES = 60000 };
	static void *blocks[BLOCKS];
	size_t full;

	(void)state;
	for (size_t i = 0; i < BLOCKS; i++) {
		blocks[i] = mem_alloc(BYTES);
		assert_non_null(blocks[i]);
		memset(blocks[i], 1, BYTES);
	}
	full = resident();
	for (size_t i = 0; i < BLOCKS; i++) {
		if (i % 16 == 15)
			continue;
		mem_free(blocks[i]);
	}
	mem_trim();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
	assert_true(resident() + (size_t)BLOCKS / 2 * BYTES < full);
#else
	assert_true(full > 0);
#endif
	for (size_t i = 15; i < BLOCKS; i += 16)
		mem_free(blocks[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_by_doubling),
		cmocka_unit_test(overflow_is_no_memory),
		cmocka_unit_test(failures_come_from_env),
		cmocka_unit_test(trim_gives_back_what_was_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
