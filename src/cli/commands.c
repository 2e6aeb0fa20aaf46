/* SPDX-License-Identifier: MIT */
#include "cli/commands.h"

#include <string.h>

/* Help lists them in this order: alphabetical. */
/* clang-format off */
static const CommandEntry entries[] = {
	{"", "attach", NULL, &cmd_attach},
	{"", "build", "Build an image from a Dockerfile", NULL},
	{"", "commit", NULL, &cmd_commit},
	{"", "cp", NULL, &cmd_cp},
	{"", "create", NULL, &cmd_create},
	{"", "diff", NULL, &cmd_diff},
	{"", "events", NULL, &cmd_events},
	{"", "exec", NULL, &cmd_exec},
	{"", "export", NULL, &cmd_export},
	{"", "history", NULL, &cmd_history},
	{"", "images", NULL, &cmd_images},
	{"", "import", NULL, &cmd_import},
	{"", "info", NULL, &cmd_info},
	{"", "inspect", NULL, &cmd_inspect},
	{"", "kill", NULL, &cmd_kill},
	{"", "load", NULL, &cmd_load},
	{"", "login", NULL, &cmd_login},
	{"", "logout", NULL, &cmd_logout},
	{"", "logs", NULL, &cmd_logs},
	{"", "pause", NULL, &cmd_pause},
	{"", "port", NULL, &cmd_port},
	{"", "ps", NULL, &cmd_ps},
	{"", "pull", NULL, &cmd_pull},
	{"", "push", NULL, &cmd_push},
	{"", "rename", NULL, &cmd_rename},
	{"", "restart", NULL, &cmd_restart},
	{"", "rm", NULL, &cmd_rm},
	{"", "rmi", NULL, &cmd_rmi},
	{"", "run", NULL, &cmd_run},
	{"", "save", NULL, &cmd_save},
	{"", "search", NULL, &cmd_search},
	{"", "start", NULL, &cmd_start},
	{"", "stats", NULL, &cmd_stats},
	{"", "stop", NULL, &cmd_stop},
	{"", "tag", NULL, &cmd_tag},
	{"", "top", NULL, &cmd_top},
	{"", "unpause", NULL, &cmd_unpause},
	{"", "update", NULL, &cmd_update},
	{"", "version", NULL, &cmd_version},
	{"", "wait", NULL, &cmd_wait},
	{"container", "attach", NULL, &cmd_attach},
	{"container", "commit", NULL, &cmd_commit},
	{"container", "cp", NULL, &cmd_cp},
	{"container", "create", NULL, &cmd_create},
	{"container", "diff", NULL, &cmd_diff},
	{"container", "exec", NULL, &cmd_exec},
	{"container", "export", NULL, &cmd_export},
	{"container", "inspect", NULL, &cmd_container_inspect},
	{"container", "kill", NULL, &cmd_kill},
	{"container", "logs", NULL, &cmd_logs},
	{"container", "ls", NULL, &cmd_ps},
	{"container", "list", NULL, &cmd_ps, TRUE},
	{"container", "ps", NULL, &cmd_ps, TRUE},
	{"container", "pause", NULL, &cmd_pause},
	{"container", "port", NULL, &cmd_port},
	{"container", "prune", NULL, &cmd_container_prune},
	{"container", "rename", NULL, &cmd_rename},
	{"container", "restart", NULL, &cmd_restart},
	{"container", "rm", NULL, &cmd_rm},
	{"container", "remove", NULL, &cmd_rm, TRUE},
	{"container", "run", NULL, &cmd_run},
	{"container", "start", NULL, &cmd_start},
	{"container", "stats", NULL, &cmd_stats},
	{"container", "stop", NULL, &cmd_stop},
	{"container", "top", NULL, &cmd_top},
	{"container", "unpause", NULL, &cmd_unpause},
	{"container", "update", NULL, &cmd_update},
	{"container", "wait", NULL, &cmd_wait},
	{"image", "build", "Build an image from a Dockerfile", NULL},
	{"image", "history", NULL, &cmd_history},
	{"image", "import", NULL, &cmd_import},
	{"image", "inspect", NULL, &cmd_image_inspect},
	{"image", "load", NULL, &cmd_load},
	{"image", "ls", NULL, &cmd_images},
	{"image", "list", NULL, &cmd_images, TRUE},
	{"image", "prune", NULL, &cmd_image_prune},
	{"image", "pull", NULL, &cmd_pull},
	{"image", "push", NULL, &cmd_push},
	{"image", "rm", NULL, &cmd_rmi},
	{"image", "remove", NULL, &cmd_rmi, TRUE},
	{"image", "save", NULL, &cmd_save},
	{"image", "tag", NULL, &cmd_tag},
	{"system", "check", NULL, &cmd_system_check},
	{"system", "df", NULL, &cmd_df},
	{"system", "events", NULL, &cmd_events},
	{"system", "info", NULL, &cmd_info},
	{"system", "prune", NULL, &cmd_system_prune},
	{"system", "upgrade", NULL, &cmd_system_upgrade},
	{"volume", "create", NULL, &cmd_volume_create},
	{"volume", "inspect", NULL, &cmd_volume_inspect},
	{"volume", "ls", NULL, &cmd_volume_ls},
	{"volume", "list", NULL, &cmd_volume_ls, TRUE},
	{"volume", "prune", NULL, &cmd_volume_prune},
	{"volume", "rm", NULL, &cmd_volume_rm},
	{"volume", "remove", NULL, &cmd_volume_rm, TRUE},
};
/* clang-format on */

/* clang-format off */
static const CommandFamily families[] = {
	{"builder", "Manage builds", FALSE},
	{"buildx", "Docker Buildx", FALSE},
	{"checkpoint", "Manage checkpoints", FALSE},
	{"compose", "Docker Compose", FALSE},
	{"config", "Manage Swarm configs", FALSE},
	{"container", "Manage containers", TRUE},
	{"context", "Manage contexts", FALSE},
	{"image", "Manage images", TRUE},
	{"manifest", "Manage Docker image manifests and manifest lists", FALSE},
	{"network", "Manage networks", FALSE},
	{"node", "Manage Swarm nodes", FALSE},
	{"plugin", "Manage plugins", FALSE},
	{"secret", "Manage Swarm secrets", FALSE},
	{"service", "Manage Swarm services", FALSE},
	{"stack", "Manage Swarm stacks", FALSE},
	{"swarm", "Manage Swarm", FALSE},
	{"system", "Manage Dhow", TRUE},
	{"trust", "Manage trust on Docker images", FALSE},
	{"volume", "Manage volumes", TRUE},
};
/* clang-format on */

static const char *const common[] = {"run", "exec", "ps", "build", "pull", "push", "images",
	"login", "logout", "search", "version", "info"};

const CommandEntry *commands_find(const char *family, const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
		if (strcmp(entries[i].family, family) == 0 && strcmp(entries[i].name, name) == 0)
			return &entries[i];
	}
	return NULL;
}

const CommandFamily *commands_find_family(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
		if (strcmp(families[i].name, name) == 0)
			return &families[i];
	}
	return NULL;
}

const CommandEntry *commands_nth(size_t n)
{
	return n < G_N_ELEMENTS(entries) ? &entries[n] : NULL;
}

const CommandFamily *commands_nth_family(size_t n)
{
	return n < G_N_ELEMENTS(families) ? &families[n] : NULL;
}

const char *commands_nth_common(size_t n)
{
	return n < G_N_ELEMENTS(common) ? common[n] : NULL;
}
