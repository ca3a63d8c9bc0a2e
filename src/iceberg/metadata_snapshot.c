/* src/iceberg/metadata_snapshot.c — updates of snapshots, refs, their history and statistics (spec: Snapshots,
 * Snapshot References, Table Statistics).
 *
 * Rules kept here: sequence numbers grow; in version 3 a snapshot brings first-row-id >= next-row-id and pushes it;
 * "main" and current-snapshot-id are one thing; every ref points to a listed snapshot; the last entry of snapshot-log
 * is the current snapshot, and no entry names a snapshot that is gone. */
#include "iceberg/metadata_int.h"

#include <inttypes.h>
#include <stdio.h>

#define DAY_MS (24 * 3600 * (int64_t)1000)

/* Copies an optional whole number. */
static int copy_int(const json_t *from, json_t *to, const char *key, int64_t min, const char *what, struct err *err)
{
	int64_t value;
	bool has;
	int rc = ice_get_int_opt(from, key, min, INT64_MAX, what, &value, &has, err);

	if (rc || !has)
		return rc;
	return json_object_set_new(to, key, json_integer(value)) ? err_nomem(err) : 0;
}

static int check_summary(const json_t *snapshot, struct err *err)
{
	static const char *const operations[] = { "append", "replace", "overwrite", "delete", NULL };
	const json_t *summary = json_object_get(snapshot, "summary");
	const char *operation = json_get_str(summary, "operation", ""), *key;
	json_t *value;
	size_t i = 0;

	if (!json_is_object(summary) || json_object_size(summary) > ICE_PROPERTIES_MAX)
		return err_set(err, ERR_USAGE, "add-snapshot: \"summary\" must be an object of at most %d texts",
		               ICE_PROPERTIES_MAX);
	while (operations[i] && strcmp(operations[i], operation) != 0)
		i++;
	if (!operations[i])
		return err_set(err, ERR_USAGE,
		               "add-snapshot: summary.operation must be append, replace, overwrite or delete");
	json_object_foreach((json_t *)summary, key, value)
	{
		if (!json_is_string(value) || json_string_length(value) > ICE_PROPERTY_VALUE_MAX)
			return err_set(err, ERR_USAGE,
			               "add-snapshot: summary \"%s\" must be a text of at most %d bytes", key,
			               ICE_PROPERTY_VALUE_MAX);
	}
	return 0;
}

/* Known members only, in the order readers are used to. */
static int snapshot_canonical(const json_t *given, json_t **out, struct err *err)
{
	json_t *made = json_object();
	int rc = 0;

	if (!made)
		return err_nomem(err);
	if ((rc = copy_int(given, made, "sequence-number", 1, "snapshot", err)) ||
	    (rc = copy_int(given, made, "snapshot-id", 0, "snapshot", err)) ||
	    (rc = copy_int(given, made, "parent-snapshot-id", 0, "snapshot", err)) ||
	    (rc = copy_int(given, made, "timestamp-ms", 0, "snapshot", err)))
		goto out;
	if (json_object_set_new(made, "summary", ice_copy(json_object_get(given, "summary"))) ||
	    json_object_set(made, "manifest-list", json_object_get(given, "manifest-list"))) {
		rc = err_nomem(err);
		goto out;
	}
	if ((rc = copy_int(given, made, "schema-id", 0, "snapshot", err)) ||
	    (rc = copy_int(given, made, "first-row-id", 0, "snapshot", err)) ||
	    (rc = copy_int(given, made, "added-rows", 0, "snapshot", err)))
		goto out;
	if (json_is_string(json_object_get(given, "key-id")) &&
	    json_object_set(made, "key-id", json_object_get(given, "key-id")))
		rc = err_nomem(err);
out:
	if (rc)
		json_decref(made);
	else
		*out = made;
	return rc;
}

