/* tests/unit/lake/test_lake_publish.c — one commit of several tables: all or none, its three results, and each call to the world failing once. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "base/env.h"
#include "base/env_fault.h"
#include "lake/changelog.h"
#include "lake/mirror.h"
#include "lake/publish.h"
#include "support/lake_fixture.h"

static const struct fixture_column columns[] = { { "id", 20, true }, { "v", 25, false } };
static const char *const names[] = { "a", "b", "c" }; /* two mirrors and a's changelog */

static struct lake_fixture f;
static struct relation *rel;
static struct lake_table *tables[3];
static struct mirror *mirrors[2];
static struct changelog *changes;
static struct err err;
static char *texts[3], *files; /* what is committed */

static void must(int rc)
{
	if (rc)
		fail_msg("%s: %s", err_name(rc), err.text);
}

static int open_all(void)
{
	int rc = 0;

	for (int i = 0; !rc && i < 3; i++)
		rc = f.lake.format->open(f.catalog, f.store, "bank", names[i], &f.lake.keep, &tables[i], &err);
	for (int i = 0; !rc && i < 2; i++)
		rc = mirror_open(&f.lake, tables[i], names[i], rel, &mirrors[i], &err);
	return rc ? rc : changelog_open(&f.lake, tables[2], "c", rel, &changes, &err);
}

static void close_all(void)
{
	changelog_close(changes);
	changes = NULL;
	for (int i = 0; i < 2; i++) {
		mirror_close(mirrors[i]);
		mirrors[i] = NULL;
	}
	for (int i = 0; i < 3; i++) {
		if (tables[i])
			f.lake.format->close(tables[i]);
		tables[i] = NULL;
	}
}

static void reopen_all(void)
{
	close_all();
	lake_fixture_reopen(&f);
	must(open_all());
}

static int change(uint8_t op, const char *id, const char *v)
{
	struct datum tuple[2] = { datum_text(id), datum_text(v) };
	struct change c = { .op = op,
		            .rel = rel,
		            .row = op == OP_DELETE || op == OP_TRUNCATE ? NULL : tuple,
		            .old_key = op == OP_DELETE ? tuple : NULL };
	struct tx_head head = { .commit_lsn = 1, .xid = 2 };
	int rc = 0;

	for (int i = 0; !rc && i < 2; i++) {
		const struct batch *batch;
		uint32_t row;

		rc = mirror_apply(mirrors[i], &c, &batch, &row, &err);
		if (!rc && i == 0)
			rc = changelog_append(changes, &head, &c, batch, row, &err);
	}
	return rc;
}

/* Three tables; the position is lsn. *result as lake_publish says; NOT_DONE when it was not reached. */
static int publish(uint64_t lsn, enum commit_result *result)
{
	struct publish_part parts[3] = { { .table = tables[0] }, { .table = tables[1] }, { .table = tables[2] } };
	struct catalog_position position = { .pipeline = "bank",
		                             .lsn = lsn,
		                             .system_id = 7,
		                             .timeline = 1,
		                             .writer_epoch = 1 };
	char text[32];
	struct lake_kv kv = { LAKE_KEY_LSN, text };
	int rc = 0;

	snprintf(text, sizeof text, "%llu", (unsigned long long)lsn);
	*result = COMMIT_NOT_DONE;
	for (int i = 0; i < 3; i++) {
		parts[i].change.properties = &kv;
		parts[i].change.n_properties = 1;
	}
	for (int i = 0; !rc && i < 2; i++)
		rc = mirror_flush(mirrors[i], &parts[i].change, &err);
	if (!rc)
		rc = changelog_flush(changes, &parts[2].change, &err);
	if (rc)
		return rc;
	rc = lake_publish(&f.lake, parts, 3, &position, result, &err);
	for (int i = 0; i < 2; i++)
		if (parts[i].taken)
			mirror_taken(mirrors[i]);
	if (parts[2].taken)
		changelog_taken(changes);
	for (int i = 0; !rc && i < 2; i++)
		rc = mirror_published(mirrors[i], &err);
	return rc;
}

