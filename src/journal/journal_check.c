/* src/journal/journal_check.c — `tarn journal check`: every byte of every segment, also while a server is writing. */
#include <errno.h>
#include <fcntl.h>

#include "base/mem.h"
#include "journal/journal_int.h"
#include "journal/segment_scan.h"

/* A relation or the changes of a block are decoded, so that a checksum over nonsense is found too. */
struct check_ctx {
	struct journal_check *out;
	struct relation_set relations; /* by version */
	struct change_scratch scratch;
};

static const struct relation *find_relation(void *arg, uint32_t version)
{
	struct check_ctx *ctx = arg;
	struct relation_entry *entry = journal_relations_find(&ctx->relations, version);

	return entry ? entry->rel : NULL;
}

static int check_changes(struct check_ctx *ctx, const struct record *record, struct err *err)
{
	struct rbuf r = rbuf_of(record->payload, record->n);
	uint32_t n = rbuf_u32_le(&r);
	struct change change;
	int rc;

	for (uint32_t i = 0; i < n; i++) {
		rc = change_decode(&r, &ctx->scratch, find_relation, ctx, &change, err);
		if (rc)
			return rc;
	}
	if (!rbuf_done(&r))
		return err_set(err, ERR_CORRUPT, "a block of changes is longer than its changes");
	ctx->out->changes += n;
	return ERR_OK;
}

static int check_relation(struct check_ctx *ctx, const struct record *record, struct err *err)
{
	struct relation *rel;
	int rc = journal_record_relation(record, &rel, err);

	if (rc)
		return rc;
	if (!journal_relations_put(&ctx->relations, rel->version, rel, record->pos)) {
		relation_unref(rel);
		return err_nomem(err);
	}
	return ERR_OK;
}

static int check_record(struct check_ctx *ctx, struct tx_state *tx, const struct record *record, struct err *err)
{
	const char *bad = journal_tx_follow(tx, record);

	if (bad)
		return err_set(err, ERR_CORRUPT, "%s", bad);
	ctx->out->records++;
	if (record->kind == RECORD_RELATION)
		return check_relation(ctx, record, err);
	if (record->kind == RECORD_CHANGES)
		return check_changes(ctx, record, err);
	if (record->kind != RECORD_COMMIT)
		return ERR_OK;
	if (tx->head.n_changes != tx->changes)
		return err_set(err, ERR_CORRUPT, "a transaction has another number of changes than its end says");
	if (tx->head.commit_lsn <= ctx->out->last_commit_lsn)
		return err_set(err, ERR_CORRUPT, "a transaction is older than the one before it");
	ctx->out->transactions++;
	if (ctx->out->first_commit_lsn == 0)
		ctx->out->first_commit_lsn = tx->head.commit_lsn;
	ctx->out->last_commit_lsn = tx->head.commit_lsn;
	return ERR_OK;
}

/* In the last segment a bad record ends the content, unless it is proven damage; an unfinished transaction there is
 * no fault. */
static int check_segment(struct check_ctx *ctx, struct segment_scan *scan, bool last, struct err *err)
{
	struct tx_state tx = { 0 };
	enum scan_result result;
	struct record record;
	bool proven;
	int rc;

	for (;;) {
		rc = journal_scan_next(scan, &record, &result, err);
		if (rc)
			return rc;
		if (result == SCAN_BAD && last) {
			rc = journal_scan_proves_synced(scan, &proven, err);
			if (rc || !proven)
				return rc;
		}
		if (result == SCAN_BAD)
			return journal_scan_corrupt(scan, err);
		if (result == SCAN_END)
			break;
		rc = check_record(ctx, &tx, &record, err);
		if (rc)
			return rc == ERR_CORRUPT ? err_prefix(err, "%s: offset %llu", scan->path,
			                                      (unsigned long long)(record.pos - scan->base))
			                         : rc;
	}
	if (!tx.open || last)
		return ERR_OK;
	scan->bad = "the file ends inside a transaction";
	return journal_scan_corrupt(scan, err);
}

static int check_file(struct check_ctx *ctx, const char *dir, const struct segment *segment, bool last, struct err *err)
{
	char *path = journal_segment_path(dir, segment->base);
	struct segment_scan scan;
	int fd, rc;

	if (!path)
		return err_nomem(err);
	fd = env_open(path, O_RDONLY, 0);
	if (fd == -ENOENT) {
		mem_free(path);
		return ERR_OK; /* trimmed since it was listed */
	}
	if (fd < 0) {
		rc = err_set_errno(err, ERR_IO, fd, "cannot open the journal file %s", path);
		mem_free(path);
		return rc;
	}
	journal_scan_init(&scan, fd, path, segment->base, segment->base + segment->size);
	rc = check_segment(ctx, &scan, last, err);
	ctx->out->segments++;
	ctx->out->bytes += segment->size;
	journal_scan_free(&scan);
	env_close(fd);
	mem_free(path);
	return rc;
}

int journal_check(const char *dir, struct journal_check *out, struct err *err)
{
	struct check_ctx ctx = { .out = out };
	struct segment *segments = NULL;
	size_t n = 0, cap = 0;
	struct journal_identity identity;
	uint32_t next_version;
	int rc;

	memset(out, 0, sizeof *out);
	rc = journal_list_segments(dir, &segments, &n, &cap, true, &identity, &next_version, err);
	if (rc == 0 && n == 0)
		rc = err_set(err, ERR_NOT_FOUND, "there is no journal in \"%s\"", dir);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = check_file(&ctx, dir, &segments[i], i + 1 == n, err);
	journal_relations_free(&ctx.relations);
	change_scratch_free(&ctx.scratch);
	mem_free(segments);
	return rc;
}
