/* src/journal/journal.h — the durable local log of whole committed transactions of one source.
 *
 * Files: <dir>/NNNNNNNNNNNNNNNNNNNN.seg (first byte's position in the name), layout in journal/segment.h; <dir>/LOCK
 * holds an flock while open. Threads: one writer; any number of readers, each used by one thread. All functions below
 * say which side they belong to. Durable: what lies before journal_durable(); readers see nothing else, so they see
 * whole, synced transactions only. Order: transactions come with strictly growing commit_lsn; journal_begin refuses
 * another (ERR_BUG). Recovery (journal_open): the last segment is read from its start; the first record with a bad
 * checksum or length is the end of a torn tail and is cut, together with an unfinished transaction; a bad record in
 * an older segment, or one that a later record proves to have been synced, is ERR_CORRUPT naming file and offset.
 * What stays is synced, its name in the folder included, before journal_open returns. Space: when journal bytes pass max_bytes, or the disk is full, a
 * call answers ERR_LIMIT / ERR_DISK_FULL and has changed nothing; the writer keeps its transaction, waits
 * (journal_wait_space) and repeats the same call: back-pressure to the source. A transaction larger than max_bytes is
 * let through once everything before it is trimmed: no waiting could help it. So is ERR_NOMEM: repeat, or roll back.
 * Not offered: reading backwards, editing. */
#ifndef TARN_JOURNAL_JOURNAL_H
#define TARN_JOURNAL_JOURNAL_H

#include "event/change.h"

struct journal;
struct journal_reader;

/* Who the changes come from; stored in every segment header and compared at open (ERR_IDENTITY names both values). */
struct journal_identity {
	char source[64]; /* name in the configuration */
	uint64_t system_id;
	uint32_t timeline; /* may grow after a promotion: journal_set_timeline */
	uint32_t database_oid;
};

struct journal_opts {
	const char *dir; /* made when missing */
	struct journal_identity identity;
	uint64_t segment_bytes; /* a segment is closed at the first transaction end behind this */
	uint64_t max_bytes;     /* of all segments */
	bool read_only;         /* for `tarn journal`: no lock, no cutting, identity taken from the files */
};

struct journal_end {
	uint64_t commit_lsn, end_lsn;
}; /* of a transaction; zeros: none yet */

/* ERR_LOCKED when another process has it */
int journal_open(struct journal **out, const struct journal_opts *opts, struct err *err) TARN_MUST_CHECK;
void journal_close(struct journal *journal); /* readers must be closed first */
struct journal_identity journal_identity(const struct journal *journal);
/* After a promotion of the source; outside a transaction. ERR_IDENTITY when it would go back. Opening with a higher
 * timeline does the same. */
int journal_set_timeline(struct journal *journal, uint32_t timeline, struct err *err) TARN_MUST_CHECK;

/* --- writer --- */
/* Gives rel a version (rel->version) and stores it, unless an equal shape of the same id is current: then
 * rel->version is that one. Outside or inside a transaction. Each new segment starts with the current relations, so
 * it can be read alone. */
int journal_put_relation(struct journal *journal, struct relation *rel, struct err *err) TARN_MUST_CHECK;
int journal_begin(struct journal *journal, const struct tx_head *head, struct err *err) TARN_MUST_CHECK;
/* Adds a change; collected in memory and written in blocks of about 256 KiB, so memory does not grow with the
 * transaction. */
int journal_put_change(struct journal *journal, const struct change *change, struct err *err) TARN_MUST_CHECK;
/* Ends the transaction (head->end_lsn). Not yet durable. An empty transaction is dropped and moves nothing: what no
 * file tells must not be confirmed. */
int journal_commit(struct journal *journal, const struct tx_head *head, struct err *err) TARN_MUST_CHECK;
/* Forgets the open transaction (connection lost in the middle); none: nothing. What of it is in the file is cut; if that
 * fails, the next call says so. */
void journal_rollback(struct journal *journal);
/* fdatasync of everything committed; then journal_durable() moves and readers wake. After ERR_IO the journal refuses
 * all further writes: close, reopen (recovery) and ask the source again. */
int journal_sync(struct journal *journal, struct err *err) TARN_MUST_CHECK;
uint64_t journal_unsynced_bytes(const struct journal *journal);
/* True as soon as an append may succeed again. */
bool journal_wait_space(struct journal *journal, int64_t timeout_us);

/* --- any thread --- */
struct journal_end journal_durable(struct journal *journal);
uint64_t journal_bytes(struct journal *journal); /* on disk */
/* every transaction with a commit_lsn above this is still here (0: all since the start) */
uint64_t journal_first_commit_lsn(struct journal *journal);
/* The segments, oldest first; owned (mem_free). Transactions in one: after_lsn < commit_lsn <= last_lsn. */
struct journal_segment {
	uint64_t number, position, bytes, after_lsn, last_lsn;
};
int journal_segments(struct journal *journal, struct journal_segment **out, size_t *n, struct err *err) TARN_MUST_CHECK;
/* Allows removing segments that hold only transactions with commit_lsn <= lsn. Never goes back. The last segment stays. */
int journal_trim(struct journal *journal, uint64_t commit_lsn, struct err *err) TARN_MUST_CHECK;

/* --- readers --- */
enum journal_event { JOURNAL_TIMEOUT, JOURNAL_BEGIN, JOURNAL_CHANGE, JOURNAL_COMMIT, JOURNAL_CLOSED };

/* Starts at the first transaction with commit_lsn > after_lsn. ERR_GAP when trimmed past that. bind (may be NULL) is
 * called for each relation read, to bind put functions. */
int journal_reader_open(struct journal *journal, uint64_t after_lsn, int (*bind)(struct relation *rel, struct err *err),
                        struct journal_reader **out, struct err *err) TARN_MUST_CHECK;
void journal_reader_close(struct journal_reader *reader);
/* The next event: BEGIN fills head; CHANGE fills change (valid until the next call; its relation until the reader
 * closes); COMMIT fills head with end_lsn. Waits up to timeout_us for a durable transaction; JOURNAL_CLOSED from any
 * call after journal_stop_readers. ERR_CORRUPT names file and offset. */
int journal_read(struct journal_reader *reader, int64_t timeout_us, enum journal_event *event, struct tx_head *head,
                 struct change *change, struct err *err) TARN_MUST_CHECK;
void journal_stop_readers(struct journal *journal);
/* File and offset of the last event, for messages. */
const char *journal_reader_place(const struct journal_reader *reader, char *buf, size_t n);

/* Reads every byte of every segment: counts, and the first fault with file and offset (ERR_CORRUPT). */
struct journal_check {
	uint64_t segments, bytes, records, transactions, changes;
	uint64_t first_commit_lsn, last_commit_lsn;
};
int journal_check(const char *dir, struct journal_check *out, struct err *err) TARN_MUST_CHECK;

#endif
