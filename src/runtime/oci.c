/* SPDX-License-Identifier: MIT */
#include "runtime/oci.h"

#include "runtime/runtime.h"

/* Every member may be absent and is left out when it says nothing: a configuration travels through
 * a memfd on every start and stays at a few kilobytes that way. NEG marks the numbers whose "not
 * given" is -1 because zero means something. */
#define OPT DH_JSON_OMITEMPTY
#define NEG (DH_JSON_OMITEMPTY | DH_JSON_MINUS_ONE)

static const DhJsonField box_fields[] = {
	DH_F(INT, OciBox, height, "height", 0),
	DH_F(INT, OciBox, width, "width", 0),
};
DH_JSON_TABLE(oci_box_table, OciBox, box_fields, FALSE);

static const DhJsonField user_fields[] = {
	DH_F(INT, OciUser, uid, "uid", 0),
	DH_F(INT, OciUser, gid, "gid", 0),
	DH_F(INT, OciUser, umask, "umask", NEG),
	DH_F(RAW, OciUser, additional_gids, "additionalGids", OPT),
	DH_F(STRING, OciUser, dhow_user, "dhowUser", OPT),
	DH_F(STRV, OciUser, dhow_groups, "dhowGroups", OPT),
};
static DH_JSON_TABLE(oci_user_table, OciUser, user_fields, FALSE);

static const DhJsonField capabilities_fields[] = {
	DH_F(STRV, OciCapabilities, bounding, "bounding", OPT),
	DH_F(STRV, OciCapabilities, effective, "effective", OPT),
	DH_F(STRV, OciCapabilities, inheritable, "inheritable", OPT),
	DH_F(STRV, OciCapabilities, permitted, "permitted", OPT),
	DH_F(STRV, OciCapabilities, ambient, "ambient", OPT),
};
DH_JSON_TABLE(oci_capabilities_table, OciCapabilities, capabilities_fields, FALSE);

static const DhJsonField rlimit_fields[] = {
	DH_F(STRING, OciRlimit, type, "type", DH_JSON_REQUIRED),
	DH_F(INT, OciRlimit, hard, "hard", 0),
	DH_F(INT, OciRlimit, soft, "soft", 0),
	DH_F(BOOL, OciRlimit, dhow_optional, "dhowOptional", OPT),
};
DH_JSON_TABLE(oci_rlimit_table, OciRlimit, rlimit_fields, FALSE);

static const DhJsonField scheduler_fields[] = {
	DH_F(STRING, OciScheduler, policy, "policy", DH_JSON_REQUIRED),
	DH_F(INT, OciScheduler, nice, "nice", OPT),
	DH_F(INT, OciScheduler, priority, "priority", OPT),
	DH_F(STRV, OciScheduler, flags, "flags", OPT),
	DH_F(INT, OciScheduler, runtime, "runtime", OPT),
	DH_F(INT, OciScheduler, deadline, "deadline", OPT),
	DH_F(INT, OciScheduler, period, "period", OPT),
};
static DH_JSON_TABLE(oci_scheduler_table, OciScheduler, scheduler_fields, FALSE);

static const DhJsonField io_priority_fields[] = {
	DH_F(STRING, OciIoPriority, class, "class", DH_JSON_REQUIRED),
	DH_F(INT, OciIoPriority, priority, "priority", OPT),
};
static DH_JSON_TABLE(oci_io_priority_table, OciIoPriority, io_priority_fields, FALSE);

static const DhJsonField affinity_fields[] = {
	DH_F(STRING, OciCpuAffinity, initial, "initial", OPT),
	DH_F(STRING, OciCpuAffinity, final, "final", OPT),
};
static DH_JSON_TABLE(oci_affinity_table, OciCpuAffinity, affinity_fields, FALSE);

