/* src/cli/cmd_table.c — `tarn table`: the lake's tables looked at, rolled back, tagged, copied again. */
#include <stdio.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/grid.h"
#include "cli/table_recopy.h"
#include "cli/table_view.h"
#include "cli/terminal.h"
#include "serve/table_admin.h"

struct call {
	const struct command_args *args;
	const struct config *config;
	struct table_admin admin;
	const struct table_name *name; /* NULL: the verb takes none */
	int64_t version;               /* -1: not given */
	bool json;
};

static int print_json(const json_t *value, struct err *err)
{
	char *text = json_text_pretty(value);

	if (!text)
		return err_nomem(err);
	printf("%s\n", text);
	mem_free(text);
	return ERR_OK;
}

/* Takes value. */
static int print_value(const struct call *call, json_t *value, void (*view)(struct wbuf *, const json_t *),
                       struct err *err)
{
	struct wbuf out;
	int rc;

	if (call->json) {
		rc = print_json(value, err);
		json_decref(value);
		return rc;
	}
	wbuf_init(&out, 0);
	view(&out, value);
	grid_clean(&out);
	rc = wbuf_check(&out, err, "the listing");
	if (!rc)
		fwrite(out.p, 1, out.n, stdout);
	wbuf_free(&out);
	json_decref(value);
	return rc;
}

static int confirm(const struct call *call, const char *question, struct err *err)
{
	char *answer = NULL;
	bool yes;
	int rc;

	if (command_flag(call->args, "yes") || !terminal_asks())
		return ERR_OK;
	rc = terminal_ask(question, "n", &answer, err);
	if (rc)
		return rc;
	yes = answer[0] == 'y' || answer[0] == 'Y';
	mem_free(answer);
	return yes ? ERR_OK : err_set(err, ERR_CANCELLED, "nothing was done");
}

/* --- looking --- */

/* A table that cannot be read is shown with its error; the others still are. */
static int first_error(const json_t *tables, struct err *err)
{
	const json_t *t;
	size_t i;

	json_array_foreach(tables, i, t)
	{
		if (json_has(t, "error"))
			return err_set(err, ERR_CORRUPT, "table %s cannot be read: %s", json_get_str(t, "table", ""),
			               json_get_str(t, "error", ""));
	}
	return ERR_OK;
}

static int list(struct call *call, struct err *err)
{
	json_t *tables = NULL;
	int rc = table_admin_list(&call->admin, &tables, err), bad;

	if (rc)
		return rc;
	bad = first_error(tables, err);
	rc = print_value(call, tables, table_view_list, err);
	return rc ? rc : bad;
}

static int show(struct call *call, struct err *err)
{
	json_t *table = NULL;
	int rc = table_admin_show(&call->admin, call->name, &table, err);

	return rc ? rc : print_value(call, table, table_view_show, err);
}

static int history(struct call *call, struct err *err)
{
	json_t *versions = NULL;
	int rc = table_admin_history(&call->admin, call->name, &versions, err);

	return rc ? rc : print_value(call, versions, table_view_history, err);
}

static int files(struct call *call, struct err *err)
{
	json_t *found = NULL;
	int rc = table_admin_files(&call->admin, call->name, call->version, &found, err);

	return rc ? rc : print_value(call, found, table_view_files, err);
}

/* --- changing --- */

static int do_rollback(struct call *call, const struct table_rollback *plan, struct err *err)
{
	const char *full = call->name->full;
	char question[600];
	int rc;

	if (plan->from == plan->to) {
		printf("%s is at version %lld already; nothing to do\n", full, (long long)plan->to);
		return ERR_OK;
	}
	snprintf(question, sizeof question, "Make version %lld the current one of %.300s, in place of %lld? (y/n)",
	         (long long)plan->to, full, (long long)plan->from);
	rc = confirm(call, question, err);
	if (!rc)
		rc = table_rollback_do(&call->admin, call->name, plan, err);
	if (rc)
		return rc;
	printf("%s is at version %lld now; it was at %lld\n", full, (long long)plan->to, (long long)plan->from);
	if (plan->pipeline)
		printf("a tarn that runs and has stopped this table takes it up again when it is restarted; 'tarn status' shows it\n");
	return ERR_OK;
}

