/* src/pg/pgoutput.c — decoding one CopyData body of a logical replication stream, pgoutput protocol version 1.
 *
 * All integers big endian, strings zero-ended. Bodies:
 *   'w' XLogData    u64 start, u64 end, i64 server time, then one message
 *   'k' keepalive   u64 walEnd, i64 server time, u8 reply now
 * Messages:
 *   'B' begin       u64 final_lsn, i64 commit time, u32 xid               final_lsn is the start of the commit record
 *   'C' commit      u8 0, u64 commit_lsn, u64 end_lsn, i64 commit time    commit_lsn equals BEGIN's final_lsn
 *   'O' origin      u64 lsn, name
 *   'R' relation    u32 oid, schema ("" is pg_catalog), name, u8 identity (d n f i), u16 count, per column u8 flags
 *                   (1 identity), name, u32 type oid, i32 typmod
 *   'Y' type        u32 oid, schema, name
 *   'I' insert      u32 oid, 'N' tuple
 *   'U' update      u32 oid, ['K' tuple | 'O' tuple,] 'N' tuple
 *   'D' delete      u32 oid, 'K' tuple | 'O' tuple
 *   'T' truncate    u32 count, u8 options (1 cascade, 2 restart identity), u32 oid each
 *   'M' message     u8 flags, u64 lsn, prefix, u32 length, bytes
 *   tuple           u16 count, per column 'n' null, 'u' unchanged TOAST, 't' or 'b' with u32 length and bytes
 * In a 'K' tuple 'n' means "not part of the identity". Times count microseconds from 2000-01-01.
 *
 * Rules kept here: rows, TRUNCATE and COMMIT only inside BEGIN..COMMIT and the two commit positions equal; a tuple
 * has as many values as its relation has columns; a row's relation was announced; a RELATION always replaces what was
 * known; nothing trails a message. */
#include "pg/pgoutput.h"

#include <inttypes.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/rbuf.h"

#define PG_EPOCH_US INT64_C(946684800000000) /* 1970-01-01 to 2000-01-01 */
#define COLUMNS_MAX 1664                     /* MaxTupleAttributeNumber; a table has at most 1600 */
#define TRUNCATED_MAX (1u << 20)

struct pgoutput {
	pgoutput_describe_fn describe;
	void *describe_ctx;
	struct map *relations; /* key: the oid's four bytes; owns a reference each */
	struct relation *last; /* the relation of the row before: rows come in runs. Borrowed */
	struct datum *datums;  /* old tuple, then new tuple: n_datums each */
	size_t n_datums;
	struct pgoutput_relcol *cols; /* of the RELATION being decoded */
	size_t cap_cols;
	struct relation **truncated;
	size_t cap_truncated;
	bool in_tx;
	struct tx_head head;
};

static void unref_relation(void *rel) { relation_unref(rel); }

struct pgoutput *pgoutput_new(pgoutput_describe_fn describe, void *ctx)
{
	struct pgoutput *p = mem_zero(sizeof *p);

	if (!p)
		return NULL;
	p->describe = describe;
	p->describe_ctx = ctx;
	p->relations = map_new();
	if (!p->relations) {
		mem_free(p);
		return NULL;
	}
	return p;
}

void pgoutput_free(struct pgoutput *p)
{
	if (!p)
		return;
	map_free(p->relations, unref_relation);
	mem_free(p->datums);
	mem_free(p->cols);
	mem_free(p->truncated);
	mem_free(p);
}

static __attribute__((cold, noinline)) int broken(struct err *err, char tag, const char *why)
{
	return err_set(
		err, ERR_PROTOCOL,
		"replication stream: message '%c': %s. The server or a proxy in between does not speak pgoutput version 1; nothing of this transaction was kept",
		tag, why);
}

static inline int finish(const struct rbuf *r, char tag, struct err *err)
{
	if (__builtin_expect(rbuf_done(r), 1))
		return 0;
	return broken(err, tag, rbuf_ok(r) ? "bytes are left over" : "it is cut short");
}

/* -- relations */

static struct relation *find_relation(struct pgoutput *p, uint32_t oid)
{
	if (__builtin_expect(p->last && p->last->id == oid, 1))
		return p->last;
	return map_get(p->relations, str_view(&oid, sizeof oid));
}

