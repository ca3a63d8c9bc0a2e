/* src/metrics/metrics.h — counters, gauges and histograms of the process, as Prometheus text.
 *
 * One registry a process. A metric is found or made by name and labels, costs one lookup under a lock, and is then
 * updated without one: keep the pointer. It lives until metrics_free. All functions are for any thread. Out of
 * memory, or past METRICS_SERIES_MAX series, the answer is NULL, which every update takes and ignores: measuring
 * never stops the work.
 *
 * Names: tarn_<what>_<unit>, base units; counters end in _total, histograms in _seconds or _bytes. Label values come
 * from a small set (source, table, result), never from row data. */
#ifndef TARN_METRICS_METRICS_H
#define TARN_METRICS_METRICS_H

#include "base/wbuf.h"

#define METRICS_SERIES_MAX 20000
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metric;

/* labels: name, value, name, value, NULL; or NULL. help and name: static text. The same name again has the same kind
 * and help. */
struct metric *metric_counter(const char *name, const char *help, const char *const *labels);
struct metric *metric_gauge(const char *name, const char *help, const char *const *labels);
/* bounds: rising upper bounds, static, of one length a name; +Inf is added. */
struct metric *metric_histogram(const char *name, const char *help, const char *const *labels, const double *bounds,
                                size_t n_bounds);
extern const double metric_seconds_bounds[]; /* 1 ms to 60 s */
#define METRIC_SECONDS_BOUNDS 14

void metric_add(struct metric *metric, double value);     /* counter (value >= 0), gauge */
void metric_set(struct metric *metric, double value);     /* gauge */
void metric_observe(struct metric *metric, double value); /* histogram */
/* counter, gauge; of a histogram the number of observations */
double metric_value(const struct metric *metric);

/* fn runs before each rendering, under no lock: for gauges that are looked up and not kept. 0 or -1: no memory. */
int metrics_on_render(void (*fn)(void *arg), void *arg);
void metrics_forget(void (*fn)(void *arg), void *arg); /* returns after a running fn has returned */
void metrics_render(struct wbuf *out);
void metrics_free(void); /* at the end of the process, and of a test: all pointers die */

#endif
