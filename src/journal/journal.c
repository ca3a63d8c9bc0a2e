/* src/journal/journal.c — opening, closing and the writer.
 *
 * Records are made in `out` and go to the file in pieces of about BLOCK_BYTES: a small transaction costs no system
 * call of its own, a large one no memory. Invariants:
 *   1. A call that answers an error has changed nothing: it can be repeated. A full disk is met before anything is
 *      added.
 *   2. What a failed write may have left behind file_pos is cut at once.
 *   3. A failed sync (or a write that fails for another reason than space) breaks the journal: what the file holds
 *      behind durable_pos is unknown from then on, so it is cut, and only opening again goes on. Nobody was told
 *      about it: the source sends it again.
 *   4. A new segment starts only between transactions and after the old one was synced as a whole. */
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/journal_int.h"

#define OUT_KEEP_BYTES ((size_t)4 << 20) /* a larger buffer, made for one giant row, is given back */

/* --- opening --- */

static int take_lock(struct journal *journal, struct err *err)
{
	char path[4096], text[32] = "", line[32];
	int n = snprintf(path, sizeof path, "%s/LOCK", journal->dir);

	if (n >= (int)sizeof path)
		return err_set(err, ERR_USAGE, "the name of the journal folder \"%s\" is too long", journal->dir);
	journal->lock_fd = env_open(path, O_RDWR | O_CREAT, 0600);
	if (journal->lock_fd < 0)
		return err_set_errno(err, ERR_IO, journal->lock_fd, "cannot open %s", path);
	/* The lock goes with the process, so a file left by a dead one holds nobody up. */
	if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_set_errno(err, ERR_IO, errno, "cannot lock %s", path);
		if (env_pread(journal->lock_fd, text, sizeof text - 1, 0) < 0)
			text[0] = '\0';
		return err_set(err, ERR_LOCKED,
		               "the journal in \"%s\" is in use by another process (%s): stop that one first",
		               journal->dir,
		               text[0] ? str_copy(line, sizeof line, str_trim(str_of(text))) ? line : "?" : "unknown");
	}
	n = snprintf(text, sizeof text, "pid %d\n", (int)getpid());
	if (env_ftruncate(journal->lock_fd, 0) == 0)
		(void)!env_pwrite(journal->lock_fd, text, (size_t)n, 0); /* only for the message above */
	return ERR_OK;
}

static int compare_identity(struct journal *journal, const struct journal_identity *stored, struct err *err)
{
	const struct journal_identity *given = &journal->identity;

	if (strcmp(stored->source, given->source) != 0)
		return err_set(err, ERR_IDENTITY,
		               "the journal in \"%s\" belongs to the source \"%s\", not \"%s\"; nothing was changed",
		               journal->dir, stored->source, given->source);
	if (stored->system_id != given->system_id)
		return err_set(
			err, ERR_IDENTITY,
			"the journal in \"%s\" is of the server with system identifier %llu, but the source is now %llu: another server. Nothing was changed; "
			"give the source another name or move the journal away and copy the tables again",
			journal->dir, (unsigned long long)stored->system_id, (unsigned long long)given->system_id);
	if (stored->database_oid != given->database_oid)
		return err_set(
			err, ERR_IDENTITY,
			"the journal in \"%s\" is of the database with oid %u, but the source is now %u; nothing was changed",
			journal->dir, stored->database_oid, given->database_oid);
	if (stored->timeline > given->timeline)
		return err_set(
			err, ERR_IDENTITY,
			"the journal in \"%s\" has reached timeline %u, but the source is on %u: an old primary. Nothing was changed",
			journal->dir, stored->timeline, given->timeline);
	/* A promotion: the new timeline is written down with the next segment. */
	journal->new_segment_wanted = stored->timeline < given->timeline;
	return ERR_OK;
}

