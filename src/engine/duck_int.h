/* src/engine/duck_int.h — what duck.c, parquet_writer.c and parquet_reader.c share. Private to engine/. */
#ifndef TARN_ENGINE_DUCK_INT_H
#define TARN_ENGINE_DUCK_INT_H

#include "base/thread.h"
#include "base/wbuf.h"
#include "engine/duck.h"
#include "engine/duck_api.h"

#define DUCK_COLUMNS_MAX 4096

struct duck {
	duckdb_database db;
	pthread_mutex_t lock;           /* writers and next_id */
	struct parquet_writer *writers; /* open ones, by id: the table function looks its feed up here */
	uint64_t next_id;
};

/* parquet_writer.c: registers the table function tarn_batches(id) that feeds COPY. */
int parquet_writer_register(struct duck *duck, duckdb_connection conn, struct err *err) TARN_MUST_CHECK;

/* parquet_reader.c: "MAP {id: {name: 'cN', type: '...', default_value: NULL}, ...}" for read_parquet's schema option;
 * names are c0, c1, ... */
int parquet_schema_sql(const struct parquet_field *fields, uint16_t n_fields, struct wbuf *sql,
                       struct err *err) TARN_MUST_CHECK;

#endif
