/* src/cli/cli_source.c — connections and numbers that commands are given. */
#include "cli/cli_source.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/str.h"

int cli_password(const struct command_args *args, const char **out, struct err *err)
{
	const char *name = command_value(args, "password-env");

	*out = name ? getenv(name) : NULL;
	if (name && !*out)
		return err_set(err, ERR_USAGE,
		               "--password-env names the environment variable %s, which is not set; export it first",
		               name);
	return ERR_OK;
}

int cli_find_source(const struct config *config, const char *name, const struct config_source **out, struct err *err)
{
	const char *near = NULL;

	*out = config_find_source(config, name);
	if (*out)
		return ERR_OK;
	for (size_t i = 0; i < config->n_sources && !near; i++)
		near = str_nearest(str_of(name), (const char *const[]){ config->sources[i].name, NULL });
	return err_set(err, ERR_NOT_FOUND, "the configuration has no source '%s'%s%s%s 'tarn config show' lists them",
	               name, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : ";");
}

int cli_source_conn(const struct command_args *args, const char *word, struct pg_conn_opts *opts,
                    struct config **config, struct err *err)
{
	const char *conninfo = command_value(args, "postgres"), *password = NULL;
	const struct config_source *source;
	int rc = cli_password(args, &password, err);

	*config = NULL;
	*opts = (struct pg_conn_opts){ .conninfo = conninfo, .password = password };
	if (rc || conninfo)
		return rc;
	rc = config_load(&args->config_opts, config, err);
	if (rc)
		return rc;
	source = (*config)->n_sources == 1 ? &(*config)->sources[0] : NULL;
	rc = word ? cli_find_source(*config, word, &source, err) : ERR_OK;
	if (rc)
		return rc;
	if (!source)
		return err_set(err, ERR_USAGE, "which database? Give --postgres postgresql://USER@HOST:PORT/DATABASE%s",
		               (*config)->n_sources ? " (the configuration has several sources)" : "");
	opts->conninfo = source->conninfo;
	opts->password = password ? password : source->password;
	return ERR_OK;
}

int cli_number(const struct command_args *args, const char *option, uint64_t low, uint64_t high, uint64_t *out,
               struct err *err)
{
	const char *text = command_value(args, option);
	uint64_t value;

	if (!text)
		return ERR_OK;
	if (!str_to_u64(str_of(text), &value) || value < low || value > high)
		return err_set(err, ERR_USAGE, "--%s takes a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'",
		               option, low, high, text);
	*out = value;
	return ERR_OK;
}
