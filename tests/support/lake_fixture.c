/* tests/support/lake_fixture.c — see lake_fixture.h. */
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
#include "pg/pg_types.h"
#include "support/lake_fixture.h"

static void must(int rc, const struct err *err)
{
	if (rc)
		fail_msg("%s: %s", err_name(rc), err->text);
}

static void open_parts(struct lake_fixture *f)
{
	struct err err = { 0 };
	char path[300];

	snprintf(path, sizeof path, "%s/warehouse", f->dir);
	must(store_open(path, &f->store, &err), &err);
	snprintf(path, sizeof path, "%s/catalog.db", f->dir);
	must(catalog_open_sqlite(path, f->store, false, &f->catalog, &err), &err);
	f->lake.catalog = f->catalog;
	f->lake.store = f->store;
}

void lake_fixture_init(struct lake_fixture *f)
{
	struct err err = { 0 };

	memset(f, 0, sizeof *f);
	snprintf(f->dir, sizeof f->dir, "/tmp/tarn-lake-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->state, sizeof f->state, "%s/state", f->dir);
	f->lake = (struct lake){
		.format = &ice_format_ops,
		.state = f->state,
		.data_file_bytes = 16 << 20,
		.index_memory_bytes = 1 << 20,
		.keep = { .versions_min = 1000, .age_us_max = 0, .manifests_max = 100, .metadata_versions = 20 }
	};
	open_parts(f);
	must(f->catalog->ops->namespace_create(f->catalog, "bank", NULL, &err), &err);
}

void lake_fixture_reopen(struct lake_fixture *f)
{
	catalog_close(f->catalog);
	store_close(f->store);
	open_parts(f);
}

void lake_fixture_free(struct lake_fixture *f)
{
	catalog_close(f->catalog);
	store_close(f->store);
	duck_close(f->lake.duck);
	env_remove_tree(f->dir);
}

struct relation *fixture_relation(const char *name, const struct fixture_column *columns, uint16_t n)
{
	struct relation *rel = relation_new(16384, STR_LIT("public"), str_of(name), n);
	struct err err = { 0 };

	assert_non_null(rel);
	for (uint16_t i = 0; i < n; i++) {
		struct pg_type_info info = { .oid = columns[i].oid, .typmod = -1, .typtype = 'b' };

		assert_int_equal(relation_set_column(rel, i, str_of(columns[i].name), pg_type_map(&info), info.oid, -1,
		                                     STR_LIT("t"), columns[i].key, columns[i].key),
		                 0);
	}
	assert_int_equal(relation_seal(rel), 0);
	must(pg_types_bind(rel, &err), &err);
	return rel;
}

void fixture_create(struct lake_fixture *f, const char *table, const struct relation *rel,
                    const struct lake_field *extra, size_t n_extra)
{
	struct lake_field fields[32];
	struct lake_create how = { .fields = fields,
		                   .n_fields = n_extra + rel->n_columns,
		                   .format_version = extra ? 2 : 3 };
	struct err err = { 0 };

	assert_true(how.n_fields <= 32);
	for (size_t i = 0; i < n_extra; i++)
		fields[i] = extra[i];
	for (uint16_t i = 0; i < rel->n_columns; i++)
		fields[n_extra + i] = (struct lake_field){ .name = (char *)rel->columns[i].name,
			                                   .type = rel->columns[i].type,
			                                   .required = !extra && rel->columns[i].key,
			                                   .identifier = !extra && rel->columns[i].key };
	must(f->lake.format->create(f->catalog, f->store, "bank", table, &how, &err), &err);
}

struct lake_table *fixture_table(struct lake_fixture *f, const char *table)
{
	struct lake_table *out = NULL;
	struct err err = { 0 };

	must(f->lake.format->open(f->catalog, f->store, "bank", table, &f->lake.keep, &out, &err), &err);
	return out;
}

struct lake_field *fixture_plan(struct lake_table *table, const struct rel_column *col)
{
	struct lake_field *field = mem_zero(sizeof *field);
	struct err err = { 0 };

	field->name = mem_strdup(col->name);
	field->type = col->type;
	must(table->ops->plan_fields(table, field, 1, &err), &err);
	return field;
}

/* --- reading back --- */

struct reading {
	struct fixture_rows *out;
	size_t cap;
	struct bitmap *deleted;
	int64_t first_row_id;
	uint64_t n_rows; /* of the file, deleted ones included */
};

static int read_batch(void *arg, const struct batch *batch, uint64_t first_row, struct err *err)
{
	struct reading *r = arg;
	const struct column *row_id = &batch->columns[batch->n_columns - 1];

	(void)err;
	assert_int_equal(first_row, r->n_rows);
	r->n_rows += batch->n;
	for (uint32_t i = 0; i < batch->n; i++) {
		struct wbuf text;
		struct fixture_row *row;

		if (r->deleted && bitmap_contains(r->deleted, first_row + i))
			continue;
		assert_int_equal(vec_grow(&r->out->rows, &r->cap, r->out->n + 1, sizeof *r->out->rows), 0);
		row = &r->out->rows[r->out->n++];
		wbuf_init(&text, 0);
		for (uint16_t c = 0; c + 1 < batch->n_columns; c++) {
			if (c > 0)
				wbuf_put_u8(&text, '|');
			column_text(&batch->columns[c], i, &text);
		}
		row->text = wbuf_take(&text);
		assert_non_null(row->text);
		row->row_id = column_valid(row_id, i) ? COLUMN_AT(row_id, int64_t, i)
		              : r->first_row_id < 0   ? -1
		                                      : r->first_row_id + (int64_t)(first_row + i);
	}
	return 0;
}

static void read_data_file(struct lake_fixture *f, const struct ice_scan *scan, const struct data_file *file,
                           struct reading *r)
{
	struct parquet_field fields[40];
	struct duck *duck;
	struct err err = { 0 };
	char path[4096];

	assert_true(scan->n_fields < 40);
	for (size_t i = 0; i < scan->n_fields; i++)
		fields[i] = (struct parquet_field){ scan->fields[i].name, scan->fields[i].type, scan->fields[i].id,
			                            scan->fields[i].elem_id };
	fields[scan->n_fields] = (struct parquet_field){ "_row_id", { .kind = TYPE_INT64 }, LAKE_FIELD_ROW_ID, 0 };
	r->deleted = NULL;
	if (file->dv.path) {
		must(f->lake.format->read_vector(f->store, file->path, &file->dv, &r->deleted, &err), &err);
		assert_int_equal(bitmap_cardinality(r->deleted), file->dv.cardinality);
	}
	r->first_row_id = file->first_row_id;
	r->n_rows = 0;
	must(lake_duck(&f->lake, &duck, &err), &err);
	must(f->store->ops->local_path(f->store, store_key(f->store, file->path), path, sizeof path, &err), &err);
	must(parquet_read(duck, path, fields, (uint16_t)(scan->n_fields + 1), read_batch, r, &err), &err);
	assert_int_equal(r->n_rows, file->record_count);
	bitmap_free(r->deleted);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct fixture_row *)a)->text, ((const struct fixture_row *)b)->text);
}

