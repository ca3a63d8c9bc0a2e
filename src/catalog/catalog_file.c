/* src/catalog/catalog_file.c — metadata files: read (gzip too), written under a new name each time, kept parsed.
 *
 * A metadata file never changes once it has its name, so the cache is keyed by location and needs no invalidation; a
 * commit puts the new version in and takes the old one out, which keeps one version a table. */
#include "catalog/catalog_sqlite_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <zlib.h>

#include "base/env.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/wbuf.h"
#include "catalog/catalog_json.h"
#include "iceberg/metadata.h"

#define FILE_BYTES_MAX ((size_t)512 << 20)
#define CACHE_TABLES_MAX 512

static void decref(void *json) { json_decref(json); }

static json_t *cache_get(struct sqlite_catalog *c, const char *location)
{
	json_t *found;

	monitor_lock(&c->cache_lock);
	found = map_get(c->cache, str_of(location));
	json_incref(found);
	monitor_unlock(&c->cache_lock);
	return found;
}

void catalog_cache_put(struct sqlite_catalog *c, const char *location, json_t *metadata, const char *replaces)
{
	void *old = NULL;

	monitor_lock(&c->cache_lock);
	if (replaces)
		json_decref(map_remove(c->cache, str_of(replaces)));
	if (map_count(c->cache) >= CACHE_TABLES_MAX) {
		struct map *fresh = map_new();
		if (fresh) {
			map_free(c->cache, decref);
			c->cache = fresh;
		}
	}
	/* Without memory for it the file is read again next time. */
	if (map_count(c->cache) < CACHE_TABLES_MAX) {
		if (map_put(c->cache, str_of(location), json_incref(metadata), &old))
			json_decref(metadata);
		json_decref(old);
	}
	monitor_unlock(&c->cache_lock);
}

static int gunzip(struct str in, const char *location, struct wbuf *out, struct err *err)
{
	z_stream z = { .next_in = (Bytef *)in.p, .avail_in = (uInt)in.n };
	int rc = inflateInit2(&z, 15 + 16);

	if (rc != Z_OK)
		return err_nomem(err);
	do {
		uint8_t *room = wbuf_reserve(out, 65536);
		if (!room)
			break;
		z.next_out = room;
		z.avail_out = 65536;
		rc = inflate(&z, Z_NO_FLUSH);
		out->n += 65536 - z.avail_out;
	} while (rc == Z_OK && (z.avail_in > 0 || z.avail_out == 0));
	inflateEnd(&z);
	if (wbuf_failed(out))
		return wbuf_check(out, err, location);
	return rc == Z_STREAM_END ? 0 : err_set(err, ERR_CORRUPT, "%s: is not a whole gzip file", location);
}

static int parse(struct str text, const char *location, json_t **out, struct err *err)
{
	struct wbuf plain;
	int rc = 0;

	wbuf_init(&plain, FILE_BYTES_MAX);
	if (text.n > 2 && (unsigned char)text.p[0] == 0x1f && (unsigned char)text.p[1] == 0x8b) {
		rc = gunzip(text, location, &plain, err);
		text = wbuf_str(&plain);
	}
	if (!rc) {
		*out = json_parse(text, location, err);
		rc = *out ? 0 : err->code;
	}
	wbuf_free(&plain);
	if (!rc && (ice_metadata_check(*out, err) || ice_metadata_complete(*out, err))) {
		json_decref(*out);
		*out = NULL;
		rc = err_prefix(err, "%s", location);
	}
	return rc;
}

int catalog_file_read(struct sqlite_catalog *c, const char *location, json_t **out, struct err *err)
{
	const char *key = store_key(c->store, location);
	char *text = NULL;
	struct err local;
	size_t n = 0;
	int rc;

	err = err ? err : &local;
	*out = cache_get(c, location);
	if (*out)
		return 0;
	if (!key)
		return err_set(err, ERR_PRIVILEGE, "metadata file \"%.512s\" is not inside the warehouse %s", location,
		               c->store->root_uri);
	rc = store_get(c->store, key, FILE_BYTES_MAX, &text, &n, err);
	if (rc)
		return rc;
	rc = parse(str_view(text, n), location, out, err);
	mem_free(text);
	if (!rc)
		catalog_cache_put(c, location, *out, NULL);
	return rc;
}

