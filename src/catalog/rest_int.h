/* src/catalog/rest_int.h — shared by the rest_*.c files only. */
#ifndef TARN_CATALOG_REST_INT_H
#define TARN_CATALOG_REST_INT_H

#include "catalog/rest_server.h"

/* One request on its way. Strings live in the request's arena. */
struct rest_call {
	struct catalog *catalog;
	const struct http_request *request;
	struct http_response *response;
	const char *ns, *table; /* from the path, decoded; NULL when the route has none */
	json_t *body;           /* parsed; NULL for routes without one */
	const char *missing;    /* error type that ERR_NOT_FOUND becomes */
	int status;             /* of an error that is not the code's own (422); 0: by code */
	const char *type;       /* with status */
};

/* A handler sends the answer and returns 0, or returns an error code with err filled. */
typedef int (*rest_fn)(struct rest_call *call, struct err *err);

int rest_send(struct rest_call *call, int status, json_t *body, struct err *err); /* takes body; NULL: no memory */
int rest_send_empty(struct rest_call *call, int status);
/* "a\x1f" "b" -> ["a","b"]; NULL: no memory. */
json_t *rest_levels(const char *ns);
/* The reverse, into the arena; ERR_USAGE for anything but a list of texts. */
int rest_namespace_of(struct rest_call *call, const json_t *levels, const char **out, struct err *err);
/* {"namespace": [...], "name": "..."} */
int rest_identifier_of(struct rest_call *call, const json_t *identifier, const char **ns, const char **name,
                       struct err *err);
/* When a name was not found: whether it is the namespace that is missing. */
bool rest_namespace_missing(struct rest_call *call, const char *ns);

/* Pages of a list that the catalog hands out in byte order. Token: hex of the last name of the page before. */
struct rest_page {
	struct rest_call *call;
	json_t *items;
	char *after;         /* NULL: from the start */
	int64_t size, taken; /* size 0: all */
	const char *last;    /* last name taken, in the arena */
	bool more;
	json_t *(*item)(struct rest_call *call, const char *name);
};
int rest_page_begin(struct rest_page *page, struct rest_call *call, json_t *(*item)(struct rest_call *, const char *),
                    struct err *err);
int rest_page_take(void *page, const char *name); /* for catalog_ops lists */
/* Sends {"<member>": items, "next-page-token": ...}; rc is what the list returned. Frees items. */
int rest_page_end(struct rest_page *page, const char *member, int rc, struct err *err);

int rest_config(struct rest_call *call, struct err *err);
int rest_namespace_list(struct rest_call *call, struct err *err);
int rest_namespace_create(struct rest_call *call, struct err *err);
int rest_namespace_load(struct rest_call *call, struct err *err);
int rest_namespace_head(struct rest_call *call, struct err *err);
int rest_namespace_drop(struct rest_call *call, struct err *err);
int rest_namespace_properties(struct rest_call *call, struct err *err);
int rest_table_list(struct rest_call *call, struct err *err);
int rest_table_create(struct rest_call *call, struct err *err);
int rest_table_load(struct rest_call *call, struct err *err);
int rest_table_head(struct rest_call *call, struct err *err);
int rest_table_drop(struct rest_call *call, struct err *err);
int rest_table_rename(struct rest_call *call, struct err *err);
int rest_table_register(struct rest_call *call, struct err *err);
int rest_table_metrics(struct rest_call *call, struct err *err);
int rest_table_commit(struct rest_call *call, struct err *err);
int rest_transaction(struct rest_call *call, struct err *err);

#endif
