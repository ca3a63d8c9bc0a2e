/* src/pipeline/apply_compact.c — small files of tables are merged beside applying; the commit of a merge comes right
 * after a publish, when nothing is pending.
 *
 * One merge a pipeline at a time: it takes one core at most. Its commit changes no row and no position: the table's
 * position properties stay, the version's summary repeats them, and the commit id is new, so that the version is
 * known as ours. A merge that fails is logged and left for a while; a commit that fails is like a failed publish: all
 * tables are closed and opened again. */
#include <stdio.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "lake/merge.h"
#include "pipeline/apply_int.h"

#define AFTER_FAILURE_US 60000000

static bool ready(const struct pipe_table *t) { return t->attached && !pipe_table_dirty(t); }

static const char *const carried[] = { LAKE_KEY_LSN,      LAKE_KEY_EPOCH,     LAKE_KEY_SYSTEM_ID,
	                               LAKE_KEY_TIMELINE, LAKE_KEY_COMMIT_TS, LAKE_KEY_SOURCE };
#define N_CARRIED (sizeof carried / sizeof carried[0])

/* What the merge changes, or *taken false when it is out of date. */
static int describe(struct pipe_table *t, struct lake_change *change, const char *removed[COMPACT_FILES_MAX],
                    bool *taken, struct err *err)
{
	struct merge *merge = t->merge;
	int rc;

	if (!t->merge_changelog) {
		rc = mirror_merge_take(t->mirror, merge, taken, err);
		return rc || !*taken ? rc : mirror_flush(t->mirror, change, err);
	}
	*taken = merge_current(merge, t->changelog_table);
	for (size_t i = 0; i < merge->n_inputs; i++)
		removed[i] = merge->inputs[i].uri;
	*change = (struct lake_change){ .added = &merge->file,
		                        .n_added = 1,
		                        .removed = removed,
		                        .n_removed = merge->n_inputs };
	return ERR_OK;
}

static int commit(struct apply *a, struct pipe_table *t, struct publish_part *part, struct err *err)
{
	/* The pipeline's position as it is stored: it fences an older writer and says nothing new. */
	struct catalog_position position = {
		.pipeline = a->conf->from,
		.lsn = a->stored,
		.system_id = a->ctx.system_id,
		.timeline = a->ctx.timeline,
		.writer_epoch = a->ctx.writer_epoch,
	};
	enum commit_result result;
	int rc;

	FAILPOINT_ERR("compact.before_commit", err);
	rc = lake_publish(a->lake, part, 1, &position, &result, err);
	FAILPOINT("compact.after_commit");
	if (part->taken && t->merge_changelog)
		t->merge->file = NULL;
	else if (part->taken)
		mirror_taken(t->mirror);
	return rc || t->merge_changelog ? rc : mirror_published(t->mirror, err);
}

static int publish(struct apply *a, struct pipe_table *t, bool *taken, struct err *err)
{
	struct publish_part part = { .table = t->merge_changelog ? t->changelog_table : t->mirror_table };
	const char *removed[COMPACT_FILES_MAX];
	struct lake_kv kv[1 + N_CARRIED];
	char commit_id[37];
	size_t n = 0;
	int rc = describe(t, &part.change, removed, taken, err);

	if (rc || !*taken)
		return rc;
	env_uuid_text(commit_id);
	kv[n++] = (struct lake_kv){ LAKE_KEY_COMMIT_ID, commit_id };
	for (size_t i = 0; i < N_CARRIED; i++) {
		const char *value = part.table->ops->property(part.table, carried[i]);

		if (value)
			kv[n++] = (struct lake_kv){ carried[i], value };
	}
	part.change.replace = true;
	part.change.properties = kv;
	part.change.n_properties = 1;
	part.change.summary = kv;
	part.change.n_summary = n;
	return commit(a, t, &part, err);
}

static void report(const struct pipe_table *t, bool taken, int64_t commit_us)
{
	const struct merge *merge = t->merge;

	log_debug("lake", "%s: %zu files of %s (%llu rows) in %lld ms, commit %lld ms",
	          taken ? "merged" : "merge dropped, the table has moved on", merge->n_inputs, merge->name,
	          (unsigned long long)merge->rows, (long long)merge->us / 1000, (long long)commit_us / 1000);
}

/* The worker is done and the table has nothing pending. */
static int finish(struct apply *a, struct pipe_table *t, struct err *err)
{
	struct err why = { 0 };
	int64_t started = env_mono_us();
	bool taken = false;
	int rc;

	if (merge_join(t->merge, &why)) {
		log_warn("lake", "merging small files of %s: %s; trying again later", t->merge->name, why.text);
		a->compact_us = env_mono_us() + AFTER_FAILURE_US;
		rc = ERR_OK;
	} else {
		rc = publish(a, t, &taken, err);
		if (rc) {
			a->compact_us = env_mono_us() + AFTER_FAILURE_US;
			err_prefix(err, "merging small files of %s", t->merge->name);
		} else {
			report(t, taken, env_mono_us() - started);
		}
	}
	merge_free(t->merge);
	t->merge = NULL;
	a->worked = true;
	return rc;
}

/* Looks at one lake table; a version without work is not looked at twice. */
static int start_one(struct apply *a, struct pipe_table *t, bool changelog, struct err *err)
{
	struct lake_table *table = changelog ? t->changelog_table : t->mirror_table;
	int64_t version = table ? table->ops->version(table) : -1;
	int rc;

	if (version < 0 || t->merge_seen[changelog] == version)
		return ERR_OK;
	if (changelog)
		rc = merge_start(a->lake, table, &(struct merge_opts){ .name = t->changelog_name }, &t->merge, err);
	else
		rc = mirror_merge_start(t->mirror, &t->merge, err);
	t->merge_changelog = changelog;
	if (!t->merge)
		t->merge_seen[changelog] = version;
	return rc;
}

static void start(struct apply *a)
{
	for (size_t i = 0; i < a->n_tables; i++) {
		size_t at = (a->compact_next + i) % a->n_tables;
		struct pipe_table *t = a->tables[at];
		struct err why = { 0 };

		if (!ready(t))
			continue;
		for (int changelog = 0; changelog < 2 && !t->merge; changelog++) {
			if (!start_one(a, t, changelog, &why))
				continue;
			log_warn("lake", "merging small files of %s: %s; trying again later", t->mirror_name, why.text);
			a->compact_us = env_mono_us() + AFTER_FAILURE_US;
			return;
		}
		if (t->merge) {
			a->compact_next = at + 1; /* another table's turn */
			return;
		}
	}
}

static struct pipe_table *merging(struct apply *a)
{
	for (size_t i = 0; i < a->n_tables; i++)
		if (a->tables[i]->attached && a->tables[i]->merge)
			return a->tables[i];
	return NULL;
}

int apply_compact(struct apply *a, struct err *err)
{
	struct pipe_table *t = merging(a);

	if (!a->config->compact || env_mono_us() < a->compact_us || apply_stopping(a))
		return ERR_OK;
	if (t) {
		int rc = merge_done(t->merge) && ready(t) ? finish(a, t, err) : ERR_OK;

		if (rc || t->merge || a->compact_us > env_mono_us())
			return rc;
	}
	start(a);
	return ERR_OK;
}
