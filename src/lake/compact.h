/* src/lake/compact.h — which data files of a table to write anew as one: small ones by level, large ones with many
 * deleted rows.
 *
 * A file's level follows from its live bytes (deleted rows taken off): below 128 KiB, 1 MiB, 8 MiB, a quarter of the
 * target. When a level holds files_min files its oldest become one, which belongs to the next level or, after few
 * more, will: each row is written a logarithmic number of times and few files live at any moment. A file of a quarter
 * of the target (in bytes or rows) is full and left alone, unless more than deleted_percent of its rows are deleted.
 * Pure functions; lake/merge.h does the work. */
#ifndef TARN_LAKE_COMPACT_H
#define TARN_LAKE_COMPACT_H

#include <stddef.h>
#include <stdint.h>

struct compact_file {
	uint64_t bytes, rows, deleted;
}; /* deleted <= rows */

struct compact_limits {
	uint64_t bytes_max; /* live bytes of the new file, about: lake.data_file_bytes */
	uint64_t rows_max;  /* of the new file; what a merge remembers of its rows is in memory */
	size_t files_min;   /* of a level before it is merged */
	unsigned deleted_percent;
};

#define COMPACT_FILES_MAX 64 /* in one merge */

struct compact_limits compact_limits(uint64_t data_file_bytes);
/* files: oldest first. picked: indexes of files, ascending, room for COMPACT_FILES_MAX. Returns how many; 0: nothing
 * to do. */
size_t compact_pick(const struct compact_file *files, size_t n, const struct compact_limits *limits, size_t *picked);

#endif
