/* SPDX-License-Identifier: MIT */
#include "base/fsuser.h"

#include <glib.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

void dh_fs_user(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	/* Neither has a result that would say anything. */
	(void)syscall(SYS_setfsgid, gid);
	(void)syscall(SYS_setfsuid, uid);
	/* Leaving ID 0 takes the rights over files out of the effective set. */
	if (syscall(SYS_capget, &head, data) < 0)
		return;
	for (guint i = 0; i < G_N_ELEMENTS(data); i++)
		data[i].effective = data[i].permitted;
	(void)syscall(SYS_capset, &head, data);
}
