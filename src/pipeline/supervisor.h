/* src/pipeline/supervisor.h — all sources and pipelines of one process: started, watched, stopped in order.
 *
 * A source that cannot be opened (server down, not set up) is tried again with a growing delay while the others run;
 * its error is its reason in status. Order of a stop: captures end (journal synced, last status sent), then apply
 * threads publish what they have applied, then everything closes. */
#ifndef TARN_PIPELINE_SUPERVISOR_H
#define TARN_PIPELINE_SUPERVISOR_H

#include "base/json.h"
#include "config/config.h"
#include "lake/lake.h"

struct supervisor;

/* lake: borrowed. Starts nothing. */
int supervisor_open(const struct config *config, struct lake *lake, struct supervisor **out,
                    struct err *err) TARN_MUST_CHECK;
int supervisor_start(struct supervisor *supervisor, struct err *err) TARN_MUST_CHECK;
void supervisor_stop(struct supervisor *supervisor);
void supervisor_close(struct supervisor *supervisor);
/* The whole picture: {"sources": [...]}; owned. NULL: no memory. */
json_t *supervisor_status(struct supervisor *supervisor);
/* True when the process must end: why says so (a newer writer, a failed journal). */
bool supervisor_fatal(struct supervisor *supervisor, struct err *why);

#endif
