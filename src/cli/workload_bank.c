/* src/cli/workload_bank.c — users, accounts, transfers. Money only moves, so sum(accounts.balance) is the same in
 * every consistent state: what a lake at any position must show. */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "cli/workload.h"
#include "cli_sql.h"

#define FIRST_BALANCE "1000.00"
#define ACCOUNTS_KEPT 16 /* closing stops here: transfers need partners */

struct bank {
	struct workload w;
	struct id_set accounts, transfers;
	int64_t users, next_account, next_transfer; /* users are 1..users */
	uint64_t step;                              /* of the clock */
	int64_t total_cents;                        /* sum(balance) at the beginning */
	struct wbuf new_users, new_accounts, new_transfers, moves, old_transfers, closed;
};

static const char *const given[] = { "Ada",  "Björn", "Chloé", "Dmitri", "Eun-ji", "Fatima", "Grace", "Hélène",
	                             "Ines", "João",  "Kofi",  "Ló",     "Mei",    "Noah",   "Olu",   "Þóra" };
static const char *const family[] = { "Lovelace", "Ångström", "Curie",  "O'Neil", "Kim",    "al-Fihri",
	                              "Hopper",   "Çelik",    "Müller", "Nuñez",  "Okafor", "Smith",
	                              "Tanaka",   "van Dijk", "Wu",     "Zhou" };

static void put_name(int64_t id, struct wbuf *out, bool quoted)
{
	uint64_t h = rng_mix((uint64_t)id * 2654435761u);
	const char *last = family[(h >> 4) & 15];

	wbuf_putf(out, "%s ", given[h & 15]);
	for (; *last; last++) {
		if (quoted && *last == '\'')
			wbuf_putz(out, "'");
		wbuf_put_u8(out, (uint8_t)*last);
	}
}

static int put_user(struct workload *w, uint64_t i, struct wbuf *row, struct err *err)
{
	char at[48];

	(void)w, (void)err;
	wbuf_putf(row, "%" PRIu64 "\t", i + 1);
	put_name((int64_t)i + 1, row, false);
	wbuf_putf(row, "\tuser%" PRIu64 "@example.com\t%s\n", i + 1, workload_time(i, at, sizeof at));
	return ERR_OK;
}

static int put_account(struct workload *w, uint64_t i, struct wbuf *row, struct err *err)
{
	struct bank *b = (struct bank *)w;
	char at[48];

	wbuf_putf(row, "%" PRIu64 "\t%" PRIu64 "\t" FIRST_BALANCE "\t%s\n", i + 1,
	          1 + rng_below(&w->rng, (uint64_t)b->users), workload_time(i, at, sizeof at));
	return id_set_add(&b->accounts, (int64_t)i + 1, err);
}

static int put_transfer(struct workload *w, uint64_t i, struct wbuf *row, struct err *err)
{
	struct bank *b = (struct bank *)w;
	uint64_t n = b->accounts.n, from = rng_below(&w->rng, n), cents = 1 + rng_below(&w->rng, 50000);
	char at[48];

	wbuf_putf(row, "%" PRIu64 "\t%" PRId64 "\t%" PRId64 "\t%" PRIu64 ".%02" PRIu64 "\t%s\n", i + 1,
	          b->accounts.ids[from].id, b->accounts.ids[(from + 1) % n].id, cents / 100, cents % 100,
	          workload_time(i, at, sizeof at));
	return id_set_add(&b->transfers, (int64_t)i + 1, err);
}

static int load(struct workload *w, struct err *err)
{
	struct bank *b = (struct bank *)w;
	uint64_t users = w->rows / 4 ? w->rows / 4 : 1, accounts = w->rows / 2 > 2 ? w->rows / 2 : 2,
		 transfers = w->rows > users + accounts ? w->rows - users - accounts : 0;
	int rc;

	b->users = (int64_t)users;
	rc = workload_copy(w, "loading users", "users (id, name, email, created_at)", users, put_user, err);
	if (!rc)
		rc = workload_copy(w, "loading accounts", "accounts (id, user_id, balance, updated_at)", accounts,
		                   put_account, err);
	if (!rc)
		rc = workload_copy(w, "loading transfers", "transfers (id, from_account, to_account, amount, at)",
		                   transfers, put_transfer, err);
	b->next_account = (int64_t)accounts + 1;
	b->next_transfer = (int64_t)transfers + 1;
	w->loaded = users + accounts + transfers;
	b->step = w->loaded;
	return rc;
}

