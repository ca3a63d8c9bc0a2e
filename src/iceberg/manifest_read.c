/* src/iceberg/manifest_read.c — reads manifests of any version and writer into entries, inherited values filled in. */
#include "base/mem.h"
#include "iceberg/manifest.h"

struct reading {
	const struct manifest_info *info;
	const char *what;
	int64_t next_row_id; /* -1: the manifest has no first_row_id */
};

static int corrupt(const struct reading *rd, struct err *err, const char *why)
{
	return err_set(err, ERR_CORRUPT, "manifest %s: %s", rd->what, why);
}

static int64_t get_int(const struct avro_value *record, int32_t id, const char *name, int64_t fallback)
{
	const struct avro_value *v = avro_get(record, id, name);

	return avro_is_int(v) ? v->i : fallback;
}

/* Maps come one after the other and mostly with the same keys in the same order: looking on from the last place finds
 * them at once. */
static struct column_metrics *metric_of(struct data_file *file, size_t *cap, size_t *at, int32_t field_id)
{
	struct column_metrics *m;

	for (size_t k = 0; k < file->n_metrics; k++) {
		size_t i = (*at + k) % file->n_metrics;

		if (file->metrics[i].field_id == field_id) {
			*at = i + 1;
			return &file->metrics[i];
		}
	}
	if (vec_grow(&file->metrics, cap, file->n_metrics + 1, sizeof *file->metrics))
		return NULL;
	m = &file->metrics[file->n_metrics++];
	*m = (struct column_metrics){ .field_id = field_id,
		                      .column_bytes = METRIC_UNKNOWN,
		                      .value_count = METRIC_UNKNOWN,
		                      .null_count = METRIC_UNKNOWN,
		                      .nan_count = -1 };
	*at = file->n_metrics;
	return m;
}

static int set_bound(struct bound *bound, const struct avro_value *v)
{
	uint8_t *p;

	if (v->bytes.n > UINT32_MAX)
		return -1;
	p = mem_alloc(v->bytes.n + 1);
	if (!p)
		return -1;
	if (v->bytes.n)
		memcpy(p, v->bytes.p, v->bytes.n);
	mem_free(bound->p);
	*bound = (struct bound){ p, (uint32_t)v->bytes.n, true };
	return 0;
}

static int set_stat(struct column_metrics *m, int32_t map_id, const struct avro_value *v)
{
	bool is_count = avro_is_int(v) && v->i >= 0;

	switch (map_id) {
	case 108: m->column_bytes = is_count ? (uint64_t)v->i : METRIC_UNKNOWN; return 0;
	case 109: m->value_count = is_count ? (uint64_t)v->i : METRIC_UNKNOWN; return 0;
	case 110: m->null_count = is_count ? (uint64_t)v->i : METRIC_UNKNOWN; return 0;
	case 137: m->nan_count = is_count ? v->i : -1; return 0;
	case 125: return avro_is_bytes(v) ? set_bound(&m->lower, v) : 0;
	case 128: return avro_is_bytes(v) ? set_bound(&m->upper, v) : 0;
	}
	return 0;
}

static int read_stats(const struct reading *rd, const struct avro_value *file_value, struct data_file *file,
                      struct err *err)
{
	static const struct {
		int32_t id;
		const char *name;
	} maps[] = {
		{ 108, "column_sizes" },     { 109, "value_counts" }, { 110, "null_value_counts" },
		{ 137, "nan_value_counts" }, { 125, "lower_bounds" }, { 128, "upper_bounds" },
	};
	size_t cap = 0, at = 0;

