/* src/iceberg/metadata.h — Iceberg table metadata as JSON values: made from a create request, guarded by
 * requirements, changed by updates.
 *
 * The value is the content of a metadata file (Iceberg spec, "Table Metadata Fields") of format version 2 or 3.
 * Metadata values are shared and never changed in place: apply builds a new object that shares the untouched parts
 * with the base, so a commit on a table with many snapshots costs a few pointer copies and no parsing. Who holds a
 * reference may read from any thread and must not modify. Requirements and updates are those of the REST catalog
 * specification (CommitTableRequest). What a client sends is untrusted: kinds, counts, names and nesting are checked,
 * anything malformed or unknown is ERR_USAGE naming the member, a failed requirement is ERR_CONFLICT. Locations are
 * not judged here (the catalog knows the warehouse); see catalog/catalog_location.c. */
#ifndef TARN_ICEBERG_METADATA_H
#define TARN_ICEBERG_METADATA_H

#include "base/err.h"
#include "base/json.h"

#define ICE_FORMAT_DEFAULT 2
#define ICE_FORMAT_MAX 3

/* Metadata of a new table from a CreateTableRequest (schema, partition-spec, write-order, properties; the rest is the
 * caller's). Field ids are assigned from 1: the fields of a struct first, then what is inside them; partition and
 * sort sources follow. "format-version" is taken out of the properties. *out: new reference. */
int ice_metadata_create(const json_t *request, const char *location, const char *uuid, int64_t now_ms, json_t **out,
                        struct err *err) TARN_MUST_CHECK;

/* All of requirements (array) against metadata, NULL when the table does not exist. ERR_CONFLICT "Requirement failed:
 * ..."; unknown or malformed ERR_USAGE. */
int ice_metadata_check_requirements(const json_t *metadata, const json_t *requirements,
                                    struct err *err) TARN_MUST_CHECK;
/* Whether the list holds assert-create. */
bool ice_metadata_asserts_create(const json_t *requirements);

struct ice_apply {
	const json_t *base;        /* NULL: the table is made by these updates */
	const char *base_location; /* the base's metadata file; goes into metadata-log; NULL: none */
	const char *location;      /* new tables: used when no set-location comes */
	const char *uuid;          /* new tables: used when no assign-uuid comes */
	int64_t now_ms;
};
/* *out: new reference; the base itself when nothing changed (then no new file is needed). A stale sequence number or
 * first-row-id is ERR_CONFLICT. */
int ice_metadata_apply(const struct ice_apply *apply, const json_t *updates, json_t **out,
                       struct err *err) TARN_MUST_CHECK;

/* Metadata files that `base` (whose own file is base_location) kept in its log and `next` no longer does, as an array
 * of locations; NULL when the table does not ask for their deletion (write.metadata.delete-after-commit.enabled) or
 * there are none. *out: new reference. */
int ice_metadata_expired_files(const json_t *base, const char *base_location, const json_t *next, json_t **out,
                               struct err *err) TARN_MUST_CHECK;

/* Checks a metadata file's content found in the store (register): required members, their kinds, references between
 * them. ERR_CORRUPT; version 1 is ERR_UNSUPPORTED. */
int ice_metadata_check(const json_t *metadata, struct err *err) TARN_MUST_CHECK;
/* What older writers leave out and readers must supply, on a value nobody else holds yet: "refs" with main at the
 * current snapshot (spec: Snapshot References). */
int ice_metadata_complete(json_t *metadata, struct err *err) TARN_MUST_CHECK;

/* A copy with only those snapshots that refs point to (REST: snapshots=refs); the statistics and the log stay. NULL:
 * no memory. */
json_t *ice_metadata_refs_only(const json_t *metadata);

/* The type name "decimal(9, 2)", with blanks or without; false: it is none that the specification allows. */
bool ice_decimal_parse(struct str text, int *precision, int *scale);

/* Member shortcuts. */
int64_t ice_metadata_current_snapshot(const json_t *metadata); /* -1: none; written as -1 or, in version 3, null */
/* Borrowed; NULL: none of that id. */
const json_t *ice_metadata_snapshot(const json_t *metadata, int64_t snapshot_id);
const char *ice_metadata_property(const json_t *metadata, const char *key); /* NULL: missing */

#endif
