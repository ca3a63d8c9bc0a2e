/* tests/unit/iceberg/test_ice_table.c — commits to an Iceberg table over a catalog in memory: row ids, sequences, summary, conflicts, abort, expiry beside tags, failing allocations and calls.
 * Whole tables are read by other engines in tests/interop/ice_readers.py. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>

#include "base/env.h"
#include "base/env_fault.h"
#include "iceberg/ice_table.h"
#include "iceberg/manifest.h"
#include "support/fake_catalog.h"

static char dir[200];
static struct store *store;
static struct fake_catalog catalog;
static struct lake_table *table;
static struct err err;
static const struct lake_format_ops *ops = &ice_format_ops;
static const struct lake_keep keep_all = { .versions_min = 1000, .age_us_max = 0, .manifests_max = 100 };

static int create(int version)
{
	static const struct lake_field fields[] = {
		{ .name = (char *)"id", .type = { .kind = TYPE_INT64 }, .identifier = true },
		{ .name = (char *)"tags", .type = { .kind = TYPE_LIST, .elem = TYPE_STRING } },
		{ .name = (char *)"amount", .type = { .kind = TYPE_DECIMAL, .precision = 20, .scale = 4 }, .doc = (char *)"in euro" },
	};
	static const struct lake_kv properties[] = { { "tarn.source", "bank" } };
	struct lake_create how = { .fields = fields, .n_fields = 3, .format_version = version, .properties = properties, .n_properties = 1 };

	return ops->create(&catalog.base, store, "bank", "t", &how, &err);
}

static void reopen(const struct lake_keep *keep)
{
	ops->close(table);
	table = NULL;
	assert_int_equal(ops->open(&catalog.base, store, "bank", "t", keep, &table, &err), 0);
}

static void setup_version(int version)
{
	snprintf(dir, sizeof dir, "/tmp/tarn-ice-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(store_open(dir, &store, &err), 0);
	fake_catalog_init(&catalog, store);
	assert_int_equal(create(version), 0);
	reopen(&keep_all);
}

static int setup2(void **state) { (void)state; setup_version(2); return 0; }
static int setup3(void **state) { (void)state; setup_version(3); return 0; }

static int teardown(void **state)
{
	(void)state;
	ops->close(table);
	table = NULL;
	fake_catalog_free(&catalog);
	store_close(store);
	return env_remove_tree(dir);
}

static const char *uri_of(const char *name)
{
	static char uris[64][400];
	static unsigned next;
	char *uri = uris[next++ % 64];

	snprintf(uri, sizeof uris[0], "%s/data/%s", ops->location(table), name);
	return uri;
}

static struct data_file *file_of(const char *name, uint64_t rows)
{
	struct data_file *file = data_file_new(uri_of(name));

	file->record_count = rows;
	file->file_bytes = 1000 + rows;
	assert_int_equal(store_put(store, store_key(store, file->path), STR_LIT("parquet"), 0, &err), 0);
	return file;
}

static struct lake_dv dv_of(const char *data, const char *puffin, uint64_t cardinality)
{
	static char paths[64][2][400];
	static unsigned next;
	char (*p)[400] = paths[next++ % 64];

	snprintf(p[0], sizeof p[0], "%s", uri_of(data));
	snprintf(p[1], sizeof p[1], "%s", uri_of(puffin));
	assert_int_equal(store_put(store, store_key(store, p[1]), STR_LIT("PFA1 sixty bytes of blobs and footer, or about that many..."), 0, &err), 0);
	return (struct lake_dv){ p[0], { p[1], 4, 30, cardinality } };
}

static int commit(struct lake_change *change)
{
	struct lake_pending *pending;
	struct catalog_commit part;
	enum commit_result result;
	int rc = ops->prepare(table, change, &pending, &err);

	if (rc)
		return rc;
	ops->part(pending, &part);
	rc = catalog.base.ops->commit(&catalog.base, &part, 1, NULL, &result, &err);
	if (rc) {
		if (result == COMMIT_NOT_DONE)
			ops->abort(table, pending);
		else
			ops->forget(pending);
		return rc;
	}
	rc = ops->done(table, pending, &part.result, &err);
	catalog_table_clear(&part.result);
	return rc;
}

static int add(const char *name, uint64_t rows)
{
	struct data_file *file = file_of(name, rows);
	struct lake_change change = { .added = &file, .n_added = 1 };

	return commit(&change); /* where this fails in these tests prepare has taken the file */
}

