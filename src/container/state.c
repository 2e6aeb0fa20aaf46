/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: the table below is the contract. A cell is the reason why an operation is
 * refused in a state, as the text that the user reads; an empty cell allows it. "%i" stands for the
 * container's ID, "%n" for its name. NOT_MODIFIED is no failure: the container already is where the
 * operation would lead.
 *
 *   state       start           stop     kill  pause    unpause  exec  attach remove
 *   created     → running       (same)   -     -        -        -     yes    gone
 *   running     (same)          → exited →     → paused -        yes   yes    only by force
 *   paused      -               → exited →     -        → running -    -      only by force
 *   restarting  (same)          → exited →     -        -        -     -      only by force
 *   removing    -               (same)   -     -        -        -     -      -
 *   exited      → running       (same)   -     -        -        -     yes    gone
 *   dead        -               (same)   -     -        -        -     -      gone
 */
#include "container/state.h"

#include "base/error.h"

#include <string.h>

static const char *const status_names[] = {
	[STATUS_CREATED] = "created",
	[STATUS_RUNNING] = "running",
	[STATUS_PAUSED] = "paused",
	[STATUS_RESTARTING] = "restarting",
	[STATUS_REMOVING] = "removing",
	[STATUS_EXITED] = "exited",
	[STATUS_DEAD] = "dead",
};
_Static_assert(G_N_ELEMENTS(status_names) == N_STATUSES, "a name for every status");

typedef struct {
	DhError code;
	const char *text; /* NULL: allowed */
} Refusal;

#define NO(text)                                                                                   \
	{                                                                                          \
		DH_ERROR_CONFLICT, text                                                            \
	}
#define SAME                                                                                       \
	{                                                                                          \
		DH_ERROR_NOT_MODIFIED, "the container already is in this state"                    \
	}

#define NOT_RUNNING NO("container %i is not running")
#define CANNOT_KILL NO("cannot kill container: %n: container %i is not running")
#define NOT_PAUSED NO("container %i is not paused")
#define RESTARTING NO("Container %i is restarting, wait until the container is running")
#define MARKED NO("container is marked for removal and cannot be started")
#define REMOVING_ALREADY NO("removal of container %i is already in progress")

static const Refusal refusals[N_OPS][N_STATUSES] = {
	[OP_START] =
		{
			[STATUS_RUNNING] = SAME,
			[STATUS_PAUSED] =
				NO("cannot start a paused container, try unpause instead"),
			[STATUS_RESTARTING] = SAME,
			[STATUS_REMOVING] = MARKED,
			[STATUS_DEAD] = MARKED,
		},
	[OP_STOP] =
		{
			[STATUS_CREATED] = SAME,
			[STATUS_REMOVING] = SAME,
			[STATUS_EXITED] = SAME,
			[STATUS_DEAD] = SAME,
		},
	[OP_KILL] =
		{
			[STATUS_CREATED] = CANNOT_KILL,
			[STATUS_REMOVING] = CANNOT_KILL,
			[STATUS_EXITED] = CANNOT_KILL,
			[STATUS_DEAD] = CANNOT_KILL,
		},
	[OP_PAUSE] =
		{
			[STATUS_CREATED] = NOT_RUNNING,
			[STATUS_PAUSED] = NO("container %i is already paused"),
			[STATUS_RESTARTING] = RESTARTING,
			[STATUS_REMOVING] = NOT_RUNNING,
			[STATUS_EXITED] = NOT_RUNNING,
			[STATUS_DEAD] = NOT_RUNNING,
		},
	[OP_UNPAUSE] =
		{
			[STATUS_CREATED] = NOT_PAUSED,
			[STATUS_RUNNING] = NOT_PAUSED,
			[STATUS_RESTARTING] = NOT_PAUSED,
			[STATUS_REMOVING] = NOT_PAUSED,
			[STATUS_EXITED] = NOT_PAUSED,
			[STATUS_DEAD] = NOT_PAUSED,
		},
	[OP_EXEC] =
		{
			[STATUS_CREATED] = NOT_RUNNING,
			[STATUS_PAUSED] =
				NO("container %i is paused, unpause the container before exec"),
			[STATUS_RESTARTING] = RESTARTING,
			[STATUS_REMOVING] = NOT_RUNNING,
			[STATUS_EXITED] = NOT_RUNNING,
			[STATUS_DEAD] = NOT_RUNNING,
		},
	[OP_ATTACH] =
		{
			[STATUS_PAUSED] =
				NO("container %n is paused, unpause the container before attach"),
			[STATUS_RESTARTING] = NO(
				"container %n is restarting, wait until the container is running"),
			[STATUS_REMOVING] = NOT_RUNNING,
			[STATUS_DEAD] = NOT_RUNNING,
		},
	[OP_RESIZE] =
		{
			[STATUS_CREATED] = NOT_RUNNING,
			[STATUS_REMOVING] = NOT_RUNNING,
			[STATUS_EXITED] = NOT_RUNNING,
			[STATUS_DEAD] = NOT_RUNNING,
		},
	[OP_TOP] =
		{
			[STATUS_CREATED] = NOT_RUNNING,
			[STATUS_RESTARTING] = RESTARTING,
			[STATUS_REMOVING] = NOT_RUNNING,
			[STATUS_EXITED] = NOT_RUNNING,
			[STATUS_DEAD] = NOT_RUNNING,
		},
	[OP_RENAME] =
		{
			[STATUS_REMOVING] = REMOVING_ALREADY,
			[STATUS_DEAD] = NO("container %i is dead and can only be removed"),
		},
	[OP_UPDATE] =
		{
			[STATUS_REMOVING] =
				NO("container is marked for removal and cannot be \"update\""),
			[STATUS_DEAD] =
				NO("container is marked for removal and cannot be \"update\""),
		},
	[OP_REMOVE] =
		{
			[STATUS_RUNNING] = NO(
				"cannot remove container \"/%n\": container is running: stop the "
				"container before removing or force remove"),
			[STATUS_PAUSED] = NO(
				"cannot remove container \"/%n\": container is paused and must be "
				"unpaused first"),
			[STATUS_RESTARTING] =
				NO("cannot remove container \"/%n\": container is restarting: stop "
				   "the container before removing or force remove"),
			[STATUS_REMOVING] = REMOVING_ALREADY,
		},
	[OP_FORCE_REMOVE] =
		{
			[STATUS_REMOVING] = REMOVING_ALREADY,
		},
};

const char *container_status_name(ContainerStatus s)
{
	return status_names[s];
}

gboolean container_op_allowed(
	ContainerOp op, ContainerStatus s, const char *id, const char *name, GError **error)
{
	const Refusal *r = &refusals[op][s];
	if (!r->text)
		return TRUE;
	g_autoptr(GString) text = g_string_new(r->text);
	g_string_replace(text, "%i", id, 0);
	g_string_replace(text, "%n", name, 0);
	return dh_error(error, r->code, "%s", text->str);
}
