/* src/pg/pg_copy.c — COPY (SELECT ...) TO STDOUT (FORMAT binary) under an imported snapshot. */
#include "pg/pg_copy.h"

#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/mem.h"
#include "pg/pg_conn_int.h"
#include "pg/pg_copy_int.h"
#include "pg/pg_table_int.h"

#define NAP_US 250 /* some 50 KB at full speed: less than any socket's buffer */

struct pg_copy {
	struct pg_conn *conn;
	struct copy_parser parser;
	uint8_t *as_text; /* owned, parser.as_text */
	char *message;    /* libpq's, the rest of the last CopyData; NULL: none */
	size_t n, at;
	bool running; /* the server is in COPY */
	bool ended;   /* and has said that all is sent */
};

int pg_snapshot_import(struct pg_conn *conn, const char *snapshot, struct err *err)
{
	struct wbuf sql;
	int rc = pg_exec(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);

	if (rc)
		return rc;
	wbuf_init(&sql, 0);
	wbuf_putz(&sql, "SET TRANSACTION SNAPSHOT ");
	wbuf_put_sql_literal(&sql, str_of(snapshot));
	rc = wbuf_check(&sql, err, "the snapshot's name");
	if (!rc)
		rc = pg_exec(conn, wbuf_cstr(&sql), err);
	wbuf_free(&sql);
	if (rc) {
		/* 22023 (42704 in newer servers): no such snapshot */
		if (rc == ERR_NOT_FOUND || (err && strcmp(err->sqlstate, "22023") == 0))
			rc = err_set(
				err, ERR_NOT_FOUND,
				"%s: snapshot %s is gone: it lives only while the connection that exported it stays open and idle; begin the copy again",
				conn->label, snapshot);
		if (pg_exec(conn, "ROLLBACK", NULL))
			return rc; /* the connection is gone with its transaction */
	}
	return rc;
}

int pg_snapshot_end(struct pg_conn *conn, struct err *err) { return pg_exec(conn, "COMMIT", err); }

/* The present columns must be rel's, in its order; as_text is filled on the way. */
static int compare_columns(struct pg_copy *copy, const struct relation *rel, struct err *err)
{
	struct pg_result *columns = NULL;
	uint16_t at = 0;
	int rc = pg_table_columns(copy->conn, rel->id, &columns, err);

	for (int row = 0; !rc && row < pg_result_rows(columns); row++) {
		const struct rel_column *col = at < rel->n_columns ? &rel->columns[at] : NULL;
		struct pg_column_facts now;

		pg_column_facts(columns, row, &now);
		if (now.generated)
			continue;
		if (!col)
			rc = err_set(err, ERR_CONFLICT,
			             "table %s.%s has a new column \"%s\"; its description has to be read again",
			             rel->schema, rel->name, now.name);
		else if (strcmp(col->name, now.name) != 0 || col->source_type != now.type.oid ||
		         col->typmod != now.type.typmod)
			rc = err_set(
				err, ERR_CONFLICT,
				"table %s.%s changed: column %u is \"%s\" %s now, was \"%s\" %s; its description has to be read again",
				rel->schema, rel->name, at + 1u, now.name, now.type_name, col->name,
				col->source_type_name);
		else
			copy->as_text[at++] = !pg_type_binary_ok(&now.type);
	}
	if (!rc && at == 0)
		rc = err_set(err, ERR_CONFLICT, "table %s.%s is not there any more", rel->schema, rel->name);
	else if (!rc && at < rel->n_columns)
		rc = err_set(err, ERR_CONFLICT,
		             "table %s.%s: column \"%s\" is not there any more; its description has to be read again",
		             rel->schema, rel->name, rel->columns[at].name);
	pg_result_free(columns);
	return rc;
}

/* A column as its type's output function writes it, which is what the stream sends: format() calls it; a cast to text
 * does not for every type ('10.0.0.1/32', 'true'). */
static void put_as_text(const char *column, struct wbuf *sql)
{
	wbuf_putz(sql, "CASE WHEN ");
	wbuf_put_sql_ident(sql, str_of(column));
	wbuf_putz(sql, " IS NOT DISTINCT FROM NULL THEN NULL ELSE pg_catalog.format('%s', ");
	wbuf_put_sql_ident(sql, str_of(column));
	wbuf_putz(sql, ") END");
}

