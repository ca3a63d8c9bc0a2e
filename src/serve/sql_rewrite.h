/* src/serve/sql_rewrite.h — SQL text read just far enough: which lake tables it names, at which version, and where a
 * statement ends.
 *
 * A tokenizer (strings, E'' strings, dollar quotes, quoted names, nested comments), no grammar. Every `ns.table` that
 * names a table of the lake is a reference; one followed by AT (...) is replaced by the name of a view of that
 * version:
 *
 *   FROM bank.users AT (VERSION => 42) u          ->  FROM "bank"."users@version-42" u
 *   FROM bank.users AT (TIMESTAMP => '2026-11-01') ->  FROM "bank"."users@timestamp-1793491200000000" AS "users"
 *   FROM bank.users AT (LSN => '0/16B3740')       ->  FROM "bank"."users@lsn-0/16B3740" AS "users"
 *
 * SHOW TABLES alone becomes a listing of all namespaces.
 *
 * Names compare without case, as DuckDB does. A name that is read as a reference but is something else (a column of a
 * struct, say) costs an unused view, never a wrong answer: the statement itself is DuckDB's to understand. */
#ifndef TARN_SERVE_SQL_REWRITE_H
#define TARN_SERVE_SQL_REWRITE_H

#include "base/err.h"
#include "base/str.h"

struct sql_name {
	const char *ns, *table;
}; /* namespace levels joined by '.' */

enum sql_at { SQL_AT_NOW, SQL_AT_VERSION, SQL_AT_TIMESTAMP, SQL_AT_LSN };

struct sql_ref {
	size_t name; /* index into the known names */
	enum sql_at at;
	int64_t version; /* snapshot id */
	int64_t timestamp_us;
	uint64_t lsn;
	char *view; /* "users", or "users@version-42"; owned */
};

struct sql_rewrite {
	char *text;           /* owned */
	struct sql_ref *refs; /* each view once */
	size_t n_refs;
	bool lists_tables; /* SHOW without a table, information_schema and the like: all tables are wanted */
};

/* ERR_QUERY: a malformed AT clause, an unclosed string or comment is left for DuckDB to report. */
int sql_rewrite(const char *text, const struct sql_name *names, size_t n_names, struct sql_rewrite *out,
                struct err *err) TARN_MUST_CHECK;
void sql_rewrite_free(struct sql_rewrite *rewrite);

/* Length of the first statement with its ';', or 0 when no ';' ends one yet. */
size_t sql_statement_end(const char *text);
/* Only blanks, comments and ';'? */
bool sql_is_blank(const char *text);

#endif
