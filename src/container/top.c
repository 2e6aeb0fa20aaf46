/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * docker top runs ps(1) on the host and keeps the lines of the container's processes. Here the
 * column sets of ps are tables: the options choose a list of columns, each column is a title and a
 * function that prints it. Options that choose processes (-e, a, x, -A) mean nothing: the
 * container's processes are shown. Formats are those of procps.
 */
#include "base/error.h"
#include "base/timefmt.h"
#include "container/observe.h"
#include "container/proc.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS_MAX 64

typedef void (*Print)(GString *out, const Proc *p, const ProcHost *h);

typedef struct {
	const char *spec, *title;
	Print print;
} ColumnType;

typedef struct {
	const ColumnType *type;
	char *title;
	gsize width; /* of names, 0: the usual */
} Column;

/* ---- how a value is printed ---- */

static void put_user(GString *out, uid_t uid)
{
	struct passwd pw, *found = NULL;
	char buf[4096];
	if (getpwuid_r(uid, &pw, buf, sizeof buf, &found) == 0 && found)
		g_string_append(out, pw.pw_name);
	else
		g_string_append_printf(out, "%u", uid);
}

static void put_group(GString *out, gid_t gid)
{
	struct group gr, *found = NULL;
	char buf[4096];
	if (getgrgid_r(gid, &gr, buf, sizeof buf, &found) == 0 && found)
		g_string_append(out, gr.gr_name);
	else
		g_string_append_printf(out, "%u", gid);
}

static int64_t cpu_seconds(const Proc *p, const ProcHost *h)
{
	return (int64_t)(p->utime + p->stime) / h->ticks;
}

static int64_t started(const Proc *p, const ProcHost *h)
{
	return h->boot / DH_NSEC + (int64_t)p->start / h->ticks;
}

static int64_t elapsed(const Proc *p, const ProcHost *h)
{
	return MAX(h->now / DH_NSEC - started(p, h), 0);
}

/* Tenths of a percent of one CPU over its life. */
static int64_t cpu_permille(const Proc *p, const ProcHost *h)
{
	int64_t ticks = elapsed(p, h) * h->ticks;
	return ticks > 0 ? (int64_t)(p->utime + p->stime) * 1000 / ticks : 0;
}

static void p_euser(GString *o, const Proc *p, const ProcHost *h)
{
	put_user(o, p->euid);
}
static void p_ruser(GString *o, const Proc *p, const ProcHost *h)
{
	put_user(o, p->ruid);
}
static void p_egroup(GString *o, const Proc *p, const ProcHost *h)
{
	put_group(o, p->egid);
}
static void p_rgroup(GString *o, const Proc *p, const ProcHost *h)
{
	put_group(o, p->rgid);
}

#define NUMBER(name, expr)                                                                         \
	static void name(GString *o, const Proc *p, const ProcHost *h)                             \
	{                                                                                          \
		g_string_append_printf(o, "%" G_GINT64_FORMAT, (int64_t)(expr));                   \
	}
NUMBER(p_euid, p->euid)
NUMBER(p_ruid, p->ruid)
NUMBER(p_egid, p->egid)
NUMBER(p_rgid, p->rgid)
NUMBER(p_pid, p->pid)
NUMBER(p_ppid, p->ppid)
NUMBER(p_pgid, p->pgrp)
NUMBER(p_sid, p->session)
NUMBER(p_tpgid, p->tpgid)
NUMBER(p_c, MIN(cpu_permille(p, h) / 10, 99))
NUMBER(p_vsz, p->vsize / 1024)
NUMBER(p_rss, p->rss * h->page_kb)
NUMBER(p_sz, (int64_t)(p->vsize / 1024) / h->page_kb)
NUMBER(p_ni, p->nice)
NUMBER(p_pri, 39 - p->priority)
NUMBER(p_pri_l, 60 + p->priority)
NUMBER(p_psr, p->processor)
NUMBER(p_nlwp, p->threads)
NUMBER(p_etimes, elapsed(p, h))
NUMBER(p_minflt, p->min_flt)
NUMBER(p_majflt, p->maj_flt)

static void p_flags(GString *o, const Proc *p, const ProcHost *h)
{
	/* forked but not executed, used super-user privileges */
	g_string_append_printf(o, "%" G_GINT64_MODIFIER "o", (p->flags >> 6) & 7);
}

