/* src/cli/cmd_generate.c — `tarn generate WORKLOAD`: tables with data, then changes at a rate, the same for the same
 * seed. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/env.h"
#include "cli/cli_source.h"
#include "cli/workload.h"

struct generate {
	const struct workload_ops *ops;
	uint64_t rows, changes, seconds, rate, seed, tx_rows;
	uint64_t mix[CHANGE_KINDS];
	const char *schema;
	bool json, async_commit;
};

static volatile int stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* The first signal ends the work after the transaction under way, the second ends the process. */
static void watch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int parse_mix(const char *text, uint64_t mix[CHANGE_KINDS], struct err *err)
{
	struct str rest = str_of(text);
	uint64_t sum = 0;

	for (int i = 0; i < CHANGE_KINDS; i++) {
		struct str part = str_cut(&rest, '/');

		if (!str_to_u64(part, &mix[i]) || mix[i] > 1000000)
			return err_set(err, ERR_USAGE,
			               "--mix takes shares of inserts, updates and deletes as in 60/30/10, not '%s'",
			               text);
		sum += mix[i];
	}
	if (rest.n || sum == 0)
		return err_set(err, ERR_USAGE,
		               "--mix takes three shares of which one is above zero, as in 60/30/10, not '%s'", text);
	return ERR_OK;
}

static int parse(const struct command_args *args, struct generate *g, struct err *err)
{
	const char *mix = command_value(args, "mix"), *schema = command_value(args, "schema");
	int rc;

	*g = (struct generate){ .rows = 100000,
		                .seed = 1,
		                .tx_rows = 10,
		                .mix = { 60, 30, 10 },
		                .schema = schema ? schema : "public",
		                .json = command_flag(args, "json"),
		                .async_commit = command_flag(args, "async-commit") };
	if (args->n_words != 1)
		return err_set(err, ERR_USAGE, "generate takes one workload: bank or shop");
	g->ops = workload_find(args->words[0], err);
	if (!g->ops)
		return ERR_USAGE;
	rc = cli_number(args, "rows", 1, 10000000000, &g->rows, err);
	if (!rc)
		rc = cli_number(args, "changes", 1, 1000000000000, &g->changes, err);
	if (!rc)
		rc = cli_number(args, "seconds", 1, 100000000, &g->seconds, err);
	if (!rc)
		rc = cli_number(args, "rate", 1, 100000000, &g->rate, err);
	if (!rc)
		rc = cli_number(args, "seed", 0, UINT64_MAX, &g->seed, err);
	if (!rc)
		rc = cli_number(args, "tx-rows", 1, 100000, &g->tx_rows, err);
	if (!rc && g->changes && g->seconds)
		rc = err_set(err, ERR_USAGE, "give --changes or --seconds, not both");
	if (!rc && g->rate && !g->changes && !g->seconds)
		rc = err_set(err, ERR_USAGE, "--rate needs --changes or --seconds to say when to end");
	if (!rc && mix)
		rc = parse_mix(mix, g->mix, err);
	return rc;
}

/* The session's way to the tables, and the tables themselves. */
static int make_tables(struct workload *w, const struct generate *g, struct err *err)
{
	struct wbuf head;
	int rc;

	wbuf_init(&head, 0);
	if (strcmp(g->schema, "public") != 0) {
		wbuf_putz(&head, "CREATE SCHEMA IF NOT EXISTS ");
		wbuf_put_sql_ident(&head, str_of(g->schema));
		wbuf_putz(&head, "; ");
	}
	wbuf_putz(&head, "SET search_path = ");
	wbuf_put_sql_ident(&head, str_of(g->schema));
	wbuf_putz(&head, g->async_commit ? "; SET synchronous_commit = off" : "");
	rc = wbuf_check(&head, err, "the schema's name");
	if (!rc)
		rc = pg_exec(w->conn, wbuf_cstr(&head), err);
	wbuf_free(&head);
	return rc ? rc : pg_exec(w->conn, g->ops->create_sql, err);
}

