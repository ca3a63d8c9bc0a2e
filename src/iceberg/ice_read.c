/* src/iceberg/ice_read.c — from a snapshot in the metadata to its manifest list and manifests in the store. */
#include <stdio.h>

#include "base/mem.h"
#include "iceberg/ice_table_int.h"

struct str ice_snapshot_key(int64_t snapshot_id, char buf[SNAPSHOT_KEY_MAX])
{
	return str_view(buf, (size_t)snprintf(buf, SNAPSHOT_KEY_MAX, "%lld", (long long)snapshot_id));
}

int ice_fetch(struct store *store, const char *uri, const char *what, char **bytes, size_t *n, struct err *err)
{
	const char *key = store_key(store, uri);

	if (!key)
		return err_set(
			err, ERR_IDENTITY,
			"%s %s lies outside the warehouse %s; open the table with the warehouse it was written to",
			what, uri, store->root_uri);
	return store_get(store, key, MANIFEST_BYTES_MAX, bytes, n, err);
}

int ice_read_manifest(struct store *store, const struct manifest_info *info,
                      int (*fn)(void *, struct manifest_entry *, struct err *), void *arg, struct err *err)
{
	char *bytes = NULL;
	size_t n = 0;
	int rc;

	if (info->encrypted)
		return err_set(err, ERR_UNSUPPORTED, "manifest %s is encrypted; Tarn reads no encrypted tables",
		               info->path);
	rc = ice_fetch(store, info->path, "manifest", &bytes, &n, err);
	if (!rc)
		rc = manifest_read(str_view(bytes, n), info, fn, arg, err);
	mem_free(bytes);
	return rc;
}

/* Version 1 may list manifests in the metadata itself. */
static int inline_manifests(const json_t *snapshot, struct manifest_info **out, size_t *n, struct err *err)
{
	const json_t *list = json_object_get(snapshot, "manifests"), *v;
	size_t i, count = json_array_size(list);
	struct manifest_info *infos = mem_array(count + 1, sizeof *infos);

	if (!infos)
		return err_nomem(err);
	json_array_foreach(list, i, v)
	{
		infos[i] = (struct manifest_info){ .bytes = -1,
			                           .added_snapshot_id = json_get_int(snapshot, "snapshot-id", -1),
			                           .n_added = -1,
			                           .n_existing = -1,
			                           .n_deleted = -1,
			                           .rows_added = -1,
			                           .rows_existing = -1,
			                           .rows_deleted = -1,
			                           .first_row_id = -1 };
		infos[i].path = json_is_string(v) ? mem_strdup(json_string_value(v)) : NULL;
		if (!infos[i].path) {
			manifest_infos_free(infos, i + 1);
			return json_is_string(v) ? err_nomem(err)
			                         : err_set(err, ERR_CORRUPT, "a snapshot's manifests are not paths");
		}
	}
	*out = infos;
	*n = count;
	return 0;
}

int ice_read_list(struct store *store, const json_t *snapshot, struct manifest_info **out, size_t *n, struct err *err)
{
	const char *uri = json_get_str(snapshot, "manifest-list", NULL);
	char *bytes = NULL;
	size_t size = 0;
	int rc;

	*out = NULL;
	*n = 0;
	if (!uri && json_is_array(json_object_get(snapshot, "manifests")))
		return inline_manifests(snapshot, out, n, err);
	if (!uri)
		return err_set(err, ERR_CORRUPT, "snapshot %lld names no manifest list",
		               (long long)json_get_int(snapshot, "snapshot-id", -1));
	rc = ice_fetch(store, uri, "manifest list", &bytes, &size, err);
	if (!rc)
		rc = manifest_list_read(str_view(bytes, size), uri, out, n, err);
	mem_free(bytes);
	return rc;
}
