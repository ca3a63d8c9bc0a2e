/* src/base/bytes.h — integers at any address, most significant byte first, on the little-endian machines we run on. */
#ifndef TARN_BASE_BYTES_H
#define TARN_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t bytes_u16_be(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return __builtin_bswap16(v);
}
static inline uint32_t bytes_u32_be(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return __builtin_bswap32(v);
}
static inline uint64_t bytes_u64_be(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return __builtin_bswap64(v);
}

#endif
