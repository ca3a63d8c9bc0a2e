/* src/store/store.h — where the lake's files live: a folder (store_fs.c); object stores come through the same table.
 *
 * Keys are relative paths below the store's root: parts of [A-Za-z0-9._=-] and '/', no "..", no empty part
 * (store_key_ok). URIs ("file:///w/ns/t/data/x.parquet") are what table metadata holds; store_uri and store_key
 * convert. Threads: all functions are thread-safe. Durability: files become durable with store_sync (or STORE_SYNC at
 * once): write many, sync once, then commit the one pointer that names them. A name appears only complete: never a
 * half-written file under its final name. */
#ifndef TARN_STORE_STORE_H
#define TARN_STORE_STORE_H

#include "base/err.h"
#include "base/str.h"

struct store;

enum store_flags {
	STORE_CREATE_ONLY = 1, /* ERR_EXISTS when the key is there */
	STORE_SYNC = 2,        /* durable on return; otherwise at the next store_sync */
};

struct store_object {
	const char *key;
	uint64_t size;
	int64_t mtime_us;
};

struct store_ops {
	const char *scheme; /* "file" */
	int (*put)(struct store *store, const char *key, struct str data, unsigned flags, struct err *err);
	/* Reads [offset, offset+n) (n 0: to the end) into *out (mem_free), zero-ended. ERR_NOT_FOUND; ERR_LIMIT above
	 * max. */
	int (*get)(struct store *store, const char *key, uint64_t offset, uint64_t n, size_t max, char **out,
	           size_t *n_out, struct err *err);
	int (*head)(struct store *store, const char *key, struct store_object *out, struct err *err);
	int (*remove)(struct store *store, const char *key, struct err *err); /* missing is fine */
	/* All keys below a prefix (a folder), in byte order; stops when fn returns non-zero and returns that. */
	int (*list)(struct store *store, const char *prefix, int (*fn)(void *arg, const struct store_object *object),
	            void *arg, struct err *err);
	/* The same of what unfinished puts and files left under temporary names: no objects, but remove takes their
	 * keys. Some may be in use by another thread. */
	int (*list_unfinished)(struct store *store, const char *prefix,
	                       int (*fn)(void *arg, const struct store_object *object), void *arg, struct err *err);
	/* A local path to write a new file at (DuckDB writes there); finish gives it its key (create-only), abort
	 * removes it. */
	int (*file_begin)(struct store *store, const char *key, char *path, size_t path_size, struct err *err);
	int (*file_finish)(struct store *store, const char *key, const char *path, uint64_t *size, struct err *err);
	void (*file_abort)(struct store *store, const char *path);
	/* A local path to read a whole object from. */
	int (*local_path)(struct store *store, const char *key, char *path, size_t path_size, struct err *err);
	int (*sync)(struct store *store, struct err *err);
	/* a sync failed: nothing will be durable before the store is opened again; the process should end */
	bool (*failed)(struct store *store);
	void (*close)(struct store *store);
};

struct store { /* embedded first by implementations */
	const struct store_ops *ops;
	char root_uri[1024]; /* "file:///abs/warehouse", no trailing slash */
};

/* uri: "file:relative", "file:/abs", "file:///abs", a plain path. Makes the folder; then probes it: a create-only put
 * must be refused the second time (ERR_IDENTITY), unwritable is ERR_IO naming the folder. */
int store_open(const char *uri, struct store **out, struct err *err) TARN_MUST_CHECK;
void store_close(struct store *store);

bool store_key_ok(struct str key);
/* One path part made of any name, reversible and collision-free: bytes outside [a-z0-9_-] become =XX (upper-case hex). */
void store_encode_part(struct str name, char *out, size_t out_size);
int store_uri(const struct store *store, const char *key, char *out, size_t out_size);
/* The key of a URI below this store's root, or NULL: not ours. Accepts file:/x, file:///x and plain absolute paths
 * for the same root. */
const char *store_key(const struct store *store, const char *uri);

static inline int store_put(struct store *s, const char *key, struct str data, unsigned flags, struct err *err)
{
	return s->ops->put(s, key, data, flags, err);
}
static inline int store_get(struct store *s, const char *key, size_t max, char **out, size_t *n, struct err *err)
{
	return s->ops->get(s, key, 0, 0, max, out, n, err);
}
static inline int store_get_range(struct store *s, const char *key, uint64_t offset, uint64_t n, char **out,
                                  size_t *n_out, struct err *err)
{
	return s->ops->get(s, key, offset, n, n ? n : SIZE_MAX, out, n_out, err);
}
static inline int store_head(struct store *s, const char *key, struct store_object *out, struct err *err)
{
	return s->ops->head(s, key, out, err);
}
static inline int store_remove(struct store *s, const char *key, struct err *err)
{
	return s->ops->remove(s, key, err);
}
static inline int store_list(struct store *s, const char *prefix, int (*fn)(void *, const struct store_object *),
                             void *arg, struct err *err)
{
	return s->ops->list(s, prefix, fn, arg, err);
}
static inline int store_sync(struct store *s, struct err *err) { return s->ops->sync(s, err); }

#endif
