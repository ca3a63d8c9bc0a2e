/* src/serve/sql_rewrite.c — references to lake tables in SQL text, and AT clauses. */
#include "serve/sql_rewrite.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/wbuf.h"
#include "serve/sql_token.h"

#define NAME_MAX_BYTES 1024
#define TEXT_MAX_BYTES ((size_t)64 << 20)

struct rewriting {
	const char *text;
	size_t at;     /* next byte to read */
	size_t copied; /* up to here text is in out */
	struct wbuf out;
	const struct sql_name *names;
	size_t n_names;
	struct sql_rewrite *rewrite;
	size_t cap_refs;
};

static struct sql_token peek(const struct rewriting *r)
{
	size_t at = r->at;

	return sql_token_next(r->text, &at);
}

static bool is_name(struct sql_token token) { return token.kind == SQL_TOKEN_WORD || token.kind == SQL_TOKEN_QUOTED; }

static bool find_name(const struct rewriting *r, struct sql_token ns, struct sql_token table, size_t *index)
{
	char ns_text[NAME_MAX_BYTES], table_text[NAME_MAX_BYTES];

	if (!sql_token_value(ns, ns_text, sizeof ns_text) || !sql_token_value(table, table_text, sizeof table_text))
		return false;
	for (size_t i = 0; i < r->n_names; i++) {
		if (str_eq_nocase(str_of(r->names[i].ns), str_of(ns_text)) &&
		    str_eq_nocase(str_of(r->names[i].table), str_of(table_text))) {
			*index = i;
			return true;
		}
	}
	return false;
}

/* --- AT --- */

static int bad_at(const struct sql_name *name, const char *why, struct err *err)
{
	return err_set(
		err, ERR_QUERY,
		"%s.%s: %s; write AT (VERSION => 123), AT (TIMESTAMP => '2026-11-23 17:00:00') or AT (LSN => '0/16B3740')",
		name->ns, name->table, why);
}

static int at_value(struct sql_ref *ref, const struct sql_name *name, struct sql_token kind, struct sql_token value,
                    struct err *err)
{
	char text[128];

	if (sql_token_is(kind, "VERSION")) {
		ref->at = SQL_AT_VERSION;
		if (value.kind != SQL_TOKEN_NUMBER || !str_to_i64(value.text, &ref->version))
			return bad_at(name, "VERSION takes a snapshot number", err);
		return ERR_OK;
	}
	bool is_text = value.kind == SQL_TOKEN_STRING && sql_token_value(value, text, sizeof text);
	if (sql_token_is(kind, "TIMESTAMP")) {
		ref->at = SQL_AT_TIMESTAMP;
		if (!is_text || !time_parse(str_of(text), &ref->timestamp_us))
			return bad_at(name, "TIMESTAMP takes a time in quotes (UTC unless it names a zone)", err);
		return ERR_OK;
	}
	if (sql_token_is(kind, "LSN")) {
		ref->at = SQL_AT_LSN;
		if (!is_text || !str_to_lsn(str_of(text), &ref->lsn))
			return bad_at(name, "LSN takes a log position in quotes", err);
		return ERR_OK;
	}
	return bad_at(name, "AT knows VERSION, TIMESTAMP and LSN", err);
}

/* Behind "AT": "(KIND => value)". A type word before the string (TIMESTAMP '...', TIMESTAMPTZ '...') may stand there
 * too. */
static int read_at(struct rewriting *r, struct sql_ref *ref, struct err *err)
{
	const struct sql_name *name = &r->names[ref->name];

	if (!sql_token_is(sql_token_next(r->text, &r->at), "("))
		return bad_at(name, "AT is not followed by '('", err);
	struct sql_token kind = sql_token_next(r->text, &r->at);
	if (!sql_token_is(sql_token_next(r->text, &r->at), "=>"))
		return bad_at(name, "'=>' is missing in the AT clause", err);
	struct sql_token value = sql_token_next(r->text, &r->at);
	if (sql_token_is(value, "TIMESTAMP") || sql_token_is(value, "TIMESTAMPTZ"))
		value = sql_token_next(r->text, &r->at);
	if (!sql_token_is(sql_token_next(r->text, &r->at), ")"))
		return bad_at(name, "')' is missing after the AT clause", err);
	return at_value(ref, name, kind, value, err);
}

