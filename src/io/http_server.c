/* src/io/http_server.c — connections on the loop, handlers on a pool.
 *
 * A connection is in one state; the loop's thread alone touches it, but in HANDLING, when one pool thread owns its
 * parser, request and response:
 *
 *   IDLE --byte--> READING --whole request--> HANDLING --handler returned--> WRITING --sent--> IDLE
 *    |                |                                                        |
 *    |                +--malformed, too large, header_ms, body_ms--> WRITING   +--sent, not kept alive--> LINGER
 *    |                                                                                                      |
 *    +--idle_ms--> freed                                                  freed <--peer closed, LINGER_MS---+
 *
 * While HANDLING and WRITING nothing is read: pipelined bytes wait in the socket. LINGER reads and drops what the
 * peer still sends, so that its answer is not lost to a reset (RFC 9112 9.6). Handlers never see the loop; their
 * result travels back as a loop_task, which needs no memory and so cannot fail. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/env.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/queue.h"
#include "base/thread.h"
#include "io/http_parse.h"
#include "io/loop_int.h"
#include "io/sock.h"

#define LINGER_MS 2000
#define ACCEPT_RETRY_MS 200
#define READ_AHEAD_BYTES 65536
#define REQUEST_MEMORY_MAX ((size_t)256 << 20)

enum connection_state {
	CONNECTION_IDLE,
	CONNECTION_READING,
	CONNECTION_HANDLING,
	CONNECTION_WRITING,
	CONNECTION_LINGER
};

struct connection {
	struct http_server *server;
	struct connection *next, *prev;
	struct bufferevent *bev;
	struct event *timer;
	enum connection_state state;
	struct arena *arena; /* of the request under way */
	struct http_parser parser;
	struct http_request request;
	struct http_response response;
	struct loop_task done; /* from pool to loop */
	bool keep_alive;
	char peer[SOCK_TEXT_MAX];
};

struct http_server {
	struct loop *loop;
	struct http_limits limits;
	http_handler_fn handler;
	void *ctx;
	char address[SOCK_TEXT_MAX];
	struct evconnlistener *listener;
	struct event *accept_retry;
	struct connection *first;
	int n_connections;
	bool accepting;
	struct queue *jobs; /* struct connection, borrowed */
	struct thread **threads;
	int n_threads;
};

/* --- a request's memory --- */

static int begin_request(struct connection *conn)
{
	conn->arena = arena_new(REQUEST_MEMORY_MAX);
	if (!conn->arena)
		return -1;
	http_parser_init(&conn->parser, &conn->server->limits, conn->arena);
	memset(&conn->request, 0, sizeof conn->request);
	conn->response = (struct http_response){ .status = 200, .arena = conn->arena };
	wbuf_init(&conn->response.body, 0);
	return 0;
}

static void end_request(struct connection *conn)
{
	if (!conn->arena)
		return;
	http_parser_free(&conn->parser);
	wbuf_free(&conn->response.body);
	arena_free(conn->arena);
	conn->arena = NULL;
}

static void set_deadline(struct connection *conn, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_add(conn->timer, &tv);
}

static void connection_free(struct connection *conn)
{
	struct http_server *server = conn->server;

	if (conn->prev)
		conn->prev->next = conn->next;
	else
		server->first = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	server->n_connections--;
	end_request(conn);
	if (conn->timer)
		event_free(conn->timer);
	if (conn->bev) {
		/* Not BEV_OPT_CLOSE_ON_FREE: libevent 2.1 frees in the next turn of the loop, and after loop_stop
		 * there is none. */
		int fd = bufferevent_getfd(conn->bev);

		bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
		bufferevent_free(conn->bev);
		env_close(fd);
	}
	mem_free(conn);
	if (!server->accepting && server->listener && server->n_connections < server->limits.connections) {
		server->accepting = true;
		evconnlistener_enable(server->listener);
	}
}

/* --- the response --- */

static const char *reason_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} table[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 419, "Authentication Timeout" },
		{ 422, "Unprocessable Content" },
		{ 423, "Locked" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (table[i].status == status)
			return table[i].phrase;
	}
	return "Other";
}

