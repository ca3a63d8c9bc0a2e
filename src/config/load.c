/* src/config/load.c — from file, environment and command line to a struct config.
 *
 * All three layers go into one tree first (file, then TARN_..., then --set, each replacing what was there) and the
 * tree is bound to the struct afterwards: so every layer has the same keys and the same checks, and each node still
 * knows where it came from. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "config/config_int.h"

extern char **environ;

static const char default_file[] = "tarn.yaml";

/* --- the layers --- */

static int load_file(struct arena *arena, const char *path, bool needed, struct yaml_node **root, bool *found,
                     struct err *err)
{
	char *text = NULL;
	size_t n = 0;
	int rc = env_read_file(path, YAML_BYTES_MAX, &text, &n);

	*found = rc == 0;
	if (rc == -ENOENT && !needed)
		return yaml_tree_parse(arena, STR_LIT(""), path, true, root, err);
	if (rc == -ENOENT)
		return err_set(err, ERR_CONFIG, "there is no configuration file %s; 'tarn init' writes one", path);
	if (rc == -EFBIG)
		return err_set(err, ERR_CONFIG, "%s: larger than %zu bytes; this is no configuration", path,
		               YAML_BYTES_MAX);
	if (rc == -ENOMEM)
		return err_nomem(err);
	if (rc)
		return err_set_errno(err, ERR_CONFIG, -rc, "the configuration file %s cannot be read", path);
	rc = yaml_tree_parse(arena, str_view(text, n), path, true, root, err);
	mem_free(text);
	return rc;
}

/* A value outside the file: [..] and {..} are YAML, anything else is the text as it stands. */
static int parse_value(struct arena *arena, const char *origin, const char *text, struct yaml_node **out,
                       struct err *err)
{
	struct yaml_node *node;

	if (text[0] == '[' || text[0] == '{')
		return yaml_tree_parse(arena, str_of(text), origin, false, out, err);
	node = arena_zero(arena, sizeof *node);
	if (!node)
		return err_nomem(err);
	node->kind = YAML_SCALAR;
	node->origin = origin;
	node->text = arena_strdup(arena, str_of(text));
	*out = node;
	return node->text ? ERR_OK : err_nomem(err);
}

static int put_value(struct arena *arena, struct yaml_node *root, const char *key, const char *origin, const char *text,
                     struct err *err)
{
	struct yaml_node *value;
	int rc;

	if (!origin)
		return err_nomem(err);
	rc = parse_value(arena, origin, text, &value, err);
	return rc ? rc : yaml_tree_put(arena, root, key, value, err);
}

