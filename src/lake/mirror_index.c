/* src/lake/mirror_index.c — building the key index from the key columns of the data files.
 *
 * The index is a cache: everything in it follows from the files' key columns, row numbers and deletion vectors. */
#include <stdio.h>

#include "base/env.h"
#include "base/log.h"
#include "base/mem.h"
#include "lake/mirror_int.h"

struct load {
	struct mirror *m;
	uint32_t number;
	struct bitmap *deleted; /* NULL: none */
	struct index_entry *entries;
	size_t n, cap;
	uint16_t *columns; /* of the batch read: the key's, in key order */
};

static int load_batch(void *arg, const struct batch *batch, uint64_t first_row, struct err *err)
{
	struct load *load = arg;
	const struct column *row_id = &batch->columns[batch->n_columns - 1];

	for (uint32_t r = 0; r < batch->n; r++) {
		uint64_t pos = first_row + r;
		struct index_entry *entry;

		if (load->deleted && bitmap_contains(load->deleted, pos))
			continue;
		if (vec_grow(&load->entries, &load->cap, load->n + 1, sizeof *load->entries))
			return err_nomem(err);
		entry = &load->entries[load->n++];
		entry->key = key_of_row(load->m->key, batch, load->columns, r);
		entry->file = load->number;
		entry->pos = (uint32_t)pos;
		if (column_valid(row_id, r) &&
		    row_ids_set(load->m->row_ids, load->number, pos, COLUMN_AT(row_id, int64_t, r)))
			return err_nomem(err);
	}
	return ERR_OK;
}

static int load_file(struct mirror *m, uint32_t number, const struct parquet_field *fields, uint16_t n_fields,
                     uint16_t *columns, struct err *err)
{
	struct mirror_file *file = m->files[number];
	struct load load = { .m = m, .number = number, .columns = columns };
	const char *key = store_key(m->lake->store, file->uri);
	struct duck *duck;
	char path[4096];
	int rc;

	if (!key)
		return err_set(err, ERR_IDENTITY, "data file %s is outside the warehouse %s", file->uri,
		               m->lake->store->root_uri);
	if ((file->dv.path || file->deleted) && (rc = mirror_file_vector(m, number, &load.deleted, err)))
		return rc;
	if ((rc = lake_duck(m->lake, &duck, err)) ||
	    (rc = m->lake->store->ops->local_path(m->lake->store, key, path, sizeof path, err)))
		return rc;
	rc = parquet_read(duck, path, fields, n_fields, load_batch, &load, err);
	if (rc) {
		mem_free(load.entries);
		return err_prefix(err, "reading keys of %s", file->uri);
	}
	return key_index_add_run(m->index, load.entries, load.n, err); /* takes entries */
}

static int load_files(struct mirror *m, struct err *err)
{
	uint16_t n_keys = m->rel->n_keys;
	struct parquet_field *fields = mem_array(n_keys + 1u, sizeof *fields);
	uint16_t *columns = mem_array(n_keys + 1u, sizeof *columns);
	int rc = fields && columns ? ERR_OK : err_nomem(err);

	for (uint16_t i = 0; !rc && i < n_keys; i++) {
		const struct lake_field *field = &m->fields[m->rel->key_columns[i]];

		fields[i] = (struct parquet_field){ field->name, field->type, field->id, field->elem_id };
		columns[i] = i;
	}
	if (!rc)
		fields[n_keys] = (struct parquet_field){ "_row_id", { .kind = TYPE_INT64 }, LAKE_FIELD_ROW_ID, 0 };
	for (uint32_t number = 0; !rc && number < m->n_files; number++)
		if (m->files[number]->state == MIRROR_FILE_COMMITTED || m->files[number]->state == MIRROR_FILE_FINISHED)
			rc = m->files[number]->state == MIRROR_FILE_COMMITTED && m->truncated
			             ? ERR_OK
			             : load_file(m, number, fields, n_keys + 1, columns, err);
	mem_free(fields);
	mem_free(columns);
	return rc;
}

int mirror_index_build(struct mirror *m, struct err *err)
{
	int64_t started = env_mono_us();
	char dir[1200];
	int rc = mirror_finish_file(m, err); /* an open file cannot be read */

	if (rc)
		return rc;
	snprintf(dir, sizeof dir, "%.900s/index/%s", m->lake->state, m->name);
	rc = key_index_open(dir, key_def_kind(m->key), m->lake->index_memory_bytes, &m->index, err);
	if (rc)
		return rc;
	rc = load_files(m, err);
	if (!rc)
		rc = key_index_maintain(m->index, 0, NULL, err);
	if (rc)
		return err_prefix(err, "building the key index of %s", m->name);
	log_debug("lake", "key index of %s: %llu keys in %lld ms", m->name,
	          (unsigned long long)key_index_count(m->index), (long long)(env_mono_us() - started) / 1000);
	return ERR_OK;
}
