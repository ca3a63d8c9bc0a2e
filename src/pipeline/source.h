/* src/pipeline/source.h — capture of one PostgreSQL source: its threads, identity, slot, journal.
 *
 * source_open checks everything that must hold before a byte moves (identity card, publication, slot, journal) and
 * makes what is missing: publication first, then slot. source_start starts the capture thread, which connects,
 * streams into the journal, syncs in groups, and reconnects with a growing delay after transient errors. A permanent
 * error puts the source in a named stop state; it is tried again slowly, so that it goes on when somebody mends it.
 * The journal and the position outlive reconnects. */
#ifndef TARN_PIPELINE_SOURCE_H
#define TARN_PIPELINE_SOURCE_H

#include "config/config.h"
#include "journal/journal.h"
#include "pg/pg_catalog.h"
#include "pipeline/position.h"

struct source;

enum source_state { SOURCE_CONNECTING, SOURCE_STREAMING, SOURCE_WAITING_SPACE, SOURCE_STOPPED };
const char *source_state_name(enum source_state state);

struct source_view {
	enum source_state state;
	char reason[ERR_TEXT_MAX]; /* last error while not streaming */
	int64_t next_try_us;       /* wall time of the next attempt; 0: none is waited for */
	char label[256];           /* "tarn@localhost:5432/bank" */
	struct position_view position;
	uint64_t transactions, changes, journal_bytes;
	/* seen when the source was opened, then by the monitor connection; 0 unknown */
	uint64_t current_wal_lsn, slot_retained_bytes, slot_confirmed_lsn;
	int64_t slot_safe_bytes;
	char slot_wal_status[16];
	int64_t last_commit_ts_us; /* source's commit time of the newest journaled transaction */
};

int source_open(const struct config *config, const struct config_source *source, struct source **out,
                struct err *err) TARN_MUST_CHECK;
int source_start(struct source *source, struct err *err) TARN_MUST_CHECK;
void source_stop(struct source *source); /* asks and waits: journal synced, last status sent */
void source_close(struct source *source);

/* The journal failed (a sync that did not return success): the process must end and start again from what is durable. */
bool source_fatal(struct source *source, struct err *why);
/* The server or the slot is not what it was (another cluster, a promotion, a slot that was dropped or moved): capture
 * has ended, and the source must be closed and opened again, which decides what follows. */
bool source_must_reopen(struct source *source);
const char *source_name(const struct source *source);
struct journal *source_journal(struct source *source);
struct position *source_position(struct source *source);
struct journal_identity source_identity(const struct source *source);
void source_view(struct source *source, struct source_view *out);

/* The tables found at open (relations bound); borrowed until close. */
const struct pg_tables *source_tables(const struct source *source);
/* The i-th of them was dropped at the source, seen at this WAL position; 0: it is there. */
uint64_t source_table_gone(struct source *source, size_t i);
/* It was outside the publication, seen at this WAL position, so what was written of it before may lack changes, also
 * when it is in the publication again. 0: never seen so. Outlives restarts. */
uint64_t source_table_outside(struct source *source, size_t i);
/* One seen so is left as it stands, with commits up to published_lsn: one that was put back before anybody looked may
 * have changes from behind. Durable on return. */
int source_table_left(struct source *source, size_t i, uint64_t published_lsn, struct err *err) TARN_MUST_CHECK;
/* One that was copied at copy_lsn goes on: it is not left, if that is behind where it was seen so. */
int source_table_copied(struct source *source, size_t i, uint64_t copy_lsn, struct err *err) TARN_MUST_CHECK;
/* A consistent copy's view: a snapshot exported by the permanent slot when open made it and nobody has taken it yet,
 * else by a temporary slot. The export lives until source_export_end. */
struct source_export {
	struct pg_conn *conn;
	struct pg_export export_;
};
int source_export_begin(struct source *source, struct source_export *out, struct err *err) TARN_MUST_CHECK;
void source_export_end(struct source *source, struct source_export *out);
/* A plain connection to the source; the caller closes it. */
int source_connect(struct source *source, struct pg_conn **out, struct err *err) TARN_MUST_CHECK;
/* The same, with a time limit of the caller's for the connection to stand. */
int source_connect_within(struct source *source, int seconds, struct pg_conn **out, struct err *err) TARN_MUST_CHECK;
/* Where the server's write-ahead log ended when the source was opened. */
uint64_t source_wal_at_open(const struct source *source);
/* Known to have been confirmed further than we ever did: changes are missing (ERR_GAP text), else NULL. Decided at
 * open. */
const char *source_gap(const struct source *source);

#endif
