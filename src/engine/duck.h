/* src/engine/duck.h — DuckDB as a library, loaded with dlopen when first needed (linking it would cost every role 13
 * MB and 20 ms).
 *
 * The only folder that includes duckdb.h. duck_open loads libduckdb on first use: $DUCKDB_ROOT, then next to the
 * program (../lib/tarn), then the system's. ERR_NOT_FOUND names what was
 * tried. Autoinstall and autoload of extensions are off always. Threads: a struct duck is an in-memory database; each
 * function opens its own connection, so all are thread-safe. */
#ifndef TARN_ENGINE_DUCK_H
#define TARN_ENGINE_DUCK_H

#include "event/batch.h"
#include "base/err.h"

struct duck;

struct duck_opts {
	int threads;           /* 0: 1 */
	uint64_t memory_bytes; /* 0: 512 MB */
	const char *temp_dir;  /* for spilling; NULL: none */
};

int duck_open(struct duck **out, const struct duck_opts *opts, struct err *err) TARN_MUST_CHECK;
void duck_close(struct duck *duck);
const char *duck_version(struct duck *duck); /* "v1.5.6" */

/* --- Parquet files, written and read with Iceberg field ids --- */
struct parquet_field {
	const char *name;
	struct type type;
	int32_t id;      /* Iceberg field id */
	int32_t elem_id; /* of list elements */
};

struct parquet_opts {
	int zstd_level;          /* 0: 1 */
	uint64_t row_group_rows; /* 0: 122880 */
};

/* A streaming writer: a thread of its own encodes while the caller fills the next batch. Rows keep their order: row i
 * appended is row i of the file. append takes the batch (also on error); it blocks while `depth` batches wait. finish
 * waits for the end, the file then is complete (not synced) at path. abort (also after a failed append) stops,
 * removes the file and frees. After finish or abort the writer is gone. */
struct parquet_writer;
int parquet_writer_open(struct duck *duck, const char *path, const struct parquet_field *fields, uint16_t n_fields,
                        const struct parquet_opts *opts, struct parquet_writer **out, struct err *err) TARN_MUST_CHECK;
int parquet_writer_append(struct parquet_writer *writer, struct batch *batch, struct err *err) TARN_MUST_CHECK;
int parquet_writer_finish(struct parquet_writer *writer, uint64_t *rows, struct err *err) TARN_MUST_CHECK;
void parquet_writer_abort(struct parquet_writer *writer);

/* Reads columns of a file in row order. fields found by id; a field missing in the file gives nulls. fn gets each
 * batch (borrowed) and the number of its first row in the file; a non-zero answer stops and is returned. */
int parquet_read(struct duck *duck, const char *path, const struct parquet_field *fields, uint16_t n_fields,
                 int (*fn)(void *arg, const struct batch *batch, uint64_t first_row, struct err *err), void *arg,
                 struct err *err) TARN_MUST_CHECK;
/* The rows at the given positions (ascending), in that order, as one owned batch. */
int parquet_read_rows(struct duck *duck, const char *path, const struct parquet_field *fields, uint16_t n_fields,
                      const uint64_t *positions, size_t n_positions, struct batch **out,
                      struct err *err) TARN_MUST_CHECK;

#endif
