/* tests/unit/pipeline/test_position.c — what may be confirmed to the source: never more than is durable, never less than before; KNOWN and FLOOR. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crc.h"
#include "base/env.h"
#include "base/env_fault.h"
#include "base/mem.h"
#include "pipeline/position.h"

static char dir[64];
static struct position *p;
static struct err err;

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/tarn-position-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	position_close(p);
	p = NULL;
	return env_remove_tree(dir);
}

static void start(bool ack_publish, uint64_t commit, uint64_t end)
{
	position_close(p);
	p = NULL;
	if (position_open(dir, ack_publish, (struct journal_end){ commit, end }, &p, &err))
		fail_msg("%s", err.text);
}

static void idle(uint64_t wal_end, bool force) { assert_int_equal(position_idle(p, wal_end, force, &err), 0); }
static void journaled(uint64_t commit, uint64_t end) { position_journaled(p, (struct journal_end){ commit, end }, 0); }

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

/* --- ack: journal --- */

static void test_ack_journal(void **state)
{
	(void)state;
	start(false, 0, 0);
	assert_int_equal(position_confirmable(p), 0);
	position_received(p, 5000, 0);
	assert_int_equal(position_confirmable(p), 0); /* received is not durable */
	journaled(1000, 1100);
	assert_int_equal(position_confirmable(p), 1100);
	assert_int_equal(position_known(p), 1100);
	position_applied(p, 1000);
	position_published(p, 1000, 1100, 0);
	assert_int_equal(position_confirmable(p), 1100);
	journaled(900, 950); /* older news change nothing */
	assert_int_equal(position_confirmable(p), 1100);
	assert_int_equal(position_known(p), 1100);
	start(false, 1000, 1100); /* as the journal says after a restart */
	assert_int_equal(position_confirmable(p), 1100);
}

static void test_idle(void **state)
{
	(void)state;
	start(false, 1000, 1100);
	idle(2000, true);
	assert_int_equal(position_confirmable(p), 2000);
	idle(2100,
	     false); /* stored a moment ago: one write in five seconds is enough, and nothing is confirmed before it is stored */
	assert_int_equal(position_confirmable(p), 2000);
	assert_int_equal(position_known(p), 2000);
	start(false, 1000, 1100); /* "we acknowledged this" survives */
	assert_int_equal(position_known(p), 2000);
	assert_int_equal(position_confirmable(p), 2000);
	idle(1500, true); /* a keepalive of the past */
	assert_int_equal(position_confirmable(p), 2000);
	journaled(2500, 2600);
	idle(2550, true); /* below what the journal has: not worth a file */
	assert_int_equal(position_confirmable(p), 2600);
	start(false, 0, 0); /* the journal was removed: what was confirmed is still known */
	assert_int_equal(position_known(p), 2000);
}

static const struct env_ops *real;
static struct env_ops slow;
static int64_t clock_us;
static int64_t mono(void) { return clock_us; }

static void test_idle_clock(void **state)
{
	(void)state;
	slow = env_os;
	slow.mono_us = mono;
	real = env_install(&slow);
	clock_us = 100000000;
	start(false, 0, 0);
	idle(10, false);
	assert_int_equal(position_confirmable(p), 10);
	clock_us += 4999999;
	idle(20, false);
	assert_int_equal(position_confirmable(p), 10);
	clock_us += 1;
	idle(15, false); /* older than the newest that is known to be idle */
	assert_int_equal(position_confirmable(p), 20);
	env_install(real);
}

/* A position that cannot be stored is not confirmed. */
static void test_idle_fails(void **state)
{
	static const enum env_call calls[] = { ENV_OPEN, ENV_PWRITE, ENV_SYNC, ENV_RENAME };

	(void)state;
	start(false, 1000, 1100);
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		env_fault_install();
		env_fault_fail_from(calls[i], 1, EIO);
		if (calls[i] == ENV_PWRITE)
			env_fault_fail_from(ENV_WRITE, 1, EIO);
		assert_int_equal(position_idle(p, 2000, true, &err), ERR_IO);
		assert_non_null(strstr(err.text, "KNOWN"));
		env_fault_remove();
		assert_int_equal(position_confirmable(p), 1100);
		assert_int_equal(position_known(p), 1100);
		start(false, 1000, 1100);
		assert_int_equal(position_confirmable(p), 1100);
	}
}

