/* src/journal/segment_scan.c — the records of one segment in order, each checked once. */
#include "journal/segment_scan.h"

#include "base/crc.h"
#include "base/env.h"
#include "base/mem.h"

#define READ_BYTES ((size_t)512 << 10)
#define KEEP_BYTES ((size_t)4 << 20) /* a larger buffer, made for one giant record, is given back */

void journal_scan_init(struct segment_scan *scan, int fd, const char *path, uint64_t base, uint64_t limit)
{
	*scan = (struct segment_scan){ .fd = fd,
		                       .path = path,
		                       .base = base,
		                       .pos = base + SEGMENT_HEADER_BYTES,
		                       .limit = limit };
	scan->buf_pos = scan->pos;
}

void journal_scan_free(struct segment_scan *scan)
{
	mem_free(scan->buf);
	scan->buf = NULL;
	scan->cap = scan->n = 0;
}

static int make_room(struct segment_scan *scan, size_t n, struct err *err)
{
	size_t cap = n > READ_BYTES ? n : READ_BYTES;
	uint8_t *p;

	if (cap <= scan->cap && !(scan->cap > KEEP_BYTES && n <= READ_BYTES))
		return ERR_OK;
	p = mem_alloc(cap);
	if (!p)
		return err_nomem(err);
	if (scan->n)
		memcpy(p, scan->buf, scan->n);
	mem_free(scan->buf);
	scan->buf = p;
	scan->cap = cap;
	return ERR_OK;
}

/* Brings bytes pos .. pos+n-1 into the buffer; the caller has checked them against the limit. *p NULL: the file is
 * shorter than that. */
static int need(struct segment_scan *scan, uint64_t pos, size_t n, const uint8_t **p, struct err *err)
{
	size_t want;
	ssize_t got;
	int rc;

	if (pos >= scan->buf_pos && pos + n <= scan->buf_pos + scan->n) {
		*p = scan->buf + (pos - scan->buf_pos);
		return ERR_OK;
	}
	if (pos >= scan->buf_pos && pos < scan->buf_pos + scan->n) {
		scan->n -= (size_t)(pos - scan->buf_pos);
		memmove(scan->buf, scan->buf + (pos - scan->buf_pos), scan->n);
	} else {
		scan->n = 0;
	}
	scan->buf_pos = pos;
	rc = make_room(scan, n, err);
	if (rc)
		return rc;
	want = scan->cap;
	if (scan->limit - pos < want)
		want = (size_t)(scan->limit - pos);
	got = env_pread(scan->fd, scan->buf + scan->n, want - scan->n, pos + scan->n - scan->base);
	if (got < 0)
		return err_set_errno(err, ERR_IO, (int)got, "%s: offset %llu: cannot read", scan->path,
		                     (unsigned long long)(pos + scan->n - scan->base));
	scan->n += (size_t)got;
	*p = scan->n >= n ? scan->buf : NULL;
	return ERR_OK;
}

static bool payload_fits_kind(uint8_t kind, uint32_t n)
{
	switch (kind) {
	case RECORD_RELATION: return n > 4;
	case RECORD_BEGIN: return n == BEGIN_BYTES;
	case RECORD_CHANGES: return n > 4;
	case RECORD_COMMIT: return n == COMMIT_BYTES;
	case RECORD_MARK: return n == MARK_BYTES;
	}
	return false;
}

static int bad(struct segment_scan *scan, const char *why, enum scan_result *result)
{
	scan->bad = why;
	*result = SCAN_BAD;
	return ERR_OK;
}

int journal_scan_next(struct segment_scan *scan, struct record *record, enum scan_result *result, struct err *err)
{
	const uint8_t *p;
	uint32_t n, crc;
	int rc;

	if (scan->pos >= scan->limit) {
		*result = SCAN_END;
		return ERR_OK;
	}
	if (scan->limit - scan->pos < RECORD_HEADER_BYTES)
		return bad(scan, "a record is cut short", result);
	rc = need(scan, scan->pos, RECORD_HEADER_BYTES, &p, err);
	if (rc)
		return rc;
	if (!p)
		return bad(scan, "the file is shorter than it was", result);
	memcpy(&crc, p, 4);
	memcpy(&n, p + 4, 4);
	if (n > RECORD_BYTES_MAX || !payload_fits_kind(p[8], n))
		return bad(scan, "this is no record", result);
	if (scan->limit - scan->pos - RECORD_HEADER_BYTES < n)
		return bad(scan, "a record is cut short", result);
	*record = (struct record){ .pos = scan->pos, .kind = (enum record_kind)p[8], .crc = crc, .n = n };
	if (!scan->skip_changes || record->kind != RECORD_CHANGES) {
		rc = need(scan, scan->pos, RECORD_HEADER_BYTES + (size_t)n, &p, err);
		if (rc)
			return rc;
		if (!p)
			return bad(scan, "the file is shorter than it was", result);
		if (journal_record_crc(scan->pos, p, n) != crc)
			return bad(scan, "the checksum of a record is wrong", result);
		record->payload = p + RECORD_HEADER_BYTES;
	}
	scan->pos += RECORD_HEADER_BYTES + (uint64_t)n;
	*result = SCAN_RECORD;
	return ERR_OK;
}

