/* src/lake/bitmap_int.h — for bitmap.c and bitmap_format.c only. */
#ifndef TARN_LAKE_BITMAP_INT_H
#define TARN_LAKE_BITMAP_INT_H

#include <roaring/roaring.h>

#include "lake/bitmap.h"

struct bitmap_part {
	uint32_t key;           /* high 32 bits of the positions */
	roaring_bitmap_t *bits; /* owned, never NULL */
};

struct bitmap {
	struct bitmap_part *parts; /* ascending keys; a part may be empty (foreign writers fill gaps) */
	size_t n, cap;
	uint64_t cardinality;
};

/* key above all others; takes bits when 0; -1: no memory */
int bitmap_append_part(struct bitmap *bitmap, uint32_t key, roaring_bitmap_t *bits);

#endif
