/* src/event/change.c — the durable form of one change (layout in change.h). */
#include "event/change.h"

#include "base/mem.h"

#define HAS_OLD_KEY 1
#define HAS_ROW 2

/* The hot path of capture: one reserve for the whole tuple, then plain stores. */
static void put_tuple(struct wbuf *out, const struct datum *datums, uint16_t n)
{
	size_t bytes = 2;
	uint8_t *p;

	for (uint16_t i = 0; i < n; i++)
		bytes += datums[i].kind == DATUM_TEXT || datums[i].kind == DATUM_BINARY ? 5 + (size_t)datums[i].n : 1;
	p = wbuf_reserve(out, bytes);
	if (!p)
		return;
	memcpy(p, &n, 2);
	p += 2;
	for (uint16_t i = 0; i < n; i++) {
		*p++ = datums[i].kind;
		if (datums[i].kind != DATUM_TEXT && datums[i].kind != DATUM_BINARY)
			continue;
		memcpy(p, &datums[i].n, 4);
		memcpy(p + 4, datums[i].p, datums[i].n);
		p += 4 + (size_t)datums[i].n;
	}
	out->n += bytes;
}

void change_encode(const struct change *change, struct wbuf *out)
{
	uint16_t n = change->rel->n_columns;

	wbuf_put_u8(out, change->op);
	wbuf_put_u8(out, (uint8_t)((change->old_key ? HAS_OLD_KEY : 0) | (change->row ? HAS_ROW : 0)));
	wbuf_put_u32_le(out, change->rel->version);
	if (change->old_key)
		put_tuple(out, change->old_key, n);
	if (change->row)
		put_tuple(out, change->row, n);
}

static int get_tuple(struct rbuf *in, struct datum *datums, uint16_t n_columns, struct err *err)
{
	uint16_t n = rbuf_u16_le(in);

	if (!rbuf_ok(in) || n != n_columns)
		return err_set(err, ERR_CORRUPT, "change record: %u values for %u columns", n, n_columns);
	for (uint16_t i = 0; i < n; i++) {
		struct datum *d = &datums[i];

		d->kind = rbuf_u8(in);
		d->n = 0;
		d->p = NULL;
		if (d->kind == DATUM_TEXT || d->kind == DATUM_BINARY) {
			d->n = rbuf_u32_le(in);
			d->p = rbuf_take(in, d->n);
		} else if (d->kind != DATUM_NULL && d->kind != DATUM_UNCHANGED) {
			return err_set(err, ERR_CORRUPT, "change record: unknown value kind %u", d->kind);
		}
	}
	return rbuf_ok(in) ? ERR_OK : err_set(err, ERR_CORRUPT, "change record is cut short");
}

static bool op_ok(uint8_t op, uint8_t flags)
{
	switch (op) {
	case OP_INSERT: return flags == HAS_ROW;
	case OP_UPDATE: return flags == HAS_ROW || flags == (HAS_ROW | HAS_OLD_KEY);
	case OP_DELETE: return flags == HAS_OLD_KEY;
	case OP_TRUNCATE: return flags == 0;
	}
	return false;
}

int change_decode(struct rbuf *in, struct change_scratch *scratch, find_relation_fn find, void *ctx, struct change *out,
                  struct err *err)
{
	uint8_t op = rbuf_u8(in), flags = rbuf_u8(in);
	uint32_t version = rbuf_u32_le(in);
	const struct relation *rel;
	int rc;

	if (!rbuf_ok(in) || !op_ok(op, flags))
		return err_set(err, ERR_CORRUPT, "change record: operation %u with flags %u", op, flags);
	rel = find(ctx, version);
	if (!rel)
		return err_set(err, ERR_CORRUPT, "change record: relation version %u was never announced", version);
	if (vec_grow(&scratch->datums, &scratch->cap, 2 * (size_t)rel->n_columns + 1, sizeof *scratch->datums))
		return err_nomem(err);
	out->op = op;
	out->rel = rel;
	out->old_key = flags & HAS_OLD_KEY ? scratch->datums : NULL;
	out->row = flags & HAS_ROW ? scratch->datums + rel->n_columns : NULL;
	if (out->old_key && (rc = get_tuple(in, scratch->datums, rel->n_columns, err)))
		return rc;
	if (out->row && (rc = get_tuple(in, scratch->datums + rel->n_columns, rel->n_columns, err)))
		return rc;
	return ERR_OK;
}

void change_scratch_free(struct change_scratch *scratch)
{
	mem_free(scratch->datums);
	*scratch = (struct change_scratch){ NULL, 0 };
}