/* The number at the start of a metadata file's name ("00012-..." or "v12.metadata.json"), -1: none. */
static int64_t version_of(const char *location)
{
	const char *name = strrchr(location, '/');
	struct str s = str_of(name ? name + 1 : location), digits;
	int64_t n;

	if (str_starts(s, "v"))
		s = str_view(s.p + 1, s.n - 1);
	digits = str_view(s.p, strspn(s.p, "0123456789"));
	return digits.n && digits.n < 10 && str_to_i64(digits, &n) ? n : -1;
}

/* <location>/metadata/00001-<uuid>.metadata.json, or below write.metadata.path. */
static int new_location(struct sqlite_catalog *c, const json_t *metadata, const char *previous, char *out,
                        struct err *err)
{
	const char *own = ice_metadata_property(metadata, "write.metadata.path");
	int64_t version = previous ? version_of(previous) + 1 : 0;
	char folder[CATALOG_URI_MAX], uuid[37];
	int rc = catalog_location_check(c, own ? own : json_get_str(metadata, "location", ""),
	                                own ? "write.metadata.path" : "location", folder, sizeof folder, err);

	if (rc)
		return rc;
	env_uuid_text(uuid);
	if (snprintf(out, CATALOG_URI_MAX, "%s%s/%05" PRId64 "-%s.metadata.json", folder, own ? "" : "/metadata",
	             version, uuid) >= CATALOG_URI_MAX)
		return err_set(err, ERR_LIMIT, "metadata file: location longer than %d bytes", CATALOG_URI_MAX);
	return 0;
}

int catalog_file_write(struct sqlite_catalog *c, const json_t *metadata, const char *previous, char **out,
                       struct err *err)
{
	char location[CATALOG_URI_MAX];
	struct wbuf text;
	const char *key;
	int rc = new_location(c, metadata, previous, location, err);

	if (rc)
		return rc;
	key = store_key(c->store, location);
	if (!key)
		return err_set(err, ERR_LIMIT, "metadata file: the path %s is too long", location);
	wbuf_init(&text, FILE_BYTES_MAX);
	rc = catalog_json_put(&text, metadata, err);
	*out = rc ? NULL : mem_strdup(location);
	if (!rc && !*out)
		rc = err_nomem(err);
	if (!rc)
		rc = store_put(c->store, key, wbuf_str(&text), STORE_CREATE_ONLY, err);
	wbuf_free(&text);
	if (rc) {
		mem_free(*out);
		*out = NULL;
	}
	return rc;
}

int catalog_file_sync(struct sqlite_catalog *c, struct err *err)
{
	int rc;

	monitor_lock(&c->sync_lock);
	rc = store_sync(c->store, err);
	monitor_unlock(&c->sync_lock);
	return rc;
}

void catalog_file_remove(struct sqlite_catalog *c, const char *location)
{
	const char *key = location ? store_key(c->store, location) : NULL;
	struct err err = { 0 };

	if (key && store_remove(c->store, key, &err))
		log_warn("catalog", "metadata file %s is not needed and could not be removed: %s", location, err.text);
}

static bool same_folder(const char *a, const char *b)
{
	const char *sa = strrchr(a, '/'), *sb = strrchr(b, '/');

	return sa && sb && sa - a == sb - b && strncmp(a, b, (size_t)(sa - a)) == 0;
}

void catalog_files_expire(struct sqlite_catalog *c, const json_t *metadata, const char *current,
                          const json_t *locations)
{
	char home[CATALOG_URI_MAX], file[CATALOG_URI_MAX];
	size_t i, n;
	json_t *location;

	if (catalog_location_check(c, json_get_str(metadata, "location", ""), "location", home, sizeof home, NULL))
		return;
	n = strlen(home);
	json_array_foreach(locations, i, location)
	{
		/* The log came through clients: it may name anything. */
		if (catalog_location_check(c, json_string_value(location), "metadata-log", file, sizeof file, NULL) ||
		    !str_ends(str_of(file), ".metadata.json"))
			continue;
		if ((strncmp(file, home, n) == 0 && file[n] == '/') || same_folder(file, current))
			catalog_file_remove(c, file);
	}
}