static int rollback(struct call *call, struct err *err)
{
	const char *tag = command_value(call->args, "tag");
	struct table_rollback plan;
	int rc;

	if (tag && call->version >= 0)
		return err_set(err, ERR_USAGE, "rollback takes --version or --tag, not both");
	rc = table_rollback_plan(&call->admin, call->name, call->version, tag, &plan, err);
	if (rc)
		return rc;
	rc = do_rollback(call, &plan, err);
	table_rollback_clear(&plan);
	return rc;
}

static int tag(struct call *call, struct err *err)
{
	const char *name = call->args->words[2];
	int64_t version = call->version;
	bool drop = command_flag(call->args, "drop");
	int rc;

	if (drop && version >= 0)
		return err_set(err, ERR_USAGE, "tag --drop takes no --version");
	rc = drop ? table_tag_drop(&call->admin, call->name, name, err)
	          : table_tag_set(&call->admin, call->name, name, &version, err);
	if (rc)
		return rc;
	if (drop)
		printf("tag %s of %s is gone; the version it named goes with its age\n", name, call->name->full);
	else
		printf("tag %s of %s names version %lld and keeps it\n", name, call->name->full, (long long)version);
	return ERR_OK;
}

static int ask_recopy(const struct call *call, const struct recopy *plan, struct err *err)
{
	char question[600];

	if (plan->n_tables == 1)
		snprintf(question, sizeof question, "Copy all rows of %.300s again from the source? (y/n)",
		         plan->tables[0]);
	else
		snprintf(question, sizeof question, "Copy all rows of %zu tables again from their source? (y/n)",
		         plan->n_tables);
	return confirm(call, question, err);
}

static int recopy(struct call *call, struct err *err)
{
	struct recopy plan;
	int rc = recopy_plan(call->config, call->args->words + 1, call->args->n_words - 1, &plan, err);

	if (!rc)
		rc = ask_recopy(call, &plan, err);
	if (!rc)
		rc = recopy_request(&plan, err);
	for (size_t i = 0; !rc && i < plan.n_tables; i++)
		printf("%s: %s\n", plan.tables[i],
		       plan.running ? "the running tarn copies it now; 'tarn status' shows how far it is"
		                    : "no tarn runs; it is copied at the next 'tarn run'");
	recopy_free(&plan);
	return rc;
}

/* --- verbs --- */

static const struct verb {
	const char *name, *usage;
	size_t words_min, words_max; /* after the verb */
	bool catalog, named, writes;
	int (*run)(struct call *call, struct err *err);
} verbs[] = {
	{ "ls", "tarn table ls", 0, 0, true, false, false, list },
	{ "show", "tarn table show NAME", 1, 1, true, true, false, show },
	{ "history", "tarn table history NAME", 1, 1, true, true, false, history },
	{ "files", "tarn table files NAME [--version N]", 1, 1, true, true, false, files },
	{ "rollback", "tarn table rollback NAME [--version N | --tag TAG]", 1, 1, true, true, true, rollback },
	{ "tag", "tarn table tag NAME TAG [--version N | --drop]", 2, 2, true, true, true, tag },
	{ "recopy", "tarn table recopy NAME|SOURCE ...", 1, 1000, false, false, false, recopy },
};

#define N_VERBS (sizeof verbs / sizeof *verbs)

static const struct verb *find_verb(const char *word, struct err *err)
{
	const char *names[N_VERBS + 1] = { NULL }, *near;

	for (size_t i = 0; i < N_VERBS; i++) {
		names[i] = verbs[i].name;
		if (strcmp(word, names[i]) == 0)
			return &verbs[i];
	}
	near = str_nearest(str_of(word), names);
	err_set(err, ERR_USAGE, "table: unknown word '%.100s'%s%s%s", word,
	        near ? "; did you mean '" : "; there are ls, show, history, files, rollback, tag and recopy",
	        near ? near : "", near ? "'?" : "");
	return NULL;
}

