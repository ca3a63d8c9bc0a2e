/* src/serve/table_admin.c — opening the catalog for people, names of tables, and what table metadata says about them. */
#include "serve/table_admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/env.h"
#include "iceberg/ice_table.h"
#include "iceberg/metadata.h"
#include "lake/lake.h"

/* --- opening and names --- */

struct listing {
	struct table_admin *admin;
	const char *ns;
	struct err *err;
};

static char *full_name(const char *ns, const char *name)
{
	struct wbuf w;
	char *text;

	wbuf_init(&w, 4096);
	wbuf_putf(&w, "%s.%s", ns, name);
	text = wbuf_take(&w);
	wbuf_free(&w);
	for (char *p = text; p && *p; p++) {
		if (*p == '\x1f')
			*p = '.';
	}
	return text;
}

static int on_table(void *arg, const char *table)
{
	struct listing *listing = arg;
	struct table_admin *admin = listing->admin;
	struct table_name *name;

	if (vec_grow(&admin->names, &admin->cap_names, admin->n_names + 1, sizeof *admin->names))
		return err_nomem(listing->err);
	name = &admin->names[admin->n_names++];
	*name = (struct table_name){ mem_strdup(listing->ns), mem_strdup(table), full_name(listing->ns, table) };
	return name->raw_ns && name->name && name->full ? ERR_OK : err_nomem(listing->err);
}

static int on_namespace(void *arg, const char *ns)
{
	struct listing *parent = arg;
	struct listing listing = { parent->admin, ns, parent->err };
	struct catalog *catalog = parent->admin->catalog;
	int rc = catalog->ops->table_list(catalog, ns, on_table, &listing, parent->err);

	return rc ? rc : catalog->ops->namespace_list(catalog, ns, on_namespace, &listing, parent->err);
}

static int by_full(const void *a, const void *b)
{
	return strcmp(((const struct table_name *)a)->full, ((const struct table_name *)b)->full);
}

int table_admin_open(const struct config *config, bool writable, struct table_admin *out, struct err *err)
{
	struct listing top = { out, NULL, err };
	struct env_stat st;
	char path[4096];
	int rc;

	*out = (struct table_admin){ 0 };
	snprintf(path, sizeof path, "%.4000s/catalog.db", config->state);
	if (env_stat(path, &st))
		return err_set(
			err, ERR_NOT_FOUND,
			"there is no catalog in the state folder %s yet: start 'tarn run' first, or name the right configuration with --config",
			config->state);
	rc = store_open(config->warehouse, &out->store, err);
	if (!rc)
		rc = catalog_open_sqlite(path, out->store, !writable, &out->catalog, err);
	if (!rc)
		rc = out->catalog->ops->namespace_list(out->catalog, NULL, on_namespace, &top, err);
	if (rc) {
		table_admin_close(out);
		return rc;
	}
	if (out->n_names)
		qsort(out->names, out->n_names, sizeof *out->names, by_full);
	return ERR_OK;
}

void table_admin_close(struct table_admin *admin)
{
	for (size_t i = 0; i < admin->n_names; i++) {
		mem_free(admin->names[i].raw_ns);
		mem_free(admin->names[i].name);
		mem_free(admin->names[i].full);
	}
	mem_free(admin->names);
	if (admin->catalog)
		catalog_close(admin->catalog);
	if (admin->store)
		store_close(admin->store);
	*admin = (struct table_admin){ 0 };
}

static int not_found(const struct table_admin *admin, const char *word, struct err *err)
{
	const char **names = mem_array(admin->n_names + 1, sizeof *names);
	const char *near = NULL;

	for (size_t i = 0; names && i < admin->n_names; i++)
		names[i] = admin->names[i].full;
	if (names)
		near = str_nearest(str_of(word), names);
	mem_free(names);
	if (near)
		return err_set(err, ERR_NOT_FOUND,
		               "there is no table %.300s, did you mean %s? 'tarn table ls' lists them", word, near);
	return err_set(err, ERR_NOT_FOUND, "there is no table %.300s; 'tarn table ls' lists them", word);
}

const struct table_name *table_admin_find(const struct table_admin *admin, const char *word, struct err *err)
{
	const struct table_name *alone = NULL;
	size_t n = 0;

	for (size_t i = 0; i < admin->n_names; i++) {
		if (strcmp(admin->names[i].full, word) == 0)
			return &admin->names[i];
		if (strcmp(admin->names[i].name, word) == 0) {
			alone = &admin->names[i];
			n++;
		}
	}
	if (n == 1)
		return alone;
	if (n > 1)
		err_set(err, ERR_USAGE, "%zu tables are called %.300s; name one with its namespace, as in %s", n, word,
		        alone->full);
	else
		not_found(admin, word, err);
	return NULL;
}

/* --- what metadata says --- */

