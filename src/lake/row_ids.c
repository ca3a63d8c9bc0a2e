/* src/lake/row_ids.c — row ids by file number and position.
 *
 * Two forms a file. Runs of rows with consecutive ids, while positions come in ascending order and runs are long: a
 * merged file's rows mostly kept their order. Otherwise an array by position. */
#include "lake/row_ids.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

struct id_run {
	uint32_t pos, n;
	int64_t id;
}; /* position pos + i has id + i */

#define RUNS_MIN 16 /* so few are kept whatever their length */

struct file_ids {
	struct id_run *runs; /* by position */
	size_t n_runs, cap_runs;
	int64_t *ids;  /* when set, runs are not used; by position; -1: none */
	size_t n, cap; /* n: entries set up */
	size_t n_set;  /* ids in runs */
};

struct row_ids {
	struct file_ids **files; /* by file number; NULL: none */
	size_t n, cap;
	uint64_t bytes;
};

struct row_ids *row_ids_new(void) { return mem_zero(sizeof(struct row_ids)); }

static uint64_t held(const struct file_ids *list)
{
	return list->cap * sizeof *list->ids + list->cap_runs * sizeof *list->runs;
}

static void clear_file(struct file_ids *list)
{
	mem_free(list->ids);
	mem_free(list->runs);
	*list = (struct file_ids){ 0 };
}

static void free_file(struct file_ids *list)
{
	if (!list)
		return;
	clear_file(list);
	mem_free(list);
}

void row_ids_clear(struct row_ids *ids)
{
	for (size_t i = 0; i < ids->n; i++)
		free_file(ids->files[i]);
	ids->n = 0;
	ids->bytes = 0;
}

void row_ids_free(struct row_ids *ids)
{
	if (!ids)
		return;
	row_ids_clear(ids);
	mem_free(ids->files);
	mem_free(ids);
}

static int set_in_array(struct file_ids *list, uint64_t pos, int64_t id)
{
	if (vec_grow(&list->ids, &list->cap, pos + 1, sizeof *list->ids))
		return -1;
	if (pos >= list->n) {
		memset(list->ids + list->n, 0xff, (pos + 1 - list->n) * sizeof *list->ids);
		list->n = pos + 1;
	}
	list->ids[pos] = id;
	return 0;
}

/* On failure the runs stay. */
static int to_array(struct file_ids *list)
{
	const struct id_run *last = &list->runs[list->n_runs - 1];
	struct file_ids flat = { 0 };

	if (set_in_array(&flat, (uint64_t)last->pos + last->n - 1, last->id + last->n - 1))
		return -1;
	for (size_t r = 0; r < list->n_runs; r++)
		for (uint32_t i = 0; i < list->runs[r].n; i++)
			flat.ids[list->runs[r].pos + i] = list->runs[r].id + i;
	clear_file(list);
	*list = flat;
	return 0;
}

static int add_run(struct file_ids *list, uint64_t pos, int64_t id)
{
	struct id_run *last = list->n_runs ? &list->runs[list->n_runs - 1] : NULL;

	list->n_set++;
	if (last && last->n < UINT32_MAX && pos == (uint64_t)last->pos + last->n &&
	    (uint64_t)id == (uint64_t)last->id + last->n) {
		last->n++;
		return 0;
	}
	if (vec_grow(&list->runs, &list->cap_runs, list->n_runs + 1, sizeof *list->runs)) {
		list->n_set--;
		return -1;
	}
	list->runs[list->n_runs++] = (struct id_run){ (uint32_t)pos, 1, id };
	return 0;
}

static bool ascends(const struct file_ids *list, uint64_t pos)
{
	return list->n_runs == 0 || pos >= (uint64_t)list->runs[list->n_runs - 1].pos + list->runs[list->n_runs - 1].n;
}

/* Runs of fewer than two ids would take more than the array. */
static bool suit(const struct file_ids *list) { return list->n_runs < RUNS_MIN || list->n_runs * 2 <= list->n_set; }

static int set_in_file(struct file_ids *list, uint64_t pos, int64_t id)
{
	if (!list->ids && ascends(list, pos) && suit(list))
		return add_run(list, pos, id);
	if (!list->ids && to_array(list))
		return -1;
	return set_in_array(list, pos, id);
}

int row_ids_set(struct row_ids *ids, uint32_t file, uint64_t pos, int64_t id)
{
	struct file_ids *list;
	uint64_t before;
	int rc;

	if (pos > UINT32_MAX || vec_grow(&ids->files, &ids->cap, (size_t)file + 1, sizeof *ids->files))
		return -1;
	if (file >= ids->n) {
		memset(ids->files + ids->n, 0, (file + 1 - ids->n) * sizeof *ids->files);
		ids->n = (size_t)file + 1;
	}
	if (!ids->files[file]) {
		ids->files[file] = mem_zero(sizeof *list);
		if (!ids->files[file])
			return -1;
		ids->bytes += sizeof *list;
	}
	list = ids->files[file];
	before = held(list);
	rc = set_in_file(list, pos, id);
	ids->bytes += held(list) - before;
	return rc;
}

static int64_t get_in_runs(const struct file_ids *list, uint64_t pos)
{
	size_t low = 0, high = list->n_runs; /* the first run behind pos is in [low, high] */

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (list->runs[mid].pos <= pos)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || pos - list->runs[low - 1].pos >= list->runs[low - 1].n)
		return -1;
	return list->runs[low - 1].id + (int64_t)(pos - list->runs[low - 1].pos);
}

int64_t row_ids_get(const struct row_ids *ids, uint32_t file, uint64_t pos)
{
	const struct file_ids *list = file < ids->n ? ids->files[file] : NULL;

	if (!list)
		return -1;
	if (!list->ids)
		return get_in_runs(list, pos);
	return pos < list->n ? list->ids[pos] : -1;
}

void row_ids_drop_file(struct row_ids *ids, uint32_t file)
{
	if (file >= ids->n || !ids->files[file])
		return;
	ids->bytes -= held(ids->files[file]) + sizeof *ids->files[file];
	free_file(ids->files[file]);
	ids->files[file] = NULL;
}

uint64_t row_ids_bytes(const struct row_ids *ids) { return ids->bytes + ids->cap * sizeof *ids->files; }
