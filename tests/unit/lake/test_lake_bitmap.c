/* tests/unit/lake/test_lake_bitmap.c — 64-bit bitmaps against a plain array and against bytes of another implementation (CRoaring's 64-bit class through pyroaring). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/crc.h"
#include "lake/bitmap.h"

/* {1, 3, 5, 7, 2^32 + 9}: BitMap64.serialize() behind the magic number. */
static const char small_bytes[] =
	"\xd1\xd3\x39\x64\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x3a\x30\x00\x00\x01\x00\x00\x00\x00\x00\x03\x00\x10\x00\x00\x00"
	"\x01\x00\x03\x00\x05\x00\x07\x00\x01\x00\x00\x00\x3a\x30\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x09\x00";
/* [100, 5000), 70000, 70005, [200000, 330000): run containers, an array, offsets. */
static const char run_bytes[] =
	"\xd1\xd3\x39\x64\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x3b\x30\x04\x00\x1d\x00\x00\x23\x13\x01\x00\x01\x00\x03\x00\xbf"
	"\xf2\x04\x00\xff\xff\x05\x00\x0f\x09\x2d\x00\x00\x00\x33\x00\x00\x00\x37\x00\x00\x00\x3d\x00\x00\x00\x43\x00\x00\x00\x01\x00\x64"
	"\x00\x23\x13\x70\x11\x75\x11\x01\x00\x40\x0d\xbf\xf2\x01\x00\x00\x00\xff\xff\x01\x00\x00\x00\x0f\x09";

static struct str bytes_of(const char *p, size_t size_with_zero) { return str_view(p, size_with_zero - 1); }

static void expect_bytes(struct bitmap *bitmap, struct str want)
{
	struct err err;
	struct wbuf w;

	wbuf_init(&w, 0);
	assert_int_equal(bitmap_serialize(bitmap, &w, &err), 0);
	assert_int_equal(w.n, want.n);
	assert_memory_equal(w.p, want.p, want.n);
	wbuf_free(&w);
}

static void test_basics(void **state)
{
	struct bitmap *b = bitmap_new();
	uint64_t out[8];

	(void)state;
	assert_int_equal(bitmap_add(b, 5), 1);
	assert_int_equal(bitmap_add(b, 5), 0);
	assert_int_equal(bitmap_add(b, ((uint64_t)1 << 32) + 9), 1);
	assert_int_equal(bitmap_add(b, 1), 1);
	assert_int_equal(bitmap_add(b, 3), 1);
	assert_int_equal(bitmap_add(b, 7), 1);
	assert_int_equal(bitmap_add(b, BITMAP_POSITION_MAX + 1), -1);
	assert_int_equal(bitmap_cardinality(b), 5);
	assert_true(bitmap_contains(b, ((uint64_t)1 << 32) + 9));
	assert_false(bitmap_contains(b, 9));
	assert_int_equal(bitmap_rank(b, 0), 0);
	assert_int_equal(bitmap_rank(b, 5), 2);
	assert_int_equal(bitmap_rank(b, 6), 3);
	assert_int_equal(bitmap_rank(b, (uint64_t)1 << 32), 4);
	assert_int_equal(bitmap_rank(b, UINT64_MAX), 5);
	assert_int_equal(bitmap_read(b, 4, out, 8), 3);
	assert_int_equal(out[0], 5);
	assert_int_equal(out[2], ((uint64_t)1 << 32) + 9);
	assert_int_equal(bitmap_read(b, 0, out, 2), 2);
	assert_int_equal(out[1], 3);
	expect_bytes(b, bytes_of(small_bytes, sizeof small_bytes));
	bitmap_free(b);
}