/* A generator remembers which keys live; a second one on the same tables would make keys that are there already. The
 * lock goes with the connection. */
static int lock_tables(struct workload *w, const struct generate *g, struct err *err)
{
	char what[160];
	struct pg_result *r = NULL;

	snprintf(what, sizeof what, "tarn generate %s %.100s", g->ops->name, g->schema);
	int rc = pg_query(w->conn, "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 0))",
	                  (const char *[]){ what }, 1, &r, err);
	bool got = !rc && pg_result_bool(r, 0, 0);
	pg_result_free(r);
	if (rc || got)
		return rc;
	return err_set(
		err, ERR_LOCKED,
		"another tarn generate works on the tables of %s in schema %s of %s; stop it first, or give this one tables of its own with --schema NAME",
		g->ops->name, g->schema, pg_conn_label(w->conn));
}

/* All tables are filled or none is: a load that was stopped half way must not be taken for a whole one. */
static int load(struct workload *w, const struct generate *g, struct err *err)
{
	int rc = pg_exec(w->conn, "BEGIN", err);

	if (!rc)
		rc = g->ops->load(w, err);
	if (!rc)
		rc = pg_exec(w->conn, "COMMIT", err);
	if (rc == ERR_QUERY && err) { /* tables of the same names that are somebody else's */
		struct err cause = *err;

		return err_set(
			err, rc,
			"%s; if these are other tables of the same names, --schema NAME gives tarn generate its own",
			cause.text);
	}
	/* without statistics the server would read whole tables to find the rows to change */
	return rc ? rc : pg_exec(w->conn, g->ops->analyze_sql, err);
}

static int prepare(struct workload *w, const struct generate *g, struct err *err)
{
	int64_t there = 0;
	int rc = lock_tables(w, g, err);

	if (!rc)
		rc = make_tables(w, g, err);
	if (!rc)
		rc = workload_number(w, g->ops->holds_rows_sql, &there, err);
	if (rc || !there)
		return rc ? rc : load(w, g, err);
	if (!w->quiet)
		printf("the tables of %s hold rows already: nothing is loaded, changes go on from there\n",
		       g->ops->name);
	return g->ops->resume(w, err);
}

static uint64_t sum(const uint64_t counts[CHANGE_KINDS])
{
	return counts[CHANGE_INSERT] + counts[CHANGE_UPDATE] + counts[CHANGE_DELETE];
}

/* The kind furthest behind its share, of those not yet found impossible. */
static int next_kind(const uint64_t mix[CHANGE_KINDS], const uint64_t counts[CHANGE_KINDS],
                     const bool tried[CHANGE_KINDS])
{
	double best = 0;
	int kind = -1;

	for (int i = 0; i < CHANGE_KINDS; i++) {
		double behind = (double)mix[i] * (double)(sum(counts) + 1) - (double)counts[i] * (double)sum(mix);

		if (mix[i] && !tried[i] && (kind < 0 || behind > best)) {
			best = behind;
			kind = i;
		}
	}
	return kind;
}

/* Fills one transaction up to `want` rows. */
static int fill_tx(struct workload *w, const struct generate *g, uint64_t want, uint64_t counts[CHANGE_KINDS],
                   struct err *err)
{
	uint64_t begin = sum(counts);
	bool tried[CHANGE_KINDS] = { false };

	while (sum(counts) - begin < want) {
		uint64_t before = sum(counts);
		int kind = next_kind(g->mix, counts, tried), rc;

		if (kind < 0)
			break;
		rc = w->ops->add(w, (enum change_kind)kind, counts, err);
		if (rc)
			return rc;
		tried[kind] = sum(counts) == before;
	}
	if (sum(counts) == begin)
		return err_set(err, ERR_USAGE,
		               "nothing is left to change by this --mix; give inserts a share, or load more rows");
	return ERR_OK;
}

