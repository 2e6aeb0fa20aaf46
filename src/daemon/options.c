/* SPDX-License-Identifier: MIT */
#include "daemon/options.h"

#include "base/error.h"
#include "base/fs.h"
#include "container/runtimes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Raw values, before defaults: NULL means "not said". */
typedef struct {
	char *data_root, *exec_root, *pidfile, *group, *log_level, *log_driver, *bridge, *bip,
		*fixed_cidr, *default_ip, *cgroup_parent, *config_file, *icc, *ip_forward, *ip_masq,
		*live_restore, *default_runtime, *userns_remap;
	char **add_runtime;
	json_t *runtimes;
	char **hosts, **log_opts, **dns, **dns_search, **dns_opts, **labels, **insecure, **mirrors;
	int64_t mtu, shutdown_timeout, max_downloads, max_uploads, max_attempts;
	int mtu_flag, shutdown_flag, downloads_flag, uploads_flag, attempts_flag;
	gboolean debug, version, validate, init;
	int handover;
	GHashTable *log_opts_map;
	gboolean no_reserve;
	int no_reserve_key;
	int debug_key, icc_key, ip_forward_key, ip_masq_key, live_restore_key;
} Raw;

/* daemon.json. "graph" is the book's old name for data-root. */
static const DhJsonField file_fields[] = {
	DH_F(STRING, Raw, data_root, "data-root", 0),
	DH_F(STRING, Raw, exec_root, "exec-root", 0),
	DH_F(STRING, Raw, pidfile, "pidfile", 0),
	DH_F(STRING, Raw, group, "group", 0),
	DH_F(STRV, Raw, hosts, "hosts", 0),
	DH_F(STRING, Raw, log_level, "log-level", 0),
	DH_F(STRING, Raw, log_driver, "log-driver", 0),
	DH_F(STRMAP, Raw, log_opts_map, "log-opts", 0),
	DH_F(STRING, Raw, bridge, "bridge", 0),
	DH_F(STRING, Raw, bip, "bip", 0),
	DH_F(STRING, Raw, fixed_cidr, "fixed-cidr", 0),
	DH_F(STRING, Raw, default_ip, "ip", 0),
	DH_F(INT, Raw, mtu, "mtu", 0),
	DH_F(TRISTATE, Raw, icc_key, "icc", 0),
	DH_F(TRISTATE, Raw, ip_forward_key, "ip-forward", 0),
	DH_F(TRISTATE, Raw, ip_masq_key, "ip-masq", 0),
	DH_F(STRV, Raw, dns, "dns", 0),
	DH_F(STRV, Raw, dns_search, "dns-search", 0),
	DH_F(STRV, Raw, dns_opts, "dns-opts", 0),
	DH_F(STRV, Raw, labels, "labels", 0),
	DH_F(STRING, Raw, cgroup_parent, "cgroup-parent", 0),
	DH_F(INT, Raw, shutdown_timeout, "shutdown-timeout", 0),
	DH_F(STRV, Raw, insecure, "insecure-registries", 0),
	DH_F(STRV, Raw, mirrors, "registry-mirrors", 0),
	DH_F(INT, Raw, max_downloads, "max-concurrent-downloads", 0),
	DH_F(INT, Raw, max_uploads, "max-concurrent-uploads", 0),
	DH_F(INT, Raw, max_attempts, "max-download-attempts", 0),
	DH_F(TRISTATE, Raw, no_reserve_key, "no-reserve", 0),
	DH_F(STRING, Raw, userns_remap, "userns-remap", 0),
	DH_F(TRISTATE, Raw, debug_key, "debug", 0),
	DH_F(TRISTATE, Raw, live_restore_key, "live-restore", 0),
	DH_F(STRING, Raw, default_runtime, "default-runtime", 0),
	DH_F(RAW, Raw, runtimes, "runtimes", 0),
};
static DH_JSON_TABLE(file_table, Raw, file_fields, TRUE);

