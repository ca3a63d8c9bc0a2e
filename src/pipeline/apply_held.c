/* src/pipeline/apply_held.c — which tables the pipeline's own position does not speak for.
 *
 * The pipeline's position K means: every transaction up to K is in the tables that ran all the while. A table that is new, copied or stopped meanwhile is behind K, and after a restart must go by the position in its own
 * commits alone. So, before K may move past it, a durable mark is left: <state>/held/<namespace>.<table>. It goes when the table has caught up and a commit has stored a K that covers it. A mark too many
 * costs reading some journal again; a mark too few would lose changes. */
#include <stdio.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "pipeline/apply_int.h"

static void mark_path(const struct apply *a, const struct pipe_table *t, char *out, size_t n)
{
	char part[512];

	store_encode_part(str_of(t->mirror_name), part, sizeof part);
	snprintf(out, n, "%.3000s/held/%s", a->config->state, part);
}

void apply_hold(struct apply *a, struct pipe_table *t)
{
	char path[4096], dir[4096];
	int rc;

	if (t->held)
		return;
	snprintf(dir, sizeof dir, "%.3000s/held", a->config->state);
	mark_path(a, t, path, sizeof path);
	rc = env_mkdir_parents(dir, 0755);
	if (rc >= 0)
		rc = env_write_file_atomic(path, "held\n", 5, 0644);
	if (rc < 0) {
		/* Without the mark K must not move; nothing else is at risk. */
		log_warn("pipeline", "cannot write '%s': %s; the pipeline's position waits", path, strerror(-rc));
		__atomic_store_n(&a->position_waits, true, __ATOMIC_RELAXED);
		return;
	}
	t->held = true;
	FAILPOINT("apply.held");
}

void apply_load_holds(struct apply *a)
{
	for (size_t i = 0; i < a->n_tables; i++) {
		struct env_stat st;
		char path[4096];

		mark_path(a, a->tables[i], path, sizeof path);
		a->tables[i]->held = env_stat(path, &st) == 0;
	}
}

void apply_release_holds(struct apply *a, uint64_t stored_lsn)
{
	for (size_t i = 0; i < a->n_tables; i++) {
		struct pipe_table *t = a->tables[i];
		char path[4096];

		if (!t->held || t->state != TABLE_RUNNING || !(t->mirror || t->changelog) || t->applied < stored_lsn)
			continue;
		mark_path(a, t, path, sizeof path);
		if (env_unlink(path) == 0)
			t->held = false;
	}
}
