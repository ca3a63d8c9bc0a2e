/* src/pg/pg_types.c — the mapping of PostgreSQL's types to the lake's, and the binding of put functions.
 * docs/types.md tells the same to users. */
#include "pg/pg_types.h"

#include "pg/pg_types_int.h"

#define NUMERIC_OID 1700
#define NUMERIC_PRECISION_MAX 38 /* Iceberg's and Parquet's */

struct exact_type {
	uint32_t oid, array_oid;
	uint8_t kind;
	datum_put_fn put, put_list;
};

/* One put function per element type, so that no look-up is left for the row. */
#define PUT_LIST(name, oid)                                                                                            \
	static int put_list_##name(PG_PUT_ARGS)                                                                        \
	{                                                                                                              \
		return pg_put_array(col, datum, batch, out, row, err, pg_put_##name, oid);                             \
	}
#define PUT_LIST_STRING(name, oid)                                                                                     \
	static int put_list_##name(PG_PUT_ARGS)                                                                        \
	{                                                                                                              \
		return pg_put_array(col, datum, batch, out, row, err, pg_put_string, oid);                             \
	}
PUT_LIST(bool, 16)
PUT_LIST(bytea, 17)
PUT_LIST(char1, 18)
PUT_LIST_STRING(name, 19)
PUT_LIST(int8, 20)
PUT_LIST(int2, 21)
PUT_LIST(int4, 23)
PUT_LIST_STRING(text, 25)
PUT_LIST_STRING(json, 114)
PUT_LIST_STRING(xml, 142)
PUT_LIST(float4, 700)
PUT_LIST(float8, 701)
PUT_LIST_STRING(bpchar, 1042)
PUT_LIST_STRING(varchar, 1043)
PUT_LIST(date, 1082)
PUT_LIST(time, 1083)
PUT_LIST(timestamp, 1114)
PUT_LIST(timestamptz, 1184)
PUT_LIST(decimal64, NUMERIC_OID)
PUT_LIST(decimal128, NUMERIC_OID)
PUT_LIST(numeric_text, NUMERIC_OID)
PUT_LIST(uuid, 2950)
PUT_LIST(jsonb, 3802)
PUT_LIST(label, 0)

/* Oids and array oids as in PostgreSQL's catalog (pg_type.dat); they never change. */
static const struct exact_type exact_types[] = {
	{ 16, 1000, TYPE_BOOL, pg_put_bool, put_list_bool },
	{ 17, 1001, TYPE_BINARY, pg_put_bytea, put_list_bytea },
	{ 18, 1002, TYPE_STRING, pg_put_char1, put_list_char1 },
	{ 19, 1003, TYPE_STRING, pg_put_string, put_list_name },
	{ 20, 1016, TYPE_INT64, pg_put_int8, put_list_int8 },
	{ 21, 1005, TYPE_INT32, pg_put_int2, put_list_int2 },
	{ 23, 1007, TYPE_INT32, pg_put_int4, put_list_int4 },
	{ 25, 1009, TYPE_STRING, pg_put_string, put_list_text },
	{ 114, 199, TYPE_STRING, pg_put_string, put_list_json },
	{ 142, 143, TYPE_STRING, pg_put_string, put_list_xml },
	{ 700, 1021, TYPE_FLOAT32, pg_put_float4, put_list_float4 },
	{ 701, 1022, TYPE_FLOAT64, pg_put_float8, put_list_float8 },
	{ 1042, 1014, TYPE_STRING, pg_put_string, put_list_bpchar },
	{ 1043, 1015, TYPE_STRING, pg_put_string, put_list_varchar },
	{ 1082, 1182, TYPE_DATE, pg_put_date, put_list_date },
	{ 1083, 1183, TYPE_TIME, pg_put_time, put_list_time },
	{ 1114, 1115, TYPE_TIMESTAMP, pg_put_timestamp, put_list_timestamp },
	{ 1184, 1185, TYPE_TIMESTAMPTZ, pg_put_timestamptz, put_list_timestamptz },
	{ NUMERIC_OID, 1231, TYPE_DECIMAL, NULL, NULL }, /* by precision, see numeric_put */
	{ 2950, 2951, TYPE_UUID, pg_put_uuid, put_list_uuid },
	{ 3802, 3807, TYPE_STRING, pg_put_jsonb, put_list_jsonb },
};

static const struct exact_type *find_scalar(uint32_t oid)
{
	for (size_t i = 0; i < sizeof exact_types / sizeof *exact_types; i++)
		if (exact_types[i].oid == oid)
			return &exact_types[i];
	return NULL;
}

static const struct exact_type *find_array(uint32_t oid)
{
	for (size_t i = 0; i < sizeof exact_types / sizeof *exact_types; i++)
		if (exact_types[i].array_oid == oid)
			return &exact_types[i];
	return NULL;
}

/* typmod of numeric: -1, or ((precision << 16) | scale) + 4; since PostgreSQL 15 the scale is a signed 11-bit number. */
static struct type numeric_type(int32_t typmod)
{
	struct type string = { .kind = TYPE_STRING };
	int32_t precision, scale;

	if (typmod < 4)
		return string;
	precision = (typmod - 4) >> 16 & 0xffff;
	scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
	if (precision < 1 || precision > NUMERIC_PRECISION_MAX || scale < 0 || scale > precision)
		return string;
	return (struct type){ .kind = TYPE_DECIMAL, .precision = (uint8_t)precision, .scale = (uint8_t)scale };
}

static struct type scalar_type(const struct exact_type *exact, int32_t typmod)
{
	return exact->oid == NUMERIC_OID ? numeric_type(typmod) : (struct type){ .kind = exact->kind };
}

static struct type list_of(struct type elem)
{
	return (struct type){ .kind = TYPE_LIST, .precision = elem.precision, .scale = elem.scale, .elem = elem.kind };
}

static bool is_enum_array(const struct pg_type_info *info)
{
	return info->oid >= PG_FIRST_USER_OID && info->elem_oid != 0 && info->elem_typtype == 'e';
}

struct type pg_type_map(const struct pg_type_info *info)
{
	const struct exact_type *exact;

	if ((exact = find_scalar(info->oid)))
		return scalar_type(exact, info->typmod);
	if ((exact = find_array(info->oid)))
		return list_of(scalar_type(exact, info->typmod));
	if (is_enum_array(info))
		return list_of((struct type){ .kind = TYPE_STRING });
	return (struct type){ .kind = TYPE_STRING };
}

bool pg_type_binary_ok(const struct pg_type_info *info)
{
	return find_scalar(info->oid) || find_array(info->oid) ||
	       (info->oid >= PG_FIRST_USER_OID && info->typtype == 'e') || is_enum_array(info);
}

static datum_put_fn numeric_put(struct type type)
{
	if (type.kind == TYPE_STRING)
		return pg_put_numeric_text;
	if (type.kind != TYPE_DECIMAL || type.precision < 1 || type.precision > NUMERIC_PRECISION_MAX ||
	    type.scale > type.precision)
		return NULL;
	return type.precision <= 18 ? pg_put_decimal64 : pg_put_decimal128;
}

static datum_put_fn numeric_put_list(struct type elem)
{
	datum_put_fn put = numeric_put(elem);

	if (put == pg_put_numeric_text)
		return put_list_numeric_text;
	if (put == pg_put_decimal64)
		return put_list_decimal64;
	return put ? put_list_decimal128 : NULL;
}

static datum_put_fn choose_put(const struct rel_column *col)
{
	const struct exact_type *exact;

	if ((exact = find_scalar(col->source_type))) {
		if (exact->oid == NUMERIC_OID)
			return numeric_put(col->type);
		return col->type.kind == exact->kind ? exact->put : NULL;
	}
	if ((exact = find_array(col->source_type))) {
		if (col->type.kind != TYPE_LIST)
			return NULL;
		if (exact->oid == NUMERIC_OID)
			return numeric_put_list(type_elem(col->type));
		return col->type.elem == exact->kind ? exact->put_list : NULL;
	}
	if (col->type.kind == TYPE_STRING)
		return col->source_type >= PG_FIRST_USER_OID ? pg_put_label : pg_put_text_only;
	if (col->type.kind == TYPE_LIST && col->type.elem == TYPE_STRING && col->source_type >= PG_FIRST_USER_OID)
		return put_list_label;
	return NULL;
}

int pg_types_bind(struct relation *rel, struct err *err)
{
	for (uint16_t i = 0; i < rel->n_columns; i++) {
		struct rel_column *col = &rel->columns[i];
		char text[TYPE_TEXT_MAX];

		col->put = choose_put(col);
		/* a table that is not captured may have columns without a type: nobody will put them */
		if (!col->put && !(col->type.kind == TYPE_NONE && rel->unsupported))
			return err_set(
				err, ERR_CORRUPT,
				"table \"%s\".\"%s\", column \"%s\": PostgreSQL type %s (oid %u) is never %s in the lake; the relation record is damaged or from another version of Tarn",
				rel->schema, rel->name, col->name, col->source_type_name ? col->source_type_name : "?",
				col->source_type, type_text(col->type, text));
	}
	return 0;
}
