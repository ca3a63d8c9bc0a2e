/* src/iceberg/metadata_update.c — the changes a client wants made to a table (REST: TableUpdate), applied in order to
 * a copy of the metadata.
 *
 * One small function per update, found by name in a table. An update that leaves the metadata as it is (an equal
 * schema, a property's own value) counts as no change; a request of such updates only yields the base itself. "-1" as
 * an id means the one added last by the same request. */
#include "iceberg/metadata_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "base/mem.h"

int ice_change_set(struct ice_change *change, const char *key, json_t *value, struct err *err)
{
	if (json_object_set_new(change->md, key, value))
		return err_nomem(err);
	change->changed = true;
	return 0;
}

const json_t *ice_change_schema(const struct ice_change *change)
{
	const json_t *schemas = json_object_get(change->md, "schemas");
	const json_t *schema = ice_find(schemas, "schema-id", json_get_int(change->md, "current-schema-id", -1), NULL);

	return schema ? schema : json_array_get(schemas, json_array_size(schemas) - 1);
}

static int set_int_if_new(struct ice_change *change, const char *key, int64_t value, struct err *err)
{
	if (json_has(change->md, key) && json_get_int(change->md, key, -2) == value)
		return 0;
	return ice_change_set(change, key, json_integer(value), err);
}

/* --- identity and version --- */

static int assign_uuid(struct ice_change *change, const json_t *update, struct err *err)
{
	const char *uuid, *have = json_get_str(change->md, "table-uuid", "");
	size_t n;

	if (ice_get_str(update, "uuid", 36, "assign-uuid", &uuid, err))
		return ERR_USAGE;
	n = strspn(uuid, "0123456789abcdefABCDEF-");
	if (n != 36 || uuid[8] != '-' || uuid[13] != '-' || uuid[18] != '-' || uuid[23] != '-')
		return err_set(err, ERR_USAGE, "assign-uuid: \"%s\" is not a UUID", uuid);
	if (strcasecmp(uuid, have) == 0)
		return 0;
	if (change->apply->base)
		return err_set(err, ERR_USAGE, "assign-uuid: the table has UUID %s, which cannot change", have);
	return ice_change_set(change, "table-uuid", json_string(uuid), err);
}

static int upgrade_version(struct ice_change *change, const json_t *update, struct err *err)
{
	int64_t to;
	int rc = ice_get_int(update, "format-version", 0, INT32_MAX, "upgrade-format-version", &to, err);

	if (rc)
		return rc;
	if (to > ICE_FORMAT_MAX)
		return err_set(err, ERR_USAGE,
		               "Cannot upgrade table to unsupported format version: v%" PRId64 " (supported: v%d)", to,
		               ICE_FORMAT_MAX);
	if (to < change->version)
		return err_set(err, ERR_USAGE, "Cannot downgrade v%d table to v%" PRId64, change->version, to);
	if (to == change->version)
		return 0;
	change->version = (int)to;
	rc = ice_change_set(change, "format-version", json_integer(to), err);
	if (!rc && to >= 3 && !json_has(change->md, "next-row-id"))
		rc = ice_change_set(change, "next-row-id", json_integer(0), err);
	if (!rc && to >= 3 && ice_metadata_current_snapshot(change->md) == -1)
		rc = ice_change_set(change, "current-snapshot-id", json_null(), err);
	return rc;
}

static int set_location(struct ice_change *change, const json_t *update, struct err *err)
{
	const char *location;
	struct str trimmed;

	if (ice_get_str(update, "location", 1024, "set-location", &location, err))
		return ERR_USAGE;
	trimmed = str_of(location);
	while (trimmed.n > 1 && trimmed.p[trimmed.n - 1] == '/')
		trimmed.n--;
	if (str_eqz(trimmed, json_get_str(change->md, "location", "")))
		return 0;
	return ice_change_set(change, "location", json_str(trimmed), err);
}

/* --- schemas, specs, orders --- */

/* The element equal to `made` but for its id; else takes the next free id, from `first` up. */
static int64_t reuse_id(const json_t *list, const char *id_key, const json_t *made,
                        bool (*same)(const json_t *, const json_t *), int64_t first, bool *found)
{
	size_t i;
	json_t *element;

	*found = true;
	json_array_foreach(list, i, element)
	{
		if (same(element, made))
			return json_get_int(element, id_key, -1);
	}
	*found = false;
	json_array_foreach(list, i, element)
	{
		int64_t id = json_get_int(element, id_key, -1);
		if (id >= first)
			first = id + 1;
	}
	return first;
}

