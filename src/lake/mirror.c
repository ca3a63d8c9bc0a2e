/* src/lake/mirror.c — applying changes by key. */
#include "lake/mirror.h"

#include <stdio.h>

#include "base/mem.h"
#include "lake/field_map.h"
#include "lake/mirror_int.h"

/* Key definition and the one-row batch for old keys. */
static int set_key(struct mirror *m, const struct relation *rel, struct err *err)
{
	struct type *types = mem_array(rel->n_columns ? rel->n_columns : 1, sizeof *types);
	int rc;

	if (!types)
		return err_nomem(err);
	batch_free(m->key_row);
	key_def_free(m->key);
	m->key = NULL;
	for (uint16_t i = 0; i < rel->n_columns; i++)
		types[i] = rel->columns[i].type;
	m->key_row = batch_new(types, rel->n_columns, 1);
	for (uint16_t i = 0; i < rel->n_keys; i++)
		types[i] = rel->columns[rel->key_columns[i]].type;
	rc = m->key_row ? key_def_new(types, rel->n_keys, &m->key, err) : err_nomem(err);
	mem_free(types);
	return rc;
}

static int set_shape(struct mirror *m, const struct relation *rel, const struct lake_field *planned, size_t n_planned,
                     struct err *err)
{
	struct field_map_from from = { m->table, planned, n_planned, m->name };
	struct lake_field *fields;
	size_t n;
	int rc = field_map_new(&from, rel, NULL, 0, &fields, &n, err);

	if (rc)
		return rc;
	fields[n] = (struct lake_field){ .name = mem_strdup("_row_id"),
		                         .type = { .kind = TYPE_INT64 },
		                         .id = LAKE_FIELD_ROW_ID };
	if (!fields[n++].name) {
		lake_fields_free(fields, n);
		return err_nomem(err);
	}
	lake_fields_free(m->fields, m->n_fields);
	m->fields = fields;
	m->n_fields = n;
	return set_key(m, rel, err);
}

int mirror_evolve(struct mirror *m, const struct relation *rel, const struct lake_field *planned, size_t n_planned,
                  struct err *err)
{
	int rc = mirror_finish_file(m, err);

	if (!rc)
		rc = set_shape(m, rel, planned, n_planned, err);
	if (rc)
		return rc;
	relation_unref((struct relation *)m->rel);
	m->rel = relation_ref((struct relation *)rel);
	return ERR_OK;
}

static int open_parts(struct mirror *m, struct err *err)
{
	int rc;

	if (m->rel->n_keys == 0)
		return err_set(err, ERR_UNSUPPORTED, "table %s has no primary key; a mirror needs one", m->name);
	m->row_ids = row_ids_new();
	if (!m->row_ids)
		return err_nomem(err);
	rc = set_shape(m, m->rel, NULL, 0, err);
	return rc ? rc : mirror_files_load(m, err);
}

int mirror_open(struct lake *lake, struct lake_table *table, const char *name, const struct relation *rel,
                struct mirror **out, struct err *err)
{
	struct mirror *m = mem_zero(sizeof *m);
	int rc;

	if (!m)
		return err_nomem(err);
	m->lake = lake;
	m->table = table;
	m->rel = relation_ref((struct relation *)rel);
	snprintf(m->name, sizeof m->name, "%s", name);
	rc = open_parts(m, err);
	if (rc) {
		mirror_close(m);
		return rc;
	}
	*out = m;
	return ERR_OK;
}

void mirror_close(struct mirror *m)
{
	if (!m)
		return;
	data_writer_abort(m->writer);
	mirror_vectors_clear(m);
	for (uint32_t i = 0; i < m->n_files; i++)
		mirror_file_drop(m, i);
	mem_free(m->files);
	lake_fields_free(m->fields, m->n_fields);
	mem_free(m->added);
	mem_free(m->removed);
	mem_free(m->vectors);
	mem_free(m->vector_files);
	mem_free(m->dvs);
	batch_free(m->key_row);
	key_def_free(m->key);
	key_index_close(m->index);
	row_ids_free(m->row_ids);
	relation_unref((struct relation *)m->rel);
	mem_free(m);
}

