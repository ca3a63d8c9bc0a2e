/* src/journal/recovery.c — what the files say: the list of segments and the content of the last one (rules in
 * segment.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "journal/journal_int.h"
#include "journal/segment_scan.h"

#define LIST_TRIES 5 /* read-only: a server may trim while we look */

char *journal_segment_path(const char *dir, uint64_t base)
{
	size_t n = strlen(dir) + SEGMENT_NAME_MAX + 1;
	char *path = mem_alloc(n), name[SEGMENT_NAME_MAX];

	if (!path)
		return NULL;
	journal_segment_name(base, name);
	snprintf(path, n, "%s/%s", dir, name);
	return path;
}

static int look_at_segment(const char *dir, uint64_t base, struct segment *out, struct segment_header *header,
                           int *gone, struct err *err)
{
	char *path = journal_segment_path(dir, base);
	struct env_stat st = { 0 };
	int fd, rc, r;

	if (!path)
		return err_nomem(err);
	*gone = 0;
	fd = env_open(path, O_RDONLY, 0);
	if (fd < 0) {
		*gone = fd == -ENOENT;
		rc = err_set_errno(err, ERR_IO, fd, "cannot open the journal file %s", path);
		mem_free(path);
		return rc;
	}
	rc = journal_segment_read(fd, path, base, header, err);
	r = env_stat(path, &st);
	if (rc == 0 && r)
		rc = err_set_errno(err, ERR_IO, r, "cannot stat the journal file %s", path);
	*gone = r == -ENOENT;
	*out = (struct segment){ header->number, base, st.size, header->previous };
	env_close(fd);
	mem_free(path);
	return rc;
}

static int check_order(const char *dir, const struct segment *a, const struct segment *b, struct err *err)
{
	char name[SEGMENT_NAME_MAX];

	journal_segment_name(a->base, name);
	if (a->base + a->size != b->base || a->number + 1 != b->number)
		return err_set(
			err, ERR_CORRUPT,
			"%s/%s: offset %llu: the next journal file does not follow here (it starts at %llu); a file is missing or was cut",
			dir, name, (unsigned long long)a->size, (unsigned long long)(b->base - a->base));
	if (b->previous.commit_lsn < a->previous.commit_lsn)
		return err_set(err, ERR_CORRUPT, "%s/%s: the next journal file is older", dir, name);
	return ERR_OK;
}

static int list_once(const char *dir, char **names, size_t n_names, struct segment **out, size_t *n, size_t *cap,
                     struct journal_identity *identity, uint32_t *next_version, int *gone, struct err *err)
{
	struct segment_header header;
	uint64_t base;
	int rc;

	*n = 0;
	for (size_t i = 0; i < n_names; i++) {
		if (!journal_segment_parse_name(names[i], &base))
			continue;
		if (vec_grow(out, cap, *n + 1, sizeof **out))
			return err_nomem(err);
		rc = look_at_segment(dir, base, &(*out)[*n], &header, gone, err);
		if (rc)
			return rc;
		if (*n && (rc = check_order(dir, &(*out)[*n - 1], &(*out)[*n], err)))
			return rc;
		(*n)++;
		*identity = header.identity;
		*next_version = header.next_version;
	}
	return ERR_OK;
}

/* identity and next_version are the last segment's. forgiving: another process may be writing and trimming. */
int journal_list_segments(const char *dir, struct segment **out, size_t *n, size_t *cap, bool forgiving,
                          struct journal_identity *identity, uint32_t *next_version, struct err *err)
{
	char **names;
	size_t n_names;
	int rc, r, gone = 0;

	for (int try = 1;; try++) {
		r = env_list_dir(dir, &names, &n_names);
		*n = 0;
		if (r == -ENOMEM)
			return err_nomem(err);
		if (r)
			return err_set_errno(err, r == -ENOENT ? ERR_NOT_FOUND : ERR_IO, r,
			                     "cannot list the journal folder \"%s\"", dir);
		rc = list_once(dir, names, n_names, out, n, cap, identity, next_version, &gone, err);
		env_free_names(names, n_names);
		/* The writer grows its file and then makes the next one: between our two looks a file can have grown. */
		if (rc == 0 || !forgiving || try == LIST_TRIES || (rc != ERR_CORRUPT && !gone))
			return rc;
	}
}

static int load_relation(struct journal *journal, const struct segment_scan *scan, const struct record *record,
                         struct err *err)
{
	struct relation *rel;
	int rc = journal_record_relation(record, &rel, err);

	if (rc)
		return err_prefix(err, "%s: offset %llu", scan->path, (unsigned long long)(record->pos - scan->base));
	if (rel->version >= journal->next_version)
		journal->next_version = rel->version + 1;
	if (!journal_relations_put(&journal->relations, rel->id, rel, record->pos)) {
		relation_unref(rel);
		return err_nomem(err);
	}
	return ERR_OK;
}

