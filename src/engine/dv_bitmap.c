/* src/engine/dv_bitmap.c — portable 64-bit Roaring bytes to bit sets. Layout in dv_bitmap.h. */
#include "engine/dv_bitmap.h"

#include "base/mem.h"
#include "base/rbuf.h"

enum {
	COOKIE_RUNS = 12347,
	COOKIE_NO_RUNS = 12346,
	OFFSETS_FROM = 4, /* containers, when there are runs */
	ARRAY_MAX = 4096,
	BLOCK_ROWS = 65536,
	BLOCK_BYTES = BLOCK_ROWS / 8,
	CONTAINERS_MAX = 65536,
};

static const uint8_t magic[4] = { 0xD1, 0xD3, 0x39, 0x64 };

static int malformed(struct err *err, const char *why) { return err_set(err, ERR_CORRUPT, "deletion vector: %s", why); }

struct target {
	struct dv_bitmap *bitmap;
	uint64_t rows;
};

static int set_bit(uint64_t *block, uint64_t base, uint32_t low, struct target *to)
{
	uint64_t bit = (uint64_t)1 << (low & 63);

	if (base + low >= to->rows || block[low >> 6] & bit)
		return -1;
	block[low >> 6] |= bit;
	to->bitmap->cardinality++;
	return 0;
}

static int read_array(struct rbuf *in, uint32_t n, uint64_t *block, uint64_t base, struct target *to)
{
	for (uint32_t i = 0; i < n; i++) {
		if (set_bit(block, base, rbuf_u16_le(in), to))
			return -1;
	}
	return 0;
}

static int read_bits(struct rbuf *in, uint64_t *block, uint64_t base, struct target *to)
{
	struct str bytes = rbuf_bytes(in, BLOCK_BYTES);

	if (!rbuf_ok(in))
		return -1;
	memcpy(block, bytes.p, BLOCK_BYTES);
	for (uint32_t w = 0; w < BLOCK_BYTES / 8; w++) {
		to->bitmap->cardinality += (uint64_t)__builtin_popcountll(block[w]);
		if (block[w] && base + w * 64 + 63 - (uint64_t)__builtin_clzll(block[w]) >= to->rows)
			return -1;
	}
	return 0;
}

static int read_runs(struct rbuf *in, uint64_t *block, uint64_t base, struct target *to)
{
	uint16_t n = rbuf_u16_le(in);

	for (uint32_t i = 0; i < n && rbuf_ok(in); i++) {
		uint32_t start = rbuf_u16_le(in), more = rbuf_u16_le(in);
		if (start + more >= BLOCK_ROWS)
			return -1;
		for (uint32_t low = start; low <= start + more; low++) {
			if (set_bit(block, base, low, to))
				return -1;
		}
	}
	return 0;
}

/* One container into its block; the cardinality that the header states must come out. */
static int read_container(struct rbuf *in, uint64_t base, uint32_t cardinality, bool run, struct target *to,
                          struct err *err)
{
	uint64_t index = base >> 16, before = to->bitmap->cardinality;

	if (index >= to->bitmap->n_blocks)
		return malformed(err, "it names a row behind the end of the file");
	if (to->bitmap->blocks[index])
		return malformed(err, "two containers for the same rows");
	uint64_t *block = mem_zero(BLOCK_BYTES);
	if (!block)
		return err_nomem(err);
	to->bitmap->blocks[index] = block;
	int bad = run                        ? read_runs(in, block, base, to)
	          : cardinality <= ARRAY_MAX ? read_array(in, cardinality, block, base, to)
	                                     : read_bits(in, block, base, to);
	if (!rbuf_ok(in))
		return malformed(err, "it ends too early");
	if (bad)
		return malformed(err, "a row twice or behind the end of the file");
	if (to->bitmap->cardinality - before != cardinality)
		return malformed(err, "a container holds another number of rows than it says");
	return ERR_OK;
}

static int read_bitmap32(struct rbuf *in, uint64_t high, struct target *to, struct err *err)
{
	uint32_t cookie = rbuf_u32_le(in), n;
	struct str run_bits = { NULL, 0 };

	if ((cookie & 0xFFFF) == COOKIE_RUNS) {
		n = (cookie >> 16) + 1;
		run_bits = rbuf_bytes(in, (n + 7) / 8);
	} else if (cookie == COOKIE_NO_RUNS) {
		n = rbuf_u32_le(in);
	} else {
		return malformed(err, "not a portable Roaring bitmap");
	}
	if (n > CONTAINERS_MAX)
		return malformed(err, "too many containers");
	struct rbuf heads = rbuf_sub(in, (size_t)n * 4);
	if (!run_bits.p || n >= OFFSETS_FROM)
		rbuf_bytes(in, (size_t)n * 4); /* containers lie in order; the offsets are for random access */
	if (!rbuf_ok(in))
		return malformed(err, "it ends too early");
	for (uint32_t i = 0; i < n; i++) {
		uint64_t key = rbuf_u16_le(&heads);
		uint32_t cardinality = (uint32_t)rbuf_u16_le(&heads) + 1;
		bool run = run_bits.p && ((uint8_t)run_bits.p[i >> 3] >> (i & 7) & 1);
		int rc = read_container(in, high << 32 | key << 16, cardinality, run, to, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

int dv_bitmap_read(struct dv_bitmap *out, struct str bytes, uint64_t rows, struct err *err)
{
	struct rbuf in = rbuf_of(bytes.p, bytes.n);
	struct target to = { out, rows };
	int rc = ERR_OK;

	*out = (struct dv_bitmap){ 0 };
	struct str head = rbuf_bytes(&in, sizeof magic);
	if (!rbuf_ok(&in) || memcmp(head.p, magic, sizeof magic) != 0)
		return malformed(err, "its magic bytes are missing");
	uint64_t n = rbuf_u64_le(&in);
	/* A file's rows bound the blocks; Iceberg files have far fewer than 2^40 rows. */
	if (rows >= (uint64_t)1 << 40 || n > rbuf_left(&in) / 8)
		return malformed(err, "its sizes cannot be");
	out->n_blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
	out->blocks = mem_array(out->n_blocks ? out->n_blocks : 1, sizeof *out->blocks);
	if (!out->blocks)
		return err_nomem(err);
	for (uint64_t i = 0; i < n && !rc; i++) {
		uint64_t high = rbuf_u32_le(&in);
		rc = read_bitmap32(&in, high, &to, err);
	}
	if (!rc && !rbuf_done(&in))
		rc = malformed(err, rbuf_ok(&in) ? "there are bytes behind its end" : "it ends too early");
	if (rc)
		dv_bitmap_free(out);
	return rc;
}

void dv_bitmap_free(struct dv_bitmap *bitmap)
{
	for (uint64_t i = 0; bitmap->blocks && i < bitmap->n_blocks; i++)
		mem_free(bitmap->blocks[i]);
	mem_free(bitmap->blocks);
	*bitmap = (struct dv_bitmap){ 0 };
}