	for (size_t k = 0; k < sizeof maps / sizeof *maps; k++) {
		const struct avro_value *map = avro_get(file_value, maps[k].id, maps[k].name);

		if (!map)
			continue;
		if (map->schema->kind != AVRO_ARRAY)
			return corrupt(rd, err, "a statistics map is not an array of key and value");
		at = 0;
		for (size_t i = 0; i < map->list.n; i++) {
			const struct avro_value *pair = &map->list.v[i];
			struct column_metrics *m;

			if (pair->schema->kind != AVRO_RECORD || pair->list.n != 2 || !avro_is_int(&pair->list.v[0]))
				return corrupt(rd, err, "a statistics map is not an array of key and value");
			m = metric_of(file, &cap, &at, (int32_t)pair->list.v[0].i);
			if (!m || set_stat(m, maps[k].id, &pair->list.v[1]))
				return err_nomem(err);
		}
	}
	return 0;
}

static int read_splits(const struct avro_value *file_value, struct data_file *file, struct err *err)
{
	const struct avro_value *list = avro_get(file_value, 132, "split_offsets");

	if (!list || list->schema->kind != AVRO_ARRAY || list->list.n == 0)
		return 0;
	file->split_offsets = mem_array(list->list.n, sizeof *file->split_offsets);
	if (!file->split_offsets)
		return err_nomem(err);
	for (size_t i = 0; i < list->list.n; i++)
		file->split_offsets[i] = avro_is_int(&list->list.v[i]) ? (uint64_t)list->list.v[i].i : 0;
	file->n_splits = list->list.n;
	return 0;
}

static int read_equality_ids(const struct avro_value *file_value, struct manifest_entry *entry, struct err *err)
{
	const struct avro_value *list = avro_get(file_value, 135, "equality_ids");

	if (!list || list->schema->kind != AVRO_ARRAY || list->list.n == 0)
		return 0;
	entry->equality_ids = mem_array(list->list.n, sizeof *entry->equality_ids);
	if (!entry->equality_ids)
		return err_nomem(err);
	for (size_t i = 0; i < list->list.n; i++)
		entry->equality_ids[i] = avro_is_int(&list->list.v[i]) ? (int32_t)list->list.v[i].i : 0;
	entry->n_equality_ids = list->list.n;
	return 0;
}

static enum entry_format format_of(const struct avro_value *v)
{
	if (!avro_is_bytes(v))
		return FORMAT_OTHER;
	if (str_eq_nocase(v->bytes, STR_LIT("parquet")))
		return FORMAT_PARQUET;
	if (str_eq_nocase(v->bytes, STR_LIT("puffin")))
		return FORMAT_PUFFIN;
	if (str_eq_nocase(v->bytes, STR_LIT("avro")))
		return FORMAT_AVRO;
	return str_eq_nocase(v->bytes, STR_LIT("orc")) ? FORMAT_ORC : FORMAT_OTHER;
}

/* Sequence numbers: null is inherited by added entries, and by all where the manifest predates them (version 1,
 * sequence 0). */
static int inherit(struct reading *rd, const struct avro_value *record, struct manifest_entry *entry, struct err *err)
{
	struct data_file *file = entry->file;
	bool may = entry->status == ENTRY_ADDED || rd->info->sequence == 0;

	file->snapshot_id = get_int(record, 1, "snapshot_id", rd->info->added_snapshot_id);
	file->sequence = get_int(record, 3, "sequence_number", may ? rd->info->sequence : -1);
	file->file_sequence = get_int(record, 4, "file_sequence_number", may ? rd->info->sequence : -1);
	if (file->sequence < 0)
		return corrupt(rd, err, "an entry that was not added by its own snapshot has no sequence number");
	if (file->file_sequence < 0) /* written before the column existed */
		file->file_sequence = file->sequence;
	if (rd->next_row_id < 0 || entry->content != CONTENT_DATA || entry->status == ENTRY_DELETED ||
	    file->first_row_id >= 0)
		return 0;
	file->first_row_id = rd->next_row_id;
	if (__builtin_add_overflow(rd->next_row_id, (int64_t)file->record_count, &rd->next_row_id))
		return corrupt(rd, err, "its row ids pass 64 bits");
	return 0;
}

