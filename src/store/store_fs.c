/* src/store/store_fs.c — a store in a local folder.
 *
 * A put writes <folder>/.tmp-<uuid>, then links it to its name (create-only: link(2) fails when the name is there) or
 * renames it. What was written without STORE_SYNC is remembered: store_sync makes file contents, then folder entries
 * durable; past SYNC_EACH_MAX files one syncfs replaces the single calls. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/thread.h"
#include "store/store_int.h"

#define SYNC_EACH_MAX 64
#define TEMP_PREFIX ".tmp-"
#define PATH_BYTES 4096

struct fs_store {
	struct store base;
	char root[PATH_BYTES];
	struct monitor lock;
	char **unsynced; /* absolute paths, under lock */
	size_t n_unsynced, cap_unsynced;
	bool all_unsynced;       /* the list could not grow: sync the file system */
	bool failed;             /* a sync failed: what was unsynced then may be lost, and no later sync can tell */
	pthread_mutex_t syncing; /* one sync at a time: a second caller's files may be in the first one's list */
};

static int full_path(const struct fs_store *fs, const char *key, char *out, struct err *err)
{
	int n;

	if (!store_key_ok(str_of(key)))
		return err_set(err, ERR_USAGE, "'%s' is not a valid file name inside the warehouse", key);
	n = snprintf(out, PATH_BYTES, "%s/%s", fs->root, key);
	return n < PATH_BYTES ? ERR_OK : err_set(err, ERR_LIMIT, "path of '%s' is too long", key);
}

static void parent_of(const char *path, char *out)
{
	char *slash;

	snprintf(out, PATH_BYTES, "%s", path);
	slash = strrchr(out, '/');
	if (slash)
		*slash = '\0';
}

static void remember(struct fs_store *fs, const char *path)
{
	char *copy = mem_strdup(path);

	monitor_lock(&fs->lock);
	if (!copy || vec_grow(&fs->unsynced, &fs->cap_unsynced, fs->n_unsynced + 1, sizeof *fs->unsynced)) {
		mem_free(copy);
		fs->all_unsynced = true;
	} else {
		fs->unsynced[fs->n_unsynced++] = copy;
	}
	monitor_unlock(&fs->lock);
}

static int sync_file(const char *path, struct err *err)
{
	int fd = env_open(path, O_RDONLY, 0), rc;

	if (fd == -ENOENT)
		return ERR_OK; /* removed since */
	if (fd < 0)
		return err_set_errno(err, ERR_IO, -fd, "cannot open '%s' to sync it", path);
	rc = env_fdatasync(fd);
	env_close(fd);
	return rc < 0 ? err_set_errno(err, ERR_IO, -rc, "cannot sync '%s'", path) : ERR_OK;
}

static int sync_parent(const char *path, struct err *err)
{
	char parent[PATH_BYTES];
	int rc;

	parent_of(path, parent);
	rc = env_sync_dir(parent);
	return rc < 0 ? err_set_errno(err, ERR_IO, -rc, "cannot sync folder '%s'", parent) : ERR_OK;
}

static int make_parent(const char *path, struct err *err)
{
	char parent[PATH_BYTES];
	int rc;

	parent_of(path, parent);
	rc = env_mkdir_parents(parent, 0755);
	return rc < 0 ? err_set_errno(err, ERR_IO, -rc, "cannot make folder '%s'", parent) : ERR_OK;
}

static int temp_path(const char *path, char *out, struct err *err)
{
	char parent[PATH_BYTES], uuid[37];
	int rc = make_parent(path, err);

	if (rc)
		return rc;
	parent_of(path, parent);
	env_uuid_text(uuid);
	return snprintf(out, PATH_BYTES, "%s/" TEMP_PREFIX "%s", parent, uuid) < PATH_BYTES
	               ? ERR_OK
	               : err_set(err, ERR_LIMIT, "path of '%s' is too long", path);
}

/* Gives a complete temporary file its name. */
static int publish(const char *temp, const char *path, bool create_only, struct err *err)
{
	int rc;

	if (!create_only) {
		rc = env_rename(temp, path);
		if (rc < 0)
			env_unlink(temp);
		return rc < 0 ? err_set_errno(err, ERR_IO, -rc, "cannot rename to '%s'", path) : ERR_OK;
	}
	rc = env_link(temp, path);
	env_unlink(temp);
	if (rc == -EEXIST)
		return err_set(err, ERR_EXISTS, "'%s' exists already", path);
	return rc < 0 ? err_set_errno(err, ERR_IO, -rc, "cannot create '%s'", path) : ERR_OK;
}

