/* src/pipeline/verify_compare.c — both sides of one table in a query worker: the lake at the cut, the source's copy,
 * and their difference by key range. */
#include <stdio.h>

#include "base/mem.h"
#include "engine/sql.h"
#include "iceberg/metadata.h"
#include "lake/lake.h"
#include "pipeline/verify_int.h"
#include "serve/sql_plan.h"
#include "serve/sql_version.h"

#define RANGE_ROWS 2000000 /* rows compared at a time */

/* The position a version carries in its summary. */
static uint64_t version_lsn(const json_t *metadata, int64_t snapshot_id)
{
	const json_t *snapshot = ice_metadata_snapshot(metadata, snapshot_id);
	uint64_t lsn = 0;

	(void)str_to_lsn(str_of(json_get_str(json_object_get(snapshot, "summary"), LAKE_KEY_LSN, "")), &lsn);
	return lsn;
}

static int add_source(struct verify_table *t, struct sql_session *session, struct err *err)
{
	uint16_t n = t->rel->n_columns;
	struct sql_column *columns = mem_array(n + 1u, sizeof *columns);
	struct sql_file file = { .path = t->path, .rows = t->source_rows, .first_row_id = -1 };
	int rc;

	if (!columns)
		return err_nomem(err);
	for (uint16_t i = 0; i < n; i++)
		columns[i] = (struct sql_column){ t->rel->columns[i].name, t->rel->columns[i].type, i + 1, n + i + 1 };
	rc = sql_add_table(session, &(struct sql_table){ "verify", "source", columns, n, &file, 1 }, err);
	mem_free(columns);
	return rc;
}

static int add_base(struct verify_table *t, struct sql_session *session, struct err *err)
{
	struct sql_name name = { "verify", t->lake_name };
	struct sql_ref ref = { .at = SQL_AT_LSN, .lsn = t->run->cut.consistent_lsn - 1, .view = (char *)"base" };
	int64_t snapshot_id = -1;
	int rc;

	if (json_get_int(t->mirror.metadata, "current-snapshot-id", -1) < 0) {
		ref.at = SQL_AT_NOW; /* no version yet: an empty table */
	} else {
		rc = sql_version_find(t->mirror.metadata, &ref, t->label, &snapshot_id, err);
		if (rc)
			return rc;
		t->base_lsn = version_lsn(t->mirror.metadata, snapshot_id);
		t->has_base = true;
	}
	return sql_plan_add(session, t->run->store, t->mirror.metadata, &name, &ref, err);
}

/* Without a changelog the base must be the version at the cut: no later one. */
static int check_exact(struct verify_table *t, struct err *err)
{
	int64_t current = json_get_int(t->mirror.metadata, "current-snapshot-id", -1);

	if (t->run->changelog || current < 0 || version_lsn(t->mirror.metadata, current) == t->base_lsn)
		return ERR_OK;
	return err_set(
		err, ERR_CONFLICT,
		"the table changed while it was looked at and has no changelog to go back by; try again when it is quieter, or use mode: [mirror, changelog]");
}

static int open_session(struct verify_table *t, struct sql_session **out, struct err *err)
{
	const struct config *c = t->run->config;
	struct sql_limits limits = { .memory_bytes = (uint64_t)c->sql_memory_bytes,
		                     .threads = (int)c->sql_threads,
		                     .time_us = 0,
		                     .temp_bytes = (uint64_t)10 << 30 };
	struct sql_name name = { "verify", t->lake_name };
	struct sql_ref now = { .at = SQL_AT_NOW, .view = (char *)"changes" };
	struct sql_session *session;
	int rc = sql_open(&limits, &session, err);

	if (rc)
		return rc;
	rc = add_base(t, session, err);
	if (!rc)
		rc = check_exact(t, err);
	if (!rc)
		rc = add_source(t, session, err);
	if (!rc && t->run->changelog)
		rc = sql_plan_add(session, t->run->store, t->changes.metadata, &name, &now, err);
	if (!rc)
		rc = sql_lock(session, err);
	if (rc) {
		sql_close(session);
		return rc;
	}
	*out = session;
	return ERR_OK;
}

/* --- statements --- */

static bool in_lake(const struct verify_table *t, const char *column)
{
	const json_t *schema, *field, *schemas = json_object_get(t->mirror.metadata, "schemas");
	int64_t current = json_get_int(t->mirror.metadata, "current-schema-id", 0);
	size_t i, j;

	json_array_foreach(schemas, i, schema) if (json_get_int(schema, "schema-id", 0) == current)
		json_array_foreach(json_object_get(schema, "fields"), j,
	                           field) if (strcmp(json_get_str(field, "name", ""), column) == 0) return true;
	return false;
}

