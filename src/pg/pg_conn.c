/* src/pg/pg_conn.c — opening a connection, saying what is wrong with it, and plain queries.
 *
 * Settings are pinned by one SELECT right after the connection stands, on walsenders too (replication=database takes
 * SQL). Doing it in the startup packet's `options` would replace what the user wrote there, would not see a service
 * file's options, and poolers refuse unknown startup options.
 *
 * Connecting is asynchronous only so that the verbosity can be raised before the server answers: libpq keeps the
 * SQLSTATE of a refused connection to itself except in the verbose text, and the message alone may be in any
 * language. */
#include "pg/pg_conn_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/mem.h"
#include "pg/pg_conninfo.h"
#include "pg_sql.h"

#define CONNECT_TIMEOUT_S 10

static const char *text_or(const char *s, const char *fallback) { return s && *s ? s : fallback; }

static void make_label(struct pg_conn *conn)
{
	const char *host = text_or(PQhost(conn->raw), "localhost");
	bool socket = host[0] == '/';

	if (strchr(host, ':'))
		snprintf(conn->label, sizeof conn->label, "%.63s@[%.63s]:%.8s/%.63s", text_or(PQuser(conn->raw), "?"),
		         host, text_or(PQport(conn->raw), "5432"), text_or(PQdb(conn->raw), "?"));
	else
		snprintf(conn->label, sizeof conn->label, "%.63s@%s%.107s:%.8s/%.63s", text_or(PQuser(conn->raw), "?"),
		         socket ? "unix:" : "", host, text_or(PQport(conn->raw), "5432"),
		         text_or(PQdb(conn->raw), "?"));
}

/* Drives the handshake until it stands, fails or the time is over. */
static int wait_connected(struct pg_conn *conn, int timeout_s, struct err *err)
{
	int64_t end_us = env_mono_us() + (int64_t)timeout_s * 1000000;
	PostgresPollingStatusType want = PGRES_POLLING_WRITING; /* the first wait, as libpq's manual has it */

	while (want != PGRES_POLLING_OK && want != PGRES_POLLING_FAILED) {
		struct pollfd fd = { .fd = PQsocket(conn->raw),
			             .events = want == PGRES_POLLING_READING ? POLLIN : POLLOUT };
		int64_t left_ms = (end_us - env_mono_us() + 999) / 1000;
		int ready = 0;

		if (left_ms > 0 && fd.fd >= 0)
			ready = env_poll(&fd, 1, (int)left_ms);
		if (ready < 0)
			return err_set_errno(err, ERR_CONNECT, -ready, "waiting for %s", conn->label);
		if (ready == 0)
			return err_set(err, ERR_CONNECT,
			               "cannot connect to %s: no answer within %d s; check host, port and firewall",
			               conn->label, timeout_s);
		want = PQconnectPoll(conn->raw);
	}
	return ERR_OK;
}

/* libpq's lines become parts of one sentence; its own advice, on lines that begin with a tab, is left out: ours
 * follows. */
static void join_lines(char *dst, size_t size, const char *src)
{
	size_t n = 0;

	for (; *src && n + 2 < size; src++) {
		if (src[0] == '\n' && src[1] == '\t') {
			src += strcspn(src + 1, "\n");
		} else if (src[0] == '\n' && src[1]) {
			dst[n++] = ',';
			dst[n++] = ' ';
		} else {
			dst[n++] = *src;
		}
	}
	dst[n] = 0;
}

