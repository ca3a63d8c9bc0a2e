/* src/cli/workload_shop.c — customers, products, orders, order_items: every exactly carried type, a composite key,
 * values stored out of line.
 *
 * A customer's uuid and an order's number of items follow from their numbers, so nothing about a row has to be
 * remembered but that it lives. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/mem.h"
#include "cli/workload.h"
#include "cli_sql.h"

#define ITEMS_MAX 4
#define ORDERS_KEPT 16
#define LONG_NOTE_ONE_IN 200
/* 16 hexadecimal digits each: above the 2 kB from which PostgreSQL stores out of line, compressed or not */
#define LONG_NOTE_WORDS 400

struct shop {
	struct workload w;
	struct id_set customers, products, orders; /* ids of customers are their numbers */
	int64_t next_customer, next_product, next_order;
	uint64_t step;
	bool copy; /* rows are written in COPY's text form, not as SQL values */
	uint64_t item_order;
	int item_line; /* while order_items is loaded */
	size_t item_index;
	struct wbuf new_customers, new_products, new_orders, new_items, status, prices, profiles, old_orders;
};

static const char *const statuses[] = { "new", "paid", "packed", "shipped", "delivered", "returned" };
static const char *const countries[] = { "DE", "FR", "JP", "BR", "KE", "US", "NO", "IN" };
static const char *const words[] = { "red",        "blue",        "café",        "naïve", "oak",  "steel",
	                             "größe",      "soft",        "日本",        "fast",  "mini", "maxi",
	                             "\"quoted\"", "back\\slash", "comma, here", "tab" };

static int items_of(int64_t order) { return 1 + (int)(rng_mix((uint64_t)order * 40503u + 7) % ITEMS_MAX); }

static void put_uuid(struct wbuf *out, int64_t number)
{
	uint64_t a = rng_mix((uint64_t)number * 2 + 1), b = rng_mix((uint64_t)number * 2 + 2);
	uint8_t uuid[16];
	char text[37];

	memcpy(uuid, &a, 8);
	memcpy(uuid + 8, &b, 8);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
	uuid_text(uuid, text);
	wbuf_putz(out, text);
}

/* A row's values come one after the other; this writes what stands before, between and around them. COPY: tab,
 * backslashes doubled. SQL: comma, quotes. */
static void next(const struct shop *s, struct wbuf *out, bool first)
{
	wbuf_putz(out, first ? (s->copy ? "" : "(") : (s->copy ? "\t" : ", "));
}

static void text(const struct shop *s, struct wbuf *out, const char *value)
{
	next(s, out, false);
	if (!s->copy) {
		wbuf_put_sql_literal(out, str_of(value));
		return;
	}
	for (; *value; value++) {
		if (*value == '\\')
			wbuf_putz(out, "\\");
		wbuf_put_u8(out, (uint8_t)*value);
	}
}

static void nothing(const struct shop *s, struct wbuf *out)
{
	next(s, out, false);
	wbuf_putz(out, s->copy ? "\\N" : "NULL");
}

