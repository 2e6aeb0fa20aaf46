/* SPDX-License-Identifier: MIT */
/* run_parse.h - from the options of run and create to the body of POST /containers/create. */
#pragma once

#include "base/json.h"
#include "cli/run_options.h"

typedef struct Cli Cli;

typedef struct {
	const RunOptions *o;
	const char *api_socket; /* path for --use-api-socket, or NULL */
	GHashTable *
		proxy_env; /* variables from the client's configuration (char* -> char*), or NULL */
	json_t *config;    /* the body: its top level is the container's Config */
	json_t *host;      /* borrowed: the body's HostConfig */
	json_t *values;    /* of lists that need more work, by flag name */
	gboolean usage_error; /* the error is about one flag's value: show the usage */
} RunParse;

/* The body, a new reference, or NULL with an error in docker's words. *ret_usage_error tells errors
 * in the value of a flag (printed with the usage) from those found later. */
json_t *run_parse(const RunOptions *o, char *const *args, const char *api_socket,
	GHashTable *proxy_env, gboolean *ret_usage_error, GError **error);

/* Parts, each in its own file. They add to p->config and p->host. */
typedef gboolean (*ValueParser)(const char *value, json_t *into, GError **error);

/* run_parse.c: "on-failure:3" as RestartPolicy, a new reference. */
json_t *parse_restart_policy(const char *v, GError **error);

/* run_parse_values.c: one value of a list flag each; into is an array or object. */
gboolean parse_attach(const char *v, json_t *into, GError **error);
gboolean parse_plain(const char *v, json_t *into, GError **error);
gboolean parse_map(const char *v, json_t *into, GError **error);
gboolean parse_tmpfs(const char *v, json_t *into, GError **error);
gboolean parse_label(const char *v, json_t *into, GError **error);
gboolean parse_link(const char *v, json_t *into, GError **error);
gboolean parse_add_host(const char *v, json_t *into, GError **error);
gboolean parse_dns(const char *v, json_t *into, GError **error);
gboolean parse_dns_search(const char *v, json_t *into, GError **error);
gboolean parse_sysctl(const char *v, json_t *into, GError **error);
gboolean parse_env(const char *v, json_t *into, GError **error);

/* run_parse_resources.c */
gboolean parse_weight_device(const char *v, json_t *into, GError **error);
gboolean parse_bps_device(const char *v, json_t *into, GError **error);
gboolean parse_iops_device(const char *v, json_t *into, GError **error);
gboolean parse_device_rule(const char *v, json_t *into, GError **error);
gboolean parse_ulimit(const char *v, json_t *into, GError **error);
gboolean parse_gpus(const char *v, json_t *into, GError **error);
gboolean parse_cpus(const char *v, int64_t *ret_nano, GError **error);
gboolean parse_devices(RunParse *p, GError **error);

/* run_parse_mounts.c */
gboolean parse_mount(const char *v, json_t *into, GError **error);
gboolean parse_volumes(RunParse *p, GError **error);

/* run_parse_network.c */
gboolean parse_network(const char *v, json_t *into, GError **error);
gboolean parse_networking(RunParse *p, GError **error);
gboolean parse_mac(const char *v);

/* run_parse_lxc.c: --lxc-conf, after everything else: it must not contradict other flags. */
gboolean parse_lxc(RunParse *p, GError **error);

/* run_parse_ports.c */
gboolean parse_ports(RunParse *p, GError **error);

/* run_parse_env.c: the lines of an env file or label file are appended to into ("A=1"); from_env: a
 * name alone takes the caller's value, else it is dropped. */
gboolean read_kv_file(const char *path, gboolean from_env, json_t *into, GError **error);
gboolean parse_environment(RunParse *p, GError **error);
gboolean parse_labels(RunParse *p, GError **error);
/* {"A=1", "B"} -> {"A": "1", "B": ""}: new reference. */
json_t *kv_object(json_t *list);
