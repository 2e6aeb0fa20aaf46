/* SPDX-License-Identifier: MIT */
#include "model/config.h"

/* The order of fields is the order in which dockerd prints them. */

#define F(...) DH_F(__VA_ARGS__)

#define T HealthConfig
static const DhJsonField health_config_fields[] = {
	F(STRV, T, test, "Test", DH_JSON_OMITEMPTY),
	F(INT, T, interval, "Interval", DH_JSON_OMITEMPTY),
	F(INT, T, timeout, "Timeout", DH_JSON_OMITEMPTY),
	F(INT, T, start_period, "StartPeriod", DH_JSON_OMITEMPTY),
	F(INT, T, start_interval, "StartInterval", DH_JSON_OMITEMPTY),
	F(INT, T, retries, "Retries", DH_JSON_OMITEMPTY),
	F(STRING, T, on_failure, "OnFailure", DH_JSON_OMITEMPTY),
};
#undef T
DH_JSON_TABLE(health_config_table, HealthConfig, health_config_fields, FALSE);

#define T ContainerConfig
static const DhJsonField container_config_fields[] = {
	F(STRING, T, hostname, "Hostname", 0),
	F(STRING, T, domainname, "Domainname", 0),
	F(STRING, T, user, "User", 0),
	F(BOOL, T, attach_stdin, "AttachStdin", 0),
	F(BOOL, T, attach_stdout, "AttachStdout", 0),
	F(BOOL, T, attach_stderr, "AttachStderr", 0),
	F(SET, T, exposed_ports, "ExposedPorts", DH_JSON_OMITEMPTY),
	F(BOOL, T, tty, "Tty", 0),
	F(BOOL, T, open_stdin, "OpenStdin", 0),
	F(BOOL, T, stdin_once, "StdinOnce", 0),
	F(STRV, T, env, "Env", 0),
	F(STRSLICE, T, cmd, "Cmd", 0),
	F(OBJECT, T, healthcheck, "Healthcheck", DH_JSON_OMITEMPTY, &health_config_table),
	F(BOOL, T, args_escaped, "ArgsEscaped", DH_JSON_OMITEMPTY),
	F(STRING, T, image, "Image", 0),
	F(SET, T, volumes, "Volumes", 0),
	F(STRING, T, working_dir, "WorkingDir", 0),
	F(STRSLICE, T, entrypoint, "Entrypoint", 0),
	F(BOOL, T, network_disabled, "NetworkDisabled", DH_JSON_OMITEMPTY),
	F(STRING, T, mac_address, "MacAddress", DH_JSON_OMITEMPTY),
	F(STRV, T, on_build, "OnBuild", 0),
	F(STRMAP, T, labels, "Labels", DH_JSON_NOTNULL),
	F(STRING, T, stop_signal, "StopSignal", DH_JSON_OMITEMPTY),
	F(RAW, T, stop_timeout_raw, "StopTimeout", DH_JSON_OMITEMPTY),
	F(STRSLICE, T, shell, "Shell", DH_JSON_OMITEMPTY),
};
#undef T
DH_JSON_TABLE(container_config_table, ContainerConfig, container_config_fields, FALSE);

#define T RestartPolicy
static const DhJsonField restart_policy_fields[] = {
	F(STRING, T, name, "Name", 0),
	F(INT, T, maximum_retry_count, "MaximumRetryCount", 0),
};
#undef T
static DH_JSON_TABLE(restart_policy_table, RestartPolicy, restart_policy_fields, FALSE);

#define T LogConfig
static const DhJsonField log_config_fields[] = {
	F(STRING, T, type, "Type", 0),
	F(STRMAP, T, config, "Config", DH_JSON_NOTNULL),
};
#undef T
static DH_JSON_TABLE(log_config_table, LogConfig, log_config_fields, FALSE);

#define T PortBinding
static const DhJsonField port_binding_fields[] = {
	F(STRING, T, host_ip, "HostIp", 0),
	F(STRING, T, host_port, "HostPort", 0),
};
#undef T
DH_JSON_TABLE(port_binding_table, PortBinding, port_binding_fields, FALSE);

