/* SPDX-License-Identifier: MIT */
/*
 * settings.h - what can change while the engine runs: one immutable snapshot. An operation takes a
 * reference once and goes by it to its end; another snapshot takes its place as a whole.
 */
#pragma once

#include "base/log.h"
#include "registry/endpoint.h"

typedef struct {
	gint refs;
	DhLogLevel log_level;
	gboolean debug; /* logs everything, whatever the level is */
	GHashTable *labels;
	GHashTable *runtimes;  /* name -> RuntimeProgram (runtimes.h) */
	char *default_runtime; /* of a container that names none; NULL: our own */
	int64_t shutdown_timeout;
	RegistryConfig registry;
} EngineSettings;

/* With empty tables; to be filled in before anybody else knows it. */
EngineSettings *settings_new(void);
EngineSettings *settings_ref(EngineSettings *s);
void settings_unref(EngineSettings *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EngineSettings, settings_unref)

/* Below it nothing is logged. */
DhLogLevel settings_log_level(const EngineSettings *s);
/* "key=value", sorted; free with g_strfreev. */
char **settings_labels(const EngineSettings *s);
/* The name under which clients know it. */
const char *settings_default_runtime(const EngineSettings *s);
