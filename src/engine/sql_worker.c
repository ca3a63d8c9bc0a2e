/* src/engine/sql_worker.c — the worker process: takes tables, locks itself down, runs statements. */
#include "engine/sql_worker_int.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"

#define COLUMNS_MAX 4096

/* --- requests before the lock: the tables --- */

static char *take_z(struct str s) { return s.p && !memchr(s.p, 0, s.n) ? mem_strndup(s.p, s.n) : NULL; }

static int on_open(struct sql_worker *worker, struct str body, struct err *err)
{
	struct rbuf in = rbuf_of(body.p, body.n);

	worker->limits.memory_bytes = rbuf_u64_le(&in);
	worker->limits.threads = (int)rbuf_u32_le(&in);
	worker->limits.temp_bytes = rbuf_u64_le(&in);
	worker->limits.time_us = (int64_t)rbuf_u64_le(&in);
	worker->temp_dir = take_z(sql_get_str(&in));
	if (!rbuf_done(&in) || !worker->temp_dir)
		return err_set(err, ERR_PROTOCOL, "a broken request to the query worker");
	int rc = duck_load(err); /* before the sandbox closes the file system */
	return rc ? rc : sql_guard_limits(worker, err);
}

static int on_table(struct sql_worker *worker, struct str body, struct err *err)
{
	struct rbuf in = rbuf_of(body.p, body.n);
	char type[DUCK_TYPE_TEXT_MAX];

	if (vec_grow(&worker->tables, &worker->cap_tables, worker->n_tables + 1, sizeof *worker->tables))
		return err_nomem(err);
	struct worker_table *table = &worker->tables[worker->n_tables++];
	*table = (struct worker_table){ 0 };
	table->schema = take_z(sql_get_str(&in));
	table->name = take_z(sql_get_str(&in));
	table->n_columns = rbuf_u32_le(&in);
	if (table->n_columns == 0 || table->n_columns > COLUMNS_MAX || !table->schema || !table->name)
		return err_set(err, ERR_PROTOCOL, "a table needs a name and 1 to %d columns", COLUMNS_MAX);
	table->columns = mem_array(table->n_columns, sizeof *table->columns);
	if (!table->columns)
		return err_nomem(err);
	for (size_t i = 0; i < table->n_columns; i++) {
		struct worker_column *column = &table->columns[i];
		column->name = take_z(sql_get_str(&in));
		memcpy(&column->type, rbuf_take(&in, sizeof column->type), sizeof column->type);
		column->field_id = (int32_t)rbuf_u32_le(&in);
		column->elem_id = (int32_t)rbuf_u32_le(&in);
		if (!column->name || !rbuf_ok(&in) || !duck_type_text(column->type, type))
			return err_set(err, ERR_PROTOCOL, "table %s.%s: a column without name or type", table->schema,
			               table->name);
	}
	return rbuf_done(&in) ? ERR_OK : err_set(err, ERR_PROTOCOL, "a broken request to the query worker");
}

static int on_file(struct sql_worker *worker, struct str body, struct err *err)
{
	struct rbuf in = rbuf_of(body.p, body.n);
	struct worker_table *table = worker->n_tables ? &worker->tables[worker->n_tables - 1] : NULL;

	if (!table || vec_grow(&table->files, &table->cap_files, table->n_files + 1, sizeof *table->files))
		return err_nomem(err);
	struct worker_file *file = &table->files[table->n_files];
	*file = (struct worker_file){ 0 };
	file->path = take_z(sql_get_str(&in));
	file->rows = rbuf_u64_le(&in);
	file->has_dv = rbuf_u8(&in);
	struct str dv = sql_get_str(&in);
	if (!rbuf_done(&in) || !file->path)
		return err_set(err, ERR_PROTOCOL, "a broken request to the query worker");
	table->n_files++;
	if (!file->has_dv)
		return ERR_OK;
	int rc = dv_bitmap_read(&file->dv, dv, file->rows, err);
	return rc ? err_prefix(err, "%s.%s, file %s", table->schema, table->name, file->path) : ERR_OK;
}

/* --- the lock --- */

static int open_database(struct sql_worker *worker, struct err *err)
{
	char memory[32], sql[96];
	const char *settings[] = {
		"allow_community_extensions",
		"false",
		"allow_unsigned_extensions",
		"false",
		"autoinstall_known_extensions",
		"false",
		"autoload_known_extensions",
		"false",
		"allow_unredacted_secrets",
		"false",
		"memory_limit",
		memory,
		"threads",
		"1",
		"temp_directory",
		worker->temp_dir,
		NULL,
	};

	snprintf(memory, sizeof memory, "%lluB", (unsigned long long)worker->limits.memory_bytes);
	int rc = duck_instance_open(&worker->db, settings, err);
	if (!rc && duck_api.connect(worker->db, &worker->conn) != DuckDBSuccess)
		rc = err_set(err, ERR_NOMEM, "DuckDB gave no connection");
	/* These need a running instance (as configuration they crash it). */
	snprintf(sql, sizeof sql, "SET max_temp_directory_size = '%lluB'",
	         (unsigned long long)worker->limits.temp_bytes);
	if (!rc)
		rc = duck_exec(worker->conn, sql, NULL, err);
	if (!rc)
		rc = duck_exec(worker->conn, "SET GLOBAL allow_persistent_secrets = false", NULL, err);
	return rc ? rc : duck_exec(worker->conn, "SET GLOBAL TimeZone = 'UTC'", NULL, err);
}

