/* src/lake/changelog.c — changes as rows, appended. */
#include "lake/changelog.h"

#include <stdio.h>

#include "base/mem.h"
#include "lake/data_writer.h"
#include "lake/field_map.h"

struct changelog {
	struct lake *lake;
	struct lake_table *table;
	char name[256];             /* for messages */
	const struct relation *rel; /* held */
	struct lake_field *fields;  /* CHANGELOG_FIELDS and rel's columns */
	size_t n_fields;
	struct data_writer *writer; /* NULL: nothing pending in it */
	struct data_file **finished;
	size_t n_finished, cap_finished;
};

const struct lake_field *changelog_fields(void)
{
	static const struct lake_field fields[CHANGELOG_FIELDS] = {
		{ .name = (char *)"_op",
		  .type = { .kind = TYPE_STRING },
		  .required = true,
		  .doc = (char *)"I insert, U update, D delete, T truncate" },
		{ .name = (char *)"_commit_lsn",
		  .type = { .kind = TYPE_INT64 },
		  .required = true,
		  .doc = (char *)"LSN of the transaction's commit record" },
		{ .name = (char *)"_ordinal",
		  .type = { .kind = TYPE_INT64 },
		  .required = true,
		  .doc = (char *)"place of the change in its transaction" },
		{ .name = (char *)"_commit_ts",
		  .type = { .kind = TYPE_TIMESTAMPTZ },
		  .required = true,
		  .doc = (char *)"the source's commit time" },
		{ .name = (char *)"_xid",
		  .type = { .kind = TYPE_INT64 },
		  .required = true,
		  .doc = (char *)"transaction id" },
	};

	return fields;
}

static int finish_file(struct changelog *c, struct err *err)
{
	struct data_writer *writer = c->writer;
	int rc;

	if (!writer)
		return ERR_OK;
	c->writer = NULL;
	if (vec_grow(&c->finished, &c->cap_finished, c->n_finished + 1, sizeof *c->finished)) {
		data_writer_abort(writer);
		return err_nomem(err);
	}
	rc = data_writer_finish(writer, &c->finished[c->n_finished], err);
	c->n_finished += rc == ERR_OK;
	return rc;
}

int changelog_open(struct lake *lake, struct lake_table *table, const char *name, const struct relation *rel,
                   struct changelog **out, struct err *err)
{
	struct changelog *c = mem_zero(sizeof *c);
	int rc;

	if (!c)
		return err_nomem(err);
	c->lake = lake;
	c->table = table;
	snprintf(c->name, sizeof c->name, "%s", name);
	rc = changelog_evolve(c, rel, NULL, 0, err);
	if (rc) {
		changelog_close(c);
		return rc;
	}
	*out = c;
	return ERR_OK;
}

int changelog_evolve(struct changelog *c, const struct relation *rel, const struct lake_field *planned,
                     size_t n_planned, struct err *err)
{
	struct field_map_from from = { c->table, planned, n_planned, c->name };
	struct lake_field *fields;
	size_t n;
	int rc = finish_file(c, err);

	if (!rc)
		rc = field_map_new(&from, rel, changelog_fields(), CHANGELOG_FIELDS, &fields, &n, err);
	if (rc)
		return rc;
	lake_fields_free(c->fields, c->n_fields);
	c->fields = fields;
	c->n_fields = n;
	relation_unref((struct relation *)c->rel);
	c->rel = relation_ref((struct relation *)rel);
	return ERR_OK;
}

void changelog_close(struct changelog *c)
{
	if (!c)
		return;
	data_writer_abort(c->writer);
	for (size_t i = 0; i < c->n_finished; i++) { /* complete, and no commit took it */
		lake_remove(c->lake, c->finished[i]->path);
		data_file_free(c->finished[i]);
	}
	mem_free(c->finished);
	lake_fields_free(c->fields, c->n_fields);
	relation_unref((struct relation *)c->rel);
	mem_free(c);
}

static int put_head(struct batch *batch, const struct tx_head *head, const struct change *change, char op,
                    struct err *err)
{
	uint32_t row = batch->n;

