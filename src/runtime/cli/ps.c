/* SPDX-License-Identifier: MIT */
/* ps: a container's processes, as `ps -ef` shows them; no ps program is asked. */
#include "base/error.h"
#include "base/fs.h"
#include "runtime/cgroup.h"
#include "runtime/cli/life.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

typedef struct {
	char *format;
} Options;

static const OptionSpec options_table[] = {
	{'f', "format", OPT_STRING, offsetof(Options, format), "value",
		"select one of: table or json", "\"table\""},
};

typedef struct {
	char name[64];
	uid_t uid;
	int ppid, tty, processor_share;
	unsigned long long ticks, start;
} Process;

static gboolean read_process(pid_t pid, Process *ret)
{
	char path[32];
	struct stat st;
	snprintf(path, sizeof path, "/proc/%d", pid);
	ret->uid = stat(path, &st) == 0 ? st.st_uid : 0;
	g_strlcat(path, "/stat", sizeof path);
	g_autofree char *text = dh_read_file(AT_FDCWD, path, 4096, NULL, NULL);
	char *open = text ? strchr(text, '(') : NULL, *close = text ? strrchr(text, ')') : NULL;
	unsigned long long user, kernel;
	if (!open || !close ||
		sscanf(close + 1,
			" %*c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d "
			"%*d %llu",
			&ret->ppid, &ret->tty, &user, &kernel, &ret->start) != 5)
		return FALSE;
	ret->ticks = user + kernel;
	g_strlcpy(ret->name, open + 1, MIN(sizeof ret->name, (size_t)(close - open)));
	return TRUE;
}

static char *command_line(pid_t pid, const Process *p)
{
	char path[32];
	size_t n = 0;
	snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
	g_autofree char *text = dh_read_file(AT_FDCWD, path, 1 << 20, &n, NULL);
	if (!n)
		return g_strdup_printf("[%s]", p->name);
	for (size_t i = 0; i + 1 < n; i++) {
		if ((guchar)text[i] < ' ')
			text[i] = ' ';
	}
	return g_steal_pointer(&text);
}

static int64_t boot_time(void)
{
	struct timespec now, up;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return (int64_t)now.tv_sec - up.tv_sec;
}

static void print_process(pid_t pid)
{
	Process p;
	if (!read_process(pid, &p))
		return; /* it has just ended */
	long hz = sysconf(_SC_CLK_TCK);
	time_t began = (time_t)(boot_time() + (int64_t)(p.start / (guint64)hz)), now = time(NULL);
	char since[16], tty[16] = "?", user[16];
	struct tm tm;
	localtime_r(&began, &tm);
	strftime(since, sizeof since, now - began < 24 * 3600 ? "%H:%M" : "%b%d", &tm);
	if (p.tty)
		snprintf(tty, sizeof tty, major((dev_t)p.tty) == 136 ? "pts/%u" : "tty%u",
			minor((dev_t)p.tty));
	g_autofree char *owner = user_name(p.uid);
	g_strlcpy(user, owner, sizeof user);
	guint64 cpu = p.ticks / (guint64)hz;
	int64_t age = MAX((int64_t)(now - began), 1);
	g_autofree char *command = command_line(pid, &p);
	printf("%-8s %7d %7d %2d %5s %-8s %02d:%02d:%02d %s\n", user, pid, p.ppid,
		(int)MIN((int64_t)cpu * 100 / age, 99), since, tty, (int)(cpu / 3600),
		(int)(cpu / 60 % 60), (int)(cpu % 60), command);
}

static int ps(const Rt *rt, void *options, char **args, GError **error)
{
	const Options *o = options;
	const char *format = o->format ? o->format : "table";
	gboolean json = strcmp(format, "json") == 0;
	g_autoptr(Container) c = container_load(rt, args[0], FALSE, error);
	if (!c)
		return 1;
	if (!json && strcmp(format, "table") != 0) {
		dh_error(error, DH_ERROR_INVALID, "invalid format option");
		return 1;
	}
	if (!json && args[1] && !(strcmp(args[1], "-ef") == 0 && !args[2])) {
		dh_error(error, DH_ERROR_INVALID,
			"options of ps other than -ef are not supported: use --format json");
		return 1;
	}
	g_autoptr(GArray) pids = container_pids(c, error);
	if (!pids)
		return 1;
	if (json) {
		g_autoptr(json_t) list = json_array();
		for (guint i = 0; i < pids->len; i++)
			json_array_append_new(list, json_integer(g_array_index(pids, pid_t, i)));
		g_autofree char *text = dh_json_dumps(list, 0);
		puts(text);
		return 0;
	}
	puts("UID          PID    PPID  C STIME TTY          TIME CMD");
	for (guint i = 0; i < pids->len; i++)
		print_process(g_array_index(pids, pid_t, i));
	return 0;
}

const RtCommand cmd_ps = {
	.name = "ps",
	.summary = "ps displays the processes running inside a container",
	.usage = "[command options] <container-id> [ps options]",
	.arguments = "",
	.min_args = 1,
	.max_args = -1,
	.stop_at_arg = TRUE,
	.options = options_table,
	.n_options = G_N_ELEMENTS(options_table),
	.options_size = sizeof(Options),
	.run = ps,
};