#define T DeviceMapping
static const DhJsonField device_mapping_fields[] = {
	F(STRING, T, path_on_host, "PathOnHost", 0),
	F(STRING, T, path_in_container, "PathInContainer", 0),
	F(STRING, T, cgroup_permissions, "CgroupPermissions", 0),
};
#undef T
static DH_JSON_TABLE(device_mapping_table, DeviceMapping, device_mapping_fields, FALSE);

#define T Ulimit
static const DhJsonField ulimit_fields[] = {
	F(STRING, T, name, "Name", 0),
	F(INT, T, hard, "Hard", 0),
	F(INT, T, soft, "Soft", 0),
};
#undef T
static DH_JSON_TABLE(ulimit_table, Ulimit, ulimit_fields, FALSE);

#define T WeightDevice
static const DhJsonField weight_device_fields[] = {
	F(STRING, T, path, "Path", 0),
	F(INT, T, weight, "Weight", 0),
};
#undef T
static DH_JSON_TABLE(weight_device_table, WeightDevice, weight_device_fields, FALSE);

#define T ThrottleDevice
static const DhJsonField throttle_device_fields[] = {
	F(STRING, T, path, "Path", 0),
	F(INT, T, rate, "Rate", 0),
};
#undef T
static DH_JSON_TABLE(throttle_device_table, ThrottleDevice, throttle_device_fields, FALSE);

#define T BindOptions
static const DhJsonField bind_options_fields[] = {
	F(STRING, T, propagation, "Propagation", DH_JSON_OMITEMPTY),
	F(BOOL, T, non_recursive, "NonRecursive", DH_JSON_OMITEMPTY),
	F(BOOL, T, create_mountpoint, "CreateMountpoint", DH_JSON_OMITEMPTY),
	F(BOOL, T, read_only_non_recursive, "ReadOnlyNonRecursive", DH_JSON_OMITEMPTY),
	F(BOOL, T, read_only_force_recursive, "ReadOnlyForceRecursive", DH_JSON_OMITEMPTY),
};
#undef T
static DH_JSON_TABLE(bind_options_table, BindOptions, bind_options_fields, FALSE);

#define T VolumeOptions
static const DhJsonField volume_options_fields[] = {
	F(BOOL, T, no_copy, "NoCopy", DH_JSON_OMITEMPTY),
	F(STRMAP, T, labels, "Labels", DH_JSON_OMITEMPTY),
	F(STRING, T, subpath, "Subpath", DH_JSON_OMITEMPTY),
	F(RAW, T, driver_config, "DriverConfig", DH_JSON_OMITEMPTY),
};
#undef T
static DH_JSON_TABLE(volume_options_table, VolumeOptions, volume_options_fields, FALSE);

#define T TmpfsOptions
static const DhJsonField tmpfs_options_fields[] = {
	F(INT, T, size_bytes, "SizeBytes", DH_JSON_OMITEMPTY),
	F(INT, T, mode, "Mode", DH_JSON_OMITEMPTY),
	F(RAW, T, options, "Options", DH_JSON_OMITEMPTY),
};
#undef T
static DH_JSON_TABLE(tmpfs_options_table, TmpfsOptions, tmpfs_options_fields, FALSE);

#define T MountSpec
static const DhJsonField mount_spec_fields[] = {
	F(STRING, T, type, "Type", DH_JSON_OMITEMPTY),
	F(STRING, T, source, "Source", DH_JSON_OMITEMPTY),
	F(STRING, T, target, "Target", DH_JSON_OMITEMPTY),
	F(BOOL, T, read_only, "ReadOnly", DH_JSON_OMITEMPTY),
	F(STRING, T, consistency, "Consistency", DH_JSON_OMITEMPTY),
	F(OBJECT, T, bind_options, "BindOptions", DH_JSON_OMITEMPTY, &bind_options_table),
	F(OBJECT, T, volume_options, "VolumeOptions", DH_JSON_OMITEMPTY, &volume_options_table),
	F(OBJECT, T, tmpfs_options, "TmpfsOptions", DH_JSON_OMITEMPTY, &tmpfs_options_table),
};
#undef T
DH_JSON_TABLE(mount_spec_table, MountSpec, mount_spec_fields, FALSE);

