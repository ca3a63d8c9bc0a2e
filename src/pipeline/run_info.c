/* src/pipeline/run_info.c — asking the running tarn. */
#include "pipeline/run_info.h"

#include <stdio.h>

#include "base/env.h"
#include "base/mem.h"
#include "io/http.h"

static int not_running(const struct config *config, struct err *err)
{
	return err_set(err, ERR_CONNECT, "no tarn runs on state folder %s; start it with: tarn run", config->state);
}

int run_info_address(const struct config *config, char *out, size_t n, struct err *err)
{
	char path[4096], *text;
	size_t bytes;
	json_t *info;
	bool ok;

	snprintf(path, sizeof path, "%.4000s/run.json", config->state);
	if (env_read_file(path, 4096, &text, &bytes) < 0)
		return not_running(config, err);
	info = json_parse(str_view(text, bytes), path, err);
	mem_free(text);
	if (!info)
		return err->code;
	ok = str_copy(out, n, str_of(json_get_str(info, "http", "")));
	json_decref(info);
	if (ok && out[0] == '\0')
		return err_set(
			err, ERR_CONFIG,
			"the running tarn has no HTTP address; set serve.http, for example 127.0.0.1:8080, and restart it");
	return ok ? ERR_OK : not_running(config, err);
}

int run_info_status(const struct config *config, json_t **out, struct err *err)
{
	char address[300], *text;
	struct err why = { 0 };
	size_t n;
	int http_status, rc = run_info_address(config, address, sizeof address, err);

	if (rc)
		return rc;
	rc = http_fetch(address, "GET", "/api/v1/status", str_of(""), 5000, &http_status, &text, &n, &why);
	if (rc)
		return err_class_of(rc) == ERR_CLASS_TRANSIENT ? not_running(config, err)
		                                               : err_set(err, rc, "%s", why.text);
	*out = http_status == 200 ? json_parse(str_view(text, n), "status", err) : NULL;
	mem_free(text);
	if (http_status != 200)
		return err_set(err, ERR_PROTOCOL, "tarn at %s answered status %d", address, http_status);
	return *out ? ERR_OK : err->code;
}
