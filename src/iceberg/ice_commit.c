/* src/iceberg/ice_commit.c — prepare: from what changed to manifests, a manifest list and the table's part of a
 * catalog commit; abort and forget.
 *
 * Nothing in the open table changes here but marks that carry the commit's serial. Manifests and list are put without
 * a sync: the catalog syncs the store once before the swap. */
#include "base/env.h"
#include "base/mem.h"
#include "iceberg/ice_table_int.h"

static bool changes_rows(const struct ice_table *table, const struct lake_change *change)
{
	return change->n_added || change->n_removed || change->n_dvs ||
	       (change->remove_all && table->current && table->n_files + table->n_foreign_deletes > 0);
}

static int mark_gone(struct lake_pending *p, struct ice_entry *entry, struct err *err)
{
	if (entry->gone == p->serial)
		return 0;
	if (vec_grow(&p->gone, &p->cap_gone, p->n_gone + 1, sizeof *p->gone))
		return err_nomem(err);
	entry->gone = p->serial;
	entry->manifest->stamp = p->serial;
	p->gone[p->n_gone++] = entry;
	return 0;
}

static int collect_all(struct lake_pending *p, struct err *err)
{
	const struct ice_version *version = p->table->current;
	int rc = 0;

	for (size_t i = 0; version && i < version->n_manifests; i++)
		for (size_t k = 0; !rc && k < version->manifests[i]->n_live; k++)
			rc = mark_gone(p, version->manifests[i]->live[k], err);
	return rc;
}

static int collect_removed(struct lake_pending *p, const struct lake_change *change, struct err *err)
{
	struct ice_table *table = p->table;
	int rc = 0;

	if (change->remove_all)
		return collect_all(p, err);
	if ((change->n_removed || change->n_dvs) && table->n_foreign_deletes)
		return err_set(
			err, ERR_UNSUPPORTED,
			"table %s holds %zu position or equality delete files of another writer; rewrite the table with that engine (rewrite_data_files), "
			"then Tarn can change its rows",
			table->name, table->n_foreign_deletes);
	for (size_t i = 0; !rc && i < change->n_removed; i++) {
		struct ice_entry *entry = map_get(table->by_path, str_of(change->removed[i]));

		if (!entry || entry->gone == p->serial)
			return err_set(err, ERR_BUG, "table %s: %s is to be removed but is %s", table->name,
			               change->removed[i], entry ? "named twice" : "no live data file");
		rc = mark_gone(p, entry, err);
		if (!rc && entry->link)
			rc = mark_gone(p, entry->link, err);
	}
	return rc;
}

static int take_added(struct lake_pending *p, const struct lake_change *change, struct map *added, struct err *err)
{
	for (size_t i = 0; i < change->n_added; i++) {
		struct data_file *file = change->added[i];
		struct ice_entry *live = map_get(p->table->by_path, str_of(file->path)), *entry;
		struct manifest_entry *m;

		if (live || map_get(added, str_of(file->path)))
			return err_set(err, ERR_BUG, "table %s: data file %s is added twice", p->table->name,
			               file->path);
		m = vec_grow(&p->added, &p->cap_added, p->n_added + 1, sizeof *p->added) ? NULL
		                                                                         : manifest_entry_new(file);
		if (!m)
			return err_nomem(err);
		m->sort_order_id = 0;
		entry = mem_zero(sizeof *entry);
		if (!entry) {
			m->file = NULL;
			manifest_entry_free(m);
			return err_nomem(err);
		}
		entry->m = m;
		p->added[p->n_added++] = entry;
		if (map_put(added, str_of(file->path), entry, NULL))
			return err_nomem(err);
	}
	return 0;
}

