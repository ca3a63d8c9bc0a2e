/* src/io/http_parse.c — strict parsing of HTTP/1.1 requests (RFC 9112 sections 2.2, 3, 5, 6.3, 7.1; RFC 9110 5.5,
 * 5.6.2). */
#include "io/http_parse.h"

#include <string.h>

/* Bytes of sizes, extensions and trailers allowed in one body: this, and so many for each byte of data (a chunk of
 * one byte costs 5). */
#define CHUNK_EXTRA_MAX 16384
#define CHUNK_EXTRA_PER_BYTE 16

const struct http_limits http_limits_default = {
	.line_bytes = 8192,
	.header_bytes = 32768,
	.body_bytes = (size_t)16 << 20,
	.n_headers = 100,
	.header_ms = 10000,
	.body_ms = 60000,
	.idle_ms = 60000,
	.connections = 256,
	.threads = 4,
};

static enum http_parse_result bad(struct http_parser *parser, int status, const char *reason)
{
	parser->state = HTTP_STATE_BAD;
	parser->status = status;
	parser->reason = reason;
	return HTTP_PARSE_BAD;
}

void http_parser_init(struct http_parser *parser, const struct http_limits *limits, struct arena *arena)
{
	memset(parser, 0, sizeof *parser);
	parser->limits = limits;
	parser->arena = arena;
	wbuf_init(&parser->head, limits->header_bytes + 16);
	wbuf_init(&parser->body, limits->body_bytes + 1);
	wbuf_init(&parser->trailer, limits->line_bytes + 1);
}

void http_parser_free(struct http_parser *parser)
{
	wbuf_free(&parser->head);
	wbuf_free(&parser->body);
	wbuf_free(&parser->trailer);
}

/* tchar of RFC 9110 5.6.2 */
static bool is_token_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_token_char((unsigned char)s.p[i]))
			return false;
	}
	return s.n > 0;
}

int http_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Each '%' of the query has its two digits and none is a zero byte: http_query_get answers "missing" for what it cannot
 * decode, and a handler would then answer another request than the one that was made. A path is left to the handlers,
 * whose http_decode says what is wrong in their own words. */
static bool query_ok(struct str query)
{
	for (size_t i = 0; i < query.n; i++) {
		if (query.p[i] != '%')
			continue;
		if (query.n - i < 3 || http_hex_digit(query.p[i + 1]) < 0 || http_hex_digit(query.p[i + 2]) < 0 ||
		    (query.p[i + 1] == '0' && query.p[i + 2] == '0'))
			return false;
		i += 2;
	}
	return true;
}

/* field-content: visible, blank, tab, obs-text */
static bool is_field_char(unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); }

/* --- the head, line by line --- */

static enum http_parse_result request_line(struct http_parser *parser, struct str line)
{
	struct str method = str_cut(&line, ' '), target = str_cut(&line, ' '), version = line;

	if (!is_token(method) || method.n > 32)
		return bad(parser, 400, "the method is malformed");
	if (!str_starts(version, "HTTP/") || version.n != 8 || version.p[6] != '.')
		return bad(parser, 400, "the request line is not METHOD TARGET HTTP/1.1");
	if (version.p[5] != '1' || (version.p[7] != '0' && version.p[7] != '1'))
		return bad(parser, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	for (size_t i = 0; i < target.n; i++) {
		if ((unsigned char)target.p[i] <= 0x20 || (unsigned char)target.p[i] >= 0x7f || target.p[i] == '#')
			return bad(parser, 400, "the target holds a byte that has to be percent-encoded");
	}
	if (target.n == 0 || (target.p[0] != '/' && !(str_eqz(target, "*") && str_eqz(method, "OPTIONS"))))
		return bad(parser, 400, "the target has to begin with /");
	parser->method = method;
	parser->target = target;
	str_cut(&target, '?');
	if (!query_ok(target))
		return bad(parser, 400, "the query's percent-encoding is malformed");
	parser->minor = version.p[7] - '0';
	parser->keep_alive = parser->minor == 1;
	return HTTP_PARSE_MORE;
}

static enum http_parse_result header_line(struct http_parser *parser, struct str line)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct str name, value;