static int write_temp(const char *temp, struct str data, bool sync, struct err *err)
{
	int fd = env_open(temp, O_WRONLY | O_CREAT | O_EXCL, 0644), rc;

	if (fd < 0)
		return err_set_errno(err, ERR_IO, -fd, "cannot create '%s'", temp);
	rc = env_pwrite(fd, data.p, data.n, 0);
	if (rc >= 0 && sync)
		rc = env_fdatasync(fd);
	env_close(fd);
	if (rc >= 0)
		return ERR_OK;
	env_unlink(temp);
	return err_set_errno(err, ERR_IO, -rc, "cannot write '%s'", temp);
}

static int fs_put(struct store *store, const char *key, struct str data, unsigned flags, struct err *err)
{
	struct fs_store *fs = (struct fs_store *)store;
	char path[PATH_BYTES], temp[PATH_BYTES];
	bool sync = flags & STORE_SYNC;
	int rc;

	if ((rc = full_path(fs, key, path, err)) || (rc = temp_path(path, temp, err)) ||
	    (rc = write_temp(temp, data, sync, err)))
		return rc;
	FAILPOINT("store.put.before_name");
	rc = publish(temp, path, flags & STORE_CREATE_ONLY, err);
	if (rc)
		return rc;
	if (sync)
		return sync_parent(path, err);
	remember(fs, path);
	return ERR_OK;
}

static int fs_get(struct store *store, const char *key, uint64_t offset, uint64_t n, size_t max, char **out,
                  size_t *n_out, struct err *err)
{
	char path[PATH_BYTES], *buf;
	struct env_stat st;
	ssize_t got;
	int fd, rc = full_path((struct fs_store *)store, key, path, err);

	if (rc)
		return rc;
	rc = env_stat(path, &st);
	if (rc == -ENOENT)
		return err_set(err, ERR_NOT_FOUND, "file '%s' does not exist", path);
	if (rc < 0)
		return err_set_errno(err, ERR_IO, -rc, "cannot look at '%s'", path);
	if (offset > st.size || (n > 0 && n > st.size - offset))
		return err_set(err, ERR_CORRUPT, "file '%s' has %llu bytes; bytes %llu to %llu were asked for", path,
		               (unsigned long long)st.size, (unsigned long long)offset,
		               (unsigned long long)(offset + n));
	if (n == 0)
		n = st.size - offset;
	if (n > max)
		return err_set(err, ERR_LIMIT, "file '%s' has %llu bytes, more than the limit of %zu", path,
		               (unsigned long long)n, max);
	fd = env_open(path, O_RDONLY, 0);
	if (fd < 0)
		return err_set_errno(err, ERR_IO, -fd, "cannot open '%s'", path);
	buf = mem_alloc(n + 1);
	got = buf ? env_pread(fd, buf, n, offset) : 0;
	env_close(fd);
	if (!buf)
		return err_nomem(err);
	if (got < 0 || (uint64_t)got != n) {
		mem_free(buf);
		return got < 0 ? err_set_errno(err, ERR_IO, (int)-got, "cannot read '%s'", path)
		               : err_set(err, ERR_CORRUPT, "file '%s' became shorter", path);
	}
	buf[n] = '\0';
	*out = buf;
	*n_out = n;
	return ERR_OK;
}

static int fs_head(struct store *store, const char *key, struct store_object *out, struct err *err)
{
	char path[PATH_BYTES];
	struct env_stat st;
	int rc = full_path((struct fs_store *)store, key, path, err);

	if (rc)
		return rc;
	rc = env_stat(path, &st);
	if (rc == -ENOENT || (rc == 0 && st.is_dir))
		return err_set(err, ERR_NOT_FOUND, "file '%s' does not exist", path);
	if (rc < 0)
		return err_set_errno(err, ERR_IO, -rc, "cannot look at '%s'", path);
	*out = (struct store_object){ key, st.size, st.mtime_us };
	return ERR_OK;
}

static int fs_remove(struct store *store, const char *key, struct err *err)
{
	char path[PATH_BYTES];
	int rc = full_path((struct fs_store *)store, key, path, err);

	if (rc)
		return rc;
	rc = env_unlink(path);
	return rc < 0 && rc != -ENOENT ? err_set_errno(err, ERR_IO, -rc, "cannot remove '%s'", path) : ERR_OK;
}

