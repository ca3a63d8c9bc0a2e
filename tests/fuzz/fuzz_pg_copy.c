/* tests/fuzz/fuzz_pg_copy.c — one message of a binary COPY, header first, into a batch with a column of every exact type and one that the SELECT cast to text. */
#include <stdint.h>

#include "event/batch.h"
#include "pg/pg_copy_int.h"
#include "pg/pg_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* numeric's typmod: ((precision << 16) | scale) + 4 */
#define NUMERIC(p, s) (((p) << 16 | (s)) + 4)

static const struct { uint32_t oid; int32_t typmod; } columns[] = {
	{ 20, -1 }, { 16, -1 }, { 21, -1 }, { 23, -1 }, { 700, -1 }, { 701, -1 }, { 1700, NUMERIC(12, 2) }, { 1700, NUMERIC(30, 4) }, { 1700, -1 }, { 25, -1 }, { 1042, 8 }, { 19, -1 }, { 18, -1 },
	{ 17, -1 }, { 2950, -1 }, { 1082, -1 }, { 1083, -1 }, { 1114, -1 }, { 1184, -1 }, { 114, -1 }, { 3802, -1 }, { 1007, -1 }, { 1009, -1 }, { 1231, NUMERIC(12, 2) }, { 1186, -1 },
};
#define N_COLUMNS (sizeof columns / sizeof *columns)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct relation *rel = relation_new(1, STR_LIT("public"), STR_LIT("all_types"), N_COLUMNS);
	uint8_t as_text[N_COLUMNS] = { 0 };
	struct type types[N_COLUMNS];
	struct copy_parser parser = { .rel = rel, .as_text = as_text };
	struct batch *batch;
	struct wbuf text;
	struct err err;
	size_t at = 0;
	int rc = ERR_OK;

	err_clear(&err);
	for (uint16_t i = 0; i < N_COLUMNS; i++) {
		struct pg_type_info info = { .oid = columns[i].oid, .typmod = columns[i].typmod, .typtype = 'b' };
		char name[8] = { 'c', (char)('a' + i) };

		types[i] = pg_type_map(&info);
		as_text[i] = !pg_type_binary_ok(&info);
		if (relation_set_column(rel, i, str_of(name), types[i], info.oid, info.typmod, STR_LIT("type"), i == 0, i == 0))
			return 0;
	}
	if (relation_seal(rel) || pg_types_bind(rel, &err))
		__builtin_trap();
	batch = batch_new(types, N_COLUMNS, 8);
	wbuf_init(&text, 0);
	while (batch && !rc && at < n) { /* as the reader does: a full batch, then on in the same message */
		size_t before = at;

		batch_reset(batch);
		rc = copy_parse(&parser, data, n, &at, batch, &err);
		for (uint32_t row = 0; row < batch->n; row++)
			for (uint16_t i = 0; i < N_COLUMNS; i++) {
				wbuf_reset(&text);
				column_text(&batch->columns[i], row, &text);
			}
		if (!rc && (at <= before || at > n))
			__builtin_trap();
	}
	wbuf_free(&text);
	batch_free(batch);
	relation_unref(rel);
	return 0;
}
