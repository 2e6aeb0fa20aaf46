/* SPDX-License-Identifier: MIT */
/* Limits that few ask for, in few words: huge pages, RDMA, classes and priorities of packets. */
#include "base/error.h"
#include "runtime/cgroup_priv.h"

#include <stdio.h>
#include <string.h>

gboolean cg_hugetlb(const CgGroup *g, const OciResources *r, GError **error)
{
	gboolean v2;
	(void)cg_group_fd(g, CG_HUGETLB, &v2);
	for (guint i = 0; i < r->hugepage_limits->len; i++) {
		const OciHugepageLimit *l = r->hugepage_limits->pdata[i];
		char file[80];
		if (strspn(l->page_size, "0123456789KMGB") != strlen(l->page_size) ||
			strlen(l->page_size) > 16)
			return dh_error(
				error, DH_ERROR_INVALID, "invalid page size \"%s\"", l->page_size);
		snprintf(file, sizeof file, v2 ? "hugetlb.%s.max" : "hugetlb.%s.limit_in_bytes",
			l->page_size);
		if (!cg_write_int(g, CG_HUGETLB, file, l->limit, error))
			return FALSE;
		/* Reservations fault later, when it is too late to refuse them: where the kernel
		 * knows the limit it is the same. */
		snprintf(file, sizeof file,
			v2 ? "hugetlb.%s.rsvd.max" : "hugetlb.%s.rsvd.limit_in_bytes",
			l->page_size);
		if (cg_exists(g, CG_HUGETLB, file) &&
			!cg_write_int(g, CG_HUGETLB, file, l->limit, error))
			return FALSE;
	}
	return TRUE;
}

gboolean cg_rdma(const CgGroup *g, const OciResources *r, GError **error)
{
	GHashTableIter it;
	gpointer device, value;
	g_hash_table_iter_init(&it, r->rdma);
	while (g_hash_table_iter_next(&it, &device, &value)) {
		const OciRdma *l = value;
		g_autoptr(GString) line = g_string_new(device);
		if (l->hca_handles >= 0)
			g_string_append_printf(
				line, " hca_handle=%" G_GINT64_FORMAT, l->hca_handles);
		if (l->hca_objects >= 0)
			g_string_append_printf(
				line, " hca_object=%" G_GINT64_FORMAT, l->hca_objects);
		if (!cg_write(g, CG_RDMA, "rdma.max", line->str, error))
			return FALSE;
	}
	return TRUE;
}

gboolean cg_net_cls(const CgGroup *g, const OciResources *r, GError **error)
{
	return cg_write_int(g, CG_NET_CLS, "net_cls.classid", r->network->class_id, error);
}

gboolean cg_net_prio(const CgGroup *g, const OciResources *r, GError **error)
{
	const GPtrArray *list = r->network->priorities;
	for (guint i = 0; i < list->len; i++) {
		const OciInterfacePriority *p = list->pdata[i];
		g_autofree char *line =
			g_strdup_printf("%s %" G_GINT64_FORMAT, p->name, p->priority);
		if (!cg_write(g, CG_NET_PRIO, "net_prio.ifpriomap", line, error))
			return FALSE;
	}
	return TRUE;
}