/* Row lineage (spec: Row Lineage): the rows of a snapshot get ids from first-row-id on. */
static int take_rows(struct ice_change *change, const json_t *snapshot, struct err *err)
{
	int64_t first, added, next = json_get_int(change->md, "next-row-id", 0);
	int rc;

	if (change->version < 3)
		return 0;
	rc = ice_get_int(snapshot, "first-row-id", 0, INT64_MAX / 2, "add-snapshot (format version 3)", &first, err);
	if (!rc)
		rc = ice_get_int(snapshot, "added-rows", 0, INT64_MAX / 2, "add-snapshot (format version 3)", &added,
		                 err);
	if (rc)
		return rc;
	if (first < next)
		return err_set(err, ERR_CONFLICT,
		               "Cannot add a snapshot, first-row-id is behind table next-row-id: %" PRId64
		               " < %" PRId64,
		               first, next);
	return ice_change_set(change, "next-row-id", json_integer(first + added), err);
}

static int check_snapshot(struct ice_change *change, const json_t *snapshot, int64_t *sequence, int64_t *id,
                          struct err *err)
{
	const char *list;
	int64_t time_ms, schema_id;
	bool has;
	int rc = ice_get_int(snapshot, "snapshot-id", 0, INT64_MAX, "add-snapshot", id, err);

	if (rc || (rc = ice_get_int(snapshot, "sequence-number", 1, INT64_MAX, "add-snapshot", sequence, err)) ||
	    (rc = ice_get_int(snapshot, "timestamp-ms", 0, INT64_MAX, "add-snapshot", &time_ms, err)) ||
	    (rc = ice_get_str(snapshot, "manifest-list", 4096, "add-snapshot", &list, err)) ||
	    (rc = ice_get_int_opt(snapshot, "schema-id", 0, INT32_MAX, "add-snapshot", &schema_id, &has, err)) ||
	    (rc = check_summary(snapshot, err)))
		return rc;
	if (has && !ice_find(json_object_get(change->md, "schemas"), "schema-id", schema_id, NULL))
		return err_set(err, ERR_USAGE, "add-snapshot: the table has no schema %" PRId64, schema_id);
	/* last-updated-ms never goes back, so one snapshot from far in the future would hold the table's clock there. */
	if (time_ms > change->apply->now_ms + DAY_MS)
		return err_set(err, ERR_USAGE,
		               "add-snapshot: timestamp-ms %" PRId64
		               " is more than a day in the future: set the client's clock",
		               time_ms);
	if (ice_find(json_object_get(change->md, "snapshots"), "snapshot-id", *id, NULL))
		return err_set(err, ERR_USAGE, "add-snapshot: snapshot %" PRId64 " exists already", *id);
	if (*sequence <= json_get_int(change->md, "last-sequence-number", 0))
		return err_set(err, ERR_CONFLICT,
		               "Cannot add snapshot with sequence number %" PRId64
		               " older than last sequence number %" PRId64,
		               *sequence, json_get_int(change->md, "last-sequence-number", 0));
	return 0;
}

int ice_update_add_snapshot(struct ice_change *change, const json_t *update, struct err *err)
{
	json_t *snapshots = json_object_get(change->md, "snapshots"), *given, *made = NULL;
	int64_t id, sequence;
	char text[24];
	int rc = ice_get_object(update, "snapshot", "add-snapshot", &given, err);

	if (!rc)
		rc = check_snapshot(change, given, &sequence, &id, err);
	if (!rc && json_array_size(snapshots) >= ICE_SNAPSHOTS_MAX)
		rc = err_set(err, ERR_USAGE, "add-snapshot: the table has %d snapshots already: expire some first",
		             ICE_SNAPSHOTS_MAX);
	if (!rc)
		rc = take_rows(change, given, err);
	if (!rc)
		rc = snapshot_canonical(given, &made, err);
	if (rc)
		return rc;
	snprintf(text, sizeof text, "%" PRId64, id);
	if (json_array_append_new(snapshots, made) || json_object_set_new(change->added, text, json_true()))
		return err_nomem(err);
	return ice_change_set(change, "last-sequence-number", json_integer(sequence), err);
}

/* main moved to a snapshot: current-snapshot-id and the log follow. A new snapshot enters the log with its own time,
 * an older one (rollback) with now. */
