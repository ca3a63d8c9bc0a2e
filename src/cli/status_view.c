/* src/cli/status_view.c — sources, their ladder of positions and lag, tables. */
#include "cli/status_view.h"

#include <stdio.h>

#include "base/clock.h"
#include "cli/grid.h"

static int64_t time_of(const json_t *o, const char *key)
{
	int64_t us = 0;

	return time_parse(str_of(json_get_str(o, key, "")), &us) ? us : 0;
}

static uint64_t lsn_of(const json_t *o, const char *key)
{
	uint64_t lsn = 0;

	(void)str_to_lsn(str_of(json_get_str(o, key, "")), &lsn);
	return lsn;
}

/* The object of list whose key has the value that o has. */
static const json_t *same_in(const json_t *list, const char *key, const json_t *o)
{
	const json_t *found;
	size_t i;

	json_array_foreach(list, i, found)
	{
		if (strcmp(json_get_str(found, key, ""), json_get_str(o, key, "?")) == 0)
			return found;
	}
	return NULL;
}

/* --- the ladder --- */

/* Commit LSNs of the newest transaction never equal the server's end of log: with everything in the lake ("lake" is
 * beyond them then) each step of ours stands where the lake stands. */
static uint64_t reached(const json_t *lsn, const char *step)
{
	uint64_t at = lsn_of(lsn, step), lake = lsn_of(lsn, "lake");

	return lake > at ? lake : at;
}

static void put_ladder(struct wbuf *out, const json_t *lsn)
{
	static const struct {
		const char *step, *meaning;
		bool ours;
	} steps[] = {
		{ "server", "the end of its log when last looked at", false },
		{ "received", "came over the connection", false },
		{ "journaled", "durable in the local journal", true },
		{ "applied", "worked into tables in memory", true },
		{ "published", "committed to the lake", true },
		{ "confirmed", "told to the server, which may drop its log up to here", false },
	};
	uint64_t server = lsn_of(lsn, "server");
	char size[SIZE_TEXT_MAX];
	struct grid grid;

	grid_init(&grid, "STEP,POSITION,BEHIND>,MEANING", "  ");
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		uint64_t at = steps[i].ours ? reached(lsn, steps[i].step) : lsn_of(lsn, steps[i].step);

		grid_cell(&grid, steps[i].step);
		grid_cell(&grid, lsn_of(lsn, steps[i].step) ? json_get_str(lsn, steps[i].step, NULL) : NULL);
		grid_cell(&grid, i > 0 && server && at ? size_text(server > at ? server - at : 0, size) : NULL);
		grid_cell(&grid, steps[i].meaning);
	}
	grid_put(&grid, out);
	grid_free(&grid);
}

static void put_lag(struct wbuf *out, const json_t *source)
{
	int64_t bytes = json_get_int(source, "lag_bytes", 0), us = json_get_int(source, "lag_us", 0);
	char size[SIZE_TEXT_MAX], duration[SIZE_TEXT_MAX];

	if (bytes == 0 && us == 0)
		wbuf_putz(out, "  Lag        none: the lake has everything");
	else if (us == 0)
		wbuf_putf(out, "  Lag        %s of the server's log are not received yet",
		          size_text((uint64_t)bytes, size));
	else
		wbuf_putf(out, "  Lag        %s, %s", size_text((uint64_t)bytes, size), duration_text(us, duration));
	if (json_has(source, "last_commit_ts"))
		wbuf_putf(out, "; newest commit received %s", json_get_str(source, "last_commit_ts", ""));
	wbuf_putz(out, "\n");
}

static void put_slot_warning(struct wbuf *out, const json_t *source, unsigned width)
{
	const char *status = json_get_str(source, "slot_wal_status", "");
	bool lost = strcmp(status, "lost") == 0;

	if (!*status || strcmp(status, "reserved") == 0 || strcmp(status, "extended") == 0)
		return;
	grid_paragraph(
		out, "  ",
		str_of(lost ? "WARNING: the server has removed log that this slot still needed: changes are missing and capture cannot go on from here. Drop the slot at the source, raise max_slot_wal_keep_size there, "
	                      "restart tarn and have the tables copied again (tarn table recopy)."
	                    : "WARNING: the server will soon remove log that this slot still needs; then the tables must be copied again. Raise max_slot_wal_keep_size at the source, or let tarn catch up."),
		width);
}

