/* src/config/config_sources.c — the maps `sources` and `pipelines`, their defaults, and the checks that need more
 * than one of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/mem.h"
#include "config/config_int.h"

#define SOURCES_MAX 1000
#define PATTERNS_MAX 10000
#define PASSWORD_BYTES_MAX 4096
#define PG_NAME_MAX 63 /* NAMEDATALEN - 1 */
#define COPY_CONNECTIONS_MAX 8

static size_t count_children(const struct yaml_node *node)
{
	size_t n = 0;

	for (const struct yaml_node *child = node->child; child; child = child->next)
		n++;
	return n;
}

static int check_keys(const struct yaml_node *map, const char *where, const struct nested_option *options,
                      struct err *err)
{
	const char *names[16];
	size_t n = 0;

	for (; options[n].key; n++)
		names[n] = options[n].key;
	names[n] = NULL;
	for (const struct yaml_node *node = map->child; node; node = node->next) {
		const struct nested_option *option = options;

		while (option->key && strcmp(option->key, node->key) != 0)
			option++;
		if (!option->key)
			return config_unknown_key(node, where, names, err);
		if (node->kind == YAML_NULL)
			return yaml_tree_error(node, err, "'%s' in %s has no value", node->key, where);
		if (node->kind != YAML_SCALAR && !(option->is_list && node->kind == YAML_LIST))
			return yaml_tree_error(node, err, "'%s' in %s takes %s", node->key, where,
			                       option->is_list ? "a word or a list of words" : "one value");
	}
	return ERR_OK;
}

/* Text of a key that check_keys let pass; fallback when it is missing. */
static const char *text_of(const struct yaml_node *map, const char *key, const char *fallback)
{
	const struct yaml_node *node = yaml_tree_get(map, key);

	return node ? node->text : fallback;
}

static bool only_chars(const char *text, const char *allowed) { return text[0] && text[strspn(text, allowed)] == 0; }

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789_"

/* One word, or a list of them, into *items (an array in the arena). Commas divide a word given outside the file:
 * TARN_SOURCES_BANK_TABLES=public.a,public.b */
static int bind_words(struct bind *bind, const struct yaml_node *node, const char ***items, size_t *n_items,
                      struct err *err)
{
	size_t n = 0, max = node->kind == YAML_LIST ? count_children(node) : strlen(node->text) + 1;
	struct str rest;

	if (max > PATTERNS_MAX)
		return yaml_tree_error(node, err, "'%s' is too long", node->key);
	*items = arena_zero(bind->arena, (max + 1) * sizeof **items);
	if (!*items)
		return err_nomem(err);
	for (const struct yaml_node *item = node->child; item; item = item->next) {
		if (item->kind != YAML_SCALAR)
			return yaml_tree_error(item, err, "'%s' is a list of plain words", node->key);
		(*items)[n++] = item->text;
	}
	if (node->kind == YAML_SCALAR && node->line) {
		(*items)[n++] = node->text;
	} else if (node->kind == YAML_SCALAR) {
		for (rest = str_of(node->text); rest.n;) {
			(*items)[n] = arena_strdup(bind->arena, str_trim(str_cut(&rest, ',')));
			if (!(*items)[n++])
				return err_nomem(err);
		}
	}
	if (n == 0)
		return yaml_tree_error(node, err, "'%s' is empty", node->key);
	*n_items = n;
	return ERR_OK;
}

static int bind_tables(struct bind *bind, const struct yaml_node *map, struct config_source *source, struct err *err)
{
	const struct yaml_node *node = yaml_tree_get(map, "tables");
	int rc;

	if (!node) {
		source->tables = arena_zero(bind->arena, sizeof *source->tables);
		if (!source->tables)
			return err_nomem(err);
		source->tables[0] = "public.*";
		source->n_tables = 1;
		return ERR_OK;
	}
	rc = bind_words(bind, node, &source->tables, &source->n_tables, err);
	for (size_t i = 0; !rc && i < source->n_tables; i++) {
		const char *pattern = source->tables[i], *dot = strchr(pattern, '.');

		if (!dot || dot == pattern || !dot[1])
			rc = yaml_tree_error(
				node, err,
				"'%s' is not a table pattern; write schema.table, as in public.users or public.*",
				pattern);
		for (size_t j = 0; !rc && j < i; j++) {
			if (strcmp(source->tables[j], pattern) == 0)
				rc = yaml_tree_error(node, err, "table pattern '%s' is given twice", pattern);
		}
	}
	return rc;
}

