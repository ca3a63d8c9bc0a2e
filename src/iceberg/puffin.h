/* src/iceberg/puffin.h — Puffin files of deletion vectors: many small vectors of one commit in one file.
 *
 * Layout (Puffin specification): "PFA1", blobs, footer = "PFA1", JSON, u32 LE length of the JSON, 4 flag bytes (zero:
 * not compressed), "PFA1". A deletion-vector-v1 blob: u32 BE length of magic and bitmap, magic and bitmap
 * (lake/bitmap.h), u32 BE CRC-32 of these. The footer stays uncompressed and blobs carry no codec: PyIceberg and
 * DuckDB refuse others. PyIceberg reads the whole file for one blob: keep files below a few MB.
 *
 *   struct puffin w;
 *   puffin_init(&w);
 *   puffin_add_dv(&w, data_file_uri, bitmap, &offset, &size, err)   for each data file, once
 *   puffin_finish(&w, err)            then w.bytes is the whole file: store_put it
 *   puffin_free(&w);
 */
#ifndef TARN_ICEBERG_PUFFIN_H
#define TARN_ICEBERG_PUFFIN_H

#include "base/err.h"
#include "base/str.h"
#include "base/wbuf.h"
#include "lake/bitmap.h"

struct puffin {
	struct wbuf bytes; /* the file so far */
	struct wbuf blobs; /* JSON of the footer's blob entries */
	size_t n_blobs;
};

void puffin_init(struct puffin *puffin);
void puffin_free(struct puffin *puffin);
/* data_path: the data file's URI as in its manifest entry. offset and size are what the delete entry's content_offset
 * and content_size_in_bytes say. The bitmap is repacked (runs), not changed. After an error only puffin_free. */
int puffin_add_dv(struct puffin *puffin, const char *data_path, struct bitmap *bitmap, uint64_t *offset, uint64_t *size,
                  struct err *err) TARN_MUST_CHECK;
int puffin_finish(struct puffin *puffin, struct err *err) TARN_MUST_CHECK;

/* The bitmap of one blob: `blob` is exactly the bytes [offset, offset + size) of the file. `what` (the file's URI) is
 * named in errors. cardinality: what the manifest said, checked; UINT64_MAX: unknown. ERR_CORRUPT. */
int puffin_read_dv(struct str blob, uint64_t cardinality, const char *what, struct bitmap **out,
                   struct err *err) TARN_MUST_CHECK;

/* What the footer says of each blob; a whole file in memory. Owned: puffin_blobs_free. Checks magics, flags, offsets,
 * and that ranges lie between the first magic and the footer. ERR_UNSUPPORTED for a compressed footer. */
struct puffin_blob {
	char *type;                 /* "deletion-vector-v1"; others are listed too */
	char *referenced_data_file; /* NULL: not said */
	uint64_t offset, size;
	int64_t cardinality; /* -1: not said */
	bool compressed;
};
int puffin_read_footer(struct str file, const char *what, struct puffin_blob **out, size_t *n,
                       struct err *err) TARN_MUST_CHECK;
void puffin_blobs_free(struct puffin_blob *blobs, size_t n);

#endif
