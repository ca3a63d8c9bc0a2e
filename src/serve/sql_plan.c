/* src/serve/sql_plan.c — one version of one table, planned for the query worker. */
#include "serve/sql_plan.h"

#include <limits.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/crc.h"
#include "base/mem.h"
#include "base/rbuf.h"
#include "iceberg/ice_table.h"
#include "serve/sql_version.h"

#define PLAN_BYTES_MAX ((size_t)1 << 30)

struct plan {
	struct store *store;
	const char *what; /* "bank.users" */
	struct arena *arena;
	struct ice_scan *scan;
	struct sql_column *columns;
	struct sql_file *files;
};

static int local_path(struct plan *plan, const char *uri, const char **out, struct err *err)
{
	char path[PATH_MAX];
	const char *key = store_key(plan->store, uri);

	if (!key)
		return err_set(err, ERR_UNSUPPORTED, "%s: the file %s lies outside of the warehouse %s", plan->what,
		               uri, plan->store->root_uri);
	int rc = plan->store->ops->local_path(plan->store, key, path, sizeof path, err);
	if (rc)
		return err_prefix(err, "%s", plan->what);
	*out = arena_strdup(plan->arena, str_of(path));
	return *out ? ERR_OK : err_nomem(err);
}

/* A Puffin deletion-vector-v1 blob: u32 BE length of what follows without the checksum, magic and bitmap, u32 BE
 * CRC-32 of these. */
static int unwrap_blob(struct plan *plan, struct str blob, const char *uri, struct sql_file *file, struct err *err)
{
	struct rbuf in = rbuf_of(blob.p, blob.n);
	uint32_t n = rbuf_u32_be(&in);
	struct str body = rbuf_bytes(&in, n);
	uint32_t crc = rbuf_u32_be(&in);

	if (!rbuf_done(&in) || crc32_ieee(0, body.p, body.n) != crc)
		return err_set(err, ERR_CORRUPT, "%s: the deletion vector in %s is damaged (length or checksum)",
		               plan->what, uri);
	struct str copy = arena_str(plan->arena, body);
	if (!copy.p)
		return err_nomem(err);
	file->dv = (const uint8_t *)copy.p;
	file->dv_bytes = copy.n;
	return ERR_OK;
}

static int read_vector(struct plan *plan, const struct deletion_vector *dv, struct sql_file *file, struct err *err)
{
	const char *key = store_key(plan->store, dv->path);
	char *blob = NULL;
	size_t n = 0;

	if (!key)
		return err_set(err, ERR_UNSUPPORTED, "%s: the deletion file %s lies outside of the warehouse %s",
		               plan->what, dv->path, plan->store->root_uri);
	int rc = store_get_range(plan->store, key, dv->offset, dv->size, &blob, &n, err);
	if (rc)
		return err_prefix(err, "%s", plan->what);
	rc = unwrap_blob(plan, str_view(blob, n), dv->path, file, err);
	mem_free(blob);
	return rc;
}

static int plan_files(struct plan *plan, struct err *err)
{
	const struct ice_scan *scan = plan->scan;
	int rc = ERR_OK;

	plan->files = arena_zero(plan->arena, (scan->n_files ? scan->n_files : 1) * sizeof *plan->files);
	if (!plan->files)
		return err_nomem(err);
	for (size_t i = 0; i < scan->n_files && !rc; i++) {
		const struct data_file *data = scan->files[i];
		struct sql_file *file = &plan->files[i];
		file->rows = data->record_count;
		file->first_row_id = data->first_row_id;
		rc = local_path(plan, data->path, &file->path, err);
		if (!rc && data->dv.path)
			rc = read_vector(plan, &data->dv, file, err);
	}
	return rc;
}

static int plan_columns(struct plan *plan, struct err *err)
{
	const struct ice_scan *scan = plan->scan;

	if (scan->n_fields == 0)
		return err_set(err, ERR_UNSUPPORTED, "%s has no columns that Tarn can read", plan->what);
	plan->columns = arena_zero(plan->arena, scan->n_fields * sizeof *plan->columns);
	if (!plan->columns)
		return err_nomem(err);
	for (size_t i = 0; i < scan->n_fields; i++) {
		const struct lake_field *field = &scan->fields[i];
		plan->columns[i] = (struct sql_column){ field->name, field->type, field->id, field->elem_id };
	}
	return ERR_OK;
}

static int check_deletes(const struct plan *plan, struct err *err)
{
	const struct ice_scan *scan = plan->scan;

	if (scan->n_equality_delete_files)
		return err_set(
			err, ERR_UNSUPPORTED,
			"%s has %zu equality delete files of another writer, which Tarn does not read; compact the table with that writer first",
			plan->what, scan->n_equality_delete_files);
	if (scan->n_position_delete_files)
		return err_set(
			err, ERR_UNSUPPORTED,
			"%s has %zu position delete files of another writer, which Tarn does not read; compact the table with that writer first",
			plan->what, scan->n_position_delete_files);
	return ERR_OK;
}

int sql_plan_add(struct sql_session *session, struct store *store, const json_t *metadata, const struct sql_name *name,
                 const struct sql_ref *ref, struct err *err)
{
	char what[1024];
	struct plan plan = { .store = store, .what = what };
	int64_t snapshot_id;

	snprintf(what, sizeof what, "%s.%s", name->ns, name->table);
	int rc = sql_version_find(metadata, ref, what, &snapshot_id, err);
	if (rc)
		return rc;
	plan.arena = arena_new(PLAN_BYTES_MAX);
	if (!plan.arena)
		return err_nomem(err);
	rc = ice_scan_open(store, metadata, snapshot_id, &plan.scan, err);
	if (rc)
		err_prefix(err, "%s", what);
	if (!rc)
		rc = check_deletes(&plan, err);
	if (!rc)
		rc = plan_columns(&plan, err);
	if (!rc)
		rc = plan_files(&plan, err);
	if (!rc) {
		struct sql_table table = { name->ns,   ref->view,         plan.columns, plan.scan->n_fields,
			                   plan.files, plan.scan->n_files };
		rc = sql_add_table(session, &table, err);
	}
	ice_scan_free(plan.scan);
	arena_free(plan.arena);
	return rc;
}
