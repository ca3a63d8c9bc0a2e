/* src/iceberg/ice_vectors.h — lake_format_ops.write_vectors and read_vector for Iceberg: Puffin files under
 * <location>/data. */
#ifndef TARN_ICEBERG_ICE_VECTORS_H
#define TARN_ICEBERG_ICE_VECTORS_H

#include "lake/lake_format.h"

int ice_write_vectors(struct lake_table *table, struct store *store, struct lake_vector *vectors, size_t n,
                      struct err *err) TARN_MUST_CHECK;
int ice_read_vector(struct store *store, const char *data_path, const struct deletion_vector *dv, struct bitmap **out,
                    struct err *err) TARN_MUST_CHECK;

#endif
