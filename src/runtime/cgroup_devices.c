/* SPDX-License-Identifier: MIT */
/*
 * Device rules on cgroup v2: a small eBPF program attached to the group, asked by the kernel at
 * every open and mknod of a device. The last rule that matches wins, as on v1, so the program tries
 * them from the last to the first; no match is a refusal. For what one rule costs see MAX_PER_RULE.
 *
 *   r2 = type (1 block, 2 char)   r3 = access wanted (1 mknod, 2 read, 4 write)   r4:r5 =
 * major:minor
 */
#include "base/error.h"
#include "base/fd.h"
#include "runtime/cgroup_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_RULES = 400, MAX_PER_RULE = 8, PROLOGUE = 6, MAX_ATTACHED = 64 };

typedef struct {
	struct bpf_insn *insns;
	guint n, max;
} Program;

static void put(Program *p, guint8 code, guint8 dst, guint8 src, gint16 off, gint32 imm)
{
	if (p->n < p->max)
		p->insns[p->n] = (struct bpf_insn){
			.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
	p->n++;
}

static gint32 access_bits(const char *access)
{
	gint32 bits = 0;
	for (; access && *access; access++)
		bits |= *access == 'm'   ? BPF_DEVCG_ACC_MKNOD
			: *access == 'r' ? BPF_DEVCG_ACC_READ
			: *access == 'w' ? BPF_DEVCG_ACC_WRITE
					 : 0;
	return bits ? bits : BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;
}

static void put_rule(Program *p, const OciDeviceRule *d)
{
	guint start = p->n;
	guint8 jne = BPF_JMP32 | BPF_JNE | BPF_K;
	char type = d->type && *d->type ? d->type[0] : 'a';
	gint32 access = access_bits(d->access);
	if (type != 'a')
		put(p, jne, BPF_REG_2, 0, 0,
			type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (access != 7 && d->allow) {
		/* everything wanted must be in the rule */
		put(p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0);
		put(p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_1, 0, 0, access);
		put(p, BPF_JMP32 | BPF_JNE | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0);
	} else if (access != 7) {
		/* anything wanted is in the rule */
		put(p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0);
		put(p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_1, 0, 0, access);
		put(p, BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_1, 0, 0, 0);
	}
	if (d->major >= 0)
		put(p, jne, BPF_REG_4, 0, 0, (gint32)d->major);
	if (d->minor >= 0)
		put(p, jne, BPF_REG_5, 0, 0, (gint32)d->minor);
	put(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, d->allow);
	put(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	/* every conditional jump of the rule leads behind it */
	for (guint i = start; i < p->n && p->n <= p->max; i++) {
		guint8 class = BPF_CLASS(p->insns[i].code);
		if (class == BPF_JMP32)
			p->insns[i].off = (gint16)(p->n - i - 1);
	}
}

guint cg_device_program(GPtrArray *rules, struct bpf_insn *insns, guint max)
{
	Program p = {.insns = insns, .max = max};
	put(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, 0, 0);
	put(&p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	put(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1, 0, 0);
	put(&p, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	put(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, 4, 0);
	put(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1, 8, 0);
	gboolean total = FALSE;
	for (guint i = rules->len; i-- > 0 && !total;) {
		const OciDeviceRule *d = rules->pdata[i];
		put_rule(&p, d);
		/* What stands before a rule for everything cannot matter, and the verifier refuses
		 * code that is never reached. */
		total = (!d->type || !*d->type || d->type[0] == 'a') && d->major < 0 &&
			d->minor < 0 && access_bits(d->access) == 7;
	}
	if (!total) {
		put(&p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
		put(&p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
	return p.n <= max ? p.n : 0;
}

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof *attr);
}

static int load(struct bpf_insn *insns, guint n)
{
	union bpf_attr a;
	memset(&a, 0, sizeof a);
	a.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	a.insns = (guint64)(gintptr)insns;
	a.insn_cnt = n;
	a.license = (guint64)(gintptr) "MIT";
	g_strlcpy(a.prog_name, "dhow_devices", sizeof a.prog_name);
	return bpf(BPF_PROG_LOAD, &a);
}

/* Removes what an earlier update attached; the new program is in force already. */
static void detach(int cgroup, const guint32 *ids, guint n)
{
	for (guint i = 0; i < n; i++) {
		union bpf_attr a;
		memset(&a, 0, sizeof a);
		a.prog_id = ids[i];
		dh_autofd int old = bpf(BPF_PROG_GET_FD_BY_ID, &a);
		if (old < 0)
			continue;
		memset(&a, 0, sizeof a);
		a.target_fd = (guint32)cgroup;
		a.attach_bpf_fd = (guint32)old;
		a.attach_type = BPF_CGROUP_DEVICE;
		(void)bpf(BPF_PROG_DETACH, &a);
	}
}

gboolean cg_v2_devices(const CgGroup *g, const OciResources *r, GError **error)
{
	if (r->devices->len > MAX_RULES)
		return dh_error(error, DH_ERROR_INVALID, "too many device rules (%u, at most %d)",
			r->devices->len, MAX_RULES);
	guint max = PROLOGUE + 2 + r->devices->len * MAX_PER_RULE;
	g_autofree struct bpf_insn *insns = g_new0(struct bpf_insn, max);
	guint n = cg_device_program(r->devices, insns, max);
	dh_autofd int program = load(insns, n);
	if (program < 0)
		return rt_error_errno(error, errno, "load device rules");

	int i = cg_find(CG_DEVICES);
	dh_autofd int cgroup = openat(g->fd[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	guint32 ids[MAX_ATTACHED];
	union bpf_attr a;
	memset(&a, 0, sizeof a);
	a.query.target_fd = (guint32)cgroup;
	a.query.attach_type = BPF_CGROUP_DEVICE;
	a.query.prog_ids = (guint64)(gintptr)ids;
	a.query.prog_cnt = MAX_ATTACHED;
	guint n_old = bpf(BPF_PROG_QUERY, &a) == 0 ? a.query.prog_cnt : 0;

	memset(&a, 0, sizeof a);
	a.target_fd = (guint32)cgroup;
	a.attach_bpf_fd = (guint32)program;
	a.attach_type = BPF_CGROUP_DEVICE;
	a.attach_flags = BPF_F_ALLOW_MULTI;
	if (cgroup < 0 || bpf(BPF_PROG_ATTACH, &a) < 0)
		return rt_error_errno(
			error, errno, "attach device rules to %s/%s", g->host->h[i].where, g->rel);
	detach(cgroup, ids, n_old);
	return TRUE;
}
