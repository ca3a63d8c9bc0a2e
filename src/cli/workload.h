/* src/cli/workload.h — data of `tarn generate`: tables filled by COPY, then changes in transactions.
 *
 * The same seed on the same tables gives the same statements: times are counted from a fixed day, nothing is read
 * back while changes run. A workload knows which keys live (struct id_set); one generator at a time works on its
 * tables. */
#ifndef TARN_CLI_WORKLOAD_H
#define TARN_CLI_WORKLOAD_H

#include "base/err.h"
#include "base/wbuf.h"
#include "cli/progress.h"
#include "pg/pg_conn.h"

/* splitmix64: 64 bits of state, good enough for data, the same on every machine. */
struct rng {
	uint64_t state;
};
uint64_t rng_mix(uint64_t x);
uint64_t rng_next(struct rng *rng);
static inline uint64_t rng_below(struct rng *rng, uint64_t n) { return rng_next(rng) % n; }

/* Keys that live. A stamp tells that a key was used in this transaction, so that none is changed twice by one
 * statement. */
struct id_entry {
	int64_t id;
	uint32_t stamp;
};
struct id_set {
	struct id_entry *ids;
	size_t n, cap;
};
int id_set_add(struct id_set *set, int64_t id, struct err *err) TARN_MUST_CHECK;
/* A random key not yet used under this stamp, which it gets; false when none was found in a few tries. */
bool id_set_pick(struct id_set *set, struct rng *rng, uint32_t stamp, size_t *index);
int64_t id_set_remove(struct id_set *set, size_t index);
void id_set_free(struct id_set *set);
/* Adds the keys of a table, page by page in key order. */
int id_set_read(struct id_set *set, struct pg_conn *conn, const char *table, struct err *err) TARN_MUST_CHECK;

enum change_kind { CHANGE_INSERT, CHANGE_UPDATE, CHANGE_DELETE, CHANGE_KINDS };

struct workload { /* embedded first by workloads */
	const struct workload_ops *ops;
	struct pg_conn *conn;
	struct rng rng;
	uint32_t tx;   /* number of the transaction, the stamp of its keys */
	uint64_t rows; /* to load */
	struct progress progress;
	uint64_t loaded;
	volatile const int *stop; /* set by a signal */
	bool quiet;
};

struct workload_ops {
	const char *name, *summary, *create_sql, *analyze_sql;
	const char *holds_rows_sql;                         /* 1 when one of the tables holds rows, else 0 */
	size_t size;                                        /* of the struct that embeds struct workload */
	int (*load)(struct workload *w, struct err *err);   /* into empty tables */
	int (*resume)(struct workload *w, struct err *err); /* reads what is there */
	/* Adds one change of a kind to the open transaction and its rows to counts; none when there is nothing to
	 * change. */
	int (*add)(struct workload *w, enum change_kind kind, uint64_t counts[CHANGE_KINDS], struct err *err);
	/* the transaction's statements; begins the next */
	void (*flush)(struct workload *w, struct wbuf *sql, uint64_t counts[CHANGE_KINDS]);
	int (*check)(struct workload *w, bool begin, struct err *err); /* the invariant, before and after */
	void (*close)(struct workload *w);
};

extern const struct workload_ops workload_bank, workload_shop;
const struct workload_ops *workload_find(const char *name, struct err *err); /* NULL: ERR_USAGE naming the nearest */
int workload_new(const struct workload_ops *ops, struct workload **out, struct err *err) TARN_MUST_CHECK;
void workload_free(struct workload *w);

/* The workload's clock: one second a step from 2026-01-01, as text for SQL. */
const char *workload_time(uint64_t step, char *buf, size_t size);
/* One table's COPY: put(i) writes row i; stops early when asked to. */
int workload_copy(struct workload *w, const char *what, const char *target, uint64_t n,
                  int (*put)(struct workload *w, uint64_t i, struct wbuf *row, struct err *err),
                  struct err *err) TARN_MUST_CHECK;
/* One number from the database. */
int workload_number(struct workload *w, const char *sql, int64_t *out, struct err *err) TARN_MUST_CHECK;

#endif
