/* tests/unit/config/test_config.c — every file of tests/data/config, and masking of connection strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/env.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/option.h"

static const char folder[] = "tests/data/config";

struct expected { struct str shows[64], hidden[8], error; size_t n_shows, n_hidden; bool fails; };

struct one_case {
	struct arena *arena;
	char path[256];
	const char *sets[16]; size_t n_sets;
	char *variables[16]; size_t n_variables;
	struct expected expected;
};

/* {file} and {dir} filled in. */
static struct str fill(const struct one_case *c, struct str text)
{
	struct wbuf w;
	struct str out;

	wbuf_init(&w, 0);
	for (size_t i = 0; i < text.n;) {
		struct str rest = str_view(text.p + i, text.n - i);

		if (str_starts(rest, "{file}")) {
			wbuf_putz(&w, c->path);
			i += 6;
		} else if (str_starts(rest, "{dir}")) {
			char *dir = realpath(folder, NULL);

			wbuf_putz(&w, dir);
			free(dir);
			i += 5;
		} else {
			wbuf_put(&w, text.p + i++, 1);
		}
	}
	out = arena_str(c->arena, wbuf_str(&w));
	wbuf_free(&w);
	return out;
}

static void read_directive(struct one_case *c, struct str line)
{
	struct str value = line, name = str_cut(&value, ':');

	value = fill(c, str_trim(value));
	if (str_eqz(name, "set"))
		c->sets[c->n_sets++] = arena_strdup(c->arena, value);
	else if (str_eqz(name, "env"))
		c->variables[c->n_variables++] = arena_strdup(c->arena, value);
	else if (str_eqz(name, "show"))
		c->expected.shows[c->expected.n_shows++] = value;
	else if (str_eqz(name, "hidden"))
		c->expected.hidden[c->expected.n_hidden++] = value;
	else if (str_eqz(name, "error")) {
		c->expected.error = value;
		c->expected.fails = true;
	} else
		fail_msg("%s: unknown directive %.*s", c->path, STR_FMT(name));
}

static bool has_line(struct str text, struct str line)
{
	while (text.n) {
		if (str_eq(str_trim(str_cut(&text, '\n')), line))
			return true;
	}
	return false;
}

static void check_shown(const struct one_case *c, const struct config *config)
{
	struct wbuf shown;

	wbuf_init(&shown, 0);
	config_show(config, &shown);
	assert_false(wbuf_failed(&shown));
	for (size_t i = 0; i < c->expected.n_shows; i++) {
		if (!has_line(wbuf_str(&shown), c->expected.shows[i]))
			fail_msg("%s: no line '%.*s' in:\n%s", c->path, STR_FMT(c->expected.shows[i]), wbuf_cstr(&shown));
	}
	for (size_t i = 0; i < c->expected.n_hidden; i++) {
		if (memmem(shown.p, shown.n, c->expected.hidden[i].p, c->expected.hidden[i].n))
			fail_msg("%s: '%.*s' is shown", c->path, STR_FMT(c->expected.hidden[i]));
	}
	wbuf_free(&shown);
}

static void run_case(const char *name)
{
	struct one_case c = { .arena = arena_new(0) };
	struct config_opts opts = { .path = c.path, .sets = c.sets };
	struct config *config = NULL;
	struct err err;
	char *text;
	size_t n;
	int rc;

	snprintf(c.path, sizeof c.path, "%s/%s", folder, name);
	assert_int_equal(env_read_file(c.path, 1 << 20, &text, &n), 0);
	for (struct str rest = str_view(text, n); rest.n;) {
		struct str line = str_cut(&rest, '\n');

		if (str_starts(line, "#? "))
			read_directive(&c, str_view(line.p + 3, line.n - 3));
	}
	if (!c.expected.fails && !c.expected.n_shows)
		fail_msg("%s expects nothing", c.path);
	for (size_t i = 0; i < c.n_variables; i++)
		putenv(c.variables[i]);
	opts.n_sets = c.n_sets;
	err_clear(&err);
	rc = config_load(&opts, &config, &err);
	for (size_t i = 0; i < c.n_variables; i++) {
		struct str rest = str_of(c.variables[i]);

		unsetenv(arena_strdup(c.arena, str_cut(&rest, '=')));
	}
	if (c.expected.fails) {
		char *wanted = arena_strdup(c.arena, c.expected.error);

		if (rc != ERR_CONFIG || strcmp(err.text, wanted) != 0)
			fail_msg("%s\n   wanted: %s\n   got %d: %s", c.path, wanted, rc, err.text);
		assert_null(config);
	} else if (rc) {
		fail_msg("%s: %s", c.path, err.text);
	} else {
		check_shown(&c, config);
	}
	config_free(config);
	mem_free(text);
	arena_free(c.arena);
}

static void test_data(void **state)
{
	char **names;
	size_t n, cases = 0;

	(void)state;
	assert_int_equal(env_list_dir(folder, &names, &n), 0);
	for (size_t i = 0; i < n; i++) {
		if (str_ends(str_of(names[i]), ".yaml")) {
			run_case(names[i]);
			cases++;
		}
	}
	env_free_names(names, n);
	assert_true(cases > 50);
}

