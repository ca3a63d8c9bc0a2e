/* src/catalog/rest_table.c — tables over REST, but for commits (rest_commit.c). */
#include "catalog/rest_int.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "iceberg/metadata.h"

static json_t *table_item(struct rest_call *call, const char *name)
{
	json_t *levels = rest_levels(call->ns),
	       *item = levels ? json_pack("{s:O,s:s}", "namespace", levels, "name", name) : NULL;

	json_decref(levels);
	return item;
}

int rest_table_list(struct rest_call *call, struct err *err)
{
	struct rest_page page;
	int rc = rest_page_begin(&page, call, table_item, err);

	if (rc)
		return rc;
	rc = call->catalog->ops->table_list(call->catalog, call->ns, rest_page_take, &page, err);
	return rest_page_end(&page, "identifiers", rc, err);
}

/* Metadata files never change under one name, so location and kind of answer tell versions apart. FNV-1a, 64 bits. */
static void etag_of(const char *metadata_location, bool refs_only, char out[24])
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (const char *p = metadata_location; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
	snprintf(out, 24, "\"%016" PRIx64 "%c\"", hash, refs_only ? 'r' : 'a');
}

/* If-None-Match: a list of tags, weak or not, some clients send them without quotes; "*" is any. */
static bool etag_matches(struct str list, const char *etag)
{
	struct str bare = str_view(etag + 1, strlen(etag) - 2);

	while (list.n > 0) {
		struct str tag = str_trim(str_cut(&list, ','));
		if (str_starts(tag, "W/"))
			tag = str_view(tag.p + 2, tag.n - 2);
		if (str_eqz(tag, etag) || str_eq(tag, bare) || str_eqz(tag, "*"))
			return true;
	}
	return false;
}

/* LoadTableResult; takes table's content. refs_only: snapshots=refs. A staged table has no location. */
static int send_table(struct rest_call *call, struct catalog_table *table, bool refs_only, struct err *err)
{
	json_t *metadata = refs_only ? ice_metadata_refs_only(table->metadata) : json_incref(table->metadata),
	       *body = json_object();
	char etag[24];

	if (table->metadata_location) {
		etag_of(table->metadata_location, refs_only, etag);
		http_response_header(call->response, "ETag", etag);
	}
	if (!metadata || !body ||
	    (table->metadata_location &&
	     json_object_set_new(body, "metadata-location", json_string(table->metadata_location))) ||
	    json_object_set(body, "metadata", metadata) || json_object_set_new(body, "config", json_object())) {
		json_decref(body);
		body = NULL;
	}
	json_decref(metadata);
	catalog_table_clear(table);
	return rest_send(call, 200, body, err);
}

int rest_table_create(struct rest_call *call, struct err *err)
{
	struct catalog_table table;
	int rc;

	if (json_get_str(call->body, "name", "")[0] == '\0')
		return err_set(err, ERR_USAGE, "create table: lacks \"name\"");
	if (json_has(call->body, "location") && !json_is_null(json_object_get(call->body, "location")) &&
	    !json_is_string(json_object_get(call->body, "location")))
		return err_set(err, ERR_USAGE, "create table: \"location\" must be a text");
	rc = call->catalog->ops->table_create(call->catalog, call->ns, call->body, &table, err);
	return rc ? rc : send_table(call, &table, false, err);
}

int rest_table_load(struct rest_call *call, struct err *err)
{
	struct str snapshots = http_query_get(call->request, "snapshots"),
		   known = http_header_get(call->request, "if-none-match");
	bool refs_only = str_eqz(snapshots, "refs");
	struct catalog_table table;
	char etag[24];
	int rc;

	if (snapshots.n && !refs_only && !str_eqz(snapshots, "all"))
		return err_set(err, ERR_USAGE, "snapshots must be all or refs");
	rc = call->catalog->ops->table_load(call->catalog, call->ns, call->table, &table, err);
	if (rc)
		return rc;
	etag_of(table.metadata_location, refs_only, etag);
	if (known.n && etag_matches(known, etag)) {
		http_response_header(call->response, "ETag", etag);
		catalog_table_clear(&table);
		return rest_send_empty(call, 304);
	}
	return send_table(call, &table, refs_only, err);
}

int rest_table_head(struct rest_call *call, struct err *err)
{
	struct catalog_table table;
	int rc = call->catalog->ops->table_load(call->catalog, call->ns, call->table, &table, err);

	if (rc)
		return rc;
	catalog_table_clear(&table);
	return rest_send_empty(call, 204);
}

int rest_table_drop(struct rest_call *call, struct err *err)
{
	struct str purge = http_query_get(call->request, "purgeRequested");
	int rc;

	if (purge.n && !str_eq_nocase(purge, STR_LIT("true")) && !str_eq_nocase(purge, STR_LIT("false")))
		return err_set(err, ERR_USAGE, "purgeRequested must be true or false");
	rc = call->catalog->ops->table_drop(call->catalog, call->ns, call->table, str_eq_nocase(purge, STR_LIT("true")),
	                                    err);
	return rc ? rc : rest_send_empty(call, 204);
}

int rest_table_rename(struct rest_call *call, struct err *err)
{
	const char *ns, *name, *to_ns, *to_name;
	int rc = rest_identifier_of(call, json_object_get(call->body, "source"), &ns, &name, err);

	if (!rc)
		rc = rest_identifier_of(call, json_object_get(call->body, "destination"), &to_ns, &to_name, err);
	if (rc)
		return rc;
	rc = call->catalog->ops->table_rename(call->catalog, ns, name, to_ns, to_name, err);
	if (rc == ERR_NOT_FOUND && rest_namespace_missing(call, to_ns))
		call->missing = "NoSuchNamespaceException";
	return rc ? rc : rest_send_empty(call, 204);
}

int rest_table_register(struct rest_call *call, struct err *err)
{
	const char *name = json_get_str(call->body, "name", ""),
		   *location = json_get_str(call->body, "metadata-location", "");
	struct catalog_table table;
	int rc;

	if (!name[0] || !location[0])
		return err_set(err, ERR_USAGE, "register: needs \"name\" and \"metadata-location\"");
	rc = call->catalog->ops->table_register(call->catalog, call->ns, name, location,
	                                        json_is_true(json_object_get(call->body, "overwrite")), &table, err);
	if (rc == ERR_NOT_FOUND && !rest_namespace_missing(call, call->ns))
		call->missing = "NotFoundException"; /* the file */
	if (rc == ERR_CORRUPT) {                     /* the client's file, not one of ours */
		call->status = 400;
		call->type = "BadRequestException";
	}
	return rc ? rc : send_table(call, &table, false, err);
}

int rest_table_metrics(struct rest_call *call, struct err *err)
{
	(void)err;
	return rest_send_empty(call, 204);
}
