/* src/base/rbuf.c — bounded reading: the parts too long to be inline. */
#include "base/rbuf.h"

uint64_t rbuf_varint(struct rbuf *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = rbuf_u8(r);

		if (r->failed)
			return 0;
		/* The tenth byte holds one bit: more would be cut off silently. */
		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7F) << shift;
		if (!(b & 0x80))
			return v;
	}
	r->failed = true;
	return 0;
}

int64_t rbuf_zigzag(struct rbuf *r)
{
	uint64_t v = rbuf_varint(r);

	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

struct str rbuf_bytes(struct rbuf *r, size_t n)
{
	const uint8_t *p = rbuf_take(r, n);

	return r->failed ? (struct str){ "", 0 } : str_view(p, n);
}

struct str rbuf_cstr(struct rbuf *r)
{
	const uint8_t *end = r->failed || rbuf_left(r) == 0 ? NULL : memchr(r->p + r->at, 0, rbuf_left(r));
	struct str s;

	if (!end) {
		r->failed = true;
		return (struct str){ "", 0 };
	}
	s = str_view(r->p + r->at, (size_t)(end - (r->p + r->at)));
	r->at += s.n + 1;
	return s;
}

struct rbuf rbuf_sub(struct rbuf *r, size_t n)
{
	struct str s = rbuf_bytes(r, n);
	struct rbuf sub = rbuf_of(s.p, s.n);

	sub.failed = r->failed;
	return sub;
}
