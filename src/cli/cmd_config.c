/* src/cli/cmd_config.c — `tarn config show|check|reference|sample`. */
#include "cli/command.h"

#include <string.h>

static int show(const struct command_args *args, bool print, struct wbuf *out, struct err *err)
{
	struct config_opts opts = args->config_opts;
	struct config *config = NULL;
	int rc;

	opts.without_secrets = print; /* show hides them anyway; check wants them there */
	rc = config_load(&opts, &config, err);
	if (rc)
		return rc;
	if (print)
		config_show(config, out);
	else
		wbuf_putf(out, "%s: no mistakes; %zu source%s, %zu pipeline%s\n",
		          config->path ? config->path : "no configuration file", config->n_sources,
		          config->n_sources == 1 ? "" : "s", config->n_pipelines, config->n_pipelines == 1 ? "" : "s");
	config_free(config);
	return ERR_OK;
}

static int run(const struct command_args *args, struct err *err)
{
	static const char *const verbs[] = { "show", "check", "reference", "sample", NULL };
	const char *verb = args->n_words ? args->words[0] : "show";
	struct wbuf out;
	int rc = ERR_OK;

	if (args->n_words > 1)
		return err_set(err, ERR_USAGE, "config takes one word, but '%s' follows '%s'", args->words[1], verb);
	wbuf_init(&out, 0);
	if (strcmp(verb, "show") == 0 || strcmp(verb, "check") == 0) {
		rc = show(args, verb[0] == 's', &out, err);
	} else if (strcmp(verb, "reference") == 0) {
		config_reference(&out);
	} else if (strcmp(verb, "sample") == 0) {
		config_sample(&out, NULL);
	} else {
		const char *near = str_nearest(str_of(verb), verbs);

		rc = err_set(err, ERR_USAGE, "config: unknown word '%s'%s%s%s", verb,
		             near ? "; did you mean '" : "; there are show, check, reference and sample",
		             near ? near : "", near ? "'?" : "");
	}
	if (!rc)
		rc = wbuf_check(&out, err, "configuration text");
	if (!rc)
		fwrite(out.p, 1, out.n, stdout);
	wbuf_free(&out);
	return rc;
}

const struct command cmd_config = {
	.name = "config",
	.words = "[show | check | reference | sample]",
	.summary = "show the configuration in effect, check it, or print its reference or a sample",
	.help = "  show       what is in effect after file, environment and --set, as YAML; passwords are hidden (default)\n"
		"  check      reads everything, passwords included, and says nothing more than that it is right, or what is wrong\n"
		"  reference  all options, as Markdown\n"
		"  sample     a commented tarn.yaml\n"
		"\n"
		"Examples:\n"
		"  tarn config show --set lake.publish_interval=5s\n"
		"  tarn config sample > tarn.yaml\n",
	.run = run,
};
