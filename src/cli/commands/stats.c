/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: one streaming request for each container, all polled in one loop; a timer
 * redraws the table twice a second. Without names the list follows the daemon's events: a container
 * that starts gets a row, one that ends loses it (with --all it stays and shows zeros). With
 * --no-stream each container is asked for two samples that the daemon does not wait with, all of
 * them in a batch, a second apart: a thousand streams would be as many descriptors, and threads of
 * the daemon.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "cli/commands.h"
#include "cli/listing.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { REDRAW_MS = 500 };

typedef struct {
	gboolean all, no_stream, no_trunc;
	char *format;
} StatsOptions;

/* clang-format off */
static const OptionSpec stats_specs[] = {
	{'a', "all", OPT_BOOL, offsetof(StatsOptions, all), NULL,
		"Show all containers (default shows just running)"},
	{0, "format", OPT_STRING, offsetof(StatsOptions, format), "string", LIST_FORMAT_TABLE_HELP},
	{0, "no-stream", OPT_BOOL, offsetof(StatsOptions, no_stream), NULL,
		"Disable streaming stats and only pull the first result"},
	{0, "no-trunc", OPT_BOOL, offsetof(StatsOptions, no_trunc), NULL, "Do not truncate output"},
};
/* clang-format on */

static const Column columns[] = {
	{"BlockIO", "BLOCK I/O"},
	{"CPUPerc", "CPU %"},
	{"Container", "CONTAINER"},
	{"ID", "CONTAINER ID"},
	{"MemPerc", "MEM %"},
	{"MemUsage", "MEM USAGE / LIMIT"},
	{"Name", "NAME"},
	{"NetIO", "NET I/O"},
	{"PIDs", "PIDS"},
};

static const TableSpec spec = {
	.type_name = "*container.statsContext",
	.default_table = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t"
			 "{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
	.columns = columns,
	.n_columns = G_N_ELEMENTS(columns),
};

typedef struct {
	char *name;       /* as asked for */
	Response *stream; /* NULL: ended */
	json_t *sample;   /* the last, or NULL */
	char *id;         /* once known */
} Watched;

static void free_watched(gpointer p)
{
	Watched *w = p;
	g_free(w->name);
	g_free(w->id);
	response_free(w->stream);
	json_decref(w->sample);
	g_free(w);
}

/* figures */

static double number(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

/* Share of one CPU in percent since the sample before; 200 is two CPUs. */
static double cpu_percent(const json_t *sample)
{
	const json_t *now = json_object_get(sample, "cpu_stats");
	const json_t *before = json_object_get(sample, "precpu_stats");
	const json_t *usage = json_object_get(now, "cpu_usage");
	double used = number(usage, "total_usage") -
		      number(json_object_get(before, "cpu_usage"), "total_usage");
	double system = number(now, "system_cpu_usage") - number(before, "system_cpu_usage");
	double cpus = number(now, "online_cpus");
	if (cpus == 0)
		cpus = (double)json_array_size(json_object_get(usage, "percpu_usage"));
	return system > 0 && used > 0 ? used / system * cpus * 100 : 0;
}

/* Without the page cache that could be given back: what cgroup v1 and v2 call it. */
static double memory_used(const json_t *memory)
{
	static const char *const caches[] = {"total_inactive_file", "inactive_file"};
	const json_t *stats = json_object_get(memory, "stats");
	double usage = number(memory, "usage");
	for (guint i = 0; i < G_N_ELEMENTS(caches); i++) {
		const json_t *cache = json_object_get(stats, caches[i]);
		if (cache && json_number_value(cache) < usage)
			return usage - json_number_value(cache);
	}
	return usage;
}

static void set_pair(json_t *row, const char *name, double a, double b)
{
	g_autofree char *first = dh_size_human(a, 3), *second = dh_size_human(b, 3);
	g_autofree char *text = g_strdup_printf("%s / %s", first, second);
	json_object_set_new(row, name, json_string(text));
}

static void set_network(json_t *row, const json_t *sample)
{
	double rx = 0, tx = 0;
	const char *name;
	json_t *net;
	json_object_foreach (json_object_get(sample, "networks"), name, net) {
		rx += number(net, "rx_bytes");
		tx += number(net, "tx_bytes");
	}
	set_pair(row, "NetIO", rx, tx);
}

static void set_block(json_t *row, const json_t *sample)
{
	double in = 0, out = 0;
	const json_t *list = json_object_get(
		json_object_get(sample, "blkio_stats"), "io_service_bytes_recursive");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		const char *op = list_string(e, "op");
		if (g_ascii_tolower(*op) == 'r')
			in += number(e, "value");
		else if (g_ascii_tolower(*op) == 'w')
			out += number(e, "value");
	}
	set_pair(row, "BlockIO", in, out);
}

