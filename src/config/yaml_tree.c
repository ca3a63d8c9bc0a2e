/* src/config/yaml_tree.c — libyaml's events into a tree, with every freedom refused that a configuration does not need. */
#include "config/yaml_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

struct build {
	struct arena *arena;
	const char *origin;
	bool lines;
	yaml_parser_t parser;
	size_t n_nodes;
};

int yaml_tree_error(const struct yaml_node *node, struct err *err, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX - 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (node->line)
		return err_set(err, ERR_CONFIG, "%s:%d: %s", node->origin, node->line, text);
	return err_set(err, ERR_CONFIG, "%s: %s", node->origin, text);
}

const char *yaml_key_shown(const char *key, char shown[YAML_KEY_SHOWN_MAX])
{
	size_t n = strspn(key, YAML_KEY_CHARS);
	bool cut = key[n] != 0 || n >= YAML_KEY_SHOWN_MAX - 4;

	if (n > YAML_KEY_SHOWN_MAX - 4)
		n = YAML_KEY_SHOWN_MAX - 4;
	snprintf(shown, YAML_KEY_SHOWN_MAX, "%.*s%s", (int)n, key, cut ? "..." : "");
	return shown;
}

static int refuse(const struct build *build, const yaml_event_t *event, struct err *err, const char *what)
{
	struct yaml_node at = { .origin = build->origin, .line = build->lines ? (int)event->start_mark.line + 1 : 0 };

	return yaml_tree_error(&at, err, "%s", what);
}

static struct yaml_node *new_node(struct build *build, const yaml_event_t *event, enum yaml_kind kind)
{
	struct yaml_node *node = arena_zero(build->arena, sizeof *node);

	if (node) {
		node->kind = kind;
		node->origin = build->origin;
		node->line = build->lines ? (int)event->start_mark.line + 1 : 0;
	}
	return node;
}

static void append(struct yaml_node *parent, struct yaml_node *child)
{
	if (parent->last_child)
		parent->last_child->next = child;
	else
		parent->child = child;
	parent->last_child = child;
}

static int next_event(struct build *build, yaml_event_t *event, struct err *err)
{
	struct yaml_node at = { .origin = build->origin };

	if (yaml_parser_parse(&build->parser, event))
		return ERR_OK;
	if (build->parser.error == YAML_MEMORY_ERROR)
		return err_nomem(err);
	if (build->lines)
		at.line = (int)build->parser.problem_mark.line + 1;
	return yaml_tree_error(&at, err, "this is not YAML: %s",
	                       build->parser.problem ? build->parser.problem : "malformed text");
}

/* Plain empty, ~ and null are "nothing given"; quoted they are text. */
static bool is_null(const yaml_event_t *event)
{
	struct str text = str_view(event->data.scalar.value, event->data.scalar.length);

	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (text.n == 0 || str_eqz(text, "~") || str_eqz(text, "null"));
}

static int build_scalar(struct build *build, const yaml_event_t *event, struct yaml_node **out, struct err *err)
{
	struct str text = str_view(event->data.scalar.value, event->data.scalar.length);
	struct yaml_node *node = new_node(build, event, is_null(event) ? YAML_NULL : YAML_SCALAR);

	if (!node)
		return err_nomem(err);
	if (text.n && memchr(text.p, 0, text.n))
		return refuse(build, event, err, "a zero byte has no place here");
	node->text = arena_strdup(build->arena, text);
	*out = node;
	return node->text ? ERR_OK : err_nomem(err);
}

static int build_node(struct build *build, yaml_event_t *event, int depth, struct yaml_node **out, struct err *err);

static int build_pair(struct build *build, yaml_event_t *key_event, int depth, struct yaml_node *map, struct err *err)
{
	struct yaml_node *key = NULL, *value = NULL;
	char shown[YAML_KEY_SHOWN_MAX];
	const struct yaml_node *before;
	yaml_event_t event;
	int rc;

	if (key_event->type != YAML_SCALAR_EVENT)
		return refuse(build, key_event, err, "a key has to be a plain word");
	rc = build_node(build, key_event, depth + 1, &key, err);
	if (rc)
		return rc;
	before = yaml_tree_get(map, key->text);
	if (before)
		return yaml_tree_error(key, err, "'%s' is given twice, first in line %d",
		                       yaml_key_shown(key->text, shown), before->line);
	if (strcmp(key->text, "<<") == 0)
		return yaml_tree_error(key, err, "merge keys are not accepted; write the values out");
	rc = next_event(build, &event, err);
	if (rc)
		return rc;
	rc = build_node(build, &event, depth + 1, &value, err);
	yaml_event_delete(&event);
	if (rc)
		return rc;
	value->key = key->text;
	value->line = key->line;
	append(map, value);
	return ERR_OK;
}

static int build_children(struct build *build, int depth, struct yaml_node *parent, struct err *err)
{
	yaml_event_type_t end = parent->kind == YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;

	for (;;) {
		yaml_event_t event;
		struct yaml_node *item;
		int rc = next_event(build, &event, err);

		if (rc)
			return rc;
		if (event.type == end) {
			yaml_event_delete(&event);
			return ERR_OK;
		}
		if (parent->kind == YAML_MAP) {
			rc = build_pair(build, &event, depth, parent, err);
		} else {
			rc = build_node(build, &event, depth + 1, &item, err);
			if (!rc)
				append(parent, item);
		}
		yaml_event_delete(&event);
		if (rc)
			return rc;
	}
}

