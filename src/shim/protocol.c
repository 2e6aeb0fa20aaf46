/* SPDX-License-Identifier: MIT */
#include "shim/protocol.h"

#define OPT DH_JSON_OMITEMPTY

static const DhJsonField log_fields[] = {
	DH_F(STRING, ShimLog, driver, "driver", 0),
	DH_F(STRING, ShimLog, path, "path", 0),
	DH_F(INT, ShimLog, max_size, "maxSize", 0),
	DH_F(INT, ShimLog, max_files, "maxFiles", 0),
	DH_F(RAW, ShimLog, attrs, "attrs", OPT),
	DH_F(BOOL, ShimLog, compress, "compress", OPT),
	DH_F(BOOL, ShimLog, apart, "apart", OPT),
	DH_F(BOOL, ShimLog, non_blocking, "nonBlocking", OPT),
	DH_F(INT, ShimLog, max_buffer, "maxBuffer", OPT),
	DH_F(RAW, ShimLog, options, "options", OPT),
};
static DH_JSON_TABLE(log_table, ShimLog, log_fields, FALSE);

static const DhJsonField client_fields[] = {
	DH_F(INT, ShimClient, fd, "fd", 0),
	DH_F(BOOL, ShimClient, use_stdin, "stdin", OPT),
	DH_F(BOOL, ShimClient, use_stdout, "stdout", OPT),
	DH_F(BOOL, ShimClient, use_stderr, "stderr", OPT),
	DH_F(BOOL, ShimClient, raw, "raw", OPT),
	DH_F(STRING, ShimClient, detach_keys, "detachKeys", OPT),
	DH_F(STRING, ShimClient, preface, "preface", OPT),
};
DH_JSON_TABLE(shim_client_table, ShimClient, client_fields, FALSE);

static const DhJsonField config_fields[] = {
	DH_F(STRING, ShimConfig, id, "id", DH_JSON_REQUIRED),
	DH_F(STRING, ShimConfig, dir, "dir", DH_JSON_REQUIRED),
	DH_F(STRING, ShimConfig, run_dir, "runDir", DH_JSON_REQUIRED),
	DH_F(OBJECT, ShimConfig, rootfs, "rootfs", OPT, &rt_rootfs_table),
	DH_F(OBJECT, ShimConfig, oci, "oci", DH_JSON_REQUIRED, &oci_spec_table),
	DH_F(INT, ShimConfig, netns_fd, "netnsFd", DH_JSON_REQUIRED),
	DH_F(INT, ShimConfig, userns_fd, "usernsFd", OPT),
	DH_F(INT, ShimConfig, seccomp_fd, "seccompFd", DH_JSON_REQUIRED),
	DH_F(RAW, ShimConfig, hold_fds, "holdFds", OPT),
	DH_F(BOOL, ShimConfig, open_stdin, "openStdin", OPT),
	DH_F(BOOL, ShimConfig, stdin_once, "stdinOnce", OPT),
	DH_F(EMBED, ShimConfig, log, "log", 0, &log_table),
	DH_F(LIST, ShimConfig, clients, "clients", OPT, &shim_client_table),
	DH_F(STRV, ShimConfig, runtime, "runtime", OPT),
	DH_F(STRING, ShimConfig, init_path, "initPath", OPT),
	DH_F(BOOL, ShimConfig, trace, "trace", OPT),
};
DH_JSON_TABLE(shim_config_table, ShimConfig, config_fields, FALSE);

static const DhJsonField exit_fields[] = {
	DH_F(INT, ShimExit, pid, "pid", 0),
	DH_F(INT, ShimExit, status, "status", DH_JSON_REQUIRED),
	DH_F(BOOL, ShimExit, oom_killed, "oomKilled", OPT),
	DH_F(INT, ShimExit, started_at, "startedAt", 0),
	DH_F(INT, ShimExit, finished_at, "finishedAt", 0),
	DH_F(INT, ShimExit, log_dropped, "logDropped", OPT),
};
DH_JSON_TABLE(shim_exit_table, ShimExit, exit_fields, FALSE);

static const DhJsonField request_fields[] = {
	DH_F(STRING, ShimRequest, op, "op", DH_JSON_REQUIRED),
	DH_F(STRING, ShimRequest, exec_id, "execId", OPT),
	DH_F(OBJECT, ShimRequest, process, "process", OPT, &oci_process_table),
	DH_F(OBJECT, ShimRequest, client, "client", OPT, &shim_client_table),
	DH_F(BOOL, ShimRequest, open_stdin, "openStdin", OPT),
	DH_F(BOOL, ShimRequest, has_seccomp, "hasSeccomp", OPT),
	DH_F(INT, ShimRequest, signal, "signal", OPT),
	DH_F(INT, ShimRequest, height, "height", OPT),
	DH_F(INT, ShimRequest, width, "width", OPT),
	DH_F(OBJECT, ShimRequest, resources, "resources", OPT, &oci_resources_table),
};
DH_JSON_TABLE(shim_request_table, ShimRequest, request_fields, FALSE);

static const DhJsonField reply_fields[] = {
	DH_F(BOOL, ShimReply, ok, "ok", DH_JSON_REQUIRED),
	DH_F(INT, ShimReply, code, "code", OPT),
	DH_F(STRING, ShimReply, error, "error", OPT),
	DH_F(INT, ShimReply, pid, "pid", OPT),
	DH_F(BOOL, ShimReply, exited, "exited", OPT),
	DH_F(OBJECT, ShimReply, exit, "exit", OPT, &shim_exit_table),
};
DH_JSON_TABLE(shim_reply_table, ShimReply, reply_fields, FALSE);

static const DhJsonField event_fields[] = {
	DH_F(STRING, ShimEvent, event, "event", OPT),
	DH_F(STRING, ShimEvent, exec_id, "execId", OPT),
	DH_F(INT, ShimEvent, pid, "pid", OPT),
	DH_F(INT, ShimEvent, code, "code", OPT),
	DH_F(STRING, ShimEvent, error, "error", OPT),
	DH_F(OBJECT, ShimEvent, exit, "exit", OPT, &shim_exit_table),
	DH_F(RAW, ShimEvent, trace, "trace", OPT),
};
DH_JSON_TABLE(shim_event_table, ShimEvent, event_fields, FALSE);
