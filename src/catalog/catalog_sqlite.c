/* src/catalog/catalog_sqlite.c — the built-in catalog: opening it, rows, the table of operations. */
#include "catalog/catalog_sqlite_int.h"

#include <stdio.h>

#include "base/mem.h"

int catalog_writable(const struct sqlite_catalog *c, struct err *err)
{
	return c->read_only ? err_set(err, ERR_USAGE, "the catalog was opened read-only") : 0;
}

void catalog_row_clear(struct catalog_row *row)
{
	mem_free(row->metadata_location);
	mem_free(row->location);
	*row = (struct catalog_row){ 0 };
}

static char *column_dup(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return text ? mem_strdup(text) : NULL;
}

int catalog_row_load(struct catalog_db *db, const char *ns, const char *name, struct catalog_row *out, struct err *err)
{
	sqlite3_stmt *stmt;
	char text[600];
	bool row;
	int rc = catalog_db_bind(db, &stmt, err,
	                         "SELECT metadata_location, location FROM tables WHERE namespace = ? AND name = ?",
	                         "ss", ns, name);

	*out = (struct catalog_row){ 0 };
	if (rc)
		return rc;
	rc = catalog_db_step(db, stmt, &row, err);
	if (!rc && !row)
		rc = err_set(err, ERR_NOT_FOUND, "Table does not exist: %s.%s",
		             catalog_namespace_text(ns, text, sizeof text), name);
	if (!rc) {
		out->metadata_location = column_dup(stmt, 0);
		out->location = column_dup(stmt, 1);
		if (!out->metadata_location || !out->location) {
			catalog_row_clear(out);
			rc = err_nomem(err);
		}
	}
	sqlite3_finalize(stmt);
	return rc;
}

/* Whether a query has a row. */
static int any_row(struct catalog_db *db, sqlite3_stmt *stmt, bool *row, struct err *err)
{
	int rc = catalog_db_step(db, stmt, row, err);

	sqlite3_finalize(stmt);
	return rc;
}

int catalog_namespace_exists(struct catalog_db *db, const char *ns, struct err *err)
{
	sqlite3_stmt *stmt;
	char text[600];
	bool row;
	int rc = catalog_db_bind(db, &stmt, err, "SELECT 1 FROM namespaces WHERE name = ?", "s", ns);

	if (!rc)
		rc = any_row(db, stmt, &row, err);
	if (!rc && !row)
		rc = err_set(err, ERR_NOT_FOUND, "Namespace does not exist: %s",
		             catalog_namespace_text(ns, text, sizeof text));
	return rc;
}

int catalog_row_insert(struct catalog_db *db, const char *ns, const char *name, const char *metadata_location,
                       const char *uuid, const char *location, struct err *err)
{
	struct catalog_row row;
	char text[600];
	int rc = catalog_namespace_exists(db, ns, err);

	if (rc)
		return rc;
	rc = catalog_row_load(db, ns, name, &row, err);
	if (rc == 0) {
		catalog_row_clear(&row);
		return err_set(err, ERR_EXISTS, "Table already exists: %s.%s",
		               catalog_namespace_text(ns, text, sizeof text), name);
	}
	if (rc != ERR_NOT_FOUND)
		return rc;
	rc = catalog_location_free(db, ns, name, location, err);
	if (rc)
		return rc;
	return catalog_db_run(
		db, err,
		"INSERT INTO tables (namespace, name, metadata_location, uuid, location) VALUES (?, ?, ?, ?, ?)",
		"sssss", ns, name, metadata_location, uuid, location);
}

int catalog_sqlite_position_load(struct catalog *catalog, const char *pipeline, struct catalog_position *out,
                                 struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	sqlite3_stmt *stmt;
	bool row;
	int rc;

	monitor_lock(&c->reader.lock);
	rc = catalog_db_bind(&c->reader, &stmt, err,
	                     "SELECT lsn, system_id, timeline, writer_epoch FROM positions WHERE pipeline = ?", "s",
	                     pipeline);
	if (!rc) {
		rc = catalog_db_step(&c->reader, stmt, &row, err);
		if (!rc && !row)
			rc = err_set(err, ERR_NOT_FOUND, "pipeline %s has no stored position", pipeline);
		if (!rc)
			*out = (struct catalog_position){ .pipeline = pipeline,
				                          .lsn = (uint64_t)sqlite3_column_int64(stmt, 0),
				                          .system_id = (uint64_t)sqlite3_column_int64(stmt, 1),
				                          .timeline = (uint32_t)sqlite3_column_int64(stmt, 2),
				                          .writer_epoch = (uint64_t)sqlite3_column_int64(stmt, 3) };
		sqlite3_finalize(stmt);
	}
	monitor_unlock(&c->reader.lock);
	return rc;
}

static void decref(void *json) { json_decref(json); }

static void close_catalog(struct catalog *catalog)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;

	/* The writer last: the last handle folds the WAL into the database. */
	catalog_db_close(&c->reader);
	if (!c->read_only)
		catalog_db_close(&c->writer);
	map_free(c->cache, decref);
	monitor_free(&c->cache_lock);
	monitor_free(&c->sync_lock);
	mem_free(c);
}

static const struct catalog_ops sqlite_ops = {
	.namespace_create = catalog_sqlite_namespace_create,
	.namespace_load = catalog_sqlite_namespace_load,
	.namespace_drop = catalog_sqlite_namespace_drop,
	.namespace_update = catalog_sqlite_namespace_update,
	.namespace_list = catalog_sqlite_namespace_list,
	.table_list = catalog_sqlite_table_list,
	.table_create = catalog_sqlite_table_create,
	.table_load = catalog_sqlite_table_load,
	.table_register = catalog_sqlite_table_register,
	.table_drop = catalog_sqlite_table_drop,
	.table_rename = catalog_sqlite_table_rename,
	.commit = catalog_sqlite_commit,
	.position_load = catalog_sqlite_position_load,
	.close = close_catalog,
};

int catalog_open_sqlite(const char *db_path, struct store *store, bool read_only, struct catalog **out, struct err *err)
{
	struct sqlite_catalog *c = mem_zero(sizeof *c);
	int rc = 0;

	*out = NULL;
	if (!c)
		return err_nomem(err);
	c->base.ops = &sqlite_ops;
	c->store = store;
	c->read_only = read_only;
	c->cache = map_new();
	if (!c->cache) {
		mem_free(c);
		return err_nomem(err);
	}
	monitor_init(&c->cache_lock);
	monitor_init(&c->sync_lock);
	/* The writer first: it makes the file and its tables. */
	if (!read_only)
		rc = catalog_db_open(&c->writer, db_path, false, err);
	if (!rc) {
		rc = catalog_db_open(&c->reader, db_path, true, err);
		if (rc && !read_only)
			catalog_db_close(&c->writer);
	}
	if (rc) {
		map_free(c->cache, NULL);
		monitor_free(&c->cache_lock);
		monitor_free(&c->sync_lock);
		mem_free(c);
		return rc;
	}
	*out = &c->base;
	return 0;
}

void catalog_close(struct catalog *catalog)
{
	if (catalog)
		catalog->ops->close(catalog);
}
