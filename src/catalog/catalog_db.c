/* src/catalog/catalog_db.c — SQLite handles: opening, statements, transactions, and what a failed COMMIT means.
 *
 * A COMMIT that fails in WAL mode may have left all its frames in the file: this process goes on as if it had not
 * happened, but recovery after a crash would show it as done. So after such a failure one small transaction is
 * committed, which overwrites those frames: then the failed one is proven not done. While that does not succeed
 * either the handle is "unsettled", nothing else is written through it, and the outcome stays unknown. */
#include "catalog/catalog_sqlite_int.h"

#include <stdarg.h>

#define BUSY_MS 5000

int catalog_db_error(struct catalog_db *db, int sqlite_rc, struct err *err)
{
	const char *text = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(sqlite_rc);

	switch (sqlite_rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(
			err, ERR_TIMEOUT,
			"catalog database: another process has kept it locked for %d ms; nothing was changed, try again",
			BUSY_MS);
	case SQLITE_FULL:
		return err_set(err, ERR_DISK_FULL,
		               "catalog database: no space is left on the disk of the state folder");
	case SQLITE_NOMEM: return err_nomem(err);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(
			err, ERR_CORRUPT,
			"catalog database: %s; restore it from a backup, or register the tables again in a new one",
			text);
	case SQLITE_READONLY: return err_set(err, ERR_IO, "catalog database: it is not writable by this user");
	case SQLITE_CANTOPEN:
		return err_set(err, ERR_IO, "catalog database: %s; check that the state folder exists and is writable",
		               text);
	default: return err_set(err, ERR_IO, "catalog database: %s", text);
	}
}

int catalog_db_exec(struct catalog_db *db, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : catalog_db_error(db, rc, err);
}

static int bind_all(struct catalog_db *db, sqlite3_stmt **out, struct err *err, const char *sql, const char *kinds,
                    va_list args)
{
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, out, NULL);

	for (int i = 1; rc == SQLITE_OK && kinds[i - 1]; i++) {
		if (kinds[i - 1] == 's')
			rc = sqlite3_bind_text(*out, i, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
		else
			rc = sqlite3_bind_int64(*out, i, va_arg(args, int64_t));
	}
	if (rc == SQLITE_OK)
		return 0;
	rc = catalog_db_error(db, rc, err);
	sqlite3_finalize(*out);
	*out = NULL;
	return rc;
}

int catalog_db_bind(struct catalog_db *db, sqlite3_stmt **out, struct err *err, const char *sql, const char *kinds, ...)
{
	va_list args;
	int rc;

	va_start(args, kinds);
	rc = bind_all(db, out, err, sql, kinds, args);
	va_end(args);
	return rc;
}

int catalog_db_step(struct catalog_db *db, sqlite3_stmt *stmt, bool *row, struct err *err)
{
	int rc = sqlite3_step(stmt);

	*row = rc == SQLITE_ROW;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : catalog_db_error(db, rc, err);
}

int catalog_db_run(struct catalog_db *db, struct err *err, const char *sql, const char *kinds, ...)
{
	sqlite3_stmt *stmt;
	va_list args;
	bool row;
	int rc;

	va_start(args, kinds);
	rc = bind_all(db, &stmt, err, sql, kinds, args);
	va_end(args);
	if (rc)
		return rc;
	rc = catalog_db_step(db, stmt, &row, err);
	sqlite3_finalize(stmt);
	return rc;
}

/* Overwrites what a failed COMMIT may have left in the WAL. */
static int settle(struct catalog_db *db, struct err *err)
{
	int rc;

	if (!db->unsettled)
		return 0;
	rc = sqlite3_exec(db->handle, "BEGIN IMMEDIATE; UPDATE catalog_version SET settled = settled + 1; COMMIT", NULL,
	                  NULL, NULL);
	if (rc != SQLITE_OK) {
		rc = catalog_db_error(db, rc, err);
		if (!sqlite3_get_autocommit(db->handle))
			sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
		return rc;
	}
	db->unsettled = false;
	return 0;
}

int catalog_db_begin(struct catalog_db *db, struct err *err)
{
	int rc;

	monitor_lock(&db->lock);
	rc = settle(db, err);
	if (!rc)
		rc = catalog_db_exec(db, "BEGIN IMMEDIATE", err);
	if (rc)
		monitor_unlock(&db->lock);
	return rc;
}

