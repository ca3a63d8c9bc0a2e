/* src/serve/result_format.c — results as CSV, JSON and JSON lines; the table is in result_table.c. */
#include "serve/result_format_int.h"

#include "base/mem.h"

#define WRITE_BYTES ((size_t)64 << 10)

bool result_format_parse(const char *text, enum result_format *out)
{
	static const char *const names[] = { [RESULT_TABLE] = "table",
		                             [RESULT_CSV] = "csv",
		                             [RESULT_JSON] = "json",
		                             [RESULT_NDJSON] = "ndjson" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum result_format)i;
			return true;
		}
	}
	return false;
}

int result_flush(struct result_writer *writer, size_t above, struct err *err)
{
	int rc = wbuf_check(&writer->out, err, "the result's text");

	if (rc || writer->out.n <= above)
		return rc;
	rc = writer->opts.write(writer->opts.arg, wbuf_str(&writer->out), err);
	wbuf_reset(&writer->out);
	return rc;
}

/* --- CSV --- */

static void csv_cell(struct wbuf *out, struct str s)
{
	bool quote = s.n == 0;

	for (size_t i = 0; i < s.n && !quote; i++)
		quote = s.p[i] == '"' || s.p[i] == ',' || s.p[i] == '\r' || s.p[i] == '\n';
	if (!quote) {
		wbuf_put_str(out, s);
		return;
	}
	wbuf_put_u8(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			wbuf_put_u8(out, '"');
		wbuf_put_u8(out, (uint8_t)s.p[i]);
	}
	wbuf_put_u8(out, '"');
}

static void csv_header(struct result_writer *writer)
{
	for (size_t i = 0; i < writer->n_columns; i++) {
		wbuf_putz(&writer->out, i ? "," : "");
		csv_cell(&writer->out, str_of(writer->names[i]));
	}
	if (writer->n_columns)
		wbuf_putz(&writer->out, "\r\n");
}

/* A line of one NULL would be empty, which readers skip: RFC 4180 has no word for it, so it stays empty there too. */
static void csv_row(struct result_writer *writer, const struct str *cells)
{
	for (size_t i = 0; i < writer->n_columns; i++) {
		wbuf_putz(&writer->out, i ? "," : "");
		if (cells[i].p)
			csv_cell(&writer->out, cells[i]);
	}
	wbuf_putz(&writer->out, "\r\n");
}

/* --- JSON --- */

static bool is_finite(struct str s) { return s.n && s.p[s.n - 1] >= '0' && s.p[s.n - 1] <= '9'; /* not nan, inf */ }

static void json_row(struct result_writer *writer, const struct str *cells)
{
	struct wbuf *out = &writer->out;

	wbuf_put_u8(out, '{');
	for (size_t i = 0; i < writer->n_columns; i++) {
		wbuf_putz(out, i ? "," : "");
		wbuf_put_json_str(out, str_of(writer->names[i]));
		wbuf_put_u8(out, ':');
		enum sql_kind kind = writer->kinds[i];
		if (!cells[i].p)
			wbuf_putz(out, "null");
		else if (kind == SQL_KIND_BOOL || kind == SQL_KIND_JSON ||
		         (kind == SQL_KIND_NUMBER && is_finite(cells[i])))
			wbuf_put_str(out, cells[i]);
		else
			wbuf_put_json_str(out, cells[i]);
	}
	wbuf_put_u8(out, '}');
}

/* --- the sink --- */

static int on_columns(void *arg, const struct sql_result_column *columns, size_t n, struct err *err)
{
	struct result_writer *writer = arg;

	writer->names = mem_array(n ? n : 1, sizeof *writer->names);
	writer->kinds = mem_array(n ? n : 1, sizeof *writer->kinds);
	writer->widths = mem_array(n ? n : 1, sizeof *writer->widths);
	if (!writer->names || !writer->kinds || !writer->widths)
		return err_nomem(err);
	writer->n_columns = n;
	for (size_t i = 0; i < n; i++) {
		writer->names[i] = mem_strdup(columns[i].name);
		writer->kinds[i] = columns[i].kind;
		if (!writer->names[i])
			return err_nomem(err);
	}
	if (writer->opts.format == RESULT_CSV)
		csv_header(writer);
	return ERR_OK;
}

static int on_row(void *arg, const struct str *cells, size_t n, struct err *err)
{
	struct result_writer *writer = arg;

	(void)n;
	writer->rows++;
	switch (writer->opts.format) {
	case RESULT_TABLE: return result_table_row(writer, cells, err);
	case RESULT_CSV: csv_row(writer, cells); break;
	case RESULT_JSON:
		wbuf_putz(&writer->out, writer->rows == 1 ? "[" : ",\n ");
		json_row(writer, cells);
		break;
	case RESULT_NDJSON:
		json_row(writer, cells);
		wbuf_putz(&writer->out, "\n");
		break;
	}
	return result_flush(writer, WRITE_BYTES, err);
}

struct result_writer *result_writer_new(const struct result_opts *opts)
{
	struct result_writer *writer = mem_zero(sizeof *writer);

	if (!writer)
		return NULL;
	writer->opts = *opts;
	writer->sink = (struct sql_sink){ on_columns, on_row, writer };
	wbuf_init(&writer->out, 0);
	wbuf_init(&writer->kept, 0);
	return writer;
}

const struct sql_sink *result_writer_sink(struct result_writer *writer) { return &writer->sink; }

int result_writer_finish(struct result_writer *writer, struct err *err)
{
	if (writer->opts.format == RESULT_TABLE) {
		int rc = result_table_finish(writer, err);
		if (rc)
			return rc;
	} else if (writer->opts.format == RESULT_JSON && writer->n_columns) {
		wbuf_putz(&writer->out, writer->rows ? "]\n" : "[]\n");
	}
	return result_flush(writer, 0, err);
}

uint64_t result_writer_rows(const struct result_writer *writer) { return writer->rows; }

void result_writer_free(struct result_writer *writer)
{
	if (!writer)
		return;
	for (size_t i = 0; writer->names && i < writer->n_columns; i++)
		mem_free(writer->names[i]);
	mem_free(writer->names);
	mem_free(writer->kinds);
	mem_free(writer->widths);
	wbuf_free(&writer->out);
	wbuf_free(&writer->kept);
	mem_free(writer);
}
