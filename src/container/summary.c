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

/* Of borrowed parts. */
typedef struct {
	char *id, **names, *image, *image_id, *command, *state, *status;
	int64_t created, size_rw, size_root_fs;
	json_t *ports, *mounts;
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

#define BRIEF_FIELDS                                                                               \
	DH_F(STRING, Summary, id, "Id", 0), DH_F(STRV, Summary, names, "Names", DH_JSON_NOTNULL),  \
		DH_F(STRING, Summary, image, "Image", 0),                                          \
		DH_F(STRING, Summary, image_id, "ImageID", 0),                                     \
		DH_F(STRING, Summary, command, "Command", 0),                                      \
		DH_F(INT, Summary, created, "Created", 0), DH_F(RAW, Summary, ports, "Ports", 0),  \
		DH_F(STRING, Summary, state, "State", 0),                                          \
		DH_F(STRING, Summary, status, "Status", 0)

static const DhJsonField brief_fields[] = {BRIEF_FIELDS};
static DH_JSON_TABLE(brief_table, Summary, brief_fields, FALSE);

static const DhJsonField summary_fields[] = {
	BRIEF_FIELDS,
	DH_F(INT, Summary, size_rw, "SizeRw", DH_JSON_OMITEMPTY | DH_JSON_MINUS_ONE),
	DH_F(INT, Summary, size_root_fs, "SizeRootFs", DH_JSON_OMITEMPTY | DH_JSON_MINUS_ONE),
	DH_F(STRMAP, Summary, labels, "Labels", DH_JSON_NOTNULL),
	DH_F(EMBED, Summary, host_config, "HostConfig", 0, &host_table),
	DH_F(EMBED, Summary, network_settings, "NetworkSettings", 0, &networks_table),
	DH_F(RAW, Summary, mounts, "Mounts", 0),
};
static DH_JSON_TABLE(summary_table, Summary, summary_fields, FALSE);

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

static json_t *ports_list(Container *c, const ContainerSnapshot *s)
{
	json_t *out = json_array();
	g_autoptr(json_t) ports = container_ports_json(c, s->endpoint, s->state.running);
	const char *key;
	json_t *list;
	json_object_foreach (ports, key, list) {
		const char *slash = strchr(key, '/');
		json_int_t port = g_ascii_strtoll(key, NULL, 10);
		const char *proto = slash ? slash + 1 : "tcp";
		size_t i;
		json_t *b;
		json_array_foreach (list, i, b) {
			const char *ip = json_string_value(json_object_get(b, "HostIp"));
			const char *host = json_string_value(json_object_get(b, "HostPort"));
			json_array_append_new(out,
				json_pack("{s:s, s:I, s:I, s:s}", "IP", ip, "PrivatePort", port,
					"PublicPort", (json_int_t)g_ascii_strtoll(host, NULL, 10),
					"Type", proto));
		}
		if (!json_is_array(list))
			json_array_append_new(
				out, json_pack("{s:I, s:s}", "PrivatePort", port, "Type", proto));
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
			g_string_append_printf(
				line, "%s%s%s%s", first ? "" : " ", quote, *a, quote);
		}
	}
	return g_string_free(line, FALSE);
}

static char **names_of(const char *own, const GPtrArray *links)
{
	guint n = links ? links->len : 0;
	char **names = g_new0(char *, n + 2);
	names[0] = g_strdup_printf("/%s", own);
	for (guint i = 0; i < n; i++)
		names[i + 1] = g_strdup(links->pdata[i]);
	return names;
}

/* ---- the whole ---- */

void container_summary_append(Container *c, const ContainerSnapshot *s, const ListRequest *r,
	const GPtrArray *links, GString *out)
{
	g_autofree char *command = command_line(c);
	g_autofree char *status = container_status_text(&s->state);
	g_auto(GStrv) names = names_of(s->name, links);
	g_autoptr(json_t) ports = ports_list(c, s);
	/* A reference that meanwhile stands for another image is shown as the ID that was used. */
	g_autoptr(Image) now = store_image_find(c->engine->store, c->config->image, NULL);
	Summary row = {.id = c->id,
		.names = names,
		.image = now && strcmp(now->id, c->image_id) == 0 ? c->config->image : c->image_id,
		.image_id = c->image_id,
		.command = command,
		.state = (char *)container_status_name(s->state.status),
		.status = status,
		.created = c->created / DH_NSEC,
		.size_rw = -1,
		.size_root_fs = -1,
		.ports = ports};
	if (r->brief) {
		dh_json_append_text(&brief_table, &row, out);
		return;
	}
	g_autoptr(json_t) mounts = spec_mounts_json(c);
	g_autoptr(GHashTable) networks = g_hash_table_new(g_str_hash, g_str_equal);
	EndpointSettings endpoint;
	g_autofree char *network_id = container_endpoint_now(c, s, &endpoint);
	const char *mode = c->host_config->network_mode;
	if (!g_str_has_prefix(mode, "container:"))
		g_hash_table_insert(networks, (char *)mode, &endpoint);
	if (r->size)
		container_sizes(c, &row.size_rw, &row.size_root_fs);
	row.labels = c->config->labels;
	row.host_config.network_mode = (char *)mode;
	row.network_settings.networks = networks;
	row.mounts = mounts;
	dh_json_append_text(&summary_table, &row, out);
}
