/* src/pipeline/source_status.h — the source's part of status: the ladder received, journaled, applied, published,
 * confirmed, and lag. */
#ifndef TARN_PIPELINE_SOURCE_STATUS_H
#define TARN_PIPELINE_SOURCE_STATUS_H

#include "base/json.h"
#include "pipeline/source.h"

int source_status(struct source *source, json_t *out); /* 0 or -1: no memory */

#endif
