/* src/cli/cmd_status.c — `tarn status`: what the running tarn does, once, live, or until everything is caught up. */
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "cli/cli_source.h"
#include "cli/grid.h"
#include "cli/status_view.h"
#include "pipeline/run_info.h"
#include "serve/table_admin.h"

#define SAMPLE_US 1000000
#define WAIT_EVERY_US 250000
/* the source is looked at every three seconds (source_monitor.c): what is seen after this time is newer than the
 * command */
#define LOOK_US 4000000
#define WAIT_S_MAX 604800

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signo)
{
	(void)signo;
	interrupted = 1;
}

/* --- without a running tarn --- */

/* {"running": false, "reason", "tables", "pipelines"}; the lists only when there is a catalog. */
static int stored_status(const struct config *config, const struct err *why, json_t **out, struct err *err)
{
	struct table_admin admin;
	json_t *o = json_object(), *tables = NULL, *pipelines = NULL;
	struct err none = { 0 };
	int rc = o && !json_set_bool(o, "running", false) && !json_set_str(o, "reason", str_of(why->text))
	                 ? ERR_OK
	                 : err_nomem(err);

	if (!rc && !table_admin_open(config, false, &admin, &none)) {
		rc = table_admin_list(&admin, &tables, err);
		if (!rc)
			rc = table_admin_positions(&admin, config, &pipelines, err);
		if (!rc && (json_object_set(o, "tables", tables) || json_object_set(o, "pipelines", pipelines)))
			rc = err_nomem(err);
		json_decref(tables);
		json_decref(pipelines);
		table_admin_close(&admin);
	}
	if (rc)
		json_decref(o);
	else
		*out = o;
	return rc;
}

static void put_stored(struct wbuf *out, const json_t *stored)
{
	if (!json_has(stored, "tables"))
		return;
	wbuf_putz(out, "What the catalog holds:\n");
	status_view_stored(out, stored);
}

/* *running: the object is a running tarn's. why: as run_info_status says it. */
static int look(const struct config *config, json_t **out, bool *running, struct err *why, struct err *err)
{
	int rc = run_info_status(config, out, why);

	*running = !rc;
	if (!rc || rc != ERR_CONNECT) {
		if (rc)
			*err = *why;
		return rc;
	}
	return stored_status(config, why, out, err);
}

/* --- once --- */

static int print_json(const json_t *value, struct err *err)
{
	char *text = json_text_pretty(value);

	if (!text)
		return err_nomem(err);
	printf("%s\n", text);
	mem_free(text);
	return ERR_OK;
}

static int put_text(struct wbuf *text, const json_t *now, const json_t *before, bool running, unsigned width,
                    struct err *err)
{
	if (running)
		status_view_put(text, now, before, width);
	else
		put_stored(text, now);
	grid_clean(text);
	return wbuf_check(text, err, "the status");
}

static int print_text(const json_t *now, const json_t *before, bool running, struct err *err)
{
	struct wbuf text;
	int rc;

	wbuf_init(&text, 0);
	rc = put_text(&text, now, before, running, isatty(STDOUT_FILENO) ? 100 : 0, err);
	if (!rc && text.n > 0) /* nothing is known of a tarn that never ran here */
		fwrite(text.p, 1, text.n, stdout);
	wbuf_free(&text);
	return rc;
}

/* Text shows rates: a second sample is taken a second later. That no tarn runs is the command's error. */
static int once(const struct config *config, bool json, struct err *err)
{
	json_t *now = NULL, *before = NULL;
	struct err why = { 0 };
	bool running;
	int rc = look(config, &now, &running, &why, err);

	if (rc)
		return rc;
	if (running && !json) {
		before = now;
		now = NULL;
		env_sleep_us(SAMPLE_US);
		rc = look(config, &now, &running, &why, err);
	}
	if (!rc)
		rc = json ? print_json(now, err) : print_text(now, before, running, err);
	json_decref(now);
	json_decref(before);
	if (!rc && !running) {
		*err = why;
		rc = why.code;
	}
	return rc;
}

