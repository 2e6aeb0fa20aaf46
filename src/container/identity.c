/* SPDX-License-Identifier: MIT */
#include "container/identity.h"
#include "container/subids.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/fsuser.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

enum { RANGE = SUBIDS_RANGE };
/* Where no administrator has set ranges aside: IDs that neither systemd nor shadow gives to
 * anybody, and within the 31 bits that some kernel interfaces (ping_group_range) stop at. The last
 * range is userns-remap's. */
enum { OWN_START = 0x70000000, OWN_RANGES = 4094 };
enum { FILE_MAX = 1 << 20, NOBODY = 65534 };
static const int64_t id_max = G_MAXUINT32;

typedef enum { DEFAULT_HOST, DEFAULT_REMAP, DEFAULT_AUTO } Default;

typedef struct {
	int64_t uid, gid;
} Slot;

struct Identities {
	Default by_default;
	GPtrArray *uids, *gids; /* of the remapping */
	GArray *slots;          /* Slot: what "auto" chooses from */
	GMutex lock;
	GPtrArray *known; /* Identity, borrowed */
	guint next;       /* slot to try first */
};

/* ---- subordinate IDs ---- */

static char *read_table(const char *path)
{
	return dh_read_file(AT_FDCWD, path, FILE_MAX, NULL, NULL);
}

static void make_slots(Identities *all, const char *subuid, const char *subgid)
{
	static const char *const owners[] = {"dhow", "containers", NULL};
	g_autoptr(GPtrArray) uids = subids_of(subuid, owners);
	g_autoptr(GPtrArray) gids = subids_of(subgid, owners);
	for (int64_t i = 0; uids && gids; i++) {
		Slot s = {subids_nth(uids, i), subids_nth(gids, i)};
		if (s.uid < 0 || s.gid < 0)
			return;
		g_array_append_val(all->slots, s);
	}
	g_autoptr(GPtrArray) users = subids_all(subuid);
	g_autoptr(GPtrArray) groups = subids_all(subgid);
	for (int64_t i = 0; i < OWN_RANGES - 1; i++) {
		Slot s = {OWN_START + i * RANGE, OWN_START + i * RANGE};
		if (!subids_taken(users, s.uid) && !subids_taken(groups, s.gid))
			g_array_append_val(all->slots, s);
	}
}

/* ---- the daemon's default ---- */

static gboolean no_entry(const char *what, const char *name, const char *table, GError **error)
{
	return dh_error(error, DH_ERROR_INVALID,
		"Error during %s lookup for \"%s\": getent unable to find entry \"%s\" in %s "
		"database",
		what, name, name, table);
}

static gboolean is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s) && strlen(s) < 11;
}

/* Docker's "user[:group]" and "uid[:gid]" as names. */
static gboolean find_names(const char *remap, char **ret_user, char **ret_group, GError **error)
{
	g_auto(GStrv) part = g_strsplit(remap, ":", -1);
	guint n = g_strv_length(part);
	if (n > 2 || !*part[0])
		return dh_error(error, DH_ERROR_INVALID,
			"Invalid user/group specification in --userns-remap: \"%s\"", remap);
	gboolean number = is_number(part[0]);
	struct passwd *pw =
		number ? getpwuid((uid_t)g_ascii_strtoull(part[0], NULL, 10)) : getpwnam(part[0]);
	if (!pw && number)
		return dh_error(error, DH_ERROR_INVALID,
			"Uid %s has no entry in /etc/passwd: getent unable to find entry \"%s\" in "
			"passwd database",
			part[0], part[0]);
	if (!pw)
		return no_entry("uid", part[0], "passwd", error);
	*ret_user = g_strdup(pw->pw_name);
	const char *group = n == 2 ? part[1] : *ret_user;
	number = n == 2 && is_number(group);
	struct group *gr =
		number ? getgrgid((gid_t)g_ascii_strtoull(group, NULL, 10)) : getgrnam(group);
	if (!gr && number)
		return dh_error(error, DH_ERROR_INVALID,
			"Gid %s has no entry in /etc/group: getent unable to find entry \"%s\" in "
			"group database",
			group, group);
	if (!gr)
		return no_entry(n == 2 ? "groupname" : "gid", group, "group", error);
	*ret_group = g_strdup(gr->gr_name);
	return TRUE;
}

static gboolean read_remap(
	Identities *all, const char *remap, const char *subuid, const char *subgid, GError **error)
{
	g_autofree char *user = NULL, *group = NULL;
	gboolean unnamed = strcmp(remap, "default") == 0;
	if (unnamed)
		user = g_strdup("dockremap"), group = g_strdup("dockremap");
	else if (!find_names(remap, &user, &group, error))
		return FALSE;
	/* By the user's name, as shadow has it; Docker once looked for the group's. */
	const char *const users[] = {user, NULL}, *const groups[] = {user, group, NULL};
	all->by_default = DEFAULT_REMAP;
	all->uids = subids_of(subuid, users);
	all->gids = subids_of(subgid, groups);
	if (all->uids && all->gids)
		return TRUE;
	if (!unnamed)
		return dh_error(error, DH_ERROR_INVALID,
			"Can't create ID mappings: No sub%s ranges found for user \"%s\"",
			all->uids ? "gid" : "uid", user);
	/* Docker makes the user and its ranges; the machine's tables are not ours to write. */
	for (GPtrArray **list = &all->uids;; list = &all->gids) {
		g_clear_pointer(list, g_ptr_array_unref);
		*list = dh_json_list_new();
		subids_add(*list, 0, OWN_START + (int64_t)(OWN_RANGES - 1) * RANGE, RANGE);
		if (list == &all->gids)
			return TRUE;
	}
}

