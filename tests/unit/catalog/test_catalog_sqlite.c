/* tests/unit/catalog/test_catalog_sqlite.c — the built-in catalog: namespaces, tables, commits, positions, and what failures leave behind.
 *
 * Expected values are those of the Iceberg REST specification and of the store's encoding rules, written out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/env.h"
#include "base/json.h"
#include "catalog/catalog.h"

static char folder[64];
static struct store *store;
static struct catalog *catalog;

static json_t *parse(const char *text)
{
	struct err err = { 0 };
	json_t *value = json_parse(str_of(text), "test", &err);

	if (!value)
		fail_msg("%s: %s", err.text, text);
	return value;
}

static void open_all(void)
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

static void close_all(void)
{
	catalog_close(catalog);
	store_close(store);
}

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/tarn-catalog-XXXXXX");
	assert_non_null(mkdtemp(folder));
	open_all();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_all();
	env_remove_tree(folder);
	return 0;
}

#define OK(call) do { struct err err_ = { 0 }; int rc_ = (call); if (rc_) fail_msg("%s: %s", #call, err_.text); } while (0)
#define E &err_
#define FAILS(want, call) do { struct err err_ = { 0 }; int rc_ = (call); assert_int_equal(rc_, (want)); assert_int_equal(err_.code, (want)); assert_true(err_.text[0] != 0); } while (0)

static void make_ns(const char *ns)
{
	OK(catalog->ops->namespace_create(catalog, ns, NULL, E));
}

#define SCHEMA "{\"type\":\"struct\",\"fields\":[{\"id\":7,\"name\":\"id\",\"required\":true,\"type\":\"long\"},{\"id\":9,\"name\":\"v\",\"required\":false,\"type\":\"string\"}]}"

static struct catalog_table make_table(const char *ns, const char *name)
{
	struct catalog_table table;
	char text[1024];
	json_t *request;

	snprintf(text, sizeof text, "{\"name\":\"%s\",\"schema\":" SCHEMA ",\"properties\":{\"k\":\"v\"}}", name);
	request = parse(text);
	OK(catalog->ops->table_create(catalog, ns, request, &table, E));
	json_decref(request);
	return table;
}

/* Runs one commit; requirements and updates as JSON text. */
static int commit_text(const char *ns, const char *name, const char *requirements, const char *updates, enum commit_result *result, struct catalog_table *out, struct err *err)
{
	struct catalog_commit commit = { .namespace_ = ns, .table = name, .requirements = parse(requirements), .updates = parse(updates) };
	int rc = catalog->ops->commit(catalog, &commit, 1, NULL, result, err);

	json_decref(commit.requirements);
	json_decref(commit.updates);
	if (out)
		*out = commit.result;
	else
		catalog_table_clear(&commit.result);
	return rc;
}

static int gather(void *arg, const char *name)
{
	strcat(strcat(arg, name), ";");
	return 0;
}

