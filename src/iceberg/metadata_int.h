/* src/iceberg/metadata_int.h — shared by the metadata*.c files only: getters that name what is wrong, canonical
 * forms, the state of one apply. */
#ifndef TARN_ICEBERG_METADATA_INT_H
#define TARN_ICEBERG_METADATA_INT_H

#include "iceberg/metadata.h"

/* Limits on what a client may send. Iceberg itself has none; these are far above what engines make and keep one
 * table's metadata in memory. */
#define ICE_FIELDS_MAX 10000 /* of one schema, nested ones included */
#define ICE_DEPTH_MAX 32     /* nesting of types */
#define ICE_NAME_MAX 1024    /* bytes of a column, partition field or ref name */
#define ICE_DOC_MAX 65536
#define ICE_PROPERTIES_MAX 5000
#define ICE_PROPERTY_VALUE_MAX (1 << 20)
#define ICE_LIST_MAX 1000 /* schemas, specs, orders, spec fields, updates */
#define ICE_SNAPSHOTS_MAX 200000
#define ICE_REFS_MAX 10000
#define ICE_FIELD_ID_MAX 2147483446 /* ids above 2147483447 are reserved (spec: Reserved Field IDs) */
#define ICE_PARTITION_ID_MIN 1000

/* Integers: within [min, max] or ERR_USAGE "<what>: ...". Optional getters leave *out alone and set *has. JSON null
 * counts as missing. */
int ice_get_int(const json_t *object, const char *key, int64_t min, int64_t max, const char *what, int64_t *out,
                struct err *err);
int ice_get_int_opt(const json_t *object, const char *key, int64_t min, int64_t max, const char *what, int64_t *out,
                    bool *has, struct err *err);
/* not empty */
int ice_get_str(const json_t *object, const char *key, size_t max, const char *what, const char **out, struct err *err);
int ice_get_object(const json_t *object, const char *key, const char *what, json_t **out, struct err *err);
int ice_get_array(const json_t *object, const char *key, size_t max, const char *what, json_t **out, struct err *err);
/* Shallow copies that notice a failed allocation (jansson's own lose elements silently). NULL: no memory. */
json_t *ice_copy(const json_t *value);
/* The element of an array of objects whose integer member `key` is `id`, or NULL; *at (may be NULL) its index. */
json_t *ice_find(const json_t *array, const char *key, int64_t id, size_t *at);

/* Old field id -> new one, filled while a create request's ids are replaced. */
struct ice_id_map {
	int64_t *pairs;
	size_t n, cap;
};
void ice_id_map_free(struct ice_id_map *map);
int64_t ice_id_map_get(const struct ice_id_map *map, int64_t from); /* -1: missing */

struct ice_schema_opts {
	int format_version; /* types and defaults that need 3 are refused below it */
	int schema_id;
	struct ice_id_map *fresh; /* not NULL: assign new ids from 1 and remember */
};
/* Canonical, checked copy of a schema: known members in the specification's order, type names spelt one way.
 * *highest: largest field id. */
int ice_schema_canonical(const json_t *schema, const struct ice_schema_opts *opts, int64_t *highest, json_t **out,
                         struct err *err);
bool ice_schema_same(const json_t *a, const json_t *b); /* but for schema-id */
/* A field by id, reached through structs only (not inside lists and maps), or NULL. */
const json_t *ice_schema_field(const json_t *schema, int64_t id);
const json_t *ice_schema_column(const json_t *schema, const char *name); /* top level */

struct ice_spec_opts {
	int64_t spec_id;
	const json_t *schema;             /* the sources must be in it */
	const struct ice_id_map *sources; /* NULL: source ids as given */
	/* array of earlier specs, whose field ids are reused for equal fields; may be NULL */
	const json_t *known;
	int64_t *last_partition_id; /* in, out */
};
int ice_spec_canonical(const json_t *spec, const struct ice_spec_opts *opts, json_t **out, struct err *err);
bool ice_spec_same(const json_t *a, const json_t *b); /* sources, transforms and names; ids do not count */
int ice_order_canonical(const json_t *order, int64_t order_id, const json_t *schema, const struct ice_id_map *sources,
                        json_t **out, struct err *err);
bool ice_order_same(const json_t *a, const json_t *b);
/* Whether every source of a spec's or order's fields (void ones aside) is in the schema; what: "partition" or "sort". */
int ice_sources_check(const json_t *fields, const json_t *schema, const char *what, struct err *err);

/* One apply under way. */
struct ice_change {
	json_t *md; /* the metadata being built; its top-level lists and maps are our own copies */
	const struct ice_apply *apply;
	int version;
	int64_t last_schema, last_spec, last_order; /* what -1 means; -1: none added by this request */
	json_t *added;                              /* object: ids (as text) of snapshots added by this request */
	bool changed;
	bool history_changed; /* snapshots were removed or main moved: snapshot-log needs a look */
};
/* Sets a member of md; takes value (NULL: no memory). */
int ice_change_set(struct ice_change *change, const char *key, json_t *value, struct err *err);
/* The schema that new specs and orders refer to: the current one, else the last added; NULL: none. */
const json_t *ice_change_schema(const struct ice_change *change);
int ice_properties_check(const json_t *properties, bool creating, const char *what, struct err *err);

/* metadata_snapshot.c */
int ice_update_add_snapshot(struct ice_change *change, const json_t *update, struct err *err);
int ice_update_set_ref(struct ice_change *change, const json_t *update, struct err *err);
int ice_update_remove_snapshots(struct ice_change *change, const json_t *update, struct err *err);
int ice_update_remove_ref(struct ice_change *change, const json_t *update, struct err *err);
int ice_update_set_statistics(struct ice_change *change, const json_t *update, struct err *err);
int ice_update_remove_statistics(struct ice_change *change, const json_t *update, struct err *err);
int ice_update_set_partition_statistics(struct ice_change *change, const json_t *update, struct err *err);
int ice_update_remove_partition_statistics(struct ice_change *change, const json_t *update, struct err *err);
int ice_change_close_history(struct ice_change *change, struct err *err); /* snapshot-log after all updates */

/* metadata.c: an object with all members of an empty table, "" and -1 where a later step fills in. */
json_t *ice_metadata_skeleton(int version, const char *uuid, const char *location);

#endif
