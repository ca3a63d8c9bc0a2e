/* src/engine/sql_text.c — values of a DuckDB result as text. Physical forms as duckdb.h describes them at each type. */
#include "engine/sql_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

static const char *const type_names[] = {
	[DUCKDB_TYPE_BOOLEAN] = "BOOLEAN",
	[DUCKDB_TYPE_TINYINT] = "TINYINT",
	[DUCKDB_TYPE_SMALLINT] = "SMALLINT",
	[DUCKDB_TYPE_INTEGER] = "INTEGER",
	[DUCKDB_TYPE_BIGINT] = "BIGINT",
	[DUCKDB_TYPE_UTINYINT] = "UTINYINT",
	[DUCKDB_TYPE_USMALLINT] = "USMALLINT",
	[DUCKDB_TYPE_UINTEGER] = "UINTEGER",
	[DUCKDB_TYPE_UBIGINT] = "UBIGINT",
	[DUCKDB_TYPE_FLOAT] = "FLOAT",
	[DUCKDB_TYPE_DOUBLE] = "DOUBLE",
	[DUCKDB_TYPE_TIMESTAMP] = "TIMESTAMP",
	[DUCKDB_TYPE_DATE] = "DATE",
	[DUCKDB_TYPE_TIME] = "TIME",
	[DUCKDB_TYPE_INTERVAL] = "INTERVAL",
	[DUCKDB_TYPE_HUGEINT] = "HUGEINT",
	[DUCKDB_TYPE_UHUGEINT] = "UHUGEINT",
	[DUCKDB_TYPE_VARCHAR] = "VARCHAR",
	[DUCKDB_TYPE_BLOB] = "BLOB",
	[DUCKDB_TYPE_TIMESTAMP_S] = "TIMESTAMP_S",
	[DUCKDB_TYPE_TIMESTAMP_MS] = "TIMESTAMP_MS",
	[DUCKDB_TYPE_TIMESTAMP_NS] = "TIMESTAMP_NS",
	[DUCKDB_TYPE_ENUM] = "ENUM",
	[DUCKDB_TYPE_UUID] = "UUID",
	[DUCKDB_TYPE_BIT] = "BIT",
	[DUCKDB_TYPE_TIME_TZ] = "TIME WITH TIME ZONE",
	[DUCKDB_TYPE_TIMESTAMP_TZ] = "TIMESTAMP WITH TIME ZONE",
	/* numbers: the header of 1.4, which does as well, lacks the names */
	[DUCKDB_TYPE_SQLNULL] = "NULL",
	[DUCKDB_TYPE_BIGNUM] = "BIGNUM",
	[DUCKDB_TYPE_TIME_NS] = "TIME_NS",
	[40] = "GEOMETRY",
	[41] = "VARIANT",
};

enum sql_kind sql_text_kind(duckdb_logical_type type)
{
	switch (duck_api.get_type_id(type)) {
	case DUCKDB_TYPE_BOOLEAN: return SQL_KIND_BOOL;
	case DUCKDB_TYPE_TINYINT:
	case DUCKDB_TYPE_SMALLINT:
	case DUCKDB_TYPE_INTEGER:
	case DUCKDB_TYPE_BIGINT:
	case DUCKDB_TYPE_UTINYINT:
	case DUCKDB_TYPE_USMALLINT:
	case DUCKDB_TYPE_UINTEGER:
	case DUCKDB_TYPE_UBIGINT:
	case DUCKDB_TYPE_HUGEINT:
	case DUCKDB_TYPE_UHUGEINT:
	case DUCKDB_TYPE_FLOAT:
	case DUCKDB_TYPE_DOUBLE:
	case DUCKDB_TYPE_DECIMAL: return SQL_KIND_NUMBER;
	case DUCKDB_TYPE_LIST:
	case DUCKDB_TYPE_ARRAY:
	case DUCKDB_TYPE_STRUCT:
	case DUCKDB_TYPE_MAP:
	case DUCKDB_TYPE_UNION: return SQL_KIND_JSON;
	default: return SQL_KIND_TEXT;
	}
}