#define T HostConfig
static const DhJsonField host_config_fields[] = {
	F(STRV, T, binds, "Binds", 0),
	F(STRING, T, container_id_file, "ContainerIDFile", 0),
	F(EMBED, T, log_config, "LogConfig", 0, &log_config_table),
	F(STRING, T, network_mode, "NetworkMode", 0),
	F(MAPLIST, T, port_bindings, "PortBindings", DH_JSON_NOTNULL, &port_binding_table),
	F(EMBED, T, restart_policy, "RestartPolicy", 0, &restart_policy_table),
	F(BOOL, T, auto_remove, "AutoRemove", 0),
	F(STRING, T, volume_driver, "VolumeDriver", 0),
	F(STRV, T, volumes_from, "VolumesFrom", 0),
	F(LIST, T, mounts, "Mounts", DH_JSON_OMITEMPTY, &mount_spec_table),
	F(RAW, T, console_size, "ConsoleSize", DH_JSON_OMITEMPTY),
	F(STRMAP, T, annotations, "Annotations", DH_JSON_OMITEMPTY),
	F(STRSLICE, T, cap_add, "CapAdd", 0),
	F(STRSLICE, T, cap_drop, "CapDrop", 0),
	F(STRING, T, cgroupns_mode, "CgroupnsMode", 0),
	F(STRV, T, dns, "Dns", DH_JSON_NOTNULL),
	F(STRV, T, dns_options, "DnsOptions", DH_JSON_NOTNULL),
	F(STRV, T, dns_search, "DnsSearch", DH_JSON_NOTNULL),
	F(STRV, T, extra_hosts, "ExtraHosts", 0),
	F(STRV, T, group_add, "GroupAdd", 0),
	F(STRING, T, ipc_mode, "IpcMode", 0),
	F(STRING, T, cgroup, "Cgroup", 0),
	F(STRV, T, links, "Links", 0),
	F(INT, T, oom_score_adj, "OomScoreAdj", 0),
	F(STRING, T, pid_mode, "PidMode", 0),
	F(BOOL, T, privileged, "Privileged", 0),
	F(BOOL, T, publish_all_ports, "PublishAllPorts", 0),
	F(BOOL, T, readonly_rootfs, "ReadonlyRootfs", 0),
	F(STRV, T, security_opt, "SecurityOpt", 0),
	F(STRMAP, T, storage_opt, "StorageOpt", DH_JSON_OMITEMPTY),
	F(STRMAP, T, tmpfs, "Tmpfs", DH_JSON_OMITEMPTY),
	F(STRING, T, uts_mode, "UTSMode", 0),
	F(STRING, T, userns_mode, "UsernsMode", 0),
	F(INT, T, shm_size, "ShmSize", 0),
	F(STRMAP, T, sysctls, "Sysctls", DH_JSON_OMITEMPTY),
	F(STRING, T, runtime, "Runtime", 0),
	F(STRING, T, isolation, "Isolation", 0),
	F(INT, T, cpu_shares, "CpuShares", 0),
	F(INT, T, memory, "Memory", 0),
	F(INT, T, nano_cpus, "NanoCpus", 0),
	F(STRING, T, cgroup_parent, "CgroupParent", 0),
	F(INT, T, blkio_weight, "BlkioWeight", 0),
	F(LIST, T, blkio_weight_device, "BlkioWeightDevice", DH_JSON_NOTNULL, &weight_device_table),
	F(LIST, T, blkio_device_read_bps, "BlkioDeviceReadBps", DH_JSON_NOTNULL,
		&throttle_device_table),
	F(LIST, T, blkio_device_write_bps, "BlkioDeviceWriteBps", DH_JSON_NOTNULL,
		&throttle_device_table),
	F(LIST, T, blkio_device_read_iops, "BlkioDeviceReadIOps", DH_JSON_NOTNULL,
		&throttle_device_table),
	F(LIST, T, blkio_device_write_iops, "BlkioDeviceWriteIOps", DH_JSON_NOTNULL,
		&throttle_device_table),
	F(INT, T, cpu_period, "CpuPeriod", 0),
	F(INT, T, cpu_quota, "CpuQuota", 0),
	F(INT, T, cpu_realtime_period, "CpuRealtimePeriod", 0),
	F(INT, T, cpu_realtime_runtime, "CpuRealtimeRuntime", 0),
	F(STRING, T, cpuset_cpus, "CpusetCpus", 0),
	F(STRING, T, cpuset_mems, "CpusetMems", 0),
	F(LIST, T, devices, "Devices", DH_JSON_NOTNULL, &device_mapping_table),
	F(STRV, T, device_cgroup_rules, "DeviceCgroupRules", 0),
	F(RAW, T, device_requests, "DeviceRequests", 0),
	F(INT, T, kernel_memory, "KernelMemory", DH_JSON_OMITEMPTY),
	F(INT, T, kernel_memory_tcp, "KernelMemoryTCP", DH_JSON_OMITEMPTY),
	F(INT, T, memory_reservation, "MemoryReservation", 0),
	F(INT, T, memory_swap, "MemorySwap", 0),
	F(RAW, T, memory_swappiness, "MemorySwappiness", 0),
	F(TRISTATE, T, oom_kill_disable, "OomKillDisable", 0),
	F(RAW, T, pids_limit, "PidsLimit", 0),
	F(LIST, T, ulimits, "Ulimits", DH_JSON_NOTNULL, &ulimit_table),
	F(STRV, T, masked_paths, "MaskedPaths", 0),
	F(STRV, T, readonly_paths, "ReadonlyPaths", 0),
	F(TRISTATE, T, init, "Init", DH_JSON_OMITEMPTY),
};
#undef T
DH_JSON_TABLE(host_config_table, HostConfig, host_config_fields, FALSE);

