/* src/pipeline/apply.c — the loop from journal to tables. */
#include <stdio.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/pg_types.h"
#include "pipeline/apply_int.h"

#define RETRY_US_MIN 500000
#define RETRY_US_MAX 30000000
#define VIEWS_EVERY_US 200000
#define RECOPY_EVERY_US 1000000
#define GIVE_BACK_EVERY_US 10000000

bool apply_stopping(struct apply *a)
{
	bool stopping;

	monitor_lock(&a->lock);
	stopping = a->stopping;
	monitor_unlock(&a->lock);
	return stopping;
}

static enum table_state state_of(struct apply *a, const struct pipe_table *t)
{
	enum table_state state;

	monitor_lock(&a->lock);
	state = t->state;
	monitor_unlock(&a->lock);
	return state;
}

/* --- opening --- */

static int add_table(struct apply *a, struct relation *rel, int64_t rows_estimate, struct err *err)
{
	struct pipe_table *t;
	int rc = pipe_table_new(&a->ctx, rel, &t, err);

	if (rc)
		return rc;
	a->tables[a->n_tables++] = t;
	t->copy_rows_expected = rows_estimate > 0 ? (uint64_t)rows_estimate : 0;
	return ERR_OK;
}

/* The source's tables in the source's order, then those that only the lake has. */
static int add_tables(struct apply *a, struct err *err)
{
	const struct pg_tables *found = source_tables(a->source);
	struct relation **gone;
	size_t n_gone;
	int rc = apply_find_gone(a, found, &gone, &n_gone, err);

	if (rc)
		return rc;
	a->tables = mem_array(found->n + n_gone + 1, sizeof *a->tables);
	a->views = mem_array(found->n + n_gone + 1, sizeof *a->views);
	if (!a->tables || !a->views)
		rc = err_nomem(err);
	for (size_t i = 0; !rc && i < found->n; i++) {
		const struct pipe_table *t;

		rc = add_table(a, found->tables[i].rel, found->tables[i].rows_estimate, err);
		t = rc ? NULL : a->tables[i];
		for (size_t j = 0; !rc && j < i; j++)
			if (strcmp(a->tables[j]->lake_name, t->lake_name) == 0)
				rc = err_set(
					err, ERR_CONFIG,
					"source tables %s and %s would both become lake table %s; leave one out of tables:",
					a->tables[j]->label, t->label, t->mirror_name);
	}
	for (size_t i = 0; i < n_gone; i++) {
		if (!rc)
			rc = add_table(a, gone[i], 0, err);
		relation_unref(gone[i]);
	}
	mem_free(gone);
	return rc;
}

static int load_position(struct apply *a, struct err *err)
{
	struct catalog *catalog = a->lake->catalog;
	struct catalog_position position = { 0 };
	int rc = catalog->ops->position_load(catalog, a->conf->from, &position, err);

	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	a->ctx.writer_epoch = position.writer_epoch + 1;
	if (!rc && position.system_id == a->ctx.system_id)
		a->ctx.known_lsn = a->stored = position.lsn;
	return ERR_OK;
}

/* Taking the pipeline: from here on a writer with an older epoch is refused by the catalog. */
static int take_epoch(struct apply *a, struct err *err)
{
	struct catalog_position position = {
		.pipeline = a->conf->from,
		.lsn = a->ctx.known_lsn,
		.system_id = a->ctx.system_id,
		.timeline = a->ctx.timeline,
		.writer_epoch = a->ctx.writer_epoch,
	};
	enum commit_result result;

	return a->lake->catalog->ops->commit(a->lake->catalog, NULL, 0, &position, &result, err);
}

int apply_open(const struct config *config, const struct config_pipeline *conf, struct source *source,
               struct lake *lake, struct apply **out, struct err *err)
{
	struct apply *a = mem_zero(sizeof *a);
	struct journal_identity identity = source_identity(source);
	int rc;

