/* src/iceberg/manifest_write.c — writes manifests of versions 2 and 3 for unpartitioned specs.
 *
 * Column order, names and ids are those of the Iceberg specification ("Manifests") as iceberg-java writes them. Every
 * optional column is in the schema, and every statistics map is written for data files even when empty: ClickHouse
 * and DuckDB demand the columns, and null counts that are absent make some readers prune wrongly. */
#include "base/mem.h"
#include "iceberg/manifest.h"

#define OPT_LONG(name, id) "{\"name\":\"" name "\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":" id "}"
#define OPT_INT(name, id) "{\"name\":\"" name "\",\"type\":[\"null\",\"int\"],\"default\":null,\"field-id\":" id "}"
#define OPT_MAP(name, id, k, v, vtype)                                                                                 \
	"{\"name\":\"" name "\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"k" k  \
	"_v" v "\",\"fields\":["                                                                                       \
	"{\"name\":\"key\",\"type\":\"int\",\"field-id\":" k "},{\"name\":\"value\",\"type\":\"" vtype                 \
	"\",\"field-id\":" v "}]},\"logicalType\":\"map\"}],"                                                          \
	"\"default\":null,\"field-id\":" id "}"
#define OPT_LIST(name, id, elem, type)                                                                                 \
	"{\"name\":\"" name "\",\"type\":[\"null\",{\"type\":\"array\",\"items\":\"" type "\",\"element-id\":" elem    \
	"}],\"default\":null,\"field-id\":" id "}"

static const char schema_head[] =
	"{\"type\":\"record\",\"name\":\"manifest_entry\",\"fields\":["
	"{\"name\":\"status\",\"type\":\"int\",\"field-id\":0}," OPT_LONG("snapshot_id", "1") "," OPT_LONG("sequence_number", "3") "," OPT_LONG(
		"file_sequence_number",
		"4") ","
		     "{\"name\":\"data_file\",\"type\":{\"type\":\"record\",\"name\":\"r2\",\"fields\":["
		     "{\"name\":\"content\",\"type\":\"int\",\"field-id\":134},"
		     "{\"name\":\"file_path\",\"type\":\"string\",\"field-id\":100},"
		     "{\"name\":\"file_format\",\"type\":\"string\",\"field-id\":101},"
		     "{\"name\":\"partition\",\"type\":{\"type\":\"record\",\"name\":\"r102\",\"fields\":[]},\"field-id\":102},"
		     "{\"name\":\"record_count\",\"type\":\"long\",\"field-id\":103},"
		     "{\"name\":\"file_size_in_bytes\",\"type\":\"long\",\"field-id\":104}," OPT_MAP("column_sizes", "108", "117", "118", "long") "," OPT_MAP(
			     "value_counts", "109", "119", "120",
			     "long") "," OPT_MAP("null_value_counts", "110", "121", "122",
                                                 "long") "," OPT_MAP("nan_value_counts", "137", "138", "139",
                                                                     "long") "," OPT_MAP("lower_bounds", "125", "126",
                                                                                         "127",
                                                                                         "bytes") "," OPT_MAP("upper_bounds",
                                                                                                              "128",
                                                                                                              "129",
                                                                                                              "130",
                                                                                                              "bytes") ","
														       "{\"name\":\"key_metadata\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":131}," OPT_LIST(
															       "split_offsets",
															       "132",
															       "133",
															       "long") "," OPT_LIST("equality_ids",
                                                                                                                                                    "135",
                                                                                                                                                    "136",
                                                                                                                                                    "int") "," OPT_INT("sort_order_id",
                                                                                                                                                                       "140") ",";
static const char schema_v3[] = OPT_LONG("first_row_id", "142") ",";
static const char schema_reference[] =
	"{\"name\":\"referenced_data_file\",\"type\":[\"null\",\"string\"],\"default\":null,\"field-id\":143}";
static const char schema_v3_content[] =
	"," OPT_LONG("content_offset", "144") "," OPT_LONG("content_size_in_bytes", "145");
static const char schema_tail[] = "]},\"field-id\":2}]}";

struct manifest_writer {
	struct avro_writer avro;
	struct manifest_opts opts;
	struct manifest_info info;
	bool any_live;
};