/* ONLY: inheritance children are tables of their own, in the publication too. */
static void put_statement(const struct pg_copy *copy, const struct relation *rel, struct wbuf *sql)
{
	wbuf_putz(sql, "COPY (SELECT ");
	for (uint16_t i = 0; i < rel->n_columns; i++) {
		wbuf_putz(sql, i ? ", " : "");
		if (copy->as_text[i])
			put_as_text(rel->columns[i].name, sql);
		else
			wbuf_put_sql_ident(sql, str_of(rel->columns[i].name));
	}
	wbuf_putz(sql, " FROM ONLY ");
	wbuf_put_sql_ident(sql, str_of(rel->schema));
	wbuf_putz(sql, ".");
	wbuf_put_sql_ident(sql, str_of(rel->name));
	wbuf_putz(sql, ") TO STDOUT (FORMAT binary)");
}

static int copy_failed(struct pg_copy *copy, const PGresult *result, const struct relation *rel, struct err *err)
{
	char what[200], cause[1024];
	int rc;

	snprintf(what, sizeof what, "copying table %s.%s", rel->schema, rel->name);
	rc = pg_fail(copy->conn, result, what, err);
	if (rc != ERR_PRIVILEGE)
		return rc;
	str_copy(cause, sizeof cause, str_of(err ? err->text : ""));
	return err_set(
		err, rc,
		"%s; run as its owner: GRANT SELECT ON \"%s\".\"%s\" TO \"%s\" (or give the role BYPASSRLS when row security is on)",
		cause, rel->schema, rel->name, PQuser(copy->conn->raw));
}

/* TRUNCATE and the forms of ALTER TABLE that rewrite a table are not MVCC-safe: under a snapshot from before them the
 * table is empty (PostgreSQL manual, "Caveats" of concurrency control), and no message of the stream brings the
 * rewritten rows. So, once the table is locked (which the FROM does), the file that holds it now must be the one that
 * the snapshot sees; the catalog table is read under the snapshot, pg_relation_filenode is not. */
static int check_not_rewritten(struct pg_copy *copy, const struct relation *rel, struct err *err)
{
	struct wbuf sql;
	PGresult *result;
	int rc;

	wbuf_init(&sql, 0);
	wbuf_putz(&sql,
	          "SELECT c.relfilenode = pg_catalog.pg_relation_filenode(c.oid) FROM pg_catalog.pg_class c LEFT JOIN "
	          "(SELECT FROM ONLY ");
	wbuf_put_sql_ident(&sql, str_of(rel->schema));
	wbuf_putz(&sql, ".");
	wbuf_put_sql_ident(&sql, str_of(rel->name));
	wbuf_putf(&sql, " LIMIT 0) t ON true WHERE c.oid = %u", rel->id);
	rc = wbuf_check(&sql, err, "a query");
	if (rc) {
		wbuf_free(&sql);
		return rc;
	}
	result = PQexec(copy->conn->raw, wbuf_cstr(&sql));
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		rc = copy_failed(copy, result, rel, err);
	else if (PQntuples(result) != 1 || PQgetvalue(result, 0, 0)[0] != 't')
		rc = err_set(
			err, ERR_CONFLICT,
			"table %s.%s was truncated or rewritten since the snapshot was taken; its copy begins again",
			rel->schema, rel->name);
	PQclear(result);
	wbuf_free(&sql);
	return rc;
}

static int begin_copy(struct pg_copy *copy, const struct relation *rel, struct err *err)
{
	struct wbuf sql;
	PGresult *result;
	int rc;

	wbuf_init(&sql, 0);
	put_statement(copy, rel, &sql);
	rc = wbuf_check(&sql, err, "the COPY statement");
	if (rc) {
		wbuf_free(&sql);
		return rc;
	}
	result = PQexec(copy->conn->raw, wbuf_cstr(&sql));
	if (PQresultStatus(result) == PGRES_COPY_OUT) {
		copy->running = true;
	} else {
		rc = copy_failed(copy, result, rel, err);
	}
	PQclear(result);
	wbuf_free(&sql);
	return rc;
}

