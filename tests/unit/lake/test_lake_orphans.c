/* tests/unit/lake/test_lake_orphans.c — files that nothing names: which go, which stay, in whose tables, when, and
 * that a failing call costs no file that a version needs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/env.h"
#include "base/env_fault.h"
#include "base/mem.h"
#include "iceberg/ice_table.h"
#include "lake/orphans.h"
#include "support/lake_fixture.h"

#define HOUR_US ((int64_t)3600 * 1000000)
#define DAY_US (24 * HOUR_US)
#define UUID "01234567-89ab-4cde-8f01-23456789abcd"
#define UUID_OF(c) "0000000" c "-89ab-4cde-8f01-23456789abcd"

static struct lake_fixture f;
static struct err err;
static int64_t before_us; /* all that setup and tests write is older, what they call young is not */

static void create(const char *name, const char *kind)
{
	static const struct lake_field fields[] = { { .name = (char *)"id", .type = { .kind = TYPE_INT64 } } };
	const struct lake_kv properties[] = { { "tarn.kind", kind } };
	struct lake_create how = { .fields = fields,
		                   .n_fields = 1,
		                   .format_version = 3,
		                   .properties = properties,
		                   .n_properties = kind ? 1 : 0 };

	assert_int_equal(ice_format_ops.create(f.catalog, f.store, "bank", name, &how, &err), 0);
}

static int setup(void **state)
{
	(void)state;
	lake_fixture_init(&f);
	create("t", "mirror");
	before_us = env_wall_us() + HOUR_US;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lake_fixture_free(&f);
	return 0;
}

/* --- files --- */

static const char *path_of(const char *table, const char *file)
{
	static char paths[8][600];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof paths[0], "%s/warehouse/bank/%s/%s", f.dir, table, file);
	return path;
}

static bool there(const char *table, const char *file)
{
	struct env_stat st;

	return env_stat(path_of(table, file), &st) == 0;
}

