/* src/pipeline/table_schema.h — a source table's shape as lake tables, and what may change in it. */
#ifndef TARN_PIPELINE_TABLE_SCHEMA_H
#define TARN_PIPELINE_TABLE_SCHEMA_H

#include "event/relation.h"
#include "lake/lake.h"

/* public.users becomes users; other schemas keep theirs: sales.users becomes sales__users. */
void table_schema_lake_name(const struct relation *rel, char *out, size_t n);
/* Creates a mirror (Iceberg v3, key columns required and identifier) or a changelog (v2, CHANGELOG fields first). */
int table_schema_create(struct lake *lake, const char *ns, const char *name, const struct relation *rel, bool changelog,
                        struct err *err) TARN_MUST_CHECK;
/* May a running table go from shape a to shape b? Columns may be added; anything else is ERR_UNSUPPORTED saying which
 * column and what to do. */
int table_schema_check(const struct relation *a, const struct relation *b, const char *name,
                       struct err *err) TARN_MUST_CHECK;
/* The fields the table lacks for rel, with ids from the format (lake_format_ops.plan_fields); replaces *planned. */
int table_schema_plan(struct lake_table *table, const struct relation *rel, struct lake_field **planned,
                      size_t *n_planned, struct err *err) TARN_MUST_CHECK;
/* The journal may be behind the catalog: *rel becomes the part of it that the lake's tables have (columns added at
 * the source since come with their own relation record). Either table may be NULL; one that has a column which is not at
 * the source any more, or lacks one of the key, is ERR_UNSUPPORTED. name: of the mirror in the lake, for messages. */
int table_schema_narrow(const struct lake_table *mirror, const struct lake_table *changelog, const char *name,
                        struct relation **rel, struct err *err) TARN_MUST_CHECK;

#endif
