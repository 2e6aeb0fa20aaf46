/* SPDX-License-Identifier: MIT */
/*
 * An ordinary user, or root of a user namespace only, may not be allowed to make cgroups. A
 * container that asks for no limits and names no place then runs where its caller does (runc's
 * rule); what needs a group of its own (pause, update, events) says so.
 */
#include "base/error.h"
#include "base/fs.h"
#include "runtime/cli/config.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static gboolean is_rootless(const Rt *rt, gboolean *ret, GError **error)
{
	const char *s = rt->rootless ? rt->rootless : "auto";
	*ret = strcmp(s, "true") == 0;
	if (*ret || strcmp(s, "false") == 0)
		return TRUE;
	if (*s && strcmp(s, "auto") != 0)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid boolean value \"%s\" for --rootless", s);
	*ret = geteuid() != 0 || rt_in_user_ns();
	return TRUE;
}

/* The innermost directory on the way to rel that exists has to be ours to write to. */
static gboolean may_make(const CgHierarchy *h, const char *rel)
{
	g_autofree char *path = g_strdup(rel);
	char *slash;
	while (faccessat(h->fd, path, F_OK, AT_EACCESS) < 0 && errno == ENOENT &&
		(slash = strrchr(path, '/')))
		*slash = '\0';
	const char *at = faccessat(h->fd, path, F_OK, AT_EACCESS) == 0 ? path : ".";
	return faccessat(h->fd, at, W_OK | X_OK, AT_EACCESS) == 0;
}

/* NULL: everywhere; else the hierarchy where not. */
static const char *forbidden_at(const char *rel)
{
	const CgHost *host = cg_host();
	for (guint i = 0; i < host->n; i++) {
		const CgHierarchy *h = &host->h[i];
		if ((h->v2 || (h->controllers & ~(unsigned)CG_RARE)) && !may_make(h, rel))
			return h->where;
	}
	return NULL;
}

gboolean config_place(const Rt *rt, OciSpec *s, const char *id, GError **error)
{
	OciLinux *l = s->linux_;
	gboolean named = l->cgroups_path && *l->cgroups_path, rootless;
	if (!is_rootless(rt, &rootless, error))
		return FALSE;
	if (!named) {
		g_free(l->cgroups_path);
		l->cgroups_path = g_strconcat("/", id, NULL);
	}
	const char *rel = rootless ? cg_relative(l->cgroups_path, error) : NULL;
	if (!rel)
		return !rootless;
	const char *where = forbidden_at(rel);
	if (!where)
		return TRUE;
	OciResources *r = l->resources;
	gboolean limits = r && (r->memory || r->cpu || r->pids || r->block_io || r->network ||
				       r->hugepage_limits || r->rdma || r->unified);
	if (named || limits)
		return dh_error(error, DH_ERROR_INVALID,
			"rootless needs no limits + no cgrouppath when no permission is granted "
			"for cgroups: mkdir %s/%s: permission denied",
			where, rel);
	g_clear_pointer(&l->cgroups_path, g_free);
	return TRUE;
}
