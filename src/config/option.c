/* src/config/option.c — the table of options.def, and the text forms of each type. */
#include "config/option.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

const struct option options_table[] = {
#define OPTION(key, type, field, preset, min, max, words, doc, example)                                                \
	{ key, OPTION_##type, offsetof(struct config, field), preset, min, max, words, doc, example },
#include "config/options.def"
#undef OPTION
};
const size_t options_count = sizeof options_table / sizeof options_table[0];

enum { TEXT = false, LIST = true };
const struct nested_option source_options[] = {
#define SOURCE_OPTION(key, kind, doc, example) { key, kind, doc, example },
#include "config/source_options.def"
	{ NULL, false, NULL, NULL },
};
const struct nested_option pipeline_options[] = {
#define PIPELINE_OPTION(key, kind, doc, example) { key, kind, doc, example },
#include "config/source_options.def"
	{ NULL, false, NULL, NULL },
};

struct unit {
	const char *name;
	int64_t factor;
};

/* The first unit that divides a value is printed, so the largest stand first. */
static const struct unit duration_units[] = { { "d", 86400000000 }, { "h", 3600000000 }, { "m", 60000000 },
	                                      { "s", 1000000 },     { "ms", 1000 },      { "us", 1 },
	                                      { NULL, 0 } };
static const struct unit size_units[] = {
	{ "TB", 1000000000000 },
	{ "GB", 1000000000 },
	{ "MB", 1000000 },
	{ "kB", 1000 },
	{ "TiB", (int64_t)1 << 40 },
	{ "GiB", (int64_t)1 << 30 },
	{ "MiB", (int64_t)1 << 20 },
	{ "KiB", (int64_t)1 << 10 },
	{ "B", 1 },
	{ "KB", 1000 },
	{ NULL, 0 },
};

const struct option *option_find(const char *key)
{
	for (size_t i = 0; i < options_count; i++) {
		if (strcmp(options_table[i].key, key) == 0)
			return &options_table[i];
	}
	return NULL;
}

/* Digits, optionally a dot and up to six more, then a unit. Exact: "1.5s" is 1500000, what leaves a rest ("0.5us") is
 * refused. */
static int parse_with_unit(const char *text, const struct unit *units, const char *unit_list, int64_t *out,
                           struct err *err)
{
	size_t whole_n = strspn(text, "0123456789");
	size_t fraction_n = text[whole_n] == '.' ? strspn(text + whole_n + 1, "0123456789") : 0;
	const char *unit_text = text + whole_n + (fraction_n ? 1 + fraction_n : 0);
	__int128 value = 0;
	int64_t scale = 1;

	if (whole_n == 0 || whole_n > 18 || fraction_n > 6 || (text[whole_n] == '.' && !fraction_n))
		return err_set(err, ERR_CONFIG, "'%s' is not a number with a unit (%s)", text, unit_list);
	for (size_t i = 0; i < whole_n; i++)
		value = value * 10 + (text[i] - '0');
	for (size_t i = 0; i < fraction_n; i++, scale *= 10)
		value = value * 10 + (text[whole_n + 1 + i] - '0');
	while (*unit_text == ' ')
		unit_text++;
	if (*unit_text == 0) {
		if (value)
			return err_set(err, ERR_CONFIG, "'%s' needs a unit: %s", text, unit_list);
		*out = 0;
		return ERR_OK;
	}
	for (; units->name; units++) {
		if (strcmp(units->name, unit_text) == 0) {
			value *= units->factor;
			if (value % scale || value / scale > INT64_MAX)
				return err_set(err, ERR_CONFIG, "'%s' is too large or too fine", text);
			*out = (int64_t)(value / scale);
			return ERR_OK;
		}
	}
	return err_set(err, ERR_CONFIG, "'%s' has an unknown unit '%s'; there are %s", text, unit_text, unit_list);
}

int option_parse_duration(const char *text, int64_t *us, struct err *err)
{
	return parse_with_unit(text, duration_units, "us, ms, s, m, h, d", us, err);
}

int option_parse_size(const char *text, int64_t *bytes, struct err *err)
{
	return parse_with_unit(text, size_units, "B, kB, MB, GB, TB, KiB, MiB, GiB, TiB", bytes, err);
}

static void print_with_unit(int64_t value, const struct unit *units, struct wbuf *out)
{
	if (value == 0) {
		wbuf_putz(out, "0");
		return;
	}
	while (value % units->factor)
		units++;
	wbuf_putf(out, "%lld%s", (long long)(value / units->factor), units->name);
}

static void print_number(const struct option *option, int64_t value, struct wbuf *out)
{
	if (option->type == OPTION_DURATION)
		print_with_unit(value, duration_units, out);
	else if (option->type == OPTION_SIZE)
		print_with_unit(value, size_units, out);
	else
		wbuf_putf(out, "%lld", (long long)value);
}

static int set_number(const struct option *option, int64_t *field, const char *text, struct err *err)
{
	int64_t value = 0;
	int rc = ERR_OK;

	if (option->type == OPTION_DURATION)
		rc = option_parse_duration(text, &value, err);
	else if (option->type == OPTION_SIZE)
		rc = option_parse_size(text, &value, err);
	else if (!str_to_i64(str_of(text), &value))
		rc = err_set(err, ERR_CONFIG, "'%s' is not a whole number", text);
	if (rc)
		return rc;
	if (value < option->min || value > option->max) {
		struct wbuf range;

		wbuf_init(&range, 256);
		print_number(option, option->min, &range);
		wbuf_putz(&range, " to ");
		print_number(option, option->max, &range);
		rc = err_set(err, ERR_CONFIG, "'%s' is out of range: %s", text, wbuf_cstr(&range));
		wbuf_free(&range);
		return rc;
	}
	*field = value;
	return ERR_OK;
}

/* Index of text in "a|b|c"; -1: none. */
static int word_index(const char *words, const char *text)
{
	struct str rest = str_of(words);

	for (int i = 0; rest.n; i++) {
		if (str_eqz(str_cut(&rest, '|'), text))
			return i;
	}
	return -1;
}

static int set_word(const char *words, const char *text, int *index, struct err *err)
{
	*index = word_index(words, text);
	if (*index >= 0)
		return ERR_OK;
	return err_set(err, ERR_CONFIG, "'%s' is none of %s", text, words);
}

/* Whether a name leads anywhere is seen when it is listened on; what can be no host at all is refused here. */
static int check_host(const char *text, struct str host, struct err *err)
{
	struct in6_addr address;
	char number[64];
	bool bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

	if (memchr(host.p, ':', host.n) && !bracketed)
		return err_set(err, ERR_CONFIG, "'%s': write an IPv6 address in brackets, as in [::1]:8080", text);
	if (bracketed) {
		if (str_copy(number, sizeof number, str_view(host.p + 1, host.n - 2)) &&
		    inet_pton(AF_INET6, number, &address) == 1)
			return ERR_OK;
		return err_set(err, ERR_CONFIG, "'%s': what stands in brackets is not an IPv6 address", text);
	}
	if (!str_copy(number, sizeof number, host) || number[strspn(number, "0123456789.")])
		return ERR_OK; /* a name */
	if (inet_pton(AF_INET, number, &address) != 1)
		return err_set(err, ERR_CONFIG, "'%s': '%s' is not an IPv4 address; it has four numbers up to 255",
		               text, number);
	return ERR_OK;
}

/* "host:port", "[::1]:port"; "off" and "" switch off. */
static int set_address(const char **field, struct arena *arena, const char *text, struct err *err)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;
	int rc;

	if (text[0] == 0 || strcmp(text, "off") == 0) {
		*field = "";
		return ERR_OK;
	}
	if (!colon || colon == text || !str_to_u64(str_of(colon + 1), &port) || port > 65535 || strlen(text) > 255 ||
	    strpbrk(text, " \t/@?#*,;\"'"))
		return err_set(err, ERR_CONFIG, "'%s' is not an address like 127.0.0.1:8080 or [::1]:8080, nor 'off'",
		               text);
	rc = check_host(text, str_view(text, (size_t)(colon - text)), err);
	if (rc)
		return rc;
	*field = arena_strdup(arena, str_of(text));
	return *field ? ERR_OK : err_nomem(err);
}

