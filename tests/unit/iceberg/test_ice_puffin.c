/* tests/unit/iceberg/test_ice_puffin.c — Puffin files: expected blob bytes from struct, zlib and pyroaring in Python. Files written here are read by
 * pyiceberg's PuffinFile too: with TARN_TEST_OUT set, the file of test_many stays there for it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/env_fault.h"
#include "iceberg/puffin.h"

/* {1, 3, 5, 7, 9} */
static const char odd_blob[] = "\x00\x00\x00\x2a\xd1\xd3\x39\x64\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x3a\x30\x00\x00\x01\x00\x00\x00\x00\x00\x04\x00"
	"\x10\x00\x00\x00\x01\x00\x03\x00\x05\x00\x07\x00\x09\x00\xb3\xfb\x20\xbe";

static struct bitmap *odd(void)
{
	struct bitmap *b = bitmap_new();

	for (uint64_t i = 1; i < 10; i += 2)
		assert_int_equal(bitmap_add(b, i), 1);
	return b;
}

static void test_bytes(void **state)
{
	static const char footer[] = "PFA1{\"blobs\":[{\"type\":\"deletion-vector-v1\",\"fields\":[2147483645],\"snapshot-id\":-1,\"sequence-number\":-1,\"offset\":4,\"length\":50,"
		"\"properties\":{\"referenced-data-file\":\"file:///w/a \\\"b\\\".parquet\",\"cardinality\":\"5\"}}],\"properties\":{\"created-by\":\"Tarn\"}}";
	struct bitmap *b = odd();
	struct puffin w;
	struct err err;
	uint64_t offset, size;
	uint32_t n;

	(void)state;
	puffin_init(&w);
	assert_int_equal(puffin_add_dv(&w, "file:///w/a \"b\".parquet", b, &offset, &size, &err), 0);
	assert_int_equal(offset, 4);
	assert_int_equal(size, sizeof odd_blob - 1);
	assert_int_equal(puffin_finish(&w, &err), 0);
	assert_memory_equal(w.bytes.p, "PFA1", 4);
	assert_memory_equal(w.bytes.p + 4, odd_blob, sizeof odd_blob - 1);
	assert_memory_equal(w.bytes.p + 4 + sizeof odd_blob - 1, footer, sizeof footer - 1);
	memcpy(&n, w.bytes.p + w.bytes.n - 12, 4);
	assert_int_equal(n, sizeof footer - 1 - 4);
	assert_memory_equal(w.bytes.p + w.bytes.n - 8, "\0\0\0\0PFA1", 8);
	assert_int_equal(w.bytes.n, 4 + sizeof odd_blob - 1 + sizeof footer - 1 + 12);
	puffin_free(&w);
	bitmap_free(b);
}

static void test_many(void **state)
{
	enum { N = 40 };
	uint64_t offset[N], size[N];
	struct bitmap *all[N];
	struct puffin_blob *blobs;
	struct puffin w;
	struct err err;
	size_t n;
	char path[64];

	(void)state;
	puffin_init(&w);
	for (uint64_t i = 0; i < N; i++) {
		all[i] = bitmap_new();
		for (uint64_t k = 0; k <= i * 50; k++)
			bitmap_add(all[i], k * k * (i % 3 ? 1 : 100000));
		snprintf(path, sizeof path, "file:///w/data/%d.parquet", (int)i);
		assert_int_equal(puffin_add_dv(&w, path, all[i], &offset[i], &size[i], &err), 0);
	}
	assert_int_equal(puffin_finish(&w, &err), 0);
	if (getenv("TARN_TEST_OUT"))
		assert_int_equal(env_write_file_atomic(getenv("TARN_TEST_OUT"), w.bytes.p, w.bytes.n, 0644), 0);
	assert_int_equal(puffin_read_footer(wbuf_str(&w.bytes), "x.puffin", &blobs, &n, &err), 0);
	assert_int_equal(n, N);
	for (size_t i = 0; i < N; i++) {
		struct bitmap *back;

		snprintf(path, sizeof path, "file:///w/data/%d.parquet", (int)i);
		assert_string_equal(blobs[i].referenced_data_file, path);
		assert_string_equal(blobs[i].type, "deletion-vector-v1");
		assert_int_equal(blobs[i].offset, offset[i]);
		assert_int_equal(blobs[i].size, size[i]);
		assert_int_equal(blobs[i].cardinality, i * 50 + 1);
		assert_false(blobs[i].compressed);
		assert_int_equal(puffin_read_dv(str_view(w.bytes.p + offset[i], size[i]), i * 50 + 1, "x", &back, &err), 0);
		assert_true(bitmap_equal(back, all[i]));
		bitmap_free(back);
		assert_int_equal(puffin_read_dv(str_view(w.bytes.p + offset[i], size[i]), i * 50, "x", &back, &err), ERR_CORRUPT);
		assert_null(back);
		bitmap_free(all[i]);
	}
	puffin_blobs_free(blobs, n);
	/* Cut or wrong footers. */
	for (size_t k = 0; k < w.bytes.n; k += 97)
		assert_int_not_equal(puffin_read_footer(str_view(w.bytes.p, k), "x", &blobs, &n, &err), 0);
	w.bytes.p[w.bytes.n - 8] = 1;
	assert_int_equal(puffin_read_footer(wbuf_str(&w.bytes), "x", &blobs, &n, &err), ERR_UNSUPPORTED);
	w.bytes.p[w.bytes.n - 8] = 0;
	w.bytes.p[w.bytes.n - 9] = 0x7f;
	assert_int_equal(puffin_read_footer(wbuf_str(&w.bytes), "x", &blobs, &n, &err), ERR_CORRUPT);
	puffin_free(&w);
}

