/* SPDX-License-Identifier: MIT */
/* spec.c - a container's configuration in the words of the OCI runtime specification. */
#include "container/internal.h"

#include "base/error.h"
#include "base/fs.h"
#include "container/caps.h"
#include "container/resources.h"
#include "container/runtimes.h"
#include "container/spec_mounts.h"
#include "runtime/seccomp.h"

#include <string.h>
#include <unistd.h>

static const char *const masked_paths[] = {"/proc/asound", "/proc/acpi", "/proc/interrupts",
	"/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
	"/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap", NULL};
static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL};

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static char **strv_dup(const char *const *v)
{
	return g_strdupv((char **)v);
}

static gboolean is_set(const char *s)
{
	return s && *s;
}

static gboolean has_option(const HostConfig *h, const char *option)
{
	return h->security_opt && g_strv_contains((const char *const *)h->security_opt, option);
}

/* ---- process ---- */

static gboolean same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");
	return strncmp(a, b, n) == 0 && (b[n] == '=' || b[n] == '\0');
}

/* Later variables replace earlier ones of the same name, in place. */
static void env_add(GPtrArray *env, char *const *more)
{
	for (; more && *more; more++) {
		guint i;
		for (i = 0; i < env->len && !same_name(env->pdata[i], *more); i++)
			;
		if (i < env->len) {
			g_free(env->pdata[i]);
			env->pdata[i] = g_strdup(*more);
		} else {
			g_ptr_array_add(env, g_strdup(*more));
		}
	}
}

static char **env_end(GPtrArray *env)
{
	/* "NAME" without a value takes the variable away. */
	for (guint i = env->len; i > 0; i--) {
		if (!strchr(env->pdata[i - 1], '='))
			g_ptr_array_remove_index(env, i - 1);
	}
	g_ptr_array_set_free_func(env, NULL);
	g_ptr_array_add(env, NULL);
	return (char **)g_ptr_array_free(env, FALSE);
}

static char **process_env(Container *c, gboolean tty, char *const *links, char *const *more)
{
	g_autofree char *hostname =
		g_strdup_printf("HOSTNAME=%s", c->config->hostname ? c->config->hostname : "");
	char *first[] = {(char *)DEFAULT_PATH, hostname, tty ? (char *)"TERM=xterm" : NULL, NULL};
	GPtrArray *env = g_ptr_array_new_with_free_func(g_free);
	env_add(env, first);
	env_add(env, links);
	env_add(env, c->config->env);
	env_add(env, more);
	return env_end(env);
}

static OciCapabilities *capabilities(Container *c, gboolean privileged, GError **error)
{
	HostConfig *h = c->host_config;
	g_auto(GStrv) caps = caps_resolve(h->cap_add, h->cap_drop, privileged, error);
	if (!caps)
		return NULL;
	OciCapabilities *o = dh_json_new(&oci_capabilities_table);
	o->bounding = g_strdupv(caps);
	o->effective = g_strdupv(caps);
	o->permitted = g_strdupv(caps);
	return o;
}

static GPtrArray *rlimits(const HostConfig *h, GError **error)
{
	static const char *const known[] = {"core", "cpu", "data", "fsize", "locks", "memlock",
		"msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending",
		"stack", NULL};
	GPtrArray *list = dh_json_list_new();
	for (guint i = 0; h->ulimits && i < h->ulimits->len; i++) {
		const Ulimit *u = h->ulimits->pdata[i];
		if (!u->name || !g_strv_contains(known, u->name)) {
			dh_error(error, DH_ERROR_INVALID, "invalid ulimit type: %s",
				u->name ? u->name : "");
			g_ptr_array_unref(list);
			return NULL;
		}
		OciRlimit *r = dh_json_new(&oci_rlimit_table);
		g_autofree char *upper = g_ascii_strup(u->name, -1);
		r->type = g_strdup_printf("RLIMIT_%s", upper);
		r->soft = u->soft;
		r->hard = u->hard;
		g_ptr_array_add(list, r);
	}
	return list;
}

