/* src/lake/parquet_footer.h — what table metadata needs of a Parquet file's footer: rows, row group starts, bytes a
 * column.
 *
 * A bounded reader of the Thrift compact protocol (Parquet specification, parquet.thrift: FileMetaData); everything
 * else is skipped over. */
#ifndef TARN_LAKE_PARQUET_FOOTER_H
#define TARN_LAKE_PARQUET_FOOTER_H

#include "base/err.h"
#include "base/str.h"
#include "lake/data_file.h"

#define PARQUET_FOOTER_MAX ((uint64_t)256 << 20)
#define PARQUET_NO_FIELD_ID INT32_MIN

struct parquet_leaf {
	int32_t field_id;      /* PARQUET_NO_FIELD_ID: the file does not say */
	uint64_t column_bytes; /* compressed, over all row groups */
};

struct parquet_footer {
	uint64_t file_bytes;
	uint64_t rows;
	/* first byte of each row group with rows (first column's dictionary or data page), ascending */
	uint64_t *splits;
	size_t n_splits;
	struct parquet_leaf *leaves;
	size_t n_leaves; /* in schema order */
};

/* A local file. ERR_IO, ERR_CORRUPT (names the file), ERR_UNSUPPORTED (encrypted footer), ERR_LIMIT. */
int parquet_footer_read(const char *path, struct parquet_footer **out, struct err *err) TARN_MUST_CHECK;
/* The Thrift bytes alone; file_bytes bounds the offsets. */
int parquet_footer_parse(struct str thrift, uint64_t file_bytes, const char *what, struct parquet_footer **out,
                         struct err *err) TARN_MUST_CHECK;
void parquet_footer_free(struct parquet_footer *footer); /* NULL allowed */

/* Sets record_count, file_bytes, split offsets and the metrics' column_bytes (by field id, for entries which are
 * there) of a description. */
int parquet_footer_describe(const char *path, struct data_file *file, struct err *err) TARN_MUST_CHECK;

#endif