static void set_time(const char *path, int64_t us)
{
	const struct timespec times[2] = { { us / 1000000, us % 1000000 * 1000 },
		                           { us / 1000000, us % 1000000 * 1000 } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void put(const char *table, const char *file)
{
	char path[600], *slash;

	snprintf(path, sizeof path, "%s", path_of(table, file));
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(env_mkdir_parents(path, 0755), 0);
	*slash = '/';
	assert_int_equal(env_write_file_atomic(path, "left", 4, 0644), 0);
}

static json_t *metadata_of(const char *name)
{
	struct catalog_table table;

	assert_int_equal(f.catalog->ops->table_load(f.catalog, "bank", name, &table, &err), 0);
	mem_free(table.metadata_location);
	return table.metadata;
}

/* Takes updates. */
static void foreign_commit(json_t *updates)
{
	json_t *none = json_array();
	struct catalog_commit commit = { .namespace_ = "bank", .table = "t", .requirements = none, .updates = updates };
	enum commit_result result;

	if (f.catalog->ops->commit(f.catalog, &commit, 1, NULL, &result, &err))
		fail_msg("%s", err.text);
	catalog_table_clear(&commit.result);
	json_decref(none);
	json_decref(updates);
}

static void commit(struct lake_table *table, struct lake_change *change)
{
	struct lake_pending *pending;
	struct catalog_commit part;
	enum commit_result result;

	assert_int_equal(table->ops->prepare(table, change, &pending, &err), 0);
	table->ops->part(pending, &part);
	assert_int_equal(f.catalog->ops->commit(f.catalog, &part, 1, NULL, &result, &err), 0);
	assert_int_equal(table->ops->done(table, pending, &part.result, &err), 0);
	catalog_table_clear(&part.result);
}

/* A version that adds data/<name> and drops data/<drop>. */
static void version(const char *name, const char *drop)
{
	struct lake_table *table = fixture_table(&f, "t");
	const char *location = table->ops->location(table);
	char uri[600], gone[600];
	const char *removed[] = { gone };
	struct data_file *file;
	struct lake_change change = { .added = &file, .n_added = 1, .removed = removed, .n_removed = drop != NULL };

	snprintf(uri, sizeof uri, "%s/data/%s", location, name);
	snprintf(gone, sizeof gone, "%s/data/%s", location, drop ? drop : "");
	file = data_file_new(uri);
	file->record_count = 10;
	file->file_bytes = 1000;
	assert_int_equal(store_put(f.store, store_key(f.store, uri), STR_LIT("parquet"), 0, &err), 0);
	commit(table, &change);
	table->ops->close(table);
}

static int64_t snapshot_at(size_t i)
{
	json_t *metadata = metadata_of("t");
	int64_t id = json_get_int(json_array_get(json_object_get(metadata, "snapshots"), i), "snapshot-id", -1);

	json_decref(metadata);
	return id;
}

/* Every version that is left can be read down to its data files. */
static void check_versions(size_t n)
{
	json_t *metadata = metadata_of("t"), *snapshot;
	size_t i;

	assert_int_equal(json_array_size(json_object_get(metadata, "snapshots")), n);
	json_array_foreach(json_object_get(metadata, "snapshots"), i, snapshot)
	{
		struct ice_scan *scan;

		if (ice_scan_open(f.store, metadata, json_get_int(snapshot, "snapshot-id", -1), &scan, &err))
			fail_msg("%s", err.text);
		for (size_t k = 0; k < scan->n_files; k++) {
			struct store_object object;

			assert_int_equal(store_head(f.store, store_key(f.store, scan->files[k]->path), &object, &err),
			                 0);
		}
		ice_scan_free(scan);
	}
	json_decref(metadata);
}

static int sweep(const char *name, const char *kind, size_t n_max, struct lake_orphans *out)
{
	*out = (struct lake_orphans){ .own = { "tarn.kind", kind }, .before_us = before_us, .n_max = n_max };
	return ice_format_ops.sweep_orphans(f.catalog, f.store, "bank", name, out, &err);
}

static size_t sweep_all(void)
{
	struct lake_orphans found;

	if (sweep("t", "mirror", 1000, &found))
		fail_msg("%s", err.text);
	assert_false(found.more);
	return found.n_deleted;
}

/* --- which --- */

/* Names as in ARCHITECTURE.md, "Files on disk". */
static const char *const ours[] = {
	"data/" UUID ".parquet",
	"data/" UUID "-deletes.puffin",
	"data/.tmp-" UUID,
	"metadata/.tmp-" UUID,
	"metadata/" UUID "-m0.avro",
	"metadata/" UUID "-m12.avro",
	"metadata/snap-123-1-" UUID ".avro",
	"metadata/00007-" UUID ".metadata.json",
	"metadata/123456-" UUID ".metadata.json",
};

static const char *const others[] = {
	"data/00000-0-" UUID "-0-00001.parquet", /* Spark */
	"data/" UUID ".parquet.crc",
	"data/" UUID ".orc",
	"data/0123456789ab4cde8f0123456789abcd.parquet",
	"data/01234567-89AB-4CDE-8F01-23456789ABCD.parquet",
	"data/" UUID "-deletes.puffin2",
	"data/day=1/" UUID ".parquet",
	"data/.tmp-mine",
	"data/" UUID "-m0.avro",
	"metadata/" UUID ".parquet",
	"metadata/" UUID "-m.avro",
	"metadata/" UUID "-m0.avro.bak",
	"metadata/snap--1-" UUID ".avro",
	"metadata/snap-5-2-" UUID ".avro",
	"metadata/v3.metadata.json",
	"metadata/" UUID ".metadata.json",
	"metadata/version-hint.text",
	"metadata/old/00007-" UUID ".metadata.json",
	"backup/" UUID ".parquet",
	UUID ".parquet",
	".tmp-01234567-89ab-4cde-8f01-23456789abcd",
};

static void test_names(void **state)
{
	(void)state;
	version(UUID_OF("a") ".parquet", NULL);
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		put("t", ours[i]);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		put("t", others[i]);
	assert_int_equal(sweep_all(), sizeof ours / sizeof ours[0]);
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		if (there("t", ours[i]))
			fail_msg("%s stays", ours[i]);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (!there("t", others[i]))
			fail_msg("%s is gone", others[i]);
	check_versions(1);
	assert_int_equal(sweep_all(), 0);
}

static void test_young(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
		put("t", ours[i]);
		set_time(path_of("t", ours[i]), before_us + (i % 2 ? 0 : 1000000));
	}
	assert_int_equal(sweep_all(), 0);
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		set_time(path_of("t", ours[i]), before_us - 1000000);
	assert_int_equal(sweep_all(), sizeof ours / sizeof ours[0]);
}

/* Older versions, a tag's too, keep their data, manifests and lists; those of versions that went without being swept go. */
static void test_versions(void **state)
{
	char *before, *after;
	int64_t tagged, gone;

	(void)state;
	version(UUID_OF("a") ".parquet", NULL);
	version(UUID_OF("b") ".parquet", UUID_OF("a") ".parquet");
	version(UUID_OF("c") ".parquet", UUID_OF("b") ".parquet");
	version(UUID_OF("d") ".parquet", UUID_OF("c") ".parquet");
	before = fixture_files(&f);
	assert_int_equal(sweep_all(), 0);
	after = fixture_files(&f);
	assert_string_equal(before, after);
	free(before);
	free(after);

	tagged = snapshot_at(0);
	gone = snapshot_at(1);
	foreign_commit(json_pack("[{s:s, s:s, s:s, s:I}]", "action", "set-snapshot-ref", "ref-name", "audit", "type",
	                         "tag", "snapshot-id", (json_int_t)tagged));
	foreign_commit(json_pack("[{s:s, s:[I]}]", "action", "remove-snapshots", "snapshot-ids", (json_int_t)gone));
	assert_true(sweep_all() >= 2); /* b and the list of its version */
	assert_true(there("t", "data/" UUID_OF("a") ".parquet"));
	assert_false(there("t", "data/" UUID_OF("b") ".parquet"));
	assert_true(there("t", "data/" UUID_OF("c") ".parquet"));
	assert_true(there("t", "data/" UUID_OF("d") ".parquet"));
	check_versions(3);
	assert_int_equal(sweep_all(), 0);
}

static size_t count_metadata_files(void)
{
	char *files = fixture_files(&f);
	size_t n = 0;

	for (const char *p = files; (p = strstr(p, ".metadata.json")); p++)
		n++;
	free(files);
	return n;
}

/* The log's files stay; one that the log let go is named by nobody. */
static void test_metadata_log(void **state)
{
	json_t *metadata;

	(void)state;
	for (int i = 0; i < 4; i++)
		foreign_commit(json_pack("[{s:s, s:{s:s, s:s, s:o}}]", "action", "set-properties", "updates",
		                         "write.metadata.delete-after-commit.enabled", "false",
		                         "write.metadata.previous-versions-max", "3", "i", json_sprintf("%d", i)));
	assert_int_equal(count_metadata_files(), 5);
	assert_int_equal(sweep_all(), 1); /* the first of five: one is current, three are in the log */
	metadata = metadata_of("t");
	assert_int_equal(json_array_size(json_object_get(metadata, "metadata-log")), 3);
	json_decref(metadata);
	assert_int_equal(count_metadata_files(), 4);
	assert_int_equal(sweep_all(), 0);
}

/* Written by another engine in another spelling of the same place. */
static void test_statistics(void **state)
{
	char uri[700];
	int64_t id;

	(void)state;
	version(UUID_OF("a") ".parquet", NULL);
	id = snapshot_at(0);
	put("t", "data/" UUID_OF("1") "-deletes.puffin");
	put("t", "data/" UUID_OF("2") "-deletes.puffin");
	put("t", "data/" UUID_OF("3") "-deletes.puffin");
	snprintf(uri, sizeof uri, "file:%s", path_of("t", "data/" UUID_OF("1") "-deletes.puffin"));
	foreign_commit(json_pack("[{s:s, s:I, s:{s:I, s:s, s:i, s:i, s:[]}}]", "action", "set-statistics",
	                         "snapshot-id", (json_int_t)id, "statistics", "snapshot-id", (json_int_t)id,
	                         "statistics-path", uri, "file-size-in-bytes", 4, "file-footer-size-in-bytes", 1,
	                         "blob-metadata"));
	snprintf(uri, sizeof uri, "file:%s", path_of("t", "data/" UUID_OF("2") "-deletes.puffin"));
	foreign_commit(json_pack("[{s:s, s:{s:I, s:s, s:i}}]", "action", "set-partition-statistics",
	                         "partition-statistics", "snapshot-id", (json_int_t)id, "statistics-path", uri,
	                         "file-size-in-bytes", 4));
	assert_int_equal(sweep_all(), 1);
	assert_true(there("t", "data/" UUID_OF("1") "-deletes.puffin"));
	assert_true(there("t", "data/" UUID_OF("2") "-deletes.puffin"));
}

/* --- whose --- */

static void test_other_tables(void **state)
{
	struct lake_orphans found;

	(void)state;
	create("theirs", NULL);
	create("t__changes", "changelog");
	put("theirs", ours[0]);
	put("t__changes", ours[0]);
	put("t", ours[0]);
	assert_int_equal(sweep_all(), 1);
	assert_int_equal(sweep("theirs", "mirror", 10, &found), 0);
	assert_int_equal(found.n_deleted, 0);
	assert_int_equal(sweep("t__changes", "mirror", 10, &found), 0);
	assert_int_equal(found.n_deleted, 0);
	assert_int_equal(sweep("none", "mirror", 10, &found), 0);
	assert_int_equal(found.n_deleted, 0);
	assert_true(there("theirs", ours[0]));
	assert_true(there("t__changes", ours[0]));
	assert_int_equal(sweep("t__changes", "changelog", 10, &found), 0);
	assert_int_equal(found.n_deleted, 1);
	assert_int_equal(found.bytes_deleted, 4);
}

static void test_gc_disabled(void **state)
{
	(void)state;
	put("t", ours[0]);
	foreign_commit(json_pack("[{s:s, s:{s:s}}]", "action", "set-properties", "updates", "gc.enabled", "false"));
	assert_int_equal(sweep_all(), 0);
	assert_true(there("t", ours[0]));
}

/* --- how far, and failures --- */

static void test_bound(void **state)
{
	size_t n = sizeof ours / sizeof ours[0];
	struct lake_orphans found;

	(void)state;
	for (size_t i = 0; i < n; i++)
		put("t", ours[i]);
	assert_int_equal(sweep("t", "mirror", 0, &found), 0);
	assert_int_equal(found.n_deleted, 0);
	assert_true(found.more);
	assert_int_equal(sweep("t", "mirror", 4, &found), 0);
	assert_int_equal(found.n_deleted, 4);
	assert_true(found.more);
	assert_int_equal(sweep_all(), n - 4);
}

/* What cannot be read could have named anything. */
static void test_unreadable(void **state)
{
	struct lake_orphans found;
	json_t *metadata;
	const char *list;

	(void)state;
	version(UUID_OF("a") ".parquet", NULL);
	version(UUID_OF("b") ".parquet", NULL);
	put("t", ours[0]);
	metadata = metadata_of("t");
	list = json_get_str(json_array_get(json_object_get(metadata, "snapshots"), 0), "manifest-list", "");
	assert_int_equal(store_remove(f.store, store_key(f.store, list), &err), 0);
	assert_int_equal(sweep("t", "mirror", 10, &found), ERR_NOT_FOUND);
	assert_int_equal(store_put(f.store, store_key(f.store, list), STR_LIT("no avro"), 0, &err), 0);
	assert_int_equal(sweep("t", "mirror", 10, &found), ERR_CORRUPT);
	assert_int_equal(found.n_deleted, 0);
	assert_true(there("t", ours[0]));
	json_decref(metadata);
}

static struct store_ops faulty;
static unsigned lists, removes, fail_list, fail_remove; /* the n-th call fails */
static const struct store_ops *real;

static int list_or_fail(struct store *store, const char *prefix, int (*fn)(void *, const struct store_object *),
                        void *arg, struct err *e)
{
	return ++lists == fail_list ? err_set(e, ERR_IO, "no list") : real->list(store, prefix, fn, arg, e);
}

static int unfinished_or_fail(struct store *store, const char *prefix, int (*fn)(void *, const struct store_object *),
                              void *arg, struct err *e)
{
	return ++lists == fail_list ? err_set(e, ERR_IO, "no list") : real->list_unfinished(store, prefix, fn, arg, e);
}

static int remove_or_fail(struct store *store, const char *key, struct err *e)
{
	return ++removes == fail_remove ? err_set(e, ERR_IO, "no remove") : real->remove(store, key, e);
}

static void test_store_fails(void **state)
{
	size_t n = sizeof ours / sizeof ours[0];
	struct lake_orphans found;

	(void)state;
	version(UUID_OF("a") ".parquet", NULL);
	for (size_t i = 0; i < n; i++)
		put("t", ours[i]);
	real = f.store->ops;
	faulty = *real;
	faulty.list = list_or_fail;
	faulty.list_unfinished = unfinished_or_fail;
	faulty.remove = remove_or_fail;
	f.store->ops = &faulty;
	for (fail_list = 1; fail_list <= 2; fail_list++) {
		lists = 0;
		assert_int_equal(sweep("t", "mirror", 1000, &found), ERR_IO);
		assert_int_equal(found.n_deleted, 0);
	}
	fail_list = lists = removes = 0;
	fail_remove = 2;
	assert_int_equal(sweep("t", "mirror", 1000, &found), ERR_IO);
	assert_int_equal(found.n_deleted, n - 1);
	assert_int_equal(sweep_all(), 1);
	f.store->ops = real;
	check_versions(1);
}

/* Each call in turn fails: what versions need stays, and once nothing fails the rest goes. */
static void test_calls_fail(void **state)
{
	static const enum env_call calls[] = { ENV_ALLOC, ENV_OPEN, ENV_PREAD, ENV_STAT, ENV_UNLINK };

	(void)state;
	version(UUID_OF("a") ".parquet", NULL);
	version(UUID_OF("b") ".parquet", UUID_OF("a") ".parquet");
	json_set_alloc_funcs(malloc, free); /* jansson itself is not safe when memory fails */
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		bool fired = true;

		for (uint64_t n = 1; fired; n++) {
			struct lake_orphans found;
			int rc;

			for (size_t k = 0; k < sizeof ours / sizeof ours[0]; k++)
				put("t", ours[k]);
			lake_fixture_reopen(&f); /* nothing is cached */
			env_fault_install();
			env_fault_fail(calls[i], n, calls[i] == ENV_ALLOC ? ENOMEM : EIO);
			rc = sweep("t", "mirror", 1000, &found);
			fired = env_fault_fired(calls[i]);
			env_fault_remove();
			if (!fired)
				assert_int_equal(rc, 0);
			check_versions(2);
			(void)sweep_all();
			for (size_t k = 0; k < sizeof ours / sizeof ours[0]; k++)
				assert_false(there("t", ours[k]));
		}
	}
	json_init();
}

