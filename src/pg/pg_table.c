/* src/pg/pg_table.c — one table of the catalog as a relation, and the sentences that say why a table cannot be
 * captured. */
#include "pg/pg_catalog.h"
#include "pg/pg_table_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pg_sql.h"

#define COLUMNS_MAX 1664 /* PostgreSQL's MaxTupleAttributeNumber; more cannot be */

void pg_column_facts(const struct pg_result *columns, int row, struct pg_column_facts *out)
{
	*out = (struct pg_column_facts){
		.name = pg_result_text(columns, row, 1),
		.type = { .oid = pg_result_u32(columns, row, 2),
		          .typmod = (int32_t)strtol(pg_result_text(columns, row, 3), NULL, 10),
		          .typtype = pg_result_text(columns, row, 7)[0],
		          .elem_oid = pg_result_u32(columns, row, 8),
		          .elem_typtype = pg_result_text(columns, row, 9)[0] },
		.type_name = pg_result_text(columns, row, 4),
		.not_null = pg_result_bool(columns, row, 5),
		.generated = pg_result_bool(columns, row, 6),
		.key_place = (uint16_t)pg_result_u32(columns, row, 10),
	};
}

int pg_table_columns(struct pg_conn *conn, uint32_t oid, struct pg_result **out, struct err *err)
{
	char oids[16];

	snprintf(oids, sizeof oids, "{%u}", oid);
	return pg_query(conn, pg_sql_tables_columns, (const char *[]){ oids }, 1, out, err);
}

/* "schema"."name" as SQL takes it; with names of 63 bytes, all of them quotes, it still fits. */
static void quoted(const struct pg_table_facts *facts, char *out, size_t size)
{
	struct wbuf w;

	wbuf_init(&w, 0);
	wbuf_put_sql_ident(&w, str_of(facts->schema));
	wbuf_putz(&w, ".");
	wbuf_put_sql_ident(&w, str_of(facts->name));
	snprintf(out, size, "%s", wbuf_cstr(&w));
	wbuf_free(&w);
}

int pg_table_judge(struct relation *rel, const struct pg_table_facts *facts, const char *generated, struct err *err)
{
	char table[300], why[1024] = "";

	quoted(facts, table, sizeof table);
	if (facts->kind == 'p')
		snprintf(why, sizeof why,
		         "it is a partitioned table, and partitions are not captured; leave it out of tables:");
	else if (facts->partition)
		snprintf(
			why, sizeof why,
			"it is a partition of another table, and partitions are not captured; leave it out of tables:");
	else if (facts->kind != 'r')
		snprintf(why, sizeof why, "it is not an ordinary table; leave it out of tables:");
	else if (facts->persistence == 'u')
		snprintf(
			why, sizeof why,
			"it is unlogged, so its changes are not in the write-ahead log; run ALTER TABLE %s SET LOGGED, or leave it out of tables:",
			table);
	else if (facts->identity == 'f')
		snprintf(
			why, sizeof why,
			"its replica identity is FULL, and changes are keyed by the primary key; run ALTER TABLE %s REPLICA IDENTITY DEFAULT, or leave it out of tables:",
			table);
	else if (facts->identity == 'n')
		snprintf(
			why, sizeof why,
			"its replica identity is NOTHING, so updates and deletes do not say which row they mean; run ALTER TABLE %s REPLICA IDENTITY DEFAULT, or leave it out of tables:",
			table);
	else if (facts->identity == 'i')
		snprintf(
			why, sizeof why,
			"its replica identity is an index other than the primary key; run ALTER TABLE %s REPLICA IDENTITY DEFAULT, or leave it out of tables:",
			table);
	else if (rel->n_keys == 0)
		snprintf(
			why, sizeof why,
			"it has no primary key (a deferrable one does not count); give it one: ALTER TABLE %s ADD PRIMARY KEY (...), or leave it out of tables:",
			table);
	else if (generated)
		snprintf(
			why, sizeof why,
			"its generated column \"%s\" is missing from the change stream; run ALTER TABLE %s ALTER COLUMN \"%s\" DROP EXPRESSION and fill it otherwise, or leave the table out of tables:",
			generated, table, generated);
	else if (facts->rows_hidden)
		snprintf(
			why, sizeof why,
			"row security hides rows of it from the role that copies it; run ALTER ROLE ... BYPASSRLS for that role, or leave it out of tables:");
	if (*why && relation_set_unsupported(rel, why))
		return err_nomem(err);
	return ERR_OK;
}

