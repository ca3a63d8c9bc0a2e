/* src/base/failpoint.c — the armed failpoints of the process, read once from TARN_FAILPOINTS.
 *
 * Each FAILPOINT lies as a struct in the linker section "failpoints"; the linker gives its two ends names, so the
 * list needs no registration. A malformed TARN_FAILPOINTS ends the process: a test that arms nothing must not pass. */
#include "base/failpoint.h"

#ifdef TARN_FAILPOINTS

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/str.h"

#define ARMED_MAX 32

enum { STATE_NEW, STATE_OFF, STATE_ARMED /* + index in armed */ };
enum action { ACTION_OFF, ACTION_KILL, ACTION_ERROR, ACTION_DELAY };

static struct armed {
	struct str name;
	enum action action;
	uint64_t hit; /* 0: every */
	uint64_t delay_ms;
} armed[ARMED_MAX];
static size_t n_armed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

extern struct failpoint __start_failpoints[] __attribute__((weak));
extern struct failpoint __stop_failpoints[] __attribute__((weak));

static void parse_one(struct str entry)
{
	struct str name = str_trim(str_cut(&entry, '='));
	struct str action = str_trim(str_cut(&entry, '@'));
	struct armed a = { .name = name };

	if (entry.n)
		CHECK(str_to_u64(str_trim(entry), &a.hit) && a.hit > 0, "TARN_FAILPOINTS: bad hit number for %.*s",
		      STR_FMT(name));
	if (str_eqz(action, "kill"))
		a.action = ACTION_KILL;
	else if (str_eqz(action, "error"))
		a.action = ACTION_ERROR;
	else if (str_starts(action, "delay:") && str_to_u64(str_view(action.p + 6, action.n - 6), &a.delay_ms))
		a.action = ACTION_DELAY;
	else
		CHECK(str_eqz(action, "off"), "TARN_FAILPOINTS: unknown action for %.*s", STR_FMT(name));
	CHECK(n_armed < ARMED_MAX, "TARN_FAILPOINTS: more than %d entries", ARMED_MAX);
	armed[n_armed++] = a;
}

static void parse(void)
{
	struct str text = str_of(getenv("TARN_FAILPOINTS"));

	while (text.n) {
		struct str entry = str_trim(str_cut(&text, ';'));

		if (entry.n)
			parse_one(entry);
	}
}

static unsigned char look_up(const struct failpoint *point)
{
	for (size_t i = 0; i < n_armed; i++)
		if (str_eqz(armed[i].name, point->name) && armed[i].action != ACTION_OFF)
			return (unsigned char)(STATE_ARMED + i);
	return STATE_OFF;
}

int failpoint_hit(struct failpoint *point, struct err *err)
{
	unsigned char state = __atomic_load_n(&point->state, __ATOMIC_RELAXED);
	unsigned hit = __atomic_add_fetch(&point->hits, 1, __ATOMIC_RELAXED);
	const struct armed *a;

	if (state == STATE_NEW) {
		pthread_once(&once, parse);
		state = look_up(point);
		__atomic_store_n(&point->state, state, __ATOMIC_RELAXED);
	}
	if (state == STATE_OFF)
		return ERR_OK;
	a = &armed[state - STATE_ARMED];
	if (a->hit && a->hit != hit)
		return ERR_OK;
	switch (a->action) {
	case ACTION_KILL: raise(SIGKILL); break;
	case ACTION_DELAY: env_sleep_us((int64_t)a->delay_ms * 1000); break;
	case ACTION_ERROR: return err_set(err, ERR_IO, "failpoint %s", point->name);
	case ACTION_OFF: break;
	}
	return ERR_OK;
}

void failpoint_list(void (*fn)(const char *name, void *arg), void *arg)
{
	for (struct failpoint *p = __start_failpoints; p && p < __stop_failpoints; p++)
		fn(p->name, arg);
}

#else

void failpoint_list(void (*fn)(const char *name, void *arg), void *arg)
{
	(void)fn;
	(void)arg;
}

#endif
