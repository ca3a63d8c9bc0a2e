/* src/pipeline/apply_status.c — what `tarn status` and the API show of a pipeline's tables. */
#include <stdio.h>

#include "base/clock.h"
#include "base/env.h"
#include "pipeline/apply_int.h"

#define VIEWS_EVERY_US 200000

void apply_refresh_views(struct apply *a, bool now)
{
	int64_t at = env_mono_us();

	if (!now && at - a->views_us < VIEWS_EVERY_US)
		return;
	a->views_us = at;
	monitor_lock(&a->lock);
	for (size_t i = 0; i < a->n_tables; i++) {
		const struct pipe_table *t = a->tables[i];
		struct table_view *v = &a->views[i];

		v->state = t->state;
		if (t->state == TABLE_NEW || t->state == TABLE_COPYING)
			continue; /* the copier's: what is shown of a copy is read live */
		snprintf(v->reason, sizeof v->reason, "%s", t->reason);
		v->position = t->position;
		v->applied = t->applied;
		v->last_commit_ts_us = t->last_commit_ts_us;
		v->counts = t->counts;
		if (t->state == TABLE_RUNNING && t->mirror) {
			v->rows = mirror_rows(t->mirror);
			v->version = t->mirror_table->ops->version(t->mirror_table);
		}
	}
	monitor_unlock(&a->lock);
}

static int set_lsn(json_t *object, const char *key, uint64_t lsn)
{
	char text[LSN_TEXT_MAX];

	return json_set_str(object, key, str_of(lsn_text(lsn, text)));
}

static int set_time(json_t *object, const char *key, int64_t us)
{
	char text[TIME_TEXT_MAX];

	return us ? json_set_str(object, key, str_of(time_text_ms(us, text))) : 0;
}

static int table_json(const struct pipe_table *t, const struct table_view *v, json_t *o)
{
	/* state and copy progress are read live: the apply thread does not refresh them while the copier works */
	enum table_state state = t->state == TABLE_RUNNING && t->attaching ? TABLE_OPENING : t->state;
	int rc = json_set_str(o, "table", str_of(t->mirror_name)) | json_set_str(o, "source_table", str_of(t->label)) |
	         json_set_str(o, "state", str_of(table_state_name(state))) | set_lsn(o, "published_lsn", v->position) |
	         set_lsn(o, "applied_lsn", v->applied) | json_set_int(o, "rows", (int64_t)v->rows) |
	         json_set_int(o, "inserts", (int64_t)v->counts.inserts) |
	         json_set_int(o, "updates", (int64_t)v->counts.updates) |
	         json_set_int(o, "deletes", (int64_t)v->counts.deletes) |
	         json_set_int(o, "truncates", (int64_t)v->counts.truncates) |
	         json_set_int(o, "published_versions", (int64_t)v->counts.published_versions) |
	         set_time(o, "last_commit_ts", v->last_commit_ts_us);

	if (state == TABLE_STOPPED)
		rc |= json_set_str(o, "reason", str_of(t->reason));
	if (state == TABLE_COPYING)
		rc |= json_set_int(o, "copied_rows", (int64_t)__atomic_load_n(&t->counts.copied, __ATOMIC_RELAXED)) |
		      json_set_int(o, "copy_rows_expected", (int64_t)t->copy_rows_expected) |
		      set_time(o, "copy_started", t->copy_started_us);
	return rc;
}

int apply_status(struct apply *a, json_t *out)
{
	json_t *tables = json_array();
	int rc = tables ? json_object_set_new(out, "tables", tables) : -1;

	monitor_lock(&a->lock);
	for (size_t i = 0; !rc && i < a->n_tables; i++) {
		json_t *o = json_object();

		rc = o ? table_json(a->tables[i], &a->views[i], o) : -1;
		rc |= json_array_append_new(tables, o);
	}
	rc |= json_set_str(out, "pipeline", str_of(a->conf->from)) |
	      json_set_str(out, "waiting_because", str_of(a->reason)) |
	      json_set_int(out, "publishes", (int64_t)a->publishes) |
	      json_set_int(out, "last_publish_us", a->last_publish_us);
	monitor_unlock(&a->lock);
	return rc;
}
