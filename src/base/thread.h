/* src/base/thread.h — named threads, and a mutex + condition that times out on the monotonic clock. */
#ifndef TARN_BASE_THREAD_H
#define TARN_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct thread; /* owned by who started it */

int thread_start(struct thread **out, const char *name, void (*fn)(void *), void *arg, struct err *err) TARN_MUST_CHECK;
void thread_join(struct thread *thread); /* waits, then frees; NULL allowed */
bool thread_is_self(const struct thread *thread);

/* A condition bound to its mutex; waiting uses the monotonic clock. */
struct monitor {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
};
void monitor_init(struct monitor *m);
void monitor_free(struct monitor *m);
void monitor_lock(struct monitor *m);
void monitor_unlock(struct monitor *m);
void monitor_wake(struct monitor *m); /* all waiters */
/* locked on entry and return; false: timed out. timeout < 0: forever */
bool monitor_wait(struct monitor *m, int64_t timeout_us);

#endif
