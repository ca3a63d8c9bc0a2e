/* src/catalog/catalog_commit.c — the commit of one or more tables and a pipeline's position: all of it or nothing.
 *
 *   1. read each pointer and its metadata; check requirements, apply updates      nothing written; failure: NOT_DONE
 *   2. write each new metadata file under a new name                              failure: NOT_DONE, files removed
 *      [catalog.commit.metadata_written]
 *   3. one store_sync: those files and the data files they reach are durable
 *      [catalog.commit.synced]
 *   4. one database transaction: each pointer is swapped if it is still the one read in 1, the position is stored
 *      [catalog.commit.before_swap] COMMIT [catalog.commit.after_swap]
 *   5. superfluous old metadata files are deleted
 * A pointer that moved between 1 and 4 means somebody else committed: the files are removed and all starts again at
 * 1, where the requirements are judged anew on the newer base. A crash before the COMMIT leaves unreferenced files
 * only: lake/orphans.h collects those of our own tables, engines have commands for theirs. */
#include "catalog/catalog_sqlite_int.h"

#include "base/env.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mem.h"
#include "iceberg/metadata.h"

#define COMMIT_TRIES 20
#define COMMIT_TABLES_MAX 20000 /* a pipeline publishes all its dirty mirrors and changelogs at once */

struct part {
	struct catalog_commit *commit;
	struct catalog_row row; /* metadata_location NULL: the table is new */
	json_t *base, *next, *expired;
	char *next_location;            /* NULL: nothing changed */
	char location[CATALOG_URI_MAX]; /* the table's, canonical */
};

static void part_clear(struct part *part)
{
	struct catalog_commit *commit = part->commit;

	catalog_row_clear(&part->row);
	json_decref(part->base);
	json_decref(part->next);
	json_decref(part->expired);
	mem_free(part->next_location);
	*part = (struct part){ .commit = commit };
}

/* Forgets an attempt; written: its files are known to be unreferenced. */
static void parts_reset(struct sqlite_catalog *c, struct part *parts, size_t n, bool remove_files)
{
	for (size_t i = 0; i < n; i++) {
		if (remove_files)
			catalog_file_remove(c, parts[i].next_location);
		part_clear(&parts[i]);
	}
}

static int load_base(struct sqlite_catalog *c, struct part *part, struct err *err)
{
	struct catalog_table table;
	struct err missing = { 0 };
	int rc = c->base.ops->table_load(&c->base, part->commit->namespace_, part->commit->table, &table, &missing);

	if (rc == ERR_NOT_FOUND && ice_metadata_asserts_create(part->commit->requirements))
		return 0;
	if (rc)
		return err_set(err, rc, "%s", missing.text);
	part->base = table.metadata;
	part->row.metadata_location = table.metadata_location;
	return 0;
}

/* Requirements and updates on what is there now. */
static int apply_part(struct sqlite_catalog *c, struct part *part, struct err *err)
{
	char uuid[37] = "", location[CATALOG_URI_MAX] = "";
	struct ice_apply apply = { .base = part->base,
		                   .base_location = part->row.metadata_location,
		                   .location = location,
		                   .uuid = uuid,
		                   .now_ms = env_wall_us() / 1000 };
	int rc = ice_metadata_check_requirements(part->base, part->commit->requirements, err);

	if (!rc && !part->base) {
		if ((rc = catalog_check_namespace(part->commit->namespace_, err)) ||
		    (rc = catalog_check_table_name(part->commit->table, err)))
			return rc;
		env_uuid_text(uuid);
		rc = catalog_location_default(c, part->commit->namespace_, part->commit->table, uuid, location,
		                              sizeof location, err);
	}
	if (!rc)
		rc = catalog_updates_check(c, part->commit->updates, err);
	if (!rc)
		rc = ice_metadata_apply(&apply, part->commit->updates, &part->next, err);
	if (!rc)
		rc = catalog_location_check(c, json_get_str(part->next, "location", ""), "location", part->location,
		                            sizeof part->location, err);
	/* New metadata is still ours alone: the location is written the way all of ours are. */
	if (!rc && part->next != part->base && json_object_set_new(part->next, "location", json_string(part->location)))
		rc = err_nomem(err);
	if (!rc && part->next != part->base)
		rc = ice_metadata_expired_files(part->base, part->row.metadata_location, part->next, &part->expired,
		                                err);
	return rc;
}

