/* src/iceberg/ice_snapshot.c — requirements and updates of one commit: schema, snapshot with its summary, main,
 * properties.
 *
 * Summary keys are those of the Iceberg specification ("Snapshot Summary Optional Fields"), counted as iceberg-java
 * counts: a vector is a delete file, its rows are position deletes, its size is its blob. Totals come from the live
 * entries, so a foreign writer that left them out does not break the chain. */
#include <stdio.h>

#include "base/mem.h"
#include "iceberg/ice_table_int.h"

int ice_update_push(struct lake_pending *pending, json_t *update, struct err *err)
{
	return json_array_append_new(pending->updates, update) ? err_nomem(err) : 0;
}

static int require(struct lake_pending *p, json_t *requirement, struct err *err)
{
	return json_array_append_new(p->requirements, requirement) ? err_nomem(err) : 0;
}

static int requirements(struct lake_pending *p, const struct lake_change *change, struct err *err)
{
	const json_t *metadata = p->table->metadata;
	json_t *base = p->table->snapshot_id < 0 ? json_null() : json_integer(p->table->snapshot_id);
	int rc;

	rc = require(
		p,
		json_pack("{s:s, s:s}", "type", "assert-table-uuid", "uuid", json_get_str(metadata, "table-uuid", "")),
		err);
	if (!rc)
		rc = require(p,
		             json_pack("{s:s, s:s, s:O}", "type", "assert-ref-snapshot-id", "ref", "main",
		                       "snapshot-id", base),
		             err);
	json_decref(base);
	if (rc || change->n_add_fields == 0)
		return rc;
	rc = require(p,
	             json_pack("{s:s, s:I}", "type", "assert-current-schema-id", "current-schema-id",
	                       (json_int_t)json_get_int(metadata, "current-schema-id", 0)),
	             err);
	if (!rc)
		rc = require(p,
		             json_pack("{s:s, s:I}", "type", "assert-last-assigned-field-id", "last-assigned-field-id",
		                       (json_int_t)json_get_int(metadata, "last-column-id", 0)),
		             err);
	return rc;
}

static int64_t highest_schema_id(const json_t *metadata)
{
	const json_t *v;
	int64_t highest = 0;
	size_t i;

	json_array_foreach(json_object_get(metadata, "schemas"), i, v)
	{
		if (json_get_int(v, "schema-id", 0) > highest)
			highest = json_get_int(v, "schema-id", 0);
	}
	return highest;
}

/* The ids must be those that plan_fields gave, or none yet. */
static int check_ids(const struct lake_field *given, const struct lake_field *planned, struct err *err)
{
	if ((given->id && given->id != planned->id) || (given->elem_id && given->elem_id != planned->elem_id))
		return err_set(
			err, ERR_CONFLICT,
			"column %s was planned with field id %d, but %d is next: the schema has changed; open the table again",
			given->name, given->id, planned->id);
	return 0;
}

static int append_fields(struct lake_pending *p, const struct lake_change *change, json_t *fields, struct err *err)
{
	struct lake_field *planned = mem_array(change->n_add_fields, sizeof *planned);
	int rc;

	if (!planned)
		return err_nomem(err);
	memcpy(planned, change->add_fields, change->n_add_fields * sizeof *planned);
	rc = ice_plan_fields(&p->table->base, planned, change->n_add_fields, err);
	for (size_t i = 0; !rc && i < change->n_add_fields; i++) {
		rc = check_ids(&change->add_fields[i], &planned[i], err);
		planned[i].required = false; /* existing rows have no value */
		if (!rc && json_array_append_new(fields, ice_field_json(&planned[i])))
			rc = err_nomem(err);
	}
	mem_free(planned); /* shallow */
	return rc;
}

static int64_t last_field_id(const struct lake_pending *p, const struct lake_change *change)
{
	int64_t last = json_get_int(p->table->metadata, "last-column-id", 0);

	for (size_t i = 0; i < change->n_add_fields; i++)
		last += change->add_fields[i].type.kind == TYPE_LIST ? 2 : 1;
	return last;
}

