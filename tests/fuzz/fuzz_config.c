/* tests/fuzz/fuzz_config.c — tarn.yaml: any text is a configuration or an error with a reason; what is shown of one reads back. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "config/config_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int load(struct arena *arena, struct str text, struct config *config, struct err *err)
{
	const struct config_opts opts = { .without_secrets = true };
	struct bind bind = { .config = config, .arena = arena, .base = "/b", .opts = &opts };
	struct yaml_node *root;
	int rc = yaml_tree_parse(arena, text, "f", true, &root, err);

	return rc ? rc : config_bind_tree(&bind, root, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *arena = arena_new((size_t)64 << 20);
	struct config config = { 0 }, again = { 0 };
	struct wbuf shown, shown_again;
	struct err err;

	err_clear(&err);
	wbuf_init(&shown, 0);
	wbuf_init(&shown_again, 0);
	if (load(arena, str_view(data, n), &config, &err)) {
		if (!err.text[0])
			abort();
	} else {
		config_show(&config, &shown);
		if (load(arena, wbuf_str(&shown), &again, &err))
			abort();
		config_show(&again, &shown_again);
		if (!str_eq(wbuf_str(&shown), wbuf_str(&shown_again)))
			abort();
	}
	wbuf_free(&shown);
	wbuf_free(&shown_again);
	arena_free(arena);
	return 0;
}
