/* SPDX-License-Identifier: MIT */
/* commands.h - the registry: every command there is, under every name it has. */
#pragma once

#include "cli/command.h"

typedef struct {
	const char *family; /* "container", "" at the top level */
	const char *name;
	const char *summary;    /* of a command that is not built; else the command's own */
	const Command *command; /* NULL: docker has it, we do not have it yet */
	gboolean alias;         /* another name of its neighbour: not listed */
} CommandEntry;

typedef struct {
	const char *name;
	const char *summary;
	gboolean built; /* FALSE: docker has the whole family, we do not */
} CommandFamily;

/* Entry by name, or NULL. family "" is the top level. */
const CommandEntry *commands_find(const char *family, const char *name);
const CommandFamily *commands_find_family(const char *name);
/* n-th entry, NULL behind the last. */
const CommandEntry *commands_nth(size_t n);
const CommandFamily *commands_nth_family(size_t n);
/* The top level's commands in the order of help's "Common Commands", or NULL behind the last. */
const char *commands_nth_common(size_t n);

extern const Command cmd_attach, cmd_create, cmd_exec, cmd_kill, cmd_pause, cmd_rename, cmd_restart,
	cmd_rm, cmd_run, cmd_start, cmd_stop, cmd_unpause, cmd_wait;
extern const Command cmd_commit, cmd_cp, cmd_df, cmd_diff, cmd_export, cmd_system_check,
	cmd_system_upgrade, cmd_system_prune;
extern const Command cmd_container_inspect, cmd_container_prune, cmd_events, cmd_history,
	cmd_image_inspect, cmd_image_prune, cmd_images, cmd_import, cmd_info, cmd_inspect, cmd_load,
	cmd_login, cmd_logout, cmd_logs, cmd_port, cmd_ps, cmd_pull, cmd_push, cmd_rmi, cmd_save,
	cmd_search, cmd_stats, cmd_tag, cmd_top, cmd_update, cmd_version;
extern const Command cmd_volume_create, cmd_volume_inspect, cmd_volume_ls, cmd_volume_prune,
	cmd_volume_rm;
