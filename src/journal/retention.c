/* src/journal/retention.c — segments come and go: making the next one, removing applied ones, waiting for space. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/failpoint.h"
#include "base/mem.h"
#include "journal/journal_int.h"

#define RETRY_US INT64_C(250000) /* how often a full disk is tried again */

/* Header and current relations: what a new segment starts with. *positions get the relations' places in the order of
 * the set's slots. */
static int encode_start(struct journal *journal, const struct segment_header *header, struct wbuf *out, struct err *err)
{
	uint8_t bytes[SEGMENT_HEADER_BYTES];

	journal_segment_encode(header, bytes);
	wbuf_put(out, bytes, sizeof bytes);
	for (size_t i = 0; i < journal->relations.cap; i++) {
		const struct relation_entry *entry = &journal->relations.entries[i];
		size_t at;

		if (!entry->rel)
			continue;
		at = journal_record_start(out, RECORD_RELATION);
		wbuf_put_u32_le(out, entry->rel->version);
		relation_encode(entry->rel, out);
		journal_record_finish(out, at, header->base);
	}
	return wbuf_check(out, err, "the start of a journal file");
}

static int write_synced(const char *path, const struct wbuf *content, int *fd_out)
{
	int fd = env_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int r;

	if (fd < 0)
		return fd;
	r = env_pwrite(fd, content->p, content->n, 0);
	if (r == 0)
		r = env_fdatasync(fd);
	if (r) {
		env_close(fd);
		return r;
	}
	*fd_out = fd;
	return 0;
}

static int create_file(struct journal *journal, uint64_t base, const struct wbuf *content, int *fd, struct err *err)
{
	char path[4096], temp[4096 + 8], name[SEGMENT_NAME_MAX];
	int r, rc;

	journal_segment_name(base, name);
	if (snprintf(path, sizeof path, "%s/%s", journal->dir, name) >= (int)sizeof path)
		return err_set(err, ERR_USAGE, "the name of the journal folder \"%s\" is too long", journal->dir);
	snprintf(temp, sizeof temp, "%s.tmp", path);
	r = write_synced(temp, content, fd);
	if (r == 0) {
		r = env_rename(temp, path);
		if (r)
			env_close(*fd);
	}
	if (r) {
		env_unlink(temp);
		rc = err_set_errno(err, ERR_IO, r, "cannot make the journal file %s", path);
		journal->disk_full = rc == ERR_DISK_FULL;
		return rc == ERR_IO ? journal_break(journal, err) : rc;
	}
	FAILPOINT("journal.segment.created");
	r = env_sync_dir(journal->dir);
	if (r) {
		/* The name is there but may vanish with a power cut: not to be repeated under the same name, not to
		 * be used. */
		env_close(*fd);
		err_set_errno(err, ERR_IO, r, "cannot sync the journal folder \"%s\"", journal->dir);
		err->code = ERR_IO;
		return journal_break(journal, err);
	}
	return ERR_OK;
}

static void start_segment(struct journal *journal, const struct segment_header *header, int fd, uint64_t size)
{
	if (journal->fd >= 0)
		env_close(journal->fd);
	journal->fd = fd;
	journal->base = header->base;
	journal->previous = header->previous;
	monitor_lock(&journal->monitor);
	journal->segments[journal->n_segments++] =
		(struct segment){ header->number, header->base, size, header->previous };
	journal->file_pos = journal->commit_pos = journal->durable_pos = header->base + size;
	monitor_wake(&journal->monitor);
	monitor_unlock(&journal->monitor);
	for (size_t i = 0; i < journal->relations.cap; i++)
		journal->relations.entries[i].pos = header->base; /* stored, before any transaction */
	journal->n_unstored = 0;
	journal->new_segment_wanted = false;
	journal->wrote = true;
}

int journal_new_segment(struct journal *journal, struct err *err)
{
	struct segment_header header = { .number = 1,
		                         .previous = journal->end,
		                         .next_version = journal->next_version,
		                         .identity = journal->identity,
		                         .created_us = env_wall_us() };
	struct wbuf start;
	int rc, fd, grown;

	if (journal->fd >= 0) {
		CHECK(journal->durable_pos == journal->file_pos && journal->out.n == 0 && !journal->tx_begun,
		      "a journal segment ends unsynced");
		header.base = journal->file_pos;
	}
	monitor_lock(&journal->monitor);
	if (journal->n_segments)
		header.number = journal_last_segment(journal)->number + 1;
	grown = vec_grow(&journal->segments, &journal->cap_segments, journal->n_segments + 1,
	                 sizeof *journal->segments);
	monitor_unlock(&journal->monitor);
	if (grown)
		return err_nomem(err);
	wbuf_init(&start, 0);
	rc = encode_start(journal, &header, &start, err);
	if (rc == 0)
		rc = create_file(journal, header.base, &start, &fd, err);
	if (rc == 0)
		start_segment(journal, &header, fd, start.n);
	wbuf_free(&start);
	return rc;
}

