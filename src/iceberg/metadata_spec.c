/* src/iceberg/metadata_spec.c — partition specs and sort orders: checked against the schema, in canonical form (spec:
 * Partitioning, Sorting). */
#include "iceberg/metadata_int.h"

#include <stdio.h>

#include "base/mem.h"

static bool one_of(const char *s, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(s, *list) == 0)
			return true;
	}
	return false;
}

/* "name[N]": N in *n. */
static bool with_number(const char *transform, const char *name, int64_t *n)
{
	struct str s = str_of(transform);
	size_t len = strlen(name);

	return str_starts(s, name) && s.n > len + 2 && s.p[len] == '[' && s.p[s.n - 1] == ']' &&
	       str_to_i64(str_view(s.p + len + 1, s.n - len - 2), n);
}

/* Whether a source of this type may have the transform (spec: Partition Transforms). Nested and unknown types:
 * identity and the others never. */
static int transform_ok(const char *transform, const json_t *type, const char *field, struct err *err)
{
	static const char *const days[] = {
		"date", "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns", NULL
	};
	static const char *const hours[] = { "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns", NULL };
	static const char *const hashed[] = { "int",       "long",        "date",         "time",
		                              "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns",
		                              "string",    "uuid",        "binary",       NULL };
	static const char *const cut[] = { "int", "long", "string", "binary", NULL };
	static const char *const never[] = { "variant", "geometry", "geography", "unknown", NULL };
	const char *name = json_string_value(type);
	struct str s = str_of(name);
	int64_t n;
	bool ok;

	if (strcmp(transform, "void") == 0)
		return 0;
	if (!name)
		return err_set(err, ERR_USAGE, "\"%s\": a struct, list or map cannot be the source of transform %s",
		               field, transform);
	if (strcmp(transform, "identity") == 0)
		ok = !one_of(name, never) && !str_starts(s, "geo");
	else if (strcmp(transform, "year") == 0 || strcmp(transform, "month") == 0 || strcmp(transform, "day") == 0)
		ok = one_of(name, days);
	else if (strcmp(transform, "hour") == 0)
		ok = one_of(name, hours);
	else if (with_number(transform, "bucket", &n) && n > 0 && n <= INT32_MAX)
		ok = one_of(name, hashed) || str_starts(s, "decimal(") || str_starts(s, "fixed[");
	else if (with_number(transform, "truncate", &n) && n > 0 && n <= INT32_MAX)
		ok = one_of(name, cut) || str_starts(s, "decimal(");
	else
		return err_set(err, ERR_USAGE, "\"%s\": \"%.64s\" is not a transform", field, transform);
	if (!ok)
		return err_set(err, ERR_USAGE, "\"%s\": transform %s does not take a source of type %s", field,
		               transform, name);
	return 0;
}

/* The source id of a spec's or order's field, moved to the new ids of a create request. "source-ids" (v3) is
 * understood for one source. */
static int source_of(const json_t *field, const struct ice_id_map *sources, const char *what, int64_t *out,
                     struct err *err)
{
	const json_t *many = json_object_get(field, "source-ids");

	if (!json_has(field, "source-id") && json_is_array(many)) {
		if (json_array_size(many) != 1 || !json_is_integer(json_array_get(many, 0)))
			return err_set(err, ERR_USAGE,
			               "%s: transforms of several sources are not defined by the specification", what);
		*out = json_integer_value(json_array_get(many, 0));
	} else {
		int rc = ice_get_int(field, "source-id", INT32_MIN, ICE_FIELD_ID_MAX, what, out, err);
		if (rc)
			return rc;
	}
	if (sources) {
		int64_t given = *out;
		*out = ice_id_map_get(sources, given);
		if (*out < 0)
			return err_set(err, ERR_USAGE, "%s: source-id %lld is not a field of the schema", what,
			               (long long)given);
	}
	return 0;
}

static bool field_same(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "source-id"), json_object_get(b, "source-id")) &&
	       json_equal(json_object_get(a, "transform"), json_object_get(b, "transform"));
}

static bool fields_same(const json_t *a, const json_t *b, bool names)
{
	size_t i;
	json_t *field;

	if (json_array_size(a) != json_array_size(b))
		return false;
	json_array_foreach(a, i, field)
	{
		const json_t *other = json_array_get(b, i);
		if (!field_same(field, other))
			return false;
		if (names && !json_equal(json_object_get(field, "name"), json_object_get(other, "name")))
			return false;
		if (!names && (!json_equal(json_object_get(field, "direction"), json_object_get(other, "direction")) ||
		               !json_equal(json_object_get(field, "null-order"), json_object_get(other, "null-order"))))
			return false;
	}
	return true;
}

