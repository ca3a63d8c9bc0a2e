/* src/iceberg/ice_build.c — the manifests and the manifest list of one commit.
 *
 * - Added data files: one new manifest, everything inherited.
 * - A manifest that loses an entry is written anew: what stays as EXISTING, what goes as DELETED. Small ones are put
 *   together in one; a large one stays alone, so that cold entries are not carried along with hot ones again and
 *   again. For vectors the added ones join the small ones.
 * - Manifests with nothing live are left out (their DELETED entries were told by the version that removed them).
 * - With more than keep.manifests_max of a kind the smallest are merged until half are left: each entry is rewritten
 *   a logarithmic number of times. */
#include <stdio.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/mem.h"
#include "iceberg/ice_table_int.h"

#define FOLD_ENTRIES_MAX 1000              /* survivors of a manifest that is put together with others */
#define MERGE_BYTES_MAX ((int64_t)8 << 20) /* as Iceberg's default target size of manifests */
#define MANIFESTS_MAX_DEFAULT 100

/* A manifest being written: opened with its first entry. */
struct making {
	struct lake_pending *p;
	enum manifest_content content;
	int32_t spec_id;
	struct manifest_writer *writer;
	struct ice_entry **live;
	size_t n_live, cap_live;
};

static int add(struct making *mk, enum entry_status status, struct ice_entry *entry, struct err *err)
{
	struct lake_pending *p = mk->p;
	struct manifest_opts opts = { .format_version = p->table->format_version,
		                      .content = mk->content,
		                      .schema = p->schema,
		                      .spec_id = mk->spec_id,
		                      .snapshot_id = p->snapshot_id,
		                      .sequence = p->sequence };
	int rc;

	if (!mk->writer) {
		rc = manifest_writer_open(&opts, &mk->writer, err);
		if (rc)
			return rc;
	}
	manifest_writer_add(mk->writer, status, entry->m);
	if (status == ENTRY_DELETED)
		return 0;
	if (vec_grow(&mk->live, &mk->cap_live, mk->n_live + 1, sizeof *mk->live))
		return err_nomem(err);
	mk->live[mk->n_live++] = entry;
	return 0;
}

static int put_file(struct lake_pending *p, const char *name, struct str bytes, char *uri, size_t uri_size,
                    struct err *err)
{
	const char *key;
	int n = snprintf(uri, uri_size, "%s/metadata/%s", p->table->location, name);

	if (n < 0 || (size_t)n >= uri_size)
		return err_set(err, ERR_LIMIT, "table %s: its location is too long", p->table->name);
	key = store_key(p->table->store, uri);
	if (!key)
		return err_set(err, ERR_IDENTITY, "table %s: its location %s lies outside the warehouse %s",
		               p->table->name, p->table->location, p->table->store->root_uri);
	if (vec_grow(&p->written, &p->cap_written, p->n_written + 1, sizeof *p->written))
		return err_nomem(err);
	p->written[p->n_written] = mem_strdup(key);
	if (!p->written[p->n_written])
		return err_nomem(err);
	p->n_written++; /* before the put: half a failure is removed too, and the name is ours alone */
	return store_put(p->table->store, key, bytes, STORE_CREATE_ONLY, err);
}

static int push_manifest(struct lake_pending *p, struct ice_manifest *manifest, struct err *err)
{
	if (vec_grow(&p->manifests, &p->cap_manifests, p->n_manifests + 1, sizeof *p->manifests))
		return err_nomem(err);
	manifest->refs++;
	p->manifests[p->n_manifests++] = manifest;
	return 0;
}

static int put_manifest(struct making *mk, struct err *err)
{
	struct lake_pending *p = mk->p;
	struct ice_manifest *manifest;
	struct manifest_info info;
	char name[80], uri[LOCATION_MAX];
	struct str bytes;
	int rc;

	rc = manifest_writer_finish(mk->writer, &bytes, &info, err);
	if (rc)
		return rc;
	snprintf(name, sizeof name, "%s-m%u.avro", p->uuid, p->n_files_named++);
	rc = put_file(p, name, bytes, uri, sizeof uri, err);
	if (rc)
		return rc;
	info.path = uri;
	manifest = ice_manifest_make(p->table, &info, mk->live, mk->n_live, err);
	if (!manifest)
		return ERR_NOMEM;
	rc = push_manifest(p, manifest, err);
	if (rc)
		ice_manifest_drop(p->table, manifest);
	else
		FAILPOINT_ERR("iceberg.prepare.manifest_written", err);
	return rc;
}

