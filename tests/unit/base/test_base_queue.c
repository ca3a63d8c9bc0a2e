/* tests/unit/base/test_base_queue.c — unit tests of base/queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/env.h"
#include "base/queue.h"
#include "base/thread.h"

static struct queue *queue;

static void produce(void *arg)
{
	for (uintptr_t i = 1; i <= 1000; i++)
		assert_int_equal(queue_push(queue, (void *)i, 10, -1), QUEUE_DONE);
	queue_close(queue);
	(void)arg;
}

static void items_arrive_in_order(void **state)
{
	struct thread *thread;
	struct err err;
	void *item;
	uintptr_t want = 1;

	(void)state;
	queue = queue_new(4, 1000);
	assert_int_equal(thread_start(&thread, "producer-with-a-long-name", produce, NULL, &err), 0);
	assert_false(thread_is_self(thread));
	while (queue_pop(queue, &item, -1) == QUEUE_DONE)
		assert_int_equal((uintptr_t)item, want++);
	assert_int_equal(want, 1001);
	thread_join(thread);
	assert_int_equal(queue_push(queue, &want, 1, 0), QUEUE_CLOSED);
	queue_free(queue, NULL);
}

static void bounds_hold(void **state)
{
	struct queue *q = queue_new(3, 100);
	void *item;
	int a;

	(void)state;
	assert_int_equal(queue_pop(q, &item, 1000), QUEUE_TIMEOUT);
	assert_int_equal(queue_push(q, &a, 500, 0), QUEUE_DONE); /* larger than the bound, but alone */
	assert_int_equal(queue_push(q, &a, 1, 1000), QUEUE_TIMEOUT);
	assert_int_equal(queue_pop(q, &item, 0), QUEUE_DONE);
	assert_int_equal(queue_push(q, &a, 50, 0), QUEUE_DONE);
	assert_int_equal(queue_push(q, &a, 50, 0), QUEUE_DONE);
	assert_int_equal(queue_push(q, &a, 1, 0), QUEUE_TIMEOUT);
	assert_int_equal(queue_bytes(q), 100);
	assert_int_equal(queue_push(q, &a, 0, 0), QUEUE_DONE);
	assert_int_equal(queue_count(q), 3);
	assert_int_equal(queue_push(q, &a, 0, 0), QUEUE_TIMEOUT);
	queue_close(q);
	assert_int_equal(queue_pop(q, &item, 0), QUEUE_DONE); /* drained first */
	assert_ptr_equal(item, &a);
	queue_free(q, NULL);
}

static void monitor_times_out(void **state)
{
	struct monitor m;
	int64_t start = env_mono_us();

	(void)state;
	monitor_init(&m);
	monitor_lock(&m);
	while (monitor_wait(&m, 20000))
		;
	assert_true(env_mono_us() - start >= 20000);
	monitor_unlock(&m);
	monitor_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_arrive_in_order),
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(monitor_times_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