/* The password's first line; never in a message. */
static int read_password_file(struct bind *bind, const struct yaml_node *node, struct config_source *source,
                              struct err *err)
{
	char *text = NULL, *copy;
	size_t n = 0;
	int rc = env_read_file(source->password_file, PASSWORD_BYTES_MAX, &text, &n);
	size_t line_n;

	if (rc == -ENOMEM)
		return err_nomem(err);
	if (rc == -EFBIG)
		return yaml_tree_error(node, err, "the password file %s holds more than %d bytes",
		                       source->password_file, PASSWORD_BYTES_MAX);
	if (rc)
		return yaml_tree_error(node, err, "the password file %s cannot be read: %s", source->password_file,
		                       strerror(-rc));
	line_n = strcspn(text, "\r\n");
	copy = arena_strdup(bind->arena, str_view(text, line_n));
	explicit_bzero(text, n);
	mem_free(text);
	if (!copy)
		return err_nomem(err);
	if (line_n == 0)
		return yaml_tree_error(node, err, "the first line of the password file %s is empty",
		                       source->password_file);
	source->password = copy;
	return ERR_OK;
}

static int bind_password(struct bind *bind, const struct yaml_node *map, struct config_source *source, struct err *err)
{
	const struct yaml_node *variable = yaml_tree_get(map, "password_env"),
			       *file = yaml_tree_get(map, "password_file");

	if (variable && file)
		return yaml_tree_error(file, err, "give either password_env or password_file, not both");
	if (variable) {
		const char *value = getenv(variable->text);

		source->password_env = variable->text;
		if (bind->opts->without_secrets)
			return ERR_OK;
		if (!value || !value[0])
			return yaml_tree_error(variable, err,
			                       "password_env names the environment variable %s, which is not set",
			                       variable->text);
		source->password = arena_strdup(bind->arena, str_of(value));
		return source->password ? ERR_OK : err_nomem(err);
	}
	if (file) {
		source->password_file = option_absolute(bind->arena, bind->base, str_of(file->text));
		if (!source->password_file)
			return err_nomem(err);
		return bind->opts->without_secrets ? ERR_OK : read_password_file(bind, file, source, err);
	}
	return ERR_OK;
}

static int bind_snapshot(const struct yaml_node *map, struct config_source *source, struct err *err)
{
	const char *mode = text_of(map, "snapshot", "initial");

	source->snapshot_initial = strcmp(mode, "initial") == 0;
	if (!source->snapshot_initial && strcmp(mode, "never") != 0)
		return yaml_tree_error(yaml_tree_get(map, "snapshot"), err,
		                       "snapshot: '%s' is neither initial nor never", mode);
	return ERR_OK;
}

static int bind_copy_connections(const struct yaml_node *map, struct config_source *source, struct err *err)
{
	const char *text = text_of(map, "copy_connections", "2");
	uint64_t n;

	if (!str_to_u64(str_of(text), &n) || n < 1 || n > COPY_CONNECTIONS_MAX)
		return yaml_tree_error(yaml_tree_get(map, "copy_connections"), err,
		                       "copy_connections: '%s' is no number from 1 to %d", text, COPY_CONNECTIONS_MAX);
	source->copy_connections = (int)n;
	return ERR_OK;
}

static int bind_names(struct bind *bind, const struct yaml_node *map, struct config_source *source, struct err *err)
{
	const char *preset = arena_printf(bind->arena, "tarn_%s", source->name);

	if (!preset)
		return err_nomem(err);
	source->slot = text_of(map, "slot", preset);
	source->publication = text_of(map, "publication", preset);
	if (!only_chars(source->slot, NAME_CHARS) || strlen(source->slot) > PG_NAME_MAX)
		return yaml_tree_error(yaml_tree_get(map, "slot"), err,
		                       "'%s' cannot name a slot: up to %d of a-z, 0-9 and _", source->slot,
		                       PG_NAME_MAX);
	if (!source->publication[0] || strlen(source->publication) > PG_NAME_MAX)
		return yaml_tree_error(yaml_tree_get(map, "publication"), err, "a publication's name has 1 to %d bytes",
		                       PG_NAME_MAX);
	return ERR_OK;
}

