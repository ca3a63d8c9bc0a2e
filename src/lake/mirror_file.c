/* src/lake/mirror_file.c — the files a mirror's addresses point into, and their deletion bitmaps. */
#include "base/mem.h"
#include "lake/mirror_int.h"

static struct mirror_file gone = { .state = MIRROR_FILE_GONE, .first_row_id = -1 }; /* never written */

void mirror_file_drop(struct mirror *m, uint32_t number)
{
	struct mirror_file *file = m->files[number];

	m->files[number] = &gone;
	if (file == &gone)
		return;
	if (file->file) /* complete, and no commit took it */
		lake_remove(m->lake, file->uri);
	mem_free(file->uri);
	bitmap_free(file->deleted);
	mem_free(file->dv.path);
	data_file_free(file->file);
	mem_free(file);
}

int mirror_file_add(struct mirror *m, const char *uri, enum mirror_file_state state, uint32_t *number, struct err *err)
{
	struct mirror_file *file;

	if (m->n_files >= UINT32_MAX || vec_grow(&m->files, &m->cap_files, m->n_files + 1, sizeof *m->files))
		return err_nomem(err);
	file = mem_zero(sizeof *file);
	if (!file)
		return err_nomem(err);
	file->state = state;
	file->first_row_id = -1;
	file->uri = mem_strdup(uri);
	if (!file->uri) {
		mem_free(file);
		return err_nomem(err);
	}
	m->files[m->n_files] = file;
	*number = (uint32_t)m->n_files++;
	return ERR_OK;
}

int mirror_files_load(struct mirror *m, struct err *err)
{
	size_t n;
	struct data_file *const *files = m->table->ops->files(m->table, &n);

	for (size_t i = 0; i < n; i++) {
		uint32_t number;
		int rc = mirror_file_add(m, files[i]->path, MIRROR_FILE_COMMITTED, &number, err);

		if (rc)
			return rc;
		m->files[number]->rows = files[i]->record_count;
		m->files[number]->first_row_id = files[i]->first_row_id;
		m->live_rows += files[i]->record_count - files[i]->dv.cardinality;
		if (files[i]->dv.path) {
			m->files[number]->dv = files[i]->dv;
			m->files[number]->dv.path = mem_strdup(files[i]->dv.path);
			if (!m->files[number]->dv.path)
				return err_nomem(err);
		}
	}
	return ERR_OK;
}

int mirror_file_vector(struct mirror *m, uint32_t number, struct bitmap **out, struct err *err)
{
	struct mirror_file *file = m->files[number];

	if (!file->deleted && file->dv.path) {
		int rc = m->table->ops->read_vector(m->lake->store, file->uri, &file->dv, &file->deleted, err);

		if (rc)
			return err_prefix(err, "deletion vector of %s", file->uri);
	}
	if (!file->deleted && !(file->deleted = bitmap_new()))
		return err_nomem(err);
	*out = file->deleted;
	return ERR_OK;
}

void mirror_vectors_clear(struct mirror *m)
{
	for (size_t i = 0; i < m->n_vectors; i++) {
		if (m->vectors[i].out.path && !m->taken)
			lake_remove(m->lake, m->vectors[i].out.path);
		mem_free(m->vectors[i].out.path);
	}
	m->n_vectors = 0;
}
