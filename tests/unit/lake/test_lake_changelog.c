/* tests/unit/lake/test_lake_changelog.c — every change as a row: what each operation writes, values that were not sent, new columns, rotation, failing allocations. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "base/env_fault.h"
#include "base/json.h"
#include "lake/changelog.h"
#include "lake/publish.h"
#include "support/lake_fixture.h"

static const struct fixture_column columns[] = { { "id", 20, true }, { "v", 25, false }, { "n", 23, false } };
static const struct fixture_column wider[] = {
	{ "x", 25, false }, { "id", 20, true }, { "v", 25, false }, { "n", 23, false }
};

static struct lake_fixture f;
static struct relation *rel, *wide;
static struct lake_table *table;
static struct changelog *changes;
static struct err err;

/* 2021-03-04T05:06:07.000008Z, by Python's datetime */
static const struct tx_head head = { .commit_lsn = 0x1600000100,
	                             .end_lsn = 0x1600000130,
	                             .commit_ts_us = INT64_C(1614834367000008),
	                             .xid = 4000000000 };
#define AT "94489280768|"
#define TX "|2021-03-04T05:06:07.000008Z|4000000000|"

static void must(int rc)
{
	if (rc)
		fail_msg("%s: %s", err_name(rc), err.text);
}

static int setup(void **state)
{
	(void)state;
	lake_fixture_init(&f);
	rel = fixture_relation("t", columns, 3);
	wide = fixture_relation("t", wider, 4);
	fixture_create(&f, "c", rel, changelog_fields(), CHANGELOG_FIELDS);
	table = fixture_table(&f, "c");
	must(changelog_open(&f.lake, table, "bank.c", rel, &changes, &err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	changelog_close(changes);
	changes = NULL;
	f.lake.format->close(table);
	relation_unref(rel);
	relation_unref(wide);
	lake_fixture_free(&f);
	return 0;
}

static int append(uint8_t op, uint64_t ordinal, const struct datum *old_key, const struct datum *row)
{
	struct change change = { .op = op, .ordinal = ordinal, .rel = rel, .old_key = old_key, .row = row };

	return changelog_append(changes, &head, &change, NULL, 0, &err);
}

static void publish(const struct lake_field *added)
{
	struct publish_part part = { .table = table, .change = { .add_fields = added, .n_add_fields = added != NULL } };
	enum commit_result result;

	must(changelog_flush(changes, &part.change, &err));
	must(lake_publish(&f.lake, &part, 1, NULL, &result, &err));
	changelog_taken(changes);
	assert_false(changelog_dirty(changes));
	assert_int_equal(changelog_bytes(changes), 0);
}

static void check(const char *want)
{
	char *text = fixture_text(&f, "c");

	assert_string_equal(text, want);
	free(text);
}

static void test_operations(void **state)
{
	struct datum row[3] = { datum_text("7"), datum_text("seven"), datum_text(NULL) },
		     old[3] = { datum_text("6"), datum_text("not shown"), datum_text("1") };

	(void)state;
	assert_false(changelog_dirty(changes));
	must(append(OP_INSERT, 0, NULL, row));
	assert_true(changelog_dirty(changes));
	assert_true(changelog_bytes(changes) > 0);
	must(append(OP_UPDATE, 1, NULL, row));
	must(append(OP_UPDATE, 2, old, row));  /* the key changed: two rows, one ordinal */
	must(append(OP_DELETE, 3, old, NULL)); /* the key only, whatever was sent (REPLICA IDENTITY FULL sends all) */
	must(append(OP_TRUNCATE, 4, NULL, NULL));
	check(""); /* nothing is seen before the commit */
	publish(NULL);
	check("D|" AT "2" TX "6|null|null\n"
	      "D|" AT "3" TX "6|null|null\n"
	      "I|" AT "0" TX "7|seven|null\n"
	      "I|" AT "2" TX "7|seven|null\n"
	      "T|" AT "4" TX "null|null|null\n"
	      "U|" AT "1" TX "7|seven|null");
	assert_int_equal(append('X', 0, NULL, row), ERR_BUG);
}

/* A value that was not sent comes from the row that the mirror made of the change; without one it is refused. */
static void test_unchanged(void **state)
{
	struct type types[3] = { rel->columns[0].type, rel->columns[1].type, rel->columns[2].type };
	struct datum row[3] = { datum_text("7"), datum_unchanged(), datum_text("3") };
	struct change change = { .op = OP_UPDATE, .ordinal = 5, .rel = rel, .row = row };
	struct batch *batch = batch_new(types, 3, 4);

	(void)state;
	assert_int_equal(column_set_bytes(batch, &batch->columns[1], 2, STR_LIT("kept")), 0);
	batch->n = 3;
	must(changelog_append(changes, &head, &change, batch, 2, &err));
	column_set_null(&batch->columns[1], 2);
	change.ordinal = 6;
	must(changelog_append(changes, &head, &change, batch, 2, &err));
	publish(NULL);
	check("U|" AT "5" TX "7|kept|3\nU|" AT "6" TX "7|null|3");
	batch_free(batch);
	assert_int_equal(append(OP_UPDATE, 7, NULL, row), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "\"v\""));
	assert_non_null(strstr(err.text, "public.t"));
}

static void test_value_refused(void **state)
{
	struct datum row[3] = { datum_text("7"), datum_text("x"), datum_text("99999999999") };

	(void)state;
	assert_int_equal(append(OP_INSERT, 0, NULL, row), ERR_VALUE);
	assert_non_null(strstr(err.text, "n"));
}

static void test_evolve(void **state)
{
	struct datum row[4] = { datum_text("7"), datum_text("old"), datum_text("1") };
	struct lake_field *planned = fixture_plan(table, &wide->columns[0]);

	(void)state;
	must(append(OP_INSERT, 0, NULL, row));
	assert_int_equal(changelog_evolve(changes, wide, NULL, 0, &err), ERR_IDENTITY); /* nobody planned it */
	assert_non_null(strstr(err.text, "\"x\""));
	must(changelog_evolve(changes, wide, planned, 1, &err));
	rel = (relation_unref(rel), relation_ref(wide));
	row[0] = datum_text("new");
	row[1] = datum_text("8");
	row[2] = datum_text("v");
	row[3] = datum_text(NULL);
	must(append(OP_INSERT, 1, NULL, row));
	publish(planned);
	lake_fields_free(planned, 1);
	check("I|" AT "0" TX "7|old|1|null\nI|" AT "1" TX "8|v|null|new");
	must(append(OP_UPDATE, 2, NULL, row)); /* the field is the table's own now */
	publish(NULL);
	check("I|" AT "0" TX "7|old|1|null\nI|" AT "1" TX "8|v|null|new\nU|" AT "2" TX "8|v|null|new");
}

static void test_rotation(void **state)
{
	struct fixture_rows rows;
	char id[24];

	(void)state;
	f.lake.data_file_bytes = 1200; /* four times that a file; the arena counts with its first block */
	for (int i = 0; i < 100; i++) {
		struct datum row[3];

		snprintf(id, sizeof id, "%d", 100 + i);
		row[0] = datum_text(id);
		row[1] = datum_text("some text that takes place");
		row[2] = datum_text("1");
		must(append(OP_INSERT, (uint64_t)i, NULL, row));
	}
	publish(NULL);
	fixture_read(&f, "c", &rows);
	assert_int_equal(rows.n, 100);
	assert_true(rows.n_files > 3 && rows.n_files < 50);
	for (size_t i = 0; i < rows.n; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(rows.rows[i].text, rows.rows[j].text);
	fixture_rows_free(&rows);
}

/* What was finished and not published goes with the writer. */
static void test_close(void **state)
{
	struct datum row[3] = { datum_text("7"), datum_text("x"), datum_text("1") };
	struct lake_change change = { 0 };
	char *before = fixture_files(&f), *after;

	(void)state;
	must(append(OP_INSERT, 0, NULL, row));
	must(changelog_flush(changes, &change, &err));
	assert_int_equal(change.n_added, 1);
	assert_int_equal(change.added[0]->record_count, 1);
	must(append(OP_INSERT, 1, NULL, row));
	assert_true(changelog_dirty(changes));
	changelog_close(changes);
	after = fixture_files(&f);
	assert_string_equal(before, after);
	free(before);
	free(after);
	must(changelog_open(&f.lake, table, "bank.c", rel, &changes, &err));
}

static void test_shape_refused(void **state)
{
	static const struct fixture_column other[] = { { "id", 20, true }, { "v", 20, false } };
	struct relation *bad = fixture_relation("t", other, 2);
	struct changelog *c = NULL;

	(void)state;
	assert_int_equal(changelog_open(&f.lake, table, "bank.c", bad, &c, &err), ERR_IDENTITY);
	assert_null(c);
	assert_non_null(strstr(err.text, "\"v\""));
	relation_unref(bad);
}

static void test_allocations(void **state)
{
	struct datum row[3] = { datum_text("7"), datum_text("x"), datum_text("1") };
	bool fired = true;
	char *before = fixture_files(&f), *after;

	(void)state;
	for (uint64_t n = 1; fired; n++) {
		struct lake_change change = { 0 };
		struct changelog *c = NULL;
		int rc;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		rc = changelog_open(&f.lake, table, "bank.c", rel, &c, &err);
		for (uint64_t i = 0; !rc && i < 3; i++) {
			struct change one = { .op = OP_INSERT, .ordinal = i, .rel = rel, .row = row };

			rc = changelog_append(c, &head, &one, NULL, 0, &err);
			if (!rc && i == 1)
				rc = changelog_evolve(c, rel, NULL, 0, &err); /* a second file */
		}
		if (!rc)
			rc = changelog_flush(c, &change, &err);
		fired = env_fault_fired(ENV_ALLOC);
		if (rc && (!fired || rc != ERR_NOMEM)) /* the store lives with some: it then syncs all */
			fail_msg("allocation %llu: %s", (unsigned long long)n, err.text);
		if (!rc)
			assert_int_equal(change.n_added, 2);
		changelog_close(c);
		env_fault_remove();
		after = fixture_files(&f);
		assert_string_equal(before, after);
		free(after);
	}
	free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_operations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unchanged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_value_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_evolve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shape_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allocations, setup, teardown),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
