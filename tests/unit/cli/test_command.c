/* tests/unit/cli/test_command.c — command lines as typed: exit status, standard output, standard error. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "cli/command.h"

struct typed { const char *line; int status; const char *out; /* contained in standard output; NULL: it is empty */ const char *error; /* all of standard error, with a newline added */ };

static const struct typed cases[] = {
	{ "version", 0, "tarn ", "" },
	{ "--version", 0, "tarn ", "" },
	{ "help", 0, "usage: tarn", "" },
	{ "--help", 0, "  version    show the version\n", "" },
	{ "help version", 0, "--failpoints", "" },
	{ "version --help", 0, "usage: tarn version [OPTIONS]\n", "" },
	{ "version -h", 0, "exit status:\n    0  done\n    2  usage, config\n", "" },
	{ "help config", 0, "Examples:\n", "" },
	{ "help exit-codes", 0, "     7  IDENTITY ", "" },
	{ "verson", 2, NULL, "tarn: unknown command 'verson', did you mean 'version'? 'tarn help' lists the commands" },
	{ "help verson", 2, NULL, "tarn: unknown command 'verson', did you mean 'version'? 'tarn help' lists the commands" },
	{ "xyzzyplugh", 2, NULL, "tarn: unknown command 'xyzzyplugh'; 'tarn help' lists the commands" },
	{ "version --failpoint", 2, NULL, "tarn: unknown option '--failpoint' of version, did you mean --failpoints; 'tarn help version' lists what there is" },
	{ "--conifg x version", 2, NULL, "tarn: unknown option '--conifg', did you mean --config; 'tarn help' lists what there is" },
	{ "version -z", 2, NULL, "tarn: unknown option '-z' of version; 'tarn help version' lists what there is" },
	{ "version --json=1", 2, NULL, "tarn: option '--json' takes no value" },
	{ "config --set", 2, NULL, "tarn: option '--set' needs a value: KEY=VALUE" },
	{ "version extra", 2, NULL, "tarn: version takes no words, but 'extra' was given" },
	{ "version -- --json", 2, NULL, "tarn: version takes no words, but '--json' was given" },
	{ "-c tests/data/config/layers.yaml config show", 0, "  publish_interval: 2s\n", "" },
	{ "config show -c tests/data/config/layers.yaml", 0, "  publish_interval: 2s\n", "" },
	{ "config show -ctests/data/config/layers.yaml", 0, "  publish_interval: 2s\n", "" },
	{ "config show --config=tests/data/config/layers.yaml", 0, "  publish_interval: 2s\n", "" },
	{ "--set lake.publish_interval=7s config --set lake.keep_age=9h show", 0, "  publish_interval: 7s\n", "" },
	{ "--set lake.publish_interval=7s config --set lake.publish_interval=9s show", 0, "  publish_interval: 9s\n", "" },
	{ "--log-level debug config", 0, "  level: debug\n", "" },
	{ "--log-level loud config", 2, NULL, "tarn: --set log.level: log.level: 'loud' is none of debug|info|warn|error" },
	{ "config check -c no/such/file", 2, NULL, "tarn: there is no configuration file no/such/file; 'tarn init' writes one" },
	{ "worker", 2, NULL, "tarn: 'worker' is started by tarn itself; queries are made with 'tarn sql'" },
	{ "config reference", 0, "### `lake.publish_interval`", "" },
	{ "config sample", 0, "\nsources:\n", "" },
};

static char *slurp(const char *path)
{
	static char texts[2][65536];
	static int turn;
	char *text = texts[turn ^= 1];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof texts[0] - 1, f);
	text[n] = 0;
	fclose(f);
	return text;
}

static int run_line(const char *line, const char *out, const char *error)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char copy[512], *argv[32] = { "tarn" };
		int argc = 1;

		snprintf(copy, sizeof copy, "%s", line);
		for (char *word = strtok(copy, " "); word && argc < 31; word = strtok(NULL, " "))
			argv[argc++] = word;
		if (!freopen(out, "w", stdout) || !freopen(error, "w", stderr))
			_exit(99);
		status = command_main(argc, argv);
		fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static void test_lines(void **state)
{
	char out[] = "/tmp/tarn_command_out_XXXXXX", error[] = "/tmp/tarn_command_err_XXXXXX";

	(void)state;
	close(mkstemp(out));
	close(mkstemp(error));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct typed *c = &cases[i];
		int status = run_line(c->line, out, error);
		const char *got_out = slurp(out), *got_error = slurp(error);
		size_t n = strlen(c->error);

		if (status != c->status || (c->out ? !strstr(got_out, c->out) : got_out[0] != 0) || strncmp(got_error, c->error, n) != 0 || strcmp(got_error + n, n ? "\n" : "") != 0)
			fail_msg("tarn %s\nstatus %d\nout: %s\nerror: %s", c->line, status, got_out, got_error);
	}
	assert_int_equal(run_line("", out, error), 2);
	assert_non_null(strstr(slurp(error), "usage: tarn"));
	assert_int_equal(run_line("help", "/dev/full", error), 11); /* output lost is an error */
	unlink(out);
	unlink(error);
}

/* Each command that is listed explains itself: a summary in lower case and examples. */
static void test_help_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; commands[i]; i++) {
		const struct command *command = commands[i];

		assert_ptr_equal(command_find(command->name), command);
		if (!command->summary)
			continue;
		if (!command->help || !strstr(command->help, "Examples:\n") || !command->words)
			fail_msg("%s has no examples", command->name);
		for (const struct command_option *o = command->options; o && o->name; o++) {
			if (!o->help || !o->help[0])
				fail_msg("%s --%s has no help", command->name, o->name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lines), cmocka_unit_test(test_help_is_whole) };

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
