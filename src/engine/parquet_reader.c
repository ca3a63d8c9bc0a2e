/* src/engine/parquet_reader.c — columns of a Parquet file by Iceberg field id, as batches in row order.
 *
 * read_parquet(path, schema = MAP {id: {...}}) finds columns by id, casts to the type asked for (int files for a long
 * column) and fills columns that the file lacks with null. file_row_number is selected too, last: it is what
 * positions mean, and it proves the order. */
#include "engine/duck_int.h"

#include <stdio.h>

#include "base/mem.h"
#include "engine/duck_vector.h"

#define SQL_BYTES_MAX ((size_t)16 << 20)
#define POSITIONS_A_QUERY 4096

int parquet_schema_sql(const struct parquet_field *fields, uint16_t n_fields, struct wbuf *sql, struct err *err)
{
	wbuf_putz(sql, "MAP {");
	for (uint16_t i = 0; i < n_fields; i++) {
		char buf[DUCK_TYPE_TEXT_MAX];
		const char *type = duck_type_text(fields[i].type, buf);
		if (!type)
			return err_set(err, ERR_UNSUPPORTED, "column \"%s\" has no type that Parquet can hold",
			               fields[i].name);
		wbuf_putf(sql, "%s%d: {name: 'c%u', type: '%s', default_value: NULL}", i ? ", " : "", (int)fields[i].id,
		          (unsigned)i, type);
	}
	wbuf_putz(sql, "}");
	return ERR_OK;
}

static int select_sql(const char *path, const struct parquet_field *fields, uint16_t n_fields, struct wbuf *sql,
                      struct err *err)
{
	wbuf_putz(sql, "SELECT ");
	for (uint16_t i = 0; i < n_fields; i++)
		wbuf_putf(sql, "c%u, ", (unsigned)i);
	wbuf_putz(sql, "file_row_number FROM read_parquet([");
	wbuf_put_sql_literal(sql, str_of(path));
	wbuf_putz(sql, "], hive_partitioning = false, schema = ");
	int rc = parquet_schema_sql(fields, n_fields, sql, err);
	wbuf_putz(sql, ")");
	return rc;
}

/* A running query whose chunks are fetched one by one. */
struct stream {
	duckdb_connection conn;
	duckdb_result result;
	bool has_result;
};

static void stream_close(struct stream *stream)
{
	if (stream->has_result)
		duck_api.destroy_result(&stream->result);
	if (stream->conn)
		duck_api.disconnect(&stream->conn);
	*stream = (struct stream){ 0 };
}

static int run_pending(struct stream *stream, duckdb_prepared_statement prepared, struct err *err)
{
	duckdb_pending_result pending = NULL;
	int rc = ERR_OK;

	if (duck_api.pending_prepared_streaming(prepared, &pending) != DuckDBSuccess) {
		rc = duck_error(err, DUCKDB_ERROR_INVALID, duck_api.pending_error(pending), NULL);
	} else {
		stream->has_result = true;
		if (duck_api.execute_pending(pending, &stream->result) != DuckDBSuccess)
			rc = duck_error(err, duck_api.result_error_type(&stream->result),
			                duck_api.result_error(&stream->result), NULL);
	}
	duck_api.destroy_pending(&pending);
	return rc;
}

static int stream_open(struct stream *stream, struct duck *duck, const char *sql, struct err *err)
{
	duckdb_prepared_statement prepared = NULL;
	int rc;

	if (duck_api.connect(duck->db, &stream->conn) != DuckDBSuccess) {
		stream->conn = NULL;
		return err_set(err, ERR_NOMEM, "DuckDB gave no connection");
	}
	if (duck_api.prepare(stream->conn, sql, &prepared) != DuckDBSuccess)
		rc = duck_error(err, DUCKDB_ERROR_IO, duck_api.prepare_error(prepared), NULL);
	else
		rc = run_pending(stream, prepared, err);
	duck_api.destroy_prepare(&prepared);
	return rc;
}

