/* tests/support/catalog_server.c — the REST catalog alone, for tests: catalog_server FOLDER [ADDRESS]
 *
 * Keeps FOLDER/catalog.db and FOLDER/warehouse; prints its address as the first line; ends on SIGTERM or SIGINT. */
#include <signal.h>
#include <stdio.h>

#include "base/json.h"
#include "catalog/rest_server.h"
#include "io/loop.h"

static void stop(void *arg, int signo)
{
	(void)signo;
	loop_stop(arg);
}

static int serve(const char *folder, const char *address, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT, 0 };
	char path[1024];
	struct loop *loop = NULL;
	struct store *store = NULL;
	struct http_server *server = NULL;
	struct rest_server rest = { 0 };
	int rc = loop_open(&loop, err);

	snprintf(path, sizeof path, "%s/warehouse", folder);
	if (!rc)
		rc = store_open(path, &store, err);
	snprintf(path, sizeof path, "%s/catalog.db", folder);
	if (!rc)
		rc = catalog_open_sqlite(path, store, false, &rest.catalog, err);
	if (!rc)
		rc = loop_on_signals(loop, signals, stop, loop, err);
	if (!rc)
		rc = http_server_open(loop, address, &http_limits_default, rest_handle, &rest, &server, err);
	if (!rc) {
		printf("%s\n", http_server_address(server));
		fflush(stdout);
		rc = loop_run(loop, err);
		http_server_close(server);
	}
	catalog_close(rest.catalog);
	store_close(store);
	loop_free(loop);
	return rc;
}

int main(int argc, char **argv)
{
	struct err err = { 0 };

	if (argc < 2) {
		fprintf(stderr, "usage: catalog_server FOLDER [ADDRESS]\n");
		return 2;
	}
	json_init();
	if (serve(argv[1], argc > 2 ? argv[2] : "127.0.0.1:0", &err)) {
		fprintf(stderr, "%s\n", err.text);
		return err_exit_status(err.code);
	}
	return 0;
}
