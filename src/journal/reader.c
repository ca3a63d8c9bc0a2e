/* src/journal/reader.c — whole, synced transactions in order, from one segment to the next. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal/journal_int.h"
#include "journal/segment_scan.h"

struct journal_reader {
	struct journal *journal;
	int (*bind)(struct relation *rel, struct err *err);
	uint64_t after_lsn;              /* transactions up to here are passed over */
	struct relation_set relations;   /* by version */
	const struct relation *last_rel; /* the last one found: most changes have the relation of the one before */
	struct change_scratch scratch;
	char *path; /* of the segment; owned */
	int fd;
	struct segment_scan scan;
	struct tx_state tx;
	bool passing;        /* inside a transaction nobody wants */
	struct rbuf changes; /* rest of a CHANGES record */
	uint32_t n_left;     /* changes in it */
	uint64_t ordinal;
	uint64_t place; /* position of the last event's record */
};

/* --- segments --- */

static void leave_segment(struct journal_reader *reader)
{
	journal_scan_free(&reader->scan);
	if (reader->fd >= 0)
		env_close(reader->fd);
	reader->fd = -1;
	mem_free(reader->path);
	reader->path = NULL;
}

static int enter_segment(struct journal_reader *reader, uint64_t base, struct err *err)
{
	struct segment_header header;
	int rc;

	leave_segment(reader);
	reader->path = journal_segment_path(reader->journal->dir, base);
	if (!reader->path)
		return err_nomem(err);
	journal_scan_init(&reader->scan, -1, reader->path, base, base);
	reader->fd = env_open(reader->path, O_RDONLY, 0);
	if (reader->fd == -ENOENT)
		return err_set(err, ERR_GAP, "%s was removed before it was read", reader->path);
	if (reader->fd < 0)
		return err_set_errno(err, ERR_IO, reader->fd, "cannot open the journal file %s", reader->path);
	rc = journal_segment_read(reader->fd, reader->path, base, &header, err);
	journal_scan_init(&reader->scan, reader->fd, reader->path, base, base + SEGMENT_HEADER_BYTES);
	reader->place = reader->scan.pos;
	return rc;
}

static int gap(struct journal_reader *reader, uint64_t first, struct err *err)
{
	char a[LSN_TEXT_MAX], b[LSN_TEXT_MAX];

	return err_set(
		err, ERR_GAP,
		"the journal in \"%s\" starts behind %s, but changes from %s on are wanted: the table has to be copied again",
		reader->journal->dir, lsn_text(first, a), lsn_text(reader->after_lsn, b));
}

/* The last segment that starts at or before after_lsn. */
static int find_start(struct journal_reader *reader, uint64_t *base, struct err *err)
{
	struct journal *journal = reader->journal;
	uint64_t first;
	size_t i;

	monitor_lock(&journal->monitor);
	first = journal->segments[0].previous.commit_lsn;
	for (i = journal->n_segments - 1; i > 0 && journal->segments[i].previous.commit_lsn > reader->after_lsn; i--)
		;
	*base = journal->segments[i].base;
	monitor_unlock(&journal->monitor);
	return first > reader->after_lsn ? gap(reader, first, err) : ERR_OK;
}

int journal_reader_open(struct journal *journal, uint64_t after_lsn, int (*bind)(struct relation *rel, struct err *err),
                        struct journal_reader **out, struct err *err)
{
	struct journal_reader *reader = mem_zero(sizeof *reader);
	uint64_t base;
	int rc;

	*out = NULL;
	if (!reader)
		return err_nomem(err);
	reader->journal = journal;
	reader->after_lsn = after_lsn;
	reader->bind = bind;
	reader->fd = -1;
	rc = find_start(reader, &base, err);
	if (rc == 0)
		rc = enter_segment(reader, base, err);
	if (rc) {
		journal_reader_close(reader);
		return rc;
	}
	*out = reader;
	return ERR_OK;
}

void journal_reader_close(struct journal_reader *reader)
{
	if (!reader)
		return;
	leave_segment(reader);
	journal_relations_free(&reader->relations);
	change_scratch_free(&reader->scratch);
	mem_free(reader);
}

