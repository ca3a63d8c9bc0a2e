/* src/iceberg/manifest.h — Iceberg manifests and manifest lists: struct manifest_entry and struct manifest_info to
 * and from Avro.
 *
 * Writing: versions 2 and 3, unpartitioned specs only; every optional column is present (readers demand them).
 * Reading: versions 1 to 3 of any writer and any partitioning; unknown columns are passed over, missing optional ones
 * have defaults. Inheritance (Iceberg specification, "Sequence Number Inheritance", "First Row ID Inheritance") is
 * applied by manifest_read: entries come out with explicit values. What a foreign writer did not record is
 * METRIC_UNKNOWN in column_bytes, value_count and null_count (never taken for 0), -1 in nan_count. */
#ifndef TARN_ICEBERG_MANIFEST_H
#define TARN_ICEBERG_MANIFEST_H

#include "base/err.h"
#include "base/json.h"
#include "base/wbuf.h"
#include "iceberg/avro.h"
#include "lake/data_file.h"

#define METRIC_UNKNOWN UINT64_MAX
#define MANIFEST_BYTES_MAX ((size_t)512 << 20) /* of one manifest or list that is read */

enum manifest_content { MANIFEST_DATA = 0, MANIFEST_DELETES = 1 };
enum entry_status { ENTRY_EXISTING = 0, ENTRY_ADDED = 1, ENTRY_DELETED = 2 };
enum entry_content { CONTENT_DATA = 0, CONTENT_POSITION_DELETES = 1, CONTENT_EQUALITY_DELETES = 2 };
enum entry_format { FORMAT_PARQUET, FORMAT_PUFFIN, FORMAT_AVRO, FORMAT_ORC, FORMAT_OTHER };

struct manifest_entry {
	uint8_t status, content, format;
	int32_t sort_order_id; /* -1: not recorded */
	/* owned. Of delete files too: path, record_count, file_bytes, sequences, snapshot_id */
	struct data_file *file;
	/* owned or NULL: the data file that a vector (or file-scoped position deletes) is for */
	char *referenced;
	int64_t content_offset, content_size; /* -1: not a part of a file */
	int32_t *equality_ids;                /* owned */
	size_t n_equality_ids;
	bool encrypted; /* has key metadata: cannot be read or carried on */
};

static inline bool entry_is_dv(const struct manifest_entry *entry)
{
	return entry->content == CONTENT_POSITION_DELETES && entry->format == FORMAT_PUFFIN;
}
struct manifest_entry *manifest_entry_new(struct data_file *file); /* takes file; NULL: no memory, file stays */
void manifest_entry_free(struct manifest_entry *entry);            /* NULL allowed */

/* A row of a manifest list. -1 where the specification has null. Owned: path, partitions, key_metadata. */
struct manifest_info {
	char *path;
	int64_t bytes;
	int32_t spec_id;
	uint8_t content; /* enum manifest_content */
	int64_t sequence, min_sequence, added_snapshot_id;
	int64_t n_added, n_existing, n_deleted; /* files; -1: not recorded (version 1) */
	int64_t rows_added, rows_existing, rows_deleted;
	int64_t first_row_id;
	struct partition_summary {
		bool contains_null;
		int8_t contains_nan /* -1: not recorded */;
		struct bound lower, upper;
	} * partitions;
	size_t n_partitions;
	bool has_partitions; /* the list itself may be null */
	bool encrypted;
};

void manifest_info_clear(struct manifest_info *info);
int manifest_info_copy(struct manifest_info *to, const struct manifest_info *from); /* 0 or -1: no memory */

struct manifest_writer;
struct manifest_opts {
	int format_version; /* 2 or 3 */
	enum manifest_content content;
	const json_t *schema; /* table schema, with schema-id */
	int32_t spec_id;
	int64_t snapshot_id; /* that writes it */
	int64_t sequence;    /* the snapshot's */
};

int manifest_writer_open(const struct manifest_opts *opts, struct manifest_writer **out,
                         struct err *err) TARN_MUST_CHECK;
/* ADDED: sequence numbers and first_row_id are left null (inherited). EXISTING, DELETED: the entry's own; DELETED
 * gets the writing snapshot's id. */
void manifest_writer_add(struct manifest_writer *writer, enum entry_status status, const struct manifest_entry *entry);
/* The file's bytes (borrowed until free) and its row, without path and first_row_id (-1). */
int manifest_writer_finish(struct manifest_writer *writer, struct str *bytes, struct manifest_info *info,
                           struct err *err) TARN_MUST_CHECK;
void manifest_writer_free(struct manifest_writer *writer);

/* Calls fn for every entry, deleted ones too, in file order; fn takes the entry. Stops when fn returns non-zero and
 * returns that. */
int manifest_read(struct str bytes, const struct manifest_info *info,
                  int (*fn)(void *arg, struct manifest_entry *entry, struct err *err), void *arg,
                  struct err *err) TARN_MUST_CHECK;

struct manifest_list_opts {
	int format_version;
	int64_t snapshot_id, parent_id /* -1 */, sequence, first_row_id;
};
/* Rows are written as they are: infos as pointers, since snapshots share them. */
int manifest_list_write(const struct manifest_list_opts *opts, const struct manifest_info *const *infos, size_t n,
                        struct wbuf *out, struct err *err) TARN_MUST_CHECK;
/* Owned array; manifest_infos_free. what names the file in messages. */
int manifest_list_read(struct str bytes, const char *what, struct manifest_info **out, size_t *n,
                       struct err *err) TARN_MUST_CHECK;
void manifest_infos_free(struct manifest_info *infos, size_t n);

#endif
