/* src/catalog/catalog_namespace.c — namespaces of the built-in catalog: a name of levels and a JSON object of
 * properties each.
 *
 * Creating "a.b" makes "a" too when it is missing, so that every listed namespace can be loaded. */
#include "catalog/catalog_sqlite_int.h"

#include <stdio.h>

#include "base/mem.h"
#include "catalog/catalog_json.h"

#define NS_PROPERTIES_MAX 1000
#define NS_PROPERTY_BYTES_MAX 65536

static int check_properties(const struct sqlite_catalog *c, const json_t *properties, struct err *err)
{
	char uri[CATALOG_URI_MAX];
	const char *key, *location = json_get_str(properties, "location", NULL);
	json_t *value;

	if (!json_is_object(properties) || json_object_size(properties) > NS_PROPERTIES_MAX)
		return err_set(err, ERR_USAGE, "namespace properties: must be an object of at most %d texts",
		               NS_PROPERTIES_MAX);
	json_object_foreach((json_t *)properties, key, value)
	{
		if (!json_is_string(value) || json_string_length(value) > NS_PROPERTY_BYTES_MAX || !key[0] ||
		    strlen(key) > 1024)
			return err_set(err, ERR_USAGE,
			               "namespace properties: \"%.64s\" must be a text of at most %d bytes", key,
			               NS_PROPERTY_BYTES_MAX);
	}
	return location ? catalog_location_check(c, location, "namespace location", uri, sizeof uri, err) : 0;
}

/* In a transaction: the namespace's row, and those of the levels above it. */
static int insert_levels(struct catalog_db *db, const char *ns, const char *properties, struct err *err)
{
	char above[600], text[600];
	int rc = 0;

	for (const char *p = ns; *p && !rc; p++) {
		if (*p != CATALOG_LEVEL_SEP)
			continue;
		snprintf(above, sizeof above, "%.*s", (int)(p - ns), ns);
		rc = catalog_db_run(db, err, "INSERT OR IGNORE INTO namespaces VALUES (?, '{}')", "s", above);
	}
	if (rc)
		return rc;
	rc = catalog_db_run(db, err, "INSERT OR IGNORE INTO namespaces VALUES (?, ?)", "ss", ns, properties);
	if (!rc && sqlite3_changes(db->handle) == 0)
		rc = err_set(err, ERR_EXISTS, "Namespace already exists: %s",
		             catalog_namespace_text(ns, text, sizeof text));
	return rc;
}

/* Ends a transaction by the result of its statements. */
static int finish(struct catalog_db *db, int rc, struct err *err)
{
	bool unknown;

	if (rc) {
		catalog_db_rollback(db);
		return rc;
	}
	return catalog_db_commit(db, &unknown, err);
}

int catalog_sqlite_namespace_create(struct catalog *catalog, const char *ns, const json_t *properties, struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	struct wbuf text;
	const char *json;
	int rc;

	if ((rc = catalog_writable(c, err)) || (rc = catalog_check_namespace(ns, err)) ||
	    (properties && (rc = check_properties(c, properties, err))))
		return rc;
	wbuf_init(&text, 0);
	if (properties)
		rc = catalog_json_put(&text, properties, err);
	else
		wbuf_putz(&text, "{}");
	json = wbuf_cstr(&text);
	if (!rc && !(rc = wbuf_check(&text, err, "namespace properties")) && !(rc = catalog_db_begin(&c->writer, err)))
		rc = finish(&c->writer, insert_levels(&c->writer, ns, json, err), err);
	wbuf_free(&text);
	return rc;
}

/* The lock is held. */
static int load_properties(struct catalog_db *db, const char *ns, json_t **out, struct err *err)
{
	sqlite3_stmt *stmt;
	char name[600];
	bool row;
	int rc = catalog_db_bind(db, &stmt, err, "SELECT properties FROM namespaces WHERE name = ?", "s", ns);

	*out = NULL;
	if (rc)
		return rc;
	rc = catalog_db_step(db, stmt, &row, err);
	if (!rc && !row)
		rc = err_set(err, ERR_NOT_FOUND, "Namespace does not exist: %s",
		             catalog_namespace_text(ns, name, sizeof name));
	if (!rc) {
		*out = json_parse(str_of((const char *)sqlite3_column_text(stmt, 0)),
		                  "catalog database: namespace properties", err);
		rc = *out ? 0 : err->code;
	}
	sqlite3_finalize(stmt);
	return rc;
}