/* Record of kind and size at p, position pos, whose first or last eight bytes hold `synced`. */
static bool is_proof(const uint8_t *p, size_t left, uint64_t pos, uint64_t bad_pos)
{
	uint32_t n, crc;
	uint64_t synced;

	if (p[8] != RECORD_BEGIN && p[8] != RECORD_MARK)
		return false;
	memcpy(&n, p + 4, 4);
	if (!payload_fits_kind(p[8], n) || left < RECORD_HEADER_BYTES + (size_t)n)
		return false;
	memcpy(&crc, p, 4);
	if (journal_record_crc(pos, p, n) != crc)
		return false;
	memcpy(&synced, p + RECORD_HEADER_BYTES + n - 8, 8); /* the last field of both */
	return synced > bad_pos;
}

/* Every offset is tried: the bad record's length cannot be believed. */
int journal_scan_proves_synced(struct segment_scan *scan, bool *proven, struct err *err)
{
	const size_t whole = RECORD_HEADER_BYTES + BEGIN_BYTES;
	uint64_t pos = scan->pos + 1;
	const uint8_t *p;
	int rc;

	*proven = false;
	while (pos < scan->limit && scan->limit - pos >= RECORD_HEADER_BYTES + MARK_BYTES) {
		size_t left = scan->limit - pos < whole ? (size_t)(scan->limit - pos) : whole;

		rc = need(scan, pos, left, &p, err);
		if (rc || !p)
			return rc;
		left = scan->n - (size_t)(pos - scan->buf_pos);
		for (; left >= whole || (left >= RECORD_HEADER_BYTES + MARK_BYTES && pos + left == scan->limit);
		     pos++, p++, left--) {
			if (is_proof(p, left, pos, scan->pos)) {
				*proven = true;
				return ERR_OK;
			}
		}
	}
	return ERR_OK;
}

uint32_t journal_record_version(const struct record *record)
{
	struct rbuf r = rbuf_of(record->payload, record->n);

	return rbuf_u32_le(&r);
}

int journal_record_relation(const struct record *record, struct relation **out, struct err *err)
{
	struct rbuf r = rbuf_of(record->payload, record->n);
	uint32_t version = rbuf_u32_le(&r);
	int rc = relation_decode(&r, out, err);

	if (rc)
		return rc;
	if (!rbuf_done(&r)) {
		relation_unref(*out);
		return err_set(err, ERR_CORRUPT, "relation record: %zu bytes are left over", rbuf_left(&r));
	}
	(*out)->version = version;
	return ERR_OK;
}

int journal_scan_corrupt(const struct segment_scan *scan, struct err *err)
{
	return err_set(
		err, ERR_CORRUPT,
		"%s: offset %llu: %s; the journal is damaged here. Restore the file, or move the journal folder away and copy the tables again",
		scan->path, (unsigned long long)(scan->pos - scan->base), scan->bad);
}

static const char *follow_begin(struct tx_state *tx, const struct record *record)
{
	struct rbuf r = rbuf_of(record->payload, record->n);

	if (tx->open)
		return "a transaction begins inside another";
	*tx = (struct tx_state){ .open = true };
	tx->head.commit_lsn = rbuf_u64_le(&r);
	tx->head.commit_ts_us = (int64_t)rbuf_u64_le(&r);
	tx->head.xid = rbuf_u32_le(&r);
	tx->chain = crc32c(0, &record->crc, 4);
	return NULL;
}

static const char *follow_commit(struct tx_state *tx, const struct record *record)
{
	struct rbuf r = rbuf_of(record->payload, record->n);
	struct tx_head head = { 0 };
	uint32_t chain;

	head.commit_lsn = rbuf_u64_le(&r);
	head.end_lsn = rbuf_u64_le(&r);
	head.commit_ts_us = (int64_t)rbuf_u64_le(&r);
	head.xid = rbuf_u32_le(&r);
	head.n_changes = rbuf_u64_le(&r);
	chain = rbuf_u32_le(&r);
	if (!tx->open)
		return "a transaction ends that did not begin";
	if (head.commit_lsn != tx->head.commit_lsn || head.xid != tx->head.xid || chain != tx->chain)
		return "the end of a transaction belongs to other records";
	tx->head = head;
	tx->open = false;
	return NULL;
}

const char *journal_tx_follow(struct tx_state *tx, const struct record *record)
{
	uint32_t count;

	switch (record->kind) {
	case RECORD_BEGIN: return follow_begin(tx, record);
	case RECORD_COMMIT: return follow_commit(tx, record);
	case RECORD_CHANGES:
		if (!tx->open)
			return "changes outside a transaction";
		if (record->payload) {
			memcpy(&count, record->payload, 4);
			tx->changes += count;
		}
		break;
	case RECORD_MARK:
		if (tx->open)
			return "a mark inside a transaction";
		break;
	case RECORD_RELATION: break;
	}
	tx->chain = crc32c(tx->chain, &record->crc, 4);
	return NULL;
}
