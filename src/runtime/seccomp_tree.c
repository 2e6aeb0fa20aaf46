/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: what a filter costs is paid at every start of a container - the kernel
 * copies, checks, translates and compiles it, and runs it once for each system call number - so its
 * length matters more than anything else. Allowed and refused numbers lie in runs; a filter is a
 * binary search over the borders between the runs whose branches end in a few shared answers, plus
 * a small block for each system call that is decided by its arguments. For Docker's default profile
 * that is a quarter of libseccomp's length (which lists each number), and generating it takes one
 * millisecond where libseccomp takes forty.
 *
 * Only profiles are done here in which all rules for one system call have the same action (then
 * their order means nothing); architectures are those whose numbers are known without libseccomp's
 * help. x86_64 and x32 share one table of numbers in the kernel, so they share a search, with the
 * x32 bit taken off.
 *
 * Only instructions are used that the kernel can follow when it works out which calls are always
 * allowed (seccomp_is_const_allow): LD nr/arch, AND, JEQ, JGE, JGT, JA, RET on the way to those.
 */
#include "runtime/seccomp_tree.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

enum { X32_FIRST = 512, NR_MAX = 4096, LABELS_MAX = 4096 };
#define X32_BIT 0x40000000U

/* Calls that i386 programs reach through socketcall and ipc, and directly as well, most since
 * Linux 4.3 or 5.1: libseccomp names only the former way. */
static const struct {
	const char *name;
	guint32 nr;
} x86_direct[] = {
	{"recvmmsg", 337},
	{"sendmmsg", 345},
	{"socket", 359},
	{"socketpair", 360},
	{"bind", 361},
	{"connect", 362},
	{"listen", 363},
	{"accept4", 364},
	{"getsockopt", 365},
	{"setsockopt", 366},
	{"getsockname", 367},
	{"getpeername", 368},
	{"sendto", 369},
	{"sendmsg", 370},
	{"recvfrom", 371},
	{"recvmsg", 372},
	{"shutdown", 373},
	{"semget", 393},
	{"semctl", 394},
	{"shmget", 395},
	{"shmctl", 396},
	{"shmat", 397},
	{"shmdt", 398},
	{"msgget", 399},
	{"msgsnd", 400},
	{"msgrcv", 401},
	{"msgctl", 402},
};

/* What is decided for one number: unconditionally, or by `rules`. */
typedef struct {
	gboolean known, always;
	guint32 action;
	GPtrArray *rules; /* ScRule */
} Call;

typedef struct {
	Call calls[NR_MAX];
	guint32 last; /* below X32_FIRST where that matters */
	gboolean conflict;
} Table;