static int bind_conninfo(struct bind *bind, const struct yaml_node *map, struct config_source *source, struct err *err)
{
	const struct yaml_node *node = yaml_tree_get(map, "postgres");
	struct err why;
	int rc;

	if (!node || !node->text[0])
		return yaml_tree_error(
			node ? node : map, err,
			"source '%s' has no connection string: postgres: \"postgresql://user@host/database\"",
			map->key);
	source->conninfo = node->text;
	if (!bind->opts->check_conninfo)
		return ERR_OK;
	err_clear(&why);
	rc = bind->opts->check_conninfo(node->text, &why);
	if (rc == ERR_CONFIG)
		return yaml_tree_error(node, err, "sources.%s.postgres: %s", map->key, why.text);
	return rc ? err_set(err, rc, "%s", why.text) : ERR_OK;
}

static int bind_source(struct bind *bind, const struct yaml_node *node, struct config_source *source, struct err *err)
{
	const char *where = arena_printf(bind->arena, "sources.%s", node->key);
	char shown[YAML_KEY_SHOWN_MAX];
	int rc;

	if (!where)
		return err_nomem(err);
	source->name = node->key;
	source->line = node->line;
	source->kind = SOURCE_POSTGRES;
	/* 50: the default slot is tarn_<name>, and tables live in a folder of that name */
	if (!only_chars(node->key, NAME_CHARS) || strlen(node->key) > 50)
		return yaml_tree_error(node, err, "'%s' cannot name a source: up to 50 of a-z, 0-9 and _",
		                       yaml_key_shown(node->key, shown));
	if (node->kind != YAML_MAP)
		return yaml_tree_error(node, err,
		                       "source '%s' needs at least: postgres: \"postgresql://user@host/database\"",
		                       node->key);
	rc = check_keys(node, where, source_options, err);
	if (rc)
		return rc;
	rc = bind_conninfo(bind, node, source, err);
	if (!rc)
		rc = bind_names(bind, node, source, err);
	if (!rc)
		rc = bind_snapshot(node, source, err);
	if (!rc)
		rc = bind_copy_connections(node, source, err);
	if (!rc)
		rc = bind_tables(bind, node, source, err);
	if (!rc)
		rc = bind_password(bind, node, source, err);
	return rc;
}

static int bind_all_sources(struct bind *bind, const struct yaml_node *sources, struct err *err)
{
	struct config *config = bind->config;
	size_t max;

	if (!sources || sources->kind == YAML_NULL)
		return ERR_OK;
	if (sources->kind != YAML_MAP)
		return yaml_tree_error(
			sources, err,
			"'sources' is a map from names to sources, as in sources: {bank: {postgres: ...}}");
	max = count_children(sources);
	if (max > SOURCES_MAX)
		return yaml_tree_error(sources, err, "more than %d sources", SOURCES_MAX);
	config->sources = arena_zero(bind->arena, (max + 1) * sizeof *config->sources);
	if (!config->sources)
		return err_nomem(err);
	for (const struct yaml_node *node = sources->child; node; node = node->next) {
		struct config_source *source = &config->sources[config->n_sources];
		int rc = bind_source(bind, node, source, err);

		if (rc)
			return rc;
		for (size_t i = 0; i < config->n_sources; i++) {
			const struct config_source *other = &config->sources[i];

			if (strcmp(other->slot, source->slot) == 0 && strcmp(other->conninfo, source->conninfo) == 0)
				return yaml_tree_error(
					node, err,
					"sources '%s' and '%s' read the same database through the same slot '%s'; only one can",
					other->name, source->name, source->slot);
		}
		config->n_sources++;
	}
	return ERR_OK;
}

static int bind_mode(struct bind *bind, const struct yaml_node *map, struct config_pipeline *pipeline, struct err *err)
{
	const struct yaml_node *node = yaml_tree_get(map, "mode");
	const char **words;
	size_t n = 0;
	int rc;

	if (!node) {
		pipeline->mirror = pipeline->changelog = true;
		return ERR_OK;
	}
	rc = bind_words(bind, node, &words, &n, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		bool *field = strcmp(words[i], "mirror") == 0      ? &pipeline->mirror
		              : strcmp(words[i], "changelog") == 0 ? &pipeline->changelog
		                                                   : NULL;

		if (!field)
			return yaml_tree_error(node, err, "mode: '%s' is neither mirror nor changelog", words[i]);
		if (*field)
			return yaml_tree_error(node, err, "mode: '%s' is given twice", words[i]);
		*field = true;
	}
	return ERR_OK;
}

static int unknown_source(const struct config *config, const struct yaml_node *node, const char *name,
                          struct bind *bind, struct err *err)
{
	const char **names = arena_zero(bind->arena, (config->n_sources + 1) * sizeof *names);
	const char *near;