/* "a", "b" with a prefix before each; keys only, or all columns the lake has. */
static void put_columns(const struct verify_table *t, const char *prefix, bool keys, struct wbuf *out)
{
	bool first = true;

	for (uint16_t i = 0; i < t->rel->n_columns; i++) {
		const struct rel_column *col = &t->rel->columns[i];

		if (keys ? !col->key : !in_lake(t, col->name))
			continue;
		wbuf_putz(out, first ? "" : ", ");
		wbuf_putz(out, prefix);
		wbuf_put_sql_ident(out, str_of(col->name));
		first = false;
	}
}

static void put_range(const struct verify_table *t, uint64_t ranges, uint64_t range, struct wbuf *out)
{
	wbuf_putz(out, "hash(");
	put_columns(t, "", true, out);
	wbuf_putf(out, ") %% %llu = %llu", (unsigned long long)ranges, (unsigned long long)range);
}

/* The lake at the cut: base, with the changes between its position and the cut folded over it. */
static void put_lake(const struct verify_table *t, uint64_t ranges, uint64_t range, struct wbuf *out)
{
	if (!t->run->changelog) {
		wbuf_putz(out, "lake AS (SELECT ");
		put_columns(t, "", false, out);
		wbuf_putz(out, " FROM verify.base WHERE ");
		put_range(t, ranges, range, out);
		wbuf_putz(out, ")");
		return;
	}
	wbuf_putf(
		out,
		"ch AS (SELECT *, _commit_lsn::HUGEINT * 1099511627776 + _ordinal AS _at FROM verify.changes WHERE _commit_lsn > %llu AND _commit_lsn < %llu), ",
		(unsigned long long)t->base_lsn, (unsigned long long)t->run->cut.consistent_lsn);
	wbuf_putz(
		out,
		"cut AS (SELECT max(_at) AS t FROM ch WHERE _op = 'T'), part AS (SELECT * FROM ch WHERE _op <> 'T' AND ");
	put_range(t, ranges, range, out);
	wbuf_putz(
		out,
		"), newest AS (SELECT * FROM part WHERE _at > coalesce((SELECT t FROM cut), -1) QUALIFY row_number() OVER (PARTITION BY ");
	put_columns(t, "", true, out);
	wbuf_putz(out, " ORDER BY _at DESC, CASE _op WHEN 'D' THEN 0 ELSE 1 END DESC) = 1), lake AS (SELECT ");
	put_columns(t, "b.", false, out);
	wbuf_putz(out, " FROM verify.base b WHERE ");
	put_range(t, ranges, range, out);
	wbuf_putz(out, " AND (SELECT t FROM cut) IS NULL AND NOT EXISTS (SELECT 1 FROM part p WHERE ");
	for (uint16_t k = 0; k < t->rel->n_keys; k++) {
		const char *name = t->rel->columns[t->rel->key_columns[k]].name;

		wbuf_putz(out, k ? " AND p." : "p.");
		wbuf_put_sql_ident(out, str_of(name));
		wbuf_putz(out, " = b.");
		wbuf_put_sql_ident(out, str_of(name));
	}
	wbuf_putz(out, ") UNION ALL SELECT ");
	put_columns(t, "", false, out);
	wbuf_putz(out, " FROM newest WHERE _op <> 'D')");
}

static void put_with(const struct verify_table *t, uint64_t ranges, uint64_t range, struct wbuf *out)
{
	wbuf_putz(out, "WITH src AS (SELECT * FROM verify.source WHERE ");
	put_range(t, ranges, range, out);
	wbuf_putz(out, "), ");
	put_lake(t, ranges, range, out);
}

static void put_keys_text(const struct verify_table *t, struct wbuf *out)
{
	for (uint16_t k = 0; k < t->rel->n_keys; k++) {
		struct str name = str_of(t->rel->columns[t->rel->key_columns[k]].name);

		if (k)
			wbuf_putz(out, " || ', ' || ");
		wbuf_put_sql_literal(out, name);
		wbuf_putz(out, " || '=' || coalesce(s.");
		wbuf_put_sql_ident(out, name);
		wbuf_putz(out, ", l.");
		wbuf_put_sql_ident(out, name);
		wbuf_putz(out, ")::VARCHAR");
	}
}