static gboolean parse_flags(char *const *args, Raw *r, GError **error)
{
	/* Booleans that default to true are strings, so that "--icc=false" works. */
	const GOptionEntry entries[] = {
		{"data-root", 'g', 0, G_OPTION_ARG_FILENAME, &r->data_root,
			"Root directory of persistent state (default " DEFAULT_DATA_ROOT ")",
			"DIR"},
		{"graph", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &r->data_root, NULL,
			NULL},
		{"exec-root", 0, 0, G_OPTION_ARG_FILENAME, &r->exec_root,
			"Root directory of run-time state (default " DEFAULT_EXEC_ROOT ")", "DIR"},
		{"host", 'H', 0, G_OPTION_ARG_STRING_ARRAY, &r->hosts,
			"Socket to listen on, repeatable (default " DEFAULT_HOST ")",
			"unix://PATH|fd://"},
		{"pidfile", 'p', 0, G_OPTION_ARG_FILENAME, &r->pidfile,
			"File for the daemon's process ID (default " DEFAULT_PIDFILE ")", "FILE"},
		{"group", 'G', 0, G_OPTION_ARG_STRING, &r->group, "Group that may use the socket",
			"NAME"},
		{"config-file", 0, 0, G_OPTION_ARG_FILENAME, &r->config_file,
			"Configuration file (default " DEFAULT_CONFIG_FILE ")", "FILE"},
		{"bridge", 'b', 0, G_OPTION_ARG_STRING, &r->bridge,
			"Network bridge, created when absent (default dhow0)", "NAME"},
		{"bip", 0, 0, G_OPTION_ARG_STRING, &r->bip,
			"Address of the bridge (default: the first free subnet)", "CIDR"},
		{"fixed-cidr", 0, 0, G_OPTION_ARG_STRING, &r->fixed_cidr,
			"Range for the containers' addresses", "CIDR"},
		{"mtu", 0, 0, G_OPTION_ARG_INT, &r->mtu_flag, "MTU of containers' interfaces", "N"},
		{"icc", 0, 0, G_OPTION_ARG_STRING, &r->icc,
			"Let containers talk to each other (default true)", "BOOL"},
		{"ip", 0, 0, G_OPTION_ARG_STRING, &r->default_ip,
			"Address that ports are published on by default (0.0.0.0)", "IP"},
		{"ip-forward", 0, 0, G_OPTION_ARG_STRING, &r->ip_forward,
			"Enable net.ipv4.ip_forward (default true)", "BOOL"},
		{"ip-masq", 0, 0, G_OPTION_ARG_STRING, &r->ip_masq,
			"Enable masquerading (default true)", "BOOL"},
		{"dns", 0, 0, G_OPTION_ARG_STRING_ARRAY, &r->dns, "DNS server of containers", "IP"},
		{"dns-search", 0, 0, G_OPTION_ARG_STRING_ARRAY, &r->dns_search, "DNS search domain",
			"NAME"},
		{"dns-opt", 0, 0, G_OPTION_ARG_STRING_ARRAY, &r->dns_opts, "DNS option", "OPTION"},
		{"label", 0, 0, G_OPTION_ARG_STRING_ARRAY, &r->labels, "Label of the daemon",
			"KEY=VALUE"},
		{"log-driver", 0, 0, G_OPTION_ARG_STRING, &r->log_driver,
			"Default log driver of containers (json-file)", "NAME"},
		{"log-opt", 0, 0, G_OPTION_ARG_STRING_ARRAY, &r->log_opts, "Default log option",
			"KEY=VALUE"},
		{"log-level", 'l', 0, G_OPTION_ARG_STRING, &r->log_level,
			"The daemon's own log: debug, info, warn, error", "LEVEL"},
		{"debug", 'D', 0, G_OPTION_ARG_NONE, &r->debug, "Same as --log-level debug", NULL},
		{"cgroup-parent", 0, 0, G_OPTION_ARG_STRING, &r->cgroup_parent,
			"Parent of the containers' cgroups", "PATH"},
		{"add-runtime", 0, 0, G_OPTION_ARG_STRING_ARRAY, &r->add_runtime,
			"Another OCI runtime, for --runtime NAME, repeatable", "NAME=PATH"},
		{"default-runtime", 0, 0, G_OPTION_ARG_STRING, &r->default_runtime,
			"Runtime of containers that name none", "NAME"},
		{"live-restore", 0, 0, G_OPTION_ARG_STRING, &r->live_restore,
			"Accepted; containers always survive the daemon", "BOOL"},
		{"shutdown-timeout", 0, 0, G_OPTION_ARG_INT, &r->shutdown_flag, "Accepted",
			"SECONDS"},
		{"insecure-registry", 0, 0, G_OPTION_ARG_STRING_ARRAY, &r->insecure,
			"Registry that may speak HTTP or show any certificate, repeatable",
			"HOST|CIDR"},
		{"registry-mirror", 0, 0, G_OPTION_ARG_STRING_ARRAY, &r->mirrors,
			"Mirror of docker.io to ask first, repeatable", "URL"},
		{"max-concurrent-downloads", 0, 0, G_OPTION_ARG_INT, &r->downloads_flag,
			"Layers that are downloaded at once (default 3)", "N"},
		{"max-concurrent-uploads", 0, 0, G_OPTION_ARG_INT, &r->uploads_flag,
			"Layers that are uploaded at once (default 5)", "N"},
		{"max-download-attempts", 0, 0, G_OPTION_ARG_INT, &r->attempts_flag,
			"Attempts to get a layer (default 5)", "N"},
		{"no-reserve", 0, 0, G_OPTION_ARG_NONE, &r->no_reserve,
			"Set no space aside for removals on a full disk", NULL},
		{"validate", 0, 0, G_OPTION_ARG_NONE, &r->validate,
			"Validate configuration and state, and end", NULL},
		{"handover", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &r->handover, NULL, NULL},
		{"userns-remap", 0, 0, G_OPTION_ARG_STRING, &r->userns_remap,
			"User namespaces for containers: default, auto (each its own IDs), or "
			"whose subordinate IDs",
			"USER[:GROUP]"},
		{"version", 'v', 0, G_OPTION_ARG_NONE, &r->version, "Print the version and end",
			NULL},
		G_OPTION_ENTRY_NULL,
	};
	g_autoptr(GOptionContext) ctx = g_option_context_new("- the Dhow container daemon");
	g_option_context_add_main_entries(ctx, entries, NULL);
	/* Parsing takes away what it knows. */
	int argc = (int)g_strv_length((char **)args);
	g_autofree char **argv = g_memdup2(args, ((gsize)argc + 1) * sizeof *args);
	char **left = argv;
	if (!g_option_context_parse(ctx, &argc, &left, error))
		return FALSE;
	if (argc > 1)
		return dh_error(error, DH_ERROR_INVALID, "dhowd takes no arguments: %s", left[1]);
	r->mtu = r->mtu_flag;
	r->shutdown_timeout = r->shutdown_flag;
	r->max_downloads = r->downloads_flag;
	r->max_uploads = r->uploads_flag;
	r->max_attempts = r->attempts_flag;
	return TRUE;
}

