/* src/engine/duck_vector.c — columns of a batch to DuckDB vectors and back. */
#include "engine/duck_vector.h"

#include "engine/utf8.h"

/* DuckDB keeps decimals in the smallest integer of 16, 32, 64 or 128 bits for the precision; we keep 64 or 128 bits. */
enum { DECIMAL_16 = 4, DECIMAL_32 = 9, DECIMAL_64 = 18 };

static duckdb_type scalar_type_id(uint8_t kind)
{
	switch (kind) {
	case TYPE_BOOL: return DUCKDB_TYPE_BOOLEAN;
	case TYPE_INT32: return DUCKDB_TYPE_INTEGER;
	case TYPE_INT64: return DUCKDB_TYPE_BIGINT;
	case TYPE_FLOAT32: return DUCKDB_TYPE_FLOAT;
	case TYPE_FLOAT64: return DUCKDB_TYPE_DOUBLE;
	case TYPE_STRING: return DUCKDB_TYPE_VARCHAR;
	case TYPE_BINARY: return DUCKDB_TYPE_BLOB;
	case TYPE_UUID: return DUCKDB_TYPE_UUID;
	case TYPE_DATE: return DUCKDB_TYPE_DATE;
	case TYPE_TIME: return DUCKDB_TYPE_TIME;
	case TYPE_TIMESTAMP: return DUCKDB_TYPE_TIMESTAMP;
	case TYPE_TIMESTAMPTZ: return DUCKDB_TYPE_TIMESTAMP_TZ;
	default: return DUCKDB_TYPE_INVALID;
	}
}

duckdb_logical_type duck_type_new(struct type type)
{
	if (type.kind == TYPE_LIST) {
		duckdb_logical_type elem = duck_type_new(type_elem(type));
		if (!elem)
			return NULL;
		duckdb_logical_type list = duck_api.create_list_type(elem);
		duck_api.destroy_logical_type(&elem);
		return list;
	}
	if (type.kind == TYPE_DECIMAL)
		return duck_api.create_decimal_type(type.precision, type.scale);
	duckdb_type id = scalar_type_id(type.kind);
	return id == DUCKDB_TYPE_INVALID ? NULL : duck_api.create_logical_type(id);
}

/* --- in --- */

static bool all_valid(const struct column *c, uint32_t from, uint32_t n)
{
	uint32_t r = from, end = from + n;

	for (; r < end && (r & 63); r++) {
		if (!column_valid(c, r))
			return false;
	}
	for (; r + 64 <= end; r += 64) {
		if (c->valid[r >> 6] != UINT64_MAX)
			return false;
	}
	for (; r < end; r++) {
		if (!column_valid(c, r))
			return false;
	}
	return true;
}

/* Both sides keep one bit a row in 64-bit words, set: not null; whole words are copied when the rows begin at a word. */
static void put_validity(const struct column *c, uint32_t from, uint32_t n, duckdb_vector vector)
{
	if (all_valid(c, from, n))
		return; /* a vector without a mask has no nulls */
	duck_api.vector_ensure_validity_writable(vector);
	uint64_t *mask = duck_api.vector_get_validity(vector);
	if ((from & 63) == 0) {
		memcpy(mask, c->valid + (from >> 6), (n + 63) / 64 * sizeof *mask);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t bit = (uint64_t)1 << (i & 63);
		mask[i >> 6] = column_valid(c, from + i) ? mask[i >> 6] | bit : mask[i >> 6] & ~bit;
	}
}

static int put_strings(const struct column *c, uint32_t from, uint32_t n, duckdb_string_t *out, struct err *err)
{
	const struct str *in = (const struct str *)c->data + from;
	bool text = c->type.kind == TYPE_STRING;

	for (uint32_t i = 0; i < n; i++) {
		struct str s = in[i];
		if (s.n > UINT32_MAX)
			return err_set(err, ERR_LIMIT, "a value of %zu bytes is longer than a Parquet value can be",
			               s.n);
		if (text && !utf8_ok(s))
			return err_set(err, ERR_VALUE, "a text value is not valid UTF-8");
		duckdb_string_t *o = &out[i];
		o->value.inlined.length = (uint32_t)s.n;
		if (s.n <= sizeof o->value.inlined.inlined) {
			memset(o->value.inlined.inlined, 0, sizeof o->value.inlined.inlined);
			if (s.n)
				memcpy(o->value.inlined.inlined, s.p, s.n);
		} else {
			memcpy(o->value.pointer.prefix, s.p, sizeof o->value.pointer.prefix);
			o->value.pointer.ptr = (char *)(uintptr_t)s.p;
		}
	}
	return ERR_OK;
}