static int set_main(struct ice_change *change, int64_t id, struct err *err)
{
	json_t *log = json_object_get(change->md, "snapshot-log");
	const json_t *snapshot = ice_find(json_object_get(change->md, "snapshots"), "snapshot-id", id, NULL);
	int64_t last = json_get_int(json_array_get(log, json_array_size(log) - 1), "timestamp-ms", 0), when;
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, id);
	when = json_object_get(change->added, text) ? json_get_int(snapshot, "timestamp-ms", 0) : change->apply->now_ms;
	if (when < last)
		when = last;
	if (when > json_get_int(change->md, "last-updated-ms", 0) &&
	    ice_change_set(change, "last-updated-ms", json_integer(when), err))
		return ERR_NOMEM;
	if (json_array_append_new(
		    log, json_pack("{s:I,s:I}", "timestamp-ms", (json_int_t)when, "snapshot-id", (json_int_t)id)))
		return err_nomem(err);
	change->history_changed = true;
	return ice_change_set(change, "current-snapshot-id", json_integer(id), err);
}

static int clear_main(struct ice_change *change, struct err *err)
{
	json_array_clear(json_object_get(change->md, "snapshot-log"));
	return ice_change_set(change, "current-snapshot-id", change->version >= 3 ? json_null() : json_integer(-1),
	                      err);
}

/* {"snapshot-id", "type", retention}: what "refs" holds. */
static int ref_canonical(const json_t *update, const char *type, int64_t id, json_t **out, struct err *err)
{
	static const char *const branch_only[] = { "min-snapshots-to-keep", "max-snapshot-age-ms" };
	json_t *made = json_pack("{s:I,s:s}", "snapshot-id", (json_int_t)id, "type", type);
	int rc = 0;

	if (!made)
		return err_nomem(err);
	for (size_t i = 0; i < 2 && !rc; i++) {
		const json_t *value = json_object_get(update, branch_only[i]);
		if (value && !json_is_null(value) && strcmp(type, "branch") != 0)
			rc = err_set(err, ERR_USAGE, "set-snapshot-ref: a tag has no %s", branch_only[i]);
		else
			rc = copy_int(update, made, branch_only[i], 1, "set-snapshot-ref", err);
	}
	if (!rc)
		rc = copy_int(update, made, "max-ref-age-ms", 1, "set-snapshot-ref", err);
	if (rc) {
		json_decref(made);
		return rc;
	}
	*out = made;
	return 0;
}

int ice_update_set_ref(struct ice_change *change, const json_t *update, struct err *err)
{
	json_t *refs = json_object_get(change->md, "refs"), *made = NULL;
	const char *name, *type;
	int64_t id;
	int rc = ice_get_str(update, "ref-name", ICE_NAME_MAX, "set-snapshot-ref", &name, err);

	if (rc || (rc = ice_get_str(update, "type", 16, "set-snapshot-ref", &type, err)) ||
	    (rc = ice_get_int(update, "snapshot-id", 0, INT64_MAX, "set-snapshot-ref", &id, err)))
		return rc;
	if (strcmp(type, "branch") != 0 && strcmp(type, "tag") != 0)
		return err_set(err, ERR_USAGE, "set-snapshot-ref: type must be branch or tag");
	if (strcmp(name, "main") == 0 && strcmp(type, "branch") != 0)
		return err_set(err, ERR_USAGE, "set-snapshot-ref: main must be a branch");
	if (!ice_find(json_object_get(change->md, "snapshots"), "snapshot-id", id, NULL))
		return err_set(err, ERR_USAGE, "Cannot set %s to unknown snapshot: %" PRId64, name, id);
	if (json_object_size(refs) >= ICE_REFS_MAX && !json_has(refs, name))
		return err_set(err, ERR_USAGE, "set-snapshot-ref: the table has %d refs already", ICE_REFS_MAX);
	rc = ref_canonical(update, type, id, &made, err);
	if (rc)
		return rc;
	if (json_equal(json_object_get(refs, name), made)) {
		json_decref(made);
		return 0;
	}
	if (json_object_set_new(refs, name, made))
		return err_nomem(err);
	change->changed = true;
	if (strcmp(name, "main") == 0 && ice_metadata_current_snapshot(change->md) != id)
		return set_main(change, id, err);
	return 0;
}