static const json_t *metadata(void) { return fake_catalog_find(&catalog, "t")->now.metadata; }

static const json_t *snapshot(void)
{
	const json_t *list = json_object_get(metadata(), "snapshots");

	return json_array_get(list, json_array_size(list) - 1);
}

static void check_summary(const char *key, const char *want)
{
	assert_string_equal(json_get_str(json_object_get(snapshot(), "summary"), key, "(missing)"), want);
}

static const struct data_file *live(const char *name)
{
	size_t n;
	struct data_file *const *files = ops->files(table, &n);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(files[i]->path, uri_of(name)))
			return files[i];
	return NULL;
}

static int count_file(void *arg, const struct store_object *object)
{
	*(size_t *)arg += str_ends(str_of(object->key), ".avro");
	return 0;
}

static size_t n_avro(void)
{
	size_t n = 0;

	assert_int_equal(store_list(store, "bank/t/metadata", count_file, &n, &err), 0);
	return n;
}

static size_t n_manifests(void)
{
	const char *list = json_get_str(snapshot(), "manifest-list", "");
	struct manifest_info *infos;
	char *bytes;
	size_t n, n_infos;

	assert_int_equal(store_get(store, store_key(store, list), 1 << 20, &bytes, &n, &err), 0);
	assert_int_equal(manifest_list_read(str_view(bytes, n), list, &infos, &n_infos, &err), 0);
	manifest_infos_free(infos, n_infos);
	mem_free(bytes);
	return n_infos;
}

/* What a reader sees must be what the open table believes. */
static void check_scan(void)
{
	struct ice_scan *scan;
	size_t n;

	(void)ops->files(table, &n);
	assert_int_equal(ice_scan_open(store, metadata(), -1, &scan, &err), 0);
	assert_int_equal(scan->n_files, n);
	assert_int_equal(scan->snapshot_id, ops->version(table));
	for (size_t i = 0; i < n; i++) {
		const struct data_file *seen = scan->files[i];
		const struct data_file *held = live(strrchr(seen->path, '/') + 1);

		assert_non_null(held);
		assert_int_equal(seen->record_count, held->record_count);
		assert_int_equal(seen->sequence, held->sequence);
		assert_int_equal(seen->file_sequence, held->file_sequence);
		assert_int_equal(seen->snapshot_id, held->snapshot_id);
		assert_int_equal(seen->first_row_id, held->first_row_id);
		assert_int_equal(seen->dv.cardinality, held->dv.cardinality);
		assert_int_equal(!seen->dv.path, !held->dv.path);
		if (seen->dv.path)
			assert_string_equal(seen->dv.path, held->dv.path);
	}
	ice_scan_free(scan);
}

static void test_create(void **state)
{
	const json_t *schema = json_array_get(json_object_get(metadata(), "schemas"), 0);
	const struct lake_field *fields;
	size_t n;

	(void)state;
	fields = ops->fields(table, &n);
	assert_int_equal(n, 3);
	assert_string_equal(fields[0].name, "id");
	assert_int_equal(fields[0].id, 1);
	assert_true(fields[0].required && fields[0].identifier);
	assert_int_equal(fields[1].type.kind, TYPE_LIST);
	assert_int_equal(fields[1].type.elem, TYPE_STRING);
	assert_int_equal(fields[1].elem_id, 4); /* below the top level, after it */
	assert_int_equal(fields[2].type.precision, 20);
	assert_string_equal(fields[2].doc, "in euro");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(schema, "identifier-field-ids"), 0)), 1);
	assert_int_equal(json_get_int(metadata(), "format-version", 0), 3);
	assert_string_equal(ops->property(table, "tarn.source"), "bank");
	assert_null(ops->property(table, "format-version"));
	assert_int_equal(ops->version(table), -1);
	assert_int_equal(create(3), ERR_EXISTS);
	assert_int_equal(create(4), ERR_USAGE);
	check_scan();
}

