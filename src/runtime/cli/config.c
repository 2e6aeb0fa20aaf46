/* SPDX-License-Identifier: MIT */
#include "runtime/cli/config.h"

#include "base/error.h"
#include "base/fs.h"
#include "runtime/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Negates in place: the digits of n (> INT64_MAX) become those of the negative number with the same
 * bits, which are never more. */
static void fold(GString *out, const char *digits, size_t len)
{
	g_autofree char *number = g_strndup(digits, len);
	char *end;
	errno = 0;
	guint64 n = g_ascii_strtoull(number, &end, 10);
	if (errno == 0 && n > G_MAXINT64 && !*end)
		g_string_append_printf(out, "%" G_GINT64_FORMAT, (gint64)n);
	else
		g_string_append(out, number);
}

json_t *config_parse(const char *text, size_t n, GError **error)
{
	g_autoptr(GString) out = g_string_sized_new(n + 1);
	gboolean in_string = FALSE;
	for (size_t i = 0; i < n;) {
		size_t len = 1;
		char before = i ? text[i - 1] : ' ';
		if (in_string) {
			len = text[i] == '\\' && i + 1 < n ? 2 : 1;
			in_string = text[i] != '"';
		} else if (text[i] == '"') {
			in_string = TRUE;
		} else if (g_ascii_isdigit(text[i]) && before != '-' && before != '.') {
			len = strspn(text + i, "0123456789");
			if (len >= 19 && !strchr(".eE", text[i + len])) {
				fold(out, text + i, len);
				i += len;
				continue;
			}
		}
		g_string_append_len(out, text + i, (gssize)len);
		i += len;
	}
	return dh_json_loads(out->str, out->len, error);
}

static json_t *read_json(const char *path, const char *missing, GError **error)
{
	size_t n;
	g_autoptr(GError) e = NULL;
	g_autofree char *text = dh_read_file(AT_FDCWD, path, CONFIG_MAX, &n, &e);
	if (text)
		return config_parse(text, n, error);
	if (missing && g_error_matches(e, DH_ERROR, DH_ERROR_NOT_FOUND))
		dh_error(error, DH_ERROR_NOT_FOUND, "%s", missing);
	else
		g_propagate_error(error, g_steal_pointer(&e));
	return NULL;
}

/* Zero is a value here, and absence another. */
static void note_oom_score(OciProcess *p, const json_t *json)
{
	if (p && !json_object_get(json, "oomScoreAdj"))
		p->oom_score_adj = OCI_OOM_SCORE_UNCHANGED;
}

gboolean config_check_process(const OciProcess *p, GError **error)
{
	if (!p->cwd || !*p->cwd)
		return dh_error(error, DH_ERROR_INVALID, "Cwd property must not be empty");
	if (*p->cwd != '/')
		return dh_error(error, DH_ERROR_INVALID, "Cwd must be an absolute path");
	if (!p->args || !*p->args)
		return dh_error(error, DH_ERROR_INVALID, "args must not be empty");
	for (char **e = p->env; e && *e; e++) {
		if (!strchr(*e, '=') || **e == '=')
			return dh_error(error, DH_ERROR_INVALID,
				"invalid environment variable: \"%s\"", *e);
	}
	return TRUE;
}

void config_warn_capabilities(const OciProcess *p)
{
	const OciCapabilities *c = p->capabilities;
	if (!c)
		return;
	char **const sets[] = {c->bounding, c->effective, c->inheritable, c->permitted, c->ambient};
	g_autoptr(GHashTable) unknown = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < G_N_ELEMENTS(sets); i++) {
		for (char **name = sets[i]; name && *name; name++) {
			if (rt_cap_parse(*name) < 0 && g_hash_table_add(unknown, *name))
				rt_log(RT_LOG_WARN,
					"ignoring unknown or unavailable capabilities: [%s]",
					*name);
		}
	}
}

OciProcess *config_load_process(const char *path, GError **error)
{
	g_autoptr(json_t) json = read_json(path, NULL, error);
	OciProcess *p = json ? dh_json_parse(&oci_process_table, json, error) : NULL;
	if (!p)
		return NULL;
	note_oom_score(p, json);
	p->dhow_set_home = TRUE;
	if (config_check_process(p, error))
		return p;
	dh_json_free(&oci_process_table, p);
	return NULL;
}

/* "1.2.0", "1.0.2-dev": all of one major version. */
static gboolean check_version(const OciSpec *s, GError **error)
{
	unsigned major;
	if (!s->oci_version || sscanf(s->oci_version, "%u.", &major) != 1 || major != 1)
		return dh_error(error, DH_ERROR_INVALID, "unsupported ociVersion \"%s\"",
			s->oci_version ? s->oci_version : "");
	return TRUE;
}

static gboolean has_namespace(const OciSpec *s, const char *type)
{
	const GPtrArray *list = s->linux_->namespaces;
	for (guint i = 0; list && i < list->len; i++) {
		if (strcmp(((const OciNamespace *)list->pdata[i])->type, type) == 0)
			return TRUE;
	}
	return FALSE;
}

