/* src/iceberg/metadata_schema.c — schemas: checked, in canonical form, with the client's field ids or fresh ones.
 *
 * Canonical means: the members the specification knows, in its order, and types spelt one way ("decimal(9, 2)"), so
 * that two schemas that say the same are equal JSON values. Fresh ids follow the order all implementations use for
 * create requests: all fields of a struct first, then what lies inside each of them; the element of a list, key and
 * value of a map before what lies inside those. */
#include "iceberg/metadata_int.h"

#include <stdio.h>

#include "base/mem.h"

struct walk {
	const struct ice_schema_opts *opts;
	struct err *err;
	json_t *seen; /* object: ids as text */
	int64_t next; /* fresh ids */
	int64_t highest;
	size_t n_fields;
};

static json_t *type_of(struct walk *w, const json_t *type, int depth, const char *field);

void ice_id_map_free(struct ice_id_map *map)
{
	mem_free(map->pairs);
	*map = (struct ice_id_map){ 0 };
}

int64_t ice_id_map_get(const struct ice_id_map *map, int64_t from)
{
	for (size_t i = 0; i < map->n; i++) {
		if (map->pairs[2 * i] == from)
			return map->pairs[2 * i + 1];
	}
	return -1;
}

static int remember(struct ice_id_map *map, int64_t from, int64_t to, struct err *err)
{
	if (vec_grow(&map->pairs, &map->cap, 2 * (map->n + 1), sizeof *map->pairs))
		return err_nomem(err);
	map->pairs[2 * map->n] = from;
	map->pairs[2 * map->n + 1] = to;
	map->n++;
	return 0;
}

/* The id a field gets: the client's own, which must be unique, or the next fresh one. -1: err is set. */
static int64_t take_id(struct walk *w, const json_t *object, const char *key, const char *what)
{
	char text[24];
	int64_t id, fresh;

	if (++w->n_fields > ICE_FIELDS_MAX) {
		err_set(w->err, ERR_LIMIT, "schema: more than %d fields", ICE_FIELDS_MAX);
		return -1;
	}
	/* Some clients send create requests with id 0 or -1 everywhere; such fields cannot be referred to, and that
	 * is fine there. */
	if (ice_get_int(object, key, w->opts->fresh ? INT32_MIN : 0, ICE_FIELD_ID_MAX, what, &id, w->err))
		return -1;
	snprintf(text, sizeof text, "%lld", (long long)id);
	if (json_object_get(w->seen, text)) {
		if (!w->opts->fresh || id > 0) {
			err_set(w->err, ERR_USAGE, "schema: field id %lld is used twice", (long long)id);
			return -1;
		}
	} else if (json_object_set_new(w->seen, text, json_true())) {
		err_nomem(w->err);
		return -1;
	}
	if (!w->opts->fresh) {
		if (id > w->highest)
			w->highest = id;
		return id;
	}
	fresh = ++w->next;
	w->highest = fresh;
	return remember(w->opts->fresh, id, fresh, w->err) ? -1 : fresh;
}

bool ice_decimal_parse(struct str text, int *precision, int *scale)
{
	struct str first, second;
	int64_t p, s;

	if (!str_starts(text, "decimal(") || !str_ends(text, ")"))
		return false;
	second = str_view(text.p + 8, text.n - 9);
	first = str_cut(&second, ',');
	if (!str_to_i64(str_trim(first), &p) || !str_to_i64(str_trim(second), &s) || p < 1 || p > 38 || s < 0 || s > p)
		return false;
	*precision = (int)p;
	*scale = (int)s;
	return true;
}

/* A new type name; NULL: err is set. */
static json_t *type_name(struct walk *w, json_t *made)
{
	if (!made)
		err_nomem(w->err);
	return made;
}

