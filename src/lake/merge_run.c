/* src/lake/merge_run.c — the worker of a merge: live rows of the inputs, in order, into one new file. */
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "lake/bitmap.h"
#include "lake/data_writer.h"
#include "lake/merge_int.h"

struct run {
	struct merge *m;
	struct data_writer *writer;
	struct merge_input *in;    /* being read */
	uint64_t seen;             /* rows of it */
	uint32_t rows[BATCH_ROWS]; /* live ones of the batch */
};

static bool cancelled(const struct merge *m) { return __atomic_load_n(&m->cancel, __ATOMIC_RELAXED); }

/* A row without stored lineage has what its file says. */
static void fill_lineage(struct run *run, struct batch *to, uint32_t row, uint64_t old_pos)
{
	struct column *id = &to->columns[run->m->n_fields - 2], *sequence = id + 1;

	if (!column_valid(id, row) && run->in->first_row_id >= 0) {
		COLUMN_AT(id, int64_t, row) = run->in->first_row_id + (int64_t)old_pos;
		column_set_valid(id, row);
	}
	if (!column_valid(sequence, row) && run->in->sequence >= 0) {
		COLUMN_AT(sequence, int64_t, row) = run->in->sequence;
		column_set_valid(sequence, row);
	}
}

/* What the mirror must know of the rows: keys with their new addresses, row ids. */
static int remember(struct run *run, const struct batch *to, uint32_t from, uint32_t n, struct err *err)
{
	struct merge *m = run->m;

	if (!m->key)
		return ERR_OK;
	if (m->rows + n > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "a merged file of %s would have too many rows", m->name);
	if (vec_grow(&m->entries, &m->cap_entries, m->n_entries + n, sizeof *m->entries) ||
	    vec_grow(&m->row_ids, &m->cap_row_ids, m->n_entries + n, sizeof *m->row_ids))
		return err_nomem(err);
	for (uint32_t i = from; i < from + n; i++) {
		const struct column *id = m->lineage ? &to->columns[m->n_fields - 2] : NULL;

		m->row_ids[m->n_entries] = id && column_valid(id, i) ? COLUMN_AT(id, int64_t, i) : -1;
		m->entries[m->n_entries] = (struct index_entry){ .key = key_of_row(m->key, to, m->key_columns, i),
			                                         .pos = (uint32_t)m->n_entries };
		m->n_entries++;
	}
	return ERR_OK;
}

/* n live rows, the batch's numbers in rows. */
static int append(struct run *run, const struct batch *from, uint64_t first_row, const uint32_t *rows, uint32_t n,
                  struct err *err)
{
	struct merge *m = run->m;
	struct batch *to;
	int rc;

	while (n > 0) {
		uint32_t part;

		rc = data_writer_row(run->writer, &to, err);
		if (rc)
			return rc;
		part = to->cap - to->n < n ? to->cap - to->n : n;
		for (uint16_t c = 0; c < m->n_fields; c++)
			for (uint32_t i = 0; i < part; i++)
				if (column_copy(to, &to->columns[c], to->n + i, &from->columns[c], rows[i]))
					return err_nomem(err);
		for (uint32_t i = 0; m->lineage && i < part; i++)
			fill_lineage(run, to, to->n + i, first_row + rows[i]);
		rc = remember(run, to, to->n, part, err);
		if (rc)
			return rc;
		to->n += part;
		m->rows += part;
		rows += part;
		n -= part;
	}
	return ERR_OK;
}

static int take_batch(void *arg, const struct batch *batch, uint64_t first_row, struct err *err)
{
	struct run *run = arg;
	uint32_t n = 0;

	if (cancelled(run->m))
		return err_set(err, ERR_CANCELLED, "the merge of %s was cancelled", run->m->name);
	run->seen += batch->n;
	for (uint32_t at = 0; at < batch->n;) { /* a batch may be larger than the list */
		for (n = 0; at < batch->n && n < BATCH_ROWS; at++)
			if (!run->in->deleted || !bitmap_contains(run->in->deleted, first_row + at))
				run->rows[n++] = at;
		int rc = append(run, batch, first_row, run->rows, n, err);

		if (rc)
			return rc;
	}
	return ERR_OK;
}

static int read_input(struct run *run, struct merge_input *in, const struct parquet_field *fields, struct err *err)
{
	struct merge *m = run->m;
	const char *key = store_key(m->lake->store, in->uri);
	struct duck *duck;
	char path[4096];
	int rc;

	run->in = in;
	run->seen = 0;
	in->base = m->rows;
	if (!key)
		return err_set(err, ERR_IDENTITY, "data file %s is outside the warehouse %s", in->uri,
		               m->lake->store->root_uri);
	if (in->dv.path && (rc = m->ops->read_vector(m->lake->store, in->uri, &in->dv, &in->deleted, err)))
		return err_prefix(err, "deletion vector of %s", in->uri);
	if ((rc = lake_duck(m->lake, &duck, err)) ||
	    (rc = m->lake->store->ops->local_path(m->lake->store, key, path, sizeof path, err)))
		return rc;
	rc = parquet_read(duck, path, fields, (uint16_t)m->n_fields, take_batch, run, err);
	if (!rc && run->seen != in->rows)
		rc = err_set(err, ERR_CORRUPT, "data file %s has %llu rows, the table's metadata says %llu", in->uri,
		             (unsigned long long)run->seen, (unsigned long long)in->rows);
	return rc;
}

static int read_inputs(struct run *run, struct err *err)
{
	struct merge *m = run->m;
	struct parquet_field *fields = mem_array(m->n_fields, sizeof *fields);
	int rc = fields ? ERR_OK : err_nomem(err);

	for (size_t i = 0; !rc && i < m->n_fields; i++)
		fields[i] = (struct parquet_field){ m->fields[i].name, m->fields[i].type, m->fields[i].id,
			                            m->fields[i].elem_id };
	for (size_t i = 0; !rc && i < m->n_inputs; i++)
		rc = read_input(run, &m->inputs[i], fields, err);
	mem_free(fields);
	return rc;
}

/* Sorted here, the index takes them over without sorting in the thread that applies changes. */
static int by_key(const void *a, const void *b)
{
	const struct index_entry *ea = a, *eb = b;

	if (ea->key.hi != eb->key.hi)
		return ea->key.hi < eb->key.hi ? -1 : 1;
	return ea->key.lo < eb->key.lo ? -1 : ea->key.lo > eb->key.lo;
}

static bool sorted(const struct merge *m)
{
	for (size_t i = 1; i < m->n_entries; i++)
		if (by_key(&m->entries[i - 1], &m->entries[i]) > 0)
			return false;
	return true;
}

static int merge_all(struct merge *m, struct err *err)
{
	struct run *run = mem_zero(sizeof *run);
	int rc;

	if (!run)
		return err_nomem(err);
	run->m = m;
	rc = data_writer_open(m->lake, m->location, m->fields, m->n_fields, &run->writer, err);
	if (!rc)
		rc = read_inputs(run, err);
	if (rc)
		data_writer_abort(run->writer);
	else
		rc = data_writer_finish(run->writer, &m->file, err);
	mem_free(run);
	if (!rc && !sorted(m))
		qsort(m->entries, m->n_entries, sizeof *m->entries, by_key);
	return rc;
}

void merge_run(void *arg)
{
	struct merge *m = arg;
	int64_t started = env_mono_us();

	m->rc = merge_all(m, &m->err);
	FAILPOINT("compact.written");
	m->us = env_mono_us() - started;
	__atomic_store_n(&m->done, true, __ATOMIC_RELEASE);
}