/* The instance opens before the sandbox, since it reads the cgroup's limits, and with one thread: the sandbox holds
 * for the calling thread and those it starts from then on, so DuckDB's others are started after it. */
static int on_lock(struct sql_worker *worker, struct err *err)
{
	char sql[48];
	int rc = open_database(worker, err);

	if (!rc)
		rc = sql_guard_sandbox(worker, err);
	snprintf(sql, sizeof sql, "SET threads = %d", worker->limits.threads);
	if (!rc)
		rc = duck_exec(worker->conn, sql, NULL, err);
	if (!rc)
		rc = sql_views_create(worker, err);
	if (!rc)
		rc = sql_guard_settings(worker, err);
	if (!rc)
		rc = sql_guard_probe(worker, err);
	return rc;
}

/* --- answers --- */

static int answer(struct sql_worker *worker, int rc, uint64_t rows, const struct err *why)
{
	struct wbuf body;
	struct err err;

	wbuf_init(&body, 0);
	if (rc) {
		wbuf_put_u32_le(&body, (uint32_t)rc);
		sql_put_str(&body, str_of(why->text));
	} else {
		wbuf_put_u64_le(&body, rows);
	}
	int sent = sql_frame_send(worker->fd, rc ? SQL_ERROR : SQL_OK, wbuf_str(&body), &err);
	wbuf_free(&body);
	return sent;
}

/* Files of a table get no answer each; a failure is kept for the table's end. */
static int set_up(struct sql_worker *worker, struct sql_inbox *inbox)
{
	struct sql_frame frame;
	struct err err = { 0 };
	int rc = ERR_OK;

	for (;;) {
		int got = sql_inbox_next(inbox, &frame, &err);
		if (got < 0 || (got == 0 && sql_inbox_fill(inbox, worker->fd, &err)))
			return -1;
		if (got == 0)
			continue;
		switch (frame.type) {
		case SQL_OPEN: rc = on_open(worker, frame.body, &err); break;
		case SQL_TABLE: rc = on_table(worker, frame.body, &err); continue;
		case SQL_FILE:
			if (!rc)
				rc = on_file(worker, frame.body, &err);
			continue;
		case SQL_TABLE_END: break;
		case SQL_LOCK: rc = on_lock(worker, &err); break;
		case SQL_CANCEL: continue;
		default: rc = err_set(&err, ERR_PROTOCOL, "a request of kind '%c' before the lock", frame.type);
		}
		if (answer(worker, rc, 0, &err) || rc)
			return -1; /* a worker that failed once is not used again */
		if (frame.type == SQL_LOCK)
			return 0;
	}
}

/* --- after the lock: two threads --- */

static void hand_over(struct sql_worker *worker, const struct sql_frame *frame)
{
	monitor_lock(&worker->monitor);
	while (worker->has_request)
		monitor_wait(&worker->monitor, -1);
	worker->request = mem_strndup(frame->body.p, frame->body.n);
	worker->request_type = worker->request ? frame->type : 0;
	worker->request_n = frame->body.n;
	worker->has_request = true;
	atomic_store(&worker->cancelled, false);
	monitor_wake(&worker->monitor);
	monitor_unlock(&worker->monitor);
}

/* The reader thread. _exit, not exit: DuckDB's threads are running. */
static void read_requests(void *arg)
{
	struct sql_worker *worker = ((void **)arg)[0];
	struct sql_inbox *inbox = ((void **)arg)[1];
	struct sql_frame frame;
	struct err err;

	for (;;) {
		int got = sql_inbox_next(inbox, &frame, &err);
		if (got < 0 || (got == 0 && sql_inbox_fill(inbox, worker->fd, &err)))
			_exit(0);
		if (got == 0)
			continue;
		if (frame.type == SQL_CANCEL) {
			atomic_store(&worker->cancelled, true);
			duck_api.interrupt(worker->conn);
		} else {
			hand_over(worker, &frame);
		}
	}
}

static int serve_one(struct sql_worker *worker)
{
	struct err err = { 0 };
	uint64_t rows = 0;
	int rc;

	monitor_lock(&worker->monitor);
	while (!worker->has_request)
		monitor_wait(&worker->monitor, -1);
	char *text = worker->request;
	uint8_t type = worker->request_type;
	size_t n = worker->request_n;
	worker->request = NULL;
	worker->has_request = false;
	monitor_wake(&worker->monitor);
	monitor_unlock(&worker->monitor);

	if (!text)
		rc = err_nomem(&err);
	else if (strlen(text) != n)
		rc = err_set(&err, ERR_QUERY, "the statement holds a zero byte");
	else if (type == SQL_QUERY)
		rc = sql_query_run(worker, text, &rows, &err);
	else if (type == SQL_PARQUET)
		rc = sql_query_parquet(worker, text, &rows, &err);
	else
		rc = err_set(&err, ERR_PROTOCOL, "a request of kind '%c' after the lock", type);
	mem_free(text);
	return answer(worker, rc, rows, &err);
}

int sql_worker_main(int fd)
{
	static struct sql_worker worker; /* lives as long as the process: threads hold it at _exit */
	static struct sql_inbox inbox;
	void *args[] = { &worker, &inbox };
	struct err err = { 0 };

	worker.fd = fd;
	sql_inbox_init(&inbox);
	monitor_init(&worker.monitor);
	if (set_up(&worker, &inbox))
		_exit(1);
	if (thread_start(&worker.reader, "sql-reader", read_requests, args, &err))
		_exit(1);
	while (serve_one(&worker) == ERR_OK)
		;
	_exit(0); /* no clean-up: the kernel does it, and DuckDB's destructors could block */
}