static void test_vectors(void **state)
{
	struct data_file *files[2] = { file_of("a", 100), file_of("b", 50) };
	struct lake_change both = { .added = files, .n_added = 2 };
	struct lake_dv dv = dv_of("a", "v1", 3), again = dv_of("a", "v2", 5), many = dv_of("a", "v3", 101);
	const struct lake_kv summary[] = { { "tarn.lsn", "0/1" } };
	struct lake_change vector = { .dvs = &dv, .n_dvs = 1, .summary = summary, .n_summary = 1 };

	(void)state;
	assert_int_equal(commit(&both), 0);
	check_summary("operation", "append");
	check_summary("total-records", "150");
	check_summary("added-files-size", "2150");
	assert_int_equal(json_get_int(snapshot(), "first-row-id", -1), 0);
	assert_int_equal(json_get_int(snapshot(), "added-rows", -1), 150);
	assert_int_equal(json_get_int(metadata(), "next-row-id", -1), 150);
	assert_int_equal(live("a")->first_row_id, 0);
	assert_int_equal(live("b")->first_row_id, 100);
	assert_int_equal(live("b")->sequence, 1);
	assert_int_equal(commit(&vector), 0);
	check_summary("operation", "delete");
	check_summary("added-dvs", "1");
	check_summary("added-delete-files", "1");
	check_summary("added-position-deletes", "3");
	check_summary("total-position-deletes", "3");
	check_summary("total-records", "150");
	check_summary("total-files-size", "2180"); /* a vector counts its blob */
	check_summary("tarn.lsn", "0/1");
	assert_int_equal(live("a")->dv.cardinality, 3);
	check_scan();
	vector.dvs = &again;
	assert_int_equal(commit(&vector), 0); /* replaces, never a second one */
	check_summary("removed-dvs", "1");
	check_summary("total-delete-files", "1");
	check_summary("total-position-deletes", "5");
	check_scan();
	reopen(&keep_all);
	check_scan();
	vector.dvs = &many;
	assert_int_equal(commit(&vector), ERR_BUG); /* more dead rows than rows */
	assert_int_equal(json_get_int(metadata(), "last-sequence-number", -1), 3);
}

static void test_compaction(void **state)
{
	struct data_file *file = file_of("c", 97);
	struct lake_dv dv = dv_of("a", "v1", 3);
	const char *removed[] = { uri_of("a") };
	struct lake_change vector = { .dvs = &dv, .n_dvs = 1 }, compact = { .added = &file, .n_added = 1, .removed = removed, .n_removed = 1, .replace = true };

	(void)state;
	assert_int_equal(add("a", 100), 0);
	assert_int_equal(add("b", 10), 0);
	assert_int_equal(commit(&vector), 0);
	assert_int_equal(commit(&compact), 0);
	check_summary("operation", "replace");
	check_summary("deleted-data-files", "1");
	check_summary("removed-dvs", "1"); /* goes with its file */
	check_summary("total-delete-files", "0");
	check_summary("total-records", "107");
	assert_null(live("a"));
	assert_int_equal(live("c")->sequence, 4);
	check_scan();
	assert_int_equal(n_manifests(), 4); /* b, c, and two that tell of the removals */
	assert_int_equal(add("d", 1), 0);
	assert_int_equal(n_manifests(), 3); /* which are dropped now */
	check_scan();
	assert_int_equal(commit(&compact), ERR_BUG); /* a is not live any more */
	assert_non_null(strstr(err.text, "no live data file"));
}