	if (!a)
		return err_nomem(err);
	monitor_init(&a->lock);
	a->config = config;
	a->conf = conf;
	a->source = source;
	a->lake = lake;
	orphans_init(&a->orphans); /* before anything is written */
	a->ctx = (struct pipe_context){ .column_filled = apply_column_filled,
		                        .asker = a,
		                        .lake = lake,
		                        .source = conf->from,
		                        .with_mirror = conf->mirror,
		                        .with_changelog = conf->changelog,
		                        .system_id = identity.system_id,
		                        .timeline = identity.timeline };
	rc = load_position(a, err);
	if (!rc)
		rc = take_epoch(a, err);
	if (!rc)
		rc = add_tables(a, err);
	if (!rc)
		apply_load_holds(a);
	if (rc) {
		apply_close(a);
		return err_prefix(err, "pipeline %s", conf->from);
	}
	*out = a;
	return ERR_OK;
}

void apply_close(struct apply *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n_tables; i++)
		pipe_table_free(a->tables[i]);
	mem_free(a->tables);
	mem_free(a->views);
	monitor_free(&a->lock);
	mem_free(a);
}

/* --- tables --- */

void apply_stop_table(struct apply *a, struct pipe_table *t, const struct err *why)
{
	apply_hold(a, t);
	t->attached = false;
	monitor_lock(&a->lock);
	pipe_table_stop(t, why);
	monitor_unlock(&a->lock);
	apply_refresh_views(a, true);
}

/* A table's own error stops it; an error of the world (disk, memory, connection) makes the whole pipeline try again. */
bool apply_is_tables_own(int rc)
{
	enum err_class class = err_class_of(rc);

	return rc != ERR_FENCED && rc != ERR_IO && class != ERR_CLASS_TRANSIENT && class != ERR_CLASS_LIMIT;
}

static int check_reachable(struct apply *a, struct pipe_table *t, struct err *err)
{
	uint64_t floor = position_floor(source_position(a->source)),
		 first = journal_first_commit_lsn(source_journal(a->source));
	const char *gap = source_gap(a->source);
	char position[LSN_TEXT_MAX];

	/* with a journal moved away only the lake remembers */
	if (t->state == TABLE_OPENING && t->position > source_wal_at_open(a->source))
		return err_set(
			err, ERR_IDENTITY,
			"table %s stands at %s, where the source's write-ahead log has not come yet: the source was restored to an older state; copy the table again: tarn table recopy %s",
			t->mirror_name, lsn_text(t->position, position), t->mirror_name);
	if (gap && t->position + 1 < floor)
		return err_set(err, ERR_GAP, "%s", gap);
	if (t->position + 1 < floor || t->position < first)
		return err_set(
			err, ERR_GAP,
			"table %s stands at %s but the journal begins later; the changes between are no longer there; copy the table again: tarn table recopy %s",
			t->mirror_name, lsn_text(t->position, position), t->mirror_name);
	return ERR_OK;
}

static int open_table(struct apply *a, struct pipe_table *t, struct err *err)
{
	struct err why = { 0 };
	int rc = ERR_OK;

	t->attached = false;
	monitor_lock(&a->lock);
	t->attaching = t->attaching || t->state == TABLE_OPENING; /* nobody is told that it runs before it does */
	monitor_unlock(&a->lock);
	if (t->recopy)
		t->needs_copy = true; /* whatever the lake holds goes with the copy */
	else
		rc = pipe_table_open(t, &why);
	if (!rc && !t->needs_copy)
		rc = check_reachable(a, t, &why);
	if (!rc && !t->needs_copy)
		rc = apply_check_outside(a, t, &why);
	if (rc && apply_is_tables_own(rc)) {
		apply_stop_table(a, t, &why);
		return ERR_OK;
	}
	if (rc) {
		pipe_table_close(t);
		*err = why;
		return rc;
	}
	if (t->needs_copy) {
		apply_hold(a, t);
		pipe_table_close(t);
	}
	t->attached = !t->needs_copy;
	monitor_lock(&a->lock);
	t->state = t->needs_copy ? TABLE_NEW : TABLE_RUNNING; /* NEW: the copier's from here on */
	monitor_wake(&a->lock);
	monitor_unlock(&a->lock);
	return ERR_OK;
}

static int open_tables(struct apply *a, struct err *err)
{
	for (size_t i = 0; i < a->n_tables; i++) {
		enum table_state state = state_of(a, a->tables[i]);
		int rc = state == TABLE_OPENING || state == TABLE_RUNNING ? open_table(a, a->tables[i], err) : ERR_OK;

		if (rc)
			return rc;
	}
	return ERR_OK;
}