static int remove_temporary(struct journal *journal, struct err *err)
{
	char **names, path[4096];
	size_t n;
	int r = env_list_dir(journal->dir, &names, &n);

	if (r)
		return err_set_errno(err, ERR_IO, r, "cannot list the journal folder \"%s\"", journal->dir);
	for (size_t i = 0; i < n; i++)
		if (str_ends(str_of(names[i]), ".seg.tmp") &&
		    snprintf(path, sizeof path, "%s/%s", journal->dir, names[i]) < (int)sizeof path)
			env_unlink(path);
	env_free_names(names, n);
	return ERR_OK;
}

static int open_files(struct journal *journal, struct err *err)
{
	struct journal_identity stored;
	int rc, r;

	if (!journal->read_only) {
		r = env_mkdir_parents(journal->dir, 0700);
		if (r)
			return err_set_errno(err, ERR_IO, r, "cannot make the journal folder \"%s\"", journal->dir);
		rc = take_lock(journal, err);
		if (rc == 0)
			rc = remove_temporary(journal, err);
		if (rc)
			return rc;
	}
	rc = journal_list_segments(journal->dir, &journal->segments, &journal->n_segments, &journal->cap_segments,
	                           journal->read_only, &stored, &journal->next_version, err);
	if (rc)
		return rc;
	if (journal->n_segments == 0) {
		if (journal->read_only)
			return err_set(err, ERR_NOT_FOUND, "there is no journal in \"%s\"", journal->dir);
		return journal_new_segment(journal, err);
	}
	if (journal->read_only)
		journal->identity = stored;
	else if ((rc = compare_identity(journal, &stored, err)))
		return rc;
	return journal_recover(journal, err);
}

static void free_journal(struct journal *journal)
{
	if (journal->fd >= 0)
		env_close(journal->fd);
	if (journal->lock_fd >= 0)
		env_close(journal->lock_fd); /* the lock goes with it */
	journal_relations_free(&journal->relations);
	wbuf_free(&journal->out);
	pthread_mutex_destroy(&journal->trim_mutex);
	monitor_free(&journal->monitor);
	mem_free(journal->segments);
	mem_free(journal->dir);
	mem_free(journal);
}

int journal_open(struct journal **out, const struct journal_opts *opts, struct err *err)
{
	struct journal *journal = mem_zero(sizeof *journal);
	int rc;

	*out = NULL;
	if (!journal)
		return err_nomem(err);
	journal->fd = journal->lock_fd = -1;
	journal->identity = opts->identity;
	journal->identity.source[sizeof journal->identity.source - 1] = '\0';
	journal->segment_bytes = opts->segment_bytes ? opts->segment_bytes : (uint64_t)64 << 20;
	journal->max_bytes = opts->max_bytes ? opts->max_bytes : UINT64_MAX;
	journal->read_only = opts->read_only;
	journal->block_at = NO_BLOCK;
	journal->next_version = 1;
	monitor_init(&journal->monitor);
	pthread_mutex_init(&journal->trim_mutex, NULL);
	wbuf_init(&journal->out, RECORD_BYTES_MAX);
	journal->dir = mem_strdup(opts->dir);
	rc = journal->dir ? open_files(journal, err) : err_nomem(err);
	if (rc) {
		free_journal(journal);
		return rc;
	}
	*out = journal;
	return ERR_OK;
}

/* A mark says that all before it was synced: damage there is told from a torn tail for ever after. */
static void leave_mark(struct journal *journal)
{
	struct err err;
	size_t at;

	journal_rollback(journal);
	if (journal_sync(journal, &err)) {
		log_warn("journal", "at close: %s", err.text);
		return;
	}
	at = journal_record_start(&journal->out, RECORD_MARK);
	wbuf_put_u64_le(&journal->out, journal->durable_pos);
	journal_record_finish(&journal->out, at, journal->file_pos);
	if (wbuf_failed(&journal->out))
		return;
	journal->commit_pos = journal->file_pos + journal->out.n;
	if (journal_sync(journal, &err))
		log_warn("journal", "at close: %s", err.text);
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (!journal->read_only && !journal->broken.code && journal->wrote)
		leave_mark(journal);
	free_journal(journal);
}

struct journal_identity journal_identity(const struct journal *journal) { return journal->identity; }

