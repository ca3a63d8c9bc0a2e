/* src/base/json.h — the one place that includes jansson, with the few helpers all users share.
 *
 * json_t values are reference counted as jansson does it: json_object_set_new takes, json_object_get borrows. Parsing
 * has limits: bytes by the caller, depth by jansson (2048). jansson allocates through base/mem. */
#ifndef TARN_BASE_JSON_H
#define TARN_BASE_JSON_H

#include <jansson.h>

#include "base/err.h"
#include "base/str.h"

void json_init(void); /* once, at process start: allocation through base/mem, hash seed */
/* NULL and err (ERR_CORRUPT, "<what>: line L column C: ...") on malformed text. Duplicate keys are refused. Integers
 * keep 64 bits. */
json_t *json_parse(struct str text, const char *what, struct err *err);
/* Compact text, keys in insertion order; owned (mem_free), NULL: no memory. */
char *json_text(const json_t *value);
char *json_text_pretty(const json_t *value);
/* Borrowed members; "" / 0 / NULL defaults when missing or of another kind. */
const char *json_get_str(const json_t *object, const char *key, const char *fallback);
int64_t json_get_int(const json_t *object, const char *key, int64_t fallback);
bool json_has(const json_t *object, const char *key);
json_t *json_str(struct str s);                                      /* new string value */
int json_set_str(json_t *object, const char *key, struct str value); /* 0 or -1 */
int json_set_int(json_t *object, const char *key, int64_t value);
int json_set_bool(json_t *object, const char *key, bool value);

#endif
