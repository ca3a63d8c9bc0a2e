/* src/lake/data_file.c — life cycle of a data file's description. */
#include "lake/data_file.h"

#include "base/mem.h"

struct data_file *data_file_new(const char *path)
{
	struct data_file *file = mem_zero(sizeof *file);

	if (!file)
		return NULL;
	file->path = mem_strdup(path);
	if (!file->path) {
		mem_free(file);
		return NULL;
	}
	file->first_row_id = -1;
	file->sequence = -1;
	file->file_sequence = -1;
	file->snapshot_id = -1;
	return file;
}

void data_file_free(struct data_file *file)
{
	if (!file)
		return;
	for (size_t i = 0; i < file->n_metrics; i++) {
		mem_free(file->metrics[i].lower.p);
		mem_free(file->metrics[i].upper.p);
	}
	mem_free(file->metrics);
	mem_free(file->split_offsets);
	mem_free(file->dv.path);
	mem_free(file->path);
	mem_free(file);
}
