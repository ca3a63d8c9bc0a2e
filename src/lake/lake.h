/* src/lake/lake.h — what all table writers of one lake share. Plain struct of borrowed parts, filled once at start;
 * the parts are thread-safe. */
#ifndef TARN_LAKE_LAKE_H
#define TARN_LAKE_LAKE_H

#include "engine/duck.h"
#include "lake/lake_format.h"

struct lake {
	struct catalog *catalog;
	struct store *store;
	struct duck *duck; /* opened when first needed: lake_duck */
	const struct lake_format_ops *format;
	const char *state;           /* folder for caches (key index); borrowed */
	uint64_t data_file_bytes;    /* target size of a data file */
	uint64_t index_memory_bytes; /* hot part of one table's key index */
	struct lake_keep keep;
};

/* Names of properties and snapshot summary keys that carry the promise (ARCHITECTURE.md). */
#define LAKE_KEY_LSN "tarn.lsn" /* position P: all transactions with commit LSN <= P, "0/16B3740" */
#define LAKE_KEY_SYSTEM_ID "tarn.system-id"
#define LAKE_KEY_TIMELINE "tarn.timeline"
#define LAKE_KEY_SOURCE "tarn.source" /* "bank.public.users" */
#define LAKE_KEY_KIND "tarn.kind"     /* mirror | changelog */
#define LAKE_KEY_EPOCH "tarn.writer-epoch"
/* of the last commit of ours; differs from the summary's after a foreign commit */
#define LAKE_KEY_COMMIT_ID "tarn.commit-id"
#define LAKE_KEY_COMMIT_TS "tarn.commit-ts" /* source's commit time of the last transaction, ISO 8601 */

/* Iceberg's reserved field ids for row lineage columns in data files (specification, "Reserved Field IDs"). */
#define LAKE_FIELD_ROW_ID 2147483540

/* The engine, loaded at the first call; thread-safe. */
int lake_duck(struct lake *lake, struct duck **out, struct err *err) TARN_MUST_CHECK;

/* A file of ours that no version names and none will: left to orphans.h if this fails. */
void lake_remove(struct lake *lake, const char *uri);

#endif
