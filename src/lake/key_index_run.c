/* src/lake/key_index_run.c — immutable sorted runs: made once, read through a mapping or in memory. */
#include "lake/key_index_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/crc.h"
#include "base/env.h"
#include "base/mem.h"

enum { BLOOM_BITS_PER_KEY = 10, BLOCK_BYTES = 64, BLOCK_BITS = 512, ENTRIES_PER_BUCKET = 8, WRITE_BYTES = 1 << 20 };

struct key_run_builder {
	bool in_file;
	char *path; /* NULL: memory */
	int fd;
	bool wide;
	struct run_header header;
	uint8_t *image;   /* memory: the whole run; file: NULL */
	uint8_t *pending; /* file: entries not written yet; memory: where entries lie in the image */
	size_t n_pending; /* file: entries in pending */
	uint8_t *tables;  /* buckets and bloom; in the image for memory */
	uint32_t *buckets;
	uint64_t *bloom;
	uint64_t next_bucket;
	uint64_t last_head;
};

static uint64_t round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

/* --- reading --- */

KEY_INLINE const uint64_t *bloom_block(const struct key_run *run, uint64_t hash)
{
	return run->bloom + ((hash >> 32) * run->header->n_blocks >> 32) * (BLOCK_BYTES / 8);
}

void key_run_prefetch_bloom(const struct key_run *run, uint64_t hash) { __builtin_prefetch(bloom_block(run, hash)); }

/* Six 9-bit numbers; another product, because the block was chosen by the hash's own high bits. */
KEY_INLINE uint64_t bloom_bits(uint64_t hash) { return (hash * UINT64_C(0x9e3779b97f4a7c15)) >> 9; }

static bool bloom_test(const uint64_t *block, uint64_t hash)
{
	uint64_t bits = bloom_bits(hash);

	for (int i = 0; i < RUN_BLOOM_BITS; i++, bits >>= 9)
		if (!(block[bits >> 6 & 7] >> (bits & 63) & 1))
			return false;
	return true;
}

static void bloom_set(uint64_t *block, uint64_t hash)
{
	uint64_t bits = bloom_bits(hash);

	for (int i = 0; i < RUN_BLOOM_BITS; i++, bits >>= 9)
		block[bits >> 6 & 7] |= (uint64_t)1 << (bits & 63);
}

bool key_run_may_hold(const struct key_run *run, struct lake_key key, uint64_t hash)
{
	uint64_t head = key_head(key, run->wide);

	return head >= run->header->min && head <= run->header->max && bloom_test(bloom_block(run, hash), hash);
}

bool key_run_bucket(const struct key_run *run, struct lake_key key, size_t *bucket)
{
	uint64_t head = key_head(key, run->wide);

	if (head < run->header->min || head > run->header->max)
		return false;
	*bucket = (size_t)((head - run->header->min) >> run->header->shift);
	__builtin_prefetch(run->buckets + *bucket);
	return true;
}

KEY_INLINE bool search(const struct key_run *run, struct lake_key key, size_t bucket, struct index_entry *out,
                       bool wide)
{
	size_t from = run->buckets[bucket], to = run->buckets[bucket + 1], end = to;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (key_less(entry_read(run->entries, mid, wide).key, key))
			from = mid + 1;
		else
			to = mid;
	}
	if (from == end)
		return false;
	*out = entry_read(run->entries, from, wide);
	return lake_key_eq(out->key, key);
}

bool key_run_search(const struct key_run *run, struct lake_key key, size_t bucket, struct index_entry *out)
{
	return run->wide ? search(run, key, bucket, out, true) : search(run, key, bucket, out, false);
}

bool key_run_get(const struct key_run *run, struct lake_key key, uint64_t hash, struct index_entry *out)
{
	size_t bucket;

	return key_run_may_hold(run, key, hash) && key_run_bucket(run, key, &bucket) &&
	       key_run_search(run, key, bucket, out);
}

void key_run_free(struct key_run *run)
{
	if (!run)
		return;
	if (run->path) {
		munmap((void *)run->image, run->bytes);
		env_unlink(run->path);
		mem_free(run->path);
	} else {
		mem_free((void *)run->image);
	}
	mem_free(run);
}

/* --- making --- */