static int run_changes(struct workload *w, const struct generate *g, uint64_t counts[CHANGE_KINDS],
                       uint64_t *transactions, struct err *err)
{
	int64_t begin = env_mono_us(), end = g->seconds ? begin + (int64_t)g->seconds * 1000000 : 0;
	struct wbuf sql;
	int rc = ERR_OK;

	wbuf_init(&sql, 0);
	progress_begin(&w->progress, "changing", "changes", g->changes, (int64_t)g->seconds * 1000000, w->quiet);
	while (!rc && !stop && (g->changes ? sum(counts) < g->changes : env_mono_us() < end)) {
		uint64_t want =
			g->changes && g->changes - sum(counts) < g->tx_rows ? g->changes - sum(counts) : g->tx_rows;

		if (g->rate) {
			int64_t due = begin + (int64_t)((double)sum(counts) * 1e6 / (double)g->rate),
				wait = due - env_mono_us();

			if (wait > 0) {
				env_sleep_us(wait < 200000 ? wait : 200000);
				progress_show(&w->progress, sum(counts));
				continue;
			}
		}
		wbuf_reset(&sql);
		wbuf_putz(&sql, "BEGIN;\n");
		rc = fill_tx(w, g, want, counts, err);
		if (rc == ERR_USAGE && *transactions > 0) { /* some was done: that is a result */
			fprintf(stderr, "tarn: %s\n", err->text);
			rc = ERR_OK;
			break;
		}
		if (rc)
			break;
		w->ops->flush(w, &sql, counts);
		wbuf_putz(&sql, "COMMIT");
		w->tx++;
		rc = wbuf_check(&sql, err, "one transaction's statements");
		if (!rc)
			rc = pg_exec(w->conn, wbuf_cstr(&sql), err);
		++*transactions;
		progress_show(&w->progress, sum(counts));
	}
	progress_end(&w->progress);
	wbuf_free(&sql);
	return rc;
}

static void report(const struct generate *g, const struct workload *w, const uint64_t counts[CHANGE_KINDS],
                   uint64_t transactions, int64_t load_us, int64_t change_us)
{
	char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX], c[SIZE_TEXT_MAX], d[SIZE_TEXT_MAX], e[SIZE_TEXT_MAX], f[SIZE_TEXT_MAX],
		h[SIZE_TEXT_MAX];

	if (g->json) {
		printf("{\"workload\":\"%s\",\"loaded\":%" PRIu64 ",\"load_seconds\":%.3f,\"changes\":%" PRIu64
		       ",\"inserts\":%" PRIu64 ",\"updates\":%" PRIu64 ",\"deletes\":%" PRIu64
		       ",\"transactions\":%" PRIu64 ",\"change_seconds\":%.3f,\"stopped\":%s}\n",
		       g->ops->name, w->loaded, (double)load_us / 1e6, sum(counts), counts[CHANGE_INSERT],
		       counts[CHANGE_UPDATE], counts[CHANGE_DELETE], transactions, (double)change_us / 1e6,
		       stop ? "true" : "false");
		return;
	}
	if (w->loaded)
		printf("loaded %s rows in %s (%s/s)\n", count_text(w->loaded, a), duration_text(load_us, b),
		       count_text((uint64_t)((double)w->loaded * 1e6 / (double)(load_us ? load_us : 1)), c));
	if (transactions)
		printf("%s changes (%s inserts, %s updates, %s deletes) in %s transactions, %s (%s/s)%s\n",
		       count_text(sum(counts), a), count_text(counts[CHANGE_INSERT], b),
		       count_text(counts[CHANGE_UPDATE], c), count_text(counts[CHANGE_DELETE], d),
		       count_text(transactions, e), duration_text(change_us, f),
		       count_text((uint64_t)((double)sum(counts) * 1e6 / (double)(change_us ? change_us : 1)), h),
		       stop ? ", stopped" : "");
	else
		printf("rows only; --changes N or --seconds S makes changes too\n");
}