/* Adds made (taken) to a list unless an equal one is there; *id: which one it is now. */
static int add_unique(struct ice_change *change, const char *list_name, const char *id_key, json_t *made,
                      bool (*same)(const json_t *, const json_t *), int64_t first, int64_t *id, struct err *err)
{
	json_t *list = json_object_get(change->md, list_name);
	bool found;

	*id = reuse_id(list, id_key, made, same, first, &found);
	if (found) {
		json_decref(made);
		return 0;
	}
	if (json_array_size(list) >= ICE_LIST_MAX) {
		json_decref(made);
		return err_set(err, ERR_USAGE, "the table has %d %s already: remove unused ones first", ICE_LIST_MAX,
		               list_name);
	}
	if (json_object_set_new(made, id_key, json_integer(*id))) {
		json_decref(made);
		return err_nomem(err);
	}
	if (json_array_append_new(list, made))
		return err_nomem(err);
	change->changed = true;
	return 0;
}

/* The id an update gives, -1 replaced by the one added last. */
static int resolve_id(const json_t *update, const char *key, int64_t last, const char *what, int64_t *id,
                      struct err *err)
{
	int rc = ice_get_int(update, key, -1, INT32_MAX, what, id, err);

	if (rc || *id != -1)
		return rc;
	if (last < 0)
		return err_set(err, ERR_USAGE,
		               "%s: -1 means the last added one, but nothing was added before it in this request",
		               what);
	*id = last;
	return 0;
}

static int add_schema(struct ice_change *change, const json_t *update, struct err *err)
{
	struct ice_schema_opts opts = { .format_version = change->version };
	int64_t highest, last = json_get_int(change->md, "last-column-id", 0), given = 0;
	json_t *made, *schema;
	bool has;
	int rc = ice_get_object(update, "schema", "add-schema", &schema, err);

	if (!rc)
		rc = ice_get_int_opt(update, "last-column-id", 0, ICE_FIELD_ID_MAX, "add-schema", &given, &has, err);
	if (!rc)
		rc = ice_schema_canonical(schema, &opts, &highest, &made, err);
	if (rc)
		return rc;
	if (has && given < highest) {
		json_decref(made);
		return err_set(err, ERR_USAGE,
		               "add-schema: last-column-id %" PRId64 " is lower than field id %" PRId64
		               " of the schema",
		               given, highest);
	}
	if (given > highest)
		highest = given;
	rc = add_unique(change, "schemas", "schema-id", made, ice_schema_same, 0, &change->last_schema, err);
	if (!rc && highest > last)
		rc = ice_change_set(change, "last-column-id", json_integer(highest), err);
	return rc;
}

static int set_current_schema(struct ice_change *change, const json_t *update, struct err *err)
{
	int64_t id;
	int rc = resolve_id(update, "schema-id", change->last_schema, "set-current-schema", &id, err);

	if (rc)
		return rc;
	if (!ice_find(json_object_get(change->md, "schemas"), "schema-id", id, NULL))
		return err_set(err, ERR_USAGE, "set-current-schema: the table has no schema %" PRId64, id);
	return set_int_if_new(change, "current-schema-id", id, err);
}

static int add_spec(struct ice_change *change, const json_t *update, struct err *err)
{
	int64_t last = json_get_int(change->md, "last-partition-id", ICE_PARTITION_ID_MIN - 1), before = last;
	struct ice_spec_opts opts = { .schema = ice_change_schema(change),
		                      .known = json_object_get(change->md, "partition-specs"),
		                      .last_partition_id = &last };
	json_t *made, *spec;
	int rc = ice_get_object(update, "spec", "add-spec", &spec, err);

	if (!rc && !opts.schema)
		rc = err_set(err, ERR_USAGE, "add-spec: the table has no schema yet");
	if (!rc)
		rc = ice_spec_canonical(spec, &opts, &made, err);
	if (!rc)
		rc = add_unique(change, "partition-specs", "spec-id", made, ice_spec_same, 0, &change->last_spec, err);
	if (!rc && last > before)
		rc = ice_change_set(change, "last-partition-id", json_integer(last), err);
	return rc;
}