/* "TARN_SOURCES_BANK_PASSWORD_ENV" -> "sources.bank.password_env": the longest key that ends it. NULL: none does. */
static const char *source_variable_key(struct arena *arena, struct str name)
{
	const struct nested_option *best = NULL;
	char variable[64];
	size_t best_n = 0;
	char *key;

	for (const struct nested_option *o = source_options; o->key; o++) {
		size_t n;

		option_variable(o->key, variable, sizeof variable);
		n = strlen(variable) - 4; /* "_PASSWORD_ENV": without TARN */
		if (n > best_n && name.n > n + 13 && memcmp(name.p + name.n - n, variable + 4, n) == 0) {
			best = o;
			best_n = n;
		}
	}
	if (!best)
		return NULL;
	key = arena_printf(arena, "sources.%.*s.%s", (int)(name.n - best_n - 13), name.p + 13, best->key);
	for (char *c = key; c && *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	return key;
}

/* A variable that some source's password_env names is not an option of ours, whatever it is called. */
static bool is_password_variable(const struct yaml_node *root, struct str name)
{
	const struct yaml_node *sources = yaml_tree_get(root, "sources");

	for (const struct yaml_node *source = sources && sources->kind == YAML_MAP ? sources->child : NULL; source;
	     source = source->next) {
		const struct yaml_node *variable = yaml_tree_get(source, "password_env");

		if (variable && variable->kind == YAML_SCALAR && str_eqz(name, variable->text))
			return true;
	}
	return false;
}

/* Other parts of Tarn have variables of their own (TARN_FAILPOINTS): only what looks like an option and is none is an
 * error. */
static int unknown_variable(struct str name, struct err *err)
{
	static const char *const sections[] = { "TARN_LAKE_",    "TARN_SOURCES_", "TARN_PIPELINES_", "TARN_SERVE_",
		                                "TARN_JOURNAL_", "TARN_SQL_",     "TARN_LOG_",       NULL };
	static char variables[40][48];
	const char *names[41];
	const char *near;
	size_t n = 0;
	bool section = false;

	CHECK(options_count < 40);
	for (; n < options_count; n++) {
		option_variable(options_table[n].key, variables[n], sizeof variables[n]);
		names[n] = variables[n];
	}
	names[n] = NULL;
	near = str_nearest(name, names);
	for (size_t i = 0; sections[i]; i++)
		section = section || str_starts(name, sections[i]);
	if (!near && !section)
		return ERR_OK;
	return err_set(err, ERR_CONFIG, "environment: unknown variable %.*s%s%s%s", STR_FMT(name),
	               near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static const char *variable_key(struct arena *arena, struct str name)
{
	char variable[64];

	for (size_t i = 0; i < options_count; i++) {
		option_variable(options_table[i].key, variable, sizeof variable);
		if (str_eqz(name, variable))
			return options_table[i].key;
	}
	if (str_eqz(name, "TARN_PIPELINES"))
		return "pipelines";
	return str_starts(name, "TARN_SOURCES_") ? source_variable_key(arena, name) : NULL;
}

static int load_environment(struct arena *arena, struct yaml_node *root, struct err *err)
{
	for (char **v = environ; v && *v; v++) {
		struct str value = str_of(*v), name = str_cut(&value, '=');
		const char *key;
		int rc;

		if (!str_starts(name, "TARN_") || is_password_variable(root, name))
			continue;
		key = variable_key(arena, name);
		rc = key ? put_value(arena, root, key, arena_printf(arena, "environment variable %.*s", STR_FMT(name)),
		                     value.p, err)
		         : unknown_variable(name, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static int load_sets(struct arena *arena, const struct config_opts *opts, struct yaml_node *root, struct err *err)
{
	for (size_t i = 0; i < opts->n_sets; i++) {
		struct str value = str_of(opts->sets[i]), key = str_cut(&value, '=');
		const char *path = arena_strdup(arena, key);
		char shown[YAML_KEY_SHOWN_MAX];
		int rc;

		if (!path)
			return err_nomem(err);
		if (key.n == 0 || !strchr(opts->sets[i], '=') || path[strspn(path, YAML_KEY_CHARS)])
			return err_set(err, ERR_CONFIG,
			               "--set %s: write it as KEY=VALUE, as in --set lake.publish_interval=2s",
			               yaml_key_shown(path, shown));
		rc = put_value(arena, root, path, arena_printf(arena, "--set %s", path), value.p, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

/* --- the scalar options --- */

int config_unknown_key(const struct yaml_node *node, const char *where, const char *const *names, struct err *err)
{
	const char *near = str_nearest(str_of(node->key), names);
	char shown[YAML_KEY_SHOWN_MAX];

	yaml_key_shown(node->key, shown);
	for (size_t i = 0; !near && names[i] && strlen(node->key) > 2; i++) { /* "password" for password_env */
		if (str_starts(str_of(names[i]), node->key))
			near = names[i];
	}
	if (near)
		return yaml_tree_error(node, err, "unknown key '%s'%s%s; did you mean '%s'?", shown,
		                       where ? " in " : "", where ? where : "", near);
	return yaml_tree_error(node, err, "unknown key '%s'%s%s; 'tarn config reference' lists the keys", shown,
	                       where ? " in " : "", where ? where : "");
}

/* The valid keys of a section (NULL: the top level), each once. */
static void section_names(const char *section, const char **names, size_t max, struct arena *arena)
{
	size_t n = 0, prefix = section ? strlen(section) + 1 : 0;

	for (size_t i = 0; i < options_count && n + 3 < max; i++) {
		const char *key = options_table[i].key;
		struct str rest = str_of(key);
		const char *name;

		if (section && (strncmp(key, section, prefix - 1) != 0 || key[prefix - 1] != '.'))
			continue;
		rest = str_view(key + prefix, strlen(key) - prefix);
		name = arena_strdup(arena, str_cut(&rest, '.'));
		if (name && (n == 0 || strcmp(names[n - 1], name) != 0))
			names[n++] = name;
	}
	if (!section) {
		names[n++] = "sources";
		names[n++] = "pipelines";
	}
	names[n] = NULL;
}

static int bind_scalar(struct bind *bind, const struct option *option, const struct yaml_node *node, struct err *err)
{
	struct err why;
	int rc;

	if (node->kind == YAML_NULL)
		return yaml_tree_error(node, err, "'%s' has no value", option->key);
	if (node->kind != YAML_SCALAR)
		return yaml_tree_error(node, err, "'%s' takes one value, not a %s", option->key,
		                       node->kind == YAML_MAP ? "map" : "list");
	err_clear(&why);
	rc = option_set(option, bind->config, bind->arena, bind->base, node->text, &why);
	if (rc == ERR_CONFIG)
		return yaml_tree_error(node, err, "%s: %s", option->key, why.text);
	return rc ? err_set(err, rc, "%s", why.text) : ERR_OK;
}

static int bind_section(struct bind *bind, const char *section, const struct yaml_node *map, struct err *err)
{
	const char *names[48];

	section_names(section, names, 48, bind->arena);
	for (const struct yaml_node *node = map->child; node; node = node->next) {
		const char *key = section ? arena_printf(bind->arena, "%s.%s", section, node->key) : node->key;
		const struct option *option;
		bool known = false;
		int rc;

		if (!key)
			return err_nomem(err);
		if (!section && (strcmp(key, "sources") == 0 || strcmp(key, "pipelines") == 0))
			continue;
		option = option_find(key);
		for (size_t i = 0; names[i]; i++)
			known = known || strcmp(names[i], node->key) == 0;
		if (option)
			rc = bind_scalar(bind, option, node, err);
		else if (!known)
			rc = config_unknown_key(node, section, names, err);
		else if (node->kind == YAML_NULL)
			rc = ERR_OK; /* "lake:" with all its keys commented out */
		else if (node->kind != YAML_MAP)
			rc = yaml_tree_error(node, err, "'%s' is a section: its keys stand indented below it",
			                     node->key);
		else
			rc = bind_section(bind, node->key, node, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static int bind_defaults(struct bind *bind, struct err *err)
{
	for (size_t i = 0; i < options_count; i++) {
		int rc = option_set(&options_table[i], bind->config, bind->arena, bind->base, options_table[i].preset,
		                    err);

		if (rc)
			return err_prefix(err, "default of %s", options_table[i].key);
	}
	return ERR_OK;
}

static int check_together(const struct config *config, struct err *err)
{
	const char *where = config->path ? config->path : "configuration";

	if (config->journal_max_bytes < 2 * config->journal_segment_bytes)
		return err_set(err, ERR_CONFIG, "%s: journal.max has to be at least twice journal.segment", where);
	if (config->http[0] && strcmp(config->http, config->catalog) == 0 && !str_ends(str_of(config->http), ":0"))
		return err_set(err, ERR_CONFIG,
		               "%s: serve.http and serve.catalog are the same address %s; give each its own port",
		               where, config->http);
	return ERR_OK;
}

/* --- the whole --- */

/* The folder relative paths count from: the file's, or the working folder. */
static int find_base(struct bind *bind, const char *file, struct err *err)
{
	char here[4096];
	const char *slash = file ? strrchr(file, '/') : NULL;

	if (!getcwd(here, sizeof here))
		return err_set_errno(err, ERR_IO, errno, "the working folder cannot be found");
	bind->base =
		option_absolute(bind->arena, here, slash ? str_view(file, (size_t)(slash - file) + 1) : STR_LIT("."));
	return bind->base ? ERR_OK : err_nomem(err);
}

static int load_layers(struct bind *bind, struct yaml_node **root, struct err *err)
{
	const struct config_opts *opts = bind->opts;
	const char *file = opts->path ? opts->path : default_file;
	bool found;
	int rc = load_file(bind->arena, file, opts->path != NULL, root, &found, err);

	if (rc)
		return rc;
	if (found) {
		bind->config->path = arena_strdup(bind->arena, str_of(file));
		if (!bind->config->path)
			return err_nomem(err);
	}
	rc = find_base(bind, bind->config->path, err);
	if (!rc)
		rc = load_environment(bind->arena, *root, err);
	if (!rc)
		rc = load_sets(bind->arena, opts, *root, err);
	return rc;
}

int config_bind_tree(struct bind *bind, const struct yaml_node *root, struct err *err)
{
	int rc = bind_defaults(bind, err);

	if (!rc && root->kind != YAML_MAP && root->kind != YAML_NULL)
		rc = yaml_tree_error(root, err, "the file has to be a map of keys");
	if (!rc)
		rc = bind_section(bind, NULL, root, err);
	if (!rc)
		rc = config_bind_sources(bind, root, err);
	return rc ? rc : check_together(bind->config, err);
}

int config_load(const struct config_opts *opts, struct config **out, struct err *err)
{
	struct config_owner *owner = mem_zero(sizeof *owner);
	struct bind bind = { .opts = opts };
	struct yaml_node *root;
	int rc;

	if (!owner)
		return err_nomem(err);
	owner->arena = arena_new((size_t)64 << 20);
	bind.config = &owner->config;
	bind.arena = owner->arena;
	rc = owner->arena ? load_layers(&bind, &root, err) : err_nomem(err);
	if (!rc)
		rc = config_bind_tree(&bind, root, err);
	if (rc) {
		config_free(&owner->config);
		return rc;
	}
	*out = &owner->config;
	return ERR_OK;
}

void config_free(struct config *config)
{
	struct config_owner *owner = (struct config_owner *)config;

	if (!owner)
		return;
	arena_free(owner->arena);
	mem_free(owner);
}

struct config_source *config_find_source(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_sources; i++) {
		if (strcmp(config->sources[i].name, name) == 0)
			return &config->sources[i];
	}
	return NULL;
}