static int grow_datums(struct pgoutput *p, size_t n_columns)
{
	struct datum *datums;

	if (n_columns == 0)
		n_columns = 1; /* a table may have no columns; its rows still are not NULL */
	if (n_columns <= p->n_datums)
		return 0;
	datums = mem_array(2 * n_columns, sizeof *datums);
	if (!datums)
		return -1;
	mem_free(p->datums);
	p->datums = datums;
	p->n_datums = n_columns;
	return 0;
}

static int read_columns(struct pgoutput *p, struct rbuf *r, uint16_t n, struct err *err)
{
	if (n > COLUMNS_MAX)
		return broken(err, 'R', "it has more columns than a table can have");
	if (vec_grow(&p->cols, &p->cap_cols, n ? n : 1, sizeof *p->cols))
		return err_nomem(err);
	for (uint16_t i = 0; i < n; i++) {
		uint8_t flags = rbuf_u8(r);

		if (flags > 1)
			return broken(err, 'R', "a column has unknown flags");
		p->cols[i].identity = flags == 1;
		p->cols[i].name = rbuf_cstr(r);
		p->cols[i].type_oid = rbuf_u32_be(r);
		p->cols[i].typmod = (int32_t)rbuf_u32_be(r);
	}
	return 0;
}

static int keep_relation(struct pgoutput *p, uint32_t oid, struct relation *rel, struct err *err)
{
	void *old = NULL;

	if (grow_datums(p, rel->n_columns) || map_put(p->relations, str_view(&oid, sizeof oid), rel, &old)) {
		relation_unref(rel);
		return err_nomem(err);
	}
	relation_unref(old);
	p->last = rel;
	return 0;
}

static int decode_relation(struct pgoutput *p, struct rbuf *r, struct pgoutput_msg *out, struct err *err)
{
	uint32_t oid = rbuf_u32_be(r);
	struct str schema = rbuf_cstr(r), name = rbuf_cstr(r);
	char identity = (char)rbuf_u8(r);
	uint16_t n = rbuf_u16_be(r);
	struct relation *rel = NULL;
	int rc;

	if (!rbuf_ok(r))
		return broken(err, 'R', "it is cut short");
	if (identity != 'd' && identity != 'n' && identity != 'f' && identity != 'i')
		return broken(err, 'R', "the replica identity is unknown");
	if ((rc = read_columns(p, r, n, err)) || (rc = finish(r, 'R', err)))
		return rc;
	if (schema.n == 0)
		schema = STR_LIT("pg_catalog");
	if ((rc = p->describe(p->describe_ctx, oid, identity, p->cols, n, schema, name, &rel, err)))
		return rc;
	CHECK(rel && rel->n_columns == n && rel->id == oid, "a described relation has the message's columns and oid");
	p->last = NULL; /* it may be the one that is replaced */
	if ((rc = keep_relation(p, oid, rel, err)))
		return rc;
	out->kind = PGOUTPUT_RELATION;
	out->rel = rel;
	return 0;
}

/* -- rows */

static int read_tuple(struct rbuf *r, const struct relation *rel, struct datum *datums, char tag, struct err *err)
{
	uint16_t n = rbuf_u16_be(r);

	if (!rbuf_ok(r))
		return broken(err, tag, "it is cut short");
	if (n != rel->n_columns)
		return err_set(
			err, ERR_PROTOCOL,
			"replication stream: a row of table \"%s\".\"%s\" has %u values, its relation message %u columns",
			rel->schema, rel->name, n, rel->n_columns);
	for (uint16_t i = 0; i < n; i++) {
		struct datum *datum = &datums[i];

		datum->kind = rbuf_u8(r);
		switch (datum->kind) {
		case DATUM_TEXT:
		case DATUM_BINARY:
			datum->n = rbuf_u32_be(r);
			datum->p = rbuf_take(r, datum->n);
			break;
		case DATUM_NULL:
		case DATUM_UNCHANGED:
			datum->n = 0;
			datum->p = NULL;
			break;
		default: return broken(err, tag, rbuf_ok(r) ? "a value is of an unknown kind" : "it is cut short");
		}
		if (!rbuf_ok(r))
			return broken(err, tag, "it is cut short");
	}
	return 0;
}

