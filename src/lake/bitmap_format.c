/* src/lake/bitmap_format.c — the portable form of a bitmap, written and read.
 *
 * One 32-bit bitmap (Roaring format specification), little endian:
 *   u32 cookie   12346: no run containers, u32 number of containers follows
 *                low 16 bits 12347: high 16 bits = containers - 1, then (containers + 7) / 8 bytes of run flags
 *   containers * { u16 key, u16 cardinality - 1 }, keys ascending
 *   containers * u32 offset of the container from the cookie on (left out with run flags and fewer than 4 containers)
 *   containers: run: u16 n, n * { u16 first, u16 length - 1 }; else up to 4096 values: u16 ascending each; else 8192
 *     bytes of bits
 * libroaring 0.2 checks lengths at most, and a bitmap with unsorted or wrongly counted containers gives wrong answers
 * later: so everything is checked here first. */
#include "lake/bitmap_int.h"

#include "base/mem.h"
#include "base/rbuf.h"

static const uint8_t magic[4] = { 0xd1, 0xd3, 0x39, 0x64 };

enum {
	COOKIE_NO_RUN = 12346,
	COOKIE_RUN = 12347,
	CONTAINERS_MAX = 65536,
	ARRAY_MAX = 4096,
	OFFSETS_FROM = 4,
	BITSET_BYTES = 8192,
};

int bitmap_serialize(struct bitmap *bitmap, struct wbuf *out, struct err *err)
{
	size_t total = sizeof magic + 8;

	for (size_t i = 0; i < bitmap->n; i++) {
		roaring_bitmap_run_optimize(bitmap->parts[i].bits);
		total += 4 + roaring_bitmap_portable_size_in_bytes(bitmap->parts[i].bits);
		if (total > BITMAP_BYTES_MAX)
			return err_set(
				err, ERR_LIMIT,
				"a deletion bitmap of more than 2 GiB cannot be read by others: the data file must be compacted first");
	}
	wbuf_put(out, magic, sizeof magic);
	wbuf_put_u64_le(out, bitmap->n);
	for (size_t i = 0; i < bitmap->n; i++) {
		size_t n = roaring_bitmap_portable_size_in_bytes(bitmap->parts[i].bits);
		uint8_t *p;

		wbuf_put_u32_le(out, bitmap->parts[i].key);
		p = wbuf_reserve(out, n);
		if (!p)
			break;
		out->n += roaring_bitmap_portable_serialize(bitmap->parts[i].bits, (char *)p);
	}
	return wbuf_check(out, err, "deletion bitmap");
}

/* --- reading --- */

struct container {
	uint16_t key;
	uint32_t cardinality;
	bool run;
};

static bool array_ok(struct rbuf *r, uint32_t cardinality)
{
	const uint8_t *p = rbuf_take(r, (size_t)cardinality * 2);
	int32_t last = -1;

	if (!p || r->failed)
		return false;
	for (uint32_t i = 0; i < cardinality; i++) {
		uint16_t v;

		memcpy(&v, p + (size_t)i * 2, 2);
		if (v <= last)
			return false;
		last = v;
	}
	return true;
}

static bool bitset_ok(struct rbuf *r, uint32_t cardinality)
{
	const uint8_t *p = rbuf_take(r, BITSET_BYTES);
	uint32_t n = 0;

	if (!p || r->failed)
		return false;
	for (size_t i = 0; i < BITSET_BYTES; i += 8) {
		uint64_t word;

		memcpy(&word, p + i, 8);
		n += (uint32_t)__builtin_popcountll(word);
	}
	return n == cardinality;
}

static bool runs_ok(struct rbuf *r, uint32_t cardinality)
{
	uint32_t n_runs = rbuf_u16_le(r), sum = 0;
	int32_t last = -1;

	for (uint32_t i = 0; i < n_runs && !r->failed; i++) {
		uint32_t first = rbuf_u16_le(r), more = rbuf_u16_le(r);

		/* Touching runs (first == last + 1) are wasteful and legal; overlapping ones are not. */
		if ((int32_t)first <= last || first + more > 0xffff)
			return false;
		last = (int32_t)(first + more);
		sum += more + 1;
	}
	return !r->failed && sum == cardinality;
}

/* Checks one 32-bit bitmap at *r and moves behind it. `list` has room for CONTAINERS_MAX. Returns its cardinality, or
 * -1. */
