/* SPDX-License-Identifier: MIT */
/* features: what this runtime can do (runtime-spec, "Features"), from the tables that do it. */
#include "base/json.h"
#include "runtime/cgroup.h"
#include "runtime/cli/command.h"
#include "runtime/priv.h"
#include "runtime/seccomp.h"

#include <stdio.h>
#include <string.h>

static gint compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted. */
static json_t *strings(const char *const *list)
{
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();
	json_t *out = json_array();
	for (; *list; list++)
		g_ptr_array_add(sorted, (gpointer)*list);
	g_ptr_array_sort(sorted, compare);
	for (guint i = 0; i < sorted->len; i++)
		json_array_append_new(out, json_string(sorted->pdata[i]));
	return out;
}

static json_t *capabilities(void)
{
	json_t *out = json_array();
	const char *name;
	for (int cap = 0; (name = rt_cap_name(cap)); cap++)
		json_array_append_new(out, json_sprintf("CAP_%s", name));
	return out;
}

static json_t *mount_options(void)
{
	g_auto(GStrv) names = rt_mount_option_names();
	return strings((const char *const *)names);
}

static json_t *enabled(gboolean yes)
{
	return json_pack("{s:b}", "enabled", yes);
}

static int features(const Rt *rt, void *options, char **args, GError **error)
{
	(void)rt;
	(void)options;
	(void)args;
	(void)error;
	static const char *const namespaces[] = {
		"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts", NULL};
	g_autoptr(json_t) seccomp = json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "enabled", TRUE,
		"actions", strings(rt_seccomp_names(RT_SECCOMP_ACTIONS)), "operators",
		strings(rt_seccomp_names(RT_SECCOMP_OPERATORS)), "archs",
		strings(rt_seccomp_names(RT_SECCOMP_ARCHS)), "knownFlags",
		strings(rt_seccomp_names(RT_SECCOMP_FLAGS)), "supportedFlags",
		strings(rt_seccomp_names(RT_SECCOMP_FLAGS)));
	g_autoptr(json_t) linux_ = json_pack("{s:o, s:o, s:{s:b, s:b, s:b, s:b, s:b}, s:O, s:o, "
					     "s:o, s:o, s:{s:o}, s:o}",
		"namespaces", strings(namespaces), "capabilities", capabilities(), "cgroup", "v1",
		TRUE, "v2", TRUE, "systemd", FALSE, "systemdUser", FALSE, "rdma", TRUE, "seccomp",
		seccomp, "apparmor", enabled(TRUE), "selinux", enabled(FALSE), "intelRdt",
		enabled(FALSE), "mountExtensions", "idmap", enabled(TRUE), "netDevices",
		enabled(FALSE));
	g_autoptr(json_t) all = json_pack("{s:s, s:s, s:[s,s,s,s,s,s], s:o, s:O, s:{s:s, s:s}}",
		"ociVersionMin", "1.0.0", "ociVersionMax", OCI_VERSION, "hooks", "prestart",
		"createRuntime", "createContainer", "startContainer", "poststart", "poststop",
		"mountOptions", mount_options(), "linux", linux_, "annotations",
		"org.dhow.runtime.version", DHOW_VERSION,
		"org.opencontainers.runc.checkpoint.enabled", "false");
	g_autofree char *text = dh_json_dumps(all, 4);
	puts(text);
	return 0;
}

const RtCommand cmd_features = {
	.name = "features",
	.summary = "show the enabled features",
	.usage = "",
	.arguments = "",
	.description = "Show the enabled features.\n   The result is parsable as a JSON.",
	.min_args = 0,
	.max_args = 0,
	.run = features,
};
