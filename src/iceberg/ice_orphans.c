/* src/iceberg/ice_orphans.c — deleting files below a table's location that its metadata does not reach.
 *
 * Reached is what the current metadata names: its own file, those of its log, statistics, and of every snapshot it
 * lists (so what tags and branches hold, too) the manifest list, its manifests and their live entries. Names are
 * compared without their folders: all of ours hold a UUID, and one place may be written in several ways (file:/x,
 * file:///x, a doubled slash). What cannot be read makes the whole sweep an error before anything is deleted.
 *
 * Deleted is only what bears a name that this program gives, in the folder where it puts such files; another engine's
 * leftovers are for that engine. A file that a writer has not named yet is told by its age alone: see
 * lake/orphans.h. */
#include "base/map.h"
#include "base/mem.h"
#include "iceberg/ice_table_int.h"

#define REACHED_MAX 4000000 /* names of one table held in memory */

struct sweeping {
	struct store *store;
	struct lake_orphans *orphans;
	const char *location; /* key */
	struct map *reached;  /* file names */
	struct map *read;     /* URIs of manifests that were read: versions share most of theirs */
	char **doomed;        /* keys */
	size_t n_doomed, cap_doomed;
	uint64_t *bytes; /* of each */
	size_t cap_bytes;
	struct err *err;
};

static struct str file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return str_of(slash ? slash + 1 : path);
}

/* --- what is reached --- */

static int reach(struct sweeping *s, const char *uri, struct err *err)
{
	if (!uri || !*uri)
		return 0;
	if (map_count(s->reached) >= REACHED_MAX)
		return err_set(err, ERR_LIMIT, "its versions name more than %d files", REACHED_MAX);
	return map_put(s->reached, file_name(uri), s, NULL) ? err_nomem(err) : 0;
}

static int reach_entry(void *arg, struct manifest_entry *m, struct err *err)
{
	int rc = m->status == ENTRY_DELETED ? 0 : reach(arg, m->file->path, err);

	manifest_entry_free(m);
	return rc;
}

static int reach_manifest(struct sweeping *s, const struct manifest_info *info, struct err *err)
{
	int rc;

	if (map_get(s->read, str_of(info->path)))
		return 0;
	rc = reach(s, info->path, err);
	if (!rc)
		rc = ice_read_manifest(s->store, info, reach_entry, s, err);
	if (!rc && map_put(s->read, str_of(info->path), s, NULL))
		rc = err_nomem(err);
	return rc;
}

static int reach_snapshot(struct sweeping *s, const json_t *snapshot, struct err *err)
{
	struct manifest_info *infos;
	size_t n;
	int rc = reach(s, json_get_str(snapshot, "manifest-list", NULL), err);

	if (!rc)
		rc = ice_read_list(s->store, snapshot, &infos, &n, err);
	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < n; i++)
		rc = reach_manifest(s, &infos[i], err);
	manifest_infos_free(infos, n);
	return rc;
}

/* The member `key` of each element of the metadata's list. */
static int reach_each(struct sweeping *s, const json_t *metadata, const char *list, const char *key, struct err *err)
{
	const json_t *v;
	size_t i;
	int rc = 0;

	json_array_foreach(json_object_get(metadata, list), i, v)
	{
		if (!rc)
			rc = reach(s, json_get_str(v, key, NULL), err);
	}
	return rc;
}

static int reach_table(struct sweeping *s, const struct catalog_table *table, struct err *err)
{
	const json_t *v;
	size_t i;
	int rc = reach(s, table->metadata_location, err);

	if (!rc)
		rc = reach_each(s, table->metadata, "metadata-log", "metadata-file", err);
	if (!rc)
		rc = reach_each(s, table->metadata, "statistics", "statistics-path", err);
	if (!rc)
		rc = reach_each(s, table->metadata, "partition-statistics", "statistics-path", err);
	/* the oldest first: they are the next to expire under our eyes */
	json_array_foreach(json_object_get(table->metadata, "snapshots"), i, v)
	{
		if (!rc)
			rc = reach_snapshot(s, v, err);
	}
	return rc;
}

/* --- what is ours --- */

static bool cut_digits(struct str *s)
{
	size_t n = 0;

	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	*s = str_view(s->p + n, s->n - n);
	return n > 0;
}

static bool cut_text(struct str *s, const char *text)
{
	if (!str_starts(*s, text))
		return false;
	*s = str_view(s->p + strlen(text), s->n - strlen(text));
	return true;
}