	if (line.p[0] == ' ' || line.p[0] == '\t')
		return bad(parser, 400, "folded header lines are not accepted");
	if (!colon)
		return bad(parser, 400, "a header line has no colon");
	name = str_view(line.p, (size_t)(colon - line.p));
	value = str_view(colon + 1, line.n - name.n - 1);
	if (!is_token(name))
		return bad(parser, 400, "a header's name is malformed");
	while (value.n && (value.p[0] == ' ' || value.p[0] == '\t'))
		value = str_view(value.p + 1, value.n - 1);
	while (value.n && (value.p[value.n - 1] == ' ' || value.p[value.n - 1] == '\t'))
		value.n--;
	parser->headers[parser->n_headers++] = (struct http_header){ name, value };
	return HTTP_PARSE_MORE;
}

/* reg-name, IPv4 or bracketed IPv6, and a port; nothing that could end a line or begin a path. */
static bool is_host(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c && strchr("-._~%!$&'()*+,;=:[]", c))))
			return false;
	}
	return s.n > 0;
}

static void connection_header(struct http_parser *parser, struct str value)
{
	while (value.n) {
		struct str word = str_trim(str_cut(&value, ','));

		if (str_eq_nocase(word, STR_LIT("close")))
			parser->keep_alive = false;
	}
}

static enum http_parse_result content_length(struct http_parser *parser, struct str value)
{
	uint64_t length;

	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return bad(parser, 400, "Content-Length is not a number");
	}
	if (value.n == 0)
		return bad(parser, 400, "Content-Length is empty");
	if (!str_to_u64(value, &length) || length > parser->limits->body_bytes)
		return bad(parser, 413, "the body is larger than the limit");
	parser->body_left = length;
	return HTTP_PARSE_MORE;
}

/* What decides where the body ends: exactly one way of saying it, or none. */
static enum http_parse_result framing(struct http_parser *parser)
{
	const struct http_header *length = NULL, *coding = NULL, *host = NULL, *expect = NULL;

	for (size_t i = 0; i < parser->n_headers; i++) {
		const struct http_header *h = &parser->headers[i];
		const struct http_header **slot = NULL;

		if (str_eq_nocase(h->name, STR_LIT("content-length")))
			slot = &length;
		else if (str_eq_nocase(h->name, STR_LIT("transfer-encoding")))
			slot = &coding;
		else if (str_eq_nocase(h->name, STR_LIT("host")))
			slot = &host;
		else if (str_eq_nocase(h->name, STR_LIT("expect")))
			slot = &expect;
		else if (str_eq_nocase(h->name, STR_LIT("connection")))
			connection_header(parser, h->value);
		if (slot && *slot)
			return bad(parser, 400,
			           slot == &host     ? "more than one Host"
			           : slot == &length ? "more than one Content-Length"
			           : slot == &coding ? "more than one Transfer-Encoding"
			                             : "more than one Expect");
		if (slot)
			*slot = h;
	}
	if (parser->minor == 1 && !host)
		return bad(parser, 400, "Host is missing");
	if (host && !is_host(host->value))
		return bad(parser, 400, "Host is malformed");
	if (length && coding)
		return bad(parser, 400, "Content-Length and Transfer-Encoding together");
	if (coding && (parser->minor == 0 || !str_eq_nocase(coding->value, STR_LIT("chunked"))))
		return bad(parser, 400, "the only Transfer-Encoding is chunked, in HTTP/1.1");
	if (expect && !str_eq_nocase(expect->value, STR_LIT("100-continue")))
		return bad(parser, 417, "the only expectation is 100-continue");
	parser->expect_continue = expect && parser->minor == 1;
	parser->chunked = coding != NULL;
	return length ? content_length(parser, length->value) : HTTP_PARSE_MORE;
}

static enum http_parse_result head_complete(struct http_parser *parser)
{
	struct str rest = wbuf_str(&parser->head);
	enum http_parse_result result;
	bool first = true;