static void put_hugeint(duckdb_hugeint *out, __int128 v)
{
	out->lower = (uint64_t)v;
	out->upper = (int64_t)(v >> 64);
}

static void put_decimals(const struct column *c, uint32_t from, uint32_t n, void *out)
{
	uint8_t precision = c->type.precision;

	if (precision > DECIMAL_64) {
		for (uint32_t i = 0; i < n; i++)
			put_hugeint((duckdb_hugeint *)out + i, COLUMN_AT(c, __int128, from + i));
		return;
	}
	const int64_t *in = (const int64_t *)c->data + from;
	if (precision <= DECIMAL_16) {
		for (uint32_t i = 0; i < n; i++)
			((int16_t *)out)[i] = (int16_t)in[i];
	} else if (precision <= DECIMAL_32) {
		for (uint32_t i = 0; i < n; i++)
			((int32_t *)out)[i] = (int32_t)in[i];
	} else {
		memcpy(out, in, (size_t)n * sizeof *in);
	}
}

/* DuckDB orders UUIDs as signed 128-bit integers: the top bit is flipped. */
static void put_uuids(const struct column *c, uint32_t from, uint32_t n, duckdb_hugeint *out)
{
	const uint8_t *in = (const uint8_t *)c->data + (size_t)from * 16;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t hi, lo;
		memcpy(&hi, in + (size_t)i * 16, 8);
		memcpy(&lo, in + (size_t)i * 16 + 8, 8);
		out[i].upper = (int64_t)(__builtin_bswap64(hi) ^ (uint64_t)1 << 63);
		out[i].lower = __builtin_bswap64(lo);
	}
}

/* Elements of consecutive rows lie one behind the other when the batch was filled in order, which is the rule; then
 * they go in one piece. */
static int put_lists(const struct column *c, uint32_t from, uint32_t n, duckdb_vector vector, duckdb_list_entry *out,
                     struct err *err)
{
	uint64_t total = 0, first = 0;
	bool any = false, contiguous = true;

	for (uint32_t i = 0; i < n; i++) {
		struct list_ref ref = COLUMN_AT(c, struct list_ref, from + i);
		if (!column_valid(c, from + i))
			ref.n = 0;
		if (ref.n) {
			if (!any)
				first = ref.offset;
			any = true;
			contiguous = contiguous && ref.offset == first + total;
		}
		out[i].offset = total;
		out[i].length = ref.n;
		total += ref.n;
	}
	if (duck_api.list_vector_reserve(vector, total) != DuckDBSuccess ||
	    duck_api.list_vector_set_size(vector, total) != DuckDBSuccess)
		return err_nomem(err);
	if (total == 0)
		return ERR_OK;
	if (total > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "%llu list elements in one chunk are too many",
		               (unsigned long long)total);
	duckdb_vector child = duck_api.list_vector_get_child(vector);
	if (contiguous)
		return duck_vector_put(c->child, (uint32_t)first, (uint32_t)total, child, err);

	/* Out of order: gather into a column of pointers to the same bytes. */
	struct type elem = type_elem(c->type);
	struct batch *gathered = batch_new(&elem, 1, (uint32_t)total);
	if (!gathered)
		return err_nomem(err);
	uint32_t at = 0;
	int rc = ERR_OK;
	for (uint32_t i = 0; i < n && !rc; i++) {
		struct list_ref ref = COLUMN_AT(c, struct list_ref, from + i);
		for (uint32_t k = 0; k < out[i].length; k++) {
			if (column_valid(c->child, ref.offset + k)) {
				size_t width = type_width(elem);
				memcpy((char *)gathered->columns[0].data + at * width,
				       (char *)c->child->data + (ref.offset + k) * width, width);
				column_set_valid(&gathered->columns[0], at);
			}
			at++;
		}
	}
	rc = duck_vector_put(&gathered->columns[0], 0, at, child, err);
	batch_free(gathered);
	return rc;
}

int duck_vector_put(const struct column *c, uint32_t from, uint32_t n, duckdb_vector vector, struct err *err)
{
	void *out = duck_api.vector_get_data(vector);

	put_validity(c, from, n, vector);
	switch (c->type.kind) {
	case TYPE_STRING:
	case TYPE_BINARY: return put_strings(c, from, n, out, err);
	case TYPE_DECIMAL: put_decimals(c, from, n, out); return ERR_OK;
	case TYPE_UUID: put_uuids(c, from, n, out); return ERR_OK;
	case TYPE_LIST: return put_lists(c, from, n, vector, out, err);
	default: {
		size_t width = type_width(c->type);
		memcpy(out, (const char *)c->data + from * width, n * width);
		return ERR_OK;
	}
	}
}

