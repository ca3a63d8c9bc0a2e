/* src/serve/sql_catalog.c — SQL over the lake's tables: names, the worker that is kept, running. */
#include "serve/sql_catalog.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/env.h"
#include "serve/sql_advice.h"
#include "serve/sql_plan.h"

/* A table of the catalog: its namespace as the catalog spells it beside the one of SQL. */
struct known {
	char *raw_ns;
	char *ns;
	char *table;
};

/* A view that the current worker has. */
struct held {
	char *ns, *view, *location;
};

struct sql_catalog {
	struct catalog *catalog;
	struct store *store;
	bool owned; /* both are ours to close */
	struct sql_limits limits;
	struct known *known;
	size_t n_known, cap_known;
	struct sql_name *names;
	size_t cap_names; /* views of known */
	struct held *held;
	size_t n_held, cap_held;
	struct sql_session *_Atomic session; /* NULL: none; atomic for cancel */
};

int sql_catalog_new(struct catalog *catalog, struct store *store, const struct sql_limits *limits,
                    struct sql_catalog **out, struct err *err)
{
	struct sql_catalog *cat = mem_zero(sizeof *cat);

	if (!cat)
		return err_nomem(err);
	cat->catalog = catalog;
	cat->store = store;
	cat->limits = *limits;
	*out = cat;
	return ERR_OK;
}

int sql_catalog_open(const struct config *config, struct sql_catalog **out, struct err *err)
{
	struct sql_limits limits = { .memory_bytes = (uint64_t)config->sql_memory_bytes,
		                     .threads = (int)config->sql_threads,
		                     .time_us = config->sql_time_us };
	struct store *store = NULL;
	struct catalog *catalog = NULL;
	struct env_stat st;
	char path[4096];

	snprintf(path, sizeof path, "%.4000s/catalog.db", config->state);
	if (env_stat(path, &st))
		return err_set(
			err, ERR_NOT_FOUND,
			"there is no catalog in the state folder %s yet: start 'tarn run' first, or name the right configuration with --config",
			config->state);
	int rc = store_open(config->warehouse, &store, err);
	if (!rc)
		rc = catalog_open_sqlite(path, store, true, &catalog, err);
	if (!rc)
		rc = sql_catalog_new(catalog, store, &limits, out, err);
	if (rc) {
		if (catalog)
			catalog_close(catalog);
		if (store)
			store_close(store);
		return rc;
	}
	(*out)->owned = true;
	return ERR_OK;
}

static void drop_session(struct sql_catalog *cat)
{
	sql_close(atomic_exchange(&cat->session, NULL));
	for (size_t i = 0; i < cat->n_held; i++) {
		mem_free(cat->held[i].ns);
		mem_free(cat->held[i].view);
		mem_free(cat->held[i].location);
	}
	cat->n_held = 0;
}

static void forget_names(struct sql_catalog *cat)
{
	for (size_t i = 0; i < cat->n_known; i++) {
		mem_free(cat->known[i].raw_ns);
		mem_free(cat->known[i].ns);
		mem_free(cat->known[i].table);
	}
	cat->n_known = 0;
}

void sql_catalog_close(struct sql_catalog *cat)
{
	if (!cat)
		return;
	drop_session(cat);
	forget_names(cat);
	mem_free(cat->known);
	mem_free(cat->names);
	mem_free(cat->held);
	if (cat->owned) {
		catalog_close(cat->catalog);
		store_close(cat->store);
	}
	mem_free(cat);
}

/* --- names --- */

struct listing {
	struct sql_catalog *cat;
	const char *ns;
	struct err *err;
};

