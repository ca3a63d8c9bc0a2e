/* tests/unit/pipeline/test_table_schema.c — a source table's shape as lake tables: made, compared, extended, narrowed to what the lake has. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/env_fault.h"
#include "lake/changelog.h"
#include "lake/publish.h"
#include "pipeline/table_schema.h"
#include "support/lake_fixture.h"

enum { INT4 = 23, INT8 = 20, TEXT = 25, FLOAT8 = 701 };

static struct lake_fixture f;
static struct err err;

static int setup(void **state)
{
	(void)state;
	lake_fixture_init(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lake_fixture_free(&f);
	return 0;
}

static const struct fixture_column base[] = { { "id", INT8, true }, { "name", TEXT, false }, { "n", INT4, false } };
#define BASE fixture_relation("t", base, 3)
#define RELATION(...)                                                                                                  \
	fixture_relation("t", (const struct fixture_column[]){ __VA_ARGS__ },                                          \
	                 sizeof((const struct fixture_column[]){ __VA_ARGS__ }) / sizeof(struct fixture_column))

/* --- names --- */

static void test_lake_name(void **state)
{
	struct relation *rel = relation_new(1, STR_LIT("public"), STR_LIT("users"), 0);
	char name[32];

	(void)state;
	table_schema_lake_name(rel, name, sizeof name);
	assert_string_equal(name, "users");
	relation_unref(rel);
	rel = relation_new(1, STR_LIT("sales"), STR_LIT("users"), 0);
	table_schema_lake_name(rel, name, sizeof name);
	assert_string_equal(name, "sales__users");
	relation_unref(rel);
}

/* --- create --- */

static void test_create_mirror(void **state)
{
	/* a float may not be an identifier field (Iceberg specification, "Identifier Field IDs") but is required all the same */
	struct relation *rel = RELATION({ "id", INT8, true }, { "x", FLOAT8, true }, { "note", TEXT, false });
	struct lake_table *table;
	const struct lake_field *fields;
	struct catalog_table loaded;
	size_t n;

	(void)state;
	assert_int_equal(table_schema_create(&f.lake, "bank", "t", rel, false, &err), 0);
	assert_int_equal(table_schema_create(&f.lake, "bank", "t", rel, false, &err), ERR_EXISTS);
	table = fixture_table(&f, "t");
	fields = table->ops->fields(table, &n);
	assert_int_equal(n, 3);
	assert_string_equal(fields[0].name, "id");
	assert_true(fields[0].required && fields[0].identifier);
	assert_true(fields[1].required && !fields[1].identifier);
	assert_true(!fields[2].required && !fields[2].identifier);
	assert_int_equal(fields[2].type.kind, TYPE_STRING);
	assert_string_equal(table->ops->property(table, "tarn.kind"), "mirror");
	assert_string_equal(table->ops->property(table, "write.delete.mode"), "merge-on-read");
	f.lake.format->close(table);
	assert_int_equal(f.catalog->ops->table_load(f.catalog, "bank", "t", &loaded, &err), 0);
	assert_int_equal(json_get_int(loaded.metadata, "format-version", 0), 3);
	catalog_table_clear(&loaded);
	relation_unref(rel);
}

static void test_create_changelog(void **state)
{
	static const char *const names[] = {
		"_op", "_commit_lsn", "_ordinal", "_commit_ts", "_xid", "id", "name", "n"
	};
	struct relation *rel = BASE, *bad = RELATION({ "id", INT8, true }, { "_xid", INT8, false });
	struct lake_table *table;
	const struct lake_field *fields;
	struct catalog_table loaded;
	size_t n;

	(void)state;
	assert_int_equal(table_schema_create(&f.lake, "bank", "c", rel, true, &err), 0);
	table = fixture_table(&f, "c");
	fields = table->ops->fields(table, &n);
	assert_int_equal(n, 8);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(fields[i].name, names[i]);
		assert_false(fields[i].identifier);
		assert_int_equal(fields[i].required, i < 5); /* a delete has no other values */
	}
	assert_string_equal(table->ops->property(table, "tarn.kind"), "changelog");
	f.lake.format->close(table);
	assert_int_equal(f.catalog->ops->table_load(f.catalog, "bank", "c", &loaded, &err), 0);
	assert_int_equal(json_get_int(loaded.metadata, "format-version", 0), 2);
	catalog_table_clear(&loaded);
	relation_unref(rel);
	/* A column with the name of one of ours. */
	assert_int_equal(table_schema_create(&f.lake, "bank", "d", bad, true, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "\"_xid\""));
	assert_int_equal(table_schema_create(&f.lake, "bank", "d", bad, false, &err),
	                 0); /* a mirror has no such columns */
	relation_unref(bad);
}

