/* src/pipeline/source_status.c — a source as JSON. Times in UTC, sizes in bytes. */
#include "pipeline/source_status.h"

#include "base/clock.h"
#include "base/env.h"

static int set_lsn(json_t *object, const char *key, uint64_t lsn)
{
	char text[LSN_TEXT_MAX];

	return json_set_str(object, key, str_of(lsn_text(lsn, text)));
}

/* The server's end of log is looked up every few seconds; what the stream says of it may be newer. */
static uint64_t server_end(const struct source_view *v)
{
	return v->current_wal_lsn > v->position.received ? v->current_wal_lsn : v->position.received;
}

static int64_t behind(uint64_t from, uint64_t to) { return from > to ? (int64_t)(from - to) : 0; }

/* Age of the oldest commit received that is not published. */
static int64_t lag_us(const struct source_view *v)
{
	int64_t oldest = v->position.oldest_us, now = env_wall_us();

	return oldest && now > oldest ? now - oldest : 0;
}

int source_set_next_try(json_t *out, int64_t wall_us)
{
	char time[TIME_TEXT_MAX];

	return wall_us ? json_set_str(out, "next_try", str_of(time_text_ms(wall_us, time))) : 0;
}

int source_status(struct source *source, bool to_lake, json_t *out)
{
	struct source_view v;
	char time[TIME_TEXT_MAX];
	json_t *ladder = json_object();
	int rc = ladder ? json_object_set_new(out, "lsn", ladder) : -1;

	if (rc)
		return rc;
	source_view(source, &v);
	rc = set_lsn(ladder, "server", server_end(&v)) | set_lsn(ladder, "looked_up", v.current_wal_lsn) |
	     set_lsn(ladder, "received", v.position.received) | set_lsn(ladder, "journaled", v.position.journaled_end) |
	     set_lsn(ladder, "applied", v.position.applied) | set_lsn(ladder, "published", v.position.published) |
	     set_lsn(ladder, "confirmed", v.position.confirmable) | set_lsn(ladder, "lake", v.position.lake);
	rc |= json_set_str(out, "state", str_of(source_state_name(v.state))) |
	      json_set_str(out, "server", str_of(v.label)) | json_set_str(out, "reason", str_of(v.reason)) |
	      json_set_str(out, "gap", str_of(source_gap(source) ? source_gap(source) : ""));
	rc |= json_set_int(out, "transactions", (int64_t)v.transactions) |
	      json_set_int(out, "changes", (int64_t)v.changes) |
	      json_set_int(out, "journal_bytes", (int64_t)v.journal_bytes) |
	      json_set_int(out, "lag_bytes",
	                   behind(server_end(&v), to_lake ? v.position.lake : v.position.journaled_end)) |
	      json_set_int(out, "lag_us", to_lake ? lag_us(&v) : 0) |
	      json_set_int(out, "slot_retained_bytes", (int64_t)v.slot_retained_bytes) |
	      json_set_str(out, "slot_wal_status", str_of(v.slot_wal_status));
	rc |= source_set_next_try(out, v.next_try_us);
	if (v.slot_safe_bytes > 0)
		rc |= json_set_int(out, "slot_safe_bytes", v.slot_safe_bytes);
	if (v.last_commit_ts_us)
		rc |= json_set_str(out, "last_commit_ts", str_of(time_text_ms(v.last_commit_ts_us, time)));
	return rc;
}