static void put_slot(struct wbuf *out, const json_t *source, unsigned width)
{
	char size[SIZE_TEXT_MAX], safe[SIZE_TEXT_MAX];
	const char *status = json_get_str(source, "slot_wal_status", "");

	if (*status)
		wbuf_putf(out, "  Slot       the server keeps %s of log for it (%s)",
		          size_text((uint64_t)json_get_int(source, "slot_retained_bytes", 0), size), status);
	else
		wbuf_putz(out, "  Slot       not looked at yet");
	if (json_has(source, "slot_safe_bytes"))
		wbuf_putf(out, "; %s more may be written before it is lost",
		          size_text((uint64_t)json_get_int(source, "slot_safe_bytes", 0), safe));
	wbuf_putz(out, "\n");
	put_slot_warning(out, source, width);
}

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

static void put_counts(struct wbuf *out, const json_t *source)
{
	int64_t transactions = json_get_int(source, "transactions", 0), changes = json_get_int(source, "changes", 0),
		publishes = json_get_int(source, "publishes", 0);
	char size[SIZE_TEXT_MAX], a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX];

	wbuf_putf(out, "  Journal    %s; since the start %s transaction%s, %s change%s\n",
	          size_text((uint64_t)json_get_int(source, "journal_bytes", 0), size),
	          count_text((uint64_t)transactions, a), plural(transactions), count_text((uint64_t)changes, b),
	          plural(changes));
	if (publishes > 0)
		wbuf_putf(out, "  Publishing %s time%s since the start; the last took %s\n",
		          count_text((uint64_t)publishes, a), plural(publishes),
		          duration_text(json_get_int(source, "last_publish_us", 0), b));
}

/* --- tables --- */

struct sample {
	const json_t *now, *before;
	int64_t now_us, before_us;
}; /* before NULL: none */

static int64_t changes_of(const json_t *t)
{
	return json_get_int(t, "inserts", 0) + json_get_int(t, "updates", 0) + json_get_int(t, "deletes", 0);
}

static bool is(const json_t *t, const char *state) { return strcmp(json_get_str(t, "state", ""), state) == 0; }

/* Rows a second between the samples; false without a second one, and across a restart of tarn or a change of state. */
static bool rate_of(const struct sample *s, double *per_s)
{
	bool copying = is(s->now, "copying");
	int64_t d = copying ? json_get_int(s->now, "copied_rows", 0) : changes_of(s->now),
		us = s->now_us - s->before_us;

	if (!s->before || us <= 0 || copying != is(s->before, "copying"))
		return false;
	d -= copying ? json_get_int(s->before, "copied_rows", 0) : changes_of(s->before);
	*per_s = (double)d * 1e6 / (double)us;
	return d >= 0;
}

static void put_copy_note(const struct sample *s, char *note, size_t n)
{
	int64_t copied = json_get_int(s->now, "copied_rows", 0),
		expected = json_get_int(s->now, "copy_rows_expected", 0), started = time_of(s->now, "copy_started"),
		us = s->now_us - started;
	char total[SIZE_TEXT_MAX], left[SIZE_TEXT_MAX];

	if (expected <= 0) {
		snprintf(note, n, "copying");
	} else if (copied >= expected) {
		snprintf(note, n, "copying; the %s rows expected were an estimate",
		         count_text((uint64_t)expected, total));
	} else if (copied == 0 || !started || us <= 0) {
		snprintf(note, n, "copying about %s rows", count_text((uint64_t)expected, total));
	} else {
		/* whole seconds: it is an estimate of an estimate */
		int64_t left_us =
			(int64_t)((double)(expected - copied) / (double)copied * (double)us) / 1000000 * 1000000 +
			1000000;

		snprintf(note, n, "%d%% of about %s rows, about %s left",
		         (int)(100 * (double)copied / (double)expected), count_text((uint64_t)expected, total),
		         duration_text(left_us, left));
	}
}

static void put_note(const struct sample *s, char *note, size_t n)
{
	if (is(s->now, "copying"))
		put_copy_note(s, note, n);
	else
		snprintf(note, n, "%s",
		         is(s->now, "new")       ? "waits for its copy"
		         : is(s->now, "stopped") ? "see below"
		         : is(s->now, "opening") ? "is being opened"
		                                 : "");
}

