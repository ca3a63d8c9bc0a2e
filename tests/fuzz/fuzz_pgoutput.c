/* tests/fuzz/fuzz_pgoutput.c — a replication session: frames (u32 little-endian length, CopyData body) through the decoder, the rows' values into a batch.
 *
 * What the decoder hands out must stay inside the message; reading it into columns makes a sanitizer look at every byte. */
#include <stdint.h>

#include "base/mem.h"
#include "base/rbuf.h"
#include "event/batch.h"
#include "pg/pg_types.h"
#include "pg/pgoutput.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int describe(void *ctx, uint32_t oid, char replica_identity, const struct pgoutput_relcol *cols, uint16_t n_cols,
                    struct str schema, struct str name, struct relation **out, struct err *err)
{
	struct relation *rel = relation_new(oid, schema, name, n_cols);

	(void)ctx;
	(void)replica_identity;
	for (uint16_t i = 0; rel && i < n_cols; i++) {
		struct pg_type_info info = { .oid = cols[i].type_oid, .typmod = cols[i].typmod };

		if (relation_set_column(rel, i, cols[i].name, pg_type_map(&info), info.oid, info.typmod,
		                        STR_LIT("type"), cols[i].identity, false))
			return err_nomem(err);
	}
	if (!rel || relation_seal(rel))
		return err_nomem(err);
	*out = rel;
	return pg_types_bind(rel, err);
}

static void put_row(const struct relation *rel, const struct datum *row)
{
	struct type types[64]; /* wider tables say nothing new */
	struct batch *batch;
	struct wbuf text;
	struct err err;

	if (!row || rel->n_columns > 64)
		return;
	for (uint16_t i = 0; i < rel->n_columns; i++)
		types[i] = rel->columns[i].type;
	batch = batch_new(types, rel->n_columns, 1);
	wbuf_init(&text, 0);
	for (uint16_t i = 0; batch && i < rel->n_columns; i++)
		if (rel->columns[i].put(&rel->columns[i], &row[i], batch, &batch->columns[i], 0, &err) == 0) {
			wbuf_reset(&text);
			column_text(&batch->columns[i], 0, &text);
		}
	wbuf_free(&text);
	batch_free(batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct pgoutput *p = pgoutput_new(describe, NULL);
	struct rbuf r = rbuf_of(data, n);

	while (p && rbuf_left(&r) >= 4) {
		struct pgoutput_msg msg;
		struct err err;
		uint32_t len = rbuf_u32_le(&r);
		struct str body = rbuf_bytes(&r, len < rbuf_left(&r) ? len : rbuf_left(&r));
		char *copy = mem_alloc(body.n ? body.n : 1); /* its own block: a read past the end is seen */

		if (!copy)
			break;
		memcpy(copy, body.p, body.n);
		if (pgoutput_decode(p, str_view(copy, body.n), &msg, &err) == 0 && msg.kind == PGOUTPUT_CHANGE) {
			put_row(msg.change.rel, msg.change.old_key);
			put_row(msg.change.rel, msg.change.row);
		}
		mem_free(copy);
	}
	pgoutput_free(p);
	return 0;
}
