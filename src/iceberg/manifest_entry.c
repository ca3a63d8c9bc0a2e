/* src/iceberg/manifest_entry.c — life cycle of manifest entries and of manifest list rows. */
#include "base/mem.h"
#include "iceberg/manifest.h"

struct manifest_entry *manifest_entry_new(struct data_file *file)
{
	struct manifest_entry *entry = mem_zero(sizeof *entry);

	if (!entry)
		return NULL;
	entry->file = file;
	entry->sort_order_id = -1;
	entry->content_offset = -1;
	entry->content_size = -1;
	return entry;
}

void manifest_entry_free(struct manifest_entry *entry)
{
	if (!entry)
		return;
	data_file_free(entry->file);
	mem_free(entry->referenced);
	mem_free(entry->equality_ids);
	mem_free(entry);
}

void manifest_info_clear(struct manifest_info *info)
{
	for (size_t i = 0; i < info->n_partitions; i++) {
		mem_free(info->partitions[i].lower.p);
		mem_free(info->partitions[i].upper.p);
	}
	mem_free(info->partitions);
	mem_free(info->path);
	memset(info, 0, sizeof *info);
}

static int copy_bound(struct bound *to, const struct bound *from)
{
	*to = (struct bound){ 0 };
	if (!from->set)
		return 0;
	to->p = mem_alloc(from->n + 1);
	if (!to->p)
		return -1;
	if (from->n)
		memcpy(to->p, from->p, from->n);
	to->n = from->n;
	to->set = true;
	return 0;
}

int manifest_info_copy(struct manifest_info *to, const struct manifest_info *from)
{
	*to = *from;
	to->n_partitions = 0;
	to->partitions = NULL;
	to->path = from->path ? mem_strdup(from->path) : NULL;
	if (from->path && !to->path)
		goto nomem;
	if (from->n_partitions == 0)
		return 0;
	to->partitions = mem_array(from->n_partitions, sizeof *to->partitions);
	if (!to->partitions)
		goto nomem;
	for (size_t i = 0; i < from->n_partitions; i++) {
		to->partitions[i].contains_null = from->partitions[i].contains_null;
		to->partitions[i].contains_nan = from->partitions[i].contains_nan;
		to->n_partitions++;
		if (copy_bound(&to->partitions[i].lower, &from->partitions[i].lower) ||
		    copy_bound(&to->partitions[i].upper, &from->partitions[i].upper))
			goto nomem;
	}
	return 0;
nomem:
	manifest_info_clear(to);
	return -1;
}

void manifest_infos_free(struct manifest_info *infos, size_t n)
{
	for (size_t i = 0; infos && i < n; i++)
		manifest_info_clear(&infos[i]);
	mem_free(infos);
}