int mirror_finish_file(struct mirror *m, struct err *err)
{
	struct data_writer *writer = m->writer;
	struct mirror_file *file;
	int rc;

	if (!writer)
		return ERR_OK;
	m->writer = NULL;
	file = m->files[m->open_file];
	rc = data_writer_finish(writer, &file->file, err);
	if (rc)
		return rc;
	file->rows = file->file->record_count;
	file->state = MIRROR_FILE_FINISHED;
	return ERR_OK;
}

/* A place for the next row: the open file, rotated when it is large enough. */
static int next_row(struct mirror *m, struct batch **batch, struct err *err)
{
	int rc;

	if (m->writer &&
	    (data_writer_bytes(m->writer) > 4 * m->lake->data_file_bytes ||
	     data_writer_rows(m->writer) >= UINT32_MAX - 1) &&
	    (rc = mirror_finish_file(m, err)))
		return rc;
	if (!m->writer) {
		rc = data_writer_open(m->lake, m->table->ops->location(m->table), m->fields, m->n_fields, &m->writer,
		                      err);
		if (!rc)
			rc = mirror_file_add(m, data_writer_path(m->writer), MIRROR_FILE_OPEN, &m->open_file, err);
		if (rc)
			return rc;
	}
	return data_writer_row(m->writer, batch, err);
}

int mirror_copy_batch(struct mirror *m, struct batch **batch, struct err *err) { return next_row(m, batch, err); }

void mirror_copied(struct mirror *m, uint64_t rows)
{
	m->live_rows += rows;
	m->pending_changes += rows;
}

/* The old row's identity for readers that follow rows over versions (Iceberg v3 row lineage); -1 when it has none yet. */
static int64_t row_id_of(const struct mirror *m, struct address at)
{
	int64_t id = row_ids_get(m->row_ids, at.file, at.pos);

	if (id >= 0)
		return id;
	id = m->files[at.file]->first_row_id;
	return id < 0 ? -1 : id + (int64_t)at.pos;
}

static int delete_at(struct mirror *m, struct address at, struct err *err)
{
	struct bitmap *deleted;
	int rc = mirror_file_vector(m, at.file, &deleted, err);

	if (rc)
		return rc;
	rc = bitmap_add(deleted, at.pos);
	if (rc < 0)
		return err_nomem(err);
	if (rc == 0)
		return err_set(err, ERR_BUG, "row %llu of %s was deleted twice", (unsigned long long)at.pos,
		               m->files[at.file]->uri);
	m->files[at.file]->dirty = true;
	m->live_rows--;
	return ERR_OK;
}

static void describe_key(struct mirror *m, char *out, size_t n)
{
	struct wbuf text;

	wbuf_init(&text, 4096);
	for (uint16_t i = 0; i < m->rel->n_keys; i++) {
		uint16_t c = m->rel->key_columns[i];

		wbuf_putf(&text, "%s%s=", i ? ", " : "", m->rel->columns[c].name);
		column_text(&m->key_row->columns[c], 0, &text);
	}
	snprintf(out, n, "%.180s", wbuf_cstr(&text));
	wbuf_free(&text);
}

/* The key of a tuple, converted in a batch of one row. */
static int key_of_tuple(struct mirror *m, const struct datum *tuple, struct lake_key *out, struct err *err)
{
	batch_reset(m->key_row);
	for (uint16_t i = 0; i < m->rel->n_keys; i++) {
		uint16_t c = m->rel->key_columns[i];
		const struct rel_column *col = &m->rel->columns[c];
		int rc;

		if (tuple[c].kind == DATUM_NULL || tuple[c].kind == DATUM_UNCHANGED)
			return err_set(err, ERR_PROTOCOL,
			               "the source sent a change of %s without its key column \"%s\"", m->name,
			               col->name);
		rc = col->put(col, &tuple[c], m->key_row, &m->key_row->columns[c], 0, err);
		if (rc)
			return rc;
	}
	m->key_row->n = 1;
	*out = key_of_row(m->key, m->key_row, m->rel->key_columns, 0);
	return ERR_OK;
}