/* --- check --- */

static void check(struct relation *a, struct relation *b, int code, const char *says)
{
	err.text[0] = 0;
	assert_int_equal(table_schema_check(a, b, "bank.t", &err), code);
	if (says && !strstr(err.text, says))
		fail_msg("\"%s\" does not say %s", err.text, says);
	if (says)
		assert_non_null(strstr(err.text, "tarn table recopy bank.t"));
	relation_unref(a);
	relation_unref(b);
}

static void test_check(void **state)
{
	static const uint16_t swapped[] = { 1, 0 };
	struct relation *renamed = fixture_relation("u", base, 3),
			*moved = relation_new(1, STR_LIT("other"), STR_LIT("t"), 0);
	struct relation *two = RELATION({ "id", INT8, true }, { "name", TEXT, true }),
			*order = RELATION({ "id", INT8, true }, { "name", TEXT, true });

	(void)state;
	check(BASE, BASE, 0, NULL);
	/* added, wherever it stands; moved */
	check(BASE,
	      RELATION({ "new", TEXT, false }, { "id", INT8, true }, { "name", TEXT, false }, { "n", INT4, false }), 0,
	      NULL);
	check(BASE, RELATION({ "n", INT4, false }, { "name", TEXT, false }, { "id", INT8, true }), 0, NULL);
	/* dropped; renamed is dropped and added */
	check(BASE, RELATION({ "id", INT8, true }, { "n", INT4, false }), ERR_UNSUPPORTED, "\"name\"");
	check(BASE, RELATION({ "id", INT8, true }, { "name2", TEXT, false }, { "n", INT4, false }), ERR_UNSUPPORTED,
	      "\"name\"");
	/* another type, a wider one too */
	check(BASE, RELATION({ "id", INT8, true }, { "name", TEXT, false }, { "n", INT8, false }), ERR_UNSUPPORTED,
	      "from int to long");
	/* the key */
	check(BASE, RELATION({ "id", INT8, false }, { "name", TEXT, false }, { "n", INT4, false }), ERR_UNSUPPORTED,
	      "primary key");
	check(BASE, RELATION({ "id", INT8, false }, { "name", TEXT, true }, { "n", INT4, false }), ERR_UNSUPPORTED,
	      "primary key");
	check(BASE, RELATION({ "id", INT8, true }, { "name", TEXT, true }, { "n", INT4, false }), ERR_UNSUPPORTED,
	      "primary key");
	assert_int_equal(relation_set_keys(order, swapped, 2), 0);
	check(two, order, ERR_UNSUPPORTED, "primary key"); /* (id, name) is not (name, id): the index knows the order */
	/* the table's own name */
	check(BASE, renamed, ERR_UNSUPPORTED, "public.t to public.u");
	check(BASE, moved, ERR_UNSUPPORTED, "other.t");
}

/* --- plan --- */

static void commit_fields(struct lake_table *table, struct lake_field *planned, size_t n)
{
	struct publish_part part = { .table = table, .change = { .add_fields = planned, .n_add_fields = n } };
	enum commit_result result;

	if (lake_publish(&f.lake, &part, 1, NULL, &result, &err))
		fail_msg("%s", err.text);
}

