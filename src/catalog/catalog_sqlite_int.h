/* src/catalog/catalog_sqlite_int.h — shared by the files of the built-in catalog only.
 *
 * Locks: each database handle has its own and it is held for one short statement or transaction, never over the
 * store. reader serves all look-ups (WAL: readers do not wait for a writer's sync), writer all changes. sync_lock
 * alone is held over I/O: a store_sync that finds nothing left to do because another one has just taken our files
 * must not return before that one has. */
#ifndef TARN_CATALOG_CATALOG_SQLITE_INT_H
#define TARN_CATALOG_CATALOG_SQLITE_INT_H

#include <sqlite3.h>

#include "base/map.h"
#include "base/thread.h"
#include "catalog/catalog.h"

#define CATALOG_SCHEMA_VERSION 1
#define CATALOG_LEVEL_SEP '\x1f'
#define CATALOG_URI_MAX 2048

struct catalog_db {
	sqlite3 *handle;
	struct monitor lock;
	/* writer: a COMMIT failed in a way that a restart might still show as done; see catalog_db_settle */
	bool unsettled;
};

struct sqlite_catalog {
	struct catalog base;
	struct store *store; /* borrowed */
	bool read_only;
	struct catalog_db reader, writer;
	struct monitor sync_lock;
	struct monitor cache_lock;
	struct map *cache; /* metadata location -> json_t reference; parsed files never change */
};

/* --- catalog_db.c: SQLite with our errors --- */
int catalog_db_open(struct catalog_db *db, const char *path, bool read_only, struct err *err);
void catalog_db_close(struct catalog_db *db);
int catalog_db_error(struct catalog_db *db, int sqlite_rc, struct err *err);
int catalog_db_exec(struct catalog_db *db, const char *sql, struct err *err);
/* Prepares and binds: one letter of kinds an argument, 's' const char * (NULL: SQL NULL), 'i' int64_t. */
int catalog_db_bind(struct catalog_db *db, sqlite3_stmt **out, struct err *err, const char *sql, const char *kinds,
                    ...);
/* One step: *row tells whether there is a row. */
int catalog_db_step(struct catalog_db *db, sqlite3_stmt *stmt, bool *row, struct err *err);
/* Prepares, binds, runs to the end. */
int catalog_db_run(struct catalog_db *db, struct err *err, const char *sql, const char *kinds, ...);
int catalog_db_begin(struct catalog_db *db, struct err *err); /* takes the lock; on failure it is released */
void catalog_db_rollback(struct catalog_db *db);              /* and releases the lock */
/* Commits and releases the lock. *unknown: the outcome could not be proven; otherwise an error means nothing happened. */
int catalog_db_commit(struct catalog_db *db, bool *unknown, struct err *err);

/* --- catalog_name.c --- */
int catalog_check_namespace(const char *ns, struct err *err);
int catalog_check_table_name(const char *name, struct err *err);
/* "a.b" for messages. */
const char *catalog_namespace_text(const char *ns, char *buf, size_t size);

/* --- catalog_location.c: which places in the warehouse a table may have --- */
/* The canonical URI of a location a client gave; ERR_PRIVILEGE outside the warehouse. */
int catalog_location_check(const struct sqlite_catalog *c, const char *uri, const char *what, char *out,
                           size_t out_size, struct err *err);
int catalog_properties_check(const struct sqlite_catalog *c, const json_t *properties, struct err *err);
int catalog_updates_check(const struct sqlite_catalog *c, const json_t *updates, struct err *err);
/* A free default location for a table. */
int catalog_location_default(struct sqlite_catalog *c, const char *ns, const char *name, const char *uuid, char *out,
                             size_t out_size, struct err *err);
/* ERR_EXISTS when another table's location lies in, around or at this one. Inside the caller's transaction (or with
 * the lock held). */
int catalog_location_free(struct catalog_db *db, const char *ns, const char *name, const char *location,
                          struct err *err);
int catalog_location_purge(struct sqlite_catalog *c, const char *location, struct err *err);

/* --- catalog_file.c: metadata files --- */
int catalog_file_read(struct sqlite_catalog *c, const char *location, json_t **out, struct err *err);
/* Writes metadata (borrowed) as the version after `previous` (NULL: the first) under a new name; *out: owned
 * location. Not yet synced. */
int catalog_file_write(struct sqlite_catalog *c, const json_t *metadata, const char *previous, char **out,
                       struct err *err);
int catalog_file_sync(struct sqlite_catalog *c, struct err *err); /* what was written is durable, data files included */
void catalog_file_remove(struct sqlite_catalog *c, const char *location);
void catalog_cache_put(struct sqlite_catalog *c, const char *location, json_t *metadata, const char *replaces);
/* Old metadata files a commit made superfluous (array of locations); only those of the table itself are touched. */
void catalog_files_expire(struct sqlite_catalog *c, const json_t *metadata, const char *current,
                          const json_t *locations);

/* --- rows --- */
struct catalog_row {
	char *metadata_location, *location;
};
void catalog_row_clear(struct catalog_row *row);
/* ERR_NOT_FOUND. The lock is held by the caller. */
int catalog_row_load(struct catalog_db *db, const char *ns, const char *name, struct catalog_row *out, struct err *err);
int catalog_namespace_exists(struct catalog_db *db, const char *ns, struct err *err); /* ERR_NOT_FOUND */
/* The row of a new table; ERR_EXISTS, ERR_NOT_FOUND (namespace). In the caller's transaction. */
int catalog_row_insert(struct catalog_db *db, const char *ns, const char *name, const char *metadata_location,
                       const char *uuid, const char *location, struct err *err);
int catalog_writable(const struct sqlite_catalog *c, struct err *err);

/* --- the operations, by file --- */
int catalog_sqlite_namespace_create(struct catalog *c, const char *ns, const json_t *properties, struct err *err);
int catalog_sqlite_namespace_load(struct catalog *c, const char *ns, json_t **properties, struct err *err);
int catalog_sqlite_namespace_drop(struct catalog *c, const char *ns, struct err *err);
int catalog_sqlite_namespace_update(struct catalog *c, const char *ns, const json_t *removals, const json_t *updates,
                                    json_t **summary, struct err *err);
int catalog_sqlite_namespace_list(struct catalog *c, const char *parent, int (*fn)(void *arg, const char *ns),
                                  void *arg, struct err *err);
int catalog_sqlite_table_list(struct catalog *c, const char *ns, int (*fn)(void *arg, const char *name), void *arg,
                              struct err *err);
int catalog_sqlite_table_create(struct catalog *c, const char *ns, const json_t *request, struct catalog_table *out,
                                struct err *err);
int catalog_sqlite_table_load(struct catalog *c, const char *ns, const char *name, struct catalog_table *out,
                              struct err *err);
int catalog_sqlite_table_register(struct catalog *c, const char *ns, const char *name, const char *metadata_location,
                                  bool overwrite, struct catalog_table *out, struct err *err);
int catalog_sqlite_table_drop(struct catalog *c, const char *ns, const char *name, bool purge, struct err *err);
int catalog_sqlite_table_rename(struct catalog *c, const char *ns, const char *name, const char *to_ns,
                                const char *to_name, struct err *err);
int catalog_sqlite_commit(struct catalog *c, struct catalog_commit *commits, size_t n,
                          const struct catalog_position *position, enum commit_result *result, struct err *err);
int catalog_sqlite_position_load(struct catalog *c, const char *pipeline, struct catalog_position *out,
                                 struct err *err);

#endif