static const char *tuple_missing(char tag)
{
	return tag == 'D' ? "the old tuple ('K' or 'O') is missing" : "the new tuple ('N') is missing";
}

static int decode_row(struct pgoutput *p, struct rbuf *r, char tag, struct pgoutput_msg *out, struct err *err)
{
	uint32_t oid = rbuf_u32_be(r);
	uint8_t part = rbuf_u8(r);
	struct relation *rel = find_relation(p, oid);
	int rc;

	if (!rbuf_ok(r))
		return broken(err, tag, "it is cut short");
	if (!p->in_tx)
		return broken(err, tag, "it is outside of a transaction");
	if (!rel)
		return err_set(err, ERR_PROTOCOL,
		               "replication stream: message '%c' is for a relation (oid %" PRIu32
		               ") that was never announced",
		               tag, oid);
	p->last = rel;
	out->change = (struct change){ .op = (uint8_t)tag, .rel = rel };
	if ((part == 'K' || part == 'O') && tag != 'I') {
		if ((rc = read_tuple(r, rel, p->datums, tag, err)))
			return rc;
		out->change.old_key = p->datums;
		if (tag == 'U')
			part = rbuf_u8(r);
	} else if (tag == 'D') {
		return broken(err, tag, tuple_missing(tag));
	}
	if (tag != 'D') {
		if (part != 'N')
			return broken(err, tag, rbuf_ok(r) ? tuple_missing(tag) : "it is cut short");
		if ((rc = read_tuple(r, rel, p->datums + p->n_datums, tag, err)))
			return rc;
		out->change.row = p->datums + p->n_datums;
	}
	out->kind = PGOUTPUT_CHANGE;
	return finish(r, tag, err);
}

static int decode_truncate(struct pgoutput *p, struct rbuf *r, struct pgoutput_msg *out, struct err *err)
{
	uint32_t n = rbuf_u32_be(r);
	uint8_t options = rbuf_u8(r);
	size_t found = 0;

	if (!rbuf_ok(r) || n > rbuf_left(r) / 4)
		return broken(err, 'T', "it is cut short");
	if (!p->in_tx)
		return broken(err, 'T', "it is outside of a transaction");
	if (options > 3 || n > TRUNCATED_MAX)
		return broken(err, 'T', "unknown options or too many tables");
	if (vec_grow(&p->truncated, &p->cap_truncated, n ? n : 1, sizeof *p->truncated))
		return err_nomem(err);
	for (uint32_t i = 0; i < n; i++) {
		struct relation *rel = find_relation(p, rbuf_u32_be(r));

		if (rel) /* a table nobody announced is not one of ours */
			p->truncated[found++] = rel;
	}
	out->kind = PGOUTPUT_TRUNCATE;
	out->truncated = p->truncated;
	out->n_truncated = found;
	return finish(r, 'T', err);
}

/* -- transactions */

static int decode_begin(struct pgoutput *p, struct rbuf *r, struct pgoutput_msg *out, struct err *err)
{
	struct tx_head head = { .commit_lsn = rbuf_u64_be(r) };
	int rc;

	head.commit_ts_us = (int64_t)(rbuf_u64_be(r) + (uint64_t)PG_EPOCH_US);
	head.xid = rbuf_u32_be(r);
	if ((rc = finish(r, 'B', err)))
		return rc;
	if (p->in_tx)
		return broken(err, 'B', "the transaction before it did not end");
	p->in_tx = true;
	p->head = out->head = head;
	out->kind = PGOUTPUT_BEGIN;
	return 0;
}

static int decode_commit(struct pgoutput *p, struct rbuf *r, struct pgoutput_msg *out, struct err *err)
{
	struct tx_head head = p->head;
	uint8_t flags = rbuf_u8(r);
	int rc;

	head.commit_lsn = rbuf_u64_be(r);
	head.end_lsn = rbuf_u64_be(r);
	head.commit_ts_us = (int64_t)(rbuf_u64_be(r) + (uint64_t)PG_EPOCH_US);
	if ((rc = finish(r, 'C', err)))
		return rc;
	if (flags != 0)
		return broken(err, 'C', "it has unknown flags");
	if (!p->in_tx)
		return broken(err, 'C', "no transaction is open");
	if (head.commit_lsn != p->head.commit_lsn || head.end_lsn <= head.commit_lsn)
		return broken(err, 'C', "its positions are not those of the transaction that is open");
	p->in_tx = false;
	out->head = head;
	out->kind = PGOUTPUT_COMMIT;
	return 0;
}

