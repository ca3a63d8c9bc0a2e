/* src/io/loop.c — libevent's base with a wake-up descriptor.
 *
 * Only the loop's thread touches libevent; other threads put tasks on a list under a mutex and write to an eventfd.
 * So libevent's own locking stays off, and loop_stop (an atomic and one eventfd write) is safe inside signal
 * handlers. */
#include "io/loop_int.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/time.h>

#include "base/env.h"
#include "base/mem.h"

#define SIGNALS_MAX 8

struct posted {
	struct loop_task task;
	void (*fn)(void *);
	void *arg;
};

struct signal_watch {
	struct event *event;
	void (*fn)(void *arg, int signo);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct event *wake;
	int wake_fd;
	atomic_bool stopping;
	pthread_mutex_t mutex; /* guards the list */
	struct loop_task *first, *last;
	struct signal_watch signals[SIGNALS_MAX];
	int n_signals;
};

struct loop_timer {
	struct event *event;
	void (*fn)(void *);
	void *arg;
};

struct event_base *loop_base(struct loop *loop) { return loop->base; }

static struct loop_task *take_tasks(struct loop *loop)
{
	struct loop_task *first;

	pthread_mutex_lock(&loop->mutex);
	first = loop->first;
	if (first) {
		loop->first = first->next;
		if (!loop->first)
			loop->last = NULL;
		first->queued = false;
	}
	pthread_mutex_unlock(&loop->mutex);
	return first;
}

/* One at a time, so that a task may cancel another one that waits. */
static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	struct loop_task *task;
	eventfd_t count;

	(void)what;
	(void)eventfd_read(fd, &count);
	while ((task = take_tasks(loop)))
		task->fn(task->arg);
	if (atomic_load(&loop->stopping))
		event_base_loopbreak(loop->base);
}

int loop_open(struct loop **out, struct err *err)
{
	struct loop *loop = mem_zero(sizeof *loop);

	if (!loop)
		return err_nomem(err);
	pthread_mutex_init(&loop->mutex, NULL);
	signal(SIGPIPE, SIG_IGN);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0) {
		err_set_errno(err, ERR_IO, errno, "no event descriptor can be had");
		loop_free(loop);
		return err ? err->code : ERR_IO;
	}
	loop->base = event_base_new();
	if (loop->base)
		loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
	if (!loop->wake || event_add(loop->wake, NULL)) {
		loop_free(loop);
		return err_nomem(err);
	}
	*out = loop;
	return ERR_OK;
}

static void free_posted(struct loop_task *task);
static void run_posted(void *arg);

void loop_free(struct loop *loop)
{
	struct loop_task *task;

	if (!loop)
		return;
	while ((task = take_tasks(loop)))
		free_posted(task);
	for (int i = 0; i < loop->n_signals; i++)
		event_free(loop->signals[i].event);
	if (loop->wake)
		event_free(loop->wake);
	if (loop->base)
		event_base_free(loop->base);
	if (loop->wake_fd >= 0)
		env_close(loop->wake_fd);
	pthread_mutex_destroy(&loop->mutex);
	mem_free(loop);
}

int loop_run(struct loop *loop, struct err *err)
{
	int rc = 0;

	if (!atomic_load(&loop->stopping))
		rc = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
	atomic_store(&loop->stopping, false);
	return rc < 0 ? err_set(err, ERR_IO, "the event loop failed") : ERR_OK;
}

void loop_stop(struct loop *loop)
{
	int saved = errno;

	atomic_store(&loop->stopping, true);
	(void)eventfd_write(loop->wake_fd, 1);
	errno = saved;
}

void loop_post_task(struct loop *loop, struct loop_task *task)
{
	pthread_mutex_lock(&loop->mutex);
	if (!task->queued) {
		task->queued = true;
		task->next = NULL;
		if (loop->last)
			loop->last->next = task;
		else
			loop->first = task;
		loop->last = task;
	}
	pthread_mutex_unlock(&loop->mutex);
	(void)eventfd_write(loop->wake_fd, 1);
}

void loop_cancel_task(struct loop *loop, struct loop_task *task)
{
	struct loop_task *before = NULL;

	pthread_mutex_lock(&loop->mutex);
	if (task->queued) {
		for (struct loop_task *t = loop->first; t != task; t = t->next)
			before = t;
		if (before)
			before->next = task->next;
		else
			loop->first = task->next;
		if (loop->last == task)
			loop->last = before;
		task->queued = false;
	}
	pthread_mutex_unlock(&loop->mutex);
}

static void run_posted(void *arg)
{
	struct posted *posted = arg;
	void (*fn)(void *) = posted->fn;
	void *fn_arg = posted->arg;

	mem_free(posted);
	fn(fn_arg);
}

/* At loop_free: memory of loop_post is ours, a loop_task's is its owner's. */
static void free_posted(struct loop_task *task)
{
	if (task->fn == run_posted)
		mem_free(task->arg);
}

int loop_post(struct loop *loop, void (*fn)(void *), void *arg)
{
	struct posted *posted = mem_zero(sizeof *posted);

	if (!posted)
		return -1;
	posted->fn = fn;
	posted->arg = arg;
	posted->task = (struct loop_task){ .fn = run_posted, .arg = posted };
	loop_post_task(loop, &posted->task);
	return 0;
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct signal_watch *watch = arg;

	(void)what;
	watch->fn(watch->arg, (int)signo);
}

int loop_on_signals(struct loop *loop, const int *signals, void (*fn)(void *arg, int signo), void *arg, struct err *err)
{
	for (; *signals; signals++) {
		struct signal_watch *watch = &loop->signals[loop->n_signals];

		CHECK(loop->n_signals < SIGNALS_MAX);
		watch->fn = fn;
		watch->arg = arg;
		watch->event = event_new(loop->base, *signals, EV_SIGNAL | EV_PERSIST, on_signal, watch);
		if (!watch->event)
			return err_nomem(err);
		loop->n_signals++;
		if (event_add(watch->event, NULL))
			return err_set(err, ERR_IO, "signal %d cannot be watched", *signals);
	}
	return ERR_OK;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *timer = arg;

	(void)fd;
	(void)what;
	timer->fn(timer->arg);
}

int loop_timer_start(struct loop *loop, int64_t every_us, void (*fn)(void *), void *arg, struct loop_timer **out,
                     struct err *err)
{
	struct loop_timer *timer = mem_zero(sizeof *timer);
	struct timeval every = { .tv_sec = every_us / 1000000, .tv_usec = every_us % 1000000 };

	if (!timer)
		return err_nomem(err);
	timer->fn = fn;
	timer->arg = arg;
	timer->event = event_new(loop->base, -1, EV_PERSIST, on_timer, timer);
	if (!timer->event || event_add(timer->event, &every)) {
		loop_timer_stop(timer);
		return err_nomem(err);
	}
	*out = timer;
	return ERR_OK;
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (!timer)
		return;
	if (timer->event)
		event_free(timer->event);
	mem_free(timer);
}