static int64_t check_bitmap32(struct rbuf *r, struct container *list)
{
	size_t start = r->at;
	uint32_t cookie = rbuf_u32_le(r), n;
	const uint8_t *flags = NULL;
	int32_t last = -1;
	int64_t total = 0;

	if ((cookie & 0xffff) == COOKIE_RUN) {
		n = (cookie >> 16) + 1;
		flags = rbuf_take(r, (n + 7) / 8);
	} else if (cookie == COOKIE_NO_RUN) {
		n = rbuf_u32_le(r);
	} else {
		return -1;
	}
	if (r->failed || n > CONTAINERS_MAX)
		return -1;
	for (uint32_t i = 0; i < n && !r->failed; i++) {
		list[i].key = rbuf_u16_le(r);
		list[i].cardinality = (uint32_t)rbuf_u16_le(r) + 1;
		list[i].run = flags && flags[i / 8] >> (i % 8) & 1;
		if (list[i].key <= last)
			return -1;
		last = list[i].key;
		total += list[i].cardinality;
	}
	if (!flags || n >= OFFSETS_FROM) {
		struct rbuf offsets = rbuf_sub(r, (size_t)n * 4);
		struct rbuf ahead = *r;

		/* Offsets are redundant; a reader that trusts them must see what one that goes through sees. */
		for (uint32_t i = 0; i < n && !ahead.failed; i++) {
			size_t at = ahead.at - start, size;

			if (list[i].run)
				size = (size_t)rbuf_u16_le(&ahead) * 4;
			else
				size = list[i].cardinality <= ARRAY_MAX ? (size_t)list[i].cardinality * 2
				                                        : BITSET_BYTES;
			rbuf_take(&ahead, size);
			if (rbuf_u32_le(&offsets) != at)
				return -1;
		}
		if (ahead.failed || offsets.failed)
			return -1;
	}
	for (uint32_t i = 0; i < n; i++) {
		bool ok = list[i].run                        ? runs_ok(r, list[i].cardinality)
		          : list[i].cardinality <= ARRAY_MAX ? array_ok(r, list[i].cardinality)
		                                             : bitset_ok(r, list[i].cardinality);

		if (!ok)
			return -1;
	}
	return r->failed ? -1 : total;
}

static int corrupt(const char *what, size_t at, const char *how, struct err *err)
{
	return err_set(
		err, ERR_CORRUPT,
		"%s: %s at byte %zu of the deletion bitmap; the file is damaged or was written by a faulty program",
		what, how, at);
}

static int read_parts(struct rbuf *r, const char *what, struct container *list, struct bitmap *bitmap, struct err *err)
{
	uint64_t n;
	int64_t last = -1;

	if (memcmp(rbuf_take(r, sizeof magic), magic, sizeof magic) != 0)
		return corrupt(what, 0, "wrong magic number", err);
	n = rbuf_u64_le(r);
	/* A part takes 12 bytes at least (key, cookie, count). */
	if (r->failed || n > rbuf_left(r) / 12)
		return corrupt(what, 4, "impossible number of parts", err);
	for (uint64_t i = 0; i < n; i++) {
		size_t at = r->at;
		uint32_t key = rbuf_u32_le(r);
		roaring_bitmap_t *bits;
		int64_t cardinality;

		if (r->failed || (int64_t)key <= last || key > BITMAP_POSITION_MAX >> 32)
			return corrupt(what, at, "part out of order", err);
		last = key;
		at = r->at;
		cardinality = check_bitmap32(r, list);
		if (cardinality < 0)
			return corrupt(what, at, "malformed Roaring bitmap", err);
		bits = roaring_bitmap_portable_deserialize_safe((const char *)r->p + at, r->at - at);
		if (!bits)
			return err_nomem(err);
		if (bitmap_append_part(bitmap, key, bits)) {
			roaring_bitmap_free(bits);
			return err_nomem(err);
		}
		bitmap->cardinality += (uint64_t)cardinality;
	}
	return rbuf_done(r) ? 0 : corrupt(what, r->at, "bytes left over", err);
}

int bitmap_deserialize(struct str bytes, const char *what, struct bitmap **out, struct err *err)
{
	struct rbuf r = rbuf_of(bytes.p, bytes.n);
	struct container *list;
	struct bitmap *bitmap;
	int rc;

	*out = NULL;
	if (bytes.n > BITMAP_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "%s: a deletion bitmap of %zu bytes is above the limit of 2 GiB", what,
		               bytes.n);
	list = mem_alloc(CONTAINERS_MAX * sizeof *list);
	bitmap = bitmap_new();
	rc = list && bitmap ? read_parts(&r, what, list, bitmap, err) : err_nomem(err);
	mem_free(list);
	if (rc) {
		bitmap_free(bitmap);
		return rc;
	}
	*out = bitmap;
	return 0;
}
