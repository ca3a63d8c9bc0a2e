/* src/base/arena.h — memory freed as a whole: allocate into a named life time (process, pipeline, batch, message,
 * request).
 *
 * Not thread-safe. Blocks stay where they are until reset or free. */
#ifndef TARN_BASE_ARENA_H
#define TARN_BASE_ARENA_H

#include "base/str.h"

struct arena;

struct arena *arena_new(size_t max_bytes); /* 0: no maximum; NULL: no memory */
void arena_free(struct arena *arena);      /* NULL allowed */
void arena_reset(struct arena *arena);     /* frees all but one block of ordinary size */
/* 16-byte aligned, not zeroed; NULL: no memory or maximum passed */
void *arena_alloc(struct arena *arena, size_t n);
void *arena_zero(struct arena *arena, size_t n);
char *arena_strdup(struct arena *arena, struct str s);   /* zero-ended copy */
struct str arena_str(struct arena *arena, struct str s); /* copied view; p NULL when out of memory */
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t arena_bytes(const struct arena *arena); /* allocated from the system */

#endif
