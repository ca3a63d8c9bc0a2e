/* src/lake/mirror_merge.c — a mirror starts merges of its files and moves to the new ones.
 *
 * Vectors only grow and files never change, so a merged row is where the merge put it, and it is dead in the new file
 * exactly if its old address has been deleted since the merge began. */
#include "lake/merge.h"

#include "base/map.h"
#include "base/mem.h"
#include "lake/mirror_int.h"

#define PUT_MAX 50000 /* more keys go into the index as one run */

int mirror_merge_start(struct mirror *m, struct merge **out, struct err *err)
{
	struct merge_opts opts = { .name = m->name, .lineage = true };
	struct lake_field *keys = NULL;
	int rc;

	if (m->index) {
		keys = mem_array(m->rel->n_keys, sizeof *keys);
		if (!keys)
			return err_nomem(err);
		for (uint16_t i = 0; i < m->rel->n_keys; i++)
			keys[i] = m->fields[m->rel->key_columns[i]]; /* borrowed parts */
		opts.keys = keys;
		opts.n_keys = m->rel->n_keys;
	}
	rc = merge_start(m->lake, m->table, &opts, out, err);
	mem_free(keys);
	return rc;
}

/* numbers: of the inputs; *found false when one of them is not what it was. */
static int find_inputs(struct mirror *m, const struct merge *merge, uint32_t *numbers, bool *found, struct err *err)
{
	struct map *by_uri = map_new();
	size_t n_found = 0;
	int rc = by_uri ? ERR_OK : err_nomem(err);

	for (size_t i = 0; !rc && i < merge->n_inputs; i++)
		if (map_put(by_uri, str_of(merge->inputs[i].uri), &merge->inputs[i], NULL))
			rc = err_nomem(err);
	for (uint32_t k = 0; !rc && k < m->n_files; k++) {
		const struct merge_input *in =
			m->files[k]->state == MIRROR_FILE_COMMITTED ? map_get(by_uri, str_of(m->files[k]->uri)) : NULL;

		if (!in)
			continue;
		numbers[in - merge->inputs] = k;
		n_found++;
	}
	if (by_uri)
		map_free(by_uri, NULL);
	*found = n_found == merge->n_inputs;
	return rc;
}

struct moving {
	const struct merge_input *in;
	struct bitmap *to;
};

static int move_deleted(void *arg, uint64_t pos)
{
	struct moving *moving = arg;
	const struct merge_input *in = moving->in;

	if (in->deleted && bitmap_contains(in->deleted, pos))
		return 0; /* was dead at the start: not in the new file */
	return bitmap_add(moving->to, in->base + pos - (in->deleted ? bitmap_rank(in->deleted, pos) : 0)) < 0 ? -1 : 0;
}

/* What was deleted since the merge began. *out NULL: nothing. */
static int collect_deleted(struct mirror *m, const struct merge *merge, const uint32_t *numbers, struct bitmap **out,
                           struct err *err)
{
	*out = NULL;
	for (size_t i = 0; i < merge->n_inputs; i++) {
		const struct bitmap *now = m->files[numbers[i]]->deleted; /* not loaded: unchanged */
		uint64_t before = merge->inputs[i].deleted ? bitmap_cardinality(merge->inputs[i].deleted) : 0;
		struct moving moving = { &merge->inputs[i], NULL };

		if (!now || bitmap_cardinality(now) == before)
			continue;
		if (!*out && !(*out = bitmap_new()))
			return err_nomem(err);
		moving.to = *out;
		if (bitmap_iterate(now, move_deleted, &moving)) {
			bitmap_free(*out);
			*out = NULL;
			return err_nomem(err);
		}
	}
	return ERR_OK;
}

static int put_rows(struct mirror *m, struct merge *merge, uint32_t number, const struct bitmap *deleted,
                    struct err *err)
{
	struct index_entry *entries = merge->entries;
	size_t n = 0;
	int rc = ERR_OK;

	for (size_t pos = 0; pos < merge->n_entries; pos++) /* ascending: kept as runs */
		if (merge->row_ids[pos] >= 0 && row_ids_set(m->row_ids, number, pos, merge->row_ids[pos]))
			return err_nomem(err);
	for (size_t i = 0; !rc && i < merge->n_entries; i++) {
		uint32_t pos = entries[i].pos;

		if (deleted && bitmap_contains(deleted, pos))
			continue;
		if (merge->n_entries <= PUT_MAX) {
			rc = key_index_put(m->index, entries[i].key, number, pos, err);
		} else {
			entries[n] = entries[i];
			entries[n++].file = number;
		}
	}
	if (rc || n == 0)
		return rc;
	merge->entries = NULL;
	merge->n_entries = 0;
	return key_index_add_run(m->index, entries, n, err); /* takes entries */
}

int mirror_merge_take(struct mirror *m, struct merge *merge, bool *taken, struct err *err)
{
	uint32_t numbers[COMPACT_FILES_MAX], number;
	struct bitmap *deleted;
	bool found;
	int rc;

	*taken = false;
	if (mirror_dirty(m) || m->truncated || (m->index && !merge->key))
		return ERR_OK;
	rc = find_inputs(m, merge, numbers, &found, err);
	if (rc || !found)
		return rc;
	rc = collect_deleted(m, merge, numbers, &deleted, err);
	if (rc)
		return rc;
	rc = mirror_file_add(m, merge->file->path, MIRROR_FILE_FINISHED, &number, err);
	if (rc) {
		bitmap_free(deleted);
		return rc;
	}
	m->files[number]->file = merge->file;
	m->files[number]->rows = merge->file->record_count;
	m->files[number]->deleted = deleted;
	m->files[number]->dirty = deleted != NULL;
	merge->file = NULL;
	for (size_t i = 0; i < merge->n_inputs; i++)
		m->files[numbers[i]]->merged = true;
	*taken = true;
	return m->index ? put_rows(m, merge, number, deleted, err) : ERR_OK;
}
