/* src/pg/pg_conn_int.h — the inside of a connection, for the files of src/pg only (stream, copy, load). Nobody else
 * sees libpq's types. */
#ifndef TARN_PG_PG_CONN_INT_H
#define TARN_PG_PG_CONN_INT_H

#include <libpq-fe.h>

#include "pg/pg_conn.h"

#define PG_LABEL_MAX 320

struct pg_conn {
	PGconn *raw;
	PGcancel *cancel; /* made at open: PQcancel may then be called from any thread */
	bool replication;
	char label[PG_LABEL_MAX];
};

/* Fills err from a failed result (NULL: from the connection itself): class by SQLSTATE, the server's primary message
 * and hint as one clean line. The server's DETAIL is left out: it may hold row data. `what` says what was tried
 * ("creating slot \"x\""). Returns the code. */
int pg_fail(struct pg_conn *conn, const PGresult *result, const char *what, struct err *err);
/* ERR_* for a server's SQLSTATE. */
int pg_class_of(const char *sqlstate);
/* One line of printable UTF-8 out of anything: control characters and line breaks become blanks, other bytes '?',
 * runs of blanks one; cut at size. */
void pg_clean_line(char *dst, size_t size, const char *src);

#endif
