/* src/iceberg/ice_table.c — opening an Iceberg table for its one writer: metadata, live entries grouped by manifest;
 * accessors. */
#include "base/mem.h"
#include "iceberg/ice_table_int.h"
#include "iceberg/ice_vectors.h"

static struct ice_table *of(const struct lake_table *table) { return (struct ice_table *)(uintptr_t)table; }

struct ice_entry *ice_entry_new(struct manifest_entry *m)
{
	struct ice_entry *entry = mem_zero(sizeof *entry);

	if (entry)
		entry->m = m;
	else
		manifest_entry_free(m);
	return entry;
}

void ice_entry_free(struct ice_entry *entry)
{
	if (!entry)
		return;
	manifest_entry_free(entry->m);
	mem_free(entry);
}

int64_t ice_entry_bytes(const struct manifest_entry *m)
{
	return entry_is_dv(m) ? m->content_size : (int64_t)m->file->file_bytes;
}

void ice_totals_add(struct ice_totals *totals, const struct manifest_entry *m, int sign)
{
	int64_t rows = sign * (int64_t)m->file->record_count;

	totals->bytes += sign * ice_entry_bytes(m);
	switch (m->content) {
	case CONTENT_DATA:
		totals->data_files += sign;
		totals->records += rows;
		break;
	case CONTENT_POSITION_DELETES:
		totals->delete_files += sign;
		totals->position_deletes += rows;
		break;
	default: totals->delete_files += sign; totals->equality_deletes += rows;
	}
}

/* Unpartitioned means no fields at all: void ones would still need a place in each entry's partition record. */
static bool spec_is_unpartitioned(const json_t *metadata, int64_t spec_id)
{
	const json_t *specs = json_object_get(metadata, "partition-specs"), *spec;
	size_t i;

	json_array_foreach(specs, i, spec)
	{
		if (json_get_int(spec, "spec-id", -1) == spec_id)
			return json_array_size(json_object_get(spec, "fields")) == 0;
	}
	return false;
}

static int check_metadata(const struct ice_table *table, const json_t *metadata, struct err *err)
{
	int64_t version = json_get_int(metadata, "format-version", -1);

	if (version != 2 && version != 3)
		return err_set(
			err, ERR_UNSUPPORTED,
			"table %s has Iceberg format version %lld; Tarn writes 2 and 3 (upgrade the table first)",
			table->name, (long long)version);
	if (!spec_is_unpartitioned(metadata, json_get_int(metadata, "default-spec-id", -1)))
		return err_set(
			err, ERR_UNSUPPORTED,
			"table %s is partitioned; Tarn writes unpartitioned tables (replace its partition spec by an empty one)",
			table->name);
	if (!ice_schema_by_id(metadata, json_get_int(metadata, "current-schema-id", -1)))
		return err_set(err, ERR_CORRUPT, "table %s: its metadata lacks the current schema", table->name);
	if (!*json_get_str(metadata, "location", "") || !*json_get_str(metadata, "table-uuid", ""))
		return err_set(err, ERR_CORRUPT, "table %s: its metadata lacks location or table-uuid", table->name);
	return 0;
}

int ice_table_adopt(struct ice_table *table, struct catalog_table *from, struct err *err)
{
	struct lake_field *fields = NULL;
	size_t n_fields = 0, n;
	char *location;
	int rc;

	rc = check_metadata(table, from->metadata, err);
	if (!rc)
		rc = ice_fields_read(
			ice_schema_by_id(from->metadata, json_get_int(from->metadata, "current-schema-id", -1)),
			&fields, &n_fields, err);
	if (rc)
		return rc;
	location = mem_strdup(json_get_str(from->metadata, "location", ""));
	if (!location) {
		lake_fields_free(fields, n_fields);
		return err_nomem(err);
	}
	for (n = strlen(location); n > 1 && location[n - 1] == '/'; n--)
		location[n - 1] = '\0';
	mem_free(table->location);
	mem_free(table->metadata_location);
	lake_fields_free(table->fields, table->n_fields);
	json_decref(table->metadata);
	table->location = location;
	table->fields = fields;
	table->n_fields = n_fields;
	table->metadata = from->metadata;
	table->metadata_location = from->metadata_location;
	from->metadata = NULL;
	from->metadata_location = NULL;
	table->format_version = (int)json_get_int(table->metadata, "format-version", 2);
	table->spec_id = (int32_t)json_get_int(table->metadata, "default-spec-id", 0);
	table->snapshot_id = ice_metadata_current_snapshot(table->metadata);
	return 0;
}

