/* src/base/env_file.c — whole files and folders, made of the calls of env.
 *
 * Reading a folder's names and looking at a name without following it have no row in the env table: they are plain
 * reads. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/str.h"

int env_sync_dir(const char *path)
{
	int fd = env_open(path, O_RDONLY | O_DIRECTORY, 0);
	int r;

	if (fd < 0)
		return fd;
	r = env_fdatasync(fd);
	env_close(fd);
	return r;
}

int env_syncfs(const char *path_in_fs)
{
	int fd = env_open(path_in_fs, O_RDONLY, 0);
	int r;

	if (fd < 0)
		return fd;
	r = env_current()->syncfs(fd);
	env_close(fd);
	return r;
}

/* The folder a name lies in: "." and "/" included. */
static void parent_of(const char *path, char out[PATH_MAX])
{
	struct str s = str_of(path);

	while (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	while (s.n && s.p[s.n - 1] != '/')
		s.n--;
	while (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	str_copy(out, PATH_MAX, s.n ? s : STR_LIT("."));
}

static int mkdir_synced(const char *path, mode_t mode)
{
	char parent[PATH_MAX];
	struct env_stat st;
	int r = env_mkdir(path, mode);

	if (r == -EEXIST) {
		r = env_stat(path, &st);
		return r ? r : st.is_dir ? 0 : -ENOTDIR;
	}
	if (r)
		return r;
	parent_of(path, parent);
	return env_sync_dir(parent);
}

int env_mkdir_parents(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	struct env_stat st;
	int r;

	if (env_stat(path, &st) == 0)
		return st.is_dir ? 0 : -ENOTDIR;
	if (!str_copy(part, sizeof part, str_of(path)))
		return -ENAMETOOLONG;
	for (char *p = part + 1; part[0] && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (env_stat(part, &st) != 0) {
			r = mkdir_synced(part, mode);
			if (r)
				return r;
		}
		*p = '/';
	}
	return mkdir_synced(path, mode);
}

int env_read_file(const char *path, size_t max, char **out, size_t *n)
{
	int fd = env_open(path, O_RDONLY, 0);
	size_t cap = 0, used = 0;
	char *p = NULL;
	ssize_t got;
	int r = 0;

	*out = NULL;
	*n = 0;
	if (fd < 0)
		return fd;
	/* read until the end instead of trusting the size: pipes and /proc have none. */
	for (;;) {
		if (vec_grow(&p, &cap, used + 4096, 1)) {
			r = -ENOMEM;
			break;
		}
		got = env_read(fd, p + used, cap - used - 1);
		if (got < 0)
			r = (int)got;
		if (got <= 0)
			break;
		used += (size_t)got;
		if (used > max) {
			r = -EFBIG;
			break;
		}
	}
	env_close(fd);
	if (r) {
		mem_free(p);
		return r;
	}
	p[used] = '\0';
	*out = p;
	*n = used;
	return 0;
}

static int write_synced(const char *path, const void *data, size_t n, mode_t mode)
{
	int fd = env_open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
	int r, c;

	if (fd < 0)
		return fd;
	r = env_write(fd, data, n);
	if (r == 0)
		r = env_fdatasync(fd);
	c = env_close(fd);
	return r ? r : c;
}

int env_write_file_atomic(const char *path, const void *data, size_t n, mode_t mode)
{
	char temp[PATH_MAX], parent[PATH_MAX];
	uint32_t tag = 0;
	int r = env_random(&tag, sizeof tag);

	if (r)
		return r;
	if (snprintf(temp, sizeof temp, "%s.%08x.tmp", path, tag) >= (int)sizeof temp)
		return -ENAMETOOLONG;
	r = write_synced(temp, data, n, mode);
	if (r == 0)
		r = env_rename(temp, path);
	if (r) {
		env_unlink(temp);
		return r;
	}
	parent_of(path, parent);
	return env_sync_dir(parent);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int env_list_dir(const char *path, char ***names, size_t *n)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t cap = 0;
	int r = 0;

	*names = NULL;
	*n = 0;
	if (!dir)
		return -errno;
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (vec_grow(names, &cap, *n + 1, sizeof **names) || !((*names)[*n] = mem_strdup(entry->d_name)))
			r = -ENOMEM;
		else
			(*n)++;
	}
	if (r == 0 && errno)
		r = -errno;
	closedir(dir);
	if (r) {
		env_free_names(*names, *n);
		*names = NULL;
		*n = 0;
		return r;
	}
	if (*n)
		qsort(*names, *n, sizeof **names, by_name);
	return 0;
}

void env_free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mem_free(names[i]);
	mem_free(names);
}

static int remove_folder(const char *path);

static int remove_one(const char *path)
{
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = S_ISDIR(st.st_mode) ? remove_folder(path) : env_unlink(path);
	return r == -ENOENT ? 0 : r;
}

static int remove_folder(const char *path)
{
	char **names;
	size_t n, len = strlen(path);
	int r = env_list_dir(path, &names, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		size_t size = len + strlen(names[i]) + 2;
		char *child = mem_alloc(size);

		if (!child) {
			r = -ENOMEM;
			break;
		}
		snprintf(child, size, "%s/%s", path, names[i]);
		r = remove_one(child);
		mem_free(child);
	}
	env_free_names(names, n);
	return r ? r : env_rmdir(path);
}

int env_remove_tree(const char *path) { return remove_one(path); }
