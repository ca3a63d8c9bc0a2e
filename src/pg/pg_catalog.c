/* src/pg/pg_catalog.c — the server's identity, and the tables that patterns mean. */
#include "pg/pg_catalog.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "pg/pg_table_int.h"
#include "pg_sql.h"

#define TABLES_MAX 100000

int pg_identify(struct pg_conn *repl_conn, struct pg_identity *out, struct err *err)
{
	struct pg_result *system = NULL, *database = NULL;
	uint64_t timeline, oid;
	int rc = pg_query(repl_conn, "IDENTIFY_SYSTEM", NULL, 0, &system, err);

	if (!rc)
		rc = pg_query(repl_conn, pg_sql_identify_system, NULL, 0, &database, err);
	if (rc)
		goto out;
	*out = (struct pg_identity){ 0 };
	if (pg_result_rows(system) != 1 || pg_result_rows(database) != 1 ||
	    !str_to_u64(str_of(pg_result_text(system, 0, 0)), &out->system_id) ||
	    !str_to_u64(str_of(pg_result_text(system, 0, 1)), &timeline) || timeline > UINT32_MAX ||
	    !str_to_lsn(str_of(pg_result_text(system, 0, 2)), &out->wal_lsn) ||
	    !str_to_u64(str_of(pg_result_text(database, 0, 0)), &oid) || oid > UINT32_MAX ||
	    !str_copy(out->database, sizeof out->database, str_of(pg_result_text(database, 0, 1)))) {
		rc = err_set(err, ERR_PROTOCOL, "%s: the answer to IDENTIFY_SYSTEM is not a PostgreSQL server's",
		             pg_conn_label(repl_conn));
		goto out;
	}
	out->timeline = (uint32_t)timeline;
	out->database_oid = (uint32_t)oid;
out:
	pg_result_free(system);
	pg_result_free(database);
	return rc;
}

/* "schema.table" patterns; names may hold dots themselves, so every dot of the pattern is tried as the one between. */
static bool pattern_matches(const char *pattern, struct str schema, struct str name)
{
	for (const char *dot = strchr(pattern, '.'); dot; dot = strchr(dot + 1, '.'))
		if (str_glob(str_view(pattern, (size_t)(dot - pattern)), schema) && str_glob(str_of(dot + 1), name))
			return true;
	return false;
}

/* A partition matches only when a pattern spells it out: with "public.*" its root speaks for it. */
static bool row_matches(const struct pg_result *list, int row, const char *pattern)
{
	char kind = pg_result_text(list, row, 3)[0];

	if (kind != 'r' && kind != 'p')
		return false;
	if (pg_result_bool(list, row, 4) && strpbrk(pattern, "*?"))
		return false;
	return pattern_matches(pattern, str_of(pg_result_text(list, row, 1)), str_of(pg_result_text(list, row, 2)));
}

static const char *kind_word(char kind)
{
	return kind == 'v'   ? "a view"
	       : kind == 'm' ? "a materialized view"
	       : kind == 'f' ? "a foreign table"
	                     : "a partition";
}

static int no_match(struct pg_conn *conn, const struct pg_result *list, const char *pattern, struct err *err)
{
	int n = pg_result_rows(list), n_names = 0;
	const char **names, *near;
	int rc;

	if (!strchr(pattern, '.'))
		return err_set(err, ERR_NOT_FOUND, "%s: the table pattern \"%s\" has no schema; write \"public.%s\"",
		               pg_conn_label(conn), pattern, pattern);
	for (int row = 0; row < n; row++)
		if (pattern_matches(pattern, str_of(pg_result_text(list, row, 1)),
		                    str_of(pg_result_text(list, row, 2))))
			return err_set(
				err, ERR_NOT_FOUND,
				"%s: \"%s\" matches no ordinary table: %s.%s is %s, and only tables are captured",
				pg_conn_label(conn), pattern, pg_result_text(list, row, 1),
				pg_result_text(list, row, 2), kind_word(pg_result_text(list, row, 3)[0]));
	names = mem_array((size_t)n + 1, sizeof *names);
	if (!names)
		return err_nomem(err);
	for (int row = 0; row < n; row++) {
		const char *schema = pg_result_text(list, row, 1), *name = pg_result_text(list, row, 2),
			   kind = pg_result_text(list, row, 3)[0];
		size_t size = strlen(schema) + strlen(name) + 2;
		char *full = kind == 'r' || kind == 'p' ? mem_alloc(size) : NULL;

		if (!full)
			continue;
		snprintf(full, size, "%s.%s", schema, name);
		names[n_names++] = full;
	}
	near = str_nearest(str_of(pattern), names);
	if (near)
		rc = err_set(err, ERR_NOT_FOUND, "%s: no table matches \"%s\"; did you mean \"%s\"?",
		             pg_conn_label(conn), pattern, near);
	else if (n_names > 0)
		rc = err_set(err, ERR_NOT_FOUND, "%s: no table matches \"%s\"; the first there is \"%s\"",
		             pg_conn_label(conn), pattern, names[0]);
	else
		rc = err_set(err, ERR_NOT_FOUND, "%s: no table matches \"%s\"; the database has no tables",
		             pg_conn_label(conn), pattern);
	for (int i = 0; i < n_names; i++)
		mem_free((void *)(uintptr_t)names[i]);
	mem_free(names);
	return rc;
}