static void test_namespaces(void **state)
{
	char names[256] = "";
	json_t *properties = parse("{\"owner\":\"me\"}"), *loaded, *summary, *removals = parse("[\"owner\",\"zz\"]"), *updates = parse("{\"b\":\"2\"}");

	(void)state;
	OK(catalog->ops->namespace_create(catalog, "ns", properties, E));
	FAILS(ERR_EXISTS, catalog->ops->namespace_create(catalog, "ns", NULL, E));
	OK(catalog->ops->namespace_load(catalog, "ns", &loaded, E));
	assert_true(json_equal(loaded, properties));
	json_decref(loaded);
	make_ns("a\x1f" "b\x1f" "c");
	make_ns("a\x1f" "d");
	make_ns("aa");
	OK(catalog->ops->namespace_list(catalog, NULL, gather, names, E));
	assert_string_equal(names, "a;aa;ns;");
	names[0] = '\0';
	OK(catalog->ops->namespace_list(catalog, "a", gather, names, E));
	assert_string_equal(names, "a\x1f" "b;a\x1f" "d;");
	FAILS(ERR_NOT_FOUND, catalog->ops->namespace_list(catalog, "nope", gather, names, E));
	FAILS(ERR_NOT_EMPTY, catalog->ops->namespace_drop(catalog, "a", E));
	OK(catalog->ops->namespace_drop(catalog, "a\x1f" "d", E));
	FAILS(ERR_NOT_FOUND, catalog->ops->namespace_drop(catalog, "a\x1f" "d", E));
	OK(catalog->ops->namespace_update(catalog, "ns", removals, updates, &summary, E));
	loaded = parse("{\"removed\":[\"owner\"],\"updated\":[\"b\"],\"missing\":[\"zz\"]}");
	assert_true(json_equal(summary, loaded));
	json_decref(loaded);
	json_decref(summary);
	OK(catalog->ops->namespace_load(catalog, "ns", &loaded, E));
	assert_true(json_equal(loaded, updates));
	json_decref(loaded);
	FAILS(ERR_USAGE, catalog->ops->namespace_create(catalog, "", NULL, E));
	FAILS(ERR_USAGE, catalog->ops->namespace_create(catalog, "a\x1f", NULL, E));
	FAILS(ERR_USAGE, catalog->ops->namespace_create(catalog, "a\nb", NULL, E));
	FAILS(ERR_USAGE, catalog->ops->namespace_create(catalog, "\xff\xfe", NULL, E));
	json_decref(properties);
	json_decref(removals);
	json_decref(updates);
}

static void test_table_life(void **state)
{
	struct catalog_table table, loaded;
	char expect[1200], names[64] = "";

	(void)state;
	make_ns("ns");
	make_ns("other");
	table = make_table("ns", "Tab le");
	/* store_encode_part: 'T' and ' ' become =54 and =20 */
	snprintf(expect, sizeof expect, "%s/ns/=54ab=20le", store->root_uri);
	assert_string_equal(json_get_str(table.metadata, "location", ""), expect);
	strcat(expect, "/metadata/00000-");
	assert_int_equal(strncmp(table.metadata_location, expect, strlen(expect)), 0);
	OK(catalog->ops->table_load(catalog, "ns", "Tab le", &loaded, E));
	assert_string_equal(loaded.metadata_location, table.metadata_location);
	assert_true(json_equal(loaded.metadata, table.metadata));
	catalog_table_clear(&loaded);
	close_all();
	open_all(); /* from the file, not from the cache */
	OK(catalog->ops->table_load(catalog, "ns", "Tab le", &loaded, E));
	assert_true(json_equal(loaded.metadata, table.metadata));
	catalog_table_clear(&loaded);
	OK(catalog->ops->table_rename(catalog, "ns", "Tab le", "other", "t", E));
	FAILS(ERR_NOT_FOUND, catalog->ops->table_rename(catalog, "ns", "Tab le", "other", "t2", E));
	FAILS(ERR_NOT_FOUND, catalog->ops->table_load(catalog, "ns", "Tab le", &loaded, E));
	OK(catalog->ops->table_list(catalog, "other", gather, names, E));
	assert_string_equal(names, "t;");
	FAILS(ERR_NOT_EMPTY, catalog->ops->namespace_drop(catalog, "other", E));
	OK(catalog->ops->table_drop(catalog, "other", "t", false, E));
	FAILS(ERR_NOT_FOUND, catalog->ops->table_drop(catalog, "other", "t", false, E));
	OK(catalog->ops->table_register(catalog, "ns", "back", table.metadata_location, false, &loaded, E));
	assert_true(json_equal(loaded.metadata, table.metadata));
	catalog_table_clear(&loaded);
	FAILS(ERR_EXISTS, catalog->ops->table_register(catalog, "ns", "back", table.metadata_location, false, &loaded, E));
	FAILS(ERR_PRIVILEGE, catalog->ops->table_register(catalog, "ns", "x", "file:///etc/passwd", false, &loaded, E));
	FAILS(ERR_PRIVILEGE, catalog->ops->table_register(catalog, "ns", "x", "s3://b/m.metadata.json", false, &loaded, E));
	catalog_table_clear(&table);
}

