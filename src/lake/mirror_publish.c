/* src/lake/mirror_publish.c — what a mirror gives to a table commit, and what it forgets afterwards.
 *
 * A file whose rows are all deleted goes from the table (or is never added) instead of getting a full vector. */
#include "base/failpoint.h"
#include "base/map.h"
#include "base/mem.h"
#include "lake/mirror_int.h"

#define INDEX_WORK 200000 /* entries merged per publish: keeps the number of runs small without a long pause */

static int add_vector(struct mirror *m, uint32_t number, struct err *err)
{
	struct mirror_file *file = m->files[number];

	if (vec_grow(&m->vectors, &m->cap_vectors, m->n_vectors + 1, sizeof *m->vectors) ||
	    vec_grow(&m->vector_files, &m->cap_vector_files, m->n_vectors + 1, sizeof *m->vector_files))
		return err_nomem(err);
	m->vectors[m->n_vectors] = (struct lake_vector){ .data_path = file->uri, .bitmap = file->deleted };
	m->vector_files[m->n_vectors++] = number;
	return ERR_OK;
}

static bool empty_now(const struct mirror_file *file)
{
	return file->deleted && bitmap_cardinality(file->deleted) == file->rows;
}

/* A committed file that goes with this publish: nothing lives in it any more, or all that lives was merged into
 * another. */
static bool leaves(const struct mirror_file *file)
{
	return file->state == MIRROR_FILE_COMMITTED && (file->merged || (file->dirty && empty_now(file)));
}

static int collect_finished(struct mirror *m, uint32_t number, struct err *err)
{
	struct mirror_file *file = m->files[number];

	if (empty_now(file)) {
		mirror_file_drop(m, number);
		return ERR_OK;
	}
	if (vec_grow(&m->added, &m->cap_added, m->n_added + 1, sizeof *m->added))
		return err_nomem(err);
	m->added[m->n_added++] = file->file;
	return file->dirty ? add_vector(m, number, err) : ERR_OK;
}

static int collect(struct mirror *m, struct err *err)
{
	int rc = ERR_OK;

	m->n_added = m->n_removed = 0;
	mirror_vectors_clear(m);
	m->taken = false;
	for (uint32_t i = 0; !rc && i < m->n_files; i++) {
		struct mirror_file *file = m->files[i];

		if (file->state == MIRROR_FILE_FINISHED) {
			rc = collect_finished(m, i, err);
		} else if (leaves(file)) {
			if (vec_grow(&m->removed, &m->cap_removed, m->n_removed + 1, sizeof *m->removed))
				return err_nomem(err);
			m->removed[m->n_removed++] = file->uri;
		} else if (file->state == MIRROR_FILE_COMMITTED && file->dirty) {
			rc = add_vector(m, i, err);
		}
	}
	return rc;
}

int mirror_flush(struct mirror *m, struct lake_change *change, struct err *err)
{
	int rc = mirror_finish_file(m, err);

	if (!rc)
		rc = collect(m, err);
	if (!rc && m->n_vectors > 0) {
		rc = m->table->ops->write_vectors(m->table, m->lake->store, m->vectors, m->n_vectors, err);
		FAILPOINT("lake.vectors.written");
	}
	if (!rc && vec_grow(&m->dvs, &m->cap_dvs, m->n_vectors + 1, sizeof *m->dvs))
		rc = err_nomem(err);
	if (rc)
		return rc;
	for (size_t i = 0; i < m->n_vectors; i++)
		m->dvs[i] = (struct lake_dv){ m->vectors[i].data_path, m->vectors[i].out };
	change->added = m->added;
	change->n_added = m->n_added;
	change->removed = m->removed;
	change->n_removed = m->n_removed;
	change->remove_all = m->truncated;
	change->dvs = m->dvs;
	change->n_dvs = m->n_vectors;
	return ERR_OK;
}

void mirror_taken(struct mirror *m)
{
	m->taken = true;
	for (size_t i = 0; i < m->n_files; i++)
		if (m->files[i]->state == MIRROR_FILE_FINISHED)
			m->files[i]->file = NULL;
}

/* prepare took our struct data_file; the table now says what ids its rows got. */
static int adopt_row_ids(struct mirror *m, struct err *err)
{
	size_t n;
	struct data_file *const *live = m->table->ops->files(m->table, &n);
	struct map *by_path = map_new();
	int rc = by_path ? ERR_OK : err_nomem(err);

	for (size_t i = 0; !rc && i < n; i++)
		if (live[i]->first_row_id >= 0 && map_put(by_path, str_of(live[i]->path), live[i], NULL))
			rc = err_nomem(err);
	for (size_t i = 0; !rc && i < m->n_files; i++) {
		const struct data_file *file =
			m->files[i]->state == MIRROR_FILE_COMMITTED && m->files[i]->first_row_id < 0
				? map_get(by_path, str_of(m->files[i]->uri))
				: NULL;

		if (file)
			m->files[i]->first_row_id = file->first_row_id;
	}
	if (by_path)
		map_free(by_path, NULL);
	return rc;
}

int mirror_published(struct mirror *m, struct err *err)
{
	bool added = false;

	for (size_t i = 0; i < m->n_vectors; i++) {
		struct mirror_file *file = m->files[m->vector_files[i]];

		mem_free(file->dv.path);
		file->dv = m->vectors[i].out; /* takes path */
		m->vectors[i].out.path = NULL;
	}
	m->n_vectors = 0;
	for (uint32_t i = 0; i < m->n_files; i++) {
		struct mirror_file *file = m->files[i];

		if (file->state == MIRROR_FILE_FINISHED) {
			file->state = MIRROR_FILE_COMMITTED;
			added = true;
		} else if (leaves(file)) {
			int rc = m->index && file->merged ? key_index_drop_file(m->index, i, err) : ERR_OK;

			if (rc)
				return rc;
			mirror_file_drop(m, i);
			row_ids_drop_file(m->row_ids, i);
			continue;
		}
		if (file->dirty)
			file->dirty = false;
	}
	m->truncated = false;
	m->pending_changes = 0;
	if (m->index) {
		int rc = key_index_maintain(m->index, INDEX_WORK, NULL, err);

		if (rc)
			return rc;
	}
	return added ? adopt_row_ids(m, err) : ERR_OK;
}