static int name_view(const struct rewriting *r, struct sql_ref *ref, struct err *err)
{
	const char *table = r->names[ref->name].table;
	char lsn[LSN_TEXT_MAX];
	struct wbuf w;

	wbuf_init(&w, 2 * NAME_MAX_BYTES);
	wbuf_putz(&w, table);
	if (ref->at == SQL_AT_VERSION)
		wbuf_putf(&w, "@version-%lld", (long long)ref->version);
	else if (ref->at == SQL_AT_TIMESTAMP)
		wbuf_putf(&w, "@timestamp-%lld", (long long)ref->timestamp_us);
	else if (ref->at == SQL_AT_LSN)
		wbuf_putf(&w, "@lsn-%s", lsn_text(ref->lsn, lsn));
	ref->view = wbuf_take(&w);
	wbuf_free(&w);
	return ref->view ? ERR_OK : err_nomem(err);
}

/* Takes ref (its view). */
static int add_ref(struct rewriting *r, struct sql_ref *ref, struct err *err)
{
	struct sql_rewrite *rewrite = r->rewrite;

	for (size_t i = 0; i < rewrite->n_refs; i++) {
		if (rewrite->refs[i].name == ref->name && strcmp(rewrite->refs[i].view, ref->view) == 0) {
			mem_free(ref->view);
			return ERR_OK;
		}
	}
	if (vec_grow(&rewrite->refs, &r->cap_refs, rewrite->n_refs + 1, sizeof *rewrite->refs)) {
		mem_free(ref->view);
		return err_nomem(err);
	}
	rewrite->refs[rewrite->n_refs++] = *ref;
	return ERR_OK;
}

/* Does the token after a table name give it another one? What may follow a table instead is a short list. */
static bool is_alias(struct sql_token token)
{
	static const char *const others[] = { "WHERE",  "JOIN",      "LEFT",        "RIGHT",   "INNER",   "FULL",
		                              "CROSS",  "OUTER",     "ON",          "USING",   "GROUP",   "ORDER",
		                              "LIMIT",  "OFFSET",    "FETCH",       "UNION",   "EXCEPT",  "INTERSECT",
		                              "HAVING", "WINDOW",    "QUALIFY",     "NATURAL", "ASOF",    "POSITIONAL",
		                              "SEMI",   "ANTI",      "TABLESAMPLE", "USE",     "SELECT",  "FROM",
		                              "SET",    "RETURNING", "LATERAL",     "PIVOT",   "UNPIVOT", "SAMPLE" };

	if (token.kind == SQL_TOKEN_QUOTED)
		return true;
	if (token.kind != SQL_TOKEN_WORD)
		return false;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		if (sql_token_is(token, others[i]))
			return false;
	}
	return true; /* "AS" too */
}

/* From `begin` (of the name) to r->at (behind the clause) the text becomes the view's name. */
static void replace(struct rewriting *r, size_t begin, const struct sql_ref *ref)
{
	const struct sql_name *name = &r->names[ref->name];

	wbuf_put(&r->out, r->text + r->copied, begin - r->copied);
	wbuf_put_sql_ident(&r->out, str_of(name->ns));
	wbuf_putz(&r->out, ".");
	wbuf_put_sql_ident(&r->out, str_of(ref->view));
	if (!is_alias(peek(r))) {
		wbuf_putz(&r->out, " AS ");
		wbuf_put_sql_ident(&r->out, str_of(name->table));
	}
	r->copied = r->at;
}