static json_t *primitive_of(struct walk *w, const char *name, const char *field)
{
	static const char *const plain[] = { "boolean",   "int",         "long",   "float", "double", "date", "time",
		                             "timestamp", "timestamptz", "string", "uuid",  "binary", NULL };
	static const char *const v3[] = { "timestamp_ns", "timestamptz_ns", "variant", "unknown",
		                          "geometry",     "geography",      NULL };
	struct str s = str_of(name);
	int precision, scale;
	int64_t bytes;

	for (size_t i = 0; plain[i]; i++) {
		if (str_eqz(s, plain[i]))
			return type_name(w, json_string(name));
	}
	for (size_t i = 0; v3[i]; i++) {
		bool geo = v3[i][0] == 'g' && str_starts(s, v3[i]) && s.n > strlen(v3[i]) + 2 &&
		           s.p[strlen(v3[i])] == '(' && s.p[s.n - 1] == ')' && s.n < 256;
		if (!str_eqz(s, v3[i]) && !geo)
			continue;
		if (w->opts->format_version < 3) {
			err_set(w->err, ERR_USAGE,
			        "schema: field \"%s\": type %s needs format version 3, the table has %d", field, name,
			        w->opts->format_version);
			return NULL;
		}
		return type_name(w, json_string(name));
	}
	if (ice_decimal_parse(s, &precision, &scale))
		return type_name(w, json_sprintf("decimal(%d, %d)", precision, scale));
	if (str_starts(s, "fixed[") && str_ends(s, "]") && str_to_i64(str_view(s.p + 6, s.n - 7), &bytes) &&
	    bytes > 0 && bytes <= INT32_MAX)
		return type_name(w, json_sprintf("fixed[%d]", (int)bytes));
	err_set(w->err, ERR_USAGE, "schema: field \"%s\": \"%.64s\" is not an Iceberg type", field, name);
	return NULL;
}

static bool is_unknown(const json_t *type)
{
	return json_is_string(type) && strcmp(json_string_value(type), "unknown") == 0;
}

static int copy_defaults(struct walk *w, const json_t *field, const char *name, json_t *out)
{
	static const char *const keys[] = { "initial-default", "write-default" };

	for (size_t i = 0; i < 2; i++) {
		json_t *value = json_object_get(field, keys[i]);
		if (!value || json_is_null(value))
			continue;
		if (w->opts->format_version < 3)
			return err_set(w->err, ERR_USAGE,
			               "schema: field \"%s\": %s needs format version 3, the table has %d", name,
			               keys[i], w->opts->format_version);
		if (json_object_set(out, keys[i], value))
			return err_nomem(w->err);
	}
	return 0;
}

/* One field of a struct without its type. NULL: err is set. */
static json_t *field_head(struct walk *w, const json_t *field, const json_t *siblings_seen)
{
	json_t *out, *required = json_object_get(field, "required");
	const char *name;
	int64_t id;

	if (!json_is_object(field)) {
		err_set(w->err, ERR_USAGE, "schema: a field is not an object");
		return NULL;
	}
	if (ice_get_str(field, "name", ICE_NAME_MAX, "schema: field", &name, w->err))
		return NULL;
	if (json_object_get(siblings_seen, name)) {
		err_set(w->err, ERR_USAGE, "schema: two fields are called \"%s\"", name);
		return NULL;
	}
	if (!json_is_boolean(required)) {
		err_set(w->err, ERR_USAGE, "schema: field \"%s\" lacks \"required\": true or false", name);
		return NULL;
	}
	id = take_id(w, field, "id", "schema: field");
	if (id < 0)
		return NULL;
	out = json_object();
	if (!out || json_object_set_new(out, "id", json_integer(id)) ||
	    json_object_set(out, "name", json_object_get(field, "name")) ||
	    json_object_set(out, "required", required)) {
		json_decref(out);
		err_nomem(w->err);
		return NULL;
	}
	return out;
}

static int field_rest(struct walk *w, const json_t *field, json_t *out, int depth)
{
	const char *name = json_string_value(json_object_get(out, "name"));
	const json_t *doc = json_object_get(field, "doc");
	json_t *type = type_of(w, json_object_get(field, "type"), depth, name);

	if (!type)
		return w->err->code;
	if (is_unknown(type) && json_is_true(json_object_get(out, "required"))) {
		json_decref(type);
		return err_set(w->err, ERR_USAGE, "schema: field \"%s\" of type unknown must be optional", name);
	}
	if (json_object_set_new(out, "type", type))
		return err_nomem(w->err);
	if (doc && !json_is_null(doc)) {
		if (!json_is_string(doc) || json_string_length(doc) > ICE_DOC_MAX)
			return err_set(w->err, ERR_USAGE,
			               "schema: field \"%s\": doc must be a text of at most %d bytes", name,
			               ICE_DOC_MAX);
		if (json_object_set(out, "doc", json_object_get(field, "doc")))
			return err_nomem(w->err);
	}
	return copy_defaults(w, field, name, out);
}