/* --- out --- */

static bool vector_valid(const uint64_t *mask, uint64_t i) { return !mask || (mask[i >> 6] >> (i & 63) & 1); }

static struct str string_view(const duckdb_string_t *s)
{
	uint32_t n = s->value.inlined.length;

	return n <= sizeof s->value.inlined.inlined ? str_view(s->value.inlined.inlined, n)
	                                            : str_view(s->value.pointer.ptr, n);
}

static void get_decimal(const void *in, uint64_t i, struct column *c, uint32_t row)
{
	uint8_t precision = c->type.precision;

	if (precision > DECIMAL_64) {
		const duckdb_hugeint *h = (const duckdb_hugeint *)in + i;
		COLUMN_AT(c, __int128, row) = (__int128)((unsigned __int128)(uint64_t)h->upper << 64 | h->lower);
	} else if (precision <= DECIMAL_16) {
		COLUMN_AT(c, int64_t, row) = ((const int16_t *)in)[i];
	} else if (precision <= DECIMAL_32) {
		COLUMN_AT(c, int64_t, row) = ((const int32_t *)in)[i];
	} else {
		COLUMN_AT(c, int64_t, row) = ((const int64_t *)in)[i];
	}
}

static void get_uuid(const duckdb_hugeint *in, uint8_t *out)
{
	uint64_t hi = __builtin_bswap64((uint64_t)in->upper ^ (uint64_t)1 << 63), lo = __builtin_bswap64(in->lower);

	memcpy(out, &hi, 8);
	memcpy(out + 8, &lo, 8);
}

static int get_range(duckdb_vector vector, uint64_t from, uint32_t n, struct batch *batch, struct column *c,
                     uint32_t at, struct err *err);

static int get_list(duckdb_vector vector, const duckdb_list_entry *entry, struct batch *batch, struct column *c,
                    uint32_t row, struct err *err)
{
	if (entry->length > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "a list of %llu elements is too long",
		               (unsigned long long)entry->length);
	int64_t first = column_set_list(batch, c, row, (uint32_t)entry->length);
	if (first < 0)
		return err_nomem(err);
	if (entry->length == 0)
		return ERR_OK;
	return get_range(duck_api.list_vector_get_child(vector), entry->offset, (uint32_t)entry->length, batch,
	                 c->child, (uint32_t)first, err);
}

static int get_one(duckdb_vector vector, const void *in, uint64_t i, struct batch *batch, struct column *c,
                   uint32_t row, struct err *err)
{
	switch (c->type.kind) {
	case TYPE_STRING:
	case TYPE_BINARY:
		return column_set_bytes(batch, c, row, string_view((const duckdb_string_t *)in + i)) ? err_nomem(err)
		                                                                                     : ERR_OK;
	case TYPE_DECIMAL: get_decimal(in, i, c, row); break;
	case TYPE_UUID: get_uuid((const duckdb_hugeint *)in + i, (uint8_t *)c->data + (size_t)row * 16); break;
	case TYPE_LIST: return get_list(vector, (const duckdb_list_entry *)in + i, batch, c, row, err);
	default: {
		size_t width = type_width(c->type);
		memcpy((char *)c->data + row * width, (const char *)in + i * width, width);
	}
	}
	column_set_valid(c, row);
	return ERR_OK;
}

static bool plain_bytes(uint8_t kind)
{
	return kind != TYPE_STRING && kind != TYPE_BINARY && kind != TYPE_DECIMAL && kind != TYPE_UUID &&
	       kind != TYPE_LIST;
}

static int get_range(duckdb_vector vector, uint64_t from, uint32_t n, struct batch *batch, struct column *c,
                     uint32_t at, struct err *err)
{
	const void *in = duck_api.vector_get_data(vector);
	const uint64_t *mask = duck_api.vector_get_validity(vector);

	if (!mask && plain_bytes(c->type.kind)) {
		size_t width = type_width(c->type);
		memcpy((char *)c->data + at * width, (const char *)in + from * width, n * width);
		for (uint32_t i = 0; i < n; i++)
			column_set_valid(c, at + i);
		return ERR_OK;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!vector_valid(mask, from + i))
			continue; /* rows of a fresh batch are null and zero */
		int rc = get_one(vector, in, from + i, batch, c, at + i, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

int duck_vector_get(duckdb_vector vector, uint32_t n, struct batch *batch, struct column *c, uint32_t at,
                    struct err *err)
{
	return get_range(vector, 0, n, batch, c, at, err);
}
