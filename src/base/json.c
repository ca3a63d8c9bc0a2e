/* src/base/json.c — the helpers around jansson. */
#include "base/json.h"

#include "base/mem.h"

/* jansson reports some failed allocations as bad syntax: we watch for ourselves. */
static _Thread_local bool alloc_failed;

static void *json_alloc(size_t n)
{
	void *p = mem_alloc(n);

	if (!p)
		alloc_failed = true;
	return p;
}

void json_init(void)
{
	json_set_alloc_funcs(json_alloc, mem_free);
	json_object_seed(0); /* 0: jansson takes a random one */
}

json_t *json_parse(struct str text, const char *what, struct err *err)
{
	json_error_t error;
	json_t *value;

	alloc_failed = false;
	value = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (value && !alloc_failed)
		return value;
	json_decref(value); /* jansson's lexer may drop a byte that its buffer could not take */
	if (alloc_failed)
		err_nomem(err);
	else
		err_set(err, ERR_CORRUPT, "%s: line %d column %d: %s", what, error.line, error.column, error.text);
	return NULL;
}

/* jansson goes on after a failed allocation of an object's key: the text would lack it. */
static char *dump(const json_t *value, size_t flags)
{
	char *text;

	alloc_failed = false;
	text = json_dumps(value, flags | JSON_ENCODE_ANY);
	if (text && alloc_failed) {
		mem_free(text);
		return NULL;
	}
	return text;
}

char *json_text(const json_t *value) { return dump(value, JSON_COMPACT); }
char *json_text_pretty(const json_t *value) { return dump(value, JSON_INDENT(2)); }

const char *json_get_str(const json_t *object, const char *key, const char *fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_string(value) ? json_string_value(value) : fallback;
}

int64_t json_get_int(const json_t *object, const char *key, int64_t fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

bool json_has(const json_t *object, const char *key) { return json_object_get(object, key) != NULL; }

/* jansson takes valid UTF-8 only; what comes from elsewhere (paths, servers) need not be: then bytes above ASCII
 * become '?'. */
static json_t *replaced(struct str s)
{
	char *copy = mem_strndup(s.p, s.n);
	json_t *value;

	for (size_t i = 0; copy && i < s.n; i++)
		if ((unsigned char)copy[i] >= 0x80 || copy[i] == '\0')
			copy[i] = '?';
	value = copy ? json_stringn(copy, s.n) : NULL;
	mem_free(copy);
	return value;
}

json_t *json_str(struct str s)
{
	json_t *value;

	alloc_failed = false;
	value = json_stringn(s.p ? s.p : "", s.n);
	return value || alloc_failed ? value : replaced(s);
}

/* The _new setters take NULL for a failed value and answer -1. */
int json_set_str(json_t *object, const char *key, struct str value)
{
	return json_object_set_new(object, key, json_str(value));
}

int json_set_int(json_t *object, const char *key, int64_t value)
{
	return json_object_set_new(object, key, json_integer(value));
}

int json_set_bool(json_t *object, const char *key, bool value)
{
	return json_object_set_new(object, key, json_boolean(value));
}
