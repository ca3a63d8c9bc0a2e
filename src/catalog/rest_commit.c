/* src/catalog/rest_commit.c — commits over REST: one table, or several in a transaction.
 *
 * What clients do with an answer decides its status: 409 CommitFailedException is tried again on fresh metadata; 500,
 * 502, 503 and 504 mean "unknown" and keep the client's files; everything else is final and lets it delete them. So a
 * commit proven not done for a passing reason is a 409. */
#include "catalog/rest_int.h"

#include "base/mem.h"

static int commit_failed(struct rest_call *call, int rc, enum commit_result result, const char *ns)
{
	if (result == COMMIT_NOT_DONE && (rc == ERR_TIMEOUT || rc == ERR_NOMEM)) {
		call->status = 409;
		call->type = "CommitFailedException";
	}
	if (rc == ERR_NOT_FOUND && rest_namespace_missing(call, ns))
		call->missing = "NoSuchNamespaceException";
	return rc;
}

/* Members of a request that may be missing count as empty lists. */
static json_t *list_of(const json_t *object, const char *key, json_t *empty)
{
	json_t *list = json_object_get(object, key);

	return list && !json_is_null(list) ? list : empty;
}

static int send_committed(struct rest_call *call, struct catalog_table *table, struct err *err)
{
	json_t *body =
		json_pack("{s:s,s:O}", "metadata-location", table->metadata_location, "metadata", table->metadata);

	catalog_table_clear(table);
	return rest_send(call, 200, body, err);
}

int rest_table_commit(struct rest_call *call, struct err *err)
{
	struct catalog_commit commit = { .namespace_ = call->ns, .table = call->table };
	const json_t *identifier = json_object_get(call->body, "identifier");
	enum commit_result result;
	const char *ns, *name;
	json_t *empty;
	int rc = 0;

	if (identifier && !json_is_null(identifier)) {
		rc = rest_identifier_of(call, identifier, &ns, &name, err);
		if (!rc && (strcmp(ns, call->ns) != 0 || strcmp(name, call->table) != 0))
			rc = err_set(err, ERR_USAGE, "commit: the identifier in the body is not the table of the path");
		if (rc)
			return rc;
	}
	if (!json_is_array(json_object_get(call->body, "updates")))
		return err_set(err, ERR_USAGE, "commit: lacks the list \"updates\"");
	empty = json_array();
	if (!empty)
		return err_nomem(err);
	commit.requirements = list_of(call->body, "requirements", empty);
	commit.updates = list_of(call->body, "updates", empty);
	rc = call->catalog->ops->commit(call->catalog, &commit, 1, NULL, &result, err);
	json_decref(empty);
	/* The table is changed: an answer that cannot be made now must not read as "not done". */
	if (!rc && send_committed(call, &commit.result, err))
		return err_set(err, ERR_COMMIT_UNKNOWN,
		               "the commit is done, but there was no memory for the answer; load the table");
	return rc ? commit_failed(call, rc, result, call->ns) : 0;
}

static int read_changes(struct rest_call *call, const json_t *changes, struct catalog_commit *commits, json_t *empty,
                        struct err *err)
{
	size_t i;
	json_t *change;

	json_array_foreach(changes, i, change)
	{
		int rc = rest_identifier_of(call, json_object_get(change, "identifier"), &commits[i].namespace_,
		                            &commits[i].table, err);
		if (rc)
			return rc;
		commits[i].requirements = list_of(change, "requirements", empty);
		commits[i].updates = list_of(change, "updates", empty);
	}
	return 0;
}

int rest_transaction(struct rest_call *call, struct err *err)
{
	const json_t *changes = json_object_get(call->body, "table-changes");
	size_t n = json_array_size(changes);
	enum commit_result result = COMMIT_NOT_DONE;
	struct catalog_commit *commits;
	json_t *empty;
	int rc;

	if (!json_is_array(changes) || n == 0 || n > 1000)
		return err_set(err, ERR_USAGE, "transaction: \"table-changes\" must be a list of 1 to 1000 changes");
	commits = mem_array(n, sizeof *commits);
	empty = json_array();
	if (!commits || !empty) {
		mem_free(commits);
		json_decref(empty);
		return err_nomem(err);
	}
	rc = read_changes(call, changes, commits, empty, err);
	if (!rc)
		rc = call->catalog->ops->commit(call->catalog, commits, n, NULL, &result, err);
	if (rc)
		commit_failed(call, rc, result, commits[0].namespace_ ? commits[0].namespace_ : "");
	for (size_t i = 0; i < n; i++)
		catalog_table_clear(&commits[i].result);
	mem_free(commits);
	json_decref(empty);
	return rc ? rc : rest_send_empty(call, 204);
}
