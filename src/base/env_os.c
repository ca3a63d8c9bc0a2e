/* src/base/env_os.c — the operating system behind env: one thin function a call, negative errno on failure. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/env.h"

/* EINTR means nothing was done: the same call again. */
#define RETRY(type, call)                                                                                              \
	type r_;                                                                                                       \
	do                                                                                                             \
		r_ = (call);                                                                                           \
	while (r_ < 0 && errno == EINTR);                                                                              \
	return r_ < 0 ? -errno : r_

static int os_open(const char *path, int flags, mode_t mode) { RETRY(int, open(path, flags | O_CLOEXEC, mode)); }
static ssize_t os_pread(int fd, void *buf, size_t n, uint64_t offset)
{
	RETRY(ssize_t, pread(fd, buf, n, (off_t)offset));
}
static ssize_t os_pwrite(int fd, const void *buf, size_t n, uint64_t offset)
{
	RETRY(ssize_t, pwrite(fd, buf, n, (off_t)offset));
}
static ssize_t os_read(int fd, void *buf, size_t n) { RETRY(ssize_t, read(fd, buf, n)); }
static ssize_t os_write(int fd, const void *buf, size_t n) { RETRY(ssize_t, write(fd, buf, n)); }
static int os_ftruncate(int fd, uint64_t size) { RETRY(int, ftruncate(fd, (off_t)size)); }
static int os_rename(const char *from, const char *to) { RETRY(int, rename(from, to)); }
static int os_link(const char *from, const char *to) { RETRY(int, link(from, to)); }
static int os_unlink(const char *path) { RETRY(int, unlink(path)); }
static int os_mkdir(const char *path, mode_t mode) { RETRY(int, mkdir(path, mode)); }
static int os_rmdir(const char *path) { RETRY(int, rmdir(path)); }
static int os_syncfs(int fd) { RETRY(int, syncfs(fd)); }
static int os_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	int r = poll(fds, n, timeout_ms);
	return r < 0 ? -errno : r;
}

/* Linux closes the descriptor even when close says EINTR: a second close could hit somebody else's. */
static int os_close(int fd) { return close(fd) < 0 && errno != EINTR ? -errno : 0; }

/* For a folder fdatasync is not enough: ext4 may leave out a new name that did not change the folder's size. */
static int os_fdatasync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		RETRY(int, fsync(fd));
	}
	RETRY(int, fdatasync(fd));
}

static int os_stat(const char *path, struct env_stat *out)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	out->size = (uint64_t)st.st_size;
	out->mtime_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
	out->is_dir = S_ISDIR(st.st_mode);
	return 0;
}

static int64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t os_wall_us(void) { return clock_us(CLOCK_REALTIME); }
static int64_t os_mono_us(void) { return clock_us(CLOCK_MONOTONIC); }

static void os_sleep_us(int64_t us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	if (us <= 0)
		return;
	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static int os_random(void *buf, size_t n)
{
	char *p = buf;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

/* A block of no bytes is still a block: NULL always means failure. */
static void *os_alloc(size_t n) { return malloc(n ? n : 1); }
static void *os_realloc(void *p, size_t n) { return realloc(p, n ? n : 1); }
static void os_free(void *p) { free(p); }

const struct env_ops env_os = {
	.open = os_open,
	.close = os_close,
	.pread = os_pread,
	.pwrite = os_pwrite,
	.read = os_read,
	.write = os_write,
	.fdatasync = os_fdatasync,
	.ftruncate = os_ftruncate,
	.rename = os_rename,
	.link = os_link,
	.unlink = os_unlink,
	.mkdir = os_mkdir,
	.rmdir = os_rmdir,
	.stat = os_stat,
	.syncfs = os_syncfs,
	.wall_us = os_wall_us,
	.mono_us = os_mono_us,
	.sleep_us = os_sleep_us,
	.random = os_random,
	.alloc = os_alloc,
	.realloc = os_realloc,
	.free = os_free,
	.poll = os_poll,
};
