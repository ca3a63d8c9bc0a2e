/* src/iceberg/avro_schema.c — parses the schema of an Avro file (Avro specification, "Schema Declaration"). */
#include "iceberg/avro_schema.h"

#define NODES_MAX 8192 /* a manifest of a table with 1,000 partition fields has far fewer */
#define DEPTH_MAX 32
#define NAMES_MAX 1024

struct named {
	const char *name;
	const struct avro_schema *schema;
};

struct parse {
	struct arena *arena;
	const char *what;
	struct err *err;
	struct named *names;
	size_t n_names, n_nodes;
};

static const struct {
	const char *name;
	enum avro_kind kind;
} primitives[] = {
	{ "null", AVRO_NULL },   { "boolean", AVRO_BOOLEAN }, { "int", AVRO_INT },     { "long", AVRO_LONG },
	{ "float", AVRO_FLOAT }, { "double", AVRO_DOUBLE },   { "bytes", AVRO_BYTES }, { "string", AVRO_STRING },
};

static int parse_node(struct parse *p, const json_t *json, int depth, const struct avro_schema **out);

static int bad(struct parse *p, const char *why)
{
	return err_set(p->err, ERR_CORRUPT, "%s: the Avro schema in its header is not usable: %s", p->what, why);
}

static struct avro_schema *new_node(struct parse *p, enum avro_kind kind)
{
	struct avro_schema *s;

	if (++p->n_nodes > NODES_MAX) {
		err_set(p->err, ERR_LIMIT, "%s: its Avro schema has more than %d types", p->what, NODES_MAX);
		return NULL;
	}
	s = arena_zero(p->arena, sizeof *s);
	if (!s)
		err_nomem(p->err);
	else
		s->kind = kind;
	return s;
}

/* A reference may leave the name space out: the last part decides, as manifest schemas have unique ones. */
static const char *last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

static int parse_name(struct parse *p, const char *name, const struct avro_schema **out)
{
	struct avro_schema *s;

	for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++) {
		if (strcmp(name, primitives[i].name))
			continue;
		s = new_node(p, primitives[i].kind);
		*out = s;
		return s ? 0 : p->err->code;
	}
	for (size_t i = 0; i < p->n_names; i++) {
		if (!strcmp(p->names[i].name, last_part(name))) {
			*out = p->names[i].schema;
			return 0;
		}
	}
	return bad(p, "a type name is unknown or recursive");
}

static int add_name(struct parse *p, const json_t *json, struct avro_schema *s)
{
	const char *name = json_get_str(json, "name", "");

	if (!*name)
		return bad(p, "a record, enum or fixed has no name");
	if (p->n_names == NAMES_MAX)
		return err_set(p->err, ERR_LIMIT, "%s: its Avro schema has more than %d named types", p->what,
		               NAMES_MAX);
	s->name = arena_strdup(p->arena, str_of(last_part(name)));
	if (!s->name)
		return err_nomem(p->err);
	p->names[p->n_names++] = (struct named){ s->name, s };
	return 0;
}

static int parse_field(struct parse *p, const json_t *json, int depth, struct avro_field *out)
{
	const json_t *id = json_object_get(json, "field-id");

	out->name = arena_strdup(p->arena, str_of(json_get_str(json, "name", "")));
	if (!out->name)
		return err_nomem(p->err);
	out->id = -1;
	if (json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) <= INT32_MAX)
		out->id = (int32_t)json_integer_value(id);
	return parse_node(p, json_object_get(json, "type"), depth + 1, &out->type);
}

