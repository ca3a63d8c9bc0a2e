/* src/cli/command.h — the tree of commands: one row each in command.c, one file a command (cli/cmd_NAME.c).
 * Global options before the command: --config FILE, --set KEY=VALUE, --log-level LEVEL, --json where a command lists it. */
#ifndef TARN_CLI_COMMAND_H
#define TARN_CLI_COMMAND_H

#include "base/err.h"
#include "config/config.h"

struct command_option { const char *name; char short_name; const char *value; /* NULL: flag */ const char *help; };

struct command_args {
	const char *const *words; size_t n_words;      /* positional */
	const struct command *command;
	const char *const *values;                     /* per option: value, "" for a flag given, NULL when absent */
	struct config_opts config_opts;
};

struct command {
	const char *name;              /* "journal" */
	const char *words;             /* "ls|cat|check [SOURCE]" */
	const char *summary;           /* one line */
	const char *help;              /* paragraphs and examples */
	const struct command_option *options; /* ended by name NULL */
	int (*run)(const struct command_args *args, struct err *err); /* ERR_OK or a code; main prints err and exits with err_exit_status */
};

const char *command_value(const struct command_args *args, const char *option); /* NULL when absent */
bool command_flag(const struct command_args *args, const char *option);
extern const struct command *const commands[]; /* NULL-ended */
int command_main(int argc, char **argv);

#endif
