/* src/lake/row_ids.h — `_row_id` of rows in files which have the column: file number and position -> id; consecutive
 * ids take next to nothing when set in ascending order.
 *
 * Rows without an entry take first_row_id + position of their file (Iceberg specification, "Row Lineage"). One thread
 * at a time. */
#ifndef TARN_LAKE_ROW_IDS_H
#define TARN_LAKE_ROW_IDS_H

#include <stddef.h>
#include <stdint.h>

struct row_ids;

struct row_ids *row_ids_new(void);      /* NULL: no memory */
void row_ids_free(struct row_ids *ids); /* NULL allowed */
/* 0 or -1: no memory (or a position above 2^32) */
int row_ids_set(struct row_ids *ids, uint32_t file, uint64_t pos, int64_t id);
int64_t row_ids_get(const struct row_ids *ids, uint32_t file, uint64_t pos); /* -1: none */
void row_ids_drop_file(struct row_ids *ids, uint32_t file);
void row_ids_clear(struct row_ids *ids);
uint64_t row_ids_bytes(const struct row_ids *ids); /* memory held */

#endif