/* One manifest's live entries, and all vectors, for linking. */
struct loading {
	struct ice_table *table;
	struct ice_entry **live;
	size_t n, cap; /* of the manifest being read */
	struct ice_entry **deletes;
	size_t n_deletes, cap_deletes;
	struct manifest_info count; /* of version 1 lists, which do not say */
};

static void count_read(struct manifest_info *count, const struct manifest_entry *m)
{
	int64_t rows = (int64_t)m->file->record_count;

	if (m->status == ENTRY_ADDED) {
		count->n_added++;
		count->rows_added += rows;
	} else if (m->status == ENTRY_EXISTING) {
		count->n_existing++;
		count->rows_existing += rows;
	} else {
		count->n_deleted++;
		count->rows_deleted += rows;
	}
}

static int take_data(struct loading *load, struct ice_entry *entry, struct err *err)
{
	struct ice_table *table = load->table;
	struct manifest_entry *m = entry->m;

	if (m->format != FORMAT_PARQUET)
		return err_set(err, ERR_UNSUPPORTED,
		               "data file %s is not Parquet; Tarn writes to tables of Parquet files only",
		               m->file->path);
	if (map_get(table->by_path, str_of(m->file->path)))
		return err_set(err, ERR_CORRUPT, "table %s lists data file %s twice", table->name, m->file->path);
	if (vec_grow(&table->entries, &table->cap_entries, table->n_files + 1, sizeof *table->entries) ||
	    vec_grow(&table->files, &table->cap_files, table->n_files + 1, sizeof *table->files) ||
	    map_put(table->by_path, str_of(m->file->path), entry, NULL))
		return err_nomem(err);
	table->entries[table->n_files] = entry;
	table->files[table->n_files++] = m->file;
	return 0;
}

static int take_entry(void *arg, struct manifest_entry *m, struct err *err)
{
	struct loading *load = arg;
	struct ice_entry *entry;
	int rc = 0;

	count_read(&load->count, m);
	if (m->status == ENTRY_DELETED) {
		manifest_entry_free(m);
		return 0;
	}
	entry = ice_entry_new(m);
	if (!entry)
		return err_nomem(err);
	if (m->encrypted)
		rc = err_set(err, ERR_UNSUPPORTED, "file %s is encrypted; Tarn reads no encrypted tables",
		             m->file->path);
	else if (vec_grow(&load->live, &load->cap, load->n + 1, sizeof *load->live) ||
	         (m->content != CONTENT_DATA &&
	          vec_grow(&load->deletes, &load->cap_deletes, load->n_deletes + 1, sizeof *load->deletes)))
		rc = err_nomem(err);
	else if (m->content == CONTENT_DATA)
		rc = take_data(load, entry, err);
	if (rc) {
		ice_entry_free(entry);
		return rc;
	}
	if (m->content != CONTENT_DATA)
		load->deletes[load->n_deletes++] = entry;
	load->live[load->n++] = entry;
	ice_totals_add(&load->table->totals, m, 1);
	return 0;
}

static void fill_counts(struct manifest_info *info, const struct manifest_info *count)
{
	if (info->n_added >= 0 && info->n_existing >= 0 && info->n_deleted >= 0 && info->rows_added >= 0 &&
	    info->rows_existing >= 0 && info->rows_deleted >= 0)
		return;
	info->n_added = count->n_added;
	info->n_existing = count->n_existing;
	info->n_deleted = count->n_deleted;
	info->rows_added = count->rows_added;
	info->rows_existing = count->rows_existing;
	info->rows_deleted = count->rows_deleted;
}

