/* SPDX-License-Identifier: MIT */
#include "cli/config_file.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_CONFIG_FILE = 1 << 20 };

char *config_file_path(const Cli *cli)
{
	return g_build_filename(cli->config_dir ? cli->config_dir : ".docker", "config.json", NULL);
}

void config_file_warn(const Cli *cli, const char *why)
{
	g_autofree char *path = config_file_path(cli);
	fprintf(stderr, "WARNING: Error parsing config file (%s): %s\n", path, why);
}

/* NULL with error; an absent or empty file is an empty object. */
static json_t *read_config(int dirfd, const char *path, GError **error)
{
	size_t n;
	g_autoptr(GError) local = NULL;
	g_autofree char *text = dh_read_file(dirfd, path, MAX_CONFIG_FILE, &n, &local);
	if (!text && g_error_matches(local, DH_ERROR, DH_ERROR_NOT_FOUND))
		return json_object();
	if (!text) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	if (!text[strspn(text, " \t\r\n")])
		return json_object();
	g_autoptr(json_t) config = dh_json_loads(text, n, error);
	if (!config)
		return NULL;
	if (json_is_object(config))
		return g_steal_pointer(&config);
	dh_error(error, DH_ERROR_INVALID, "it holds no JSON object");
	return NULL;
}

json_t *config_file_load(const Cli *cli)
{
	static gboolean warned;
	g_autoptr(GError) error = NULL;
	if (!cli->config_dir)
		return json_object();
	g_autofree char *path = config_file_path(cli);
	json_t *config = read_config(AT_FDCWD, path, &error);
	if (config)
		return config;
	if (!warned && error)
		config_file_warn(cli, error->message);
	warned = TRUE;
	return json_object();
}

/* Docker's layout: a tab a level. Line breaks inside strings are escaped, so every one begins a
 * line. */
static GString *layout(const json_t *config)
{
	g_autofree char *text = dh_json_dumps(config, 1);
	GString *out = g_string_new(NULL);
	for (const char *p = text; *p;) {
		for (; *p == ' '; p++)
			g_string_append_c(out, '\t');
		const char *end = strchrnul(p, '\n');
		g_string_append_len(out, p, end - p);
		g_string_append_c(out, '\n');
		p = *end ? end + 1 : end;
	}
	return out;
}

/* A configuration may be a link into somebody's collection of dot files: that file is replaced, not
 * the link. */
static char *real_path(const Cli *cli)
{
	g_autofree char *path = config_file_path(cli);
	char *real = realpath(path, NULL);
	char *r = g_strdup(real ? real : path);
	free(real);
	return r;
}

gboolean config_file_edit(const Cli *cli, ConfigEdit edit, void *arg, GError **error)
{
	g_autofree char *path = real_path(cli);
	g_autofree char *dir = g_path_get_dirname(path);
	g_autofree char *name = g_path_get_basename(path);
	if (!dh_mkdir_p(dir, 0700, error))
		return FALSE;
	dh_autofd int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 || flock(dirfd, LOCK_EX) < 0)
		return dh_error_errno(error, errno, "%s", dir);
	g_autoptr(json_t) config = read_config(dirfd, name, error);
	if (!config) {
		g_prefix_error(error, "%s: ", path);
		return FALSE;
	}
	if (!edit(config, arg))
		return TRUE;
	struct stat before;
	gboolean had_owner = fstatat(dirfd, name, &before, 0) == 0;
	g_autoptr(GString) text = layout(config);
	if (!dh_write_file_atomic(dirfd, name, text->str, text->len, 0600, error))
		return FALSE;
	/* "sudo docker login" does not take the user's own file away from them */
	if (had_owner && before.st_uid != geteuid() &&
		fchownat(dirfd, name, before.st_uid, before.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return dh_error_errno(error, errno, "chown %s", path);
	return TRUE;
}

char *config_detach_keys(const Cli *cli, const char *flag)
{
	if (flag && *flag)
		return g_strdup(flag);
	g_autoptr(json_t) config = config_file_load(cli);
	const char *keys = json_string_value(json_object_get(config, "detachKeys"));
	return keys && *keys ? g_strdup(keys) : NULL;
}

GHashTable *config_proxy_env(const Cli *cli)
{
	static const char *const names[][2] = {
		{"httpProxy", "HTTP_PROXY"},
		{"httpsProxy", "HTTPS_PROXY"},
		{"noProxy", "NO_PROXY"},
		{"ftpProxy", "FTP_PROXY"},
		{"allProxy", "ALL_PROXY"},
	};
	g_autoptr(json_t) config = config_file_load(cli);
	json_t *proxies = json_object_get(config, "proxies");
	json_t *proxy = cli->host ? json_object_get(proxies, cli->host) : NULL;
	if (!proxy)
		proxy = json_object_get(proxies, "default");
	if (!proxy)
		return NULL;
	GHashTable *env = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *value = json_string_value(json_object_get(proxy, names[i][0]));
		if (!value || !*value)
			continue;
		g_hash_table_insert(env, g_strdup(names[i][1]), g_strdup(value));
		g_hash_table_insert(env, g_ascii_strdown(names[i][1], -1), g_strdup(value));
	}
	return env;
}
