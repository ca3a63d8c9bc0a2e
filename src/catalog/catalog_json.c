/* src/catalog/catalog_json.c — JSON into a wbuf. */
#include "catalog/catalog_json.h"

static int put(const char *bytes, size_t n, void *out)
{
	wbuf_put(out, bytes, n);
	return wbuf_failed(out) ? -1 : 0;
}

int catalog_json_put(struct wbuf *out, const json_t *value, struct err *err)
{
	int failed = json_dump_callback(value, put, out, JSON_COMPACT | JSON_ENCODE_ANY),
	    rc = wbuf_check(out, err, "JSON text");

	return rc ? rc : failed ? err_nomem(err) : 0;
}
