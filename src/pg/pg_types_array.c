/* src/pg/pg_types_array.c — one-dimensional arrays to lists, elements through the scalar's put function.
 *
 * Binary (array_send), big endian: i32 dimensions, i32 has-null flag, u32 element oid; per dimension i32 length, i32
 * lower bound; then per element i32 length (-1 null) and its bytes. Text (array_out): {a,"b c",NULL}, with
 * "[lower:upper]=" in front when the lower bound is not 1. A list has neither dimensions nor bounds, so both are
 * refused. */
#include "base/rbuf.h"
#include "pg/pg_types_int.h"

#define WHY_DIMENSIONS "the array has more than one dimension, which a list does not have"
#define WHY_BOUND "the array's lower bound is not 1, which a list cannot say"

static int list_start(struct batch *batch, struct column *out, uint32_t row, uint32_t n, uint32_t *first,
                      struct err *err)
{
	int64_t at = column_set_list(batch, out, row, n);

	if (at < 0)
		return err_nomem(err);
	*first = (uint32_t)at;
	return 0;
}

static int put_binary(PG_PUT_ARGS, datum_put_fn put_elem, uint32_t elem_oid)
{
	struct rbuf r = rbuf_of(datum->p, datum->n);
	uint32_t n_dims = rbuf_u32_be(&r), flags = rbuf_u32_be(&r), oid = rbuf_u32_be(&r), n = 0, lower = 1, first = 0;
	int rc;

	if (n_dims > 1 && n_dims <= 6 && rbuf_ok(&r))
		return pg_value_error(col, WHY_DIMENSIONS, err);
	if (n_dims == 1) {
		n = rbuf_u32_be(&r);
		lower = rbuf_u32_be(&r);
	}
	if (!rbuf_ok(&r) || n_dims > 1 || flags > 1 || (elem_oid != 0 && oid != elem_oid) || n > rbuf_left(&r) / 4)
		return pg_value_error(col, PG_WHY_MALFORMED, err);
	if (lower != 1)
		return pg_value_error(col, WHY_BOUND, err);
	if ((rc = list_start(batch, out, row, n, &first, err)))
		return rc;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = rbuf_u32_be(&r);
		struct datum elem = { .kind = DATUM_NULL };

		if (len != UINT32_MAX) {
			struct str bytes = rbuf_bytes(&r, len);

			elem = (struct datum){ (const uint8_t *)bytes.p, len, DATUM_BINARY };
		}
		if (!rbuf_ok(&r))
			return pg_value_error(col, PG_WHY_MALFORMED, err);
		if ((rc = put_elem(col, &elem, batch, out->child, first + i, err)))
			return rc;
	}
	return rbuf_done(&r) ? 0 : pg_value_error(col, PG_WHY_MALFORMED, err);
}

/* Elements of "{...}". Without quotes there is nothing to escape: array_out quotes every element that holds a
 * delimiter, a brace, a quote, a backslash or a blank. */
struct elements {
	const char *p, *end; /* behind the opening brace; the closing one */
};

static bool is_special(char c)
{
	return c == '"' || c == '\\' || c == '{' || c == '}' || c == ',' || c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next element: *raw without its quotes, still escaped. Answers false when the text is malformed. */
static bool next_element(struct elements *e, struct str *raw, bool *quoted, bool *escaped)
{
	const char *first = e->p;

	*quoted = *escaped = false;
	if (e->p < e->end && *e->p == '"') {
		*quoted = true;
		for (e->p++; e->p < e->end && *e->p != '"'; e->p++)
			if (*e->p == '\\') {
				*escaped = true;
				e->p++;
			}
		if (e->p >= e->end)
			return false;
		*raw = str_view(first + 1, (size_t)(e->p - first - 1));
		e->p++;
	} else {
		while (e->p < e->end && !is_special(*e->p))
			e->p++;
		*raw = str_view(first, (size_t)(e->p - first));
		if (raw->n == 0)
			return false;
	}
	if (e->p == e->end)
		return true;
	return *e->p++ == ',' && e->p < e->end; /* no element after the last comma is malformed too */
}

static struct str unescape(struct arena *arena, struct str raw)
{
	char *p = arena_alloc(arena, raw.n ? raw.n : 1);
	size_t n = 0;

	for (size_t i = 0; p && i < raw.n; i++) {
		if (raw.p[i] == '\\')
			i++;
		p[n++] = raw.p[i];
	}
	return str_view(p, n);
}

/* One pass over the text to know how many elements there are, and that they are well formed; 0 is no array of this
 * function. */
static bool count_elements(struct elements e, uint32_t *n)
{
	struct str raw;
	bool quoted, escaped;

	for (*n = 0; e.p < e.end; ++*n)
		if (!next_element(&e, &raw, &quoted, &escaped))
			return false;
	return true;
}

static const char *text_open(struct str s, struct elements *e)
{
	if (s.n > 0 && s.p[0] == '[')
		return memchr(s.p, '=', s.n) && memmem(s.p, s.n, "][", 2) ? WHY_DIMENSIONS : WHY_BOUND;
	if (s.n < 2 || s.p[0] != '{' || s.p[s.n - 1] != '}')
		return PG_WHY_MALFORMED;
	if (s.p[1] == '{')
		return WHY_DIMENSIONS;
	*e = (struct elements){ s.p + 1, s.p + s.n - 1 };
	return NULL;
}

static int put_text(PG_PUT_ARGS, datum_put_fn put_elem)
{
	struct elements e = { NULL, NULL };
	const char *why = text_open(str_view(datum->p, datum->n), &e);
	uint32_t n, first = 0;
	int rc;

	if (!why && !count_elements(e, &n))
		why = PG_WHY_MALFORMED;
	if (why)
		return pg_value_error(col, why, err);
	if ((rc = list_start(batch, out, row, n, &first, err)))
		return rc;
	for (uint32_t i = 0; i < n; i++) {
		struct datum elem = { .kind = DATUM_NULL };
		bool quoted, escaped;
		struct str raw;

		(void)next_element(&e, &raw, &quoted, &escaped); /* counted above: well formed */
		if (escaped && !(raw = unescape(batch->arena, raw)).p)
			return err_nomem(err);
		if (quoted || !str_eq(raw, STR_LIT("NULL")))
			elem = (struct datum){ (const uint8_t *)raw.p, (uint32_t)raw.n, DATUM_TEXT };
		if ((rc = put_elem(col, &elem, batch, out->child, first + i, err)))
			return rc;
	}
	return 0;
}

int pg_put_array(PG_PUT_ARGS, datum_put_fn put_elem, uint32_t elem_oid)
{
	if (datum->kind == DATUM_BINARY)
		return put_binary(col, datum, batch, out, row, err, put_elem, elem_oid);
	if (datum->kind == DATUM_TEXT)
		return put_text(col, datum, batch, out, row, err, put_elem);
	return pg_put_other(col, datum, out, row, err);
}