static int count_object(void *arg, const struct store_object *object)
{
	(void)object;
	++*(int *)arg;
	return 0;
}

static int count_files(const char *prefix)
{
	int n = 0;

	OK(store_list(store, prefix, count_object, &n, E));
	return n;
}

static void test_names_reused(void **state)
{
	struct catalog_table first, second, third;
	const char *a, *b;

	(void)state;
	make_ns("ns");
	first = make_table("ns", "t");
	OK(catalog->ops->table_drop(catalog, "ns", "t", false, E));
	second = make_table("ns", "t");
	a = json_get_str(first.metadata, "location", "");
	b = json_get_str(second.metadata, "location", "");
	assert_int_equal(strlen(b), strlen(a) + 9);
	assert_int_equal(strncmp(a, b, strlen(a)), 0);
	assert_int_equal(b[strlen(a)], '-');
	assert_int_equal(count_files("ns"), 2);
	OK(catalog->ops->table_drop(catalog, "ns", "t", true, E)); /* only below the second's folder */
	assert_int_equal(count_files("ns"), 1);
	/* A renamed table keeps its folder; the next one of the old name takes another. */
	third = make_table("ns", "u");
	OK(catalog->ops->table_rename(catalog, "ns", "u", "ns", "w", E));
	catalog_table_clear(&second);
	second = make_table("ns", "u");
	assert_string_not_equal(json_get_str(third.metadata, "location", ""), json_get_str(second.metadata, "location", ""));
	catalog_table_clear(&first);
	catalog_table_clear(&second);
	catalog_table_clear(&third);
}

static void test_locations(void **state)
{
	static const char *const bad[] = { "file:///etc/x", "s3://bucket/t", "%s/../x", "%s/a/../../x", "%s", "%s//x", "%s/a%%2e%%2e/b", "relative" };
	struct catalog_table out = { 0 };
	char text[4096], location[1200];
	enum commit_result result;
	json_t *request;

	(void)state;
	make_ns("ns");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(location, sizeof location, bad[i], store->root_uri);
		snprintf(text, sizeof text, "{\"name\":\"t\",\"location\":\"%s\",\"schema\":" SCHEMA "}", location);
		request = parse(text);
		FAILS(ERR_PRIVILEGE, catalog->ops->table_create(catalog, "ns", request, &out, E));
		json_decref(request);
		snprintf(text, sizeof text, "{\"name\":\"t\",\"properties\":{\"write.data.path\":\"%s\"},\"schema\":" SCHEMA "}", location);
		request = parse(text);
		FAILS(ERR_PRIVILEGE, catalog->ops->table_create(catalog, "ns", request, &out, E));
		json_decref(request);
	}
	snprintf(text, sizeof text, "{\"name\":\"t\",\"location\":\"%s/else/where/\",\"schema\":" SCHEMA "}", store->root_uri);
	request = parse(text);
	OK(catalog->ops->table_create(catalog, "ns", request, &out, E));
	json_decref(request);
	snprintf(location, sizeof location, "%s/else/where", store->root_uri);
	assert_string_equal(json_get_str(out.metadata, "location", ""), location);
	catalog_table_clear(&out);
	/* in, around and at another table's folder */
	for (int i = 0; i < 3; i++) {
		static const char *const overlap[] = { "else/where", "else/where/in", "else" };
		snprintf(text, sizeof text, "{\"name\":\"t2\",\"location\":\"%s/%s\",\"schema\":" SCHEMA "}", store->root_uri, overlap[i]);
		request = parse(text);
		FAILS(ERR_EXISTS, catalog->ops->table_create(catalog, "ns", request, &out, E));
		json_decref(request);
	}
	FAILS(ERR_PRIVILEGE, commit_text("ns", "t", "[]", "[{\"action\":\"set-location\",\"location\":\"file:///etc\"}]", &result, NULL, E));
	FAILS(ERR_PRIVILEGE, commit_text("ns", "t", "[]", "[{\"action\":\"set-properties\",\"updates\":{\"write.metadata.path\":\"/etc/x\"}}]", &result, NULL, E));
	assert_int_equal(result, COMMIT_NOT_DONE);
}