int catalog_sqlite_namespace_load(struct catalog *catalog, const char *ns, json_t **properties, struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	struct err local;
	int rc;

	monitor_lock(&c->reader.lock);
	rc = load_properties(&c->reader, ns, properties, err ? err : &local);
	monitor_unlock(&c->reader.lock);
	return rc;
}

/* "a\x1f" and the string just behind all that start with it, for a range of an index. */
static void children_range(const char *ns, char *from, char *to, size_t size)
{
	snprintf(from, size, "%s\x1f", ns);
	snprintf(to, size, "%s\x20", ns);
}

static int drop_empty(struct catalog_db *db, const char *ns, struct err *err)
{
	static const char sql[] =
		"SELECT (SELECT count(*) FROM tables WHERE namespace = ?1), (SELECT count(*) FROM namespaces WHERE name > ?2 AND name < ?3)";
	char from[600], to[600], text[600];
	int64_t tables = 0, children = 0;
	sqlite3_stmt *stmt;
	bool row;
	int rc = catalog_namespace_exists(db, ns, err);

	if (rc)
		return rc;
	children_range(ns, from, to, sizeof from);
	rc = catalog_db_bind(db, &stmt, err, sql, "sss", ns, from, to);
	if (rc)
		return rc;
	rc = catalog_db_step(db, stmt, &row, err);
	if (!rc && row) {
		tables = sqlite3_column_int64(stmt, 0);
		children = sqlite3_column_int64(stmt, 1);
	}
	sqlite3_finalize(stmt);
	if (!rc && tables + children > 0)
		rc = err_set(err, ERR_NOT_EMPTY,
		             "Namespace %s is not empty. Contains %d table(s) and %d child namespace(s).",
		             catalog_namespace_text(ns, text, sizeof text), (int)tables, (int)children);
	return rc ? rc : catalog_db_run(db, err, "DELETE FROM namespaces WHERE name = ?", "s", ns);
}

int catalog_sqlite_namespace_drop(struct catalog *catalog, const char *ns, struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	int rc;

	if ((rc = catalog_writable(c, err)) || (rc = catalog_check_namespace(ns, err)) ||
	    (rc = catalog_db_begin(&c->writer, err)))
		return rc;
	return finish(&c->writer, drop_empty(&c->writer, ns, err), err);
}

/* Removals first, then updates; each name goes into one list of the summary. */
static int change_properties(json_t *properties, const json_t *removals, const json_t *updates, json_t *summary,
                             struct err *err)
{
	json_t *removed = json_object_get(summary, "removed"), *missing = json_object_get(summary, "missing"),
	       *updated = json_object_get(summary, "updated"), *value;
	const char *key;
	size_t i;

	json_array_foreach(removals, i, value)
	{
		if (!json_is_string(value))
			return err_set(err, ERR_USAGE, "namespace properties: removals must be texts");
		if (json_array_append(json_object_del(properties, json_string_value(value)) == 0 ? removed : missing,
		                      value))
			return err_nomem(err);
	}
	json_object_foreach((json_t *)updates, key, value)
	{
		if (json_object_set(properties, key, value) || json_array_append_new(updated, json_string(key)))
			return err_nomem(err);
	}
	return json_object_size(properties) > NS_PROPERTIES_MAX
	               ? err_set(err, ERR_USAGE, "namespace properties: more than %d", NS_PROPERTIES_MAX)
	               : 0;
}

static int update_row(struct catalog_db *db, const char *ns, const json_t *removals, const json_t *updates,
                      json_t *summary, struct err *err)
{
	json_t *properties;
	struct wbuf text;
	const char *json;
	int rc = load_properties(db, ns, &properties, err);

	if (rc)
		return rc;
	wbuf_init(&text, 0);
	rc = change_properties(properties, removals, updates, summary, err);
	if (!rc)
		rc = catalog_json_put(&text, properties, err);
	json = wbuf_cstr(&text);
	if (!rc && !(rc = wbuf_check(&text, err, "namespace properties")))
		rc = catalog_db_run(db, err, "UPDATE namespaces SET properties = ? WHERE name = ?", "ss", json, ns);
	wbuf_free(&text);
	json_decref(properties);
	return rc;
}

