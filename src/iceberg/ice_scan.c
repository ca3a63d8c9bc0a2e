/* src/iceberg/ice_scan.c — the live files of any snapshot, for readers: no writer, no state kept. */
#include "base/map.h"
#include "base/mem.h"
#include "iceberg/ice_table_int.h"

struct scanning {
	struct ice_scan *scan;
	struct map *by_path; /* URI -> struct data_file */
	size_t cap_files;
	struct manifest_entry **dvs;
	size_t n_dvs, cap_dvs;
};

static int take_data(struct scanning *sc, struct manifest_entry *m, struct err *err)
{
	struct ice_scan *scan = sc->scan;

	if (m->format != FORMAT_PARQUET)
		return err_set(err, ERR_UNSUPPORTED, "data file %s is not Parquet; Tarn reads Parquet only",
		               m->file->path);
	if (map_get(sc->by_path, str_of(m->file->path)))
		return err_set(err, ERR_CORRUPT, "the snapshot lists data file %s twice", m->file->path);
	if (vec_grow(&scan->files, &sc->cap_files, scan->n_files + 1, sizeof *scan->files) ||
	    map_put(sc->by_path, str_of(m->file->path), m->file, NULL))
		return err_nomem(err);
	scan->files[scan->n_files++] = m->file;
	m->file = NULL;
	return 0;
}

static int take_entry(void *arg, struct manifest_entry *m, struct err *err)
{
	struct scanning *sc = arg;
	int rc = 0;

	if (m->status == ENTRY_DELETED) {
		manifest_entry_free(m);
		return 0;
	}
	if (m->encrypted) {
		rc = err_set(err, ERR_UNSUPPORTED, "file %s is encrypted; Tarn reads no encrypted tables",
		             m->file->path);
	} else if (m->content == CONTENT_DATA) {
		rc = take_data(sc, m, err);
	} else if (entry_is_dv(m)) {
		if (!vec_grow(&sc->dvs, &sc->cap_dvs, sc->n_dvs + 1, sizeof *sc->dvs)) {
			sc->dvs[sc->n_dvs++] = m;
			return 0;
		}
		rc = err_nomem(err);
	} else if (m->content == CONTENT_POSITION_DELETES) {
		sc->scan->n_position_delete_files++;
	} else {
		sc->scan->n_equality_delete_files++;
	}
	manifest_entry_free(m);
	return rc;
}

/* A vector applies to the data file it names when that is not newer (spec: "Scan Planning"); one of a file that is
 * gone says nothing. */
static int attach(struct scanning *sc, const struct manifest_entry *m, struct err *err)
{
	struct data_file *file = map_get(sc->by_path, str_of(m->referenced));

	if (!file)
		return 0;
	if (file->dv.path)
		return err_set(err, ERR_CORRUPT, "the snapshot has two deletion vectors for data file %s", file->path);
	if (file->sequence > m->file->sequence)
		return err_set(err, ERR_CORRUPT, "the deletion vector of data file %s is older than the file",
		               file->path);
	return ice_vector_set(file, m, err);
}

static int read_snapshot(struct store *store, const json_t *snapshot, struct scanning *sc, struct err *err)
{
	struct manifest_info *infos;
	size_t n;
	int rc;

	rc = ice_read_list(store, snapshot, &infos, &n, err);
	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < n; i++)
		rc = ice_read_manifest(store, &infos[i], take_entry, sc, err);
	for (size_t i = 0; !rc && i < sc->n_dvs; i++)
		rc = attach(sc, sc->dvs[i], err);
	manifest_infos_free(infos, n);
	return rc;
}

/* The current snapshot is read with the current schema, others with theirs. */
static int read_fields(const json_t *metadata, const json_t *snapshot, struct ice_scan *scan, struct err *err)
{
	int64_t id = json_get_int(metadata, "current-schema-id", -1);
	const json_t *schema;

	if (snapshot && scan->snapshot_id != ice_metadata_current_snapshot(metadata))
		id = json_get_int(snapshot, "schema-id", id);
	schema = ice_schema_by_id(metadata, id);
	if (!schema)
		return err_set(err, ERR_CORRUPT, "table metadata: schema %lld is missing", (long long)id);
	return ice_fields_read(schema, &scan->fields, &scan->n_fields, err);
}

static int scan_open(struct store *store, const json_t *metadata, int64_t snapshot_id, struct scanning *sc,
                     struct err *err)
{
	int64_t version = json_get_int(metadata, "format-version", -1);
	const json_t *snapshot = NULL;
	int rc;

	if (version < 1 || version > 3)
		return err_set(err, ERR_UNSUPPORTED, "Iceberg format version %lld is not read; Tarn reads 1 to 3",
		               (long long)version);
	sc->scan->snapshot_id = snapshot_id < 0 ? ice_metadata_current_snapshot(metadata) : snapshot_id;
	if (sc->scan->snapshot_id >= 0) {
		snapshot = ice_metadata_snapshot(metadata, sc->scan->snapshot_id);
		if (!snapshot)
			return err_set(err, ERR_NOT_FOUND,
			               "the table has no version (snapshot) %lld; it may have expired",
			               (long long)sc->scan->snapshot_id);
	}
	rc = read_fields(metadata, snapshot, sc->scan, err);
	if (rc || !snapshot)
		return rc;
	sc->by_path = map_new();
	return sc->by_path ? read_snapshot(store, snapshot, sc, err) : err_nomem(err);
}

int ice_scan_open(struct store *store, const json_t *metadata, int64_t snapshot_id, struct ice_scan **out,
                  struct err *err)
{
	struct scanning sc = { .scan = mem_zero(sizeof *sc.scan) };
	int rc = sc.scan ? scan_open(store, metadata, snapshot_id, &sc, err) : err_nomem(err);

	for (size_t i = 0; i < sc.n_dvs; i++)
		manifest_entry_free(sc.dvs[i]);
	mem_free(sc.dvs);
	map_free(sc.by_path, NULL);
	if (rc) {
		ice_scan_free(sc.scan);
		sc.scan = NULL;
	}
	*out = sc.scan;
	return rc;
}

void ice_scan_free(struct ice_scan *scan)
{
	if (!scan)
		return;
	for (size_t i = 0; i < scan->n_files; i++)
		data_file_free(scan->files[i]);
	mem_free(scan->files);
	lake_fields_free(scan->fields, scan->n_fields);
	mem_free(scan);
}
