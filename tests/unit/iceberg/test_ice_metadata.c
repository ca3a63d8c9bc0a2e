/* tests/unit/iceberg/test_ice_metadata.c — table metadata: what tests/data/rest does not reach: limits, sharing with the base, expired files, found metadata.
 *
 * Expected values come from the Iceberg specification (Table Metadata, Schemas, Partitioning) and its REST catalog. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/env.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/wbuf.h"
#include "iceberg/metadata.h"

#define UUID "78ecfbd3-fd11-444d-88d3-38c375947217"
#define NOW 1700000000000

static json_t *parse(const char *text)
{
	struct err err = { 0 };
	json_t *value = json_parse(str_of(text), "test", &err);

	if (!value)
		fail_msg("%s: %s", err.text, text);
	return value;
}

static int create(const char *text, json_t **out, struct err *err)
{
	json_t *request = parse(text);
	int rc = ice_metadata_create(request, "file:///w/ns/t", UUID, NOW, out, err);

	json_decref(request);
	return rc;
}

static json_t *table(const char *text)
{
	struct err err = { 0 };
	json_t *md;

	if (create(text, &md, &err))
		fail_msg("%s", err.text);
	return md;
}

static int apply(const json_t *base, const char *updates, int64_t now_ms, json_t **out, struct err *err)
{
	struct ice_apply how = { .base = base, .base_location = "file:///w/ns/t/metadata/00000-a.metadata.json", .location = "file:///w/ns/t", .uuid = UUID, .now_ms = now_ms };
	json_t *list = parse(updates);
	int rc = ice_metadata_apply(&how, list, out, err);

	json_decref(list);
	return rc;
}

static void refused(int code, const char *request, const char *says)
{
	struct err err = { 0 };
	json_t *md;

	assert_int_equal(create(request, &md, &err), code);
	assert_null(md);
	if (!strstr(err.text, says))
		fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

#define FIELDS(f) "{\"name\":\"t\",\"schema\":{\"type\":\"struct\",\"fields\":[" f "]}}"
#define SIMPLE FIELDS("{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"}")

static void test_refused_requests(void **state)
{
	(void)state;
	refused(ERR_USAGE, "{\"name\":\"t\"}", "schema");
	refused(ERR_USAGE, "{\"schema\":{\"type\":\"list\"}}", "type struct");
	refused(ERR_USAGE, "{\"schema\":{\"type\":\"struct\"}}", "fields");
	refused(ERR_USAGE, FIELDS("7"), "not an object");
	refused(ERR_USAGE, FIELDS("{\"id\":1,\"name\":\"\",\"required\":true,\"type\":\"long\"}"), "name");
	refused(ERR_USAGE, FIELDS("{\"id\":1,\"name\":\"a\",\"type\":\"long\"}"), "required");
	refused(ERR_USAGE, FIELDS("{\"name\":\"a\",\"required\":true,\"type\":\"long\"}"), "\"id\"");
	refused(ERR_USAGE, FIELDS("{\"id\":1,\"name\":\"a\",\"required\":true}"), "type");
	refused(ERR_USAGE, FIELDS("{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"decimal(39,0)\"}"), "not an Iceberg type");
	refused(ERR_USAGE, FIELDS("{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"decimal(5,6)\"}"), "not an Iceberg type");
	refused(ERR_USAGE, FIELDS("{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"fixed[0]\"}"), "not an Iceberg type");
	refused(ERR_USAGE, FIELDS("{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"timestamp_ns\"}"), "format version 3");
	refused(ERR_USAGE, FIELDS("{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"int\",\"initial-default\":3}"), "format version 3");
	refused(ERR_USAGE, FIELDS("{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":{\"type\":\"list\",\"element\":\"int\",\"element-required\":true}}"), "element-id");
	refused(ERR_USAGE, "{\"schema\":{\"type\":\"struct\",\"fields\":[]},\"properties\":{\"format-version\":\"4\"}}", "format version 4");
	refused(ERR_USAGE, "{\"schema\":{\"type\":\"struct\",\"fields\":[]},\"properties\":{\"format-version\":\"x\"}}", "2 or 3");
	refused(ERR_USAGE, "{\"schema\":{\"type\":\"struct\",\"fields\":[]},\"properties\":{\"uuid\":\"x\"}}", "reserved");
	refused(ERR_USAGE, "{\"schema\":{\"type\":\"struct\",\"fields\":[]},\"properties\":[]}", "object");
}

/* Iceberg writes "decimal(9, 2)" and "decimal(9,2)"; precision is at most 38 (specification, Primitive Types). */
static void test_decimal_names(void **state)
{
	static const struct { const char *text; int precision, scale; } rows[] = {
		{ "decimal(9, 2)", 9, 2 }, { "decimal(9,2)", 9, 2 }, { "decimal( 9 , 2 )", 9, 2 }, { "decimal(38,38)", 38, 38 }, { "decimal(1,0)", 1, 0 },
		{ "decimal(0,0)", 0, 0 }, { "decimal(39,0)", 0, 0 }, { "decimal(5,6)", 0, 0 }, { "decimal(5,-1)", 0, 0 }, { "decimal(9)", 0, 0 }, { "decimal(9,2,1)", 0, 0 },
		{ "decimal(9,2", 0, 0 }, { "decimal(9,2) ", 0, 0 }, { "decimal()", 0, 0 }, { "decimal(", 0, 0 }, { "decimals(9,2)", 0, 0 }, { "decimal(,2)", 0, 0 },
		{ "decimal(18446744073709551625,2)", 0, 0 }, { "int", 0, 0 }, { "", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int precision = 0, scale = 0;

		if (ice_decimal_parse(str_of(rows[i].text), &precision, &scale) != (rows[i].precision > 0) || precision != rows[i].precision || scale != rows[i].scale)
			fail_msg("%s: %d, %d", rows[i].text, precision, scale);
	}
}

static void test_refused_specs(void **state)
{
	static const struct { const char *type, *transform; bool ok; } rows[] = {
		{ "int", "identity", true }, { "int", "bucket[16]", true }, { "int", "truncate[10]", true }, { "int", "day", false }, { "int", "void", true },
		{ "string", "truncate[3]", true }, { "string", "year", false }, { "date", "month", true }, { "date", "hour", false }, { "timestamptz", "hour", true },
		{ "uuid", "bucket[4]", true }, { "uuid", "truncate[4]", false }, { "double", "bucket[4]", false }, { "double", "identity", true }, { "boolean", "bucket[4]", false },
		{ "decimal(9,2)", "truncate[100]", true }, { "decimal(9,2)", "bucket[8]", true }, { "fixed[4]", "bucket[8]", true }, { "fixed[4]", "truncate[2]", false },
		{ "binary", "truncate[2]", true }, { "time", "bucket[2]", true }, { "time", "hour", false }, { "int", "bucket[0]", false }, { "int", "bucket[-1]", false },
		{ "int", "bucket", false }, { "int", "zorder", false }, { "long", "bucket[2147483648]", false },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct err err = { 0 };
		json_t *md;
		int rc;
		snprintf(text, sizeof text, "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"%s\"}]},"
		         "\"partition-spec\":{\"fields\":[{\"source-id\":1,\"name\":\"p\",\"transform\":\"%s\"}]}}", rows[i].type, rows[i].transform);
		rc = create(text, &md, &err);
		if ((rc == 0) != rows[i].ok)
			fail_msg("%s of %s: %s", rows[i].transform, rows[i].type, rc ? err.text : "accepted");
		json_decref(md);
	}
	/* names: only a column's own identity may carry its name */
	refused(ERR_USAGE, "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"int\"}]},"
	        "\"partition-spec\":{\"fields\":[{\"source-id\":1,\"name\":\"a\",\"transform\":\"bucket[4]\"}]}}", "column of this name");
	refused(ERR_USAGE, "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"int\"}]},"
	        "\"partition-spec\":{\"fields\":[{\"source-id\":1,\"name\":\"p\",\"transform\":\"bucket[4]\"},{\"source-id\":1,\"name\":\"p\",\"transform\":\"bucket[8]\"}]}}", "twice");
	refused(ERR_USAGE, "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"int\"}]},"
	        "\"partition-spec\":{\"fields\":[{\"source-id\":1,\"name\":\"p\",\"transform\":\"identity\",\"field-id\":999}]}}", "field-id");
	/* lists hold many values a row */
	refused(ERR_USAGE, "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":{\"type\":\"list\",\"element-id\":2,\"element\":\"int\",\"element-required\":true}}]},"
	        "\"partition-spec\":{\"fields\":[{\"source-id\":2,\"name\":\"p\",\"transform\":\"identity\"}]}}", "not a field");
}

static void test_depth_and_count(void **state)
{
	struct wbuf w;
	struct err err = { 0 };
	json_t *md;

	(void)state;
	for (int depth = 30; depth <= 1000; depth += 970) {
		wbuf_init(&w, 0);
		wbuf_putz(&w, "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":");
		for (int i = 0; i < depth; i++)
			wbuf_putf(&w, "{\"type\":\"list\",\"element-id\":%d,\"element-required\":true,\"element\":", i + 2);
		wbuf_putz(&w, "\"int\"");
		for (int i = 0; i < depth; i++)
			wbuf_putz(&w, "}");
		wbuf_putz(&w, "}]}}");
		assert_int_equal(create(wbuf_cstr(&w), &md, &err), depth == 30 ? 0 : ERR_LIMIT);
		json_decref(md);
		wbuf_free(&w);
	}
	for (int n = 10000; n <= 10001; n++) {
		wbuf_init(&w, 0);
		wbuf_putz(&w, "{\"schema\":{\"type\":\"struct\",\"fields\":[");
		for (int i = 1; i <= n; i++)
			wbuf_putf(&w, "%s{\"id\":%d,\"name\":\"c%d\",\"required\":false,\"type\":\"int\"}", i > 1 ? "," : "", i, i);
		wbuf_putz(&w, "]}}");
		assert_int_equal(create(wbuf_cstr(&w), &md, &err), n == 10000 ? 0 : ERR_LIMIT);
		json_decref(md);
		wbuf_free(&w);
	}
}

/* Some clients number nothing before the catalog does. */
static void test_unnumbered_fields(void **state)
{
	json_t *md = table(FIELDS("{\"id\":0,\"name\":\"a\",\"required\":true,\"type\":\"long\"},{\"id\":0,\"name\":\"b\",\"required\":true,\"type\":\"long\"}"));
	const json_t *fields = json_object_get(json_array_get(json_object_get(md, "schemas"), 0), "fields");

	(void)state;
	assert_int_equal(json_get_int(json_array_get(fields, 0), "id", 0), 1);
	assert_int_equal(json_get_int(json_array_get(fields, 1), "id", 0), 2);
	json_decref(md);
}

#define APPEND(id, seq, ms) "{\"action\":\"add-snapshot\",\"snapshot\":{\"snapshot-id\":" #id ",\"sequence-number\":" #seq ",\"timestamp-ms\":" #ms \
	",\"manifest-list\":\"file:///w/ns/t/metadata/m.avro\",\"summary\":{\"operation\":\"append\"}}},{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"branch\",\"snapshot-id\":" #id "}"

static void test_base_stays(void **state)
{
	json_t *base = table(SIMPLE), *copy = json_deep_copy(base), *next, *third;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(apply(base, "[" APPEND(5, 1, 1700000000500) ",{\"action\":\"set-properties\",\"updates\":{\"a\":\"b\"}}]", NOW + 1000, &next, &err), 0);
	assert_true(json_equal(base, copy));
	assert_int_equal(json_get_int(next, "last-updated-ms", 0), NOW + 1000);
	assert_int_equal(json_get_int(next, "last-sequence-number", 0), 1);
	/* the clock may step back, the table's does not */
	assert_int_equal(apply(next, "[" APPEND(6, 2, 1600000000000) "]", NOW - 500000, &third, &err), 0);
	assert_int_equal(json_get_int(third, "last-updated-ms", 0), NOW + 1000);
	assert_int_equal(json_get_int(json_array_get(json_object_get(third, "snapshot-log"), 1), "timestamp-ms", 0), 1700000000500);
	assert_int_equal(json_array_size(json_object_get(next, "snapshots")), 1);
	json_decref(third);
	/* nothing changed: the same value */
	assert_int_equal(apply(next, "[{\"action\":\"set-properties\",\"updates\":{\"a\":\"b\"}},{\"action\":\"remove-properties\",\"removals\":[\"zz\"]},{\"action\":\"remove-snapshots\",\"snapshot-ids\":[77]},"
	                       "{\"action\":\"upgrade-format-version\",\"format-version\":2},{\"action\":\"set-location\",\"location\":\"file:///w/ns/t/\"}]", NOW, &third, &err), 0);
	assert_ptr_equal(third, next);
	json_decref(third);
	/* a snapshot from tomorrow's tomorrow would stop the table's clock there */
	assert_int_equal(apply(next, "[" APPEND(7, 2, 1800000000000) "]", NOW, &third, &err), ERR_USAGE);
	assert_int_equal(apply(next, "[" APPEND(5, 2, 1700000000000) "]", NOW, &third, &err), ERR_USAGE); /* the id is taken */
	assert_int_equal(apply(next, "[" APPEND(8, 1, 1700000000000) "]", NOW, &third, &err), ERR_CONFLICT); /* the number is behind */
	json_decref(base);
	json_decref(copy);
	json_decref(next);
}

static void test_metadata_log(void **state)
{
	json_t *md = table("{\"properties\":{\"write.metadata.previous-versions-max\":\"2\"},\"schema\":{\"type\":\"struct\",\"fields\":[]}}"), *next, *gone;
	struct err err = { 0 };
	char base_location[64], updates[128];

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct ice_apply how = { .base = md, .base_location = base_location, .now_ms = NOW + i };
		json_t *list;
		snprintf(base_location, sizeof base_location, "file:///w/%d", i);
		snprintf(updates, sizeof updates, "[{\"action\":\"set-properties\",\"updates\":{\"i\":\"%d\"%s}}]", i, i == 3 ? ",\"write.metadata.delete-after-commit.enabled\":\"true\"" : "");
		list = parse(updates);
		assert_int_equal(ice_metadata_apply(&how, list, &next, &err), 0);
		json_decref(list);
		assert_int_equal(ice_metadata_expired_files(md, base_location, next, &gone, &err), 0);
		if (i < 3) {
			assert_null(gone); /* not asked for */
		} else {
			assert_int_equal(json_array_size(gone), 1);
			assert_string_equal(json_string_value(json_array_get(gone, 0)), "file:///w/1");
			json_decref(gone);
		}
		json_decref(md);
		md = next;
	}
	assert_int_equal(json_array_size(json_object_get(md, "metadata-log")), 2);
	assert_string_equal(json_get_str(json_array_get(json_object_get(md, "metadata-log"), 1), "metadata-file", ""), "file:///w/3");
	json_decref(md);
}

static void test_found_metadata(void **state)
{
	static const char *const spoil[] = { "last-column-id", "table-uuid", "schemas", "partition-specs", "sort-orders", "location", "last-sequence-number", "current-schema-id" };
	json_t *md = table(SIMPLE), *with, *bad;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(apply(md, "[" APPEND(5, 1, 1700000000500) "]", NOW, &with, &err), 0);
	assert_int_equal(ice_metadata_check(with, &err), 0);
	for (size_t i = 0; i < sizeof spoil / sizeof spoil[0]; i++) {
		bad = json_deep_copy(with);
		json_object_del(bad, spoil[i]);
		assert_int_equal(ice_metadata_check(bad, &err), ERR_CORRUPT);
		assert_non_null(strstr(err.text, spoil[i]));
		json_decref(bad);
	}
	bad = json_deep_copy(with);
	json_object_del(bad, "refs");
	assert_int_equal(ice_metadata_check(bad, &err), 0);
	assert_int_equal(ice_metadata_complete(bad, &err), 0);
	assert_true(json_equal(bad, with));
	json_decref(bad);
	bad = json_deep_copy(with);
	json_object_set_new(bad, "format-version", json_integer(1));
	assert_int_equal(ice_metadata_check(bad, &err), ERR_UNSUPPORTED);
	json_object_set_new(bad, "format-version", json_integer(3));
	assert_int_equal(ice_metadata_check(bad, &err), ERR_CORRUPT); /* no next-row-id */
	json_object_set_new(bad, "next-row-id", json_integer(0));
	assert_int_equal(ice_metadata_check(bad, &err), 0);
	json_object_set_new(bad, "current-snapshot-id", json_integer(6));
	assert_int_equal(ice_metadata_check(bad, &err), ERR_CORRUPT);
	json_object_set_new(bad, "current-snapshot-id", json_null());
	assert_int_equal(ice_metadata_check(bad, &err), ERR_CORRUPT); /* main is not the current one */
	json_decref(bad);
	bad = json_deep_copy(with);
	json_object_set_new(bad, "last-sequence-number", json_integer(0));
	assert_int_equal(ice_metadata_check(bad, &err), ERR_CORRUPT);
	json_decref(bad);
	json_decref(with);
	json_decref(md);
}

static void test_requirements(void **state)
{
	/* {requirement, result without a table, result on the table} */
	static const struct { const char *text; int without, with; } rows[] = {
		{ "{\"type\":\"assert-create\"}", 0, ERR_CONFLICT },
		{ "{\"type\":\"assert-table-uuid\",\"uuid\":\"" UUID "\"}", ERR_CONFLICT, 0 },
		{ "{\"type\":\"assert-table-uuid\",\"uuid\":\"78ECFBD3-FD11-444D-88D3-38C375947217\"}", ERR_CONFLICT, 0 },
		{ "{\"type\":\"assert-table-uuid\"}", ERR_CONFLICT, ERR_USAGE },
		{ "{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":5}", ERR_CONFLICT, 0 },
		{ "{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":6}", ERR_CONFLICT, ERR_CONFLICT },
		{ "{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":null}", ERR_CONFLICT, ERR_CONFLICT },
		{ "{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\"}", ERR_CONFLICT, ERR_CONFLICT },
		{ "{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"other\",\"snapshot-id\":null}", ERR_CONFLICT, 0 },
		{ "{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"other\",\"snapshot-id\":5}", ERR_CONFLICT, ERR_CONFLICT },
		{ "{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":\"5\"}", ERR_CONFLICT, ERR_USAGE },
		{ "{\"type\":\"assert-last-assigned-field-id\",\"last-assigned-field-id\":1}", ERR_CONFLICT, 0 },
		{ "{\"type\":\"assert-last-assigned-field-id\",\"last-assigned-field-id\":2}", ERR_CONFLICT, ERR_CONFLICT },
		{ "{\"type\":\"assert-current-schema-id\",\"current-schema-id\":0}", ERR_CONFLICT, 0 },
		{ "{\"type\":\"assert-current-schema-id\",\"current-schema-id\":1}", ERR_CONFLICT, ERR_CONFLICT },
		{ "{\"type\":\"assert-last-assigned-partition-id\",\"last-assigned-partition-id\":999}", ERR_CONFLICT, 0 },
		{ "{\"type\":\"assert-last-assigned-partition-id\",\"last-assigned-partition-id\":1000}", ERR_CONFLICT, ERR_CONFLICT },
		{ "{\"type\":\"assert-default-spec-id\",\"default-spec-id\":0}", ERR_CONFLICT, 0 },
		{ "{\"type\":\"assert-default-spec-id\",\"default-spec-id\":1}", ERR_CONFLICT, ERR_CONFLICT },
		{ "{\"type\":\"assert-default-sort-order-id\",\"default-sort-order-id\":0}", ERR_CONFLICT, 0 },
		{ "{\"type\":\"assert-default-sort-order-id\",\"default-sort-order-id\":1}", ERR_CONFLICT, ERR_CONFLICT },
		{ "{\"type\":\"assert-view-uuid\",\"uuid\":\"" UUID "\"}", ERR_USAGE, ERR_USAGE },
		{ "{}", ERR_USAGE, ERR_USAGE },
		{ "7", ERR_USAGE, ERR_USAGE },
	};
	json_t *md = table(SIMPLE), *with;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(apply(md, "[" APPEND(5, 1, 1700000000500) "]", NOW, &with, &err), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[256];
		json_t *list;
		int without, on_table;
		snprintf(text, sizeof text, "[%s]", rows[i].text);
		list = parse(text);
		without = ice_metadata_check_requirements(NULL, list, &err);
		on_table = ice_metadata_check_requirements(with, list, &err);
		if (without != rows[i].without || on_table != rows[i].with)
			fail_msg("%s: %d %d", text, without, on_table);
		json_decref(list);
	}
	json_decref(with);
	json_decref(md);
}

/* Each allocation fails once: an error, no leak, and the base is as it was. */
static struct env_ops ops;
static long left = -1;

static void *failing_alloc(size_t n) { return left >= 0 && left-- == 0 ? NULL : env_os.alloc(n); }
static void *failing_realloc(void *p, size_t n) { return left >= 0 && left-- == 0 ? NULL : env_os.realloc(p, n); }

static void test_allocations(void **state)
{
	static const char updates[] = "[{\"action\":\"upgrade-format-version\",\"format-version\":3},{\"action\":\"add-schema\",\"schema\":{\"type\":\"struct\",\"fields\":["
	                              "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\",\"doc\":\"d\"},{\"id\":2,\"name\":\"m\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":3,\"key\":"
	                              "\"string\",\"value-id\":4,\"value\":\"int\",\"value-required\":true}}],\"identifier-field-ids\":[1]}},{\"action\":\"set-current-schema\",\"schema-id\":-1},"
	                              "{\"action\":\"add-spec\",\"spec\":{\"fields\":[{\"source-id\":1,\"transform\":\"bucket[2]\",\"name\":\"b\"}]}},{\"action\":\"set-default-spec\",\"spec-id\":-1},"
	                              "{\"action\":\"add-sort-order\",\"sort-order\":{\"order-id\":1,\"fields\":[{\"source-id\":1,\"transform\":\"identity\",\"direction\":\"asc\",\"null-order\":\"nulls-last\"}]}},"
	                              "{\"action\":\"remove-snapshots\",\"snapshot-ids\":[5]},{\"action\":\"add-encryption-key\",\"encryption-key\":{\"key-id\":\"k\",\"encrypted-key-metadata\":\"eA==\"}},"
	                              "{\"action\":\"remove-properties\",\"removals\":[\"a\"]}]";
	json_t *first = table("{\"properties\":{\"a\":\"b\",\"write.metadata.delete-after-commit.enabled\":\"true\",\"write.metadata.previous-versions-max\":\"1\"},\"schema\":{\"type\":\"struct\",\"fields\":["
	                      "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"}]}}"), *base, *copy, *list = parse(updates), *next, *want, *gone, *refs;
	struct ice_apply how = { .base_location = "file:///w/1", .now_ms = NOW };
	struct err err = { 0 };
	int rc = ERR_NOMEM;

	(void)state;
	assert_int_equal(apply(first, "[" APPEND(5, 1, 1700000000500) "]", NOW, &base, &err), 0);
	copy = json_deep_copy(base);
	how.base = base;
	assert_int_equal(ice_metadata_apply(&how, list, &want, &err), 0);
	ops = env_os;
	ops.alloc = failing_alloc;
	ops.realloc = failing_realloc;
	env_install(&ops);
	for (long n = 0; rc; n++) {
		left = n;
		err = (struct err){ 0 };
		rc = ice_metadata_apply(&how, list, &next, &err);
		left = -1;
		assert_true(rc == 0 || (rc == ERR_NOMEM && err.code == ERR_NOMEM && next == NULL));
		assert_true(json_equal(base, copy));
	}
	assert_true(json_equal(next, want));
	rc = ERR_NOMEM;
	for (long n = 0; rc; n++) {
		left = n;
		rc = ice_metadata_expired_files(base, "file:///w/1", next, &gone, &err);
		left = -1;
	}
	assert_int_equal(json_array_size(gone), 1);
	json_decref(gone);
	refs = NULL;
	for (long n = 0; !refs; n++) {
		left = n;
		refs = ice_metadata_refs_only(base);
		left = -1;
	}
	assert_true(json_equal(refs, base));
	env_install(NULL);
	json_decref(refs);
	json_decref(next);
	json_decref(want);
	json_decref(copy);
	json_decref(base);
	json_decref(first);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_requests), cmocka_unit_test(test_decimal_names), cmocka_unit_test(test_refused_specs),  cmocka_unit_test(test_depth_and_count), cmocka_unit_test(test_unnumbered_fields),
		cmocka_unit_test(test_base_stays),       cmocka_unit_test(test_metadata_log),   cmocka_unit_test(test_found_metadata),  cmocka_unit_test(test_requirements),
		cmocka_unit_test(test_allocations),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
