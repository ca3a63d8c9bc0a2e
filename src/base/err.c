/* src/base/err.c — the error table and the text of one error. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct err_row {
	const char *name;
	enum err_class class;
	const char *sqlstate;
	int http;
	int exit_status;
	const char *meaning;
};

static const struct err_row err_rows[ERR_COUNT] = {
	[ERR_OK] = { "OK", ERR_CLASS_NONE, "00000", 200, 0, "Success." },
#define ERR(name, class, sqlstate, http, exit, meaning)                                                                \
	[ERR_##name] = { #name, ERR_CLASS_##class, sqlstate, http, exit, meaning },
#include "base/errors.def"
#undef ERR
};

static const struct err_row *row_of(int code) { return &err_rows[code >= 0 && code < ERR_COUNT ? code : ERR_BUG]; }

/* A cut text must stay UTF-8: drops the bytes of an unfinished last character. */
static void cut_utf8(char *text, size_t n)
{
	size_t back = 0;

	while (back < 3 && back < n && ((unsigned char)text[n - 1 - back] & 0xC0) == 0x80)
		back++;
	if (back < n) {
		unsigned char lead = (unsigned char)text[n - 1 - back];
		size_t need = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;

		if (need > back)
			text[n - 1 - back] = '\0';
	}
}

/* Formats into a buffer of its own first: an argument may be err->text itself. */
static void set_text(struct err *err, const char *fmt, va_list ap)
{
	char text[ERR_TEXT_MAX];
	int n = vsnprintf(text, sizeof text, fmt, ap);

	if (n < 0)
		text[0] = '\0';
	else if ((size_t)n >= sizeof text)
		cut_utf8(text, sizeof text - 1);
	memcpy(err->text, text, strlen(text) + 1);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	set_text(err, fmt, ap);
	va_end(ap);
	err->code = code;
	err->os_errno = 0;
	err->sqlstate[0] = '\0';
	return code;
}

int err_set_errno(struct err *err, int code, int os_errno, const char *fmt, ...)
{
	va_list ap;
	size_t n;
	char why[128];

	if (os_errno < 0)
		os_errno = -os_errno;
	if (code == ERR_IO && (os_errno == ENOSPC || os_errno == EDQUOT))
		code = ERR_DISK_FULL;
	if (os_errno == ENOMEM)
		code = ERR_NOMEM;
	if (!err)
		return code;
	va_start(ap, fmt);
	set_text(err, fmt, ap);
	va_end(ap);
	n = strlen(err->text);
	if (snprintf(err->text + n, sizeof err->text - n, ": %s", strerror_r(os_errno, why, sizeof why)) >=
	    (int)(sizeof err->text - n))
		cut_utf8(err->text, sizeof err->text - 1);
	err->code = code;
	err->os_errno = os_errno;
	err->sqlstate[0] = '\0';
	return code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;
	int n;

	if (!err)
		return ERR_BUG;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return err->code;
	if ((size_t)n < sizeof text)
		n += snprintf(text + n, sizeof text - (size_t)n, ": %s", err->text);
	if ((size_t)n >= sizeof text)
		cut_utf8(text, sizeof text - 1);
	memcpy(err->text, text, strlen(text) + 1);
	return err->code;
}

int err_nomem(struct err *err) { return err_set(err, ERR_NOMEM, "out of memory"); }

void err_clear(struct err *err)
{
	if (!err)
		return;
	err->code = ERR_OK;
	err->os_errno = 0;
	err->sqlstate[0] = '\0';
	err->text[0] = '\0';
}

const char *err_name(int code) { return row_of(code)->name; }
enum err_class err_class_of(int code) { return row_of(code)->class; }
const char *err_sqlstate(int code) { return row_of(code)->sqlstate; }
int err_http_status(int code) { return row_of(code)->http; }
int err_exit_status(int code) { return row_of(code)->exit_status; }
const char *err_meaning(int code) { return row_of(code)->meaning; }

const char *err_class_name(enum err_class class)
{
	static const char *const names[] = { "none",  "usage",     "transient", "conflict",
		                             "limit", "permanent", "corrupt",   "bug" };

	return (unsigned)class < sizeof names / sizeof names[0] ? names[class] : "bug";
}

void check_failed(const char *file, int line, const char *cond, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "tarn: %s:%d: broken invariant: %s", file, line, cond);
	if (fmt[0]) {
		fputs(": ", stderr);
		va_start(ap, fmt);
		vfprintf(stderr, fmt, ap);
		va_end(ap);
	}
	fputs("\n", stderr);
	abort();
}
