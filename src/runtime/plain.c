/* SPDX-License-Identifier: MIT */
/* plain.c - a process without what we add to the specification: for other runtimes. */
#include "base/error.h"
#include "runtime/priv.h"

#include <string.h>

static void put_home(OciProcess *p, const char *home)
{
	g_autoptr(GStrvBuilder) env = g_strv_builder_new();
	gboolean given = FALSE;
	for (char **e = p->env; e && *e; e++) {
		if (strcmp(*e, "HOME=") == 0)
			continue;
		given |= g_str_has_prefix(*e, "HOME=");
		g_strv_builder_add(env, *e);
	}
	if (!given) {
		g_autofree char *own = g_strconcat("HOME=", home && *home ? home : "/", NULL);
		g_strv_builder_add(env, own);
	}
	g_strfreev(p->env);
	p->env = g_strv_builder_end(env);
}

gboolean rt_process_plain(int root, OciProcess *p, GError **error)
{
	g_auto(RtIds) ids = {0};
	if (!rt_user_resolve(root, &p->user, &ids, error))
		return FALSE;
	p->user.uid = ids.uid;
	p->user.gid = ids.gid;
	json_decref(p->user.additional_gids);
	p->user.additional_gids = json_array();
	for (guint i = 0; i < ids.groups->len; i++)
		json_array_append_new(p->user.additional_gids,
			json_integer((json_int_t)g_array_index(ids.groups, gid_t, i)));
	g_clear_pointer(&p->user.dhow_user, g_free);
	g_clear_pointer(&p->user.dhow_groups, g_strfreev);
	if (p->dhow_set_home)
		put_home(p, ids.home);
	p->dhow_set_home = FALSE;
	return TRUE;
}