/* Where everything lies, from what is known before: at most n_max entries with heads in [min, max]. */
static void plan(struct run_header *h, bool wide, uint64_t n_max, uint64_t min, uint64_t max)
{
	uint64_t buckets_max = n_max / ENTRIES_PER_BUCKET + 2; /* two at least: a shift stays below 64 */

	memcpy(h->magic, RUN_MAGIC, sizeof h->magic);
	h->version = RUN_VERSION;
	h->wide = wide;
	h->min = min;
	h->max = max;
	while (((max - min) >> h->shift) >= buckets_max)
		h->shift++;
	h->n_buckets = ((max - min) >> h->shift) + 1;
	h->n_blocks = n_max * BLOOM_BITS_PER_KEY / BLOCK_BITS + 1;
}

static uint64_t tables_bytes(const struct run_header *h)
{
	return round_up((h->n_buckets + 1) * sizeof(uint32_t), BLOCK_BYTES) + h->n_blocks * BLOCK_BYTES;
}

/* Positions that depend on the number of entries. */
static void place(struct run_header *h, uint64_t n)
{
	h->n = n;
	h->buckets_at = round_up(RUN_HEADER_BYTES + n * entry_bytes(h->wide), BLOCK_BYTES);
	h->bloom_at = h->buckets_at + round_up((h->n_buckets + 1) * sizeof(uint32_t), BLOCK_BYTES);
	h->bytes = h->bloom_at + h->n_blocks * BLOCK_BYTES;
}

static int open_file(struct key_run_builder *b, const char *path, struct err *err)
{
	b->path = mem_strdup(path);
	b->pending = mem_alloc(WRITE_BYTES);
	b->tables = mem_zero(tables_bytes(&b->header));
	if (!b->path || !b->pending || !b->tables)
		return err_nomem(err);
	b->fd = env_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	return b->fd < 0 ? err_set_errno(err, ERR_IO, -b->fd, "making the key index file %s", path) : 0;
}

static int open_memory(struct key_run_builder *b, struct err *err)
{
	b->image = mem_alloc(b->header.bytes);
	if (!b->image)
		return err_nomem(err);
	memset(b->image, 0, RUN_HEADER_BYTES);
	b->pending = b->image + RUN_HEADER_BYTES;
	b->tables = b->image + b->header.buckets_at;
	memset(b->tables, 0, tables_bytes(&b->header));
	return 0;
}

int key_run_build(const char *path, bool wide, uint64_t n_max, uint64_t min, uint64_t max, struct key_run_builder **out,
                  struct err *err)
{
	struct key_run_builder *b;
	int rc;

	if (n_max > RUN_ENTRIES_MAX)
		return err_set(err, ERR_LIMIT, "a key index run of %llu entries is above the limit",
		               (unsigned long long)n_max);
	b = mem_zero(sizeof *b);
	if (!b)
		return err_nomem(err);
	b->fd = -1;
	b->wide = wide;
	plan(&b->header, wide, n_max, min, max);
	place(&b->header, n_max);
	b->in_file = path && path[0];
	rc = b->in_file ? open_file(b, path, err) : open_memory(b, err);
	if (rc) {
		key_run_abort(b);
		return rc;
	}
	b->buckets = (uint32_t *)b->tables;
	b->bloom = (uint64_t *)(b->tables + (b->header.bloom_at - b->header.buckets_at));
	b->header.n = 0;
	*out = b;
	return 0;
}

static int write_pending(struct key_run_builder *b, struct err *err)
{
	size_t stride = entry_bytes(b->wide), bytes = b->n_pending * stride;
	uint64_t at = RUN_HEADER_BYTES + (b->header.n - b->n_pending) * stride;
	int rc = bytes ? env_pwrite(b->fd, b->pending, bytes, at) : 0;

	if (rc < 0)
		return err_set_errno(err, ERR_IO, -rc, "writing the key index file %s", b->path);
	b->header.entries_crc = crc32c(b->header.entries_crc, b->pending, bytes);
	b->n_pending = 0;
	return 0;
}

