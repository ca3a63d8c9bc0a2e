/* src/cli/cmd_init.c — `tarn init`: from a connection string to a checked, commented tarn.yaml. At a terminal what is
 * missing is asked. Passwords are never written. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/env.h"
#include "base/mem.h"
#include "cli/checks.h"
#include "cli/cli_source.h"
#include "cli/terminal.h"
#include "pg/pg_catalog.h"
#include "pg/pg_conninfo.h"

#define TABLES_SHOWN 40
#define PATTERNS_MAX 256
#define NAME_MAX_BYTES 50 /* the slot is tarn_<name> */

struct init {
	bool ask;
	const char *output;
	char *conninfo; /* as given, owned */
	struct wbuf public_conninfo;
	bool had_password;
	const char *password; /* borrowed from the environment, or typed */
	char *typed;          /* owned */
	struct pg_conn *conn;
	char *tables; /* "public.*,sales.*", owned */
	const char *patterns[PATTERNS_MAX];
	char *pattern_text; /* owned, what patterns point into */
	char name[NAME_MAX_BYTES + 1];
	char slot[64];
};

static int want_conninfo(const struct command_args *args, struct init *in, struct err *err)
{
	const char *given = command_value(args, "postgres");
	int rc = cli_password(args, &in->password, err);

	if (rc)
		return rc;
	if (!given && !in->ask)
		return err_set(err, ERR_USAGE, "which database? Give --postgres postgresql://USER@HOST:PORT/DATABASE");
	if (given) {
		in->conninfo = mem_strdup(given);
		rc = in->conninfo ? ERR_OK : err_nomem(err);
	} else {
		rc = terminal_ask("PostgreSQL connection string (postgresql://USER@HOST:PORT/DATABASE)",
		                  "postgresql://localhost/postgres", &in->conninfo, err);
	}
	return rc ? rc : pg_conninfo_public(in->conninfo, &in->public_conninfo, &in->had_password, err);
}

static int connect_source(struct init *in, struct err *err)
{
	struct pg_conn_opts opts = { .conninfo = in->conninfo, .password = in->password };
	int rc = pg_conn_open(&in->conn, &opts, err);

	if (rc != ERR_AUTH || in->password || in->had_password || !in->ask)
		return rc;
	printf("%s\n", err->text);
	rc = terminal_ask_secret("Password (used now, not written)", &in->typed, err);
	if (rc)
		return rc;
	in->password = opts.password = in->typed;
	return pg_conn_open(&in->conn, &opts, err);
}

static int show_tables(struct init *in, struct err *err)
{
	const char *all = "*.*";
	struct pg_tables tables;
	int rc = pg_tables_find(in->conn, &all, 1, NULL, &tables, err);

	if (rc)
		return rc;
	printf("\n%s holds %zu table%s:\n", pg_conn_label(in->conn), tables.n, tables.n == 1 ? "" : "s");
	for (size_t i = 0; i < tables.n && i < TABLES_SHOWN; i++) {
		const struct pg_table *t = &tables.tables[i];
		char rows[SIZE_TEXT_MAX], bytes[SIZE_TEXT_MAX], name[160];

		snprintf(name, sizeof name, "%s.%s", t->rel->schema, t->rel->name);
		printf("  %-40s %14s rows %10s%s\n", name,
		       t->rows_estimate < 0 ? "?" : count_text((uint64_t)t->rows_estimate, rows),
		       size_text(t->bytes, bytes), t->rel->unsupported ? "  (cannot be captured yet)" : "");
	}
	if (tables.n > TABLES_SHOWN)
		printf("  ... and %zu more\n", tables.n - TABLES_SHOWN);
	printf("\n");
	pg_tables_free(&tables);
	return ERR_OK;
}

static int want_tables(const struct command_args *args, struct init *in, struct err *err)
{
	const char *given = command_value(args, "tables");

	if (in->ask && !given)
		return terminal_ask("Tables to capture (patterns, divided by commas)", "public.*", &in->tables, err);
	in->tables = mem_strdup(given ? given : "public.*");
	return in->tables ? ERR_OK : err_nomem(err);
}

/* Cuts the list at its commas; the patterns are checked against the database here, where a typing mistake can still
 * be mended. */
