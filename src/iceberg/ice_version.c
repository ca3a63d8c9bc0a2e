/* src/iceberg/ice_version.c — versions, manifests and file names in memory, counted; what nobody reaches any more
 * becomes garbage. */
#include "base/log.h"
#include "base/mem.h"
#include "iceberg/ice_table_int.h"

static struct ice_path *path_ref(struct ice_table *table, const char *uri)
{
	struct ice_path *path = map_get(table->paths, str_of(uri));
	size_t n = strlen(uri);

	if (path) {
		path->refs++;
		return path;
	}
	path = mem_alloc(sizeof *path + n + 1);
	if (!path)
		return NULL;
	path->refs = 1;
	memcpy(path->uri, uri, n + 1);
	if (map_put(table->paths, str_view(uri, n), path, NULL)) {
		mem_free(path);
		return NULL;
	}
	return path;
}

/* Without memory the file stays where it is: lost space, not lost data. */
static void add_garbage(struct ice_table *table, const char *uri)
{
	char *copy = mem_strdup(uri);

	if (!copy || vec_grow(&table->garbage, &table->cap_garbage, table->n_garbage + 1, sizeof *table->garbage)) {
		mem_free(copy);
		return;
	}
	table->garbage[table->n_garbage++] = copy;
}

static void path_unref(struct ice_table *table, struct ice_path *path, bool collect)
{
	if (--path->refs > 0)
		return;
	if (collect)
		add_garbage(table, path->uri);
	map_remove(table->paths, str_of(path->uri));
	mem_free(path);
}

static void manifest_free(struct ice_table *table, struct ice_manifest *manifest, bool collect)
{
	if (manifest->info.path && map_get(table->manifests, str_of(manifest->info.path)) == manifest)
		map_remove(table->manifests, str_of(manifest->info.path));
	if (collect)
		add_garbage(table, manifest->info.path);
	for (size_t i = 0; i < manifest->n_paths; i++)
		path_unref(table, manifest->paths[i], collect);
	mem_free(manifest->paths);
	mem_free(manifest->live);
	manifest_info_clear(&manifest->info);
	mem_free(manifest);
}

void ice_manifest_drop(struct ice_table *table, struct ice_manifest *manifest)
{
	if (manifest)
		manifest_free(table, manifest, false);
}

void ice_manifest_unref(struct ice_table *table, struct ice_manifest *manifest, bool collect)
{
	if (--manifest->refs == 0)
		manifest_free(table, manifest, collect);
}

struct ice_manifest *ice_manifest_make(struct ice_table *table, const struct manifest_info *info,
                                       struct ice_entry *const *live, size_t n_live, struct err *err)
{
	struct ice_manifest *manifest = mem_zero(sizeof *manifest);

	if (!manifest)
		goto nomem;
	manifest->live = mem_array(n_live + 1, sizeof *manifest->live);
	manifest->paths = mem_array(n_live + 1, sizeof *manifest->paths);
	if (!manifest->live || !manifest->paths || manifest_info_copy(&manifest->info, info))
		goto nomem;
	for (size_t i = 0; i < n_live; i++) {
		struct ice_path *path = path_ref(table, live[i]->m->file->path);

		if (!path)
			goto nomem;
		manifest->live[manifest->n_live++] = live[i];
		manifest->paths[manifest->n_paths++] = path;
		live[i]->path = path;
		if (live[i]->m->content != CONTENT_DATA && !entry_is_dv(live[i]->m))
			manifest->foreign = true;
	}
	if (map_put(table->manifests, str_of(info->path), manifest, NULL))
		goto nomem;
	return manifest;
nomem:
	ice_manifest_drop(table, manifest);
	err_nomem(err);
	return NULL;
}

static void version_free(struct ice_table *table, struct ice_version *version, bool collect)
{
	for (size_t i = 0; i < version->n_manifests; i++)
		ice_manifest_unref(table, version->manifests[i], collect);
	if (collect && version->list)
		add_garbage(table, version->list);
	mem_free(version->manifests);
	mem_free(version->list);
	mem_free(version);
}

int ice_version_add(struct ice_table *table, int64_t snapshot_id, const char *list,
                    struct ice_manifest *const *manifests, size_t n, struct err *err)
{
	struct ice_version *version = mem_zero(sizeof *version);

	if (!version)
		return err_nomem(err);
	version->snapshot_id = snapshot_id;
	version->list = list ? mem_strdup(list) : NULL;
	version->manifests = mem_array(n + 1, sizeof *version->manifests);
	if ((list && !version->list) || !version->manifests ||
	    vec_grow(&table->versions, &table->cap_versions, table->n_versions + 1, sizeof *table->versions)) {
		version_free(table, version, false);
		return err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		version->manifests[i] = manifests[i];
		manifests[i]->refs++;
	}
	version->n_manifests = n;
	table->versions[table->n_versions++] = version;
	return 0;
}