static json_t *fields_of(struct walk *w, const json_t *fields, int depth)
{
	json_t *out = json_array(), *names = json_object();
	size_t i;
	json_t *field, *head;

	if (!out || !names) {
		err_nomem(w->err);
		goto fail;
	}
	if (!json_is_array(fields)) {
		err_set(w->err, ERR_USAGE, "schema: a struct lacks its \"fields\" array");
		goto fail;
	}
	json_array_foreach(fields, i, field)
	{
		head = field_head(w, field, names);
		if (!head)
			goto fail;
		if (json_object_set_new(names, json_string_value(json_object_get(head, "name")), json_true()) ||
		    json_array_append(out, head)) {
			json_decref(head);
			err_nomem(w->err);
			goto fail;
		}
		json_decref(head);
	}
	json_array_foreach(fields, i, field)
	{
		if (field_rest(w, field, json_array_get(out, i), depth))
			goto fail;
	}
	json_decref(names);
	return out;
fail:
	json_decref(names);
	json_decref(out);
	return NULL;
}

/* "element-id", "element-required", "element" of a list, and the same for the two sides of a map. */
static int side_ids(struct walk *w, const json_t *type, json_t *out, const char *side, const char *field)
{
	char key[24];
	int64_t id;

	snprintf(key, sizeof key, "%s-id", side);
	id = take_id(w, type, key, field);
	if (id < 0)
		return w->err->code;
	return json_object_set_new(out, key, json_integer(id)) ? err_nomem(w->err) : 0;
}

static int side_type(struct walk *w, const json_t *type, json_t *out, const char *side, int depth, const char *field)
{
	char key[24];
	json_t *inner;

	snprintf(key, sizeof key, "%s-required", side);
	if (strcmp(side, "key") != 0) {
		json_t *required = json_object_get(type, key);
		if (!json_is_boolean(required))
			return err_set(w->err, ERR_USAGE, "schema: field \"%s\" lacks \"%s\": true or false", field,
			               key);
		if (json_object_set(out, key, required))
			return err_nomem(w->err);
	}
	inner = type_of(w, json_object_get(type, side), depth, field);
	if (!inner)
		return w->err->code;
	return json_object_set_new(out, side, inner) ? err_nomem(w->err) : 0;
}

static json_t *type_of(struct walk *w, const json_t *type, int depth, const char *field)
{
	const char *kind;
	json_t *out;
	int rc;

	if (json_is_string(type))
		return primitive_of(w, json_string_value(type), field);
	kind = json_string_value(json_object_get(type, "type"));
	if (!kind) {
		err_set(w->err, ERR_USAGE, "schema: field \"%s\" lacks its type", field);
		return NULL;
	}
	if (depth >= ICE_DEPTH_MAX) {
		err_set(w->err, ERR_LIMIT, "schema: field \"%s\" is nested deeper than %d levels", field,
		        ICE_DEPTH_MAX);
		return NULL;
	}
	out = json_object();
	if (!out || json_object_set(out, "type", json_object_get(type, "type"))) {
		json_decref(out);
		err_nomem(w->err);
		return NULL;
	}
	if (strcmp(kind, "struct") == 0) {
		json_t *fields = fields_of(w, json_object_get(type, "fields"), depth + 1);
		rc = fields ? json_object_set_new(out, "fields", fields) : ERR_USAGE;
		if (rc == -1)
			err_nomem(w->err);
	} else if (strcmp(kind, "list") == 0) {
		rc = side_ids(w, type, out, "element", field);
		if (!rc)
			rc = side_type(w, type, out, "element", depth + 1, field);
	} else if (strcmp(kind, "map") == 0) {
		rc = side_ids(w, type, out, "key", field);
		if (!rc)
			rc = side_ids(w, type, out, "value", field);
		if (!rc)
			rc = side_type(w, type, out, "key", depth + 1, field);
		if (!rc)
			rc = side_type(w, type, out, "value", depth + 1, field);
	} else {
		rc = err_set(w->err, ERR_USAGE, "schema: field \"%s\": \"%.64s\" is not an Iceberg type", field, kind);
	}
	if (rc) {
		json_decref(out);
		return NULL;
	}
	return out;
}

static const json_t *field_in(const json_t *fields, int64_t id, bool *optional)
{
	size_t i;
	json_t *field;

	json_array_foreach(fields, i, field)
	{
		const json_t *type = json_object_get(field, "type"), *found;
		if (json_integer_value(json_object_get(field, "id")) == id)
			return field;
		if (!json_is_object(type) || strcmp(json_get_str(type, "type", ""), "struct") != 0)
			continue;
		found = field_in(json_object_get(type, "fields"), id, optional);
		if (found) {
			if (!json_is_true(json_object_get(field, "required")))
				*optional = true;
			return found;
		}
	}
	return NULL;
}

const json_t *ice_schema_field(const json_t *schema, int64_t id)
{
	bool optional = false;

	return field_in(json_object_get(schema, "fields"), id, &optional);
}

