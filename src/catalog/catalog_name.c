/* src/catalog/catalog_name.c — which names namespaces and tables may have.
 *
 * Any UTF-8 but control characters: the store encodes names into paths (store_encode_part), so nothing about files
 * limits them but length. */
#include "catalog/catalog_sqlite_int.h"

#include <stdio.h>

#define NAMESPACE_BYTES_MAX 512
#define NAMESPACE_LEVELS_MAX 16
#define TABLE_BYTES_MAX 255

/* Length of the well-formed UTF-8 sequence at p, 0 when malformed (Unicode, table 3-7). */
static size_t utf8_len(const unsigned char *p)
{
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf && (p[1] & 0xc0) == 0x80)
		return 2;
	if ((p[0] & 0xf0) == 0xe0 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80 && !(p[0] == 0xe0 && p[1] < 0xa0) &&
	    !(p[0] == 0xed && p[1] > 0x9f))
		return 3;
	if (p[0] >= 0xf0 && p[0] <= 0xf4 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80 && (p[3] & 0xc0) == 0x80 &&
	    !(p[0] == 0xf0 && p[1] < 0x90) && !(p[0] == 0xf4 && p[1] > 0x8f))
		return 4;
	return 0;
}

static int check_text(struct str s, const char *what, struct err *err)
{
	const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;

	if (s.n == 0)
		return err_set(err, ERR_USAGE, "%s: an empty name is not allowed", what);
	while (p < end) {
		size_t n = utf8_len(p);
		if (n == 0 || n > (size_t)(end - p) || *p < 0x20 || *p == 0x7f)
			return err_set(err, ERR_USAGE, "%s: names must be UTF-8 without control characters", what);
		p += n;
	}
	return 0;
}

int catalog_check_namespace(const char *ns, struct err *err)
{
	struct str rest = str_of(ns);
	int levels = 1, rc;

	if (rest.n > NAMESPACE_BYTES_MAX)
		return err_set(err, ERR_USAGE, "namespace: names may have at most %d bytes together",
		               NAMESPACE_BYTES_MAX);
	for (const char *p = ns; *p; p++)
		levels += *p == CATALOG_LEVEL_SEP;
	if (levels > NAMESPACE_LEVELS_MAX)
		return err_set(err, ERR_USAGE, "namespace: at most %d levels", NAMESPACE_LEVELS_MAX);
	while (levels-- > 0) {
		rc = check_text(str_cut(&rest, CATALOG_LEVEL_SEP), "namespace", err);
		if (rc)
			return rc;
	}
	return 0;
}

int catalog_check_table_name(const char *name, struct err *err)
{
	struct str s = str_of(name);

	if (s.n > TABLE_BYTES_MAX)
		return err_set(err, ERR_USAGE, "table: a name may have at most %d bytes", TABLE_BYTES_MAX);
	return check_text(s, "table", err);
}

const char *catalog_namespace_text(const char *ns, char *buf, size_t size)
{
	size_t i = 0;

	for (; ns[i] && i + 1 < size; i++)
		buf[i] = ns[i] == CATALOG_LEVEL_SEP ? '.' : ns[i];
	buf[i] = '\0';
	return buf;
}
