/* src/engine/sql_protocol.h — the words between a SQL session and its worker process. Private to engine/.
 *
 * Frames over a stream socket pair: u32 LE length of the payload, u8 type, payload. Strings: u32 LE length, bytes.
 * The session asks, the worker answers each request with SQL_OK or SQL_ERROR (a query sends SQL_COLUMNS and any
 * number of SQL_ROWS before); only SQL_CANCEL has no answer and may come while a query runs. Both are the same
 * program, so there are no versions. */
#ifndef TARN_ENGINE_SQL_PROTOCOL_H
#define TARN_ENGINE_SQL_PROTOCOL_H

#include "base/err.h"
#include "base/rbuf.h"
#include "base/wbuf.h"
#include "engine/sql.h"

enum sql_frame_type {
	/* session to worker */
	SQL_OPEN = 'O', /* u64 memory, u32 threads, u64 temp bytes, u64 time (us), str temp folder */
	/* str schema, str name, u32 n, per column: str name, u8[4] type, u32 field id, u32 element id */
	SQL_TABLE = 'T',
	SQL_FILE = 'F', /* a file of the last table: str path, u64 rows, u8 has vector, str vector; no answer */
	SQL_TABLE_END = 'E',
	SQL_LOCK = 'L',
	SQL_QUERY = 'Q',   /* the text */
	SQL_PARQUET = 'P', /* the text; answer: u64 rows. The file is SQL_PARQUET_NAME in the temp folder */
	SQL_CANCEL = 'C',
	/* worker to session */
	SQL_OK = 'k',      /* u64 rows */
	SQL_ERROR = 'e',   /* u32 code, str text */
	SQL_COLUMNS = 'c', /* u32 n, per column: str name, str type name, u8 kind */
	SQL_ROWS = 'r',    /* rows: per cell u32 length (SQL_NULL: null) and bytes */
};

#define SQL_NULL UINT32_MAX
#define SQL_FRAME_MAX ((size_t)256 << 20)
#define SQL_PARQUET_NAME "result.parquet"
#define SQL_WORKER_FD 3 /* where the worker finds its end of the socket pair */

struct sql_frame {
	uint8_t type;
	struct str body; /* borrowed from the inbox until its next use */
};

/* Bytes received and not yet used. */
struct sql_inbox {
	struct wbuf buf;
	size_t at;
};

void sql_inbox_init(struct sql_inbox *inbox);
void sql_inbox_free(struct sql_inbox *inbox);
/* 1: *frame is filled; 0: more bytes are needed; negative: ERR_PROTOCOL in err. */
int sql_inbox_next(struct sql_inbox *inbox, struct sql_frame *frame, struct err *err);
/* One read. ERR_LOST: the other end is closed. */
int sql_inbox_fill(struct sql_inbox *inbox, int fd, struct err *err) TARN_MUST_CHECK;
/* Whole frame or ERR_LOST. No SIGPIPE. */
int sql_frame_send(int fd, uint8_t type, struct str body, struct err *err) TARN_MUST_CHECK;

void sql_put_str(struct wbuf *out, struct str s);
struct str sql_get_str(struct rbuf *in);

#endif
