/* src/cli/table_view.c — tables, versions and files as text. */
#include "cli/table_view.h"

#include "base/clock.h"
#include "cli/grid.h"

#define TYPE_DEPTH_MAX 20

static void cell_count(struct grid *grid, const json_t *o, const char *key)
{
	char text[SIZE_TEXT_MAX];

	grid_cell(grid, json_has(o, key) ? count_text((uint64_t)json_get_int(o, key, 0), text) : NULL);
}

static void cell_size(struct grid *grid, const json_t *o, const char *key)
{
	char text[SIZE_TEXT_MAX];

	grid_cell(grid, json_has(o, key) ? size_text((uint64_t)json_get_int(o, key, 0), text) : NULL);
}

static void cell_id(struct grid *grid, const json_t *o, const char *key)
{
	if (json_get_int(o, key, -1) >= 0)
		grid_cellf(grid, "%lld", (long long)json_get_int(o, key, -1));
	else
		grid_cell(grid, NULL);
}

void table_view_list(struct wbuf *out, const json_t *tables)
{
	struct grid grid;
	const json_t *t;
	size_t i;

	if (json_array_size(tables) == 0) {
		wbuf_putz(out, "the catalog has no tables yet\n");
		return;
	}
	grid_init(&grid, "TABLE,KIND,V>,ROWS>,FILES>,DELETE FILES>,SIZE>,VERSION>,COMMITTED,POSITION", "");
	json_array_foreach(tables, i, t)
	{
		if (json_has(t, "error"))
			continue;
		grid_cell(&grid, json_get_str(t, "table", NULL));
		grid_cell(&grid, json_get_str(t, "kind", NULL));
		cell_id(&grid, t, "format_version");
		cell_count(&grid, t, "rows");
		cell_count(&grid, t, "files");
		cell_count(&grid, t, "delete_files");
		cell_size(&grid, t, "bytes");
		cell_id(&grid, t, "version");
		grid_cell(&grid, json_get_str(t, "committed", NULL));
		grid_cell(&grid, json_get_str(t, "lsn", NULL));
	}
	grid_put(&grid, out);
	grid_free(&grid);
	json_array_foreach(tables, i, t)
	{
		if (json_has(t, "error"))
			wbuf_putf(out, "%s cannot be read: %s\n", json_get_str(t, "table", ""),
			          json_get_str(t, "error", ""));
	}
}

/* --- types and schemas --- */

static void put_type(struct wbuf *out, const json_t *type, int depth);

static void put_struct(struct wbuf *out, const json_t *type, int depth)
{
	const json_t *field;
	size_t i;

	wbuf_putz(out, "struct<");
	json_array_foreach(json_object_get(type, "fields"), i, field)
	{
		wbuf_putf(out, "%s%lld: %s: ", i ? ", " : "", (long long)json_get_int(field, "id", -1),
		          json_get_str(field, "name", "?"));
		put_type(out, json_object_get(field, "type"), depth + 1);
	}
	wbuf_putz(out, ">");
}

static void put_type(struct wbuf *out, const json_t *type, int depth)
{
	const char *kind = json_get_str(type, "type", "");

	if (json_is_string(type)) {
		wbuf_putz(out, json_string_value(type));
	} else if (depth > TYPE_DEPTH_MAX) {
		wbuf_putz(out, "...");
	} else if (strcmp(kind, "list") == 0) {
		wbuf_putz(out, "list<");
		put_type(out, json_object_get(type, "element"), depth + 1);
		wbuf_putz(out, ">");
	} else if (strcmp(kind, "map") == 0) {
		wbuf_putz(out, "map<");
		put_type(out, json_object_get(type, "key"), depth + 1);
		wbuf_putz(out, ", ");
		put_type(out, json_object_get(type, "value"), depth + 1);
		wbuf_putz(out, ">");
	} else if (strcmp(kind, "struct") == 0) {
		put_struct(out, type, depth);
	} else {
		wbuf_putz(out, "?");
	}
}

void table_view_type(struct wbuf *out, const json_t *type) { put_type(out, type, 0); }

static bool is_identifier(const json_t *schema, int64_t id)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(schema, "identifier-field-ids"), i, v)
	{
		if (json_is_integer(v) && json_integer_value(v) == id)
			return true;
	}
	return false;
}