	if (column_set_bytes(batch, &batch->columns[0], row, str_view(&op, 1)))
		return err_nomem(err);
	COLUMN_AT(&batch->columns[1], int64_t, row) = (int64_t)head->commit_lsn;
	COLUMN_AT(&batch->columns[2], int64_t, row) = (int64_t)change->ordinal;
	COLUMN_AT(&batch->columns[3], int64_t, row) = head->commit_ts_us;
	COLUMN_AT(&batch->columns[4], int64_t, row) = head->xid;
	for (int i = 1; i < CHANGELOG_FIELDS; i++)
		column_set_valid(&batch->columns[i], row);
	return ERR_OK;
}

/* key_only: other columns stay null, whatever the source sent for them. */
static int put_tuple(struct changelog *c, struct batch *batch, const struct datum *tuple, bool key_only,
                     const struct batch *from, uint32_t from_row, struct err *err)
{
	const struct relation *rel = c->rel;

	for (uint16_t i = 0; i < rel->n_columns; i++) {
		const struct rel_column *col = &rel->columns[i];
		struct column *column = &batch->columns[CHANGELOG_FIELDS + i];
		int rc = ERR_OK;

		if (key_only && !col->key)
			continue;
		if (tuple[i].kind == DATUM_UNCHANGED) {
			if (!from)
				return err_set(
					err, ERR_UNSUPPORTED,
					"column \"%s\" of %s.%s was not sent by the source because its large value did not change, and there is no mirror to take it "
					"from; add 'mirror' to the pipeline's mode, or: ALTER TABLE ... ALTER COLUMN \"%s\" SET STORAGE MAIN",
					col->name, rel->schema, rel->name, col->name);
			if (column_copy(batch, column, batch->n, &from->columns[i], from_row))
				return err_nomem(err);
		} else {
			rc = col->put(col, &tuple[i], batch, column, batch->n, err);
		}
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static int append_row(struct changelog *c, const struct tx_head *head, const struct change *change, char op,
                      const struct datum *tuple, bool key_only, const struct batch *from, uint32_t from_row,
                      struct err *err)
{
	struct batch *batch;
	int rc;

	if (c->writer && data_writer_bytes(c->writer) > 4 * c->lake->data_file_bytes && (rc = finish_file(c, err)))
		return rc;
	if (!c->writer && (rc = data_writer_open(c->lake, c->table->ops->location(c->table), c->fields, c->n_fields,
	                                         &c->writer, err)))
		return rc;
	if ((rc = data_writer_row(c->writer, &batch, err)) || (rc = put_head(batch, head, change, op, err)))
		return rc;
	if (tuple && (rc = put_tuple(c, batch, tuple, key_only, from, from_row, err)))
		return rc;
	data_writer_next(batch);
	return ERR_OK;
}

int changelog_append(struct changelog *c, const struct tx_head *head, const struct change *change,
                     const struct batch *row_batch, uint32_t row, struct err *err)
{
	int rc;

	switch (change->op) {
	case OP_TRUNCATE: return append_row(c, head, change, 'T', NULL, false, NULL, 0, err);
	case OP_DELETE: return append_row(c, head, change, 'D', change->old_key, true, NULL, 0, err);
	case OP_INSERT: return append_row(c, head, change, 'I', change->row, false, row_batch, row, err);
	case OP_UPDATE:
		if (!change->old_key)
			return append_row(c, head, change, 'U', change->row, false, row_batch, row, err);
		rc = append_row(c, head, change, 'D', change->old_key, true, NULL, 0, err);
		return rc ? rc : append_row(c, head, change, 'I', change->row, false, row_batch, row, err);
	}
	return err_set(err, ERR_BUG, "unknown operation %d", change->op);
}

bool changelog_dirty(const struct changelog *c) { return c->writer || c->n_finished > 0; }
uint64_t changelog_bytes(const struct changelog *c) { return c->writer ? data_writer_bytes(c->writer) : 0; }

int changelog_flush(struct changelog *c, struct lake_change *change, struct err *err)
{
	int rc = finish_file(c, err);

	if (rc)
		return rc;
	change->added = c->finished;
	change->n_added = c->n_finished;
	return ERR_OK;
}

void changelog_taken(struct changelog *c) { c->n_finished = 0; }