struct journal_end journal_durable(struct journal *journal)
{
	struct journal_end end;

	monitor_lock(&journal->monitor);
	end = journal->durable_end;
	monitor_unlock(&journal->monitor);
	return end;
}

uint64_t journal_bytes(struct journal *journal)
{
	uint64_t n;

	monitor_lock(&journal->monitor);
	n = journal_file_bytes(journal);
	monitor_unlock(&journal->monitor);
	return n;
}

uint64_t journal_first_commit_lsn(struct journal *journal)
{
	uint64_t lsn;

	monitor_lock(&journal->monitor);
	lsn = journal->segments[0].previous.commit_lsn;
	monitor_unlock(&journal->monitor);
	return lsn;
}

int journal_segments(struct journal *journal, struct journal_segment **out, size_t *n, struct err *err)
{
	monitor_lock(&journal->monitor);
	*n = journal->n_segments;
	*out = mem_array(*n, sizeof **out);
	for (size_t i = 0; *out && i < *n; i++) {
		const struct segment *s = &journal->segments[i];

		(*out)[i] = (struct journal_segment){ .number = s->number,
			                              .position = s->base,
			                              .bytes = s->size,
			                              .after_lsn = s->previous.commit_lsn,
			                              .last_lsn = i + 1 < *n ? s[1].previous.commit_lsn
			                                                     : journal->durable_end.commit_lsn };
	}
	monitor_unlock(&journal->monitor);
	return *out ? ERR_OK : err_nomem(err);
}

/* The oldest segment, when the one behind it starts at or before lsn. */
static bool oldest_to_trim(struct journal *journal, uint64_t lsn, struct segment *out)
{
	bool found;

	monitor_lock(&journal->monitor);
	found = journal->n_segments > 1 && journal->segments[1].previous.commit_lsn <= lsn;
	*out = journal->segments[0];
	monitor_unlock(&journal->monitor);
	return found;
}

static int remove_file(struct journal *journal, uint64_t base, struct err *err)
{
	char *path = journal_segment_path(journal->dir, base);
	int r, rc = ERR_OK;

	if (!path)
		return err_nomem(err);
	r = env_unlink(path);
	if (r && r != -ENOENT)
		rc = err_set_errno(err, ERR_IO, r, "cannot remove the applied journal file %s", path);
	mem_free(path);
	/* Each removal is made durable before the next, so that a power cut never leaves a hole. */
	if (rc == 0 && (r = env_sync_dir(journal->dir)))
		rc = err_set_errno(err, ERR_IO, r, "cannot sync the journal folder \"%s\"", journal->dir);
	return rc;
}

int journal_trim(struct journal *journal, uint64_t commit_lsn, struct err *err)
{
	struct segment oldest;
	int rc = ERR_OK;

	pthread_mutex_lock(&journal->trim_mutex);
	while (rc == 0 && oldest_to_trim(journal, commit_lsn, &oldest)) {
		FAILPOINT("journal.trim.before_unlink");
		rc = remove_file(journal, oldest.base, err);
		if (rc)
			break;
		monitor_lock(&journal->monitor);
		journal->n_segments--;
		memmove(journal->segments, journal->segments + 1, journal->n_segments * sizeof *journal->segments);
		monitor_wake(&journal->monitor);
		monitor_unlock(&journal->monitor);
	}
	pthread_mutex_unlock(&journal->trim_mutex);
	return rc;
}

/* The limit lets the next append pass (check_limit). */
static bool has_room(const struct journal *journal)
{
	return journal->n_segments == 1 || journal_file_bytes(journal) + journal->out.n < journal->max_bytes;
}

bool journal_wait_space(struct journal *journal, int64_t timeout_us)
{
	int64_t end = env_mono_us() + timeout_us, left = timeout_us;
	struct err err;
	bool room;

	for (bool first = true;; first = false) {
		monitor_lock(&journal->monitor);
		room = has_room(journal);
		if (left > 0 && (!room || (journal->disk_full && first)))
			monitor_wait(&journal->monitor, left < RETRY_US ? left : RETRY_US);
		room = has_room(journal);
		monitor_unlock(&journal->monitor);
		if (room && (!journal->disk_full || journal_flush(journal, true, &err) != ERR_DISK_FULL))
			return true;
		left = end - env_mono_us();
		if (left <= 0)
			return false;
	}
}

void journal_stop_readers(struct journal *journal)
{
	monitor_lock(&journal->monitor);
	__atomic_store_n(&journal->stopped, true, __ATOMIC_RELAXED);
	monitor_wake(&journal->monitor);
	monitor_unlock(&journal->monitor);
}