static int on_table(void *arg, const char *table)
{
	struct listing *listing = arg;
	struct sql_catalog *cat = listing->cat;

	if (vec_grow(&cat->known, &cat->cap_known, cat->n_known + 1, sizeof *cat->known))
		return err_nomem(listing->err);
	struct known known = { mem_strdup(listing->ns), mem_strdup(listing->ns), mem_strdup(table) };
	if (!known.raw_ns || !known.ns || !known.table) {
		mem_free(known.raw_ns);
		mem_free(known.ns);
		mem_free(known.table);
		return err_nomem(listing->err);
	}
	for (char *p = known.ns; *p; p++) {
		if (*p == 0x1F)
			*p = '.';
	}
	cat->known[cat->n_known++] = known;
	return 0;
}

static int on_namespace(void *arg, const char *ns)
{
	struct listing *parent = arg;
	struct listing listing = { parent->cat, ns, parent->err };
	struct catalog *catalog = parent->cat->catalog;

	int rc = catalog->ops->table_list(catalog, ns, on_table, &listing, parent->err);
	return rc ? rc : catalog->ops->namespace_list(catalog, ns, on_namespace, &listing, parent->err);
}

int sql_catalog_names(struct sql_catalog *cat, const struct sql_name **names, size_t *n, struct err *err)
{
	struct listing top = { cat, NULL, err };

	forget_names(cat);
	int rc = cat->catalog->ops->namespace_list(cat->catalog, NULL, on_namespace, &top, err);
	if (rc)
		return rc;
	if (vec_grow(&cat->names, &cat->cap_names, cat->n_known + 1, sizeof *cat->names))
		return err_nomem(err);
	for (size_t i = 0; i < cat->n_known; i++)
		cat->names[i] = (struct sql_name){ cat->known[i].ns, cat->known[i].table };
	*names = cat->names;
	*n = cat->n_known;
	return ERR_OK;
}

/* --- the worker --- */

static const struct held *find_held(const struct sql_catalog *cat, const char *ns, const char *view)
{
	for (size_t i = 0; i < cat->n_held; i++) {
		if (strcmp(cat->held[i].ns, ns) == 0 && strcmp(cat->held[i].view, view) == 0)
			return &cat->held[i];
	}
	return NULL;
}

/* Adds a reference to every table's current version that the text does not name itself. */
static int add_all(struct sql_catalog *cat, struct sql_rewrite *rewrite, struct err *err)
{
	size_t cap = rewrite->n_refs, n = rewrite->n_refs;

	for (size_t i = 0; i < cat->n_known; i++) {
		bool there = false;
		for (size_t k = 0; k < n && !there; k++)
			there = rewrite->refs[k].name == i && rewrite->refs[k].at == SQL_AT_NOW;
		if (there)
			continue;
		if (vec_grow(&rewrite->refs, &cap, rewrite->n_refs + 1, sizeof *rewrite->refs))
			return err_nomem(err);
		struct sql_ref *ref = &rewrite->refs[rewrite->n_refs];
		*ref = (struct sql_ref){ .name = i, .view = mem_strdup(cat->known[i].table) };
		if (!ref->view)
			return err_nomem(err);
		rewrite->n_refs++;
	}
	return ERR_OK;
}

static int hold(struct sql_catalog *cat, const char *ns, const char *view, const char *location, struct err *err)
{
	if (vec_grow(&cat->held, &cat->cap_held, cat->n_held + 1, sizeof *cat->held))
		return err_nomem(err);
	struct held *held = &cat->held[cat->n_held++];
	*held = (struct held){ mem_strdup(ns), mem_strdup(view), mem_strdup(location) };
	return held->ns && held->view && held->location ? ERR_OK : err_nomem(err);
}

static int add_view(struct sql_catalog *cat, const struct sql_ref *ref, const struct catalog_table *table,
                    struct err *err)
{
	const struct sql_name *name = &cat->names[ref->name];
	int rc = sql_plan_add(cat->session, cat->store, table->metadata, name, ref, err);

	return rc ? rc : hold(cat, name->ns, ref->view, table->metadata_location ? table->metadata_location : "", err);
}

/* Has the kept worker all views, each of the version that is wanted? A version asked for by AT is looked up again
 * only when the view is missing. */