/* Where a flag and the file say the same thing, one of them would be ignored. */
static gboolean given_twice(const char *key, GError **error)
{
	return dh_error(error, DH_ERROR_INVALID,
		"the following directives are specified both as a flag and in the configuration "
		"file: %s",
		key);
}

static gboolean merge_field(const DhJsonField *field, Raw *r, Raw *f, GError **error)
{
	void *flag = (char *)r + field->offset, *file = (char *)f + field->offset;
	if (field->type == DH_JSON_INT) {
		int64_t *a = flag, *b = file;
		if (*a && *b)
			return given_twice(field->name, error);
		*a = *a ? *a : *b;
	} else if (field->type == DH_JSON_STRING || field->type == DH_JSON_STRV) {
		void **a = flag, **b = file;
		if (*a && *b)
			return given_twice(field->name, error);
		*a = *a ? *a : g_steal_pointer(b);
	}
	return TRUE;
}

/* Takes what the file says where the flags say nothing. */
static gboolean merge_file(Raw *r, Raw *f, GError **error)
{
	for (size_t i = 0; i < file_table.n_fields; i++) {
		if (!merge_field(&file_table.fields[i], r, f, error))
			return FALSE;
	}
	const struct {
		const char *name;
		gboolean flag;
		int key;
	} switches[] = {
		{"debug", r->debug, f->debug_key},
		{"no-reserve", r->no_reserve, f->no_reserve_key},
		{"icc", r->icc != NULL, f->icc_key},
		{"ip-forward", r->ip_forward != NULL, f->ip_forward_key},
		{"ip-masq", r->ip_masq != NULL, f->ip_masq_key},
		{"live-restore", r->live_restore != NULL, f->live_restore_key},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
		if (switches[i].flag && switches[i].key >= 0)
			return given_twice(switches[i].name, error);
	}
	r->log_opts_map = g_steal_pointer(&f->log_opts_map);
	r->runtimes = g_steal_pointer(&f->runtimes);
	r->debug |= f->debug_key > 0;
	r->no_reserve |= f->no_reserve_key > 0;
	r->icc_key = f->icc_key;
	r->ip_forward_key = f->ip_forward_key;
	r->ip_masq_key = f->ip_masq_key;
	return TRUE;
}

