/* src/pipeline/apply_publish.c — one commit of all dirty tables; the pipeline's position; trimming the journal. */
#include <stdio.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/apply_int.h"

#define STORE_EVERY_US 10000000

struct publish {
	struct apply *a;
	struct pipe_table **tables; /* dirty ones */
	struct pipe_texts *texts;
	struct publish_part *parts;
	size_t *n_parts; /* per table */
	size_t n_tables, n_all;
};

/* Complete up to here for every table that is not marked as held. */
static uint64_t pipeline_lsn(const struct apply *a)
{
	uint64_t lsn = a->applied;

	for (size_t i = 0; i < a->n_tables; i++) {
		const struct pipe_table *t = a->tables[i];

		if (t->attached && !t->held && t->applied < lsn)
			lsn = t->applied;
	}
	return lsn < a->stored || a->position_waits ? a->stored : lsn;
}

/* No table needs a change at or below this any more. */
static uint64_t trim_lsn(struct apply *a)
{
	uint64_t lsn = a->stored;

	monitor_lock(&a->lock); /* the copier hands tables over beside us */
	for (size_t i = 0; i < a->n_tables; i++) {
		const struct pipe_table *t = a->tables[i];
		uint64_t needs = UINT64_MAX;

		if (t->state == TABLE_RUNNING)
			needs = t->attached && pipe_table_dirty(t) ? t->position : t->applied;
		else if (t->state == TABLE_STOPPED && t->position > 0 && !t->released)
			needs = t->position;
		if (needs < lsn)
			lsn = needs;
	}
	monitor_unlock(&a->lock);
	return lsn;
}

static struct catalog_position position_of(const struct apply *a)
{
	return (struct catalog_position){
		.pipeline = a->conf->from,
		.lsn = pipeline_lsn(a),
		.system_id = a->ctx.system_id,
		.timeline = a->ctx.timeline,
		.writer_epoch = a->ctx.writer_epoch,
	};
}

static int gather(struct publish *p, struct err *err)
{
	struct apply *a = p->a;

	p->tables = mem_array(a->n_tables + 1, sizeof *p->tables);
	p->texts = mem_array(a->n_tables + 1, sizeof *p->texts);
	p->parts = mem_array(2 * a->n_tables + 1, sizeof *p->parts);
	p->n_parts = mem_array(a->n_tables + 1, sizeof *p->n_parts);
	if (!p->tables || !p->texts || !p->parts || !p->n_parts)
		return err_nomem(err);
	for (size_t i = 0; i < a->n_tables; i++) {
		struct pipe_table *t = a->tables[i];
		size_t n;
		int rc;

		if (!t->attached || !pipe_table_dirty(t))
			continue;
		rc = pipe_table_flush(t, t->applied, &p->texts[p->n_tables], p->parts + p->n_all, &n, err);
		if (rc && apply_is_tables_own(rc) && err_class_of(rc) != ERR_CLASS_CONFLICT) {
			struct err why = *err;

			apply_stop_table(a, t, &why);
			err_clear(err);
			continue;
		}
		if (rc)
			return err_prefix(err, "table %s", t->mirror_name);
		p->tables[p->n_tables] = t;
		p->n_parts[p->n_tables++] = n;
		p->n_all += n;
	}
	return ERR_OK;
}

static int take_over(struct publish *p, struct err *err)
{
	int rc = ERR_OK;

	for (size_t i = 0; !rc && i < p->n_tables; i++)
		rc = pipe_table_published(p->tables[i], p->tables[i]->applied, err);
	return rc;
}

/* A table whose part could not even be prepared would make every publish fail: it stops, the others are opened again. */
static void stop_failed(struct publish *p, int rc, const struct err *why)
{
	size_t at = 0;

	if (!apply_is_tables_own(rc) || err_class_of(rc) == ERR_CLASS_CONFLICT)
		return;
	for (size_t i = 0; i < p->n_tables; i++)
		for (size_t k = 0; k < p->n_parts[i]; k++)
			if (p->parts[at++].failed)
				apply_stop_table(p->a, p->tables[i], why);
}

