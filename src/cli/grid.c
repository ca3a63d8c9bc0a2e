/* src/cli/grid.c — aligned columns and wrapped paragraphs. */
#include "cli/grid.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

static void add(struct grid *grid, struct str text)
{
	char *copy = mem_strndup(text.p, text.n);

	if (!copy || vec_grow(&grid->cells, &grid->cap, grid->n + 1, sizeof *grid->cells)) {
		mem_free(copy);
		grid->failed = true;
		return;
	}
	for (char *p = copy; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	}
	grid->cells[grid->n++] = copy;
}

void grid_init(struct grid *grid, const char *headings, const char *indent)
{
	struct str rest = str_of(headings);

	*grid = (struct grid){ .indent = indent };
	while (rest.n > 0 && grid->n_columns < GRID_COLUMNS_MAX) {
		struct str heading = str_cut(&rest, ',');

		grid->right[grid->n_columns++] = str_ends(heading, ">");
		if (str_ends(heading, ">"))
			heading.n--;
		add(grid, heading);
	}
}

void grid_cell(struct grid *grid, const char *text) { add(grid, str_of(text && *text ? text : "-")); }

void grid_cellf(struct grid *grid, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	grid_cell(grid, text);
}

void grid_cell_of(struct grid *grid, struct wbuf *text)
{
	if (wbuf_failed(text))
		grid->failed = true;
	else if (text->n == 0)
		grid_cell(grid, NULL);
	else
		add(grid, wbuf_str(text));
	wbuf_free(text);
}

void grid_free(struct grid *grid)
{
	for (size_t i = 0; i < grid->n; i++)
		mem_free(grid->cells[i]);
	mem_free(grid->cells);
	*grid = (struct grid){ 0 };
}

/* Characters, not bytes: UTF-8's continuation bytes take no room. */
static size_t columns_of(struct str text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return n;
}

static void blanks(struct wbuf *out, size_t n)
{
	while (n-- > 0)
		wbuf_put_u8(out, ' ');
}

static void put_row(const struct grid *grid, const size_t *widths, char *const *cells, size_t n, struct wbuf *out)
{
	wbuf_putz(out, grid->indent);
	for (size_t c = 0; c < n; c++) {
		size_t fill = widths[c] - columns_of(str_of(cells[c]));

		if (grid->right[c])
			blanks(out, fill);
		wbuf_putz(out, cells[c]);
		if (c + 1 < n)
			blanks(out, grid->right[c] ? 2 : fill + 2);
	}
	/* a last cell that is empty in the headings leaves no blanks behind */
	while (out->n > 0 && out->p[out->n - 1] == ' ')
		out->n--;
	wbuf_put_u8(out, '\n');
}

void grid_put(const struct grid *grid, struct wbuf *out)
{
	size_t widths[GRID_COLUMNS_MAX] = { 0 };

	if (grid->failed) {
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < grid->n; i++) {
		size_t w = columns_of(str_of(grid->cells[i]));

		if (w > widths[i % grid->n_columns])
			widths[i % grid->n_columns] = w;
	}
	for (size_t i = 0; i < grid->n; i += grid->n_columns)
		put_row(grid, widths, grid->cells + i, grid->n - i < grid->n_columns ? grid->n - i : grid->n_columns,
		        out);
}

void grid_paragraph(struct wbuf *out, const char *indent, struct str text, unsigned width)
{
	size_t at = 0, margin = columns_of(str_of(indent));

	while (text.n > 0) {
		struct str word = str_cut(&text, ' ');
		size_t n = columns_of(word);

		if (word.n == 0)
			continue;
		if (at > 0 && width > 0 && at + 1 + n > width) {
			wbuf_put_u8(out, '\n');
			at = 0;
		}
		if (at == 0) {
			wbuf_putz(out, indent);
			at = margin;
		} else {
			wbuf_put_u8(out, ' ');
			at++;
		}
		for (size_t i = 0; i < word.n; i++)
			wbuf_put_u8(out,
			            (unsigned char)word.p[i] < 0x20 || word.p[i] == 0x7f ? ' ' : (uint8_t)word.p[i]);
		at += n;
	}
	if (at > 0)
		wbuf_put_u8(out, '\n');
}

void grid_clean(struct wbuf *out)
{
	for (size_t i = 0; i < out->n; i++) {
		if ((out->p[i] < 0x20 && out->p[i] != '\n') || out->p[i] == 0x7f)
			out->p[i] = ' ';
	}
}
