/* tests/unit/lake/test_mirror_merge.c — a mirror under random changes with merges beside them, against a plain array: rows, nulls, an added column, row ids; what makes a merge useless. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/env.h"
#include "base/mem.h"
#include "iceberg/ice_table.h"
#include "lake/bitmap.h"
#include "lake/merge.h"
#include "lake/mirror.h"
#include "lake/publish.h"
#include "support/fake_catalog.h"

enum { KEYS = 400 };

/* What must be there. more is null until the column was added and the row written again. */
struct row { bool live, has_n, has_more; int64_t n, more, row_id; };

static char dir[200], state_dir[300];
static struct store *store;
static struct fake_catalog catalog;
static struct lake lake;
static struct lake_table *table;
static struct mirror *mirror;
static struct relation *narrow, *wide, *rel;
static struct row want[KEYS];
static unsigned seed;
static struct err err;

static int put(const struct rel_column *col, const struct datum *datum, struct batch *batch, struct column *out, uint32_t row, struct err *e)
{
	(void)col, (void)batch, (void)e;
	if (datum->kind == DATUM_NULL) {
		column_set_null(out, row);
		return 0;
	}
	memcpy(&COLUMN_AT(out, int64_t, row), datum->p, 8);
	column_set_valid(out, row);
	return 0;
}

static struct relation *shape(uint16_t n)
{
	static const char *const names[] = { "id", "n", "more" };
	struct relation *r = relation_new(1, STR_LIT("public"), STR_LIT("t"), n);

	for (uint16_t i = 0; i < n; i++) {
		assert_int_equal(relation_set_column(r, i, str_of(names[i]), (struct type){ .kind = TYPE_INT64 }, 20, -1, STR_LIT("bigint"), i == 0, i == 0), 0);
		r->columns[i].put = put;
	}
	assert_int_equal(relation_seal(r), 0);
	return r;
}