static const char *config_file(const Raw *r)
{
	return r->config_file ? r->config_file : DEFAULT_CONFIG_FILE;
}

static gboolean read_file(Raw *r, GError **error)
{
	const char *path = config_file(r);
	size_t n;
	g_autoptr(GError) failed = NULL;
	g_autofree char *text = dh_read_file(AT_FDCWD, path, 1 << 20, &n, &failed);
	r->icc_key = r->ip_forward_key = r->ip_masq_key = -1;
	if (!text && !r->config_file && g_error_matches(failed, DH_ERROR, DH_ERROR_NOT_FOUND))
		return TRUE;
	Raw *f = text ? dh_json_parse_text(&file_table, text, n, &failed) : NULL;
	gboolean ok = f && merge_file(r, f, &failed);
	dh_json_free(&file_table, f);
	if (!ok)
		g_propagate_prefixed_error(error, g_steal_pointer(&failed),
			"unable to configure the daemon with file %s: ", path);
	return ok;
}

static gboolean parse_bool(
	const char *name, const char *text, int key, gboolean *ret, GError **error)
{
	*ret = key != 0; /* absent (-1): true */
	if (!text)
		return TRUE;
	if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
		*ret = TRUE;
	else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
		*ret = FALSE;
	else
		return dh_error(error, DH_ERROR_INVALID, "invalid value for --%s: %s", name, text);
	return TRUE;
}

static gboolean key_values(char *const *list, const char *what, GHashTable *into, GError **error)
{
	for (; list && *list; list++) {
		const char *eq = strchr(*list, '=');
		if (!eq)
			return dh_error(error, DH_ERROR_INVALID, "invalid %s: %s: not KEY=VALUE",
				what, *list);
		g_hash_table_replace(into, g_strndup(*list, (gsize)(eq - *list)), g_strdup(eq + 1));
	}
	return TRUE;
}

/* Several engines live side by side: one with a data root of its own has cgroups of its own. */
static char *default_cgroup_parent(const char *data_root)
{
	if (strcmp(data_root, DEFAULT_DATA_ROOT) == 0)
		return g_strdup("/dhow");
	g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, data_root, -1);
	return g_strdup_printf("/dhow-%.12s", sum);
}

static char *absolute(const char *path, const char *fallback)
{
	return g_canonicalize_filename(path ? path : fallback, NULL);
}

/* Docker's certificates and our own, which lie beside the configuration file. */
static void registry_options(Raw *r, RegistryConfig *c)
{
	g_autofree char *dir = g_path_get_dirname(config_file(r));
	c->insecure = g_steal_pointer(&r->insecure);
	c->mirrors = g_steal_pointer(&r->mirrors);
	c->max_downloads = r->max_downloads;
	c->max_uploads = r->max_uploads;
	c->max_attempts = r->max_attempts;
	c->certs_dirs = g_new0(char *, 3);
	c->certs_dirs[0] = g_build_filename(dir, "certs.d", NULL);
	c->certs_dirs[1] = g_strdup("/etc/docker/certs.d");
}

/* ---- runtimes ---- */

static gboolean add_runtime(GHashTable *runtimes, const char *name, const char *path,
	const json_t *args, GError **error)
{
	if (!*name || !path || !*path)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid runtime: %s: not NAME=PATH", name);
	if (runtime_is_own(name))
		return dh_error(error, DH_ERROR_INVALID, "runtime name '%s' is reserved", name);
	if (g_hash_table_contains(runtimes, name))
		return dh_error(
			error, DH_ERROR_INVALID, "runtime '%s' was already registered", name);
	g_autoptr(GStrvBuilder) words = g_strv_builder_new();
	json_t *arg;
	size_t i;
	json_array_foreach ((json_t *)args, i, arg) {
		if (!json_is_string(arg))
			return dh_error(error, DH_ERROR_INVALID,
				"runtime '%s': runtimeArgs are strings", name);
		g_strv_builder_add(words, json_string_value(arg));
	}
	RuntimeProgram *p = g_new0(RuntimeProgram, 1);
	p->path = g_strdup(path);
	p->args = g_strv_builder_end(words);
	g_hash_table_insert(runtimes, g_strdup(name), p);
	return TRUE;
}

