/* src/base/queue.c — bounded queue of owned pointers: a ring under one monitor. The ring is allocated whole, so a
 * push cannot run out of memory. */
#include "base/queue.h"

#include "base/env.h"
#include "base/mem.h"
#include "base/thread.h"

struct slot {
	void *item;
	size_t bytes;
};

struct queue {
	struct monitor monitor;
	struct slot *ring;
	size_t max_items, max_bytes;
	size_t first, count, bytes;
	bool closed;
};

struct queue *queue_new(size_t max_items, size_t max_bytes)
{
	struct queue *queue = mem_zero(sizeof *queue);

	if (!queue)
		return NULL;
	queue->max_items = max_items ? max_items : 1;
	queue->max_bytes = max_bytes ? max_bytes : SIZE_MAX;
	queue->ring = mem_array(queue->max_items, sizeof *queue->ring);
	if (!queue->ring) {
		mem_free(queue);
		return NULL;
	}
	monitor_init(&queue->monitor);
	return queue;
}

void queue_free(struct queue *queue, void (*free_item)(void *))
{
	if (!queue)
		return;
	for (size_t i = 0; free_item && i < queue->count; i++)
		free_item(queue->ring[(queue->first + i) % queue->max_items].item);
	monitor_free(&queue->monitor);
	mem_free(queue->ring);
	mem_free(queue);
}

static bool has_room(const struct queue *queue, size_t bytes)
{
	if (queue->count == 0)
		return true;
	return queue->count < queue->max_items && bytes <= queue->max_bytes && queue->bytes <= queue->max_bytes - bytes;
}

/* What is left of a timeout that began at `start`; -1 for ever. */
static int64_t time_left(int64_t start, int64_t timeout_us)
{
	int64_t left;

	if (timeout_us < 0)
		return -1;
	left = timeout_us - (env_os.mono_us() - start);
	return left > 0 ? left : 0;
}

enum queue_result queue_push(struct queue *queue, void *item, size_t bytes, int64_t timeout_us)
{
	int64_t start = env_os.mono_us(), left;
	enum queue_result result = QUEUE_DONE;

	monitor_lock(&queue->monitor);
	while (!queue->closed && !has_room(queue, bytes)) {
		left = time_left(start, timeout_us);
		if (left == 0) {
			result = QUEUE_TIMEOUT;
			break;
		}
		monitor_wait(&queue->monitor, left);
	}
	if (queue->closed) {
		result = QUEUE_CLOSED;
	} else if (result == QUEUE_DONE) {
		queue->ring[(queue->first + queue->count++) % queue->max_items] = (struct slot){ item, bytes };
		queue->bytes += bytes;
		monitor_wake(&queue->monitor);
	}
	monitor_unlock(&queue->monitor);
	return result;
}

enum queue_result queue_pop(struct queue *queue, void **item, int64_t timeout_us)
{
	int64_t start = env_os.mono_us(), left;
	enum queue_result result = QUEUE_DONE;
	struct slot slot;

	*item = NULL;
	monitor_lock(&queue->monitor);
	while (!queue->closed && queue->count == 0) {
		left = time_left(start, timeout_us);
		if (left == 0)
			break;
		monitor_wait(&queue->monitor, left);
	}
	if (queue->count) {
		slot = queue->ring[queue->first];
		queue->first = (queue->first + 1) % queue->max_items;
		queue->count--;
		queue->bytes -= slot.bytes;
		*item = slot.item;
		monitor_wake(&queue->monitor);
	} else {
		result = queue->closed ? QUEUE_CLOSED : QUEUE_TIMEOUT;
	}
	monitor_unlock(&queue->monitor);
	return result;
}

void queue_close(struct queue *queue)
{
	monitor_lock(&queue->monitor);
	queue->closed = true;
	monitor_wake(&queue->monitor);
	monitor_unlock(&queue->monitor);
}

size_t queue_bytes(struct queue *queue)
{
	size_t n;

	monitor_lock(&queue->monitor);
	n = queue->bytes;
	monitor_unlock(&queue->monitor);
	return n;
}

size_t queue_count(struct queue *queue)
{
	size_t n;

	monitor_lock(&queue->monitor);
	n = queue->count;
	monitor_unlock(&queue->monitor);
	return n;
}
