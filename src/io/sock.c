/* src/io/sock.c — making sockets. */
#include "io/sock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/str.h"

/* Splits at the last colon; brackets around an IPv6 address go. */
static int split(const char *address, char *host, size_t host_size, char *port, size_t port_size, struct err *err)
{
	const char *colon = strrchr(address, ':');
	struct str h = colon ? str_view(address, (size_t)(colon - address)) : STR_LIT("");
	uint64_t n;

	if (h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
		h = str_view(h.p + 1, h.n - 2);
	if (h.n == 0 || !str_to_u64(str_of(colon + 1), &n) || n > 65535 || !str_copy(host, host_size, h) ||
	    !str_copy(port, port_size, str_of(colon + 1)))
		return err_set(err, ERR_USAGE, "'%s' is not an address like 127.0.0.1:8080", address);
	return ERR_OK;
}

static int resolve(const char *address, int flags, struct addrinfo **out, struct err *err)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		                  .ai_socktype = SOCK_STREAM,
		                  .ai_flags = flags | AI_NUMERICSERV };
	char host[256], port[8];
	int rc = split(address, host, sizeof host, port, sizeof port, err);

	if (rc)
		return rc;
	rc = getaddrinfo(host, port, &hints, out);
	if (rc)
		return err_set(err, ERR_CONNECT, "the host of %s cannot be found: %s", address,
		               rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	return ERR_OK;
}

static int listen_on(const struct addrinfo *info, const char *address, int *out, struct err *err)
{
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, saved;

	if (fd < 0)
		return err_set_errno(err, ERR_IO, errno, "no socket for %s", address);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, 128) == 0) {
		*out = fd;
		return ERR_OK;
	}
	saved = errno;
	env_close(fd);
	if (saved == EADDRINUSE)
		return err_set(err, ERR_IO,
		               "the address %s is taken by another process; stop that one or choose another port",
		               address);
	return err_set_errno(err, ERR_IO, saved, "cannot listen on %s", address);
}

int sock_listen(const char *address, int *fd, struct err *err)
{
	struct addrinfo *info = NULL;
	int rc = resolve(address, AI_PASSIVE, &info, err);

	if (rc)
		return rc;
	rc = listen_on(info, address, fd, err);
	freeaddrinfo(info);
	return rc;
}

/* 0 or a negative errno */
static int connect_to(const struct addrinfo *info, int64_t deadline_us, int *out)
{
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), failure = 0, on = 1;
	socklen_t n = sizeof failure;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(fd, info->ai_addr, info->ai_addrlen) < 0) {
		failure = errno;
		if (failure == EINPROGRESS) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };
			int64_t left = (deadline_us - env_mono_us()) / 1000;
			int ready = env_poll(&p, 1, left > 0 ? (int)left : 0);

			if (ready <= 0)
				failure = ready ? -ready : ETIMEDOUT;
			else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &n) < 0)
				failure = errno;
		}
	}
	if (failure) {
		env_close(fd);
		return -failure;
	}
	*out = fd;
	return 0;
}

int sock_connect(const char *address, int timeout_ms, int *fd, struct err *err)
{
	int64_t deadline = env_mono_us() + (int64_t)timeout_ms * 1000;
	struct addrinfo *info = NULL;
	int rc = resolve(address, 0, &info, err), failure = -EADDRNOTAVAIL;

	if (rc)
		return rc;
	for (const struct addrinfo *i = info; i && failure; i = i->ai_next)
		failure = connect_to(i, deadline, fd);
	freeaddrinfo(info);
	if (failure == -ETIMEDOUT)
		return err_set(err, ERR_TIMEOUT, "%s did not answer within %d ms", address, timeout_ms);
	return failure ? err_set_errno(err, ERR_CONNECT, -failure, "cannot connect to %s", address) : ERR_OK;
}

void sock_text(const struct sockaddr *addr, socklen_t addr_n, char text[SOCK_TEXT_MAX])
{
	char host[64], port[8];

	if (getnameinfo(addr, addr_n, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(text, SOCK_TEXT_MAX, "unknown");
	else
		snprintf(text, SOCK_TEXT_MAX, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

int sock_own_text(int fd, char text[SOCK_TEXT_MAX])
{
	struct sockaddr_storage addr;
	socklen_t n = sizeof addr;

	if (getsockname(fd, (struct sockaddr *)&addr, &n) < 0)
		return -errno;
	sock_text((struct sockaddr *)&addr, n, text);
	return 0;
}