/* Rows that are on one side only, or differ in a column; a source column the lake does not have yet must be null. */
static void put_difference(const struct verify_table *t, uint64_t ranges, uint64_t range, struct wbuf *out)
{
	put_with(t, ranges, range, out);
	wbuf_putz(
		out,
		" SELECT CASE WHEN l._l IS NULL THEN 'only in the source: ' WHEN s._s IS NULL THEN 'only in the lake: ' ELSE 'different: ' END || ");
	put_keys_text(t, out);
	wbuf_putz(
		out,
		", count(*) OVER () FROM (SELECT *, 1 AS _s FROM src) s FULL OUTER JOIN (SELECT *, 1 AS _l FROM lake) l ON ");
	for (uint16_t k = 0; k < t->rel->n_keys; k++) {
		struct str name = str_of(t->rel->columns[t->rel->key_columns[k]].name);

		wbuf_putz(out, k ? " AND s." : "s.");
		wbuf_put_sql_ident(out, name);
		wbuf_putz(out, " = l.");
		wbuf_put_sql_ident(out, name);
	}
	wbuf_putz(out, " WHERE s._s IS NULL OR l._l IS NULL");
	for (uint16_t i = 0; i < t->rel->n_columns; i++) {
		struct str name = str_of(t->rel->columns[i].name);

		wbuf_putz(out, " OR s.");
		wbuf_put_sql_ident(out, name);
		if (!in_lake(t, t->rel->columns[i].name)) {
			wbuf_putz(out, " IS NOT NULL");
			continue;
		}
		wbuf_putz(out, " IS DISTINCT FROM l.");
		wbuf_put_sql_ident(out, name);
	}
	wbuf_putf(out, " LIMIT %d", VERIFY_KEYS_MAX);
}

/* --- running them --- */

struct answer {
	struct verify_result *result;
	struct wbuf *keys;
	bool counting;
	size_t n_keys;
	bool first;
};

static int on_row(void *arg, const struct str *cells, size_t n, struct err *err)
{
	struct answer *a = arg;
	uint64_t value = 0;

	if (n < 2)
		return err_set(err, ERR_BUG, "the comparison gave %zu columns", n);
	if (a->counting) {
		if (str_to_u64(cells[0], &value))
			a->result->source_rows += value;
		if (str_to_u64(cells[1], &value))
			a->result->lake_rows += value;
		return ERR_OK;
	}
	if (a->first && str_to_u64(cells[1], &value))
		a->result->different += value;
	a->first = false;
	if (a->n_keys++ < VERIFY_KEYS_MAX) {
		wbuf_put_str(a->keys, cells[0]);
		wbuf_put_u8(a->keys, '\n');
	}
	return ERR_OK;
}

static int on_columns(void *arg, const struct sql_result_column *columns, size_t n, struct err *err)
{
	(void)arg, (void)columns, (void)n, (void)err;
	return ERR_OK;
}

static int compare_range(struct verify_table *t, struct sql_session *session, struct answer *answer, uint64_t ranges,
                         uint64_t range, struct err *err)
{
	struct sql_sink sink = { .columns = on_columns, .row = on_row, .arg = answer };
	struct wbuf sql;
	int rc;

	wbuf_init(&sql, 1 << 20);
	put_with(t, ranges, range, &sql);
	wbuf_putz(&sql, " SELECT (SELECT count(*) FROM src), (SELECT count(*) FROM lake)");
	answer->counting = true;
	rc = wbuf_check(&sql, err, "the comparison");
	if (!rc)
		rc = sql_run(session, wbuf_cstr(&sql), &sink, err);
	wbuf_reset(&sql);
	put_difference(t, ranges, range, &sql);
	answer->counting = false;
	answer->first = true;
	if (!rc)
		rc = wbuf_check(&sql, err, "the comparison");
	if (!rc)
		rc = sql_run(session, wbuf_cstr(&sql), &sink, err);
	wbuf_free(&sql);
	return rc;
}

int verify_compare(struct verify_table *t, struct verify_result *result, struct err *err)
{
	uint64_t ranges = t->source_rows / RANGE_ROWS + 1;
	struct sql_session *session;
	struct wbuf keys;
	struct answer answer = { .result = result, .keys = &keys };
	int rc = open_session(t, &session, err);

	if (rc)
		return rc;
	wbuf_init(&keys, 1 << 20);
	for (uint64_t range = 0; !rc && range < ranges; range++)
		rc = compare_range(t, session, &answer, ranges, range, err);
	sql_close(session);
	result->outcome =
		result->different || result->source_rows != result->lake_rows ? VERIFY_DIFFERENT : VERIFY_EQUAL;
	if (!rc && result->different)
		result->keys = wbuf_take(&keys);
	wbuf_free(&keys);
	return rc;
}
