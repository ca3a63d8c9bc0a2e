/* src/serve/sql_token.h — SQL text cut into tokens, as PostgreSQL and DuckDB cut it. Private to serve/. */
#ifndef TARN_SERVE_SQL_TOKEN_H
#define TARN_SERVE_SQL_TOKEN_H

#include "base/str.h"

enum sql_token_kind {
	SQL_TOKEN_END,
	SQL_TOKEN_WORD,   /* name or keyword, unquoted */
	SQL_TOKEN_QUOTED, /* "name", with its quotes */
	SQL_TOKEN_STRING, /* '...', E'...', $tag$...$tag$, with all of it */
	SQL_TOKEN_NUMBER,
	SQL_TOKEN_SIGN, /* one byte; "=>" as a whole */
	SQL_TOKEN_OPEN, /* a string, name or comment that does not end: the rest */
};

struct sql_token {
	enum sql_token_kind kind;
	struct str text;
};

/* The token at or after *at; blanks and comments are skipped; *at moves behind it. */
struct sql_token sql_token_next(const char *text, size_t *at);
bool sql_token_is(struct sql_token token, const char *word); /* WORD without case, or SIGN */
/* The value of a name or of a plain '...' string, quotes undone, into buf. False: another kind, or too long. */
bool sql_token_value(struct sql_token token, char *buf, size_t buf_size);

#endif
