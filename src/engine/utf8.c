/* src/engine/utf8.c — well-formed UTF-8 byte sequences (Unicode 15, table 3-7): no overlong forms, no surrogates,
 * nothing above U+10FFFF. */
#include "engine/utf8.h"

static bool is_tail(uint8_t b) { return (b & 0xC0) == 0x80; }

/* Length of the well-formed sequence at p, or 0. */
static size_t sequence(const uint8_t *p, size_t n)
{
	uint8_t b = p[0];

	if (b < 0x80)
		return 1;
	if (b < 0xC2 || b > 0xF4)
		return 0;
	if (b < 0xE0)
		return n >= 2 && is_tail(p[1]) ? 2 : 0;
	uint8_t low = b == 0xE0 ? 0xA0 : b == 0xF0 ? 0x90 : 0x80;
	uint8_t high = b == 0xED ? 0x9F : b == 0xF4 ? 0x8F : 0xBF;
	size_t need = b < 0xF0 ? 3 : 4;
	if (n < need || p[1] < low || p[1] > high || !is_tail(p[2]))
		return 0;
	return need == 3 || is_tail(p[3]) ? need : 0;
}

bool utf8_ok_slow(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t k = sequence(p + i, n - i);
		if (k == 0)
			return false;
		i += k;
	}
	return true;
}
