/* src/catalog/catalog.h — which tables there are and where each one's current metadata lies; the swap that makes a
 * commit.
 *
 * One table of functions (catalog_ops): the built-in catalog over SQLite (catalog/catalog_sqlite.c), later PostgreSQL
 * and a REST client. The REST server (catalog/rest_server.h) and the apply threads call the same functions. Semantics
 * are those of the Iceberg REST catalog specification: requirements are checked and updates applied to the current
 * metadata (iceberg/metadata.h), the new metadata file is written and synced, then the pointer is swapped in one
 * database transaction. Namespaces are lists of levels joined with 0x1F in the C strings here ("a\x1f" "b"); one
 * level is the usual case. Thread-safe. */
#ifndef TARN_CATALOG_CATALOG_H
#define TARN_CATALOG_CATALOG_H

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/store.h"

struct catalog;

enum commit_result {
	COMMIT_DONE,
	COMMIT_NOT_DONE, /* proven: files written for it may be deleted */
	COMMIT_UNKNOWN,  /* must be resolved by reading back; nothing may be deleted */
};

struct catalog_table {
	char *metadata_location; /* URI; NULL for a staged table */
	/* table metadata (Iceberg spec, Table Metadata); owned reference to a value that others share: never change
	 * it in place */
	json_t *metadata;
};
static inline void catalog_table_clear(struct catalog_table *table)
{
	mem_free(table->metadata_location);
	json_decref(table->metadata);
	table->metadata_location = NULL;
	table->metadata = NULL;
}

/* One table's part of a commit. requirements and updates as in the REST specification (CommitTableRequest); borrowed. */
struct catalog_commit {
	const char *namespace_;
	const char *table;
	json_t *requirements;        /* array */
	json_t *updates;             /* array */
	struct catalog_table result; /* filled on DONE; catalog_table_clear */
};

/* A pipeline's own position, stored in the same database transaction as the table commits. An older
 * writer_epoch is ERR_FENCED; a lower lsn, or another system_id without a newer writer_epoch, is ERR_IDENTITY. */
struct catalog_position {
	const char *pipeline;
	uint64_t lsn; /* commit LSN up to which all changes are known to be in the tables */
	uint64_t system_id;
	uint32_t timeline;
	uint64_t writer_epoch;
};

struct catalog_ops {
	/* ERR_EXISTS; missing parents are made too */
	int (*namespace_create)(struct catalog *c, const char *ns, const json_t *properties, struct err *err);
	/* ERR_NOT_FOUND; owned object */
	int (*namespace_load)(struct catalog *c, const char *ns, json_t **properties, struct err *err);
	/* ERR_NOT_EMPTY */
	int (*namespace_drop)(struct catalog *c, const char *ns, struct err *err);
	int (*namespace_update)(struct catalog *c, const char *ns, const json_t *removals, const json_t *updates,
	                        json_t **summary, struct err *err);
	/* parent NULL: top level */
	int (*namespace_list)(struct catalog *c, const char *parent, int (*fn)(void *arg, const char *ns), void *arg,
	                      struct err *err);
	int (*table_list)(struct catalog *c, const char *ns, int (*fn)(void *arg, const char *name), void *arg,
	                  struct err *err);
	/* request as CreateTableRequest (name, schema, partition-spec, write-order, stage-create, properties,
	 * location). Field ids are reassigned from 1. */
	int (*table_create)(struct catalog *c, const char *ns, const json_t *request, struct catalog_table *out,
	                    struct err *err);
	/* ERR_NOT_FOUND */
	int (*table_load)(struct catalog *c, const char *ns, const char *name, struct catalog_table *out,
	                  struct err *err);
	int (*table_register)(struct catalog *c, const char *ns, const char *name, const char *metadata_location,
	                      bool overwrite, struct catalog_table *out, struct err *err);
	int (*table_drop)(struct catalog *c, const char *ns, const char *name, bool purge, struct err *err);
	int (*table_rename)(struct catalog *c, const char *ns, const char *name, const char *to_ns, const char *to_name,
	                    struct err *err);
	/* All or none of the commits, and the position (may be NULL), in one transaction. A failed requirement is
	 * ERR_CONFLICT with COMMIT_NOT_DONE naming the table. */
	int (*commit)(struct catalog *c, struct catalog_commit *commits, size_t n,
	              const struct catalog_position *position, enum commit_result *result, struct err *err);
	/* ERR_NOT_FOUND */
	int (*position_load)(struct catalog *c, const char *pipeline, struct catalog_position *out, struct err *err);
	void (*close)(struct catalog *c);
};

struct catalog {
	const struct catalog_ops *ops;
}; /* embedded first by implementations */

/* The built-in catalog: one SQLite file (WAL, synchronous=FULL) and metadata files in the store. read_only: for `tarn
 * sql` beside a running server. */
int catalog_open_sqlite(const char *db_path, struct store *store, bool read_only, struct catalog **out,
                        struct err *err) TARN_MUST_CHECK;
void catalog_close(struct catalog *catalog);

#endif
