/* SPDX-License-Identifier: MIT */
/* run_options.h - the options that run and create share. Strings belong to argv. */
#pragma once

#include "cli/command.h"

typedef struct {
	GPtrArray *add_host, *annotation, *attach, *blkio_weight_device, *cap_add, *cap_drop,
		*device, *device_cgroup_rule, *device_read_bps, *device_read_iops,
		*device_write_bps, *device_write_iops, *dns, *dns_options, *dns_search, *env,
		*env_file, *expose, *gpus, *group_add, *label, *label_file, *link, *link_local_ip,
		*log_opt, *lxc_conf, *mount, *networks, *network_alias, *publish, *security_opt,
		*storage_opt, *sysctl, *tmpfs, *ulimit, *volumes, *volumes_from;
	int64_t blkio_weight, cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime, cpu_shares,
		health_interval, health_retries, health_start_interval, health_start_period,
		health_timeout, kernel_memory, memory, memory_reservation, memory_swap,
		memory_swappiness, oom_score_adj, pids_limit, shm_size;
	const char *cgroup_parent, *cgroupns, *cidfile, *cpu_count, *cpu_percent, *cpus,
		*cpuset_cpus, *cpuset_mems, *detach_keys, *domainname, *entrypoint, *health_cmd,
		*health_on_failure, *hostname, *io_maxbandwidth, *io_maxiops, *ip, *ip6, *ipc,
		*isolation, *log_driver, *mac_address, *name, *pid, *platform, *pull, *restart,
		*runtime, *stop_signal, *user, *userns, *uts, *volume_driver, *workdir;
	gboolean detach, disable_content_trust, interactive, no_healthcheck, oom_kill_disable,
		privileged, publish_all, quiet, read_only, auto_remove, sig_proxy, tty,
		use_api_socket;
	gboolean init; /* -1: not given */
	OptInt stop_timeout;
} RunOptions;

/* The specs themselves are run_options.inc, which each of the two includes into its table. */
void run_options_defaults(void *options);
