/* src/pipeline/apply_gone.c — tables whose changes have stopped coming, while Tarn ran or while it did not: dropped at
 * the source, or outside the publication.
 *
 * Neither leaves a trace in the stream, so it is seen by looking: while running by the monitor (source_tables.c), at a
 * start by comparing the lake's tables with the source's. The lake's rows stay; the table is shown as stopped with
 * what to do. A table made anew under the old name has another oid and is another table. */
#include <fnmatch.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "pipeline/apply_int.h"

#define NAMES_MAX 100000

struct names {
	char **names;
	size_t n, cap;
};

static int collect(void *arg, const char *name)
{
	struct names *names = arg;
	char *copy;

	if (names->n >= NAMES_MAX || vec_grow(&names->names, &names->cap, names->n + 1, sizeof *names->names) ||
	    !(copy = mem_strdup(name)))
		return ERR_NOMEM;
	names->names[names->n++] = copy;
	return ERR_OK;
}

/* "public.users" of a mirror (of a changelog, where there are no mirrors) that this pipeline wrote; false: another
 * table. */
static bool source_table_of(struct apply *a, const char *name, char *label, size_t size)
{
	struct catalog *catalog = a->lake->catalog;
	struct catalog_table table = { 0 };
	const json_t *properties;
	const char *source, *kind;
	struct err ignored;
	size_t n = strlen(a->conf->from);
	bool ours = false;

	if (catalog->ops->table_load(catalog, a->conf->from, name, &table, &ignored))
		return false;
	properties = json_object_get(table.metadata, "properties");
	source = json_get_str(properties, LAKE_KEY_SOURCE, "");
	kind = json_get_str(properties, LAKE_KEY_KIND, "");
	if (strcmp(kind, a->conf->mirror ? "mirror" : "changelog") == 0 && strncmp(source, a->conf->from, n) == 0 &&
	    source[n] == '.')
		ours = str_copy(label, size, str_of(source + n + 1));
	catalog_table_clear(&table);
	return ours;
}

/* One that tables: does not name any more was left out on purpose. */
static bool is_wanted(const struct apply *a, const char *label)
{
	const struct config_source *conf = config_find_source(a->config, a->conf->from);

	for (size_t i = 0; conf && i < conf->n_tables; i++)
		if (fnmatch(conf->tables[i], label, 0) == 0)
			return true;
	return false;
}

static bool is_at_source(const struct pg_tables *found, const char *label)
{
	for (size_t i = 0; i < found->n; i++) {
		const struct relation *rel = found->tables[i].rel;
		size_t n = strlen(rel->schema);

		if (strncmp(rel->schema, label, n) == 0 && label[n] == '.' && strcmp(rel->name, label + n + 1) == 0)
			return true;
	}
	return false;
}

static struct relation *gone_relation(const char *ns, const char *label)
{
	const char *dot = strchr(label, '.');
	struct relation *rel = dot ? relation_new(0, str_view(label, (size_t)(dot - label)), str_of(dot + 1), 0) : NULL;
	char text[600];

	snprintf(
		text, sizeof text,
		"table %s is not at the source any more (dropped or renamed); the lake keeps its rows as they were; drop the lake's tables in the catalog to forget it, or leave it out of tables: of source %s",
		label, ns);
	if (rel && relation_set_unsupported(rel, text)) {
		relation_unref(rel);
		return NULL;
	}
	return rel;
}

/* lake_name: of the mirror, where there are none of the changelog. */
static int leave_out(const struct apply *a, const char *lake_name, struct err *err)
{
	size_t n = strlen(lake_name) - (a->conf->mirror ? 0 : sizeof PIPE_CHANGES_SUFFIX - 1);
	char table[300];

	snprintf(table, sizeof table, "%s.%.*s", a->conf->from, (int)n, lake_name);
	return apply_hold_left_out(a, table, err);
}

int apply_find_gone(struct apply *a, const struct pg_tables *found, struct relation ***out, size_t *n, struct err *err)
{
	struct catalog *catalog = a->lake->catalog;
	struct names names = { 0 };
	char label[200];
	int rc = catalog->ops->table_list(catalog, a->conf->from, collect, &names, err);

	*n = 0;
	*out = NULL;
	if (rc == ERR_NOT_FOUND)
		rc = ERR_OK;
	if (!rc && !(*out = mem_array(names.n + 1, sizeof **out)))
		rc = err_nomem(err);
	for (size_t i = 0; !rc && i < names.n; i++) {
		struct relation *rel;

		if (!source_table_of(a, names.names[i], label, sizeof label) || is_at_source(found, label))
			continue;
		if (!is_wanted(a, label)) {
			rc = leave_out(a, names.names[i], err);
			continue;
		}
		rel = gone_relation(a->conf->from, label);
		if (rel)
			(*out)[(*n)++] = rel;
		else
			rc = err_nomem(err);
	}
	for (size_t i = 0; i < names.n; i++)
		mem_free(names.names[i]);
	mem_free(names.names);
	while (rc && *n > 0)
		relation_unref((*out)[--*n]);
	if (rc)
		mem_free(*out);
	return rc;
}