static const DhJsonField process_fields[] = {
	DH_F(BOOL, OciProcess, terminal, "terminal", OPT),
	DH_F(OBJECT, OciProcess, console_size, "consoleSize", OPT, &oci_box_table),
	DH_F(EMBED, OciProcess, user, "user", 0, &oci_user_table),
	DH_F(STRV, OciProcess, args, "args", OPT),
	DH_F(STRV, OciProcess, env, "env", OPT),
	DH_F(STRING, OciProcess, cwd, "cwd", OPT),
	DH_F(OBJECT, OciProcess, capabilities, "capabilities", OPT, &oci_capabilities_table),
	DH_F(LIST, OciProcess, rlimits, "rlimits", OPT, &oci_rlimit_table),
	DH_F(BOOL, OciProcess, no_new_privileges, "noNewPrivileges", OPT),
	DH_F(STRING, OciProcess, apparmor_profile, "apparmorProfile", OPT),
	DH_F(STRING, OciProcess, selinux_label, "selinuxLabel", OPT),
	DH_F(INT, OciProcess, oom_score_adj, "oomScoreAdj", OPT),
	DH_F(OBJECT, OciProcess, scheduler, "scheduler", OPT, &oci_scheduler_table),
	DH_F(OBJECT, OciProcess, io_priority, "ioPriority", OPT, &oci_io_priority_table),
	DH_F(OBJECT, OciProcess, exec_cpu_affinity, "execCPUAffinity", OPT, &oci_affinity_table),
	DH_F(BOOL, OciProcess, dhow_set_home, "dhowSetHome", OPT),
};
DH_JSON_TABLE(oci_process_table, OciProcess, process_fields, FALSE);

static const DhJsonField root_fields[] = {
	DH_F(STRING, OciRoot, path, "path", OPT),
	DH_F(BOOL, OciRoot, readonly, "readonly", OPT),
};
DH_JSON_TABLE(oci_root_table, OciRoot, root_fields, FALSE);

static const DhJsonField id_map_fields[] = {
	DH_F(INT, OciIdMap, container_id, "containerID", 0),
	DH_F(INT, OciIdMap, host_id, "hostID", 0),
	DH_F(INT, OciIdMap, size, "size", 0),
};
DH_JSON_TABLE(oci_id_map_table, OciIdMap, id_map_fields, FALSE);

static const DhJsonField mount_fields[] = {
	DH_F(STRING, OciMount, destination, "destination", DH_JSON_REQUIRED),
	DH_F(STRING, OciMount, type, "type", OPT),
	DH_F(STRING, OciMount, source, "source", OPT),
	DH_F(STRV, OciMount, options, "options", OPT),
	DH_F(LIST, OciMount, uid_mappings, "uidMappings", OPT, &oci_id_map_table),
	DH_F(LIST, OciMount, gid_mappings, "gidMappings", OPT, &oci_id_map_table),
	DH_F(BOOL, OciMount, dhow_idmap, "dhowIdmap", OPT),
	DH_F(STRING, OciMount, dhow_mount_ns, "dhowMountNs", OPT),
};
DH_JSON_TABLE(oci_mount_table, OciMount, mount_fields, FALSE);

static const DhJsonField hook_fields[] = {
	DH_F(STRING, OciHook, path, "path", DH_JSON_REQUIRED),
	DH_F(STRV, OciHook, args, "args", OPT),
	DH_F(STRV, OciHook, env, "env", OPT),
	DH_F(INT, OciHook, timeout, "timeout", OPT),
};
static DH_JSON_TABLE(oci_hook_table, OciHook, hook_fields, FALSE);

static const DhJsonField hooks_fields[] = {
	DH_F(LIST, OciHooks, prestart, "prestart", OPT, &oci_hook_table),
	DH_F(LIST, OciHooks, create_runtime, "createRuntime", OPT, &oci_hook_table),
	DH_F(LIST, OciHooks, create_container, "createContainer", OPT, &oci_hook_table),
	DH_F(LIST, OciHooks, start_container, "startContainer", OPT, &oci_hook_table),
	DH_F(LIST, OciHooks, poststart, "poststart", OPT, &oci_hook_table),
	DH_F(LIST, OciHooks, poststop, "poststop", OPT, &oci_hook_table),
};
static DH_JSON_TABLE(oci_hooks_table, OciHooks, hooks_fields, FALSE);

static const DhJsonField namespace_fields[] = {
	DH_F(STRING, OciNamespace, type, "type", DH_JSON_REQUIRED),
	DH_F(STRING, OciNamespace, path, "path", OPT),
};
DH_JSON_TABLE(oci_namespace_table, OciNamespace, namespace_fields, FALSE);

