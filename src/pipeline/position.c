/* src/pipeline/position.c — positions of one source and what follows from them.
 *
 * Invariants: confirmable never decreases; confirmable <= end LSN of what is durable (journal or tables) or a stored
 * idle position; idle is only taken when every transaction delivered before it is durable. */
#include "pipeline/position.h"

#include <errno.h>
#include <stdio.h>

#include "base/crc.h"
#include "base/env.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/thread.h"

#define KNOWN_EVERY_US 5000000 /* an idle position is worth one file write in five seconds */

struct position {
	struct monitor lock;
	char known_path[4096], floor_path[4096];
	bool ack_publish;
	struct position_view v;
	uint64_t idle;        /* newest walEnd with nothing pending */
	uint64_t idle_stored; /* of that, durable in KNOWN */
	int64_t stored_us;
	uint64_t published_end;
	uint64_t floor;
};

#define LINE_MAX_BYTES 64

/* KNOWN and FLOOR: one line "lsn <lsn> <crc32c of the text before>", written and read to the byte. A missing file is 0. */
static size_t line_of(uint64_t lsn, char line[LINE_MAX_BYTES])
{
	int n = snprintf(line, LINE_MAX_BYTES, "lsn %X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);

	return (size_t)(n + snprintf(line + n, LINE_MAX_BYTES - (size_t)n, " %08x\n", crc32c(0, line, (size_t)n)));
}

static int read_lsn(const char *path, uint64_t *lsn, struct err *err)
{
	char *text, line[LINE_MAX_BYTES];
	size_t n;
	unsigned hi, lo;
	bool same = false;
	int rc = env_read_file(path, LINE_MAX_BYTES, &text, &n);

	*lsn = 0;
	if (rc == -ENOENT)
		return ERR_OK;
	if (rc < 0 && rc != -EFBIG)
		return err_set_errno(err, ERR_IO, -rc, "cannot read '%s'", path);
	if (rc >= 0) {
		if (sscanf(text, "lsn %8X/%8X ", &hi, &lo) == 2)
			*lsn = (uint64_t)hi << 32 | lo;
		same = n == line_of(*lsn, line) && memcmp(text, line, n) == 0;
		mem_free(text);
	}
	return same ? ERR_OK
	            : err_set(err, ERR_CORRUPT, "'%s' is damaged; remove it to go on from the journal's own end", path);
}

static int write_lsn(const char *path, uint64_t lsn, struct err *err)
{
	char line[LINE_MAX_BYTES];
	int rc = env_write_file_atomic(path, line, line_of(lsn, line), 0644);

	return rc < 0 ? err_set_errno(err, ERR_IO, -rc, "cannot write '%s'", path) : ERR_OK;
}

int position_open(const char *dir, bool ack_publish, struct journal_end durable, struct position **out, struct err *err)
{
	struct position *p = mem_zero(sizeof *p);
	int rc;

	if (!p)
		return err_nomem(err);
	monitor_init(&p->lock);
	p->ack_publish = ack_publish;
	snprintf(p->known_path, sizeof p->known_path, "%.4080s/KNOWN", dir);
	snprintf(p->floor_path, sizeof p->floor_path, "%.4080s/FLOOR", dir);
	p->v.journaled_commit = durable.commit_lsn;
	p->v.journaled_end = durable.end_lsn;
	rc = read_lsn(p->known_path, &p->idle_stored, err);
	if (!rc)
		rc = read_lsn(p->floor_path, &p->floor, err);
	p->idle = p->idle_stored;
	if (rc) {
		position_close(p);
		return rc;
	}
	*out = p;
	return ERR_OK;
}

void position_close(struct position *p)
{
	if (!p)
		return;
	monitor_free(&p->lock);
	mem_free(p);
}

int position_set_floor(struct position *p, uint64_t lsn, struct err *err)
{
	int rc = write_lsn(p->floor_path, lsn, err);

	if (!rc)
		p->floor = lsn;
	return rc;
}

uint64_t position_floor(struct position *p) { return p->floor; }

static void raise_to(uint64_t *at, uint64_t lsn)
{
	if (lsn > *at)
		*at = lsn;
}

void position_received(struct position *p, uint64_t wal_end)
{
	monitor_lock(&p->lock);
	raise_to(&p->v.received, wal_end);
	monitor_unlock(&p->lock);
}

void position_journaled(struct position *p, struct journal_end durable)
{
	monitor_lock(&p->lock);
	raise_to(&p->v.journaled_commit, durable.commit_lsn);
	raise_to(&p->v.journaled_end, durable.end_lsn);
	monitor_unlock(&p->lock);
}

int position_idle(struct position *p, uint64_t wal_end, bool force, struct err *err)
{
	int64_t now = env_mono_us();
	bool store;
	int rc = ERR_OK;

	monitor_lock(&p->lock);
	raise_to(&p->idle, wal_end);
	wal_end = p->idle;
	store = wal_end > p->idle_stored && wal_end > p->v.journaled_end &&
	        (force || now - p->stored_us >= KNOWN_EVERY_US);
	monitor_unlock(&p->lock);
	if (!store)
		return ERR_OK;
	FAILPOINT("position.known.before_write");
	rc = write_lsn(p->known_path, wal_end, err);
	if (rc)
		return rc;
	FAILPOINT("position.known.after_write");
	monitor_lock(&p->lock);
	raise_to(&p->idle_stored, wal_end);
	p->stored_us = now;
	monitor_unlock(&p->lock);
	return ERR_OK;
}

void position_restart(struct position *p, uint64_t commit_lsn)
{
	monitor_lock(&p->lock);
	p->v.applied = p->v.published = commit_lsn;
	monitor_unlock(&p->lock);
}

void position_applied(struct position *p, uint64_t commit_lsn)
{
	monitor_lock(&p->lock);
	raise_to(&p->v.applied, commit_lsn);
	monitor_unlock(&p->lock);
}

void position_published(struct position *p, uint64_t commit_lsn, uint64_t end_lsn)
{
	monitor_lock(&p->lock);
	raise_to(&p->v.published, commit_lsn);
	raise_to(&p->published_end, end_lsn);
	monitor_unlock(&p->lock);
}

static uint64_t known(const struct position *p)
{
	return p->v.journaled_end > p->idle_stored ? p->v.journaled_end : p->idle_stored;
}

static uint64_t confirmable(struct position *p)
{
	bool caught_up = p->v.published >= p->v.journaled_commit;
	uint64_t lsn = !p->ack_publish || caught_up ? known(p) : p->published_end;

	raise_to(&p->v.confirmable, lsn);
	return p->v.confirmable;
}

/* A transaction is in the lake exactly if its commit LSN is below this. */
static uint64_t lake(const struct position *p)
{
	uint64_t all = p->idle > p->v.journaled_end ? p->idle : p->v.journaled_end;

	return p->v.published >= p->v.journaled_commit ? all : p->v.published + 1;
}

uint64_t position_confirmable(struct position *p)
{
	uint64_t lsn;

	monitor_lock(&p->lock);
	lsn = confirmable(p);
	monitor_unlock(&p->lock);
	return lsn;
}

uint64_t position_known(struct position *p)
{
	uint64_t lsn;

	monitor_lock(&p->lock);
	lsn = known(p);
	monitor_unlock(&p->lock);
	return lsn;
}

uint64_t position_lake(struct position *p)
{
	uint64_t lsn;

	monitor_lock(&p->lock);
	lsn = lake(p);
	monitor_unlock(&p->lock);
	return lsn;
}

void position_view(struct position *p, struct position_view *out)
{
	monitor_lock(&p->lock);
	confirmable(p);
	*out = p->v;
	out->known = known(p);
	out->lake = lake(p);
	monitor_unlock(&p->lock);
}
