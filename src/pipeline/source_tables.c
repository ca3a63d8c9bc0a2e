/* src/pipeline/source_tables.c — what became of the source's tables since they were found: dropped, or outside the
 * publication.
 *
 * Neither leaves a trace in the stream: the changes just stop coming. So the monitor looks every few seconds, and the
 * start before it puts tables into the publication. A table that was outside lacks changes whoever puts it back, which
 * must not be forgotten: <state>/outside/<source> has, for each table, where the log ended when it was last seen
 * outside, and what had it in the publication, so that a table taken out and put back while Tarn is down is seen too.
 * A copy made later stands behind that LSN, and nothing else does once the table is stopped, so the mark need not be
 * taken away. Until it is stopped the table may publish what came since: its mark is open, and a start that finds it
 * so takes the end of the log. */
#include "pipeline/source_tables.h"

#include <errno.h>
#include <stdio.h>

#include "base/crc.h"
#include "base/env.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline_sql.h"

#define FILE_MAX_BYTES (8u << 20)
#define MEMBERSHIP_UNKNOWN UINT32_MAX /* it is in the publication; by which row is not known yet */

/* --- the marks' file: lines "OID LSN MEMBERSHIP", then "crc CRC" over all before it --- */

#define OPEN_MARK UINT64_MAX

static void marks_path(const struct source *s, char *out, size_t n)
{
	snprintf(out, n, "%.3000s/outside/%s", s->config->state, s->conf->name);
}

/* None can be above the end of the log, unless the server lost that part of it: then it holds for what is left. */
static void take_mark(struct source *s, uint64_t oid, uint64_t lsn, uint32_t membership, struct str line)
{
	for (size_t i = 0; i < s->tables.n; i++)
		if (s->tables.tables[i].rel->id == oid) {
			s->watched[i].outside_lsn = lsn < s->wal_lsn ? lsn : s->wal_lsn;
			s->watched[i].membership = membership;
			s->marks_waiting = s->marks_waiting || lsn > s->wal_lsn;
			return;
		}
	/* not named by `tables:` now; it may be again */
	wbuf_put_str(&s->other_marks, line);
	wbuf_putz(&s->other_marks, "\n");
}

static bool parse_marks(struct source *s, struct str text)
{
	struct str rest = text;
	char end[32];

	while (rest.n > 0) {
		size_t before = text.n - rest.n;
		struct str line = str_cut(&rest, '\n'), more = line, word = str_cut(&more, ' ');
		uint64_t oid, lsn, membership;

		if (str_eqz(word, "crc")) {
			snprintf(end, sizeof end, "crc %08x", crc32c(0, text.p, before));
			return str_eqz(line, end) && before + line.n + 1 == text.n;
		}
		if (!str_to_u64(word, &oid) || !str_to_lsn(str_cut(&more, ' '), &lsn) ||
		    !str_to_u64(more, &membership) || membership > UINT32_MAX)
			return false;
		take_mark(s, oid, lsn, (uint32_t)membership, line);
	}
	return false;
}

static int read_marks(struct source *s, struct err *err)
{
	char path[4096], *text;
	size_t n;
	bool good;
	int rc;

	marks_path(s, path, sizeof path);
	rc = env_read_file(path, FILE_MAX_BYTES, &text, &n);
	if (rc == -ENOENT)
		return ERR_OK;
	if (rc < 0)
		return err_set_errno(err, ERR_IO, -rc, "cannot read '%s'", path);
	good = parse_marks(s, str_view(text, n));
	mem_free(text);
	return good ? ERR_OK
	            : err_set(err, ERR_CORRUPT,
	                      "'%s' is damaged; remove it, and copy the tables again: tarn table recopy %s", path,
	                      s->conf->name);
}

static void put_marks(struct source *s, struct wbuf *text)
{
	char lsn[LSN_TEXT_MAX];

	wbuf_put_str(text, wbuf_str(&s->other_marks));
	monitor_lock(&s->lock);
	for (size_t i = 0; i < s->tables.n; i++) {
		const struct watched_table *t = &s->watched[i];

		wbuf_putf(text, "%u %s %u\n", s->tables.tables[i].rel->id,
		          lsn_text(t->outside_open ? OPEN_MARK : t->outside_lsn, lsn), t->membership);
	}
	s->marks_waiting = false;
	monitor_unlock(&s->lock);
	wbuf_putf(text, "crc %08x\n", crc32c(0, text->p, text->n));
}

static int write_marks(struct source *s, struct err *err)
{
	char dir[4096], path[4096];
	struct wbuf text;
	int rc;

	wbuf_init(&text, FILE_MAX_BYTES);
	snprintf(dir, sizeof dir, "%.3000s/outside", s->config->state);
	marks_path(s, path, sizeof path);
	monitor_lock(&s->marks_lock); /* the monitor's and the apply thread's in turn: the newer one stays */
	put_marks(s, &text);
	rc = wbuf_check(&text, err, path);
	if (!rc &&
	    ((rc = env_mkdir_parents(dir, 0755)) < 0 || (rc = env_write_file_atomic(path, text.p, text.n, 0644)) < 0))
		rc = err_set_errno(err, ERR_IO, -rc, "cannot write '%s'", path);
	monitor_unlock(&s->marks_lock);
	wbuf_free(&text);
	if (rc > 0) {
		monitor_lock(&s->lock);
		s->marks_waiting = true;
		monitor_unlock(&s->lock);
	}
	return rc > 0 ? rc : ERR_OK;
}

