/* SPDX-License-Identifier: MIT */
#include "container/log_config.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/size.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum { JSON_FILE = 1, LOCAL = 2, SYSLOG = 4, JOURNALD = 8, NONE = 16 };

#define FILES (JSON_FILE | LOCAL)
#define ANY (FILES | SYSLOG | JOURNALD)
#define DEFAULT_SIZE (20 << 20)
#define DEFAULT_FILES 5
#define DEFAULT_BUFFER (1 << 20)
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static const struct {
	const char *name;
	unsigned driver;
} drivers[] = {
	{"json-file", JSON_FILE},
	{"local", LOCAL},
	{"syslog", SYSLOG},
	{"journald", JOURNALD},
	{"none", NONE},
};

static const struct {
	const char *name;
	unsigned drivers;
} options[] = {
	{"max-size", FILES},
	{"max-file", FILES},
	{"compress", FILES},
	{"mode", ANY},
	{"max-buffer-size", ANY},
	{"labels", ANY},
	{"labels-regex", ANY},
	{"env", ANY},
	{"env-regex", ANY},
	{"tag", ANY},
	{"syslog-address", SYSLOG},
	{"syslog-facility", SYSLOG},
	{"syslog-format", SYSLOG},
};

static const struct {
	const char *name;
	int number;
} facilities[] = {
	{"kern", LOG_KERN},
	{"user", LOG_USER},
	{"mail", LOG_MAIL},
	{"daemon", LOG_DAEMON},
	{"auth", LOG_AUTH},
	{"syslog", LOG_SYSLOG},
	{"lpr", LOG_LPR},
	{"news", LOG_NEWS},
	{"uucp", LOG_UUCP},
	{"cron", LOG_CRON},
	{"authpriv", LOG_AUTHPRIV},
	{"ftp", LOG_FTP},
	{"local0", LOG_LOCAL0},
	{"local1", LOG_LOCAL1},
	{"local2", LOG_LOCAL2},
	{"local3", LOG_LOCAL3},
	{"local4", LOG_LOCAL4},
	{"local5", LOG_LOCAL5},
	{"local6", LOG_LOCAL6},
	{"local7", LOG_LOCAL7},
};

static unsigned driver_bit(const char *name)
{
	for (guint i = 0; i < G_N_ELEMENTS(drivers); i++) {
		if (g_strcmp0(drivers[i].name, name) == 0)
			return drivers[i].driver;
	}
	return 0;
}

const char *log_driver(const Container *c)
{
	const char *name = c->host_config->log_config.type;
	if (!name || !*name)
		name = c->engine->config.log_driver;
	return name && *name ? name : "json-file";
}

char *log_file_path(const Container *c)
{
	switch (driver_bit(log_driver(c))) {
	case JSON_FILE:
		return g_strdup(c->log_path);
	case LOCAL:
		return g_build_filename(c->dir, "local.log", NULL);
	default:
		return NULL;
	}
}

int64_t log_dropped(Container *c)
{
	g_autofree char *path = g_build_filename(c->dir, SHIM_DROPPED_NAME, NULL);
	g_autofree char *text = dh_read_file(AT_FDCWD, path, 64, NULL, NULL);
	g_mutex_lock(&c->state_lock);
	int64_t n = c->state.log_dropped;
	g_mutex_unlock(&c->state_lock);
	return n + (text ? g_ascii_strtoll(text, NULL, 10) : 0);
}

static const char *option(const HostConfig *h, const char *name)
{
	GHashTable *config = h->log_config.config;
	const char *v = config ? g_hash_table_lookup(config, name) : NULL;
	return v && *v ? v : NULL;
}

/* ---- tags ---- */

