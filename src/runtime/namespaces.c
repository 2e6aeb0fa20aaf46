/* SPDX-License-Identifier: MIT */
#include "runtime/namespaces.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct {
	const char *name;
	guint64 flag;
} types[RT_NS_TYPES] = {
	{"pid", CLONE_NEWPID},
	{"network", CLONE_NEWNET},
	{"ipc", CLONE_NEWIPC},
	{"uts", CLONE_NEWUTS},
	{"mount", CLONE_NEWNS},
	{"cgroup", CLONE_NEWCGROUP},
	{"user", CLONE_NEWUSER},
	{"time", CLONE_NEWTIME},
};

void rt_ns_clear(RtNamespaces *n)
{
	for (guint i = 0; i < RT_NS_TYPES; i++)
		dh_close(&n->fds[i]);
}

int rt_ns_fd(const RtNamespaces *n, guint64 flag)
{
	for (guint i = 0; i < RT_NS_TYPES; i++) {
		if (types[i].flag == flag)
			return n->fds[i];
	}
	return -1;
}

/* NS_GET_NSTYPE of <linux/nsfs.h> */
#define GET_NSTYPE _IO(0xb7, 0x3)

static gboolean plan_one(RtNamespaces *n, const OciNamespace *ns, GError **error)
{
	guint i = 0;
	while (i < RT_NS_TYPES && strcmp(types[i].name, ns->type) != 0)
		i++;
	if (i == RT_NS_TYPES)
		return dh_error(error, DH_ERROR_INVALID, "unknown namespace type \"%s\"", ns->type);
	guint64 flag = types[i].flag;
	if (flag == CLONE_NEWNET && n->netns_fd >= 0)
		return TRUE;
	if (flag == CLONE_NEWUSER && n->userns_fd >= 0) {
		dh_close(&n->fds[i]);
		n->fds[i] = fcntl(n->userns_fd, F_DUPFD_CLOEXEC, 0);
		n->joined |= flag;
		return n->fds[i] >= 0 || rt_error_errno(error, errno, "user namespace");
	}
	if (!ns->path || !*ns->path) {
		n->fresh |= flag;
		return TRUE;
	}
	if (flag == CLONE_NEWNS)
		return dh_error(error, DH_ERROR_INVALID,
			"a container cannot be made in an existing mount namespace");
	dh_close(&n->fds[i]);
	n->fds[i] = open(ns->path, O_RDONLY | O_CLOEXEC);
	if (n->fds[i] < 0)
		return rt_error_errno(error, errno, "open namespace %s", ns->path);
	int type = ioctl(n->fds[i], GET_NSTYPE);
	if (type < 0 || (guint64)type != flag)
		return dh_error(
			error, DH_ERROR_INVALID, "%s is not a %s namespace", ns->path, ns->type);
	n->joined |= flag;
	return TRUE;
}

gboolean rt_ns_plan(
	RtNamespaces *n, const OciSpec *spec, int netns_fd, int userns_fd, GError **error)
{
	*n = (RtNamespaces){.netns_fd = netns_fd,
		.userns_fd = userns_fd,
		.offsets = spec->linux_->time_offsets};
	memset(n->fds, -1, sizeof n->fds);
	const GPtrArray *list = spec->linux_->namespaces;
	for (guint i = 0; list && i < list->len; i++) {
		if (!plan_one(n, list->pdata[i], error))
			return FALSE;
	}
	if (!(n->fresh & CLONE_NEWNS))
		return dh_error(error, DH_ERROR_INVALID, "a container needs a mount namespace");
	if (n->offsets && !(n->fresh & CLONE_NEWTIME))
		return dh_error(error, DH_ERROR_INVALID, "time offsets need a new time namespace");
	return TRUE;
}

gboolean rt_ns_make_user(RtNamespaces *n, const OciLinux *l, GError **error)
{
	guint i = 0;
	if (!(n->fresh & CLONE_NEWUSER))
		return TRUE;
	while (types[i].flag != CLONE_NEWUSER)
		i++;
	if (!rt_userns_new(l->uid_mappings, l->gid_mappings, &n->fds[i], NULL, error))
		return FALSE;
	n->fresh &= ~(guint64)CLONE_NEWUSER;
	n->joined |= CLONE_NEWUSER;
	return TRUE;
}

gboolean rt_ns_needs_stage(const RtNamespaces *n)
{
	gboolean others =
		(n->joined & ~(guint64)(CLONE_NEWUSER | CLONE_NEWPID)) || n->netns_fd >= 0;
	return (n->joined & CLONE_NEWUSER) || ((n->fresh & CLONE_NEWUSER) && others) || n->offsets;
}

static gboolean join(const RtNamespaces *n, guint i, GError **error)
{
	return setns(n->fds[i], (int)types[i].flag) == 0 ||
	       rt_error_errno(error, errno, "join %s namespace", types[i].name);
}

gboolean rt_ns_join(const RtNamespaces *n, GError **error)
{
	if (n->netns_fd >= 0 && setns(n->netns_fd, CLONE_NEWNET) < 0)
		return rt_error_errno(error, errno, "join network namespace");
	for (guint i = 0; i < RT_NS_TYPES; i++) {
		if (n->fds[i] < 0 || types[i].flag == CLONE_NEWPID)
			continue;
		if (!join(n, i, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean write_offset(int proc, const char *clock, const OciTimeOffset *o, GError **error)
{
	if (!o)
		return TRUE;
	g_autofree char *line = g_strdup_printf(
		"%s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n", clock, o->secs, o->nanosecs);
	return dh_write_kernel_file(proc, "self/timens_offsets", line) == 0 ||
	       rt_error_errno(error, errno, "set the offset of the %s clock", clock);
}

gboolean rt_ns_stage(const RtNamespaces *n, int proc, guint64 *ret_left, GError **error)
{
	gboolean done[RT_NS_TYPES] = {0};
	*ret_left = n->fresh & ~(guint64)CLONE_NEWCGROUP;
	if (n->netns_fd >= 0 && setns(n->netns_fd, CLONE_NEWNET) < 0)
		return rt_error_errno(error, errno, "join network namespace");
	if (n->offsets) {
		if (unshare(CLONE_NEWTIME) < 0)
			return rt_error_errno(error, errno, "unshare time namespace");
		if (!write_offset(proc, "monotonic", n->offsets->monotonic, error) ||
			!write_offset(proc, "boottime", n->offsets->boottime, error))
			return FALSE;
		*ret_left &= ~(guint64)CLONE_NEWTIME;
	}
	/* What the host's rights are good for first; what is refused may be the user namespace's
	 * own. */
	for (guint i = 0; i < RT_NS_TYPES; i++) {
		if (n->fds[i] >= 0 && types[i].flag != CLONE_NEWUSER)
			done[i] = setns(n->fds[i], (int)types[i].flag) == 0;
	}
	int user = rt_ns_fd(n, CLONE_NEWUSER);
	if (user >= 0 && setns(user, CLONE_NEWUSER) < 0)
		return rt_error_errno(error, errno, "join user namespace");
	for (guint i = 0; i < RT_NS_TYPES; i++) {
		if (n->fds[i] >= 0 && types[i].flag != CLONE_NEWUSER && !done[i] &&
			!join(n, i, error))
			return FALSE;
	}
	return TRUE;
}
