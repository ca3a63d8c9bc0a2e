/* src/cli/cmd_journal.c — `tarn journal ls|cat|check`: look into the local log of changes, also while a server is
 * writing it. */
#include "cli/cli_source.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "event/batch.h"
#include "journal/journal.h"
#include "pg/pg_types.h"

static const struct command_option options[] = {
	{ "from", 0, "LSN",
	  "cat: start with the first transaction at or behind this commit position (as in 16/B374D848)" },
	{ "limit", 'n', "N", "cat: stop after N transactions" },
	{ "table", 't', "NAME", "cat: only changes of this table; \"schema.name\" or \"name\", with * and ?" },
	{ "json", 0, NULL, "ls, check: one JSON array; cat: one JSON object a line" },
	{ NULL, 0, NULL, NULL },
};

/* One source's journal folder; owned. */
static char *journal_dir(const struct config *config, const char *source)
{
	struct wbuf w;
	char *dir;

	wbuf_init(&w, 0);
	wbuf_putf(&w, "%s/journal/%s", config->state, source);
	dir = wbuf_take(&w);
	wbuf_free(&w);
	return dir;
}

static int open_journal(const struct config *config, const char *source, struct journal **out, struct err *err)
{
	struct journal_opts opts = { .read_only = true };
	char *dir = journal_dir(config, source);
	int rc;

	*out = NULL;
	if (!dir)
		return err_nomem(err);
	opts.dir = dir;
	rc = journal_open(out, &opts, err);
	if (rc == ERR_NOT_FOUND)
		err_set(err, ERR_NOT_FOUND, "source \"%s\" has no journal yet in \"%s\"; `tarn run` makes it", source,
		        dir);
	mem_free(dir);
	return rc;
}

/* --- ls --- */

static void list_one(const char *source, const struct journal_segment *s, bool json, bool first, struct wbuf *out)
{
	char a[LSN_TEXT_MAX], b[LSN_TEXT_MAX], size[SIZE_TEXT_MAX];

	if (!json) {
		wbuf_putf(out, "%-16s %8llu %20llu %10s  %-18s %s\n", source, (unsigned long long)s->number,
		          (unsigned long long)s->position, size_text(s->bytes, size), lsn_text(s->after_lsn, a),
		          lsn_text(s->last_lsn, b));
		return;
	}
	wbuf_putz(out, first ? "\n  {\"source\":" : ",\n  {\"source\":");
	wbuf_put_json_str(out, str_of(source));
	wbuf_putf(out, ",\"segment\":%llu,\"position\":%llu,\"bytes\":%llu,\"after_lsn\":\"%s\",\"last_lsn\":\"%s\"}",
	          (unsigned long long)s->number, (unsigned long long)s->position, (unsigned long long)s->bytes,
	          lsn_text(s->after_lsn, a), lsn_text(s->last_lsn, b));
}

static int list_source(const struct config *config, const char *source, bool json, bool *first, struct wbuf *out,
                       struct err *err)
{
	struct journal_segment *segments = NULL;
	struct journal *journal;
	size_t n = 0;
	int rc = open_journal(config, source, &journal, err);

	if (rc)
		return rc;
	rc = journal_segments(journal, &segments, &n, err);
	for (size_t i = 0; rc == 0 && i < n; i++, *first = false)
		list_one(source, &segments[i], json, *first, out);
	mem_free(segments);
	journal_close(journal);
	return rc;
}

/* --- check --- */

static int check_source(const struct config *config, const char *source, bool json, bool *first, struct wbuf *out,
                        struct err *err)
{
	struct journal_check c;
	char a[LSN_TEXT_MAX], b[LSN_TEXT_MAX], size[SIZE_TEXT_MAX], *dir = journal_dir(config, source);
	int rc;

