/* src/cli/table_view.h — what `tarn table` prints: the objects of serve/table_admin.h as text. Pure: JSON in, text out. */
#ifndef TARN_CLI_TABLE_VIEW_H
#define TARN_CLI_TABLE_VIEW_H

#include "base/json.h"
#include "base/wbuf.h"

void table_view_list(struct wbuf *out, const json_t *tables);
void table_view_show(struct wbuf *out, const json_t *table);
void table_view_history(struct wbuf *out, const json_t *versions);
void table_view_files(struct wbuf *out, const json_t *files);
/* An Iceberg type as it is written in the specification: decimal(9, 2), list<string>, map<string, int>, struct<1: a:
 * int>. */
void table_view_type(struct wbuf *out, const json_t *type);

#endif
