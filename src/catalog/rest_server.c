/* src/catalog/rest_server.c — routes, bodies and error answers of the Iceberg REST catalog. */
#include "catalog/rest_int.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/log.h"
#include "catalog/catalog_json.h"

#define SEGMENTS_MAX 8

/* What is served: method, path below /v1 ("*": a namespace, "+": a table), handler, whether it has a JSON body, what
 * a missing object is called. rest_config answers the `endpoints` list from the same rows. */
struct route {
	const char *method;
	const char *path[SEGMENTS_MAX];
	rest_fn fn;
	bool body;
	const char *missing;
	const char *endpoint; /* the specification's spelling */
};

#define NS "NoSuchNamespaceException"
#define TABLE "NoSuchTableException"
static const struct route routes[] = {
	{ "GET", { "config" }, rest_config, false, "NotFoundException", NULL },
	{ "GET", { "namespaces" }, rest_namespace_list, false, NS, "GET /v1/{prefix}/namespaces" },
	{ "POST", { "namespaces" }, rest_namespace_create, true, NS, "POST /v1/{prefix}/namespaces" },
	{ "GET", { "namespaces", "*" }, rest_namespace_load, false, NS, "GET /v1/{prefix}/namespaces/{namespace}" },
	{ "HEAD", { "namespaces", "*" }, rest_namespace_head, false, NS, "HEAD /v1/{prefix}/namespaces/{namespace}" },
	{ "DELETE",
	  { "namespaces", "*" },
	  rest_namespace_drop,
	  false,
	  NS,
	  "DELETE /v1/{prefix}/namespaces/{namespace}" },
	{ "POST",
	  { "namespaces", "*", "properties" },
	  rest_namespace_properties,
	  true,
	  NS,
	  "POST /v1/{prefix}/namespaces/{namespace}/properties" },
	{ "GET",
	  { "namespaces", "*", "tables" },
	  rest_table_list,
	  false,
	  NS,
	  "GET /v1/{prefix}/namespaces/{namespace}/tables" },
	{ "POST",
	  { "namespaces", "*", "tables" },
	  rest_table_create,
	  true,
	  NS,
	  "POST /v1/{prefix}/namespaces/{namespace}/tables" },
	{ "GET",
	  { "namespaces", "*", "tables", "+" },
	  rest_table_load,
	  false,
	  TABLE,
	  "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}" },
	{ "HEAD",
	  { "namespaces", "*", "tables", "+" },
	  rest_table_head,
	  false,
	  TABLE,
	  "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}" },
	{ "POST",
	  { "namespaces", "*", "tables", "+" },
	  rest_table_commit,
	  true,
	  TABLE,
	  "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}" },
	{ "DELETE",
	  { "namespaces", "*", "tables", "+" },
	  rest_table_drop,
	  false,
	  TABLE,
	  "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}" },
	{ "POST",
	  { "namespaces", "*", "register" },
	  rest_table_register,
	  true,
	  NS,
	  "POST /v1/{prefix}/namespaces/{namespace}/register" },
	{ "POST",
	  { "namespaces", "*", "tables", "+", "metrics" },
	  rest_table_metrics,
	  true,
	  TABLE,
	  "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics" },
	{ "POST", { "tables", "rename" }, rest_table_rename, true, TABLE, "POST /v1/{prefix}/tables/rename" },
	{ "POST",
	  { "transactions", "commit" },
	  rest_transaction,
	  true,
	  TABLE,
	  "POST /v1/{prefix}/transactions/commit" },
};
#define N_ROUTES (sizeof routes / sizeof routes[0])

/* --- answers --- */

int rest_send(struct rest_call *call, int status, json_t *body, struct err *err)
{
	int rc = body ? catalog_json_put(&call->response->body, body, err) : err_nomem(err);

	json_decref(body);
	call->response->status = status;
	call->response->content_type = "application/json";
	return rc;
}

int rest_send_empty(struct rest_call *call, int status)
{
	call->response->status = status;
	return 0;
}

