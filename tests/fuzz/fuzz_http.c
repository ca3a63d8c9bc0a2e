/* tests/fuzz/fuzz_http.c — HTTP requests: any bytes are parsed or refused, and the pieces they come in make no difference. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "io/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct http_limits limits = {
	.line_bytes = 400, .header_bytes = 2000, .body_bytes = 5000, .n_headers = 20
};

struct outcome {
	enum http_parse_result result;
	int status;
	size_t used, body_n, n_headers;
};

static struct outcome parse(const uint8_t *data, size_t n, size_t piece)
{
	struct outcome out = { .result = HTTP_PARSE_MORE };
	struct arena *arena = arena_new(0);
	struct http_parser parser;
	struct http_request request = { 0 };

	http_parser_init(&parser, &limits, arena);
	while (out.used < n && out.result != HTTP_PARSE_DONE && out.result != HTTP_PARSE_BAD) {
		size_t take = n - out.used < piece ? n - out.used : piece;
		char *exact = mem_strndup((const char *)data + out.used, take);
		struct str bytes = str_view(exact, take);

		out.result = http_parser_feed(&parser, &bytes);
		out.used += take - bytes.n;
		mem_free(exact);
	}
	out.status = parser.status;
	if (out.result == HTTP_PARSE_DONE) {
		http_parser_request(&parser, &request);
		out.body_n = request.body.n;
		out.n_headers = request.n_headers;
		(void)http_query_get(&request, "parent");
		(void)http_decode(arena, request.path);
	}
	http_parser_free(&parser);
	arena_free(arena);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct outcome whole = parse(data, n, n ? n : 1), bytes = parse(data, n, 1);

	if (whole.status != bytes.status || whole.body_n != bytes.body_n || whole.n_headers != bytes.n_headers ||
	    (whole.result == HTTP_PARSE_DONE) != (bytes.result == HTTP_PARSE_DONE) || whole.used != bytes.used)
		abort();
	return 0;
}
