/* SPDX-License-Identifier: MIT */
/* life.h - what several commands do to a container. */
#pragma once

#include "runtime/cli/state.h"

/* Removes what a stopped container holds: cgroups, state; then its poststop hooks. */
gboolean container_destroy(const Rt *rt, Container *c, GError **error);
/* Failures are logged only, as the specification asks. */
void container_poststop(const Container *c);

/* Its cgroup, or NULL with an error: it has none. */
const char *container_needs_cgroup(const Container *c, GError **error);
/* All its processes (pid_t), by cgroup, else by pid namespace. */
GArray *container_pids(const Container *c, GError **error);

/* "root", or "#1000"; of the passwd file alone. Caller frees. */
char *user_name(uid_t uid);

/* create.c, for exec as well */
gboolean write_pid_file(const char *path, pid_t pid, GError **error);
gboolean check_console(
	gboolean terminal, gboolean detach, const char *console_socket, GError **error);
/* Descriptors 3.. that the process gets: LISTEN_FDS of the environment and those asked for. */
gboolean count_fds(int64_t wanted, OciProcess *process, guint *ret, GError **error);
