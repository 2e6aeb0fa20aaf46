/* SPDX-License-Identifier: MIT */
/* Finding the program. The texts are those of Go's exec.LookPath, which Docker's users know. */
#include "base/error.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0, or an errno; *ret_stat: it was the lookup that failed. */
static int check(const char *path, gboolean *ret_stat)
{
	struct stat st;
	*ret_stat = stat(path, &st) < 0;
	if (*ret_stat)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
		return 0;
	/* A filter may refuse the question; then the mode must do. */
	if (errno == ENOSYS || errno == EPERM)
		return st.st_mode & 0111 ? 0 : EACCES;
	return EACCES;
}

char *rt_program_find(const char *name, char *const *env, GError **error)
{
	gboolean at_stat;
	if (strchr(name, '/')) {
		int e = check(name, &at_stat);
		if (!e)
			return g_strdup(name);
		DhError code = e == ENOENT || e == ENOTDIR ? DH_ERROR_EXEC_NOT_FOUND
							   : DH_ERROR_EXEC_NOT_RUNNABLE;
		if (at_stat)
			dh_error(error, code, "exec: \"%s\": stat %s: %s", name, name,
				rt_strerror(e));
		else
			dh_error(error, code, "exec: \"%s\": %s", name, rt_strerror(e));
		return NULL;
	}
	const char *path = "";
	for (; env && *env; env++) {
		if (g_str_has_prefix(*env, "PATH="))
			path = *env + 5;
	}
	g_auto(GStrv) dirs = g_strsplit(path, ":", -1);
	for (char **d = dirs; *name && *d; d++) {
		if (!**d)
			continue; /* the current directory: never searched */
		g_autofree char *candidate = g_build_filename(*d, name, NULL);
		if (check(candidate, &at_stat) == 0)
			return g_steal_pointer(&candidate);
	}
	dh_error(error, DH_ERROR_EXEC_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH",
		name);
	return NULL;
}
