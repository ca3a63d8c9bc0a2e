/* src/lake/key.h — the key of a row as 128 bits: what the key index stores.
 *
 *   KEY_INT    one INT32, INT64, DATE, TIME, TIMESTAMP or TIMESTAMPTZ column: exact. hi 0, lo = value with the sign
 *              bit flipped, so that unsigned order is the values' order. INT32 and INT64 give the same key: a
 *              promotion int -> long keeps the index.
 *   KEY_UUID   one UUID column: exact, 16 bytes big endian.
 *   KEY_HASH   anything else: XXH3, 128 bits, with a fixed seed, over an unambiguous encoding of all columns. Two
 *              different keys that meet in 128 bits would be taken for one; at 10^9 rows the chance is below 10^-20.
 *
 * Equal as PostgreSQL compares keys: -0.0 is 0.0, all NaNs are one, 1.0 and 1.00 are the same decimal. float and
 * double with the same value are the same. Null is a value of its own (full-row keys). The encoding and the seed
 * never change: runs of the index may outlive a process. */
#ifndef TARN_LAKE_KEY_H
#define TARN_LAKE_KEY_H

#include "base/err.h"
#include "event/batch.h"

enum key_kind { KEY_INT, KEY_UUID, KEY_HASH };

struct lake_key {
	uint64_t hi, lo;
};

static inline bool lake_key_eq(struct lake_key a, struct lake_key b) { return a.hi == b.hi && a.lo == b.lo; }

struct key_def; /* immutable after key_def_new: for all threads */

/* types of the key columns in key order; n >= 1. ERR_UNSUPPORTED for TYPE_NONE. */
int key_def_new(const struct type *types, uint16_t n, struct key_def **out, struct err *err) TARN_MUST_CHECK;
void key_def_free(struct key_def *def); /* NULL allowed */
enum key_kind key_def_kind(const struct key_def *def);

/* columns: indexes into batch of the key columns, in key order. A KEY_INT or KEY_UUID column must not be null (it
 * then counts as zero). */
struct lake_key key_of_row(const struct key_def *def, const struct batch *batch, const uint16_t *columns, uint32_t row);
/* Rows [from, to) into out: the same keys, faster. */
void key_of_rows(const struct key_def *def, const struct batch *batch, const uint16_t *columns, uint32_t from,
                 uint32_t to, struct lake_key *out);

#endif