static int find_row(struct mirror *m, const struct change *change, const struct datum *tuple, struct lake_key *key,
                    struct address *at, struct err *err)
{
	char text[200];
	uint32_t pos;
	int rc;

	if (!m->index && (rc = mirror_index_build(m, err)))
		return rc;
	rc = key_of_tuple(m, tuple, key, err);
	if (rc)
		return rc;
	if (!key_index_get(m->index, *key, &at->file, &pos)) {
		describe_key(m, text, sizeof text);
		return err_set(
			err, ERR_IDENTITY,
			"%s of %s where %s: the lake has no such row, so it no longer equals the source; copy the table again: tarn table recopy %s",
			change->op == OP_DELETE ? "delete" : "update", m->name, text, m->name);
	}
	at->pos = pos;
	return ERR_OK;
}

/* An unchanged TOAST value is taken from the old row: still in the batch being filled, or in a finished file. */
static int fill_unchanged(struct mirror *m, uint16_t column, struct batch *batch, struct address old, struct err *err)
{
	const struct lake_field *f = &m->fields[column];
	struct parquet_field field = { f->name, f->type, f->id, f->elem_id };
	struct batch *found;
	const char *key;
	struct duck *duck;
	char path[4096];
	int rc;

	if (old.file == m->open_file && m->writer) {
		uint32_t row = (uint32_t)(old.pos - data_writer_flushed(m->writer));

		return column_copy(batch, &batch->columns[column], batch->n, &batch->columns[column], row)
		               ? err_nomem(err)
		               : ERR_OK;
	}
	key = store_key(m->lake->store, m->files[old.file]->uri);
	if (!key)
		return err_set(err, ERR_IDENTITY, "data file %s is outside the warehouse", m->files[old.file]->uri);
	if ((rc = lake_duck(m->lake, &duck, err)) ||
	    (rc = m->lake->store->ops->local_path(m->lake->store, key, path, sizeof path, err)) ||
	    (rc = parquet_read_rows(duck, path, &field, 1, &old.pos, 1, &found, err)))
		return rc;
	if (found->n != 1)
		rc = err_set(err, ERR_CORRUPT, "row %llu is missing in %s", (unsigned long long)old.pos, path);
	else if (column_copy(batch, &batch->columns[column], batch->n, &found->columns[0], 0))
		rc = err_nomem(err);
	batch_free(found);
	return rc;
}

static bool has_unchanged(const struct mirror *m, const struct change *change)
{
	for (uint16_t i = 0; i < m->rel->n_columns; i++)
		if (change->row[i].kind == DATUM_UNCHANGED)
			return true;
	return false;
}

/* Appends the new row. old: the row it replaces, or NULL. */
static int append_row(struct mirror *m, const struct change *change, const struct address *old, struct address *at,
                      struct batch **out, struct err *err)
{
	const struct relation *rel = m->rel;
	struct batch *batch;
	int rc;

	/* Rows the encoder already has cannot be read back before the file is finished. */
	if (old && m->writer && old->file == m->open_file &&
	    (old->pos < data_writer_flushed(m->writer) || data_writer_rows(m->writer) % BATCH_ROWS == 0) &&
	    has_unchanged(m, change) && (rc = mirror_finish_file(m, err)))
		return rc;
	rc = next_row(m, &batch, err);
	for (uint16_t i = 0; !rc && i < rel->n_columns; i++) {
		const struct rel_column *col = &rel->columns[i];

		if (change->row[i].kind != DATUM_UNCHANGED)
			rc = col->put(col, &change->row[i], batch, &batch->columns[i], batch->n, err);
		else if (old)
			rc = fill_unchanged(m, i, batch, *old, err);
		else
			rc = err_set(err, ERR_PROTOCOL, "the source sent an insert into %s without the value of \"%s\"",
			             m->name, col->name);
	}
	if (rc)
		return rc;
	*at = (struct address){ m->open_file, data_writer_rows(m->writer) };
	*out = batch;
	return ERR_OK;
}