static gboolean runtime_options(Raw *r, EngineSettings *s, GError **error)
{
	const char *name;
	json_t *value;
	for (char **a = r->add_runtime; a && *a; a++) {
		g_auto(GStrv) kv = g_strsplit(*a, "=", 2);
		if (!add_runtime(
			    s->runtimes, kv[0] ? kv[0] : "", kv[0] ? kv[1] : NULL, NULL, error))
			return FALSE;
	}
	json_object_foreach (r->runtimes, name, value) {
		if (!add_runtime(s->runtimes, name,
			    json_string_value(json_object_get(value, "path")),
			    json_object_get(value, "runtimeArgs"), error))
			return FALSE;
	}
	s->default_runtime = g_steal_pointer(&r->default_runtime);
	if (runtime_is_own(s->default_runtime) ||
		g_hash_table_contains(s->runtimes, s->default_runtime))
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID, "specified default runtime '%s' does not exist",
		s->default_runtime);
}

static gboolean level_option(const Raw *r, EngineSettings *s, GError **error)
{
	return !r->log_level || dh_log_parse_level(r->log_level, &s->log_level) ||
	       dh_error(error, DH_ERROR_INVALID, "unable to parse logging level: %s", r->log_level);
}

static gboolean label_options(const Raw *r, EngineSettings *s, GError **error)
{
	for (char **l = r->labels; l && *l; l++) {
		char *one[] = {*l, NULL};
		g_autofree char *key = g_strndup(*l, strcspn(*l, "="));
		g_autofree char *before = g_strdup(g_hash_table_lookup(s->labels, key));
		if (!key_values(one, "label", s->labels, error))
			return FALSE;
		if (before && strcmp(before, g_hash_table_lookup(s->labels, key)) != 0)
			return dh_error(error, DH_ERROR_INVALID, "conflict labels for %s and %s=%s",
				*l, key, before);
	}
	return TRUE;
}

/* What can be changed by reading the file again. */
static gboolean settings(Raw *r, EngineSettings *s, GError **error)
{
	s->debug = r->debug;
	s->shutdown_timeout = r->shutdown_timeout ? r->shutdown_timeout : 15;
	registry_options(r, &s->registry);
	return level_option(r, s, error) && label_options(r, s, error) &&
	       registry_config_check(&s->registry, error) && runtime_options(r, s, error);
}

static gboolean finish(Raw *r, DaemonOptions *o, GError **error)
{
	EngineConfig *e = &o->engine;
	o->settings = settings_new();
	o->config_file = g_strdup(config_file(r));
	e->data_root = absolute(r->data_root, DEFAULT_DATA_ROOT);
	e->exec_root = absolute(r->exec_root, DEFAULT_EXEC_ROOT);
	o->pidfile = absolute(r->pidfile, DEFAULT_PIDFILE);
	o->group = g_steal_pointer(&r->group);
	o->version = r->version;
	o->validate = r->validate;
	o->handover = r->handover;
	if (r->cgroup_parent)
		e->cgroup_parent = *r->cgroup_parent == '/'
					   ? g_strdup(r->cgroup_parent)
					   : g_strconcat("/", r->cgroup_parent, NULL);
	else
		e->cgroup_parent = default_cgroup_parent(e->data_root);
	o->hosts = r->hosts && *r->hosts ? g_steal_pointer(&r->hosts)
					 : g_strdupv((char *[]){(char *)DEFAULT_HOST, NULL});
	e->log_driver = r->log_driver ? g_steal_pointer(&r->log_driver) : g_strdup("json-file");
	e->log_opts = r->log_opts_map
			      ? g_steal_pointer(&r->log_opts_map)
			      : g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	e->dns = g_steal_pointer(&r->dns);
	e->dns_search = g_steal_pointer(&r->dns_search);
	e->dns_options = g_steal_pointer(&r->dns_opts);
	e->live_restore = TRUE;
	e->no_reserve = r->no_reserve;
	e->net.bridge = r->bridge ? g_steal_pointer(&r->bridge) : g_strdup("dhow0");
	e->net.bip = g_steal_pointer(&r->bip);
	e->net.fixed_cidr = g_steal_pointer(&r->fixed_cidr);
	e->net.default_host_ip = g_steal_pointer(&r->default_ip);
	e->net.mtu = r->mtu;
	e->userns_remap = g_steal_pointer(&r->userns_remap);
	return settings(r, o->settings, error) &&
	       key_values(r->log_opts, "log option", e->log_opts, error) &&
	       parse_bool("icc", r->icc, r->icc_key, &e->net.icc, error) &&
	       parse_bool(
		       "ip-forward", r->ip_forward, r->ip_forward_key, &e->net.ip_forward, error) &&
	       parse_bool("ip-masq", r->ip_masq, r->ip_masq_key, &e->net.ip_masq, error);
}

