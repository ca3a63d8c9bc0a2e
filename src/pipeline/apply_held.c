/* src/pipeline/apply_held.c — which tables the pipeline's own position does not speak for.
 *
 * The pipeline's position K means: every transaction up to K is in the tables that ran all the while. A table that
 * is new, copied, stopped or left out of `tables:` meanwhile is behind K, and after a restart must go by the
 * position in its own commits alone. So, before K may move past it, a durable mark is left:
 * <state>/held/<namespace>.<table>, with the LSN up to which the table was complete when that began (0: its own
 * commits alone say). It goes when the table has caught up and a commit has stored a K that covers it. A mark too
 * many costs reading some journal again; a mark too few would lose changes. */
#include <errno.h>
#include <stdio.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/apply_int.h"

/* table: "bank.users" */
static void mark_path(const struct apply *a, const char *table, char *out, size_t n)
{
	char part[512];

	store_encode_part(str_of(table), part, sizeof part);
	snprintf(out, n, "%.3000s/held/%s", a->config->state, part);
}

static int write_mark(const struct apply *a, const char *table, uint64_t complete, struct err *err)
{
	char path[4096], dir[4096], text[64], lsn[LSN_TEXT_MAX];
	int rc;

	snprintf(text, sizeof text, "lsn %s\n", lsn_text(complete, lsn));
	snprintf(dir, sizeof dir, "%.3000s/held", a->config->state);
	mark_path(a, table, path, sizeof path);
	rc = env_mkdir_parents(dir, 0755);
	if (rc >= 0)
		rc = env_write_file_atomic(path, text, strlen(text), 0644);
	return rc < 0 ? err_set_errno(err, ERR_IO, -rc, "cannot write '%s'", path) : ERR_OK;
}

static int mark(struct apply *a, struct pipe_table *t, uint64_t complete, struct err *err)
{
	int rc = write_mark(a, t->mirror_name, complete, err);

	if (rc)
		return rc;
	t->held = true;
	t->held_lsn = complete;
	return ERR_OK;
}

int apply_hold_left_out(const struct apply *a, const char *table, struct err *err)
{
	char path[4096];
	struct env_stat st;

	mark_path(a, table, path, sizeof path);
	return env_stat(path, &st) >= 0 ? ERR_OK : write_mark(a, table, a->stored, err);
}

void apply_hold(struct apply *a, struct pipe_table *t)
{
	/* not held until now: K speaks for it, unless there is nothing yet */
	uint64_t complete = t->needs_copy ? 0 : t->position > a->stored ? t->position : a->stored;
	struct err err;

	if (t->held)
		return;
	if (mark(a, t, complete, &err)) {
		/* Without the mark K must not move; nothing else is at risk. */
		log_warn("pipeline", "%s; the pipeline's position waits", err.text);
		a->position_waits = true;
		return;
	}
	if (t->position > 0 || !t->rel->unsupported)
		t->position = complete; /* where its journal is kept from; one that cannot be captured needs none */
	FAILPOINT("apply.held");
}

int apply_hold_copied(struct apply *a, struct pipe_table *t, struct err *err)
{
	return t->held && t->held_lsn == 0 ? ERR_OK : mark(a, t, 0, err);
}

void apply_retry_holds(struct apply *a)
{
	bool waits = false;

	if (!a->position_waits)
		return;
	for (size_t i = 0; i < a->n_tables; i++) {
		struct pipe_table *t = a->tables[i];
		enum table_state state;
		bool aside;

		monitor_lock(&a->lock);
		state = t->state;
		monitor_unlock(&a->lock);
		aside = state == TABLE_STOPPED || (state == TABLE_RUNNING && !t->attached);
		if (aside)
			apply_hold(a, t);
		/* a copy leaves the mark itself, before its commit */
		waits = waits || (aside && !t->held) || state == TABLE_NEW || state == TABLE_COPYING;
	}
	a->position_waits = waits;
}

/* A mark that cannot be read still holds. */
static bool read_mark(const char *path, uint64_t *lsn)
{
	char *text;
	size_t n;
	int rc = env_read_file(path, 64, &text, &n);

	*lsn = 0;
	if (rc == -ENOENT)
		return false;
	if (rc < 0)
		return true;
	if (n < 5 || memcmp(text, "lsn ", 4) != 0 || !str_to_lsn(str_view(text + 4, n - 5), lsn))
		*lsn = 0;
	mem_free(text);
	return true;
}

void apply_load_holds(struct apply *a)
{
	char path[4096];

	for (size_t i = 0; i < a->n_tables; i++) {
		struct pipe_table *t = a->tables[i];

		mark_path(a, t->mirror_name, path, sizeof path);
		t->held = read_mark(path, &t->held_lsn);
	}
}

void apply_release_holds(struct apply *a, uint64_t stored_lsn)
{
	for (size_t i = 0; i < a->n_tables; i++) {
		struct pipe_table *t = a->tables[i];
		char path[4096];

		if (!t->attached || !t->held || t->applied < stored_lsn)
			continue;
		mark_path(a, t->mirror_name, path, sizeof path);
		if (env_unlink(path) == 0)
			t->held = false;
	}
}
