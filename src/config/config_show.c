/* src/config/config_show.c — the effective configuration as YAML that config_load would take again (but for hidden
 * passwords). */
#include <string.h>

#include "base/mem.h"
#include "config/config_int.h"

/* Double-quoted YAML takes JSON's escapes. */
static void put_quoted(struct wbuf *out, const char *text) { wbuf_put_json_str(out, str_of(text)); }

static void show_option(const struct option *option, const struct config *config, struct wbuf *out)
{
	struct wbuf text;

	if (!option_is_text(option)) {
		option_print(option, config, out);
		return;
	}
	wbuf_init(&text, 4096);
	option_print(option, config, &text);
	put_quoted(out, wbuf_cstr(&text));
	wbuf_free(&text);
}

static void show_options(const struct config *config, struct wbuf *out)
{
	struct str section = STR_LIT("");

	for (size_t i = 0; i < options_count; i++) {
		struct str name = str_of(options_table[i].key), head = STR_LIT("");

		if (memchr(name.p, '.', name.n))
			head = str_cut(&name, '.');
		if (head.n && !str_eq(head, section))
			wbuf_putf(out, "%.*s:\n", STR_FMT(head));
		section = head;
		wbuf_putf(out, "%s%.*s: ", head.n ? "  " : "", STR_FMT(name));
		show_option(&options_table[i], config, out);
		wbuf_putz(out, "\n");
	}
}

static void show_source(const struct config_source *source, struct wbuf *out)
{
	struct wbuf masked;

	wbuf_init(&masked, 1 << 20);
	config_mask_conninfo(str_of(source->conninfo), &masked);
	wbuf_putf(out, "  %s:\n    postgres: ", source->name);
	put_quoted(out, wbuf_cstr(&masked));
	wbuf_free(&masked);
	wbuf_putz(out, "\n    tables: [");
	for (size_t i = 0; i < source->n_tables; i++) {
		wbuf_putz(out, i ? ", " : "");
		put_quoted(out, source->tables[i]);
	}
	wbuf_putf(out, "]\n    snapshot: %s\n    copy_connections: %d\n    slot: ",
	          source->snapshot_initial ? "initial" : "never", source->copy_connections);
	put_quoted(out, source->slot);
	wbuf_putz(out, "\n    publication: ");
	put_quoted(out, source->publication);
	wbuf_putz(out, "\n");
	if (source->password_env) {
		wbuf_putz(out, "    password_env: ");
		put_quoted(out, source->password_env);
		wbuf_putz(out, "\n");
	}
	if (source->password_file) {
		wbuf_putz(out, "    password_file: ");
		put_quoted(out, source->password_file);
		wbuf_putz(out, "\n");
	}
}

void config_show(const struct config *config, struct wbuf *out)
{
	wbuf_putf(out, "# %s\n", config->path ? config->path : "no configuration file");
	show_options(config, out);
	wbuf_putz(out, config->n_sources ? "sources:\n" : "sources: {}\n");
	for (size_t i = 0; i < config->n_sources; i++)
		show_source(&config->sources[i], out);
	wbuf_putz(out, config->n_pipelines ? "pipelines:\n" : "pipelines: []\n");
	for (size_t i = 0; i < config->n_pipelines; i++) {
		const struct config_pipeline *pipeline = &config->pipelines[i];

		wbuf_putz(out, "  - {from: ");
		put_quoted(out, pipeline->from); /* a source may be called null */
		wbuf_putf(out, ", to: lake, mode: [%s%s%s]}\n", pipeline->mirror ? "mirror" : "",
		          pipeline->mirror && pipeline->changelog ? ", " : "", pipeline->changelog ? "changelog" : "");
	}
}
