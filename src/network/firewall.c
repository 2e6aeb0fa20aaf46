/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Each engine has one table `inet <bridge>`, so that engines side by side do not touch each other's
 * rules, and the rules never grow: a published port is one element of a map.
 *
 *   ports      proto . host port                -> container address . port   (published on
 * 0.0.0.0) ports_on   host address . proto . host port -> container address . port   (on that
 * address)
 *
 *   prerouting  packets from outside and from containers; output: from this host. Both look the
 *               destination up, 0.0.0.0 meaning any address that is local to this host. Loopback
 *               destinations are not looked up in prerouting: a neighbour on the wire could
 *               otherwise address 127.0.0.1 here, and the kernel checks for that only afterwards.
 *   raw         containers cannot reach the host's loopback, which route_localnet (needed so that a
 *               process here reaches a published port at 127.0.0.1) would let them do.
 *   forward     into the bridge passes only what answers, what was translated here, and, with icc,
 *               what comes from the bridge. All else is dropped: knowing the route to the
 *               container's subnet opens nothing. (This is done here and not before connection
 *               tracking because answers are known only after it; containers without masquerading
 *               are answered at their own address.)
 *   postrouting containers leave with the host's address. Who comes in through a published port
 *               from a container or from 127.0.0.1 gets the bridge's address, so that the answer
 *               comes back this way to be translated back.
 *
 * The rules are written as text through libnftables, once, at start. libnftables first reads the
 * kernel's tables back, all of them, for whatever it does: 0.2 to 0.5 ms an element on an otherwise
 * empty host, more on a full one. Elements are therefore sent as netlink messages directly (20 us).
 *
 * A table that somebody flushed or deleted is noticed at once (firewall_watch.h), or at the latest
 * when the next port is published (ENOENT), and written again with everything in it. Whether it is
 * whole is told by its elements and by the number of its rules: who only takes away rules is meant
 * here, not who forges them.
 *
 * A daemon that starts finds the table of the one before: an empty chain, named after a digest of
 * the text, says which text it was made from. If that is ours and no rule is missing, nothing is
 * written at all, and of the elements only those that differ.
 */
#include "network/firewall.h"

#include "base/error.h"
#include "network/conntrack.h"
#include "network/firewall_watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <nftables/libnftables.h>
#include <string.h>

#define MARK "text_"
#define REBUILDS 5 /* of a table that somebody keeps taking away */
#define CHUNK 100  /* elements in a batch: well below what one NetNl batch holds */

struct NetFirewall {
	GMutex lock;
	char *bridge, *table;
	NetFirewallConfig config;
	NetNl *nl;
	char *mark;        /* name of the chain that tells the text */
	GHashTable *owned; /* NetMapping by address, protocol and port */
	guint rules;       /* that the table has when it is whole */
	NetFirewallWatch *watch;
};

/* ---- the table, as text ---- */

char *net_firewall_table_name(const char *bridge)
{
	/* Words of nft's language have no digits and no '-', but for these. */
	static const char *const words[] = {"icmpv6", "igmpv3", "ip6", "ipv4", "ipv6", "l4proto",
		"l4proto", "rt0", "rt2", "rt4", "sack-perm", "sack-permitted", "sack0", "sack1",
		"sack2", "sack3", "sha1", "sha256", NULL};
	if (g_ascii_isalpha(bridge[0]) && strpbrk(bridge, "0123456789-") &&
		!g_strv_contains(words, bridge))
		return g_strdup(bridge);
	return g_strconcat("dhow-", bridge, NULL);
}

