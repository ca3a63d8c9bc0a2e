/* src/base/env.h — every effect on the world: files, clock, randomness, network, allocation.
 *
 * Production code calls the env_* functions; they go through the table installed in the process (the operating
 * system's by default). Tests install another table (env_install) to fail the N-th call, to lose unsynced writes or
 * to stop the clock; base/env_fault.h holds ready ones. No other file of the tree calls open, write, fsync, rename,
 * clock_gettime, getrandom, malloc or socket functions (tools/tidy); libpq, libevent, SQLite and DuckDB do their own.
 *
 * Functions return 0 / a count / a descriptor, or a negative errno (-ENOENT). EINTR and short writes are handled
 * inside: env_pwrite and env_write write all or fail. All functions are thread-safe. A failed env_fdatasync must be
 * treated as loss of the file's unsynced content: never call it again for the same descriptor and believe it (the
 * kernel reports a lost page once). */
#ifndef TARN_BASE_ENV_H
#define TARN_BASE_ENV_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct env_stat {
	uint64_t size;    /* bytes */
	int64_t mtime_us; /* since 1970 */
	bool is_dir;
};

/* The table. A wrapper copies the previous table and replaces what it wants to watch. */
struct env_ops {
	int (*open)(const char *path, int flags, mode_t mode);
	int (*close)(int fd);
	ssize_t (*pread)(int fd, void *buf, size_t n, uint64_t offset);
	ssize_t (*pwrite)(int fd, const void *buf, size_t n, uint64_t offset);
	ssize_t (*read)(int fd, void *buf, size_t n);
	ssize_t (*write)(int fd, const void *buf, size_t n);
	int (*fdatasync)(int fd);
	int (*ftruncate)(int fd, uint64_t size);
	int (*rename)(const char *from, const char *to);
	int (*link)(const char *from, const char *to); /* fails with -EEXIST: the create-only primitive */
	int (*unlink)(const char *path);
	int (*mkdir)(const char *path, mode_t mode);
	int (*rmdir)(const char *path);
	int (*stat)(const char *path, struct env_stat *out);
	int (*syncfs)(int fd);
	int64_t (*wall_us)(void);
	int64_t (*mono_us)(void);
	void (*sleep_us)(int64_t us);
	int (*random)(void *buf, size_t n);
	void *(*alloc)(size_t n);
	void *(*realloc)(void *p, size_t n);
	void (*free)(void *p);
	int (*poll)(struct pollfd *fds, nfds_t n, int timeout_ms);
};

extern const struct env_ops env_os; /* the operating system */
/* returns the previous; NULL restores env_os. Only while one thread runs. */
const struct env_ops *env_install(const struct env_ops *ops);
const struct env_ops *env_current(void);

int env_open(const char *path, int flags, mode_t mode); /* O_CLOEXEC is always added */
int env_close(int fd);
ssize_t env_pread(int fd, void *buf, size_t n, uint64_t offset);    /* fewer bytes only at end of file */
int env_pwrite(int fd, const void *buf, size_t n, uint64_t offset); /* all or error */
ssize_t env_read(int fd, void *buf, size_t n);                      /* as read(2), EINTR retried */
int env_write(int fd, const void *buf, size_t n);                   /* all or error */
int env_fdatasync(int fd);
int env_ftruncate(int fd, uint64_t size);
int env_rename(const char *from, const char *to);
int env_link(const char *from, const char *to);
int env_unlink(const char *path);
int env_mkdir(const char *path, mode_t mode);
/* existing folders are fine; each made folder's parent is synced */
int env_mkdir_parents(const char *path, mode_t mode);
int env_rmdir(const char *path);
int env_stat(const char *path, struct env_stat *out);
int env_sync_dir(const char *path); /* makes names in the folder durable */
int env_syncfs(const char *path_in_fs);
/* Whole file into an owned, zero-ended block (mem_free). -EFBIG when larger than max. */
int env_read_file(const char *path, size_t max, char **out, size_t *n);
/* Temporary name, write, fdatasync, rename, folder sync: old or new content, never a mixture. */
int env_write_file_atomic(const char *path, const void *data, size_t n, mode_t mode);
/* Names in a folder without "." and "..", sorted; owned: env_free_names. */
int env_list_dir(const char *path, char ***names, size_t *n);
void env_free_names(char **names, size_t n);
/* rm -r; missing is fine; symbolic links are removed, not followed */
int env_remove_tree(const char *path);

int64_t env_wall_us(void); /* UTC, microseconds since 1970; display and time stamps only */
int64_t env_mono_us(void); /* never goes back; all waiting */
void env_sleep_us(int64_t us);
int env_random(void *buf, size_t n);
/* Random (version 4) UUID as 16 bytes and as text of 36 characters. */
void env_uuid(uint8_t out[16]);
void env_uuid_text(char out[37]);
const char *uuid_text(const uint8_t uuid[16], char out[37]); /* out */
int env_poll(struct pollfd *fds, nfds_t n, int timeout_ms);

#endif
