/* src/cli/terminal.h — questions to the person at the terminal. */
#ifndef TARN_CLI_TERMINAL_H
#define TARN_CLI_TERMINAL_H

#include <stdbool.h>

#include "base/err.h"

bool terminal_asks(void); /* both standard input and output are a terminal */
/* One line, without its newline; the preset when it is empty (preset may be ""). mem_free. ERR_CANCELLED at the end
 * of input. */
int terminal_ask(const char *question, const char *preset, char **out, struct err *err) TARN_MUST_CHECK;
int terminal_ask_secret(const char *question, char **out, struct err *err) TARN_MUST_CHECK; /* not shown while typed */

#endif
