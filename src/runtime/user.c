/* SPDX-License-Identifier: MIT */
/*
 * Who the process runs as: Docker's USER syntax against the container's own passwd and group files.
 * They belong to the image: opened inside the root, only when regular, at most 1 MiB.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "runtime/priv.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 1 << 20 };
static const gint64 id_max = G_MAXINT32;

void rt_ids_clear(RtIds *ids)
{
	g_clear_pointer(&ids->groups, g_array_unref);
	g_clear_pointer(&ids->home, g_free);
}

/* Lines of a database file; missing or unusable: none. */
static char **lines_of(int root, const char *path)
{
	dh_autofd int fd = dh_open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	g_autofree char *text = NULL;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		text = dh_read_to_end(fd, FILE_MAX, NULL, NULL);
	return g_strsplit(text ? text : "", "\n", -1);
}

static gboolean number(const char *s, gint64 *ret)
{
	char *end;
	if (!g_ascii_isdigit(*s))
		return FALSE;
	*ret = g_ascii_strtoll(s, &end, 10);
	return !*end;
}

static gint64 field_number(char **f, guint i)
{
	gint64 n = 0;
	return i < g_strv_length(f) && number(f[i], &n) ? n : 0;
}

/* One entry of passwd: by number when spec is one, else by name; the first that fits. */
typedef struct {
	gboolean found;
	char *name, *home;
	gint64 uid, gid;
} Passwd;

static void passwd_clear(Passwd *p)
{
	g_free(p->name);
	g_free(p->home);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Passwd, passwd_clear)

static void find_passwd(int root, const char *spec, Passwd *ret)
{
	gint64 id = -1;
	gboolean numeric = number(spec, &id);
	g_auto(GStrv) lines = lines_of(root, "/etc/passwd");
	for (char **l = lines; *l && !ret->found; l++) {
		g_auto(GStrv) f = g_strsplit(g_strstrip(*l), ":", -1);
		if (!f[0] || !f[0][0] || !f[1])
			continue;
		if (numeric ? field_number(f, 2) != id : strcmp(f[0], spec) != 0)
			continue;
		ret->found = TRUE;
		ret->name = g_strdup(f[0]);
		ret->uid = field_number(f, 2);
		ret->gid = field_number(f, 3);
		ret->home = g_strdup(g_strv_length(f) > 5 ? f[5] : "");
	}
}

static gboolean is_member(const char *list, const char *user)
{
	g_auto(GStrv) members = g_strsplit(list, ",", -1);
	return g_strv_contains((const char *const *)members, user);
}

/* Number of a group by name or number; -1 when there is no such line. */
static gint64 find_group(char **lines, const char *spec)
{
	gint64 id = -1;
	gboolean numeric = number(spec, &id);
	for (char **l = lines; *l; l++) {
		g_auto(GStrv) f = g_strsplit(*l, ":", -1);
		if (g_strv_length(f) < 3)
			continue;
		gint64 gid = field_number(f, 2);
		if (numeric ? gid == id : strcmp(f[0], spec) == 0)
			return gid;
	}
	return numeric ? id : -1;
}

static gboolean check_range(gint64 id, GError **error)
{
	return (id >= 0 && id <= id_max) ||
	       dh_error(error, DH_ERROR_INVALID, "uids and gids must be in range 0-%d", G_MAXINT32);
}

static void add_group(RtIds *ids, gint64 gid)
{
	gid_t g = (gid_t)gid;
	for (guint i = 0; i < ids->groups->len; i++) {
		if (g_array_index(ids->groups, gid_t, i) == g)
			return;
	}
	g_array_append_val(ids->groups, g);
}

static gboolean resolve_name(int root, const char *spec, RtIds *ids, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(spec, ":", 2);
	const char *user = *parts[0] ? parts[0] : "0",
		   *group = parts[1] && *parts[1] ? parts[1] : NULL;
	g_auto(Passwd) entry = {0};
	find_passwd(root, user, &entry);
	gint64 uid = entry.uid, gid = entry.gid;
	if (!entry.found && !number(user, &uid))
		return dh_error(error, DH_ERROR_SYSTEM,
			"unable to find user %s: no matching entries in passwd file", user);

	g_auto(GStrv) lines = lines_of(root, "/etc/group");
	if (group) {
		gid = find_group(lines, group);
		if (gid < 0)
			return dh_error(error, DH_ERROR_SYSTEM,
				"unable to find group %s: no matching entries in group file",
				group);
	}
	if (!check_range(uid, error) || !check_range(gid, error))
		return FALSE;
	ids->uid = (uid_t)uid;
	ids->gid = (gid_t)gid;
	ids->home = g_strdup(entry.home);
	add_group(ids, gid);
	/* Memberships count only where the group was left to the files. */
	for (char **l = lines; !group && entry.found && *l; l++) {
		g_auto(GStrv) f = g_strsplit(g_strstrip(*l), ":", -1);
		gint64 member_gid = field_number(f, 2);
		if (g_strv_length(f) > 3 && is_member(f[3], entry.name) && member_gid <= id_max)
			add_group(ids, member_gid);
	}
	return TRUE;
}

gboolean rt_user_resolve(int root, const OciUser *user, RtIds *ret, GError **error)
{
	ret->groups = g_array_new(FALSE, FALSE, sizeof(gid_t));
	if (user->dhow_user && *user->dhow_user) {
		if (!resolve_name(root, user->dhow_user, ret, error))
			return FALSE;
	} else {
		ret->uid = (uid_t)user->uid;
		ret->gid = (gid_t)user->gid;
		char text[24];
		g_snprintf(text, sizeof text, "%u", ret->uid);
		g_auto(Passwd) entry = {0};
		find_passwd(root, text, &entry);
		ret->home = g_strdup(entry.home);
	}
	size_t i;
	json_t *gid;
	json_array_foreach (user->additional_gids, i, gid)
		add_group(ret, json_integer_value(gid));

	if (!user->dhow_groups || !*user->dhow_groups)
		return TRUE;
	g_auto(GStrv) lines = lines_of(root, "/etc/group");
	for (char **g = user->dhow_groups; *g; g++) {
		gint64 id = find_group(lines, *g);
		if (id < 0)
			return dh_error(error, DH_ERROR_SYSTEM,
				"Unable to find group %s: no matching entries in group file", *g);
		if (!check_range(id, error))
			return FALSE;
		add_group(ret, id);
	}
	return TRUE;
}
