/* src/io/loop.h — the process' event loop (libevent), one thread.
 *
 * Timers, signals and servers are made and ended on the loop's thread, or before loop_run and after its return;
 * loop_post and loop_stop are for any thread. loop_open lets the process ignore SIGPIPE: a peer that went away is an
 * error of that connection. */
#ifndef TARN_IO_LOOP_H
#define TARN_IO_LOOP_H

#include <stdint.h>

#include "base/err.h"

struct loop;
struct loop_timer;

int loop_open(struct loop **out, struct err *err) TARN_MUST_CHECK;
void loop_free(struct loop *loop); /* after servers and timers of it are closed; posts not yet run are dropped */
int loop_run(struct loop *loop, struct err *err) TARN_MUST_CHECK; /* until loop_stop; a stop before the run counts */
void loop_stop(struct loop *loop);                                /* any thread, signal handlers included */
/* fn on the loop thread, soon; any thread. 0 or -1: no memory. */
int loop_post(struct loop *loop, void (*fn)(void *), void *arg);
/* fn when one of the signals (0-ended list) arrives, on the loop thread. */
int loop_on_signals(struct loop *loop, const int *signals, void (*fn)(void *arg, int signo), void *arg,
                    struct err *err) TARN_MUST_CHECK;
int loop_timer_start(struct loop *loop, int64_t every_us, void (*fn)(void *), void *arg, struct loop_timer **out,
                     struct err *err) TARN_MUST_CHECK;
void loop_timer_stop(struct loop_timer *timer); /* NULL allowed; its own fn may call it */

#endif