static int parse_record(struct parse *p, const json_t *json, int depth, struct avro_schema *s)
{
	const json_t *fields = json_object_get(json, "fields");
	int rc;

	if (!json_is_array(fields))
		return bad(p, "a record has no fields");
	s->n_fields = json_array_size(fields);
	if (s->n_fields > NODES_MAX)
		return bad(p, "a record has too many fields");
	s->fields = arena_zero(p->arena, (s->n_fields + 1) * sizeof *s->fields);
	if (!s->fields)
		return err_nomem(p->err);
	for (size_t i = 0; i < s->n_fields; i++) {
		rc = parse_field(p, json_array_get(fields, i), depth, &s->fields[i]);
		if (rc)
			return rc;
	}
	return add_name(p, json, s); /* after its fields: a reference to itself stays unknown */
}

static int parse_union(struct parse *p, const json_t *json, int depth, const struct avro_schema **out)
{
	struct avro_schema *s = new_node(p, AVRO_UNION);
	int rc;

	if (!s)
		return p->err->code;
	s->n_fields = json_array_size(json);
	if (s->n_fields == 0 || s->n_fields > 64)
		return bad(p, "a union has none or too many branches");
	s->fields = arena_zero(p->arena, s->n_fields * sizeof *s->fields);
	if (!s->fields)
		return err_nomem(p->err);
	for (size_t i = 0; i < s->n_fields; i++) {
		rc = parse_node(p, json_array_get(json, i), depth + 1, &s->fields[i].type);
		if (rc)
			return rc;
		if (s->fields[i].type->kind == AVRO_UNION)
			return bad(p, "a union holds a union");
	}
	*out = s;
	return 0;
}

static int parse_object(struct parse *p, const json_t *json, int depth, const struct avro_schema **out)
{
	const json_t *type = json_object_get(json, "type");
	const char *name = json_is_string(type) ? json_string_value(type) : NULL;
	struct avro_schema *s;
	int64_t size;
	int rc;

	if (!name) /* {"type": {...}} and {"type": [...]} are only wrappers */
		return parse_node(p, type, depth + 1, out);
	if (!strcmp(name, "record")) {
		s = new_node(p, AVRO_RECORD);
		rc = s ? parse_record(p, json, depth, s) : p->err->code;
	} else if (!strcmp(name, "array") || !strcmp(name, "map")) {
		s = new_node(p, name[0] == 'a' ? AVRO_ARRAY : AVRO_MAP);
		rc = s ? parse_node(p, json_object_get(json, name[0] == 'a' ? "items" : "values"), depth + 1, &s->items)
		       : p->err->code;
	} else if (!strcmp(name, "fixed")) {
		size = json_get_int(json, "size", -1);
		if (size < 0 || size > 1 << 20)
			return bad(p, "a fixed has no usable size");
		s = new_node(p, AVRO_FIXED);
		if (s)
			s->size = (size_t)size;
		rc = s ? add_name(p, json, s) : p->err->code;
	} else if (!strcmp(name, "enum")) {
		s = new_node(p, AVRO_ENUM);
		rc = s ? add_name(p, json, s) : p->err->code;
	} else {
		return parse_name(p, name, out);
	}
	*out = s;
	return rc;
}

static int parse_node(struct parse *p, const json_t *json, int depth, const struct avro_schema **out)
{
	if (depth > DEPTH_MAX)
		return bad(p, "it is nested too deeply");
	if (json_is_string(json))
		return parse_name(p, json_string_value(json), out);
	if (json_is_array(json))
		return parse_union(p, json, depth, out);
	if (json_is_object(json))
		return parse_object(p, json, depth, out);
	return bad(p, "a type is missing");
}

int avro_schema_parse(struct arena *arena, struct str text, const char *what, const struct avro_schema **out,
                      struct err *err)
{
	struct err own;
	struct parse p = { .arena = arena, .what = what, .err = err ? err : &own };
	json_t *json = json_parse(text, what, p.err);
	int rc;

	if (!json)
		return p.err->code;
	p.names = arena_zero(arena, NAMES_MAX * sizeof *p.names);
	rc = p.names ? parse_node(&p, json, 0, out) : err_nomem(p.err);
	json_decref(json);
	return rc;
}