	if (!dir)
		return err_nomem(err);
	rc = journal_check(dir, &c, err);
	mem_free(dir);
	if (rc)
		return rc;
	if (json) {
		wbuf_putz(out, *first ? "\n  {\"source\":" : ",\n  {\"source\":");
		wbuf_put_json_str(out, str_of(source));
		wbuf_putf(
			out,
			",\"segments\":%llu,\"bytes\":%llu,\"records\":%llu,\"transactions\":%llu,\"changes\":%llu,\"first_lsn\":\"%s\",\"last_lsn\":\"%s\"}",
			(unsigned long long)c.segments, (unsigned long long)c.bytes, (unsigned long long)c.records,
			(unsigned long long)c.transactions, (unsigned long long)c.changes,
			lsn_text(c.first_commit_lsn, a), lsn_text(c.last_commit_lsn, b));
	} else {
		wbuf_putf(out, "%s: good: %llu file%s, %s, %llu transactions, %llu changes, %s to %s\n", source,
		          (unsigned long long)c.segments, c.segments == 1 ? "" : "s", size_text(c.bytes, size),
		          (unsigned long long)c.transactions, (unsigned long long)c.changes,
		          lsn_text(c.first_commit_lsn, a), lsn_text(c.last_commit_lsn, b));
	}
	*first = false;
	return ERR_OK;
}

/* Does `one` for the named source or for all; without a name, sources that have no journal yet are passed over. */
static int each_source(const struct config *config, const char *word, bool json,
                       int (*one)(const struct config *, const char *, bool, bool *, struct wbuf *, struct err *),
                       struct wbuf *out, struct err *err)
{
	bool first = true;
	int rc = ERR_OK;

	if (json)
		wbuf_put_u8(out, '[');
	for (size_t i = 0; rc == 0 && i < config->n_sources; i++) {
		if (word && strcmp(word, config->sources[i].name) != 0)
			continue;
		rc = one(config, config->sources[i].name, json, &first, out, err);
		if (rc == ERR_NOT_FOUND && !word)
			rc = ERR_OK;
	}
	if (json)
		wbuf_putz(out, first ? "]\n" : "\n]\n");
	return rc;
}

/* --- cat --- */

struct cat {
	struct str table; /* pattern; n 0: all */
	uint64_t limit;
	bool json;
	const struct relation *rel; /* what batch was made for */
	struct batch *batch;        /* one row */
	struct wbuf line;
	bool begun; /* the transaction's BEGIN was printed */
	struct tx_head head;
	uint64_t printed; /* transactions */
};

static int bind_types(struct relation *rel, struct err *err)
{
	struct err ignored;

	(void)err;
	/* This command is for looking at trouble: a column that cannot be converted is shown as it is stored. */
	if (pg_types_bind(rel, &ignored))
		for (uint16_t i = 0; i < rel->n_columns; i++)
			rel->columns[i].put = NULL;
	return ERR_OK;
}

static int use_relation(struct cat *cat, const struct relation *rel, struct err *err)
{
	struct type *types;

	if (cat->rel == rel)
		return ERR_OK;
	batch_free(cat->batch);
	cat->batch = NULL;
	cat->rel = NULL;
	types = mem_array(rel->n_columns ? rel->n_columns : 1, sizeof *types);
	if (!types)
		return err_nomem(err);
	for (uint16_t i = 0; i < rel->n_columns; i++)
		types[i] = rel->columns[i].type.kind == TYPE_NONE ? (struct type){ .kind = TYPE_STRING }
		                                                  : rel->columns[i].type;
	cat->batch = batch_new(types, rel->n_columns, 1);
	mem_free(types);
	if (!cat->batch)
		return err_nomem(err);
	cat->rel = rel;
	return ERR_OK;
}

/* PostgreSQL's text, or the bytes of its binary form as \x hex. */
static void put_raw(const struct datum *datum, struct wbuf *out)
{
	struct wbuf text;

	wbuf_init(&text, 0);
	if (datum->kind == DATUM_TEXT) {
		wbuf_put(&text, datum->p, datum->n);
	} else {
		wbuf_putz(&text, "\\x");
		for (uint32_t i = 0; i < datum->n; i++)
			wbuf_putf(&text, "%02x", datum->p[i]);
	}
	out->failed |= wbuf_failed(&text);
	wbuf_put_json_str(out, wbuf_str(&text));
	wbuf_free(&text);
}

