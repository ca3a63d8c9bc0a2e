/* tests/unit/catalog/test_catalog_torture.c — every allocation and every file operation of the store fails once, and COMMIT fails: the pointer always names
 * a whole table, old or new as the result says, and proven failures leave no file behind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/env.h"
#include "base/json.h"
#include "base/thread.h"
#include "catalog/catalog_sqlite_int.h"

static char folder[64];
static struct store *store;
static struct catalog *catalog;

/* --- failing the N-th call --- */

static struct env_ops ops;
static long allocs_left = -1, io_left = -1; /* the call that fails, counted down; -1: none */
static bool fired;

static bool now(long *left)
{
	if (*left < 0 || (*left)-- > 0)
		return false;
	fired = true;
	return true;
}

static void *failing_alloc(size_t n) { return now(&allocs_left) ? NULL : env_os.alloc(n); }
static void *failing_realloc(void *p, size_t n) { return now(&allocs_left) ? NULL : env_os.realloc(p, n); }
static int failing_open(const char *path, int flags, mode_t mode) { return now(&io_left) ? -EIO : env_os.open(path, flags, mode); }
static ssize_t failing_pread(int fd, void *buf, size_t n, uint64_t offset) { return now(&io_left) ? -EIO : env_os.pread(fd, buf, n, offset); }
static ssize_t failing_pwrite(int fd, const void *buf, size_t n, uint64_t offset) { return now(&io_left) ? -ENOSPC : env_os.pwrite(fd, buf, n, offset); }
static int failing_fdatasync(int fd) { return now(&io_left) ? -EIO : env_os.fdatasync(fd); }
static int failing_link(const char *from, const char *to) { return now(&io_left) ? -EIO : env_os.link(from, to); }
static int failing_stat(const char *path, struct env_stat *out) { return now(&io_left) ? -EIO : env_os.stat(path, out); }

static void install(void)
{
	ops = env_os;
	ops.alloc = failing_alloc;
	ops.realloc = failing_realloc;
	ops.open = failing_open;
	ops.pread = failing_pread;
	ops.pwrite = failing_pwrite;
	ops.fdatasync = failing_fdatasync;
	ops.link = failing_link;
	ops.stat = failing_stat;
	env_install(&ops);
}

static void open_both(void)
{
	char path[128];
	struct err err = { 0 };

	snprintf(path, sizeof path, "%s/warehouse", folder);
	if (store_open(path, &store, &err))
		fail_msg("%s", err.text);
	snprintf(path, sizeof path, "%s/catalog.db", folder);
	if (catalog_open_sqlite(path, store, false, &catalog, &err))
		fail_msg("%s", err.text);
}

/* A store whose sync failed refuses everything until it is opened again, as a new process does. */
static void reopen_failed(void)
{
	if (!store->ops->failed(store))
		return;
	catalog_close(catalog);
	store_close(store);
	open_both();
}

