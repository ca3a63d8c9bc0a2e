/* src/engine/sql_text.h — values of a DuckDB result as text, the way clients want them. Private to engine/.
 *
 * Times in ISO 8601 with a space between date and time as PostgreSQL prints them, time stamps with zone in UTC with
 * "+00"; nested values as JSON; binary as \x and hex. Floats in the shortest form that reads back the same. */
#ifndef TARN_ENGINE_SQL_TEXT_H
#define TARN_ENGINE_SQL_TEXT_H

#include "base/wbuf.h"
#include "engine/duck_api.h"
#include "engine/sql.h"

enum sql_kind sql_text_kind(duckdb_logical_type type);
/* DuckDB's name, nested types spelled out. */
void sql_text_type(duckdb_logical_type type, struct wbuf *out);
bool sql_text_valid(duckdb_vector vector, uint64_t row);
/* A valid value. ERR_UNSUPPORTED: a type without a text form here. */
int sql_text_value(duckdb_vector vector, duckdb_logical_type type, uint64_t row, struct wbuf *out,
                   struct err *err) TARN_MUST_CHECK;

#endif
