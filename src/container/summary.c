/* SPDX-License-Identifier: MIT */
/*
 * summary.c - one line of `docker ps`: an element of GET /containers/json. A machine may have
 * thousands of them, so they are written as text at once, by tables like everything else.
 */
#include "container/internal.h"

#include "base/timefmt.h"
#include "base/treesize.h"
#include "container/spec_mounts.h"

#include <fcntl.h>
#include <string.h>

typedef struct {
	char *network_mode;
} SummaryHost;

typedef struct {
	GHashTable *networks; /* name -> EndpointSettings */
} SummaryNetworks;

typedef struct {
	char *ip, *type;
	int64_t private_port, public_port; /* 0: not published */
} SummaryPort;

/* Of borrowed parts. */
typedef struct {
	char *id, **names, *image, *image_id, *command, *state, *status;
	int64_t created, size_rw, size_root_fs;
	GPtrArray *ports; /* SummaryPort */
	json_t *mounts;
	GHashTable *labels;
	SummaryHost host_config;
	SummaryNetworks network_settings;
} Summary;

static const DhJsonField host_fields[] = {
	DH_F(STRING, SummaryHost, network_mode, "NetworkMode", 0),
};
static DH_JSON_TABLE(host_table, SummaryHost, host_fields, FALSE);

static const DhJsonField networks_fields[] = {
	DH_F(MAP, SummaryNetworks, networks, "Networks", DH_JSON_NOTNULL, &endpoint_settings_table),
};
static DH_JSON_TABLE(networks_table, SummaryNetworks, networks_fields, FALSE);

static const DhJsonField port_fields[] = {
	DH_F(STRING, SummaryPort, ip, "IP", DH_JSON_OMITEMPTY),
	DH_F(INT, SummaryPort, private_port, "PrivatePort", 0),
	DH_F(INT, SummaryPort, public_port, "PublicPort", DH_JSON_OMITEMPTY),
	DH_F(STRING, SummaryPort, type, "Type", 0),
};
static DH_JSON_TABLE(port_table, SummaryPort, port_fields, FALSE);

static const DhJsonField summary_fields[] = {
	DH_F(STRING, Summary, id, "Id", 0),
	DH_F(STRV, Summary, names, "Names", DH_JSON_NOTNULL),
	DH_F(STRING, Summary, image, "Image", 0),
	DH_F(STRING, Summary, image_id, "ImageID", 0),
	DH_F(STRING, Summary, command, "Command", 0),
	DH_F(INT, Summary, created, "Created", 0),
	DH_F(LIST, Summary, ports, "Ports", DH_JSON_NOTNULL, &port_table),
	DH_F(STRING, Summary, state, "State", 0),
	DH_F(STRING, Summary, status, "Status", 0),
	DH_F(INT, Summary, size_rw, "SizeRw", DH_JSON_OMITEMPTY | DH_JSON_MINUS_ONE),
	DH_F(INT, Summary, size_root_fs, "SizeRootFs", DH_JSON_OMITEMPTY | DH_JSON_MINUS_ONE),
	DH_F(STRMAP, Summary, labels, "Labels", DH_JSON_NOTNULL),
	DH_F(EMBED, Summary, host_config, "HostConfig", 0, &host_table),
	DH_F(EMBED, Summary, network_settings, "NetworkSettings", 0, &networks_table),
	DH_F(RAW, Summary, mounts, "Mounts", 0),
};

struct SummaryWriter {
	Engine *engine;
	gboolean size;
	DhJsonField fields[G_N_ELEMENTS(summary_fields)]; /* those that are asked for */
	DhJsonTable table;
	GHashTable *images; /* reference -> the ID that it stands for now, or NULL */
	GHashTable *links;  /* of container_link_names, or NULL */
};

SummaryWriter *summary_writer_new(Engine *e, const ListRequest *r, const GPtrArray *all)
{
	SummaryWriter *w = g_new0(SummaryWriter, 1);
	w->engine = e;
	w->size = r->size;
	w->table = (DhJsonTable){"Summary", sizeof(Summary), w->fields, 0, FALSE};
	for (guint i = 0; i < G_N_ELEMENTS(summary_fields); i++) {
		if (!r->members ||
			g_strv_contains((const char *const *)r->members, summary_fields[i].name))
			w->fields[w->table.n_fields++] = summary_fields[i];
	}
	w->images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	w->links = container_link_names(all);
	return w;
}

void summary_writer_free(SummaryWriter *w)
{
	if (!w)
		return;
	g_hash_table_unref(w->images);
	g_hash_table_unref(w->links);
	g_free(w);
}

#define WANTS(w, member) wants(w, offsetof(Summary, member))
static gboolean wants(const SummaryWriter *w, size_t offset)
{
	for (size_t i = 0; i < w->table.n_fields; i++) {
		if (w->fields[i].offset == offset)
			return TRUE;
	}
	return FALSE;
}

/* ---- parts ---- */

void container_sizes(Container *c, int64_t *ret_rw, int64_t *ret_root_fs)
{
	g_autofree char *upper = g_build_filename(c->dir, "upper", NULL);
	DhTreeSize size = {0};
	dh_tree_size(AT_FDCWD, upper, NULL, &size);
	g_autoptr(Image) image = store_image_find(c->engine->store, c->image_id, NULL);
	*ret_rw = size.bytes;
	*ret_root_fs = size.bytes + (image ? image->size : 0);
}

