/* src/base/mem.h — allocation through env, so that tests can fail the N-th call.
 *
 * All of these may return NULL; the caller answers with err_nomem. Nothing else in the tree calls malloc (tools/tidy).
 * mem_free(NULL) is allowed. Sizes are bytes; mem_array checks n * size for overflow. */
#ifndef TARN_BASE_MEM_H
#define TARN_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n) __attribute__((malloc));
void *mem_zero(size_t n) __attribute__((malloc));               /* zeroed */
void *mem_array(size_t n, size_t size) __attribute__((malloc)); /* zeroed n * size */
void *mem_realloc(void *p, size_t n);                           /* on NULL the old block stays */
void mem_free(void *p);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);

/* Gives what was freed back to the system, where its C library can: a process at rest should weigh what it needs. Takes
 * milliseconds; any thread. */
void mem_trim(void);

/* Grows *items (elements of `size` bytes, *cap allocated) so that `need` fit; doubling. Returns 0 or -1 (no memory,
 * *items unchanged).
 *   if (vec_grow(&v, &cap, n + 1, sizeof *v)) return err_nomem(err); */
int mem_vec_grow(void *items_ptr, size_t *cap, size_t need, size_t size);
#define vec_grow(items, cap, need, size) mem_vec_grow((void *)(items), (cap), (need), (size))

#endif