static void mark_taken(struct publish *p)
{
	struct publish_part *part = p->parts;

	for (size_t i = 0; i < p->n_tables; i++) {
		pipe_table_taken(p->tables[i], part, p->n_parts[i]);
		part += p->n_parts[i];
	}
}

static void sweep(struct publish *p)
{
	for (size_t i = 0; i < p->n_all; i++) {
		struct err err = { 0 };
		size_t n;

		if (p->parts[i].table->ops->sweep(p->parts[i].table, &n, &err))
			log_warn("lake", "removing expired files: %s", err.text);
	}
}

static int commit(struct publish *p, struct err *err)
{
	struct apply *a = p->a;
	struct catalog_position position = position_of(a);
	enum commit_result result;
	int rc = lake_publish(a->lake, p->parts, p->n_all, &position, &result, err);

	mark_taken(p);
	if (result == COMMIT_DONE)
		a->stored = position.lsn;
	if (rc && result == COMMIT_NOT_DONE)
		stop_failed(p, rc, err);
	if (!rc)
		rc = take_over(p, err);
	if (!rc)
		apply_release_holds(a, a->stored);
	return rc;
}

int apply_publish(struct apply *a, struct err *err)
{
	struct publish p = { .a = a };
	int64_t started = env_mono_us();
	int rc;

	apply_settle(a);
	rc = gather(&p, err);

	FAILPOINT("apply.publish.flushed");
	if (!rc && p.n_all > 0)
		rc = commit(&p, err);
	if (!rc) {
		a->publish_started_us = started;
		a->publish_ended_us = env_mono_us();
		a->oldest_pending_us = 0;
		a->worked = a->worked || p.n_all > 0;
		apply_note_published(a);
		monitor_lock(&a->lock);
		a->publishes += p.n_all > 0;
		a->last_publish_us = env_mono_us() - started;
		monitor_unlock(&a->lock);
		apply_refresh_views(a, true);
		sweep(&p);
		rc = apply_compact(a, err);
	}
	mem_free(p.tables);
	mem_free(p.texts);
	mem_free(p.parts);
	mem_free(p.n_parts);
	return rc;
}

int apply_store_position(struct apply *a, struct err *err)
{
	struct catalog_position position = position_of(a);
	enum commit_result result;
	int64_t now = env_mono_us();
	int rc;

	if (a->oldest_pending_us || position.lsn <= a->stored || now - a->stored_us < STORE_EVERY_US)
		return ERR_OK;
	a->stored_us = now;
	rc = a->lake->catalog->ops->commit(a->lake->catalog, NULL, 0, &position, &result, err);
	if (rc)
		return rc;
	a->stored = position.lsn;
	apply_release_holds(a, a->stored);
	return ERR_OK;
}

/* A stopped table keeps its journal until the journal is nearly full; then the others come first. */
static void release_stopped(struct apply *a)
{
	if (journal_bytes(source_journal(a->source)) < (uint64_t)a->config->journal_max_bytes / 10 * 9)
		return;
	monitor_lock(&a->lock);
	for (size_t i = 0; i < a->n_tables; i++) {
		struct pipe_table *t = a->tables[i];

		if (t->state != TABLE_STOPPED || t->released || t->position == 0)
			continue;
		/* held, so a restart finds its own position, below the journal's begin: a gap, never a silent one */
		t->released = true;
		log_error(
			"pipeline",
			"table %s: the journal is nearly full, so the changes kept for this stopped table are given up; copy it again: tarn table recopy %s",
			t->mirror_name, t->mirror_name);
	}
	monitor_unlock(&a->lock);
}

int apply_trim(struct apply *a, struct err *err)
{
	bool copying;

	monitor_lock(&a->lock);
	copying = a->copying;
	for (size_t i = 0; i < a->n_tables; i++)
		copying = copying || a->tables[i]->state == TABLE_NEW; /* the copier has not come to it yet */
	monitor_unlock(&a->lock);
	if (copying || a->stored == 0)
		return ERR_OK;
	release_stopped(a);
	return journal_trim(source_journal(a->source), trim_lsn(a), err);
}
