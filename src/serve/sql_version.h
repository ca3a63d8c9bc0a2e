/* src/serve/sql_version.h — AT clauses to snapshots of Iceberg metadata. Private to serve/. */
#ifndef TARN_SERVE_SQL_VERSION_H
#define TARN_SERVE_SQL_VERSION_H

#include "base/json.h"
#include "serve/sql_rewrite.h"

/* VERSION: that snapshot. TIMESTAMP: the newest one of the snapshot log at or before it. LSN: the newest one of the
 * main branch whose summary says tarn.lsn at or before it. SQL_AT_NOW gives -1 (current). ERR_NOT_FOUND names the
 * oldest one there is. `what`: "bank.users". */
int sql_version_find(const json_t *metadata, const struct sql_ref *ref, const char *what, int64_t *snapshot_id,
                     struct err *err) TARN_MUST_CHECK;

#endif