static int begin(struct manifest_writer *w, const char *table_schema, struct err *err)
{
	bool v3 = w->opts.format_version >= 3;
	char schema_id[24], spec_id[24];
	struct wbuf schema;
	int rc;

	snprintf(schema_id, sizeof schema_id, "%lld", (long long)json_get_int(w->opts.schema, "schema-id", 0));
	snprintf(spec_id, sizeof spec_id, "%d", w->opts.spec_id);
	wbuf_init(&schema, 0);
	wbuf_putz(&schema, schema_head);
	wbuf_putz(&schema, v3 ? schema_v3 : "");
	wbuf_putz(&schema, schema_reference);
	wbuf_putz(&schema, v3 ? schema_v3_content : "");
	wbuf_putz(&schema, schema_tail);
	const struct avro_meta meta[] = {
		{ "schema", str_of(table_schema) },
		{ "schema-id", str_of(schema_id) },
		{ "partition-spec", STR_LIT("[]") }, /* the array of fields alone */
		{ "partition-spec-id", str_of(spec_id) },
		{ "format-version", str_of(v3 ? "3" : "2") },
		{ "content", str_of(w->opts.content == MANIFEST_DATA ? "data" : "deletes") },
	};

	rc = avro_writer_begin(&w->avro, wbuf_cstr(&schema), meta, sizeof meta / sizeof *meta, err);
	if (!rc)
		rc = wbuf_check(&schema, err, "manifest schema");
	wbuf_free(&schema);
	return rc;
}

int manifest_writer_open(const struct manifest_opts *opts, struct manifest_writer **out, struct err *err)
{
	struct manifest_writer *w = mem_zero(sizeof *w);
	char *schema = json_text(opts->schema);
	int rc;

	*out = NULL;
	if (!w || !schema) {
		mem_free(w);
		mem_free(schema);
		return err_nomem(err);
	}
	w->opts = *opts;
	w->info = (struct manifest_info){ .spec_id = opts->spec_id,
		                          .content = (uint8_t)opts->content,
		                          .sequence = opts->sequence,
		                          .min_sequence = opts->sequence,
		                          .added_snapshot_id = opts->snapshot_id,
		                          .first_row_id = -1,
		                          .has_partitions = true };
	rc = begin(w, schema, err);
	mem_free(schema);
	if (rc) {
		manifest_writer_free(w);
		return rc;
	}
	*out = w;
	return 0;
}

void manifest_writer_free(struct manifest_writer *writer)
{
	if (!writer)
		return;
	avro_writer_free(&writer->avro);
	manifest_info_clear(&writer->info);
	mem_free(writer);
}

/* The six statistics maps: which member, and whether it is known. */
enum stat { COLUMN_SIZES, VALUE_COUNTS, NULL_COUNTS, NAN_COUNTS, LOWER_BOUNDS, UPPER_BOUNDS };

static bool stat_known(const struct column_metrics *m, enum stat stat)
{
	switch (stat) {
	case COLUMN_SIZES: return m->column_bytes != METRIC_UNKNOWN;
	case VALUE_COUNTS: return m->value_count != METRIC_UNKNOWN;
	case NULL_COUNTS: return m->null_count != METRIC_UNKNOWN;
	case NAN_COUNTS: return m->nan_count >= 0;
	case LOWER_BOUNDS: return m->lower.set;
	case UPPER_BOUNDS: return m->upper.set;
	}
	return false;
}

static void put_stat(struct wbuf *b, const struct column_metrics *m, enum stat stat)
{
	switch (stat) {
	case COLUMN_SIZES: avro_put_long(b, (int64_t)m->column_bytes); break;
	case VALUE_COUNTS: avro_put_long(b, (int64_t)m->value_count); break;
	case NULL_COUNTS: avro_put_long(b, (int64_t)m->null_count); break;
	case NAN_COUNTS: avro_put_long(b, m->nan_count); break;
	case LOWER_BOUNDS: avro_put_bytes(b, str_view(m->lower.p, m->lower.n)); break;
	case UPPER_BOUNDS: avro_put_bytes(b, str_view(m->upper.p, m->upper.n)); break;
	}
}

static void put_stats(struct wbuf *b, const struct data_file *file, enum stat stat)
{
	int64_t n = 0;

	for (size_t i = 0; i < file->n_metrics; i++)
		n += stat_known(&file->metrics[i], stat);
	avro_put_opt(b);
	if (n)
		avro_put_long(b, n);
	for (size_t i = 0; n && i < file->n_metrics; i++) {
		if (!stat_known(&file->metrics[i], stat))
			continue;
		avro_put_long(b, file->metrics[i].field_id);
		put_stat(b, &file->metrics[i], stat);
	}
	avro_put_long(b, 0);
}

