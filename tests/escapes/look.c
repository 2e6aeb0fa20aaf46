/* SPDX-License-Identifier: MIT */
/*
 * look - what a process finds around itself, as one JSON object: the same container is shown to two
 * engines (tests/escapes/compare) and must look the same.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

extern char **environ;

static void text(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < 32)
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

/* "name": with a comma in front of all but the first. */
static void key(const char *name, int *n)
{
	printf("%s", (*n)++ ? ",\n  " : "\n  ");
	text(name);
	printf(": ");
}

static void namespaces(void)
{
	static const char *const types[] = {
		"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
	int n = 0;
	printf("{");
	for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
		char path[64], to[64];
		snprintf(path, sizeof path, "/proc/self/ns/%s", types[i]);
		ssize_t k = readlink(path, to, sizeof to - 1);
		to[k > 0 ? k : 0] = '\0';
		key(types[i], &n);
		text(to);
	}
	printf("}");
}

/* The lines of /proc/self/status that say what one may do. */
static void rights(void)
{
	static const char *const wanted[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
		"NoNewPrivs", "Seccomp", "Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn",
		"CoreDumping", "THP_enabled"};
	char line[512];
	FILE *f = fopen("/proc/self/status", "re");
	int n = 0;
	printf("{");
	while (f && fgets(line, sizeof line, f)) {
		char *value = strchr(line, ':');
		if (!value)
			continue;
		*value++ = '\0';
		line[strcspn(line, "\n")] = '\0';
		for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) {
			if (strcmp(wanted[i], line) != 0)
				continue;
			value += strspn(value, " \t");
			value[strcspn(value, "\n")] = '\0';
			key(line, &n);
			text(value);
			break;
		}
	}
	printf("}");
	if (f)
		fclose(f);
}

/* Mount point: type and flags, the file system's options too where they say no path of the host. */
static void mounts(void)
{
	char line[8192];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	int n = 0;
	printf("[");
	while (f && fgets(line, sizeof line, f)) {
		char root[2048], point[2048], flags[512], type[64], source[2048], options[2048];
		char *dash = strstr(line, " - ");
		if (!dash ||
			sscanf(line, "%*d %*d %*s %2047s %2047s %511s", root, point, flags) != 3 ||
			sscanf(dash, " - %63s %2047s %2047s", type, source, options) != 3)
			continue;
		int shared = strstr(line, " shared:") && strstr(line, " shared:") < dash;
		int master = strstr(line, " master:") && strstr(line, " master:") < dash;
		printf("%s\n  {\"point\": ", n++ ? "," : "");
		text(point);
		printf(", \"type\": ");
		text(type);
		printf(", \"flags\": ");
		text(flags);
		printf(", \"options\": ");
		text(strcmp(type, "overlay") == 0 || *options == '/' ? "" : options);
		printf(", \"propagation\": \"%s\"}", shared   ? "shared"
						     : master ? "slave"
							      : "private");
	}
	printf("]");
	if (f)
		fclose(f);
}

static void devices(const char *dir, int *n)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	while (d && (e = readdir(d))) {
		char path[1024], to[1024] = "";
		struct stat st;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			lstat(path, &st) < 0)
			continue;
		if (S_ISLNK(st.st_mode) && readlink(path, to, sizeof to - 1) < 0)
			continue;
		char kind = S_ISDIR(st.st_mode)   ? 'd'
			    : S_ISLNK(st.st_mode) ? 'l'
			    : S_ISCHR(st.st_mode) ? 'c'
			    : S_ISBLK(st.st_mode) ? 'b'
						  : '-';
		char what[1200];
		int fd = kind == 'c' || kind == 'b'
				 ? open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
				 : -2;
		snprintf(what, sizeof what, "%c %03o %u:%u %u:%u %s%s", kind, st.st_mode & 07777,
			st.st_uid, st.st_gid, major(st.st_rdev), minor(st.st_rdev), to,
			fd >= 0    ? "opens"
			: fd == -1 ? strerrorname_np(errno)
				   : "");
		if (fd >= 0)
			close(fd);
		key(path, n);
		text(what);
		if (kind == 'd')
			devices(path, n);
	}
	if (d)
		closedir(d);
}

static void limits(void)
{
	static const char *const names[] = {"cpu", "fsize", "data", "stack", "core", "rss", "nproc",
		"nofile", "memlock", "as", "locks", "sigpending", "msgqueue", "nice", "rtprio",
		"rttime"};
	int n = 0;
	printf("{");
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		struct rlimit r;
		if (getrlimit((__rlimit_resource_t)i, &r) < 0)
			continue;
		key(names[i], &n);
		printf("[%lld, %lld]", (long long)r.rlim_cur, (long long)r.rlim_max);
	}
	printf("}");
}

static void descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int n = 0;
	printf("{");
	while (d && (e = readdir(d))) {
		char path[300];
		struct stat st;
		snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
		if (!isdigit((unsigned char)*e->d_name) || atoi(e->d_name) == dirfd(d) ||
			stat(path, &st) < 0)
			continue;
		key(e->d_name, &n);
		printf("\"%o %u\"", st.st_mode & S_IFMT, st.st_uid);
	}
	printf("}");
	if (d)
		closedir(d);
}

static void file(const char *name, const char *path, int *n)
{
	char buf[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t k = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
	buf[k > 0 ? k : 0] = '\0';
	key(name, n);
	text(k < 0 ? strerrorname_np(errno) : buf);
	if (fd >= 0)
		close(fd);
}

int main(void)
{
	char cwd[4096];
	int n = 0, k = 0;
	printf("{");
	key("namespaces", &n);
	namespaces();
	key("rights", &n);
	rights();
	key("mounts", &n);
	mounts();
	key("devices", &n);
	printf("{");
	devices("/dev", &k);
	printf("}");
	key("limits", &n);
	limits();
	key("descriptors", &n);
	descriptors();
	key("cwd", &n);
	text(getcwd(cwd, sizeof cwd) ? cwd : strerrorname_np(errno));
	key("environment", &n);
	printf("[");
	for (char **e = environ; *e; e++) {
		printf("%s", e == environ ? "" : ", ");
		text(*e);
	}
	printf("]");
	key("ids", &n);
	printf("[%d, %d, %d, %d]", getpid(), getppid(), getsid(0) == getpid(),
		getpgrp() == getpid());
	file("oom_score_adj", "/proc/self/oom_score_adj", &n);
	file("apparmor", "/proc/self/attr/current", &n);
	file("uid_map", "/proc/self/uid_map", &n);
	printf("\n}\n");
	return 0;
}
