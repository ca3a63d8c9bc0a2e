/* tests/unit/base/test_base_rbuf.c — unit tests of base/rbuf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rbuf.h"

static void reads_what_is_there(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 'h', 'i', 0, 0xE5, 0x8E, 0x26, 'x' };
	struct rbuf r = rbuf_of(bytes, sizeof bytes), sub;

	(void)state;
	assert_int_equal(rbuf_u8(&r), 1);
	assert_int_equal(rbuf_u16_be(&r), 0x0203);
	assert_int_equal(rbuf_u32_le(&r), 0x07060504);
	assert_true(str_eqz(rbuf_cstr(&r), "hi"));
	assert_int_equal(rbuf_varint(&r), 624485);
	sub = rbuf_sub(&r, 1);
	assert_true(str_eqz(rbuf_bytes(&sub, 1), "x"));
	assert_true(rbuf_done(&sub) && rbuf_done(&r));
}

static void reading_past_the_end_sticks(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3 };
	struct rbuf r = rbuf_of(bytes, sizeof bytes), sub;

	(void)state;
	assert_int_equal(rbuf_u32_le(&r), 0);
	assert_false(rbuf_ok(&r));
	assert_int_equal(rbuf_u8(&r), 0); /* although a byte would be there */
	r = rbuf_of(bytes, sizeof bytes);
	sub = rbuf_sub(&r, 4);
	assert_false(rbuf_ok(&sub));
	assert_false(rbuf_ok(&r));
	r = rbuf_of(bytes, sizeof bytes);
	assert_int_equal(rbuf_bytes(&r, SIZE_MAX).n, 0);
	assert_false(rbuf_ok(&r));
	r = rbuf_of(bytes, sizeof bytes);
	assert_int_equal(rbuf_cstr(&r).n, 0);
	assert_false(rbuf_ok(&r));
	r = rbuf_of(NULL, 0);
	assert_true(rbuf_done(&r));
	rbuf_cstr(&r);
	assert_false(rbuf_ok(&r));
}

static void long_varints_are_refused(void **state)
{
	static const uint8_t most[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01 };
	static const uint8_t more[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02 };
	static const uint8_t endless[] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00 };
	struct rbuf r = rbuf_of(most, sizeof most);

	(void)state;
	assert_true(rbuf_varint(&r) == UINT64_MAX && rbuf_done(&r));
	r = rbuf_of(more, sizeof more);
	rbuf_varint(&r);
	assert_false(rbuf_ok(&r));
	r = rbuf_of(endless, sizeof endless);
	rbuf_varint(&r);
	assert_false(rbuf_ok(&r));
	r = rbuf_of(most, 3);
	rbuf_varint(&r);
	assert_false(rbuf_ok(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_there),
		cmocka_unit_test(reading_past_the_end_sticks),
		cmocka_unit_test(long_varints_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