static void p_pcpu(GString *o, const Proc *p, const ProcHost *h)
{
	int64_t v = cpu_permille(p, h);
	g_string_append_printf(o, "%d.%d", (int)(v / 10), (int)(v % 10));
}

static void p_pmem(GString *o, const Proc *p, const ProcHost *h)
{
	int64_t v = p->rss * h->page_kb * 1000 / (int64_t)MAX(h->memory_kb, 1);
	v = MIN(v, 999);
	g_string_append_printf(o, "%d.%d", (int)(v / 10), (int)(v % 10));
}

static void p_state(GString *o, const Proc *p, const ProcHost *h)
{
	g_string_append_c(o, p->state);
}

static void p_stat(GString *o, const Proc *p, const ProcHost *h)
{
	g_string_append_c(o, p->state);
	if (p->nice < 0)
		g_string_append_c(o, '<');
	else if (p->nice > 0)
		g_string_append_c(o, 'N');
	if (p->locked_kb)
		g_string_append_c(o, 'L');
	if (p->session == p->pid)
		g_string_append_c(o, 's');
	if (p->threads > 1)
		g_string_append_c(o, 'l');
	if (p->tpgid == p->pgrp)
		g_string_append_c(o, '+');
}

static void p_tty(GString *o, const Proc *p, const ProcHost *h)
{
	unsigned major = (unsigned)(p->tty >> 8) & 0xfff;
	unsigned minor = (unsigned)(p->tty & 0xff) | ((unsigned)(p->tty >> 12) & 0xfff00);
	if (major >= 136 && major <= 143)
		g_string_append_printf(o, "pts/%u", (major - 136) * 256 + minor);
	else if (major == 4 && minor < 64)
		g_string_append_printf(o, "tty%u", minor);
	else if (major == 4)
		g_string_append_printf(o, "ttyS%u", minor - 64);
	else if (major == 5 && minor == 1)
		g_string_append(o, "console");
	else
		g_string_append_c(o, '?');
}

static void put_dhms(GString *o, int64_t t, gboolean short_form)
{
	int days = (int)(t / 86400), hours = (int)(t / 3600 % 24);
	if (days > 0)
		g_string_append_printf(o, "%d-", days);
	if (days > 0 || hours > 0 || !short_form)
		g_string_append_printf(o, "%02d:", hours);
	g_string_append_printf(o, "%02d:%02d", (int)(t / 60 % 60), (int)(t % 60));
}

static void p_time(GString *o, const Proc *p, const ProcHost *h)
{
	put_dhms(o, cpu_seconds(p, h), FALSE);
}

static void p_bsdtime(GString *o, const Proc *p, const ProcHost *h)
{
	int64_t t = cpu_seconds(p, h);
	g_string_append_printf(o, "%d:%02d", (int)(t / 60), (int)(t % 60));
}

static void p_etime(GString *o, const Proc *p, const ProcHost *h)
{
	put_dhms(o, elapsed(p, h), TRUE);
}

static void put_time(GString *o, int64_t t, const char *format)
{
	struct tm tm;
	time_t sec = (time_t)t;
	char buf[64];
	localtime_r(&sec, &tm);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (strftime(buf, sizeof buf, format, &tm) > 0)
		g_string_append(o, buf);
#pragma GCC diagnostic pop
}

static void p_stime(GString *o, const Proc *p, const ProcHost *h)
{
	struct tm now, then;
	time_t n = (time_t)(h->now / DH_NSEC), t = (time_t)started(p, h);
	localtime_r(&n, &now);
	localtime_r(&t, &then);
	put_time(o, t,
		now.tm_year != then.tm_year   ? "%Y"
		: now.tm_yday != then.tm_yday ? "%b%d"
					      : "%H:%M");
}

static void p_start(GString *o, const Proc *p, const ProcHost *h)
{
	put_time(o, started(p, h), elapsed(p, h) > 86400 ? "  %b %d" : "%H:%M:%S");
}

static void p_lstart(GString *o, const Proc *p, const ProcHost *h)
{
	put_time(o, started(p, h), "%a %b %e %H:%M:%S %Y");
}