static const DhJsonField device_fields[] = {
	DH_F(STRING, OciDevice, path, "path", DH_JSON_REQUIRED),
	DH_F(STRING, OciDevice, type, "type", DH_JSON_REQUIRED),
	DH_F(INT, OciDevice, major, "major", OPT),
	DH_F(INT, OciDevice, minor, "minor", OPT),
	DH_F(INT, OciDevice, file_mode, "fileMode", OPT),
	DH_F(INT, OciDevice, uid, "uid", OPT),
	DH_F(INT, OciDevice, gid, "gid", OPT),
	DH_F(STRING, OciDevice, dhow_source, "dhowSource", OPT),
};
DH_JSON_TABLE(oci_device_table, OciDevice, device_fields, FALSE);

static const DhJsonField device_rule_fields[] = {
	DH_F(BOOL, OciDeviceRule, allow, "allow", 0),
	DH_F(STRING, OciDeviceRule, type, "type", OPT),
	DH_F(INT, OciDeviceRule, major, "major", NEG),
	DH_F(INT, OciDeviceRule, minor, "minor", NEG),
	DH_F(STRING, OciDeviceRule, access, "access", OPT),
};
DH_JSON_TABLE(oci_device_rule_table, OciDeviceRule, device_rule_fields, FALSE);

static const DhJsonField memory_fields[] = {
	DH_F(INT, OciMemory, limit, "limit", OPT),
	DH_F(INT, OciMemory, reservation, "reservation", OPT),
	DH_F(INT, OciMemory, swap, "swap", OPT),
	DH_F(INT, OciMemory, kernel, "kernel", OPT),
	DH_F(INT, OciMemory, swappiness, "swappiness", NEG),
	DH_F(TRISTATE, OciMemory, disable_oom_killer, "disableOOMKiller", OPT),
};
DH_JSON_TABLE(oci_memory_table, OciMemory, memory_fields, FALSE);

static const DhJsonField cpu_fields[] = {
	DH_F(INT, OciCpu, shares, "shares", OPT),
	DH_F(INT, OciCpu, quota, "quota", OPT),
	DH_F(INT, OciCpu, period, "period", OPT),
	DH_F(INT, OciCpu, burst, "burst", OPT),
	DH_F(INT, OciCpu, realtime_runtime, "realtimeRuntime", OPT),
	DH_F(INT, OciCpu, realtime_period, "realtimePeriod", OPT),
	DH_F(INT, OciCpu, idle, "idle", OPT),
	DH_F(STRING, OciCpu, cpus, "cpus", OPT),
	DH_F(STRING, OciCpu, mems, "mems", OPT),
};
DH_JSON_TABLE(oci_cpu_table, OciCpu, cpu_fields, FALSE);

static const DhJsonField pids_fields[] = {
	DH_F(INT, OciPids, limit, "limit", OPT),
};
DH_JSON_TABLE(oci_pids_table, OciPids, pids_fields, FALSE);

static const DhJsonField blkio_device_fields[] = {
	DH_F(INT, OciBlkioDevice, major, "major", 0),
	DH_F(INT, OciBlkioDevice, minor, "minor", 0),
	DH_F(INT, OciBlkioDevice, weight, "weight", OPT),
	DH_F(INT, OciBlkioDevice, rate, "rate", OPT),
};
DH_JSON_TABLE(oci_blkio_device_table, OciBlkioDevice, blkio_device_fields, FALSE);

static const DhJsonField blkio_fields[] = {
	DH_F(INT, OciBlkio, weight, "weight", OPT),
	DH_F(LIST, OciBlkio, weight_device, "weightDevice", OPT, &oci_blkio_device_table),
	DH_F(LIST, OciBlkio, throttle_read_bps, "throttleReadBpsDevice", OPT,
		&oci_blkio_device_table),
	DH_F(LIST, OciBlkio, throttle_write_bps, "throttleWriteBpsDevice", OPT,
		&oci_blkio_device_table),
	DH_F(LIST, OciBlkio, throttle_read_iops, "throttleReadIOPSDevice", OPT,
		&oci_blkio_device_table),
	DH_F(LIST, OciBlkio, throttle_write_iops, "throttleWriteIOPSDevice", OPT,
		&oci_blkio_device_table),
};
DH_JSON_TABLE(oci_blkio_table, OciBlkio, blkio_fields, FALSE);

static const DhJsonField hugepage_fields[] = {
	DH_F(STRING, OciHugepageLimit, page_size, "pageSize", DH_JSON_REQUIRED),
	DH_F(INT, OciHugepageLimit, limit, "limit", 0),
};
static DH_JSON_TABLE(oci_hugepage_table, OciHugepageLimit, hugepage_fields, FALSE);

