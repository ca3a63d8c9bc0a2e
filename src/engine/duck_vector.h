/* src/engine/duck_vector.h — columns of a batch to DuckDB vectors and back, for every type of event/type.h.
 *
 * Private to engine/. Going in, strings are not copied: the vector's strings point into the batch, which must live
 * until the chunk is consumed. Coming out, everything is copied into the batch. */
#ifndef TARN_ENGINE_DUCK_VECTOR_H
#define TARN_ENGINE_DUCK_VECTOR_H

#include "engine/duck_api.h"
#include "event/batch.h"

duckdb_logical_type duck_type_new(struct type type); /* NULL: TYPE_NONE; duck_api.destroy_logical_type */

/* Rows from .. from+n-1 of a column into a fresh vector, beginning at its element 0. ERR_VALUE: text that is not
 * UTF-8 (a crash in DuckDB's statistics otherwise). */
int duck_vector_put(const struct column *c, uint32_t from, uint32_t n, duckdb_vector vector,
                    struct err *err) TARN_MUST_CHECK;
/* Elements 0 .. n-1 of a vector into rows at .. at+n-1 of a column of the same type. */
int duck_vector_get(duckdb_vector vector, uint32_t n, struct batch *batch, struct column *c, uint32_t at,
                    struct err *err) TARN_MUST_CHECK;

#endif
