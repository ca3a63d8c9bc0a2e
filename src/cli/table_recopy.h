/* src/cli/table_recopy.h — `tarn table recopy`: the request for a new copy of tables, left where the pipeline looks
 * for it. */
#ifndef TARN_CLI_TABLE_RECOPY_H
#define TARN_CLI_TABLE_RECOPY_H

#include "config/config.h"

struct recopy {
	const struct config *config;
	char **tables;
	size_t n_tables, cap_tables; /* mirror names, "bank.users"; owned */
	bool running;                /* a tarn runs on the state folder and will take the request now */
	/* what may be asked for */
	char **known;
	size_t n_known, cap_known; /* owned, sorted */
};

/* words: tables, changelogs (their table is meant) or sources (all their tables). ERR_NOT_FOUND names the word.
 * recopy_free in any case. */
int recopy_plan(const struct config *config, const char *const *words, size_t n_words, struct recopy *out,
                struct err *err) TARN_MUST_CHECK;
int recopy_request(const struct recopy *recopy, struct err *err) TARN_MUST_CHECK; /* durable when it returns */
void recopy_free(struct recopy *recopy);

#endif