static void close_tables(struct apply *a)
{
	if (a->reader)
		journal_reader_close(a->reader);
	a->reader = NULL;
	for (size_t i = 0; i < a->n_tables; i++)
		if (a->tables[i]->attached) { /* others are closed, or the copier's */
			pipe_table_close(a->tables[i]);
			a->tables[i]->attached = false;
		}
	a->oldest_pending_us = 0;
}

static int bind_relation(struct relation *rel, struct err *err)
{
	return rel->unsupported ? ERR_OK : pg_types_bind(rel, err);
}

/* From the lowest position of the running tables; those ahead skip what they have. With none running the journal is
 * read all the same: the pipeline's position must move, or the journal would fill and the source's slot keep its WAL
 * for tables that wait for somebody. */
static int open_reader(struct apply *a, struct err *err)
{
	uint64_t from = UINT64_MAX;

	if (a->reader)
		journal_reader_close(a->reader);
	a->reader = NULL;
	for (size_t i = 0; i < a->n_tables; i++)
		if (state_of(a, a->tables[i]) == TABLE_RUNNING && a->tables[i]->applied < from)
			from = a->tables[i]->applied;
	if (from == UINT64_MAX) {
		uint64_t first = journal_first_commit_lsn(source_journal(a->source));

		from = a->stored > first ? a->stored : first;
	}
	a->applied = from;
	a->applied_end = 0;
	a->applied_ts_us = 0;
	a->oldest_known = false;
	memset(a->seen, 0, sizeof a->seen); /* relations of a reader live as long as it does */
	position_restart(source_position(a->source), from);
	return journal_reader_open(source_journal(a->source), from, bind_relation, &a->reader, err);
}

/* --- the loop --- */

/* NULL: none of ours. What was found for a relation of the reader is kept: tables may be many and take turns. */
static struct pipe_table *find_table(struct apply *a, const struct relation *rel)
{
	struct seen *seen = &a->seen[rel->id % APPLY_SEEN];

	if (__builtin_expect(seen->rel == rel, 1))
		return seen->table;
	*seen = (struct seen){ rel, NULL };
	for (size_t i = 0; i < a->n_tables && !seen->table; i++)
		if (__atomic_load_n(&a->tables[i]->rel_id, __ATOMIC_RELAXED) == rel->id)
			seen->table = a->tables[i];
	if (!seen->table)
		apply_look_at_other(a, rel);
	return seen->table;
}

static int on_change(struct apply *a, const struct tx_head *head, const struct change *change, struct err *err)
{
	struct pipe_table *t = find_table(a, change->rel);
	struct err why = { 0 };
	int rc;

	if (!t || !t->attached || head->commit_lsn <= t->applied)
		return ERR_OK;
	rc = pipe_table_apply(t, head, change, &why);
	if (!rc) {
		if (!a->oldest_pending_us)
			a->oldest_pending_us = env_mono_us();
		return ERR_OK;
	}
	if (apply_set_aside(a, t, &why))
		return ERR_OK;
	if (apply_is_tables_own(rc)) {
		char place[256], at[LSN_TEXT_MAX];

		if (rc == ERR_CORRUPT)
			err_prefix(&why, "%s", journal_reader_place(a->reader, place, sizeof place));
		err_prefix(&why, "transaction %s", lsn_text(head->commit_lsn, at));
		apply_stop_table(a, t, &why);
		return ERR_OK;
	}
	*err = why;
	return rc;
}

/* The first one read after a publish is the oldest that is not in the lake. */
static void on_begin(struct apply *a, const struct tx_head *head)
{
	if (a->oldest_known)
		return;
	a->oldest_known = true;
	position_applying(source_position(a->source), head->commit_ts_us);
}

static void on_commit(struct apply *a, const struct tx_head *head)
{
	a->applied = head->commit_lsn;
	a->applied_end = head->end_lsn;
	a->applied_ts_us = head->commit_ts_us;
	position_applied(source_position(a->source), head->commit_lsn);
}

/* Many transactions touch few tables: the others learn how far they are only when somebody is about to ask. Not between
 * opening a table and opening the reader anew: a->applied is not that table's then. */
void apply_settle(struct apply *a)
{
	for (size_t i = 0; i < a->n_tables; i++) {
		struct pipe_table *t = a->tables[i];

		/* one that the copier just handed over is not attached yet: its changes were not applied */
		if (t->attached && t->applied < a->applied)
			t->applied = a->applied;
	}
}