static void child_type(duckdb_logical_type child, struct wbuf *out)
{
	sql_text_type(child, out);
	duck_api.destroy_logical_type(&child);
}

static void member_types(duckdb_logical_type type, bool is_union, struct wbuf *out)
{
	uint64_t n = is_union ? duck_api.union_type_member_count(type) : duck_api.struct_type_child_count(type);

	wbuf_putz(out, is_union ? "UNION(" : "STRUCT(");
	for (uint64_t i = 0; i < n; i++) {
		char *name =
			is_union ? duck_api.union_type_member_name(type, i) : duck_api.struct_type_child_name(type, i);
		wbuf_putz(out, i ? ", " : "");
		wbuf_put_sql_ident(out, str_of(name));
		wbuf_putz(out, " ");
		duck_api.free(name);
		child_type(is_union ? duck_api.union_type_member_type(type, i)
		                    : duck_api.struct_type_child_type(type, i),
		           out);
	}
	wbuf_putz(out, ")");
}

void sql_text_type(duckdb_logical_type type, struct wbuf *out)
{
	duckdb_type id = duck_api.get_type_id(type);
	char *alias = duck_api.logical_type_get_alias(type);

	if (alias) {
		wbuf_putz(out, alias);
		duck_api.free(alias);
		return;
	}
	switch (id) {
	case DUCKDB_TYPE_DECIMAL:
		wbuf_putf(out, "DECIMAL(%u,%u)", (unsigned)duck_api.decimal_width(type),
		          (unsigned)duck_api.decimal_scale(type));
		break;
	case DUCKDB_TYPE_LIST:
		child_type(duck_api.list_type_child_type(type), out);
		wbuf_putz(out, "[]");
		break;
	case DUCKDB_TYPE_ARRAY:
		child_type(duck_api.array_type_child_type(type), out);
		wbuf_putf(out, "[%llu]", (unsigned long long)duck_api.array_type_array_size(type));
		break;
	case DUCKDB_TYPE_MAP:
		wbuf_putz(out, "MAP(");
		child_type(duck_api.map_type_key_type(type), out);
		wbuf_putz(out, ", ");
		child_type(duck_api.map_type_value_type(type), out);
		wbuf_putz(out, ")");
		break;
	case DUCKDB_TYPE_STRUCT:
	case DUCKDB_TYPE_UNION: member_types(type, id == DUCKDB_TYPE_UNION, out); break;
	default: {
		const char *name = (size_t)id < sizeof type_names / sizeof *type_names ? type_names[id] : NULL;
		wbuf_putz(out, name ? name : "UNKNOWN");
	}
	}
}

bool sql_text_valid(duckdb_vector vector, uint64_t row)
{
	uint64_t *mask = duck_api.vector_get_validity(vector);

	return !mask || (mask[row >> 6] >> (row & 63) & 1);
}

/* --- numbers --- */

static void put_u128(unsigned __int128 v, bool negative, unsigned scale, struct wbuf *out)
{
	char digits[48];
	unsigned n = 0;

	do {
		digits[n++] = (char)('0' + (unsigned)(v % 10));
		v /= 10;
	} while (v);
	while (n <= scale)
		digits[n++] = '0';
	if (negative)
		wbuf_put_u8(out, '-');
	while (n > 0) {
		if (n == scale)
			wbuf_put_u8(out, '.');
		wbuf_put_u8(out, (uint8_t)digits[--n]);
	}
}

static void put_i128(__int128 v, unsigned scale, struct wbuf *out)
{
	put_u128(v < 0 ? -(unsigned __int128)v : (unsigned __int128)v, v < 0, scale, out);
}

static __int128 hugeint(const duckdb_hugeint *h)
{
	return (__int128)((unsigned __int128)(uint64_t)h->upper << 64 | h->lower);
}