static int load(const struct table_admin *admin, const struct table_name *name, struct catalog_table *out,
                struct err *err)
{
	return admin->catalog->ops->table_load(admin->catalog, name->raw_ns, name->name, out, err);
}

/* Summary values are strings (Iceberg spec, Snapshots: "summary: map<string, string>"). */
static bool summary_int(const json_t *snapshot, const char *key, int64_t *out)
{
	return str_to_i64(str_of(json_get_str(json_object_get(snapshot, "summary"), key, "")), out);
}

static int put_int(json_t *o, const char *key, const json_t *snapshot, const char *summary_key)
{
	int64_t value;

	return summary_int(snapshot, summary_key, &value) ? json_set_int(o, key, value) : 0;
}

static int put_str(json_t *o, const char *key, const char *value)
{
	return value && *value ? json_set_str(o, key, str_of(value)) : 0;
}

static int put_time(json_t *o, const char *key, const json_t *ms)
{
	char text[TIME_TEXT_MAX];

	return json_is_integer(ms) ? json_set_str(o, key, str_of(time_text_ms(json_integer_value(ms) * 1000, text)))
	                           : 0;
}

/* Rows a scan returns: what the files hold less what vectors and position deletes take away; not known beside
 * equality deletes. */
static int put_rows(json_t *o, const json_t *snapshot)
{
	int64_t records, positions = 0, equality = 0;

	if (!summary_int(snapshot, "total-records", &records))
		return 0;
	(void)summary_int(snapshot, "total-position-deletes", &positions);
	(void)summary_int(snapshot, "total-equality-deletes", &equality);
	return equality > 0 ? 0 : json_set_int(o, "rows", records - positions);
}

static int put_current(json_t *o, const json_t *metadata)
{
	int64_t id = ice_metadata_current_snapshot(metadata);
	const json_t *snapshot = ice_metadata_snapshot(metadata, id);

	if (!snapshot)
		return json_set_int(o, "rows", 0) | json_set_int(o, "files", 0) | json_set_int(o, "bytes", 0);
	return json_set_int(o, "version", id) | put_time(o, "committed", json_object_get(snapshot, "timestamp-ms")) |
	       put_rows(o, snapshot) | put_int(o, "files", snapshot, "total-data-files") |
	       put_int(o, "delete_files", snapshot, "total-delete-files") |
	       put_int(o, "deleted_rows", snapshot, "total-position-deletes") |
	       put_int(o, "bytes", snapshot, "total-files-size");
}

/* What all verbs say of a table. */
static int put_table(json_t *o, const struct table_name *name, const json_t *metadata)
{
	return json_set_str(o, "table", str_of(name->full)) |
	       put_str(o, "kind", ice_metadata_property(metadata, LAKE_KEY_KIND)) |
	       json_set_int(o, "format_version", json_get_int(metadata, "format-version", -1)) |
	       put_current(o, metadata) | put_str(o, "lsn", ice_metadata_property(metadata, LAKE_KEY_LSN)) |
	       put_str(o, "source", ice_metadata_property(metadata, LAKE_KEY_SOURCE)) |
	       put_str(o, "source_commit_ts", ice_metadata_property(metadata, LAKE_KEY_COMMIT_TS));
}

static int list_one(const struct table_admin *admin, const struct table_name *name, json_t *o, struct err *err)
{
	struct catalog_table table = { 0 };
	struct err why = { 0 };
	int rc = load(admin, name, &table, &why);

	if (rc == ERR_NOMEM)
		return err_nomem(err);
	rc = rc ? json_set_str(o, "table", str_of(name->full)) | json_set_str(o, "error", str_of(why.text))
	        : put_table(o, name, table.metadata);
	catalog_table_clear(&table);
	return rc ? err_nomem(err) : ERR_OK;
}

int table_admin_list(const struct table_admin *admin, json_t **out, struct err *err)
{
	json_t *list = json_array();
	int rc = list ? ERR_OK : err_nomem(err);

	for (size_t i = 0; !rc && i < admin->n_names; i++) {
		json_t *o = json_object();

		rc = o ? list_one(admin, &admin->names[i], o, err) : err_nomem(err);
		if (json_array_append_new(list, o) && !rc)
			rc = err_nomem(err);
	}
	if (rc)
		json_decref(list);
	else
		*out = list;
	return rc;
}

