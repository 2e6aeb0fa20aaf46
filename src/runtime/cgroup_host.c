/* SPDX-License-Identifier: MIT */
#include "runtime/cgroup_priv.h"

#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const struct {
	const char *v1, *v2;
	unsigned bit;
} controllers[] = {
	{"cpu", "cpu", CG_CPU},
	{"cpuacct", NULL, CG_CPUACCT},
	{"cpuset", "cpuset", CG_CPUSET},
	{"memory", "memory", CG_MEMORY},
	{"devices", NULL, CG_DEVICES},
	{"freezer", NULL, CG_FREEZER},
	{"blkio", "io", CG_BLKIO},
	{"pids", "pids", CG_PIDS},
	{"name=systemd", NULL, CG_SYSTEMD},
	{"hugetlb", "hugetlb", CG_HUGETLB},
	{"rdma", "rdma", CG_RDMA},
	{"net_cls", NULL, CG_NET_CLS},
	{"net_prio", NULL, CG_NET_PRIO},
};

const char *cg_controller_name(unsigned controller)
{
	for (size_t i = 0; i < G_N_ELEMENTS(controllers); i++) {
		if (controllers[i].bit == controller)
			return controllers[i].v1;
	}
	return "unknown";
}

static unsigned bits_of(const char *list, const char *separator, gboolean v2)
{
	unsigned bits = 0;
	g_auto(GStrv) words = g_strsplit(list, separator, -1);
	for (char **w = words; *w; w++) {
		for (size_t i = 0; i < G_N_ELEMENTS(controllers); i++) {
			const char *name = v2 ? controllers[i].v2 : controllers[i].v1;
			if (name && strcmp(*w, name) == 0)
				bits |= controllers[i].bit;
		}
	}
	return bits;
}

/* The named hierarchy only tells systemd which service a process belongs to: without leaving it,
 * containers would die with the daemon's unit. Where systemd does not run it is nobody's. */
static gboolean systemd_runs(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

static gboolean add(CgHost *host, const char *mountpoint, unsigned bits, gboolean v2)
{
	if (host->n == CG_MAX)
		return FALSE;
	dh_autofd int fd = open(mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statvfs st;
	if (fd < 0 || fstatvfs(fd, &st) < 0)
		return FALSE;
	if (v2 && (st.f_flag & ST_RDONLY))
		return FALSE;
	CgHierarchy *h = &host->h[host->n];
	if (v2) {
		memmove(host->h + 1, host->h, host->n * sizeof *h);
		h = host->h;
		host->has_v2 = TRUE;
	}
	*h = (CgHierarchy){.fd = dh_steal_fd(&fd),
		.where = g_strdup(mountpoint),
		.controllers = bits,
		.v2 = v2};
	host->n++;
	return TRUE;
}

/* One line of mountinfo: "id parent dev root mountpoint options ... - type source superoptions". */
static void add_line(CgHost *host, const char *line, unsigned *seen)
{
	g_auto(GStrv) f = g_strsplit(line, " ", -1);
	guint n = g_strv_length(f), dash = 6;
	while (dash < n && strcmp(f[dash], "-") != 0)
		dash++;
	if (dash + 3 >= n)
		return;
	g_autofree char *mountpoint = g_strcompress(f[4]);
	if (strcmp(f[dash + 1], "cgroup2") == 0) {
		if (!host->has_v2)
			(void)add(host, mountpoint, 0, TRUE);
		return;
	}
	if (strcmp(f[dash + 1], "cgroup") != 0)
		return;
	unsigned bits = bits_of(f[dash + 3], ",", FALSE) & ~*seen;
	if (bits == CG_SYSTEMD && !systemd_runs())
		bits = 0;
	if (bits && add(host, mountpoint, bits, FALSE))
		*seen |= bits;
	else if (!bits && host->n_other < CG_MAX)
		host->other[host->n_other++] = open(mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static gpointer read_layout(gpointer unused)
{
	CgHost *host = g_new0(CgHost, 1);
	g_autofree char *text =
		dh_read_file(AT_FDCWD, "/proc/self/mountinfo", 16 << 20, NULL, NULL);
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
	unsigned seen = 0;
	for (char **l = lines; *l; l++) {
		if (strstr(*l, " - cgroup"))
			add_line(host, *l, &seen);
	}
	if (host->has_v2) {
		g_autofree char *list = cg_read(host->h[0].fd, "cgroup.controllers");
		host->h[0].controllers = bits_of(list ? list : "", " ", TRUE) & ~seen;
		/* Device rules are a program attached to the group there, not a controller; the
		 * processor's time is always accounted. */
		host->h[0].controllers |= (CG_DEVICES | CG_CPUACCT | CG_FREEZER) & ~seen;
	}
	host->mode = !host->n        ? RT_CGROUP_NONE
		     : !host->has_v2 ? RT_CGROUP_V1
		     : host->n == 1  ? RT_CGROUP_V2
				     : RT_CGROUP_HYBRID;
	return host;
}

const CgHost *cg_host(void)
{
	static GOnce once = G_ONCE_INIT;
	return g_once(&once, read_layout, NULL);
}

RtCgroupMode rt_cgroup_mode(void)
{
	return cg_host()->mode;
}

const char *rt_cgroup_beside_v1(void)
{
	const CgHost *host = cg_host();
	return host->mode == RT_CGROUP_HYBRID ? host->h[0].where : NULL;
}

int cg_find(unsigned controller)
{
	const CgHost *host = cg_host();
	for (guint i = 0; i < host->n; i++) {
		if (host->h[i].controllers & controller)
			return (int)i;
	}
	return -1;
}

char *cg_read(int dirfd, const char *file)
{
	char *text = dh_read_file(dirfd, file, 64 << 20, NULL, NULL);
	return text ? g_strchomp(text) : NULL;
}

uint64_t cg_read_u64(int dirfd, const char *file, uint64_t fallback)
{
	g_autofree char *text = cg_read(dirfd, file);
	if (!text)
		return fallback;
	if (strcmp(text, "max") == 0)
		return UINT64_MAX;
	char *end;
	uint64_t n = g_ascii_strtoull(text, &end, 10);
	return end == text ? fallback : n;
}

int64_t cg_read_key(int dirfd, const char *file, const char *key)
{
	g_autofree char *text = cg_read(dirfd, file);
	size_t n = strlen(key);
	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		if (strncmp(p, key, n) == 0 && p[n] == ' ')
			return (int64_t)g_ascii_strtoull(p + n + 1, NULL, 10);
	}
	return -1;
}