static int dv_entry(const struct lake_dv *dv, uint64_t file_bytes, struct ice_entry **out, struct err *err)
{
	struct data_file *file = data_file_new(dv->dv.path);
	struct manifest_entry *m = file ? manifest_entry_new(file) : NULL;

	*out = NULL;
	if (!m) {
		data_file_free(file);
		return err_nomem(err);
	}
	file->record_count = dv->dv.cardinality;
	file->file_bytes = file_bytes;
	m->content = CONTENT_POSITION_DELETES;
	m->format = FORMAT_PUFFIN;
	m->content_offset = (int64_t)dv->dv.offset;
	m->content_size = (int64_t)dv->dv.size;
	m->referenced = mem_strdup(dv->data_path);
	if (!m->referenced) {
		manifest_entry_free(m);
		return err_nomem(err);
	}
	*out = ice_entry_new(m);
	return *out ? 0 : err_nomem(err);
}

static int puffin_bytes(struct ice_table *table, const struct lake_dv *dv, uint64_t *bytes, struct err *err)
{
	const char *key = store_key(table->store, dv->dv.path);
	struct store_object object;
	int rc;

	if (!key)
		return err_set(err, ERR_IDENTITY, "deletion vector file %s lies outside the warehouse %s", dv->dv.path,
		               table->store->root_uri);
	rc = store_head(table->store, key, &object, err);
	if (rc)
		return err_prefix(err, "deletion vector file %s", dv->dv.path);
	*bytes = object.size;
	if (dv->dv.offset > object.size || dv->dv.size > object.size - dv->dv.offset)
		return err_set(err, ERR_BUG, "the vector of %s lies beyond the end of %s", dv->data_path, dv->dv.path);
	return 0;
}

static int take_dv(struct lake_pending *p, const struct lake_dv *dv, struct map *added, uint64_t file_bytes,
                   struct err *err)
{
	struct ice_entry *data = map_get(added, str_of(dv->data_path)), *entry;
	int rc;

	if (!data)
		data = map_get(p->table->by_path, str_of(dv->data_path));
	if (!data || data->gone == p->serial || data->vectored == p->serial)
		return err_set(err, ERR_BUG, "table %s: a deletion vector is given for %s, which is %s", p->table->name,
		               dv->data_path, data ? "removed or named twice" : "no live data file");
	if (dv->dv.cardinality == 0 || dv->dv.cardinality > data->m->file->record_count)
		return err_set(err, ERR_BUG, "table %s: the deletion vector of %s has %llu of %llu rows",
		               p->table->name, dv->data_path, (unsigned long long)dv->dv.cardinality,
		               (unsigned long long)data->m->file->record_count);
	rc = data->link ? mark_gone(p, data->link, err) : 0;
	if (rc)
		return rc;
	rc = dv_entry(dv, file_bytes, &entry, err);
	if (rc)
		return rc;
	if (vec_grow(&p->dvs, &p->cap_dvs, p->n_dvs + 1, sizeof *p->dvs)) {
		ice_entry_free(entry);
		return err_nomem(err);
	}
	data->vectored = p->serial;
	entry->link = data;
	p->dvs[p->n_dvs++] = entry;
	return 0;
}

static int take_dvs(struct lake_pending *p, const struct lake_change *change, struct map *added, struct err *err)
{
	const char *last = NULL;
	uint64_t bytes = 0;
	int rc = 0;

	if (change->n_dvs && p->table->format_version < 3)
		return err_set(
			err, ERR_UNSUPPORTED,
			"table %s has format version 2, which has no deletion vectors; recreate it with version 3",
			p->table->name);
	for (size_t i = 0; !rc && i < change->n_dvs; i++) {
		const struct lake_dv *dv = &change->dvs[i];

		if (!last || strcmp(last, dv->dv.path)) /* many vectors share one file */
			rc = puffin_bytes(p->table, dv, &bytes, err);
		last = dv->dv.path;
		if (!rc)
			rc = take_dv(p, dv, added, bytes, err);
	}
	return rc;
}