static void p_comm(GString *o, const Proc *p, const ProcHost *h)
{
	g_string_append(o, p->comm);
	if (p->state == 'Z')
		g_string_append(o, " <defunct>");
}

static void p_args(GString *o, const Proc *p, const ProcHost *h)
{
	g_string_append(o, p->args);
}

static void p_cls(GString *o, const Proc *p, const ProcHost *h)
{
	static const char *const names[] = {"TS", "FF", "RR", "B", "ISO", "IDL", "DLN"};
	g_string_append(o, p->policy >= 0 && p->policy < (int64_t)G_N_ELEMENTS(names)
				   ? names[p->policy]
				   : "?");
}

static void p_dash(GString *o, const Proc *p, const ProcHost *h)
{
	g_string_append_c(o, '-');
}

static void p_rtprio(GString *o, const Proc *p, const ProcHost *h)
{
	if (p->policy == 1 || p->policy == 2)
		g_string_append_printf(o, "%" G_GINT64_FORMAT, p->rt_priority);
	else
		g_string_append_c(o, '-');
}

/* ---- columns ---- */

static const ColumnType types[] = {
	{"%cpu", "%CPU", p_pcpu},
	{"%mem", "%MEM", p_pmem},
	{"addr", "ADDR", p_dash},
	{"args", "COMMAND", p_args},
	{"bsdstart", "START", p_stime},
	{"bsdtime", "TIME", p_bsdtime},
	{"c", "C", p_c},
	{"class", "CLS", p_cls},
	{"cls", "CLS", p_cls},
	{"cmd", "CMD", p_args},
	{"comm", "COMMAND", p_comm},
	{"command", "COMMAND", p_args},
	{"cputime", "TIME", p_time},
	{"egid", "EGID", p_egid},
	{"egroup", "EGROUP", p_egroup},
	{"etime", "ELAPSED", p_etime},
	{"etimes", "ELAPSED", p_etimes},
	{"euid", "EUID", p_euid},
	{"euser", "EUSER", p_euser},
	{"f", "F", p_flags},
	{"flags", "F", p_flags},
	{"gid", "GID", p_egid},
	{"group", "GROUP", p_egroup},
	{"lstart", "STARTED", p_lstart},
	{"maj_flt", "MAJFL", p_majflt},
	{"min_flt", "MINFL", p_minflt},
	{"ni", "NI", p_ni},
	{"nice", "NI", p_ni},
	{"nlwp", "NLWP", p_nlwp},
	{"opri", "PRI", p_pri_l},
	{"pcpu", "%CPU", p_pcpu},
	{"pgid", "PGID", p_pgid},
	{"pgrp", "PGRP", p_pgid},
	{"pid", "PID", p_pid},
	{"pmem", "%MEM", p_pmem},
	{"ppid", "PPID", p_ppid},
	{"pri", "PRI", p_pri},
	{"psr", "PSR", p_psr},
	{"rgid", "RGID", p_rgid},
	{"rgroup", "RGROUP", p_rgroup},
	{"rss", "RSS", p_rss},
	{"rssize", "RSS", p_rss},
	{"rsz", "RSZ", p_rss},
	{"rtprio", "RTPRIO", p_rtprio},
	{"ruid", "RUID", p_ruid},
	{"ruser", "RUSER", p_ruser},
	{"s", "S", p_state},
	{"sess", "SESS", p_sid},
	{"sid", "SID", p_sid},
	{"start", "STARTED", p_start},
	{"start_time", "START", p_stime},
	{"stat", "STAT", p_stat},
	{"state", "S", p_state},
	{"stime", "STIME", p_stime},
	{"sz", "SZ", p_sz},
	{"thcount", "THCNT", p_nlwp},
	{"time", "TIME", p_time},
	{"tname", "TTY", p_tty},
	{"tpgid", "TPGID", p_tpgid},
	{"tt", "TT", p_tty},
	{"tty", "TT", p_tty},
	{"ucmd", "CMD", p_comm},
	{"ucomm", "COMMAND", p_comm},
	{"uid", "UID", p_euid},
	{"uid_name", "UID", p_euser}, /* ours: the first column of -f */
	{"uname", "USER", p_euser},
	{"user", "USER", p_euser},
	{"vsize", "VSZ", p_vsz},
	{"vsz", "VSZ", p_vsz},
	{"wchan", "WCHAN", p_dash},
};