/* Numbers and truth values stand bare in both forms; everything else is quoted. Decimals are quoted in JSON, whose
 * readers would round them. */
static bool bare(struct type type, bool json)
{
	switch (type.kind) {
	case TYPE_BOOL:
	case TYPE_INT32:
	case TYPE_INT64: return true;
	case TYPE_FLOAT32:
	case TYPE_FLOAT64:
	case TYPE_DECIMAL:
	case TYPE_DATE:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ:
	case TYPE_UUID:
	case TYPE_LIST: return !json;
	}
	return false;
}

static void put_value(struct cat *cat, uint16_t i, const struct datum *datum)
{
	const struct rel_column *col = &cat->rel->columns[i];
	struct column *c = &cat->batch->columns[i];
	struct wbuf text;
	struct err err;

	if (datum->kind == DATUM_NULL) {
		wbuf_putz(&cat->line, "null");
		return;
	}
	if (!col->put || col->put(col, datum, cat->batch, c, 0, &err)) {
		put_raw(datum, &cat->line);
		return;
	}
	wbuf_init(&text, 0);
	column_text(c, 0, &text);
	cat->line.failed |= wbuf_failed(&text);
	if (bare(c->type, cat->json))
		wbuf_put_str(&cat->line, wbuf_str(&text));
	else
		wbuf_put_json_str(&cat->line, wbuf_str(&text));
	wbuf_free(&text);
}

/* name=value name=value; in JSON an object. Unchanged values are left out of JSON and written as name=(unchanged). */
static void put_tuple(struct cat *cat, const struct datum *datums, bool keys_only)
{
	bool first = true;

	if (cat->json)
		wbuf_put_u8(&cat->line, '{');
	batch_reset(cat->batch);
	for (uint16_t i = 0; i < cat->rel->n_columns; i++) {
		if ((keys_only && !cat->rel->columns[i].key) || (cat->json && datums[i].kind == DATUM_UNCHANGED))
			continue;
		if (!first || !cat->json)
			wbuf_put_u8(&cat->line, cat->json ? ',' : ' ');
		first = false;
		if (cat->json)
			wbuf_put_json_str(&cat->line, str_of(cat->rel->columns[i].name));
		else
			wbuf_putz(&cat->line, cat->rel->columns[i].name);
		wbuf_put_u8(&cat->line, cat->json ? ':' : '=');
		if (datums[i].kind == DATUM_UNCHANGED)
			wbuf_putz(&cat->line, "(unchanged)");
		else
			put_value(cat, i, &datums[i]);
	}
	if (cat->json)
		wbuf_put_u8(&cat->line, '}');
}

static const char *op_name(uint8_t op)
{
	switch (op) {
	case OP_INSERT: return "insert";
	case OP_UPDATE: return "update";
	case OP_DELETE: return "delete";
	case OP_TRUNCATE: return "truncate";
	}
	return "?";
}

static void change_json(struct cat *cat, const struct change *change)
{
	struct wbuf *out = &cat->line;
	bool first = true;

	wbuf_putf(out, "{\"event\":\"change\",\"ordinal\":%llu,\"op\":\"%s\",\"schema\":",
	          (unsigned long long)change->ordinal, op_name(change->op));
	wbuf_put_json_str(out, str_of(change->rel->schema));
	wbuf_putz(out, ",\"table\":");
	wbuf_put_json_str(out, str_of(change->rel->name));
	wbuf_putf(out, ",\"relation_version\":%u", change->rel->version);
	if (change->old_key) {
		wbuf_putz(out, ",\"key\":");
		put_tuple(cat, change->old_key, true);
	}
	if (change->row) {
		wbuf_putz(out, ",\"row\":");
		put_tuple(cat, change->row, false);
		for (uint16_t i = 0; i < change->rel->n_columns; i++) {
			if (change->row[i].kind != DATUM_UNCHANGED)
				continue;
			wbuf_putz(out, first ? ",\"unchanged\":[" : ",");
			wbuf_put_json_str(out, str_of(change->rel->columns[i].name));
			first = false;
		}
		if (!first)
			wbuf_put_u8(out, ']');
	}
	wbuf_putz(out, "}\n");
}

