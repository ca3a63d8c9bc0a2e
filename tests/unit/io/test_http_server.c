/* tests/unit/io/test_http_server.c — the server over real loopback sockets: the malformed requests, pipelining, time limits, concurrency, closing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/thread.h"
#include "http_cases.h"
#include "io/http.h"
#include "io/loop.h"
#include "io/sock.h"

struct fixture {
	struct loop *loop;
	struct http_server *server;
	struct thread *thread;
	struct monitor monitor;
	int inside, handled; /* of the monitor, as is gate_open */
	bool gate_open;
	char address[SOCK_TEXT_MAX];
};

#define PATIENCE_US INT64_C(20000000) /* nobody waits so long, however busy the machine */
#define LIMITS(header_or_body_ms, idle)                                                                                \
	{                                                                                                              \
		.line_bytes = 8192, .header_bytes = 32768, .body_bytes = 1 << 20, .n_headers = 100,                    \
		.header_ms = header_or_body_ms, .body_ms = header_or_body_ms, .idle_ms = idle, .connections = 8,       \
		.threads = 3                                                                                           \
	}

/* Only a test that waits for a limit has a short one. */
static const struct http_limits calm = LIMITS(30000, 30000), quick = LIMITS(300, 30000),
				quick_idle = LIMITS(30000, 1500);

/* /echo gives the body back; /slow takes 150 ms; /gate waits until the test opens it; /none 204; /split tries to smuggle a header; anything else its method and path. */
static void handle(void *ctx, const struct http_request *request, struct http_response *response)
{
	struct fixture *f = ctx;

	monitor_lock(&f->monitor);
	f->handled++;
	f->inside++;
	monitor_wake(&f->monitor);
	while (str_eqz(request->path, "/gate") && !f->gate_open)
		if (!monitor_wait(&f->monitor, PATIENCE_US))
			break;
	monitor_unlock(&f->monitor);
	response->content_type = "text/plain";
	if (str_eqz(request->path, "/slow"))
		env_sleep_us(150000);
	if (str_eqz(request->path, "/echo"))
		wbuf_put_str(&response->body, request->body);
	else if (str_eqz(request->path, "/none"))
		response->status = 204;
	else if (str_eqz(request->path, "/split"))
		http_response_header(response, "X-Name", "a\r\nSet-Cookie: b");
	else
		wbuf_putf(&response->body, "%.*s %.*s", STR_FMT(request->method), STR_FMT(request->path));
	monitor_lock(&f->monitor);
	f->inside--;
	monitor_unlock(&f->monitor);
}

static void run_loop(void *arg)
{
	struct err err;

	if (loop_run(arg, &err))
		abort();
}

/* Waits until n handlers are under way. */
static void wait_inside(struct fixture *f, int n)
{
	monitor_lock(&f->monitor);
	while (f->inside < n)
		if (!monitor_wait(&f->monitor, PATIENCE_US))
			fail_msg("%d of %d handlers are under way", f->inside, n);
	monitor_unlock(&f->monitor);
}

static void open_gate(struct fixture *f)
{
	monitor_lock(&f->monitor);
	f->gate_open = true;
	monitor_wake(&f->monitor);
	monitor_unlock(&f->monitor);
}

static int setup_with(void **state, const struct http_limits *limits)
{
	struct fixture *f = mem_zero(sizeof *f);
	struct err err;

	monitor_init(&f->monitor);
	assert_int_equal(loop_open(&f->loop, &err), 0);
	if (http_server_open(f->loop, "127.0.0.1:0", limits, handle, f, &f->server, &err))
		fail_msg("%s", err.text);
	snprintf(f->address, sizeof f->address, "%s", http_server_address(f->server));
	assert_int_equal(thread_start(&f->thread, "loop", run_loop, f->loop, &err), 0);
	*state = f;
	return 0;
}

static int setup(void **state) { return setup_with(state, &calm); }
static int setup_quick(void **state) { return setup_with(state, &quick); }
static int setup_quick_idle(void **state) { return setup_with(state, &quick_idle); }

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_stop(f->loop);
	thread_join(f->thread);
	http_server_close(f->server);
	loop_free(f->loop);
	monitor_free(&f->monitor);
	mem_free(f);
	return 0;
}

static int client(const struct fixture *f)
{
	struct err err;
	int fd;

	if (sock_connect(f->address, 2000, &fd, &err))
		fail_msg("%s", err.text);
	return fd;
}

static void put(int fd, const char *p, size_t n) { assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n); }

static void putz(int fd, const char *text) { put(fd, text, strlen(text)); }