static void table_free(Table *t)
{
	for (guint i = 0; i < NR_MAX; i++)
		g_clear_pointer(&t->calls[i].rules, g_ptr_array_unref);
	g_free(t);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

static void enter(Table *t, guint32 nr, const ScRule *rule)
{
	if (nr >= NR_MAX) {
		t->conflict = TRUE;
		return;
	}
	Call *c = &t->calls[nr];
	if (c->known && c->action != rule->action)
		t->conflict = TRUE;
	c->known = TRUE;
	c->action = rule->action;
	c->always = c->always || !rule->n_args;
	if (!c->rules)
		c->rules = g_ptr_array_new();
	g_ptr_array_add(c->rules, (gpointer)rule);
}

static gboolean is_always(const GArray *rules, const char *name, guint32 action)
{
	for (guint i = 0; i < rules->len; i++) {
		const ScRule *r = &g_array_index(rules, ScRule, i);
		if (r->action == action && !r->n_args &&
			g_strv_contains((const char *const *)r->names, name))
			return TRUE;
	}
	return FALSE;
}

static void enter_name(Table *t, guint32 token, const char *name, const ScRule *rule)
{
	int nr = seccomp_syscall_resolve_name_arch(token, name);
	if (nr >= 0)
		enter(t, token == SCMP_ARCH_X32 ? (guint32)nr & ~X32_BIT : (guint32)nr, rule);
	for (guint i = 0; token == SCMP_ARCH_X86 && i < G_N_ELEMENTS(x86_direct); i++) {
		if (strcmp(x86_direct[i].name, name) == 0)
			enter(t, x86_direct[i].nr, rule);
	}
}

static void fill(Table *t, const GArray *rules, const ScArch *arch)
{
	for (guint i = 0; i < rules->len; i++) {
		const ScRule *rule = &g_array_index(rules, ScRule, i);
		for (char *const *name = rule->names; name && *name; name++)
			enter_name(t, arch->token, *name, rule);
	}
	if (arch->token != SCMP_ARCH_X32)
		t->last = arch->last;
}

/* ---- code with labels ---- */

typedef struct {
	struct sock_filter f;
	int jt, jf; /* labels, -1: the next instruction */
} Insn;

typedef struct {
	GArray *code; /* Insn */
	guint at[LABELS_MAX];
	int n_labels;
	gboolean failed;
} Code;

static int new_label(Code *c)
{
	if (c->n_labels == LABELS_MAX) {
		c->failed = TRUE;
		return 0;
	}
	return c->n_labels++;
}

static void place(Code *c, int label)
{
	c->at[label] = c->code->len;
}

static void emit(Code *c, guint16 op, guint32 k, int jt, int jf)
{
	Insn i = {.f = {.code = op, .k = k}, .jt = jt, .jf = jf};
	g_array_append_val(c->code, i);
}

static void emit_load(Code *c, size_t offset)
{
	emit(c, BPF_LD | BPF_W | BPF_ABS, (guint32)offset, -1, -1);
}

static gboolean resolve(Code *c, GArray *out)
{
	for (guint i = 0; i < c->code->len && !c->failed; i++) {
		Insn *in = &g_array_index(c->code, Insn, i);
		guint t = in->jt < 0 ? 0 : c->at[in->jt] - i - 1;
		guint f = in->jf < 0 ? 0 : c->at[in->jf] - i - 1;
		if (in->f.code == (BPF_JMP | BPF_JA))
			in->f.k = t;
		else if (t > 255 || f > 255)
			c->failed = TRUE;
		else
			in->f.jt = (guint8)t, in->f.jf = (guint8)f;
		g_array_append_val(out, in->f);
	}
	return !c->failed && out->len <= BPF_MAXINSNS;
}

/* ---- search ---- */

typedef struct {
	guint32 from;
	int label;
} Run;

static void add_run(GArray *runs, guint32 from, int label)
{
	if (runs->len && g_array_index(runs, Run, runs->len - 1).label == label)
		return;
	Run r = {from, label};
	g_array_append_val(runs, r);
}

/* Runs lo..hi-1, code for the search in the accumulator; recursion is as deep as the tree. */
static void emit_search(Code *c, const GArray *runs, guint lo, guint hi)
{
	if (hi - lo == 1) {
		emit(c, BPF_JMP | BPF_JA, 0, g_array_index(runs, Run, lo).label, -1);
		return;
	}
	guint mid = lo + (hi - lo) / 2;
	gboolean left_is_one = mid - lo == 1, right_is_one = hi - mid == 1;
	int right = right_is_one ? g_array_index(runs, Run, mid).label : new_label(c);
	emit(c, BPF_JMP | BPF_JGE | BPF_K, g_array_index(runs, Run, mid).from, right,
		left_is_one ? g_array_index(runs, Run, lo).label : -1);
	if (!left_is_one)
		emit_search(c, runs, lo, mid);
	if (!right_is_one) {
		place(c, right);
		emit_search(c, runs, mid, hi);
	}
}

/* ---- arguments ---- */

#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define LOW(i) (offsetof(struct seccomp_data, args) + 8 * (i))
#define HIGH(i) (LOW(i) + 4)
#else
#define HIGH(i) (offsetof(struct seccomp_data, args) + 8 * (i))
#define LOW(i) (HIGH(i) + 4)
#endif

/* One condition: goes on behind when it holds, else to no. */
static void emit_condition(Code *c, const struct scmp_arg_cmp *a, int no)
{
	guint64 v = a->op == SCMP_CMP_MASKED_EQ ? a->datum_b & a->datum_a : a->datum_a;
	guint64 mask = a->op == SCMP_CMP_MASKED_EQ ? a->datum_a : G_MAXUINT64;
	guint32 hi = (guint32)(v >> 32), lo = (guint32)v;
	int yes = new_label(c);
	guint16 jeq = BPF_JMP | BPF_JEQ | BPF_K, jgt = BPF_JMP | BPF_JGT | BPF_K,
		jge = BPF_JMP | BPF_JGE | BPF_K, and = BPF_ALU | BPF_AND | BPF_K;
	emit_load(c, HIGH(a->arg));
	switch (a->op) {
	case SCMP_CMP_EQ:
	case SCMP_CMP_MASKED_EQ:
		if (mask >> 32 != 0xffffffff)
			emit(c, and, (guint32)(mask >> 32), -1, -1);
		emit(c, jeq, hi, -1, no);
		emit_load(c, LOW(a->arg));
		if ((guint32)mask != 0xffffffff)
			emit(c, and, (guint32)mask, -1, -1);
		emit(c, jeq, lo, -1, no);
		break;
	case SCMP_CMP_NE:
		emit(c, jeq, hi, -1, yes);
		emit_load(c, LOW(a->arg));
		emit(c, jeq, lo, no, -1);
		break;
	case SCMP_CMP_GT:
	case SCMP_CMP_GE:
		emit(c, jgt, hi, yes, -1);
		emit(c, jeq, hi, -1, no);
		emit_load(c, LOW(a->arg));
		emit(c, a->op == SCMP_CMP_GT ? jgt : jge, lo, -1, no);
		break;
	case SCMP_CMP_LT:
	case SCMP_CMP_LE:
		emit(c, jgt, hi, no, -1);
		emit(c, jeq, hi, -1, yes);
		emit_load(c, LOW(a->arg));
		emit(c, a->op == SCMP_CMP_LT ? jge : jgt, lo, no, -1);
		break;
	case _SCMP_CMP_MIN:
	case _SCMP_CMP_MAX:
	default:
		c->failed = TRUE;
	}
	place(c, yes);
}

/* Many alternatives for one argument's value ("a socket of these families") are a search as well.
 */
static gboolean emit_values(Code *c, const GPtrArray *rules, int match, int miss)
{
	guint8 in[256] = {0};
	unsigned arg = ((const ScRule *)rules->pdata[0])->args[0].arg;
	for (guint i = 0; i < rules->len; i++) {
		const ScRule *r = rules->pdata[i];
		const struct scmp_arg_cmp *a = &r->args[0];
		if (r->n_args != 1 || a->arg != arg || a->datum_a > sizeof in - 1 ||
			(a->op != SCMP_CMP_EQ && a->op != SCMP_CMP_LT))
			return FALSE;
		if (a->op == SCMP_CMP_EQ)
			in[a->datum_a] = 1;
		else
			memset(in, 1, a->datum_a);
	}
	g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(Run));
	for (guint v = 0; v < sizeof in; v++)
		add_run(runs, v, in[v] ? match : miss);
	add_run(runs, sizeof in, miss);
	emit_load(c, HIGH(arg));
	emit(c, BPF_JMP | BPF_JEQ | BPF_K, 0, -1, miss);
	emit_load(c, LOW(arg));
	emit_search(c, runs, 0, runs->len);
	return TRUE;
}