/* Takes "FATAL:  28P01: text\nLOCATION: ..." apart. state: "" when the server never spoke. */
static void split_verbose(const char *message, char state[6], char *text, size_t size)
{
	char buf[2048], joined[2048];
	char *location, *at = buf;
	const char *found = NULL;

	snprintf(buf, sizeof buf, "%s", message);
	location = strstr(buf, "\nLOCATION:");
	if (location)
		*location = 0;
	state[0] = 0;
	/* Five characters of [0-9A-Z] between ": " and ": "; with several hosts the last one counts. */
	for (char *p = buf; (p = strstr(p, ":  ")) != NULL; p += 3)
		if (strspn(p + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && p[8] == ':')
			found = p + 3;
	if (found) {
		memcpy(state, found, 5);
		state[5] = 0;
		at = buf + (found - buf) + 6;
	} else {
		char *server = strstr(buf, " failed: "); /* 'connection to server at "h" (a), port p failed: reason' */

		if (server)
			at = server + 9;
	}
	join_lines(joined, sizeof joined, at);
	pg_clean_line(text, size, joined);
}

/* A peer may answer with anything; it must not make us repeat the password. */
static void hide_password(const struct pg_conn *conn, char *text)
{
	const char *password = PQpass(conn->raw);
	size_t n = password ? strlen(password) : 0;

	if (n < 3 || strcmp(password, text_or(PQuser(conn->raw), "")) == 0 ||
	    strcmp(password, text_or(PQdb(conn->raw), "")) == 0 ||
	    strcmp(password, text_or(PQhost(conn->raw), "")) == 0)
		return;
	for (char *p = text; (p = strstr(p, password)) != NULL; p += n)
		memset(p, '*', n);
}

static int connect_failed(struct pg_conn *conn, struct err *err)
{
	const char *user = text_or(PQuser(conn->raw), "?"), *db = text_or(PQdb(conn->raw), "?");
	char state[6], text[600];
	int rc;

	split_verbose(text_or(PQerrorMessage(conn->raw), ""), state, text, sizeof text);
	hide_password(conn, text);
	if (PQconnectionNeedsPassword(conn->raw))
		rc = err_set(
			err, ERR_AUTH,
			"%s: the server asks for a password and none was given; set password_env or password_file, PGPASSWORD, or a line in ~/.pgpass",
			conn->label);
	else if (!state[0])
		rc = err_set(
			err, ERR_CONNECT,
			"cannot connect to %s: %s; check that the server runs there, host and port, listen_addresses and sslmode",
			conn->label, *text ? text : "no reason given");
	else if (strcmp(state, "28P01") == 0)
		rc = err_set(err, ERR_AUTH, "%s: %s; check user and password", conn->label, text);
	else if (strncmp(state, "28", 2) == 0 && strstr(text, "pg_hba"))
		rc = err_set(
			err, ERR_AUTH,
			"%s: %s; add a line to the server's pg_hba.conf (host %s %s ADDRESS scram-sha-256) and run SELECT pg_reload_conf(), or change sslmode",
			conn->label, text, db, user);
	else if (strncmp(state, "28", 2) == 0)
		rc = err_set(err, ERR_AUTH, "%s: %s; check the user name and that the role may log in", conn->label,
		             text);
	else if (strcmp(state, "3D000") == 0)
		rc = err_set(err, ERR_NOT_FOUND, "%s: %s; list the databases with psql -l", conn->label, text);
	else if (strcmp(state, "42501") == 0 && conn->replication)
		rc = err_set(err, ERR_PRIVILEGE, "%s: %s; run as a superuser: ALTER ROLE \"%s\" REPLICATION;",
		             conn->label, text, user);
	else if (strcmp(state, "42501") == 0)
		rc = err_set(err, ERR_PRIVILEGE,
		             "%s: %s; run as the owner: GRANT CONNECT ON DATABASE \"%s\" TO \"%s\";", conn->label, text,
		             db, user);
	else if (strcmp(state, "53300") == 0)
		rc = err_set(err, ERR_CONNECT, "%s: %s; raise %s, or close other connections", conn->label, text,
		             conn->replication ? "max_wal_senders (a restart is needed)" : "max_connections");
	else
		rc = err_set(err, ERR_CONNECT, "cannot connect to %s: %s, SQLSTATE %s", conn->label, text, state);
	if (err)
		snprintf(err->sqlstate, sizeof err->sqlstate, "%s", state);
	return rc;
}

/* Notices of the server are no diagnostics of ours; libpq would print them to standard error. */
static void drop_notice(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

static int start(struct pg_conn *conn, const struct pg_conn_opts *opts, struct err *err)
{
	const char *keys[12], *values[12];
	int n = 0;

	/* dbname is expanded where it stands; what follows wins over it, so only what must win follows. Empty values
	 * count as not given. */
	keys[n] = "fallback_application_name";
	values[n++] = "tarn";
	keys[n] = "keepalives_idle";
	values[n++] = "30";
	keys[n] = "keepalives_interval";
	values[n++] = "10";
	keys[n] = "keepalives_count";
	values[n++] = "3";
	keys[n] = "dbname";
	values[n++] = opts->conninfo;
	keys[n] = "password";
	values[n++] = opts->password;
	keys[n] = "keepalives";
	values[n++] = "1";
	keys[n] = "client_encoding";
	values[n++] = "UTF8";
	keys[n] = "replication";
	values[n++] = opts->replication ? "database" : NULL;
	keys[n] = NULL;
	values[n] = NULL;
	conn->raw = PQconnectStartParams(keys, values, 1);
	if (!conn->raw)
		return err_nomem(err);
	PQsetNoticeReceiver(conn->raw, drop_notice, NULL);
	PQsetErrorVerbosity(conn->raw, PQERRORS_VERBOSE);
	make_label(conn);
	if (PQstatus(conn->raw) == CONNECTION_BAD)
		return connect_failed(conn, err);
	return ERR_OK;
}

static int settle(struct pg_conn *conn, struct err *err)
{
	struct pg_result *result = NULL;

	PQsetErrorVerbosity(conn->raw, PQERRORS_DEFAULT);
	make_label(conn);
	if (strcmp(text_or(PQparameterStatus(conn->raw, "client_encoding"), ""), "UTF8") != 0)
		return err_set(err, ERR_SOURCE_SETUP, "%s: the server did not accept client_encoding UTF8",
		               conn->label);
	if (PQserverVersion(conn->raw) < 100000)
		return err_set(err, ERR_UNSUPPORTED,
		               "%s: PostgreSQL %d.%d has no pgoutput; version 10 or later is needed", conn->label,
		               PQserverVersion(conn->raw) / 10000, PQserverVersion(conn->raw) / 100 % 100);
	if (pg_query(conn, pg_sql_session_pin, NULL, 0, &result, err))
		return err_prefix(err, "pinning the session's settings");
	pg_result_free(result);
	conn->cancel = PQgetCancel(conn->raw);
	return conn->cancel ? ERR_OK : err_nomem(err);
}

/* libpq leaves connect_timeout to us, because the connection is made asynchronously: the caller's, else the string's
 * own (or PGCONNECT_TIMEOUT's), else ours. */
static int timeout_of(const struct pg_conn *conn, const struct pg_conn_opts *opts)
{
	PQconninfoOption *options;
	int64_t given = 0;

	if (opts->connect_timeout_s > 0)
		return opts->connect_timeout_s;
	options = PQconninfo(conn->raw);
	for (PQconninfoOption *o = options; o && o->keyword; o++)
		if (strcmp(o->keyword, "connect_timeout") == 0 && o->val &&
		    (!str_to_i64(str_of(o->val), &given) || given < 0 || given > 3600))
			given = 0;
	PQconninfoFree(options);
	return given > 0 ? (int)given : CONNECT_TIMEOUT_S;
}

int pg_conn_open(struct pg_conn **out, const struct pg_conn_opts *opts, struct err *err)
{
	struct pg_conn *conn;
	int rc = pg_conninfo_check(text_or(opts->conninfo, ""), err);

	if (rc)
		return rc;
	conn = mem_zero(sizeof *conn);
	if (!conn)
		return err_nomem(err);
	conn->replication = opts->replication;
	rc = start(conn, opts, err);
	if (!rc)
		rc = wait_connected(conn, timeout_of(conn, opts), err);
	if (!rc && PQstatus(conn->raw) != CONNECTION_OK)
		rc = connect_failed(conn, err);
	if (!rc)
		rc = settle(conn, err);
	if (rc) {
		pg_conn_close(conn);
		return rc;
	}
	*out = conn;
	return ERR_OK;
}

void pg_conn_close(struct pg_conn *conn)
{
	if (!conn)
		return;
	if (conn->cancel)
		PQfreeCancel(conn->cancel);
	if (conn->raw)
		PQfinish(conn->raw);
	mem_free(conn);
}

const char *pg_conn_label(const struct pg_conn *conn) { return conn->label; }
int pg_conn_server_version(const struct pg_conn *conn) { return PQserverVersion(conn->raw); }
bool pg_conn_alive(struct pg_conn *conn) { return PQstatus(conn->raw) == CONNECTION_OK; }

int pg_conn_cancel(struct pg_conn *conn, struct err *err)
{
	char text[256] = "", line[256];

	if (PQcancel(conn->cancel, text, sizeof text))
		return ERR_OK;
	pg_clean_line(line, sizeof line, text);
	return err_set(err, ERR_CONNECT, "%s: the statement could not be cancelled: %s", conn->label, line);
}

/* struct pg_result is libpq's PGresult under our name. */
static PGresult *result_raw(const struct pg_result *result) { return (PGresult *)(uintptr_t)result; }

int pg_query(struct pg_conn *conn, const char *sql, const char *const *params, int n_params, struct pg_result **out,
             struct err *err)
{
	/* Walsenders know the simple protocol only; without parameters both answer the same. */
	PGresult *result =
		n_params ? PQexecParams(conn->raw, sql, n_params, NULL, params, NULL, NULL, 0) : PQexec(conn->raw, sql);
	ExecStatusType status = PQresultStatus(result);
	int rc;

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
		if (out)
			*out = (struct pg_result *)result;
		else
			PQclear(result);
		return ERR_OK;
	}
	if (out)
		*out = NULL;
	rc = pg_fail(conn, result, "the statement failed", err);
	PQclear(result);
	return rc;
}

int pg_exec(struct pg_conn *conn, const char *sql, struct err *err) { return pg_query(conn, sql, NULL, 0, NULL, err); }

int pg_result_rows(const struct pg_result *result) { return result ? PQntuples(result_raw(result)) : 0; }
const char *pg_result_text(const struct pg_result *result, int row, int column)
{
	return PQgetvalue(result_raw(result), row, column);
}
bool pg_result_bool(const struct pg_result *result, int row, int column)
{
	return pg_result_text(result, row, column)[0] == 't';
}
uint32_t pg_result_u32(const struct pg_result *result, int row, int column)
{
	return (uint32_t)strtoul(pg_result_text(result, row, column), NULL, 10);
}
bool pg_result_null(const struct pg_result *result, int row, int column)
{
	return PQgetisnull(result_raw(result), row, column);
}
void pg_result_free(struct pg_result *result) { PQclear((PGresult *)result); }
