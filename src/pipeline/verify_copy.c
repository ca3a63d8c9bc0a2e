/* src/pipeline/verify_copy.c — one source table under the cut's snapshot, as a Parquet file. */
#include <stdio.h>

#include "base/mem.h"
#include "pg/pg_copy.h"
#include "pg/pg_types.h"
#include "pipeline/verify_int.h"

static int copy_rows(struct verify_table *t, struct parquet_writer *writer, const struct type *types, struct err *err)
{
	struct pg_copy *copy;
	bool done = false;
	int rc = pg_copy_open(t->run->conn, t->rel, &copy, err);

	if (rc)
		return rc;
	while (!rc && !done) {
		struct batch *batch = batch_new(types, t->rel->n_columns, BATCH_ROWS);

		if (!batch) {
			rc = err_nomem(err);
			break;
		}
		rc = pg_copy_read(copy, batch, &done, err);
		t->source_rows += batch->n;
		if (rc || batch->n == 0)
			batch_free(batch);
		else
			rc = parquet_writer_append(writer, batch, err);
		if (t->run->opts->stage)
			t->run->opts->stage(t->run->opts->arg, t->label, t->source_rows, 0);
	}
	pg_copy_close(copy);
	return rc;
}

int verify_copy_source(struct verify_table *t, struct err *err)
{
	uint16_t n = t->rel->n_columns;
	struct parquet_field *fields = mem_array(n + 1u, sizeof *fields);
	struct type *types = mem_array(n + 1u, sizeof *types);
	struct parquet_writer *writer = NULL;
	uint64_t rows;
	int rc = fields && types ? pg_types_bind(t->rel, err) : err_nomem(err);

	for (uint16_t i = 0; !rc && i < n; i++) {
		types[i] = t->rel->columns[i].type;
		fields[i] = (struct parquet_field){ t->rel->columns[i].name, types[i], i + 1, n + i + 1 };
	}
	if (!rc)
		rc = parquet_writer_open(t->run->duck, t->path, fields, n, NULL, &writer, err);
	if (!rc) {
		rc = copy_rows(t, writer, types, err);
		if (rc)
			parquet_writer_abort(writer);
		else
			rc = parquet_writer_finish(writer, &rows, err);
	}
	mem_free(fields);
	mem_free(types);
	return rc;
}
