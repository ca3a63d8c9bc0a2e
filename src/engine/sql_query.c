/* src/engine/sql_query.c — statements in the worker: which are allowed, running them, sending rows.
 *
 * Allowed is what reads, and what changes only the worker's own memory (temporary tables, views, macros). DuckDB's
 * parser says what a statement is; text is never searched for forbidden words. COPY, EXPORT, ATTACH, INSTALL, LOAD,
 * SET, PRAGMA and CALL are refused; PREPARE and EXECUTE too, since what they run would escape this check; EXPLAIN is
 * allowed when what it explains is. */
#include "engine/sql_worker_int.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "engine/sql_text.h"

#define ROWS_BYTES ((size_t)64 << 10) /* a frame of rows is sent when it passes this */
#define ROW_BYTES_MAX ((size_t)128 << 20)

static bool allowed(duckdb_statement_type type)
{
	switch (type) {
	case DUCKDB_STATEMENT_TYPE_SELECT:
	case DUCKDB_STATEMENT_TYPE_INSERT:
	case DUCKDB_STATEMENT_TYPE_UPDATE:
	case DUCKDB_STATEMENT_TYPE_DELETE:
	case DUCKDB_STATEMENT_TYPE_CREATE:
	case DUCKDB_STATEMENT_TYPE_CREATE_FUNC:
	case DUCKDB_STATEMENT_TYPE_DROP:
	case DUCKDB_STATEMENT_TYPE_ALTER:
	case DUCKDB_STATEMENT_TYPE_TRANSACTION: return true;
	default: return false;
	}
}

static int refuse(struct err *err)
{
	return err_set(
		err, ERR_QUERY,
		"this kind of statement is not allowed here: queries (SELECT, WITH, SHOW, DESCRIBE, SUMMARIZE, EXPLAIN) and temporary tables and views are; "
		"reading or writing other files, extensions and settings are not");
}

static int query_error(struct sql_worker *worker, duckdb_error_type type, const char *text, struct err *err)
{
	struct str s = str_trim(str_of(text ? text : ""));
	char *copy = mem_strndup(s.p ? s.p : "", s.n);
	int rc = duck_error(err, type, copy, NULL);

	mem_free(copy);
	if (atomic_load(&worker->cancelled))
		return err_set(err, ERR_CANCELLED, "the query was cancelled");
	if (rc == ERR_BUG || rc == ERR_NOT_FOUND)
		err->code = rc = ERR_QUERY;
	return rc;
}

/* --- EXPLAIN --- */

static const char *skip_blanks(const char *p)
{
	for (;;) {
		while (isspace((unsigned char)*p))
			p++;
		if (p[0] == '-' && p[1] == '-') {
			while (*p && *p != '\n')
				p++;
		} else if (p[0] == '/' && p[1] == '*') {
			const char *end = strstr(p + 2, "*/");
			if (!end)
				return p;
			p = end + 2;
		} else {
			return p;
		}
	}
}

static const char *skip_word(const char *p, const char *word)
{
	size_t n = strlen(word);

	p = skip_blanks(p);
	return strncasecmp(p, word, n) == 0 && !isalnum((unsigned char)p[n]) && p[n] != '_' ? p + n : NULL;
}

/* Behind "(FORMAT json, ANALYZE)"; NULL when that is not what is there. */
static const char *skip_options(const char *p)
{
	p = skip_blanks(p);
	if (*p++ != '(')
		return NULL;
	while (isalnum((unsigned char)*p) || *p == '_' || *p == ',' || *p == ' ')
		p++;
	return *p == ')' ? p + 1 : NULL;
}

/* Is the text one statement of an allowed kind? */
static bool one_allowed(struct sql_worker *worker, const char *text)
{
	duckdb_extracted_statements extracted = NULL;
	duckdb_prepared_statement prepared = NULL;
	bool yes = false;

	if (duck_api.extract_statements(worker->conn, text, &extracted) == 1) {
		if (duck_api.prepare_extracted_statement(worker->conn, extracted, 0, &prepared) == DuckDBSuccess)
			yes = allowed(duck_api.prepared_statement_type(prepared));
		duck_api.destroy_prepare(&prepared);
	}
	duck_api.destroy_extracted(&extracted);
	return yes;
}

/* EXPLAIN ANALYZE runs what it explains, a COPY too; so what follows EXPLAIN must be allowed itself. Only a text that
 * is one statement can be cut like this. */
static bool explain_allowed(struct sql_worker *worker, const char *text, uint64_t n_statements)
{
	const char *p = n_statements == 1 ? skip_word(text, "EXPLAIN") : NULL, *next;

	if (!p)
		return false;
	if ((next = skip_word(p, "ANALYZE")))
		p = next;
	if ((next = skip_word(p, "VERBOSE")))
		p = next;
	if ((next = skip_options(p)) && one_allowed(worker, next))
		return true;
	return one_allowed(worker, p);
}

/* --- rows --- */

struct row_sender {
	struct sql_worker *worker;
	duckdb_logical_type *types;
	uint64_t n_columns;
	struct wbuf frame;
};

