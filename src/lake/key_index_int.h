/* src/lake/key_index_int.h — inside of the key index; only src/lake/key_index*.c include this.
 *
 * Entries are 16 bytes for KEY_INT { u64 key; u32 file; u32 pos } and 24 bytes else { u64 hi; u64 lo; u32 file; u32
 * pos } (struct index_entry), native byte order: a cache of this machine. The functions below take `wide` so that the
 * compiler makes two copies of each loop.
 *
 * A run, as a file or as one block of memory:
 *   0            struct run_header, padded to RUN_HEADER_BYTES
 *   entries      n entries, ascending by key, each key once
 *   buckets      u32[n_buckets + 1]: first entry whose (head - min) >> shift is >= i; head is the key's first 64 bits
 *   bloom        blocks of 64 bytes, 64-byte aligned; a key sets RUN_BLOOM_BITS bits in one block
 */
#ifndef TARN_LAKE_KEY_INDEX_INT_H
#define TARN_LAKE_KEY_INDEX_INT_H

#include "lake/key_index.h"

#define FILE_TOMBSTONE 0xffffffffu /* removed: hides older entries */
#define FILE_EMPTY 0xfffffffeu     /* a free slot of the hash table */

#define KEY_INLINE static inline __attribute__((always_inline))

/* Arrays are packed in place from the wide form to this one: both may alias. */
struct entry_narrow {
	uint64_t key;
	uint32_t file, pos;
} __attribute__((may_alias));

KEY_INLINE size_t entry_bytes(bool wide) { return wide ? sizeof(struct index_entry) : sizeof(struct entry_narrow); }

KEY_INLINE struct index_entry entry_read(const void *base, size_t i, bool wide)
{
	const struct entry_narrow *e;

	if (wide)
		return ((const struct index_entry *)base)[i];
	e = (const struct entry_narrow *)base + i;
	return (struct index_entry){ { 0, e->key }, e->file, e->pos };
}

KEY_INLINE void entry_write(void *base, size_t i, const struct index_entry *entry, bool wide)
{
	if (wide)
		((struct index_entry *)base)[i] = *entry;
	else
		((struct entry_narrow *)base)[i] = (struct entry_narrow){ entry->key.lo, entry->file, entry->pos };
}

/* The 64 bits runs are bucketed by. */
KEY_INLINE uint64_t key_head(struct lake_key key, bool wide) { return wide ? key.hi : key.lo; }
KEY_INLINE bool key_less(struct lake_key a, struct lake_key b) { return a.hi != b.hi ? a.hi < b.hi : a.lo < b.lo; }

static inline uint64_t key_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	return x ^ x >> 32;
}

KEY_INLINE uint64_t key_hash(struct lake_key key, bool wide)
{
	return key_mix(wide ? key.lo ^ (key.hi << 29 | key.hi >> 35) : key.lo);
}

/* --- key_index_hot.c: the hash table. Open addressing, linear probing. --- */
struct key_hot {
	uint8_t *slots; /* NULL: nothing yet */
	size_t n_slots; /* power of two */
	size_t n;       /* used, tombstones included */
	size_t slots_max;
	bool wide;
};

void key_hot_init(struct key_hot *hot, bool wide, uint64_t bytes_max);
void key_hot_free(struct key_hot *hot);  /* then as after init */
void key_hot_reset(struct key_hot *hot); /* empty, memory kept */
enum hot_result { HOT_DONE, HOT_FULL, HOT_NOMEM };
enum hot_result key_hot_put(struct key_hot *hot, const struct index_entry *entry);
bool key_hot_get(const struct key_hot *hot, struct lake_key key, struct index_entry *out); /* tombstones are found */
void key_hot_remove(struct key_hot *hot, struct lake_key key);                             /* without a trace */
void key_hot_prefetch(const struct key_hot *hot, struct lake_key key);
/* all n entries, in no order */
size_t key_hot_copy(const struct key_hot *hot, void *out);

/* --- key_index_sort.c --- */
/* Stable, by key; aux has the same size; the result is in entries. */
void key_entries_sort(void *entries, void *aux, size_t n, bool wide);
/* Of equal keys only the last one stays; returns how many. */
size_t key_entries_unique(void *entries, size_t n, bool wide);

/* --- key_index_run.c --- */
#define RUN_MAGIC "TARNKIX1"
#define RUN_VERSION 1
#define RUN_HEADER_BYTES 4096
#define RUN_BLOOM_BITS 6
#define RUN_ENTRIES_MAX 0xfffffff0u

struct run_header {
	char magic[8];
	uint32_t version, wide;
	uint64_t n, min, max; /* heads of the first and last key */
	uint64_t bytes;       /* of the whole run */
	uint64_t buckets_at, bloom_at;
	uint64_t n_buckets, n_blocks;
	uint32_t shift;
	uint32_t entries_crc; /* CRC-32C of the entries; checked when they are merged */
	uint32_t reserved;
	uint32_t crc; /* CRC-32C of the header up to here */
};

struct key_run {
	const struct run_header *header;
	const uint8_t *image;
	const uint8_t *entries;
	const uint32_t *buckets;
	const uint64_t *bloom;
	uint64_t bytes;
	char *path; /* NULL: in memory */
	bool wide;
};

void key_run_free(struct key_run *run); /* unmaps and removes the file; NULL allowed */
bool key_run_get(const struct key_run *run, struct lake_key key, uint64_t hash, struct index_entry *out);
bool key_run_may_hold(const struct key_run *run, struct lake_key key, uint64_t hash);
void key_run_prefetch_bloom(const struct key_run *run, uint64_t hash);
/* The bucket of a key that may be there: entries [*from, *to); false: outside the run. */
bool key_run_bucket(const struct key_run *run, struct lake_key key, size_t *bucket);
bool key_run_search(const struct key_run *run, struct lake_key key, size_t bucket, struct index_entry *out);

/* Makes a run of ascending entries. */
struct key_run_builder;
int key_run_build(const char *path /* NULL: memory */, bool wide, uint64_t n_max, uint64_t min, uint64_t max,
                  struct key_run_builder **out, struct err *err) TARN_MUST_CHECK;
int key_run_add(struct key_run_builder *b, const struct index_entry *entry, struct err *err) TARN_MUST_CHECK;
/* frees b; *out NULL when no entry was added */
int key_run_finish(struct key_run_builder *b, struct key_run **out, struct err *err) TARN_MUST_CHECK;
void key_run_abort(struct key_run_builder *b); /* NULL allowed */

/* --- key_index_merge.c --- */
struct key_merge;

struct key_index {
	enum key_kind kind;
	bool wide;
	char *dir;          /* NULL: memory */
	uint32_t next_file; /* of the next run's name */
	struct key_hot hot;
	struct key_run **runs; /* oldest first */
	size_t n_runs, cap_runs;
	uint64_t *dropped;             /* bit per file number */
	size_t n_dropped, cap_dropped; /* words */
	struct key_merge *merge;       /* NULL: none under way */
};

static inline bool key_file_dropped(const struct key_index *index, uint32_t file)
{
	return file >> 6 < index->n_dropped && index->dropped[file >> 6] >> (file & 63) & 1;
}

void key_merge_free(struct key_merge *merge); /* NULL allowed */
/* "" for memory */
int key_index_run_path(struct key_index *index, char *out, size_t out_size, struct err *err) TARN_MUST_CHECK;

#endif