static void test_ranges_and_union(void **state)
{
	struct bitmap *a = bitmap_new(), *b = bitmap_new(), *c;

	(void)state;
	assert_int_equal(bitmap_add_range(a, 100, 5000), 0);
	assert_int_equal(bitmap_add_range(b, 200000, 330000), 0);
	for (uint64_t i = 70000; i < 70006; i += 5)
		assert_int_equal(bitmap_add(b, i), 1);
	c = bitmap_clone(b);
	assert_true(bitmap_equal(b, c));
	assert_int_equal(bitmap_add_all(b, a), 0);
	assert_int_equal(bitmap_cardinality(b), 4900 + 2 + 130000);
	assert_false(bitmap_equal(b, c));
	expect_bytes(b, bytes_of(run_bytes, sizeof run_bytes));
	assert_int_equal(bitmap_add_all(b, b), 0);
	assert_int_equal(bitmap_cardinality(b), 4900 + 2 + 130000);
	bitmap_free(a);
	bitmap_free(b);
	/* Across the border of two parts. */
	a = bitmap_new();
	assert_int_equal(bitmap_add_range(a, ((uint64_t)1 << 32) - 2, ((uint64_t)1 << 32) + 3), 0);
	assert_int_equal(bitmap_cardinality(a), 5);
	assert_int_equal(bitmap_rank(a, (uint64_t)1 << 32), 2);
	bitmap_free(a);
	bitmap_free(c);
}

/* Sizes and CRC-32 computed by pyroaring and zlib. */
static void test_larger_bytes(void **state)
{
	struct bitmap *b = bitmap_new(), *back;
	struct err err;
	struct wbuf w;

	(void)state;
	wbuf_init(&w, 0);
	for (uint64_t i = 0; i < 200000; i += 3)
		bitmap_add(b, i);
	assert_int_equal(bitmap_serialize(b, &w, &err), 0);
	assert_int_equal(w.n, 26894);
	assert_int_equal(crc32_ieee(0, w.p, w.n), 2277264983u);
	assert_int_equal(bitmap_deserialize(wbuf_str(&w), "x", &back, &err), 0);
	assert_true(bitmap_equal(b, back));
	bitmap_free(back);
	bitmap_free(b);
	wbuf_reset(&w);
	b = bitmap_new();
	for (uint64_t i = 0; i < 5; i++)
		for (uint64_t j = 0; j < 50; j++)
			bitmap_add(b, i * 131072 + j * j);
	assert_int_equal(bitmap_serialize(b, &w, &err), 0);
	assert_int_equal(w.n, 564);
	assert_int_equal(crc32_ieee(0, w.p, w.n), 3990599786u);
	bitmap_free(b);
	wbuf_free(&w);
}

static void test_read(void **state)
{
	struct bitmap *b;
	struct err err;
	/* An empty part between (iceberg-java fills gaps): key 0 empty, key 1 {9}. */
	static const char gap[] = "\xd1\xd3\x39\x64\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x3a\x30\x00\x00\x00\x00\x00\x00"
		"\x01\x00\x00\x00\x3a\x30\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x09\x00";

	(void)state;
	assert_int_equal(bitmap_deserialize(bytes_of(small_bytes, sizeof small_bytes), "x", &b, &err), 0);
	assert_int_equal(bitmap_cardinality(b), 5);
	assert_true(bitmap_contains(b, 7));
	bitmap_free(b);
	assert_int_equal(bitmap_deserialize(bytes_of(run_bytes, sizeof run_bytes), "x", &b, &err), 0);
	assert_int_equal(bitmap_cardinality(b), 4900 + 2 + 130000);
	assert_true(bitmap_contains(b, 329999));
	assert_false(bitmap_contains(b, 330000));
	bitmap_free(b);
	assert_int_equal(bitmap_deserialize(bytes_of(gap, sizeof gap), "x", &b, &err), 0);
	assert_int_equal(bitmap_cardinality(b), 1);
	assert_true(bitmap_contains(b, ((uint64_t)1 << 32) + 9));
	bitmap_free(b);
}

static void expect_corrupt(const char *p, size_t n)
{
	struct bitmap *b;
	struct err err;

	assert_int_equal(bitmap_deserialize(str_view(p, n), "file:///w/x.puffin", &b, &err), ERR_CORRUPT);
	assert_null(b);
	assert_non_null(strstr(err.text, "file:///w/x.puffin"));
}

