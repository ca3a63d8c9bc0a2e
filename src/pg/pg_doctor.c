/* src/pg/pg_doctor.c — the checks of `tarn doctor` on a source: one finding each, with the SQL that mends it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "pg/pg_catalog.h"
#include "pg/pg_source_int.h"
#include "pg_sql.h"

struct doctor {
	struct pg_conn *conn;
	const char *slot, *publication;
	void (*fn)(void *arg, const struct pg_finding *finding);
	void *arg;
	struct pg_source_facts facts;
	struct pg_slot found;
};

enum state { FINE, WARNING, FAILING };

static void tell(const struct doctor *d, const char *name, enum state state, const char *found, const char *mend)
{
	struct pg_finding f = { .ok = state != FAILING, .warning = state == WARNING };

	str_copy(f.name, sizeof f.name, str_of(name));
	str_copy(f.found, sizeof f.found, str_of(found));
	str_copy(f.mend, sizeof f.mend, str_of(state == FINE ? "" : mend));
	d->fn(d->arg, &f);
}

static const char *text(char *buf, size_t size, const char *fmt, ...) TARN_PRINTF(3, 4);
static const char *text(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return buf;
}
#define TEXT(buf, ...) text(buf, sizeof(buf), __VA_ARGS__)

static void check_server(const struct doctor *d)
{
	const struct pg_source_facts *f = &d->facts;
	int version = pg_conn_server_version(d->conn);
	char found[256], mend[256];

	tell(d, "connection", FINE, pg_conn_label(d->conn), "");
	tell(d, "server version", version >= 140000 ? FINE : WARNING, TEXT(found, "PostgreSQL %s", f->version),
	     "versions before 14 send values as text only, which is slower to read; upgrade when convenient");
	tell(d, "encoding", strcmp(f->encoding, "SQL_ASCII") == 0 ? WARNING : FINE, TEXT(found, "%s", f->encoding),
	     "a SQL_ASCII database may hold text that is not UTF-8; a table with such a value stops");
	tell(d, "wal_level", strcmp(f->wal_level, "logical") == 0 ? FINE : FAILING, TEXT(found, "%s", f->wal_level),
	     "ALTER SYSTEM SET wal_level = logical; -- then restart the server");
	tell(d, "REPLICATION right", f->may_replicate ? FINE : FAILING,
	     TEXT(found, "role %s %s", f->user, f->may_replicate ? "has it" : "lacks it"),
	     TEXT(mend, "ALTER ROLE \"%s\" REPLICATION;", f->user));
	tell(d, "max_wal_senders", f->max_senders > f->senders || d->found.active ? FINE : FAILING,
	     TEXT(found, "%lld, %lld in use", (long long)f->max_senders, (long long)f->senders),
	     TEXT(mend, "ALTER SYSTEM SET max_wal_senders = %lld; -- then restart the server",
	          (long long)f->max_senders + 10));
	tell(d, "max_replication_slots", d->found.exists || f->max_slots > f->slots ? FINE : FAILING,
	     TEXT(found, "%lld, %lld in use", (long long)f->max_slots, (long long)f->slots),
	     TEXT(mend,
	          "ALTER SYSTEM SET max_replication_slots = %lld; -- then restart the server; or drop a slot nobody uses: SELECT slot_name, active FROM pg_replication_slots;",
	          (long long)f->max_slots + 10));
	if (f->sender_timeout_ms == 0)
		tell(d, "wal_sender_timeout", WARNING, "0 (off): the server never notices a dead connection",
		     "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();");
	else
		tell(d, "wal_sender_timeout", f->sender_timeout_ms >= 5000 ? FINE : WARNING,
		     TEXT(found, "%lld ms", (long long)f->sender_timeout_ms),
		     "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();");
}

static void check_slot(const struct doctor *d)
{
	const struct pg_slot *s = &d->found;
	char found[512], mend[512];

	if (!s->exists) {
		tell(d, "slot", FINE, TEXT(found, "%s does not exist yet; the first run makes it", d->slot), "");
		return;
	}
	TEXT(mend, "SELECT pg_drop_replication_slot('%s'); -- the next run makes a new one and copies the tables again",
	     d->slot);
	if (strcmp(s->plugin, "pgoutput") != 0 || strcmp(s->database, d->facts.database) != 0)
		tell(d, "slot", FAILING,
		     TEXT(found, "%s is of plugin %s in database %s", d->slot,
		          *s->plugin ? s->plugin : "(none, physical)", *s->database ? s->database : "(none)"),
		     "choose another name: slot: in the configuration");
	else if (s->two_phase)
		tell(d, "slot", FAILING, TEXT(found, "%s was made with two_phase", d->slot), mend);
	else if (strcmp(s->wal_status, "lost") == 0 || s->restart_lsn == 0)
		tell(d, "slot", FAILING, TEXT(found, "%s is lost: the server removed WAL it needed", d->slot), mend);
	else if (strcmp(s->wal_status, "unreserved") == 0)
		tell(d, "slot", WARNING, TEXT(found, "%s is about to be lost (wal_status unreserved)", d->slot),
		     "ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf(); -- or start Tarn now");
	else
		tell(d, "slot", FINE,
		     s->active ? TEXT(found, "%s, in use by process %d", d->slot, s->active_pid)
		               : TEXT(found, "%s, not in use now", d->slot),
		     "");
}

/* The server keeps WAL for the slot until max_slot_wal_keep_size and gives no warning before it drops
 * it. */
