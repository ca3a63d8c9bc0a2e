/* src/catalog/catalog_table.c — tables of the built-in catalog outside of commits: create, load, register, drop,
 * rename. */
#include "catalog/catalog_sqlite_int.h"

#include <stdio.h>

#include "base/env.h"
#include "base/mem.h"
#include "iceberg/metadata.h"

#define LOAD_TRIES 5

static int load_row(struct sqlite_catalog *c, const char *ns, const char *name, struct catalog_row *row,
                    struct err *err)
{
	int rc;

	monitor_lock(&c->reader.lock);
	rc = catalog_row_load(&c->reader, ns, name, row, err);
	monitor_unlock(&c->reader.lock);
	return rc;
}

int catalog_sqlite_table_load(struct catalog *catalog, const char *ns, const char *name, struct catalog_table *out,
                              struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	struct catalog_row row;
	struct err local;
	int rc = ERR_NOT_FOUND;

	*out = (struct catalog_table){ 0 };
	/* Between pointer and file another commit may expire the file: then the pointer is newer too. */
	for (int i = 0; i < LOAD_TRIES && rc == ERR_NOT_FOUND; i++) {
		rc = load_row(c, ns, name, &row, err);
		if (rc)
			return rc;
		rc = catalog_file_read(c, row.metadata_location, &out->metadata, err ? err : &local);
		if (!rc) {
			out->metadata_location = row.metadata_location;
			row.metadata_location = NULL;
		}
		catalog_row_clear(&row);
	}
	return rc == ERR_NOT_FOUND ? err_set(err, ERR_CORRUPT, "table %s: its metadata file is missing: %s", name,
	                                     err ? err->text : local.text)
	                           : rc;
}

/* Puts a new row in and hands the table out; metadata and metadata_location are borrowed. */
static int insert(struct sqlite_catalog *c, const char *ns, const char *name, const char *metadata_location,
                  json_t *metadata, bool *unknown, struct err *err)
{
	char location[CATALOG_URI_MAX];
	int rc = catalog_location_check(c, json_get_str(metadata, "location", ""), "location", location,
	                                sizeof location, err);

	*unknown = false;
	if (rc || (rc = catalog_db_begin(&c->writer, err)))
		return rc;
	rc = catalog_row_insert(&c->writer, ns, name, metadata_location, json_get_str(metadata, "table-uuid", ""),
	                        location, err);
	if (rc) {
		catalog_db_rollback(&c->writer);
		return rc;
	}
	rc = catalog_db_commit(&c->writer, unknown, err);
	if (!rc)
		catalog_cache_put(c, metadata_location, metadata, NULL);
	else if (*unknown)
		rc = err_set(err, ERR_COMMIT_UNKNOWN,
		             "table %s: it is not known whether it was created; load it to find out", name);
	return rc;
}

/* Names, an existing table and the location, before anything is written. */
static int create_checks(struct sqlite_catalog *c, const char *ns, const char *name, const json_t *request,
                         const char *uuid, char *location, struct err *err)
{
	const char *own = json_get_str(request, "location", NULL);
	struct catalog_row row;
	char text[600];
	int rc;

	if ((rc = catalog_writable(c, err)) || (rc = catalog_check_namespace(ns, err)) ||
	    (rc = catalog_check_table_name(name, err)))
		return rc;
	monitor_lock(&c->reader.lock);
	rc = catalog_namespace_exists(&c->reader, ns, err);
	monitor_unlock(&c->reader.lock);
	if (rc)
		return rc;
	rc = load_row(c, ns, name, &row, err);
	catalog_row_clear(&row);
	if (rc == 0)
		return err_set(err, ERR_EXISTS, "Table already exists: %s.%s",
		               catalog_namespace_text(ns, text, sizeof text), name);
	if (rc != ERR_NOT_FOUND)
		return rc;
	if ((rc = catalog_properties_check(c, json_object_get(request, "properties"), err)))
		return rc;
	if (!own)
		return catalog_location_default(c, ns, name, uuid, location, CATALOG_URI_MAX, err);
	rc = catalog_location_check(c, own, "location", location, CATALOG_URI_MAX, err);
	if (rc)
		return rc;
	monitor_lock(&c->reader.lock);
	rc = catalog_location_free(&c->reader, ns, name, location, err);
	monitor_unlock(&c->reader.lock);
	return rc;
}

/* File, sync, row. Takes over metadata into out. */
static int create_stored(struct sqlite_catalog *c, const char *ns, const char *name, json_t *metadata,
                         struct catalog_table *out, struct err *err)
{
	char *location = NULL;
	bool unknown = false;
	int rc = catalog_file_write(c, metadata, NULL, &location, err);

	if (!rc)
		rc = catalog_file_sync(c, err);
	if (!rc)
		rc = insert(c, ns, name, location, metadata, &unknown, err);
	if (rc) {
		if (!unknown)
			catalog_file_remove(c, location);
		mem_free(location);
		return rc;
	}
	out->metadata_location = location;
	out->metadata = json_incref(metadata);
	return 0;
}

