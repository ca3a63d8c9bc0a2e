/* tests/unit/serve/test_sql_version.c — AT clauses to snapshots; the metadata is written by hand after the Iceberg specification (Table Metadata). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "serve/sql_version.h"

/* 1 <- 2 <- 3 <- 4 (current); 2 has expired from the snapshots but not from the log; 9 is of a branch; 3 was written by another writer, without a position. */
static const char text[] =
	"{\"current-snapshot-id\": 4, \"snapshots\": ["
	"{\"snapshot-id\": 4, \"parent-snapshot-id\": 3, \"timestamp-ms\": 4000, \"summary\": {\"operation\": \"append\", \"tarn.lsn\": \"1/0\"}},"
	"{\"snapshot-id\": 1, \"timestamp-ms\": 1000, \"summary\": {\"tarn.lsn\": \"0/FFFFFFFF\"}},"
	"{\"snapshot-id\": 3, \"parent-snapshot-id\": 1, \"timestamp-ms\": 3000, \"summary\": {\"operation\": \"append\"}},"
	"{\"snapshot-id\": 9, \"parent-snapshot-id\": 1, \"timestamp-ms\": 3500, \"summary\": {\"tarn.lsn\": \"0/FFFFFFFF\"}}],"
	"\"snapshot-log\": [{\"snapshot-id\": 1, \"timestamp-ms\": 1000}, {\"snapshot-id\": 2, \"timestamp-ms\": 2000}, {\"snapshot-id\": 3, \"timestamp-ms\": 3000}, {\"snapshot-id\": 4, \"timestamp-ms\": 4000}]}";

static struct err err;

static int find(const char *json, struct sql_ref ref, int64_t *id)
{
	json_t *metadata = json_parse(str_of(json), "test", &err);

	assert_non_null(metadata);
	err_clear(&err);
	int rc = sql_version_find(metadata, &ref, "bank.users", id, &err);
	json_decref(metadata);
	return rc;
}

#define FINDS(want, ...) do { int64_t id; assert_int_equal(find(text, (struct sql_ref){ __VA_ARGS__ }, &id), 0); assert_int_equal(id, want); } while (0)
#define MISSES(json, words, ...) do { int64_t id; assert_int_equal(find(json, (struct sql_ref){ __VA_ARGS__ }, &id), ERR_NOT_FOUND); assert_non_null(strstr(err.text, words)); } while (0)

static void by_version(void **state)
{
	(void)state;
	FINDS(-1, .at = SQL_AT_NOW);
	FINDS(3, .at = SQL_AT_VERSION, .version = 3);
	FINDS(9, .at = SQL_AT_VERSION, .version = 9);
	MISSES(text, "the oldest one kept is 1 of 1970-01-01T00:00:01.000Z", .at = SQL_AT_VERSION, .version = 2);
	MISSES("{}", "no versions yet", .at = SQL_AT_VERSION, .version = 2);
}

static void by_timestamp(void **state)
{
	(void)state;
	FINDS(1, .at = SQL_AT_TIMESTAMP, .timestamp_us = 1000000);
	FINDS(1, .at = SQL_AT_TIMESTAMP, .timestamp_us = 2500000); /* 2 is gone */
	FINDS(3, .at = SQL_AT_TIMESTAMP, .timestamp_us = 3999999);
	FINDS(4, .at = SQL_AT_TIMESTAMP, .timestamp_us = 4000000);
	FINDS(4, .at = SQL_AT_TIMESTAMP, .timestamp_us = INT64_MAX);
	MISSES(text, "the oldest one kept is of 1970-01-01T00:00:01.000Z", .at = SQL_AT_TIMESTAMP, .timestamp_us = 999999);
	MISSES("{\"current-snapshot-id\": -1}", "no versions yet", .at = SQL_AT_TIMESTAMP, .timestamp_us = 1);
}

/* Positions compare as numbers, not as text: 1/0 is behind 0/FFFFFFFF. */
static void by_lsn(void **state)
{
	(void)state;
	FINDS(4, .at = SQL_AT_LSN, .lsn = 0x100000000);
	FINDS(4, .at = SQL_AT_LSN, .lsn = UINT64_MAX);
	FINDS(1, .at = SQL_AT_LSN, .lsn = 0xFFFFFFFF);
	MISSES(text, "the oldest one kept is of 0/FFFFFFFF", .at = SQL_AT_LSN, .lsn = 0xFFFFFFFE);
	MISSES("{}", "no version with a log position", .at = SQL_AT_LSN, .lsn = 5);
	/* a circle of parents ends */
	MISSES("{\"current-snapshot-id\": 1, \"snapshots\": [{\"snapshot-id\": 1, \"parent-snapshot-id\": 1, \"timestamp-ms\": 1, \"summary\": {\"tarn.lsn\": \"0/9\"}}]}", "0/9", .at = SQL_AT_LSN, .lsn = 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(by_version), cmocka_unit_test(by_timestamp), cmocka_unit_test(by_lsn) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