/* An option that the verb would pass over in silence is refused. */
static int check_options(const struct verb *verb, const struct command_args *args, struct err *err)
{
	static const struct {
		const char *option, *verbs;
	} fits[] = {
		{ "version", "files rollback tag" },
		{ "tag", "rollback" },
		{ "drop", "tag" },
		{ "yes", "rollback recopy" },
		{ "json", "ls show history files" },
	};

	for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
		struct str rest = str_of(fits[i].verbs);
		bool found = false;

		while (rest.n > 0 && !found)
			found = str_eqz(str_cut(&rest, ' '), verb->name);
		if (!found && command_value(args, fits[i].option))
			return err_set(err, ERR_USAGE, "table %s takes no --%s; it is: %s", verb->name, fits[i].option,
			               verb->usage);
	}
	return ERR_OK;
}

static int parse(const struct verb *verb, struct call *call, struct err *err)
{
	const char *version = command_value(call->args, "version");
	size_t n = call->args->n_words ? call->args->n_words - 1 : 0;

	if (n < verb->words_min || n > verb->words_max)
		return err_set(err, ERR_USAGE, "table %s has too %s words; it is: %s", verb->name,
		               n < verb->words_min ? "few" : "many", verb->usage);
	call->version = -1;
	if (version && (!str_to_i64(str_of(version), &call->version) || call->version < 0))
		return err_set(err, ERR_USAGE,
		               "--version: '%.100s' is not a version; 'tarn table history NAME' lists them", version);
	return check_options(verb, call->args, err);
}

static int run_verb(const struct verb *verb, struct call *call, struct err *err)
{
	int rc = verb->catalog ? table_admin_open(call->config, verb->writes, &call->admin, err) : ERR_OK;

	if (!rc && verb->named) {
		call->name = table_admin_find(&call->admin, call->args->words[1], err);
		rc = call->name ? ERR_OK : err->code;
	}
	if (!rc)
		rc = verb->run(call, err);
	table_admin_close(&call->admin);
	return rc;
}

static int run(const struct command_args *args, struct err *err)
{
	const struct verb *verb = find_verb(args->n_words ? args->words[0] : "ls", err);
	struct call call = { .args = args, .json = command_flag(args, "json") };
	struct config_opts opts = args->config_opts;
	struct config *config = NULL;
	int rc = verb ? parse(verb, &call, err) : err->code;

	opts.without_secrets = true; /* the catalog is asked, no server */
	if (!rc)
		rc = config_load(&opts, &config, err);
	if (rc)
		return rc;
	call.config = config;
	rc = run_verb(verb, &call, err);
	config_free(config);
	return rc;
}

static const struct command_option options[] = {
	{ "version", 0, "N", "a version (Iceberg snapshot id), as history lists it" },
	{ "tag", 0, "TAG", "rollback: the version that this tag names" },
	{ "drop", 0, NULL, "tag: remove the tag" },
	{ "yes", 'y', NULL, "rollback, recopy: do not ask" },
	{ "json", 0, NULL, "print JSON" },
	{ NULL, 0, NULL, NULL },
};

const struct command cmd_table = {
	.name = "table",
	.words = "ls | show | history | files | rollback | tag | recopy [NAME] ...",
	.summary = "look at the lake's tables, undo, tag, copy again",
	.help = "  ls              all tables: rows, files, size, version, position (default)\n"
		"  show NAME       schema, location, references, properties\n"
		"  history NAME    the versions that are kept, newest first\n"
		"  files NAME      the data files of a version\n"
		"  rollback NAME   makes an older version the current one. A table that a pipeline writes can\n"
		"                  only go back to its newest own version, which undoes what another writer\n"
		"                  committed since (without --version it does that); others go to any version\n"
		"  tag NAME TAG    gives a version a name and keeps it from expiring; --drop removes the name\n"
		"  recopy NAME     has all rows read again from the source, also for a table that has stopped;\n"
		"                  NAME may be a source: all its tables. Readers see the old rows until then\n"
		"\n"
		"NAME is namespace.table, or the table alone when only one has that name. All of it works\n"
		"while 'tarn run' is running and when it is not.\n"
		"\n"
		"Examples:\n"
		"  tarn table ls\n"
		"  tarn table show bank.accounts\n"
		"  tarn table history bank.accounts --json\n"
		"  tarn table files bank.accounts --version 301723733196285951\n"
		"  tarn table tag bank.accounts year_end\n"
		"  tarn table rollback bank.accounts\n"
		"  tarn table recopy bank.accounts bank.users --yes\n",
	.options = options,
	.run = run,
};
