/* src/iceberg/ice_vectors.c — deletion vectors of one commit in one Puffin file, and reading one back. */
#include <stdio.h>

#include "base/env.h"
#include "base/mem.h"
#include "iceberg/ice_vectors.h"
#include "iceberg/puffin.h"

static int add_all(struct puffin *puffin, struct lake_vector *vectors, size_t n, const char *uri, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct deletion_vector *dv = &vectors[i].out;
		int rc;

		dv->cardinality = bitmap_cardinality(vectors[i].bitmap);
		rc = puffin_add_dv(puffin, vectors[i].data_path, vectors[i].bitmap, &dv->offset, &dv->size, err);
		if (rc)
			return rc;
		dv->path = mem_strdup(uri);
		if (!dv->path)
			return err_nomem(err);
	}
	return puffin_finish(puffin, err);
}

int ice_write_vectors(struct lake_table *table, struct store *store, struct lake_vector *vectors, size_t n, struct err *err)
{
	struct puffin puffin;
	char uri[1200], uuid[37];
	const char *key;
	int rc;

	env_uuid_text(uuid);
	snprintf(uri, sizeof uri, "%.1000s/data/%s-deletes.puffin", table->ops->location(table), uuid);
	key = store_key(store, uri);
	if (!key)
		return err_set(err, ERR_IDENTITY, "table location %s is not inside the warehouse %s", table->ops->location(table), store->root_uri);
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

int ice_read_vector(struct store *store, const char *data_path, const struct deletion_vector *dv, struct bitmap **out, struct err *err)
{
	const char *key = store_key(store, dv->path);
	char *blob;
	size_t n;
	int rc;

	if (!key)
		return err_set(err, ERR_IDENTITY, "deletion vector %s of %s is not inside the warehouse %s", dv->path, data_path, store->root_uri);
	if (dv->size > BITMAP_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "deletion vector %s of %s has %llu bytes", dv->path, data_path, (unsigned long long)dv->size);
	rc = store_get_range(store, key, dv->offset, dv->size, &blob, &n, err);
	if (rc)
		return rc;
	rc = puffin_read_dv(str_view(blob, n), dv->cardinality, dv->path, out, err);
	mem_free(blob);
	return rc;
}
