/* src/pg/pg_copy_parse.c — tuples of a binary COPY into batch rows: the hot loop of a snapshot. Layout in
 * pg_copy_int.h. */
#include <stdio.h>
#include <string.h>

#include "base/rbuf.h"
#include "pg/pg_copy_int.h"

static const char signature[11] = "PGCOPY\n\377\r\n";

#define FLAGS_CRITICAL 0xffff0000u

static int malformed(const struct copy_parser *p, const char *what, struct err *err)
{
	return err_set(err, ERR_PROTOCOL, "table %s.%s: COPY data in binary form is malformed: %s", p->rel->schema,
	               p->rel->name, what);
}

static int parse_header(struct copy_parser *p, struct rbuf *in, struct err *err)
{
	struct str start = rbuf_bytes(in, sizeof signature);
	uint32_t flags = rbuf_u32_be(in), extension = rbuf_u32_be(in);

	rbuf_bytes(in, extension);
	if (!rbuf_ok(in) || memcmp(start.p, signature, sizeof signature) != 0)
		return malformed(p, "no header", err);
	if (flags & FLAGS_CRITICAL)
		return malformed(p, "unknown critical flags", err);
	p->header_seen = true;
	return ERR_OK;
}

/* The field at *at, bounded by end. False: it does not fit. */
static inline bool next_field(const uint8_t **at, const uint8_t *end, uint8_t kind, struct datum *out)
{
	uint32_t n;

	if (__builtin_expect(end - *at < 4, 0))
		return false;
	n = bytes_u32_be(*at);
	*at += 4;
	if (n == UINT32_MAX) {
		*out = (struct datum){ NULL, 0, DATUM_NULL };
		return true;
	}
	if (__builtin_expect((size_t)(end - *at) < n, 0)) /* other negative lengths are above any message size */
		return false;
	*out = (struct datum){ *at, n, kind };
	*at += n;
	return true;
}

static inline uint8_t kind_of(const struct copy_parser *p, uint16_t column)
{
	return p->as_text[column] ? DATUM_TEXT : DATUM_BINARY;
}

/* "(id=17)" of the tuple at `tuple` for messages: key columns are put again, the row is not counted, so nothing of it
 * stays. */
static void key_text(const struct copy_parser *p, const uint8_t *tuple, const uint8_t *end, struct batch *batch,
                     struct wbuf *out)
{
	for (uint16_t k = 0; k < p->rel->n_keys; k++) {
		const uint8_t *at = tuple + 2;
		uint16_t c = p->rel->key_columns[k];
		struct datum datum = { NULL, 0, DATUM_NULL };
		bool fits = true;

		for (uint16_t i = 0; i <= c && fits; i++)
			fits = next_field(&at, end, kind_of(p, i), &datum);
		wbuf_putf(out, "%s%s=", k ? ", " : "", p->rel->columns[c].name);
		if (fits &&
		    !p->rel->columns[c].put(&p->rel->columns[c], &datum, batch, &batch->columns[c], batch->n, NULL))
			column_text(&batch->columns[c], batch->n, out);
		else
			wbuf_putz(out, "?");
	}
}

static int put_failed(const struct copy_parser *p, const uint8_t *tuple, const uint8_t *end, struct batch *batch,
                      struct err *err)
{
	int rc = err ? err->code : ERR_VALUE;
	struct wbuf key;

	if (rc == ERR_NOMEM)
		return rc;
	wbuf_init(&key, 1024);
	key_text(p, tuple, end, batch, &key);
	err_prefix(err, "table %s.%s, row with key (%s)", p->rel->schema, p->rel->name,
	           wbuf_failed(&key) ? "too long to show" : wbuf_cstr(&key));
	wbuf_free(&key);
	return rc;
}

/* One tuple into row batch->n. *at is behind it afterwards. */
static int parse_tuple(const struct copy_parser *p, const uint8_t **at, const uint8_t *end, struct batch *batch,
                       struct err *err)
{
	const struct relation *rel = p->rel;
	const uint8_t *tuple = *at;

	if (bytes_u16_be(tuple) != rel->n_columns)
		return malformed(p, "a row has another number of fields than the table has columns", err);
	*at += 2;
	for (uint16_t i = 0; i < rel->n_columns; i++) {
		const struct rel_column *col = &rel->columns[i];
		struct datum datum;

		if (!next_field(at, end, kind_of(p, i), &datum))
			return malformed(p, "a field is longer than its message", err);
		if (__builtin_expect(col->put(col, &datum, batch, &batch->columns[i], batch->n, err) != 0, 0))
			return put_failed(p, tuple, end, batch, err);
	}
	batch->n++;
	return ERR_OK;
}

int copy_parse(struct copy_parser *parser, const uint8_t *message, size_t n, size_t *at, struct batch *batch,
               struct err *err)
{
	const uint8_t *end = message + n, *p;
	struct err own;
	int rc;

	if (!err) { /* put_failed reads the code */
		err_clear(&own);
		err = &own;
	}
	if (!parser->header_seen) {
		struct rbuf in = rbuf_of(message + *at, n - *at);

		rc = parse_header(parser, &in, err);
		if (rc)
			return rc;
		*at += in.at;
	}
	for (p = message + *at; p < end && batch->n < batch->cap; *at = (size_t)(p - message)) {
		if (parser->trailer_seen)
			return malformed(parser, "bytes behind the trailer", err);
		if (end - p < 2)
			return malformed(parser, "a row is cut", err);
		if (bytes_u16_be(p) == UINT16_MAX) {
			parser->trailer_seen = true;
			p += 2;
			continue;
		}
		rc = parse_tuple(parser, &p, end, batch, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}