static char *table_text(const NetFirewall *f)
{
	const char *t = f->table, *br = f->bridge;
	g_autofree char *subnet =
		net_cidr_text((NetCidr){net_first(f->config.subnet), f->config.subnet.len});
	GString *s = g_string_new(NULL);
	g_string_append_printf(s,
		"table inet %s {\n"
		"map ports { type inet_proto . inet_service : ipv4_addr . inet_service; }\n"
		"map ports_on { type ipv4_addr . inet_proto . inet_service :"
		" ipv4_addr . inet_service; }\n"
		"chain publish {\n"
		" dnat ip to ip daddr . meta l4proto . th dport map @ports_on\n"
		" fib daddr type local dnat ip to meta l4proto . th dport map @ports\n"
		"}\n"
		"chain raw {\n"
		" type filter hook prerouting priority raw; policy accept;\n"
		" iifname \"%s\" ip daddr 127.0.0.0/8 drop\n"
		"}\n"
		"chain prerouting {\n"
		" type nat hook prerouting priority dstnat; policy accept;\n"
		" ip daddr != 127.0.0.0/8 meta l4proto { tcp, udp, sctp } jump publish\n"
		"}\n"
		"chain output {\n"
		" type nat hook output priority -100; policy accept;\n"
		" meta nfproto ipv4 meta l4proto { tcp, udp, sctp } jump publish\n"
		"}\n",
		t, br);
	g_string_append_printf(s,
		"chain forward {\n"
		" type filter hook forward priority filter; policy accept;\n"
		" oifname != \"%s\" accept\n"
		" ct state established,related accept\n"
		" ct status dnat accept\n"
		" iifname \"%s\" %s\n"
		" drop\n"
		"}\n"
		"chain postrouting {\n"
		" type nat hook postrouting priority srcnat; policy accept;\n",
		br, br, f->config.icc ? "accept" : "drop");
	if (f->config.ip_masq)
		g_string_append_printf(
			s, " oifname != \"%s\" ip saddr %s masquerade\n", br, subnet);
	g_string_append_printf(s,
		" oifname \"%s\" ip saddr 127.0.0.0/8 masquerade\n"
		" oifname \"%s\" ip saddr %s ct status dnat masquerade\n"
		"}\n"
		"}\n",
		br, br, subnet);
	return g_string_free(s, FALSE);
}

/* libnftables keeps state outside its contexts: one at a time. A context holds caches of a megabyte
 * and is needed once, so it does not stay. */
static gboolean run_nft(const char *text, GError **error)
{
	static GMutex one;
	g_mutex_lock(&one);
	gboolean ok = FALSE;
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!ctx) {
		dh_error(error, DH_ERROR_SYSTEM, "cannot start nftables");
	} else if (nft_ctx_buffer_error(ctx) || nft_ctx_buffer_output(ctx)) {
		dh_error(error, DH_ERROR_SYSTEM, "cannot start nftables: out of memory");
	} else if (nft_run_cmd_from_buffer(ctx, text)) {
		g_autofree char *why = g_strdup(nft_ctx_get_error_buffer(ctx));
		if (why)
			why[strcspn(why, "\n")] = '\0';
		dh_error(error, DH_ERROR_SYSTEM, "cannot write firewall rules: %s",
			why && *why ? why : "nftables failed");
	} else {
		ok = TRUE;
	}
	if (ctx)
		nft_ctx_free(ctx);
	g_mutex_unlock(&one);
	return ok;
}

/* Lines with a rule are indented and are no chain's description. */
static guint count_rules(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	guint n = 0;
	for (char **l = lines; *l; l++)
		n += **l == ' ' && !g_str_has_prefix(*l, " type ");
	return n;
}

typedef struct {
	const char *table;
	GPtrArray *names;
} Marks;

/* The kernel lists the chains of all tables, other engines' too, whichever was asked for. */
static void take_mark(const struct nlmsghdr *nlh, void *arg)
{
	Marks *m = arg;
	const char *table = "", *name = "";
	const struct nlattr *attr;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
			continue;
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_TABLE)
			table = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == NFTA_CHAIN_NAME)
			name = mnl_attr_get_str(attr);
	}
	if (strcmp(table, m->table) == 0 && g_str_has_prefix(name, MARK))
		g_ptr_array_add(m->names, g_strdup(name));
}

/* Names of the marks in the kernel's table. */
static GPtrArray *list_marks(NetFirewall *f)
{
	GPtrArray *marks = g_ptr_array_new_with_free_func(g_free);
	Marks m = {f->table, marks};
	(void)net_nl_dump_table(f->nl, NFT_MSG_GETCHAIN, f->table, NULL, take_mark, &m);
	return marks;
}

