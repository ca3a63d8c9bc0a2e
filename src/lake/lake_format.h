/* src/lake/lake_format.h — what a table format (Iceberg, later Delta) does for the lake: load a table, plan and write
 * metadata, take over after the swap.
 *
 * The single writer of a table opens it, describes what changed (struct lake_change), prepare writes manifests or log
 * content (never anything that exists is overwritten) and yields its part of a catalog commit; parts of several
 * tables go into one catalog_ops.commit; done takes over the new state, abort deletes what prepare wrote (only after
 * COMMIT_NOT_DONE), forget frees and deletes nothing (COMMIT_UNKNOWN). One thread per table. The instance embeds
 * struct lake_table first. */
#ifndef TARN_LAKE_LAKE_FORMAT_H
#define TARN_LAKE_LAKE_FORMAT_H

#include "catalog/catalog.h"
#include "event/type.h"
#include "lake/data_file.h"

struct lake_pending;

struct lake_field {
	char *name;
	struct type type;
	int32_t id, elem_id; /* elem_id 0 when not a list */
	bool required;
	bool identifier; /* part of the table's key (Iceberg: identifier-field-ids) */
	char *doc;       /* may be NULL */
};

struct lake_kv {
	const char *key, *value;
}; /* value NULL: remove */

struct lake_create {
	const struct lake_field *fields; /* ids are given by the catalog: the order counts */
	size_t n_fields;
	int format_version; /* Iceberg: 2 or 3 */
	const struct lake_kv *properties;
	size_t n_properties;
};

/* the new vector of one live or just added data file; replaces an older one */
struct lake_dv {
	const char *data_path;
	struct deletion_vector dv;
};

struct bitmap;
/* out.path: owned by the caller */
struct lake_vector {
	const char *data_path;
	struct bitmap *bitmap;
	struct deletion_vector out;
};

struct lake_change {
	struct data_file **added;
	size_t n_added; /* each taken by prepare when it succeeds */
	/* paths of live data files that go (compaction); their vectors go with them */
	const char *const *removed;
	size_t n_removed;
	bool remove_all; /* every file that was live goes (TRUNCATE) */
	const struct lake_dv *dvs;
	size_t n_dvs; /* copied */
	/* ADD COLUMN: optional fields at the end; ids are given by prepare */
	const struct lake_field *add_fields;
	size_t n_add_fields;
	const struct lake_kv *properties;
	size_t n_properties; /* set or removed in the same commit */
	const struct lake_kv *summary;
	size_t n_summary; /* extra snapshot summary keys */
	bool replace;     /* compaction: rows are unchanged */
};

/* A search for files that nothing names (lake/orphans.h). */
struct lake_orphans {
	struct lake_kv own; /* a table without this property is another's: nothing happens */
	int64_t before_us;  /* only files last written before this (wall clock) */
	size_t n_max;       /* at most so many go */
	/* out */
	size_t n_deleted;
	uint64_t bytes_deleted;
	bool more; /* n_max was reached */
};

struct lake_keep {
	int64_t versions_min;
	int64_t age_us_max;
	int manifests_max;
	int metadata_versions;
};

struct lake_table {
	const struct lake_format_ops *ops;
};

struct lake_format_ops {
	const char *name; /* "iceberg" */
	/* Creates the namespace when missing, and the table; ERR_EXISTS when it is there. */
	int (*create)(struct catalog *catalog, struct store *store, const char *ns, const char *name,
	              const struct lake_create *create, struct err *err);
	/* Reads metadata and the live files of the current version. ERR_NOT_FOUND. */
	int (*open)(struct catalog *catalog, struct store *store, const char *ns, const char *name,
	            const struct lake_keep *keep, struct lake_table **out, struct err *err);
	void (*close)(struct lake_table *table);
	const char *(*uuid)(const struct lake_table *table);
	const char *(*location)(const struct lake_table *table);                  /* URI, no trailing slash */
	const char *(*property)(const struct lake_table *table, const char *key); /* NULL: missing */
	/* current schema, top level */
	const struct lake_field *(*fields)(const struct lake_table *table, size_t *n);
	/* Iceberg: current snapshot id; -1: none */
	int64_t (*version)(const struct lake_table *table);
	/* of the current version; NULL: missing, or no version */
	const char *(*summary)(const struct lake_table *table, const char *key);
	/* The rows are those of the version whose summary has this value: it is the current one, or all after it only
	 * moved rows about ("replace"). True too when a version in between has expired and nothing can be told. */
	bool (*rows_of)(const struct lake_table *table, const char *key, const char *value);
	/* live files, vectors attached; borrowed until done */
	struct data_file *const *(*files)(const struct lake_table *table, size_t *n);
	/* Writes the deletion vectors of one commit (one Puffin file) and fills each out; reads one back. */
	int (*write_vectors)(struct lake_table *table, struct store *store, struct lake_vector *vectors, size_t n,
	                     struct err *err);
	int (*read_vector)(struct store *store, const char *data_path, const struct deletion_vector *dv,
	                   struct bitmap **out, struct err *err);
	/* A change without added, removed, remove_all and dvs is a commit without a new table version (properties,
	 * fields). */
	int (*prepare)(struct lake_table *table, struct lake_change *change, struct lake_pending **out,
	               struct err *err);
	/* The ids prepare gave to add_fields, in order (data files written for this change use them): ask before
	 * writing, see plan_fields. */
	/* fills id and elem_id */
	int (*plan_fields)(struct lake_table *table, struct lake_field *add_fields, size_t n, struct err *err);
	void (*part)(struct lake_pending *pending, struct catalog_commit *out); /* borrowed from pending */
	/* frees pending; on error close and open again */
	int (*done)(struct lake_table *table, struct lake_pending *pending, struct catalog_table *result,
	            struct err *err);
	void (*abort)(struct lake_table *table, struct lake_pending *pending);
	void (*forget)(struct lake_pending *pending);
	/* Deletes files that committed expiry made unreachable. Failures are not fatal: repeated next time. */
	int (*sweep)(struct lake_table *table, size_t *n_deleted, struct err *err);
	/* Deletes old files of ours below the table's location that nothing in its current metadata reaches. After an
	 * error some may be gone, as counted. A table that is not there has none. */
	int (*sweep_orphans)(struct catalog *catalog, struct store *store, const char *ns, const char *name,
	                     struct lake_orphans *orphans, struct err *err);
};

void lake_fields_free(struct lake_field *fields, size_t n); /* names, docs and the array */

#endif
