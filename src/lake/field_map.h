/* src/lake/field_map.h — a relation's columns among a table's fields: by name, checked by type. */
#ifndef TARN_LAKE_FIELD_MAP_H
#define TARN_LAKE_FIELD_MAP_H

#include "event/relation.h"
#include "lake/lake_format.h"

struct field_map_from {
	const struct lake_table *table;
	/* fields the next commit adds (lake_format_ops.plan_fields) */
	const struct lake_field *planned;
	size_t n_planned;
	const char *name; /* of the table, for messages */
};

/* The fields that extra (first) and rel's columns map to, in that order, one free place behind them. Owned:
 * lake_fields_free. ERR_IDENTITY when one is missing or of another type. */
int field_map_new(const struct field_map_from *from, const struct relation *rel, const struct lake_field *extra,
                  size_t n_extra, struct lake_field **out, size_t *n_out, struct err *err) TARN_MUST_CHECK;

#endif
