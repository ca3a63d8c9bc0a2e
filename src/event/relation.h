/* src/event/relation.h — one version of a source table's description, as it was at that point of the change stream.
 *
 * Immutable once made, reference counted (relation_ref / relation_unref are thread-safe). The source makes it, the
 * journal stores it in front of the first change that uses it, the lake compares it with the table it writes. A
 * difference is a schema change event. */
#ifndef TARN_EVENT_RELATION_H
#define TARN_EVENT_RELATION_H

#include "base/err.h"
#include "base/rbuf.h"
#include "base/wbuf.h"
#include "event/type.h"

struct batch;
struct column;
struct datum;
struct rel_column;

/* Converts one datum into row `row` of `out` (DATUM_NULL: clears the validity bit). Bytes are copied into the batch's
 * arena. ERR_VALUE with a text that names the column when the value has no exact form in out->type. */
typedef int (*datum_put_fn)(const struct rel_column *col, const struct datum *datum, struct batch *batch,
                            struct column *out, uint32_t row, struct err *err);

struct rel_column {
	const char *name;             /* owned by the relation */
	struct type type;             /* TYPE_NONE: not supported; the reason is in relation.unsupported */
	uint32_t source_type;         /* PostgreSQL: type oid */
	int32_t typmod;               /* PostgreSQL: atttypmod, -1 none */
	const char *source_type_name; /* "numeric(10,2)"; for messages and docs */
	bool key;                     /* part of the key */
	bool not_null;
	datum_put_fn put; /* bound by the source's codec after decoding; NULL until then */
};

struct relation {
	uint32_t refs;      /* relation_ref / relation_unref only */
	uint32_t id;        /* the source's own number: PostgreSQL's oid */
	uint32_t version;   /* counts up within one journal, never reused; 0: not journaled yet */
	const char *schema; /* "public" */
	const char *name;
	const char *unsupported; /* NULL, or the sentence why this table cannot be captured */
	uint16_t n_columns;
	uint16_t n_keys;
	struct rel_column *columns;
	uint16_t *key_columns; /* n_keys indexes into columns, in key order */
};

/* Building: relation_new copies the names; columns start empty (relation_set_column copies names), relation_seal
 * computes key_columns from the key flags in column order (relation_set_keys for another order). */
struct relation *relation_new(uint32_t id, struct str schema, struct str name, uint16_t n_columns);
int relation_set_column(struct relation *rel, uint16_t i, struct str name, struct type type, uint32_t source_type,
                        int32_t typmod, struct str source_type_name, bool key, bool not_null); /* 0 or -1: no memory */
int relation_set_unsupported(struct relation *rel, const char *why);
int relation_seal(struct relation *rel); /* 0 or -1 */
/* key order other than column order; sets the key flags; 0 or -1 */
int relation_set_keys(struct relation *rel, const uint16_t *columns, uint16_t n);
struct relation *relation_ref(struct relation *rel);
void relation_unref(struct relation *rel); /* NULL allowed */

/* names, types, keys, order: everything but version */
bool relation_same_shape(const struct relation *a, const struct relation *b);
int relation_find_column(const struct relation *rel, struct str name); /* index or -1 */

/* Durable form (journal records). decode: ERR_CORRUPT on malformed bytes; put functions are not bound. */
void relation_encode(const struct relation *rel, struct wbuf *out);
int relation_decode(struct rbuf *in, struct relation **out, struct err *err) TARN_MUST_CHECK;

#endif