static int schema_updates(struct lake_pending *p, const struct lake_change *change, int64_t *schema_id, struct err *err)
{
	json_t *schema, *fields;
	int rc;

	*schema_id = json_get_int(p->schema, "schema-id", 0);
	if (change->n_add_fields == 0)
		return 0;
	/* what the catalog will give: no older schema has the new ids */
	*schema_id = highest_schema_id(p->table->metadata) + 1;
	schema = json_copy((json_t *)(uintptr_t)p->schema);
	fields = json_copy(json_object_get(p->schema, "fields"));
	rc = schema && fields && !json_set_int(schema, "schema-id", *schema_id) ? append_fields(p, change, fields, err)
	                                                                        : err_nomem(err);
	if (!rc && json_object_set(schema, "fields", fields))
		rc = err_nomem(err);
	if (!rc)
		rc = ice_update_push(p,
		                     json_pack("{s:s, s:O, s:I}", "action", "add-schema", "schema", schema,
		                               "last-column-id", (json_int_t)last_field_id(p, change)),
		                     err);
	if (!rc)
		rc = ice_update_push(p, json_pack("{s:s, s:i}", "action", "set-current-schema", "schema-id", -1), err);
	json_decref(schema);
	json_decref(fields);
	return rc;
}

/* What a commit adds and removes, by kind. */
struct counts {
	int64_t files, rows, bytes, dvs, delete_files, position_deletes, equality_deletes;
};

static void count(struct counts *c, const struct manifest_entry *m)
{
	int64_t rows = (int64_t)m->file->record_count;

	c->bytes += ice_entry_bytes(m);
	if (m->content == CONTENT_DATA) {
		c->files++;
		c->rows += rows;
		return;
	}
	c->delete_files++;
	c->dvs += entry_is_dv(m);
	if (m->content == CONTENT_POSITION_DELETES)
		c->position_deletes += rows;
	else
		c->equality_deletes += rows;
}

static const char *operation(const struct lake_change *change, const struct counts *added, const struct counts *removed)
{
	bool takes = removed->files || removed->delete_files || added->delete_files;

	if (change->replace)
		return "replace";
	if (!takes)
		return "append";
	return added->files ? "overwrite" : "delete";
}

static int put(json_t *summary, const char *key, int64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)n);
	return json_set_str(summary, key, str_of(text));
}

static int put_some(json_t *summary, const char *key, int64_t n) { return n ? put(summary, key, n) : 0; }

static int put_counts(json_t *s, const struct counts *a, const struct counts *r, const struct ice_totals *t)
{
	return put(s, "added-data-files", a->files) || put(s, "deleted-data-files", r->files) ||
	       put(s, "added-records", a->rows) || put(s, "deleted-records", r->rows) ||
	       put_some(s, "added-delete-files", a->delete_files) ||
	       put_some(s, "removed-delete-files", r->delete_files) || put_some(s, "added-dvs", a->dvs) ||
	       put_some(s, "removed-dvs", r->dvs) || put_some(s, "added-position-deletes", a->position_deletes) ||
	       put_some(s, "removed-position-deletes", r->position_deletes) ||
	       put_some(s, "removed-equality-deletes", r->equality_deletes) || put(s, "added-files-size", a->bytes) ||
	       put(s, "removed-files-size", r->bytes) || put(s, "changed-partition-count", 1) ||
	       put(s, "total-data-files", t->data_files) || put(s, "total-delete-files", t->delete_files) ||
	       put(s, "total-records", t->records) || put(s, "total-files-size", t->bytes) ||
	       put(s, "total-position-deletes", t->position_deletes) ||
	       put(s, "total-equality-deletes", t->equality_deletes);
}

static json_t *summary(struct lake_pending *p, const struct lake_change *change)
{
	struct counts added = { 0 }, removed = { 0 };
	json_t *s = json_object();
	bool ok = s != NULL;

	for (size_t i = 0; i < p->n_added; i++)
		count(&added, p->added[i]->m), ice_totals_add(&p->totals, p->added[i]->m, 1);
	for (size_t i = 0; i < p->n_dvs; i++)
		count(&added, p->dvs[i]->m), ice_totals_add(&p->totals, p->dvs[i]->m, 1);
	for (size_t i = 0; i < p->n_gone; i++)
		count(&removed, p->gone[i]->m), ice_totals_add(&p->totals, p->gone[i]->m, -1);
	ok = ok && !json_set_str(s, "operation", str_of(operation(change, &added, &removed))) &&
	     !put_counts(s, &added, &removed, &p->totals) && !json_set_str(s, "engine-name", STR_LIT("tarn"));
#ifdef TARN_VERSION
	ok = ok && !json_set_str(s, "engine-version", STR_LIT(TARN_VERSION));
#endif
	for (size_t i = 0; ok && i < change->n_summary; i++)
		if (change->summary[i].value)
			ok = !json_set_str(s, change->summary[i].key, str_of(change->summary[i].value));
	if (ok)
		return s;
	json_decref(s);
	return NULL;
}