int table_admin_positions(const struct table_admin *admin, const struct config *config, json_t **out, struct err *err)
{
	json_t *list = json_array();
	int rc = list ? ERR_OK : err_nomem(err);

	for (size_t i = 0; !rc && i < config->n_pipelines; i++) {
		struct catalog_position position;
		char lsn[LSN_TEXT_MAX];
		json_t *o;

		rc = admin->catalog->ops->position_load(admin->catalog, config->pipelines[i].from, &position, err);
		if (rc == ERR_NOT_FOUND) {
			rc = ERR_OK;
			continue;
		}
		if (rc)
			break;
		o = json_object();
		if (!o || json_set_str(o, "pipeline", str_of(config->pipelines[i].from)) ||
		    json_set_str(o, "lsn", str_of(lsn_text(position.lsn, lsn))))
			rc = err_nomem(err);
		if (json_array_append_new(list, o) && !rc)
			rc = err_nomem(err);
	}
	if (rc)
		json_decref(list);
	else
		*out = list;
	return rc;
}

/* The element of metadata's list whose id_key is the value of current_key. */
static json_t *current_of(const json_t *metadata, const char *list, const char *id_key, const char *current_key)
{
	int64_t id = json_get_int(metadata, current_key, -1);
	json_t *element;
	size_t i;

	json_array_foreach(json_object_get(metadata, list), i, element)
	{
		if (json_get_int(element, id_key, -2) == id)
			return element;
	}
	return NULL;
}

static int put_ref(json_t *o, const char *key, json_t *value) { return value ? json_object_set(o, key, value) : 0; }

int table_admin_show(const struct table_admin *admin, const struct table_name *name, json_t **out, struct err *err)
{
	struct catalog_table table = { 0 };
	json_t *o = json_object();
	int rc = o ? load(admin, name, &table, err) : err_nomem(err);

	if (!rc &&
	    (put_table(o, name, table.metadata) ||
	     put_str(o, "uuid", json_get_str(table.metadata, "table-uuid", NULL)) ||
	     put_str(o, "location", json_get_str(table.metadata, "location", NULL)) ||
	     put_str(o, "metadata_location", table.metadata_location) ||
	     json_set_int(o, "versions", (int64_t)json_array_size(json_object_get(table.metadata, "snapshots"))) ||
	     put_ref(o, "schema", current_of(table.metadata, "schemas", "schema-id", "current-schema-id")) ||
	     put_ref(o, "partition_spec",
	             current_of(table.metadata, "partition-specs", "spec-id", "default-spec-id")) ||
	     put_ref(o, "sort_order", current_of(table.metadata, "sort-orders", "order-id", "default-sort-order-id")) ||
	     put_ref(o, "refs", json_object_get(table.metadata, "refs")) ||
	     put_ref(o, "properties", json_object_get(table.metadata, "properties"))))
		rc = err_nomem(err);
	catalog_table_clear(&table);
	if (rc)
		json_decref(o);
	else
		*out = o;
	return rc;
}

/* --- versions --- */

struct listed_version {
	const json_t *snapshot; /* borrowed */
	size_t place;           /* in the metadata */
};

/* Parents before children, backwards: sequence numbers grow, in version 1 only times and places do. */
static int newest_first(const void *a, const void *b)
{
	const struct listed_version *x = a, *y = b;
	int64_t sx = json_get_int(x->snapshot, "sequence-number", 0),
		sy = json_get_int(y->snapshot, "sequence-number", 0);
	int64_t tx = json_get_int(x->snapshot, "timestamp-ms", 0), ty = json_get_int(y->snapshot, "timestamp-ms", 0);

	if (sx != sy)
		return sx < sy ? 1 : -1;
	if (tx != ty)
		return tx < ty ? 1 : -1;
	return x->place < y->place ? 1 : -1;
}

/* Rows that went: those of files that left, and those newly marked; a mark that left with its file was counted before. */
static int put_deleted(json_t *o, const json_t *snapshot)
{
	int64_t deleted = 0, marked = 0, unmarked = 0;
	bool known = summary_int(snapshot, "deleted-records", &deleted);

	known |= summary_int(snapshot, "added-position-deletes", &marked);
	(void)summary_int(snapshot, "removed-position-deletes", &unmarked);
	return known ? json_set_int(o, "deleted_rows", deleted + marked - unmarked) : 0;
}

static int put_refs_of(json_t *o, const json_t *metadata, int64_t id)
{
	json_t *refs = json_array();
	json_t *ref;
	const char *key;
	int rc = refs ? 0 : -1;

	json_object_foreach(json_object_get(metadata, "refs"), key, ref)
	{
		if (json_get_int(ref, "snapshot-id", -1) == id)
			rc |= json_array_append_new(refs, json_str(str_of(key)));
	}
	return rc | json_object_set_new(o, "refs", refs);
}

