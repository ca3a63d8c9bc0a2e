/* src/iceberg/ice_expire.c — which versions go with the next commit, and deleting what only they reached.
 *
 * A snapshot goes when it is beyond the versions_min newest of main and older than age_us_max. Kept are what tags and
 * branches other than main name, and a branch's own snapshots down to where it left main. gc.enabled=false stops
 * expiry and every sweep. A tag that somebody set since we last read the metadata must not be lost: when there is
 * something to expire the metadata is read again first. */
#include "base/env.h"
#include "base/mem.h"
#include "iceberg/ice_table_int.h"

/* Removed in groups, so that most commits need not read the metadata again. */
#define GROUP_OF(versions_min) (1 + (versions_min) / 8)

bool ice_gc_enabled(const json_t *metadata)
{
	return strcmp(json_get_str(json_object_get(metadata, "properties"), "gc.enabled", "true"), "false") != 0;
}

static json_t *find(const struct map *by_id, int64_t id)
{
	char buf[SNAPSHOT_KEY_MAX];

	return map_get(by_id, ice_snapshot_key(id, buf));
}

static int put(struct map *map, int64_t id, void *value)
{
	char buf[SNAPSHOT_KEY_MAX];

	return map_put(map, ice_snapshot_key(id, buf), value, NULL);
}

/* by_id: all snapshots; kept: those that stay whatever their age; on_main: main's ancestors. */
struct plan {
	struct map *by_id, *kept, *on_main;
};

static int plan_main(struct plan *plan, int64_t head, int64_t n_kept)
{
	int64_t n = 0;

	for (json_t *s = find(plan->by_id, head); s && !find(plan->on_main, head); s = find(plan->by_id, head)) {
		if (put(plan->on_main, head, s) || (n++ < n_kept && put(plan->kept, head, s)))
			return -1;
		head = json_get_int(s, "parent-snapshot-id", -1);
	}
	return 0;
}

static int plan_ref(struct plan *plan, const json_t *ref)
{
	int64_t id = json_get_int(ref, "snapshot-id", -1);
	bool branch = !strcmp(json_get_str(ref, "type", ""), "branch");

	for (json_t *s = find(plan->by_id, id); s; s = find(plan->by_id, id)) {
		bool joined = find(plan->on_main, id) != NULL;

		if (put(plan->kept, id, s))
			return -1;
		if (!branch || joined)
			break;
		id = json_get_int(s, "parent-snapshot-id", -1);
		if (find(plan->on_main, id) || find(plan->kept, id))
			break;
	}
	return 0;
}

static int make_plan(struct plan *plan, const json_t *metadata, int64_t n_kept)
{
	const json_t *snapshots = json_object_get(metadata, "snapshots"), *refs = json_object_get(metadata, "refs"), *v;
	const char *name;
	size_t i;

	plan->by_id = map_new();
	plan->kept = map_new();
	plan->on_main = map_new();
	if (!plan->by_id || !plan->kept || !plan->on_main)
		return -1;
	json_array_foreach(snapshots, i, v)
	{
		if (put(plan->by_id, json_get_int(v, "snapshot-id", -1), (void *)(uintptr_t)v))
			return -1;
	}
	if (plan_main(plan, ice_metadata_current_snapshot(metadata), n_kept))
		return -1;
	json_object_foreach((json_t *)(uintptr_t)refs, name, v)
	{
		if (strcmp(name, "main") && plan_ref(plan, v))
			return -1;
	}
	return 0;
}

static void free_plan(struct plan *plan)
{
	map_free(plan->by_id, NULL);
	map_free(plan->kept, NULL);
	map_free(plan->on_main, NULL);
}

/* ids: new array of what goes, oldest first as the metadata has them. new_version: this commit adds one, which counts
 * among the newest. */
