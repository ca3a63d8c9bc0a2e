/* src/event/type.h — the types a value can have between a source and the lake.
 *
 * The list is Iceberg's primitive types as far as all readers know them, and a list of one of them. A source maps its
 * own types to these (pg/pg_types.h); the lake maps these to Iceberg and Parquet. Plain values. */
#ifndef TARN_EVENT_TYPE_H
#define TARN_EVENT_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum type_kind {
	TYPE_NONE,
	TYPE_BOOL,    /* in a column: uint8_t 0/1 */
	TYPE_INT32,   /* int32_t */
	TYPE_INT64,   /* int64_t */
	TYPE_FLOAT32, /* float */
	TYPE_FLOAT64, /* double */
	/* precision 1..38, scale 0..precision; unscaled: int64_t when precision <= 18, else __int128 */
	TYPE_DECIMAL,
	TYPE_STRING,      /* struct str, UTF-8 */
	TYPE_BINARY,      /* struct str */
	TYPE_UUID,        /* 16 bytes as written (big endian) */
	TYPE_DATE,        /* int32_t days since 1970-01-01 */
	TYPE_TIME,        /* int64_t microseconds since midnight */
	TYPE_TIMESTAMP,   /* int64_t microseconds since 1970-01-01T00:00, without zone */
	TYPE_TIMESTAMPTZ, /* int64_t microseconds since 1970-01-01T00:00Z */
	TYPE_LIST,        /* struct list_ref into the child column; elements may be null */
};

struct type {
	uint8_t kind;      /* enum type_kind */
	uint8_t precision; /* DECIMAL, or LIST of DECIMAL */
	uint8_t scale;
	uint8_t elem; /* LIST: enum type_kind of the elements, never LIST */
};

bool type_eq(struct type a, struct type b);
struct type type_elem(struct type list); /* the element type of a LIST */
size_t type_width(struct type type);     /* bytes of one element in a column (the C types above) */
#define TYPE_TEXT_MAX 32
/* Iceberg's spelling: boolean int long float double decimal(p, s) string binary uuid date time timestamp timestamptz
 * list<...>. */
const char *type_text(struct type type, char buf[TYPE_TEXT_MAX]);

#endif
