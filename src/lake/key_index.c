/* src/lake/key_index.c — the index as a whole: hash table in front, runs by age behind. */
#include "lake/key_index_int.h"

#include <stdio.h>

#include "base/env.h"
#include "base/mem.h"

enum { RUNS_HARD = 64, LOOKAHEAD = 64 };

#define MEMORY_MIN ((uint64_t)1 << 20)

/* Leftovers of an earlier process: a cache, filled again by the caller. */
static int remove_old_runs(const char *dir, struct err *err)
{
	char path[4096], **names;
	size_t n;
	int rc = env_list_dir(dir, &names, &n);

	if (rc < 0)
		return err_set_errno(err, ERR_IO, -rc, "listing the key index folder %s", dir);
	for (size_t i = 0; i < n && rc >= 0; i++) {
		if (!str_starts(str_of(names[i]), "run-") || !str_ends(str_of(names[i]), ".idx"))
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		rc = env_unlink(path);
		if (rc < 0)
			err_set_errno(err, ERR_IO, -rc, "removing the old key index file %s", path);
	}
	env_free_names(names, n);
	return rc < 0 ? ERR_IO : 0;
}

int key_index_open(const char *dir, enum key_kind kind, uint64_t memory_bytes, struct key_index **out, struct err *err)
{
	struct key_index *index = mem_zero(sizeof *index);
	int rc;

	*out = NULL;
	if (!index)
		return err_nomem(err);
	index->kind = kind;
	index->wide = kind != KEY_INT;
	/* Half for the table; sorting what it holds takes 7/10 of that again, growing it half. */
	key_hot_init(&index->hot, index->wide, (memory_bytes < MEMORY_MIN ? MEMORY_MIN : memory_bytes) / 2);
	if (dir) {
		index->dir = mem_strdup(dir);
		rc = index->dir ? env_mkdir_parents(dir, 0700) : 0;
		if (!index->dir || rc < 0) {
			key_index_close(index);
			return rc < 0 ? err_set_errno(err, ERR_IO, -rc, "making the key index folder %s", dir)
			              : err_nomem(err);
		}
		rc = remove_old_runs(dir, err);
		if (rc) {
			key_index_close(index);
			return rc;
		}
	}
	*out = index;
	return 0;
}

static void free_runs(struct key_index *index)
{
	key_merge_free(index->merge);
	index->merge = NULL;
	for (size_t i = 0; i < index->n_runs; i++)
		key_run_free(index->runs[i]);
	index->n_runs = 0;
}

void key_index_close(struct key_index *index)
{
	if (!index)
		return;
	free_runs(index);
	key_hot_free(&index->hot);
	mem_free(index->runs);
	mem_free(index->dropped);
	mem_free(index->dir);
	mem_free(index);
}

int key_index_clear(struct key_index *index, struct err *err)
{
	(void)err;
	free_runs(index);
	key_hot_free(&index->hot);
	index->n_dropped = 0;
	return 0;
}

int key_index_run_path(struct key_index *index, char *out, size_t out_size, struct err *err)
{
	int n = index->dir ? snprintf(out, out_size, "%s/run-%08u.idx", index->dir, index->next_file++) : 0;

	if (!index->dir)
		out[0] = 0;
	return n >= (int)out_size
	               ? err_set(err, ERR_LIMIT, "the path of the key index folder %s is too long", index->dir)
	               : 0;
}

/* --- runs --- */

/* Sorted, unique entries (borrowed) as the newest run. */
static int append_run(struct key_index *index, const void *entries, size_t n, struct err *err)
{
	struct key_run_builder *builder;
	struct key_run *run;
	char path[4096];
	int rc;

	if (n == 0)
		return 0;
	if (vec_grow(&index->runs, &index->cap_runs, index->n_runs + 1, sizeof *index->runs))
		return err_nomem(err);
	rc = key_index_run_path(index, path, sizeof path, err);
	if (!rc)
		rc = key_run_build(path, index->wide, n, key_head(entry_read(entries, 0, index->wide).key, index->wide),
		                   key_head(entry_read(entries, n - 1, index->wide).key, index->wide), &builder, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		struct index_entry e = entry_read(entries, i, index->wide);

		rc = key_run_add(builder, &e, err);
		if (rc) {
			key_run_abort(builder);
			return rc;
		}
	}
	rc = key_run_finish(builder, &run, err);
	if (!rc)
		index->runs[index->n_runs++] = run;
	return rc;
}

