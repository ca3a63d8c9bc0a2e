/* tests/unit/lake/test_lake_mirror.c — mirror and changelog under random changes, publishes, losses and a new column, against a plain array; where unchanged values come from; refused changes.
 *
 * The seed of the random test is printed; TARN_SEED sets it, TARN_STEPS makes it longer. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/mem.h"
#include "lake/changelog.h"
#include "lake/mirror.h"
#include "lake/publish.h"
#include "support/lake_fixture.h"

enum { INT4 = 23, INT8 = 20, TEXT = 25, TEXT_LIST = 1009 };
enum { KEYS = 300, COLUMNS = 6, TEXT_MAX = 400 };

/* The table's fields are in this order; the last one comes later. In the wide relation it stands first. */
static const struct fixture_column narrow_int[] = { { "id", INT8, true },
	                                            { "name", TEXT, false },
	                                            { "n", INT4, false },
	                                            { "big", TEXT, false },
	                                            { "tags", TEXT_LIST, false } };
static const struct fixture_column narrow_two[] = { { "id", INT8, true },
	                                            { "name", TEXT, true },
	                                            { "n", INT4, false },
	                                            { "big", TEXT, false },
	                                            { "tags", TEXT_LIST, false } };
static const struct fixture_column wide_int[] = { { "extra", TEXT, false }, { "id", INT8, true },
	                                          { "name", TEXT, false },  { "n", INT4, false },
	                                          { "big", TEXT, false },   { "tags", TEXT_LIST, false } };
static const struct fixture_column wide_two[] = { { "extra", TEXT, false }, { "id", INT8, true },
	                                          { "name", TEXT, true },   { "n", INT4, false },
	                                          { "big", TEXT, false },   { "tags", TEXT_LIST, false } };
enum { C_ID, C_NAME, C_N, C_BIG, C_TAGS, C_EXTRA };

struct row {
	bool live;
	char *value[COLUMNS];
	int64_t row_id;
}; /* value NULL: null */

static struct lake_fixture f;
static struct lake_table *table, *changes_table;
static struct mirror *mirror;
static struct changelog *changes;
static struct relation *rel_narrow, *rel_wide, *rel;
static struct lake_field *planned, *planned_changes;
static bool two; /* the key is (id, name) */
static struct row now[KEYS], published[KEYS];
static char **log_now; /* the changelog's lines */
static size_t n_log, cap_log, n_log_published;
static int64_t row_ids_used;
static uint64_t tx;
static unsigned seed;
static struct err err;

static unsigned pick(unsigned n) { return (unsigned)rand_r(&seed) % n; }

static void must(int rc)
{
	if (rc)
		fail_msg("%s: %s", err_name(rc), err.text);
}

/* --- set-up --- */

static void open_writers(void)
{
	table = fixture_table(&f, "t");
	changes_table = fixture_table(&f, "c");
	must(mirror_open(&f.lake, table, "bank.t", rel, &mirror, &err));
	must(changelog_open(&f.lake, changes_table, "bank.c", rel, &changes, &err));
}

static void close_writers(void)
{
	mirror_close(mirror);
	changelog_close(changes);
	f.lake.format->close(table);
	f.lake.format->close(changes_table);
	lake_fields_free(planned, 1);
	lake_fields_free(planned_changes, 1);
	planned = planned_changes = NULL;
}

static void set_up(bool two_columns)
{
	lake_fixture_init(&f);
	two = two_columns;
	rel_narrow = fixture_relation("t", two ? narrow_two : narrow_int, COLUMNS - 1);
	rel_wide = fixture_relation("t", two ? wide_two : wide_int, COLUMNS);
	rel = rel_narrow;
	fixture_create(&f, "t", rel, NULL, 0);
	fixture_create(&f, "c", rel, changelog_fields(), CHANGELOG_FIELDS);
	open_writers();
	row_ids_used = -1;
	tx = 0;
	seed = 1;
}

static void clear_row(struct row *row)
{
	for (int i = 0; i < COLUMNS; i++)
		free(row->value[i]);
	*row = (struct row){ .row_id = -1 };
}

static void copy_rows(struct row *to, const struct row *from)
{
	for (int k = 0; k < KEYS; k++) {
		clear_row(&to[k]);
		to[k].live = from[k].live;
		to[k].row_id = from[k].row_id;
		for (int i = 0; i < COLUMNS; i++)
			to[k].value[i] = from[k].value[i] ? strdup(from[k].value[i]) : NULL;
	}
}

