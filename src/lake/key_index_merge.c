/* src/lake/key_index_merge.c — runs of similar size become one, a bounded number of entries a call.
 *
 * The runs are a list by age, oldest first; a merge takes a window of neighbours, so that age keeps deciding. While
 * it goes on its inputs stay in use and newer runs may be appended behind; at the end the result takes the window's
 * place. Of equal keys the newest entry is kept. An entry in a dropped file counts as a tombstone (an older entry of
 * the same key must stay hidden); tombstones are left out only when the window begins with the oldest run. */
#include "lake/key_index_int.h"

#include "base/crc.h"
#include "base/mem.h"

enum { WINDOW_MIN = 4, CHECK_ENTRIES = 4096 };

struct cursor {
	const struct key_run *run;
	size_t at;
	size_t checked; /* entries [0, checked) are in crc */
	uint32_t crc;
	struct lake_key key; /* of the entry at `at` */
};

struct key_merge {
	size_t first, n; /* the window in index->runs */
	struct key_run_builder *builder;
	struct cursor *cursors; /* n, by age */
	uint32_t *heap;         /* cursor numbers; the least key on top, the newest first of equal ones */
	size_t n_heap;
	struct lake_key last;
	bool any; /* last is set */
};

void key_merge_free(struct key_merge *merge)
{
	if (!merge)
		return;
	key_run_abort(merge->builder);
	mem_free(merge->cursors);
	mem_free(merge->heap);
	mem_free(merge);
}

/* --- what to merge --- */

/* The window that ends before `end` and grows to older runs while these are at most twice as large as what it has. */
static size_t window_start(const struct key_index *index, size_t end)
{
	uint64_t total = index->runs[end - 1]->header->n;
	size_t first = end - 1;

	while (first > 0 && index->runs[first - 1]->header->n <= 2 * total &&
	       total + index->runs[first - 1]->header->n <= RUN_ENTRIES_MAX)
		total += index->runs[--first]->header->n;
	return first;
}

static bool choose(const struct key_index *index, size_t *first, size_t *n)
{
	uint64_t least = UINT64_MAX;

	*n = 0;
	for (size_t end = index->n_runs; end > 0; end--) {
		size_t start = window_start(index, end);

		if (end - start > *n) {
			*first = start;
			*n = end - start;
		}
	}
	if (*n >= WINDOW_MIN)
		return true;
	if (index->n_runs <= KEY_RUNS_TARGET)
		return false;
	/* Too many of unlike sizes: the cheapest pair. */
	for (size_t i = 0; i + 1 < index->n_runs; i++) {
		uint64_t sum = index->runs[i]->header->n + index->runs[i + 1]->header->n;

		if (sum < least) {
			least = sum;
			*first = i;
			*n = 2;
		}
	}
	return least <= RUN_ENTRIES_MAX;
}

/* --- merging --- */

static bool before(const struct key_merge *m, uint32_t a, uint32_t b)
{
	const struct cursor *x = &m->cursors[a], *y = &m->cursors[b];

	return lake_key_eq(x->key, y->key) ? a > b : key_less(x->key, y->key);
}

static void sift_down(struct key_merge *m, size_t i)
{
	uint32_t moved = m->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= m->n_heap)
			break;
		if (child + 1 < m->n_heap && before(m, m->heap[child + 1], m->heap[child]))
			child++;
		if (before(m, moved, m->heap[child]))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = moved;
}

/* Sets the cursor's key; checks the run's bytes as they are first used. */
static int cursor_load(struct cursor *c, struct err *err)
{
	const struct key_run *run = c->run;
	size_t n = run->header->n, stride = entry_bytes(run->wide);

	while (run->path && c->checked <= c->at && c->checked < n) {
		size_t part = n - c->checked < CHECK_ENTRIES ? n - c->checked : CHECK_ENTRIES;

		c->crc = crc32c(c->crc, run->entries + c->checked * stride, part * stride);
		c->checked += part;
		if (c->checked == n && c->crc != run->header->entries_crc)
			return err_set(err, ERR_CORRUPT,
			               "the key index file %s is damaged; the index has to be built again", run->path);
	}
	c->key = entry_read(run->entries, c->at, run->wide).key;
	return 0;
}

