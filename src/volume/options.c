/* SPDX-License-Identifier: MIT */
/* options.c - names, and the local driver's options: what may be, and how a container mounts it. */
#include "base/error.h"
#include "volume/volume.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_LEN_MAX = 255 };

#define NAME_FIRST "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define NAME_REST NAME_FIRST "_.-"

static gboolean check_name(const char *name, GError **error)
{
	size_t n = strlen(name);
	if (n == 1)
		return dh_error(error, DH_ERROR_INVALID,
			"create %s: volume name is too short, names should be at least two "
			"alphanumeric characters",
			name);
	if (!strchr(NAME_FIRST, *name) || strspn(name, NAME_REST) != n)
		return dh_error(error, DH_ERROR_INVALID,
			"create %s: \"%s\" includes invalid characters for a local volume name, "
			"only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a "
			"host directory, use absolute path",
			name, name);
	if (n > NAME_LEN_MAX)
		return dh_error(error, DH_ERROR_INVALID,
			"create %s: volume name is too long, names may have at most %d characters",
			name, NAME_LEN_MAX);
	return TRUE;
}

static gboolean check_options(const char *name, GHashTable *options, GError **error)
{
	static const char *const known[] = {"type", "o", "device", "size", NULL};
	static const char *const mandatory[] = {"device", "type"};
	GHashTableIter it;
	void *key;
	if (!options || g_hash_table_size(options) == 0)
		return TRUE;
	g_hash_table_iter_init(&it, options);
	while (g_hash_table_iter_next(&it, &key, NULL)) {
		if (!g_strv_contains(known, key))
			return dh_error(error, DH_ERROR_INVALID,
				"create %s: invalid option: \"%s\"", name, (char *)key);
	}
	if (g_hash_table_contains(options, "size"))
		return dh_error(error, DH_ERROR_INVALID,
			"create %s: quota size requested but no quota support", name);
	for (guint i = 0; i < G_N_ELEMENTS(mandatory); i++) {
		if (!g_hash_table_contains(options, mandatory[i]))
			return dh_error(error, DH_ERROR_INVALID,
				"create %s: missing required option: \"%s\"", name, mandatory[i]);
	}
	return TRUE;
}

gboolean volume_check(const VolumeRequest *req, GError **error)
{
	const char *name = req->name ? req->name : "";
	if (req->driver && *req->driver && strcmp(req->driver, VOLUME_DRIVER) != 0)
		return dh_error(error, DH_ERROR_NOT_FOUND,
			"create %s: error looking up volume plugin %s: plugin \"%s\" not found",
			name, req->driver, req->driver);
	return (!*name || check_name(name, error)) && check_options(name, req->options, error);
}

/* ---- mounting ---- */

void volume_mount_clear(VolumeMount *m)
{
	g_clear_pointer(&m->type, g_free);
	g_clear_pointer(&m->source, g_free);
	g_clear_pointer(&m->words, g_strfreev);
}

static const char *option(const Volume *v, const char *key)
{
	const char *s = v->options ? g_hash_table_lookup(v->options, key) : NULL;
	return s ? s : "";
}

/* The kernel's NFS wants a numeric address where people write a name. */
static gboolean resolve_address(char **word, GError **error)
{
	const char *name = *word + strlen("addr=");
	struct in_addr v4;
	struct in6_addr v6;
	struct addrinfo *found, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	char text[INET_ADDRSTRLEN];
	if (inet_pton(AF_INET, name, &v4) == 1 || inet_pton(AF_INET6, name, &v6) == 1)
		return TRUE;
	int r = getaddrinfo(name, NULL, &hints, &found);
	if (r != 0)
		return dh_error(error, DH_ERROR_SYSTEM,
			"error resolving passed in network volume address: %s: %s", name,
			gai_strerror(r));
	const struct sockaddr_in *sin = (const struct sockaddr_in *)(void *)found->ai_addr;
	inet_ntop(AF_INET, &sin->sin_addr, text, sizeof text);
	freeaddrinfo(found);
	g_free(*word);
	*word = g_strdup_printf("addr=%s", text);
	return TRUE;
}

gboolean volume_mount(const Volume *v, VolumeMount *ret, GError **error)
{
	static const char *const binds[] = {"", "none", "bind", NULL};
	*ret = (VolumeMount){0};
	if (!v->options) {
		ret->type = g_strdup("bind");
		ret->source = g_strdup(v->mountpoint);
		ret->words = g_strsplit("", ",", -1);
		return TRUE;
	}
	const char *type = option(v, "type"), *device = option(v, "device");
	ret->words = g_strsplit(option(v, "o"), ",", -1);
	gboolean bind = g_strv_contains(binds, type) ||
			g_strv_contains((const char *const *)ret->words, "bind") ||
			g_strv_contains((const char *const *)ret->words, "rbind");
	ret->type = g_strdup(bind ? "bind" : type);
	ret->source = g_strdup(device);
	struct stat st;
	if (bind && stat(device, &st) < 0) {
		dh_error(error, DH_ERROR_SYSTEM,
			"error while mounting volume '%s': failed to mount local volume: mount "
			"%s:%s, flags: 0x1000: %s",
			v->mountpoint, device, v->mountpoint,
			errno == ENOENT ? "no such file or directory" : g_strerror(errno));
		volume_mount_clear(ret);
		return FALSE;
	}
	for (char **w = ret->words; !bind && *w; w++) {
		if (g_str_has_prefix(*w, "addr=") && !resolve_address(w, error)) {
			volume_mount_clear(ret);
			return FALSE;
		}
	}
	return TRUE;
}