const char *journal_reader_place(const struct journal_reader *reader, char *buf, size_t n)
{
	snprintf(buf, n, "%s: offset %llu", reader->path ? reader->path : reader->journal->dir,
	         (unsigned long long)(reader->place - reader->scan.base));
	return buf;
}

/* --- what may be read --- */

enum supply { SUPPLY_MORE, SUPPLY_NEXT, SUPPLY_NONE, SUPPLY_LOST };

/* The segment was trimmed while we are in it; under the monitor. What follows in it may be relations and marks only
 * (a trim up to the transaction we have just given out), or still be wanted: the open file can be read to its end. */
static enum supply supply_of_trimmed(struct journal_reader *reader, uint64_t *next)
{
	struct journal *journal = reader->journal;
	off_t size;

	if (!reader->tx.open && journal->segments[0].previous.commit_lsn <= reader->after_lsn) {
		*next = journal->segments[0].base;
		return SUPPLY_NEXT;
	}
	size = lseek(reader->fd, 0, SEEK_END);
	if (size > 0 && reader->scan.pos < reader->scan.base + (uint64_t)size) {
		reader->scan.limit = reader->scan.base + (uint64_t)size;
		return SUPPLY_MORE;
	}
	*next = reader->scan.pos;
	return journal->segments[0].base == *next ? SUPPLY_NEXT : SUPPLY_LOST;
}

/* How far this segment may be read, and which is the next; under the monitor. */
static enum supply supply_of(struct journal_reader *reader, uint64_t *next)
{
	struct journal *journal = reader->journal;

	for (size_t i = 0; i < journal->n_segments; i++) {
		const struct segment *s = &journal->segments[i];
		bool last = i + 1 == journal->n_segments;

		if (s->base != reader->scan.base)
			continue;
		reader->scan.limit = *next = last ? journal->durable_pos : s[1].base;
		if (reader->scan.pos < reader->scan.limit)
			return SUPPLY_MORE;
		return last ? SUPPLY_NONE : SUPPLY_NEXT;
	}
	return supply_of_trimmed(reader, next);
}

/* Waits until there is something behind scan.pos. *event: JOURNAL_CHANGE (there is), JOURNAL_TIMEOUT, JOURNAL_CLOSED. */
static int wait_for_more(struct journal_reader *reader, int64_t timeout_us, enum journal_event *event, struct err *err)
{
	struct journal *journal = reader->journal;
	int64_t start = timeout_us > 0 ? env_mono_us() : 0, left = timeout_us;
	enum supply supply;
	uint64_t next;

	monitor_lock(&journal->monitor);
	while ((supply = supply_of(reader, &next)) == SUPPLY_NONE && !journal->stopped && left != 0) {
		if (!monitor_wait(&journal->monitor, left))
			left = 0;
		else if (timeout_us > 0 && (left = timeout_us - (env_mono_us() - start)) < 0)
			left = 0;
	}
	monitor_unlock(&journal->monitor);
	*event = JOURNAL_CHANGE;
	switch (supply) {
	case SUPPLY_MORE: break;
	case SUPPLY_NEXT: return enter_segment(reader, next, err);
	case SUPPLY_NONE:
		*event = __atomic_load_n(&journal->stopped, __ATOMIC_RELAXED) ? JOURNAL_CLOSED : JOURNAL_TIMEOUT;
		break;
	case SUPPLY_LOST:
		return err_set(err, ERR_GAP, "the journal file behind %s was removed before it was read", reader->path);
	}
	return ERR_OK;
}

/* --- records --- */

static int corrupt(struct journal_reader *reader, const char *why, struct err *err)
{
	reader->scan.pos = reader->place;
	reader->scan.bad = why;
	return journal_scan_corrupt(&reader->scan, err);
}