static const DhJsonField priority_fields[] = {
	DH_F(STRING, OciInterfacePriority, name, "name", DH_JSON_REQUIRED),
	DH_F(INT, OciInterfacePriority, priority, "priority", 0),
};
static DH_JSON_TABLE(oci_interface_priority_table, OciInterfacePriority, priority_fields, FALSE);

static const DhJsonField network_fields[] = {
	DH_F(INT, OciNetworkResources, class_id, "classID", OPT),
	DH_F(LIST, OciNetworkResources, priorities, "priorities", OPT,
		&oci_interface_priority_table),
};
static DH_JSON_TABLE(oci_network_table, OciNetworkResources, network_fields, FALSE);

static const DhJsonField rdma_fields[] = {
	DH_F(INT, OciRdma, hca_handles, "hcaHandles", NEG),
	DH_F(INT, OciRdma, hca_objects, "hcaObjects", NEG),
};
static DH_JSON_TABLE(oci_rdma_table, OciRdma, rdma_fields, FALSE);

static const DhJsonField resources_fields[] = {
	DH_F(LIST, OciResources, devices, "devices", OPT, &oci_device_rule_table),
	DH_F(OBJECT, OciResources, memory, "memory", OPT, &oci_memory_table),
	DH_F(OBJECT, OciResources, cpu, "cpu", OPT, &oci_cpu_table),
	DH_F(OBJECT, OciResources, pids, "pids", OPT, &oci_pids_table),
	DH_F(OBJECT, OciResources, block_io, "blockIO", OPT, &oci_blkio_table),
	DH_F(LIST, OciResources, hugepage_limits, "hugepageLimits", OPT, &oci_hugepage_table),
	DH_F(OBJECT, OciResources, network, "network", OPT, &oci_network_table),
	DH_F(MAP, OciResources, rdma, "rdma", OPT, &oci_rdma_table),
	DH_F(STRMAP, OciResources, unified, "unified", OPT),
};
DH_JSON_TABLE(oci_resources_table, OciResources, resources_fields, FALSE);

static const DhJsonField seccomp_arg_fields[] = {
	DH_F(INT, OciSeccompArg, index, "index", 0),
	DH_F(INT, OciSeccompArg, value, "value", 0),
	DH_F(INT, OciSeccompArg, value_two, "valueTwo", OPT),
	DH_F(STRING, OciSeccompArg, op, "op", DH_JSON_REQUIRED),
};
DH_JSON_TABLE(oci_seccomp_arg_table, OciSeccompArg, seccomp_arg_fields, FALSE);

static const DhJsonField seccomp_rule_fields[] = {
	DH_F(STRV, OciSeccompRule, names, "names", DH_JSON_REQUIRED),
	DH_F(STRING, OciSeccompRule, action, "action", DH_JSON_REQUIRED),
	DH_F(INT, OciSeccompRule, errno_ret, "errnoRet", NEG),
	DH_F(LIST, OciSeccompRule, args, "args", OPT, &oci_seccomp_arg_table),
};
DH_JSON_TABLE(oci_seccomp_rule_table, OciSeccompRule, seccomp_rule_fields, FALSE);

static const DhJsonField seccomp_fields[] = {
	DH_F(STRING, OciSeccomp, default_action, "defaultAction", DH_JSON_REQUIRED),
	DH_F(INT, OciSeccomp, default_errno_ret, "defaultErrnoRet", NEG),
	DH_F(STRV, OciSeccomp, architectures, "architectures", OPT),
	DH_F(STRV, OciSeccomp, flags, "flags", OPT),
	DH_F(STRING, OciSeccomp, listener_path, "listenerPath", OPT),
	DH_F(STRING, OciSeccomp, listener_metadata, "listenerMetadata", OPT),
	DH_F(LIST, OciSeccomp, syscalls, "syscalls", OPT, &oci_seccomp_rule_table),
};
DH_JSON_TABLE(oci_seccomp_table, OciSeccomp, seccomp_fields, FALSE);

static const DhJsonField personality_fields[] = {
	DH_F(STRING, OciPersonality, domain, "domain", OPT),
	DH_F(STRV, OciPersonality, flags, "flags", OPT),
};
static DH_JSON_TABLE(oci_personality_table, OciPersonality, personality_fields, FALSE);

