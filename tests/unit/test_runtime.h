/* SPDX-License-Identifier: MIT */
/* test_runtime.h - a busybox root and an ordinary container's configuration, for the runtime's
 * tests. */
#pragma once

#include "runtime/runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Containers need root and busybox-static; without them the tests that run some are skipped. */
gboolean rig_usable(void);

typedef struct {
	char *dir; /* everything below, removed at the end */
	RtRootfs rootfs;
	OciSpec *spec;
	RtLaunch launch;
	RtProcess process;
	char *mounts_before, *cgroups_before;
} Rig;

int rig_setup(void **state);
/* Removes everything, and fails when the host's mounts or cgroups are not as they were. */
int rig_teardown(void **state);

/* args replaced; the output of the program (stdout and stderr), its wait status in *ret_status.
 * NULL when it could not be started. */
char *rig_run(Rig *r, int *ret_status, GError **error, const char *const *args);
/* The same with "sh -c script"; asserts that it could be started. */
char *rig_sh(Rig *r, const char *script);
char *rig_exec(Rig *r, OciProcess *p, int *ret_status, GError **error);

/* Starts and leaves it running; rig_stop kills and reaps. */
void rig_start(Rig *r, const char *script);
void rig_stop(Rig *r);

OciMount *rig_add_mount(
	Rig *r, const char *destination, const char *type, const char *source, const char *options);