	if (wbuf_failed(&parser->head))
		return bad(parser, 503, "no memory for the header");
	parser->headers = arena_zero(parser->arena, ((size_t)parser->n_lines + 1) * sizeof *parser->headers);
	if (!parser->headers)
		return bad(parser, 503, "no memory for the header");
	while (rest.n) {
		struct str line = str_cut(&rest, '\n');

		line.n--; /* the scan saw to it that a CR stands here */
		if (line.n == 0)
			break;
		result = first ? request_line(parser, line) : header_line(parser, line);
		if (result == HTTP_PARSE_BAD)
			return result;
		first = false;
	}
	result = framing(parser);
	if (result == HTTP_PARSE_BAD)
		return result;
	if (parser->chunked)
		parser->state = HTTP_STATE_CHUNK_SIZE;
	else
		parser->state = parser->body_left ? HTTP_STATE_LENGTH : HTTP_STATE_DONE;
	return parser->state == HTTP_STATE_DONE ? HTTP_PARSE_DONE : HTTP_PARSE_HEAD;
}

/* One byte of the head. Lines end in CRLF and in nothing else; both limits are told apart by the line they are passed
 * in. */
static enum http_parse_result head_byte(struct http_parser *parser, unsigned char c)
{
	bool first_line = parser->n_lines == 0;

	if (parser->cr && c != '\n')
		return bad(parser, 400, "a carriage return without line feed");
	if (c == '\n') {
		if (!parser->cr)
			return bad(parser, 400, "a line feed without carriage return");
		parser->cr = false;
		/* RFC 9112 2.2: an empty line before the request line is let pass, once */
		if (first_line && parser->line_bytes == 0) {
			if (parser->extra_bytes++)
				return bad(parser, 400, "the request line is missing");
			wbuf_reset(&parser->head);
			return HTTP_PARSE_MORE;
		}
		wbuf_put_u8(&parser->head, '\n');
		if (parser->line_bytes == 0)
			return head_complete(parser);
		parser->line_bytes = 0;
		if (++parser->n_lines > parser->limits->n_headers + 1)
			return bad(parser, 431, "too many headers");
		return HTTP_PARSE_MORE;
	}
	if (c == '\r') {
		parser->cr = true;
		wbuf_put_u8(&parser->head, c);
		return HTTP_PARSE_MORE;
	}
	if (!is_field_char(c) || (first_line && c >= 0x80))
		return bad(parser, 400, "a control byte in the header");
	if (++parser->line_bytes > parser->limits->line_bytes)
		return first_line ? bad(parser, 414, "the request line is too long")
		                  : bad(parser, 431, "a header line is too long");
	if (parser->head.n >= parser->limits->header_bytes)
		return bad(parser, 431, "the header is too long");
	wbuf_put_u8(&parser->head, c);
	return HTTP_PARSE_MORE;
}

/* --- the body --- */

static enum http_parse_result put_body(struct http_parser *parser, struct str *bytes)
{
	size_t n = bytes->n < parser->body_left ? bytes->n : (size_t)parser->body_left;

	wbuf_put(&parser->body, bytes->p, n);
	if (wbuf_failed(&parser->body))
		return bad(parser, 503, "no memory for the body");
	*bytes = str_view(bytes->p + n, bytes->n - n);
	parser->body_left -= n;
	return HTTP_PARSE_MORE;
}

static enum http_parse_result chunk_size_byte(struct http_parser *parser, unsigned char c)
{
	int digit = http_hex_digit((char)c);

	if (digit >= 0) {
		if (++parser->chunk_digits > 15)
			return bad(parser, 400, "a chunk size is too long");
		parser->body_left = parser->body_left * 16 + (uint64_t)digit;
		return HTTP_PARSE_MORE;
	}
	if (!parser->chunk_digits || (c != ';' && c != '\r'))
		return bad(parser, 400, "a chunk size is malformed");
	if (parser->body_left > parser->limits->body_bytes - parser->body.n)
		return bad(parser, 413, "the body is larger than the limit");
	parser->state = c == ';' ? HTTP_STATE_CHUNK_EXT : HTTP_STATE_CHUNK_LF;
	return HTTP_PARSE_MORE;
}

static void next_chunk(struct http_parser *parser)
{
	parser->body_left = 0;
	parser->chunk_digits = 0;
	parser->state = HTTP_STATE_CHUNK_SIZE;
}

/* A trailer line has a header's shape; what it says is dropped (RFC 9110 6.5.1 lets a server do so). */
static enum http_parse_result trailer_byte(struct http_parser *parser, unsigned char c)
{
	struct str line;
	const char *colon;