int key_run_add(struct key_run_builder *b, const struct index_entry *entry, struct err *err)
{
	uint64_t head = key_head(entry->key, b->wide), hash = key_hash(entry->key, b->wide),
		 bucket = (head - b->header.min) >> b->header.shift;

	while (b->next_bucket <= bucket)
		b->buckets[b->next_bucket++] = (uint32_t)b->header.n;
	bloom_set(b->bloom + ((hash >> 32) * b->header.n_blocks >> 32) * (BLOCK_BYTES / 8), hash);
	b->last_head = head;
	if (!b->in_file) {
		entry_write(b->pending, b->header.n++, entry, b->wide);
		return 0;
	}
	entry_write(b->pending, b->n_pending++, entry, b->wide);
	b->header.n++;
	return (b->n_pending + 1) * entry_bytes(b->wide) > WRITE_BYTES ? write_pending(b, err) : 0;
}

static void run_bind(struct key_run *run, const uint8_t *image)
{
	run->image = image;
	run->header = (const struct run_header *)image;
	run->bytes = run->header->bytes;
	run->wide = run->header->wide;
	run->entries = image + RUN_HEADER_BYTES;
	run->buckets = (const uint32_t *)(image + run->header->buckets_at);
	run->bloom = (const uint64_t *)(image + run->header->bloom_at);
}

static uint32_t header_crc(const struct run_header *h) { return crc32c(0, h, offsetof(struct run_header, crc)); }

static int finish_file(struct key_run_builder *b, struct key_run *run, struct err *err)
{
	const struct run_header *h;
	void *image;
	int rc = write_pending(b, err);

	if (rc)
		return rc;
	place(&b->header, b->header.n);
	b->header.crc = header_crc(&b->header);
	rc = env_pwrite(b->fd, b->tables, tables_bytes(&b->header), b->header.buckets_at);
	if (rc >= 0)
		rc = env_pwrite(b->fd, &b->header, sizeof b->header, 0);
	if (rc < 0)
		return err_set_errno(err, ERR_IO, -rc, "writing the key index file %s", b->path);
	image = mmap(NULL, b->header.bytes, PROT_READ, MAP_SHARED, b->fd, 0);
	if (image == MAP_FAILED)
		return err_set_errno(err, ERR_IO, errno, "mapping the key index file %s", b->path);
	(void)madvise(image, b->header.bytes, MADV_RANDOM);
	h = image;
	if (memcmp(h->magic, RUN_MAGIC, sizeof h->magic) != 0 || h->version != RUN_VERSION || h->crc != header_crc(h) ||
	    h->bytes != b->header.bytes) {
		munmap(image, b->header.bytes);
		return err_set(err, ERR_CORRUPT,
		               "the key index file %s does not read back as it was written; the disk may be faulty",
		               b->path);
	}
	run_bind(run, image);
	run->path = b->path; /* taken */
	b->path = NULL;
	return 0;
}

/* The image was sized for n_max entries: the tables move up behind the last one, the rest goes back. */
static void finish_memory(struct key_run_builder *b, struct key_run *run)
{
	uint64_t tables_were = b->header.buckets_at;
	uint8_t *image = b->image, *smaller;

	place(&b->header, b->header.n);
	memmove(image + b->header.buckets_at, image + tables_were, tables_bytes(&b->header));
	memcpy(image, &b->header, sizeof b->header);
	smaller = mem_realloc(image, b->header.bytes);
	run_bind(run, smaller ? smaller : image);
	b->image = NULL;
}

int key_run_finish(struct key_run_builder *b, struct key_run **out, struct err *err)
{
	struct key_run *run = NULL;
	int rc = 0;

	*out = NULL;
	if (b->header.n > 0) {
		run = mem_zero(sizeof *run);
		rc = run ? 0 : err_nomem(err);
		while (b->next_bucket <= b->header.n_buckets)
			b->buckets[b->next_bucket++] = (uint32_t)b->header.n;
		/* Heads stay within the planned min and max; max may have been an entry that was left out. */
		if (!rc && b->in_file)
			rc = finish_file(b, run, err);
		else if (!rc)
			finish_memory(b, run);
	}
	if (rc)
		mem_free(run);
	else
		*out = run;
	key_run_abort(b);
	return rc;
}

void key_run_abort(struct key_run_builder *b)
{
	if (!b)
		return;
	if (b->fd >= 0) {
		env_close(b->fd);
		if (b->path)
			env_unlink(b->path);
	}
	if (b->in_file) {
		mem_free(b->pending);
		mem_free(b->tables);
	}
	mem_free(b->image);
	mem_free(b->path);
	mem_free(b);
}
