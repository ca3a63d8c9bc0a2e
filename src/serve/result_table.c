/* src/serve/result_table.c — a result as an aligned table. Widths come from the first rows (KEEP_ROWS of them);
 * longer cells later push their line out. */
#include "serve/result_format_int.h"

#include <stdio.h>

#include "base/clock.h"

#define KEEP_ROWS 10000
#define KEEP_BYTES ((size_t)32 << 20)
#define WRITE_BYTES ((size_t)64 << 10)
#define WIDTH_MIN 8 /* no column is cut below this */
#define NULL_CELL UINT32_MAX
#define NULL_TEXT "NULL"

/* One character: its bytes and its columns on a terminal (2 for East Asian wide ones and pictures, 0 for combining
 * marks). Not UTF-8: one byte. */
static size_t next_char(struct str s, size_t i, unsigned *code)
{
	unsigned char b = (unsigned char)s.p[i];
	size_t n = b < 0x80 ? 1 : b >= 0xF0 ? 4 : b >= 0xE0 ? 3 : b >= 0xC2 ? 2 : 1;

	if (i + n > s.n)
		n = 1;
	*code = n == 1 ? b : b & (0xFFu >> (n + 1));
	for (size_t k = 1; k < n; k++)
		*code = *code << 6 | ((unsigned char)s.p[i + k] & 0x3F);
	return n;
}

static bool is_control(unsigned code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

static unsigned char_width(unsigned code)
{
	static const struct {
		unsigned from, to;
	} wide[] = { { 0x1100, 0x115F },   { 0x2E80, 0xA4CF },  { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF },
		     { 0xFE30, 0xFE6F },   { 0xFF00, 0xFF60 },  { 0xFFE0, 0xFFE6 }, { 0x1F300, 0x1F64F },
		     { 0x1F900, 0x1F9FF }, { 0x20000, 0x3FFFD } };

	if (code >= 0x300 && code <= 0x36F)
		return 0;
	for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
		if (code >= wide[i].from && code <= wide[i].to)
			return 2;
	}
	return 1;
}

/* A control character as it is shown: \n, \t, \x1b. */
static size_t escape(unsigned code, char buf[8])
{
	return (size_t)(code == '\n'   ? snprintf(buf, 8, "\\n")
	                : code == '\t' ? snprintf(buf, 8, "\\t")
	                : code == '\r' ? snprintf(buf, 8, "\\r")
	                               : snprintf(buf, 8, "\\x%02x", code & 0xFF));
}

static unsigned text_width(struct str s)
{
	unsigned width = 0, code;
	char buf[8];

	for (size_t i = 0; i < s.n;) {
		i += next_char(s, i, &code);
		width += is_control(code) ? (unsigned)escape(code, buf) : char_width(code);
	}
	return width;
}

static void put_spaces(struct wbuf *out, unsigned n)
{
	while (n-- > 0)
		wbuf_put_u8(out, ' ');
}

/* Text cut to max columns (the last is then an ellipsis); returns the columns used. */
static unsigned put_text(struct wbuf *out, struct str s, unsigned max)
{
	unsigned width = 0, code;
	bool cut = text_width(s) > max;
	char buf[8];

	for (size_t i = 0; i < s.n;) {
		size_t n = next_char(s, i, &code);
		unsigned w = is_control(code) ? (unsigned)escape(code, buf) : char_width(code);
		if (cut && width + w + 1 > max) {
			wbuf_putz(out, "\xe2\x80\xa6");
			return width + 1;
		}
		if (is_control(code))
			wbuf_putz(out, buf);
		else
			wbuf_put(out, s.p + i, n);
		width += w;
		i += n;
	}
	return width;
}

static void put_cell(struct result_writer *writer, size_t i, struct str s, bool right, bool last)
{
	struct wbuf *out = &writer->out;
	unsigned room = writer->widths[i], max = writer->opts.width ? room : UINT32_MAX, width = text_width(s);

	if (width > max)
		width = max;
	wbuf_putz(out, i ? " | " : " ");
	if (right && width < room)
		put_spaces(out, room - width);
	width = put_text(out, s, max);
	if (!right && !last && width < room)
		put_spaces(out, room - width);
}

