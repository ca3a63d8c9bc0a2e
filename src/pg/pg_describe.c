/* src/pg/pg_describe.c — RELATION messages completed from the catalog; see pg_describe.h. */
#include "pg/pg_describe.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "pg/pg_table_int.h"
#include "pg_sql.h"

#define FIRST_USER_OID 16384 /* FirstNormalObjectId: below it types are the server's own and never change */

struct pg_describer {
	struct pg_conn_opts opts;
	struct pg_conn *conn; /* NULL: not open */
	bool binary;
};

/* One message and what the catalog said to it. */
struct description {
	uint32_t oid;
	char identity;
	const struct pgoutput_relcol *cols;
	uint16_t n_cols;
	struct str schema, name;
	struct pg_result *types, *facts, *columns; /* a row a column; a row or none; a row a present column */
	int text_only;                             /* first column that a binary stream cannot carry, -1: none */
};

struct pg_describer *pg_describer_open(const struct pg_conn_opts *opts, struct err *err)
{
	struct pg_describer *d = mem_zero(sizeof *d);

	if (!d) {
		err_nomem(err);
		return NULL;
	}
	d->opts = *opts;
	d->opts.replication = false;
	return d;
}

void pg_describer_close(struct pg_describer *describer)
{
	if (!describer)
		return;
	pg_conn_close(describer->conn);
	mem_free(describer);
}

void pg_describer_set_binary(struct pg_describer *describer, bool binary) { describer->binary = binary; }

static int look_up(struct pg_describer *d, struct description *q, struct err *err)
{
	struct wbuf oids, typmods;
	char oid[16];
	int rc;

	wbuf_init(&oids, 0);
	wbuf_init(&typmods, 0);
	for (uint16_t i = 0; i < q->n_cols; i++) {
		wbuf_putf(&oids, "%s%u", i ? "," : "{", q->cols[i].type_oid);
		wbuf_putf(&typmods, "%s%d", i ? "," : "{", q->cols[i].typmod);
	}
	wbuf_putz(&oids, q->n_cols ? "}" : "{}");
	wbuf_putz(&typmods, q->n_cols ? "}" : "{}");
	snprintf(oid, sizeof oid, "{%u}", q->oid);
	rc = wbuf_check(&oids, err, "the list of types");
	if (!rc)
		rc = wbuf_check(&typmods, err, "the list of types");
	if (!rc)
		rc = pg_query(d->conn, pg_sql_types_describe, (const char *[]){ wbuf_cstr(&oids), wbuf_cstr(&typmods) },
		              2, &q->types, err);
	if (!rc)
		rc = pg_query(d->conn, pg_sql_tables_facts, (const char *[]){ oid, NULL }, 2, &q->facts, err);
	if (!rc)
		rc = pg_table_columns(d->conn, q->oid, &q->columns, err);
	if (!rc && pg_result_rows(q->types) != q->n_cols)
		rc = err_set(err, ERR_PROTOCOL, "%s: %d rows about the types of %u columns", pg_conn_label(d->conn),
		             pg_result_rows(q->types), q->n_cols);
	wbuf_free(&oids);
	wbuf_free(&typmods);
	return rc;
}

static void forget(struct description *q)
{
	pg_result_free(q->types);
	pg_result_free(q->facts);
	pg_result_free(q->columns);
	q->types = q->facts = q->columns = NULL;
}

/* Connects when needed; an old connection that turns out broken is replaced once. */
static int ask(struct pg_describer *d, struct description *q, struct err *err)
{
	bool fresh = !d->conn;
	int rc = ERR_OK;

	if (fresh)
		rc = pg_conn_open(&d->conn, &d->opts, err);
	if (!rc)
		rc = look_up(d, q, err);
	if (!rc)
		return ERR_OK;
	forget(q);
	if (d->conn && !pg_conn_alive(d->conn)) {
		pg_conn_close(d->conn);
		d->conn = NULL;
		if (!fresh)
			return ask(d, q, err);
	}
	return rc;
}

/* The present column of the message's name and type. */
static bool present_column(const struct description *q, const struct pgoutput_relcol *col, struct pg_column_facts *out)
{
	for (int row = 0; row < pg_result_rows(q->columns); row++) {
		pg_column_facts(q->columns, row, out);
		if (str_eqz(col->name, out->name) && out->type.oid == col->type_oid && out->type.typmod == col->typmod)
			return true;
	}
	return false;
}