static void change_text(struct cat *cat, const struct change *change)
{
	struct wbuf *out = &cat->line;

	wbuf_putf(out, "  %-8s %s.%s", op_name(change->op), change->rel->schema, change->rel->name);
	if (change->old_key) {
		wbuf_putz(out, " key");
		put_tuple(cat, change->old_key, true);
	}
	if (change->row) {
		wbuf_putz(out, change->old_key ? " row" : "");
		put_tuple(cat, change->row, false);
	}
	wbuf_put_u8(out, '\n');
}

static void put_begin(struct cat *cat)
{
	char lsn[LSN_TEXT_MAX], time[TIME_TEXT_MAX];

	wbuf_putf(&cat->line,
	          cat->json ? "{\"event\":\"begin\",\"lsn\":\"%s\",\"xid\":%u,\"time\":\"%s\"}\n"
	                    : "BEGIN %s xid %u at %s\n",
	          lsn_text(cat->head.commit_lsn, lsn), cat->head.xid, time_text(cat->head.commit_ts_us, time));
	cat->begun = true;
}

static void put_commit(struct cat *cat, const struct tx_head *head)
{
	char lsn[LSN_TEXT_MAX], end[LSN_TEXT_MAX];

	wbuf_putf(&cat->line,
	          cat->json ? "{\"event\":\"commit\",\"lsn\":\"%s\",\"end_lsn\":\"%s\",\"changes\":%llu}\n"
	                    : "COMMIT %s end %s, %llu changes\n",
	          lsn_text(head->commit_lsn, lsn), lsn_text(head->end_lsn, end), (unsigned long long)head->n_changes);
	cat->printed++;
}

static bool wanted(const struct cat *cat, const struct relation *rel)
{
	char full[512];

	if (cat->table.n == 0)
		return true;
	return str_glob(cat->table, str_of(rel->name)) ||
	       (snprintf(full, sizeof full, "%s.%s", rel->schema, rel->name) < (int)sizeof full &&
	        str_glob(cat->table, str_of(full)));
}

static int put_event(struct cat *cat, enum journal_event event, const struct tx_head *head, const struct change *change,
                     struct err *err)
{
	int rc;

	wbuf_reset(&cat->line);
	if (event == JOURNAL_BEGIN) {
		cat->head = *head;
		cat->begun = false;
		if (cat->table.n == 0)
			put_begin(cat);
	} else if (event == JOURNAL_COMMIT) {
		if (cat->begun)
			put_commit(cat, head);
	} else if (wanted(cat, change->rel)) {
		rc = use_relation(cat, change->rel, err);
		if (rc)
			return rc;
		if (!cat->begun)
			put_begin(cat);
		(cat->json ? change_json : change_text)(cat, change);
	}
	fwrite(cat->line.p, 1, cat->line.n, stdout);
	return wbuf_check(&cat->line, err, "a row");
}

static int cat_journal(struct journal *journal, uint64_t after, struct cat *cat, struct err *err)
{
	struct journal_reader *reader;
	enum journal_event event = JOURNAL_TIMEOUT;
	struct tx_head head;
	struct change change;
	int rc = journal_reader_open(journal, after, bind_types, &reader, err);

	wbuf_init(&cat->line, 0);
	while (rc == 0 && cat->printed < cat->limit && !ferror(stdout)) {
		rc = journal_read(reader, 0, &event, &head, &change, err);
		if (rc || event == JOURNAL_TIMEOUT || event == JOURNAL_CLOSED)
			break;
		rc = put_event(cat, event, &head, &change, err);
	}
	batch_free(cat->batch);
	wbuf_free(&cat->line);
	journal_reader_close(reader);
	return rc;
}

