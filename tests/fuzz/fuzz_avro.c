/* tests/fuzz/fuzz_avro.c — an Avro file as a manifest of data, as one of deletes, and as a manifest list. */
#include <stdint.h>

#include "base/mem.h"
#include "iceberg/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int take(void *arg, struct manifest_entry *entry, struct err *err)
{
	(void)err;
	*(uint64_t *)arg += entry->file->record_count + strlen(entry->file->path);
	manifest_entry_free(entry);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = mem_alloc(n ? n : 1); /* its own block: a read past the end is seen */
	struct manifest_info info = { .path = (char *)(uintptr_t) "fuzz", .sequence = 5, .first_row_id = 10 }, *infos;
	struct err err;
	uint64_t seen = 0;
	size_t n_infos;

	if (!copy)
		return 0;
	if (n)
		memcpy(copy, data, n);
	(void)!manifest_read(str_view(copy, n), &info, take, &seen, &err);
	info.content = MANIFEST_DELETES;
	(void)!manifest_read(str_view(copy, n), &info, take, &seen, &err);
	if (!manifest_list_read(str_view(copy, n), "fuzz", &infos, &n_infos, &err))
		manifest_infos_free(infos, n_infos);
	mem_free(copy);
	return 0;
}
