/* src/cli/sql_prompt.c — the interactive loop of `tarn sql`: libedit lines, history, backslash commands. */
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/wbuf.h"
#include "cli/sql_shell.h"

#define HISTORY_LINES 2000
#define STATEMENT_BYTES_MAX ((size_t)16 << 20)

struct prompt {
	struct sql_shell *shell;
	EditLine *el;
	History *history;
	char history_path[4096]; /* "" when there is no place */
	struct wbuf text;        /* the statement so far */
	bool quit;
};

static const char help[] =
	"A statement ends with ';'. Ctrl-C cancels a query, Ctrl-D or \\q leaves.\n"
	"  \\dt               the tables\n"
	"  \\d NS.TABLE       the columns of a table\n"
	"  \\timing           show how long statements take, or stop showing it\n"
	"  \\?                this help\n"
	"Versions: SELECT ... FROM ns.table AT (VERSION => 123), AT (TIMESTAMP => '2026-11-23 17:00'), AT (LSN => '0/16B3740')\n";

static void show_error(const struct err *err) { fprintf(stderr, "error: %s\n", err->text); }

static void run_text(struct prompt *prompt, const char *text)
{
	struct err err = { 0 };

	if (sql_shell_script(prompt->shell, text, &err))
		show_error(&err);
}

static void list_tables(struct prompt *prompt)
{
	const struct sql_name *names;
	struct err err = { 0 };
	struct wbuf out;
	size_t n;

	if (sql_catalog_names(prompt->shell->cat, &names, &n, &err)) {
		show_error(&err);
		return;
	}
	wbuf_init(&out, 0);
	for (size_t i = 0; i < n; i++)
		wbuf_putf(&out, "%s.%s\n", names[i].ns, names[i].table);
	wbuf_putf(&out, "(%zu table%s)\n", n, n == 1 ? "" : "s");
	if (sql_shell_print(prompt->shell, wbuf_str(&out), &err))
		show_error(&err);
	wbuf_free(&out);
}

static void describe(struct prompt *prompt, struct str name)
{
	struct wbuf sql;

	wbuf_init(&sql, 64 << 10);
	wbuf_putz(&sql, "SELECT column_name, column_type FROM (DESCRIBE ");
	wbuf_put_str(&sql, name);
	wbuf_putz(&sql, ")");
	run_text(prompt, wbuf_cstr(&sql));
	wbuf_free(&sql);
}

static void backslash(struct prompt *prompt, struct str line)
{
	struct str rest = line, word = str_cut(&rest, ' ');

	rest = str_trim(rest);
	if (str_eqz(word, "\\q"))
		prompt->quit = true;
	else if (str_eqz(word, "\\dt") || (str_eqz(word, "\\d") && rest.n == 0))
		list_tables(prompt);
	else if (str_eqz(word, "\\d"))
		describe(prompt, rest);
	else if (str_eqz(word, "\\timing"))
		printf("Timing is %s.\n", (prompt->shell->timing = !prompt->shell->timing) ? "on" : "off");
	else if (str_eqz(word, "\\?") || str_eqz(word, "\\h"))
		fputs(help, stdout);
	else
		fprintf(stderr, "error: unknown command %.*s; \\? shows what there is\n", STR_FMT(word));
	fflush(stdout);
}

/* --- history --- */

static void history_file(struct prompt *prompt)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char dir[3500];

	if (state && *state == '/')
		snprintf(dir, sizeof dir, "%.3000s/tarn", state);
	else if (home && *home == '/')
		snprintf(dir, sizeof dir, "%.3000s/.local/state/tarn", home);
	else
		return;
	if (env_mkdir_parents(dir, 0700) >= 0)
		snprintf(prompt->history_path, sizeof prompt->history_path, "%s/history", dir);
}

/* A statement of several lines becomes one line of history. */
static void remember(struct prompt *prompt, struct str text)
{
	char *line = mem_strndup(text.p, text.n);
	HistEvent event;

	if (!line)
		return;
	for (char *p = line; *p; p++) {
		if (*p == '\n')
			*p = ' ';
	}
	history(prompt->history, &event, H_ENTER, line);
	mem_free(line);
}