/* The fields of docker's tag templates, {{.ID}} and its like. */
static char *tag_field(Container *c, const char *name)
{
	const char *slash = strchr(c->image_id ? c->image_id : "", ':');
	const char *image = slash ? slash + 1 : c->image_id ? c->image_id : "";
	if (strcmp(name, ".ID") == 0)
		return g_strndup(c->id, DH_SHORT_ID_LEN);
	if (strcmp(name, ".FullID") == 0)
		return g_strdup(c->id);
	if (strcmp(name, ".Name") == 0 || strcmp(name, ".FullName") == 0)
		return g_strconcat(name[1] == 'F' ? "/" : "", c->name, NULL);
	if (strcmp(name, ".ImageID") == 0)
		return g_strndup(image, DH_SHORT_ID_LEN);
	if (strcmp(name, ".ImageFullID") == 0)
		return g_strdup(c->image_id);
	if (strcmp(name, ".ImageName") == 0)
		return g_strdup(c->config->image);
	if (strcmp(name, ".DaemonName") == 0)
		return g_strdup("docker");
	if (strcmp(name, ".Hostname") == 0)
		return g_strdup(g_get_host_name());
	return NULL;
}

/* c NULL: only whether it makes sense ("" then). */
static char *expand_tag(Container *c, const char *template, GError **error)
{
	static const char *const known[] = {".ID", ".FullID", ".Name", ".FullName", ".ImageID",
		".ImageFullID", ".ImageName", ".DaemonName", ".Hostname", NULL};
	g_autoptr(GString) out = g_string_new(NULL);
	const char *open;
	while ((open = strstr(template, "{{"))) {
		g_string_append_len(out, template, open - template);
		const char *close = strstr(open, "}}");
		g_autofree char *name =
			close ? g_strndup(open + 2, (gsize)(close - open - 2)) : g_strdup("");
		g_strstrip(name);
		if (!close || !g_strv_contains(known, name)) {
			dh_error(error, DH_ERROR_INVALID,
				"invalid log tag template: \"%s\" is not one of its fields", name);
			return NULL;
		}
		g_autofree char *value = c ? tag_field(c, name) : NULL;
		g_string_append(out, value ? value : "");
		template = close + 2;
	}
	g_string_append(out, template);
	return g_string_free(g_steal_pointer(&out), FALSE);
}

/* ---- checking ---- */

/* "unix:///dev/log", "udp://host:514" ...: network and the rest. NULL: not one. */
static const char *split_address(const char *address, char **ret_network)
{
	static const char *const networks[] = {"unix", "unixgram", "udp", "tcp"};
	for (guint i = 0; i < G_N_ELEMENTS(networks); i++) {
		g_autofree char *start = g_strconcat(networks[i], "://", NULL);
		if (g_str_has_prefix(address, start)) {
			*ret_network = g_strdup(networks[i]);
			return address + strlen(start);
		}
	}
	return NULL;
}

static gboolean validate_syslog(const HostConfig *h, GError **error)
{
	const char *address = option(h, "syslog-address"), *format = option(h, "syslog-format");
	const char *facility = option(h, "syslog-facility");
	g_autofree char *network = NULL;
	if (address && g_str_has_prefix(address, "tcp+tls://"))
		return dh_error(error, DH_ERROR_NOT_BUILT, "syslog over TLS is not built yet");
	if (address && !split_address(address, &network))
		return dh_error(error, DH_ERROR_INVALID,
			"syslog-address should be in form proto://address, got %s", address);
	if (format && strcmp(format, "rfc3164") != 0 && strcmp(format, "rfc5424") != 0 &&
		strcmp(format, "rfc5424micro") != 0)
		return dh_error(error, DH_ERROR_INVALID, "Invalid syslog format");
	for (guint i = 0; facility && i < G_N_ELEMENTS(facilities); i++) {
		if (strcmp(facility, facilities[i].name) == 0)
			facility = NULL;
	}
	char *end = NULL;
	gint64 number = facility ? g_ascii_strtoll(facility, &end, 10) : 0;
	if (facility && (*end || number < 0 || number > 23))
		return dh_error(error, DH_ERROR_INVALID, "invalid syslog facility");
	return TRUE;
}