/* --- when --- */

static int64_t wall_us, mono_us;
static int64_t fake_wall(void) { return wall_us; }
static int64_t fake_mono(void) { return mono_us; }

static void pass(int64_t us)
{
	wall_us += us;
	mono_us += us;
}

static void start_clock(void)
{
	static struct env_ops ops;

	ops = env_os;
	ops.wall_us = fake_wall;
	ops.mono_us = fake_mono;
	wall_us = 1700000000 * (int64_t)1000000;
	mono_us = 5;
	env_install(&ops);
}

/* Once an hour, never what is younger than the start, and no more once all from before it was seen. */
static void test_schedule(void **state)
{
	struct orphans orphans;
	int64_t started;

	(void)state;
	start_clock();
	orphans_init(&orphans);
	started = wall_us;
	assert_true(orphans_begin(&orphans, 3 * DAY_US));
	assert_int_equal(orphans.before_us, started - 3 * DAY_US);
	orphans_end(&orphans);
	assert_false(orphans_begin(&orphans, 3 * DAY_US));
	pass(HOUR_US - 1);
	assert_false(orphans_begin(&orphans, 3 * DAY_US));
	pass(1);
	assert_true(orphans_begin(&orphans, 3 * DAY_US));
	orphans_end(&orphans);
	pass(3 * DAY_US);
	assert_true(orphans_begin(&orphans, 3 * DAY_US));
	assert_true(orphans.before_us < started && orphans.before_us > started - 10000000);
	orphans_sweep(&orphans, &f.lake, "bank", "t", "mirror");
	orphans_end(&orphans);
	pass(30 * DAY_US);
	assert_false(orphans_begin(&orphans, 3 * DAY_US));
	env_install(NULL);
}

