/* src/serve/table_refs.c — rollback and tags: commits that move a table's references and nothing else. */
#include "base/clock.h"
#include "iceberg/metadata.h"
#include "lake/lake.h"
#include "serve/table_admin.h"

static json_t *ref_of(const json_t *metadata, const char *name)
{
	return json_object_get(json_object_get(metadata, "refs"), name);
}

static int64_t ref_version(const json_t *metadata, const char *name)
{
	return json_get_int(ref_of(metadata, name), "snapshot-id", -1);
}

static int no_version(const struct table_name *name, int64_t version, struct err *err)
{
	return err_set(
		err, ERR_NOT_FOUND,
		"table %s has no version %lld; it may have expired; 'tarn table history %s' lists those that are kept",
		name->full, (long long)version, name->full);
}

/* --- commits --- */

/* The reference must still be what was seen; -1: must not be there (REST: assert-ref-snapshot-id with null). */
static json_t *requirements(const json_t *metadata, const char *ref, int64_t seen)
{
	json_t *snapshot = seen < 0 ? json_null() : json_integer(seen);

	return json_pack("[{s:s, s:s}, {s:s, s:s, s:o}]", "type", "assert-table-uuid", "uuid",
	                 json_get_str(metadata, "table-uuid", ""), "type", "assert-ref-snapshot-id", "ref", ref,
	                 "snapshot-id", snapshot);
}

/* Takes updates. */
static int commit(const struct table_admin *admin, const struct table_name *name, const json_t *metadata,
                  const char *ref, json_t *updates, struct err *err)
{
	struct catalog_commit part = { .namespace_ = name->raw_ns,
		                       .table = name->name,
		                       .requirements = requirements(metadata, ref, ref_version(metadata, ref)),
		                       .updates = updates };
	enum commit_result result = COMMIT_NOT_DONE;
	int rc = part.requirements && updates
	                 ? admin->catalog->ops->commit(admin->catalog, &part, 1, NULL, &result, err)
	                 : err_nomem(err);

	catalog_table_clear(&part.result);
	json_decref(part.requirements);
	json_decref(updates);
	if (rc == ERR_CONFLICT)
		return err_set(
			err, ERR_CONFLICT,
			"somebody else changed table %s at the same time; nothing was done; look at 'tarn table history %s' and try again",
			name->full, name->full);
	if (rc == ERR_COMMIT_UNKNOWN)
		return err_set(err, ERR_COMMIT_UNKNOWN,
		               "it is not known whether %s was changed; 'tarn table show %s' tells", name->full,
		               name->full);
	return rc;
}

static int load(const struct table_admin *admin, const struct table_name *name, json_t **metadata, struct err *err)
{
	struct catalog_table table = { 0 };
	int rc = admin->catalog->ops->table_load(admin->catalog, name->raw_ns, name->name, &table, err);

	*metadata = rc ? NULL : json_incref(table.metadata);
	catalog_table_clear(&table);
	return rc;
}

/* --- rollback --- */

/* The version that Tarn's last commit of rows made: its summary carries the commit id that the table's property names. */
static int64_t newest_own(const json_t *metadata)
{
	const char *ours = ice_metadata_property(metadata, LAKE_KEY_COMMIT_ID);
	int64_t found = -1, sequence = INT64_MAX;
	const json_t *snapshot;
	size_t i;

	json_array_foreach(json_object_get(metadata, "snapshots"), i, snapshot)
	{
		const char *id = json_get_str(json_object_get(snapshot, "summary"), LAKE_KEY_COMMIT_ID, NULL);

		/* the oldest that carries it: a copy can only be younger */
		if (id && ours && strcmp(id, ours) == 0 && json_get_int(snapshot, "sequence-number", 0) < sequence) {
			sequence = json_get_int(snapshot, "sequence-number", 0);
			found = json_get_int(snapshot, "snapshot-id", -1);
		}
	}
	return found;
}

static int plan_pipeline(const struct table_name *name, struct table_rollback *plan, struct err *err)
{
	int64_t own = newest_own(plan->metadata);
	char lsn[LSN_TEXT_MAX + 1];

	if (own < 0)
		return err_set(
			err, ERR_NOT_FOUND,
			"the last version of %s that Tarn wrote is not kept any more, so another writer's changes cannot be undone; copy the table again: tarn table recopy %s",
			name->full, name->full);
	if (plan->to >= 0 && plan->to != own) {
		snprintf(lsn, sizeof lsn, "%s", ice_metadata_property(plan->metadata, LAKE_KEY_LSN));
		return err_set(
			err, ERR_USAGE,
			"table %s is written by a pipeline and stands at %s: going back to version %lld would lose changes for good; only version %lld, its newest own one, can be gone back to "
			"(another writer's commits are undone by that); to fill the table anew use: tarn table recopy %s; to read an old version: tarn sql \"SELECT ... FROM %s AT (VERSION => %lld)\"",
			name->full, lsn, (long long)plan->to, (long long)own, name->full, name->full,
			(long long)plan->to);
	}
	plan->to = own;
	return ERR_OK;
}