Identities *identities_new(const char *remap, GError **error)
{
	Identities *all = g_new0(Identities, 1);
	g_mutex_init(&all->lock);
	all->known = g_ptr_array_new();
	all->slots = g_array_new(FALSE, FALSE, sizeof(Slot));
	g_autofree char *subuid = read_table("/etc/subuid"), *subgid = read_table("/etc/subgid");
	make_slots(all, subuid, subgid);
	if (remap && strcmp(remap, "auto") == 0)
		all->by_default = DEFAULT_AUTO;
	else if (remap && *remap && !read_remap(all, remap, subuid, subgid, error))
		g_clear_pointer(&all, identities_free);
	return all;
}

void identities_free(Identities *all)
{
	if (!all)
		return;
	g_clear_pointer(&all->uids, g_ptr_array_unref);
	g_clear_pointer(&all->gids, g_ptr_array_unref);
	g_array_unref(all->slots);
	g_ptr_array_unref(all->known);
	g_mutex_clear(&all->lock);
	g_free(all);
}

gboolean identities_remap(const Identities *all)
{
	return all && all->by_default != DEFAULT_HOST;
}

/* ---- one ---- */

static gboolean same_maps(const GPtrArray *a, const GPtrArray *b)
{
	if (a->len != b->len)
		return FALSE;
	for (guint i = 0; i < a->len; i++) {
		const OciIdMap *x = a->pdata[i], *y = b->pdata[i];
		if (x->container_id != y->container_id || x->host_id != y->host_id ||
			x->size != y->size)
			return FALSE;
	}
	return TRUE;
}

static GPtrArray *copy_maps(const GPtrArray *list)
{
	GPtrArray *copy = dh_json_list_new();
	for (guint i = 0; i < list->len; i++) {
		const OciIdMap *m = list->pdata[i];
		subids_add(copy, m->container_id, m->host_id, m->size);
	}
	return copy;
}

/* With the lock held: the one that there is, or a new one. */
static Identity *intern(Identities *all, const GPtrArray *uids, const GPtrArray *gids)
{
	for (guint i = 0; i < all->known->len; i++) {
		Identity *k = all->known->pdata[i];
		if (same_maps(k->uids, uids) && same_maps(k->gids, gids)) {
			k->refs++;
			return k;
		}
	}
	Identity *n = g_new0(Identity, 1);
	n->refs = 1;
	n->all = all;
	n->uids = copy_maps(uids);
	n->gids = copy_maps(gids);
	g_ptr_array_add(all->known, n);
	return n;
}

Identity *identity_restore(Identities *all, const GPtrArray *uids, const GPtrArray *gids)
{
	if (!uids || !uids->len || !gids || !gids->len)
		return NULL;
	g_mutex_lock(&all->lock);
	Identity *i = intern(all, uids, gids);
	g_mutex_unlock(&all->lock);
	return i;
}

Identity *identity_ref(Identity *i)
{
	if (!i)
		return NULL;
	g_mutex_lock(&i->all->lock);
	i->refs++;
	g_mutex_unlock(&i->all->lock);
	return i;
}

void identity_unref(Identity *i)
{
	if (!i)
		return;
	Identities *all = i->all;
	g_mutex_lock(&all->lock);
	gboolean last = --i->refs == 0;
	if (last)
		g_ptr_array_remove_fast(all->known, i);
	g_mutex_unlock(&all->lock);
	if (!last)
		return;
	g_ptr_array_unref(i->uids);
	g_ptr_array_unref(i->gids);
	g_free(i);
}

/* ---- choosing ---- */

/* With the lock held. The first ID of the others decides: ranges may have come from other tables
 * than today's. */
static gboolean is_free(const Identities *all, const Slot *s)
{
	const GPtrArray *fixed[] = {all->uids, all->gids};
	const int64_t at[] = {s->uid, s->gid};
	for (guint k = 0; k < 2; k++) {
		for (guint i = 0; fixed[k] && i < fixed[k]->len; i++) {
			const OciIdMap *m = fixed[k]->pdata[i];
			if (subids_overlap(at[k], RANGE, m->host_id, m->size))
				return FALSE;
		}
		for (guint i = 0; i < all->known->len; i++) {
			const Identity *other = all->known->pdata[i];
			const GPtrArray *list = k == 0 ? other->uids : other->gids;
			for (guint n = 0; n < list->len; n++) {
				const OciIdMap *m = list->pdata[n];
				if (m->size < id_max &&
					subids_overlap(at[k], RANGE, m->host_id, m->size))
					return FALSE;
			}
		}
	}
	return TRUE;
}

