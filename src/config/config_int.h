/* src/config/config_int.h — what the files of config/ share; only they include it. */
#ifndef TARN_CONFIG_CONFIG_INT_H
#define TARN_CONFIG_CONFIG_INT_H

#include "config/config.h"
#include "config/option.h"
#include "config/yaml_tree.h"

/* What config_load hands out: the configuration and the memory it lives in. */
struct config_owner {
	struct config config; /* first: config_free casts back */
	struct arena *arena;
};

struct bind {
	struct config *config;
	struct arena *arena;
	const char *base; /* absolute folder of relative paths */
	const struct config_opts *opts;
};

/* Fills config->sources and config->pipelines from the tree, defaults and cross checks included. */
int config_bind_sources(struct bind *bind, const struct yaml_node *root, struct err *err) TARN_MUST_CHECK;
/* Defaults, then everything in the tree, then what has to fit together. */
int config_bind_tree(struct bind *bind, const struct yaml_node *root, struct err *err) TARN_MUST_CHECK;
/* ERR_CONFIG "unknown key 'x' in lake; did you mean 'y'?" */
int config_unknown_key(const struct yaml_node *node, const char *where, const char *const *names, struct err *err);

#endif
