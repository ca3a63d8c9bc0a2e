/* src/engine/sql_protocol.c — frames between a SQL session and its worker process. */
#include "engine/sql_protocol.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/env.h"

#define HEAD 5
#define READ_BYTES (64 << 10)

void sql_inbox_init(struct sql_inbox *inbox)
{
	wbuf_init(&inbox->buf, SQL_FRAME_MAX + HEAD + READ_BYTES);
	inbox->at = 0;
}

void sql_inbox_free(struct sql_inbox *inbox) { wbuf_free(&inbox->buf); }

int sql_inbox_next(struct sql_inbox *inbox, struct sql_frame *frame, struct err *err)
{
	size_t left = inbox->buf.n - inbox->at;
	uint32_t n;

	if (left < HEAD)
		return 0;
	memcpy(&n, inbox->buf.p + inbox->at, sizeof n);
	if (n > SQL_FRAME_MAX) {
		err_set(err, ERR_PROTOCOL, "a message of %u bytes between Tarn and its query worker is too long", n);
		return -1;
	}
	if (left - HEAD < n)
		return 0;
	frame->type = inbox->buf.p[inbox->at + 4];
	frame->body = str_view(inbox->buf.p + inbox->at + HEAD, n);
	inbox->at += HEAD + n;
	return 1;
}

int sql_inbox_fill(struct sql_inbox *inbox, int fd, struct err *err)
{
	struct wbuf *buf = &inbox->buf;

	if (inbox->at > 0) { /* used frames go */
		memmove(buf->p, buf->p + inbox->at, buf->n - inbox->at);
		buf->n -= inbox->at;
		inbox->at = 0;
	}
	uint8_t *room = wbuf_reserve(buf, READ_BYTES);
	if (!room)
		return err_nomem(err);
	ssize_t n = env_read(fd, room, READ_BYTES);
	if (n == 0 || n == -ECONNRESET)
		return err_set(err, ERR_LOST, "the other end is gone");
	if (n < 0)
		return err_set_errno(err, ERR_LOST, (int)-n, "reading from the other end");
	buf->n += (size_t)n;
	return ERR_OK;
}

/* MSG_NOSIGNAL is why this is not env_write: a dead worker must be an error, not a SIGPIPE. */
static int send_all(int fd, const void *p, size_t n, int flags, struct err *err)
{
	const char *at = p;

	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL | flags);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return err_set_errno(err, ERR_LOST, errno, "sending to the other end");
		at += sent;
		n -= (size_t)sent;
	}
	return ERR_OK;
}

int sql_frame_send(int fd, uint8_t type, struct str body, struct err *err)
{
	uint8_t head[HEAD];
	uint32_t n = (uint32_t)body.n;

	if (body.n > SQL_FRAME_MAX)
		return err_set(err, ERR_LIMIT, "%zu bytes are more than fit between Tarn and its query worker (%zu)",
		               body.n, SQL_FRAME_MAX);
	memcpy(head, &n, sizeof n);
	head[4] = type;
	int rc = send_all(fd, head, sizeof head, body.n ? MSG_MORE : 0, err);
	return rc ? rc : send_all(fd, body.p, body.n, 0, err);
}

void sql_put_str(struct wbuf *out, struct str s)
{
	wbuf_put_u32_le(out, (uint32_t)s.n);
	wbuf_put(out, s.p, s.n);
}

struct str sql_get_str(struct rbuf *in) { return rbuf_bytes(in, rbuf_u32_le(in)); }
