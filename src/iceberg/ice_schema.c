/* src/iceberg/ice_schema.c — table schemas in JSON to and from the lake's fields; creating a table; ids of new
 * columns. */
#include "base/mem.h"
#include "iceberg/ice_table_int.h"

static const struct {
	const char *name;
	uint8_t kind;
} names[] = {
	{ "boolean", TYPE_BOOL },  { "int", TYPE_INT32 },           { "long", TYPE_INT64 },
	{ "float", TYPE_FLOAT32 }, { "double", TYPE_FLOAT64 },      { "string", TYPE_STRING },
	{ "binary", TYPE_BINARY }, { "uuid", TYPE_UUID },           { "date", TYPE_DATE },
	{ "time", TYPE_TIME },     { "timestamp", TYPE_TIMESTAMP }, { "timestamptz", TYPE_TIMESTAMPTZ },
};

/* TYPE_NONE for what the lake does not know (struct, map, variant, nested lists...): such columns of foreign tables
 * are left to the reader. */
static struct type primitive(const json_t *json)
{
	const char *text = json_is_string(json) ? json_string_value(json) : "";
	int precision, scale;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(text, names[i].name))
			return (struct type){ .kind = names[i].kind };
	if (ice_decimal_parse(str_of(text), &precision, &scale))
		return (struct type){ .kind = TYPE_DECIMAL, .precision = (uint8_t)precision, .scale = (uint8_t)scale };
	return (struct type){ .kind = TYPE_NONE };
}

static struct type read_type(const json_t *json, int32_t *elem_id)
{
	struct type elem;

	*elem_id = 0;
	if (!json_is_object(json))
		return primitive(json);
	if (strcmp(json_get_str(json, "type", ""), "list"))
		return (struct type){ .kind = TYPE_NONE };
	elem = primitive(json_object_get(json, "element"));
	if (elem.kind == TYPE_NONE)
		return elem;
	*elem_id = (int32_t)json_get_int(json, "element-id", 0);
	return (struct type){ .kind = TYPE_LIST, .precision = elem.precision, .scale = elem.scale, .elem = elem.kind };
}

static bool is_identifier(const json_t *schema, int64_t id)
{
	const json_t *ids = json_object_get(schema, "identifier-field-ids"), *v;
	size_t i;

	json_array_foreach(ids, i, v)
	{
		if (json_integer_value(v) == id)
			return true;
	}
	return false;
}

static int read_field(const json_t *schema, const json_t *json, struct lake_field *out, struct err *err)
{
	const char *name = json_get_str(json, "name", NULL), *doc = json_get_str(json, "doc", NULL);
	int64_t id = json_get_int(json, "id", -1);

	if (!name || id < 1 || id > INT32_MAX || !json_object_get(json, "type"))
		return err_set(err, ERR_CORRUPT, "table schema: a field has no name, id or type");
	out->id = (int32_t)id;
	out->type = read_type(json_object_get(json, "type"), &out->elem_id);
	out->required = json_is_true(json_object_get(json, "required"));
	out->identifier = is_identifier(schema, id);
	out->name = mem_strdup(name);
	out->doc = doc ? mem_strdup(doc) : NULL;
	return out->name && (!doc || out->doc) ? 0 : err_nomem(err);
}

int ice_fields_read(const json_t *schema, struct lake_field **out, size_t *n, struct err *err)
{
	const json_t *list = json_object_get(schema, "fields"), *v;
	struct lake_field *fields;
	size_t i, count = json_array_size(list);
	int rc = 0;

	*out = NULL;
	*n = 0;
	if (!json_is_array(list))
		return err_set(err, ERR_CORRUPT, "table schema: it has no fields");
	fields = mem_array(count + 1, sizeof *fields);
	if (!fields)
		return err_nomem(err);
	json_array_foreach(list, i, v)
	{
		rc = read_field(schema, v, &fields[i], err);
		if (rc)
			break;
	}
	if (rc) {
		lake_fields_free(fields, count);
		return rc;
	}
	*out = fields;
	*n = count;
	return 0;
}

static json_t *type_json(struct type type, int32_t elem_id)
{
	char text[TYPE_TEXT_MAX];

	if (type.kind != TYPE_LIST)
		return json_string(type_text(type, text));
	return json_pack("{s:s, s:i, s:s, s:b}", "type", "list", "element-id", (int)elem_id, "element",
	                 type_text(type_elem(type), text), "element-required", 0);
}