static int take_relation(struct journal_reader *reader, const struct record *record, struct err *err)
{
	uint32_t version = journal_record_version(record);
	char place[4200];
	struct relation *rel;
	int rc;

	if (journal_relations_find(&reader->relations, version))
		return ERR_OK; /* each segment repeats the current ones */
	rc = journal_record_relation(record, &rel, err);
	if (rc)
		return err_prefix(err, "%s", journal_reader_place(reader, place, sizeof place));
	rc = reader->bind ? reader->bind(rel, err) : ERR_OK;
	if (rc == 0 && !journal_relations_put(&reader->relations, version, rel, record->pos))
		rc = err_nomem(err);
	if (rc)
		relation_unref(rel);
	return rc;
}

static const struct relation *find_relation(void *ctx, uint32_t version)
{
	struct journal_reader *reader = ctx;
	struct relation_entry *entry;

	if (reader->last_rel && reader->last_rel->version == version)
		return reader->last_rel;
	entry = journal_relations_find(&reader->relations, version);
	if (!entry)
		return NULL;
	reader->last_rel = entry->rel;
	return entry->rel;
}

static int next_change(struct journal_reader *reader, struct change *change, struct err *err)
{
	char place[4200];
	int rc = change_decode(&reader->changes, &reader->scratch, find_relation, reader, change, err);

	if (rc)
		return rc == ERR_CORRUPT ? err_prefix(err, "%s", journal_reader_place(reader, place, sizeof place))
		                         : rc;
	change->ordinal = reader->ordinal++;
	reader->n_left--;
	if (reader->n_left == 0 && !rbuf_done(&reader->changes))
		return corrupt(reader, "a block of changes is longer than its changes", err);
	return ERR_OK;
}

/* One record; *event JOURNAL_TIMEOUT: nothing to tell, go on. */
static int take_record(struct journal_reader *reader, const struct record *record, enum journal_event *event,
                       struct tx_head *head, struct err *err)
{
	const char *bad = journal_tx_follow(&reader->tx, record);

	*event = JOURNAL_TIMEOUT;
	if (bad)
		return corrupt(reader, bad, err);
	switch (record->kind) {
	case RECORD_RELATION: return take_relation(reader, record, err);
	case RECORD_BEGIN:
		reader->passing = reader->scan.skip_changes = reader->tx.head.commit_lsn <= reader->after_lsn;
		reader->ordinal = 0;
		*head = reader->tx.head;
		if (!reader->passing)
			*event = JOURNAL_BEGIN;
		break;
	case RECORD_CHANGES:
		if (reader->passing)
			break;
		reader->changes = rbuf_of(record->payload, record->n);
		reader->n_left = rbuf_u32_le(&reader->changes);
		if (reader->n_left == 0)
			return corrupt(reader, "an empty block of changes", err);
		break;
	case RECORD_COMMIT:
		*head = reader->tx.head;
		if (reader->passing)
			break;
		if (head->n_changes != reader->ordinal)
			return corrupt(reader, "a transaction has another number of changes than its end says", err);
		reader->after_lsn = head->commit_lsn;
		*event = JOURNAL_COMMIT;
		break;
	case RECORD_MARK: break;
	}
	return ERR_OK;
}

int journal_read(struct journal_reader *reader, int64_t timeout_us, enum journal_event *event, struct tx_head *head,
                 struct change *change, struct err *err)
{
	enum scan_result result;
	struct record record;
	int rc;

	for (;;) {
		if (__atomic_load_n(&reader->journal->stopped, __ATOMIC_RELAXED)) {
			*event = JOURNAL_CLOSED;
			return ERR_OK;
		}
		if (reader->n_left) {
			*event = JOURNAL_CHANGE;
			return next_change(reader, change, err);
		}
		if (reader->scan.pos >= reader->scan.limit) {
			rc = wait_for_more(reader, timeout_us, event, err);
			if (rc || *event != JOURNAL_CHANGE)
				return rc;
			continue;
		}
		rc = journal_scan_next(&reader->scan, &record, &result, err);
		if (rc)
			return rc;
		reader->place = result == SCAN_RECORD ? record.pos : reader->scan.pos;
		if (result == SCAN_BAD)
			return journal_scan_corrupt(&reader->scan, err);
		rc = take_record(reader, &record, event, head, err);
		if (rc || *event != JOURNAL_TIMEOUT)
			return rc;
	}
}
