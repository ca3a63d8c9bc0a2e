/* src/pg/pg_catalog.h — what the source database is and has: identity card, tables, publication, slot. Queries live
 * in pg/sql/. */
#ifndef TARN_PG_PG_CATALOG_H
#define TARN_PG_PG_CATALOG_H

#include "event/relation.h"
#include "pg/pg_conn.h"

struct pg_identity {
	uint64_t system_id;
	uint32_t timeline;
	uint32_t database_oid;
	char database[64];
	uint64_t wal_lsn;
};
/* IDENTIFY_SYSTEM on a replication connection, database oid included */
int pg_identify(struct pg_conn *repl_conn, struct pg_identity *out, struct err *err) TARN_MUST_CHECK;

struct pg_table {
	/* as the catalog shows it now; rel->unsupported says why it cannot be captured (no primary key, identity
	 * other than default, ...) */
	struct relation *rel;
	int64_t rows_estimate; /* reltuples, -1 unknown */
	uint64_t bytes;        /* pg_table_size */
	bool published;        /* is in the publication asked for */
	bool can_select, is_owner;
	/* every column has an exact binary form; one table without makes the whole stream text */
	bool binary_ok;
};
struct pg_tables {
	struct pg_table *tables;
	size_t n;
};
/* Ordinary and partitioned-root tables that match a pattern ("public.*", "sales.order_*", "public.users"), ordered by
 * name. A pattern that matches nothing is ERR_NOT_FOUND naming it and the nearest table. publication may be NULL.
 * System schemas never match. */
int pg_tables_find(struct pg_conn *conn, const char *const *patterns, size_t n_patterns, const char *publication,
                   struct pg_tables *out, struct err *err) TARN_MUST_CHECK;
void pg_tables_free(struct pg_tables *tables);

/* Makes the publication when missing, adds missing tables (insert, update, delete, truncate). ERR_PRIVILEGE carries
 * the exact SQL to run instead. Checks an existing one: all four operations, no row filter or column list on our
 * tables (ERR_UNSUPPORTED). create false: a missing publication or table is ERR_SOURCE_SETUP with the SQL that mends
 * it. Tables with rel->unsupported set are never added: publishing a table without a replica identity makes its
 * updates fail on the source. */
int pg_publication_ensure(struct pg_conn *conn, const char *publication, const struct pg_tables *tables, bool create,
                          struct err *err) TARN_MUST_CHECK;

/* May rows that were there before this column was added hold a value in it (a default, NOT NULL, an identity)? The
 * stream never says. True also when the column is gone again. */
int pg_column_filled(struct pg_conn *conn, uint32_t table_oid, const char *column, bool *filled,
                     struct err *err) TARN_MUST_CHECK;

struct pg_slot {
	bool exists, active, two_phase, temporary;
	char plugin[64], database[64], wal_status[16];
	int active_pid;
	uint64_t restart_lsn, confirmed_flush_lsn; /* 0: null */
	uint64_t retained_bytes;                   /* current WAL - restart_lsn */
	int64_t safe_bytes;                        /* safe_wal_size; -1 null */
};
int pg_slot_inspect(struct pg_conn *conn, const char *slot, struct pg_slot *out, struct err *err) TARN_MUST_CHECK;
/* Creates a pgoutput slot and exports its snapshot, which lives until the next command on repl_conn. Waits for
 * running transactions; who wants to stop waiting calls pg_conn_cancel (ERR_CANCELLED, no slot is left). ERR_SLOT
 * when no slot is free (max_replication_slots), when the name is taken. */
struct pg_export {
	char snapshot[64];
	uint64_t consistent_lsn;
};
int pg_slot_create(struct pg_conn *repl_conn, const char *slot, bool temporary, struct pg_export *out,
                   struct err *err) TARN_MUST_CHECK;
int pg_slot_drop(struct pg_conn *conn, const char *slot, struct err *err) TARN_MUST_CHECK;
/* All that must hold before a stream starts: wal_level, senders, slot plugin, database, two_phase, wal_status. Each
 * failure names the setting and the statement that mends it. */
int pg_source_check(struct pg_conn *conn, const char *slot, struct err *err) TARN_MUST_CHECK;

/* One check of `tarn doctor`: name, whether it holds, what was found, and the SQL or command that mends it ("" when
 * it holds). */
struct pg_finding {
	char name[64];
	bool ok;
	bool warning;
	char found[512];
	char mend[1024];
};
int pg_doctor(struct pg_conn *conn, const char *slot, const char *publication, const char *const *patterns,
              size_t n_patterns, void (*fn)(void *arg, const struct pg_finding *finding), void *arg,
              struct err *err) TARN_MUST_CHECK;

#endif
