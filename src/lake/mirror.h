/* src/lake/mirror.h — the current state of one source table, by key: key index -> deletion vectors, never a rewrite
 * for one row.
 *
 * A mirror holds what was applied since the last publish: one open data file, finished files, and deletion bitmaps
 * that changed. Every row has an address (file number, position) from the moment it is appended; the key index maps
 * keys to addresses. An update marks the old address deleted and appends the new row, carrying the old row's
 * `_row_id`; rows of files of the same publish are deleted the same way. The index is built from the key columns of
 * the data files when the first update or delete comes.
 *
 * Invariants: (1) each live key has exactly one address; (2) an address in the index is never in a bitmap; (3) a
 * bitmap only grows until its file goes. An update or delete of a key that is not there is ERR_IDENTITY: the lake no
 * longer equals the source, the table must stop. One thread (the apply thread of its pipeline). After any error the
 * mirror must be closed; what was not published is lost on purpose and applied again. */
#ifndef TARN_LAKE_MIRROR_H
#define TARN_LAKE_MIRROR_H

#include "event/change.h"
#include "lake/lake.h"

struct mirror;
struct merge;

/* table: borrowed until mirror_close. name: the table's in the lake ("bank.users"), for messages. rel: the shape of
 * coming changes, put functions bound; its columns must be in the table by name and type (ERR_IDENTITY). */
int mirror_open(struct lake *lake, struct lake_table *table, const char *name, const struct relation *rel,
                struct mirror **out, struct err *err) TARN_MUST_CHECK;
void mirror_close(struct mirror *mirror);
/* Later changes have this shape: old columns in place or moved, new ones among planned (fields the next commit adds;
 * borrowed until mirror_published). The key must be the same. */
int mirror_evolve(struct mirror *mirror, const struct relation *rel, const struct lake_field *planned, size_t n_planned,
                  struct err *err) TARN_MUST_CHECK;
/* Insert, update, delete or truncate. For insert and update *batch and *row say where the new row lies until the next
 * call (unchanged TOAST values filled in), so that the changelog can copy from there; NULL otherwise. */
int mirror_apply(struct mirror *mirror, const struct change *change, const struct batch **batch, uint32_t *row,
                 struct err *err) TARN_MUST_CHECK;
/* Rows of a copy: a batch with room to fill (columns 0 .. rel->n_columns-1 from batch->n on); then mirror_copied says
 * how many rows came. No duplicates are checked. */
int mirror_copy_batch(struct mirror *mirror, struct batch **batch, struct err *err) TARN_MUST_CHECK;
void mirror_copied(struct mirror *mirror, uint64_t rows);
bool mirror_dirty(const struct mirror *mirror);     /* something to publish */
uint64_t mirror_bytes(const struct mirror *mirror); /* pending, estimate */
uint64_t mirror_rows(const struct mirror *mirror);  /* live rows, pending ones included */
/* Finishes files and writes vectors; change gets added, removed, dvs (arrays owned by the mirror until the next call). */
int mirror_flush(struct mirror *mirror, struct lake_change *change, struct err *err) TARN_MUST_CHECK;
/* the format's prepare took the files of the last flush: they are no longer the mirror's to free */
void mirror_taken(struct mirror *mirror);
/* The change was committed (format->done was called): nothing is pending any more. */
int mirror_published(struct mirror *mirror, struct err *err) TARN_MUST_CHECK;

/* Small and worn files become one (lake/merge.h): started when the table has such files (*out NULL: it has none),
 * worked on beside applying. */
int mirror_merge_start(struct mirror *mirror, struct merge **out, struct err *err) TARN_MUST_CHECK;
/* When merge_done, after merge_join, with nothing to publish: takes the new file over; what was deleted meanwhile is
 * deleted in it. Then mirror_flush gives the change (to be committed with replace set), and mirror_taken and
 * mirror_published follow as always. *taken false: the table is not as it was when the merge began (truncated, files
 * gone, the index was built); nothing has changed, the merge is of no use. */
int mirror_merge_take(struct mirror *mirror, struct merge *merge, bool *taken, struct err *err) TARN_MUST_CHECK;

#endif
