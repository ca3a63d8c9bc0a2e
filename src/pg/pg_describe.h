/* src/pg/pg_describe.h — completes RELATION messages from the catalog over a side connection of its own: the
 * pgoutput_describe_fn of capture.
 *
 * What the message says about names, order and types always wins: the catalog shows the present, the message that
 * point of the WAL. From the catalog come type kinds (by oid), not_null, source type names and the
 * key's order, matched by column name and type. A table or column that is gone is described from the message alone.
 * The connection is opened at the first call and again after it broke; errors of connecting are returned as they are
 * (transient ones: the caller tries the stream again). */
#ifndef TARN_PG_PG_DESCRIBE_H
#define TARN_PG_PG_DESCRIBE_H

#include "pg/pg_conn.h"
#include "pg/pgoutput.h"

struct pg_describer;

/* opts (and the texts it points to) are borrowed until close; replication is ignored. */
struct pg_describer *pg_describer_open(const struct pg_conn_opts *opts, struct err *err);
void pg_describer_close(struct pg_describer *describer);
/* Whether the stream was asked for binary tuples (default false). In a binary stream a relation with a column of no
 * exact binary form cannot be read: pg_describe answers ERR_CONFLICT naming the column, and the caller starts the
 * stream again in text form. */
void pg_describer_set_binary(struct pg_describer *describer, bool binary);
/* ctx is the struct pg_describer. */
int pg_describe(void *ctx, uint32_t oid, char replica_identity, const struct pgoutput_relcol *cols, uint16_t n_cols,
                struct str schema, struct str name, struct relation **out, struct err *err) TARN_MUST_CHECK;

#endif