static gboolean write_table(NetFirewall *f, GError **error)
{
	g_autofree char *body = table_text(f);
	g_autoptr(GPtrArray) marks = list_marks(f);
	/* "add" before "delete" or "flush": neither fails when the table is not there. */
	g_autoptr(GString) keep = g_string_new(NULL);
	g_string_append_printf(
		keep, "add table inet %s\nflush table inet %s\n", f->table, f->table);
	for (guint i = 0; i < marks->len; i++)
		g_string_append_printf(
			keep, "delete chain inet %s %s\n", f->table, (char *)marks->pdata[i]);
	g_string_append_printf(keep, "%sadd chain inet %s %s\n", body, f->table, f->mark);
	if (run_nft(keep->str, NULL))
		return TRUE;
	/* What is there has other maps or hooks (another version of ours): begin anew. */
	g_autofree char *replace = g_strdup_printf("add table inet %s\ndelete table inet %s\n%s"
						   "add chain inet %s %s\n",
		f->table, f->table, body, f->table, f->mark);
	return run_nft(replace, error);
}

/* ---- elements, as messages ---- */

static struct nlmsghdr *put_nft(NetNl *nl, uint16_t type, uint16_t flags, const char *what)
{
	struct nlmsghdr *nlh =
		net_nl_add(nl, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, what);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = NFPROTO_INET;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

static void put_bracket(NetNl *nl, uint16_t type)
{
	struct nlmsghdr *nlh = net_nl_add(nl, type, 0, "change firewall");
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(NFNL_SUBSYS_NFTABLES);
	net_nl_no_reply(nl);
}

static void put_value(struct nlmsghdr *nlh, uint16_t attr, const void *value, size_t n)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, attr);
	mnl_attr_put(nlh, NFTA_DATA_VALUE, n, value);
	mnl_attr_nest_end(nlh, nest);
}

/* Concatenations: every part padded to 32 bits, all in network order. */
static void put_element(struct nlmsghdr *nlh, const NetMapping *m, gboolean with_data)
{
	uint8_t key[12] = {0}, data[8] = {0};
	uint32_t ip = htonl(m->host_ip), to_ip = htonl(m->container_ip);
	uint16_t port = htons(m->host_port), to_port = htons(m->container_port);
	size_t n = 0;
	if (m->host_ip) {
		memcpy(key, &ip, 4);
		n = 4;
	}
	key[n] = m->proto;
	memcpy(key + n + 4, &port, 2);
	memcpy(data, &to_ip, 4);
	memcpy(data + 4, &to_port, 2);
	struct nlattr *elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	put_value(nlh, NFTA_SET_ELEM_KEY, key, n + 8);
	if (with_data)
		put_value(nlh, NFTA_SET_ELEM_DATA, data, sizeof(data));
	mnl_attr_nest_end(nlh, elem);
}

/* Those of the mappings that live in one of the two maps, as one message. */
static void put_elements(
	NetFirewall *f, gboolean add, gboolean on_address, const NetMapping *m, guint n)
{
	guint here = 0;
	for (guint i = 0; i < n; i++)
		here += (m[i].host_ip != 0) == on_address;
	if (!here)
		return;
	struct nlmsghdr *nlh = put_nft(f->nl, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
		add ? NLM_F_CREATE : 0, add ? "publish port" : "withdraw port");
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, f->table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, on_address ? "ports_on" : "ports");
	struct nlattr *list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (guint i = 0; i < n; i++)
		if ((m[i].host_ip != 0) == on_address)
			put_element(nlh, &m[i], add);
	mnl_attr_nest_end(nlh, list);
}

static void put_flush(NetFirewall *f, const char *map)
{
	struct nlmsghdr *nlh = put_nft(f->nl, NFT_MSG_DELSETELEM, 0, "empty port map");
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, f->table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, map);
}

/* One transaction with at most CHUNK mappings. 0 or a negative errno. */
static int transact(
	NetFirewall *f, gboolean flush, gboolean add, const NetMapping *m, guint n, GError **error)
{
	net_nl_begin(f->nl);
	put_bracket(f->nl, NFNL_MSG_BATCH_BEGIN);
	if (flush) {
		put_flush(f, "ports");
		put_flush(f, "ports_on");
	}
	put_elements(f, add, FALSE, m, n);
	put_elements(f, add, TRUE, m, n);
	put_bracket(f->nl, NFNL_MSG_BATCH_END);
	return net_nl_send(f->nl, error);
}

