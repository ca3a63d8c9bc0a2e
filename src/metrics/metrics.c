/* src/metrics/metrics.c — the registry. Format: Prometheus text exposition format 0.0.4.
 *
 * Families keep the order of their making, series within a family too. The lock guards the lists; values are atomics,
 * so updates take no lock. A histogram's count is the sum of its buckets at the time of rendering: the two never
 * disagree. */
#include "metrics/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };

struct metric {
	struct metric *next;
	struct family *family;
	char *labels;              /* rendered: source="bank",table="users"; "" for none */
	_Atomic double value;      /* histogram: the sum */
	_Atomic uint64_t *buckets; /* histogram: n_bounds + 1, not cumulative */
};

struct family {
	struct family *next;
	enum kind kind;
	const char *name, *help;
	const double *bounds;
	size_t n_bounds;
	struct metric *first, *last;
};

struct hook {
	struct hook *next;
	void (*fn)(void *arg);
	void *arg;
};

const double metric_seconds_bounds[METRIC_SECONDS_BOUNDS] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
	                                                      0.25,  0.5,    1,     2.5,  5,     15,   60 };

static struct {
	pthread_mutex_t mutex;      /* the lists */
	pthread_mutex_t hook_mutex; /* hooks, held while they run */
	struct family *first, *last;
	struct map *series; /* name{labels} -> struct metric */
	struct hook *hooks;
} registry = { .mutex = PTHREAD_MUTEX_INITIALIZER, .hook_mutex = PTHREAD_MUTEX_INITIALIZER };

/* --- names --- */

static bool only(const char *text, const char *chars) { return text[0] && text[strspn(text, chars)] == 0; }

static void check_name(enum kind kind, const char *name)
{
	struct str s = str_of(name);

	CHECK(str_starts(s, "tarn_") && only(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), "%s", name);
	CHECK((kind == KIND_COUNTER) == str_ends(s, "_total"), "%s", name);
	CHECK(kind != KIND_HISTOGRAM || str_ends(s, "_seconds") || str_ends(s, "_bytes"), "%s", name);
}

static void put_escaped(struct wbuf *out, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\\' || (*text == '"' && quotes))
			wbuf_put_u8(out, '\\');
		if (*text == '\n')
			wbuf_putz(out, "\\n");
		else
			wbuf_put_u8(out, (uint8_t)*text);
	}
}

static void put_labels(struct wbuf *out, const char *const *labels)
{
	for (size_t i = 0; labels && labels[i]; i += 2) {
		CHECK(only(labels[i], "abcdefghijklmnopqrstuvwxyz_") && strcmp(labels[i], "le") != 0, "%s", labels[i]);
		wbuf_putf(out, "%s%s=\"", i ? "," : "", labels[i]);
		put_escaped(out, labels[i + 1] ? labels[i + 1] : "", true);
		wbuf_putz(out, "\"");
		if (!labels[i + 1])
			break;
	}
}

/* --- making; under the lock --- */

static struct family *get_family(enum kind kind, const char *name, const char *help, const double *bounds,
                                 size_t n_bounds)
{
	struct family *family = registry.first;

	while (family && strcmp(family->name, name) != 0)
		family = family->next;
	if (family) {
		CHECK(family->kind == kind && family->n_bounds == n_bounds, "%s", name);
		return family;
	}
	family = mem_zero(sizeof *family);
	if (!family)
		return NULL;
	*family = (struct family){ .kind = kind, .name = name, .help = help, .bounds = bounds, .n_bounds = n_bounds };
	if (registry.last)
		registry.last->next = family;
	else
		registry.first = family;
	registry.last = family;
	return family;
}

static void free_metric(struct metric *metric)
{
	if (!metric)
		return;
	mem_free(metric->labels);
	mem_free((void *)metric->buckets);
	mem_free(metric);
}

static struct metric *new_metric(struct family *family, struct str key, struct str labels)
{
	struct metric *metric = mem_zero(sizeof *metric);