#define SNAPSHOT(id, sequence) "[{\"action\":\"add-snapshot\",\"snapshot\":{\"snapshot-id\":" #id ",\"sequence-number\":" #sequence ",\"timestamp-ms\":1,\"manifest-list\":\"%s/ns/t/metadata/snap.avro\"," \
	"\"summary\":{\"operation\":\"append\"},\"schema-id\":0}},{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"branch\",\"snapshot-id\":" #id "}]"

static void test_commit(void **state)
{
	struct catalog_table table, out;
	enum commit_result result;
	char updates[2048];
	const json_t *log;

	(void)state;
	make_ns("ns");
	table = make_table("ns", "t");
	snprintf(updates, sizeof updates, SNAPSHOT(11, 1), store->root_uri);
	OK(commit_text("ns", "t", "[{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":null}]", updates, &result, &out, E));
	assert_int_equal(result, COMMIT_DONE);
	assert_int_equal(json_get_int(out.metadata, "current-snapshot-id", 0), 11);
	assert_non_null(strstr(out.metadata_location, "/metadata/00001-"));
	log = json_object_get(out.metadata, "metadata-log");
	assert_int_equal(json_array_size(log), 1);
	assert_string_equal(json_get_str(json_array_get(log, 0), "metadata-file", ""), table.metadata_location);
	catalog_table_clear(&out);
	FAILS(ERR_CONFLICT, commit_text("ns", "t", "[{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":null}]", updates, &result, NULL, E));
	assert_int_equal(result, COMMIT_NOT_DONE);
	assert_int_equal(count_files("ns/t"), 2); /* the refused one left nothing */
	/* An empty commit is done and writes nothing. */
	OK(commit_text("ns", "t", "[]", "[]", &result, NULL, E));
	assert_int_equal(result, COMMIT_DONE);
	assert_int_equal(count_files("ns/t"), 2);
	FAILS(ERR_NOT_FOUND, commit_text("ns", "nope", "[]", "[]", &result, NULL, E));
	FAILS(ERR_USAGE, commit_text("ns", "t", "[]", "[{\"action\":\"wat\"}]", &result, NULL, E));
	catalog_table_clear(&table);
}

static void test_create_by_commit(void **state)
{
	static const char updates[] = "[{\"action\":\"assign-uuid\",\"uuid\":\"320d60b5-a9f0-4f6f-8316-adc88721386e\"},{\"action\":\"upgrade-format-version\",\"format-version\":2},"
	                              "{\"action\":\"add-schema\",\"schema\":" SCHEMA ",\"last-column-id\":9},{\"action\":\"set-current-schema\",\"schema-id\":-1}]";
	struct catalog_table out;
	enum commit_result result;
	char expect[1200];

	(void)state;
	make_ns("ns");
	OK(commit_text("ns", "t", "[{\"type\":\"assert-create\"}]", updates, &result, &out, E));
	assert_string_equal(json_get_str(out.metadata, "table-uuid", ""), "320d60b5-a9f0-4f6f-8316-adc88721386e");
	snprintf(expect, sizeof expect, "%s/ns/t", store->root_uri);
	assert_string_equal(json_get_str(out.metadata, "location", ""), expect);
	assert_non_null(strstr(out.metadata_location, "/metadata/00000-"));
	catalog_table_clear(&out);
	FAILS(ERR_CONFLICT, commit_text("ns", "t", "[{\"type\":\"assert-create\"}]", updates, &result, NULL, E));
	FAILS(ERR_NOT_FOUND, commit_text("nope", "t", "[{\"type\":\"assert-create\"}]", updates, &result, NULL, E));
}

