/* src/lake/field_map.c — finding a relation's columns in a table. */
#include "lake/field_map.h"

#include "base/mem.h"

static const struct lake_field *find(const struct lake_field *fields, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

static int map_one(const struct field_map_from *from, const char *name, struct type type, struct lake_field *out,
                   struct err *err)
{
	size_t n;
	const struct lake_field *fields = from->table->ops->fields(from->table, &n), *field = find(fields, n, name);
	char want[TYPE_TEXT_MAX], have[TYPE_TEXT_MAX];

	if (!field)
		field = find(from->planned, from->n_planned, name);
	*out = (struct lake_field){ 0 };
	if (!field)
		return err_set(
			err, ERR_IDENTITY,
			"table %s has no column \"%s\" although the source has; copy the table again: tarn table recopy %s",
			from->name, name, from->name);
	if (!type_eq(field->type, type))
		return err_set(
			err, ERR_IDENTITY,
			"column \"%s\" of table %s is %s in the lake but %s in the source; copy the table again: tarn table recopy %s",
			name, from->name, type_text(field->type, have), type_text(type, want), from->name);
	*out = *field;
	out->doc = NULL;
	out->name = mem_strdup(field->name); /* the table's own fields are made anew by each commit */
	return out->name ? ERR_OK : err_nomem(err);
}

int field_map_new(const struct field_map_from *from, const struct relation *rel, const struct lake_field *extra,
                  size_t n_extra, struct lake_field **out, size_t *n_out, struct err *err)
{
	size_t n_map = n_extra + rel->n_columns;
	struct lake_field *map = mem_array(n_map + 1, sizeof *map);
	int rc = ERR_OK;

	if (!map)
		return err_nomem(err);
	for (size_t i = 0; i < n_map && !rc; i++)
		rc = i < n_extra ? map_one(from, extra[i].name, extra[i].type, &map[i], err)
		                 : map_one(from, rel->columns[i - n_extra].name, rel->columns[i - n_extra].type,
		                           &map[i], err);
	if (rc) {
		lake_fields_free(map, n_map);
		return rc;
	}
	*out = map;
	*n_out = n_map;
	return ERR_OK;
}