static uint64_t stored_lsn(void)
{
	struct catalog_position position;

	if (f.catalog->ops->position_load(f.catalog, "bank", &position, &err))
		return 0;
	return position.lsn;
}

static void remember(void)
{
	for (int i = 0; i < 3; i++) {
		free(texts[i]);
		texts[i] = fixture_text(&f, names[i]);
	}
	free(files);
	files = fixture_files(&f);
}

static void check_unchanged(void)
{
	for (int i = 0; i < 3; i++) {
		char *text = fixture_text(&f, names[i]);

		assert_string_equal(text, texts[i]);
		free(text);
	}
}

static void check_files_unchanged(void)
{
	char *found = fixture_files(&f);

	assert_string_equal(found, files);
	free(found);
}

static void check_text(int i, const char *want)
{
	char *text = fixture_text(&f, names[i]);

	assert_string_equal(text, want);
	free(text);
}

static int setup(void **state)
{
	enum commit_result result;

	(void)state;
	lake_fixture_init(&f);
	rel = fixture_relation("t", columns, 2);
	fixture_create(&f, "a", rel, NULL, 0);
	fixture_create(&f, "b", rel, NULL, 0);
	fixture_create(&f, "c", rel, changelog_fields(), CHANGELOG_FIELDS);
	must(open_all());
	must(change(OP_INSERT, "1", "one"));
	must(change(OP_INSERT, "2", "two"));
	must(change(OP_INSERT, "3", "three"));
	must(publish(10, &result));
	assert_int_equal(result, COMMIT_DONE);
	remember();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_all();
	relation_unref(rel);
	lake_fixture_free(&f);
	for (int i = 0; i < 3; i++) {
		free(texts[i]);
		texts[i] = NULL;
	}
	free(files);
	files = NULL;
	return 0;
}

/* A change of each kind: vectors, a new file, and a row that is deleted in the file it came with. */
static int change_all(void)
{
	int rc = change(OP_UPDATE, "1", "uno");

	if (!rc)
		rc = change(OP_DELETE, "2", NULL);
	if (!rc)
		rc = change(OP_INSERT, "4", "four");
	return rc ? rc : change(OP_UPDATE, "4", "vier");
}

static void check_new(void)
{
	char *text = fixture_text(&f, "c");

	check_text(0, "1|uno\n3|three\n4|vier");
	check_text(1, "1|uno\n3|three\n4|vier");
	assert_string_equal(
		text,
		"D|1|0|1970-01-01T00:00:00.000000Z|2|2|null\nI|1|0|1970-01-01T00:00:00.000000Z|2|1|one\nI|1|0|1970-01-01T00:00:00.000000Z|2|2|two\n"
		"I|1|0|1970-01-01T00:00:00.000000Z|2|3|three\nI|1|0|1970-01-01T00:00:00.000000Z|2|4|four\nU|1|0|1970-01-01T00:00:00.000000Z|2|1|uno\n"
		"U|1|0|1970-01-01T00:00:00.000000Z|2|4|vier");
	free(text);
}

static void test_all(void **state)
{
	enum commit_result result;
	struct fixture_rows rows;

	(void)state;
	check_text(0, "1|one\n2|two\n3|three");
	assert_int_equal(stored_lsn(), 10);
	assert_string_equal(tables[0]->ops->property(tables[0], LAKE_KEY_LSN), "10");
	must(change_all());
	check_unchanged(); /* nothing is seen before the commit */
	must(publish(20, &result));
	assert_int_equal(result, COMMIT_DONE);
	check_new();
	for (int i = 0; i < 3; i++) {
		fixture_read(&f, names[i], &rows); /* the writers' picture is the catalog's */
		assert_int_equal(tables[i]->ops->version(tables[i]), rows.snapshot_id);
		fixture_rows_free(&rows);
		assert_string_equal(tables[i]->ops->property(tables[i], LAKE_KEY_LSN), "20");
	}
	assert_int_equal(stored_lsn(), 20);
	reopen_all();
	check_new();
	/* Nothing but the position. */
	remember();
	must(publish(30, &result));
	assert_int_equal(result, COMMIT_DONE);
	assert_int_equal(stored_lsn(), 30);
	check_unchanged();
}