int journal_set_timeline(struct journal *journal, uint32_t timeline, struct err *err)
{
	if (timeline < journal->identity.timeline)
		return err_set(err, ERR_IDENTITY,
		               "the journal in \"%s\" has reached timeline %u, but the source is on %u: an old primary",
		               journal->dir, journal->identity.timeline, timeline);
	journal->new_segment_wanted |= timeline > journal->identity.timeline;
	journal->identity.timeline = timeline;
	return ERR_OK;
}

/* --- writing --- */

int journal_break(struct journal *journal, struct err *err)
{
	if (!journal->broken.code)
		journal->broken = *err;
	return err->code;
}

static int check_usable(const struct journal *journal, struct err *err)
{
	if (journal->broken.code)
		return err_set(err, ERR_IO,
		               "the journal has stopped after an earlier failure and must be opened again (%s)",
		               journal->broken.text);
	if (journal->read_only)
		return err_set(err, ERR_BUG, "the journal in \"%s\" was opened for reading only", journal->dir);
	return ERR_OK;
}

static void file_path(const struct journal *journal, char *out, size_t n)
{
	char name[SEGMENT_NAME_MAX];

	journal_segment_name(journal->base, name);
	snprintf(out, n, "%s/%s", journal->dir, name);
}

/* Ends the open CHANGES record; one without changes (the first did not get in) goes. */
static void finish_block(struct journal *journal)
{
	uint32_t crc;

	if (journal->block_at == NO_BLOCK)
		return;
	if (journal->block_changes == 0) {
		journal->out.n = journal->block_at;
	} else {
		memcpy(journal->out.p + journal->block_at + RECORD_HEADER_BYTES, &journal->block_changes, 4);
		crc = journal_record_finish(&journal->out, journal->block_at, journal->file_pos);
		journal->tx_chain = crc32c(journal->tx_chain, &crc, 4);
	}
	journal->block_at = NO_BLOCK;
	journal->block_changes = 0;
}

/* The buffer refused (memory, or a row beyond the record's limit): what was begun at n goes, the rest stays. */
static int undo_append(struct journal *journal, size_t n, struct err *err, const char *what)
{
	int rc = wbuf_check(&journal->out, err, what);

	journal->out.failed = journal->out.over = false;
	journal->out.n = n;
	return rc;
}

uint64_t journal_file_bytes(const struct journal *journal)
{
	const struct segment *last = journal_last_segment(journal);

	return last->base + last->size - journal->segments[0].base;
}

/* Waiting can only help while there is something older than the segment being written. */
static int check_limit(struct journal *journal, uint64_t end_pos, struct err *err)
{
	bool full;

	monitor_lock(&journal->monitor);
	full = journal->n_segments > 1 && end_pos - journal->segments[0].base >= journal->max_bytes;
	monitor_unlock(&journal->monitor);
	if (!full)
		return ERR_OK;
	return err_set(
		err, ERR_LIMIT,
		"the journal in \"%s\" has reached its limit of %llu bytes; it goes on when older changes are applied",
		journal->dir, (unsigned long long)journal->max_bytes);
}

static int write_failed(struct journal *journal, int r, struct err *err)
{
	uint64_t size = journal->file_pos - journal->base;
	char path[4096];
	int rc, c;

	file_path(journal, path, sizeof path);
	rc = err_set_errno(err, ERR_IO, r, "%s: offset %llu: cannot write %zu bytes", path, (unsigned long long)size,
	                   journal->out.n);
	journal->disk_full = rc == ERR_DISK_FULL;
	c = env_ftruncate(journal->fd, size);
	if (c)
		rc = err_set_errno(err, ERR_IO, c == -ENOSPC ? -EIO : c,
		                   "%s: cannot cut a half-written block at offset %llu", path,
		                   (unsigned long long)size);
	return rc == ERR_IO ? journal_break(journal, err) : rc;
}

static int append_failpoint(struct err *err)
{
	(void)err;
	FAILPOINT_ERR("journal.append.before", err);
	return ERR_OK;
}