static gboolean validate_regex(const HostConfig *h, const char *name, GError **error)
{
	const char *text = option(h, name);
	g_autoptr(GRegex) re = text ? g_regex_new(text, 0, 0, error) : NULL;
	return !text || re || (g_prefix_error(error, "invalid %s: ", name), FALSE);
}

static gboolean validate_files(const HostConfig *h, unsigned driver, GError **error)
{
	const char *size = option(h, "max-size"), *files = option(h, "max-file");
	const char *compress = option(h, "compress");
	int64_t bytes = DEFAULT_SIZE;
	if (size && !dh_size_parse(size, &bytes, error))
		return FALSE;
	char *end = NULL;
	gint64 n = files ? g_ascii_strtoll(files, &end, 10) : size ? 1 : DEFAULT_FILES;
	if (files && (*end || n < 1))
		return dh_error(error, DH_ERROR_INVALID, "max-file cannot be less than 1");
	if (n > 1000)
		return dh_error(error, DH_ERROR_INVALID, "max-file cannot be more than 1000");
	if (!compress || strcmp(compress, "false") == 0)
		return TRUE;
	if (strcmp(compress, "true") != 0)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid value for compress: %s", compress);
	if (driver == JSON_FILE && (n < 2 || bytes <= 0))
		return dh_error(error, DH_ERROR_INVALID,
			"compress cannot be true when max-file is less than 2 or max-size is not "
			"set");
	return TRUE;
}

static gboolean validate_mode(const HostConfig *h, GError **error)
{
	const char *mode = option(h, "mode"), *buffer = option(h, "max-buffer-size");
	int64_t bytes;
	if (mode && strcmp(mode, "blocking") != 0 && strcmp(mode, "non-blocking") != 0)
		return dh_error(
			error, DH_ERROR_INVALID, "logger: logging mode \"%s\" not supported", mode);
	if (buffer && g_strcmp0(mode, "non-blocking") != 0)
		return dh_error(error, DH_ERROR_INVALID,
			"logger: max-buffer-size option is only supported with "
			"'mode=non-blocking'");
	return !buffer || dh_size_parse(buffer, &bytes, error);
}

gboolean log_config_validate(const HostConfig *h, GError **error)
{
	static const char *const not_built[] = {
		"gelf", "fluentd", "awslogs", "splunk", "etwlogs", "gcplogs", "logentries", NULL};
	const char *type =
		h->log_config.type && *h->log_config.type ? h->log_config.type : "json-file";
	unsigned driver = driver_bit(type);
	if (!driver && g_strv_contains(not_built, type))
		return dh_error(
			error, DH_ERROR_NOT_BUILT, "logging driver '%s' is not built yet", type);
	if (!driver)
		return dh_error(error, DH_ERROR_INVALID,
			"logger: no log driver named '%s' is registered", type);
	GHashTableIter it;
	void *key;
	if (!h->log_config.config || driver == NONE)
		return TRUE;
	g_hash_table_iter_init(&it, h->log_config.config);
	while (g_hash_table_iter_next(&it, &key, NULL)) {
		guint i = 0;
		while (i < G_N_ELEMENTS(options) &&
			(strcmp(key, options[i].name) != 0 || !(options[i].drivers & driver)))
			i++;
		if (i == G_N_ELEMENTS(options))
			return dh_error(error, DH_ERROR_INVALID,
				"unknown log opt '%s' for %s log driver", (char *)key, type);
	}
	const char *tag = option(h, "tag");
	g_autofree char *expanded = tag ? expand_tag(NULL, tag, error) : NULL;
	return (!tag || expanded) && validate_mode(h, error) &&
	       (!(driver & FILES) || validate_files(h, driver, error)) &&
	       (driver != SYSLOG || validate_syslog(h, error)) &&
	       validate_regex(h, "labels-regex", error) && validate_regex(h, "env-regex", error);
}

/* ---- attributes ---- */

static gboolean is_wanted(char *const *names, GRegex *re, const char *name)
{
	return (names && g_strv_contains((const char *const *)names, name)) ||
	       (re && g_regex_match(re, name, 0, NULL));
}

