/* src/cli/terminal.c — questions and answers. */
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define ANSWER_MAX 4096

bool terminal_asks(void) { return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1; }

static int read_answer(char **out, const char *preset, struct err *err)
{
	char line[ANSWER_MAX];
	struct str answer;

	if (!fgets(line, sizeof line, stdin)) {
		fputc('\n', stdout);
		return err_set(err, ERR_CANCELLED, "no answer: nothing was written");
	}
	answer = str_trim(str_of(line));
	if (answer.n == 0)
		answer = str_of(preset);
	*out = mem_strndup(answer.p, answer.n);
	memset(line, 0, sizeof line);
	return *out ? ERR_OK : err_nomem(err);
}

int terminal_ask(const char *question, const char *preset, char **out, struct err *err)
{
	if (*preset)
		printf("%s [%s]: ", question, preset);
	else
		printf("%s: ", question);
	fflush(stdout);
	return read_answer(out, preset, err);
}

int terminal_ask_secret(const char *question, char **out, struct err *err)
{
	struct termios before, silent;
	bool changed = tcgetattr(STDIN_FILENO, &before) == 0;
	int rc;

	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	if (changed)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	printf("%s: ", question);
	fflush(stdout);
	rc = read_answer(out, "", err);
	if (changed)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stdout);
	return rc;
}
