/* src/lake/data_writer.h — one data file being written: rows in, struct data_file with all its metrics out.
 *
 * data_writer_row gives the next free row of the current batch: fill all columns, then data_writer_next counts it.
 * Row i counted is row i of the file. Nothing is referenced before finish; abort leaves nothing behind. One thread. */
#ifndef TARN_LAKE_DATA_WRITER_H
#define TARN_LAKE_DATA_WRITER_H

#include "lake/lake.h"

struct data_writer;

/* fields: of the file, with ids, in batch column order (at most 65535). location: the table's URI. */
int data_writer_open(struct lake *lake, const char *location, const struct lake_field *fields, size_t n_fields,
                     struct data_writer **out, struct err *err) TARN_MUST_CHECK;
/* The batch with room for a row at batch->n; hands a full one to the encoder first. */
int data_writer_row(struct data_writer *writer, struct batch **batch, struct err *err) TARN_MUST_CHECK;
static inline void data_writer_next(struct batch *batch) { batch->n++; }
uint64_t data_writer_rows(const struct data_writer *writer);    /* counted so far: the position of the next row */
uint64_t data_writer_flushed(const struct data_writer *writer); /* rows not in the current batch any more */
uint64_t data_writer_bytes(const struct data_writer *writer);   /* estimate of what was appended, uncompressed */
const char *data_writer_path(const struct data_writer *writer); /* the URI it will have */
/* Frees the writer in any case. The file is complete under its name; durable after store_sync. */
int data_writer_finish(struct data_writer *writer, struct data_file **out, struct err *err) TARN_MUST_CHECK;
void data_writer_abort(struct data_writer *writer); /* NULL allowed */

#endif