static gboolean check_namespaces(const OciSpec *s, GError **error)
{
	const GPtrArray *list = s->linux_->namespaces;
	for (guint i = 0; list && i < list->len; i++) {
		const OciNamespace *ns = list->pdata[i];
		for (guint k = 0; k < i; k++) {
			const OciNamespace *other = list->pdata[k];
			if (strcmp(ns->type, other->type) == 0)
				return dh_error(error, DH_ERROR_INVALID,
					"malformed spec file: duplicated ns {\"%s\" \"%s\"}",
					ns->type, ns->path ? ns->path : "");
		}
	}
	gboolean maps = (s->linux_->uid_mappings && s->linux_->uid_mappings->len) ||
			(s->linux_->gid_mappings && s->linux_->gid_mappings->len);
	if (!has_namespace(s, "user") && maps)
		return dh_error(error, DH_ERROR_INVALID,
			"user namespace mappings specified, but user namespace isn't enabled in "
			"the "
			"config");
	if (s->hostname && *s->hostname && !has_namespace(s, "uts"))
		return dh_error(error, DH_ERROR_INVALID,
			"unable to set hostname without a private UTS namespace");
	if (s->domainname && *s->domainname && !has_namespace(s, "uts"))
		return dh_error(error, DH_ERROR_INVALID,
			"unable to set domainname without a private UTS namespace");
	return TRUE;
}

static gboolean check_root(OciSpec *s, const char *bundle, GError **error)
{
	struct stat st;
	if (!s->root || !s->root->path || !*s->root->path)
		return dh_error(error, DH_ERROR_INVALID, "root path is not given in config.json");
	g_autofree char *path = s->root->path;
	s->root->path = g_canonicalize_filename(path, bundle);
	if (stat(s->root->path, &st) < 0)
		return rt_error_errno(error, errno, "invalid rootfs: stat %s", s->root->path);
	return S_ISDIR(st.st_mode) || dh_error(error, DH_ERROR_INVALID,
					      "invalid rootfs: not a directory: %s", s->root->path);
}

static gboolean check_mounts(OciSpec *s, const char *bundle, GError **error)
{
	for (guint i = 0; s->mounts && i < s->mounts->len; i++) {
		OciMount *m = s->mounts->pdata[i];
		if (!*m->destination)
			return dh_error(
				error, DH_ERROR_INVALID, "invalid mount: destination is empty");
		/* Older versions of the specification had them relative to the root. */
		if (*m->destination != '/') {
			g_autofree char *given = m->destination;
			m->destination = g_strconcat("/", given, NULL);
		}
		gboolean bind = m->type && strcmp(m->type, "bind") == 0;
		for (char **o = m->options; o && *o; o++)
			bind = bind || strcmp(*o, "bind") == 0 || strcmp(*o, "rbind") == 0;
		if (bind && m->source && *m->source && *m->source != '/') {
			g_autofree char *given = m->source;
			m->source = g_canonicalize_filename(given, bundle);
		}
	}
	return TRUE;
}

static gboolean check_propagation(const OciSpec *s, GError **error)
{
	static const char *const known[] = {"private", "rprivate", "shared", "rshared", "slave",
		"rslave", "unbindable", "runbindable", NULL};
	const char *p = s->linux_->rootfs_propagation;
	return !p || !*p || g_strv_contains(known, p) ||
	       dh_error(error, DH_ERROR_INVALID, "rootfsPropagation=%s is not supported", p);
}

static gboolean check_hooks(const OciSpec *s, GError **error)
{
	const OciHooks *h = s->hooks;
	if (!h)
		return TRUE;
	const GPtrArray *const lists[] = {h->prestart, h->create_runtime, h->create_container,
		h->start_container, h->poststart, h->poststop};
	for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
		for (guint k = 0; lists[i] && k < lists[i]->len; k++) {
			const OciHook *hook = lists[i]->pdata[k];
			if (*hook->path != '/')
				return dh_error(error, DH_ERROR_INVALID,
					"hook path \"%s\" is not absolute", hook->path);
			if (hook->timeout < 0)
				return dh_error(error, DH_ERROR_INVALID,
					"invalid timeout of hook \"%s\"", hook->path);
		}
	}
	return TRUE;
}

static gboolean given(const char *s)
{
	return s && *s;
}

static gboolean check_seccomp(const OciSpec *s, GError **error)
{
	const OciSeccomp *p = s->linux_->seccomp;
	gboolean notify = FALSE;
	if (!p)
		return TRUE;
	for (guint i = 0; p->syscalls && i < p->syscalls->len; i++) {
		const OciSeccompRule *rule = p->syscalls->pdata[i];
		if (strcmp(rule->action, "SCMP_ACT_NOTIFY") != 0)
			continue;
		notify = TRUE;
		/* The descriptor is handed over with it when the filter is in force. */
		if (g_strv_contains((const char *const *)rule->names, "sendmsg"))
			return dh_error(error, DH_ERROR_INVALID,
				"SCMP_ACT_NOTIFY cannot be used for the sendmsg syscall");
	}
	if (strcmp(p->default_action, "SCMP_ACT_NOTIFY") == 0)
		return dh_error(error, DH_ERROR_INVALID,
			"SCMP_ACT_NOTIFY cannot be used as default action");
	if (notify && !given(p->listener_path))
		return dh_error(error, DH_ERROR_INVALID,
			"listenerPath needs to be specified when using SCMP_ACT_NOTIFY");
	if (given(p->listener_metadata) && !given(p->listener_path))
		return dh_error(
			error, DH_ERROR_INVALID, "listenerMetadata needs listenerPath to be set");
	return TRUE;
}

