/* src/iceberg/puffin.c — Puffin files of deletion vectors, written and read. */
#include "iceberg/puffin.h"

#include <inttypes.h>

#include "base/crc.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rbuf.h"

static const char magic[4] = { 'P', 'F', 'A', '1' };

#define DV_TYPE "deletion-vector-v1"
#define DV_POS_FIELD 2147483645 /* _pos, reserved field id: the vector is over row positions */
#define BLOB_FRAME 8            /* length and CRC around magic and bitmap */
#define FOOTER_FIXED 16         /* leading magic, length, flags, trailing magic */
#define FOOTER_JSON_MAX ((size_t)64 << 20)

void puffin_init(struct puffin *puffin)
{
	wbuf_init(&puffin->bytes, 0);
	wbuf_init(&puffin->blobs, FOOTER_JSON_MAX);
	puffin->n_blobs = 0;
	wbuf_put(&puffin->bytes, magic, sizeof magic);
}

void puffin_free(struct puffin *puffin)
{
	wbuf_free(&puffin->bytes);
	wbuf_free(&puffin->blobs);
}

static void put_blob_entry(struct puffin *puffin, const char *data_path, uint64_t offset, uint64_t size,
                           uint64_t cardinality)
{
	struct wbuf *w = &puffin->blobs;

	wbuf_putz(w, puffin->n_blobs++ ? "," : "");
	/* Snapshot and sequence number are -1: they are inherited from the commit, which is not known yet
	 * (specification, "Deletion vectors"). */
	wbuf_putf(w,
	          "{\"type\":\"" DV_TYPE
	          "\",\"fields\":[%d],\"snapshot-id\":-1,\"sequence-number\":-1,\"offset\":%" PRIu64
	          ",\"length\":%" PRIu64 ",\"properties\":{\"referenced-data-file\":",
	          DV_POS_FIELD, offset, size);
	wbuf_put_json_str(w, str_of(data_path));
	wbuf_putf(w, ",\"cardinality\":\"%" PRIu64 "\"}}", cardinality);
}

int puffin_add_dv(struct puffin *puffin, const char *data_path, struct bitmap *bitmap, uint64_t *offset, uint64_t *size,
                  struct err *err)
{
	struct wbuf *w = &puffin->bytes;
	size_t start = w->n, body;
	uint32_t length_be;
	int rc;

	wbuf_put_u32_be(w, 0);
	body = w->n;
	rc = bitmap_serialize(bitmap, w, err);
	if (rc)
		return err_prefix(err, "deletion vector of \"%s\"", data_path);
	length_be = __builtin_bswap32((uint32_t)(w->n - body));
	memcpy(w->p + start, &length_be, 4);
	wbuf_put_u32_be(w, crc32_ieee(0, w->p + body, w->n - body));
	*offset = start;
	*size = w->n - start;
	put_blob_entry(puffin, data_path, *offset, *size, bitmap_cardinality(bitmap));
	rc = wbuf_check(w, err, "Puffin file");
	return rc ? rc : wbuf_check(&puffin->blobs, err, "Puffin footer");
}

int puffin_finish(struct puffin *puffin, struct err *err)
{
	struct wbuf *w = &puffin->bytes;
	size_t json_at;
	int rc = wbuf_check(&puffin->blobs, err, "Puffin footer");

	if (rc)
		return rc;
	wbuf_put(w, magic, sizeof magic);
	json_at = w->n;
	wbuf_putz(w, "{\"blobs\":[");
	wbuf_put_str(w, wbuf_str(&puffin->blobs));
	wbuf_putz(w, "],\"properties\":{\"created-by\":\"Tarn\"}}");
	wbuf_put_u32_le(w, (uint32_t)(w->n - json_at));
	wbuf_put_u32_le(w, 0);
	wbuf_put(w, magic, sizeof magic);
	return wbuf_check(w, err, "Puffin file");
}

int puffin_read_dv(struct str blob, uint64_t cardinality, const char *what, struct bitmap **out, struct err *err)
{
	struct rbuf r = rbuf_of(blob.p, blob.n);
	uint32_t length = rbuf_u32_be(&r), crc;
	struct str body;
	int rc;

	*out = NULL;
	if (blob.n < BLOB_FRAME || length != blob.n - BLOB_FRAME)
		return err_set(err, ERR_CORRUPT,
		               "%s: a deletion vector of %zu bytes says it has %" PRIu32
		               " bytes of bitmap; the file is damaged, or offset and size in the manifest are wrong",
		               what, blob.n, length);
	body = rbuf_bytes(&r, length);
	crc = rbuf_u32_be(&r);
	if (crc32_ieee(0, body.p, body.n) != crc)
		return err_set(err, ERR_CORRUPT, "%s: the deletion vector's checksum is wrong; the file is damaged",
		               what);
	rc = bitmap_deserialize(body, what, out, err);
	if (rc)
		return rc;
	if (cardinality != UINT64_MAX && bitmap_cardinality(*out) != cardinality) {
		rc = err_set(err, ERR_CORRUPT,
		             "%s: the deletion vector holds %" PRIu64 " rows, the manifest says %" PRIu64, what,
		             bitmap_cardinality(*out), cardinality);
		bitmap_free(*out);
		*out = NULL;
	}
	return rc;
}

