/* src/journal/segment.c — one file of the journal: its header, its name and the frame around a record (layout in
 * segment.h). */
#include "journal/segment.h"

#include <stdio.h>

#include "base/crc.h"
#include "base/env.h"

static const char magic[8] = { 'T', 'A', 'R', 'N', 'J', 'R', 'N', 'L' };

void journal_segment_name(uint64_t base, char out[SEGMENT_NAME_MAX])
{
	snprintf(out, SEGMENT_NAME_MAX, "%020llu.seg", (unsigned long long)base);
}

bool journal_segment_parse_name(const char *name, uint64_t *base)
{
	return strlen(name) == 24 && strcmp(name + 20, ".seg") == 0 && str_to_u64(str_view(name, 20), base);
}

static void put_u32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }
static void put_u64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }

void journal_segment_encode(const struct segment_header *header, uint8_t out[SEGMENT_HEADER_BYTES])
{
	memset(out, 0, SEGMENT_HEADER_BYTES);
	memcpy(out, magic, 8);
	put_u32(out + 8, SEGMENT_FORMAT);
	put_u32(out + 12, SEGMENT_HEADER_BYTES);
	put_u64(out + 16, header->number);
	put_u64(out + 24, header->base);
	put_u64(out + 32, header->previous.commit_lsn);
	put_u64(out + 40, header->previous.end_lsn);
	put_u32(out + 48, header->next_version);
	put_u32(out + 52, header->identity.timeline);
	put_u64(out + 56, header->identity.system_id);
	put_u32(out + 64, header->identity.database_oid);
	put_u64(out + 72, (uint64_t)header->created_us);
	memcpy(out + 80, header->identity.source, strnlen(header->identity.source, 63));
	put_u32(out + 252, crc32c(0, out, 252));
}

static int decode(const uint8_t *p, const char *path, uint64_t base, struct segment_header *out, struct err *err)
{
	struct rbuf r = rbuf_of(p, SEGMENT_HEADER_BYTES);
	uint32_t format, bytes, crc;

	if (memcmp(rbuf_take(&r, 8), magic, 8) != 0)
		return err_set(err, ERR_CORRUPT, "%s: offset 0: not a journal segment", path);
	format = rbuf_u32_le(&r);
	/* The version is looked at before the checksum: another format may have it elsewhere. */
	if (format != SEGMENT_FORMAT)
		return err_set(
			err, ERR_UNSUPPORTED,
			"%s has journal format %u, this program reads format %u: use the version of tarn that wrote it",
			path, format, SEGMENT_FORMAT);
	memcpy(&crc, p + 252, 4);
	if (crc != crc32c(0, p, 252))
		return err_set(err, ERR_CORRUPT, "%s: offset 0: the checksum of the segment header is wrong", path);
	bytes = rbuf_u32_le(&r);
	out->number = rbuf_u64_le(&r);
	out->base = rbuf_u64_le(&r);
	out->previous.commit_lsn = rbuf_u64_le(&r);
	out->previous.end_lsn = rbuf_u64_le(&r);
	out->next_version = rbuf_u32_le(&r);
	out->identity.timeline = rbuf_u32_le(&r);
	out->identity.system_id = rbuf_u64_le(&r);
	out->identity.database_oid = rbuf_u32_le(&r);
	rbuf_u32_le(&r);
	out->created_us = (int64_t)rbuf_u64_le(&r);
	memcpy(out->identity.source, rbuf_bytes(&r, 64).p, 64);
	out->identity.source[63] = '\0';
	if (bytes != SEGMENT_HEADER_BYTES)
		return err_set(err, ERR_CORRUPT, "%s: offset 12: header of %u bytes", path, bytes);
	if (out->base != base)
		return err_set(err, ERR_CORRUPT, "%s: the file was renamed: it starts at position %llu", path,
		               (unsigned long long)out->base);
	return ERR_OK;
}

int journal_segment_read(int fd, const char *path, uint64_t base, struct segment_header *out, struct err *err)
{
	uint8_t bytes[SEGMENT_HEADER_BYTES];
	ssize_t n = env_pread(fd, bytes, sizeof bytes, 0);

	memset(out, 0, sizeof *out);
	if (n < 0)
		return err_set_errno(err, ERR_IO, (int)n, "%s: offset 0: cannot read", path);
	if ((size_t)n < sizeof bytes)
		return err_set(err, ERR_CORRUPT, "%s: offset 0: the segment header is cut short", path);
	return decode(bytes, path, base, out, err);
}

size_t journal_record_start(struct wbuf *out, enum record_kind kind)
{
	size_t at = out->n;
	uint8_t *p = wbuf_reserve(out, RECORD_HEADER_BYTES);

	if (p) {
		memset(p, 0, 8);
		p[8] = (uint8_t)kind;
		out->n += RECORD_HEADER_BYTES;
	}
	return at;
}

uint32_t journal_record_crc(uint64_t pos, const uint8_t *record, size_t payload_bytes)
{
	return crc32c(crc32c(0, &pos, 8), record + 4, RECORD_HEADER_BYTES - 4 + payload_bytes);
}

uint32_t journal_record_finish(struct wbuf *out, size_t at, uint64_t origin)
{
	size_t n;
	uint32_t crc;

	if (wbuf_failed(out))
		return 0;
	n = out->n - at - RECORD_HEADER_BYTES;
	CHECK(n <= RECORD_BYTES_MAX, "journal record of %zu bytes", n);
	put_u32(out->p + at + 4, (uint32_t)n);
	crc = journal_record_crc(origin + at, out->p + at, n);
	put_u32(out->p + at, crc);
	return crc;
}
