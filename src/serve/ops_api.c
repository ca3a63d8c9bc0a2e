/* src/serve/ops_api.c — health, readiness, metrics, status over HTTP. */
#include "serve/ops_api.h"

#include "base/mem.h"
#include "metrics/metrics.h"

static const char media_json[] = "application/json";

static void send_json(struct http_response *response, int status, const json_t *value)
{
	char *text = value ? json_text(value) : NULL;

	response->status = status;
	response->content_type = media_json;
	http_response_header(response, "Cache-Control", "no-store");
	if (text)
		wbuf_putf(&response->body, "%s\n", text);
	else
		response->body.failed = true; /* no memory: the server answers 500 */
	mem_free(text);
}

void ops_error(struct http_response *response, int code, const char *message)
{
	response->status = err_http_status(code);
	response->content_type = media_json;
	wbuf_reset(&response->body);
	wbuf_putf(&response->body, "{\"error\":{\"code\":\"%s\",\"message\":", err_name(code));
	wbuf_put_json_str(&response->body, str_of(message));
	wbuf_putz(&response->body, "}}\n");
}

int ops_check(json_t *checks, const char *name, bool good, const char *detail)
{
	json_t *check = json_object();

	if (!check)
		return -1;
	if (json_set_str(check, "name", str_of(name)) || json_set_bool(check, "ok", good) ||
	    json_set_str(check, "detail", str_of(detail ? detail : ""))) {
		json_decref(check);
		return -1;
	}
	return json_array_append_new(checks, check);
}

static void health(struct http_response *response)
{
	response->content_type = media_json;
	wbuf_putz(&response->body, "{\"status\":\"ok\"}\n");
}

static bool all_good(const json_t *checks)
{
	for (size_t i = 0; i < json_array_size(checks); i++) {
		if (!json_is_true(json_object_get(json_array_get(checks, i), "ok")))
			return false;
	}
	return true;
}

static void readiness(const struct ops_api *api, struct http_response *response)
{
	json_t *answer = json_object(), *checks = json_array();
	struct err err;
	int rc = ERR_OK;

	err_clear(&err);
	if (answer && checks && api->ready)
		rc = api->ready(api->ctx, checks, &err);
	if (rc) {
		ops_error(response, rc, err.text);
		response->status = 503;
	} else if (!answer || !checks ||
	           json_set_str(answer, "status", str_of(all_good(checks) ? "ready" : "not ready")) ||
	           json_object_set(answer, "checks", checks)) {
		send_json(response, 503, NULL);
	} else {
		send_json(response, all_good(checks) ? 200 : 503, answer);
	}
	json_decref(checks);
	json_decref(answer);
}

static void status(const struct ops_api *api, struct http_response *response)
{
	json_t *answer = json_object();
	struct err err;
	int rc = ERR_OK;

	err_clear(&err);
	if (answer)
		rc = api->status(api->ctx, answer, &err);
	if (rc)
		ops_error(response, rc, err.text);
	else
		send_json(response, 200, answer);
	json_decref(answer);
}

static void metrics(struct http_response *response)
{
	response->content_type = METRICS_CONTENT_TYPE;
	metrics_render(&response->body);
}

void ops_api_handle(void *ctx, const struct http_request *request, struct http_response *response)
{
	static const char *const paths[] = { "/healthz", "/readyz", "/metrics", "/api/v1/status" };
	const struct ops_api *api = ctx;
	size_t which = 0;

	while (which < 4 && !str_eqz(request->path, paths[which]))
		which++;
	if (which == 4 || (which == 3 && !api->status)) {
		ops_error(response, ERR_NOT_FOUND, "there are /healthz, /readyz, /metrics and /api/v1/status");
		return;
	}
	if (!str_eqz(request->method, "GET") && !str_eqz(request->method, "HEAD")) {
		ops_error(response, ERR_USAGE, "only GET and HEAD work here");
		response->status = 405;
		http_response_header(response, "Allow", "GET, HEAD");
		return;
	}
	switch (which) {
	case 0: health(response); break;
	case 1: readiness(api, response); break;
	case 2: metrics(response); break;
	default: status(api, response); break;
	}
}
