/* tests/unit/metrics/test_metrics.c — the exposition text (Prometheus text format 0.0.4), escaping, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread.h"
#include "metrics/metrics.h"

#define LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void check_text(const char *wanted)
{
	struct wbuf w;

	wbuf_init(&w, 0);
	metrics_render(&w);
	assert_string_equal(wbuf_cstr(&w), wanted);
	wbuf_free(&w);
}

static void test_text(void **state)
{
	static const double bounds[] = { 0.1, 1, 10 };
	struct metric *h;

	(void)state;
	metric_add(metric_counter("tarn_rows_total", "Rows.", LABELS("source", "bank", "op", "insert")), 3);
	metric_add(metric_counter("tarn_rows_total", "Rows.", LABELS("source", "bank", "op", "delete")), 1e15);
	metric_add(metric_counter("tarn_rows_total", "Rows.", LABELS("source", "bank", "op", "insert")), 2);
	metric_set(metric_gauge("tarn_lag_seconds", "Lag with \\ and\nline.", NULL), 0.25);
	metric_set(metric_gauge("tarn_table_state", "State.", LABELS("table", "a\"b\\c\nd")), -1);
	h = metric_histogram("tarn_commit_seconds", "Commits.", LABELS("table", "t"), bounds, 3);
	metric_observe(h, 0.1); /* le is inclusive */
	metric_observe(h, 0.5);
	metric_observe(h, 99);
	check_text("# HELP tarn_rows_total Rows.\n"
		   "# TYPE tarn_rows_total counter\n"
		   "tarn_rows_total{source=\"bank\",op=\"insert\"} 5\n"
		   "tarn_rows_total{source=\"bank\",op=\"delete\"} 1000000000000000\n"
		   "# HELP tarn_lag_seconds Lag with \\\\ and\\nline.\n"
		   "# TYPE tarn_lag_seconds gauge\n"
		   "tarn_lag_seconds 0.25\n"
		   "# HELP tarn_table_state State.\n"
		   "# TYPE tarn_table_state gauge\n"
		   "tarn_table_state{table=\"a\\\"b\\\\c\\nd\"} -1\n"
		   "# HELP tarn_commit_seconds Commits.\n"
		   "# TYPE tarn_commit_seconds histogram\n"
		   "tarn_commit_seconds_bucket{table=\"t\",le=\"0.1\"} 1\n"
		   "tarn_commit_seconds_bucket{table=\"t\",le=\"1\"} 2\n"
		   "tarn_commit_seconds_bucket{table=\"t\",le=\"10\"} 2\n"
		   "tarn_commit_seconds_bucket{table=\"t\",le=\"+Inf\"} 3\n"
		   "tarn_commit_seconds_sum{table=\"t\"} 99.6\n"
		   "tarn_commit_seconds_count{table=\"t\"} 3\n");
	metrics_free();
	check_text("");
}

static void work(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5000; i++) {
		char name[16];

		snprintf(name, sizeof name, "t%d", i % 50);
		metric_add(metric_counter("tarn_work_total", "Work.", LABELS("table", name)), 1);
		metric_observe(metric_histogram("tarn_work_seconds", "Work.", NULL, metric_seconds_bounds, METRIC_SECONDS_BOUNDS), 0.5);
	}
}

static void test_threads(void **state)
{
	struct thread *threads[4];
	struct err err;
	double sum = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(thread_start(&threads[i], "work", work, NULL, &err), 0);
	for (int i = 0; i < 4; i++)
		thread_join(threads[i]);
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof name, "t%d", i);
		sum += metric_value(metric_counter("tarn_work_total", "Work.", LABELS("table", name)));
	}
	assert_true(sum == 20000);
	assert_true(metric_value(metric_histogram("tarn_work_seconds", "Work.", NULL, metric_seconds_bounds, METRIC_SECONDS_BOUNDS)) == 20000);
	metrics_free();
}

static void refresh(void *arg) { metric_set(metric_gauge("tarn_looked_up_bytes", "Looked up.", NULL), ++*(int *)arg); }

static void test_hook_and_limit(void **state)
{
	struct wbuf w;
	int n = 6;

	(void)state;
	assert_int_equal(metrics_on_render(refresh, &n), 0);
	wbuf_init(&w, 0);
	metrics_render(&w);
	assert_non_null(strstr(wbuf_cstr(&w), "tarn_looked_up_bytes 7\n"));
	metrics_forget(refresh, &n);
	metrics_render(&w);
	assert_int_equal(n, 7);
	wbuf_free(&w);
	for (int i = 0; i < METRICS_SERIES_MAX + 10; i++) {
		char name[16];

		snprintf(name, sizeof name, "%d", i);
		metric_add(metric_counter("tarn_many_total", "Many.", LABELS("n", name)), 1); /* past the limit: ignored */
	}
	assert_null(metric_counter("tarn_many_total", "Many.", LABELS("n", "one more")));
	metrics_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_text), cmocka_unit_test(test_threads), cmocka_unit_test(test_hook_and_limit) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
