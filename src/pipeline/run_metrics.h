/* src/pipeline/run_metrics.h — the pipelines' figures under /metrics, read from status when they are asked for. */
#ifndef TARN_PIPELINE_RUN_METRICS_H
#define TARN_PIPELINE_RUN_METRICS_H

#include "pipeline/supervisor.h"

int run_metrics_start(struct supervisor *supervisor, struct err *err) TARN_MUST_CHECK; /* borrowed until stop */
void run_metrics_stop(void);

#endif
