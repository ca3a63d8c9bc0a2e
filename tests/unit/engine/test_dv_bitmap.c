/* tests/unit/engine/test_dv_bitmap.c — deletion vectors read for look-up. The bytes come from CRoaring's portable 64-bit serialisation (pyroaring) and, where broken, from hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/dv_bitmap.h"

static uint8_t bytes[64 << 10];

static struct str unhex(const char *hex)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], 0 };
		bytes[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return str_view(bytes, n);
}

/* BitMap64([1, 5, 70000]) */
#define SMALL "d1d33964" "0100000000000000" "00000000" "3a300000" "02000000" "00000100" "01000000" "18000000" "1c000000" "01000500" "7011"

static void arrays(void **state)
{
	struct dv_bitmap bitmap;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(dv_bitmap_read(&bitmap, unhex(SMALL), 100000, &err), 0);
	assert_int_equal(bitmap.cardinality, 3);
	for (uint64_t row = 0; row < 140000; row++)
		assert_int_equal(dv_bitmap_has(&bitmap, row), row == 1 || row == 5 || row == 70000);
	dv_bitmap_free(&bitmap);
}

/* BitMap64(range(10, 5000)) | {196615}, run-optimised: a run container and an array container, no offsets. */
static void runs(void **state)
{
	struct dv_bitmap bitmap;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(dv_bitmap_read(&bitmap, unhex("d1d33964" "0100000000000000" "00000000" "3b300100" "01" "00007d13" "03000000" "0100" "0a007d13" "0700"), 200000, &err), 0);
	assert_int_equal(bitmap.cardinality, 4991);
	for (uint64_t row = 0; row < 200000; row++)
		assert_int_equal(dv_bitmap_has(&bitmap, row), (row >= 10 && row < 5000) || row == 196615);
	assert_false(dv_bitmap_has(&bitmap, UINT64_MAX));
	dv_bitmap_free(&bitmap);
}

/* range(0, 20000, 2): more than 4096 values make a bitmap container. */
static void bits(void **state)
{
	struct dv_bitmap bitmap;
	struct err err = { 0 };
	struct str s = unhex("d1d33964" "0100000000000000" "00000000" "3a300000" "01000000" "00000f27" "10000000");

	(void)state;
	memset(bytes + s.n, 0x55, 2500);
	memset(bytes + s.n + 2500, 0, 8192 - 2500);
	assert_int_equal(dv_bitmap_read(&bitmap, str_view(bytes, s.n + 8192), 20000, &err), 0);
	assert_int_equal(bitmap.cardinality, 10000);
	for (uint64_t row = 0; row < 20000; row++)
		assert_int_equal(dv_bitmap_has(&bitmap, row), row % 2 == 0);
	dv_bitmap_free(&bitmap);
	assert_int_equal(dv_bitmap_read(&bitmap, str_view(bytes, s.n + 8192), 19998, &err), ERR_CORRUPT);
}

static void none(void **state)
{
	struct dv_bitmap bitmap;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(dv_bitmap_read(&bitmap, unhex("d1d33964" "0000000000000000"), 10, &err), 0);
	assert_int_equal(bitmap.cardinality, 0);
	dv_bitmap_free(&bitmap);
}

static void broken_bytes_are_refused(void **state)
{
	static const char *const cases[] = {
		"d1d33965" "0000000000000000",                                                             /* magic */
		"d1d33964" "00000000000000",                                                               /* cut in the count */
		"d1d33964" "ffffffffffffffff",
		"d1d33964" "0000000000000000" "00",                                                        /* more behind */
		"d1d33964" "0100000000000000" "00000000" "39300000" "00000000",                            /* cookie */
		"d1d33964" "0100000000000000" "01000000" "3a300000" "01000000" "00000000" "10000000" "0100", /* row 2^32 + 1 */
		"d1d33964" "0100000000000000" "00000000" "3a300000" "01000000" "00000100" "10000000" "05000500", /* a row twice */
		"d1d33964" "0100000000000000" "00000000" "3a300000" "ffffffff" "00000100",                 /* container count */
		"d1d33964" "0100000000000000" "00000000" "3a300000" "02000000" "00000000" "00000000" "18000000" "1c000000" "0100" "0200", /* key twice */
		"d1d33964" "0100000000000000" "00000000" "3b300000" "01" "00000500" "0100" "0a000400",     /* run of 5, header says 6 */
		"d1d33964" "0100000000000000" "00000000" "3b300000" "01" "00000500" "0100" "ffff0500",     /* run past the block */
	};
	struct dv_bitmap bitmap;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(dv_bitmap_read(&bitmap, unhex(cases[i]), 100000, &err), ERR_CORRUPT);
	/* every cut of a good one */
	struct str good = unhex(SMALL);
	for (size_t n = 0; n < good.n; n++) {
		uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read behind the end */
		memcpy(exact, good.p, n);
		assert_int_equal(dv_bitmap_read(&bitmap, str_view(exact, n), 100000, &err), ERR_CORRUPT);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrays), cmocka_unit_test(runs), cmocka_unit_test(bits), cmocka_unit_test(none), cmocka_unit_test(broken_bytes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
