/* src/config/option.h — the rows of options.def as a table: parsing, ranges, printing. Private to config/. */
#ifndef TARN_CONFIG_OPTION_H
#define TARN_CONFIG_OPTION_H

#include "base/arena.h"
#include "config/config.h"

enum option_type {
	OPTION_DURATION,
	OPTION_SIZE,
	OPTION_INT,
	OPTION_BOOL,
	OPTION_FLAG,
	OPTION_CHOICE,
	OPTION_TEXT,
	OPTION_ADDRESS,
	OPTION_PATH,
	OPTION_MAYBE_PATH,
	OPTION_WAREHOUSE,
};

struct option {
	const char *key; /* "lake.publish_interval" */
	enum option_type type;
	size_t offset;      /* in struct config */
	const char *preset; /* default */
	int64_t min, max;
	const char *words; /* "journal|publish" */
	const char *doc, *example;
};

struct nested_option {
	const char *key;
	bool is_list;
	const char *doc, *example;
};

extern const struct option options_table[];
extern const size_t options_count;
extern const struct nested_option source_options[], pipeline_options[]; /* key NULL at the end */

const struct option *option_find(const char *key);
/* Parses text into config's field. base: absolute folder of relative paths. On failure ERR_CONFIG with the reason
 * only ("'10' needs a unit: ..."); the caller says where. */
int option_set(const struct option *option, struct config *config, struct arena *arena, const char *base,
               const char *text, struct err *err) TARN_MUST_CHECK;
/* as it would stand in the file, unquoted */
void option_print(const struct option *option, const struct config *config, struct wbuf *out);
bool option_is_text(const struct option *option); /* its printed value wants quotes in YAML */
/* "1.5s", "250ms"; "64MB", "4KiB". False with a reason in err. */
int option_parse_duration(const char *text, int64_t *us, struct err *err) TARN_MUST_CHECK;
int option_parse_size(const char *text, int64_t *bytes, struct err *err) TARN_MUST_CHECK;
/* base/path without "." and ".." parts; an absolute path stays. NULL: no memory. */
const char *option_absolute(struct arena *arena, const char *base, struct str path);
/* The environment variable: "lake.keep_age" -> "TARN_LAKE_KEEP_AGE". */
void option_variable(const char *key, char *out, size_t out_size);

#endif
