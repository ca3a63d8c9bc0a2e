/* src/journal/journal_int.h — the journal's inside. For the files of journal/ only. */
#ifndef TARN_JOURNAL_JOURNAL_INT_H
#define TARN_JOURNAL_JOURNAL_INT_H

#include "base/env.h"
#include "base/thread.h"
#include "journal/relation_set.h"
#include "journal/segment.h"

struct segment {
	uint64_t number, base;
	uint64_t size;               /* of the file; of the last segment: what was written so far */
	struct journal_end previous; /* from its header */
};

/* Positions, in the order they are reached:
 *
 *   durable_pos <= commit_pos <= file_pos + out.n
 *
 *   durable_pos  what was synced; readers go as far
 *   commit_pos   behind the last COMMIT, or the last record outside a transaction
 *   file_pos     behind what the file has; out holds what comes next
 *
 * Owner of a field: "shared" ones are changed under the monitor (segments by the writer and by trim, the rest by the
 * writer) and read under it; the writer reads durable_pos without. No lock is held over reading, writing or syncing a
 * file, but trim_mutex is over unlink. */
struct journal {
	char *dir;
	struct journal_identity identity;
	uint64_t segment_bytes, max_bytes;
	bool read_only;
	int lock_fd;

	/* shared */
	struct monitor monitor;
	struct segment *segments; /* oldest first; the last is the one written */
	size_t n_segments, cap_segments;
	uint64_t durable_pos;
	struct journal_end durable_end;
	bool stopped;               /* readers; atomic */
	pthread_mutex_t trim_mutex; /* one trim at a time */

	/* writer */
	int fd; /* of the last segment */
	/* its position, and what its header says of the transactions before: trim moves segments about */
	uint64_t base;
	struct journal_end previous;
	uint64_t file_pos;
	struct wbuf out; /* finished records, and perhaps an open CHANGES record at the end */
	size_t block_at; /* offset in out of that, or NO_BLOCK */
	uint32_t block_changes;
	uint64_t commit_pos;
	struct journal_end end; /* last committed transaction that was not empty */
	bool tx_open;           /* between journal_begin and commit or rollback */
	bool tx_begun;          /* its BEGIN record was made (at the first change) */
	struct tx_head tx;
	uint64_t tx_pos; /* of BEGIN */
	uint32_t tx_chain;
	uint64_t tx_changes;
	struct relation_set relations; /* current ones by id */
	size_t n_unstored;             /* of them with RELATION_UNSTORED */
	uint32_t next_version;
	bool new_segment_wanted;
	bool disk_full;    /* the last write said so */
	bool wrote;        /* since open */
	struct err broken; /* code set: a write or sync failed in a way that cannot be repeated */
};

#define NO_BLOCK SIZE_MAX

/* Under the monitor, or while opening. */
static inline struct segment *journal_last_segment(const struct journal *journal)
{
	return &journal->segments[journal->n_segments - 1];
}

char *journal_segment_path(const char *dir, uint64_t base); /* owned; NULL: no memory */
int journal_list_segments(const char *dir, struct segment **out, size_t *n, size_t *cap, bool forgiving,
                          struct journal_identity *identity, uint32_t *next_version, struct err *err) TARN_MUST_CHECK;
/* fills segments, positions, relations; opens fd */
int journal_recover(struct journal *journal, struct err *err) TARN_MUST_CHECK;
/* outside a transaction, everything before synced */
int journal_new_segment(struct journal *journal, struct err *err) TARN_MUST_CHECK;
int journal_flush(struct journal *journal, bool limited, struct err *err) TARN_MUST_CHECK;
int journal_break(struct journal *journal, struct err *err); /* err becomes the journal's last word; answers its code */
uint64_t journal_file_bytes(const struct journal *journal);  /* of all segments; under the monitor */

#endif
