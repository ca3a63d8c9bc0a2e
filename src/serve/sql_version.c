/* src/serve/sql_version.c — AT clauses to snapshots of Iceberg metadata (Table Metadata: snapshots, snapshot-log,
 * current-snapshot-id). */
#include "serve/sql_version.h"

#include "base/clock.h"
#include "iceberg/metadata.h"
#include "lake/lake.h"

static bool snapshot_lsn(const json_t *snapshot, uint64_t *lsn)
{
	return str_to_lsn(str_of(json_get_str(json_object_get(snapshot, "summary"), LAKE_KEY_LSN, "")), lsn);
}

static int64_t timestamp_us(const json_t *entry) { return json_get_int(entry, "timestamp-ms", 0) * 1000; }

static int nothing_at_all(const char *what, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "%s has no versions yet", what);
}

static int by_version(const json_t *metadata, int64_t version, const char *what, int64_t *id, struct err *err)
{
	const json_t *snapshot, *oldest = NULL;
	char text[TIME_TEXT_MAX];
	size_t i;

	if (ice_metadata_snapshot(metadata, version)) {
		*id = version;
		return ERR_OK;
	}
	json_array_foreach(json_object_get(metadata, "snapshots"), i, snapshot)
	{
		if (!oldest || timestamp_us(snapshot) < timestamp_us(oldest))
			oldest = snapshot;
	}
	if (!oldest)
		return nothing_at_all(what, err);
	return err_set(err, ERR_NOT_FOUND, "%s has no version %lld; the oldest one kept is %lld of %s", what,
	               (long long)version, (long long)json_get_int(oldest, "snapshot-id", -1),
	               time_text_ms(timestamp_us(oldest), text));
}

static int by_timestamp(const json_t *metadata, int64_t us, const char *what, int64_t *id, struct err *err)
{
	const json_t *entry, *best = NULL, *oldest = NULL;
	char asked[TIME_TEXT_MAX], first[TIME_TEXT_MAX];
	size_t i;

	/* The log is in order of time; entries of expired snapshots say nothing any more. */
	json_array_foreach(json_object_get(metadata, "snapshot-log"), i, entry)
	{
		if (!ice_metadata_snapshot(metadata, json_get_int(entry, "snapshot-id", -1)))
			continue;
		if (!oldest)
			oldest = entry;
		if (timestamp_us(entry) <= us)
			best = entry;
	}
	if (!oldest)
		return nothing_at_all(what, err);
	if (!best)
		return err_set(err, ERR_NOT_FOUND, "%s has no version as of %s; the oldest one kept is of %s", what,
		               time_text_ms(us, asked), time_text_ms(timestamp_us(oldest), first));
	*id = json_get_int(best, "snapshot-id", -1);
	return ERR_OK;
}

static int by_lsn(const json_t *metadata, uint64_t lsn, const char *what, int64_t *id, struct err *err)
{
	size_t left = json_array_size(json_object_get(metadata, "snapshots"));
	const json_t *snapshot = ice_metadata_snapshot(metadata, json_get_int(metadata, "current-snapshot-id", -1));
	char asked[LSN_TEXT_MAX], first[LSN_TEXT_MAX];
	uint64_t oldest = 0, at;
	bool any = false;

	/* From the current one back; `left` ends a circle of parents. */
	for (; snapshot && left > 0; left--) {
		if (snapshot_lsn(snapshot, &at)) {
			if (at <= lsn) {
				*id = json_get_int(snapshot, "snapshot-id", -1);
				return ERR_OK;
			}
			oldest = at;
			any = true;
		}
		snapshot = ice_metadata_snapshot(metadata, json_get_int(snapshot, "parent-snapshot-id", -1));
	}
	if (!any)
		return err_set(err, ERR_NOT_FOUND,
		               "%s has no version with a log position: it is not written by Tarn, or empty", what);
	return err_set(err, ERR_NOT_FOUND, "%s has no version as of LSN %s; the oldest one kept is of %s", what,
	               lsn_text(lsn, asked), lsn_text(oldest, first));
}

int sql_version_find(const json_t *metadata, const struct sql_ref *ref, const char *what, int64_t *snapshot_id,
                     struct err *err)
{
	*snapshot_id = -1;
	switch (ref->at) {
	case SQL_AT_VERSION: return by_version(metadata, ref->version, what, snapshot_id, err);
	case SQL_AT_TIMESTAMP: return by_timestamp(metadata, ref->timestamp_us, what, snapshot_id, err);
	case SQL_AT_LSN: return by_lsn(metadata, ref->lsn, what, snapshot_id, err);
	case SQL_AT_NOW: break;
	}
	return ERR_OK;
}
