/* src/pipeline/position.c — positions of one source and what follows from them.
 *
 * Invariants: confirmable never decreases; confirmable <= end LSN of what is durable (journal or tables) or a stored
 * idle position; idle is only taken when every transaction delivered before it is durable. */
#include "pipeline/position.h"

#include <stdio.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/thread.h"
#include "pipeline/lsn_file.h"

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
	/* Commit times: none that is not published is older than any of the last two. 0: nothing known. */
	int64_t receiving_us; /* the oldest transaction received that is not durable yet; 0: all are */
	int64_t journaled_us; /* the first made durable since everything was published */
	int64_t applying_us;  /* the first read since the last publish; until then the last published */
};

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
	rc = lsn_file_read(p->known_path, &p->idle_stored, err);
	if (!rc)
		rc = lsn_file_read(p->floor_path, &p->floor, err);
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
	int rc = lsn_file_write(p->floor_path, lsn, err);

	monitor_lock(&p->lock);
	if (!rc)
		p->floor = lsn;
	monitor_unlock(&p->lock);
	return rc;
}

uint64_t position_floor(struct position *p)
{
	uint64_t lsn;

	monitor_lock(&p->lock);
	lsn = p->floor;
	monitor_unlock(&p->lock);
	return lsn;
}

static void raise_to(uint64_t *at, uint64_t lsn)
{
	if (lsn > *at)
		*at = lsn;
}

void position_received(struct position *p, uint64_t wal_end, int64_t oldest_us)
{
	monitor_lock(&p->lock);
	raise_to(&p->v.received, wal_end);
	p->receiving_us = oldest_us;
	monitor_unlock(&p->lock);
}

static bool all_published(const struct position *p) { return p->v.published >= p->v.journaled_commit; }

void position_journaled(struct position *p, struct journal_end durable, int64_t oldest_us)
{
	monitor_lock(&p->lock);
	if (durable.commit_lsn > p->v.journaled_commit && all_published(p))
		p->journaled_us = p->receiving_us;
	raise_to(&p->v.journaled_commit, durable.commit_lsn);
	raise_to(&p->v.journaled_end, durable.end_lsn);
	p->receiving_us = oldest_us;
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
	rc = lsn_file_write(p->known_path, wal_end, err);
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
	if (commit_lsn < p->v.published)
		p->journaled_us = 0; /* older ones are to be published again */
	p->v.applied = p->v.published = commit_lsn;
	monitor_unlock(&p->lock);
}

void position_applied(struct position *p, uint64_t commit_lsn)
{
	monitor_lock(&p->lock);
	raise_to(&p->v.applied, commit_lsn);
	monitor_unlock(&p->lock);
}

void position_applying(struct position *p, int64_t commit_ts_us)
{
	monitor_lock(&p->lock);
	p->applying_us = commit_ts_us;
	monitor_unlock(&p->lock);
}

void position_published(struct position *p, uint64_t commit_lsn, uint64_t end_lsn, int64_t commit_ts_us)
{
	monitor_lock(&p->lock);
	p->applying_us = commit_ts_us;
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
	uint64_t lsn = !p->ack_publish || all_published(p) ? known(p) : p->published_end;

	raise_to(&p->v.confirmable, lsn);
	return p->v.confirmable;
}

/* A transaction is in the lake exactly if its commit LSN is below this. */
static uint64_t lake(const struct position *p)
{
	uint64_t all = p->idle > p->v.journaled_end ? p->idle : p->v.journaled_end;

	return all_published(p) ? all : p->v.published + 1;
}

static int64_t oldest_us(const struct position *p)
{
	if (all_published(p))
		return p->receiving_us;
	return p->applying_us > p->journaled_us ? p->applying_us : p->journaled_us;
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
	out->oldest_us = oldest_us(p);
	monitor_unlock(&p->lock);
}
