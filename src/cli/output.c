/* SPDX-License-Identifier: MIT */
#include "cli/output.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 128 * 1024 };

gboolean output_check(const char *path, const char *failed, GError **error)
{
	struct stat st;
	g_autofree char *dir = g_path_get_dirname(path);
	if (stat(dir, &st) < 0) {
		g_autofree char *why = g_ascii_strdown(g_strerror(errno), -1);
		return dh_error(error, DH_ERROR_INVALID, "%s: invalid output path: stat %s: %s",
			failed, dir, why);
	}
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return dh_error(error, DH_ERROR_INVALID, "%s: cannot write to a directory", failed);
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) &&
		!S_ISFIFO(st.st_mode))
		return dh_error(error, DH_ERROR_INVALID, "%s: cannot write to %s", failed, path);
	return TRUE;
}

gboolean output_copy(Response *r, int fd, GError **error)
{
	g_autofree char *buf = g_malloc(BUFFER);
	for (;;) {
		ssize_t n = response_read(r, buf, BUFFER, error);
		if (n <= 0)
			return n == 0;
		if (dh_write_all(fd, buf, (size_t)n) < 0)
			return dh_error_errno(error, errno, "write");
	}
}

gboolean output_to_file(Response *r, const char *path, GError **error)
{
	struct stat st;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		dh_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
		return fd >= 0 ? output_copy(r, fd, error)
			       : dh_error_errno(error, errno, "open %s", path);
	}
	g_autofree char *temporary = g_strdup_printf("%s.dhow-XXXXXX", path);
	dh_autofd int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return dh_error_errno(error, errno, "create %s", temporary);
	if (!output_copy(r, fd, error)) {
		unlink(temporary);
		return FALSE;
	}
	if (rename(temporary, path) < 0) {
		dh_error_errno(error, errno, "rename to %s", path);
		unlink(temporary);
		return FALSE;
	}
	return TRUE;
}
