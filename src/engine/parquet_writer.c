/* src/engine/parquet_writer.c — batches in, one Parquet file out, encoded by a thread of its own.
 *
 *   caller --append--> queue of batches --tarn_batches(id)--> COPY ... TO 'path' (encoder thread) --> file
 *
 * COPY pulls: DuckDB calls our table function for one vector of rows at a time, on the encoder thread (the function
 * declares one thread, the source has no partitions, so DuckDB writes the rows in the order they come:
 * file_row_number is the order of append). The strings of a vector point into the batch; the Parquet writer copies
 * them before it asks for the next vector, so a batch is freed when the function is called again after its last row.
 * The encoder closes the queue when COPY ends for any reason: an append then finds it closed and reports why. */
#include "engine/duck_int.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/queue.h"
#include "engine/duck_vector.h"

#define DEPTH 16 /* batches waiting: a row group's worth, which the encoder takes no rows while it compresses */
#define DEPTH_BYTES ((size_t)64 << 20)
#define DEFAULT_ROW_GROUP_ROWS 122880
#define DICTIONARY_VALUES 8192 /* distinct in a row group: a column of more is soon found to have no dictionary */
#define SQL_BYTES_MAX ((size_t)4 << 20)

struct parquet_writer {
	struct duck *duck;
	struct parquet_writer *next; /* in duck->writers */
	uint64_t id;
	char *path;
	char *sql;
	struct type *types;
	char **names; /* unique for DuckDB: see unique_name */
	uint16_t n_fields;
	struct queue *queue;
	struct thread *thread;
	duckdb_connection conn;
	atomic_bool aborted;

	/* encoder thread; read by others after the queue was found closed */
	struct batch *batch;
	uint32_t at; /* next row of batch */
	uint64_t rows;
	int failure;
	struct err failure_err;
};

/* --- the table function --- */

static void fail(struct parquet_writer *writer, duckdb_function_info info, const struct err *err)
{
	writer->failure = err->code;
	writer->failure_err = *err;
	duck_api.function_set_error(info, err->text);
}

static struct parquet_writer *find_writer(struct duck *duck, uint64_t id)
{
	pthread_mutex_lock(&duck->lock);
	struct parquet_writer *writer = duck->writers;
	while (writer && writer->id != id)
		writer = writer->next;
	pthread_mutex_unlock(&duck->lock);
	return writer;
}

static void feed_bind(duckdb_bind_info info)
{
	duckdb_value value = duck_api.bind_get_parameter(info, 0);
	struct parquet_writer *writer = find_writer(duck_api.bind_get_extra_info(info), duck_api.get_uint64(value));

	duck_api.destroy_value(&value);
	if (!writer) {
		duck_api.bind_set_error(info, "no such writer");
		return;
	}
	for (uint16_t i = 0; i < writer->n_fields; i++) {
		duckdb_logical_type type = duck_type_new(writer->types[i]);
		if (!type) {
			duck_api.bind_set_error(info, "a column has no type");
			return;
		}
		duck_api.bind_add_result_column(info, writer->names[i], type);
		duck_api.destroy_logical_type(&type);
	}
	duck_api.bind_set_bind_data(info, writer, NULL);
}

static void feed_init(duckdb_init_info info) { duck_api.init_set_max_threads(info, 1); }

/* A batch with rows left, waiting for one; NULL at the end of the stream. */
static struct batch *current_batch(struct parquet_writer *writer)
{
	while (!writer->batch || writer->at == writer->batch->n) {
		void *next;
		batch_free(writer->batch);
		writer->batch = NULL;
		writer->at = 0;
		if (queue_pop(writer->queue, &next, -1) != QUEUE_DONE)
			return NULL;
		writer->batch = next;
	}
	return writer->batch;
}

static void feed(duckdb_function_info info, duckdb_data_chunk chunk)
{
	struct parquet_writer *writer = duck_api.function_get_bind_data(info);
	struct err err = { 0 };
	struct batch *batch = current_batch(writer);

	if (atomic_load(&writer->aborted)) {
		err_set(&err, ERR_CANCELLED, "the write was given up");
		fail(writer, info, &err);
		return;
	}
	if (!batch) {
		duck_api.data_chunk_set_size(chunk, 0);
		return;
	}
	uint32_t n = batch->n - writer->at, vector_rows = (uint32_t)duck_api.vector_size();
	if (n > vector_rows)
		n = vector_rows;
	for (uint16_t i = 0; i < writer->n_fields; i++) {
		if (duck_vector_put(&batch->columns[i], writer->at, n, duck_api.data_chunk_get_vector(chunk, i),
		                    &err)) {
			err_prefix(&err, "column \"%s\"", writer->names[i]);
			fail(writer, info, &err);
			return;
		}
	}
	writer->at += n;
	writer->rows += n;
	duck_api.data_chunk_set_size(chunk, n);
}