static void test_upgrade(void **state)
{
	(void)state;
	assert_int_equal(add("a", 100), 0);
	assert_int_equal(add("b", 10), 0);
	assert_int_equal(live("a")->first_row_id, -1);
	assert_int_equal(fake_catalog_apply(&catalog, "t", json_pack("[{s:s, s:i}]", "action", "upgrade-format-version", "format-version", 3), &err), 0);
	reopen(&keep_all);
	assert_int_equal(add("c", 5), 0); /* the first commit in version 3 gives row ids to all */
	assert_int_equal(json_get_int(metadata(), "next-row-id", -1), 115);
	assert_true(live("a")->first_row_id >= 0 && live("b")->first_row_id >= 0 && live("c")->first_row_id >= 0);
	check_scan();
}

static void test_version2(void **state)
{
	struct lake_dv dv = dv_of("a", "v1", 3);
	struct lake_change vector = { .dvs = &dv, .n_dvs = 1 };

	(void)state;
	assert_int_equal(add("a", 100), 0);
	assert_int_equal(commit(&vector), ERR_UNSUPPORTED);
	assert_null(json_object_get(snapshot(), "first-row-id"));
	check_scan();
}

static void test_conflict(void **state)
{
	struct lake_table *other;
	struct lake_pending *pending;
	struct data_file *file = file_of("mine", 10);
	struct lake_change change = { .added = &file, .n_added = 1 };
	struct catalog_commit part;
	enum commit_result result;
	size_t before;

	(void)state;
	assert_int_equal(add("a", 100), 0);
	assert_int_equal(ops->open(&catalog.base, store, "bank", "t", &keep_all, &other, &err), 0);
	assert_int_equal(add("b", 10), 0);
	before = n_avro();
	assert_int_equal(ops->prepare(other, &change, &pending, &err), 0);
	assert_int_equal(n_avro(), before + 2);
	ops->part(pending, &part);
	assert_int_equal(catalog.base.ops->commit(&catalog.base, &part, 1, NULL, &result, &err), ERR_CONFLICT);
	assert_int_equal(result, COMMIT_NOT_DONE);
	ops->abort(other, pending);
	assert_int_equal(n_avro(), before); /* what prepare wrote is gone */
	ops->close(other);
	assert_int_equal(add("c", 1), 0);
	check_scan();
}

/* The answer was lost: nothing may be deleted; a new open sees what happened. */
static void test_unknown(void **state)
{
	(void)state;
	assert_int_equal(add("a", 100), 0);
	catalog.next_result = COMMIT_UNKNOWN;
	assert_int_equal(add("b", 10), ERR_COMMIT_UNKNOWN);
	reopen(&keep_all);
	assert_non_null(live("b"));
	check_scan();
}

static void test_columns(void **state)
{
	struct lake_field more[2] = {
		{ .name = (char *)"note", .type = { .kind = TYPE_LIST, .elem = TYPE_INT32 } },
		{ .name = (char *)"at", .type = { .kind = TYPE_TIMESTAMPTZ } },
	};
	const struct lake_kv properties[] = { { "tarn.lsn", "0/2" }, { "tarn.source", NULL }, { "not.there", NULL } };
	struct lake_change change = { .add_fields = more, .n_add_fields = 2, .properties = properties, .n_properties = 3 };
	const struct lake_field *fields;
	size_t n;

	(void)state;
	assert_int_equal(add("a", 100), 0);
	assert_int_equal(ops->plan_fields(table, more, 2, &err), 0);
	assert_int_equal(more[0].id, 5);
	assert_int_equal(more[0].elem_id, 6);
	assert_int_equal(more[1].id, 7);
	assert_int_equal(commit(&change), 0); /* no rows: no new version */
	assert_int_equal(json_array_size(json_object_get(metadata(), "snapshots")), 1);
	fields = ops->fields(table, &n);
	assert_int_equal(n, 5);
	assert_string_equal(fields[4].name, "at");
	assert_int_equal(fields[4].id, 7);
	assert_false(fields[4].required);
	assert_string_equal(ops->property(table, "tarn.lsn"), "0/2");
	assert_null(ops->property(table, "tarn.source"));
	assert_int_equal(add("b", 1), 0);
	assert_int_equal(json_get_int(snapshot(), "schema-id", -1), json_get_int(metadata(), "current-schema-id", -2));
	assert_int_equal(commit(&change), ERR_CONFLICT); /* planned ids are taken */
}