/* Writes what was collected, if anything; mk may be used again. */
static int finish(struct making *mk, int rc, struct err *err)
{
	if (!rc && mk->writer)
		rc = put_manifest(mk, err);
	manifest_writer_free(mk->writer);
	mk->writer = NULL;
	mem_free(mk->live);
	mk->live = NULL;
	mk->n_live = mk->cap_live = 0;
	return rc;
}

static int rewrite(struct making *mk, const struct ice_manifest *manifest, struct err *err)
{
	uint64_t serial = mk->p->serial;
	int rc = 0;

	for (size_t i = 0; !rc && i < manifest->n_live; i++)
		rc = add(mk, manifest->live[i]->gone == serial ? ENTRY_DELETED : ENTRY_EXISTING, manifest->live[i],
		         err);
	return rc;
}

static bool is_small(const struct lake_pending *p, const struct ice_manifest *manifest)
{
	return manifest->info.spec_id == p->table->spec_id && manifest->n_live <= FOLD_ENTRIES_MAX;
}

/* Large or of another spec: alone. */
static int rewrite_alone(struct lake_pending *p, const struct ice_manifest *manifest, struct err *err)
{
	struct making mk = { .p = p,
		             .content = (enum manifest_content)manifest->info.content,
		             .spec_id = manifest->info.spec_id };

	return finish(&mk, rewrite(&mk, manifest, err), err);
}

static int rewrite_touched(struct making *mk, struct err *err)
{
	struct lake_pending *p = mk->p;
	const struct ice_version *current = p->table->current;
	int rc = 0;

	for (size_t i = 0; !rc && current && p->n_gone && i < current->n_manifests; i++) {
		struct ice_manifest *manifest = current->manifests[i];

		if (manifest->stamp != p->serial || manifest->info.content != mk->content)
			continue;
		rc = is_small(p, manifest) ? rewrite(mk, manifest, err) : rewrite_alone(p, manifest, err);
	}
	return rc;
}

static int build_data(struct lake_pending *p, struct err *err)
{
	struct making mk = { .p = p, .content = MANIFEST_DATA, .spec_id = p->table->spec_id };
	int rc = 0;

	for (size_t i = 0; !rc && i < p->n_added; i++)
		rc = add(&mk, ENTRY_ADDED, p->added[i], err);
	rc = finish(&mk, rc, err);
	if (rc)
		return rc;
	return finish(&mk, rewrite_touched(&mk, err), err);
}

static int build_deletes(struct lake_pending *p, struct err *err)
{
	struct making mk = { .p = p, .content = MANIFEST_DELETES, .spec_id = p->table->spec_id };
	int rc = 0;

	for (size_t i = 0; !rc && i < p->n_dvs; i++)
		rc = add(&mk, ENTRY_ADDED, p->dvs[i], err);
	if (!rc)
		rc = rewrite_touched(&mk, err);
	return finish(&mk, rc, err);
}

static bool is_kept(const struct lake_pending *p, const struct ice_manifest *manifest, enum manifest_content content)
{
	return manifest->stamp != p->serial && manifest->n_live > 0 && manifest->info.content == content;
}

static int by_live(const void *a, const void *b)
{
	const struct ice_manifest *ma = *(struct ice_manifest *const *)a, *mb = *(struct ice_manifest *const *)b;

	return ma->n_live < mb->n_live ? -1 : ma->n_live > mb->n_live;
}

/* The smallest manifests that together stay below the target size, enough of them that half of the maximum is left. */
static int merge(struct lake_pending *p, enum manifest_content content, size_t n_new, struct err *err)
{
	const struct ice_version *current = p->table->current;
	size_t max = p->table->has_keep && p->table->keep.manifests_max > 0 ? (size_t)p->table->keep.manifests_max
	                                                                    : MANIFESTS_MAX_DEFAULT;
	struct making mk = { .p = p, .content = content, .spec_id = p->table->spec_id };
	struct ice_manifest **small;
	size_t n = 0, n_kept = 0, want;
	int64_t bytes = 0;
	int rc = 0;

	for (size_t i = 0; current && i < current->n_manifests; i++)
		n_kept += is_kept(p, current->manifests[i], content);
	if (n_kept + n_new <= max || n_kept < 2)
		return 0;
	small = mem_array(n_kept, sizeof *small);
	if (!small)
		return err_nomem(err);
	for (size_t i = 0; i < current->n_manifests; i++) {
		struct ice_manifest *manifest = current->manifests[i];

		if (is_kept(p, manifest, content) && !manifest->foreign &&
		    manifest->info.spec_id == p->table->spec_id && manifest->info.bytes < MERGE_BYTES_MAX)
			small[n++] = manifest;
	}
	qsort(small, n, sizeof *small, by_live);
	want = n_kept + n_new - max / 2 + 1;
	n = n < want ? n : want;
	for (size_t i = 0; n >= 2 && !rc && i < n && bytes < MERGE_BYTES_MAX; i++) {
		bytes += small[i]->info.bytes;
		rc = rewrite(&mk, small[i], err);
		small[i]->stamp = p->serial;
	}
	mem_free(small);
	return finish(&mk, rc, err);
}