static OciProcess *new_process(Container *c, const char *user, const char *cwd, char *const *groups,
	gboolean tty, gboolean privileged, GError **error)
{
	HostConfig *h = c->host_config;
	OciProcess *p = dh_json_new(&oci_process_table);
	p->terminal = tty;
	p->cwd = g_strdup(is_set(cwd) ? cwd : "/");
	p->user.dhow_user = g_strdup(is_set(user) ? user : "0");
	p->user.dhow_groups = g_strdupv((char **)groups);
	p->dhow_set_home = TRUE;
	p->oom_score_adj = h->oom_score_adj;
	p->no_new_privileges = has_option(h, "no-new-privileges") ||
			       has_option(h, "no-new-privileges=true") ||
			       has_option(h, "no-new-privileges:true");
	p->capabilities = capabilities(c, privileged, error);
	p->rlimits = p->capabilities ? rlimits(h, error) : NULL;
	if (!p->capabilities || !p->rlimits) {
		dh_json_free(&oci_process_table, p);
		return NULL;
	}
	return p;
}

static OciProcess *main_process(Container *c, char *const *link_env, GError **error)
{
	ContainerConfig *config = c->config;
	OciProcess *p = new_process(c, config->user, config->working_dir, c->host_config->group_add,
		config->tty, c->host_config->privileged, error);
	if (!p)
		return NULL;
	g_autoptr(GStrvBuilder) args = g_strv_builder_new();
	for (char **a = config->entrypoint; a && *a; a++)
		g_strv_builder_add(args, *a);
	for (char **a = config->cmd; a && *a; a++)
		g_strv_builder_add(args, *a);
	p->args = g_strv_builder_end(args);
	p->env = process_env(c, config->tty, link_env, NULL);
	json_t *size = c->host_config->console_size;
	if (config->tty && json_is_array(size) && json_array_size(size) == 2 &&
		json_integer_value(json_array_get(size, 0)) > 0) {
		p->console_size = dh_json_new(&oci_box_table);
		p->console_size->height = json_integer_value(json_array_get(size, 0));
		p->console_size->width = json_integer_value(json_array_get(size, 1));
	}
	return p;
}

OciProcess *container_exec_process(Container *c, const ExecConfig *x, GError **error)
{
	OciProcess *p = new_process(c, is_set(x->user) ? x->user : c->config->user,
		is_set(x->working_dir) ? x->working_dir : c->config->working_dir,
		c->host_config->group_add, x->tty, x->privileged || c->host_config->privileged,
		error);
	if (!p)
		return NULL;
	p->args = g_strdupv(x->cmd);
	g_auto(GStrv) links = NULL;
	g_autoptr(GPtrArray) hosts = NULL;
	g_autoptr(GPtrArray) linked = container_links(c);
	if (linked->len > 0)
		(void)container_link_data(c, FALSE, &links, &hosts, NULL);
	p->env = process_env(c, x->tty, links, x->env);
	return p;
}

/* ---- seccomp ---- */

/* The value of --security-opt seccomp=..., or NULL. The client sends a profile's text itself. */
static const char *seccomp_option(const HostConfig *h)
{
	for (char **o = h->security_opt; o && *o; o++) {
		if (g_str_has_prefix(*o, "seccomp=") || g_str_has_prefix(*o, "seccomp:"))
			return *o + strlen("seccomp=");
	}
	return NULL;
}

static gboolean is_built_in(const char *option)
{
	return !option || strcmp(option, "builtin") == 0;
}

static OciSeccomp *parse_profile(const char *option, GError **error)
{
	OciSeccomp *profile = dh_json_parse_text(&oci_seccomp_table, option, strlen(option), error);
	if (!profile)
		g_prefix_error(error, "seccomp profile: ");
	return profile;
}

/* Other runtimes compile it themselves. */
static gboolean add_seccomp(Container *c, OciSpec *o, GError **error)
{
	const char *option = seccomp_option(c->host_config);
	if (c->host_config->privileged || g_strcmp0(option, "unconfined") == 0)
		return TRUE;
	o->linux_->seccomp = is_built_in(option)
				     ? rt_seccomp_default(o->process->capabilities->bounding)
				     : parse_profile(option, error);
	return o->linux_->seccomp != NULL;
}

