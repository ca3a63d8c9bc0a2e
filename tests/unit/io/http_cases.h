/* tests/unit/io/http_cases.h — raw requests and what a strict server answers: the malformed ones are those that packaged servers were seen to accept.
 * Shared by the parser's and the server's tests. */
#ifndef TARN_TESTS_HTTP_CASES_H
#define TARN_TESTS_HTTP_CASES_H

#include <stddef.h>

struct http_case {
	const char *name;
	const char *bytes;
	size_t n;
	int status; /* 200: parsed, body below */
	const char *body;
};

#define CASE(name, bytes, status, body)                                                                                \
	{                                                                                                              \
		name, bytes, sizeof(bytes) - 1, status, body                                                           \
	}
#define POST "POST /x HTTP/1.1\r\nHost: h\r\n"
#define SMUGGLED "GET /second HTTP/1.1\r\nHost: h\r\n\r\n"

/* A case a line. */
/* clang-format off */
static const struct http_case http_cases[] = {
	CASE("get", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 200, ""),
	CASE("host of all kinds of bytes", "GET / HTTP/1.1\r\nHost: azAZ09-._~%!$&'()*+,;=:[]\r\n\r\n", 200, ""),
	CASE("http/1.0 without host", "GET / HTTP/1.0\r\n\r\n", 200, ""),
	CASE("empty line first", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 200, ""),
	CASE("content length", POST "Content-Length: 5\r\n\r\nhello", 200, "hello"),
	CASE("content length zero", POST "Content-Length: 0\r\n\r\n", 200, ""),
	CASE("chunked", POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 200, "hello world"),
	CASE("chunked, case", POST "Transfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n000\r\n\r\n", 200, "0123456789"),
	CASE("chunk size of 15 digits", POST "Transfer-Encoding: chunked\r\n\r\n000000000000005\r\nhello\r\n0\r\n\r\n", 200, "hello"),
	CASE("chunk size of 16 digits", POST "Transfer-Encoding: chunked\r\n\r\n0000000000000005\r\nhello\r\n0\r\n\r\n", 400, NULL),
	CASE("chunk extension", POST "Transfer-Encoding: chunked\r\n\r\n5;a=b;c=\"d\"\r\nhello\r\n0\r\n\r\n", 200, "hello"),
	CASE("trailer", POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", 200, "hello"),
	CASE("path passed raw", "GET /a/../../etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", 200, ""),
	CASE("percent-encoded", "GET /a%2fb%1F?c=%E2%82%ac%20 HTTP/1.1\r\nHost: h\r\n\r\n", 200, ""),
	CASE("a path's escapes are the handler's", "GET /a%zz%00 HTTP/1.1\r\nHost: h\r\n\r\n", 200, ""),
	CASE("unknown method", "PROPFIND / HTTP/1.1\r\nHost: h\r\n\r\n", 200, ""),
	CASE("options *", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 200, ""),
	CASE("utf-8 in a value", "GET / HTTP/1.1\r\nHost: h\r\nX-N: \xc3\xa9\r\n\r\n", 200, ""),

	CASE("two content lengths", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400, NULL),
	CASE("the same content length twice", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400, NULL),
	CASE("content length and chunked", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400, NULL),
	CASE("blank before the colon", POST "Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" SMUGGLED, 400, NULL),
	CASE("xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, NULL),
	CASE("gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, NULL),
	CASE("chunked twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL),
	CASE("empty transfer encoding", POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400, NULL),
	CASE("chunked in http/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL),
	CASE("content length +5", POST "Content-Length: +5\r\n\r\nhello", 400, NULL),
	CASE("content length list", POST "Content-Length: 5, 5\r\n\r\nhello", 400, NULL),
	CASE("content length hex", POST "Content-Length: 0x5\r\n\r\nhello", 400, NULL),
	CASE("content length -1", POST "Content-Length: -1\r\n\r\n", 400, NULL),
	CASE("content length empty", POST "Content-Length:\r\n\r\n", 400, NULL),
	CASE("content length huge", POST "Content-Length: 99999999999999999999\r\n\r\n", 413, NULL),
	CASE("chunk size 0x5", POST "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400, NULL),
	CASE("chunk size -1", POST "Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n", 400, NULL),
	CASE("chunk size with blank", POST "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", 400, NULL),
	CASE("chunk size empty", POST "Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", 400, NULL),
	CASE("chunk size overflow", POST "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", 400, NULL),
	CASE("chunk size large", POST "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413, NULL),
	CASE("chunk longer than its size", POST "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", 400, NULL),
	CASE("chunk with bare lf", POST "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400, NULL),
	CASE("chunk data ended by lf", POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", 400, NULL),
	CASE("chunk extension with lf", POST "Transfer-Encoding: chunked\r\n\r\n5;x\nhello\r\n0\r\n\r\n", 400, NULL),
	CASE("trailer folded", POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n y\r\n\r\n", 400, NULL),
	CASE("trailer with bare lf", POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: 1\n\r\n", 400, NULL),
	CASE("nul in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", 400, NULL),
	CASE("del in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\x7f\r\n\r\n", 400, NULL),
	CASE("control byte in the target", "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("high byte in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("no host", "GET / HTTP/1.1\r\n\r\n", 400, NULL),
	CASE("two hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("host with path", "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n", 400, NULL),
	CASE("host empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, NULL),
	CASE("folded header", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", 400, NULL),
	CASE("first header begins with a blank", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400, NULL),
	CASE("bare lf", "GET / HTTP/1.1\nHost: h\n\n", 400, NULL),
	CASE("bare lf in a header", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400, NULL),
	CASE("bare cr", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400, NULL),
	CASE("header without colon", "GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n", 400, NULL),
	CASE("header without name", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", 400, NULL),
	CASE("blank in a header name", "GET / HTTP/1.1\r\nHost: h\r\nA B: x\r\n\r\n", 400, NULL),
	CASE("no version", "GET /\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("two blanks", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("blank at the end", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400, NULL),
	CASE("lower case version", "GET / http/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("http/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, NULL),
	CASE("http/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505, NULL),
	CASE("percent without digits", "GET /v1/namespaces?parent=%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("percent at the end", "GET /a?b=%2 HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("encoded zero byte", "GET /a?b=a%00b HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("absolute target", "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("authority target", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("malformed method", "G(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("tls hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, NULL),
	CASE("two empty lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, NULL),
	CASE("unknown expectation", POST "Expect: tea\r\nContent-Length: 1\r\n\r\nx", 417, NULL),
};
/* clang-format on */

#define HTTP_CASES (sizeof http_cases / sizeof http_cases[0])

#endif
