/* SPDX-License-Identifier: MIT */
/*
 * client.h - HTTP/1.1 to the daemon over a connected unix socket, by hand: no library, no threads.
 */
#pragma once

#include "base/json.h"
#include "cli/command.h"

/* A response body being read. status is the HTTP status. */
typedef struct Response Response;

typedef struct {
	const char *method;
	const char *path; /* "/containers/json" (the version prefix is added, what a URL
			   * cannot hold is escaped: names go in as they are) */
	char *const
		*query; /* name, value, name, value, ..., NULL; values are escaped here; or NULL */
	json_t *body;   /* sent as application/json, or NULL */
	int body_fd;    /* streamed (chunked) when > 0 and body is NULL */
	const char *content_type; /* of body_fd; NULL: application/x-tar */
	gboolean hijack;          /* ask for the upgrade to a raw stream */
	char *const *headers;     /* name, value, ..., NULL; or NULL */
} Request;

/* Sends it and reads the response's head. A status >= 400 becomes an error: "Error response from
 * daemon: <message>", DH_ERROR code after the status. With a daemon that does not answer: "Cannot
 * connect to the Docker daemon at unix:///... Is the docker daemon running?" (starts dhowd first if
 * the host is the default one). */
Response *cli_request(Cli *cli, const Request *req, GError **error);
/* The same in two steps, for requests that do not wait for each other: sent; its head read (r is
 * taken over). Without a streamed body. */
Response *cli_request_begin(Cli *cli, const Request *req, GError **error);
Response *cli_request_end(Cli *cli, Response *r, const Request *req, GError **error);
int response_status(const Response *r);
const char *response_header(const Response *r, const char *name);
/* Did reading fail because the connection ended before the answer did? Then the daemon has gone. */
gboolean response_broken(const Response *r);
/* Body bytes as they come (chunked decoded): > 0, 0 at the end, -1 with error. */
ssize_t response_read(Response *r, void *buf, size_t n, GError **error);
/* Next JSON value of a stream of them (events, progress, stats); NULL at the end or on error. */
json_t *response_next_json(Response *r, GError **error);
/* The same for loops around poll(2), never waiting: takes in what has arrived (one read if
 * readable) and returns the next value that is complete, values being lines as the daemon sends
 * them. NULL: none yet, and *ret_end says whether the stream is over. Call again with readable
 * FALSE until it is NULL. */
json_t *response_poll_json(Response *r, gboolean readable, gboolean *ret_end);
/* Appends what has come of a body (at most 64 MiB), or waits for it. Bytes, 0 at the end, or -1. */
ssize_t response_more_text(Response *r, GString *text, GError **error);
/* The whole of it; as JSON. */
GString *response_text(Response *r, GError **error);
json_t *response_json(Response *r, GError **error);
/* After an upgrade: the raw connection (the caller's) and what was read beyond the head. */
int response_hijack(Response *r, GBytes **ret_early);
int response_fd(const Response *r); /* to poll, once nothing is buffered */
/* Bytes that were read from the connection and wait here: poll(2) does not see them. */
size_t response_buffered(const Response *r);
void response_free(Response *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Response, response_free)

/* So many further requests are about to be made: they are connected while the daemon is busy with
 * the next one, and find its threads waiting for them. 0: those that were not needed are closed. */
void cli_expect_requests(Cli *cli, unsigned n);

/* Request without body or with, answer as JSON (NULL with error; json_null() for an empty body). */
json_t *cli_call(Cli *cli, const char *method, const char *path, char *const *query, json_t *body,
	GError **error);

/* GET requests that do not wait for each other, over one connection that is kept: the next ones are
 * sent while the first are answered. paths and query are borrowed. */
typedef struct Batch Batch;
Batch *cli_batch_new(Cli *cli, char *const *paths, char *const *query);
/* The next one's answer, like cli_call's; as often as there are paths. */
json_t *cli_batch_next(Batch *b, GError **error);
void cli_batch_free(Batch *b);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Batch, cli_batch_free)

/* So long is a daemon waited for that went away in the middle of something. */
enum { CLI_DAEMON_BACK_MS = 15000 };

/* The connection broke in the middle of something: waits until a daemon listens (again), at most
 * timeout_ms. */
gboolean cli_await_daemon(const Cli *cli, int timeout_ms);
/* The same for an answer: asks the next daemon, once it is there, for the rest; none is started.
 * NULL without error: none has answered in CLI_DAEMON_BACK_MS. Without a body. */
Response *cli_request_again(const Cli *cli, const Request *req, GError **error);

/* Query lists: cli_query("all", "1", "limit", NULL_or_value, NULL) skips NULL values; strv. */
char **cli_query(const char *name, ...) G_GNUC_NULL_TERMINATED;

/* The API version the requests are made with ("1.51", or what the daemon allows), and the newest
 * that this client knows. */
const char *cli_api_version(void);
#define CLI_API_VERSION "1.51"
