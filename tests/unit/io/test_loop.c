/* tests/unit/io/test_loop.c — posts from other threads, timers, signals, stop before run. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/env.h"
#include "base/thread.h"
#include "io/loop.h"

struct seen {
	struct loop *loop;
	int posts, ticks, signo;
	struct loop_timer *timer;
};

static void on_post(void *arg)
{
	struct seen *seen = arg;

	if (++seen->posts == 4000)
		loop_stop(seen->loop);
}

static void post_many(void *arg)
{
	struct seen *seen = arg;

	for (int i = 0; i < 1000; i++)
		assert_int_equal(loop_post(seen->loop, on_post, seen), 0);
}

static void test_posts(void **state)
{
	struct seen seen = { 0 };
	struct thread *threads[4];
	struct err err;

	(void)state;
	assert_int_equal(loop_open(&seen.loop, &err), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(thread_start(&threads[i], "post", post_many, &seen, &err), 0);
	assert_int_equal(loop_run(seen.loop, &err), 0);
	assert_int_equal(seen.posts, 4000);
	for (int i = 0; i < 4; i++)
		thread_join(threads[i]);
	assert_int_equal(loop_post(seen.loop, on_post, &seen), 0); /* never run: loop_free drops it */
	loop_free(seen.loop);
}

static void on_tick(void *arg)
{
	struct seen *seen = arg;

	if (++seen->ticks == 3) {
		loop_timer_stop(seen->timer);
		seen->timer = NULL;
		loop_stop(seen->loop);
	}
}

static void test_timer(void **state)
{
	struct seen seen = { 0 };
	struct err err;
	int64_t start = env_mono_us();

	(void)state;
	assert_int_equal(loop_open(&seen.loop, &err), 0);
	assert_int_equal(loop_timer_start(seen.loop, 20000, on_tick, &seen, &seen.timer, &err), 0);
	assert_int_equal(loop_run(seen.loop, &err), 0);
	assert_int_equal(seen.ticks, 3);
	assert_true(env_mono_us() - start >= 55000);
	loop_free(seen.loop);
}

static void on_signal(void *arg, int signo)
{
	struct seen *seen = arg;

	seen->signo = signo;
	loop_stop(seen->loop);
}

static void raise_later(void *arg)
{
	(void)arg;
	env_sleep_us(30000);
	kill(getpid(), SIGUSR2);
}

static void test_signal(void **state)
{
	struct seen seen = { 0 };
	struct thread *thread;
	struct err err;

	(void)state;
	assert_int_equal(loop_open(&seen.loop, &err), 0);
	assert_int_equal(loop_on_signals(seen.loop, (const int[]){ SIGUSR1, SIGUSR2, 0 }, on_signal, &seen, &err), 0);
	assert_int_equal(thread_start(&thread, "raise", raise_later, NULL, &err), 0);
	assert_int_equal(loop_run(seen.loop, &err), 0);
	assert_int_equal(seen.signo, SIGUSR2);
	thread_join(thread);
	loop_free(seen.loop);
}

static void test_stop_first(void **state)
{
	struct loop *loop;
	struct err err;

	(void)state;
	assert_int_equal(loop_open(&loop, &err), 0);
	loop_stop(loop);
	assert_int_equal(loop_run(loop, &err), 0);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_posts), cmocka_unit_test(test_timer),
		                            cmocka_unit_test(test_signal), cmocka_unit_test(test_stop_first) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
