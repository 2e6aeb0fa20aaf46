/* SPDX-License-Identifier: MIT */
/*
 * cgroup_priv.h - what the cgroup*.c files share.
 *
 * Theory of operation: the host's layout is a list of hierarchies: one for each mounted set of v1
 * controllers we use, and at most one v2. Which controller lies where is decided by that list
 * alone, so that v1, v2 and every mixture are the same code: a limit goes to the v1 hierarchy that
 * has the controller, else to v2 if that has it, else it cannot be set. In a mixture the v2
 * hierarchy is joined even when it has no controllers, because only v2 can freeze, kill and report
 * emptiness without races; the v1 freezer is left alone then.
 *
 * Hierarchy roots are held open as O_PATH descriptors; a group is a path below them. Making a group
 * costs a mkdir a hierarchy and joining it a write a hierarchy, which is why those that nobody
 * asked for (cpuset without a cpuset limit, systemd's own where there is no systemd) are not made,
 * and why everything here skips a hierarchy in which the group does not exist.
 */
#pragma once

#include "runtime/cgroup.h"

enum {
	CG_CPU = 1 << 0,
	CG_CPUACCT = 1 << 1,
	CG_CPUSET = 1 << 2,
	CG_MEMORY = 1 << 3,
	CG_DEVICES = 1 << 4,
	CG_FREEZER = 1 << 5,
	CG_BLKIO = 1 << 6, /* "io" on v2 */
	CG_PIDS = 1 << 7,
	CG_SYSTEMD = 1 << 8, /* name=systemd */
	CG_HUGETLB = 1 << 9,
	CG_RDMA = 1 << 10,
	CG_NET_CLS = 1 << 11, /* v1 only, like the next */
	CG_NET_PRIO = 1 << 12,
	/* made only where a limit asks for them */
	CG_RARE = CG_CPUSET | CG_HUGETLB | CG_RDMA | CG_NET_CLS | CG_NET_PRIO,
};

enum { CG_MAX = 16, CG_FILE_MAX = 256 * 1024 };

typedef struct {
	int fd;      /* O_PATH, the mount's root */
	char *where; /* its mount point */
	unsigned controllers;
	gboolean v2;
} CgHierarchy;

typedef struct {
	CgHierarchy h[CG_MAX]; /* v2 first */
	guint n;
	/* v1 hierarchies that we do not use, but other runtimes do: only what they leave there is
	 * taken away. */
	int other[CG_MAX];
	guint n_other;
	gboolean has_v2; /* h[0] is v2 */
	RtCgroupMode mode;
} CgHost;

/* The layout, read at the first call. */
const CgHost *cg_host(void);

/* Index of the hierarchy with this controller, or -1. */
int cg_find(unsigned controller);
const char *cg_controller_name(unsigned controller);

/* A group opened in all hierarchies where it exists. */
typedef struct {
	const CgHost *host;
	const char *rel;
	int fd[CG_MAX];          /* O_PATH, -1: not there */
	unsigned v2_controllers; /* enabled for the group itself; only after cg_group_create */
	GPtrArray *undo;         /* what each write replaces (cgroup_undo.c), or NULL */
} CgGroup;

/* "/a/b" -> "a/b"; NULL and an error when empty or with ".." in it. */
const char *cg_relative(const char *path, GError **error);
void cg_group_open(CgGroup *g, const char *rel);
/* rt_cgroup_create, and the group stays open. */
gboolean cg_group_create(
	CgGroup *g, const char *rel, const OciResources *resources, GError **error);
void cg_group_close(CgGroup *g);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CgGroup, cg_group_close)

/* Descriptor of the group in the hierarchy that has the controller, or -1; *ret_v2 may be NULL. */
int cg_group_fd(const CgGroup *g, unsigned controller, gboolean *ret_v2);

/* One value into one file; the error names the file with its full path. */
gboolean cg_write(
	const CgGroup *g, unsigned controller, const char *file, const char *value, GError **error);
gboolean cg_write_at(
	const CgGroup *g, int index, const char *file, const char *value, GError **error);
gboolean cg_write_int(
	const CgGroup *g, unsigned controller, const char *file, int64_t value, GError **error);
gboolean cg_exists(const CgGroup *g, unsigned controller, const char *file);

/* Whole file as text without the last newline, or NULL; caller frees. */
char *cg_read(int dirfd, const char *file);
/* A single number ("max" is UINT64_MAX), or fallback. */
uint64_t cg_read_u64(int dirfd, const char *file, uint64_t fallback);
/* "key value" lines; -1 when key is not there. */
int64_t cg_read_key(int dirfd, const char *file, const char *key);

/* strerror(3) as Go spells it, and so Docker's users know it: "no such file or directory". */
const char *rt_strerror(int errnum);
gboolean rt_error_errno(GError **error, int errnum, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* Before value is written to file: remembers in g->undo what stands there. */
void cg_undo_note(const CgGroup *g, int index, const char *file, const char *value);
/* Writes all of it back, the last first. */
void cg_undo(CgGroup *g);
GPtrArray *cg_undo_new(void);

/* Applying limits: cgroup_limits.c decides where each goes. */
unsigned cg_controllers_asked(const OciResources *r);
gboolean cg_apply(const CgGroup *g, const OciResources *r, GError **error);

gboolean cg_v1_cpu(const CgGroup *g, const OciResources *r, GError **error);
gboolean cg_v1_memory(const CgGroup *g, const OciResources *r, GError **error);
gboolean cg_v1_devices(const CgGroup *g, const OciResources *r, GError **error);
gboolean cg_v1_blkio(const CgGroup *g, const OciResources *r, GError **error);

/* The same words on both. */
gboolean cg_hugetlb(const CgGroup *g, const OciResources *r, GError **error);
gboolean cg_rdma(const CgGroup *g, const OciResources *r, GError **error);
gboolean cg_net_cls(const CgGroup *g, const OciResources *r, GError **error);
gboolean cg_net_prio(const CgGroup *g, const OciResources *r, GError **error);

gboolean cg_v2_cpu(const CgGroup *g, const OciResources *r, GError **error);
gboolean cg_v2_memory(const CgGroup *g, const OciResources *r, GError **error);
gboolean cg_v2_devices(const CgGroup *g, const OciResources *r, GError **error);
gboolean cg_v2_io(const CgGroup *g, const OciResources *r, GError **error);

/* For a single-threaded child about to become the container: writes to v1 hierarchies only (v2 was
 * taken care of by CLONE_INTO_CGROUP) when v2 is FALSE. 0, or -1 with errno and *ret_where set. */
int cg_join_self(const CgGroup *g, gboolean v2, const char **ret_where);

/* The program that cg_v2_devices attaches, for tests; returns its number of instructions (at most
 * max), 0 when it does not fit. */
struct bpf_insn;
guint cg_device_program(GPtrArray *rules, struct bpf_insn *insns, guint max);