/* Moves out to the file. limited: mind max_bytes. */
int journal_flush(struct journal *journal, bool limited, struct err *err)
{
	int r, rc;

	finish_block(journal);
	if (journal->out.n == 0)
		return ERR_OK;
	if (limited && (rc = check_limit(journal, journal->file_pos + journal->out.n, err)))
		return rc;
	if (append_failpoint(err))
		return journal_break(journal, err);
	r = env_pwrite(journal->fd, journal->out.p, journal->out.n, journal->file_pos - journal->base);
	if (r)
		return write_failed(journal, r, err);
	FAILPOINT("journal.append.after_write");
	journal->disk_full = false;
	journal->wrote = true;
	journal->file_pos += journal->out.n;
	monitor_lock(&journal->monitor);
	journal_last_segment(journal)->size = journal->file_pos - journal->base;
	monitor_unlock(&journal->monitor);
	wbuf_reset(&journal->out);
	if (journal->out.cap > OUT_KEEP_BYTES)
		wbuf_free(&journal->out);
	return ERR_OK;
}

static int sync_file(struct journal *journal, struct err *err)
{
	uint64_t size = journal->durable_pos - journal->base;
	char path[4096], why[128];
	int r;

	FAILPOINT_ERR("journal.sync.before", err);
	r = env_fdatasync(journal->fd);
	if (r == 0) {
		FAILPOINT("journal.sync.after");
		return ERR_OK;
	}
	/* The kernel may have dropped the pages and call the next sync a success: what was not synced before is given
	 * up. Cutting it keeps recovery from believing a page that exists in memory only. Even "no space" is final
	 * here. */
	env_ftruncate(journal->fd, size);
	file_path(journal, path, sizeof path);
	err_set(err, ERR_IO,
	        "%s: the disk did not take the journal (fdatasync: %s); what was not confirmed is given up and asked from the source again",
	        path, strerror_r(-r, why, sizeof why));
	err->os_errno = -r;
	return ERR_IO;
}

int journal_sync(struct journal *journal, struct err *err)
{
	int rc = check_usable(journal, err);

	if (rc)
		return rc;
	if (journal->commit_pos > journal->file_pos && (rc = journal_flush(journal, false, err)))
		return rc;
	if (journal->commit_pos > journal->durable_pos && (rc = sync_file(journal, err)))
		return journal_break(journal, err);
	monitor_lock(&journal->monitor);
	journal->durable_pos = journal->commit_pos;
	journal->durable_end = journal->end;
	monitor_wake(&journal->monitor);
	monitor_unlock(&journal->monitor);
	return ERR_OK;
}

uint64_t journal_unsynced_bytes(const struct journal *journal) { return journal->commit_pos - journal->durable_pos; }

/* --- relations --- */

static int append_relation(struct journal *journal, struct relation_entry *entry, struct err *err)
{
	size_t at;
	uint32_t crc;

	finish_block(journal);
	at = journal_record_start(&journal->out, RECORD_RELATION);
	wbuf_put_u32_le(&journal->out, entry->rel->version);
	relation_encode(entry->rel, &journal->out);
	crc = journal_record_finish(&journal->out, at, journal->file_pos);
	if (wbuf_failed(&journal->out))
		return undo_append(journal, at, err, "a relation record");
	entry->pos = journal->file_pos + at;
	journal->n_unstored--;
	if (journal->tx_begun)
		journal->tx_chain = crc32c(journal->tx_chain, &crc, 4);
	else
		journal->commit_pos = journal->file_pos + journal->out.n;
	return ERR_OK;
}

static int append_unstored(struct journal *journal, struct err *err)
{
	int rc;

	for (size_t i = 0; journal->n_unstored && i < journal->relations.cap; i++) {
		struct relation_entry *entry = &journal->relations.entries[i];

		if (entry->rel && entry->pos == RELATION_UNSTORED && (rc = append_relation(journal, entry, err)))
			return rc;
	}
	return ERR_OK;
}

