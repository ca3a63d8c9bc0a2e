/* src/pipeline/pipe_table.c — opening, applying, publishing one table. */
#include "pipeline/pipe_table.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/env.h"
#include "base/log.h"
#include "base/mem.h"
#include "lake/merge.h"
#include "pipeline/table_schema.h"

const char *table_state_name(enum table_state state)
{
	static const char *const names[] = { "opening", "new", "copying", "running", "stopped" };

	return names[state];
}

int pipe_table_new(const struct pipe_context *ctx, struct relation *rel, struct pipe_table **out, struct err *err)
{
	struct pipe_table *t = mem_zero(sizeof *t);

	if (!t)
		return err_nomem(err);
	t->ctx = ctx;
	t->rel = relation_ref(rel);
	t->rel_id = rel->id;
	snprintf(t->label, sizeof t->label, "%.70s.%.70s", rel->schema, rel->name);
	table_schema_lake_name(rel, t->lake_name, sizeof t->lake_name - sizeof PIPE_CHANGES_SUFFIX);
	snprintf(t->mirror_name, sizeof t->mirror_name, "%s.%s", ctx->source, t->lake_name);
	snprintf(t->changelog_name, sizeof t->changelog_name, "%s.%s" PIPE_CHANGES_SUFFIX, ctx->source, t->lake_name);
	*out = t;
	return ERR_OK;
}

void pipe_table_free(struct pipe_table *t)
{
	if (!t)
		return;
	pipe_table_close(t);
	relation_unref(t->rel);
	mem_free(t);
}

static void clear_plan(struct pipe_table *t)
{
	lake_fields_free(t->planned, t->n_planned);
	lake_fields_free(t->planned_changes, t->n_planned_changes);
	t->planned = t->planned_changes = NULL;
	t->n_planned = t->n_planned_changes = 0;
}

void pipe_table_close(struct pipe_table *t)
{
	merge_free(t->merge);
	t->merge = NULL;
	t->merge_seen[0] = t->merge_seen[1] = -1;
	mirror_close(t->mirror);
	changelog_close(t->changelog);
	t->mirror = NULL;
	t->changelog = NULL;
	clear_plan(t);
	if (t->mirror_table)
		t->mirror_table->ops->close(t->mirror_table);
	if (t->changelog_table)
		t->changelog_table->ops->close(t->changelog_table);
	t->mirror_table = t->changelog_table = NULL;
	t->applied = t->position;
}

void pipe_table_stop(struct pipe_table *t, const struct err *why)
{
	const char *fields[] = { "table", t->mirror_name, NULL };

	t->state = TABLE_STOPPED;
	t->reason_code = why->code;
	snprintf(t->reason, sizeof t->reason, "%s", why->text);
	pipe_table_close(t);
	log_msg(LOG_ERROR, "pipeline", fields, "table %s is stopped: %s", t->mirror_name, why->text);
}

static int evolve(struct pipe_table *t, const struct relation *rel, struct err *err);

/* --- opening --- */

struct stored {
	bool has_position;
	uint64_t lsn, epoch;
};

static int read_stored(const struct pipe_table *t, const struct lake_table *table, const char *name, struct stored *out,
                       struct err *err)
{
	const char *lsn = table->ops->property(table, LAKE_KEY_LSN),
		   *epoch = table->ops->property(table, LAKE_KEY_EPOCH);
	const char *system_id = table->ops->property(table, LAKE_KEY_SYSTEM_ID);
	uint64_t id;