static void test_several_tables(void **state)
{
	struct catalog_table a, b, loaded;
	struct catalog_commit commits[2] = { { .namespace_ = "ns", .table = "a" }, { .namespace_ = "ns", .table = "b" } };
	enum commit_result result;

	(void)state;
	make_ns("ns");
	a = make_table("ns", "a");
	b = make_table("ns", "b");
	commits[0].requirements = json_array();
	commits[0].updates = parse("[{\"action\":\"set-properties\",\"updates\":{\"x\":\"1\"}}]");
	commits[1].requirements = parse("[{\"type\":\"assert-table-uuid\",\"uuid\":\"00000000-0000-0000-0000-000000000000\"}]");
	commits[1].updates = parse("[{\"action\":\"set-properties\",\"updates\":{\"x\":\"1\"}}]");
	FAILS(ERR_CONFLICT, catalog->ops->commit(catalog, commits, 2, NULL, &result, E));
	assert_int_equal(result, COMMIT_NOT_DONE);
	OK(catalog->ops->table_load(catalog, "ns", "a", &loaded, E));
	assert_string_equal(loaded.metadata_location, a.metadata_location);
	catalog_table_clear(&loaded);
	json_array_clear(commits[1].requirements);
	OK(catalog->ops->commit(catalog, commits, 2, NULL, &result, E));
	for (int i = 0; i < 2; i++) {
		assert_string_equal(json_get_str(json_object_get(commits[i].result.metadata, "properties"), "x", ""), "1");
		catalog_table_clear(&commits[i].result);
	}
	commits[1].table = "a";
	FAILS(ERR_USAGE, catalog->ops->commit(catalog, commits, 2, NULL, &result, E));
	for (int i = 0; i < 2; i++) {
		json_decref(commits[i].requirements);
		json_decref(commits[i].updates);
	}
	catalog_table_clear(&a);
	catalog_table_clear(&b);
}

static void test_positions(void **state)
{
	struct catalog_position position = { .pipeline = "p", .lsn = 0xffffffff00000010, .system_id = 0xfedcba9876543210, .timeline = 1, .writer_epoch = 2 }, loaded;
	enum commit_result result;

	(void)state;
	FAILS(ERR_NOT_FOUND, catalog->ops->position_load(catalog, "p", &loaded, E));
	OK(catalog->ops->commit(catalog, NULL, 0, &position, &result, E));
	assert_int_equal(result, COMMIT_DONE);
	close_all();
	open_all();
	OK(catalog->ops->position_load(catalog, "p", &loaded, E));
	assert_true(loaded.lsn == 0xffffffff00000010 && loaded.system_id == 0xfedcba9876543210 && loaded.timeline == 1 && loaded.writer_epoch == 2);
	position.lsn--;
	FAILS(ERR_IDENTITY, catalog->ops->commit(catalog, NULL, 0, &position, &result, E));
	assert_int_equal(result, COMMIT_NOT_DONE);
	position.lsn += 2;
	position.system_id++;
	FAILS(ERR_IDENTITY, catalog->ops->commit(catalog, NULL, 0, &position, &result, E));
	position.system_id--;
	position.writer_epoch = 1;
	FAILS(ERR_FENCED, catalog->ops->commit(catalog, NULL, 0, &position, &result, E));
	position.writer_epoch = 3;
	position.timeline = 2;
	OK(catalog->ops->commit(catalog, NULL, 0, &position, &result, E));
	OK(catalog->ops->position_load(catalog, "p", &loaded, E));
	assert_true(loaded.lsn == 0xffffffff00000011 && loaded.timeline == 2 && loaded.writer_epoch == 3);
	/* a source set up anew starts at its own beginning, with a newer epoch */
	position = (struct catalog_position){ .pipeline = "p", .lsn = 1, .system_id = 42, .timeline = 1, .writer_epoch = 4 };
	OK(catalog->ops->commit(catalog, NULL, 0, &position, &result, E));
	OK(catalog->ops->position_load(catalog, "p", &loaded, E));
	assert_true(loaded.lsn == 1 && loaded.system_id == 42 && loaded.writer_epoch == 4);
}