static int resume(struct workload *w, struct err *err)
{
	struct bank *b = (struct bank *)w;
	int rc = workload_number(w, "SELECT coalesce(max(id), 0) FROM users", &b->users, err);

	if (!rc)
		rc = id_set_read(&b->accounts, w->conn, "accounts", err);
	if (!rc)
		rc = id_set_read(&b->transfers, w->conn, "transfers", err);
	if (!rc && (b->accounts.n < 2 || b->users < 1))
		rc = err_set(
			err, ERR_NOT_EMPTY,
			"tables users, accounts and transfers hold rows, but not a user and two accounts as tarn generate leaves them; give it tables of its own with --schema NAME, or drop these if nobody needs them");
	if (rc)
		return rc;
	b->next_account = b->accounts.ids[b->accounts.n - 1].id + 1;
	b->next_transfer = b->transfers.n ? b->transfers.ids[b->transfers.n - 1].id + 1 : 1;
	b->step = (uint64_t)b->next_account + (uint64_t)b->next_transfer;
	return ERR_OK;
}

static void comma(struct wbuf *out)
{
	if (out->n)
		wbuf_putz(out, ", ");
}

static int add_insert(struct bank *b, uint64_t counts[CHANGE_KINDS], struct err *err)
{
	struct workload *w = &b->w;
	uint64_t kind = rng_below(&w->rng, 100), cents = 1 + rng_below(&w->rng, 50000),
		 from = rng_below(&w->rng, b->accounts.n);
	char at[48];

	workload_time(b->step++, at, sizeof at);
	counts[CHANGE_INSERT]++;
	if (kind < 5) {
		b->users++;
		comma(&b->new_users);
		wbuf_putf(&b->new_users, "(%" PRId64 ", '", b->users);
		put_name(b->users, &b->new_users, true);
		wbuf_putf(&b->new_users, "', 'user%" PRId64 "@example.com', '%s')", b->users, at);
		return ERR_OK;
	}
	if (kind < 15) {
		comma(&b->new_accounts);
		wbuf_putf(&b->new_accounts, "(%" PRId64 ", %" PRIu64 ", 0, '%s')", b->next_account,
		          1 + rng_below(&w->rng, (uint64_t)b->users), at);
		return id_set_add(&b->accounts, b->next_account++, err);
	}
	comma(&b->new_transfers);
	wbuf_putf(&b->new_transfers, "(%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRIu64 ".%02" PRIu64 ", '%s')",
	          b->next_transfer, b->accounts.ids[from].id, b->accounts.ids[(from + 1) % b->accounts.n].id,
	          cents / 100, cents % 100, at);
	return id_set_add(&b->transfers, b->next_transfer++, err);
}

static void add_move(struct bank *b, uint64_t counts[CHANGE_KINDS])
{
	uint64_t cents = 1 + rng_below(&b->w.rng, 10000);
	size_t from, to;

	if (b->accounts.n < 2 || !id_set_pick(&b->accounts, &b->w.rng, b->w.tx, &from) ||
	    !id_set_pick(&b->accounts, &b->w.rng, b->w.tx, &to))
		return;
	comma(&b->moves);
	wbuf_putf(&b->moves,
	          "(%" PRId64 "::bigint, -%" PRIu64 ".%02" PRIu64 "), (%" PRId64 ", %" PRIu64 ".%02" PRIu64 ")",
	          b->accounts.ids[from].id, cents / 100, cents % 100, b->accounts.ids[to].id, cents / 100, cents % 100);
	counts[CHANGE_UPDATE] += 2;
}

static void add_delete(struct bank *b, uint64_t counts[CHANGE_KINDS])
{
	bool close_one = rng_below(&b->w.rng, 10) < 3 || b->transfers.n == 0;

	if (close_one && b->accounts.n > ACCOUNTS_KEPT) {
		if (b->closed.n == 0)
			counts[CHANGE_UPDATE]++; /* the heir */
		comma(&b->closed);
		wbuf_putf(&b->closed, "%" PRId64,
		          id_set_remove(&b->accounts, (size_t)rng_below(&b->w.rng, b->accounts.n)));
		counts[CHANGE_DELETE]++;
	} else if (b->transfers.n > 0) {
		comma(&b->old_transfers);
		wbuf_putf(&b->old_transfers, "%" PRId64,
		          id_set_remove(&b->transfers, (size_t)rng_below(&b->w.rng, b->transfers.n)));
		counts[CHANGE_DELETE]++;
	}
}