/* One byte at a time wrong, where the format rule is known. */
static void test_corrupt(void **state)
{
	static const struct { bool runs; size_t at; uint8_t value; } cases[] = {
		{ false, 0, 0xd0 },    /* magic */
		{ false, 4, 3 },       /* more parts than there are */
		{ false, 4, 1 },       /* fewer: bytes left over */
		{ false, 12, 1 },      /* part key not ascending */
		{ false, 15, 0x80 },   /* part key above the maximum */
		{ false, 16, 0x3c },   /* cookie */
		{ false, 20, 2 },      /* containers */
		{ false, 26, 4 },      /* cardinality */
		{ false, 28, 0x11 },   /* offset */
		{ false, 34, 1 },      /* array not ascending: 1, 1 */
		{ true, 20, 0x1c },    /* run flag lost: read as an array */
		{ true, 23, 0x22 },    /* cardinality of a run container */
		{ true, 25, 0 },       /* container keys not ascending */
		{ true, 61, 2 },       /* number of runs */
		{ true, 64, 0xff },    /* run past 65535: first 0xff64, 4900 long */
	};
	char copy[256];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = cases[i].runs ? sizeof run_bytes - 1 : sizeof small_bytes - 1;

		memcpy(copy, cases[i].runs ? run_bytes : small_bytes, n);
		copy[cases[i].at] = (char)cases[i].value;
		expect_corrupt(copy, n);
	}
	for (size_t n = 0; n < sizeof run_bytes - 1; n++)
		expect_corrupt(run_bytes, n);
	for (size_t n = 0; n < sizeof small_bytes - 1; n++)
		expect_corrupt(small_bytes, n);
}

/* Random bytes never crash, and what is accepted writes and reads back the same (run under the sanitizers). */
static void test_mutations(void **state)
{
	unsigned seed = 12345;
	char copy[256];
	struct err err;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		bool runs = rand_r(&seed) & 1;
		size_t n = runs ? sizeof run_bytes - 1 : sizeof small_bytes - 1;
		struct bitmap *b, *again;
		struct wbuf w;

		memcpy(copy, runs ? run_bytes : small_bytes, n);
		for (int k = 0; k < 2; k++)
			copy[12 + (size_t)rand_r(&seed) % (n - 12)] = (char)rand_r(&seed);
		if (bitmap_deserialize(str_view(copy, n), "x", &b, &err))
			continue;
		wbuf_init(&w, 0);
		assert_int_equal(bitmap_serialize(b, &w, &err), 0);
		assert_int_equal(bitmap_deserialize(wbuf_str(&w), "x", &again, &err), 0);
		assert_true(bitmap_equal(b, again));
		wbuf_free(&w);
		bitmap_free(b);
		bitmap_free(again);
	}
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct walk { const uint64_t *want; size_t at; };

static int walk_one(void *arg, uint64_t pos)
{
	struct walk *walk = arg;

	assert_int_equal(pos, walk->want[walk->at++]);
	return 0;
}

static void test_random_against_array(void **state)
{
	enum { N = 20000 };
	static uint64_t model[N];
	unsigned seed = 4711;
	size_t n = 0;
	struct bitmap *b = bitmap_new(), *back;
	struct walk walk = { model, 0 };
	struct wbuf w;
	struct err err;

	(void)state;
	for (size_t i = 0; i < N; i++)
		model[n++] = (uint64_t)(rand_r(&seed) % 3) << 32 | (uint64_t)((unsigned)rand_r(&seed) % 300000);
	for (size_t i = 0; i < n; i++)
		bitmap_add(b, model[i]);
	qsort(model, n, sizeof *model, compare_u64);
	for (size_t i = 0, k = 0; i < N; i++, n = k)
		if (i == 0 || model[i] != model[k - 1])
			model[k++] = model[i];
	assert_int_equal(bitmap_cardinality(b), n);
	assert_int_equal(bitmap_iterate(b, walk_one, &walk), 0);
	assert_int_equal(walk.at, n);
	for (size_t i = 0; i < n; i += 7) {
		assert_int_equal(bitmap_rank(b, model[i]), i);
		assert_int_equal(bitmap_rank(b, model[i] + 1), i + 1);
		assert_true(bitmap_contains(b, model[i]));
	}
	wbuf_init(&w, 0);
	assert_int_equal(bitmap_serialize(b, &w, &err), 0);
	assert_int_equal(bitmap_deserialize(wbuf_str(&w), "x", &back, &err), 0);
	assert_true(bitmap_equal(b, back));
	wbuf_free(&w);
	bitmap_free(b);
	bitmap_free(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basics), cmocka_unit_test(test_ranges_and_union), cmocka_unit_test(test_larger_bytes), cmocka_unit_test(test_read),
		cmocka_unit_test(test_corrupt), cmocka_unit_test(test_mutations), cmocka_unit_test(test_random_against_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
