/* src/lake/bitmap.h — a set of row positions (64 bits), as deleted rows of one data file.
 *
 * Sorted pairs of the position's high 32 bits and a 32-bit Roaring bitmap (libroaring; this folder alone includes
 * it). One thread at a time, serialising included: it repacks runs. libroaring allocates for itself and does not
 * survive the want of memory inside one 32-bit bitmap; our own allocations answer -1 or ERR_NOMEM. */
#ifndef TARN_LAKE_BITMAP_H
#define TARN_LAKE_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/wbuf.h"

struct bitmap;

/* Largest position (iceberg-java's RoaringPositionBitmap.MAX_POSITION, the narrowest of the readers): keys 0 .. 2^31-2. */
#define BITMAP_POSITION_MAX (((uint64_t)0x7ffffffe << 32) | 0x80000000u)
/* Readers in Java hold a blob in one array: a serialised form above 2 GiB is refused when written and when read. */
#define BITMAP_BYTES_MAX ((size_t)0x7fffffff)

struct bitmap *bitmap_new(void);                          /* NULL: no memory */
void bitmap_free(struct bitmap *bitmap);                  /* NULL allowed */
struct bitmap *bitmap_clone(const struct bitmap *bitmap); /* NULL: no memory */

/* 1: new, 0: was there, -1: no memory or above BITMAP_POSITION_MAX */
int bitmap_add(struct bitmap *bitmap, uint64_t pos);
int bitmap_add_range(struct bitmap *bitmap, uint64_t from, uint64_t to); /* [from, to); 0 or -1 as above */
int bitmap_add_all(struct bitmap *bitmap, const struct bitmap *other);   /* union; 0 or -1: no memory */
bool bitmap_contains(const struct bitmap *bitmap, uint64_t pos);
uint64_t bitmap_cardinality(const struct bitmap *bitmap); /* kept, not counted */
/* Members below pos: where a live row goes when the dead before it are squeezed out is pos - bitmap_rank(pos). */
uint64_t bitmap_rank(const struct bitmap *bitmap, uint64_t pos);
bool bitmap_equal(const struct bitmap *a, const struct bitmap *b);
/* Up to n members >= from into out, ascending; returns how many. For going through all: from = last + 1. */
size_t bitmap_read(const struct bitmap *bitmap, uint64_t from, uint64_t *out, size_t n);
/* fn for each member, ascending; stops at and returns its first non-zero answer. */
int bitmap_iterate(const struct bitmap *bitmap, int (*fn)(void *arg, uint64_t pos), void *arg);

/* The body of an Iceberg deletion-vector-v1 blob (Puffin specification): magic D1 D3 39 64, u64 LE number of 32-bit
 * bitmaps, for each, ascending, u32 LE key and the bitmap in Roaring's portable form. No length, no checksum
 * (iceberg/puffin.h adds them). */
int bitmap_serialize(struct bitmap *bitmap, struct wbuf *out, struct err *err) TARN_MUST_CHECK;
/* Strict: order, cardinalities, offsets, container limits and the exact length are checked before libroaring sees a
 * byte. ERR_CORRUPT names `what` and the offset. */
int bitmap_deserialize(struct str bytes, const char *what, struct bitmap **out, struct err *err) TARN_MUST_CHECK;

#endif