int container_seccomp_fd(Container *c, const OciProcess *p, gboolean privileged, GError **error)
{
	const char *option = seccomp_option(c->host_config);
	if (privileged || g_strcmp0(option, "unconfined") == 0 ||
		!runtime_is_own(c->host_config->runtime))
		return -1;
	if (is_built_in(option))
		return rt_seccomp_default_cached(p->capabilities->bounding, error);
	OciSeccomp *profile = parse_profile(option, error);
	if (!profile)
		return -1;
	int fd = rt_seccomp_cached(profile, error);
	dh_json_free(&oci_seccomp_table, profile);
	return fd;
}

/* ---- resources ---- */

static void allow(
	GPtrArray *rules, const char *type, int64_t major, int64_t minor, const char *access)
{
	OciDeviceRule *r = dh_json_new(&oci_device_rule_table);
	r->allow = TRUE;
	r->type = g_strdup(type);
	r->major = major;
	r->minor = minor;
	r->access = g_strdup(access);
	g_ptr_array_add(rules, r);
}

static void device_rules(const HostConfig *h, GPtrArray *rules)
{
	static const struct {
		const char *type;
		int64_t major, minor;
		const char *access;
	} defaults[] = {
		{"c", -1, -1, "m"},
		{"b", -1, -1, "m"},
		{"c", 1, 3, "rwm"},
		{"c", 1, 5, "rwm"},
		{"c", 1, 7, "rwm"},
		{"c", 1, 8, "rwm"},
		{"c", 1, 9, "rwm"},
		{"c", 5, 0, "rwm"},
		{"c", 5, 1, "rwm"},
		{"c", 5, 2, "rwm"},
		{"c", 136, -1, "rwm"},
	};
	if (h->privileged) {
		allow(rules, "a", -1, -1, "rwm");
		return;
	}
	OciDeviceRule *deny = dh_json_new(&oci_device_rule_table);
	deny->type = g_strdup("a");
	deny->major = deny->minor = -1;
	deny->access = g_strdup("rwm");
	g_ptr_array_add(rules, deny);
	for (guint i = 0; i < G_N_ELEMENTS(defaults); i++)
		allow(rules, defaults[i].type, defaults[i].major, defaults[i].minor,
			defaults[i].access);
}

static gboolean parse_cgroup_rule(const char *text, GPtrArray *rules, GError **error)
{
	char type, access[4], major[12], minor[12];
	if (sscanf(text, "%c %11[0-9*]:%11[0-9*] %3[rwm]", &type, major, minor, access) != 4 ||
		!strchr("abc", type))
		return dh_error(error, DH_ERROR_INVALID, "invalid device cgroup rule: '%s'", text);
	char type_text[2] = {type, '\0'};
	allow(rules, type_text, *major == '*' ? -1 : g_ascii_strtoll(major, NULL, 10),
		*minor == '*' ? -1 : g_ascii_strtoll(minor, NULL, 10), access);
	return TRUE;
}

OciResources *container_resources(Container *c, GError **error)
{
	HostConfig *h = c->host_config;
	OciResources *r = resources_limits(h, error);
	if (!r)
		return NULL;
	r->devices = dh_json_list_new();
	device_rules(h, r->devices);
	gboolean ok = TRUE;
	for (char **rule = h->device_cgroup_rules; ok && rule && *rule; rule++)
		ok = parse_cgroup_rule(*rule, r->devices, error);
	if (!ok) {
		dh_json_free(&oci_resources_table, r);
		r = NULL;
	}
	return r;
}

/* ---- namespaces ---- */

static void namespace_add(OciLinux *l, const char *type, char *path)
{
	OciNamespace *n = dh_json_new(&oci_namespace_table);
	n->type = g_strdup(type);
	n->path = path;
	g_ptr_array_add(l->namespaces, n);
}

