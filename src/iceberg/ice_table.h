/* src/iceberg/ice_table.h — Iceberg v2 and v3 tables: the lake's format operations, and planning of any snapshot for
 * readers.
 *
 * Manifest rules, sequence numbers and row ids follow the Iceberg specification ("Manifests", "Sequence Number
 * Inheritance", "Row Lineage", "Deletion Vectors"). Expiry removes old snapshots from the metadata as part of the
 * next prepare (refs other than main are kept); manifests are merged by prepare when there are more than
 * keep.manifests_max of a kind; sweep deletes what only expired snapshots reached.
 *
 * - A snapshot goes when it is beyond keep.versions_min and older than keep.age_us_max, in groups of 1 + versions_min
 *   / 8: that many more may be there. The parent of the newest always stays. What sweep has not deleted when the
 *   table is closed is left to sweep_orphans. gc.enabled=false stops all three. keep NULL: nothing expires.
 * - Writing needs: format version 2 or 3, no partition spec, Parquet, no encryption, a location in the store; else
 *   open says ERR_UNSUPPORTED or ERR_IDENTITY. Position and equality deletes of other writers do not hinder appends;
 *   prepare refuses removed files and vectors beside them. One commit under way at a time; a prepare that meets a
 *   newer version answers ERR_CONFLICT: close and open again.
 * - What a foreign writer did not record of a column is UINT64_MAX (METRIC_UNKNOWN) in column_metrics, -1 in
 *   nan_count; field types the lake does not know are TYPE_NONE.
 * - plan_fields gives ids from last-column-id + 1: write files with them, then prepare with the same fields; when the
 *   schema has moved meanwhile prepare says ERR_CONFLICT. */
#ifndef TARN_ICEBERG_ICE_TABLE_H
#define TARN_ICEBERG_ICE_TABLE_H

#include "lake/lake_format.h"

extern const struct lake_format_ops ice_format_ops;

/* Reading any snapshot (tarn sql, tarn table): needs no writer. */
struct ice_scan {
	struct data_file **files;
	size_t n_files; /* live, vectors attached */
	/* the snapshot's schema (current schema for the current snapshot) */
	struct lake_field *fields;
	size_t n_fields;
	int64_t snapshot_id; /* -1: table without snapshots */
	/* of foreign writers; the caller refuses what it cannot read */
	size_t n_position_delete_files, n_equality_delete_files;
};
int ice_scan_open(struct store *store, const json_t *metadata, int64_t snapshot_id /* -1: current */,
                  struct ice_scan **out, struct err *err) TARN_MUST_CHECK;
void ice_scan_free(struct ice_scan *scan); /* NULL allowed */

#endif
