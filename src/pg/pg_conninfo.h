/* src/pg/pg_conninfo.h — connection strings as text, without connecting. */
#ifndef TARN_PG_PG_CONNINFO_H
#define TARN_PG_PG_CONNINFO_H

#include "base/err.h"
#include "base/wbuf.h"

/* ERR_CONFIG when libpq could not read it; the text never quotes the string. pg_conn_open does this first. */
int pg_conninfo_check(const char *conninfo, struct err *err) TARN_MUST_CHECK;
/* The string without its passwords (the user's and a TLS key's), for a file. *had tells whether there was one.
 * Without a password it is as given. */
int pg_conninfo_public(const char *conninfo, struct wbuf *out, bool *had, struct err *err) TARN_MUST_CHECK;

#endif
