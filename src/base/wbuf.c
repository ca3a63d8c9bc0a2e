/* src/base/wbuf.c — a growing byte buffer with a maximum and a sticky failure. */
#include "base/wbuf.h"

#include <stdio.h>

#include "base/mem.h"

#define FIRST_CAP 128 /* bytes of the first allocation: most texts fit */

static size_t max_of(const struct wbuf *w) { return w->max ? w->max : WBUF_MAX_DEFAULT; }

void wbuf_init(struct wbuf *w, size_t max) { *w = (struct wbuf){ .max = max }; }

void wbuf_free(struct wbuf *w)
{
	mem_free(w->p);
	wbuf_init(w, w->max);
}

void wbuf_reset(struct wbuf *w)
{
	w->n = 0;
	w->failed = w->over = false;
}

bool wbuf_failed(const struct wbuf *w) { return w->failed; }

int wbuf_check(const struct wbuf *w, struct err *err, const char *what)
{
	if (!w->failed)
		return ERR_OK;
	if (w->over)
		return err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", what, max_of(w));
	return err_set(err, ERR_NOMEM, "out of memory for %s", what);
}

static uint8_t *reserve_slow(struct wbuf *w, size_t n)
{
	size_t max = max_of(w), need, cap;
	uint8_t *p;

	if (w->failed)
		return NULL;
	if (n > max || w->n > max - n) {
		w->failed = w->over = true;
		return NULL;
	}
	need = w->n + n;
	cap = w->cap < FIRST_CAP ? FIRST_CAP : w->cap;
	while (cap < need)
		cap *= 2;
	if (cap > max)
		cap = max;
	p = mem_realloc(w->p, cap);
	if (!p) {
		w->failed = true;
		return NULL;
	}
	w->p = p;
	w->cap = cap;
	return w->p + w->n;
}

uint8_t *wbuf_reserve(struct wbuf *w, size_t n)
{
	if (__builtin_expect(!w->failed && n <= w->cap - w->n && w->p, 1))
		return w->p + w->n;
	return reserve_slow(w, n);
}

void wbuf_put(struct wbuf *w, const void *p, size_t n)
{
	uint8_t *to;

	if (n == 0)
		return;
	to = wbuf_reserve(w, n);
	if (!to)
		return;
	memcpy(to, p, n);
	w->n += n;
}

void wbuf_put_str(struct wbuf *w, struct str s) { wbuf_put(w, s.p, s.n); }

void wbuf_putz(struct wbuf *w, const char *z) { wbuf_put(w, z, strlen(z)); }

void wbuf_putf(struct wbuf *w, const char *fmt, ...)
{
	va_list ap;
	size_t room = w->failed ? 0 : w->cap - w->n;
	uint8_t *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? (char *)w->p + w->n : NULL, room, fmt, ap);
	va_end(ap);
	if (n < 0) {
		w->failed = true;
		return;
	}
	/* vsnprintf needs one byte more for its zero, which is not counted. */
	if ((size_t)n >= room) {
		to = wbuf_reserve(w, (size_t)n + 1);
		if (!to)
			return;
		va_start(ap, fmt);
		n = vsnprintf((char *)to, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	w->n += (size_t)n;
}

#define PUT_INT(name, type, swap)                                                                                      \
	void wbuf_put_##name(struct wbuf *w, type v)                                                                   \
	{                                                                                                              \
		uint8_t *to = wbuf_reserve(w, sizeof v);                                                               \
                                                                                                                       \
		if (!to)                                                                                               \
			return;                                                                                        \
		v = swap(v);                                                                                           \
		memcpy(to, &v, sizeof v);                                                                              \
		w->n += sizeof v;                                                                                      \
	}

/* The processors we run on are little endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little endian only");
PUT_INT(u8, uint8_t, )
PUT_INT(u16_le, uint16_t, )
PUT_INT(u32_le, uint32_t, )
PUT_INT(u64_le, uint64_t, )
PUT_INT(u16_be, uint16_t, __builtin_bswap16)
PUT_INT(u32_be, uint32_t, __builtin_bswap32)
PUT_INT(u64_be, uint64_t, __builtin_bswap64)

void wbuf_put_varint(struct wbuf *w, uint64_t v)
{
	uint8_t bytes[10];
	size_t n = 0;

	while (v >= 0x80) {
		bytes[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	bytes[n++] = (uint8_t)v;
	wbuf_put(w, bytes, n);
}

/* Length of the well-formed UTF-8 character at p (Unicode table 3-7), or 0. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
	size_t need;
	uint8_t low = 0x80, high = 0xBF;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xC2 && p[0] <= 0xDF)
		need = 2;
	else if (p[0] >= 0xE0 && p[0] <= 0xEF)
		need = 3;
	else if (p[0] >= 0xF0 && p[0] <= 0xF4)
		need = 4;
	else
		return 0;
	if (p[0] == 0xE0)
		low = 0xA0;
	else if (p[0] == 0xED)
		high = 0x9F;
	else if (p[0] == 0xF0)
		low = 0x90;
	else if (p[0] == 0xF4)
		high = 0x8F;
	if (n < need || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return need;
}

static void put_json_escape(struct wbuf *w, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

	switch (c) {
	case '"': wbuf_put(w, "\\\"", 2); return;
	case '\\': wbuf_put(w, "\\\\", 2); return;
	case '\b': wbuf_put(w, "\\b", 2); return;
	case '\f': wbuf_put(w, "\\f", 2); return;
	case '\n': wbuf_put(w, "\\n", 2); return;
	case '\r': wbuf_put(w, "\\r", 2); return;
	case '\t': wbuf_put(w, "\\t", 2); return;
	default: wbuf_put(w, text, sizeof text); return;
	}
}

void wbuf_put_json_str(struct wbuf *w, struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t from = 0, i = 0;

	wbuf_put_u8(w, '"');
	while (i < s.n) {
		size_t len = p[i] >= 0x20 && p[i] < 0x7F && p[i] != '"' && p[i] != '\\' ? 1
		             : p[i] < 0x80                                              ? 0
		                                                                        : utf8_len(p + i, s.n - i);

		if (len) {
			i += len;
			continue;
		}
		wbuf_put(w, p + from, i - from);
		if (p[i] < 0x80)
			put_json_escape(w, p[i]);
		else
			wbuf_put(w, "\xEF\xBF\xBD", 3);
		from = ++i;
	}
	wbuf_put(w, p ? p + from : p, s.n - from);
	wbuf_put_u8(w, '"');
}

static void put_doubled(struct wbuf *w, struct str s, char quote)
{
	size_t from = 0;

	wbuf_put_u8(w, (uint8_t)quote);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != quote)
			continue;
		wbuf_put(w, s.p + from, i + 1 - from);
		from = i; /* the quote goes out a second time */
	}
	if (s.n)
		wbuf_put(w, s.p + from, s.n - from);
	wbuf_put_u8(w, (uint8_t)quote);
}

void wbuf_put_sql_ident(struct wbuf *w, struct str s) { put_doubled(w, s, '"'); }

void wbuf_put_sql_literal(struct wbuf *w, struct str s) { put_doubled(w, s, '\''); }

const char *wbuf_cstr(struct wbuf *w)
{
	uint8_t *to = wbuf_reserve(w, 1);

	if (!to)
		return "";
	*to = '\0';
	return (const char *)w->p;
}

char *wbuf_take(struct wbuf *w)
{
	uint8_t *to = wbuf_reserve(w, 1);
	char *p;

	if (!to)
		return NULL;
	*to = '\0';
	p = (char *)w->p;
	wbuf_init(w, w->max);
	return p;
}