	if (!metric)
		return NULL;
	metric->family = family;
	metric->labels = mem_strndup(labels.p ? labels.p : "", labels.n);
	if (family->kind == KIND_HISTOGRAM)
		metric->buckets = mem_array(family->n_bounds + 1, sizeof *metric->buckets);
	if (!metric->labels || (family->kind == KIND_HISTOGRAM && !metric->buckets) ||
	    map_put(registry.series, key, metric, NULL)) {
		free_metric(metric);
		return NULL;
	}
	if (family->last)
		family->last->next = metric;
	else
		family->first = metric;
	family->last = metric;
	return metric;
}

static struct metric *find_or_make(enum kind kind, const char *name, const char *help, const double *bounds,
                                   size_t n_bounds, struct str key, struct str labels)
{
	struct metric *metric = registry.series ? map_get(registry.series, key) : NULL;
	struct family *family;

	if (metric) {
		CHECK(metric->family->kind == kind, "%s", name);
		return metric;
	}
	if (!registry.series)
		registry.series = map_new();
	if (!registry.series || map_count(registry.series) >= METRICS_SERIES_MAX)
		return NULL;
	family = get_family(kind, name, help, bounds, n_bounds);
	return family ? new_metric(family, key, labels) : NULL;
}

static struct metric *get_metric(enum kind kind, const char *name, const char *help, const char *const *labels,
                                 const double *bounds, size_t n_bounds)
{
	struct metric *metric = NULL;
	size_t prefix = strlen(name) + 1;
	struct wbuf key;

	check_name(kind, name);
	wbuf_init(&key, 65536);
	wbuf_putf(&key, "%s{", name);
	put_labels(&key, labels);
	if (!wbuf_failed(&key)) {
		pthread_mutex_lock(&registry.mutex);
		metric = find_or_make(kind, name, help, bounds, n_bounds, wbuf_str(&key),
		                      str_view(key.p + prefix, key.n - prefix));
		pthread_mutex_unlock(&registry.mutex);
	}
	wbuf_free(&key);
	return metric;
}

struct metric *metric_counter(const char *name, const char *help, const char *const *labels)
{
	return get_metric(KIND_COUNTER, name, help, labels, NULL, 0);
}

struct metric *metric_gauge(const char *name, const char *help, const char *const *labels)
{
	return get_metric(KIND_GAUGE, name, help, labels, NULL, 0);
}

struct metric *metric_histogram(const char *name, const char *help, const char *const *labels, const double *bounds,
                                size_t n_bounds)
{
	for (size_t i = 1; i < n_bounds; i++)
		CHECK(bounds[i] > bounds[i - 1], "%s", name);
	return get_metric(KIND_HISTOGRAM, name, help, labels, bounds, n_bounds);
}

/* --- updates --- */

static void add_to(_Atomic double *target, double value)
{
	double old = atomic_load_explicit(target, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(target, &old, old + value, memory_order_relaxed,
	                                              memory_order_relaxed))
		;
}

void metric_add(struct metric *metric, double value)
{
	if (!metric)
		return;
	CHECK(metric->family->kind == KIND_GAUGE || (metric->family->kind == KIND_COUNTER && value >= 0), "%s",
	      metric->family->name);
	add_to(&metric->value, value);
}

