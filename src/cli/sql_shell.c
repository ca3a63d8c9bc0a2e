/* src/cli/sql_shell.c — statements of `tarn sql`: split, run, shown. */
#include "cli/sql_shell.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/env.h"
#include "base/mem.h"

static struct sql_catalog *_Atomic cancel_target;
static volatile sig_atomic_t interrupts;

static void on_interrupt(int sig)
{
	struct sql_catalog *cat = cancel_target;

	(void)sig;
	interrupts = 1;
	if (cat)
		sql_catalog_cancel(cat);
}

void sql_shell_catch(struct sql_shell *shell)
{
	struct sigaction action = { .sa_handler = on_interrupt }; /* no SA_RESTART: reading a line must end */

	cancel_target = shell->cat;
	sigaction(SIGINT, shell->cat ? &action : &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
}

bool sql_shell_interrupted(void)
{
	bool was = interrupts;

	interrupts = 0;
	return was;
}

int sql_shell_print(struct sql_shell *shell, struct str text, struct err *err)
{
	int rc = env_write(shell->out_fd, text.p, text.n);

	if (rc >= 0)
		return ERR_OK;
	shell->reader_gone = rc == -EPIPE;
	return err_set_errno(err, ERR_IO, -rc, "writing the result");
}

static int write_text(void *arg, struct str text, struct err *err) { return sql_shell_print(arg, text, err); }

static int run_statement(struct sql_shell *shell, const char *text, struct err *err)
{
	struct result_opts opts = { shell->format, shell->width, write_text, shell };
	struct result_writer *writer = result_writer_new(&opts);
	int64_t begin = env_mono_us();
	char took[SIZE_TEXT_MAX];

	if (!writer)
		return err_nomem(err);
	int rc = sql_catalog_run(shell->cat, text, result_writer_sink(writer), err);
	if (!rc)
		rc = result_writer_finish(writer, err);
	result_writer_free(writer);
	if (!rc && shell->timing)
		fprintf(stderr, "Time: %s\n", duration_text(env_mono_us() - begin, took));
	return rc;
}

static int run_statements(struct sql_shell *shell, const char *text, struct err *err)
{
	int rc = ERR_OK;

	while (!rc && !sql_is_blank(text)) {
		if (sql_shell_interrupted()) /* between two statements, where no query is to be cancelled */
			return err_set(err, ERR_CANCELLED, "the query was cancelled");
		size_t n = sql_statement_end(text);
		if (n == 0)
			n = strlen(text);
		char *statement = mem_strndup(text, n);
		if (!statement)
			return err_nomem(err);
		if (!sql_is_blank(statement))
			rc = run_statement(shell, statement, err);
		mem_free(statement);
		text += n;
	}
	return rc;
}

/* The worker is prepared once for the whole text: its statements share temporary tables and see each table at one
 * version. */
int sql_shell_script(struct sql_shell *shell, const char *text, struct err *err)
{
	if (sql_is_blank(text))
		return ERR_OK;
	(void)sql_shell_interrupted();
	int rc = sql_catalog_begin(shell->cat, text, err);
	if (!rc)
		rc = run_statements(shell, text, err);
	if (rc && shell->reader_gone) /* `tarn sql ... | head` is no failure */
		rc = ERR_OK;
	return rc;
}
