/* tests/fuzz/fuzz_journal.c — a segment of the journal: its header, records, transactions, relations and changes.
 *
 * Byte 0 says how the rest, a segment file, is taken: even, as it is; odd, with the header's and all records' checksums
 * made right first, so that what they protect is read too. */
#include <string.h>

#include "base/crc.h"
#include "base/env.h"
#include "base/mem.h"
#include "event/change.h"
#include "journal/relation_set.h"
#include "journal/segment_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint8_t *file;
static size_t file_bytes;
static uint64_t base; /* position of the file's byte 0, as the header says it */

static ssize_t pread_file(int fd, void *buf, size_t n, uint64_t offset)
{
	(void)fd;
	if (offset >= file_bytes)
		return 0;
	n = n < file_bytes - offset ? n : file_bytes - (size_t)offset;
	memcpy(buf, file + offset, n);
	return (ssize_t)n;
}

static void mend_checksums(void)
{
	uint32_t crc = file_bytes >= SEGMENT_HEADER_BYTES ? crc32c(0, file, SEGMENT_HEADER_BYTES - 4) : 0;
	size_t at = SEGMENT_HEADER_BYTES;

	if (file_bytes < SEGMENT_HEADER_BYTES)
		return;
	memcpy(file + SEGMENT_HEADER_BYTES - 4, &crc, 4);
	while (file_bytes - at >= RECORD_HEADER_BYTES) {
		uint32_t payload;

		memcpy(&payload, file + at + 4, 4);
		if (payload > file_bytes - at - RECORD_HEADER_BYTES)
			return;
		crc = journal_record_crc(base + at, file + at, payload);
		memcpy(file + at, &crc, 4);
		at += RECORD_HEADER_BYTES + payload;
	}
}

struct reading {
	struct relation_set relations;
	struct change_scratch scratch;
	struct tx_state tx;
	uint32_t sum; /* of every byte handed out: a sanitizer looks at each */
};

static const struct relation *find_relation(void *ctx, uint32_t version)
{
	struct relation_entry *entry = journal_relations_find(&((struct reading *)ctx)->relations, version);

	return entry ? entry->rel : NULL;
}

static void take_relation(struct reading *reading, struct rbuf *r)
{
	struct relation *rel;
	struct err err;
	uint32_t version = rbuf_u32_le(r);

	if (relation_decode(r, &rel, &err))
		return;
	rel->version = version;
	for (uint16_t i = 0; i < rel->n_columns; i++)
		reading->sum += (uint32_t)strlen(rel->columns[i].name);
	if (journal_relations_find(&reading->relations, version) ||
	    !journal_relations_put(&reading->relations, version, rel, 0))
		relation_unref(rel);
}

static void take_tuple(struct reading *reading, const struct relation *rel, const struct datum *tuple)
{
	for (uint16_t i = 0; tuple && i < rel->n_columns; i++)
		if (tuple[i].kind == DATUM_TEXT || tuple[i].kind == DATUM_BINARY)
			reading->sum = crc32c(reading->sum, tuple[i].p, tuple[i].n);
}

static void take_changes(struct reading *reading, struct rbuf *r)
{
	struct change change;
	struct err err;

	for (uint32_t left = rbuf_u32_le(r); left > 0; left--) {
		if (change_decode(r, &reading->scratch, find_relation, reading, &change, &err))
			return;
		take_tuple(reading, change.rel, change.old_key);
		take_tuple(reading, change.rel, change.row);
	}
}

static void read_records(struct reading *reading)
{
	struct segment_scan scan;
	struct record record;
	enum scan_result result;
	struct err err;
	bool proven;

	journal_scan_init(&scan, 3, "segment", base, base + file_bytes);
	while (journal_scan_next(&scan, &record, &result, &err) == 0 && result == SCAN_RECORD) {
		/* its own block: a read past the end is seen */
		uint8_t *payload = mem_alloc(record.n);
		struct rbuf r = rbuf_of(payload, record.n);

		if (!payload)
			break;
		(void)journal_tx_follow(
			&reading->tx,
			&record); /* a mended record seldom fits its transaction: its bytes are read all the same */
		memcpy(payload, record.payload, record.n);
		if (record.kind == RECORD_RELATION)
			take_relation(reading, &r);
		else if (record.kind == RECORD_CHANGES)
			take_changes(reading, &r);
		mem_free(payload);
	}
	if (result == SCAN_BAD && journal_scan_proves_synced(&scan, &proven, &err) == 0)
		journal_scan_corrupt(&scan, &err);
	journal_scan_free(&scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct env_ops memory = env_os;
	struct reading reading = { 0 };
	struct segment_header header;
	struct err err;

	if (n < 2 || !(file = mem_alloc(n - 1)))
		return 0;
	file_bytes = n - 1;
	memcpy(file, data + 1, file_bytes);
	base = 0;
	if (file_bytes >= SEGMENT_HEADER_BYTES)
		memcpy(&base, file + 24, 8);
	base &= UINT64_MAX >> 8; /* a journal of 72 petabytes */
	if (data[0] & 1)
		mend_checksums();
	memory.pread = pread_file;
	env_install(&memory);
	if (journal_segment_read(3, "segment", base, &header, &err) == 0)
		read_records(&reading);
	env_install(NULL);
	change_scratch_free(&reading.scratch);
	journal_relations_free(&reading.relations);
	mem_free(file);
	return 0;
}
