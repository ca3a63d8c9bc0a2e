/* src/engine/utf8.h — is a text valid UTF-8? Private to engine/. */
#ifndef TARN_ENGINE_UTF8_H
#define TARN_ENGINE_UTF8_H

#include "base/str.h"

bool utf8_ok_slow(const uint8_t *p, size_t n);

/* Eight ASCII bytes at a time; the table of well-formed sequences (Unicode 15, table 3-7) only from the first other
 * byte on. */
static inline bool utf8_ok(struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		uint64_t word;
		memcpy(&word, p + i, 8);
		if (word & 0x8080808080808080u)
			return utf8_ok_slow(p + i, s.n - i);
	}
	for (; i < s.n; i++) {
		if (p[i] & 0x80)
			return utf8_ok_slow(p + i, s.n - i);
	}
	return true;
}

#endif
