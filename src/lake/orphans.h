/* src/lake/orphans.h — files of our own tables that nothing names and nothing will: what a crash between writing and
 * committing left, what a commit of unknown result left, what expiry could not remove.
 *
 * Now and then the tables of one pipeline are searched, below their own locations, for files with our kinds of names
 * that their metadata does not reach (lake_format_ops.sweep_orphans); other tables of the catalog never are. A file
 * that is being written or waits for its commit is not reached either, and must not be taken:
 * - our own are newer than this struct: only files from before orphans_init go, whatever the age. So init comes before
 *   the pipeline's first write, and after every other writer of these tables that this process ever had.
 * - those of another engine have the configured age to be committed in (Iceberg recommends three days).
 * Both compare the clock with the time of a file's last write. A run deletes a bounded number; what is left waits for
 * the next one, an hour later. When a whole run covered all from before the start, no further one can find anything:
 * the next process goes on. One thread at a time. */
#ifndef TARN_LAKE_ORPHANS_H
#define TARN_LAKE_ORPHANS_H

#include "lake/lake.h"

struct orphans {
	int64_t since_us; /* wall clock */
	int64_t next_us;  /* monotonic: time of the next run; INT64_MAX: there is none */
	/* the run under way */
	int64_t before_us;
	size_t n_left;
	bool complete;
};

void orphans_init(struct orphans *orphans);
/* Whether a run is due. Then orphans_sweep for each table, and orphans_end. */
bool orphans_begin(struct orphans *orphans, int64_t age_us);
/* kind: what the table's property LAKE_KEY_KIND says if it is ours. Failures are logged: the next run tries again. */
void orphans_sweep(struct orphans *orphans, struct lake *lake, const char *ns, const char *name, const char *kind);
/* Instead of orphans_sweep for a table whose turn is later. */
void orphans_pass(struct orphans *orphans);
void orphans_end(struct orphans *orphans);

#endif
