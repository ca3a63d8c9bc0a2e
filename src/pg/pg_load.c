/* src/pg/pg_load.c — COPY FROM STDIN. */
#include "pg/pg_load.h"

#include "pg/pg_conn_int.h"

int pg_load_begin(struct pg_conn *conn, const char *target, struct err *err)
{
	PGresult *result;
	struct wbuf sql;
	int rc;

	wbuf_init(&sql, 0);
	wbuf_putf(&sql, "COPY %s FROM STDIN", target);
	rc = wbuf_check(&sql, err, "the COPY statement");
	if (rc) {
		wbuf_free(&sql);
		return rc;
	}
	result = PQexec(conn->raw, wbuf_cstr(&sql));
	if (PQresultStatus(result) != PGRES_COPY_IN)
		rc = pg_fail(conn, result, wbuf_cstr(&sql), err);
	PQclear(result);
	wbuf_free(&sql);
	return rc;
}

int pg_load_put(struct pg_conn *conn, struct str rows, struct err *err)
{
	if (rows.n > INT32_MAX)
		return err_set(err, ERR_LIMIT, "%s: %zu bytes in one piece of COPY", conn->label, rows.n);
	if (PQputCopyData(conn->raw, rows.p, (int)rows.n) != 1)
		return pg_fail(conn, NULL, "sending rows", err);
	return ERR_OK;
}

int pg_load_end(struct pg_conn *conn, struct err *err)
{
	PGresult *result;
	int rc = ERR_OK;

	if (PQputCopyEnd(conn->raw, NULL) != 1)
		rc = pg_fail(conn, NULL, "ending COPY", err);
	while ((result = PQgetResult(conn->raw)) != NULL) {
		if (!rc && PQresultStatus(result) != PGRES_COMMAND_OK)
			rc = pg_fail(conn, result, "loading rows", err);
		PQclear(result);
		if (PQstatus(conn->raw) != CONNECTION_OK)
			break;
	}
	return rc;
}
