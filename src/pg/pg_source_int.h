/* src/pg/pg_source_int.h — the server settings and rights that capture depends on, for the checks of slot and doctor. */
#ifndef TARN_PG_PG_SOURCE_INT_H
#define TARN_PG_PG_SOURCE_INT_H

#include "pg/pg_conn.h"

struct pg_source_facts {
	char wal_level[16], user[64], database[64], version[64], encoding[32];
	int64_t max_slots, slots, max_senders, senders;
	int64_t slot_keep_mb;      /* max_slot_wal_keep_size, -1 unlimited */
	int64_t sender_timeout_ms; /* wal_sender_timeout, 0 off */
	bool may_replicate, may_create, in_recovery;
};
int pg_source_facts(struct pg_conn *conn, struct pg_source_facts *out, struct err *err) TARN_MUST_CHECK;

#endif
