/* src/base/log.h — diagnostics (never the journal). JSON lines or plain text to a file or standard error.
 *
 * Thread-safe. A message that repeats (same component, level, text and field values) within ten seconds is counted, not
 * printed; the count is printed with the next one. The last 64 messages or so are remembered: when one is pushed out,
 * its count goes with it. No row data, no statement parameters and no secrets at info level and above. */
#ifndef TARN_BASE_LOG_H
#define TARN_BASE_LOG_H

#include <stdint.h>

#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_opts {
	enum log_level level;
	bool json;
	const char *path;      /* NULL: standard error; borrowed until log_close */
	uint64_t rotate_bytes; /* when the file passes this it is renamed to .1 (then .2 ...); 0: never */
	int keep;              /* rotated files kept */
};

int log_open(const struct log_opts *opts, struct err *err) TARN_MUST_CHECK;
void log_close(void);
bool log_enabled(enum log_level level);
/* component: the folder's name ("pg", "journal"). fields: pairs of name and text, NULL-ended, e.g. log_msg(LOG_INFO,
 * "pg", (const char *[]){"source", name, NULL}, "connected to %s", host). */
void log_msg(enum log_level level, const char *component, const char *const *fields, const char *fmt, ...)
	TARN_PRINTF(4, 5);
#define log_debug(component, ...)                                                                                      \
	do {                                                                                                           \
		if (log_enabled(LOG_DEBUG))                                                                            \
			log_msg(LOG_DEBUG, component, NULL, __VA_ARGS__);                                              \
	} while (0)
#define log_info(component, ...) log_msg(LOG_INFO, component, NULL, __VA_ARGS__)
#define log_warn(component, ...) log_msg(LOG_WARN, component, NULL, __VA_ARGS__)
#define log_error(component, ...) log_msg(LOG_ERROR, component, NULL, __VA_ARGS__)

#endif
