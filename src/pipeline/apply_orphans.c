/* src/pipeline/apply_orphans.c — now and then the pipeline's tables are searched for files that nothing names; by the
 * copier, so never beside a copy of this pipeline. */
#include "pipeline/apply_int.h"

enum turn { TURN_SWEEP, TURN_PASS, TURN_STOP };

/* Which tables will run is known a moment after the start. */
static bool all_opened(struct apply *a)
{
	bool opened = true;

	monitor_lock(&a->lock);
	for (size_t i = 0; i < a->n_tables; i++)
		opened = opened && a->tables[i]->state != TABLE_OPENING;
	monitor_unlock(&a->lock);
	return opened;
}

/* A stopped table waits for somebody to mend it, perhaps with files that its present metadata does not name: after a
 * catalog was restored from an older copy those are its newest rows. */
static enum turn turn_of(struct apply *a, const struct pipe_table *t)
{
	enum turn turn;

	monitor_lock(&a->lock);
	turn = a->stop_copier ? TURN_STOP : t->state == TABLE_RUNNING ? TURN_SWEEP : TURN_PASS;
	monitor_unlock(&a->lock);
	return turn;
}

void apply_collect_orphans(struct apply *a)
{
	const char *ns = a->ctx.source;

	if (!all_opened(a) || !orphans_begin(&a->orphans, a->config->orphan_age_us))
		return;
	for (size_t i = 0; i < a->n_tables; i++) {
		const struct pipe_table *t = a->tables[i];
		enum turn turn = turn_of(a, t);

		if (turn == TURN_STOP)
			return;
		if (turn == TURN_PASS) {
			orphans_pass(&a->orphans);
			continue;
		}
		if (a->ctx.with_mirror)
			orphans_sweep(&a->orphans, a->lake, ns, t->mirror_name + strlen(ns) + 1, "mirror");
		if (a->ctx.with_changelog)
			orphans_sweep(&a->orphans, a->lake, ns, t->changelog_name + strlen(ns) + 1, "changelog");
	}
	orphans_end(&a->orphans);
}
