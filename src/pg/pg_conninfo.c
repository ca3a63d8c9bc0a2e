/* src/pg/pg_conninfo.c — connection strings read by libpq's own parser, and written without passwords. */
#include "pg/pg_conninfo.h"

#include <string.h>

#include <libpq-fe.h>

static bool is_uri(const char *s)
{
	return str_starts(str_of(s), "postgresql://") || str_starts(str_of(s), "postgres://");
}

/* Without '=' and scheme libpq takes the whole as a database's name. */
static bool is_name(const char *s) { return !strchr(s, '=') && !is_uri(s); }

/* One port, or one for each host; an empty one stands for the default. libpq looks at them only when it connects. */
static bool is_port_list(const char *text)
{
	struct str rest = str_of(text);

	while (rest.n) {
		struct str port = str_cut(&rest, ',');
		uint64_t n;

		if (port.n && (!str_to_u64(port, &n) || n == 0 || n > 65535))
			return false;
	}
	return true;
}

/* libpq's own messages may quote the string with its password, so they are never shown. */
int pg_conninfo_check(const char *conninfo, struct err *err)
{
	PQconninfoOption *options;
	int rc = ERR_OK;

	if (is_name(conninfo))
		return strpbrk(conninfo, ":/@")
		               ? err_set(err, ERR_CONFIG,
		                         "the connection string is neither postgresql://USER@HOST:PORT/DATABASE nor 'host=... dbname=...'")
		               : ERR_OK;
	options = PQconninfoParse(conninfo, NULL);
	if (!options)
		return err_set(
			err, ERR_CONFIG,
			"the connection string cannot be read: write postgresql://USER@HOST:PORT/DATABASE (special characters percent-encoded) or 'host=... dbname=...' (values with blanks in single quotes)");
	for (PQconninfoOption *o = options; o->keyword; o++) {
		/* An '@' or ':' of a password that is not encoded ends up here; showing the host would show part of it. */
		if (o->val && (strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "port") == 0) &&
		    o->val[0] != '/' && strpbrk(o->val, "@ "))
			rc = err_set(
				err, ERR_CONFIG,
				"the connection string's %s holds '@' or a blank: percent-encode special characters of user and password (%%40 for @), or give the password by password_env",
				o->keyword);
		else if (o->val && strcmp(o->keyword, "port") == 0 && !is_port_list(o->val))
			rc = err_set(err, ERR_CONFIG, "the connection string's port is no number from 1 to 65535");
	}
	PQconninfoFree(options);
	return rc;
}

static bool secret(const char *keyword)
{
	return strcmp(keyword, "password") == 0 || strcmp(keyword, "sslpassword") == 0;
}

/* key='value' with libpq's escapes; plain where it can be. */
static void put_pair(struct wbuf *out, const char *key, const char *value)
{
	wbuf_putf(out, "%s%s=", out->n ? " " : "", key);
	if (*value && !strpbrk(value, " \t\r\n\f\v'\\")) {
		wbuf_putz(out, value);
		return;
	}
	wbuf_putz(out, "'");
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			wbuf_putz(out, "\\");
		wbuf_put_u8(out, (uint8_t)*value);
	}
	wbuf_putz(out, "'");
}

static void put_encoded(struct wbuf *out, const char *value, const char *also)
{
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._~", c) ||
		    strchr(also, c))
			wbuf_put_u8(out, c);
		else
			wbuf_putf(out, "%%%02X", c);
	}
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword; options++)
		if (strcmp(options->keyword, keyword) == 0 && options->val)
			return options->val;
	return "";
}

/* One host goes into the URI's head; several, and sockets, into its query part, which libpq takes as well. */
static void put_uri(struct wbuf *out, const PQconninfoOption *options)
{
	const char *user = value_of(options, "user"), *host = value_of(options, "host"),
		   *port = value_of(options, "port"), *name = value_of(options, "dbname");
	bool plain = *host && !strpbrk(host, ",/:");
	char mark = '?';

	wbuf_putz(out, "postgresql://");
	put_encoded(out, user, "");
	wbuf_putz(out, *user ? "@" : "");
	if (plain) {
		put_encoded(out, host, "");
		wbuf_putf(out, "%s%s", *port ? ":" : "", port);
	}
	wbuf_putz(out, "/");
	put_encoded(out, name, "");
	for (; options->keyword; options++) {
		const char *key = options->keyword;

		if (!options->val || secret(key) || strcmp(key, "user") == 0 || strcmp(key, "dbname") == 0 ||
		    (plain && (strcmp(key, "host") == 0 || strcmp(key, "port") == 0)))
			continue;
		wbuf_putf(out, "%c%s=", mark, key);
		put_encoded(out, options->val, ",/:");
		mark = '&';
	}
}

int pg_conninfo_public(const char *conninfo, struct wbuf *out, bool *had, struct err *err)
{
	PQconninfoOption *options;
	int rc = pg_conninfo_check(conninfo, err);

	*had = false;
	if (rc)
		return rc;
	options = is_name(conninfo) ? NULL : PQconninfoParse(conninfo, NULL);
	for (PQconninfoOption *o = options; o && o->keyword; o++)
		*had = *had || (secret(o->keyword) && o->val && *o->val);
	if (!*had)
		wbuf_putz(out, conninfo);
	else if (is_uri(conninfo))
		put_uri(out, options);
	else
		for (PQconninfoOption *o = options; o->keyword; o++)
			if (o->val && !secret(o->keyword))
				put_pair(out, o->keyword, o->val);
	PQconninfoFree(options);
	return wbuf_check(out, err, "the connection string");
}