static bool cut_uuid(struct str *s)
{
	for (size_t i = 0; i < 36; i++) {
		char c = i < s->n ? s->p[i] : '\0';
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	*s = str_view(s->p + 36, s->n - 36);
	return true;
}

/* <uuid>.parquet (lake/data_writer.c), <uuid>-deletes.puffin (ice_vectors.c) */
static bool is_data_name(struct str s)
{
	return cut_uuid(&s) && (str_eqz(s, ".parquet") || str_eqz(s, "-deletes.puffin"));
}

/* <uuid>-m<n>.avro, snap-<id>-1-<uuid>.avro (ice_build.c), <n>-<uuid>.metadata.json (catalog/catalog_file.c) */
static bool is_metadata_name(struct str s)
{
	struct str manifest = s, list = s, metadata = s;

	return (cut_uuid(&manifest) && cut_text(&manifest, "-m") && cut_digits(&manifest) &&
	        str_eqz(manifest, ".avro")) ||
	       (cut_text(&list, "snap-") && cut_digits(&list) && cut_text(&list, "-1-") && cut_uuid(&list) &&
	        str_eqz(list, ".avro")) ||
	       (cut_digits(&metadata) && cut_text(&metadata, "-") && cut_uuid(&metadata) &&
	        str_eqz(metadata, ".metadata.json"));
}

/* .tmp-<uuid> (store/store_fs.c) */
static bool is_temp_name(struct str s) { return cut_text(&s, ".tmp-") && cut_uuid(&s) && s.n == 0; }

static bool is_our_name(const struct sweeping *s, const char *key)
{
	struct str rest = str_of(key + strlen(s->location) + 1), folder = str_cut(&rest, '/');

	if (str_eqz(folder, "data"))
		return is_data_name(rest) || is_temp_name(rest);
	return str_eqz(folder, "metadata") && (is_metadata_name(rest) || is_temp_name(rest));
}

/* --- what goes --- */

#define ENOUGH (-1) /* the bound of a run: no error */

static int judge(void *arg, const struct store_object *object)
{
	struct sweeping *s = arg;
	char *key;

	if (object->mtime_us >= s->orphans->before_us || !is_our_name(s, object->key) ||
	    map_get(s->reached, file_name(object->key)))
		return 0;
	if (s->n_doomed >= s->orphans->n_max)
		return ENOUGH;
	key = mem_strdup(object->key);
	if (!key || vec_grow(&s->doomed, &s->cap_doomed, s->n_doomed + 1, sizeof *s->doomed) ||
	    vec_grow(&s->bytes, &s->cap_bytes, s->n_doomed + 1, sizeof *s->bytes)) {
		mem_free(key);
		return err_nomem(s->err);
	}
	s->bytes[s->n_doomed] = object->size;
	s->doomed[s->n_doomed++] = key;
	return 0;
}

static int find_orphans(struct sweeping *s, struct err *err)
{
	int rc;

	s->err = err;
	rc = store_list(s->store, s->location, judge, s, err);
	if (!rc)
		rc = s->store->ops->list_unfinished(s->store, s->location, judge, s, err);
	s->orphans->more = rc == ENOUGH;
	return rc == ENOUGH ? 0 : rc;
}

/* One that cannot be removed does not keep the others. */
static int remove_orphans(struct sweeping *s, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < s->n_doomed; i++) {
		int rc_one = store_remove(s->store, s->doomed[i], rc ? NULL : err);

		if (rc_one) {
			rc = rc ? rc : rc_one;
			continue;
		}
		s->orphans->n_deleted++;
		s->orphans->bytes_deleted += s->bytes[i];
	}
	return rc;
}

static int sweep(struct sweeping *s, const struct catalog_table *table, struct err *err)
{
	int rc;

	s->reached = map_new();
	s->read = map_new();
	rc = s->reached && s->read ? reach_table(s, table, err) : err_nomem(err);
	if (!rc)
		rc = find_orphans(s, err);
	if (!rc)
		rc = remove_orphans(s, err);
	for (size_t i = 0; i < s->n_doomed; i++)
		mem_free(s->doomed[i]);
	mem_free(s->doomed);
	mem_free(s->bytes);
	map_free(s->reached, NULL);
	map_free(s->read, NULL);
	return rc;
}

static bool may_sweep(const struct catalog_table *table, const struct lake_kv *own)
{
	const json_t *properties = json_object_get(table->metadata, "properties");

	return !strcmp(json_get_str(properties, own->key, ""), own->value) && ice_gc_enabled(table->metadata);
}

/* The key of the table's folder. */
static int find_location(struct store *store, const json_t *metadata, char *out, struct err *err)
{
	struct str uri = str_of(json_get_str(metadata, "location", ""));
	char text[LOCATION_MAX];
	const char *key;

	while (uri.n > 1 && uri.p[uri.n - 1] == '/')
		uri.n--;
	key = str_copy(text, sizeof text, uri) ? store_key(store, text) : NULL;
	if (!key)
		return err_set(err, ERR_IDENTITY, "its location %.512s is not a place inside the warehouse %s",
		               json_get_str(metadata, "location", ""), store->root_uri);
	(void)str_copy(out, LOCATION_MAX, str_of(key));
	return 0;
}

int ice_sweep_orphans(struct catalog *catalog, struct store *store, const char *ns, const char *name,
                      struct lake_orphans *orphans, struct err *err)
{
	struct catalog_table table = { 0 };
	char location[LOCATION_MAX];
	struct sweeping s = { .store = store, .orphans = orphans, .location = location };
	int rc;

	orphans->n_deleted = 0;
	orphans->bytes_deleted = 0;
	orphans->more = false;
	rc = catalog->ops->table_load(catalog, ns, name, &table, err);
	if (rc == ERR_NOT_FOUND) { /* not made yet */
		err_clear(err);
		return 0;
	}
	if (!rc && may_sweep(&table, &orphans->own)) {
		rc = find_location(store, table.metadata, location, err);
		if (!rc)
			rc = sweep(&s, &table, err);
	}
	catalog_table_clear(&table);
	return rc;
}