/* --- live --- */

/* Lines cut to the window, so that a frame covers the one before exactly: home, each line cleared behind its end,
 * then everything below. */
static void draw(const struct wbuf *text)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	struct str rest = wbuf_str(text);
	unsigned rows = 0;

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	fputs("\033[H", stdout);
	while (rest.n > 0 && rows + 2 < size.ws_row) {
		struct str line = str_cut(&rest, '\n');
		size_t columns = 0, n = 0;

		for (; n < line.n; n++) {
			columns += ((unsigned char)line.p[n] & 0xc0) != 0x80;
			if (columns > size.ws_col)
				break;
		}
		printf("%.*s\033[K\n", (int)n, line.p);
		rows++;
	}
	printf("%s\033[K\033[J", rest.n > 0 ? "... the window is too small for all of it; Ctrl-C ends" : "Ctrl-C ends");
	fflush(stdout);
}

static unsigned window_width(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void pause_us(int64_t us)
{
	for (; us > 0 && !interrupted; us -= 100000)
		env_sleep_us(us < 100000 ? us : 100000);
}

static int watch(const struct config *config, struct err *err)
{
	json_t *now = NULL, *before = NULL;
	struct wbuf text;
	int rc = ERR_OK;

	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	wbuf_init(&text, 0);
	fputs("\033[2J", stdout);
	while (!rc && !interrupted) {
		struct err why = { 0 };
		bool running;

		now = NULL;
		rc = look(config, &now, &running, &why, err);
		wbuf_reset(&text);
		if (!rc && !running)
			wbuf_putf(&text, "%s\n\n", why.text);
		if (!rc)
			rc = put_text(&text, now, before, running, window_width(), err);
		if (!rc)
			draw(&text);
		json_decref(before);
		before = now;
		if (!rc)
			pause_us(SAMPLE_US);
	}
	json_decref(before);
	wbuf_free(&text);
	fputs("\n", stdout);
	return rc;
}

/* --- until caught up --- */

/* Each server was asked for its end of log since the first look: what it said then differs. */
static bool looked_again(const json_t *first, const json_t *now)
{
	const json_t *old = json_object_get(first, "sources"), *sources = json_object_get(now, "sources");

	if (json_array_size(old) != json_array_size(sources))
		return false;
	for (size_t i = 0; i < json_array_size(sources); i++) {
		const char *a = json_get_str(json_object_get(json_array_get(old, i), "lsn"), "looked_up", ""),
			   *b = json_get_str(json_object_get(json_array_get(sources, i), "lsn"), "looked_up", "");

		if (strcmp(a, b) == 0)
			return false;
	}
	return true;
}

/* What to wait for: the servers' positions at the first look that is newer than the command, not those of now, which
 * run ahead for ever under load. */
static int aim(json_t *now, const json_t *goal)
{
	const json_t *old = json_object_get(goal, "sources"), *sources = json_object_get(now, "sources");
	int rc = 0;

	for (size_t i = 0; i < json_array_size(sources); i++) {
		json_t *source = json_array_get(sources, i), *lsn = json_object_get(source, "lsn");
		json_t *server = json_object_get(json_object_get(json_array_get(old, i), "lsn"), "server");

		if (lsn && server)
			rc |= json_object_set(lsn, "server", server) | json_set_int(source, "lag_us", 0);
	}
	return rc;
}

struct waiting {
	json_t *first, *goal;
};

/* One look. *done: everything that was committed at the sources when the command began is in the lake. */
static int wait_look(const struct config *config, struct waiting *w, bool late, bool *done, char *reason, size_t n,
                     struct err *err)
{
	struct err why = { 0 };
	json_t *now = NULL;
	int rc = run_info_status(config, &now, &why);

	*done = false;
	if (rc) {
		snprintf(reason, n, "%s", why.text);
		if (err_class_of(rc) == ERR_CLASS_TRANSIENT)
			return ERR_OK; /* it may still be starting */
		*err = why;
		return rc;
	}
	if (!w->first)
		w->first = json_incref(now);
	if (!w->goal && (late || looked_again(w->first, now)))
		w->goal = json_deep_copy(now);
	if (w->goal && aim(now, w->goal))
		rc = err_nomem(err);
	*done = !rc && status_is_caught_up(now, reason, n);
	if (*done && !w->goal) {
		snprintf(reason, n, "the sources were not looked at again yet");
		*done = false;
	}
	json_decref(now);
	return rc;
}

static int wait_until_caught_up(const struct config *config, uint64_t seconds, struct err *err)
{
	int64_t begin = env_mono_us(), limit = (int64_t)seconds * 1000000, passed = 0;
	char reason[ERR_TEXT_MAX] = "";
	struct waiting w = { NULL, NULL };
	bool done = false;
	int rc = ERR_OK;

	while (!rc && !done) {
		passed = env_mono_us() - begin;
		rc = wait_look(config, &w, passed >= (limit < LOOK_US ? limit : LOOK_US), &done, reason, sizeof reason,
		               err);
		if (passed >= limit)
			break;
		if (!rc && !done)
			env_sleep_us(limit - passed < WAIT_EVERY_US ? limit - passed : WAIT_EVERY_US);
	}
	json_decref(w.first);
	json_decref(w.goal);
	if (!rc && !done)
		return err_set(err, ERR_TIMEOUT, "not caught up within %llu s: %s", (unsigned long long)seconds,
		               reason);
	return rc;
}

/* --- */

static int dispatch(const struct command_args *args, const struct config *config, struct err *err)
{
	bool json = command_flag(args, "json"), live = command_flag(args, "watch");
	uint64_t seconds = 0;
	int rc = cli_number(args, "wait", 1, WAIT_S_MAX, &seconds, err);

	if (!rc && live && (json || seconds))
		rc = err_set(err, ERR_USAGE, "status --watch goes with neither --json nor --wait");
	if (!rc && seconds) {
		rc = wait_until_caught_up(config, seconds, err);
		if (!rc && !json)
			printf("all tables run and are caught up\n");
		if (rc || !json)
			return rc;
	}
	if (rc)
		return rc;
	return live && isatty(STDOUT_FILENO) ? watch(config, err) : once(config, json, err);
}

static int run(const struct command_args *args, struct err *err)
{
	struct config_opts opts = args->config_opts;
	struct config *config = NULL;
	int rc;

	if (args->n_words > 0)
		return err_set(
			err, ERR_USAGE,
			"status takes no words, but '%.100s' was given; one table is shown by: tarn table show NAME",
			args->words[0]);
	opts.without_secrets = true; /* the running tarn is asked, no source */
	rc = config_load(&opts, &config, err);
	if (rc)
		return rc;
	rc = dispatch(args, config, err);
	config_free(config);
	return rc;
}

static const struct command_option options[] = {
	{ "watch", 'w', NULL, "live on a terminal, redrawn every second, until Ctrl-C; elsewhere printed once" },
	{ "wait", 0, "SECONDS",
	  "wait until all tables run and have what was committed when the command began; else status 15" },
	{ "json", 0, NULL, "print JSON" },
	{ NULL, 0, NULL, NULL },
};

const struct command cmd_status = {
	.name = "status",
	.words = "",
	.summary = "what the running tarn does: positions, lag, tables, copies",
	.help = "Shows each source with its steps from the server's log to the lake and how far each is behind,\n"
		"what log the server keeps for its slot, and the tables: state, rows, rows per second, position,\n"
		"progress of a copy. A stopped table is shown with its reason and what to do. When no tarn runs,\n"
		"the positions stored in the catalog are shown, and the exit status is 4. Times are UTC.\n"
		"\n"
		"Examples:\n"
		"  tarn status\n"
		"  tarn status --watch\n"
		"  tarn status --json | jq '.sources[].lag_us'\n"
		"  tarn status --wait 60 && tarn sql \"SELECT count(*) FROM bank.accounts\"\n",
	.options = options,
	.run = run,
};