static int work(struct workload *w, const struct generate *g, struct err *err)
{
	uint64_t counts[CHANGE_KINDS] = { 0, 0, 0 }, transactions = 0;
	int64_t begin = env_mono_us(), loaded, ended;
	int rc = prepare(w, g, err);

	loaded = env_mono_us();
	if (!rc)
		rc = w->ops->check(w, true, err);
	w->rng.state = rng_mix(g->seed + 0x5eed); /* the changes do not depend on whether the load was in this run */
	if (!rc && (g->changes || g->seconds)) {
		loaded = loaded > begin ? loaded : begin;
		rc = run_changes(w, g, counts, &transactions, err);
	}
	ended = env_mono_us();
	if (rc)
		return rc;
	report(g, w, counts, transactions, loaded - begin, ended - loaded);
	return w->ops->check(w, false, err);
}

static int run(const struct command_args *args, struct err *err)
{
	struct workload *w = NULL;
	struct config *config = NULL;
	struct pg_conn_opts opts;
	struct generate g;
	int rc = parse(args, &g, err);

	if (!rc)
		rc = cli_source_conn(args, NULL, &opts, &config, err);
	if (!rc)
		rc = workload_new(g.ops, &w, err);
	if (!rc) {
		stop = 0;
		watch_signals();
		w->rng.state = rng_mix(g.seed);
		w->rows = g.rows;
		w->stop = &stop;
		w->quiet = g.json;
		rc = pg_conn_open(&w->conn, &opts, err);
	}
	if (!rc)
		rc = work(w, &g, err);
	if (w)
		pg_conn_close(w->conn);
	workload_free(w);
	config_free(config);
	return rc;
}

static const struct command_option options[] = {
	{ "postgres", 0, "CONNINFO", "the database; default: the configuration's only source" },
	{ "password-env", 0, "NAME", "environment variable that holds the password" },
	{ "schema", 0, "NAME", "schema of the tables; default public; made when missing" },
	{ "rows", 0, "N", "rows to load into empty tables, over all of them; default 100000" },
	{ "changes", 0, "N", "changed rows to make, then end" },
	{ "seconds", 0, "S", "make changes for so long" },
	{ "rate", 0, "PER_S", "changed rows a second; default: as fast as the server takes them" },
	{ "mix", 0, "I/U/D", "shares of inserts, updates and deletes; default 60/30/10" },
	{ "tx-rows", 0, "N", "changed rows in one transaction; default 10" },
	{ "seed", 0, "N", "the same seed on the same tables gives the same statements; default 1" },
	{ "async-commit", 0, NULL, "do not wait for the server's disk at commit (synchronous_commit = off)" },
	{ "json", 0, NULL, "one JSON object at the end, nothing else" },
	{ NULL, 0, NULL, NULL },
};

const struct command cmd_generate = {
	.name = "generate",
	.words = "bank | shop",
	.summary = "fill a PostgreSQL database with test data and change it",
	.help = "  bank   users, accounts, transfers. Money only moves: sum(accounts.balance) is the same in\n"
		"         every consistent state, in PostgreSQL and in the lake.\n"
		"  shop   customers, products, orders, order_items: all types (uuid, jsonb, enum, arrays,\n"
		"         decimals, times, bytes), a composite key and long texts.\n\n"
		"Tables are made when missing and loaded, as a whole, when empty; a later run goes on from\n"
		"the rows that are there. Ctrl-C ends after the transaction under way. One generator at a\n"
		"time works on a workload's tables.\n\n"
		"Examples:\n"
		"  tarn generate bank --postgres postgresql://me@localhost/bank --rows 1000000\n"
		"  tarn generate bank --postgres postgresql://me@localhost/bank --seconds 60 --rate 5000\n"
		"  tarn generate shop --changes 1000000 --mix 60/30/10 --tx-rows 100\n",
	.options = options,
	.run = run,
};