/* The block of one call whose arguments matter. */
static void emit_call(Code *c, const Call *call, guint32 def)
{
	int match = new_label(c), miss = new_label(c);
	if (!emit_values(c, call->rules, match, miss)) {
		for (guint i = 0; i < call->rules->len; i++) {
			const ScRule *r = call->rules->pdata[i];
			int next = new_label(c);
			for (guint k = 0; k < r->n_args; k++)
				emit_condition(c, &r->args[k], next);
			emit(c, BPF_RET | BPF_K, call->action, -1, -1);
			place(c, next);
		}
		emit(c, BPF_RET | BPF_K, def, -1, -1);
		return;
	}
	place(c, match);
	emit(c, BPF_RET | BPF_K, call->action, -1, -1);
	place(c, miss);
	emit(c, BPF_RET | BPF_K, def, -1, -1);
}

/* ---- one architecture ---- */

typedef struct {
	guint32 values[16];
	int labels[16];
	guint n;
} Answers;

static int answer(Code *c, Answers *a, guint32 value)
{
	for (guint i = 0; i < a->n; i++) {
		if (a->values[i] == value)
			return a->labels[i];
	}
	if (a->n == G_N_ELEMENTS(a->values)) {
		c->failed = TRUE;
		return 0;
	}
	a->values[a->n] = value;
	return a->labels[a->n++] = new_label(c);
}

