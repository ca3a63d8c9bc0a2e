/* src/pipeline/apply_int.h — inside of the apply side; only src/pipeline/apply*.c and copier.c include this. */
#ifndef TARN_PIPELINE_APPLY_INT_H
#define TARN_PIPELINE_APPLY_INT_H

#include "base/thread.h"
#include "lake/orphans.h"
#include "pipeline/apply.h"
#include "pipeline/repeat.h"

/* What status reads: copied under the lock, so that it never waits for a publish. */
struct table_view {
	enum table_state state;
	char reason[ERR_TEXT_MAX];
	uint64_t position, applied, rows;
	int64_t last_commit_ts_us, copy_started_us, version;
	uint64_t copied, copy_expected;
	struct table_counts counts;
};

/* A relation of the reader and its table, NULL: none of ours. By the relation's id. */
#define APPLY_SEEN 1024
struct seen {
	const struct relation *rel;
	struct pipe_table *table;
};

struct apply {
	const struct config *config;
	const struct config_pipeline *conf;
	struct source *source;
	struct lake *lake;
	struct pipe_context ctx;
	struct pipe_table **tables; /* fixed after open */
	size_t n_tables;

	struct thread *thread, *copier;
	struct monitor lock; /* guards what follows, and the state of tables between apply and copier */
	bool stopping, stop_copier;
	bool fatal;
	struct err fatal_err;
	struct table_view *views;
	char reason[ERR_TEXT_MAX]; /* why the whole pipeline waits; "" when it runs */
	uint64_t publishes;
	int64_t last_publish_us; /* duration */
	bool copying;            /* the copier works: the journal is not trimmed */
	bool attach;             /* a table is RUNNING and not open: the apply thread opens it */

	struct orphans orphans; /* the copier's */

	/* apply thread only */
	struct journal_reader *reader;
	uint64_t applied, applied_end; /* commit and end LSN of the newest transaction applied */
	int64_t applied_ts_us;         /* its commit time at the source; 0: none read yet */
	bool oldest_known;             /* position knows the first transaction that is read and not published */
	uint64_t stored;               /* pipeline position in the catalog */
	int64_t publish_started_us, publish_ended_us; /* of the last publish */
	int64_t oldest_pending_us;                    /* 0: nothing pending */
	int64_t views_us, stored_us, recopy_us;
	bool worked; /* something was published, merged or opened since freed memory was given back */
	int64_t given_back_us;
	int64_t compact_us;  /* no merge before: the last one failed */
	size_t compact_next; /* table to look at first */
	struct seen seen[APPLY_SEEN];
	bool position_waits; /* a table could not be marked as held */
	bool unanswered;     /* the source could not be asked what the change at hand needs */
	bool aside;          /* tables wait for the source: apply_ask.c */
	int64_t aside_us;
	struct repeat failures;
};

bool apply_stopping(struct apply *a);
/* What was applied is all published: for the pipeline's lag. */
void apply_note_published(struct apply *a);
void apply_settle(struct apply *a); /* tables' applied is as far as what was read: before looking at it */
void apply_refresh_views(struct apply *a, bool now);
/* apply_publish.c: publishes all dirty tables at position a->applied. After an error all tables must be closed and
 * opened again. */
int apply_publish(struct apply *a, struct err *err) TARN_MUST_CHECK;
/* without table commits, when it moved and it is time */
int apply_store_position(struct apply *a, struct err *err) TARN_MUST_CHECK;
int apply_trim(struct apply *a, struct err *err) TARN_MUST_CHECK;
/* apply_compact.c: between transactions; best right after a publish. After an error as after one of apply_publish. */
int apply_compact(struct apply *a, struct err *err) TARN_MUST_CHECK;
/* apply_orphans.c: when it is time; the copier's, while it has nothing to copy */
void apply_collect_orphans(struct apply *a);
/* apply_held.c */
void apply_load_holds(struct apply *a);
void apply_retry_holds(struct apply *a); /* now and then, while position_waits */
/* Before a copy is committed: from then on its own commits say where the table stands. The copier's. */
int apply_hold_copied(struct apply *a, struct pipe_table *t, struct err *err) TARN_MUST_CHECK;
/* One of the lake's ("bank.users") that `tables:` does not name now: when it is taken in again, it stands where it
 * stands now. */
int apply_hold_left_out(const struct apply *a, const char *table, struct err *err) TARN_MUST_CHECK;
/* before the pipeline's position may pass a table that does not run */
void apply_hold(struct apply *a, struct pipe_table *t);
/* after stored_lsn was committed as the pipeline's position */
void apply_release_holds(struct apply *a, uint64_t stored_lsn);
/* copier.c */
void copier_main(void *apply);
void apply_stop_table(struct apply *a, struct pipe_table *table, const struct err *why);
bool apply_is_tables_own(int rc); /* an error that stops one table alone */
/* apply_gone.c: tables whose changes have stopped coming. Those in the lake but not at the source any more, as
 * relations that cannot be captured: *out and each of them owned by the caller. */
int apply_find_gone(struct apply *a, const struct pg_tables *found, struct relation ***out, size_t *n,
                    struct err *err) TARN_MUST_CHECK;
/* ERR_GAP when the table was outside the publication at some time since its own newest commit. */
int apply_check_outside(struct apply *a, struct pipe_table *t, struct err *err) TARN_MUST_CHECK;
int apply_stop_gone(struct apply *a, struct err *err) TARN_MUST_CHECK;
/* A change of a table that is none of ours: made anew under the name of one of ours? That one is stopped. */
void apply_look_at_other(struct apply *a, const struct relation *rel);
/* apply_ask.c: pipe_context.column_filled. */
int apply_column_filled(void *asker, const struct relation *rel, const char *column, bool *filled,
                        struct err *err) TARN_MUST_CHECK;
/* A change of t could not be applied: false when that was not for want of an answer. */
bool apply_set_aside(struct apply *a, struct pipe_table *t, const struct err *why);
void apply_take_back(struct apply *a); /* tables set aside, when the source is there again */
/* apply_recopy.c: requests left by `tarn table recopy` */
void apply_take_recopies(struct apply *a);
void apply_recopy_done(struct apply *a, struct pipe_table *table);

#endif
