/* src/journal/segment_scan.h — the records of one segment in order, each checked once. Private to journal/.
 *
 * Used by recovery, readers and `tarn journal check`. Records are views into the scan's buffer, valid until the next
 * call. The limit is never read past: a writer may be appending behind it. */
#ifndef TARN_JOURNAL_SEGMENT_SCAN_H
#define TARN_JOURNAL_SEGMENT_SCAN_H

#include "journal/segment.h"

struct record {
	uint64_t pos;
	enum record_kind kind;
	uint32_t crc;
	uint32_t n;             /* payload bytes */
	const uint8_t *payload; /* NULL when skipped */
};

struct segment_scan {
	int fd;            /* borrowed */
	const char *path;  /* borrowed; for messages */
	uint64_t base;     /* position of the file's byte 0 */
	uint64_t pos;      /* of the next record */
	uint64_t limit;    /* position where reading ends; may grow */
	bool skip_changes; /* CHANGES records are stepped over, unread and unchecked */
	uint8_t *buf;      /* owned */
	size_t cap, n;
	uint64_t buf_pos; /* position of buf[0] */
	const char *bad;  /* SCAN_BAD: why */
};

enum scan_result { SCAN_RECORD, SCAN_END, SCAN_BAD };

/* at the first record */
void journal_scan_init(struct segment_scan *scan, int fd, const char *path, uint64_t base, uint64_t limit);
void journal_scan_free(struct segment_scan *scan);
/* SCAN_BAD leaves pos at the bad record. Errors are of reading and memory. */
int journal_scan_next(struct segment_scan *scan, struct record *record, enum scan_result *result,
                      struct err *err) TARN_MUST_CHECK;
/* After SCAN_BAD: does a BEGIN or MARK behind say that the bad place had been synced? */
int journal_scan_proves_synced(struct segment_scan *scan, bool *proven, struct err *err) TARN_MUST_CHECK;
/* The relation of a RELATION record, its version set. ERR_CORRUPT does not name the place: the caller prepends it. */
int journal_record_relation(const struct record *record, struct relation **out, struct err *err) TARN_MUST_CHECK;
uint32_t journal_record_version(const struct record *record); /* of the relation, without decoding it */
/* ERR_CORRUPT with file, offset and scan->bad */
int journal_scan_corrupt(const struct segment_scan *scan, struct err *err);

/* The transaction around records: one value follows a scan and says what is out of order. */
struct tx_state {
	bool open;
	struct tx_head head;
	uint32_t chain;
	uint64_t changes;
};

/* Takes the next record into account; NULL, or what is wrong with it. RELATION payloads are not looked at. */
const char *journal_tx_follow(struct tx_state *tx, const struct record *record);

#endif