int ice_update_remove_ref(struct ice_change *change, const json_t *update, struct err *err)
{
	const char *name;

	if (ice_get_str(update, "ref-name", ICE_NAME_MAX, "remove-snapshot-ref", &name, err))
		return ERR_USAGE;
	if (json_object_del(json_object_get(change->md, "refs"), name))
		return 0;
	change->changed = true;
	return strcmp(name, "main") == 0 ? clear_main(change, err) : 0;
}

/* Drops the elements of md's list whose snapshot-id is in the set of texts. */
static int drop_of_snapshots(struct ice_change *change, const char *list_name, const json_t *gone, struct err *err)
{
	json_t *list = json_object_get(change->md, list_name), *kept = json_array(), *element;
	char text[24];
	size_t i;

	if (!kept)
		return err_nomem(err);
	json_array_foreach(list, i, element)
	{
		snprintf(text, sizeof text, "%" PRId64, json_get_int(element, "snapshot-id", -1));
		if (!json_object_get(gone, text) && json_array_append(kept, element)) {
			json_decref(kept);
			return err_nomem(err);
		}
	}
	if (json_array_size(kept) == json_array_size(list)) {
		json_decref(kept);
		return 0;
	}
	return ice_change_set(change, list_name, kept, err);
}

/* Refs to a removed snapshot go with it; when that is main, the table has no current snapshot. */
static int drop_refs(struct ice_change *change, const json_t *gone, struct err *err)
{
	json_t *refs = json_object_get(change->md, "refs"), *ref;
	const char *name;
	char text[24];
	void *next;

	json_object_foreach_safe(refs, next, name, ref)
	{
		snprintf(text, sizeof text, "%" PRId64, json_get_int(ref, "snapshot-id", -1));
		if (!json_object_get(gone, text))
			continue;
		json_object_del(refs, name);
		change->changed = true;
	}
	snprintf(text, sizeof text, "%" PRId64, ice_metadata_current_snapshot(change->md));
	return json_object_get(gone, text) ? clear_main(change, err) : 0;
}

int ice_update_remove_snapshots(struct ice_change *change, const json_t *update, struct err *err)
{
	json_t *ids, *value, *gone;
	char text[24];
	size_t i;
	int rc = ice_get_array(update, "snapshot-ids", ICE_SNAPSHOTS_MAX, "remove-snapshots", &ids, err);

	if (rc)
		return rc;
	gone = json_object();
	if (!gone)
		return err_nomem(err);
	json_array_foreach(ids, i, value)
	{
		if (!json_is_integer(value)) {
			rc = err_set(err, ERR_USAGE, "remove-snapshots: snapshot-ids must be whole numbers");
			break;
		}
		snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		if (json_object_set_new(gone, text, json_true())) {
			rc = err_nomem(err);
			break;
		}
	}
	if (!rc && !(rc = drop_of_snapshots(change, "snapshots", gone, err)) &&
	    !(rc = drop_of_snapshots(change, "statistics", gone, err)) &&
	    !(rc = drop_of_snapshots(change, "partition-statistics", gone, err)))
		rc = drop_refs(change, gone, err);
	json_decref(gone);
	change->history_changed = true;
	return rc;
}

/* An entry whose snapshot is gone ends what is known: it and all before it leave the log. Snapshots that were added
 * and passed over in one request were never current for anybody and leave it too. */
