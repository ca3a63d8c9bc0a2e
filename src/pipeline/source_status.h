/* src/pipeline/source_status.h — the source's part of status: the ladder received, journaled, applied, published,
 * confirmed, and lag. */
#ifndef TARN_PIPELINE_SOURCE_STATUS_H
#define TARN_PIPELINE_SOURCE_STATUS_H

#include "base/json.h"
#include "pipeline/source.h"

/* to_lake: a pipeline reads it; else lag ends at the journal. 0 or -1: no memory. */
int source_status(struct source *source, bool to_lake, json_t *out);

/* "next_try": when what failed is tried again; nothing for 0. */
int source_set_next_try(json_t *out, int64_t wall_us);

#endif
