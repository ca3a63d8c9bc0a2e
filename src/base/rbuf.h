/* src/base/rbuf.h — bounded reading with a sticky failure.
 *
 * A value over borrowed bytes. Reading past the end gives zeros / empty views and sets `failed`; test rbuf_ok() at
 * the end of a message, never trust values before. Nested parts get a sub-reader (rbuf_sub), so that an inner length
 * cannot leave its part. */
#ifndef TARN_BASE_RBUF_H
#define TARN_BASE_RBUF_H

#include "base/bytes.h"
#include "base/str.h"

struct rbuf {
	const uint8_t *p; /* borrowed */
	size_t n;         /* total */
	size_t at;        /* next byte */
	bool failed;
};

static inline struct rbuf rbuf_of(const void *p, size_t n) { return (struct rbuf){ (const uint8_t *)p, n, 0, false }; }
static inline size_t rbuf_left(const struct rbuf *r) { return r->n - r->at; }
static inline bool rbuf_ok(const struct rbuf *r) { return !r->failed; }
static inline bool rbuf_done(const struct rbuf *r) { return !r->failed && r->at == r->n; }

static inline const uint8_t *rbuf_take(struct rbuf *r, size_t n)
{
	static const uint8_t zeros[16];

	if (__builtin_expect(r->failed || n > r->n - r->at, 0)) {
		r->failed = true;
		return n <= sizeof zeros ? zeros : NULL;
	}
	r->at += n;
	return r->p + r->at - n;
}

static inline uint8_t rbuf_u8(struct rbuf *r) { return rbuf_take(r, 1)[0]; }
static inline uint16_t rbuf_u16_be(struct rbuf *r) { return bytes_u16_be(rbuf_take(r, 2)); }
static inline uint32_t rbuf_u32_be(struct rbuf *r) { return bytes_u32_be(rbuf_take(r, 4)); }
static inline uint64_t rbuf_u64_be(struct rbuf *r) { return bytes_u64_be(rbuf_take(r, 8)); }
static inline uint16_t rbuf_u16_le(struct rbuf *r)
{
	uint16_t v;
	memcpy(&v, rbuf_take(r, 2), 2);
	return v;
}
static inline uint32_t rbuf_u32_le(struct rbuf *r)
{
	uint32_t v;
	memcpy(&v, rbuf_take(r, 4), 4);
	return v;
}
static inline uint64_t rbuf_u64_le(struct rbuf *r)
{
	uint64_t v;
	memcpy(&v, rbuf_take(r, 8), 8);
	return v;
}
uint64_t rbuf_varint(struct rbuf *r);            /* LEB128, at most 10 bytes */
int64_t rbuf_zigzag(struct rbuf *r);             /* the same of a signed number: 0, -1, 1, -2, ... (Avro, Thrift) */
struct str rbuf_bytes(struct rbuf *r, size_t n); /* a view, empty on failure */
struct str rbuf_cstr(struct rbuf *r);            /* up to a zero byte, which is consumed and not counted */
struct rbuf rbuf_sub(struct rbuf *r, size_t n);  /* failed at once when n is too large (then r is failed too) */

#endif
