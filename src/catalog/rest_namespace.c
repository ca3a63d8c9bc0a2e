/* src/catalog/rest_namespace.c — namespaces over REST. */
#include "catalog/rest_int.h"

#include "base/wbuf.h"

static json_t *namespace_item(struct rest_call *call, const char *name)
{
	(void)call;
	return rest_levels(name);
}

int rest_namespace_list(struct rest_call *call, struct err *err)
{
	struct str parent = http_query_get(call->request, "parent");
	struct rest_page page;
	const char *ns = NULL;
	int rc = rest_page_begin(&page, call, namespace_item, err);

	if (rc)
		return rc;
	if (parent.n) {
		ns = arena_strdup(call->request->arena, parent);
		rc = ns ? 0 : err_nomem(err);
	}
	if (!rc)
		rc = call->catalog->ops->namespace_list(call->catalog, ns, rest_page_take, &page, err);
	return rest_page_end(&page, "namespaces", rc, err);
}

/* {"namespace", "properties"}; takes properties. */
static int send_namespace(struct rest_call *call, const char *ns, json_t *properties, struct err *err)
{
	json_t *levels = rest_levels(ns),
	       *body = levels && properties ? json_pack("{s:O,s:O}", "namespace", levels, "properties", properties)
	                                    : NULL;

	json_decref(levels);
	json_decref(properties);
	return rest_send(call, 200, body, err);
}

int rest_namespace_create(struct rest_call *call, struct err *err)
{
	const json_t *properties = json_object_get(call->body, "properties");
	json_t *stored = NULL;
	const char *ns;
	int rc = rest_namespace_of(call, json_object_get(call->body, "namespace"), &ns, err);

	if (rc)
		return rc;
	if (json_is_null(properties))
		properties = NULL;
	rc = call->catalog->ops->namespace_create(call->catalog, ns, properties, err);
	if (!rc)
		rc = call->catalog->ops->namespace_load(call->catalog, ns, &stored, err);
	return rc ? rc : send_namespace(call, ns, stored, err);
}

int rest_namespace_load(struct rest_call *call, struct err *err)
{
	json_t *properties = NULL;
	int rc = call->catalog->ops->namespace_load(call->catalog, call->ns, &properties, err);

	return rc ? rc : send_namespace(call, call->ns, properties, err);
}

int rest_namespace_head(struct rest_call *call, struct err *err)
{
	json_t *properties = NULL;
	int rc = call->catalog->ops->namespace_load(call->catalog, call->ns, &properties, err);

	json_decref(properties);
	return rc ? rc : rest_send_empty(call, 204);
}

int rest_namespace_drop(struct rest_call *call, struct err *err)
{
	int rc = call->catalog->ops->namespace_drop(call->catalog, call->ns, err);

	return rc ? rc : rest_send_empty(call, 204);
}

/* A key both set and removed says two things at once: 422 (REST: updateProperties). */
static int check_overlap(struct rest_call *call, const json_t *removals, const json_t *updates, struct err *err)
{
	json_t *key;
	size_t i;

	json_array_foreach(removals, i, key)
	{
		if (!json_is_string(key) || !json_object_get(updates, json_string_value(key)))
			continue;
		call->status = 422;
		call->type = "UnprocessableEntityException";
		return err_set(err, ERR_USAGE,
		               "Invalid namespace update, cannot simultaneously set and remove keys: [%s]",
		               json_string_value(key));
	}
	return 0;
}

int rest_namespace_properties(struct rest_call *call, struct err *err)
{
	const json_t *removals = json_object_get(call->body, "removals"),
		     *updates = json_object_get(call->body, "updates");
	json_t *summary = NULL;
	int rc;

	if (json_is_null(removals))
		removals = NULL;
	if (json_is_null(updates))
		updates = NULL;
	if ((removals && !json_is_array(removals)) || (updates && !json_is_object(updates)))
		return err_set(err, ERR_USAGE, "\"removals\" must be a list, \"updates\" an object");
	rc = check_overlap(call, removals, updates, err);
	if (!rc)
		rc = call->catalog->ops->namespace_update(call->catalog, call->ns, removals, updates, &summary, err);
	return rc ? rc : rest_send(call, 200, summary, err);
}
