/* SPDX-License-Identifier: MIT */
/*
 * floor - only what the kernel has to do for one container, as fast as one program can ask for it:
 * a measure that any engine on the same machine, at the same moment, can be held against.
 *
 * usage: floor [-v] [-d] [-n] [-b BRIDGE] LAYER SCRATCH PROGRAM [ARG...]
 *
 * One run is: a directory in every cgroup hierarchy, new mount, pid, uts, ipc and network
 * namespaces, an overlay of LAYER with its writable part below SCRATCH, /proc, /sys, /dev with its
 * nodes, /dev/pts, /dev/shm, /dev/mqueue, pivot_root, PROGRAM, its end, and all of that removed
 * again. With -b also a veth pair, one end in the container with its address, the other in BRIDGE.
 * Left out is what makes a container engine: image, state, log, streams, seccomp, capabilities,
 * masked paths, limits, an API. -n: no network namespace, the host's is kept. -d: nothing of the
 * writable part is wanted afterwards (--rm). -v prints what each step took, in microseconds.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_GROUPS = 32 };

static int verbose, discardable, host_network;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double lap_at;

/* Both sides of the clone have a clock of their own. */
static void lap(const char *what)
{
	double t = now();
	if (verbose)
		fprintf(stderr, "%8.0f us  %s\n", t - lap_at, what);
	lap_at = now();
}

/* ---- cgroups ---- */

typedef struct {
	int fd; /* of our directory */
	int parent;
	int v2;
} Group;

static Group groups[MAX_GROUPS];
static int n_groups, group_v2 = -1;
static char group_name[32];

static void add_group(const char *path)
{
	struct statfs st;
	Group *g = &groups[n_groups];
	g->parent = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (g->parent < 0 || fstatfs(g->parent, &st) < 0)
		return;
	g->v2 = st.f_type == 0x63677270;
	/* An empty cpuset can be joined by nobody; engines make one only when it is asked for. */
	if ((!g->v2 && st.f_type != 0x27e0eb) || strstr(path, "cpuset") ||
		mkdirat(g->parent, group_name, 0755) < 0)
		return;
	g->fd = openat(g->parent, group_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (g->v2)
		group_v2 = g->fd;
	n_groups++;
}

static void make_groups(void)
{
	static const char root[] = "/sys/fs/cgroup";
	snprintf(group_name, sizeof group_name, "floor-%d", getpid());
	add_group(root);
	DIR *d = n_groups ? NULL : opendir(root);
	struct dirent *e;
	while (d && (e = readdir(d)) && n_groups < MAX_GROUPS) {
		char path[300];
		snprintf(path, sizeof path, "%s/%s", root, e->d_name);
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			add_group(path);
	}
	if (d)
		closedir(d);
}

static void join_groups(void)
{
	for (int i = 0; i < n_groups; i++) {
		int fd = groups[i].v2 ? -1 : openat(groups[i].fd, "tasks", O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, "0", 1) < 0)
			err(1, "join cgroup");
		close(fd);
	}
}

static void remove_groups(void)
{
	for (int i = 0; i < n_groups; i++) {
		/* v1 lets go of a dead process a moment after its parent has heard of it. */
		while (unlinkat(groups[i].parent, group_name, AT_REMOVEDIR) < 0 && errno == EBUSY)
			sched_yield();
	}
}

/* ---- network ---- */

typedef struct {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
	} u;
	char space[512];
} Request;

static void put(Request *r, unsigned short type, const void *data, size_t n)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));
	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(n);
	if (n)
		memcpy(RTA_DATA(a), data, n);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

static unsigned nest(Request *r, unsigned short type)
{
	unsigned at = NLMSG_ALIGN(r->h.nlmsg_len);
	put(r, type, NULL, 0);
	return at;
}

static void unnest(Request *r, unsigned at)
{
	((struct rtattr *)((char *)r + at))->rta_len = (unsigned short)(r->h.nlmsg_len - at);
}

static int request(Request *r, unsigned short type, unsigned short flags, size_t body)
{
	memset(r, 0, sizeof *r);
	r->h.nlmsg_type = type;
	r->h.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags);
	r->h.nlmsg_len = (unsigned)NLMSG_LENGTH(body);
	return 0;
}

