/* src/lake/merge.h — several data files of one table becoming one, in a thread of its own, while the table goes on
 * being changed.
 *
 * Data files never change, so the thread needs nothing but their names and the deletion vectors that were published
 * when it started. Rows keep their order, files theirs (oldest first): a row's new position is its file's base + old
 * position - rows deleted before it. Rows deleted meanwhile are found by the owner (mirror_merge_take), who knows the
 * vectors of now. Columns that an old file lacks are null in the new one. With lineage (Iceberg v3 mirrors) the new
 * file holds each row's `_row_id` and `_last_updated_sequence_number` (specification, "Row Lineage"), as a rewritten
 * row keeps them. Owned by one thread; the worker shares nothing with it but `done`. Failure leaves the table as it
 * was and at most a file that nothing names. */
#ifndef TARN_LAKE_MERGE_H
#define TARN_LAKE_MERGE_H

#include "lake/compact.h"
#include "lake/key.h"
#include "lake/key_index.h"
#include "lake/lake.h"

struct merge_input {
	char *uri;
	uint64_t rows;
	int64_t first_row_id, sequence;
	struct deletion_vector dv; /* path owned; NULL: none */
	struct bitmap *deleted;    /* what dv says; NULL: none. Set when done */
	uint64_t base;             /* position of its first live row in the new file. Set when done */
};

struct merge {
	/* fixed at the start */
	struct lake *lake;
	const struct lake_format_ops *ops;
	char *name, *location;
	struct lake_field *fields;
	size_t n_fields; /* the table's, lineage columns behind them */
	bool lineage;
	struct key_def *key; /* NULL: keys are not asked for */
	uint16_t *key_columns;
	struct merge_input *inputs;
	size_t n_inputs;

	struct thread *thread;
	bool cancel, done; /* atomic */

	/* when done */
	int rc;
	struct err err;
	struct data_file *file; /* who takes it sets NULL */
	uint64_t rows;
	struct index_entry *entries;
	size_t n_entries, cap_entries; /* with key: one a row, sorted by key, file 0 */
	int64_t *row_ids;
	size_t cap_row_ids; /* with key and lineage: by position; -1: none */
	int64_t us;
};

struct merge_opts {
	const char *name; /* of the table, for messages */
	bool lineage;
	const struct lake_field *keys;
	size_t n_keys; /* key columns in key order (by id); 0: no keys are collected */
};

/* Looks whether the table has files to merge and starts; *out NULL: nothing to do. The worker reads the table's ops,
 * store and engine only. */
int merge_start(struct lake *lake, struct lake_table *table, const struct merge_opts *opts, struct merge **out,
                struct err *err) TARN_MUST_CHECK;
bool merge_done(const struct merge *merge);
/* Waits for the worker; its error. */
int merge_join(struct merge *merge, struct err *err) TARN_MUST_CHECK;
/* All inputs are still live in the table. */
bool merge_current(const struct merge *merge, const struct lake_table *table);
/* Stops the worker, removes the new file if nobody took it. NULL allowed. */
void merge_free(struct merge *merge);

/* Reserved field ids of lineage columns (Iceberg specification, "Reserved Field IDs"); LAKE_FIELD_ROW_ID is the other. */
#define LAKE_FIELD_UPDATED_SEQUENCE 2147483539

#endif
