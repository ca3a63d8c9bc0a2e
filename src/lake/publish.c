/* src/lake/publish.c — prepare each table, swap all at once, take over. */
#include "lake/publish.h"

#include "base/failpoint.h"
#include "base/mem.h"

/* Data files and vectors that only this change would have named. */
static void remove_files(struct lake *lake, const struct lake_change *change)
{
	for (size_t i = 0; i < change->n_added; i++)
		lake_remove(lake, change->added[i]->path);
	for (size_t i = 0; i < change->n_dvs; i++)
		lake_remove(lake, change->dvs[i].dv.path);
}

static void abort_parts(struct lake *lake, struct publish_part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (parts[i].pending) {
			remove_files(lake, &parts[i].change);
			parts[i].table->ops->abort(parts[i].table, parts[i].pending);
			parts[i].pending = NULL;
		}
}

static void forget_parts(struct publish_part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (parts[i].pending) {
			parts[i].table->ops->forget(parts[i].pending);
			parts[i].pending = NULL;
		}
}

static int prepare_parts(struct lake *lake, struct publish_part *parts, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		parts[i] = (struct publish_part){ .table = parts[i].table, .change = parts[i].change };
	for (size_t i = 0; i < n; i++) {
		int rc = parts[i].table->ops->prepare(parts[i].table, &parts[i].change, &parts[i].pending, err);

		if (rc) {
			parts[i].failed = true;
			abort_parts(lake, parts, i);
			return rc;
		}
		parts[i].taken = true;
		FAILPOINT("lake.publish.prepared");
	}
	return ERR_OK;
}

/* The swap happened: an error here means that this process' picture is stale, not that the commit failed. */
static int finish_parts(struct publish_part *parts, struct catalog_commit *commits, size_t n, struct err *err)
{
	int rc = ERR_OK;

	for (size_t i = 0; i < n; i++) {
		struct lake_pending *pending = parts[i].pending;
		int rc_one;

		parts[i].pending = NULL;
		rc_one = parts[i].table->ops->done(parts[i].table, pending, &commits[i].result, rc ? NULL : err);
		if (rc_one && !rc)
			rc = rc_one;
		catalog_table_clear(&commits[i].result);
	}
	return rc;
}

int lake_publish(struct lake *lake, struct publish_part *parts, size_t n, const struct catalog_position *position,
                 enum commit_result *result, struct err *err)
{
	struct catalog_commit *commits = mem_array(n ? n : 1, sizeof *commits);
	int rc;

	*result = COMMIT_NOT_DONE;
	if (!commits)
		return err_nomem(err);
	rc = prepare_parts(lake, parts, n, err);
	if (rc) {
		mem_free(commits);
		return rc;
	}
	for (size_t i = 0; i < n; i++)
		parts[i].table->ops->part(parts[i].pending, &commits[i]);
	FAILPOINT("lake.publish.before_commit");
	rc = lake->catalog->ops->commit(lake->catalog, commits, n, position, result, err);
	FAILPOINT("lake.publish.after_commit");
	if (!rc && *result == COMMIT_DONE)
		rc = finish_parts(parts, commits, n, err);
	else if (*result == COMMIT_NOT_DONE)
		abort_parts(lake, parts, n);
	else
		forget_parts(parts, n);
	mem_free(commits);
	return rc;
}