	*out = (struct stored){ 0 };
	if (!lsn)
		return table->ops->version(table) < 0
		               ? ERR_OK
		               : err_set(err, ERR_IDENTITY,
		                         "table %s has rows but no stored position (%s); it was not written by tarn or was restored without its "
		                         "properties; drop or rename it, or copy it again: tarn table recopy %s",
		                         name, LAKE_KEY_LSN, name);
	if (!str_to_lsn(str_of(lsn), &out->lsn) || (epoch && !str_to_u64(str_of(epoch), &out->epoch)))
		return err_set(err, ERR_CORRUPT, "table %s: its stored position '%s' cannot be read", name, lsn);
	out->has_position = true;
	if (system_id && (!str_to_u64(str_of(system_id), &id) || id != t->ctx->system_id))
		return err_set(
			err, ERR_IDENTITY,
			"table %s was filled from the PostgreSQL cluster with system identifier %s, but source %s is %llu; point the source at the old cluster, or copy "
			"the table again: tarn table recopy %s",
			name, system_id, t->ctx->source, (unsigned long long)t->ctx->system_id, name);
	return ERR_OK;
}

static int check_oid(const struct pipe_table *t, const struct lake_table *table, const char *name, struct err *err)
{
	const char *text = table->ops->property(table, PIPE_KEY_TABLE_OID);
	uint64_t oid;

	if (!text || (str_to_u64(str_of(text), &oid) && oid == t->rel_id))
		return ERR_OK;
	return err_set(
		err, ERR_IDENTITY,
		"source table %s was dropped and created again (oid %s, now %u); table %s still holds the old one's rows; copy it again: tarn table recopy %s",
		t->label, text, t->rel_id, name, t->mirror_name);
}

/* After a commit of ours the version's summary and the table's property carry the same commit id. Rows changed by
 * somebody else would make the promise false. */
static int check_foreign(const struct lake_table *table, const char *name, const char *mirror_name, struct err *err)
{
	const char *ours = table->ops->property(table, LAKE_KEY_COMMIT_ID);
	const char *operation = table->ops->summary(table, "operation");

	if (table->ops->version(table) < 0 || (ours && table->ops->rows_of(table, LAKE_KEY_COMMIT_ID, ours)))
		return ERR_OK;
	return err_set(
		err, ERR_IDENTITY,
		"table %s was changed by another writer (table version %lld, operation %s, engine %s); its rows need not equal the source any more; undo it with: tarn table "
		"rollback %s, or copy the table again (a changelog with rows of others begins anew): tarn table recopy %s",
		name, (long long)table->ops->version(table), operation ? operation : "unknown",
		table->ops->summary(table, "engine-name") ? table->ops->summary(table, "engine-name") : "unknown", name,
		mirror_name);
}

static int open_one(struct pipe_table *t, bool changelog, struct lake_table **table, struct err *err)
{
	struct lake *lake = t->ctx->lake;
	char lake_name[160];
	int rc;

	snprintf(lake_name, sizeof lake_name, "%s%s", t->lake_name, changelog ? PIPE_CHANGES_SUFFIX : "");
	rc = lake->format->open(lake->catalog, lake->store, t->ctx->source, lake_name, &lake->keep, table, err);
	if (rc == ERR_NOT_FOUND) {
		rc = table_schema_create(lake, t->ctx->source, lake_name, t->rel, changelog, err);
		if (!rc)
			rc = lake->format->open(lake->catalog, lake->store, t->ctx->source, lake_name, &lake->keep,
			                        table, err);
	}
	return rc;
}

/* A table whose files cannot be read any more is of no use to a copy, nor is a changelog with somebody else's rows,
 * which no copy takes out: it is dropped from the catalog (its files stay) and made anew. */
static int open_or_replace(struct pipe_table *t, bool changelog, struct lake_table **table, struct err *err)
{
	struct catalog *catalog = t->ctx->lake->catalog;
	char name[160];
	int rc = open_one(t, changelog, table, err);

	if (!rc && changelog && check_foreign(*table, t->changelog_name, t->mirror_name, err)) {
		(*table)->ops->close(*table);
		*table = NULL;
	} else if (rc != ERR_CORRUPT && rc != ERR_NOT_FOUND) {
		return rc;
	}
	log_warn("pipeline", "%s of %s is made anew: %s", changelog ? "changelog" : "mirror", t->label, err->text);
	snprintf(name, sizeof name, "%s%s", t->lake_name, changelog ? PIPE_CHANGES_SUFFIX : "");
	rc = catalog->ops->table_drop(catalog, t->ctx->source, name, false, err);
	return rc && rc != ERR_NOT_FOUND ? rc : open_one(t, changelog, table, err);
}