static int set_default_spec(struct ice_change *change, const json_t *update, struct err *err)
{
	int64_t id;
	int rc = resolve_id(update, "spec-id", change->last_spec, "set-default-spec", &id, err);

	if (rc)
		return rc;
	if (!ice_find(json_object_get(change->md, "partition-specs"), "spec-id", id, NULL))
		return err_set(err, ERR_USAGE, "set-default-spec: the table has no partition spec %" PRId64, id);
	return set_int_if_new(change, "default-spec-id", id, err);
}

/* The unsorted order has id 0 whatever else is there; takes made. */
static int add_unsorted(struct ice_change *change, json_t *made, struct err *err)
{
	json_t *orders = json_object_get(change->md, "sort-orders");

	change->last_order = 0;
	if (ice_find(orders, "order-id", 0, NULL)) {
		json_decref(made);
		return 0;
	}
	if (json_array_append_new(orders, made))
		return err_nomem(err);
	change->changed = true;
	return 0;
}

static int add_order(struct ice_change *change, const json_t *update, struct err *err)
{
	const json_t *schema = ice_change_schema(change);
	json_t *made, *order;
	int rc = ice_get_object(update, "sort-order", "add-sort-order", &order, err);

	if (!rc && !schema)
		rc = err_set(err, ERR_USAGE, "add-sort-order: the table has no schema yet");
	if (!rc)
		rc = ice_order_canonical(order, 1, schema, NULL, &made, err);
	if (!rc && json_array_size(json_object_get(made, "fields")) == 0)
		return add_unsorted(change, made, err);
	if (!rc)
		rc = add_unique(change, "sort-orders", "order-id", made, ice_order_same, 1, &change->last_order, err);
	return rc;
}

static int set_default_order(struct ice_change *change, const json_t *update, struct err *err)
{
	int64_t id;
	int rc = resolve_id(update, "sort-order-id", change->last_order, "set-default-sort-order", &id, err);

	if (rc)
		return rc;
	if (!ice_find(json_object_get(change->md, "sort-orders"), "order-id", id, NULL))
		return err_set(err, ERR_USAGE, "set-default-sort-order: the table has no sort order %" PRId64, id);
	return set_int_if_new(change, "default-sort-order-id", id, err);
}

/* The elements whose id is in `ids` go; `keep` is not to be removed. */
static int remove_ids(struct ice_change *change, const json_t *update, const char *list_name, const char *id_key,
                      const char *ids_key, int64_t keep, struct err *err)
{
	json_t *list = json_object_get(change->md, list_name), *ids, *value;
	size_t i, at;
	int rc = ice_get_array(update, ids_key, ICE_LIST_MAX, ids_key, &ids, err);

	if (rc)
		return rc;
	json_array_foreach(ids, i, value)
	{
		if (!json_is_integer(value))
			return err_set(err, ERR_USAGE, "%s: must be whole numbers", ids_key);
		if (json_integer_value(value) == keep)
			return err_set(err, ERR_USAGE, "%s: %" PRId64 " is in use and cannot be removed", ids_key,
			               keep);
		if (!ice_find(list, id_key, json_integer_value(value), &at))
			continue;
		if (json_array_remove(list, at))
			return err_nomem(err);
		change->changed = true;
	}
	return 0;
}

static int remove_specs(struct ice_change *change, const json_t *update, struct err *err)
{
	return remove_ids(change, update, "partition-specs", "spec-id", "spec-ids",
	                  json_get_int(change->md, "default-spec-id", -1), err);
}

static int remove_schemas(struct ice_change *change, const json_t *update, struct err *err)
{
	const json_t *ids = json_object_get(update, "schema-ids");
	size_t i, k;
	json_t *snapshot, *id;

	json_array_foreach(json_object_get(change->md, "snapshots"), i, snapshot)
	{
		json_array_foreach(ids, k, id)
		{
			if (json_is_integer(id) && json_get_int(snapshot, "schema-id", -1) == json_integer_value(id))
				return err_set(err, ERR_USAGE,
				               "schema-ids: schema %" JSON_INTEGER_FORMAT
				               " is in use by a snapshot and cannot be removed",
				               json_integer_value(id));
		}
	}
	return remove_ids(change, update, "schemas", "schema-id", "schema-ids",
	                  json_get_int(change->md, "current-schema-id", -1), err);
}

/* --- properties and keys --- */

