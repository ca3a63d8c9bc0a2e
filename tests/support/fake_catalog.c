/* tests/support/fake_catalog.c — see fake_catalog.h. */
#include "support/fake_catalog.h"

#include <stdio.h>

#include "base/env.h"
#include "iceberg/metadata.h"

static struct fake_catalog *of(struct catalog *c) { return (struct fake_catalog *)c; }

struct fake_table *fake_catalog_find(struct fake_catalog *catalog, const char *name)
{
	for (size_t i = 0; i < catalog->n_tables; i++)
		if (!strcmp(catalog->tables[i].name, name))
			return &catalog->tables[i];
	return NULL;
}

static int namespace_create(struct catalog *c, const char *ns, const json_t *properties, struct err *err)
{
	(void)c;
	(void)properties;
	return err_set(err, ERR_EXISTS, "namespace %s exists", ns);
}

static int swap(struct fake_catalog *catalog, struct fake_table *table, json_t *metadata, struct err *err)
{
	char key[512], uri[1024], uuid[37];
	char *text = json_text(metadata);
	int rc;

	if (!text)
		return err_nomem(err);
	env_uuid_text(uuid);
	snprintf(key, sizeof key, "%s/%s/metadata/%05u-%s.metadata.json", table->ns, table->name, table->version, uuid);
	store_uri(catalog->store, key, uri, sizeof uri);
	rc = store_put(catalog->store, key, str_of(text), STORE_CREATE_ONLY, err);
	mem_free(text);
	if (rc)
		return rc;
	table->version++;
	catalog_table_clear(&table->now);
	table->now.metadata = json_incref(metadata);
	table->now.metadata_location = mem_strdup(uri);
	return 0;
}

static void give(const struct fake_table *table, struct catalog_table *out)
{
	out->metadata = json_incref(table->now.metadata);
	out->metadata_location = mem_strdup(table->now.metadata_location);
}

static int table_create(struct catalog *c, const char *ns, const json_t *request, struct catalog_table *out,
                        struct err *err)
{
	struct fake_catalog *catalog = of(c);
	const char *name = json_get_str(request, "name", "");
	struct fake_table *table = &catalog->tables[catalog->n_tables];
	char key[512], location[1024], uuid[37];
	json_t *metadata;
	int rc;

	if (fake_catalog_find(catalog, name))
		return err_set(err, ERR_EXISTS, "table %s exists", name);
	env_uuid_text(uuid);
	snprintf(key, sizeof key, "%s/%s", ns, name);
	store_uri(catalog->store, key, location, sizeof location);
	rc = ice_metadata_create(request, location, uuid, env_wall_us() / 1000, &metadata, err);
	if (rc)
		return rc;
	table->ns = mem_strdup(ns);
	table->name = mem_strdup(name);
	catalog->n_tables++;
	rc = swap(catalog, table, metadata, err);
	json_decref(metadata);
	if (!rc)
		give(table, out);
	return rc;
}

static int table_load(struct catalog *c, const char *ns, const char *name, struct catalog_table *out, struct err *err)
{
	struct fake_table *table = fake_catalog_find(of(c), name);

	(void)ns;
	of(c)->n_loads++;
	if (!table)
		return err_set(err, ERR_NOT_FOUND, "table %s is missing", name);
	give(table, out);
	return 0;
}

int fake_catalog_register(struct fake_catalog *catalog, const char *ns, const char *name, json_t *metadata,
                          struct err *err)
{
	struct fake_table *table = &catalog->tables[catalog->n_tables];

	table->ns = mem_strdup(ns);
	table->name = mem_strdup(name);
	table->version = 1000; /* behind the other engine's files */
	catalog->n_tables++;
	return swap(catalog, table, metadata, err);
}

static int apply(struct fake_catalog *catalog, struct fake_table *table, const json_t *updates, struct err *err)
{
	struct ice_apply how = { .base = table->now.metadata,
		                 .base_location = table->now.metadata_location,
		                 .now_ms = env_wall_us() / 1000 };
	json_t *next;
	int rc = ice_metadata_apply(&how, updates, &next, err);

	if (rc)
		return rc;
	rc = swap(catalog, table, next, err);
	json_decref(next);
	return rc;
}

int fake_catalog_apply(struct fake_catalog *catalog, const char *name, json_t *updates, struct err *err)
{
	int rc = apply(catalog, fake_catalog_find(catalog, name), updates, err);

	json_decref(updates);
	return rc;
}

static int commit(struct catalog *c, struct catalog_commit *commits, size_t n, const struct catalog_position *position,
                  enum commit_result *result, struct err *err)
{
	struct fake_catalog *catalog = of(c);
	enum commit_result want = catalog->next_result;

	(void)position;
	catalog->n_commits++;
	catalog->next_result = COMMIT_DONE;
	*result = COMMIT_NOT_DONE;
	if (want == COMMIT_NOT_DONE)
		return err_set(err, ERR_CONFLICT, "ordered by the test");
	for (size_t i = 0; i < n; i++) {
		struct fake_table *table = fake_catalog_find(catalog, commits[i].table);
		int rc = ice_metadata_check_requirements(table->now.metadata, commits[i].requirements, err);

		if (!rc)
			rc = apply(catalog, table, commits[i].updates, err);
		if (rc)
			return rc;
		if (want == COMMIT_DONE)
			give(table, &commits[i].result);
	}
	*result = want;
	return want == COMMIT_UNKNOWN ? err_set(err, ERR_COMMIT_UNKNOWN, "ordered by the test") : 0;
}

static const struct catalog_ops ops = {
	.namespace_create = namespace_create, .table_create = table_create, .table_load = table_load, .commit = commit
};

void fake_catalog_init(struct fake_catalog *catalog, struct store *store)
{
	memset(catalog, 0, sizeof *catalog);
	catalog->base.ops = &ops;
	catalog->store = store;
}

void fake_catalog_free(struct fake_catalog *catalog)
{
	for (size_t i = 0; i < catalog->n_tables; i++) {
		mem_free(catalog->tables[i].ns);
		mem_free(catalog->tables[i].name);
		catalog_table_clear(&catalog->tables[i].now);
	}
}