/* ---- what only another start can change ---- */

/* All that a DaemonOptions owns besides its settings. */
static const DhJsonField fixed_fields[] = {
	DH_F(STRING, DaemonOptions, engine.data_root, "data-root", 0),
	DH_F(STRING, DaemonOptions, engine.exec_root, "exec-root", 0),
	DH_F(STRING, DaemonOptions, pidfile, "pidfile", 0),
	DH_F(STRING, DaemonOptions, group, "group", 0),
	DH_F(STRV, DaemonOptions, hosts, "hosts", 0),
	DH_F(STRING, DaemonOptions, engine.log_driver, "log-driver", 0),
	DH_F(STRMAP, DaemonOptions, engine.log_opts, "log-opts", 0),
	DH_F(STRING, DaemonOptions, engine.net.bridge, "bridge", 0),
	DH_F(STRING, DaemonOptions, engine.net.bip, "bip", 0),
	DH_F(STRING, DaemonOptions, engine.net.fixed_cidr, "fixed-cidr", 0),
	DH_F(STRING, DaemonOptions, engine.net.default_host_ip, "ip", 0),
	DH_F(INT, DaemonOptions, engine.net.mtu, "mtu", 0),
	DH_F(BOOL, DaemonOptions, engine.net.icc, "icc", 0),
	DH_F(BOOL, DaemonOptions, engine.net.ip_forward, "ip-forward", 0),
	DH_F(BOOL, DaemonOptions, engine.net.ip_masq, "ip-masq", 0),
	DH_F(STRV, DaemonOptions, engine.dns, "dns", 0),
	DH_F(STRV, DaemonOptions, engine.dns_search, "dns-search", 0),
	DH_F(STRV, DaemonOptions, engine.dns_options, "dns-opts", 0),
	DH_F(STRING, DaemonOptions, engine.cgroup_parent, "cgroup-parent", 0),
	DH_F(BOOL, DaemonOptions, engine.no_reserve, "no-reserve", 0),
	DH_F(STRING, DaemonOptions, engine.userns_remap, "userns-remap", 0),
};
static DH_JSON_TABLE(fixed_table, DaemonOptions, fixed_fields, TRUE);

char **daemon_options_differences(const DaemonOptions *a, const DaemonOptions *b)
{
	g_autoptr(json_t) one = dh_json_emit(&fixed_table, a);
	g_autoptr(json_t) other = dh_json_emit(&fixed_table, b);
	g_autoptr(GStrvBuilder) names = g_strv_builder_new();
	const char *name;
	json_t *value;
	json_object_foreach (one, name, value) {
		if (!json_equal(value, json_object_get(other, name)))
			g_strv_builder_add(names, name);
	}
	return g_strv_builder_end(names);
}

void daemon_options_clear(DaemonOptions *o)
{
	dh_json_clear(&fixed_table, o);
	settings_unref(o->settings);
	g_free(o->config_file);
	*o = (DaemonOptions){0};
}

gboolean daemon_options_parse(char *const *argv, DaemonOptions *ret, GError **error)
{
	Raw r = {.icc_key = -1, .ip_forward_key = -1, .ip_masq_key = -1};
	gboolean ok = parse_flags(argv, &r, error) && (r.version || read_file(&r, error)) &&
		      finish(&r, ret, error);
	dh_json_clear(&file_table, &r);
	g_strfreev(r.log_opts);
	g_strfreev(r.add_runtime);
	g_free(r.config_file);
	g_free(r.icc);
	g_free(r.ip_forward);
	g_free(r.ip_masq);
	g_free(r.live_restore);
	return ok;
}
