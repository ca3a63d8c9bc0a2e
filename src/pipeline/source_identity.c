/* src/pipeline/source_identity.c — the identity card, looked at before each session.
 *
 * START_REPLICATION from a position below the slot's own silently begins at the slot's: whoever moved the slot, or
 * made it anew, took the changes between. The server may be another one too (restored, promoted) although the address
 * is the same. So nothing is asked for before this has been compared. */
#include <stdio.h>

#include "base/log.h"
#include "pipeline/source_int.h"

/* fact: what shows it, and up to where. */
static int set_back(const struct source *s, int code, const char *fact, struct err *err)
{
	return err_set(
		err, code,
		"%s: it was restored to an older state, or set back with its disk. The lake holds what the server no longer has. Nothing was changed; to go on from the server as it is now, stop tarn, move '%s/journal/%s' away, and copy the tables again: tarn table recopy %s",
		fact, s->config->state, s->conf->name, s->conf->name);
}

int source_check_wal(struct source *s, uint64_t wal_lsn, struct err *err)
{
	uint64_t known = position_known(s->position);
	char at[LSN_TEXT_MAX], ours[LSN_TEXT_MAX], fact[500];

	if (wal_lsn >= known)
		return ERR_OK;
	snprintf(fact, sizeof fact, "the write-ahead log of %s ends at %s, before %s that was already taken from it",
	         s->view.label, lsn_text(wal_lsn, at), lsn_text(known, ours));
	return set_back(s, ERR_IDENTITY, fact, err);
}

int source_other_history(const struct source *s, uint64_t commit_lsn, uint64_t taken_lsn, struct err *err)
{
	char at[LSN_TEXT_MAX], ours[LSN_TEXT_MAX], fact[500];

	snprintf(fact, sizeof fact,
	         "%s sends a transaction of %s, but what it has around %s is not what was taken from it before",
	         s->view.label, lsn_text(commit_lsn, at), lsn_text(taken_lsn, ours));
	/* not ERR_IDENTITY: opening the source again would find nothing wrong */
	return set_back(s, ERR_SOURCE_SETUP, fact, err);
}

static int check_server(struct source *s, struct err *err)
{
	struct pg_identity id;
	struct pg_conn *repl = NULL;
	int rc = source_connect_replication(s, &repl, err);

	if (!rc)
		rc = pg_identify(repl, &id, err);
	pg_conn_close(repl);
	if (rc)
		return rc;
	if (id.system_id != s->identity.system_id || id.database_oid != s->identity.database_oid)
		return err_set(
			err, ERR_IDENTITY,
			"%s is another PostgreSQL cluster or database than before (system identifier %llu, was %llu)",
			s->view.label, (unsigned long long)id.system_id, (unsigned long long)s->identity.system_id);
	if (id.timeline != s->identity.timeline)
		return err_set(err, ERR_IDENTITY, "%s is on timeline %u, was on %u: it was promoted or restored",
		               s->view.label, id.timeline, s->identity.timeline);
	return source_check_wal(s, id.wal_lsn, err);
}

static int check_slot(struct source *s, uint64_t *confirmed_lsn, struct err *err)
{
	struct pg_conn *conn = NULL;
	struct pg_slot slot;
	uint64_t known = position_known(s->position), floor = position_floor(s->position);
	char at[LSN_TEXT_MAX], ours[LSN_TEXT_MAX];
	int rc = source_connect(s, &conn, err);

	if (!rc)
		rc = pg_source_check(conn, s->conf->slot, err);
	if (!rc)
		rc = pg_slot_inspect(conn, s->conf->slot, &slot, err);
	pg_conn_close(conn);
	if (rc)
		return rc;
	if (!slot.exists)
		return err_set(err, ERR_GAP, "replication slot \"%s\" is gone", s->conf->slot);
	if (slot.confirmed_flush_lsn > (known > floor ? known : floor))
		return err_set(err, ERR_GAP, "replication slot \"%s\" stands at %s, beyond %s where we stopped",
		               s->conf->slot, lsn_text(slot.confirmed_flush_lsn, at), lsn_text(known, ours));
	/* our last session's end may still be on its way: until it is read there, the slot may move */
	*confirmed_lsn = slot.active ? 0 : slot.confirmed_flush_lsn;
	return ERR_OK;
}

int source_check_identity(struct source *s, uint64_t *confirmed_lsn, struct err *err)
{
	int rc = check_server(s, err);

	return rc ? rc : check_slot(s, confirmed_lsn, err);
}
