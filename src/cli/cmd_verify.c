/* src/cli/cmd_verify.c — `tarn verify`: the lake compared with the source, exactly. */
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "pipeline/verify.h"

enum { OPT_WAIT, OPT_JSON };

struct show {
	bool json;
	struct progress progress;
	size_t equal, different, skipped;
};

static void on_stage(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct show *show = arg;

	if (show->progress.what != what) {
		progress_end(&show->progress);
		progress_begin(&show->progress, what, total ? "bytes of WAL" : "rows", 0, 0, show->json);
	}
	progress_show(&show->progress, total ? 0 : done);
}

static void print_json(const struct verify_result *r)
{
	static const char *const names[] = { "equal", "different", "skipped" };
	json_t *o = json_object();
	char lsn[LSN_TEXT_MAX], *text;

	json_set_str(o, "table", str_of(r->table));
	json_set_str(o, "result", str_of(names[r->outcome]));
	json_set_str(o, "lsn", str_of(lsn_text(r->lsn, lsn)));
	json_set_int(o, "source_rows", (int64_t)r->source_rows);
	json_set_int(o, "lake_rows", (int64_t)r->lake_rows);
	json_set_int(o, "different", (int64_t)r->different);
	if (r->keys)
		json_set_str(o, "keys", str_of(r->keys));
	if (r->text[0])
		json_set_str(o, "reason", str_of(r->text));
	text = json_text(o);
	printf("%s\n", text ? text : "{}");
	mem_free(text);
	json_decref(o);
}

static void print_text(const struct verify_result *r)
{
	char lsn[LSN_TEXT_MAX], rows[SIZE_TEXT_MAX], lake[SIZE_TEXT_MAX], different[SIZE_TEXT_MAX];

	lsn_text(r->lsn, lsn);
	switch (r->outcome) {
	case VERIFY_EQUAL:
		printf("%-32s equal      %s rows at %s\n", r->table, count_text(r->source_rows, rows), lsn);
		break;
	case VERIFY_SKIPPED: printf("%-32s skipped    %s\n", r->table, r->text); break;
	case VERIFY_DIFFERENT:
		printf("%-32s DIFFERENT  %s keys; source has %s rows, lake %s, at %s\n", r->table,
		       count_text(r->different, different), count_text(r->source_rows, rows),
		       count_text(r->lake_rows, lake), lsn);
		for (struct str keys = str_of(r->keys ? r->keys : ""); keys.n > 0;) {
			struct str line = str_cut(&keys, '\n');

			printf("    %.*s\n", STR_FMT(line));
		}
		break;
	}
}

static void on_result(void *arg, const struct verify_result *r)
{
	struct show *show = arg;

	progress_end(&show->progress);
	show->progress.what = NULL;
	show->equal += r->outcome == VERIFY_EQUAL;
	show->different += r->outcome == VERIFY_DIFFERENT;
	show->skipped += r->outcome == VERIFY_SKIPPED;
	if (show->json)
		print_json(r);
	else
		print_text(r);
	fflush(stdout);
}

static int wait_option(const struct command_args *args, int64_t *us, struct err *err)
{
	const char *text = command_value(args, "wait");
	uint64_t seconds = 60;

	if (text && (!str_to_u64(str_of(text), &seconds) || seconds == 0 || seconds > 86400))
		return err_set(err, ERR_USAGE, "--wait takes whole seconds from 1 to 86400, not '%s'", text);
	*us = (int64_t)seconds * 1000000;
	return ERR_OK;
}

static int verify_sources(const struct config *config, const struct verify_opts *opts, struct err *err)
{
	struct err last = { 0 };

	for (size_t i = 0; i < config->n_sources; i++) {
		int rc = verify_source(config, &config->sources[i], opts, err);

		if (rc && rc != ERR_DIFFERENT)
			return rc;
		if (rc)
			last = *err;
	}
	*err = last;
	return last.code;
}

static int nothing_compared(const struct command_args *args, struct err *err)
{
	if (args->n_words == 0)
		return err_set(err, ERR_NOT_FOUND, "the sources have no table to compare; 'tarn doctor' says why");
	return err_set(err, ERR_NOT_FOUND,
	               "no source has a table called %s%s; write namespace.table, as 'tarn status' lists them",
	               args->words[0], args->n_words > 1 ? ", nor the others named" : "");
}

static int run(const struct command_args *args, struct err *err)
{
	struct show show = { .json = command_flag(args, "json") };
	struct verify_opts opts = { .tables = args->words,
		                    .n_tables = args->n_words,
		                    .stage = on_stage,
		                    .result = on_result,
		                    .arg = &show };
	struct config *config = NULL;
	int rc = wait_option(args, &opts.wait_us, err);

	if (!rc)
		rc = config_load(&args->config_opts, &config, err);
	if (rc)
		return rc;
	if (config->n_sources == 0)
		rc = err_set(err, ERR_CONFIG, "the configuration names no source; make one with: tarn init");
	if (!rc)
		rc = verify_sources(config, &opts, err);
	progress_end(&show.progress);
	if (!rc && show.equal + show.skipped == 0)
		rc = nothing_compared(args, err);
	if (!show.json && (!rc || rc == ERR_DIFFERENT))
		printf("%zu equal, %zu different, %zu skipped\n", show.equal, show.different, show.skipped);
	if (!rc && show.skipped)
		rc = err_set(err, ERR_DIFFERENT, "%zu table%s could not be compared; what to do stands beside %s",
		             show.skipped, show.skipped == 1 ? "" : "s", show.skipped == 1 ? "it" : "each");
	config_free(config);
	return rc;
}

static const struct command_option options[] = {
	[OPT_WAIT] = { "wait", 0, "SECONDS", "how long to wait for the slot and for the lake; default 60" },
	[OPT_JSON] = { "json", 0, NULL, "one JSON object a table" },
	{ NULL, 0, NULL, NULL },
};

const struct command cmd_verify = {
	.name = "verify",
	.words = "[TABLE ...]",
	.summary = "compare the lake with the source, row by row, at one exact position",
	.help = "Takes the source's rows under a temporary slot's exported snapshot, which matches one LSN exactly, waits until the running tarn has\n"
		"brought the lake there, and compares every column of every row. Writers need not stop. Exit status 0 only when all tables are equal.\n"
		"\n"
		"Examples:\n"
		"  tarn verify\n"
		"  tarn verify bank.users --wait 300\n",
	.options = options,
	.run = run,
};
