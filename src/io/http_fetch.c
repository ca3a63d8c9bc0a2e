/* src/io/http_fetch.c — one request to a server of our own, the whole answer in memory. One connection a call, closed
 * afterwards. */
#include <errno.h>
#include <string.h>

#include "base/env.h"
#include "base/mem.h"
#include "io/http.h"
#include "io/sock.h"

#define ANSWER_BYTES_MAX ((size_t)64 << 20)

struct fetch {
	const char *address;
	int fd;
	int64_t deadline_us;
	int timeout_ms;
	struct wbuf answer;
};

static int wait_for(const struct fetch *fetch, short events, struct err *err)
{
	struct pollfd p = { .fd = fetch->fd, .events = events };
	int64_t left = (fetch->deadline_us - env_mono_us() + 999) / 1000;
	int ready = left > 0 ? env_poll(&p, 1, (int)left) : 0;

	if (ready < 0)
		return err_set_errno(err, ERR_IO, -ready, "waiting for %s", fetch->address);
	return ready ? ERR_OK
	             : err_set(err, ERR_TIMEOUT, "%s did not answer within %d ms", fetch->address, fetch->timeout_ms);
}

static int send_all(const struct fetch *fetch, struct str bytes, struct err *err)
{
	while (bytes.n) {
		ssize_t n = send(fetch->fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			int rc = wait_for(fetch, POLLOUT, err);

			if (rc)
				return rc;
			continue;
		}
		if (n < 0)
			/* it may have answered all the same */
			return errno == EPIPE || errno == ECONNRESET
			               ? ERR_OK
			               : err_set_errno(err, ERR_LOST, errno, "sending to %s", fetch->address);
		bytes = str_view(bytes.p + n, bytes.n - (size_t)n);
	}
	return ERR_OK;
}

static int receive_all(struct fetch *fetch, struct err *err)
{
	for (;;) {
		uint8_t *room = wbuf_reserve(&fetch->answer, 65536);
		ssize_t n;

		if (!room)
			return wbuf_check(&fetch->answer, err, "answer");
		n = recv(fetch->fd, room, 65536, 0);
		if (n == 0)
			return ERR_OK;
		if (n > 0) {
			fetch->answer.n += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return err_set_errno(err, ERR_LOST, errno, "reading from %s", fetch->address);
		if (errno == EAGAIN) {
			int rc = wait_for(fetch, POLLIN, err);

			if (rc)
				return rc;
		}
	}
}

static int malformed(const struct fetch *fetch, const char *what, struct err *err)
{
	return err_set(err, ERR_PROTOCOL, "%s answered something that is not Tarn's HTTP: %s; is it another program?",
	               fetch->address, what);
}

/* "HTTP/1.1 200 OK", then headers of which Content-Length is the one that counts. */
static int parse_answer(const struct fetch *fetch, int *status, struct str *body, struct err *err)
{
	struct str all = wbuf_str(&fetch->answer), head, line;
	const char *end = all.n ? memmem(all.p, all.n, "\r\n\r\n", 4) : NULL;
	uint64_t code, length = 0;
	bool has_length = false;

	if (all.n == 0)
		return err_set(err, ERR_LOST, "%s closed the connection without an answer", fetch->address);
	if (!end)
		return malformed(fetch, "no header", err);
	*body = str_view(end + 4, all.n - (size_t)(end + 4 - all.p));
	head = str_view(all.p, (size_t)(end - all.p));
	line = str_cut(&head, '\n');
	if (line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || !str_to_u64(str_view(line.p + 9, 3), &code))
		return malformed(fetch, "no status line", err);
	*status = (int)code;
	while (head.n) {
		struct str value = str_cut(&head, '\n'), name = str_cut(&value, ':');

		if (str_eq_nocase(name, STR_LIT("transfer-encoding")))
			return malformed(fetch, "a Transfer-Encoding", err);
		if (!str_eq_nocase(name, STR_LIT("content-length")))
			continue;
		if (has_length || !str_to_u64(str_trim(value), &length))
			return malformed(fetch, "a wrong Content-Length", err);
		has_length = true;
	}
	if (has_length && body->n != length)
		return err_set(err, ERR_LOST, "%s closed the connection in the middle of its answer", fetch->address);
	return ERR_OK;
}

static int exchange(struct fetch *fetch, struct str request, struct str body, int *status, char **out, size_t *n,
                    struct err *err)
{
	struct str answer = STR_LIT("");
	int rc = send_all(fetch, request, err);

	if (!rc)
		rc = send_all(fetch, body, err);
	if (!rc)
		rc = receive_all(fetch, err);
	if (!rc)
		rc = parse_answer(fetch, status, &answer, err);
	if (rc)
		return rc;
	*out = mem_strndup(answer.p, answer.n);
	*n = answer.n;
	return *out ? ERR_OK : err_nomem(err);
}

int http_fetch(const char *address, const char *method, const char *target, struct str body, int timeout_ms,
               int *status, char **out, size_t *n, struct err *err)
{
	struct fetch fetch = { .address = address,
		               .timeout_ms = timeout_ms,
		               .deadline_us = env_mono_us() + (int64_t)timeout_ms * 1000 };
	struct wbuf request;
	int rc;

	wbuf_init(&request, 65536);
	wbuf_init(&fetch.answer, ANSWER_BYTES_MAX);
	wbuf_putf(&request, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", method, target, address);
	if (body.n || strcmp(method, "GET") != 0)
		wbuf_putf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.n);
	wbuf_putz(&request, "\r\n");
	rc = wbuf_check(&request, err, "request");
	if (!rc)
		rc = sock_connect(address, timeout_ms, &fetch.fd, err);
	if (!rc) {
		rc = exchange(&fetch, wbuf_str(&request), body, status, out, n, err);
		env_close(fetch.fd);
	}
	wbuf_free(&request);
	wbuf_free(&fetch.answer);
	return rc;
}