static void test_read_dv(void **state)
{
	struct bitmap *b;
	struct err err;
	char copy[sizeof odd_blob - 1];

	(void)state;
	assert_int_equal(puffin_read_dv(str_view(odd_blob, sizeof odd_blob - 1), UINT64_MAX, "x", &b, &err), 0);
	assert_int_equal(bitmap_cardinality(b), 5);
	assert_true(bitmap_contains(b, 9));
	bitmap_free(b);
	for (size_t i = 0; i < sizeof copy; i++) { /* every byte matters: length, body by CRC, CRC */
		memcpy(copy, odd_blob, sizeof copy);
		copy[i] ^= 0x10;
		assert_int_equal(puffin_read_dv(str_view(copy, sizeof copy), UINT64_MAX, "file:///w/1.puffin", &b, &err), ERR_CORRUPT);
		assert_non_null(strstr(err.text, "file:///w/1.puffin"));
	}
	for (size_t n = 0; n < sizeof copy; n++)
		assert_int_equal(puffin_read_dv(str_view(odd_blob, n), UINT64_MAX, "x", &b, &err), ERR_CORRUPT);
}

static int round_trip(void)
{
	struct bitmap *b = bitmap_new(), *back = NULL, *copy = NULL;
	struct puffin w;
	struct err err;
	uint64_t offset, size;
	int rc = b && bitmap_add(b, 5) == 1 && bitmap_add(b, (uint64_t)1 << 33) == 1 && bitmap_add_range(b, (uint64_t)1 << 34, ((uint64_t)1 << 34) + 9) == 0 ? 0 : ERR_NOMEM;

	puffin_init(&w);
	if (!rc)
		rc = puffin_add_dv(&w, "file:///w/a.parquet", b, &offset, &size, &err);
	if (!rc)
		rc = puffin_finish(&w, &err);
	if (!rc)
		rc = puffin_read_dv(str_view(w.bytes.p + offset, size), 11, "x", &back, &err);
	if (!rc && !(copy = bitmap_clone(back)))
		rc = ERR_NOMEM;
	if (!rc)
		assert_true(bitmap_equal(copy, b));
	puffin_free(&w);
	bitmap_free(b);
	bitmap_free(back);
	bitmap_free(copy);
	return rc;
}

static void test_no_memory(void **state)
{
	bool done = false;

	(void)state;
	for (uint64_t n = 1; !done; n++) {
		int rc;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		rc = round_trip();
		done = !env_fault_fired(ENV_ALLOC);
		env_fault_remove();
		if (done)
			assert_int_equal(rc, 0);
		else if (rc != ERR_NOMEM)
			fail_msg("allocation %d failed, the answer was %s", (int)n, err_name(rc));
		assert_true(n < 1000);
		assert_true(!done || n > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bytes), cmocka_unit_test(test_many), cmocka_unit_test(test_read_dv), cmocka_unit_test(test_no_memory) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