/* Any number, all or the first error. */
static int transact_all(
	NetFirewall *f, gboolean flush, gboolean add, const NetMapping *m, guint n, GError **error)
{
	int r = 0;
	for (guint i = 0; (i < n || (i == 0 && flush)) && r == 0; i += CHUNK)
		r = transact(f, flush && i == 0, add, m + i, MIN(CHUNK, n - i), error);
	return r;
}

static void withdraw(NetFirewall *f, const NetMapping *m, guint n)
{
	if (transact_all(f, FALSE, FALSE, m, n, NULL) == 0)
		return;
	/* One that is missing keeps a whole transaction from happening. */
	for (guint i = 0; i < n; i++)
		transact(f, FALSE, FALSE, &m[i], 1, NULL);
}

static guint mapping_hash(gconstpointer p)
{
	const NetMapping *m = p;
	return m->host_ip * 31u + m->host_port * 7u + m->proto;
}

static gboolean mapping_equal(gconstpointer x, gconstpointer y)
{
	const NetMapping *a = x, *b = y;
	return a->host_ip == b->host_ip && a->host_port == b->host_port && a->proto == b->proto;
}

static GHashTable *mapping_set(void)
{
	return g_hash_table_new_full(mapping_hash, mapping_equal, g_free, NULL);
}

static void own(NetFirewall *f, const NetMapping *m, guint n)
{
	for (guint i = 0; i < n; i++)
		g_hash_table_add(f->owned, g_memdup2(&m[i], sizeof *m));
}

static GArray *owned_list(NetFirewall *f)
{
	GArray *all =
		g_array_sized_new(FALSE, FALSE, sizeof(NetMapping), g_hash_table_size(f->owned));
	GHashTableIter it;
	gpointer m;
	g_hash_table_iter_init(&it, f->owned);
	while (g_hash_table_iter_next(&it, &m, NULL))
		g_array_append_vals(all, m, 1);
	return all;
}

/* The table is gone: write it and all that belongs in it. Somebody may take it away again between
 * the one and the other. */
static int rebuild(NetFirewall *f, GError **error)
{
	g_autoptr(GArray) all = owned_list(f);
	g_autoptr(GError) first = NULL;
	int r = 0;
	for (int i = 0; i < REBUILDS; i++) {
		g_clear_error(&first);
		if (!write_table(f, error))
			return -EIO;
		r = transact_all(f, TRUE, TRUE, (const NetMapping *)all->data, all->len, &first);
		if (r != -ENOENT)
			break;
	}
	if (r)
		g_propagate_error(error, g_steal_pointer(&first));
	return r;
}

static int publish(NetFirewall *f, const NetMapping *m, guint n, GError **error)
{
	g_autoptr(GError) first = NULL;
	int r = transact_all(f, FALSE, TRUE, m, n, &first);
	if (r == -ENOENT) {
		r = rebuild(f, error);
		return r ? r : transact_all(f, FALSE, TRUE, m, n, error);
	}
	if (r == -EEXIST || r == -EBUSY) {
		/* Left by a container that ended while no daemon was there: the port is ours. */
		withdraw(f, m, n);
		return transact_all(f, FALSE, TRUE, m, n, error);
	}
	if (r)
		g_propagate_error(error, g_steal_pointer(&first));
	return r;
}

gboolean net_firewall_add(NetFirewall *f, const NetMapping *m, guint n, GError **error)
{
	if (!n)
		return TRUE;
	g_mutex_lock(&f->lock);
	int r = publish(f, m, n, error);
	if (r)
		withdraw(f, m, n);
	else
		own(f, m, n);
	net_conntrack_forget(f->nl, m, n, TRUE);
	g_mutex_unlock(&f->lock);
	return r == 0;
}

void net_firewall_remove(NetFirewall *f, const NetMapping *m, guint n)
{
	if (!n)
		return;
	g_mutex_lock(&f->lock);
	withdraw(f, m, n);
	for (guint i = 0; i < n; i++)
		g_hash_table_remove(f->owned, &m[i]);
	net_conntrack_forget(f->nl, m, n, FALSE);
	g_mutex_unlock(&f->lock);
}

/* ---- what the kernel has ---- */

static void count_one(const struct nlmsghdr *nlh, void *arg)
{
	(void)nlh;
	++*(guint *)arg;
}

