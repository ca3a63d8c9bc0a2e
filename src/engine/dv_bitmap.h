/* src/engine/dv_bitmap.h — a deletion vector read for looking rows up: which positions of one data file are deleted.
 *
 * Private to engine/. The bytes are those of a Puffin deletion-vector-v1 blob without the outer length and CRC
 * (Iceberg, Puffin spec, "deletion-vector-v1 blob type"):
 *   magic D1 D3 39 64, u64 LE count of 32-bit bitmaps, and per bitmap u32 LE key and a portable Roaring bitmap
 *     (RoaringFormatSpec): cookie: u32 12346 and u32 container count, or u16 12347, u16 count - 1 and a bit a
 *     container telling run containers per container u16 key, u16 cardinality - 1; offsets (u32 each) unless there
 *     are run containers and fewer than four containers array: u16 each, ascending; bitmap (cardinality > 4096, not
 *     run): 8192 bytes; run: u16 count, then u16 start, u16 length - 1
 * Everything becomes plain bit sets of 65536 rows, 8 KB each: a lookup is two loads, and a file's rows bound the
 * memory. */
#ifndef TARN_ENGINE_DV_BITMAP_H
#define TARN_ENGINE_DV_BITMAP_H

#include "base/err.h"
#include "base/str.h"

struct dv_bitmap {
	uint64_t **blocks; /* by row / 65536; NULL: nothing deleted there */
	uint64_t n_blocks;
	uint64_t cardinality;
};

/* rows: of the data file; a position behind it is ERR_CORRUPT like every other broken rule. */
int dv_bitmap_read(struct dv_bitmap *out, struct str bytes, uint64_t rows, struct err *err) TARN_MUST_CHECK;
void dv_bitmap_free(struct dv_bitmap *bitmap);

static inline bool dv_bitmap_has(const struct dv_bitmap *bitmap, uint64_t row)
{
	uint64_t block = row >> 16;

	return block < bitmap->n_blocks && bitmap->blocks[block] &&
	       (bitmap->blocks[block][(row & 0xFFFF) >> 6] >> (row & 63) & 1);
}

#endif
