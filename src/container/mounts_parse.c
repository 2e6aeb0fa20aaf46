/* SPDX-License-Identifier: MIT */
/*
 * mounts_parse.c - from "-v", "--mount", "--volumes-from" and VOLUME to a list of mount points.
 * Order and texts are dockerd's: what is inherited gives way to what is asked for, two wishes for
 * one place are an error, VOLUMEs fill the places that are left.
 */
#include "container/mounts.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NOT_ROOT "invalid specification: destination can't be '/'"
#define NOT_ABSOLUTE "invalid mount path: '%s' mount path must be absolute"

static const DhJsonField mount_point_fields[] = {
	DH_F(STRING, MountPoint, type, "Type", DH_JSON_REQUIRED),
	DH_F(STRING, MountPoint, name, "Name", DH_JSON_OMITEMPTY),
	DH_F(STRING, MountPoint, driver, "Driver", DH_JSON_OMITEMPTY),
	DH_F(STRING, MountPoint, source, "Source", DH_JSON_OMITEMPTY),
	DH_F(STRING, MountPoint, destination, "Destination", DH_JSON_REQUIRED),
	DH_F(STRING, MountPoint, mode, "Mode", DH_JSON_OMITEMPTY),
	DH_F(STRING, MountPoint, propagation, "Propagation", DH_JSON_OMITEMPTY),
	DH_F(BOOL, MountPoint, rw, "RW", 0),
	DH_F(BOOL, MountPoint, named, "Named", DH_JSON_OMITEMPTY),
	DH_F(BOOL, MountPoint, no_copy, "NoCopy", DH_JSON_OMITEMPTY),
	DH_F(BOOL, MountPoint, make_source, "MakeSource", DH_JSON_OMITEMPTY),
	DH_F(BOOL, MountPoint, non_recursive, "NonRecursive", DH_JSON_OMITEMPTY),
	DH_F(BOOL, MountPoint, read_only_non_recursive, "ReadOnlyNonRecursive", DH_JSON_OMITEMPTY),
	DH_F(INT, MountPoint, size, "Size", DH_JSON_OMITEMPTY),
	DH_F(INT, MountPoint, tmpfs_mode, "TmpfsMode", DH_JSON_OMITEMPTY),
};
DH_JSON_TABLE(mount_point_table, MountPoint, mount_point_fields, FALSE);

static gboolean is_set(const char *s)
{
	return s && *s;
}

static char *clean(const char *path)
{
	return g_canonicalize_filename(path, "/");
}

/* ---- modes ---- */

/* Of each kind a mode may have one word. */
enum { KIND_RW, KIND_LABEL, KIND_PROPAGATION, KIND_COPY, KIND_CONSISTENCY, N_KINDS };

static const struct {
	const char *word;
	int kind;
} mode_words[] = {
	{"ro", KIND_RW},
	{"rw", KIND_RW},
	{"z", KIND_LABEL},
	{"Z", KIND_LABEL},
	{"private", KIND_PROPAGATION},
	{"rprivate", KIND_PROPAGATION},
	{"slave", KIND_PROPAGATION},
	{"rslave", KIND_PROPAGATION},
	{"shared", KIND_PROPAGATION},
	{"rshared", KIND_PROPAGATION},
	{"nocopy", KIND_COPY},
	{"consistent", KIND_CONSISTENCY},
	{"cached", KIND_CONSISTENCY},
	{"delegated", KIND_CONSISTENCY},
	{"default", KIND_CONSISTENCY},
};

static gboolean mode_word(const char *word, const char *words[N_KINDS])
{
	for (guint i = 0; i < G_N_ELEMENTS(mode_words); i++) {
		const char **of_kind = &words[mode_words[i].kind];
		if (strcmp(word, mode_words[i].word) != 0)
			continue;
		if (*of_kind)
			return FALSE;
		*of_kind = mode_words[i].word;
		return TRUE;
	}
	return FALSE;
}

/* words[kind]: what the mode says of it, or NULL. */
static gboolean mode_parse(const char *mode, const char *words[N_KINDS])
{
	for (guint k = 0; k < N_KINDS; k++)
		words[k] = NULL;
	g_auto(GStrv) parts = g_strsplit(mode, ",", -1);
	for (char **p = parts; *p; p++) {
		if (!mode_word(*p, words))
			return FALSE;
	}
	return TRUE;
}

static gboolean bad_mode(const char *mode, GError **error)
{
	return dh_error(error, DH_ERROR_INVALID, "invalid mode: %s", mode);
}

/* ---- one specification ---- */

static gboolean check_destination(const char *target, GError **error)
{
	g_autofree char *path = clean(target);
	if (strcmp(path, "/") == 0 && *target != '.')
		return dh_error(error, DH_ERROR_INVALID, NOT_ROOT);
	if (*target != '/')
		return dh_error(error, DH_ERROR_INVALID, NOT_ABSOLUTE, target);
	return TRUE;
}