/* Own, the host's (absent) or another container's. */
static gboolean namespace_mode(
	Container *c, OciLinux *l, const char *mode, const char *type, GError **error)
{
	if (g_strcmp0(mode, "host") == 0)
		return TRUE;
	if (!mode || !g_str_has_prefix(mode, "container:")) {
		namespace_add(l, type, NULL);
		return TRUE;
	}
	g_autoptr(Container) target = container_find(c->engine, mode + strlen("container:"), error);
	if (!target)
		return FALSE;
	g_autoptr(ContainerSnapshot) s = container_snapshot(target);
	if (!s->state.running)
		return dh_error(error, DH_ERROR_CONFLICT,
			"cannot join %s namespace of a non running container: container %s is %s",
			type, target->id, container_status_name(s->state.status));
	if (strcmp(type, "ipc") == 0 && g_strcmp0(target->host_config->ipc_mode, "private") == 0)
		return dh_error(error, DH_ERROR_INVALID,
			"can't join IPC of container %s: non-shareable IPC (hint: use "
			"IpcMode:shareable for the donor container)",
			target->id);
	namespace_add(
		l, type, g_strdup_printf("/proc/%" G_GINT64_FORMAT "/ns/%s", s->state.pid, type));
	return TRUE;
}

static gboolean namespaces(Container *c, OciLinux *l, GError **error)
{
	HostConfig *h = c->host_config;
	g_autoptr(Identity) identity = container_identity(c);
	l->namespaces = dh_json_list_new();
	if (identity) {
		namespace_add(l, "user", NULL);
		l->uid_mappings = g_ptr_array_ref(identity->uids);
		l->gid_mappings = g_ptr_array_ref(identity->gids);
	}
	namespace_add(l, "mount", NULL);
	if (g_strcmp0(h->uts_mode, "host") != 0)
		namespace_add(l, "uts", NULL);
	if (g_strcmp0(h->cgroupns_mode, "private") == 0)
		namespace_add(l, "cgroup", NULL);
	return namespace_mode(c, l, h->pid_mode, "pid", error) &&
	       namespace_mode(c, l, h->ipc_mode, "ipc", error);
}

/* ---- the whole ---- */

static OciLinux *linux_part(Container *c, GError **error)
{
	HostConfig *h = c->host_config;
	OciLinux *l = dh_json_new(&oci_linux_table);
	l->cgroups_path = g_strdup(c->cgroup);
	l->resources = container_resources(c, error);
	gboolean ok = l->resources && namespaces(c, l, error) && spec_devices(c, l, error);
	gboolean open = h->privileged || has_option(h, "systempaths=unconfined");
	l->masked_paths = open              ? NULL
			  : h->masked_paths ? g_strdupv(h->masked_paths)
					    : strv_dup(masked_paths);
	l->readonly_paths = open                ? NULL
			    : h->readonly_paths ? g_strdupv(h->readonly_paths)
						: strv_dup(readonly_paths);
	if (h->sysctls && g_hash_table_size(h->sysctls) > 0)
		l->sysctl = g_hash_table_ref(h->sysctls);
	if (!ok) {
		dh_json_free(&oci_linux_table, l);
		l = NULL;
	}
	return l;
}

gboolean container_spec(Container *c, char *const *env, ContainerSpec *ret, GError **error)
{
	OciSpec *o = dh_json_new(&oci_spec_table);
	ret->oci = o;
	ret->seccomp_fd = -1;
	o->oci_version = g_strdup("1.2.0");
	o->root = dh_json_new(&oci_root_table);
	o->root->path = g_strdup("rootfs");
	o->root->readonly = c->host_config->readonly_rootfs;
	if (g_strcmp0(c->host_config->uts_mode, "host") != 0) {
		o->hostname = g_strdup(c->config->hostname);
		if (is_set(c->config->domainname))
			o->domainname = g_strdup(c->config->domainname);
	}
	o->process = main_process(c, env, error);
	o->mounts = o->process ? spec_mounts(c, error) : NULL;
	o->linux_ = o->mounts ? linux_part(c, error) : NULL;
	g_autoptr(GError) bad = NULL;
	if (o->linux_ && !runtime_is_own(c->host_config->runtime))
		(void)add_seccomp(c, o, &bad);
	else if (o->linux_)
		ret->seccomp_fd =
			container_seccomp_fd(c, o->process, c->host_config->privileged, &bad);
	if (!o->linux_ || bad) {
		if (bad)
			g_propagate_error(error, g_steal_pointer(&bad));
		container_spec_clear(ret);
		return FALSE;
	}
	return TRUE;
}

void container_spec_clear(ContainerSpec *s)
{
	dh_json_free(&oci_spec_table, s->oci);
	s->oci = NULL;
	if (s->seccomp_fd >= 0)
		close(s->seccomp_fd);
	s->seccomp_fd = -1;
}