static void put_splits(struct wbuf *b, const struct data_file *file)
{
	if (file->n_splits == 0) {
		avro_put_null(b);
		return;
	}
	avro_put_opt(b);
	avro_put_long(b, (int64_t)file->n_splits);
	for (size_t i = 0; i < file->n_splits; i++)
		avro_put_long(b, (int64_t)file->split_offsets[i]);
	avro_put_long(b, 0);
}

static void put_equality_ids(struct wbuf *b, const struct manifest_entry *entry)
{
	if (entry->n_equality_ids == 0) {
		avro_put_null(b);
		return;
	}
	avro_put_opt(b);
	avro_put_long(b, (int64_t)entry->n_equality_ids);
	for (size_t i = 0; i < entry->n_equality_ids; i++)
		avro_put_long(b, entry->equality_ids[i]);
	avro_put_long(b, 0);
}

static const char *format_name(const struct manifest_entry *entry)
{
	static const char *const names[] = { "parquet", "puffin", "avro", "orc" };

	return names[entry->format <= FORMAT_ORC ? entry->format : FORMAT_PARQUET];
}

static void put_file(struct wbuf *b, const struct manifest_entry *entry, enum entry_status status, int format_version)
{
	const struct data_file *file = entry->file;
	bool stats = entry->content == CONTENT_DATA || file->n_metrics > 0;

	avro_put_long(b, entry->content);
	avro_put_bytes(b, str_of(file->path));
	avro_put_bytes(b, str_of(format_name(entry)));
	/* partition: an empty record takes no bytes */
	avro_put_long(b, (int64_t)file->record_count);
	avro_put_long(b, (int64_t)file->file_bytes);
	for (int stat = COLUMN_SIZES; stat <= UPPER_BOUNDS; stat++) {
		if (stats)
			put_stats(b, file, (enum stat)stat);
		else
			avro_put_null(b);
	}
	avro_put_null(b); /* key_metadata: encrypted files are refused when a table is opened */
	put_splits(b, file);
	put_equality_ids(b, entry);
	avro_put_opt_long(b, entry->sort_order_id, entry->sort_order_id >= 0);
	if (format_version >= 3)
		avro_put_opt_long(b, file->first_row_id,
		                  status != ENTRY_ADDED && entry->content == CONTENT_DATA && file->first_row_id >= 0);
	if (entry->referenced) {
		avro_put_opt(b);
		avro_put_bytes(b, str_of(entry->referenced));
	} else {
		avro_put_null(b);
	}
	if (format_version >= 3) {
		avro_put_opt_long(b, entry->content_offset, entry->content_offset >= 0);
		avro_put_opt_long(b, entry->content_size, entry->content_size >= 0);
	}
}

static void count_entry(struct manifest_writer *w, enum entry_status status, const struct data_file *file)
{
	struct manifest_info *info = &w->info;
	int64_t rows = (int64_t)file->record_count;

	switch (status) {
	case ENTRY_ADDED:
		info->n_added++;
		info->rows_added += rows;
		break;
	case ENTRY_EXISTING:
		info->n_existing++;
		info->rows_existing += rows;
		/* Over live entries only; added ones have the snapshot's sequence, which is the largest. */
		if (file->sequence < info->min_sequence)
			info->min_sequence = file->sequence;
		break;
	case ENTRY_DELETED:
		info->n_deleted++;
		info->rows_deleted += rows;
		break;
	}
}

void manifest_writer_add(struct manifest_writer *writer, enum entry_status status, const struct manifest_entry *entry)
{
	struct wbuf *b = &writer->avro.block;
	const struct data_file *file = entry->file;
	bool own = status != ENTRY_ADDED;

	avro_put_long(b, status);
	avro_put_opt_long(b, status == ENTRY_EXISTING ? file->snapshot_id : writer->opts.snapshot_id, true);
	avro_put_opt_long(b, file->sequence, own);
	avro_put_opt_long(b, file->file_sequence, own);
	put_file(b, entry, status, writer->opts.format_version);
	avro_writer_record(&writer->avro);
	count_entry(writer, status, file);
}

int manifest_writer_finish(struct manifest_writer *writer, struct str *bytes, struct manifest_info *info,
                           struct err *err)
{
	int rc = avro_writer_finish(&writer->avro, "manifest", err);

	if (rc)
		return rc;
	*bytes = wbuf_str(&writer->avro.out);
	*info = writer->info;
	info->bytes = (int64_t)bytes->n;
	return 0;
}
