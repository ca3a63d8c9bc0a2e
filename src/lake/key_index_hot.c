/* src/lake/key_index_hot.c — the hash table of keys put last.
 *
 * Four neighbouring keys share a home of four slots (one cache line of narrow entries): sequences, the usual keys,
 * then touch memory in order. */
#include "lake/key_index_int.h"

#include <sys/mman.h>

#include "base/mem.h"

enum { SLOTS_MIN = 1024, LOAD_TENTHS = 7 };

#define HUGE_BYTES ((size_t)4 << 20)

void key_hot_init(struct key_hot *hot, bool wide, uint64_t bytes_max)
{
	memset(hot, 0, sizeof *hot);
	hot->wide = wide;
	hot->slots_max = SLOTS_MIN;
	while (hot->slots_max * 2 * entry_bytes(wide) <= bytes_max)
		hot->slots_max *= 2;
}

void key_hot_free(struct key_hot *hot)
{
	mem_free(hot->slots);
	hot->slots = NULL;
	hot->n_slots = hot->n = 0;
}

KEY_INLINE uint32_t *slot_file(uint8_t *slots, size_t i, bool wide)
{
	return wide ? &((struct index_entry *)slots)[i].file : &((struct entry_narrow *)slots)[i].file;
}

static void slots_clear(uint8_t *slots, size_t n, bool wide)
{
	for (size_t i = 0; i < n; i++)
		*slot_file(slots, i, wide) = FILE_EMPTY;
}

void key_hot_reset(struct key_hot *hot)
{
	if (hot->slots)
		slots_clear(hot->slots, hot->n_slots, hot->wide);
	hot->n = 0;
}

KEY_INLINE size_t home(struct lake_key key, size_t mask, bool wide)
{
	uint64_t low = key.lo & 3;

	key.lo >>= 2;
	return (key_hash(key, wide) << 2 | low) & mask;
}

/* The slot of the key, or the free one where it belongs. */
KEY_INLINE size_t find(uint8_t *slots, size_t mask, struct lake_key key, bool wide)
{
	size_t i = home(key, mask, wide);

	for (;; i = (i + 1) & mask) {
		if (wide) {
			const struct index_entry *e = (const struct index_entry *)slots + i;

			if (e->file == FILE_EMPTY || lake_key_eq(e->key, key))
				return i;
		} else {
			const struct entry_narrow *e = (const struct entry_narrow *)slots + i;

			if (e->file == FILE_EMPTY || e->key == key.lo)
				return i;
		}
	}
}

/* false: no memory, the table is as before. */
static bool grow(struct key_hot *hot)
{
	size_t n_slots = hot->n_slots ? hot->n_slots * 2 : SLOTS_MIN, bytes = n_slots * entry_bytes(hot->wide);
	uint8_t *slots = mem_alloc(bytes);

	if (!slots)
		return false;
	if (bytes >= HUGE_BYTES) { /* random access: fewer misses of address translation; a hint only */
		uintptr_t from = ((uintptr_t)slots + 4095) & ~(uintptr_t)4095;

		(void)madvise((void *)from, ((uintptr_t)slots + bytes - from) & ~(size_t)4095, MADV_HUGEPAGE);
	}
	slots_clear(slots, n_slots, hot->wide);
	for (size_t i = 0; i < hot->n_slots; i++) {
		struct index_entry e = entry_read(hot->slots, i, hot->wide);

		if (e.file != FILE_EMPTY)
			entry_write(slots, find(slots, n_slots - 1, e.key, hot->wide), &e, hot->wide);
	}
	mem_free(hot->slots);
	hot->slots = slots;
	hot->n_slots = n_slots;
	return true;
}

KEY_INLINE enum hot_result put(struct key_hot *hot, const struct index_entry *entry, bool wide)
{
	size_t i;

	if (__builtin_expect((hot->n + 1) * 10 > hot->n_slots * LOAD_TENTHS, 0)) {
		/* At the limit a key that is there can still change. */
		if (hot->n_slots >= hot->slots_max) {
			i = find(hot->slots, hot->n_slots - 1, entry->key, wide);
			if (*slot_file(hot->slots, i, wide) == FILE_EMPTY)
				return HOT_FULL;
			entry_write(hot->slots, i, entry, wide);
			return HOT_DONE;
		}
		if (!grow(hot))
			return HOT_NOMEM;
	}
	i = find(hot->slots, hot->n_slots - 1, entry->key, wide);
	hot->n += *slot_file(hot->slots, i, wide) == FILE_EMPTY;
	entry_write(hot->slots, i, entry, wide);
	return HOT_DONE;
}

enum hot_result key_hot_put(struct key_hot *hot, const struct index_entry *entry)
{
	return hot->wide ? put(hot, entry, true) : put(hot, entry, false);
}

bool key_hot_get(const struct key_hot *hot, struct lake_key key, struct index_entry *out)
{
	size_t i;

	if (hot->n == 0)
		return false;
	i = hot->wide ? find(hot->slots, hot->n_slots - 1, key, true) : find(hot->slots, hot->n_slots - 1, key, false);
	*out = entry_read(hot->slots, i, hot->wide);
	return out->file != FILE_EMPTY;
}

void key_hot_prefetch(const struct key_hot *hot, struct lake_key key)
{
	if (hot->n)
		__builtin_prefetch(hot->slots + home(key, hot->n_slots - 1, hot->wide) * entry_bytes(hot->wide));
}

/* Entries behind the gap move up when their home allows it, so that no probe ends early. */
void key_hot_remove(struct key_hot *hot, struct lake_key key)
{
	size_t mask = hot->n_slots - 1, gap, i;

	if (hot->n == 0)
		return;
	gap = find(hot->slots, mask, key, hot->wide);
	if (*slot_file(hot->slots, gap, hot->wide) == FILE_EMPTY)
		return;
	hot->n--;
	for (i = (gap + 1) & mask;; i = (i + 1) & mask) {
		struct index_entry e = entry_read(hot->slots, i, hot->wide);

		if (e.file == FILE_EMPTY)
			break;
		if (((i - home(e.key, mask, hot->wide)) & mask) < ((i - gap) & mask))
			continue; /* its home lies behind the gap */
		entry_write(hot->slots, gap, &e, hot->wide);
		gap = i;
	}
	*slot_file(hot->slots, gap, hot->wide) = FILE_EMPTY;
}

size_t key_hot_copy(const struct key_hot *hot, void *out)
{
	size_t n = 0;

	for (size_t i = 0; i < hot->n_slots; i++) {
		struct index_entry e = entry_read(hot->slots, i, hot->wide);

		if (e.file != FILE_EMPTY)
			entry_write(out, n++, &e, hot->wide);
	}
	return n;
}
