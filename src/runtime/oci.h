/* SPDX-License-Identifier: MIT */
/*
 * oci.h - the OCI runtime configuration (runtime-spec 1.2, config.json) as C structures, and the
 * tables that bind them to JSON. All structures are made and freed through base/json.h.
 *
 * What goes beyond the specification is named so that others ignore it: process.user.dhowUser (a
 * user still to be looked up in the container's own /etc/passwd), process.dhowSetHome and the like.
 */
#pragma once

#include "base/json.h"

typedef struct {
	int64_t height;
	int64_t width;
} OciBox;

typedef struct {
	int64_t uid;
	int64_t gid;
	int64_t umask;           /* -1: not given */
	json_t *additional_gids; /* array of integers */
	/* "name|uid[:group|gid]", resolved in the container's passwd and group files (at most 1 MiB
	 * each) after the root is in place; NULL or "": uid/gid above are final. The image's
	 * additional groups for that user are added as Docker does. */
	char *dhow_user;
	char **dhow_groups; /* additional groups by name or number (--group-add) */
} OciUser;

typedef struct {
	char **bounding, **effective, **inheritable, **permitted, **ambient; /* "CAP_CHOWN" ... */
} OciCapabilities;

typedef struct {
	char *type;             /* "RLIMIT_NOFILE" */
	int64_t hard, soft;     /* -1: unlimited */
	gboolean dhow_optional; /* a default of ours: a refusal (EPERM) is not an error */
} OciRlimit;

typedef struct {
	char *policy; /* "SCHED_OTHER" ... */
	int64_t nice, priority, runtime, deadline, period;
	char **flags; /* "SCHED_FLAG_RESET_ON_FORK" ... */
} OciScheduler;

typedef struct {
	char *class; /* "IOPRIO_CLASS_BE" ... */
	int64_t priority;
} OciIoPriority;

typedef struct {
	char *initial, *final; /* "0-3,7" */
} OciCpuAffinity;

typedef struct {
	char *domain; /* "LINUX", "LINUX32" */
	char **flags; /* none are defined */
} OciPersonality;

typedef struct {
	int64_t secs, nanosecs;
} OciTimeOffset;

typedef struct {
	OciTimeOffset *boottime, *monotonic;
} OciTimeOffsets;

#define OCI_OOM_SCORE_UNCHANGED G_MININT64

typedef struct {
	gboolean terminal;
	OciBox *console_size;
	OciUser user;
	char **args;
	char **env;
	char *cwd;
	OciCapabilities *capabilities;
	GPtrArray *rlimits; /* OciRlimit */
	gboolean no_new_privileges;
	char *apparmor_profile;
	char *selinux_label;
	int64_t oom_score_adj; /* or OCI_OOM_SCORE_UNCHANGED */
	OciScheduler *scheduler;
	OciIoPriority *io_priority;
	OciCpuAffinity *exec_cpu_affinity; /* of processes that are not the first */
	gboolean dhow_set_home;            /* HOME is set from the passwd entry unless env has it */
} OciProcess;

typedef struct {
	char *path;
	gboolean readonly;
} OciRoot;

typedef struct {
	char *destination;
	char *type;
	char *source;
	char **options;
	GPtrArray *uid_mappings, *gid_mappings; /* OciIdMap: an idmapped mount */
	gboolean dhow_idmap; /* by the container's user namespace, if it has one and if the file
				system can; of any type that a user namespace cannot mount */
	char *dhow_mount_ns; /* a bind of what source is in this mount namespace */
} OciMount;

typedef struct {
	char *path;
	char **args;
	char **env;
	int64_t timeout;
} OciHook;

typedef struct {
	GPtrArray *prestart, *create_runtime, *create_container, *start_container, *poststart,
		*poststop; /* OciHook */
} OciHooks;

typedef struct {
	char *type; /* pid network ipc uts mount cgroup user time */
	char *path; /* NULL: a new one */
} OciNamespace;

typedef struct {
	int64_t container_id, host_id, size;
} OciIdMap;

typedef struct {
	char *path;
	char *type; /* c b u p */
	int64_t major, minor;
	int64_t file_mode;
	int64_t uid, gid;
	char *dhow_source; /* its path on the host where that is not path; or NULL */
} OciDevice;

typedef struct {
	gboolean allow;
	char *type;           /* a c b, NULL = a */
	int64_t major, minor; /* -1: all */
	char *access;
} OciDeviceRule;

