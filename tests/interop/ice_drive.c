/* tests/interop/ice_drive.c — commits to one Iceberg table as a script on standard input says; ice_readers.py writes the files and reads the table with other engines.
 *
 *   ice_drive WAREHOUSE NAME VERSION < script
 *   ice_drive scan WAREHOUSE METADATA-FILE [SNAPSHOT]      any engine's table: the live files of a snapshot, and counts of other deletes
 *
 *   ice_drive WAREHOUSE NAME METADATA-FILE < script        goes on with a table of another engine
 *
 * Lines (words by blanks): add PATH ROWS BYTES | metric PATH FIELD BYTES VALUES NULLS LOWERHEX UPPERHEX ("-": none) | remove PATH | removeall | dv DATA PUFFIN OFFSET SIZE CARDINALITY |
 * column NAME | prop KEY VALUE | replace | keep VERSIONS MANIFESTS | commit | sweep | reopen | files. commit prints the metadata location, sweep the number
 * of deleted files, files one line a live file: path rows first_row_id sequence vector-cardinality. */
#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "iceberg/ice_table.h"
#include "support/fake_catalog.h"

#define MAX 4096

static struct err err;
static struct store *store;
static struct fake_catalog catalog;
static struct lake_keep keep = { .versions_min = 1000, .age_us_max = -1, .manifests_max = 100 };
static struct lake_table *table;
static const char *name;
static struct data_file *added[MAX];
static char *removed[MAX];
static struct lake_dv dvs[MAX];
static struct lake_field columns[16];
static struct lake_kv props[16];
static struct lake_change change;

static void must(int rc)
{
	if (rc) {
		fprintf(stderr, "ice_drive: %s\n", err.text);
		exit(1);
	}
}

static void create(int version)
{
	static const struct lake_field fields[] = {
		{ .name = (char *)"id", .type = { .kind = TYPE_INT64 }, .required = true, .identifier = true },
		{ .name = (char *)"name", .type = { .kind = TYPE_STRING } },
		{ .name = (char *)"amount", .type = { .kind = TYPE_DECIMAL, .precision = 12, .scale = 2 } },
		{ .name = (char *)"tags", .type = { .kind = TYPE_LIST, .elem = TYPE_STRING } },
	};
	struct lake_create how = { .fields = fields, .n_fields = 4, .format_version = version };

	must(ice_format_ops.create(&catalog.base, store, "bank", name, &how, &err));
}

static void take_over(const char *path)
{
	json_t *metadata;
	char *text;
	size_t n;

	if (env_read_file(path, 1 << 26, &text, &n))
		exit(2);
	metadata = json_parse(str_view(text, n), path, &err);
	must(metadata ? fake_catalog_register(&catalog, "bank", name, metadata, &err) : err.code);
	json_decref(metadata);
	mem_free(text);
}

static void reset(void)
{
	for (size_t i = 0; i < change.n_removed; i++)
		free(removed[i]);
	for (size_t i = 0; i < change.n_dvs; i++) {
		free((char *)(uintptr_t)dvs[i].data_path);
		free(dvs[i].dv.path);
	}
	for (size_t i = 0; i < change.n_add_fields; i++)
		free(columns[i].name);
	for (size_t i = 0; i < change.n_properties; i++) {
		free((char *)(uintptr_t)props[i].key);
		free((char *)(uintptr_t)props[i].value);
	}
	change = (struct lake_change){ .added = added, .removed = (const char *const *)removed, .dvs = dvs, .add_fields = columns, .properties = props };
}

static void do_commit(void)
{
	struct lake_pending *pending;
	struct catalog_commit part;
	enum commit_result result;

	must(ice_format_ops.prepare(table, &change, &pending, &err));
	ice_format_ops.part(pending, &part);
	must(catalog.base.ops->commit(&catalog.base, &part, 1, NULL, &result, &err));
	must(ice_format_ops.done(table, pending, &part.result, &err));
	catalog_table_clear(&part.result);
	reset();
	printf("%s\n", fake_catalog_find(&catalog, name)->now.metadata_location);
}

static void reopen(void)
{
	ice_format_ops.close(table);
	must(ice_format_ops.open(&catalog.base, store, "bank", name, &keep, &table, &err));
}

static struct bound bound_of(const char *hex)
{
	struct bound b = { 0 };

	if (!strcmp(hex, "-"))
		return b;
	b.p = mem_alloc(strlen(hex) / 2 + 1);
	for (b.n = 0; hex[2 * b.n]; b.n++) {
		unsigned byte;

		sscanf(hex + (size_t)2 * b.n, "%2x", &byte);
		b.p[b.n] = (uint8_t)byte;
	}
	b.set = true;
	return b;
}

static void metric(char **w)
{
	for (size_t i = 0; i < change.n_added; i++) {
		struct data_file *file = added[i];
		struct column_metrics *m;

		if (strcmp(file->path, w[1]))
			continue;
		m = mem_realloc(file->metrics, (file->n_metrics + 1) * sizeof *m);
		file->metrics = m;
		m[file->n_metrics++] = (struct column_metrics){ .field_id = atoi(w[2]), .column_bytes = strtoull(w[3], NULL, 10), .value_count = strtoull(w[4], NULL, 10),
			.null_count = strtoull(w[5], NULL, 10), .nan_count = -1, .lower = bound_of(w[6]), .upper = bound_of(w[7]) };
	}
}

