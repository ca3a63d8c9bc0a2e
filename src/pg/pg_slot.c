/* src/pg/pg_slot.c — the replication slot: seen, made, dropped, and what must hold before a stream starts. */
#include <stdio.h>
#include <string.h>

#include "pg/pg_catalog.h"
#include "pg/pg_conn_int.h"
#include "pg/pg_source_int.h"
#include "pg_sql.h"

#define SLOT_NAME_MAX 63

static uint64_t lsn_or_0(const struct pg_result *r, int column)
{
	uint64_t lsn = 0;

	return !pg_result_null(r, 0, column) && str_to_lsn(str_of(pg_result_text(r, 0, column)), &lsn) ? lsn : 0;
}

/* PostgreSQL's own rule for slot names; it also makes the name safe inside a replication command. */
static int check_name(const char *slot, struct err *err)
{
	size_t n = strlen(slot);

	if (n == 0 || n > SLOT_NAME_MAX || strspn(slot, "abcdefghijklmnopqrstuvwxyz0123456789_") != n)
		return err_set(err, ERR_CONFIG,
		               "slot name \"%s\": 1 to %d of the characters a-z, 0-9 and _ are allowed", slot,
		               SLOT_NAME_MAX);
	return ERR_OK;
}

int pg_slot_inspect(struct pg_conn *conn, const char *slot, struct pg_slot *out, struct err *err)
{
	struct pg_result *r = NULL;
	int64_t number;
	int rc = pg_query(conn, pg_sql_slot_facts, (const char *[]){ slot }, 1, &r, err);

	*out = (struct pg_slot){ .safe_bytes = -1 };
	if (rc || pg_result_rows(r) == 0) {
		pg_result_free(r);
		return rc;
	}
	out->exists = true;
	out->active = pg_result_bool(r, 0, 0);
	out->two_phase = pg_result_bool(r, 0, 1);
	out->temporary = pg_result_bool(r, 0, 2);
	str_copy(out->plugin, sizeof out->plugin, str_of(pg_result_text(r, 0, 3)));
	str_copy(out->database, sizeof out->database, str_of(pg_result_text(r, 0, 4)));
	str_copy(out->wal_status, sizeof out->wal_status, str_of(pg_result_text(r, 0, 5)));
	out->active_pid = (int)pg_result_u32(r, 0, 6);
	out->restart_lsn = lsn_or_0(r, 7);
	out->confirmed_flush_lsn = lsn_or_0(r, 8);
	if (str_to_i64(str_of(pg_result_text(r, 0, 9)), &number) && number > 0)
		out->retained_bytes = (uint64_t)number;
	if (str_to_i64(str_of(pg_result_text(r, 0, 10)), &number))
		out->safe_bytes = number;
	pg_result_free(r);
	return ERR_OK;
}

static int create_failed(struct pg_conn *conn, const PGresult *result, const char *slot, struct err *err)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	char what[128], cause[1024];
	struct err e;
	int rc;

	snprintf(what, sizeof what, "creating replication slot \"%s\"", slot);
	err_clear(&e);
	rc = pg_fail(conn, result, what, &e);
	str_copy(cause, sizeof cause, str_of(e.text));
	if (state && strcmp(state, "42710") == 0)
		rc = err_set(&e, ERR_SLOT,
		             "%s; choose another name (slot:), or drop it: SELECT pg_drop_replication_slot('%s')",
		             cause, slot);
	else if (state && strcmp(state, "53400") == 0)
		rc = err_set(
			&e, ERR_SLOT,
			"%s; drop a slot nobody uses (SELECT slot_name, active FROM pg_replication_slots), or raise it: ALTER SYSTEM SET max_replication_slots = 20, then restart the server",
			cause);
	else if (state && strcmp(state, "55000") == 0)
		rc = err_set(&e, ERR_SOURCE_SETUP,
		             "%s; run: ALTER SYSTEM SET wal_level = logical, then restart the server", cause);
	else if (state && strcmp(state, "42501") == 0)
		rc = err_set(&e, ERR_PRIVILEGE, "%s; run as a superuser: ALTER ROLE \"%s\" REPLICATION", cause,
		             PQuser(conn->raw));
	if (err) {
		*err = e;
		snprintf(err->sqlstate, sizeof err->sqlstate, "%s", state ? state : "");
	}
	return rc;
}

int pg_slot_create(struct pg_conn *repl_conn, const char *slot, bool temporary, struct pg_export *out, struct err *err)
{
	char sql[160];
	PGresult *r;
	int rc = check_name(slot, err);

	if (rc)
		return rc;
	CHECK(repl_conn->replication, "slots are made on a replication connection");
	/* The form of version 10; every later version takes it too. */
	snprintf(sql, sizeof sql, "CREATE_REPLICATION_SLOT \"%s\" %sLOGICAL pgoutput EXPORT_SNAPSHOT", slot,
	         temporary ? "TEMPORARY " : "");
	r = PQexec(repl_conn->raw, sql);
	*out = (struct pg_export){ "", 0 };
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		rc = create_failed(repl_conn, r, slot, err);
	else if (PQntuples(r) != 1 || PQnfields(r) < 3 ||
	         !str_to_lsn(str_of(PQgetvalue(r, 0, 1)), &out->consistent_lsn) || PQgetisnull(r, 0, 2) ||
	         !str_copy(out->snapshot, sizeof out->snapshot, str_of(PQgetvalue(r, 0, 2))))
		rc = err_set(err, ERR_PROTOCOL,
		             "%s: the answer to CREATE_REPLICATION_SLOT has no consistent point and snapshot",
		             repl_conn->label);
	PQclear(r);
	return rc;
}

