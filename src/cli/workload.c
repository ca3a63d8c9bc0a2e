/* src/cli/workload.c — what the workloads share: random numbers, living keys, COPY with progress. */
#include "cli/workload.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pg/pg_load.h"

#define PICK_TRIES 16
#define PAGE_ROWS 100000
#define COPY_BYTES 65536 /* one piece of COPY */

uint64_t rng_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t rng_next(struct rng *rng) { return rng_mix(rng->state += 0x9e3779b97f4a7c15u); }

int id_set_add(struct id_set *set, int64_t id, struct err *err)
{
	if (vec_grow(&set->ids, &set->cap, set->n + 1, sizeof *set->ids))
		return err_nomem(err);
	set->ids[set->n++] = (struct id_entry){ id, 0 };
	return ERR_OK;
}

bool id_set_pick(struct id_set *set, struct rng *rng, uint32_t stamp, size_t *index)
{
	for (int i = 0; i < PICK_TRIES && set->n > 0; i++) {
		*index = (size_t)rng_below(rng, set->n);
		if (set->ids[*index].stamp != stamp) {
			set->ids[*index].stamp = stamp;
			return true;
		}
	}
	return false;
}

int64_t id_set_remove(struct id_set *set, size_t index)
{
	int64_t id = set->ids[index].id;

	set->ids[index] = set->ids[--set->n];
	return id;
}

void id_set_free(struct id_set *set)
{
	mem_free(set->ids);
	*set = (struct id_set){ NULL, 0, 0 };
}

int id_set_read(struct id_set *set, struct pg_conn *conn, const char *table, struct err *err)
{
	char sql[160], last[24] = "-9223372036854775808";
	int rows = PAGE_ROWS, rc = ERR_OK;

	snprintf(sql, sizeof sql, "SELECT id FROM %s WHERE id > $1::bigint ORDER BY id LIMIT %d", table, PAGE_ROWS);
	while (!rc && rows == PAGE_ROWS) {
		struct pg_result *page = NULL;

		rc = pg_query(conn, sql, (const char *[]){ last }, 1, &page, err);
		rows = pg_result_rows(page);
		for (int row = 0; !rc && row < rows; row++) {
			int64_t id;

			if (!str_to_i64(str_of(pg_result_text(page, row, 0)), &id))
				rc = err_set(err, ERR_PROTOCOL, "table %s: \"%s\" is no key", table,
				             pg_result_text(page, row, 0));
			else
				rc = id_set_add(set, id, err);
			str_copy(last, sizeof last, str_of(pg_result_text(page, row, 0)));
		}
		pg_result_free(page);
	}
	return rc;
}

const struct workload_ops *workload_find(const char *name, struct err *err)
{
	static const struct workload_ops *const all[] = { &workload_bank, &workload_shop };
	static const char *const names[] = { "bank", "shop", NULL };
	const char *near;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	near = str_nearest(str_of(name), names);
	err_set(err, ERR_USAGE, "there is no workload '%s'%s%s%s", name,
	        near ? "; did you mean '" : "; there are bank and shop", near ? near : "", near ? "'?" : "");
	return NULL;
}

int workload_new(const struct workload_ops *ops, struct workload **out, struct err *err)
{
	*out = mem_zero(ops->size);
	if (!*out)
		return err_nomem(err);
	(*out)->ops = ops;
	(*out)->tx = 1;
	return ERR_OK;
}

void workload_free(struct workload *w)
{
	if (!w)
		return;
	w->ops->close(w);
	mem_free(w);
}

const char *workload_time(uint64_t step, char *buf, size_t size)
{
	char text[TIME_TEXT_MAX];

	/* 2026-01-01; 37 us so that fractions occur */
	snprintf(buf, size, "%s", time_text(1767225600000000 + (int64_t)(step % 100000000000) * 1000037, text));
	return buf;
}

int workload_copy(struct workload *w, const char *what, const char *target, uint64_t n,
                  int (*put)(struct workload *, uint64_t, struct wbuf *, struct err *), struct err *err)
{
	struct wbuf buf;
	int rc = pg_load_begin(w->conn, target, err), end_rc;

	if (rc)
		return rc;
	progress_begin(&w->progress, what, "rows", n, 0, w->quiet);
	wbuf_init(&buf, 0);
	for (uint64_t i = 0; !rc && i < n && !*w->stop; i++) {
		rc = put(w, i, &buf, err);
		if (!rc && (buf.n >= COPY_BYTES || buf.failed)) {
			rc = wbuf_check(&buf, err, "rows to load");
			if (!rc)
				rc = pg_load_put(w->conn, wbuf_str(&buf), err);
			wbuf_reset(&buf);
			progress_show(&w->progress, i);
		}
	}
	if (!rc && buf.n)
		rc = pg_load_put(w->conn, wbuf_str(&buf), err);
	end_rc = pg_load_end(w->conn, rc ? NULL : err);
	wbuf_free(&buf);
	progress_end(&w->progress);
	if (rc || end_rc)
		return rc ? rc : end_rc;
	return *w->stop ? err_set(err, ERR_CANCELLED, "stopped while loading %s", target) : ERR_OK;
}

int workload_number(struct workload *w, const char *sql, int64_t *out, struct err *err)
{
	struct pg_result *r = NULL;
	int rc = pg_query(w->conn, sql, NULL, 0, &r, err);

	if (!rc && (pg_result_rows(r) != 1 || !str_to_i64(str_of(pg_result_text(r, 0, 0)), out)))
		rc = err_set(err, ERR_PROTOCOL, "%s: no number came from: %s", pg_conn_label(w->conn), sql);
	pg_result_free(r);
	return rc;
}
