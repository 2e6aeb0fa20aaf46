/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

enum { FSCONFIG_STRING_MAX = 256 };

static const struct {
	const char *name;
	guint64 set, clear;
} attributes[] = {
	{"ro", MOUNT_ATTR_RDONLY, 0},
	{"rw", 0, MOUNT_ATTR_RDONLY},
	{"nosuid", MOUNT_ATTR_NOSUID, 0},
	{"suid", 0, MOUNT_ATTR_NOSUID},
	{"nodev", MOUNT_ATTR_NODEV, 0},
	{"dev", 0, MOUNT_ATTR_NODEV},
	{"noexec", MOUNT_ATTR_NOEXEC, 0},
	{"exec", 0, MOUNT_ATTR_NOEXEC},
	{"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
	{"diratime", 0, MOUNT_ATTR_NODIRATIME},
	{"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
	{"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
	{"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
	{"norelatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
	{"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
	{"atime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
	{"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
};

static const struct {
	const char *name;
	guint64 type;
	gboolean recursive;
} propagations[] = {
	{"private", MS_PRIVATE, FALSE},
	{"rprivate", MS_PRIVATE, TRUE},
	{"slave", MS_SLAVE, FALSE},
	{"rslave", MS_SLAVE, TRUE},
	{"shared", MS_SHARED, FALSE},
	{"rshared", MS_SHARED, TRUE},
	{"unbindable", MS_UNBINDABLE, FALSE},
	{"runbindable", MS_UNBINDABLE, TRUE},
};

static const char *const without_effect[] = {"defaults", "remount", "async", "nomand", "silent",
	"loud", "noiversion", "nolazytime", "user", "nouser", "auto", "noauto", NULL};

static gboolean parse_attribute(const char *name, RtMountOptions *o)
{
	for (guint i = 0; i < G_N_ELEMENTS(attributes); i++) {
		gboolean rec = *name == 'r' && strcmp(name + 1, attributes[i].name) == 0;
		if (!rec && strcmp(name, attributes[i].name) != 0)
			continue;
		guint64 *set = rec ? &o->rec_set : &o->set,
			*clear = rec ? &o->rec_clear : &o->clear;
		*set = (*set & ~attributes[i].clear) | attributes[i].set;
		*clear = (*clear & ~attributes[i].set) | attributes[i].clear;
		return TRUE;
	}
	return FALSE;
}

static gboolean parse_propagation(const char *name, RtMountOptions *o)
{
	for (guint i = 0; i < G_N_ELEMENTS(propagations); i++) {
		if (strcmp(name, propagations[i].name) != 0)
			continue;
		o->propagation = propagations[i].type;
		o->propagation_rec = propagations[i].recursive;
		return TRUE;
	}
	return FALSE;
}

void rt_mount_options_parse(char *const *options, RtMountOptions *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->data = g_ptr_array_new_with_free_func(g_free);
	for (; options && *options; options++) {
		const char *name = *options;
		if (strcmp(name, "bind") == 0 || strcmp(name, "rbind") == 0) {
			ret->bind = TRUE;
			ret->recursive = *name == 'r';
		} else if (strcmp(name, "idmap") == 0 || strcmp(name, "ridmap") == 0) {
			ret->idmap = TRUE;
			ret->idmap_rec = *name == 'r';
		} else if (strcmp(name, "tmpcopyup") == 0) {
			ret->copy_up = TRUE;
		} else if (!parse_attribute(name, ret) && !parse_propagation(name, ret) && *name &&
			   !g_strv_contains(without_effect, name)) {
			g_ptr_array_add(ret->data, g_strdup(name));
		}
	}
}

char **rt_mount_option_names(void)
{
	static const char *const others[] = {"bind", "rbind", "idmap", "ridmap", "tmpcopyup", "acl",
		"noacl", "dirsync", "iversion", "lazytime", "mand", "sync", NULL};
	g_autoptr(GStrvBuilder) b = g_strv_builder_new();
	g_strv_builder_addv(b, (const char **)others);
	g_strv_builder_addv(b, (const char **)without_effect);
	for (guint i = 0; i < G_N_ELEMENTS(attributes); i++) {
		g_autofree char *recursive = g_strconcat("r", attributes[i].name, NULL);
		g_strv_builder_add_many(b, attributes[i].name, recursive, NULL);
	}
	for (guint i = 0; i < G_N_ELEMENTS(propagations); i++)
		g_strv_builder_add(b, propagations[i].name);
	return g_strv_builder_end(b);
}

void rt_mount_options_clear(RtMountOptions *o)
{
	g_clear_pointer(&o->data, g_ptr_array_unref);
}

gboolean rt_fs_error(GError **error, int fs, int errnum, const char *what)
{
	char log[512];
	g_autoptr(GString) text = g_string_new(what);
	ssize_t n;
	/* Each read yields one message: "e overlay: no such option". */
	for (guint i = 0; fs >= 0 && i < 8 && (n = read(fs, log, sizeof log - 1)) > 0; i++) {
		log[n] = '\0';
		if (log[0] == 'e' && log[1] == ' ')
			g_string_append_printf(text, ": %s", g_strchomp(log + 2));
	}
	return rt_error_errno(error, errnum, "%s", text->str);
}

static gboolean configure(int fs, const char *item, GError **error)
{
	g_autofree char *key = g_strdup(item);
	char *value = strchr(key, '=');
	if (value)
		*value++ = '\0';
	if (value && strlen(value) >= FSCONFIG_STRING_MAX)
		return dh_error(error, DH_ERROR_INVALID, "mount option \"%s\" is too long", item);
	if (fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0) == 0)
		return TRUE;
	g_autofree char *what = g_strdup_printf("mount option \"%s\"", item);
	return rt_fs_error(error, fs, errno, what);
}

int rt_mount_new(const char *type, const char *source, const RtMountOptions *o, GError **error)
{
	dh_autofd int fs = fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0) {
		rt_error_errno(error, errno, "mount %s", type);
		return -1;
	}
	if (source && *source && strlen(source) < FSCONFIG_STRING_MAX)
		(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0);
	for (guint i = 0; o->data && i < o->data->len; i++) {
		if (!configure(fs, o->data->pdata[i], error))
			return -1;
	}
	int mount = -1;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)o->set);
	if (mount < 0) {
		int saved = errno;
		g_autofree char *what = g_strdup_printf("mount %s", type);
		rt_fs_error(error, fs, saved, what);
		errno = saved; /* the caller decides by it */
	}
	return mount;
}

int rt_mount_clone(int dirfd, const char *path, const RtMountOptions *o, GError **error)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH) |
			 (o->recursive ? AT_RECURSIVE : 0);
	int mount = open_tree(dirfd, path, flags), saved = errno;
	if (mount < 0) {
		rt_error_errno(error, saved, "bind %s", *path ? path : "directory");
		errno = saved;
	}
	return mount;
}

int rt_mount_idmap(int mount, int userns, gboolean recursive)
{
	struct mount_attr a = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (guint64)userns};
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
	return mount_setattr(mount, "", flags, &a, sizeof a);
}

gboolean rt_mount_attach(int mount, int target, GError **error)
{
	if (move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) ==
		0)
		return TRUE;
	return rt_error_errno(error, errno, "attach mount");
}

static gboolean set(
	int mount, guint64 on, guint64 off, guint64 propagation, gboolean recursive, GError **error)
{
	struct mount_attr a = {.attr_set = on, .attr_clr = off, .propagation = propagation};
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
	if ((!on && !off && !propagation) || mount_setattr(mount, "", flags, &a, sizeof a) == 0)
		return TRUE;
	return rt_error_errno(error, errno, "set mount attributes");
}

gboolean rt_mount_set(int mount, const RtMountOptions *o, GError **error)
{
	/* One call where that says it all. */
	if (o->propagation && !o->propagation_rec && !o->rec_set && !o->rec_clear)
		return set(mount, o->set, o->clear, o->propagation, FALSE, error);
	return set(mount, o->rec_set, o->rec_clear, 0, TRUE, error) &&
	       set(mount, o->set, o->clear, 0, FALSE, error) &&
	       set(mount, 0, 0, o->propagation, o->propagation_rec, error);
}