int pg_slot_drop(struct pg_conn *conn, const char *slot, struct err *err)
{
	struct pg_result *r = NULL;
	int rc = pg_query(conn, pg_sql_slot_drop, (const char *[]){ slot }, 1, &r, err);

	if (rc)
		return err_prefix(err, "dropping replication slot \"%s\"", slot);
	if (pg_result_rows(r) == 0)
		rc = err_set(
			err, ERR_NOT_FOUND,
			"%s: there is no replication slot \"%s\"; SELECT slot_name FROM pg_replication_slots lists them",
			conn->label, slot);
	pg_result_free(r);
	return rc;
}

int pg_source_facts(struct pg_conn *conn, struct pg_source_facts *out, struct err *err)
{
	struct pg_result *r = NULL;
	int rc = pg_query(conn, pg_sql_source_facts, NULL, 0, &r, err);

	*out = (struct pg_source_facts){ .slot_keep_mb = -1 };
	if (rc)
		return rc;
	str_copy(out->wal_level, sizeof out->wal_level, str_of(pg_result_text(r, 0, 0)));
	str_copy(out->user, sizeof out->user, str_of(pg_result_text(r, 0, 6)));
	str_copy(out->database, sizeof out->database, str_of(pg_result_text(r, 0, 7)));
	str_copy(out->version, sizeof out->version, str_of(pg_result_text(r, 0, 12)));
	str_copy(out->encoding, sizeof out->encoding, str_of(pg_result_text(r, 0, 13)));
	out->may_replicate = pg_result_bool(r, 0, 5);
	out->may_create = pg_result_bool(r, 0, 10);
	out->in_recovery = pg_result_bool(r, 0, 11);
	if (!str_to_i64(str_of(pg_result_text(r, 0, 1)), &out->max_slots) ||
	    !str_to_i64(str_of(pg_result_text(r, 0, 2)), &out->slots) ||
	    !str_to_i64(str_of(pg_result_text(r, 0, 3)), &out->max_senders) ||
	    !str_to_i64(str_of(pg_result_text(r, 0, 4)), &out->senders) ||
	    !str_to_i64(str_of(pg_result_text(r, 0, 8)), &out->slot_keep_mb) ||
	    !str_to_i64(str_of(pg_result_text(r, 0, 9)), &out->sender_timeout_ms))
		rc = err_set(err, ERR_PROTOCOL, "%s: the server's settings are not numbers", conn->label);
	pg_result_free(r);
	return rc;
}

static int check_slot(struct pg_conn *conn, const char *name, const struct pg_slot *slot,
                      const struct pg_source_facts *facts, struct err *err)
{
	const char *label = conn->label;

	if (strcmp(slot->plugin, "pgoutput") != 0)
		return err_set(
			err, ERR_SLOT,
			"%s: replication slot \"%s\" %s%s, not pgoutput's; choose another name (slot:), or drop it if nobody needs it: SELECT pg_drop_replication_slot('%s')",
			label, name, *slot->plugin ? "is of plugin " : "is a physical one", slot->plugin, name);
	if (strcmp(slot->database, facts->database) != 0)
		return err_set(
			err, ERR_SLOT,
			"%s: replication slot \"%s\" belongs to database \"%s\", not \"%s\"; choose another name (slot:)",
			label, name, slot->database, facts->database);
	if (slot->two_phase)
		return err_set(
			err, ERR_SLOT,
			"%s: replication slot \"%s\" was made with two_phase, which sends prepared transactions before they commit; drop it and let Tarn make its own: SELECT pg_drop_replication_slot('%s')",
			label, name, name);
	/* unreserved may still be saved by reading on; lost may not */
	if (strcmp(slot->wal_status, "lost") == 0 || slot->restart_lsn == 0)
		return err_set(
			err, ERR_SLOT,
			"%s: replication slot \"%s\" is lost: the server removed WAL it needed (max_slot_wal_keep_size is %lld MB); drop it (SELECT pg_drop_replication_slot('%s')), raise the setting, and copy the tables again",
			label, name, (long long)facts->slot_keep_mb, name);
	return ERR_OK;
}

int pg_source_check(struct pg_conn *conn, const char *slot, struct err *err)
{
	struct pg_source_facts facts;
	struct pg_slot found;
	int rc = check_name(slot, err);

	if (!rc)
		rc = pg_source_facts(conn, &facts, err);
	if (!rc)
		rc = pg_slot_inspect(conn, slot, &found, err);
	if (rc)
		return rc;
	if (strcmp(facts.wal_level, "logical") != 0)
		return err_set(
			err, ERR_SOURCE_SETUP,
			"%s: wal_level is %s; run: ALTER SYSTEM SET wal_level = logical, then restart the server",
			conn->label, facts.wal_level);
	if (!facts.may_replicate)
		return err_set(err, ERR_PRIVILEGE,
		               "%s: role \"%s\" may not replicate; run as a superuser: ALTER ROLE \"%s\" REPLICATION",
		               conn->label, facts.user, facts.user);
	if (facts.max_senders <= facts.senders && !found.active)
		return err_set(
			err, ERR_SOURCE_SETUP,
			"%s: all %lld WAL senders (max_wal_senders) are taken; run: ALTER SYSTEM SET max_wal_senders = %lld, then restart the server",
			conn->label, (long long)facts.max_senders, (long long)facts.max_senders + 10);
	if (!found.exists && facts.slots >= facts.max_slots)
		return err_set(
			err, ERR_SLOT,
			"%s: all %lld replication slots (max_replication_slots) are taken; drop one nobody uses, or run: ALTER SYSTEM SET max_replication_slots = %lld, then restart the server",
			conn->label, (long long)facts.max_slots, (long long)facts.max_slots + 10);
	return found.exists ? check_slot(conn, slot, &found, &facts, err) : ERR_OK;
}
