/* src/iceberg/avro_write.c — writes Avro object container files with deflated blocks. */
#include "iceberg/avro.h"

#include <zlib.h>

#include "base/env.h"
#include "base/mem.h"

/* As avro-java's default sync interval: readers of large manifests work block by block. */
#define BLOCK_BYTES ((size_t)64 * 1024)

void avro_put_long(struct wbuf *w, int64_t v) { wbuf_put_varint(w, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63)); }

void avro_put_bytes(struct wbuf *w, struct str v)
{
	avro_put_long(w, (int64_t)v.n);
	wbuf_put_str(w, v);
}

void avro_put_null(struct wbuf *w) { avro_put_long(w, 0); }
void avro_put_opt(struct wbuf *w) { avro_put_long(w, 1); }

void avro_put_opt_long(struct wbuf *w, int64_t v, bool set)
{
	if (!set) {
		avro_put_null(w);
		return;
	}
	avro_put_opt(w);
	avro_put_long(w, v);
}

int avro_writer_begin(struct avro_writer *w, const char *schema, const struct avro_meta *meta, size_t n_meta,
                      struct err *err)
{
	memset(w, 0, sizeof *w);
	wbuf_init(&w->out, 0);
	wbuf_init(&w->block, 0);
	if (env_random(w->sync, sizeof w->sync))
		return err_set(err, ERR_IO, "no random bytes for an Avro sync marker");
	wbuf_put(&w->out, "Obj\x01", 4);
	avro_put_long(&w->out, (int64_t)n_meta + 2);
	avro_put_bytes(&w->out, STR_LIT("avro.schema"));
	avro_put_bytes(&w->out, str_of(schema));
	avro_put_bytes(&w->out, STR_LIT("avro.codec"));
	avro_put_bytes(&w->out, STR_LIT("deflate"));
	for (size_t i = 0; i < n_meta; i++) {
		avro_put_bytes(&w->out, str_of(meta[i].key));
		avro_put_bytes(&w->out, meta[i].value);
	}
	avro_put_long(&w->out, 0); /* end of the map */
	wbuf_put(&w->out, w->sync, sizeof w->sync);
	return wbuf_check(&w->out, err, "Avro header");
}

static int deflate_raw(struct wbuf *out, struct str in)
{
	z_stream z = { 0 };
	size_t bound;
	uint8_t *room;
	int rc;

	if (in.n > UINT32_MAX ||
	    deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	bound = deflateBound(&z, in.n);
	room = bound <= UINT32_MAX ? wbuf_reserve(out, bound) : NULL;
	if (!room) {
		deflateEnd(&z);
		return -1;
	}
	z.next_in = (Bytef *)(uintptr_t)in.p;
	z.avail_in = (uInt)in.n;
	z.next_out = room;
	z.avail_out = (uInt)bound;
	rc = deflate(&z, Z_FINISH);
	out->n += bound - z.avail_out;
	deflateEnd(&z);
	return rc == Z_STREAM_END ? 0 : -1;
}

static void flush_block(struct avro_writer *w)
{
	struct wbuf packed;

	if (w->n_records == 0)
		return;
	wbuf_init(&packed, 0);
	if (wbuf_failed(&w->block) || deflate_raw(&packed, wbuf_str(&w->block)))
		w->failed = true;
	avro_put_long(&w->out, w->n_records);
	avro_put_bytes(&w->out, wbuf_str(&packed));
	wbuf_put(&w->out, w->sync, sizeof w->sync);
	wbuf_free(&packed);
	wbuf_reset(&w->block);
	w->n_records = 0;
}

void avro_writer_record(struct avro_writer *w)
{
	w->n_records++;
	if (w->block.n >= BLOCK_BYTES)
		flush_block(w);
}

int avro_writer_finish(struct avro_writer *w, const char *what, struct err *err)
{
	flush_block(w);
	if (w->failed)
		return err_nomem(err);
	return wbuf_check(&w->out, err, what);
}

void avro_writer_free(struct avro_writer *w)
{
	wbuf_free(&w->out);
	wbuf_free(&w->block);
}
