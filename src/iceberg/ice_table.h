/* src/iceberg/ice_table.h — Iceberg v2 and v3 tables: the lake's format operations, and planning of any snapshot for readers.
 *
 * Manifest rules, sequence numbers and row ids follow the Iceberg specification ("Manifests", "Sequence Number Inheritance", "Row Lineage", "Deletion Vectors"). Expiry removes old snapshots from the metadata
 * as part of the next prepare (refs other than main are kept); manifests are merged by prepare when there are more than keep.manifests_max of a kind; sweep deletes what only expired snapshots reached. */
#ifndef TARN_ICEBERG_ICE_TABLE_H
#define TARN_ICEBERG_ICE_TABLE_H

#include "lake/lake_format.h"

extern const struct lake_format_ops ice_format_ops;

/* Reading any snapshot (tarn sql, tarn table): needs no writer. */
struct ice_scan {
	struct data_file **files; size_t n_files;     /* live, vectors attached */
	struct lake_field *fields; size_t n_fields;   /* the snapshot's schema (current schema for the current snapshot) */
	int64_t snapshot_id;                          /* -1: table without snapshots */
	size_t n_position_delete_files, n_equality_delete_files; /* of foreign writers; the caller refuses what it cannot read */
};
int ice_scan_open(struct store *store, const json_t *metadata, int64_t snapshot_id /* -1: current */, struct ice_scan **out, struct err *err) TARN_MUST_CHECK;
void ice_scan_free(struct ice_scan *scan); /* NULL allowed */

#endif
