/* tests/fuzz/fuzz_puffin.c — first byte 0: a deletion vector's bitmap bytes; else a whole Puffin file, each of whose vectors is read. What is accepted as a bitmap must write and read back equal. */
#include <stdint.h>
#include <stdlib.h>

#include "iceberg/puffin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void bitmap(struct str bytes)
{
	struct bitmap *b, *again;
	struct wbuf w;
	struct err err;

	if (bitmap_deserialize(bytes, "fuzz", &b, &err))
		return;
	wbuf_init(&w, 0);
	if (bitmap_serialize(b, &w, &err) || bitmap_deserialize(wbuf_str(&w), "fuzz", &again, &err) ||
	    !bitmap_equal(b, again))
		abort();
	if (bitmap_rank(b, UINT64_MAX) != bitmap_cardinality(b))
		abort();
	bitmap_free(again);
	bitmap_free(b);
	wbuf_free(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str file = str_view(data + 1, n ? n - 1 : 0);
	struct puffin_blob *blobs;
	struct bitmap *b;
	struct err err;
	size_t n_blobs;

	if (n == 0)
		return 0;
	if (data[0] == 0) {
		bitmap(file);
		return 0;
	}
	if (puffin_read_footer(file, "fuzz", &blobs, &n_blobs, &err))
		return 0;
	for (size_t i = 0; i < n_blobs; i++)
		if (puffin_read_dv(str_view(file.p + blobs[i].offset, blobs[i].size), UINT64_MAX, "fuzz", &b, &err) ==
		    0)
			bitmap_free(b);
	puffin_blobs_free(blobs, n_blobs);
	return 0;
}