static void print_files(void)
{
	size_t n;
	struct data_file *const *files = ice_format_ops.files(table, &n);

	for (size_t i = 0; i < n; i++)
		printf("%s %llu %lld %lld %llu\n", files[i]->path, (unsigned long long)files[i]->record_count, (long long)files[i]->first_row_id, (long long)files[i]->sequence,
		       (unsigned long long)files[i]->dv.cardinality);
}

static void line(char **w)
{
	size_t n;

	if (!strcmp(w[0], "add")) {
		added[change.n_added] = data_file_new(w[1]);
		added[change.n_added]->record_count = strtoull(w[2], NULL, 10);
		added[change.n_added]->split_offsets = mem_zero(sizeof(uint64_t));
		added[change.n_added]->split_offsets[0] = 4;
		added[change.n_added]->n_splits = 1;
		added[change.n_added++]->file_bytes = strtoull(w[3], NULL, 10);
	} else if (!strcmp(w[0], "metric")) {
		metric(w);
	} else if (!strcmp(w[0], "remove")) {
		removed[change.n_removed++] = strdup(w[1]);
	} else if (!strcmp(w[0], "removeall")) {
		change.remove_all = true;
	} else if (!strcmp(w[0], "dv")) {
		dvs[change.n_dvs++] = (struct lake_dv){ strdup(w[1]), { strdup(w[2]), strtoull(w[3], NULL, 10), strtoull(w[4], NULL, 10), strtoull(w[5], NULL, 10) } };
	} else if (!strcmp(w[0], "column")) {
		columns[change.n_add_fields++] = (struct lake_field){ .name = strdup(w[1]), .type = { .kind = TYPE_INT32 } };
	} else if (!strcmp(w[0], "prop")) {
		props[change.n_properties++] = (struct lake_kv){ strdup(w[1]), strdup(w[2]) };
	} else if (!strcmp(w[0], "replace")) {
		change.replace = true;
	} else if (!strcmp(w[0], "keep")) {
		keep.versions_min = atoi(w[1]);
		keep.manifests_max = atoi(w[2]);
		reopen();
	} else if (!strcmp(w[0], "commit")) {
		do_commit();
	} else if (!strcmp(w[0], "sweep")) {
		must(ice_format_ops.sweep(table, &n, &err));
		printf("%zu\n", n);
	} else if (!strcmp(w[0], "reopen")) {
		reopen();
	} else if (!strcmp(w[0], "files")) {
		print_files();
	} else {
		fprintf(stderr, "ice_drive: unknown line %s\n", w[0]);
		exit(2);
	}
	fflush(stdout);
}

static int scan(int argc, char **argv)
{
	struct ice_scan *found;
	json_t *metadata;
	char *text;
	size_t n;

	must(store_open(argv[2], &store, &err));
	if (env_read_file(argv[3], 1 << 26, &text, &n))
		return 2;
	metadata = json_parse(str_view(text, n), argv[3], &err);
	must(metadata ? 0 : err.code);
	must(ice_scan_open(store, metadata, argc > 4 ? strtoll(argv[4], NULL, 10) : -1, &found, &err));
	for (size_t i = 0; i < found->n_files; i++) {
		const struct data_file *file = found->files[i];

		printf("%s %llu %llu %lld %lld %s %llu %llu %llu\n", file->path, (unsigned long long)file->record_count, (unsigned long long)file->file_bytes, (long long)file->first_row_id,
		       (long long)file->sequence, file->dv.path ? file->dv.path : "-", (unsigned long long)file->dv.offset, (unsigned long long)file->dv.size,
		       (unsigned long long)file->dv.cardinality);
	}
	printf("deletes %zu %zu\n", found->n_position_delete_files, found->n_equality_delete_files);
	for (size_t i = 0; i < found->n_fields; i++)
		printf("field %d %s kind %d elem %d\n", found->fields[i].id, found->fields[i].name, found->fields[i].type.kind, found->fields[i].type.elem);
	ice_scan_free(found);
	json_decref(metadata);
	mem_free(text);
	store_close(store);
	return 0;
}

int main(int argc, char **argv)
{
	char buf[8192];

	json_init();
	if (argc >= 4 && !strcmp(argv[1], "scan"))
		return scan(argc, argv);
	if (argc != 4)
		return 2;
	name = argv[2];
	must(store_open(argv[1], &store, &err));
	fake_catalog_init(&catalog, store);
	if (strchr(argv[3], '/'))
		take_over(argv[3]);
	else
		create(atoi(argv[3]));
	must(ice_format_ops.open(&catalog.base, store, "bank", name, &keep, &table, &err));
	reset();
	while (fgets(buf, sizeof buf, stdin)) {
		char *words[16] = { 0 }, *save = NULL;
		size_t n = 0;

		for (char *w = strtok_r(buf, " \n", &save); w && n < 15; w = strtok_r(NULL, " \n", &save))
			words[n++] = w;
		if (n)
			line(words);
	}
	reset();
	ice_format_ops.close(table);
	fake_catalog_free(&catalog);
	store_close(store);
	return 0;
}
