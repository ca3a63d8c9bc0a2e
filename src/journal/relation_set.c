/* src/journal/relation_set.c — relations by a 32-bit number. */
#include "journal/relation_set.h"

#include "base/mem.h"

void journal_relations_free(struct relation_set *set)
{
	for (size_t i = 0; i < set->cap; i++)
		relation_unref(set->entries[i].rel);
	mem_free(set->entries);
	*set = (struct relation_set){ NULL, 0, 0 };
}

/* The slot of key, or the free one where it would go. */
static struct relation_entry *slot(struct relation_entry *entries, size_t cap, uint32_t key)
{
	size_t at = (key * (uint64_t)0x9E3779B97F4A7C15) >> 32 & (cap - 1);

	while (entries[at].rel && entries[at].key != key)
		at = (at + 1) & (cap - 1);
	return &entries[at];
}

struct relation_entry *journal_relations_find(const struct relation_set *set, uint32_t key)
{
	struct relation_entry *e = set->cap ? slot(set->entries, set->cap, key) : NULL;

	return e && e->rel ? e : NULL;
}

static int grow(struct relation_set *set)
{
	size_t cap = set->cap ? set->cap * 2 : 64;
	struct relation_entry *entries = mem_array(cap, sizeof *entries);

	if (!entries)
		return -1;
	for (size_t i = 0; i < set->cap; i++)
		if (set->entries[i].rel)
			*slot(entries, cap, set->entries[i].key) = set->entries[i];
	mem_free(set->entries);
	set->entries = entries;
	set->cap = cap;
	return 0;
}

struct relation_entry *journal_relations_put(struct relation_set *set, uint32_t key, struct relation *rel, uint64_t pos)
{
	struct relation_entry *e = journal_relations_find(set, key);

	if (!e) {
		if ((set->n + 1) * 4 > set->cap * 3 && grow(set))
			return NULL;
		e = slot(set->entries, set->cap, key);
		set->n++;
	} else {
		relation_unref(e->rel);
	}
	*e = (struct relation_entry){ key, rel, pos };
	return e;
}
