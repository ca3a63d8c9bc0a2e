/* src/iceberg/metadata.c — new metadata from a create request, checks of a whole metadata value, and the getters all
 * parts share. */
#include "iceberg/metadata_int.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"

int ice_get_int_opt(const json_t *object, const char *key, int64_t min, int64_t max, const char *what, int64_t *out,
                    bool *has, struct err *err)
{
	const json_t *value = json_object_get(object, key);

	*has = value && !json_is_null(value);
	if (!*has)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max)
		return err_set(err, ERR_USAGE, "%s: \"%s\" must be a whole number from %" PRId64 " to %" PRId64, what,
		               key, min, max);
	*out = json_integer_value(value);
	return 0;
}

int ice_get_int(const json_t *object, const char *key, int64_t min, int64_t max, const char *what, int64_t *out,
                struct err *err)
{
	bool has;
	int rc = ice_get_int_opt(object, key, min, max, what, out, &has, err);

	if (!rc && !has)
		rc = err_set(err, ERR_USAGE, "%s: lacks \"%s\"", what, key);
	return rc;
}

int ice_get_str(const json_t *object, const char *key, size_t max, const char *what, const char **out, struct err *err)
{
	const json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value))
		return err_set(err, ERR_USAGE, "%s: lacks \"%s\"", what, key);
	if (!json_is_string(value) || json_string_length(value) == 0 || json_string_length(value) > max)
		return err_set(err, ERR_USAGE, "%s: \"%s\" must be a text of 1 to %zu bytes", what, key, max);
	*out = json_string_value(value);
	return 0;
}

int ice_get_object(const json_t *object, const char *key, const char *what, json_t **out, struct err *err)
{
	*out = json_object_get(object, key);
	return json_is_object(*out) ? 0 : err_set(err, ERR_USAGE, "%s: \"%s\" must be an object", what, key);
}

int ice_get_array(const json_t *object, const char *key, size_t max, const char *what, json_t **out, struct err *err)
{
	*out = json_object_get(object, key);
	if (!json_is_array(*out))
		return err_set(err, ERR_USAGE, "%s: \"%s\" must be an array", what, key);
	return json_array_size(*out) > max
	               ? err_set(err, ERR_USAGE, "%s: \"%s\" has more than %zu elements", what, key, max)
	               : 0;
}

json_t *ice_copy(const json_t *value)
{
	json_t *copy = json_copy((json_t *)value);

	if (copy && ((json_is_array(value) && json_array_size(copy) != json_array_size(value)) ||
	             (json_is_object(value) && json_object_size(copy) != json_object_size(value)))) {
		json_decref(copy);
		return NULL;
	}
	return copy;
}

json_t *ice_find(const json_t *array, const char *key, int64_t id, size_t *at)
{
	size_t i;
	json_t *element;

	json_array_foreach(array, i, element)
	{
		const json_t *value = json_object_get(element, key);
		if (json_is_integer(value) && json_integer_value(value) == id) {
			if (at)
				*at = i;
			return element;
		}
	}
	return NULL;
}

int64_t ice_metadata_current_snapshot(const json_t *metadata)
{
	return json_get_int(metadata, "current-snapshot-id", -1);
}

const json_t *ice_metadata_snapshot(const json_t *metadata, int64_t snapshot_id)
{
	const json_t *v, *list = json_object_get(metadata, "snapshots");

	for (size_t i = json_array_size(list); i > 0; i--) { /* the wanted one is mostly the newest */
		v = json_array_get(list, i - 1);
		if (json_get_int(v, "snapshot-id", -1) == snapshot_id)
			return v;
	}
	return NULL;
}

const char *ice_metadata_property(const json_t *metadata, const char *key)
{
	return json_string_value(json_object_get(json_object_get(metadata, "properties"), key));
}

