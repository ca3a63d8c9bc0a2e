/* src/catalog/rest_server.h — the Iceberg REST catalog over HTTP: the same operations the apply threads use, for
 * every other engine.
 *
 *   struct rest_server rest = { .catalog = catalog };
 *   http_server_open(loop, "127.0.0.1:8181", NULL, rest_handle, &rest, &server, &err);
 *
 * Served: /v1/config, namespaces, tables (create, staged create, load with snapshots=refs and ETag, commit, rename,
 * drop, register), several tables in one transaction, metrics (accepted, not kept). Not served, and therefore not in
 * the `endpoints` list: views, scan planning, credentials, signing, OAuth. Paths have no prefix; an empty one
 * ("/v1//namespaces") is understood. Bodies must be application/json: so no page of another site can send one
 * unasked. Thread-safe; keeps no state between requests. Close the HTTP server before the catalog. */
#ifndef TARN_CATALOG_REST_SERVER_H
#define TARN_CATALOG_REST_SERVER_H

#include "catalog/catalog.h"
#include "io/http.h"

struct rest_server {
	struct catalog *catalog; /* borrowed */
};

void rest_handle(void *ctx /* struct rest_server */, const struct http_request *request,
                 struct http_response *response);

#endif
