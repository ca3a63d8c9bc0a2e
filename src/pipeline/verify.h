/* src/pipeline/verify.h — does the lake equal the source? Exactly, while both are busy.
 *
 * A temporary slot's exported snapshot gives the source's rows at one LSN L, exactly (a transaction
 * is in it if its commit record starts before L). Each table is copied under that snapshot into a Parquet file. The
 * lake's rows at L are the newest version of the mirror with a position below L, and the changelog's changes between
 * that position and L folded over it by key; without a changelog only a version that is current at L will do. Both
 * are compared in a query worker, by key range, so that memory stays bounded. Needs a running `tarn run` (its status
 * says when the lake has reached L). */
#ifndef TARN_PIPELINE_VERIFY_H
#define TARN_PIPELINE_VERIFY_H

#include "config/config.h"

enum verify_outcome { VERIFY_EQUAL, VERIFY_DIFFERENT, VERIFY_SKIPPED };

struct verify_result {
	const char *table; /* "bank.users" */
	enum verify_outcome outcome;
	uint64_t source_rows, lake_rows, different;
	char *keys;      /* DIFFERENT: one line a key, at most VERIFY_KEYS_MAX; borrowed, NULL when none */
	char text[1024]; /* SKIPPED: why */
	uint64_t lsn;
};
#define VERIFY_KEYS_MAX 20

struct verify_opts {
	const char *const *tables;
	size_t n_tables; /* "bank.users" or "users"; none: all */
	int64_t wait_us; /* for the slot, and for the lake to reach L */
	void (*stage)(void *arg, const char *what, uint64_t done, uint64_t total); /* progress */
	void (*result)(void *arg, const struct verify_result *result);
	void *arg;
};

/* ERR_OK when all that could be compared is equal; ERR_DIFFERENT names how many tables differ; other codes when it
 * could not be done. */
int verify_source(const struct config *config, const struct config_source *source, const struct verify_opts *opts,
                  struct err *err) TARN_MUST_CHECK;

#endif