static void test_plan(void **state)
{
	struct relation *rel = BASE,
			*wide = RELATION({ "a", TEXT, false }, { "id", INT8, true }, { "tags", 1009, false },
	                                 { "name", TEXT, false }, { "n", INT4, false }, { "z", INT4, false });
	struct lake_field *planned = NULL;
	struct lake_table *table;
	const struct lake_field *fields;
	size_t n_planned = 0, n;

	(void)state;
	assert_int_equal(table_schema_create(&f.lake, "bank", "t", rel, false, &err), 0);
	table = fixture_table(&f, "t");
	assert_int_equal(table_schema_plan(table, rel, &planned, &n_planned, &err), 0);
	assert_int_equal(n_planned, 0);
	assert_int_equal(table_schema_plan(table, wide, &planned, &n_planned, &err), 0);
	assert_int_equal(n_planned, 3);
	/* ids go on behind the last one (3); a list's element has its own */
	assert_string_equal(planned[0].name, "a");
	assert_int_equal(planned[0].id, 4);
	assert_string_equal(planned[1].name, "tags");
	assert_int_equal(planned[1].id, 5);
	assert_true(planned[1].elem_id > 3 && planned[1].elem_id != 4 && planned[1].elem_id != 5);
	assert_string_equal(planned[2].name, "z");
	assert_true(planned[2].id > 5 && planned[2].id != planned[1].elem_id);
	for (size_t i = 0; i < 3; i++)
		assert_false(planned[i].required || planned[i].identifier); /* old rows have no value */
	/* planned again before the commit: the same, in place of the first */
	assert_int_equal(table_schema_plan(table, wide, &planned, &n_planned, &err), 0);
	assert_int_equal(n_planned, 3);
	assert_int_equal(planned[0].id, 4);
	commit_fields(table, planned, n_planned);
	fields = table->ops->fields(table, &n);
	assert_int_equal(n, 6);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(fields[3 + i].name, planned[i].name);
		assert_int_equal(fields[3 + i].id, planned[i].id);
		assert_int_equal(fields[3 + i].elem_id, planned[i].elem_id);
	}
	assert_int_equal(table_schema_plan(table, wide, &planned, &n_planned, &err), 0);
	assert_int_equal(n_planned, 0);
	lake_fields_free(planned, n_planned);
	f.lake.format->close(table);
	relation_unref(rel);
	relation_unref(wide);
}

/* --- narrow --- */

static struct lake_table *mirror, *changelog;

static void open_both(void)
{
	struct relation *rel = BASE;

	assert_int_equal(table_schema_create(&f.lake, "bank", "t", rel, false, &err), 0);
	assert_int_equal(table_schema_create(&f.lake, "bank", "c", rel, true, &err), 0);
	mirror = fixture_table(&f, "t");
	changelog = fixture_table(&f, "c");
	relation_unref(rel);
}

static void close_both(void)
{
	f.lake.format->close(mirror);
	f.lake.format->close(changelog);
}

static void narrow(struct relation *rel, const char *want)
{
	const struct lake_table *const with[][2] = { { mirror, changelog }, { mirror, NULL }, { NULL, changelog } };

	for (int i = 0; i < 3; i++) {
		struct relation *now = relation_ref(rel);
		struct wbuf text;

		if (table_schema_narrow(with[i][0], with[i][1], "bank.t", &now, &err))
			fail_msg("%s", err.text);
		wbuf_init(&text, 0);
		for (uint16_t c = 0; c < now->n_columns; c++) {
			wbuf_putf(&text, "%s%s ", now->columns[c].name, now->columns[c].key ? "*" : "");
			assert_non_null(now->columns[c].put);
			assert_int_equal(
				now->columns[c].source_type,
				rel->columns[relation_find_column(rel, str_of(now->columns[c].name))].source_type);
		}
		wbuf_putz(&text, "by");
		for (uint16_t k = 0; k < now->n_keys; k++)
			wbuf_putf(&text, " %s", now->columns[now->key_columns[k]].name);
		assert_string_equal(wbuf_cstr(&text), want);
		assert_string_equal(now->name, "t");
		assert_int_equal(now->id, rel->id);
		wbuf_free(&text);
		relation_unref(now);
	}
	relation_unref(rel);
}

