/* SPDX-License-Identifier: MIT */
#include "container/security.h"

#include "base/error.h"
#include "container/engine.h"

#include <string.h>

/* Of /proc and /sys, what tells about the machine or reaches into it and is no namespace's. */
const char *const security_masked_paths[] = {"/proc/asound", "/proc/acpi", "/proc/interrupts",
	"/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
	"/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap", NULL};
const char *const security_readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL};

void security_defaults(HostConfig *h)
{
	/* An empty list is one, too: --security-opt systempaths=unconfined. */
	if (h->privileged)
		return;
	if (!h->masked_paths)
		h->masked_paths = g_strdupv((char **)security_masked_paths);
	if (!h->readonly_paths)
		h->readonly_paths = g_strdupv((char **)security_readonly_paths);
}

/* As Docker's own language reads a truth value. */
static gboolean parse_bool(const char *text, gboolean *ret)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};
	*ret = g_strv_contains(yes, text);
	return *ret || g_strv_contains(no, text);
}

static gboolean read_option(const char *option, SecurityOptions *s, GError **error)
{
	if (strcmp(option, "no-new-privileges") == 0) {
		s->no_new_privileges = TRUE;
		return TRUE;
	}
	if (strcmp(option, "disable") == 0) {
		s->label = option;
		return TRUE;
	}
	const char *sign = strchr(option, '=');
	if (!sign)
		sign = strchr(option, ':');
	if (!sign)
		return dh_error(
			error, DH_ERROR_INVALID, "invalid --security-opt 1: \"%s\"", option);
	g_autofree char *key = g_strndup(option, (size_t)(sign - option));
	const char *value = sign + 1;
	if (strcmp(key, "seccomp") == 0)
		s->seccomp = value;
	else if (strcmp(key, "apparmor") == 0)
		s->apparmor = value;
	else if (strcmp(key, "label") == 0)
		s->label = value;
	else if (strcmp(key, "systempaths") == 0 && strcmp(value, "unconfined") == 0)
		s->systempaths_unconfined = TRUE;
	else if (strcmp(key, "no-new-privileges") != 0 || !parse_bool(value, &s->no_new_privileges))
		return dh_error(
			error, DH_ERROR_INVALID, "invalid --security-opt 2: \"%s\"", option);
	return TRUE;
}

gboolean security_options(const HostConfig *h, SecurityOptions *ret, GError **error)
{
	*ret = (SecurityOptions){0};
	for (char **o = h->security_opt; o && *o; o++) {
		if (!read_option(*o, ret, error))
			return FALSE;
	}
	return TRUE;
}

void security_warnings(Container *c, GPtrArray *warnings)
{
	SecurityOptions s;
	if (!security_options(c->host_config, &s, NULL))
		return;
	if (s.label && strcmp(s.label, "disable") != 0)
		g_ptr_array_add(warnings,
			g_strdup("SELinux labels are not applied: --security-opt label has no "
				 "effect."));
	if (s.apparmor && strcmp(s.apparmor, "unconfined") != 0 && !c->engine->apparmor.enabled)
		g_ptr_array_add(warnings,
			g_strdup("AppArmor is not enabled on this machine: --security-opt "
				 "apparmor has no effect."));
}

const char *security_apparmor(const Container *c)
{
	const AppArmor *a = &c->engine->apparmor;
	SecurityOptions s;
	if (!a->enabled || !security_options(c->host_config, &s, NULL))
		return NULL;
	if (s.apparmor && *s.apparmor)
		return s.apparmor;
	return c->host_config->privileged ? "unconfined" : a->profile;
}
