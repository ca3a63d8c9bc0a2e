/* src/iceberg/avro.h — Avro object container files, as far as Iceberg manifests need them.
 *
 * Writing: begin with the schema's JSON text and the file's key/value pairs, append each record's fields to
 * writer.block with the avro_put functions in schema order, call avro_writer_record, at the end avro_writer_finish;
 * the whole file then lies in writer.out. Blocks are deflated ("deflate": raw RFC 1951). Failures are sticky.
 *
 * Reading: codecs "null" and "deflate". Records are decoded into generic values by the schema in the file (the
 * writer's schema); fields are found by Iceberg's "field-id", by name only where the schema has none. Values live
 * until the next record. Sizes, counts, depth and memory have limits; anything the format does not allow is
 * ERR_CORRUPT naming the file. Not offered: schema resolution, recursive types, other codecs (ERR_UNSUPPORTED).
 * Facts: Avro specification 1.11, "Object Container Files" and "Binary Encoding"; Iceberg specification, Appendix A
 * "Avro". */
#ifndef TARN_ICEBERG_AVRO_H
#define TARN_ICEBERG_AVRO_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/wbuf.h"

struct avro_meta {
	const char *key;
	struct str value;
};

struct avro_writer {
	struct wbuf out;   /* the file */
	struct wbuf block; /* records of the current block; callers append here */
	int64_t n_records; /* in the current block */
	uint8_t sync[16];
	bool failed;
};

int avro_writer_begin(struct avro_writer *w, const char *schema, const struct avro_meta *meta, size_t n_meta,
                      struct err *err) TARN_MUST_CHECK;
void avro_writer_record(struct avro_writer *w); /* one record is complete in block */
int avro_writer_finish(struct avro_writer *w, const char *what, struct err *err) TARN_MUST_CHECK;
void avro_writer_free(struct avro_writer *w);

void avro_put_long(struct wbuf *w, int64_t v);     /* int and long: zigzag, base 128 */
void avro_put_bytes(struct wbuf *w, struct str v); /* bytes and string */
void avro_put_null(struct wbuf *w);                /* branch 0 of ["null", T] */
void avro_put_opt(struct wbuf *w);                 /* branch 1; the value follows */
void avro_put_opt_long(struct wbuf *w, int64_t v, bool set);

enum avro_kind {
	AVRO_NULL,
	AVRO_BOOLEAN,
	AVRO_INT,
	AVRO_LONG,
	AVRO_FLOAT,
	AVRO_DOUBLE,
	AVRO_BYTES,
	AVRO_STRING,
	AVRO_FIXED,
	AVRO_ENUM,
	AVRO_ARRAY,
	AVRO_MAP,
	AVRO_RECORD,
	AVRO_UNION,
};

struct avro_schema;
struct avro_field {
	const char *name;
	int32_t id; /* -1: none */
	const struct avro_schema *type;
};
struct avro_schema {
	enum avro_kind kind;
	const char *name;          /* of named types, else NULL */
	size_t size;               /* FIXED */
	struct avro_field *fields; /* RECORD fields, UNION branches (type only) */
	size_t n_fields;
	const struct avro_schema *items; /* ARRAY, MAP */
};

struct avro_value {
	const struct avro_schema *schema; /* never a union: the branch taken */
	union {
		int64_t i;        /* BOOLEAN, INT, LONG, ENUM */
		double f;         /* FLOAT, DOUBLE */
		struct str bytes; /* BYTES, STRING, FIXED */
		/* ARRAY, RECORD (as schema->fields), MAP (key, value, key, value...) */
		struct {
			struct avro_value *v;
			size_t n;
		} list;
	};
};

struct avro_reader;

/* bytes are borrowed until free. */
int avro_reader_open(struct str bytes, const char *what, struct avro_reader **out, struct err *err) TARN_MUST_CHECK;
struct str avro_reader_meta(const struct avro_reader *reader, const char *key); /* p NULL: missing */
/* *record NULL at the end. */
int avro_reader_next(struct avro_reader *reader, const struct avro_value **record, struct err *err) TARN_MUST_CHECK;
void avro_reader_free(struct avro_reader *reader);

/* A record's field by id, or by name where the file gives no ids; NULL when missing or null. */
const struct avro_value *avro_get(const struct avro_value *record, int32_t id, const char *name);
bool avro_is_int(const struct avro_value *v);   /* INT or LONG; false for NULL */
bool avro_is_bytes(const struct avro_value *v); /* BYTES, STRING or FIXED */

#endif
