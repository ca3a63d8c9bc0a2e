/* src/pipeline/table_schema.c — shapes: creating, comparing, extending. */
#include "pipeline/table_schema.h"

#include <stdio.h>

#include "base/mem.h"
#include "lake/changelog.h"

void table_schema_lake_name(const struct relation *rel, char *out, size_t n)
{
	if (strcmp(rel->schema, "public") == 0)
		snprintf(out, n, "%s", rel->name);
	else
		snprintf(out, n, "%s__%s", rel->schema, rel->name);
}

static bool identifier_ok(struct type type)
{
	return type.kind != TYPE_FLOAT32 && type.kind != TYPE_FLOAT64 && type.kind != TYPE_LIST;
}

static struct lake_field *fields_of(const struct relation *rel, bool changelog, size_t *n_out, struct err *err)
{
	size_t n = 0, extra = changelog ? CHANGELOG_FIELDS : 0;
	struct lake_field *fields = mem_array(rel->n_columns + extra, sizeof *fields);

	if (!fields) {
		err_nomem(err);
		return NULL;
	}
	for (; n < extra; n++)
		fields[n] = changelog_fields()[n];
	for (uint16_t i = 0; i < rel->n_columns; i++) {
		const struct rel_column *col = &rel->columns[i];

		for (size_t j = 0; j < extra; j++)
			if (strcmp(fields[j].name, col->name) == 0) {
				err_set(err, ERR_UNSUPPORTED,
				        "column \"%s\" of %s.%s has the name of a changelog column; rename it at the source, or use mode: [mirror]",
				        col->name, rel->schema, rel->name);
				mem_free(fields);
				return NULL;
			}
		fields[n++] = (struct lake_field){
			.name = (char *)col->name,
			.type = col->type,
			.required = !changelog && col->key,
			.identifier = !changelog && col->key && identifier_ok(col->type),
			.doc = (char *)col->source_type_name,
		};
	}
	*n_out = n;
	return fields;
}

int table_schema_create(struct lake *lake, const char *ns, const char *name, const struct relation *rel, bool changelog,
                        struct err *err)
{
	struct lake_kv properties[] = {
		{ LAKE_KEY_KIND, changelog ? "changelog" : "mirror" },
		{ "write.parquet.compression-codec", "zstd" },
		{ "write.delete.mode", "merge-on-read" },
		{ "write.update.mode", "merge-on-read" },
		{ "write.merge.mode", "merge-on-read" },
		{ "write.metadata.delete-after-commit.enabled", "true" },
		{ "write.metadata.previous-versions-max", "20" },
	};
	struct lake_create create = { .format_version = changelog ? 2 : 3,
		                      .properties = properties,
		                      .n_properties = sizeof properties / sizeof *properties };
	int rc;

	create.fields = fields_of(rel, changelog, &create.n_fields, err);
	if (!create.fields)
		return err->code;
	rc = lake->format->create(lake->catalog, lake->store, ns, name, &create, err);
	mem_free((void *)create.fields);
	return rc;
}

int table_schema_check(const struct relation *a, const struct relation *b, const char *name, struct err *err)
{
	char x[TYPE_TEXT_MAX], y[TYPE_TEXT_MAX];

	if (strcmp(a->schema, b->schema) != 0 || strcmp(a->name, b->name) != 0)
		return err_set(
			err, ERR_UNSUPPORTED,
			"the source table of %s was renamed from %s.%s to %s.%s; restart tarn to have it copied under its new name, or rename it back and copy it again: tarn table recopy %s",
			name, a->schema, a->name, b->schema, b->name, name);
	if (a->n_keys != b->n_keys)
		return err_set(
			err, ERR_UNSUPPORTED,
			"the primary key of %s.%s has other columns than before; copy the table again: tarn table recopy %s",
			b->schema, b->name, name);
	for (uint16_t i = 0; i < a->n_keys; i++)
		if (strcmp(a->columns[a->key_columns[i]].name, b->columns[b->key_columns[i]].name) != 0)
			return err_set(
				err, ERR_UNSUPPORTED,
				"the primary key of %s.%s has other columns than before; copy the table again: tarn table recopy %s",
				b->schema, b->name, name);
	for (uint16_t i = 0; i < a->n_columns; i++) {
		const struct rel_column *col = &a->columns[i];
		int at = relation_find_column(b, str_of(col->name));

		if (at < 0)
			return err_set(
				err, ERR_UNSUPPORTED,
				"column \"%s\" of %s.%s was dropped or renamed at the source; copy the table again: tarn table recopy %s",
				col->name, b->schema, b->name, name);
		if (!type_eq(col->type, b->columns[at].type))
			return err_set(
				err, ERR_UNSUPPORTED,
				"column \"%s\" of %s.%s changed its type from %s to %s at the source; copy the table again: tarn table recopy %s",
				col->name, b->schema, b->name, type_text(col->type, x),
				type_text(b->columns[at].type, y), name);
	}
	return ERR_OK;
}

