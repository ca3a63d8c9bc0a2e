/* src/iceberg/ice_table_int.h — what the ice_*.c files share: the open table, its live entries and versions, a commit
 * under way.
 *
 * Invariants
 * 1. `current` is the version named by metadata's current snapshot; its manifests hold `live` entries, those of older
 *    versions only `paths`.
 * 2. An entry belongs to exactly one manifest of the current version. Data entries are in by_path and files; a
 *    vector's entry hangs on its data entry.
 * 3. paths counts, for each file that any known version reaches, the manifests that name it; a manifest counts the
 *    versions (and the pending commit) that list it. When a version goes, what falls to zero is garbage: the set
 *    difference, without reading anything again. It is right only if all versions are known (history_ok).
 * 4. prepare changes nothing that abort would have to restore, except references; done applies.
 * Only ice_*.c may include this. */
#ifndef TARN_ICEBERG_ICE_TABLE_INT_H
#define TARN_ICEBERG_ICE_TABLE_INT_H

#include "base/map.h"
#include "iceberg/ice_table.h"
#include "iceberg/manifest.h"
#include "iceberg/metadata.h"

#define LOCATION_MAX 2048 /* bytes of a URI below the table's location */

struct ice_path {
	uint32_t refs;
	char uri[];
};

struct ice_manifest;

struct ice_entry {
	struct manifest_entry *m;      /* owned */
	struct ice_manifest *manifest; /* of the current version that holds it */
	/* data file: its vector's entry or NULL; vector: its data file's entry, NULL when that is not live */
	struct ice_entry *link;
	struct ice_path *path; /* counted by the manifest, not by the entry */
	uint64_t gone;         /* serial of the commit under way that removes it */
	uint64_t vectored;     /* serial of the commit under way that gives it a vector */
};

struct ice_manifest {
	struct manifest_info info;
	uint32_t refs;
	struct ice_entry **live;
	size_t n_live;
	struct ice_path **paths;
	size_t n_paths;
	bool foreign;   /* holds position or equality deletes of another writer: kept as it is */
	uint64_t stamp; /* serial of the commit under way that rewrites or keeps it */
};

struct ice_version {
	int64_t snapshot_id;
	char *list; /* manifest list's URI */
	struct ice_manifest **manifests;
	size_t n_manifests;
};

struct ice_totals {
	int64_t data_files, delete_files, records, bytes, position_deletes, equality_deletes;
};

struct ice_table {
	struct lake_table base;
	struct catalog *catalog;
	struct store *store;
	char *ns, *name;
	struct lake_keep keep;
	bool has_keep;
	char *metadata_location;
	json_t *metadata;
	char *location;
	int format_version;
	int32_t spec_id;
	struct lake_field *fields;
	size_t n_fields;
	int64_t snapshot_id; /* current; -1: none */
	struct ice_version **versions;
	size_t n_versions, cap_versions;
	struct ice_version *current; /* one of versions, or NULL */
	bool fresh;                  /* the metadata was read again for the commit under way */
	bool history_ok;             /* versions holds every snapshot of the metadata */
	struct map *manifests;       /* URI -> struct ice_manifest, of all versions */
	struct map *paths;           /* URI -> struct ice_path */
	struct map *by_path;         /* URI -> struct ice_entry, live data files */
	struct ice_entry **entries;  /* live data files */
	struct data_file **files;    /* the same in the same order, for lake's eyes */
	size_t n_files, cap_entries, cap_files;
	struct ice_totals totals;
	size_t n_foreign_deletes; /* live position and equality delete files */
	uint64_t serial;
	char **garbage;
	size_t n_garbage, cap_garbage; /* URIs */
};

struct lake_pending {
	struct ice_table *table;
	json_t *requirements, *updates;
	bool new_version;
	uint64_t serial;
	char uuid[37]; /* in file names */
	unsigned n_files_named;
	int64_t snapshot_id, sequence, timestamp_ms, first_row_id, added_rows;
	const json_t *schema; /* of this commit: borrowed from metadata or updates */
	char *list;           /* manifest list's URI */
	/* the new list, counted; the first n_new are written by this commit */
	struct ice_manifest **manifests;
	size_t n_manifests, cap_manifests;
	int64_t *row_ids; /* first_row_id of each */
	size_t n_new;
	struct ice_entry **added;
	size_t n_added, cap_added; /* owned until done */
	struct ice_entry **dvs;
	size_t n_dvs, cap_dvs; /* owned until done */
	struct ice_entry **gone;
	size_t n_gone, cap_gone; /* data files and vectors that leave */
	char **written;
	size_t n_written, cap_written; /* store keys */
	struct ice_totals totals;
};

