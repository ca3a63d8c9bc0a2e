/* src/cli/command.c — the list of commands, and the parsing of command lines. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pg/pg_conninfo.h"

extern const struct command cmd_config, cmd_doctor, cmd_generate, cmd_help, cmd_init, cmd_journal, cmd_run, cmd_verify,
	cmd_sql, cmd_status, cmd_table, cmd_version, cmd_worker;

const struct command *const commands[] = {
	&cmd_init,  &cmd_doctor,   &cmd_run,    &cmd_status,  &cmd_verify, &cmd_journal, &cmd_sql,
	&cmd_table, &cmd_generate, &cmd_config, &cmd_version, &cmd_help,   &cmd_worker,  NULL,
};

enum global { GLOBAL_CONFIG, GLOBAL_SET, GLOBAL_LOG_LEVEL, GLOBAL_HELP, GLOBAL_VERSION, GLOBAL_COUNT };

const struct command_option command_globals[] = {
	[GLOBAL_CONFIG] = { "config", 'c', "FILE", "configuration file; default ./tarn.yaml when it is there" },
	[GLOBAL_SET] = { "set", 0, "KEY=VALUE",
	                 "set one option, as in --set lake.publish_interval=2s; may be repeated" },
	[GLOBAL_LOG_LEVEL] = { "log-level", 0, "LEVEL", "debug, info, warn or error" },
	[GLOBAL_HELP] = { "help", 'h', NULL, "show help and exit" },
	[GLOBAL_VERSION] = { "version", 0, NULL, "show the version and exit" },
	{ NULL, 0, NULL, NULL },
};

/* What was read of the command line so far. */
struct parse {
	int argc;
	char **argv;
	int at;
	const struct command *command; /* NULL: not seen yet */
	const char **words;
	size_t n_words;
	const char **values; /* of the command's own options */
	const char **sets;
	size_t n_sets;
	char *log_level_set; /* owned: "log.level=..." */
	const char *config;
	bool help, version;
};

static size_t option_count(const struct command *command)
{
	size_t n = 0;

	while (command && command->options && command->options[n].name)
		n++;
	return n;
}

static const struct command_option *find_option(const struct command_option *options, struct str name, char short_name)
{
	for (; options && options->name; options++) {
		if (short_name ? options->short_name == short_name : str_eqz(name, options->name))
			return options;
	}
	return NULL;
}

static int unknown_option(const struct parse *parse, struct str shown, struct str name, struct err *err)
{
	const char *names[64];
	const char *near;
	size_t n = 0;

	for (const struct command_option *o = parse->command ? parse->command->options : NULL; o && o->name && n < 48;
	     o++)
		names[n++] = o->name;
	for (const struct command_option *o = command_globals; o->name; o++)
		names[n++] = o->name;
	names[n] = NULL;
	near = name.n > 1 ? str_nearest(name, names) : NULL;
	return err_set(err, ERR_USAGE, "unknown option '%.*s'%s%s%s%s; 'tarn help%s%s' lists what there is",
	               STR_FMT(shown), parse->command ? " of " : "", parse->command ? parse->command->name : "",
	               near ? ", did you mean --" : "", near ? near : "", parse->command ? " " : "",
	               parse->command ? parse->command->name : "");
}

static int global_option(struct parse *parse, enum global which, const char *value, struct err *err)
{
	switch (which) {
	case GLOBAL_CONFIG: parse->config = value; break;
	case GLOBAL_SET: parse->sets[parse->n_sets++] = value; break;
	case GLOBAL_LOG_LEVEL: {
		struct wbuf w;

		wbuf_init(&w, 256);
		wbuf_putf(&w, "log.level=%s", value);
		mem_free(parse->log_level_set);
		parse->log_level_set = wbuf_take(&w);
		wbuf_free(&w);
		if (!parse->log_level_set)
			return err_set(err, ERR_USAGE, "--log-level takes debug, info, warn or error");
		break;
	}
	case GLOBAL_HELP: parse->help = true; break;
	case GLOBAL_VERSION: parse->version = true; break;
	case GLOBAL_COUNT: break;
	}
	return ERR_OK;
}