static int open_lake_tables(struct pipe_table *t, bool replace, struct err *err)
{
	int (*open_fn)(struct pipe_table *, bool, struct lake_table **, struct err *) =
		replace ? open_or_replace : open_one;
	int rc = ERR_OK;

	if (t->ctx->with_mirror)
		rc = open_fn(t, false, &t->mirror_table, err);
	if (!rc && t->ctx->with_changelog)
		rc = open_fn(t, true, &t->changelog_table, err);
	return rc;
}

/* A table without changes does not commit; the pipeline's position says how far that is known, unless the table is
 * held. */
static uint64_t complete_to(const struct pipe_table *t, uint64_t own)
{
	uint64_t known = t->held ? t->held_lsn : t->ctx->known_lsn;

	return own > known ? own : known;
}

static int check_one(struct pipe_table *t, const struct lake_table *table, const char *name, struct stored *stored,
                     struct err *err)
{
	int rc;

	*stored = (struct stored){ 0 };
	if (!table)
		return ERR_OK;
	rc = read_stored(t, table, name, stored, err);
	/* known also when a later check stops the table: its journal is kept from here on */
	if (!rc && stored->has_position)
		t->position = t->applied = complete_to(t, stored->lsn);
	if (!rc)
		rc = check_oid(t, table, name, err);
	if (!rc)
		rc = check_foreign(table, name, t->mirror_name, err);
	if (!rc && stored->epoch > t->ctx->writer_epoch)
		rc = err_set(
			err, ERR_FENCED,
			"table %s is owned by a newer writer (epoch %llu, ours is %llu); another tarn writes this lake",
			name, (unsigned long long)stored->epoch, (unsigned long long)t->ctx->writer_epoch);
	return rc;
}

static int check_tables(struct pipe_table *t, struct err *err)
{
	struct stored mirror, changelog;
	bool both = t->ctx->with_mirror && t->ctx->with_changelog;
	int rc = check_one(t, t->mirror_table, t->mirror_name, &mirror, err);

	if (!rc)
		rc = check_one(t, t->changelog_table, t->changelog_name, &changelog, err);
	if (rc)
		return rc;
	/* One of the two was added to an existing pipeline, or dropped: the pair starts again from a copy. */
	t->needs_copy = both && mirror.has_position != changelog.has_position;
	if (t->needs_copy)
		return ERR_OK;
	if (both && changelog.lsn != mirror.lsn)
		return err_set(
			err, ERR_IDENTITY,
			"tables %s and %s are at different positions; one was restored from an older copy; copy again: tarn table recopy %s",
			t->mirror_name, t->changelog_name, t->mirror_name);
	t->needs_copy = !(t->ctx->with_mirror ? mirror : changelog).has_position;
	if (t->needs_copy)
		return ERR_OK;
	t->opened_lsn = t->ctx->with_mirror ? mirror.lsn : changelog.lsn;
	t->position = t->applied = complete_to(t, t->opened_lsn);
	return ERR_OK;
}

static int open_writers(struct pipe_table *t, struct err *err)
{
	int rc = table_schema_narrow(t->mirror_table, t->changelog_table, t->mirror_name, &t->rel, err);

	if (!rc && t->mirror_table)
		rc = mirror_open(t->ctx->lake, t->mirror_table, t->mirror_name, t->rel, &t->mirror, err);
	if (!rc && t->changelog_table)
		rc = changelog_open(t->ctx->lake, t->changelog_table, t->changelog_name, t->rel, &t->changelog, err);
	return rc;
}