struct listing {
	struct fs_store *fs;
	bool unfinished; /* temporary names only; else all others */
	int (*fn)(void *arg, const struct store_object *object);
	void *arg;
	struct err *err;
};

static int list_folder(const struct listing *l, const char *key, int depth)
{
	char path[PATH_BYTES], child[PATH_BYTES];
	char **names;
	size_t n;
	int rc = snprintf(path, sizeof path, "%s%s%s", l->fs->root, *key ? "/" : "", key) < PATH_BYTES
	                 ? env_list_dir(path, &names, &n)
	                 : -ENAMETOOLONG;

	if (rc == -ENOENT)
		return ERR_OK;
	if (rc < 0)
		return err_set_errno(l->err, ERR_IO, -rc, "cannot list '%s'", path);
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct env_stat st;
		struct store_object object;

		if (snprintf(child, sizeof child, "%s%s%s", key, *key ? "/" : "", names[i]) >= PATH_BYTES ||
		    snprintf(path, sizeof path, "%s/%s", l->fs->root, child) >= PATH_BYTES || env_stat(path, &st) < 0)
			continue;
		object = (struct store_object){ child, st.size, st.mtime_us };
		if (st.is_dir)
			rc = depth < 32 ? list_folder(l, child, depth + 1) : ERR_OK;
		else if ((strncmp(names[i], TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0) == l->unfinished)
			rc = l->fn(l->arg, &object);
	}
	env_free_names(names, n);
	return rc;
}

static int list_below(const struct listing *l, const char *prefix)
{
	char key[PATH_BYTES];
	size_t n;

	snprintf(key, sizeof key, "%s", prefix);
	n = strlen(key);
	if (n > 0 && key[n - 1] == '/')
		key[n - 1] = '\0';
	if (*key && !store_key_ok(str_of(key)))
		return err_set(l->err, ERR_USAGE, "'%s' is not a valid folder inside the warehouse", prefix);
	return list_folder(l, key, 0);
}

static int fs_list(struct store *store, const char *prefix, int (*fn)(void *, const struct store_object *), void *arg,
                   struct err *err)
{
	return list_below(&(struct listing){ (struct fs_store *)store, false, fn, arg, err }, prefix);
}

static int fs_list_unfinished(struct store *store, const char *prefix, int (*fn)(void *, const struct store_object *),
                              void *arg, struct err *err)
{
	return list_below(&(struct listing){ (struct fs_store *)store, true, fn, arg, err }, prefix);
}

/* DuckDB writes at the path; a half-written file stays under its temporary name. */
static int fs_file_begin(struct store *store, const char *key, char *path, size_t path_size, struct err *err)
{
	char full[PATH_BYTES], temp[PATH_BYTES];
	int rc;

	if ((rc = full_path((struct fs_store *)store, key, full, err)) || (rc = temp_path(full, temp, err)))
		return rc;
	return str_copy(path, path_size, str_of(temp)) ? ERR_OK
	                                               : err_set(err, ERR_LIMIT, "path of '%s' is too long", key);
}

static int fs_file_finish(struct store *store, const char *key, const char *path, uint64_t *size, struct err *err)
{
	struct fs_store *fs = (struct fs_store *)store;
	char full[PATH_BYTES];
	struct env_stat st;
	int rc = full_path(fs, key, full, err);

	if (rc)
		return rc;
	rc = env_stat(path, &st);
	if (rc < 0)
		return err_set_errno(err, ERR_IO, -rc, "cannot look at '%s'", path);
	rc = publish(path, full, true, err);
	if (rc)
		return rc;
	*size = st.size;
	remember(fs, full);
	return ERR_OK;
}

static void fs_file_abort(struct store *store, const char *path)
{
	(void)store;
	env_unlink(path);
}

static int fs_local_path(struct store *store, const char *key, char *path, size_t path_size, struct err *err)
{
	char full[PATH_BYTES];
	int rc = full_path((struct fs_store *)store, key, full, err);

	if (rc)
		return rc;
	return str_copy(path, path_size, str_of(full)) ? ERR_OK
	                                               : err_set(err, ERR_LIMIT, "path of '%s' is too long", key);
}