static void narrow_refused(struct relation *rel, const char *says)
{
	const struct lake_table *const with[][2] = { { mirror, changelog }, { mirror, NULL }, { NULL, changelog } };

	for (int i = 0; i < 3; i++) {
		struct relation *now = rel;

		err.text[0] = 0;
		if (table_schema_narrow(with[i][0], with[i][1], "bank.t", &now, &err) != ERR_UNSUPPORTED ||
		    !strstr(err.text, says))
			fail_msg("tables %d: \"%s\"", i, err.text);
		assert_non_null(strstr(err.text, "tarn table recopy bank.t"));
		assert_ptr_equal(now, rel);
	}
	relation_unref(rel);
}

static void test_narrow(void **state)
{
	static const uint16_t order[] = { 3, 1 };
	struct relation *rel;

	(void)state;
	open_both();
	narrow(BASE, "id* name n by id");
	/* what came since is left out, wherever it stands */
	narrow(RELATION({ "a", TEXT, false }, { "id", INT8, true }, { "b", INT4, false }, { "name", TEXT, false },
	                { "n", INT4, false }, { "c", TEXT, false }),
	       "id* name n by id");
	/* the key's order stays */
	rel = RELATION({ "a", TEXT, false }, { "id", INT8, false }, { "b", INT4, false }, { "name", TEXT, false },
	               { "n", INT4, false });
	assert_int_equal(relation_set_keys(rel, order, 2), 0);
	narrow(rel, "id* name* n by name id");
	/* dropped; the key has a column that the lake lacks */
	narrow_refused(RELATION({ "id", INT8, true }, { "name", TEXT, false }), "\"n\"");
	narrow_refused(
		RELATION({ "id", INT8, true }, { "name", TEXT, false }, { "n", INT4, false }, { "a", TEXT, true }),
		"primary key");
	close_both();
}

/* A commit of both tables at once cannot leave one with the column and one without, but one alone may have been made anew. */
static void test_narrow_differs(void **state)
{
	struct relation *wide = RELATION({ "id", INT8, true }, { "name", TEXT, false }, { "n", INT4, false },
	                                 { "z", INT4, false }),
			*now = relation_ref(wide);
	struct lake_field *planned = NULL;
	size_t n = 0;

	(void)state;
	open_both();
	assert_int_equal(table_schema_plan(mirror, wide, &planned, &n, &err), 0);
	commit_fields(mirror, planned, n);
	lake_fields_free(planned, n);
	assert_int_equal(table_schema_narrow(mirror, changelog, "bank.t", &now, &err), 0);
	assert_int_equal(now->n_columns, 3);
	relation_unref(now);
	now = relation_ref(wide);
	assert_int_equal(table_schema_narrow(mirror, NULL, "bank.t", &now, &err), 0);
	assert_int_equal(now->n_columns, 4);
	relation_unref(now);
	relation_unref(wide);
	close_both();
}

static void test_allocations(void **state)
{
	struct relation *wide =
		RELATION({ "a", TEXT, false }, { "id", INT8, true }, { "name", TEXT, false }, { "n", INT4, false });
	struct lake_field *planned = NULL;
	size_t n_planned = 0;

	(void)state;
	open_both();
	for (int what = 0; what < 2; what++) {
		bool fired = true;

		for (uint64_t n = 1; fired; n++) {
			struct relation *now = relation_ref(wide);
			int rc;

			env_fault_install();
			env_fault_fail(ENV_ALLOC, n, ENOMEM);
			rc = what ? table_schema_narrow(mirror, changelog, "bank.t", &now, &err)
			          : table_schema_plan(mirror, wide, &planned, &n_planned, &err);
			fired = env_fault_fired(ENV_ALLOC);
			assert_int_equal(rc, fired ? ERR_NOMEM : 0);
			assert_int_equal(now == wide, fired || !what);
			relation_unref(now);
			env_fault_remove();
		}
	}
	assert_int_equal(n_planned, 1);
	lake_fields_free(planned, n_planned);
	relation_unref(wide);
	close_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lake_name),
		cmocka_unit_test_setup_teardown(test_create_mirror, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_changelog, setup, teardown),
		cmocka_unit_test(test_check),
		cmocka_unit_test_setup_teardown(test_plan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_narrow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_narrow_differs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allocations, setup, teardown),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
