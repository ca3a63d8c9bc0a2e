/* src/cli/cli_source.h — which database a command means: --postgres, or the configuration's source. */
#ifndef TARN_CLI_CLI_SOURCE_H
#define TARN_CLI_CLI_SOURCE_H

#include "cli/command.h"
#include "pg/pg_conn.h"

/* From options "postgres" and "password-env", else the configuration's only source (word: its name when there are
 * several). *config (may stay NULL) owns what opts borrows. */
int cli_source_conn(const struct command_args *args, const char *word, struct pg_conn_opts *opts,
                    struct config **config, struct err *err) TARN_MUST_CHECK;
/* The source of this name; ERR_NOT_FOUND names the nearest one. */
int cli_find_source(const struct config *config, const char *name, const struct config_source **out,
                    struct err *err) TARN_MUST_CHECK;
/* "--password-env NAME": the variable's value, NULL when the option is not given. */
int cli_password(const struct command_args *args, const char **out, struct err *err) TARN_MUST_CHECK;
/* A whole number option in [low, high]; left alone when absent. */
int cli_number(const struct command_args *args, const char *option, uint64_t low, uint64_t high, uint64_t *out,
               struct err *err) TARN_MUST_CHECK;

#endif
