/* src/cli/cmd_doctor.c — `tarn doctor [SOURCE]`: everything that must hold before `tarn run`, each failing check with
 * what mends it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/checks.h"
#include "cli/cli_source.h"

struct report {
	json_t *list;        /* --json: findings; NULL: text */
	const char *subject; /* last printed head line */
	bool failed;         /* no memory for the list */
};

static const char *state_word(const struct pg_finding *f) { return !f->ok ? "FAIL" : f->warning ? "warn" : "ok"; }

static void print_finding(struct report *r, const char *subject, const struct pg_finding *f)
{
	if (r->subject != subject)
		printf("%s%s\n", r->subject ? "\n" : "", subject);
	r->subject = subject;
	printf("  %-4s  %-24s  %s\n", state_word(f), f->name, f->found);
	if (*f->mend)
		printf("        %-24s  -> %s\n", "", f->mend);
	fflush(stdout);
}

static void on_finding(void *arg, const char *subject, const struct pg_finding *f)
{
	struct report *r = arg;
	json_t *object;

	if (!r->list) {
		print_finding(r, subject, f);
		return;
	}
	object = json_object();
	if (!object || json_set_str(object, "subject", str_of(subject)) ||
	    json_set_str(object, "check", str_of(f->name)) ||
	    json_set_str(object, "state",
	                 str_of(!f->ok       ? "fail"
	                        : f->warning ? "warn"
	                                     : "ok")) ||
	    json_set_str(object, "found", str_of(f->found)) || json_set_str(object, "mend", str_of(f->mend)) ||
	    json_array_append(r->list, object))
		r->failed = true;
	json_decref(object);
}

static int check_all(struct checks *c, const struct config *config, const char *only, struct err *err)
{
	const struct config_source *one;
	int rc;

	if (only) {
		rc = cli_find_source(config, only, &one, err);
		if (rc)
			return rc;
		c->subject = one->name;
		checks_source(c, one, NULL);
		return ERR_OK;
	}
	for (size_t i = 0; i < config->n_sources; i++) {
		c->subject = config->sources[i].name;
		checks_source(c, &config->sources[i], NULL);
	}
	c->subject = "this machine";
	checks_local(c, config);
	if (config->n_sources == 0)
		checks_tell(c, "sources", CHECK_WARNING, "the configuration has none",
		            "tarn init writes a configuration");
	return ERR_OK;
}

static int run(const struct command_args *args, struct err *err)
{
	struct report report = { .list = command_flag(args, "json") ? json_array() : NULL };
	struct checks checks = { .fn = on_finding, .arg = &report };
	struct config *config = NULL;
	bool json = command_flag(args, "json");
	int rc;

	if (args->n_words > 1)
		return err_set(err, ERR_USAGE, "doctor takes one source, not %zu", args->n_words);
	if (json && !report.list)
		return err_nomem(err);
	rc = config_load(&args->config_opts, &config, err);
	if (!rc)
		rc = check_all(&checks, config, args->n_words ? args->words[0] : NULL, err);
	if (!rc && report.failed)
		rc = err_nomem(err);
	if (!rc && json) {
		char *text = json_text_pretty(report.list);

		if (text)
			puts(text);
		else
			rc = err_nomem(err);
		mem_free(text);
	} else if (!rc) {
		printf("\n%d checks, %d failed, %d warning%s\n", checks.done, checks.fails, checks.warnings,
		       checks.warnings == 1 ? "" : "s");
	}
	json_decref(report.list);
	config_free(config);
	if (!rc && checks.fails)
		rc = err_set(err, ERR_SOURCE_SETUP,
		             "%d check%s failed; mend what is said behind FAIL and run tarn doctor again", checks.fails,
		             checks.fails == 1 ? "" : "s");
	return rc;
}

static const struct command_option options[] = {
	{ "json", 0, NULL, "an array of {subject, check, state, found, mend}" },
	{ NULL, 0, NULL, NULL },
};

const struct command cmd_doctor = {
	.name = "doctor",
	.words = "[SOURCE]",
	.summary = "check sources, folders, disk, DuckDB and addresses; say what mends each",
	.help = "Connects to each source (or the one named), looks at settings, rights, tables, publication\n"
		"and slot, then at this machine. Nothing is changed in a source. The exit status is 0 only\n"
		"when no check failed.\n\n"
		"Examples:\n"
		"  tarn doctor\n"
		"  tarn doctor bank --json\n",
	.options = options,
	.run = run,
};