static void emit_table(Code *c, const Table *t, gboolean x32, guint32 def, guint32 beyond)
{
	Answers answers = {0};
	g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(Run));
	g_autoptr(GArray) special = g_array_new(FALSE, FALSE, sizeof(guint32));
	g_autoptr(GArray) labels = g_array_new(FALSE, FALSE, sizeof(int));
	guint32 top = t->last + 1;
	for (guint32 nr = 0; nr < NR_MAX; nr++) {
		const Call *call = &t->calls[nr];
		/* Between the numbers of all and those of x32 alone lie those of the future. */
		top = call->known ? MAX(top, nr + 1) : top;
		if (call->known && !call->always) {
			int label = new_label(c);
			g_array_append_val(special, nr);
			g_array_append_val(labels, label);
			add_run(runs, nr, label);
			continue;
		}
		gboolean known = call->known || nr <= t->last || (nr >= X32_FIRST && nr < top);
		add_run(runs, nr,
			answer(c, &answers,
				call->known ? call->action
				: known     ? def
					    : beyond));
	}
	emit_load(c, offsetof(struct seccomp_data, nr));
	if (x32)
		emit(c, BPF_ALU | BPF_AND | BPF_K, ~X32_BIT, -1, -1);
	emit_search(c, runs, 0, runs->len);
	for (guint i = 0; i < answers.n; i++) {
		place(c, answers.labels[i]);
		emit(c, BPF_RET | BPF_K, answers.values[i], -1, -1);
	}
	for (guint i = 0; i < special->len; i++) {
		place(c, g_array_index(labels, int, i));
		emit_call(c, &t->calls[g_array_index(special, guint32, i)], def);
	}
}

static gboolean expressible(const GArray *rules, const ScArch *archs, guint n)
{
	for (guint i = 0; i < n; i++) {
		guint32 t = archs[i].token;
		if (t != SCMP_ARCH_X86_64 && t != SCMP_ARCH_X86 && t != SCMP_ARCH_X32 &&
			t != SCMP_ARCH_AARCH64 && t != SCMP_ARCH_ARM)
			return FALSE;
		/* What goes through these two is not looked into here. */
		if (t == SCMP_ARCH_X86 && (!is_always(rules, "socketcall", SECCOMP_RET_ALLOW) ||
						  !is_always(rules, "ipc", SECCOMP_RET_ALLOW)))
			return FALSE;
		if (t == SCMP_ARCH_X32 && archs[0].token != SCMP_ARCH_X86_64)
			return FALSE;
	}
	return TRUE;
}

gboolean sc_tree_generate(
	const GArray *rules, const ScArch *archs, guint n, guint32 def, guint32 beyond, GArray *out)
{
	if (!expressible(rules, archs, n))
		return FALSE;
	g_autofree Code *c = g_new0(Code, 1);
	g_autoptr(GArray) code = g_array_new(FALSE, FALSE, sizeof(Insn));
	c->code = code;
	emit_load(c, offsetof(struct seccomp_data, arch));
	gboolean ok = TRUE;
	for (guint i = 0; ok && i < n; i++) {
		if (archs[i].token == SCMP_ARCH_X32)
			continue;
		g_autoptr(Table) t = g_new0(Table, 1);
		fill(t, rules, &archs[i]);
		gboolean x32 = FALSE;
		for (guint k = 0; k < n && archs[i].token == SCMP_ARCH_X86_64; k++) {
			if (archs[k].token != SCMP_ARCH_X32)
				continue;
			fill(t, rules, &archs[k]);
			x32 = TRUE;
		}
		int this = new_label(c), next = new_label(c);
		/* libseccomp's tokens are the kernel's AUDIT_ARCH_* numbers, x32 apart. */
		emit(c, BPF_JMP | BPF_JEQ | BPF_K, archs[i].token, this, -1);
		emit(c, BPF_JMP | BPF_JA, 0, next, -1);
		place(c, this);
		emit_table(c, t, x32, def, beyond);
		place(c, next);
		ok = !t->conflict;
	}
	emit(c, BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD, -1, -1);
	if (ok && resolve(c, out))
		return TRUE;
	g_array_set_size(out, 0);
	return FALSE;
}
