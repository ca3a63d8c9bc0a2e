/* src/lake/merge.c — picking, starting and ending a merge. */
#include "lake/merge.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/thread.h"
#include "lake/bitmap.h"
#include "lake/merge_int.h"

/* Oldest first: by data sequence number, in one commit as the table lists them. */
struct candidate {
	const struct data_file *file;
	size_t at;
};

static int by_age(const void *a, const void *b)
{
	const struct candidate *ca = a, *cb = b;

	if (ca->file->sequence != cb->file->sequence)
		return ca->file->sequence < cb->file->sequence ? -1 : 1;
	return ca->at < cb->at ? -1 : ca->at > cb->at;
}

static int copy_input(const struct data_file *file, struct merge_input *in, struct err *err)
{
	*in = (struct merge_input){ .uri = mem_strdup(file->path),
		                    .rows = file->record_count,
		                    .first_row_id = file->first_row_id,
		                    .sequence = file->sequence,
		                    .dv = file->dv };
	in->dv.path = file->dv.path ? mem_strdup(file->dv.path) : NULL;
	return in->uri && (in->dv.path || !file->dv.path) ? ERR_OK : err_nomem(err);
}

static int pick_inputs(struct merge *m, struct candidate *candidates, struct compact_file *sizes, size_t n,
                       struct err *err)
{
	struct compact_limits limits = compact_limits(m->lake->data_file_bytes);
	size_t picked[COMPACT_FILES_MAX], n_picked;
	int rc = ERR_OK;

	qsort(candidates, n, sizeof *candidates, by_age);
	for (size_t i = 0; i < n; i++)
		sizes[i] = (struct compact_file){ candidates[i].file->file_bytes, candidates[i].file->record_count,
			                          candidates[i].file->dv.cardinality };
	n_picked = compact_pick(sizes, n, &limits, picked);
	m->inputs = n_picked ? mem_array(n_picked, sizeof *m->inputs) : NULL;
	if (n_picked && !m->inputs)
		return err_nomem(err);
	for (size_t i = 0; !rc && i < n_picked; i++)
		rc = copy_input(candidates[picked[i]].file, &m->inputs[m->n_inputs++], err);
	return rc;
}

static int find_inputs(struct merge *m, struct lake_table *table, struct err *err)
{
	size_t n;
	struct data_file *const *files = table->ops->files(table, &n);
	struct candidate *candidates = mem_array(n ? n : 1, sizeof *candidates);
	struct compact_file *sizes = mem_array(n ? n : 1, sizeof *sizes);
	int rc = candidates && sizes ? ERR_OK : err_nomem(err);

	for (size_t i = 0; !rc && i < n; i++)
		candidates[i] = (struct candidate){ files[i], i };
	if (!rc)
		rc = pick_inputs(m, candidates, sizes, n, err);
	mem_free(candidates);
	mem_free(sizes);
	return rc;
}

static bool add_field(struct merge *m, const struct lake_field *from)
{
	struct lake_field *field = &m->fields[m->n_fields];

	*field = *from;
	field->doc = NULL;
	field->name = mem_strdup(from->name); /* the table's own are made anew by each commit */
	m->n_fields += field->name != NULL;
	return field->name != NULL;
}

static int copy_fields(struct merge *m, const struct lake_table *table, struct err *err)
{
	static const struct lake_field lineage[2] = {
		{ .name = (char *)"_row_id", .type = { .kind = TYPE_INT64 }, .id = LAKE_FIELD_ROW_ID },
		{ .name = (char *)"_last_updated_sequence_number",
		  .type = { .kind = TYPE_INT64 },
		  .id = LAKE_FIELD_UPDATED_SEQUENCE },
	};
	size_t n;
	const struct lake_field *fields = table->ops->fields(table, &n);

	m->fields = mem_array(n + 2, sizeof *m->fields);
	if (!m->fields)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		if (fields[i].type.kind == TYPE_NONE)
			return err_set(err, ERR_UNSUPPORTED,
			               "column \"%s\" of %s has a type that Tarn cannot read; its files are not merged",
			               fields[i].name, m->name);
		if (!add_field(m, &fields[i]))
			return err_nomem(err);
	}
	if (m->lineage && (!add_field(m, &lineage[0]) || !add_field(m, &lineage[1])))
		return err_nomem(err);
	return m->n_fields <= UINT16_MAX ? ERR_OK : err_set(err, ERR_LIMIT, "%s has too many columns", m->name);
}

