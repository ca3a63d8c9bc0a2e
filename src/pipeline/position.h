/* src/pipeline/position.h — the one place that computes what may be confirmed to the source's slot.
 *
 * Received, journaled, applied, published and confirmed are different positions. Confirmed = end LSN of the newest
 * transaction that, with all before it, is durable in the journal (ack: journal) or in published tables (ack:
 * publish). With nothing pending, a keepalive's walEnd may be confirmed, after it was stored durably in <dir>/KNOWN,
 * so that a later start can tell "we acknowledged this" from "somebody moved the slot". Never backwards. Thread-safe. */
#ifndef TARN_PIPELINE_POSITION_H
#define TARN_PIPELINE_POSITION_H

#include "base/err.h"
#include "journal/journal.h"

struct position;

/* dir: the journal's folder. Reads KNOWN when it is there. */
int position_open(const char *dir, bool ack_publish, struct journal_end durable, struct position **out,
                  struct err *err) TARN_MUST_CHECK;
void position_close(struct position *position);

/* oldest_us: commit time of the oldest transaction received, whole or in part, that is not durable yet; 0: all are. */
void position_received(struct position *position, uint64_t wal_end, int64_t oldest_us);
/* fdatasync returned; oldest_us: of those received since. */
void position_journaled(struct position *position, struct journal_end durable, int64_t oldest_us);
/* All transactions that end at or before wal_end were delivered and are durable here. Stores KNOWN when it is time
 * (force: now). */
int position_idle(struct position *position, uint64_t wal_end, bool force, struct err *err) TARN_MUST_CHECK;
/* The tables are read from here on: one that was just copied may stand below what the others had published. */
void position_restart(struct position *position, uint64_t commit_lsn);
void position_applied(struct position *position, uint64_t commit_lsn);
/* The first transaction read from the journal since the last publish. */
void position_applying(struct position *position, int64_t commit_ts_us);
/* commit_ts_us: of the transaction at commit_lsn; 0: not known. */
void position_published(struct position *position, uint64_t commit_lsn, uint64_t end_lsn, int64_t commit_ts_us);

uint64_t position_confirmable(struct position *position);
/* Where to start streaming: everything that ends at or before this is ours. */
uint64_t position_known(struct position *position);
/* Where a fresh journal begins: tables whose position + 1 is below it have a gap. Stored durably in FLOOR; 0: the
 * journal began before that was kept. */
int position_set_floor(struct position *position, uint64_t lsn, struct err *err) TARN_MUST_CHECK;
uint64_t position_floor(struct position *position);
/* How far the lake is known to equal the source: every transaction with commit LSN < this is in published tables. */
uint64_t position_lake(struct position *position);
struct position_view {
	uint64_t received, journaled_commit, journaled_end, applied, published, confirmable, known, lake;
	/* Commit time of the oldest commit received that is not published; 0: all are. Exact once the apply thread has
	 * come to it; in between it may be as old as the newest one that is published. */
	int64_t oldest_us;
};
void position_view(struct position *position, struct position_view *out);

#endif
