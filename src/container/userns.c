/* SPDX-License-Identifier: MIT */
/*
 * userns.c - theory of operation: the namespaces of a container belong to its user namespace, and
 * its network namespace is furnished by the daemon before there is any process in it. So both are
 * made here, and the shim gets their descriptors. Who joins another container's namespaces has no
 * rights over them unless it joins that one's user namespace as well, so it does, as Docker has it,
 * and is mapped as that one is.
 */
#include "container/internal.h"

#include "base/error.h"
#include "base/fd.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of those that c shares namespaces with, the user namespace that it must join. */
typedef struct {
	gboolean any;       /* there are such containers */
	Identity *identity; /* theirs */
	int userns;
} Donor;

static void donor_clear(Donor *d)
{
	identity_unref(d->identity);
	dh_close(&d->userns);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Donor, donor_clear)

static gboolean same_namespace(int a, int b)
{
	struct stat x, y;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

static gboolean look_at(Container *c, const char *mode, const char *what, Donor *d, GError **error)
{
	if (!mode || !g_str_has_prefix(mode, "container:"))
		return TRUE;
	/* What is wrong with it is told where its namespace is joined. */
	g_autoptr(Container) target = container_find(c->engine, mode + strlen("container:"), NULL);
	g_autoptr(ContainerSnapshot) s = target ? container_snapshot(target) : NULL;
	if (!s || !s->state.running)
		return TRUE;
	g_autoptr(Identity) identity = container_identity(target);
	if (!identity)
		return dh_error(error, DH_ERROR_CONFLICT,
			"cannot share the %s namespace of container %s, which runs in the host's "
			"user namespace, when user namespaces are enabled",
			what, target->id);
	g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/ns/user", s->state.pid);
	dh_autofd int ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return dh_error_errno(error, errno, "open %s", path);
	if (d->any && !same_namespace(ns, d->userns))
		return dh_error(error, DH_ERROR_CONFLICT,
			"cannot share namespaces of containers in different user namespaces");
	if (!d->any) {
		d->any = TRUE;
		d->identity = g_steal_pointer(&identity);
		d->userns = dh_steal_fd(&ns);
	}
	return TRUE;
}

/* Written down: the next daemon must know how what runs is mapped. */
static gboolean adopt_identity(Container *c, Donor *d, GError **error)
{
	g_mutex_lock(&c->state_lock);
	Identity *before = c->identity;
	c->identity = g_steal_pointer(&d->identity);
	gboolean same = before == c->identity;
	g_mutex_unlock(&c->state_lock);
	identity_unref(before);
	return same || container_save_config(c, NULL, error);
}

static gboolean has_network_of_its_own(const Container *c)
{
	return !g_str_has_prefix(c->host_config->network_mode, "container:");
}

gboolean container_user_namespace(Container *c, int *ret_userns, int *ret_netns, GError **error)
{
	const HostConfig *h = c->host_config;
	g_autoptr(Identity) identity = container_identity(c);
	*ret_userns = *ret_netns = -1;
	/* The host's user namespace has all rights over everybody's. */
	if (!identity)
		return TRUE;
	g_auto(Donor) d = {.userns = -1};
	if (!look_at(c, h->network_mode, "network", &d, error) ||
		!look_at(c, h->ipc_mode, "IPC", &d, error) ||
		!look_at(c, h->pid_mode, "PID", &d, error))
		return FALSE;
	gboolean network = has_network_of_its_own(c);
	if (!d.any)
		return rt_userns_new(identity->uids, identity->gids, ret_userns,
			network ? ret_netns : NULL, error);
	if (network && !rt_netns_new(d.userns, ret_netns, error))
		return FALSE;
	*ret_userns = dh_steal_fd(&d.userns);
	return adopt_identity(c, &d, error);
}
