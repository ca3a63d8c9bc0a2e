/* src/lake/publish.h — one commit of several tables: all or none, with three results.
 *
 * DONE: every table's struct lake_table has the new version. NOT_DONE: proven; files written for it were removed.
 * UNKNOWN: nothing was removed; the caller closes the tables and opens them again: the position stored in each table
 * says whether the commit took place. */
#ifndef TARN_LAKE_PUBLISH_H
#define TARN_LAKE_PUBLISH_H

#include "lake/lake.h"

struct publish_part {
	struct lake_table *table;
	struct lake_change change;
	/* out: prepare took change.added, also when the commit failed later: tell mirror_taken, changelog_taken */
	bool taken;
	bool failed; /* out: prepare refused this one; the error is its own, the others were not judged */
	struct lake_pending *pending; /* of lake_publish only */
};

int lake_publish(struct lake *lake, struct publish_part *parts, size_t n, const struct catalog_position *position,
                 enum commit_result *result, struct err *err) TARN_MUST_CHECK;

#endif
