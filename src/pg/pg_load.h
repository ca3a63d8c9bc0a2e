/* src/pg/pg_load.h — COPY into a table in text form: how `tarn generate` fills its tables. One load at a time on a
 * connection. */
#ifndef TARN_PG_PG_LOAD_H
#define TARN_PG_PG_LOAD_H

#include "base/wbuf.h"
#include "pg/pg_conn.h"

/* target: what stands between COPY and FROM, quoted as needed ("bank.users (id, name)"). */
int pg_load_begin(struct pg_conn *conn, const char *target, struct err *err) TARN_MUST_CHECK;
/* Bytes of the text form: columns divided by tabs, rows ended by newlines, \N for null; any number of rows. */
int pg_load_put(struct pg_conn *conn, struct str rows, struct err *err) TARN_MUST_CHECK;
/* Ends the COPY and waits for the server's answer. A failed put is answered here too: the server's reason. */
int pg_load_end(struct pg_conn *conn, struct err *err) TARN_MUST_CHECK;

#endif
