/* tests/unit/lake/test_lake_key_index.c — random operations against plain arrays; failing allocations and writes; damaged files. TARN_SEED repeats a run. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/env.h"
#include "base/mem.h"
#include "lake/key_index.h"

enum { KEYS = 60000, FILES = 200 };

#define SIGN ((uint64_t)1 << 63)

static struct err err;
static char folder[64];

/* What the index must say. */
static struct { uint32_t file, pos; bool here; } model[KEYS];
static bool gone[FILES];

static uint64_t random_state;

static uint64_t draw(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Exact keys: dense ones, sparse ones and the ends of the range. Wide ones: many that agree in one half. */
static struct lake_key key_of(size_t i, enum key_kind kind)
{
	uint64_t narrow = i % 3 == 0 ? i : i % 3 == 1 ? i * UINT64_C(0x9e3779b97f4a7c15) : (uint64_t)0 - i;

	if (i == 2)
		narrow = UINT64_MAX;
	if (kind == KEY_INT)
		return (struct lake_key){ 0, narrow };
	return (struct lake_key){ i % 2 ? i / 500 : narrow, i % 2 ? narrow : i % 7 * SIGN };
}

static bool expected(size_t i) { return model[i].here && !gone[model[i].file]; }

static void check_one(struct key_index *index, size_t i, enum key_kind kind)
{
	uint32_t file = 0, pos = 0;
	bool found = key_index_get(index, key_of(i, kind), &file, &pos);

	if (found != expected(i) || (found && (file != model[i].file || pos != model[i].pos)))
		fail_msg("key %zu: %s %u/%u, expected %s %u/%u", i, found ? "found" : "absent", file, pos, expected(i) ? "found" : "absent", model[i].file, model[i].pos);
}

static void check_all(struct key_index *index, enum key_kind kind)
{
	static struct lake_key keys[KEYS];
	static uint32_t file[KEYS], pos[KEYS];
	static bool found[KEYS];

	for (size_t i = 0; i < KEYS; i++) {
		keys[i] = key_of(i, kind);
		check_one(index, i, kind);
	}
	key_index_get_many(index, keys, KEYS, file, pos, found);
	for (size_t i = 0; i < KEYS; i++) {
		assert_int_equal(found[i], expected(i));
		if (found[i]) {
			assert_int_equal(file[i], model[i].file);
			assert_int_equal(pos[i], model[i].pos);
		}
	}
}

static uint32_t live_file(void)
{
	uint32_t f;

	do
		f = (uint32_t)(draw() % FILES);
	while (gone[f]);
	return f;
}

static void add_run(struct key_index *index, enum key_kind kind)
{
	size_t n = draw() % 3000;
	struct index_entry *entries = mem_array(n + 1, sizeof *entries);
	size_t key = draw() % KEYS;

	for (size_t k = 0; k < n; k++) {
		key = draw() & 1 ? (key + 3) % KEYS : draw() % KEYS;
		model[key].file = live_file();
		model[key].pos = (uint32_t)draw();
		model[key].here = true;
		entries[k] = (struct index_entry){ key_of(key, kind), model[key].file, model[key].pos };
	}
	assert_int_equal(key_index_add_run(index, entries, n, &err), 0);
}

static void run_model(enum key_kind kind, const char *dir, size_t operations, uint64_t memory)
{
	struct key_index *index;
	size_t dropped = 0;

	memset(model, 0, sizeof model);
	memset(gone, 0, sizeof gone);
	assert_int_equal(key_index_open(dir, kind, memory, &index, &err), 0);
	for (size_t op = 0; op < operations; op++) {
		size_t i = draw() % KEYS;
		unsigned what = (unsigned)(draw() % 10000);

		if (what < 5000) {
			model[i].file = live_file();
			model[i].pos = (uint32_t)draw();
			model[i].here = true;
			assert_int_equal(key_index_put(index, key_of(i, kind), model[i].file, model[i].pos, &err), 0);
		} else if (what < 7000) {
			model[i].here = false;
			assert_int_equal(key_index_remove(index, key_of(i, kind), &err), 0);
			check_one(index, i, kind);
		} else if (what < 9900) {
			check_one(index, i, kind);
		} else if (what < 9950) {
			assert_int_equal(key_index_maintain(index, 1 + draw() % 5000, NULL, &err), 0);
		} else if (what < 9990) {
			assert_int_equal(key_index_seal(index, &err), 0);
		} else if (what < 9995) {
			add_run(index, kind);
		} else if (what < 9997 && dropped < FILES / 2) {
			uint32_t f = live_file();

			gone[f] = true;
			dropped++;
			assert_int_equal(key_index_drop_file(index, f, &err), 0);
		} else if (what == 9999 && draw() % 20 == 0) {
			assert_int_equal(key_index_clear(index, &err), 0);
			memset(model, 0, sizeof model);
			memset(gone, 0, sizeof gone);
			dropped = 0;
			assert_int_equal(key_index_count(index), 0);
		}
		if (op % 200000 == 0)
			check_all(index, kind);
	}
	check_all(index, kind);
	assert_int_equal(key_index_seal(index, &err), 0);
	assert_int_equal(key_index_maintain(index, 0, NULL, &err), 0);
	assert_true(key_index_runs(index) <= KEY_RUNS_TARGET);
	check_all(index, kind);
	key_index_close(index);
}

static void test_model_narrow(void **state)
{
	(void)state;
	run_model(KEY_INT, NULL, 700000, 1 << 20);
}

static void test_model_wide(void **state)
{
	(void)state;
	run_model(KEY_HASH, NULL, 300000, 1 << 20);
}

static void test_model_files(void **state)
{
	char **names;
	size_t n;

	(void)state;
	run_model(KEY_INT, folder, 200000, 1 << 20);
	run_model(KEY_UUID, folder, 100000, 1 << 20);
	assert_int_equal(env_list_dir(folder, &names, &n), 0);
	assert_int_equal(n, 0); /* close removes the files */
	env_free_names(names, n);
}

static void fill(struct key_index *index, uint64_t from, uint64_t to, uint32_t file)
{
	for (uint64_t i = from; i < to; i++)
		assert_int_equal(key_index_put(index, (struct lake_key){ 0, i ^ SIGN }, file, (uint32_t)i, &err), 0);
}

static void expect_at(struct key_index *index, uint64_t i, uint32_t want)
{
	uint32_t file, pos;

	assert_true(key_index_get(index, (struct lake_key){ 0, i ^ SIGN }, &file, &pos));
	assert_int_equal(file, want);
	assert_int_equal(pos, (uint32_t)i);
}

/* The newest entry lies in a dropped file: absent, also when a merge has thrown it away while an older run still holds the key. */
static void test_dropped_file_hides(void **state)
{
	struct key_index *index;
	uint32_t file, pos;

	(void)state;
	assert_int_equal(key_index_open(NULL, KEY_INT, 0, &index, &err), 0);
	fill(index, 0, 100000, 1);
	assert_int_equal(key_index_seal(index, &err), 0);
	for (uint32_t f = 2; f < 6; f++) {
		fill(index, 0, 10, f);
		assert_int_equal(key_index_seal(index, &err), 0);
	}
	assert_int_equal(key_index_drop_file(index, 5, &err), 0);
	assert_false(key_index_get(index, (struct lake_key){ 0, SIGN }, &file, &pos));
	assert_int_equal(key_index_maintain(index, 0, NULL, &err), 0); /* the small four become one, without the large one */
	assert_true(key_index_runs(index) >= 2);
	assert_false(key_index_get(index, (struct lake_key){ 0, SIGN }, &file, &pos));
	expect_at(index, 10, 1);
	key_index_close(index);
}

/* A merge that begins with the oldest run leaves out what no get can answer: dropped files, tombstones, hidden entries. */
static void test_merge_gives_space_back(void **state)
{
	struct key_index *index;

	(void)state;
	assert_int_equal(key_index_open(NULL, KEY_INT, 0, &index, &err), 0);
	for (uint32_t f = 0; f < 4; f++) {
		fill(index, f * 1000, f * 1000 + 1000, f);
		if (f == 3)
			for (uint64_t i = 0; i < 10; i++)
				assert_int_equal(key_index_remove(index, (struct lake_key){ 0, i ^ SIGN }, &err), 0);
		assert_int_equal(key_index_seal(index, &err), 0);
	}
	assert_int_equal(key_index_drop_file(index, 2, &err), 0);
	assert_int_equal(key_index_count(index), 4010);
	assert_int_equal(key_index_maintain(index, 0, NULL, &err), 0);
	assert_int_equal(key_index_count(index), 2990);
	key_index_close(index);
}

/* Removal from the hash table leaves no trace: puts and removes with no run behind, in a table that is nearly full. */
static void test_hash_table_alone(void **state)
{
	struct key_index *index;

	(void)state;
	for (int wide = 0; wide < 2; wide++) {
		enum key_kind kind = wide ? KEY_HASH : KEY_INT;

		memset(model, 0, sizeof model);
		memset(gone, 0, sizeof gone);
		assert_int_equal(key_index_open(NULL, kind, 64 << 20, &index, &err), 0);
		for (size_t op = 0; op < 300000; op++) {
			size_t i = draw() % 1000;

			if (draw() % 3) {
				model[i].file = (uint32_t)(draw() % FILES);
				model[i].pos = (uint32_t)op;
				model[i].here = true;
				assert_int_equal(key_index_put(index, key_of(i, kind), model[i].file, model[i].pos, &err), 0);
			} else {
				size_t live = 0;

				model[i].here = false;
				assert_int_equal(key_index_remove(index, key_of(i, kind), &err), 0);
				for (size_t k = 0; op % 50 == 0 && k < 1000; k++) {
					check_one(index, k, kind);
					live += model[k].here;
				}
				if (op % 50 == 0)
					assert_int_equal(key_index_count(index), live);
			}
		}
		assert_int_equal(key_index_runs(index), 0);
		key_index_close(index);
	}
}

static void test_bounded_work(void **state)
{
	struct key_index *index;
	size_t calls = 0;
	bool more;

	(void)state;
	assert_int_equal(key_index_open(folder, KEY_INT, 0, &index, &err), 0);
	for (uint32_t f = 0; f < 5; f++) {
		fill(index, f * 1000, f * 1000 + 3000, f);
		assert_int_equal(key_index_seal(index, &err), 0);
	}
	assert_int_equal(key_index_runs(index), 5);
	do {
		assert_int_equal(key_index_maintain(index, 1000, &more, &err), 0);
		calls++;
		expect_at(index, 2500, 2);
	} while (more);
	assert_int_equal(calls, 15); /* 5 * 3000 entries, the last call ends the merge */
	assert_int_equal(key_index_runs(index), 1);
	assert_int_equal(key_index_count(index), 7000);
	assert_true(key_index_disk_bytes(index) < 7000 * 18 + 2 * 4096 + 15000 * 2);
	key_index_close(index);
}

/* 16 bytes a key in the entries, about 18 with the tables. */
static void test_size(void **state)
{
	enum { N = 500000 };
	struct key_index *index;
	struct index_entry *entries = mem_array(N, sizeof *entries);

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		entries[i] = (struct index_entry){ { 0, (uint64_t)i * 3 ^ SIGN }, 7, i };
	assert_int_equal(key_index_open(NULL, KEY_INT, 0, &index, &err), 0);
	assert_int_equal(key_index_add_run(index, entries, N, &err), 0);
	assert_true(key_index_memory_bytes(index) < N * 18);
	assert_int_equal(key_index_count(index), N);
	key_index_close(index);
}

/* --- failures --- */

static long fail_at, calls_seen;

static void *failing_alloc(size_t n) { return ++calls_seen == fail_at ? NULL : env_os.alloc(n); }
static void *failing_realloc(void *p, size_t n) { return ++calls_seen == fail_at ? NULL : env_os.realloc(p, n); }
static ssize_t failing_pwrite(int fd, const void *buf, size_t n, uint64_t offset)
{
	return ++calls_seen == fail_at ? -ENOSPC : env_os.pwrite(fd, buf, n, offset);
}

/* One script of operations with the fail_at-th call failing. Each operation either happened or did not, and says so. Returns true when nothing failed. */
static bool script(const char *dir, int want)
{
	struct key_index *index;
	struct index_entry *entries;
	bool clean = true;
	int rc = key_index_open(dir, KEY_INT, 0, &index, &err);

	memset(model, 0, sizeof model);
	memset(gone, 0, sizeof gone);
	if (rc) {
		assert_int_equal(rc, want);
		return false;
	}
	for (uint32_t i = 0; i < 30000 && clean; i++) {
		size_t key = i * 7 % 25000;

		rc = i % 5 == 4 ? key_index_remove(index, key_of(key, KEY_INT), &err) : key_index_put(index, key_of(key, KEY_INT), i % 9, i, &err);
		clean = rc == 0;
		if (!rc) {
			model[key].here = i % 5 != 4;
			model[key].file = i % 9;
			model[key].pos = i;
		}
		if (!rc && i % 3000 == 2999) {
			rc = key_index_seal(index, &err);
			clean = rc == 0;
		}
	}
	if (clean) {
		rc = key_index_maintain(index, 0, NULL, &err);
		clean = rc == 0;
	}
	entries = clean ? mem_alloc(2 * sizeof *entries) : NULL;
	if (entries) {
		entries[0] = (struct index_entry){ key_of(30001, KEY_INT), 3, 30001 };
		entries[1] = (struct index_entry){ key_of(30000, KEY_INT), 3, 30000 };
		rc = key_index_add_run(index, entries, 2, &err);
		clean = rc == 0;
		if (!rc) {
			for (size_t k = 30000; k < 30002; k++) {
				model[k].here = true;
				model[k].file = 3;
				model[k].pos = (uint32_t)k;
			}
		}
	} else if (clean) {
		clean = false;
		rc = want;
	}
	if (clean) {
		rc = key_index_drop_file(index, 5, &err);
		clean = rc == 0;
		gone[5] = rc == 0;
	}
	if (!clean)
		assert_int_equal(rc, want);
	for (size_t i = 0; i < KEYS; i += 3)
		check_one(index, i, KEY_INT);
	key_index_close(index);
	return clean;
}

static void test_no_memory(void **state)
{
	struct env_ops ops = env_os;

	(void)state;
	ops.alloc = failing_alloc;
	ops.realloc = failing_realloc;
	for (int dir = 0; dir < 2; dir++) {
		bool clean = false;

		for (fail_at = 1; !clean && fail_at < 3000; fail_at++) {
			calls_seen = 0;
			env_install(&ops);
			clean = script(dir ? folder : NULL, ERR_NOMEM);
			env_install(NULL);
		}
		assert_true(clean);
		assert_true(fail_at > 10);
	}
}

static void test_disk_full(void **state)
{
	struct env_ops ops = env_os;
	bool clean = false;
	char **names;
	size_t n;

	(void)state;
	ops.pwrite = failing_pwrite;
	for (fail_at = 1; !clean && fail_at < 3000; fail_at++) {
		calls_seen = 0;
		env_install(&ops);
		clean = script(folder, ERR_DISK_FULL);
		env_install(NULL);
	}
	assert_true(clean);
	assert_true(fail_at > 10);
	assert_int_equal(env_list_dir(folder, &names, &n), 0);
	assert_int_equal(n, 0);
	env_free_names(names, n);
}

static void test_damaged_file(void **state)
{
	struct key_index *index;
	char **names, path[256];
	size_t n;
	int fd;

	(void)state;
	assert_int_equal(key_index_open(folder, KEY_INT, 0, &index, &err), 0);
	for (uint32_t f = 0; f < 4; f++) {
		fill(index, f * 10000, f * 10000 + 9000, f);
		assert_int_equal(key_index_seal(index, &err), 0);
	}
	assert_int_equal(env_list_dir(folder, &names, &n), 0);
	assert_int_equal(n, 4);
	snprintf(path, sizeof path, "%s/%s", folder, names[2]);
	fd = env_open(path, O_RDWR, 0);
	assert_int_equal(env_pwrite(fd, "\x55", 1, 4096 + 5000 * 16 + 9), 0);
	env_close(fd);
	env_free_names(names, n);
	assert_int_equal(key_index_maintain(index, 0, NULL, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.text, path));
	expect_at(index, 5, 0);
	key_index_close(index);
	/* Leftovers of a killed process go at the next open; other files stay. */
	snprintf(path, sizeof path, "%s/run-00000007.idx", folder);
	assert_int_equal(env_write_file_atomic(path, "x", 1, 0600), 0);
	assert_int_equal(key_index_open(folder, KEY_INT, 0, &index, &err), 0);
	assert_int_equal(env_list_dir(folder, &names, &n), 0);
	assert_int_equal(n, 0);
	env_free_names(names, n);
	key_index_close(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model_narrow), cmocka_unit_test(test_model_wide), cmocka_unit_test(test_model_files), cmocka_unit_test(test_dropped_file_hides),
		cmocka_unit_test(test_merge_gives_space_back), cmocka_unit_test(test_hash_table_alone), cmocka_unit_test(test_bounded_work), cmocka_unit_test(test_size), cmocka_unit_test(test_no_memory), cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_damaged_file),
	};
	int rc;

	random_state = getenv("TARN_SEED") ? strtoull(getenv("TARN_SEED"), NULL, 10) : (uint64_t)env_wall_us();
	printf("TARN_SEED=%llu\n", (unsigned long long)random_state);
	snprintf(folder, sizeof folder, "/tmp/tarn-key-index-%lld", (long long)env_wall_us());
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	env_remove_tree(folder);
	return rc;
}