static int set_properties(struct ice_change *change, const json_t *update, struct err *err)
{
	json_t *properties = json_object_get(change->md, "properties"), *given = json_object_get(update, "updates"),
	       *value;
	const char *key;
	int rc;

	/* "updated" is what an early version of the specification called it. */
	if (!given)
		given = json_object_get(update, "updated");
	rc = ice_properties_check(given, false, "set-properties", err);
	if (rc)
		return rc;
	json_object_foreach(given, key, value)
	{
		if (json_equal(json_object_get(properties, key), value))
			continue;
		if (json_object_set(properties, key, value))
			return err_nomem(err);
		change->changed = true;
	}
	if (json_object_size(properties) > ICE_PROPERTIES_MAX)
		return err_set(err, ERR_USAGE, "set-properties: the table would have more than %d properties",
		               ICE_PROPERTIES_MAX);
	return 0;
}

static int remove_properties(struct ice_change *change, const json_t *update, struct err *err)
{
	json_t *properties = json_object_get(change->md, "properties"), *keys = json_object_get(update, "removals"),
	       *key;
	size_t i;
	int rc;

	if (keys || !json_has(update, "removed"))
		rc = ice_get_array(update, "removals", ICE_PROPERTIES_MAX, "remove-properties", &keys, err);
	else
		rc = ice_get_array(update, "removed", ICE_PROPERTIES_MAX, "remove-properties", &keys, err);
	if (rc)
		return rc;
	json_array_foreach(keys, i, key)
	{
		if (!json_is_string(key))
			return err_set(err, ERR_USAGE, "remove-properties: a name is not a text");
		if (json_object_del(properties, json_string_value(key)) == 0)
			change->changed = true;
	}
	return 0;
}

static int add_key(struct ice_change *change, const json_t *update, struct err *err)
{
	json_t *keys = json_object_get(change->md, "encryption-keys"), *key, *copy, *element;
	const char *id, *bytes;
	size_t i;
	int rc = ice_get_object(update, "encryption-key", "add-encryption-key", &key, err);

	if (rc || (rc = ice_get_str(key, "key-id", ICE_NAME_MAX, "encryption-key", &id, err)) ||
	    (rc = ice_get_str(key, "encrypted-key-metadata", ICE_DOC_MAX, "encryption-key", &bytes, err)))
		return rc;
	if (change->version < 3)
		return err_set(err, ERR_USAGE, "add-encryption-key: needs format version 3, the table has %d",
		               change->version);
	if (!json_is_array(keys)) {
		if (ice_change_set(change, "encryption-keys", json_array(), err))
			return ERR_NOMEM;
		keys = json_object_get(change->md, "encryption-keys");
	}
	json_array_foreach(keys, i, element)
	{
		if (strcmp(json_get_str(element, "key-id", ""), id) != 0)
			continue;
		return json_equal(element, key)
		               ? 0
		               : err_set(err, ERR_USAGE, "add-encryption-key: there is another key of id \"%s\"", id);
	}
	if (json_array_size(keys) >= ICE_LIST_MAX)
		return err_set(err, ERR_USAGE, "add-encryption-key: the table has %d keys already", ICE_LIST_MAX);
	copy = ice_copy(key);
	if (!copy || json_array_append_new(keys, copy))
		return err_nomem(err);
	change->changed = true;
	return 0;
}

static int remove_key(struct ice_change *change, const json_t *update, struct err *err)
{
	json_t *keys = json_object_get(change->md, "encryption-keys"), *element;
	const char *id;
	size_t i;

	if (ice_get_str(update, "key-id", ICE_NAME_MAX, "remove-encryption-key", &id, err))
		return ERR_USAGE;
	json_array_foreach(keys, i, element)
	{
		if (strcmp(json_get_str(element, "key-id", ""), id) != 0)
			continue;
		json_array_remove(keys, i);
		change->changed = true;
		return 0;
	}
	return 0;
}

/* --- the table of updates --- */

