/* src/engine/sql_worker_int.h — the worker process from inside: shared by sql_worker.c, sql_views.c, sql_guard.c and
 * sql_query.c. Private to engine/.
 *
 * Two threads: the main one runs statements; the reader (started with the lock) takes frames from the socket, so that
 * a cancel is seen while a statement runs, and ends the process when the session's end is closed, whatever DuckDB is
 * doing. */
#ifndef TARN_ENGINE_SQL_WORKER_INT_H
#define TARN_ENGINE_SQL_WORKER_INT_H

#include <stdatomic.h>

#include "base/thread.h"
#include "engine/duck_api.h"
#include "engine/dv_bitmap.h"
#include "engine/sql_protocol.h"

struct worker_column {
	char *name;
	struct type type;
	int32_t field_id, elem_id;
};
struct worker_file {
	char *path;
	uint64_t rows;
	bool has_dv;
	struct dv_bitmap dv;
};

struct worker_table {
	char *schema, *name;
	struct worker_column *columns;
	size_t n_columns;
	struct worker_file *files;
	size_t n_files, cap_files;
	/* those with a vector, in order: what file_index counts; made by sql_views_create */
	struct worker_file **dv_files;
	size_t n_dv;
};

struct sql_worker {
	int fd;
	struct sql_limits limits;
	char *temp_dir;
	struct worker_table *tables;
	size_t n_tables, cap_tables;
	duckdb_database db;
	duckdb_connection conn; /* valid from lock to the end: the reader thread interrupts it */
	struct thread *reader;
	struct monitor monitor; /* the request handed over by the reader */
	bool has_request;
	uint8_t request_type;
	char *request; /* zero-ended text */
	size_t request_n;
	atomic_bool cancelled; /* the running statement shall stop */
};

/* sql_guard.c, in this order: limits at start, the sandbox before the first thread, settings after the views, then
 * the probes. */
int sql_guard_limits(struct sql_worker *worker, struct err *err) TARN_MUST_CHECK;
int sql_guard_sandbox(struct sql_worker *worker, struct err *err) TARN_MUST_CHECK;
int sql_guard_settings(struct sql_worker *worker, struct err *err) TARN_MUST_CHECK;
int sql_guard_probe(struct sql_worker *worker, struct err *err) TARN_MUST_CHECK;

/* sql_views.c: registers tarn_live and makes a view per table. */
int sql_views_create(struct sql_worker *worker, struct err *err) TARN_MUST_CHECK;

/* sql_query.c: runs the text, sends columns and rows; *rows counts. */
int sql_query_run(struct sql_worker *worker, const char *text, uint64_t *rows, struct err *err) TARN_MUST_CHECK;
int sql_query_parquet(struct sql_worker *worker, const char *text, uint64_t *rows, struct err *err) TARN_MUST_CHECK;

#endif
