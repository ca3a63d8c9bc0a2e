/* src/lake/mirror_int.h — inside of the mirror; only src/lake/mirror*.c include this. */
#ifndef TARN_LAKE_MIRROR_INT_H
#define TARN_LAKE_MIRROR_INT_H

#include "lake/bitmap.h"
#include "lake/data_writer.h"
#include "lake/key.h"
#include "lake/key_index.h"
#include "lake/mirror.h"
#include "lake/row_ids.h"

enum mirror_file_state {
	MIRROR_FILE_OPEN,      /* being written: mirror.writer */
	MIRROR_FILE_FINISHED,  /* complete, not committed: file is set */
	MIRROR_FILE_COMMITTED, /* in the table's current version */
	MIRROR_FILE_GONE,      /* truncated or emptied; its number is not used again */
};

/* A data file as the index knows it: addresses are (number of this entry, position). */
struct mirror_file {
	enum mirror_file_state state;
	char *uri;
	uint64_t rows;             /* OPEN: not kept */
	int64_t first_row_id;      /* -1 until committed */
	struct bitmap *deleted;    /* NULL: none, or not loaded yet (see dv) */
	struct deletion_vector dv; /* COMMITTED: where the published vector lies; path owned, NULL: none */
	bool dirty;                /* deleted grew since the last publish */
	bool merged;               /* COMMITTED: its live rows are in a FINISHED file; goes with the next publish */
	struct data_file *file;    /* FINISHED */
};

struct address {
	uint32_t file;
	uint64_t pos;
};

struct mirror {
	struct lake *lake;
	struct lake_table *table;   /* borrowed */
	const struct relation *rel; /* held */
	char name[256];             /* for messages: "public.users" */
	struct lake_field *fields;  /* rel's columns and the row id last */
	size_t n_fields;

	struct mirror_file **files; /* by number; those that are gone share one that is not theirs */
	size_t n_files, cap_files;

	struct data_writer *writer; /* NULL: no open file */
	uint32_t open_file;         /* its number */

	struct key_def *key;
	struct batch *key_row;   /* one row of rel's columns: old keys are converted here */
	struct key_index *index; /* NULL: not built, nothing was updated or deleted yet */
	struct row_ids *row_ids;

	bool truncated; /* every committed file goes with the next publish */
	uint64_t live_rows;
	uint64_t pending_changes;

	/* of the last flush */
	struct data_file **added;
	size_t n_added, cap_added;
	const char **removed;
	size_t n_removed, cap_removed;
	struct lake_vector *vectors;
	size_t n_vectors, cap_vectors;
	bool taken; /* a commit may name the files of the last flush */
	uint32_t *vector_files;
	size_t cap_vector_files;
	struct lake_dv *dvs;
	size_t cap_dvs;
};

/* mirror_file.c */
int mirror_file_add(struct mirror *m, const char *uri, enum mirror_file_state state, uint32_t *number,
                    struct err *err) TARN_MUST_CHECK;
/* from the table's current version */
int mirror_files_load(struct mirror *m, struct err *err) TARN_MUST_CHECK;
/* loaded or made when missing */
int mirror_file_vector(struct mirror *m, uint32_t number, struct bitmap **out, struct err *err) TARN_MUST_CHECK;
/* GONE from now on, and removed if no commit took it; a table that lives for years keeps a pointer of each */
void mirror_file_drop(struct mirror *m, uint32_t number);
void mirror_vectors_clear(struct mirror *m);

/* mirror_index.c */
int mirror_index_build(struct mirror *m, struct err *err) TARN_MUST_CHECK;
int mirror_finish_file(struct mirror *m, struct err *err) TARN_MUST_CHECK;

#endif
