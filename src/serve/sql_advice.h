/* src/serve/sql_advice.h — sentences for the two mistakes people make most: a table that is not there, and a statement
 * that would change the lake.
 *
 * DuckDB sees views in a database of its own memory, so its words for both mislead ("users is not an table", "did you
 * mean sqlite_master"). Only words are made here: what a query can reach is the worker's to guard. */
#ifndef TARN_SERVE_SQL_ADVICE_H
#define TARN_SERVE_SQL_ADVICE_H

#include "serve/sql_rewrite.h"

/* ERR_QUERY when the statement would change a table of the lake (INSERT, UPDATE, DELETE, MERGE, TRUNCATE, ALTER, DROP,
 * CREATE in a namespace of it), make a table or view that would be gone with the session (CREATE without TEMP), or
 * write a file by COPY. What cannot be told by the first words is left for DuckDB to refuse. */
int sql_advice_check(const char *statement, const struct sql_name *names, size_t n_names,
                     struct err *err) TARN_MUST_CHECK;
/* Puts DuckDB's "no such table" into the lake's words, with the nearest name there is; the line that DuckDB points at
 * stays. Other errors are left alone. Returns err->code. */
int sql_advice_missing(const char *statement, const struct sql_name *names, size_t n_names, struct err *err);

#endif