static void textf(const struct shop *s, struct wbuf *out, const char *fmt, ...) TARN_PRINTF(3, 4);
static void textf(const struct shop *s, struct wbuf *out, const char *fmt, ...)
{
	char buf[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	text(s, out, buf);
}

static void end_row(const struct shop *s, struct wbuf *out) { wbuf_putz(out, s->copy ? "\n" : ")"); }

static const char *word(struct shop *s) { return words[rng_below(&s->w.rng, sizeof words / sizeof *words)]; }

/* Array elements in double quotes, with " and \ escaped: right for any word. */
static void put_tags(struct shop *s, struct wbuf *out)
{
	char tags[256];
	size_t n = 0, count = rng_below(&s->w.rng, 4);

	tags[n++] = '{';
	for (size_t i = 0; i < count; i++) {
		const char *w = word(s);

		n += (size_t)snprintf(tags + n, sizeof tags - n, "%s\"", i ? "," : "");
		for (; *w && n + 4 < sizeof tags; w++) {
			if (*w == '"' || *w == '\\')
				tags[n++] = '\\';
			tags[n++] = *w;
		}
		tags[n++] = '"';
	}
	tags[n++] = '}';
	tags[n] = 0;
	text(s, out, tags);
}

static void put_customer(struct shop *s, int64_t number, struct wbuf *out)
{
	uint64_t r = rng_next(&s->w.rng);
	char at[48];

	next(s, out, true);
	wbuf_putz(out, s->copy ? "" : "'");
	put_uuid(out, number);
	wbuf_putz(out, s->copy ? "" : "'");
	textf(s, out, "Customer %" PRId64 " %s", number, word(s));
	if (r % 11 == 0)
		nothing(s, out);
	else
		textf(s, out, "c%" PRId64 "@example.com", number);
	text(s, out, countries[r % 8]);
	text(s, out, r % 5 == 0 ? "true" : "false");
	put_tags(s, out);
	textf(s, out,
	      "{\"score\": %" PRIu64 ".%" PRIu64 ", \"langs\": [\"en\", null, \"de\"], \"vip\": {\"level\": %" PRIu64
	      "}}",
	      r % 100, r / 100 % 10, r / 1000 % 5);
	text(s, out, workload_time(s->step++, at, sizeof at));
	if (r % 13 == 0)
		nothing(s, out);
	else
		textf(s, out, "%" PRIu64 "-%02" PRIu64 "-%02" PRIu64, 1930 + r % 80, 1 + r / 80 % 12,
		      1 + r / 1000 % 28);
	end_row(s, out);
}

static void put_product(struct shop *s, int64_t id, struct wbuf *out)
{
	uint64_t r = rng_next(&s->w.rng);
	char at[48];

	next(s, out, true);
	wbuf_putf(out, "%" PRId64, id);
	textf(s, out, "SKU-%08" PRIX64, (uint64_t)id * 7919);
	textf(s, out, "p_%" PRId64, id);
	textf(s, out, "%c", (int)('A' + r % 6));
	textf(s, out, "%s %s", word(s), word(s));
	textf(s, out, "%" PRIu64 ".%02" PRIu64, r % 9000 + 1, r / 9000 % 100);
	textf(s, out, "%.6g", (double)(r % 100000) / 371.0);
	textf(s, out, "%.17g", (double)(r % 1000003) / 77.0);
	textf(s, out, "%" PRIu64, r % 500);
	textf(s, out, "\\x%016" PRIx64, r);
	textf(s, out, "{\"w\": %" PRIu64 ",  \"h\": %" PRIu64 "}", r % 50, r % 70);
	textf(s, out, "{%" PRIu64 ",NULL,-%" PRIu64 "}", r % 40, r % 30000);
	workload_time(s->step++, at, sizeof at);
	at[strlen(at) - 1] = 0; /* no zone */
	text(s, out, at);
	end_row(s, out);
}

static void put_note(struct shop *s, struct wbuf *out)
{
	uint64_t r = rng_below(&s->w.rng, LONG_NOTE_ONE_IN);

	if (r % 3 == 1) {
		nothing(s, out);
		return;
	}
	if (r != 0) {
		textf(s, out, "%s and %s", word(s), word(s));
		return;
	}
	next(s, out, false);
	wbuf_putz(out, s->copy ? "" : "'");
	for (int i = 0; i < LONG_NOTE_WORDS; i++)
		wbuf_putf(out, "%016" PRIx64, rng_next(&s->w.rng));
	wbuf_putz(out, s->copy ? "" : "'");
}

static int64_t any_customer(struct shop *s) { return s->customers.ids[rng_below(&s->w.rng, s->customers.n)].id; }
static int64_t any_product(struct shop *s) { return s->products.ids[rng_below(&s->w.rng, s->products.n)].id; }

static void put_order(struct shop *s, int64_t id, struct wbuf *out)
{
	uint64_t r = rng_next(&s->w.rng), status = r % 6;
	char at[48], history[96] = "{new";

	next(s, out, true);
	wbuf_putf(out, "%" PRId64, id);
	next(s, out, false);
	wbuf_putz(out, s->copy ? "" : "'");
	put_uuid(out, any_customer(s));
	wbuf_putz(out, s->copy ? "" : "'");
	text(s, out, statuses[status]);
	for (uint64_t i = 1; i <= status; i++)
		snprintf(history + strlen(history), sizeof history - strlen(history), ",%s", statuses[i]);
	textf(s, out, "%s}", history);
	text(s, out, workload_time(s->step++, at, sizeof at));
	if (r % 7 == 0)
		nothing(s, out);
	else
		textf(s, out, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ".%06" PRIu64, r / 7 % 24, r / 168 % 60,
		      r / 10080 % 60, r / 604800 % 1000000);
	textf(s, out, "%s%" PRIu64 ".%02" PRIu64, r % 17 == 0 ? "-" : "", r % 1000 == 3 ? r : r % 100000,
	      r / 100000 % 100);
	if (r % 4 == 3)
		nothing(s, out);
	else
		text(s, out, r % 4 ? "true" : "false");
	put_note(s, out);
	end_row(s, out);
}

static void put_item(struct shop *s, int64_t order, int line, struct wbuf *out)
{
	uint64_t r = rng_next(&s->w.rng);

	next(s, out, true);
	wbuf_putf(out, "%" PRId64, order);
	textf(s, out, "%d", line);
	textf(s, out, "%" PRId64, any_product(s));
	textf(s, out, "%" PRIu64, 1 + r % 9);
	textf(s, out, "%" PRIu64 ".%02" PRIu64, r % 5000, r / 5000 % 100);
	if (r % 3)
		nothing(s, out);
	else
		textf(s, out, "0.%02" PRIu64, r / 7 % 100);
	end_row(s, out);
}

static int load_customer(struct workload *w, uint64_t i, struct wbuf *row, struct err *err)
{
	put_customer((struct shop *)w, (int64_t)i + 1, row);
	return id_set_add(&((struct shop *)w)->customers, (int64_t)i + 1, err);
}

static int load_product(struct workload *w, uint64_t i, struct wbuf *row, struct err *err)
{
	put_product((struct shop *)w, (int64_t)i + 1, row);
	return id_set_add(&((struct shop *)w)->products, (int64_t)i + 1, err);
}

static int load_order(struct workload *w, uint64_t i, struct wbuf *row, struct err *err)
{
	put_order((struct shop *)w, (int64_t)i + 1, row);
	return id_set_add(&((struct shop *)w)->orders, (int64_t)i + 1, err);
}

static int load_item(struct workload *w, uint64_t i, struct wbuf *row, struct err *err)
{
	struct shop *s = (struct shop *)w;
	int64_t order = s->orders.ids[s->item_index].id;

	(void)i, (void)err;
	put_item(s, order, ++s->item_line, row);
	if (s->item_line == items_of(order)) {
		s->item_line = 0;
		s->item_index++;
	}
	return ERR_OK;
}

static int load(struct workload *w, struct err *err)
{
	struct shop *s = (struct shop *)w;
	uint64_t customers = w->rows / 10 + 1, products = w->rows / 100 + 1, orders = 0, items = 0;
	int rc;

	while (orders < 1 || customers + products + orders + items < w->rows)
		items += (uint64_t)items_of((int64_t)++orders);
	s->copy = true;
	rc = workload_copy(w, "loading customers", "customers", customers, load_customer, err);
	if (!rc)
		rc = workload_copy(w, "loading products", "products", products, load_product, err);
	if (!rc)
		rc = workload_copy(w, "loading orders", "orders", orders, load_order, err);
	if (!rc)
		rc = workload_copy(w, "loading order_items", "order_items", items, load_item, err);
	s->copy = false;
	s->next_customer = (int64_t)customers + 1;
	s->next_product = (int64_t)products + 1;
	s->next_order = (int64_t)orders + 1;
	w->loaded = customers + products + orders + items;
	return rc;
}

static int resume(struct workload *w, struct err *err)
{
	struct shop *s = (struct shop *)w;
	int64_t customers = 0;
	int rc = workload_number(w, "SELECT count(*) FROM customers", &customers, err); /* none is ever deleted */

	for (int64_t i = 1; !rc && i <= customers; i++)
		rc = id_set_add(&s->customers, i, err);
	if (!rc)
		rc = id_set_read(&s->products, w->conn, "products", err);
	if (!rc)
		rc = id_set_read(&s->orders, w->conn, "orders", err);
	if (!rc && (!customers || !s->products.n || !s->orders.n))
		rc = err_set(
			err, ERR_NOT_EMPTY,
			"some of the tables customers, products and orders hold rows and others none, as tarn generate never leaves them; give it tables of its own with --schema NAME, or drop these if nobody needs them");
	if (rc)
		return rc;
	s->next_customer = customers + 1;
	s->next_product = s->products.ids[s->products.n - 1].id + 1;
	s->next_order = s->orders.ids[s->orders.n - 1].id + 1;
	s->step = (uint64_t)s->next_order * 2;
	return ERR_OK;
}

static struct wbuf *list(struct wbuf *out)
{
	if (out->n)
		wbuf_putz(out, ", ");
	return out;
}

static int add_insert(struct shop *s, uint64_t counts[CHANGE_KINDS], struct err *err)
{
	uint64_t kind = rng_below(&s->w.rng, 100);
	int64_t order = s->next_order;

	if (kind < 10) {
		put_customer(s, s->next_customer, list(&s->new_customers));
		counts[CHANGE_INSERT]++;
		return id_set_add(&s->customers, s->next_customer++, err);
	}
	if (kind < 13) {
		put_product(s, s->next_product, list(&s->new_products));
		counts[CHANGE_INSERT]++;
		return id_set_add(&s->products, s->next_product++, err);
	}
	put_order(s, order, list(&s->new_orders));
	for (int line = 1; line <= items_of(order); line++)
		put_item(s, order, line, list(&s->new_items));
	counts[CHANGE_INSERT] += 1 + (uint64_t)items_of(order);
	return id_set_add(&s->orders, s->next_order++, err);
}

static void add_update(struct shop *s, uint64_t counts[CHANGE_KINDS])
{
	uint64_t kind = rng_below(&s->w.rng, 10), r = rng_next(&s->w.rng);
	size_t i;

	if (kind < 7) {
		if (!id_set_pick(&s->orders, &s->w.rng, s->w.tx, &i))
			return;
		wbuf_putf(list(&s->status), "(%" PRId64 "::bigint, '%s'::order_status)", s->orders.ids[i].id,
		          statuses[r % 6]);
	} else if (kind < 9) {
		if (!id_set_pick(&s->products, &s->w.rng, s->w.tx, &i))
			return;
		wbuf_putf(list(&s->prices), "(%" PRId64 "::int, %" PRIu64 ".%02" PRIu64 ", %" PRIu64 ")",
		          s->products.ids[i].id, r % 9000 + 1, r / 9000 % 100, r % 500);
	} else {
		if (!id_set_pick(&s->customers, &s->w.rng, s->w.tx, &i))
			return;
		wbuf_putz(list(&s->profiles), "('");
		put_uuid(&s->profiles, s->customers.ids[i].id);
		wbuf_putf(&s->profiles, "'::uuid, '{\"score\": %" PRIu64 ", \"seen\": true}'::jsonb, %s)", r % 1000,
		          r % 2 ? "true" : "false");
	}
	counts[CHANGE_UPDATE]++;
}

static void add_delete(struct shop *s, uint64_t counts[CHANGE_KINDS])
{
	int64_t order;

	if (s->orders.n <= ORDERS_KEPT)
		return;
	order = id_set_remove(&s->orders, (size_t)rng_below(&s->w.rng, s->orders.n));
	wbuf_putf(list(&s->old_orders), "%" PRId64, order);
	counts[CHANGE_DELETE] += 1 + (uint64_t)items_of(order);
}

static int add(struct workload *w, enum change_kind kind, uint64_t counts[CHANGE_KINDS], struct err *err)
{
	struct shop *s = (struct shop *)w;

	if (kind == CHANGE_INSERT)
		return add_insert(s, counts, err);
	if (kind == CHANGE_UPDATE)
		add_update(s, counts);
	else
		add_delete(s, counts);
	return ERR_OK;
}

static void statement(struct wbuf *sql, const char *head, const struct wbuf *values, const char *tail)
{
	if (values->n == 0)
		return;
	wbuf_putz(sql, head);
	wbuf_put_str(sql, wbuf_str(values));
	wbuf_putz(sql, tail);
	sql->failed = sql->failed || values->failed;
}

static void flush(struct workload *w, struct wbuf *sql, uint64_t counts[CHANGE_KINDS])
{
	struct shop *s = (struct shop *)w;
	struct wbuf *const all[] = { &s->new_customers, &s->new_products, &s->new_orders, &s->new_items,
		                     &s->status,        &s->prices,       &s->profiles,   &s->old_orders };

	(void)counts;
	statement(sql, "INSERT INTO customers VALUES ", &s->new_customers, ";\n");
	statement(sql, "INSERT INTO products VALUES ", &s->new_products, ";\n");
	statement(sql, "INSERT INTO orders VALUES ", &s->new_orders, ";\n");
	statement(sql, "INSERT INTO order_items VALUES ", &s->new_items, ";\n");
	/* the note is not named: a long one stays where it is and reaches the stream as unchanged */
	statement(sql,
	          "UPDATE orders AS o SET status = v.status, history = (o.history || v.status)[1:20] FROM (VALUES ",
	          &s->status, ") AS v (id, status) WHERE o.id = v.id;\n");
	statement(sql, "UPDATE products AS p SET price = v.price, stock = v.stock FROM (VALUES ", &s->prices,
	          ") AS v (id, price, stock) WHERE p.id = v.id;\n");
	statement(sql, "UPDATE customers AS c SET profile = v.profile, vip = v.vip FROM (VALUES ", &s->profiles,
	          ") AS v (id, profile, vip) WHERE c.id = v.id;\n");
	statement(sql, "DELETE FROM order_items WHERE order_id IN (", &s->old_orders, ");\n");
	statement(sql, "DELETE FROM orders WHERE id IN (", &s->old_orders, ");\n");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		wbuf_reset(all[i]);
}

/* No order without its items, no items without their order. */
static int check(struct workload *w, bool begin, struct err *err)
{
	int64_t lost = 0;
	int rc;

	if (begin)
		return ERR_OK;
	rc = workload_number(
		w,
		"SELECT count(*) FROM orders AS o FULL JOIN (SELECT DISTINCT order_id FROM order_items) AS i ON i.order_id = o.id WHERE o.id IS NULL OR i.order_id IS NULL",
		&lost, err);
	if (rc)
		return rc;
	if (lost)
		return err_set(err, ERR_DIFFERENT,
		               "%" PRId64
		               " orders have no items or items no order: something else changed the tables meanwhile",
		               lost);
	if (!w->quiet)
		printf("every order has its items\n");
	return ERR_OK;
}

static void close_shop(struct workload *w)
{
	struct shop *s = (struct shop *)w;
	struct wbuf *const all[] = { &s->new_customers, &s->new_products, &s->new_orders, &s->new_items,
		                     &s->status,        &s->prices,       &s->profiles,   &s->old_orders };

	id_set_free(&s->customers);
	id_set_free(&s->products);
	id_set_free(&s->orders);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		wbuf_free(all[i]);
}

const struct workload_ops workload_shop = {
	.name = "shop",
	.summary = "customers, products, orders, items: all types, composite key, long values",
	.create_sql = cli_sql_shop_create,
	.analyze_sql = "ANALYZE customers, products, orders, order_items",
	.holds_rows_sql =
		"SELECT (EXISTS (SELECT FROM customers) OR EXISTS (SELECT FROM products) OR EXISTS (SELECT FROM orders) OR EXISTS (SELECT FROM order_items))::int",
	.size = sizeof(struct shop),
	.load = load,
	.resume = resume,
	.add = add,
	.flush = flush,
	.check = check,
	.close = close_shop,
};
