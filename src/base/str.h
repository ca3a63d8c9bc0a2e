/* src/base/str.h — a view of bytes: pointer and length, never owned, not zero-ended. Plain values, passed by value. */
#ifndef TARN_BASE_STR_H
#define TARN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p; /* borrowed */
	size_t n;
};

#define STR_LIT(s) ((struct str){ (s), sizeof(s) - 1 })
#define STR_FMT(s) (int)(s).n, (s).p /* for "%.*s" */

static inline struct str str_of(const char *z) { return (struct str){ z, z ? strlen(z) : 0 }; }
static inline struct str str_view(const void *p, size_t n) { return (struct str){ (const char *)p, n }; }
static inline bool str_eq(struct str a, struct str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool str_eqz(struct str a, const char *z) { return str_eq(a, str_of(z)); }
bool str_eq_nocase(struct str a, struct str b);
int str_cmp(struct str a, struct str b); /* byte order */
bool str_starts(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);
struct str str_trim(struct str s); /* ASCII blanks at both ends */
/* Cuts at the first `sep`: the part before it is returned and *s moves behind it; the whole and *s empty when there
 * is none. */
struct str str_cut(struct str *s, char sep);
/* Whole-string decimal numbers; false on anything else or overflow. */
bool str_to_u64(struct str s, uint64_t *out);
bool str_to_i64(struct str s, int64_t *out);
/* "16/B374D848" <-> 64 bits, PostgreSQL's LSN text. */
bool str_to_lsn(struct str s, uint64_t *out);
#define LSN_TEXT_MAX 20
const char *lsn_text(uint64_t lsn, char buf[LSN_TEXT_MAX]);
/* Shell-style pattern with '*' and '?' over the whole string. */
bool str_glob(struct str pattern, struct str s);
/* The entry of `names` (NULL-ended) nearest to s by edit distance, or NULL when none is near: for "did you mean". */
const char *str_nearest(struct str s, const char *const *names);
/* strlcpy-like: always zero-ends; returns false when cut. */
bool str_copy(char *dst, size_t dst_size, struct str s);

#endif
