/* src/iceberg/ice_done.c — taking over a commit that happened: entries, vectors, row ids and versions in memory
 * become what readers will read. */
#include "base/mem.h"
#include "iceberg/ice_table_int.h"

static bool is_result(const struct lake_pending *p, const json_t *metadata)
{
	int64_t wanted = p->new_version ? p->snapshot_id : p->table->snapshot_id;

	return !strcmp(json_get_str(metadata, "table-uuid", ""), json_get_str(p->table->metadata, "table-uuid", "")) &&
	       ice_metadata_current_snapshot(metadata) == wanted;
}

/* As a reader of the manifests would (spec: "Sequence Number Inheritance"). */
static void inherit_sequence(const struct lake_pending *p, struct ice_entry *entry)
{
	entry->m->file->sequence = p->sequence;
	entry->m->file->file_sequence = p->sequence;
	entry->m->file->snapshot_id = p->snapshot_id;
	entry->m->status = ENTRY_ADDED;
}

/* spec: "First Row ID Inheritance": data files without one count on from the manifest's, in file order. */
static void inherit_row_ids(struct ice_manifest *manifest, int64_t next)
{
	manifest->info.first_row_id = next;
	for (size_t i = 0; i < manifest->n_live; i++) {
		struct data_file *file = manifest->live[i]->m->file;

		if (file->first_row_id >= 0)
			continue;
		file->first_row_id = next;
		next += (int64_t)file->record_count;
	}
}

static void take_manifests(struct lake_pending *p)
{
	for (size_t i = 0; i < p->n_manifests; i++) {
		struct ice_manifest *manifest = p->manifests[i];

		if (p->row_ids[i] != manifest->info.first_row_id)
			inherit_row_ids(manifest, p->row_ids[i]);
		for (size_t k = 0; i < p->n_new && k < manifest->n_live; k++)
			manifest->live[k]->manifest = manifest;
	}
}

/* Manifests that left the current version keep only the names. */
static void close_old_manifests(struct ice_version *old, uint64_t serial)
{
	for (size_t i = 0; old && i < old->n_manifests; i++) {
		struct ice_manifest *manifest = old->manifests[i];

		if (manifest->stamp == serial || manifest->n_live == 0) {
			mem_free(manifest->live);
			manifest->live = NULL;
			manifest->n_live = 0;
		}
	}
}

static void drop_gone(struct lake_pending *p)
{
	struct ice_table *table = p->table;
	size_t n = 0;
	bool data = false;

	for (size_t i = 0; i < p->n_gone; i++) {
		struct ice_entry *entry = p->gone[i];

		if (entry->m->content == CONTENT_DATA) {
			map_remove(table->by_path, str_of(entry->m->file->path));
			data = true;
			continue;
		}
		if (!entry_is_dv(entry->m))
			table->n_foreign_deletes--;
		if (entry->link && entry->link->link == entry) {
			entry->link->link = NULL;
			mem_free(entry->link->m->file->dv.path);
			entry->link->m->file->dv = (struct deletion_vector){ 0 };
		}
	}
	for (size_t i = 0; data && i < table->n_files; i++) {
		if (table->entries[i]->gone == p->serial)
			continue;
		table->entries[n] = table->entries[i];
		table->files[n++] = table->files[i];
	}
	if (data)
		table->n_files = n;
	for (size_t i = 0; i < p->n_gone; i++)
		ice_entry_free(p->gone[i]);
	p->n_gone = 0;
}

static int take_added(struct lake_pending *p, struct err *err)
{
	struct ice_table *table = p->table;
	size_t n = p->n_added;

	for (size_t i = 0; i < n; i++) {
		struct ice_entry *entry = p->added[i];

		if (vec_grow(&table->entries, &table->cap_entries, table->n_files + 1, sizeof *table->entries) ||
		    vec_grow(&table->files, &table->cap_files, table->n_files + 1, sizeof *table->files) ||
		    map_put(table->by_path, str_of(entry->m->file->path), entry, NULL))
			return err_nomem(err);
		table->entries[table->n_files] = entry;
		table->files[table->n_files++] = entry->m->file;
		p->added[i] = NULL; /* the table's now */
	}
	return 0;
}

/* The entries are the table's already: its current version names them. */
static int take_dvs(struct ice_entry *const *dvs, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct ice_entry *entry = dvs[i];

		if (ice_vector_set(entry->link->m->file, entry->m, err))
			return ERR_NOMEM;
		entry->link->link = entry;
	}
	return 0;
}

/* The new version comes first: without memory for it nothing has moved. From then on an entry has one owner at every
 * step, so a table that fails halfway can be closed, which is all that may still be done with it. */
static int apply(struct lake_pending *p, struct err *err)
{
	struct ice_table *table = p->table;
	struct ice_version *old = table->current;
	size_t n_dvs = p->n_dvs;
	int rc = ice_version_add(table, p->snapshot_id, p->list, p->manifests, p->n_manifests, err);

	if (rc)
		return rc;
	table->current = table->versions[table->n_versions - 1];
	table->totals = p->totals;
	p->n_dvs = 0;
	for (size_t i = 0; i < p->n_added; i++)
		inherit_sequence(p, p->added[i]);
	for (size_t i = 0; i < n_dvs; i++)
		inherit_sequence(p, p->dvs[i]);
	take_manifests(p);
	close_old_manifests(old, p->serial);
	drop_gone(p);
	rc = take_added(p, err);
	return rc ? rc : take_dvs(p->dvs, n_dvs, err);
}

int ice_done(struct lake_table *table, struct lake_pending *pending, struct catalog_table *result, struct err *err)
{
	struct ice_table *t = (struct ice_table *)table;
	int rc = 0;

	if (!is_result(pending, result->metadata))
		rc = err_set(err, ERR_CONFLICT, "table %s: another writer has committed right after; open it again",
		             t->name);
	if (!rc && pending->new_version)
		rc = apply(pending, err);
	if (!rc)
		rc = ice_table_adopt(t, result, err);
	/* a snapshot that somebody added to another branch meanwhile counts in the set difference */
	if (!rc && t->history_ok)
		ice_history_load(t);
	if (!rc)
		ice_versions_trim(t);
	ice_forget(pending);
	return rc;
}