json_t *ice_metadata_skeleton(int version, const char *uuid, const char *location)
{
	static const char *const lists[] = { "snapshots", "statistics", "partition-statistics", "snapshot-log",
		                             "metadata-log" };
	json_t *md = json_object();
	int rc = 0;

	if (!md)
		return NULL;
	rc |= json_object_set_new(md, "format-version", json_integer(version));
	rc |= json_object_set_new(md, "table-uuid", json_string(uuid));
	rc |= json_object_set_new(md, "location", json_string(location));
	rc |= json_object_set_new(md, "last-sequence-number", json_integer(0));
	rc |= json_object_set_new(md, "last-updated-ms", json_integer(0));
	rc |= json_object_set_new(md, "last-column-id", json_integer(0));
	rc |= json_object_set_new(md, "current-schema-id", json_integer(-1));
	rc |= json_object_set_new(md, "schemas", json_array());
	rc |= json_object_set_new(md, "default-spec-id", json_integer(-1));
	rc |= json_object_set_new(md, "partition-specs", json_array());
	rc |= json_object_set_new(md, "last-partition-id", json_integer(ICE_PARTITION_ID_MIN - 1));
	rc |= json_object_set_new(md, "default-sort-order-id", json_integer(-1));
	rc |= json_object_set_new(md, "sort-orders", json_array());
	rc |= json_object_set_new(md, "properties", json_object());
	rc |= json_object_set_new(md, "current-snapshot-id", version >= 3 ? json_null() : json_integer(-1));
	if (version >= 3)
		rc |= json_object_set_new(md, "next-row-id", json_integer(0));
	rc |= json_object_set_new(md, "refs", json_object());
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		rc |= json_object_set_new(md, lists[i], json_array());
	if (rc) {
		json_decref(md);
		return NULL;
	}
	return md;
}

/* Names that describe the table itself and never are properties (spec: Table Metadata Fields, properties). */
static bool reserved(const char *key)
{
	static const char *const names[] = { "format-version",      "uuid",
		                             "snapshot-count",      "current-snapshot-summary",
		                             "current-snapshot-id", "current-snapshot-timestamp-ms",
		                             "current-schema",      "default-partition-spec",
		                             "default-sort-order",  NULL };

	for (size_t i = 0; names[i]; i++) {
		if (strcmp(key, names[i]) == 0)
			return true;
	}
	return false;
}

int ice_properties_check(const json_t *properties, bool creating, const char *what, struct err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(properties))
		return err_set(err, ERR_USAGE, "%s: must be an object of texts", what);
	if (json_object_size(properties) > ICE_PROPERTIES_MAX)
		return err_set(err, ERR_USAGE, "%s: more than %d entries", what, ICE_PROPERTIES_MAX);
	json_object_foreach((json_t *)properties, key, value)
	{
		if (key[0] == '\0' || strlen(key) > ICE_NAME_MAX)
			return err_set(err, ERR_USAGE, "%s: a name must have 1 to %d bytes", what, ICE_NAME_MAX);
		if (!json_is_string(value) || json_string_length(value) > ICE_PROPERTY_VALUE_MAX)
			return err_set(err, ERR_USAGE, "%s: \"%s\" must be a text of at most %d bytes", what, key,
			               ICE_PROPERTY_VALUE_MAX);
		if (reserved(key) && !(creating && strcmp(key, "format-version") == 0))
			return err_set(err, ERR_USAGE,
			               "%s: \"%s\" is reserved: it describes the table itself and cannot be a property",
			               what, key);
	}
	return 0;
}

/* The format version a create request asks for through its properties. */
static int wanted_version(const json_t *properties, int *version, struct err *err)
{
	const char *text = json_get_str(properties, "format-version", NULL);
	int64_t n;

	*version = ICE_FORMAT_DEFAULT;
	if (!text)
		return 0;
	if (!str_to_i64(str_of(text), &n) || n < 1)
		return err_set(err, ERR_USAGE, "properties: format-version must be 2 or 3, not \"%.32s\"", text);
	if (n == 1 || n > ICE_FORMAT_MAX)
		return err_set(err, ERR_USAGE,
		               "properties: tables of format version %" PRId64 " are not served here, only 2 and 3", n);
	*version = (int)n;
	return 0;
}

struct creation {
	const json_t *request;
	json_t *md;
	int version;
	struct ice_id_map ids;
};

/* Puts the one schema, spec or order of a new table into its list. Takes element. */
static int put_only(json_t *md, const char *list, json_t *element, const char *current, int64_t id, struct err *err)
{
	if (json_array_append_new(json_object_get(md, list), element) ||
	    json_object_set_new(md, current, json_integer(id)))
		return err_nomem(err);
	return 0;
}

static int create_schema(struct creation *c, json_t **schema, struct err *err)
{
	struct ice_schema_opts opts = { .format_version = c->version, .schema_id = 0, .fresh = &c->ids };
	const json_t *given = json_object_get(c->request, "schema");
	int64_t highest = 0;
	int rc;

	if (!given || json_is_null(given))
		return err_set(err, ERR_USAGE, "create table: lacks \"schema\"");
	rc = ice_schema_canonical(given, &opts, &highest, schema, err);
	if (!rc)
		rc = put_only(c->md, "schemas", *schema, "current-schema-id", 0, err);
	if (!rc && json_object_set_new(c->md, "last-column-id", json_integer(highest)))
		rc = err_nomem(err);
	return rc;
}