int catalog_sqlite_table_create(struct catalog *catalog, const char *ns, const json_t *request,
                                struct catalog_table *out, struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	const char *name = json_get_str(request, "name", "");
	char uuid[37], location[CATALOG_URI_MAX];
	json_t *metadata;
	int rc;

	*out = (struct catalog_table){ 0 };
	env_uuid_text(uuid);
	rc = create_checks(c, ns, name, request, uuid, location, err);
	if (!rc)
		rc = ice_metadata_create(request, location, uuid, env_wall_us() / 1000, &metadata, err);
	if (rc)
		return rc;
	if (json_is_true(json_object_get(request, "stage-create")))
		out->metadata = json_incref(metadata);
	else
		rc = create_stored(c, ns, name, metadata, out, err);
	json_decref(metadata);
	return rc;
}

/* The registered file replaces an existing table's pointer. */
static int replace_row(struct sqlite_catalog *c, const char *ns, const char *name, const char *metadata_location,
                       const json_t *metadata, struct err *err)
{
	char location[CATALOG_URI_MAX];
	bool unknown;
	int rc = catalog_location_check(c, json_get_str(metadata, "location", ""), "location", location,
	                                sizeof location, err);

	if (rc || (rc = catalog_db_begin(&c->writer, err)))
		return rc;
	rc = catalog_location_free(&c->writer, ns, name, location, err);
	if (!rc)
		rc = catalog_db_run(
			&c->writer, err,
			"UPDATE tables SET previous = metadata_location, metadata_location = ?, uuid = ?, location = ? WHERE namespace = ? AND name = ?",
			"sssss", metadata_location, json_get_str(metadata, "table-uuid", ""), location, ns, name);
	if (rc) {
		catalog_db_rollback(&c->writer);
		return rc;
	}
	return catalog_db_commit(&c->writer, &unknown, err);
}

int catalog_sqlite_table_register(struct catalog *catalog, const char *ns, const char *name,
                                  const char *metadata_location, bool overwrite, struct catalog_table *out,
                                  struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	char location[CATALOG_URI_MAX];
	struct catalog_row row;
	json_t *metadata = NULL;
	bool unknown;
	int rc;

	*out = (struct catalog_table){ 0 };
	if ((rc = catalog_writable(c, err)) || (rc = catalog_check_namespace(ns, err)) ||
	    (rc = catalog_check_table_name(name, err)) ||
	    (rc = catalog_location_check(c, metadata_location, "metadata-location", location, sizeof location, err)))
		return rc;
	monitor_lock(&c->reader.lock);
	rc = catalog_namespace_exists(&c->reader, ns, err);
	monitor_unlock(&c->reader.lock);
	if (!rc)
		rc = catalog_file_read(c, location, &metadata, err);
	if (rc)
		return rc;
	rc = overwrite ? load_row(c, ns, name, &row, err) : ERR_NOT_FOUND;
	if (rc == 0) {
		catalog_row_clear(&row);
		rc = replace_row(c, ns, name, location, metadata, err);
	} else if (rc == ERR_NOT_FOUND) {
		rc = insert(c, ns, name, location, metadata, &unknown, err);
	}
	if (!rc) {
		out->metadata_location = mem_strdup(location);
		if (!out->metadata_location)
			rc = err_nomem(err);
	}
	if (rc)
		json_decref(metadata);
	else
		out->metadata = metadata;
	return rc;
}

int catalog_sqlite_table_drop(struct catalog *catalog, const char *ns, const char *name, bool purge, struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	struct catalog_row row = { 0 };
	bool unknown;
	int rc;

	if ((rc = catalog_writable(c, err)) || (rc = catalog_db_begin(&c->writer, err)))
		return rc;
	rc = catalog_row_load(&c->writer, ns, name, &row, err);
	if (!rc)
		rc = catalog_db_run(&c->writer, err, "DELETE FROM tables WHERE namespace = ? AND name = ?", "ss", ns,
		                    name);
	if (rc) {
		catalog_db_rollback(&c->writer);
	} else {
		rc = catalog_db_commit(&c->writer, &unknown, err);
		if (!rc && purge)
			rc = catalog_location_purge(c, row.location, err);
	}
	catalog_row_clear(&row);
	return rc;
}

static int rename_row(struct catalog_db *db, const char *ns, const char *name, const char *to_ns, const char *to_name,
                      struct err *err)
{
	struct catalog_row row;
	char text[600];
	int rc = catalog_row_load(db, ns, name, &row, err);

	catalog_row_clear(&row);
	if (rc || (rc = catalog_namespace_exists(db, to_ns, err)))
		return rc;
	rc = catalog_row_load(db, to_ns, to_name, &row, err);
	catalog_row_clear(&row);
	if (rc == 0)
		return err_set(err, ERR_EXISTS, "Table already exists: %s.%s",
		               catalog_namespace_text(to_ns, text, sizeof text), to_name);
	if (rc != ERR_NOT_FOUND)
		return rc;
	return catalog_db_run(db, err, "UPDATE tables SET namespace = ?, name = ? WHERE namespace = ? AND name = ?",
	                      "ssss", to_ns, to_name, ns, name);
}

int catalog_sqlite_table_rename(struct catalog *catalog, const char *ns, const char *name, const char *to_ns,
                                const char *to_name, struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	bool unknown;
	int rc;

	if ((rc = catalog_writable(c, err)) || (rc = catalog_check_namespace(to_ns, err)) ||
	    (rc = catalog_check_table_name(to_name, err)) || (rc = catalog_db_begin(&c->writer, err)))
		return rc;
	rc = rename_row(&c->writer, ns, name, to_ns, to_name, err);
	if (rc) {
		catalog_db_rollback(&c->writer);
		return rc;
	}
	return catalog_db_commit(&c->writer, &unknown, err);
}
