/* tests/unit/base/test_base_wbuf.c — unit tests of base/wbuf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "base/env_fault.h"
#include "base/mem.h"
#include "base/wbuf.h"

static void integers_have_their_byte_order(void **state)
{
	static const uint8_t want[] = { 1, 2, 1, 1, 2, 4, 3, 2, 1, 1, 2, 3, 4, 8, 7,
		                        6, 5, 4, 3, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct wbuf w;

	(void)state;
	wbuf_init(&w, 0);
	wbuf_put_u8(&w, 1);
	wbuf_put_u16_le(&w, 0x0102);
	wbuf_put_u16_be(&w, 0x0102);
	wbuf_put_u32_le(&w, 0x01020304);
	wbuf_put_u32_be(&w, 0x01020304);
	wbuf_put_u64_le(&w, 0x0102030405060708);
	wbuf_put_u64_be(&w, 0x0102030405060708);
	assert_int_equal(w.n, sizeof want);
	assert_memory_equal(w.p, want, sizeof want);
	wbuf_free(&w);
	assert_int_equal(w.n, 0);
}

static void varint_is_leb128(void **state)
{
	/* 624485 = e5 8e 26: the example of the DWARF and WebAssembly specifications */
	static const uint8_t want[] = { 0xE5, 0x8E, 0x26, 0x00, 0xFF, 0xFF, 0xFF,
		                        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01 };
	struct wbuf w;

	(void)state;
	wbuf_init(&w, 0);
	wbuf_put_varint(&w, 624485);
	wbuf_put_varint(&w, 0);
	wbuf_put_varint(&w, UINT64_MAX);
	assert_int_equal(w.n, sizeof want);
	assert_memory_equal(w.p, want, sizeof want);
	wbuf_free(&w);
}

static void maximum_sticks(void **state)
{
	struct wbuf w;
	struct err err;

	(void)state;
	wbuf_init(&w, 10);
	wbuf_put(&w, "12345678", 8);
	wbuf_put(&w, "abc", 3);
	assert_true(wbuf_failed(&w));
	wbuf_put_u8(&w, 'x');
	assert_int_equal(w.n, 8);
	assert_int_equal(wbuf_check(&w, &err, "the reply"), ERR_LIMIT);
	assert_string_equal(err.text, "the reply is larger than 10 bytes");
	assert_string_equal(wbuf_cstr(&w), "");
	assert_null(wbuf_take(&w));
	wbuf_reset(&w);
	wbuf_put(&w, "1234567890", 10);
	assert_int_equal(wbuf_check(&w, &err, "x"), ERR_OK);
	wbuf_free(&w);
}

static void no_memory_sticks(void **state)
{
	struct wbuf w;
	struct err err;

	(void)state;
	wbuf_init(&w, 0);
	env_fault_install();
	env_fault_fail(ENV_ALLOC, 1, ENOMEM);
	wbuf_putz(&w, "abc");
	env_fault_remove();
	wbuf_putz(&w, "def");
	assert_int_equal(wbuf_check(&w, &err, "x"), ERR_NOMEM);
	assert_int_equal(w.n, 0);
	wbuf_free(&w);
}

static void formats_over_the_edge_of_the_buffer(void **state)
{
	struct wbuf w;
	char want[512];

	(void)state;
	for (size_t n = 0; n < 300; n++) {
		wbuf_init(&w, 0);
		memset(want, 'a', n);
		for (size_t i = 0; i < n; i++)
			wbuf_put_u8(&w, 'a');
		wbuf_putf(&w, "%s-%d", "bcd", 42);
		strcpy(want + n, "bcd-42");
		assert_string_equal(wbuf_cstr(&w), want);
		assert_int_equal(w.n, n + 6);
		wbuf_free(&w);
	}
}

static void json_strings(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *out;
	} cases[] = {
		{ "a\"b\\c\n\t\x01", 8, "\"a\\\"b\\\\c\\n\\t\\u0001\"" },
		{ "\0", 1, "\"\\u0000\"" },
		{ "", 0, "\"\"" },
		{ "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9, "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"" },
		{ "\xFFx", 2, "\"\xEF\xBF\xBDx\"" },
		{ "\xC0\x80", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"" },                 /* over-long */
		{ "\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" }, /* surrogate */
		{ "\xE2\x82", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"" },                 /* cut off */
		{ "\x7F", 1, "\"\\u007f\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct wbuf w;

		wbuf_init(&w, 0);
		wbuf_put_json_str(&w, str_view(cases[i].in, cases[i].n));
		assert_string_equal(wbuf_cstr(&w), cases[i].out);
		wbuf_free(&w);
	}
}

static void sql_quotes(void **state)
{
	struct wbuf w;
	char *text;

	(void)state;
	wbuf_init(&w, 0);
	wbuf_put_sql_ident(&w, STR_LIT("a\"b"));
	wbuf_put_sql_literal(&w, STR_LIT("'it's"));
	wbuf_put_sql_literal(&w, STR_LIT(""));
	text = wbuf_take(&w);
	assert_string_equal(text, "\"a\"\"b\""
	                          "\'"
	                          "''it''s"
	                          "\'"
	                          "''");
	assert_null(w.p);
	mem_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_have_their_byte_order),
		cmocka_unit_test(varint_is_leb128),
		cmocka_unit_test(maximum_sticks),
		cmocka_unit_test(no_memory_sticks),
		cmocka_unit_test(formats_over_the_edge_of_the_buffer),
		cmocka_unit_test(json_strings),
		cmocka_unit_test(sql_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