static void put_schema(struct wbuf *out, const json_t *schema)
{
	struct grid grid;
	const json_t *field;
	size_t i;

	wbuf_putf(out, "\nSchema %lld\n", (long long)json_get_int(schema, "schema-id", 0));
	grid_init(&grid, "ID>,NAME,TYPE,REQUIRED,KEY,COMMENT", "  ");
	json_array_foreach(json_object_get(schema, "fields"), i, field)
	{
		struct wbuf type;

		wbuf_init(&type, 1 << 16);
		put_type(&type, json_object_get(field, "type"), 0);
		cell_id(&grid, field, "id");
		grid_cell(&grid, json_get_str(field, "name", NULL));
		grid_cell_of(&grid, &type);
		grid_cell(&grid, json_is_true(json_object_get(field, "required")) ? "yes" : "no");
		grid_cell(&grid, is_identifier(schema, json_get_int(field, "id", -1)) ? "key" : NULL);
		grid_cell(&grid, json_get_str(field, "doc", NULL));
	}
	grid_put(&grid, out);
	grid_free(&grid);
}

static const char *field_name(const json_t *schema, int64_t id)
{
	const json_t *field;
	size_t i;

	json_array_foreach(json_object_get(schema, "fields"), i, field)
	{
		if (json_get_int(field, "id", -1) == id)
			return json_get_str(field, "name", "?");
	}
	return "?";
}

/* "bucket[16](id), day(at)": partition specs and sort orders. */
static void put_transforms(struct wbuf *out, const char *title, const json_t *list, const json_t *schema)
{
	const json_t *v;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	wbuf_putf(out, "%s", title);
	json_array_foreach(list, i, v)
	{
		const char *transform = json_get_str(v, "transform", "?"),
			   *name = field_name(schema, json_get_int(v, "source-id", -1));

		if (strcmp(transform, "identity") == 0)
			wbuf_putf(out, "%s%s", i ? ", " : "", name);
		else
			wbuf_putf(out, "%s%s(%s)", i ? ", " : "", transform, name);
	}
	wbuf_putz(out, "\n");
}

/* --- one table --- */

static void put_numbers(struct wbuf *out, const json_t *t)
{
	char rows[SIZE_TEXT_MAX], files[SIZE_TEXT_MAX], bytes[SIZE_TEXT_MAX], deletes[SIZE_TEXT_MAX],
		marked[SIZE_TEXT_MAX];

	if (json_has(t, "rows"))
		wbuf_putf(out, "Rows         %s\n", count_text((uint64_t)json_get_int(t, "rows", 0), rows));
	if (json_has(t, "files"))
		wbuf_putf(out, "Files        %s data file(s), %s\n",
		          count_text((uint64_t)json_get_int(t, "files", 0), files),
		          size_text((uint64_t)json_get_int(t, "bytes", 0), bytes));
	if (json_get_int(t, "delete_files", 0) > 0)
		wbuf_putf(out, "Deletes      %s delete vector(s) or file(s) that hide %s row(s)\n",
		          count_text((uint64_t)json_get_int(t, "delete_files", 0), deletes),
		          count_text((uint64_t)json_get_int(t, "deleted_rows", 0), marked));
}

static void put_refs(struct wbuf *out, const json_t *refs)
{
	struct grid grid;
	const char *name;
	json_t *ref;

	if (json_object_size(refs) == 0)
		return;
	wbuf_putz(out, "\nReferences\n");
	grid_init(&grid, "NAME,TYPE,VERSION>", "  ");
	json_object_foreach((json_t *)refs, name, ref)
	{
		grid_cell(&grid, name);
		grid_cell(&grid, json_get_str(ref, "type", NULL));
		cell_id(&grid, ref, "snapshot-id");
	}
	grid_put(&grid, out);
	grid_free(&grid);
}

static void put_line(struct wbuf *out, const char *title, const char *value)
{
	if (value && *value)
		wbuf_putf(out, "%s%s\n", title, value);
}