/* The next chunk, or NULL at the end and on failure (rc tells). */
static duckdb_data_chunk stream_next(struct stream *stream, int *rc, struct err *err)
{
	duckdb_data_chunk chunk = duck_api.fetch_chunk(stream->result);
	const char *text = chunk ? NULL : duck_api.result_error(&stream->result);

	*rc = text && *text ? duck_error(err, duck_api.result_error_type(&stream->result), text, NULL) : ERR_OK;
	return chunk;
}

/* The file_row_number column: no row may be missing or out of order. */
static int check_order(duckdb_data_chunk chunk, uint16_t n_fields, uint32_t n, uint64_t expected, struct err *err)
{
	const int64_t *row = duck_api.vector_get_data(duck_api.data_chunk_get_vector(chunk, n_fields));

	for (uint32_t i = 0; i < n; i++) {
		if ((uint64_t)row[i] != expected + i)
			return err_set(err, ERR_BUG, "DuckDB gave row %lld where row %llu was due", (long long)row[i],
			               (unsigned long long)(expected + i));
	}
	return ERR_OK;
}

static struct batch *new_batch(const struct parquet_field *fields, uint16_t n_fields, uint32_t cap)
{
	struct type *types = mem_array(n_fields ? n_fields : 1, sizeof *types);

	if (!types)
		return NULL;
	for (uint16_t i = 0; i < n_fields; i++)
		types[i] = fields[i].type;
	struct batch *batch = batch_new(types, n_fields, cap);
	mem_free(types);
	return batch;
}

static int append_chunk(duckdb_data_chunk chunk, struct batch *batch, uint32_t n, struct err *err)
{
	for (uint16_t i = 0; i < batch->n_columns; i++) {
		int rc = duck_vector_get(duck_api.data_chunk_get_vector(chunk, i), n, batch, &batch->columns[i],
		                         batch->n, err);
		if (rc)
			return rc;
	}
	batch->n += n;
	return ERR_OK;
}

typedef int (*batch_fn)(void *arg, const struct batch *batch, uint64_t first_row, struct err *err);

static int read_chunks(struct stream *stream, struct batch *batch, batch_fn fn, void *arg, struct err *err)
{
	uint64_t first_row = 0; /* of batch */
	int rc = ERR_OK;

	for (;;) {
		duckdb_data_chunk chunk = stream_next(stream, &rc, err);
		uint32_t n = chunk ? (uint32_t)duck_api.data_chunk_get_size(chunk) : 0;
		if (batch->n && (n == 0 || batch->n + n > batch->cap) && !rc) {
			rc = fn(arg, batch, first_row, err);
			first_row += batch->n;
			batch_reset(batch);
		}
		if (n && !rc)
			rc = check_order(chunk, batch->n_columns, n, first_row + batch->n, err);
		if (n && !rc)
			rc = append_chunk(chunk, batch, n, err);
		if (chunk)
			duck_api.destroy_data_chunk(&chunk);
		if (rc || n == 0)
			return rc;
	}
}

int parquet_read(struct duck *duck, const char *path, const struct parquet_field *fields, uint16_t n_fields,
                 batch_fn fn, void *arg, struct err *err)
{
	struct stream stream = { 0 };
	struct wbuf sql;
	bool callers = false; /* the caller's own error keeps its words */

	wbuf_init(&sql, SQL_BYTES_MAX);
	int rc = select_sql(path, fields, n_fields, &sql, err);
	if (!rc)
		rc = wbuf_check(&sql, err, "the statement");
	if (!rc)
		rc = stream_open(&stream, duck, wbuf_cstr(&sql), err);
	struct batch *batch = rc ? NULL : new_batch(fields, n_fields, BATCH_ROWS);
	if (!rc && !batch)
		rc = err_nomem(err);
	if (!rc) {
		callers = true;
		rc = read_chunks(&stream, batch, fn, arg, err);
	}
	batch_free(batch);
	stream_close(&stream);
	wbuf_free(&sql);
	if (rc && !callers)
		err_prefix(err, "reading %s", path);
	return rc;
}

