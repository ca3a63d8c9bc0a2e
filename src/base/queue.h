/* src/base/queue.h — bounded queue of owned pointers between two threads, bounded by count and by bytes.
 * A closed queue refuses pushes; pops drain what is left and then answer QUEUE_CLOSED. */
#ifndef TARN_BASE_QUEUE_H
#define TARN_BASE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct queue;
enum queue_result { QUEUE_DONE, QUEUE_TIMEOUT, QUEUE_CLOSED };

struct queue *queue_new(size_t max_items, size_t max_bytes);     /* NULL: no memory */
void queue_free(struct queue *queue, void (*free_item)(void *)); /* free_item (may be NULL) for what is left */
/* timeout < 0: forever. One item larger than max_bytes is taken when the queue is empty. */
enum queue_result queue_push(struct queue *queue, void *item, size_t bytes, int64_t timeout_us);
enum queue_result queue_pop(struct queue *queue, void **item, int64_t timeout_us);
void queue_close(struct queue *queue);
size_t queue_bytes(struct queue *queue);
size_t queue_count(struct queue *queue);

#endif
