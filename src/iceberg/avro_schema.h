/* src/iceberg/avro_schema.h — the schema JSON of an Avro file as a tree; used by avro_read.c only. */
#ifndef TARN_ICEBERG_AVRO_SCHEMA_H
#define TARN_ICEBERG_AVRO_SCHEMA_H

#include "base/arena.h"
#include "iceberg/avro.h"

/* Nodes live in the arena. Names are resolved; recursive types are refused. */
int avro_schema_parse(struct arena *arena, struct str text, const char *what, const struct avro_schema **out,
                      struct err *err) TARN_MUST_CHECK;

#endif
