/* src/iceberg/manifest_list.c — manifest lists: one Avro record a manifest (Iceberg specification, "Manifest Lists"). */
#include "base/mem.h"
#include "iceberg/manifest.h"

#define REQ(name, type, id) "{\"name\":\"" name "\",\"type\":\"" type "\",\"field-id\":" id "}"

static const char schema_head[] =
	"{\"type\":\"record\",\"name\":\"manifest_file\",\"fields\":[" REQ("manifest_path", "string", "500") "," REQ("manifest_length", "long", "501") "," REQ("partition_spec_id", "int", "502") "," REQ(
		"content", "int",
		"517") "," REQ("sequence_number", "long",
                               "515") "," REQ("min_sequence_number", "long",
                                              "516") "," REQ("added_snapshot_id", "long",
                                                             "503") "," REQ("added_files_count", "int",
                                                                            "504") "," REQ("existing_files_count",
                                                                                           "int",
                                                                                           "505") "," REQ("deleted_files_count",
                                                                                                          "int",
                                                                                                          "506") "," REQ("added_rows_count",
                                                                                                                         "long",
                                                                                                                         "512") "," REQ("existing_rows_count",
                                                                                                                                        "long",
                                                                                                                                        "513") "," REQ("deleted_rows_count",
                                                                                                                                                       "long",
                                                                                                                                                       "514") ","
																			      "{\"name\":\"partitions\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"r508\",\"fields\":[" REQ(
																				      "contains_null",
																				      "boolean",
																				      "509") ","
																					     "{\"name\":\"contains_nan\",\"type\":[\"null\",\"boolean\"],\"default\":null,\"field-id\":518},"
																					     "{\"name\":\"lower_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":510},"
																					     "{\"name\":\"upper_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":511}]},\"element-id\":508}],\"default\":null,\"field-id\":507},"
																					     "{\"name\":\"key_metadata\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":519}";
static const char schema_v3[] =
	",{\"name\":\"first_row_id\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":520}";

static void put_bound(struct wbuf *b, const struct bound *bound)
{
	if (!bound->set) {
		avro_put_null(b);
		return;
	}
	avro_put_opt(b);
	avro_put_bytes(b, str_view(bound->p, bound->n));
}

static void put_partitions(struct wbuf *b, const struct manifest_info *info)
{
	if (!info->has_partitions) {
		avro_put_null(b);
		return;
	}
	avro_put_opt(b);
	if (info->n_partitions)
		avro_put_long(b, (int64_t)info->n_partitions);
	for (size_t i = 0; i < info->n_partitions; i++) {
		const struct partition_summary *p = &info->partitions[i];

		wbuf_put_u8(b, p->contains_null);
		if (p->contains_nan < 0) {
			avro_put_null(b);
		} else {
			avro_put_opt(b);
			wbuf_put_u8(b, (uint8_t)p->contains_nan);
		}
		put_bound(b, &p->lower);
		put_bound(b, &p->upper);
	}
	avro_put_long(b, 0);
}

static void put_info(struct wbuf *b, const struct manifest_info *info, int format_version)
{
	avro_put_bytes(b, str_of(info->path));
	avro_put_long(b, info->bytes);
	avro_put_long(b, info->spec_id);
	avro_put_long(b, info->content);
	avro_put_long(b, info->sequence);
	avro_put_long(b, info->min_sequence);
	avro_put_long(b, info->added_snapshot_id);
	avro_put_long(b, info->n_added);
	avro_put_long(b, info->n_existing);
	avro_put_long(b, info->n_deleted);
	avro_put_long(b, info->rows_added);
	avro_put_long(b, info->rows_existing);
	avro_put_long(b, info->rows_deleted);
	put_partitions(b, info);
	avro_put_null(b); /* key_metadata */
	if (format_version >= 3)
		avro_put_opt_long(b, info->first_row_id, info->content == MANIFEST_DATA && info->first_row_id >= 0);
}

int manifest_list_write(const struct manifest_list_opts *opts, const struct manifest_info *const *infos, size_t n,
                        struct wbuf *out, struct err *err)
{
	bool v3 = opts->format_version >= 3;
	char id[24], parent[24] = "null", sequence[24], row_id[24];
	struct avro_writer w;
	struct wbuf schema;
	int rc;

	snprintf(id, sizeof id, "%lld", (long long)opts->snapshot_id);
	if (opts->parent_id >= 0)
		snprintf(parent, sizeof parent, "%lld", (long long)opts->parent_id);
	snprintf(sequence, sizeof sequence, "%lld", (long long)opts->sequence);
	snprintf(row_id, sizeof row_id, "%lld", (long long)opts->first_row_id);
	const struct avro_meta meta[] = {
		{ "snapshot-id", str_of(id) },           { "parent-snapshot-id", str_of(parent) },
		{ "sequence-number", str_of(sequence) }, { "format-version", str_of(v3 ? "3" : "2") },
		{ "first-row-id", str_of(row_id) },
	};