static void add_port(GPtrArray *out, const char *key, const json_t *binding)
{
	SummaryPort *p = dh_json_new(&port_table);
	const char *slash = strchr(key, '/');
	p->private_port = g_ascii_strtoll(key, NULL, 10);
	p->type = g_strdup(slash ? slash + 1 : "tcp");
	if (binding) {
		const char *host = json_string_value(json_object_get(binding, "HostPort"));
		p->ip = g_strdup(json_string_value(json_object_get(binding, "HostIp")));
		p->public_port = g_ascii_strtoll(host, NULL, 10);
	}
	g_ptr_array_add(out, p);
}

/* NULL: none. */
static GPtrArray *ports_list(Container *c, const ContainerSnapshot *s)
{
	gboolean exposed = c->config->exposed_ports && g_hash_table_size(c->config->exposed_ports);
	gboolean bound = s->endpoint && s->endpoint->ports && s->endpoint->ports->len;
	if (!s->state.running || (!exposed && !bound))
		return NULL;
	GPtrArray *out = dh_json_list_new();
	g_autoptr(json_t) ports = container_ports_json(c, s->endpoint, TRUE);
	const char *key;
	json_t *list;
	json_object_foreach (ports, key, list) {
		size_t i;
		json_t *b;
		json_array_foreach (list, i, b)
			add_port(out, key, b);
		if (!json_is_array(list))
			add_port(out, key, NULL);
	}
	return out;
}

/* As docker prints it: arguments with spaces are quoted, for reading and not for a shell. */
static char *command_line(Container *c)
{
	char **const parts[] = {c->config->entrypoint, c->config->cmd};
	GString *line = g_string_new(NULL);
	gboolean first = TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
		for (char **a = parts[i]; a && *a; a++, first = FALSE) {
			const char *quote = !first && strchr(*a, ' ') ? "'" : "";
			g_string_append(line, first ? "" : " ");
			g_string_append(line, quote);
			g_string_append(line, *a);
			g_string_append(line, quote);
		}
	}
	return g_string_free(line, FALSE);
}

static char **names_of(const SummaryWriter *w, const Container *c, const ContainerSnapshot *s)
{
	const GPtrArray *links =
		g_hash_table_size(w->links) ? g_hash_table_lookup(w->links, c->id) : NULL;
	guint n = links ? links->len : 0;
	char **names = g_new0(char *, n + 2);
	names[0] = g_strconcat("/", s->name, NULL);
	for (guint i = 0; i < n; i++)
		names[i + 1] = g_strdup(links->pdata[i]);
	return names;
}

/* A reference that meanwhile stands for another image is shown as the ID that was used. */
static char *image_of(SummaryWriter *w, Container *c)
{
	const char *name = c->config->image ? c->config->image : "";
	gpointer id;
	if (!g_hash_table_lookup_extended(w->images, name, NULL, &id)) {
		g_autoptr(Image) now = store_image_find(w->engine->store, name, NULL);
		id = now ? g_strdup(now->id) : NULL;
		g_hash_table_insert(w->images, g_strdup(name), id);
	}
	return id && strcmp(id, c->image_id) == 0 ? c->config->image : c->image_id;
}

/* ---- the whole ---- */

void summary_append(SummaryWriter *w, Container *c, const ContainerSnapshot *s, GString *out)
{
	const char *mode = c->host_config->network_mode;
	g_autofree char *command = WANTS(w, command) ? command_line(c) : NULL;
	g_autofree char *status = WANTS(w, status) ? container_status_text(&s->state) : NULL;
	g_auto(GStrv) names = WANTS(w, names) ? names_of(w, c, s) : NULL;
	g_autoptr(GPtrArray) ports = WANTS(w, ports) ? ports_list(c, s) : NULL;
	g_autoptr(json_t) mounts = WANTS(w, mounts) ? spec_mounts_json(c) : NULL;
	g_autoptr(GHashTable) networks = NULL;
	g_autofree char *network_id = NULL;
	EndpointSettings endpoint;
	Summary row = {.id = c->id,
		.names = names,
		.image = WANTS(w, image) ? image_of(w, c) : NULL,
		.image_id = c->image_id,
		.command = command,
		.state = (char *)container_status_name(s->state.status),
		.status = status,
		.created = c->created / DH_NSEC,
		.size_rw = -1,
		.size_root_fs = -1,
		.ports = ports,
		.labels = c->config->labels,
		.host_config.network_mode = (char *)mode,
		.mounts = mounts};
	if (WANTS(w, network_settings)) {
		networks = g_hash_table_new(g_str_hash, g_str_equal);
		network_id = container_endpoint_now(c, s, &endpoint);
		if (!g_str_has_prefix(mode, "container:"))
			g_hash_table_insert(networks, (char *)mode, &endpoint);
		row.network_settings.networks = networks;
	}
	if (w->size)
		container_sizes(c, &row.size_rw, &row.size_root_fs);
	dh_json_append_text(&w->table, &row, out);
}