/* --- ack: publish --- */

static void test_ack_publish(void **state)
{
	(void)state;
	start(true, 0, 0);
	journaled(1000, 1100);
	journaled(1200, 1300);
	assert_int_equal(position_confirmable(p), 0); /* durable in the journal is not enough */
	assert_int_equal(position_known(p), 1300);    /* but streaming need not give it again */
	position_applied(p, 1200);
	assert_int_equal(position_confirmable(p), 0);
	position_published(p, 1000, 1100, 0);
	assert_int_equal(position_confirmable(p), 1100);
	idle(2000, true);
	assert_int_equal(position_confirmable(p), 1100); /* 1200 is not in the tables */
	position_published(p, 1200, 1300, 0);
	assert_int_equal(position_confirmable(p), 2000); /* nothing is pending: the idle position counts */
	journaled(2100, 2200);
	assert_int_equal(position_confirmable(p), 2000); /* never back */
	start(true, 2100, 2200);                         /* nothing is said to be published yet */
	assert_int_equal(position_confirmable(p), 0);
	position_published(p, 2100, 0, 0); /* as a start does: the position is known from the tables, its end is not */
	assert_int_equal(position_confirmable(p), 2200);
}

/* --- the lake --- */

static void test_lake(void **state)
{
	(void)state;
	start(false, 0, 0);
	assert_int_equal(position_lake(p), 0);
	idle(500, false);
	assert_int_equal(position_lake(p), 500); /* every transaction below 500: there is none */
	journaled(1000, 1100);
	assert_int_equal(position_lake(p), 1); /* published is 0: a transaction with LSN 1 may be missing */
	position_published(p, 700, 750, 0);
	assert_int_equal(position_lake(p), 701);
	position_published(p, 1000, 1100, 0);
	assert_int_equal(position_lake(p), 1100);
	idle(1600, false); /* not stored: what the lake holds does not hang on that */
	assert_int_equal(position_lake(p), 1600);
	assert_int_equal(position_confirmable(p), 1100);
	journaled(2000, 2100);
	assert_int_equal(position_lake(p), 1001);
}

/* A table that was just copied stands below what the others had published: until it is read up to there the lake must not claim those transactions, though what was confirmed stays confirmed. */
static void test_restart(void **state)
{
	(void)state;
	start(false, 1000, 1100);
	position_published(p, 1000, 1100, 0);
	assert_int_equal(position_lake(p), 1100);
	assert_int_equal(position_confirmable(p), 1100);
	position_restart(p, 500);
	assert_int_equal(position_lake(p), 501);
	assert_int_equal(position_confirmable(p), 1100);
	position_published(p, 700, 710, 0);
	assert_int_equal(position_lake(p), 701);
	position_published(p, 1000, 1100, 0);
	assert_int_equal(position_lake(p), 1100);
}

static void test_view(void **state)
{
	struct position_view v;

	(void)state;
	start(false, 1000, 1100);
	position_received(p, 3000, 0);
	position_received(p, 2900, 0);
	journaled(2000, 2100);
	position_applied(p, 1900);
	position_published(p, 1500, 1600, 0);
	idle(2050, true);
	position_view(p, &v);
	assert_int_equal(v.received, 3000);
	assert_int_equal(v.journaled_commit, 2000);
	assert_int_equal(v.journaled_end, 2100);
	assert_int_equal(v.applied, 1900);
	assert_int_equal(v.published, 1500);
	assert_int_equal(v.known, 2100);
	assert_int_equal(v.confirmable, 2100);
	assert_int_equal(v.lake, 1501);
}

/* --- the oldest commit that is not published --- */

static int64_t oldest(void)
{
	struct position_view v;

	position_view(p, &v);
	return v.oldest_us;
}

static void synced(uint64_t commit, int64_t oldest_us)
{
	position_journaled(p, (struct journal_end){ commit, commit + 10 }, oldest_us);
}

