/* src/io/http_parse.h — one HTTP/1.1 request out of a stream of bytes; no sockets, no clocks. Private to io/ and its
 * tests.
 *
 * Stricter than RFC 9112 asks, on purpose: whatever two parsers could understand differently is refused (the list is
 * in http.h). Bytes are fed as they come, in pieces of any size; every byte is looked at once; what is kept is
 * bounded by the limits.
 *
 *   http_parser_init(&parser, &limits, arena);
 *   while bytes: switch (http_parser_feed(&parser, &bytes))
 *     HEAD: the body follows (answer Expect)   DONE: http_parser_request   BAD: answer parser.status and close
 *   http_parser_free(&parser); */
#ifndef TARN_IO_HTTP_PARSE_H
#define TARN_IO_HTTP_PARSE_H

#include "io/http.h"

enum http_parse_result { HTTP_PARSE_MORE, HTTP_PARSE_HEAD, HTTP_PARSE_DONE, HTTP_PARSE_BAD };

enum http_parse_state {
	HTTP_STATE_HEAD,
	HTTP_STATE_LENGTH, /* a body of known length */
	HTTP_STATE_CHUNK_SIZE,
	HTTP_STATE_CHUNK_EXT,
	HTTP_STATE_CHUNK_LF,
	HTTP_STATE_DATA,
	HTTP_STATE_DATA_CR,
	HTTP_STATE_DATA_LF,
	HTTP_STATE_TRAILER,
	HTTP_STATE_DONE,
	HTTP_STATE_BAD,
};

struct http_parser {
	const struct http_limits *limits; /* borrowed */
	struct arena *arena;              /* borrowed: headers */
	enum http_parse_state state;
	struct wbuf head, body;
	/* the line under way */
	size_t line_bytes;
	bool cr;
	int n_lines;
	uint64_t body_left, chunk_digits, extra_bytes;
	struct wbuf trailer;
	/* found in the head */
	struct str method, target;
	struct http_header *headers;
	size_t n_headers;
	int minor; /* HTTP/1.minor */
	bool keep_alive, chunked, expect_continue;
	/* after BAD */
	int status;
	const char *reason;
};

void http_parser_init(struct http_parser *parser, const struct http_limits *limits, struct arena *arena);
void http_parser_free(struct http_parser *parser);
/* Takes from *bytes what belongs to the request. */
enum http_parse_result http_parser_feed(struct http_parser *parser, struct str *bytes);
/* After DONE: views into the parser, valid until it is freed. peer is left alone. */
void http_parser_request(const struct http_parser *parser, struct http_request *request);

int http_hex_digit(char c); /* 0..15, -1: none */

#endif