static int read_file(const struct reading *rd, const struct avro_value *v, struct manifest_entry *entry,
                     struct err *err)
{
	const struct avro_value *path = avro_get(v, 100, "file_path"),
				*referenced = avro_get(v, 143, "referenced_data_file");
	int64_t content = get_int(v, 134, "content", 0), rows = get_int(v, 103, "record_count", -1),
		bytes = get_int(v, 104, "file_size_in_bytes", -1);
	struct data_file *file = entry->file;
	int rc;

	if (!avro_is_bytes(path) || path->bytes.n == 0 || memchr(path->bytes.p, 0, path->bytes.n))
		return corrupt(rd, err, "an entry has no file path");
	if (content < 0 || content > 2 || rows < 0 || bytes < 0)
		return corrupt(rd, err, "an entry's content kind, row count or size is impossible");
	mem_free(file->path);
	file->path = mem_strndup(path->bytes.p, path->bytes.n);
	if (!file->path)
		return err_nomem(err);
	if (avro_is_bytes(referenced)) {
		entry->referenced = mem_strndup(referenced->bytes.p, referenced->bytes.n);
		if (!entry->referenced)
			return err_nomem(err);
	}
	entry->content = (uint8_t)content;
	entry->format = (uint8_t)format_of(avro_get(v, 101, "file_format"));
	entry->sort_order_id = (int32_t)get_int(v, 140, "sort_order_id", -1);
	entry->content_offset = get_int(v, 144, "content_offset", -1);
	entry->content_size = get_int(v, 145, "content_size_in_bytes", -1);
	entry->encrypted = avro_get(v, 131, "key_metadata") != NULL;
	file->record_count = (uint64_t)rows;
	file->file_bytes = (uint64_t)bytes;
	file->first_row_id = get_int(v, 142, "first_row_id", -1);
	rc = read_stats(rd, v, file, err);
	if (!rc)
		rc = read_splits(v, file, err);
	if (!rc)
		rc = read_equality_ids(v, entry, err);
	if (!rc && entry_is_dv(entry) && (!entry->referenced || entry->content_offset < 0 || entry->content_size < 0))
		rc = corrupt(rd, err, "a deletion vector does not say its data file, offset or size");
	return rc;
}

static int read_entry(struct reading *rd, const struct avro_value *record, struct manifest_entry **out, struct err *err)
{
	const struct avro_value *file_value = avro_get(record, 2, "data_file");
	int64_t status = get_int(record, 0, "status", -1);
	struct data_file *file;
	struct manifest_entry *entry;
	int rc;

	if (status < 0 || status > 2 || !file_value)
		return corrupt(rd, err, "an entry has no status or no file");
	file = data_file_new("");
	entry = file ? manifest_entry_new(file) : NULL;
	if (!entry) {
		data_file_free(file);
		return err_nomem(err);
	}
	entry->status = (uint8_t)status;
	rc = read_file(rd, file_value, entry, err);
	if (!rc)
		rc = inherit(rd, record, entry, err);
	if (rc)
		manifest_entry_free(entry);
	else
		*out = entry;
	return rc;
}

int manifest_read(struct str bytes, const struct manifest_info *info,
                  int (*fn)(void *arg, struct manifest_entry *entry, struct err *err), void *arg, struct err *err)
{
	struct reading rd = { .info = info,
		              .what = info->path ? info->path : "(unnamed)",
		              .next_row_id = info->content == MANIFEST_DATA ? info->first_row_id : -1 };
	const struct avro_value *record;
	struct avro_reader *reader;
	struct manifest_entry *entry = NULL;
	int rc;

	rc = avro_reader_open(bytes, rd.what, &reader, err);
	if (rc)
		return rc;
	while (!(rc = avro_reader_next(reader, &record, err)) && record) {
		rc = read_entry(&rd, record, &entry, err);
		if (rc)
			break;
		if ((entry->content == CONTENT_DATA) != (info->content == MANIFEST_DATA)) {
			manifest_entry_free(entry);
			rc = corrupt(&rd, err, "it mixes data and delete files");
			break;
		}
		rc = fn(arg, entry, err);
		if (rc)
			break;
	}
	avro_reader_free(reader);
	return rc;
}
