/* SPDX-License-Identifier: MIT */
/* check.c - what the kernel has compared with what the engine knows, while it runs. */
#include "network/internal.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
	NetEngine *n;
	gboolean repair;
	NetPidOf pid_of;
	NetFinding found;
	void *arg;
} Check;

static void finding(const Check *k, gboolean repaired, const char *how, const char *what)
{
	g_autofree char *line = repaired ? g_strdup_printf("%s: %s", what, how) : g_strdup(what);
	k->found(k->arg, repaired, line);
}

static void check_firewall(const Check *k)
{
	NetEngine *n = k->n;
	NetFirewallState s;
	if (net_firewall_check(n->firewall, &s))
		return;
	gboolean done = FALSE;
	if (k->repair)
		done = net_firewall_repair(n->firewall, &done, NULL) && done;
	g_autofree char *foreign =
		s.foreign ? g_strdup_printf(", %u that nobody published", s.foreign) : NULL;
	g_autofree char *what = g_strdup_printf(
		"firewall table of %s: %u of %u rules, %u of %u published ports%s", n->info.bridge,
		s.rules, s.want_rules, s.elements, s.want_elements, foreign ? foreign : "");
	finding(k, done, "written again", what);
}

void net_mend_firewall(NetEngine *n)
{
	net_firewall_mend(n->firewall);
}

static void check_orphans(const Check *k)
{
	NetEngine *n = k->n;
	g_autoptr(GPtrArray) orphans = net_orphans(n);
	for (guint i = 0; i < orphans->len; i++) {
		g_autofree char *what = g_strdup_printf("interface %s on %s: of no container",
			(const char *)orphans->pdata[i], n->info.bridge);
		if (k->repair)
			net_pool_discard(n->pool, orphans->pdata[i], TRUE);
		finding(k, k->repair, "removed", what);
	}
}

typedef struct {
	char *id;
	Attached a; /* without ports */
	NetLink link;
	const char *fault;
} Damage;

static void damage_free(gpointer data)
{
	Damage *d = data;
	g_free(d->id);
	g_free(d);
}

static GPtrArray *find_damage(NetEngine *n)
{
	GPtrArray *found = g_ptr_array_new_with_free_func(damage_free);
	g_autoptr(GHashTable) links = net_links_by_name(n, NULL);
	GHashTableIter it;
	gpointer id, value;
	g_mutex_lock(&n->lock);
	g_hash_table_iter_init(&it, n->attached);
	while (links && g_hash_table_iter_next(&it, &id, &value)) {
		const Attached *a = value;
		NetLink key = {0};
		g_strlcpy(key.name, a->veth, sizeof key.name);
		const NetLink *l = g_hash_table_lookup(links, &key);
		const char *fault = net_attached_fault(n, a, l);
		if (!fault)
			continue;
		Damage *d = g_new0(Damage, 1);
		d->id = g_strdup(id);
		d->a = *a;
		d->a.ports = NULL;
		d->fault = fault;
		if (l)
			d->link = *l;
		g_ptr_array_add(found, d);
	}
	g_mutex_unlock(&n->lock);
	return found;
}

/* A container that has ended meanwhile was right to lose its interface. */
static gboolean is_attached(NetEngine *n, const char *id)
{
	g_mutex_lock(&n->lock);
	gboolean attached = g_hash_table_contains(n->attached, id);
	g_mutex_unlock(&n->lock);
	return attached;
}

/* A process that is ending has no network any more, and its interface goes with it. */
static gboolean has_network(int64_t pid)
{
	char path[48];
	struct stat st;
	snprintf(path, sizeof path, "/proc/%" G_GINT64_FORMAT "/ns/net", pid);
	return pid > 0 && stat(path, &st) == 0;
}

/* Looks again: it may have come, or be about to go, while all were looked at. */
static gboolean still_damaged(NetEngine *n, Damage *d, int64_t pid)
{
	g_mutex_lock(&n->nl_lock);
	gboolean known = net_link_get(n->nl, d->a.veth, &d->link, NULL);
	g_mutex_unlock(&n->nl_lock);
	d->fault = known ? net_attached_fault(n, &d->a, d->link.index ? &d->link : NULL) : NULL;
	return d->fault && (d->link.index || has_network(pid)) && is_attached(n, d->id);
}

static void check_interfaces(const Check *k)
{
	NetEngine *n = k->n;
	g_rw_lock_reader_lock(&n->sweep);
	g_autoptr(GPtrArray) damage = find_damage(n);
	for (guint i = 0; i < damage->len; i++) {
		Damage *d = damage->pdata[i];
		g_autoptr(GError) error = NULL;
		int64_t pid = k->pid_of ? k->pid_of(k->arg, d->id) : 0;
		if (!still_damaged(n, d, pid))
			continue;
		gboolean done = k->repair && net_attached_mend(n, &d->a, &d->link, pid, &error);
		if (!is_attached(n, d->id)) {
			if (done)
				net_pool_discard(n->pool, d->a.veth, TRUE);
			continue;
		}
		g_autofree char *what = g_strdup_printf("container %.12s: interface %s is %s%s%s",
			d->id, d->a.veth, d->fault, error ? ": " : "", error ? error->message : "");
		finding(k, done, "put back", what);
	}
	g_rw_lock_reader_unlock(&n->sweep);
}

/* The bridge by its name: one that was deleted and made again by somebody is another. */
static const char *bridge_fault(NetEngine *n, NetLink *l)
{
	NetCidr have = {0};
	if (!net_link_get(n->nl, n->info.bridge, l, NULL) || !l->index)
		return "is gone";
	if (l->index != n->bridge)
		return "is another";
	if (!net_link_address(n->nl, l->index, &have, NULL) || have.ip != n->address.ip)
		return "lacks its address";
	return l->up ? NULL : "is down";
}

static gboolean mend_bridge(NetEngine *n, const NetLink *l)
{
	NetLink made = *l;
	if (!l->index && (!net_bridge_create(n->nl, n->info.bridge, (int)n->info.mtu, NULL) ||
				 !net_link_get(n->nl, n->info.bridge, &made, NULL) || !made.index))
		return FALSE;
	if (l->index && strcmp(l->kind, "bridge") != 0)
		return FALSE;
	if (!net_bridge_claim(n, made.index, NULL) ||
		!net_link_setup(n->nl, made.index, n->address, NULL) ||
		!net_bridge_localnet(n->info.bridge, NULL))
		return FALSE;
	n->bridge = made.index;
	return TRUE;
}

static void check_bridge(const Check *k)
{
	NetEngine *n = k->n;
	NetLink l;
	/* Exclusively: nobody is being connected to a bridge that changes. */
	g_rw_lock_writer_lock(&n->sweep);
	g_mutex_lock(&n->nl_lock);
	int before = n->bridge;
	const char *fault = bridge_fault(n, &l);
	gboolean done = fault && k->repair && mend_bridge(n, &l);
	int bridge = n->bridge;
	g_mutex_unlock(&n->nl_lock);
	g_rw_lock_writer_unlock(&n->sweep);
	if (done && bridge != before)
		net_pool_set_bridge(n->pool, bridge);
	if (!fault)
		return;
	g_autofree char *what =
		g_strdup_printf("bridge %s (%s) %s", n->info.bridge, n->info.gateway, fault);
	finding(k, done, "put back", what);
}

void net_check(NetEngine *n, gboolean repair, NetPidOf pid_of, NetFinding found, void *arg)
{
	const Check k = {n, repair, pid_of, found, arg};
	check_bridge(&k);
	check_firewall(&k);
	check_orphans(&k);
	check_interfaces(&k);
}
