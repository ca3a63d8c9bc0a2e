/* src/pipeline/apply.h — the apply thread of one pipeline: journal -> tables -> publish; and its copier.
 *
 * The apply thread reads whole transactions from the journal and applies each change to its table if the table's
 * position is below it; at a transaction's end, when it is time, it publishes all dirty tables in one commit. After
 * any failure of a publish it closes all tables and opens them again: positions stored in the tables say where to go
 * on, so a commit of unknown outcome needs nothing more. A failure of one table's change stops that table alone.
 * Tables without position are copied by the copier thread under an exported snapshot and handed over at the
 * snapshot's LSN. */
#ifndef TARN_PIPELINE_APPLY_H
#define TARN_PIPELINE_APPLY_H

#include "base/json.h"
#include "pipeline/pipe_table.h"
#include "pipeline/source.h"

struct apply;

int apply_open(const struct config *config, const struct config_pipeline *pipeline, struct source *source,
               struct lake *lake, struct apply **out, struct err *err) TARN_MUST_CHECK;
int apply_start(struct apply *apply, struct err *err) TARN_MUST_CHECK;
/* publishes what was applied, then ends; source_stop is called before by the supervisor so that copies end */
void apply_stop(struct apply *apply);
void apply_close(struct apply *apply);
/* Adds "tables": [...] and the pipeline's own facts. */
int apply_status(struct apply *apply, json_t *out);     /* 0 or -1: no memory */
bool apply_fatal(struct apply *apply, struct err *why); /* the process must end (fenced, journal failed) */

#endif
