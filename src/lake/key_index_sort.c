/* src/lake/key_index_sort.c — radix sort of entries, least significant digit first (stable), digits that are the same
 * everywhere left out. */
#include "lake/key_index_int.h"

#include "base/mem.h"

enum { DIGIT_BITS = 11, DIGIT_VALUES = 1 << DIGIT_BITS, DIGITS = 6, INSERTION_MAX = 24 };

/* Which 64 bits: the narrow key and the low half of a wide one are word 0 or 1 of the entry. */
KEY_INLINE uint64_t word_of(const uint8_t *entry, size_t word)
{
	uint64_t v;

	memcpy(&v, entry + word * 8, 8);
	return v;
}

KEY_INLINE void pass(const uint8_t *from, uint8_t *to, size_t n, size_t stride, size_t word, unsigned shift,
                     const uint32_t *counts)
{
	uint32_t at[DIGIT_VALUES], sum = 0;

	for (size_t v = 0; v < DIGIT_VALUES; v++) {
		at[v] = sum;
		sum += counts[v];
	}
	for (size_t i = 0; i < n; i++) {
		const uint8_t *e = from + i * stride;
		uint32_t digit = (uint32_t)(word_of(e, word) >> shift) & (DIGIT_VALUES - 1);

		memcpy(to + (size_t)at[digit]++ * stride, e, stride);
	}
}

/* By one word. */
KEY_INLINE void radix(uint8_t *entries, uint8_t *aux, size_t n, size_t stride, size_t word)
{
	uint32_t counts[DIGITS][DIGIT_VALUES];
	uint8_t *from = entries, *to = aux;

	memset(counts, 0, sizeof counts);
	for (size_t i = 0; i < n; i++) {
		uint64_t v = word_of(entries + i * stride, word);

		for (unsigned d = 0; d < DIGITS; d++)
			counts[d][v >> (d * DIGIT_BITS) & (DIGIT_VALUES - 1)]++;
	}
	for (unsigned d = 0; d < DIGITS; d++) {
		uint8_t *swap = from;

		if (counts[d][word_of(from, word) >> (d * DIGIT_BITS) & (DIGIT_VALUES - 1)] == n)
			continue;
		pass(from, to, n, stride, word, d * DIGIT_BITS, counts[d]);
		from = to;
		to = swap;
	}
	if (from != entries)
		memcpy(entries, from, n * stride);
}

KEY_INLINE void insertion(uint8_t *entries, size_t n, size_t stride, size_t word)
{
	uint8_t held[sizeof(struct index_entry)];

	for (size_t i = 1; i < n; i++) {
		uint64_t v = word_of(entries + i * stride, word);
		size_t k = i;

		memcpy(held, entries + i * stride, stride);
		while (k > 0 && word_of(entries + (k - 1) * stride, word) > v)
			k--;
		memmove(entries + (k + 1) * stride, entries + k * stride, (i - k) * stride);
		memcpy(entries + k * stride, held, stride);
	}
}

static void by_word(uint8_t *entries, uint8_t *aux, size_t n, bool wide, size_t word)
{
	if (!wide) {
		if (n <= INSERTION_MAX)
			insertion(entries, n, sizeof(struct entry_narrow), 0);
		else
			radix(entries, aux, n, sizeof(struct entry_narrow), 0);
	} else if (n <= INSERTION_MAX) {
		insertion(entries, n, sizeof(struct index_entry), word);
	} else {
		radix(entries, aux, n, sizeof(struct index_entry), word);
	}
}

/* Wide keys: by the high word, then each group of equal high words by the low one. Groups are single for hashes; keys
 * made to agree in one half (UUIDs of one maker) cost one more sort, not more. */
void key_entries_sort(void *entries, void *aux, size_t n, bool wide)
{
	size_t stride = entry_bytes(wide), end;
	uint8_t *p = entries;

	by_word(p, aux, n, wide, 0);
	for (size_t i = 0; wide && i < n; i = end) {
		uint64_t high = word_of(p + i * stride, 0);

		for (end = i + 1; end < n && word_of(p + end * stride, 0) == high; end++)
			;
		if (end - i > 1)
			by_word(p + i * stride, aux, end - i, true, 1);
	}
}

size_t key_entries_unique(void *entries, size_t n, bool wide)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct index_entry e = entry_read(entries, i, wide);

		if (i + 1 < n && lake_key_eq(e.key, entry_read(entries, i + 1, wide).key))
			continue;
		entry_write(entries, kept++, &e, wide);
	}
	return kept;
}