/* RFC 9110 6.6.1: "Mon, 23 Nov 2026 17:49:40 GMT", whatever the locale. */
static void put_date(struct evbuffer *out)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
		                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = (time_t)(env_wall_us() / 1000000);
	struct tm tm;

	if (gmtime_r(&now, &tm))
		evbuffer_add_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday,
		                    months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void free_body(const void *data, size_t n, void *arg)
{
	(void)n;
	(void)arg;
	mem_free((void *)data);
}

static void put_response(struct connection *conn, struct evbuffer *out)
{
	struct http_response *response = &conn->response;
	bool bodyless = response->status == 204 || response->status == 304;
	size_t n = response->body.n;

	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", response->status, reason_phrase(response->status));
	put_date(out);
	if (response->content_type && !bodyless)
		evbuffer_add_printf(out, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n",
		                    response->content_type);
	for (size_t i = 0; i < response->n_headers; i++)
		evbuffer_add_printf(out, "%.*s: %.*s\r\n", STR_FMT(response->headers[i].name),
		                    STR_FMT(response->headers[i].value));
	if (!bodyless)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", n);
	if (!conn->keep_alive)
		evbuffer_add_printf(out, "Connection: close\r\n");
	evbuffer_add_printf(out, "\r\n");
	if (!bodyless && n && !str_eqz(conn->request.method, "HEAD")) {
		char *body = wbuf_take(&response->body);

		if (!body || evbuffer_add_reference(out, body, n, free_body, NULL)) {
			mem_free(body);
			/* the length is a promise that cannot be kept: the connection ends short of it */
			conn->keep_alive = false;
		}
	}
}

static void send_response(struct connection *conn)
{
	struct evbuffer *out = bufferevent_get_output(conn->bev);
	struct timeval tv = { .tv_sec = conn->server->limits.body_ms / 1000,
		              .tv_usec = conn->server->limits.body_ms % 1000 * 1000 };

	if (wbuf_failed(&conn->response.body)) {
		wbuf_reset(&conn->response.body);
		conn->response.status = 500;
		conn->response.content_type = "text/plain; charset=utf-8";
		conn->response.n_headers = 0;
		conn->keep_alive = false;
	}
	conn->state = CONNECTION_WRITING;
	event_del(conn->timer);
	put_response(conn, out);
	end_request(conn);
	bufferevent_set_timeouts(conn->bev, NULL, &tv); /* without progress */
	bufferevent_enable(conn->bev, EV_WRITE);
}

static void refuse(struct connection *conn, int status, const char *reason)
{
	log_debug("io", "%s: request refused with %d: %s", conn->peer, status, reason);
	bufferevent_disable(conn->bev, EV_READ);
	conn->keep_alive = false;
	conn->response.status = status;
	conn->response.content_type = "text/plain; charset=utf-8";
	wbuf_reset(&conn->response.body);
	wbuf_putf(&conn->response.body, "%s\n", reason);
	send_response(conn);
}

/* --- handlers --- */

static void on_handled(void *arg)
{
	struct connection *conn = arg;

	log_debug("io", "%s %.*s %.*s %d", conn->peer, STR_FMT(conn->request.method), STR_FMT(conn->request.path),
	          conn->response.status);
	send_response(conn);
}

static void pool_main(void *arg)
{
	struct http_server *server = arg;
	void *item;

	while (queue_pop(server->jobs, &item, -1) == QUEUE_DONE) {
		struct connection *conn = item;

		server->handler(server->ctx, &conn->request, &conn->response);
		loop_post_task(server->loop, &conn->done);
	}
}

static void start_handler(struct connection *conn)
{
	conn->state = CONNECTION_HANDLING;
	event_del(conn->timer);
	bufferevent_disable(conn->bev, EV_READ);
	http_parser_request(&conn->parser, &conn->request);
	conn->request.peer = conn->peer;
	conn->keep_alive = conn->parser.keep_alive;
	if (queue_push(conn->server->jobs, conn, 1, 0) != QUEUE_DONE) /* has room for every connection */
		refuse(conn, 503, "the server is closing");
}

/* --- reading --- */