int key_index_seal(struct key_index *index, struct err *err)
{
	size_t bytes = index->hot.n * entry_bytes(index->wide);
	void *entries;
	int rc;

	if (index->hot.n == 0)
		return 0;
	entries = mem_alloc(bytes);
	if (!entries)
		return err_nomem(err);
	key_hot_copy(&index->hot, entries);
	/* The table is the second buffer of the sort: it is at least as large, and what it held is in entries. */
	key_entries_sort(entries, index->hot.slots, index->hot.n, index->wide);
	rc = append_run(index, entries, index->hot.n, err);
	if (rc) {
		size_t n = index->hot.n;

		key_hot_reset(&index->hot);
		for (size_t i = 0; i < n; i++) {
			struct index_entry e = entry_read(entries, i, index->wide);

			CHECK(key_hot_put(&index->hot, &e) == HOT_DONE); /* there was room */
		}
	} else {
		key_hot_reset(&index->hot);
	}
	mem_free(entries);
	return rc;
}

/* So many that lookups crawl (a table of very many small files was loaded): merged now. */
static int limit_runs(struct key_index *index, struct err *err)
{
	return index->n_runs > RUNS_HARD ? key_index_maintain(index, 0, NULL, err) : 0;
}

static int add_taken(struct key_index *index, struct index_entry *entries, size_t n, struct err *err)
{
	void *aux;
	bool sorted = true;
	int rc;

	if (n > RUN_ENTRIES_MAX)
		return err_set(err, ERR_LIMIT, "a key index run of %zu entries is above the limit", n);
	rc = key_index_seal(index, err); /* what was put before is older */
	if (rc || n == 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		struct index_entry e = entries[i];

		CHECK(e.file < KEY_FILE_MAX, "file number %u", e.file);
		sorted = sorted && (i == 0 || key_less(entry_read(entries, i - 1, index->wide).key, e.key));
		entry_write(entries, i, &e, index->wide); /* narrow entries pack to the front: i * 16 <= i * 24 */
	}
	if (!sorted) {
		aux = mem_alloc(n * entry_bytes(index->wide));
		if (!aux)
			return err_nomem(err);
		key_entries_sort(entries, aux, n, index->wide);
		mem_free(aux);
		n = key_entries_unique(entries, n, index->wide);
	}
	rc = append_run(index, entries, n, err);
	return rc ? rc : limit_runs(index, err);
}

int key_index_add_run(struct key_index *index, struct index_entry *entries, size_t n, struct err *err)
{
	int rc = add_taken(index, entries, n, err);

	mem_free(entries);
	return rc;
}

/* --- one key --- */

static int put_entry(struct key_index *index, const struct index_entry *entry, struct err *err)
{
	enum hot_result result = key_hot_put(&index->hot, entry);
	int rc;

	if (__builtin_expect(result == HOT_DONE, 1))
		return 0;
	if (result == HOT_FULL) {
		rc = key_index_seal(index, err);
		if (!rc)
			rc = limit_runs(index, err);
		if (rc)
			return rc;
		result = key_hot_put(&index->hot, entry);
	}
	return result == HOT_DONE ? 0 : err_nomem(err);
}

int key_index_put(struct key_index *index, struct lake_key key, uint32_t file, uint32_t pos, struct err *err)
{
	struct index_entry entry = { key, file, pos };

	CHECK(file < KEY_FILE_MAX, "file number %u", file);
	return put_entry(index, &entry, err);
}

/* An entry is an answer when it is not a tombstone and its file is still there. */
static inline bool answer(const struct key_index *index, const struct index_entry *e, uint32_t *file, uint32_t *pos)
{
	if (e->file == FILE_TOMBSTONE || key_file_dropped(index, e->file))
		return false;
	*file = e->file;
	*pos = e->pos;
	return true;
}

bool key_index_get(struct key_index *index, struct lake_key key, uint32_t *file, uint32_t *pos)
{
	struct index_entry e;
	uint64_t hash;

	if (key_hot_get(&index->hot, key, &e))
		return answer(index, &e, file, pos);
	hash = key_hash(key, index->wide);
	for (size_t i = index->n_runs; i-- > 0;)
		if (key_run_get(index->runs[i], key, hash, &e))
			return answer(index, &e, file, pos);
	return false;
}

