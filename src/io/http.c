/* src/io/http.c — what handlers use of a request and a response. */
#include "io/http_parse.h"

#include <string.h>

struct str http_header_get(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->n_headers; i++) {
		if (str_eq_nocase(request->headers[i].name, str_of(name)))
			return request->headers[i].value;
	}
	return STR_LIT("");
}

/* plus: '+' stands for a blank, as in queries but not in paths. */
static struct str decode(struct arena *arena, struct str s, bool plus)
{
	char *out = arena_alloc(arena, s.n + 1);
	size_t n = 0;

	if (!out)
		return (struct str){ NULL, 0 };
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			int high = i + 2 < s.n ? http_hex_digit(s.p[i + 1]) : -1,
			    low = i + 2 < s.n ? http_hex_digit(s.p[i + 2]) : -1;

			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return (struct str){ NULL, 0 };
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		out[n++] = c;
	}
	out[n] = 0;
	return str_view(out, n);
}

struct str http_decode(struct arena *arena, struct str segment) { return decode(arena, segment, false); }

struct str http_query_get(const struct http_request *request, const char *name)
{
	struct str rest = request->query;

	while (rest.n) {
		struct str value = str_cut(&rest, '&'), key = str_cut(&value, '=');

		key = decode(request->arena, key, true);
		if (key.p && str_eqz(key, name))
			return decode(request->arena, value, true);
	}
	return (struct str){ NULL, 0 };
}

void http_response_header(struct http_response *response, const char *name, const char *value)
{
	struct http_header *headers = arena_alloc(response->arena, (response->n_headers + 1) * sizeof *headers);
	char *copy = arena_strdup(response->arena, str_of(value));

	if (!headers || !copy) {
		response->body.failed = true; /* the server answers 500 */
		return;
	}
	for (char *c = copy; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?'; /* a value never begins a line of its own */
	}
	if (response->n_headers)
		memcpy(headers, response->headers, response->n_headers * sizeof *headers);
	headers[response->n_headers++] = (struct http_header){ arena_str(response->arena, str_of(name)), str_of(copy) };
	response->headers = headers;
}
