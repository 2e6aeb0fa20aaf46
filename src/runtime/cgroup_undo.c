/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: an update is many writes, and any of them may be refused. Each write first
 * notes what its file held; written back in reverse order, the kernel sees the same states
 * backwards, each of which it has accepted before. What a file says is not always what it takes:
 * files with a line for each device take one line at a time, and no line means no limit.
 */
#include "runtime/cgroup_priv.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	int index;
	char *file, *value;
} Step;

static void step_free(void *p)
{
	Step *s = p;
	g_free(s->file);
	g_free(s->value);
	g_free(s);
}

GPtrArray *cg_undo_new(void)
{
	return g_ptr_array_new_with_free_func(step_free);
}

/* "8:0 rbps=1000" concerns the line of "8:0 ". */
static char *device_line(const char *file, const char *text, const char *value)
{
	g_autofree char *device = g_strndup(value, strcspn(value, " ") + 1);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (char **l = lines; *l; l++) {
		if (g_str_has_prefix(*l, device))
			return g_strdup(*l);
	}
	const char *setting = value + strlen(device);
	const char *equals = strchr(setting, '=');
	if (equals)
		return g_strdup_printf("%s%.*s=max", device, (int)(equals - setting), setting);
	return g_strconcat(device, strcmp(file, "io.weight") == 0 ? "default" : "0", NULL);
}

static char *replaced(int dirfd, const char *file, const char *value)
{
	unsigned major, minor;
	g_autofree char *text = cg_read(dirfd, file);
	if (!text)
		return NULL;
	if (sscanf(value, "%u:%u ", &major, &minor) == 2)
		return device_line(file, text, value);
	if (strcmp(file, "memory.oom_control") == 0)
		return g_strdup_printf(
			"%" G_GINT64_FORMAT, MAX(cg_read_key(dirfd, file, "oom_kill_disable"), 0));
	/* An empty set of processors is a newline: of nothing, write() makes nothing. */
	return *text ? g_steal_pointer(&text) : g_strdup("\n");
}

void cg_undo_note(const CgGroup *g, int index, const char *file, const char *value)
{
	if (!g->undo)
		return;
	char *old = replaced(g->fd[index], file, value);
	if (!old)
		return;
	Step *s = g_new0(Step, 1);
	s->index = index;
	s->file = g_strdup(file);
	s->value = old;
	g_ptr_array_add(g->undo, s);
}

void cg_undo(CgGroup *g)
{
	g_autoptr(GPtrArray) steps = g_steal_pointer(&g->undo);
	for (guint i = steps ? steps->len : 0; i-- > 0;) {
		const Step *s = steps->pdata[i];
		(void)cg_write_at(g, s->index, s->file, s->value, NULL);
	}
}