/* Until `wanted` has come or the stream ends. Returns true when it ended. */
static bool read_until(int fd, char *out, size_t size, const char *wanted)
{
	int64_t deadline = env_mono_us() + PATIENCE_US;
	size_t n = 0;

	out[0] = 0;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = (deadline - env_mono_us()) / 1000;
		ssize_t got;

		if (wanted && strstr(out, wanted))
			return false;
		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return false;
		got = recv(fd, out + n, size - n - 1, 0);
		if (got <= 0)
			return true;
		n += (size_t)got;
		out[n] = 0;
	}
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
		n++;
	return n;
}

/* Each malformed request gets its status, exactly one response, and the end of the connection; nothing of it reaches a handler. */
static void test_malformed(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < HTTP_CASES; i++) {
		const struct http_case *c = &http_cases[i];
		char answer[8192], status[32];
		int fd = client(f), handled = f->handled;

		if (c->status == 200) {
			close(fd);
			continue;
		}
		put(fd, c->bytes, c->n);
		snprintf(status, sizeof status, "HTTP/1.1 %d ", c->status);
		if (!read_until(fd, answer, sizeof answer, NULL))
			fail_msg("%s: the connection stays open: %s", c->name, answer);
		if (strncmp(answer, status, strlen(status)) != 0 || count(answer, "\r\nDate: ") != 1)
			fail_msg("%s: wanted one answer of %d, got: %s", c->name, c->status, answer);
		assert_non_null(strstr(answer, "Connection: close\r\n"));
		assert_int_equal(f->handled, handled);
		close(fd);
	}
}

static void test_well_formed(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < HTTP_CASES; i++) {
		const struct http_case *c = &http_cases[i];
		char answer[8192];
		int fd;

		if (c->status != 200)
			continue;
		fd = client(f);
		put(fd, c->bytes, c->n);
		read_until(fd, answer, sizeof answer, "\r\n\r\n");
		if (strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) != 0)
			fail_msg("%s: %s", c->name, answer);
		close(fd);
	}
}

static void test_pipelining(void **state)
{
	static const char three[] =
		"GET /slow HTTP/1.1\r\nHost: h\r\n\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
	char answer[8192];
	const char *first, *second, *third;
	int fd = client(*state);

	put(fd, three, sizeof three - 1);
	assert_true(read_until(fd, answer, sizeof answer, NULL));
	assert_int_equal(count(answer, "HTTP/1.1 200 OK"), 3);
	first = strstr(answer, "GET /slow");
	second = strstr(answer, "\r\n\r\nabc");
	third = strstr(answer, "GET /last");
	assert_true(first && second && third && first < second && second < third);
	close(fd);
}