/* --- NOT_DONE --- */

/* Somebody else adds to table `name`. */
static void foreign_commit(const char *name, const char *id)
{
	struct lake_table *table = fixture_table(&f, name);
	struct publish_part part = { .table = table };
	struct datum tuple[2] = { datum_text(id), datum_text("foreign") };
	struct change c = { .op = OP_INSERT, .rel = rel, .row = tuple };
	const struct batch *batch;
	enum commit_result result;
	struct mirror *mirror;
	uint32_t row;

	must(mirror_open(&f.lake, table, name, rel, &mirror, &err));
	must(mirror_apply(mirror, &c, &batch, &row, &err));
	must(mirror_flush(mirror, &part.change, &err));
	must(lake_publish(&f.lake, &part, 1, NULL, &result, &err));
	mirror_taken(mirror);
	must(mirror_published(mirror, &err));
	mirror_close(mirror);
	f.lake.format->close(table);
}

static void test_conflict(void **state)
{
	enum commit_result result;

	(void)state;
	foreign_commit("b", "99");
	remember();
	must(change_all());
	assert_int_equal(publish(20, &result), ERR_CONFLICT);
	assert_int_equal(result, COMMIT_NOT_DONE);
	check_unchanged(); /* a is not half-way ahead */
	assert_int_equal(stored_lsn(), 10);
	check_files_unchanged(); /* what was written for it is removed: manifests, data files, vectors */
	close_all();
	check_files_unchanged();
	must(open_all());
	must(change_all());
	must(publish(20, &result));
	check_text(0, "1|uno\n3|three\n4|vier");
	check_text(1, "1|uno\n3|three\n4|vier\n99|foreign");
	assert_int_equal(stored_lsn(), 20);
}

/* prepare meets the newer version itself when the table is asked for after the commit: the same answer, also for the files. */
static void test_conflict_of_properties(void **state)
{
	struct publish_part part = { .table = tables[1] };
	struct lake_kv kv = { "somebody", "else" };
	enum commit_result result;
	struct lake_table *other = fixture_table(&f, "b");

	(void)state;
	part = (struct publish_part){ .table = other, .change = { .properties = &kv, .n_properties = 1 } };
	must(lake_publish(&f.lake, &part, 1, NULL, &result, &err)); /* no rows: no conflict */
	f.lake.format->close(other);
	must(change_all());
	must(publish(20, &result));
	assert_int_equal(result, COMMIT_DONE);
	check_new();
	reopen_all();
	assert_string_equal(tables[1]->ops->property(tables[1], "somebody"), "else");
}

static void test_fenced(void **state)
{
	struct catalog_position position = { .pipeline = "bank",
		                             .lsn = 11,
		                             .system_id = 7,
		                             .timeline = 1,
		                             .writer_epoch = 2 };
	enum commit_result result;

	(void)state;
	must(f.catalog->ops->commit(f.catalog, NULL, 0, &position, &result, &err)); /* a newer writer */
	must(change_all());
	assert_int_equal(publish(20, &result), ERR_FENCED);
	assert_int_equal(result, COMMIT_NOT_DONE);
	check_unchanged();
	check_files_unchanged();
	assert_int_equal(stored_lsn(), 11);
}

/* --- UNKNOWN --- */

static struct catalog_ops wrapped;
static const struct catalog_ops *real;
static bool happens;

static int commit_unknown(struct catalog *c, struct catalog_commit *commits, size_t n,
                          const struct catalog_position *position, enum commit_result *result, struct err *e)
{
	if (happens && real->commit(c, commits, n, position, result, e))
		return e->code;
	for (size_t i = 0; happens && i < n; i++)
		catalog_table_clear(&commits[i].result);
	*result = COMMIT_UNKNOWN;
	return err_set(e, ERR_COMMIT_UNKNOWN, "ordered by the test");
}

