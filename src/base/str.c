/* src/base/str.c — views of bytes: comparing, cutting, numbers, patterns. */
#include "base/str.h"

#include <stdio.h>

static int lower(int c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; }

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower((unsigned char)a.p[i]) != lower((unsigned char)b.p[i]))
			return false;
	return true;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c)
		return c < 0 ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}

bool str_starts(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

bool str_ends(struct str s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n >= n && (n == 0 || memcmp(s.p + s.n - n, suffix, n) == 0);
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

struct str str_trim(struct str s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str str_cut(struct str *s, char sep)
{
	const char *at = s->n ? memchr(s->p, sep, s->n) : NULL;
	struct str head = *s;

	if (at) {
		head.n = (size_t)(at - s->p);
		s->p += head.n + 1;
		s->n -= head.n + 1;
	} else if (s->p) {
		s->p += s->n;
		s->n = 0;
	}
	return head;
}

bool str_to_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
	bool minus = s.n && s.p[0] == '-';
	uint64_t v;

	if (minus || (s.n && s.p[0] == '+')) {
		s.p++;
		s.n--;
	}
	if (!str_to_u64(s, &v) || v > (uint64_t)INT64_MAX + minus)
		return false;
	*out = minus ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

static bool hex_u32(struct str s, uint32_t *out)
{
	uint32_t v = 0;

	if (s.n == 0 || s.n > 8)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int c = lower((unsigned char)s.p[i]);

		if (c >= '0' && c <= '9')
			c -= '0';
		else if (c >= 'a' && c <= 'f')
			c -= 'a' - 10;
		else
			return false;
		v = v << 4 | (uint32_t)c;
	}
	*out = v;
	return true;
}

bool str_to_lsn(struct str s, uint64_t *out)
{
	uint32_t high, low;
	const char *slash = s.n ? memchr(s.p, '/', s.n) : NULL;

	if (!slash)
		return false;
	if (!hex_u32(str_view(s.p, (size_t)(slash - s.p)), &high) ||
	    !hex_u32(str_view(slash + 1, s.n - (size_t)(slash - s.p) - 1), &low))
		return false;
	*out = (uint64_t)high << 32 | low;
	return true;
}

const char *lsn_text(uint64_t lsn, char buf[LSN_TEXT_MAX])
{
	snprintf(buf, LSN_TEXT_MAX, "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
	return buf;
}

/* Linear: on a mismatch only the last '*' is tried again, one byte further; earlier ones need no second look. */
bool str_glob(struct str pattern, struct str s)
{
	size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;

	while (i < s.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			mark = i;
		} else if (p < pattern.n && (pattern.p[p] == '?' || pattern.p[p] == s.p[i])) {
			p++;
			i++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			i = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

#define NEAREST_MAX 64 /* longer names are not compared */

/* Optimal string alignment distance (a swap of neighbours counts one), without case. */
static unsigned edit_distance(struct str a, struct str b)
{
	unsigned rows[3][NEAREST_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2], *spare;

	for (size_t j = 0; j <= b.n; j++)
		last[j] = before[j] = (unsigned)j;
	for (size_t i = 1; i <= a.n; i++) {
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b.n; j++) {
			int x = lower((unsigned char)a.p[i - 1]), y = lower((unsigned char)b.p[j - 1]);
			unsigned best = last[j - 1] + (x != y);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && x == lower((unsigned char)b.p[j - 2]) &&
			    y == lower((unsigned char)a.p[i - 2]) && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b.n];
}

const char *str_nearest(struct str s, const char *const *names)
{
	const char *best = NULL;
	unsigned best_distance = 0;

	if (s.n == 0 || s.n > NEAREST_MAX)
		return NULL;
	for (; *names; names++) {
		struct str name = str_of(*names);
		unsigned distance;

		if (name.n == 0 || name.n > NEAREST_MAX)
			continue;
		distance = edit_distance(s, name);
		/* Near: at most a third of the longer one, at least one slip. */
		if (distance > (s.n > name.n ? s.n : name.n) / 3 + (s.n < 3))
			continue;
		if (!best || distance < best_distance) {
			best = *names;
			best_distance = distance;
		}
	}
	return best;
}

bool str_copy(char *dst, size_t dst_size, struct str s)
{
	size_t n = s.n < dst_size ? s.n : dst_size - 1;

	if (n)
		memcpy(dst, s.p, n);
	dst[n] = '\0';
	return n == s.n;
}