static uint64_t pending_bytes(const struct apply *a)
{
	uint64_t n = 0;

	for (size_t i = 0; i < a->n_tables; i++)
		if (a->tables[i]->attached)
			n += pipe_table_bytes(a->tables[i]);
	return n;
}

static int64_t publish_due_in(const struct apply *a)
{
	int64_t due;

	if (!a->oldest_pending_us)
		return VIEWS_EVERY_US;
	due = a->publish_started_us + a->config->publish_interval_us - env_mono_us();
	return due < 0 ? 0 : due > VIEWS_EVERY_US ? VIEWS_EVERY_US : due;
}

/* While the journal has more at hand, as much time goes into applying as the last publish took: publishes that take
 * longer than the interval carry more, instead of one transaction each. */
static bool had_its_turn(const struct apply *a) { return env_mono_us() - a->publish_ended_us >= a->last_publish_us; }

static int maybe_publish(struct apply *a, bool idle, unsigned *since_check, struct err *err)
{
	bool many = ++*since_check % 256 == 0 && pending_bytes(a) > (uint64_t)a->config->publish_max_bytes;

	if (!many && (!a->oldest_pending_us || publish_due_in(a) > 0 || (!idle && !had_its_turn(a))))
		return ERR_OK;
	return apply_publish(a, err);
}

/* Read from where they stand: now they run. One handed over since its table was opened is not open yet. */
static void end_attaching(struct apply *a)
{
	monitor_lock(&a->lock);
	for (size_t i = 0; i < a->n_tables; i++)
		if (a->tables[i]->attached)
			a->tables[i]->attaching = false;
	monitor_unlock(&a->lock);
}

static int attach_copied(struct apply *a, struct err *err)
{
	bool attach;
	int rc;

	monitor_lock(&a->lock);
	attach = a->attach;
	a->attach = false;
	monitor_unlock(&a->lock);
	if (!attach)
		return ERR_OK;
	a->worked = true;
	rc = a->oldest_pending_us ? apply_publish(a, err) : ERR_OK;
	for (size_t i = 0; !rc && i < a->n_tables; i++)
		if (state_of(a, a->tables[i]) == TABLE_RUNNING && !a->tables[i]->attached)
			rc = open_table(a, a->tables[i], err);
	if (!rc)
		rc = open_reader(a, err);
	if (!rc)
		end_attaching(a);
	return rc;
}

void apply_note_published(struct apply *a)
{
	a->oldest_known = false;
	position_published(source_position(a->source), a->applied, a->applied_end, a->applied_ts_us);
}

/* Nothing pending: transactions of other tables are as good as published. */
static void note_nothing_pending(struct apply *a)
{
	if (!a->oldest_pending_us && a->applied)
		apply_note_published(a);
}

/* What a load leaves in a dozen threads' heaps is several times what the rest of the process needs. */
static void give_memory_back(struct apply *a, int64_t now)
{
	if (!a->worked || now - a->given_back_us < GIVE_BACK_EVERY_US)
		return;
	a->worked = false;
	a->given_back_us = now;
	mem_trim();
}

/* Between transactions: what is not part of applying. */
static int housekeeping(struct apply *a, struct err *err)
{
	int64_t now = env_mono_us();
	int rc;

	apply_settle(a);
	note_nothing_pending(a);
	apply_take_back(a);
	rc = attach_copied(a, err);
	apply_refresh_views(a, false);
	if (!rc && now - a->recopy_us > RECOPY_EVERY_US) {
		a->recopy_us = now;
		apply_retry_holds(a);
		apply_take_recopies(a);
		rc = apply_stop_gone(a, err);
	}
	give_memory_back(a, now);
	if (!rc)
		rc = apply_compact(a, err);
	if (!rc)
		rc = apply_store_position(a, err);
	return rc ? rc : apply_trim(a, err);
}

static int read_one(struct apply *a, enum journal_event *event, struct tx_head *head, struct change *change,
                    struct err *err)
{
	if (a->reader)
		return journal_read(a->reader, publish_due_in(a), event, head, change, err);
	*event = JOURNAL_TIMEOUT;
	monitor_lock(&a->lock);
	if (!a->stopping && !a->attach)
		monitor_wait(&a->lock, VIEWS_EVERY_US);
	monitor_unlock(&a->lock);
	return ERR_OK;
}