static int set_column(const struct pg_describer *d, struct description *q, struct relation *rel, uint16_t i,
                      struct err *err)
{
	const struct pgoutput_relcol *col = &q->cols[i];
	const char *kind = pg_result_text(q->types, i, 1);
	struct pg_type_info info = { .oid = col->type_oid,
		                     .typmod = col->typmod,
		                     .typtype = kind[0],
		                     .elem_oid = pg_result_u32(q->types, i, 2),
		                     .elem_typtype = pg_result_text(q->types, i, 3)[0] };
	bool gone = !*kind && col->type_oid >= FIRST_USER_OID;
	char type_name[128];
	struct pg_column_facts now;
	struct type type = pg_type_map(&info);
	bool not_null = col->identity || (present_column(q, col, &now) && now.not_null);

	str_copy(type_name, sizeof type_name, str_of(pg_result_text(q->types, i, 4)));
	if (!*type_name)
		snprintf(type_name, sizeof type_name, "type %u (dropped)", col->type_oid);
	if (gone && d->binary)
		type = (struct type){ .kind = TYPE_NONE };
	else if (d->binary && q->text_only < 0 && !pg_type_binary_ok(&info))
		q->text_only = i;
	if (relation_set_column(rel, i, col->name, type, col->type_oid, col->typmod, str_of(type_name),
	                        col->identity && q->identity == 'd', not_null))
		return err_nomem(err);
	return ERR_OK;
}

/* The catalog's key order when its key is the message's; a key "from the future" is not. */
static int set_keys(const struct description *q, struct relation *rel, struct err *err)
{
	uint16_t n = 0, flagged = 0, *keys = mem_array(q->n_cols + 1u, sizeof *keys);
	struct pg_column_facts now;
	bool same = true;
	int rc;

	if (!keys)
		return err_nomem(err);
	for (uint16_t i = 0; i < q->n_cols; i++)
		flagged += q->cols[i].identity;
	for (int row = 0; row < pg_result_rows(q->columns) && same; row++) {
		pg_column_facts(q->columns, row, &now);
		n += now.key_place > 0;
	}
	same = n == flagged && n > 0;
	for (uint16_t i = 0; i < q->n_cols && same; i++) {
		if (!q->cols[i].identity)
			continue;
		same = present_column(q, &q->cols[i], &now) && now.key_place > 0 && now.key_place <= n;
		if (same)
			keys[now.key_place - 1] = i;
	}
	rc = same && q->identity == 'd' ? relation_set_keys(rel, keys, n) : relation_seal(rel);
	mem_free(keys);
	return rc ? err_nomem(err) : ERR_OK;
}

static int judge(const struct description *q, struct relation *rel, struct err *err)
{
	struct pg_table_facts facts = { .schema = rel->schema,
		                        .name = rel->name,
		                        .kind = 'r',
		                        .persistence = 'p',
		                        .identity = q->identity };
	const char *generated = NULL;
	struct pg_column_facts now;
	int rc;

	if (pg_result_rows(q->facts) == 1) {
		facts.kind = pg_result_text(q->facts, 0, 3)[0];
		facts.persistence = pg_result_text(q->facts, 0, 4)[0];
		facts.partition = pg_result_bool(q->facts, 0, 6);
	}
	for (int row = 0; row < pg_result_rows(q->columns); row++) {
		pg_column_facts(q->columns, row, &now);
		if (now.generated)
			generated = now.name;
	}
	rc = pg_table_judge(rel, &facts, generated, err);
	return rc ? rc : pg_columns_judge(rel, err);
}

int pg_describe(void *ctx, uint32_t oid, char replica_identity, const struct pgoutput_relcol *cols, uint16_t n_cols,
                struct str schema, struct str name, struct relation **out, struct err *err)
{
	struct description q = { .oid = oid,
		                 .identity = replica_identity,
		                 .cols = cols,
		                 .n_cols = n_cols,
		                 .schema = schema,
		                 .name = name,
		                 .text_only = -1 };
	struct pg_describer *d = ctx;
	struct relation *rel = NULL;
	int rc = ask(d, &q, err);

	if (rc)
		return err_prefix(err, "describing table %.*s.%.*s", STR_FMT(schema), STR_FMT(name));
	rel = relation_new(oid, schema, name, n_cols);
	if (!rel)
		rc = err_nomem(err);
	for (uint16_t i = 0; !rc && i < n_cols; i++)
		rc = set_column(d, &q, rel, i, err);
	if (!rc)
		rc = set_keys(&q, rel, err);
	if (!rc)
		rc = judge(&q, rel, err);
	if (!rc && !rel->unsupported && q.text_only >= 0)
		rc = err_set(
			err, ERR_CONFLICT,
			"table %s.%s: column \"%s\" of type %s has no exact binary form; the stream has to be read in text form",
			rel->schema, rel->name, rel->columns[q.text_only].name,
			rel->columns[q.text_only].source_type_name);
	forget(&q);
	if (rc) {
		relation_unref(rel);
		return rc;
	}
	*out = rel;
	return ERR_OK;
}
