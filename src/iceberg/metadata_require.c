/* src/iceberg/metadata_require.c — the conditions under which a client wants its updates applied (REST:
 * TableRequirement). */
#include "iceberg/metadata_int.h"

#include <stdio.h>
#include <strings.h>

struct requirement {
	const char *type;
	/* metadata is never NULL but for assert-create */
	int (*check)(const json_t *metadata, const json_t *requirement, struct err *err);
};

static int failed(struct err *err, const char *text)
{
	return err_set(err, ERR_CONFLICT, "Requirement failed: %s", text);
}

static int assert_create(const json_t *metadata, const json_t *requirement, struct err *err)
{
	(void)requirement;
	return metadata ? failed(err, "table already exists") : 0;
}

static int assert_uuid(const json_t *metadata, const json_t *requirement, struct err *err)
{
	const char *uuid, *have = json_get_str(metadata, "table-uuid", "");

	if (ice_get_str(requirement, "uuid", 64, "assert-table-uuid", &uuid, err))
		return ERR_USAGE;
	if (strcasecmp(uuid, have) != 0)
		return err_set(err, ERR_CONFLICT, "Requirement failed: UUID does not match: expected %s != %s", uuid,
		               have);
	return 0;
}

static int assert_ref(const json_t *metadata, const json_t *requirement, struct err *err)
{
	const json_t *ref;
	const char *name, *kind;
	int64_t want = -1, have;
	bool has = false;
	int rc = ice_get_str(requirement, "ref", ICE_NAME_MAX, "assert-ref-snapshot-id", &name, err);

	if (!rc)
		rc = ice_get_int_opt(requirement, "snapshot-id", INT64_MIN, INT64_MAX, "assert-ref-snapshot-id", &want,
		                     &has, err);
	if (rc)
		return rc;
	ref = json_object_get(json_object_get(metadata, "refs"), name);
	kind = json_get_str(ref, "type", "branch");
	have = json_get_int(ref, "snapshot-id", -1);
	if (!has)
		return ref ? err_set(err, ERR_CONFLICT, "Requirement failed: %s %s was created concurrently", kind,
		                     name)
		           : 0;
	if (!ref)
		return err_set(err, ERR_CONFLICT, "Requirement failed: branch or tag %s is missing, expected %lld",
		               name, (long long)want);
	if (have != want)
		return err_set(err, ERR_CONFLICT, "Requirement failed: %s %s has changed: expected id %lld != %lld",
		               kind, name, (long long)want, (long long)have);
	return 0;
}

/* The five that compare one number: `key` of the requirement against `member` of the metadata. */
static int assert_number(const json_t *metadata, const json_t *requirement, const char *key, const char *member,
                         const char *subject, struct err *err)
{
	int64_t want, have = json_get_int(metadata, member, -1);
	int rc = ice_get_int(requirement, key, INT32_MIN, INT32_MAX, "requirement", &want, err);

	if (rc)
		return rc;
	if (want != have)
		return err_set(err, ERR_CONFLICT, "Requirement failed: %s changed: expected id %lld != %lld", subject,
		               (long long)want, (long long)have);
	return 0;
}

static int assert_field_id(const json_t *metadata, const json_t *requirement, struct err *err)
{
	return assert_number(metadata, requirement, "last-assigned-field-id", "last-column-id",
	                     "last assigned field id", err);
}

static int assert_schema(const json_t *metadata, const json_t *requirement, struct err *err)
{
	return assert_number(metadata, requirement, "current-schema-id", "current-schema-id", "current schema", err);
}

static int assert_partition_id(const json_t *metadata, const json_t *requirement, struct err *err)
{
	return assert_number(metadata, requirement, "last-assigned-partition-id", "last-partition-id",
	                     "last assigned partition id", err);
}

static int assert_spec(const json_t *metadata, const json_t *requirement, struct err *err)
{
	return assert_number(metadata, requirement, "default-spec-id", "default-spec-id", "default partition spec",
	                     err);
}

static int assert_order(const json_t *metadata, const json_t *requirement, struct err *err)
{
	return assert_number(metadata, requirement, "default-sort-order-id", "default-sort-order-id",
	                     "default sort order", err);
}

static const struct requirement requirements_known[] = {
	{ "assert-create", assert_create },
	{ "assert-table-uuid", assert_uuid },
	{ "assert-ref-snapshot-id", assert_ref },
	{ "assert-last-assigned-field-id", assert_field_id },
	{ "assert-current-schema-id", assert_schema },
	{ "assert-last-assigned-partition-id", assert_partition_id },
	{ "assert-default-spec-id", assert_spec },
	{ "assert-default-sort-order-id", assert_order },
};

static int check_one(const json_t *metadata, const json_t *requirement, struct err *err)
{
	const char *type;

	if (!json_is_object(requirement))
		return err_set(err, ERR_USAGE, "requirements: an element is not an object");
	if (ice_get_str(requirement, "type", 64, "requirement", &type, err))
		return ERR_USAGE;
	for (size_t i = 0; i < sizeof requirements_known / sizeof requirements_known[0]; i++) {
		if (strcmp(type, requirements_known[i].type) != 0)
			continue;
		if (!metadata && i > 0)
			return failed(err, "the table does not exist");
		return requirements_known[i].check(metadata, requirement, err);
	}
	return err_set(err, ERR_USAGE, "requirements: \"%.64s\" is not a table requirement", type);
}

int ice_metadata_check_requirements(const json_t *metadata, const json_t *requirements, struct err *err)
{
	size_t i;
	json_t *requirement;
	int rc;

	if (!requirements || json_is_null(requirements))
		return 0;
	if (!json_is_array(requirements) || json_array_size(requirements) > ICE_LIST_MAX)
		return err_set(err, ERR_USAGE, "requirements: must be an array of at most %d elements", ICE_LIST_MAX);
	json_array_foreach(requirements, i, requirement)
	{
		rc = check_one(metadata, requirement, err);
		if (rc)
			return rc;
	}
	return 0;
}

bool ice_metadata_asserts_create(const json_t *requirements)
{
	size_t i;
	json_t *requirement;

	json_array_foreach(requirements, i, requirement)
	{
		if (strcmp(json_get_str(requirement, "type", ""), "assert-create") == 0)
			return true;
	}
	return false;
}
