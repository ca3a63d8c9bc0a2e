/* src/config/config_doc.c — what people read: the reference page and the commented sample, both made from the option
 * tables. */
#include <string.h>

#include "config/config_int.h"

static const char *type_text(const struct option *option)
{
	switch (option->type) {
	case OPTION_DURATION: return "duration";
	case OPTION_SIZE: return "size";
	case OPTION_INT: return "number";
	case OPTION_BOOL: return "`true`, `false`";
	case OPTION_FLAG:
	case OPTION_CHOICE: return NULL; /* its words */
	case OPTION_TEXT: return "text";
	case OPTION_ADDRESS: return "address";
	case OPTION_PATH: return "folder";
	case OPTION_MAYBE_PATH: return "file";
	case OPTION_WAREHOUSE: return "URI";
	}
	return "";
}

static void put_words(const char *words, struct wbuf *out)
{
	struct str rest = str_of(words);

	for (bool first = true; rest.n; first = false) {
		struct str word = str_cut(&rest, '|');

		wbuf_putf(out, "%s`%.*s`", first ? "" : ", ", STR_FMT(word));
	}
}

static void put_limit(const struct option *option, int64_t value, struct wbuf *out)
{
	struct option at = *option;

	at.offset = 0; /* print the limit as if it were the field */
	option_print(&at, (const struct config *)(const void *)&value, out);
}

static void put_option(const struct option *option, struct wbuf *out)
{
	char variable[64];
	const char *type = type_text(option);

	option_variable(option->key, variable, sizeof variable);
	wbuf_putf(out, "### `%s`\n\n%s\n\n", option->key, option->doc);
	if (type)
		wbuf_putf(out, "- Kind: %s", type);
	else {
		wbuf_putz(out, "- One of: ");
		put_words(option->words, out);
	}
	if (option->max > 0) {
		wbuf_putz(out, ", `");
		put_limit(option, option->min, out);
		wbuf_putz(out, "` to `");
		put_limit(option, option->max, out);
		wbuf_putz(out, "`");
	}
	wbuf_putf(out, "\n- Default: %s%s%s\n- Example: `%s`\n- Environment: `%s`\n\n", option->preset[0] ? "`" : "",
	          option->preset[0] ? option->preset : "empty", option->preset[0] ? "`" : "", option->example,
	          variable);
}

static void put_nested(const struct nested_option *options, struct wbuf *out)
{
	wbuf_putz(out, "| Key | Meaning | Example |\n|---|---|---|\n");
	for (; options->key; options++) {
		wbuf_putf(out, "| `%s` | %s | `%s` |\n", options->key, options->doc, options->example);
	}
	wbuf_putz(out, "\n");
}

void config_reference(struct wbuf *out)
{
	wbuf_putz(
		out,
		"# Configuration\n\n"
		"Made by `tarn config reference` from the tables the program itself uses.\n\n"
		"Tarn reads `tarn.yaml` in the working folder, or the file given with `--config`. Each option can also be an environment variable (`TARN_LAKE_PUBLISH_INTERVAL=2s`,\n"
		"`TARN_SOURCES_BANK_TABLES=public.a,public.b`) or stand on the command line (`--set lake.publish_interval=2s`); the command line wins over the environment, the environment over the\n"
		"file. Relative paths are relative to the folder of the file; without a file, to the working folder. An unknown key, a wrong unit or a value out of range stops Tarn before it does\n"
		"anything. `tarn config show` prints what is in effect, with passwords hidden.\n\n"
		"Durations have a unit: `us`, `ms`, `s`, `m`, `h`, `d`. Sizes too: `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000), `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024).\n"
		"YAML anchors, aliases, tags and merge keys are not accepted.\n\n"
		"## Options\n\n");
	for (size_t i = 0; i < options_count; i++)
		put_option(&options_table[i], out);
	wbuf_putz(
		out,
		"## Sources\n\n`sources` maps a name (a-z, 0-9 and `_`; also the namespace of its tables in the lake) to:\n\n");
	put_nested(source_options, out);
	wbuf_putz(
		out,
		"## Pipelines\n\n`pipelines` is a list. When it is missing, each source gets one, with mirror and changelog; when it is there, a source without an entry is not captured.\n\n");
	put_nested(pipeline_options, out);
}