static void test_truncate(void **state)
{
	struct data_file *file = file_of("new", 7);
	struct lake_dv dv = dv_of("a", "v1", 3);
	struct lake_change vector = { .dvs = &dv, .n_dvs = 1 }, truncate = { .remove_all = true, .added = &file, .n_added = 1 }, empty = { .remove_all = true };

	(void)state;
	assert_int_equal(commit(&empty), 0); /* nothing there: nothing happens */
	assert_int_equal(ops->version(table), -1);
	assert_int_equal(add("a", 100), 0);
	assert_int_equal(add("b", 10), 0);
	assert_int_equal(commit(&vector), 0);
	assert_int_equal(commit(&truncate), 0);
	check_summary("operation", "overwrite");
	check_summary("deleted-records", "110");
	check_summary("total-records", "7");
	check_summary("total-delete-files", "0");
	check_scan();
	assert_int_equal(commit(&empty), 0);
	check_summary("total-data-files", "0");
	check_scan();
}

static void test_merge(void **state)
{
	static const struct lake_keep keep = { .versions_min = 1000, .manifests_max = 8 };
	char name[20];

	(void)state;
	reopen(&keep);
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof name, "f%d", i);
		assert_int_equal(add(name, 10), 0);
		assert_true(n_manifests() <= 8);
	}
	check_scan();
	check_summary("total-data-files", "60");
}

static void tag_oldest(void)
{
	const json_t *oldest = json_array_get(json_object_get(metadata(), "snapshots"), 0);

	assert_int_equal(fake_catalog_apply(&catalog, "t", json_pack("[{s:s, s:s, s:s, s:I}]", "action", "set-snapshot-ref", "ref-name", "audit", "type", "tag", "snapshot-id",
	                 (json_int_t)json_get_int(oldest, "snapshot-id", -1)), &err), 0);
}

static bool there(const char *name)
{
	struct store_object object;

	return store_head(store, store_key(store, uri_of(name)), &object, &err) == 0;
}

/* A tag that was set behind the writer's back keeps its version and its files. */
static void test_expiry(void **state)
{
	static const struct lake_keep keep = { .versions_min = 2, .age_us_max = 0, .manifests_max = 100 };
	const char *removed[] = { uri_of("a"), uri_of("b") };
	struct lake_change drop_a = { .removed = removed, .n_removed = 1 }, drop_b = { .removed = removed + 1, .n_removed = 1 };
	struct ice_scan *scan;
	size_t n;

	(void)state;
	assert_int_equal(add("a", 100), 0);
	reopen(&keep);
	tag_oldest();
	assert_int_equal(add("b", 10), 0);
	assert_int_equal(commit(&drop_a), 0);
	assert_int_equal(commit(&drop_b), 0);
	for (int i = 0; i < 6; i++) {
		char name[8];

		env_sleep_us(2000); /* versions age by the millisecond */
		snprintf(name, sizeof name, "c%d", i);
		assert_int_equal(add(name, 1), 0);
		assert_int_equal(ops->sweep(table, &n, &err), 0);
	}
	assert_true(json_array_size(json_object_get(metadata(), "snapshots")) <= 4);
	assert_true(there("a"));  /* tagged */
	assert_false(there("b")); /* only expired versions had it */
	assert_true(there("c0"));
	assert_int_equal(ice_scan_open(store, metadata(), json_get_int(json_object_get(json_object_get(metadata(), "refs"), "audit"), "snapshot-id", -1), &scan, &err), 0);
	assert_int_equal(scan->n_files, 1);
	ice_scan_free(scan);
	check_scan();
}

