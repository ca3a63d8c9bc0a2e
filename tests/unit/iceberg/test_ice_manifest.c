/* tests/unit/iceberg/test_ice_manifest.c — manifests and lists of pyiceberg, Spark and an odd writer against fastavro's reading (tests/data/iceberg/make.py); our own ones read back. */
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
#include "base/mem.h"
#include "iceberg/manifest.h"

#define DATA "tests/data/iceberg/"

static const char *base_name(const char *path)
{
	return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

static void put_num(struct wbuf *w, int64_t v, const char *end)
{
	if (v < 0)
		wbuf_putf(w, "-%s", end);
	else
		wbuf_putf(w, "%lld%s", (long long)v, end);
}

static void put_count(struct wbuf *w, uint64_t v) { put_num(w, v == METRIC_UNKNOWN ? -1 : (int64_t)v, ","); }

static void put_bound(struct wbuf *w, const struct bound *b, const char *end)
{
	if (!b->set)
		wbuf_putz(w, "-");
	for (uint32_t i = 0; b->set && i < b->n; i++)
		wbuf_putf(w, "%02x", b->p[i]);
	wbuf_putz(w, end);
}

static int by_id(const void *a, const void *b)
{
	return ((const struct column_metrics *)a)->field_id - ((const struct column_metrics *)b)->field_id;
}

static int put_entry(void *arg, struct manifest_entry *e, struct err *err)
{
	static const char *const formats[] = { "parquet", "puffin", "avro", "orc", "other" };
	struct data_file *f = e->file;
	struct wbuf *w = arg;

	(void)err;
	wbuf_putf(w, "%d %d %s %s %llu %llu ", e->status, e->content, base_name(f->path), formats[e->format], (unsigned long long)f->record_count, (unsigned long long)f->file_bytes);
	put_num(w, f->snapshot_id, " ");
	put_num(w, f->sequence, " ");
	put_num(w, f->file_sequence, " ");
	put_num(w, f->first_row_id, " ");
	wbuf_putf(w, "%s ", e->referenced ? base_name(e->referenced) : "-");
	put_num(w, e->content_offset, " ");
	put_num(w, e->content_size, " ");
	put_num(w, e->sort_order_id, " ");
	for (size_t i = 0; i < f->n_splits; i++)
		wbuf_putf(w, "%s%llu", i ? "+" : "", (unsigned long long)f->split_offsets[i]);
	wbuf_putz(w, f->n_splits ? " " : "- ");
	for (size_t i = 0; i < e->n_equality_ids; i++)
		wbuf_putf(w, "%s%d", i ? "+" : "", e->equality_ids[i]);
	wbuf_putz(w, e->n_equality_ids ? " " : "- ");
	if (f->n_metrics)
		qsort(f->metrics, f->n_metrics, sizeof *f->metrics, by_id);
	for (size_t i = 0; i < f->n_metrics; i++) {
		const struct column_metrics *m = &f->metrics[i];

		wbuf_putf(w, "%s%d:", i ? ";" : "", m->field_id);
		put_count(w, m->column_bytes);
		put_count(w, m->value_count);
		put_count(w, m->null_count);
		put_num(w, m->nan_count, ",");
		put_bound(w, &m->lower, ",");
		put_bound(w, &m->upper, "");
	}
	wbuf_putz(w, f->n_metrics ? "\n" : "none\n");
	manifest_entry_free(e);
	return 0;
}

static struct str load(const char *name, const char *end)
{
	char path[300], *p;
	size_t n;

	snprintf(path, sizeof path, DATA "%s%s", name, end);
	assert_int_equal(env_read_file(path, 1 << 20, &p, &n), 0);
	return str_view(p, n);
}

static void unload(struct str s) { mem_free((void *)(uintptr_t)s.p); }

/* The first line of the expectation says what the list would: sequence, added_snapshot_id, first_row_id, content. */
static struct manifest_info info_of(struct str *want, const char *name)
{
	struct manifest_info info = { .path = (char *)(uintptr_t)name, .first_row_id = -1 };
	struct str head = str_cut(want, '\n'), word;
	int64_t content;

	assert_true(str_to_i64(str_cut(&head, ' '), &info.sequence));
	assert_true(str_to_i64(str_cut(&head, ' '), &info.added_snapshot_id));
	word = str_cut(&head, ' ');
	if (!str_eqz(word, "-"))
		assert_true(str_to_i64(word, &info.first_row_id));
	assert_true(str_to_i64(head, &content));
	info.content = (uint8_t)content;
	return info;
}

static void check_manifest(const char *name)
{
	struct str bytes = load(name, ".avro"), text = load(name, ".txt"), want = text;
	struct manifest_info info = info_of(&want, name);
	struct wbuf got;
	struct err err;

	wbuf_init(&got, 0);
	assert_int_equal(manifest_read(bytes, &info, put_entry, &got, &err), 0);
	assert_string_equal(wbuf_cstr(&got), want.p);
	wbuf_free(&got);
	unload(bytes);
	unload(text);
}

static void check_list(const char *name)
{
	struct str bytes = load(name, ".avro"), want = load(name, ".txt");
	struct manifest_info *infos;
	struct wbuf got;
	struct err err;
	size_t n;

	wbuf_init(&got, 0);
	assert_int_equal(manifest_list_read(bytes, name, &infos, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		const struct manifest_info *m = &infos[i];
		const int64_t numbers[] = { m->bytes, m->spec_id, m->content, m->sequence, m->min_sequence, m->added_snapshot_id, m->n_added, m->n_existing, m->n_deleted, m->rows_added,
			m->rows_existing, m->rows_deleted, m->first_row_id };

		wbuf_putf(&got, "%s ", base_name(m->path));
		for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
			put_num(&got, numbers[k], " ");
		for (size_t k = 0; k < m->n_partitions; k++) {
			wbuf_putf(&got, "%s%d,", k ? ";" : "", m->partitions[k].contains_null);
			put_num(&got, m->partitions[k].contains_nan, ",");
			put_bound(&got, &m->partitions[k].lower, ",");
			put_bound(&got, &m->partitions[k].upper, "");
		}
		wbuf_putz(&got, m->n_partitions ? "\n" : m->has_partitions ? "none\n" : "null\n");
	}
	assert_string_equal(wbuf_cstr(&got), want.p);
	wbuf_free(&got);
	manifest_infos_free(infos, n);
	unload(bytes);
	unload(want);
}

/* Every pair NAME.avro, NAME.txt of the folder: adding a case is running make.py. */
static void test_foreign(void **state)
{
	char **names, name[300];
	size_t n, n_seen = 0;

	(void)state;
	assert_int_equal(env_list_dir(DATA, &names, &n), 0);
	for (size_t i = 0; i < n; i++) {
		if (!str_ends(str_of(names[i]), ".avro"))
			continue;
		snprintf(name, sizeof name, "%.*s", (int)strlen(names[i]) - 5, names[i]);
		if (str_ends(str_of(name), ".list"))
			check_list(name);
		else
			check_manifest(name);
		n_seen++;
	}
	env_free_names(names, n);
	assert_true(n_seen >= 11);
}

static int drop(void *arg, struct manifest_entry *e, struct err *err)
{
	(void)arg;
	(void)err;
	manifest_entry_free(e);
	return 0;
}

/* Whatever byte is broken or missing: an answer, never a crash (the sanitizers watch). */
static void test_broken(void **state)
{
	struct str bytes = load("odd", ".avro");
	char *copy = mem_alloc(bytes.n);
	struct manifest_info info = { .path = (char *)(uintptr_t)"broken", .sequence = 9, .first_row_id = -1 };
	struct err err;
	size_t n_refused = 0;

	(void)state;
	for (size_t n = 0; n < bytes.n; n++) {
		char *cut = mem_alloc(n + 1);

		memcpy(cut, bytes.p, n);
		n_refused += manifest_read(str_view(cut, n), &info, drop, NULL, &err) != 0;
		mem_free(cut);
	}
	assert_true(n_refused >= bytes.n - 4); /* a cut behind a whole block is a shorter file */
	for (size_t i = 0; i < bytes.n; i++) {
		for (int bit = 0; bit < 8; bit++) {
			memcpy(copy, bytes.p, bytes.n);
			copy[i] = (char)(copy[i] ^ 1 << bit);
			n_refused += manifest_read(str_view(copy, bytes.n), &info, drop, NULL, &err) != 0;
		}
	}
	mem_free(copy);
	unload(bytes);
}

static struct manifest_entry *entry_of(const char *path, uint64_t rows, int64_t sequence, int64_t snapshot, int64_t row_id)
{
	struct data_file *file = data_file_new(path);

	file->record_count = rows;
	file->file_bytes = 100 + rows;
	file->sequence = file->file_sequence = sequence;
	file->snapshot_id = snapshot;
	file->first_row_id = row_id;
	file->metrics = mem_array(2, sizeof *file->metrics);
	file->n_metrics = 2;
	file->metrics[0] = (struct column_metrics){ .field_id = 1, .column_bytes = 50, .value_count = rows, .nan_count = -1, .upper = { .p = (uint8_t *)mem_strdup(""), .set = true } };
	file->metrics[1] = (struct column_metrics){ .field_id = 2, .column_bytes = METRIC_UNKNOWN, .value_count = METRIC_UNKNOWN, .null_count = METRIC_UNKNOWN, .nan_count = 0 };
	return manifest_entry_new(file);
}

static int write_own(int version, struct wbuf *out, struct manifest_info *info, struct err *err)
{
	json_t *schema = json_pack("{s:s, s:i, s:[]}", "type", "struct", "schema-id", 3, "fields");
	struct manifest_opts opts = { .format_version = version, .content = MANIFEST_DATA, .schema = schema, .snapshot_id = 42, .sequence = 7 };
	static const enum entry_status statuses[] = { ENTRY_ADDED, ENTRY_EXISTING, ENTRY_DELETED, ENTRY_ADDED };
	struct manifest_writer *w = NULL;
	struct str bytes;
	int rc = schema ? manifest_writer_open(&opts, &w, err) : err_nomem(err);

	for (size_t i = 0; !rc && i < 4; i++) {
		struct manifest_entry *e = entry_of("file:///w/x.parquet", 10 + i, 5 - (int64_t)i, 40 + (int64_t)i, statuses[i] == ENTRY_ADDED ? -1 : 100 * (int64_t)i);

		manifest_writer_add(w, statuses[i], e);
		manifest_entry_free(e);
	}
	if (!rc)
		rc = manifest_writer_finish(w, &bytes, info, err);
	if (!rc)
		wbuf_put_str(out, bytes);
	manifest_writer_free(w);
	json_decref(schema);
	return rc;
}

static void test_own(void **state)
{
	/* By the inheritance rules: added ones get the list's sequence and snapshot, and row ids in turn; the deleted one has none to give. */
	static const char want[] =
		"1 0 x.parquet parquet 10 110 42 7 7 %s - - - - - - 1:50,10,0,-,-,;2:-,-,-,0,-,-\n"
		"0 0 x.parquet parquet 11 111 41 4 4 %s - - - - - - 1:50,11,0,-,-,;2:-,-,-,0,-,-\n"
		"2 0 x.parquet parquet 12 112 42 3 3 %s - - - - - - 1:50,12,0,-,-,;2:-,-,-,0,-,-\n"
		"1 0 x.parquet parquet 13 113 42 7 7 %s - - - - - - 1:50,13,0,-,-,;2:-,-,-,0,-,-\n";
	struct manifest_info info;
	struct wbuf bytes, got;
	char expected[1000];
	struct err err;

	(void)state;
	for (int version = 2; version <= 3; version++) {
		wbuf_init(&bytes, 0);
		wbuf_init(&got, 0);
		assert_int_equal(write_own(version, &bytes, &info, &err), 0);
		assert_int_equal(info.n_added, 2);
		assert_int_equal(info.n_existing, 1);
		assert_int_equal(info.n_deleted, 1);
		assert_int_equal(info.rows_added, 23);
		assert_int_equal(info.rows_existing, 11);
		assert_int_equal(info.rows_deleted, 12);
		assert_int_equal(info.min_sequence, 4); /* of the live ones */
		assert_int_equal(info.sequence, 7);
		assert_int_equal(info.bytes, bytes.n);
		info.first_row_id = version == 3 ? 1000 : -1;
		info.path = (char *)(uintptr_t)"own";
		assert_int_equal(manifest_read(wbuf_str(&bytes), &info, put_entry, &got, &err), 0);
		if (version == 3)
			snprintf(expected, sizeof expected, want, "1000", "100", "200", "1010");
		else
			snprintf(expected, sizeof expected, want, "-", "-", "-", "-");
		assert_string_equal(wbuf_cstr(&got), expected);
		wbuf_free(&bytes);
		wbuf_free(&got);
	}
}

static void test_no_sequence(void **state)
{
	struct str bytes = load("odd", ".avro");
	struct manifest_info info = { .path = (char *)(uintptr_t)"m", .sequence = 9, .content = MANIFEST_DELETES, .first_row_id = -1 };
	struct err err;

	(void)state;
	assert_int_equal(manifest_read(bytes, &info, drop, NULL, &err), ERR_CORRUPT); /* data files in a manifest of deletes */
	assert_non_null(strstr(err.text, "mixes"));
	unload(bytes);
	bytes = load("pyiceberg-v1-2", ".avro"); /* version 1 has no sequence numbers: 0, unless the list claims one for old entries */
	info.content = MANIFEST_DATA;
	info.sequence = 0;
	assert_int_equal(manifest_read(bytes, &info, drop, NULL, &err), 0);
	unload(bytes);
	bytes = load("pyiceberg-v1-3", ".avro");
	info.sequence = 5;
	assert_int_equal(manifest_read(bytes, &info, drop, NULL, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.text, "no sequence number"));
	unload(bytes);
}

static void test_codec(void **state)
{
	struct str bytes = load("odd", ".avro");
	struct manifest_info info = { .path = (char *)(uintptr_t)"m", .sequence = 9, .first_row_id = -1 };
	char *at = memmem(bytes.p, bytes.n, "avro.codec\x08null", 15);
	struct err err;

	(void)state;
	assert_non_null(at);
	memcpy(at + 11, "zstd", 4);
	assert_int_equal(manifest_read(bytes, &info, drop, NULL, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "codec \"zstd\""));
	unload(bytes);
}

static void test_nomem(void **state)
{
	struct str bytes = load("pyiceberg-v2-2", ".avro");
	struct manifest_info info = { .path = (char *)(uintptr_t)"m", .sequence = 1, .first_row_id = -1 };
	bool fired = true;
	struct err err;

	(void)state;
	for (uint64_t n = 1; fired; n++) {
		int rc;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		rc = manifest_read(bytes, &info, drop, NULL, &err);
		fired = env_fault_fired(ENV_ALLOC);
		env_fault_remove();
		assert_int_equal(rc == 0, !fired);
	}
	unload(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_foreign), cmocka_unit_test(test_broken), cmocka_unit_test(test_own), cmocka_unit_test(test_no_sequence), cmocka_unit_test(test_codec), cmocka_unit_test(test_nomem),
	};

	json_set_alloc_funcs(malloc, free); /* not counted: jansson itself is not safe when memory fails (lost bytes in its string buffer) */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
