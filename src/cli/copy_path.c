/* SPDX-License-Identifier: MIT */
#include "cli/copy_path.h"

#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINKS = 10 };

void copy_info_clear(CopyInfo *i)
{
	g_clear_pointer(&i->path, g_free);
	g_clear_pointer(&i->rebase, g_free);
}

static gboolean ends_in_dot(const char *path)
{
	return strcmp(path, ".") == 0 || g_str_has_suffix(path, "/.");
}

static gboolean ends_in_slash(const char *path)
{
	return g_str_has_suffix(path, "/");
}

gboolean copy_asserts_dir(const char *path)
{
	return ends_in_slash(path) || ends_in_dot(path);
}

/* Without "//", "." and as far as possible ".."; "." for nothing. */
static char *clean(const char *path)
{
	gboolean absolute = *path == '/';
	g_auto(GStrv) parts = g_strsplit(path, "/", -1);
	g_autoptr(GPtrArray) out = g_ptr_array_new();
	for (char **p = parts; *p; p++) {
		if (!**p || strcmp(*p, ".") == 0)
			continue;
		gboolean up = strcmp(*p, "..") == 0;
		const char *last = out->len ? g_ptr_array_index(out, out->len - 1) : NULL;
		if (up && last && strcmp(last, "..") != 0)
			g_ptr_array_set_size(out, (int)out->len - 1);
		else if (!up || !absolute)
			g_ptr_array_add(out, *p);
	}
	g_ptr_array_add(out, NULL);
	g_autofree char *joined = g_strjoinv("/", (char **)out->pdata);
	if (absolute)
		return g_strconcat("/", joined, NULL);
	return g_strdup(*joined ? joined : ".");
}

void copy_split(const char *path, char **ret_dir, char **ret_base)
{
	g_autofree char *c = clean(path);
	g_autofree char *full = ends_in_dot(path)
					? g_strconcat(c, ends_in_slash(c) ? "." : "/.", NULL)
					: g_strdup(c);
	char *slash = strrchr(full, '/');
	*ret_base = g_strdup(slash ? slash + 1 : full);
	*ret_dir = slash ? g_strndup(full, (gsize)(slash + 1 - full)) : g_strdup("");
}

char *copy_absolute(const char *path)
{
	g_autofree char *full = g_canonicalize_filename(path, NULL);
	if (ends_in_dot(path))
		return g_strconcat(full, ends_in_slash(full) ? "." : "/.", NULL);
	if (ends_in_slash(path) && !ends_in_slash(full))
		return g_strconcat(full, "/", NULL);
	return g_steal_pointer(&full);
}

char *copy_base(const char *path)
{
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n == 1 && *path == '/')
		return g_strdup("/");
	size_t at = n;
	while (at > 0 && path[at - 1] != '/')
		at--;
	return n ? g_strndup(path + at, n - at) : g_strdup(".");
}

void copy_rebase(CopyInfo *info, const char *path, const char *resolved)
{
	const char *end = ends_in_dot(path) && !ends_in_dot(resolved)       ? "/."
			  : ends_in_slash(path) && !ends_in_slash(resolved) ? "/"
									    : "";
	g_autofree char *full = g_strconcat(resolved, end, NULL);
	g_autofree char *old = copy_base(path), *new = copy_base(full);
	g_free(info->path);
	info->path = g_steal_pointer(&full);
	g_free(info->rebase);
	info->rebase = strcmp(old, new) != 0 ? g_strdup(old) : NULL;
}

gboolean copy_prepare(const CopyInfo *src, const CopyInfo *dst, char **ret_dir, char **ret_from,
	char **ret_to, GError **error)
{
	g_autofree char *src_dir = NULL, *src_base = NULL, *dst_dir = NULL, *dst_base = NULL;
	copy_split(src->path, &src_dir, &src_base);
	copy_split(dst->path, &dst_dir, &dst_base);
	*ret_from = *ret_to = NULL;
	if (dst->exists && dst->is_dir) {
		*ret_dir = g_strdup(dst->path);
		return TRUE;
	}
	if (dst->exists && src->is_dir)
		return dh_error(error, DH_ERROR_INVALID, "cannot copy directory");
	if (!dst->exists && !src->is_dir && copy_asserts_dir(dst->path))
		return dh_error(error, DH_ERROR_INVALID, "no such directory");
	*ret_dir = g_strdup(*dst_dir ? dst_dir : ".");
	*ret_from = g_strdup(src->rebase ? src->rebase : *src_base ? src_base : "/");
	*ret_to = g_strdup(dst_base);
	return TRUE;
}

/* ---- the user's own files ---- */

static gboolean lstat_error(const char *path, GError **error)
{
	g_autofree char *why = g_ascii_strdown(g_strerror(errno), -1);
	return dh_error(error, DH_ERROR_INVALID, "lstat %s: %s", path, why);
}

static char *resolve(const char *path, GError **error)
{
	char *real = realpath(*path ? path : ".", NULL);
	if (!real) {
		lstat_error(path, error);
		return NULL;
	}
	char *out = g_strdup(real);
	free(real);
	return out;
}

gboolean copy_local_source(const char *path, gboolean follow, CopyInfo *ret, GError **error)
{
	struct stat st;
	g_autofree char *real = NULL;
	if (follow) {
		if (!(real = resolve(path, error)))
			return FALSE;
		copy_rebase(ret, path, real);
	} else {
		/* The last part stays as it is: of "x/" that is nothing, so that a link is
		 * followed. */
		const char *slash = strrchr(path, '/');
		g_autofree char *dir = g_strndup(path, slash ? (gsize)(slash + 1 - path) : 0);
		if (!(real = resolve(dir, error)))
			return FALSE;
		ret->path = g_strconcat(
			real, ends_in_slash(real) ? "" : "/", slash ? slash + 1 : path, NULL);
		g_autofree char *old = copy_base(path), *new = copy_base(ret->path);
		if (ends_in_slash(path) && strcmp(old, new) != 0)
			ret->rebase = g_strdup(old);
	}
	if (lstat(ret->path, &st) < 0)
		return lstat_error(ret->path, error);
	ret->exists = TRUE;
	ret->is_dir = S_ISDIR(st.st_mode);
	return TRUE;
}

gboolean copy_local_destination(const char *path, CopyInfo *ret, GError **error)
{
	struct stat st;
	g_autofree char *at = g_strdup(path);
	int r = lstat(at, &st);
	for (guint n = 0; r == 0 && S_ISLNK(st.st_mode); n++) {
		char text[PATH_MAX];
		ssize_t len = readlink(at, text, sizeof text - 1);
		if (len < 0)
			return lstat_error(at, error);
		if (n > MAX_LINKS)
			return dh_error(error, DH_ERROR_INVALID, "too many symlinks in %s", path);
		text[len] = '\0';
		g_autofree char *dir = g_path_get_dirname(at);
		char *next = *text == '/' ? g_strdup(text) : g_build_filename(dir, text, NULL);
		g_free(at);
		at = next;
		r = lstat(at, &st);
	}
	if (r < 0 && errno != ENOENT)
		return lstat_error(at, error);
	ret->exists = r == 0;
	ret->is_dir = r == 0 && S_ISDIR(st.st_mode);
	if (r < 0) {
		g_autofree char *dir = NULL, *base = NULL;
		copy_split(at, &dir, &base);
		if (stat(*dir ? dir : ".", &st) < 0)
			return lstat_error(dir, error);
		if (!S_ISDIR(st.st_mode))
			return dh_error(error, DH_ERROR_INVALID, "not a directory");
	}
	ret->path = g_steal_pointer(&at);
	return TRUE;
}