static void add_attribute(json_t *to, const char *name, const char *value)
{
	g_autofree char *key = g_utf8_make_valid(name, -1);
	g_autofree char *text = g_utf8_make_valid(value, -1);
	json_object_set_new(to, key, json_string(text));
}

/* Labels and variables that were asked for, by name or by pattern; NULL: none. */
static json_t *attributes(const Container *c)
{
	const HostConfig *h = c->host_config;
	const char *labels = option(h, "labels"), *env = option(h, "env");
	const char *labels_re = option(h, "labels-regex"), *env_re = option(h, "env-regex");
	g_auto(GStrv) label_names = labels ? g_strsplit(labels, ",", -1) : NULL;
	g_auto(GStrv) env_names = env ? g_strsplit(env, ",", -1) : NULL;
	g_autoptr(GRegex) label_pattern = labels_re ? g_regex_new(labels_re, 0, 0, NULL) : NULL;
	g_autoptr(GRegex) env_pattern = env_re ? g_regex_new(env_re, 0, 0, NULL) : NULL;
	g_autoptr(json_t) out = json_object();
	GHashTableIter it;
	void *key, *value;
	if (c->config->labels && (label_names || label_pattern)) {
		g_hash_table_iter_init(&it, c->config->labels);
		while (g_hash_table_iter_next(&it, &key, &value)) {
			if (is_wanted(label_names, label_pattern, key))
				add_attribute(out, key, value);
		}
	}
	for (char **e = c->config->env; e && *e; e++) {
		g_autofree char *name = g_strndup(*e, strcspn(*e, "="));
		if (strchr(*e, '=') && is_wanted(env_names, env_pattern, name))
			add_attribute(out, name, strchr(*e, '=') + 1);
	}
	return json_object_size(out) > 0 ? g_steal_pointer(&out) : NULL;
}

/* ---- for the shim ---- */

static void set(json_t *o, const char *name, const char *value)
{
	add_attribute(o, name, value ? value : "");
}

/* "host:port", the port being 514 when there is none, as numbers: the shim asks no name server. */
static char *resolve(const char *text, const char *network, GError **error)
{
	const char *colon = strrchr(text, ':');
	const char *bracket = strrchr(text, ']');
	if (colon && bracket && colon < bracket)
		colon = NULL;
	g_autofree char *host = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
	size_t n = strlen(host);
	if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		memmove(host, host + 1, n - 1);
	}
	const struct addrinfo hints = {
		.ai_socktype = *network == 't' ? SOCK_STREAM : SOCK_DGRAM,
		.ai_flags = AI_ADDRCONFIG,
	};
	struct addrinfo *list = NULL;
	char numeric[64], port[16];
	int r = getaddrinfo(*host ? host : "localhost", colon ? colon + 1 : "514", &hints, &list);
	if (r == 0)
		r = getnameinfo(list->ai_addr, list->ai_addrlen, numeric, sizeof numeric, port,
			sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
	if (list)
		freeaddrinfo(list);
	if (r != 0) {
		dh_error(error, DH_ERROR_SYSTEM,
			"failed to initialize logging driver: dial %s: lookup %s: %s", network,
			text, gai_strerror(r));
		return NULL;
	}
	return g_strconcat(numeric, ":", port, NULL);
}

static gboolean fill_syslog(Container *c, json_t *o, const char *tag, GError **error)
{
	const HostConfig *h = c->host_config;
	const char *address = option(h, "syslog-address"), *facility = option(h, "syslog-facility");
	g_autofree char *network = NULL, *numeric = NULL;
	const char *rest = split_address(address ? address : "unix:///dev/log", &network);
	if (!rest)
		return dh_error(error, DH_ERROR_INVALID, "invalid syslog-address: %s", address);
	if (*network != 'u' || network[1] == 'd') {
		numeric = resolve(rest, network, error);
		if (!numeric)
			return FALSE;
		rest = numeric;
	}
	int number = facility ? atoi(facility) : LOG_DAEMON >> 3;
	for (guint i = 0; facility && i < G_N_ELEMENTS(facilities); i++) {
		if (strcmp(facility, facilities[i].name) == 0)
			number = facilities[i].number >> 3;
	}
	g_autofree char *text = g_strdup_printf("%d", number);
	set(o, "network", network);
	set(o, "address", rest);
	set(o, "facility", text);
	set(o, "format", option(h, "syslog-format"));
	set(o, "hostname", g_get_host_name());
	set(o, "tag", tag);
	return TRUE;
}

