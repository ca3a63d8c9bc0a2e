/* src/base/log.c — diagnostics: one line a message, to a file or standard error.
 *
 * A line is formatted in one static buffer under the lock and goes out with one write: lines of threads never mix,
 * and logging allocates nothing, so "out of memory" can be said. Until log_open, messages at info level and above go
 * to standard error as plain text. */
#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/env.h"
#include "base/wbuf.h"

#define LINE_MAX_BYTES 32768
#define REPEAT_SLOTS 64 /* different messages watched for repetition */
#define REPEAT_US INT64_C(10000000)

struct repeat {
	uint64_t hash; /* component, level, text and field values; 0: free */
	int64_t printed_us;
	uint64_t held; /* counted since */
};

static struct {
	pthread_mutex_t mutex;
	struct log_opts opts;
	int fd;
	uint64_t size; /* of the file */
	struct repeat repeats[REPEAT_SLOTS];
	uint8_t line[LINE_MAX_BYTES];
} logger = { .mutex = PTHREAD_MUTEX_INITIALIZER, .opts = { .level = LOG_INFO }, .fd = STDERR_FILENO };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static int open_file(void)
{
	struct env_stat st;
	int fd = env_open(logger.opts.path, O_WRONLY | O_CREAT | O_APPEND, 0640);

	if (fd < 0)
		return fd;
	logger.fd = fd;
	logger.size = env_stat(logger.opts.path, &st) == 0 ? st.size : 0;
	return 0;
}

int log_open(const struct log_opts *opts, struct err *err)
{
	int r = 0;

	log_close();
	pthread_mutex_lock(&logger.mutex);
	logger.opts = *opts;
	if (opts->path)
		r = open_file();
	pthread_mutex_unlock(&logger.mutex);
	if (r)
		return err_set_errno(err, ERR_IO, r, "cannot open the log file \"%s\"", opts->path);
	return ERR_OK;
}

void log_close(void)
{
	pthread_mutex_lock(&logger.mutex);
	if (logger.fd != STDERR_FILENO)
		env_close(logger.fd);
	logger.fd = STDERR_FILENO;
	logger.opts = (struct log_opts){ .level = LOG_INFO };
	memset(logger.repeats, 0, sizeof logger.repeats);
	pthread_mutex_unlock(&logger.mutex);
}

bool log_enabled(enum log_level level) { return level >= __atomic_load_n(&logger.opts.level, __ATOMIC_RELAXED); }

static uint64_t hash_text(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001B3u; /* FNV-1a */
	return h * 0x100000001B3u;
}

/* False: held back. *held: how often it was held back before. */
static bool may_print(uint64_t hash, int64_t now, uint64_t *held)
{
	struct repeat *slot = &logger.repeats[hash % REPEAT_SLOTS];

	*held = 0;
	if (slot->hash == hash) {
		if (now - slot->printed_us < REPEAT_US) {
			slot->held++;
			return false;
		}
		*held = slot->held;
	}
	*slot = (struct repeat){ .hash = hash, .printed_us = now };
	return true;
}

static void put_json(struct wbuf *w, const char *time, enum log_level level, const char *component,
                     const char *const *fields, const char *text, uint64_t held)
{
	wbuf_putf(w, "{\"time\":\"%s\",\"level\":\"%s\",\"component\":", time, level_names[level]);
	wbuf_put_json_str(w, str_of(component));
	wbuf_putz(w, ",\"message\":");
	wbuf_put_json_str(w, str_of(text));
	for (; fields && fields[0]; fields += 2) {
		wbuf_put_u8(w, ',');
		wbuf_put_json_str(w, str_of(fields[0]));
		wbuf_put_u8(w, ':');
		wbuf_put_json_str(w, str_of(fields[1] ? fields[1] : ""));
	}
	if (held)
		wbuf_putf(w, ",\"repeated\":%llu", (unsigned long long)held);
	wbuf_put_u8(w, '}');
}

static void put_plain(struct wbuf *w, const char *time, enum log_level level, const char *component,
                      const char *const *fields, const char *text, uint64_t held)
{
	wbuf_putf(w, "%s %-5s %s: ", time, level_names[level], component);
	/* A line is a line: control bytes inside a text could forge others. */
	for (; *text; text++)
		wbuf_put_u8(w, (unsigned char)*text < 0x20 || *text == 0x7F ? ' ' : (uint8_t)*text);
	for (; fields && fields[0]; fields += 2) {
		wbuf_putf(w, " %s=", fields[0]);
		wbuf_put_json_str(w, str_of(fields[1] ? fields[1] : ""));
	}
	if (held)
		wbuf_putf(w, " (repeated %llu times)", (unsigned long long)held);
}

/* path.N-1 -> path.N ... path -> path.1; failure only means that the file goes on growing. */
static void rotate(void)
{
	char from[PATH_MAX], to[PATH_MAX];

	for (int i = logger.opts.keep; i > 0; i--) {
		int n = i > 1 ? snprintf(from, sizeof from, "%s.%d", logger.opts.path, i - 1)
		              : snprintf(from, sizeof from, "%s", logger.opts.path);

		if (n >= (int)sizeof from || snprintf(to, sizeof to, "%s.%d", logger.opts.path, i) >= (int)sizeof to)
			return;
		env_rename(from, to);
	}
	if (logger.opts.keep <= 0)
		env_unlink(logger.opts.path);
	env_close(logger.fd);
	logger.fd = STDERR_FILENO;
	if (open_file() != 0)
		logger.opts.path = NULL; /* standard error from here on */
}

void log_msg(enum log_level level, const char *component, const char *const *fields, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX * 2], time[TIME_TEXT_MAX];
	struct wbuf w = { .p = logger.line, .cap = LINE_MAX_BYTES - 1, .max = LINE_MAX_BYTES - 1 };
	uint64_t hash, held;
	int64_t now;
	va_list ap;

	if (!log_enabled(level))
		return;
	now = env_mono_us();
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof text, fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	hash = hash_text(hash_text(0xCBF29CE484222325u + level, component), text);
	for (const char *const *f = fields; f && f[0]; f += 2)
		hash = hash_text(hash, f[1] ? f[1] : "");
	time_text_ms(env_wall_us(), time);

	pthread_mutex_lock(&logger.mutex);
	if (may_print(hash ? hash : 1, now, &held)) {
		(logger.opts.json ? put_json : put_plain)(&w, time, level, component, fields, text, held);
		logger.line[w.n++] = '\n';
		env_write(logger.fd, w.p, w.n); /* nobody is left to tell */
		logger.size += w.n;
		if (logger.opts.path && logger.opts.rotate_bytes && logger.size > logger.opts.rotate_bytes)
			rotate();
	}
	pthread_mutex_unlock(&logger.mutex);
}