static void tear_down(void)
{
	close_writers();
	relation_unref(rel_narrow);
	relation_unref(rel_wide);
	lake_fixture_free(&f);
	for (int k = 0; k < KEYS; k++) {
		clear_row(&now[k]);
		clear_row(&published[k]);
	}
	for (size_t i = 0; i < n_log; i++)
		free(log_now[i]);
	free(log_now);
	log_now = NULL;
	n_log = cap_log = n_log_published = 0;
}

static int setup_int(void **state)
{
	(void)state;
	set_up(false);
	return 0;
}
static int setup_two(void **state)
{
	(void)state;
	set_up(true);
	return 0;
}
static int teardown(void **state)
{
	(void)state;
	tear_down();
	return 0;
}

/* --- the model --- */

static void put_value(struct wbuf *out, int column, const char *value)
{
	if (!value)
		wbuf_putz(out, "null");
	else if (column == C_TAGS && strcmp(value, "{}") == 0)
		wbuf_putz(out, "[]");
	else if (column == C_TAGS) /* "{a,b}" as column_text writes it: "[a, b]" */
		wbuf_putf(out, "[%c, %c]", value[1], value[3]);
	else
		wbuf_putz(out, value);
}

static void put_row(struct wbuf *out, const struct row *row, int n_columns)
{
	for (int i = 0; i < n_columns; i++) {
		if (i > 0)
			wbuf_put_u8(out, '|');
		put_value(out, i, row->value[i]);
	}
}

static void keep_line(struct wbuf *line)
{
	if (n_log == cap_log) {
		cap_log = cap_log ? 2 * cap_log : 256;
		log_now = realloc(log_now, cap_log * sizeof *log_now);
		assert_non_null(log_now);
	}
	log_now[n_log++] = strdup(wbuf_cstr(line));
	wbuf_free(line);
}

/* key_only: the key's columns of row; row NULL: none. Lines get their "extra" when they are compared: all lines before the column came end with null. */
static void log_line(char op, uint64_t ordinal, const struct row *row, bool key_only)
{
	struct row shown = { 0 };
	struct wbuf line;

	wbuf_init(&line, 0);
	if (row)
		shown = *row;
	for (int i = 0; i < COLUMNS; i++)
		if (key_only && i != C_ID && !(two && i == C_NAME))
			shown.value[i] = NULL;
	/* 2020-01-01T00:00:00.000001Z and so on: one microsecond a transaction */
	wbuf_putf(&line, "%c|%llu|%llu|2020-01-01T00:00:00.%06lluZ|%llu|", op, (unsigned long long)(tx * 16),
	          (unsigned long long)ordinal, (unsigned long long)tx, (unsigned long long)(tx + 700));
	put_row(&line, &shown, rel == rel_wide ? COLUMNS : COLUMNS - 1);
	keep_line(&line);
}

/* --- applying one change to both writers and to the model --- */

static void to_tuple(const struct row *row, const bool *unchanged, struct datum *tuple)
{
	for (uint16_t i = 0; i < rel->n_columns && i < COLUMNS; i++) {
		int c = rel == rel_wide ? (i == 0 ? C_EXTRA : i - 1) : i;

		tuple[i] = unchanged && unchanged[c] ? datum_unchanged() : datum_text(row->value[c]);
	}
}

static int apply(uint8_t op, const struct row *old_key, const struct row *row, const bool *unchanged)
{
	struct datum old_tuple[COLUMNS], tuple[COLUMNS];
	struct change change = { .op = op, .ordinal = 3, .rel = rel };
	struct tx_head head = { .commit_lsn = (tx + 1) * 16,
		                .end_lsn = (tx + 1) * 16 + 8,
		                .commit_ts_us = INT64_C(1577836800000000) + (int64_t)tx + 1,
		                .xid = (uint32_t)tx + 701 };
	const struct batch *batch;
	struct wbuf got, want;
	uint32_t at;
	int rc;

	tx++;
	if (old_key) {
		to_tuple(old_key, NULL, old_tuple);
		change.old_key = old_tuple;
	}
	if (row) {
		to_tuple(row, unchanged, tuple);
		change.row = tuple;
	}
	rc = mirror_apply(mirror, &change, &batch, &at, &err);
	if (rc)
		return rc;
	if (row) { /* the changelog takes values from where the mirror says: they must be there, unchanged ones too */
		wbuf_init(&got, 0);
		wbuf_init(&want, 0);
		assert_non_null(batch);
		for (uint16_t i = 0; i < rel->n_columns; i++) {
			column_text(&batch->columns[i], at, &got);
			put_value(&want, rel == rel_wide ? (i == 0 ? C_EXTRA : i - 1) : i,
			          row->value[rel == rel_wide ? (i == 0 ? C_EXTRA : i - 1) : i]);
		}
		assert_string_equal(wbuf_cstr(&got), wbuf_cstr(&want));
		wbuf_free(&got);
		wbuf_free(&want);
	} else {
		assert_null(batch);
	}
	return changelog_append(changes, &head, &change, batch, at, &err);
}