json_t *ice_field_json(const struct lake_field *field)
{
	json_t *json = json_pack("{s:i, s:s, s:b, s:o}", "id", (int)field->id, "name", field->name, "required",
	                         (int)field->required, "type", type_json(field->type, field->elem_id));

	if (json && field->doc && json_set_str(json, "doc", str_of(field->doc))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

const json_t *ice_schema_by_id(const json_t *metadata, int64_t schema_id)
{
	const json_t *list = json_object_get(metadata, "schemas"), *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		if (json_get_int(v, "schema-id", -1) == schema_id)
			return v;
	}
	return json_is_array(list) ? NULL : json_object_get(metadata, "schema");
}

/* Ids as the catalog gives them: top level first, then list elements, from 1. */
static json_t *create_schema(const struct lake_create *create)
{
	json_t *fields = json_array(), *keys = json_array(), *schema;
	int32_t next = (int32_t)create->n_fields + 1;
	bool ok = fields && keys;

	for (size_t i = 0; ok && i < create->n_fields; i++) {
		struct lake_field field = create->fields[i];

		field.id = (int32_t)i + 1;
		if (field.type.kind == TYPE_LIST)
			field.elem_id = next++;
		if (field.identifier) /* key columns must be required (spec: "Identifier Field IDs") */
			field.required = true;
		ok = !json_array_append_new(fields, ice_field_json(&field)) &&
		     (!field.identifier || !json_array_append_new(keys, json_integer(field.id)));
	}
	schema = ok ? json_pack("{s:s, s:i, s:O}", "type", "struct", "schema-id", 0, "fields", fields) : NULL;
	if (schema && json_array_size(keys) && json_object_set(schema, "identifier-field-ids", keys)) {
		json_decref(schema);
		schema = NULL;
	}
	json_decref(fields);
	json_decref(keys);
	return schema;
}

static json_t *create_request(const char *name, const struct lake_create *create)
{
	json_t *schema = create_schema(create), *properties = json_object(), *request;
	bool ok = schema && properties;

	ok = ok &&
	     !json_set_str(properties, "format-version", create->format_version >= 3 ? STR_LIT("3") : STR_LIT("2"));
	for (size_t i = 0; ok && i < create->n_properties; i++)
		if (create->properties[i].value)
			ok = !json_set_str(properties, create->properties[i].key, str_of(create->properties[i].value));
	request = ok ? json_pack("{s:s, s:O, s:{s:i, s:[]}, s:{s:i, s:[]}, s:b, s:O}", "name", name, "schema", schema,
	                         "partition-spec", "spec-id", 0, "fields", "write-order", "order-id", 0, "fields",
	                         "stage-create", 0, "properties", properties)
	             : NULL;
	json_decref(schema);
	json_decref(properties);
	return request;
}

/* Levels of a namespace are made one by one: a catalog may refuse a child without its parent. */
static int make_namespace(struct catalog *catalog, const char *ns, struct err *err)
{
	json_t *none = json_object();
	char *level = mem_strdup(ns);
	int rc = none && level ? 0 : err_nomem(err);

	for (char *p = level; !rc && p;) {
		p = strchr(p, '\x1f');
		if (p)
			*p = '\0';
		rc = catalog->ops->namespace_create(catalog, level, none, err);
		if (rc == ERR_EXISTS) {
			err_clear(err);
			rc = 0;
		}
		if (p)
			*p++ = '\x1f';
	}
	json_decref(none);
	mem_free(level);
	return rc;
}

int ice_create(struct catalog *catalog, struct store *store, const char *ns, const char *name,
               const struct lake_create *create, struct err *err)
{
	struct catalog_table made = { 0 };
	json_t *request;
	int rc;

	(void)store;
	if (create->format_version != 2 && create->format_version != 3)
		return err_set(err, ERR_USAGE, "table %s: Iceberg format version %d cannot be created; use 2 or 3",
		               name, create->format_version);
	rc = make_namespace(catalog, ns, err);
	if (rc)
		return rc;
	request = create_request(name, create);
	if (!request)
		return err_nomem(err);
	rc = catalog->ops->table_create(catalog, ns, request, &made, err);
	json_decref(request);
	catalog_table_clear(&made);
	return rc;
}

int ice_plan_fields(struct lake_table *table, struct lake_field *add_fields, size_t n, struct err *err)
{
	const struct ice_table *t = (const struct ice_table *)table;
	int64_t next = json_get_int(t->metadata, "last-column-id", 0);

	for (size_t i = 0; i < n; i++) {
		int64_t ids = add_fields[i].type.kind == TYPE_LIST ? 2 : 1;

		if (next + ids > 2147483446) /* ids above 2147483447 are reserved (spec: "Reserved Field IDs") */
			return err_set(err, ERR_LIMIT, "table %s: no field ids are left", t->name);
		add_fields[i].id = (int32_t)++next;
		add_fields[i].elem_id = ids == 2 ? (int32_t)++next : 0;
	}
	return 0;
}
