/* src/serve/ops_api.h — what operators and monitoring ask: GET /healthz, /readyz, /metrics, /api/v1/status.
 *
 *	/healthz        the process is alive; depends on nothing, so that an outage of the source restarts nobody
 *	/readyz         each check of `ready`; 200 when all are good, else 503
 *	/metrics        Prometheus text
 *	/api/v1/status  the object that `status` fills: what `tarn status` shows
 *
 * The callbacks run on the HTTP server's pool threads, several at once. They never wait for a source or a store. */
#ifndef TARN_SERVE_OPS_API_H
#define TARN_SERVE_OPS_API_H

#include "base/json.h"
#include "io/http.h"

struct ops_api {
	void *ctx; /* borrowed */
	/* Adds its checks with ops_check; may be NULL. */
	int (*ready)(void *ctx, json_t *checks, struct err *err);
	/* Fills the object; may be NULL (404). */
	int (*status)(void *ctx, json_t *status, struct err *err);
};

int ops_check(json_t *checks, const char *name, bool good, const char *detail); /* 0 or -1: no memory */
/* An http_handler_fn; ctx is a struct ops_api. Anything else gets 404, another method 405. */
void ops_api_handle(void *ctx, const struct http_request *request, struct http_response *response);
/* For other handlers: {"error":{"code","message"}} with the code's HTTP status. */
void ops_error(struct http_response *response, int code, const char *message);

#endif