static void error_kind(const struct rest_call *call, int code, int *status, const char **type)
{
	static const struct {
		int code, status;
		const char *type;
	} kinds[] = {
		{ ERR_USAGE, 400, "BadRequestException" },
		{ ERR_LIMIT, 400, "BadRequestException" },
		{ ERR_EXISTS, 409, "AlreadyExistsException" },
		{ ERR_NOT_EMPTY, 409, "NamespaceNotEmptyException" },
		{ ERR_CONFLICT, 409, "CommitFailedException" },
		{ ERR_FENCED, 409, "CommitFailedException" },
		{ ERR_PRIVILEGE, 403, "ForbiddenException" },
		{ ERR_UNSUPPORTED, 406, "UnsupportedOperationException" },
		{ ERR_COMMIT_UNKNOWN, 500, "CommitStateUnknownException" },
		{ ERR_TIMEOUT, 503, "ServiceUnavailableException" },
		{ ERR_NOMEM, 503, "ServiceUnavailableException" },
		{ ERR_DISK_FULL, 507, "InsufficientStorageException" },
	};

	*status = 500;
	*type = "InternalServerError";
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (kinds[i].code == code) {
			*status = kinds[i].status;
			*type = kinds[i].type;
		}
	}
	if (code == ERR_NOT_FOUND) {
		*status = 404;
		*type = call->missing;
	}
	if (call->status) {
		*status = call->status;
		*type = call->type;
	}
}

static void send_error(struct rest_call *call, const struct err *err)
{
	struct wbuf *body = &call->response->body;
	const char *type;
	int status;

	error_kind(call, err->code, &status, &type);
	if (status >= 500)
		log_error("catalog", "%.*s %.*s: %s", STR_FMT(call->request->method), STR_FMT(call->request->path),
		          err->text);
	wbuf_reset(body);
	wbuf_putz(body, "{\"error\":{\"message\":");
	wbuf_put_json_str(body, str_of(err->text));
	wbuf_putf(body, ",\"type\":\"%s\",\"code\":%d}}", type, status);
	call->response->status = status;
	call->response->content_type = "application/json";
}

/* --- names --- */

json_t *rest_levels(const char *ns)
{
	struct str rest = str_of(ns);
	json_t *levels = json_array();

	while (levels && rest.n > 0) {
		if (json_array_append_new(levels, json_str(str_cut(&rest, '\x1f')))) {
			json_decref(levels);
			levels = NULL;
		}
	}
	return levels;
}

int rest_namespace_of(struct rest_call *call, const json_t *levels, const char **out, struct err *err)
{
	char *joined, *at;
	size_t i, n = 1;
	json_t *level;

	if (!json_is_array(levels) || json_array_size(levels) == 0 || json_array_size(levels) > 16)
		return err_set(err, ERR_USAGE, "namespace: must be a list of 1 to 16 texts");
	json_array_foreach(levels, i, level)
	{
		if (!json_is_string(level) || json_string_length(level) == 0 ||
		    strchr(json_string_value(level), '\x1f'))
			return err_set(err, ERR_USAGE,
			               "namespace: a level must be a text, not empty and without control characters");
		n += json_string_length(level) + 1;
	}
	joined = at = arena_alloc(call->request->arena, n);
	if (!joined)
		return err_nomem(err);
	json_array_foreach(levels, i, level)
	{
		if (i > 0)
			*at++ = '\x1f';
		memcpy(at, json_string_value(level), json_string_length(level));
		at += json_string_length(level);
	}
	*at = '\0';
	*out = joined;
	return 0;
}

int rest_identifier_of(struct rest_call *call, const json_t *identifier, const char **ns, const char **name,
                       struct err *err)
{
	int rc;

	if (!json_is_object(identifier))
		return err_set(err, ERR_USAGE, "a table identifier must be an object with \"namespace\" and \"name\"");
	rc = rest_namespace_of(call, json_object_get(identifier, "namespace"), ns, err);
	if (rc)
		return rc;
	*name = json_get_str(identifier, "name", "");
	return **name ? 0 : err_set(err, ERR_USAGE, "a table identifier lacks \"name\"");
}