/* --- single rows --- */

static int rows_sql(const char *path, const struct parquet_field *fields, uint16_t n_fields, const uint64_t *positions,
                    size_t n, struct wbuf *sql, struct err *err)
{
	int rc = select_sql(path, fields, n_fields, sql, err);

	/* The range lets row groups be skipped; the list picks. */
	wbuf_putf(sql, " WHERE file_row_number BETWEEN %llu AND %llu AND file_row_number IN (",
	          (unsigned long long)positions[0], (unsigned long long)positions[n - 1]);
	for (size_t i = 0; i < n; i++)
		wbuf_putf(sql, "%s%llu", i ? "," : "", (unsigned long long)positions[i]);
	wbuf_putz(sql, ") ORDER BY file_row_number");
	return rc ? rc : wbuf_check(sql, err, "the statement");
}

/* Each asked position must come, once and in order. */
static int take_rows(struct stream *stream, struct batch *batch, const uint64_t *positions, size_t n_positions,
                     struct err *err)
{
	size_t at = 0;
	int rc = ERR_OK;

	for (;;) {
		duckdb_data_chunk chunk = stream_next(stream, &rc, err);
		if (!chunk)
			break;
		uint32_t n = (uint32_t)duck_api.data_chunk_get_size(chunk);
		const int64_t *row = duck_api.vector_get_data(duck_api.data_chunk_get_vector(chunk, batch->n_columns));
		for (uint32_t i = 0; i < n && !rc; i++) {
			if (at + i >= n_positions || (uint64_t)row[i] != positions[at + i])
				rc = err_set(
					err, ERR_CORRUPT, "row %llu is not in the file",
					(unsigned long long)positions[at + i < n_positions ? at + i : n_positions - 1]);
		}
		if (!rc)
			rc = append_chunk(chunk, batch, n, err);
		at += n;
		duck_api.destroy_data_chunk(&chunk);
		if (rc || n == 0)
			break;
	}
	if (!rc && at != n_positions)
		rc = err_set(err, ERR_CORRUPT, "row %llu is not in the file", (unsigned long long)positions[at]);
	return rc;
}

static int read_some(struct duck *duck, const char *path, const struct parquet_field *fields, uint16_t n_fields,
                     const uint64_t *positions, size_t n, struct batch *batch, struct err *err)
{
	struct stream stream = { 0 };
	struct wbuf sql;

	wbuf_init(&sql, SQL_BYTES_MAX);
	int rc = rows_sql(path, fields, n_fields, positions, n, &sql, err);
	if (!rc)
		rc = stream_open(&stream, duck, wbuf_cstr(&sql), err);
	if (!rc)
		rc = take_rows(&stream, batch, positions, n, err);
	stream_close(&stream);
	wbuf_free(&sql);
	return rc;
}

int parquet_read_rows(struct duck *duck, const char *path, const struct parquet_field *fields, uint16_t n_fields,
                      const uint64_t *positions, size_t n_positions, struct batch **out, struct err *err)
{
	if (n_positions > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "reading %s: %zu rows at once are too many", path, n_positions);
	for (size_t i = 1; i < n_positions; i++) {
		if (positions[i] <= positions[i - 1])
			return err_set(err, ERR_BUG, "reading %s: positions are not ascending", path);
	}
	struct batch *batch = new_batch(fields, n_fields, n_positions ? (uint32_t)n_positions : 1);
	if (!batch)
		return err_nomem(err);
	int rc = ERR_OK;
	for (size_t at = 0; at < n_positions && !rc; at += POSITIONS_A_QUERY) {
		size_t n = n_positions - at < POSITIONS_A_QUERY ? n_positions - at : POSITIONS_A_QUERY;
		rc = read_some(duck, path, fields, n_fields, positions + at, n, batch, err);
	}
	if (rc) {
		batch_free(batch);
		return err_prefix(err, "reading %s", path);
	}
	*out = batch;
	return ERR_OK;
}
