/* src/io/sock.h — TCP sockets from "host:port" texts. Private to io/. */
#ifndef TARN_IO_SOCK_H
#define TARN_IO_SOCK_H

#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"

#define SOCK_TEXT_MAX 80

/* A listening, non-blocking socket. "127.0.0.1:8080", "[::1]:0", "localhost:80". ERR_IO names the address when it is
 * taken. */
int sock_listen(const char *address, int *fd, struct err *err) TARN_MUST_CHECK;
/* A connected, non-blocking socket. ERR_CONNECT, ERR_TIMEOUT. */
int sock_connect(const char *address, int timeout_ms, int *fd, struct err *err) TARN_MUST_CHECK;
/* "127.0.0.1:51234", "[::1]:80" */
void sock_text(const struct sockaddr *addr, socklen_t addr_n, char text[SOCK_TEXT_MAX]);
int sock_own_text(int fd, char text[SOCK_TEXT_MAX]); /* 0 or -errno */

#endif
