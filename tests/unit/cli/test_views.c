/* tests/unit/cli/test_views.c — recorded status and table objects as text: tests/data/cli/NAME.json becomes exactly NAME.txt; and what counts as caught up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/env.h"
#include "base/env_fault.h"
#include "base/mem.h"
#include "cli/grid.h"
#include "cli/status_view.h"
#include "cli/table_view.h"

static char *slurp(const char *name, const char *extension)
{
	char path[256], *text;
	size_t n;

	snprintf(path, sizeof path, "tests/data/cli/%s.%s", name, extension);
	if (env_read_file(path, 1 << 20, &text, &n) < 0)
		fail_msg("cannot read %s", path);
	return text;
}

static json_t *load(const char *name)
{
	char *text = slurp(name, "json");
	struct err err = { 0 };
	json_t *value = json_parse(str_of(text), name, &err);

	if (!value)
		fail_msg("%s", err.text);
	mem_free(text);
	return value;
}

static void render(const json_t *input, struct wbuf *out)
{
	const char *view = json_get_str(input, "view", "");
	const json_t *value = json_object_get(input, "value");

	wbuf_init(out, 0);
	if (json_has(input, "now"))
		status_view_put(out, json_object_get(input, "now"), json_object_get(input, "before"), (unsigned)json_get_int(input, "width", 0));
	else if (json_has(input, "stored"))
		status_view_stored(out, json_object_get(input, "stored"));
	else if (strcmp(view, "list") == 0)
		table_view_list(out, value);
	else if (strcmp(view, "show") == 0)
		table_view_show(out, value);
	else if (strcmp(view, "history") == 0)
		table_view_history(out, value);
	else if (strcmp(view, "files") == 0)
		table_view_files(out, value);
	grid_clean(out);
}

static void check(const char *name)
{
	json_t *input = load(name);
	char *want = slurp(name, "txt");
	struct wbuf out;

	render(input, &out);
	assert_false(wbuf_failed(&out));
	assert_string_equal(wbuf_cstr(&out), want);
	wbuf_free(&out);
	mem_free(want);
	json_decref(input);
}

static const char *const names[] = { "status_streaming", "status_behind", "status_stopped", "status_stored", "table_list", "table_show", "table_history", "table_files" };

static void test_golden(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		check(names[i]);
}

/* With the N-th allocation failing the text is whole or the buffer says that it failed. */
static void test_no_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		json_t *input = load(names[i]);
		char *want = slurp(names[i], "txt");
		bool fired = true;

		for (uint64_t n = 1; fired; n++) {
			struct wbuf out;

			env_fault_install();
			env_fault_fail(ENV_ALLOC, n, ENOMEM);
			render(input, &out);
			fired = env_fault_fired(ENV_ALLOC);
			env_fault_remove();
			if (!wbuf_failed(&out))
				assert_string_equal(wbuf_cstr(&out), want);
			wbuf_free(&out);
		}
		mem_free(want);
		json_decref(input);
	}
}

/* --- caught up --- */

#define UP "\"state\": \"streaming\", \"pipeline\": \"s\", \"lsn\": {\"server\": \"0/20\", \"lake\": \"0/20\"}"
#define TABLE(state) "\"tables\": [{\"table\": \"s.t\", \"state\": \"running\"}, {\"table\": \"s.u\", \"state\": \"" state "\", \"reason\": \"why\"}]"

static void test_caught_up(void **state)
{
	static const struct { const char *source, *why; /* NULL: caught up */ } cases[] = {
		{ UP ", " TABLE("running"), NULL },
		{ UP ", \"tables\": []", NULL },
		{ UP ", " TABLE("copying"), "table s.u is copying: why" },
		{ UP ", " TABLE("stopped"), "table s.u is stopped: why" },
		{ UP ", \"lag_us\": 1, \"lag_bytes\": 1500", "the tables of source s are 1.5 kB behind" },
		{ "\"state\": \"connecting\", \"reason\": \"refused\"", "source s is connecting: refused" },
		{ "\"state\": \"stopped\"", "source s is stopped" },
		{ "\"state\": \"streaming\"", NULL },                         /* captured only */
		{ "\"state\": \"streaming\", \"pipeline\": \"s\"", "the tables of source s are 0 B behind" }, /* the server was not looked at yet */
		{ "\"state\": \"streaming\", \"pipeline\": \"s\", \"lag_bytes\": 1, \"lsn\": {\"server\": \"0/21\", \"lake\": \"0/20\"}", "the tables of source s are 1 B behind" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[2048], why[256] = "";
		struct err err = { 0 };
		json_t *now;

		snprintf(text, sizeof text, "{\"sources\": [{\"source\": \"s\", %s}]}", cases[i].source);
		now = json_parse(str_of(text), "case", &err);
		assert_non_null(now);
		assert_int_equal(status_is_caught_up(now, why, sizeof why), cases[i].why == NULL);
		assert_string_equal(why, cases[i].why ? cases[i].why : "");
		json_decref(now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden), cmocka_unit_test(test_no_memory), cmocka_unit_test(test_caught_up) };

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