/* Reads records up to scan->limit; on return commit_pos and end are those of the whole content found. *bad: it ended
 * before the limit, at scan->pos. */
static int read_content(struct journal *journal, struct segment_scan *scan, bool *bad, uint64_t *relation_pos,
                        struct err *err)
{
	struct tx_state tx = { 0 };
	enum scan_result result;
	struct record record;
	int rc;

	*bad = false;
	*relation_pos = 0;
	journal->commit_pos = scan->pos;
	journal->end = journal_last_segment(journal)->previous;
	for (;;) {
		rc = journal_scan_next(scan, &record, &result, err);
		if (rc)
			return rc;
		if (result == SCAN_RECORD) {
			scan->bad = journal_tx_follow(&tx, &record);
			if (scan->bad) {
				scan->pos = record.pos;
				result = SCAN_BAD;
			}
		}
		if (result == SCAN_BAD)
			*bad = true;
		if (result != SCAN_RECORD)
			return ERR_OK;
		if (record.kind == RECORD_RELATION) {
			*relation_pos = record.pos;
			rc = load_relation(journal, scan, &record, err);
			if (rc)
				return rc;
		}
		if (record.kind == RECORD_COMMIT)
			journal->end = (struct journal_end){ tx.head.commit_lsn, tx.head.end_lsn };
		if (!tx.open)
			journal->commit_pos = scan->pos;
	}
}

static int scan_last(struct journal *journal, int fd, const char *path, struct err *err)
{
	struct segment *last = journal_last_segment(journal);
	struct segment_scan scan;
	uint64_t relation_pos;
	bool bad, proven = false;
	int rc;

	journal_scan_init(&scan, fd, path, last->base, last->base + last->size);
	rc = read_content(journal, &scan, &bad, &relation_pos, err);
	if (rc == 0 && bad)
		rc = journal_scan_proves_synced(&scan, &proven, err);
	if (rc == 0 && proven)
		rc = journal_scan_corrupt(&scan, err);
	journal_scan_free(&scan);
	if (rc || relation_pos < journal->commit_pos)
		return rc;
	/* A relation of the tail that goes may have replaced one that stays: read them again without the tail. */
	journal_relations_free(&journal->relations);
	journal_scan_init(&scan, fd, path, last->base, journal->commit_pos);
	rc = read_content(journal, &scan, &bad, &relation_pos, err);
	journal_scan_free(&scan);
	return rc;
}

/* What is behind the content was never promised: it goes, and what stays, the file's name included, is made durable
 * before anybody is told about it (the process that wrote it may have died before its sync). */
static int cut_and_sync(struct journal *journal, const char *path, struct err *err)
{
	struct segment *last = journal_last_segment(journal);
	uint64_t size = journal->commit_pos - last->base;
	int r;

	if (last->size > size) {
		log_info("journal", "%s: %llu bytes of an unfinished transaction behind offset %llu are cut", path,
		         (unsigned long long)(last->size - size), (unsigned long long)size);
		r = env_ftruncate(journal->fd, size);
		if (r)
			return err_set_errno(err, ERR_IO, r, "cannot cut %s to %llu bytes", path,
			                     (unsigned long long)size);
		last->size = size;
	}
	r = env_fdatasync(journal->fd);
	if (r)
		return err_set_errno(err, ERR_IO, r, "cannot sync %s", path);
	r = env_sync_dir(journal->dir);
	if (r)
		return err_set_errno(err, ERR_IO, r, "cannot sync the journal folder \"%s\"", journal->dir);
	return ERR_OK;
}

int journal_recover(struct journal *journal, struct err *err)
{
	struct segment *last = journal_last_segment(journal);
	char *path = journal_segment_path(journal->dir, last->base);
	uint32_t next_version = journal->next_version;
	int rc;

	if (!path)
		return err_nomem(err);
	journal->fd = env_open(path, journal->read_only ? O_RDONLY : O_RDWR, 0);
	rc = journal->fd < 0 ? err_set_errno(err, ERR_IO, journal->fd, "cannot open the journal file %s", path)
	                     : scan_last(journal, journal->fd, path, err);
	if (rc == ERR_CORRUPT && journal->read_only) {
		/* The writer may have been in the middle of these bytes when we read them. */
		journal_relations_free(&journal->relations);
		journal->next_version = next_version;
		rc = scan_last(journal, journal->fd, path, err);
	}
	if (rc == 0 && !journal->read_only)
		rc = cut_and_sync(journal, path, err);
	mem_free(path);
	journal->base = last->base;
	journal->previous = last->previous;
	journal->file_pos = journal->durable_pos = journal->commit_pos;
	journal->durable_end = journal->end;
	return rc;
}