void catalog_db_rollback(struct catalog_db *db)
{
	/* SQLite may have rolled back by itself after an I/O error. */
	if (!sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	monitor_unlock(&db->lock);
}

int catalog_db_commit(struct catalog_db *db, bool *unknown, struct err *err)
{
	int sqlite_rc = sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL), rc;

	*unknown = false;
	if (sqlite_rc == SQLITE_OK) {
		monitor_unlock(&db->lock);
		return 0;
	}
	rc = catalog_db_error(db, sqlite_rc, err);
	if (!sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	if ((sqlite_rc & 0xff) != SQLITE_BUSY) {
		db->unsettled = true;
		*unknown = settle(db, NULL) != 0;
	}
	monitor_unlock(&db->lock);
	return rc;
}

/* Makes the tables of a new database, refuses those of a newer program. */
static int prepare_schema(struct catalog_db *db, struct err *err)
{
	static const char sql[] =
		"BEGIN IMMEDIATE;"
		"CREATE TABLE IF NOT EXISTS catalog_version (version INTEGER NOT NULL, settled INTEGER NOT NULL);"
		"INSERT INTO catalog_version SELECT 1, 0 WHERE NOT EXISTS (SELECT 1 FROM catalog_version);"
		"CREATE TABLE IF NOT EXISTS namespaces (name TEXT PRIMARY KEY, properties TEXT NOT NULL) WITHOUT ROWID;"
		"CREATE TABLE IF NOT EXISTS tables (namespace TEXT NOT NULL, name TEXT NOT NULL, metadata_location TEXT NOT NULL, previous TEXT,"
		" uuid TEXT NOT NULL, location TEXT NOT NULL, PRIMARY KEY (namespace, name)) WITHOUT ROWID;"
		"CREATE INDEX IF NOT EXISTS tables_location ON tables (location);"
		"CREATE TABLE IF NOT EXISTS positions (pipeline TEXT PRIMARY KEY, lsn INTEGER NOT NULL, system_id INTEGER NOT NULL, timeline INTEGER NOT NULL,"
		" writer_epoch INTEGER NOT NULL) WITHOUT ROWID;"
		"COMMIT";
	int rc = catalog_db_exec(db, sql, err);

	if (rc && !sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* *found 0: no catalog in the file yet. */
static int read_version(struct catalog_db *db, int64_t *found, struct err *err)
{
	sqlite3_stmt *stmt;
	bool row;
	int rc = catalog_db_bind(db, &stmt, err,
	                         "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'catalog_version'", "");

	*found = 0;
	if (rc)
		return rc;
	rc = catalog_db_step(db, stmt, &row, err);
	sqlite3_finalize(stmt);
	if (rc || !row)
		return rc;
	rc = catalog_db_bind(db, &stmt, err, "SELECT version FROM catalog_version", "");
	if (rc)
		return rc;
	rc = catalog_db_step(db, stmt, &row, err);
	*found = !rc && row ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	return rc;
}

static int check_version(struct catalog_db *db, const char *path, bool read_only, struct err *err)
{
	int64_t found;
	int rc = read_version(db, &found, err);

	if (rc)
		return rc;
	if (found > CATALOG_SCHEMA_VERSION)
		return err_set(
			err, ERR_UNSUPPORTED,
			"catalog database '%s' was made by a newer Tarn (version %d, this one knows %d): use that program",
			path, (int)found, CATALOG_SCHEMA_VERSION);
	if (found == 0 && read_only)
		return err_set(err, ERR_NOT_FOUND, "'%s' holds no catalog yet: start `tarn run` once", path);
	return found == 0 ? prepare_schema(db, err) : 0;
}

int catalog_db_open(struct catalog_db *db, const char *path, bool read_only, struct err *err)
{
	int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	int rc = sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);

	monitor_init(&db->lock);
	if (rc != SQLITE_OK) {
		rc = catalog_db_error(db, rc, err);
	} else {
		sqlite3_busy_timeout(db->handle, BUSY_MS);
		sqlite3_extended_result_codes(db->handle, 1);
		rc = read_only ? 0 : catalog_db_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", err);
		if (!rc)
			rc = check_version(db, path, read_only, err);
	}
	if (rc) {
		catalog_db_close(db);
		return err_prefix(err, "%s", path);
	}
	return 0;
}

void catalog_db_close(struct catalog_db *db)
{
	if (db->handle)
		sqlite3_close(db->handle);
	db->handle = NULL;
	monitor_free(&db->lock);
}
