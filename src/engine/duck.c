/* src/engine/duck.c — one in-memory DuckDB instance for Tarn's own Parquet files. */
#include "engine/duck_int.h"

#include <stdio.h>

#include "base/mem.h"

#define DEFAULT_MEMORY_BYTES ((uint64_t)512 << 20)

/* Lends a fresh instance a connection and sets what every user of it relies on. */
static int set_up(struct duck *duck, struct err *err)
{
	duckdb_connection conn;

	if (duck_api.connect(duck->db, &conn) != DuckDBSuccess)
		return err_set(err, ERR_NOMEM, "DuckDB gave no connection");
	int rc = parquet_writer_register(duck, conn, err);
	duck_api.disconnect(&conn);
	return rc;
}

int duck_open(struct duck **out, const struct duck_opts *opts, struct err *err)
{
	char threads[16], memory[32];
	uint64_t memory_bytes = opts && opts->memory_bytes ? opts->memory_bytes : DEFAULT_MEMORY_BYTES;

	int rc = duck_load(err);
	if (rc)
		return rc;
	struct duck *duck = mem_zero(sizeof *duck);
	if (!duck)
		return err_nomem(err);
	pthread_mutex_init(&duck->lock, NULL);
	snprintf(threads, sizeof threads, "%d", opts && opts->threads > 0 ? opts->threads : 1);
	snprintf(memory, sizeof memory, "%lluB", (unsigned long long)memory_bytes);
	/* A small flush threshold makes the allocator give freed memory back after each write: between two publishes
	 * a writer should weigh nothing. Its threads do the same some seconds later for what nobody's write flushes. */
	const char *settings[] = {
		"threads",
		threads,
		"memory_limit",
		memory,
		"temp_directory",
		opts && opts->temp_dir ? opts->temp_dir : "",
		"autoinstall_known_extensions",
		"false",
		"autoload_known_extensions",
		"false",
		"allow_unsigned_extensions",
		"false",
		"preserve_insertion_order",
		"true",
		"allocator_flush_threshold",
		"1MB",
		"allocator_background_threads",
		"true",
		NULL,
	};
	rc = duck_instance_open(&duck->db, settings, err);
	if (!rc)
		rc = set_up(duck, err);
	if (rc) {
		duck_close(duck);
		return rc;
	}
	*out = duck;
	return ERR_OK;
}

void duck_close(struct duck *duck)
{
	if (!duck)
		return;
	CHECK(!duck->writers, "a Parquet writer is open while its engine closes");
	if (duck->db)
		duck_api.close(&duck->db);
	pthread_mutex_destroy(&duck->lock);
	mem_free(duck);
}

const char *duck_version(struct duck *duck)
{
	(void)duck;
	return duck_api.library_version();
}