static const DhJsonField time_offset_fields[] = {
	DH_F(INT, OciTimeOffset, secs, "secs", OPT),
	DH_F(INT, OciTimeOffset, nanosecs, "nanosecs", OPT),
};
static DH_JSON_TABLE(oci_time_offset_table, OciTimeOffset, time_offset_fields, FALSE);

static const DhJsonField time_offsets_fields[] = {
	DH_F(OBJECT, OciTimeOffsets, boottime, "boottime", OPT, &oci_time_offset_table),
	DH_F(OBJECT, OciTimeOffsets, monotonic, "monotonic", OPT, &oci_time_offset_table),
};
static DH_JSON_TABLE(oci_time_offsets_table, OciTimeOffsets, time_offsets_fields, FALSE);

static const DhJsonField linux_fields[] = {
	DH_F(LIST, OciLinux, uid_mappings, "uidMappings", OPT, &oci_id_map_table),
	DH_F(LIST, OciLinux, gid_mappings, "gidMappings", OPT, &oci_id_map_table),
	DH_F(STRMAP, OciLinux, sysctl, "sysctl", OPT),
	DH_F(OBJECT, OciLinux, resources, "resources", OPT, &oci_resources_table),
	DH_F(STRING, OciLinux, cgroups_path, "cgroupsPath", OPT),
	DH_F(LIST, OciLinux, namespaces, "namespaces", OPT, &oci_namespace_table),
	DH_F(LIST, OciLinux, devices, "devices", OPT, &oci_device_table),
	DH_F(OBJECT, OciLinux, seccomp, "seccomp", OPT, &oci_seccomp_table),
	DH_F(STRING, OciLinux, rootfs_propagation, "rootfsPropagation", OPT),
	DH_F(STRV, OciLinux, masked_paths, "maskedPaths", OPT),
	DH_F(STRV, OciLinux, readonly_paths, "readonlyPaths", OPT),
	DH_F(STRING, OciLinux, mount_label, "mountLabel", OPT),
	DH_F(OBJECT, OciLinux, personality, "personality", OPT, &oci_personality_table),
	DH_F(OBJECT, OciLinux, time_offsets, "timeOffsets", OPT, &oci_time_offsets_table),
	DH_F(RAW, OciLinux, intel_rdt, "intelRdt", OPT),
};
DH_JSON_TABLE(oci_linux_table, OciLinux, linux_fields, FALSE);

static const DhJsonField spec_fields[] = {
	DH_F(STRING, OciSpec, oci_version, "ociVersion", OPT),
	DH_F(OBJECT, OciSpec, root, "root", OPT, &oci_root_table),
	DH_F(OBJECT, OciSpec, process, "process", OPT, &oci_process_table),
	DH_F(STRING, OciSpec, hostname, "hostname", OPT),
	DH_F(STRING, OciSpec, domainname, "domainname", OPT),
	DH_F(LIST, OciSpec, mounts, "mounts", OPT, &oci_mount_table),
	DH_F(OBJECT, OciSpec, hooks, "hooks", OPT, &oci_hooks_table),
	DH_F(OBJECT, OciSpec, linux_, "linux", OPT, &oci_linux_table),
	DH_F(STRMAP, OciSpec, annotations, "annotations", OPT),
};
DH_JSON_TABLE(oci_spec_table, OciSpec, spec_fields, FALSE);

static const DhJsonField state_fields[] = {
	DH_F(STRING, OciState, oci_version, "ociVersion", 0),
	DH_F(STRING, OciState, id, "id", 0),
	DH_F(STRING, OciState, status, "status", 0),
	DH_F(INT, OciState, pid, "pid", OPT),
	DH_F(STRING, OciState, bundle, "bundle", 0),
	DH_F(STRMAP, OciState, annotations, "annotations", OPT),
};
DH_JSON_TABLE(oci_state_table, OciState, state_fields, FALSE);

static const DhJsonField rootfs_fields[] = {
	DH_F(STRV, RtRootfs, lower, "lower", OPT),
	DH_F(STRING, RtRootfs, upper, "upper", OPT),
	DH_F(STRING, RtRootfs, work, "work", OPT),
	DH_F(STRING, RtRootfs, mountpoint, "mountpoint", OPT),
	DH_F(STRING, RtRootfs, mount_options, "mountOptions", OPT),
};
DH_JSON_TABLE(rt_rootfs_table, RtRootfs, rootfs_fields, FALSE);