/* ice_schema.c */
int ice_fields_read(const json_t *schema, struct lake_field **out, size_t *n, struct err *err) TARN_MUST_CHECK;
json_t *ice_field_json(const struct lake_field *field); /* NULL: no memory */
/* NULL: missing; version 1's single schema too */
const json_t *ice_schema_by_id(const json_t *metadata, int64_t schema_id);

/* ice_read.c */
/* a snapshot's id as a key of struct map */
#define SNAPSHOT_KEY_MAX 24
struct str ice_snapshot_key(int64_t snapshot_id, char buf[SNAPSHOT_KEY_MAX]);
int ice_fetch(struct store *store, const char *uri, const char *what, char **bytes, size_t *n,
              struct err *err) TARN_MUST_CHECK;
int ice_read_list(struct store *store, const json_t *snapshot, struct manifest_info **out, size_t *n,
                  struct err *err) TARN_MUST_CHECK;
int ice_read_manifest(struct store *store, const struct manifest_info *info,
                      int (*fn)(void *, struct manifest_entry *, struct err *), void *arg,
                      struct err *err) TARN_MUST_CHECK;

/* ice_version.c: manifests and versions in memory, and what becomes garbage. */
/* refs 0; copies */
struct ice_manifest *ice_manifest_make(struct ice_table *table, const struct manifest_info *info,
                                       struct ice_entry *const *live, size_t n_live, struct err *err);
void ice_manifest_unref(struct ice_table *table, struct ice_manifest *manifest, bool collect);
void ice_manifest_drop(struct ice_table *table, struct ice_manifest *manifest); /* one with refs 0 */
/* counts the manifests */
int ice_version_add(struct ice_table *table, int64_t snapshot_id, const char *list,
                    struct ice_manifest *const *manifests, size_t n, struct err *err);
void ice_versions_free(struct ice_table *table);
/* Reads what is missing so that versions holds every snapshot of the metadata; sets history_ok. Failure is logged,
 * not returned: nothing is swept then. */
void ice_history_load(struct ice_table *table);
/* Lets versions go that the metadata no longer lists. */
void ice_versions_trim(struct ice_table *table);

/* ice_table.c */
/* takes from's content when it succeeds */
int ice_table_adopt(struct ice_table *table, struct catalog_table *from, struct err *err);
struct ice_entry *ice_entry_new(struct manifest_entry *m); /* takes m; NULL: no memory, m freed */
void ice_entry_free(struct ice_entry *entry);
void ice_totals_add(struct ice_totals *totals, const struct manifest_entry *m, int sign);
/* says in the data file where its vector lies; m: the vector's entry */
int ice_vector_set(struct data_file *file, const struct manifest_entry *m, struct err *err) TARN_MUST_CHECK;
int64_t ice_entry_bytes(const struct manifest_entry *m); /* a vector counts its blob */

/* ice_commit.c, ice_expire.c, ice_snapshot.c, ice_done.c */
int ice_prepare(struct lake_table *table, struct lake_change *change, struct lake_pending **out, struct err *err);
/* before anything reads the metadata: newest refs when something is to expire */
int ice_expire_refresh(struct ice_table *table, struct err *err);
int ice_expire(struct lake_pending *pending, struct err *err); /* the update that removes snapshots */
/* ice_build.c: manifests and list */
int ice_build(struct lake_pending *pending, const struct lake_change *change, struct err *err);
int ice_snapshot_updates(struct lake_pending *pending, const struct lake_change *change, struct err *err);
/* takes update; NULL is no memory */
int ice_update_push(struct lake_pending *pending, json_t *update, struct err *err);
int ice_done(struct lake_table *table, struct lake_pending *pending, struct catalog_table *result, struct err *err);
void ice_abort(struct lake_table *table, struct lake_pending *pending);
void ice_forget(struct lake_pending *pending);
int ice_sweep(struct lake_table *table, size_t *n_deleted, struct err *err);
bool ice_gc_enabled(const json_t *metadata); /* the table's owner lets files be deleted */
/* ice_orphans.c */
int ice_sweep_orphans(struct catalog *catalog, struct store *store, const char *ns, const char *name,
                      struct lake_orphans *orphans, struct err *err);
int ice_create(struct catalog *catalog, struct store *store, const char *ns, const char *name,
               const struct lake_create *create, struct err *err);
int ice_plan_fields(struct lake_table *table, struct lake_field *add_fields, size_t n, struct err *err);

#endif