static int prepare_part(struct sqlite_catalog *c, struct part *part, struct err *err)
{
	int rc = load_base(c, part, err);

	if (!rc)
		rc = apply_part(c, part, err);
	if (!rc && part->next != part->base)
		rc = catalog_file_write(c, part->next, part->row.metadata_location, &part->next_location, err);
	if (rc && rc != ERR_NOT_FOUND) {
		char text[600];
		return err_prefix(err, "%s.%s", catalog_namespace_text(part->commit->namespace_, text, sizeof text),
		                  part->commit->table);
	}
	return rc;
}

/* One pointer, in the transaction. *lost: somebody else was first. */
static int swap_part(struct catalog_db *db, const struct part *part, bool *lost, struct err *err)
{
	const struct catalog_commit *commit = part->commit;
	const char *uuid = json_get_str(part->next, "table-uuid", "");
	int rc;

	if (!part->base) {
		rc = catalog_row_insert(db, commit->namespace_, commit->table, part->next_location, uuid,
		                        part->location, err);
		/* Only a table of this name means a race; a location held by another one will not go away by trying
		 * again. */
		if (rc == ERR_EXISTS) {
			struct catalog_row row;
			*lost = catalog_row_load(db, commit->namespace_, commit->table, &row, NULL) == 0;
			catalog_row_clear(&row);
		}
		return rc;
	}
	if (strcmp(json_get_str(part->base, "location", ""), part->location) != 0 &&
	    (rc = catalog_location_free(db, commit->namespace_, commit->table, part->location, err)))
		return rc;
	rc = catalog_db_run(
		db, err,
		"UPDATE tables SET previous = CASE metadata_location WHEN ?1 THEN previous ELSE metadata_location END, metadata_location = ?1, uuid = ?2,"
		" location = ?3 WHERE namespace = ?4 AND name = ?5 AND metadata_location = ?6",
		"ssssss", part->next_location ? part->next_location : part->row.metadata_location, uuid, part->location,
		commit->namespace_, commit->table, part->row.metadata_location);
	if (!rc && sqlite3_changes(db->handle) != 1) {
		*lost = true;
		rc = err_set(err, ERR_CONFLICT, "another writer committed at the same time");
	}
	return rc;
}

/* The pipeline's position: never back, never by an older writer. Another source (a PostgreSQL system that was set up
 * anew) may only start with a newer epoch: taking the pipeline over is a decision, a late write of the old source is
 * not. */
static int put_position(struct catalog_db *db, const struct catalog_position *position, struct err *err)
{
	sqlite3_stmt *stmt;
	uint64_t lsn = 0, system_id = 0, epoch = 0;
	char a[LSN_TEXT_MAX], b[LSN_TEXT_MAX];
	bool row;
	int rc =
		catalog_db_bind(db, &stmt, err, "SELECT lsn, system_id, writer_epoch FROM positions WHERE pipeline = ?",
	                        "s", position->pipeline);

	if (rc)
		return rc;
	rc = catalog_db_step(db, stmt, &row, err);
	if (!rc && row) {
		lsn = (uint64_t)sqlite3_column_int64(stmt, 0);
		system_id = (uint64_t)sqlite3_column_int64(stmt, 1);
		epoch = (uint64_t)sqlite3_column_int64(stmt, 2);
	}
	sqlite3_finalize(stmt);
	if (rc)
		return rc;
	if (row && position->writer_epoch < epoch)
		return err_set(
			err, ERR_FENCED,
			"pipeline %s: a newer writer (epoch %llu, ours is %llu) owns its position; this one must stop",
			position->pipeline, (unsigned long long)epoch, (unsigned long long)position->writer_epoch);
	if (row && position->system_id != system_id && position->writer_epoch == epoch)
		return err_set(
			err, ERR_IDENTITY,
			"pipeline %s: its position belongs to the PostgreSQL system %llu, the source now is %llu",
			position->pipeline, (unsigned long long)system_id, (unsigned long long)position->system_id);
	if (row && position->system_id == system_id && position->lsn < lsn)
		return err_set(err, ERR_IDENTITY, "pipeline %s: its position is %s and cannot go back to %s",
		               position->pipeline, lsn_text(lsn, a), lsn_text(position->lsn, b));
	return catalog_db_run(
		db, err,
		"INSERT INTO positions (pipeline, lsn, system_id, timeline, writer_epoch) VALUES (?1, ?2, ?3, ?4, ?5)"
		" ON CONFLICT (pipeline) DO UPDATE SET lsn = ?2, system_id = ?3, timeline = ?4, writer_epoch = ?5",
		"siiii", position->pipeline, (int64_t)position->lsn, (int64_t)position->system_id,
		(int64_t)position->timeline, (int64_t)position->writer_epoch);
}

