/* src/serve/sql_advice.c — a missing table and a change of the lake, said in the lake's words. */
#include "serve/sql_advice.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/wbuf.h"
#include "serve/sql_token.h"

#define PART_MAX 256

/* "ns.table", or the table alone: ns is "". */
struct dotted {
	char ns[PART_MAX], table[PART_MAX];
};

static bool is_name(struct sql_token token) { return token.kind == SQL_TOKEN_WORD || token.kind == SQL_TOKEN_QUOTED; }

static bool is_one_of(struct sql_token token, const char *const *words)
{
	for (; *words; words++) {
		if (sql_token_is(token, *words))
			return true;
	}
	return false;
}

/* Reads the name that begins with `token`; *at goes behind it. */
static bool read_dotted(const char *text, struct sql_token token, size_t *at, struct dotted *out)
{
	size_t behind = *at;

	*out = (struct dotted){ "", "" };
	if (!is_name(token) || !sql_token_value(token, out->table, sizeof out->table))
		return false;
	if (!sql_token_is(sql_token_next(text, &behind), "."))
		return true;
	token = sql_token_next(text, &behind);
	str_copy(out->ns, sizeof out->ns, str_of(out->table));
	*at = behind;
	return is_name(token) && sql_token_value(token, out->table, sizeof out->table);
}

static bool known_namespace(const char *ns, const struct sql_name *names, size_t n_names)
{
	for (size_t i = 0; i < n_names; i++) {
		if (str_eq_nocase(str_of(names[i].ns), str_of(ns)))
			return true;
	}
	return false;
}

/* The one table of the lake with this name in any namespace; NULL: none. */
static const struct sql_name *find_table(const char *table, const struct sql_name *names, size_t n_names)
{
	for (size_t i = 0; i < n_names; i++) {
		if (str_eq_nocase(str_of(names[i].table), str_of(table)))
			return &names[i];
	}
	return NULL;
}

/* --- statements that change something --- */

static const char *const changing[] = { "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE",
	                                "ALTER",  "DROP",   "CREATE", NULL };

/* The statement's verb: its first word, or the one behind WITH's parentheses. *at goes behind it. */
static struct sql_token find_verb(const char *text, size_t *at)
{
	struct sql_token token = sql_token_next(text, at);
	int depth = 0;

	if (!sql_token_is(token, "WITH"))
		return token;
	while (token.kind != SQL_TOKEN_END && token.kind != SQL_TOKEN_OPEN) {
		token = sql_token_next(text, at);
		depth += sql_token_is(token, "(") - sql_token_is(token, ")");
		if (depth == 0 && (sql_token_is(token, "SELECT") || is_one_of(token, changing)))
			break;
	}
	return token;
}

/* What the verb works on: the first name that is no word of the grammar; behind ON for an index. */
static bool find_target(const char *text, size_t at, struct dotted *out, bool *temporary, bool *makes_relation)
{
	static const char *const between[] = { "INTO",   "FROM",   "TABLE",     "VIEW",      "OR",           "REPLACE",
		                               "IF",     "NOT",    "EXISTS",    "ONLY",      "ALL",          "SCHEMA",
		                               "IGNORE", "UNIQUE", "INDEX",     "MACRO",     "FUNCTION",     "SEQUENCE",
		                               "TYPE",   "TEMP",   "TEMPORARY", "RECURSIVE", "MATERIALIZED", NULL };
	struct sql_token token = sql_token_next(text, &at);
	bool index = false;

	*temporary = *makes_relation = false;
	for (; is_one_of(token, between); token = sql_token_next(text, &at)) {
		*temporary = *temporary || sql_token_is(token, "TEMP") || sql_token_is(token, "TEMPORARY");
		*makes_relation = *makes_relation || sql_token_is(token, "TABLE") || sql_token_is(token, "VIEW");
		index = index || sql_token_is(token, "INDEX");
	}
	while (index && token.kind != SQL_TOKEN_END && token.kind != SQL_TOKEN_OPEN && !sql_token_is(token, "ON"))
		token = sql_token_next(text, &at);
	if (index)
		token = sql_token_next(text, &at);
	return read_dotted(text, token, &at, out);
}

static int read_only(struct sql_token verb, const char *ns, const char *table, struct err *err)
{
	return err_set(
		err, ERR_QUERY,
		"%s.%s cannot be %s: tarn sql only reads the lake; change the source database, or a copy of your own: CREATE TEMP TABLE mine AS SELECT ...",
		ns, table, sql_token_is(verb, "CREATE") ? "made" : "changed");
}

int sql_advice_check(const char *statement, const struct sql_name *names, size_t n_names, struct err *err)
{
	struct dotted target;
	bool temporary, makes_relation;
	size_t at = 0;
	struct sql_token verb = find_verb(statement, &at);

	if (sql_token_is(verb, "COPY"))
		return err_set(
			err, ERR_QUERY,
			"COPY is not allowed: tarn sql reads and writes no files from within SQL; --output FILE with --format csv, json, ndjson or parquet writes a result");
	if (!is_one_of(verb, changing) || !find_target(statement, at, &target, &temporary, &makes_relation))
		return ERR_OK;
	if (target.ns[0] && known_namespace(target.ns, names, n_names))
		return read_only(verb, target.ns, target.table, err);
	if (sql_token_is(verb, "CREATE") && makes_relation && !temporary && !target.ns[0])
		return err_set(
			err, ERR_QUERY,
			"%s would not be kept: tarn sql only reads the lake; CREATE TEMP makes one for the rest of this session",
			target.table);
	return ERR_OK;
}