static void test_keep_alive_and_head(void **state)
{
	char answer[8192];
	int fd = client(*state);

	putz(fd, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_false(read_until(fd, answer, sizeof answer, "GET /a"));
	assert_null(strstr(answer, "Connection: close"));
	putz(fd, "HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_false(read_until(fd, answer, sizeof answer, "\r\n\r\n"));
	assert_non_null(strstr(answer, "Content-Length: 10\r\n"));
	putz(fd, "GET /none HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_false(read_until(fd, answer, sizeof answer, "\r\n\r\n"));
	assert_true(strncmp(answer, "HTTP/1.1 204 ", 13) == 0); /* no byte of a HEAD body before it */
	assert_null(strstr(answer, "Content-Length"));
	assert_null(strstr(answer, "Content-Type"));
	assert_true(read_until(fd, answer, sizeof answer, NULL)); /* idle_ms */
	assert_string_equal(answer, "");
	close(fd);
}

static void test_slow_client(void **state)
{
	char answer[8192];
	int fd = client(*state);
	int64_t start = env_mono_us();

	putz(fd, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
	assert_true(read_until(fd, answer, sizeof answer, NULL));
	assert_true(strncmp(answer, "HTTP/1.1 408 ", 13) == 0);
	assert_true(env_mono_us() - start >= 250000);
	close(fd);
	fd = client(*state);
	putz(fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
	assert_true(read_until(fd, answer, sizeof answer, NULL));
	assert_true(strncmp(answer, "HTTP/1.1 408 ", 13) == 0);
	close(fd);
}

static void test_too_large(void **state)
{
	char answer[8192];
	char *body = mem_zero(1 << 20);
	int fd = client(*state);

	memset(body, 'a', 1 << 20);
	putz(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n");
	(void)!send(fd, body, 100000, MSG_NOSIGNAL); /* still being sent when the answer comes */
	assert_true(read_until(fd, answer, sizeof answer, NULL));
	assert_true(strncmp(answer, "HTTP/1.1 413 ", 13) == 0);
	close(fd);
	fd = client(*state);
	putz(fd, "GET / HTTP/1.1\r\nHost: h\r\n");
	for (int i = 0; i < 101; i++)
		putz(fd, "X: y\r\n");
	assert_true(read_until(fd, answer, sizeof answer, NULL));
	assert_true(strncmp(answer, "HTTP/1.1 431 ", 13) == 0);
	close(fd);
	mem_free(body);
}

static void test_expect_continue(void **state)
{
	char answer[8192];
	int fd = client(*state);

	putz(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	assert_false(read_until(fd, answer, sizeof answer, "\r\n\r\n"));
	assert_string_equal(answer, "HTTP/1.1 100 Continue\r\n\r\n");
	putz(fd, "hello");
	assert_false(read_until(fd, answer, sizeof answer, "hello"));
	close(fd);
}

static void test_header_cannot_split(void **state)
{
	char answer[8192];
	int fd = client(*state);

	putz(fd, "GET /split HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_true(read_until(fd, answer, sizeof answer, NULL));
	assert_non_null(strstr(answer, "X-Name: a??Set-Cookie: b\r\n"));
	close(fd);
}

static void test_concurrency(void **state)
{
	struct fixture *f = *state;
	char answer[8192];
	int fds[3];

	for (int i = 0; i < 3; i++) {
		fds[i] = client(f);
		putz(fds[i], "GET /gate HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	}
	wait_inside(f, 3);
	open_gate(f);
	for (int i = 0; i < 3; i++) {
		assert_true(read_until(fds[i], answer, sizeof answer, NULL));
		assert_non_null(strstr(answer, "GET /gate"));
		close(fds[i]);
	}
}

/* More connections than allowed: the later ones are served when earlier ones end. */
static void test_connection_limit(void **state)
{
	struct fixture *f = *state;
	char answer[8192];
	int fds[12];

	for (int i = 0; i < 12; i++) {
		fds[i] = client(f);
		putz(fds[i], "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	}
	for (int i = 0; i < 12; i++) {
		read_until(fds[i], answer, sizeof answer, "GET /x");
		assert_non_null(strstr(answer, "GET /x"));
		close(fds[i]);
	}
}

static void test_fetch(void **state)
{
	struct fixture *f = *state;
	struct err err;
	char *out = NULL, *body = mem_zero(1 << 20);
	size_t n;
	int status;

	memset(body, 'b', 1 << 20);
	if (http_fetch(f->address, "POST", "/echo", str_view(body, 1 << 20), 20000, &status, &out, &n, &err))
		fail_msg("%s", err.text);
	assert_int_equal(status, 200);
	assert_int_equal(n, 1 << 20);
	assert_memory_equal(out, body, n);
	mem_free(out);
	mem_free(body);
	assert_int_equal(http_fetch(f->address, "GET", "/gate", STR_LIT(""), 50, &status, &out, &n, &err), ERR_TIMEOUT);
	open_gate(f);
	assert_int_equal(http_fetch("127.0.0.1:1", "GET", "/", STR_LIT(""), 20000, &status, &out, &n, &err),
	                 ERR_CONNECT);
	assert_non_null(strstr(err.text, "127.0.0.1:1"));
	assert_int_equal(http_fetch("nonsense", "GET", "/", STR_LIT(""), 1000, &status, &out, &n, &err), ERR_USAGE);
}

static void test_address_taken(void **state)
{
	struct fixture *f = *state;
	struct http_server *second = NULL;
	struct err err;

	/* the loop runs in its own thread: this fails before it touches the loop */
	assert_int_equal(http_server_open(f->loop, f->address, NULL, handle, f, &second, &err), ERR_IO);
	assert_non_null(strstr(err.text, f->address));
	assert_null(second);
}

/* Closing waits for the handler under way, and its answer is sent. */
static void test_close_waits(void **state)
{
	struct fixture *f = *state;
	char answer[8192];
	struct err err;
	int fd = client(f);

	putz(fd, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
	wait_inside(f, 1);
	loop_stop(f->loop);
	thread_join(f->thread);
	http_server_close(f->server);
	assert_true(read_until(fd, answer, sizeof answer, NULL));
	assert_non_null(strstr(answer, "GET /slow"));
	close(fd);
	if (http_server_open(f->loop, "127.0.0.1:0", &calm, handle, f, &f->server, &err))
		fail_msg("%s", err.text);
	assert_int_equal(thread_start(&f->thread, "loop", run_loop, f->loop, &err), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_malformed),
		T(test_well_formed),
		T(test_pipelining),
		cmocka_unit_test_setup_teardown(test_keep_alive_and_head, setup_quick_idle, teardown),
		cmocka_unit_test_setup_teardown(test_slow_client, setup_quick, teardown),
		T(test_too_large),
		T(test_expect_continue),
		T(test_header_cannot_split),
		T(test_concurrency),
		T(test_connection_limit),
		T(test_fetch),
		T(test_address_taken),
		T(test_close_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