static bool table_has(const struct lake_table *table, const char *name)
{
	size_t n;
	const struct lake_field *fields = table->ops->fields(table, &n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(fields[i].name, name) == 0)
			return true;
	return false;
}

int table_schema_plan(struct lake_table *table, const struct relation *rel, struct lake_field **planned,
                      size_t *n_planned, struct err *err)
{
	struct lake_field *fields = mem_array(rel->n_columns ? rel->n_columns : 1, sizeof *fields);
	size_t n = 0;
	int rc = ERR_OK;

	if (!fields)
		return err_nomem(err);
	for (uint16_t i = 0; i < rel->n_columns; i++) {
		const struct rel_column *col = &rel->columns[i];

		if (table_has(table, col->name))
			continue;
		fields[n] = (struct lake_field){ .name = mem_strdup(col->name),
			                         .type = col->type,
			                         .doc = mem_strdup(col->source_type_name) };
		rc = fields[n].name && fields[n].doc ? rc : err_nomem(err);
		n++;
	}
	if (!rc && n > 0)
		rc = table->ops->plan_fields(table, fields, n, err);
	if (rc) {
		lake_fields_free(fields, n);
		return rc;
	}
	lake_fields_free(*planned, *n_planned);
	*planned = fields;
	*n_planned = n;
	return ERR_OK;
}

/* Every column of a table (behind the first `skip`) must still be at the source, and every key column in the table. */
static int check_columns(const struct lake_table *table, size_t skip, const struct relation *rel, const char *name,
                         struct err *err)
{
	size_t n = 0;
	const struct lake_field *fields = table ? table->ops->fields(table, &n) : NULL;

	for (size_t i = skip; i < n; i++)
		if (relation_find_column(rel, str_of(fields[i].name)) < 0)
			return err_set(
				err, ERR_UNSUPPORTED,
				"column \"%s\" of %s.%s was dropped or renamed at the source; copy the table again: tarn table recopy %s",
				fields[i].name, rel->schema, rel->name, name);
	for (uint16_t k = 0; table && k < rel->n_keys; k++)
		if (!table_has(table, rel->columns[rel->key_columns[k]].name))
			return err_set(
				err, ERR_UNSUPPORTED,
				"the primary key of %s.%s has other columns than before; copy the table again: tarn table recopy %s",
				rel->schema, rel->name, name);
	return ERR_OK;
}

int table_schema_narrow(const struct lake_table *mirror, const struct lake_table *changelog, const char *name,
                        struct relation **rel, struct err *err)
{
	const struct relation *full = *rel;
	struct relation *narrow;
	uint16_t n = 0, *keep = mem_array(full->n_columns + 1u, sizeof *keep),
		 *keys = mem_array(full->n_keys + 1u, sizeof *keys);
	int rc = keep && keys ? check_columns(mirror, 0, full, name, err) : err_nomem(err);

	if (!rc)
		rc = check_columns(changelog, CHANGELOG_FIELDS, full, name, err);
	for (uint16_t i = 0; !rc && i < full->n_columns; i++)
		if ((!mirror || table_has(mirror, full->columns[i].name)) &&
		    (!changelog || table_has(changelog, full->columns[i].name)))
			keep[n++] = i;
	if (rc || n == full->n_columns)
		goto out;
	narrow = relation_new(full->id, str_of(full->schema), str_of(full->name), n);
	if (!narrow) {
		rc = err_nomem(err);
		goto out;
	}
	for (uint16_t i = 0; i < n; i++) {
		const struct rel_column *col = &full->columns[keep[i]];

		if (relation_set_column(narrow, i, str_of(col->name), col->type, col->source_type, col->typmod,
		                        str_of(col->source_type_name), col->key, col->not_null))
			rc = err_nomem(err);
		narrow->columns[i].put = col->put;
		for (uint16_t k = 0; k < full->n_keys; k++)
			if (full->key_columns[k] == keep[i])
				keys[k] = i;
	}
	if (!rc && relation_set_keys(narrow, keys, full->n_keys))
		rc = err_nomem(err);
	if (rc) {
		relation_unref(narrow);
		goto out;
	}
	relation_unref(*rel);
	*rel = narrow;
out:
	mem_free(keep);
	mem_free(keys);
	return rc;
}
