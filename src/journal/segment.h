/* src/journal/segment.h — one file of the journal: its header, its name and the frame around a record. Private to
 * journal/ (and its tests).
 *
 * A position is a byte's place in the journal since its very first byte; it never goes back. A segment's name is the
 * position of its first byte as 20 decimal digits and ".seg", and the next segment's name is that plus the file's
 * size: a missing file is seen by names alone. All integers are little endian.
 *
 * Header, 256 bytes:
 *
 *   offset size
 *      0    8   magic "TARNJRNL"
 *      8    4   format version, 1
 *     12    4   header bytes, 256
 *     16    8   segment number, 1 for the first
 *     24    8   position of byte 0
 *     32    8   commit_lsn of the last transaction before this segment; 0: none
 *     40    8   end_lsn of it
 *     48    4   next relation version: versions are never reused, even when their relations are trimmed
 *     52    4   timeline
 *     56    8   system id
 *     64    4   database oid
 *     68    4   zero
 *     72    8   created at, microseconds since 1970
 *     80   64   source name, zero-padded
 *    144  108   zero
 *    252    4   CRC-32C of bytes 0..251
 *
 * Then records, without gaps:
 *
 *      0    4   CRC-32C over the record's position (8 bytes) and everything behind this field. The position is in it
 *               so that bytes which lie elsewhere (an old copy, a row that holds a journal file) are never a record.
 *      4    4   payload bytes
 *      8    1   kind
 *      9        payload
 *
 *   RELATION  u32 version, relation_encode. In front of the first change that uses it; each segment starts with the
 *             current ones.
 *   BEGIN     u64 commit_lsn, i64 commit_ts_us, u32 xid, u64 synced: everything before this position was synced when
 *             the record was made
 *   CHANGES   u32 count, change_encode of each
 *   COMMIT    u64 commit_lsn, u64 end_lsn, i64 commit_ts_us, u32 xid, u64 changes, u32 chain: CRC-32C over the CRC
 *             fields of all records from BEGIN to here, so that a transaction is valid as a whole or not at all
 *   MARK      u64 synced (as in BEGIN); written at a clean close
 *
 * Recovery (recovery.c): a segment is made under a temporary name and renamed when its header and first relations are
 * synced, and only after the segment before it was synced as a whole. So only the last segment can have an unsynced
 * tail. There the first bad record ends the content, together with the transaction it interrupts, unless a later
 * BEGIN or MARK proves by its `synced` that the bad place had been synced: then it is damage, not a torn tail.
 * (Unsynced pages reach the disk in any order, so a good record behind a bad one proves nothing.) */
#ifndef TARN_JOURNAL_SEGMENT_H
#define TARN_JOURNAL_SEGMENT_H

#include "journal/journal.h"

#define SEGMENT_HEADER_BYTES 256
#define SEGMENT_FORMAT 1
#define SEGMENT_NAME_MAX 32
#define RECORD_HEADER_BYTES 9
#define RECORD_BYTES_MAX ((uint32_t)0x7FFFFFFF) /* payload; PostgreSQL's largest row is 1 GB */
#define BLOCK_BYTES ((size_t)256 << 10)         /* a CHANGES record ends behind this */

enum record_kind { RECORD_RELATION = 1, RECORD_BEGIN, RECORD_CHANGES, RECORD_COMMIT, RECORD_MARK };

#define BEGIN_BYTES 28
#define COMMIT_BYTES 40
#define MARK_BYTES 8

struct segment_header {
	uint64_t number, base;
	struct journal_end previous;
	uint32_t next_version;
	struct journal_identity identity;
	int64_t created_us;
};

void journal_segment_name(uint64_t base, char out[SEGMENT_NAME_MAX]);
bool journal_segment_parse_name(const char *name, uint64_t *base);
void journal_segment_encode(const struct segment_header *header, uint8_t out[SEGMENT_HEADER_BYTES]);
/* Reads and checks the header of an open file; `base` is the position the name says. */
int journal_segment_read(int fd, const char *path, uint64_t base, struct segment_header *out,
                         struct err *err) TARN_MUST_CHECK;

/* A record in a buffer whose byte 0 has position `origin`: start answers the offset to give to finish; the payload
 * goes between. finish answers the CRC field. A failed buffer makes both do nothing. */
size_t journal_record_start(struct wbuf *out, enum record_kind kind);
uint32_t journal_record_finish(struct wbuf *out, size_t at, uint64_t origin);
uint32_t journal_record_crc(uint64_t pos, const uint8_t *record, size_t payload_bytes); /* of a whole record */

#endif
