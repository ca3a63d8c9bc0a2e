/* tests/unit/serve/test_ops_api.c — health, readiness, status and metrics as a monitor sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "metrics/metrics.h"
#include "serve/ops_api.h"

static bool source_good;
static int status_code;

static int ready(void *ctx, json_t *checks, struct err *err)
{
	(void)ctx;
	(void)err;
	return ops_check(checks, "catalog", true, NULL) || ops_check(checks, "journal", source_good, "the disk is full") ? ERR_NOMEM : ERR_OK;
}

static int status(void *ctx, json_t *out, struct err *err)
{
	(void)ctx;
	if (status_code)
		return err_set(err, status_code, "the catalog says \"no\"");
	return json_set_int(out, "lag_bytes", 42) ? err_nomem(err) : ERR_OK;
}

static const struct ops_api api = { .ready = ready, .status = status };

struct answer { int status; char body[4096]; };

static struct answer ask(const char *method, const char *path)
{
	struct arena *arena = arena_new(0);
	struct http_request request = { .method = str_of(method), .path = str_of(path), .target = str_of(path), .arena = arena };
	struct http_response response = { .status = 200, .arena = arena };
	struct answer out;

	wbuf_init(&response.body, 0);
	ops_api_handle((void *)&api, &request, &response);
	assert_non_null(response.content_type);
	out.status = response.status;
	assert_true(str_copy(out.body, sizeof out.body, wbuf_str(&response.body)));
	wbuf_free(&response.body);
	arena_free(arena);
	return out;
}

static void expect(const char *method, const char *path, int wanted_status, const char *wanted_body)
{
	struct answer got = ask(method, path);

	assert_int_equal(got.status, wanted_status);
	assert_string_equal(got.body, wanted_body);
}

static void test_answers(void **state)
{
	(void)state;
	source_good = false;
	expect("GET", "/healthz", 200, "{\"status\":\"ok\"}\n");
	expect("GET", "/readyz", 503,
	       "{\"status\":\"not ready\",\"checks\":[{\"name\":\"catalog\",\"ok\":true,\"detail\":\"\"},{\"name\":\"journal\",\"ok\":false,\"detail\":\"the disk is full\"}]}\n");
	source_good = true;
	assert_int_equal(ask("GET", "/readyz").status, 200);
	expect("GET", "/api/v1/status", 200, "{\"lag_bytes\":42}\n");
	status_code = ERR_IO;
	expect("GET", "/api/v1/status", 500, "{\"error\":{\"code\":\"IO\",\"message\":\"the catalog says \\\"no\\\"\"}}\n");
	status_code = 0;
	assert_int_equal(ask("POST", "/metrics").status, 405);
	assert_int_equal(ask("GET", "/").status, 404);
	assert_int_equal(ask("GET", "/healthz/").status, 404);
	metric_add(metric_counter("tarn_rows_total", "Rows.", NULL), 1);
	expect("GET", "/metrics", 200, "# HELP tarn_rows_total Rows.\n# TYPE tarn_rows_total counter\ntarn_rows_total 1\n");
	metrics_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers) };

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
