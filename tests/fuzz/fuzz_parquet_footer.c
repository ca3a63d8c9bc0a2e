/* tests/fuzz/fuzz_parquet_footer.c — a Parquet footer's Thrift bytes. What is accepted must keep its promises: ascending row group starts inside the file. */
#include <stdint.h>
#include <stdlib.h>

#include "lake/parquet_footer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint64_t file_bytes = (uint64_t)1 << 40;
	struct parquet_footer *f;
	struct err err;

	if (parquet_footer_parse(str_view(data, n), file_bytes, "fuzz", &f, &err))
		return 0;
	for (size_t i = 0; i < f->n_splits; i++)
		if (f->splits[i] >= file_bytes || (i && f->splits[i] <= f->splits[i - 1]))
			abort();
	parquet_footer_free(f);
	return 0;
}
