/* SPDX-License-Identifier: MIT */
#include "test_runtime.h"

#include "base/error.h"
#include "base/fd.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the kernel would answer: runs the classic BPF that seccomp allows. */
static guint32 judge(GBytes *code, guint32 arch, int nr, guint64 a0, guint64 a1)
{
	gsize n;
	const struct sock_filter *f = g_bytes_get_data(code, &n);
	struct seccomp_data d = {
		.arch = arch,
		.nr = nr,
		.args = {a0, a1},
	};
	guint32 a = 0, m[BPF_MEMWORDS] = {0};
	for (gsize pc = 0; pc < n / sizeof *f; pc++) {
		guint32 k = f[pc].k;
		switch (f[pc].code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (char *)&d + k, sizeof a);
			break;
		case BPF_LD | BPF_MEM:
			a = m[k];
			break;
		case BPF_ST:
			m[k] = a;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= k;
			break;
		case BPF_JMP | BPF_JA:
			pc += k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_RET | BPF_K:
			return k;
		default:
			fail_msg("unexpected instruction %#x", f[pc].code);
		}
	}
	fail_msg("ran off the end");
	return 0;
}

enum {
	ALLOW = SECCOMP_RET_ALLOW,
	NOPERM = SECCOMP_RET_ERRNO | EPERM,
	NOSYS = SECCOMP_RET_ERRNO | ENOSYS
};

#ifdef __x86_64__
static void default_filter_decides(void **state)
{
	static const struct {
		const char *capability;
		guint32 arch;
		int nr;
		guint64 a0;
		guint32 answer;
	} cases[] = {
		{NULL, AUDIT_ARCH_X86_64, SYS_read, 0, ALLOW},
		{NULL, AUDIT_ARCH_X86_64, SYS_mount, 0, NOPERM},
		{NULL, AUDIT_ARCH_X86_64, SYS_keyctl, 0, NOPERM},
		{NULL, AUDIT_ARCH_X86_64, SYS_clone, CLONE_VM | SIGCHLD, ALLOW},
		{NULL, AUDIT_ARCH_X86_64, SYS_clone, CLONE_NEWUSER | SIGCHLD, NOPERM},
		{NULL, AUDIT_ARCH_X86_64, SYS_clone3, 0, NOSYS},
		{NULL, AUDIT_ARCH_X86_64, SYS_unshare, CLONE_NEWNS, NOPERM},
		{NULL, AUDIT_ARCH_X86_64, SYS_socket, AF_INET, ALLOW},
		{NULL, AUDIT_ARCH_X86_64, SYS_socket, AF_NETLINK, ALLOW},
		{NULL, AUDIT_ARCH_X86_64, SYS_socket, AF_VSOCK, NOPERM},
		{NULL, AUDIT_ARCH_X86_64, SYS_socket, AF_ALG, NOPERM},
		{NULL, AUDIT_ARCH_X86_64, SYS_personality, 0xffffffff, ALLOW},
		{NULL, AUDIT_ARCH_X86_64, SYS_personality, 0x0040000, NOPERM},
		{NULL, AUDIT_ARCH_X86_64, SYS_arch_prctl, 0x1002, ALLOW},
		{NULL, AUDIT_ARCH_X86_64, 9999, 0, NOSYS},
		{NULL, AUDIT_ARCH_X86_64, 0x40000000 + 0, 0, ALLOW},
		{NULL, AUDIT_ARCH_X86_64, 0x40000000 + 9999, 0, NOSYS},
		{NULL, AUDIT_ARCH_I386, 3, 0, ALLOW},
		{NULL, AUDIT_ARCH_I386, 21, 0, NOPERM},
		{NULL, AUDIT_ARCH_I386, 9999, 0, NOSYS},
		{"CAP_SYS_ADMIN", AUDIT_ARCH_X86_64, SYS_mount, 0, ALLOW},
		{"CAP_SYS_ADMIN", AUDIT_ARCH_X86_64, SYS_clone3, 0, ALLOW},
		{"CAP_SYS_ADMIN", AUDIT_ARCH_X86_64, SYS_clone, CLONE_NEWUSER | SIGCHLD, ALLOW},
		{"CAP_SYS_TIME", AUDIT_ARCH_X86_64, SYS_clock_settime, 0, ALLOW},
		{"CAP_SYS_CHROOT", AUDIT_ARCH_X86_64, SYS_chroot, 0, ALLOW},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		char *caps[] = {(char *)cases[i].capability, NULL};
		g_autoptr(GError) error = NULL;
		OciSeccomp *s = rt_seccomp_default(caps);
		g_autoptr(GBytes) code = rt_seccomp_compile(s, &error);
		dh_json_free(&oci_seccomp_table, s);
		assert_null(error);
		guint32 answer = judge(code, cases[i].arch, cases[i].nr, cases[i].a0, 0);
		if (answer != cases[i].answer)
			fail_msg("case %u: %#x, not %#x", i, answer, cases[i].answer);
	}
}
#endif