int journal_put_relation(struct journal *journal, struct relation *rel, struct err *err)
{
	struct relation_entry *entry = journal_relations_find(&journal->relations, rel->id);
	int rc = check_usable(journal, err);

	if (rc)
		return rc;
	if (journal->out.n >= BLOCK_BYTES && (rc = journal_flush(journal, true, err)))
		return rc;
	if (!entry || !relation_same_shape(entry->rel, rel)) {
		bool was_unstored = entry && entry->pos == RELATION_UNSTORED;

		entry = journal_relations_put(&journal->relations, rel->id, rel, RELATION_UNSTORED);
		if (!entry)
			return err_nomem(err);
		relation_ref(rel);
		rel->version = journal->next_version++;
		journal->n_unstored += !was_unstored;
	}
	rel->version = entry->rel->version;
	if (entry->pos != RELATION_UNSTORED)
		return ERR_OK;
	return append_relation(journal, entry, err);
}

/* --- transactions --- */

/* A segment that is long enough gets a successor; one at the journal's limit too, so that it can be trimmed when it
 * has been applied. */
static int before_transaction(struct journal *journal, struct err *err)
{
	bool full;
	int rc;

	monitor_lock(&journal->monitor);
	full = journal->commit_pos - journal->segments[0].base >= journal->max_bytes;
	monitor_unlock(&journal->monitor);
	if (journal->new_segment_wanted || journal->commit_pos - journal->base >= journal->segment_bytes ||
	    (full && journal->end.commit_lsn > journal->previous.commit_lsn)) {
		rc = journal_sync(journal, err);
		if (rc == 0)
			rc = journal_new_segment(journal, err);
		if (rc)
			return rc;
	}
	return full ? check_limit(journal, journal->commit_pos, err) : ERR_OK;
}

int journal_begin(struct journal *journal, const struct tx_head *head, struct err *err)
{
	int rc = check_usable(journal, err);
	char a[LSN_TEXT_MAX], b[LSN_TEXT_MAX];

	if (rc)
		return rc;
	if (journal->tx_open)
		return err_set(err, ERR_BUG, "journal: a transaction begins inside another");
	if (head->commit_lsn <= journal->end.commit_lsn)
		return err_set(err, ERR_BUG, "journal: transaction %s comes after %s", lsn_text(head->commit_lsn, a),
		               lsn_text(journal->end.commit_lsn, b));
	rc = before_transaction(journal, err);
	if (rc)
		return rc;
	journal->tx = *head;
	journal->tx_open = true;
	journal->tx_begun = false;
	journal->tx_changes = 0;
	return ERR_OK;
}

/* The BEGIN record, at the first change: an empty transaction leaves no trace. */
static int append_begin(struct journal *journal, struct err *err)
{
	size_t at;
	uint32_t crc;
	int rc = append_unstored(journal, err);

	if (rc)
		return rc;
	at = journal_record_start(&journal->out, RECORD_BEGIN);
	wbuf_put_u64_le(&journal->out, journal->tx.commit_lsn);
	wbuf_put_u64_le(&journal->out, (uint64_t)journal->tx.commit_ts_us);
	wbuf_put_u32_le(&journal->out, journal->tx.xid);
	wbuf_put_u64_le(&journal->out, journal->durable_pos);
	crc = journal_record_finish(&journal->out, at, journal->file_pos);
	if (wbuf_failed(&journal->out))
		return undo_append(journal, at, err, "a transaction");
	journal->tx_pos = journal->file_pos + at;
	journal->tx_chain = crc32c(0, &crc, 4);
	journal->tx_begun = true;
	return ERR_OK;
}

