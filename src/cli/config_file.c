/* SPDX-License-Identifier: MIT */
#include "cli/config_file.h"

#include "base/fs.h"

#include <fcntl.h>

enum { MAX_CONFIG_FILE = 1 << 20 };

json_t *config_file_load(const Cli *cli)
{
	size_t n;
	json_t *config = NULL;
	if (cli->config_dir) {
		g_autofree char *path = g_build_filename(cli->config_dir, "config.json", NULL);
		g_autofree char *text = dh_read_file(AT_FDCWD, path, MAX_CONFIG_FILE, &n, NULL);
		config = text ? dh_json_loads(text, n, NULL) : NULL;
	}
	if (json_is_object(config))
		return config;
	json_decref(config);
	return json_object();
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
