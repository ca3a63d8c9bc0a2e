/* src/base/env_fault.c — an env table for tests: counts calls by kind and fails chosen ones. */
#include "base/env_fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

struct fault {
	uint64_t count;
	uint64_t at; /* count at which it fails; 0: never */
	bool stay;   /* and from then on */
	bool fired;
	int error;
};

static struct fault faults[ENV_CALLS];
static size_t tear_bytes;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* --- losing unsynced content: the old bytes of every write since the last sync, newest first --- */

struct undo {
	struct undo *next;
	char path[PATH_MAX];
	uint64_t size; /* of the file before */
	uint64_t offset;
	size_t n;
	uint8_t bytes[];
};

static struct undo *undos;
static bool tracking;

static bool path_of(int fd, char path[PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return true;
}

/* Before a write of n bytes at offset (n is what gets overwritten at most) or a cut to offset. */
static void remember(int fd, uint64_t offset, size_t n)
{
	struct undo *u = calloc(1, sizeof *u + n);
	struct env_stat st;
	int in;

	CHECK(u && path_of(fd, u->path), "env_fault: cannot track");
	CHECK(env_os.stat(u->path, &st) == 0, "env_fault: cannot stat %s", u->path);
	u->size = st.size;
	u->offset = offset;
	in = env_os.open(u->path, O_RDONLY, 0); /* the writer's descriptor may not be readable */
	if (in >= 0 && n) {
		ssize_t got = env_os.pread(in, u->bytes, n, offset);

		u->n = got > 0 ? (size_t)got : 0;
	}
	if (in >= 0)
		env_os.close(in);
	u->next = undos;
	undos = u;
}

static void forget(const char *path)
{
	for (struct undo **at = &undos; *at;) {
		struct undo *u = *at;

		if (path && strcmp(u->path, path) != 0) {
			at = &u->next;
			continue;
		}
		*at = u->next;
		free(u);
	}
}

void env_fault_track(bool on)
{
	pthread_mutex_lock(&mutex);
	tracking = on;
	forget(NULL);
	pthread_mutex_unlock(&mutex);
}

void env_fault_lose(void)
{
	pthread_mutex_lock(&mutex);
	while (undos) {
		struct undo *u = undos;
		int fd = env_os.open(u->path, O_RDWR, 0);

		if (fd >= 0) {
			CHECK(env_os.ftruncate(fd, u->size) == 0, "env_fault: cannot cut %s", u->path);
			if (u->n)
				CHECK(env_os.pwrite(fd, u->bytes, u->n, u->offset) == (ssize_t)u->n,
				      "env_fault: cannot restore %s", u->path);
			env_os.close(fd);
		}
		undos = u->next;
		free(u);
	}
	pthread_mutex_unlock(&mutex);
}

/* --- failing --- */

/* 0, or the negative errno this call has to answer with. */
static int hit(enum env_call call)
{
	struct fault *f = &faults[call];
	int r = 0;

	pthread_mutex_lock(&mutex);
	f->count++;
	if (f->at && (f->count == f->at || (f->stay && f->count > f->at))) {
		f->fired = true;
		r = -f->error;
	}
	pthread_mutex_unlock(&mutex);
	return r;
}

#define PASS(kind, call)                                                                                               \
	do {                                                                                                           \
		int r_ = hit(kind);                                                                                    \
		return r_ ? r_ : (call);                                                                               \
	} while (0)

static int fault_open(const char *path, int flags, mode_t mode) { PASS(ENV_OPEN, env_os.open(path, flags, mode)); }
static ssize_t fault_pread(int fd, void *buf, size_t n, uint64_t offset)
{
	PASS(ENV_PREAD, env_os.pread(fd, buf, n, offset));
}
static ssize_t fault_read(int fd, void *buf, size_t n) { PASS(ENV_READ, env_os.read(fd, buf, n)); }
static int fault_link(const char *from, const char *to) { PASS(ENV_LINK, env_os.link(from, to)); }
static int fault_unlink(const char *path) { PASS(ENV_UNLINK, env_os.unlink(path)); }
static int fault_mkdir(const char *path, mode_t mode) { PASS(ENV_MKDIR, env_os.mkdir(path, mode)); }
static int fault_rmdir(const char *path) { PASS(ENV_RMDIR, env_os.rmdir(path)); }
static int fault_stat(const char *path, struct env_stat *out) { PASS(ENV_STAT, env_os.stat(path, out)); }
static int fault_syncfs(int fd) { PASS(ENV_SYNCFS, env_os.syncfs(fd)); }
static int fault_random(void *buf, size_t n) { PASS(ENV_RANDOM, env_os.random(buf, n)); }
static void *fault_alloc(size_t n) { return hit(ENV_ALLOC) ? NULL : env_os.alloc(n); }
static void *fault_realloc(void *p, size_t n) { return hit(ENV_ALLOC) ? NULL : env_os.realloc(p, n); }

/* Unsynced content stays unsynced under its new name. */
static int fault_rename(const char *from, const char *to)
{
	int r = hit(ENV_RENAME);
	char old[PATH_MAX], new[PATH_MAX];

	if (r)
		return r;
	pthread_mutex_lock(&mutex);
	if (!realpath(from, old))
		old[0] = '\0';
	r = env_os.rename(from, to);
	if (r == 0 && undos && realpath(to, new)) {
		forget(new); /* the replaced file is gone */
		for (struct undo *u = undos; u; u = u->next)
			if (strcmp(u->path, old) == 0)
				strcpy(u->path, new);
	}
	pthread_mutex_unlock(&mutex);
	return r;
}

/* The descriptor is gone even when close fails. */
static int fault_close(int fd)
{
	int r = hit(ENV_CLOSE), c = env_os.close(fd);

	return r ? r : c;
}

static ssize_t fault_pwrite(int fd, const void *buf, size_t n, uint64_t offset)
{
	int r = hit(ENV_PWRITE);
	size_t put = r && tear_bytes < n ? tear_bytes : n;

	pthread_mutex_lock(&mutex);
	if (tracking && (!r || put))
		remember(fd, offset, put);
	pthread_mutex_unlock(&mutex);
	if (!r)
		return env_os.pwrite(fd, buf, n, offset);
	if (tear_bytes)
		(void)!env_os.pwrite(fd, buf, put, offset);
	return r;
}

static ssize_t fault_write(int fd, const void *buf, size_t n)
{
	int r = hit(ENV_WRITE);

	if (!r)
		return env_os.write(fd, buf, n);
	if (tear_bytes)
		(void)!env_os.write(fd, buf, tear_bytes < n ? tear_bytes : n);
	return r;
}

static int fault_ftruncate(int fd, uint64_t size)
{
	int r = hit(ENV_FTRUNCATE);
	off_t end;

	if (r)
		return r;
	pthread_mutex_lock(&mutex);
	end = lseek(fd, 0, SEEK_END);
	if (tracking)
		remember(fd, size, end > (off_t)size ? (size_t)(end - (off_t)size) : 0);
	pthread_mutex_unlock(&mutex);
	return env_os.ftruncate(fd, size);
}

static int fault_fdatasync(int fd)
{
	int r = hit(ENV_SYNC);
	char path[PATH_MAX];

	if (r)
		return r;
	r = env_os.fdatasync(fd);
	pthread_mutex_lock(&mutex);
	if (r == 0 && tracking && path_of(fd, path))
		forget(path);
	pthread_mutex_unlock(&mutex);
	return r;
}

static struct env_ops table;

void env_fault_install(void)
{
	memset(faults, 0, sizeof faults);
	tear_bytes = 0;
	env_fault_track(false);
	table = env_os;
	table.open = fault_open;
	table.close = fault_close;
	table.pread = fault_pread;
	table.pwrite = fault_pwrite;
	table.read = fault_read;
	table.write = fault_write;
	table.fdatasync = fault_fdatasync;
	table.ftruncate = fault_ftruncate;
	table.rename = fault_rename;
	table.link = fault_link;
	table.unlink = fault_unlink;
	table.mkdir = fault_mkdir;
	table.rmdir = fault_rmdir;
	table.stat = fault_stat;
	table.syncfs = fault_syncfs;
	table.random = fault_random;
	table.alloc = fault_alloc;
	table.realloc = fault_realloc;
	env_install(&table);
}

void env_fault_remove(void) { env_install(NULL); }

static void arm(enum env_call call, uint64_t nth, int error, bool stay)
{
	struct fault *f = &faults[call];

	pthread_mutex_lock(&mutex);
	f->at = nth ? f->count + nth : 0;
	f->error = error;
	f->stay = stay;
	pthread_mutex_unlock(&mutex);
}

void env_fault_fail(enum env_call call, uint64_t nth, int error) { arm(call, nth, error, false); }

void env_fault_fail_from(enum env_call call, uint64_t nth, int error) { arm(call, nth, error, true); }

void env_fault_tear(size_t bytes) { tear_bytes = bytes; }

uint64_t env_fault_count(enum env_call call)
{
	uint64_t n;

	pthread_mutex_lock(&mutex);
	n = faults[call].count;
	pthread_mutex_unlock(&mutex);
	return n;
}

bool env_fault_fired(enum env_call call)
{
	bool fired;

	pthread_mutex_lock(&mutex);
	fired = faults[call].fired;
	pthread_mutex_unlock(&mutex);
	return fired;
}
