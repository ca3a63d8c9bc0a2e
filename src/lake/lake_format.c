/* src/lake/lake_format.c — what all table formats share. */
#include "lake/lake_format.h"

#include "base/mem.h"

void lake_fields_free(struct lake_field *fields, size_t n)
{
	if (!fields)
		return;
	for (size_t i = 0; i < n; i++) {
		mem_free(fields[i].name);
		mem_free(fields[i].doc);
	}
	mem_free(fields);
}
