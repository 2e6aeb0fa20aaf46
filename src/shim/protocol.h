/* SPDX-License-Identifier: MIT */
/*
 * protocol.h - what the daemon and a shim say to each other.
 *
 * The shim is started by the daemon (shim/client.h) with one end of a SOCK_SEQPACKET pair as
 * descriptor 3: the first control connection, already subscribed to events. It may have been
 * started ahead of time; it waits there for what it shall run, and ends when the daemon goes away
 * before that. What it shall run is a row of descriptors, in as many messages as it takes, each
 * with the number of those still to come after it as decimal text:
 *   first          a sealed memfd: ShimConfig as JSON
 *   from then on   whatever the *_fd members of ShimConfig name by their place in the row
 * The answer is the event "started" or "failed". From then on it listens on <run_dir>/shim.sock
 * (SOCK_SEQPACKET, mode 0600) for as many control connections as come.
 *
 * One message is one JSON object, at most SHIM_MSG_MAX bytes, with descriptors beside it. Requests
 * are answered in order on the connection they came by: ShimReply. A connection that sent
 * "subscribe" also gets ShimEvent messages, at any time; "subscribe" is answered by a reply, then,
 * when the container has already ended, by its exit event. Messages have "op" (request), "ok"
 * (reply) or "event".
 *
 * Durable: <container dir>/exit.json (ShimExit) is renamed into place before the exit event is
 * sent; the daemon takes it away once its own state is written.
 */
#pragma once

#include "runtime/runtime.h"

#include "base/json.h"

#define SHIM_MSG_MAX (256 * 1024)
#define SHIM_SOCKET_NAME "shim.sock"
#define SHIM_EXIT_NAME "exit.json"
#define SHIM_FD_CONTROL 3
#define SHIM_PLACE_FIRST 1 /* of what ShimConfig names, in the row of descriptors */
#define SHIM_MAX_FDS 4096
/* The program's argument until it has a container: as long as an ID, which then takes its place. */
#define SHIM_NO_ID "----------------------------------------------------------------"

#define SHIM_DROPPED_NAME "log-dropped" /* a decimal number: messages left out of the log */

/* json-file log: lines {"log":"...","stream":"stdout","time":"..."}; rotation: path, path.1, ... */
typedef struct {
	char *driver;      /* "json-file", "local", "syslog", "journald" or "none" */
	char *path;        /* of the current file */
	int64_t max_size;  /* bytes; -1: unlimited */
	int64_t max_files; /* at least 1 */
	json_t *attrs;     /* extra "attrs" member for each line, or NULL */
	gboolean compress; /* the old files */
	/* A process of its own writes the log; what it cannot take is left out (non_blocking), and
	 * counted in <dir>/SHIM_DROPPED_NAME, or makes the container wait. */
	gboolean apart, non_blocking;
	int64_t max_buffer; /* bytes that may wait for it */
	json_t *options;    /* of "syslog" and "journald": strings, see log_remote.c */
} ShimLog;

/* A client's connection to a process's streams. */
typedef struct {
	int64_t fd; /* in ShimConfig: place in the row; in a request: -1, it came beside */
	gboolean use_stdin, use_stdout, use_stderr;
	gboolean raw;      /* bytes as they are (terminal); else Docker's 8-byte framed stream */
	char *detach_keys; /* raw key bytes, one JSON string of code points <= 0x1f or ASCII; NULL:
			      default (ctrl-p ctrl-q); "" none. Looked for only when use_stdin and
			      raw. */
	char *preface;     /* base64 of bytes that the client had already sent (stdin) */
} ShimClient;
extern const DhJsonTable shim_client_table;

typedef struct {
	char *id;
	char *dir;     /* container directory under the data root: exit.json, logs */
	char *run_dir; /* under the exec root: shim.sock */
	RtRootfs *rootfs;
	OciSpec *oci;
	int64_t netns_fd;    /* -1 none */
	int64_t userns_fd;   /* -1 or 0 none */
	int64_t seccomp_fd;  /* -1 none */
	json_t *hold_fds;    /* array of places: kept open while the container lives (port
				reservations) */
	gboolean open_stdin; /* else stdin is /dev/null (without terminal) */
	gboolean stdin_once; /* close stdin when the first client that has it goes away */
	ShimLog log;
	GPtrArray *clients; /* ShimClient: attached from the first byte on */
	char **runtime;     /* another OCI runtime's program, then arguments; NULL: our own */
	char *init_path; /* dhow-init on the host: run as PID 1 in front of process.args; or NULL */
	gboolean trace;  /* base/trace.h: events bring what was marked */
} ShimConfig;
extern const DhJsonTable shim_config_table;

typedef struct {
	int64_t pid;    /* host pid it had */
	int64_t status; /* exit code as Docker counts: code, or 128 + signal */
	gboolean oom_killed;
	int64_t started_at, finished_at; /* ns since 1970 */
	int64_t log_dropped;             /* messages, that could not be counted on a full disk */
} ShimExit;
extern const DhJsonTable shim_exit_table;

/* op             members used                          reply besides ok / descriptors
 * "subscribe"    -                                     pid
 * "status"       -                                     pid, exited, exit
 * "attach"       client + 1 descriptor                 -
 * "resize"       exec_id (optional), height, width     -
 * "kill"         signal (to PID 1)                     -        (error NOT_FOUND: it has ended)
 * "exec"         exec_id, process, client (optional, + 1 descriptor), open_stdin, seccomp (1 more
 *                descriptor after the client's when has_seccomp)
 *                                                      pid      (after execve succeeded). One that
 *                fails is remembered like one that ended with 127 (not found) or 126.
 * "exec-status"  exec_id                               pid, exited, exit
 * "exec-kill"    exec_id, signal                       -
 * "close-stdin"  -                                     -
 * "pause"        -                                     -
 * "resume"       -                                     -
 * "update"       resources (what changes)              -        (all of it is set, or nothing)
 * An exec's end is known to "exec-status" before its client sees end of file; processes that it
 * left in the background are read for its client for two more seconds. Ended execs are remembered
 * (the last 256). After the exit event all control connections are closed; clients' connections
 * live on until they have read everything (a client that takes nothing for five minutes is given
 * up), then have two seconds to close their own side.
 */
typedef struct {
	char *op;
	char *exec_id;
	OciProcess *process;
	ShimClient *client;
	gboolean open_stdin;
	gboolean has_seccomp;
	int64_t signal, height, width;
	OciResources *resources;
} ShimRequest;
extern const DhJsonTable shim_request_table;

typedef struct {
	gboolean ok;
	int64_t code; /* DhError */
	char *error;
	int64_t pid;
	gboolean exited;
	ShimExit *exit;
} ShimReply;
extern const DhJsonTable shim_reply_table;

/* event: "started" (pid; once, on the first connection), "failed" (code, error: the container could
 * not be started; the shim ends), "exit" (exit), "oom", "exec-exit" (exec_id, exit), "detach" (a
 * client used its detach keys; exec_id when it was an exec's). */
typedef struct {
	char *event;
	char *exec_id;
	int64_t pid;
	int64_t code;
	char *error;
	ShimExit *exit;
	json_t *trace; /* marks, with "started" and "exit" */
} ShimEvent;
extern const DhJsonTable shim_event_table;
