/* src/lake/lake.c — the engine is loaded when the first file is written or read. */
#include "lake/lake.h"

#include <pthread.h>

static pthread_mutex_t duck_lock = PTHREAD_MUTEX_INITIALIZER;

int lake_duck(struct lake *lake, struct duck **out, struct err *err)
{
	int rc = ERR_OK;

	pthread_mutex_lock(&duck_lock);
	if (!lake->duck)
		rc = duck_open(&lake->duck, &(struct duck_opts){ .threads = 1, .memory_bytes = 1 << 30 }, err);
	*out = lake->duck;
	pthread_mutex_unlock(&duck_lock);
	return rc;
}
