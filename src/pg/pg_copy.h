/* src/pg/pg_copy.h — reading one table under an exported snapshot with COPY (...) TO STDOUT (FORMAT binary), into
 * batches.
 *
 * The reader connection's transaction is REPEATABLE READ, READ ONLY and imports the snapshot before its first
 * statement; several tables may be copied one after the other under it. */
#ifndef TARN_PG_PG_COPY_H
#define TARN_PG_PG_COPY_H

#include "event/batch.h"
#include "event/relation.h"
#include "pg/pg_conn.h"

struct pg_copy;

/* BEGIN ...; SET TRANSACTION SNAPSHOT. ERR_NOT_FOUND: the snapshot is gone */
int pg_snapshot_import(struct pg_conn *conn, const char *snapshot, struct err *err) TARN_MUST_CHECK;
int pg_snapshot_end(struct pg_conn *conn, struct err *err) TARN_MUST_CHECK; /* COMMIT */
/* rel: put functions bound (pg_types_bind). Columns whose type has no exact binary form are cast to text in the
 * SELECT. Checks first that the table's columns still are rel's, and that it was neither truncated nor rewritten since the
 * snapshot (ERR_CONFLICT otherwise: describe it again, or take another snapshot). */
int pg_copy_open(struct pg_conn *conn, const struct relation *rel, struct pg_copy **out,
                 struct err *err) TARN_MUST_CHECK;
/* Fills batch (columns 0..rel->n_columns-1 are rel's; more columns are left alone) from batch->n up to its capacity.
 * *done: no more rows. ERR_VALUE names column and key. */
int pg_copy_read(struct pg_copy *copy, struct batch *batch, bool *done, struct err *err) TARN_MUST_CHECK;
void pg_copy_close(struct pg_copy *copy); /* an unfinished COPY is cancelled */

#endif
