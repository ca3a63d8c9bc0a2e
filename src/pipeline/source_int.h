/* src/pipeline/source_int.h — inside of a source; only src/pipeline/source*.c include this. */
#ifndef TARN_PIPELINE_SOURCE_INT_H
#define TARN_PIPELINE_SOURCE_INT_H

#include "base/thread.h"
#include "base/wbuf.h"
#include "pg/pg_describe.h"
#include "pg/pg_stream.h"
#include "pg/pgoutput.h"
#include "pipeline/source.h"

/* WAL positions: seen dropped by then, seen outside the publication then; 0: not seen. */
struct watched_table {
	uint64_t gone_lsn, outside_lsn;
	bool outside_open;   /* it may still publish from behind outside_lsn */
	uint32_t membership; /* oid of the row that has it in the publication: source_tables.c */
};

struct source {
	const struct config *config;
	const struct config_source *conf;
	struct pg_conn_opts conn_opts;
	struct journal *journal;
	struct position *position;
	struct journal_identity identity;
	uint64_t wal_lsn; /* where the server's WAL ended at open */
	struct pg_tables tables;
	bool binary;            /* capture thread after start */
	char gap[ERR_TEXT_MAX]; /* "" or why changes are missing */
	struct thread *capture, *monitor;
	struct monitor marks_lock; /* held while the file of watched is written; before lock */
	struct monitor lock;       /* guards what follows */
	bool stopping, fatal, reopen;
	struct err fatal_err;
	struct source_view view;
	struct watched_table *watched; /* one for each of tables */
	bool marks_waiting;            /* something of watched is not durable yet */
	struct wbuf other_marks;       /* lines of its file about tables not captured now; fixed after open */
	struct source_export fresh;    /* conn NULL: none, or taken */
	struct pg_conn *export_busy;   /* connection that may be waiting for a slot: cancelled by stop */
	unsigned export_count;
};

void source_capture_main(void *source); /* source_capture.c */
void source_monitor_main(void *source); /* source_monitor.c */
/* source_identity.c */
/* Has the server still what was taken from it? Asked for a position it has not reached, it would skip in silence all it
 * writes until then. */
int source_check_wal(struct source *s, uint64_t wal_lsn, struct err *err) TARN_MUST_CHECK;
/* Is the server, and is the slot, still what we stopped at? ERR_IDENTITY or ERR_GAP when not: the source has to be
 * opened again. confirmed_lsn: what the slot says it was told; 0: not known. */
int source_check_identity(struct source *s, uint64_t *confirmed_lsn, struct err *err) TARN_MUST_CHECK;
/* The error for a server that was set back and has grown past what was taken from it. */
int source_other_history(const struct source *s, uint64_t commit_lsn, uint64_t taken_lsn, struct err *err);
int source_connect_replication(struct source *s, struct pg_conn **out, struct err *err) TARN_MUST_CHECK;
bool source_stopping(struct source *s);
void source_set_state(struct source *s, enum source_state state, const struct err *why); /* why NULL: no reason */
/* The state, and when it ends: then sleeps. */
void source_retry_later(struct source *s, enum source_state state, const struct err *why, int64_t us);
/* Sleeps, but not past a stop. */
void source_pause(struct source *s, int64_t us);

#endif
