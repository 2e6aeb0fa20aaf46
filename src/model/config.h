/* SPDX-License-Identifier: MIT */
/*
 * config.h - what a client asks of a container, in the words of the Engine API: the body of
 * POST /containers/create, and the Config / HostConfig of inspect. Plain data with JSON tables; the
 * store uses ContainerConfig for image configurations as well.
 */
#pragma once

#include "base/json.h"

typedef struct {
	char **test; /* {"NONE"}, {"CMD", ...}, {"CMD-SHELL", "..."} */
	int64_t interval, timeout, start_period, start_interval; /* ns */
	int64_t retries;
	char *on_failure; /* ours: NULL, "" or "none"; "restart", "stop", "kill" */
} HealthConfig;
extern const DhJsonTable health_config_table;

typedef struct {
	char *hostname, *domainname, *user;
	gboolean attach_stdin, attach_stdout, attach_stderr;
	GHashTable *exposed_ports; /* set "80/tcp" */
	gboolean tty, open_stdin, stdin_once;
	char **env;
	char **cmd; /* string accepted */
	HealthConfig *healthcheck;
	gboolean args_escaped;
	char *image;
	GHashTable *volumes; /* set */
	char *working_dir;
	char **entrypoint; /* string accepted */
	gboolean network_disabled;
	char *mac_address;
	char **on_build;
	GHashTable *labels;
	char *stop_signal;
	json_t *stop_timeout_raw; /* seconds, as given: NULL when absent */
	char **shell;
} ContainerConfig;
extern const DhJsonTable container_config_table;

typedef struct {
	char *name; /* "" no always on-failure unless-stopped */
	int64_t maximum_retry_count;
} RestartPolicy;

typedef struct {
	char *type; /* json-file none ... "" = default */
	GHashTable *config;
} LogConfig;

typedef struct {
	char *host_ip;
	char *host_port;
} PortBinding;
extern const DhJsonTable port_binding_table;

typedef struct {
	char *path_on_host, *path_in_container, *cgroup_permissions;
} DeviceMapping;

typedef struct {
	char *name;
	int64_t soft, hard;
} Ulimit;

typedef struct {
	char *path;
	int64_t weight;
} WeightDevice;

typedef struct {
	char *path;
	int64_t rate;
} ThrottleDevice;

typedef struct {
	char *propagation;
	gboolean non_recursive, create_mountpoint, read_only_non_recursive,
		read_only_force_recursive;
} BindOptions;

typedef struct {
	gboolean no_copy;
	GHashTable *labels;
	json_t *driver_config;
	char *subpath;
} VolumeOptions;

typedef struct {
	int64_t size_bytes;
	int64_t mode;
	json_t *options;
} TmpfsOptions;

typedef struct {
	char *type, *source, *target;
	gboolean read_only;
	char *consistency;
	BindOptions *bind_options;
	VolumeOptions *volume_options;
	TmpfsOptions *tmpfs_options;
} MountSpec;
extern const DhJsonTable mount_spec_table;

typedef struct {
	/* resources */
	int64_t cpu_shares, memory, nano_cpus;
	char *cgroup_parent;
	int64_t blkio_weight;
	GPtrArray *blkio_weight_device;
	GPtrArray *blkio_device_read_bps, *blkio_device_write_bps, *blkio_device_read_iops,
		*blkio_device_write_iops;
	int64_t cpu_period, cpu_quota, cpu_realtime_period, cpu_realtime_runtime;
	char *cpuset_cpus, *cpuset_mems;
	GPtrArray *devices; /* DeviceMapping */
	char **device_cgroup_rules;
	json_t *device_requests;
	int64_t kernel_memory, kernel_memory_tcp, memory_reservation, memory_swap;
	json_t *memory_swappiness; /* null or integer */
	int oom_kill_disable;      /* tristate */
	json_t *pids_limit;        /* null or integer */
	GPtrArray *ulimits;        /* Ulimit */

	char **binds;
	char *container_id_file;
	LogConfig log_config;
	char *network_mode;
	GHashTable *port_bindings; /* "80/tcp" -> PortBinding list */
	RestartPolicy restart_policy;
	gboolean auto_remove;
	char *volume_driver;
	char **volumes_from;
	GPtrArray *mounts; /* MountSpec */
	json_t *console_size;
	GHashTable *annotations;
	char **cap_add, **cap_drop;
	char *cgroupns_mode;
	char **dns, **dns_options, **dns_search;
	char **extra_hosts, **group_add;
	char *ipc_mode, *cgroup;
	char **links; /* "name:alias" */
	int64_t oom_score_adj;
	char *pid_mode;
	gboolean privileged, publish_all_ports, readonly_rootfs;
	char **security_opt;
	GHashTable *storage_opt, *tmpfs;
	char *uts_mode, *userns_mode;
	int64_t shm_size;
	GHashTable *sysctls;
	char *runtime, *isolation;
	char **masked_paths, **readonly_paths; /* NULL: defaults */
	int init;                              /* tristate */
} HostConfig;
extern const DhJsonTable host_config_table;

typedef struct {
	char *ipv4_address, *ipv6_address;
	char **link_local_ips;
} EndpointIpam;

typedef struct {
	EndpointIpam *ipam_config;
	char **links;
	char *mac_address;
	char **aliases;
	GHashTable *driver_opts;
	json_t *gw_priority;
	char *network_id, *endpoint_id, *gateway, *ip_address;
	int64_t ip_prefix_len;
	char *ipv6_gateway, *global_ipv6_address;
	int64_t global_ipv6_prefix_len;
	char **dns_names;
} EndpointSettings;
extern const DhJsonTable endpoint_settings_table;

typedef struct {
	GHashTable *endpoints_config; /* network -> EndpointSettings */
} NetworkingConfig;
extern const DhJsonTable networking_config_table;

/* The body of POST /containers/create. */
typedef struct {
	ContainerConfig config; /* its members lie at the top level */
	HostConfig *host_config;
	NetworkingConfig *networking_config;
	const char *platform; /* of the query, not of the body; borrowed, may be NULL */
} CreateRequest;
extern const DhJsonTable create_request_table;

/* Deep copy etc.: dh_json_copy(&container_config_table, c). */