int parquet_writer_register(struct duck *duck, duckdb_connection conn, struct err *err)
{
	duckdb_table_function function = duck_api.create_table_function();
	duckdb_logical_type id_type = duck_api.create_logical_type(DUCKDB_TYPE_UBIGINT);

	duck_api.table_function_set_name(function, "tarn_batches");
	duck_api.table_function_add_parameter(function, id_type);
	duck_api.table_function_set_extra_info(function, duck, NULL);
	duck_api.table_function_set_bind(function, feed_bind);
	duck_api.table_function_set_init(function, feed_init);
	duck_api.table_function_set_function(function, feed);
	duckdb_state state = duck_api.register_table_function(conn, function);
	duck_api.destroy_logical_type(&id_type);
	duck_api.destroy_table_function(&function);
	return state == DuckDBSuccess ? ERR_OK : err_set(err, ERR_BUG, "DuckDB refused the function tarn_batches");
}

/* --- the encoder thread --- */

static void encode(void *arg)
{
	struct parquet_writer *writer = arg;
	struct err err = { 0 };

	if (duck_exec(writer->conn, writer->sql, NULL, &err) && !writer->failure) {
		writer->failure = err.code;
		writer->failure_err = err;
	}
	queue_close(writer->queue);
}

/* --- opening --- */

/* DuckDB compares column names without case, Iceberg and PostgreSQL do not: "a" and "A" in one table get different
 * names in the file. Readers go by field id. */
static char *unique_name(const struct parquet_field *fields, char *const *names, uint16_t i)
{
	char *name = mem_strdup(fields[i].name);

	for (uint16_t k = 0; name && k < i; k++) {
		if (!str_eq_nocase(str_of(name), str_of(names[k])))
			continue;
		size_t size = strlen(fields[i].name) + 16;
		mem_free(name);
		name = mem_alloc(size);
		if (name)
			snprintf(name, size, "%s_%d", fields[i].name, (int)fields[i].id);
		break;
	}
	return name;
}

static int copy_fields(struct parquet_writer *writer, const struct parquet_field *fields, struct err *err)
{
	writer->types = mem_array(writer->n_fields, sizeof *writer->types);
	writer->names = mem_array(writer->n_fields, sizeof *writer->names);
	if (!writer->types || !writer->names)
		return err_nomem(err);
	for (uint16_t i = 0; i < writer->n_fields; i++) {
		char buf[DUCK_TYPE_TEXT_MAX];
		writer->types[i] = fields[i].type;
		if (!duck_type_text(fields[i].type, buf))
			return err_set(err, ERR_UNSUPPORTED, "column \"%s\" has no type that Parquet can hold",
			               fields[i].name);
		writer->names[i] = unique_name(fields, writer->names, i);
		if (!writer->names[i])
			return err_nomem(err);
	}
	return ERR_OK;
}

static int copy_sql(struct parquet_writer *writer, const struct parquet_field *fields, const struct parquet_opts *opts,
                    struct err *err)
{
	int level = opts && opts->zstd_level ? opts->zstd_level : 1;
	uint64_t group = opts && opts->row_group_rows ? opts->row_group_rows : DEFAULT_ROW_GROUP_ROWS;
	struct wbuf sql;

	wbuf_init(&sql, SQL_BYTES_MAX);
	wbuf_putf(&sql, "COPY (SELECT * FROM tarn_batches(%llu::UBIGINT)) TO ", (unsigned long long)writer->id);
	wbuf_put_sql_literal(&sql, str_of(writer->path));
	wbuf_putf(
		&sql,
		" (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL %d, DICTIONARY_SIZE_LIMIT %d, ROW_GROUP_SIZE %llu, USE_TMP_FILE false, PRESERVE_ORDER true, FIELD_IDS {",
		level, DICTIONARY_VALUES, (unsigned long long)group);
	for (uint16_t i = 0; i < writer->n_fields; i++) {
		wbuf_putz(&sql, i ? ", " : "");
		wbuf_put_sql_ident(&sql, str_of(writer->names[i]));
		if (fields[i].type.kind == TYPE_LIST)
			wbuf_putf(&sql, ": {__duckdb_field_id: %d, element: %d}", (int)fields[i].id,
			          (int)fields[i].elem_id);
		else
			wbuf_putf(&sql, ": %d", (int)fields[i].id);
	}
	wbuf_putz(&sql, "})");
	int rc = wbuf_check(&sql, err, "the COPY statement");
	if (!rc && !(writer->sql = wbuf_take(&sql)))
		rc = err_nomem(err);
	wbuf_free(&sql);
	return rc;
}