static void on_parse_result(struct connection *conn, enum http_parse_result result)
{
	switch (result) {
	case HTTP_PARSE_MORE: break;
	case HTTP_PARSE_HEAD:
		set_deadline(conn, conn->server->limits.body_ms);
		if (conn->parser.expect_continue && evbuffer_get_length(bufferevent_get_input(conn->bev)) == 0)
			evbuffer_add_printf(bufferevent_get_output(conn->bev), "HTTP/1.1 100 Continue\r\n\r\n");
		break;
	case HTTP_PARSE_DONE: start_handler(conn); break;
	case HTTP_PARSE_BAD: refuse(conn, conn->parser.status, conn->parser.reason); break;
	}
}

static int begin_reading(struct connection *conn)
{
	if (begin_request(conn)) {
		connection_free(conn);
		return -1;
	}
	conn->state = CONNECTION_READING;
	set_deadline(conn, conn->server->limits.header_ms);
	return 0;
}

static void connection_read(struct connection *conn)
{
	struct evbuffer *in = bufferevent_get_input(conn->bev);

	while (evbuffer_get_length(in) && (conn->state == CONNECTION_IDLE || conn->state == CONNECTION_READING)) {
		size_t n = evbuffer_get_contiguous_space(in);
		struct str bytes = str_view(evbuffer_pullup(in, (ev_ssize_t)n), n);
		enum http_parse_result result;

		if (conn->state == CONNECTION_IDLE && begin_reading(conn))
			return;
		result = http_parser_feed(&conn->parser, &bytes);
		evbuffer_drain(in, n - bytes.n);
		on_parse_result(conn, result);
	}
}

static void on_readable(struct bufferevent *bev, void *arg)
{
	struct connection *conn = arg;

	if (conn->state == CONNECTION_LINGER)
		evbuffer_drain(bufferevent_get_input(bev), evbuffer_get_length(bufferevent_get_input(bev)));
	else
		connection_read(conn);
}

/* The output is empty: next request, or good-bye. Also called after "100 Continue". */
static void on_written(struct bufferevent *bev, void *arg)
{
	struct connection *conn = arg;

	if (conn->state != CONNECTION_WRITING)
		return;
	bufferevent_set_timeouts(bev, NULL, NULL);
	if (conn->keep_alive) {
		conn->state = CONNECTION_IDLE;
		set_deadline(conn, conn->server->limits.idle_ms);
		bufferevent_enable(bev, EV_READ);
		connection_read(conn); /* what was pipelined and is here already */
		return;
	}
	conn->state = CONNECTION_LINGER;
	shutdown(bufferevent_getfd(bev), SHUT_WR);
	set_deadline(conn, LINGER_MS);
	evbuffer_drain(bufferevent_get_input(bev), evbuffer_get_length(bufferevent_get_input(bev)));
	bufferevent_enable(bev, EV_READ);
}

/* End of the stream, an error, or a write without progress. */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct connection *conn = arg;

	(void)bev;
	(void)what;
	/* then the handler owns the request; writing its answer will find out */
	if (conn->state != CONNECTION_HANDLING)
		connection_free(conn);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct connection *conn = arg;

	(void)fd;
	(void)what;
	if (conn->state == CONNECTION_READING)
		refuse(conn, 408, "the request took too long to arrive");
	else
		connection_free(conn);
}