static int create_spec_and_order(struct creation *c, const json_t *schema, struct err *err)
{
	const json_t *spec = json_object_get(c->request, "partition-spec"),
		     *order = json_object_get(c->request, "write-order");
	int64_t last_id = ICE_PARTITION_ID_MIN - 1;
	struct ice_spec_opts opts = { .spec_id = 0,
		                      .schema = schema,
		                      .sources = &c->ids,
		                      .last_partition_id = &last_id };
	json_t *empty = json_pack("{s:[]}", "fields"), *made = NULL;
	int rc;

	if (!empty)
		return err_nomem(err);
	rc = ice_spec_canonical(spec && !json_is_null(spec) ? spec : empty, &opts, &made, err);
	if (!rc)
		rc = put_only(c->md, "partition-specs", made, "default-spec-id", 0, err);
	if (!rc && json_object_set_new(c->md, "last-partition-id", json_integer(last_id)))
		rc = err_nomem(err);
	made = NULL;
	if (!rc)
		rc = ice_order_canonical(order && !json_is_null(order) ? order : empty, 1, schema, &c->ids, &made, err);
	if (!rc)
		rc = put_only(c->md, "sort-orders", made, "default-sort-order-id", json_get_int(made, "order-id", 0),
		              err);
	json_decref(empty);
	return rc;
}

static int create_properties(struct creation *c, const json_t *properties, struct err *err)
{
	json_t *copy;

	if (!properties)
		return 0;
	copy = ice_copy(properties);
	if (!copy)
		return err_nomem(err);
	json_object_del(copy, "format-version");
	return json_object_set_new(c->md, "properties", copy) ? err_nomem(err) : 0;
}

int ice_metadata_create(const json_t *request, const char *location, const char *uuid, int64_t now_ms, json_t **out,
                        struct err *err)
{
	struct creation c = { .request = request };
	const json_t *properties = json_object_get(request, "properties");
	json_t *schema = NULL;
	int rc = 0;

	*out = NULL;
	if (!json_is_object(request))
		return err_set(err, ERR_USAGE, "create table: the request must be an object");
	if (json_is_null(properties))
		properties = NULL;
	if (properties)
		rc = ice_properties_check(properties, true, "properties", err);
	if (!rc)
		rc = wanted_version(properties, &c.version, err);
	if (rc)
		return rc;
	c.md = ice_metadata_skeleton(c.version, uuid, location);
	if (!c.md || json_object_set_new(c.md, "last-updated-ms", json_integer(now_ms)))
		rc = err_nomem(err);
	if (!rc)
		rc = create_schema(&c, &schema, err);
	if (!rc)
		rc = create_spec_and_order(&c, schema, err);
	if (!rc)
		rc = create_properties(&c, properties, err);
	ice_id_map_free(&c.ids);
	if (rc) {
		json_decref(c.md);
		return rc;
	}
	*out = c.md;
	return 0;
}

/* --- checks of found metadata --- */

static int corrupt(struct err *err, const char *what) { return err_set(err, ERR_CORRUPT, "table metadata: %s", what); }

static int check_list(const json_t *md, const char *list, const char *id_key, const char *current, struct err *err)
{
	const json_t *values = json_object_get(md, list), *id = json_object_get(md, current);

	if (!json_is_array(values) || json_array_size(values) == 0 || !json_is_integer(id) ||
	    !ice_find(values, id_key, json_integer_value(id), NULL))
		return err_set(err, ERR_CORRUPT, "table metadata: \"%s\" does not name an element of \"%s\"", current,
		               list);
	return 0;
}

