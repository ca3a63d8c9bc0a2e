/* src/pipeline/apply_recopy.c — requests for a new copy: files <state>/recopy/<namespace>.<table>, left by `tarn
 * table recopy`, removed when the copy is committed, or cannot be made until somebody mends what the reason says. */
#include <stdio.h>

#include "base/env.h"
#include "base/log.h"
#include "pipeline/apply_int.h"

static void request_path(const struct apply *a, const struct pipe_table *t, char *out, size_t n)
{
	char part[512];

	store_encode_part(str_of(t->mirror_name), part, sizeof part);
	snprintf(out, n, "%.3000s/recopy/%s", a->config->state, part);
}

/* The copier takes what is NEW into the run it is at, under that run's snapshot. A table that has published since the
 * snapshot was made would go back to it, and its changelog have the changes between twice: it waits for the next run. */
static bool may_take(struct apply *a, const struct pipe_table *t)
{
	bool may;

	monitor_lock(&a->lock);
	may = t->state == TABLE_OPENING || (!a->copying && t->state != TABLE_NEW && t->state != TABLE_COPYING);
	monitor_unlock(&a->lock);
	return may;
}

static void take(struct apply *a, struct pipe_table *t)
{
	char path[4096];
	struct env_stat st;

	request_path(a, t, path, sizeof path);
	if (env_stat(path, &st) < 0 || !may_take(a, t))
		return;
	apply_hold(a, t);
	monitor_lock(&a->lock);
	if (t->state == TABLE_OPENING)
		t->recopy = true;
	if (t->state == TABLE_RUNNING || t->state == TABLE_STOPPED) {
		t->attached = false;
		log_info("pipeline", "table %s will be copied again", t->mirror_name);
		pipe_table_close(t);
		t->recopy = true;
		t->released = false;
		t->reason[0] = '\0';
		t->state = TABLE_NEW;
		monitor_wake(&a->lock);
	}
	monitor_unlock(&a->lock);
}

void apply_take_recopies(struct apply *a)
{
	char dir[4096];
	struct env_stat st;

	snprintf(dir, sizeof dir, "%.3000s/recopy", a->config->state);
	if (env_stat(dir, &st) < 0)
		return;
	for (size_t i = 0; i < a->n_tables; i++)
		take(a, a->tables[i]);
}

void apply_recopy_done(struct apply *a, struct pipe_table *t)
{
	char path[4096];

	request_path(a, t, path, sizeof path);
	env_unlink(path);
	t->recopy = false;
}