const char *option_absolute(struct arena *arena, const char *base, struct str path)
{
	bool absolute = path.n && path.p[0] == '/';
	struct str rest[2] = { absolute ? STR_LIT("") : str_of(base), path };
	size_t size = rest[0].n + path.n + 2, n = 0;
	char *out = arena_alloc(arena, size);

	if (!out)
		return NULL;
	for (int i = 0; i < 2; i++) {
		while (rest[i].n) {
			struct str part = str_cut(&rest[i], '/');

			if (part.n == 0 || str_eqz(part, "."))
				continue;
			if (str_eqz(part, "..")) {
				while (n && out[--n] != '/')
					;
				continue;
			}
			out[n++] = '/';
			memcpy(out + n, part.p, part.n);
			n += part.n;
		}
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = 0;
	return out;
}

static int set_path(const struct option *option, const char **field, struct arena *arena, const char *base,
                    const char *text, struct err *err)
{
	struct str path = str_of(text);

	if (path.n == 0 && option->type == OPTION_MAYBE_PATH) {
		*field = NULL;
		return ERR_OK;
	}
	if (option->type == OPTION_WAREHOUSE) {
		const char *colon = strchr(text, ':');

		if (str_starts(path, "file:"))
			path = str_view(path.p + 5, path.n - 5);
		else if (colon && (!strchr(text, '/') || colon < strchr(text, '/')))
			return err_set(
				err, ERR_CONFIG,
				"'%s': only folders on this machine can hold the lake so far, as in file:./warehouse",
				text);
		if (str_starts(path, "//")) {
			if (!str_starts(path, "///"))
				return err_set(err, ERR_CONFIG,
				               "'%s' names a host; write file:/folder or file:///folder", text);
			path = str_view(path.p + 2, path.n - 2);
		}
	}
	if (path.n == 0)
		return err_set(err, ERR_CONFIG, "a folder is missing");
	if (path.n > 900)
		return err_set(err, ERR_CONFIG, "the path is longer than 900 bytes");
	*field = option_absolute(arena, base, path);
	if (*field && option->type == OPTION_WAREHOUSE)
		*field = arena_printf(arena, "file://%s", *field);
	return *field ? ERR_OK : err_nomem(err);
}

int option_set(const struct option *option, struct config *config, struct arena *arena, const char *base,
               const char *text, struct err *err)
{
	void *field = (char *)config + option->offset;
	int index = 0, rc;

	switch (option->type) {
	case OPTION_DURATION:
	case OPTION_SIZE:
	case OPTION_INT: return set_number(option, field, text, err);
	case OPTION_BOOL:
		rc = set_word("false|true", text, &index, err);
		if (!rc)
			*(bool *)field = index == 1;
		return rc;
	case OPTION_FLAG:
		rc = set_word(option->words, text, &index, err);
		if (!rc)
			*(bool *)field = index == 1;
		return rc;
	case OPTION_CHOICE:
		rc = set_word(option->words, text, &index, err);
		if (!rc)
			*(int *)field = index;
		return rc;
	case OPTION_TEXT:
		*(const char **)field = arena_strdup(arena, str_of(text));
		return *(const char **)field ? ERR_OK : err_nomem(err);
	case OPTION_ADDRESS: return set_address(field, arena, text, err);
	case OPTION_PATH:
	case OPTION_MAYBE_PATH:
	case OPTION_WAREHOUSE: return set_path(option, field, arena, base, text, err);
	}
	return err_set(err, ERR_BUG, "option %s has no known type", option->key);
}

static void print_word(const char *words, int index, struct wbuf *out)
{
	struct str rest = str_of(words);

	for (int i = 0; i < index; i++)
		str_cut(&rest, '|');
	wbuf_put_str(out, str_cut(&rest, '|'));
}

void option_print(const struct option *option, const struct config *config, struct wbuf *out)
{
	const void *field = (const char *)config + option->offset;
	const char *text;

	switch (option->type) {
	case OPTION_DURATION:
	case OPTION_SIZE:
	case OPTION_INT: print_number(option, *(const int64_t *)field, out); break;
	case OPTION_BOOL: wbuf_putz(out, *(const bool *)field ? "true" : "false"); break;
	case OPTION_FLAG: print_word(option->words, *(const bool *)field, out); break;
	case OPTION_CHOICE: print_word(option->words, *(const int *)field, out); break;
	case OPTION_ADDRESS:
		text = *(const char *const *)field;
		wbuf_putz(out, text[0] ? text : "off");
		break;
	case OPTION_TEXT:
	case OPTION_PATH:
	case OPTION_MAYBE_PATH:
	case OPTION_WAREHOUSE:
		text = *(const char *const *)field;
		wbuf_putz(out, text ? text : "");
		break;
	}
}

bool option_is_text(const struct option *option)
{
	return option->type == OPTION_TEXT || option->type == OPTION_ADDRESS || option->type == OPTION_PATH ||
	       option->type == OPTION_MAYBE_PATH || option->type == OPTION_WAREHOUSE;
}

void option_variable(const char *key, char *out, size_t out_size)
{
	size_t n = (size_t)snprintf(out, out_size, "TARN_%s", key);

	for (size_t i = 0; i < n && i + 1 < out_size; i++)
		out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}
