/* tests/unit/store/test_store_fs.c — a store in a folder: names, create-only, ranges, lists, and files that appear only complete. Looked at with plain system calls beside it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/env.h"
#include "base/mem.h"
#include "store/store.h"

static char dir[128];
static struct store *store;

static int setup(void **state)
{
	struct err err = { 0 };

	(void)state;
	strcpy(dir, "/tmp/tarn-test-store-XXXXXX");
	return mkdtemp(dir) && !store_open(dir, &store, &err) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	store_close(store);
	store = NULL;
	return env_remove_tree(dir);
}

static bool on_disk(const char *key, const char *content)
{
	char path[300], got[200] = "";
	int fd;
	ssize_t n;

	snprintf(path, sizeof path, "%s/%s", dir, key);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	n = read(fd, got, sizeof got - 1);
	close(fd);
	return n == (ssize_t)strlen(content) && memcmp(got, content, strlen(content)) == 0;
}

static void put_and_get(void **state)
{
	struct err err = { 0 };
	struct store_object object;
	char *data;
	size_t n;

	(void)state;
	assert_int_equal(store_put(store, "a/b/one", STR_LIT("hello"), 0, &err), 0);
	assert_true(on_disk("a/b/one", "hello"));
	assert_int_equal(store_get(store, "a/b/one", 100, &data, &n, &err), 0);
	assert_int_equal(n, 5);
	assert_string_equal(data, "hello");
	mem_free(data);
	assert_int_equal(store_get_range(store, "a/b/one", 1, 3, &data, &n, &err), 0);
	assert_string_equal(data, "ell");
	mem_free(data);
	assert_int_equal(store_get_range(store, "a/b/one", 3, 3, &data, &n, &err), ERR_CORRUPT);
	assert_int_equal(store_get_range(store, "a/b/one", 6, 0, &data, &n, &err), ERR_CORRUPT);
	assert_int_equal(store_get_range(store, "a/b/one", UINT64_MAX, 2, &data, &n, &err), ERR_CORRUPT);
	assert_int_equal(store_get(store, "a/b/one", 4, &data, &n, &err), ERR_LIMIT);
	assert_int_equal(store_get(store, "a/b/two", 4, &data, &n, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "a/b/two"));
	assert_int_equal(store_head(store, "a/b/one", &object, &err), 0);
	assert_int_equal(object.size, 5);
	assert_int_equal(store_head(store, "a/b", &object, &err), ERR_NOT_FOUND);
	assert_int_equal(store_put(store, "a/b/one", STR_LIT("other"), STORE_CREATE_ONLY, &err), ERR_EXISTS);
	assert_true(on_disk("a/b/one", "hello"));
	assert_int_equal(store_put(store, "a/b/one", STR_LIT("other"), STORE_SYNC, &err), 0);
	assert_true(on_disk("a/b/one", "other"));
	assert_int_equal(store_remove(store, "a/b/one", &err), 0);
	assert_int_equal(store_remove(store, "a/b/one", &err), 0);
	assert_int_equal(store_sync(store, &err), 0);
}

static void keys_stay_inside(void **state)
{
	static const char *const bad[] = { "", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "a/./b", "a b", "a\nb", "\xc3\xa9", "a\\b", "x:y" };
	struct err err = { 0 };
	char *data, path[4096];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(store_key_ok(str_of(bad[i])));
		assert_int_not_equal(store_put(store, bad[i], STR_LIT("x"), 0, &err), 0);
		assert_int_not_equal(store_get(store, bad[i], 10, &data, &n, &err), 0);
		assert_int_not_equal(store_remove(store, bad[i], &err), 0);
		assert_int_not_equal(store->ops->local_path(store, bad[i], path, sizeof path, &err), 0);
	}
	assert_null(store_key(store, "file:///etc/passwd"));
	snprintf(path, sizeof path, "file://%s/../x", dir);
	assert_null(store_key(store, path));
	snprintf(path, sizeof path, "file:%s/ns/x", dir);
	assert_string_equal(store_key(store, path), "ns/x");
	snprintf(path, sizeof path, "%s-other/x", dir);
	assert_null(store_key(store, path));
}

static void encoded_parts_do_not_collide(void **state)
{
	static const char *const names[] = { "users", "Users", "USERS", "a.b", "a=2Eb", "a/b", "é", "a b", "", ".", "..", "=", "a-b", "a_b" };
	char a[200], b[200];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		store_encode_part(str_of(names[i]), a, sizeof a);
		assert_true(!*names[i] || store_key_ok(str_of(a)));
		for (size_t j = 0; j < i; j++) {
			store_encode_part(str_of(names[j]), b, sizeof b);
			assert_string_not_equal(a, b);
		}
	}
	store_encode_part(STR_LIT("src.users"), a, sizeof a);
	assert_string_equal(a, "src=2Eusers");
}

struct seen { char text[500]; };

static int note(void *arg, const struct store_object *object)
{
	struct seen *seen = arg;

	snprintf(seen->text + strlen(seen->text), sizeof seen->text - strlen(seen->text), "%s ", object->key);
	return strcmp(object->key, "stop/here") == 0 ? 77 : 0;
}

static void lists_in_byte_order(void **state)
{
	static const char *const keys[] = { "t/b", "t/a/2", "t/a/1", "t/a.x", "u/1", "stop/here", "stop/later" };
	struct seen seen = { "" };
	struct err err = { 0 };
	char path[300];
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		assert_int_equal(store_put(store, keys[i], STR_LIT("x"), 0, &err), 0);
	/* what a killed writer left is not an object */
	snprintf(path, sizeof path, "%s/t/.tmp-0000", dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(store_list(store, "t", note, &seen, &err), 0);
	assert_non_null(strstr(seen.text, "t/a/1 t/a/2 "));
	assert_non_null(strstr(seen.text, "t/a.x "));
	assert_non_null(strstr(seen.text, "t/b "));
	assert_null(strstr(seen.text, ".tmp"));
	assert_null(strstr(seen.text, "u/1"));
	seen.text[0] = '\0';
	assert_int_equal(store->ops->list_unfinished(store, "t", note, &seen, &err), 0);
	assert_string_equal(seen.text, "t/.tmp-0000 ");
	seen.text[0] = '\0';
	assert_int_equal(store_list(store, "stop", note, &seen, &err), 77);
	assert_string_equal(seen.text, "stop/here ");
	seen.text[0] = '\0';
	assert_int_equal(store_list(store, "none", note, &seen, &err), 0);
	assert_string_equal(seen.text, "");
}