/* --- accepting --- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr, int addr_n, void *arg)
{
	struct http_server *server = arg;
	struct connection *conn = mem_zero(sizeof *conn);

	(void)listener;
	if (!conn) {
		env_close(fd);
		return;
	}
	conn->server = server;
	conn->done = (struct loop_task){ .fn = on_handled, .arg = conn };
	conn->next = server->first;
	if (conn->next)
		conn->next->prev = conn;
	server->first = conn;
	server->n_connections++;
	sock_text(addr, (socklen_t)addr_n, conn->peer);
	conn->timer = event_new(loop_base(server->loop), -1, 0, on_deadline, conn);
	conn->bev = bufferevent_socket_new(loop_base(server->loop), fd, 0);
	if (!conn->timer || !conn->bev) {
		if (!conn->bev)
			env_close(fd);
		connection_free(conn);
		return;
	}
	bufferevent_setcb(conn->bev, on_readable, on_written, on_event, conn);
	bufferevent_setwatermark(conn->bev, EV_READ, 0, READ_AHEAD_BYTES);
	set_deadline(conn, server->limits.header_ms);
	bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
	if (server->n_connections >= server->limits.connections) {
		server->accepting = false;
		evconnlistener_disable(server->listener);
		log_warn("io", "%s: %d connections are open, the limit; further ones wait", server->address,
		         server->n_connections);
	}
}

/* Mostly no descriptors left: wait a little instead of spinning. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct http_server *server = arg;
	struct timeval tv = { .tv_usec = ACCEPT_RETRY_MS * 1000 };

	log_warn("io", "%s: a connection could not be accepted: %s", server->address, strerror(EVUTIL_SOCKET_ERROR()));
	evconnlistener_disable(listener);
	event_add(server->accept_retry, &tv);
}

static void on_accept_retry(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *server = arg;

	(void)fd;
	(void)what;
	if (server->accepting)
		evconnlistener_enable(server->listener);
}

/* --- life cycle --- */

static int start_listener(struct http_server *server, const char *address, struct err *err)
{
	int fd, rc = sock_listen(address, &fd, err);

	if (rc)
		return rc;
	server->listener = evconnlistener_new(loop_base(server->loop), on_accept, server,
	                                      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, fd);
	if (!server->listener) {
		env_close(fd);
		return err_nomem(err);
	}
	evconnlistener_set_error_cb(server->listener, on_accept_error);
	server->accepting = true;
	server->accept_retry = event_new(loop_base(server->loop), -1, 0, on_accept_retry, server);
	if (!server->accept_retry)
		return err_nomem(err);
	rc = sock_own_text(fd, server->address);
	return rc ? err_set_errno(err, ERR_IO, -rc, "the address of %s", address) : ERR_OK;
}

static int start_pool(struct http_server *server, struct err *err)
{
	server->jobs = queue_new((size_t)server->limits.connections + 1, 0);
	server->threads = mem_array((size_t)server->limits.threads, sizeof *server->threads);
	if (!server->jobs || !server->threads)
		return err_nomem(err);
	while (server->n_threads < server->limits.threads) {
		int rc = thread_start(&server->threads[server->n_threads], "http", pool_main, server, err);

		if (rc)
			return rc;
		server->n_threads++;
	}
	return ERR_OK;
}

int http_server_open(struct loop *loop, const char *address, const struct http_limits *limits, http_handler_fn handler,
                     void *ctx, struct http_server **out, struct err *err)
{
	struct http_server *server = mem_zero(sizeof *server);
	int rc;

	if (!server)
		return err_nomem(err);
	server->loop = loop;
	server->limits = limits ? *limits : http_limits_default;
	server->handler = handler;
	server->ctx = ctx;
	rc = start_listener(server, address, err);
	if (!rc)
		rc = start_pool(server, err);
	if (rc) {
		http_server_close(server);
		return rc;
	}
	*out = server;
	return ERR_OK;
}

const char *http_server_address(const struct http_server *server) { return server->address; }

/* The answer of a handler that was under way at the end: what the socket takes at once is sent. */
static void send_last(struct connection *conn)
{
	struct evbuffer *out = evbuffer_new();

	if (out) {
		conn->keep_alive = false;
		put_response(conn, out);
		(void)evbuffer_write(out, bufferevent_getfd(conn->bev));
		evbuffer_free(out);
	}
}

void http_server_close(struct http_server *server)
{
	if (!server)
		return;
	server->accepting = false;
	if (server->listener)
		evconnlistener_free(server->listener);
	server->listener = NULL;
	if (server->accept_retry)
		event_free(server->accept_retry);
	if (server->jobs)
		queue_close(server->jobs);
	for (int i = 0; i < server->n_threads; i++)
		thread_join(server->threads[i]);
	while (server->first) {
		struct connection *conn = server->first;

		loop_cancel_task(server->loop, &conn->done);
		if (conn->state == CONNECTION_HANDLING)
			send_last(conn);
		connection_free(conn);
	}
	queue_free(server->jobs, NULL);
	mem_free(server->threads);
	mem_free(server);
}
