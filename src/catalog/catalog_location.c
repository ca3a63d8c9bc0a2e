/* src/catalog/catalog_location.c — where in the warehouse tables lie, and that nobody points outside of it or into
 * another table.
 *
 * Default: <root>/<namespace>/<table>, both encoded into one path part each, so that no two namespaces or tables ever
 * share or nest folders. A client's own location is accepted below the root (no "..", no other scheme: store_key)
 * when no other table's lies in, around or at it. */
#include "catalog/catalog_sqlite_int.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"

#define PART_MAX 180 /* of an encoded name; file systems allow 255 */

int catalog_location_check(const struct sqlite_catalog *c, const char *uri, const char *what, char *out,
                           size_t out_size, struct err *err)
{
	char trimmed[CATALOG_URI_MAX];
	const char *key;
	size_t n = strlen(uri);

	while (n > 1 && uri[n - 1] == '/')
		n--;
	if (n >= sizeof trimmed)
		return err_set(err, ERR_USAGE, "%s: longer than %d bytes", what, CATALOG_URI_MAX);
	memcpy(trimmed, uri, n);
	trimmed[n] = '\0';
	key = store_key(c->store, trimmed);
	if (!key)
		return err_set(
			err, ERR_PRIVILEGE,
			"%s \"%.512s\" is not a place inside the warehouse %s (letters, digits and . _ = - in its parts)",
			what, trimmed, c->store->root_uri);
	if (store_uri(c->store, key, out, out_size))
		return err_set(err, ERR_USAGE, "%s: longer than %zu bytes", what, out_size);
	return 0;
}

