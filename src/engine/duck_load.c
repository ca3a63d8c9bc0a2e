/* src/engine/duck_load.c — finding libduckdb, opening it, filling the table of functions; errors and types both ways. */
#include "engine/duck_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/thread.h"
#include "base/wbuf.h"

struct duck_api duck_api;

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static bool loaded;

/* The folder of the running program, without trailing slash. */
static bool program_dir(char *out, size_t out_size)
{
	ssize_t n = readlink("/proc/self/exe", out, out_size - 1);

	if (n <= 0)
		return false;
	out[n] = 0;
	char *slash = strrchr(out, '/');
	if (!slash)
		return false;
	*slash = 0;
	return true;
}

static void *try_open(const char *path, struct wbuf *tried)
{
	/* RTLD_LOCAL: DuckDB carries its own zstd, mbedtls and more, which must not shadow ours. RTLD_NOW: a broken
	 * library fails here. */
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		wbuf_putf(tried, "%s%s", tried->n ? ", " : "", path);
	return handle;
}

/* DUCKDB_ROOT; ../lib/tarn beside the program's folder, which holds for an installation and for a build folder alike;
 * the system's. No path from the build is compiled in: the installed program must not load from a source tree. */
static void *find_library(struct wbuf *tried)
{
	char path[PATH_MAX + 64], dir[PATH_MAX];
	const char *root = getenv("DUCKDB_ROOT");
	void *handle = NULL;

	if (root && *root) {
		snprintf(path, sizeof path, "%s/libduckdb.so", root);
		handle = try_open(path, tried);
		if (!handle) {
			snprintf(path, sizeof path, "%s/lib/libduckdb.so", root);
			handle = try_open(path, tried);
		}
	}
	if (!handle && program_dir(dir, sizeof dir)) {
		snprintf(path, sizeof path, "%s/../lib/tarn/libduckdb.so", dir);
		handle = try_open(path, tried);
	}
	return handle ? handle : try_open("libduckdb.so", tried);
}

static int fill_table(void *handle, struct err *err)
{
#define DUCK_FILL(name)                                                                                                \
	*(void **)&duck_api.name = dlsym(handle, "duckdb_" #name);                                                     \
	if (!duck_api.name)                                                                                            \
		return err_set(err, ERR_NOT_FOUND,                                                                     \
		               "libduckdb has no function duckdb_" #name                                               \
		               ": it is too old or too new; install version 1.5 (tools/setup)");
	DUCK_FUNCTIONS(DUCK_FILL)
#undef DUCK_FILL
	return ERR_OK;
}

static int load_locked(struct err *err)
{
	struct wbuf tried;

	wbuf_init(&tried, 64 << 10);
	void *handle = find_library(&tried);
	int rc = ERR_OK;
	if (!handle)
		rc = err_set(err, ERR_NOT_FOUND,
		             "libduckdb.so was not found (tried %s); run tools/setup, or set DUCKDB_ROOT to its folder",
		             wbuf_cstr(&tried));
	else
		rc = fill_table(handle, err);
	wbuf_free(&tried);
	if (rc && handle)
		dlclose(handle);
	loaded = rc == ERR_OK;
	return rc;
}

int duck_load(struct err *err)
{
	int rc = ERR_OK;

	pthread_mutex_lock(&load_lock);
	if (!loaded)
		rc = load_locked(err);
	pthread_mutex_unlock(&load_lock);
	return rc;
}

/* The code for a DuckDB error: its own class of error first, then the system error that its text carries. */
static int error_code(duckdb_error_type type, const char *text)
{
	if (type == DUCKDB_ERROR_OUT_OF_MEMORY)
		return ERR_LIMIT; /* memory_limit or max_temp_directory_size: declared by us */
	if (type == DUCKDB_ERROR_INTERRUPT)
		return ERR_CANCELLED;
	if (strstr(text, "No space left on device") || strstr(text, "Disk quota exceeded"))
		return ERR_DISK_FULL;
	if (type == DUCKDB_ERROR_IO)
		return strstr(text, "No files found") || strstr(text, "No such file") ? ERR_NOT_FOUND : ERR_IO;
	if (type == DUCKDB_ERROR_INTERNAL || type == DUCKDB_ERROR_FATAL)
		return ERR_BUG;
	return ERR_QUERY;
}

int duck_error(struct err *err, duckdb_error_type type, const char *text, const char *what)
{
	if (!text || !*text)
		text = "DuckDB gave no reason";
	if (what)
		return err_set(err, error_code(type, text), "%s: %s", what, text);
	return err_set(err, error_code(type, text), "%s", text);
}

int duck_exec(duckdb_connection conn, const char *sql, const char *what, struct err *err)
{
	duckdb_result result;
	int rc = ERR_OK;

	if (duck_api.query(conn, sql, &result) != DuckDBSuccess)
		rc = duck_error(err, duck_api.result_error_type(&result), duck_api.result_error(&result), what);
	duck_api.destroy_result(&result);
	return rc;
}

int duck_instance_open(duckdb_database *out, const char *const *settings, struct err *err)
{
	duckdb_config config;
	char *text = NULL;
	int rc = ERR_OK;

	if (duck_api.create_config(&config) != DuckDBSuccess)
		return err_nomem(err);
	for (size_t i = 0; settings[i] && !rc; i += 2) {
		if (duck_api.set_config(config, settings[i], settings[i + 1]) != DuckDBSuccess)
			rc = err_set(err, ERR_UNSUPPORTED, "DuckDB %s does not take the setting %s=%s",
			             duck_api.library_version(), settings[i], settings[i + 1]);
	}
	if (!rc && duck_api.open_ext(NULL, out, config, &text) != DuckDBSuccess)
		rc = err_set(err, ERR_IO, "DuckDB did not start: %s", text ? text : "no reason given");
	if (text)
		duck_api.free(text);
	duck_api.destroy_config(&config);
	return rc;
}

static const char *scalar_name(struct type type)
{
	switch (type.kind) {
	case TYPE_BOOL: return "BOOLEAN";
	case TYPE_INT32: return "INTEGER";
	case TYPE_INT64: return "BIGINT";
	case TYPE_FLOAT32: return "FLOAT";
	case TYPE_FLOAT64: return "DOUBLE";
	case TYPE_STRING: return "VARCHAR";
	case TYPE_BINARY: return "BLOB";
	case TYPE_UUID: return "UUID";
	case TYPE_DATE: return "DATE";
	case TYPE_TIME: return "TIME";
	case TYPE_TIMESTAMP: return "TIMESTAMP";
	case TYPE_TIMESTAMPTZ: return "TIMESTAMPTZ";
	default: return NULL;
	}
}

const char *duck_type_text(struct type type, char buf[DUCK_TYPE_TEXT_MAX])
{
	struct type elem =
		type.kind == TYPE_LIST ? (struct type){ type.elem, type.precision, type.scale, TYPE_NONE } : type;
	const char *brackets = type.kind == TYPE_LIST ? "[]" : "";

	if (elem.kind == TYPE_DECIMAL) {
		snprintf(buf, DUCK_TYPE_TEXT_MAX, "DECIMAL(%u,%u)%s", (unsigned)elem.precision, (unsigned)elem.scale,
		         brackets);
		return buf;
	}
	const char *name = scalar_name(elem);
	if (!name)
		return NULL;
	snprintf(buf, DUCK_TYPE_TEXT_MAX, "%s%s", name, brackets);
	return buf;
}