static int setup(void **state)
{
	static const struct lake_field fields[] = { { .name = (char *)"id", .type = { .kind = TYPE_INT64 }, .required = true, .identifier = true }, { .name = (char *)"n", .type = { .kind = TYPE_INT64 } } };
	struct lake_create how = { .fields = fields, .n_fields = 2, .format_version = 3 };

	(void)state;
	snprintf(dir, sizeof dir, "/tmp/tarn-merge-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(state_dir, sizeof state_dir, "%s-state", dir);
	assert_int_equal(store_open(dir, &store, &err), 0);
	fake_catalog_init(&catalog, store);
	lake = (struct lake){ .catalog = &catalog.base, .store = store, .format = &ice_format_ops, .state = state_dir, .data_file_bytes = 16 << 20, .index_memory_bytes = 1 << 20,
		.keep = { .versions_min = 1000, .manifests_max = 100 } };
	assert_int_equal(lake.format->create(&catalog.base, store, "bank", "t", &how, &err), 0);
	assert_int_equal(lake.format->open(&catalog.base, store, "bank", "t", &lake.keep, &table, &err), 0);
	narrow = shape(2);
	wide = shape(3);
	rel = narrow;
	assert_int_equal(mirror_open(&lake, table, "bank.t", rel, &mirror, &err), 0);
	memset(want, 0, sizeof want);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mirror_close(mirror);
	table->ops->close(table);
	fake_catalog_free(&catalog);
	store_close(store);
	duck_close(lake.duck);
	relation_unref(narrow);
	relation_unref(wide);
	env_remove_tree(state_dir);
	return env_remove_tree(dir);
}

/* --- changing --- */

static void apply(uint8_t op, int64_t key, const int64_t *n, const int64_t *more)
{
	struct datum tuple[3] = { { (const uint8_t *)&key, 8, DATUM_BINARY }, { (const uint8_t *)n, 8, n ? DATUM_BINARY : DATUM_NULL }, { (const uint8_t *)more, 8, more ? DATUM_BINARY : DATUM_NULL } };
	struct change change = { .op = op, .rel = rel, .row = op == OP_DELETE || op == OP_TRUNCATE ? NULL : tuple, .old_key = op == OP_DELETE ? tuple : NULL };
	const struct batch *batch;
	uint32_t row;

	if (mirror_apply(mirror, &change, &batch, &row, &err))
		fail_msg("%s", err.text);
}

/* An insert, or an update of a row that is there. */
static void put_one(int64_t key)
{
	int64_t n = rand_r(&seed), more = rand_r(&seed);
	struct row *row = &want[key];
	bool has_n = rand_r(&seed) % 4, has_more = rel == wide && rand_r(&seed) % 2;

	apply(row->live ? OP_UPDATE : OP_INSERT, key, has_n ? &n : NULL, has_more ? &more : NULL);
	*row = (struct row){ .live = true, .has_n = has_n, .n = n, .has_more = has_more, .more = more, .row_id = row->live ? row->row_id : -1 };
}

static void change_one(void)
{
	int64_t key = rand_r(&seed) % KEYS;

	if (!want[key].live || rand_r(&seed) % 3) {
		put_one(key);
		return;
	}
	apply(OP_DELETE, key, NULL, NULL);
	want[key] = (struct row){ 0 };
}

static void commit(bool replace, const struct lake_field *planned)
{
	struct publish_part part = { .table = table };
	enum commit_result result;

	assert_int_equal(mirror_flush(mirror, &part.change, &err), 0);
	part.change.replace = replace;
	part.change.add_fields = planned;
	part.change.n_add_fields = planned != NULL;
	if (lake_publish(&lake, &part, 1, NULL, &result, &err))
		fail_msg("%s", err.text);
	mirror_taken(mirror);
	assert_int_equal(mirror_published(mirror, &err), 0);
}

static void publish_some(int n)
{
	while (n-- > 0)
		change_one();
	commit(false, NULL);
}

/* --- looking --- */

struct look { const struct data_file *file; struct bitmap *deleted; size_t n; bool *ids; };

static int look_at(void *arg, const struct batch *batch, uint64_t first_row, struct err *e)
{
	struct look *look = arg;

	(void)e;
	for (uint32_t i = 0; i < batch->n; i++) {
		const struct column *c = batch->columns;
		struct row *row = &want[COLUMN_AT(&c[0], int64_t, i)];
		int64_t id = column_valid(&c[3], i) ? COLUMN_AT(&c[3], int64_t, i) : look->file->first_row_id + (int64_t)(first_row + i);

		if (look->deleted && bitmap_contains(look->deleted, first_row + i))
			continue;
		look->n++;
		assert_true(row->live && column_valid(&c[1], i) == row->has_n && column_valid(&c[2], i) == row->has_more);
		assert_true((!row->has_n || COLUMN_AT(&c[1], int64_t, i) == row->n) && (!row->has_more || COLUMN_AT(&c[2], int64_t, i) == row->more));
		if (row->row_id < 0)
			row->row_id = id; /* given with this publish */
		assert_int_equal(row->row_id, id);
		assert_in_range(id, 0, 999999);
		assert_false(look->ids[id]);
		look->ids[id] = true;
	}
	return 0;
}

static void check(void)
{
	const struct type i64 = { .kind = TYPE_INT64 };
	struct parquet_field fields[] = { { "id", i64, 1, 0 }, { "n", i64, 2, 0 }, { "more", i64, 3, 0 }, { "_row_id", i64, LAKE_FIELD_ROW_ID, 0 } };
	struct look look = { .ids = mem_zero(1000000) };
	size_t n, n_live = 0;
	struct data_file *const *files = table->ops->files(table, &n);

	for (size_t i = 0; i < n; i++) {
		char path[4096];
		struct duck *duck;

		look.file = files[i];
		look.deleted = NULL;
		assert_int_equal(lake_duck(&lake, &duck, &err), 0);
		assert_int_equal(store->ops->local_path(store, store_key(store, files[i]->path), path, sizeof path, &err), 0);
		if (files[i]->dv.path)
			assert_int_equal(table->ops->read_vector(store, files[i]->path, &files[i]->dv, &look.deleted, &err), 0);
		if (parquet_read(duck, path, fields, 4, look_at, &look, &err))
			fail_msg("%s", err.text);
		bitmap_free(look.deleted);
	}
	for (size_t k = 0; k < KEYS; k++)
		n_live += want[k].live;
	assert_int_equal(look.n, n_live);
	assert_int_equal(mirror_rows(mirror), n_live);
	mem_free(look.ids);
}

static size_t n_live_files(void)
{
	size_t n;

	table->ops->files(table, &n);
	return n;
}

static void wait_for(struct merge *merge)
{
	while (!merge_done(merge))
		env_sleep_us(1000);
	if (merge_join(merge, &err))
		fail_msg("%s", err.text);
}

/* --- the tests --- */

static void test_random_changes_beside_merges(void **state)
{
	struct merge *merge = NULL;
	size_t n_merged = 0, most = 0;

	(void)state;
	seed = getenv("TARN_SEED") ? (unsigned)atoi(getenv("TARN_SEED")) : 42;
	print_message("TARN_SEED=%u\n", seed);
	for (int round = 0; round < 120; round++) {
		publish_some(1 + rand_r(&seed) % 40);
		if (round % 10 == 0 || merge)
			check();
		if (round == 60) { /* ADD COLUMN beside a merge or not */
			struct lake_field *more = mem_zero(sizeof *more);

			*more = (struct lake_field){ .name = mem_strdup("more"), .type = { .kind = TYPE_INT64 } };
			assert_int_equal(table->ops->plan_fields(table, more, 1, &err), 0);
			assert_int_equal(mirror_evolve(mirror, wide, more, 1, &err), 0);
			rel = wide;
			change_one();
			commit(false, more);
			lake_fields_free(more, 1);
		}
		if (round == 90) {
			apply(OP_TRUNCATE, 0, NULL, NULL);
			memset(want, 0, sizeof want);
			commit(false, NULL);
		}
		if (!merge) {
			assert_int_equal(mirror_merge_start(mirror, &merge, &err), 0);
		} else if (round % 3 == 0) { /* some publishes later */
			bool taken;

			wait_for(merge);
			assert_int_equal(mirror_merge_take(mirror, merge, &taken, &err), 0);
			if (taken) {
				commit(true, NULL);
				check();
				n_merged++;
			}
			merge_free(merge);
			merge = NULL;
		}
		most = n_live_files() > most ? n_live_files() : most;
	}
	merge_free(merge);
	assert_true(n_merged >= 8);
	assert_true(most < 20);
	/* as another process would see it */
	mirror_close(mirror);
	assert_int_equal(mirror_open(&lake, table, "bank.t", rel, &mirror, &err), 0);
	publish_some(100);
	check();
}

static struct merge *start_after_eight(void)
{
	struct merge *merge;

	for (int i = 0; i < 8; i++)
		publish_some(20);
	assert_int_equal(mirror_merge_start(mirror, &merge, &err), 0);
	assert_non_null(merge);
	wait_for(merge);
	return merge;
}

static void test_pending_changes_wait(void **state)
{
	struct merge *merge = start_after_eight();
	int64_t key = 0;
	bool taken;

	(void)state;
	while (want[key].live)
		key++;
	put_one(key); /* a new row: it makes the second file, and empties none of those that are merged */
	assert_int_equal(mirror_merge_take(mirror, merge, &taken, &err), 0);
	assert_false(taken);
	commit(false, NULL);
	assert_int_equal(mirror_merge_take(mirror, merge, &taken, &err), 0);
	assert_true(taken);
	commit(true, NULL);
	merge_free(merge);
	check();
	assert_int_equal(n_live_files(), 2);
}

static size_t n_stored;
static int count_one(void *arg, const struct store_object *object) { (void)arg; n_stored += strstr(object->key, ".parquet") != NULL; return 0; }

static void test_truncated_meanwhile(void **state)
{
	struct merge *merge = start_after_eight();
	size_t before;
	bool taken;

	(void)state;
	apply(OP_TRUNCATE, 0, NULL, NULL);
	memset(want, 0, sizeof want);
	commit(false, NULL);
	assert_int_equal(mirror_merge_take(mirror, merge, &taken, &err), 0);
	assert_false(taken);
	n_stored = 0;
	assert_int_equal(store_list(store, "", count_one, NULL, &err), 0);
	before = n_stored;
	merge_free(merge); /* the file goes with it */
	n_stored = 0;
	assert_int_equal(store_list(store, "", count_one, NULL, &err), 0);
	assert_int_equal(n_stored, before - 1);
	publish_some(30);
	check();
}

static void test_everything_deleted_meanwhile(void **state)
{
	struct merge *merge = start_after_eight();
	bool taken;

	(void)state;
	for (int64_t k = 0; k < KEYS; k++)
		if (want[k].live) {
			apply(OP_DELETE, k, NULL, NULL);
			want[k] = (struct row){ 0 };
			break;
		}
	commit(false, NULL);
	check();
	for (int64_t k = 0; k < KEYS; k++)
		if (want[k].live)
			apply(OP_DELETE, k, NULL, NULL);
	memset(want, 0, sizeof want);
	commit(false, NULL);
	assert_int_equal(mirror_merge_take(mirror, merge, &taken, &err), 0);
	assert_false(taken);
	merge_free(merge);
	check();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_changes_beside_merges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pending_changes_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncated_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_everything_deleted_meanwhile, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