/* At a name that may begin "ns.table". */
static int on_name(struct rewriting *r, struct sql_token first, struct err *err)
{
	size_t begin = (size_t)(first.text.p - r->text), at = r->at;
	struct sql_ref ref = { 0 };

	if (!sql_token_is(sql_token_next(r->text, &at), "."))
		return ERR_OK;
	struct sql_token second = sql_token_next(r->text, &at);
	if (!is_name(second) || !find_name(r, first, second, &ref.name))
		return ERR_OK;
	r->at = at;
	bool with_at = false;
	struct sql_token next = sql_token_next(r->text, &at);
	if (sql_token_is(next, "AT")) { /* "at" may be an alias: only with '(' is it ours */
		size_t behind = at;
		with_at = sql_token_is(sql_token_next(r->text, &behind), "(");
	}
	if (with_at) {
		r->at = at;
		int rc = read_at(r, &ref, err);
		if (rc)
			return rc;
	}
	int rc = name_view(r, &ref, err);
	if (!rc && with_at)
		replace(r, begin, &ref);
	return rc ? rc : add_ref(r, &ref, err);
}

static bool word_lists_tables(struct sql_token token)
{
	static const char *const words[] = { "information_schema", "pg_catalog",     "pg_class",      "pg_tables",
		                             "pg_views",           "pg_namespace",   "sqlite_master", "duckdb_tables",
		                             "duckdb_views",       "duckdb_columns", "duckdb_schemas" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (sql_token_is(token, words[i]))
			return true;
	}
	return false;
}

static int scan(struct rewriting *r, struct err *err)
{
	bool after_dot = false, shows = false;
	int rc = ERR_OK;

	while (!rc) {
		struct sql_token token = sql_token_next(r->text, &r->at);
		if (token.kind == SQL_TOKEN_END || token.kind == SQL_TOKEN_OPEN)
			break;
		if (sql_token_is(token, "SHOW") || sql_token_is(token, "DESCRIBE"))
			shows = true;
		else if (word_lists_tables(token))
			r->rewrite->lists_tables = true;
		if (is_name(token) && !after_dot)
			rc = on_name(r, token, err);
		after_dot = sql_token_is(token, ".");
	}
	if (shows && r->rewrite->n_refs == 0) /* DESCRIBE ns.table needs that one only */
		r->rewrite->lists_tables = true;
	return rc;
}

/* DuckDB's SHOW TABLES lists one schema, which here is the one that holds nothing. */
static const char *list_instead(const char *text)
{
	size_t at = 0;

	if (!sql_token_is(sql_token_next(text, &at), "SHOW") || !sql_token_is(sql_token_next(text, &at), "TABLES"))
		return text;
	return sql_is_blank(text + at)
	               ? "SELECT table_schema AS namespace, table_name AS \"table\" FROM information_schema.tables ORDER BY ALL"
	               : text;
}

int sql_rewrite(const char *text, const struct sql_name *names, size_t n_names, struct sql_rewrite *out,
                struct err *err)
{
	text = list_instead(text);
	struct rewriting r = { .text = text, .names = names, .n_names = n_names, .rewrite = out };

	*out = (struct sql_rewrite){ 0 };
	wbuf_init(&r.out, TEXT_MAX_BYTES);
	int rc = scan(&r, err);
	wbuf_putz(&r.out, text + r.copied);
	if (!rc)
		rc = wbuf_check(&r.out, err, "the statement");
	if (!rc && !(out->text = wbuf_take(&r.out)))
		rc = err_nomem(err);
	wbuf_free(&r.out);
	if (rc)
		sql_rewrite_free(out);
	return rc;
}

void sql_rewrite_free(struct sql_rewrite *rewrite)
{
	for (size_t i = 0; i < rewrite->n_refs; i++)
		mem_free(rewrite->refs[i].view);
	mem_free(rewrite->refs);
	mem_free(rewrite->text);
	*rewrite = (struct sql_rewrite){ 0 };
}

size_t sql_statement_end(const char *text)
{
	for (size_t at = 0;;) {
		struct sql_token token = sql_token_next(text, &at);
		if (token.kind == SQL_TOKEN_END || token.kind == SQL_TOKEN_OPEN)
			return 0;
		if (sql_token_is(token, ";"))
			return at;
	}
}

bool sql_is_blank(const char *text)
{
	for (size_t at = 0;;) {
		struct sql_token token = sql_token_next(text, &at);
		if (token.kind == SQL_TOKEN_END)
			return true;
		if (!sql_token_is(token, ";"))
			return false;
	}
}
