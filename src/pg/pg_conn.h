/* src/pg/pg_conn.h — a libpq connection with pinned session settings, and plain queries on it.
 *
 * Every connection, replication included, pins DateStyle=ISO, IntervalStyle=postgres, bytea_output=hex,
 * extra_float_digits=3, TimeZone=UTC, lc_monetary=C, client_encoding=UTF8, search_path='': a role's own would change
 * what values look like. All forms of connection string (URI, key=value, service file, environment, .pgpass) and all
 * TLS modes are libpq's. The password is never part of a text made here (pg_conn_label shows user, host, port,
 * database). One thread uses a connection. */
#ifndef TARN_PG_PG_CONN_H
#define TARN_PG_PG_CONN_H

#include "base/err.h"
#include "base/str.h"

struct pg_conn;
struct pg_result;

struct pg_conn_opts {
	const char *conninfo;  /* URI or key=value */
	const char *password;  /* from env or file (config), NULL: libpq's own ways */
	bool replication;      /* walsender: replication=database */
	int connect_timeout_s; /* 0: the string's connect_timeout, else 10; over all hosts of the string */
};
/* ERR_CONNECT (host, port and what to check), ERR_AUTH, ERR_NOT_FOUND (database), ERR_PRIVILEGE (no REPLICATION
 * right, with the ALTER ROLE that mends it). */
int pg_conn_open(struct pg_conn **out, const struct pg_conn_opts *opts, struct err *err) TARN_MUST_CHECK;
void pg_conn_close(struct pg_conn *conn);
const char *pg_conn_label(const struct pg_conn *conn);  /* "tarn@localhost:5432/bank" */
int pg_conn_server_version(const struct pg_conn *conn); /* 150020 */
bool pg_conn_alive(struct pg_conn *conn);
int pg_conn_cancel(struct pg_conn *conn, struct err *err); /* from any thread: cancels the statement under way */

/* One statement; parameters as text, NULL for null. *out may be NULL when no rows are wanted. Errors carry SQLSTATE
 * (err->sqlstate) and are classed by it. */
int pg_query(struct pg_conn *conn, const char *sql, const char *const *params, int n_params, struct pg_result **out,
             struct err *err) TARN_MUST_CHECK;
/* several statements allowed, also replication commands without rows */
int pg_exec(struct pg_conn *conn, const char *sql, struct err *err) TARN_MUST_CHECK;
int pg_result_rows(const struct pg_result *result);
const char *pg_result_text(const struct pg_result *result, int row, int column); /* "" for null */
bool pg_result_bool(const struct pg_result *result, int row, int column);        /* null is false */
uint32_t pg_result_u32(const struct pg_result *result, int row, int column);     /* oids, places in a key; null is 0 */
bool pg_result_null(const struct pg_result *result, int row, int column);
void pg_result_free(struct pg_result *result);

#endif