static int setup(void **state)
{
	struct err err = { 0 };

	(void)state;
	strcpy(folder, "/tmp/tarn-torture-XXXXXX");
	assert_non_null(mkdtemp(folder));
	open_both();
	assert_int_equal(catalog->ops->namespace_create(catalog, "ns", NULL, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	catalog_close(catalog);
	store_close(store);
	env_remove_tree(folder);
	return 0;
}

static json_t *parse(const char *text)
{
	struct err err = { 0 };
	json_t *value = json_parse(str_of(text), "test", &err);

	if (!value)
		fail_msg("%s", err.text);
	return value;
}

static json_t *create_request(void)
{
	return parse("{\"name\":\"t\",\"properties\":{\"a\":\"b\",\"write.metadata.delete-after-commit.enabled\":\"true\",\"write.metadata.previous-versions-max\":\"1\"},"
	             "\"schema\":{\"type\":\"struct\",\"identifier-field-ids\":[1],\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
	             "{\"id\":2,\"name\":\"l\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":3,\"element\":\"string\",\"element-required\":false}}]},"
	             "\"partition-spec\":{\"fields\":[{\"source-id\":1,\"name\":\"b\",\"transform\":\"bucket[4]\"}]},"
	             "\"write-order\":{\"order-id\":1,\"fields\":[{\"source-id\":1,\"transform\":\"identity\",\"direction\":\"asc\",\"null-order\":\"nulls-first\"}]}}");
}

/* Nearly every kind of update at once. */
static json_t *updates_of(int n)
{
	char text[2048];

	snprintf(text, sizeof text,
	         "[{\"action\":\"add-schema\",\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},{\"id\":%d,\"name\":\"c%d\",\"required\":false,"
	         "\"type\":\"int\"}]}},{\"action\":\"set-current-schema\",\"schema-id\":-1},{\"action\":\"add-spec\",\"spec\":{\"fields\":[{\"source-id\":1,\"name\":\"b%d\",\"transform\":\"bucket[%d]\"}]}},"
	         "{\"action\":\"add-snapshot\",\"snapshot\":{\"snapshot-id\":%d,\"sequence-number\":%d,\"timestamp-ms\":1,\"manifest-list\":\"%.900s/ns/t/m.avro\",\"summary\":{\"operation\":\"append\"}}},"
	         "{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"branch\",\"snapshot-id\":%d},{\"action\":\"set-properties\",\"updates\":{\"n\":\"%d\"}}]",
	         n + 10, n, n, n + 10, n, n, store->root_uri, n, n);
	return parse(text);
}

static int count_object(void *arg, const struct store_object *object)
{
	(void)object;
	++*(int *)arg;
	return 0;
}

static int count_files(void)
{
	struct err err = { 0 };
	int n = 0;

	assert_int_equal(store_list(store, "ns", count_object, &n, &err), 0);
	return n;
}

/* The pointer as another process sees it: without our cache. */
static struct catalog_table load_fresh(void)
{
	struct catalog *reader;
	struct catalog_table table = { 0 };
	struct err err = { 0 };
	char path[128];

	snprintf(path, sizeof path, "%s/catalog.db", folder);
	if (catalog_open_sqlite(path, store, true, &reader, &err) || reader->ops->table_load(reader, "ns", "t", &table, &err))
		fail_msg("%s", err.text);
	catalog_close(reader);
	return table;
}

static void torture_create(long *left)
{
	json_t *request = create_request();
	struct catalog_table table, loaded;
	struct err err;
	int rc = ERR_NOMEM;

	for (long n = 0; rc; n++) {
		assert_true(n < 5000);
		err = (struct err){ 0 };
		fired = false;
		*left = n;
		rc = catalog->ops->table_create(catalog, "ns", request, &table, &err);
		*left = -1;
		if (!rc)
			break;
		reopen_failed();
		assert_true(fired);
		if (err.code != rc || !err.text[0])
			fail_msg("call %ld: code %d, err %d \"%s\"", n, rc, err.code, err.text);
		assert_int_equal(catalog->ops->table_load(catalog, "ns", "t", &loaded, &err), ERR_NOT_FOUND);
		assert_int_equal(count_files(), 0);
	}
	loaded = load_fresh();
	assert_true(json_equal(loaded.metadata, table.metadata));
	catalog_table_clear(&loaded);
	catalog_table_clear(&table);
	json_decref(request);
}

static void make_table(void)
{
	json_t *request = create_request();
	struct catalog_table table;
	struct err err = { 0 };

	assert_int_equal(catalog->ops->table_create(catalog, "ns", request, &table, &err), 0);
	catalog_table_clear(&table);
	json_decref(request);
}

static void torture_commit(long *left)
{
	struct catalog_commit commit = { .namespace_ = "ns", .table = "t", .requirements = json_array() };
	struct catalog_position position = { .pipeline = "p", .lsn = 7, .system_id = 1, .timeline = 1, .writer_epoch = 1 };
	struct catalog_table before, after;
	enum commit_result result;
	struct err err;
	int rc = ERR_NOMEM, files, done = 0;
	bool over = false;

	for (long n = 0; !over; n++) {
		assert_true(n < 20000);
		before = load_fresh();
		files = count_files();
		commit.updates = updates_of(done + 1);
		err = (struct err){ 0 };
		fired = false;
		*left = n;
		rc = catalog->ops->commit(catalog, &commit, 1, &position, &result, &err);
		*left = -1;
		over = !fired;
		reopen_failed();
		after = load_fresh();
		if (rc) {
			if (err.code != rc || !err.text[0])
				fail_msg("call %ld: code %d, err %d \"%s\"", n, rc, err.code, err.text);
			assert_int_equal(result, COMMIT_NOT_DONE);
			assert_string_equal(after.metadata_location, before.metadata_location);
			assert_int_equal(count_files(), files);
			assert_null(commit.result.metadata);
		} else {
			done++;
			assert_int_equal(result, COMMIT_DONE);
			assert_string_equal(after.metadata_location, commit.result.metadata_location);
			assert_int_equal(json_get_int(after.metadata, "current-snapshot-id", -1), done);
			assert_true(json_equal(after.metadata, commit.result.metadata));
			assert_int_equal(json_array_size(json_object_get(after.metadata, "snapshots")), done);
			catalog_table_clear(&commit.result);
		}
		json_decref(commit.updates);
		catalog_table_clear(&before);
		catalog_table_clear(&after);
		/* A failure that a commit lives with (its cache, for one). Each commit makes more calls than the last, so start over, or there would be no end. */
		if (!rc && !over) {
			assert_int_equal(catalog->ops->table_drop(catalog, "ns", "t", true, &err), 0);
			make_table();
			position.lsn++;
			done = 0;
		}
	}
	assert_int_equal(rc, 0);
	json_decref(commit.requirements);
}

static void test_allocations(void **state)
{
	(void)state;
	torture_create(&allocs_left);
	torture_commit(&allocs_left);
}

static void test_file_operations(void **state)
{
	(void)state;
	torture_create(&io_left);
	torture_commit(&io_left);
}

/* --- COMMIT itself --- */

static int refuse(void *arg)
{
	int *left = arg;

	return *left > 0 && (*left)-- > 0;
}

static void test_commit_refused(void **state)
{
	struct sqlite_catalog *c = (struct sqlite_catalog *)catalog;
	struct catalog_commit commit = { .namespace_ = "ns", .table = "t", .requirements = json_array() };
	struct catalog_table before, after;
	enum commit_result result;
	struct err err = { 0 };
	int left = 1, files;

	(void)state;
	make_table();
	before = load_fresh();
	files = count_files();
	commit.updates = updates_of(1);
	/* Once: the settling transaction after it proves that nothing happened. */
	sqlite3_commit_hook(c->writer.handle, refuse, &left);
	assert_int_not_equal(catalog->ops->commit(catalog, &commit, 1, NULL, &result, &err), 0);
	assert_int_equal(result, COMMIT_NOT_DONE);
	assert_int_equal(count_files(), files);
	/* For good: the outcome is unknown and the new file has to stay. */
	left = 1000;
	assert_int_equal(catalog->ops->commit(catalog, &commit, 1, NULL, &result, &err), ERR_COMMIT_UNKNOWN);
	assert_int_equal(result, COMMIT_UNKNOWN);
	assert_int_equal(count_files(), files + 1);
	assert_true(c->writer.unsettled);
	/* Nothing is written before it is settled. */
	assert_int_not_equal(catalog->ops->namespace_create(catalog, "x", NULL, &err), 0);
	left = 0;
	assert_int_equal(catalog->ops->namespace_create(catalog, "x", NULL, &err), 0);
	assert_false(c->writer.unsettled);
	after = load_fresh();
	assert_string_equal(after.metadata_location, before.metadata_location);
	assert_int_equal(catalog->ops->commit(catalog, &commit, 1, NULL, &result, &err), 0);
	assert_int_equal(result, COMMIT_DONE);
	catalog_table_clear(&commit.result);
	catalog_table_clear(&before);
	catalog_table_clear(&after);
	json_decref(commit.updates);
	json_decref(commit.requirements);
}

/* --- another process holds the database --- */

static void test_busy(void **state)
{
	struct catalog_commit commit = { .namespace_ = "ns", .table = "t", .requirements = json_array() };
	enum commit_result result;
	struct err err = { 0 };
	char path[128];
	sqlite3 *other;
	int files;

	(void)state;
	make_table();
	files = count_files();
	snprintf(path, sizeof path, "%s/catalog.db", folder);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_busy_timeout(((struct sqlite_catalog *)catalog)->writer.handle, 50);
	commit.updates = updates_of(1);
	assert_int_equal(catalog->ops->commit(catalog, &commit, 1, NULL, &result, &err), ERR_TIMEOUT);
	assert_int_equal(result, COMMIT_NOT_DONE);
	assert_int_equal(count_files(), files);
	sqlite3_close(other);
	assert_int_equal(catalog->ops->commit(catalog, &commit, 1, NULL, &result, &err), 0);
	catalog_table_clear(&commit.result);
	json_decref(commit.updates);
	json_decref(commit.requirements);
}

/* --- many threads, one table: no update is lost, none is applied twice --- */

#define THREADS 4
#define ROUNDS 25

static void work(void *arg)
{
	int id = *(int *)arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct catalog_commit commit = { .namespace_ = "ns", .table = "t", .requirements = json_array() };
		enum commit_result result;
		struct err err = { 0 };
		char text[128];
		int rc;

		snprintf(text, sizeof text, "[{\"action\":\"set-properties\",\"updates\":{\"w%d-%d\":\"1\"}}]", id, i);
		commit.updates = json_loads(text, 0, NULL);
		do
			rc = catalog->ops->commit(catalog, &commit, 1, NULL, &result, &err);
		while (rc == ERR_CONFLICT);
		if (rc)
			fprintf(stderr, "thread %d: %s\n", id, err.text);
		catalog_table_clear(&commit.result);
		json_decref(commit.updates);
		json_decref(commit.requirements);
	}
}

static void test_threads(void **state)
{
	struct thread *threads[THREADS];
	struct catalog_table table;
	struct err err = { 0 };
	int ids[THREADS];
	char key[32];

	(void)state;
	make_table();
	for (int i = 0; i < THREADS; i++) {
		ids[i] = i;
		assert_int_equal(thread_start(&threads[i], "writer", work, &ids[i], &err), 0);
	}
	for (int i = 0; i < THREADS; i++)
		thread_join(threads[i]);
	table = load_fresh();
	for (int i = 0; i < THREADS * ROUNDS; i++) {
		snprintf(key, sizeof key, "w%d-%d", i / ROUNDS, i % ROUNDS);
		assert_true(json_has(json_object_get(table.metadata, "properties"), key));
	}
	snprintf(key, sizeof key, "/%05d-", THREADS * ROUNDS);
	assert_non_null(strstr(table.metadata_location, key));
	assert_int_equal(count_files(), 2);
	catalog_table_clear(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_allocations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_operations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_commit_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};

	json_init();
	install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