static int merge_setup(struct key_index *index, struct key_merge *m, struct err *err)
{
	uint64_t total = 0, min = UINT64_MAX, max = 0;
	char path[4096];
	int rc;

	m->cursors = mem_array(m->n, sizeof *m->cursors);
	m->heap = mem_array(m->n, sizeof *m->heap);
	if (!m->cursors || !m->heap)
		return err_nomem(err);
	for (size_t i = 0; i < m->n; i++) {
		const struct key_run *run = index->runs[m->first + i];

		m->cursors[i].run = run;
		total += run->header->n;
		min = run->header->min < min ? run->header->min : min;
		max = run->header->max > max ? run->header->max : max;
		rc = cursor_load(&m->cursors[i], err);
		if (rc)
			return rc;
		m->heap[m->n_heap++] = (uint32_t)i;
	}
	for (size_t i = m->n_heap; i-- > 0;)
		sift_down(m, i);
	rc = key_index_run_path(index, path, sizeof path, err);
	return rc ? rc : key_run_build(path, index->wide, total, min, max, &m->builder, err);
}

static int merge_start(struct key_index *index, size_t first, size_t n, struct err *err)
{
	struct key_merge *m = mem_zero(sizeof *m);
	int rc;

	if (!m)
		return err_nomem(err);
	m->first = first;
	m->n = n;
	rc = merge_setup(index, m, err);
	if (rc) {
		key_merge_free(m);
		return rc;
	}
	index->merge = m;
	return 0;
}

static int merge_one(struct key_index *index, struct key_merge *m, struct err *err)
{
	struct cursor *c = &m->cursors[m->heap[0]];
	struct index_entry e = entry_read(c->run->entries, c->at, index->wide);
	int rc = 0;

	if (!m->any || !lake_key_eq(m->last, e.key)) { /* else: an older entry of the key before */
		m->last = e.key;
		m->any = true;
		if (e.file != FILE_TOMBSTONE && key_file_dropped(index, e.file))
			e.file = FILE_TOMBSTONE;
		if (e.file != FILE_TOMBSTONE || m->first > 0)
			rc = key_run_add(m->builder, &e, err);
	}
	if (rc)
		return rc;
	if (++c->at == c->run->header->n)
		m->heap[0] = m->heap[--m->n_heap];
	else
		rc = cursor_load(c, err);
	if (m->n_heap)
		sift_down(m, 0);
	return rc;
}

static int merge_end(struct key_index *index, struct err *err)
{
	struct key_merge *m = index->merge;
	struct key_run_builder *builder = m->builder;
	struct key_run *run;
	size_t behind = m->first + m->n;
	int rc;

	m->builder = NULL;
	rc = key_run_finish(builder, &run, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < m->n; i++)
		key_run_free(index->runs[m->first + i]);
	if (run)
		index->runs[m->first] = run;
	memmove(index->runs + m->first + (run != NULL), index->runs + behind,
	        (index->n_runs - behind) * sizeof *index->runs);
	index->n_runs -= m->n - (run != NULL);
	key_merge_free(m);
	index->merge = NULL;
	return 0;
}

int key_index_maintain(struct key_index *index, uint64_t entries_max, bool *more, struct err *err)
{
	uint64_t left = entries_max ? entries_max : UINT64_MAX;
	size_t first, n;
	int rc = 0;

	while (!rc && left > 0) {
		if (!index->merge) {
			if (!choose(index, &first, &n))
				break;
			rc = merge_start(index, first, n, err);
		}
		for (; !rc && left > 0 && index->merge->n_heap > 0; left--)
			rc = merge_one(index, index->merge, err);
		if (!rc && index->merge->n_heap == 0)
			rc = merge_end(index, err);
	}
	if (rc) { /* the inputs are as they were */
		key_merge_free(index->merge);
		index->merge = NULL;
	}
	if (more)
		*more = !rc && (index->merge || choose(index, &first, &n));
	return rc;
}