static int compare_paths(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Contents first, then each folder once: a name must not be durable before what it names. */
static int sync_each(char **paths, size_t n, struct err *err)
{
	char parent[PATH_BYTES], last[PATH_BYTES] = "";
	int rc;

	for (size_t i = 0; i < n; i++)
		if ((rc = sync_file(paths[i], err)))
			return rc;
	qsort(paths, n, sizeof *paths, compare_paths);
	for (size_t i = 0; i < n; i++) {
		parent_of(paths[i], parent);
		if (strcmp(parent, last) != 0 && (rc = sync_parent(paths[i], err)))
			return rc;
		snprintf(last, sizeof last, "%s", parent);
	}
	return ERR_OK;
}

/* What was remembered so far, durable. */
static int sync_remembered(struct fs_store *fs, struct err *err)
{
	char **paths;
	size_t n;
	bool all;
	int rc = ERR_OK;

	monitor_lock(&fs->lock);
	paths = fs->unsynced;
	n = fs->n_unsynced;
	all = fs->all_unsynced || n > SYNC_EACH_MAX;
	fs->unsynced = NULL;
	fs->n_unsynced = fs->cap_unsynced = 0;
	fs->all_unsynced = false;
	monitor_unlock(&fs->lock);
	if (all) {
		rc = env_syncfs(fs->root);
		rc = rc < 0 ? err_set_errno(err, ERR_IO, -rc, "cannot sync the file system of '%s'", fs->root) : ERR_OK;
	} else if (n > 0) {
		rc = sync_each(paths, n, err);
	}
	for (size_t i = 0; i < n; i++)
		mem_free(paths[i]);
	mem_free(paths);
	return rc;
}

static int fs_sync(struct store *store, struct err *err)
{
	struct fs_store *fs = (struct fs_store *)store;
	int rc;

	pthread_mutex_lock(&fs->syncing);
	if (fs->failed)
		rc = err_set(
			err, ERR_IO,
			"an earlier sync of '%s' failed, so files written before it may be lost; restart tarn: it goes on from what is durable",
			fs->root);
	else
		rc = sync_remembered(fs, err);
	fs->failed = fs->failed || rc != ERR_OK;
	pthread_mutex_unlock(&fs->syncing);
	return rc;
}

static bool fs_failed(struct store *store)
{
	struct fs_store *fs = (struct fs_store *)store;
	bool failed;

	pthread_mutex_lock(&fs->syncing);
	failed = fs->failed;
	pthread_mutex_unlock(&fs->syncing);
	return failed;
}

static void fs_close(struct store *store)
{
	struct fs_store *fs = (struct fs_store *)store;

	for (size_t i = 0; i < fs->n_unsynced; i++)
		mem_free(fs->unsynced[i]);
	mem_free(fs->unsynced);
	monitor_free(&fs->lock);
	pthread_mutex_destroy(&fs->syncing);
	mem_free(fs);
}

static const struct store_ops fs_ops = {
	.scheme = "file",
	.put = fs_put,
	.get = fs_get,
	.head = fs_head,
	.remove = fs_remove,
	.list = fs_list,
	.list_unfinished = fs_list_unfinished,
	.file_begin = fs_file_begin,
	.file_finish = fs_file_finish,
	.file_abort = fs_file_abort,
	.local_path = fs_local_path,
	.sync = fs_sync,
	.failed = fs_failed,
	.close = fs_close,
};

int store_open_fs(const char *path, struct store **out, struct err *err)
{
	struct fs_store *fs = mem_zero(sizeof *fs);
	int rc;

	if (!fs)
		return err_nomem(err);
	fs->base.ops = &fs_ops;
	monitor_init(&fs->lock);
	pthread_mutex_init(&fs->syncing, NULL);
	rc = env_mkdir_parents(path, 0755);
	if (rc < 0) {
		fs_close(&fs->base);
		return err_set_errno(err, ERR_IO, -rc, "warehouse folder '%s' cannot be made", path);
	}
	if (!realpath(path, fs->root) || strlen(fs->root) + 8 > sizeof fs->base.root_uri) {
		fs_close(&fs->base);
		return err_set(err, ERR_IO, "warehouse folder '%s' cannot be resolved", path);
	}
	snprintf(fs->base.root_uri, sizeof fs->base.root_uri, "file://%.1000s", fs->root);
	*out = &fs->base;
	return ERR_OK;
}
