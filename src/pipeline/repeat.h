/* src/pipeline/repeat.h — a failure that comes again and again is said once: then every ten minutes, with how often
 * it came.
 *
 * Texts that differ in digits only (process ids, positions, times) count as the same. Plain memory, zero to begin;
 * used by one thread. */
#ifndef TARN_PIPELINE_REPEAT_H
#define TARN_PIPELINE_REPEAT_H

#include "base/log.h"

struct repeat {
	char text[300];
	unsigned times;
	int64_t said_us;
};

/* Logs "<subject>: <text>" (subject may be NULL) under "pipeline" when it is new or it is time, with ", N times" when
 * it came meanwhile; otherwise counts. */
void repeat_log(struct repeat *repeat, enum log_level level, const char *subject, const char *text);
/* The same for what will be tried again: "<subject>: <text>; trying again in 2 s, later every 30 s". */
void repeat_log_retry(struct repeat *repeat, enum log_level level, const char *subject, const char *text,
                      int64_t delay_us, int64_t delay_us_max);
void repeat_clear(struct repeat *repeat); /* it went well: the next failure is news */

#endif