static void free_item(void *batch) { batch_free(batch); }

/* The thread has ended (or never began). */
static void free_writer(struct parquet_writer *writer)
{
	struct duck *duck = writer->duck;

	pthread_mutex_lock(&duck->lock);
	for (struct parquet_writer **p = &duck->writers; *p; p = &(*p)->next) {
		if (*p == writer) {
			*p = writer->next;
			break;
		}
	}
	pthread_mutex_unlock(&duck->lock);
	if (writer->conn)
		duck_api.disconnect(&writer->conn);
	batch_free(writer->batch);
	queue_free(writer->queue, free_item);
	for (uint16_t i = 0; writer->names && i < writer->n_fields; i++)
		mem_free(writer->names[i]);
	mem_free(writer->names);
	mem_free(writer->types);
	mem_free(writer->sql);
	mem_free(writer->path);
	mem_free(writer);
}

static int start(struct parquet_writer *writer, const struct parquet_field *fields, const struct parquet_opts *opts,
                 struct err *err)
{
	struct duck *duck = writer->duck;

	pthread_mutex_lock(&duck->lock);
	writer->id = ++duck->next_id;
	writer->next = duck->writers;
	duck->writers = writer;
	pthread_mutex_unlock(&duck->lock);
	int rc = copy_fields(writer, fields, err);
	if (!rc)
		rc = copy_sql(writer, fields, opts, err);
	if (rc)
		return rc;
	if (duck_api.connect(duck->db, &writer->conn) != DuckDBSuccess)
		return err_set(err, ERR_NOMEM, "DuckDB gave no connection");
	return thread_start(&writer->thread, "parquet", encode, writer, err);
}

int parquet_writer_open(struct duck *duck, const char *path, const struct parquet_field *fields, uint16_t n_fields,
                        const struct parquet_opts *opts, struct parquet_writer **out, struct err *err)
{
	if (n_fields == 0 || n_fields > DUCK_COLUMNS_MAX)
		return err_set(err, ERR_LIMIT, "%s: a Parquet file needs 1 to %d columns, not %u", path,
		               DUCK_COLUMNS_MAX, (unsigned)n_fields);
	struct parquet_writer *writer = mem_zero(sizeof *writer);
	if (!writer)
		return err_nomem(err);
	writer->duck = duck;
	writer->n_fields = n_fields;
	writer->path = mem_strdup(path);
	writer->queue = queue_new(DEPTH, DEPTH_BYTES);
	int rc = writer->path && writer->queue ? start(writer, fields, opts, err) : err_nomem(err);
	if (rc) {
		free_writer(writer);
		return rc;
	}
	*out = writer;
	return ERR_OK;
}

/* --- use --- */

/* After the encoder ended: why. */
static int encoder_error(struct parquet_writer *writer, struct err *err)
{
	if (!writer->failure)
		return err_set(err, ERR_BUG, "writing %s ended before all rows were given", writer->path);
	if (err) {
		*err = writer->failure_err;
		err_prefix(err, "writing %s", writer->path);
	}
	return writer->failure;
}

int parquet_writer_append(struct parquet_writer *writer, struct batch *batch, struct err *err)
{
	if (batch->n_columns != writer->n_fields) {
		unsigned n = batch->n_columns;
		batch_free(batch);
		return err_set(err, ERR_BUG, "writing %s: a batch of %u columns for a file of %u", writer->path, n,
		               (unsigned)writer->n_fields);
	}
	for (uint16_t i = 0; i < batch->n_columns; i++) {
		if (!type_eq(batch->columns[i].type, writer->types[i])) {
			batch_free(batch);
			return err_set(err, ERR_BUG,
			               "writing %s: column \"%s\" came with another type than it was opened with",
			               writer->path, writer->names[i]);
		}
	}
	if (batch->n == 0) {
		batch_free(batch);
		return ERR_OK;
	}
	if (queue_push(writer->queue, batch, batch_bytes(batch), -1) == QUEUE_DONE)
		return ERR_OK;
	batch_free(batch);
	return encoder_error(writer, err);
}

int parquet_writer_finish(struct parquet_writer *writer, uint64_t *rows, struct err *err)
{
	queue_close(writer->queue);
	thread_join(writer->thread);
	int rc = writer->failure ? encoder_error(writer, err) : ERR_OK;
	if (rc)
		(void)env_unlink(writer->path); /* what is there is no Parquet file */
	else if (rows)
		*rows = writer->rows;
	free_writer(writer);
	return rc;
}

void parquet_writer_abort(struct parquet_writer *writer)
{
	atomic_store(&writer->aborted, true);
	queue_close(writer->queue);
	thread_join(writer->thread);
	(void)env_unlink(writer->path);
	free_writer(writer);
}