static int check_snapshots(const json_t *md, int64_t last_sequence, struct err *err)
{
	const json_t *snapshots = json_object_get(md, "snapshots"), *refs = json_object_get(md, "refs");
	int64_t current = ice_metadata_current_snapshot(md);
	const char *name;
	size_t i;
	json_t *value;

	if (snapshots && !json_is_null(snapshots) && !json_is_array(snapshots))
		return corrupt(err, "\"snapshots\" must be an array");
	json_array_foreach(snapshots, i, value)
	{
		if (!json_is_integer(json_object_get(value, "snapshot-id")) ||
		    !json_is_string(json_object_get(value, "manifest-list")) ||
		    json_get_int(value, "sequence-number", 0) > last_sequence)
			return corrupt(
				err, "a snapshot lacks its id or manifest list, or is newer than last-sequence-number");
	}
	if (current != -1 && !ice_find(snapshots, "snapshot-id", current, NULL))
		return corrupt(err, "the current snapshot is not in \"snapshots\"");
	if (refs && !json_is_null(refs) && !json_is_object(refs))
		return corrupt(err, "\"refs\" must be an object");
	json_object_foreach((json_t *)refs, name, value)
	{
		int64_t id = json_get_int(value, "snapshot-id", -1);
		if (!ice_find(snapshots, "snapshot-id", id, NULL))
			return err_set(err, ERR_CORRUPT,
			               "table metadata: ref \"%s\" points to a snapshot that is not listed", name);
		if (strcmp(name, "main") == 0 && id != current)
			return corrupt(err, "ref \"main\" is not the current snapshot");
	}
	return 0;
}

int ice_metadata_check(const json_t *metadata, struct err *err)
{
	static const char *const numbers[] = { "last-sequence-number", "last-updated-ms", "last-column-id",
		                               "last-partition-id", NULL };
	static const char *const texts[] = { "table-uuid", "location", NULL };
	int64_t version = json_get_int(metadata, "format-version", 0);
	int rc;

	if (!json_is_object(metadata) || version < 1)
		return corrupt(err, "not an Iceberg table metadata file: no \"format-version\"");
	if (version == 1 || version > ICE_FORMAT_MAX)
		return err_set(err, ERR_UNSUPPORTED,
		               "table metadata: format version %" PRId64
		               " is not served here, only 2 and 3: upgrade the table with its own tools first",
		               version);
	for (size_t i = 0; numbers[i]; i++) {
		if (!json_is_integer(json_object_get(metadata, numbers[i])))
			return err_set(err, ERR_CORRUPT, "table metadata: lacks the number \"%s\"", numbers[i]);
	}
	for (size_t i = 0; texts[i]; i++) {
		if (json_get_str(metadata, texts[i], "")[0] == '\0')
			return err_set(err, ERR_CORRUPT, "table metadata: lacks the text \"%s\"", texts[i]);
	}
	if (version >= 3 && !json_is_integer(json_object_get(metadata, "next-row-id")))
		return corrupt(err, "version 3 lacks \"next-row-id\"");
	rc = check_list(metadata, "schemas", "schema-id", "current-schema-id", err);
	if (!rc)
		rc = check_list(metadata, "partition-specs", "spec-id", "default-spec-id", err);
	if (!rc)
		rc = check_list(metadata, "sort-orders", "order-id", "default-sort-order-id", err);
	if (!rc)
		rc = check_snapshots(metadata, json_get_int(metadata, "last-sequence-number", 0), err);
	return rc;
}

int ice_metadata_complete(json_t *metadata, struct err *err)
{
	int64_t current = ice_metadata_current_snapshot(metadata);
	json_t *refs = json_object_get(metadata, "refs");

	if (json_is_object(refs) && (current == -1 || json_has(refs, "main")))
		return 0;
	refs = json_is_object(refs) ? ice_copy(refs) : json_object();
	if (!refs ||
	    (current != -1 &&
	     json_object_set_new(refs, "main",
	                         json_pack("{s:I,s:s}", "snapshot-id", (json_int_t)current, "type", "branch"))) ||
	    json_object_set(metadata, "refs", refs)) {
		json_decref(refs);
		return err_nomem(err);
	}
	json_decref(refs);
	return 0;
}

json_t *ice_metadata_refs_only(const json_t *metadata)
{
	json_t *copy = ice_copy(metadata), *kept = json_array(), *ref, *snapshot;
	const json_t *refs = json_object_get(metadata, "refs");
	const char *name;
	size_t i;

	if (!copy || !kept)
		goto fail;
	json_array_foreach(json_object_get(metadata, "snapshots"), i, snapshot)
	{
		int64_t id = json_get_int(snapshot, "snapshot-id", -1);
		bool keep = id == ice_metadata_current_snapshot(metadata);
		json_object_foreach((json_t *)refs, name, ref) keep =
			keep || json_get_int(ref, "snapshot-id", -1) == id;
		if (keep && json_array_append(kept, snapshot))
			goto fail;
	}
	if (json_object_set(copy, "snapshots", kept))
		goto fail;
	json_decref(kept);
	return copy;
fail:
	json_decref(kept);
	json_decref(copy);
	return NULL;
}
