/* src/lake/orphans.c — when tables are searched for files that nothing names, how far, and what is said of it. */
#include "lake/orphans.h"

#include "base/env.h"
#include "base/log.h"

#define EVERY_US ((int64_t)3600 * 1000000)
#define RUN_FILES_MAX 10000   /* deleted in one run of a pipeline */
#define TRIES 3               /* a version that expires while it is read is no error */
#define CLOCK_STEP_US 1000000 /* file systems take times from a coarser clock than we do */

void orphans_init(struct orphans *orphans) { *orphans = (struct orphans){ .since_us = env_wall_us() - CLOCK_STEP_US }; }

bool orphans_begin(struct orphans *orphans, int64_t age_us)
{
	int64_t old_us = env_wall_us() - age_us;

	if (env_mono_us() < orphans->next_us)
		return false;
	orphans->before_us = old_us < orphans->since_us ? old_us : orphans->since_us;
	orphans->n_left = RUN_FILES_MAX;
	orphans->complete = orphans->before_us == orphans->since_us;
	return true;
}

static int sweep(struct orphans *orphans, struct lake *lake, const char *ns, const char *name, const char *kind,
                 struct err *err)
{
	struct lake_orphans found = { .own = { LAKE_KEY_KIND, kind },
		                      .before_us = orphans->before_us,
		                      .n_max = orphans->n_left };
	int rc = lake->format->sweep_orphans(lake->catalog, lake->store, ns, name, &found, err);

	if (found.n_deleted)
		log_info("lake", "%s.%s: removed %zu files (%llu bytes) that no version names, left by an earlier run",
		         ns, name, found.n_deleted, (unsigned long long)found.bytes_deleted);
	orphans->n_left -= found.n_deleted;
	orphans->complete = orphans->complete && !found.more;
	return rc;
}

void orphans_sweep(struct orphans *orphans, struct lake *lake, const char *ns, const char *name, const char *kind)
{
	struct err err = { 0 };
	int rc = ERR_NOT_FOUND;

	for (int i = 0; i < TRIES && rc == ERR_NOT_FOUND; i++)
		rc = sweep(orphans, lake, ns, name, kind, &err);
	if (!rc)
		return;
	orphans->complete = false;
	log_warn("lake", "%s.%s: looking for files that no version names: %s; trying again in an hour", ns, name,
	         err.text);
}

void orphans_pass(struct orphans *orphans) { orphans->complete = false; }

void orphans_end(struct orphans *orphans)
{
	orphans->next_us = orphans->complete ? INT64_MAX : env_mono_us() + EVERY_US;
}
