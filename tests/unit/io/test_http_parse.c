/* tests/unit/io/test_http_parse.c — the parser alone: all cases in one piece and byte by byte, limits, decoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http_cases.h"
#include "io/http_parse.h"

struct parsed {
	enum http_parse_result result;
	int status;
	char body[256];
	char path[256];
	size_t left;
};

static struct parsed parse(const struct http_limits *limits, const char *p, size_t n, size_t piece)
{
	struct arena *arena = arena_new(0);
	struct http_parser parser;
	struct http_request request = { 0 };
	struct parsed out = { .result = HTTP_PARSE_MORE };
	size_t at = 0;

	http_parser_init(&parser, limits, arena);
	while (at < n && out.result != HTTP_PARSE_DONE && out.result != HTTP_PARSE_BAD) {
		size_t take = n - at < piece ? n - at : piece;
		struct str bytes;
		char *exact = mem_strndup(p + at, take); /* its own block, so that the sanitizer sees reads past it */

		bytes = str_view(exact, take);
		out.result = http_parser_feed(&parser, &bytes);
		at += take - bytes.n;
		mem_free(exact);
	}
	out.left = n - at;
	out.status = parser.status;
	if (out.result == HTTP_PARSE_DONE) {
		http_parser_request(&parser, &request);
		assert_true(str_copy(out.body, sizeof out.body, request.body));
		assert_true(str_copy(out.path, sizeof out.path, request.path));
	}
	http_parser_free(&parser);
	arena_free(arena);
	return out;
}

static void test_cases(void **state)
{
	static const size_t pieces[] = { 1, 2, 7, 100000 };

	(void)state;
	for (size_t i = 0; i < HTTP_CASES; i++) {
		for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
			const struct http_case *c = &http_cases[i];
			struct parsed got = parse(&http_limits_default, c->bytes, c->n, pieces[k]);
			int status = got.result == HTTP_PARSE_DONE  ? 200
			             : got.result == HTTP_PARSE_BAD ? got.status
			                                            : 0;

			if (status != c->status || (c->body && strcmp(c->body, got.body) != 0))
				fail_msg("%s, pieces of %zu: wanted %d '%s', got %d '%s'", c->name, pieces[k],
				         c->status, c->body ? c->body : "", status, got.body);
		}
	}
}

static void test_leaves_the_next_request(void **state)
{
	static const char two[] =
		"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabGET /2?x=1 HTTP/1.1\r\nHost: h\r\n\r\n";
	struct parsed first = parse(&http_limits_default, two, sizeof two - 1, 100000), second;

	(void)state;
	assert_int_equal(first.result, HTTP_PARSE_DONE);
	assert_string_equal(first.body, "ab");
	second = parse(&http_limits_default, two + sizeof two - 1 - first.left, first.left, 100000);
	assert_int_equal(second.result, HTTP_PARSE_DONE);
	assert_string_equal(second.path, "/2");
	assert_int_equal(second.left, 0);
}

static char *request_with(const char *head, char fill, size_t n, const char *tail, size_t *total)
{
	char *out = mem_alloc(strlen(head) + n + strlen(tail) + 1);

	assert_non_null(out);
	memcpy(out, head, strlen(head));
	memset(out + strlen(head), fill, n);
	strcpy(out + strlen(head) + n, tail);
	*total = strlen(head) + n + strlen(tail);
	return out;
}

static void check_limit(const struct http_limits *limits, const char *head, size_t n, const char *tail, int status)
{
	size_t total;
	char *text = request_with(head, 'a', n, tail, &total);
	struct parsed got = parse(limits, text, total, 100000);

	if ((got.result == HTTP_PARSE_DONE ? 200 : got.status) != status)
		fail_msg("%zu bytes behind '%s': wanted %d, got %d", n, head, status, got.status);
	mem_free(text);
}

static void test_limits(void **state)
{
	struct http_limits limits = { .line_bytes = 100, .header_bytes = 300, .body_bytes = 50, .n_headers = 4 };
	static const char end[] = " HTTP/1.1\r\nHost: h\r\n\r\n";

	(void)state;
	check_limit(&limits, "GET /", 86, end, 200); /* "GET /" + 86 + " HTTP/1.1" = 100 */
	check_limit(&limits, "GET /", 87, end, 414);
	check_limit(&limits, "GET / HTTP/1.1\r\nHost: h\r\nX: ", 97, "\r\n\r\n", 200);
	check_limit(&limits, "GET / HTTP/1.1\r\nHost: h\r\nX: ", 98, "\r\n\r\n", 431);
	check_limit(&limits, "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: ", 1, "\r\n\r\n", 200);
	check_limit(&limits, "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: ", 1, "\r\n\r\n", 431);
	check_limit(&limits, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\n", 50, "", 200);
	check_limit(&limits, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 51\r\n\r\n", 51, "", 413);
	check_limit(&limits, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n32\r\n", 50,
	            "\r\n0\r\n\r\n", 200);
	check_limit(&limits, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n32\r\n", 50,
	            "\r\n1\r\na\r\n0\r\n\r\n", 413);
	/* the 40 KB header of the reference */
	check_limit(&http_limits_default, "GET / HTTP/1.1\r\nHost: h\r\nX: ", 40000, "\r\n\r\n", 431);
	/* a body that is nearly all framing */
	check_limit(&http_limits_default, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;", 30000,
	            "\r\na\r\n0\r\n\r\n", 400);
}

static void test_decoding(void **state)
{
	struct arena *arena = arena_new(0);
	struct http_request request = { .arena = arena, .query = STR_LIT("parent=a%1Fb&x&y=1+2%2b&bad=%zz&%70=q") };

	(void)state;
	assert_true(str_eqz(http_query_get(&request, "parent"), "a\x1f"
	                                                        "b"));
	assert_true(str_eqz(http_query_get(&request, "y"), "1 2+"));
	assert_true(str_eqz(http_query_get(&request, "p"), "q"));
	assert_non_null(http_query_get(&request, "x").p);
	assert_int_equal(http_query_get(&request, "x").n, 0);
	assert_null(http_query_get(&request, "none").p);
	assert_null(http_query_get(&request, "bad").p);
	assert_true(str_eqz(http_decode(arena, STR_LIT("a%20b+c%2F")), "a b+c/"));
	assert_null(http_decode(arena, STR_LIT("a%0")).p);
	assert_null(http_decode(arena, STR_LIT("a%")).p);
	assert_null(http_decode(arena, STR_LIT("%00")).p);
	assert_null(http_decode(arena, STR_LIT("%g0")).p);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_leaves_the_next_request),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_decoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
