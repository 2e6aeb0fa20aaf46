/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "runtime/priv.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[] = {"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID",
	"KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE",
	"NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
	"SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE",
	"AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM",
	"BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"};
_Static_assert(G_N_ELEMENTS(names) == CAP_LAST_CAP + 1, "a name for every capability");

int rt_cap_parse(const char *name)
{
	if (g_ascii_strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		if (g_ascii_strcasecmp(name, names[i]) == 0)
			return (int)i;
	}
	return -1;
}

const char *rt_cap_name(int cap)
{
	return cap >= 0 && cap < (int)G_N_ELEMENTS(names) ? names[cap] : NULL;
}

guint64 rt_caps_mask(char *const *list)
{
	guint64 mask = 0;
	for (; list && *list; list++) {
		int cap = rt_cap_parse(*list);
		if (cap >= 0)
			mask |= 1ULL << cap;
	}
	return mask;
}

typedef struct {
	guint64 effective, permitted, inheritable;
} Sets;

static gboolean get(Sets *s)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {0};
	if (syscall(SYS_capget, &h, d) < 0)
		return FALSE;
	s->effective = d[0].effective | (guint64)d[1].effective << 32;
	s->permitted = d[0].permitted | (guint64)d[1].permitted << 32;
	s->inheritable = d[0].inheritable | (guint64)d[1].inheritable << 32;
	return TRUE;
}

static gboolean put(const Sets *s)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {
		{(guint32)s->effective, (guint32)s->permitted, (guint32)s->inheritable},
		{(guint32)(s->effective >> 32), (guint32)(s->permitted >> 32),
			(guint32)(s->inheritable >> 32)},
	};
	return syscall(SYS_capset, &h, d) == 0;
}

static gboolean drop_bounding(guint64 keep, GError **error)
{
	for (unsigned cap = 0; cap < 64; cap++) {
		if (keep & 1ULL << cap)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL) /* beyond the kernel's last */
			break;
		return rt_error_errno(error, errno, "unable to drop bounding capabilities");
	}
	return TRUE;
}

static gboolean set_ids(const RtIds *ids, gboolean user_ns, GError **error)
{
	const gid_t *groups = (const gid_t *)(void *)ids->groups->data;
	/* In a user namespace without a group mapping of its own, setgroups is denied altogether.
	 */
	if (setgroups(ids->groups->len, groups) < 0 && !(user_ns && errno == EPERM))
		return rt_error_errno(error, errno, "setgroups");
	if (setresgid(ids->gid, ids->gid, ids->gid) < 0)
		return rt_error_errno(error, errno, "setgid %u", ids->gid);
	if (setresuid(ids->uid, ids->uid, ids->uid) < 0)
		return rt_error_errno(error, errno, "setuid %u", ids->uid);
	return TRUE;
}

gboolean rt_caps_and_ids(
	const OciCapabilities *caps, const RtIds *ids, gboolean user_ns, GError **error)
{
	static const OciCapabilities none;
	if (!caps)
		caps = &none;
	guint64 ambient = rt_caps_mask(caps->ambient);
	Sets now, want = {rt_caps_mask(caps->effective), rt_caps_mask(caps->permitted),
			  rt_caps_mask(caps->inheritable)};
	if (!drop_bounding(rt_caps_mask(caps->bounding), error))
		return FALSE;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || !set_ids(ids, user_ns, error) ||
		prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return FALSE;
	/* execve would take these from an ordinary user anyway, but only after it has opened the
	 * program with them: the user must not start what only root may read. */
	if (ids->uid != 0) {
		want.permitted &= ambient;
		want.effective &= ambient;
	}
	/* What we do not have ourselves cannot be given (a daemon that runs confined). */
	if (!get(&now))
		return rt_error_errno(error, errno, "capget");
	want.permitted &= now.permitted;
	want.effective &= want.permitted;
	want.inheritable &= now.permitted | now.inheritable;
	if (!put(&want))
		return rt_error_errno(error, errno, "unable to apply caps");
	for (unsigned cap = 0; cap < 64; cap++) {
		if ((ambient & want.permitted & want.inheritable & 1ULL << cap) &&
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return rt_error_errno(error, errno, "unable to apply ambient caps");
	}
	return TRUE;
}
