/* src/cli/progress.h — how far long work has come: one line rewritten on a terminal (rows, rate, time left), a plain
 * line every five seconds elsewhere. Standard error. */
#ifndef TARN_CLI_PROGRESS_H
#define TARN_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what;         /* "loading accounts"; borrowed */
	const char *unit;         /* "rows" */
	uint64_t total;           /* 0: not known */
	int64_t begin_us, end_us; /* end_us: when it ends by time, 0: not by time */
	int64_t shown_us;
	bool terminal, quiet, drawn;
};

void progress_begin(struct progress *p, const char *what, const char *unit, uint64_t total, int64_t duration_us,
                    bool quiet);
/* cheap: returns at once while it is too early for another line */
void progress_show(struct progress *p, uint64_t done);
void progress_end(struct progress *p); /* clears the terminal's line */

#endif