bool rest_namespace_missing(struct rest_call *call, const char *ns)
{
	json_t *properties = NULL;
	struct err err = { 0 };
	int rc = call->catalog->ops->namespace_load(call->catalog, ns, &properties, &err);

	json_decref(properties);
	return rc == ERR_NOT_FOUND;
}

/* --- pages --- */

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static char *token_decode(struct arena *arena, struct str token)
{
	char *name = token.n % 2 == 0 && token.n <= 4096 ? arena_alloc(arena, token.n / 2 + 1) : NULL;

	for (size_t i = 0; name && i < token.n / 2; i++) {
		int high = hex_digit(token.p[2 * i]), low = hex_digit(token.p[2 * i + 1]);
		if (high < 0 || low < 0 || high + low == 0)
			return NULL;
		name[i] = (char)(high << 4 | low);
	}
	if (name)
		name[token.n / 2] = '\0';
	return name;
}

static json_t *token_encode(const char *name)
{
	struct wbuf w;
	json_t *token;

	wbuf_init(&w, 0);
	for (; *name; name++)
		wbuf_putf(&w, "%02x", (unsigned char)*name);
	token = wbuf_failed(&w) ? NULL : json_str(wbuf_str(&w));
	wbuf_free(&w);
	return token;
}

int rest_page_begin(struct rest_page *page, struct rest_call *call, json_t *(*item)(struct rest_call *, const char *),
                    struct err *err)
{
	struct str token = http_query_get(call->request, "pageToken"), size = http_query_get(call->request, "pageSize");

	*page = (struct rest_page){ .call = call, .item = item };
	/* Without a token the client does not know pages and gets all (REST: pagination). */
	if (token.p) {
		if (size.n && (!str_to_i64(size, &page->size) || page->size < 1))
			return err_set(err, ERR_USAGE, "pageSize must be a whole number of at least 1");
		if (token.n && !(page->after = token_decode(call->request->arena, token)))
			return err_set(err, ERR_USAGE, "pageToken is not one that this catalog gave out");
	}
	page->items = json_array();
	return page->items ? 0 : err_nomem(err);
}

int rest_page_take(void *arg, const char *name)
{
	struct rest_page *page = arg;

	if (page->after && strcmp(name, page->after) <= 0)
		return 0;
	if (page->size && page->taken == page->size) {
		page->more = true;
		return 1;
	}
	page->taken++;
	if (page->size)
		page->last = arena_strdup(page->call->request->arena, str_of(name));
	return json_array_append_new(page->items, page->item(page->call, name)) || (page->size && !page->last)
	               ? ERR_NOMEM
	               : 0;
}

int rest_page_end(struct rest_page *page, const char *member, int rc, struct err *err)
{
	json_t *body;

	if (rc == ERR_NOMEM)
		err_nomem(err);
	if (rc && !page->more) {
		json_decref(page->items);
		return rc;
	}
	body = json_pack("{s:o}", member, page->items);
	if (body && json_object_set_new(body, "next-page-token", page->more ? token_encode(page->last) : json_null())) {
		json_decref(body);
		body = NULL;
	}
	return rest_send(page->call, 200, body, err);
}

/* --- configuration --- */

int rest_config(struct rest_call *call, struct err *err)
{
	json_t *endpoints = json_array();

	for (size_t i = 0; i < N_ROUTES && endpoints; i++) {
		if (routes[i].endpoint && json_array_append_new(endpoints, json_string(routes[i].endpoint))) {
			json_decref(endpoints);
			endpoints = NULL;
		}
	}
	return rest_send(
		call, 200,
		endpoints ? json_pack("{s:{},s:{},s:o}", "defaults", "overrides", "endpoints", endpoints) : NULL, err);
}

/* --- routing --- */

/* The segments below /v1, an empty prefix left out. False: not our path. */
static bool split(struct str path, struct str *segments, size_t *n)
{
	*n = 0;
	if (!str_starts(path, "/v1/"))
		return false;
	path = str_view(path.p + 4, path.n - 4);
	if (path.n && path.p[0] == '/')
		path = str_view(path.p + 1, path.n - 1);
	while (path.n > 0 && *n < SEGMENTS_MAX)
		segments[(*n)++] = str_cut(&path, '/');
	return path.n == 0;
}

