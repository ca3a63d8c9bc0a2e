/* src/engine/sql.h — user SQL in a worker process: the same binary executed again (`tarn worker`), unprivileged, one
 * locked-down DuckDB, speaking over a socket pair.
 *
 * The caller (gateway) resolves tables to files beforehand; the worker gets only their paths (allowed_paths), the
 * deletion bitmaps, and the statement. No external access, no extension loading, settings locked; memory, threads and
 * time limited; a private temp folder. A crash of the worker is ERR_WORKER with how it died; it never hurts the
 * caller. One thread uses a session; sql_cancel is for any thread. */
#ifndef TARN_ENGINE_SQL_H
#define TARN_ENGINE_SQL_H

#include "base/err.h"
#include "base/str.h"
#include "event/type.h"

struct sql_session;

struct sql_limits {
	uint64_t memory_bytes;
	int threads;
	int64_t time_us;
	uint64_t temp_bytes;
};

struct sql_file {
	const char *path; /* local file */
	/* the deletion vector's 64-bit roaring bytes as in Puffin (magic on), or NULL */
	const uint8_t *dv;
	size_t dv_bytes;
	uint64_t rows;        /* of the file */
	int64_t first_row_id; /* -1: none */
};
struct sql_column {
	const char *name;
	struct type type;
	int32_t field_id;
	int32_t elem_id;
};
/* A view schema.name over Parquet files, columns by field id, deleted rows filtered. */
struct sql_table {
	const char *schema, *name;
	const struct sql_column *columns;
	size_t n_columns;
	const struct sql_file *files;
	size_t n_files;
};

/* starts the worker */
int sql_open(const struct sql_limits *limits, struct sql_session **out, struct err *err) TARN_MUST_CHECK;
void sql_close(struct sql_session *session); /* kills the worker */
int sql_add_table(struct sql_session *session, const struct sql_table *table, struct err *err) TARN_MUST_CHECK;
/* After the last sql_add_table and before the first sql_run: external access goes off and settings are locked; then
 * the worker probes itself (reading a foreign file must fail). */
int sql_lock(struct sql_session *session, struct err *err) TARN_MUST_CHECK;

/* Results come as frames: columns first, then rows as text cells (NULL: p NULL). type_name is DuckDB's ("BIGINT"),
 * kind tells numbers and booleans from text for JSON. */
enum sql_kind { SQL_KIND_TEXT, SQL_KIND_NUMBER, SQL_KIND_BOOL, SQL_KIND_JSON /* nested values, as JSON text */ };
struct sql_result_column {
	const char *name;
	const char *type_name;
	enum sql_kind kind;
};
struct sql_sink {
	int (*columns)(void *arg, const struct sql_result_column *columns, size_t n, struct err *err);
	/* non-zero stops the query and is returned */
	int (*row)(void *arg, const struct str *cells, size_t n, struct err *err);
	void *arg;
};
/* One statement or several divided by ';'; the last one's rows go to sink. ERR_QUERY with DuckDB's message;
 * ERR_CANCELLED, ERR_TIMEOUT, ERR_LIMIT (memory), ERR_WORKER. */
int sql_run(struct sql_session *session, const char *statement, const struct sql_sink *sink,
            struct err *err) TARN_MUST_CHECK;
/* The rows as a Parquet file at local path. */
int sql_run_to_parquet(struct sql_session *session, const char *statement, const char *path,
                       struct err *err) TARN_MUST_CHECK;
void sql_cancel(struct sql_session *session);         /* any thread, signal-safe */
bool sql_is_alive(const struct sql_session *session); /* false: the worker died or was killed; close the session */

/* The worker's main: called by `tarn worker`, which is not in help. Returns the exit status. */
int sql_worker_main(int fd);

#endif