static int split_tables(struct init *in, size_t *n, struct err *err)
{
	struct pg_tables found;
	char *at;
	int rc;

	*n = 0;
	in->pattern_text = mem_strdup(in->tables);
	if (!in->pattern_text)
		return err_nomem(err);
	for (at = in->pattern_text; at;) {
		char *comma = strchr(at, ',');
		struct str one;

		if (comma)
			*comma = 0;
		one = str_trim(str_of(at));
		if (one.n) {
			if (*n == PATTERNS_MAX)
				return err_set(err, ERR_LIMIT, "--tables takes up to %d patterns", PATTERNS_MAX);
			((char *)(uintptr_t)one.p)[one.n] = 0;
			in->patterns[(*n)++] = one.p;
		}
		at = comma ? comma + 1 : NULL;
	}
	if (*n == 0)
		return err_set(err, ERR_USAGE, "--tables is empty; \"public.*\" means all tables of schema public");
	rc = pg_tables_find(in->conn, in->patterns, *n, NULL, &found, err);
	if (!rc)
		pg_tables_free(&found);
	return rc;
}

/* A source's name has a-z, 0-9 and _; made of the database's name unless given. */
static int choose_name(const struct command_args *args, struct init *in, struct err *err)
{
	const char *given = command_value(args, "name");
	struct pg_result *r = NULL;
	const char *from;
	size_t n = 0;
	int rc = pg_query(in->conn, "SELECT pg_catalog.current_database()", NULL, 0, &r, err);

	if (rc)
		return rc;
	from = given ? given : pg_result_text(r, 0, 0);
	for (; *from && n < NAME_MAX_BYTES; from++) {
		char c = *from >= 'A' && *from <= 'Z' ? (char)(*from + 32) : *from;

		in->name[n++] = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '_';
	}
	in->name[n] = 0;
	if (given && (strcmp(given, in->name) != 0 || !n))
		rc = err_set(err, ERR_USAGE, "'%s' cannot name a source: up to %d of a-z, 0-9 and _", given,
		             NAME_MAX_BYTES);
	snprintf(in->slot, sizeof in->slot, "tarn_%s", in->name);
	pg_result_free(r);
	return rc;
}

static void on_finding(void *arg, const char *subject, const struct pg_finding *f)
{
	(void)arg, (void)subject;
	if (f->ok && !f->warning)
		return;
	printf("  %s  %s: %s\n", f->ok ? "warn" : "FAIL", f->name, f->found);
	if (*f->mend)
		printf("        -> %s\n", f->mend);
}

static int write_file(const struct init *in, const struct config_source *source, bool force, struct err *err)
{
	struct wbuf text;
	int rc;

	wbuf_init(&text, 0);
	config_sample(&text, source);
	rc = wbuf_check(&text, err, "the configuration");
	if (!rc && !force) {
		/* created first and empty, so that a file that appeared meanwhile is never overwritten */
		int fd = env_open(in->output, O_WRONLY | O_CREAT | O_EXCL, 0644);

		if (fd == -EEXIST)
			rc = err_set(err, ERR_EXISTS,
			             "%s exists already; --force overwrites it, --output writes another", in->output);
		else if (fd < 0)
			rc = err_set_errno(err, ERR_IO, -fd, "--output: %s cannot be made", in->output);
		else
			env_close(fd);
	}
	if (!rc) {
		int os = env_write_file_atomic(in->output, text.p, text.n, 0644);

		if (os < 0) {
			rc = err_set_errno(err, ERR_IO, -os, "cannot write %s", in->output);
			if (!force)
				env_unlink(in->output);
		}
	}
	wbuf_free(&text);
	return rc;
}

/* The file stays also when checks failed: it is what tarn doctor reads next. */
static int say_next(const struct init *in, const struct command_args *args, int fails, struct err *err)
{
	const char *env = command_value(args, "password-env");
	bool other = strcmp(in->output, "tarn.yaml") != 0;

	printf("\nwrote %s\n", in->output);
	if (in->had_password || in->typed)
		printf("The password was not written. Put it into ~/.pgpass or PGPASSWORD, or set password_env: or password_file: in %s.\n",
		       in->output);
	else if (env)
		printf("The password is read from the environment variable %s.\n", env);
	if (!fails) {
		printf("next: tarn %s%s%srun\n", other ? "--config " : "", other ? in->output : "", other ? " " : "");
		return ERR_OK;
	}
	return err_set(err, ERR_SOURCE_SETUP,
	               "%s is written, but %d check%s failed; mend what is said behind FAIL, then: tarn %s%s%sdoctor",
	               in->output, fails, fails == 1 ? "" : "s", other ? "--config " : "", other ? in->output : "",
	               other ? " " : "");
}

