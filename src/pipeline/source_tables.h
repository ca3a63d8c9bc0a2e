/* src/pipeline/source_tables.h — inside of a source: what is known of the tables found at open; only
 * src/pipeline/source*.c include this. */
#ifndef TARN_PIPELINE_SOURCE_TABLES_H
#define TARN_PIPELINE_SOURCE_TABLES_H

#include "pipeline/source_int.h"

/* After the tables were found and before the publication is completed: what was known of them, and which are outside
 * it now or were meanwhile. */
int source_tables_open(struct source *source, struct pg_conn *conn, struct err *err) TARN_MUST_CHECK;
/* Asks the server; the monitor's. */
int source_tables_look(struct source *source, struct pg_conn *conn, struct err *err) TARN_MUST_CHECK;

#endif