static void test_oldest(void **state)
{
	(void)state;
	start(false, 0, 0);
	assert_int_equal(oldest(), 0);
	position_received(p, 100, 7000); /* a transaction that is still coming */
	assert_int_equal(oldest(), 7000);
	position_received(p, 900, 7000);
	synced(500, 0);
	assert_int_equal(oldest(), 7000); /* durable, not read yet */
	position_received(p, 2000, 9000);
	synced(1500, 0);
	assert_int_equal(oldest(), 7000);
	position_applying(p, 7000);
	position_received(p, 3000, 9500);
	assert_int_equal(oldest(), 7000); /* newer ones change nothing */
	position_published(p, 500, 510, 7000);
	assert_int_equal(oldest(), 7000); /* the next one was not read yet: no older than this */
	position_applying(p, 9000);
	assert_int_equal(oldest(), 9000);
	position_published(p, 1500, 1510, 9000);
	assert_int_equal(oldest(), 9500); /* received, not durable */
	synced(2500, 0);
	assert_int_equal(oldest(), 9500); /* not 9000: all before it was published when it came */
	position_published(p, 2500, 2510, 9500);
	assert_int_equal(oldest(), 0);
	/* a table copied at an older position makes the others' published ones pending again */
	position_received(p, 4000, 12000);
	synced(3500, 0);
	position_applying(p, 12000);
	position_restart(p, 1500);
	position_applying(p, 9500);
	assert_int_equal(oldest(), 9500);
	position_published(p, 3500, 3510, 12000);
	assert_int_equal(oldest(), 0);
}

/* --- random: the promise --- */

static void test_random(void **state)
{
	const char *env = getenv("TARN_SEED");
	unsigned seed = env ? (unsigned)atoi(env) : (unsigned)time(NULL);

	(void)state;
	print_message("TARN_SEED=%u\n", seed);
	for (int round = 0; round < 40; round++) {
		bool ack_publish = round & 1;
		/* the transactions i end at ends[i], in order; up to which they are durable, published; idle positions stored */
		uint64_t ends[200] = { 0 }, commits[200] = { 0 }, at = 10, confirmed = 0, stored = 0, floor = 0;
		int n = 1, n_durable = 0, n_published = 0;

		env_remove_tree(dir);
		assert_int_equal(env_mkdir(dir, 0755), 0);
		start(ack_publish, 0, 0);
		for (int i = 0; i < 300 && n < 200; i++) {
			uint64_t got;

			switch (rand_r(&seed) % 7) {
			case 0:
			case 1: /* received */
				commits[n] = at + (uint64_t)(rand_r(&seed) % 50);
				at = ends[n] = commits[n] + 1 + (uint64_t)(rand_r(&seed) % 20);
				n++;
				position_received(p, at, 0);
				break;
			case 2:
			case 3: /* synced, up to a transaction */
				n_durable += rand_r(&seed) % (n - n_durable);
				journaled(commits[n_durable], ends[n_durable]);
				break;
			case 4: /* published */
				n_published += rand_r(&seed) % (n_durable - n_published + 1);
				position_published(p, commits[n_published], ends[n_published], 0);
				break;
			case 5: /* a keepalive, nothing pending */
				if (n_durable != n - 1)
					break;
				at += (uint64_t)(rand_r(&seed) % 30);
				idle(at, true);
				stored = at;
				break;
			case 6: /* another process goes on */
				if (rand_r(&seed) % 4)
					break;
				start(ack_publish, commits[n_durable], ends[n_durable]);
				n = n_durable + 1;
				at = ends[n_durable] > stored ? ends[n_durable] : stored;
				at = at > 10 ? at : 10; /* LSN 0 is no transaction's */
				position_published(p, commits[n_published], ends[n_published], 0);
				floor = 0;
				break;
			}
			got = position_confirmable(p);
			assert_true(got >= floor); /* never back within one life */
			floor = got;
			/* no transaction that would be lost ends at or below what is confirmed */
			for (int k = (ack_publish ? n_published : n_durable) + 1; k < n; k++)
				assert_true(ends[k] > got);
			assert_true(got <= at);
			assert_true(position_known(p) <= at);
			/* what another process would find covers all that was ever confirmed */
			confirmed = got > confirmed ? got : confirmed;
			assert_true(position_known(p) >= confirmed);
			for (int k = 1; k < n; k++)
				assert_true((commits[k] < position_lake(p)) <= (k <= n_published));
		}
	}
}