static int add(struct workload *w, enum change_kind kind, uint64_t counts[CHANGE_KINDS], struct err *err)
{
	struct bank *b = (struct bank *)w;

	if (kind == CHANGE_INSERT)
		return add_insert(b, counts, err);
	if (kind == CHANGE_UPDATE)
		add_move(b, counts);
	else
		add_delete(b, counts);
	return ERR_OK;
}

static void statement(struct wbuf *sql, const char *head, struct wbuf *list, const char *tail)
{
	if (list->n == 0)
		return;
	wbuf_putz(sql, head);
	wbuf_put_str(sql, wbuf_str(list));
	wbuf_putz(sql, tail);
	sql->failed = sql->failed || list->failed;
	wbuf_reset(list);
}

/* Inserts, moves, deletes: a key made and removed in one transaction keeps its order. */
static void flush(struct workload *w, struct wbuf *sql, uint64_t counts[CHANGE_KINDS])
{
	struct bank *b = (struct bank *)w;
	char at[48], head[160], tail[256];

	(void)counts;
	workload_time(b->step++, at, sizeof at);
	statement(sql, "INSERT INTO users (id, name, email, created_at) VALUES ", &b->new_users, ";\n");
	statement(sql, "INSERT INTO accounts (id, user_id, balance, updated_at) VALUES ", &b->new_accounts, ";\n");
	statement(sql, "INSERT INTO transfers (id, from_account, to_account, amount, at) VALUES ", &b->new_transfers,
	          ";\n");
	snprintf(tail, sizeof tail, ") AS v (id, amount) WHERE a.id = v.id;\n");
	snprintf(head, sizeof head,
	         "UPDATE accounts AS a SET balance = a.balance + v.amount, updated_at = '%s' FROM (VALUES ", at);
	statement(sql, head, &b->moves, tail);
	statement(sql, "DELETE FROM transfers WHERE id IN (", &b->old_transfers, ");\n");
	snprintf(
		tail, sizeof tail,
		") RETURNING balance) UPDATE accounts SET balance = balance + (SELECT sum(balance) FROM gone), updated_at = '%s' WHERE id = %" PRId64
		";\n",
		at, b->accounts.ids[rng_below(&w->rng, b->accounts.n)].id);
	statement(sql, "WITH gone AS (DELETE FROM accounts WHERE id IN (", &b->closed, tail);
}

static int check(struct workload *w, bool begin, struct err *err)
{
	struct bank *b = (struct bank *)w;
	int64_t cents;
	int rc = workload_number(w, "SELECT coalesce(sum(balance) * 100, 0)::bigint FROM accounts", &cents, err);

	if (rc)
		return rc;
	if (begin) {
		b->total_cents = cents;
		return ERR_OK;
	}
	if (cents != b->total_cents)
		return err_set(err, ERR_DIFFERENT,
		               "the accounts hold %" PRId64 ".%02d in total, but %" PRId64
		               ".%02d at the beginning: something else changed table accounts meanwhile",
		               cents / 100, (int)(cents % 100), b->total_cents / 100, (int)(b->total_cents % 100));
	if (!w->quiet)
		printf("total of all balances: %" PRId64 ".%02d, as at the beginning\n", cents / 100,
		       (int)(cents % 100));
	return ERR_OK;
}

static void close_bank(struct workload *w)
{
	struct bank *b = (struct bank *)w;

	id_set_free(&b->accounts);
	id_set_free(&b->transfers);
	wbuf_free(&b->new_users);
	wbuf_free(&b->new_accounts);
	wbuf_free(&b->new_transfers);
	wbuf_free(&b->moves);
	wbuf_free(&b->old_transfers);
	wbuf_free(&b->closed);
}

const struct workload_ops workload_bank = {
	.name = "bank",
	.summary = "users, accounts, transfers; the sum of all balances never changes",
	.create_sql = cli_sql_bank_create,
	.analyze_sql = "ANALYZE users, accounts, transfers",
	.holds_rows_sql =
		"SELECT (EXISTS (SELECT FROM users) OR EXISTS (SELECT FROM accounts) OR EXISTS (SELECT FROM transfers))::int",
	.size = sizeof(struct bank),
	.load = load,
	.resume = resume,
	.add = add,
	.flush = flush,
	.check = check,
	.close = close_bank,
};
