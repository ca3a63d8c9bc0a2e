/* src/pg/pg_table_int.h — column facts as the catalog tells them, and relations made of them; for catalog, describer
 * and copy. */
#ifndef TARN_PG_PG_TABLE_INT_H
#define TARN_PG_PG_TABLE_INT_H

#include "event/relation.h"
#include "pg/pg_conn.h"
#include "pg/pg_types.h"

/* One row of tables_columns.sql; texts are borrowed from the result. */
struct pg_column_facts {
	struct pg_type_info type;
	const char *name, *type_name;
	bool not_null, generated;
	uint16_t key_place; /* 1.. in the primary key, 0: not in it */
};
void pg_column_facts(const struct pg_result *columns, int row, struct pg_column_facts *out);

/* Facts of the whole table that decide whether it can be captured. */
struct pg_table_facts {
	const char *schema, *name;
	char kind;        /* pg_class.relkind */
	char persistence; /* relpersistence */
	char identity;    /* relreplident */
	bool partition;   /* relispartition */
	bool rows_hidden; /* row security applies to us */
};
/* Sets rel->unsupported when the facts say so (left alone otherwise). generated: name of a generated column or NULL. */
int pg_table_judge(struct relation *rel, const struct pg_table_facts *facts, const char *generated, struct err *err);
/* rel's first column of no supported type makes it unsupported. */
int pg_columns_judge(struct relation *rel, struct err *err);

/* The relation in rows [first, first + n) of a tables_columns.sql result; generated columns are left out of it.
 * binary_ok (may be NULL): all columns have an exact binary form. */
int pg_table_relation(uint32_t oid, const struct pg_table_facts *facts, const struct pg_result *columns, int first,
                      int n, struct relation **out, bool *binary_ok, struct err *err) TARN_MUST_CHECK;
/* Runs tables_columns.sql for one table. */
int pg_table_columns(struct pg_conn *conn, uint32_t oid, struct pg_result **out, struct err *err) TARN_MUST_CHECK;

#endif