#ifdef __x86_64__
/* The generated search and libseccomp's filter give the same answers. */
static void both_compilers_agree(void **state)
{
	static const guint64 values[] = {0, 1, 8, 11, 12, 13, 16, 34, 38, 40, 45, 46, 200, 255, 256,
		0x20000, 0x20008, 0xffffffff, 0x10000000, 0x7e020000, SIGCHLD, 1ULL << 32,
		16 | 1ULL << 40};
	static const char other[] =
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
		"{\"names\":[\"mkdir\",\"fork\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":5},"
		"{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_KILL_PROCESS\",\"args\":["
		"{\"index\":0,\"value\":8,\"op\":\"SCMP_CMP_GT\"},"
		"{\"index\":1,\"value\":300,\"op\":\"SCMP_CMP_LE\"}]},"
		"{\"names\":[\"dup\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
		"{\"index\":0,\"value\":8,\"op\":\"SCMP_CMP_NE\"},"
		"{\"index\":1,\"value\":8,\"op\":\"SCMP_CMP_GE\"}]}]}";
	char *admin[] = {(char *)"CAP_SYS_ADMIN", (char *)"CAP_SYS_TIME", NULL};
	OciSeccomp *profiles[] = {rt_seccomp_default(NULL), rt_seccomp_default(admin),
		dh_json_parse_text(&oci_seccomp_table, other, strlen(other), NULL)};
	for (guint p = 0; p < G_N_ELEMENTS(profiles); p++) {
		g_autoptr(GBytes) a = sc_compile(profiles[p], TRUE, NULL);
		g_autoptr(GBytes) b = sc_compile(profiles[p], FALSE, NULL);
		assert_true(a && b);
		print_message("profile %u: %d instructions, libseccomp's %d\n", p,
			(int)(g_bytes_get_size(a) / 8), (int)(g_bytes_get_size(b) / 8));
		for (int nr = -1; nr < 1000; nr++) {
			/* Numbers of x32 alone are nobody's without its bit. */
			for (guint v = 0; v < G_N_ELEMENTS(values) * 4; v++) {
				guint64 a0 = values[v / 4],
					a1 = values[(v * 7) % G_N_ELEMENTS(values)];
				guint32 arch = v % 2 && p < 2 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
				guint32 x = judge(a, arch, nr, a0, a1),
					y = judge(b, arch, nr, a0, a1);
				/* The upper halves of a 32-bit program's arguments are always zero.
				 */
				if (arch == AUDIT_ARCH_I386 && (a0 >> 32 || a1 >> 32))
					continue;
				if (x != y && (arch == AUDIT_ARCH_I386 || nr < 512 || nr > 547))
					fail_msg("profile %u arch %#x nr %d args %#lx %#lx: %#x, "
						 "not %#x",
						p, arch, nr, (unsigned long)a0, (unsigned long)a1,
						x, y);
			}
		}
		dh_json_free(&oci_seccomp_table, profiles[p]);
	}
}
#endif

static void profile_round_trip_and_cache(void **state)
{
	g_autoptr(GError) error = NULL;
	OciSeccomp *s = rt_seccomp_default(NULL);
	OciSeccomp *copy = dh_json_copy(&oci_seccomp_table, s);
	gint64 t0 = g_get_monotonic_time();
	dh_autofd int a = rt_seccomp_cached(s, &error);
	gint64 t1 = g_get_monotonic_time();
	dh_autofd int b = rt_seccomp_cached(copy, &error);
	gint64 t2 = g_get_monotonic_time();
	struct stat x, y;
	assert_int_equal(fstat(a, &x) | fstat(b, &y), 0);
	assert_int_equal(x.st_ino, y.st_ino);
	dh_autofd int c = rt_seccomp_default_cached(NULL, &error);
	gint64 t3 = g_get_monotonic_time();
	dh_autofd int d = rt_seccomp_default_cached(NULL, &error);
	gint64 t4 = g_get_monotonic_time();
	assert_true(c >= 0 && d >= 0);
	print_message("default filter: %d instructions, compiled in %d us, found again in %d us, "
		      "by capabilities in %d us\n",
		(int)(x.st_size / 8), (int)(t1 - t0), (int)(t2 - t1), (int)(t4 - t3));
	dh_json_free(&oci_seccomp_table, copy);
	dh_json_free(&oci_seccomp_table, s);
}

static void bad_profiles(void **state)
{
	static const char *const bad[] = {
		"{\"defaultAction\":\"SCMP_ACT_NOSUCH\"}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_VAX\"]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		"\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":9,\"value\":1,\"op\":\"SCMP_"
		"CMP_EQ\"}]}]}",
	};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		OciSeccomp *s =
			dh_json_parse_text(&oci_seccomp_table, bad[i], strlen(bad[i]), &error);
		assert_null(error);
		assert_null(rt_seccomp_compile(s, &error));
		assert_true(g_error_matches(error, DH_ERROR, DH_ERROR_INVALID));
		dh_json_free(&oci_seccomp_table, s);
	}
}

static void container_runs_filtered(void **state)
{
	if (!rig_usable())
		skip();
	Rig *r = *state;
	g_autoptr(GError) error = NULL;
	OciSeccomp *s = rt_seccomp_default(r->spec->process->capabilities->bounding);
	r->launch.seccomp_fd = rt_seccomp_cached(s, &error);
	assert_true(r->launch.seccomp_fd >= 0);
	dh_json_free(&oci_seccomp_table, s);
	for (guint nnp = 0; nnp < 2; nnp++) {
		r->spec->process->no_new_privileges = nnp;
		g_autofree char *out = rig_sh(r, "grep -E '^Seccomp|NoNewPrivs' /proc/self/status");
		g_autofree char *want =
			g_strdup_printf("NoNewPrivs:\t%u\nSeccomp:\t2\nSeccomp_filters:\t1\n", nnp);
		assert_string_equal(out, want);
	}
	r->spec->process->no_new_privileges = FALSE;
	r->spec->process->user.dhow_user = g_strdup("joe");
	g_autofree char *joe = rig_sh(r, "grep '^Seccomp:' /proc/self/status; id -un");
	assert_string_equal(joe, "Seccomp:\t2\njoe\n");
	close(r->launch.seccomp_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef __x86_64__
		cmocka_unit_test(default_filter_decides),
		cmocka_unit_test(both_compilers_agree),
#endif
		cmocka_unit_test(profile_round_trip_and_cache),
		cmocka_unit_test(bad_profiles),
		cmocka_unit_test_setup_teardown(container_runs_filtered, rig_setup, rig_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
