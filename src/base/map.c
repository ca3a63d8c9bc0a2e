/* src/base/map.c — hash map from byte strings to pointers.
 *
 * Entries lie in an array in order of insertion; an open-addressed table of entry numbers points into it. A removed
 * entry stays as a hole (key NULL) until the table is rebuilt, and its slot keeps the number so that probing goes on
 * behind it. */
#include "base/map.h"

#include "base/env.h"
#include "base/mem.h"

#define SLOT_FREE UINT32_MAX

struct entry {
	char *key; /* owned; NULL: removed */
	size_t n;
	uint64_t hash;
	void *value;
};

struct map {
	struct entry *entries;
	size_t n_entries, cap_entries; /* holes included */
	size_t count;
	uint32_t *slots;
	size_t n_slots; /* power of two, more than n_entries / 0.75 */
	uint64_t seed;
};

struct map *map_new(void)
{
	struct map *map = mem_zero(sizeof *map);

	/* Keys come from outside (table names, headers): a seed of our own keeps them from being chosen to collide. */
	if (map && env_random(&map->seed, sizeof map->seed) < 0)
		map->seed = (uintptr_t)map;
	return map;
}

void map_free(struct map *map, void (*free_value)(void *))
{
	if (!map)
		return;
	for (size_t i = 0; i < map->n_entries; i++) {
		if (!map->entries[i].key)
			continue;
		if (free_value)
			free_value(map->entries[i].value);
		mem_free(map->entries[i].key);
	}
	mem_free(map->entries);
	mem_free(map->slots);
	mem_free(map);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t hash_of(const struct map *map, struct str key)
{
	uint64_t h = map->seed ^ key.n, v;
	size_t i = 0;

	for (; key.n - i >= 8; i += 8) {
		memcpy(&v, key.p + i, 8);
		h = mix(h ^ v ^ 0x9E3779B97F4A7C15u, 0xD6E8FEB86659FD93u);
	}
	if (i < key.n) {
		v = 0;
		memcpy(&v, key.p + i, key.n - i);
		h = mix(h ^ v ^ 0xA0761D6478BD642Fu, 0xE7037ED1A0B428DBu);
	}
	return mix(h, 0x9E3779B97F4A7C15u ^ map->seed);
}

static struct entry *find(const struct map *map, struct str key, uint64_t hash)
{
	if (map->n_slots == 0)
		return NULL;
	for (size_t at = hash & (map->n_slots - 1);; at = (at + 1) & (map->n_slots - 1)) {
		uint32_t i = map->slots[at];
		struct entry *e;

		if (i == SLOT_FREE)
			return NULL;
		e = &map->entries[i];
		if (e->key && e->hash == hash && e->n == key.n && (key.n == 0 || memcmp(e->key, key.p, key.n) == 0))
			return e;
	}
}

static void place(struct map *map, size_t i)
{
	size_t at = map->entries[i].hash & (map->n_slots - 1);

	while (map->slots[at] != SLOT_FREE)
		at = (at + 1) & (map->n_slots - 1);
	map->slots[at] = (uint32_t)i;
}

/* Makes room for one more entry: closes the holes and gives the table twice the size of what lives. */
static int rebuild(struct map *map)
{
	size_t n_slots = 16, n = 0;
	uint32_t *slots;

	while (n_slots < (map->count + 1) * 2)
		n_slots *= 2;
	if (n_slots > UINT32_MAX / 2)
		return -1;
	slots = mem_alloc(n_slots * sizeof *slots);
	if (!slots)
		return -1;
	memset(slots, 0xFF, n_slots * sizeof *slots);
	mem_free(map->slots);
	map->slots = slots;
	map->n_slots = n_slots;
	for (size_t i = 0; i < map->n_entries; i++)
		if (map->entries[i].key)
			map->entries[n++] = map->entries[i];
	map->n_entries = n;
	for (size_t i = 0; i < n; i++)
		place(map, i);
	return 0;
}

int map_put(struct map *map, struct str key, void *value, void **old)
{
	uint64_t hash = hash_of(map, key);
	struct entry *e = find(map, key, hash);
	char *copy;

	if (old)
		*old = NULL;
	if (e) {
		if (old)
			*old = e->value;
		e->value = value;
		return 0;
	}
	if ((map->n_entries + 1) * 4 > map->n_slots * 3 && rebuild(map))
		return -1;
	if (vec_grow(&map->entries, &map->cap_entries, map->n_entries + 1, sizeof *map->entries))
		return -1;
	copy = mem_strndup(key.p, key.n);
	if (!copy)
		return -1;
	map->entries[map->n_entries] = (struct entry){ copy, key.n, hash, value };
	place(map, map->n_entries++);
	map->count++;
	return 0;
}

void *map_get(const struct map *map, struct str key)
{
	struct entry *e = find(map, key, hash_of(map, key));

	return e ? e->value : NULL;
}

void *map_remove(struct map *map, struct str key)
{
	struct entry *e = find(map, key, hash_of(map, key));

	if (!e)
		return NULL;
	mem_free(e->key);
	e->key = NULL;
	map->count--;
	return e->value;
}

size_t map_count(const struct map *map) { return map->count; }

bool map_next(const struct map *map, size_t *i, struct str *key, void **value)
{
	for (; *i < map->n_entries; (*i)++) {
		const struct entry *e = &map->entries[*i];

		if (!e->key)
			continue;
		if (key)
			*key = str_view(e->key, e->n);
		if (value)
			*value = e->value;
		(*i)++;
		return true;
	}
	return false;
}
