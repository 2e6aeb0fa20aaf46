/* SPDX-License-Identifier: MIT */
#include "container/caps.h"

#include "base/error.h"

#include <string.h>
#include <sys/capability.h>

static const char *const default_caps[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID",
	"CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP",
	"CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
	NULL};

/* All that the kernel has and libcap can name. */
static char **all_caps(void)
{
	g_autoptr(GStrvBuilder) b = g_strv_builder_new();
	for (cap_value_t i = 0; i < cap_max_bits(); i++) {
		char *name = cap_to_name(i);
		if (name && g_str_has_prefix(name, "cap_")) {
			g_autofree char *upper = g_ascii_strup(name, -1);
			g_strv_builder_add(b, upper);
		}
		cap_free(name);
	}
	return g_strv_builder_end(b);
}

/* "net_admin" -> "CAP_NET_ADMIN"; "ALL" stays. */
static char *normalise(const char *name)
{
	g_autofree char *upper = g_ascii_strup(name, -1);
	if (strcmp(upper, "ALL") == 0 || g_str_has_prefix(upper, "CAP_"))
		return g_steal_pointer(&upper);
	return g_strdup_printf("CAP_%s", upper);
}

static char **normalise_all(
	char *const *names, const char *what, char *const *known, gboolean *ret_all, GError **error)
{
	g_autoptr(GStrvBuilder) b = g_strv_builder_new();
	*ret_all = FALSE;
	for (; names && *names; names++) {
		g_autofree char *name = normalise(*names);
		if (strcmp(name, "ALL") == 0) {
			*ret_all = TRUE;
		} else if (!g_strv_contains((const char *const *)known, name)) {
			dh_error(error, DH_ERROR_INVALID, "invalid %s: unknown capability: \"%s\"",
				what, name);
			return NULL;
		} else {
			g_strv_builder_add(b, name);
		}
	}
	return g_strv_builder_end(b);
}

char **caps_resolve(char *const *add, char *const *drop, gboolean privileged, GError **error)
{
	g_auto(GStrv) known = all_caps();
	gboolean add_all, drop_all;
	g_auto(GStrv) added = normalise_all(add, "CapAdd", known, &add_all, error);
	if (!added)
		return NULL;
	g_auto(GStrv) dropped = normalise_all(drop, "CapDrop", known, &drop_all, error);
	if (!dropped)
		return NULL;
	if (privileged)
		return g_steal_pointer(&known);

	g_autoptr(GStrvBuilder) b = g_strv_builder_new();
	for (char **k = known; *k; k++) {
		gboolean is_added = g_strv_contains((const char *const *)added, *k);
		gboolean is_dropped = g_strv_contains((const char *const *)dropped, *k);
		gboolean is_default = g_strv_contains(default_caps, *k);
		/* Docker's rule: to add beats to drop, but a name beats ALL. */
		if (add_all ? !is_dropped || is_added
			    : is_added || (is_default && !is_dropped && !drop_all))
			g_strv_builder_add(b, *k);
	}
	return g_strv_builder_end(b);
}