/* --- footer --- */

void puffin_blobs_free(struct puffin_blob *blobs, size_t n)
{
	for (size_t i = 0; blobs && i < n; i++) {
		mem_free(blobs[i].type);
		mem_free(blobs[i].referenced_data_file);
	}
	mem_free(blobs);
}

static int read_blob_entry(const json_t *entry, uint64_t end, const char *what, struct puffin_blob *blob,
                           struct err *err)
{
	const char *type = json_get_str(entry, "type", NULL);
	int64_t offset = json_get_int(entry, "offset", -1), size = json_get_int(entry, "length", -1);
	const json_t *properties = json_object_get(entry, "properties");
	const char *path = json_get_str(properties, "referenced-data-file", NULL);
	const char *count = json_get_str(properties, "cardinality", NULL);

	if (!type || offset < (int64_t)sizeof magic || size < 0 || (uint64_t)offset > end ||
	    (uint64_t)size > end - (uint64_t)offset)
		return err_set(err, ERR_CORRUPT,
		               "%s: a blob in the Puffin footer lacks its type or lies outside the file", what);
	blob->offset = (uint64_t)offset;
	blob->size = (uint64_t)size;
	blob->compressed = json_has(entry, "compression-codec");
	blob->cardinality = -1;
	if (count && (!str_to_i64(str_of(count), &blob->cardinality) || blob->cardinality < 0))
		return err_set(err, ERR_CORRUPT, "%s: a blob in the Puffin footer has the cardinality \"%.40s\"", what,
		               count);
	blob->type = mem_strdup(type);
	blob->referenced_data_file = path ? mem_strdup(path) : NULL;
	return blob->type && (blob->referenced_data_file || !path) ? 0 : err_nomem(err);
}

static int read_entries(const json_t *root, uint64_t end, const char *what, struct puffin_blob **out, size_t *n_out,
                        struct err *err)
{
	const json_t *list = json_object_get(root, "blobs");
	size_t n = json_array_size(list);
	struct puffin_blob *blobs;

	if (!json_is_array(list))
		return err_set(err, ERR_CORRUPT, "%s: the Puffin footer has no list of blobs", what);
	blobs = mem_array(n ? n : 1, sizeof *blobs);
	if (!blobs)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		int rc = read_blob_entry(json_array_get(list, i), end, what, &blobs[i], err);

		if (rc) {
			puffin_blobs_free(blobs, n);
			return rc;
		}
	}
	*out = blobs;
	*n_out = n;
	return 0;
}

int puffin_read_footer(struct str file, const char *what, struct puffin_blob **out, size_t *n, struct err *err)
{
	struct rbuf tail;
	uint32_t json_n, flags;
	size_t footer;
	json_t *root;
	int rc;

	*out = NULL;
	*n = 0;
	if (file.n < sizeof magic + FOOTER_FIXED || memcmp(file.p, magic, sizeof magic) != 0 ||
	    memcmp(file.p + file.n - sizeof magic, magic, sizeof magic) != 0)
		return err_set(err, ERR_CORRUPT, "%s: not a Puffin file", what);
	tail = rbuf_of(file.p + file.n - 12, 12);
	json_n = rbuf_u32_le(&tail);
	flags = rbuf_u32_le(&tail);
	if (flags & 1)
		return err_set(err, ERR_UNSUPPORTED, "%s: the Puffin footer is compressed", what);
	if (flags)
		return err_set(err, ERR_UNSUPPORTED, "%s: unknown flags %#" PRIx32 " in the Puffin footer", what,
		               flags);
	if (json_n > FOOTER_JSON_MAX || json_n > file.n - sizeof magic - FOOTER_FIXED)
		return err_set(err, ERR_CORRUPT, "%s: the Puffin footer says it has %" PRIu32 " bytes", what, json_n);
	footer = file.n - FOOTER_FIXED - json_n;
	if (memcmp(file.p + footer, magic, sizeof magic) != 0)
		return err_set(err, ERR_CORRUPT, "%s: the Puffin footer does not begin with its magic number", what);
	root = json_parse(str_view(file.p + footer + sizeof magic, json_n), what, err);
	if (!root)
		return err ? err->code : ERR_CORRUPT;
	rc = read_entries(root, footer, what, out, n, err);
	json_decref(root);
	return rc;
}