static const struct {
	const char *action;
	int (*apply)(struct ice_change *change, const json_t *update, struct err *err);
} updates_known[] = {
	{ "assign-uuid", assign_uuid },
	{ "upgrade-format-version", upgrade_version },
	{ "add-schema", add_schema },
	{ "set-current-schema", set_current_schema },
	{ "add-spec", add_spec },
	{ "set-default-spec", set_default_spec },
	{ "add-sort-order", add_order },
	{ "set-default-sort-order", set_default_order },
	{ "add-snapshot", ice_update_add_snapshot },
	{ "set-snapshot-ref", ice_update_set_ref },
	{ "remove-snapshots", ice_update_remove_snapshots },
	{ "remove-snapshot-ref", ice_update_remove_ref },
	{ "set-location", set_location },
	{ "set-properties", set_properties },
	{ "remove-properties", remove_properties },
	{ "set-statistics", ice_update_set_statistics },
	{ "remove-statistics", ice_update_remove_statistics },
	{ "set-partition-statistics", ice_update_set_partition_statistics },
	{ "remove-partition-statistics", ice_update_remove_partition_statistics },
	{ "remove-partition-specs", remove_specs },
	{ "remove-schemas", remove_schemas },
	{ "add-encryption-key", add_key },
	{ "remove-encryption-key", remove_key },
};

static int apply_one(struct ice_change *change, const json_t *update, struct err *err)
{
	const char *action;

	if (!json_is_object(update))
		return err_set(err, ERR_USAGE, "updates: an element is not an object");
	if (ice_get_str(update, "action", 64, "update", &action, err))
		return ERR_USAGE;
	for (size_t i = 0; i < sizeof updates_known / sizeof updates_known[0]; i++) {
		if (strcmp(action, updates_known[i].action) == 0)
			return updates_known[i].apply(change, update, err);
	}
	return err_set(err, ERR_USAGE, "updates: \"%.64s\" is not a table update", action);
}

/* Our own copies of the lists and maps the updates change in place, so that the base stays as it is. */
static int start(struct ice_change *change, struct err *err)
{
	static const char *const lists[] = { "schemas",      "partition-specs", "sort-orders", "snapshots",
		                             "snapshot-log", "metadata-log",    "statistics",  "partition-statistics" };
	static const char *const maps[] = { "properties", "refs" };
	const struct ice_apply *apply = change->apply;
	const json_t *value;

	change->md = apply->base ? ice_copy(apply->base)
	                         : ice_metadata_skeleton(ICE_FORMAT_DEFAULT, apply->uuid, apply->location);
	change->added = json_object();
	if (!change->md || !change->added)
		return err_nomem(err);
	change->version = (int)json_get_int(change->md, "format-version", ICE_FORMAT_DEFAULT);
	change->changed = apply->base == NULL;
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		value = json_object_get(change->md, lists[i]);
		if (json_object_set_new(change->md, lists[i], json_is_array(value) ? ice_copy(value) : json_array()))
			return err_nomem(err);
	}
	for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
		value = json_object_get(change->md, maps[i]);
		if (json_object_set_new(change->md, maps[i], json_is_object(value) ? ice_copy(value) : json_object()))
			return err_nomem(err);
	}
	value = json_object_get(change->md, "encryption-keys");
	if (json_is_array(value) && json_object_set_new(change->md, "encryption-keys", ice_copy(value)))
		return err_nomem(err);
	return 0;
}

/* What a table made by updates alone still lacks: the empty spec and order. A schema it must have brought. */
static int complete_new(struct ice_change *change, struct err *err)
{
	int rc = 0;
	json_t *specs = json_object_get(change->md, "partition-specs"),
	       *orders = json_object_get(change->md, "sort-orders");

	if (json_get_int(change->md, "current-schema-id", -1) == -1)
		return err_set(err, ERR_USAGE, "create table: the updates set no current schema");
	if (json_get_int(change->md, "default-spec-id", -1) == -1) {
		json_t *spec = ice_find(specs, "spec-id", 0, NULL);
		if (!spec && json_array_append_new(specs, json_pack("{s:i,s:[]}", "spec-id", 0, "fields")))
			return err_nomem(err);
		rc = ice_change_set(change, "default-spec-id", json_integer(0), err);
	}
	if (!rc && json_get_int(change->md, "default-sort-order-id", -1) == -1) {
		json_t *order = ice_find(orders, "order-id", 0, NULL);
		if (!order && json_array_append_new(orders, json_pack("{s:i,s:[]}", "order-id", 0, "fields")))
			return err_nomem(err);
		rc = ice_change_set(change, "default-sort-order-id", json_integer(0), err);
	}
	return rc;
}

/* Default spec and order must fit the current schema; they are looked at once, after all updates, since a request may
 * change all three in any order. */