#define T EndpointIpam
static const DhJsonField endpoint_ipam_fields[] = {
	F(STRING, T, ipv4_address, "IPv4Address", DH_JSON_OMITEMPTY),
	F(STRING, T, ipv6_address, "IPv6Address", DH_JSON_OMITEMPTY),
	F(STRV, T, link_local_ips, "LinkLocalIPs", DH_JSON_OMITEMPTY),
};
#undef T
static DH_JSON_TABLE(endpoint_ipam_table, EndpointIpam, endpoint_ipam_fields, FALSE);

#define T EndpointSettings
static const DhJsonField endpoint_settings_fields[] = {
	F(OBJECT, T, ipam_config, "IPAMConfig", 0, &endpoint_ipam_table),
	F(STRV, T, links, "Links", 0),
	F(STRV, T, aliases, "Aliases", 0),
	F(STRING, T, mac_address, "MacAddress", 0),
	F(STRMAP, T, driver_opts, "DriverOpts", 0),
	F(RAW, T, gw_priority, "GwPriority", DH_JSON_OMITEMPTY),
	F(STRING, T, network_id, "NetworkID", 0),
	F(STRING, T, endpoint_id, "EndpointID", 0),
	F(STRING, T, gateway, "Gateway", 0),
	F(STRING, T, ip_address, "IPAddress", 0),
	F(INT, T, ip_prefix_len, "IPPrefixLen", 0),
	F(STRING, T, ipv6_gateway, "IPv6Gateway", 0),
	F(STRING, T, global_ipv6_address, "GlobalIPv6Address", 0),
	F(INT, T, global_ipv6_prefix_len, "GlobalIPv6PrefixLen", 0),
	F(STRV, T, dns_names, "DNSNames", 0),
};
#undef T
DH_JSON_TABLE(endpoint_settings_table, EndpointSettings, endpoint_settings_fields, FALSE);

#define T NetworkingConfig
static const DhJsonField networking_config_fields[] = {
	F(MAP, T, endpoints_config, "EndpointsConfig", 0, &endpoint_settings_table),
};
#undef T
DH_JSON_TABLE(networking_config_table, NetworkingConfig, networking_config_fields, FALSE);

#define T CreateRequest
static const DhJsonField create_request_fields[] = {
	F(INLINE, T, config, "", 0, &container_config_table),
	F(OBJECT, T, host_config, "HostConfig", 0, &host_config_table),
	F(OBJECT, T, networking_config, "NetworkingConfig", 0, &networking_config_table),
};
#undef T
DH_JSON_TABLE(create_request_table, CreateRequest, create_request_fields, FALSE);