/* A file that an expired and a current manifest both name stays. */
static void test_expiry_shared(void **state)
{
	static const struct lake_keep keep = { .versions_min = 1, .age_us_max = 0, .manifests_max = 100 };
	struct data_file *files[2] = { file_of("a", 10), file_of("b", 20) };
	const char *removed[] = { uri_of("a") };
	struct lake_change both = { .added = files, .n_added = 2 }, drop_a = { .removed = removed, .n_removed = 1 };
	size_t n;

	(void)state;
	reopen(&keep);
	assert_int_equal(commit(&both), 0);
	assert_int_equal(commit(&drop_a), 0);
	for (int i = 0; i < 3; i++) {
		env_sleep_us(2000);
		assert_int_equal(add(i == 0 ? "c" : i == 1 ? "d" : "e", 1), 0);
		assert_int_equal(ops->sweep(table, &n, &err), 0);
	}
	assert_false(there("a"));
	assert_true(there("b"));
	check_scan();
}

/* Another writer's branch, made behind our back: what it reaches stays. */
static void test_branch(void **state)
{
	static const struct lake_keep keep = { .versions_min = 1, .age_us_max = 0, .manifests_max = 100 };
	const char *removed[] = { uri_of("a") };
	struct lake_change drop_a = { .removed = removed, .n_removed = 1 };
	struct ice_scan *scan;
	json_t *other, *ref;
	char name[8];
	size_t n;

	(void)state;
	assert_int_equal(add("a", 100), 0);
	reopen(&keep);
	assert_int_equal(add("b", 10), 0);
	other = json_deep_copy(snapshot());
	json_set_int(other, "parent-snapshot-id", json_get_int(other, "snapshot-id", -1));
	json_set_int(other, "snapshot-id", 777);
	json_set_int(other, "sequence-number", 3);
	json_set_int(other, "first-row-id", json_get_int(metadata(), "next-row-id", -1));
	json_set_int(other, "added-rows", 0);
	ref = json_pack("{s:s, s:s, s:s, s:i}", "action", "set-snapshot-ref", "ref-name", "dev", "type", "branch", "snapshot-id", 777);
	assert_int_equal(fake_catalog_apply(&catalog, "t", json_pack("[{s:s, s:o}, o]", "action", "add-snapshot", "snapshot", other, ref), &err), 0);
	env_sleep_us(2000);
	assert_int_equal(commit(&drop_a), 0); /* expiry is due, so the metadata was read again: the sequence number is not the branch's */
	assert_int_equal(json_get_int(snapshot(), "sequence-number", -1), 4);
	for (int i = 0; i < 5; i++) {
		env_sleep_us(2000);
		snprintf(name, sizeof name, "c%d", i);
		assert_int_equal(add(name, 1), 0);
		assert_int_equal(ops->sweep(table, &n, &err), 0);
	}
	assert_true(json_array_size(json_object_get(metadata(), "snapshots")) <= 4);
	assert_true(there("a"));
	assert_int_equal(ice_scan_open(store, metadata(), 777, &scan, &err), 0);
	assert_int_equal(scan->n_files, 2);
	ice_scan_free(scan);
	check_scan();
}

static void test_gc_disabled(void **state)
{
	static const struct lake_keep keep = { .versions_min = 1 };
	const struct lake_kv properties[] = { { "gc.enabled", "false" } };
	struct lake_change change = { .properties = properties, .n_properties = 1 };
	char name[8];

	(void)state;
	reopen(&keep);
	assert_int_equal(commit(&change), 0);
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof name, "f%d", i);
		env_sleep_us(2000);
		assert_int_equal(add(name, 1), 0);
	}
	assert_int_equal(json_array_size(json_object_get(metadata(), "snapshots")), 5);
}

