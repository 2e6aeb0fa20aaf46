/* SPDX-License-Identifier: MIT */
/*
 * state.h - the life of a container as a table: per state, what may be asked and what it leads to.
 */
#pragma once

#include <glib.h>

typedef enum {
	STATUS_CREATED,
	STATUS_RUNNING,
	STATUS_PAUSED,
	STATUS_RESTARTING,
	STATUS_REMOVING,
	STATUS_EXITED,
	STATUS_DEAD,
	N_STATUSES
} ContainerStatus;

typedef enum {
	OP_START,
	OP_STOP,
	OP_KILL,
	OP_PAUSE,
	OP_UNPAUSE,
	OP_EXEC,
	OP_ATTACH,
	OP_RESIZE,
	OP_TOP,
	OP_RENAME,
	OP_UPDATE,
	OP_REMOVE,
	OP_FORCE_REMOVE,
	N_OPS
} ContainerOp;

const char *container_status_name(ContainerStatus s);
/* FALSE and docker's text (with the container's ID or name in it) when op is not allowed in s. */
gboolean container_op_allowed(
	ContainerOp op, ContainerStatus s, const char *id, const char *name, GError **error);
