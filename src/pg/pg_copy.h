/* src/pg/pg_copy.h — reading one table under an exported snapshot with COPY (...) TO STDOUT (FORMAT binary), into
 * batches.
 *
 * The reader connection's transaction is REPEATABLE READ, READ ONLY and imports the snapshot before its first
 * statement; several tables may be copied one after the other under it. A large table may be read by several
 * connections at once, which import the same snapshot. One thread reads them all. */
#ifndef TARN_PG_PG_COPY_H
#define TARN_PG_PG_COPY_H

#include "event/batch.h"
#include "event/relation.h"
#include "pg/pg_conn.h"

#define PG_COPY_CONNECTIONS_MAX 8

struct pg_copy;

/* BEGIN ...; SET TRANSACTION SNAPSHOT. ERR_NOT_FOUND: the snapshot is gone */
int pg_snapshot_import(struct pg_conn *conn, const char *snapshot, struct err *err) TARN_MUST_CHECK;
int pg_snapshot_end(struct pg_conn *conn, struct err *err) TARN_MUST_CHECK; /* COMMIT */
/* rel: put functions bound (pg_types_bind). Columns whose type has no exact binary form are cast to text in the
 * SELECT. Checks first that the table's columns still are rel's, and that it was neither truncated nor rewritten since the
 * snapshot (ERR_CONFLICT otherwise: describe it again, or take another snapshot). */
int pg_copy_open(struct pg_conn *conn, const struct relation *rel, struct pg_copy **out,
                 struct err *err) TARN_MUST_CHECK;
/* Blocks of a table that is worth reading over several connections; 0: it is small, no heap, or the server is older
 * than PostgreSQL 14 and reads the whole table for every range. Locks the table, which must be before any other
 * connection joins: while one waits for a lock that its own process holds up, nobody sees the deadlock. */
int pg_copy_blocks(struct pg_conn *conn, const struct relation *rel, uint32_t *blocks, struct err *err) TARN_MUST_CHECK;
/* Makes a fresh connection a further reader of rel: imports the snapshot and locks the table, for which it does not
 * wait longer than a second. After an error, and after the copy, the connection is of no further use. */
int pg_copy_join(struct pg_conn *conn, const char *snapshot, const struct relation *rel,
                 struct err *err) TARN_MUST_CHECK;
/* As pg_copy_open; conns[1..n-1] (borrowed until pg_copy_close) have joined. The rows come in no order. */
int pg_copy_open_split(struct pg_conn *const *conns, size_t n, const struct relation *rel, uint32_t blocks,
                       struct pg_copy **out, struct err *err) TARN_MUST_CHECK;
/* Fills batch (columns 0..rel->n_columns-1 are rel's; more columns are left alone) from batch->n up to its capacity;
 * with fewer rows or none after a second in which none came, so that the caller can look whether it shall stop. *done:
 * no more rows. ERR_VALUE names column and key. */
int pg_copy_read(struct pg_copy *copy, struct batch *batch, bool *done, struct err *err) TARN_MUST_CHECK;
void pg_copy_close(struct pg_copy *copy); /* unfinished COPYs are cancelled */

#endif
