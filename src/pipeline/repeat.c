/* src/pipeline/repeat.c — comparing and counting. */
#include "pipeline/repeat.h"

#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/err.h"

#define AGAIN_US 600000000

static bool digit(char c) { return c >= '0' && c <= '9'; }

static bool same_but_digits(const char *a, const char *b)
{
	while (*a && *b) {
		if (digit(*a) && digit(*b)) {
			while (digit(*a))
				a++;
			while (digit(*b))
				b++;
		} else if (*a++ != *b++) {
			return false;
		}
	}
	return *a == *b;
}

void repeat_log(struct repeat *r, enum log_level level, const char *subject, const char *text)
{
	char start[sizeof r->text];
	int64_t now = env_mono_us();
	bool same;

	snprintf(start, sizeof start, "%s", text);
	same = r->text[0] && same_but_digits(r->text, start);
	if (same && now - r->said_us < AGAIN_US) {
		r->times++;
		return;
	}
	if (same)
		log_msg(level, "pipeline", NULL, "%s%s%s (%u times more since it was last said)",
		        subject ? subject : "", subject ? ": " : "", text, r->times);
	else
		log_msg(level, "pipeline", NULL, "%s%s%s", subject ? subject : "", subject ? ": " : "", text);
	memcpy(r->text, start, sizeof start);
	r->times = 0;
	r->said_us = now;
}

static unsigned whole_seconds(int64_t us) { return us < 1000000 ? 1 : (unsigned)((us + 500000) / 1000000); }

void repeat_log_retry(struct repeat *r, enum log_level level, const char *subject, const char *text, int64_t delay_us,
                      int64_t delay_us_max)
{
	char whole[ERR_TEXT_MAX + 160];
	size_t n = strlen(text);
	int shown = (int)(n > 0 && text[n - 1] == ';' ? n - 1 : n); /* an SQL statement's own */

	snprintf(whole, sizeof whole, "%.*s; trying again in %u s, later every %u s", shown, text,
	         whole_seconds(delay_us), whole_seconds(delay_us_max));
	repeat_log(r, level, subject, whole);
}

void repeat_clear(struct repeat *r) { *r = (struct repeat){ 0 }; }
