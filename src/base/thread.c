/* src/base/thread.c — named threads, and monitors on the monotonic clock. */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/str.h"

struct thread {
	pthread_t id;
	void (*fn)(void *);
	void *arg;
	char name[16]; /* the kernel's limit */
};

static void *start(void *arg)
{
	struct thread *thread = arg;

	pthread_setname_np(pthread_self(), thread->name);
	thread->fn(thread->arg);
	return NULL;
}

int thread_start(struct thread **out, const char *name, void (*fn)(void *), void *arg, struct err *err)
{
	struct thread *thread = mem_zero(sizeof *thread);
	sigset_t all, before;
	int r;

	if (!thread)
		return err_nomem(err);
	thread->fn = fn;
	thread->arg = arg;
	str_copy(thread->name, sizeof thread->name, str_of(name));
	/* Signals belong to the main thread: a new thread inherits a mask that blocks them all. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread->id, NULL, start, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		mem_free(thread);
		return err_set_errno(err, ERR_LIMIT, r, "cannot start the thread \"%s\"", name);
	}
	*out = thread;
	return ERR_OK;
}

void thread_join(struct thread *thread)
{
	if (!thread)
		return;
	CHECK(!thread_is_self(thread), "a thread waits for itself");
	pthread_join(thread->id, NULL);
	mem_free(thread);
}

bool thread_is_self(const struct thread *thread) { return thread && pthread_equal(thread->id, pthread_self()); }

void monitor_init(struct monitor *m)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&m->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&m->cond, &attr);
	pthread_condattr_destroy(&attr);
}

void monitor_free(struct monitor *m)
{
	pthread_cond_destroy(&m->cond);
	pthread_mutex_destroy(&m->mutex);
}

void monitor_lock(struct monitor *m) { pthread_mutex_lock(&m->mutex); }
void monitor_unlock(struct monitor *m) { pthread_mutex_unlock(&m->mutex); }
void monitor_wake(struct monitor *m) { pthread_cond_broadcast(&m->cond); }

bool monitor_wait(struct monitor *m, int64_t timeout_us)
{
	struct timespec until;
	int64_t end;

	if (timeout_us < 0)
		return pthread_cond_wait(&m->cond, &m->mutex) == 0;
	/* The system's clock, not the installed one: a condition cannot wait on a stopped test clock. */
	if (__builtin_add_overflow(env_os.mono_us(), timeout_us, &end))
		return pthread_cond_wait(&m->cond, &m->mutex) == 0;
	until.tv_sec = end / 1000000;
	until.tv_nsec = end % 1000000 * 1000;
	return pthread_cond_timedwait(&m->cond, &m->mutex, &until) != ETIMEDOUT;
}
