/* tests/unit/base/test_base_env.c — unit tests of base/env. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/env_fault.h"
#include "base/mem.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/tarn-test-env-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	env_install(NULL);
	return env_remove_tree(dir);
}

static const char *in_dir(const char *name)
{
	static char path[2][256];
	static int i;

	i ^= 1;
	snprintf(path[i], sizeof path[i], "%s/%s", dir, name);
	return path[i];
}

static void files_whole(void **state)
{
	char *text;
	size_t n;

	(void)state;
	assert_int_equal(env_write_file_atomic(in_dir("a"), "hello", 5, 0600), 0);
	assert_int_equal(env_write_file_atomic(in_dir("a"), "world!", 6, 0600), 0);
	assert_int_equal(env_read_file(in_dir("a"), 6, &text, &n), 0);
	assert_int_equal(n, 6);
	assert_string_equal(text, "world!");
	mem_free(text);
	assert_int_equal(env_read_file(in_dir("a"), 5, &text, &n), -EFBIG);
	assert_int_equal(env_read_file(in_dir("b"), 5, &text, &n), -ENOENT);
	assert_int_equal(env_read_file("/proc/self/status", 1 << 20, &text, &n), 0);
	assert_true(n > 100);
	mem_free(text);
}

static void atomic_write_is_old_or_new(void **state)
{
	static const enum env_call calls[] = { ENV_OPEN, ENV_WRITE, ENV_SYNC, ENV_RENAME, ENV_RANDOM };
	char *text, **names;
	size_t n, n_names;

	(void)state;
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		assert_int_equal(env_write_file_atomic(in_dir("a"), "old", 3, 0600), 0);
		env_fault_install();
		env_fault_tear(1);
		env_fault_fail(calls[i], 1, ENOSPC);
		assert_int_equal(env_write_file_atomic(in_dir("a"), "newer", 5, 0600), -ENOSPC);
		env_fault_remove();
		assert_int_equal(env_read_file(in_dir("a"), 100, &text, &n), 0);
		assert_string_equal(text, "old");
		mem_free(text);
		assert_int_equal(env_list_dir(dir, &names, &n_names), 0);
		assert_int_equal(n_names, 1); /* no temporary file left */
		env_free_names(names, n_names);
	}
}

static void folders(void **state)
{
	char **names;
	size_t n;
	struct env_stat st;

	(void)state;
	assert_int_equal(env_mkdir_parents(in_dir("x/y//z"), 0755), 0);
	assert_int_equal(env_mkdir_parents(in_dir("x/y/z/"), 0755), 0);
	assert_int_equal(env_stat(in_dir("x/y/z"), &st), 0);
	assert_true(st.is_dir);
	assert_int_equal(env_write_file_atomic(in_dir("x/f"), "", 0, 0600), 0);
	assert_int_equal(env_mkdir_parents(in_dir("x/f"), 0755), -ENOTDIR);
	assert_int_equal(env_mkdir_parents(in_dir("x/f/g"), 0755), -ENOTDIR);
	assert_int_equal(env_link(in_dir("x/f"), in_dir("x/a")), 0);
	assert_int_equal(env_link(in_dir("x/f"), in_dir("x/a")), -EEXIST);
	assert_int_equal(env_list_dir(in_dir("x"), &names, &n), 0);
	assert_int_equal(n, 3);
	assert_string_equal(names[0], "a");
	assert_string_equal(names[1], "f");
	assert_string_equal(names[2], "y");
	env_free_names(names, n);
	assert_int_equal(env_write_file_atomic(in_dir("keep"), "k", 1, 0600), 0);
	assert_int_equal(symlink(in_dir("keep"), in_dir("x/link")), 0);
	assert_int_equal(env_remove_tree(in_dir("x")), 0);
	assert_int_equal(env_stat(in_dir("x"), &st), -ENOENT);
	assert_int_equal(env_stat(in_dir("keep"), &st), 0); /* the link went, not its target */
	assert_int_equal(env_remove_tree(in_dir("x")), 0);
}

static ssize_t short_pwrite(int fd, const void *buf, size_t n, uint64_t offset)
{
	static int turn;

	if (turn++ % 3 == 2)
		return -EINTR;
	return env_os.pwrite(fd, buf, n > 3 ? 3 : n, offset);
}

static ssize_t short_pread(int fd, void *buf, size_t n, uint64_t offset)
{
	return env_os.pread(fd, buf, n > 2 ? 2 : n, offset);
}

static void short_calls_are_repeated(void **state)
{
	struct env_ops ops = env_os;
	char buf[32] = "";
	int fd = env_open(in_dir("s"), O_RDWR | O_CREAT, 0600);

	(void)state;
	assert_true(fd >= 0);
	ops.pwrite = short_pwrite;
	ops.pread = short_pread;
	env_install(&ops);
	assert_int_equal(env_pwrite(fd, "0123456789abcdef", 16, 4), 0);
	assert_int_equal(env_pread(fd, buf, sizeof buf, 4), 16);
	assert_string_equal(buf, "0123456789abcdef");
	env_close(fd);
}

static void unsynced_content_can_be_lost(void **state)
{
	int fd = env_open(in_dir("u"), O_RDWR | O_CREAT, 0600);
	char buf[16] = "";

	(void)state;
	env_fault_install();
	env_fault_track(true);
	assert_int_equal(env_pwrite(fd, "synced", 6, 0), 0);
	assert_int_equal(env_fdatasync(fd), 0);
	assert_int_equal(env_pwrite(fd, "LOST", 4, 2), 0);
	assert_int_equal(env_ftruncate(fd, 1), 0);
	assert_int_equal(env_pwrite(fd, "tail", 4, 1), 0);
	env_close(fd);
	env_fault_lose();
	env_fault_remove();
	fd = env_open(in_dir("u"), O_RDONLY, 0);
	assert_int_equal(env_pread(fd, buf, sizeof buf, 0), 6);
	assert_string_equal(buf, "synced");
	env_close(fd);
	/* A rename does not sync: only the name is new. */
	env_fault_install();
	env_fault_track(true);
	fd = env_open(in_dir("v"), O_RDWR | O_CREAT, 0600);
	assert_int_equal(env_pwrite(fd, "unsynced", 8, 0), 0);
	env_close(fd);
	assert_int_equal(env_rename(in_dir("v"), in_dir("w")), 0);
	env_fault_lose();
	env_fault_remove();
	fd = env_open(in_dir("w"), O_RDONLY, 0);
	assert_int_equal(env_pread(fd, buf, sizeof buf, 0), 0);
	env_close(fd);
}

static void uuids_are_version_4(void **state)
{
	char a[37], b[37];

	(void)state;
	env_uuid_text(a);
	env_uuid_text(b);
	assert_int_equal(strlen(a), 36);
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
	assert_string_not_equal(a, b);
	uuid_text((const uint8_t *)"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", a);
	assert_string_equal(a, "00112233-4455-6677-8899-aabbccddeeff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(atomic_write_is_old_or_new, setup, teardown),
		cmocka_unit_test_setup_teardown(folders, setup, teardown),
		cmocka_unit_test_setup_teardown(short_calls_are_repeated, setup, teardown),
		cmocka_unit_test_setup_teardown(unsynced_content_can_be_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(uuids_are_version_4, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
