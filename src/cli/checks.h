/* src/cli/checks.h — the checks of `tarn doctor` and `tarn init`: each gives findings (pg_finding: name, ok or
 * warning, found, mend). */
#ifndef TARN_CLI_CHECKS_H
#define TARN_CLI_CHECKS_H

#include "config/config.h"
#include "pg/pg_catalog.h"

struct checks {
	void (*fn)(void *arg, const char *subject, const struct pg_finding *finding);
	void *arg;
	const char *subject; /* source's name, or "local" */
	int fails, warnings, done;
};

/* One check said: state 0 fine, 1 warning, 2 failing. mend is dropped when fine. */
enum check_state { CHECK_FINE, CHECK_WARNING, CHECK_FAILING };
void checks_tell(struct checks *c, const char *name, enum check_state state, const char *found, const char *mend);
/* An error as a failing check: its text cut at the first "; ", the rest is what mends it. */
void checks_tell_err(struct checks *c, const char *name, const struct err *err, const char *mend);
/* A finding of the source's own checks, as pg_doctor calls it (arg: struct checks). */
void checks_pass(void *arg, const struct pg_finding *finding);

/* conn may be NULL: it is opened, and not being able to is a finding. */
void checks_source(struct checks *c, const struct config_source *source, struct pg_conn *conn);
/* State folder, disk, warehouse, DuckDB, ports. */
void checks_local(struct checks *c, const struct config *config);

#endif