static int cat_source(const struct config *config, const char *word, const struct command_args *args, struct err *err)
{
	const char *from = command_value(args, "from"), *limit = command_value(args, "limit");
	struct cat cat = { .table = str_of(command_value(args, "table")),
		           .limit = UINT64_MAX,
		           .json = command_flag(args, "json") };
	struct journal *journal;
	uint64_t lsn = 0;
	int rc;

	if (!word && config->n_sources != 1)
		return err_set(err, ERR_USAGE,
		               "journal cat: there are %zu sources: name one, as in `tarn journal cat %s`",
		               config->n_sources, config->n_sources ? config->sources[0].name : "SOURCE");
	if (from && !str_to_lsn(str_of(from), &lsn))
		return err_set(err, ERR_USAGE,
		               "--from: '%s' is not a log position; write it as PostgreSQL does, as in 16/B374D848",
		               from);
	if (limit && !str_to_u64(str_of(limit), &cat.limit))
		return err_set(err, ERR_USAGE, "--limit: '%s' is not a whole number", limit);
	rc = open_journal(config, word ? word : config->sources[0].name, &journal, err);
	if (rc)
		return rc;
	rc = cat_journal(journal, from ? (lsn ? lsn - 1 : 0) : journal_first_commit_lsn(journal), &cat, err);
	journal_close(journal);
	return rc;
}

/* --- */

static int run_verb(const struct config *config, const char *verb, const char *word, const struct command_args *args,
                    struct err *err)
{
	static const char *const verbs[] = { "ls", "cat", "check", NULL };
	bool json = command_flag(args, "json");
	struct wbuf out;
	const char *near;
	int rc;

	if (strcmp(verb, "cat") == 0)
		return cat_source(config, word, args, err);
	wbuf_init(&out, 0);
	if (strcmp(verb, "ls") == 0) {
		if (!json)
			wbuf_putf(&out, "%-16s %8s %20s %10s  %-18s %s\n", "SOURCE", "SEGMENT", "POSITION", "SIZE",
			          "AFTER LSN", "LAST LSN");
		rc = each_source(config, word, json, list_source, &out, err);
	} else if (strcmp(verb, "check") == 0) {
		rc = each_source(config, word, json, check_source, &out, err);
	} else {
		near = str_nearest(str_of(verb), verbs);
		rc = err_set(err, ERR_USAGE, "journal: unknown word '%s'%s%s%s", verb,
		             near ? "; did you mean '" : "; there are ls, cat and check", near ? near : "",
		             near ? "'?" : "");
	}
	if (rc == 0)
		rc = wbuf_check(&out, err, "the listing");
	if (rc == 0)
		fwrite(out.p, 1, out.n, stdout);
	wbuf_free(&out);
	return rc;
}

static int run(const struct command_args *args, struct err *err)
{
	struct config_opts opts = args->config_opts;
	const char *word = args->n_words > 1 ? args->words[1] : NULL;
	const struct config_source *source;
	struct config *config;
	int rc;

	if (args->n_words > 2)
		return err_set(err, ERR_USAGE, "journal takes a verb and a source, but '%s' follows", args->words[2]);
	opts.without_secrets = true; /* files are looked at, no server */
	rc = config_load(&opts, &config, err);
	if (rc)
		return rc;
	if (word)
		rc = cli_find_source(config, word, &source, err);
	if (!rc)
		rc = run_verb(config, args->n_words ? args->words[0] : "ls", word, args, err);
	config_free(config);
	return rc;
}

const struct command cmd_journal = {
	.name = "journal",
	.words = "ls | cat | check [SOURCE]",
	.summary = "look into the local log of changes",
	.help = "  ls     the files of each source's journal: size and the commit positions they hold (default)\n"
		"  cat    whole transactions, change by change, as they came from the source\n"
		"  check  reads every byte; a damaged file is named with the place\n"
		"\n"
		"All three may be used while `tarn run` is writing; they see what was complete when they began.\n"
		"\n"
		"Examples:\n"
		"  tarn journal ls\n"
		"  tarn journal cat bank --from 16/B374D848 --limit 10\n"
		"  tarn journal cat bank --table public.users --json\n"
		"  tarn journal check\n",
	.options = options,
	.run = run,
};