static void set_memory(json_t *row, const json_t *sample)
{
	const json_t *memory = json_object_get(sample, "memory_stats");
	double used = memory_used(memory), limit = number(memory, "limit");
	g_autofree char *a = dh_size_human_binary(used), *b = dh_size_human_binary(limit);
	g_autofree char *usage = g_strdup_printf("%s / %s", a, b);
	g_autofree char *percent = g_strdup_printf("%.2f%%", limit > 0 ? used / limit * 100 : 0);
	json_object_set_new(row, "MemUsage", json_string(usage));
	json_object_set_new(row, "MemPerc", json_string(percent));
}

static json_t *row_of(const Watched *w, gboolean no_trunc)
{
	const json_t *s = w->sample;
	const char *name = list_string(s, "name");
	const char *id = *list_string(s, "id") ? list_string(s, "id") : w->id ? w->id : "";
	g_autofree char *shown = no_trunc ? g_strdup(id) : list_short_id(id);
	json_t *row = json_object();
	name = *name == '/' ? name + 1 : name;
	json_object_set_new(row, "Container", json_string(w->name));
	json_object_set_new(row, "ID", json_string(shown));
	json_object_set_new(row, "Name", json_string(*name ? name : "--"));
	/* Nothing heard yet. One that does not run reports zeros, and these are shown. */
	if (!s) {
		static const char *const dashes[] = {
			"CPUPerc", "MemPerc", "NetIO", "BlockIO", "PIDs"};
		for (guint i = 0; i < G_N_ELEMENTS(dashes); i++)
			json_object_set_new(row, dashes[i], json_string("--"));
		json_object_set_new(row, "MemUsage", json_string("-- / --"));
		return row;
	}
	g_autofree char *cpu = g_strdup_printf("%.2f%%", cpu_percent(s));
	g_autofree char *pids =
		g_strdup_printf("%.0f", number(json_object_get(s, "pids_stats"), "current"));
	json_object_set_new(row, "CPUPerc", json_string(cpu));
	json_object_set_new(row, "PIDs", json_string(pids));
	set_memory(row, s);
	set_network(row, s);
	set_block(row, s);
	return row;
}

/* streams */

static gboolean watch(Cli *cli, GPtrArray *list, const char *name, const char *id, GError **error)
{
	g_autofree char *path = g_strdup_printf("/containers/%s/stats", name);
	g_auto(GStrv) query = cli_query("stream", "1", NULL);
	Request req = {.method = "GET", .path = path, .query = query};
	Response *r = cli_request(cli, &req, error);
	if (!r)
		return FALSE;
	Watched *w = g_new0(Watched, 1);
	w->name = g_strdup(name);
	w->id = g_strdup(id);
	w->stream = r;
	g_ptr_array_add(list, w);
	return TRUE;
}

