/* src/pg/pg_types.h — PostgreSQL's types to ours, and datums (text and binary form) to column values, exactly or not
 * at all.
 *
 * bool int2 int4 int8 float4 float8 numeric(p<=38,s) text varchar bpchar name char bytea uuid date time timestamp
 * timestamptz json jsonb enum, and one-dimensional arrays of these; every other type as PostgreSQL's text. numeric
 * without precision, or with p > 38, or a negative scale: string. int2 becomes int. Infinity dates and timestamps,
 * NaN in a decimal column, 24:00:00, multi-dimensional arrays and values outside the lake's range are ERR_VALUE,
 * never a guess. See docs/types.md (made from the same table). */
#ifndef TARN_PG_PG_TYPES_H
#define TARN_PG_PG_TYPES_H

#include "event/change.h"

/* typtype: pg_type.typtype of oid ('b' base, 'e' enum, 'd' domain ...), 0 when unknown; elem_oid, elem_typtype: for
 * arrays. A domain by its own oid is text; whoever knows its base type may give that one's oid and typmod (then as
 * rel_column.source_type and typmod too). */
struct pg_type_info {
	uint32_t oid;
	int32_t typmod;
	char typtype;
	uint32_t elem_oid;
	char elem_typtype;
};
struct type pg_type_map(const struct pg_type_info *info);
/* Can a datum in PostgreSQL's binary form be put (true for all exact types and numeric of any precision)? Otherwise
 * the stream must be asked for text and COPY must cast to text. */
bool pg_type_binary_ok(const struct pg_type_info *info);
/* Sets columns[].put from source_type and type (journal_reader's bind). ERR_CORRUPT on a combination pg_type_map
 * never makes. */
int pg_types_bind(struct relation *rel, struct err *err) TARN_MUST_CHECK;

#endif