static int new_snapshot_id(struct lake_pending *p, struct err *err)
{
	do {
		if (env_random(&p->snapshot_id, sizeof p->snapshot_id))
			return err_set(err, ERR_IO, "no random bytes for a snapshot id");
		p->snapshot_id &= INT64_MAX;
	} while (p->snapshot_id == 0 || ice_metadata_snapshot(p->table->metadata, p->snapshot_id));
	return 0;
}

static int begin(struct lake_pending *p, struct err *err)
{
	const json_t *metadata = p->table->metadata;
	int64_t now = env_wall_us() / 1000, last = json_get_int(metadata, "last-updated-ms", 0);

	p->sequence = json_get_int(metadata, "last-sequence-number", 0) + 1;
	p->first_row_id = json_get_int(metadata, "next-row-id", 0);
	p->timestamp_ms = now > last ? now : last; /* a clock that steps back must not make the table unloadable */
	p->schema = ice_schema_by_id(metadata, json_get_int(metadata, "current-schema-id", -1));
	p->requirements = json_array();
	p->updates = json_array();
	env_uuid_text(p->uuid);
	return p->requirements && p->updates ? new_snapshot_id(p, err) : err_nomem(err);
}

static int prepare(struct lake_pending *p, struct lake_change *change, struct err *err)
{
	struct map *added = map_new();
	int rc = added ? ice_expire_refresh(p->table, err) : err_nomem(err);

	if (!rc)
		rc = begin(p, err);
	if (!rc)
		rc = collect_removed(p, change, err);
	if (!rc)
		rc = take_added(p, change, added, err);
	if (!rc)
		rc = take_dvs(p, change, added, err);
	p->new_version = changes_rows(p->table, change);
	p->totals = p->table->totals;
	if (!rc && p->new_version)
		rc = ice_build(p, change, err);
	if (!rc)
		rc = ice_snapshot_updates(p, change, err);
	if (!rc)
		rc = ice_expire(p, err);
	map_free(added, NULL);
	return rc;
}

static void free_pending(struct lake_pending *p)
{
	for (size_t i = 0; i < p->n_manifests; i++)
		ice_manifest_unref(p->table, p->manifests[i], false);
	for (size_t i = 0; i < p->n_added; i++)
		ice_entry_free(p->added[i]);
	for (size_t i = 0; i < p->n_dvs; i++)
		ice_entry_free(p->dvs[i]);
	for (size_t i = 0; i < p->n_written; i++)
		mem_free(p->written[i]);
	json_decref(p->requirements);
	json_decref(p->updates);
	mem_free(p->manifests);
	mem_free(p->row_ids);
	mem_free(p->added);
	mem_free(p->dvs);
	mem_free(p->gone);
	mem_free(p->written);
	mem_free(p->list);
	mem_free(p);
}

static void remove_written(struct lake_pending *p)
{
	struct err ignored;

	for (size_t i = 0; i < p->n_written; i++)
		(void)store_remove(p->table->store, p->written[i], &ignored);
}

int ice_prepare(struct lake_table *table, struct lake_change *change, struct lake_pending **out, struct err *err)
{
	struct ice_table *t = (struct ice_table *)table;
	struct lake_pending *p = mem_zero(sizeof *p);
	int rc;

	*out = NULL;
	if (!p)
		return err_nomem(err);
	p->table = t;
	p->serial = ++t->serial;
	rc = prepare(p, change, err);
	if (rc) {
		for (size_t i = 0; i < p->n_added; i++) /* still the caller's */
			p->added[i]->m->file = NULL;
		remove_written(p);
		free_pending(p);
		return rc;
	}
	*out = p;
	return 0;
}

void ice_abort(struct lake_table *table, struct lake_pending *pending)
{
	(void)table;
	if (!pending)
		return;
	remove_written(pending);
	free_pending(pending);
}

void ice_forget(struct lake_pending *pending)
{
	if (pending)
		free_pending(pending);
}
