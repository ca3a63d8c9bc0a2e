/* src/lake/data_writer.c — batches to a Parquet file and its metrics. */
#include "lake/data_writer.h"

#include <stdio.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "lake/column_stats.h"
#include "lake/parquet_footer.h"

struct data_writer {
	struct lake *lake;
	struct parquet_writer *parquet;
	struct batch *batch; /* being filled */
	struct column_stats *stats;
	struct type *types; /* of the columns */
	uint16_t n_columns;
	bool has_lists;
	uint64_t flushed;   /* rows handed to the encoder */
	uint64_t bytes;     /* of those */
	size_t fixed_bytes; /* of an empty batch */
	char uri[1200];
	char temp[4096]; /* where DuckDB writes */
	const char *key; /* store key, inside uri */
};

static int open_parquet(struct data_writer *w, const struct lake_field *fields, struct err *err)
{
	struct parquet_field *parquet = mem_array(w->n_columns, sizeof *parquet);
	struct duck *duck;
	int rc;

	if (!parquet)
		return err_nomem(err);
	for (uint16_t i = 0; i < w->n_columns; i++)
		parquet[i] = (struct parquet_field){ fields[i].name, fields[i].type, fields[i].id, fields[i].elem_id };
	rc = lake_duck(w->lake, &duck, err);
	if (!rc)
		rc = parquet_writer_open(duck, w->temp, parquet, w->n_columns, NULL, &w->parquet, err);
	mem_free(parquet);
	return rc;
}

static int open_parts(struct data_writer *w, const char *location, const struct lake_field *fields, struct err *err)
{
	struct lake *lake = w->lake;
	char uuid[37];
	int rc;

	env_uuid_text(uuid);
	if (snprintf(w->uri, sizeof w->uri, "%s/data/%s.parquet", location, uuid) >= (int)sizeof w->uri)
		return err_set(err, ERR_LIMIT, "location '%s' is too long", location);
	w->key = store_key(lake->store, w->uri);
	if (!w->key)
		return err_set(err, ERR_IDENTITY, "table location '%s' is not inside the warehouse %s", location,
		               lake->store->root_uri);
	w->types = mem_array(w->n_columns, sizeof *w->types);
	if (!w->types)
		return err_nomem(err);
	for (uint16_t i = 0; i < w->n_columns; i++) {
		w->types[i] = fields[i].type;
		w->has_lists |= fields[i].type.kind == TYPE_LIST;
	}
	w->stats = column_stats_new(fields, w->n_columns);
	w->batch = batch_new(w->types, w->n_columns, BATCH_ROWS);
	if (!w->stats || !w->batch)
		return err_nomem(err);
	w->fixed_bytes = batch_bytes(w->batch) - arena_bytes(w->batch->arena);
	rc = lake->store->ops->file_begin(lake->store, w->key, w->temp, sizeof w->temp, err);
	return rc ? rc : open_parquet(w, fields, err);
}

int data_writer_open(struct lake *lake, const char *location, const struct lake_field *fields, size_t n_fields,
                     struct data_writer **out, struct err *err)
{
	struct data_writer *w = mem_zero(sizeof *w);
	int rc;

	CHECK(n_fields > 0 && n_fields <= UINT16_MAX);
	if (!w)
		return err_nomem(err);
	w->lake = lake;
	w->n_columns = (uint16_t)n_fields;
	rc = open_parts(w, location, fields, err);
	if (rc) {
		data_writer_abort(w);
		return rc;
	}
	*out = w;
	return ERR_OK;
}

static void writer_free(struct data_writer *w)
{
	batch_free(w->batch);
	column_stats_free(w->stats);
	mem_free(w->types);
	mem_free(w);
}

void data_writer_abort(struct data_writer *w)
{
	if (!w)
		return;
	if (w->parquet)
		parquet_writer_abort(w->parquet);
	if (w->temp[0])
		w->lake->store->ops->file_abort(w->lake->store, w->temp);
	writer_free(w);
}

