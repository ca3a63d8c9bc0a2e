/* src/pg/pg_copy.c — COPY (SELECT ...) TO STDOUT (FORMAT binary) under an imported snapshot. */
#include "pg/pg_copy.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "pg/pg_copy_lane.h"
#include "pg/pg_table_int.h"
#include "pg_sql.h"

/* A table of fewer blocks is read whole: a second connection costs as much as it saves. */
#define SPLIT_BLOCKS 1024
#define RANGE_BLOCKS_MIN 256
#define RANGE_BLOCKS_MAX 2048 /* 16 MB: beginning one takes a millisecond */
#define RANGES_PER_LANE 8     /* at the least, so that the lanes end together */
#define TID_RANGE_SCAN 140000 /* the first server that reads a range without reading the table */

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
static int compare_columns(struct pg_copy *copy, struct err *err)
{
	const struct relation *rel = copy->rel;
	struct pg_result *columns = NULL;
	uint16_t at = 0;
	int rc = pg_table_columns(copy->lanes[0].conn, rel->id, &columns, err);

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
static void put_table(const struct relation *rel, struct wbuf *sql)
{
	wbuf_putz(sql, " FROM ONLY ");
	wbuf_put_sql_ident(sql, str_of(rel->schema));
	wbuf_putz(sql, ".");
	wbuf_put_sql_ident(sql, str_of(rel->name));
}

/* The next range; one without ends when the table is read whole. */
static void put_statement(struct pg_copy *copy, struct wbuf *sql)
{
	const struct relation *rel = copy->rel;
	uint64_t from = copy->next;

	wbuf_putz(sql, "COPY (SELECT ");
	for (uint16_t i = 0; i < rel->n_columns; i++) {
		wbuf_putz(sql, i ? ", " : "");
		if (copy->as_text[i])
			put_as_text(rel->columns[i].name, sql);
		else
			wbuf_put_sql_ident(sql, str_of(rel->columns[i].name));
	}
	put_table(rel, sql);
	copy->next += copy->step;
	copy->all_begun = copy->step == 0 || copy->next >= copy->blocks;
	if (copy->step)
		wbuf_putf(sql, " WHERE ctid >= '(%llu,0)'", (unsigned long long)from);
	if (!copy->all_begun)
		wbuf_putf(sql, " AND ctid < '(%llu,0)'", (unsigned long long)copy->next);
	wbuf_putz(sql, ") TO STDOUT (FORMAT binary)");
}

int pg_copy_fail(const struct pg_copy *copy, struct pg_conn *conn, const PGresult *result, struct err *err)
{
	const struct relation *rel = copy->rel;
	char what[200];

	snprintf(what, sizeof what, "copying table %s.%s", rel->schema, rel->name);
	return pg_fail(conn, result, what, err);
}

/* The same with the statement that mends a missing right. */
static int refused(const struct pg_copy *copy, struct pg_conn *conn, const PGresult *result, struct err *err)
{
	const struct relation *rel = copy->rel;
	char cause[1024];
	int rc = pg_copy_fail(copy, conn, result, err);

	if (rc != ERR_PRIVILEGE)
		return rc;
	str_copy(cause, sizeof cause, str_of(err ? err->text : ""));
	return err_set(
		err, rc,
		"%s; run as its owner: GRANT SELECT ON \"%s\".\"%s\" TO \"%s\" (or give the role BYPASSRLS when row security is on)",
		cause, rel->schema, rel->name, PQuser(conn->raw));
}

/* TRUNCATE and the forms of ALTER TABLE that rewrite a table are not MVCC-safe: under a snapshot from before them the
 * table is empty (PostgreSQL manual, "Caveats" of concurrency control), and no message of the stream brings the
 * rewritten rows. So, once the table is locked (which the FROM does), the file that holds it now must be the one that
 * the snapshot sees; the catalog table is read under the snapshot, pg_relation_filenode is not. */
static int check_not_rewritten(const struct pg_copy *copy, struct pg_conn *conn, struct err *err)
{
	const struct relation *rel = copy->rel;
	struct wbuf sql;
	PGresult *result;
	int rc;

	wbuf_init(&sql, 0);
	wbuf_putz(&sql,
	          "SELECT c.relfilenode = pg_catalog.pg_relation_filenode(c.oid) FROM pg_catalog.pg_class c LEFT JOIN "
	          "(SELECT");
	put_table(rel, &sql);
	wbuf_putf(&sql, " LIMIT 0) t ON true WHERE c.oid = %u", rel->id);
	rc = wbuf_check(&sql, err, "a query");
	if (rc) {
		wbuf_free(&sql);
		return rc;
	}
	result = PQexec(conn->raw, wbuf_cstr(&sql));
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		rc = refused(copy, conn, result, err);
	else if (PQntuples(result) != 1 || PQgetvalue(result, 0, 0)[0] != 't')
		rc = err_set(
			err, ERR_CONFLICT,
			"table %s.%s was truncated or rewritten since the snapshot was taken; its copy begins again",
			rel->schema, rel->name);
	PQclear(result);
	wbuf_free(&sql);
	return rc;
}

/* The table's lock is held by the copy's first connection. A statement that waits for a stronger one would make this
 * connection wait behind it, and that statement waits for us: so not for long. */
int pg_copy_join(struct pg_conn *conn, const char *snapshot, const struct relation *rel, struct err *err)
{
	const struct pg_copy copy = { .rel = rel };
	int rc = pg_snapshot_import(conn, snapshot, err);

	if (!rc)
		rc = pg_exec(conn, "SET LOCAL lock_timeout = '1s'", err);
	return rc ? rc : check_not_rewritten(&copy, conn, err);
}

int pg_copy_blocks(struct pg_conn *conn, const struct relation *rel, uint32_t *blocks, struct err *err)
{
	const struct pg_copy copy = { .rel = rel };
	struct pg_result *result = NULL;
	char oid[16];
	uint64_t n = 0;
	int rc;

	*blocks = 0;
	if (pg_conn_server_version(conn) < TID_RANGE_SCAN)
		return ERR_OK;
	rc = check_not_rewritten(&copy, conn, err);
	if (rc)
		return rc;
	snprintf(oid, sizeof oid, "%u", rel->id);
	rc = pg_query(conn, pg_sql_table_blocks, (const char *[]){ oid }, 1, &result, err);
	if (!rc && pg_result_rows(result) == 1 && !pg_result_null(result, 0, 0) &&
	    !str_to_u64(str_of(pg_result_text(result, 0, 0)), &n))
		rc = err_set(err, ERR_PROTOCOL, "table %s.%s: the server's size of it is no number", rel->schema,
		             rel->name);
	pg_result_free(result);
	if (!rc && n >= SPLIT_BLOCKS && n < UINT32_MAX)
		*blocks = (uint32_t)n;
	return rc;
}

int pg_copy_begin(struct pg_copy *copy, struct pg_copy_lane *lane, struct err *err)
{
	struct wbuf sql;
	PGresult *result;
	int rc;

	if (copy->all_begun)
		return ERR_OK;
	wbuf_init(&sql, 0);
	put_statement(copy, &sql);
	rc = wbuf_check(&sql, err, "the COPY statement");
	if (rc) {
		wbuf_free(&sql);
		return rc;
	}
	lane->parser = (struct copy_parser){ .rel = copy->rel, .as_text = copy->as_text };
	result = PQexec(lane->conn->raw, wbuf_cstr(&sql));
	if (PQresultStatus(result) == PGRES_COPY_OUT) {
		lane->running = true;
		copy->n_running++;
	} else {
		rc = refused(copy, lane->conn, result, err);
	}
	PQclear(result);
	wbuf_free(&sql);
	return rc;
}

static uint32_t range_blocks(uint32_t blocks, size_t lanes)
{
	uint32_t step = blocks / (uint32_t)(lanes * RANGES_PER_LANE);

	return step < RANGE_BLOCKS_MIN ? RANGE_BLOCKS_MIN : step > RANGE_BLOCKS_MAX ? RANGE_BLOCKS_MAX : step;
}

static int open_lanes(struct pg_copy *copy, struct pg_conn *const *conns, size_t n, struct err *err)
{
	const struct relation *rel = copy->rel;
	int rc = ERR_OK;

	copy->as_text = mem_zero(rel->n_columns + 1u);
	if (!copy->as_text)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++)
		copy->lanes[i].conn = conns[i];
	copy->n = n;
	for (uint16_t i = 0; i < rel->n_columns; i++)
		CHECK(rel->columns[i].put, "column %s of %s has no put function", rel->columns[i].name, rel->name);
	rc = check_not_rewritten(copy, conns[0], err);
	if (!rc)
		rc = compare_columns(copy, err);
	for (size_t i = 0; !rc && i < n; i++)
		rc = pg_copy_begin(copy, &copy->lanes[i], err);
	return rc;
}

int pg_copy_open_split(struct pg_conn *const *conns, size_t n, const struct relation *rel, uint32_t blocks,
                       struct pg_copy **out, struct err *err)
{
	struct pg_copy *copy = mem_zero(sizeof *copy);
	int rc;

	CHECK(n >= 1 && n <= PG_COPY_CONNECTIONS_MAX);
	if (!copy)
		return err_nomem(err);
	copy->rel = rel;
	copy->blocks = blocks;
	copy->step = n > 1 ? range_blocks(blocks, n) : 0;
	rc = open_lanes(copy, conns, n, err);
	if (rc) {
		pg_copy_close(copy);
		return rc;
	}
	*out = copy;
	return ERR_OK;
}

int pg_copy_open(struct pg_conn *conn, const struct relation *rel, struct pg_copy **out, struct err *err)
{
	return pg_copy_open_split(&conn, 1, rel, 0, out, err);
}