static int load_manifest(struct loading *load, struct manifest_info *info, struct ice_manifest **out, struct err *err)
{
	struct ice_table *table = load->table;
	int rc;

	if (!spec_is_unpartitioned(table->metadata, info->spec_id))
		return err_set(
			err, ERR_UNSUPPORTED,
			"table %s holds files of partition spec %d; Tarn writes unpartitioned tables (rewrite those files first)",
			table->name, info->spec_id);
	load->n = 0;
	load->count = (struct manifest_info){ 0 };
	rc = ice_read_manifest(table->store, info, take_entry, load, err);
	if (rc)
		return rc;
	fill_counts(info, &load->count);
	info->has_partitions = true; /* an unpartitioned spec has no summaries */
	*out = ice_manifest_make(table, info, load->live, load->n, err);
	if (!*out)
		return ERR_NOMEM;
	for (size_t i = 0; i < load->n; i++)
		load->live[i]->manifest = *out;
	return 0;
}

int ice_vector_set(struct data_file *file, const struct manifest_entry *m, struct err *err)
{
	char *path = mem_strdup(m->file->path);

	if (!path)
		return err_nomem(err);
	mem_free(file->dv.path);
	file->dv = (struct deletion_vector){ .path = path,
		                             .offset = (uint64_t)m->content_offset,
		                             .size = (uint64_t)m->content_size,
		                             .cardinality = m->file->record_count };
	return 0;
}

static int link_vectors(struct loading *load, struct err *err)
{
	struct ice_table *table = load->table;
	int rc = 0;

	for (size_t i = 0; !rc && i < load->n_deletes; i++) {
		struct ice_entry *entry = load->deletes[i], *data;

		if (!entry_is_dv(entry->m)) {
			table->n_foreign_deletes++;
			continue;
		}
		data = map_get(table->by_path, str_of(entry->m->referenced));
		if (!data)
			continue;
		if (data->link)
			return err_set(err, ERR_CORRUPT, "table %s has two deletion vectors for data file %s",
			               table->name, data->m->file->path);
		entry->link = data;
		data->link = entry;
		rc = ice_vector_set(data->m->file, entry->m, err);
	}
	return rc;
}

static int load_current(struct ice_table *table, struct err *err)
{
	const json_t *snapshot = ice_metadata_snapshot(table->metadata, table->snapshot_id);
	struct loading load = { .table = table };
	struct ice_manifest **manifests = NULL;
	struct manifest_info *infos = NULL;
	size_t n = 0, done = 0;
	int rc;

	if (table->snapshot_id < 0)
		return 0;
	if (!snapshot)
		return err_set(err, ERR_CORRUPT, "table %s: its metadata lacks the current snapshot", table->name);
	rc = ice_read_list(table->store, snapshot, &infos, &n, err);
	manifests = mem_array(n + 1, sizeof *manifests);
	if (!rc && !manifests)
		rc = err_nomem(err);
	for (; !rc && done < n; done++) {
		rc = load_manifest(&load, &infos[done], &manifests[done], err);
		if (rc) /* entries of the manifest that failed; close frees the data ones */
			break;
		manifests[done]->refs++;
	}
	if (!rc)
		rc = link_vectors(&load, err);
	if (!rc)
		rc = ice_version_add(table, table->snapshot_id, json_get_str(snapshot, "manifest-list", NULL),
		                     manifests, n, err);
	if (!rc)
		table->current = table->versions[table->n_versions - 1];
	for (size_t i = 0; i < done; i++)
		ice_manifest_unref(table, manifests[i], false);
	if (rc) {
		for (size_t i = 0; i < load.n_deletes; i++)
			ice_entry_free(load.deletes[i]);
	}
	mem_free(load.live);
	mem_free(load.deletes);
	mem_free(manifests);
	manifest_infos_free(infos, n);
	return rc;
}

static void close_table(struct lake_table *table)
{
	struct ice_table *t = of(table);

	if (!t)
		return;
	/* Delete entries hang on no list of their own but the current manifests'. */
	for (size_t i = 0; t->current && i < t->current->n_manifests; i++) {
		struct ice_manifest *manifest = t->current->manifests[i];

		for (size_t k = 0; manifest->info.content == MANIFEST_DELETES && k < manifest->n_live; k++)
			ice_entry_free(manifest->live[k]);
	}
	for (size_t i = 0; i < t->n_files; i++)
		ice_entry_free(t->entries[i]);
	ice_versions_free(t);
	map_free(t->manifests, NULL);
	map_free(t->paths, NULL);
	map_free(t->by_path, NULL);
	mem_free(t->entries);
	mem_free(t->files);
	for (size_t i = 0; i < t->n_garbage; i++)
		mem_free(t->garbage[i]);
	mem_free(t->garbage);
	lake_fields_free(t->fields, t->n_fields);
	json_decref(t->metadata);
	mem_free(t->metadata_location);
	mem_free(t->location);
	mem_free(t->ns);
	mem_free(t->name);
	mem_free(t);
}

