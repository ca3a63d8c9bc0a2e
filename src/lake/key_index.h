/* src/lake/key_index.h — where each key's row lies: key -> (file number, position).
 *
 * Two levels. A hash table in memory holds what was put last; when its share of memory is full (or at key_index_seal)
 * it becomes an immutable run: entries sorted by key, behind them a bucket table and a Bloom filter, in one file of
 * the cache folder mapped into memory (dir given) or in one block (dir NULL). Runs are ordered by age and the newest
 * answer wins, so a put hides older ones and a remove leaves a tombstone where a run may hold the key.
 * key_index_maintain merges runs of similar size. A key costs about 18 bytes in a run (KEY_INT) or 26.
 *
 * A cache, never the truth: what is in it follows from the data files' key columns and deletion vectors.
 * key_index_open empties the folder, nothing is synced, and the caller fills the index again with key_index_add_run
 * (one call a data file). After ERR_CORRUPT or ERR_IO of any call close it and build it again. File numbers are the
 * caller's, below KEY_FILE_MAX, and are never used again after key_index_drop_file. Positions are below 2^32. One
 * thread at a time. */
#ifndef TARN_LAKE_KEY_INDEX_H
#define TARN_LAKE_KEY_INDEX_H

#include "lake/key.h"

#define KEY_FILE_MAX 0xfffffff0u

struct key_index;

struct index_entry {
	struct lake_key key;
	uint32_t file;
	uint32_t pos;
} __attribute__((may_alias));

/* dir: made when missing, emptied of old runs; NULL: runs stay in memory. memory_bytes: the most the hash table with
 * its sorting takes (at least 1 MiB is used); runs in memory come on top. */
int key_index_open(const char *dir, enum key_kind kind, uint64_t memory_bytes, struct key_index **out,
                   struct err *err) TARN_MUST_CHECK;
void key_index_close(struct key_index *index); /* removes the run files; NULL allowed */

/* Newest wins. On error nothing changed. */
int key_index_put(struct key_index *index, struct lake_key key, uint32_t file, uint32_t pos,
                  struct err *err) TARN_MUST_CHECK;
bool key_index_get(struct key_index *index, struct lake_key key, uint32_t *file, uint32_t *pos);
/* The same for many keys, several times faster (memory is fetched ahead): found[i] says whether file[i], pos[i] are
 * set. */
void key_index_get_many(struct key_index *index, const struct lake_key *keys, size_t n, uint32_t *file, uint32_t *pos,
                        bool *found);
/* Afterwards get says absent, until the next put. Removing a missing key is fine. */
int key_index_remove(struct key_index *index, struct lake_key key, struct err *err) TARN_MUST_CHECK;

/* The hash table becomes a run (nothing when empty). */
int key_index_seal(struct key_index *index, struct err *err) TARN_MUST_CHECK;
/* Bulk load: entries (mem_alloc'ed, taken also on error) count as put now, one after the other; any order. n 0 is fine. */
int key_index_add_run(struct key_index *index, struct index_entry *entries, size_t n, struct err *err) TARN_MUST_CHECK;
/* No get answers with this file any more: a key whose newest entry lies there is absent. Cheap; the space comes back
 * with merges. */
int key_index_drop_file(struct key_index *index, uint32_t file, struct err *err) TARN_MUST_CHECK;
int key_index_clear(struct key_index *index, struct err *err) TARN_MUST_CHECK; /* as after open */

/* Merges runs so that few remain (below KEY_RUNS_TARGET when it has caught up). Does about `entries_max` entries of
 * work and goes on with the next call; 0: until there is nothing to do. *more (may be NULL): call again. */
#define KEY_RUNS_TARGET 8
int key_index_maintain(struct key_index *index, uint64_t entries_max, bool *more, struct err *err) TARN_MUST_CHECK;

/* Inspection. count: entries held, the hidden and the dropped ones included: never less than the number of keys. */
uint64_t key_index_count(const struct key_index *index);
size_t key_index_runs(const struct key_index *index);
uint64_t key_index_hot_bytes(const struct key_index *index);    /* the hash table */
uint64_t key_index_memory_bytes(const struct key_index *index); /* the hash table and runs in memory */
uint64_t key_index_disk_bytes(const struct key_index *index);

#endif
