/* src/base/wbuf.h — a growing byte buffer with a maximum and a sticky failure.
 *
 * Open value for the stack or inside structs: wbuf_init / wbuf_free. After a failed append (no memory, maximum
 * passed) all later appends do nothing and wbuf_failed() stays true: append freely, test once at the end. Integers:
 * _le little, _be big endian. */
#ifndef TARN_BASE_WBUF_H
#define TARN_BASE_WBUF_H

#include "base/err.h"
#include "base/str.h"

struct wbuf {
	uint8_t *p; /* owned */
	size_t n;
	size_t cap;
	size_t max; /* bytes; 0 means WBUF_MAX_DEFAULT */
	bool failed;
	bool over; /* failed because of max, not of memory */
};

#define WBUF_MAX_DEFAULT ((size_t)1 << 31)

void wbuf_init(struct wbuf *w, size_t max);
void wbuf_free(struct wbuf *w);  /* then as after init */
void wbuf_reset(struct wbuf *w); /* n = 0, failure cleared, memory kept */
bool wbuf_failed(const struct wbuf *w);
int wbuf_check(const struct wbuf *w, struct err *err, const char *what); /* 0, or ERR_NOMEM / ERR_LIMIT naming `what` */
uint8_t *wbuf_reserve(struct wbuf *w, size_t n); /* room for n more bytes (not yet counted), or NULL */
void wbuf_put(struct wbuf *w, const void *p, size_t n);
void wbuf_put_str(struct wbuf *w, struct str s);
void wbuf_putz(struct wbuf *w, const char *z);
void wbuf_putf(struct wbuf *w, const char *fmt, ...) TARN_PRINTF(2, 3);
void wbuf_put_u8(struct wbuf *w, uint8_t v);
void wbuf_put_u16_be(struct wbuf *w, uint16_t v);
void wbuf_put_u32_be(struct wbuf *w, uint32_t v);
void wbuf_put_u64_be(struct wbuf *w, uint64_t v);
void wbuf_put_u16_le(struct wbuf *w, uint16_t v);
void wbuf_put_u32_le(struct wbuf *w, uint32_t v);
void wbuf_put_u64_le(struct wbuf *w, uint64_t v);
void wbuf_put_varint(struct wbuf *w, uint64_t v); /* LEB128, unsigned */
/* JSON string with quotes and escapes; invalid UTF-8 becomes U+FFFD. */
void wbuf_put_json_str(struct wbuf *w, struct str s);
/* SQL: "identifier" and 'literal' with doubled quotes. */
void wbuf_put_sql_ident(struct wbuf *w, struct str s);
void wbuf_put_sql_literal(struct wbuf *w, struct str s);
/* A zero-ended view of the content ("" when failed); valid until the next append. */
const char *wbuf_cstr(struct wbuf *w);
static inline struct str wbuf_str(const struct wbuf *w) { return str_view(w->p, w->n); }
/* The content as an owned, zero-ended block (mem_free), w empty afterwards; NULL when failed. */
char *wbuf_take(struct wbuf *w);

#endif
