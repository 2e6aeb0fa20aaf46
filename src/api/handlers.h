/* SPDX-License-Identifier: MIT */
/* handlers.h - every handler of the route table, by the file it lives in. */
#pragma once

#include "api/api.h"
#include "container/container.h"
#include "container/observe.h"

/* system.c */
gboolean api_ping(ApiRequest *r, GError **error);
gboolean api_dhow_df(ApiRequest *r, GError **error);
gboolean api_dhow_check(ApiRequest *r, GError **error);
gboolean api_dhow_trace(ApiRequest *r, GError **error);
gboolean api_dhow_trace_start(ApiRequest *r, GError **error);
gboolean api_dhow_repair(ApiRequest *r, GError **error);
gboolean api_dhow_upgrade(ApiRequest *r, GError **error);
gboolean api_version(ApiRequest *r, GError **error);
/* absent.c */
gboolean api_no_swarm(ApiRequest *r, GError **error);
gboolean api_no_swarm_to_leave(ApiRequest *r, GError **error);
gboolean api_no_build_cache(ApiRequest *r, GError **error);
gboolean api_plugins_list(ApiRequest *r, GError **error);
gboolean api_no_plugin(ApiRequest *r, GError **error);
/* info.c */
gboolean api_info(ApiRequest *r, GError **error);
/* events.c */
gboolean api_events(ApiRequest *r, GError **error);

/* containers.c */
/* The filter "until" of prunes; G_MAXINT64: none. */
gboolean api_prune_until(const Filters *f, int64_t *ret, GError **error);
gboolean api_containers_list(ApiRequest *r, GError **error);
gboolean api_containers_create(ApiRequest *r, GError **error);
gboolean api_container_inspect(ApiRequest *r, GError **error);
gboolean api_container_delete(ApiRequest *r, GError **error);
gboolean api_containers_prune(ApiRequest *r, GError **error);
/* containers_life.c */
gboolean api_container_start(ApiRequest *r, GError **error);
gboolean api_container_stop(ApiRequest *r, GError **error);
gboolean api_container_restart(ApiRequest *r, GError **error);
gboolean api_container_kill(ApiRequest *r, GError **error);
gboolean api_container_pause(ApiRequest *r, GError **error);
gboolean api_container_unpause(ApiRequest *r, GError **error);
gboolean api_container_rename(ApiRequest *r, GError **error);
gboolean api_container_update(ApiRequest *r, GError **error);
gboolean api_container_resize(ApiRequest *r, GError **error);
gboolean api_container_wait(ApiRequest *r, GError **error);
/* containers_files.c */
gboolean api_container_changes(ApiRequest *r, GError **error);
gboolean api_container_export(ApiRequest *r, GError **error);
gboolean api_container_archive_stat(ApiRequest *r, GError **error);
gboolean api_container_archive_get(ApiRequest *r, GError **error);
gboolean api_container_archive_put(ApiRequest *r, GError **error);
gboolean api_commit(ApiRequest *r, GError **error);
/* containers_streams.c */
gboolean api_container_attach(ApiRequest *r, GError **error);
gboolean api_container_logs(ApiRequest *r, GError **error);
gboolean api_container_stats(ApiRequest *r, GError **error);
gboolean api_container_top(ApiRequest *r, GError **error);

/* exec.c */
gboolean api_exec_create(ApiRequest *r, GError **error);
gboolean api_exec_start(ApiRequest *r, GError **error);
gboolean api_exec_resize(ApiRequest *r, GError **error);
gboolean api_exec_inspect(ApiRequest *r, GError **error);

/* images.c */
gboolean api_images_list(ApiRequest *r, GError **error);
gboolean api_image_inspect(ApiRequest *r, GError **error);
gboolean api_image_history(ApiRequest *r, GError **error);
/* With SharedSize and Containers: an element of GET /system/df. */
json_t *api_image_usage(ApiRequest *r, const Image *i);
/* Every volume with its UsageData: an element of GET /system/df. */
json_t *api_volumes_usage(Engine *e);
/* images_prune.c */
gboolean api_images_prune(ApiRequest *r, GError **error);
gboolean api_system_df(ApiRequest *r, GError **error);
/* images_change.c */
/* An image event: the image's labels and the name it went by. */
void api_image_event(Engine *e, const char *action, const Image *i, const char *name);
gboolean api_image_tag(ApiRequest *r, GError **error);
gboolean api_image_delete(ApiRequest *r, GError **error);
gboolean api_images_load(ApiRequest *r, GError **error);
gboolean api_images_get(ApiRequest *r, GError **error);
gboolean api_images_create(ApiRequest *r, GError **error);

/* registry.c */
gboolean api_image_pull(ApiRequest *r, GError **error);
gboolean api_image_push(ApiRequest *r, GError **error);
gboolean api_auth(ApiRequest *r, GError **error);
gboolean api_images_search(ApiRequest *r, GError **error);
gboolean api_distribution(ApiRequest *r, GError **error);
/* RegistryConfig of info; new reference. */
json_t *api_registry_config(const RegistryConfig *c);

/* networks.c */
gboolean api_networks_list(ApiRequest *r, GError **error);
gboolean api_networks_prune(ApiRequest *r, GError **error);
gboolean api_network_inspect(ApiRequest *r, GError **error);

/* volumes.c */
gboolean api_volumes_list(ApiRequest *r, GError **error);
gboolean api_volume_create(ApiRequest *r, GError **error);
gboolean api_volume_inspect(ApiRequest *r, GError **error);
gboolean api_volume_delete(ApiRequest *r, GError **error);
gboolean api_volumes_prune(ApiRequest *r, GError **error);