/* A table that cannot be captured now may have been: how far it got must be known, to keep its journal. */
static void look_for_position(struct pipe_table *t)
{
	struct lake *lake = t->ctx->lake;
	struct lake_table **table = t->ctx->with_mirror ? &t->mirror_table : &t->changelog_table;
	const char *name = (t->ctx->with_mirror ? t->mirror_name : t->changelog_name) + strlen(t->ctx->source) + 1;
	struct stored stored;
	struct err ignored;

	t->position = 0;
	if (!lake->format->open(lake->catalog, lake->store, t->ctx->source, name, &lake->keep, table, &ignored) &&
	    !read_stored(t, *table, name, &stored, &ignored) && stored.has_position)
		t->position = complete_to(t, stored.lsn);
	pipe_table_close(t);
}

int pipe_table_open(struct pipe_table *t, struct err *err)
{
	int rc;

	pipe_table_close(t);
	t->needs_copy = false;
	if (t->rel->unsupported) {
		look_for_position(t);
		return err_set(err, ERR_UNSUPPORTED, "table %s: %s", t->label, t->rel->unsupported);
	}
	rc = open_lake_tables(t, false, err);
	if (rc == ERR_CORRUPT || rc == ERR_NOT_FOUND) {
		struct err why = *err;

		return err_set(
			err, rc,
			"%.1500s; was the warehouse restored from an older copy, or were files removed? Put them back, or copy the table again: tarn table recopy %s",
			why.text, t->mirror_name);
	}
	if (rc || (rc = check_tables(t, err)))
		return rc;
	return t->needs_copy ? ERR_OK : open_writers(t, err);
}

