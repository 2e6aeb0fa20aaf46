/* SPDX-License-Identifier: MIT */
/* spec.c - a container's configuration in the words of the OCI runtime specification. */
#include "container/internal.h"

#include "base/error.h"
#include "base/fs.h"
#include "container/caps.h"
#include "container/resources.h"
#include "container/runtimes.h"
#include "container/security.h"
#include "container/spec_mounts.h"
#include "runtime/seccomp.h"

#include <string.h>
#include <unistd.h>

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static gboolean is_set(const char *s)
{
	return s && *s;
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
	SecurityOptions security;
	gboolean ok = security_options(h, &security, error);
	p->no_new_privileges = security.no_new_privileges;
	p->apparmor_profile = g_strdup(security_apparmor(c));
	p->capabilities = ok ? capabilities(c, privileged, error) : NULL;
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

static gboolean is_built_in(const char *option)
{
	return !is_set(option) || strcmp(option, "builtin") == 0;
}

/* The client sends the profile's text itself. */
static OciSeccomp *parse_profile(const char *option, GError **error)
{
	OciSeccomp *profile = dh_json_parse_text(&oci_seccomp_table, option, strlen(option), error);
	if (!profile)
		g_prefix_error(error, "Decoding seccomp profile failed: ");
	return profile;
}

/* Other runtimes compile it themselves. */
static gboolean add_seccomp(Container *c, OciSpec *o, GError **error)
{
	SecurityOptions security;
	if (!security_options(c->host_config, &security, error))
		return FALSE;
	const char *option = security.seccomp;
	if (c->host_config->privileged || g_strcmp0(option, "unconfined") == 0)
		return TRUE;
	o->linux_->seccomp = is_built_in(option)
				     ? rt_seccomp_default(o->process->capabilities->bounding)
				     : parse_profile(option, error);
	return o->linux_->seccomp != NULL;
}

int container_seccomp_fd(Container *c, const OciProcess *p, gboolean privileged, GError **error)
{
	SecurityOptions security;
	if (!security_options(c->host_config, &security, error))
		return -1;
	const char *option = security.seccomp;
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

OciResources *container_resources(Container *c, GError **error)
{
	HostConfig *h = c->host_config;
	OciResources *r = resources_limits(h, error);
	if (!r)
		return NULL;
	r->devices = spec_device_rules(c, error);
	gboolean ok = r->devices != NULL;
	if (!ok) {
		dh_json_free(&oci_resources_table, r);
		r = NULL;
	}
	return r;
}

/* ---- the whole ---- */

static OciLinux *linux_part(Container *c, GError **error)
{
	HostConfig *h = c->host_config;
	OciLinux *l = dh_json_new(&oci_linux_table);
	l->cgroups_path = g_strdup(c->cgroup);
	l->resources = container_resources(c, error);
	gboolean ok = l->resources && spec_namespaces(c, l, error) && spec_devices(c, l, error);
	SecurityOptions security;
	ok = ok && security_options(h, &security, error);
	if (ok && !h->privileged && !security.systempaths_unconfined) {
		/* Containers of earlier versions have no list of their own. */
		l->masked_paths = g_strdupv(
			h->masked_paths ? h->masked_paths : (char **)security_masked_paths);
		l->readonly_paths = g_strdupv(
			h->readonly_paths ? h->readonly_paths : (char **)security_readonly_paths);
	}
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