static bool session_fits(const struct sql_catalog *cat, const struct sql_rewrite *rewrite,
                         const struct catalog_table *tables)
{
	struct sql_session *session = cat->session;

	if (!session || !sql_is_alive(session))
		return false;
	for (size_t i = 0; i < rewrite->n_refs; i++) {
		const struct held *held = find_held(cat, cat->names[rewrite->refs[i].name].ns, rewrite->refs[i].view);
		if (!held ||
		    strcmp(held->location, tables[i].metadata_location ? tables[i].metadata_location : "") != 0)
			return false;
	}
	return true;
}

static int start_session(struct sql_catalog *cat, const struct sql_rewrite *rewrite, const struct catalog_table *tables,
                         struct err *err)
{
	struct sql_session *session;

	drop_session(cat);
	int rc = sql_open(&cat->limits, &session, err);
	if (rc)
		return rc;
	cat->session = session;
	for (size_t i = 0; i < rewrite->n_refs && !rc; i++)
		rc = add_view(cat, &rewrite->refs[i], &tables[i], err);
	if (!rc)
		rc = sql_lock(session, err);
	if (rc)
		drop_session(cat);
	return rc;
}

int sql_catalog_begin(struct sql_catalog *cat, const char *text, struct err *err)
{
	const struct sql_name *names;
	struct sql_rewrite rewrite;
	size_t n;

	int rc = sql_catalog_names(cat, &names, &n, err);
	if (!rc)
		rc = sql_rewrite(text, names, n, &rewrite, err);
	if (rc)
		return rc;
	if (rewrite.lists_tables)
		rc = add_all(cat, &rewrite, err);
	struct catalog_table *tables = mem_array(rewrite.n_refs ? rewrite.n_refs : 1, sizeof *tables);
	if (!rc && !tables)
		rc = err_nomem(err);
	for (size_t i = 0; i < rewrite.n_refs && !rc; i++) {
		const struct known *known = &cat->known[rewrite.refs[i].name];
		rc = cat->catalog->ops->table_load(cat->catalog, known->raw_ns, known->table, &tables[i], err);
	}
	if (!rc && !session_fits(cat, &rewrite, tables))
		rc = start_session(cat, &rewrite, tables, err);
	for (size_t i = 0; tables && i < rewrite.n_refs; i++)
		catalog_table_clear(&tables[i]);
	mem_free(tables);
	sql_rewrite_free(&rewrite);
	return rc;
}

/* --- running --- */

static int rewritten(struct sql_catalog *cat, const char *text, struct sql_rewrite *rewrite, struct err *err)
{
	if (!cat->session)
		return err_set(err, ERR_WORKER, "no query worker is running");
	int rc = sql_advice_check(text, cat->names, cat->n_known, err);
	return rc ? rc : sql_rewrite(text, cat->names, cat->n_known, rewrite, err);
}

int sql_catalog_run(struct sql_catalog *cat, const char *text, const struct sql_sink *sink, struct err *err)
{
	struct sql_rewrite rewrite;
	int rc = rewritten(cat, text, &rewrite, err);

	if (rc)
		return rc;
	rc = sql_run(cat->session, rewrite.text, sink, err);
	sql_rewrite_free(&rewrite);
	return rc == ERR_QUERY ? sql_advice_missing(text, cat->names, cat->n_known, err) : rc;
}

int sql_catalog_run_to_parquet(struct sql_catalog *cat, const char *text, const char *path, struct err *err)
{
	struct sql_rewrite rewrite;
	int rc = rewritten(cat, text, &rewrite, err);

	if (rc)
		return rc;
	rc = sql_run_to_parquet(cat->session, rewrite.text, path, err);
	sql_rewrite_free(&rewrite);
	return rc == ERR_QUERY ? sql_advice_missing(text, cat->names, cat->n_known, err) : rc;
}

void sql_catalog_cancel(struct sql_catalog *cat)
{
	struct sql_session *session = cat->session;

	if (session)
		sql_cancel(session);
}
