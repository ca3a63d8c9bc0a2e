/* src/lake/bitmap.c — 64-bit Roaring bitmap over the packaged 32-bit one (libroaring 0.2 has no 64-bit form in C). */
#include "lake/bitmap_int.h"

#include "base/mem.h"

struct bitmap *bitmap_new(void) { return mem_zero(sizeof(struct bitmap)); }

void bitmap_free(struct bitmap *bitmap)
{
	if (!bitmap)
		return;
	for (size_t i = 0; i < bitmap->n; i++)
		roaring_bitmap_free(bitmap->parts[i].bits);
	mem_free(bitmap->parts);
	mem_free(bitmap);
}

struct bitmap *bitmap_clone(const struct bitmap *bitmap)
{
	struct bitmap *copy = bitmap_new();

	if (!copy)
		return NULL;
	for (size_t i = 0; i < bitmap->n; i++) {
		roaring_bitmap_t *bits = roaring_bitmap_copy(bitmap->parts[i].bits);

		if (!bits || bitmap_append_part(copy, bitmap->parts[i].key, bits)) {
			if (bits)
				roaring_bitmap_free(bits);
			bitmap_free(copy);
			return NULL;
		}
	}
	copy->cardinality = bitmap->cardinality;
	return copy;
}

/* First part with key >= the given one. Nearly all files have one part, key 0. */
static size_t part_at(const struct bitmap *bitmap, uint32_t key)
{
	size_t lo = 0, hi = bitmap->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (bitmap->parts[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const roaring_bitmap_t *part_find(const struct bitmap *bitmap, uint32_t key)
{
	size_t i = part_at(bitmap, key);

	return i < bitmap->n && bitmap->parts[i].key == key ? bitmap->parts[i].bits : NULL;
}

/* The part of this key, made when missing; NULL: no memory. */
static roaring_bitmap_t *part_make(struct bitmap *bitmap, uint32_t key)
{
	size_t i = part_at(bitmap, key);
	roaring_bitmap_t *bits;

	if (i < bitmap->n && bitmap->parts[i].key == key)
		return bitmap->parts[i].bits;
	if (vec_grow(&bitmap->parts, &bitmap->cap, bitmap->n + 1, sizeof *bitmap->parts))
		return NULL;
	bits = roaring_bitmap_create();
	if (!bits)
		return NULL;
	memmove(bitmap->parts + i + 1, bitmap->parts + i, (bitmap->n - i) * sizeof *bitmap->parts);
	bitmap->parts[i] = (struct bitmap_part){ key, bits };
	bitmap->n++;
	return bits;
}

int bitmap_append_part(struct bitmap *bitmap, uint32_t key, roaring_bitmap_t *bits)
{
	if (vec_grow(&bitmap->parts, &bitmap->cap, bitmap->n + 1, sizeof *bitmap->parts))
		return -1;
	bitmap->parts[bitmap->n++] = (struct bitmap_part){ key, bits };
	return 0;
}

int bitmap_add(struct bitmap *bitmap, uint64_t pos)
{
	roaring_bitmap_t *bits;

	if (pos > BITMAP_POSITION_MAX)
		return -1;
	bits = part_make(bitmap, (uint32_t)(pos >> 32));
	if (!bits)
		return -1;
	if (!roaring_bitmap_add_checked(bits, (uint32_t)pos))
		return 0;
	bitmap->cardinality++;
	return 1;
}

int bitmap_add_range(struct bitmap *bitmap, uint64_t from, uint64_t to)
{
	if (to > BITMAP_POSITION_MAX + 1)
		return -1;
	while (from < to) {
		uint64_t base = from >> 32 << 32;
		uint64_t end = to - base < (uint64_t)1 << 32 ? to - base : (uint64_t)1 << 32;
		roaring_bitmap_t *bits = part_make(bitmap, (uint32_t)(from >> 32));

		if (!bits)
			return -1;
		bitmap->cardinality -= roaring_bitmap_get_cardinality(bits);
		roaring_bitmap_add_range(bits, from - base, end);
		bitmap->cardinality += roaring_bitmap_get_cardinality(bits);
		from = base + end;
	}
	return 0;
}

int bitmap_add_all(struct bitmap *bitmap, const struct bitmap *other)
{
	for (size_t i = 0; i < other->n; i++) {
		roaring_bitmap_t *bits = part_make(bitmap, other->parts[i].key);

		if (!bits)
			return -1;
		bitmap->cardinality -= roaring_bitmap_get_cardinality(bits);
		roaring_bitmap_or_inplace(bits, other->parts[i].bits);
		bitmap->cardinality += roaring_bitmap_get_cardinality(bits);
	}
	return 0;
}

bool bitmap_contains(const struct bitmap *bitmap, uint64_t pos)
{
	const roaring_bitmap_t *bits = part_find(bitmap, (uint32_t)(pos >> 32));

	return bits && roaring_bitmap_contains(bits, (uint32_t)pos);
}

uint64_t bitmap_cardinality(const struct bitmap *bitmap) { return bitmap->cardinality; }

uint64_t bitmap_rank(const struct bitmap *bitmap, uint64_t pos)
{
	uint32_t key = (uint32_t)(pos >> 32), low = (uint32_t)pos;
	uint64_t rank = 0;

	for (size_t i = 0; i < bitmap->n && bitmap->parts[i].key <= key; i++) {
		if (bitmap->parts[i].key < key)
			rank += roaring_bitmap_get_cardinality(bitmap->parts[i].bits);
		else if (low > 0)
			rank += roaring_bitmap_rank(bitmap->parts[i].bits, low - 1); /* libroaring counts <= */
	}
	return rank;
}

bool bitmap_equal(const struct bitmap *a, const struct bitmap *b)
{
	if (a->cardinality != b->cardinality)
		return false;
	/* equal counts: each part of a found in b suffices; empty parts say nothing */
	for (size_t i = 0; i < a->n; i++) {
		const roaring_bitmap_t *other = part_find(b, a->parts[i].key);

		if (other ? !roaring_bitmap_equals(a->parts[i].bits, other)
		          : !roaring_bitmap_is_empty(a->parts[i].bits))
			return false;
	}
	return true;
}

size_t bitmap_read(const struct bitmap *bitmap, uint64_t from, uint64_t *out, size_t n)
{
	size_t done = 0;

	for (size_t i = part_at(bitmap, (uint32_t)(from >> 32)); i < bitmap->n && done < n; i++) {
		uint64_t base = (uint64_t)bitmap->parts[i].key << 32;
		roaring_uint32_iterator_t it;

		roaring_init_iterator(bitmap->parts[i].bits, &it);
		if (from > base && it.has_value)
			roaring_move_uint32_iterator_equalorlarger(&it, (uint32_t)(from - base));
		for (; it.has_value && done < n; roaring_advance_uint32_iterator(&it))
			out[done++] = base | it.current_value;
	}
	return done;
}

int bitmap_iterate(const struct bitmap *bitmap, int (*fn)(void *arg, uint64_t pos), void *arg)
{
	for (size_t i = 0; i < bitmap->n; i++) {
		uint64_t base = (uint64_t)bitmap->parts[i].key << 32;
		roaring_uint32_iterator_t it;

		for (roaring_init_iterator(bitmap->parts[i].bits, &it); it.has_value;
		     roaring_advance_uint32_iterator(&it)) {
			int rc = fn(arg, base | it.current_value);

			if (rc)
				return rc;
		}
	}
	return 0;
}