static int init(const struct command_args *args, struct init *in, struct err *err)
{
	struct checks checks = { .fn = on_finding };
	struct config_source source;
	bool force = command_flag(args, "force");
	struct env_stat st;
	size_t n = 0;
	int rc;

	if (!force && env_stat(in->output, &st) == 0)
		return err_set(err, ERR_EXISTS, "%s exists already; --force overwrites it, --output writes another",
		               in->output);
	rc = want_conninfo(args, in, err);
	if (!rc)
		rc = connect_source(in, err);
	if (!rc && in->ask)
		rc = show_tables(in, err);
	if (!rc)
		rc = want_tables(args, in, err);
	if (!rc)
		rc = split_tables(in, &n, err);
	if (!rc)
		rc = choose_name(args, in, err);
	if (rc)
		return rc;
	source = (struct config_source){ .name = in->name,
		                         .kind = SOURCE_POSTGRES,
		                         .conninfo = in->conninfo,
		                         .password = in->password,
		                         .tables = in->patterns,
		                         .n_tables = n,
		                         .snapshot_initial = true,
		                         .slot = in->slot,
		                         .publication = in->slot,
		                         .password_env = command_value(args, "password-env") };
	printf("checking %s\n", pg_conn_label(in->conn));
	checks.subject = in->name;
	checks_source(&checks, &source, in->conn);
	printf("  %d checks, %d failed, %d warning%s\n", checks.done, checks.fails, checks.warnings,
	       checks.warnings == 1 ? "" : "s");
	source.conninfo = wbuf_cstr(&in->public_conninfo);
	rc = write_file(in, &source, force, err);
	return rc ? rc : say_next(in, args, checks.fails, err);
}

static int run(const struct command_args *args, struct err *err)
{
	const char *output = command_value(args, "output");
	struct init in = { .ask = terminal_asks(), .output = output ? output : "tarn.yaml" };
	int rc;

	if (args->n_words)
		return err_set(err, ERR_USAGE,
		               "init takes no words, but '%s' was given; the database goes behind --postgres",
		               args->words[0]);
	wbuf_init(&in.public_conninfo, 0);
	rc = init(args, &in, err);
	pg_conn_close(in.conn);
	if (in.typed)
		memset(in.typed, 0, strlen(in.typed));
	mem_free(in.typed);
	mem_free(in.conninfo);
	mem_free(in.tables);
	mem_free(in.pattern_text);
	wbuf_free(&in.public_conninfo);
	return rc;
}

static const struct command_option options[] = {
	{ "postgres", 0, "CONNINFO",
	  "the database to capture: postgresql://USER@HOST:PORT/DATABASE or 'host=... dbname=...'" },
	{ "tables", 0, "PATTERNS", "tables to capture, divided by commas; default public.*" },
	{ "name", 0, "NAME", "the source's name, which is the tables' namespace in the lake; default: the database's" },
	{ "password-env", 0, "NAME",
	  "environment variable that holds the password; its name is written, not its value" },
	{ "output", 'o', "FILE", "file to write; default tarn.yaml" },
	{ "force", 0, NULL, "overwrite the file when it is there" },
	{ NULL, 0, NULL, NULL },
};

const struct command cmd_init = {
	.name = "init",
	.words = "",
	.summary = "connect to a database, check it, and write a commented tarn.yaml",
	.help = "At a terminal what is not given is asked for. The source is checked as tarn doctor does; what\n"
		"fails is shown with the SQL that mends it; the file is written all the same, and the exit\n"
		"status is 6. Passwords are never written.\n\n"
		"Examples:\n"
		"  tarn init\n"
		"  tarn init --postgres postgresql://tarn@localhost/bank --tables 'public.*,sales.order_*'\n"
		"  BANK_PASSWORD=... tarn init --postgres postgresql://tarn@db/bank --password-env BANK_PASSWORD\n",
	.options = options,
	.run = run,
};
