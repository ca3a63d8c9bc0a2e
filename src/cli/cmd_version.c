/* src/cli/cmd_version.c — `tarn version`: what this binary is. */
#include "cli/command.h"

#include "base/failpoint.h"

static void print_failpoint(const char *name, void *arg) { fprintf(arg, "%s\n", name); }

#ifdef TARN_FAILPOINTS
static const char *const failpoints = "on";
#else
static const char *const failpoints = "off";
#endif

static const struct command_option options[] = {
	{ "failpoints", 0, NULL,
	  "list the names of the failpoints in this binary, one a line; none in release builds" },
	{ "json", 0, NULL, "one JSON object" },
	{ NULL, 0, NULL, NULL },
};

static int run(const struct command_args *args, struct err *err)
{
	if (args->n_words)
		return err_set(err, ERR_USAGE, "version takes no words, but '%s' was given", args->words[0]);
	if (command_flag(args, "failpoints"))
		failpoint_list(print_failpoint, stdout);
	else if (command_flag(args, "json"))
		printf("{\"name\":\"tarn\",\"version\":\"%s\",\"compiler\":\"%s\",\"failpoints\":\"%s\"}\n",
		       TARN_VERSION, __VERSION__, failpoints);
	else
		printf("tarn %s\n", TARN_VERSION);
	return ERR_OK;
}

const struct command cmd_version = {
	.name = "version",
	.words = "",
	.summary = "show the version",
	.help = "Examples:\n"
		"  tarn version\n"
		"  tarn version --json\n",
	.options = options,
	.run = run,
};
