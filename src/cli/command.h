/* src/cli/command.h — the tree of commands: one row each in command.c, one file a command (cli/cmd_NAME.c).
 *
 * Options stand anywhere after the command; global ones (--config FILE, --set KEY=VALUE, --log-level LEVEL, --help)
 * also before it. A command's own option hides a global one of the same name. "--" ends the options. Values are given
 * as "--name value", "--name=value", "-n value" or "-nvalue". */
#ifndef TARN_CLI_COMMAND_H
#define TARN_CLI_COMMAND_H

#include <stdio.h>

#include "base/err.h"
#include "config/config.h"

struct command_option {
	const char *name;
	char short_name;
	const char *value; /* NULL: flag */
	const char *help;
};

struct command_args {
	const char *const *words;
	size_t n_words; /* positional */
	const struct command *command;
	const char *const *values; /* per option: value, "" for a flag given, NULL when absent */
	struct config_opts config_opts;
};

struct command {
	const char *name;                     /* "journal" */
	const char *words;                    /* "ls|cat|check [SOURCE]" */
	const char *summary;                  /* one line; NULL: the command is not listed */
	const char *help;                     /* paragraphs and examples */
	const struct command_option *options; /* ended by name NULL; NULL: none of its own */
	/* ERR_OK or a code; main prints err and exits with err_exit_status */
	int (*run)(const struct command_args *args, struct err *err);
};

const char *command_value(const struct command_args *args, const char *option); /* NULL when absent */
bool command_flag(const struct command_args *args, const char *option);
extern const struct command *const commands[];        /* NULL-ended */
extern const struct command_option command_globals[]; /* ended by name NULL */
/* Parses, runs, prints an error once as "tarn: <text>" to standard error; returns the exit status. Output that could
 * not be written is an error too. */
int command_main(int argc, char **argv);

/* For `tarn help`: */
const struct command *command_find(const char *name);   /* NULL: no such command */
int command_unknown(const char *name, struct err *err); /* ERR_USAGE that names the nearest command */
void command_overview(FILE *out);
void command_help(const struct command *command, FILE *out);
void command_exit_codes(FILE *out);

#endif
