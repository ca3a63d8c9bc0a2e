/* src/event/change.h — one change of one row (or TRUNCATE), and the transaction around it.
 *
 * A change is a set of views: tuples and bytes are borrowed from the message or journal record it was decoded from,
 * until the next one is read. Values stay in the source's own encoding (struct datum) until they are put into a
 * column, so that the journal keeps what the source said, bit by bit, and conversion happens once. */
#ifndef TARN_EVENT_CHANGE_H
#define TARN_EVENT_CHANGE_H

#include "event/relation.h"

enum datum_kind {
	DATUM_NULL = 'n',
	DATUM_UNCHANGED = 'u', /* TOAST value the source did not send: neither value nor null */
	DATUM_TEXT = 't',      /* PostgreSQL's text output */
	DATUM_BINARY = 'b',    /* PostgreSQL's binary (send) output */
};

struct datum {
	const uint8_t *p;
	uint32_t n;
	uint8_t kind; /* enum datum_kind */
};

enum change_op { OP_INSERT = 'I', OP_UPDATE = 'U', OP_DELETE = 'D', OP_TRUNCATE = 'T' };

struct change {
	uint8_t op; /* enum change_op */
	/* 0.. within the transaction, counted over all relations; a TRUNCATE of three tables takes three */
	uint64_t ordinal;
	const struct relation *rel; /* borrowed */
	/* rel->n_columns entries, only key columns meaningful; NULL: key unchanged (UPDATE) or INSERT, TRUNCATE.
	 * DELETE always has it. */
	const struct datum *old_key;
	const struct datum *row; /* rel->n_columns entries; NULL for DELETE and TRUNCATE */
};

struct tx_head {
	/* start of the commit record: orders transactions, compared with snapshots and table positions */
	uint64_t commit_lsn;
	/* first byte behind the commit record: what is confirmed to the source; 0 in BEGIN records */
	uint64_t end_lsn;
	int64_t commit_ts_us; /* since 1970, source's clock */
	uint32_t xid;
	uint64_t n_changes; /* known at COMMIT only */
};

/* Durable form of one change, without ordinal (it is implied by the order). Layout, little endian:
 *   u8 op, u8 flags (1 old_key, 2 row), u32 relation version, then old_key and row if flagged;
 *   a tuple is u16 count and per datum: u8 kind, and for 't' and 'b' u32 length and bytes. */
void change_encode(const struct change *change, struct wbuf *out);
/* Decodes one change at *in. `scratch` holds 2 * n_columns datums (the caller sizes it by relation); find_rel maps a
 * version to a relation. ERR_CORRUPT on malformed bytes or unknown version. change->ordinal is left alone. */
struct change_scratch {
	struct datum *datums;
	size_t cap;
};
typedef const struct relation *(*find_relation_fn)(void *ctx, uint32_t version);
int change_decode(struct rbuf *in, struct change_scratch *scratch, find_relation_fn find, void *ctx, struct change *out,
                  struct err *err) TARN_MUST_CHECK;
void change_scratch_free(struct change_scratch *scratch);

#endif
