/* SPDX-License-Identifier: MIT */
/*
 * log_remote.h - logs that are kept elsewhere: "syslog" and "journald". Called in a process of
 * their own (log.c), they may block, for a while. Members of ShimLog.options, all strings: syslog
 * network ("unix" "unixgram" "udp" "tcp"), address (path, or numeric ip:port), format
 *             ("" "rfc3164" "rfc5424" "rfc5424micro"), facility (a number), tag, hostname
 *   journald  address (path of the socket); all others are fields of each entry
 */
#pragma once

#include "shim/protocol.h"

typedef struct LogRemote LogRemote;

/* Messages. Each number has one writer: skipped the shim, the others who runs the driver. */
typedef struct {
	guint64 skipped; /* left out for want of room on the way to the driver */
	guint64 done;    /* that went through the driver, kept or lost */
	guint64 lost;    /* not taken by what the driver writes to */
	guint64 told;    /* of skipped and lost, in SHIM_DROPPED_NAME */
} LogTally;

/* Who cannot be reached now is an error; who goes later is asked again once a second. tally
 * (borrowed): done and lost are kept current with each line, because who is stuck is killed. */
LogRemote *log_remote_open(const ShimLog *config, LogTally *tally, GError **error);
void log_remote_write(LogRemote *l, int stream, const char *data, size_t n);
/* Writes out lines that never got their newline. */
void log_remote_finish(LogRemote *l);
/* What is written meanwhile is the engine's and not in the tally. */
void log_remote_uncounted(LogRemote *l, gboolean on);
void log_remote_close(LogRemote *l);
int log_remote_fd(const LogRemote *l); /* or -1 */
