/* src/serve/sql_plan.h — one version of one table, planned for the query worker: columns, local files, deletion
 * bitmaps. Private to serve/. */
#ifndef TARN_SERVE_SQL_PLAN_H
#define TARN_SERVE_SQL_PLAN_H

#include "engine/sql.h"
#include "serve/sql_rewrite.h"
#include "store/store.h"
#include "base/json.h"

/* Plans `ref` from the metadata and adds it to the session as ns.view. ERR_UNSUPPORTED: deletes or files that Tarn
 * cannot read. */
int sql_plan_add(struct sql_session *session, struct store *store, const json_t *metadata, const struct sql_name *name,
                 const struct sql_ref *ref, struct err *err) TARN_MUST_CHECK;

#endif