	wbuf_init(&schema, 0);
	wbuf_putz(&schema, schema_head);
	wbuf_putz(&schema, v3 ? schema_v3 : "");
	wbuf_putz(&schema, "]}");
	rc = avro_writer_begin(&w, wbuf_cstr(&schema), meta, v3 ? 5 : 4, err);
	if (!rc)
		rc = wbuf_check(&schema, err, "manifest list schema");
	wbuf_free(&schema);
	for (size_t i = 0; !rc && i < n; i++) {
		put_info(&w.block, infos[i], opts->format_version);
		avro_writer_record(&w);
	}
	if (!rc)
		rc = avro_writer_finish(&w, "manifest list", err);
	if (!rc) {
		*out = w.out;
		wbuf_init(&w.out, 0);
	}
	avro_writer_free(&w);
	return rc;
}

static int64_t get_int(const struct avro_value *record, int32_t id, const char *name, int64_t fallback)
{
	const struct avro_value *v = avro_get(record, id, name);

	return avro_is_int(v) ? v->i : fallback;
}

static int get_bound(struct bound *out, const struct avro_value *v, struct err *err)
{
	if (!avro_is_bytes(v) || v->bytes.n > UINT32_MAX)
		return 0;
	out->p = mem_alloc(v->bytes.n + 1);
	if (!out->p)
		return err_nomem(err);
	if (v->bytes.n)
		memcpy(out->p, v->bytes.p, v->bytes.n);
	out->n = (uint32_t)v->bytes.n;
	out->set = true;
	return 0;
}

static int read_partitions(const struct avro_value *list, struct manifest_info *info, struct err *err)
{
	int rc = 0;

	info->has_partitions = list && list->schema->kind == AVRO_ARRAY;
	if (!info->has_partitions || list->list.n == 0)
		return 0;
	info->partitions = mem_array(list->list.n, sizeof *info->partitions);
	if (!info->partitions)
		return err_nomem(err);
	info->n_partitions = list->list.n;
	for (size_t i = 0; !rc && i < list->list.n; i++) {
		const struct avro_value *v = &list->list.v[i], *nan = avro_get(v, 518, "contains_nan"),
					*null = avro_get(v, 509, "contains_null");

		info->partitions[i].contains_null = !null || null->i != 0;
		info->partitions[i].contains_nan = nan && nan->schema->kind == AVRO_BOOLEAN ? (int8_t)nan->i : -1;
		rc = get_bound(&info->partitions[i].lower, avro_get(v, 510, "lower_bound"), err);
		if (!rc)
			rc = get_bound(&info->partitions[i].upper, avro_get(v, 511, "upper_bound"), err);
	}
	return rc;
}

/* Old names of the counts (added_data_files_count...) share the ids, so that ids find them. */
static int read_info(const struct avro_value *record, const char *what, struct manifest_info *info, struct err *err)
{
	const struct avro_value *path = avro_get(record, 500, "manifest_path");
	int64_t content = get_int(record, 517, "content", 0);

	if (!avro_is_bytes(path) || path->bytes.n == 0 || memchr(path->bytes.p, 0, path->bytes.n))
		return err_set(err, ERR_CORRUPT, "manifest list %s: a row has no manifest path", what);
	if (content < 0 || content > 1)
		return err_set(err, ERR_CORRUPT, "manifest list %s: content %lld is neither data nor deletes", what,
		               (long long)content);
	info->path = mem_strndup(path->bytes.p, path->bytes.n);
	if (!info->path)
		return err_nomem(err);
	info->content = (uint8_t)content;
	info->bytes = get_int(record, 501, "manifest_length", -1);
	info->spec_id = (int32_t)get_int(record, 502, "partition_spec_id", 0);
	info->sequence = get_int(record, 515, "sequence_number", 0);
	info->min_sequence = get_int(record, 516, "min_sequence_number", 0);
	info->added_snapshot_id = get_int(record, 503, "added_snapshot_id", -1);
	info->n_added = get_int(record, 504, "added_files_count", -1);
	info->n_existing = get_int(record, 505, "existing_files_count", -1);
	info->n_deleted = get_int(record, 506, "deleted_files_count", -1);
	info->rows_added = get_int(record, 512, "added_rows_count", -1);
	info->rows_existing = get_int(record, 513, "existing_rows_count", -1);
	info->rows_deleted = get_int(record, 514, "deleted_rows_count", -1);
	info->first_row_id = get_int(record, 520, "first_row_id", -1);
	info->encrypted = avro_get(record, 519, "key_metadata") != NULL;
	return read_partitions(avro_get(record, 507, "partitions"), info, err);
}

int manifest_list_read(struct str bytes, const char *what, struct manifest_info **out, size_t *n, struct err *err)
{
	const struct avro_value *record;
	struct manifest_info *infos = NULL;
	struct avro_reader *reader;
	size_t count = 0, cap = 0;
	int rc;

	*out = NULL;
	*n = 0;
	rc = avro_reader_open(bytes, what, &reader, err);
	if (rc)
		return rc;
	while (!(rc = avro_reader_next(reader, &record, err)) && record) {
		if (vec_grow(&infos, &cap, count + 1, sizeof *infos)) {
			rc = err_nomem(err);
			break;
		}
		memset(&infos[count++], 0, sizeof *infos);
		rc = read_info(record, what, &infos[count - 1], err);
		if (rc)
			break;
	}
	avro_reader_free(reader);
	if (rc) {
		manifest_infos_free(infos, count);
		return rc;
	}
	*out = infos;
	*n = count;
	return 0;
}