	if (parser->cr != (c == '\n'))
		return bad(parser, 400, "a trailer line does not end in CRLF");
	if (c == '\r') {
		parser->cr = true;
		return HTTP_PARSE_MORE;
	}
	if (c != '\n') {
		if (!is_field_char(c))
			return bad(parser, 400, "a control byte in the trailer");
		wbuf_put_u8(&parser->trailer, c);
		return wbuf_failed(&parser->trailer) ? bad(parser, 431, "a trailer line is too long") : HTTP_PARSE_MORE;
	}
	parser->cr = false;
	line = wbuf_str(&parser->trailer);
	if (line.n == 0) {
		parser->state = HTTP_STATE_DONE;
		return HTTP_PARSE_DONE;
	}
	colon = memchr(line.p, ':', line.n);
	if (!colon || !is_token(str_view(line.p, (size_t)(colon - line.p))))
		return bad(parser, 400, "a trailer line is malformed");
	wbuf_reset(&parser->trailer);
	return HTTP_PARSE_MORE;
}

static enum http_parse_result chunk_byte(struct http_parser *parser, unsigned char c)
{
	if (++parser->extra_bytes > CHUNK_EXTRA_MAX + CHUNK_EXTRA_PER_BYTE * parser->body.n)
		return bad(parser, 400, "the chunks are mostly framing");
	switch (parser->state) {
	case HTTP_STATE_CHUNK_SIZE: return chunk_size_byte(parser, c);
	case HTTP_STATE_CHUNK_EXT:
		if (c != '\r' && !is_field_char(c))
			return bad(parser, 400, "a control byte in a chunk extension");
		if (c == '\r')
			parser->state = HTTP_STATE_CHUNK_LF;
		return HTTP_PARSE_MORE;
	case HTTP_STATE_CHUNK_LF:
		if (c != '\n')
			return bad(parser, 400, "a chunk size line does not end in CRLF");
		parser->state = parser->body_left ? HTTP_STATE_DATA : HTTP_STATE_TRAILER;
		return HTTP_PARSE_MORE;
	case HTTP_STATE_DATA_CR:
		if (c != '\r')
			return bad(parser, 400, "a chunk is longer than its size");
		parser->state = HTTP_STATE_DATA_LF;
		return HTTP_PARSE_MORE;
	case HTTP_STATE_DATA_LF:
		if (c != '\n')
			return bad(parser, 400, "a chunk does not end in CRLF");
		next_chunk(parser);
		return HTTP_PARSE_MORE;
	default: return trailer_byte(parser, c);
	}
}

enum http_parse_result http_parser_feed(struct http_parser *parser, struct str *bytes)
{
	enum http_parse_result result = HTTP_PARSE_MORE;

	while (bytes->n && result == HTTP_PARSE_MORE) {
		switch (parser->state) {
		case HTTP_STATE_LENGTH:
			result = put_body(parser, bytes);
			if (result == HTTP_PARSE_MORE && parser->body_left == 0) {
				parser->state = HTTP_STATE_DONE;
				return HTTP_PARSE_DONE;
			}
			break;
		case HTTP_STATE_DATA:
			result = put_body(parser, bytes);
			if (result == HTTP_PARSE_MORE && parser->body_left == 0)
				parser->state = HTTP_STATE_DATA_CR;
			break;
		case HTTP_STATE_DONE: return HTTP_PARSE_DONE;
		case HTTP_STATE_BAD: return HTTP_PARSE_BAD;
		default: {
			unsigned char c = (unsigned char)bytes->p[0];

			*bytes = str_view(bytes->p + 1, bytes->n - 1);
			result = parser->state == HTTP_STATE_HEAD ? head_byte(parser, c) : chunk_byte(parser, c);
		}
		}
	}
	return result;
}

void http_parser_request(const struct http_parser *parser, struct http_request *request)
{
	struct str rest = parser->target;

	request->method = parser->method;
	request->target = parser->target;
	request->path = str_cut(&rest, '?');
	request->query = rest;
	request->headers = parser->headers;
	request->n_headers = parser->n_headers;
	request->body = wbuf_str(&parser->body);
	request->arena = parser->arena;
}