int pg_copy_open(struct pg_conn *conn, const struct relation *rel, struct pg_copy **out, struct err *err)
{
	struct pg_copy *copy = mem_zero(sizeof *copy);
	int rc = ERR_OK;

	if (!copy)
		return err_nomem(err);
	copy->conn = conn;
	copy->as_text = mem_zero(rel->n_columns + 1u);
	copy->parser = (struct copy_parser){ .rel = rel, .as_text = copy->as_text };
	if (!copy->as_text)
		rc = err_nomem(err);
	for (uint16_t i = 0; !rc && i < rel->n_columns; i++)
		CHECK(rel->columns[i].put, "column %s of %s has no put function", rel->columns[i].name, rel->name);
	if (!rc)
		rc = check_not_rewritten(copy, rel, err);
	if (!rc)
		rc = compare_columns(copy, rel, err);
	if (!rc)
		rc = begin_copy(copy, rel, err);
	if (rc) {
		pg_copy_close(copy);
		return rc;
	}
	*out = copy;
	return ERR_OK;
}

/* The server has sent all rows or failed: its last words. */
static int end_copy(struct pg_copy *copy, struct err *err)
{
	const struct relation *rel = copy->parser.rel;
	PGresult *result;
	int rc = ERR_OK;

	copy->running = false;
	copy->ended = true;
	while ((result = PQgetResult(copy->conn->raw)) != NULL) {
		if (!rc && PQresultStatus(result) != PGRES_COMMAND_OK) {
			char what[200];

			snprintf(what, sizeof what, "copying table %s.%s", rel->schema, rel->name);
			rc = pg_fail(copy->conn, result, what, err);
		}
		PQclear(result);
		if (PQstatus(copy->conn->raw) != CONNECTION_OK)
			break;
	}
	if (!rc && PQstatus(copy->conn->raw) != CONNECTION_OK)
		rc = pg_fail(copy->conn, NULL, "copying a table", err);
	if (!rc && !copy->parser.trailer_seen)
		rc = err_set(err, ERR_PROTOCOL, "table %s.%s: COPY ended without its trailer", rel->schema, rel->name);
	return rc;
}

/* More bytes into libpq. The server sends by 8 KB, and waking this thread for each costs both sides as much as the
 * rows themselves: when nothing is at hand the socket is left to fill for a moment first, and only then waited for.
 * `tries` counts the turns without a row. */
static bool wait_for_rows(PGconn *raw, int tries)
{
	struct pollfd fd = { .fd = PQsocket(raw), .events = POLLIN };

	if (tries == 1)
		env_sleep_us(NAP_US);
	else if (tries > 1)
		(void)env_poll(&fd, 1, -1);
	return PQconsumeInput(raw) == 1;
}

/* The next CopyData as PQgetCopyData gives it: its length, -1 at the end, -2 when it failed. */
static int next_message(struct pg_copy *copy)
{
	PGconn *raw = copy->conn->raw;
	int n, tries = 0;

	while ((n = PQgetCopyData(raw, &copy->message, 1)) == 0)
		if (!wait_for_rows(raw, tries++))
			return -2;
	return n;
}

int pg_copy_read(struct pg_copy *copy, struct batch *batch, bool *done, struct err *err)
{
	int rc;

	*done = copy->ended;
	if (!copy->ended && !copy->running)
		return err_set(err, ERR_LOST, "%s: the copy of %s.%s has failed before", copy->conn->label,
		               copy->parser.rel->schema, copy->parser.rel->name);
	while (!copy->ended && batch->n < batch->cap) {
		int n;

		if (!copy->message) {
			n = next_message(copy);
			if (n < 0) {
				copy->message = NULL;
				rc = end_copy(copy, err);
				*done = rc == ERR_OK;
				if (rc)
					copy->ended = false;
				return rc;
			}
			copy->n = (size_t)n;
			copy->at = 0;
		}
		rc = copy_parse(&copy->parser, (const uint8_t *)copy->message, copy->n, &copy->at, batch, err);
		if (rc)
			return rc;
		if (copy->at == copy->n) {
			PQfreemem(copy->message);
			copy->message = NULL;
		}
	}
	return ERR_OK;
}

void pg_copy_close(struct pg_copy *copy)
{
	if (!copy)
		return;
	PQfreemem(copy->message);
	if (copy->running) {
		char *rest;
		/* not cancelled (the server may be done already): then the rest is read */
		bool cancelled = pg_conn_cancel(copy->conn, NULL) == ERR_OK;

		(void)cancelled;
		while (PQgetCopyData(copy->conn->raw, &rest, 0) > 0)
			PQfreemem(rest);
		end_copy(copy, NULL);
	}
	mem_free(copy->as_text);
	mem_free(copy);
}