static gboolean check_bind(const MountSpec *m, gboolean must_exist, GError **error)
{
	static const char *const known[] = {
		"private", "rprivate", "slave", "rslave", "shared", "rshared", NULL};
	const char *propagation = m->bind_options ? m->bind_options->propagation : NULL;
	struct stat st;
	if (!is_set(m->source))
		return dh_error(error, DH_ERROR_INVALID, "field Source must not be empty");
	if (is_set(propagation) && !g_strv_contains(known, propagation))
		return dh_error(
			error, DH_ERROR_INVALID, "invalid propagation mode: %s", propagation);
	if (m->volume_options)
		return dh_error(
			error, DH_ERROR_INVALID, "field VolumeOptions must not be specified");
	if (*m->source != '/')
		return dh_error(error, DH_ERROR_INVALID, NOT_ABSOLUTE, m->source);
	if (must_exist && stat(m->source, &st) < 0)
		return dh_error(
			error, DH_ERROR_INVALID, "bind source path does not exist: %s", m->source);
	return TRUE;
}

static gboolean check_volume(const MountSpec *m, GError **error)
{
	if (m->bind_options)
		return dh_error(error, DH_ERROR_INVALID, "field BindOptions must not be specified");
	if (!is_set(m->source) && m->read_only)
		return dh_error(error, DH_ERROR_INVALID,
			"must not set ReadOnly mode when using anonymous volumes");
	return TRUE;
}

static gboolean check_tmpfs(const MountSpec *m, GError **error)
{
	if (m->bind_options)
		return dh_error(error, DH_ERROR_INVALID, "field BindOptions must not be specified");
	if (is_set(m->source))
		return dh_error(error, DH_ERROR_INVALID, "field Source must not be specified");
	if (m->tmpfs_options && m->tmpfs_options->size_bytes < 0)
		return dh_error(error, DH_ERROR_INVALID, "invalid tmpfs size: %" G_GINT64_FORMAT,
			m->tmpfs_options->size_bytes);
	if (m->tmpfs_options && (m->tmpfs_options->mode < 0 || m->tmpfs_options->mode > 07777))
		return dh_error(error, DH_ERROR_INVALID, "invalid tmpfs mode: %" G_GINT64_FORMAT,
			m->tmpfs_options->mode);
	return TRUE;
}

static gboolean check_spec_body(const MountSpec *m, gboolean must_exist, GError **error)
{
	const char *type = m->type ? m->type : "";
	if (!is_set(m->target))
		return dh_error(error, DH_ERROR_INVALID, "field Target must not be empty");
	if (!check_destination(m->target, error))
		return FALSE;
	if (strcmp(type, "bind") == 0)
		return check_bind(m, must_exist, error);
	if (strcmp(type, "volume") == 0)
		return check_volume(m, error);
	if (strcmp(type, "tmpfs") == 0)
		return check_tmpfs(m, error);
	return dh_error(error, DH_ERROR_INVALID, "mount type unknown");
}

static gboolean check_spec(const MountSpec *m, gboolean must_exist, GError **error)
{
	if (check_spec_body(m, must_exist, error))
		return TRUE;
	g_prefix_error(error, "invalid mount config for type \"%s\": ", m->type ? m->type : "");
	return FALSE;
}

/* What the kinds have in common; the specification has been checked. */
static MountPoint *point_from_spec(const MountSpec *m)
{
	MountPoint *p = dh_json_new(&mount_point_table);
	const BindOptions *b = m->bind_options;
	p->type = g_strdup(m->type);
	p->destination = clean(m->target);
	p->rw = !m->read_only;
	p->mode = g_strdup("");
	p->propagation = g_strdup("");
	if (strcmp(m->type, "bind") == 0) {
		g_free(p->propagation);
		p->propagation =
			g_strdup(b && is_set(b->propagation) ? b->propagation : "rprivate");
		p->source = clean(m->source);
		p->make_source = b && b->create_mountpoint;
		p->non_recursive = b && b->non_recursive;
		p->read_only_non_recursive = b && b->read_only_non_recursive;
	} else if (strcmp(m->type, "volume") == 0) {
		p->named = is_set(m->source);
		p->name = p->named ? g_strdup(m->source) : NULL;
		p->driver = g_strdup(VOLUME_DRIVER);
		p->no_copy = m->volume_options && m->volume_options->no_copy;
		g_free(p->mode);
		p->mode = g_strdup("z");
	} else if (m->tmpfs_options) {
		p->size = m->tmpfs_options->size_bytes;
		p->tmpfs_mode = m->tmpfs_options->mode;
	}
	return p;
}

/* ---- -v ---- */