static int put_version(json_t *o, const json_t *metadata, const json_t *snapshot, bool undone)
{
	const json_t *summary = json_object_get(snapshot, "summary");
	int64_t id = json_get_int(snapshot, "snapshot-id", -1);
	int rc = json_set_int(o, "version", id) | put_time(o, "committed", json_object_get(snapshot, "timestamp-ms")) |
	         put_str(o, "operation", json_get_str(summary, "operation", NULL)) |
	         put_int(o, "added_rows", snapshot, "added-records") | put_deleted(o, snapshot) |
	         put_int(o, "added_files", snapshot, "added-data-files") |
	         put_int(o, "deleted_files", snapshot, "deleted-data-files") | put_rows(o, snapshot) |
	         put_str(o, "lsn", json_get_str(summary, LAKE_KEY_LSN, NULL)) |
	         put_str(o, "engine", json_get_str(summary, "engine-name", NULL)) |
	         json_set_bool(o, "own", json_has(summary, LAKE_KEY_COMMIT_ID)) |
	         json_set_bool(o, "current", id == ice_metadata_current_snapshot(metadata)) |
	         json_set_bool(o, "undone", undone) | put_refs_of(o, metadata, id);

	if (json_get_int(snapshot, "parent-snapshot-id", -1) >= 0)
		rc |= json_set_int(o, "parent", json_get_int(snapshot, "parent-snapshot-id", -1));
	return rc;
}

static int history(const json_t *metadata, json_t *list, struct err *err)
{
	json_t *snapshots = json_object_get(metadata, "snapshots");
	size_t n = json_array_size(snapshots);
	struct listed_version *versions = mem_array(n + 1, sizeof *versions);
	int64_t ancestor = ice_metadata_current_snapshot(metadata); /* the next on the line back from the current one */
	int rc = versions ? ERR_OK : err_nomem(err);

	for (size_t i = 0; !rc && i < n; i++)
		versions[i] = (struct listed_version){ json_array_get(snapshots, i), i };
	if (!rc && n)
		qsort(versions, n, sizeof *versions, newest_first);
	for (size_t i = 0; !rc && i < n; i++) {
		const json_t *snapshot = versions[i].snapshot;
		bool undone = json_get_int(snapshot, "snapshot-id", -1) != ancestor;
		json_t *o = json_object();

		if (!o || put_version(o, metadata, snapshot, undone) || json_array_append(list, o))
			rc = err_nomem(err);
		json_decref(o);
		if (!undone)
			ancestor = json_get_int(snapshot, "parent-snapshot-id", -1);
	}
	mem_free(versions);
	return rc;
}

int table_admin_history(const struct table_admin *admin, const struct table_name *name, json_t **out, struct err *err)
{
	struct catalog_table table = { 0 };
	json_t *list = json_array();
	int rc = list ? load(admin, name, &table, err) : err_nomem(err);

	if (!rc)
		rc = history(table.metadata, list, err);
	catalog_table_clear(&table);
	if (rc)
		json_decref(list);
	else
		*out = list;
	return rc;
}

/* --- files --- */

static int put_file(json_t *list, const struct data_file *file)
{
	json_t *o = json_object();
	int rc = !o || json_set_str(o, "path", str_of(file->path)) ||
	         json_set_int(o, "rows", (int64_t)file->record_count) ||
	         json_set_int(o, "bytes", (int64_t)file->file_bytes) ||
	         json_set_int(o, "deleted_rows", (int64_t)file->dv.cardinality) ||
	         json_set_int(o, "sequence", file->sequence);

	if (!rc && file->dv.path)
		rc = json_set_str(o, "vector", str_of(file->dv.path));
	return json_array_append_new(list, o) | rc;
}

int table_admin_files(const struct table_admin *admin, const struct table_name *name, int64_t version, json_t **out,
                      struct err *err)
{
	struct catalog_table table = { 0 };
	struct ice_scan *scan = NULL;
	json_t *o = json_object(), *files = json_array();
	int rc = o && files ? load(admin, name, &table, err) : err_nomem(err);

	if (!rc && version >= 0 && !ice_metadata_snapshot(table.metadata, version))
		rc = err_set(
			err, ERR_NOT_FOUND,
			"table %s has no version %lld; it may have expired; 'tarn table history %s' lists those that are kept",
			name->full, (long long)version, name->full);
	else if (!rc && (rc = ice_scan_open(admin->store, table.metadata, version, &scan, err)))
		err_prefix(err, "table %s", name->full);
	for (size_t i = 0; !rc && i < scan->n_files; i++)
		rc = put_file(files, scan->files[i]) ? err_nomem(err) : ERR_OK;
	if (!rc && (json_set_str(o, "table", str_of(name->full)) || json_set_int(o, "version", scan->snapshot_id) ||
	            json_object_set(o, "files", files) ||
	            json_set_int(o, "position_delete_files", (int64_t)scan->n_position_delete_files) ||
	            json_set_int(o, "equality_delete_files", (int64_t)scan->n_equality_delete_files)))
		rc = err_nomem(err);
	ice_scan_free(scan);
	catalog_table_clear(&table);
	json_decref(files);
	if (rc)
		json_decref(o);
	else
		*out = o;
	return rc;
}
