/* src/io/loop.h — the process' event loop (libevent), one thread. */
#ifndef TARN_IO_LOOP_H
#define TARN_IO_LOOP_H

#include <stdint.h>

#include "base/err.h"

struct loop;
struct loop_timer;

int loop_open(struct loop **out, struct err *err) TARN_MUST_CHECK;
void loop_free(struct loop *loop);
int loop_run(struct loop *loop, struct err *err) TARN_MUST_CHECK; /* until loop_stop */
void loop_stop(struct loop *loop);                                /* any thread, signal handlers included */
/* fn on the loop thread, soon; any thread. 0 or -1: no memory. */
int loop_post(struct loop *loop, void (*fn)(void *), void *arg);
/* fn when one of the signals (0-ended list) arrives, on the loop thread. */
int loop_on_signals(struct loop *loop, const int *signals, void (*fn)(void *arg, int signo), void *arg, struct err *err) TARN_MUST_CHECK;
int loop_timer_start(struct loop *loop, int64_t every_us, void (*fn)(void *), void *arg, struct loop_timer **out, struct err *err) TARN_MUST_CHECK;
void loop_timer_stop(struct loop_timer *timer);

#endif