static int check_plain(const struct build *build, const yaml_event_t *event, const yaml_char_t *anchor,
                       const yaml_char_t *tag, struct err *err)
{
	if (anchor)
		return refuse(build, event, err, "anchors (&name) are not accepted; write the value out");
	if (tag)
		return refuse(build, event, err, "tags (!name) are not accepted; write the plain value");
	return ERR_OK;
}

static int build_node(struct build *build, yaml_event_t *event, int depth, struct yaml_node **out, struct err *err)
{
	int rc;

	if (depth > YAML_DEPTH_MAX)
		return refuse(build, event, err, "nested too deeply");
	if (++build->n_nodes > YAML_NODES_MAX)
		return refuse(build, event, err, "too many values");
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		rc = check_plain(build, event, event->data.scalar.anchor, event->data.scalar.tag, err);
		return rc ? rc : build_scalar(build, event, out, err);
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		rc = event->type == YAML_MAPPING_START_EVENT
		             ? check_plain(build, event, event->data.mapping_start.anchor,
		                           event->data.mapping_start.tag, err)
		             : check_plain(build, event, event->data.sequence_start.anchor,
		                           event->data.sequence_start.tag, err);
		if (rc)
			return rc;
		*out = new_node(build, event, event->type == YAML_MAPPING_START_EVENT ? YAML_MAP : YAML_LIST);
		return *out ? build_children(build, depth, *out, err) : err_nomem(err);
	case YAML_ALIAS_EVENT:
		return refuse(build, event, err, "aliases (*name) are not accepted; write the value out");
	default: return refuse(build, event, err, "this is not YAML: a value is missing");
	}
}

static int build_stream(struct build *build, struct yaml_node **out, struct err *err)
{
	bool seen = false;

	for (;;) {
		yaml_event_t event;
		yaml_event_type_t type;
		int rc = next_event(build, &event, err);

		if (rc)
			return rc;
		type = event.type;
		if (type == YAML_DOCUMENT_START_EVENT && seen)
			rc = refuse(build, &event, err, "a second document begins here; one is enough");
		else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
		         type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT)
			rc = build_node(build, &event, 0, out, err);
		if (type == YAML_DOCUMENT_START_EVENT)
			seen = true;
		yaml_event_delete(&event);
		if (rc)
			return rc;
		if (type == YAML_STREAM_END_EVENT)
			return ERR_OK;
	}
}

int yaml_tree_parse(struct arena *arena, struct str text, const char *origin, bool lines, struct yaml_node **out,
                    struct err *err)
{
	struct build build = { .arena = arena, .origin = origin, .lines = lines };
	struct yaml_node *root;
	int rc;

	if (text.n > YAML_BYTES_MAX)
		return err_set(err, ERR_CONFIG, "%s: more than %zu bytes", origin, YAML_BYTES_MAX);
	root = arena_zero(arena, sizeof *root);
	if (!root || !yaml_parser_initialize(&build.parser))
		return err_nomem(err);
	root->kind = YAML_NULL;
	root->origin = origin;
	root->text = "";
	yaml_parser_set_encoding(&build.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&build.parser, (const unsigned char *)text.p, text.n);
	rc = build_stream(&build, &root, err);
	yaml_parser_delete(&build.parser);
	*out = root;
	return rc;
}

struct yaml_node *yaml_tree_get(const struct yaml_node *map, const char *key)
{
	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (struct yaml_node *node = map->child; node; node = node->next) {
		if (strcmp(node->key, key) == 0)
			return node;
	}
	return NULL;
}

static int replace(struct yaml_node *map, struct yaml_node *value)
{
	struct yaml_node *old = yaml_tree_get(map, value->key);

	if (!old) {
		append(map, value);
		return ERR_OK;
	}
	old->kind = value->kind;
	old->text = value->text;
	old->line = value->line;
	old->origin = value->origin;
	old->child = value->child;
	old->last_child = value->last_child;
	return ERR_OK;
}

int yaml_tree_put(struct arena *arena, struct yaml_node *root, const char *path, struct yaml_node *value,
                  struct err *err)
{
	struct str rest = str_of(path);
	struct yaml_node *map = root;

	for (;;) {
		struct str part = str_cut(&rest, '.');
		char *key = arena_strdup(arena, part);
		struct yaml_node *next;

		if (!key)
			return err_nomem(err);
		if (map->kind == YAML_NULL)
			map->kind = YAML_MAP;
		if (map->kind != YAML_MAP)
			return yaml_tree_error(value, err,
			                       "'%s' cannot be set, because a part of it is a value or a list already",
			                       path);
		if (rest.n == 0) {
			value->key = key;
			return replace(map, value);
		}
		next = yaml_tree_get(map, key);
		if (!next) {
			next = arena_zero(arena, sizeof *next);
			if (!next)
				return err_nomem(err);
			*next = (struct yaml_node){ .kind = YAML_MAP, .key = key, .origin = value->origin };
			append(map, next);
		}
		map = next;
	}
}
