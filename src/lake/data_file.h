/* src/lake/data_file.h — one data file of a table as metadata describes it, in both formats' common words.
 * Owned struct: data_file_free frees what hangs on it. Plain data, no behaviour. */
#ifndef TARN_LAKE_DATA_FILE_H
#define TARN_LAKE_DATA_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Iceberg single-value binary; owned; an empty string bound has set and n 0 */
struct bound {
	uint8_t *p;
	uint32_t n;
	bool set;
};

struct column_metrics {
	int32_t field_id;      /* leaf field: list elements have their own id */
	uint64_t column_bytes; /* compressed, from the Parquet footer */
	uint64_t value_count;  /* nulls included */
	uint64_t null_count;
	int64_t nan_count; /* -1: not a float */
	struct bound lower, upper;
};

struct deletion_vector {       /* where the current one lies; path NULL: none */
	char *path;            /* URI of the Puffin file */
	uint64_t offset, size; /* of the blob */
	uint64_t cardinality;
};

struct data_file {
	char *path; /* URI */
	uint64_t record_count;
	uint64_t file_bytes;
	struct column_metrics *metrics;
	size_t n_metrics;
	uint64_t *split_offsets; /* ascending row group starts */
	size_t n_splits;
	int64_t first_row_id; /* -1: none yet (new file) or v2 */
	int64_t sequence;     /* data sequence number; -1: inherited (new) */
	int64_t file_sequence;
	int64_t snapshot_id; /* that added it; -1 new */
	struct deletion_vector dv;
};

void data_file_free(struct data_file *file);       /* contents and the struct; NULL allowed */
struct data_file *data_file_new(const char *path); /* zeros, -1 where said; NULL: no memory */

#endif