static json_t *snapshot(struct lake_pending *p, const struct lake_change *change, int64_t schema_id)
{
	json_t *what = summary(p, change), *s;
	bool ok;

	if (!what)
		return NULL;
	s = json_pack("{s:I, s:I, s:I, s:s, s:O, s:I}", "sequence-number", (json_int_t)p->sequence, "snapshot-id",
	              (json_int_t)p->snapshot_id, "timestamp-ms", (json_int_t)p->timestamp_ms, "manifest-list", p->list,
	              "summary", what, "schema-id", (json_int_t)schema_id);
	json_decref(what);
	ok = s && (p->table->snapshot_id < 0 || !json_set_int(s, "parent-snapshot-id", p->table->snapshot_id));
	if (ok && p->table->format_version >= 3)
		ok = !json_set_int(s, "first-row-id", p->first_row_id) && !json_set_int(s, "added-rows", p->added_rows);
	if (ok)
		return s;
	json_decref(s);
	return NULL;
}

/* The update replaces the reference: its retention settings are taken along. */
static json_t *main_ref(struct lake_pending *p)
{
	const json_t *now = json_object_get(json_object_get(p->table->metadata, "refs"), "main");
	json_t *update = json_is_object(now) ? json_copy((json_t *)(uintptr_t)now) : json_object();

	if (update && !json_set_str(update, "action", STR_LIT("set-snapshot-ref")) &&
	    !json_set_str(update, "ref-name", STR_LIT("main")) && !json_set_str(update, "type", STR_LIT("branch")) &&
	    !json_set_int(update, "snapshot-id", p->snapshot_id))
		return update;
	json_decref(update);
	return NULL;
}

static int snapshot_updates(struct lake_pending *p, const struct lake_change *change, int64_t schema_id,
                            struct err *err)
{
	json_t *value = snapshot(p, change, schema_id);
	int rc;

	if (!value)
		return err_nomem(err);
	rc = ice_update_push(p, json_pack("{s:s, s:o}", "action", "add-snapshot", "snapshot", value), err);
	return rc ? rc : ice_update_push(p, main_ref(p), err);
}

/* Old metadata files go with the commits, unless the table's owner has said something else. */
static bool set_metadata_versions(struct lake_pending *p, json_t *set)
{
	const json_t *now = json_object_get(p->table->metadata, "properties");
	char text[24];

	if (!p->table->has_keep || p->table->keep.metadata_versions <= 0 ||
	    json_has(now, "write.metadata.previous-versions-max") ||
	    json_has(now, "write.metadata.delete-after-commit.enabled"))
		return true;
	snprintf(text, sizeof text, "%d", p->table->keep.metadata_versions);
	return !json_set_str(set, "write.metadata.previous-versions-max", str_of(text)) &&
	       !json_set_str(set, "write.metadata.delete-after-commit.enabled", STR_LIT("true"));
}

static int property_updates(struct lake_pending *p, const struct lake_change *change, struct err *err)
{
	const json_t *now = json_object_get(p->table->metadata, "properties");
	json_t *set = json_object(), *removed = json_array();
	bool ok = set && removed && set_metadata_versions(p, set);
	int rc = 0;

	for (size_t i = 0; ok && i < change->n_properties; i++) {
		const struct lake_kv *kv = &change->properties[i];

		if (kv->value)
			ok = !json_set_str(set, kv->key, str_of(kv->value));
		else if (json_has(now, kv->key))
			ok = !json_array_append_new(removed, json_string(kv->key));
	}
	if (!ok)
		rc = err_nomem(err);
	if (!rc && json_object_size(set))
		rc = ice_update_push(p, json_pack("{s:s, s:O}", "action", "set-properties", "updates", set), err);
	if (!rc && json_array_size(removed))
		rc = ice_update_push(p, json_pack("{s:s, s:O}", "action", "remove-properties", "removals", removed),
		                     err);
	json_decref(set);
	json_decref(removed);
	return rc;
}

int ice_snapshot_updates(struct lake_pending *pending, const struct lake_change *change, struct err *err)
{
	int64_t schema_id;
	int rc;

	rc = requirements(pending, change, err);
	if (!rc)
		rc = schema_updates(pending, change, &schema_id, err);
	if (!rc && pending->new_version)
		rc = snapshot_updates(pending, change, schema_id, err);
	return rc ? rc : property_updates(pending, change, err);
}
