/* src/pg/pg_conn_errors.c — the server's and libpq's words to our error classes (PostgreSQL manual, "PostgreSQL Error
 * Codes"). */
#include "pg/pg_conn_int.h"

#include <stdio.h>
#include <string.h>

/* Prefixes of SQLSTATE; the first that fits counts, so whole codes stand before their class. */
static const struct {
	const char *state;
	int code;
} classes[] = {
	{ "57P01", ERR_LOST },      { "57P02", ERR_LOST },         { "57P03", ERR_LOST },
	{ "57014", ERR_CANCELLED }, { "08P01", ERR_PROTOCOL },     { "08", ERR_LOST },
	{ "28", ERR_AUTH },         { "42501", ERR_PRIVILEGE },    { "42704", ERR_NOT_FOUND },
	{ "42P01", ERR_NOT_FOUND }, { "3D000", ERR_NOT_FOUND },    { "3F000", ERR_NOT_FOUND },
	{ "42710", ERR_EXISTS },    { "42P07", ERR_EXISTS },       { "42P06", ERR_EXISTS },
	{ "55006", ERR_SLOT },      { "55000", ERR_SOURCE_SETUP }, { "58P01", ERR_SLOT },
	{ "55P03", ERR_CANCELLED }, /* lock_timeout */
	{ "53300", ERR_CONNECT },   { "53400", ERR_SLOT },         { "53", ERR_CONNECT },
	{ "40", ERR_CONFLICT },     { "0A000", ERR_UNSUPPORTED },
};

int pg_class_of(const char *sqlstate)
{
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (strncmp(sqlstate, classes[i].state, strlen(classes[i].state)) == 0)
			return classes[i].code;
	return ERR_QUERY;
}

/* Length of the well-formed UTF-8 sequence at s, 0 when it is none (RFC 3629: no overlong forms, no surrogates). */
static size_t utf8_len(const unsigned char *s)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf && (s[1] & 0xc0) == 0x80)
		return 2;
	if (s[0] >= 0xe0 && s[0] <= 0xef && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 &&
	    !(s[0] == 0xe0 && s[1] < 0xa0) && !(s[0] == 0xed && s[1] > 0x9f))
		return 3;
	if (s[0] >= 0xf0 && s[0] <= 0xf4 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 && (s[3] & 0xc0) == 0x80 &&
	    !(s[0] == 0xf0 && s[1] < 0x90) && !(s[0] == 0xf4 && s[1] > 0x8f))
		return 4;
	return 0;
}

void pg_clean_line(char *dst, size_t size, const char *src)
{
	const unsigned char *s = (const unsigned char *)src;
	size_t n = 0;

	while (*s) {
		size_t len = utf8_len(s);

		if (*s <= ' ' || *s == 0x7f) {
			if (n > 0 && dst[n - 1] != ' ' && n + 1 < size)
				dst[n++] = ' ';
			s++;
			continue;
		}
		if (n + (len ? len : 1) >= size)
			break;
		if (len)
			memcpy(dst + n, s, len);
		else
			dst[n] = '?';
		n += len ? len : 1;
		s += len ? len : 1;
	}
	while (n > 0 && dst[n - 1] == ' ')
		n--;
	dst[n] = 0;
}

int pg_fail(struct pg_conn *conn, const PGresult *result, const char *what, struct err *err)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *hint = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
	bool lost = PQstatus(conn->raw) != CONNECTION_OK;
	char text[600], hint_text[400] = "";
	int code;

	pg_clean_line(text, sizeof text, primary ? primary : PQerrorMessage(conn->raw));
	if (hint)
		pg_clean_line(hint_text, sizeof hint_text, hint);
	if (!state)
		code = lost ? ERR_LOST : ERR_PROTOCOL;
	else
		code = pg_class_of(state);
	err_set(err, code, "%s: %s: %s%s%s%s%s%s", conn->label, what,
	        *text ? text
	              : (lost ? "the server closed the connection"
	                      : "the server's answer is not one this statement has"),
	        *hint_text ? " (hint: " : "", hint_text, *hint_text ? ")" : "", state ? ", SQLSTATE " : "",
	        state ? state : "");
	if (err && state)
		snprintf(err->sqlstate, sizeof err->sqlstate, "%s", state);
	return code;
}
