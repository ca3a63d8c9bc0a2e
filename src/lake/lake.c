/* src/lake/lake.c — the engine, loaded when the first file is written or read; removing what was never published. */
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

void lake_remove(struct lake *lake, const char *uri)
{
	const char *key = store_key(lake->store, uri);

	if (key)
		(void)store_remove(lake->store, key, NULL);
}