bool ice_spec_same(const json_t *a, const json_t *b)
{
	return fields_same(json_object_get(a, "fields"), json_object_get(b, "fields"), true);
}

bool ice_order_same(const json_t *a, const json_t *b)
{
	return fields_same(json_object_get(a, "fields"), json_object_get(b, "fields"), false);
}

/* The field of an earlier spec that has this source and transform (same: its id may be reused) or this id (clash),
 * else NULL. */
static const json_t *known_field(const json_t *known, const json_t *like, int64_t id)
{
	size_t i, k;
	json_t *spec, *field;

	json_array_foreach(known, i, spec)
	{
		json_array_foreach(json_object_get(spec, "fields"), k, field)
		{
			if (like ? field_same(field, like)
			         : json_integer_value(json_object_get(field, "field-id")) == id)
				return field;
		}
	}
	return NULL;
}

/* The partition field's id: the client's, an equal field's of an earlier spec, or the next one (spec: Partition
 * Evolution). */
static int field_id(const struct ice_spec_opts *opts, const json_t *given, const json_t *field, int64_t *out,
                    struct err *err)
{
	const json_t *known;
	bool has = false;
	int rc = ice_get_int_opt(given, "field-id", ICE_PARTITION_ID_MIN, ICE_FIELD_ID_MAX, "partition field", out,
	                         &has, err);

	if (rc)
		return rc;
	if (has) {
		known = known_field(opts->known, NULL, *out);
		if (known && !field_same(known, field))
			return err_set(err, ERR_USAGE,
			               "partition field \"%s\": field-id %lld belongs to \"%s\" of an earlier spec",
			               json_get_str(field, "name", ""), (long long)*out,
			               json_get_str(known, "name", ""));
	} else {
		known = known_field(opts->known, field, 0);
		*out = known ? json_integer_value(json_object_get(known, "field-id")) : *opts->last_partition_id + 1;
	}
	if (*out > *opts->last_partition_id)
		*opts->last_partition_id = *out;
	return 0;
}

static bool clashes(const json_t *made, const json_t *field, int64_t id)
{
	size_t i;
	json_t *other;

	json_array_foreach(made, i, other)
	{
		if (json_integer_value(json_object_get(other, "field-id")) == id ||
		    json_equal(json_object_get(other, "name"), json_object_get(field, "name")) ||
		    (field_same(other, field) && strcmp(json_get_str(field, "transform", ""), "void") != 0))
			return true;
	}
	return false;
}

static int spec_field(const json_t *given, const void *arg, json_t *made, struct err *err)
{
	const struct ice_spec_opts *opts = arg;
	const char *name, *transform;
	const json_t *source, *column;
	json_t *field;
	int64_t source_id, id = 0;
	int rc = 0;

	if (ice_get_str(given, "name", ICE_NAME_MAX, "partition field", &name, err) ||
	    ice_get_str(given, "transform", 64, "partition field", &transform, err) ||
	    source_of(given, opts->sources, "partition field", &source_id, err))
		return ERR_USAGE;
	source = ice_schema_field(opts->schema, source_id);
	if (!source)
		return err_set(err, ERR_USAGE, "partition field \"%s\": source-id %lld is not a field of the schema",
		               name, (long long)source_id);
	rc = transform_ok(transform, json_object_get(source, "type"), name, err);
	if (rc)
		return err_prefix(err, "partition field");
	column = ice_schema_column(opts->schema, name);
	if (column && (column != source || (strcmp(transform, "identity") != 0 && strcmp(transform, "void") != 0)))
		return err_set(
			err, ERR_USAGE,
			"partition field \"%s\": there is a column of this name; only its identity may be called so",
			name);
	field = json_object();
	if (!field || json_object_set(field, "name", json_object_get(given, "name")) ||
	    json_object_set(field, "transform", json_object_get(given, "transform")) ||
	    json_object_set_new(field, "source-id", json_integer(source_id)))
		rc = err_nomem(err);
	if (!rc)
		rc = field_id(opts, given, field, &id, err);
	if (!rc && clashes(made, field, id))
		rc = err_set(err, ERR_USAGE,
		             "partition field \"%s\": its name, its id or its source and transform are used twice",
		             name);
	if (!rc && (json_object_set_new(field, "field-id", json_integer(id)) || json_array_append(made, field)))
		rc = err_nomem(err);
	json_decref(field);
	return rc;
}

