/* src/pipeline/apply_orphans.c — now and then the pipeline's tables are searched for files that nothing names; by the
 * copier, so never beside a copy of this pipeline. */
#include "pipeline/apply_int.h"

void apply_collect_orphans(struct apply *a)
{
	if (!orphans_begin(&a->orphans, a->config->orphan_age_us))
		return;
	for (size_t i = 0; i < a->n_tables; i++) {
		const struct pipe_table *t = a->tables[i];
		const char *ns = a->ctx.source;
		bool stop;

		monitor_lock(&a->lock);
		stop = a->stop_copier;
		monitor_unlock(&a->lock);
		if (stop)
			return;
		if (a->ctx.with_mirror)
			orphans_sweep(&a->orphans, a->lake, ns, t->mirror_name + strlen(ns) + 1, "mirror");
		if (a->ctx.with_changelog)
			orphans_sweep(&a->orphans, a->lake, ns, t->changelog_name + strlen(ns) + 1, "changelog");
	}
	orphans_end(&a->orphans);
}