/* One argument that starts with '-': "--name", "--name=value", "-n", "-nvalue". */
static int parse_option(struct parse *parse, struct err *err)
{
	struct str text = str_of(parse->argv[parse->at]);
	bool is_long = text.p[1] == '-';
	struct str name = is_long ? str_view(text.p + 2, text.n - 2) : str_view(text.p + 1, 1);
	const char *value = !is_long && text.p[2] ? text.p + 2 : NULL;
	const struct command_option *own, *option;
	const char *equals = is_long ? memchr(name.p, '=', name.n) : NULL;
	struct str shown = is_long ? text : str_view(text.p, 2);

	if (equals) {
		value = equals + 1;
		name.n = (size_t)(equals - name.p);
		shown.n = name.n + 2;
	}
	own = find_option(parse->command ? parse->command->options : NULL, name, is_long ? 0 : name.p[0]);
	option = own ? own : find_option(command_globals, name, is_long ? 0 : name.p[0]);
	if (!option)
		return unknown_option(parse, shown, name, err);
	if (!option->value && value)
		return err_set(err, ERR_USAGE, "option '%.*s' takes no value", STR_FMT(shown));
	if (option->value && !value) {
		if (parse->at + 1 >= parse->argc)
			return err_set(err, ERR_USAGE, "option '%.*s' needs a value: %s", STR_FMT(shown),
			               option->value);
		value = parse->argv[++parse->at];
	}
	if (own) {
		parse->values[own - parse->command->options] = value ? value : "";
		return ERR_OK;
	}
	return global_option(parse, (enum global)(option - command_globals), value, err);
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

int command_unknown(const char *name, struct err *err)
{
	const char *names[64];
	const char *near;
	size_t n = 0;

	for (size_t i = 0; commands[i] && n < 63; i++) {
		if (commands[i]->summary)
			names[n++] = commands[i]->name;
	}
	names[n] = NULL;
	near = str_nearest(str_of(name), names);
	if (near)
		return err_set(err, ERR_USAGE,
		               "unknown command '%s', did you mean '%s'? 'tarn help' lists the commands", name, near);
	return err_set(err, ERR_USAGE, "unknown command '%s'; 'tarn help' lists the commands", name);
}

static int parse_word(struct parse *parse, const char *word, struct err *err)
{
	if (parse->command) {
		parse->words[parse->n_words++] = word;
		return ERR_OK;
	}
	parse->command = command_find(word);
	if (!parse->command)
		return command_unknown(word, err);
	parse->values = mem_array(option_count(parse->command) + 1, sizeof *parse->values);
	return parse->values ? ERR_OK : err_nomem(err);
}

static int parse_all(struct parse *parse, struct err *err)
{
	bool options_end = false;

	for (parse->at = 1; parse->at < parse->argc; parse->at++) {
		const char *arg = parse->argv[parse->at];
		int rc;

		if (!options_end && strcmp(arg, "--") == 0) {
			options_end = true;
			continue;
		}
		if (!options_end && arg[0] == '-' && arg[1])
			rc = parse_option(parse, err);
		else
			rc = parse_word(parse, arg, err);
		if (rc)
			return rc;
	}
	if (parse->log_level_set)
		parse->sets[parse->n_sets++] = parse->log_level_set;
	return ERR_OK;
}

static int run_parsed(const struct parse *parse, struct err *err)
{
	struct command_args args = {
		.words = parse->words,
		.n_words = parse->n_words,
		.command = parse->command,
		.values = parse->values,
		.config_opts = { .path = parse->config,
		                 .sets = parse->sets,
		                 .n_sets = parse->n_sets,
		                 .check_conninfo = pg_conninfo_check },
	};

	if (parse->version && !parse->command) {
		args.command = command_find("version");
		args.values = (const char *const[8]){ NULL };
		return args.command->run(&args, err);
	}
	if (!parse->command && !parse->help) {
		command_overview(stderr);
		return err_set(err, ERR_USAGE, "a command is missing; 'tarn help COMMAND' explains one");
	}
	if (parse->help) {
		if (parse->command)
			command_help(parse->command, stdout);
		else
			command_overview(stdout);
		return ERR_OK;
	}
	return parse->command->run(&args, err);
}

int command_main(int argc, char **argv)
{
	struct err err;
	struct parse parse = { .argc = argc, .argv = argv };
	int rc = ERR_OK;

	err_clear(&err);
	parse.words = mem_array((size_t)argc + 1, sizeof *parse.words);
	parse.sets = mem_array((size_t)argc + 1, sizeof *parse.sets);
	if (!parse.words || !parse.sets)
		rc = err_nomem(&err);
	if (!rc)
		rc = parse_all(&parse, &err);
	if (!rc)
		rc = run_parsed(&parse, &err);
	if (fflush(stdout) || ferror(stdout)) {
		if (!rc)
			rc = err_set(&err, ERR_IO, "the output could not be written whole; is the disk full?");
	}
	if (rc)
		fprintf(stderr, "tarn: %s\n", err.text[0] ? err.text : err_meaning(rc));
	mem_free(parse.words);
	mem_free(parse.sets);
	mem_free(parse.values);
	mem_free(parse.log_level_set);
	return rc ? err_exit_status(rc) : 0;
}

const char *command_value(const struct command_args *args, const char *option)
{
	const struct command_option *options = args->command->options;

	for (size_t i = 0; options && options[i].name; i++) {
		if (strcmp(options[i].name, option) == 0)
			return args->values[i];
	}
	CHECK(false, "command %s has no option %s", args->command->name, option);
	return NULL;
}

bool command_flag(const struct command_args *args, const char *option) { return command_value(args, option) != NULL; }