static void put_table(struct grid *grid, const struct sample *s)
{
	int64_t rows = json_get_int(s->now, is(s->now, "copying") ? "copied_rows" : "rows", 0),
		changed = time_of(s->now, "last_commit_ts");
	char text[SIZE_TEXT_MAX], note[256];
	double per_s;

	grid_cell(grid, json_get_str(s->now, "table", NULL));
	grid_cell(grid, is(s->now, "stopped") ? "STOPPED" : json_get_str(s->now, "state", NULL));
	grid_cell(grid, is(s->now, "running") || rows > 0 ? count_text((uint64_t)rows, text) : NULL);
	grid_cell(grid,
	          rate_of(s, &per_s) && !is(s->now, "stopped") ? count_text((uint64_t)(per_s + 0.5), text) : NULL);
	grid_cell(grid, lsn_of(s->now, "published_lsn") ? json_get_str(s->now, "published_lsn", NULL) : NULL);
	grid_cell(grid, json_get_str(s->now, "last_commit_ts", NULL));
	grid_cell(grid, changed && s->now_us >= changed ? duration_text(s->now_us - changed, text) : NULL);
	put_note(s, note, sizeof note);
	grid_cell(grid, *note ? note : " ");
}

static void put_stopped(struct wbuf *out, const json_t *t, unsigned width)
{
	const char *name = json_get_str(t, "table", "?");
	char text[1024];

	wbuf_putf(out, "\n  %s is STOPPED; the other tables go on:\n", name);
	grid_paragraph(out, "      ", str_of(json_get_str(t, "reason", "no reason is known")), width);
	if (strstr(json_get_str(t, "reason", ""), "tarn table recopy")) /* says what to do itself */
		return;
	if (lsn_of(t, "published_lsn"))
		snprintf(
			text, sizeof text,
			"What to do: mend the cause, then restart tarn: the table goes on from %s, its changes since are kept in the journal. Or have it copied again: tarn table recopy %.300s",
			json_get_str(t, "published_lsn", ""), name);
	else
		snprintf(
			text, sizeof text,
			"What to do: as it says; once the cause is mended, have the table copied again: tarn table recopy %.300s",
			name);
	grid_paragraph(out, "      ", str_of(text), width);
}

static void put_tables(struct wbuf *out, const json_t *source, const json_t *before, int64_t now_us, int64_t before_us,
                       unsigned width)
{
	const json_t *tables = json_object_get(source, "tables"), *t;
	struct grid grid;
	size_t i;

	if (json_array_size(tables) == 0)
		return;
	wbuf_putz(out, "\n");
	grid_init(&grid, "TABLE,STATE,ROWS>,ROWS/S>,POSITION,LAST CHANGE,AGE>, ", "  ");
	json_array_foreach(tables, i, t)
	{
		struct sample s = { t, same_in(json_object_get(before, "tables"), "table", t), now_us, before_us };

		put_table(&grid, &s);
	}
	grid_put(&grid, out);
	grid_free(&grid);
	json_array_foreach(tables, i, t)
	{
		if (is(t, "stopped"))
			put_stopped(out, t, width);
	}
}

/* --- all --- */

static void put_sentence(struct wbuf *out, const char *before, const char *text, unsigned width)
{
	struct wbuf whole;

	if (!*text)
		return;
	wbuf_init(&whole, 1 << 16);
	wbuf_putf(&whole, "%s%s", before, text);
	if (wbuf_failed(&whole))
		out->failed = true;
	grid_paragraph(out, "  ", wbuf_str(&whole), width);
	wbuf_free(&whole);
}

static void put_next_try(struct wbuf *out, const json_t *source, int64_t now_us)
{
	int64_t at = time_of(source, "next_try");

	if (at > now_us)
		wbuf_putf(out, "  Trying again in %lld s.\n", (long long)(at - now_us + 999999) / 1000000);
	else if (at)
		wbuf_putz(out, "  Trying again now.\n");
}