static void ask(int nl, Request *r, const char *what)
{
	char reply[1024];
	if (send(nl, r, r->h.nlmsg_len, 0) < 0 || recv(nl, reply, sizeof reply, 0) < 0)
		err(1, "%s", what);
	struct nlmsgerr *e = NLMSG_DATA((struct nlmsghdr *)(void *)reply);
	errno = -e->error;
	if (e->error)
		err(1, "%s", what);
}

static int open_netlink(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		err(1, "netlink");
	return fd;
}

static char veth_name[IFNAMSIZ];

/* One pair: ours in the bridge, eth0 in the child's namespace. */
static void make_veth(int nl, const char *bridge, pid_t pid)
{
	Request r;
	unsigned master = if_nametoindex(bridge);
	snprintf(veth_name, sizeof veth_name, "fl%d", pid);
	request(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof r.u.link);
	put(&r, IFLA_IFNAME, veth_name, strlen(veth_name) + 1);
	put(&r, IFLA_MASTER, &master, sizeof master);
	unsigned info = nest(&r, IFLA_LINKINFO);
	put(&r, IFLA_INFO_KIND, "veth", 5);
	unsigned data = nest(&r, IFLA_INFO_DATA), peer = nest(&r, VETH_INFO_PEER);
	r.h.nlmsg_len += sizeof(struct ifinfomsg);
	put(&r, IFLA_IFNAME, "eth0", 5);
	put(&r, IFLA_NET_NS_PID, &pid, sizeof pid);
	unnest(&r, peer);
	unnest(&r, data);
	unnest(&r, info);
	ask(nl, &r, "create veth");
}

static void raise_link(int nl, const char *name)
{
	Request r;
	request(&r, RTM_NEWLINK, 0, sizeof r.u.link);
	r.u.link.ifi_index = (int)if_nametoindex(name);
	r.u.link.ifi_flags = r.u.link.ifi_change = IFF_UP;
	ask(nl, &r, name);
}

static void furnish_network(int bridged)
{
	static const unsigned char address[] = {10, 254, 254, 2};
	int nl = open_netlink();
	raise_link(nl, "lo");
	if (bridged) {
		Request r;
		request(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof r.u.addr);
		r.u.addr.ifa_family = AF_INET;
		r.u.addr.ifa_prefixlen = 24;
		r.u.addr.ifa_index = if_nametoindex("eth0");
		put(&r, IFA_LOCAL, address, sizeof address);
		put(&r, IFA_ADDRESS, address, sizeof address);
		ask(nl, &r, "address");
		raise_link(nl, "eth0");
	}
	close(nl);
}

/* ---- the container's side ---- */

