/* src/config/yaml_tree.h — a YAML document as a small tree whose nodes know where they came from.
 *
 * Private to config/. Nodes live in the arena given. Limits: bytes, depth and number of nodes below; aliases,
 * anchors, tags, merge keys, several documents and a key given twice in one map are refused, so that a document means
 * what it shows. */
#ifndef TARN_CONFIG_YAML_TREE_H
#define TARN_CONFIG_YAML_TREE_H

#include "base/arena.h"
#include "base/err.h"

#define YAML_BYTES_MAX ((size_t)1 << 20)
#define YAML_DEPTH_MAX 8
#define YAML_NODES_MAX 20000

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	const char *text;        /* scalar */
	const char *key;         /* in a map */
	int line;                /* from 1; of the key in a map; 0: not from a file */
	const char *origin;      /* file name, "TARN_ACK", "--set ack" */
	struct yaml_node *child; /* list, map: first */
	struct yaml_node *last_child;
	struct yaml_node *next;
};

/* an empty document is YAML_NULL */
int yaml_tree_parse(struct arena *arena, struct str text, const char *origin, bool lines, struct yaml_node **out,
                    struct err *err) TARN_MUST_CHECK;
struct yaml_node *yaml_tree_get(const struct yaml_node *map, const char *key); /* NULL: not there, or no map */
/* The node at a dotted path below root, made with the maps on its way when missing; ERR_CONFIG when a part on the way
 * is a value. */
int yaml_tree_put(struct arena *arena, struct yaml_node *root, const char *path, struct yaml_node *value,
                  struct err *err) TARN_MUST_CHECK;
/* A key as a message may show it: up to the first byte no key of ours has, so that a connection string in the wrong
 * place keeps its password. */
#define YAML_KEY_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define YAML_KEY_SHOWN_MAX 64
const char *yaml_key_shown(const char *key, char shown[YAML_KEY_SHOWN_MAX]);
/* ERR_CONFIG "tarn.yaml:12: ..." */
int yaml_tree_error(const struct yaml_node *node, struct err *err, const char *fmt, ...) TARN_PRINTF(3, 4);

#endif