static Identity *allocate(Identities *all, GError **error)
{
	Identity *found = NULL;
	g_mutex_lock(&all->lock);
	for (guint i = 0; i < all->slots->len && !found; i++) {
		guint at = (all->next + i) % all->slots->len;
		const Slot *s = &g_array_index(all->slots, Slot, at);
		if (!is_free(all, s))
			continue;
		g_autoptr(GPtrArray) uids = dh_json_list_new();
		g_autoptr(GPtrArray) gids = dh_json_list_new();
		subids_add(uids, 0, s->uid, RANGE);
		subids_add(gids, 0, s->gid, RANGE);
		found = intern(all, uids, gids);
		all->next = at + 1;
	}
	g_mutex_unlock(&all->lock);
	if (!found)
		dh_error(error, DH_ERROR_SYSTEM,
			"no range of %d IDs is left for another user namespace: all %u are in use",
			RANGE, all->slots->len);
	return found;
}

typedef enum { MODE_HOST, MODE_REMAP, MODE_AUTO, MODE_KEEP, MODE_UNKNOWN } Mode;

static Mode mode_of(const Identities *all, const HostConfig *h)
{
	const char *mode = h->userns_mode ? h->userns_mode : "";
	if (strcmp(mode, "host") == 0)
		return MODE_HOST;
	if (strcmp(mode, "auto") == 0)
		return MODE_AUTO;
	if (strcmp(mode, "keep") == 0 || strcmp(mode, "keep-id") == 0)
		return MODE_KEEP;
	if (*mode)
		return MODE_UNKNOWN;
	return all->by_default == DEFAULT_REMAP  ? MODE_REMAP
	       : all->by_default == DEFAULT_AUTO ? MODE_AUTO
						 : MODE_HOST;
}

gboolean identity_validate(const Identities *all, const HostConfig *h, GError **error)
{
	Mode mode = mode_of(all, h);
	if (mode == MODE_UNKNOWN)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid user namespace mode: %s", h->userns_mode);
	if (mode == MODE_HOST)
		return TRUE;
	if (h->privileged)
		return dh_error(error, DH_ERROR_INVALID,
			"privileged mode is incompatible with user namespaces.  You must run the "
			"container in the host namespace when running privileged mode");
	if (g_strcmp0(h->network_mode, "host") == 0)
		return dh_error(error, DH_ERROR_INVALID,
			"cannot share the host's network namespace when user namespaces are "
			"enabled");
	if (g_strcmp0(h->pid_mode, "host") == 0)
		return dh_error(error, DH_ERROR_INVALID,
			"cannot share the host PID namespace when user namespaces are enabled");
	return TRUE;
}

gboolean identity_choose(Identities *all, const HostConfig *h, Identity **ret, GError **error)
{
	g_autoptr(GPtrArray) every = NULL;
	*ret = NULL;
	switch (mode_of(all, h)) {
	case MODE_HOST:
	case MODE_UNKNOWN:
		return TRUE;
	case MODE_REMAP:
		*ret = identity_restore(all, all->uids, all->gids);
		return TRUE;
	case MODE_KEEP:
		every = dh_json_list_new();
		subids_add(every, 0, 0, id_max);
		*ret = identity_restore(all, every, every);
		return TRUE;
	case MODE_AUTO:
		*ret = allocate(all, error);
		return *ret != NULL;
	}
	return TRUE;
}

/* ---- translation ---- */

static gboolean to_host(const GPtrArray *list, int64_t *id)
{
	for (guint i = 0; i < list->len; i++) {
		const OciIdMap *m = list->pdata[i];
		if (*id >= m->container_id && *id - m->container_id < m->size) {
			*id += m->host_id - m->container_id;
			return TRUE;
		}
	}
	return FALSE;
}

static void to_container(const GPtrArray *list, int64_t *id)
{
	for (guint i = 0; i < list->len; i++) {
		const OciIdMap *m = list->pdata[i];
		if (*id >= m->host_id && *id - m->host_id < m->size) {
			*id += m->container_id - m->host_id;
			return;
		}
	}
	*id = NOBODY;
}

gboolean identity_to_host(const Identity *i, int64_t *uid, int64_t *gid, GError **error)
{
	if (!i)
		return TRUE;
	gboolean found = to_host(i->uids, uid);
	if (found && to_host(i->gids, gid))
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID,
		"Container ID %" G_GINT64_FORMAT " cannot be mapped to a host ID",
		found ? *gid : *uid);
}

void identity_to_container(const Identity *i, int64_t *uid, int64_t *gid)
{
	if (!i)
		return;
	to_container(i->uids, uid);
	to_container(i->gids, gid);
}

/* ---- acting as one ---- */

void identity_assume(const Identity *i)
{
	int64_t uid = 0, gid = 0;
	if (i && to_host(i->uids, &uid) && to_host(i->gids, &gid))
		dh_fs_user((uid_t)uid, (gid_t)gid);
}

void identity_resume(const Identity *i)
{
	if (i)
		dh_fs_user(0, 0);
}