/* --- the files --- */

/* "lsn X/Y crc\n", the crc over the text before it: RFC 3720's CRC-32C, here by polynomial. */
static uint32_t crc_by_bits(const char *s)
{
	uint32_t crc = ~0u;

	for (; *s; s++) {
		crc ^= (uint8_t)*s;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void write_file(const char *name, const char *text, size_t n)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void test_files(void **state)
{
	char text[64], *stored, bad[300];
	size_t n;

	(void)state;
	snprintf(text, sizeof text, "lsn 1A/2B3C4D5E %08x\n", crc_by_bits("lsn 1A/2B3C4D5E"));
	write_file("KNOWN", text, strlen(text));
	start(false, 0, 0);
	assert_int_equal(position_known(p), UINT64_C(0x1A2B3C4D5E));
	assert_int_equal(position_floor(p), 0); /* missing: 0 */
	assert_int_equal(position_set_floor(p, UINT64_C(0x1A2B3C4D5E), &err), 0);
	assert_int_equal(env_read_file(path_of("FLOOR"), 100, &stored, &n), 0);
	assert_string_equal(stored, text);
	mem_free(stored);
	start(false, 0, 0);
	assert_int_equal(position_floor(p), UINT64_C(0x1A2B3C4D5E));
	position_close(p);
	p = NULL;
	/* Any bit changed, any cut. */
	for (int file = 0; file < 2; file++) {
		const char *name = file ? "FLOOR" : "KNOWN";

		for (size_t i = 0; i < strlen(text) * 8 + strlen(text); i++) {
			size_t length = i < strlen(text) * 8 ? strlen(text) : i - strlen(text) * 8;
			struct position *q = NULL;
			int rc;

			memcpy(bad, text, strlen(text));
			if (length == strlen(text))
				bad[i / 8] = (char)(bad[i / 8] ^ 1 << i % 8);
			write_file(name, bad, length);
			rc = position_open(dir, false, (struct journal_end){ 0, 0 }, &q, &err);
			assert_int_equal(rc, ERR_CORRUPT);
			assert_non_null(strstr(err.text, path_of(name)));
			assert_null(q);
			position_close(q);
		}
		write_file(name, text, strlen(text));
	}
	/* More than a line. */
	snprintf(bad, sizeof bad, "%s%s", text, text);
	write_file("KNOWN", bad, strlen(bad));
	assert_int_equal(position_open(dir, false, (struct journal_end){ 0, 0 }, &p, &err), ERR_CORRUPT);
	memset(bad, 'x', sizeof bad);
	write_file("KNOWN", bad, sizeof bad);
	assert_int_equal(position_open(dir, false, (struct journal_end){ 0, 0 }, &p, &err), ERR_CORRUPT);
	assert_null(p);
}

static void test_floor_fails(void **state)
{
	(void)state;
	start(false, 0, 0);
	assert_int_equal(position_set_floor(p, 77, &err), 0);
	env_fault_install();
	env_fault_fail_from(ENV_RENAME, 1, EIO);
	assert_int_equal(position_set_floor(p, 99, &err), ERR_IO);
	env_fault_remove();
	assert_int_equal(position_floor(p), 77);
	start(false, 0, 0);
	assert_int_equal(position_floor(p), 77);
}

static void test_allocations(void **state)
{
	(void)state;
	start(false, 0, 0);
	idle(9, true);
	for (uint64_t n = 1;; n++) {
		struct position *q = NULL;
		bool fired;
		int rc;

		env_fault_install();
		env_fault_fail(ENV_ALLOC, n, ENOMEM);
		rc = position_open(dir, false, (struct journal_end){ 0, 0 }, &q, &err);
		fired = env_fault_fired(ENV_ALLOC);
		env_fault_remove();
		assert_int_equal(rc, fired ? ERR_NOMEM : 0);
		if (!rc)
			assert_int_equal(position_known(q), 9);
		position_close(q);
		if (!fired)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ack_journal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_idle_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_idle_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ack_publish, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lake, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_view, setup, teardown),
		cmocka_unit_test_setup_teardown(test_oldest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_floor_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allocations, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