int catalog_properties_check(const struct sqlite_catalog *c, const json_t *properties, struct err *err)
{
	static const char *const paths[] = { "write.data.path", "write.metadata.path", "write.folder-storage.path",
		                             "write.object-storage.path" };
	char uri[CATALOG_URI_MAX];

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		const char *value = json_get_str(properties, paths[i], NULL);
		int rc = value ? catalog_location_check(c, value, paths[i], uri, sizeof uri, err) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

static int update_check(const struct sqlite_catalog *c, const json_t *update, struct err *err)
{
	const char *action = json_get_str(update, "action", ""), *place = NULL, *what = action;
	char uri[CATALOG_URI_MAX];

	if (strcmp(action, "set-properties") == 0)
		return catalog_properties_check(
			c, json_object_get(update, json_has(update, "updates") ? "updates" : "updated"), err);
	if (strcmp(action, "set-location") == 0)
		place = json_get_str(update, "location", NULL);
	else if (strcmp(action, "add-snapshot") == 0)
		place = json_get_str(json_object_get(update, "snapshot"), "manifest-list", NULL);
	else if (strcmp(action, "set-statistics") == 0)
		place = json_get_str(json_object_get(update, "statistics"), "statistics-path", NULL);
	else if (strcmp(action, "set-partition-statistics") == 0)
		place = json_get_str(json_object_get(update, "partition-statistics"), "statistics-path", NULL);
	return place ? catalog_location_check(c, place, what, uri, sizeof uri, err) : 0;
}

int catalog_updates_check(const struct sqlite_catalog *c, const json_t *updates, struct err *err)
{
	size_t i;
	json_t *update;

	json_array_foreach(updates, i, update)
	{
		int rc = update_check(c, update, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int found_one(void *arg, const struct store_object *object)
{
	(void)object;
	*(bool *)arg = true;
	return 1;
}

/* Whether any file lies below the location: a dropped table's files may still be read by somebody, or be wanted back. */
static int folder_in_use(struct sqlite_catalog *c, const char *location, bool *in_use, struct err *err)
{
	const char *key = store_key(c->store, location);
	int rc;

	*in_use = false;
	if (!key)
		return 0;
	rc = store_list(c->store, key, found_one, in_use, err);
	return *in_use ? 0 : rc;
}

/* The namespace's "location" property when it has one, else <root>/<encoded namespace>. */
static int namespace_location(struct sqlite_catalog *c, const char *ns, char *out, size_t out_size, struct err *err)
{
	char part[4 * 512 + 8];
	json_t *properties = NULL;
	const char *own;
	int rc = c->base.ops->namespace_load(&c->base, ns, &properties, err);

	if (rc)
		return rc;
	own = json_get_str(properties, "location", NULL);
	if (own) {
		rc = catalog_location_check(c, own, "namespace location", out, out_size, err);
	} else {
		store_encode_part(str_of(ns), part, sizeof part);
		if (strlen(part) > 255)
			rc = err_set(err, ERR_USAGE,
			             "namespace: its name is too long for a folder; give it a \"location\" property");
		else if (store_uri(c->store, part, out, out_size))
			rc = err_set(err, ERR_LIMIT, "namespace: location longer than %zu bytes", out_size);
	}
	json_decref(properties);
	return rc;
}

int catalog_location_default(struct sqlite_catalog *c, const char *ns, const char *name, const char *uuid, char *out,
                             size_t out_size, struct err *err)
{
	char part[4 * 256 + 8], base[CATALOG_URI_MAX];
	bool in_use = false;
	size_t n;
	int rc = namespace_location(c, ns, base, sizeof base, err);

	if (rc)
		return rc;
	store_encode_part(str_of(name), part, sizeof part);
	n = strlen(part);
	if (n > PART_MAX)
		part[PART_MAX] = '\0';
	if ((size_t)snprintf(out, out_size, "%s/%s", base, part) >= out_size)
		return err_set(err, ERR_LIMIT, "table: location longer than %zu bytes", out_size);
	rc = folder_in_use(c, out, &in_use, err);
	if (rc)
		return rc;
	if (!in_use && n <= PART_MAX) {
		monitor_lock(&c->reader.lock);
		in_use = catalog_location_free(&c->reader, "", "", out, NULL) == ERR_EXISTS;
		monitor_unlock(&c->reader.lock);
	}
	if ((in_use || n > PART_MAX) && (size_t)snprintf(out, out_size, "%s/%s-%.8s", base, part, uuid) >= out_size)
		return err_set(err, ERR_LIMIT, "table: location longer than %zu bytes", out_size);
	return 0;
}

int catalog_location_free(struct catalog_db *db, const char *ns, const char *name, const char *location,
                          struct err *err)
{
	static const char sql[] =
		"SELECT namespace, name FROM tables WHERE NOT (namespace = ?1 AND name = ?2) AND"
		" (location = ?3 OR substr(?3, 1, length(location) + 1) = location || '/' OR substr(location, 1, length(?3) + 1) = ?3 || '/') LIMIT 1";
	sqlite3_stmt *stmt;
	char text[600];
	bool row;
	int rc = catalog_db_bind(db, &stmt, err, sql, "sss", ns, name, location);

	if (rc)
		return rc;
	rc = catalog_db_step(db, stmt, &row, err);
	if (!rc && row)
		rc = err_set(err, ERR_EXISTS,
		             "location %s overlaps the one of table %s.%s: tables may not lie in each other", location,
		             catalog_namespace_text((const char *)sqlite3_column_text(stmt, 0), text, sizeof text),
		             (const char *)sqlite3_column_text(stmt, 1));
	sqlite3_finalize(stmt);
	return rc;
}

struct purge {
	char **keys;
	size_t n, cap;
};

static int purge_collect(void *arg, const struct store_object *object)
{
	struct purge *purge = arg;
	char *key = mem_strdup(object->key);

	if (!key || vec_grow(&purge->keys, &purge->cap, purge->n + 1, sizeof *purge->keys)) {
		mem_free(key);
		return ERR_NOMEM;
	}
	purge->keys[purge->n++] = key;
	return 0;
}

int catalog_location_purge(struct sqlite_catalog *c, const char *location, struct err *err)
{
	const char *key = store_key(c->store, location);
	struct purge purge = { 0 };
	size_t left = 0;
	int rc;

	if (!key) /* the root itself, or a table registered from elsewhere: nothing of it is ours to delete */
		return 0;
	rc = store_list(c->store, key, purge_collect, &purge, err);
	if (rc == ERR_NOMEM)
		err_nomem(err);
	for (size_t i = 0; i < purge.n; i++) {
		struct err one = { 0 };
		if (!rc && store_remove(c->store, purge.keys[i], &one) && left++ == 0)
			log_warn("catalog", "purge of %s: %s", location, one.text);
		mem_free(purge.keys[i]);
	}
	mem_free(purge.keys);
	if (left)
		log_warn("catalog", "purge of %s: %zu files could not be removed", location, left);
	return rc;
}