static bool path_matches(const struct route *route, const struct str *segments, size_t n)
{
	size_t i = 0;

	for (; i < n && route->path[i]; i++) {
		bool name = strcmp(route->path[i], "*") == 0 || strcmp(route->path[i], "+") == 0;
		if (name ? segments[i].n == 0 : !str_eqz(segments[i], route->path[i]))
			return false;
	}
	return i == n && (i == SEGMENTS_MAX || !route->path[i]);
}

/* The route, or an error answer already sent: 404, 405 with what is allowed. */
static const struct route *find_route(struct rest_call *call, const struct str *segments, size_t n)
{
	char allow[64] = "";
	struct err err;

	for (size_t i = 0; i < N_ROUTES; i++) {
		if (!path_matches(&routes[i], segments, n))
			continue;
		if (str_eqz(call->request->method, routes[i].method))
			return &routes[i];
		snprintf(allow + strlen(allow), sizeof allow - strlen(allow), "%s%s", allow[0] ? ", " : "",
		         routes[i].method);
	}
	if (allow[0]) {
		http_response_header(call->response, "Allow", allow);
		call->status = 405;
		call->type = "MethodNotAllowedException";
		err_set(&err, ERR_USAGE, "%.*s is not allowed here, only %s", STR_FMT(call->request->method), allow);
	} else {
		call->status = 404;
		call->type = "NotFoundException";
		err_set(&err, ERR_USAGE, "No route for request: %.*s %.200s", STR_FMT(call->request->method),
		        call->request->path.n < 200 ? arena_strdup(call->request->arena, call->request->path)
		                                    : "(long path)");
	}
	send_error(call, &err);
	return NULL;
}

static int decode_names(struct rest_call *call, const struct route *route, const struct str *segments, struct err *err)
{
	for (size_t i = 0; i < SEGMENTS_MAX && route->path[i]; i++) {
		const char **out = strcmp(route->path[i], "*") == 0   ? &call->ns
		                   : strcmp(route->path[i], "+") == 0 ? &call->table
		                                                      : NULL;
		struct str decoded;
		if (!out)
			continue;
		decoded = http_decode(call->request->arena, segments[i]);
		if (!decoded.p)
			return err_set(err, ERR_USAGE, "the path holds a bad percent escape");
		*out = arena_strdup(call->request->arena, decoded);
		if (!*out)
			return err_nomem(err);
	}
	return 0;
}

static int read_body(struct rest_call *call, struct err *err)
{
	struct str type = http_header_get(call->request, "content-type"), media = str_trim(str_cut(&type, ';'));
	int rc;

	if (!str_eq_nocase(media, STR_LIT("application/json"))) {
		call->status = 415;
		call->type = "UnsupportedMediaTypeException";
		return err_set(err, ERR_USAGE, "Content-Type must be application/json");
	}
	call->body = json_parse(call->request->body, "request body", err);
	if (!call->body) {
		rc = err->code;
		if (rc == ERR_CORRUPT)
			rc = err->code = ERR_USAGE;
		return rc;
	}
	return json_is_object(call->body) ? 0 : err_set(err, ERR_USAGE, "request body: must be a JSON object");
}

void rest_handle(void *ctx, const struct http_request *request, struct http_response *response)
{
	struct rest_call call = { .catalog = ((struct rest_server *)ctx)->catalog,
		                  .request = request,
		                  .response = response,
		                  .missing = "NotFoundException" };
	struct str segments[SEGMENTS_MAX];
	const struct route *route;
	struct err err = { 0 };
	size_t n;
	int rc;

	if (!split(request->path, segments, &n))
		n = 0;
	route = find_route(&call, segments, n);
	if (!route)
		return;
	call.missing = route->missing;
	rc = decode_names(&call, route, segments, &err);
	if (!rc && route->body)
		rc = read_body(&call, &err);
	if (!rc)
		rc = route->fn(&call, &err);
	if (rc)
		send_error(&call, &err);
	json_decref(call.body);
}