/* Of the batch being filled: its rows' share of the columns, and all of its texts and list elements. Asked for each
 * row, so only lists look at every column. */
static uint64_t batch_share(const struct data_writer *w)
{
	const struct batch *batch = w->batch;
	uint64_t n;

	if (!batch)
		return 0;
	n = (uint64_t)w->fixed_bytes * batch->n / batch->cap;
	return n + (w->has_lists ? batch_bytes(batch) - w->fixed_bytes : arena_bytes(batch->arena));
}

static int flush_batch(struct data_writer *w, struct err *err)
{
	struct batch *full = w->batch;
	uint32_t n = full->n;

	if (n == 0)
		return ERR_OK;
	if (column_stats_add(w->stats, full, 0, n))
		return err_nomem(err);
	w->bytes += batch_share(w);
	w->flushed += n;
	w->batch = NULL;
	return parquet_writer_append(w->parquet, full, err);
}

int data_writer_row(struct data_writer *w, struct batch **batch, struct err *err)
{
	if (w->batch && w->batch->n == w->batch->cap) {
		int rc = flush_batch(w, err);

		if (rc)
			return rc;
	}
	if (!w->batch && !(w->batch = batch_new(w->types, w->n_columns, BATCH_ROWS)))
		return err_nomem(err);
	*batch = w->batch;
	return ERR_OK;
}

uint64_t data_writer_rows(const struct data_writer *w) { return w->flushed + (w->batch ? w->batch->n : 0); }
uint64_t data_writer_flushed(const struct data_writer *w) { return w->flushed; }
const char *data_writer_path(const struct data_writer *w) { return w->uri; }

uint64_t data_writer_bytes(const struct data_writer *w) { return w->bytes + batch_share(w); }

/* Metrics: counts and bounds from the batches, column sizes and row group starts from the file's own footer. */
static int describe(struct data_writer *w, uint64_t rows, struct data_file **out, struct err *err)
{
	struct data_file *file = data_file_new(w->uri);
	int rc;

	if (!file)
		return err_nomem(err);
	file->record_count = rows;
	rc = column_stats_finish(w->stats, &file->metrics, &file->n_metrics, err);
	if (!rc)
		rc = parquet_footer_describe(w->temp, file, err);
	if (!rc && file->record_count != rows)
		rc = err_set(err, ERR_BUG, "data file %s has %llu rows, %llu were written", w->uri,
		             (unsigned long long)file->record_count, (unsigned long long)rows);
	if (rc) {
		data_file_free(file);
		return rc;
	}
	*out = file;
	return ERR_OK;
}

static int finish_parts(struct data_writer *w, struct data_file **out, struct err *err)
{
	struct parquet_writer *parquet;
	struct data_file *file = NULL;
	uint64_t rows, size;
	int rc = flush_batch(w, err);

	if (rc)
		return rc;
	parquet = w->parquet;
	w->parquet = NULL;
	rc = parquet_writer_finish(parquet, &rows, err);
	if (rc)
		return rc;
	if (rows != w->flushed)
		return err_set(err, ERR_BUG, "the encoder wrote %llu of %llu rows", (unsigned long long)rows,
		               (unsigned long long)w->flushed);
	FAILPOINT_ERR("lake.data_file.encoded", err);
	rc = describe(w, rows, &file, err);
	if (!rc)
		rc = w->lake->store->ops->file_finish(w->lake->store, w->key, w->temp, &size, err);
	if (rc) {
		data_file_free(file);
		return rc;
	}
	w->temp[0] = '\0';
	*out = file;
	return ERR_OK;
}

int data_writer_finish(struct data_writer *w, struct data_file **out, struct err *err)
{
	int rc = finish_parts(w, out, err);

	if (rc) {
		data_writer_abort(w);
		return rc;
	}
	writer_free(w);
	return ERR_OK;
}
