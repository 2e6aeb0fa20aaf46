/* SPDX-License-Identifier: MIT */
#include "container/spec_mounts.h"

#include "base/error.h"
#include "base/fs.h"
#include "container/mounts.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static OciMount *add(GPtrArray *mounts, const char *destination, const char *type,
	const char *source, const char *options)
{
	OciMount *m = dh_json_new(&oci_mount_table);
	m->destination = g_strdup(destination);
	m->type = g_strdup(type);
	m->source = g_strdup(source);
	m->options = g_strsplit(options, ",", -1);
	g_ptr_array_add(mounts, m);
	return m;
}

/* ---- standard ---- */

/* The host's queues belong to the host's user namespace, which alone may mount them anew. */
static void add_queues(const HostConfig *h, const Identity *identity, GPtrArray *mounts)
{
	gboolean shared = identity && g_strcmp0(h->ipc_mode, "host") == 0;
	if (!shared)
		add(mounts, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	else if (access("/dev/mqueue", F_OK) == 0)
		add(mounts, "/dev/mqueue", "bind", "/dev/mqueue", "rbind,rprivate");
}

static void standard_mounts(Container *c, const Identity *identity, GPtrArray *mounts)
{
	HostConfig *h = c->host_config;
	const char *sys = h->privileged ? "nosuid,noexec,nodev" : "nosuid,noexec,nodev,ro";
	add(mounts, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	add(mounts, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	add(mounts, "/dev/pts", "devpts", "devpts",
		"nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
	add(mounts, "/sys", "sysfs", "sysfs", sys);
	add(mounts, "/sys/fs/cgroup", "cgroup", "cgroup",
		h->privileged ? "nosuid,noexec,nodev,relatime" : "ro,nosuid,noexec,nodev,relatime");
	add_queues(h, identity, mounts);
}

/* POSIX shared memory lies where the IPC namespace is: the host's, another container's, or one's
 * own.
 */
static gboolean shared_memory(Container *c, GPtrArray *mounts, GError **error)
{
	HostConfig *h = c->host_config;
	const char *mode = h->ipc_mode ? h->ipc_mode : "";
	g_autoptr(Container) donor = NULL;
	int64_t pid = 0;
	if (g_str_has_prefix(mode, "container:")) {
		donor = spec_donor(c, mode, TRUE, &pid, error);
		if (!donor)
			return FALSE;
	}
	if (strcmp(mode, "none") == 0)
		return TRUE;
	if (strcmp(donor ? donor->host_config->ipc_mode : mode, "host") == 0) {
		add(mounts, "/dev/shm", "bind", "/dev/shm", "rbind,rprivate");
	} else if (donor) {
		OciMount *m = add(mounts, "/dev/shm", "bind", "/dev/shm", "bind,rprivate");
		m->dhow_mount_ns = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/ns/mnt", pid);
	} else {
		g_autofree char *own = g_strdup_printf(
			"nosuid,noexec,nodev,mode=1777,size=%" G_GINT64_FORMAT, h->shm_size);
		add(mounts, "/dev/shm", "tmpfs", "shm", own);
	}
	return TRUE;
}

/* hosts, hostname and resolv.conf: one's own, or those of the container whose network is shared. */
static gboolean generated_files(Container *c, GPtrArray *mounts, GError **error)
{
	static const char *const files[] = {"resolv.conf", "hostname", "hosts"};
	const char *mode = c->host_config->network_mode;
	const char *dir = c->dir;
	g_autoptr(Container) owner = NULL;
	if (g_str_has_prefix(mode, "container:")) {
		owner = container_find(c->engine, mode + strlen("container:"), error);
		if (!owner)
			return FALSE;
		dir = owner->dir;
	}
	for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *destination = g_build_filename("/etc", files[i], NULL);
		g_autofree char *source = g_build_filename(dir, files[i], NULL);
		/* They are written by the first start; `cp` may look before. */
		if (access(source, F_OK) < 0)
			continue;
		add(mounts, destination, "bind", source,
			c->host_config->readonly_rootfs ? "rbind,rprivate,ro" : "rbind,rprivate");
	}
	return TRUE;
}

/* ---- asked for ---- */

/* A read-only bind is so with everything mounted below it, unless that is not wanted. */
static const char *read_only_word(const MountPoint *m)
{
	return m->rw ? "" : m->read_only_non_recursive ? ",ro" : ",rro";
}

static gboolean add_bind(const MountPoint *m, GPtrArray *mounts, GError **error)
{
	struct stat st;
	/* -v makes the directory that is missing on the host, --mount does not. */
	if (stat(m->source, &st) < 0 && !m->make_source)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid mount config for type \"bind\": bind source path does not exist: "
			"%s",
			m->source);
	if (stat(m->source, &st) < 0 && !dh_mkdir_p(m->source, 0755, error))
		return FALSE;
	const char *propagation = m->propagation && *m->propagation ? m->propagation : "rprivate";
	g_autofree char *options = g_strdup_printf(
		"%s,%s%s", m->non_recursive ? "bind" : "rbind", propagation, read_only_word(m));
	add(mounts, m->destination, "bind", m->source, options);
	return TRUE;
}

static gboolean add_volume(Container *c, const MountPoint *m, GPtrArray *mounts, GError **error)
{
	g_autoptr(Volume) v = volumes_find(c->engine->volumes, m->name, error);
	g_auto(VolumeMount) how = {0};
	if (!v || !volume_mount(v, &how, error))
		return FALSE;
	g_autofree char *own = g_strjoinv(",", how.words);
	gboolean bind = strcmp(how.type, "bind") == 0;
	g_autofree char *options = g_strdup_printf("%s%s%s%s", bind ? "rbind,rprivate" : "",
		bind && *own ? "," : "", own,
		bind    ? read_only_word(m)
		: m->rw ? ""
			: ",ro");
	add(mounts, m->destination, how.type, how.source, options);
	return TRUE;
}

static void add_tmpfs(const MountPoint *m, GPtrArray *mounts)
{
	g_autoptr(GString) options = g_string_new("nosuid,nodev,noexec");
	if (m->size > 0)
		g_string_append_printf(options, ",size=%" G_GINT64_FORMAT, m->size);
	g_string_append_printf(
		options, ",mode=%o", m->tmpfs_mode ? (unsigned)m->tmpfs_mode : 01777);
	if (!m->rw)
		g_string_append(options, ",ro");
	add(mounts, m->destination, "tmpfs", "tmpfs", options->str);
}

static gboolean user_mounts(Container *c, GPtrArray *mounts, GError **error)
{
	for (guint i = 0; c->mounts && i < c->mounts->len; i++) {
		const MountPoint *m = c->mounts->pdata[i];
		gboolean ok = TRUE;
		if (strcmp(m->type, "bind") == 0)
			ok = add_bind(m, mounts, error);
		else if (strcmp(m->type, "volume") == 0)
			ok = add_volume(c, m, mounts, error);
		else
			add_tmpfs(m, mounts);
		if (!ok)
			return FALSE;
	}
	return TRUE;
}

static gboolean user_tmpfs(Container *c, GPtrArray *mounts, GError **error)
{
	GHashTableIter it;
	void *key, *value;
	if (!c->host_config->tmpfs)
		return TRUE;
	g_hash_table_iter_init(&it, c->host_config->tmpfs);
	while (g_hash_table_iter_next(&it, &key, &value)) {
		g_autofree char *options = mounts_tmpfs_options(value, error);
		if (!options)
			return FALSE;
		g_autofree char *path = g_canonicalize_filename(key, "/");
		add(mounts, path, "tmpfs", "tmpfs", options);
	}
	return TRUE;
}

static int depth(const char *path)
{
	int n = 0;
	for (; *path; path++)
		n += *path == '/';
	return n;
}

static int by_depth(const void *a, const void *b)
{
	const OciMount *x = *(OciMount *const *)a, *y = *(OciMount *const *)b;
	int d = depth(x->destination) - depth(y->destination);
	return d ? d : strcmp(x->destination, y->destination);
}

/* What the user mounts at a standard place replaces what stands there; a /dev of his own is one
 * whole. */
static void drop_replaced(GPtrArray *standard, GPtrArray *user)
{
	for (guint i = standard->len; i > 0; i--) {
		const OciMount *s = standard->pdata[i - 1];
		for (guint k = 0; k < user->len; k++) {
			const OciMount *u = user->pdata[k];
			if (strcmp(s->destination, u->destination) == 0 ||
				(strcmp(u->destination, "/dev") == 0 &&
					g_str_has_prefix(s->destination, "/dev/"))) {
				g_ptr_array_remove_index(standard, i - 1);
				break;
			}
		}
	}
}

GPtrArray *spec_mounts(Container *c, GError **error)
{
	GPtrArray *mounts = dh_json_list_new();
	g_autoptr(GPtrArray) user = dh_json_list_new();
	g_autoptr(Identity) identity = container_identity(c);
	standard_mounts(c, identity, mounts);
	gboolean ok = shared_memory(c, mounts, error) && generated_files(c, mounts, error) &&
		      user_mounts(c, user, error) && user_tmpfs(c, user, error);
	if (!ok) {
		g_ptr_array_unref(mounts);
		return NULL;
	}
	g_ptr_array_sort(user, by_depth);
	drop_replaced(mounts, user);
	g_ptr_array_extend_and_steal(mounts, g_steal_pointer(&user));
	for (guint i = 0; identity && i < mounts->len; i++)
		((OciMount *)mounts->pdata[i])->dhow_idmap = TRUE;
	return mounts;
}

/* ---- inspect ---- */

static json_t *mount_json(const MountPoint *m)
{
	const char *source = m->source ? m->source : "", *mode = m->mode ? m->mode : "";
	const char *propagation = m->propagation ? m->propagation : "";
	json_t *o = json_object();
	json_object_set_new(o, "Type", json_string(m->type));
	if (m->name)
		json_object_set_new(o, "Name", json_string(m->name));
	json_object_set_new(o, "Source", json_string(source));
	json_object_set_new(o, "Destination", json_string(m->destination));
	if (m->driver)
		json_object_set_new(o, "Driver", json_string(m->driver));
	json_object_set_new(o, "Mode", json_string(mode));
	json_object_set_new(o, "RW", json_boolean(m->rw));
	json_object_set_new(o, "Propagation", json_string(propagation));
	return o;
}

json_t *spec_mounts_json(Container *c)
{
	json_t *out = json_array();
	for (guint i = 0; c->mounts && i < c->mounts->len; i++)
		json_array_append_new(out, mount_json(c->mounts->pdata[i]));
	return out;
}
