/* src/catalog/catalog_json.h — JSON into a wbuf, without a second copy, and whole or not at all.
 *
 * jansson's own json_dumps does not look at failures while it writes an object's keys: with memory short for one
 * moment it yields text that lacks a key. Here the buffer's failure is sticky, so what was not written whole is an
 * error. */
#ifndef TARN_CATALOG_CATALOG_JSON_H
#define TARN_CATALOG_CATALOG_JSON_H

#include "base/json.h"
#include "base/wbuf.h"

int catalog_json_put(struct wbuf *out, const json_t *value, struct err *err) TARN_MUST_CHECK; /* compact; appended */

#endif