/* Each step for all keys of the part: fetch, then test; so that memory answers for many at a time. */
static void get_part(struct key_index *index, const struct lake_key *keys, size_t n, uint32_t *file, uint32_t *pos,
                     bool *found)
{
	uint64_t hashes[LOOKAHEAD];
	size_t buckets[LOOKAHEAD];
	uint8_t open[LOOKAHEAD], maybe[LOOKAHEAD]; /* numbers of keys not answered yet; of those the run may hold */
	size_t n_open = 0;
	struct index_entry e;

	for (size_t i = 0; i < n; i++) {
		key_hot_prefetch(&index->hot, keys[i]);
		hashes[i] = key_hash(keys[i], index->wide);
		found[i] = false;
	}
	for (size_t i = 0; i < n; i++) {
		if (key_hot_get(&index->hot, keys[i], &e))
			found[i] = answer(index, &e, &file[i], &pos[i]);
		else
			open[n_open++] = (uint8_t)i;
	}
	for (size_t r = index->n_runs; r-- > 0 && n_open > 0;) {
		const struct key_run *run = index->runs[r];
		size_t n_maybe = 0, left = 0;

		for (size_t k = 0; k < n_open; k++)
			key_run_prefetch_bloom(run, hashes[open[k]]);
		for (size_t k = 0; k < n_open; k++)
			if (key_run_may_hold(run, keys[open[k]], hashes[open[k]]) &&
			    key_run_bucket(run, keys[open[k]], &buckets[open[k]]))
				maybe[n_maybe++] = open[k];
		for (size_t k = 0; k < n_maybe; k++) {
			const uint32_t *bucket = run->buckets + buckets[maybe[k]];

			__builtin_prefetch(run->entries +
			                   ((size_t)bucket[0] + bucket[1]) / 2 * entry_bytes(index->wide));
		}
		for (size_t k = 0, m = 0; k < n_open; k++) {
			uint8_t i = open[k];

			if (m < n_maybe && maybe[m] == i) {
				m++;
				if (key_run_search(run, keys[i], buckets[i], &e)) {
					found[i] = answer(index, &e, &file[i], &pos[i]);
					continue;
				}
			}
			open[left++] = i;
		}
		n_open = left;
	}
}

void key_index_get_many(struct key_index *index, const struct lake_key *keys, size_t n, uint32_t *file, uint32_t *pos,
                        bool *found)
{
	for (size_t i = 0; i < n; i += LOOKAHEAD)
		get_part(index, keys + i, n - i < LOOKAHEAD ? n - i : LOOKAHEAD, file + i, pos + i, found + i);
}

int key_index_remove(struct key_index *index, struct lake_key key, struct err *err)
{
	struct index_entry tombstone = { key, FILE_TOMBSTONE, 0 };
	uint64_t hash = key_hash(key, index->wide);

	for (size_t i = 0; i < index->n_runs; i++)
		if (key_run_may_hold(index->runs[i], key, hash))
			return put_entry(index, &tombstone, err);
	key_hot_remove(&index->hot, key);
	return 0;
}

int key_index_drop_file(struct key_index *index, uint32_t file, struct err *err)
{
	size_t word = file >> 6;

	CHECK(file < KEY_FILE_MAX, "file number %u", file);
	if (vec_grow(&index->dropped, &index->cap_dropped, word + 1, sizeof *index->dropped))
		return err_nomem(err);
	while (index->n_dropped <= word)
		index->dropped[index->n_dropped++] = 0;
	index->dropped[word] |= (uint64_t)1 << (file & 63);
	return 0;
}

/* --- inspection --- */

uint64_t key_index_count(const struct key_index *index)
{
	uint64_t n = index->hot.n;

	for (size_t i = 0; i < index->n_runs; i++)
		n += index->runs[i]->header->n;
	return n;
}

size_t key_index_runs(const struct key_index *index) { return index->n_runs; }
uint64_t key_index_hot_bytes(const struct key_index *index) { return index->hot.n_slots * entry_bytes(index->wide); }

static uint64_t run_bytes(const struct key_index *index, bool in_file)
{
	uint64_t n = 0;

	for (size_t i = 0; i < index->n_runs; i++)
		n += (index->runs[i]->path != NULL) == in_file ? index->runs[i]->bytes : 0;
	return n;
}

uint64_t key_index_memory_bytes(const struct key_index *index)
{
	return key_index_hot_bytes(index) + run_bytes(index, false);
}
uint64_t key_index_disk_bytes(const struct key_index *index) { return run_bytes(index, true); }