/* Its place among the source's tables, which come first; false: only the lake has it. */
static bool place_at_source(const struct apply *a, const struct pipe_table *t, size_t *place)
{
	size_t n = source_tables(a->source)->n;

	for (*place = 0; *place < n && a->tables[*place] != t;)
		++*place;
	return *place < n;
}

int apply_check_outside(struct apply *a, struct pipe_table *t, struct err *err)
{
	size_t place;
	uint64_t lsn = place_at_source(a, t, &place) ? source_table_outside(a->source, place) : 0;
	char at[LSN_TEXT_MAX];

	if (lsn == 0 || t->opened_lsn >= lsn)
		return ERR_OK;
	t->released = true; /* the journal lacks some of its changes: only a copy helps */
	return err_set(
		err, ERR_GAP,
		"table %s was not in publication \"%s\" (seen at %s), so the server did not send what was written to it; leave it in the publication and copy it again: tarn table recopy %s",
		t->label, config_find_source(a->config, a->conf->from)->publication, lsn_text(lsn, at), t->mirror_name);
}

/* Dropped: stopped once everything it had is published; it needs no journal behind that. */
static bool is_dropped(struct apply *a, const struct pipe_table *t, size_t place, struct err *why)
{
	uint64_t lsn = source_table_gone(a->source, place);
	char at[LSN_TEXT_MAX];

	if (lsn == 0 || position_lake(source_position(a->source)) < lsn)
		return false;
	err_set(why, ERR_NOT_FOUND,
	        "table %s was dropped at the source before %s; the lake keeps its rows as they were; drop the lake's tables in the catalog to forget it, or copy a new table of that name: tarn table recopy %s",
	        t->label, lsn_text(lsn, at), t->mirror_name);
	return true;
}

static void stop_dropped(struct apply *a, struct pipe_table *t, const struct err *why)
{
	t->applied = t->position = a->applied > t->position ? a->applied : t->position;
	apply_stop_table(a, t, why);
	t->released = true;
}

/* What it had is published, so that the changelog has all that came. */
static int stop_outside(struct apply *a, struct pipe_table *t, size_t place, const struct err *why, struct err *err)
{
	int rc = a->oldest_pending_us ? apply_publish(a, err) : ERR_OK;

	if (rc)
		return rc;
	rc = source_table_left(a->source, place, t->position, err);
	if (!rc && t->attached)
		apply_stop_table(a, t, why);
	return rc;
}

int apply_stop_gone(struct apply *a, struct err *err)
{
	size_t n = source_tables(a->source)->n;
	int rc = ERR_OK;

	for (size_t i = 0; !rc && i < n; i++) {
		struct pipe_table *t = a->tables[i];
		struct err why = { 0 };

		/* another id: it was copied anew since */
		if (!t->attached ||
		    __atomic_load_n(&t->rel_id, __ATOMIC_RELAXED) != source_tables(a->source)->tables[i].rel->id)
			continue;
		if (!a->oldest_pending_us && is_dropped(a, t, i, &why))
			stop_dropped(a, t, &why);
		else if (apply_check_outside(a, t, &why))
			rc = stop_outside(a, t, i, &why, err);
		else
			rc = source_table_copied(a->source, i, t->opened_lsn, err);
	}
	return rc;
}

void apply_look_at_other(struct apply *a, const struct relation *rel)
{
	for (size_t i = 0; i < a->n_tables; i++) {
		struct pipe_table *t = a->tables[i];
		struct err why;

		if (!t->attached || strcmp(t->rel->schema, rel->schema) != 0 || strcmp(t->rel->name, rel->name) != 0)
			continue;
		err_set(&why, ERR_IDENTITY,
		        "source table %s was dropped and created again (oid %u, now %u); table %s still holds the old one's rows; copy it again: tarn table recopy %s",
		        t->label, t->rel_id, rel->id, t->mirror_name, t->mirror_name);
		apply_stop_table(a, t, &why);
	}
}