/* The bytes of a key or of data: nothing when they are not as we write them. */
static const uint8_t *value_of(const struct nlattr *nest, size_t n)
{
	const struct nlattr *attr;
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == NFTA_DATA_VALUE &&
			mnl_attr_get_payload_len(attr) == n)
			return mnl_attr_get_payload(attr);
	}
	return NULL;
}

typedef struct {
	GArray *found; /* NetMapping */
	gboolean on_address;
} ElementScan;

static void take_element(const struct nlattr *element, ElementScan *scan)
{
	const uint8_t *key = NULL, *data = NULL;
	const struct nlattr *attr;
	mnl_attr_for_each_nested(attr, element)
	{
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_KEY)
			key = value_of(attr, scan->on_address ? 12 : 8);
		else if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_DATA)
			data = value_of(attr, 8);
	}
	NetMapping m = {0};
	uint32_t ip;
	uint16_t port;
	if (!key || !data)
		return;
	if (scan->on_address) {
		memcpy(&ip, key, 4);
		m.host_ip = ntohl(ip);
		key += 4;
	}
	m.proto = key[0];
	memcpy(&port, key + 4, 2);
	m.host_port = ntohs(port);
	memcpy(&ip, data, 4);
	m.container_ip = ntohl(ip);
	memcpy(&port, data + 4, 2);
	m.container_port = ntohs(port);
	g_array_append_val(scan->found, m);
}

/* A message holds several elements. */
static void take_elements(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *element;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, attr) take_element(element, arg);
	}
}

typedef struct {
	GArray *foreign, *missing; /* NetMapping */
	guint right;
} Difference;

static void difference_clear(Difference *d)
{
	g_clear_pointer(&d->foreign, g_array_unref);
	g_clear_pointer(&d->missing, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Difference, difference_clear)

/* 0 or a negative errno; a map that is not there has nothing in it. */
static int compare(NetFirewall *f, Difference *d)
{
	g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(NetMapping));
	ElementScan scan = {found, FALSE};
	int r = net_nl_dump_table(
		f->nl, NFT_MSG_GETSETELEM, f->table, "ports", take_elements, &scan);
	scan.on_address = TRUE;
	int r2 = net_nl_dump_table(
		f->nl, NFT_MSG_GETSETELEM, f->table, "ports_on", take_elements, &scan);
	d->foreign = g_array_new(FALSE, FALSE, sizeof(NetMapping));
	d->missing = g_array_new(FALSE, FALSE, sizeof(NetMapping));
	g_autoptr(GHashTable) right = mapping_set();
	for (guint i = 0; i < found->len; i++) {
		const NetMapping *have = &g_array_index(found, NetMapping, i);
		const NetMapping *want = g_hash_table_lookup(f->owned, have);
		/* A dump that was interrupted tells some twice. */
		if (want && want->container_ip == have->container_ip &&
			want->container_port == have->container_port)
			g_hash_table_add(right, g_memdup2(have, sizeof *have));
		else
			g_array_append_val(d->foreign, *have);
	}
	d->right = g_hash_table_size(right);
	GHashTableIter it;
	gpointer m;
	g_hash_table_iter_init(&it, f->owned);
	while (g_hash_table_iter_next(&it, &m, NULL)) {
		if (!g_hash_table_contains(right, m))
			g_array_append_vals(d->missing, m, 1);
	}
	return r ? r : r2;
}

/* sweep: what is foreign goes as well. */
static gboolean settle(NetFirewall *f, gboolean sweep, GError **error)
{
	g_auto(Difference) d = {0};
	if (compare(f, &d) == -ENOENT)
		return rebuild(f, error) == 0;
	const NetMapping *missing = (const NetMapping *)d.missing->data;
	if (sweep)
		withdraw(f, (const NetMapping *)d.foreign->data, d.foreign->len);
	return publish(f, missing, d.missing->len, error) == 0;
}

gboolean net_firewall_adopt(NetFirewall *f, const NetMapping *m, guint n, GError **error)
{
	if (!n)
		return TRUE;
	g_mutex_lock(&f->lock);
	own(f, m, n);
	gboolean ok = settle(f, FALSE, error);
	g_mutex_unlock(&f->lock);
	return ok;
}