static int check_defaults(struct ice_change *change, struct err *err)
{
	const json_t *md = change->md;
	const json_t *spec = ice_find(json_object_get(md, "partition-specs"), "spec-id",
	                              json_get_int(md, "default-spec-id", -1), NULL);
	const json_t *order = ice_find(json_object_get(md, "sort-orders"), "order-id",
	                               json_get_int(md, "default-sort-order-id", -1), NULL);
	int rc = ice_sources_check(json_object_get(spec, "fields"), ice_change_schema(change), "partition", err);

	if (!rc)
		rc = ice_sources_check(json_object_get(order, "fields"), ice_change_schema(change), "sort", err);
	return rc;
}

/* write.metadata.previous-versions-max as java reads it: default 100, at least 1. */
static int64_t log_length_max(const json_t *md)
{
	const char *text = ice_metadata_property(md, "write.metadata.previous-versions-max");
	int64_t n;

	if (!text || !str_to_i64(str_of(text), &n))
		return 100;
	return n < 1 ? 1 : n;
}

/* The base's file joins metadata-log, the log is trimmed, the clock never goes back. */
static int close_change(struct ice_change *change, struct err *err)
{
	const json_t *base = change->apply->base;
	json_t *log = json_object_get(change->md, "metadata-log");
	int64_t last = json_get_int(change->md, "last-updated-ms", 0), now = change->apply->now_ms;
	size_t max = (size_t)log_length_max(change->md);

	if (base && change->apply->base_location &&
	    json_array_append_new(log, json_pack("{s:I,s:s}", "timestamp-ms",
	                                         (json_int_t)json_get_int(base, "last-updated-ms", 0), "metadata-file",
	                                         change->apply->base_location)))
		return err_nomem(err);
	while (json_array_size(log) > max) {
		if (json_array_remove(log, 0))
			return err_nomem(err);
	}
	return ice_change_set(change, "last-updated-ms", json_integer(now > last ? now : last), err);
}

static int run(struct ice_change *change, const json_t *updates, struct err *err)
{
	size_t i;
	json_t *update;
	int rc = start(change, err);

	if (rc)
		return rc;
	json_array_foreach(updates, i, update)
	{
		rc = apply_one(change, update, err);
		if (rc)
			return rc;
	}
	if (!change->apply->base)
		rc = complete_new(change, err);
	if (!rc && change->changed)
		rc = check_defaults(change, err);
	if (!rc && change->history_changed)
		rc = ice_change_close_history(change, err);
	if (!rc && change->changed)
		rc = close_change(change, err);
	return rc;
}

int ice_metadata_apply(const struct ice_apply *apply, const json_t *updates, json_t **out, struct err *err)
{
	struct ice_change change = { .apply = apply, .last_schema = -1, .last_spec = -1, .last_order = -1 };
	int rc;

	*out = NULL;
	if (!json_is_array(updates) || json_array_size(updates) > ICE_LIST_MAX)
		return err_set(err, ERR_USAGE, "updates: must be an array of at most %d elements", ICE_LIST_MAX);
	rc = run(&change, updates, err);
	json_decref(change.added);
	if (rc) {
		json_decref(change.md);
		return rc;
	}
	if (!change.changed) {
		json_decref(change.md);
		*out = json_incref((json_t *)apply->base);
		return 0;
	}
	*out = change.md;
	return 0;
}

static bool log_holds(const json_t *metadata, const char *file)
{
	size_t i;
	json_t *entry;

	json_array_foreach(json_object_get(metadata, "metadata-log"), i, entry)
	{
		if (strcmp(json_get_str(entry, "metadata-file", ""), file) == 0)
			return true;
	}
	return false;
}

int ice_metadata_expired_files(const json_t *base, const char *base_location, const json_t *next, json_t **out,
                               struct err *err)
{
	const char *wanted = ice_metadata_property(next, "write.metadata.delete-after-commit.enabled"), *file;
	json_t *gone, *entry;
	size_t i;

	*out = NULL;
	if (!base || !wanted || strcasecmp(wanted, "true") != 0)
		return 0;
	gone = json_array();
	if (!gone)
		return err_nomem(err);
	json_array_foreach(json_object_get(base, "metadata-log"), i, entry)
	{
		file = json_get_str(entry, "metadata-file", "");
		if (file[0] && strcmp(file, base_location) != 0 && !log_holds(next, file) &&
		    json_array_append_new(gone, json_string(file))) {
			json_decref(gone);
			return err_nomem(err);
		}
	}
	if (json_array_size(gone) == 0) {
		json_decref(gone);
		gone = NULL;
	}
	*out = gone;
	return 0;
}