static char *prompt_text(EditLine *el)
{
	static char first[] = "tarn> ", more[] = "  ... ";
	struct prompt *prompt = NULL;

	el_get(el, EL_CLIENTDATA, &prompt);
	return prompt && prompt->text.n ? more : first;
}

/* --- the loop --- */

static void take_statements(struct prompt *prompt)
{
	size_t n;

	while (!prompt->quit && (n = sql_statement_end(wbuf_cstr(&prompt->text))) > 0) {
		struct str statement = str_view(prompt->text.p, n);
		char *copy = mem_strndup(statement.p, statement.n);
		remember(prompt, str_trim(statement));
		memmove(prompt->text.p, prompt->text.p + n, prompt->text.n - n);
		prompt->text.n -= n;
		if (copy)
			run_text(prompt, copy);
		mem_free(copy);
	}
	if (sql_is_blank(wbuf_cstr(&prompt->text)))
		wbuf_reset(&prompt->text);
}

static void take_line(struct prompt *prompt, struct str line)
{
	struct str trimmed = str_trim(line);

	if (prompt->text.n == 0 && trimmed.n == 0)
		return;
	if (prompt->text.n == 0 && (trimmed.p[0] == '\\' || str_eqz(trimmed, "exit") || str_eqz(trimmed, "quit") ||
	                            str_eqz(trimmed, "help"))) {
		remember(prompt, trimmed);
		backslash(prompt, trimmed.p[0] == '\\'       ? trimmed
		                  : str_eqz(trimmed, "help") ? STR_LIT("\\?")
		                                             : STR_LIT("\\q"));
		return;
	}
	wbuf_put_str(&prompt->text, line);
	if (wbuf_failed(&prompt->text)) {
		fprintf(stderr, "error: the statement is too long\n");
		wbuf_reset(&prompt->text);
		return;
	}
	take_statements(prompt);
}

static void loop(struct prompt *prompt)
{
	while (!prompt->quit) {
		int n = 0;
		errno = 0;
		(void)sql_shell_interrupted(); /* a Ctrl-C that cancelled a query says nothing about the next line */
		const char *line = el_gets(prompt->el, &n);
		if (sql_shell_interrupted() || (!line && errno == EINTR)) { /* Ctrl-C while typing: begin again */
			fputs("^C\n", stdout);
			el_reset(prompt->el);
			wbuf_reset(&prompt->text);
			continue;
		}
		if (!line || n <= 0) {
			fputs("\n", stdout);
			break;
		}
		take_line(prompt, str_view(line, (size_t)n));
	}
}

int sql_shell_interactive(struct sql_shell *shell, struct err *err)
{
	struct prompt prompt = { .shell = shell };
	HistEvent event;

	setlocale(LC_CTYPE, ""); /* libedit reads characters by it */
	prompt.history = history_init();
	prompt.el = el_init("tarn", stdin, stdout, stderr);
	if (!prompt.el || !prompt.history)
		return err_nomem(err);
	wbuf_init(&prompt.text, STATEMENT_BYTES_MAX);
	history(prompt.history, &event, H_SETSIZE, HISTORY_LINES);
	history(prompt.history, &event, H_SETUNIQUE, 1);
	history_file(&prompt);
	if (prompt.history_path[0])
		history(prompt.history, &event, H_LOAD, prompt.history_path);
	el_set(prompt.el, EL_CLIENTDATA, &prompt);
	el_set(prompt.el, EL_PROMPT, prompt_text);
	el_set(prompt.el, EL_EDITOR, "emacs");
	el_set(prompt.el, EL_HIST, history, prompt.history);
	printf("SQL over the lake. A statement ends with ';'; \\? shows help, \\q leaves.\n");
	loop(&prompt);
	if (prompt.history_path[0]) {
		mode_t before = umask(077); /* statements can hold private values */
		history(prompt.history, &event, H_SAVE, prompt.history_path);
		umask(before);
	}
	el_end(prompt.el);
	history_end(prompt.history);
	wbuf_free(&prompt.text);
	return ERR_OK;
}