/* The column sets that options stand for. */
static const char set_plain[] = "pid,tname,time,ucmd";
static const char set_f[] = "uid_name,pid,ppid,c,stime,tname,time,cmd";
static const char set_extra_f[] = "uid_name,pid,ppid,c,sz,rss,psr,stime,tname,time,cmd";
static const char set_l[] = "f,s,uid,pid,ppid,c,opri,ni,addr,sz,wchan,tname,time,ucmd";
static const char set_j[] = "pid,pgid,sid,tname,time,ucmd";
static const char set_bsd[] = "pid,tname,stat,bsdtime,args";
static const char set_bsd_u[] = "user,pid,%cpu,%mem,vsz,rss,tname,stat,start_time,bsdtime,args";
static const char set_bsd_l[] = "f,uid,pid,ppid,pri,ni,vsz,rss,wchan,stat,tname,bsdtime,args";
static const char set_bsd_j[] = "ppid,pid,pgid,sid,tname,tpgid,stat,uid,bsdtime,args";

static void clear_column(gpointer c)
{
	g_free(((Column *)c)->title);
}

/* "pid", "user:20", "pid=TITLE" (a title takes the rest of the list, as in ps). */
static gboolean add_columns(GArray *columns, const char *list, GError **error)
{
	while (*list) {
		size_t n = strcspn(list, ", ");
		const char *eq = memchr(list, '=', n);
		g_autofree char *word = g_strndup(list, eq ? (gsize)(eq - list) : n);
		Column c = {0};
		char *colon = strchr(word, ':');
		if (colon) {
			*colon = '\0';
			c.width = strtoul(colon + 1, NULL, 10);
		}
		for (guint i = 0; i < G_N_ELEMENTS(types) && !c.type; i++) {
			if (strcmp(types[i].spec, word) == 0)
				c.type = &types[i];
		}
		if (!c.type || columns->len >= COLUMNS_MAX)
			return dh_error(error, DH_ERROR_INVALID,
				"ps: error: unknown user-defined format specifier \"%s\"", word);
		c.title = g_strdup(eq ? eq + 1 : c.type->title);
		g_array_append_val(columns, c);
		if (eq)
			return TRUE;
		list += n;
		list += strspn(list, ", ");
	}
	return TRUE;
}

typedef struct {
	GArray *columns;
	const char *set;
	char **next; /* tokens to come */
} Options;

/* The argument of an option: the rest of its word or the next word. */
static gboolean user_format(Options *o, const char *rest, GError **error)
{
	const char *list = *rest ? rest : *o->next;
	if (!list)
		return dh_error(
			error, DH_ERROR_INVALID, "ps: error: format specification must follow -o");
	if (!*rest)
		o->next++;
	return add_columns(o->columns, list, error);
}

static gboolean dash_options(Options *o, const char *word, GError **error)
{
	static const struct {
		char letter;
		const char *set;
	} sets[] = {
		{'f', set_f},
		{'F', set_extra_f},
		{'l', set_l},
		{'j', set_j},
	};
	for (const char *p = word; *p; p++) {
		if (*p == 'o' || *p == 'O')
			return user_format(o, p + 1, error);
		gboolean known = strchr("eAadwHyNcx", *p) != NULL;
		for (guint i = 0; i < G_N_ELEMENTS(sets); i++) {
			if (sets[i].letter == *p) {
				o->set = sets[i].set;
				known = TRUE;
			}
		}
		if (!known)
			return dh_error(
				error, DH_ERROR_INVALID, "ps: error: unsupported SysV option");
	}
	return TRUE;
}

static gboolean bsd_options(Options *o, const char *word, GError **error)
{
	if (!o->set || o->set == set_plain)
		o->set = set_bsd;
	for (const char *p = word; *p; p++) {
		switch (*p) {
		case 'o':
			return user_format(o, p + 1, error);
		case 'u':
			o->set = set_bsd_u;
			break;
		case 'l':
			o->set = set_bsd_l;
			break;
		case 'j':
			o->set = set_bsd_j;
			break;
		default:
			if (!strchr("axwfcgr", *p))
				return dh_error(error, DH_ERROR_INVALID,
					"ps: error: unsupported option (BSD syntax)");
		}
	}
	return TRUE;
}