static int fail_before_swap(struct err *err)
{
	FAILPOINT_ERR("catalog.commit.before_swap", err);
	(void)err;
	return 0;
}

static int fail_after_swap(struct err *err)
{
	FAILPOINT_ERR("catalog.commit.after_swap", err);
	(void)err;
	return 0;
}

static int swap(struct sqlite_catalog *c, const struct part *parts, size_t n, const struct catalog_position *position,
                bool *lost, bool *unknown, struct err *err)
{
	int rc = catalog_db_begin(&c->writer, err);

	*unknown = false;
	if (rc)
		return rc;
	for (size_t i = 0; i < n && !rc; i++)
		rc = swap_part(&c->writer, &parts[i], lost, err);
	if (!rc && position)
		rc = put_position(&c->writer, position, err);
	if (!rc)
		rc = fail_before_swap(err);
	if (rc) {
		catalog_db_rollback(&c->writer);
		return rc;
	}
	rc = catalog_db_commit(&c->writer, unknown, err);
	if (!rc && fail_after_swap(err)) {
		*unknown = true;
		rc = err ? err->code : ERR_IO;
	}
	return rc;
}

static int write_and_sync(struct sqlite_catalog *c, struct part *parts, size_t n, struct err *err)
{
	bool written = false;
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		rc = prepare_part(c, &parts[i], err);
		written = written || parts[i].next_location;
	}
	if (rc || !written)
		return rc;
	FAILPOINT_ERR("catalog.commit.metadata_written", err);
	rc = catalog_file_sync(c, err);
	if (rc)
		return rc;
	FAILPOINT_ERR("catalog.commit.synced", err);
	return 0;
}

/* A commit that is done cannot fail any more: without memory for the result its copy of the location is the part's own. */
static void hand_over(struct sqlite_catalog *c, struct part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct part *part = &parts[i];
		struct catalog_table *result = &part->commit->result;
		if (part->next_location)
			catalog_cache_put(c, part->next_location, part->next, part->row.metadata_location);
		if (part->expired)
			catalog_files_expire(c, part->next, part->next_location, part->expired);
		result->metadata = json_incref(part->next);
		result->metadata_location = part->next_location ? part->next_location : part->row.metadata_location;
		if (part->next_location)
			part->next_location = NULL;
		else
			part->row.metadata_location = NULL;
		part_clear(part);
	}
}

static int check_request(const struct sqlite_catalog *c, const struct catalog_commit *commits, size_t n,
                         struct err *err)
{
	int rc = catalog_writable(c, err);

	if (rc)
		return rc;
	if (n > COMMIT_TABLES_MAX)
		return err_set(err, ERR_LIMIT, "a commit may change at most %d tables", COMMIT_TABLES_MAX);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = i + 1; k < n; k++) {
			if (strcmp(commits[i].table, commits[k].table) == 0 &&
			    strcmp(commits[i].namespace_, commits[k].namespace_) == 0)
				return err_set(err, ERR_USAGE, "table %s is named twice in one commit",
				               commits[i].table);
		}
	}
	return 0;
}

static int attempt(struct sqlite_catalog *c, struct part *parts, size_t n, const struct catalog_position *position,
                   bool *lost, enum commit_result *result, struct err *err)
{
	bool unknown = false;
	int rc = write_and_sync(c, parts, n, err);

	*lost = false;
	if (!rc)
		rc = swap(c, parts, n, position, lost, &unknown, err);
	if (!rc) {
		*result = COMMIT_DONE;
		hand_over(c, parts, n);
		return 0;
	}
	*result = unknown ? COMMIT_UNKNOWN : COMMIT_NOT_DONE;
	parts_reset(c, parts, n, !unknown);
	if (unknown)
		rc = err_set(err, ERR_COMMIT_UNKNOWN,
		             "it is not known whether the commit happened; read the tables back before anything else");
	return rc;
}

int catalog_sqlite_commit(struct catalog *catalog, struct catalog_commit *commits, size_t n,
                          const struct catalog_position *position, enum commit_result *result, struct err *err)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	struct part *parts;
	bool lost = true;
	int rc;

	*result = COMMIT_NOT_DONE;
	for (size_t i = 0; i < n; i++)
		commits[i].result = (struct catalog_table){ 0 };
	rc = check_request(c, commits, n, err);
	if (rc)
		return rc;
	parts = mem_array(n ? n : 1, sizeof *parts);
	if (!parts)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++)
		parts[i].commit = &commits[i];
	for (int i = 0; i < COMMIT_TRIES && lost; i++)
		rc = attempt(c, parts, n, position, &lost, result, err);
	mem_free(parts);
	return rc;
}
