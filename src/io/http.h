/* src/io/http.h — an HTTP/1.1 server on the loop: strict parsing, handlers on a small pool of threads.
 *
 * One request at a time per connection (pipelined ones wait). Requests that break framing rules (several or non-digit
 * Content-Length, Content-Length with Transfer-Encoding, any coding but exactly "chunked", blank before the colon,
 * folded lines, control bytes, missing or second Host, bare LF) or whose query is malformed (a '%' without its two
 * digits, %00) get 400 and the connection is closed. Limits below; every phase has a time limit. Handlers run on pool threads, one per request, never on the loop thread: they may do
 * I/O. */
#ifndef TARN_IO_HTTP_H
#define TARN_IO_HTTP_H

#include "base/arena.h"
#include "base/wbuf.h"

struct loop;
struct http_server;

struct http_header {
	struct str name, value;
};
struct http_request {
	struct str method; /* "GET" */
	struct str target; /* as sent: "/v1/namespaces?parent=a%1Fb" */
	struct str path;   /* the part before '?', still percent-encoded (decode per segment: http_decode) */
	struct str query;  /* after '?', or empty */
	const struct http_header *headers;
	size_t n_headers;
	struct str body;
	struct arena *arena; /* lives until the response is sent */
	const char *peer;    /* "127.0.0.1:51234" */
};
struct http_response {
	int status;               /* 200 */
	const char *content_type; /* static or in the request's arena; NULL: none */
	struct wbuf body;
	struct http_header *headers;
	size_t n_headers; /* http_response_header adds */
	struct arena *arena;
};
/* HEAD: the server drops the body and keeps Content-Length. */
typedef void (*http_handler_fn)(void *ctx, const struct http_request *request, struct http_response *response);

struct http_limits {
	size_t line_bytes, header_bytes, body_bytes;
	int n_headers;
	int header_ms, body_ms, idle_ms;
	int connections;
	int threads;
};
extern const struct http_limits http_limits_default;

/* case-insensitive; empty when missing */
struct str http_header_get(const struct http_request *request, const char *name);
/* Value of a query parameter, decoded into the arena; p NULL when missing (or no memory), "" when present without
 * value. */
struct str http_query_get(const struct http_request *request, const char *name);
/* Percent-decoding of one path segment into the arena; p NULL on bad escapes or a zero byte. */
struct str http_decode(struct arena *arena, struct str segment);
void http_response_header(struct http_response *response, const char *name, const char *value); /* copied */

/* address "127.0.0.1:8080" or "[::1]:0"; port 0 takes a free one: http_server_address tells. ERR_IO names the address
 * when it is taken. */
int http_server_open(struct loop *loop, const char *address, const struct http_limits *limits, http_handler_fn handler,
                     void *ctx, struct http_server **out, struct err *err) TARN_MUST_CHECK;
const char *http_server_address(const struct http_server *server);
void http_server_close(struct http_server *server); /* stops accepting, waits for handlers under way */

/* A blocking client for our own commands (tarn status): GET or POST to a loopback server, whole answer in memory. */
int http_fetch(const char *address, const char *method, const char *target, struct str body, int timeout_ms,
               int *status, char **out, size_t *n, struct err *err) TARN_MUST_CHECK;

#endif
