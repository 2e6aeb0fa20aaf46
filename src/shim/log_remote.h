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

/* Who cannot be reached now is an error; who goes later is asked again once a second. */
LogRemote *log_remote_open(const ShimLog *config, GError **error);
void log_remote_write(LogRemote *l, int stream, const char *data, size_t n);
/* Writes out lines that never got their newline. */
void log_remote_finish(LogRemote *l);
/* How many lines could not be sent since it was last asked. */
guint64 log_remote_take_lost(LogRemote *l);
void log_remote_close(LogRemote *l);
int log_remote_fd(const LogRemote *l); /* or -1 */