static int keep_rest(struct lake_pending *p, struct err *err)
{
	const struct ice_version *current = p->table->current;
	int rc = 0;

	p->n_new = p->n_manifests;
	for (size_t i = 0; !rc && current && i < current->n_manifests; i++) {
		struct ice_manifest *manifest = current->manifests[i];

		if (is_kept(p, manifest, (enum manifest_content)manifest->info.content))
			rc = push_manifest(p, manifest, err);
	}
	return rc;
}

/* Every data manifest without first row id gets the running value, which grows by its added and existing rows (spec:
 * "First Row ID Assignment"). */
static int assign_row_ids(struct lake_pending *p, struct err *err)
{
	int64_t next = p->first_row_id;

	p->row_ids = mem_array(p->n_manifests + 1, sizeof *p->row_ids);
	if (!p->row_ids)
		return err_nomem(err);
	for (size_t i = 0; i < p->n_manifests; i++) {
		const struct manifest_info *info = &p->manifests[i]->info;

		p->row_ids[i] = info->first_row_id;
		if (p->table->format_version < 3 || info->content != MANIFEST_DATA || info->first_row_id >= 0)
			continue;
		p->row_ids[i] = next;
		if (__builtin_add_overflow(next, info->rows_added + info->rows_existing, &next))
			return err_set(err, ERR_LIMIT, "table %s: no row ids are left", p->table->name);
	}
	p->added_rows = next - p->first_row_id;
	return 0;
}

static int put_list(struct lake_pending *p, struct err *err)
{
	struct manifest_list_opts opts = { .format_version = p->table->format_version,
		                           .snapshot_id = p->snapshot_id,
		                           .parent_id = p->table->snapshot_id,
		                           .sequence = p->sequence,
		                           .first_row_id = p->first_row_id };
	struct manifest_info *rows = mem_array(p->n_manifests + 1, sizeof *rows);
	const struct manifest_info **pointers = mem_array(p->n_manifests + 1, sizeof *pointers);
	char name[120], uri[LOCATION_MAX];
	struct wbuf bytes;
	int rc;

	wbuf_init(&bytes, 0);
	rc = rows && pointers ? 0 : err_nomem(err);
	for (size_t i = 0; !rc && i < p->n_manifests; i++) {
		rows[i] = p->manifests[i]->info; /* borrowed parts */
		rows[i].first_row_id = p->row_ids[i];
		pointers[i] = &rows[i];
	}
	if (!rc)
		rc = manifest_list_write(&opts, pointers, p->n_manifests, &bytes, err);
	snprintf(name, sizeof name, "snap-%lld-1-%s.avro", (long long)p->snapshot_id, p->uuid);
	if (!rc)
		rc = put_file(p, name, wbuf_str(&bytes), uri, sizeof uri, err);
	if (!rc && !(p->list = mem_strdup(uri)))
		rc = err_nomem(err);
	wbuf_free(&bytes);
	mem_free(rows);
	mem_free(pointers);
	if (!rc)
		FAILPOINT_ERR("iceberg.prepare.list_written", err);
	return rc;
}

static size_t count_new(const struct lake_pending *p, enum manifest_content content)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_manifests; i++)
		n += p->manifests[i]->info.content == content && p->manifests[i]->n_live > 0;
	return n;
}

int ice_build(struct lake_pending *p, const struct lake_change *change, struct err *err)
{
	int rc;

	(void)change;
	rc = build_data(p, err);
	if (!rc)
		rc = build_deletes(p, err);
	if (!rc)
		rc = merge(p, MANIFEST_DATA, count_new(p, MANIFEST_DATA), err);
	if (!rc)
		rc = merge(p, MANIFEST_DELETES, count_new(p, MANIFEST_DELETES), err);
	if (!rc)
		rc = keep_rest(p, err);
	if (!rc)
		rc = assign_row_ids(p, err);
	return rc ? rc : put_list(p, err);
}