static void check_retained(const struct doctor *d)
{
	uint64_t limit = d->facts.slot_keep_mb < 0 ? 0 : (uint64_t)d->facts.slot_keep_mb << 20;
	char found[256], mend[256], kept[SIZE_TEXT_MAX], most[SIZE_TEXT_MAX];
	enum state state = FINE;

	size_text(d->found.retained_bytes, kept);
	size_text(limit, most);
	if (limit == 0) {
		tell(d, "retained WAL", FINE,
		     TEXT(found,
		          "%s, without limit (max_slot_wal_keep_size -1): watch the server's disk while Tarn is stopped",
		          kept),
		     "");
		return;
	}
	if (d->found.retained_bytes >= limit / 2)
		state = WARNING;
	tell(d, "retained WAL", state, TEXT(found, "%s of %s (max_slot_wal_keep_size)", kept, most),
	     TEXT(mend, "ALTER SYSTEM SET max_slot_wal_keep_size = '%lldMB'; SELECT pg_reload_conf(); -- or start Tarn",
	          (long long)d->facts.slot_keep_mb * 4));
}

/* Splits an unsupported sentence at its "; run ..." so that the remedy stands in mend. */
static void check_table(const struct doctor *d, const struct pg_table *t)
{
	char name[160], found[512], mend[512];
	const char *why = t->rel->unsupported, *cut;

	TEXT(name, "table %s.%s", t->rel->schema, t->rel->name);
	if (why) {
		cut = strstr(why, "; ");
		TEXT(found, "%.*s", (int)(cut ? cut - why : (ptrdiff_t)strlen(why)), why);
		tell(d, name, FAILING, found, cut ? cut + 2 : "leave it out of tables:");
		return;
	}
	if (!t->can_select) {
		tell(d, name, FAILING, TEXT(found, "role %s may not read it", d->facts.user),
		     TEXT(mend, "GRANT USAGE ON SCHEMA \"%s\" TO \"%s\"; GRANT SELECT ON \"%s\".\"%s\" TO \"%s\";",
		          t->rel->schema, d->facts.user, t->rel->schema, t->rel->name, d->facts.user));
		return;
	}
	TEXT(found, "%u columns, key of %u, about %lld rows%s", t->rel->n_columns, t->rel->n_keys,
	     (long long)(t->rows_estimate < 0 ? 0 : t->rows_estimate),
	     t->rows_estimate < 0 ? " (not counted yet)" : "");
	tell(d, name, FINE, found, "");
}

