/* src/cli/cmd_help.c — `tarn help [COMMAND]`, and the texts that --help shows. */
#include "cli/command.h"

#include <ctype.h>
#include <string.h>

void command_overview(FILE *out)
{
	fputs("Tarn: PostgreSQL changes in, open Iceberg tables out, with catalog and SQL.\n\n"
	      "usage: tarn [--config FILE] [--set KEY=VALUE] COMMAND [OPTIONS] [WORDS]\n\ncommands:\n",
	      out);
	for (size_t i = 0; commands[i]; i++) {
		if (commands[i]->summary)
			fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	}
	fputs("\n'tarn help COMMAND' shows options and examples, 'tarn help exit-codes' what the exit status says.\n",
	      out);
}

static void print_options(const char *title, const struct command_option *options, FILE *out)
{
	if (!options || !options->name)
		return;
	fprintf(out, "\n%s:\n", title);
	for (; options->name; options++) {
		char left[64];

		snprintf(left, sizeof left, "%c%c%s --%s%s%s", options->short_name ? '-' : ' ',
		         options->short_name ? options->short_name : ' ', options->short_name ? "," : " ",
		         options->name, options->value ? " " : "", options->value ? options->value : "");
		fprintf(out, "  %-26s %s\n", left, options->help);
	}
}

/* One line an exit status: the names of errors.def that end in it, "NOT_FOUND" as "not found". */
void command_exit_codes(FILE *out)
{
	fputs("\nexit status:\n    0  done\n", out);
	for (int status = 1; status < 256; status++) {
		int n = 0;

		for (int code = 1; code < ERR_COUNT; code++) {
			char name[40];

			if (err_exit_status(code) != status)
				continue;
			snprintf(name, sizeof name, "%s", err_name(code));
			for (char *c = name; *c; c++)
				*c = *c == '_' ? ' ' : (char)tolower((unsigned char)*c);
			if (n++ == 0)
				fprintf(out, "  %3d  %s", status, name);
			else
				fprintf(out, ", %s", name);
		}
		if (n)
			fputc('\n', out);
	}
}

void command_help(const struct command *command, FILE *out)
{
	fprintf(out, "usage: tarn %s%s%s%s\n", command->name,
	        command->options && command->options->name ? " [OPTIONS]" : "",
	        command->words && command->words[0] ? " " : "", command->words ? command->words : "");
	if (command->summary)
		fprintf(out, "\n%s\n", command->summary);
	if (command->help && command->help[0]) {
		size_t n = strlen(command->help);

		fprintf(out, "\n%s%s", command->help, command->help[n - 1] == '\n' ? "" : "\n");
	}
	print_options("options", command->options, out);
	print_options("options of every command", command_globals, out);
	command_exit_codes(out);
}

static void print_exit_meanings(FILE *out)
{
	fputs("status  error            meaning\n     0                   Done.\n", out);
	for (int status = 1; status < 256; status++) {
		for (int code = 1; code < ERR_COUNT; code++) {
			if (err_exit_status(code) == status)
				fprintf(out, "%6d  %-16s %s\n", status, err_name(code), err_meaning(code));
		}
	}
}

static int run(const struct command_args *args, struct err *err)
{
	const struct command *command;

	if (args->n_words > 1)
		return err_set(err, ERR_USAGE, "help takes one command, not %zu", args->n_words);
	if (args->n_words == 0) {
		command_overview(stdout);
		return ERR_OK;
	}
	if (strcmp(args->words[0], "exit-codes") == 0) {
		print_exit_meanings(stdout);
		return ERR_OK;
	}
	command = command_find(args->words[0]);
	if (!command)
		return command_unknown(args->words[0], err);
	command_help(command, stdout);
	return ERR_OK;
}

const struct command cmd_help = {
	.name = "help",
	.words = "[COMMAND | exit-codes]",
	.summary = "show the commands, or one command with its options and examples",
	.help = "Examples:\n"
		"  tarn help\n"
		"  tarn help run\n"
		"  tarn help exit-codes\n",
	.run = run,
};