int ice_change_close_history(struct ice_change *change, struct err *err)
{
	const json_t *log = json_object_get(change->md, "snapshot-log"),
		     *snapshots = json_object_get(change->md, "snapshots");
	int64_t current = ice_metadata_current_snapshot(change->md);
	json_t *kept = json_array(), *entry;
	char text[24];
	size_t i;

	if (!kept)
		return err_nomem(err);
	json_array_foreach(log, i, entry)
	{
		int64_t id = json_get_int(entry, "snapshot-id", -1);
		snprintf(text, sizeof text, "%" PRId64, id);
		if (!ice_find(snapshots, "snapshot-id", id, NULL)) {
			json_array_clear(kept);
			continue;
		}
		if (json_object_get(change->added, text) && id != current)
			continue;
		if (json_array_append(kept, entry)) {
			json_decref(kept);
			return err_nomem(err);
		}
	}
	if (json_array_size(kept) == json_array_size(log)) {
		json_decref(kept);
		return 0;
	}
	return ice_change_set(change, "snapshot-log", kept, err);
}

/* --- statistics files --- */

/* Replaces the element of the same snapshot or appends; takes made. */
static int put_statistics(struct ice_change *change, const char *list_name, json_t *made, struct err *err)
{
	json_t *list = json_object_get(change->md, list_name);
	size_t at;
	json_t *old = ice_find(list, "snapshot-id", json_get_int(made, "snapshot-id", -1), &at);
	int rc;

	if (old && json_equal(old, made)) {
		json_decref(made);
		return 0;
	}
	rc = old ? json_array_set_new(list, at, made) : json_array_append_new(list, made);
	if (rc)
		return err_nomem(err);
	change->changed = true;
	return 0;
}

static int set_file(struct ice_change *change, const json_t *update, const char *member, const char *list_name,
                    bool table_level, struct err *err)
{
	json_t *given, *made, *blobs;
	const char *path;
	int64_t id, outer, bytes;
	bool has;
	int rc = ice_get_object(update, member, "set-statistics", &given, err);

	if (rc || (rc = ice_get_int(given, "snapshot-id", 0, INT64_MAX, member, &id, err)) ||
	    (rc = ice_get_str(given, "statistics-path", 4096, member, &path, err)) ||
	    (rc = ice_get_int(given, "file-size-in-bytes", 0, INT64_MAX, member, &bytes, err)) ||
	    (rc = ice_get_int_opt(update, "snapshot-id", 0, INT64_MAX, member, &outer, &has, err)))
		return rc;
	if (has && outer != id)
		return err_set(err, ERR_USAGE, "%s: snapshot-id is given twice and differs", member);
	if (table_level && ((rc = ice_get_int(given, "file-footer-size-in-bytes", 0, INT64_MAX, member, &bytes, err)) ||
	                    (rc = ice_get_array(given, "blob-metadata", ICE_FIELDS_MAX, member, &blobs, err))))
		return rc;
	if (!ice_find(json_object_get(change->md, "snapshots"), "snapshot-id", id, NULL))
		return err_set(err, ERR_USAGE, "%s: the table has no snapshot %" PRId64, member, id);
	made = ice_copy(given);
	return made ? put_statistics(change, list_name, made, err) : err_nomem(err);
}

static int remove_file(struct ice_change *change, const json_t *update, const char *list_name, struct err *err)
{
	json_t *list = json_object_get(change->md, list_name);
	int64_t id;
	size_t at;
	int rc = ice_get_int(update, "snapshot-id", 0, INT64_MAX, "remove-statistics", &id, err);

	if (rc || !ice_find(list, "snapshot-id", id, &at))
		return rc;
	json_array_remove(list, at);
	change->changed = true;
	return 0;
}

int ice_update_set_statistics(struct ice_change *change, const json_t *update, struct err *err)
{
	return set_file(change, update, "statistics", "statistics", true, err);
}

int ice_update_remove_statistics(struct ice_change *change, const json_t *update, struct err *err)
{
	return remove_file(change, update, "statistics", err);
}

int ice_update_set_partition_statistics(struct ice_change *change, const json_t *update, struct err *err)
{
	return set_file(change, update, "partition-statistics", "partition-statistics", false, err);
}

int ice_update_remove_partition_statistics(struct ice_change *change, const json_t *update, struct err *err)
{
	return remove_file(change, update, "partition-statistics", err);
}