/* TYPE, ORIGIN and logical messages say nothing that a row needs; their form is checked all the same. */
static int decode_ignored(struct rbuf *r, char tag, struct pgoutput_msg *out, struct err *err)
{
	switch (tag) {
	case 'Y':
		(void)rbuf_u32_be(r);
		(void)rbuf_cstr(r);
		(void)rbuf_cstr(r);
		break;
	case 'O':
		(void)rbuf_u64_be(r);
		(void)rbuf_cstr(r);
		break;
	default: /* 'M' */
		(void)rbuf_u8(r);
		(void)rbuf_u64_be(r);
		(void)rbuf_cstr(r);
		(void)rbuf_bytes(r, rbuf_u32_be(r));
		break;
	}
	out->kind = PGOUTPUT_IGNORED;
	return finish(r, tag, err);
}

static __attribute__((cold, noinline)) int unknown_message(uint8_t tag, struct err *err)
{
	switch (tag) {
	case 'S':
	case 'E':
	case 'c':
	case 'A':
		return err_set(
			err, ERR_PROTOCOL,
			"replication stream: message '%c' belongs to streaming of transactions in progress, which was not asked for",
			tag);
	case 'b':
	case 'P':
	case 'K':
	case 'r':
	case 'p':
		return err_set(
			err, ERR_PROTOCOL,
			"replication stream: message '%c' belongs to two-phase commit: the slot was created with two_phase, which Tarn does not read. Drop the slot and have Tarn create its own",
			tag);
	default:
		return err_set(err, ERR_PROTOCOL,
		               "replication stream: message kind 0x%02x is unknown to pgoutput version 1", tag);
	}
}

static int decode_message(struct pgoutput *p, struct rbuf *r, struct pgoutput_msg *out, struct err *err)
{
	uint8_t tag = rbuf_u8(r);

	if (!rbuf_ok(r))
		return broken(err, 'w', "it holds no message");
	switch (tag) {
	case 'I':
	case 'U':
	case 'D': return decode_row(p, r, (char)tag, out, err);
	case 'B': return decode_begin(p, r, out, err);
	case 'C': return decode_commit(p, r, out, err);
	case 'R': return decode_relation(p, r, out, err);
	case 'T': return decode_truncate(p, r, out, err);
	case 'Y':
	case 'O':
	case 'M': return decode_ignored(r, (char)tag, out, err);
	default: return unknown_message(tag, err);
	}
}

static int decode_keepalive(struct rbuf *r, struct pgoutput_msg *out, struct err *err)
{
	uint8_t reply;

	out->wal_end = rbuf_u64_be(r);
	(void)rbuf_u64_be(r); /* the server's clock */
	reply = rbuf_u8(r);
	out->reply = reply == 1;
	out->kind = PGOUTPUT_KEEPALIVE;
	if (reply > 1)
		return broken(err, 'k', "it has unknown flags");
	return finish(r, 'k', err);
}

int pgoutput_decode(struct pgoutput *p, struct str body, struct pgoutput_msg *out, struct err *err)
{
	struct rbuf r = rbuf_of(body.p, body.n);
	uint8_t tag = rbuf_u8(&r);

	out->rel = NULL;
	out->truncated = NULL;
	out->n_truncated = 0;
	out->reply = false;
	if (__builtin_expect(tag == 'w', 1)) {
		/* start: 0/0 for RELATION, TYPE and ORIGIN; no name for anything */
		(void)rbuf_take(&r, 8);
		out->wal_end = rbuf_u64_be(&r);
		(void)rbuf_take(&r, 8); /* the server's clock */
		return decode_message(p, &r, out, err);
	}
	if (tag == 'k')
		return decode_keepalive(&r, out, err);
	if (!rbuf_ok(&r))
		return err_set(err, ERR_PROTOCOL, "replication stream: an empty frame");
	return err_set(err, ERR_PROTOCOL, "replication stream: frame kind 0x%02x is unknown", tag);
}
