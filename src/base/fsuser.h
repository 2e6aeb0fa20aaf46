/* SPDX-License-Identifier: MIT */
/* fsuser.h - whose files the calling thread makes. */
#pragma once

#include <sys/types.h>

/* This thread, and no other, makes files as these IDs from now on, with all its rights kept. Where
 * a mount maps IDs, those of the host's root have no place. Back with 0, 0. */
void dh_fs_user(uid_t uid, gid_t gid);
