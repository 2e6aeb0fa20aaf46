/* SPDX-License-Identifier: MIT */
#include "shim/log_remote.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/timefmt.h"
#include "shim/log_lines.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SEND_SECONDS = 5, PRIORITY_OUT = 6, PRIORITY_ERR = 3 };

struct LogRemote {
	gboolean journal;
	json_t *options;
	int fd;
	gboolean stream; /* a connection that frames nothing: lines end in newlines */
	gint64 next_try; /* monotonic, us */
	char *fields;    /* of every journal entry */
	size_t fields_len;
	LogLines lines;
	GString *message;
	LogTally *tally;
	gboolean uncounted;
};

static const char *option(const LogRemote *l, const char *name)
{
	const char *v = json_string_value(json_object_get(l->options, name));
	return v ? v : "";
}

/* ---- connections ---- */

static int connect_ip(const char *address, int type)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const char *colon = strrchr(address, ':');
	if (!colon) {
		errno = EINVAL;
		return -1;
	}
	g_autofree char *host = g_strndup(address, (gsize)(colon - address));
	in.sin_port = in6.sin6_port = htons((guint16)atoi(colon + 1));
	gboolean v4 = inet_pton(AF_INET, host, &in.sin_addr) == 1;
	if (!v4 && inet_pton(AF_INET6, host, &in6.sin6_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	dh_autofd int fd = socket(v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);
	const struct timeval limit = {.tv_sec = SEND_SECONDS};
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	const struct sockaddr *to = v4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
	if (connect(fd, to, v4 ? sizeof in : sizeof in6) < 0)
		return -1;
	return dh_steal_fd(&fd);
}

static int connect_unix(const char *path, int type, GError **error)
{
	const struct timeval limit = {.tv_sec = SEND_SECONDS};
	int fd = dh_unix_connect(path, type, error);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	return fd;
}

static gboolean connect_now(LogRemote *l, GError **error)
{
	const char *network = option(l, "network"), *address = option(l, "address");
	l->stream = FALSE;
	if (strcmp(network, "tcp") == 0 || strcmp(network, "udp") == 0) {
		l->stream = *network == 't';
		l->fd = connect_ip(address, l->stream ? SOCK_STREAM : SOCK_DGRAM);
		return l->fd >= 0 || dh_error_errno(error, errno, "dial %s %s", network, address);
	}
	l->fd = connect_unix(address, SOCK_DGRAM, NULL);
	if (l->fd < 0 && strcmp(network, "unix") == 0) {
		l->stream = TRUE;
		l->fd = connect_unix(address, SOCK_STREAM, error);
	} else if (l->fd < 0) {
		dh_error_errno(error, errno, "dial %s %s", network, address);
	}
	return l->fd >= 0;
}

static gboolean send_message(LogRemote *l)
{
	if (l->fd >= 0 && dh_write_all(l->fd, l->message->str, l->message->len) == 0)
		return TRUE;
	dh_close(&l->fd);
	if (g_get_monotonic_time() < l->next_try)
		return FALSE;
	if (connect_now(l, NULL) && dh_write_all(l->fd, l->message->str, l->message->len) == 0)
		return TRUE;
	dh_close(&l->fd);
	l->next_try = g_get_monotonic_time() + G_USEC_PER_SEC;
	return FALSE;
}

/* ---- syslog ---- */

static void put_syslog(LogRemote *l, int severity, const char *text, size_t n)
{
	char stamp[40];
	struct tm tm;
	int64_t now = dh_time_now();
	time_t sec = (time_t)(now / DH_NSEC);
	const char *format = option(l, "format"), *tag = option(l, "tag");
	const char *host = option(l, "hostname");
	int priority = atoi(option(l, "facility")) * 8 + severity, pid = (int)getppid();
	localtime_r(&sec, &tm);
	g_string_truncate(l->message, 0);
	if (g_str_has_prefix(format, "rfc5424")) {
		char zone[8];
		strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
		strftime(zone, sizeof zone, "%z", &tm);
		g_string_printf(l->message, "<%d>1 %s", priority, stamp);
		if (strcmp(format, "rfc5424micro") == 0)
			g_string_append_printf(l->message, ".%06d", (int)(now % DH_NSEC / 1000));
		if (strcmp(zone, "+0000") == 0)
			g_string_append_c(l->message, 'Z');
		else
			g_string_append_printf(l->message, "%.3s:%s", zone, zone + 3);
		g_string_append_printf(l->message, " %s %s %d %s - ", host, tag, pid, tag);
	} else {
		strftime(stamp, sizeof stamp, "%b %e %H:%M:%S", &tm);
		gboolean full = strcmp(format, "rfc3164") == 0;
		g_string_printf(l->message, "<%d>%s %s%s%s[%d]: ", priority, stamp,
			full ? host : "", full ? " " : "", tag, pid);
	}
	g_string_append_len(l->message, text, (gssize)n);
	g_string_append_c(l->message, '\n');
}

/* ---- journald ---- */

/* A value with newlines or of any bytes: name, newline, length, value, newline. */
static void put_field(GString *out, const char *name, const char *value, size_t n)
{
	g_string_append(out, name);
	if (!memchr(value, '\n', n)) {
		g_string_append_c(out, '=');
	} else {
		guint64 length = GUINT64_TO_LE((guint64)n);
		g_string_append_c(out, '\n');
		g_string_append_len(out, (const char *)&length, sizeof length);
	}
	g_string_append_len(out, value, (gssize)n);
	g_string_append_c(out, '\n');
}

static void prepare_fields(LogRemote *l)
{
	GString *s = g_string_new(NULL);
	const char *key;
	json_t *v;
	json_object_foreach (l->options, key, v) {
		if (g_ascii_isupper(*key) && json_is_string(v))
			put_field(s, key, json_string_value(v), json_string_length(v));
	}
	l->fields_len = s->len;
	l->fields = g_string_free(s, FALSE);
}

static void put_journal(LogRemote *l, int severity, const char *text, size_t n, gboolean partial)
{
	char priority[] = {(char)('0' + severity)};
	g_string_truncate(l->message, 0);
	g_string_append_len(l->message, l->fields, (gssize)l->fields_len);
	put_field(l->message, "PRIORITY", priority, 1);
	if (partial)
		put_field(l->message, "CONTAINER_PARTIAL_MESSAGE", "true", 4);
	put_field(l->message, "MESSAGE", text, n);
}

/* ---- lines ---- */

static void put_line(void *log, int stream, const char *text, size_t n)
{
	LogRemote *l = log;
	int severity = stream == 0 ? PRIORITY_OUT : PRIORITY_ERR;
	gboolean whole = n > 0 && text[n - 1] == '\n';
	if (l->journal)
		put_journal(l, severity, text, n - whole, !whole);
	else
		put_syslog(l, severity, text, n - whole);
	gboolean sent = send_message(l);
	if (l->uncounted)
		return;
	l->tally->lost += !sent;
	l->tally->done += whole;
}

void log_remote_write(LogRemote *l, int stream, const char *data, size_t n)
{
	log_lines_cut(&l->lines, stream, data, n, put_line, l);
}

LogRemote *log_remote_open(const ShimLog *config, LogTally *tally, GError **error)
{
	LogRemote *l = g_new0(LogRemote, 1);
	l->journal = strcmp(config->driver, "journald") == 0;
	l->options = json_incref(config->options);
	l->fd = -1;
	l->tally = tally;
	log_lines_init(&l->lines);
	l->message = g_string_new(NULL);
	if (l->journal)
		prepare_fields(l);
	if (!connect_now(l, error)) {
		g_prefix_error(error, "failed to initialize logging driver: ");
		log_remote_close(l);
		return NULL;
	}
	return l;
}

int log_remote_fd(const LogRemote *l)
{
	return l->fd;
}

void log_remote_uncounted(LogRemote *l, gboolean on)
{
	l->uncounted = on;
}

void log_remote_finish(LogRemote *l)
{
	log_lines_finish(&l->lines, put_line, l);
}

void log_remote_close(LogRemote *l)
{
	log_lines_clear(&l->lines);
	g_string_free(l->message, TRUE);
	dh_close(&l->fd);
	json_decref(l->options);
	g_free(l->fields);
	g_free(l);
}
