/* src/lake/bounds.h — one value as bytes, as Iceberg stores bounds, partition values and defaults.
 *
 * Specification, appendix D, "Binary single-value serialization": boolean 1 byte; int, date, float 4 bytes and long,
 * time, timestamps, double 8 bytes little endian; string UTF-8; binary raw; uuid 16 bytes big endian; decimal the
 * unscaled value as the shortest big-endian two's complement. Lists have none. Values are passed as pointers to the C
 * type of event/type.h. */
#ifndef TARN_LAKE_BOUNDS_H
#define TARN_LAKE_BOUNDS_H

#include "base/err.h"
#include "base/wbuf.h"
#include "event/type.h"
#include "lake/data_file.h"

#define BOUND_BYTES_MAX 64 /* of a truncated string: 16 code points of 4 bytes */
/* code points of a string, bytes of a binary: what the reference implementation keeps by default */
#define BOUND_UNITS 16

/* Appends the value's bytes, not truncated. Lists and TYPE_NONE append nothing. */
void bound_encode(struct type type, const void *value, struct wbuf *out);
/* The unscaled value of a decimal, shortest form; 1..16 bytes. */
size_t bound_encode_decimal(__int128 unscaled, uint8_t out[16]);
__int128 bound_decode_decimal(const uint8_t *p, size_t n); /* n 1..16 */
/* Fills `value` (C type of `type`; views for STRING and BINARY). Decodes by length: a 4-byte int under a long column,
 * a float under a double (bounds written before a promotion). false: impossible length. */
bool bound_decode(struct type type, struct str bytes, void *value);

/* Prefix of at most `units` code points (text) or bytes, never splitting a code point: a lower bound of everything
 * that begins so. */
struct str bound_truncate(bool text, struct str value, size_t units);
/* An upper bound of at most `units`: the value itself when short, else the prefix with its last code point (byte)
 * that can grow increased and what follows dropped; code points skip the surrogates. Writes to out (at least 4 *
 * units bytes) and returns the length; -1: there is none (all at their maximum, or not UTF-8): leave the upper bound
 * away. */
int bound_round_up(bool text, struct str value, size_t units, uint8_t *out);

/* Sets an owned bound from a value: truncated, rounded up when `upper`. NaN, lists and impossible upper bounds leave
 * it unset (0 returned). -0.0 and +0.0: a lower zero becomes -0.0, an upper zero +0.0, so that readers which tell
 * them apart still find both. */
int bound_set(struct bound *bound, struct type type, const void *value, bool upper, struct err *err) TARN_MUST_CHECK;
void bound_clear(struct bound *bound);

/* Order of two encoded values (each may have been written before a promotion): <0, 0, >0. Strings, binaries and UUIDs
 * by unsigned bytes; -0.0 before +0.0. Undecodable bytes come first. */
int bound_compare(struct type type, struct str a, struct str b);

#endif
