/* src/pg/pg_publication.c — the publication: made or completed when we may, checked always. */
#include <string.h>

#include "base/mem.h"
#include "pg/pg_catalog.h"
#include "pg_sql.h"

/* "ONLY s.t, ONLY s.u": those not yet published (all: every one). Without ONLY the server would add inheritance
 * children too. Returns how many. */
static size_t put_tables(struct wbuf *w, const struct pg_tables *tables, bool all)
{
	size_t n = 0;

	for (size_t i = 0; i < tables->n; i++) {
		const struct pg_table *t = &tables->tables[i];

		if (t->rel->unsupported || (!all && t->published))
			continue;
		wbuf_putz(w, n++ ? ", ONLY " : "ONLY ");
		wbuf_put_sql_ident(w, str_of(t->rel->schema));
		wbuf_putz(w, ".");
		wbuf_put_sql_ident(w, str_of(t->rel->name));
	}
	return n;
}

/* Runs the statement, or says that somebody has to. */
static int mend(struct pg_conn *conn, const char *publication, const char *problem, struct wbuf *sql, bool may,
                struct err *err)
{
	int rc = wbuf_check(sql, err, "the publication's statement");

	if (rc)
		return rc;
	if (!may)
		return err_set(err, ERR_SOURCE_SETUP, "%s: publication \"%s\" %s; run: %s;", pg_conn_label(conn),
		               publication, problem, wbuf_cstr(sql));
	rc = pg_exec(conn, wbuf_cstr(sql), err);
	if (rc == ERR_PRIVILEGE) {
		char cause[600];

		str_copy(cause, sizeof cause, str_of(err ? err->text : ""));
		rc = err_set(
			err, ERR_PRIVILEGE,
			"%s; publication \"%s\" %s; run as the owner of the tables (with CREATE on the database) or a superuser: %s;",
			cause, publication, problem, wbuf_cstr(sql));
	}
	return rc;
}

static int create(struct pg_conn *conn, const char *publication, const struct pg_tables *tables, bool may,
                  struct err *err)
{
	struct wbuf sql, list;
	int rc;

	wbuf_init(&sql, 0);
	wbuf_init(&list, 0);
	wbuf_putz(&sql, "CREATE PUBLICATION ");
	wbuf_put_sql_ident(&sql, str_of(publication));
	if (put_tables(&list, tables, true)) {
		wbuf_putz(&sql, " FOR TABLE ");
		wbuf_put_str(&sql, wbuf_str(&list));
	}
	rc = wbuf_check(&list, err, "the publication's tables");
	if (!rc)
		rc = mend(conn, publication, "does not exist", &sql, may, err);
	wbuf_free(&list);
	wbuf_free(&sql);
	return rc;
}

static int check_operations(struct pg_conn *conn, const char *publication, const struct pg_result *facts,
                            struct err *err)
{
	if (pg_result_bool(facts, 0, 1) && pg_result_bool(facts, 0, 2) && pg_result_bool(facts, 0, 3) &&
	    pg_result_bool(facts, 0, 4))
		return ERR_OK;
	return err_set(
		err, ERR_UNSUPPORTED,
		"%s: publication \"%s\" does not publish%s%s%s%s; run: ALTER PUBLICATION \"%s\" SET (publish = 'insert, update, delete, truncate'); -- then copy its tables again",
		pg_conn_label(conn), publication, pg_result_bool(facts, 0, 1) ? "" : " inserts",
		pg_result_bool(facts, 0, 2) ? "" : " updates", pg_result_bool(facts, 0, 3) ? "" : " deletes",
		pg_result_bool(facts, 0, 4) ? "" : " truncates", publication);
}

