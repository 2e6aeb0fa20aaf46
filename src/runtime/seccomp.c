/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a profile is parsed into rules and turned into BPF by seccomp_tree.c, whose
 * filters are short, or, when it is of a kind that cannot be said there, by libseccomp. A profile
 * that refuses by default is a list of what was known when it was written: a number above every one
 * it names is a system call invented later, and is answered with ENOSYS, because programs that try
 * it know what to do then, and not what to do about EPERM. For libseccomp's filters a short one in
 * front does that.
 */
#include "runtime/seccomp.h"

#include "base/error.h"
#include "base/fd.h"
#include "runtime/seccomp_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CACHE_MAX = 64, RULES_MAX = 4096, ARCHS_MAX = 16 };
#define X32_BIT 0x40000000U

static const struct {
	const char *name;
	guint32 action;
} actions[] = {
	{"SCMP_ACT_KILL", SCMP_ACT_KILL},
	{"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
	{"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
	{"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
	{"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0)},
	{"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0)},
	{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
	{"SCMP_ACT_LOG", SCMP_ACT_LOG},
	{"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY},
};

static const struct {
	const char *name;
	enum scmp_compare op;
} operators[] = {
	{"SCMP_CMP_NE", SCMP_CMP_NE},
	{"SCMP_CMP_LT", SCMP_CMP_LT},
	{"SCMP_CMP_LE", SCMP_CMP_LE},
	{"SCMP_CMP_EQ", SCMP_CMP_EQ},
	{"SCMP_CMP_GE", SCMP_CMP_GE},
	{"SCMP_CMP_GT", SCMP_CMP_GT},
	{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

const char *const *rt_seccomp_names(RtSeccompNames which)
{
	static const char *action_names[G_N_ELEMENTS(actions) + 1],
		*operator_names[G_N_ELEMENTS(operators) + 1];
	static const char *const archs[] = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_MIPS",
		"SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
		"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE",
		"SCMP_ARCH_RISCV64", "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_X32",
		"SCMP_ARCH_X86", "SCMP_ARCH_X86_64", NULL};
	static const char *const flags[] = {"SECCOMP_FILTER_FLAG_LOG",
		"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
		"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL};
	for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
		action_names[i] = actions[i].name;
	for (guint i = 0; i < G_N_ELEMENTS(operators); i++)
		operator_names[i] = operators[i].name;
	switch (which) {
	case RT_SECCOMP_ACTIONS:
		return action_names;
	case RT_SECCOMP_OPERATORS:
		return operator_names;
	case RT_SECCOMP_ARCHS:
		return archs;
	case RT_SECCOMP_FLAGS:
		return flags;
	}
	return NULL;
}

static gboolean parse_action(const char *name, int64_t errno_ret, guint32 *ret, GError **error)
{
	for (guint i = 0; name && i < G_N_ELEMENTS(actions); i++) {
		if (strcmp(actions[i].name, name) != 0)
			continue;
		*ret = actions[i].action;
		if (*ret == SCMP_ACT_ERRNO(0) || *ret == SCMP_ACT_TRACE(0))
			*ret |= (guint32)(errno_ret < 0 ? EPERM : errno_ret) & 0xffff;
		return TRUE;
	}
	return dh_error(error, DH_ERROR_INVALID, "invalid seccomp action \"%s\"", name ? name : "");
}

static gboolean parse_arg(const OciSeccompArg *a, struct scmp_arg_cmp *ret, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(operators); i++) {
		if (strcmp(operators[i].name, a->op) != 0 || a->index < 0 || a->index > 5)
			continue;
		*ret = (struct scmp_arg_cmp){.arg = (unsigned)a->index,
			.op = operators[i].op,
			.datum_a = (scmp_datum_t)a->value,
			.datum_b = (scmp_datum_t)a->value_two};
		return TRUE;
	}
	return dh_error(
		error, DH_ERROR_INVALID, "invalid seccomp argument condition \"%s\"", a->op);
}

/* Appends the rule to rules; one condition an argument: several for the same are alternatives, as
 * for runc, and become rules of their own. */
static gboolean parse_rule(const OciSeccompRule *rule, guint32 def, GArray *rules, GError **error)
{
	ScRule out = {.names = rule->names};
	guint n = rule->args ? rule->args->len : 0, used[6] = {0};
	gboolean repeated = FALSE;
	if (!parse_action(rule->action, rule->errno_ret, &out.action, error))
		return FALSE;
	if (n > G_N_ELEMENTS(out.args))
		return dh_error(error, DH_ERROR_INVALID, "too many seccomp argument conditions");
	for (guint i = 0; i < n; i++) {
		if (!parse_arg(rule->args->pdata[i], &out.args[i], error))
			return FALSE;
		repeated = repeated || used[out.args[i].arg]++;
	}
	if (out.action == def)
		return TRUE;
	out.n_args = repeated ? 1 : n;
	for (guint i = 0; i < (repeated ? n : 1); i++) {
		ScRule one = out;
		if (repeated)
			one.args[0] = out.args[i];
		g_array_append_val(rules, one);
	}
	return TRUE;
}

static gboolean add_rule(scmp_filter_ctx ctx, const ScRule *rule, GError **error)
{
	for (char *const *name = rule->names; name && *name; name++) {
		int nr = seccomp_syscall_resolve_name(*name);
		if (nr == __NR_SCMP_ERROR)
			continue; /* newer than libseccomp, or of another architecture */
		int r = seccomp_rule_add_array(ctx, rule->action, nr, rule->n_args, rule->args);
		/* EDOM: known to none of the architectures asked for. */
		if (r < 0 && r != -EDOM)
			return dh_error(error, DH_ERROR_INVALID, "seccomp rule for %s: %s", *name,
				g_strerror(-r));
	}
	return TRUE;
}

/* ---- system calls of the future ---- */

static void find_last(const OciSeccomp *p, ScArch *arch)
{
	for (guint i = 0; p->syscalls && i < p->syscalls->len; i++) {
		const OciSeccompRule *rule = p->syscalls->pdata[i];
		for (char **name = rule->names; name && *name; name++) {
			int nr = seccomp_syscall_resolve_name_arch(arch->token, *name);
			if (nr >= 0)
				arch->last = MAX(arch->last, (guint32)nr);
		}
	}
}

#define STMT(code_, k_) ((struct sock_filter)BPF_STMT(code_, k_))
#define JUMP(code_, k_, t_, f_) ((struct sock_filter)BPF_JUMP(code_, k_, t_, f_))

/* "above last: ENOSYS; else on to the filter", whose place is not known yet (k = 0). */
static void put_limit(GArray *out, guint32 last)
{
	const struct sock_filter code[] = {
		JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 0, 1),
		STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		STMT(BPF_JMP | BPF_JA, 0),
	};
	g_array_append_vals(out, code, G_N_ELEMENTS(code));
}

static void put_newer(GArray *out, const ScArch *archs, guint n)
{
	const struct sock_filter load_arch =
		STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	const struct sock_filter load_nr =
		STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	guint32 x32 = 0;
	for (guint i = 0; i < n; i++) {
		if (archs[i].token == SCMP_ARCH_X32)
			x32 = archs[i].last;
	}
	g_array_append_val(out, load_arch);
	for (guint i = 0; i < n; i++) {
		if (archs[i].token == SCMP_ARCH_X32)
			continue;
		/* x32 has x86_64's architecture and its own range of numbers. */
		gboolean split = archs[i].token == SCMP_ARCH_X86_64;
		struct sock_filter is =
			JUMP(BPF_JMP | BPF_JEQ | BPF_K, archs[i].token, 0, split ? 8 : 4);
		g_array_append_val(out, is);
		g_array_append_val(out, load_nr);
		if (split) {
			struct sock_filter is_x32 = JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 3);
			g_array_append_val(out, is_x32);
			put_limit(out, x32 ? x32 : G_MAXUINT32);
		}
		put_limit(out, archs[i].last);
	}
	for (guint i = 0; i < out->len; i++) {
		struct sock_filter *f = &g_array_index(out, struct sock_filter, i);
		if (f->code == (BPF_JMP | BPF_JA))
			f->k = out->len - i - 1;
	}
}

/* ---- compilation ---- */

static gboolean find_architectures(const OciSeccomp *p, ScArch *archs, guint *n, GError **error)
{
	archs[0].token = seccomp_arch_native();
	*n = 1;
	for (char **a = p->architectures; a && *a; a++) {
		const char *name = g_str_has_prefix(*a, "SCMP_ARCH_") ? *a + 10 : *a;
		g_autofree char *lower = g_ascii_strdown(name, -1);
		guint32 token = seccomp_arch_resolve_name(lower);
		gboolean known = FALSE;
		for (guint i = 0; i < *n; i++)
			known = known || archs[i].token == token;
		if (!token || (!known && *n == ARCHS_MAX))
			return dh_error(
				error, DH_ERROR_INVALID, "invalid seccomp architecture \"%s\"", *a);
		if (!known)
			archs[(*n)++].token = token;
	}
	for (guint i = 0; i < *n; i++)
		find_last(p, &archs[i]);
	return TRUE;
}

static gboolean export(scmp_filter_ctx ctx, GArray *out, GError **error)
{
	dh_autofd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return dh_error_errno(error, -r, "compile seccomp profile");
	(void)lseek(fd, 0, SEEK_SET);
	size_t n;
	g_autofree char *code =
		dh_read_to_end(fd, BPF_MAXINSNS * sizeof(struct sock_filter), &n, error);
	if (!code)
		return FALSE;
	g_array_append_vals(out, code, (guint)(n / sizeof(struct sock_filter)));
	return out->len <= BPF_MAXINSNS ||
	       dh_error(error, DH_ERROR_INVALID, "the seccomp profile is too long");
}

/* A binary tree and not a list, for the reason told in seccomp_tree.c. */
static gboolean by_libseccomp(scmp_filter_ctx ctx, const GArray *rules, const ScArch *archs,
	guint n, GArray *out, GError **error)
{
	if (!ctx)
		return dh_error(error, DH_ERROR_SYSTEM, "cannot initialise libseccomp");
	for (guint i = 1; i < n; i++) {
		int r = seccomp_arch_add(ctx, archs[i].token);
		if (r < 0 && r != -EEXIST)
			return dh_error(error, DH_ERROR_INVALID, "seccomp architecture: %s",
				g_strerror(-r));
	}
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (guint i = 0; i < rules->len; i++) {
		if (!add_rule(ctx, &g_array_index(rules, ScRule, i), error))
			return FALSE;
	}
	return export(ctx, out, error);
}

GBytes *sc_compile(const OciSeccomp *p, gboolean tree, GError **error)
{
	guint32 def;
	guint n, n_rules = p->syscalls ? p->syscalls->len : 0;
	ScArch archs[ARCHS_MAX] = {0};
	g_autoptr(GArray) rules = g_array_new(FALSE, FALSE, sizeof(ScRule));
	g_autoptr(GArray) out = g_array_new(FALSE, FALSE, sizeof(struct sock_filter));
	if (!parse_action(p->default_action, p->default_errno_ret, &def, error) ||
		!find_architectures(p, archs, &n, error))
		return NULL;
	if (n_rules > RULES_MAX) {
		dh_error(error, DH_ERROR_INVALID, "too many seccomp rules");
		return NULL;
	}
	for (guint i = 0; i < n_rules; i++) {
		if (!parse_rule(p->syscalls->pdata[i], def, rules, error))
			return NULL;
	}
	gboolean refuses = n_rules && (def & 0xffff0000U) == SCMP_ACT_ERRNO(0);
	guint32 beyond = refuses ? SCMP_ACT_ERRNO(ENOSYS) : def;
	gboolean ok = tree && sc_tree_generate(rules, archs, n, def, beyond, out);
	if (!ok) {
		if (beyond != def)
			put_newer(out, archs, n);
		scmp_filter_ctx ctx = seccomp_init(def);
		ok = by_libseccomp(ctx, rules, archs, n, out, error);
		seccomp_release(ctx);
	}
	return ok ? g_bytes_new(out->data, out->len * sizeof(struct sock_filter)) : NULL;
}

GBytes *rt_seccomp_compile(const OciSeccomp *profile, GError **error)
{
	return sc_compile(profile, TRUE, error);
}

/* ---- cache ---- */

static void fd_free(gpointer fd)
{
	close(GPOINTER_TO_INT(fd));
}

/* All of a profile in one string: what a digest of its JSON would say, at a fiftieth of the price.
 */
char *rt_seccomp_key(const OciSeccomp *p)
{
	GString *key = g_string_sized_new(8192);
	g_string_append_printf(key, "%s/%" G_GINT64_FORMAT,
		p->default_action ? p->default_action : "", p->default_errno_ret);
	for (char **a = p->architectures; a && *a; a++)
		g_string_append_printf(key, "|%s", *a);
	for (guint i = 0; p->syscalls && i < p->syscalls->len; i++) {
		const OciSeccompRule *rule = p->syscalls->pdata[i];
		g_string_append_printf(
			key, "\n%s/%" G_GINT64_FORMAT, rule->action, rule->errno_ret);
		for (guint k = 0; rule->args && k < rule->args->len; k++) {
			const OciSeccompArg *a = rule->args->pdata[k];
			g_string_append_printf(key,
				"(%" G_GINT64_FORMAT " %s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
				")",
				a->index, a->op, a->value, a->value_two);
		}
		for (char **name = rule->names; name && *name; name++) {
			g_string_append_c(key, ' ');
			g_string_append(key, *name);
		}
	}
	return g_string_free(key, FALSE);
}

static GMutex cache_lock;
static GHashTable *cache; /* key -> descriptor */

static int cache_find(const char *key)
{
	gpointer found;
	int fd = -1;
	g_mutex_lock(&cache_lock);
	if (!cache)
		cache = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, fd_free);
	if (g_hash_table_lookup_extended(cache, key, NULL, &found))
		fd = fcntl(GPOINTER_TO_INT(found), F_DUPFD_CLOEXEC, 3);
	g_mutex_unlock(&cache_lock);
	return fd;
}

/* Takes key. Outside the lock: two threads may compile the same once. */
static int cache_make(char *key, const OciSeccomp *profile, GError **error)
{
	g_autofree char *owned = key;
	g_autoptr(GBytes) code = rt_seccomp_compile(profile, error);
	if (!code)
		return -1;
	gsize n;
	const void *data = g_bytes_get_data(code, &n);
	int fd = dh_memfd("seccomp", data, n, error);
	int kept = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (kept < 0)
		return fd;
	g_mutex_lock(&cache_lock);
	if (g_hash_table_size(cache) >= CACHE_MAX)
		g_hash_table_remove_all(cache);
	g_hash_table_replace(cache, g_steal_pointer(&owned), GINT_TO_POINTER(kept));
	g_mutex_unlock(&cache_lock);
	return fd;
}

int rt_seccomp_cached(const OciSeccomp *profile, GError **error)
{
	char *key = rt_seccomp_key(profile);
	int fd = cache_find(key);
	if (fd < 0)
		return cache_make(key, profile, error);
	g_free(key);
	return fd;
}

int rt_seccomp_default_cached(char *const *capabilities, GError **error)
{
	GString *text = g_string_new("default");
	for (char *const *c = capabilities; c && *c; c++)
		g_string_append_printf(text, " %s", *c);
	char *key = g_string_free(text, FALSE);
	int fd = cache_find(key);
	if (fd >= 0) {
		g_free(key);
		return fd;
	}
	OciSeccomp *profile = rt_seccomp_default(capabilities);
	fd = cache_make(key, profile, error);
	dh_json_free(&oci_seccomp_table, profile);
	return fd;
}
