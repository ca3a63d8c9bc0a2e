/* src/io/loop_int.h — what the other files of io/ may know of the loop. */
#ifndef TARN_IO_LOOP_INT_H
#define TARN_IO_LOOP_INT_H

#include <event2/event.h>

#include "io/loop.h"

/* A post that cannot fail: the memory is the caller's and stays until fn ran or loop_cancel returned. Posting one
 * that is queued already does nothing. */
struct loop_task {
	void (*fn)(void *arg);
	void *arg;
	struct loop_task *next;
	bool queued;
};

struct event_base *loop_base(struct loop *loop);
void loop_post_task(struct loop *loop, struct loop_task *task);   /* any thread */
void loop_cancel_task(struct loop *loop, struct loop_task *task); /* loop thread, or while the loop does not run */

#endif
