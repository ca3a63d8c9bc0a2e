/* src/pipeline/apply_ask.c — what only the source can say while changes are applied, and tables that wait for it.
 *
 * The journal is applied while the source may be away. A table whose next change needs an answer is set aside then:
 * what it had pending is forgotten, its journal is kept, and the others go on. When the source streams again it is
 * opened as a table that the copier hands over is, and read from where it stands. */
#include <stdio.h>

#include "base/env.h"
#include "base/log.h"
#include "pipeline/apply_int.h"

#define CONNECT_S 3 /* how long the other tables may have to wait for an answer that does not come */
#define TAKE_BACK_EVERY_US 5000000

static bool source_streams(struct apply *a)
{
	struct source_view view;

	source_view(a->source, &view);
	return view.state == SOURCE_STREAMING || view.state == SOURCE_WAITING_SPACE;
}

static int ask(struct apply *a, const struct relation *rel, const char *column, bool *filled, struct err *err)
{
	struct pg_conn *conn;
	int rc;

	if (!source_streams(a))
		return err_set(err, ERR_CONNECT, "source %s is not connected", a->conf->from);
	rc = source_connect_within(a->source, CONNECT_S, &conn, err);
	if (rc)
		return rc;
	rc = pg_exec(conn, "SET statement_timeout = '3s'", err);
	if (!rc)
		rc = pg_column_filled(conn, rel->id, column, filled, err);
	pg_conn_close(conn);
	return rc;
}

int apply_column_filled(void *asker, const struct relation *rel, const char *column, bool *filled, struct err *err)
{
	struct apply *a = asker;
	int rc = ask(a, rel, column, filled, err);

	a->unanswered = rc == ERR_CANCELLED || err_class_of(rc) == ERR_CLASS_TRANSIENT;
	return rc;
}

bool apply_set_aside(struct apply *a, struct pipe_table *t, const struct err *why)
{
	if (!a->unanswered)
		return false;
	a->unanswered = false;
	apply_hold(a, t);
	t->attached = false;
	monitor_lock(&a->lock);
	t->attaching = true;
	monitor_unlock(&a->lock);
	pipe_table_close(t);
	a->aside = true;
	a->aside_us = env_mono_us();
	log_warn("pipeline", "table %s waits for an answer of its source, the other tables go on: %s", t->mirror_name,
	         why->text);
	apply_refresh_views(a, true);
	return true;
}

void apply_take_back(struct apply *a)
{
	if (!a->aside || env_mono_us() - a->aside_us < TAKE_BACK_EVERY_US || !source_streams(a))
		return;
	a->aside = false;
	monitor_lock(&a->lock);
	a->attach = true;
	monitor_unlock(&a->lock);
}