static char *text_of(const char *fmt, ...)
{
	char buf[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	return strdup(buf);
}

static char *big_text(void)
{
	unsigned n = pick(TEXT_MAX) + 1;
	char *p = malloc(n + 1);

	for (unsigned i = 0; i < n; i++)
		p[i] = (char)('a' + pick(26));
	p[n] = 0;
	return p;
}

static void random_values(struct row *row, int k)
{
	row->value[C_ID] = text_of("%d", two ? k / 7 - 20 : k - 150);
	row->value[C_NAME] = two ? text_of("k%d", k % 7) : pick(3) ? text_of("name %u", pick(1000)) : NULL;
	row->value[C_N] = pick(4) ? text_of("%d", (int)pick(2000) - 1000) : NULL;
	row->value[C_BIG] = pick(6) ? big_text() : pick(2) ? strdup("") : NULL;
	row->value[C_TAGS] = pick(3) ? text_of("{%u,%u}", pick(10), pick(10)) : pick(2) ? strdup("{}") : NULL;
	row->value[C_EXTRA] = rel == rel_wide && pick(2) ? text_of("x%u", pick(100)) : NULL;
}

static void insert_row(int k)
{
	clear_row(&now[k]);
	now[k].live = true;
	random_values(&now[k], k);
	must(apply(OP_INSERT, NULL, &now[k], NULL));
	log_line('I', 3, &now[k], false);
}

static void delete_row(int k)
{
	must(apply(OP_DELETE, &now[k], NULL, NULL));
	log_line('D', 3, &now[k], true);
	clear_row(&now[k]);
}

/* to != k: the key changes too. */
static void update_row(int k, int to)
{
	struct row next = { .live = true, .row_id = now[k].row_id }, old = now[k];
	bool unchanged[COLUMNS] = { false };

	random_values(&next, to);
	for (int i = C_BIG; i < COLUMNS; i++)
		if (pick(2) && (i != C_EXTRA || rel == rel_wide)) {
			unchanged[i] = true;
			free(next.value[i]);
			next.value[i] = old.value[i] ? strdup(old.value[i]) : NULL;
		}
	must(apply(OP_UPDATE, to != k ? &old : NULL, &next, unchanged));
	if (to != k) {
		log_line('D', 3, &old, true);
		log_line('I', 3, &next, false);
	} else {
		log_line('U', 3, &next, false);
	}
	clear_row(&now[k]);
	now[to] = next;
}

static void truncate_all(void)
{
	must(apply(OP_TRUNCATE, NULL, NULL, NULL));
	log_line('T', 3, NULL, false);
	for (int k = 0; k < KEYS; k++)
		clear_row(&now[k]);
}

/* --- publishing and reading back --- */

static int publish(enum commit_result *result)
{
	struct publish_part parts[2] = { { .table = table }, { .table = changes_table } };
	int rc;

	must(mirror_flush(mirror, &parts[0].change, &err));
	must(changelog_flush(changes, &parts[1].change, &err));
	parts[0].change.add_fields = planned;
	parts[0].change.n_add_fields = planned != NULL;
	parts[1].change.add_fields = planned_changes;
	parts[1].change.n_add_fields = planned_changes != NULL;
	rc = lake_publish(&f.lake, parts, 2, NULL, result, &err);
	if (parts[0].taken)
		mirror_taken(mirror);
	if (parts[1].taken)
		changelog_taken(changes);
	if (rc)
		return rc;
	must(mirror_published(mirror, &err));
	lake_fields_free(planned, 1);
	lake_fields_free(planned_changes, 1);
	planned = planned_changes = NULL;
	return 0;
}

static int by_string(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool table_is_wide(struct lake_table *t)
{
	size_t n;
	const struct lake_field *fields = t->ops->fields(t, &n);

	return strcmp(fields[n - 1].name, "extra") == 0;
}

static char *join(char **lines, size_t n)
{
	struct wbuf text;
	char *out;

	qsort(lines, n, sizeof *lines, by_string);
	wbuf_init(&text, 0);
	for (size_t i = 0; i < n; i++)
		wbuf_putf(&text, "%s%s", i ? "\n" : "", lines[i]);
	out = strdup(wbuf_cstr(&text));
	wbuf_free(&text);
	return out;
}

static size_t count_bars(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '|';
	return n;
}

static void check_changelog(void)
{
	char **lines = calloc(n_log + 1, sizeof *lines), *want, *got = fixture_text(&f, "c");

	for (size_t i = 0; i < n_log; i++) {
		bool lacks = table_is_wide(changes_table) && count_bars(log_now[i]) < CHANGELOG_FIELDS + COLUMNS - 1;

		lines[i] = malloc(strlen(log_now[i]) + 6);
		sprintf(lines[i], "%s%s", log_now[i], lacks ? "|null" : "");
	}
	want = join(lines, n_log);
	assert_string_equal(got, want);
	for (size_t i = 0; i < n_log; i++)
		free(lines[i]);
	free(lines);
	free(want);
	free(got);
}

/* Rows of the table are those of the model; ids of rows that had one are the same, new ones were never used before. */
static void check_mirror(void)
{
	struct fixture_rows got;
	struct wbuf line;
	size_t n_live = 0;
	int64_t largest = row_ids_used;

	fixture_read(&f, "t", &got);
	wbuf_init(&line, 0);
	for (int k = 0; k < KEYS; k++) {
		struct fixture_row *found = NULL;

		if (!now[k].live)
			continue;
		n_live++;
		wbuf_reset(&line);
		put_row(&line, &now[k], table_is_wide(table) ? COLUMNS : COLUMNS - 1);
		for (size_t i = 0; i < got.n && !found; i++)
			if (strcmp(got.rows[i].text, wbuf_cstr(&line)) == 0)
				found = &got.rows[i];
		if (!found)
			fail_msg("no row %s", wbuf_cstr(&line));
		if (now[k].row_id >= 0) {
			assert_int_equal(found->row_id, now[k].row_id);
		} else {
			assert_true(found->row_id > row_ids_used);
			now[k].row_id = found->row_id;
		}
		if (found->row_id > largest)
			largest = found->row_id;
		for (int other = 0; other < k; other++)
			assert_false(now[other].live && now[other].row_id == found->row_id);
	}
	assert_int_equal(got.n, n_live);
	assert_int_equal(mirror_rows(mirror), n_live);
	row_ids_used = largest;
	wbuf_free(&line);
	fixture_rows_free(&got);
}

static void publish_and_check(void)
{
	enum commit_result result;

	must(publish(&result));
	assert_int_equal(result, COMMIT_DONE);
	assert_false(mirror_dirty(mirror));
	assert_false(changelog_dirty(changes));
	check_mirror();
	check_changelog();
	copy_rows(published, now);
	n_log_published = n_log;
}

/* What was not published is lost, as when the process dies. */
static void lose(void)
{
	bool wide = table_is_wide(table);

	close_writers();
	lake_fixture_reopen(&f);
	rel = wide ? rel_wide : rel_narrow;
	open_writers();
	copy_rows(now, published);
	while (n_log > n_log_published)
		free(log_now[--n_log]);
	check_mirror();
}

static void add_column(void)
{
	rel = rel_wide;
	planned = fixture_plan(table, &rel->columns[0]);
	planned_changes = fixture_plan(changes_table, &rel->columns[0]);
	must(mirror_evolve(mirror, rel, planned, 1, &err));
	must(changelog_evolve(changes, rel, planned_changes, 1, &err));
}

static void step(void)
{
	int k = (int)pick(KEYS), to = (int)pick(KEYS);

	if (!now[k].live)
		insert_row(k);
	else if (pick(4) == 0)
		delete_row(k);
	else
		update_row(k, pick(5) || now[to].live ? k : to);
}

static void test_random(void **state)
{
	const char *env = getenv("TARN_SEED"), *steps = getenv("TARN_STEPS");
	unsigned n = steps ? (unsigned)atoi(steps) : 1500;

	(void)state;
	seed = env ? (unsigned)atoi(env) : (unsigned)time(NULL);
	print_message("TARN_SEED=%u\n", seed);
	for (unsigned i = 0; i < n; i++) {
		unsigned what = pick(400);

		f.lake.data_file_bytes =
			pick(3) ? 16 << 20 : pick(4000) + 500; /* the second: several files a publish */
		if (what == 0)
			truncate_all();
		else if (what < 8)
			publish_and_check();
		else if (what == 8)
			lose();
		else if (what == 9 && i > n / 3 && rel == rel_narrow)
			add_column();
		else
			step();
	}
	publish_and_check();
	lose();
	if (rel == rel_narrow)
		add_column();
	for (unsigned i = 0; i < 100; i++)
		step();
	publish_and_check();
}

/* --- where an unchanged value is taken from --- */

static void update_unchanged(int k)
{
	struct row next = { .live = true, .row_id = now[k].row_id };
	bool unchanged[COLUMNS] = { [C_BIG] = true, [C_TAGS] = true };

	for (int i = 0; i < COLUMNS; i++)
		next.value[i] = now[k].value[i] ? strdup(now[k].value[i]) : NULL;
	free(next.value[C_N]);
	next.value[C_N] = text_of("%d", (int)pick(1000));
	must(apply(OP_UPDATE, NULL, &next, unchanged));
	log_line('U', 3, &next, false);
	clear_row(&now[k]);
	now[k] = next;
}

static void known_row(int k)
{
	struct row row = { .live = true,
		           .row_id = -1,
		           .value = { text_of("%d", k), strdup("x"), strdup("1"), text_of("big value %d", k),
		                      strdup("{1,2}") } };

	clear_row(&now[k]);
	must(apply(OP_INSERT, NULL, &row, NULL));
	log_line('I', 3, &row, false);
	now[k] = row;
}

static void test_unchanged_same_batch(void **state)
{
	(void)state;
	known_row(1);
	update_unchanged(1); /* builds the index: the first row's file is finished */
	update_unchanged(1); /* now the old row lies in the batch being filled */
	known_row(2);
	update_unchanged(2);
	publish_and_check();
}

/* BATCH_ROWS rows in one open file: the batch with the old row has gone to the encoder, or is about to go. */
static void test_unchanged_flushed(void **state)
{
	struct datum tuple[COLUMNS];
	char id[24];
	struct row row = { .value = { id, (char *)"y", NULL, (char *)"other", NULL } };
	struct change change = { .op = OP_INSERT, .rel = rel, .row = tuple };
	struct fixture_rows got;
	const struct batch *batch;
	enum commit_result result;
	uint32_t at;

	(void)state;
	for (int boundary = 0; boundary < 2; boundary++) {
		size_t n_before = (size_t)boundary * (2 * BATCH_ROWS + 1);

		known_row(5 + boundary);
		update_unchanged(5 + boundary); /* the index is there: from here on rows stay in the open file */
		/* boundary 0: the batch is full and goes when the next row comes; 1: it went */
		for (int i = 0; i < BATCH_ROWS - 1 + boundary * 10; i++) {
			snprintf(id, sizeof id, "%d", 100000 + 100000 * boundary + i);
			to_tuple(&row, NULL, tuple);
			must(mirror_apply(mirror, &change, &batch, &at, &err));
		}
		update_unchanged(5 + boundary);
		update_unchanged(5 + boundary);
		(void)n_before;
	}
	must(publish(&result));
	fixture_read(&f, "t", &got);
	assert_int_equal(got.n, 2 * BATCH_ROWS + 8 + 2);
	for (int boundary = 0; boundary < 2; boundary++) {
		struct wbuf want;
		size_t n = 0;

		wbuf_init(&want, 0);
		put_row(&want, &now[5 + boundary], COLUMNS - 1);
		for (size_t i = 0; i < got.n; i++)
			n += strcmp(got.rows[i].text, wbuf_cstr(&want)) == 0;
		assert_int_equal(n, 1);
		wbuf_free(&want);
	}
	fixture_rows_free(&got);
}

static void test_unchanged_finished(void **state)
{
	(void)state;
	known_row(1);
	known_row(2);
	update_unchanged(1);                             /* finished by the building of the index */
	must(mirror_evolve(mirror, rel, NULL, 0, &err)); /* finished by a new shape */
	update_unchanged(1);
	update_unchanged(2);
	f.lake.data_file_bytes = 1; /* finished because it is large enough: each row its own file */
	update_unchanged(1);
	update_unchanged(2);
	update_unchanged(1);
	publish_and_check();
}

static void test_unchanged_committed(void **state)
{
	(void)state;
	known_row(1);
	known_row(2);
	publish_and_check();
	update_unchanged(1);
	publish_and_check();
	lose();
	update_unchanged(1);
	update_unchanged(2);
	publish_and_check();
}

/* A value of a column that the old row's file has not: null, as readers see it. */
static void test_unchanged_older_than_column(void **state)
{
	bool unchanged[COLUMNS] = { [C_EXTRA] = true, [C_BIG] = true };
	struct row next;

	(void)state;
	known_row(1);
	publish_and_check();
	add_column();
	next = (struct row){ .live = true,
		             .row_id = now[1].row_id,
		             .value = { strdup("1"), strdup("z"), strdup("2"), strdup("big value 1"), NULL, NULL } };
	must(apply(OP_UPDATE, NULL, &next, unchanged));
	log_line('U', 3, &next, false);
	clear_row(&now[1]);
	now[1] = next;
	publish_and_check();
}

/* --- a column comes --- */

static void test_column_only(void **state)
{
	struct publish_part part;
	size_t n;
	int64_t version;
	enum commit_result result;

	(void)state;
	known_row(1);
	publish_and_check();
	version = table->ops->version(table);
	add_column(); /* without a change of rows: the schema alone is committed */
	part = (struct publish_part){ .table = table, .change = { .add_fields = planned, .n_add_fields = 1 } };
	must(lake_publish(&f.lake, &part, 1, NULL, &result, &err));
	assert_int_equal(table->ops->version(table), version);
	assert_string_equal(table->ops->fields(table, &n)[COLUMNS - 1].name, "extra");
	lake_fields_free(planned, 1);
	planned = NULL;
	known_row(2);
	free(now[2].value[C_EXTRA]);
	publish_and_check();
}

static void test_shape_refused(void **state)
{
	static const struct fixture_column other[] = { { "id", INT4, true }, { "name", TEXT, false } },
					   lacking[] = { { "id", INT8, true }, { "nix", TEXT, false } },
					   keyless[] = { { "id", INT8, false } };
	struct relation *bad = fixture_relation("t", other, 2);
	struct mirror *m = NULL;

	(void)state;
	assert_int_equal(mirror_open(&f.lake, table, "bank.t", bad, &m, &err), ERR_IDENTITY);
	assert_non_null(strstr(err.text, "\"id\""));
	assert_non_null(strstr(err.text, "long"));
	assert_int_equal(mirror_evolve(mirror, bad, NULL, 0, &err), ERR_IDENTITY);
	relation_unref(bad);
	bad = fixture_relation("t", lacking, 2);
	assert_int_equal(mirror_open(&f.lake, table, "bank.t", bad, &m, &err), ERR_IDENTITY);
	assert_non_null(strstr(err.text, "\"nix\""));
	relation_unref(bad);
	bad = fixture_relation("t", keyless, 1);
	assert_int_equal(mirror_open(&f.lake, table, "bank.t", bad, &m, &err), ERR_UNSUPPORTED);
	relation_unref(bad);
	assert_null(m);
}

/* --- refused changes --- */

static void refused(uint8_t op, const struct row *old_key, const struct row *row, int code)
{
	assert_int_equal(apply(op, old_key, row, NULL), code);
	lose(); /* what follows any error */
}

static void test_missing_key(void **state)
{
	struct row absent = { .value = { (char *)"77", (char *)"x" } };

	(void)state;
	known_row(1);
	known_row(2);
	publish_and_check();
	refused(OP_DELETE, &absent, NULL, ERR_IDENTITY);
	assert_non_null(strstr(err.text, "id=77"));
	assert_non_null(strstr(err.text, "tarn table recopy bank.t"));
	refused(OP_UPDATE, NULL, &absent, ERR_IDENTITY);
	refused(OP_UPDATE, &absent, &now[1], ERR_IDENTITY);
	delete_row(1);
	publish_and_check();
	absent.value[C_ID] = (char *)"1";
	refused(OP_DELETE, &absent, NULL, ERR_IDENTITY); /* deleted and published: the vector says so */
	update_row(2, 3);
	absent.value[C_ID] = (char *)"2";
	refused(OP_UPDATE, NULL, &absent, ERR_IDENTITY); /* moved away, not published */
	truncate_all();
	refused(OP_UPDATE, NULL, &absent, ERR_IDENTITY);
	delete_row(2); /* all of that was lost */
	publish_and_check();
}

static void test_protocol(void **state)
{
	struct datum tuple[COLUMNS];
	struct change change = { .op = OP_INSERT, .rel = rel, .row = tuple };
	const struct batch *batch;
	struct row row = { .value = { (char *)"1" } };
	bool unchanged[COLUMNS] = { [C_BIG] = true };
	uint32_t at;

	(void)state;
	to_tuple(&row, unchanged, tuple);
	assert_int_equal(mirror_apply(mirror, &change, &batch, &at, &err), ERR_PROTOCOL);
	to_tuple(&row, NULL, tuple);
	tuple[0] = datum_text(NULL);
	change = (struct change){ .op = OP_DELETE, .rel = rel, .old_key = tuple };
	assert_int_equal(mirror_apply(mirror, &change, &batch, &at, &err), ERR_PROTOCOL);
	change = (struct change){ .op = 'X', .rel = rel };
	assert_int_equal(mirror_apply(mirror, &change, &batch, &at, &err), ERR_BUG);
	to_tuple(&row, NULL, tuple);
	tuple[C_N] = datum_text("9999999999"); /* above int */
	change = (struct change){ .op = OP_INSERT, .rel = rel, .row = tuple };
	assert_int_equal(mirror_apply(mirror, &change, &batch, &at, &err), ERR_VALUE);
}

/* --- a file without live rows goes; a truncated table begins anew --- */

static void test_files_go(void **state)
{
	struct fixture_rows got;

	(void)state;
	known_row(1);
	known_row(2);
	publish_and_check();
	delete_row(1);
	publish_and_check();
	fixture_read(&f, "t", &got);
	assert_int_equal(got.n_files, 1);
	fixture_rows_free(&got);
	delete_row(2);
	publish_and_check();
	fixture_read(&f, "t", &got);
	assert_int_equal(got.n_files, 0);
	fixture_rows_free(&got);
	known_row(3); /* comes and goes within one publish, with its file */
	f.lake.data_file_bytes = 1;
	known_row(4);
	known_row(5);
	delete_row(3);
	truncate_all();
	known_row(6);
	publish_and_check();
	fixture_read(&f, "t", &got);
	assert_int_equal(got.n_files, 1);
	fixture_rows_free(&got);
	lose();
	truncate_all();
	publish_and_check();
	known_row(6);
	update_unchanged(6);
	publish_and_check();
}

static void test_copy(void **state)
{
	struct batch *batch;
	enum commit_result result;
	struct fixture_rows got;
	uint32_t rows = 0;

	(void)state;
	while (rows < BATCH_ROWS + 100) {
		uint32_t n;

		must(mirror_copy_batch(mirror, &batch, &err));
		assert_true(batch->n < batch->cap);
		for (n = 0; n < 700 && batch->n < batch->cap && rows < BATCH_ROWS + 100; n++, rows++) {
			COLUMN_AT(&batch->columns[C_ID], int64_t, batch->n) = rows;
			column_set_valid(&batch->columns[C_ID], batch->n);
			assert_int_equal(column_set_bytes(batch, &batch->columns[C_NAME], batch->n, STR_LIT("copied")),
			                 0);
			batch->n++;
		}
		mirror_copied(mirror, n);
	}
	assert_true(mirror_dirty(mirror));
	assert_int_equal(mirror_rows(mirror), rows);
	must(publish(&result));
	for (int i = 0; i < COLUMNS; i++)
		assert_null(now[7].value[i]);
	now[7] = (struct row){ .live = true, .value = { strdup("7"), strdup("copied") } };
	must(apply(OP_UPDATE, NULL, &now[7], NULL)); /* found in the copy */
	must(publish(&result));
	fixture_read(&f, "t", &got);
	assert_int_equal(got.n, rows);
	for (size_t i = 0; i < got.n; i++) /* the copy's first row has id 0, and so on; the updated one keeps its own */
		assert_int_equal(got.rows[i].row_id, atoi(got.rows[i].text));
	fixture_rows_free(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unchanged_same_batch, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_unchanged_flushed, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_unchanged_finished, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_unchanged_committed, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_unchanged_older_than_column, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_column_only, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_shape_refused, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_missing_key, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_protocol, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_files_go, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_copy, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup_int, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup_two, teardown),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
