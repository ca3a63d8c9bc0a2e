/* src/cli/table_recopy.c — which tables a new copy is asked for, and the files <state>/recopy/NAME that ask
 * (pipeline/apply_recopy.c takes them). */
#include "cli/table_recopy.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/env.h"
#include "pipeline/run_info.h"
#include "serve/table_admin.h"

#define CHANGES_SUFFIX "__changes"

static int push(char ***list, size_t *n, size_t *cap, struct str text, struct err *err)
{
	char *copy;

	for (size_t i = 0; i < *n; i++) {
		if (str_eqz(text, (*list)[i]))
			return ERR_OK;
	}
	copy = mem_strndup(text.p, text.n);
	if (!copy || vec_grow(list, cap, *n + 1, sizeof **list)) {
		mem_free(copy);
		return err_nomem(err);
	}
	(*list)[(*n)++] = copy;
	return ERR_OK;
}

static struct str without_suffix(struct str name)
{
	if (str_ends(name, CHANGES_SUFFIX))
		name.n -= sizeof CHANGES_SUFFIX - 1;
	return name;
}

static struct str namespace_of(struct str full) { return str_cut(&full, '.'); }

static bool is_source(const struct config *config, struct str name)
{
	for (size_t i = 0; i < config->n_sources; i++) {
		if (str_eqz(name, config->sources[i].name))
			return true;
	}
	return false;
}

static int know(struct recopy *r, struct str full, struct err *err)
{
	return push(&r->known, &r->n_known, &r->cap_known, full, err);
}

/* Tables the catalog holds in the namespaces of sources; a changelog stands for its table. */
static int know_catalog(struct recopy *r, struct err *err)
{
	struct table_admin admin;
	struct err why = { 0 };
	json_t *tables = NULL;
	const json_t *t;
	size_t i;
	int rc = table_admin_open(r->config, false, &admin, &why);

	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	if (rc) {
		*err = why;
		return rc;
	}
	rc = table_admin_list(&admin, &tables, err);
	json_array_foreach(tables, i, t)
	{
		struct str full = str_of(json_get_str(t, "table", ""));
		const char *kind = json_get_str(t, "kind", json_has(t, "error") ? "mirror" : "");

		if (rc || !is_source(r->config, namespace_of(full)) || !*kind)
			continue;
		rc = know(r, strcmp(kind, "changelog") == 0 ? without_suffix(full) : full, err);
	}
	json_decref(tables);
	table_admin_close(&admin);
	return rc;
}

/* A running tarn also knows tables that never reached the lake. */
static int know_running(struct recopy *r, struct err *err)
{
	struct err why = { 0 };
	json_t *status = NULL;
	const json_t *source, *t;
	size_t i, k;
	int rc = run_info_status(r->config, &status, &why);

	/* without an HTTP address it cannot be asked, but it runs and looks at the folder */
	r->running = !rc || rc == ERR_CONFIG;
	rc = ERR_OK;
	json_array_foreach(json_object_get(status, "sources"), i, source)
	{
		json_array_foreach(json_object_get(source, "tables"), k, t)
		{
			if (!rc && *json_get_str(t, "table", ""))
				rc = know(r, str_of(json_get_str(t, "table", "")), err);
		}
	}
	json_decref(status);
	return rc;
}

static bool is_known(const struct recopy *r, struct str name)
{
	for (size_t i = 0; i < r->n_known; i++) {
		if (str_eqz(name, r->known[i]))
			return true;
	}
	return false;
}

static int unknown(const struct recopy *r, const char *word, struct err *err)
{
	const char **names = mem_array(r->n_known + r->config->n_sources + 1, sizeof *names);
	const char *near = NULL;
	size_t n = 0;

	for (size_t i = 0; names && i < r->n_known; i++)
		names[n++] = r->known[i];
	for (size_t i = 0; names && i < r->config->n_sources; i++)
		names[n++] = r->config->sources[i].name;
	if (names)
		near = str_nearest(str_of(word), names);
	mem_free(names);
	if (near)
		return err_set(
			err, ERR_NOT_FOUND,
			"no pipeline of this configuration writes a table %.300s, did you mean %s? 'tarn table ls' lists the tables",
			word, near);
	return err_set(err, ERR_NOT_FOUND,
	               "no pipeline of this configuration writes a table %.300s; 'tarn table ls' lists the tables",
	               word);
}

static int choose(struct recopy *r, struct str name, struct err *err)
{
	return push(&r->tables, &r->n_tables, &r->cap_tables, name, err);
}

static int take_word(struct recopy *r, const char *word, struct err *err)
{
	struct str name = str_of(word);
	size_t before = r->n_tables;
	int rc = ERR_OK;

	if (is_known(r, name))
		return choose(r, name, err);
	if (is_known(r, without_suffix(name)))
		return choose(r, without_suffix(name), err);
	if (!is_source(r->config, name))
		return unknown(r, word, err);
	for (size_t i = 0; !rc && i < r->n_known; i++) {
		if (str_eq(namespace_of(str_of(r->known[i])), name))
			rc = choose(r, str_of(r->known[i]), err);
	}
	if (!rc && r->n_tables == before)
		return err_set(
			err, ERR_NOT_FOUND,
			"source %.200s has no tables in the lake yet; they are copied when 'tarn run' first sees them",
			word);
	return rc;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int recopy_plan(const struct config *config, const char *const *words, size_t n_words, struct recopy *out,
                struct err *err)
{
	int rc;

	*out = (struct recopy){ .config = config };
	rc = know_catalog(out, err);
	if (!rc)
		rc = know_running(out, err);
	if (!rc && out->n_known)
		qsort(out->known, out->n_known, sizeof *out->known, by_text);
	for (size_t i = 0; !rc && i < n_words; i++)
		rc = take_word(out, words[i], err);
	return rc;
}

int recopy_request(const struct recopy *recopy, struct err *err)
{
	char dir[4096], path[8192], part[512], text[64], time[TIME_TEXT_MAX];
	int rc;

	snprintf(dir, sizeof dir, "%.3000s/recopy", recopy->config->state);
	rc = env_mkdir_parents(dir, 0755);
	if (rc < 0)
		return err_set_errno(err, ERR_IO, -rc, "cannot make the folder '%s'", dir);
	snprintf(text, sizeof text, "asked %s\n", time_text_ms(env_wall_us(), time));
	for (size_t i = 0; i < recopy->n_tables; i++) {
		store_encode_part(str_of(recopy->tables[i]), part, sizeof part);
		snprintf(path, sizeof path, "%s/%s", dir, part);
		rc = env_write_file_atomic(path, text, strlen(text), 0644);
		if (rc < 0)
			return err_set_errno(err, ERR_IO, -rc, "cannot leave the request '%s'", path);
	}
	return ERR_OK;
}

static void free_all(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mem_free(list[i]);
	mem_free(list);
}

void recopy_free(struct recopy *recopy)
{
	free_all(recopy->tables, recopy->n_tables);
	free_all(recopy->known, recopy->n_known);
	*recopy = (struct recopy){ 0 };
}
