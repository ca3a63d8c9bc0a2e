/* src/serve/sql_catalog.h — SQL over the lake's tables: statements in, a query worker with the right views out.
 *
 * A statement's tables are looked up in the catalog, planned from their metadata (any version that is kept), and
 * given to a worker as views over local files. The worker is kept for the next statement while that needs no other
 * views and no table has a newer version; otherwise a new one is started (then temporary tables are gone). One thread
 * uses a struct sql_catalog; sql_catalog_cancel is for any thread and for signal handlers. */
#ifndef TARN_SERVE_SQL_CATALOG_H
#define TARN_SERVE_SQL_CATALOG_H

#include "catalog/catalog.h"
#include "config/config.h"
#include "engine/sql.h"
#include "serve/sql_rewrite.h"

struct sql_catalog;

/* Over a catalog and a store that are open already (borrowed). */
int sql_catalog_new(struct catalog *catalog, struct store *store, const struct sql_limits *limits,
                    struct sql_catalog **out, struct err *err) TARN_MUST_CHECK;
/* Opens both from the configuration, the catalog read-only: works beside a running server. ERR_NOT_FOUND when there
 * is no catalog yet. */
int sql_catalog_open(const struct config *config, struct sql_catalog **out, struct err *err) TARN_MUST_CHECK;
void sql_catalog_close(struct sql_catalog *cat); /* NULL allowed */

/* Makes the worker ready for all statements of `text`. ERR_NOT_FOUND: a version that is not there (the oldest one is
 * named); ERR_UNSUPPORTED: a table with deletes that Tarn cannot read. */
int sql_catalog_begin(struct sql_catalog *cat, const char *text, struct err *err) TARN_MUST_CHECK;
/* Runs one or more statements of the text given to begin; the last one's rows go to sink. */
int sql_catalog_run(struct sql_catalog *cat, const char *text, const struct sql_sink *sink,
                    struct err *err) TARN_MUST_CHECK;
int sql_catalog_run_to_parquet(struct sql_catalog *cat, const char *text, const char *path,
                               struct err *err) TARN_MUST_CHECK;
void sql_catalog_cancel(struct sql_catalog *cat);

/* All tables, sorted, as of now; borrowed until the next call with this catalog. */
int sql_catalog_names(struct sql_catalog *cat, const struct sql_name **names, size_t *n,
                      struct err *err) TARN_MUST_CHECK;

#endif
