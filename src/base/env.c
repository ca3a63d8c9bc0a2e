/* src/base/env.c — the functions of env: the installed table, with whole writes and short-read loops on top. */
#include "base/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"

static const struct env_ops *current = &env_os;

const struct env_ops *env_install(const struct env_ops *ops)
{
	const struct env_ops *previous = current;

	current = ops ? ops : &env_os;
	return previous;
}

const struct env_ops *env_current(void) { return current; }

int env_open(const char *path, int flags, mode_t mode) { return current->open(path, flags | O_CLOEXEC, mode); }
int env_close(int fd) { return current->close(fd); }
ssize_t env_read(int fd, void *buf, size_t n) { return current->read(fd, buf, n); }
int env_fdatasync(int fd) { return current->fdatasync(fd); }
int env_ftruncate(int fd, uint64_t size) { return current->ftruncate(fd, size); }
int env_rename(const char *from, const char *to) { return current->rename(from, to); }
int env_link(const char *from, const char *to) { return current->link(from, to); }
int env_unlink(const char *path) { return current->unlink(path); }
int env_mkdir(const char *path, mode_t mode) { return current->mkdir(path, mode); }
int env_rmdir(const char *path) { return current->rmdir(path); }
int env_stat(const char *path, struct env_stat *out) { return current->stat(path, out); }
int64_t env_wall_us(void) { return current->wall_us(); }
int64_t env_mono_us(void) { return current->mono_us(); }
void env_sleep_us(int64_t us) { current->sleep_us(us); }
int env_random(void *buf, size_t n) { return current->random(buf, n); }

ssize_t env_pread(int fd, void *buf, size_t n, uint64_t offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = current->pread(fd, (char *)buf + done, n - done, offset + done);

		if (got == -EINTR)
			continue;
		if (got < 0)
			return got;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

int env_pwrite(int fd, const void *buf, size_t n, uint64_t offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t put = current->pwrite(fd, (const char *)buf + done, n - done, offset + done);

		if (put == -EINTR)
			continue;
		if (put < 0)
			return (int)put;
		if (put == 0)
			return -EIO;
		done += (size_t)put;
	}
	return 0;
}

int env_write(int fd, const void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t put = current->write(fd, (const char *)buf + done, n - done);

		if (put == -EINTR)
			continue;
		if (put < 0)
			return (int)put;
		if (put == 0)
			return -EIO;
		done += (size_t)put;
	}
	return 0;
}

int env_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? 0 : env_mono_us() + (int64_t)timeout_ms * 1000;

	for (;;) {
		int r = current->poll(fds, n, timeout_ms);
		int64_t left;

		if (r != -EINTR)
			return r;
		if (timeout_ms < 0)
			continue;
		left = end - env_mono_us();
		timeout_ms = left > 0 ? (int)((left + 999) / 1000) : 0;
	}
}

void env_uuid(uint8_t out[16])
{
	int r = env_random(out, 16);

	CHECK(r == 0, "the operating system gives no random bytes (errno %d)", -r);
	out[6] = (uint8_t)((out[6] & 0x0F) | 0x40); /* version 4, RFC 9562 5.4 */
	out[8] = (uint8_t)((out[8] & 0x3F) | 0x80); /* variant 10 */
}

const char *uuid_text(const uint8_t uuid[16], char out[37])
{
	static const char hex[] = "0123456789abcdef";
	char *p = out;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[uuid[i] >> 4];
		*p++ = hex[uuid[i] & 15];
	}
	*p = '\0';
	return out;
}

void env_uuid_text(char out[37])
{
	uint8_t uuid[16];

	env_uuid(uuid);
	uuid_text(uuid, out);
}