static int send_columns(struct row_sender *sender, duckdb_result *result, struct err *err)
{
	struct wbuf body;

	wbuf_init(&body, SQL_FRAME_MAX);
	wbuf_put_u32_le(&body, (uint32_t)sender->n_columns);
	for (uint64_t i = 0; i < sender->n_columns; i++) {
		struct wbuf type;
		wbuf_init(&type, 1 << 20);
		sql_text_type(sender->types[i], &type);
		sql_put_str(&body, str_of(duck_api.column_name(result, i)));
		sql_put_str(&body, wbuf_str(&type));
		wbuf_put_u8(&body, (uint8_t)sql_text_kind(sender->types[i]));
		wbuf_free(&type);
	}
	int rc = wbuf_check(&body, err, "the result's columns");
	if (!rc)
		rc = sql_frame_send(sender->worker->fd, SQL_COLUMNS, wbuf_str(&body), err);
	wbuf_free(&body);
	return rc;
}

static int flush(struct row_sender *sender, struct err *err)
{
	int rc = wbuf_check(&sender->frame, err, "a row of the result");

	if (!rc && sender->frame.n)
		rc = sql_frame_send(sender->worker->fd, SQL_ROWS, wbuf_str(&sender->frame), err);
	wbuf_reset(&sender->frame);
	return rc;
}

static int put_cell(struct row_sender *sender, duckdb_vector vector, uint64_t column, uint64_t row, struct err *err)
{
	struct wbuf *frame = &sender->frame;

	if (!sql_text_valid(vector, row)) {
		wbuf_put_u32_le(frame, SQL_NULL);
		return ERR_OK;
	}
	size_t at = frame->n;
	wbuf_put_u32_le(frame, 0);
	int rc = sql_text_value(vector, sender->types[column], row, frame, err);
	if (!rc && !wbuf_failed(frame)) {
		uint32_t n = (uint32_t)(frame->n - at - 4);
		memcpy(frame->p + at, &n, sizeof n);
	}
	return rc;
}

static int send_chunk(struct row_sender *sender, duckdb_data_chunk chunk, struct err *err)
{
	uint64_t n = duck_api.data_chunk_get_size(chunk);
	int rc = ERR_OK;

	for (uint64_t row = 0; row < n && !rc; row++) {
		for (uint64_t i = 0; i < sender->n_columns && !rc; i++)
			rc = put_cell(sender, duck_api.data_chunk_get_vector(chunk, i), i, row, err);
		if (!rc && (sender->frame.n > ROWS_BYTES || wbuf_failed(&sender->frame)))
			rc = flush(sender, err);
	}
	return rc;
}

/* Fetches to the end; with a sender the rows go out. */
static int drain(struct sql_worker *worker, duckdb_result *result, struct row_sender *sender, uint64_t *rows,
                 struct err *err)
{
	int rc = ERR_OK;

	for (;;) {
		duckdb_data_chunk chunk = atomic_load(&worker->cancelled) ? NULL : duck_api.fetch_chunk(*result);
		if (!chunk)
			break;
		uint64_t n = duck_api.data_chunk_get_size(chunk);
		if (sender)
			rc = send_chunk(sender, chunk, err);
		*rows += n;
		duck_api.destroy_data_chunk(&chunk);
		if (rc || n == 0)
			break;
	}
	const char *text = duck_api.result_error(result);
	if (!rc && ((text && *text) || atomic_load(&worker->cancelled)))
		rc = query_error(worker, duck_api.result_error_type(result), text, err);
	if (!rc && sender)
		rc = flush(sender, err);
	return rc;
}

static int send_result(struct sql_worker *worker, duckdb_result *result, uint64_t *rows, struct err *err)
{
	struct row_sender sender = { .worker = worker };
	int rc;

	/* CREATE and the like have a column "Count" or "Success" that nobody wants */
	if (duck_api.result_return_type(*result) == DUCKDB_RESULT_TYPE_QUERY_RESULT)
		sender.n_columns = duck_api.column_count(result);
	wbuf_init(&sender.frame, ROW_BYTES_MAX);
	sender.types = mem_array(sender.n_columns ? sender.n_columns : 1, sizeof *sender.types);
	if (!sender.types)
		return err_nomem(err);
	for (uint64_t i = 0; i < sender.n_columns; i++)
		sender.types[i] = duck_api.column_logical_type(result, i);
	rc = send_columns(&sender, result, err);
	if (!rc)
		rc = drain(worker, result, sender.n_columns ? &sender : NULL, rows, err);
	if (!sender.n_columns)
		*rows = 0;
	for (uint64_t i = 0; i < sender.n_columns; i++)
		duck_api.destroy_logical_type(&sender.types[i]);
	mem_free(sender.types);
	wbuf_free(&sender.frame);
	return rc;
}

/* --- statements --- */

static int execute(struct sql_worker *worker, duckdb_prepared_statement prepared, bool last, uint64_t *rows,
                   struct err *err)
{
	duckdb_pending_result pending = NULL;
	duckdb_result result;
	int rc;

