/* src/config/conninfo_mask.c — connection strings without their passwords, for people's eyes.
 *
 * Follows libpq's two forms (PostgreSQL documentation, "Connection Strings"), but where text is malformed it hides
 * too much rather than too little: a password with an unescaped '@' or '/' in a URI must not show its second half. */
#include <string.h>

#include "config/config.h"

static const char hidden[] = "***";

/* Keys whose values are secret. A key with an escape in it could be any of them. */
static bool is_secret_key(struct str key)
{
	return str_eqz(key, "password") || str_eqz(key, "sslpassword") || memchr(key.p, '%', key.n) != NULL;
}

static void mask_query(struct str query, struct wbuf *out)
{
	while (query.n) {
		struct str pair = str_cut(&query, '&'), value = pair, key = str_cut(&value, '=');

		wbuf_put_str(out, key);
		if (key.n < pair.n) {
			wbuf_putz(out, "=");
			if (is_secret_key(key))
				wbuf_putz(out, hidden);
			else
				wbuf_put_str(out, value);
		}
		if (query.n)
			wbuf_putz(out, "&");
	}
}

static const char *find_last(struct str s, char c) { return s.n ? memrchr(s.p, c, s.n) : NULL; }

static const char *find_first(struct str s, char c) { return s.n ? memchr(s.p, c, s.n) : NULL; }

/* True when what stands behind the first ':' is a port: then the '@' further on is not the end of a password. */
static bool is_port(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p == end || *p == '/' || *p == '?' || *p == ',';
}

static void mask_uri(struct str scheme, struct str rest, struct wbuf *out)
{
	const char *end = rest.p + rest.n;
	const char *at = find_last(rest, '@'), *colon = find_first(rest, ':');
	const char *question;

	wbuf_put_str(out, scheme);
	if (at && colon && colon < at && !is_port(colon + 1, end)) {
		wbuf_put(out, rest.p, (size_t)(colon + 1 - rest.p));
		wbuf_putz(out, hidden);
		rest = str_view(at, (size_t)(end - at));
	}
	question = find_first(rest, '?');
	if (!question) {
		wbuf_put_str(out, rest);
		return;
	}
	wbuf_put(out, rest.p, (size_t)(question + 1 - rest.p));
	mask_query(str_view(question + 1, (size_t)(end - question - 1)), out);
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

static size_t skip_blanks(struct str s, size_t at)
{
	while (at < s.n && is_blank(s.p[at]))
		at++;
	return at;
}

/* End of the value at `at`; quoted with backslash escapes, or up to a blank. 0: a quote is missing. */
static size_t value_end(struct str s, size_t at)
{
	bool quoted = at < s.n && s.p[at] == '\'';

	for (at += quoted; at < s.n; at++) {
		if (s.p[at] == '\\' && at + 1 < s.n)
			at++;
		else if (quoted && s.p[at] == '\'')
			return at + 1;
		else if (!quoted && is_blank(s.p[at]))
			return at;
	}
	return quoted ? 0 : s.n;
}

static void mask_pairs(struct str s, struct wbuf *out)
{
	for (size_t at = skip_blanks(s, 0); at < s.n;) {
		size_t key_at = at, key_end, end;

		while (at < s.n && s.p[at] != '=' && !is_blank(s.p[at]))
			at++;
		key_end = at;
		at = skip_blanks(s, at);
		if (at >= s.n || s.p[at] != '=')
			break;
		at = skip_blanks(s, at + 1);
		end = value_end(s, at);
		if (!end)
			break;
		wbuf_put(out, s.p + key_at, key_end - key_at);
		wbuf_putz(out, "=");
		if (is_secret_key(str_view(s.p + key_at, key_end - key_at)))
			wbuf_putz(out, hidden);
		else
			wbuf_put(out, s.p + at, end - at);
		at = skip_blanks(s, end);
		if (at < s.n)
			wbuf_putz(out, " ");
		else
			return;
	}
	if (s.n)
		wbuf_putz(out, hidden); /* malformed from here on */
}

void config_mask_conninfo(struct str conninfo, struct wbuf *out)
{
	static const char *const schemes[] = { "postgresql://", "postgres://", NULL };

	for (size_t i = 0; schemes[i]; i++) {
		size_t n = strlen(schemes[i]);

		if (str_starts(conninfo, schemes[i])) {
			mask_uri(str_view(conninfo.p, n), str_view(conninfo.p + n, conninfo.n - n), out);
			return;
		}
	}
	mask_pairs(conninfo, out);
}
