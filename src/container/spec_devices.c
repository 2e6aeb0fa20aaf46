/* SPDX-License-Identifier: MIT */
/* spec_devices.c - the devices of a container: what its group may touch, and the nodes it sees. */
#include "container/spec_mounts.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* ---- rules ---- */

static void allow(
	GPtrArray *rules, const char *type, int64_t major, int64_t minor, const char *access)
{
	OciDeviceRule *r = dh_json_new(&oci_device_rule_table);
	r->allow = TRUE;
	r->type = g_strdup(type);
	r->major = major;
	r->minor = minor;
	r->access = g_strdup(access);
	g_ptr_array_add(rules, r);
}

/* Nodes may be made of everything (a program that unpacks an archive does), but opened only of
 * these. */
static void default_rules(GPtrArray *rules)
{
	static const struct {
		const char *type;
		int64_t major, minor;
		const char *access;
	} defaults[] = {
		{"c", -1, -1, "m"},
		{"b", -1, -1, "m"},
		{"c", 1, 3, "rwm"},
		{"c", 1, 5, "rwm"},
		{"c", 1, 7, "rwm"},
		{"c", 1, 8, "rwm"},
		{"c", 1, 9, "rwm"},
		{"c", 5, 0, "rwm"},
		{"c", 5, 1, "rwm"},
		{"c", 5, 2, "rwm"},
		{"c", 136, -1, "rwm"},
	};
	OciDeviceRule *deny = dh_json_new(&oci_device_rule_table);
	deny->type = g_strdup("a");
	deny->major = deny->minor = -1;
	deny->access = g_strdup("rwm");
	g_ptr_array_add(rules, deny);
	for (guint i = 0; i < G_N_ELEMENTS(defaults); i++)
		allow(rules, defaults[i].type, defaults[i].major, defaults[i].minor,
			defaults[i].access);
}

static gboolean device_number(const char *text, int64_t *ret)
{
	guint64 n;
	*ret = -1;
	if (strcmp(text, "*") == 0)
		return TRUE;
	if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &n, NULL))
		return FALSE;
	*ret = (int64_t)n;
	return TRUE;
}

static gboolean add_rule(const char *text, GPtrArray *rules, GError **error)
{
	char type, access[4], major[12], minor[12], more;
	int64_t at[2];
	if (sscanf(text, "%c %11[0-9*]:%11[0-9*] %3[rwm]%c", &type, major, minor, access, &more) !=
			4 ||
		!strchr("abc", type) || !device_number(major, &at[0]) ||
		!device_number(minor, &at[1]))
		return dh_error(
			error, DH_ERROR_INVALID, "invalid device cgroup rule format: '%s'", text);
	char type_text[2] = {type, '\0'};
	allow(rules, type_text, at[0], at[1], access);
	return TRUE;
}

GPtrArray *spec_device_rules(Container *c, GError **error)
{
	const HostConfig *h = c->host_config;
	g_autoptr(GPtrArray) rules = dh_json_list_new();
	if (h->privileged)
		allow(rules, "a", -1, -1, "rwm");
	else
		default_rules(rules);
	for (char **rule = h->device_cgroup_rules; rule && *rule; rule++) {
		if (!add_rule(*rule, rules, error))
			return NULL;
	}
	return g_steal_pointer(&rules);
}

/* ---- nodes ---- */

static void add_node(OciLinux *l, const char *host, const struct stat *st, const char *inside,
	const char *access)
{
	OciDevice *d = dh_json_new(&oci_device_table);
	d->path = g_strdup(inside);
	d->dhow_source = g_strdup(host);
	d->type = g_strdup(S_ISCHR(st->st_mode) ? "c" : "b");
	d->major = major(st->st_rdev);
	d->minor = minor(st->st_rdev);
	d->file_mode = st->st_mode & 07777;
	d->uid = st->st_uid;
	d->gid = st->st_gid;
	g_ptr_array_add(l->devices, d);
	if (access)
		allow(l->resources->devices, d->type, d->major, d->minor, access);
}

/* All device nodes of a host directory, except terminals and what the container has of its own. */
static gboolean add_tree(
	OciLinux *l, const char *dir, const char *inside, const char *access, GError **error)
{
	static const char *const own[] = {"pts", "shm", "mqueue", "console", "ptmx", "fd", "null",
		"zero", "full", "random", "urandom", "tty", "lxc", "lxd-fuse", ".lxc", ".udev",
		NULL};
	DIR *d = opendir(dir);
	if (!d)
		return dh_error_errno(error, errno, "open %s", dir);
	gboolean ok = TRUE;
	struct dirent *e;
	while (ok && (e = readdir(d))) {
		if (*e->d_name == '.' || g_strv_contains(own, e->d_name))
			continue;
		g_autofree char *path = g_build_filename(dir, e->d_name, NULL);
		g_autofree char *to = g_build_filename(inside, e->d_name, NULL);
		struct stat st;
		if (lstat(path, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			ok = add_tree(l, path, to, access, error);
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			add_node(l, path, &st, to, access);
	}
	closedir(d);
	return ok;
}

/* --device: a node, or all that a directory has. */
static gboolean add_asked(OciLinux *l, const DeviceMapping *m, GError **error)
{
	const char *host = m->path_on_host;
	const char *inside =
		m->path_in_container && *m->path_in_container ? m->path_in_container : host;
	const char *access =
		m->cgroup_permissions && *m->cgroup_permissions ? m->cgroup_permissions : "rwm";
	struct stat st;
	if (!host)
		return dh_error(error, DH_ERROR_INVALID, "invalid device mapping");
	int errnum = stat(host, &st) < 0 ? errno : 0;
	guint before = l->devices->len;
	if (!errnum && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
		add_node(l, host, &st, inside, access);
	else if (!errnum && S_ISDIR(st.st_mode) && !add_tree(l, host, inside, access, error))
		return FALSE;
	return l->devices->len > before ||
	       dh_error(error, DH_ERROR_INVALID,
		       "error gathering device information while adding custom device \"%s\": %s",
		       host, errnum ? "no such file or directory" : "not a device node");
}

gboolean spec_devices(Container *c, OciLinux *l, GError **error)
{
	HostConfig *h = c->host_config;
	l->devices = dh_json_list_new();
	if (h->privileged && !add_tree(l, "/dev", "/dev", NULL, error))
		return FALSE;
	for (guint i = 0; h->devices && i < h->devices->len; i++) {
		const DeviceMapping *m = h->devices->pdata[i];
		/* There already under its own name. */
		if (h->privileged && g_strcmp0(m->path_on_host, m->path_in_container) == 0)
			continue;
		if (!add_asked(l, m, error))
			return FALSE;
	}
	return TRUE;
}