static int drop_lake_tables(struct pipe_table *t, struct err *err)
{
	struct catalog *catalog = t->ctx->lake->catalog;
	char name[160];
	int rc = ERR_OK;

	pipe_table_close(t);
	if (t->ctx->with_mirror)
		rc = catalog->ops->table_drop(catalog, t->ctx->source, t->lake_name, false, err);
	snprintf(name, sizeof name, "%s" PIPE_CHANGES_SUFFIX, t->lake_name);
	if ((!rc || rc == ERR_NOT_FOUND) && t->ctx->with_changelog)
		rc = catalog->ops->table_drop(catalog, t->ctx->source, name, false, err);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

int pipe_table_open_copy(struct pipe_table *t, struct relation *rel, struct err *err)
{
	const struct batch *batch;
	struct err why;
	uint32_t row;
	int rc;

	pipe_table_close(t);
	relation_unref(t->rel);
	t->rel = relation_ref(rel);
	__atomic_store_n(&t->rel_id, rel->id, __ATOMIC_RELAXED);
	rc = open_lake_tables(t, true, err);
	if (!rc && open_writers(t, &why)) {
		/* The shape changed in a way the lake's tables cannot follow: they are made anew. */
		log_info("pipeline",
		         "the lake's tables of %s are made anew for the copy: the source's table has another shape now",
		         t->label);
		rc = drop_lake_tables(t, err);
		relation_unref(t->rel);
		t->rel = relation_ref(rel);
		if (!rc)
			rc = open_lake_tables(t, true, err);
		if (!rc)
			rc = open_writers(t, err);
	}
	if (!rc && t->rel->n_columns != rel->n_columns) {
		/* Columns the lake lacks are added with the copy's own commit. */
		struct relation *narrow = t->rel;

		t->rel = relation_ref(rel);
		rc = evolve(t, rel, err);
		relation_unref(narrow);
	}
	if (!rc && t->mirror)
		rc = mirror_apply(t->mirror, &(struct change){ .op = OP_TRUNCATE, .rel = t->rel }, &batch, &row, err);
	return rc;
}

/* --- applying --- */

static int evolve(struct pipe_table *t, const struct relation *rel, struct err *err)
{
	struct lake_table *tables[2] = { t->mirror_table, t->changelog_table };
	struct lake_field **planned[2] = { &t->planned, &t->planned_changes };
	size_t *n_planned[2] = { &t->n_planned, &t->n_planned_changes };
	int rc = t->rel == rel ? ERR_OK : table_schema_check(t->rel, rel, t->mirror_name, err);

	for (int i = 0; !rc && i < 2; i++)
		if (tables[i])
			rc = table_schema_plan(tables[i], rel, planned[i], n_planned[i], err);
	if (!rc && t->mirror)
		rc = mirror_evolve(t->mirror, rel, t->planned, t->n_planned, err);
	if (!rc && t->changelog)
		rc = changelog_evolve(t->changelog, rel, t->planned_changes, t->n_planned_changes, err);
	if (rc)
		return rc;
	relation_ref((struct relation *)rel);
	relation_unref(t->rel);
	t->rel = (struct relation *)rel;
	return ERR_OK;
}

/* A new column of a mirror with rows: what the source filled into them with its default is in no message. */
static int check_new_columns(struct pipe_table *t, const struct relation *rel, struct err *err)
{
	if (!t->mirror || mirror_rows(t->mirror) == 0)
		return ERR_OK;
	for (uint16_t i = 0; i < rel->n_columns; i++) {
		const char *name = rel->columns[i].name;
		bool filled = false;
		int rc = relation_find_column(t->rel, str_of(name)) >= 0
		                 ? ERR_OK
		                 : t->ctx->column_filled(t->ctx->asker, rel, name, &filled, err);

		if (rc)
			return rc;
		if (filled)
			return err_set(
				err, ERR_UNSUPPORTED,
				"column \"%s\" was added to %s with a default or NOT NULL, so rows that were there before have a value which the change stream does not carry; copy the table again: tarn table "
				"recopy %s",
				name, t->label, t->mirror_name);
	}
	return ERR_OK;
}

/* Relation records come again with every segment and session; most say nothing new. */
static int take_shape(struct pipe_table *t, const struct relation *rel, struct err *err)
{
	if (rel->unsupported)
		return err_set(err, ERR_UNSUPPORTED,
		               "table %s: %s; once that is mended copy it again: tarn table recopy %s", t->label,
		               rel->unsupported, t->mirror_name);
	if (!relation_same_shape(rel, t->rel)) {
		int rc = check_new_columns(t, rel, err);

		return rc ? rc : evolve(t, rel, err);
	}
	relation_unref(t->rel);
	t->rel = relation_ref((struct relation *)rel);
	return ERR_OK;
}

static void count(struct pipe_table *t, uint8_t op)
{
	switch (op) {
	case OP_INSERT: t->counts.inserts++; break;
	case OP_UPDATE: t->counts.updates++; break;
	case OP_DELETE: t->counts.deletes++; break;
	case OP_TRUNCATE: t->counts.truncates++; break;
	}
}

int pipe_table_apply(struct pipe_table *t, const struct tx_head *head, const struct change *change, struct err *err)
{
	const struct batch *batch = NULL;
	uint32_t row = 0;
	int rc;

	if (change->rel != t->rel && (rc = take_shape(t, change->rel, err)))
		return rc;
	if (t->mirror && (rc = mirror_apply(t->mirror, change, &batch, &row, err)))
		return rc;
	if (t->changelog && (rc = changelog_append(t->changelog, head, change, batch, row, err)))
		return rc;
	count(t, change->op);
	t->last_commit_ts_us = head->commit_ts_us;
	return ERR_OK;
}

bool pipe_table_dirty(const struct pipe_table *t)
{
	return (t->mirror && mirror_dirty(t->mirror)) || (t->changelog && changelog_dirty(t->changelog)) ||
	       t->n_planned > 0;
}

uint64_t pipe_table_bytes(const struct pipe_table *t)
{
	return (t->mirror ? mirror_bytes(t->mirror) : 0) + (t->changelog ? changelog_bytes(t->changelog) : 0);
}

/* --- publishing --- */

static size_t fill_texts(const struct pipe_table *t, uint64_t lsn, struct pipe_texts *x)
{
	size_t n = 0;

	lsn_text(lsn, x->lsn);
	snprintf(x->system_id, sizeof x->system_id, "%llu", (unsigned long long)t->ctx->system_id);
	snprintf(x->timeline, sizeof x->timeline, "%u", t->ctx->timeline);
	snprintf(x->oid, sizeof x->oid, "%u", t->rel_id);
	snprintf(x->epoch, sizeof x->epoch, "%llu", (unsigned long long)t->ctx->writer_epoch);
	snprintf(x->source, sizeof x->source, "%.30s.%.160s", t->ctx->source, t->label);
	env_uuid_text(x->commit_id);
	time_text(t->last_commit_ts_us, x->commit_ts);
	x->kv[n++] = (struct lake_kv){ LAKE_KEY_COMMIT_ID, x->commit_id };
	x->kv[n++] = (struct lake_kv){ LAKE_KEY_LSN, x->lsn };
	x->kv[n++] = (struct lake_kv){ LAKE_KEY_EPOCH, x->epoch };
	x->kv[n++] = (struct lake_kv){ LAKE_KEY_SYSTEM_ID, x->system_id };
	x->kv[n++] = (struct lake_kv){ LAKE_KEY_TIMELINE, x->timeline };
	if (t->last_commit_ts_us)
		x->kv[n++] = (struct lake_kv){ LAKE_KEY_COMMIT_TS, x->commit_ts };
	x->kv[n++] = (struct lake_kv){ LAKE_KEY_SOURCE, x->source };
	x->kv[n++] = (struct lake_kv){ PIPE_KEY_TABLE_OID, x->oid };
	return n;
}

static void add_part(struct lake_table *table, const struct lake_change *change, const struct pipe_texts *texts,
                     size_t n_kv, const struct lake_field *planned, size_t n_planned, struct publish_part *part)
{
	bool version = change->n_added > 0 || change->n_removed > 0 || change->n_dvs > 0 || change->remove_all;

	*part = (struct publish_part){ .table = table, .change = *change };
	/* The commit id names the version it made (check_foreign): without one it stays. It is the first pair. */
	part->change.properties = version ? texts->kv : texts->kv + 1;
	part->change.n_properties = version ? n_kv : n_kv - 1;
	part->change.summary = texts->kv;
	part->change.n_summary = n_kv;
	part->change.add_fields = planned;
	part->change.n_add_fields = n_planned;
}

int pipe_table_flush(struct pipe_table *t, uint64_t lsn, struct pipe_texts *texts, struct publish_part parts[2],
                     size_t *n_parts, struct err *err)
{
	size_t n_kv = fill_texts(t, lsn, texts), n = 0;
	int rc;

	if (t->mirror) {
		struct lake_change change = { 0 };

		if ((rc = mirror_flush(t->mirror, &change, err)))
			return rc;
		add_part(t->mirror_table, &change, texts, n_kv, t->planned, t->n_planned, &parts[n++]);
	}
	if (t->changelog) {
		struct lake_change change = { 0 };

		if ((rc = changelog_flush(t->changelog, &change, err)))
			return rc;
		add_part(t->changelog_table, &change, texts, n_kv, t->planned_changes, t->n_planned_changes,
		         &parts[n++]);
	}
	*n_parts = n;
	return ERR_OK;
}

void pipe_table_taken(struct pipe_table *t, const struct publish_part *parts, size_t n_parts)
{
	for (size_t i = 0; i < n_parts; i++) {
		if (!parts[i].taken)
			continue;
		if (parts[i].table == t->mirror_table)
			mirror_taken(t->mirror);
		else
			changelog_taken(t->changelog);
	}
}

int pipe_table_published(struct pipe_table *t, uint64_t lsn, struct err *err)
{
	int rc = t->mirror ? mirror_published(t->mirror, err) : ERR_OK;

	clear_plan(t);
	t->position = lsn;
	t->counts.published_versions++;
	return rc;
}