static int plan_target(const struct table_name *name, int64_t version, const char *tag, struct table_rollback *plan,
                       struct err *err)
{
	plan->from = ref_version(plan->metadata, "main");
	plan->pipeline = ice_metadata_property(plan->metadata, LAKE_KEY_LSN) != NULL;
	plan->to = tag ? ref_version(plan->metadata, tag) : version;
	if (plan->from < 0)
		return err_set(err, ERR_NOT_FOUND, "table %s has no versions yet", name->full);
	if (tag && plan->to < 0)
		return err_set(err, ERR_NOT_FOUND, "table %s has no tag %.200s; 'tarn table show %s' lists its tags",
		               name->full, tag, name->full);
	if (plan->to >= 0 && !ice_metadata_snapshot(plan->metadata, plan->to))
		return no_version(name, plan->to, err);
	if (plan->pipeline)
		return plan_pipeline(name, plan, err);
	if (plan->to < 0)
		return err_set(err, ERR_USAGE,
		               "which version? Give --version N or --tag TAG; 'tarn table history %s' lists them",
		               name->full);
	return ERR_OK;
}

int table_rollback_plan(const struct table_admin *admin, const struct table_name *name, int64_t version,
                        const char *tag, struct table_rollback *out, struct err *err)
{
	int rc;

	*out = (struct table_rollback){ .from = -1, .to = -1 };
	rc = load(admin, name, &out->metadata, err);
	if (!rc)
		rc = plan_target(name, version, tag, out, err);
	if (rc)
		table_rollback_clear(out);
	return rc;
}

void table_rollback_clear(struct table_rollback *plan)
{
	json_decref(plan->metadata);
	plan->metadata = NULL;
}

/* The branch keeps its own rules of retention. */
int table_rollback_do(const struct table_admin *admin, const struct table_name *name, const struct table_rollback *plan,
                      struct err *err)
{
	json_t *update = json_pack("{s:s, s:s}", "action", "set-snapshot-ref", "ref-name", "main"), *updates;

	if (update &&
	    (json_object_update(update, ref_of(plan->metadata, "main")) ||
	     json_set_str(update, "type", STR_LIT("branch")) || json_set_int(update, "snapshot-id", plan->to))) {
		json_decref(update);
		update = NULL;
	}
	updates = update ? json_pack("[o]", update) : NULL;
	return commit(admin, name, plan->metadata, "main", updates, err);
}

/* --- tags --- */

static int check_tag(const struct table_name *name, const json_t *metadata, const char *tag, int64_t version,
                     struct err *err)
{
	const json_t *ref = ref_of(metadata, tag);

	if (!*tag)
		return err_set(err, ERR_USAGE, "a tag needs a name");
	if (strcmp(tag, "main") == 0 || strcmp(json_get_str(ref, "type", "tag"), "tag") != 0)
		return err_set(err, ERR_EXISTS, "%.200s is a branch of table %s; choose another name for the tag", tag,
		               name->full);
	if (ref && json_get_int(ref, "snapshot-id", -1) != version)
		return err_set(
			err, ERR_EXISTS,
			"table %s has a tag %.200s already, at version %lld; drop that first: tarn table tag %s %.200s --drop",
			name->full, tag, (long long)json_get_int(ref, "snapshot-id", -1), name->full, tag);
	return ERR_OK;
}

int table_tag_set(const struct table_admin *admin, const struct table_name *name, const char *tag, int64_t *version,
                  struct err *err)
{
	json_t *metadata;
	int rc = load(admin, name, &metadata, err);

	if (rc)
		return rc;
	if (*version < 0)
		*version = ice_metadata_current_snapshot(metadata);
	if (*version < 0)
		rc = err_set(err, ERR_NOT_FOUND, "table %s has no versions yet", name->full);
	else if (!ice_metadata_snapshot(metadata, *version))
		rc = no_version(name, *version, err);
	else
		rc = check_tag(name, metadata, tag, *version, err);
	if (!rc && !ref_of(metadata, tag))
		rc = commit(admin, name, metadata, tag,
		            json_pack("[{s:s, s:s, s:s, s:I}]", "action", "set-snapshot-ref", "ref-name", tag, "type",
		                      "tag", "snapshot-id", (json_int_t)*version),
		            err);
	json_decref(metadata);
	return rc;
}

int table_tag_drop(const struct table_admin *admin, const struct table_name *name, const char *tag, struct err *err)
{
	json_t *metadata;
	int rc = load(admin, name, &metadata, err);

	if (rc)
		return rc;
	if (!ref_of(metadata, tag))
		rc = err_set(err, ERR_NOT_FOUND, "table %s has no tag %.200s; 'tarn table show %s' lists its tags",
		             name->full, tag, name->full);
	else if (strcmp(json_get_str(ref_of(metadata, tag), "type", ""), "tag") != 0)
		rc = err_set(err, ERR_USAGE, "%.200s is a branch of table %s, not a tag; branches are not dropped here",
		             tag, name->full);
	else
		rc = commit(admin, name, metadata, tag,
		            json_pack("[{s:s, s:s}]", "action", "remove-snapshot-ref", "ref-name", tag), err);
	json_decref(metadata);
	return rc;
}