int pg_columns_judge(struct relation *rel, struct err *err)
{
	for (uint16_t i = 0; i < rel->n_columns && !rel->unsupported; i++) {
		char why[512];

		if (rel->columns[i].type.kind != TYPE_NONE)
			continue;
		snprintf(why, sizeof why,
		         "its column \"%s\" has type %s, which has no form in the lake; leave the table out of tables:",
		         rel->columns[i].name, rel->columns[i].source_type_name);
		if (relation_set_unsupported(rel, why))
			return err_nomem(err);
	}
	return ERR_OK;
}

#define NOT_A_KEY UINT16_MAX

/* Fills rel's columns; keys[] (n entries) gets the indexes of the key columns in the primary key's order. */
static int fill_columns(struct relation *rel, const struct pg_result *columns, int first, int n, uint16_t *keys,
                        uint16_t *n_keys, bool *binary_ok, struct err *err)
{
	uint16_t at = 0;

	for (int i = 0; i < n; i++)
		keys[i] = NOT_A_KEY;
	*n_keys = 0;
	for (int row = first; row < first + n; row++) {
		struct pg_column_facts c;

		pg_column_facts(columns, row, &c);
		if (c.generated)
			continue;
		if (c.key_place) {
			if (c.key_place > n)
				return err_set(
					err, ERR_PROTOCOL,
					"table %s.%s: column \"%s\" has place %u in a primary key of fewer columns",
					rel->schema, rel->name, c.name, c.key_place);
			keys[c.key_place - 1] = at;
		}
		*binary_ok = *binary_ok && pg_type_binary_ok(&c.type);
		if (relation_set_column(rel, at, str_of(c.name), pg_type_map(&c.type), c.type.oid, c.type.typmod,
		                        str_of(c.type_name), c.key_place > 0, c.not_null || c.key_place > 0))
			return err_nomem(err);
		at++;
	}
	for (int i = 0; i < n; i++) /* a generated key column leaves a hole (and an unsupported table) */
		if (keys[i] != NOT_A_KEY)
			keys[(*n_keys)++] = keys[i];
	return ERR_OK;
}

int pg_table_relation(uint32_t oid, const struct pg_table_facts *facts, const struct pg_result *columns, int first,
                      int n, struct relation **out, bool *binary_ok, struct err *err)
{
	const char *generated = NULL;
	struct relation *rel = NULL;
	uint16_t *keys = NULL, n_keys = 0, n_columns = 0;
	bool all_binary = true;
	int rc;

	if (n > COLUMNS_MAX)
		return err_set(err, ERR_PROTOCOL, "table %s.%s has %d columns, more than PostgreSQL allows",
		               facts->schema, facts->name, n);
	for (int row = first; row < first + n; row++) {
		struct pg_column_facts c;

		pg_column_facts(columns, row, &c);
		if (c.generated)
			generated = c.name;
		else
			n_columns++;
	}
	rel = relation_new(oid, str_of(facts->schema), str_of(facts->name), n_columns);
	keys = mem_array((size_t)n + 1, sizeof *keys);
	if (!rel || !keys)
		rc = err_nomem(err);
	else
		rc = fill_columns(rel, columns, first, n, keys, &n_keys, &all_binary, err);
	if (!rc && (n_keys ? relation_set_keys(rel, keys, n_keys) : relation_seal(rel)))
		rc = err_nomem(err);
	if (!rc)
		rc = pg_table_judge(rel, facts, generated, err);
	if (!rc)
		rc = pg_columns_judge(rel, err);
	mem_free(keys);
	if (rc) {
		relation_unref(rel);
		return rc;
	}
	if (binary_ok)
		*binary_ok = all_binary;
	*out = rel;
	return ERR_OK;
}

int pg_column_filled(struct pg_conn *conn, uint32_t table_oid, const char *column, bool *filled, struct err *err)
{
	struct pg_result *r;
	char oid[16];
	int rc;

	snprintf(oid, sizeof oid, "%u", table_oid);
	rc = pg_query(conn, pg_sql_column_filled, (const char *[]){ oid, column }, 2, &r, err);
	if (rc)
		return rc;
	*filled = pg_result_rows(r) != 1 || strcmp(pg_result_text(r, 0, 0), "f") != 0;
	pg_result_free(r);
	return ERR_OK;
}