/* Journal fields have upper-case letters, digits and underscores. */
static void fill_journald(Container *c, json_t *o, const char *tag)
{
	g_autofree char *short_id = g_strndup(c->id, DH_SHORT_ID_LEN);
	g_autoptr(json_t) extra = attributes(c);
	const char *key;
	json_t *v;
	json_object_foreach (extra, key, v) {
		g_autofree char *name = g_ascii_strup(key, -1);
		g_strcanon(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", '_');
		if (g_ascii_isupper(*name))
			set(o, name, json_string_value(v));
	}
	set(o, "network", "unixgram");
	set(o, "address", JOURNAL_SOCKET);
	set(o, "CONTAINER_ID", short_id);
	set(o, "CONTAINER_ID_FULL", c->id);
	set(o, "CONTAINER_NAME", c->name);
	set(o, "CONTAINER_TAG", tag);
	set(o, "SYSLOG_IDENTIFIER", tag);
	set(o, "IMAGE_NAME", c->config->image);
}

static void fill_files(const HostConfig *h, unsigned driver, ShimLog *log)
{
	const char *size = option(h, "max-size"), *files = option(h, "max-file");
	const char *compress = option(h, "compress");
	/* Rotated unless the user asks for "-1": a full disk is no feature. */
	if (!size || !dh_size_parse(size, &log->max_size, NULL))
		log->max_size = DEFAULT_SIZE;
	log->max_files = files                         ? g_ascii_strtoll(files, NULL, 10)
			 : size && driver == JSON_FILE ? 1
						       : DEFAULT_FILES;
	log->compress = compress ? strcmp(compress, "true") == 0 : driver == LOCAL;
}

gboolean log_config_fill(Container *c, ShimLog *ret, GError **error)
{
	const HostConfig *h = c->host_config;
	unsigned driver = driver_bit(log_driver(c));
	const char *buffer = option(h, "max-buffer-size");
	*ret = (ShimLog){.driver = (char *)log_driver(c), .max_size = -1, .max_files = 1};
	if (driver == NONE || !driver)
		return TRUE;
	ret->path = driver & FILES ? log_file_path(c) : g_strdup("");
	ret->non_blocking = g_strcmp0(option(h, "mode"), "non-blocking") == 0;
	ret->apart = ret->non_blocking || !(driver & FILES);
	if (!buffer || !dh_size_parse(buffer, &ret->max_buffer, NULL))
		ret->max_buffer = DEFAULT_BUFFER;
	const char *template = option(h, "tag");
	g_mutex_lock(&c->state_lock);
	g_autofree char *tag = expand_tag(c, template ? template : "{{.ID}}", error);
	g_mutex_unlock(&c->state_lock);
	if (!tag)
		return FALSE;
	if (driver & FILES) {
		fill_files(h, driver, ret);
		ret->attrs = attributes(c);
		if (template && !ret->attrs)
			ret->attrs = json_object();
		if (template)
			set(ret->attrs, "tag", tag);
		return TRUE;
	}
	ret->options = json_object();
	if (driver == SYSLOG)
		return fill_syslog(c, ret->options, tag, error);
	fill_journald(c, ret->options, tag);
	return TRUE;
}

void log_config_clear(ShimLog *log)
{
	g_clear_pointer(&log->path, g_free);
	json_decref(log->attrs);
	json_decref(log->options);
	log->attrs = log->options = NULL;
}
