/* src/pipeline/run_metrics.c — status as Prometheus gauges and counters. Labels: source, table. */
#include "pipeline/run_metrics.h"

#include <stdio.h>

#include "base/env.h"
#include "metrics/metrics.h"

static struct supervisor *watched;
static int64_t started_us;

static void counter(const char *name, const char *help, const char *const *labels, double value)
{
	struct metric *metric = metric_counter(name, help, labels);
	double before = metric ? metric_value(metric) : 0;

	if (value > before)
		metric_add(metric, value - before);
}

static void gauge(const char *name, const char *help, const char *const *labels, double value)
{
	metric_set(metric_gauge(name, help, labels), value);
}

static double number(const json_t *o, const char *key) { return (double)json_get_int(o, key, 0); }

static void render_table(const char *source, const json_t *t)
{
	const char *labels[] = { "source", source, "table", json_get_str(t, "table", ""), NULL };
	const char *state = json_get_str(t, "state", "");
	static const char *const ops[] = { "inserts", "updates", "deletes", "truncates" };

	gauge("tarn_table_running", "1 when the table is applied, 0 when it is new, copying or stopped", labels,
	      strcmp(state, "running") == 0);
	gauge("tarn_table_stopped", "1 when the table is stopped with a reason", labels, strcmp(state, "stopped") == 0);
	gauge("tarn_table_rows", "Live rows of the mirror", labels, number(t, "rows"));
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		const char *op_labels[] = { "source", source, "table", labels[3], "op", ops[i], NULL };

		counter("tarn_table_changes_total", "Changes applied since start", op_labels, number(t, ops[i]));
	}
	counter("tarn_table_versions_total", "Table versions published since start", labels,
	        number(t, "published_versions"));
}

static void render_source(const json_t *s)
{
	const char *source = json_get_str(s, "source", "");
	const char *labels[] = { "source", source, NULL };
	const json_t *table;
	size_t i;

	gauge("tarn_source_up", "1 while the source streams", labels,
	      strcmp(json_get_str(s, "state", ""), "streaming") == 0);
	gauge("tarn_source_lag_bytes", "WAL written at the source that is not known to be in the lake", labels,
	      number(s, "lag_bytes"));
	gauge("tarn_source_lag_seconds", "Age of the oldest commit received that is not published; 0 when all is",
	      labels, number(s, "lag_us") / 1e6);
	gauge("tarn_slot_retained_wal_bytes", "WAL the server keeps for the slot", labels,
	      number(s, "slot_retained_bytes"));
	gauge("tarn_journal_bytes", "Size of the journal on disk", labels, number(s, "journal_bytes"));
	counter("tarn_source_transactions_total", "Transactions journaled since start", labels,
	        number(s, "transactions"));
	counter("tarn_source_changes_total", "Changes journaled since start", labels, number(s, "changes"));
	counter("tarn_publishes_total", "Publishes since start", labels, number(s, "publishes"));
	gauge("tarn_publish_duration_seconds", "Duration of the last publish", labels,
	      number(s, "last_publish_us") / 1e6);
	json_array_foreach(json_object_get(s, "tables"), i, table) render_table(source, table);
}

static void render(void *arg)
{
	json_t *status = supervisor_status(watched);
	const json_t *source;
	size_t i;

	(void)arg;
	gauge("tarn_uptime_seconds", "Time since start", NULL, (double)(env_mono_us() - started_us) / 1e6);
	json_array_foreach(json_object_get(status, "sources"), i, source) render_source(source);
	json_decref(status);
}

int run_metrics_start(struct supervisor *supervisor, struct err *err)
{
	watched = supervisor;
	started_us = env_mono_us();
	return metrics_on_render(render, NULL) ? err_nomem(err) : ERR_OK;
}

void run_metrics_stop(void)
{
	if (watched)
		metrics_forget(render, NULL);
	watched = NULL;
}
