/* src/pipeline/lsn_file.h — one LSN kept durably in a file of its own: "lsn X/Y CRC", crc32c in hex over the text
 * before it. Written whole or not at all; read to the byte. */
#ifndef TARN_PIPELINE_LSN_FILE_H
#define TARN_PIPELINE_LSN_FILE_H

#include <stdint.h>

#include "base/err.h"

/* A missing file is 0. ERR_CORRUPT when it holds anything else than what lsn_file_write leaves. */
int lsn_file_read(const char *path, uint64_t *lsn, struct err *err) TARN_MUST_CHECK;
int lsn_file_write(const char *path, uint64_t lsn, struct err *err) TARN_MUST_CHECK;

#endif