/* A failure, or a bound that was reached, and there is another run. */
static void test_schedule_incomplete(void **state)
{
	struct orphans orphans;

	(void)state;
	put("t", ours[0]);
	put("t", ours[1]);
	start_clock();
	wall_us = before_us + HOUR_US;
	orphans_init(&orphans);
	pass(DAY_US);
	real = f.store->ops;
	faulty = *real;
	faulty.list = list_or_fail;
	f.store->ops = &faulty;
	lists = 0;
	fail_list = 1;
	assert_true(orphans_begin(&orphans, HOUR_US));
	orphans_sweep(&orphans, &f.lake, "bank", "t", "mirror");
	orphans_end(&orphans);
	f.store->ops = real;
	pass(HOUR_US);
	assert_true(orphans_begin(&orphans, HOUR_US));
	orphans.n_left = 1;
	orphans_sweep(&orphans, &f.lake, "bank", "t", "mirror");
	orphans_end(&orphans);
	assert_int_not_equal(there("t", ours[0]), there("t", ours[1]));
	pass(HOUR_US);
	assert_true(orphans_begin(&orphans, HOUR_US));
	orphans_sweep(&orphans, &f.lake, "bank", "t", "mirror");
	orphans_end(&orphans);
	assert_false(there("t", ours[0]) || there("t", ours[1]));
	pass(HOUR_US);
	assert_false(orphans_begin(&orphans, HOUR_US));
	env_install(NULL);
}

/* With no age at all: what this process writes is safe, what an earlier one left is not. */
static void test_own_writes(void **state)
{
	struct orphans orphans;

	(void)state;
	put("t", ours[0]);
	set_time(path_of("t", ours[0]), env_wall_us() - 10000000);
	orphans_init(&orphans);
	put("t", ours[1]);
	put("t", ours[2]);
	assert_true(orphans_begin(&orphans, 0));
	orphans_sweep(&orphans, &f.lake, "bank", "t", "mirror");
	orphans_end(&orphans);
	assert_false(there("t", ours[0]));
	assert_true(there("t", ours[1]));
	assert_true(there("t", ours[2]));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_young, setup, teardown),
		cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_metadata_log, setup, teardown),
		cmocka_unit_test_setup_teardown(test_statistics, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gc_disabled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_calls_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_schedule, setup, teardown),
		cmocka_unit_test_setup_teardown(test_schedule_incomplete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_writes, setup, teardown),
	};

	json_init();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