void table_view_show(struct wbuf *out, const json_t *t)
{
	const json_t *schema = json_object_get(t, "schema");
	const char *key;
	json_t *value;

	put_line(out, "Table        ", json_get_str(t, "table", ""));
	if (json_has(t, "kind"))
		wbuf_putf(out, "Kind         %s of %s\n", json_get_str(t, "kind", ""),
		          json_get_str(t, "source", "a source table"));
	wbuf_putf(out, "Format       Iceberg version %lld\n", (long long)json_get_int(t, "format_version", -1));
	put_line(out, "UUID         ", json_get_str(t, "uuid", NULL));
	put_line(out, "Location     ", json_get_str(t, "location", NULL));
	put_line(out, "Metadata     ", json_get_str(t, "metadata_location", NULL));
	if (json_has(t, "version"))
		wbuf_putf(out, "Version      %lld of %s (%lld kept)\n", (long long)json_get_int(t, "version", -1),
		          json_get_str(t, "committed", "?"), (long long)json_get_int(t, "versions", 0));
	else
		wbuf_putz(out, "Version      none yet\n");
	if (json_has(t, "lsn"))
		wbuf_putf(out, "Position     %s%s%s\n", json_get_str(t, "lsn", ""),
		          json_has(t, "source_commit_ts") ? ", committed at the source " : "",
		          json_get_str(t, "source_commit_ts", ""));
	put_numbers(out, t);
	put_transforms(out, "Partitioned  ", json_object_get(json_object_get(t, "partition_spec"), "fields"), schema);
	put_transforms(out, "Sorted       ", json_object_get(json_object_get(t, "sort_order"), "fields"), schema);
	put_schema(out, schema);
	put_refs(out, json_object_get(t, "refs"));
	if (json_object_size(json_object_get(t, "properties")) == 0)
		return;
	wbuf_putz(out, "\nProperties\n");
	json_object_foreach(json_object_get(t, "properties"), key, value)
		wbuf_putf(out, "  %s = %s\n", key, json_is_string(value) ? json_string_value(value) : "?");
}

/* --- versions --- */

static void cell_notes(struct grid *grid, const json_t *v)
{
	struct wbuf notes;
	const json_t *ref;
	size_t i;

	wbuf_init(&notes, 1 << 20);
	if (json_is_true(json_object_get(v, "current")))
		wbuf_putz(&notes, "current");
	if (json_is_true(json_object_get(v, "undone")))
		wbuf_putf(&notes, "%sundone", notes.n ? " " : "");
	if (!json_is_true(json_object_get(v, "own")))
		wbuf_putf(&notes, "%sby:%s", notes.n ? " " : "", json_get_str(v, "engine", "another-writer"));
	json_array_foreach(json_object_get(v, "refs"), i, ref)
	{
		if (json_is_string(ref) && strcmp(json_string_value(ref), "main") != 0)
			wbuf_putf(&notes, "%sref:%s", notes.n ? " " : "", json_string_value(ref));
	}
	grid_cell_of(grid, &notes);
}

void table_view_history(struct wbuf *out, const json_t *versions)
{
	struct grid grid;
	const json_t *v;
	size_t i;

	if (json_array_size(versions) == 0) {
		wbuf_putz(out, "the table has no versions yet\n");
		return;
	}
	grid_init(&grid,
	          "VERSION>,COMMITTED,OPERATION,ROWS ADDED>,DELETED>,FILES ADDED>,DELETED>,TOTAL ROWS>,POSITION,NOTES",
	          "");
	json_array_foreach(versions, i, v)
	{
		cell_id(&grid, v, "version");
		grid_cell(&grid, json_get_str(v, "committed", NULL));
		grid_cell(&grid, json_get_str(v, "operation", NULL));
		cell_count(&grid, v, "added_rows");
		cell_count(&grid, v, "deleted_rows");
		cell_count(&grid, v, "added_files");
		cell_count(&grid, v, "deleted_files");
		cell_count(&grid, v, "rows");
		grid_cell(&grid, json_get_str(v, "lsn", NULL));
		cell_notes(&grid, v);
	}
	grid_put(&grid, out);
	grid_free(&grid);
}

void table_view_files(struct wbuf *out, const json_t *files)
{
	const json_t *list = json_object_get(files, "files"), *f;
	long long positions = json_get_int(files, "position_delete_files", 0),
		  equalities = json_get_int(files, "equality_delete_files", 0);
	struct grid grid;
	size_t i;

	if (json_array_size(list) == 0) {
		wbuf_putz(out, "the table has no files\n");
		return;
	}
	grid_init(&grid, "ROWS>,DELETED>,SIZE>,PATH", "");
	json_array_foreach(list, i, f)
	{
		cell_count(&grid, f, "rows");
		cell_count(&grid, f, "deleted_rows");
		cell_size(&grid, f, "bytes");
		grid_cell(&grid, json_get_str(f, "path", NULL));
	}
	grid_put(&grid, out);
	grid_free(&grid);
	if (positions || equalities)
		wbuf_putf(
			out,
			"and delete files of another writer: %lld of positions, %lld of equality; the rows they hide are not counted here\n",
			positions, equalities);
}