/* "# text", wrapped. */
static void put_comment(const char *indent, const char *text, struct wbuf *out)
{
	struct str rest = str_of(text);

	while (rest.n) {
		size_t width = 0, n = 0;

		while (n < rest.n && (n < 100 || width == 0)) {
			if (rest.p[n] == ' ')
				width = n;
			n++;
		}
		if (n == rest.n)
			width = n;
		wbuf_putf(out, "%s# %.*s\n", indent, (int)width, rest.p);
		rest = str_trim(str_view(rest.p + width, rest.n - width));
	}
}

static bool is_plain(const char *text)
{
	return text[0] &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-")] == 0 &&
	       text[0] != '-';
}

static void put_value(const char *text, struct wbuf *out)
{
	if (is_plain(text))
		wbuf_putz(out, text);
	else
		wbuf_put_json_str(out, str_of(text));
}

/* The two that everybody looks at are set; the others stand as comments with their defaults. */
static bool is_set_in_sample(const char *key)
{
	return strcmp(key, "state") == 0 || strcmp(key, "lake.warehouse") == 0;
}

static void sample_options(struct wbuf *out)
{
	struct str section = STR_LIT("");

	for (size_t i = 0; i < options_count; i++) {
		const struct option *option = &options_table[i];
		struct str name = str_of(option->key), head = STR_LIT("");
		const char *indent;

		if (memchr(name.p, '.', name.n))
			head = str_cut(&name, '.');
		if (head.n && !str_eq(head, section))
			wbuf_putf(out, "\n%.*s:\n", STR_FMT(head));
		section = head;
		indent = head.n ? "  " : "";
		put_comment(indent, option->doc, out);
		wbuf_putf(out, "%s%s%.*s: ", indent, is_set_in_sample(option->key) ? "" : "#", STR_FMT(name));
		put_value(option->preset, out);
		wbuf_putz(out, "\n");
	}
}

static void sample_source(const struct config_source *source, struct wbuf *out)
{
	wbuf_putz(out, "\nsources:\n");
	wbuf_putf(
		out,
		"  # The name is the namespace of the tables in the lake: %s.users, %s.users__changes.\n  %s:\n    postgres: ",
		source->name, source->name, source->name);
	wbuf_put_json_str(out, str_of(source->conninfo));
	wbuf_putz(out, "\n    tables: [");
	for (size_t i = 0; i < source->n_tables; i++) {
		wbuf_putz(out, i ? ", " : "");
		wbuf_put_json_str(out, str_of(source->tables[i]));
	}
	wbuf_putf(out, "]\n    snapshot: %s\n", source->snapshot_initial ? "initial" : "never");
	for (const struct nested_option *option = source_options; option->key; option++) {
		const char *value = NULL;

		if (strcmp(option->key, "slot") == 0)
			value = source->slot;
		else if (strcmp(option->key, "publication") == 0)
			value = source->publication;
		else if (strcmp(option->key, "password_env") == 0)
			value = source->password_env;
		else if (strcmp(option->key, "password_file") == 0)
			value = source->password_file;
		else
			continue;
		put_comment("    ", option->doc, out);
		wbuf_putf(out, "    %s%s: ", value ? "" : "#", option->key);
		put_value(value ? value : option->example, out);
		wbuf_putz(out, "\n");
	}
	wbuf_putf(
		out,
		"\npipelines:\n  # mirror: current rows by key. changelog: every change.\n  - {from: %s, to: lake, mode: [mirror, changelog]}\n",
		source->name);
}

void config_sample(struct wbuf *out, const struct config_source *source)
{
	static const char *tables[] = { "public.*" };
	static const struct config_source example = { .name = "bank",
		                                      .conninfo = "postgresql://tarn@localhost/bank",
		                                      .tables = tables,
		                                      .n_tables = 1,
		                                      .snapshot_initial = true };

	wbuf_putz(out, "# tarn.yaml: what Tarn does. Lines with # before a key show its default.\n"
	               "# 'tarn config reference' explains all keys, 'tarn doctor' checks what is set.\n\n");
	sample_options(out);
	sample_source(source ? source : &example, out);
}
