/* src/pipeline/pipe_table.h — one source table on its way into the lake: its mirror, its changelog, their shared
 * position, its state.
 *
 * States and who moves them:
 *   OPENING   not looked at yet                               (start)
 *   NEW       no position yet; the copier takes it           (pipe_table_open)
 *   COPYING   the copier holds it                            (copier)
 *   RUNNING   changes with commit LSN > applied are applied   (pipe_table_open, copier's hand-over)
 *   STOPPED   with a sentence; its journal is kept (pipe_table_stop; leaves by restart or `tarn table recopy`)
 * What was applied since the last publish lives in memory only; pipe_table_close forgets it, the position says where
 * to read on. A RUNNING table may be closed (not attached) while the apply thread has not come to open it, or while
 * it waits for its source (apply_ask.c). Owned by the apply thread but for the text and counters that status reads
 * under the lock of its owner (struct apply). */
#ifndef TARN_PIPELINE_PIPE_TABLE_H
#define TARN_PIPELINE_PIPE_TABLE_H

#include "config/config.h"
#include "lake/changelog.h"
#include "lake/mirror.h"
#include "lake/publish.h"

enum table_state { TABLE_OPENING, TABLE_NEW, TABLE_COPYING, TABLE_RUNNING, TABLE_STOPPED };
const char *table_state_name(enum table_state state);

/* A changelog is named after its mirror. */
#define PIPE_CHANGES_SUFFIX "__changes"

/* What every table of a pipeline shares. */
struct pipe_context {
	struct lake *lake;
	const char *source; /* "bank": namespace of its tables */
	bool with_mirror, with_changelog;
	uint64_t system_id;
	uint32_t timeline;
	uint64_t writer_epoch;
	/* Asks the source whether rows older than a new column may hold a value in it (pg_column_filled). */
	int (*column_filled)(void *asker, const struct relation *rel, const char *column, bool *filled,
	                     struct err *err);
	void *asker;
	uint64_t known_lsn; /* the pipeline's own stored position: 0 none */
};

struct table_counts {
	uint64_t inserts, updates, deletes, truncates, copied, published_versions;
};

struct pipe_table {
	const struct pipe_context *ctx;
	char label[160];                            /* "public.users" */
	char lake_name[128];                        /* "users": name in the namespace */
	char mirror_name[200], changelog_name[200]; /* "bank.users", "bank.users__changes" */
	uint32_t rel_id;
	struct relation *rel; /* shape now applied; held */
	enum table_state state;
	char reason[ERR_TEXT_MAX]; /* STOPPED: why, and what to do */
	int reason_code;
	uint64_t position;         /* published: commit LSN. After a failed open: what is known of it, 0 nothing */
	uint64_t applied;          /* >= position */
	uint64_t opened_lsn;       /* position in its own newest commit when it was opened */
	int64_t last_commit_ts_us; /* source's commit time of the last applied change */
	struct lake_table *mirror_table, *changelog_table;
	struct mirror *mirror;
	struct changelog *changelog;
	struct lake_field *planned;
	size_t n_planned; /* columns the next publish adds */
	struct lake_field *planned_changes;
	size_t n_planned_changes;
	struct table_counts counts;
	struct merge *merge; /* under way, of the mirror or the changelog: apply_compact.c */
	bool merge_changelog;
	int64_t merge_seen[2];       /* versions of mirror and changelog that had nothing to merge */
	bool needs_copy;             /* said by pipe_table_open: the lake holds nothing to go on from */
	bool attached;               /* the apply thread's own: RUNNING, open, and changes are applied to it */
	bool attaching;              /* RUNNING, but not read yet: the apply thread is still opening and checking it */
	bool held;                   /* the pipeline's own position does not cover this table (apply_held.c) */
	uint64_t held_lsn;           /* it was complete to here when that began; 0: its own commits say */
	bool recopy;                 /* asked for by `tarn table recopy` */
	bool released;               /* STOPPED and its journal was given up for space */
	uint64_t copy_rows_expected; /* estimate, while COPYING */
	int64_t copy_started_us;
};

/* rel: the source's shape now, put functions bound; lake_name must be free among the pipeline's tables. */
int pipe_table_new(const struct pipe_context *ctx, struct relation *rel, struct pipe_table **out,
                   struct err *err) TARN_MUST_CHECK;
void pipe_table_free(struct pipe_table *table);

/* Property of the lake's tables: the source table's oid. A table that was dropped and made again under its name is
 * another one. */
#define PIPE_KEY_TABLE_OID "tarn.source-table-oid"

/* Opens the lake's tables, making them when missing, and checks their identity: position present, same source system,
 * no newer writer, no foreign change of rows. Sets needs_copy, or position and applied; the state is the caller's. */
int pipe_table_open(struct pipe_table *table, struct err *err) TARN_MUST_CHECK;
/* For a copy (state COPYING): no checks of what was there; existing rows go with the copy's commit, and tables whose
 * columns do not fit are dropped and made anew. rel: the shape being copied. */
int pipe_table_open_copy(struct pipe_table *table, struct relation *rel, struct err *err) TARN_MUST_CHECK;
void pipe_table_close(struct pipe_table *table); /* drops what was not published; state stays */
void pipe_table_stop(struct pipe_table *table, const struct err *why);
/* One change of a transaction; new shapes are taken over (ADD COLUMN) or refused (ERR_UNSUPPORTED). */
int pipe_table_apply(struct pipe_table *table, const struct tx_head *head, const struct change *change,
                     struct err *err) TARN_MUST_CHECK;
bool pipe_table_dirty(const struct pipe_table *table);
uint64_t pipe_table_bytes(const struct pipe_table *table);
/* Parts for lake_publish, at most two; lsn becomes the position. texts: storage for the property values, kept until
 * pipe_table_published. */
#define PIPE_TABLE_KVS 8
struct pipe_texts {
	char lsn[20], oid[12], system_id[24], timeline[12], epoch[24], commit_id[37], commit_ts[40], source[200];
	struct lake_kv kv[PIPE_TABLE_KVS];
};
int pipe_table_flush(struct pipe_table *table, uint64_t lsn, struct pipe_texts *texts, struct publish_part parts[2],
                     size_t *n_parts, struct err *err) TARN_MUST_CHECK;
/* after lake_publish, whatever its result */
void pipe_table_taken(struct pipe_table *table, const struct publish_part *parts, size_t n_parts);
int pipe_table_published(struct pipe_table *table, uint64_t lsn, struct err *err) TARN_MUST_CHECK; /* after DONE */

#endif
