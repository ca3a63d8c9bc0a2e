/* src/base/arena.c — memory freed as a whole: a list of blocks, newest first. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

#define BLOCK_FIRST ((size_t)4096)
#define BLOCK_MAX ((size_t)1 << 20) /* blocks double up to this; larger requests get a block of their own */
#define ALIGN ((size_t)16)

struct block {
	struct block *next;
	size_t cap, used;
	_Alignas(16) uint8_t bytes[];
};

struct arena {
	struct block *blocks; /* head is the one being filled */
	size_t bytes, max;
	size_t next_cap;
};

struct arena *arena_new(size_t max_bytes)
{
	struct arena *arena = mem_zero(sizeof *arena);

	if (arena) {
		arena->max = max_bytes;
		arena->next_cap = BLOCK_FIRST;
	}
	return arena;
}

static void free_blocks(struct arena *arena, struct block *keep)
{
	struct block *b = arena->blocks;

	while (b) {
		struct block *next = b->next;

		if (b != keep) {
			arena->bytes -= sizeof *b + b->cap;
			mem_free(b);
		}
		b = next;
	}
	arena->blocks = keep;
	if (keep) {
		keep->next = NULL;
		keep->used = 0;
	}
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	free_blocks(arena, NULL);
	mem_free(arena);
}

void arena_reset(struct arena *arena)
{
	struct block *keep = NULL;

	/* The largest block of ordinary size: the next round probably needs as much, but one giant value must not
	 * stay for ever. */
	for (struct block *b = arena->blocks; b; b = b->next)
		if (b->cap <= BLOCK_MAX && (!keep || b->cap > keep->cap))
			keep = b;
	free_blocks(arena, keep);
}

static struct block *add_block(struct arena *arena, size_t n)
{
	size_t cap = arena->next_cap;
	struct block *b;

	if (n > cap)
		cap = n;
	if (n > SIZE_MAX / 2)
		return NULL;
	if (arena->max) {
		if (arena->bytes + sizeof *b + n > arena->max)
			return NULL;
		if (arena->bytes + sizeof *b + cap > arena->max)
			cap = arena->max - arena->bytes - sizeof *b;
	}
	b = mem_alloc(sizeof *b + cap);
	if (!b)
		return NULL;
	b->cap = cap;
	b->used = 0;
	arena->bytes += sizeof *b + cap;
	if (arena->next_cap < BLOCK_MAX)
		arena->next_cap *= 2;
	/* A block made for one large value is full at once: it goes behind the head, whose free room stays in use. */
	if (arena->blocks && n > BLOCK_MAX / 2) {
		b->next = arena->blocks->next;
		arena->blocks->next = b;
	} else {
		b->next = arena->blocks;
		arena->blocks = b;
	}
	return b;
}

void *arena_alloc(struct arena *arena, size_t n)
{
	struct block *b = arena->blocks;
	void *p;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + ALIGN - 1) & ~(ALIGN - 1);
	if (!b || n > b->cap - b->used) {
		b = add_block(arena, n);
		if (!b)
			return NULL;
	}
	p = b->bytes + b->used;
	b->used += n;
	return p;
}

void *arena_zero(struct arena *arena, size_t n)
{
	void *p = arena_alloc(arena, n);

	if (p)
		memset(p, 0, n);
	return p;
}

char *arena_strdup(struct arena *arena, struct str s)
{
	char *p = arena_alloc(arena, s.n + 1);

	if (!p)
		return NULL;
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

struct str arena_str(struct arena *arena, struct str s)
{
	char *p = arena_alloc(arena, s.n ? s.n : 1);

	if (!p)
		return (struct str){ NULL, 0 };
	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = arena_alloc(arena, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

size_t arena_bytes(const struct arena *arena) { return arena->bytes; }
