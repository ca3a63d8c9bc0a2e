/* src/base/crc.c — CRC-32C (polynomial 0x1EDC6F41, reflected 0x82F63B78; RFC 3720 12.1) and CRC-32 (IEEE 802.3,
 * zlib's). */
#include "base/crc.h"

#include <pthread.h>
#include <string.h>
#include <zlib.h>

#define POLY_C 0x82F63B78u

static uint32_t table[8][256];
static uint32_t (*crc32c_fn)(uint32_t, const uint8_t *, size_t);
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Eight bytes a step: table[k][b] is the effect of byte b with k zero bytes behind it. */
static uint32_t crc32c_table(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; p += 8, n -= 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		v ^= crc;
		crc = table[7][v & 255] ^ table[6][v >> 8 & 255] ^ table[5][v >> 16 & 255] ^ table[4][v >> 24 & 255] ^
		      table[3][v >> 32 & 255] ^ table[2][v >> 40 & 255] ^ table[1][v >> 48 & 255] ^ table[0][v >> 56];
	}
	for (; n; p++, n--)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 255];
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t c = crc;

	for (; n >= 8; p += 8, n -= 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		c = __builtin_ia32_crc32di(c, v);
	}
	for (; n; p++, n--)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p);
	return (uint32_t)c;
}
#endif

static void choose(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? POLY_C : 0);
		table[0][i] = c;
	}
	for (int k = 1; k < 8; k++)
		for (int i = 0; i < 256; i++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
	crc32c_fn = crc32c_table;
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("sse4.2"))
		crc32c_fn = crc32c_sse42;
#endif
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	pthread_once(&once, choose);
	return ~crc32c_fn(~crc, p, n);
}

uint32_t crc32_ieee(uint32_t crc, const void *p, size_t n)
{
	return n ? (uint32_t)crc32_z(crc, p, n) : crc; /* zlib restarts on a NULL pointer */
}
