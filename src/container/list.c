/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/timefmt.h"
#include "container/internal.h"
#include "container/mounts.h"
#include "container/observe.h"

#include <stdlib.h>
#include <string.h>

/* Of a long list the reader has a part while the next is being written. */
enum { PIECE = 16 * 1024 };

/* What the filters come down to before the first container is looked at. */
typedef struct {
	const ListRequest *req;
	GHashTable *ancestors; /* set of image IDs, NULL: no such filter */
	GArray *exit_codes;    /* int64_t, NULL: no such filter */
	Container *before, *since;
	gboolean all;
} Query;

static void query_clear(Query *q)
{
	g_clear_pointer(&q->ancestors, g_hash_table_unref);
	g_clear_pointer(&q->exit_codes, g_array_unref);
	g_clear_pointer(&q->before, container_unref);
	g_clear_pointer(&q->since, container_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Query, query_clear)

static gboolean status_known(const char *name)
{
	for (guint i = 0; i < N_STATUSES; i++) {
		if (strcmp(container_status_name((ContainerStatus)i), name) == 0)
			return TRUE;
	}
	return FALSE;
}

static void prepare_ancestors(Query *q, Engine *e, char **names)
{
	q->ancestors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (; *names; names++) {
		/* An unknown image has no descendants; docker only logs it. */
		g_autoptr(Image) image = store_image_find(e->store, *names, NULL);
		if (image)
			g_hash_table_add(q->ancestors, g_strdup(image->id));
	}
	g_autoptr(GPtrArray) images = store_images(e->store);
	for (gboolean grew = TRUE; grew;) {
		grew = FALSE;
		for (guint i = 0; i < images->len; i++) {
			const Image *image = images->pdata[i];
			if (image->parent && g_hash_table_contains(q->ancestors, image->parent) &&
				!g_hash_table_contains(q->ancestors, image->id)) {
				g_hash_table_add(q->ancestors, g_strdup(image->id));
				grew = TRUE;
			}
		}
	}
}

static gboolean check_port(const char *text, const char *key, const char *whole, GError **error)
{
	const char *why = NULL;
	if (!*text || strspn(text, "0123456789") != strlen(text))
		why = "invalid syntax";
	else if (strlen(text) > 9 || atoi(text) > 65535)
		why = "value out of range";
	return !why || dh_error(error, DH_ERROR_INVALID,
			       "error while looking up for %s %s: strconv.ParseUint: parsing "
			       "\"%s\": %s",
			       key, whole, text, why);
}

/* "80", "80/tcp", "8000-8010/udp" */
static gboolean check_ports(const Filters *f, const char *key, GError **error)
{
	for (char **v = filters_get(f, key); v && *v; v++) {
		g_autofree char *range = g_strndup(*v, strcspn(*v, "/"));
		if (!*range)
			return dh_error(error, DH_ERROR_INVALID,
				"error while looking up for %s %s: Empty string specified for "
				"ports.",
				key, *v);
		char *last = strchr(range, '-');
		if (last)
			*last++ = '\0';
		if (!check_port(range, key, *v, error) ||
			(last && !check_port(last, key, *v, error)))
			return FALSE;
		if (last && atoi(last) < atoi(range))
			return dh_error(error, DH_ERROR_INVALID,
				"error while looking up for %s %s: Invalid range specified for "
				"the Port: %s-%s",
				key, *v, range, last);
	}
	return TRUE;
}

static gboolean prepare(Query *q, Engine *e, GError **error)
{
	const Filters *f = q->req->filters;
	char **values = filters_get(f, "status");
	for (char **v = values; v && *v; v++) {
		if (!status_known(*v))
			return dh_error(error, DH_ERROR_INVALID,
				"invalid value for state (%s): must be one of \"created\", "
				"\"restarting\", \"running\", \"removing\", \"paused\", "
				"\"exited\", "
				"\"dead\"",
				*v);
		q->all = TRUE;
	}
	values = filters_get(f, "exited");
	if (values)
		q->exit_codes = g_array_new(FALSE, FALSE, sizeof(int64_t));
	for (; values && *values; values++) {
		char *end;
		int64_t code = strtoll(*values, &end, 10);
		if (end == *values || *end)
			return dh_error(
				error, DH_ERROR_INVALID, "invalid filter 'exited=[%s]'", *values);
		g_array_append_val(q->exit_codes, code);
	}
	static const char *const healths[] = {"starting", "healthy", "unhealthy", "none", NULL};
	for (values = filters_get(f, "health"); values && *values; values++) {
		if (!g_strv_contains(healths, *values))
			return dh_error(error, DH_ERROR_INVALID,
				"invalid value for health (%s): must be one of \"none\", "
				"\"starting\", \"healthy\", \"unhealthy\"",
				*values);
	}
	if (!check_ports(f, "publish", error) || !check_ports(f, "expose", error))
		return FALSE;
	for (values = filters_get(f, "before"); values && *values; values++) {
		g_clear_pointer(&q->before, container_unref);
		if (!(q->before = container_find(e, *values, error)))
			return FALSE;
	}
	for (values = filters_get(f, "since"); values && *values; values++) {
		g_clear_pointer(&q->since, container_unref);
		if (!(q->since = container_find(e, *values, error)))
			return FALSE;
	}
	if (q->before || q->since)
		q->all = TRUE;
	values = filters_get(f, "ancestor");
	if (values)
		prepare_ancestors(q, e, values);
	return TRUE;
}

static gboolean match_exit_code(const Query *q, const ContainerState *s)
{
	if (!q->exit_codes)
		return TRUE;
	if (s->running || s->started_at == DH_TIME_ZERO)
		return FALSE;
	for (guint i = 0; i < q->exit_codes->len; i++) {
		if (g_array_index(q->exit_codes, int64_t, i) == s->exit_code)
			return TRUE;
	}
	return FALSE;
}

/* "80", "80/tcp", "8000-8010/udp" against a port of the container. */
static gboolean port_in(const char *want, int64_t port, const char *proto)
{
	char *end;
	int64_t first = strtoll(want, &end, 10);
	int64_t last = *end == '-' ? strtoll(end + 1, &end, 10) : first;
	const char *want_proto = *end == '/' ? end + 1 : "tcp";
	return port >= first && port <= last && g_ascii_strcasecmp(want_proto, proto) == 0;
}

static gboolean any_port_in(char **values, int64_t port, const char *proto)
{
	for (; *values; values++) {
		if (port_in(*values, port, proto))
			return TRUE;
	}
	return FALSE;
}

static gboolean match_publish(char **values, const ContainerSnapshot *s)
{
	GPtrArray *ports = s->endpoint ? s->endpoint->ports : NULL;
	for (guint i = 0; ports && i < ports->len; i++) {
		const NetPort *p = ports->pdata[i];
		if (p->host_port && any_port_in(values, p->container_port, p->proto))
			return TRUE;
	}
	return FALSE;
}

static gboolean match_port_keys(char **values, GHashTable *ports)
{
	GHashTableIter it;
	gpointer key;
	if (!ports)
		return FALSE;
	g_hash_table_iter_init(&it, ports);
	while (g_hash_table_iter_next(&it, &key, NULL)) {
		char *end;
		int64_t port = strtoll(key, &end, 10);
		if (any_port_in(values, port, *end == '/' ? end + 1 : "tcp"))
			return TRUE;
	}
	return FALSE;
}

static gboolean match_ports(const Query *q, Container *c, const ContainerSnapshot *s)
{
	char **publish = filters_get(q->req->filters, "publish");
	char **expose = filters_get(q->req->filters, "expose");
	if (publish && !match_publish(publish, s) &&
		!(s->state.running && match_port_keys(publish, c->host_config->port_bindings)))
		return FALSE;
	return !expose || match_port_keys(expose, c->config->exposed_ports) ||
	       match_port_keys(expose, c->host_config->port_bindings);
}

static gboolean match_network(const Query *q, Container *c)
{
	if (!filters_has(q->req->filters, "network"))
		return TRUE;
	const char *mode = c->host_config->network_mode;
	if (!mode || !*mode || strcmp(mode, "default") == 0)
		mode = "bridge";
	if (filters_match(q->req->filters, "network", mode))
		return TRUE;
	GHashTable *named = c->networking ? c->networking->endpoints_config : NULL;
	GHashTableIter it;
	gpointer key;
	if (!named)
		return FALSE;
	g_hash_table_iter_init(&it, named);
	while (g_hash_table_iter_next(&it, &key, NULL)) {
		if (filters_match(q->req->filters, "network", key))
			return TRUE;
	}
	return FALSE;
}

/* By the volume's name or by the place in the container. */
static gboolean match_volume(const Query *q, Container *c)
{
	const Filters *f = q->req->filters;
	if (!filters_has(f, "volume"))
		return TRUE;
	char **values = filters_get(f, "volume");
	for (guint i = 0; c->mounts && i < c->mounts->len; i++) {
		const MountPoint *m = c->mounts->pdata[i];
		const char *name = m->name ? m->name : m->source ? m->source : "";
		for (char **v = values; *v; v++) {
			g_autofree char *path = g_canonicalize_filename(*v, "/");
			if (strcmp(*v, name) == 0 ||
				(**v == '/' && strcmp(path, m->destination) == 0))
				return TRUE;
		}
	}
	return FALSE;
}

static gboolean matches(const Query *q, Container *c, const ContainerSnapshot *s)
{
	const Filters *f = q->req->filters;
	if (!s->state.running && !s->state.restarting && !q->all && !q->req->all &&
		q->req->limit <= 0 && !q->req->latest)
		return FALSE;
	if (!filters_any(f))
		return TRUE;
	if (!filters_match_prefix(f, "id", c->id) && !filters_match_regex(f, "id", c->id))
		return FALSE;
	if (filters_has(f, "name")) {
		g_autofree char *slash = g_strconcat("/", s->name, NULL);
		if (!filters_match_regex(f, "name", s->name) &&
			!filters_match_regex(f, "name", slash))
			return FALSE;
	}
	return filters_match(f, "status", container_status_name(s->state.status)) &&
	       filters_match_labels(f, "label", c->config->labels) &&
	       filters_match_no_labels(f, "label!", c->config->labels) &&
	       filters_match(f, "health", s->state.health ? s->state.health : "none") &&
	       filters_match(f, "isolation", "default") && match_exit_code(q, &s->state) &&
	       (!q->ancestors || g_hash_table_contains(q->ancestors, c->image_id)) &&
	       match_network(q, c) && match_volume(q, c) && match_ports(q, c, s);
}

char *container_list(Engine *e, const ListRequest *r, GError **error)
{
	g_auto(Query) q = {.req = r};
	gboolean is_task;
	if (!prepare(&q, e, error) ||
		!filters_get_bool(r->filters, "is-task", FALSE, &is_task, error))
		return NULL;
	if (is_task)
		return g_strdup("[]\n"); /* no container here belongs to a swarm */
	GString *out = g_string_sized_new(PIECE + PIECE / 4);
	const char *before = "[";
	int64_t left = r->latest ? 1 : r->limit > 0 ? r->limit : -1;
	g_autoptr(GPtrArray) all = container_all(e);
	g_autoptr(SummaryWriter) writer = summary_writer_new(e, r, all);
	gboolean seen_before = q.before == NULL;
	for (guint i = 0; i < all->len && left != 0; i++) {
		Container *c = all->pdata[i];
		if (q.since && strcmp(c->id, q.since->id) == 0)
			break;
		if (!seen_before) {
			seen_before = strcmp(c->id, q.before->id) == 0;
			continue;
		}
		g_autoptr(ContainerSnapshot) s = container_snapshot(c);
		if (!matches(&q, c, s))
			continue;
		g_string_append(out, before);
		before = ",";
		summary_append(writer, c, s, out);
		left -= left > 0;
		if (r->write && out->len >= PIECE) {
			if (r->write(r->write_arg, out->str, out->len) < 0)
				break;
			g_string_truncate(out, 0);
		}
	}
	g_string_append(out, *before == '[' ? "[]\n" : "]\n");
	return g_string_free(out, FALSE);
}