static int open_table(struct catalog *catalog, struct store *store, const char *ns, const char *name,
                      const struct lake_keep *keep, struct lake_table **out, struct err *err)
{
	struct ice_table *table = mem_zero(sizeof *table);
	struct catalog_table loaded = { 0 };
	int rc;

	*out = NULL;
	if (!table)
		return err_nomem(err);
	table->base.ops = &ice_format_ops;
	table->catalog = catalog;
	table->store = store;
	table->snapshot_id = -1;
	table->has_keep = keep != NULL;
	if (keep)
		table->keep = *keep;
	table->ns = mem_strdup(ns);
	table->name = mem_strdup(name);
	table->manifests = map_new();
	table->paths = map_new();
	table->by_path = map_new();
	rc = table->ns && table->name && table->manifests && table->paths && table->by_path ? 0 : err_nomem(err);
	if (!rc)
		rc = catalog->ops->table_load(catalog, ns, name, &loaded, err);
	if (!rc)
		rc = ice_table_adopt(table, &loaded, err);
	if (!rc)
		rc = load_current(table, err);
	catalog_table_clear(&loaded);
	if (rc) {
		close_table(&table->base);
		return rc;
	}
	*out = &table->base;
	return 0;
}

static const char *uuid(const struct lake_table *table) { return json_get_str(of(table)->metadata, "table-uuid", ""); }
static const char *location(const struct lake_table *table) { return of(table)->location; }
static int64_t version(const struct lake_table *table) { return of(table)->snapshot_id; }

static const char *property(const struct lake_table *table, const char *key)
{
	return json_get_str(json_object_get(of(table)->metadata, "properties"), key, NULL);
}

static const struct lake_field *fields(const struct lake_table *table, size_t *n)
{
	*n = of(table)->n_fields;
	return of(table)->fields;
}

static struct data_file *const *files(const struct lake_table *table, size_t *n)
{
	*n = of(table)->n_files;
	return of(table)->files;
}

static void part(struct lake_pending *pending, struct catalog_commit *out)
{
	*out = (struct catalog_commit){ .namespace_ = pending->table->ns,
		                        .table = pending->table->name,
		                        .requirements = pending->requirements,
		                        .updates = pending->updates };
}

static const char *summary(const struct lake_table *table, const char *key)
{
	const json_t *snapshot = ice_metadata_snapshot(of(table)->metadata, of(table)->snapshot_id);

	return snapshot ? json_get_str(json_object_get(snapshot, "summary"), key, NULL) : NULL;
}

static bool rows_of(const struct lake_table *table, const char *key, const char *value)
{
	const json_t *metadata = of(table)->metadata,
		     *snapshot = ice_metadata_snapshot(metadata, of(table)->snapshot_id);
	size_t left = json_array_size(json_object_get(metadata, "snapshots"));

	/* bounded: a foreign metadata file may name parents in a circle */
	for (; snapshot && left > 0; left--) {
		const json_t *s = json_object_get(snapshot, "summary");

		if (strcmp(json_get_str(s, key, ""), value) == 0)
			return true;
		if (strcmp(json_get_str(s, "operation", ""), "replace") != 0)
			return false;
		snapshot = ice_metadata_snapshot(metadata, json_get_int(snapshot, "parent-snapshot-id", -1));
	}
	return !snapshot;
}

const struct lake_format_ops ice_format_ops = {
	.name = "iceberg",
	.create = ice_create,
	.open = open_table,
	.close = close_table,
	.uuid = uuid,
	.location = location,
	.property = property,
	.fields = fields,
	.version = version,
	.summary = summary,
	.rows_of = rows_of,
	.files = files,
	.write_vectors = ice_write_vectors,
	.read_vector = ice_read_vector,
	.prepare = ice_prepare,
	.plan_fields = ice_plan_fields,
	.part = part,
	.done = ice_done,
	.abort = ice_abort,
	.forget = ice_forget,
	.sweep = ice_sweep,
	.sweep_orphans = ice_sweep_orphans,
};