static void test_mask(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "postgresql://tarn@localhost/bank", "postgresql://tarn@localhost/bank" },
		{ "postgresql://tarn:pw@localhost:5432/bank", "postgresql://tarn:***@localhost:5432/bank" },
		{ "postgres://tarn:p@w@localhost/bank", "postgres://tarn:***@localhost/bank" },
		{ "postgresql://tarn:p/w@localhost/bank", "postgresql://tarn:***@localhost/bank" },
		{ "postgresql://tarn:p?w@localhost/bank", "postgresql://tarn:***@localhost/bank" },
		{ "postgresql://localhost:5432/bank?user=a@b", "postgresql://localhost:5432/bank?user=a@b" },
		{ "postgresql://h/b?user=u&password=pw&sslmode=require", "postgresql://h/b?user=u&password=***&sslmode=require" },
		{ "postgresql://h/b?p%61ssword=pw", "postgresql://h/b?p%61ssword=***" },
		{ "postgresql://h/b?sslpassword=pw", "postgresql://h/b?sslpassword=***" },
		{ "host=h password=pw dbname=b", "host=h password=*** dbname=b" },
		{ "host=h password = 'p w' dbname=b", "host=h password=*** dbname=b" },
		{ "password='a\\'b c' host=h", "password=*** host=h" },
		{ "password=a\\ b host=h", "password=*** host=h" },
		{ "host=h password='never closed", "host=h ***" },
		{ "just words", "***" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct wbuf w;

		wbuf_init(&w, 0);
		config_mask_conninfo(str_of(cases[i].in), &w);
		assert_string_equal(wbuf_cstr(&w), cases[i].out);
		wbuf_free(&w);
	}
}

static void test_units(void **state)
{
	static const struct { const char *text; int64_t us; } durations[] = {
		{ "1s", 1000000 }, { "1.5s", 1500000 }, { "250ms", 250000 }, { "0", 0 }, { "0s", 0 }, { "2 m", 120000000 }, { "1d", 86400000000 }, { "7us", 7 }, { "0.000001s", 1 },
		{ "", -1 }, { "s", -1 }, { "1", -1 }, { "-1s", -1 }, { "1.s", -1 }, { ".5s", -1 }, { "0.5us", -1 }, { "1sec", -1 }, { "1s ", -1 }, { "1e3s", -1 }, { "99999999999999d", -1 },
	};
	int64_t us, bytes;

	(void)state;
	for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
		struct err err;
		int rc = option_parse_duration(durations[i].text, &us, &err);

		if ((rc == 0) != (durations[i].us >= 0) || (rc == 0 && us != durations[i].us))
			fail_msg("'%s' gives %d, %lld", durations[i].text, rc, (long long)us);
	}
	assert_int_equal(option_parse_size("64MB", &bytes, NULL), 0);
	assert_int_equal(bytes, 64000000);
	assert_int_equal(option_parse_size("1KiB", &bytes, NULL), 0);
	assert_int_equal(bytes, 1024);
}

/* What `tarn init` writes is taken back, and the reference names every option. */
static void test_texts(void **state)
{
	static const char path[] = "/tmp/tarn_test_config_sample.yaml";
	struct config_opts opts = { .path = path };
	struct config *config = NULL;
	struct wbuf w;
	struct err err;

	(void)state;
	wbuf_init(&w, 0);
	config_sample(&w, NULL);
	assert_int_equal(env_write_file_atomic(path, w.p, w.n, 0600), 0);
	if (config_load(&opts, &config, &err))
		fail_msg("%s", err.text);
	assert_int_equal(config->n_sources, 1);
	assert_string_equal(config->sources[0].conninfo, "postgresql://tarn@localhost/bank");
	assert_string_equal(config->state, "/tmp/tarn-data");
	config_free(config);
	env_unlink(path);
	wbuf_reset(&w);
	config_reference(&w);
	for (size_t i = 0; i < options_count; i++) {
		char heading[64];

		snprintf(heading, sizeof heading, "### `%s`\n", options_table[i].key);
		assert_non_null(strstr(wbuf_cstr(&w), heading));
		assert_true(options_table[i].doc[0] && options_table[i].example[0]);
	}
	wbuf_free(&w);
}

/* docs/configuration.md is what `tarn config reference` prints. */
static void test_document(void **state)
{
	struct wbuf w;
	char *text;
	size_t n;

	(void)state;
	assert_int_equal(env_read_file("docs/configuration.md", 1 << 20, &text, &n), 0);
	wbuf_init(&w, 0);
	config_reference(&w);
	if (!str_eq(str_view(text, n), wbuf_str(&w)))
		fail_msg("docs/configuration.md is not what the tables say: build/tarn config reference > docs/configuration.md");
	wbuf_free(&w);
	mem_free(text);
}

/* Every allocation fails once: an error, and nothing leaks (the sanitizer build sees to that). */
static long allocations_left;
static void *failing_alloc(size_t n) { return allocations_left-- > 0 ? env_os.alloc(n) : NULL; }
static void *failing_realloc(void *p, size_t n) { return allocations_left-- > 0 ? env_os.realloc(p, n) : NULL; }

static void test_no_memory(void **state)
{
	struct config_opts opts = { .path = "tests/data/config/full.yaml", .sets = (const char *const[]){ "ack=journal" }, .n_sets = 1 };
	struct env_ops ops = env_os;
	int failures = 0;

	(void)state;
	ops.alloc = failing_alloc;
	ops.realloc = failing_realloc;
	for (long n = 0;; n++) {
		struct config *config = NULL;
		struct err err;
		int rc;

		allocations_left = n;
		env_install(&ops);
		rc = config_load(&opts, &config, &err);
		env_install(NULL);
		if (rc == 0) {
			config_free(config);
			break;
		}
		assert_int_equal(rc, ERR_NOMEM);
		failures++;
		assert_true(n < 10000);
	}
	assert_true(failures > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data), cmocka_unit_test(test_mask), cmocka_unit_test(test_units), cmocka_unit_test(test_texts), cmocka_unit_test(test_document), cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
