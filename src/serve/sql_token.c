/* src/serve/sql_token.c — SQL text cut into tokens. */
#include "serve/sql_token.h"

static bool is_word_start(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

static bool is_word(unsigned char c) { return is_word_start(c) || is_digit(c) || c == '$'; }

static bool is_blank(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Behind a comment at i; i itself when there is none; SIZE_MAX: it does not end. Block comments nest. */
static size_t skip_comment(const char *text, size_t i)
{
	if (text[i] == '-' && text[i + 1] == '-') {
		while (text[i] && text[i] != '\n')
			i++;
		return i;
	}
	if (text[i] != '/' || text[i + 1] != '*')
		return i;
	unsigned depth = 0;
	for (;;) {
		if (!text[i])
			return SIZE_MAX;
		if (text[i] == '/' && text[i + 1] == '*') {
			depth++;
			i += 2;
		} else if (text[i] == '*' && text[i + 1] == '/') {
			i += 2;
			if (--depth == 0)
				return i;
		} else {
			i++;
		}
	}
}

/* Behind the closing quote; doubled quotes stay inside, and \x pairs when backslash counts. */
static size_t skip_quoted(const char *text, size_t i, char quote, bool backslash)
{
	for (i++; text[i]; i++) {
		if (backslash && text[i] == '\\' && text[i + 1])
			i++;
		else if (text[i] == quote && text[i + 1] == quote)
			i++;
		else if (text[i] == quote)
			return i + 1;
	}
	return SIZE_MAX;
}

/* $tag$ ... $tag$ at i; i: not one; SIZE_MAX: it does not end. */
static size_t skip_dollar(const char *text, size_t i)
{
	size_t tag = i + 1;

	if (is_word_start((unsigned char)text[tag])) {
		while (is_word_start((unsigned char)text[tag]) || is_digit((unsigned char)text[tag]))
			tag++;
	}
	if (text[tag] != '$')
		return i;
	size_t n = tag + 1 - i;
	for (size_t k = tag + 1; text[k]; k++) {
		if (text[k] == '$' && strncmp(text + k, text + i, n) == 0)
			return k + n;
	}
	return SIZE_MAX;
}

static struct sql_token token_of(enum sql_token_kind kind, const char *text, size_t from, size_t *at, size_t end)
{
	if (end == SIZE_MAX) {
		end = from + strlen(text + from);
		kind = SQL_TOKEN_OPEN;
	}
	*at = end;
	return (struct sql_token){ kind, str_view(text + from, end - from) };
}

struct sql_token sql_token_next(const char *text, size_t *at)
{
	size_t i = *at, end;

	for (;;) {
		while (is_blank((unsigned char)text[i]))
			i++;
		end = skip_comment(text, i);
		if (end == SIZE_MAX)
			return token_of(SQL_TOKEN_OPEN, text, i, at, end);
		if (end == i)
			break;
		i = end;
	}
	unsigned char c = (unsigned char)text[i];
	if (!c)
		return token_of(SQL_TOKEN_END, text, i, at, i);
	if (c == '\'')
		return token_of(SQL_TOKEN_STRING, text, i, at, skip_quoted(text, i, '\'', false));
	if ((c == 'e' || c == 'E') && text[i + 1] == '\'')
		return token_of(SQL_TOKEN_STRING, text, i, at, skip_quoted(text, i + 1, '\'', true));
	if (c == '"')
		return token_of(SQL_TOKEN_QUOTED, text, i, at, skip_quoted(text, i, '"', false));
	if (c == '$' && (end = skip_dollar(text, i)) != i)
		return token_of(SQL_TOKEN_STRING, text, i, at, end);
	end = i + 1;
	if (is_word_start(c)) {
		while (is_word((unsigned char)text[end]))
			end++;
		return token_of(SQL_TOKEN_WORD, text, i, at, end);
	}
	if (is_digit(c)) {
		while (is_word((unsigned char)text[end]) ||
		       (text[end] == '.' && is_digit((unsigned char)text[end + 1])))
			end++;
		return token_of(SQL_TOKEN_NUMBER, text, i, at, end);
	}
	return token_of(SQL_TOKEN_SIGN, text, i, at, c == '=' && text[i + 1] == '>' ? i + 2 : end);
}

bool sql_token_is(struct sql_token token, const char *word)
{
	return (token.kind == SQL_TOKEN_WORD || token.kind == SQL_TOKEN_SIGN) &&
	       str_eq_nocase(token.text, str_of(word));
}

bool sql_token_value(struct sql_token token, char *buf, size_t buf_size)
{
	struct str s = token.text;
	size_t n = 0;

	if (token.kind == SQL_TOKEN_WORD)
		return str_copy(buf, buf_size, s);
	bool plain = token.kind == SQL_TOKEN_QUOTED || (token.kind == SQL_TOKEN_STRING && s.p[0] == '\'');
	if (!plain)
		return false;
	for (size_t i = 1; i + 1 < s.n; i++) {
		if (n + 1 >= buf_size || s.p[i] == 0)
			return false;
		buf[n++] = s.p[i];
		if (s.p[i] == s.p[0])
			i++; /* doubled */
	}
	buf[n] = 0;
	return true;
}