void fixture_read(struct lake_fixture *f, const char *table, struct fixture_rows *out)
{
	struct catalog_table loaded = { 0 };
	struct reading r = { .out = out };
	struct ice_scan *scan;
	struct err err = { 0 };

	*out = (struct fixture_rows){ 0 };
	must(f->catalog->ops->table_load(f->catalog, "bank", table, &loaded, &err), &err);
	must(ice_scan_open(f->store, loaded.metadata, -1, &scan, &err), &err);
	assert_int_equal(scan->n_position_delete_files + scan->n_equality_delete_files, 0);
	out->snapshot_id = scan->snapshot_id;
	out->n_files = scan->n_files;
	for (size_t i = 0; i < scan->n_files; i++)
		read_data_file(f, scan, scan->files[i], &r);
	ice_scan_free(scan);
	catalog_table_clear(&loaded);
	if (out->n > 0)
		qsort(out->rows, out->n, sizeof *out->rows, by_text);
}

void fixture_rows_free(struct fixture_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		mem_free(rows->rows[i].text);
	mem_free(rows->rows);
	*rows = (struct fixture_rows){ 0 };
}

char *fixture_text(struct lake_fixture *f, const char *table)
{
	struct fixture_rows rows;
	struct wbuf text;
	char *out;

	fixture_read(f, table, &rows);
	wbuf_init(&text, 0);
	for (size_t i = 0; i < rows.n; i++)
		wbuf_putf(&text, "%s%s", i ? "\n" : "", rows.rows[i].text);
	out = strdup(wbuf_cstr(&text));
	wbuf_free(&text);
	fixture_rows_free(&rows);
	return out;
}

static int put_name(void *arg, const struct store_object *object)
{
	wbuf_putf(arg, "%s\n", object->key);
	return 0;
}

char *fixture_files(struct lake_fixture *f)
{
	struct err err = { 0 };
	struct wbuf text;
	char *out;

	wbuf_init(&text, 0);
	must(store_list(f->store, "bank", put_name, &text, &err), &err);
	out = strdup(wbuf_cstr(&text));
	wbuf_free(&text);
	return out;
}