static void put_decimal(const void *data, duckdb_logical_type type, uint64_t row, struct wbuf *out)
{
	unsigned scale = duck_api.decimal_scale(type);

	switch (duck_api.decimal_internal_type(type)) {
	case DUCKDB_TYPE_SMALLINT: put_i128(((const int16_t *)data)[row], scale, out); break;
	case DUCKDB_TYPE_INTEGER: put_i128(((const int32_t *)data)[row], scale, out); break;
	case DUCKDB_TYPE_BIGINT: put_i128(((const int64_t *)data)[row], scale, out); break;
	default: put_i128(hugeint((const duckdb_hugeint *)data + row), scale, out); break;
	}
}

/* digits: 6 and 9 for float, 15 and 17 for double: below the first all decimal texts survive, with the second all
 * binary values do. */
static void put_float(double v, bool single, struct wbuf *out)
{
	char buf[40];

	if (isnan(v) || isinf(v)) {
		wbuf_putz(out, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
		return;
	}
	for (int digits = single ? 6 : 15; digits <= (single ? 9 : 17); digits++) {
		snprintf(buf, sizeof buf, "%.*g", digits, v);
		if (single ? strtof(buf, NULL) == (float)v : strtod(buf, NULL) == v)
			break;
	}
	wbuf_putz(out, buf);
	if (!strpbrk(buf, ".e"))
		wbuf_putz(out, ".0");
}

/* --- times --- */

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static void put_date(int64_t days, struct wbuf *out)
{
	int64_t year;
	unsigned month, day;

	if (days == INT32_MAX || days == -INT32_MAX) {
		wbuf_putz(out, days > 0 ? "infinity" : "-infinity");
		return;
	}
	civil_from_days(days, &year, &month, &day);
	if (year > 0)
		wbuf_putf(out, "%04lld-%02u-%02u", (long long)year, month, day);
	else
		wbuf_putf(out, "%04lld-%02u-%02u (BC)", (long long)(1 - year), month, day);
}

/* unit: parts a second (1, 1000, 1000000, 1000000000); trailing zeros of the fraction are left out. */
static void put_time(int64_t t, int64_t unit, struct wbuf *out)
{
	int64_t s = t / unit, fraction = t % unit;

	wbuf_putf(out, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
	if (fraction == 0)
		return;
	char buf[16];
	int digits = unit == 1000 ? 3 : unit == 1000000 ? 6 : 9;
	snprintf(buf, sizeof buf, "%0*lld", digits, (long long)fraction);
	while (buf[digits - 1] == '0')
		buf[--digits] = 0;
	wbuf_putf(out, ".%s", buf);
}

static void put_timestamp(int64_t t, int64_t unit, bool zone, struct wbuf *out)
{
	if (t == INT64_MAX || t == -INT64_MAX) {
		wbuf_putz(out, t > 0 ? "infinity" : "-infinity");
		return;
	}
	int64_t day = floor_div(t, 86400 * unit);
	put_date(day, out);
	wbuf_put_u8(out, ' ');
	put_time(t - day * 86400 * unit, unit, out);
	if (zone)
		wbuf_putz(out, "+00");
}

/* Time with zone: microseconds in the upper 40 bits, and (15:59:59 minus the offset in seconds) in the lower 24. */
static void put_time_tz(uint64_t bits, struct wbuf *out)
{
	int offset = 57599 - (int)(bits & 0xFFFFFF), s = offset < 0 ? -offset : offset;

	put_time((int64_t)(bits >> 24), 1000000, out);
	wbuf_putf(out, "%c%02d", offset < 0 ? '-' : '+', s / 3600);
	if (s % 3600)
		wbuf_putf(out, ":%02d", s / 60 % 60);
}

static void put_interval(const duckdb_interval *v, struct wbuf *out)
{
	int years = v->months / 12, months = v->months % 12;
	const char *gap = "";

	if (years) {
		wbuf_putf(out, "%d year%s", years, years == 1 || years == -1 ? "" : "s");
		gap = " ";
	}
	if (months) {
		wbuf_putf(out, "%s%d month%s", gap, months, months == 1 || months == -1 ? "" : "s");
		gap = " ";
	}
	if (v->days) {
		wbuf_putf(out, "%s%d day%s", gap, v->days, v->days == 1 || v->days == -1 ? "" : "s");
		gap = " ";
	}
	if (v->micros || !*gap) {
		wbuf_putf(out, "%s%s", gap, v->micros < 0 ? "-" : "");
		int64_t us = v->micros < 0 ? -v->micros : v->micros;
		put_time(us, 1000000, out);
	}
}

/* --- bytes --- */

static struct str string_at(const void *data, uint64_t row)
{
	const duckdb_string_t *s = (const duckdb_string_t *)data + row;
	uint32_t n = s->value.inlined.length;

	return n <= sizeof s->value.inlined.inlined ? str_view(s->value.inlined.inlined, n)
	                                            : str_view(s->value.pointer.ptr, n);
}

static void put_hex(struct str s, struct wbuf *out)
{
	static const char hex[] = "0123456789abcdef";

	wbuf_putz(out, "\\x");
	uint8_t *room = wbuf_reserve(out, 2 * s.n);
	if (!room)
		return;
	for (size_t i = 0; i < s.n; i++) {
		room[2 * i] = (uint8_t)hex[(uint8_t)s.p[i] >> 4];
		room[2 * i + 1] = (uint8_t)hex[(uint8_t)s.p[i] & 15];
	}
	out->n += 2 * s.n;
}

static void put_uuid(const duckdb_hugeint *h, struct wbuf *out)
{
	uint64_t hi = (uint64_t)h->upper ^ (uint64_t)1 << 63, lo = h->lower;

	wbuf_putf(out, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(hi >> 32), (unsigned)(hi >> 16 & 0xFFFF),
	          (unsigned)(hi & 0xFFFF), (unsigned)(lo >> 48), (unsigned long long)(lo & 0xFFFFFFFFFFFF));
}

static void put_enum(const void *data, duckdb_logical_type type, uint64_t row, struct wbuf *out)
{
	duckdb_type physical = duck_api.enum_internal_type(type);
	uint64_t index = physical == DUCKDB_TYPE_UTINYINT    ? ((const uint8_t *)data)[row]
	                 : physical == DUCKDB_TYPE_USMALLINT ? ((const uint16_t *)data)[row]
	                                                     : ((const uint32_t *)data)[row];
	char *word = duck_api.enum_dictionary_value(type, index);

	wbuf_putz(out, word ? word : "");
	duck_api.free(word);
}

/* --- nested: JSON --- */

static int put_json(duckdb_vector vector, duckdb_logical_type type, uint64_t row, struct wbuf *out, struct err *err);

static int json_elements(duckdb_vector child, duckdb_logical_type elem, uint64_t first, uint64_t n, struct wbuf *out,
                         struct err *err)
{
	int rc = ERR_OK;

	wbuf_put_u8(out, '[');
	for (uint64_t i = 0; i < n && !rc; i++) {
		wbuf_putz(out, i ? "," : "");
		rc = put_json(child, elem, first + i, out, err);
	}
	wbuf_put_u8(out, ']');
	return rc;
}

static int json_list(duckdb_vector vector, duckdb_logical_type type, uint64_t row, struct wbuf *out, struct err *err)
{
	bool array = duck_api.get_type_id(type) == DUCKDB_TYPE_ARRAY;
	duckdb_logical_type elem = array ? duck_api.array_type_child_type(type) : duck_api.list_type_child_type(type);
	int rc;

	if (array) {
		uint64_t n = duck_api.array_type_array_size(type);
		rc = json_elements(duck_api.array_vector_get_child(vector), elem, row * n, n, out, err);
	} else {
		const duckdb_list_entry *entry = (const duckdb_list_entry *)duck_api.vector_get_data(vector) + row;
		rc = json_elements(duck_api.list_vector_get_child(vector), elem, entry->offset, entry->length, out,
		                   err);
	}
	duck_api.destroy_logical_type(&elem);
	return rc;
}

static int json_struct(duckdb_vector vector, duckdb_logical_type type, uint64_t row, struct wbuf *out, struct err *err)
{
	uint64_t n = duck_api.struct_type_child_count(type);
	int rc = ERR_OK;

	wbuf_put_u8(out, '{');
	for (uint64_t i = 0; i < n && !rc; i++) {
		char *name = duck_api.struct_type_child_name(type, i);
		duckdb_logical_type child = duck_api.struct_type_child_type(type, i);
		wbuf_putz(out, i ? "," : "");
		wbuf_put_json_str(out, str_of(name));
		wbuf_put_u8(out, ':');
		rc = put_json(duck_api.struct_vector_get_child(vector, i), child, row, out, err);
		duck_api.destroy_logical_type(&child);
		duck_api.free(name);
	}
	wbuf_put_u8(out, '}');
	return rc;
}

/* A map is a list of structs (key, value); keys become JSON strings. */
static int json_map(duckdb_vector vector, duckdb_logical_type type, uint64_t row, struct wbuf *out, struct err *err)
{
	const duckdb_list_entry *entry = (const duckdb_list_entry *)duck_api.vector_get_data(vector) + row;
	duckdb_vector pairs = duck_api.list_vector_get_child(vector);
	duckdb_vector keys = duck_api.struct_vector_get_child(pairs, 0),
		      values = duck_api.struct_vector_get_child(pairs, 1);
	duckdb_logical_type key_type = duck_api.map_type_key_type(type),
			    value_type = duck_api.map_type_value_type(type);
	struct wbuf key;
	int rc = ERR_OK;

	wbuf_init(&key, 0);
	wbuf_put_u8(out, '{');
	for (uint64_t i = 0; i < entry->length && !rc; i++) {
		wbuf_reset(&key);
		rc = sql_text_value(keys, key_type, entry->offset + i, &key, err);
		wbuf_putz(out, i ? "," : "");
		wbuf_put_json_str(out, wbuf_str(&key));
		wbuf_put_u8(out, ':');
		if (!rc)
			rc = put_json(values, value_type, entry->offset + i, out, err);
	}
	wbuf_put_u8(out, '}');
	wbuf_free(&key);
	duck_api.destroy_logical_type(&key_type);
	duck_api.destroy_logical_type(&value_type);
	return rc;
}

/* A union is a struct whose first child is the tag. */
static int json_union(duckdb_vector vector, duckdb_logical_type type, uint64_t row, struct wbuf *out, struct err *err)
{
	uint64_t tag = ((const uint8_t *)duck_api.vector_get_data(duck_api.struct_vector_get_child(vector, 0)))[row];
	duckdb_logical_type member = duck_api.union_type_member_type(type, tag);
	int rc = put_json(duck_api.struct_vector_get_child(vector, tag + 1), member, row, out, err);

	duck_api.destroy_logical_type(&member);
	return rc;
}

static int put_json(duckdb_vector vector, duckdb_logical_type type, uint64_t row, struct wbuf *out, struct err *err)
{
	struct wbuf text;

	if (!sql_text_valid(vector, row)) {
		wbuf_putz(out, "null");
		return ERR_OK;
	}
	enum sql_kind kind = sql_text_kind(type);
	duckdb_type id = duck_api.get_type_id(type);
	bool is_float = id == DUCKDB_TYPE_FLOAT || id == DUCKDB_TYPE_DOUBLE;
	if (kind == SQL_KIND_JSON || kind == SQL_KIND_BOOL || (kind == SQL_KIND_NUMBER && !is_float))
		return sql_text_value(vector, type, row, out, err);
	wbuf_init(&text, 0);
	int rc = sql_text_value(vector, type, row, &text, err);
	/* JSON has no nan and inf: those are strings */
	if (is_float && text.n && text.p[text.n - 1] != 'n' && text.p[text.n - 1] != 'f')
		wbuf_put_str(out, wbuf_str(&text));
	else
		wbuf_put_json_str(out, wbuf_str(&text));
	wbuf_free(&text);
	return rc;
}

int sql_text_value(duckdb_vector vector, duckdb_logical_type type, uint64_t row, struct wbuf *out, struct err *err)
{
	const void *data = duck_api.vector_get_data(vector);
	duckdb_type id = duck_api.get_type_id(type);

#define AT(ctype) (((const ctype *)data)[row])
	switch (id) {
	case DUCKDB_TYPE_BOOLEAN: wbuf_putz(out, AT(uint8_t) ? "true" : "false"); break;
	case DUCKDB_TYPE_TINYINT: put_i128(AT(int8_t), 0, out); break;
	case DUCKDB_TYPE_SMALLINT: put_i128(AT(int16_t), 0, out); break;
	case DUCKDB_TYPE_INTEGER: wbuf_putf(out, "%d", AT(int32_t)); break;
	case DUCKDB_TYPE_BIGINT: wbuf_putf(out, "%lld", (long long)AT(int64_t)); break;
	case DUCKDB_TYPE_UTINYINT: put_i128(AT(uint8_t), 0, out); break;
	case DUCKDB_TYPE_USMALLINT: put_i128(AT(uint16_t), 0, out); break;
	case DUCKDB_TYPE_UINTEGER: put_i128(AT(uint32_t), 0, out); break;
	case DUCKDB_TYPE_UBIGINT: put_i128(AT(uint64_t), 0, out); break;
	case DUCKDB_TYPE_HUGEINT: put_i128(hugeint(&AT(duckdb_hugeint)), 0, out); break;
	case DUCKDB_TYPE_UHUGEINT: put_u128((unsigned __int128)hugeint(&AT(duckdb_hugeint)), false, 0, out); break;
	case DUCKDB_TYPE_DECIMAL: put_decimal(data, type, row, out); break;
	case DUCKDB_TYPE_FLOAT: put_float((double)AT(float), true, out); break;
	case DUCKDB_TYPE_DOUBLE: put_float(AT(double), false, out); break;
	case DUCKDB_TYPE_DATE: put_date(AT(int32_t), out); break;
	case DUCKDB_TYPE_TIME: put_time(AT(int64_t), 1000000, out); break;
	case DUCKDB_TYPE_TIME_NS: put_time(AT(int64_t), 1000000000, out); break;
	case DUCKDB_TYPE_TIME_TZ: put_time_tz(AT(uint64_t), out); break;
	case DUCKDB_TYPE_TIMESTAMP: put_timestamp(AT(int64_t), 1000000, false, out); break;
	case DUCKDB_TYPE_TIMESTAMP_TZ: put_timestamp(AT(int64_t), 1000000, true, out); break;
	case DUCKDB_TYPE_TIMESTAMP_S: put_timestamp(AT(int64_t), 1, false, out); break;
	case DUCKDB_TYPE_TIMESTAMP_MS: put_timestamp(AT(int64_t), 1000, false, out); break;
	case DUCKDB_TYPE_TIMESTAMP_NS: put_timestamp(AT(int64_t), 1000000000, false, out); break;
	case DUCKDB_TYPE_INTERVAL: put_interval(&AT(duckdb_interval), out); break;
	case DUCKDB_TYPE_VARCHAR: wbuf_put_str(out, string_at(data, row)); break;
	case DUCKDB_TYPE_BLOB: put_hex(string_at(data, row), out); break;
	case DUCKDB_TYPE_UUID: put_uuid(&AT(duckdb_hugeint), out); break;
	case DUCKDB_TYPE_ENUM: put_enum(data, type, row, out); break;
	case DUCKDB_TYPE_LIST:
	case DUCKDB_TYPE_ARRAY: return json_list(vector, type, row, out, err);
	case DUCKDB_TYPE_STRUCT: return json_struct(vector, type, row, out, err);
	case DUCKDB_TYPE_MAP: return json_map(vector, type, row, out, err);
	case DUCKDB_TYPE_UNION: return json_union(vector, type, row, out, err);
	default: {
		const char *name = (size_t)id < sizeof type_names / sizeof *type_names ? type_names[id] : NULL;
		return err_set(err, ERR_UNSUPPORTED, "a result column of type %s cannot be shown; cast it to VARCHAR",
		               name ? name : "that DuckDB does not name");
	}
	}
#undef AT
	return ERR_OK;
}
