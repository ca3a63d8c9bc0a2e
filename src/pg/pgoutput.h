/* src/pg/pgoutput.h — pgoutput protocol version 1 messages (PostgreSQL manual, "Logical Replication Message Formats")
 * to changes.
 *
 * A decoder keeps the relation cache of one session (reset at every reconnect). It fills views into the message.
 * Unknown message kinds, unknown tuple kinds, counts that do not match the relation and trailing bytes are
 * ERR_PROTOCOL. The layout table is at the top of pgoutput.c. */
#ifndef TARN_PG_PGOUTPUT_H
#define TARN_PG_PGOUTPUT_H

#include "event/change.h"

struct pgoutput;

enum pgoutput_kind {
	PGOUTPUT_BEGIN,
	PGOUTPUT_COMMIT,
	PGOUTPUT_RELATION,
	PGOUTPUT_CHANGE,
	PGOUTPUT_TRUNCATE,
	PGOUTPUT_KEEPALIVE,
	PGOUTPUT_IGNORED /* TYPE, ORIGIN */
};

struct pgoutput_msg {
	enum pgoutput_kind kind;
	struct tx_head head;  /* BEGIN (commit_lsn, time, xid), COMMIT (commit_lsn, end_lsn, time) */
	struct change change; /* CHANGE: rel is the cache's; rel->unsupported may be set */
	struct relation *rel; /* RELATION: the new cache entry (borrowed) */
	/* TRUNCATE: those of the cache; oids never announced are left out */
	struct relation *const *truncated;
	size_t n_truncated;
	uint64_t wal_end;
	bool reply; /* KEEPALIVE */
};

struct pgoutput_relcol {
	struct str name;
	bool identity;
	uint32_t type_oid;
	int32_t typmod;
};
/* describe (required) completes a RELATION with what the message lacks: type kinds of non-builtin oids, not_null,
 * source type names, whether the key is the primary key; it sets rel->unsupported when the table cannot be captured.
 * It may query the catalog; results are matched by name and type only. */
typedef int (*pgoutput_describe_fn)(void *ctx, uint32_t oid, char replica_identity, const struct pgoutput_relcol *cols,
                                    uint16_t n_cols, struct str schema, struct str name, struct relation **out,
                                    struct err *err);

struct pgoutput *pgoutput_new(pgoutput_describe_fn describe, void *ctx); /* NULL: no memory */
void pgoutput_free(struct pgoutput *p);
/* One CopyData body ('w' frame with its message, or 'k'). Views live until the next call or until body goes. */
int pgoutput_decode(struct pgoutput *p, struct str body, struct pgoutput_msg *out, struct err *err) TARN_MUST_CHECK;

#endif