/* A position that is refused takes the table commits of the same call with it. */
static void test_position_with_table(void **state)
{
	struct catalog_table table, loaded;
	struct catalog_commit commit = { .namespace_ = "ns", .table = "t", .requirements = json_array(), .updates = parse("[{\"action\":\"set-properties\",\"updates\":{\"x\":\"1\"}}]") };
	struct catalog_position position = { .pipeline = "p", .lsn = 5, .writer_epoch = 1 };
	enum commit_result result;

	(void)state;
	make_ns("ns");
	table = make_table("ns", "t");
	OK(catalog->ops->commit(catalog, NULL, 0, &position, &result, E));
	position.lsn = 4;
	FAILS(ERR_IDENTITY, catalog->ops->commit(catalog, &commit, 1, &position, &result, E));
	OK(catalog->ops->table_load(catalog, "ns", "t", &loaded, E));
	assert_string_equal(loaded.metadata_location, table.metadata_location);
	assert_int_equal(count_files("ns/t"), 1);
	catalog_table_clear(&loaded);
	position.lsn = 6;
	OK(catalog->ops->commit(catalog, &commit, 1, &position, &result, E));
	assert_int_equal(count_files("ns/t"), 2);
	catalog_table_clear(&commit.result);
	catalog_table_clear(&table);
	json_decref(commit.requirements);
	json_decref(commit.updates);
}

static void test_old_files_deleted(void **state)
{
	struct catalog_table table;
	enum commit_result result;
	char updates[128];

	(void)state;
	make_ns("ns");
	table = make_table("ns", "t");
	catalog_table_clear(&table);
	OK(commit_text("ns", "t", "[]", "[{\"action\":\"set-properties\",\"updates\":{\"write.metadata.delete-after-commit.enabled\":\"true\",\"write.metadata.previous-versions-max\":\"3\"}}]",
	               &result, NULL, E));
	for (int i = 0; i < 10; i++) {
		snprintf(updates, sizeof updates, "[{\"action\":\"set-properties\",\"updates\":{\"x\":\"%d\"}}]", i);
		OK(commit_text("ns", "t", "[]", updates, &result, NULL, E));
	}
	assert_int_equal(count_files("ns/t"), 4); /* the current one and three previous ones */
}

static void test_newer_database(void **state)
{
	char command[256], path[128];
	struct catalog *other;

	(void)state;
	snprintf(path, sizeof path, "%s/catalog.db", folder);
	snprintf(command, sizeof command, "python3 -c \"import sqlite3; c=sqlite3.connect('%s'); c.execute('update catalog_version set version=99'); c.commit()\"", path);
	assert_int_equal(system(command), 0);
	FAILS(ERR_UNSUPPORTED, catalog_open_sqlite(path, store, false, &other, E));
	FAILS(ERR_UNSUPPORTED, catalog_open_sqlite(path, store, true, &other, E));
}

static void test_read_only(void **state)
{
	struct catalog_table table, loaded;
	struct catalog *reader;
	char path[128];

	(void)state;
	snprintf(path, sizeof path, "%s/missing.db", folder);
	FAILS(ERR_IO, catalog_open_sqlite(path, store, true, &reader, E));
	make_ns("ns");
	table = make_table("ns", "t");
	snprintf(path, sizeof path, "%s/catalog.db", folder);
	OK(catalog_open_sqlite(path, store, true, &reader, E));
	OK(reader->ops->table_load(reader, "ns", "t", &loaded, E));
	assert_true(json_equal(loaded.metadata, table.metadata));
	FAILS(ERR_USAGE, reader->ops->table_drop(reader, "ns", "t", false, E));
	FAILS(ERR_USAGE, reader->ops->namespace_create(reader, "x", NULL, E));
	catalog_close(reader);
	catalog_table_clear(&loaded);
	catalog_table_clear(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_namespaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_reused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_by_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_positions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_position_with_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_files_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newer_database, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