static int expirable(const struct ice_table *table, bool new_version, json_t **ids, struct err *err)
{
	int64_t n_kept = table->keep.versions_min > 0 ? table->keep.versions_min : 1, current = table->snapshot_id;
	int64_t before_ms = (env_wall_us() - table->keep.age_us_max) / 1000;
	const json_t *snapshots = json_object_get(table->metadata, "snapshots"), *v;
	struct plan plan = { 0 };
	size_t i;
	int rc = 0;

	*ids = json_array();
	if (!*ids)
		return err_nomem(err);
	if (!table->has_keep || !ice_gc_enabled(table->metadata) ||
	    json_array_size(snapshots) + new_version <= (size_t)n_kept)
		return 0;
	n_kept -= new_version && n_kept > 1;
	if (make_plan(&plan, table->metadata, n_kept))
		rc = err_nomem(err);
	json_array_foreach(snapshots, i, v)
	{
		int64_t id = json_get_int(v, "snapshot-id", -1);

		/* The parent of the commit under way is kept: a reader that has just loaded the table may hold it. */
		if (!rc && id != current && !find(plan.kept, id) &&
		    json_get_int(v, "timestamp-ms", INT64_MAX) < before_ms &&
		    json_array_append_new(*ids, json_integer(id)))
			rc = err_nomem(err);
	}
	free_plan(&plan);
	if (rc) {
		json_decref(*ids);
		*ids = NULL;
	}
	return rc;
}

static size_t group(const struct ice_table *table)
{
	int64_t versions_min = table->keep.versions_min > 0 ? table->keep.versions_min : 1;

	return (size_t)GROUP_OF(versions_min);
}

static bool same_base(const struct ice_table *table, const json_t *metadata)
{
	return !strcmp(json_get_str(metadata, "table-uuid", ""), json_get_str(table->metadata, "table-uuid", "")) &&
	       ice_metadata_current_snapshot(metadata) == table->snapshot_id;
}

int ice_expire_refresh(struct ice_table *table, struct err *err)
{
	struct catalog_table fresh = { 0 };
	json_t *ids;
	size_t n;
	int rc;

	table->fresh = false;
	rc = expirable(table, true, &ids, err);
	if (rc)
		return rc;
	n = json_array_size(ids);
	json_decref(ids);
	if (n < group(table))
		return 0;
	rc = table->catalog->ops->table_load(table->catalog, table->ns, table->name, &fresh, err);
	if (!rc && !same_base(table, fresh.metadata))
		rc = err_set(err, ERR_CONFLICT,
		             "table %s: another writer has committed since it was opened; open it again", table->name);
	if (!rc)
		rc = ice_table_adopt(table, &fresh, err);
	catalog_table_clear(&fresh);
	if (rc)
		return rc;
	table->fresh = true;
	ice_history_load(table);
	return 0;
}

int ice_expire(struct lake_pending *pending, struct err *err)
{
	json_t *ids;
	int rc;

	if (!pending->table->fresh)
		return 0;
	rc = expirable(pending->table, pending->new_version, &ids, err);
	if (rc)
		return rc;
	if (json_array_size(ids))
		rc = ice_update_push(pending,
		                     json_pack("{s:s, s:O}", "action", "remove-snapshots", "snapshot-ids", ids), err);
	json_decref(ids);
	return rc;
}

/* Only below the table's own location: a file registered from elsewhere is not ours to delete. */
static const char *own_key(const struct ice_table *table, const char *uri)
{
	const char *key = store_key(table->store, uri), *root = store_key(table->store, table->location);
	size_t n = root ? strlen(root) : 0;

	return key && root && !strncmp(key, root, n) && key[n] == '/' ? key : NULL;
}

/* Come back since it was collected: a branch, a reused file, a list that two snapshots share. */
static bool is_reached(const struct ice_table *table, const char *uri)
{
	if (map_get(table->paths, str_of(uri)) || map_get(table->manifests, str_of(uri)))
		return true;
	for (size_t i = 0; i < table->n_versions; i++)
		if (table->versions[i]->list && !strcmp(table->versions[i]->list, uri))
			return true;
	return false;
}

int ice_sweep(struct lake_table *table, size_t *n_deleted, struct err *err)
{
	struct ice_table *t = (struct ice_table *)table;
	size_t n = 0;
	int rc = 0;

	*n_deleted = 0;
	for (size_t i = 0; i < t->n_garbage; i++) {
		char *uri = t->garbage[i];
		const char *key = own_key(t, uri);
		bool reached = is_reached(t, uri);

		if (!rc && key && !reached)
			rc = store_remove(t->store, key, err);
		if (rc) {
			t->garbage[n++] = uri; /* next time */
			continue;
		}
		*n_deleted += key && !reached;
		mem_free(uri);
	}
	t->n_garbage = n;
	return rc;
}