	if (duck_api.pending_prepared_streaming(prepared, &pending) != DuckDBSuccess) {
		rc = query_error(worker, DUCKDB_ERROR_INVALID, duck_api.pending_error(pending), err);
		duck_api.destroy_pending(&pending);
		return rc;
	}
	if (duck_api.execute_pending(pending, &result) != DuckDBSuccess) {
		rc = query_error(worker, duck_api.result_error_type(&result), duck_api.result_error(&result), err);
	} else if (last) {
		rc = send_result(worker, &result, rows, err);
	} else {
		uint64_t ignored = 0;
		rc = drain(worker, &result, NULL, &ignored, err);
	}
	duck_api.destroy_result(&result);
	duck_api.destroy_pending(&pending);
	return rc;
}

static int run_one(struct sql_worker *worker, const char *text, duckdb_extracted_statements extracted, uint64_t i,
                   uint64_t n, uint64_t *rows, struct err *err)
{
	duckdb_prepared_statement prepared = NULL;
	int rc;

	if (atomic_load(&worker->cancelled))
		return err_set(err, ERR_CANCELLED, "the query was cancelled");
	if (duck_api.prepare_extracted_statement(worker->conn, extracted, i, &prepared) != DuckDBSuccess) {
		rc = query_error(worker, DUCKDB_ERROR_INVALID, duck_api.prepare_error(prepared), err);
	} else {
		duckdb_statement_type type = duck_api.prepared_statement_type(prepared);
		bool ok = type == DUCKDB_STATEMENT_TYPE_EXPLAIN ? explain_allowed(worker, text, n) : allowed(type);
		rc = ok ? execute(worker, prepared, i + 1 == n, rows, err) : refuse(err);
	}
	duck_api.destroy_prepare(&prepared);
	return rc;
}

int sql_query_run(struct sql_worker *worker, const char *text, uint64_t *rows, struct err *err)
{
	duckdb_extracted_statements extracted = NULL;
	uint64_t n = duck_api.extract_statements(worker->conn, text, &extracted);
	int rc = ERR_OK;

	*rows = 0;
	if (n == 0) {
		const char *why = duck_api.extract_statements_error(extracted);
		rc = why && *why ? query_error(worker, DUCKDB_ERROR_PARSER, why, err)
		                 : err_set(err, ERR_QUERY, "there is no statement in the text");
	}
	for (uint64_t i = 0; i < n && !rc; i++)
		rc = run_one(worker, text, extracted, i, n, rows, err);
	duck_api.destroy_extracted(&extracted);
	return rc;
}

/* The text is one SELECT on its own (checked first), so it is one inside the parentheses too; the line end closes a
 * trailing comment. */
int sql_query_parquet(struct sql_worker *worker, const char *text, uint64_t *rows, struct err *err)
{
	duckdb_extracted_statements extracted = NULL;
	duckdb_prepared_statement prepared = NULL;
	int rc = ERR_OK;

	*rows = 0;
	if (duck_api.extract_statements(worker->conn, text, &extracted) != 1) {
		const char *why = duck_api.extract_statements_error(extracted);
		rc = why && *why ? query_error(worker, DUCKDB_ERROR_PARSER, why, err)
		                 : err_set(err, ERR_QUERY, "for a Parquet file the text must be exactly one query");
	} else if (duck_api.prepare_extracted_statement(worker->conn, extracted, 0, &prepared) != DuckDBSuccess) {
		rc = query_error(worker, DUCKDB_ERROR_INVALID, duck_api.prepare_error(prepared), err);
	} else if (duck_api.prepared_statement_type(prepared) != DUCKDB_STATEMENT_TYPE_SELECT) {
		rc = err_set(err, ERR_QUERY, "for a Parquet file the statement must be a query (SELECT)");
	}
	duck_api.destroy_prepare(&prepared);
	duck_api.destroy_extracted(&extracted);
	if (rc)
		return rc;

	struct str query = str_trim(str_of(text));
	while (query.n && (query.p[query.n - 1] == ';' || isspace((unsigned char)query.p[query.n - 1])))
		query.n--;
	struct wbuf sql;
	duckdb_result result;
	wbuf_init(&sql, SQL_FRAME_MAX);
	wbuf_putz(&sql, "COPY (");
	wbuf_put_str(&sql, query);
	wbuf_putz(&sql, "\n) TO ");
	size_t path_bytes = strlen(worker->temp_dir) + sizeof SQL_PARQUET_NAME + 1;
	char *path = mem_alloc(path_bytes);
	if (path) {
		snprintf(path, path_bytes, "%s/%s", worker->temp_dir, SQL_PARQUET_NAME);
		wbuf_put_sql_literal(&sql, str_of(path));
		mem_free(path);
	}
	wbuf_putz(&sql, " (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)");
	rc = path ? wbuf_check(&sql, err, "the statement") : err_nomem(err);
	if (!rc) {
		if (duck_api.query(worker->conn, wbuf_cstr(&sql), &result) != DuckDBSuccess)
			rc = query_error(worker, duck_api.result_error_type(&result), duck_api.result_error(&result),
			                 err);
		else
			*rows = duck_api.rows_changed(&result);
		duck_api.destroy_result(&result);
	}
	wbuf_free(&sql);
	return rc;
}
