/* src/journal/relation_set.h — relations by a 32-bit number: the writer's by id, a reader's by version. Private to
 * journal/. Holds a reference on each. */
#ifndef TARN_JOURNAL_RELATION_SET_H
#define TARN_JOURNAL_RELATION_SET_H

#include "event/relation.h"

struct relation_entry {
	uint32_t key;
	struct relation *rel; /* NULL: free slot */
	uint64_t pos;         /* writer: of its record; RELATION_UNSTORED: to be written before the next change */
};

#define RELATION_UNSTORED UINT64_MAX

struct relation_set {
	struct relation_entry *entries; /* open addressing, power of two */
	size_t cap, n;
};

void journal_relations_free(struct relation_set *set);
struct relation_entry *journal_relations_find(const struct relation_set *set, uint32_t key);
/* Takes over the caller's reference; replaces the relation of the same key. NULL: no memory (the reference stays the
 * caller's). */
struct relation_entry *journal_relations_put(struct relation_set *set, uint32_t key, struct relation *rel,
                                             uint64_t pos);

#endif
