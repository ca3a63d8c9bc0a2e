/* src/lake/column_stats.h — metrics of a data file's columns, gathered while its batches pass.
 *
 * Counts for every leaf column (a list's elements are counted, not bounded); bounds per lake/bounds.h: NaN never,
 * text and binary cut to 16, the upper one rounded up. One thread. */
#ifndef TARN_LAKE_COLUMN_STATS_H
#define TARN_LAKE_COLUMN_STATS_H

#include "base/err.h"
#include "event/batch.h"
#include "lake/data_file.h"
#include "lake/lake_format.h"

struct column_stats;

/* Column i of the batches is field i; fields may go afterwards. NULL: no memory. */
struct column_stats *column_stats_new(const struct lake_field *fields, size_t n);
void column_stats_free(struct column_stats *stats); /* NULL allowed */
void column_stats_reset(struct column_stats *stats);
/* Rows [from, to). Always 0 (nothing is allocated); an int so that callers need not know. */
int column_stats_add(struct column_stats *stats, const struct batch *batch, uint32_t from, uint32_t to);
/* One entry a leaf, in field order, owned by the caller (as data_file.metrics); column_bytes are 0. Gathering may go
 * on afterwards. */
int column_stats_finish(const struct column_stats *stats, struct column_metrics **out, size_t *n,
                        struct err *err) TARN_MUST_CHECK;

#endif