static int set_key(struct merge *m, const struct merge_opts *opts, struct err *err)
{
	struct type *types;
	int rc = ERR_OK;

	if (opts->n_keys == 0)
		return ERR_OK;
	types = mem_array(opts->n_keys, sizeof *types);
	m->key_columns = mem_array(opts->n_keys, sizeof *m->key_columns);
	if (!types || !m->key_columns)
		rc = err_nomem(err);
	for (size_t k = 0; !rc && k < opts->n_keys; k++) {
		size_t i = 0;

		while (i < m->n_fields && m->fields[i].id != opts->keys[k].id)
			i++;
		if (i == m->n_fields)
			rc = err_set(err, ERR_IDENTITY, "table %s has no key column \"%s\"", m->name,
			             opts->keys[k].name);
		m->key_columns[k] = (uint16_t)i;
		types[k] = opts->keys[k].type;
	}
	if (!rc)
		rc = key_def_new(types, (uint16_t)opts->n_keys, &m->key, err);
	mem_free(types);
	return rc;
}

static int start(struct merge *m, struct lake_table *table, const struct merge_opts *opts, struct err *err)
{
	int rc = find_inputs(m, table, err);

	if (rc || m->n_inputs == 0)
		return rc;
	m->location = mem_strdup(table->ops->location(table));
	if (!m->location)
		return err_nomem(err);
	if ((rc = copy_fields(m, table, err)) || (rc = set_key(m, opts, err)))
		return rc;
	return thread_start(&m->thread, "merge", merge_run, m, err);
}

int merge_start(struct lake *lake, struct lake_table *table, const struct merge_opts *opts, struct merge **out,
                struct err *err)
{
	struct merge *m = mem_zero(sizeof *m);
	int rc;

	*out = NULL;
	if (!m)
		return err_nomem(err);
	m->lake = lake;
	m->ops = table->ops;
	m->lineage = opts->lineage;
	m->name = mem_strdup(opts->name);
	rc = m->name ? start(m, table, opts, err) : err_nomem(err);
	if (rc || m->n_inputs == 0)
		merge_free(m);
	else
		*out = m;
	return rc;
}

bool merge_done(const struct merge *m) { return __atomic_load_n(&m->done, __ATOMIC_ACQUIRE); }

int merge_join(struct merge *m, struct err *err)
{
	thread_join(m->thread);
	m->thread = NULL;
	if (m->rc)
		*err = m->err;
	return m->rc;
}

bool merge_current(const struct merge *m, const struct lake_table *table)
{
	size_t n, found = 0;
	struct data_file *const *files = table->ops->files(table, &n);

	for (size_t i = 0; i < m->n_inputs; i++)
		for (size_t k = 0; k < n; k++)
			if (strcmp(files[k]->path, m->inputs[i].uri) == 0) {
				found++;
				break;
			}
	return found == m->n_inputs;
}

void merge_free(struct merge *m)
{
	if (!m)
		return;
	__atomic_store_n(&m->cancel, true, __ATOMIC_RELAXED);
	thread_join(m->thread);
	if (m->file) {
		const char *key = store_key(m->lake->store, m->file->path);

		if (key)
			(void)store_remove(m->lake->store, key, NULL);
		data_file_free(m->file);
	}
	for (size_t i = 0; i < m->n_inputs; i++) {
		mem_free(m->inputs[i].uri);
		mem_free(m->inputs[i].dv.path);
		bitmap_free(m->inputs[i].deleted);
	}
	mem_free(m->inputs);
	lake_fields_free(m->fields, m->n_fields);
	key_def_free(m->key);
	mem_free(m->key_columns);
	mem_free(m->entries);
	mem_free(m->row_ids);
	mem_free(m->location);
	mem_free(m->name);
	mem_free(m);
}
