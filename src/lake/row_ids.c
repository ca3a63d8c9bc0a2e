/* src/lake/row_ids.c — row ids by file number and position. */
#include "lake/row_ids.h"

#include <string.h>

#include "base/mem.h"

struct file_ids {
	int64_t *ids;   /* by position; -1: none */
	size_t n, cap;  /* n: entries set up */
};

struct row_ids {
	struct file_ids *files; /* by file number */
	size_t n, cap;
	uint64_t bytes;
};

struct row_ids *row_ids_new(void)
{
	return mem_zero(sizeof(struct row_ids));
}

void row_ids_clear(struct row_ids *ids)
{
	for (size_t i = 0; i < ids->n; i++)
		mem_free(ids->files[i].ids);
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

int row_ids_set(struct row_ids *ids, uint32_t file, uint64_t pos, int64_t id)
{
	struct file_ids *list;
	size_t cap;

	if (pos > UINT32_MAX || vec_grow(&ids->files, &ids->cap, (size_t)file + 1, sizeof *ids->files))
		return -1;
	if (file >= ids->n) {
		memset(ids->files + ids->n, 0, (file + 1 - ids->n) * sizeof *ids->files);
		ids->n = (size_t)file + 1;
	}
	list = &ids->files[file];
	cap = list->cap;
	if (vec_grow(&list->ids, &list->cap, pos + 1, sizeof *list->ids))
		return -1;
	ids->bytes += (list->cap - cap) * sizeof *list->ids;
	if (pos >= list->n) {
		memset(list->ids + list->n, 0xff, (pos + 1 - list->n) * sizeof *list->ids);
		list->n = pos + 1;
	}
	list->ids[pos] = id;
	return 0;
}

int64_t row_ids_get(const struct row_ids *ids, uint32_t file, uint64_t pos)
{
	return file < ids->n && pos < ids->files[file].n ? ids->files[file].ids[pos] : -1;
}

void row_ids_drop_file(struct row_ids *ids, uint32_t file)
{
	if (file >= ids->n)
		return;
	ids->bytes -= ids->files[file].cap * sizeof *ids->files[file].ids;
	mem_free(ids->files[file].ids);
	ids->files[file] = (struct file_ids){ NULL, 0, 0 };
}

uint64_t row_ids_bytes(const struct row_ids *ids)
{
	return ids->bytes + ids->cap * sizeof *ids->files;
}
