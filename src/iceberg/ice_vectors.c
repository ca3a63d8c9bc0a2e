/* src/iceberg/ice_vectors.c — deletion vectors of one commit in one Puffin file, and reading one back. */
#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "base/mem.h"
#include "iceberg/ice_vectors.h"
#include "iceberg/puffin.h"

/* A vector's place in the file. */
struct slot {
	size_t bytes;
	size_t vector;
};

static int by_bytes(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int put_in_order(struct lake_vector *vectors, size_t n, struct slot *slots, struct err *err)
{
	struct wbuf bytes;
	int rc = ERR_OK;

	wbuf_init(&bytes, BITMAP_BYTES_MAX);
	for (size_t i = 0; !rc && i < n; i++) {
		wbuf_reset(&bytes);
		rc = bitmap_serialize(vectors[i].bitmap, &bytes, err);
		slots[i] = (struct slot){ bytes.n, i };
	}
	wbuf_free(&bytes);
	if (!rc)
		qsort(slots, n, sizeof *slots, by_bytes);
	return rc;
}

/* Rising in size, one byte between two: DuckDB 1.5 caches file contents in blocks, joins blocks whose gap is smaller
 * than the read, and then takes the beginning of the joined block for what was asked. In this order no read finds
 * such a neighbour; readers that go by offset do not care. */
static int add_all(struct puffin *puffin, struct lake_vector *vectors, size_t n, const char *uri, struct err *err)
{
	struct slot *slots = mem_array(n + 1, sizeof *slots);
	int rc = slots ? put_in_order(vectors, n, slots, err) : err_nomem(err);

	for (size_t i = 0; !rc && i < n; i++) {
		struct lake_vector *vector = &vectors[slots[i].vector];

		if (i > 0)
			wbuf_put_u8(&puffin->bytes, 0);
		vector->out.cardinality = bitmap_cardinality(vector->bitmap);
		rc = puffin_add_dv(puffin, vector->data_path, vector->bitmap, &vector->out.offset, &vector->out.size,
		                   err);
		if (!rc && !(vector->out.path = mem_strdup(uri)))
			rc = err_nomem(err);
	}
	mem_free(slots);
	return rc ? rc : puffin_finish(puffin, err);
}

int ice_write_vectors(struct lake_table *table, struct store *store, struct lake_vector *vectors, size_t n,
                      struct err *err)
{
	struct puffin puffin;
	char uri[1200], uuid[37];
	const char *key;
	int rc;

	env_uuid_text(uuid);
	snprintf(uri, sizeof uri, "%.1000s/data/%s-deletes.puffin", table->ops->location(table), uuid);
	key = store_key(store, uri);
	if (!key)
		return err_set(err, ERR_IDENTITY, "table location %s is not inside the warehouse %s",
		               table->ops->location(table), store->root_uri);
	puffin_init(&puffin);
	rc = add_all(&puffin, vectors, n, uri, err);
	if (!rc)
		rc = store_put(store, key, wbuf_str(&puffin.bytes), STORE_CREATE_ONLY, err);
	puffin_free(&puffin);
	for (size_t i = 0; rc && i < n; i++) {
		mem_free(vectors[i].out.path);
		vectors[i].out.path = NULL;
	}
	return rc;
}

int ice_read_vector(struct store *store, const char *data_path, const struct deletion_vector *dv, struct bitmap **out,
                    struct err *err)
{
	const char *key = store_key(store, dv->path);
	char *blob;
	size_t n;
	int rc;

	if (!key)
		return err_set(err, ERR_IDENTITY, "deletion vector %s of %s is not inside the warehouse %s", dv->path,
		               data_path, store->root_uri);
	if (dv->size > BITMAP_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "deletion vector %s of %s has %llu bytes", dv->path, data_path,
		               (unsigned long long)dv->size);
	rc = store_get_range(store, key, dv->offset, dv->size, &blob, &n, err);
	if (rc)
		return rc;
	rc = puffin_read_dv(str_view(blob, n), dv->cardinality, dv->path, out, err);
	mem_free(blob);
	return rc;
}
