/* src/cli/progress.c — progress of long work on standard error. */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/env.h"

#define TERMINAL_US 200000
#define PLAIN_US 5000000

void progress_begin(struct progress *p, const char *what, const char *unit, uint64_t total, int64_t duration_us,
                    bool quiet)
{
	int64_t now = env_mono_us();

	*p = (struct progress){ .what = what,
		                .unit = unit,
		                .total = total,
		                .begin_us = now,
		                .end_us = duration_us ? now + duration_us : 0,
		                .shown_us = now,
		                .quiet = quiet,
		                .terminal = isatty(STDERR_FILENO) == 1 };
}

void progress_show(struct progress *p, uint64_t done)
{
	char count[SIZE_TEXT_MAX], total[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX], left[SIZE_TEXT_MAX] = "";
	int64_t now = env_mono_us(), left_us = 0;
	double per_s;

	if (p->quiet || now - p->shown_us < (p->terminal ? TERMINAL_US : PLAIN_US))
		return;
	p->shown_us = now;
	per_s = (double)done * 1e6 / (double)(now - p->begin_us);
	if (p->end_us)
		left_us = p->end_us - now;
	else if (p->total > done && done > 0)
		left_us = (int64_t)((double)(p->total - done) / per_s * 1e6);
	if (left_us > 0)
		duration_text(left_us / 1000000 * 1000000 + 1000000, left);
	fprintf(stderr, "%s%s: %s%s%s %s, %s/s%s%s%s", p->terminal ? "\r" : "", p->what, count_text(done, count),
	        p->total ? " of " : "", p->total ? count_text(p->total, total) : "", p->unit,
	        count_text((uint64_t)per_s, rate), *left ? ", " : "", left, *left ? " left" : "");
	fputs(p->terminal ? "\033[K" : "\n", stderr);
	fflush(stderr);
	p->drawn = true;
}

void progress_end(struct progress *p)
{
	if (p->terminal && p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}