static gboolean bad_bind(const char *text, GError **error)
{
	return dh_error(error, DH_ERROR_INVALID, "invalid volume specification: '%s'", text);
}

/* "source:target[:mode]", or a target alone; NULL and an error for anything else. */
static MountPoint *point_from_bind(const char *text, GError **error)
{
	g_auto(GStrv) part = g_strsplit(text, ":", 4);
	guint n = g_strv_length(part);
	const char *words[N_KINDS] = {NULL};
	if (n == 0 || n > 3 || !*part[0] || (n == 2 && mode_parse(part[1], words))) {
		bad_bind(text, error);
		return NULL;
	}
	const char *mode = n == 3 ? part[2] : "";
	if (!mode_parse(mode, words)) {
		bad_mode(mode, error);
		return NULL;
	}
	BindOptions bind = {.propagation = (char *)words[KIND_PROPAGATION]};
	VolumeOptions volume = {.no_copy = words[KIND_COPY] != NULL};
	MountSpec spec = {.source = n > 1 ? part[0] : NULL,
		.target = n > 1 ? part[1] : part[0],
		.read_only = words[KIND_RW] && strcmp(words[KIND_RW], "ro") == 0,
		.bind_options = words[KIND_PROPAGATION] ? &bind : NULL,
		.volume_options = words[KIND_COPY] ? &volume : NULL};
	spec.type = (char *)(spec.source && *spec.source == '/' ? "bind" : "volume");
	if (!check_spec(&spec, FALSE, error)) {
		g_prefix_error(error, "invalid volume specification: '%s': ", text);
		return NULL;
	}
	MountPoint *p = point_from_spec(&spec);
	p->make_source = strcmp(p->type, "bind") == 0;
	if (*mode || p->make_source) {
		g_free(p->mode);
		p->mode = g_strdup(mode);
	}
	return p;
}

/* ---- the list ---- */

typedef struct {
	Container *c;
	GPtrArray *points;
	GHashTable *asked; /* destinations that -v, --mount and --tmpfs name: set */
} Parse;

static void drop_at(Parse *p, const char *destination)
{
	for (guint i = 0; i < p->points->len; i++) {
		const MountPoint *m = p->points->pdata[i];
		if (strcmp(m->destination, destination) == 0) {
			g_ptr_array_remove_index(p->points, i);
			return;
		}
	}
}

static gboolean is_mounted(const Parse *p, const char *destination)
{
	for (guint i = 0; i < p->points->len; i++) {
		const MountPoint *m = p->points->pdata[i];
		if (strcmp(m->destination, destination) == 0)
			return TRUE;
	}
	return FALSE;
}

/* Takes the point over. */
static gboolean add_asked(Parse *p, MountPoint *m, GError **error)
{
	if (!g_hash_table_add(p->asked, g_strdup(m->destination))) {
		dh_error(error, DH_ERROR_INVALID, "Duplicate mount point: %s", m->destination);
		dh_json_free(&mount_point_table, m);
		return FALSE;
	}
	drop_at(p, m->destination);
	g_ptr_array_add(p->points, m);
	return TRUE;
}

static gboolean parse_volumes_from(Parse *p, const char *text, GError **error)
{
	g_auto(GStrv) part = g_strsplit(text, ":", 2);
	const char *mode = part[0] && part[1] ? part[1] : "";
	const char *words[N_KINDS];
	if (!*text)
		return dh_error(error, DH_ERROR_INVALID,
			"volumes-from specification cannot be an empty string");
	if (!mode_parse(mode, words) || words[KIND_PROPAGATION] || words[KIND_COPY])
		return bad_mode(mode, error);
	/* 400, not 404: a client that misses the image would fetch it. */
	g_autoptr(GError) missing = NULL;
	g_autoptr(Container) source = container_find(p->c->engine, part[0], &missing);
	if (!source)
		return dh_error(error, DH_ERROR_INVALID, "%s", missing->message);
	gboolean read_only = words[KIND_RW] && strcmp(words[KIND_RW], "ro") == 0;
	for (guint i = 0; source->mounts && i < source->mounts->len; i++) {
		const MountPoint *m = source->mounts->pdata[i];
		if (strcmp(m->type, "tmpfs") == 0)
			continue; /* it has nothing that could be shared */
		MountPoint *copy = dh_json_copy(&mount_point_table, m);
		copy->rw &= !read_only;
		copy->no_copy = TRUE;
		g_free(copy->mode);
		copy->mode = g_strdup("");
		drop_at(p, copy->destination);
		g_ptr_array_add(p->points, copy);
	}
	return TRUE;
}