/* What this machine or this runtime does not have is refused: a container that counts on it must
 * not run without. */
static gboolean check_absent(const OciSpec *s, GError **error)
{
	const OciLinux *l = s->linux_;
	g_autofree char *apparmor =
		dh_read_file(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 16, NULL, NULL);
	gboolean selinux = faccessat(AT_FDCWD, "/sys/fs/selinux/enforce", F_OK, 0) == 0;
	if (given(s->process->apparmor_profile) && (!apparmor || *apparmor != 'Y'))
		return dh_error(error, DH_ERROR_INVALID,
			"apparmor: config provided but apparmor not supported");
	if ((given(s->process->selinux_label) || given(l->mount_label)) && !selinux)
		return dh_error(error, DH_ERROR_INVALID,
			"selinux label is specified in config, but selinux is disabled or not "
			"supported");
	if (given(l->mount_label))
		return dh_error(error, DH_ERROR_INVALID,
			"mountLabel is specified in config, but not supported");
	if (json_object_size(l->intel_rdt))
		return dh_error(error, DH_ERROR_INVALID,
			"intelRdt is specified in config, but Intel RDT is not supported");
	return TRUE;
}

static gboolean check(OciSpec *s, const char *bundle, GError **error)
{
	if (!check_version(s, error))
		return FALSE;
	if (!s->process)
		return dh_error(error, DH_ERROR_INVALID, "process property must not be empty");
	if (!s->linux_)
		return dh_error(error, DH_ERROR_INVALID, "linux property must not be empty");
	if (!config_check_process(s->process, error) || !check_root(s, bundle, error) ||
		!check_namespaces(s, error) || !check_mounts(s, bundle, error) ||
		!check_propagation(s, error) || !check_hooks(s, error) ||
		!check_seccomp(s, error) || !check_absent(s, error))
		return FALSE;
	config_warn_capabilities(s->process);
	return TRUE;
}

/* ---- device rules ---- */

static void add_rule(GPtrArray *list, gboolean allow, const char *type, int64_t major,
	int64_t minor, const char *access)
{
	OciDeviceRule *d = dh_json_new(&oci_device_rule_table);
	d->allow = allow;
	d->type = g_strdup(type);
	d->major = major;
	d->minor = minor;
	d->access = g_strdup(access);
	g_ptr_array_add(list, d);
}

/* A container starts with nothing allowed, and what every container has is allowed at the end,
 * whatever the configuration says: its own devices and their nodes (runc's list). */
static void complete_device_rules(OciLinux *l)
{
	static const struct {
		const char *type;
		int64_t major, minor;
		const char *access;
	} ours[] = {
		{"c", -1, -1, "m"},
		{"b", -1, -1, "m"},
		{"c", 1, 3, "rwm"},
		{"c", 1, 8, "rwm"},
		{"c", 1, 7, "rwm"},
		{"c", 5, 0, "rwm"},
		{"c", 1, 5, "rwm"},
		{"c", 1, 9, "rwm"},
		{"c", 136, -1, "rwm"},
		{"c", 5, 2, "rwm"},
	};
	if (!l->resources)
		l->resources = dh_json_new(&oci_resources_table);
	GPtrArray *given = l->resources->devices, *all = dh_json_list_new();
	add_rule(all, FALSE, "a", -1, -1, "rwm");
	for (guint i = 0; given && i < given->len; i++)
		g_ptr_array_add(all, dh_json_copy(&oci_device_rule_table, given->pdata[i]));
	for (guint i = 0; i < G_N_ELEMENTS(ours); i++)
		add_rule(all, TRUE, ours[i].type, ours[i].major, ours[i].minor, ours[i].access);
	g_clear_pointer(&l->resources->devices, g_ptr_array_unref);
	l->resources->devices = all;
}

OciSpec *config_load(const char *bundle, GError **error)
{
	g_autofree char *path = g_build_filename(bundle, "config.json", NULL);
	g_autoptr(json_t) json =
		read_json(path, "JSON specification file config.json not found", error);
	OciSpec *s = json ? dh_json_parse(&oci_spec_table, json, error) : NULL;
	if (!s)
		return NULL;
	if (!check(s, bundle, error)) {
		dh_json_free(&oci_spec_table, s);
		return NULL;
	}
	note_oom_score(s->process, json_object_get(json, "process"));
	s->process->dhow_set_home = TRUE;
	complete_device_rules(s->linux_);
	return s;
}
