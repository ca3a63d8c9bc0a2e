/* tests/support/fake_catalog.h — a catalog in memory for tests of table formats: real requirements and updates (iceberg/metadata.h), metadata files in the store.
 *
 * One level of namespaces, no locks. Errors can be ordered: the next commit answers what `next_result` says. */
#ifndef TARN_TESTS_FAKE_CATALOG_H
#define TARN_TESTS_FAKE_CATALOG_H

#include "catalog/catalog.h"

struct fake_catalog {
	struct catalog base;
	struct store *store;
	struct fake_table {
		char *ns, *name;
		struct catalog_table now;
		unsigned version;
	} tables[16];
	size_t n_tables;
	size_t n_loads, n_commits;
	enum commit_result
		next_result; /* COMMIT_NOT_DONE: the next commit conflicts; COMMIT_UNKNOWN: it happens and says so not */
};

void fake_catalog_init(struct fake_catalog *catalog, struct store *store);
void fake_catalog_free(struct fake_catalog *catalog);
/* A foreign writer: updates (array, taken) without requirements. */
int fake_catalog_apply(struct fake_catalog *catalog, const char *name, json_t *updates, struct err *err);
/* Takes over a table of another engine; metadata is borrowed. */
int fake_catalog_register(struct fake_catalog *catalog, const char *ns, const char *name, json_t *metadata,
                          struct err *err);
struct fake_table *fake_catalog_find(struct fake_catalog *catalog, const char *name);

#endif