typedef struct {
	int64_t limit, reservation, swap, kernel,
		swappiness;     /* 0: not given (swappiness: -1), -1 unlimited */
	int disable_oom_killer; /* tristate */
} OciMemory;

typedef struct {
	int64_t shares, quota, period, burst, realtime_runtime, realtime_period,
		idle; /* 0: not given */
	char *cpus, *mems;
} OciCpu;

typedef struct {
	int64_t limit; /* 0: not given, -1 unlimited */
} OciPids;

typedef struct {
	int64_t major, minor, weight, rate;
} OciBlkioDevice;

typedef struct {
	int64_t weight;
	GPtrArray *weight_device, *throttle_read_bps, *throttle_write_bps, *throttle_read_iops,
		*throttle_write_iops; /* OciBlkioDevice */
} OciBlkio;

typedef struct {
	char *page_size; /* "2MB" */
	int64_t limit;
} OciHugepageLimit;

typedef struct {
	char *name;
	int64_t priority;
} OciInterfacePriority;

typedef struct {
	int64_t class_id;      /* 0: not given */
	GPtrArray *priorities; /* OciInterfacePriority */
} OciNetworkResources;

typedef struct {
	int64_t hca_handles, hca_objects; /* -1: not given */
} OciRdma;

typedef struct {
	GPtrArray *devices; /* OciDeviceRule */
	OciMemory *memory;
	OciCpu *cpu;
	OciPids *pids;
	OciBlkio *block_io;
	GPtrArray *hugepage_limits; /* OciHugepageLimit */
	OciNetworkResources *network;
	GHashTable *rdma;    /* device -> OciRdma */
	GHashTable *unified; /* v2 file -> value */
} OciResources;

typedef struct {
	int64_t index, value, value_two;
	char *op; /* SCMP_CMP_EQ ... */
} OciSeccompArg;

typedef struct {
	char **names;
	char *action;      /* SCMP_ACT_ALLOW ... */
	int64_t errno_ret; /* -1: default (EPERM) */
	GPtrArray *args;   /* OciSeccompArg */
} OciSeccompRule;

typedef struct {
	char *default_action;
	int64_t default_errno_ret;               /* -1: default */
	char **architectures;                    /* SCMP_ARCH_X86_64 ... */
	char **flags;                            /* SECCOMP_FILTER_FLAG_LOG ... */
	char *listener_path, *listener_metadata; /* of a supervisor's socket */
	GPtrArray *syscalls;                     /* OciSeccompRule */
} OciSeccomp;

typedef struct {
	GPtrArray *uid_mappings, *gid_mappings; /* OciIdMap */
	GHashTable *sysctl;
	OciResources *resources;
	char *cgroups_path;    /* below each hierarchy's root, e.g. "/dhow/<id>" */
	GPtrArray *namespaces; /* OciNamespace */
	GPtrArray *devices;    /* OciDevice */
	OciSeccomp *seccomp;
	char *rootfs_propagation;
	char **masked_paths;
	char **readonly_paths;
	char *mount_label;
	OciPersonality *personality;
	OciTimeOffsets *time_offsets;
	json_t *intel_rdt; /* not supported: for saying so */
} OciLinux;

typedef struct {
	char *oci_version;
	OciRoot *root;
	OciProcess *process;
	char *hostname;
	char *domainname;
	GPtrArray *mounts; /* OciMount */
	OciHooks *hooks;
	OciLinux *linux_; /* "linux" is a predefined macro in GNU C */
	GHashTable *annotations;
} OciSpec;

/* What hooks and others are told of a container (runtime-spec, "State"). */
typedef struct {
	char *oci_version;
	char *id;
	char *status; /* creating created running stopped */
	int64_t pid;
	char *bundle;
	GHashTable *annotations;
} OciState;

extern const DhJsonTable oci_state_table;
extern const DhJsonTable oci_spec_table;
extern const DhJsonTable oci_process_table;
extern const DhJsonTable oci_resources_table;
extern const DhJsonTable oci_seccomp_table;
extern const DhJsonTable oci_id_map_table, oci_mount_table, oci_namespace_table, oci_device_table,
	oci_device_rule_table, oci_rlimit_table, oci_memory_table, oci_cpu_table, oci_pids_table,
	oci_blkio_table, oci_capabilities_table, oci_root_table, oci_linux_table,
	oci_seccomp_rule_table, oci_seccomp_arg_table, oci_box_table, oci_blkio_device_table;
