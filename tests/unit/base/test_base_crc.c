/* tests/unit/base/test_base_crc.c — unit tests of base/crc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc.h"

static void known_values(void **state)
{
	uint8_t bytes[32];

	(void)state;
	/* RFC 3720 B.4 (CRC-32C) and the check values of the CRC catalogue */
	assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
	memset(bytes, 0, sizeof bytes);
	assert_int_equal(crc32c(0, bytes, 32), 0x8A9136AA);
	memset(bytes, 0xFF, sizeof bytes);
	assert_int_equal(crc32c(0, bytes, 32), 0x62A8AB43);
	for (int i = 0; i < 32; i++)
		bytes[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, bytes, 32), 0x46DD794E);
	assert_int_equal(crc32_ieee(0, "123456789", 9), 0xCBF43926);
	assert_int_equal(crc32c(0, NULL, 0), 0);
	assert_int_equal(crc32_ieee(5, NULL, 0), 5);
}

/* One bit at a time, from the definition. */
static uint32_t slow(uint32_t crc, const uint8_t *p, size_t n)
{
	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
	}
	return ~crc;
}

static void any_length_in_parts(void **state)
{
	uint8_t bytes[300];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 37 + 11);
	for (size_t n = 0; n < sizeof bytes; n++) {
		uint32_t want = slow(0, bytes, n);

		assert_int_equal(crc32c(0, bytes, n), want);
		assert_int_equal(crc32c(crc32c(0, bytes, n / 3), bytes + n / 3, n - n / 3), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(any_length_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
