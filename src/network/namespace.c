/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Making a network namespace and a veth pair costs a few hundred microseconds under the kernel's
 * rtnl lock, deleting a pair costs more; neither belongs on the way of a container that starts or
 * ends. One thread does both, the pool's, and it stays in the host's namespace as all others do.
 * Another is entered by a thread that lives for that one visit: unshare(2) makes a new one, a
 * descriptor keeps it, a netlink socket opened there stays in it, and the thread is over. So there
 * is no way back that could fail, and nobody lingers who would keep a dead container's veth alive.
 *
 * The pair is created down and raised when it is complete (raising an end whose peer is still being
 * set up costs 24 ms of rolling back). It waits raised: the carrier of a veth takes effect some
 * time after the fact, and that time is not a container's.
 *
 * A container in a user namespace brings a network namespace that belongs to it, which cannot be
 * made ahead: that one is furnished while its start waits.
 *
 * Work is done in this order: what somebody waits for, deletions, refilling, which begins when half
 * of a kind is gone, a moment after the start that took it, and then fills up. Nothing is kept on
 * disk: a namespace lives by its descriptors, so a killed process leaves nothing behind.
 */
#include "network/namespace.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <unistd.h>

#define SELF_NETNS "/proc/thread-self/ns/net"
#define DISCARD_DELAY_USEC (2 * G_USEC_PER_SEC)
/* Making a namespace keeps a processor busy for about a millisecond: not one that a container which
 * has just been started, and may be short, is using. */
#define REFILL_DELAY_USEC (20 * 1000)
/* Uses of one private /proc. The kernel keeps the entries of all network namespaces' /proc/sys/net
 * in one chain for each name, and walks it. */
#define PROC_USES 32

typedef struct {
	gint64 due; /* monotonic, microseconds */
	char name[NET_IFNAME];
} Doomed;

/* A namespace that somebody brought. */
typedef struct {
	int netns;
	gboolean veth, done;
	NetSlot *slot;
	GError *error;
} Order;

struct NetPool {
	NetPoolConfig config;
	GThread *thread;
	NetNl *nl;      /* the thread's own, in the host's namespace */
	uint32_t group; /* marks what is being deleted */
	int proc;       /* a mount of the visitors' own; -1: not yet, or there cannot be one */
	guint proc_uses;

	GMutex lock;
	GCond changed;
	/* below: under lock */
	gboolean stop, filling;
	gint64 refill_at;    /* monotonic, 0: not asked for */
	GQueue ready, bare;  /* NetSlot */
	GQueue doomed;       /* Doomed */
	GPtrArray *deleting; /* names of the veths that are being deleted, or NULL */
	GQueue orders;       /* Order: of those who wait for them */
	guint waiting, waiting_bare;
	GError *failure; /* of the last attempt, for those who wait */
	guint64 attempts_failed;
	char making[NET_IFNAME]; /* name of the veth that is being created */
};

void net_slot_free(NetSlot *s)
{
	if (!s)
		return;
	net_nl_free(s->nl);
	dh_close(&s->netns);
	g_free(s);
}

/* ---- in another namespace ---- */

/* What a thread is sent for: a socket, and with a pool all of a slot that is made there. */
typedef struct {
	NetPool *pool;
	int netns; /* -1: a new one */
	int ret_netns;
	NetNl *nl;
	GError *error;
} Visit;

/* Of each namespace from its beginning; what a user asks for with --sysctl is set later and wins. A
 * failure is none: the kernel may not have the thing. */
static const struct {
	const char *path, *value;
} settings[] = {
	/* For interfaces to come; the loopback keeps ::1. */
	{"sys/net/ipv6/conf/default/disable_ipv6", "1"},
	/* In a container any user may take port 80 and ping without CAP_NET_RAW. */
	{"sys/net/ipv4/ip_unprivileged_port_start", "0"},
	{"sys/net/ipv4/ping_group_range", "0 2147483647"},
};

