/* tests/support/lake_fixture.h — a lake in a temporary folder for tests: SQLite catalog, folder store, Iceberg tables that are read back as lines of text.
 *
 * Everything fails the running test by itself. Reading goes through the catalog's current metadata, ice_scan_open, the data files and their deletion vectors: nothing of a writer's memory. */
#ifndef TARN_TESTS_LAKE_FIXTURE_H
#define TARN_TESTS_LAKE_FIXTURE_H

#include "event/change.h"
#include "lake/lake.h"

struct lake_fixture {
	char dir[200], state[300];
	struct store *store;
	struct catalog *catalog;
	struct lake lake;
};

void lake_fixture_init(struct lake_fixture *f);   /* namespace "bank" is there */
void lake_fixture_reopen(struct lake_fixture *f); /* store and catalog as after a new start of the process */
void lake_fixture_free(struct lake_fixture *f);

/* PostgreSQL's type oid says the type; put functions are bound. keys: columns with key set, in column order. */
struct fixture_column {
	const char *name;
	uint32_t oid;
	bool key;
};
struct relation *fixture_relation(const char *name, const struct fixture_column *columns, uint16_t n);
/* extra: fields in front (a changelog's), may be NULL. Then the table has format version 2, else 3. */
void fixture_create(struct lake_fixture *f, const char *table, const struct relation *rel,
                    const struct lake_field *extra, size_t n_extra);
struct lake_table *fixture_table(struct lake_fixture *f, const char *table);
/* The field a table gets next: an optional column at the end; owned (lake_fields_free with n 1). */
struct lake_field *fixture_plan(struct lake_table *table, const struct rel_column *col);

static inline struct datum datum_text(const char *z)
{
	return z ? (struct datum){ (const uint8_t *)z, (uint32_t)strlen(z), DATUM_TEXT }
	         : (struct datum){ NULL, 0, DATUM_NULL };
}
static inline struct datum datum_unchanged(void) { return (struct datum){ NULL, 0, DATUM_UNCHANGED }; }

/* Live rows as "a|b|c" in the order of the table's fields, sorted; row_id as readers compute it: the column, or first_row_id + position; -1 without lineage. */
struct fixture_row {
	char *text;
	int64_t row_id;
};
struct fixture_rows {
	struct fixture_row *rows;
	size_t n;
	int64_t snapshot_id;
	size_t n_files;
};
void fixture_read(struct lake_fixture *f, const char *table, struct fixture_rows *out);
void fixture_rows_free(struct fixture_rows *rows);
/* All lines joined with '\n' (owned, free): for assert_string_equal. */
char *fixture_text(struct lake_fixture *f, const char *table);
/* All files of the warehouse, sorted, as lines; owned (free). */
char *fixture_files(struct lake_fixture *f);

#endif