int journal_put_change(struct journal *journal, const struct change *change, struct err *err)
{
	struct wbuf *out = &journal->out;
	size_t at;
	int rc;

	if (__builtin_expect(!journal->tx_open || journal->broken.code, 0)) {
		rc = check_usable(journal, err);
		return rc ? rc : err_set(err, ERR_BUG, "journal: a change outside a transaction");
	}
	CHECK(change->rel->version, "relation %s was not put into the journal", change->rel->name);
	if (__builtin_expect(out->n >= BLOCK_BYTES, 0) && (rc = journal_flush(journal, true, err)))
		return rc;
	if (__builtin_expect(!journal->tx_begun, 0) && (rc = append_begin(journal, err)))
		return rc;
	at = out->n;
	if (journal->block_at == NO_BLOCK) {
		journal_record_start(out, RECORD_CHANGES);
		wbuf_put_u32_le(out, 0);
	}
	change_encode(change, out);
	if (__builtin_expect(wbuf_failed(out), 0))
		return undo_append(journal, at, err, "a row");
	if (journal->block_at == NO_BLOCK)
		journal->block_at = at;
	journal->block_changes++;
	journal->tx_changes++;
	return ERR_OK;
}

static int append_commit(struct journal *journal, const struct tx_head *head, struct err *err)
{
	size_t at;

	finish_block(journal);
	at = journal_record_start(&journal->out, RECORD_COMMIT);
	wbuf_put_u64_le(&journal->out, head->commit_lsn);
	wbuf_put_u64_le(&journal->out, head->end_lsn);
	wbuf_put_u64_le(&journal->out, (uint64_t)head->commit_ts_us);
	wbuf_put_u32_le(&journal->out, journal->tx.xid);
	wbuf_put_u64_le(&journal->out, journal->tx_changes);
	wbuf_put_u32_le(&journal->out, journal->tx_chain);
	journal_record_finish(&journal->out, at, journal->file_pos);
	if (wbuf_failed(&journal->out))
		return undo_append(journal, at, err, "a transaction");
	journal->commit_pos = journal->file_pos + journal->out.n;
	return ERR_OK;
}

int journal_commit(struct journal *journal, const struct tx_head *head, struct err *err)
{
	int rc = check_usable(journal, err);

	if (rc)
		return rc;
	if (!journal->tx_open || head->commit_lsn != journal->tx.commit_lsn)
		return err_set(err, ERR_BUG, "journal: a commit without its begin");
	if (journal->tx_changes == 0) {
		/* Were it told as the durable end, the source would be confirmed what the files do not know after a
		 * start: a gap that is none. */
		journal_rollback(journal);
		return journal->broken.code ? check_usable(journal, err) : ERR_OK;
	}
	if ((rc = append_commit(journal, head, err)))
		return rc;
	journal->tx_open = journal->tx_begun = false;
	journal->end = (struct journal_end){ head->commit_lsn, head->end_lsn };
	return ERR_OK;
}

static void cut_file(struct journal *journal, uint64_t pos)
{
	struct err err;
	int r;

	if (journal->broken.code)
		return; /* cut already, and shorter: this would fill it up with zeros */
	r = env_ftruncate(journal->fd, pos - journal->base);
	if (r) {
		err_set_errno(&err, ERR_IO, r, "the journal in \"%s\": cannot cut an unfinished transaction",
		              journal->dir);
		journal_break(journal, &err);
		return;
	}
	journal->file_pos = pos;
	monitor_lock(&journal->monitor);
	journal_last_segment(journal)->size = pos - journal->base;
	monitor_unlock(&journal->monitor);
}

void journal_rollback(struct journal *journal)
{
	if (!journal->tx_open)
		return;
	journal->tx_open = false;
	if (!journal->tx_begun)
		return;
	journal->tx_begun = false;
	journal->block_at = NO_BLOCK;
	journal->block_changes = 0;
	if (journal->tx_pos >= journal->file_pos) {
		journal->out.n = (size_t)(journal->tx_pos - journal->file_pos);
	} else {
		wbuf_reset(&journal->out);
		cut_file(journal, journal->tx_pos);
	}
	/* Relations that came inside stay current; their records are made again before the next change. */
	for (size_t i = 0; i < journal->relations.cap; i++) {
		struct relation_entry *entry = &journal->relations.entries[i];

		if (entry->rel && entry->pos != RELATION_UNSTORED && entry->pos >= journal->tx_pos) {
			entry->pos = RELATION_UNSTORED;
			journal->n_unstored++;
		}
	}
}
