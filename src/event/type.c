/* src/event/type.c — type arithmetic: equality, widths, names. */
#include "event/type.h"

#include <stdio.h>

bool type_eq(struct type a, struct type b)
{
	if (a.kind != b.kind)
		return false;
	if (a.kind == TYPE_LIST)
		return type_eq(type_elem(a), type_elem(b));
	return a.kind != TYPE_DECIMAL || (a.precision == b.precision && a.scale == b.scale);
}

struct type type_elem(struct type list)
{
	return (struct type){ .kind = list.elem, .precision = list.precision, .scale = list.scale };
}

size_t type_width(struct type type)
{
	switch ((enum type_kind)type.kind) {
	case TYPE_NONE: return 0;
	case TYPE_BOOL: return 1;
	case TYPE_INT32:
	case TYPE_FLOAT32:
	case TYPE_DATE: return 4;
	case TYPE_INT64:
	case TYPE_FLOAT64:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ:
	case TYPE_LIST: return 8;
	case TYPE_DECIMAL: return type.precision <= 18 ? 8 : 16;
	case TYPE_STRING:
	case TYPE_BINARY:
	case TYPE_UUID: return 16;
	}
	return 0;
}

const char *type_text(struct type type, char buf[TYPE_TEXT_MAX])
{
	static const char *const names[] = {
		[TYPE_NONE] = "none",
		[TYPE_BOOL] = "boolean",
		[TYPE_INT32] = "int",
		[TYPE_INT64] = "long",
		[TYPE_FLOAT32] = "float",
		[TYPE_FLOAT64] = "double",
		[TYPE_STRING] = "string",
		[TYPE_BINARY] = "binary",
		[TYPE_UUID] = "uuid",
		[TYPE_DATE] = "date",
		[TYPE_TIME] = "time",
		[TYPE_TIMESTAMP] = "timestamp",
		[TYPE_TIMESTAMPTZ] = "timestamptz",
	};
	char inner[TYPE_TEXT_MAX];

	if (type.kind == TYPE_DECIMAL)
		snprintf(buf, TYPE_TEXT_MAX, "decimal(%u, %u)", type.precision, type.scale);
	else if (type.kind == TYPE_LIST)
		snprintf(buf, TYPE_TEXT_MAX, "list<%.24s>", type_text(type_elem(type), inner));
	else
		snprintf(buf, TYPE_TEXT_MAX, "%s", names[type.kind]);
	return buf;
}