	if (!names)
		return err_nomem(err);
	for (size_t i = 0; i < config->n_sources; i++)
		names[i] = config->sources[i].name;
	near = str_nearest(str_of(name), names);
	return yaml_tree_error(node, err, "there is no source '%s'%s%s%s", name, near ? "; did you mean '" : "",
	                       near ? near : "", near ? "'?" : "");
}

static int bind_pipeline(struct bind *bind, const struct yaml_node *node, struct config_pipeline *pipeline,
                         struct err *err)
{
	struct config *config = bind->config;
	const char *to;
	int rc;

	pipeline->line = node->line;
	if (node->kind != YAML_MAP)
		return yaml_tree_error(node, err,
		                       "a pipeline is a map, as in {from: bank, to: lake, mode: [mirror, changelog]}");
	rc = check_keys(node, "pipelines", pipeline_options, err);
	if (rc)
		return rc;
	pipeline->from = text_of(node, "from", NULL);
	to = text_of(node, "to", "lake");
	if (!pipeline->from)
		return yaml_tree_error(node, err, "a pipeline needs 'from', the name of a source");
	if (!config_find_source(config, pipeline->from))
		return unknown_source(config, yaml_tree_get(node, "from"), pipeline->from, bind, err);
	if (strcmp(to, "lake") != 0)
		return yaml_tree_error(yaml_tree_get(node, "to"), err,
		                       "to: '%s' is not known; 'lake' is the only target", to);
	for (size_t i = 0; i < config->n_pipelines; i++) {
		if (strcmp(config->pipelines[i].from, pipeline->from) == 0)
			return yaml_tree_error(
				node, err,
				"source '%s' has a pipeline already (line %d); both would write the same tables",
				pipeline->from, config->pipelines[i].line);
	}
	return bind_mode(bind, node, pipeline, err);
}

/* A mirror that starts empty beside a filled source would never equal it. */
static int check_snapshot(const struct config *config, const struct yaml_node *node, struct err *err)
{
	for (size_t i = 0; i < config->n_pipelines; i++) {
		const struct config_pipeline *pipeline = &config->pipelines[i];

		if (pipeline->mirror && !config_find_source(config, pipeline->from)->snapshot_initial)
			return yaml_tree_error(
				node, err,
				"source '%s' has snapshot: never, but a mirror needs the rows that are there; use snapshot: initial, or a pipeline with mode: [changelog]",
				pipeline->from);
	}
	return ERR_OK;
}

static int default_pipelines(struct bind *bind, struct err *err)
{
	struct config *config = bind->config;

	config->pipelines = arena_zero(bind->arena, (config->n_sources + 1) * sizeof *config->pipelines);
	if (!config->pipelines)
		return err_nomem(err);
	for (size_t i = 0; i < config->n_sources; i++)
		config->pipelines[i] = (struct config_pipeline){ .from = config->sources[i].name,
			                                         .mirror = true,
			                                         .changelog = true,
			                                         .line = config->sources[i].line };
	config->n_pipelines = config->n_sources;
	return ERR_OK;
}

static int bind_all_pipelines(struct bind *bind, const struct yaml_node *pipelines, struct err *err)
{
	struct config *config = bind->config;
	size_t max;

	if (!pipelines || pipelines->kind == YAML_NULL)
		return default_pipelines(bind, err);
	if (pipelines->kind != YAML_LIST)
		return yaml_tree_error(pipelines, err,
		                       "'pipelines' is a list, as in pipelines: [{from: bank, to: lake}]");
	max = count_children(pipelines);
	config->pipelines = arena_zero(bind->arena, (max + 1) * sizeof *config->pipelines);
	if (!config->pipelines)
		return err_nomem(err);
	for (const struct yaml_node *node = pipelines->child; node; node = node->next) {
		int rc = bind_pipeline(bind, node, &config->pipelines[config->n_pipelines], err);

		if (rc)
			return rc;
		config->n_pipelines++;
	}
	return ERR_OK;
}

int config_bind_sources(struct bind *bind, const struct yaml_node *root, struct err *err)
{
	int rc = bind_all_sources(bind, yaml_tree_get(root, "sources"), err);

	if (!rc)
		rc = bind_all_pipelines(bind, yaml_tree_get(root, "pipelines"), err);
	return rc ? rc : check_snapshot(bind->config, root, err);
}