/* Flat commits: no manifest is read again, few files are written, whatever the number of commits before. */
static void test_flat(void **state)
{
	static const struct lake_keep keep = { .versions_min = 10, .manifests_max = 20 };
	uint64_t reads = 0;
	char name[8];
	size_t n;

	(void)state;
	reopen(&keep);
	for (int i = 0; i < 150; i++) {
		snprintf(name, sizeof name, "f%d", i);
		assert_int_equal(add(name, 1), 0);
		assert_int_equal(ops->sweep(table, &n, &err), 0);
		if (i != 49)
			continue;
		env_fault_install();
	}
	reads = env_fault_count(ENV_PREAD) + env_fault_count(ENV_READ);
	env_fault_remove();
	assert_int_equal(reads, 0);
	assert_true(n_avro() < 100);
	check_scan();
}

static void scan_missing(void **state)
{
	struct ice_scan *scan;

	(void)state;
	assert_int_equal(add("a", 1), 0);
	assert_int_equal(ice_scan_open(store, metadata(), 12345, &scan, &err), ERR_NOT_FOUND);
	assert_null(scan);
}

/* Each allocation in turn fails in prepare: an error, no leak, no file left, and the table goes on. */
static void test_nomem(void **state)
{
	struct lake_dv dv = dv_of("a", "v1", 3);
	bool fired = true;
	size_t before;

	(void)state;
	assert_int_equal(add("a", 100), 0);
	assert_int_equal(add("b", 100), 0);
	before = n_avro();
	for (uint64_t n = 1; fired; n++) {
		struct data_file *file = file_of("c", 5);
		const char *removed[] = { uri_of("b") };
		struct lake_change change = { .added = &file, .n_added = 1, .removed = removed, .n_removed = 1, .dvs = &dv, .n_dvs = 1 };
		struct lake_pending *pending;
		int rc;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		rc = ops->prepare(table, &change, &pending, &err);
		fired = env_fault_fired(ENV_ALLOC);
		env_fault_remove();
		assert_true(fired || rc == 0); /* some failures are borne (the store syncs more instead of remembering) */
		if (rc)
			data_file_free(file);
		else
			ops->abort(table, pending);
		assert_int_equal(n_avro(), before);
	}
	assert_int_equal(add("c", 5), 0);
	check_scan();
}

static void test_open_nomem(void **state)
{
	struct lake_dv dv = dv_of("a", "v1", 3);
	struct lake_change vector = { .dvs = &dv, .n_dvs = 1 };
	bool fired = true;

	(void)state;
	assert_int_equal(add("a", 100), 0);
	assert_int_equal(commit(&vector), 0);
	for (uint64_t n = 1; fired; n++) {
		struct lake_table *other = NULL;
		struct ice_scan *scan = NULL;
		int rc;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		rc = ice_scan_open(store, metadata(), -1, &scan, &err);
		if (!rc)
			rc = ops->open(&catalog.base, store, "bank", "t", &keep_all, &other, &err);
		fired = env_fault_fired(ENV_ALLOC);
		env_fault_remove();
		assert_true(fired || rc == 0); /* some failures are borne (the store syncs more instead of remembering) */
		ops->close(other);
		ice_scan_free(scan);
	}
}

#define CASE(fn, version) cmocka_unit_test_setup_teardown(fn, setup##version, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_create, 3), CASE(test_vectors, 3), CASE(test_compaction, 3), CASE(test_upgrade, 2), CASE(test_version2, 2), CASE(test_conflict, 3), CASE(test_unknown, 3),
		CASE(test_columns, 3), CASE(test_truncate, 3), CASE(test_merge, 3), CASE(test_expiry, 3), CASE(test_expiry_shared, 3), CASE(test_branch, 3), CASE(test_gc_disabled, 2), CASE(test_flat, 2), CASE(scan_missing, 2),
		CASE(test_nomem, 3), CASE(test_open_nomem, 3),
	};

	json_set_alloc_funcs(malloc, free); /* not counted: jansson itself is not safe when memory fails (lost bytes in its string buffer) */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
