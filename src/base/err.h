/* src/base/err.h — what went wrong, said once, by the place that knows.
 *
 * Every fallible function returns int: 0 (ERR_OK) or a code of errors.def, and fills a final `struct err *`.
 * The place that knows the facts writes the text (object, cause, next step); callers may prepend their subject with
 * err_prefix; only the one that decides (retry, stop, exit) logs it. A `struct err` is plain memory: no life cycle.
 * Secrets never enter an err. */
#ifndef TARN_BASE_ERR_H
#define TARN_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

enum err_class {
	ERR_CLASS_NONE,
	ERR_CLASS_USAGE,     /* the caller can mend it */
	ERR_CLASS_TRANSIENT, /* the same call may succeed later */
	ERR_CLASS_CONFLICT,  /* somebody else was first */
	ERR_CLASS_LIMIT,     /* a declared maximum or memory */
	ERR_CLASS_PERMANENT, /* will fail again until something outside changes */
	ERR_CLASS_CORRUPT,   /* durable bytes are not what was written */
	ERR_CLASS_BUG,
};

enum err_code {
	ERR_OK = 0,
#define ERR(name, class, sqlstate, http, exit, meaning) ERR_##name,
#include "base/errors.def"
#undef ERR
	ERR_COUNT
};

#define ERR_TEXT_MAX 2048

struct err {
	int code;                /* enum err_code */
	int os_errno;            /* errno when an operating system call failed, else 0 */
	char sqlstate[6];        /* the source server's SQLSTATE when it gave one, else "" */
	char text[ERR_TEXT_MAX]; /* UTF-8, one paragraph, no trailing newline */
};

#define TARN_MUST_CHECK __attribute__((warn_unused_result))
#define TARN_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Sets code and text; returns code, so `return err_set(err, ERR_IO, "...")` reads well. err may be NULL. */
int err_set(struct err *err, int code, const char *fmt, ...) TARN_PRINTF(3, 4);
/* As err_set, with ": <strerror>" appended, os_errno stored; ENOSPC and EDQUOT turn ERR_IO into ERR_DISK_FULL, ENOMEM
 * into ERR_NOMEM. */
int err_set_errno(struct err *err, int code, int os_errno, const char *fmt, ...) TARN_PRINTF(4, 5);
/* Puts "<subject>: " before the text. Returns err->code. */
int err_prefix(struct err *err, const char *fmt, ...) TARN_PRINTF(2, 3);
int err_nomem(struct err *err); /* ERR_NOMEM, "out of memory" */
void err_clear(struct err *err);

const char *err_name(int code); /* "NOT_FOUND" */
enum err_class err_class_of(int code);
const char *err_class_name(enum err_class class); /* "transient" */
const char *err_sqlstate(int code);
int err_http_status(int code);
int err_exit_status(int code);
const char *err_meaning(int code);

/* A broken invariant: prints file, line and text to standard error and aborts. Stays on in release. */
#define CHECK(cond, ...)                                                                                               \
	do {                                                                                                           \
		if (__builtin_expect(!(cond), 0))                                                                      \
			check_failed(__FILE__, __LINE__, #cond, " " __VA_ARGS__);                                      \
	} while (0)
__attribute__((noreturn)) void check_failed(const char *file, int line, const char *cond, const char *fmt, ...)
	TARN_PRINTF(4, 5);

#endif
