/* src/base/mem.c — allocation through the installed env table. */
#include "base/mem.h"

#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "base/env.h"

void *mem_alloc(size_t n) { return env_current()->alloc(n); }

void *mem_zero(size_t n)
{
	void *p = mem_alloc(n);

	if (p)
		memset(p, 0, n);
	return p;
}

void *mem_array(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return mem_zero(bytes);
}

void *mem_realloc(void *p, size_t n) { return env_current()->realloc(p, n); }

void mem_free(void *p)
{
	if (p)
		env_current()->free(p);
}

void mem_trim(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

char *mem_strndup(const char *s, size_t n)
{
	char *p = mem_alloc(n + 1);

	if (p) {
		if (n)
			memcpy(p, s, n);
		p[n] = '\0';
	}
	return p;
}

char *mem_strdup(const char *s) { return mem_strndup(s, strlen(s)); }

int mem_vec_grow(void *items_ptr, size_t *cap, size_t need, size_t size)
{
	size_t new_cap = *cap, bytes;
	void *old, *p;

	if (need <= *cap)
		return 0;
	if (new_cap < 8)
		new_cap = 8;
	while (new_cap < need) {
		if (new_cap > SIZE_MAX / 2)
			return -1;
		new_cap *= 2;
	}
	if (__builtin_mul_overflow(new_cap, size, &bytes))
		return -1;
	/* items_ptr is the address of a pointer of unknown type: copied, not cast, to keep aliasing rules. */
	memcpy(&old, items_ptr, sizeof old);
	p = mem_realloc(old, bytes);
	if (!p)
		return -1;
	memcpy(items_ptr, &p, sizeof p);
	*cap = new_cap;
	return 0;
}