/* The statement behind the last "run: " of an error text. */
static void cut_sql(const char *problem, char *out, size_t size)
{
	const char *sql = NULL;

	for (const char *p = problem; (p = strstr(p, "run: ")) != NULL; p += 5)
		sql = p + 5;
	bool whole = str_copy(out, size, str_of(sql ? sql : "")) && strchr(out, ';');
	char *tables = whole ? NULL : strstr(out, " TABLE ");

	/* Half a statement is worse than none. */
	if (tables)
		snprintf(tables, size - (size_t)(tables - out), "%s",
		         " TABLE ...; -- each of the tables above; they are too many to show here");
}

static int check_publication(const struct doctor *d, const struct pg_tables *tables, struct err *err)
{
	struct pg_result *facts = NULL;
	char found[512], mend[1024];
	size_t missing = 0, foreign = 0;
	struct err problem;
	bool exists;
	int rc = pg_query(d->conn, pg_sql_publication_facts, (const char *[]){ d->publication }, 1, &facts, err);

	if (rc)
		return rc;
	exists = pg_result_rows(facts) > 0;
	for (size_t i = 0; i < tables->n; i++) {
		const struct pg_table *t = &tables->tables[i];

		if (t->rel->unsupported || (exists && t->published))
			continue;
		missing++;
		foreign += !t->is_owner;
	}
	err_clear(&problem);
	/* asked without leave to change anything: the error is the SQL to run */
	rc = pg_publication_ensure(d->conn, d->publication, tables, false, &problem);
	if (rc && rc != ERR_SOURCE_SETUP && rc != ERR_UNSUPPORTED) {
		pg_result_free(facts);
		if (err)
			*err = problem;
		return rc;
	}
	cut_sql(problem.text, mend, sizeof mend);
	if (rc == ERR_UNSUPPORTED)
		tell(d, "publication", FAILING, problem.text, mend);
	else if (!rc)
		tell(d, "publication", FINE, TEXT(found, "%s has all tables", d->publication), "");
	else if (foreign || (!exists && !d->facts.may_create) || (exists && !pg_result_bool(facts, 0, 5)))
		tell(d, "publication", FAILING,
		     TEXT(found, "%s %s, and role %s may not change that", d->publication,
		          exists ? "lacks tables" : "does not exist", d->facts.user),
		     mend);
	else
		tell(d, "publication", FINE,
		     TEXT(found, "%s %s; the first run adds %zu table%s", d->publication,
		          exists ? "exists" : "does not exist yet", missing, missing == 1 ? "" : "s"),
		     "");
	pg_result_free(facts);
	return ERR_OK;
}

int pg_doctor(struct pg_conn *conn, const char *slot, const char *publication, const char *const *patterns,
              size_t n_patterns, void (*fn)(void *arg, const struct pg_finding *finding), void *arg, struct err *err)
{
	struct doctor d = { .conn = conn, .slot = slot, .publication = publication, .fn = fn, .arg = arg };
	struct pg_tables tables;
	struct err problem;
	char found[64];
	int rc = pg_source_facts(conn, &d.facts, err);

	if (!rc)
		rc = pg_slot_inspect(conn, slot, &d.found, err);
	if (rc)
		return rc;
	check_server(&d);
	check_slot(&d);
	if (d.found.exists)
		check_retained(&d);
	err_clear(&problem);
	rc = pg_tables_find(conn, patterns, n_patterns, publication, &tables, &problem);
	if (rc == ERR_NOT_FOUND) {
		tell(&d, "tables", FAILING, problem.text, "mend the patterns under tables: in the configuration");
		return ERR_OK;
	}
	if (rc) {
		if (err)
			*err = problem;
		return rc;
	}
	tell(&d, "tables", tables.n ? FINE : FAILING, TEXT(found, "%zu match", tables.n),
	     "mend the patterns under tables: in the configuration");
	for (size_t i = 0; i < tables.n; i++)
		check_table(&d, &tables.tables[i]);
	rc = check_publication(&d, &tables, err);
	pg_tables_free(&tables);
	return rc;
}