static gboolean parse_mount(Parse *p, const MountSpec *m, GError **error)
{
	gboolean make = m->bind_options && m->bind_options->create_mountpoint;
	if (!check_spec(m, !make, error))
		return FALSE;
	if (m->volume_options && is_set(m->volume_options->subpath))
		return dh_error(error, DH_ERROR_NOT_BUILT, "volume-subpath is not built yet");
	MountPoint *point = point_from_spec(m);
	point->spec = m;
	return add_asked(p, point, error);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* VOLUME and "-v /path". */
static gboolean parse_config_volumes(Parse *p, GError **error)
{
	GHashTable *set = p->c->config->volumes;
	if (!set)
		return TRUE;
	guint n;
	g_autofree char **keys = (char **)g_hash_table_get_keys_as_array(set, &n);
	qsort(keys, n, sizeof *keys, by_text);
	for (guint i = 0; i < n; i++) {
		MountSpec spec = {.type = (char *)"volume", .target = keys[i]};
		if (!check_destination(keys[i], error))
			return FALSE;
		MountPoint *point = point_from_spec(&spec);
		*point->mode = '\0';
		/* -v, --mount and --volumes-from come first, and so does --tmpfs. */
		if (is_mounted(p, point->destination) ||
			g_hash_table_contains(p->asked, point->destination))
			dh_json_free(&mount_point_table, point);
		else
			g_ptr_array_add(p->points, point);
	}
	return TRUE;
}

static gboolean parse_tmpfs(Parse *p, GError **error)
{
	GHashTableIter it;
	void *key, *value;
	if (!p->c->host_config->tmpfs)
		return TRUE;
	g_hash_table_iter_init(&it, p->c->host_config->tmpfs);
	while (g_hash_table_iter_next(&it, &key, &value)) {
		if (!check_destination(key, error))
			return FALSE;
		g_autofree char *options = mounts_tmpfs_options(value, error);
		if (!options)
			return FALSE;
		g_autofree char *path = clean(key);
		if (!g_hash_table_add(p->asked, g_strdup(path)))
			return dh_error(error, DH_ERROR_INVALID, "Duplicate mount point: %s", path);
		drop_at(p, path);
	}
	return TRUE;
}

static gboolean parse_all(Parse *p, GError **error)
{
	HostConfig *h = p->c->host_config;
	for (char **v = h->volumes_from; v && *v; v++) {
		if (!parse_volumes_from(p, *v, error))
			return FALSE;
	}
	for (char **b = h->binds; b && *b; b++) {
		MountPoint *m = point_from_bind(*b, error);
		if (!m || !add_asked(p, m, error))
			return FALSE;
	}
	for (guint i = 0; h->mounts && i < h->mounts->len; i++) {
		if (!parse_mount(p, h->mounts->pdata[i], error))
			return FALSE;
	}
	return parse_tmpfs(p, error) && parse_config_volumes(p, error);
}

static void free_point(void *m)
{
	dh_json_free(&mount_point_table, m);
}

GPtrArray *mounts_parse(Container *c, GError **error)
{
	Parse p = {.c = c, .points = g_ptr_array_new_with_free_func(free_point)};
	p.asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (!parse_all(&p, error))
		g_clear_pointer(&p.points, g_ptr_array_unref);
	g_hash_table_unref(p.asked);
	return p.points;
}

/* ---- tmpfs options ---- */

static gboolean tmpfs_word_known(const char *word)
{
	static const char *const plain[] = {"defaults", "ro", "rw", "suid", "nosuid", "dev",
		"nodev", "exec", "noexec", "sync", "async", "dirsync", "remount", "mand", "nomand",
		"atime", "noatime", "diratime", "nodiratime", "bind", "rbind", "unbindable",
		"runbindable", "private", "rprivate", "shared", "rshared", "slave", "rslave",
		"relatime", "norelatime", "strictatime", "nostrictatime", NULL};
	static const char *const keyed[] = {
		"mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", NULL};
	if (g_strv_contains(plain, word))
		return TRUE;
	const char *eq = strchr(word, '=');
	if (!eq)
		return FALSE;
	g_autofree char *key = g_strndup(word, (gsize)(eq - word));
	if (strcmp(key, "size") != 0)
		return eq[1] && g_strv_contains(keyed, key);
	/* The kernel's spelling: digits and k, m, g or %. */
	size_t digits = strspn(eq + 1, "0123456789");
	const char *unit = eq + 1 + digits;
	return digits > 0 && (!*unit || (strchr("kKmMgGtT%", *unit) && !unit[1]));
}

char *mounts_tmpfs_options(const char *words, GError **error)
{
	g_auto(GStrv) list = g_strsplit(words ? words : "", ",", -1);
	for (char **w = list; *w; w++) {
		if (**w && !tmpfs_word_known(*w)) {
			dh_error(error, DH_ERROR_INVALID, "invalid tmpfs option [\"%s\"]", *w);
			return NULL;
		}
	}
	return g_strconcat(
		"noexec,nosuid,nodev", words && *words ? "," : "", words ? words : "", NULL);
}
