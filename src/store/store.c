/* src/store/store.c — keys, URIs, opening by scheme, and the probe that a store keeps its word. */
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "store/store_int.h"

bool store_key_ok(struct str key)
{
	if (key.n == 0 || key.n > 900 || key.p[key.n - 1] == '/')
		return false;
	while (key.n > 0) {
		struct str part = str_cut(&key, '/');

		if (part.n == 0 || part.n > 255 || str_eqz(part, ".") || str_eqz(part, ".."))
			return false;
		for (size_t i = 0; i < part.n; i++) {
			unsigned char c = (unsigned char)part.p[i];

			if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			      strchr("._=-", c)))
				return false;
		}
	}
	return true;
}

void store_encode_part(struct str name, char *out, size_t out_size)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t at = 0;

	for (size_t i = 0; i < name.n && at + 4 < out_size; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-') {
			out[at++] = (char)c;
		} else {
			out[at++] = '=';
			out[at++] = hex[c >> 4];
			out[at++] = hex[c & 15];
		}
	}
	out[at] = '\0';
}

int store_uri(const struct store *store, const char *key, char *out, size_t out_size)
{
	int n = snprintf(out, out_size, "%s/%s", store->root_uri, key);

	return n > 0 && (size_t)n < out_size ? ERR_OK : ERR_LIMIT;
}

/* "file:///w", "file:/w" and "/w" name the same place. */
static const char *file_path(const char *uri)
{
	if (strncmp(uri, "file:", 5) != 0)
		return uri;
	uri += 5;
	return strncmp(uri, "//", 2) == 0 ? uri + 2 : uri;
}

const char *store_key(const struct store *store, const char *uri)
{
	const char *root = store->root_uri;
	size_t n;

	if (strcmp(store->ops->scheme, "file") == 0) {
		uri = file_path(uri);
		root = file_path(root);
	}
	n = strlen(root);
	if (strncmp(uri, root, n) != 0 || uri[n] != '/')
		return NULL;
	return store_key_ok(str_of(uri + n + 1)) ? uri + n + 1 : NULL;
}

/* A store that answers "done" to a create-only put of an existing key would let two writers both win. */
static int probe(struct store *store, struct err *err)
{
	char uuid[37], key[64];
	struct err second = { 0 };
	int rc;

	env_uuid_text(uuid);
	snprintf(key, sizeof key, ".tarn-probe-%s", uuid);
	rc = store_put(store, key, STR_LIT("probe"), STORE_CREATE_ONLY, err);
	if (rc)
		return err_prefix(err, "warehouse %s cannot be written; give the user that runs tarn write access",
		                  store->root_uri);
	rc = store_put(store, key, STR_LIT("again"), STORE_CREATE_ONLY, &second);
	if (rc != ERR_EXISTS)
		rc = err_set(
			err, ERR_IDENTITY,
			"warehouse %s does not refuse a create-only write of an existing file (%s); it cannot hold tables safely",
			store->root_uri, rc ? second.text : "it was accepted");
	else
		rc = ERR_OK;
	return store_remove(store, key, rc ? NULL : err) && rc == ERR_OK ? err->code : rc;
}

int store_open(const char *uri, struct store **out, struct err *err)
{
	struct store *store;
	int rc;

	if (strstr(uri, "://") && strncmp(uri, "file://", 7) != 0)
		return err_set(err, ERR_USAGE, "warehouse '%s': only file: locations are supported", uri);
	rc = store_open_fs(file_path(uri), &store, err);
	if (rc)
		return rc;
	rc = probe(store, err);
	if (rc) {
		store_close(store);
		return rc;
	}
	*out = store;
	return ERR_OK;
}

void store_close(struct store *store)
{
	if (store)
		store->ops->close(store);
}
