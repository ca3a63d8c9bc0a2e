/* src/config/config.h — the configuration as the program uses it. Made from options.def, tarn.yaml, TARN_...
 * variables and --set, in rising order of precedence.
 *
 * Immutable after config_load; freed whole. Unknown keys, wrong units or ranges, two tables mapped to one name are
 * ERR_CONFIG with file, line and the nearest valid key. Relative paths are relative to the folder of the file,
 * without a file to the working folder. YAML aliases, tags and second documents are refused. Secrets (password,
 * password_file content, passwords inside connection strings) are never printed: config_show masks them. */
#ifndef TARN_CONFIG_CONFIG_H
#define TARN_CONFIG_CONFIG_H

#include "base/err.h"
#include "base/wbuf.h"

enum source_kind { SOURCE_POSTGRES };

struct config_source {
	const char *name; /* namespace of its tables in the lake: [a-z0-9_]+ */
	enum source_kind kind;
	const char *conninfo; /* postgres: connection string as written */
	const char *password; /* from password_env or password_file; NULL: libpq's own ways */
	const char **tables;
	size_t n_tables;                          /* patterns; default public.* */
	bool snapshot_initial;                    /* snapshot: initial | never */
	int copy_connections;                     /* of the copy of one large table */
	const char *slot;                         /* default tarn_<name> */
	const char *publication;                  /* default tarn_<name> */
	int line;                                 /* in the file */
	const char *password_env, *password_file; /* as written (the file's path made absolute); NULL: not given */
};

struct config_pipeline {
	const char *from;       /* source name */
	bool mirror, changelog; /* mode: [mirror, changelog] */
	int line;
};

struct config {
	const char *path;      /* file it came from, NULL: none */
	const char *state;     /* absolute folder */
	const char *warehouse; /* URI, absolute: file:///srv/lake */
	struct config_source *sources;
	size_t n_sources;
	/* none in the file: one a source, mirror and changelog */
	struct config_pipeline *pipelines;
	size_t n_pipelines;
	/* serve: "" switches one off */
	const char *http, *catalog;
	/* scalar options, one row each in options.def */
	int64_t publish_interval_us; /* lake.publish_interval, default 1 s */
	int64_t publish_max_bytes;   /* lake.publish_bytes: pending bytes that force a publish */
	int64_t data_file_bytes;     /* lake.data_file_bytes: target size */
	bool compact;                /* lake.compact */
	int64_t keep_versions;       /* lake.keep_versions */
	int64_t keep_age_us;         /* lake.keep_age */
	int64_t orphan_age_us;       /* lake.orphan_age */
	int64_t journal_segment_bytes, journal_max_bytes;
	bool ack_publish; /* ack: journal | publish */
	int64_t sql_memory_bytes, sql_time_us;
	int64_t sql_threads;
	int64_t memory_bytes; /* memory: buffers of the apply side */
	int log_level;
	bool log_json;
	const char *log_path;
	int64_t log_rotate_bytes;
	int64_t log_keep;
};

struct config_opts {
	const char *path; /* NULL: ./tarn.yaml when it is there */
	const char *const *sets;
	size_t n_sets;        /* "key=value" */
	bool without_secrets; /* leave passwords unread: for commands that connect to no source */
	/* Says why a connection string cannot be read, without quoting it; NULL: any text passes. The reader is libpq's,
	 * which this folder may not include. */
	int (*check_conninfo)(const char *conninfo, struct err *err);
};
int config_load(const struct config_opts *opts, struct config **out, struct err *err) TARN_MUST_CHECK;
void config_free(struct config *config);
void config_show(const struct config *config, struct wbuf *out); /* YAML, effective values, secrets masked */
/* Commented tarn.yaml for `tarn init`; source may be NULL. The connection string is written as given: put no password
 * into it. */
void config_sample(struct wbuf *out, const struct config_source *source);
void config_reference(struct wbuf *out); /* docs/configuration.md, made from options.def */
struct config_source *config_find_source(const struct config *config, const char *name);
/* A connection string (URI or key=value) with each password replaced by "***". */
void config_mask_conninfo(struct str conninfo, struct wbuf *out);

#endif