/* --- looking --- */

/* "{16384,16390}" */
static char *table_oids(const struct source *s)
{
	size_t size = s->tables.n * 11 + 3, n = 0;
	char *text = mem_alloc(size);

	if (!text)
		return NULL;
	text[n++] = '{';
	for (size_t i = 0; i < s->tables.n; i++)
		n += (size_t)snprintf(text + n, size - n, "%s%u", i ? "," : "", s->tables.tables[i].rel->id);
	snprintf(text + n, size - n, "}");
	return text;
}

/* One that was not in it before is somebody's new one (a copy puts it in): nothing was missed since the mark it has. */
static void note_membership(struct source *s, struct watched_table *t, uint32_t membership, uint64_t wal)
{
	bool known = t->membership != MEMBERSHIP_UNKNOWN;

	if (t->membership != 0 && (membership == 0 || (known && membership != t->membership))) {
		t->outside_lsn = wal;
		t->outside_open = true;
	}
	s->marks_waiting = s->marks_waiting || membership != t->membership;
	t->membership = membership;
}

static void note_row(struct source *s, const struct pg_result *result, int row)
{
	uint64_t place, membership, wal;

	if (!str_to_u64(str_of(pg_result_text(result, row, 0)), &place) || place >= s->tables.n ||
	    !str_to_u64(str_of(pg_result_text(result, row, 2)), &membership) ||
	    !str_to_lsn(str_of(pg_result_text(result, row, 3)), &wal))
		return;
	/* a name may have come back with another table behind it: the oid counts */
	if (pg_result_text(result, row, 1)[0] == 't')
		note_membership(s, &s->watched[place], (uint32_t)membership, wal);
	else if (!s->watched[place].gone_lsn)
		s->watched[place].gone_lsn = wal;
}

int source_tables_look(struct source *s, struct pg_conn *conn, struct err *err)
{
	struct pg_result *result;
	char *oids = table_oids(s);
	bool write;
	int rc = oids ? pg_query(conn, pipeline_sql_tables_watch, (const char *[]){ oids, s->conf->publication }, 2,
	                         &result, err)
	              : err_nomem(err);

	mem_free(oids);
	if (rc)
		return rc;
	monitor_lock(&s->lock);
	for (int row = 0; row < pg_result_rows(result); row++)
		note_row(s, result, row);
	write = s->marks_waiting;
	monitor_unlock(&s->lock);
	pg_result_free(result);
	return write ? write_marks(s, err) : ERR_OK;
}

/* Nothing is published while a source is opened: the marks made then are no open ones. */
static void close_marks(struct source *s)
{
	for (size_t i = 0; i < s->tables.n; i++) {
		s->marks_waiting = s->marks_waiting || s->watched[i].outside_open;
		s->watched[i].outside_open = false;
	}
}

int source_tables_open(struct source *s, struct pg_conn *conn, struct err *err)
{
	int rc;

	s->watched = mem_array(s->tables.n ? s->tables.n : 1, sizeof *s->watched);
	if (!s->watched)
		return err_nomem(err);
	wbuf_init(&s->other_marks, FILE_MAX_BYTES);
	for (size_t i = 0; i < s->tables.n; i++)
		s->watched[i].membership = s->tables.tables[i].rel->unsupported ? 0 : MEMBERSHIP_UNKNOWN;
	rc = read_marks(s, err);
	if (!rc)
		rc = wbuf_check(&s->other_marks, err, "the list of tables that were outside the publication");
	/* durable before the table is put into the publication: after that nobody could tell */
	if (!rc)
		rc = source_tables_look(s, conn, err);
	close_marks(s);
	if (!rc && s->marks_waiting)
		rc = write_marks(s, err);
	FAILPOINT("source.tables.marked");
	return rc;
}

/* --- what was seen --- */

uint64_t source_table_gone(struct source *s, size_t i)
{
	uint64_t lsn;

	monitor_lock(&s->lock);
	lsn = s->watched[i].gone_lsn;
	monitor_unlock(&s->lock);
	return lsn;
}

uint64_t source_table_outside(struct source *s, size_t i)
{
	uint64_t lsn;

	monitor_lock(&s->lock);
	lsn = s->watched[i].outside_lsn;
	monitor_unlock(&s->lock);
	return lsn;
}

int source_table_left(struct source *s, size_t i, uint64_t published_lsn, struct err *err)
{
	struct watched_table *t = &s->watched[i];

	monitor_lock(&s->lock);
	if (published_lsn >= t->outside_lsn)
		t->outside_lsn = published_lsn + 1;
	t->outside_open = false;
	monitor_unlock(&s->lock);
	return write_marks(s, err);
}

int source_table_copied(struct source *s, size_t i, uint64_t copy_lsn, struct err *err)
{
	struct watched_table *t = &s->watched[i];
	bool closed;

	monitor_lock(&s->lock);
	closed = t->outside_open && copy_lsn >= t->outside_lsn;
	t->outside_open = t->outside_open && !closed;
	monitor_unlock(&s->lock);
	return closed ? write_marks(s, err) : ERR_OK;
}
