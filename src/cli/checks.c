/* src/cli/checks.c — checks of a source: its own (pg/pg_doctor.c), and that it takes a replication connection. */
#include "cli/checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void checks_pass(void *arg, const struct pg_finding *finding)
{
	struct checks *c = arg;

	c->done++;
	c->fails += !finding->ok;
	c->warnings += finding->ok && finding->warning;
	c->fn(c->arg, c->subject, finding);
}

void checks_tell(struct checks *c, const char *name, enum check_state state, const char *found, const char *mend)
{
	struct pg_finding f = { .ok = state != CHECK_FAILING, .warning = state == CHECK_WARNING };

	str_copy(f.name, sizeof f.name, str_of(name));
	str_copy(f.found, sizeof f.found, str_of(found));
	str_copy(f.mend, sizeof f.mend, str_of(state == CHECK_FINE ? "" : mend));
	checks_pass(c, &f);
}

void checks_tell_err(struct checks *c, const char *name, const struct err *err, const char *mend)
{
	struct str rest = str_of(err->text);
	const char *cut = strstr(err->text, "; ");
	char found[512];

	str_copy(found, sizeof found, cut ? str_view(err->text, (size_t)(cut - err->text)) : rest);
	checks_tell(c, name, CHECK_FAILING, found, cut ? cut + 2 : mend);
}

/* pg_hba.conf and max_wal_senders may refuse what an ordinary connection got. */
static void check_replication(struct checks *c, const struct pg_conn_opts *ordinary)
{
	struct pg_conn_opts opts = *ordinary;
	struct pg_conn *conn = NULL;
	struct pg_identity id;
	struct err err;
	char found[128];

	opts.replication = true;
	err_clear(&err);
	if (pg_conn_open(&conn, &opts, &err) || pg_identify(conn, &id, &err)) {
		checks_tell_err(c, "replication connection", &err, "see the server's log");
	} else {
		snprintf(found, sizeof found, "system %" PRIu64 ", timeline %" PRIu32, id.system_id, id.timeline);
		checks_tell(c, "replication connection", CHECK_FINE, found, "");
	}
	pg_conn_close(conn);
}

void checks_source(struct checks *c, const struct config_source *source, struct pg_conn *conn)
{
	struct pg_conn_opts opts = { .conninfo = source->conninfo, .password = source->password };
	struct pg_conn *own = NULL;
	struct err err;

	err_clear(&err);
	if (!conn && pg_conn_open(&own, &opts, &err)) {
		checks_tell_err(c, "connection", &err, "check postgres: in the configuration");
		return;
	}
	if (pg_doctor(conn ? conn : own, source->slot, source->publication, source->tables, source->n_tables,
	              checks_pass, c, &err))
		checks_tell_err(c, "checks", &err, "see the server's log");
	else
		check_replication(c, &opts);
	pg_conn_close(own);
}
