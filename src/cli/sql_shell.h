/* src/cli/sql_shell.h — what `tarn sql` runs statements with: output, timing, Ctrl-C; and its interactive loop. */
#ifndef TARN_CLI_SQL_SHELL_H
#define TARN_CLI_SQL_SHELL_H

#include "serve/result_format.h"
#include "serve/sql_catalog.h"

struct sql_shell {
	struct sql_catalog *cat;
	enum result_format format;
	int out_fd;     /* 1, or of -o FILE */
	unsigned width; /* of the terminal when out_fd is one, else 0 */
	bool timing;
	bool reader_gone; /* the pipe we write into was closed: stop without an error */
};

/* Ctrl-C cancels the query that runs; sql_shell_interrupted tells whether it came since the last call. */
void sql_shell_catch(struct sql_shell *shell);
bool sql_shell_interrupted(void);

/* Runs each statement of the text and shows its rows. Stops at the first error. */
int sql_shell_script(struct sql_shell *shell, const char *text, struct err *err) TARN_MUST_CHECK;
int sql_shell_print(struct sql_shell *shell, struct str text, struct err *err);

/* Reads statements from the terminal until \q or Ctrl-D; errors are shown, not returned. */
int sql_shell_interactive(struct sql_shell *shell, struct err *err) TARN_MUST_CHECK;

#endif