static int run_loop(struct apply *a, struct err *err)
{
	struct tx_head head = { 0 };
	struct change change = { 0 };
	unsigned since_check = 0;
	bool in_tx = false;
	int rc = ERR_OK;

	while (!rc && !apply_stopping(a)) {
		enum journal_event event;

		rc = read_one(a, &event, &head, &change, err);
		if (rc)
			break;
		/* a whole transaction at a stretch; cut short by a stop, its part is dropped with everything
		 * unpublished and applied again at the next start */
		while (!rc && (event == JOURNAL_BEGIN || event == JOURNAL_CHANGE)) {
			in_tx = true;
			if (event == JOURNAL_BEGIN)
				on_begin(a, &head);
			if (event == JOURNAL_CHANGE)
				rc = on_change(a, &head, &change, err);
			if (!rc)
				rc = journal_read(a->reader, -1, &event, &head, &change, err);
		}
		if (event == JOURNAL_CLOSED)
			break;
		in_tx = false;
		if (!rc && event == JOURNAL_COMMIT)
			on_commit(a, &head);
		if (!rc)
			rc = maybe_publish(a, event == JOURNAL_TIMEOUT, &since_check, err);
		if (!rc && (event != JOURNAL_COMMIT || since_check % 64 == 0))
			rc = housekeeping(a, err);
	}
	if (!rc && !in_tx && a->oldest_pending_us)
		rc = apply_publish(a, err);
	return rc;
}

static int run_once(struct apply *a, struct err *err)
{
	int rc;

	/* tables without changes since the start have moved with it; the journal may be trimmed to it */
	a->ctx.known_lsn = a->stored;
	apply_take_recopies(a);
	rc = open_tables(a, err);
	if (!rc)
		rc = open_reader(a, err);
	if (rc)
		return rc;
	end_attaching(a);
	monitor_lock(&a->lock);
	a->reason[0] = '\0';
	monitor_unlock(&a->lock);
	apply_refresh_views(a, true);
	return run_loop(a, err);
}

static void set_waiting(struct apply *a, const struct err *why)
{
	monitor_lock(&a->lock);
	snprintf(a->reason, sizeof a->reason, "%s", why->text);
	if (why->code == ERR_FENCED || a->lake->store->ops->failed(a->lake->store)) {
		a->fatal = true;
		a->fatal_err = *why;
	}
	monitor_unlock(&a->lock);
}

static void apply_main(void *arg)
{
	struct apply *a = arg;
	int64_t delay = RETRY_US_MIN;

	while (!apply_stopping(a)) {
		int64_t started = env_mono_us();
		struct err err = { 0 };
		int rc = run_once(a, &err);

		close_tables(a);
		if (!rc)
			continue;
		set_waiting(a, &err);
		repeat_log_retry(&a->failures, LOG_ERROR, a->conf->from, err.text, delay, RETRY_US_MAX);
		if (env_mono_us() - started > 2 * RETRY_US_MAX) {
			delay = RETRY_US_MIN;
			repeat_clear(&a->failures);
		}
		monitor_lock(&a->lock);
		if (!a->stopping)
			monitor_wait(&a->lock, delay);
		monitor_unlock(&a->lock);
		delay = delay * 2 > RETRY_US_MAX ? RETRY_US_MAX : delay * 2;
	}
}

int apply_start(struct apply *a, struct err *err)
{
	int rc = thread_start(&a->copier, "copier", copier_main, a, err);

	return rc ? rc : thread_start(&a->thread, "apply", apply_main, a, err);
}

void apply_stop(struct apply *a)
{
	monitor_lock(&a->lock);
	a->stopping = a->stop_copier = true;
	monitor_wake(&a->lock);
	monitor_unlock(&a->lock);
	journal_stop_readers(source_journal(a->source));
	thread_join(a->thread);
	thread_join(a->copier);
	a->thread = a->copier = NULL;
}

bool apply_fatal(struct apply *a, struct err *why)
{
	bool fatal;

	monitor_lock(&a->lock);
	fatal = a->fatal;
	*why = a->fatal_err;
	monitor_unlock(&a->lock);
	return fatal;
}