/* --- a table that is not there --- */

/* The name as the statement has it: DuckDB drops the namespace of some. */
static void add_namespace(const char *statement, struct dotted *name)
{
	struct sql_token token;
	struct dotted found;
	size_t at = 0;

	while (!name->ns[0]) {
		token = sql_token_next(statement, &at);
		if (token.kind == SQL_TOKEN_END || token.kind == SQL_TOKEN_OPEN)
			return;
		if (read_dotted(statement, token, &at, &found) && found.ns[0] &&
		    str_eq_nocase(str_of(found.table), str_of(name->table)))
			*name = found;
	}
}

/* The dotted name that AT follows. */
static bool name_before_at(const char *statement, struct dotted *name)
{
	size_t at = 0;

	for (;;) {
		struct sql_token token = sql_token_next(statement, &at);
		size_t behind;

		if (token.kind == SQL_TOKEN_END || token.kind == SQL_TOKEN_OPEN)
			return false;
		if (!read_dotted(statement, token, &at, name))
			continue;
		behind = at;
		if (sql_token_is(sql_token_next(statement, &behind), "AT"))
			return true;
	}
}

/* Which table DuckDB's text says is missing: 'Table with name users does not exist', 'Table with name "a.b" does not
 * exist because ...'. */
static bool missing_name(const char *statement, const char *text, struct dotted *name)
{
	static const char before[] = "Table with name ", behind[] = " does not exist";
	const char *at = strstr(text, before), *end = at ? strstr(at, behind) : NULL;

	*name = (struct dotted){ "", "" };
	if (!end)
		return strstr(text, "does not support time travel") && name_before_at(statement, name);
	struct str whole = str_view(at + sizeof before - 1, (size_t)(end - at) - (sizeof before - 1));
	if (whole.n > 1 && whole.p[0] == '"')
		whole = str_view(whole.p + 1, whole.n - 2);
	const char *dot = whole.n ? memrchr(whole.p, '.', whole.n) : NULL;
	size_t ns_n = dot ? (size_t)(dot - whole.p) : 0;
	if (!str_copy(name->ns, sizeof name->ns, str_view(whole.p, ns_n)) ||
	    !str_copy(name->table, sizeof name->table, dot ? str_view(dot + 1, whole.n - ns_n - 1) : whole))
		return false;
	add_namespace(statement, name);
	return true;
}

/* The table whose full name is nearest; NULL: none is near, or no memory for looking. */
static const struct sql_name *nearest(const struct dotted *name, const struct sql_name *names, size_t n_names)
{
	const struct sql_name *same = find_table(name->table, names, n_names), *found = NULL;
	const char **list = same ? NULL : mem_array(n_names + 1, sizeof *list);

	if (!list)
		return same;
	for (size_t i = 0; i < n_names; i++)
		list[i] = names[i].table;
	list[n_names] = NULL;
	const char *near = str_nearest(str_of(name->table), list);
	for (size_t i = 0; near && i < n_names && !found; i++) {
		bool here = !name->ns[0] || str_eq_nocase(str_of(names[i].ns), str_of(name->ns));
		if (strcmp(names[i].table, near) == 0 && here)
			found = &names[i];
	}
	mem_free(list);
	return found;
}

static int say_missing(const struct dotted *name, const struct sql_name *near, bool empty, const char *line,
                       struct err *err)
{
	const char *dot = name->ns[0] ? "." : "", *rule = name->ns[0] ? "" : "; tables are named namespace.table";

	if (empty)
		return err_set(
			err, ERR_QUERY,
			"there is no table %s%s%s: the lake has none yet; 'tarn status' shows what is being copied%s",
			name->ns, dot, name->table, line);
	if (near && strcmp(near->ns, name->ns) == 0 && strcmp(near->table, name->table) == 0)
		return err_set(err, ERR_QUERY,
		               "quotes make \"%s.%s\" one name; write %s.%s, or quote its parts: \"%s\".\"%s\"%s",
		               near->ns, near->table, near->ns, near->table, near->ns, near->table, line);
	if (near)
		return err_set(err, ERR_QUERY,
		               "there is no table %s%s%s%s, did you mean %s.%s? 'tarn table ls' lists them%s", name->ns,
		               dot, name->table, rule, near->ns, near->table, line);
	return err_set(err, ERR_QUERY, "there is no table %s%s%s%s; 'tarn table ls' lists them%s", name->ns, dot,
	               name->table, rule, line);
}

int sql_advice_missing(const char *statement, const struct sql_name *names, size_t n_names, struct err *err)
{
	const struct sql_name *near;
	struct dotted name;
	char line[ERR_TEXT_MAX / 2] = "";
	size_t at = 0;

	if (!missing_name(statement, err->text, &name))
		return err->code;
	near = nearest(&name, names, n_names);
	struct sql_token verb = find_verb(statement, &at);
	if (near && is_one_of(verb, changing))
		return read_only(verb, near->ns, near->table, err);
	const char *points = strstr(err->text, "\n\nLINE ");
	if (points)
		str_copy(line, sizeof line, str_of(points));
	return say_missing(&name, near, n_names == 0, line, err);
}