static void mount_at(
	const char *type, const char *target, unsigned attr, const char *key, const char *value)
{
	int fs = fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0 || (key && fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) < 0) ||
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		err(1, "mount %s", type);
	int m = fsmount(fs, FSMOUNT_CLOEXEC, attr);
	if (m < 0 || move_mount(m, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		err(1, "attach %s", target);
	close(m);
	close(fs);
}

static void make_root(const char *layer, const char *scratch)
{
	char path[4096];
	if (mount("", "/", "", MS_REC | MS_SLAVE, "") < 0)
		err(1, "slave");
	int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	int r = fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", layer, 0);
	snprintf(path, sizeof path, "%s/upper", scratch);
	r |= fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", path, 0);
	snprintf(path, sizeof path, "%s/work", scratch);
	r |= fsconfig(fs, FSCONFIG_SET_STRING, "workdir", path, 0);
	/* Without it the kernel writes out the whole file system below SCRATCH at the end. */
	if (discardable)
		r |= fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0);
	r |= fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	int m = r < 0 ? -1 : fsmount(fs, FSMOUNT_CLOEXEC, 0);
	snprintf(path, sizeof path, "%s/root", scratch);
	if (m < 0 || move_mount(m, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		err(1, "overlay");
	if (fchdir(m) < 0)
		err(1, "root");
	close(fs);
	close(m);
	lap("  overlay");
}

static void fill_root(void)
{
	static const struct {
		const char *name;
		unsigned major, minor;
	} nodes[] = {
		{"dev/null", 1, 3},
		{"dev/zero", 1, 5},
		{"dev/full", 1, 7},
		{"dev/random", 1, 8},
		{"dev/urandom", 1, 9},
		{"dev/tty", 5, 0},
	};
	const unsigned strict = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	mkdir("proc", 0755);
	mkdir("sys", 0755);
	mkdir("dev", 0755);
	mount_at("proc", "proc", strict, NULL, NULL);
	mount_at("sysfs", "sys", strict | MOUNT_ATTR_RDONLY, NULL, NULL);
	mount_at("tmpfs", "dev", MOUNT_ATTR_NOSUID, "mode", "755");
	mkdir("dev/pts", 0755);
	mkdir("dev/shm", 0755);
	mkdir("dev/mqueue", 0755);
	mount_at("devpts", "dev/pts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, "ptmxmode", "0666");
	mount_at("tmpfs", "dev/shm", strict, "mode", "1777");
	mount_at("mqueue", "dev/mqueue", strict, NULL, NULL);
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		if (mknod(nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)))
			err(1, "%s", nodes[i].name);
	}
	lap("  proc, sys, dev");
}

static void child(char **argv, int go, int bridged)
{
	char c;
	lap_at = now();
	join_groups();
	lap("  join cgroups");
	make_root(argv[0], argv[1]);
	fill_root();
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		err(1, "pivot_root");
	lap("  pivot_root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		err(1, "umount");
	lap("  umount old root");
	if (bridged && read(go, &c, 1) != 1)
		_exit(1);
	if (!host_network)
		furnish_network(bridged);
	lap("  network inside");
	execv(argv[2], argv + 2);
	err(127, "%s", argv[2]);
}

/* ---- */

static pid_t start(char **argv, const char *bridge, int *ret_pidfd)
{
	int go[2];
	int nl = bridge ? open_netlink() : -1;
	struct clone_args a = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_PIDFD |
			 (host_network ? 0 : CLONE_NEWNET) |
			 (group_v2 >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (unsigned long)ret_pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = group_v2 >= 0 ? (unsigned)group_v2 : 0,
	};
	if (pipe2(go, O_CLOEXEC) < 0)
		err(1, "pipe");
	long pid = syscall(SYS_clone3, &a, sizeof a);
	if (pid < 0)
		err(1, "clone3");
	if (pid == 0)
		child(argv, go[0], bridge != NULL);
	lap("clone3");
	if (bridge) {
		make_veth(nl, bridge, (pid_t)pid);
		lap("veth");
		raise_link(nl, veth_name);
		lap("raise veth");
		if (write(go[1], "g", 1) < 0)
			err(1, "pipe");
	}
	return (pid_t)pid;
}

static void remove_scratch(const char *scratch)
{
	static const char *const dirs[] = {"work/work/incompat/volatile", "work/work/incompat",
		"upper/dev", "upper/proc", "upper/sys", "upper", "work/work", "work", "root", ""};
	char path[4096];
	snprintf(path, sizeof path, "%s/work/work/incompat/volatile/dirty", scratch);
	if (discardable)
		unlink(path);
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
		snprintf(path, sizeof path, "%s/%s", scratch, dirs[i]);
		if (rmdir(path) < 0 && errno != ENOENT)
			warn("rmdir %s", path);
	}
}

int main(int argc, char **argv)
{
	static const char *const dirs[] = {"", "upper", "work", "root"};
	const char *bridge = NULL;
	int opt, status, pidfd = -1;
	while ((opt = getopt(argc, argv, "+vdnb:")) != -1) {
		if (opt == 'v')
			verbose = 1;
		else if (opt == 'd')
			discardable = 1;
		else if (opt == 'n')
			host_network = 1;
		else if (opt == 'b')
			bridge = optarg;
		else
			return 2;
	}
	argv += optind;
	if (argc - optind < 3) {
		fprintf(stderr,
			"usage: floor [-v] [-d] [-n] [-b BRIDGE] LAYER SCRATCH PROGRAM [ARG...]\n");
		return 2;
	}
	umask(0);
	double begun = lap_at = now();
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
		char path[4096];
		snprintf(path, sizeof path, "%s/%s", argv[1], dirs[i]);
		if (mkdir(path, 0755) < 0)
			err(1, "mkdir %s", path);
	}
	lap("directories");
	make_groups();
	lap("cgroups");
	pid_t pid = start(argv, bridge, &pidfd);
	if (waitpid(pid, &status, 0) != pid)
		err(1, "wait");
	lap("until its end");
	remove_groups();
	lap("remove cgroups");
	remove_scratch(argv[1]);
	lap("remove directories");
	lap_at = begun;
	lap("all");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
