/* SPDX-License-Identifier: MIT */
/* How long launch + wait + removal of the cgroups takes: bench_runtime [-n rounds] [-N] [-s] [-e].
 * -N new network namespace, -s default filter, -e exec into a running container instead. */
#include "test_runtime.h"

#include "base/fd.h"
#include "base/spawn.h"
#include "runtime/cgroup.h"
#include "runtime/seccomp.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_value(const void *a, const void *b)
{
	gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;
	return (x > y) - (x < y);
}

static void print(const char *what, gint64 *t, int n)
{
	qsort(t, (size_t)n, sizeof *t, by_value);
	printf("%-10s median %5d us, fastest %5d us\n", what, (int)t[n / 2], (int)t[0]);
}

static void launch_once(Rig *r, gint64 *launch, gint64 *wait, gint64 *sweep)
{
	g_autoptr(GError) error = NULL;
	gint64 t0 = g_get_monotonic_time();
	if (!rt_launch(&r->launch, &r->process, &error))
		g_error("%s", error->message);
	gint64 t1 = g_get_monotonic_time();
	dh_reap(r->process.pidfd);
	gint64 t2 = g_get_monotonic_time();
	dh_close(&r->process.pidfd);
	rt_cgroup_remove(r->spec->linux_->cgroups_path, NULL);
	gint64 t3 = g_get_monotonic_time();
	*launch = t1 - t0;
	*wait = t2 - t1;
	*sweep = t3 - t2;
}

static gint64 exec_once(Rig *r, const OciProcess *p, int null)
{
	RtExec x = {
		.spec = r->spec,
		.init_pidfd = r->process.pidfd,
		.init_pid = r->process.pid,
		.process = p,
		.seccomp_fd = r->launch.seccomp_fd,
		.stdio = {null, null, null},
	};
	RtProcess child;
	g_autoptr(GError) error = NULL;
	gint64 t0 = g_get_monotonic_time();
	if (!rt_exec(&x, &child, &error))
		g_error("%s", error->message);
	dh_reap(child.pidfd);
	close(child.pidfd);
	return g_get_monotonic_time() - t0;
}

int main(int argc, char **argv)
{
	int rounds = 200, c;
	gboolean network = FALSE, filter = FALSE, exec = FALSE;
	while ((c = getopt(argc, argv, "n:Nse")) != -1) {
		rounds = c == 'n' ? CLAMP(atoi(optarg), 1, 100000) : rounds;
		network = network || c == 'N';
		filter = filter || c == 's';
		exec = exec || c == 'e';
	}
	if (!rig_usable()) {
		fputs("bench_runtime: needs root and busybox-static\n", stderr);
		return 1;
	}
	void *state;
	rig_setup(&state);
	Rig *r = state;
	dh_autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (network) {
		OciNamespace *ns = dh_json_new(&oci_namespace_table);
		ns->type = g_strdup("network");
		g_ptr_array_add(r->spec->linux_->namespaces, ns);
	}
	if (filter)
		r->launch.seccomp_fd =
			rt_seccomp_default_cached(r->spec->process->capabilities->bounding, NULL);
	g_strfreev(r->spec->process->args);
	r->spec->process->args = g_strdupv((char *[]){"/bin/true", NULL});
	for (int i = 0; i < 3; i++)
		r->launch.stdio[i] = null;
	g_autofree gint64 *a = g_new(gint64, rounds), *b = g_new(gint64, rounds),
			  *d = g_new(gint64, rounds), *sum = g_new(gint64, rounds);
	if (exec) {
		OciProcess *p = dh_json_copy(&oci_process_table, r->spec->process);
		rig_start(r, "exec sleep 1000");
		for (int i = 0; i < rounds; i++)
			sum[i] = exec_once(r, p, null);
		print("exec", sum, rounds);
		rig_stop(r);
		dh_json_free(&oci_process_table, p);
	} else {
		for (int i = 0; i < rounds; i++) {
			launch_once(r, &a[i], &b[i], &d[i]);
			sum[i] = a[i] + b[i] + d[i];
		}
		print("launch", a, rounds);
		print("wait", b, rounds);
		print("remove", d, rounds);
		print("all", sum, rounds);
	}
	return rig_teardown(&state);
}