static void put_row(struct result_writer *writer, const struct str *cells)
{
	for (size_t i = 0; i < writer->n_columns; i++)
		put_cell(writer, i, cells[i].p ? cells[i] : STR_LIT(NULL_TEXT), writer->kinds[i] == SQL_KIND_NUMBER,
		         i + 1 == writer->n_columns);
	wbuf_putz(&writer->out, "\n");
}

static void put_head(struct result_writer *writer)
{
	struct wbuf *out = &writer->out;

	for (size_t i = 0; i < writer->n_columns; i++)
		put_cell(writer, i, str_of(writer->names[i]), writer->kinds[i] == SQL_KIND_NUMBER,
		         i + 1 == writer->n_columns);
	wbuf_putz(out, "\n");
	for (size_t i = 0; i < writer->n_columns; i++) {
		wbuf_putz(out, i ? "+-" : "-");
		for (unsigned k = 0; k <= writer->widths[i]; k++)
			wbuf_put_u8(out, '-');
	}
	wbuf_putz(out, "\n");
}

/* The widest columns give way until the line fits. */
static void fit(struct result_writer *writer)
{
	size_t n = writer->n_columns;
	unsigned total = 0;

	for (size_t i = 0; i < n; i++)
		total += writer->widths[i] + 3; /* " " before, " |" behind */
	total -= n ? 1 : 0;
	while (writer->opts.width && total > writer->opts.width) {
		size_t widest = 0;
		for (size_t i = 1; i < n; i++) {
			if (writer->widths[i] > writer->widths[widest])
				widest = i;
		}
		if (writer->widths[widest] <= WIDTH_MIN)
			break;
		writer->widths[widest]--;
		total--;
	}
}

static void widen(struct result_writer *writer, size_t i, unsigned width)
{
	if (width > writer->widths[i])
		writer->widths[i] = width;
}

/* Head and kept rows go out; from here on widths stand. */
static int fix(struct result_writer *writer, struct err *err)
{
	const uint8_t *at = writer->kept.p;

	int rc = wbuf_check(&writer->kept, err, "the rows of the table");
	if (rc)
		return rc;
	for (size_t i = 0; i < writer->n_columns; i++)
		widen(writer, i, text_width(str_of(writer->names[i])));
	fit(writer);
	put_head(writer);
	writer->fixed = true;
	for (uint64_t row = 0; row < writer->n_kept && !rc; row++) {
		for (size_t i = 0; i < writer->n_columns; i++) {
			uint32_t n;
			memcpy(&n, at, sizeof n);
			at += sizeof n;
			struct str s = n == NULL_CELL ? STR_LIT(NULL_TEXT) : str_view(at, n);
			put_cell(writer, i, s, writer->kinds[i] == SQL_KIND_NUMBER, i + 1 == writer->n_columns);
			at += n == NULL_CELL ? 0 : n;
		}
		wbuf_putz(&writer->out, "\n");
		rc = result_flush(writer, WRITE_BYTES, err);
	}
	wbuf_free(&writer->kept);
	return rc;
}

int result_table_row(struct result_writer *writer, const struct str *cells, struct err *err)
{
	if (!writer->fixed && (writer->n_kept >= KEEP_ROWS || writer->kept.n >= KEEP_BYTES)) {
		int rc = fix(writer, err);
		if (rc)
			return rc;
	}
	if (writer->fixed) {
		put_row(writer, cells);
		return result_flush(writer, WRITE_BYTES, err);
	}
	for (size_t i = 0; i < writer->n_columns; i++) {
		wbuf_put_u32_le(&writer->kept, cells[i].p ? (uint32_t)cells[i].n : NULL_CELL);
		if (cells[i].p)
			wbuf_put_str(&writer->kept, cells[i]);
		widen(writer, i, cells[i].p ? text_width(cells[i]) : (unsigned)sizeof NULL_TEXT - 1);
	}
	writer->n_kept++;
	return ERR_OK;
}

int result_table_finish(struct result_writer *writer, struct err *err)
{
	char count[SIZE_TEXT_MAX];

	if (writer->n_columns == 0)
		return ERR_OK; /* CREATE and the like have no rows to count */
	int rc = writer->fixed ? ERR_OK : fix(writer, err);
	if (!rc)
		wbuf_putf(&writer->out, "(%s row%s)\n", count_text(writer->rows, count), writer->rows == 1 ? "" : "s");
	return rc;
}
