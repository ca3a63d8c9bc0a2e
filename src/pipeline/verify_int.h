/* src/pipeline/verify_int.h — inside of verify; only src/pipeline/verify*.c include this. */
#ifndef TARN_PIPELINE_VERIFY_INT_H
#define TARN_PIPELINE_VERIFY_INT_H

#include "base/json.h"
#include "catalog/catalog.h"
#include "engine/duck.h"
#include "pg/pg_catalog.h"
#include "pipeline/verify.h"

struct verify_run {
	const struct config *config;
	const struct config_source *source;
	const struct verify_opts *opts;
	struct pg_conn *repl, *conn; /* slot holder, snapshot reader */
	struct pg_export cut;        /* snapshot and L */
	struct store *store;
	struct catalog *catalog;
	struct duck *duck;
	char folder[4096]; /* for source copies */
	bool mirror, changelog;
	size_t n_different;
};

/* One table's two sides. */
struct verify_table {
	struct verify_run *run;
	struct relation *rel; /* as the snapshot sees it */
	char lake_name[160], label[256];
	char path[4200]; /* the source's rows */
	uint64_t source_rows;
	struct catalog_table mirror, changes;
	uint64_t base_lsn; /* position of the mirror's version used as base; 0: empty */
	bool has_base;
};

int verify_wait_lake(struct verify_run *run, struct err *err) TARN_MUST_CHECK; /* verify_wait.c */
/* why "" when it runs */
int verify_table_running(struct verify_run *run, const char *label, char *why, size_t n,
                         struct err *err) TARN_MUST_CHECK;
int verify_copy_source(struct verify_table *t, struct err *err) TARN_MUST_CHECK; /* verify_copy.c */
/* verify_compare.c */
int verify_compare(struct verify_table *t, struct verify_result *result, struct err *err) TARN_MUST_CHECK;

#endif
