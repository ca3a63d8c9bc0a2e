/* src/lake/column_stats.c — metrics of columns: 64 rows at a time by their validity word, a tight loop when all are
 * valid. */
#include "lake/column_stats.h"

#include <math.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "lake/bounds.h"

/* A copy of a text value's beginning: its first 16 code points are at most 64 bytes, and of a longer value at least
 * one byte more must be kept to know that it was cut. Cutting keeps the order, so comparing cut values is enough. */
enum { PREFIX_BYTES = 80 };

/* The first 16 bytes as big-endian numbers, zeros behind a shorter value: they decide nearly always. */
struct head {
	uint64_t a, b;
};

struct prefix {
	struct head head;
	uint32_t n;
	char p[PREFIX_BYTES];
};

struct leaf_stats {
	int32_t id;
	struct type type;
	bool element; /* of a list: counts only */
	bool any;     /* min and max are set */
	uint64_t values, nulls, nans;
	union {
		int64_t i64;
		double f64;
		__int128 i128;
		struct lake_uuid {
			uint64_t hi, lo;
		} uuid;
		struct prefix text;
	} min, max;
};

struct column_stats {
	size_t n; /* leaves = columns: a list column's leaf is its element */
	struct leaf_stats leaves[];
};

struct column_stats *column_stats_new(const struct lake_field *fields, size_t n)
{
	struct column_stats *stats = mem_zero(sizeof *stats + n * sizeof stats->leaves[0]);

	if (!stats)
		return NULL;
	stats->n = n;
	for (size_t i = 0; i < n; i++) {
		struct leaf_stats *leaf = &stats->leaves[i];

		leaf->element = fields[i].type.kind == TYPE_LIST;
		leaf->id = leaf->element ? fields[i].elem_id : fields[i].id;
		leaf->type = leaf->element ? type_elem(fields[i].type) : fields[i].type;
	}
	return stats;
}

void column_stats_free(struct column_stats *stats) { mem_free(stats); }

void column_stats_reset(struct column_stats *stats)
{
	for (size_t i = 0; i < stats->n; i++) {
		struct leaf_stats *leaf = &stats->leaves[i];

		leaf->any = false;
		leaf->values = leaf->nulls = leaf->nans = 0;
	}
}

/* --- one kind of value --- */

