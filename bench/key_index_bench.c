/* bench/key_index_bench.c — rates of the key index: key_index_bench [million keys] [memory MB] [folder].
 *
 * Seconds are of processor time (user and system), so that a busy machine says little less than a quiet one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "lake/key_index.h"

#define SIGN ((uint64_t)1 << 63)

static struct err err;

static void need(int rc)
{
	if (rc) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
}

static int64_t now_us(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static double seconds(int64_t from) { return (double)(now_us() - from) / 1e6; }

static uint64_t scramble(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static struct lake_key key_at(uint64_t i, enum key_kind kind, bool sequence)
{
	if (kind == KEY_INT)
		return (struct lake_key){ 0, (sequence ? i : scramble(i)) ^ SIGN };
	return (struct lake_key){ scramble(i), scramble(i + 77) };
}

static void lookups(struct key_index *index, const char *what, enum key_kind kind, bool sequence, uint64_t n)
{
	enum { PART = 256 };
	uint64_t tries = n < 3000000 ? n : 3000000, hits = 0;
	struct lake_key keys[PART];
	uint32_t file[PART], pos[PART];
	bool found[PART];
	int64_t start = now_us();

	for (uint64_t i = 0; i < tries; i++)
		hits += key_index_get(index, key_at(scramble(i) % n, kind, sequence), file, pos);
	printf("  %-26s get       %6.2f M/s (%" PRIu64 " hits)\n", what, (double)tries / 1e6 / seconds(start), hits);
	start = now_us();
	hits = 0;
	for (uint64_t i = 0; i < tries; i += PART) {
		for (uint64_t k = 0; k < PART; k++)
			keys[k] = key_at(scramble(i + k) % n, kind, sequence);
		key_index_get_many(index, keys, PART, file, pos, found);
		for (uint64_t k = 0; k < PART; k++)
			hits += found[k];
	}
	printf("  %-26s get_many  %6.2f M/s\n", what, (double)tries / 1e6 / seconds(start));
}

static void one(const char *what, const char *dir, enum key_kind kind, bool sequence, uint64_t n, uint64_t memory)
{
	struct key_index *index;
	struct index_entry *entries;
	int64_t start;

	printf("%s\n", what);
	need(key_index_open(dir, kind, memory, &index, &err));
	start = now_us();
	for (uint64_t i = 0; i < n; i++)
		need(key_index_put(index, key_at(i, kind, sequence), 1, (uint32_t)i, &err));
	printf("  put, table growing                   %6.2f M/s\n", (double)n / 1e6 / seconds(start));
	start = now_us();
	for (uint64_t i = 0; i < n; i++)
		need(key_index_put(index, key_at(i, kind, sequence), 2, (uint32_t)i, &err));
	printf("  put again                            %6.2f M/s\n", (double)n / 1e6 / seconds(start));
	lookups(index, "as put", kind, sequence, n);
	start = now_us();
	need(key_index_seal(index, &err));
	need(key_index_maintain(index, 0, NULL, &err));
	printf("  seal and merge                       %6.2f s, %zu runs\n", seconds(start), key_index_runs(index));
	lookups(index, "merged", kind, sequence, n);
	printf("  bytes a key                          %6.2f\n",
	       (double)(key_index_disk_bytes(index) + key_index_memory_bytes(index) - key_index_hot_bytes(index)) / (double)n);
	need(key_index_clear(index, &err));
	entries = mem_alloc(n * sizeof *entries);
	if (!entries)
		exit(1);
	for (uint64_t i = 0; i < n; i++)
		entries[i] = (struct index_entry){ key_at(i, kind, sequence), 1, (uint32_t)i };
	start = now_us();
	need(key_index_add_run(index, entries, n, &err));
	printf("  add_run                              %6.2f M/s\n", (double)n / 1e6 / seconds(start));
	key_index_close(index);
}

int main(int argc, char **argv)
{
	uint64_t n = (argc > 1 ? strtoull(argv[1], NULL, 10) : 10) * 1000000, memory = (argc > 2 ? strtoull(argv[2], NULL, 10) : 512) << 20;
	const char *dir = argc > 3 ? argv[3] : NULL;

	one("integer keys in sequence", dir, KEY_INT, true, n, memory);
	one("integer keys at random", dir, KEY_INT, false, n, memory);
	one("wide keys", dir, KEY_HASH, false, n, memory);
	return 0;
}
