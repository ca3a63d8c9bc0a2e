/* src/base/map.h — hash map from byte strings to pointers. Keys are copied; values are borrowed. Not thread-safe.
 * Iteration order is insertion order while nothing was removed. */
#ifndef TARN_BASE_MAP_H
#define TARN_BASE_MAP_H

#include "base/str.h"

struct map;

struct map *map_new(void);
void map_free(struct map *map, void (*free_value)(void *)); /* free_value may be NULL */
/* 0 or -1: no memory; *old (may be NULL) gets the replaced value */
int map_put(struct map *map, struct str key, void *value, void **old);
void *map_get(const struct map *map, struct str key);
void *map_remove(struct map *map, struct str key); /* the value, or NULL */
size_t map_count(const struct map *map);
/* for (size_t i = 0; map_next(map, &i, &key, &value);) */
bool map_next(const struct map *map, size_t *i, struct str *key, void **value);

#endif
