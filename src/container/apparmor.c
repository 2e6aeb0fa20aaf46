/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: the kernel takes compiled profiles only, and the one compiler there is is
 * the program apparmor_parser; it has no library form. So this is the one place where the engine
 * runs a helper program, once after the machine's start: the profile (contrib/apparmor, carried in
 * the daemon) is given to it on its standard input unless one of that name is loaded already - by
 * the system, if the file is installed in /etc/apparmor.d, or by an earlier daemon.
 */
#include "container/apparmor.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROFILE "dhow-default"
#define LOADED "/sys/kernel/security/apparmor/profiles"

enum { MAX_PROFILES = 4 << 20, MAX_TOLD = 4096 };

static const char apparmor_profile[] =
#include "apparmor_profile.inc"
	;

/* Lines of "name (mode)". */
static gboolean is_loaded(void)
{
	g_autofree char *list = dh_read_file(AT_FDCWD, LOADED, MAX_PROFILES, NULL, NULL);
	return list && (g_str_has_prefix(list, PROFILE " (") || strstr(list, "\n" PROFILE " ("));
}

static const char *find_parser(void)
{
	static const char *const places[] = {"/sbin/apparmor_parser", "/usr/sbin/apparmor_parser",
		"/usr/bin/apparmor_parser", "/usr/local/sbin/apparmor_parser"};
	for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
		if (access(places[i], X_OK) == 0)
			return places[i];
	}
	return NULL;
}

static int memory_file(const char *name, const char *text, GError **error)
{
	dh_autofd int fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0 || dh_write_all(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		dh_error_errno(error, errno, "memfd");
		return -1;
	}
	return dh_steal_fd(&fd);
}

/* What the program said, in one line. */
static char *told(int fd)
{
	char text[MAX_TOLD];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	g_strdelimit(text, "\n", ' ');
	return g_strdup(g_strstrip(text));
}

static gboolean load(GError **error)
{
	const char *parser = find_parser();
	if (!parser)
		return dh_error(error, DH_ERROR_SYSTEM, "there is no apparmor_parser");
	dh_autofd int profile = memory_file("profile", apparmor_profile, error);
	dh_autofd int said = profile < 0 ? -1 : memory_file("said", "", error);
	if (said < 0)
		return FALSE;
	/* -K: no cache on disk; -r: in place of one that another has loaded meanwhile. */
	char *argv[] = {(char *)parser, (char *)"-K", (char *)"-r", NULL};
	char *envp[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LC_ALL=C", NULL};
	DhSpawn s = {.path = parser, .argv = argv, .envp = envp, .stdio = {profile, said, said}};
	dh_autofd int pidfd = -1;
	if (!dh_spawn(&s, NULL, &pidfd, error))
		return FALSE;
	int status = dh_reap(pidfd);
	if (status == 0 && is_loaded())
		return TRUE;
	g_autofree char *text = told(said);
	return dh_error(error, DH_ERROR_SYSTEM, "%s ended with %d: %s", parser, status, text);
}

gboolean apparmor_prepare(AppArmor *ret, GError **error)
{
	g_autofree char *on =
		dh_read_file(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 16, NULL, NULL);
	*ret = (AppArmor){.enabled = on && *on == 'Y'};
	if (!ret->enabled)
		return TRUE;
	if (!is_loaded() && !load(error)) {
		g_prefix_error(error, "the AppArmor profile " PROFILE " cannot be loaded, "
				      "containers run without one: ");
		return FALSE;
	}
	ret->profile = PROFILE;
	return TRUE;
}