/* "--format=X", "--format X", "--forest", "--cols N" and friends. */
static gboolean long_option(Options *o, const char *word, GError **error)
{
	if (g_str_has_prefix(word, "format="))
		return add_columns(o->columns, word + strlen("format="), error);
	if (strcmp(word, "format") == 0)
		return user_format(o, "", error);
	if (strcmp(word, "forest") == 0)
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID, "ps: error: unknown gnu long option");
}

static GArray *parse_options(const char *args, GError **error)
{
	g_autoptr(GArray) columns = g_array_new(FALSE, FALSE, sizeof(Column));
	g_array_set_clear_func(columns, clear_column);
	g_auto(GStrv) words = g_strsplit_set(args, " \t", -1);
	guint n = 0;
	for (char **w = words; *w; w++) {
		if (**w)
			words[n++] = *w;
		else
			g_free(*w);
	}
	words[n] = NULL;
	Options o = {columns, n == 0 ? set_f : set_plain, words};
	while (*o.next) {
		const char *w = *o.next++;
		/* "-aux" has meant "aux" for as long as no user is called x. */
		gboolean ok = strcmp(w, "-aux") == 0      ? bsd_options(&o, w + 1, error)
			      : g_str_has_prefix(w, "--") ? long_option(&o, w + 2, error)
			      : *w == '-'                 ? dash_options(&o, w + 1, error)
							  : bsd_options(&o, w, error);
		if (!ok)
			return NULL;
	}
	if (columns->len == 0 && !add_columns(columns, o.set, error))
		return NULL;
	for (guint i = 0; i < columns->len; i++) {
		if (strcmp(g_array_index(columns, Column, i).title, "PID") == 0)
			return g_steal_pointer(&columns);
	}
	dh_error(error, DH_ERROR_INVALID, "Couldn't find PID field in ps output");
	return NULL;
}

/* ps cuts names at 8 characters, marking them with '+'. */
static void cut_name(GString *value, const Column *c)
{
	gsize width = c->width ? c->width : 8;
	Print p = c->type->print;
	if ((p == p_euser || p == p_ruser || p == p_egroup || p == p_rgroup) &&
		value->len > width) {
		g_string_truncate(value, width - 1);
		g_string_append_c(value, '+');
	}
}

static json_t *row(const Proc *p, const ProcHost *h, GArray *columns)
{
	json_t *out = json_array();
	g_autoptr(GString) value = g_string_new(NULL);
	for (guint i = 0; i < columns->len; i++) {
		const Column *c = &g_array_index(columns, Column, i);
		g_string_truncate(value, 0);
		c->type->print(value, p, h);
		cut_name(value, c);
		json_array_append_new(out, json_string(value->str));
	}
	return out;
}

static int by_number(const void *a, const void *b)
{
	return *(const pid_t *)a - *(const pid_t *)b;
}

json_t *container_top(Container *c, const char *ps_args, GError **error)
{
	g_autoptr(ContainerSnapshot) s = container_snapshot(c);
	if (!container_op_allowed(OP_TOP, s->state.status, c->id, s->name, error))
		return NULL;
	g_autoptr(GArray) columns = parse_options(ps_args ? ps_args : "", error);
	if (!columns)
		return NULL;
	g_autoptr(GArray) pids = rt_cgroup_pids(c->cgroup, error);
	if (!pids)
		return NULL;
	g_array_sort(pids, by_number);
	json_t *titles = json_array(), *processes = json_array();
	for (guint i = 0; i < columns->len; i++)
		json_array_append_new(titles, json_string(g_array_index(columns, Column, i).title));
	ProcHost host;
	proc_host_read(&host);
	for (guint i = 0; i < pids->len; i++) {
		Proc p;
		if (!proc_read(g_array_index(pids, pid_t, i), &p))
			continue;
		json_array_append_new(processes, row(&p, &host, columns));
		proc_clear(&p);
	}
	json_t *out = json_object();
	json_object_set_new(out, "Titles", titles);
	json_object_set_new(out, "Processes", processes);
	return out;
}
