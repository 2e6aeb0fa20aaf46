/* SPDX-License-Identifier: MIT */
#include "container/runtimes.h"

#include "base/error.h"

void runtime_program_free(void *p)
{
	RuntimeProgram *r = p;
	g_free(r->path);
	g_strfreev(r->args);
	g_free(r);
}

/* Docker's clients ask for "runc" or the name of containerd's shim, and mean the default. */
gboolean runtime_is_own(const char *name)
{
	static const char *const own[] = {"runc", "dhow", "io.containerd.runc.v2", NULL};
	return !name || !*name || g_strv_contains(own, name);
}

/* The settings' own. */
static const RuntimeProgram *find(const EngineSettings *s, const char *name, GError **error)
{
	const RuntimeProgram *r = g_hash_table_lookup(s->runtimes, name);
	if (!r)
		dh_error(error, DH_ERROR_INVALID, "unknown or invalid runtime name: %s", name);
	return r;
}

gboolean runtime_check(Engine *e, const char *name, GError **error)
{
	g_autoptr(EngineSettings) settings = engine_settings(e);
	return runtime_is_own(name) || find(settings, name, error);
}

char **runtime_command(Engine *e, const char *name, GError **error)
{
	if (runtime_is_own(name))
		return NULL;
	g_autoptr(EngineSettings) settings = engine_settings(e);
	const RuntimeProgram *r = find(settings, name, error);
	if (!r)
		return NULL;
	g_autofree char *path = g_find_program_in_path(r->path);
	if (!path) {
		dh_error(error, DH_ERROR_SYSTEM,
			"runtime %s: exec: \"%s\": executable file not found", name, r->path);
		return NULL;
	}
	g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
	g_strv_builder_add(argv, path);
	for (char **a = r->args; a && *a; a++)
		g_strv_builder_add(argv, *a);
	return g_strv_builder_end(argv);
}
