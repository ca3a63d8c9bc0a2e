/* src/cli/cmd_sql.c — `tarn sql`: queries over the lake's tables, from the command line, a file, a pipe or a prompt. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/sql_shell.h"

#define SCRIPT_BYTES_MAX ((size_t)16 << 20)
#define READ_BYTES (64 << 10)

static int read_stdin(char **out, struct err *err)
{
	struct wbuf text;
	int rc = ERR_OK;

	wbuf_init(&text, SCRIPT_BYTES_MAX);
	for (;;) {
		uint8_t *room = wbuf_reserve(&text, READ_BYTES);
		ssize_t n = room ? env_read(0, room, READ_BYTES) : 0;
		if (n < 0)
			rc = err_set_errno(err, ERR_IO, (int)-n, "reading the statements from standard input");
		if (n <= 0)
			break;
		text.n += (size_t)n;
	}
	if (!rc)
		rc = wbuf_check(&text, err, "the statements on standard input");
	if (!rc && !(*out = wbuf_take(&text)))
		rc = err_nomem(err);
	wbuf_free(&text);
	return rc;
}

/* The statements, or NULL: ask for them. */
static int find_text(const struct command_args *args, char **out, struct err *err)
{
	const char *file = command_value(args, "file");
	size_t n;

	if (args->n_words > 1)
		return err_set(err, ERR_USAGE, "sql takes one word, the query; put it in quotes");
	if (file && args->n_words)
		return err_set(err, ERR_USAGE, "sql takes a query or --file, not both");
	*out = NULL;
	if (args->n_words) {
		*out = mem_strdup(args->words[0]);
		return *out ? ERR_OK : err_nomem(err);
	}
	if (file && strcmp(file, "-") != 0) {
		int rc = env_read_file(file, SCRIPT_BYTES_MAX, out, &n);
		return rc < 0 ? err_set_errno(err, ERR_IO, -rc, "--file: %s cannot be read", file) : ERR_OK;
	}
	return file || !isatty(0) ? read_stdin(out, err) : ERR_OK;
}

static unsigned terminal_width(int fd)
{
	struct winsize size;

	return isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static int copy_to_stdout(const char *path, struct err *err)
{
	char *buf = mem_alloc(READ_BYTES);
	int fd = env_open(path, O_RDONLY, 0), rc = ERR_OK;

	if (!buf)
		rc = err_nomem(err);
	else if (fd < 0)
		rc = err_set_errno(err, ERR_IO, -fd, "%s", path);
	while (!rc) {
		ssize_t n = env_read(fd, buf, READ_BYTES);
		int wrote = n > 0 ? env_write(1, buf, (size_t)n) : 0;
		if (n < 0 || wrote < 0)
			rc = err_set_errno(err, ERR_IO, n < 0 ? (int)-n : -wrote,
			                   "writing the Parquet file to standard output");
		if (n == 0)
			break;
	}
	if (fd >= 0)
		env_close(fd);
	mem_free(buf);
	return rc;
}

static int to_parquet(struct sql_catalog *cat, const char *text, const char *out, struct err *err)
{
	char path[64], uuid[37];

	if (!text)
		return err_set(err, ERR_USAGE, "--format parquet needs a query");
	if (!out && isatty(1))
		return err_set(err, ERR_USAGE, "a Parquet file is not for a terminal: add --output FILE");
	env_uuid_text(uuid);
	snprintf(path, sizeof path, "/tmp/tarn-%s.parquet", uuid);
	int rc = sql_catalog_begin(cat, text, err);
	if (!rc)
		rc = sql_catalog_run_to_parquet(cat, text, out ? out : path, err);
	if (!rc && !out)
		rc = copy_to_stdout(path, err);
	if (!out)
		(void)env_unlink(path);
	return rc;
}

static int to_text(struct sql_shell *shell, const char *text, const char *out, struct err *err)
{
	int rc;

	if (out) {
		shell->out_fd = env_open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (shell->out_fd < 0)
			return err_set_errno(err, ERR_IO, -shell->out_fd, "--output: %s cannot be written", out);
	}
	shell->width = terminal_width(shell->out_fd);
	rc = text ? sql_shell_script(shell, text, err) : sql_shell_interactive(shell, err);
	if (out)
		env_close(shell->out_fd);
	return rc;
}

static int parse_format(const struct command_args *args, struct sql_shell *shell, bool *parquet, struct err *err)
{
	const char *format = command_value(args, "format");

	*parquet = format && strcmp(format, "parquet") == 0;
	if (format && !*parquet && !result_format_parse(format, &shell->format))
		return err_set(err, ERR_USAGE, "unknown format '%s': there are table, csv, json, ndjson and parquet",
		               format);
	return ERR_OK;
}

static int run_opened(const struct command_args *args, struct sql_shell *shell, bool parquet, const char *text,
                      struct err *err)
{
	const char *out = command_value(args, "output");

	sql_shell_catch(shell);
	int rc = parquet ? to_parquet(shell->cat, text, out, err) : to_text(shell, text, out, err);
	struct sql_catalog *cat = shell->cat;
	shell->cat = NULL;
	sql_shell_catch(shell);
	sql_catalog_close(cat);
	return rc;
}

static int run(const struct command_args *args, struct err *err)
{
	struct sql_shell shell = { .out_fd = 1, .timing = command_flag(args, "timing") };
	struct config_opts opts = args->config_opts;
	struct config *config = NULL;
	char *text = NULL;
	bool parquet;

	opts.without_secrets = true;
	int rc = parse_format(args, &shell, &parquet, err);
	if (!rc)
		rc = find_text(args, &text, err);
	if (!rc)
		rc = config_load(&opts, &config, err);
	if (!rc)
		rc = sql_catalog_open(config, &shell.cat, err);
	if (!rc)
		rc = run_opened(args, &shell, parquet, text, err);
	if (config)
		config_free(config);
	mem_free(text);
	return rc;
}

static const struct command_option options[] = {
	{ "format", 0, "FORMAT", "table (default), csv, json, ndjson or parquet" },
	{ "output", 'o', "FILE", "write the result there instead of to standard output" },
	{ "file", 'f', "FILE", "read the statements from a file; - is standard input" },
	{ "timing", 0, NULL, "say on standard error how long each statement took" },
	{ NULL, 0, NULL, NULL },
};

const struct command cmd_sql = {
	.name = "sql",
	.words = "[QUERY]",
	.summary = "query the lake's tables, at any kept version",
	.help = "Runs SQL (DuckDB's dialect) over the tables of the catalog, in a process of its own that can read their files and nothing else.\n"
		"Works while 'tarn run' is running and when it is not. Without a query it reads statements from standard input, or asks for them on a terminal.\n"
		"Tables are named namespace.table. AT picks a version: AT (VERSION => snapshot), AT (TIMESTAMP => 'time'), AT (LSN => 'position').\n"
		"SHOW TABLES lists them. The lake is only read; CREATE TEMP TABLE gives one of your own while the session lasts.\n\n"
		"Examples:\n"
		"  tarn sql \"SELECT count(*) FROM bank.accounts\"\n"
		"  tarn sql \"SELECT * FROM bank.accounts AT (TIMESTAMP => '2026-11-23 17:00') WHERE id = 7\"\n"
		"  tarn sql --format parquet -o accounts.parquet \"SELECT * FROM bank.accounts\"\n"
		"  tarn sql -f report.sql --format csv > report.csv\n"
		"  tarn sql \"SHOW TABLES\"\n",
	.options = options,
	.run = run,
};
