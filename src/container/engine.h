/* SPDX-License-Identifier: MIT */
/*
 * engine.h - one engine: its directories, its database, and the rooms it is made of. Created by
 * src/daemon, used by src/api; there is no global state beside it.
 */
#pragma once

#include "base/db.h"
#include "container/apparmor.h"
#include "container/events.h"
#include "container/identity.h"
#include "container/settings.h"
#include "network/network.h"
#include "registry/registry.h"
#include "store/store.h"
#include "volume/volume.h"

typedef struct Container Container;

/* What stays as it is until the engine closes. */
typedef struct {
	char *data_root, *exec_root;
	char *cgroup_parent;         /* "/dhow" or "/dhow-<instance>" */
	char *shim_path, *init_path; /* programs, absolute */
	NetConfig net;
	gboolean handed_over;  /* from a daemon that ran in this process until now */
	gboolean live_restore; /* always TRUE; reported */
	GHashTable *log_opts;  /* defaults for json-file: "max-size", "max-file" */
	char *log_driver;
	char **dns, **dns_search, **dns_options;
	gboolean no_reserve; /* sets no space aside for removals on a full disk */
	char *userns_remap;  /* --userns-remap, or NULL */
} EngineConfig;

typedef struct {
	EngineConfig config;
	GMutex settings_lock;
	EngineSettings *settings; /* under settings_lock: see engine_settings */
	DhReserve *reserve;
	DhDb *db;
	Store *store;
	Registry *registry;
	NetEngine *net;
	Volumes *volumes;
	Events *events;
	Identities *identities;
	AppArmor apparmor;
	char *id; /* persistent engine ID, a UUID */
	int64_t started_at;
	int64_t start_ms;        /* how long opening took */
	GPtrArray *start_report; /* char*: what the reconciler did */
	gint reconciled;         /* atomic; until then nothing is started */

	GMutex lock;         /* the tables; taken for look-ups only, never across a blocking call */
	GHashTable *by_id;   /* id -> Container */
	GHashTable *by_name; /* "name" -> Container */
	GHashTable *making;  /* id of a container that is not in them yet -> its image's */
	GPtrArray *held;     /* of --rm, ended: see engine_hold_removals; or NULL */
	GQueue gone;         /* Departed: the last --rm containers, for who still waits (wait.c) */

	struct ShimPool *shims;
	struct Supervisor *supervisor; /* the thread that hears what the shims say */
	GMutex exec_lock;
	GHashTable *execs;       /* exec id -> Exec */
	GThreadPool *background; /* teardown off the user's path */
	GThreadPool *probes;     /* health checks that are under way */
	int closing;             /* eventfd: readable when the engine closes */
} Engine;

/* Opens everything and reconciles: database, shims, cgroups, network. Takes a reference. */
Engine *engine_open(EngineConfig *config, EngineSettings *settings, GError **error);

/* Those in force: a reference, to be taken once for an operation. */
EngineSettings *engine_settings(Engine *e);
/* Puts others in force for what begins from now on, and tells it by an event. Takes a reference. */
void engine_reload(Engine *e, EngineSettings *settings);

/* Stops listening to shims and closes. Containers go on, unless none runs: then bridge, table and
 * cgroup parent go too, if not told to keep them. */
void engine_close(Engine *e, gboolean keep);

/* Ends all that happens by itself: hearing the shims, health checks, what runs in the background.
 */
void engine_halt(Engine *e);
/* Halts. For the engine that follows in the same process (handover.c): what is not on disk, with
 * numbers of descriptors, which stay open. Then engine_close, which must keep everything. */
json_t *engine_export(Engine *e);
void engine_import(Engine *e, const json_t *state);

/* While an engine is handed over nothing removes itself: whoever reads its log has to find it in
 * the engine that follows, which begins like this. */
void engine_hold_removals(Engine *e);
/* Removes what has been held. */
void engine_release_removals(Engine *e);

/* Whether an engine of this program could open what lies in that data root. */
gboolean engine_accepts(const EngineConfig *config, GError **error);