int catalog_sqlite_namespace_update(struct catalog *catalog, const char *ns, const json_t *removals,
                                    const json_t *updates, json_t **summary, struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	json_t *made;
	int rc;

	if ((rc = catalog_writable(c, err)) || (rc = catalog_check_namespace(ns, err)) ||
	    (updates && (rc = check_properties(c, updates, err))))
		return rc;
	made = json_pack("{s:[],s:[],s:[]}", "removed", "updated", "missing");
	if (!made)
		return err_nomem(err);
	rc = catalog_db_begin(&c->writer, err);
	if (!rc)
		rc = finish(&c->writer, update_row(&c->writer, ns, removals, updates, made, err), err);
	if (rc || !summary)
		json_decref(made);
	else
		*summary = made;
	return rc;
}

/* Names are gathered under the lock and handed out without it, so that fn may call the catalog. */
struct names {
	char **names;
	size_t n, cap;
};

static int collect(struct catalog_db *db, sqlite3_stmt *stmt, struct names *out, struct err *err)
{
	bool row;
	int rc;

	while ((rc = catalog_db_step(db, stmt, &row, err)) == 0 && row) {
		char *name = mem_strdup((const char *)sqlite3_column_text(stmt, 0));
		if (!name || vec_grow(&out->names, &out->cap, out->n + 1, sizeof *out->names)) {
			mem_free(name);
			return err_nomem(err);
		}
		out->names[out->n++] = name;
	}
	return rc;
}

static int hand_out(struct names *names, int rc, int (*fn)(void *arg, const char *name), void *arg)
{
	for (size_t i = 0; i < names->n; i++) {
		if (!rc)
			rc = fn(arg, names->names[i]);
		mem_free(names->names[i]);
	}
	mem_free(names->names);
	return rc;
}

int catalog_sqlite_namespace_list(struct catalog *catalog, const char *parent, int (*fn)(void *arg, const char *ns),
                                  void *arg, struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	struct names names = { 0 };
	char from[600] = "", to[600];
	sqlite3_stmt *stmt;
	int rc = 0;

	if (parent && (rc = catalog_check_namespace(parent, err)))
		return rc;
	monitor_lock(&c->reader.lock);
	if (parent) {
		children_range(parent, from, to, sizeof from);
		rc = catalog_namespace_exists(&c->reader, parent, err);
		if (!rc)
			rc = catalog_db_bind(
				&c->reader, &stmt, err,
				"SELECT name FROM namespaces WHERE name > ?1 AND name < ?2 AND instr(substr(name, length(?1) + 1), char(31)) = 0 ORDER BY name",
				"ss", from, to);
	} else {
		rc = catalog_db_bind(&c->reader, &stmt, err,
		                     "SELECT name FROM namespaces WHERE instr(name, char(31)) = 0 ORDER BY name", "");
	}
	if (!rc) {
		rc = collect(&c->reader, stmt, &names, err);
		sqlite3_finalize(stmt);
	}
	monitor_unlock(&c->reader.lock);
	return hand_out(&names, rc, fn, arg);
}

int catalog_sqlite_table_list(struct catalog *catalog, const char *ns, int (*fn)(void *arg, const char *name),
                              void *arg, struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	struct names names = { 0 };
	sqlite3_stmt *stmt;
	int rc;

	monitor_lock(&c->reader.lock);
	rc = catalog_namespace_exists(&c->reader, ns, err);
	if (!rc)
		rc = catalog_db_bind(&c->reader, &stmt, err,
		                     "SELECT name FROM tables WHERE namespace = ? ORDER BY name", "s", ns);
	if (!rc) {
		rc = collect(&c->reader, stmt, &names, err);
		sqlite3_finalize(stmt);
	}
	monitor_unlock(&c->reader.lock);
	return hand_out(&names, rc, fn, arg);
}