static int put_row_id(struct mirror *m, struct batch *batch, struct address at, int64_t id, struct err *err)
{
	struct column *column = &batch->columns[m->n_fields - 1];

	if (id < 0)
		return ERR_OK;
	COLUMN_AT(column, int64_t, batch->n) = id;
	column_set_valid(column, batch->n);
	return row_ids_set(m->row_ids, at.file, at.pos, id) ? err_nomem(err) : ERR_OK;
}

static int index_new(struct mirror *m, struct batch *batch, struct address at, struct err *err)
{
	struct lake_key key;

	if (!m->index)
		return ERR_OK;
	key = key_of_row(m->key, batch, m->rel->key_columns, batch->n);
	return key_index_put(m->index, key, at.file, (uint32_t)at.pos, err);
}

static int apply_insert(struct mirror *m, const struct change *change, struct batch **batch, struct err *err)
{
	struct address at;
	int rc = append_row(m, change, NULL, &at, batch, err);

	if (!rc)
		rc = index_new(m, *batch, at, err);
	if (rc)
		return rc;
	data_writer_next(*batch);
	m->live_rows++;
	return ERR_OK;
}

static int apply_update(struct mirror *m, const struct change *change, struct batch **batch, struct err *err)
{
	struct address old, at;
	struct lake_key old_key;
	int rc;

	if ((rc = find_row(m, change, change->old_key ? change->old_key : change->row, &old_key, &old, err)) ||
	    (rc = append_row(m, change, &old, &at, batch, err)) ||
	    (rc = put_row_id(m, *batch, at, row_id_of(m, old), err)) || (rc = delete_at(m, old, err)))
		return rc;
	if (change->old_key && (rc = key_index_remove(m->index, old_key, err)))
		return rc;
	rc = index_new(m, *batch, at, err);
	if (rc)
		return rc;
	data_writer_next(*batch);
	m->live_rows++;
	return ERR_OK;
}

static int apply_delete(struct mirror *m, const struct change *change, struct err *err)
{
	struct address old;
	struct lake_key key;
	int rc = find_row(m, change, change->old_key, &key, &old, err);

	if (!rc)
		rc = delete_at(m, old, err);
	return rc ? rc : key_index_remove(m->index, key, err);
}

static int apply_truncate(struct mirror *m, struct err *err)
{
	data_writer_abort(m->writer);
	m->writer = NULL;
	for (uint32_t i = 0; i < m->n_files; i++) {
		struct mirror_file *file = m->files[i];

		if (file->state == MIRROR_FILE_COMMITTED)
			m->truncated = true;
		mirror_file_drop(m, i);
	}
	row_ids_clear(m->row_ids);
	m->live_rows = 0;
	return m->index ? key_index_clear(m->index, err) : ERR_OK;
}

int mirror_apply(struct mirror *m, const struct change *change, const struct batch **batch, uint32_t *row,
                 struct err *err)
{
	struct batch *filled = NULL;
	int rc;

	switch (change->op) {
	case OP_INSERT: rc = apply_insert(m, change, &filled, err); break;
	case OP_UPDATE: rc = apply_update(m, change, &filled, err); break;
	case OP_DELETE: rc = apply_delete(m, change, err); break;
	case OP_TRUNCATE: rc = apply_truncate(m, err); break;
	default: rc = err_set(err, ERR_BUG, "unknown operation %d", change->op);
	}
	m->pending_changes++;
	*batch = filled;
	*row = filled && !rc ? filled->n - 1 : 0;
	return rc;
}

bool mirror_dirty(const struct mirror *m) { return m->pending_changes > 0 || m->writer != NULL; }
uint64_t mirror_rows(const struct mirror *m) { return m->live_rows; }

uint64_t mirror_bytes(const struct mirror *m) { return m->writer ? data_writer_bytes(m->writer) : 0; }