gboolean net_firewall_sync(NetFirewall *f, GError **error)
{
	g_mutex_lock(&f->lock);
	gboolean ok = settle(f, TRUE, error);
	g_mutex_unlock(&f->lock);
	return ok;
}

/* ---- whole or not ---- */

/* What is not there counts as nothing. */
static void measure(NetFirewall *f, NetFirewallState *s)
{
	g_auto(Difference) d = {0};
	*s = (NetFirewallState){
		.want_rules = f->rules, .want_elements = g_hash_table_size(f->owned)};
	(void)net_nl_dump_table(f->nl, NFT_MSG_GETRULE, f->table, NULL, count_one, &s->rules);
	(void)compare(f, &d);
	s->elements = d.right;
	s->foreign = d.foreign->len;
}

static gboolean is_whole(const NetFirewallState *s)
{
	return s->rules == s->want_rules && s->elements == s->want_elements && !s->foreign;
}

gboolean net_firewall_check(NetFirewall *f, NetFirewallState *ret)
{
	g_mutex_lock(&f->lock);
	measure(f, ret);
	g_mutex_unlock(&f->lock);
	return is_whole(ret);
}

gboolean net_firewall_repair(NetFirewall *f, gboolean *ret_repaired, GError **error)
{
	NetFirewallState s;
	g_mutex_lock(&f->lock);
	measure(f, &s);
	*ret_repaired = !is_whole(&s);
	gboolean ok = !*ret_repaired || rebuild(f, error) == 0;
	g_mutex_unlock(&f->lock);
	return ok;
}

void net_firewall_mend(NetFirewall *f)
{
	g_autoptr(GError) error = NULL;
	gboolean repaired;
	(void)net_firewall_repair(f, &repaired, &error);
	if (repaired && f->config.restored)
		f->config.restored(f->config.arg, error);
}

static void damaged(void *arg)
{
	net_firewall_mend(arg);
}

/* The table of the daemon before, whole and as we would write it. */
static gboolean is_our_text(NetFirewall *f, guint rules)
{
	g_autoptr(GPtrArray) marks = list_marks(f);
	guint have = 0;
	if (marks->len != 1 || strcmp(marks->pdata[0], f->mark) != 0)
		return FALSE;
	return net_nl_dump_table(f->nl, NFT_MSG_GETRULE, f->table, NULL, count_one, &have) == 0 &&
	       have == rules;
}

NetFirewall *net_firewall_new(const NetFirewallConfig *config, GError **error)
{
	NetFirewall *f = g_new0(NetFirewall, 1);
	g_mutex_init(&f->lock);
	f->config = *config;
	f->bridge = g_strdup(config->bridge);
	f->config.bridge = f->bridge;
	f->table = net_firewall_table_name(config->bridge);
	f->owned = mapping_set();
	f->nl = net_nl_new(NETLINK_NETFILTER, error);
	g_autofree char *text = table_text(f);
	g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
	f->mark = g_strdup_printf(MARK "%.16s", digest);
	if (!f->nl || (!is_our_text(f, count_rules(text)) && !write_table(f, error))) {
		net_firewall_free(f, FALSE);
		return NULL;
	}
	NetFirewallState now;
	measure(f, &now);
	f->rules = now.rules;
	if (config->restored && !(f->watch = net_firewall_watch_new(
					  f->table, net_nl_port(f->nl), damaged, f, error))) {
		net_firewall_free(f, FALSE);
		return NULL;
	}
	return f;
}

void net_firewall_free(NetFirewall *f, gboolean remove)
{
	if (!f)
		return;
	net_firewall_watch_free(f->watch);
	if (remove && f->nl) {
		net_nl_begin(f->nl);
		put_bracket(f->nl, NFNL_MSG_BATCH_BEGIN);
		struct nlmsghdr *nlh = put_nft(f->nl, NFT_MSG_DELTABLE, 0, "delete firewall table");
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, f->table);
		put_bracket(f->nl, NFNL_MSG_BATCH_END);
		net_nl_send(f->nl, NULL);
	}
	net_nl_free(f->nl);
	g_clear_pointer(&f->owned, g_hash_table_unref);
	g_free(f->mark);
	g_free(f->bridge);
	g_free(f->table);
	g_mutex_clear(&f->lock);
	g_free(f);
}