const json_t *ice_schema_column(const json_t *schema, const char *name)
{
	size_t i;
	json_t *field;

	json_array_foreach(json_object_get(schema, "fields"), i, field)
	{
		if (strcmp(json_get_str(field, "name", ""), name) == 0)
			return field;
	}
	return NULL;
}

/* Identifier fields are required primitives, not floating point, with required parents (spec: Identifier Field IDs). */
static int identifier_ok(const json_t *schema, int64_t id, struct err *err)
{
	bool optional = false;
	const json_t *field = field_in(json_object_get(schema, "fields"), id, &optional);
	const char *type;

	if (!field)
		return err_set(err, ERR_USAGE, "schema: identifier field %lld is not a field, or lies in a list or map",
		               (long long)id);
	type = json_string_value(json_object_get(field, "type"));
	if (!type || strcmp(type, "float") == 0 || strcmp(type, "double") == 0)
		return err_set(
			err, ERR_USAGE,
			"schema: \"%s\" cannot be an identifier field: it must be of a primitive type other than float and double",
			json_get_str(field, "name", ""));
	if (optional || !json_is_true(json_object_get(field, "required")))
		return err_set(
			err, ERR_USAGE,
			"schema: \"%s\" cannot be an identifier field: it and the structs around it must be required",
			json_get_str(field, "name", ""));
	return 0;
}

static int insert_sorted(json_t *ids, int64_t id)
{
	size_t at = 0;

	while (at < json_array_size(ids) && json_integer_value(json_array_get(ids, at)) < id)
		at++;
	if (at < json_array_size(ids) && json_integer_value(json_array_get(ids, at)) == id)
		return 0;
	return json_array_insert_new(ids, at, json_integer(id));
}

static int identifiers(const json_t *schema, const struct ice_schema_opts *opts, json_t *out, struct err *err)
{
	json_t *given = json_object_get(schema, "identifier-field-ids"), *value, *ids;
	size_t i;
	int rc = 0;

	if (!given || json_is_null(given) || (json_is_array(given) && json_array_size(given) == 0))
		return 0;
	if (!json_is_array(given) || json_array_size(given) > ICE_LIST_MAX)
		return err_set(err, ERR_USAGE, "schema: identifier-field-ids must be an array of at most %d ids",
		               ICE_LIST_MAX);
	ids = json_array();
	if (!ids)
		return err_nomem(err);
	json_array_foreach(given, i, value)
	{
		int64_t id = json_is_integer(value) ? json_integer_value(value) : -1;
		if (opts->fresh && id >= 0)
			id = ice_id_map_get(opts->fresh, id);
		rc = identifier_ok(out, id, err);
		if (!rc && insert_sorted(ids, id))
			rc = err_nomem(err);
		if (rc)
			break;
	}
	if (!rc && json_object_set(out, "identifier-field-ids", ids))
		rc = err_nomem(err);
	json_decref(ids);
	return rc;
}

int ice_schema_canonical(const json_t *schema, const struct ice_schema_opts *opts, int64_t *highest, json_t **out,
                         struct err *err)
{
	struct err local;
	struct walk w = { .opts = opts, .err = err ? err : &local };
	json_t *made = NULL, *fields;

	if (!json_is_object(schema) || strcmp(json_get_str(schema, "type", "struct"), "struct") != 0)
		return err_set(w.err, ERR_USAGE, "schema: must be an object of type struct");
	w.seen = json_object();
	fields = w.seen ? fields_of(&w, json_object_get(schema, "fields"), 1) : NULL;
	if (!w.seen)
		err_nomem(w.err);
	json_decref(w.seen);
	if (!fields)
		return w.err->code;
	made = json_object();
	if (!made || json_object_set_new(made, "type", json_string("struct")) ||
	    json_object_set_new(made, "schema-id", json_integer(opts->schema_id)) ||
	    json_object_set(made, "fields", fields)) {
		json_decref(fields);
		json_decref(made);
		return err_nomem(w.err);
	}
	json_decref(fields);
	if (identifiers(schema, opts, made, w.err)) {
		json_decref(made);
		return w.err->code;
	}
	*highest = w.highest;
	*out = made;
	return 0;
}

bool ice_schema_same(const json_t *a, const json_t *b)
{
	const json_t *ia = json_object_get(a, "identifier-field-ids"), *ib = json_object_get(b, "identifier-field-ids");

	if ((ia ? json_array_size(ia) : 0) != (ib ? json_array_size(ib) : 0))
		return false;
	if (ia && ib && json_array_size(ia) && !json_equal(ia, ib))
		return false;
	return json_equal(json_object_get(a, "fields"), json_object_get(b, "fields"));
}