static void put_source(struct wbuf *out, const json_t *source, const json_t *before, int64_t now_us, int64_t before_us,
                       unsigned width)
{
	const json_t *lsn = json_object_get(source, "lsn");
	const char *server = json_get_str(source, "server", "");

	wbuf_putf(out, "Source %s: %s%s%s\n", json_get_str(source, "source", "?"), json_get_str(source, "state", "?"),
	          *server ? ", " : "", server);
	put_sentence(out, "", json_get_str(source, "reason", ""), width);
	put_next_try(out, source, now_us);
	put_sentence(out, "GAP: ", json_get_str(source, "gap", ""), width);
	put_sentence(out, "Publishing waits: ", json_get_str(source, "waiting_because", ""), width);
	if (lsn) {
		put_ladder(out, lsn);
		put_lag(out, source);
		put_slot(out, source, width);
		put_counts(out, source);
	}
	put_tables(out, source, before, now_us, before_us, width);
}

void status_view_put(struct wbuf *out, const json_t *now, const json_t *before, unsigned width)
{
	const json_t *sources = json_object_get(now, "sources"), *source;
	int64_t now_us = time_of(now, "time"), before_us = time_of(before, "time");
	size_t i;

	wbuf_putf(out, "tarn runs; %s\n", json_get_str(now, "time", "time unknown"));
	if (json_array_size(sources) == 0)
		wbuf_putz(out, "\nThe configuration names no source; make one with: tarn init\n");
	json_array_foreach(sources, i, source)
	{
		wbuf_putz(out, "\n");
		put_source(out, source, same_in(json_object_get(before, "sources"), "source", source), now_us,
		           before_us, width);
	}
}

void status_view_stored(struct wbuf *out, const json_t *stored)
{
	const json_t *tables = json_object_get(stored, "tables"), *v;
	struct grid grid;
	size_t i;

	json_array_foreach(json_object_get(stored, "pipelines"), i, v)
		wbuf_putf(out, "Source %s: its tables have every change up to %s\n", json_get_str(v, "pipeline", "?"),
	                  json_get_str(v, "lsn", "?"));
	if (json_array_size(tables) == 0) {
		wbuf_putz(out, "The catalog has no tables yet.\n");
		return;
	}
	grid_init(&grid, "TABLE,ROWS>,POSITION,COMMITTED,LAST CHANGE", "  ");
	json_array_foreach(tables, i, v)
	{
		char rows[SIZE_TEXT_MAX];

		grid_cell(&grid, json_get_str(v, "table", NULL));
		grid_cell(&grid, json_has(v, "rows") ? count_text((uint64_t)json_get_int(v, "rows", 0), rows) : NULL);
		grid_cell(&grid, json_get_str(v, "lsn", NULL));
		grid_cell(&grid, json_get_str(v, "committed", NULL));
		grid_cell(&grid, json_has(v, "error") ? "cannot be read: see 'tarn table ls'"
		                                      : json_get_str(v, "source_commit_ts", NULL));
	}
	grid_put(&grid, out);
	grid_free(&grid);
}

static bool source_caught_up(const json_t *source, char *why, size_t n)
{
	const json_t *lsn = json_object_get(source, "lsn"), *t;
	const char *name = json_get_str(source, "source", "?");
	size_t i;

	json_array_foreach(json_object_get(source, "tables"), i, t)
	{
		if (!is(t, "running")) {
			const char *reason = json_get_str(t, "reason", "");

			snprintf(why, n, "table %s is %s%s%s", json_get_str(t, "table", "?"),
			         json_get_str(t, "state", "?"), *reason ? ": " : "", reason);
			return false;
		}
	}
	if (strcmp(json_get_str(source, "state", ""), "streaming") != 0) {
		const char *reason = json_get_str(source, "reason", "");

		snprintf(why, n, "source %s is %s%s%s", name, json_get_str(source, "state", "?"), *reason ? ": " : "",
		         reason);
		return false;
	}
	if (!json_has(source, "pipeline"))
		return true; /* captured only: no table follows */
	if (!lsn_of(lsn, "server") || lsn_of(lsn, "lake") < lsn_of(lsn, "server") ||
	    json_get_int(source, "lag_us", 0) > 0) {
		char size[SIZE_TEXT_MAX];

		snprintf(why, n, "the tables of source %s are %s behind", name,
		         size_text((uint64_t)json_get_int(source, "lag_bytes", 0), size));
		return false;
	}
	return true;
}

bool status_is_caught_up(const json_t *now, char *why, size_t n)
{
	const json_t *source;
	size_t i;

	json_array_foreach(json_object_get(now, "sources"), i, source)
	{
		if (!source_caught_up(source, why, n))
			return false;
	}
	return true;
}