static void test_unknown(void **state)
{
	enum commit_result result;
	char *before, *after;

	(void)state;
	for (int i = 0; i < 2; i++) {
		happens = i == 1;
		must(change_all());
		real = f.catalog->ops;
		wrapped = *real;
		wrapped.commit = commit_unknown;
		f.catalog->ops = &wrapped;
		before = fixture_files(&f);
		assert_int_equal(publish(20, &result), ERR_COMMIT_UNKNOWN);
		f.catalog->ops = real;
		assert_int_equal(result, COMMIT_UNKNOWN);
		after = fixture_files(&f);
		assert_true(strlen(after) > strlen(before)); /* manifests at least */
		free(before);
		close_all();
		before = fixture_files(&f);
		assert_string_equal(before, after); /* nothing is deleted, by closing neither */
		free(before);
		free(after);
		lake_fixture_reopen(&f);
		must(open_all());
		assert_string_equal(tables[0]->ops->property(tables[0], LAKE_KEY_LSN),
		                    happens ? "20" : "10"); /* how the outcome is found */
		if (happens)
			check_new();
		else
			check_unchanged();
	}
}

/* --- each call to the world fails once --- */

static void torture(enum env_call call, int error, uint64_t from)
{
	bool fired = true;

	for (uint64_t n = from; fired; n += 1 + n / 200) {
		enum commit_result result = COMMIT_NOT_DONE;
		uint64_t lsn;
		int rc;

		assert_true(n < 100000);
		err = (struct err){ 0 };
		env_fault_install();
		env_fault_fail(call, n, error);
		rc = open_all();
		if (!rc)
			rc = change_all();
		if (!rc)
			rc = publish(20, &result);
		fired = env_fault_fired(call);
		if (rc && (err.code != rc || !err.text[0]))
			fail_msg("call %llu: code %s, but err is %s \"%s\"", (unsigned long long)n, err_name(rc),
			         err_name(err.code), err.text);
		close_all();
		env_fault_remove();
		lake_fixture_reopen(&f); /* as a process does that was told of a failed sync */
		lsn = stored_lsn();
		if (!rc)
			assert_int_equal(lsn, 20);
		if (lsn == 20) {
			assert_int_not_equal(result, COMMIT_NOT_DONE);
			check_new();
		} else {
			assert_int_not_equal(result, COMMIT_DONE);
			assert_int_equal(lsn, 10);
			check_unchanged();
			if (result == COMMIT_NOT_DONE && call != ENV_UNLINK && call != ENV_OPEN && call != ENV_ALLOC)
				check_files_unchanged();
			continue;
		}
		/* From the start for the next one. */
		must(teardown(NULL) || setup(NULL));
		close_all();
	}
}

static void test_calls_fail(void **state)
{
	static const struct {
		enum env_call call;
		int error;
	} calls[] = {
		{ ENV_OPEN, EMFILE }, { ENV_PREAD, EIO },  { ENV_PWRITE, ENOSPC }, { ENV_SYNC, EIO },
		{ ENV_SYNCFS, EIO },  { ENV_LINK, EIO },   { ENV_RENAME, EIO },    { ENV_MKDIR, EACCES },
		{ ENV_STAT, EIO },    { ENV_UNLINK, EIO }, { ENV_FTRUNCATE, EIO },
	};

	(void)state;
	close_all();
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		torture(calls[i].call, calls[i].error, 1);
}

/* jansson itself is not safe when memory fails (test_ice_table.c): it takes malloc. */
static void test_allocations_fail(void **state)
{
	(void)state;
	close_all();
	json_set_alloc_funcs(malloc, free);
	torture(ENV_ALLOC, ENOMEM, 1);
	json_init();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conflict, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conflict_of_properties, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fenced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_calls_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allocations_fail, setup, teardown),
	};

	json_init();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