static void files_written_by_others(void **state)
{
	struct err err = { 0 };
	struct stat st;
	char path[4096], again[4096];
	uint64_t size;
	int fd;

	(void)state;
	assert_int_equal(store->ops->file_begin(store, "t/data/x.parquet", path, sizeof path, &err), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
	assert_true(fd >= 0 && write(fd, "content", 7) == 7);
	close(fd);
	assert_false(on_disk("t/data/x.parquet", "content"));
	assert_int_equal(store->ops->file_finish(store, "t/data/x.parquet", path, &size, &err), 0);
	assert_int_equal(size, 7);
	assert_true(on_disk("t/data/x.parquet", "content"));
	assert_int_equal(stat(path, &st), -1);
	/* a name is given once */
	assert_int_equal(store->ops->file_begin(store, "t/data/x.parquet", again, sizeof again, &err), 0);
	assert_string_not_equal(path, again);
	fd = open(again, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(store->ops->file_finish(store, "t/data/x.parquet", again, &size, &err), ERR_EXISTS);
	assert_true(on_disk("t/data/x.parquet", "content"));
	assert_int_equal(store->ops->file_begin(store, "t/data/y.parquet", path, sizeof path, &err), 0);
	store->ops->file_abort(store, path);
	assert_int_not_equal(store->ops->file_finish(store, "t/data/y.parquet", path, &size, &err), 0);
}

static void opening(void **state)
{
	struct store *other;
	struct err err = { 0 };
	char path[300];
	int fd;

	(void)state;
	assert_int_equal(store_open("s3://bucket/x", &other, &err), ERR_USAGE);
	snprintf(path, sizeof path, "%s/file", dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(store_open(path, &other, &err), ERR_IO);
	assert_non_null(strstr(err.text, path));
	snprintf(path, sizeof path, "file:%s/deep/er", dir);
	assert_int_equal(store_open(path, &other, &err), 0);
	assert_non_null(strstr(other->root_uri, "/deep/er"));
	store_close(other);
	if (geteuid() == 0) {
		print_message("unwritable folder not tried: root may write everywhere\n");
		return;
	}
	snprintf(path, sizeof path, "%s/locked", dir);
	assert_int_equal(mkdir(path, 0500), 0);
	assert_int_equal(store_open(path, &other, &err), ERR_IO);
	assert_non_null(strstr(err.text, "cannot be written"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(put_and_get, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_stay_inside, setup, teardown),
		cmocka_unit_test(encoded_parts_do_not_collide),
		cmocka_unit_test_setup_teardown(lists_in_byte_order, setup, teardown),
		cmocka_unit_test_setup_teardown(files_written_by_others, setup, teardown),
		cmocka_unit_test_setup_teardown(opening, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