void ice_versions_free(struct ice_table *table)
{
	for (size_t i = 0; i < table->n_versions; i++)
		version_free(table, table->versions[i], false);
	mem_free(table->versions);
	table->versions = NULL;
	table->n_versions = 0;
	table->current = NULL;
}

/* Only names are kept of a manifest that is not in the current version. */
struct names {
	struct ice_table *table;
	struct ice_entry **entries;
	size_t n, cap;
};

static int take_name(void *arg, struct manifest_entry *m, struct err *err)
{
	struct names *names = arg;
	struct ice_entry *entry;

	if (m->status == ENTRY_DELETED) {
		manifest_entry_free(m);
		return 0;
	}
	entry = ice_entry_new(m);
	if (!entry)
		return err_nomem(err);
	if (vec_grow(&names->entries, &names->cap, names->n + 1, sizeof *names->entries)) {
		ice_entry_free(entry);
		return err_nomem(err);
	}
	names->entries[names->n++] = entry;
	return 0;
}

static struct ice_manifest *old_manifest(struct ice_table *table, const struct manifest_info *info, struct err *err)
{
	struct ice_manifest *manifest = map_get(table->manifests, str_of(info->path));
	struct names names = { .table = table };

	if (manifest)
		return manifest;
	if (!ice_read_manifest(table->store, info, take_name, &names, err)) {
		manifest = ice_manifest_make(table, info, names.entries, names.n, err);
		if (manifest) {
			mem_free(manifest->live);
			manifest->live = NULL;
			manifest->n_live = 0;
		}
	}
	for (size_t i = 0; i < names.n; i++)
		ice_entry_free(names.entries[i]);
	mem_free(names.entries);
	return manifest;
}

static int load_version(struct ice_table *table, const json_t *snapshot, struct err *err)
{
	struct manifest_info *infos;
	struct ice_manifest **manifests;
	size_t n, done = 0;
	int rc;

	rc = ice_read_list(table->store, snapshot, &infos, &n, err);
	if (rc)
		return rc;
	manifests = mem_array(n + 1, sizeof *manifests);
	if (!manifests)
		rc = err_nomem(err);
	for (; !rc && done < n; done++) {
		manifests[done] = old_manifest(table, &infos[done], err);
		if (!manifests[done])
			break;
		manifests[done]->refs++;
	}
	if (!rc && done < n)
		rc = ERR_IO; /* err is set */
	if (!rc)
		rc = ice_version_add(table, json_get_int(snapshot, "snapshot-id", -1),
		                     json_get_str(snapshot, "manifest-list", NULL), manifests, n, err);
	for (size_t i = 0; i < done; i++)
		ice_manifest_unref(table, manifests[i], false);
	mem_free(manifests);
	manifest_infos_free(infos, n);
	return rc;
}

void ice_history_load(struct ice_table *table)
{
	const json_t *snapshots = json_object_get(table->metadata, "snapshots"), *v;
	struct map *known = map_new();
	struct err err = { 0 };
	char buf[SNAPSHOT_KEY_MAX];
	size_t i;
	int rc = known ? 0 : ERR_NOMEM;

	table->history_ok = false;
	for (i = 0; !rc && i < table->n_versions; i++) {
		rc = map_put(known, ice_snapshot_key(table->versions[i]->snapshot_id, buf), table, NULL) ? ERR_NOMEM
		                                                                                         : 0;
	}
	json_array_foreach(snapshots, i, v)
	{
		if (rc)
			break;
		if (!map_get(known, ice_snapshot_key(json_get_int(v, "snapshot-id", -1), buf)))
			rc = load_version(table, v, &err);
	}
	map_free(known, NULL);
	table->history_ok = rc == 0;
	if (rc)
		log_warn("iceberg", "table %s: an older version cannot be read, so files of expired versions stay: %s",
		         table->name, err.text);
}

void ice_versions_trim(struct ice_table *table)
{
	const json_t *snapshots = json_object_get(table->metadata, "snapshots"), *v;
	struct map *listed = map_new();
	size_t i, n = 0;
	char buf[SNAPSHOT_KEY_MAX];
	bool ok = listed != NULL;

	json_array_foreach(snapshots, i, v)
	{
		ok = ok && !map_put(listed, ice_snapshot_key(json_get_int(v, "snapshot-id", -1), buf), table, NULL);
	}
	for (i = 0; ok && i < table->n_versions; i++) {
		struct ice_version *version = table->versions[i];

		if (version == table->current || map_get(listed, ice_snapshot_key(version->snapshot_id, buf)))
			table->versions[n++] = version;
		else
			version_free(table, version, table->history_ok);
	}
	if (ok)
		table->n_versions = n;
	map_free(listed, NULL);
}
