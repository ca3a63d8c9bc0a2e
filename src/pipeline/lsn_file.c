/* src/pipeline/lsn_file.c — reading and writing an LSN with its checksum. */
#include "pipeline/lsn_file.h"

#include <errno.h>
#include <stdio.h>

#include "base/crc.h"
#include "base/env.h"
#include "base/mem.h"
#include "base/str.h"

#define LINE_MAX_BYTES 64

static size_t line_of(uint64_t lsn, char line[LINE_MAX_BYTES])
{
	char text[LSN_TEXT_MAX];
	int n = snprintf(line, LINE_MAX_BYTES, "lsn %s", lsn_text(lsn, text));

	return (size_t)(n + snprintf(line + n, LINE_MAX_BYTES - (size_t)n, " %08x\n", crc32c(0, line, (size_t)n)));
}

/* The line is made anew from what was read of it: only what we write is taken. */
static bool parse(struct str text, uint64_t *lsn)
{
	char line[LINE_MAX_BYTES];
	struct str rest = text, word = str_cut(&rest, ' '), number = str_cut(&rest, ' ');

	return str_eqz(word, "lsn") && str_to_lsn(number, lsn) && text.n == line_of(*lsn, line) &&
	       memcmp(text.p, line, text.n) == 0;
}

int lsn_file_read(const char *path, uint64_t *lsn, struct err *err)
{
	char *text;
	size_t n;
	bool good = false;
	int rc = env_read_file(path, LINE_MAX_BYTES, &text, &n);

	*lsn = 0;
	if (rc == -ENOENT)
		return ERR_OK;
	if (rc < 0 && rc != -EFBIG)
		return err_set_errno(err, ERR_IO, -rc, "cannot read '%s'", path);
	if (rc >= 0) {
		good = parse(str_view(text, n), lsn);
		mem_free(text);
	}
	return good ? ERR_OK
	            : err_set(err, ERR_CORRUPT, "'%s' is damaged; remove it to go on from the journal's own end", path);
}

int lsn_file_write(const char *path, uint64_t lsn, struct err *err)
{
	char line[LINE_MAX_BYTES];
	int rc = env_write_file_atomic(path, line, line_of(lsn, line), 0644);

	return rc < 0 ? err_set_errno(err, ERR_IO, -rc, "cannot write '%s'", path) : ERR_OK;
}