static int check_limits(struct pg_conn *conn, const char *publication, const struct pg_tables *tables, struct err *err)
{
	struct pg_result *limits = NULL;
	int rc = pg_query(conn, pg_sql_publication_limits, (const char *[]){ publication }, 1, &limits, err);

	for (int row = 0; !rc && row < pg_result_rows(limits); row++) {
		uint32_t oid = pg_result_u32(limits, row, 0);

		for (size_t i = 0; !rc && i < tables->n; i++) {
			const struct relation *rel = tables->tables[i].rel;

			if (rel->id == oid && !rel->unsupported)
				rc = err_set(
					err, ERR_UNSUPPORTED,
					"%s: publication \"%s\" has a %s on %s.%s, so the lake would miss some of it; run: ALTER PUBLICATION \"%s\" DROP TABLE ONLY \"%s\".\"%s\"; -- and start again: the table is added whole",
					pg_conn_label(conn), publication,
					pg_result_bool(limits, row, 1) ? "row filter" : "column list", rel->schema,
					rel->name, publication, rel->schema, rel->name);
		}
	}
	pg_result_free(limits);
	return rc;
}

static int add_missing(struct pg_conn *conn, const char *publication, const struct pg_tables *tables, bool may,
                       struct err *err)
{
	struct wbuf sql;
	int rc = ERR_OK;

	wbuf_init(&sql, 0);
	wbuf_putz(&sql, "ALTER PUBLICATION ");
	wbuf_put_sql_ident(&sql, str_of(publication));
	wbuf_putz(&sql, " ADD TABLE ");
	if (put_tables(&sql, tables, false))
		rc = mend(conn, publication, "lacks tables that are to be captured", &sql, may, err);
	wbuf_free(&sql);
	return rc;
}

/* The caller looked for tables under some publication; whether they are in this one is asked afresh. Both lists are in
 * the order of names, so the row looked for is nearly always the one behind the last found. */
static int refresh_published(struct pg_conn *conn, const char *publication, const struct pg_tables *tables,
                             struct err *err)
{
	struct pg_result *facts = NULL;
	struct wbuf oids;
	int rc, rows, at = 0;

	wbuf_init(&oids, 0);
	for (size_t i = 0; i < tables->n; i++)
		wbuf_putf(&oids, "%s%u", i ? "," : "{", tables->tables[i].rel->id);
	wbuf_putz(&oids, tables->n ? "}" : "{}");
	rc = wbuf_check(&oids, err, "the list of tables");
	if (!rc)
		rc = pg_query(conn, pg_sql_tables_facts, (const char *[]){ wbuf_cstr(&oids), publication }, 2, &facts,
		              err);
	rows = pg_result_rows(facts);
	for (size_t i = 0; !rc && i < tables->n; i++) {
		struct pg_table *t = &tables->tables[i];
		int tried = 0;

		while (tried < rows && pg_result_u32(facts, (at + tried) % rows, 0) != t->rel->id)
			tried++;
		t->published = tried < rows && pg_result_bool(facts, (at + tried) % rows, 12);
		if (tried < rows)
			at = (at + tried + 1) % rows;
	}
	pg_result_free(facts);
	wbuf_free(&oids);
	return rc;
}

int pg_publication_ensure(struct pg_conn *conn, const char *publication, const struct pg_tables *tables, bool create_it,
                          struct err *err)
{
	struct pg_result *facts = NULL;
	int rc = pg_query(conn, pg_sql_publication_facts, (const char *[]){ publication }, 1, &facts, err);

	if (!rc && pg_result_rows(facts) == 0)
		rc = create(conn, publication, tables, create_it, err);
	else if (!rc)
		rc = check_operations(conn, publication, facts, err);
	if (!rc && pg_result_rows(facts) > 0)
		rc = check_limits(conn, publication, tables, err);
	if (!rc)
		rc = refresh_published(conn, publication, tables, err);
	if (!rc && pg_result_rows(facts) > 0)
		rc = add_missing(conn, publication, tables, create_it, err);
	if (!rc)
		rc = refresh_published(conn, publication, tables, err);
	pg_result_free(facts);
	return rc;
}