/* A mount of procfs that nothing else sees, or -1. */
static int mount_proc(void)
{
	dh_autofd int fs = fsopen("proc", FSOPEN_CLOEXEC);
	if (fs == -1 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == -1)
		return -1;
	return fsmount(
		fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

static void configure(NetPool *p)
{
	if (p->proc_uses++ % PROC_USES == 0) {
		dh_close(&p->proc);
		p->proc = mount_proc();
	}
	dh_autofd int machine =
		p->proc == -1 ? open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	for (size_t i = 0; i < G_N_ELEMENTS(settings); i++)
		(void)dh_write_kernel_file(
			p->proc == -1 ? machine : p->proc, settings[i].path, settings[i].value);
}

static gboolean furnish(Visit *v)
{
	v->ret_netns = open(SELF_NETNS, O_RDONLY | O_CLOEXEC);
	if (v->ret_netns == -1)
		return dh_error_errno(&v->error, errno, "cannot open %s", SELF_NETNS);
	if (!net_loopback_up(v->nl, &v->error))
		return FALSE;
	configure(v->pool);
	return TRUE;
}

static gpointer visit(gpointer data)
{
	Visit *v = data;
	if ((v->netns == -1 ? unshare(CLONE_NEWNET) : setns(v->netns, CLONE_NEWNET)) == -1) {
		dh_error_errno(&v->error, errno, "cannot %s a network namespace",
			v->netns == -1 ? "create" : "enter");
		return NULL;
	}
	v->nl = net_nl_new(NETLINK_ROUTE, &v->error);
	if (v->nl && v->pool && !furnish(v))
		g_clear_pointer(&v->nl, net_nl_free);
	return NULL;
}

static gboolean send_visitor(Visit *v, GError **error)
{
	v->ret_netns = -1;
	GThread *t = g_thread_try_new("net-visit", visit, v, error);
	if (!t)
		return FALSE;
	g_thread_join(t);
	if (v->nl)
		return TRUE;
	dh_close(&v->ret_netns);
	g_propagate_error(error, v->error);
	return FALSE;
}

NetNl *net_namespace_socket(int netns, GError **error)
{
	Visit v = {.netns = netns};
	return send_visitor(&v, error) ? v.nl : NULL;
}

/* ---- in the pool's thread ---- */

/* netns: one that is there, or -1: a new one. */
static NetSlot *make_bare(NetPool *p, int netns, GError **error)
{
	Visit v = {.pool = p, .netns = netns};
	if (!send_visitor(&v, error))
		return NULL;
	NetSlot *s = g_new0(NetSlot, 1);
	s->netns = v.ret_netns;
	s->nl = v.nl;
	return s;
}

static gboolean make_veth(NetPool *p, NetSlot *s, GError **error)
{
	uint8_t r[5];
	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		return dh_error_errno(error, errno, "cannot get random bytes");
	g_mutex_lock(&p->lock);
	snprintf(s->veth, sizeof(s->veth), "dh%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3], r[4]);
	memcpy(p->making, s->veth, sizeof(p->making));
	g_mutex_unlock(&p->lock);
	NetVeth v = {
		.name = s->veth,
		.netns = s->netns,
		.bridge = p->config.bridge,
		.mtu = p->config.mtu,
		.isolated = p->config.isolated,
	};
	NetLink eth0;
	if (!net_veth_create(p->nl, &v, &s->host_index, error) ||
		!net_link_get(s->nl, "eth0", &eth0, error))
		return FALSE;
	s->peer_index = eth0.index;
	/* Raised only now that both ends are finished, and used only when the carrier has settled:
	 * until then the first packets would be lost, and a lost SYN costs a second. */
	return net_link_up(s->nl, s->peer_index, error) &&
	       net_link_up(p->nl, s->host_index, error) && net_link_settle(s->nl, "eth0", error) &&
	       net_link_settle(p->nl, s->veth, error);
}

/* With the lock held; releases it for the work. */
static void refill(NetPool *p, gboolean veth)
{
	/* A namespace that is ready saves half the work. */
	NetSlot *s = veth ? g_queue_pop_head(&p->bare) : NULL;
	g_mutex_unlock(&p->lock);
	g_autoptr(GError) error = NULL;
	if (!s)
		s = make_bare(p, -1, &error);
	if (s && veth && !make_veth(p, s, &error))
		g_clear_pointer(&s, net_slot_free);
	g_mutex_lock(&p->lock);
	p->making[0] = '\0';
	if (s) {
		g_queue_push_tail(veth ? &p->ready : &p->bare, s);
		g_clear_error(&p->failure);
	} else {
		g_clear_error(&p->failure);
		p->failure = g_steal_pointer(&error);
		p->attempts_failed++;
	}
	g_cond_broadcast(&p->changed);
}

/* With the lock held; releases it for the work. */
static void serve(NetPool *p)
{
	Order *o = g_queue_pop_head(&p->orders);
	g_mutex_unlock(&p->lock);
	NetSlot *s = make_bare(p, o->netns, &o->error);
	if (s && o->veth && !make_veth(p, s, &o->error))
		g_clear_pointer(&s, net_slot_free);
	g_mutex_lock(&p->lock);
	p->making[0] = '\0';
	o->slot = s;
	o->done = TRUE;
	g_cond_broadcast(&p->changed);
}

/* Deletes what is due; at the end everything, what was kept ready included. With the lock held;
 * releases it for the work. */
static void delete_due(NetPool *p)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	gint64 now = p->stop ? G_MAXINT64 : g_get_monotonic_time();
	Doomed *d;
	while ((d = g_queue_peek_head(&p->doomed)) && d->due <= now) {
		g_ptr_array_add(names, g_strdup(d->name));
		g_free(g_queue_pop_head(&p->doomed));
	}
	for (GList *l = p->stop ? p->ready.head : NULL; l; l = l->next)
		g_ptr_array_add(names, g_strdup(((NetSlot *)l->data)->veth));
	if (!names->len)
		return;
	p->deleting = names;
	g_mutex_unlock(&p->lock);
	net_link_delete_all(p->nl, names, p->group, NULL);
	g_mutex_lock(&p->lock);
	p->deleting = NULL;
}

static gboolean is_due(const NetPool *p)
{
	const Doomed *d = g_queue_peek_head((GQueue *)&p->doomed);
	return d && d->due <= g_get_monotonic_time();
}

static void idle(NetPool *p)
{
	const Doomed *d = g_queue_peek_head(&p->doomed);
	gint64 until = d ? d->due : 0;
	if (p->refill_at && !p->failure)
		until = until ? MIN(until, p->refill_at) : p->refill_at;
	if (until)
		g_cond_wait_until(&p->changed, &p->lock, until);
	else
		g_cond_wait(&p->changed, &p->lock);
}

/* Which kind of slot to make without anybody waiting; FALSE: none. */
static gboolean is_short(NetPool *p, gboolean *ret_veth)
{
	if (p->failure)
		return FALSE; /* only for somebody who will hear of it */
	if (p->refill_at && p->refill_at <= g_get_monotonic_time()) {
		p->refill_at = 0;
		p->filling = TRUE;
	}
	*ret_veth = p->ready.length < p->config.depth;
	p->filling = p->filling && (*ret_veth || p->bare.length < p->config.bare_depth);
	return p->filling;
}

static gpointer pool_thread(gpointer data)
{
	NetPool *p = data;
	gboolean veth;
	g_mutex_lock(&p->lock);
	for (;;) {
		if (p->orders.length)
			serve(p);
		else if (p->waiting > p->ready.length)
			refill(p, TRUE);
		else if (p->waiting_bare > p->bare.length)
			refill(p, FALSE);
		else if (p->stop)
			break;
		else if (is_due(p))
			delete_due(p);
		else if (is_short(p, &veth))
			refill(p, veth);
		else
			idle(p);
	}
	delete_due(p);
	g_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- outside ---- */

NetPool *net_pool_new(const NetPoolConfig *config, GError **error)
{
	NetPool *p = g_new0(NetPool, 1);
	p->config = *config;
	do
		p->group = g_random_int();
	while (p->group <= G_MAXUINT16); /* the numbers that people use */
	g_mutex_init(&p->lock);
	g_cond_init(&p->changed);
	p->proc = -1;
	p->nl = net_nl_new(NETLINK_ROUTE, error);
	if (p->nl)
		p->thread = g_thread_try_new("net-pool", pool_thread, p, error);
	if (!p->thread) {
		net_pool_free(p);
		return NULL;
	}
	return p;
}

void net_pool_free(NetPool *p)
{
	if (!p)
		return;
	if (p->thread) {
		g_mutex_lock(&p->lock);
		p->stop = TRUE;
		g_cond_broadcast(&p->changed);
		g_mutex_unlock(&p->lock);
		g_thread_join(p->thread);
	}
	NetSlot *s;
	while ((s = g_queue_pop_head(&p->ready)) || (s = g_queue_pop_head(&p->bare)))
		net_slot_free(s);
	net_nl_free(p->nl);
	dh_close(&p->proc);
	g_queue_clear_full(&p->doomed, g_free);
	g_clear_error(&p->failure);
	g_mutex_clear(&p->lock);
	g_cond_clear(&p->changed);
	g_free(p);
}

static NetSlot *take(NetPool *p, GQueue *q, guint *waiting, GError **error)
{
	g_mutex_lock(&p->lock);
	(*waiting)++;
	guint64 failed = p->attempts_failed;
	if (!q->length)
		g_cond_broadcast(&p->changed);
	while (!q->length && p->attempts_failed == failed)
		g_cond_wait(&p->changed, &p->lock);
	(*waiting)--;
	NetSlot *s = g_queue_pop_head(q);
	if (!s)
		g_propagate_error(error, p->failure ? g_error_copy(p->failure)
						    : g_error_new_literal(DH_ERROR, DH_ERROR_SYSTEM,
							      "no network namespace"));
	g_mutex_unlock(&p->lock);
	return s;
}

NetSlot *net_pool_take(NetPool *p, GError **error)
{
	return take(p, &p->ready, &p->waiting, error);
}

int net_pool_take_bare(NetPool *p, GError **error)
{
	g_autoptr(NetSlot) s = take(p, &p->bare, &p->waiting_bare, error);
	return s ? dh_steal_fd(&s->netns) : -1;
}

NetSlot *net_pool_furnish(NetPool *p, int netns, gboolean veth, GError **error)
{
	Order o = {.netns = netns, .veth = veth};
	g_mutex_lock(&p->lock);
	g_queue_push_tail(&p->orders, &o);
	g_cond_broadcast(&p->changed);
	while (!o.done)
		g_cond_wait(&p->changed, &p->lock);
	g_mutex_unlock(&p->lock);
	if (o.error)
		g_propagate_error(error, o.error);
	return o.slot;
}

void net_pool_refill(NetPool *p)
{
	g_mutex_lock(&p->lock);
	gboolean low = p->ready.length <= p->config.depth / 2 ||
		       p->bare.length <= p->config.bare_depth / 2;
	if (low && !p->refill_at && !p->filling) {
		p->refill_at = g_get_monotonic_time() + REFILL_DELAY_USEC;
		g_cond_broadcast(&p->changed);
	}
	g_mutex_unlock(&p->lock);
}

void net_pool_discard(NetPool *p, const char *veth, gboolean now)
{
	Doomed *d = g_new0(Doomed, 1);
	g_strlcpy(d->name, veth, sizeof(d->name));
	g_mutex_lock(&p->lock);
	if (now) {
		g_queue_push_head(&p->doomed, d);
		g_cond_broadcast(&p->changed);
	} else {
		d->due = g_get_monotonic_time() + DISCARD_DELAY_USEC;
		g_queue_push_tail(&p->doomed, d);
		if (p->doomed.length == 1)
			g_cond_broadcast(&p->changed);
	}
	g_mutex_unlock(&p->lock);
}

void net_pool_set_bridge(NetPool *p, int bridge)
{
	NetSlot *s;
	g_mutex_lock(&p->lock);
	p->config.bridge = bridge;
	while ((s = g_queue_pop_head(&p->ready))) {
		Doomed *d = g_new0(Doomed, 1);
		g_strlcpy(d->name, s->veth, sizeof(d->name));
		g_queue_push_head(&p->doomed, d);
		net_slot_free(s);
	}
	p->filling = TRUE;
	g_cond_broadcast(&p->changed);
	g_mutex_unlock(&p->lock);
}

static int slot_has_name(gconstpointer slot, gconstpointer name)
{
	return strcmp(((const NetSlot *)slot)->veth, name);
}

static int doomed_has_name(gconstpointer doomed, gconstpointer name)
{
	return strcmp(((const Doomed *)doomed)->name, name);
}

gboolean net_pool_owns(NetPool *p, const char *veth)
{
	g_mutex_lock(&p->lock);
	gboolean owns = strcmp(p->making, veth) == 0 ||
			g_queue_find_custom(&p->ready, veth, slot_has_name) ||
			g_queue_find_custom(&p->doomed, veth, doomed_has_name) ||
			(p->deleting && g_ptr_array_find_with_equal_func(
						p->deleting, veth, g_str_equal, NULL));
	g_mutex_unlock(&p->lock);
	return owns;
}