void metric_set(struct metric *metric, double value)
{
	if (!metric)
		return;
	CHECK(metric->family->kind == KIND_GAUGE, "%s", metric->family->name);
	atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metric_observe(struct metric *metric, double value)
{
	size_t i = 0;

	if (!metric)
		return;
	CHECK(metric->family->kind == KIND_HISTOGRAM, "%s", metric->family->name);
	while (i < metric->family->n_bounds && value > metric->family->bounds[i])
		i++;
	atomic_fetch_add_explicit(&metric->buckets[i], 1, memory_order_relaxed);
	add_to(&metric->value, value);
}

static uint64_t observations(const struct metric *metric)
{
	uint64_t n = 0;

	for (size_t i = 0; i <= metric->family->n_bounds; i++)
		n += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
	return n;
}

double metric_value(const struct metric *metric)
{
	if (!metric)
		return 0;
	if (metric->family->kind == KIND_HISTOGRAM)
		return (double)observations(metric);
	return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

/* --- text --- */

static void put_number(struct wbuf *out, double v)
{
	if (isnan(v))
		wbuf_putz(out, "NaN");
	else if (isinf(v))
		wbuf_putz(out, v > 0 ? "+Inf" : "-Inf");
	else if (v == floor(v) && fabs(v) < 9007199254740992.0)
		wbuf_putf(out, "%.0f", v);
	else
		wbuf_putf(out, "%.15g", v);
}

static void put_series(struct wbuf *out, const char *name, const char *suffix, const char *labels, const char *le,
                       double value)
{
	wbuf_putf(out, "%s%s", name, suffix);
	if (labels[0] || le)
		wbuf_putf(out, "{%s%s", labels, labels[0] && le ? "," : "");
	if (le)
		wbuf_putf(out, "le=\"%s\"", le);
	wbuf_putz(out, labels[0] || le ? "} " : " ");
	put_number(out, value);
	wbuf_putz(out, "\n");
}

static void put_histogram(struct wbuf *out, const struct metric *metric)
{
	const struct family *family = metric->family;
	uint64_t n = 0;

	for (size_t i = 0; i <= family->n_bounds; i++) {
		struct wbuf le;

		n += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
		wbuf_init(&le, 64);
		put_number(&le, i < family->n_bounds ? family->bounds[i] : (double)INFINITY);
		put_series(out, family->name, "_bucket", metric->labels, wbuf_cstr(&le), (double)n);
		wbuf_free(&le);
	}
	put_series(out, family->name, "_sum", metric->labels, NULL,
	           atomic_load_explicit(&metric->value, memory_order_relaxed));
	put_series(out, family->name, "_count", metric->labels, NULL, (double)n);
}

static void put_family(struct wbuf *out, const struct family *family)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };

	if (!family->first)
		return;
	wbuf_putf(out, "# HELP %s ", family->name);
	put_escaped(out, family->help, false);
	wbuf_putf(out, "\n# TYPE %s %s\n", family->name, kinds[family->kind]);
	for (const struct metric *metric = family->first; metric; metric = metric->next) {
		if (family->kind == KIND_HISTOGRAM)
			put_histogram(out, metric);
		else
			put_series(out, family->name, "", metric->labels, NULL, metric_value(metric));
	}
}

void metrics_render(struct wbuf *out)
{
	pthread_mutex_lock(&registry.hook_mutex);
	for (const struct hook *hook = registry.hooks; hook; hook = hook->next)
		hook->fn(hook->arg);
	pthread_mutex_unlock(&registry.hook_mutex);
	pthread_mutex_lock(&registry.mutex);
	for (const struct family *family = registry.first; family; family = family->next)
		put_family(out, family);
	pthread_mutex_unlock(&registry.mutex);
}

int metrics_on_render(void (*fn)(void *arg), void *arg)
{
	struct hook *hook = mem_zero(sizeof *hook);

	if (!hook)
		return -1;
	hook->fn = fn;
	hook->arg = arg;
	pthread_mutex_lock(&registry.hook_mutex);
	hook->next = registry.hooks;
	registry.hooks = hook;
	pthread_mutex_unlock(&registry.hook_mutex);
	return 0;
}

void metrics_forget(void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&registry.hook_mutex);
	for (struct hook **at = &registry.hooks; *at; at = &(*at)->next) {
		if ((*at)->fn == fn && (*at)->arg == arg) {
			struct hook *hook = *at;

			*at = hook->next;
			mem_free(hook);
			break;
		}
	}
	pthread_mutex_unlock(&registry.hook_mutex);
}

static void free_family(struct family *family)
{
	while (family->first) {
		struct metric *metric = family->first;

		family->first = metric->next;
		free_metric(metric);
	}
	mem_free(family);
}

void metrics_free(void)
{
	pthread_mutex_lock(&registry.mutex);
	while (registry.first) {
		struct family *family = registry.first;

		registry.first = family->next;
		free_family(family);
	}
	registry.last = NULL;
	map_free(registry.series, NULL);
	registry.series = NULL;
	pthread_mutex_unlock(&registry.mutex);
	while (registry.hooks)
		metrics_forget(registry.hooks->fn, registry.hooks->arg);
}
