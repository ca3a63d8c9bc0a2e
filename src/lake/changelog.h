/* src/lake/changelog.h — every change of one source table as a row: `_op, _commit_lsn, _ordinal, _commit_ts, _xid`,
 * then the table's columns.
 *
 * _op: I, U, D, T (truncate: all columns null). A delete has the key columns only. A change of the key is two rows
 * sharing one _ordinal: D with the old key, then I with the new row. (_commit_lsn, _ordinal, _op) is unique.
 * Append-only; one thread; life as in mirror.h. */
#ifndef TARN_LAKE_CHANGELOG_H
#define TARN_LAKE_CHANGELOG_H

#include "event/change.h"
#include "lake/lake.h"

struct changelog;

#define CHANGELOG_FIELDS 5

/* The first fields of a changelog table (static). */
const struct lake_field *changelog_fields(void);

int changelog_open(struct lake *lake, struct lake_table *table, const char *name, const struct relation *rel,
                   struct changelog **out, struct err *err) TARN_MUST_CHECK;
void changelog_close(struct changelog *changelog);
/* as mirror_evolve */
int changelog_evolve(struct changelog *changelog, const struct relation *rel, const struct lake_field *planned,
                     size_t n_planned, struct err *err) TARN_MUST_CHECK;
/* row_batch (may be NULL): a converted row of the same relation to copy columns from (mirror_apply); needed for
 * unchanged TOAST values, ERR_UNSUPPORTED without. */
int changelog_append(struct changelog *changelog, const struct tx_head *head, const struct change *change,
                     const struct batch *row_batch, uint32_t row, struct err *err) TARN_MUST_CHECK;
bool changelog_dirty(const struct changelog *changelog);
uint64_t changelog_bytes(const struct changelog *changelog);
int changelog_flush(struct changelog *changelog, struct lake_change *change, struct err *err) TARN_MUST_CHECK;
void changelog_taken(struct changelog *changelog); /* as mirror_taken; nothing is pending any more */

#endif