/* Oids of all rows that a pattern matches, as an array literal. */
static int matching_oids(struct pg_conn *conn, const struct pg_result *list, const char *const *patterns,
                         size_t n_patterns, struct wbuf *oids, struct err *err)
{
	int n = pg_result_rows(list), found = 0;

	for (size_t p = 0; p < n_patterns; p++) {
		bool any = false;

		for (int row = 0; row < n && !any; row++)
			any = row_matches(list, row, patterns[p]);
		if (!any)
			return no_match(conn, list, patterns[p], err);
	}
	wbuf_putz(oids, "{");
	for (int row = 0; row < n; row++) {
		bool any = false;

		for (size_t p = 0; p < n_patterns && !any; p++)
			any = row_matches(list, row, patterns[p]);
		if (!any)
			continue;
		if (++found > TABLES_MAX)
			return err_set(err, ERR_LIMIT, "%s: the patterns match more than %d tables",
			               pg_conn_label(conn), TABLES_MAX);
		wbuf_putf(oids, "%s%s", found > 1 ? "," : "", pg_result_text(list, row, 0));
	}
	wbuf_putz(oids, "}");
	return wbuf_check(oids, err, "the list of tables");
}

/* The columns result is ordered by oid: the first row of this one by bisection, and how many. */
static int columns_of(const struct pg_result *columns, uint32_t oid, int *n)
{
	int low = 0, high = pg_result_rows(columns), rows = high, end;

	while (low < high) {
		int mid = low + (high - low) / 2;

		if (pg_result_u32(columns, mid, 0) < oid)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < rows && pg_result_u32(columns, end, 0) == oid; end++)
		;
	*n = end - low;
	return low;
}

static int make_table(const struct pg_result *facts, int row, const struct pg_result *columns, struct pg_table *out,
                      struct err *err)
{
	uint32_t oid = pg_result_u32(facts, row, 0);
	struct pg_table_facts f = {
		.schema = pg_result_text(facts, row, 1),
		.name = pg_result_text(facts, row, 2),
		.kind = pg_result_text(facts, row, 3)[0],
		.persistence = pg_result_text(facts, row, 4)[0],
		.identity = pg_result_text(facts, row, 5)[0],
		.partition = pg_result_bool(facts, row, 6),
		.rows_hidden = pg_result_bool(facts, row, 11),
	};
	int n, first = columns_of(columns, oid, &n);
	int64_t rows = -1, bytes = 0;

	/* reltuples is -1 (0 before version 14) until the first vacuum or analyze */
	if (!str_to_i64(str_of(pg_result_text(facts, row, 7)), &rows) || rows < 0)
		rows = -1;
	if (!str_to_i64(str_of(pg_result_text(facts, row, 8)), &bytes) || bytes < 0)
		bytes = 0;
	out->rows_estimate = rows;
	out->bytes = (uint64_t)bytes;
	out->can_select = pg_result_bool(facts, row, 9);
	out->is_owner = pg_result_bool(facts, row, 10);
	out->published = pg_result_bool(facts, row, 12);
	return pg_table_relation(oid, &f, columns, first, n, &out->rel, &out->binary_ok, err);
}

int pg_tables_find(struct pg_conn *conn, const char *const *patterns, size_t n_patterns, const char *publication,
                   struct pg_tables *out, struct err *err)
{
	struct pg_result *list = NULL, *facts = NULL, *columns = NULL;
	struct wbuf oids;
	int rc;

	*out = (struct pg_tables){ NULL, 0 };
	wbuf_init(&oids, 0);
	rc = pg_query(conn, pg_sql_tables_list, NULL, 0, &list, err);
	if (!rc)
		rc = matching_oids(conn, list, patterns, n_patterns, &oids, err);
	if (!rc)
		rc = pg_query(conn, pg_sql_tables_facts, (const char *[]){ wbuf_cstr(&oids), publication }, 2, &facts,
		              err);
	if (!rc)
		rc = pg_query(conn, pg_sql_tables_columns, (const char *[]){ wbuf_cstr(&oids) }, 1, &columns, err);
	if (!rc) {
		out->tables = mem_array((size_t)pg_result_rows(facts) + 1, sizeof *out->tables);
		if (!out->tables)
			rc = err_nomem(err);
	}
	for (int row = 0; !rc && row < pg_result_rows(facts); row++) {
		rc = make_table(facts, row, columns, &out->tables[out->n], err);
		if (!rc)
			out->n++;
	}
	if (rc)
		pg_tables_free(out);
	wbuf_free(&oids);
	pg_result_free(list);
	pg_result_free(facts);
	pg_result_free(columns);
	return rc;
}

void pg_tables_free(struct pg_tables *tables)
{
	for (size_t i = 0; i < tables->n; i++)
		relation_unref(tables->tables[i].rel);
	mem_free(tables->tables);
	*tables = (struct pg_tables){ NULL, 0 };
}