/* What there is, by ID. */
static char **list_ids(Cli *cli, const StatsOptions *o, GError **error)
{
	g_auto(GStrv) query = cli_query("all", o->all ? "1" : NULL, "members", "Id", NULL);
	g_autoptr(json_t) containers = cli_call(cli, "GET", "/containers/json", query, NULL, error);
	if (!containers)
		return NULL;
	g_autoptr(GStrvBuilder) ids = g_strv_builder_new();
	for (size_t i = 0; i < json_array_size(containers); i++)
		g_strv_builder_add(ids, list_string(json_array_get(containers, i), "Id"));
	return g_strv_builder_end(ids);
}

/* A container that went away between the list and the question is none. */
static gboolean watch_listed(Cli *cli, GPtrArray *list, char *const *ids, guint n, GError **error)
{
	for (guint i = 0; i < n; i++) {
		g_autoptr(GError) local = NULL;
		if (!watch(cli, list, ids[i], ids[i], &local) &&
			!g_error_matches(local, DH_ERROR, DH_ERROR_NOT_FOUND)) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean print_table(
	const GPtrArray *list, const StatsOptions *o, gboolean clear, GError **error)
{
	g_autoptr(json_t) rows = json_array();
	g_autoptr(GString) out = g_string_new(NULL);
	for (guint i = 0; i < list->len; i++)
		json_array_append_new(rows, row_of(list->pdata[i], o->no_trunc));
	if (clear)
		g_string_append(out, "\033[H");
	g_autoptr(GString) table = g_string_new(NULL);
	if (!format_rows(&spec, o->format, rows, table, error))
		return FALSE;
	/* overwrite line by line: clearing first would flicker */
	for (const char *p = table->str; *p;) {
		const char *end = strchrnul(p, '\n');
		g_string_append_len(out, p, end - p);
		g_string_append(out, clear ? "\033[K\n" : "\n");
		p = *end ? end + 1 : end;
	}
	if (clear)
		g_string_append(out, "\033[J");
	fwrite(out->str, 1, out->len, stdout);
	if (fflush(stdout) != 0)
		return dh_error(error, DH_ERROR_SYSTEM, "write to stdout failed");
	return TRUE;
}

/* Asks for a sample of each. A container that went away between the list and the question is none;
 * each name that is none is told at the end. */
static gboolean take_first(
	Cli *cli, GPtrArray *list, char *const *names, gboolean listed, GString *errors)
{
	g_auto(GStrv) paths = g_new0(char *, g_strv_length((char **)names) + 1);
	for (guint i = 0; names[i]; i++)
		paths[i] = g_strdup_printf("/containers/%s/stats", names[i]);
	g_auto(GStrv) query = cli_query("stream", "0", "one-shot", "1", NULL);
	g_autoptr(Batch) batch = cli_batch_new(cli, paths, query);
	for (guint i = 0; names[i]; i++) {
		g_autoptr(GError) local = NULL;
		json_t *sample = cli_batch_next(batch, &local);
		if (sample) {
			Watched *w = g_new0(Watched, 1);
			w->name = g_strdup(names[i]);
			w->id = g_strdup(listed ? names[i] : NULL);
			w->sample = sample;
			g_ptr_array_add(list, w);
		} else if (!listed || !g_error_matches(local, DH_ERROR, DH_ERROR_NOT_FOUND)) {
			g_string_append_printf(
				errors, "%s%s", errors->len ? "\n" : "", local->message);
		}
	}
	return !errors->len;
}

/* Runs, and the sample is the first. */
static gboolean lacks_rate(const Watched *w)
{
	const json_t *now = json_object_get(w->sample, "cpu_stats");
	const json_t *before = json_object_get(w->sample, "precpu_stats");
	return json_object_get(now, "system_cpu_usage") && number(before, "system_cpu_usage") == 0;
}

/* A rate is known from the second sample on. One that has ended meanwhile keeps its first. */
static void take_second(Cli *cli, GPtrArray *list)
{
	g_autoptr(GPtrArray) running = g_ptr_array_new();
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	for (guint i = 0; i < list->len; i++) {
		const Watched *w = list->pdata[i];
		if (!lacks_rate(w))
			continue;
		const char *id = list_string(w->sample, "id");
		g_autofree char *path = g_strdup_printf("/containers/%s/stats", *id ? id : w->name);
		g_strv_builder_add(builder, path);
		g_ptr_array_add(running, list->pdata[i]);
	}
	g_auto(GStrv) paths = g_strv_builder_end(builder);
	g_auto(GStrv) query = cli_query("stream", "0", "one-shot", "1", NULL);
	g_autoptr(Batch) batch = cli_batch_new(cli, paths, query);
	for (guint i = 0; i < running->len; i++) {
		Watched *w = running->pdata[i];
		json_t *sample = cli_batch_next(batch, NULL);
		json_t *now = json_object_get(sample, "cpu_stats");
		if (json_object_get(now, "system_cpu_usage")) {
			json_object_set(
				sample, "precpu_stats", json_object_get(w->sample, "cpu_stats"));
			json_decref(w->sample);
			w->sample = json_incref(sample);
		}
		json_decref(sample);
	}
}

static gboolean any_lacks_rate(const GPtrArray *list)
{
	for (guint i = 0; i < list->len; i++) {
		if (lacks_rate(list->pdata[i]))
			return TRUE;
	}
	return FALSE;
}

static int stats_once(Cli *cli, const StatsOptions *o, char *const *names, GError **error)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(free_watched);
	g_autoptr(GString) errors = g_string_new(NULL);
	g_auto(GStrv) ids = *names ? NULL : list_ids(cli, o, error);
	if (!*names && !ids)
		return 1;
	gint64 begun = g_get_monotonic_time();
	if (!take_first(cli, list, ids ? ids : names, ids != NULL, errors)) {
		dh_error(error, DH_ERROR_NOT_FOUND, "%s", errors->str);
		return 1;
	}
	if (any_lacks_rate(list)) {
		gint64 left = begun + G_USEC_PER_SEC - g_get_monotonic_time();
		if (left > 0)
			g_usleep((gulong)left);
		take_second(cli, list);
	}
	return print_table(list, o, FALSE, error) ? 0 : 1;
}

/* What the daemon says about containers that come and go. */
static void follow_event(Cli *cli, GPtrArray *list, const StatsOptions *o, const json_t *event)
{
	const char *action = list_string(event, "Action");
	const char *id = list_string(json_object_get(event, "Actor"), "ID");
	gboolean comes = strcmp(action, o->all ? "create" : "start") == 0;
	gboolean starts = strcmp(action, "start") == 0;
	gboolean goes = strcmp(action, o->all ? "destroy" : "die") == 0;
	for (guint i = 0; i < list->len; i++) {
		Watched *w = list->pdata[i];
		if (g_strcmp0(w->id, id) != 0)
			continue;
		if (goes || starts)
			g_ptr_array_remove_index(list, i--);
	}
	if (comes || starts)
		watch(cli, list, id, id, NULL);
}

typedef struct {
	Response *events;
	int timer;
	GPtrArray *list;
} Live;

/* Waits for any of the descriptors; entries: the timer, the events, then the streams. */
static gboolean live_poll(const Live *live, GArray *fds, GError **error)
{
	g_array_set_size(fds, 0);
	struct pollfd p = {.fd = live->timer, .events = POLLIN};
	g_array_append_val(fds, p);
	p.fd = live->events ? response_fd(live->events) : -1;
	g_array_append_val(fds, p);
	for (guint i = 0; i < live->list->len; i++) {
		const Watched *w = live->list->pdata[i];
		p.fd = w->stream ? response_fd(w->stream) : -1;
		g_array_append_val(fds, p);
	}
	if (poll((struct pollfd *)(void *)fds->data, fds->len, -1) < 0) {
		if (errno != EINTR)
			return dh_error_errno(error, errno, "poll");
		for (guint i = 0; i < fds->len; i++)
			g_array_index(fds, struct pollfd, i).revents = 0;
	}
	return TRUE;
}

/* Takes the samples that have arrived; the last one counts. */
static void poll_samples(Watched *w, gboolean readable)
{
	gboolean end = FALSE;
	json_t *sample;
	while ((sample = response_poll_json(w->stream, readable, &end))) {
		json_decref(w->sample);
		w->sample = sample;
		readable = FALSE;
	}
	if (end)
		g_clear_pointer(&w->stream, response_free);
}

/* FALSE at the end of the events: the daemon is gone. */
static gboolean poll_events(Cli *cli, Live *live, const StatsOptions *o)
{
	gboolean end = FALSE, readable = TRUE;
	json_t *event;
	while ((event = response_poll_json(live->events, readable, &end))) {
		follow_event(cli, live->list, o, event);
		json_decref(event);
		readable = FALSE;
	}
	return !end;
}

static int live_loop(Cli *cli, Live *live, const StatsOptions *o, gboolean named, GError **error)
{
	g_autoptr(GArray) fds = g_array_new(FALSE, TRUE, sizeof(struct pollfd));
	gboolean clear = isatty(STDOUT_FILENO) != 0;
	if (clear)
		fputs("\033[2J", stdout);
	for (;;) {
		if (!live_poll(live, fds, error))
			return 1;
		const struct pollfd *p = (const struct pollfd *)(void *)fds->data;
		gboolean any = FALSE;
		for (guint i = 0; i < live->list->len; i++) {
			Watched *w = live->list->pdata[i];
			if (w->stream && p[i + 2].revents)
				poll_samples(w, TRUE);
			any |= w->stream != NULL;
		}
		guint64 ticks;
		if (p[0].revents && read(live->timer, &ticks, sizeof ticks) > 0 &&
			!print_table(live->list, o, clear, error))
			return 1;
		if (named && !any) /* all that were asked for are gone */
			return print_table(live->list, o, clear, error) ? 0 : 1;
		if (p[1].revents && !poll_events(cli, live, o))
			return 0;
	}
}

static int stats_live(Cli *cli, const StatsOptions *o, char *const *names, GError **error)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(free_watched);
	g_autoptr(Response) events = NULL;
	dh_autofd int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	const struct timespec half = {.tv_nsec = REDRAW_MS * 1000000L};
	const struct itimerspec every = {.it_interval = half, .it_value = half};
	if (timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0) {
		dh_error_errno(error, errno, "timer");
		return 1;
	}
	for (char *const *n = names; *n; n++) {
		if (!watch(cli, list, *n, NULL, error))
			return 1;
	}
	if (!*names) {
		/* subscribed before the list is read: nothing that starts in between is missed */
		g_auto(GStrv) query = cli_query("filters", "{\"type\":{\"container\":true}}", NULL);
		Request req = {.method = "GET", .path = "/events", .query = query};
		events = cli_request(cli, &req, error);
		g_auto(GStrv) ids = events ? list_ids(cli, o, error) : NULL;
		if (!ids || !watch_listed(cli, list, ids, g_strv_length(ids), error))
			return 1;
	}
	Live live = {.events = events, .timer = timer, .list = list};
	return live_loop(cli, &live, o, *names != NULL, error);
}

static int stats_run(Cli *cli, void *options, char **args, GError **error)
{
	const StatsOptions *o = options;
	if (!format_check(&spec, o->format, error))
		return 1;
	return o->no_stream ? stats_once(cli, o, args, error) : stats_live(cli, o, args, error);
}

const Command cmd_stats = {
	.name = "stats",
	.usage = "[OPTIONS] [CONTAINER...]",
	.summary = "Display a live stream of container(s) resource usage statistics",
	.aliases = "docker container stats, docker stats",
	.min_args = 0,
	.max_args = -1,
	.options = stats_specs,
	.n_options = G_N_ELEMENTS(stats_specs),
	.options_size = sizeof(StatsOptions),
	.run = stats_run,
};