/* {"<id_key>": id, "fields": fields}; takes fields. */
static int wrap(const char *id_key, int64_t id, json_t *fields, json_t **out, struct err *err)
{
	json_t *made = json_object();

	if (!made || json_object_set_new(made, id_key, json_integer(id)) || json_object_set(made, "fields", fields)) {
		json_decref(made);
		json_decref(fields);
		return err_nomem(err);
	}
	json_decref(fields);
	*out = made;
	return 0;
}

/* A new array of the given object's fields, each as `add` makes it. what: for messages. */
static int make_fields(const json_t *given, const char *what,
                       int (*add)(const json_t *field, const void *arg, json_t *made, struct err *err), const void *arg,
                       json_t **out, struct err *err)
{
	json_t *fields, *field, *made;
	size_t i;
	int rc;

	if (!json_is_object(given))
		return err_set(err, ERR_USAGE, "%s: must be an object", what);
	rc = ice_get_array(given, "fields", ICE_LIST_MAX, what, &fields, err);
	if (rc)
		return rc;
	made = json_array();
	if (!made)
		return err_nomem(err);
	json_array_foreach(fields, i, field)
	{
		rc = json_is_object(field) ? add(field, arg, made, err)
		                           : err_set(err, ERR_USAGE, "%s: a field is not an object", what);
		if (rc) {
			json_decref(made);
			return rc;
		}
	}
	*out = made;
	return 0;
}

int ice_spec_canonical(const json_t *spec, const struct ice_spec_opts *opts, json_t **out, struct err *err)
{
	json_t *made;
	int rc = make_fields(spec, "partition spec", spec_field, opts, &made, err);

	return rc ? rc : wrap("spec-id", opts->spec_id, made, out, err);
}

/* What the fields of a sort order refer to. */
struct order_base {
	const json_t *schema;
	const struct ice_id_map *sources;
};

static int order_field(const json_t *given, const void *arg, json_t *made, struct err *err)
{
	const struct order_base *base = arg;
	static const char *const directions[] = { "asc", "desc", NULL }, *const nulls[] = { "nulls-first", "nulls-last",
		                                                                            NULL };
	const char *transform, *direction, *null_order;
	const json_t *source;
	json_t *field;
	int64_t source_id;
	int rc;

	if (ice_get_str(given, "transform", 64, "sort field", &transform, err) ||
	    ice_get_str(given, "direction", 16, "sort field", &direction, err) ||
	    ice_get_str(given, "null-order", 16, "sort field", &null_order, err) ||
	    source_of(given, base->sources, "sort field", &source_id, err))
		return ERR_USAGE;
	if (!one_of(direction, directions) || !one_of(null_order, nulls))
		return err_set(err, ERR_USAGE,
		               "sort field: direction must be asc or desc, null-order nulls-first or nulls-last");
	source = ice_schema_field(base->schema, source_id);
	if (!source)
		return err_set(err, ERR_USAGE, "sort field: source-id %lld is not a field of the schema",
		               (long long)source_id);
	rc = transform_ok(transform, json_object_get(source, "type"), json_get_str(source, "name", ""), err);
	if (rc)
		return err_prefix(err, "sort field");
	field = json_object();
	if (!field || json_object_set(field, "transform", json_object_get(given, "transform")) ||
	    json_object_set_new(field, "source-id", json_integer(source_id)) ||
	    json_object_set(field, "direction", json_object_get(given, "direction")) ||
	    json_object_set(field, "null-order", json_object_get(given, "null-order")) ||
	    json_array_append(made, field))
		rc = err_nomem(err);
	json_decref(field);
	return rc;
}

int ice_order_canonical(const json_t *order, int64_t order_id, const json_t *schema, const struct ice_id_map *sources,
                        json_t **out, struct err *err)
{
	const struct order_base base = { schema, sources };
	json_t *made;
	int rc = make_fields(order, "sort order", order_field, &base, &made, err);

	if (rc)
		return rc;
	/* Order 0 is the unsorted one, always and only (spec: Sorting). */
	return wrap("order-id", json_array_size(made) ? order_id : 0, made, out, err);
}

int ice_sources_check(const json_t *fields, const json_t *schema, const char *what, struct err *err)
{
	size_t i;
	json_t *field;

	json_array_foreach(fields, i, field)
	{
		int64_t id;
		if (strcmp(json_get_str(field, "transform", ""), "void") == 0 || !json_has(field, "source-id"))
			continue;
		id = json_get_int(field, "source-id", -1);
		if (!ice_schema_field(schema, id))
			return err_set(
				err, ERR_USAGE,
				"the default %s %s names field %lld, which the current schema does not have: change it first",
				what, strcmp(what, "sort") == 0 ? "order" : "spec", (long long)id);
	}
	return 0;
}
