/* src/pipeline/source_monitor.c — asked every few seconds on a connection of its own: the source's WAL position, what
 * the slot retains, and whether the tables are still there and published. */
#include <stdio.h>

#include "base/log.h"
#include "pipeline/repeat.h"
#include "pipeline/source_tables.h"

#define EVERY_US 3000000

static int look(struct source *s, struct pg_conn *conn, struct repeat *warnings, struct err *err)
{
	struct pg_result *result;
	struct pg_slot slot;
	uint64_t wal = 0;
	int rc = pg_slot_inspect(conn, s->conf->slot, &slot, err);

	if (rc)
		return rc;
	rc = pg_query(
		conn,
		"SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END",
		NULL, 0, &result, err);
	if (rc)
		return rc;
	(void)str_to_lsn(str_of(pg_result_text(result, 0, 0)), &wal);
	pg_result_free(result);
	monitor_lock(&s->lock);
	s->view.current_wal_lsn = wal;
	s->view.slot_retained_bytes = slot.retained_bytes;
	s->view.slot_confirmed_lsn = slot.confirmed_flush_lsn;
	s->view.slot_safe_bytes = slot.safe_bytes;
	snprintf(s->view.slot_wal_status, sizeof s->view.slot_wal_status, "%s", slot.wal_status);
	monitor_unlock(&s->lock);
	if (slot.exists && strcmp(slot.wal_status, "extended") != 0 && strcmp(slot.wal_status, "reserved") != 0) {
		char text[256];

		snprintf(text, sizeof text,
		         "WAL for slot \"%s\" is %s; raise max_slot_wal_keep_size or the slot will be lost",
		         s->conf->slot, slot.wal_status);
		repeat_log(warnings, LOG_WARN, s->conf->name, text);
	}
	return source_tables_look(s, conn, err);
}

void source_monitor_main(void *arg)
{
	struct source *s = arg;
	struct pg_conn *conn = NULL;
	struct repeat warnings = { 0 }, failures = { 0 };

	while (!source_stopping(s)) {
		struct err err = { 0 };
		int rc = conn ? ERR_OK : source_connect(s, &conn, &err);

		if (!rc)
			rc = look(s, conn, &warnings, &err);
		if (rc) {
			pg_conn_close(conn);
			conn = NULL;
			repeat_log(&failures, LOG_DEBUG, s->conf->name, err.text);
		}
		source_pause(s, EVERY_US);
	}
	pg_conn_close(conn);
}