/* Calls `one` for each valid row: words of 64 rows, all-valid words without looking at bits. */
#define EACH_VALID(c, from, to, row, one)                                                                              \
	do {                                                                                                           \
		for (uint32_t row##_at = (from); row##_at < (to);) {                                                   \
			uint32_t row##_end = (row##_at | 63) + 1 < (to) ? (row##_at | 63) + 1 : (to);                  \
			uint64_t row##_word = (c)->valid[row##_at >> 6];                                               \
			if (row##_word == ~(uint64_t)0) {                                                              \
				for (uint32_t row = row##_at; row < row##_end; row++) {                                \
					one;                                                                           \
				}                                                                                      \
			} else {                                                                                       \
				for (uint32_t row = row##_at; row < row##_end; row++)                                  \
					if (row##_word >> (row & 63) & 1) {                                            \
						one;                                                                   \
					}                                                                              \
			}                                                                                              \
			row##_at = row##_end;                                                                          \
		}                                                                                                      \
	} while (0)

#define ADD_INTEGERS(name, ctype)                                                                                      \
	static void name(struct leaf_stats *leaf, const struct column *c, uint32_t from, uint32_t to)                  \
	{                                                                                                              \
		const ctype *v = c->data;                                                                              \
		int64_t min = leaf->any ? leaf->min.i64 : INT64_MAX, max = leaf->any ? leaf->max.i64 : INT64_MIN;      \
		EACH_VALID(c, from, to, r, min = v[r] < min ? v[r] : min; max = v[r] > max ? v[r] : max);              \
		leaf->min.i64 = min;                                                                                   \
		leaf->max.i64 = max;                                                                                   \
	}
ADD_INTEGERS(add_u8, uint8_t)
ADD_INTEGERS(add_i32, int32_t)
ADD_INTEGERS(add_i64, int64_t)

/* Comparisons with NaN are false: it changes nothing but its count. Zeros of both signs are equal; bound_set gives
 * them their sign. */
#define ADD_FLOATS(name, ctype)                                                                                        \
	static void name(struct leaf_stats *leaf, const struct column *c, uint32_t from, uint32_t to)                  \
	{                                                                                                              \
		const ctype *v = c->data;                                                                              \
		double min = leaf->any ? leaf->min.f64 : (double)INFINITY,                                             \
		       max = leaf->any ? leaf->max.f64 : -(double)INFINITY;                                            \
		uint64_t nans = 0;                                                                                     \
		EACH_VALID(c, from, to, r, double d = (double)v[r]; min = d < min ? d : min; max = d > max ? d : max;  \
		           nans += d != d);                                                                            \
		leaf->min.f64 = min;                                                                                   \
		leaf->max.f64 = max;                                                                                   \
		leaf->nans += nans;                                                                                    \
	}
ADD_FLOATS(add_f32, float)
ADD_FLOATS(add_f64, double)

static void add_i128(struct leaf_stats *leaf, const struct column *c, uint32_t from, uint32_t to)
{
	const __int128 *v = c->data;
	bool any = leaf->any;
	__int128 min = any ? leaf->min.i128 : 0, max = any ? leaf->max.i128 : 0;

	EACH_VALID(c, from, to, r, min = !any || v[r] < min ? v[r] : min; max = !any || v[r] > max ? v[r] : max;
	           any = true);
	leaf->min.i128 = min;
	leaf->max.i128 = max;
}

static inline bool uuid_less(struct lake_uuid a, struct lake_uuid b)
{
	return a.hi != b.hi ? a.hi < b.hi : a.lo < b.lo;
}

static void add_uuid(struct leaf_stats *leaf, const struct column *c, uint32_t from, uint32_t to)
{
	bool any = leaf->any;

	EACH_VALID(c, from, to, r, struct lake_uuid v; memcpy(&v, (const char *)c->data + (size_t)r * 16, 16);
	           v.hi = __builtin_bswap64(v.hi); v.lo = __builtin_bswap64(v.lo);
	           if (!any || uuid_less(v, leaf->min.uuid)) leaf->min.uuid = v;
	           if (!any || uuid_less(leaf->max.uuid, v)) leaf->max.uuid = v; any = true);
}

/* Fewer than 8 bytes, in loads that overlap. */
static inline uint64_t load_short(const char *p, size_t n)
{
	if (n >= 4)
		return (uint64_t)bytes_u32_be(p) << 32 |
		       ((uint64_t)bytes_u32_be(p + n - 4) << (8 * (8 - n)) & 0xffffffff);
	if (n == 0)
		return 0;
	return (uint64_t)(uint8_t)p[0] << 56 | (uint64_t)(uint8_t)p[n / 2] << (56 - 8 * (n / 2)) |
	       (uint64_t)(uint8_t)p[n - 1] << (56 - 8 * (n - 1));
}

static inline struct head head_of(struct str s)
{
	if (s.n >= 16)
		return (struct head){ bytes_u64_be(s.p), bytes_u64_be(s.p + 8) };
	if (s.n > 8)
		return (struct head){ bytes_u64_be(s.p), bytes_u64_be(s.p + s.n - 8) << (8 * (16 - s.n)) };
	return (struct head){ s.n == 8 ? bytes_u64_be(s.p) : load_short(s.p, s.n), 0 };
}

/* Whole order of a value and a kept prefix with equal heads: as far as is kept. */
static int compare_prefix(struct str s, const struct prefix *kept)
{
	size_t n = s.n < PREFIX_BYTES ? s.n : PREFIX_BYTES, common = n < kept->n ? n : kept->n;
	int order = common ? memcmp(s.p, kept->p, common) : 0;

	return order ? order : (n > kept->n) - (n < kept->n);
}

static void keep_prefix(struct prefix *kept, struct head head, struct str s)
{
	kept->head = head;
	kept->n = (uint32_t)(s.n < PREFIX_BYTES ? s.n : PREFIX_BYTES);
	if (kept->n)
		memcpy(kept->p, s.p, kept->n);
}

static inline int compare_head(struct head x, struct head y)
{
	return x.a != y.a ? (x.a < y.a ? -1 : 1) : (x.b > y.b) - (x.b < y.b);
}

static inline void add_text_one(struct leaf_stats *leaf, struct str s)
{
	struct head head = head_of(s);
	int order;

	if (__builtin_expect(!leaf->any, 0)) {
		leaf->any = true;
		keep_prefix(&leaf->min.text, head, s);
		keep_prefix(&leaf->max.text, head, s);
		return;
	}
	order = compare_head(head, leaf->min.text.head);
	if (__builtin_expect(order <= 0, 0) && (order < 0 || compare_prefix(s, &leaf->min.text) < 0))
		keep_prefix(&leaf->min.text, head, s);
	order = compare_head(head, leaf->max.text.head);
	if (__builtin_expect(order >= 0, 0) && (order > 0 || compare_prefix(s, &leaf->max.text) > 0))
		keep_prefix(&leaf->max.text, head, s);
}

static void add_text(struct leaf_stats *leaf, const struct column *c, uint32_t from, uint32_t to)
{
	const struct str *v = c->data;

	EACH_VALID(c, from, to, r, add_text_one(leaf, v[r]));
}

/* --- a batch --- */

static uint64_t count_valid(const struct column *c, uint32_t from, uint32_t to)
{
	uint64_t n = 0;

	while (from < to) {
		uint32_t end = (from | 63) + 1 < to ? (from | 63) + 1 : to;
		uint64_t word = c->valid[from >> 6] >> (from & 63);

		if (end - from < 64)
			word &= ((uint64_t)1 << (end - from)) - 1;
		n += (uint64_t)__builtin_popcountll(word);
		from = end;
	}
	return n;
}

static void add_list(struct leaf_stats *leaf, const struct column *c, uint32_t from, uint32_t to)
{
	bool floating = leaf->type.kind == TYPE_FLOAT32 || leaf->type.kind == TYPE_FLOAT64;

	for (uint32_t r = from; r < to; r++) {
		struct list_ref ref = COLUMN_AT(c, const struct list_ref, r);

		if (!column_valid(c, r) || ref.n == 0)
			continue;
		leaf->values += ref.n;
		leaf->nulls += ref.n - count_valid(c->child, ref.offset, ref.offset + ref.n);
		for (uint32_t i = ref.offset; floating && i < ref.offset + ref.n; i++)
			leaf->nans += column_valid(c->child, i) &&
			              (leaf->type.kind == TYPE_FLOAT32 ? isnan(COLUMN_AT(c->child, const float, i))
			                                               : isnan(COLUMN_AT(c->child, const double, i)));
	}
}

static void add_values(struct leaf_stats *leaf, const struct column *c, uint32_t from, uint32_t to)
{
	switch ((enum type_kind)leaf->type.kind) {
	case TYPE_BOOL: add_u8(leaf, c, from, to); break;
	case TYPE_INT32:
	case TYPE_DATE: add_i32(leaf, c, from, to); break;
	case TYPE_INT64:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ: add_i64(leaf, c, from, to); break;
	case TYPE_FLOAT32: add_f32(leaf, c, from, to); break;
	case TYPE_FLOAT64: add_f64(leaf, c, from, to); break;
	case TYPE_DECIMAL:
		if (type_width(leaf->type) == 8)
			add_i64(leaf, c, from, to);
		else
			add_i128(leaf, c, from, to);
		break;
	case TYPE_STRING:
	case TYPE_BINARY: add_text(leaf, c, from, to); break;
	case TYPE_UUID: add_uuid(leaf, c, from, to); break;
	case TYPE_LIST:
	case TYPE_NONE: break;
	}
}

int column_stats_add(struct column_stats *stats, const struct batch *batch, uint32_t from, uint32_t to)
{
	CHECK(stats->n == batch->n_columns, "batch of %d columns for metrics of %zu", batch->n_columns, stats->n);
	for (size_t i = 0; i < stats->n && from < to; i++) {
		struct leaf_stats *leaf = &stats->leaves[i];
		const struct column *c = &batch->columns[i];
		uint64_t valid;

		if (leaf->element) {
			add_list(leaf, c, from, to);
			continue;
		}
		valid = count_valid(c, from, to);
		leaf->values += to - from;
		leaf->nulls += to - from - valid;
		if (valid == 0)
			continue;
		add_values(leaf, c, from, to);
		leaf->any = true;
	}
	return 0;
}

/* --- the end --- */

/* The kept extreme as a value of the column's C type. */
static int set_one(struct bound *bound, const struct leaf_stats *leaf, bool upper, struct err *err)
{
	union {
		uint8_t u8;
		int32_t i32;
		int64_t i64;
		float f32;
		double f64;
		__int128 i128;
		struct str s;
		struct lake_uuid uuid;
	} v;
	int64_t i64 = upper ? leaf->max.i64 : leaf->min.i64;
	double f64 = upper ? leaf->max.f64 : leaf->min.f64;
	const struct prefix *text = upper ? &leaf->max.text : &leaf->min.text;

	switch ((enum type_kind)leaf->type.kind) {
	case TYPE_BOOL: v.u8 = i64 != 0; break;
	case TYPE_INT32:
	case TYPE_DATE: v.i32 = (int32_t)i64; break;
	case TYPE_FLOAT32: v.f32 = (float)f64; break;
	case TYPE_FLOAT64: v.f64 = f64; break;
	case TYPE_DECIMAL:
		if (type_width(leaf->type) == 8)
			v.i64 = i64;
		else
			v.i128 = upper ? leaf->max.i128 : leaf->min.i128;
		break;
	case TYPE_STRING:
	case TYPE_BINARY: v.s = str_view(text->p, text->n); break;
	case TYPE_UUID:
		v.uuid = upper ? leaf->max.uuid : leaf->min.uuid;
		v.uuid.hi = __builtin_bswap64(v.uuid.hi);
		v.uuid.lo = __builtin_bswap64(v.uuid.lo);
		break;
	default: v.i64 = i64; break;
	}
	return bound_set(bound, leaf->type, &v, upper, err);
}

static int finish_leaf(const struct leaf_stats *leaf, struct column_metrics *out, struct err *err)
{
	bool floating = leaf->type.kind == TYPE_FLOAT32 || leaf->type.kind == TYPE_FLOAT64;
	int rc;

	out->field_id = leaf->id;
	out->value_count = leaf->values;
	out->null_count = leaf->nulls;
	out->nan_count = floating ? (int64_t)leaf->nans : -1;
	/* Nothing but nulls and NaNs: no bounds. */
	if (leaf->element || !leaf->any || leaf->nulls + leaf->nans == leaf->values)
		return 0;
	rc = set_one(&out->lower, leaf, false, err);
	return rc ? rc : set_one(&out->upper, leaf, true, err);
}

int column_stats_finish(const struct column_stats *stats, struct column_metrics **out, size_t *n, struct err *err)
{
	struct column_metrics *metrics = mem_array(stats->n ? stats->n : 1, sizeof *metrics);
	int rc = metrics ? 0 : err_nomem(err);

	for (size_t i = 0; !rc && i < stats->n; i++)
		rc = finish_leaf(&stats->leaves[i], &metrics[i], err);
	if (rc) {
		for (size_t i = 0; metrics && i < stats->n; i++) {
			bound_clear(&metrics[i].lower);
			bound_clear(&metrics[i].upper);
		}
		mem_free(metrics);
		return rc;
	}
	*out = metrics;
	*n = stats->n;
	return 0;
}
