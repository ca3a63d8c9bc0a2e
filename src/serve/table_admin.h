/* src/serve/table_admin.h — the lake's tables for people: what there is, one table's schema, versions and files as
 * JSON; rollback and tags.
 *
 * Works on the catalog itself, beside a running server too: reading verbs open it read-only, changing ones make an
 * ordinary commit with the requirements that the Iceberg REST specification names for it (assert-table-uuid,
 * assert-ref-snapshot-id), so a concurrent change is ERR_CONFLICT and nothing happened. JSON objects use the same
 * member names in every verb; a member is left out when the table's metadata does not say it. Numbers come from the
 * snapshot summaries, no manifest is read but by table_admin_files. Times are UTC text. One thread uses a struct
 * table_admin. */
#ifndef TARN_SERVE_TABLE_ADMIN_H
#define TARN_SERVE_TABLE_ADMIN_H

#include "catalog/catalog.h"
#include "config/config.h"

struct table_name {
	char *raw_ns; /* as the catalog has it: levels joined with 0x1F */
	char *name;
	char *full; /* "bank.users" */
};

struct table_admin {
	struct store *store;
	struct catalog *catalog;
	struct table_name *names; /* as of open, sorted by full */
	size_t n_names, cap_names;
};

/* ERR_NOT_FOUND when there is no catalog yet. Nothing is made on disk. */
int table_admin_open(const struct config *config, bool writable, struct table_admin *out,
                     struct err *err) TARN_MUST_CHECK;
void table_admin_close(struct table_admin *admin);
/* A table by "namespace.name", or by its name alone when only one has it. Borrowed; NULL and ERR_NOT_FOUND naming the
 * nearest one. */
const struct table_name *table_admin_find(const struct table_admin *admin, const char *word,
                                          struct err *err) TARN_MUST_CHECK;

/* Array of objects, one a table; one that cannot be read has "table" and "error". *out: new reference. */
int table_admin_list(const struct table_admin *admin, json_t **out, struct err *err) TARN_MUST_CHECK;
/* {"pipeline", "lsn"} for every named pipeline with a stored position. */
int table_admin_positions(const struct table_admin *admin, const struct config *config, json_t **out,
                          struct err *err) TARN_MUST_CHECK;
/* The same object and schema, properties, refs, location. */
int table_admin_show(const struct table_admin *admin, const struct table_name *name, json_t **out,
                     struct err *err) TARN_MUST_CHECK;
/* Array of versions, newest first. */
int table_admin_history(const struct table_admin *admin, const struct table_name *name, json_t **out,
                        struct err *err) TARN_MUST_CHECK;
/* version -1: the current one. */
int table_admin_files(const struct table_admin *admin, const struct table_name *name, int64_t version, json_t **out,
                      struct err *err) TARN_MUST_CHECK;

/* What a rollback would do. Tables without a position of Tarn's may go to any kept version. Those that a pipeline
 * writes (property tarn.lsn) only to their newest own version, which undoes what another writer committed since;
 * anything older would lose changes that the position says are there: ERR_USAGE that says so. */
struct table_rollback {
	int64_t from, to; /* equal: nothing to do */
	bool pipeline;    /* a pipeline writes this table */
	json_t *metadata; /* that the plan was made on; owned */
};
/* version -1 and tag NULL: the newest own version. */
int table_rollback_plan(const struct table_admin *admin, const struct table_name *name, int64_t version,
                        const char *tag, struct table_rollback *out, struct err *err) TARN_MUST_CHECK;
int table_rollback_do(const struct table_admin *admin, const struct table_name *name, const struct table_rollback *plan,
                      struct err *err) TARN_MUST_CHECK;
void table_rollback_clear(struct table_rollback *plan);

/* *version: -1 for the current one, becomes the one tagged. ERR_EXISTS when the name is taken by another version or a
 * branch; the same tag at the same version is no error. */
int table_tag_set(const struct table_admin *admin, const struct table_name *name, const char *tag, int64_t *version,
                  struct err *err) TARN_MUST_CHECK;
int table_tag_drop(const struct table_admin *admin, const struct table_name *name, const char *tag,
                   struct err *err) TARN_MUST_CHECK;

#endif
